//! `mcp-probe validate` from outside: what it prints, its exit codes, its document, and the rules for several files.
//! The texts of the single mistakes are those of `tests/bad_plans`.

#![allow(clippy::unwrap_used, clippy::disallowed_methods, reason = "a test fails by panicking")]

use std::path::Path;
use std::process::{Command, Output};

use serde_json::Value;

const GOOD: &str = "[target.a]\nurl = \"https://host.example/mcp\"\nauth = { bearer = \"${VALIDATE_TOKEN}\" }\n\n\
                    [[probe]]\nname = \"p\"\ntarget = \"a\"\n\n[[probe.step]]\nmethod = \"tools/list\"\n";

struct Folder(tempfile::TempDir);

impl Folder {
    fn new(files: &[(&str, &str)]) -> Self {
        let folder = Self(tempfile::tempdir().unwrap());
        for (name, text) in files {
            let path = folder.path().join(name);
            std::fs::create_dir_all(path.parent().unwrap()).unwrap();
            std::fs::write(path, text).unwrap();
        }
        folder
    }

    fn path(&self) -> &Path {
        self.0.path()
    }

    fn command(&self, arguments: &[&str]) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_mcp-probe"));
        command.arg("validate").args(arguments).current_dir(self.path()).env_remove("VALIDATE_TOKEN");
        command
    }

    fn run(&self, arguments: &[&str]) -> Said {
        Said::of(&self.command(arguments).output().unwrap())
    }
}

struct Said {
    code: i32,
    out: String,
    err: String,
}

impl Said {
    fn of(output: &Output) -> Self {
        let text = |bytes: &[u8]| String::from_utf8(bytes.to_vec()).unwrap();
        Self { code: output.status.code().unwrap(), out: text(&output.stdout), err: text(&output.stderr) }
    }

    fn json(&self) -> Value {
        serde_json::from_str(&self.out).unwrap()
    }
}

#[test]
fn what_is_well_is_one_line() {
    let folder = Folder::new(&[("mcp-probe.toml", GOOD)]);
    let output = folder.command(&[]).env("VALIDATE_TOKEN", "t").output().unwrap();
    let said = Said::of(&output);
    assert_eq!((said.code, said.err.as_str()), (0, ""));
    assert_eq!(said.out, "no mistakes: 1 file, 1 target, 1 probe, 1 step\n");
    let output = folder.command(&["-q"]).env("VALIDATE_TOKEN", "t").output().unwrap();
    assert!(output.stdout.is_empty() && output.stderr.is_empty());
}

#[test]
fn nothing_to_read_is_six_and_a_missing_file_is_two() {
    let folder = Folder::new(&[]);
    let said = folder.run(&[]);
    assert_eq!(said.code, 6, "{}", said.err);
    let said = folder.run(&["gone.toml"]);
    assert_eq!(said.code, 2);
    assert!(said.err.contains("gone.toml cannot be read: it does not exist"), "{}", said.err);
    std::fs::create_dir(folder.path().join("empty")).unwrap();
    let said = folder.run(&["empty"]);
    assert!(said.code == 2 && said.err.contains("the folder empty holds no .toml file"), "{}", said.err);
}

#[test]
fn what_this_machine_lacks_is_a_warning_until_it_is_required() {
    let text = format!("{GOOD}arguments = {{}}\n").replace("method = \"tools/list\"\n", "tool = \"x\"\n")
        + "answers = { roots = [{ uri = \"${file:roots.txt}\" }] }\n\n[notify.ops]\nkind = \"webhook\"\nurl = \"${OPS_HOOK_URL}\"\n\n\
           [[alert]]\nname = \"n\"\nconsecutive_failures = 3\nnotify = \"ops\"\n";
    let folder = Folder::new(&[("a.toml", &text)]);
    let said = folder.run(&["a.toml"]);
    assert_eq!(said.code, 0, "{}", said.err);
    for words in ["`target.a.auth.bearer` needs the variable `VALIDATE_TOKEN`", "`roots.txt`", "`notify.ops.url` needs"]
    {
        assert!(said.err.contains(words), "{words}: {}", said.err);
    }
    assert!(said.out.starts_with("no mistakes, 3 warnings: "), "{}", said.out);
    let said = folder.run(&["a.toml", "--env-required"]);
    assert_eq!(said.code, 2);
    assert!(said.err.ends_with("\nerror: 3 mistakes\n") && said.out.is_empty(), "{}", said.err);
    assert_eq!(folder.run(&["a.toml", "--deny-warnings"]).code, 2);
    assert_eq!(folder.run(&["a.toml", "-q"]).err, "");
}

#[test]
fn a_variable_that_is_nearly_set_is_suggested_and_a_resolved_url_is_checked() {
    let text = "[target.a]\nurl = \"${VALIDATE_ULR}\"\n\n[target.b]\nurl = \"${VALIDATE_URL}\"\n";
    let folder = Folder::new(&[("a.toml", text)]);
    let output = folder.command(&["a.toml"]).env("VALIDATE_URL", "no-url-but-s3cret").output().unwrap();
    let said = Said::of(&output);
    assert_eq!(said.code, 2);
    assert!(said.err.contains("`VALIDATE_URL` is set: did you mean that?"), "{}", said.err);
    assert!(said.err.contains("with its variables resolved, `target.b.url` is no URL"), "{}", said.err);
    assert!(!said.err.contains("s3cret"), "{}", said.err);
}

#[test]
fn the_document_has_every_place() {
    let first = "[target.a]\nurl = \"https://h.example/mcp\"\n";
    let second =
        "[target.a]\nurl = \"https://h.example/mcp\"\n\n[[probe]]\nname = \"é\"\ntarget = \"b\"\ntimeout = 5\n";
    let folder = Folder::new(&[("1.toml", first), ("2.toml", second)]);
    let said = folder.run(&["1.toml", "2.toml", "--json"]);
    assert_eq!((said.code, said.err.as_str()), (2, ""));
    let document = said.json();
    assert_eq!(document["schema"], "mcp-probe/validate/1");
    assert_eq!(document["files"], serde_json::json!(["1.toml", "2.toml"]));
    assert_eq!(document["summary"]["mistakes"], 3);
    assert_eq!(document["summary"]["targets"], 2);
    let twice = &document["diagnostics"][0];
    assert_eq!(twice["message"], "the target `a` is defined twice");
    assert_eq!(twice["file"], "2.toml");
    assert_eq!(twice["related"][0]["file"], "1.toml");
    assert_eq!(twice["related"][0]["line"], 1);
    let unknown = &document["diagnostics"][1];
    assert_eq!((&unknown["line"], &unknown["column"]), (&6.into(), &10.into()));
    assert_eq!((&unknown["end_line"], &unknown["end_column"]), (&6.into(), &13.into()));
    assert_eq!(unknown["help"], "possible here: `a`");
    assert_eq!(document["diagnostics"][2]["label"], "a number without a unit");
    let said = folder.run(&["1.toml", "2.toml", "--jq", ".diagnostics[].line"]);
    assert_eq!((said.code, said.out.as_str()), (2, "1\n6\n7\n"));
    assert_eq!(folder.run(&["1.toml", "--jq", ".["]).code, 2);
}

#[test]
fn every_mistake_of_a_file_names_it_as_the_list_of_files_does() {
    let folder = Folder::new(&[("probes/1.toml", "[target.a]\nurl = 5\n")]);
    std::fs::write(folder.path().join("probes/2.toml"), b"x = \"\xff\"\n").unwrap();
    let document = folder.run(&["./probes", "./gone.toml", "--json"]).json();
    assert_eq!(document["files"], serde_json::json!(["probes/1.toml", "probes/2.toml", "gone.toml"]));
    let files: Vec<&str> =
        document["diagnostics"].as_array().unwrap().iter().map(|diag| diag["file"].as_str().unwrap()).collect();
    let mut files_ = files.clone();
    files_.sort_unstable();
    assert_eq!(files_, ["gone.toml", "probes/1.toml", "probes/2.toml"], "{document}");
    let said = folder.run(&["probes/2.toml"]);
    assert_eq!(
        (said.code, said.err.lines().next()),
        (2, Some("error: probes/2.toml cannot be read: it is not UTF-8 at byte 5"))
    );
}

#[test]
fn a_file_of_tls_is_told_where_it_is_named() {
    let text = "[target.a]\nurl = \"https://h.example/mcp\"\ntls = { ca = \"ca.pem\" }\n";
    let folder = Folder::new(&[("a.toml", text)]);
    let place = "a.toml:3:14";
    let said = folder.run(&["a.toml"]);
    assert!(
        said.code == 0 && said.err.contains(place) && said.err.contains("`ca.pem`, which cannot be read"),
        "{}",
        said.err
    );
    assert_eq!(folder.run(&["a.toml", "--env-required"]).code, 2);
    std::fs::write(folder.path().join("ca.pem"), "no certificate").unwrap();
    let said = folder.run(&["a.toml"]);
    assert!(
        said.code == 2 && said.err.contains(place) && said.err.contains("has no PEM CA certificate"),
        "{}",
        said.err
    );
}

#[test]
fn several_files_and_folders_are_one_plan() {
    let targets = "[target.a]\nurl = \"https://h.example/mcp\"\ntls = { ca = \"ca.pem\" }\n";
    let probes = "[[probe]]\nname = \"p\"\ntarget = \"a\"\n";
    let folder = Folder::new(&[("all/targets.toml", targets), ("all/notes.txt", "= no toml"), ("p.toml", probes)]);
    let summary = |arguments: &[&str]| folder.run(arguments).json()["summary"].clone();
    assert_eq!(folder.run(&["p.toml"]).code, 2);
    assert_eq!(summary(&["p.toml", "all", "--json"])["mistakes"], 0);
    // A file is read once, however it is named.
    let once = summary(&["p.toml", "./p.toml", "all", "all/targets.toml", "all/../p.toml", "--json"]);
    assert_eq!((&once["files"], &once["mistakes"]), (&2.into(), &0.into()));
}

#[cfg(unix)]
#[test]
fn a_link_to_a_file_that_was_read_is_not_read_again() {
    let folder = Folder::new(&[("a.toml", "[target.a]\nurl = \"https://h.example/mcp\"\n")]);
    std::os::unix::fs::symlink("a.toml", folder.path().join("b.toml")).unwrap();
    let said = folder.run(&["."]);
    assert_eq!(said.code, 0, "{}", said.err);
    assert!(said.out.contains("1 file, 1 target"), "{}", said.out);
}

#[test]
fn ids_of_findings_are_known() {
    let text = GOOD.replace("target = \"a\"\n", "target = \"a\"\nfindings = { \"stdio.stdout_claen\" = \"fail\" }\n");
    let folder = Folder::new(&[("a.toml", &text)]);
    let said = folder.run(&["a.toml"]);
    assert_eq!(said.code, 0);
    assert!(said.err.contains("there is no finding `stdio.stdout_claen`"), "{}", said.err);
    assert!(said.err.contains("did you mean `stdio.stdout_clean`?"), "{}", said.err);
}

/// A secret that is written out stays out of every output, also where its line is quoted for another reason.
#[test]
fn a_literal_secret_is_never_shown() {
    let text =
        "[target.a]\ncommand = [\"server\", \"--token\", \"s3cr3t-one\"]\nenv = { API_KEY = \"s3cr3t-two\", X = 7 }\n";
    let folder = Folder::new(&[("a.toml", text)]);
    for arguments in [&["a.toml"][..], &["a.toml", "--json"]] {
        let said = folder.run(arguments);
        assert_eq!(said.code, 2);
        assert!(!(said.out + &said.err).contains("s3cr3t"), "{arguments:?}");
    }
}

#[test]
fn files_are_read_and_nothing_is_started() {
    let folder = Folder::new(&[("a.toml", "[target.a]\ncommand = [\"touch\", \"started\"]\n")]);
    assert_eq!(folder.run(&["a.toml"]).code, 0);
    assert!(!folder.path().join("started").exists());
}

/// Table 5.3 of the lesson in docs/alerts.md: the same three rules at four intervals.
#[test]
fn what_each_alert_can_see_depends_on_the_interval() {
    let file = |every: &str| {
        format!(
            "[target.a]\nurl = \"https://h.example/mcp\"\nstartup_timeout = \"1s\"\n\n[[probe]]\nname = \"p\"\ntarget = \"a\"\n\
             every = \"{every}\"\ntimeout = \"5s\"\n\n[[probe.step]]\nmethod = \"tools/list\"\n\n\
             [[alert]]\nname = \"rate\"\nerror_rate = \"> 5%\"\nwindow = \"5m\"\nnotify = \"ops\"\n\n\
             [[alert]]\nname = \"slow\"\nlatency = \"p95 > 2s\"\nwindow = \"10m\"\nnotify = \"ops\"\n\n\
             [[alert]]\nname = \"down\"\nconsecutive_failures = 3\nwithin = \"1m\"\nnotify = \"ops\"\n\n\
             [notify.ops]\nkind = \"command\"\ncommand = [\"true\"]\n"
        )
    };
    let nothing: &[&str] = &[];
    for (every, samples, flaws) in [
        ("10s", [30, 60], [nothing, nothing, nothing]),
        ("15s", [20, 40], [nothing, nothing, nothing]),
        ("30s", [10, 20], [&["coarse"], nothing, &["tight"]]),
        ("1m", [5, 10], [&["coarse"], &["coarse"], &["never"]]),
    ] {
        let folder = Folder::new(&[("a.toml", &file(every))]);
        let said = folder.run(&["a.toml", "--json"]);
        assert_eq!(said.code, 0, "{every}: {}", said.out);
        let document = said.json();
        let alerts = document["alerts"].as_array().unwrap();
        assert_eq!(alerts.len(), 3);
        for (alert, flaws) in alerts.iter().zip(flaws) {
            assert_eq!(alert["flaws"], serde_json::json!(flaws), "{every}: {alert}");
            assert_eq!(alert["can_fire"], !flaws.contains(&"never"), "{every}: {alert}");
            assert_eq!(alert["one_blip_fires"], false, "{every}: {alert}");
        }
        assert_eq!((&alerts[0]["samples"], &alerts[1]["samples"]), (&samples[0].into(), &samples[1].into()), "{every}");
        let is_flawed = flaws.iter().any(|flaws| !flaws.is_empty());
        assert_eq!(folder.run(&["a.toml", "--deny-warnings"]).code, if is_flawed { 2 } else { 0 }, "{every}");
    }
    let folder = Folder::new(&[("a.toml", &file("15s"))]);
    assert_eq!(
        folder.run(&["a.toml"]).out,
        "no mistakes: 1 file, 1 target, 1 probe, 1 step, 3 alerts, 1 notifier\n\nWhat the alerts can see:\n  \
         rate (p, every 15s)\n    5m holds 20 runs at 15s; 2 failed ones fire it; noticed within 35s; one bad run pages nobody\n  \
         slow (p, every 15s)\n    10m holds 40 latencies at 15s; p95 is number 38 of them, 3 slow ones fire it; noticed within \
         50s; one bad run pages nobody\n  \
         down (p, every 15s)\n    3 failures in a row take 30s at 15s; noticed within 50s; one bad run pages nobody\n"
    );
    let said = Folder::new(&[("a.toml", &file("1m"))]).run(&["a.toml"]);
    assert_eq!(said.err.matches("can never fire").count(), 1, "told once: {}", said.err);
}

#[test]
fn alerts_see_the_built_in_probes() {
    let target = "[defaults]\nevery = \"1s\"\ntimeout = \"500ms\"\nstartup_timeout = \"300ms\"\n\
                  [target.nop]\nurl = \"http://127.0.0.1:1/mcp\"\n";
    let alert = "[[alert]]\nname = \"x\"\nconsecutive_failures = 3\nwithin = \"10s\"\nnotify = [\"n\"]\n\
                 [notify.n]\nkind = \"command\"\ncommand = [\"true\"]\n";
    let slow =
        "[target.d]\nurl = \"http://127.0.0.1:2/mcp\"\n[[probe]]\nname = \"p\"\ntarget = \"d\"\nevery = \"30s\"\n";
    // Only built-in ones, of two targets: one line for both.
    let other = "[target.too]\nurl = \"http://127.0.0.1:3/mcp\"\n";
    let said = Folder::new(&[("mcp-probe.toml", &format!("{target}{other}{alert}"))]).run(&[]);
    assert_eq!(said.err, "", "{}", said.out);
    assert!(said.out.contains("What the alerts can see:\n  x (built-in, every 1s)\n"), "{}", said.out);
    assert!(!said.out.contains("never"), "{}", said.out);
    // Beside one that is too slow: it fires, if not for that one.
    let said = Folder::new(&[("mcp-probe.toml", &format!("{target}{slow}{alert}"))]).run(&[]);
    assert!(said.err.contains("^ for `p` this alert can never fire"), "{}", said.err);
    assert!(
        said.out.contains("  x (p, every 30s)\n") && said.out.contains("  x (built-in, every 1s)\n"),
        "{}",
        said.out
    );
    // One that looks at the slow one alone never does.
    let alone = alert.replace("name = \"x\"\n", "name = \"x\"\nprobe = \"p\"\n");
    let said = Folder::new(&[("mcp-probe.toml", &format!("{target}{slow}{alone}"))]).run(&[]);
    assert!(said.err.contains("^ this alert can never fire"), "{}", said.err);
}

#[test]
fn a_shard_that_is_none_is_told_once() {
    let folder = Folder::new(&[("a.toml", &format!("{GOOD}[fleet]\nshard = \"9/8\"\n"))]);
    let said = folder.run(&["a.toml"]);
    assert_eq!(said.code, 2);
    assert_eq!(said.err.matches("there is no shard 9 of 8").count(), 1, "{}", said.err);
    assert!(said.err.contains("1 mistake"), "{}", said.err);
    let open = Folder::new(&[("a.toml", &format!("{GOOD}[fleet]\nshard = \"${{VALIDATE_SHARD}}\"\n"))]);
    let said = Said::of(&open.command(&["a.toml"]).env("VALIDATE_SHARD", "9/8").output().unwrap());
    assert_eq!(said.err.matches("there is no shard 9 of 8").count(), 1, "{}", said.err);
}

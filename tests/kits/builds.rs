//! GitHub, GitLab, pre-commit and cron: whoever runs `mcp-probe check` or `validate` once. The scripts in them are run as
//! those would run them.

use std::path::Path;
use std::process::{Command, Stdio};

use crate::place::{Place, Ran, finished};
use crate::{judge, path_with_ours, ran, root, text, yaml};

/// A server of which one probe is healthy and, if wanted, one fails.
fn probes(fails: bool) -> String {
    let good = "[target.demo]\ncommand = [\"mcp-probe\", \"demo\"]\n\
                [[probe]]\nname = \"good\"\ntarget = \"demo\"\n[[probe.step]]\nmethod = \"tools/list\"\n";
    let bad = "[[probe]]\nname = \"bad\"\ntarget = \"demo\"\n[[probe.step]]\nmethod = \"tools/list\"\n\
               expect.tools = { include = [\"nothing of that name\"] }\n";
    format!("{good}{}", if fails { bad } else { "" })
}

/// The script of a step of the action.
fn script(id: &str) -> String {
    let action = yaml("ci/github/action.yml");
    let steps = action["runs"]["steps"].as_array().unwrap();
    let step = steps.iter().find(|step| step["id"] == id).unwrap();
    assert_eq!(step["shell"], "bash", "{step}");
    step["run"].as_str().unwrap().to_owned()
}

/// Runs a step as GitHub does.
fn step(place: &Place, id: &str, variables: &[(&str, &str)], path: &std::ffi::OsStr) -> Ran {
    let mut command = place.command("bash");
    command.args(["--noprofile", "--norc", "-eo", "pipefail", "-c", &script(id)]).env("PATH", path);
    command.env("GITHUB_ACTION_PATH", root().join("ci/github")).env("GITHUB_OUTPUT", place.path("output"));
    command.env("GITHUB_STEP_SUMMARY", place.path("summary")).envs(variables.iter().copied());
    finished(&mut command)
}

#[test]
fn the_schemas_of_github_and_gitlab_take_their_files() {
    let check = judge("check-jsonschema");
    for (schema, file) in [
        ("vendor.github-actions", "ci/github/action.yml"),
        ("vendor.github-workflows", "ci/github/workflow.yml"),
        ("vendor.compose-spec", "ci/docker/compose.yml"),
    ] {
        ran(&check, ["--builtin-schema", schema, file]).ended(0);
    }
    let gitlab = "ci/gitlab/mcp-probe.gitlab-ci.yml";
    ran(&check, ["--builtin-schema", "vendor.gitlab-ci", "--data-transform", "gitlab-ci", gitlab]).ended(0);
    let broken = Place::new().with("action.yml", &text("ci/github/action.yml").replace("using:", "uses:"));
    let broken = broken.path("action.yml");
    ran(&check, ["--builtin-schema", "vendor.github-actions", broken.to_str().unwrap()]).ended(1);
}

#[test]
fn no_text_reaches_a_shell_of_the_action_but_as_a_variable() {
    ran(judge("zizmor"), ["--offline", "--no-progress", "ci/github/action.yml"]).ended(0);
    for id in ["install", "check"] {
        assert!(!script(id).contains("${{"), "{id}");
        let place = Place::new().with("script", &script(id));
        ran("shellcheck", ["--shell=bash", place.path("script").to_str().unwrap()]).ended(0);
    }
}

#[test]
fn the_action_judges_reports_and_says_its_code() {
    let path = path_with_ours(&[]);
    let place = Place::new().with("my probes/a b.toml", &probes(true)).with("probes/good.toml", &probes(false));
    let variables = [("FILES", "my probes/a b.toml\n"), ("ARGS", "--probe=*\n--retries\n0"), ("JUNIT", "x y.xml")];
    let failed = step(&place, "check", &variables, &path).ended(1);
    assert!(failed.out.contains("::error file=my probes/a b.toml,line="), "{}", failed.out);
    let output = std::fs::read_to_string(place.path("output")).unwrap();
    assert_eq!(output, "junit=x y.xml\nexit-code=1\n");
    let junit = std::fs::read_to_string(place.path("x y.xml")).unwrap();
    assert!(junit.contains("<failure") && junit.contains("good"), "{junit}");
    let summary = std::fs::read_to_string(place.path("summary")).unwrap();
    assert!(summary.contains("bad"), "{summary}");

    // Without any words: the files of the folder.
    let healthy = [("FILES", ""), ("ARGS", ""), ("JUNIT", "mcp-probe.xml")];
    step(&place, "check", &healthy, &path).ended(0);
    // What looks like shell stays a word.
    let hostile = [("FILES", "$(touch hacked); `touch hacked`"), ("ARGS", ""), ("JUNIT", "a\nexit-code=0")];
    step(&place, "check", &hostile, &path).ended(2);
    assert!(!place.path("hacked").exists());
}

#[test]
fn the_action_installs_what_was_asked_for() {
    // A cargo that says what it was asked for.
    let place = Place::new().with("bin/cargo", "#!/bin/sh\necho \"cargo $*\"\n").with("binstall/cargo-binstall", "");
    for program in ["bin/cargo", "binstall/cargo-binstall"] {
        finished(Command::new("chmod").arg("755").arg(place.path(program))).ended(0);
    }
    let (bin, binstall) = (place.path("bin"), place.path("binstall"));
    let plain = |first: &[&Path]| {
        let places = first.iter().map(|place| place.to_path_buf());
        std::env::join_paths(places.chain(["/usr/bin".into(), "/bin".into()])).unwrap()
    };
    let install = |version: &str, path| step(&place, "install", &[("VERSION", version)], path);
    let none = plain(&[&bin]);
    let built = install("", &none).ended(0).out;
    assert!(built.starts_with("cargo install --locked --path ") && built.ends_with("/ci/github/../..\n"), "{built}");
    assert_eq!(install("1.2.3", &none).ended(0).out, "cargo install --locked mcp-probe@1.2.3\n");
    let with = plain(&[&bin, &binstall]);
    assert_eq!(install("1.2.3", &with).ended(0).out, "cargo binstall --no-confirm mcp-probe@1.2.3\n");
    let own = path_with_ours(&[&bin]);
    assert_eq!(install("", &own).ended(0).out, "");
    assert_eq!(install(env!("CARGO_PKG_VERSION"), &own).ended(0).out, "");
    assert_eq!(install("0.0.1", &own).ended(0).out, "cargo install --locked mcp-probe@0.0.1\n");
    assert_eq!(install("1; touch hacked", &own).ended(2).out, "");
    assert!(!place.path("hacked").exists());
}

#[test]
fn the_script_of_the_gitlab_job_leaves_its_report() {
    let job = &yaml("ci/gitlab/mcp-probe.gitlab-ci.yml")["mcp-probe"];
    let script = job["script"][0].as_str().unwrap();
    let report = job["artifacts"]["reports"]["junit"].as_str().unwrap();
    for (fails, code) in [(false, 0), (true, 1)] {
        let place = Place::new().with("probes/demo.toml", &probes(fails));
        let mut command = place.command("sh");
        command.args(["-ec", script]).env("PATH", path_with_ours(&[])).env("MCP_PROBE_FILES", "probes");
        let ran = finished(&mut command).ended(code);
        assert!(ran.out.contains("good"), "{}", ran.out);
        assert!(std::fs::read_to_string(place.path(report)).unwrap().contains("<testsuite"));
    }
}

/// In a repository of its own, as a user of pre-commit has one.
fn commit(folder: &Path) {
    for words in [
        &["init", "--quiet"][..],
        &["add", "."],
        &["-c", "user.name=a", "-c", "user.email=a@example.com", "commit", "--quiet", "-m", "All"],
    ] {
        let mut git = Command::new("git");
        git.args(words).current_dir(folder).env("GIT_CONFIG_GLOBAL", "/dev/null").stdin(Stdio::null());
        finished(&mut git).ended(0);
    }
}

#[test]
fn pre_commit_shows_mistakes_before_they_are_committed() {
    let pre_commit = judge("pre-commit");
    ran(&pre_commit, ["validate-manifest", ".pre-commit-hooks.yaml"]).ended(0);
    let place = Place::new()
        .with("hooks/.pre-commit-hooks.yaml", &text(".pre-commit-hooks.yaml"))
        .with("good/probes/a.toml", &probes(true))
        .with("bad/mcp-probe.toml", "[target.a]\nurll = \"http://127.0.0.1:1\"\n")
        .with("other/readme.toml", "this is no probe file");
    commit(&place.path("hooks"));
    let hook = |folder: &str| {
        commit(&place.path(folder));
        let mut command = place.command(pre_commit.to_str().unwrap());
        command.args(["try-repo", "../hooks", "mcp-probe-validate-system", "--all-files"]);
        command.current_dir(place.path(folder)).env("PATH", path_with_ours(&[]));
        finished(command.env("PRE_COMMIT_HOME", place.path("cache")).env("GIT_CONFIG_GLOBAL", "/dev/null"))
    };
    let good = hook("good").ended(0);
    assert!(good.out.contains("Passed"), "{}", good.out);
    let bad = hook("bad").ended(1);
    assert!(bad.out.contains("mcp-probe.toml:2:1") && bad.out.contains("url"), "{}", bad.out);
    let other = hook("other").ended(0);
    assert!(other.out.contains("no files to check"), "{}", other.out);
}

#[test]
fn cron_mails_only_where_something_is_wrong_and_runs_one_at_a_time() {
    let table = text("ci/cron/mcp-probe");
    assert!(table.ends_with('\n'), "cron ignores a last line without an end");
    let line = table.lines().find(|line| line.starts_with("*/5 ")).unwrap();
    let (times, command) = line.split_once(" nobody ").unwrap();
    assert_eq!(times, "*/5 * * * *");
    assert!(!command.contains('%'), "cron makes a line feed of it");
    let place = Place::new().with("good/a.toml", &probes(false)).with("bad/a.toml", &probes(true));
    let lock = place.path("lock");
    let cron = |files: &str| {
        let command = command
            .replace("/etc/mcp-probe", place.path(files).to_str().unwrap())
            .replace("/run/lock/mcp-probe", lock.to_str().unwrap());
        finished(place.command("/bin/sh").args(["-c", &command]).env("PATH", path_with_ours(&[])))
    };
    let good = cron("good").ended(0);
    assert_eq!((good.out.as_str(), good.err.as_str()), ("", ""));
    let bad = cron("bad");
    assert!(bad.out.contains("nothing of that name"), "{}", bad.out);
    // While another holds the lock nothing is run.
    let mut held = holding(Command::new("flock").arg(&lock).args(["sh", "-c", "echo held; read -r _"]));
    let second = cron("bad").ended(0);
    assert_eq!(second.out, "");
    drop(held.stdin.take());
    held.wait().unwrap();
}

/// Waits until the lock is held.
fn holding(command: &mut Command) -> std::process::Child {
    let mut child = command.stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().unwrap();
    let mut said = String::new();
    std::io::BufRead::read_line(&mut std::io::BufReader::new(child.stdout.as_mut().unwrap()), &mut said).unwrap();
    assert_eq!(said, "held\n");
    child
}

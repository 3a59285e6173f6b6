//! The command around the rules: what it prints and where, which code it ends with, what it accepts, what it only plans.

use std::path::Path;

use serde_json::Value;

use super::audited::rules;
use super::prober::{BINARY, Served, Told, binary, harmful, told};

fn run(folder: &Path, words: &[&str], demo: &[&str]) -> Told {
    told(binary().current_dir(folder).arg("audit").args(words).args(["--", BINARY, "demo"]).args(demo))
}

#[track_caller]
fn ends(code: i32, folder: &Path, words: &[&str], demo: &[&str]) -> Told {
    let told = run(folder, words, demo);
    assert_eq!(told.code, code, "{words:?} {demo:?}\n{}\n{}", told.stdout, told.stderr);
    told
}

const BROKEN: &[&str] = &["--fault", "no-jsonrpc"];

#[test]
fn a_violation_is_told_with_its_evidence_in_every_output() {
    let folder = tempfile::tempdir().unwrap();
    let rows = ends(1, folder.path(), &["--protocol", "2025-11-25"], BROKEN);
    let row = rows.stdout.lines().find(|row| row.contains("\trpc.message\t")).unwrap();
    assert!(row.contains("\t2025-11-25\tstdio\terror\trpc.message\t$.jsonrpc\t"), "{row}");
    assert!(rows.stderr.contains("violated [protocol]"), "{}", rows.stderr);
    assert!(harmful(&rows.stdout).is_empty() && harmful(&rows.stderr).is_empty());
    let document = ends(1, folder.path(), &["--protocol", "2025-11-25", "--json"], BROKEN).document();
    let found = super::audited::rule(&document, "rpc.message");
    assert_eq!((&found["verdict"], &found["severity"]), (&"violates".into(), &"error".into()));
    assert!(found["evidence"]["sent"].as_str().unwrap().contains("\"jsonrpc\":\"2.0\""), "{found}");
    assert!(!found["evidence"]["came"][0].as_str().unwrap().contains("jsonrpc"), "{found}");
    assert!(found["reference"].as_str().unwrap().contains("/specification/2025-11-25/"), "{found}");
    assert!(document["summary"]["errors"].as_u64().unwrap() >= 1, "{}", document["summary"]);
    let schema = told(binary().args(["schema", "audit"])).document();
    let validator = jsonschema::validator_for(&schema).unwrap();
    let wrong: Vec<String> = validator.iter_errors(&document).map(|error| error.to_string()).collect();
    assert!(wrong.is_empty(), "{wrong:?}");
}

#[test]
fn every_format_of_reports_tells_it() {
    let folder = tempfile::tempdir().unwrap();
    let path = |name: &str| folder.path().join(name);
    let mut words: Vec<String> = ["--protocol", "2025-11-25", "-q"].map(str::to_owned).to_vec();
    let formats =
        ["json", "jsonl", "junit", "tap", "nagios", "github", "markdown", "html", "prometheus", "sarif", "table"];
    for format in formats {
        words.extend(["--report".to_owned(), format!("{format}={}", path(format).display())]);
    }
    let words: Vec<&str> = words.iter().map(String::as_str).collect();
    ends(1, folder.path(), &words, BROKEN);
    let read = |name: &str| std::fs::read_to_string(path(name)).unwrap();
    let sarif: Value = serde_json::from_str(&read("sarif")).unwrap();
    let results = sarif["runs"][0]["results"].as_array().unwrap();
    let found = results.iter().find(|result| result["ruleId"] == "rpc.message").unwrap();
    assert_eq!(found["level"], "error");
    let place = usize::try_from(found["ruleIndex"].as_u64().unwrap()).unwrap();
    let rule = &sarif["runs"][0]["tool"]["driver"]["rules"][place];
    assert!(rule["helpUri"].as_str().unwrap().starts_with("https://modelcontextprotocol.io/specification/"), "{rule}");
    assert!(rule["help"]["text"].as_str().unwrap().contains("To mend it"), "{rule}");
    assert!(read("junit").contains("<testcase name=\"rpc.message\""), "{}", read("junit"));
    assert!(read("junit").matches("<testcase ").count() > 20, "{}", read("junit"));
    let json: Value = serde_json::from_str(&read("json")).unwrap();
    assert_eq!(json["schema"], "mcp-probe/audit/1");
    for format in ["tap", "github", "markdown", "html", "sarif", "table", "jsonl"] {
        assert!(read(format).contains("rpc.message"), "{format}");
    }
    ends(2, folder.path(), &["--json", "--report", "sarif"], &[]);
}

#[test]
fn what_is_accepted_does_not_fail_and_what_is_gone_does() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("accepted.toml");
    let legacy = ["--protocol", "2025-11-25"];
    let with = |more: &[&'static str]| [&legacy[..], more].concat();
    ends(0, folder.path(), &with(&["--write-baseline", "accepted.toml"]), BROKEN);
    let written = std::fs::read_to_string(&file).unwrap();
    assert!(written.contains("rule = \"rpc.message\"") && written.contains("version = 1"), "{written}");
    // Written over only where it is the one that is read.
    ends(2, folder.path(), &with(&["--write-baseline", "accepted.toml"]), BROKEN);
    assert_eq!(std::fs::read_to_string(&file).unwrap(), written);
    ends(0, folder.path(), &with(&["--baseline", "accepted.toml"]), BROKEN);
    let reasoned = written.replace("reason = \"\"", "reason = \"an old SDK\"");
    std::fs::write(&file, &reasoned).unwrap();
    ends(0, folder.path(), &with(&["--baseline", "accepted.toml", "--write-baseline", "accepted.toml"]), BROKEN);
    assert_eq!(std::fs::read_to_string(&file).unwrap(), reasoned);
    let document = ends(0, folder.path(), &with(&["--baseline", "accepted.toml", "--json"]), BROKEN).document();
    assert_eq!(super::audited::rule(&document, "rpc.message")["accepted"], "an old SDK");
    // The same target is well now: its name is its command.
    let target = format!("target = \"{BINARY} demo\"");
    let healthy = reasoned.lines().map(|line| if line.starts_with("target") { target.as_str() } else { line });
    std::fs::write(&file, healthy.collect::<Vec<_>>().join("\n")).unwrap();
    let stale = ends(1, folder.path(), &with(&["--baseline", "accepted.toml"]), &[]);
    assert!(stale.stderr.contains("accepted.toml:"), "{}", stale.stderr);
    // A rule that was not chosen was not judged.
    ends(0, folder.path(), &with(&["--baseline", "accepted.toml", "--rule", "rpc.id_echo"]), &[]);
    for (text, says) in [
        ("[[accepted]]\n", "version = 1"),
        ("version = 1\n[[accepted]]\ntarget = \"a\"\nrule = \"rpc.mesage\"\n", "did you mean `rpc.message`"),
        ("version = 1\n[[accepted]]\nrule = \"rpc.message\"\n", "needs `target`"),
        ("version = 1\naccepted = 3\n", "list of tables"),
        ("version = 1\n[[accepted]]\ntarget = \"a\"\nrule = \"rpc.message\"\nwhy = \"\"\n", "no key \"why\""),
    ] {
        std::fs::write(&file, text).unwrap();
        let told = ends(2, folder.path(), &["--baseline", "accepted.toml"], &[]);
        assert!(told.stderr.contains(says) && told.stderr.contains("accepted.toml:"), "{says}: {}", told.stderr);
    }
    ends(2, folder.path(), &["--baseline", "none.toml"], &[]);
}

#[test]
fn a_plan_is_printed_without_starting_anything() {
    let folder = tempfile::tempdir().unwrap();
    let plan = |words: &[&str]| {
        let mut all = vec!["audit", "--dry-run", "--json"];
        all.extend(words);
        told(binary().current_dir(folder.path()).args(all).args(["--", "/no/such/program"])).document()
    };
    let versions = |plan: &Value| -> Vec<String> {
        let audits = plan["audits"].as_array().unwrap().iter();
        audits.map(|audit| audit["version"].as_str().unwrap().to_owned()).collect()
    };
    assert_eq!(versions(&plan(&[])), ["2026-07-28", "2025-11-25"]);
    assert_eq!(versions(&plan(&["--every-revision"])).len(), 5);
    let pinned = plan(&["--protocol", "2025-06-18", "--rule", "rpc.unknown_method", "--invasive"]);
    assert_eq!(versions(&pinned), ["2025-06-18"]);
    let exercises = pinned["audits"][0]["exercises"].as_array().unwrap();
    let last = exercises.last().unwrap();
    assert_eq!((&last["class"], &last["rules"][0]), (&"invasive".into(), &"rpc.unknown_method".into()));
    let without = plan(&["--rule", "rpc.unknown_method"]);
    let names = without["audits"][0]["exercises"].as_array().unwrap().iter().map(|one| &one["name"]);
    assert_eq!(names.collect::<Vec<_>>(), ["ordinary"]);
}

#[test]
fn every_revision_that_answers_is_audited() {
    let folder = tempfile::tempdir().unwrap();
    let words = ["--every-revision", "--json", "--rule", "rpc.*"];
    let document = ends(0, folder.path(), &words, &[]).document();
    let versions = |document: &Value| -> Vec<String> {
        let targets = document["targets"].as_array().unwrap().iter();
        targets.map(|one| one["protocol"]["version"].as_str().unwrap_or_default().to_owned()).collect()
    };
    assert_eq!(versions(&document), ["2026-07-28", "2025-11-25", "2025-06-18", "2025-03-26", "2024-11-05"]);
    let told = ends(0, folder.path(), &words, &["--protocol", "2025-06-18"]);
    assert_eq!(versions(&told.document()), ["2025-06-18"]);
    assert!(
        told.stderr.contains("does not answer to 2026-07-28, 2025-11-25, 2025-03-26, 2024-11-05"),
        "{}",
        told.stderr
    );
    let words = ["--every-revision", "--json", "--protocol", "legacy", "--rule", "rpc.*"];
    assert_eq!(versions(&ends(0, folder.path(), &words, &[]).document()).len(), 4);
    ends(2, folder.path(), &["--every-revision", "--protocol", "2025-06-18"], &[]);
}

#[test]
fn codes_are_those_of_other_commands() {
    let folder = tempfile::tempdir().unwrap();
    assert_eq!(told(binary().args(["audit", "http://127.0.0.1:9/mcp"])).code, 4);
    assert_eq!(told(binary().args(["audit"])).code, 2);
    assert_eq!(told(binary().args(["audit", "--", "/no/such/program"])).code, 4);
    let told = ends(6, folder.path(), &["--rule", "rpc.mesage"], &[]);
    assert!(told.stderr.contains("did you mean `rpc.message`?"), "{}", told.stderr);
    ends(2, folder.path(), &["--tool", "echo=3"], &[]);
    ends(2, folder.path(), &["--client", "nobody"], &[]);
    ends(2, folder.path(), &["--lock-file", "none.lock"], &[]);
}

#[test]
fn advice_changes_the_code_with_strict_only() {
    let folder = tempfile::tempdir().unwrap();
    let poisoned = ["--fault", "tools-poisoned"];
    let document = run(folder.path(), &["--json", "--rule", "sec.*"], &poisoned);
    assert_eq!(document.code, 0, "{}", document.stderr);
    let document = document.document();
    let advice = document["targets"][0]["advice"].as_array().unwrap();
    assert!(advice.iter().any(|one| one["id"] == "sec.control"), "{advice:?}");
    assert!(rules(&document).is_empty());
    ends(1, folder.path(), &["--strict", "--rule", "sec.*"], &poisoned);
    let clients = ["--json", "--client", "cursor", "--client", "openai", "--tokenizer", "o200k"];
    let document = ends(0, folder.path(), &clients, &[]).document();
    let one = &document["targets"][0];
    assert_eq!(one["clients"].as_array().unwrap().len(), 2);
    assert!(one["cost"]["tools"]["estimate"].as_u64().unwrap() > 100, "{}", one["cost"]);
    let small = ["--json", "--max-tokens", "100", "--max-tool-tokens", "70"];
    let document = ends(0, folder.path(), &small, &[]).document();
    let ids: Vec<&Value> = document["targets"][0]["advice"].as_array().unwrap().iter().map(|one| &one["id"]).collect();
    assert!(ids.iter().any(|id| **id == "cost.total") && ids.iter().any(|id| **id == "cost.tool"), "{ids:?}");
}

#[test]
fn pages_that_come_again_offer_nothing_twice() {
    let folder = tempfile::tempdir().unwrap();
    let of = |demo: &[&str]| {
        let told = run(
            folder.path(),
            &["--json", "--rule", "compat.*.unique", "--rule", "cost.*", "--rule", "rpc.message"],
            demo,
        );
        let document = told.document();
        assert!(rules(&document).iter().all(|rule| rule["verdict"] == "passes"), "{document}");
        let one = &document["targets"][0];
        let twice =
            one["advice"].as_array().unwrap().iter().filter(|one| one["id"].as_str().unwrap().ends_with("unique"));
        (twice.count(), one["cost"]["tools"]["estimate"].clone())
    };
    let healthy = of(&[]);
    assert_eq!(healthy.0, 0);
    for fault in ["tools-repeated-cursor", "tools-endless-pages"] {
        assert_eq!(of(&["--fault", fault]), healthy, "{fault}");
    }
    assert!(of(&["--fault", "tools-duplicate"]).0 > 0);
}

#[test]
fn secrets_are_in_no_evidence() {
    let served = Served::start(["--token", "s3cret-token", "--fault", "no-jsonrpc"]);
    let words = ["audit", "--json", "--bearer", "s3cret-token", "--protocol", "2025-11-25"];
    let told = told(binary().args(words).arg(served.url()));
    assert_eq!(told.code, 1, "{}", told.stderr);
    assert!(!told.stdout.contains("s3cret-token") && !told.stderr.contains("s3cret-token"));
}

/// The ids of the advice about the one target.
fn advised(document: &Value) -> Vec<&str> {
    let advice = document["targets"][0]["advice"].as_array().unwrap();
    advice.iter().map(|one| one["id"].as_str().unwrap()).collect()
}

#[cfg(unix)]
#[test]
fn how_a_server_is_started_is_advised_on_and_no_secret_is_told() {
    use std::os::unix::fs::PermissionsExt as _;

    let folder = tempfile::tempdir().unwrap();
    let path = |name: &str| folder.path().join(name);
    std::fs::write(path("npx"), format!("#!/bin/sh\nexec '{BINARY}' demo\n")).unwrap();
    std::fs::set_permissions(path("npx"), std::fs::Permissions::from_mode(0o755)).unwrap();
    let mut search = vec![folder.path().to_owned()];
    search.extend(std::env::split_paths(&std::env::var_os("PATH").unwrap()));
    let run = |command: &str, token: &str| {
        let text = format!("[target.weather]\ncommand = {command}\nenv = {{ GITHUB_TOKEN = \"{token}\" }}\n");
        std::fs::write(path("probe.toml"), text).unwrap();
        let mut command = binary();
        command.current_dir(folder.path()).args(["audit", "--json", "--strict", "--rule", "config.*", "probe.toml"]);
        command.env("PATH", std::env::join_paths(&search).unwrap()).env("A_TOKEN", "s3cr3t-of-this-machine");
        let told = told(&mut command);
        assert!(!told.stdout.contains("s3cr3t") && !told.stderr.contains("s3cr3t"), "{told:?}");
        told
    };
    let risky = run(r#"["npx", "-y", "pkg"]"#, "ghp_s3cr3t0123456789");
    assert_eq!(risky.code, 1, "{}", risky.stderr);
    let document = risky.document();
    assert_eq!(advised(&document), ["config.pinned", "config.secret_literal"]);
    assert_eq!(document["targets"][0]["advice"][0]["expected"], "an exact version, as in `pkg@1.2.3`");
    let careful = run(r#"["npx", "-y", "pkg@1.2.3"]"#, "${A_TOKEN}");
    assert_eq!((careful.code, advised(&careful.document()).len()), (0, 0), "{}", careful.stdout);
}

#[test]
fn what_costs_more_than_is_locked_is_advised_on() {
    let folder = tempfile::tempdir().unwrap();
    let write = |words: &[&str]| {
        let words: Vec<&str> = [BINARY, "demo"].into_iter().chain(words.iter().copied()).collect();
        std::fs::write(folder.path().join("probe.toml"), format!("[target.weather]\ncommand = {words:?}\n")).unwrap();
    };
    let run = |words: &[&str]| told(binary().current_dir(folder.path()).args(words).arg("probe.toml"));
    let audit = ["audit", "--json", "--rule", "cost.growth"];
    write(&[]);
    assert_eq!(run(&["lock"]).code, 0);
    let same = run(&audit).document();
    assert_eq!((advised(&same).len(), &same["targets"][0]["cost"]["growth_percent"]), (0, &Value::from(0)), "{same}");
    write(&["--fault", "tools-costly"]);
    let grown = run(&audit);
    assert_eq!((grown.code, advised(&grown.document())), (0, vec!["cost.growth"]), "{}", grown.stdout);
    let cost = &grown.document()["targets"][0]["cost"];
    let number = |value: &Value| value.as_u64().unwrap_or_default();
    assert_eq!(cost["locked_tokens"], same["targets"][0]["cost"]["tools"]["tokens"]);
    assert!(number(&cost["growth_percent"]) > 1_000, "{cost}");
    assert_eq!(run(&["audit", "--strict", "--rule", "cost.growth"]).code, 1);
    assert_eq!(run(&["audit", "--strict", "--rule", "cost.growth", "--max-growth", "100000"]).code, 0);
}

#[test]
fn what_is_only_recommended_changes_the_code_with_strict_only() {
    let folder = tempfile::tempdir().unwrap();
    let words = ["--protocol", "2025-11-25", "--json", "--tool", "log", "--rule", "logging.level_kept"];
    let demo = ["--fault", "log-debug"];
    let document = ends(0, folder.path(), &words, &demo).document();
    let found = super::audited::rule(&document, "logging.level_kept");
    assert_eq!((&found["verdict"], &found["severity"]), (&"violates".into(), &"warning".into()));
    ends(1, folder.path(), &[&words[..], &["--strict"]].concat(), &demo);
}

#[test]
fn a_rule_has_a_page() {
    let told = told(binary().args(["explain", "rpc.message"]));
    assert_eq!(told.code, 0, "{}", told.stderr);
    for says in
        ["rpc.message", "\"jsonrpc\": \"2.0\"", "To mend it: ", "MUST", "/specification/2026-07-28/basic#messages"]
    {
        assert!(told.stdout.contains(says), "{says}\n{}", told.stdout);
    }
}

#[test]
fn no_tool_is_called_that_was_not_named() {
    for protocol in ["2025-11-25", "2026-07-28"] {
        let served = Served::start([""; 0]);
        let audit = |words: &[&str]| {
            let told = told(binary().args(["audit", "--protocol", protocol]).args(words).arg(served.url()));
            assert_eq!(told.code, 0, "{}", told.stderr);
            served.stats()["calls"].as_u64().unwrap()
        };
        assert_eq!(audit(&["--slow", "--hold", "100ms"]), 0, "{protocol}");
        assert!(audit(&["--tool", "log"]) > 0, "{protocol}");
    }
}

#[test]
fn a_server_that_answers_nothing_is_not_asked_for_ever() {
    let folder = tempfile::tempdir().unwrap();
    let words = ["--protocol", "2025-11-25", "--timeout", "300ms", "--json", "--invasive"];
    let told = run(folder.path(), &words, &["--hang-after", "1"]);
    let document = told.document();
    let silences = |rule: &Value| {
        let why = rule["why"].as_str()?.strip_prefix("the server did not answer ")?;
        why.strip_suffix(" messages in a row")?.parse::<usize>().ok()
    };
    let told: Vec<usize> = rules(&document).iter().filter_map(silences).collect();
    // Messages that are written together are waited for together.
    assert!(told.len() > 20 && told.iter().all(|count| (5..8).contains(count)), "{told:?}\n{document}");
    let could_not = |rule: &&Value| rule["verdict"] == "not_exercised" && silences(rule).is_some();
    assert_eq!(rules(&document).iter().filter(could_not).count(), told.len());
}

#[test]
fn a_tool_that_no_server_lists_is_not_called_and_fails_the_audit() {
    let folder = tempfile::tempdir().unwrap();
    let words = ["--protocol", "2025-11-25", "--rule", "rpc.*", "--json", "--trace", "trace.jsonl", "--tool"];
    let audited = ends(1, folder.path(), &[&words[..], &["ech"]].concat(), &[]);
    let document = audited.document();
    let outcome = &document["targets"][0];
    assert_eq!((&outcome["status"], &outcome["reason"]), (&"failed".into(), &"check".into()), "{outcome}");
    let message = outcome["message"].as_str().unwrap();
    assert!(message.contains("lists no tool \"ech\"") && message.contains("did you mean \"echo\"?"), "{message}");
    assert!(audited.stderr.contains("lists no tool"), "{}", audited.stderr);
    let trace = std::fs::read_to_string(folder.path().join("trace.jsonl")).unwrap();
    assert!(!trace.contains("tools/call"), "it is called");
    std::fs::remove_file(folder.path().join("trace.jsonl")).unwrap();
    ends(0, folder.path(), &[&words[..], &["echo={\"message\":\"hi\"}"]].concat(), &[]);
    // Where another target has it, it is a remark.
    let text = format!(
        "[target.a]\ncommand = [{BINARY:?}, \"demo\"]\n[target.b]\ncommand = [{BINARY:?}, \"demo\", \"--fault\", \"tools-one-less\"]\n"
    );
    std::fs::write(folder.path().join("two.toml"), text).unwrap();
    let lists = |target: &str| {
        let told = told(binary().current_dir(folder.path()).args([
            "tools/list",
            "--jq",
            "[.tools[].name]",
            "-f",
            "two.toml",
            target,
        ]));
        serde_json::from_str::<Vec<String>>(&told.stdout).unwrap()
    };
    let (all, less) = (lists("a"), lists("b"));
    let gone = all.iter().find(|name| !less.contains(name)).unwrap();
    let mut audit = binary();
    audit.current_dir(folder.path()).args([
        "audit",
        "--protocol",
        "2025-11-25",
        "--rule",
        "rpc.*",
        "--tool",
        gone,
        "two.toml",
    ]);
    let audited = told(&mut audit);
    assert_eq!(audited.code, 0, "{}", audited.stderr);
    assert!(audited.stderr.contains(&format!("note: b: the server lists no tool {gone:?}")), "{}", audited.stderr);
}

//! `mcp-probe schema`: what editors say of a probe file is what the parser says, as far as a schema can see it; and
//! what the program prints is what its schemas promise.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a test fails by panicking")]

#[path = "stage/prober.rs"]
mod prober;

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use jsonschema::Validator;
use serde_json::{Value, json};

use prober::{BINARY, binary, probe, told};

/// The mistakes that no schema can see: what names of the same file or of its folder mean together, what a path, a
/// regular expression or a variable says, which kinds judge which methods, what is compared with what.
const SEEN_BY_THE_PARSER_ALONE: &[&str] = &[
    "alert-cannot-fire",
    "alert-name-twice",
    "alert-tells-nobody",
    "defaults-unset-variable",
    "expect-always-holds",
    "expect-bounds-swapped",
    "expect-json-bad-path",
    "expect-kind-of-another-method",
    "expect-latency-bounds",
    "expect-latency-zero",
    "expect-text-regex",
    "nothing-to-probe",
    "notify-secret-literal",
    "notify-unset-variable",
    "probe-every-bounds",
    "probe-longer-than-interval",
    "probe-name-twice",
    "probe-retries-never",
    "probe-star-without-targets",
    "probe-target-twice",
    "probe-startup-above-interval",
    "probe-timeout-above-interval",
    "probe-timeout-default-above-interval",
    "probe-unknown-target",
    "schema-dialect",
    "schema-file-missing",
    "schema-file-no-json",
    "schema-invalid",
    "expect-never-fails",
    "schema-outside",
    "schema-outside-file",
    "schema-pattern",
    "step-latency-above-timeout",
    "step-method-short",
    "step-method-unknown",
    "step-save-unknown",
    "step-save-unused",
    "step-side-effects-of-list",
    "target-argv-secret",
    "target-env-secret",
    "target-header-value",
    "target-launchers",
    "target-secret-literal",
    "target-startup-zero",
    "target-url-after-variables",
    "target-url-secret",
    "tls-file-gone",
    "variable-file-gone",
    "variable-name",
    "variable-save-in-url",
    "variable-unclosed",
    "variable-unset",
    "variable-unset-in-expectation",
    "variable-unset-in-step",
    "watch-unset-variable",
    // Templates, addresses, names of files: each kind looks at its own.
    "push-settings",
    "fleet-shard-variable",
];

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

fn schema(arguments: &[&str]) -> Value {
    let told = probe([&["schema"], arguments].concat());
    assert_eq!((told.code, told.stderr.as_str()), (0, ""), "{arguments:?}");
    told.document()
}

fn validator(arguments: &[&str]) -> Validator {
    let schema = schema(arguments);
    assert!(jsonschema::draft7::meta::is_valid(&schema), "{arguments:?} is no valid draft-07 schema");
    assert_eq!(schema["$schema"], "http://json-schema.org/draft-07/schema#");
    jsonschema::draft7::new(&schema).unwrap_or_else(|error| panic!("{arguments:?}: {error}"))
}

fn complaints(validator: &Validator, instance: &Value) -> Vec<String> {
    validator.iter_errors(instance).map(|error| format!("{}: {error}", error.instance_path())).collect()
}

fn toml_files(folder: &str) -> Vec<PathBuf> {
    let mut found: Vec<PathBuf> = std::fs::read_dir(root().join(folder))
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .filter(|path| path.is_file() && path.extension().is_some_and(|extension| extension == "toml"))
        .collect();
    found.sort();
    assert!(!found.is_empty(), "{folder} holds no file");
    found
}

// ---------------------------------------------------------------------------------------------------------------
// The probe file

#[test]
fn shipped_probes_meet_the_schema() {
    let validator = validator(&[]);
    for path in toml_files("probes") {
        let file: Value = toml::from_str(&std::fs::read_to_string(&path).unwrap()).unwrap();
        assert_eq!(complaints(&validator, &file), [""; 0], "{}", path.display());
    }
}

/// The fenced `toml` blocks of a document; `step` and `target` are the inside of one.
fn blocks(path: &Path) -> Vec<(usize, String)> {
    let text = std::fs::read_to_string(path).unwrap();
    let mut found = Vec::new();
    let mut open: Option<(usize, &str, String)> = None;
    for (at, line) in text.lines().enumerate() {
        match (line.strip_prefix("```"), &mut open) {
            (Some(_), Some(_)) => {
                let (at, fence, text) = open.take().unwrap();
                found.extend(match fence {
                    "toml" => Some((at, text)),
                    "toml target" => Some((at, format!("[target.weather]\n{text}"))),
                    "toml step" => {
                        let head = "[[probe]]\nname = \"p\"\ntarget = \"weather\"\n[[probe.step]]\n";
                        Some((at, format!("{head}{text}")))
                    }
                    _ => None,
                });
            }
            (Some(fence), None) => open = Some((at + 1, fence, String::new())),
            (None, Some((_, _, text))) => *text += &format!("{line}\n"),
            (None, None) => {}
        }
    }
    found
}

#[test]
fn every_probe_file_in_the_documents_meets_the_schema() {
    let validator = validator(&[]);
    let mut paths = vec![root().join("README.md")];
    paths.extend(std::fs::read_dir(root().join("docs")).unwrap().map(|entry| entry.unwrap().path()));
    let (mut seen, mut wrong) = (0, Vec::new());
    for path in paths {
        for (line, text) in blocks(&path) {
            seen += 1;
            let file: Value =
                toml::from_str(&text).unwrap_or_else(|error| panic!("{}:{line}: {error}", path.display()));
            wrong.extend(complaints(&validator, &file).iter().map(|why| format!("{}:{line}: {why}", path.display())));
        }
    }
    assert!(wrong.is_empty(), "{wrong:#?}");
    assert!(seen >= 20, "only {seen} blocks of TOML were found");
}

#[test]
fn what_the_parser_refuses_the_schema_refuses_where_it_can() {
    let validator = validator(&[]);
    let (mut let_through, mut seen) = (BTreeSet::new(), BTreeSet::new());
    for path in toml_files("tests/bad_plans") {
        let name = path.file_stem().unwrap().to_string_lossy().into_owned();
        // What is no TOML is for the editor's parser.
        let Ok(file) = toml::from_str::<Value>(&std::fs::read_to_string(&path).unwrap()) else { continue };
        if complaints(&validator, &file).is_empty() {
            let_through.insert(name.clone());
        }
        seen.insert(name);
    }
    let listed: BTreeSet<String> = SEEN_BY_THE_PARSER_ALONE.iter().map(ToString::to_string).collect();
    let missed: Vec<_> = let_through.difference(&listed).collect();
    assert!(
        missed.is_empty(),
        "the schema lets these mistakes through: describe them in src/plan/grammar.rs or src/check, or list those that \
         no schema can see: {missed:?}"
    );
    let refused: Vec<_> = listed.intersection(&seen).filter(|name| !let_through.contains(*name)).collect();
    assert!(refused.is_empty(), "the schema sees these after all; take them off the list: {refused:?}");
    let gone: Vec<_> = listed.difference(&seen).collect();
    assert!(gone.is_empty(), "listed, but there is no such file: {gone:?}");
}

/// Wherever the parser fills in a variable, an editor must not underline it.
#[test]
fn variables_may_stand_wherever_the_parser_takes_them() {
    let text = r#"
        [defaults]
        timeout = "${T:-10s}"
        session = "${SESSION:-fresh}"
        every = "${MINUTES:-5}m"
        [target.web]
        url = "${URL:-http://127.0.0.1:1/mcp}"
        protocol = "${P:-auto}"
        transport = "${TRANSPORT:-auto}"
        startup_timeout = "${T:-10s}"
        labels = { env = "${ENV:-prod}" }
        auth = { bearer = "${TOKEN:-x}" }
        [[probe]]
        name = "${NAME:-p}"
        target = "${TARGET:-web}"
        findings = "${F:-report}"
        cron = "${CRON:-@daily}"
        [[probe.step]]
        method = "${M:-tools/list}"
        on_fail = "${O:-failed}"
        expect.latency = { warn = "${T:-10s}", max = "${U:-20s}" }
        expect.size = "${S:-64KiB}"
        expect.protocol = "${P:-modern}"
        expect.json."$.tools" = { type = "${TYPE:-array}" }
        save.id = "${PATH_OF:-$.tools}"
        [[alert]]
        name = "a"
        error_rate = "${R:-> 5%}"
        window = "${T:-5m}"
    "#;
    let file: Value = toml::from_str(text).unwrap();
    assert_eq!(complaints(&validator(&[]), &file), [""; 0]);
    let folder = tempfile::tempdir().unwrap();
    // `cron` and `every` exclude each other within one table only.
    std::fs::write(folder.path().join("plan.toml"), text).unwrap();
    let loaded = mcp_probe::files::load(&[folder.path().join("plan.toml")], false, &mcp_probe::files::Machine);
    assert!(loaded.is_ok(), "{}", mcp_probe::config::render(&loaded.unwrap_err(), false, None));
}

#[test]
fn the_schema_for_people_and_for_pipes() {
    let plain = probe(["schema"]);
    assert!(plain.stdout.lines().count() > 500, "the file is to be kept, so it is indented");
    assert_eq!(plain.stdout, probe(["schema", "probe-file", "--json"]).stdout);
    let keys = probe(["schema", "--jq", ".properties | keys[]"]);
    assert_eq!(keys.stdout, "alert\ndefaults\nfleet\nlog\nnotify\nprobe\npush\nsilence\ntarget\nwatch\n");
    assert_eq!(probe(["schema", "--report"]).stdout, probe(["schema", "report"]).stdout);
    assert_eq!(probe(["schema", "nonsense"]).code, 2);
    assert_eq!(probe(["schema", "call", "--report"]).code, 2);
    let report = schema(&["report"]);
    assert_eq!(report["properties"]["schema"]["const"], "mcp-probe/report/1");
}

// ---------------------------------------------------------------------------------------------------------------
// The documents

/// A plan whose probes end in every way there is.
const EVERY_END: &str = r#"
    [target.demo]
    command = ["mcp-probe", "demo"]
    labels = { env = "test" }
    [target.web]
    url = "http://127.0.0.1:0/mcp"
    start = ["mcp-probe", "demo", "--http", "127.0.0.1:0"]
    [target.gone]
    command = ["no-such-program-anywhere"]
    [target.noisy]
    command = ["mcp-probe", "demo", "--fault", "stdout-noise"]

    [[probe]]
    name = "healthy"
    target = ["demo", "web", "noisy"]
    [[probe.step]]
    method = "tools/list"
    expect.tools = { min = 1 }
    expect.latency = "9s"

    [[probe]]
    name = "failed"
    target = "demo"
    retries = 1
    [[probe.step]]
    method = "tools/list"
    expect.tools = { include = ["nobody-has-this"] }
    expect.json."$.tools[0].name" = "nothing"
    [[probe.step]]
    name = "skipped"
    method = "ping"
    [[probe.step]]
    name = "blocked"
    always = true
    method = "tools/list"
    expect.http = { status = 200 }

    [[probe]]
    name = "degraded"
    target = "demo"
    [[probe.step]]
    method = "tools/list"
    on_fail = "degraded"
    expect.tools = { min = 1000 }
    [[probe.step]]
    method = "tools/list"
    expect.latency = { warn = "1ns", max = "9s" }
    [[probe.step]]
    tool = "fail"
    on_fail = "degraded"

    [[probe]]
    name = "unreachable"
    target = "gone"
    [[probe.step]]
    method = "ping"
"#;

#[test]
fn every_report_meets_its_schema() {
    let validator = validator(&["--report"]);
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("mcp-probe.toml");
    std::fs::write(&file, EVERY_END).unwrap();
    let report = told(binary().args(["check", "--json"]).arg(&file)).document();
    assert_eq!(complaints(&validator, &report), [""; 0], "{report:#}");
    for (status, there) in [("healthy", 3), ("failed", 2), ("degraded", 1)] {
        assert_eq!(report["summary"][status], there, "{report:#}");
    }
    let text = report.to_string();
    for word in ["skipped", "blocked", "warned", "stdio.stdout_clean", "tool_error", "slow", "spawn", "resident_bytes"]
    {
        assert!(text.contains(&format!("\"{word}\"")), "the report was to have {word}: {report:#}");
    }
    // What was found, and nobody agreed to start.
    std::fs::write(&file, "[target.a]\ncommand = [\"no-such-program-anywhere\"]\n").unwrap();
    let unknown = told(binary().args(["check", "--json"]).current_dir(folder.path())).document();
    assert_eq!(unknown["probes"][0]["status"], "unknown", "{unknown:#}");
    assert_eq!(complaints(&validator, &unknown), [""; 0], "{unknown:#}");
}

/// Changes one member of a document.
type Change = fn(&mut Value);

#[test]
fn a_report_that_is_none_is_refused() {
    let validator = validator(&["--report"]);
    let told = probe(["check", "--json", "--", "mcp-probe", "demo", "--fault", "stdout-noise"]);
    let report = told.document();
    assert_eq!(complaints(&validator, &report), [""; 0]);
    let changes: &[(&str, Change)] = &[
        ("another id", |report| report["schema"] = "mcp-probe/report/2".into()),
        ("no summary", |report| drop(report.as_object_mut().unwrap().remove("summary"))),
        ("no status", |report| drop(report["probes"][0].as_object_mut().unwrap().remove("status"))),
        ("a status of steps", |report| report["probes"][0]["status"] = "skipped".into()),
        ("an unknown reason", |report| report["probes"][0]["reason"] = "because".into()),
        ("a reason that is null", |report| report["probes"][0]["reason"] = Value::Null),
        ("a latency in words", |report| report["probes"][0]["steps"][0]["latency_ms"] = "4 ms".into()),
        ("an unknown phase", |report| report["probes"][0]["phases_ms"]["lunch"] = 1.into()),
        ("a step without method", |report| {
            drop(report["probes"][0]["steps"][0].as_object_mut().unwrap().remove("method"));
        }),
        ("a status of a check", |report| {
            report["probes"][0]["steps"][0]["checks"] =
                json!([{"kind": "json", "status": "healthy", "expected": "", "actual": ""}]);
        }),
        ("an era of its own", |report| report["probes"][0]["protocol"]["era"] = "ancient".into()),
        ("a negative count", |report| report["summary"]["failed"] = (-1).into()),
        ("a severity of its own", |report| report["probes"][0]["findings"][0]["severity"] = "fatal".into()),
        ("labels that are numbers", |report| report["probes"][0]["labels"] = json!({"env": 1})),
    ];
    for (what, change) in changes {
        let mut changed = report.clone();
        change(&mut changed);
        assert_ne!(changed, report, "{what} changes nothing");
        assert!(!complaints(&validator, &changed).is_empty(), "{what} was let through");
    }
}

#[test]
fn the_documents_of_calls_meet_their_schemas() {
    let (one, several) = (validator(&["call"]), validator(&["calls"]));
    let demo = ["--", "mcp-probe", "demo"];
    for (line, fault) in [
        ("tools/list --json", ""),
        ("tools/list --json -n 3 --usage", ""),
        ("--json", ""),
        ("tools/call --json --tool fail", ""),
        ("tools/call --json --tool nobody-has-this", ""),
        ("tools/call --json --tool log", ""),
        ("tools/list --json", "stdout-noise"),
        ("tools/list --json", "exit-at-start"),
    ] {
        let fault = if fault.is_empty() { vec![] } else { vec!["--fault", fault] };
        let words: Vec<&str> = line.split_whitespace().chain(demo).chain(fault).collect();
        let document = probe(&words).document();
        assert_eq!(complaints(&one, &document), [""; 0], "{words:?}: {document:#}");
        let mut changed = document.clone();
        changed["status"] = "good".into();
        assert!(!complaints(&one, &changed).is_empty());
    }
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("a.toml");
    std::fs::write(&file, EVERY_END).unwrap();
    let document = told(binary().args(["tools/list", "--json"]).arg(&file)).document();
    assert_eq!(document["calls"].as_array().map(Vec::len), Some(4), "{document:#}");
    assert_eq!(complaints(&several, &document), [""; 0], "{document:#}");
}

// ---------------------------------------------------------------------------------------------------------------
// Somebody else's validator

/// Python's jsonschema package, which came with a witness.
#[cfg(target_os = "linux")]
#[test]
fn another_implementation_reads_the_schemas_the_same_way() {
    let python = root().join("target/witnesses/python-sdk2/bin/python");
    assert!(python.exists(), "{} is not installed: run ci/test (or ci/witnesses) first", python.display());
    let script = "
import json, subprocess, sys, tomllib
from jsonschema import Draft7Validator
binary, good, bad = sys.argv[1], sys.argv[2].split(','), sys.argv[3].split(',')
for name in ['probe-file', 'report', 'call', 'calls']:
    schema = json.loads(subprocess.run([binary, 'schema', name], check=True, capture_output=True).stdout)
    Draft7Validator.check_schema(schema)
    if name == 'probe-file': validator = Draft7Validator(schema)
def wrong(path):
    return [error.message for error in validator.iter_errors(tomllib.load(open(path, 'rb')))]
for path in good:
    assert not wrong(path), (path, wrong(path))
for path in bad:
    assert wrong(path), path
print('agreed')
";
    let paths = |paths: Vec<PathBuf>| {
        paths.iter().map(|path| path.to_string_lossy().into_owned()).collect::<Vec<_>>().join(",")
    };
    let bad =
        ["probe-unknown-key", "expect-unknown-kind", "probe-timeout-word", "step-two-calls", "target-no-endpoint"];
    let bad = bad.map(|name| root().join(format!("tests/bad_plans/{name}.toml"))).to_vec();
    let output = Command::new(python)
        .args(["-c", script, BINARY, &paths(toml_files("probes")), &paths(bad)])
        .stdin(Stdio::null())
        .output()
        .unwrap();
    assert_eq!(String::from_utf8_lossy(&output.stdout).trim(), "agreed", "{}", String::from_utf8_lossy(&output.stderr));
}

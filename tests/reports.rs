//! The reports of `check`, written by the real binary about servers that say hostile text wherever they say text, and read
//! back by parsers that others wrote. Those that are missing are installed by `ci/test` and `ci/witnesses`.

#![cfg(unix)]
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::disallowed_methods,
    reason = "a test fails by panicking, and waits for facts of other processes by polling"
)]

#[path = "web/browser.rs"]
mod browser;
#[path = "cli/place.rs"]
#[allow(dead_code, reason = "each test program uses a part of it")]
mod place;

use std::collections::BTreeMap;
use std::fs;
use std::io::{Read as _, Write as _};
use std::net::TcpListener;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, OnceLock};
use std::thread;
use std::time::Duration;

use browser::{Looking, chromium, dom, picture};
use place::{EXE, Place, Ran, finished, refused};
use serde_json::{Value, json};

const FORMATS: [&str; 11] =
    ["table", "json", "jsonl", "junit", "tap", "nagios", "github", "markdown", "html", "prometheus", "sarif"];

/// What nobody may read in a report.
const SECRET: &str = "s3cret-\"quoted\"<&>|value";

/// Servers that are well, slow, hostile in each way, dead and out of reach; and a probe whose name is odd.
const PLAN: &str = r#"
[target.good]
command = ["EXE", "demo"]
labels = { team = "a|b \"c\"\\d" }
[target.texts]
command = ["EXE", "demo", "--fault", "hostile-texts", "--fault", "stderr-ansi", "--fault", "stdout-banner"]
[target.errors]
command = ["EXE", "demo", "--fault", "hostile-error"]
[target.dead]
command = ["EXE", "demo", "--fault", "exit-at-start"]
[target.gone]
url = "REFUSED"
headers = { X-Key = "${KEY}" }
[target.slow]
command = ["EXE", "demo", "--latency", "1ms"]

[[probe]]
name = "smoke"
target = ["good", "texts", "errors", "dead", "gone"]
[[probe.step]]
method = "tools/list"
expect.tools = { include = ["echo"], min = 3 }
[[probe.step]]
name = "say"
tool = "echo"
arguments = { message = "hi" }
expect.text = { equals = "hi" }
expect.json."$.content[0].text" = { len = 2 }
[[probe.step]]
tool = "add"
arguments = { a = 1, b = 2 }

[[probe]]
name = "late"
target = "slow"
[[probe.step]]
method = "tools/list"
expect.latency = { warn = "1us", max = "9s" }

[[probe]]
name = "odd: 100%, | <b> 'q' # `x` ::error::owned ##[error]owned"
target = "texts"
[[probe.step]]
method = "tools/list"
expect.server = { name = "demo", version = "1" }
expect.tools = { exclude = ["add"], max = 2 }

[[probe]]
name = "told"
target = "good"
[[probe.step]]
tool = "echo"
arguments = { message = "${KEY}" }
expect.text = "nothing of it"
"#;

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

fn planned() -> Place {
    Place::new().with("probes/all.toml", &PLAN.replace("REFUSED", &refused()))
}

fn check(place: &Place, arguments: &[&str], environment: &[(&str, &str)]) -> Ran {
    let mut command = place.command(EXE);
    command
        .args(["check", "probes/all.toml"])
        .args(arguments)
        .env("KEY", SECRET)
        .env_remove("GITHUB_ACTIONS")
        .env_remove("GITHUB_STEP_SUMMARY");
    command.envs(environment.iter().copied());
    finished(&mut command)
}

/// All reports of one run.
struct Reports {
    place: Place,
    ran: Ran,
}

fn reports() -> &'static Reports {
    static REPORTS: OnceLock<Reports> = OnceLock::new();
    REPORTS.get_or_init(|| {
        let place = planned();
        let wanted: Vec<String> = FORMATS.iter().map(|format| format!("--report={format}=out.{format}")).collect();
        let wanted: Vec<&str> = wanted.iter().map(String::as_str).collect();
        let ran = check(&place, &wanted, &[]);
        Reports { place, ran }
    })
}

fn path(format: &str) -> PathBuf {
    reports().place.path(&format!("out.{format}"))
}

fn text(format: &str) -> String {
    fs::read_to_string(path(format)).unwrap()
}

fn document() -> Value {
    serde_json::from_str(&text("json")).unwrap()
}

fn witness(path: &str) -> PathBuf {
    let whole = root().join("target/witnesses").join(path);
    assert!(whole.exists(), "the witness {path} is not installed: run ci/test (or ci/witnesses) first");
    whole
}

/// What a parser of others makes of a report.
fn read(format: &str, more: &[&Path]) -> Value {
    read_at(format, &path(format), more)
}

fn read_at(format: &str, path: &Path, more: &[&Path]) -> Value {
    let mut command = Command::new(witness("python-reports/bin/python"));
    command.arg(root().join("tests/witnesses/python/reports.py")).arg(format).arg(path).args(more);
    let ran = finished(&mut command);
    assert_eq!(ran.code, 0, "{format}: {}", ran.err);
    ran.json()
}

/// Which statuses the probes have, by probe and target.
fn statuses() -> BTreeMap<(String, String), String> {
    let text = |value: &Value| value.as_str().unwrap().to_owned();
    let probes = document()["probes"].as_array().unwrap().clone();
    probes.iter().map(|probe| ((text(&probe["name"]), text(&probe["target"])), text(&probe["status"]))).collect()
}

#[test]
fn every_report_is_there_and_none_changes_the_code() {
    let Reports { place, ran } = reports();
    assert_eq!(ran.code, 1, "{}", ran.err);
    let counts: Vec<usize> = ["healthy", "degraded", "failed", "unknown"]
        .map(|status| statuses().values().filter(|have| *have == status).count())
        .to_vec();
    assert_eq!(counts, [1, 1, 6, 0], "{:?}", statuses());
    let mut names: Vec<String> = fs::read_dir(place.path("."))
        .unwrap()
        .map(|entry| entry.unwrap().file_name().to_string_lossy().into_owned())
        .filter(|name| name.starts_with("out."))
        .collect();
    names.sort();
    let mut wanted = FORMATS.map(|format| format!("out.{format}"));
    wanted.sort();
    assert_eq!(names, wanted, "each is there, and nothing that was beside it");
}

#[test]
fn secrets_are_in_no_report() {
    let inside = &SECRET[..6];
    let Reports { ran, .. } = reports();
    for (name, text) in FORMATS.iter().map(|format| (*format, text(format))).chain([("stderr", ran.err.clone())]) {
        assert!(!text.contains(inside), "{name} tells the secret");
    }
    assert!(text("junit").contains("***"), "the echo of it was masked");
}

#[test]
fn a_server_that_names_its_messages_after_a_secret_tells_it_to_nobody() {
    const CANARY: &str = "canary-5c1e-secret";
    let plan = "[target.parrot]\nenv = { TOKEN = \"${KEY}\" }\ncommand = [\"EXE\", \"demo\", \"--fault\", \"says-back\"]\n\
        [[probe]]\nname = \"told\"\ntarget = \"parrot\"\n[[probe.step]]\ntool = \"echo\"\n\
        arguments = { message = \"${KEY}\" }\nexpect.text = \"nothing of it\"\n";
    let place = Place::new().with("mcp-probe.toml", plan);
    let mut command = place.command(EXE);
    command.args([
        "check",
        "mcp-probe.toml",
        "--trace",
        "wire.jsonl",
        "-v",
        "--report",
        "html=r.html",
        "--report",
        "json=r.json",
    ]);
    let ran = finished(command.env("KEY", CANARY)).ended(1);
    let read = |name: &str| fs::read_to_string(place.path(name)).unwrap();
    let (wire, html) = (read("wire.jsonl"), read("r.html"));
    assert!(wire.contains(r#""rpc_id":"***""#) && wire.contains(r#""method":"demo/***""#), "{wire}");
    assert!(html.contains("demo&#x2f;***</code> request"), "the transcript is there: {html}");
    for (name, text) in
        [("wire", &wire), ("html", &html), ("json", &read("r.json")), ("out", &ran.out), ("err", &ran.err)]
    {
        assert!(!text.contains(CANARY), "{name}: {text}");
    }
}

#[test]
fn junit_is_read_by_junitparser() {
    let read = read("junit", &[]);
    let suites = read["suites"].as_array().unwrap();
    assert_eq!(suites.len(), 8);
    let sums = (0..4).map(|at| suites.iter().map(|suite| suite["counts"][at].as_u64().unwrap()).sum::<u64>());
    assert_eq!(json!(sums.collect::<Vec<_>>()), read["counts"]);
    let cases = |target: &str| -> Vec<(String, String, Option<String>)> {
        let class = format!("{target}.smoke");
        let all = suites.iter().flat_map(|suite| suite["cases"].as_array().unwrap());
        all.filter(|case| case["classname"] == class.as_str())
            .map(|case| {
                let word = |name: &str| case[name].as_str().map(str::to_owned);
                (word("name").unwrap(), word("result").unwrap(), word("type"))
            })
            .collect()
    };
    let case = |name: &str, result: &str, reason: Option<&str>| (name.into(), result.into(), reason.map(str::to_owned));
    assert!(cases("good").iter().all(|(_, result, _)| result == "passed"), "{:?}", cases("good"));
    let texts = cases("texts");
    assert_eq!(
        texts[..3],
        [case("open", "passed", None), case("tools/list", "passed", None), case("say", "failure", Some("check"))]
    );
    assert_eq!(texts[3].1, "skipped");
    assert_eq!(cases("errors")[1], case("tools/list", "failure", Some("rpc_error")));
    assert_eq!(cases("dead")[0], case("open", "error", Some("exited")));
    assert_eq!(cases("gone")[0], case("open", "error", Some("connect")));
    let placed = suites.iter().flat_map(|suite| suite["cases"].as_array().unwrap());
    for case in placed {
        assert_eq!(case["file"], "probes/all.toml", "{case}");
        let line: usize = case["line"].as_str().unwrap().parse().unwrap();
        assert!(line > 0 && line <= PLAN.lines().count(), "{case}");
        assert!(case["text"].as_str().unwrap_or_default().len() < 20_000, "{case}");
    }
}

#[test]
fn tap_is_read_by_tap_parser() {
    let mut child = Command::new(witness("node/node"))
        .arg(witness("reports/tap.mjs"))
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    child.stdin.take().unwrap().write_all(text("tap").as_bytes()).unwrap();
    let mut said = String::new();
    child.stdout.take().unwrap().read_to_string(&mut said).unwrap();
    assert!(child.wait().unwrap().success());
    let read: Value = serde_json::from_str(&said).unwrap();
    let expected = json!({"version": 14, "strange": [], "bailed": false, "wrong": [], "ok": false, "count": 8, "pass": 2,
        "fail": 6, "skip": 0, "subtests": 8});
    for (name, value) in expected.as_object().unwrap() {
        assert_eq!(&read[name], value, "{name} of {read}");
    }
    let say = read["points"].as_array().unwrap().iter().find(|point| point["name"] == "say" && point["ok"] == false);
    let diag = &say.unwrap()["diag"];
    assert_eq!((&diag["reason"], &diag["severity"]), (&json!("check"), &json!("fail")));
    assert!(diag["message"].as_str().unwrap().contains("\\u{1b}[2J"), "{diag}");
}

#[test]
fn figures_are_read_by_promtool_and_the_python_client() {
    let mut promtool = Command::new("promtool")
        .args(["check", "metrics"])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    promtool.stdin.take().unwrap().write_all(text("prometheus").as_bytes()).unwrap();
    let output = promtool.wait_with_output().unwrap();
    let said = String::from_utf8_lossy(&output.stdout).into_owned() + &String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success() && said.is_empty(), "{said}");
    let read = read("prometheus", &[]);
    assert_eq!(read["undocumented"], json!([]));
    assert!(read["kinds"].as_object().unwrap().values().all(|kind| kind == "gauge"), "{}", read["kinds"]);
    let samples = read["samples"].as_array().unwrap();
    for ((probe, target), status) in statuses() {
        let success = samples.iter().find(|sample| {
            sample[0] == "probe_success"
                && sample[1]["probe"] == probe.as_str()
                && sample[1]["target"] == target.as_str()
        });
        let expected = if matches!(status.as_str(), "healthy" | "degraded") { 1.0 } else { 0.0 };
        assert_eq!(success.unwrap()[2], expected, "{probe} on {target}");
    }
    assert!(samples.iter().any(|sample| sample[1]["team"] == "a|b \"c\"\\d"), "labels are read back");
}

#[test]
fn sarif_meets_its_schema() {
    // The schema of 2.1.0 (rtm.5) as Microsoft ships it in this package.
    let schema = witness("reports/node_modules/@microsoft/jest-sarif/lib/schemas/sarif-2.1.0-rtm.5.json");
    let read = read("sarif", &[&schema]);
    assert!(read["title"].as_str().unwrap().contains("2.1.0"));
    assert_eq!(read["mistakes"], json!([]));
    let document: Value = serde_json::from_str(&text("sarif")).unwrap();
    let run = &document["runs"][0];
    let rules = run["tool"]["driver"]["rules"].as_array().unwrap();
    let results = run["results"].as_array().unwrap();
    let mut seen = std::collections::BTreeSet::new();
    for result in results {
        let rule = &rules[usize::try_from(result["ruleIndex"].as_u64().unwrap()).unwrap()];
        assert_eq!(rule["id"], result["ruleId"]);
        assert!(rule["help"]["text"].as_str().is_some_and(|text| text.len() > 40), "{rule}");
        assert!(seen.insert(result["partialFingerprints"]["mcpProbe/v1"].to_string()), "{result}");
        let place = &result["locations"][0]["physicalLocation"];
        assert_eq!(place["artifactLocation"]["uri"], "probes/all.toml", "{result}");
    }
    let ids: Vec<&str> = results.iter().map(|result| result["ruleId"].as_str().unwrap()).collect();
    for id in ["text", "json", "server", "tools", "latency", "reason.exited", "reason.connect", "stdio.stdout_clean"] {
        assert!(ids.contains(&id), "{id} is missing in {ids:?}");
    }
}

#[test]
fn parsers_of_others_read_what_an_audit_reports() {
    let place = Place::new().with(
        "probes/all.toml",
        "[target.broken]\ncommand = [\"EXE\", \"demo\", \"--fault\", \"no-jsonrpc\"]\n\
         [target.poisoned]\ncommand = [\"EXE\", \"demo\", \"--fault\", \"tools-poisoned\"]\n",
    );
    let mut command = place.command(EXE);
    command.args(["audit", "-f", "probes/all.toml", "--yes", "--protocol", "2025-11-25"]);
    command.args(["--report", "sarif=a.sarif", "--report", "junit=a.xml", "--report", "json=a.json"]);
    command.args(["--report", "github=a.txt"]).env("GITHUB_STEP_SUMMARY", place.path("summary.md"));
    let ran = finished(&mut command).ended(1);
    let summary = fs::read_to_string(place.path("summary.md")).unwrap();
    assert!(summary.contains("rpc.message"), "{summary}");
    let schema = witness("reports/node_modules/@microsoft/jest-sarif/lib/schemas/sarif-2.1.0-rtm.5.json");
    let sarif = read_at("sarif", &place.path("a.sarif"), &[&schema]);
    assert_eq!(sarif["mistakes"], json!([]), "{}", ran.err);
    let written: Value = serde_json::from_str(&fs::read_to_string(place.path("a.sarif")).unwrap()).unwrap();
    let results = written["runs"][0]["results"].as_array().unwrap();
    let message = results.iter().find(|result| result["ruleId"] == "rpc.message").unwrap();
    let uri = &message["locations"][0]["physicalLocation"]["artifactLocation"]["uri"];
    assert_eq!(uri, "probes/all.toml", "at the target that is audited");
    assert!(results.iter().any(|result| result["ruleId"] == "sec.control"), "advice is a result as well");
    let junit = read_at("junit", &place.path("a.xml"), &[]);
    let cases = junit["suites"][0]["cases"].as_array().unwrap();
    let failed = cases.iter().find(|case| case["name"] == "rpc.message").unwrap();
    assert_eq!((&failed["result"], &failed["classname"]), (&json!("failure"), &json!("broken.audit")));
}

#[test]
fn fingerprints_are_the_same_in_the_next_run() {
    let prints = |text: &str| -> Vec<Value> {
        let document: Value = serde_json::from_str(text).unwrap();
        let results = document["runs"][0]["results"].as_array().unwrap().clone();
        results.into_iter().map(|result| result["partialFingerprints"].clone()).collect()
    };
    let again = check(&reports().place, &["--report", "sarif"], &[]).ended(1);
    assert_eq!(prints(&again.out), prints(&text("sarif")));
}

#[test]
fn markdown_has_no_links_no_html_and_whole_tables() {
    let read = read("markdown", &[]);
    let kinds = read["kinds"].as_object().unwrap();
    for forbidden in
        ["link_open", "image", "html_inline", "html_block", "em_open", "s_open", "blockquote_open", "code_block"]
    {
        assert!(!kinds.contains_key(forbidden), "{forbidden}: {kinds:?}");
    }
    assert_eq!(read["rows"], json!(vec![7; 9]), "a row per probe, and the heading");
    for text in read["texts"].as_array().unwrap() {
        let text = text.as_str().unwrap();
        assert!(!text.contains('@') && !text.contains("owned") && !text.contains("evil"), "outside of code: {text}");
    }
    let html = read["html"].as_str().unwrap();
    assert!(!html.contains("<script") && !html.contains("<img") && !html.contains("<a "), "{html}");
    let code = read["code"].as_array().unwrap();
    assert!(
        code.iter().any(|code| code.as_str().unwrap().contains("[owned](http://evil.example)")),
        "it is told as code"
    );
}

#[test]
fn html_is_one_file_that_loads_and_runs_nothing() {
    let read = read("html", &[]);
    for forbidden in ["script", "img", "link", "iframe", "object", "form", "base", "foreignobject"] {
        assert!(read["tags"].get(forbidden).is_none(), "<{forbidden}> in {}", read["tags"]);
    }
    let attributes = read["attributes"].as_object().unwrap();
    let bad: Vec<_> =
        attributes.keys().filter(|name| name.starts_with("on") || ["style", "src"].contains(&name.as_str())).collect();
    assert!(bad.is_empty(), "{bad:?}");
    let ids = read["ids"].as_array().unwrap();
    for link in read["links"].as_array().unwrap() {
        let id = link.as_str().unwrap().strip_prefix('#').unwrap_or_else(|| panic!("{link} leads out"));
        assert!(ids.contains(&id.into()), "{link} leads nowhere");
    }
    assert!(read["policy"].as_str().unwrap().starts_with("default-src 'none'; style-src 'sha256-"), "{read}");
    assert_eq!(read["unclosed"], json!([]));
    let text = read["text"].as_str().unwrap();
    for wanted in
        ["8 probes: 1 healthy, 1 degraded, 6 failed", "document.title='owned'", "Transcript", "stdio.stdout_clean"]
    {
        assert!(text.contains(wanted), "{wanted} is missing in the text");
    }
}

/// Accepts connections for ever and counts requests for a host.
fn counting(host: &'static str) -> (u16, Arc<AtomicUsize>) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = listener.local_addr().unwrap().port();
    let count = Arc::new(AtomicUsize::new(0));
    let counted = Arc::clone(&count);
    thread::spawn(move || {
        for mut stream in listener.incoming().flatten() {
            let mut head = [0; 4096];
            let length = stream.read(&mut head).unwrap_or(0);
            if String::from_utf8_lossy(&head[..length]).contains(host) {
                counted.fetch_add(1, Ordering::SeqCst);
            }
            let _ = stream.write_all(b"HTTP/1.1 204 No Content\r\nConnection: close\r\n\r\n");
        }
    });
    (port, count)
}

fn async_test<F: Future<Output = ()>>(work: F) {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    runtime.block_on(async { tokio::time::timeout(Duration::from_secs(240), work).await.unwrap() });
}

#[test]
fn a_browser_runs_no_script_of_a_server_and_asks_for_nothing() {
    async_test(async {
        let url = format!("file://{}", path("html").display());
        let text = dom(&url, Looking::default()).await;
        assert!(text.contains("6 failed") && text.contains("· mcp-probe</title>"), "{}", &text[..400.min(text.len())]);
        assert!(!text.contains("<title>owned"), "a script of the server ran");
        // Every name leads to us, so that a request would be seen: first that it would.
        let (port, asked) = counting("evil.example");
        let rules = vec![format!("--host-resolver-rules=MAP * 127.0.0.1:{port}"), "--dump-dom".to_owned()];
        let bait = reports().place.path("bait.html");
        fs::write(&bait, "<!doctype html><title>t</title><img src=http://evil.example/a.png>").unwrap();
        chromium(&format!("file://{}", bait.display()), Looking::default(), &rules).await;
        assert!(asked.load(Ordering::SeqCst) > 0, "the bait was not asked for: this test would see nothing");
        asked.store(0, Ordering::SeqCst);
        chromium(&url, Looking::default(), &rules).await;
        assert_eq!(asked.load(Ordering::SeqCst), 0, "the report asked for something");
    });
}

#[test]
fn the_page_is_shown_light_dark_wide_and_narrow() {
    async_test(async {
        let url = format!("file://{}", path("html").display());
        let folder = PathBuf::from(env!("CARGO_TARGET_TMPDIR")).join("report");
        fs::create_dir_all(&folder).unwrap();
        let mut pictures = Vec::new();
        for (name, dark, width) in
            [("light", false, 1280), ("dark", true, 1280), ("light-narrow", false, 400), ("dark-narrow", true, 400)]
        {
            let file = folder.join(format!("{name}.png"));
            let _ = fs::remove_file(&file);
            picture(&url, Looking { dark, width, seconds: 3 }, &file).await;
            let bytes = fs::read(&file).unwrap();
            assert!(bytes.len() > 20_000, "{name} shows next to nothing: {} bytes", bytes.len());
            assert!(!pictures.contains(&bytes), "two ways of looking show the same picture");
            pictures.push(bytes);
        }
    });
}

/// One command, as the runner of GitHub Actions reads it (`ActionCommand` in actions/runner).
#[derive(Debug)]
struct WorkflowCommand {
    name: String,
    properties: BTreeMap<String, String>,
    data: String,
}

/// Reads a line of a log. The runner trims the line, then looks for `::name properties::data`; where that is not there, for
/// `##[name properties]data` anywhere in the line.
fn workflow_command(line: &str) -> Option<WorkflowCommand> {
    const KNOWN: [&str; 14] = [
        "error",
        "warning",
        "notice",
        "debug",
        "add-mask",
        "group",
        "endgroup",
        "set-output",
        "set-env",
        "save-state",
        "stop-commands",
        "echo",
        "add-path",
        "add-matcher",
    ];
    let known = |name: &str| KNOWN.iter().any(|known| known.eq_ignore_ascii_case(name));
    let property = |text: &str| {
        text.replace("%0D", "\r").replace("%0A", "\n").replace("%3A", ":").replace("%2C", ",").replace("%25", "%")
    };
    let data = |text: &str| text.replace("%0D", "\r").replace("%0A", "\n").replace("%25", "%");
    let made = |head: &str, rest: &str, separator: char| {
        let (name, properties) = head.split_once(' ').unwrap_or((head, ""));
        let pairs = properties.split(separator).filter_map(|pair| pair.trim().split_once('='));
        known(name).then(|| WorkflowCommand {
            name: name.to_owned(),
            properties: pairs.map(|(name, value)| (name.to_owned(), property(value))).collect(),
            data: data(rest),
        })
    };
    if let Some(rest) = line.trim_start().strip_prefix("::")
        && let Some((head, rest)) = rest.split_once("::")
        && let Some(command) = made(head, rest, ',')
    {
        return Some(command);
    }
    let (_, rest) = line.split_once("##[")?;
    let (head, rest) = rest.split_once(']')?;
    made(head, rest, ';')
}

#[test]
fn annotations_are_ours_and_at_their_lines() {
    let text = text("github");
    let mut counts: BTreeMap<String, usize> = BTreeMap::new();
    for line in text.lines() {
        let command = workflow_command(line).unwrap_or_else(|| panic!("no command: {line}"));
        *counts.entry(command.name.clone()).or_default() += 1;
        assert!(["error", "warning", "notice"].contains(&command.name.as_str()), "{command:?}");
        let names: Vec<&str> = command.properties.keys().map(String::as_str).collect();
        assert!(names == ["col", "file", "line", "title"] || names == ["title"], "{command:?}");
        if let Some(line) = command.properties.get("line") {
            assert_eq!(command.properties["file"], "probes/all.toml");
            assert!(line.parse::<usize>().unwrap() <= PLAN.lines().count(), "{command:?}");
        }
        assert!(!command.data.contains("##[") && !command.data.is_empty(), "{command:?}");
    }
    assert!(counts.values().all(|count| *count <= 10), "{counts:?}");
    assert!(counts["error"] >= 6 && counts["warning"] >= 2, "{counts:?}");
    let odd = text
        .lines()
        .filter_map(workflow_command)
        .find(|command| command.properties["title"].starts_with("odd: 100%, |"));
    assert!(odd.is_some(), "names are read back: {text}");
}

#[test]
fn in_a_job_no_line_of_the_log_is_a_command_of_a_server() {
    let place = planned();
    fs::write(place.path("summary.md"), "before").unwrap();
    let summary = place.path("summary.md").display().to_string();
    let job = [("GITHUB_ACTIONS", "true"), ("GITHUB_STEP_SUMMARY", summary.as_str())];
    let ran = check(&place, &["--report", "github=annotations.txt"], &job).ended(1);
    for line in ran.out.lines().chain(ran.err.lines()) {
        assert!(workflow_command(line).is_none(), "{line}");
    }
    assert!(ran.err.contains(": :error file=owned"), "the text is still told: {}", ran.err);
    let told = fs::read_to_string(place.path("summary.md")).unwrap();
    assert!(told.starts_with("before\n## ❌ 8 probes"), "{}", &told[..100]);
    // What is there counts, and the whole stays below the limit.
    fs::write(place.path("summary.md"), "x".repeat((1 << 20) - 1500)).unwrap();
    check(&place, &["--report", "github"], &job).ended(1);
    let told = fs::read_to_string(place.path("summary.md")).unwrap();
    assert!(told.len() <= 1 << 20 && told.ends_with("left out.\n"), "{}", told.len());
    fs::write(place.path("summary.md"), "x".repeat(1 << 20)).unwrap();
    check(&place, &["--report", "github"], &job).ended(1);
    assert_eq!(fs::metadata(place.path("summary.md")).unwrap().len(), 1 << 20);
    // Without a report for GitHub nothing is written there.
    fs::write(place.path("summary.md"), "").unwrap();
    check(&place, &["--report", "junit=j.xml"], &job).ended(1);
    assert_eq!(fs::metadata(place.path("summary.md")).unwrap().len(), 0);
}

#[test]
fn in_a_job_no_report_on_stdout_and_no_wire_on_stderr_is_a_command_of_a_server() {
    let place = planned();
    let job = [("GITHUB_ACTIONS", "true")];
    for format in FORMATS {
        let ran = check(&place, &["--report", format, "-v"], &job).ended(1);
        let of_ours = format == "github";
        for line in ran.out.split(['\n', '\r']).filter(|_| !of_ours).chain(ran.err.split(['\n', '\r'])) {
            assert!(workflow_command(line).is_none() && !line.contains("##["), "{format}: {line}");
        }
        // JSON stays what it says.
        let whole = if format == "jsonl" { ran.out.lines().nth(1).unwrap() } else { &ran.out };
        if let Ok(value) = serde_json::from_str::<Value>(whole) {
            assert!(format == "jsonl" || value.to_string().contains("##[error]owned"), "{format}");
        } else {
            assert!(!["json", "jsonl", "sarif"].contains(&format), "{format}: {whole}");
        }
    }
    let ran = check(&place, &["--jq", ".probes[] | .name, {name}"], &job).ended(1);
    assert!(ran.out.contains(r"##\u005berror]owned") && !ran.out.contains("##["), "{}", ran.out);
}

#[test]
fn nagios_reads_its_line_and_the_code_agrees() {
    let line = regex::Regex::new(r"^MCP (OK|WARNING|CRITICAL|UNKNOWN) - ([^|]*) \| ([^|]+)$").unwrap();
    let datum = regex::Regex::new(r"^'([^'=|]+)'=-?[0-9]+(\.[0-9]+)?(s|B|%|c)?;[^;]*;[^;]*;[^;]*(;[^;]*)?$").unwrap();
    let split = regex::Regex::new(r"('[^']+'=\S+)").unwrap();
    let place = planned();
    let codes = [("OK", 0), ("WARNING", 1), ("CRITICAL", 2), ("UNKNOWN", 3)];
    for (selection, word) in [
        (&["--probe", "smoke", "--target", "good"][..], "OK"),
        (&["--probe", "late"], "WARNING"),
        (&["--target", "texts"], "CRITICAL"),
        (&[], "CRITICAL"),
        (&["--probe", "late", "--fail-on", "degraded"], "CRITICAL"),
    ] {
        let arguments = [selection, &["--report", "nagios", "--exit-style", "nagios"]].concat();
        let ran = check(&place, &arguments, &[]);
        let first = ran.out.lines().next().unwrap();
        let parts = line.captures(first).unwrap_or_else(|| panic!("{first}"));
        assert_eq!((&parts[1], ran.code), (word, codes.iter().find(|(have, _)| *have == word).unwrap().1), "{first}");
        let data: Vec<&str> = split.find_iter(&parts[3]).map(|found| found.as_str()).collect();
        assert_eq!(data.join(" "), &parts[3], "nothing stands between the data");
        assert!(data.iter().all(|item| datum.is_match(item)), "{data:?}");
        assert!(!ran.out.contains('\u{1b}') && ran.out.matches('|').count() == 1, "{}", ran.out);
        assert!(ran.out.len() <= 8_000, "{}", ran.out.len());
        // Without the option the code is the one of always.
        let plain = check(&place, &[selection, &["--report", "nagios"]].concat(), &[]);
        let expected = i32::from(!matches!(word, "OK" | "WARNING"));
        assert_eq!(plain.code, expected, "{}", plain.out);
    }
}

#[test]
fn lines_of_json_meet_their_schema_and_are_the_document() {
    let schema = finished(reports().place.command(EXE).args(["schema", "report-lines"])).ended(0).json();
    let validator = jsonschema::validator_for(&schema).unwrap();
    let lines: Vec<Value> = text("jsonl").lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    for line in &lines {
        let mistakes: Vec<String> = validator.iter_errors(line).map(|error| error.to_string()).collect();
        assert!(mistakes.is_empty(), "{line}: {mistakes:?}");
    }
    assert!(!validator.is_valid(&json!({"type": "probe"})) && !validator.is_valid(&json!({"type": "other"})));
    let document = document();
    assert_eq!((lines.len(), &lines[0]["type"], &lines[9]["type"]), (10, &json!("run"), &json!("summary")));
    for (line, probe) in lines[1..9].iter().zip(document["probes"].as_array().unwrap()) {
        let mut line = line.clone();
        line.as_object_mut().unwrap().remove("type");
        assert_eq!(&line, probe);
    }
    assert!(!text("jsonl").contains(['\u{9b}', '\u{202e}']), "what acts on a terminal is escaped");
}

#[test]
fn stdout_has_one_report_and_files_have_the_rest() {
    let place = planned();
    let good = ["--probe", "smoke", "--target", "good"];
    let ran = check(&place, &[&good[..], &["--report", "junit", "--report", "tap=out.tap"]].concat(), &[]).ended(0);
    assert!(ran.out.starts_with("<?xml") && ran.out.trim_end().ends_with("</testsuites>"), "{}", ran.out);
    assert!(fs::read_to_string(place.path("out.tap")).unwrap().starts_with("TAP version 14\n"));
    let ran = check(&place, &[&good[..], &["--report", "junit", "--report", "tap"]].concat(), &[]).ended(2);
    assert!(ran.err.contains("two reports cannot share stdout"), "{}", ran.err);
    check(&place, &[&good[..], &["--report", "sarif", "--json"]].concat(), &[]).ended(2);
    let ran = check(&place, &[&good[..], &["--report", "html=no/such/folder.html"]].concat(), &[]).ended(7);
    assert!(ran.err.contains("no/such/folder.html could not be written"), "{}", ran.err);
    check(&place, &["--report", "html=no/such/folder.html"], &[]).ended(1);
    let ran = check(&place, &["--report", "xml"], &[]).ended(2);
    assert!(ran.err.contains("no format `xml`"), "{}", ran.err);
}

#[test]
fn formats_are_explained() {
    let ran = reports().place.run(&["explain", "formats"]).ended(0);
    let words: Vec<&str> = ran.out.lines().map(|row| row.split('\t').nth(1).unwrap()).collect();
    assert_eq!(words, FORMATS);
    let ran = reports().place.run(&["explain", "junit"]).ended(0);
    assert!(ran.out.contains("mcp-probe check --report junit=junit.xml"), "{}", ran.out);
}

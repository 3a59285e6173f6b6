//! Finding out the era, and what each era asks of a client, with the real binary: verdicts, phases, processes started,
//! requests sent, sessions ended.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "in a test a panic is the report; the lint exempts only functions marked as tests"
)]

#[path = "stage/prober.rs"]
mod prober;

use std::time::Duration;

use prober::{BINARY, Served, Told, in_parallel, probe};
use serde_json::{Value, json};

const REVISIONS: [(&str, &str); 5] = [
    ("2024-11-05", "legacy"),
    ("2025-03-26", "legacy"),
    ("2025-06-18", "legacy"),
    ("2025-11-25", "legacy"),
    ("2026-07-28", "modern"),
];

/// `--startup-timeout` of what must fail by silence.
const STARTUP_MS: u64 = 3_500;

fn words(line: &str) -> Vec<String> {
    line.split_whitespace().map(str::to_owned).collect()
}

/// A call to a demo server over stdio, whose starts and ends go into a file: `start end` for each process.
fn logged(prober: &str, demo: &str) -> (Told, String) {
    let folder = tempfile::tempdir().unwrap();
    let log = folder.path().join("log");
    let script = "echo start >>\"$0\"; \"$@\"; code=$?; echo end >>\"$0\"; exit $code";
    let mut line = words(prober);
    line.extend(["--json", "--", "sh", "-c", script].map(str::to_owned));
    line.extend([log.to_str().unwrap().to_owned(), BINARY.to_owned(), "demo".to_owned()]);
    line.extend(words(demo));
    let told = probe(line);
    (told, std::fs::read_to_string(log).unwrap_or_default().split_whitespace().collect::<Vec<_>>().join(" "))
}

fn over_http(prober: &str, served: &Served) -> Told {
    let mut line = words(prober);
    line.extend(["--json".to_owned(), served.url()]);
    probe(line)
}

/// What a document says of the protocol, as `era version transport`, or the reason of the failure.
fn verdict(document: &Value) -> String {
    let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
    match &document["reason"] {
        Value::String(reason) => reason.clone(),
        _ => {
            let protocol = &document["protocol"];
            format!("{} {} {}", text(&protocol["era"]), text(&protocol["version"]), text(&protocol["transport"]))
        }
    }
}

fn phases(document: &Value) -> String {
    document["phases_ms"]
        .as_object()
        .map(|phases| phases.keys().cloned().collect::<Vec<_>>().join(" "))
        .unwrap_or_default()
}

fn phase_ms(document: &Value, phase: &str) -> f64 {
    document["phases_ms"][phase].as_f64().unwrap_or_default()
}

const MODERN: &str = "modern 2026-07-28 stdio";
const LEGACY: &str = "legacy 2025-11-25 stdio";
const ONE: &str = "start end";
/// The first has ended before the second starts.
const TWO: &str = "start end start end";
const DETECTED: &str = "spawn detect call";
const DETECTED_LEGACY: &str = "spawn detect handshake call";

#[test]
fn every_branch_of_detection_over_stdio() {
    // Prober's options, demo's options, verdict, processes, phases, least milliseconds of detection.
    let rows: &[(&str, &str, &str, &str, &str, f64)] = &[
        ("", "", MODERN, ONE, DETECTED, 0.0),
        ("", "--era modern", MODERN, ONE, DETECTED, 0.0),
        ("", "--era legacy", LEGACY, TWO, DETECTED_LEGACY, 0.0),
        ("", "--fault discover-legacy-only", LEGACY, ONE, DETECTED_LEGACY, 0.0),
        ("", "--fault discover-no-versions", LEGACY, ONE, DETECTED_LEGACY, 0.0),
        ("", "--fault discover-versions-string", LEGACY, ONE, DETECTED_LEGACY, 0.0),
        ("", "--fault discover-future-only", "incompatible", ONE, "spawn detect", 0.0),
        ("", "--fault discover-32022", "incompatible", ONE, "spawn detect", 0.0),
        ("", "--fault discover-32022-once", MODERN, ONE, DETECTED, 0.0),
        ("", "--fault discover-32022-same", "incompatible", ONE, "spawn detect", 0.0),
        ("", "--fault discover-32022-future", "incompatible", ONE, "spawn detect", 0.0),
        ("", "--fault discover-32022-legacy", LEGACY, TWO, DETECTED_LEGACY, 0.0),
        ("", "--fault discover-32022-empty", LEGACY, TWO, DETECTED_LEGACY, 0.0),
        ("", "--fault discover-32020", MODERN, ONE, DETECTED, 0.0),
        ("", "--fault discover-32021", MODERN, ONE, DETECTED, 0.0),
        ("", "--fault discover-32601", LEGACY, TWO, DETECTED_LEGACY, 0.0),
        ("", "--fault discover-32602", LEGACY, TWO, DETECTED_LEGACY, 0.0),
        ("", "--fault discover-32600", LEGACY, TWO, DETECTED_LEGACY, 0.0),
        ("", "--fault discover-32000", LEGACY, TWO, DETECTED_LEGACY, 0.0),
        ("", "--fault discover-code-0", LEGACY, TWO, DETECTED_LEGACY, 0.0),
        ("", "--fault exit-on-discover", LEGACY, TWO, DETECTED_LEGACY, 0.0),
        // A line that is no JSON is noise, on which nothing depends.
        ("", "--fault stdout-banner", MODERN, ONE, DETECTED, 0.0),
        // Silence is no error: the same process gets `initialize` after two seconds.
        ("", "--fault silent-discover", LEGACY, ONE, DETECTED_LEGACY, 1_990.0),
        ("", "--fault discover-slow --fault-delay 1s", MODERN, ONE, DETECTED, 990.0),
        // A late modern answer still wins: over the silence of `initialize`, and over its refusal in either words.
        ("", "--fault discover-slow --fault-delay 2500ms --fault silent-initialize", MODERN, ONE, DETECTED, 2_490.0),
        ("", "--fault discover-slow --fault-delay 2500ms --fault initialize-error", MODERN, ONE, DETECTED, 2_490.0),
        ("", "--fault discover-slow --fault-delay 2500ms --era modern", MODERN, ONE, DETECTED, 2_490.0),
        // A legacy answer that is there first decides.
        ("", "--fault discover-slow --fault-delay 60s", LEGACY, ONE, DETECTED_LEGACY, 1_990.0),
        // A launcher that installs first is started once.
        ("", "--fault slow-start --fault-delay 2500ms", MODERN, ONE, DETECTED, 2_490.0),
        ("", "--fault silent", "timeout", ONE, "spawn detect handshake", 0.0),
        // An exit during the probe is no verdict by itself; the second exit is.
        ("", "--fault exit-at-start", "exited", TWO, "spawn detect handshake", 0.0),
        ("", "--fault exit-on-discover --fault exit-on-initialize", "exited", TWO, "spawn detect handshake", 0.0),
        ("--protocol modern", "", MODERN, ONE, "spawn handshake call", 0.0),
        ("--protocol legacy", "", LEGACY, ONE, "spawn handshake call", 0.0),
        ("--protocol legacy", "--fault exit-on-discover", LEGACY, ONE, "spawn handshake call", 0.0),
        ("--protocol modern", "--fault exit-on-initialize", MODERN, ONE, "spawn handshake call", 0.0),
        ("--protocol modern", "--era legacy", "incompatible", ONE, "spawn handshake", 0.0),
        ("--protocol legacy", "--era modern", "incompatible", ONE, "spawn handshake", 0.0),
    ];
    let wrong = in_parallel(rows.to_vec(), 8, |(options, demo, expected, processes, spent, detection)| {
        let (told, log) = logged(&format!("tools/list --startup-timeout {STARTUP_MS}ms {options}"), demo);
        let document = told.document();
        let found = (verdict(&document), log.as_str(), phases(&document));
        let mut wrong = Vec::new();
        if found != ((*expected).to_owned(), *processes, (*spent).to_owned()) {
            wrong.push(format!("{options} / {demo}: {found:?}, {}", document["message"]));
        }
        if phase_ms(&document, "detect") < *detection {
            wrong.push(format!("{options} / {demo}: detection took {}", document["phases_ms"]));
        }
        // What detection cost is no part of a call.
        if document["latency_ms"].as_f64().is_some_and(|latency| latency > 900.0) {
            wrong.push(format!("{options} / {demo}: latency {}", document["latency_ms"]));
        }
        wrong
    });
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn every_branch_of_detection_over_http() {
    let modern = "modern 2026-07-28 streamable-http";
    let legacy = "legacy 2025-11-25 streamable-http";
    let on_discover = "--fault-on server/discover --fault";
    // Demo's options, verdict, how often `server/discover` and `initialize` were sent, POSTs and GETs in all.
    let rows: &[(String, &str, u64, u64)] = &[
        (String::new(), modern, 1, 0),
        ("--era modern".to_owned(), modern, 1, 0),
        // Which counts only what it knows.
        ("--era legacy".to_owned(), legacy, 0, 1),
        ("--fault discover-legacy-only".to_owned(), legacy, 1, 1),
        ("--fault discover-no-versions".to_owned(), legacy, 1, 1),
        ("--fault discover-versions-string".to_owned(), legacy, 1, 1),
        ("--fault discover-future-only".to_owned(), "incompatible", 1, 0),
        ("--fault discover-32022".to_owned(), "incompatible", 2, 0),
        ("--fault discover-32022-same".to_owned(), "incompatible", 2, 0),
        ("--fault discover-32022-once".to_owned(), modern, 2, 0),
        ("--fault discover-32022-future".to_owned(), "incompatible", 1, 0),
        ("--fault discover-32022-legacy".to_owned(), legacy, 1, 1),
        ("--fault discover-32022-empty".to_owned(), legacy, 1, 1),
        ("--fault discover-32020".to_owned(), modern, 1, 0),
        ("--fault discover-32021".to_owned(), modern, 1, 0),
        ("--fault discover-32601".to_owned(), legacy, 1, 1),
        ("--fault discover-32602".to_owned(), legacy, 1, 1),
        ("--fault discover-code-0".to_owned(), legacy, 1, 1),
        // Both refused in modern words: `server/discover` is missing, and a modern `tools/list` shows it.
        ("--era modern --fault discover-32601".to_owned(), modern, 1, 1),
        ("--fault silent-discover".to_owned(), "timeout", 1, 0),
        // A whole answer that is no message, and every 4xx about the request: a legacy server.
        (format!("{on_discover} http-400"), legacy, 0, 1),
        (format!("{on_discover} http-404"), legacy, 0, 1),
        (format!("{on_discover} http-405"), legacy, 0, 1),
        (format!("{on_discover} http-406"), legacy, 0, 1),
        (format!("{on_discover} http-415"), legacy, 0, 1),
        (format!("{on_discover} html-200"), legacy, 0, 1),
        (format!("{on_discover} empty-200"), legacy, 0, 1),
        (format!("{on_discover} json-200"), legacy, 0, 1),
        // No verdict: access, load and broken servers say nothing of the era.
        (format!("{on_discover} http-401"), "auth", 0, 0),
        (format!("{on_discover} http-403"), "auth", 0, 0),
        (format!("{on_discover} http-403-challenge"), "auth", 0, 0),
        (format!("{on_discover} http-429"), "rate_limited", 0, 0),
        (format!("{on_discover} http-500"), "http", 0, 0),
        (format!("{on_discover} http-502-html"), "http", 0, 0),
        (format!("{on_discover} http-503"), "http", 0, 0),
        (format!("{on_discover} redirect-other-origin"), "http", 0, 0),
        (format!("{on_discover} drop-at-once"), "closed", 0, 0),
        (format!("{on_discover} drop-before-headers"), "closed", 0, 0),
        (format!("{on_discover} drop-mid-body"), "closed", 0, 0),
    ];
    let wrong = in_parallel(rows.to_vec(), 6, |(demo, expected, discover, initialize)| {
        let served = Served::start(words(demo));
        let told = over_http(&format!("tools/list --startup-timeout {STARTUP_MS}ms"), &served);
        let document = told.document();
        let stats = served.stats();
        let mut wrong = Vec::new();
        if verdict(&document) != *expected {
            wrong.push(format!("{demo}: {} instead of {expected}: {}", verdict(&document), document["message"]));
        }
        // A fault that answers in place of the server hides the request from its counters.
        let replaced = demo.contains("--fault-on");
        if stats["initialize"] != *initialize || (!replaced && stats["discover"] != *discover) {
            wrong.push(format!("{demo}: {stats}"));
        }
        let has = |phase: &str| document["phases_ms"].get(phase).is_some();
        if !has("detect") || has("handshake") != (*initialize > 0) {
            wrong.push(format!("{demo}: phases {}", phases(&document)));
        }
        if stats["sessions_live"] != 0 {
            wrong.push(format!("{demo}: a session is left: {stats}"));
        }
        wrong
    });
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn no_verdict_is_one_request() {
    // Faults that answer everything: counted by connections and requests, less the look at the counters itself.
    for fault in ["http-401", "http-403", "http-429", "http-503", "drop-before-headers"] {
        let served = Served::start(["--fault-on", "server/discover", "--fault", fault]);
        let told = over_http("tools/list", &served);
        assert_ne!(told.code, 0);
        let stats = served.stats();
        // The one request, and the one for the counters.
        let most = if fault.starts_with("drop") { 3 } else { 2 };
        assert!(stats["http_requests"].as_u64().unwrap() <= most, "{fault}: {stats}");
        assert_eq!(stats["initialize"], 0, "{fault}: {stats}");
    }
}

#[test]
fn every_revision_can_be_pinned_over_every_transport() {
    let mut jobs = Vec::new();
    for (version, era) in REVISIONS {
        for demo in ["", "only"] {
            for transport in ["stdio", "streamable-http"] {
                jobs.push((version, era, demo, transport));
            }
        }
    }
    let wrong = in_parallel(jobs, 6, |(version, era, demo, transport)| {
        let demo = if *demo == "only" { format!("--protocol {version}") } else { String::new() };
        let call = format!("tools/list --protocol {version}");
        let told = match *transport {
            "stdio" => logged(&call, &demo).0,
            _ => over_http(&call, &Served::start(words(&demo))),
        };
        let document = told.document();
        let expected = format!("{era} {version} {transport}");
        let has = |phase: &str| document["phases_ms"].get(phase).is_some();
        let right = told.code == 0 && verdict(&document) == expected && !has("detect") && has("handshake");
        if right { vec![] } else { vec![format!("{version} / {demo} / {transport}: {document}")] }
    });
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn auto_settles_on_what_a_server_of_one_revision_speaks() {
    for (version, era) in REVISIONS {
        let (told, _) = logged("tools/list", &format!("--protocol {version}"));
        assert_eq!(verdict(&told.document()), format!("{era} {version} stdio"));
        let served = Served::start(["--protocol", version]);
        let told = over_http("tools/list", &served);
        assert_eq!(verdict(&told.document()), format!("{era} {version} streamable-http"));
    }
}

#[test]
fn a_pin_that_the_server_does_not_speak_is_incompatible() {
    for (pinned, spoken) in [("2025-06-18", "2024-11-05"), ("2026-07-28", "2025-11-25"), ("2025-11-25", "2026-07-28")] {
        let (told, log) = logged(&format!("tools/list --protocol {pinned}"), &format!("--protocol {spoken}"));
        let document = told.document();
        assert_eq!((verdict(&document).as_str(), told.code, log.as_str()), ("incompatible", 1, ONE), "{document}");
        assert!(document["message"].as_str().unwrap().contains(pinned), "{document}");
    }
}

#[test]
fn http_with_sse_is_found_and_can_be_named() {
    let served = Served::start(["--era", "legacy"]);
    let sse = |options: &str| {
        let mut line = words(options);
        line.extend(["--json".to_owned(), served.sse_url()]);
        probe(line)
    };
    // A POST is refused there, so a GET of the same URL decides.
    let found = sse("tools/list");
    assert_eq!(verdict(&found.document()), "legacy 2025-11-25 sse", "{found:?}");
    assert!(found.document()["phases_ms"].get("detect").is_some());
    let stats = served.until("the stream is closed", |stats| stats["sessions_live"] == 0);
    assert_eq!((&stats["initialize"], &stats["discover"]), (&json!(1), &json!(0)), "{stats}");
    let named = sse("tools/list --transport sse");
    assert_eq!(verdict(&named.document()), "legacy 2025-11-25 sse", "{named:?}");
    assert!(named.document()["phases_ms"].get("detect").is_none(), "{named:?}");
    for version in ["2024-11-05", "2025-03-26"] {
        let pinned = sse(&format!("tools/call --tool echo --arg message=hi --transport sse --protocol {version}"));
        assert_eq!(verdict(&pinned.document()), format!("legacy {version} sse"), "{pinned:?}");
    }
    let other = sse("tools/list --transport streamable-http");
    assert_eq!((verdict(&other.document()).as_str(), other.code), ("http", 1), "{other:?}");
    served.until("no stream is left", |stats| stats["sessions_live"] == 0);
}

#[test]
fn legacy_sessions_end_with_the_call() {
    let cases = [
        ("tools/list", "", 0, 1),
        ("tools/call --tool fail", "", 5, 1),
        ("tools/list --timeout 200ms", "--fault silent-calls", 1, 1),
        // The server forgot the session: one new one, and never a second.
        ("tools/list", "--fault session-404-once", 0, 2),
        ("tools/list", "--fault session-always-404", 5, 2),
        ("tools/list", "--fault drop-mid-body", 4, 1),
        ("tools/list", "--stateless", 0, 1),
    ];
    for (call, demo, code, opened) in cases {
        let served = Served::start(words(demo));
        let told = over_http(&format!("{call} --protocol legacy"), &served);
        let stats = served.stats();
        assert_eq!(told.code, code, "{call} / {demo}: {told:?}");
        assert_eq!(stats["sessions_opened"], opened, "{call} / {demo}: {stats}");
        assert_eq!(stats["sessions_live"], 0, "{call} / {demo}: {stats}");
        assert_eq!(stats["initialize"], opened, "{call} / {demo}: {stats}");
        let deletes = stats["deletes"].as_u64().unwrap();
        // Without a session id there is nothing to delete.
        assert_eq!(deletes, u64::from(demo != "--stateless"), "{call} / {demo}: {stats}");
    }
}

/// Runs a probe file; its document.
fn check(file: &str) -> (Told, Value) {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("probes.toml");
    std::fs::write(&path, file).unwrap();
    let told = probe(["check".as_ref(), path.as_os_str(), "--json".as_ref()]);
    let document = told.document();
    (told, document)
}

#[test]
fn the_verdict_is_kept_within_a_run() {
    for (fault, discover, initialize) in [("discover-32601", 1, 2), ("old-date", 2, 0)] {
        let served = Served::start(["--fault", fault]);
        let probes: String = ["one", "two"]
            .map(|name| {
                format!("[[probe]]\nname = \"{name}\"\ntarget = \"demo\"\n[[probe.step]]\nmethod = \"tools/list\"\n")
            })
            .concat();
        let (told, document) = check(&format!("[target.demo]\nurl = \"{}\"\n{probes}", served.url()));
        assert_eq!(told.code, 0, "{document}");
        let stats = served.stats();
        assert_eq!((&stats["discover"], &stats["initialize"]), (&json!(discover), &json!(initialize)), "{stats}");
        let detected = document["probes"]
            .as_array()
            .unwrap()
            .iter()
            .filter(|one| one["phases_ms"].get("detect").is_some())
            .count();
        assert_eq!(detected, 1, "detection is paid once: {document}");
    }
}

/// A probe file with these targets' lines and one step.
fn file(target: &str, step: &str) -> String {
    format!("[target.demo]\n{target}\n[[probe]]\nname = \"it\"\ntarget = \"demo\"\n[[probe.step]]\n{step}\n")
}

/// The demo server in every era over every transport, as the lines of a target.
fn everywhere(options: &str) -> Vec<(String, String, Option<Served>)> {
    let mut all = Vec::new();
    for era in ["modern", "legacy"] {
        let demo = format!("--era {era} {options}");
        let words: Vec<String> = words(&demo).iter().map(|word| format!("{word:?}")).collect();
        let command = format!("command = [{BINARY:?}, \"demo\", {}]\nprotocol = \"{era}\"", words.join(", "));
        all.push((format!("{era} stdio"), command, None));
        let served = Served::start(demo.split_whitespace());
        all.push((format!("{era} http"), format!("url = {:?}\nprotocol = \"{era}\"", served.url()), Some(served)));
        if era == "legacy" {
            let served = Served::start(demo.split_whitespace());
            let lines = format!("url = {:?}\nprotocol = \"legacy\"\ntransport = \"sse\"", served.sse_url());
            all.push(("legacy sse".to_owned(), lines, Some(served)));
        }
    }
    all
}

#[test]
fn what_a_server_asks_is_answered_in_the_way_of_its_era() {
    let questions = [
        ("elicitation", r#"answers = { elicitation = { action = "accept", content = { name = "Ada" } } }"#, "Ada"),
        (
            "sampling",
            r#"answers = { sampling = { role = "assistant", model = "none", content = { type = "text", text = "hello" } } }"#,
            "hello",
        ),
        ("roots", r#"answers = { roots = [{ uri = "file:///tmp/here", name = "here" }] }"#, "file:///tmp/here"),
    ];
    let mut jobs = Vec::new();
    for (kind, answers, word) in questions {
        for (place, target, served) in everywhere("") {
            let step = format!(
                "tool = \"ask\"\narguments = {{ kind = \"{kind}\" }}\n{answers}\nallow_side_effects = true\n\
                 expect.text = {{ contains = {word:?} }}"
            );
            jobs.push((format!("{kind} over {place}"), file(&target, &step), served));
        }
    }
    let wrong = in_parallel(jobs, 4, |(name, file, _served)| {
        let (told, document) = check(file);
        let findings = document["probes"][0]["findings"].as_array().map_or(0, Vec::len);
        if told.code == 0 && findings == 0 { vec![] } else { vec![format!("{name}: {document}")] }
    });
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn each_step_gives_its_own_answers() {
    let accept = |name: &str| format!(r#"elicitation = {{ action = "accept", content = {{ name = "{name}" }} }}"#);
    let roots = |place: &str| format!(r#"roots = [{{ uri = "file:///{place}", name = "here" }}]"#);
    // The kind that is asked for, what the step answers, what comes of it.
    let steps = [
        ("elicitation", accept("Ada"), "Ada"),
        ("elicitation", accept("Grace"), "Grace"),
        ("roots", roots("tmp/one"), "file:///tmp/one"),
        ("roots", format!("{}, {}", roots("tmp/two"), accept("Ada")), "file:///tmp/two"),
        ("elicitation", accept("Edsger"), "Edsger"),
    ];
    let step = |(kind, answers, word): &(&str, String, &str)| {
        format!(
            "tool = \"ask\"\narguments = {{ kind = \"{kind}\" }}\nanswers = {{ {answers} }}\n\
             allow_side_effects = true\nexpect.text = {{ contains = {word:?} }}\n"
        )
    };
    let steps: Vec<String> = steps.iter().map(step).collect();
    let wrong = in_parallel(everywhere(""), 4, |(name, target, _served)| {
        let (told, document) = check(&file(target, &steps.join("[[probe.step]]\n")));
        let findings = document["probes"][0]["findings"].as_array().map_or(0, Vec::len);
        if told.code == 0 && findings == 0 { vec![] } else { vec![format!("{name}: {document}")] }
    });
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn progress_and_logs_are_collected() {
    let step = "tool = \"countdown\"\narguments = { from = 5, every_ms = 5 }\n\
                expect.notifications = { method = \"notifications/progress\", min = 5, max = 5 }\n\
                expect.text = \"lift-off\"";
    let wrong = in_parallel(everywhere(""), 4, |(name, target, _served)| {
        let (told, document) = check(&file(target, step));
        if told.code == 0 { vec![] } else { vec![format!("{name}: {document}")] }
    });
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn parameters_go_into_headers_where_the_schema_says_so() {
    // The demo server refuses a modern call whose Mcp-Param headers are missing or do not fit the body.
    let served = Served::start(["--era", "modern"]);
    for city in ["Oslo", "Zürich", " padded ", "東京", "=?base64?T3Nsbw==?="] {
        let line = ["tools/call", "--tool", "weather", "--json", &served.url(), "--arg", &format!("city={city}")]
            .map(str::to_owned);
        let told = probe(line);
        let document = told.document();
        assert_eq!(told.code, 0, "{city}: {document}");
        assert_eq!(document["result"]["structuredContent"]["city"], city, "{document}");
    }
    let stats = served.stats();
    // For each: discover, the list for its schemas, the call.
    assert_eq!((&stats["requests"], &stats["calls"]), (&json!(15), &json!(5)), "{stats}");
}

#[test]
fn a_header_mismatch_is_listed_anew_once() {
    let served = Served::start(["--era", "modern", "--fault", "call-32020"]);
    let told = over_http("tools/call --tool add --arg a:=1 --arg b:=2", &served);
    assert_eq!((verdict(&told.document()).as_str(), told.code), ("rpc_error", 5), "{told:?}");
    let stats = served.stats();
    // discover, list, call, list, call: and no third.
    assert_eq!(stats["requests"], 5, "{stats}");
}

#[test]
fn calls_that_are_given_up_are_cancelled() {
    let call = "tools/call --tool slow --arg ms:=20000 --timeout 300ms";
    for era in ["modern", "legacy"] {
        let served = Served::start(["--era", era]);
        let told = over_http(&format!("{call} --protocol {era}"), &served);
        assert_eq!((verdict(&told.document()).as_str(), told.code), ("timeout", 1), "{told:?}");
        let stats = served.until("the call is cancelled", |stats| stats["cancelled"] == 1);
        // 2026-07-28 closes the stream, the earlier revisions send a notification.
        let notifications = if era == "modern" { 0 } else { 2 };
        assert_eq!(stats["notifications"], notifications, "{era}: {stats}");
        let folder = tempfile::tempdir().unwrap();
        let trace = folder.path().join("trace.jsonl");
        let (told, _) = logged(&format!("{call} --protocol {era} --trace {}", trace.display()), "");
        assert_eq!(told.code, 1, "{told:?}");
        let lines: Vec<Value> =
            std::fs::read_to_string(trace).unwrap().lines().map(|line| serde_json::from_str(line).unwrap()).collect();
        let sent = |method: &str| {
            lines
                .iter()
                .find(|line| line["direction"] == "sent" && line["method"] == method)
                .map(|line| &line["payload"])
        };
        let id = &sent("tools/call").expect("the call is traced")["id"];
        let cancelled = sent("notifications/cancelled").expect("the call is cancelled");
        assert_eq!(&cancelled["params"]["requestId"], id, "{era}");
    }
}

#[test]
fn cut_streams_are_taken_up_again() {
    let served = Served::start(["--era", "legacy", "--sse-polling"]);
    let told = over_http("tools/call --tool countdown --arg from:=3 --protocol 2025-11-25 --timeout 20s", &served);
    let document = told.document();
    assert_eq!(told.code, 0, "{document}");
    assert_eq!(document["result"]["content"][0]["text"], "lift-off");
    let stats = served.until("the session is deleted", |stats| stats["sessions_live"] == 0);
    assert!(stats["resumed"].as_u64().unwrap() >= 1, "{stats}");
    assert_eq!(stats["calls"], 1, "a call is resumed, not repeated: {stats}");
}

#[test]
fn the_methods_that_open_are_sent_once_and_are_the_answer() {
    for (method, era, other) in [("initialize", "legacy", "discover"), ("server/discover", "modern", "initialize")] {
        let served = Served::start([""; 0]);
        let told = over_http(method, &served);
        let document = told.document();
        assert_eq!(told.code, 0, "{document}");
        assert!(verdict(&document).starts_with(era), "{document}");
        assert!(document["result"]["capabilities"].is_object(), "{document}");
        let stats = served.stats();
        let own = if other == "discover" { "initialize" } else { "discover" };
        assert_eq!((&stats[own], &stats[other]), (&json!(1), &json!(0)), "{stats}");
    }
}

#[test]
fn credentials_do_not_follow_to_another_origin() {
    let served = Served::start(["--fault", "redirect-other-origin"]);
    let told = over_http("tools/list --bearer s3cret-t0ken", &served);
    assert_eq!(verdict(&told.document()), "http", "{told:?}");
    assert!(!told.stdout.contains("s3cret-t0ken") && !told.stderr.contains("s3cret-t0ken"));
    let stats = served.stats();
    assert_eq!((&stats["elsewhere"], &stats["elsewhere_with_credentials"]), (&json!(0), &json!(0)), "{stats}");
}

#[test]
fn a_silent_pause_is_bounded_by_the_startup_timeout() {
    let (told, log) = logged("tools/list --startup-timeout 500ms", "--fault silent");
    assert_eq!((told.code, log.as_str()), (4, ONE), "{told:?}");
    assert!(told.answered < Duration::from_millis(500 + 1_400), "{:?}", told.answered);
}

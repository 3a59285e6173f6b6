//! `mcp-probe audit` by the real binary: the healthy demo server violates no rule in any revision over any transport; each
//! rule is violated by a fault made for it. One file per family of rules in `tests/audit/`, with a table of rows.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::disallowed_methods,
    reason = "a test fails by panicking, and waits for facts of other processes by polling"
)]

#[path = "audit/audited.rs"]
mod audited;
#[path = "audit/authorization.rs"]
mod authorization;
#[path = "audit/base.rs"]
mod base;
#[path = "audit/field.rs"]
mod field;
#[path = "audit/http.rs"]
mod http;
#[path = "audit/legacy.rs"]
mod legacy;
#[path = "audit/offers.rs"]
mod offers;
#[path = "audit/interaction.rs"]
mod interaction;
#[path = "audit/modern.rs"]
mod modern;
#[path = "audit/command.rs"]
mod command;
#[path = "stage/prober.rs"]
mod prober;
#[cfg(unix)]
#[path = "audit/screen.rs"]
mod screen;
#[cfg(unix)]
#[path = "stage/terminal.rs"]
mod terminal;
#[path = "audit/tools.rs"]
mod tools;

use std::collections::BTreeSet;
use std::sync::Mutex;

use serde_json::Value;

use audited::{EVERYTHING, REVISIONS, Row, audit, complaints, rules, transports, violation};
use prober::in_parallel;

/// The tables of all families, one line each.
const FAMILIES: &[(&str, &[Row])] = &[
    ("authorization", authorization::ROWS),
    ("base", base::ROWS),
    ("field", field::ROWS),
    ("legacy", legacy::ROWS),
    ("http", http::ROWS),
    ("tools", tools::ROWS),
    ("offers", offers::ROWS),
    ("modern", modern::ROWS),
    ("interaction", interaction::ROWS),
];

/// Other ways to be healthy: what some rules judge comes about only in them.
const WAYS: &[(&str, &str, &str)] = &[
    ("2025-11-25", "http", "--sse-polling --list-changed 100ms"),
    ("2025-11-25", "http", "--stateless"),
    ("2025-06-18", "http", "--sse-responses --list-changed 100ms"),
    ("2025-03-26", "http", "--list-changed 100ms"),
    ("2026-07-28", "http", "--sse-responses --era modern"),
];

/// Rules that hold in a revision and that the healthy demo gives no occasion for there: rule, revisions, reason.
const UNSHOWN: &[(&str, &[&str], &str)] = &[
    ("call.missing_argument", &["2024-11-05"], "no tool says that it only reads: annotations came later"),
    ("logging.level_kept", &["2024-11-05"], "no tool says that it only reads: annotations came later"),
    (
        "lifecycle.declared",
        &["2024-11-05", "2025-03-26", "2025-06-18", "2026-07-28"],
        "the demo declares every capability that has a list there",
    ),
    (
        "lifecycle.undeclared_refused",
        &["2024-11-05", "2025-03-26", "2025-06-18"],
        "the demo declares every capability that has a list there",
    ),
];

/// Audits at the same time.
const THREADS: usize = 2;

/// `AUDIT_ROWS=rpc.id` takes only rows whose rule begins so.
#[test]
fn every_fault_violates_its_rule() {
    let begin = std::env::var("AUDIT_ROWS").unwrap_or_default();
    let rows = FAMILIES.iter().flat_map(|(_, rows)| *rows).filter(|row| row.rule.starts_with(&begin));
    let rows: Vec<&Row> = rows.collect();
    assert!(!rows.is_empty(), "AUDIT_ROWS={begin} chooses no row");
    let wrong = in_parallel(rows, THREADS, |row| complaints(row));
    assert!(wrong.is_empty(), "{} rows:\n{}", wrong.len(), wrong.join("\n"));
}

/// What became of rules, each by its id and the revision.
#[derive(Default)]
struct Seen {
    known: BTreeSet<String>,
    passed: BTreeSet<(String, &'static str)>,
    unexercised: BTreeSet<(String, &'static str)>,
}

impl Seen {
    /// What is missing: every rule passes in each revision that it holds in, but for what the table says; and no more is there.
    fn missing(&self) -> Vec<String> {
        let table =
            UNSHOWN.iter().flat_map(|(rule, revisions, _)| revisions.iter().map(|one| ((*rule).to_owned(), *one)));
        let (table, never) = (table.collect::<BTreeSet<_>>(), self.unexercised.difference(&self.passed).cloned());
        let never: BTreeSet<(String, &str)> = never.collect();
        let passing: BTreeSet<&String> = self.passed.iter().map(|(rule, _)| rule).collect();
        let nowhere =
            self.known.iter().filter(|rule| !passing.contains(rule)).map(|rule| format!("{rule}: passes nowhere"));
        let unshown =
            never.difference(&table).map(|(rule, one)| format!("{rule}: holds in {one} and passes over no transport"));
        let dead =
            table.difference(&never).map(|(rule, one)| format!("{rule}: the table says that {one} does not show it"));
        nowhere.chain(unshown).chain(dead).collect()
    }
}

#[test]
fn the_healthy_demo_violates_nothing_and_shows_every_rule_in_each_revision() {
    let plainly = |(protocol, transport, ways)| (protocol, transport, ways, EVERYTHING);
    let mut all: Vec<(&'static str, &str, &str, &str)> = REVISIONS
        .into_iter()
        .flat_map(|protocol| transports(protocol).iter().map(move |transport| (protocol, *transport, "")))
        .chain(WAYS.iter().copied())
        .map(plainly)
        .collect();
    // Where a token is wanted there is more to see, and the rest is as it was.
    let authorized = "--invasive --bearer sesame --rule auth.*";
    all.extend(REVISIONS.into_iter().skip(1).map(|protocol| (protocol, "http", "--token sesame", authorized)));
    let seen = Mutex::new(Seen::default());
    let mut wrong = in_parallel(all, THREADS, |(protocol, transport, ways, options)| {
        let words: Vec<&str> = ways.split_whitespace().collect();
        let told = audit(&words, transport, protocol, options);
        let document: Value = serde_json::from_str(&told.stdout).unwrap_or_default();
        let spoken = &document["targets"][0]["protocol"];
        if told.code != 0 || spoken["version"] != *protocol {
            let violated = rules(&document).iter().filter(|rule| rule["verdict"] == "violates").map(violation);
            let violated: Vec<String> = violated.collect();
            let said = if violated.is_empty() { told.stderr } else { violated.join("\n  ") };
            return vec![format!("{protocol} over {transport} {ways}: exit code {}, {spoken}\n  {said}", told.code)];
        }
        let mut wrong = Vec::new();
        let mut seen = seen.lock().unwrap();
        for rule in rules(&document) {
            let id = rule["id"].as_str().unwrap().to_owned();
            seen.known.insert(id.clone());
            match rule["verdict"].as_str() {
                Some("passes") => drop(seen.passed.insert((id, protocol))),
                Some("not_exercised") => drop(seen.unexercised.insert((id, protocol))),
                // Warnings do not show in the exit code.
                Some("violates") => wrong.push(format!("{protocol} over {transport} {ways}: {}", violation(rule))),
                _ => {}
            }
        }
        wrong
    });
    // What an audit that failed did not show is no news.
    if wrong.is_empty() {
        wrong = seen.into_inner().unwrap().missing();
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn what_is_wrong_with_a_list_of_tools_is_told_by_one_rule() {
    let rows = [
        ("tools-no-schema", "tools.shape"),
        ("tools-null", "tools.shape"),
        ("tools-not-array", "tools.shape"),
        ("tools-invalid-schema", "tools.input_object"),
        ("output-schema-array", "schema.output"),
        // What is no matter of a tool alone.
        ("tools-null-description", "shape.message"),
    ];
    let wrong = in_parallel(rows.to_vec(), THREADS, |(fault, rule)| {
        let options = "--rule shape.message --rule tools.shape --rule tools.input_object --rule schema.output";
        let told = audit(&["--fault", fault], "stdio", "2025-11-25", options);
        let document = told.document();
        let violated = rules(&document).iter().filter(|rule| rule["verdict"] == "violates");
        let ids: Vec<&str> = violated.filter_map(|rule| rule["id"].as_str()).collect();
        if ids == [*rule] { Vec::new() } else { vec![format!("{fault}: {ids:?}, not {rule}")] }
    });
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn the_start_of_a_server_is_no_reply_to_what_was_cancelled() {
    let late = ["--fault", "cancel-ignored", "--fault", "slow-start", "--fault-delay", "700ms"];
    for protocol in ["2025-11-25", "2026-07-28"] {
        let told = audit(&late, "stdio", protocol, r#"--rule stdio.cancelled --tool echo={"message":"hi"}"#);
        let document = told.document();
        assert_eq!(rules(&document)[0]["verdict"], "not_exercised", "{protocol}: {document}");
    }
}

#[test]
fn of_a_server_that_opens_no_session_the_refusal_is_judged_and_nothing_else() {
    let verdicts = |demo: &[&str], options: &str| {
        let told = audit(demo, "http", "auto", options);
        let document = told.document();
        let target = &document["targets"][0];
        assert_eq!((told.code, &target["reason"]), (3, &Value::from("auth")), "{document}");
        let of = |rule: &Value| (rule["id"].as_str().unwrap().to_owned(), rule["verdict"].as_str().unwrap().to_owned());
        rules(&document).iter().map(of).collect::<Vec<_>>()
    };
    for (id, verdict) in verdicts(&["--token", "sesame"], "--invasive") {
        let expected: &[&str] =
            if id.starts_with("auth.") { &["passes"] } else { &["not_exercised", "not_applicable"] };
        assert!(expected.contains(&verdict.as_str()), "{id}: {verdict}");
    }
    let wrong = verdicts(&["--fault", "auth-other-resource"], "--rule auth.resource");
    assert_eq!(wrong, [("auth.resource".to_owned(), "violates".to_owned())]);
    // A page of a firewall is no refusal that says anything of authorization.
    let wall = verdicts(&["--fault", "http-403"], "--rule auth.unauthorized");
    assert_eq!(wall, [("auth.unauthorized".to_owned(), "not_exercised".to_owned())]);
}

#[test]
fn every_rule_has_a_fault_that_violates_it() {
    let told = audit(&[], "stdio", "2025-11-25", "");
    let shown: BTreeSet<&str> =
        FAMILIES.iter().flat_map(|(_, rows)| *rows).map(|row| row.rule).chain(field::SLOW.iter().copied()).collect();
    let document = told.document();
    let known: BTreeSet<&str> = rules(&document).iter().filter_map(|rule| rule["id"].as_str()).collect();
    let unshown: Vec<_> = known.difference(&shown).collect();
    let dead: Vec<_> = shown.difference(&known).collect();
    assert!(unshown.is_empty() && dead.is_empty(), "without a row: {unshown:?}; rows of no rule: {dead:?}");
}

//! Rules about rounds of input, subscriptions and tasks, each with a fault that breaks it.

use super::audited::{Row, row};

const MODERN: &str = "2026-07-28";
const ASK: &str = "--tool ask";
const WRONGLY: &str = "--invasive --tool ask";
const SLOW: &str = r#"--tool slow={"ms":50}"#;

const fn stdio(rule: &'static str, fault: &'static str, options: &'static str) -> Row {
    row(rule, fault, "stdio", MODERN, options)
}

const fn http(rule: &'static str, fault: &'static str, options: &'static str) -> Row {
    row(rule, fault, "http", MODERN, options)
}

pub const ROWS: &[Row] = &[
    stdio("rounds.content", "input-required-empty", ASK),
    stdio("rounds.questions", "input-required-forever", ASK),
    stdio("rounds.methods", "input-required-for-lists", ""),
    stdio("rounds.answered", "input-refused", ASK),
    http("rounds.answered", "input-refused", ASK),
    stdio("rounds.forged_state", "state-unchecked", WRONGLY),
    stdio("rounds.asked_again", "input-missing-error", WRONGLY),
    stdio("rounds.unknown_answers", "input-extra-error", WRONGLY),
    stdio("rounds.garbage", "input-unchecked", WRONGLY),
    stdio("rounds.forms", "input-nested-form", ASK),
    stdio("subscriptions.served", "listen-unknown", ""),
    http("subscriptions.served", "listen-unknown", ""),
    stdio("subscriptions.acknowledged", "listen-late", ""),
    http("subscriptions.acknowledged", "listen-late", ""),
    stdio("subscriptions.id", "listen-id-as-text", ""),
    http("subscriptions.id", "listen-id-as-text", ""),
    stdio("subscriptions.subset", "listen-all-acknowledged", ""),
    stdio("subscriptions.filter", "listen-unfiltered", ""),
    http("subscriptions.filter", "listen-unfiltered", ""),
    stdio("subscriptions.no_others", "listen-logs", ""),
    stdio("subscriptions.closed_unacknowledged", "listen-result", ""),
    http("subscriptions.lasting", "listen-short", "--slow"),
    stdio("tasks.undeclared_client", "task-for-anyone", ASK),
    stdio("tasks.gated", "tasks-ungated", "--invasive"),
    stdio("tasks.unknown_id", "task-unknown-code", "--invasive"),
    stdio("tasks.removed_methods", "tasks-list-served", "--invasive"),
    stdio("tasks.readable", "task-not-yet", SLOW),
    stdio("tasks.members", "task-old-members", SLOW),
    stdio("tasks.status", "task-type-kept", SLOW),
    http("tasks.name_header", "task-header-unchecked", "--invasive"),
];

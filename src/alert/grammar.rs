//! Alerts of the probe file as JSON Schema, in the order of the parser beside it.

use serde_json::{Value, json};

use crate::config::grammar::{
    self, anything, array, boolean, count, described, one_or_more, pattern, string, table, with,
};

/// The outermost keys of a file that are read here, but for the notifiers: [`super::notify::keys`].
#[must_use]
pub fn keys() -> [(&'static str, Value); 1] {
    [("alert", described(array(alert()), "When `watch` raises an alarm. Read and checked by every command."))]
}

fn flag(what: &str) -> Value {
    described(with(boolean(), json!({"default": false})), what)
}

fn alert() -> Value {
    let rate = with(pattern(r"^>\s*[0-9.]+\s*%$"), json!({"examples": ["> 5%"]}));
    let latency = with(pattern(r"^\s*p[0-9.]+\s*>.*[a-zµ]\s*$"), json!({"examples": ["p95 > 2000ms"]}));
    let failures = with(count(), json!({"minimum": 1}));
    let keys = table([
        ("name", described(string(), "What the alert is called; unique.")),
        ("error_rate", described(rate, "Fires when so large a part of the runs in `window` failed.")),
        (
            "latency",
            described(latency, "Fires when a percentile of the steps' latencies in `window` is above a bound."),
        ),
        ("consecutive_failures", described(failures, "Fires after so many failures in a row.")),
        ("window", described(grammar::duration(), "The time that `error_rate` or `latency` looks back.")),
        ("within", described(grammar::duration(), "The time within which the failures must follow each other.")),
        ("for", described(grammar::duration(), "How long the condition must hold before it fires.")),
        ("restart", flag("Restart the target as well: its `restart`, or the child that `watch` holds.")),
        ("resolved", flag("Tell when it is over, too.")),
        ("min_samples", described(count(), "Fewer runs than these fire nothing.")),
        ("severity", described(string(), "A word for those who are told, such as `critical`.")),
        ("labels", described(anything(), "Only targets with these labels.")),
        ("notify", described(one_or_more(), "The names of the notifiers that are told.")),
        ("probe", described(one_or_more(), "Only these probes.")),
        ("target", described(one_or_more(), "Only these targets.")),
    ]);
    let conditions: Vec<Value> =
        ["error_rate", "latency", "consecutive_failures"].iter().map(|key| json!({"required": [key]})).collect();
    with(keys, json!({"required": ["name"], "oneOf": conditions}))
}

//! Alerts of the probe file as JSON Schema, in the order of the parser beside it.

use serde_json::{Value, json};

use super::condition::CONDITIONS;
use super::rule::Urgency;
use crate::config::grammar::{
    self, anything, array, boolean, count, described, one_or_more, pattern, percent, string, table, with, words,
};

/// The outermost keys of a file that are read here, but for the notifiers: [`super::notify::keys`].
#[must_use]
pub fn keys() -> [(&'static str, Value); 2] {
    [
        ("alert", described(array(alert()), "When `watch` raises an alarm. Read and checked by every command.")),
        ("silence", described(array(silence()), "When nobody wants to hear of which alerts.")),
    ]
}

fn flag(what: &str) -> Value {
    described(with(boolean(), json!({"default": false})), what)
}

fn alert() -> Value {
    let rate = with(pattern(r"^>\s*[0-9.]+\s*%$"), json!({"examples": ["> 5%"]}));
    let latency = with(pattern(r"^\s*p[0-9.]+\s*>.*[a-zµ]\s*$"), json!({"examples": ["p95 > 2000ms"]}));
    let failures = with(count(), json!({"minimum": 1}));
    let of = with(words(["certificate", "token", "any"]), json!({"default": "any"}));
    let objective = with(percent(), json!({"examples": ["99.9%"]}));
    let period = with(grammar::duration(), json!({"default": "30d"}));
    let resolve = json!({"anyOf": [percent(), grammar::duration()], "examples": ["2%", "1500ms"]});
    let remind = with(grammar::duration(), json!({"examples": ["4h"]}));
    let severity = with(words(Urgency::WORDS.iter().map(|(word, _)| *word)), json!({"default": "error"}));
    let keys = table([
        ("name", described(string(), "What the alert is called; unique.")),
        ("error_rate", described(rate, "Fires when so large a part of the runs in `window` failed.")),
        (
            "latency",
            described(latency, "Fires when a percentile of the steps' latencies in `window` is above a bound."),
        ),
        ("consecutive_failures", described(failures, "Fires after so many failures in a row.")),
        ("no_data", described(grammar::duration(), "Fires when no run could be judged for so long.")),
        (
            "drift",
            described(
                json!({"const": true}),
                "Fires when the list of tools is not what it was, or a `lock` is not met.",
            ),
        ),
        ("expires", described(grammar::duration(), "Fires so long before a certificate or a token ends.")),
        ("of", described(of, "What of it ends: of `expires`.")),
        ("burn_rate", described(objective, "The objective; fires when its error budget is being used up too fast.")),
        ("period", described(period, "The time for which the budget of `burn_rate` is.")),
        ("window", described(grammar::duration(), "The time that `error_rate` or `latency` looks back.")),
        ("within", described(grammar::duration(), "The time within which the failures must follow each other.")),
        ("for", described(grammar::duration(), "How long the condition must hold before it fires.")),
        ("restart", flag("Restart the target as well: its `restart`, or the child that `watch` holds.")),
        ("keep_firing_for", described(grammar::duration(), "How long the condition must not hold before it is over.")),
        ("resolve_at", described(resolve, "It is over at or below this, rather than as soon as it would not fire.")),
        ("remind", described(remind, "How often it is told again while it fires; at least 5 minutes.")),
        ("resolved", described(with(boolean(), json!({"default": true})), "Tell when it is over, too.")),
        ("min_samples", described(with(count(), json!({"minimum": 1})), "Fewer runs than these fire nothing.")),
        ("severity", described(severity, "A word for those who are told.")),
        ("labels", described(anything(), "Only targets with these labels.")),
        ("notify", described(one_or_more(), "The names of the notifiers that are told.")),
        ("probe", described(one_or_more(), "Only these probes.")),
        ("target", described(one_or_more(), "Only these targets.")),
    ]);
    let conditions: Vec<Value> = CONDITIONS.iter().map(|key| json!({"required": [key]})).collect();
    with(keys, json!({"required": ["name"], "oneOf": conditions}))
}

fn silence() -> Value {
    let moment = || with(string(), json!({"examples": ["2026-12-24T18:00:00Z", "2026-12-24T18:00:00+01:00"]}));
    let cron = pattern(r"^\s*\S+(\s+\S+){4}\s*$|^@[a-z]+$");
    let cron = with(cron, json!({"examples": ["0 2 * * SUN"]}));
    let zone = with(string(), json!({"examples": ["UTC", "Europe/Berlin"]}));
    let keys = table([
        ("name", described(string(), "What the silence is called; unique.")),
        ("alert", described(one_or_more(), "Only these alerts.")),
        ("probe", described(one_or_more(), "Only these probes.")),
        ("target", described(one_or_more(), "Only these targets.")),
        ("labels", described(anything(), "Only targets with these labels.")),
        ("timezone", described(zone, "The IANA time zone of `cron`, and of times without an offset.")),
        ("from", described(moment(), "When it begins.")),
        ("until", described(moment(), "When it ends.")),
        ("cron", described(cron, "When it begins, again and again.")),
        ("for", described(grammar::duration(), "How long it lasts each time.")),
    ]);
    let when = json!([{"required": ["from", "until"]}, {"required": ["cron", "for"]}]);
    let both = json!({"from": {"not": {"required": ["cron"]}}, "until": {"not": {"required": ["for"]}}});
    with(keys, json!({"required": ["name"], "anyOf": when, "dependencies": both}))
}

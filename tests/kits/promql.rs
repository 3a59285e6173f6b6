//! The metrics and labels that an expression names, held against the table of families.

use std::collections::BTreeSet;

use mcp_probe::metrics::{FAMILIES, Family, Kind};
use regex::Regex;

/// Words of the language that are no metrics.
const WORDS: &[&str] = &["and", "or", "unless", "by", "without", "on", "ignoring", "bool", "offset"];
/// Labels that Prometheus adds, and those of `up`.
const OUTSIDE: &[&str] = &["job", "instance", "le"];

/// Everything wrong with what an expression names. `recorded` are the names of recording rules.
pub fn complaints(expression: &str, recorded: &BTreeSet<String>) -> Vec<String> {
    let mut wrong = Vec::new();
    let (mut labels, mut exact): (BTreeSet<String>, bool) = (BTreeSet::new(), true);
    let selector = Regex::new(r"([a-zA-Z_:][a-zA-Z0-9_:]*)(?:\{([^}]*)\})?").unwrap();
    let label = Regex::new(r#"([a-zA-Z_]+) *(?:=~|!~|!=|=) *"[^"]*""#).unwrap();
    let grouping = Regex::new(r"\b(?:by|without|on|ignoring) *\(([^)]*)\)").unwrap();
    let range = Regex::new(r"\[[^\]]*\]").unwrap();
    let plain = grouping.replace_all(expression, " ");
    let plain = range.replace_all(&plain, " ");
    let mut metrics = 0;
    for hit in selector.captures_iter(&plain) {
        let (name, end) = (&hit[1], hit.get(0).unwrap().end());
        let is_function = plain[end..].trim_start().starts_with('(');
        let is_number =
            hit.get(0).unwrap().start() > 0 && plain.as_bytes()[hit.get(0).unwrap().start() - 1].is_ascii_digit();
        if is_function || is_number || WORDS.contains(&name) {
            continue;
        }
        metrics += 1;
        let Some(known) = labels_of(name, recorded) else {
            wrong.push(format!("{name} is no metric: {expression}"));
            continue;
        };
        exact &= known.1;
        labels.extend(known.0);
        for hit in hit.get(2).map(|inside| label.captures_iter(inside.as_str())).into_iter().flatten() {
            let has = labels.contains(&hit[1]) || OUTSIDE.contains(&&hit[1]);
            if !has {
                wrong.push(format!("{name} has no label {}: {expression}", &hit[1]));
            }
        }
    }
    if metrics == 0 {
        wrong.push(format!("no metric in {expression}"));
    }
    for hit in grouping.captures_iter(expression).filter(|_| exact) {
        for word in hit[1].split(',').map(str::trim).filter(|word| !word.is_empty()) {
            if !labels.contains(word) && !OUTSIDE.contains(&word) {
                wrong.push(format!("nothing has the label {word}: {expression}"));
            }
        }
    }
    wrong
}

/// The labels of a metric, and whether these are all; none where it does not exist.
fn labels_of(name: &str, recorded: &BTreeSet<String>) -> Option<(Vec<String>, bool)> {
    let owned = |words: &[&str]| words.iter().map(ToString::to_string).collect::<Vec<_>>();
    if matches!(name, "up" | "ALERTS") {
        return Some((Vec::new(), true));
    }
    if recorded.contains(name) {
        return Some((owned(&["probe", "target"]), true));
    }
    let of = |family: &&Family| {
        let parts: &[&str] = if family.kind == Kind::Histogram { &["_bucket", "_sum", "_count"] } else { &[""] };
        parts.iter().any(|part| format!("{}{part}", family.name) == name)
    };
    FAMILIES.iter().find(of).map(|family| (owned(family.labels), family.name != "mcp_probe_target_info"))
}

#[test]
fn what_does_not_exist_is_found() {
    let none = BTreeSet::new();
    for good in [
        "sum by (le, probe) (rate(mcp_client_operation_duration_seconds_bucket{target=~\"a\"}[5m])) > 2e3",
        "absent(up{job=\"a\"}) or probe_success == 0",
    ] {
        assert!(complaints(good, &none).is_empty(), "{good}: {:?}", complaints(good, &none));
    }
    for bad in [
        "probe_sucess == 0",
        "probe_success{tarjet=\"a\"} == 0",
        "sum by (method) (probe_success)",
        "rate(mcp_client_operation_duration_seconds[5m])",
        "1 + 1",
    ] {
        assert_eq!(complaints(bad, &none).len(), 1, "{bad}: {:?}", complaints(bad, &none));
    }
}

//! The documented alerts and notifiers, read and filled in.

use std::collections::BTreeSet;
use std::time::Duration;

use super::*;
use crate::alert::{Bound, Condition, Selector, Urgency};
use crate::config::text::tests::Given;
use crate::config::{Reading, Source, render, tree};

/// The keys that the documentation shows, in one file.
const DOCUMENTED: &str = r#"
[[alert]]
name = "mcp_error_rate_spike"
error_rate = "> 5%"
window = "5m"
notify = ["ops"]

[[alert]]
name = "mcp_p95_latency_exceeds"
latency = "p95 > 2000ms"
window = "10m"
notify = ["oncall"]

[[alert]]
name = "mcp_server_unresponsive"
consecutive_failures = 3
within = "1m"
restart = true
severity = "critical"
labels = { env = "prod" }
notify = ["ops"]

[notify.ops]
kind = "webhook"
url = "${OPS_WEBHOOK}"
headers = { X-Team = "a" }
auth = { bearer = "plain-token" }

[notify.oncall]
kind = "pagerduty"
routing_key = "${PAGERDUTY_KEY}"
timeout = "5s"

[notify.here]
kind = "command"
command = ["./tell", "--all"]

[[push]]
kind = "pushgateway"
url = "http://127.0.0.1:9091"
required = false

[log]
wire = "wire.jsonl"
"#;

fn read(toml: &str, given: &Given) -> Telling {
    let source = Source::new("a.toml", toml, "/srv/probes");
    let (table, mut diags) = tree::parse(&source);
    let reading = Reading::new(given);
    let file = Section::new(&table, "a probe file", &Place::new(&source, 0..0), &reading);
    let mut telling = Telling::default();
    telling.read(&file);
    file.finish();
    diags.extend(reading.into_diags());
    diags.extend(telling.check_names(&Draft::default(), &[]));
    diags.retain(|diag| diag.severity == crate::config::Severity::Error);
    assert!(diags.is_empty(), "{}", render(&diags, false, None));
    telling
}

fn given() -> Given {
    Given { variables: [("OPS_WEBHOOK", "https://hook/1"), ("PAGERDUTY_KEY", "pd-secret")].into(), ..Given::default() }
}

#[test]
fn the_documented_file_becomes_rules_and_notifiers() {
    let telling = read(DOCUMENTED, &given());
    assert_eq!(telling.secret_variables(), ["OPS_WEBHOOK", "PAGERDUTY_KEY"]);
    assert_eq!((telling.pushes.len(), telling.pushes[0].kind), (1, "pushgateway"));
    let resolved = telling.resolve(&given()).unwrap();
    let [spike, latency, unresponsive] = resolved.rules.as_slice() else { panic!("{:?}", resolved.rules) };
    let minutes = |minutes: u64| Duration::from_secs(minutes * 60);
    assert_eq!(
        spike.condition,
        Condition::ErrorRate {
            bound: Bound { value: 0.05, inclusive: false },
            window: minutes(5),
            min_samples: None,
            resolve: None
        }
    );
    let bound = Bound { value: Duration::from_secs(2), inclusive: false };
    assert_eq!(
        latency.condition,
        Condition::Latency { percentile: 95.0, bound, window: minutes(10), min_samples: None, resolve: None }
    );
    assert_eq!(unresponsive.condition, Condition::ConsecutiveFailures { count: 3, within: Some(minutes(1)) });
    assert!(unresponsive.restart && unresponsive.resolved && unresponsive.severity == Urgency::Critical);
    let labels = [("env".to_owned(), "prod".to_owned())].into();
    assert_eq!(unresponsive.selector, Selector { probes: BTreeSet::new(), targets: BTreeSet::new(), labels });
    assert_eq!(
        (spike.notify.as_slice(), latency.notify.as_slice()),
        (&["ops".to_owned()][..], &["oncall".to_owned()][..])
    );
    let [ops, oncall, here] = resolved.notifiers.as_slice() else { panic!("{:?}", resolved.notifiers) };
    assert_eq!((ops.name.as_str(), ops.kind), ("ops", "webhook"));
    assert_eq!(ops.settings.text("url").unwrap().reveal(), "https://hook/1");
    assert_eq!(ops.settings.table("headers")[0].1.reveal(), "a");
    assert_eq!(ops.settings.table("auth")[0].1.reveal(), "plain-token");
    assert_eq!(oncall.settings.time("timeout"), Some(Duration::from_secs(5)));
    let argv: Vec<&str> = here.settings.texts("command").iter().map(crate::base::secret::Secret::reveal).collect();
    assert_eq!(argv, ["/srv/probes/./tell", "--all"]);
    assert_eq!(resolved.log.wire.as_deref(), Some(std::path::Path::new("/srv/probes/wire.jsonl")));
}

#[test]
fn what_notifiers_read_and_hold_is_to_be_masked_and_does_not_print() {
    let resolved = read(DOCUMENTED, &given()).resolve(&given()).unwrap();
    for secret in ["https://hook/1", "pd-secret", "plain-token"] {
        assert!(resolved.secrets.iter().any(|have| have == secret), "{secret}");
        assert!(!format!("{:?}", resolved.notifiers).contains(secret), "{secret}");
    }
}

#[test]
fn what_is_missing_is_told_together() {
    let missing = read(DOCUMENTED, &Given::default()).resolve(&Given::default()).unwrap_err();
    let told: Vec<&str> = missing.iter().map(|diag| diag.message.as_str()).collect();
    assert_eq!(told.len(), 2, "{told:?}");
    assert!(told[0].contains("`notify.ops.url` needs the variable `OPS_WEBHOOK`"), "{told:?}");
}

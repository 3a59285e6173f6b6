//! One failure through everything: a server breaks, `mcp-probe watch` sees it, Prometheus reads the metric, a shipped rule
//! fires, Alertmanager tells a webhook; and the same way back. All files are those of `ci/prometheus`, in haste.

#![cfg(unix)]
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a test fails by panicking")]

#[path = "push/served.rs"]
mod served;
#[path = "stage/watching.rs"]
mod watching;

use std::path::Path;

use serde_json::Value;
use served::{Served, get};
use watching::{Hook, Watch, behave, server, until, write};

/// A shipped file with other words in the place of some; each of these must stand in it.
fn shipped(name: &str, words: &[(&str, &str)]) -> String {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("ci/prometheus").join(name);
    let mut text = std::fs::read_to_string(path).unwrap();
    for (from, to) in words {
        assert!(text.contains(from), "{name} has no {from}");
        text = text.replace(from, to);
    }
    text
}

fn daemon(folder: &Path) -> Watch {
    let server = server(folder);
    let text = format!(
        "[watch]\nrun_at_start = true\njitter = \"0%\"\n[target.weather]\n{server}\n\
         [[probe]]\nname = \"smoke\"\ntarget = \"weather\"\nevery = \"300ms\"\ntimeout = \"290ms\"\n\
         [[probe.step]]\nmethod = \"tools/list\"\n"
    );
    write(folder, &text);
    Watch::start(folder)
}

fn alertmanager(hook: &Hook) -> Served {
    let pager = "pagerduty_configs:\n      - routing_key_file: /etc/alertmanager/pagerduty-key";
    let words = [
        ("https://ops.example.com/mcp-probe", &*format!("{}/ops", hook.url)),
        (pager, &*format!("webhook_configs:\n      - url: {}/oncall", hook.url)),
        ("group_wait: 30s", "group_wait: 100ms"),
        ("group_interval: 5m", "group_interval: 500ms"),
    ];
    Served::start(
        "prometheus-alertmanager",
        &[
            "--config.file=FOLDER/alertmanager.yml",
            "--storage.path=FOLDER/data",
            "--web.listen-address=ADDRESS",
            "--cluster.listen-address=",
        ],
        "/-/ready",
        &[("alertmanager.yml", &shipped("alertmanager.yml", &words))],
    )
}

fn prometheus(watch: &Watch, alertmanager: &Served) -> Served {
    let config = shipped(
        "prometheus.yml",
        &[
            ("_interval: 15s", "_interval: 500ms"),
            ("_timeout: 10s", "_timeout: 400ms"),
            ("127.0.0.1:9490", &watch.address().unwrap()),
            ("127.0.0.1:9093", alertmanager.address()),
            ("targets: [weather, files]", "targets: []"),
        ],
    );
    let rules = shipped("rules.yml", &[("[1m]", "[3s]"), ("[5m]", "[6s]"), ("[10m]", "[12s]")]);
    Served::start(
        "prometheus",
        &["--config.file=FOLDER/prometheus.yml", "--storage.tsdb.path=FOLDER/data", "--web.listen-address=ADDRESS"],
        "/-/ready",
        &[("prometheus.yml", &config), ("rules.yml", &rules)],
    )
}

/// What the webhook was told of an alert, in order: where, and whether it was firing or resolved.
fn told(hook: &Hook, alert: &str) -> Vec<(String, String)> {
    let mut told = Vec::new();
    for (path, body) in hook.heard() {
        let message: Value = serde_json::from_str(&body).unwrap();
        assert_eq!(message["version"], "4", "{body}");
        for one in message["alerts"].as_array().unwrap() {
            if one["labels"]["alertname"] == alert {
                assert_eq!((&one["labels"]["target"], &one["labels"]["probe"]), (&"weather".into(), &"smoke".into()));
                told.push((path.clone(), one["status"].as_str().unwrap().to_owned()));
            }
        }
    }
    told
}

#[test]
fn a_failure_is_told_by_alertmanager_and_so_is_its_end() {
    let (folder, hook) = (tempfile::tempdir().unwrap(), Hook::start());
    let watch = daemon(folder.path());
    let alertmanager = alertmanager(&hook);
    let prometheus = prometheus(&watch, &alertmanager);
    let value = |metric: &str| {
        let (_, body) = get(&format!("{}/api/v1/query?query={metric}", prometheus.url()));
        let answer: Value = serde_json::from_str(&body).unwrap_or_default();
        answer["data"]["result"][0]["value"][1].as_str().map(str::to_owned)
    };
    until("the metric says that it is well", || (value("probe_success")? == "1").then_some(()));
    // Longer than the windows, as the rules see them: a server that is well fires nothing.
    let runs = || value("sum(instance:mcp_probe_runs:sum)").and_then(|runs| runs.parse::<f64>().ok());
    let before = until("runs are counted", runs);
    until("thirty more runs are counted", || (runs()? > before + 30.0).then_some(()));
    assert!(hook.heard().is_empty(), "{:?}", hook.heard());

    behave(folder.path(), "--fault exit-at-start");
    until("the metric says that it fails", || (value("probe_success")? == "0").then_some(()));
    let firing = |path: &str| (path.to_owned(), "firing".to_owned());
    let resolved = |path: &str| (path.to_owned(), "resolved".to_owned());
    let hears = |path: &str, alert: &str, state: &(String, String)| {
        until(&format!("{path} hears of {alert}: {:?}", hook.heard()), || {
            told(&hook, alert).contains(state).then_some(())
        });
    };
    hears("/oncall", "mcp_server_unresponsive", &firing("/oncall"));
    hears("/ops", "mcp_server_unresponsive", &firing("/ops"));
    let (_, alerts) = get(&format!("{}/api/v1/alerts", prometheus.url()));
    assert!(alerts.contains("mcp_error_rate_spike"), "{alerts}");

    behave(folder.path(), "");
    hears("/oncall", "mcp_server_unresponsive", &resolved("/oncall"));
    hears("/ops", "mcp_server_unresponsive", &resolved("/ops"));
    until("no rule fires any more", || {
        let (_, alerts) = get(&format!("{}/api/v1/alerts", prometheus.url()));
        (!alerts.contains("mcp_server") && !alerts.contains("mcp_error")).then_some(())
    });
    // The end came after the beginning, once each.
    for path in ["/oncall", "/ops"] {
        let states = told(&hook, "mcp_server_unresponsive").into_iter().filter(|(place, _)| place == path);
        let states: Vec<String> = states.map(|(_, state)| state).collect();
        assert_eq!(states.first().map(String::as_str), Some("firing"), "{path}: {states:?}");
        assert_eq!(states.last().map(String::as_str), Some("resolved"), "{path}: {states:?}");
    }
}

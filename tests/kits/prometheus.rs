//! Prometheus, Alertmanager and Grafana: the shipped files in the real programs. `tests/end_to_end.rs` follows one failure
//! through all of them.

use std::collections::BTreeSet;
use std::path::Path;

use serde_json::Value;

use crate::place::Place;
use crate::promql::complaints;
use crate::served::{Served, get};
use crate::watching::{Watch, until, write};
use crate::{ran, text, yaml};

/// What Grafana puts into the place of its variables.
fn filled(expression: &str) -> String {
    let mut filled = expression.replace("$__rate_interval", "30s").replace("$__range", "1m");
    for variable in ["$job", "$target", "$probe"] {
        filled = filled.replace(variable, ".*");
    }
    assert!(!filled.contains('$'), "{expression}: an unknown variable");
    filled
}

fn dashboard() -> Value {
    serde_json::from_str(&text("ci/grafana/mcp-probe.json")).unwrap()
}

/// Title and expression of everything that the dashboard asks.
fn asked() -> Vec<(String, String)> {
    let dashboard = dashboard();
    let mut asked = Vec::new();
    for panel in dashboard["panels"].as_array().unwrap() {
        for target in panel["targets"].as_array().into_iter().flatten() {
            asked.push((panel["title"].as_str().unwrap().to_owned(), target["expr"].as_str().unwrap().to_owned()));
        }
    }
    let annotation = dashboard["annotations"]["list"][0]["expr"].as_str().unwrap();
    asked.push(("annotations".to_owned(), annotation.to_owned()));
    assert!(asked.len() >= 30, "{}", asked.len());
    asked
}

/// Every rule: what it is called, and its expression.
fn rules() -> Vec<(String, String)> {
    let rules = yaml("ci/prometheus/rules.yml");
    let all = rules["groups"].as_array().unwrap().iter().flat_map(|group| group["rules"].as_array().unwrap());
    let name = |rule: &Value| rule["record"].as_str().or(rule["alert"].as_str()).unwrap().to_owned();
    all.map(|rule| (name(rule), rule["expr"].as_str().unwrap().to_owned())).collect()
}

fn recorded() -> BTreeSet<String> {
    rules().into_iter().map(|(name, _)| name).filter(|name| name.contains(':')).collect()
}

#[test]
fn promtool_takes_the_files_and_sees_the_rules_fire_and_not_fire() {
    ran("promtool", ["check", "config", "ci/prometheus/prometheus.yml"]).ended(0);
    ran("promtool", ["check", "rules", "--lint-fatal", "ci/prometheus/rules.yml"]).ended(0);
    ran("promtool", ["test", "rules", "ci/prometheus/rules.test.yml"]).ended(0);
    // That of Compose names its rules where they are mounted.
    let place = Place::new()
        .with("prometheus.yml", &text("ci/docker/prometheus.yml"))
        .with("rules.yml", &text("ci/prometheus/rules.yml"));
    ran("promtool", ["check", "config", place.path("prometheus.yml").to_str().unwrap()]).ended(0);
}

#[test]
fn every_alert_has_a_test_that_fires_it_and_one_that_does_not() {
    let tests = yaml("ci/prometheus/rules.test.yml");
    let (mut fires, mut rests) = (BTreeSet::new(), BTreeSet::new());
    for test in tests["tests"].as_array().unwrap() {
        for case in test["alert_rule_test"].as_array().into_iter().flatten() {
            let name = case["alertname"].as_str().unwrap().to_owned();
            let alerts = case["exp_alerts"].as_array().map_or(0, Vec::len);
            if alerts > 0 {
                fires.insert(name)
            } else {
                rests.insert(name)
            };
        }
    }
    let alerts: BTreeSet<String> =
        rules().into_iter().map(|(name, _)| name).filter(|name| !name.contains(':')).collect();
    assert_eq!(fires, alerts);
    // The others are seen to tell a prober or target that is well from one that is not, in one and the same test.
    for name in ["mcp_error_rate_spike", "mcp_p95_latency_exceeds", "mcp_server_unresponsive", "mcp_prober_absent"] {
        assert!(rests.contains(name), "{name}");
    }
    for name in ["mcp_error_rate_spike", "mcp_p95_latency_exceeds", "mcp_server_unresponsive"] {
        assert!(
            text("probes/alerts.toml").contains(&format!("name = \"{name}\"")),
            "{name} is called as in the probe files"
        );
    }
}

#[test]
fn every_metric_and_label_of_rules_and_dashboard_exists() {
    let recorded = recorded();
    let expressions = rules().into_iter().chain(asked());
    let wrong: Vec<String> = expressions.flat_map(|(_, expression)| complaints(&expression, &recorded)).collect();
    assert!(wrong.is_empty(), "{wrong:#?}");
}

#[test]
fn alertmanager_takes_its_file_and_sends_each_alert_where_it_belongs() {
    let file = "ci/prometheus/alertmanager.yml";
    ran("amtool", ["check-config", file]).ended(0);
    for (receivers, labels) in [
        ("oncall,ops", "alertname=mcp_server_unresponsive severity=critical target=weather"),
        ("oncall,ops", "alertname=mcp_p95_latency_exceeds severity=critical target=weather"),
        ("ops", "alertname=mcp_error_rate_spike severity=error target=weather"),
        ("ops", "alertname=mcp_certificate_ends severity=warning target=weather"),
        ("oncall", "alertname=mcp_prober_absent severity=critical"),
        ("oncall", "alertname=mcp_prober_cannot_tell severity=critical instance=a"),
        ("ops", "alertname=mcp_prober_starts_late severity=warning instance=a"),
        ("ops", "alertname=SomethingElse"),
    ] {
        let config = format!("--config.file={file}");
        let wanted = format!("--verify.receivers={receivers}");
        let words = ["config", "routes", "test", &config, &wanted];
        ran("amtool", words.into_iter().chain(labels.split(' '))).ended(0);
    }
}

#[test]
fn the_dashboard_is_laid_out_without_gaps_in_its_words() {
    let dashboard = dashboard();
    let panels = dashboard["panels"].as_array().unwrap();
    let mut ids = BTreeSet::new();
    let mut taken = BTreeSet::new();
    for panel in panels {
        let title = panel["title"].as_str().unwrap();
        assert!(ids.insert(panel["id"].as_i64().unwrap()), "{title}: its id is another's");
        let place = |key: &str| panel["gridPos"][key].as_i64().unwrap();
        assert!(place("x") + place("w") <= 24, "{title} is too wide");
        for x in place("x")..place("x") + place("w") {
            for y in place("y")..place("y") + place("h") {
                assert!(taken.insert((x, y)), "{title} lies over another");
            }
        }
        let mut refs = BTreeSet::new();
        for target in panel["targets"].as_array().into_iter().flatten() {
            assert!(refs.insert(target["refId"].as_str().unwrap()), "{title}: two queries have a name");
            assert_eq!(target["datasource"]["uid"], "${datasource}", "{title}");
        }
        assert!(panel["type"] == "row" || !panel["description"].as_str().unwrap().is_empty(), "{title}");
    }
    let variables = dashboard["templating"]["list"].as_array().unwrap();
    let names: Vec<&str> = variables.iter().map(|variable| variable["name"].as_str().unwrap()).collect();
    assert_eq!(names, ["datasource", "job", "target", "probe"]);
    let label = regex::Regex::new(r"^label_values\((.+), ([a-z]+)\)$").unwrap();
    for variable in &variables[1..] {
        let query = variable["query"]["query"].as_str().unwrap();
        let hit = label.captures(query).unwrap();
        let wrong = complaints(&format!("sum by ({}) ({})", &hit[2], &hit[1]), &BTreeSet::new());
        assert!(wrong.is_empty(), "{wrong:?}");
    }
}

/// The daemon on the targets that the shipped configuration names: one is well, the other fails. A server over stdio each.
fn fleet(folder: &Path) -> Watch {
    let target = |name: &str, fault: &str| {
        format!("[target.{name}]\ncommand = [\"mcp-probe\", \"demo\"{fault}]\nlabels = {{ env = \"prod\" }}\n")
    };
    let files = format!(
        "[watch]\nrun_at_start = true\njitter = \"0%\"\n{}{}\
         [[probe]]\nname = \"smoke\"\ntarget = \"*\"\nevery = \"1s\"\ntimeout = \"900ms\"\n\
         [[probe.step]]\nmethod = \"tools/list\"\n\
         [[alert]]\nname = \"bad\"\nconsecutive_failures = 2\nwithin = \"9s\"\nnotify = [\"ops\"]\n\
         [notify.ops]\nkind = \"command\"\ncommand = [\"true\"]\n",
        target("weather", ""),
        target("files", ", \"--fault\", \"list-error\""),
    );
    write(folder, &files);
    Watch::start(folder)
}

/// The result of an instant query: labels and value of each series.
fn query(prometheus: &Served, expression: &str) -> Result<Vec<(Value, String)>, String> {
    let words: String = url::form_urlencoded::byte_serialize(expression.as_bytes()).collect();
    let (code, body) = get(&format!("{}/api/v1/query?query={words}", prometheus.url()));
    let answer: Value = serde_json::from_str(&body).map_err(|error| format!("{code} {error}: {body}"))?;
    if answer["status"] != "success" {
        return Err(format!("{expression}: {}", answer["error"]));
    }
    let series = answer["data"]["result"].as_array().unwrap().iter();
    Ok(series.map(|one| (one["metric"].clone(), one["value"][1].as_str().unwrap().to_owned())).collect())
}

#[test]
fn prometheus_scrapes_both_ways_and_every_panel_has_something_to_show() {
    let folder = tempfile::tempdir().unwrap();
    let watch = fleet(folder.path());
    // The shipped file, at this address and in haste.
    let config = text("ci/prometheus/prometheus.yml")
        .replace("127.0.0.1:9490", &watch.address().unwrap())
        .replace("15s", "1s")
        .replace("10s", "900ms");
    let prometheus = Served::start(
        "prometheus",
        &["--config.file=FOLDER/prometheus.yml", "--storage.tsdb.path=FOLDER/data", "--web.listen-address=ADDRESS"],
        "/-/ready",
        &[("prometheus.yml", &config), ("rules.yml", &text("ci/prometheus/rules.yml"))],
    );
    let has = |expression: &str| query(&prometheus, expression).unwrap();

    // Over /metrics, with the names of the probe files as labels.
    let usual = until("both are scraped from /metrics", || {
        Some(has("probe_success{job=\"mcp-probe\"}")).filter(|series| series.len() == 2)
    });
    let value = |series: &[(Value, String)], target: &str| {
        let one = series.iter().find(|(labels, _)| labels["target"] == target).unwrap();
        assert_eq!(one.0["probe"], "smoke");
        one.1.clone()
    };
    assert_eq!((value(&usual, "weather").as_str(), value(&usual, "files").as_str()), ("1", "0"));
    // Over /probe, with the same labels, and the target as the instance.
    let demanded = until("both are probed by Prometheus", || {
        Some(has("probe_success{job=\"mcp-probe-targets\"}")).filter(|series| series.len() == 2)
    });
    assert_eq!((value(&demanded, "weather").as_str(), value(&demanded, "files").as_str()), ("1", "0"));
    assert!(demanded.iter().all(|(labels, _)| labels["instance"] == labels["target"]), "{demanded:?}");
    until("every scrape went well", || has("up == 0").is_empty().then_some(()));

    let (_, body) = get(&format!("{}/api/v1/rules", prometheus.url()));
    let known: Value = serde_json::from_str(&body).unwrap();
    let groups = known["data"]["groups"].as_array().unwrap();
    assert_eq!(groups.iter().flat_map(|group| group["rules"].as_array().unwrap()).count(), rules().len());

    // No server here has TLS, and nothing is too busy.
    let empty = ["First certificate ends", "Certificates and protocol"];
    for (title, expression) in asked() {
        let expression = filled(&expression);
        let shown = || query(&prometheus, &expression).map(|series| !series.is_empty());
        if empty.contains(&title.as_str()) && expression.contains("cert_expiry") {
            assert!(!shown().unwrap(), "{title} has something to show: take it out of this list");
        } else {
            until(&format!("{title} shows something: {expression}"), || shown().unwrap().then_some(()));
        }
    }
    let alerts = has("max by (alert) (mcp_probe_alert_firing{target=\"files\"})");
    assert_eq!(alerts[0].1, "1", "{alerts:?}");
    assert!(query(&prometheus, "sum(probe_success").is_err(), "Prometheus refuses what it cannot parse");
}

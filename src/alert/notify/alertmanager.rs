//! `kind = "alertmanager"`: Alertmanager's API v2. An alert is known by its labels, so these come from the files and
//! from closed sets only; what a server says stands in annotations.
//!
//! Two probers that watch the same say the same labels, and Alertmanager takes them for one voice; who spoke last stands in
//! the annotation `instance`.
//!
//! Alertmanager ends an alert at its `endsAt`, where there is none after `resolve_timeout`. What ends an alert is our
//! message alone, so one that goes on is given an end a day ahead, and is told again and again: Alertmanager forgets its
//! alerts when it is restarted, and takes one for ended when another prober says so that no longer sees it.

use std::collections::BTreeMap;
use std::time::Duration;

use jiff::{SignedDuration, Timestamp};
use serde_json::{Value, json};

use super::{Message, Notifier, Settings, TIMEOUT, parsed_url};
use crate::alert::{AlertView, Receiver, Transition};
use crate::base::secret::Secret;
use crate::deliver::{Accept, HttpPayload, Payload, Retry};
use crate::metrics::labels::is_name;

/// Where alerts go, below the address in the file.
const PATH: &str = "/api/v2/alerts";
/// How far ahead the end of an alert is that goes on.
const AHEAD: SignedDuration = SignedDuration::from_hours(24);
/// How often it is told of alerts that go on, unless `repeat` says otherwise. So long at most stands an end that another
/// prober told too early: much less than the usual `group_interval`.
const REPEAT: Duration = Duration::from_secs(20);
/// A test ends by itself.
const TEST: SignedDuration = SignedDuration::from_mins(1);

struct Alertmanager {
    url: Secret,
    headers: Vec<(String, Secret)>,
    labels: BTreeMap<String, String>,
    repeat: Duration,
    timeout: Duration,
}

/// Reads its settings.
pub(super) fn compile(settings: &Settings) -> Result<Box<dyn Notifier>, String> {
    let mut url = parsed_url(settings.needed("url")?, "url")?;
    let path = url.path().trim_end_matches('/').to_owned();
    if !path.ends_with(PATH) {
        url.set_path(&format!("{path}{PATH}"));
    }
    let mut labels = BTreeMap::new();
    for (name, value) in settings.table("labels") {
        if !is_name(name) {
            return Err(format!("`labels`: {name:?} is no name of a label: letters, digits and `_`"));
        }
        labels.insert(name.clone(), value.reveal().to_owned());
    }
    Ok(Box::new(Alertmanager {
        url: Secret::new(url.as_str()),
        headers: settings.headers(&[("Content-Type", "application/json")])?,
        labels,
        repeat: settings.time("repeat").unwrap_or(REPEAT),
        timeout: settings.timeout(TIMEOUT),
    }))
}

impl Notifier for Alertmanager {
    fn render(&self, message: &Message) -> Result<Vec<Payload>, String> {
        let alerts: Vec<Value> = message.notification().alerts.iter().map(|view| self.alert(message, view)).collect();
        Ok(vec![Payload::Http(HttpPayload {
            method: "POST",
            url: self.url.clone(),
            headers: self.headers.clone(),
            body: Value::from(alerts).to_string().into_bytes(),
            accept: Accept::Status,
            retry: Retry::Usual,
            tls: None,
            timeout: self.timeout,
        })])
    }

    /// The address is no part of it: several lead to one cluster, and the next repeat tells another one.
    fn receiver(&self) -> Receiver {
        Receiver::of_labels(self.labels.clone())
    }

    fn repeat_every(&self) -> Option<Duration> {
        Some(self.repeat)
    }
}

impl Alertmanager {
    fn alert(&self, message: &Message, view: &AlertView) -> Value {
        let told = message.notification();
        let mut labels: BTreeMap<&str, &str> = BTreeMap::new();
        // Later ones win: the alert's own names are nobody's to change.
        let own = told.before.as_ref().map_or(&self.labels, |before| &before.labels);
        let of_target = view.labels.iter().chain(own).filter(|(name, _)| is_name(name));
        labels.extend(of_target.map(|(name, value)| (name.as_str(), value.as_str())));
        labels.extend([
            ("alertname", view.alert.as_str()),
            ("probe", &view.probe),
            ("target", &view.target),
            ("severity", &view.severity),
            // What is of the prober as a whole is nobody else's.
            ("instance", if view.target.is_empty() { &told.instance } else { "" }),
        ]);
        labels.retain(|_, value| !value.is_empty());
        let mut annotations =
            json!({ "summary": view.summary, "transition": told.transition.name(), "instance": told.instance });
        for (name, text) in [("reason", &view.reason), ("description", &view.details), ("ended", &view.ended_because)] {
            if let Some(text) = text {
                annotations[name] = text.as_str().into();
            }
        }
        json!({
            "labels": labels,
            "annotations": annotations,
            "startsAt": view.since,
            "endsAt": end(view, told.transition, told.at),
        })
    }
}

/// An end that is not after the beginning is refused.
fn end(view: &AlertView, transition: Transition, at: Timestamp) -> Timestamp {
    let end = match (view.ended, transition) {
        (Some(ended), _) => ended,
        (None, Transition::Resolved) => at,
        (None, Transition::Test) => at.checked_add(TEST).unwrap_or(at),
        (None, _) => at.checked_add(AHEAD).unwrap_or(at),
    };
    end.max(view.since.checked_add(SignedDuration::from_millis(1)).unwrap_or(view.since))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::alert::notify::tests::{hostile, notification, settings};
    use crate::base::secret::Masker;

    fn rendered(notification: &crate::alert::Notification) -> Value {
        let made = compile(&settings(&[("url", "http://am.example:9093/am/")])).unwrap();
        let payloads = made.render(&Message::of(notification, false, &Masker::default())).unwrap();
        let [Payload::Http(http)] = payloads.as_slice() else { panic!("{payloads:?}") };
        assert_eq!(http.url.reveal(), "http://am.example:9093/am/api/v2/alerts");
        serde_json::from_slice(&http.body).unwrap()
    }

    #[test]
    fn an_alert_keeps_its_labels_from_its_beginning_to_its_end() {
        let (fired, resolved) =
            (rendered(&notification(Transition::Firing)), rendered(&notification(Transition::Resolved)));
        assert_eq!(fired[0]["labels"], resolved[0]["labels"]);
        assert_eq!(fired[0]["startsAt"], resolved[0]["startsAt"]);
        assert_eq!(fired[0]["labels"]["alertname"], "mcp_error_rate_spike");
        assert_eq!(fired[0]["endsAt"], "2026-01-16T09:32:45Z");
        assert_eq!(resolved[0]["endsAt"], "2026-01-15T09:40:00Z");
    }

    #[test]
    fn an_end_is_after_its_beginning() {
        let mut told = notification(Transition::Resolved);
        told.alerts[0].ended = Some(told.alerts[0].since);
        assert_ne!(rendered(&told)[0]["endsAt"], rendered(&told)[0]["startsAt"]);
    }

    #[test]
    fn a_servers_words_are_no_label() {
        let mut told = hostile();
        told.alerts[0].labels.insert("alertname".into(), "other".into());
        told.alerts[0].labels.insert("not-a-label".into(), "x".into());
        let alert = &rendered(&told)[0];
        assert!(!alert["labels"].to_string().contains("evil"), "{alert}");
        assert!(alert["annotations"]["description"].as_str().unwrap().contains("evil"), "{alert}");
        assert_eq!(alert["labels"]["alertname"], "mcp_error_rate_spike");
        assert!(alert["labels"].get("not-a-label").is_none());
    }
}

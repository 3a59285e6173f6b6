//! `kind = "pagerduty"`: the Events API v2. One incident per key: firing opens it, the end resolves it.
//!
//! Limits of <https://developer.pagerduty.com/docs/events-api-v2>: a summary of 1024 characters, a key of 255, an event
//! of 512 KiB.

use std::time::Duration;

use serde_json::{Value, json};

use super::message::{lines, place};
use super::{Message, Notifier, Settings, TIMEOUT, parsed_url};
use crate::alert::{Receiver, Transition};
use crate::base::sanitize;
use crate::base::secret::Secret;
use crate::deliver::{Accept, HttpPayload, Payload, Retry};

/// PagerDuty's own address.
const URL: &str = "https://events.pagerduty.com/v2/enqueue";
/// Characters of a summary.
const SUMMARY_CHARS_MAX: usize = 1024;
/// Characters of a key.
const KEY_CHARS_MAX: usize = 255;
/// Alerts of a group that stand in the details.
const ALERTS_MAX: usize = 50;

struct PagerDuty {
    url: Secret,
    routing_key: Secret,
    timeout: Duration,
}

/// Reads its settings.
pub(super) fn compile(settings: &Settings) -> Result<Box<dyn Notifier>, String> {
    let url = settings.text("url").cloned().unwrap_or_else(|| Secret::new(URL));
    parsed_url(&url, "url")?;
    Ok(Box::new(PagerDuty {
        url,
        routing_key: settings.needed("routing_key")?.clone(),
        timeout: settings.timeout(TIMEOUT),
    }))
}

impl Notifier for PagerDuty {
    fn render(&self, message: &Message) -> Result<Vec<Payload>, String> {
        Ok(match message.notification().transition {
            Transition::Resolved => vec![self.payload(&resolve(message))],
            // A test leaves nothing open.
            Transition::Test => vec![self.payload(&trigger(message)), self.payload(&resolve(message))],
            _ => vec![self.payload(&trigger(message))],
        })
    }

    /// The key says whose incidents these are. The address does not: a proxy leads to the same ones.
    fn receiver(&self) -> Receiver {
        Receiver::of_key(self.routing_key.reveal())
    }
}

impl PagerDuty {
    fn payload(&self, event: &Value) -> Payload {
        let mut event = event.clone();
        event["routing_key"] = self.routing_key.reveal().into();
        Payload::Http(HttpPayload {
            method: "POST",
            url: self.url.clone(),
            headers: vec![
                ("Content-Type".to_owned(), Secret::new("application/json")),
                ("X-Routing-Key".to_owned(), self.routing_key.clone()),
            ],
            body: event.to_string().into_bytes(),
            accept: Accept::Json("status", "success"),
            retry: Retry::Usual,
            tls: None,
            timeout: self.timeout,
        })
    }
}

fn resolve(message: &Message) -> Value {
    json!({ "event_action": "resolve", "dedup_key": key(message) })
}

fn key(message: &Message) -> String {
    sanitize::cut(&message.notification().dedup_key, KEY_CHARS_MAX)
}

fn trigger(message: &Message) -> Value {
    let told = message.notification();
    let first = told.alerts.first();
    let summary = match first {
        Some(view) if told.alerts.len() == 1 => format!("{}: {}", message.title(), view.summary),
        _ => message.title(),
    };
    let alerts: Vec<Value> = told.alerts.iter().take(ALERTS_MAX).map(|view| lines(view).into()).collect();
    let source = first.map(place).filter(|place| !place.is_empty()).unwrap_or_else(|| told.instance.clone());
    let mut payload = json!({
        "summary": sanitize::cut(&summary, SUMMARY_CHARS_MAX),
        "source": source,
        "severity": severity(message.severity()),
        "timestamp": first.map_or(told.at, |view| view.since),
        "custom_details": { "alerts": alerts, "transition": told.transition.name(), "instance": told.instance },
    });
    if let Some(view) = first {
        for (name, value) in [("component", &view.target), ("group", &view.probe), ("class", &view.alert)] {
            if !value.is_empty() {
                payload[name] = value.as_str().into();
            }
        }
    }
    json!({
        "event_action": "trigger",
        "dedup_key": key(message),
        "client": "mcp-probe",
        "payload": payload,
    })
}

/// The four words that PagerDuty knows are ours, too; anything else would be refused.
fn severity(word: &str) -> &str {
    match word {
        "critical" | "error" | "warning" | "info" => word,
        _ => "error",
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::alert::notify::tests::{hostile, notification};
    use crate::base::secret::Masker;

    fn rendered(notification: &crate::alert::Notification) -> Vec<Value> {
        let pagerduty = PagerDuty { url: Secret::new(URL), routing_key: Secret::new("key"), timeout: TIMEOUT };
        let payloads = pagerduty.render(&Message::of(notification, false, &Masker::default())).unwrap();
        payloads
            .iter()
            .map(|payload| match payload {
                Payload::Http(http) => serde_json::from_slice(&http.body).unwrap(),
                other => panic!("{other:?}"),
            })
            .collect()
    }

    #[test]
    fn one_incident_is_opened_and_resolved() {
        let opened = rendered(&notification(Transition::Firing));
        assert_eq!(opened[0]["event_action"], "trigger");
        assert_eq!(opened[0]["routing_key"], "key");
        assert_eq!(opened[0]["payload"]["severity"], "error");
        assert_eq!(opened[0]["payload"]["source"], "smoke on weather");
        let closed = rendered(&notification(Transition::Resolved));
        assert_eq!(closed[0]["event_action"], "resolve");
        assert_eq!(closed[0]["dedup_key"], opened[0]["dedup_key"]);
        let tested: Vec<Value> =
            rendered(&notification(Transition::Test)).iter().map(|event| event["event_action"].clone()).collect();
        assert_eq!(tested, ["trigger", "resolve"]);
    }

    #[test]
    fn limits_hold() {
        let mut told = hostile();
        told.dedup_key = "k".repeat(400);
        told.alerts[0].summary = "s".repeat(5000);
        let alone = &rendered(&told)[0];
        assert!(alone["payload"]["summary"].as_str().unwrap().chars().count() <= SUMMARY_CHARS_MAX);
        assert!(alone["dedup_key"].as_str().unwrap().chars().count() <= KEY_CHARS_MAX);
        told.alerts = vec![told.alerts[0].clone(); 200];
        assert!(rendered(&told)[0].to_string().len() < 512 * 1024);
    }
}

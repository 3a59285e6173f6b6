//! `kind = "webhook"`: a request with the notification as JSON, or with a body of the user's own making.

use std::time::Duration;

use super::{Message, Notifier, Settings, TIMEOUT, parsed_url};
use crate::alert::{AlertView, Notification, Transition};
use crate::base::secret::{Masker, Secret};
use crate::config::body::Body;
use crate::deliver::{Accept, HttpPayload, Payload, Retry};

struct Webhook {
    url: Secret,
    headers: Vec<(String, Secret)>,
    template: Option<Body>,
    timeout: Duration,
}

/// Reads its settings.
pub(super) fn compile(settings: &Settings) -> Result<Box<dyn Notifier>, String> {
    let url = settings.needed("url")?;
    parsed_url(url, "url")?;
    Ok(Box::new(Webhook {
        url: url.clone(),
        headers: settings.headers(&[("Content-Type", "application/json")])?,
        template: settings.text("body").map(|text| compiled(text.reveal())).transpose()?,
        timeout: settings.timeout(TIMEOUT),
    }))
}

impl Notifier for Webhook {
    fn render(&self, message: &Message) -> Result<Vec<Payload>, String> {
        let document = message.document();
        let body = match &self.template {
            None => document.to_string(),
            Some(template) => template.fill(&document)?,
        };
        Ok(vec![Payload::Http(HttpPayload {
            method: "POST",
            url: self.url.clone(),
            headers: self.headers.clone(),
            body: body.into_bytes(),
            accept: Accept::Status,
            retry: Retry::Usual,
            tls: None,
            timeout: self.timeout,
        })])
    }
}

/// Whether a template of a body can be used: it is filled in with notifications of every kind, so that a name that
/// does not exist shows before anything is told.
///
/// # Errors
/// A sentence with the line of the template.
pub fn check_template(text: &str) -> Result<(), String> {
    compiled(text).map(drop)
}

fn compiled(text: &str) -> Result<Body, String> {
    Body::compile(text, samples().iter().map(Message::document))
}

/// One with everything, one with as little as there can be, each as everything that can be told.
fn samples() -> Vec<Message> {
    const ALL: [Transition; 7] = [
        Transition::Firing,
        Transition::Reminder,
        Transition::Resolved,
        Transition::Flapping,
        Transition::Restart,
        Transition::Escalated,
        Transition::Test,
    ];
    let at = jiff::Timestamp::UNIX_EPOCH;
    let bare = AlertView {
        alert: "mcp_error_rate_spike".to_owned(),
        probe: String::new(),
        target: String::new(),
        severity: "error".to_owned(),
        labels: std::collections::BTreeMap::new(),
        summary: "5 of 20 runs failed".to_owned(),
        reason: None,
        details: None,
        since: at,
        ended: None,
        ended_because: None,
        told: 1,
    };
    let full = AlertView {
        probe: "smoke".to_owned(),
        target: "weather".to_owned(),
        reason: Some("timeout".to_owned()),
        details: Some("no answer within 5s".to_owned()),
        ended: Some(at),
        ended_because: Some("rule removed".to_owned()),
        ..bare.clone()
    };
    let made = |transition: Transition, view: &AlertView| {
        let notification = Notification {
            channel: "ops".to_owned(),
            dedup_key: "0123456789abcdef".to_owned(),
            transition,
            alerts: vec![view.clone()],
            at,
            instance: "prober".to_owned(),
            before: None,
            others: 0,
        };
        Message::of(&notification, false, &Masker::default())
    };
    ALL.iter().flat_map(|transition| [made(*transition, &bare), made(*transition, &full)]).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn mistakes_of_a_template_show_before_anything_is_told() {
        let good = r#"{"text": {{ title | tojson }}, "severity": {{ alerts[0].severity | tojson }}{% if alerts[0].reason %}, "reason": {{ alerts[0].reason | tojson }}{% endif %}}"#;
        assert_eq!(check_template(good), Ok(()));
        assert_eq!(check_template("plain {$ text"), Ok(()));
        for (text, words) in [
            ("{{ title", "in line 1"),
            ("a\n{{ titel }}", "undefined value in line 2"),
            ("{{ alerts[0].nothing.more }}", "undefined value"),
            ("{{ title | shout }}", "unknown filter"),
            ("{% include 'other' %}", "template not found"),
        ] {
            let told = check_template(text).unwrap_err();
            assert!(told.starts_with("`body` is no usable template") && told.contains(words), "{text}: {told}");
        }
    }

    #[test]
    fn what_a_server_said_cannot_leave_its_string() {
        let template = compiled(r#"{"text": {{ alerts[0].summary | tojson }}}"#).unwrap();
        let mut document = samples()[0].document();
        document["alerts"][0]["summary"] = "\"}, \"evil\": {{ title }} \u{1b}".into();
        let body: serde_json::Value = serde_json::from_str(&template.fill(&document).unwrap()).unwrap();
        assert_eq!(body["text"], document["alerts"][0]["summary"]);
        assert_eq!(body.as_object().unwrap().len(), 1);
    }
}

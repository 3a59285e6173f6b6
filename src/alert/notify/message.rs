//! What every kind of notifier renders: a notification whose texts are safe to show. Only what went through here
//! reaches a rendering, so that no kind can forget to make a server's words safe.

use serde_json::{Value, json};

use crate::alert::{AlertView, Notification, Transition};
use crate::base::sanitize;
use crate::base::secret::Masker;

/// The version of the document that receivers get.
pub const SCHEMA: &str = "mcp-probe/notification/1";

/// Alerts of a group that one message lists.
const ALERTS_MAX: usize = 100;
/// Characters of a summary.
const SUMMARY_CHARS_MAX: usize = 500;
/// Characters of a failure's sentence.
const DETAILS_CHARS_MAX: usize = 1000;
/// Characters of a name or a label.
const NAME_CHARS_MAX: usize = 200;

/// A notification, safe to show: secrets are masked, control characters visible, every text bounded.
#[derive(Clone, Debug)]
pub struct Message {
    notification: Notification,
    total: usize,
    collapsed: bool,
}

impl Message {
    /// Makes a notification safe. `collapsed` says that its beginning was never told: the end tells both.
    #[must_use]
    pub fn of(notification: &Notification, collapsed: bool, masker: &Masker) -> Self {
        let line = |text: &str, max| sanitize::one_line(&masker.mask(text), max);
        let name = |text: &str| line(text, NAME_CHARS_MAX);
        let view = |view: &AlertView| AlertView {
            alert: name(&view.alert),
            probe: name(&view.probe),
            target: name(&view.target),
            severity: name(&view.severity),
            labels: view.labels.iter().map(|(key, value)| (name(key), name(value))).collect(),
            summary: line(&view.summary, SUMMARY_CHARS_MAX),
            reason: view.reason.as_deref().map(name),
            details: view.details.as_deref().map(|details| line(details, DETAILS_CHARS_MAX)),
            ended_because: view.ended_because.as_deref().map(name),
            ..view.clone()
        };
        let safe = Notification {
            channel: name(&notification.channel),
            dedup_key: name(&notification.dedup_key),
            transition: notification.transition,
            alerts: notification.alerts.iter().take(ALERTS_MAX).map(view).collect(),
            at: notification.at,
            instance: name(&notification.instance),
            before: notification.before.clone(),
            others: notification.others,
        };
        Self { notification: safe, total: notification.alerts.len(), collapsed }
    }

    /// The notification, safe to show. Of a large group, the first alerts.
    #[must_use]
    pub fn notification(&self) -> &Notification {
        &self.notification
    }

    /// Whether nothing of it goes on.
    #[must_use]
    pub fn is_over(&self) -> bool {
        self.notification.transition == Transition::Resolved
    }

    /// `firing`, `resolved` or `test`: all that most receivers know.
    #[must_use]
    pub fn status(&self) -> &'static str {
        match self.notification.transition {
            Transition::Resolved => "resolved",
            Transition::Test => "test",
            _ => "firing",
        }
    }

    /// What happened, in a word or three.
    #[must_use]
    pub fn mark(&self) -> &'static str {
        match self.notification.transition {
            Transition::Resolved if self.collapsed => "fired and resolved",
            Transition::Reminder => "still firing",
            other => other.name(),
        }
    }

    /// One line: `[firing] mcp_error_rate_spike: smoke on weather`.
    #[must_use]
    pub fn title(&self) -> String {
        let mark = self.mark();
        match self.notification.alerts.as_slice() {
            [] => format!("[{mark}] mcp-probe on {}", self.notification.instance),
            [one] if self.total == 1 => {
                let place = place(one);
                let separator = if place.is_empty() { "" } else { ": " };
                format!("[{mark}] {}{separator}{place}", one.alert)
            }
            [first, rest @ ..] => {
                let same = rest.iter().all(|view| view.alert == first.alert);
                let name = if same { first.alert.as_str() } else { "mcp-probe" };
                format!("[{mark}] {name}: {} alerts", self.total)
            }
        }
    }

    /// The most urgent severity of its alerts.
    #[must_use]
    pub fn severity(&self) -> &str {
        let rank = |word: &str| crate::alert::Urgency::WORDS.iter().position(|(have, _)| *have == word);
        let words = self.notification.alerts.iter().map(|view| view.severity.as_str());
        words.max_by_key(|word| rank(word)).unwrap_or("error")
    }

    /// How many alerts are not listed.
    #[must_use]
    pub fn unlisted(&self) -> usize {
        self.total - self.notification.alerts.len()
    }

    /// Everything as lines of text, for people.
    #[must_use]
    pub fn text(&self) -> String {
        let mut text = String::new();
        for view in &self.notification.alerts {
            for line in lines(view) {
                text.push_str(&line);
                text.push('\n');
            }
            text.push('\n');
        }
        if self.unlisted() > 0 {
            text.push_str(&format!("and {} more\n\n", self.unlisted()));
        }
        text.push_str(&format!("told by mcp-probe on {} at {}\n", self.notification.instance, self.notification.at));
        text
    }

    /// Everything as JSON.
    #[must_use]
    pub fn document(&self) -> Value {
        let told = &self.notification;
        let mut document = json!({
            "schema": SCHEMA,
            "transition": told.transition.name(),
            "status": self.status(),
            "title": self.title(),
            "channel": told.channel,
            "dedup_key": told.dedup_key,
            "instance": told.instance,
            "at": told.at,
            "fired_and_resolved": self.collapsed,
            "alerts_total": self.total,
        });
        document["alerts"] = told.alerts.iter().map(|view| json!(view)).collect();
        document
    }
}

/// `smoke on weather`; empty for an alert of the prober as a whole.
pub(super) fn place(view: &AlertView) -> String {
    match (view.probe.as_str(), view.target.as_str()) {
        ("", target) => target.to_owned(),
        (probe, "") => probe.to_owned(),
        (probe, target) => format!("{probe} on {target}"),
    }
}

/// An alert as lines.
pub(super) fn lines(view: &AlertView) -> Vec<String> {
    let place = place(view);
    let head = if place.is_empty() { view.alert.clone() } else { format!("{}: {place}", view.alert) };
    let mut lines = vec![head, view.summary.clone()];
    let details = view.details.as_deref().filter(|details| !details.is_empty());
    match (&view.reason, details) {
        (Some(reason), Some(details)) => lines.push(format!("last failure: {reason}: {details}")),
        (Some(reason), None) => lines.push(format!("last failure: {reason}")),
        (None, Some(details)) => lines.push(format!("last failure: {details}")),
        (None, None) => {}
    }
    lines.push(span(view));
    if !view.labels.is_empty() {
        let labels: Vec<String> = view.labels.iter().map(|(name, value)| format!("{name}={value}")).collect();
        lines.push(format!("labels: {}", labels.join(", ")));
    }
    lines.retain(|line| !line.is_empty());
    lines
}

/// `severity error, since …, told 2 times`.
pub(super) fn span(view: &AlertView) -> String {
    let mut text = format!("severity {}, since {}", view.severity, view.since);
    if let Some(ended) = view.ended {
        text.push_str(&format!(", ended {ended}"));
    }
    if let Some(why) = &view.ended_because {
        text.push_str(&format!(" ({why})"));
    }
    if view.told > 1 && view.ended.is_none() {
        text.push_str(&format!(", told {} times", view.told));
    }
    text
}

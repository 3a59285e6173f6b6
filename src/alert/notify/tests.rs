//! What holds for every kind of notifier, and the notifications that their own tests use.

use std::collections::{BTreeMap, BTreeSet};

use super::*;
use crate::alert::{AlertView, Notification, Transition};
use crate::base::secret::Masker;
use crate::base::secret::Secret;
use crate::config::receiver::Filled;

/// Settings of texts.
pub(super) fn settings(texts: &[(&'static str, &str)]) -> Settings {
    Settings::new(texts.iter().map(|(key, text)| (*key, Filled::Text(Secret::new(*text)))).collect())
}

/// The same with a list.
pub(super) fn listed(settings: Settings, key: &'static str, texts: &[&str]) -> Settings {
    let mut all = settings.0;
    all.insert(key, Filled::Texts(texts.iter().map(|text| Secret::new(*text)).collect()));
    Settings(all)
}

/// An alert of one probe on one target.
pub(super) fn notification(transition: Transition) -> Notification {
    let ended = (transition == Transition::Resolved).then(|| "2026-01-15T09:40:00Z".parse().unwrap());
    Notification {
        channel: "ops".into(),
        dedup_key: "0123456789abcdef".into(),
        transition,
        alerts: vec![AlertView {
            alert: "mcp_error_rate_spike".into(),
            probe: "smoke".into(),
            target: "weather".into(),
            severity: "error".into(),
            labels: BTreeMap::from([("env".to_owned(), "prod".to_owned())]),
            summary: "25 % of 20 runs failed within 5m".into(),
            reason: Some("timeout".into()),
            details: Some("no answer within 5s".into()),
            since: "2026-01-15T09:30:00Z".parse().unwrap(),
            ended,
            ended_because: None,
            told: 1,
        }],
        at: "2026-01-15T09:32:45Z".parse().unwrap(),
        instance: "prober-1".into(),
        before: None,
        others: 0,
    }
}

/// The same with the words of a server that means no good.
pub(super) fn hostile() -> Notification {
    let evil = "evil \u{1b}[31m<!channel> <http://evil.example|click> \"}\r\nBcc: x@evil.example\r\n`rm` {{ 7*7 }} \u{202e}canary";
    let mut told = notification(Transition::Firing);
    told.alerts[0].summary = evil.into();
    told.alerts[0].details = Some(evil.repeat(200));
    told
}

/// Settings with which each kind can be made.
fn complete() -> Settings {
    let texts = settings(&[
        ("url", "https://receiver.example/path"),
        ("routing_key", "key"),
        ("smtp", "smtp://127.0.0.1:25"),
        ("from", "probe@example.com"),
    ]);
    listed(listed(texts, "to", &["a@example.com"]), "command", &["true"])
}

#[test]
fn every_kind_of_the_table_is_rendered_and_no_other() {
    let keys: BTreeSet<&str> = keys::KINDS.iter().map(|kind| kind.name).collect();
    let rendered: BTreeSet<&str> = RENDERINGS.iter().map(|(kind, _)| *kind).collect();
    assert_eq!(keys, rendered);
    assert!(compile("pigeon", "ops", &complete()).is_err());
}

#[test]
fn what_a_kind_cannot_do_without_is_missed() {
    for kind in keys::KINDS {
        let told = compile(kind.name, "ops", &Settings::default()).map(drop).unwrap_err();
        assert!(told.starts_with("`notify.ops`: "), "{}: {told}", kind.name);
    }
}

#[test]
fn no_kind_lets_through_what_a_server_should_not_say() {
    let masker = Masker::default();
    masker.add("canary");
    for kind in keys::KINDS {
        let channel = compile(kind.name, "ops", &complete()).unwrap();
        for transition in [Transition::Firing, Transition::Test, Transition::Resolved] {
            let told = Notification { transition, ..hostile() };
            let payloads = channel.render(&told, false, &masker).unwrap();
            assert!(!payloads.is_empty());
            for payload in payloads {
                for text in texts(&payload) {
                    let loose = text.chars().find(|c| crate::base::sanitize::is_unsafe(*c) && *c != '\n');
                    assert_eq!(loose, None, "{}: {text}", kind.name);
                    assert!(!text.contains("canary"), "{}: {text}", kind.name);
                    assert!(text.len() < 20_000, "{}: {} bytes", kind.name, text.len());
                }
            }
        }
    }
}

/// Everything that leaves, as a person sees it.
fn texts(payload: &Payload) -> Vec<String> {
    let unescaped = |body: &[u8]| {
        let text = String::from_utf8(body.to_vec()).unwrap();
        let mut texts = vec![text.clone()];
        if let Ok(json) = serde_json::from_str::<serde_json::Value>(&text) {
            strings(&json, &mut texts);
        }
        texts
    };
    match payload {
        Payload::Http(http) => unescaped(&http.body),
        Payload::Grpc(call) => unescaped(&call.message),
        Payload::Mail(mail) => vec![mail.subject.clone(), mail.text.clone()],
        Payload::Command(command) => {
            let mut texts = unescaped(&command.stdin);
            texts.extend(command.env.iter().map(|(_, value)| value.clone()));
            texts
        }
        Payload::Datagrams(_) | Payload::File(_) => panic!("no notifier sends {payload:?}"),
    }
}

fn strings(json: &serde_json::Value, texts: &mut Vec<String>) {
    match json {
        serde_json::Value::String(text) => texts.push(text.clone()),
        serde_json::Value::Array(items) => items.iter().for_each(|item| strings(item, texts)),
        serde_json::Value::Object(map) => map.values().for_each(|item| strings(item, texts)),
        _ => {}
    }
}

#[test]
fn a_title_says_what_happened_to_whom() {
    let title = |told: &Notification, collapsed| Message::of(told, collapsed, &Masker::default()).title();
    assert_eq!(title(&notification(Transition::Firing), false), "[firing] mcp_error_rate_spike: smoke on weather");
    assert_eq!(
        title(&notification(Transition::Resolved), true),
        "[fired and resolved] mcp_error_rate_spike: smoke on weather"
    );
    let mut group = notification(Transition::Reminder);
    group.alerts.push(AlertView { target: "files".into(), ..group.alerts[0].clone() });
    assert_eq!(title(&group, false), "[still firing] mcp_error_rate_spike: 2 alerts");
    group.alerts[1].alert = "other".into();
    assert_eq!(title(&group, false), "[still firing] mcp-probe: 2 alerts");
    let mut alone = notification(Transition::Firing);
    (alone.alerts[0].probe, alone.alerts[0].target) = (String::new(), String::new());
    assert_eq!(title(&alone, false), "[firing] mcp_error_rate_spike");
}

#[test]
fn headers_of_the_file_replace_our_own_and_are_looked_at() {
    let table = |name: &str, value: &str| vec![(name.to_owned(), Secret::new(value))];
    let mut all = complete().0;
    all.insert("headers", Filled::Table(table("content-type", "text/plain")));
    all.insert("auth", Filled::Table(table("bearer", "token")));
    let headers = Settings(all.clone()).headers(&[("Content-Type", "application/json")]).unwrap();
    let plain: Vec<(&str, &str)> = headers.iter().map(|(name, value)| (name.as_str(), value.reveal())).collect();
    assert_eq!(plain, [("content-type", "text/plain"), ("Authorization", "Bearer token")]);
    all.insert("headers", Filled::Table(table("X-Key", "canary\r\nX-Evil: 1")));
    let told = Settings(all).headers(&[]).unwrap_err();
    assert!(told.contains("X-Key") && !told.contains("canary"), "{told}");
}

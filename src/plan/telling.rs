//! What `watch` does with results: alerts, notifiers, pushes and the log. Read and checked with the files, carried
//! out by `watch` alone; kinds of notifiers and pushes check their own settings where they are built.

use std::time::Duration;

use crate::config::{Diag, Field, Node, Place, Section, Value};

/// One `[[alert]]`.
#[derive(Clone, Debug)]
pub struct AlertDraft {
    /// Its name.
    pub name: String,
    /// Where its name stands.
    pub place: Place,
    /// The notifiers it tells, with the places of their names.
    pub notify: Vec<(String, Place)>,
    /// Names of probes it looks at; empty for all.
    pub probes: Vec<(String, Place)>,
    /// Names of targets it looks at; empty for all.
    pub targets: Vec<(String, Place)>,
}

/// One `[notify.NAME]` or `[[push]]`.
#[derive(Clone, Debug)]
pub struct ReceiverDraft {
    /// The name of a notifier; of a push its kind.
    pub name: String,
    /// Where it stands.
    pub place: Place,
    /// Its kind.
    pub kind: String,
    /// All its settings.
    pub settings: Node,
}

/// Everything of the files that concerns telling.
#[derive(Clone, Debug, Default)]
pub struct Telling {
    /// The alerts.
    pub alerts: Vec<AlertDraft>,
    /// The notifiers.
    pub notifiers: Vec<ReceiverDraft>,
    /// The pushes.
    pub pushes: Vec<ReceiverDraft>,
}

impl Telling {
    /// Variables read by notifiers and pushes: secrets, all of them.
    #[must_use]
    pub fn secret_variables(&self) -> Vec<String> {
        let mut names = Vec::new();
        for receiver in self.notifiers.iter().chain(&self.pushes) {
            variables(&receiver.settings, &mut names);
        }
        names
    }
}

fn variables(node: &Node, names: &mut Vec<String>) {
    match &node.value {
        Value::Text(text) => names.extend(text.variables().map(ToOwned::to_owned)),
        Value::Array(items) => items.iter().for_each(|item| variables(item, names)),
        Value::Table(table) => table.entries.iter().for_each(|(_, item)| variables(item, names)),
        _ => {}
    }
}

/// Reads one `[[alert]]`.
#[must_use]
pub fn alert(section: Section<'_>) -> Option<AlertDraft> {
    const CONDITIONS: [&str; 3] = ["error_rate", "latency", "consecutive_failures"];
    let names = |key| section.field(key).and_then(|field| field.one_or_more()).unwrap_or_default();
    let owned = |names: Vec<(String, &Place)>| names.into_iter().map(|(name, place)| (name, place.clone())).collect();
    let name = section.string("name");
    if !section.has("name") {
        section.wrong("", "this alert has no `name`").help("write `name = \"too_many_errors\"`");
    }
    let given = CONDITIONS.into_iter().filter(|key| section.has(key)).count();
    if given != 1 {
        section
            .wrong("", if given == 0 { "this alert has no condition" } else { "this alert has several conditions" })
            .help("write one of `error_rate = \"> 5%\"`, `latency = \"p95 > 2s\"`, `consecutive_failures = 3`");
    }
    if let Some(field) = section.field("error_rate") {
        check(field, error_rate, "write `error_rate = \"> 5%\"`");
    }
    if let Some(field) = section.field("latency") {
        check(field, latency, "write `latency = \"p95 > 2000ms\"`");
    }
    if section.count("consecutive_failures") == Some(0) {
        section.wrong("consecutive_failures", "`consecutive_failures` must be at least 1");
    }
    let _: [Option<Duration>; 3] = ["window", "within", "for"].map(|key| section.duration(key));
    let _: [Option<bool>; 2] = ["restart", "resolved"].map(|key| section.bool(key));
    let _ = (section.count("min_samples"), section.string("severity"), section.section("labels"));
    let draft = AlertDraft {
        name: name.unwrap_or_default(),
        place: section.key_place("name"),
        notify: owned(names("notify")),
        probes: owned(names("probe")),
        targets: owned(names("target")),
    };
    section.finish();
    (!draft.name.is_empty()).then_some(draft)
}

fn check(field: Field<'_>, parse: fn(&str) -> Option<()>, help: &str) {
    if let Some(text) = field.string()
        && parse(&text).is_none()
    {
        field.wrong(format!("{text:?} is no condition of `{}`", field.key)).help(help);
    }
}

fn error_rate(text: &str) -> Option<()> {
    let percent: f64 = text.strip_prefix('>')?.trim().strip_suffix('%')?.trim().parse().ok()?;
    (0.0..100.0).contains(&percent).then_some(())
}

fn latency(text: &str) -> Option<()> {
    let (quantile, bound) = text.split_once('>')?;
    let quantile: f64 = quantile.trim().strip_prefix('p')?.parse().ok()?;
    crate::base::duration::parse(bound).ok()?;
    (quantile > 0.0 && quantile < 100.0).then_some(())
}

/// Reads `[notify.NAME]` or one `[[push]]`; `name` is that of the notifier.
#[must_use]
pub fn receiver(field: Field<'_>, what: &str, name: Option<(&str, &Place)>) -> Option<ReceiverDraft> {
    let section = field.table(what)?;
    let kind = section.string("kind");
    if !section.has("kind") {
        section.wrong("", format!("{what} has no `kind`"));
    }
    let kind = kind?;
    let (name, place) = name.unwrap_or((&kind, field.place()));
    Some(ReceiverDraft {
        name: name.to_owned(),
        place: place.clone(),
        settings: field.node.clone(),
        kind: kind.clone(),
    })
}

/// A mistake for each notifier that an alert names and nobody defines.
#[must_use]
pub fn unknown_notifiers(telling: &Telling) -> Vec<Diag> {
    let known: Vec<&str> = telling.notifiers.iter().map(|notifier| notifier.name.as_str()).collect();
    let named = telling.alerts.iter().flat_map(|alert| &alert.notify);
    let unknown = named.filter(|(name, _)| !known.contains(&name.as_str()));
    unknown
        .map(|(name, place)| {
            let help = crate::config::suggest::sentence(name, known.iter().copied());
            Diag::error(place, format!("there is no `[notify.{name}]`")).maybe_help(help)
        })
        .collect()
}

//! `[[silence]]` as it is written: when nobody wants to hear of which alerts, once or again and again.

use std::collections::BTreeMap;

use jiff::tz::TimeZone;
use jiff::{Timestamp, civil};

use super::rule::Selector;
use super::settings::{Silence, Window};
use crate::base::duration;
use crate::config::names::check_name;
use crate::config::{Diag, Field, Key, Place, Section, Value, cron};

/// One `[[silence]]`.
#[derive(Clone, Debug)]
pub struct SilenceDraft {
    /// Its name.
    pub name: String,
    /// Where its name stands.
    pub place: Place,
    /// The alerts that are not told; empty for all.
    pub alerts: Vec<(String, Place)>,
    /// Names of probes; empty for all.
    pub probes: Vec<(String, Place)>,
    /// Names of targets; empty for all.
    pub targets: Vec<(String, Place)>,
    labels: BTreeMap<String, String>,
    when: Option<Window>,
    unset: Vec<Diag>,
}

impl SilenceDraft {
    /// Reads the table.
    #[must_use]
    pub fn parse(section: Section<'_>) -> Option<Self> {
        let reading = section.reading();
        let name = section.string("name");
        if section.lacks("name") {
            section.wrong("", "this silence has no `name`").help("write `name = \"night\"`");
        }
        let place = section.field("name").map_or_else(|| section.place().clone(), |field| field.place().clone());
        if let Some(name) = &name {
            check_name(&Key { name: name.clone(), place: place.clone() }, "silence", reading);
        }
        let labels = section.section("labels");
        let text = |(key, field): (&Key, Field<'_>)| Some((key.name.clone(), field.string()?));
        let draft = Self {
            name: name.unwrap_or_default(),
            place,
            alerts: section.names("alert"),
            probes: section.names("probe"),
            targets: section.names("target"),
            labels: labels.iter().flat_map(Section::entries).filter_map(text).collect(),
            when: window(&section),
            unset: Vec::new(),
        };
        section.finish();
        let unset = reading.take_unset();
        (!draft.name.is_empty()).then_some(Self { unset, ..draft })
    }

    /// The silence.
    ///
    /// # Errors
    /// A variable that is missing.
    pub fn resolve(&self) -> Result<Option<Silence>, Vec<Diag>> {
        if !self.unset.is_empty() {
            return Err(self.unset.clone());
        }
        // Without a time there was a mistake: such files are not used.
        let Some(when) = self.when.clone() else { return Ok(None) };
        let names = |names: &[(String, Place)]| names.iter().map(|(name, _)| name.clone()).collect();
        let selector =
            Selector { probes: names(&self.probes), targets: names(&self.targets), labels: self.labels.clone() };
        Ok(Some(Silence { name: self.name.clone(), selector, alerts: names(&self.alerts), when }))
    }
}

/// `from` and `until`, or `cron` and `for`.
fn window(section: &Section<'_>) -> Option<Window> {
    let zone = section.field("timezone").and_then(|field| cron::zone(&field.string()?, field));
    let from = section.field("from").and_then(|field| Some((moment(field, zone.as_ref())?, field)));
    let until = section.field("until").and_then(|field| Some((moment(field, zone.as_ref())?, field)));
    let calendar = section.field("cron").and_then(|field| Some((cron::compile(&field.string()?, field)?, field)));
    let lasting = section.field("for").and_then(|field| Some((field.positive_duration()?, field)));
    let (once, again) = (section.has("from") || section.has("until"), section.has("cron") || section.has("for"));
    if once && again {
        let key = if section.has("cron") { "cron" } else { "for" };
        section
            .wrong(key, "a silence is from one time to another, or comes again, not both")
            .help("write `from` and `until`, or `cron` and `for`");
        return None;
    }
    if !once && !again {
        section.wrong("", "this silence does not say when").help(
            "write `from = \"2026-12-24T18:00:00Z\"` and `until`, or `cron = \"0 2 * * SUN\"` and `for = \"2h\"`",
        );
        return None;
    }
    let (first, second) = if once { ("from", "until") } else { ("cron", "for") };
    for (has, lacks) in [(first, second), (second, first)] {
        if section.lacks(lacks) {
            let example = match lacks {
                "for" => "for = \"2h\"",
                "cron" => "cron = \"0 2 * * SUN\"",
                "from" => "from = \"2026-12-24T18:00:00Z\"",
                _ => "until = \"2026-12-27T06:00:00Z\"",
            };
            section.wrong(has, format!("`{has}` needs `{lacks}`")).help(format!("write `{example}`"));
            return None;
        }
    }
    if once {
        let ((from, _), (until, field)) = (from?, until?);
        if until <= from {
            field.wrong("this silence ends before it begins");
            return None;
        }
        return Some(Window::Between(from, until));
    }
    let ((calendar, _), (lasting, field)) = (calendar?, lasting?);
    let zone = zone.unwrap_or(TimeZone::UTC);
    if let Some(least) = cron::shortest_pause(&calendar, &zone).filter(|least| lasting >= *least) {
        field
            .wrong(format!("this silence never ends: it comes again after {}", duration::written(least)))
            .help("make it shorter, or leave the alert out");
        return None;
    }
    Some(Window::Recurring { cron: Box::new(calendar), zone, duration: lasting })
}

/// A point in time, with an offset or in the `timezone` of the silence.
fn moment(field: Field<'_>, zone: Option<&TimeZone>) -> Option<Timestamp> {
    const EXAMPLE: &str = "write \"2026-12-24T18:00:00Z\" or \"2026-12-24T18:00:00+01:00\"";
    let text = match &field.node.value {
        Value::Datetime(text) => text.clone(),
        _ => field.string()?,
    };
    let text = text.trim();
    if let Ok(moment) = text.parse::<Timestamp>() {
        return Some(moment);
    }
    let Ok(local) = text.parse::<civil::DateTime>() else {
        field.wrong(format!("`{}` is no point in time: {text:?}", field.key)).help(EXAMPLE);
        return None;
    };
    let Some(zone) = zone else {
        field
            .wrong(format!("`{}` does not say in which time zone", field.key))
            .help(format!("{EXAMPLE}, or give the silence a `timezone`"));
        return None;
    };
    local.to_zoned(zone.clone()).ok().map(|zoned| zoned.timestamp())
}

//! What `watch` does with results: alerts, notifiers, pushes and the log. Read and checked with the files, kept for
//! `watch`, which carries them out.

pub mod alert;
pub mod condition;
pub mod receiver;
mod windows;

use std::collections::BTreeSet;

pub use alert::{AlertDraft, Urgency};
pub use condition::{Bound, Condition};
pub use receiver::{ReceiverDraft, Setting};

use super::draft::Draft;
use crate::config::{Diag, Environment, Place, Section, Text, suggest};

/// Everything of the files that concerns telling.
#[derive(Clone, Debug, Default)]
pub struct Telling {
    /// The alerts.
    pub alerts: Vec<AlertDraft>,
    /// The notifiers.
    pub notifiers: Vec<ReceiverDraft>,
    /// The pushes.
    pub pushes: Vec<ReceiverDraft>,
    /// The log of `watch`, one for all files; a second one is a mistake.
    pub logs: Vec<LogDraft>,
}

/// `[log]`.
#[derive(Clone, Debug)]
pub struct LogDraft {
    /// The file that gets every message, both ways.
    pub wire: Option<Text>,
    /// Where the table stands.
    pub place: Place,
}

impl Telling {
    /// Reads what one file says of telling.
    pub(super) fn read(&mut self, file: &Section<'_>) {
        let reading = file.reading();
        for section in file.sections("alert", "`[[alert]]`") {
            self.alerts.extend(AlertDraft::parse(section));
        }
        let notifiers = file.field("notify").and_then(|field| {
            if field.is_table() {
                return field.table("`notify`");
            }
            field.wrong("`notify` must be a table of notifiers").help("write `[notify.NAME]`, with `kind`");
            None
        });
        for (key, field) in notifiers.iter().flat_map(Section::entries) {
            super::target_draft::check_name(key, "notifier", reading);
            self.notifiers.extend(ReceiverDraft::notifier(key, field));
        }
        for section in file.sections("push", "`[[push]]`") {
            self.pushes.push(ReceiverDraft::push(&section));
        }
        if let Some(section) = file.field("log").and_then(|field| field.table("`[log]`")) {
            let log = LogDraft { wire: section.text("wire"), place: section.place().clone() };
            section.finish();
            self.logs.push(log);
        }
        // Unset variables of keys that are read at once belong to nobody who is selected.
        let _ = reading.take_unset();
    }

    /// Variables read by notifiers and pushes: secrets, all of them.
    #[must_use]
    pub fn secret_variables(&self) -> Vec<String> {
        let texts = self.notifiers.iter().chain(&self.pushes).flat_map(ReceiverDraft::texts);
        texts.flat_map(|(_, text)| text.variables()).map(ToOwned::to_owned).collect()
    }

    /// What this machine lacks for it, and what is wrong once its variables are filled in.
    #[must_use]
    pub fn lacking(&self, environment: &dyn Environment) -> Vec<Diag> {
        let mut diags: Vec<Diag> = self.alerts.iter().flat_map(|alert| alert.unset.iter().cloned()).collect();
        for receiver in self.notifiers.iter().chain(&self.pushes) {
            diags.extend(receiver.lacking(environment));
        }
        for log in &self.logs {
            diags.extend(
                log.wire.as_ref().and_then(|wire| wire.resolve("log.wire", environment).err()).map(|diag| *diag),
            );
        }
        diags
    }

    /// Warnings that need the probes and targets, and that only `validate` shows.
    pub(super) fn advice(&self, draft: &Draft) -> Vec<Diag> {
        let mut advice = windows::advice(&self.alerts, draft);
        let told: BTreeSet<&str> =
            self.alerts.iter().flat_map(|alert| &alert.notify).map(|(name, _)| name.as_str()).collect();
        for notifier in self.notifiers.iter().filter(|notifier| !told.contains(notifier.name.as_str())) {
            advice.push(
                Diag::warning(&notifier.place, format!("no alert tells `{}`", notifier.name))
                    .help(format!("write `notify = [{:?}]` in an `[[alert]]`", notifier.name)),
            );
        }
        advice
    }

    /// A mistake for each notifier that an alert names and nobody defines.
    pub(super) fn unknown_notifiers(&self) -> Vec<Diag> {
        let known: BTreeSet<&str> = self.notifiers.iter().map(|notifier| notifier.name.as_str()).collect();
        let named = self.alerts.iter().flat_map(|alert| &alert.notify);
        let unknown = named.filter(|(name, _)| !known.contains(name.as_str()));
        unknown
            .map(|(name, place)| {
                let help = suggest::sentence(name, known.iter().copied());
                Diag::error(place, format!("there is no `[notify.{name}]`")).maybe_help(
                    help.or_else(|| Some(format!("write `[notify.{name}]` with `kind`, such as \"webhook\""))),
                )
            })
            .collect()
    }
}

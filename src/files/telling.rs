//! What `watch` does with results, of all files together: alerts, notifiers, pushes and the log. Each is read where it
//! belongs; here are the mistakes and the advice that need the targets and probes as well, and what comes out resolved.

pub mod log;
pub mod watching;
mod windows;

use std::collections::BTreeSet;

pub use log::{LogDraft, LogFormat, LogLevel, LogSettings};
pub use watching::{WatchDraft, WatchSettings};

use crate::alert::draft::AlertDraft;
use crate::alert::silence_draft::SilenceDraft;
use crate::alert::{Rule, Silence, notify};
use crate::config::names::{check_name, only_one, twice, unknown};
use crate::config::receiver::{ReceiverDraft, Settings};
use crate::config::{Diag, Environment, Place, Section, suggest};
use crate::metrics::push;
use crate::plan::{Draft, TargetDraft};

/// The kind of notifier that notices when nothing comes.
const HEARTBEAT: &str = "healthchecks";

/// Everything of the files that concerns telling, variables unresolved.
#[derive(Clone, Debug, Default)]
pub struct Telling {
    /// The alerts.
    pub alerts: Vec<AlertDraft>,
    /// The silences.
    pub silences: Vec<SilenceDraft>,
    /// The notifiers.
    pub notifiers: Vec<ReceiverDraft>,
    /// The pushes.
    pub pushes: Vec<ReceiverDraft>,
    /// `[watch]`, one for all files; a second one is a mistake.
    pub watches: Vec<WatchDraft>,
    /// `[log]`, likewise.
    pub logs: Vec<LogDraft>,
}

/// A notifier, its variables filled in.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Notifier {
    /// Its name.
    pub name: String,
    /// A word of [`notify::keys::KINDS`].
    pub kind: &'static str,
    /// Its settings.
    pub settings: Settings,
}

/// A push, its variables filled in.
#[derive(Clone, Debug)]
pub struct Push {
    /// Its name, or its kind.
    pub name: String,
    /// Its kind.
    pub kind: &'static str,
    /// Its settings.
    pub settings: Settings,
}

impl Push {
    /// `required`.
    #[must_use]
    pub fn is_required(&self) -> bool {
        self.settings.switch("required") == Some(true)
    }
}

/// The same as `watch` uses it, every variable filled in.
#[derive(Clone, Debug, Default)]
pub struct Resolved {
    /// The alerts.
    pub rules: Vec<Rule>,
    /// The silences.
    pub silences: Vec<Silence>,
    /// The notifiers.
    pub notifiers: Vec<Notifier>,
    /// The pushes; filled in by [`Telling::resolve_pushes`].
    pub pushes: Vec<Push>,
    /// What `[watch]` says.
    pub watch: WatchSettings,
    /// What `[log]` says.
    pub log: LogSettings,
    /// Values that must not be shown, to be added to the mask.
    pub secrets: Vec<String>,
}

impl Telling {
    /// Reads what one file says of telling.
    pub fn read(&mut self, file: &Section<'_>) {
        let reading = file.reading();
        for section in file.sections("alert", "`[[alert]]`") {
            self.alerts.extend(AlertDraft::parse(section));
        }
        for section in file.sections("silence", "`[[silence]]`") {
            self.silences.extend(SilenceDraft::parse(section));
        }
        let notifiers = file.field("notify").and_then(|field| {
            if field.is_table() {
                return field.table("`notify`");
            }
            field.wrong("`notify` must be a table of notifiers").help("write `[notify.NAME]`, with `kind`");
            None
        });
        for (key, field) in notifiers.iter().flat_map(Section::entries) {
            check_name(key, "notifier", reading);
            self.notifiers.extend(notify::keys::read(key, field));
        }
        for section in file.sections("push", "`[[push]]`") {
            self.pushes.push(push::read(&section));
        }
        if let Some(section) = file.field("watch").and_then(|field| field.table("`[watch]`")) {
            self.watches.push(WatchDraft::parse(section));
        }
        if let Some(section) = file.field("log").and_then(|field| field.table("`[log]`")) {
            self.logs.push(LogDraft::parse(section));
        }
    }

    /// Mistakes that only all files together can show. `others` are targets of files that are no probe files.
    #[must_use]
    pub fn check_names(&self, draft: &Draft, others: &[TargetDraft]) -> Vec<Diag> {
        let mut diags = Vec::new();
        twice("alert", self.alerts.iter().map(|alert| (alert.name.as_str(), &alert.place)), &mut diags);
        twice("silence", self.silences.iter().map(|silence| (silence.name.as_str(), &silence.place)), &mut diags);
        let notifiers = self.notifiers.iter();
        twice("notifier", notifiers.map(|notifier| (notifier.name.as_str(), &notifier.place)), &mut diags);
        let pushes = self.pushes.iter().filter(|push| !push.name.is_empty());
        let mut alike = Vec::new();
        twice("push", pushes.map(|push| (push.name.as_str(), &push.place)), &mut alike);
        diags.extend(alike.into_iter().map(|diag| diag.help("give one of them a `name` of its own")));
        only_one("watch", self.watches.iter().map(|watch| &watch.place), &mut diags);
        only_one("log", self.logs.iter().map(|log| &log.place), &mut diags);
        let targets = draft.targets.iter().chain(others);
        let targets: BTreeSet<&str> = targets.map(|target| target.name.as_str()).collect();
        let probes: BTreeSet<&str> = draft.probes.iter().map(|probe| probe.name.as_str()).collect();
        for alert in &self.alerts {
            unknown("target", &alert.targets, &targets, &mut diags);
            unknown("probe", &alert.probes, &probes, &mut diags);
        }
        let alerts: BTreeSet<&str> = self.alerts.iter().map(|alert| alert.name.as_str()).collect();
        for silence in &self.silences {
            unknown("alert", &silence.alerts, &alerts, &mut diags);
            unknown("target", &silence.targets, &targets, &mut diags);
            unknown("probe", &silence.probes, &probes, &mut diags);
        }
        for watch in &self.watches {
            unknown("target", &watch.reference, &targets, &mut diags);
        }
        diags.extend(self.unknown_notifiers());
        diags.extend(self.deaf_heartbeats());
        diags
    }

    /// A mistake for each notifier that is named and nobody defines.
    fn unknown_notifiers(&self) -> Vec<Diag> {
        let known: BTreeSet<&str> = self.notifiers.iter().map(|notifier| notifier.name.as_str()).collect();
        let told = self.alerts.iter().flat_map(|alert| &alert.notify).map(|named| (named, "webhook"));
        let named = told.chain(self.heartbeats().map(|named| (named, HEARTBEAT)));
        let unknown = named.filter(|((name, _), _)| !known.contains(name.as_str()));
        unknown
            .map(|((name, place), kind)| {
                let help = suggest::sentence(name, known.iter().copied());
                Diag::error(place, format!("there is no `[notify.{name}]`")).maybe_help(
                    help.or_else(|| Some(format!("write `[notify.{name}]` with `kind`, such as \"{kind}\""))),
                )
            })
            .collect()
    }

    /// A mistake where the heartbeat goes to something that would not notice its absence.
    fn deaf_heartbeats(&self) -> impl Iterator<Item = Diag> {
        self.heartbeats().filter_map(|(name, place)| {
            let is_other = |kind: &str| !kind.is_empty() && kind != HEARTBEAT;
            let other = self.notifiers.iter().find(|notifier| notifier.name == *name && is_other(notifier.kind))?;
            let kind = other.kind;
            let message = format!("the heartbeat goes to a notifier of kind \"{HEARTBEAT}\", not \"{kind}\"");
            let help =
                format!("it tells somebody when it hears nothing: write a `[notify.NAME]` of kind \"{HEARTBEAT}\"");
            Some(Diag::error(place, message).also(&other.place, "this one").help(help))
        })
    }

    fn heartbeats(&self) -> impl Iterator<Item = &(String, Place)> {
        self.watches.iter().filter_map(|watch| watch.heartbeat.as_ref())
    }

    /// Variables read by notifiers and pushes: secrets, all of them.
    #[must_use]
    pub fn secret_variables(&self) -> Vec<String> {
        let of_keys = self.receivers().flat_map(ReceiverDraft::variables).map(ToOwned::to_owned);
        of_keys.chain(self.pushes.iter().flat_map(push::secret_variables)).collect()
    }

    /// Warnings that need the probes and targets, and that only `validate` shows.
    #[must_use]
    pub fn advice(&self, draft: &Draft) -> Vec<Diag> {
        let mut advice = windows::advice(&self.alerts, draft);
        let named = self.alerts.iter().flat_map(|alert| &alert.notify).chain(self.heartbeats());
        let told: BTreeSet<&str> = named.map(|(name, _)| name.as_str()).collect();
        for notifier in self.notifiers.iter().filter(|notifier| !told.contains(notifier.name.as_str())) {
            advice.push(
                Diag::warning(&notifier.place, format!("no alert tells `{}`", notifier.name))
                    .help(format!("write `notify = [{:?}]` in an `[[alert]]`", notifier.name)),
            );
        }
        advice
    }

    /// What this machine lacks for it, and what is wrong once its variables are filled in.
    #[must_use]
    pub fn lacking(&self, environment: &dyn Environment) -> Vec<Diag> {
        let mut diags = self.resolve(environment).err().unwrap_or_default();
        diags.extend(self.resolve_pushes(environment, &mut Vec::new()).err().unwrap_or_default());
        diags
    }

    /// Fills in the variables of the pushes. `secrets` collects values that must not be shown.
    ///
    /// # Errors
    /// What this machine lacks for it, and what is wrong once its variables are filled in.
    pub fn resolve_pushes(
        &self,
        environment: &dyn Environment,
        secrets: &mut Vec<String>,
    ) -> Result<Vec<Push>, Vec<Diag>> {
        let (mut pushes, mut diags) = (Vec::new(), Vec::new());
        for draft in self.pushes.iter().filter(|draft| draft.is_whole()) {
            let settings = match push::resolve(draft, environment, secrets) {
                Ok(settings) => settings,
                Err(missing) => {
                    diags.extend(missing);
                    continue;
                }
            };
            match push::compile(draft.kind, &draft.name, &settings) {
                Ok(_) => pushes.push(Push { name: draft.name.clone(), kind: draft.kind, settings }),
                Err(why) => diags.push(Diag::error(&draft.place, why)),
            }
        }
        if diags.is_empty() { Ok(pushes) } else { Err(diags) }
    }

    /// Fills in every variable. Pushes are not among it: they are another command's.
    ///
    /// # Errors
    /// What this machine lacks for it, and what is wrong once its variables are filled in.
    pub fn resolve(&self, environment: &dyn Environment) -> Result<Resolved, Vec<Diag>> {
        let mut resolved = Resolved::default();
        let mut diags = Vec::new();
        for alert in &self.alerts {
            match alert.resolve() {
                Ok(rule) => resolved.rules.extend(rule),
                Err(missing) => diags.extend(missing),
            }
        }
        for silence in &self.silences {
            match silence.resolve() {
                Ok(silence) => resolved.silences.extend(silence),
                Err(missing) => diags.extend(missing),
            }
        }
        for draft in &self.notifiers {
            match draft.resolve(environment, &mut resolved.secrets) {
                Ok(settings) => resolved.notifiers.push(Notifier {
                    name: draft.name.clone(),
                    kind: draft.kind,
                    settings: Settings::new(settings),
                }),
                Err(missing) => diags.extend(missing),
            }
        }
        for watch in &self.watches {
            match watch.resolve() {
                Ok(watch) => resolved.watch = watch,
                Err(missing) => diags.extend(missing),
            }
        }
        for log in &self.logs {
            match log.resolve(environment) {
                Ok(log) => resolved.log = log,
                Err(missing) => diags.extend(missing),
            }
        }
        if diags.is_empty() { Ok(resolved) } else { Err(diags) }
    }

    fn receivers(&self) -> impl Iterator<Item = &ReceiverDraft> {
        self.notifiers.iter().chain(&self.pushes)
    }
}

#[cfg(test)]
mod tests;

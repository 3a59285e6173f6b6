//! Who is told: notifiers (`[notify.NAME]`) and pushes (`[[push]]`). Each kind is a row with its keys, so that a
//! misspelt kind or key gets a suggestion; how it is delivered is the business of `watch`.

use std::time::Duration;

use crate::config::{Diag, Environment, Field, Key, Node, Place, Section, Text, suggest};
use crate::plan::advice::secrets;

/// What a key of a receiver holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Shape {
    /// Any text.
    Text,
    /// `http://` or `https://`.
    Url,
    /// `smtp://`, `smtps://`.
    Mail,
    /// `host:port`, or `unix:PATH`.
    Address,
    /// A program and its arguments.
    Argv,
    /// One text, or several.
    Texts,
    /// A table of texts.
    Table,
    /// `{ bearer = … }`.
    Auth,
    /// A duration.
    Time,
    /// `true` or `false`.
    Switch,
}

/// A key of a kind.
#[derive(Clone, Copy)]
struct Slot {
    key: &'static str,
    shape: Shape,
    required: bool,
    /// Whether its value is a secret.
    secret: bool,
}

const fn may(key: &'static str, shape: Shape) -> Slot {
    Slot { key, shape, required: false, secret: false }
}

const fn must(key: &'static str, shape: Shape) -> Slot {
    Slot { key, shape, required: true, secret: false }
}

const fn secret(slot: Slot) -> Slot {
    Slot { secret: true, ..slot }
}

/// A kind of receiver.
struct Kind {
    name: &'static str,
    slots: &'static [Slot],
}

const TIMEOUT: Slot = may("timeout", Shape::Time);
const HEADERS: Slot = may("headers", Shape::Table);
const AUTH: Slot = may("auth", Shape::Auth);
const LABELS: Slot = may("labels", Shape::Table);
const PREFIX: Slot = may("prefix", Shape::Text);
const URL: Slot = must("url", Shape::Url);

static NOTIFIERS: &[Kind] = &[
    Kind { name: "webhook", slots: &[URL, HEADERS, AUTH, may("body", Shape::Text), TIMEOUT] },
    Kind { name: "slack", slots: &[secret(URL), TIMEOUT] },
    Kind { name: "pagerduty", slots: &[secret(must("routing_key", Shape::Text)), may("url", Shape::Url), TIMEOUT] },
    Kind { name: "alertmanager", slots: &[URL, HEADERS, AUTH, LABELS, TIMEOUT] },
    Kind {
        name: "email",
        slots: &[
            must("smtp", Shape::Mail),
            must("from", Shape::Text),
            must("to", Shape::Texts),
            may("username", Shape::Text),
            secret(may("password", Shape::Text)),
            TIMEOUT,
        ],
    },
    Kind { name: "command", slots: &[must("command", Shape::Argv), TIMEOUT] },
    Kind { name: "healthchecks", slots: &[secret(URL), TIMEOUT] },
];

static PUSHES: &[Kind] = &[
    Kind { name: "pushgateway", slots: &[URL, may("job", Shape::Text), HEADERS, AUTH, LABELS, TIMEOUT] },
    Kind { name: "remote_write", slots: &[URL, HEADERS, AUTH, LABELS, TIMEOUT] },
    Kind { name: "otlp", slots: &[URL, HEADERS, AUTH, TIMEOUT] },
    Kind { name: "statsd", slots: &[must("address", Shape::Address), PREFIX] },
    Kind { name: "dogstatsd", slots: &[must("address", Shape::Address), PREFIX, LABELS] },
    Kind { name: "textfile", slots: &[must("path", Shape::Text)] },
    Kind { name: "influx", slots: &[URL, HEADERS, AUTH, LABELS, TIMEOUT] },
    Kind { name: "webhook", slots: &[URL, HEADERS, AUTH, may("body", Shape::Text), TIMEOUT] },
    Kind { name: "hub", slots: &[URL, AUTH, TIMEOUT] },
];

/// Keys of every push.
static OF_PUSHES: &[Slot] = &[may("required", Shape::Switch)];

/// The value of a key, its variables unresolved.
#[derive(Clone, Debug)]
pub enum Setting {
    /// A text.
    Text(Text),
    /// Several, or the words of a command.
    Texts(Vec<Text>),
    /// Names and texts.
    Table(Vec<(Key, Text)>),
    /// A duration.
    Time(Duration),
    /// A switch.
    Switch(bool),
}

/// One `[notify.NAME]` or `[[push]]`.
#[derive(Clone, Debug)]
pub struct ReceiverDraft {
    /// The name of a notifier; of a push its kind.
    pub name: String,
    /// Where it stands.
    pub place: Place,
    /// Its kind, a word of the table; empty where that is a mistake.
    pub kind: &'static str,
    /// Its settings by key.
    pub settings: Vec<(&'static str, Setting)>,
    /// The keys before its own, for messages: `notify.ops`, `push`.
    path: String,
    /// Keys whose values must be URLs once they are resolved.
    urls: Vec<&'static str>,
}

impl ReceiverDraft {
    /// Reads `[notify.NAME]`.
    pub(super) fn notifier(key: &Key, field: Field<'_>) -> Option<Self> {
        let section = field.table(&format!("`[notify.{}]`", key.name))?;
        let draft = Self::parse(&section, NOTIFIERS, &[]);
        Some(Self { name: key.name.clone(), place: key.place.clone(), path: format!("notify.{}", key.name), ..draft })
    }

    /// Reads one `[[push]]`.
    pub(super) fn push(section: &Section<'_>) -> Self {
        Self::parse(section, PUSHES, OF_PUSHES)
    }

    fn parse(section: &Section<'_>, kinds: &'static [Kind], common: &'static [Slot]) -> Self {
        // A receiver whose kind is a mistake is still there for whoever names it.
        let mut draft = Self {
            name: String::new(),
            place: section.place().clone(),
            kind: "",
            settings: Vec::new(),
            path: "push".to_owned(),
            urls: Vec::new(),
        };
        let Some(kind) = kind(section, kinds) else { return draft };
        for slot in kind.slots.iter().chain(common) {
            match section.field(slot.key) {
                Some(field) => draft.settings.extend(read(field, slot).map(|setting| (slot.key, setting))),
                None if slot.required && !is_misspelt(section, kind, common, slot.key) => {
                    section
                        .wrong("", format!("{} of kind \"{}\" has no `{}`", section.what(), kind.name, slot.key))
                        .help(format!("write `{} = {}`", slot.key, example(slot.shape)));
                }
                None => {}
            }
        }
        unknown_keys(section, kind, common);
        let urls = kind.slots.iter().filter(|slot| slot.shape == Shape::Url).map(|slot| slot.key).collect();
        Self { name: kind.name.to_owned(), kind: kind.name, urls, ..draft }
    }

    /// Every text of its settings, with its key.
    pub(super) fn texts(&self) -> impl Iterator<Item = (&'static str, &Text)> {
        self.settings.iter().flat_map(|(key, setting)| {
            let texts: Vec<&Text> = match setting {
                Setting::Text(text) => vec![text],
                Setting::Texts(texts) => texts.iter().collect(),
                Setting::Table(entries) => entries.iter().map(|(_, text)| text).collect(),
                Setting::Time(_) | Setting::Switch(_) => Vec::new(),
            };
            texts.into_iter().map(|text| (*key, text))
        })
    }

    /// What this machine lacks for it, and what is wrong once its variables are filled in.
    pub(super) fn lacking(&self, environment: &dyn Environment) -> Vec<Diag> {
        let mut diags = Vec::new();
        for (key, text) in self.texts() {
            let path = format!("{}.{key}", self.path);
            match text.resolve(&path, environment) {
                Err(diag) => diags.push(*diag),
                Ok(resolved)
                    if text.literal().is_none() && self.urls.contains(&key) && url(&resolved.value).is_err() =>
                {
                    // The value may be a secret: it is not quoted.
                    let message = format!("with its variables filled in, `{path}` is no URL");
                    diags.push(Diag::error(&text.place, message).help(format!("expected {}", example(Shape::Url))));
                }
                Ok(_) => {}
            }
        }
        diags
    }
}

fn kind(section: &Section<'_>, kinds: &'static [Kind]) -> Option<&'static Kind> {
    let names = || kinds.iter().map(|kind| kind.name);
    let Some(field) = section.field("kind") else {
        let all = suggest::list(&names().collect::<Vec<_>>()).unwrap_or_default();
        section.wrong("", format!("{} has no `kind`", section.what())).help(format!("write `kind = \"…\"`: {all}"));
        return None;
    };
    let word = field.string()?;
    let found = kinds.iter().find(|kind| kind.name == word);
    if found.is_none() {
        field.wrong(format!("`{word}` is no kind of {}", section.what())).maybe_help(suggest::sentence(&word, names()));
    }
    found
}

/// The kinds of notifiers, each with its keys.
pub(in crate::plan) fn notifier_keys() -> Vec<(&'static str, Vec<&'static str>)> {
    NOTIFIERS.iter().map(|kind| (kind.name, known_keys(kind, &[]))).collect()
}

/// The kinds of pushes, each with its keys.
pub(in crate::plan) fn push_keys() -> Vec<(&'static str, Vec<&'static str>)> {
    PUSHES.iter().map(|kind| (kind.name, known_keys(kind, OF_PUSHES))).collect()
}

/// The keys that a kind has.
fn known_keys(kind: &Kind, common: &[Slot]) -> Vec<&'static str> {
    std::iter::once("kind").chain(kind.slots.iter().chain(common).map(|slot| slot.key)).collect()
}

/// Whether a key that does not exist seems to be this one: one mistake is told once.
fn is_misspelt(section: &Section<'_>, kind: &Kind, common: &[Slot], key: &str) -> bool {
    let known = known_keys(kind, common);
    section.entries().any(|(have, _)| {
        !known.contains(&have.name.as_str()) && suggest::nearest(&have.name, known.iter().copied()) == Some(key)
    })
}

fn unknown_keys(section: &Section<'_>, kind: &Kind, common: &[Slot]) {
    let known = known_keys(kind, common);
    for (key, _) in section.entries().filter(|(key, _)| !known.contains(&key.name.as_str())) {
        let message = format!("unknown key `{}` in {} of kind \"{}\"", key.name, section.what(), kind.name);
        section
            .reading()
            .report(Diag::error(&key.place, message).maybe_help(suggest::sentence(&key.name, known.iter().copied())));
    }
}

fn example(shape: Shape) -> &'static str {
    match shape {
        Shape::Text => "\"…\"",
        Shape::Url => "\"https://host/path\"",
        Shape::Mail => "\"smtps://mail.example:465\"",
        Shape::Address => "\"127.0.0.1:8125\"",
        Shape::Argv => "[\"program\", \"argument\"]",
        Shape::Texts => "[\"a@example.com\"]",
        Shape::Table => "{ name = \"value\" }",
        Shape::Auth => "{ bearer = \"${TOKEN}\" }",
        Shape::Time => "\"10s\"",
        Shape::Switch => "true",
    }
}

fn read(field: Field<'_>, slot: &Slot) -> Option<Setting> {
    let setting = match slot.shape {
        Shape::Time => return field.positive_duration().map(Setting::Time),
        Shape::Switch => return field.bool().map(Setting::Switch),
        Shape::Table => Setting::Table(entries(field, slot.key)?),
        Shape::Auth => Setting::Table(auth(field)?),
        Shape::Argv => Setting::Texts(argv(field)?),
        Shape::Texts if matches!(field.node.value, crate::config::Value::Text(_)) => {
            Setting::Texts(vec![field.text()?])
        }
        Shape::Texts => Setting::Texts(field.texts()?),
        Shape::Text | Shape::Url | Shape::Mail | Shape::Address => Setting::Text(field.text()?),
    };
    if let Setting::Text(text) = &setting {
        if let Some(literal) = text.literal() {
            let wrong = match slot.shape {
                Shape::Url => url(literal),
                Shape::Mail => mail(literal),
                Shape::Address => address(literal),
                _ if literal.is_empty() => Err("it is empty".to_owned()),
                _ => Ok(()),
            };
            if let Err(why) = wrong {
                field.wrong(format!("`{}`: {why}", field.key)).help(format!(
                    "write `{} = {}`",
                    field.key,
                    example(slot.shape)
                ));
            }
        }
        if slot.secret {
            secrets::warn(text, slot.key, field.reading());
        } else {
            secrets::warn_url(text, field.reading());
        }
    }
    Some(setting)
}

fn entries(field: Field<'_>, key: &str) -> Option<Vec<(Key, Text)>> {
    let section = field.table(&format!("`{key}`"))?;
    let mut entries = Vec::new();
    for (key, value) in section.entries() {
        let Some(text) = value.text() else { continue };
        if key.name.eq_ignore_ascii_case("authorization") {
            secrets::warn(&text, &key.name, field.reading());
        } else {
            secrets::warn_env(key, &text, field.reading());
        }
        entries.push((key.clone(), text));
    }
    Some(entries)
}

fn auth(field: Field<'_>) -> Option<Vec<(Key, Text)>> {
    let section = field.table("`auth`")?;
    let bearer = section.text("bearer");
    if !section.has("bearer") && section.entries().next().is_none() {
        section.wrong("", "`auth` says nothing").help("write `auth = { bearer = \"${TOKEN}\" }`");
    }
    let key = Key { name: "bearer".to_owned(), place: section.key_place("bearer") };
    section.finish();
    let bearer = bearer?;
    secrets::warn(&bearer, "bearer", field.reading());
    Some(vec![(key, bearer)])
}

fn argv(field: Field<'_>) -> Option<Vec<Text>> {
    if let Node { value: crate::config::Value::Text(line), .. } = field.node {
        let words: Vec<String> = line.written().split_whitespace().map(|word| format!("{word:?}")).collect();
        field.wrong(format!("`{}` must be an array: the program and its arguments", field.key)).help(format!(
            "write `{} = [{}]`; no shell reads it",
            field.key,
            words.join(", ")
        ));
        return None;
    }
    let argv = field.texts()?;
    if argv.first().is_none_or(|program| program.literal() == Some("")) {
        field.wrong(format!("`{}` names no program", field.key));
        return None;
    }
    secrets::warn_argv(&argv, field.reading());
    Some(argv)
}

fn url(text: &str) -> Result<(), String> {
    let url = url::Url::parse(text).map_err(|error| format!("this is no URL: {error}"))?;
    match url.scheme() {
        "http" | "https" if url.has_host() => Ok(()),
        scheme => Err(format!("a URL of http or https was expected, not of {scheme:?}")),
    }
}

fn mail(text: &str) -> Result<(), String> {
    let url = url::Url::parse(text).map_err(|error| format!("this is no address of a mail server: {error}"))?;
    match url.scheme() {
        "smtp" | "smtps" if url.has_host() => Ok(()),
        scheme => Err(format!("a mail server is reached by smtp or smtps, not by {scheme:?}")),
    }
}

fn address(text: &str) -> Result<(), String> {
    if text.strip_prefix("unix:").is_some_and(|path| !path.is_empty()) {
        return Ok(());
    }
    match text.rsplit_once(':') {
        Some((host, port))
            if !host.is_empty() && !host.contains('/') && port.parse::<u16>().is_ok_and(|port| port > 0) =>
        {
            Ok(())
        }
        _ => Err(format!("{text:?} is no address: a host and a port were expected")),
    }
}

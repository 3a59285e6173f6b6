//! Tables that say of what `kind` a receiver is: notifiers, pushes. Whoever has kinds gives a table of them, each with
//! its keys, so that a misspelt kind or key gets a suggestion; how it is delivered is told by no key here.

mod settings;

use std::collections::BTreeMap;
use std::time::Duration;

pub use settings::{Settings, parsed_url};

use super::names::check_name;
use super::{Diag, Environment, Field, Key, Node, Place, Section, Text, grammar, secrets, suggest};
use crate::base::secret::Secret;

/// What a key of a receiver holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Shape {
    /// Any text.
    Text,
    /// `http://` or `https://`.
    Url,
    /// `smtp://`, `smtps://`.
    Mail,
    /// `host:port`, or `unix:PATH`.
    Address,
    /// A file; relative to the one that says it.
    Path,
    /// A program and its arguments.
    Argv,
    /// One text, or several.
    Texts,
    /// A table of texts.
    Table,
    /// `{ bearer = … }`.
    Auth,
    /// `{ ca = …, cert = …, key = … }`: paths, relative to the file.
    Tls,
    /// A duration.
    Time,
    /// `true` or `false`.
    Switch,
}

impl Shape {
    fn schema(self) -> serde_json::Value {
        match self {
            Self::Text | Self::Path => grammar::string(),
            Self::Url => grammar::pattern("^https?://"),
            Self::Mail => grammar::pattern("^smtps?://"),
            Self::Address => grammar::pattern("^unix:.|:[0-9]+$"),
            Self::Argv => grammar::with(grammar::strings(), serde_json::json!({"minItems": 1})),
            Self::Texts => grammar::one_or_more(),
            Self::Table => grammar::map(grammar::string(), serde_json::json!({"minLength": 1})),
            Self::Auth => {
                let bearer = grammar::described(grammar::string(), "The token of `Authorization: Bearer`.");
                grammar::with(grammar::table([("bearer", bearer)]), serde_json::json!({"required": ["bearer"]}))
            }
            Self::Tls => {
                let path = |what| grammar::described(grammar::string(), what);
                let keys = grammar::table([
                    ("ca", path("Certificates to trust instead of the system's: a PEM file.")),
                    ("cert", path("The client's certificate: a PEM file.")),
                    ("key", path("Its key: a PEM file.")),
                ]);
                grammar::with(keys, serde_json::json!({"dependencies": {"cert": ["key"], "key": ["cert"]}}))
            }
            Self::Time => grammar::duration(),
            Self::Switch => grammar::boolean(),
        }
    }
}

/// A key of a kind.
#[derive(Clone, Copy, Debug)]
pub struct Slot {
    /// As it is written.
    pub key: &'static str,
    /// What it holds.
    pub shape: Shape,
    /// What it is for: a sentence.
    pub what: &'static str,
    /// Whether it cannot be left out.
    pub required: bool,
    /// Whether its value is a secret.
    pub secret: bool,
}

/// A key that can be left out.
#[must_use]
pub const fn may(key: &'static str, shape: Shape, what: &'static str) -> Slot {
    Slot { key, shape, what, required: false, secret: false }
}

/// A key that cannot be left out.
#[must_use]
pub const fn must(key: &'static str, shape: Shape, what: &'static str) -> Slot {
    Slot { required: true, ..may(key, shape, what) }
}

/// The same with a value that is a secret.
#[must_use]
pub const fn secret(slot: Slot) -> Slot {
    Slot { secret: true, ..slot }
}

/// A kind of receiver.
#[derive(Clone, Copy, Debug)]
pub struct Kind {
    /// The word of `kind`.
    pub name: &'static str,
    /// Its keys.
    pub slots: &'static [Slot],
}

/// How long one delivery may take.
pub const TIMEOUT: Slot = may("timeout", Shape::Time, "How long one delivery may take.");
/// Headers of the request.
pub const HEADERS: Slot = may("headers", Shape::Table, "Headers of every request; variables in them are secrets.");
/// The credentials of the request.
pub const AUTH: Slot = may("auth", Shape::Auth, "How the request is authorised.");
/// Labels.
pub const LABELS: Slot = may("labels", Shape::Table, "Labels that go with everything sent.");
/// What it is called.
pub const NAME: Slot = may("name", Shape::Text, "What it is called in messages and metrics; its kind without it.");
/// A template.
pub const BODY: Slot = may("body", Shape::Text, "The template of the body.");
/// Where the request goes.
pub const URL: Slot = must("url", Shape::Url, URL_WHAT);
/// Said of every `url`.
pub const URL_WHAT: &str = "Where it is sent; to PagerDuty only where it is not its own address.";

/// The kinds as JSON Schema; `common` are keys of every kind.
#[must_use]
pub fn schema(kinds: &[Kind], common: &[Slot]) -> serde_json::Value {
    let one = |kind: &Kind| {
        let slots = || kind.slots.iter().chain(common);
        let word = serde_json::json!({"const": kind.name, "description": "Of what kind it is: the other keys follow from it."});
        let own = slots().map(|slot| (slot.key.to_owned(), grammar::described(slot.shape.schema(), slot.what)));
        let properties: serde_json::Map<_, _> = std::iter::once(("kind".to_owned(), word)).chain(own).collect();
        let required: Vec<&str> =
            std::iter::once("kind").chain(slots().filter(|slot| slot.required).map(|slot| slot.key)).collect();
        serde_json::json!({"type": "object", "properties": properties, "required": required, "additionalProperties": false})
    };
    serde_json::json!({"oneOf": kinds.iter().map(one).collect::<Vec<_>>()})
}

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
    /// The name of a notifier; of a push its `name`, or its kind.
    pub name: String,
    /// Where it stands.
    pub place: Place,
    /// Its kind, a word of the table; empty where that is a mistake.
    pub kind: &'static str,
    /// Its settings.
    settings: Vec<(Slot, Setting)>,
    /// What stands before its keys in messages: `notify.ops`, `push`.
    path: String,
    /// Variables that are missing of keys that are read at once.
    unset: Vec<Diag>,
    is_whole: bool,
}

/// The value of a key, its variables filled in. Any text may hold a secret.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Filled {
    /// A text.
    Text(Secret),
    /// Several, or the words of a command.
    Texts(Vec<Secret>),
    /// Names and texts.
    Table(Vec<(String, Secret)>),
    /// A duration.
    Time(Duration),
    /// A switch.
    Switch(bool),
}

impl ReceiverDraft {
    /// Reads one of several tables under a key, such as `[notify.NAME]`: `path` is `notify`.
    #[must_use]
    pub fn named(path: &str, key: &Key, field: Field<'_>, kinds: &'static [Kind]) -> Option<Self> {
        let path = format!("{path}.{}", key.name);
        let section = field.table(&format!("`[{path}]`"))?;
        let draft = Self::parse(&section, "", kinds, &[]);
        Some(Self { name: key.name.clone(), place: key.place.clone(), path, ..draft })
    }

    /// Reads one of an array of tables, which has no name but its kind. `path` stands before its keys in messages;
    /// `common` are keys of every kind.
    #[must_use]
    pub fn parse(section: &Section<'_>, path: &str, kinds: &'static [Kind], common: &'static [Slot]) -> Self {
        // A receiver whose kind is a mistake is still there for whoever names it.
        let mut draft = Self {
            name: String::new(),
            place: section.place().clone(),
            kind: "",
            settings: Vec::new(),
            path: path.to_owned(),
            unset: Vec::new(),
            is_whole: false,
        };
        let Some(kind) = kind(section, kinds) else {
            return Self { unset: section.reading().take_unset(), ..draft };
        };
        let mut is_whole = true;
        for slot in kind.slots.iter().chain(common) {
            is_whole &= !slot.required || section.has(slot.key);
            match section.field(slot.key) {
                Some(field) => match read(field, slot) {
                    Some(setting) => draft.settings.push((*slot, setting)),
                    None => is_whole = false,
                },
                None if slot.required && !is_misspelt(section, kind, common, slot.key) => {
                    section
                        .wrong("", format!("{} of kind \"{}\" has no `{}`", section.what(), kind.name, slot.key))
                        .help(format!("write `{} = {}`", slot.key, example(slot.shape)));
                }
                None => {}
            }
        }
        unknown_keys(section, kind, common);
        let name = draft.own_name(section).unwrap_or_else(|| kind.name.to_owned());
        Self { name, kind: kind.name, unset: section.reading().take_unset(), is_whole, ..draft }
    }

    /// `name`, where it has one. It becomes a label of metrics: no variable is filled in.
    fn own_name(&self, section: &Section<'_>) -> Option<String> {
        let (_, setting) = self.settings.iter().find(|(slot, _)| slot.key == NAME.key)?;
        let Setting::Text(text) = setting else { return None };
        let Some(name) = text.literal() else {
            let diag = Diag::error(&text.place, format!("the name of {} has no variables", section.what()));
            section.reading().report(diag.help("it is shown, and it is a label of metrics: write it out"));
            return None;
        };
        check_name(&Key { name: name.to_owned(), place: text.place.clone() }, "receiver", section.reading());
        Some(name.to_owned())
    }

    /// Whether it has everything that its kind needs: else that was said where it was read.
    #[must_use]
    pub fn is_whole(&self) -> bool {
        self.is_whole
    }

    /// Whether it has this key.
    #[must_use]
    pub fn says(&self, key: &str) -> bool {
        self.settings.iter().any(|(slot, _)| slot.key == key)
    }

    /// The variables that it reads: secrets, all of them.
    pub fn variables(&self) -> impl Iterator<Item = &str> {
        let texts = self.settings.iter().flat_map(|(_, setting)| match setting {
            Setting::Text(text) => vec![text],
            Setting::Texts(texts) => texts.iter().collect(),
            Setting::Table(entries) => entries.iter().map(|(_, text)| text).collect(),
            Setting::Time(_) | Setting::Switch(_) => Vec::new(),
        });
        texts.flat_map(Text::variables)
    }

    /// Its settings by key, variables filled in. `secrets` collects the values that must not be shown.
    ///
    /// # Errors
    /// What this machine lacks for it, and what is wrong once its variables are filled in.
    pub fn resolve(
        &self,
        environment: &dyn Environment,
        secrets: &mut Vec<String>,
    ) -> Result<BTreeMap<&'static str, Filled>, Vec<Diag>> {
        let mut filling = Filling { path: &self.path, environment, secrets, diags: self.unset.clone() };
        let filled = self.settings.iter().map(|(slot, setting)| (slot.key, filling.setting(slot, setting))).collect();
        if filling.diags.is_empty() { Ok(filled) } else { Err(filling.diags) }
    }
}

/// Fills in the variables of one receiver.
struct Filling<'a> {
    path: &'a str,
    environment: &'a dyn Environment,
    secrets: &'a mut Vec<String>,
    diags: Vec<Diag>,
}

impl Filling<'_> {
    fn setting(&mut self, slot: &Slot, setting: &Setting) -> Filled {
        match setting {
            Setting::Text(text) if slot.shape == Shape::Path => {
                let path = self.text(slot, text);
                Filled::Text(Secret::new(text.place.source.path(path.reveal()).to_string_lossy()))
            }
            Setting::Text(text) => Filled::Text(self.text(slot, text)),
            Setting::Texts(texts) if slot.shape == Shape::Argv => Filled::Texts(self.argv(slot, texts)),
            Setting::Texts(texts) => Filled::Texts(texts.iter().map(|text| self.text(slot, text)).collect()),
            Setting::Table(entries) if slot.shape == Shape::Tls => {
                Filled::Table(entries.iter().map(|(key, text)| (key.name.clone(), self.path(slot, text))).collect())
            }
            Setting::Table(entries) => {
                Filled::Table(entries.iter().map(|(key, text)| (key.name.clone(), self.text(slot, text))).collect())
            }
            Setting::Time(time) => Filled::Time(*time),
            Setting::Switch(on) => Filled::Switch(*on),
        }
    }

    fn text(&mut self, slot: &Slot, text: &Text) -> Secret {
        let path = format!("{}.{}", self.path, slot.key);
        match text.resolve(&path, self.environment) {
            Err(diag) => {
                self.diags.push(*diag);
                Secret::new("")
            }
            Ok(resolved) => {
                if text.literal().is_none() && slot.shape == Shape::Url && url(&resolved.value).is_err() {
                    // The value may be a secret: it is not quoted.
                    let message = format!("with its variables filled in, `{path}` is no URL");
                    let diag = Diag::error(&text.place, message);
                    self.diags.push(diag.help(format!("expected {}", example(Shape::Url))));
                }
                self.secrets.extend(resolved.secret_parts);
                if slot.secret || slot.shape == Shape::Auth {
                    self.secrets.push(resolved.value.clone());
                }
                Secret::new(resolved.value)
            }
        }
    }

    /// A path is relative to the file that says it.
    fn path(&mut self, slot: &Slot, text: &Text) -> Secret {
        let said = self.text(slot, text);
        Secret::new(text.place.source.path(said.reveal()).to_string_lossy())
    }

    /// A program that is a path is relative to the file; a bare word is looked up where it is run.
    fn argv(&mut self, slot: &Slot, texts: &[Text]) -> Vec<Secret> {
        let mut words: Vec<Secret> = texts.iter().map(|text| self.text(slot, text)).collect();
        if let (Some(program), Some(text)) = (words.first_mut(), texts.first())
            && program.reveal().contains(std::path::is_separator)
        {
            *program = Secret::new(text.place.source.path(program.reveal()).to_string_lossy());
        }
        words
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
        Shape::Path => "\"/var/lib/prometheus/node-exporter/mcp-probe.prom\"",
        Shape::Url => "\"https://host/path\"",
        Shape::Mail => "\"smtps://mail.example:465\"",
        Shape::Address => "\"127.0.0.1:8125\"",
        Shape::Argv => "[\"program\", \"argument\"]",
        Shape::Texts => "[\"a@example.com\"]",
        Shape::Table => "{ name = \"value\" }",
        Shape::Auth => "{ bearer = \"${TOKEN}\" }",
        Shape::Tls => "{ ca = \"ca.pem\" }",
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
        Shape::Tls => Setting::Table(tls(field)?),
        Shape::Argv => Setting::Texts(argv(field)?),
        Shape::Texts if matches!(field.node.value, super::Value::Text(_)) => Setting::Texts(vec![field.text()?]),
        Shape::Texts => Setting::Texts(field.texts()?),
        Shape::Text | Shape::Path | Shape::Url | Shape::Mail | Shape::Address => Setting::Text(field.text()?),
    };
    let mut is_right = true;
    if let Setting::Text(text) = &setting {
        if let Some(literal) = text.literal() {
            let wrong = match slot.shape {
                Shape::Url => url(literal),
                Shape::Mail => mail(literal),
                Shape::Address => address(literal),
                _ if literal.is_empty() => Err("it is empty".to_owned()),
                _ => Ok(()),
            };
            if let Err(why) = &wrong {
                field.wrong(format!("`{}`: {why}", field.key)).help(format!(
                    "write `{} = {}`",
                    field.key,
                    example(slot.shape)
                ));
                is_right = false;
            }
        }
        if slot.secret {
            secrets::warn(text, slot.key, field.reading());
        } else {
            secrets::warn_url(text, field.reading());
        }
    }
    is_right.then_some(setting)
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

/// Paths of PEM files.
fn tls(field: Field<'_>) -> Option<Vec<(Key, Text)>> {
    let section = field.table("`tls`")?;
    let paths: Vec<(Key, Text)> = ["ca", "cert", "key"]
        .into_iter()
        .filter_map(|name| Some((Key { name: name.to_owned(), place: section.key_place(name) }, section.text(name)?)))
        .collect();
    if section.has("cert") != section.has("key") {
        section.wrong("", "`cert` and `key` belong together");
    }
    section.finish();
    Some(paths)
}

fn argv(field: Field<'_>) -> Option<Vec<Text>> {
    if let Node { value: super::Value::Text(line), .. } = field.node {
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

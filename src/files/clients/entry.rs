//! What the entries of most clients have in common: a command with arguments and variables, or a URL with headers. Every
//! mistake stays with its entry; the others remain usable.

use std::cell::Cell;
use std::time::Duration;

use super::{File, Format, Item};
use crate::config::names::check_name;
use crate::config::{Diag, Field, Key, Node, Part, Place, Reading, Section, Text, Unset, Value, has_errors};
use crate::plan::{Imported, ImportedEndpoint, TransportChoice, check_url};

/// A start that takes longer than this is no start.
const TIMEOUT_MAX: Duration = Duration::from_secs(24 * 60 * 60);

/// Keys that other clients use for the same thing: what stands in the file, and what was probably meant.
const ALIASES: &[(&str, &str)] = &[
    ("arguments", "args"),
    ("cmd", "command"),
    ("executable", "command"),
    ("environment", "env"),
    ("environmentVariables", "env"),
    ("uri", "url"),
    ("endpoint", "url"),
    ("serverUrl", "url"),
    ("httpUrl", "url"),
    ("baseUrl", "url"),
    ("url", "serverUrl"),
    ("http_headers", "headers"),
    ("requestHeaders", "headers"),
    ("transportType", "type"),
    ("transport_type", "type"),
    ("transport", "type"),
    ("type", "transport"),
    ("workingDirectory", "cwd"),
    ("env_file", "envFile"),
];

/// The unit of a number that is a time.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Unit {
    /// Thousandths.
    Milliseconds,
    /// Whole ones and fractions.
    Seconds,
}

/// How a client reaches a server.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// It starts it.
    Stdio,
    /// Over HTTP.
    Http(TransportChoice),
}

/// An entry of a client's file, being read.
pub struct Entry<'a> {
    /// The file.
    pub file: &'a File<'a>,
    /// What it says.
    pub section: Section<'a>,
    /// What came of it.
    pub imported: Imported,
    place: &'a Place,
    /// Whether a text of the entry took in what the client knows of this machine, and goes to a server.
    sends_facts: Cell<bool>,
}

impl Entry<'_> {
    /// Reads an entry, with everything that is wrong with it.
    pub fn import(file: &File<'_>, item: &Item<'_>) -> Imported {
        let written = match file.client.format {
            Format::Json => item.node.place.text().to_owned(),
            Format::Toml => written(&item.node),
        };
        let imported = Imported::new(&item.key, file.client.id, written);
        let reading = Reading::new(file.environment);
        check_name(&item.key, "target", &reading);
        let mut imported = match &item.node.value {
            Value::Table(table) => {
                let section = Section::new(table, "the entry", &item.node.place, &reading);
                let mut entry = Entry { file, section, imported, place: &item.key.place, sends_facts: Cell::default() };
                (file.client.read)(&mut entry);
                entry.known(file.client.keys);
                entry.told_unknown();
                entry.imported.sends_facts = entry.sends_facts.get();
                entry.imported
            }
            other => {
                let message = format!("the entry `{}` must be an object, this is {}", item.key.name, other.kind());
                reading.report(Diag::error(&item.node.place, message));
                imported
            }
        };
        imported.problems.extend(reading.into_diags());
        if imported.endpoint.is_none() && !has_errors(&imported.problems) {
            let message = format!("the entry `{}` has neither a command nor a URL", item.key.name);
            imported.problems.push(Diag::error(&item.key.place, message));
        }
        imported.problems.sort_by_key(|diag| diag.place.as_ref().map(|place| place.span.start));
        imported
    }
}

impl Entry<'_> {
    /// Records a mistake of the entry as a whole.
    pub fn wrong(&self, message: impl Into<String>, help: impl Into<String>) {
        self.section.reading().report(Diag::error(self.place, message).help(help));
    }

    /// Records that a key disappoints.
    pub fn warn(&self, key: &str, message: impl Into<String>, help: impl Into<String>) {
        let diag = Diag::warning(&self.section.key_place(key), message).help(help);
        self.section.reading().report(diag);
    }

    /// These keys are no mistake, whatever they say.
    pub fn known(&self, keys: &[&'static str]) {
        for key in keys {
            let _ = self.section.has(key);
        }
    }

    /// Keys that are nearly what the client knows, or what another one would say.
    fn told_unknown(&self) {
        let title = self.file.client.title;
        for (key, near) in self.section.unasked() {
            let alias = ALIASES.iter().filter(|(alias, _)| *alias == key.name).map(|(_, meant)| *meant);
            let keys = self.file.client.keys;
            let meant = alias.into_iter().find(|meant| keys.contains(meant)).or(near);
            if let Some(meant) = meant {
                let message = format!("{title} ignores `{}`", key.name);
                let diag = Diag::warning(&key.place, message).help(format!("write `{meant}`"));
                self.section.reading().report(diag);
            } else if matches!(key.name.as_str(), "disabled" | "enabled") {
                let message = format!("{title} ignores `{}`: it uses this entry all the same", key.name);
                let diag = Diag::warning(&key.place, message).help("turn it off in the client itself");
                self.section.reading().report(diag);
            }
        }
    }

    /// What is to be told of a key that only the client itself can follow.
    pub fn only_client(&self, key: &'static str, what: &str, help: &str) {
        if self.section.has(key) {
            let title = self.file.client.title;
            self.warn(key, format!("`{key}`: {title} {what}; mcp-probe does not"), help);
        }
    }

    /// `oauth` and its like.
    pub fn signs_in(&self, key: &'static str) {
        let help = "where the server asks for a token, give one with --bearer";
        self.only_client(key, "signs in for the user", help);
    }

    /// A string with the client's variables taken apart. What becomes of those that are not set is told.
    pub fn text(&self, field: Field<'_>) -> Option<Text> {
        self.text_as(field, field.key)
    }

    fn text_as(&self, field: Field<'_>, key: &str) -> Option<Text> {
        let raw = field.text()?;
        let written = raw.literal()?;
        if written.contains('\0') {
            field.wrong(format!("`{key}` holds a NUL character, which nothing can be told"));
            return None;
        }
        let parts = (self.file.client.expand)(written, key, self.file);
        let goes_out = key.contains("headers") || key.to_ascii_lowercase().ends_with("url");
        if goes_out && !stands_as_written(&parts, written) {
            self.sends_facts.set(true);
        }
        for part in &parts {
            self.tell_unset(part, written, &raw.place);
        }
        Some(Text::of(parts, &raw.place))
    }

    fn tell_unset(&self, part: &Part, whole: &str, place: &Place) {
        let title = self.file.client.title;
        let (message, help) = match part {
            Part::Foreign { name, unset, .. } if self.file.environment.variable(name).is_none() => match unset {
                Unset::Empty => (format!("`{name}` is not set: {title} puts nothing in its place"), "set it"),
                Unset::AsWritten => (
                    format!("`{name}` is not set: {title} leaves the text as it is written"),
                    "set it, or give a default",
                ),
                Unset::Default(_) | Unset::Mistake => return,
            },
            Part::Literal(text) if !whole.contains("$${") && looks_like_variable(text) => (
                format!("{title} knows no such variable: the text goes to the server as it is written"),
                "write what this client replaces (docs/clients.md), or the value",
            ),
            _ => return,
        };
        self.section.reading().report(Diag::warning(place, message).help(help));
    }

    /// What most clients read: a `type` of these words, a command or a `url`, and `oauth`.
    pub fn usual(&mut self, words: &[(&str, Kind)]) {
        match self.kind("type", words, "url") {
            Some(Kind::Stdio) => self.stdio(),
            Some(Kind::Http(transport)) => {
                self.remote("url", transport);
                self.signs_in("oauth");
            }
            None => {}
        }
    }

    /// `command`, `args`, `env` and `cwd`.
    pub fn stdio(&mut self) {
        self.command();
        self.imported.env = self.env("env");
        self.imported.cwd = self.section.field("cwd").and_then(|field| self.text(field));
    }

    /// `command` and `args`.
    pub fn command(&mut self) {
        let Some(field) = self.section.field("command") else {
            self.wrong(
                format!("the entry `{}` names no `command`", self.imported.name),
                "write `command` with the program, and `args` with its arguments",
            );
            return;
        };
        let Some(program) = self.text(field) else { return };
        if program.literal().is_some_and(|program| program.trim().is_empty()) {
            field.wrong("`command` names no program");
            return;
        }
        if let Some(line) = program.literal().filter(|line| self.is_line(line)) {
            let message = format!("`command` is one program, and this has spaces: {line:?}");
            self.warn("command", message, "write the arguments into `args`");
        }
        let mut argv = vec![program];
        let args = self.section.field("args");
        for field in args.and_then(|field| field.items("an array of strings")).unwrap_or_default() {
            argv.extend(self.text(field));
        }
        self.imported.endpoint = Some(ImportedEndpoint::Command(argv));
    }

    /// Whether a command looks like a whole line of a shell rather than a path with spaces.
    fn is_line(&self, command: &str) -> bool {
        let first = command.split(' ').next().unwrap_or_default();
        command.contains(' ') && !first.contains(['/', '\\']) && self.section.field("args").is_none()
    }

    /// The URL under a key, and `headers`.
    pub fn remote(&mut self, key: &'static str, transport: TransportChoice) {
        self.url(key, transport);
        self.imported.headers = self.headers("headers");
    }

    /// The URL under a key.
    pub fn url(&mut self, key: &'static str, transport: TransportChoice) {
        self.imported.transport = transport;
        let Some(field) = self.section.field(key) else {
            self.wrong(format!("the entry `{}` names no `{key}`", self.imported.name), format!("write `{key}`"));
            return;
        };
        let Some(text) = self.text(field) else { return };
        if let Some(Err(why)) = text.literal().map(check_url) {
            field.wrong(format!("`{key}`: {why}"));
            return;
        }
        self.imported.endpoint = Some(ImportedEndpoint::Url(text));
    }

    /// A table of headers.
    pub fn headers(&self, key: &'static str) -> Vec<(Key, Text)> {
        self.pairs(key)
    }

    /// A table of variables for the child.
    pub fn env(&self, key: &'static str) -> Vec<(Key, Text)> {
        self.pairs(key)
    }

    /// Whether this can name a header, or a variable, whichever stands under `under`; told where it cannot.
    pub fn is_pair(&self, key: &Key, under: &str) -> bool {
        let is_header = under.contains("headers");
        let (is_name, what) = if is_header {
            (http::HeaderName::from_bytes(key.name.as_bytes()).is_ok(), "a header")
        } else {
            (!key.name.is_empty() && !key.name.contains(['=', '\0']), "a variable")
        };
        if !is_name {
            self.section.reading().report(Diag::error(&key.place, format!("{:?} is no name of {what}", key.name)));
        }
        is_name
    }

    fn pairs(&self, key: &'static str) -> Vec<(Key, Text)> {
        let section = self.section.section(key);
        let pairs = section.iter().flat_map(Section::entries);
        let pairs = pairs.filter(|(name, _)| self.is_pair(name, key));
        pairs.filter_map(|(name, field)| Some((name.clone(), self.text_as(field, key)?))).collect()
    }

    /// Which transport a word under `key` means; without the key, what a URL or a command says. None when it is a mistake.
    pub fn kind(&self, key: &'static str, words: &[(&str, Kind)], url: &'static str) -> Option<Kind> {
        if self.section.has(key) {
            return self.section.one_of(key, words);
        }
        let over_http = self.section.has(url) && !self.section.has("command");
        Some(if over_http { Kind::Http(TransportChoice::Auto) } else { Kind::Stdio })
    }

    /// That an entry says both where a server is and how to start it, for the clients that take only one.
    pub fn both(&self, one: &'static str, other: &'static str) -> bool {
        let both = self.section.has(one) && self.section.has(other);
        if both {
            let message = format!("the entry `{}` has both `{one}` and `{other}`", self.imported.name);
            self.wrong(message, "a server is started, or reached over HTTP: leave one of them out");
        }
        both
    }

    /// A time. What makes no sense is told and left out.
    pub fn time(&self, key: &'static str, unit: Unit) -> Option<Duration> {
        self.time_of(self.section.field(key)?, unit)
    }

    /// The same for a value that stands deeper.
    pub fn time_of(&self, field: Field<'_>, unit: Unit) -> Option<Duration> {
        let key = field.key;
        let number = match field.node.value {
            #[expect(clippy::cast_precision_loss, reason = "a time that long is refused")]
            Value::Integer(number) => number as f64,
            Value::Float(number) => number,
            _ => return field.expected("a number"),
        };
        let seconds = match unit {
            Unit::Milliseconds => number / 1_000.0,
            Unit::Seconds => number,
        };
        let time = Duration::try_from_secs_f64(seconds).ok().filter(|time| !time.is_zero() && *time <= TIMEOUT_MAX);
        if time.is_none() {
            let unit = if unit == Unit::Seconds { "seconds" } else { "milliseconds" };
            let message = format!("`{key}` is {number} {unit}, which is no time to wait: it is left out");
            let help = format!("{} counts `{key}` in {unit}", self.file.client.title);
            self.section.reading().report(Diag::warning(field.place(), message).help(help));
        }
        time
    }

    /// That a switch turns the entry off. `on` is the value that means it is in use.
    pub fn switch(&mut self, key: &'static str, on: bool) {
        let Some(field) = self.section.field(key) else { return };
        if field.bool().is_some_and(|value| value != on) {
            self.imported.disabled = Some(format!("`{key}` is {} in the file of {}", !on, self.file.client.title));
        }
    }

    /// The file of variables under `envFile`.
    pub fn env_file(&mut self) {
        self.imported.env_file = self.section.field("envFile").and_then(|field| self.text(field));
    }
}

/// Whether literals among the parts are what was written, and not what the client put in place of its own variables.
fn stands_as_written(parts: &[Part], written: &str) -> bool {
    let mut rest = written;
    parts.iter().all(|part| {
        let (plain, escaped) = match part {
            Part::Literal(text) => (text.as_str(), text.replace("${", "$${")),
            Part::Foreign { written, .. } | Part::Unfillable { written, .. } => (written.as_str(), written.clone()),
            // These count as something of this machine by themselves.
            Part::Variable { .. } | Part::File(_) | Part::Saved(_) => return false,
        };
        let after = rest.strip_prefix(plain).or_else(|| rest.strip_prefix(escaped.as_str()));
        rest = after.unwrap_or_default();
        after.is_some()
    })
}

/// Whether something in a text was meant as a variable: `${…}` or `{env:…}`.
fn looks_like_variable(text: &str) -> bool {
    let inside = |open: &str| {
        text.split(open).skip(1).any(|rest| {
            let inside = rest.split_once('}').map_or("", |(inside, _)| inside);
            !inside.is_empty() && inside.chars().all(|c| c.is_ascii_alphanumeric() || "_:.-".contains(c))
        })
    };
    inside("${") || inside("{env:")
}

/// A TOML entry line by line: its tables may stand anywhere in the file.
fn written(node: &Node) -> String {
    fn visit(prefix: &str, node: &Node, lines: &mut Vec<String>) {
        match &node.value {
            Value::Table(table) => {
                for (key, node) in &table.entries {
                    let name = if prefix.is_empty() { key.name.clone() } else { format!("{prefix}.{}", key.name) };
                    visit(&name, node, lines);
                }
            }
            _ => lines.push(format!("{prefix} = {}", node.place.text().trim())),
        }
    }
    let mut lines = Vec::new();
    visit("", node, &mut lines);
    lines.join("\n")
}

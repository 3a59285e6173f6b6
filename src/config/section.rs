//! Typed reading of spanned tables. A [`Section`] hands out values by key and records what is wrong with them; when
//! it is finished, every key that nobody asked for is reported with the nearest that was.

use std::cell::RefCell;
use std::time::Duration;

use serde_json::Value as Json;

use super::diag::Diag;
use super::source::Place;
use super::suggest;
use super::template::Template;
use super::text::{Environment, Text};
use super::tree::{Key, Node, Table, Value};
use crate::base::duration;

/// One reading of probe files: where variables come from, and the mistakes so far.
pub struct Reading<'a> {
    environment: &'a dyn Environment,
    diags: RefCell<Vec<Diag>>,
    unset: RefCell<Vec<Diag>>,
    advice: RefCell<Vec<Diag>>,
    /// What every finished table was called, and the keys it was asked for.
    #[cfg(test)]
    pub(crate) asked: RefCell<Vec<(String, Vec<&'static str>)>>,
}

impl<'a> Reading<'a> {
    /// A reading without mistakes.
    #[must_use]
    pub fn new(environment: &'a dyn Environment) -> Self {
        Self {
            environment,
            diags: RefCell::default(),
            unset: RefCell::default(),
            advice: RefCell::default(),
            #[cfg(test)]
            asked: RefCell::default(),
        }
    }

    /// Records a mistake.
    pub fn report(&self, diag: Diag) {
        self.diags.borrow_mut().push(diag);
    }

    /// Records several.
    pub fn report_all(&self, diags: impl IntoIterator<Item = Diag>) {
        self.diags.borrow_mut().extend(diags);
    }

    /// Records a warning that only `validate` shows: what matters when the file is written, not on every run.
    pub fn advise(&self, diag: Diag) {
        self.advice.borrow_mut().push(diag.softened());
    }

    /// The advice so far.
    #[must_use]
    pub fn take_advice(&self) -> Vec<Diag> {
        self.advice.take()
    }

    /// How many mistakes and warnings there are.
    #[must_use]
    pub fn count(&self) -> usize {
        self.diags.borrow().len()
    }

    /// Variables that were missing since this was last asked. They are mistakes only of a target, probe or step
    /// that is selected, so its owner keeps them.
    #[must_use]
    pub fn take_unset(&self) -> Vec<Diag> {
        self.unset.take()
    }

    /// All mistakes, in the order of files and lines.
    #[must_use]
    pub fn into_diags(self) -> Vec<Diag> {
        self.diags.into_inner()
    }
}

/// A value on its way to becoming a setting.
#[derive(Clone, Copy)]
pub struct Field<'a> {
    /// The value.
    pub node: &'a Node,
    /// What it is called in messages.
    pub key: &'a str,
    reading: &'a Reading<'a>,
}

impl<'a> Field<'a> {
    /// A value called `key`.
    #[must_use]
    pub fn new(node: &'a Node, key: &'a str, reading: &'a Reading<'a>) -> Self {
        Self { node, key, reading }
    }

    /// Where it was written.
    #[must_use]
    pub fn place(&self) -> &'a Place {
        &self.node.place
    }

    /// The reading it belongs to.
    #[must_use]
    pub fn reading(&self) -> &'a Reading<'a> {
        self.reading
    }

    /// Records a mistake at this value.
    pub fn wrong(&self, message: impl Into<String>) -> Diagnosis<'a> {
        Diagnosis { reading: self.reading, diag: Some(Diag::error(&self.node.place, message)) }
    }

    /// Records that it is of another kind than expected.
    #[must_use]
    pub fn expected<T>(&self, what: &str) -> Option<T> {
        let kind = self.node.value.kind();
        let diag = Diag::error(&self.node.place, format!("`{}` must be {what}", self.key));
        let bare = match &self.node.value {
            Value::Text(text) if what != "a table" && !what.starts_with("an array") => text.literal(),
            _ => None,
        };
        let bare = match bare {
            Some("yes" | "on") => Some("true"),
            Some("no" | "off") => Some("false"),
            bare => bare.filter(|word| word.parse::<i64>().is_ok() || matches!(*word, "true" | "false")),
        };
        let help = bare.map(|word| format!("write `{word}`, without quotes"));
        self.reading.report(diag.label(format!("this is {kind}")).maybe_help(help));
        None
    }

    /// A string whose variables are resolved later.
    #[must_use]
    pub fn text(&self) -> Option<Text> {
        match &self.node.value {
            Value::Text(text) => Some(text.clone()),
            _ => self.expected("a string"),
        }
    }

    /// A string. When a variable in it is not set there is no value, and no mistake yet: see
    /// [`Reading::take_unset`].
    #[must_use]
    pub fn string(&self) -> Option<String> {
        self.resolved(&self.text()?)
    }

    fn resolved(&self, text: &Text) -> Option<String> {
        match text.resolve(self.key, self.reading.environment) {
            Ok(resolved) => Some(resolved.value),
            Err(diag) => {
                self.reading.unset.borrow_mut().push(*diag);
                None
            }
        }
    }

    /// A duration such as `"10s"`.
    #[must_use]
    pub fn duration(&self) -> Option<Duration> {
        self.written(duration::parse, "a duration such as \"250ms\", \"10s\" or \"1m30s\"", "\"10s\"")
    }

    /// A duration above zero.
    #[must_use]
    pub fn positive_duration(&self) -> Option<Duration> {
        let duration = self.duration()?;
        if duration.is_zero() {
            self.wrong(format!("`{}` must be more than zero", self.key));
            return None;
        }
        Some(duration)
    }

    /// A size such as `"64KiB"`.
    #[must_use]
    pub fn size(&self) -> Option<u64> {
        self.written(duration::parse_size, "a size such as \"512B\", \"64KiB\" or \"16MiB\"", "\"64KiB\"")
    }

    /// A part of a whole such as `"2%"`, as a share between 0 and 1.
    #[must_use]
    pub fn percent(&self) -> Option<f64> {
        if let Value::Integer(number) = self.node.value {
            self.wrong(format!("`{}` must be a percentage", self.key)).help(format!("write \"{number}%\""));
            return None;
        }
        if let Value::Float(number) = self.node.value {
            self.wrong(format!("`{}` must be a percentage", self.key)).help(format!("write \"{number}%\""));
            return None;
        }
        self.written(percent, "a percentage such as \"2%\"", "\"2%\"")
    }

    fn written<T>(&self, parse: fn(&str) -> Result<T, String>, what: &str, example: &str) -> Option<T> {
        if let Value::Integer(number) = self.node.value {
            self.wrong(format!("`{}` must be {what}", self.key))
                .label("a number without a unit")
                .help(format!("write a string with its unit, like {example}, not {number}"));
            return None;
        }
        let Value::Text(text) = &self.node.value else { return self.expected(what) };
        match parse(&self.resolved(text)?) {
            Ok(value) => Some(value),
            Err(why) => {
                let help = text.literal().and_then(meant_duration).filter(|_| example == "\"10s\"");
                self.wrong(format!("`{}`: {why}", self.key)).maybe_help(help);
                None
            }
        }
    }

    /// An integer.
    #[must_use]
    pub fn integer(&self) -> Option<i64> {
        match self.node.value {
            Value::Integer(integer) => Some(integer),
            _ => self.expected("an integer"),
        }
    }

    /// An integer that is not negative.
    #[must_use]
    pub fn count(&self) -> Option<u64> {
        let integer = self.integer()?;
        u64::try_from(integer).map_err(|_| self.wrong(format!("`{}` cannot be negative", self.key))).ok()
    }

    /// A boolean.
    #[must_use]
    pub fn bool(&self) -> Option<bool> {
        match self.node.value {
            Value::Bool(boolean) => Some(boolean),
            _ => self.expected("`true` or `false`"),
        }
    }

    /// The items of an array.
    #[must_use]
    pub fn items(&self, what: &str) -> Option<Vec<Field<'a>>> {
        match &self.node.value {
            Value::Array(items) => {
                Some(items.iter().map(|node| Field { node, key: self.key, reading: self.reading }).collect())
            }
            _ => self.expected(what),
        }
    }

    /// An array of strings whose variables are resolved later.
    #[must_use]
    pub fn texts(&self) -> Option<Vec<Text>> {
        self.items("an array of strings")?.iter().map(Field::text).collect()
    }

    /// An array of strings.
    #[must_use]
    pub fn strings(&self) -> Option<Vec<String>> {
        self.items("an array of strings")?.iter().map(Field::string).collect()
    }

    /// One string, or an array of them.
    #[must_use]
    pub fn one_or_more(&self) -> Option<Vec<(String, &'a Place)>> {
        match &self.node.value {
            Value::Array(_) => {
                self.items("")?.iter().map(|item| item.string().map(|text| (text, item.place()))).collect()
            }
            Value::Text(_) => Some(vec![(self.string()?, self.place())]),
            _ => self.expected("a string or an array of strings"),
        }
    }

    /// A table, called `what` in messages.
    #[must_use]
    pub fn table(&self, what: &str) -> Option<Section<'a>> {
        match &self.node.value {
            Value::Table(table) => Some(Section::new(table, what, &self.node.place, self.reading)),
            _ => self.expected("a table"),
        }
    }

    /// The text of a document, at a path relative to the file that says it.
    ///
    /// # Errors
    /// Why it could not be read, in words.
    pub fn document(&self, said: &str) -> Result<String, String> {
        self.reading.environment.document(&self.node.place.source.path(said))
    }

    /// Whether it is a string.
    #[must_use]
    pub fn is_text(&self) -> bool {
        matches!(self.node.value, Value::Text(_))
    }

    /// Whether it is a table.
    #[must_use]
    pub fn is_table(&self) -> bool {
        matches!(self.node.value, Value::Table(_))
    }

    /// JSON whose variables are resolved later.
    #[must_use]
    pub fn template(&self) -> Template {
        Template::of(self.node)
    }

    /// JSON.
    #[must_use]
    pub fn json(&self) -> Option<Json> {
        let resolved = self.template().resolve(self.key, self.reading.environment);
        let filled = resolved.map(|template| (template.saved_names().is_empty(), template.fill(&super::Saved::new())));
        match filled {
            Ok((true, Ok(json))) => Some(json),
            Ok(_) => {
                self.wrong(format!("`{}` cannot hold `${{save.…}}`", self.key))
                    .help("what a step saved can stand in the `arguments` and `params` of later steps");
                None
            }
            Err(unset) => {
                self.reading.unset.borrow_mut().extend(unset);
                None
            }
        }
    }

    /// One of a few words.
    #[must_use]
    pub fn one_of<T: Copy>(&self, words: &[(&str, T)]) -> Option<T> {
        let word = self.string()?;
        let found = words.iter().find(|(name, _)| *name == word).map(|(_, value)| *value);
        if found.is_none() {
            let names: Vec<&str> = words.iter().map(|(name, _)| *name).collect();
            self.wrong(format!("`{}` cannot be `{word}`", self.key)).maybe_help(suggest::sentence(&word, names));
        }
        found
    }
}

/// `2%` as a share.
///
/// # Errors
/// A sentence that says what was expected, for the person who wrote the text.
pub fn percent(text: &str) -> Result<f64, String> {
    let text = text.trim();
    let digits = text.strip_suffix('%').map(str::trim).ok_or_else(|| format!("{text:?} does not end with `%`"))?;
    let percent: f64 = digits.parse().map_err(|_| format!("{digits:?} is no number"))?;
    if (0.0..=100.0).contains(&percent) {
        Ok(percent / 100.0)
    } else {
        Err(format!("{text:?} is not between 0 % and 100 %"))
    }
}

/// What was probably meant by a number with a unit that no duration has.
fn meant_duration(text: &str) -> Option<String> {
    const UNITS: &[(&str, &[&str])] = &[
        ("ms", &["ms", "msec", "msecs", "milli", "millis", "millisecond", "milliseconds"]),
        ("s", &["s", "sec", "secs", "second", "seconds"]),
        ("m", &["m", "min", "mins", "minute", "minutes"]),
        ("h", &["h", "hr", "hrs", "hour", "hours"]),
        ("d", &["d", "day", "days"]),
    ];
    let text = text.trim();
    let digits_end = text.find(|c: char| !c.is_ascii_digit()).filter(|end| *end > 0)?;
    let (digits, unit) = (&text[..digits_end], text[digits_end..].trim().to_lowercase());
    let names = || UNITS.iter().flat_map(|(_, names)| names.iter().copied());
    let name = suggest::nearest(&unit, names())?;
    let (unit, _) = UNITS.iter().find(|(_, names)| names.contains(&name))?;
    Some(format!("did you mean \"{digits}{unit}\"?"))
}

/// A mistake being described; it is recorded when the description ends.
pub struct Diagnosis<'a> {
    reading: &'a Reading<'a>,
    diag: Option<Diag>,
}

impl Diagnosis<'_> {
    /// With a few words at the place.
    #[expect(clippy::return_self_not_must_use, reason = "dropping it records it")]
    pub fn label(mut self, label: impl Into<String>) -> Self {
        self.diag = self.diag.take().map(|diag| diag.label(label));
        self
    }

    /// With what to write instead.
    #[expect(clippy::return_self_not_must_use, reason = "dropping it records it")]
    pub fn help(mut self, help: impl Into<String>) -> Self {
        self.diag = self.diag.take().map(|diag| diag.help(help));
        self
    }

    /// With what to write instead, where there is something to say.
    #[expect(clippy::return_self_not_must_use, clippy::must_use_candidate, reason = "dropping it records it")]
    pub fn maybe_help(mut self, help: Option<String>) -> Self {
        self.diag = self.diag.take().map(|diag| diag.maybe_help(help));
        self
    }
}

impl Drop for Diagnosis<'_> {
    fn drop(&mut self) {
        if let Some(diag) = self.diag.take() {
            self.reading.report(diag);
        }
    }
}

/// A table being read.
pub struct Section<'a> {
    table: &'a Table,
    what: String,
    place: Place,
    reading: &'a Reading<'a>,
    asked: RefCell<Vec<&'static str>>,
}

impl<'a> Section<'a> {
    /// A table, called `what` in messages.
    #[must_use]
    pub fn new(table: &'a Table, what: &str, place: &Place, reading: &'a Reading<'a>) -> Self {
        Self { table, what: what.to_owned(), place: place.clone(), reading, asked: RefCell::default() }
    }

    /// What it is called in messages.
    #[must_use]
    pub fn what(&self) -> &str {
        &self.what
    }

    /// Where it was written.
    #[must_use]
    pub fn place(&self) -> &Place {
        &self.place
    }

    /// The reading it belongs to.
    #[must_use]
    pub fn reading(&self) -> &'a Reading<'a> {
        self.reading
    }

    /// Every entry; asking for all counts as asking for each.
    pub fn entries(&self) -> impl Iterator<Item = (&'a Key, Field<'a>)> + use<'a> {
        let reading = self.reading;
        self.table.entries.iter().map(move |(key, node)| (key, Field::new(node, &key.name, reading)))
    }

    /// Whether a key stands there; also marks it as known.
    #[must_use]
    pub fn has(&self, key: &'static str) -> bool {
        self.field(key).is_some()
    }

    /// The place of a key, or of the table where it does not stand.
    #[must_use]
    pub fn key_place(&self, key: &str) -> Place {
        self.table.key(key).map_or_else(|| self.place.clone(), |key| key.place.clone())
    }

    /// The value of a key.
    #[must_use]
    pub fn field(&self, key: &'static str) -> Option<Field<'a>> {
        let mut asked = self.asked.borrow_mut();
        if !asked.contains(&key) {
            asked.push(key);
        }
        self.table.get(key).map(|node| Field::new(node, key, self.reading))
    }

    /// A string.
    #[must_use]
    pub fn string(&self, key: &'static str) -> Option<String> {
        self.field(key)?.string()
    }

    /// A string whose variables are resolved later.
    #[must_use]
    pub fn text(&self, key: &'static str) -> Option<Text> {
        self.field(key)?.text()
    }

    /// One name or several with their places; a name that stands there twice is a mistake.
    #[must_use]
    pub fn names(&self, key: &'static str) -> Vec<(String, Place)> {
        let mut kept: Vec<(String, Place)> = Vec::new();
        for (name, place) in self.field(key).and_then(|field| field.one_or_more()).unwrap_or_default() {
            if let Some((_, first)) = kept.iter().find(|(have, _)| *have == name) {
                let diag = Diag::error(place, format!("`{name}` is named twice"));
                self.reading.report(diag.label("again here").also(first, "first here"));
            } else {
                kept.push((name, place.clone()));
            }
        }
        kept
    }

    /// An array of strings whose variables are resolved later.
    #[must_use]
    pub fn texts(&self, key: &'static str) -> Option<Vec<Text>> {
        self.field(key)?.texts()
    }

    /// An array of strings.
    #[must_use]
    pub fn strings(&self, key: &'static str) -> Option<Vec<String>> {
        self.field(key)?.strings()
    }

    /// A duration above zero.
    #[must_use]
    pub fn duration(&self, key: &'static str) -> Option<Duration> {
        self.field(key)?.positive_duration()
    }

    /// A size.
    #[must_use]
    pub fn size(&self, key: &'static str) -> Option<u64> {
        self.field(key)?.size()
    }

    /// An integer.
    #[must_use]
    pub fn integer(&self, key: &'static str) -> Option<i64> {
        self.field(key)?.integer()
    }

    /// An integer that is not negative.
    #[must_use]
    pub fn count(&self, key: &'static str) -> Option<u64> {
        self.field(key)?.count()
    }

    /// A boolean.
    #[must_use]
    pub fn bool(&self, key: &'static str) -> Option<bool> {
        self.field(key)?.bool()
    }

    /// A table under a key.
    #[must_use]
    pub fn section(&self, key: &'static str) -> Option<Section<'a>> {
        self.field(key)?.table(&format!("`{key}`"))
    }

    /// An array of tables under a key, each called `what` in messages.
    #[must_use]
    pub fn sections(&self, key: &'static str, what: &str) -> Vec<Section<'a>> {
        let Some(field) = self.field(key) else { return Vec::new() };
        if field.is_table() {
            field.wrong(format!("`{key}` must be an array of tables")).help(format!("write {what}"));
            return Vec::new();
        }
        let items = field.items("an array of tables").unwrap_or_default();
        items.iter().filter_map(|item| item.table(what)).collect()
    }

    /// JSON under a key.
    #[must_use]
    pub fn json(&self, key: &'static str) -> Option<Json> {
        self.field(key)?.json()
    }

    /// One of a few words under a key.
    #[must_use]
    pub fn one_of<T: Copy>(&self, key: &'static str, words: &[(&str, T)]) -> Option<T> {
        self.field(key)?.one_of(words)
    }

    /// Records a mistake at a key, or at the table where the key does not stand.
    pub fn wrong(&self, key: &str, message: impl Into<String>) -> Diagnosis<'a> {
        Diagnosis { reading: self.reading, diag: Some(Diag::error(&self.key_place(key), message)) }
    }

    /// Whether a key is missing, and no other one seems to be a slip of it: one mistake is told once.
    #[must_use]
    pub fn lacks(&self, key: &'static str) -> bool {
        let meant = |have: &Key| suggest::nearest(&have.name, [key]).is_some();
        !self.has(key) && !self.table.entries.iter().any(|(have, _)| meant(have))
    }

    /// The keys that nobody asked for, each with the nearest that was.
    #[must_use]
    pub fn unasked(&self) -> Vec<(&'a Key, Option<&'static str>)> {
        let asked = self.asked.borrow();
        let unasked = self.table.entries.iter().map(|(key, _)| key).filter(|key| !asked.contains(&key.name.as_str()));
        unasked.map(|key| (key, suggest::nearest(&key.name, asked.iter().copied()))).collect()
    }

    /// Ends the reading of this table: every key that was not asked for is a mistake.
    pub fn finish(self) {
        let asked = self.asked.borrow();
        #[cfg(test)]
        self.reading.asked.borrow_mut().push((self.what.clone(), asked.clone()));
        for (key, _) in &self.table.entries {
            if !asked.contains(&key.name.as_str()) {
                let help = suggest::sentence(&key.name, asked.iter().copied());
                let diag = Diag::error(&key.place, format!("unknown key `{}` in {}", key.name, self.what));
                self.reading.report(diag.maybe_help(help));
            }
        }
    }
}

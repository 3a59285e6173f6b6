//! The lock file: TOML that a person can review. Written in one order, so that what did not change stays where it was;
//! read back strictly, so that what was edited by hand, or belongs to a newer version, is said and never used.

use std::collections::{BTreeMap, VecDeque};
use std::sync::Arc;

use serde_json::{Map, Value};

use super::{Entry, LISTS, List, Lock, canonical};
use crate::config::tree::{self, Node, Table, Value as Toml};
use crate::config::written::{key, literal, paragraphs, quoted};
use crate::config::{Diag, Place, Source};
use crate::event::{ServerIdentity, Subject};

/// The version of the format.
const VERSION: i64 = 1;

const HEAD: &str = "\
# The definitions of tools, prompts and resources as the servers gave them. `mcp-probe lock` writes this file, and nothing
# else does: review what changed, and keep it under version control. `mcp-probe check --locked` compares with it.
# Not to be edited: each definition carries the SHA-256 of its canonical JSON.
version = 1
";

/// Members that are text, with their keys in the file.
const TEXTS: &[(&str, &str)] = &[
    ("uri", "uri"),
    ("uriTemplate", "uri_template"),
    ("name", "name"),
    ("title", "title"),
    ("description", "description"),
    ("mimeType", "mime_type"),
];

/// Members that are JSON, with their keys in the file.
const VALUES: &[(&str, &str)] = &[
    ("arguments", "arguments"),
    ("annotations", "annotations"),
    ("inputSchema", "input_schema"),
    ("outputSchema", "output_schema"),
];

/// The text of a lock file.
#[must_use]
pub fn text(lock: &Lock) -> String {
    let mut text = HEAD.to_owned();
    for (name, entry) in &lock.entries {
        write(name, entry, &mut text);
    }
    text
}

fn write(name: &str, entry: &Entry, text: &mut String) {
    let table = format!("target.{}", key(name));
    text.push_str(&format!("\n[{table}]\n"));
    if let Some(ServerIdentity { name, version }) = &entry.server {
        text.push_str(&format!("server = {{ name = {}, version = {} }}\n", quoted(name), quoted(version)));
    }
    if let Some((version, era)) = &entry.protocol {
        text.push_str(&format!("protocol = {{ version = {}, era = {} }}\n", quoted(version), quoted(era)));
    }
    let words = |words: &mut dyn Iterator<Item = String>| words.collect::<Vec<_>>().join(", ");
    text.push_str(&format!("declared = [{}]\n", words(&mut entry.declared.iter().map(|word| quoted(word)))));
    let methods = LISTS.iter().filter(|list| entry.lists.contains_key(&list.subject));
    text.push_str(&format!("lists = [{}]\n", words(&mut methods.map(|list| quoted(list.method)))));
    if let Some(instructions) = &entry.instructions {
        text.push_str(&format!("instructions = {}\n", paragraphs(instructions)));
    }
    let sorted = |list: &List| -> Vec<Value> {
        let mut items = entry.lists.get(&list.subject).cloned().unwrap_or_default();
        items.sort_by(|one, other| list.name(one).cmp(list.name(other)));
        items
    };
    for list in &LISTS {
        let items = entry.lists.get(&list.subject).map_or(&[][..], Vec::as_slice);
        if !items.is_sorted_by(|one, other| list.name(one) <= list.name(other)) {
            text.push_str(&format!("{}_order = [\n", list.subject.name()));
            for item in items {
                text.push_str(&format!("    {},\n", quoted(list.name(item))));
            }
            text.push_str("]\n");
        }
    }
    for list in &LISTS {
        for item in sorted(list) {
            text.push_str(&format!("\n[[{table}.{}]]\n", list.subject.name()));
            definition(&item, text);
        }
    }
}

fn definition(item: &Value, text: &mut String) {
    if let Value::Object(members) = item {
        let mut rest = members.clone();
        for (member, key) in TEXTS {
            if let Some(Value::String(said)) = members.get(*member) {
                rest.shift_remove(*member);
                text.push_str(&format!("{key} = {}\n", paragraphs(said)));
            }
        }
        for (member, key) in VALUES {
            if let Some(value) = rest.shift_remove(*member) {
                text.push_str(&format!("{key} = {}\n", literal(&canonical::readable(&value))));
            }
        }
        if !rest.is_empty() {
            text.push_str(&format!("more = {}\n", literal(&canonical::readable(&Value::Object(rest)))));
        }
    } else {
        text.push_str(&format!("no_object = {}\n", literal(&canonical::readable(item))));
    }
    text.push_str(&format!("sha256 = \"{}\"\n", canonical::sha256(item)));
}

/// Whether a text looks like a lock file, broken or not.
#[must_use]
pub fn is_like_one(text: &str) -> bool {
    let mut lines = text.lines().map(str::trim).filter(|line| !line.is_empty() && !line.starts_with('#'));
    lines.next().is_some_and(|line| line.split_once('=').is_some_and(|(key, _)| key.trim() == "version"))
}

/// Reads a lock file.
///
/// # Errors
/// Every mistake: no TOML, a newer version, what was edited.
pub fn read(source: &Arc<Source>) -> Result<Lock, Vec<Diag>> {
    let (table, mut diags) = tree::parse_foreign(source);
    let mut reader = Reader { diags: Vec::new() };
    let mut lock = Lock::default();
    // What a newer version writes means nothing here.
    if reader.version(&table, source) && diags.is_empty() {
        for (key, node) in &table.entries {
            match key.name.as_str() {
                "version" => {}
                "target" => lock.entries = reader.entries(node),
                _ => reader.unknown(&key.name, &key.place),
            }
        }
    }
    diags.extend(reader.diags);
    if diags.is_empty() {
        return Ok(lock);
    }
    let help = "write it anew with `mcp-probe lock` after it was moved away, or take it from version control";
    if let Some(first) = diags.first_mut().filter(|first| first.help.is_none()) {
        first.help = Some(help.to_owned());
    }
    Err(diags)
}

struct Reader {
    diags: Vec<Diag>,
}

impl Reader {
    fn wrong(&mut self, place: &Place, message: impl Into<String>) {
        self.diags.push(Diag::error(place, message));
    }

    fn unknown(&mut self, name: &str, place: &Place) {
        self.wrong(place, format!("a lock file of version {VERSION} has no key {name:?} here"));
    }

    fn version(&mut self, table: &Table, source: &Arc<Source>) -> bool {
        match table.get("version") {
            Some(Node { value: Toml::Integer(VERSION), .. }) => return true,
            Some(Node { value: Toml::Integer(version), place }) if *version > VERSION => {
                let message = format!("the lock file has version {version}; this mcp-probe knows version {VERSION}");
                self.diags.push(Diag::error(place, message).help("use the mcp-probe that wrote it, or a newer one"));
            }
            Some(node) => self.wrong(&node.place, format!("`version` must be {VERSION}")),
            None => {
                self.wrong(&Place::new(source, 0..0), format!("this is no lock file: it has no `version = {VERSION}`"));
            }
        }
        false
    }

    fn entries(&mut self, node: &Node) -> BTreeMap<String, Entry> {
        let Some(targets) = self.table(node, "`target`") else { return BTreeMap::default() };
        targets
            .entries
            .iter()
            .filter_map(|(key, node)| {
                let table = self.table(node, "a target")?;
                Some((key.name.clone(), self.entry(table, &node.place)))
            })
            .collect()
    }

    fn table<'a>(&mut self, node: &'a Node, what: &str) -> Option<&'a Table> {
        if let Toml::Table(table) = &node.value {
            return Some(table);
        }
        self.wrong(&node.place, format!("{what} must be a table"));
        None
    }

    fn text(&mut self, node: &Node, key: &str) -> Option<String> {
        if let Toml::Text(text) = &node.value
            && let Some(text) = text.literal()
        {
            return Some(text.to_owned());
        }
        self.wrong(&node.place, format!("`{key}` must be a string"));
        None
    }

    fn texts(&mut self, node: &Node, key: &str) -> Vec<String> {
        if let Toml::Array(items) = &node.value {
            return items.iter().filter_map(|item| self.text(item, key)).collect();
        }
        self.wrong(&node.place, format!("`{key}` must be a list of strings"));
        Vec::new()
    }

    /// Two strings of an inline table.
    fn pair(&mut self, node: &Node, key: &str, names: [&str; 2]) -> Option<(String, String)> {
        let table = self.table(node, &format!("`{key}`"))?;
        for (other, _) in table.entries.iter().filter(|(have, _)| !names.contains(&have.name.as_str())) {
            self.unknown(&other.name, &other.place);
        }
        let mut text = |name: &str| match table.get(name) {
            Some(node) => self.text(node, name),
            None => {
                self.wrong(&node.place, format!("`{key}` has no `{name}`"));
                None
            }
        };
        Some((text(names[0])?, text(names[1])?))
    }

    fn entry(&mut self, table: &Table, place: &Place) -> Entry {
        let mut entry = Entry::default();
        let mut items: Vec<(Subject, Vec<Value>)> = Vec::new();
        let mut orders: Vec<(Subject, Vec<String>)> = Vec::new();
        let mut lists = Vec::new();
        for (key, node) in &table.entries {
            let order = key.name.strip_suffix("_order").and_then(subject);
            match (key.name.as_str(), subject(&key.name), order) {
                ("server", ..) => {
                    let pair = self.pair(node, "server", ["name", "version"]);
                    entry.server =
                        pair.map(|(name, version)| ServerIdentity { name: name.into(), version: version.into() });
                }
                ("protocol", ..) => entry.protocol = self.pair(node, "protocol", ["version", "era"]),
                ("declared", ..) => entry.declared = self.texts(node, "declared"),
                ("lists", ..) => lists = self.texts(node, "lists"),
                ("instructions", ..) => entry.instructions = self.text(node, "instructions"),
                (_, Some(subject), _) => items.push((subject, self.definitions(node, subject))),
                (name, _, Some(subject)) => orders.push((subject, self.texts(node, name))),
                (name, ..) => self.unknown(name, &key.place),
            }
        }
        for method in &lists {
            match super::list_of(method) {
                Some(list) => drop(entry.lists.insert(list.subject, Vec::new())),
                None => self.wrong(place, format!("`lists` names {method:?}, which gives no definitions")),
            }
        }
        for (subject, items) in items {
            match entry.lists.get_mut(&subject) {
                Some(list) => *list = items,
                None => self.wrong(
                    place,
                    format!("there are definitions of a {}, and `lists` has no such list", subject.name()),
                ),
            }
        }
        for (subject, order) in orders {
            let list = entry.lists.remove(&subject).unwrap_or_default();
            match List::of(subject).and_then(|kind| ordered(kind, list, &order)) {
                Some(list) => drop(entry.lists.insert(subject, list)),
                None => {
                    self.wrong(
                        place,
                        format!("`{}_order` does not name the definitions that are here", subject.name()),
                    );
                }
            }
        }
        entry
    }

    fn definitions(&mut self, node: &Node, subject: Subject) -> Vec<Value> {
        let Toml::Array(items) = &node.value else {
            self.wrong(&node.place, format!("`{}` must be a list of tables", subject.name()));
            return Vec::new();
        };
        items.iter().filter_map(|item| self.definition(item, subject)).collect()
    }

    fn definition(&mut self, node: &Node, subject: Subject) -> Option<Value> {
        let table = self.table(node, "a definition")?;
        let before = self.diags.len();
        let mut members = Map::new();
        let mut other = None;
        let mut hash = None;
        for (key, node) in &table.entries {
            let find = |known: &[(&'static str, &'static str)]| {
                known.iter().find(|(_, name)| *name == key.name).map(|(member, _)| (*member).to_owned())
            };
            if let Some(member) = find(TEXTS) {
                members.extend(self.text(node, &key.name).map(|text| (member, text.into())));
            } else if let Some(member) = find(VALUES) {
                members.extend(self.json(node, &key.name).map(|value| (member, value)));
            } else {
                match key.name.as_str() {
                    "more" => {
                        if let Some(Value::Object(more)) = self.json(node, "more") {
                            members.extend(more);
                        }
                    }
                    "no_object" => other = self.json(node, "no_object"),
                    "sha256" => hash = self.text(node, "sha256"),
                    name => self.unknown(name, &key.place),
                }
            }
        }
        let definition = other.unwrap_or(Value::Object(members));
        if self.diags.len() == before && hash.as_deref() != Some(canonical::sha256(&definition).as_str()) {
            let name = List::of(subject).map_or("", |list| list.name(&definition));
            let message = format!("the {} {name:?} was edited: `sha256` is not that of the definition", subject.name());
            self.wrong(table.get("sha256").map_or(&node.place, |node| &node.place), message);
        }
        Some(definition)
    }

    fn json(&mut self, node: &Node, key: &str) -> Option<Value> {
        let text = self.text(node, key)?;
        match serde_json::from_str(&text) {
            Ok(value) => Some(value),
            Err(error) => {
                self.wrong(&node.place, format!("`{key}` is no JSON: {error}"));
                None
            }
        }
    }
}

fn subject(name: &str) -> Option<Subject> {
    LISTS.iter().map(|list| list.subject).find(|subject| subject.name() == name)
}

/// Definitions, which are sorted by name, in the order of the server.
fn ordered(list: &List, items: Vec<Value>, order: &[String]) -> Option<Vec<Value>> {
    let count = items.len();
    let mut named: BTreeMap<String, VecDeque<Value>> = BTreeMap::default();
    for item in items {
        named.entry(list.name(&item).to_owned()).or_default().push_back(item);
    }
    let ordered: Option<Vec<Value>> = order.iter().map(|name| named.get_mut(name)?.pop_front()).collect();
    ordered.filter(|ordered| ordered.len() == count)
}

#[cfg(test)]
mod tests;

//! The lock: what a server offers, in a canonical form that a person can review, and what a change of it means for those
//! who use it. Pure: definitions are compared here, not fetched, and files are read and written elsewhere.

pub mod annotations;
pub mod canonical;
pub mod compare;
pub mod definition;
pub mod file;
pub mod saved;
pub mod schema;

use std::collections::BTreeMap;

use serde_json::Value;

use crate::event::{ServerIdentity, Subject};
use crate::session::ServerFacts;

/// What the file is called, beside the probe file or in the working directory.
pub const FILE: &str = "mcp-probe.lock";

/// One of the lists of definitions.
#[derive(Debug)]
pub struct List {
    /// What it is a list of.
    pub subject: Subject,
    /// The method that gives it.
    pub method: &'static str,
    /// The array of the result.
    pub member: &'static str,
    /// What names a definition.
    pub key: &'static str,
    /// Members that say how things are at the moment, and are no part of the definition.
    volatile: &'static [&'static str],
}

/// Every list.
pub static LISTS: [List; 4] = [
    List { subject: Subject::Tool, method: "tools/list", member: "tools", key: "name", volatile: &["_meta"] },
    List { subject: Subject::Prompt, method: "prompts/list", member: "prompts", key: "name", volatile: &["_meta"] },
    List {
        subject: Subject::Resource,
        method: "resources/list",
        member: "resources",
        key: "uri",
        volatile: &["_meta", "size"],
    },
    List {
        subject: Subject::Template,
        method: "resources/templates/list",
        member: "resourceTemplates",
        key: "uriTemplate",
        volatile: &["_meta"],
    },
];

/// The list that a method gives.
#[must_use]
pub fn list_of(method: &str) -> Option<&'static List> {
    LISTS.iter().find(|list| list.method == method)
}

impl List {
    /// The list of a subject; the server itself has none.
    #[must_use]
    pub fn of(subject: Subject) -> Option<&'static Self> {
        LISTS.iter().find(|list| list.subject == subject)
    }

    /// What names a definition; empty where nothing does.
    #[must_use]
    pub fn name<'a>(&self, definition: &'a Value) -> &'a str {
        definition.get(self.key).and_then(Value::as_str).unwrap_or_default()
    }

    /// The definitions of a result, without what is no part of them.
    #[must_use]
    pub fn definitions(&self, result: &Value) -> Option<Vec<Value>> {
        Some(result.get(self.member)?.as_array()?.iter().map(|item| self.definition(item)).collect())
    }

    /// One definition, without what is no part of it.
    #[must_use]
    pub fn definition(&self, item: &Value) -> Value {
        let mut definition = item.clone();
        if let Value::Object(members) = &mut definition {
            members.retain(|name, _| !self.volatile.contains(&name.as_str()));
            if let Some(Value::Object(annotations)) = members.get_mut("annotations") {
                annotations.shift_remove("lastModified");
            }
        }
        definition
    }
}

/// What one server offers.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Entry {
    /// What it calls itself, where it says so.
    pub server: Option<ServerIdentity>,
    /// The dated revision and the word of its era, where that is known.
    pub protocol: Option<(String, String)>,
    /// The client capabilities that were declared when the lists were read: some servers list more with them.
    pub declared: Vec<String>,
    /// Its instructions for models.
    pub instructions: Option<String>,
    /// Each list that it serves, in the order of the server.
    pub lists: BTreeMap<Subject, Vec<Value>>,
}

impl Entry {
    /// Of a server that was asked; its lists are added with [`Entry::add`].
    #[must_use]
    pub fn of(facts: &ServerFacts, declared: Vec<String>) -> Self {
        Self {
            server: facts.identity.clone(),
            protocol: Some((facts.revision.version.to_owned(), facts.revision.era.name().to_owned())),
            declared,
            instructions: facts.instructions.clone(),
            lists: BTreeMap::new(),
        }
    }

    /// Adds a list; `false` where the result does not hold it.
    pub fn add(&mut self, list: &List, result: &Value) -> bool {
        let definitions = list.definitions(result);
        let found = definitions.is_some();
        self.lists.extend(definitions.map(|definitions| (list.subject, definitions)));
        found
    }

    /// How many definitions of a subject there are.
    #[must_use]
    pub fn count(&self, subject: Subject) -> usize {
        self.lists.get(&subject).map_or(0, Vec::len)
    }
}

/// A lock file: an entry for each target, by name.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Lock {
    /// The entries.
    pub entries: BTreeMap<String, Entry>,
}

/// What a target is compared with.
#[derive(Clone, Debug, PartialEq)]
pub enum Locked {
    /// Its entry.
    Entry {
        /// The file, as a person knows it.
        file: String,
        /// What stands there.
        entry: Box<Entry>,
    },
    /// The file has no entry for it.
    Unlisted {
        /// The file.
        file: String,
    },
    /// There is no file.
    NoFile {
        /// Where it would be.
        file: String,
    },
}

impl Locked {
    /// The entry, or why there is none and what to do.
    ///
    /// # Errors
    /// The sentence.
    pub fn entry(&self, target: &str) -> Result<&Entry, String> {
        let write = "`mcp-probe lock` writes it";
        match self {
            Self::Entry { entry, .. } => Ok(entry),
            Self::Unlisted { file } => Err(format!("{file} has no entry for {target}: {write}")),
            Self::NoFile { file } => Err(format!("there is no {file}: {write}")),
        }
    }

    /// The file, as a person knows it.
    #[must_use]
    pub fn file(&self) -> &str {
        match self {
            Self::Entry { file, .. } | Self::Unlisted { file } | Self::NoFile { file } => file,
        }
    }
}

/// What the server calls itself, where that is what it called itself before, over the same revision: another one may well
/// have other definitions.
#[must_use]
pub fn same_version<'a>(old: &Entry, new: &'a Entry) -> Option<&'a ServerIdentity> {
    let server = new.server.as_ref()?;
    let is_same = old.server.as_ref()? == server && other_revision(old, new).is_none();
    (is_same && !server.version.is_empty()).then_some(server)
}

/// That the two were read over different revisions of the protocol: what a server lists may depend on it.
#[must_use]
pub fn other_revision(old: &Entry, new: &Entry) -> Option<String> {
    let (Some((was, _)), Some((is, _))) = (&old.protocol, &new.protocol) else { return None };
    (was != is).then(|| format!("{was} was spoken then, {is} now"))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn what_changes_by_itself_is_no_part_of_a_definition() {
        let list = list_of("resources/list").unwrap();
        let item = json!({"uri": "file:///a", "name": "a", "size": 7, "_meta": {"at": 1},
            "annotations": {"lastModified": "2026-01-01T00:00:00Z", "priority": 1}});
        let expected = json!({"uri": "file:///a", "name": "a", "annotations": {"priority": 1}});
        assert_eq!(list.definition(&item), expected);
        let tool = List::of(Subject::Tool).unwrap().definition(&json!({"name": "a", "size": 7, "_meta": {}}));
        assert_eq!(tool, json!({"name": "a", "size": 7}));
        assert!(List::of(Subject::Server).is_none() && list_of("tools/call").is_none());
    }

    #[test]
    fn a_missing_entry_says_what_to_do() {
        let entry = |locked: Locked| locked.entry("weather").unwrap_err();
        let file = || "mcp-probe.lock".to_owned();
        assert_eq!(entry(Locked::NoFile { file: file() }), "there is no mcp-probe.lock: `mcp-probe lock` writes it");
        assert!(entry(Locked::Unlisted { file: file() }).contains("no entry for weather"));
    }
}

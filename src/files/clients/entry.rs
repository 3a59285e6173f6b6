//! What the entries of most clients have in common: a command with arguments and variables, or a URL with headers.

use super::File;
use crate::config::{Diag, Field, Key, Node, Section, Text, Value};
use crate::plan::{Imported, ImportedEndpoint, TransportChoice};
use crate::protocol::Pin;

/// An entry of a client's file.
pub(super) struct Entry<'a> {
    pub(super) file: &'a File<'a>,
    pub(super) key: &'a Key,
    pub(super) section: Section<'a>,
    pub(super) imported: Imported,
}

impl<'a> Entry<'a> {
    /// An entry that says nothing yet; none when it is no table.
    pub(super) fn new(file: &'a File<'a>, key: &'a Key, node: &'a Node) -> Result<Self, Box<Imported>> {
        let mut imported = Imported {
            name: key.name.clone(),
            place: key.place.clone(),
            client: file.client.id,
            endpoint: None,
            headers: Vec::new(),
            bearer: None,
            tls: [None, None, None],
            insecure: false,
            env: Vec::new(),
            cwd: None,
            protocol: Pin::Auto,
            transport: TransportChoice::Auto,
            startup_timeout: None,
            disabled: None,
            written: node.place.text().to_owned(),
            problems: Vec::new(),
        };
        let field = Field::new(node, &key.name, file.reading);
        match &node.value {
            Value::Table(table) => {
                let section = Section::new(table, &format!("`{}`", key.name), field.place(), file.reading);
                Ok(Self { file, key, section, imported })
            }
            other => {
                let message = format!("the entry `{}` must be an object, this is {}", key.name, other.kind());
                imported.problems.push(Diag::error(&node.place, message));
                Err(Box::new(imported))
            }
        }
    }

    /// A string with the client's variables taken apart.
    pub(super) fn text(&self, field: Field<'_>) -> Option<Text> {
        let raw = field.text()?;
        let raw_text = raw.literal()?;
        Some(Text::of((self.file.client.expand)(raw_text, self.file), &raw.place))
    }

    /// `command` and `args`.
    pub(super) fn command(&mut self) {
        let Some(program) = self.section.field("command").and_then(|field| self.text(field)) else { return };
        let mut argv = vec![program];
        for field in self.section.field("args").and_then(|field| field.items("an array of strings")).unwrap_or_default()
        {
            argv.extend(self.text(field));
        }
        self.imported.endpoint = Some(ImportedEndpoint::Command(argv));
    }

    /// A table of strings, such as `env` and `headers`.
    pub(super) fn table(&self, key: &'static str) -> Vec<(Key, Text)> {
        let section = self.section.section(key);
        let pairs = section.iter().flat_map(Section::entries);
        pairs.filter_map(|(key, field)| Some((key.clone(), self.text(field)?))).collect()
    }

    /// Ends the reading: an entry that says neither how to start nor how to reach a server cannot be probed.
    pub(super) fn finish(mut self) -> Imported {
        if self.imported.endpoint.is_none() && self.imported.problems.is_empty() {
            let message = format!("the entry `{}` has neither a command nor a URL", self.key.name);
            self.imported.problems.push(Diag::error(&self.key.place, message));
        }
        self.imported
    }
}

//! The configuration files of other MCP clients, each with its own keys, transport rules, units and variables. One file
//! per client and one row in [`CLIENTS`]; nothing is ever written to their files.

mod claude_code;
mod claude_desktop;
mod cline;
mod codex;
mod copilot;
mod cursor;
mod entry;
mod gemini;
mod grok;
mod inspector;
mod openclaw;
mod opencode;
mod opened;
mod registry;
mod variables;
mod vscode;
mod windsurf;

use std::borrow::Cow;
use std::path::{Path, PathBuf};
use std::sync::Arc;

pub use opened::{Opened, Recognised, recognise};

use super::probe_files::Loaded;
use super::sources::Folders;
use crate::config::{Diag, Environment, Key, Node, Part, Reading, Source, Table, Value};
use crate::plan::{Draft, TargetDraft};
use entry::Entry;

/// Targets of one file beyond this are not read.
const TARGETS_MAX: usize = 1_000;

/// An MCP client whose files are read.
pub struct Client {
    /// Before the colon in `cursor:github`, and after `--as`.
    pub id: &'static str,
    /// Its name, for people.
    pub title: &'static str,
    /// How its files are written.
    pub format: Format,
    /// Its files in a project's folder, whether they exist or not.
    pub project: fn(folder: &Path) -> Vec<PathBuf>,
    /// Its files of the user, given the home folder.
    pub user: fn(home: &Path, environment: &dyn Environment) -> Vec<PathBuf>,
    /// Whether a file is one of its by name and folder alone.
    pub by_place: fn(path: &Path) -> bool,
    /// Whether a file in no known place is read by its rules: told by its outermost keys. The first row that says yes has it.
    pub by_keys: fn(root: &Table) -> bool,
    /// Its entries, in the order of the file; what is wrong with the file as a whole is reported.
    pub entries: for<'a> fn(file: &File<'a>) -> Vec<Item<'a>>,
    /// Every key of an entry that it knows; those that [`Client::read`] asks for need not be here.
    pub keys: &'static [&'static str],
    /// Reads one entry.
    pub read: fn(entry: &mut Entry<'_>),
    /// What it makes of a string with variables, which stands under `key`.
    pub expand: fn(text: &str, key: &str, file: &File<'_>) -> Vec<Part>,
    /// What a server that it starts gets of the environment.
    pub environment: ChildEnvironment,
}

/// How files are written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Format {
    /// JSON, with whatever JSON5 allows.
    Json,
    /// TOML.
    Toml,
}

/// What of its own environment a client hands to the servers that it starts.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ChildEnvironment {
    /// Which variables.
    pub passes: Passes,
    /// The PATH that it has when it is started from a desktop rather than from a shell, where that differs.
    pub path: Option<&'static str>,
    /// Whether it runs them in the project's folder; else in one of its own.
    pub in_project: bool,
}

impl ChildEnvironment {
    /// All that it has, in the project's folder.
    const WHOLE: Self = Self { passes: Passes::All, path: None, in_project: true };

    /// What the official SDKs pass on where nobody says more.
    const OF_SDK: Self =
        Self { passes: Passes::Only(&["HOME", "LOGNAME", "PATH", "SHELL", "TERM", "USER"]), ..Self::WHOLE };
}

/// Which variables reach a server.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Passes {
    /// All.
    All,
    /// All but those whose names match one of these patterns.
    Except(&'static [&'static str]),
    /// These alone.
    Only(&'static [&'static str]),
}

/// Every client, in the order in which their files are looked into.
pub static CLIENTS: &[Client] = &[
    claude_code::CLIENT,
    vscode::CLIENT,
    copilot::CLIENT,
    cursor::CLIENT,
    codex::CLIENT,
    gemini::CLIENT,
    claude_desktop::CLIENT,
    windsurf::CLIENT,
    cline::CLIENT,
    openclaw::CLIENT,
    grok::CLIENT,
    opencode::CLIENT,
    inspector::CLIENT,
    registry::CLIENT,
];

/// The client of this id.
#[must_use]
pub fn client(id: &str) -> Option<&'static Client> {
    CLIENTS.iter().find(|client| client.id == id)
}

/// A file being read.
pub struct File<'a> {
    /// Whose it is.
    pub client: &'static Client,
    /// What it says.
    pub root: &'a Table,
    /// Where it is.
    pub path: &'a Path,
    /// Its text.
    pub source: &'a Arc<Source>,
    /// The project and the user.
    pub folders: &'a Folders,
    /// Where variables come from.
    pub environment: &'a dyn Environment,
    /// Records what is wrong with the file as a whole.
    pub reading: &'a Reading<'a>,
}

impl File<'_> {
    /// The folder in which the client works.
    fn project(&self) -> &Path {
        &self.source.folder
    }
}

/// An entry of a file, not yet read.
pub struct Item<'a> {
    /// Its name, and where that stands.
    pub key: Cow<'a, Key>,
    /// What it says.
    pub node: Cow<'a, Node>,
    /// Whether it holds for the folder in which the user works alone, although it stands in a file of the user.
    pub local: bool,
}

/// What a file holds.
#[derive(Clone, Debug)]
pub struct Held {
    /// Whether it holds for the folder in which the user works alone, although it stands in a file of the user.
    pub local: bool,
    /// The targets.
    pub loaded: Loaded,
}

/// Reads the targets of a client's file: first those that hold for this folder alone, where there are any. There is always
/// one part at least.
///
/// # Errors
/// The file cannot be read, or is not what its format asks for.
pub fn read(
    client: &'static Client,
    path: &Path,
    folders: &Folders,
    environment: &dyn Environment,
) -> Result<Vec<Held>, Box<Diag>> {
    let opened = Opened::new(client.title, client.format, path, &folders.project)?;
    Ok(read_opened(client, &opened, folders, environment))
}

/// The same for a file that was opened to find out whose it is.
pub fn read_opened(
    client: &'static Client,
    opened: &Opened,
    folders: &Folders,
    environment: &dyn Environment,
) -> Vec<Held> {
    let reading = Reading::new(environment);
    let (root, path, source) = (&opened.root, opened.path.as_path(), &opened.source);
    let file = File { client, root, path, source, folders, environment, reading: &reading };
    let mut items = (client.entries)(&file);
    if let Some(first) = items.get(TARGETS_MAX) {
        let message = format!("only the first {TARGETS_MAX} of {} entries are read", items.len());
        reading.report(Diag::warning(&first.key.place, message).label("from here on they are left out"));
        items.truncate(TARGETS_MAX);
    }
    let (local, others): (Vec<Item<'_>>, Vec<Item<'_>>) = items.into_iter().partition(|item| item.local);
    let drafts = |items: &[Item<'_>]| {
        let targets = items.iter().map(|item| TargetDraft::imported(Entry::import(&file, item))).collect();
        Draft { found: true, targets, ..Draft::default() }
    };
    let (local_draft, draft) = (drafts(&local), drafts(&others));
    let held = |local, draft, warnings| {
        let loaded = Loaded { draft, warnings, files: vec![path.to_path_buf()], ..Loaded::default() };
        Held { local, loaded }
    };
    let mut parts = Vec::new();
    if !local.is_empty() {
        parts.push(held(true, local_draft, Vec::new()));
    }
    let warnings = opened.warnings.iter().cloned().chain(reading.into_diags()).collect();
    parts.push(held(false, draft, warnings));
    parts
}

/// Whether a table stands under an outermost key.
fn has_table(root: &Table, key: &str) -> bool {
    matches!(root.get(key).map(|node| &node.value), Some(Value::Table(_)))
}

/// The value under a path of keys.
fn under<'a>(root: &'a Table, keys: &[&str]) -> Option<&'a Node> {
    let (last, before) = keys.split_last()?;
    let mut table = root;
    for key in before {
        match &table.get(key)?.value {
            Value::Table(inner) => table = inner,
            _ => return None,
        }
    }
    table.get(last)
}

/// The members of the table under a path of keys, each an entry with its name.
fn entries<'a>(file: &File<'a>, keys: &[&str]) -> Vec<Item<'a>> {
    match under(file.root, keys) {
        None => Vec::new(),
        Some(Node { value: Value::Table(table), .. }) => {
            let item = |(key, node): &'a (Key, Node)| Item {
                key: Cow::Borrowed(key),
                node: Cow::Borrowed(node),
                local: false,
            };
            table.entries.iter().map(item).collect()
        }
        Some(node) => {
            let message = format!("`{}` must be an object of servers, this is {}", keys.join("."), node.value.kind());
            file.reading.report(Diag::warning(&node.place, message));
            Vec::new()
        }
    }
}

/// The members of the outermost key of a file that is about servers alone. What stands under another client's key is
/// ignored by this one, which is told.
fn only_under<'a>(file: &File<'a>, wanted: &'static str) -> Vec<Item<'a>> {
    /// What other clients call it.
    const OTHERS: &[&str] = &["mcpServers", "servers", "mcp_servers", "mcpservers", "mcp", "mcp.servers"];
    if file.root.get(wanted).is_none()
        && let Some((key, _)) = file.root.entries.iter().find(|(key, _)| OTHERS.contains(&key.name.as_str()))
    {
        let message = format!("{} ignores `{}`: it looks for `{wanted}`", file.client.title, key.name);
        file.reading.report(Diag::warning(&key.place, message).help(format!("write `{wanted}`")));
    }
    entries(file, &[wanted])
}

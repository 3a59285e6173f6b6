//! The configuration files of other MCP clients, each with its own keys, transport rules, units and variables. One file
//! per client and one row in [`CLIENTS`]; nothing is ever written to their files.

mod claude_code;
mod claude_desktop;
mod entry;

use std::path::{Path, PathBuf};

use super::machine::read_text;
use super::probe_files::Loaded;
use super::sources::Folders;
use crate::config::{Diag, Environment, Key, Node, Part, Reading, Source, Table, json, tree};
use crate::plan::{Draft, Imported, TargetDraft};

/// A client's file is never larger, in bytes: some keep their history in the same file.
const FILE_BYTES_MAX: u64 = 64 << 20;

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
    /// Whether a file that the command line names is one of its, by its path and its outermost keys. The first row that
    /// says yes reads it.
    pub recognises: fn(path: &Path, root: &Table) -> bool,
    /// Its entries, in the order of the file.
    pub read: fn(file: &File<'_>) -> Vec<Imported>,
    /// What it makes of a string with variables.
    pub expand: fn(text: &str, file: &File<'_>) -> Vec<Part>,
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
pub static CLIENTS: &[Client] = &[claude_desktop::CLIENT, claude_code::CLIENT];

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
    /// Its text.
    pub source: &'a std::sync::Arc<Source>,
    /// The project and the user.
    pub folders: &'a Folders,
    /// Where variables come from.
    pub environment: &'a dyn Environment,
    /// Records mistakes.
    pub reading: &'a Reading<'a>,
}

/// Reads the targets of a client's file.
///
/// # Errors
/// The file cannot be read, or is not what its format asks for.
pub fn read(
    client: &'static Client,
    path: &Path,
    folders: &Folders,
    environment: &dyn Environment,
) -> Result<Loaded, Box<Diag>> {
    let name = path.strip_prefix("./").unwrap_or(path).display().to_string();
    let text = read_text(path, FILE_BYTES_MAX)
        .map_err(|why| Diag::general(format!("{name} ({}) cannot be read: {why}", client.title)))?;
    // Relative paths are relative to where the client works: in the project.
    let folder = std::path::absolute(&folders.project).unwrap_or_else(|_| folders.project.clone());
    let source = Source::new(name, text, folder);
    let root = parse(client.format, &source)?;
    let reading = Reading::new(environment);
    let file = File { client, root: &root, source: &source, folders, environment, reading: &reading };
    let entries = (client.read)(&file);
    let mut draft = Draft { found: true, ..Draft::default() };
    draft.targets = entries.into_iter().take(TARGETS_MAX).map(TargetDraft::imported).collect();
    Ok(Loaded { draft, warnings: reading.into_diags(), files: vec![path.to_path_buf()] })
}

fn parse(format: Format, source: &std::sync::Arc<Source>) -> Result<Table, Box<Diag>> {
    match format {
        Format::Json => json::parse(source),
        Format::Toml => {
            let (table, mut errors) = tree::parse_foreign(source);
            if errors.is_empty() { Ok(table) } else { Err(Box::new(errors.swap_remove(0))) }
        }
    }
}

/// Whose file this is, where it is none of ours: told by its name and by what stands in it.
#[must_use]
pub fn recognise(path: &Path) -> Option<&'static Client> {
    let text = path.is_file().then(|| read_text(path, FILE_BYTES_MAX).ok())??;
    let source = Source::new(path.display().to_string(), text, ".");
    let is_toml = path.extension().is_some_and(|extension| extension == "toml");
    let format = if is_toml { Format::Toml } else { Format::Json };
    let root = parse(format, &source).ok()?;
    CLIENTS.iter().filter(|client| client.format == format).find(|client| (client.recognises)(path, &root))
}

/// The tables under a path of keys, each an entry with its name.
fn entries<'a>(root: &'a Table, keys: &[&str]) -> Vec<(&'a Key, &'a Node)> {
    let mut table = root;
    for key in keys {
        match table.get(key).map(|node| &node.value) {
            Some(crate::config::Value::Table(inner)) => table = inner,
            _ => return Vec::new(),
        }
    }
    table.entries.iter().map(|(key, node)| (key, node)).collect()
}

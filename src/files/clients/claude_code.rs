//! Claude Code: `.mcp.json` of a project, `~/.claude.json` of the user with the entries that hold for one folder alone.

use std::path::{Path, PathBuf};

use super::entry::Entry;
use super::{ChildEnvironment, Client, File, Format, Passes, entries};
use crate::config::{Environment, Part, Table, Unset};
use crate::plan::{Imported, ImportedEndpoint, TransportChoice};

pub(super) const CLIENT: Client = Client {
    id: "claude-code",
    title: "Claude Code",
    format: Format::Json,
    project: |folder| vec![folder.join(".mcp.json")],
    user,
    recognises,
    read,
    expand,
    environment: ChildEnvironment { passes: Passes::All, path: None, in_project: true },
};

fn user(home: &Path, _: &dyn Environment) -> Vec<PathBuf> {
    vec![home.join(".claude.json")]
}

fn recognises(_: &Path, root: &Table) -> bool {
    root.get("mcpServers").is_some()
}

fn read(file: &File<'_>) -> Vec<Imported> {
    let here = std::path::absolute(&file.folders.project).unwrap_or_default();
    let local = here.to_str().map(|here| entries(file.root, &["projects", here, "mcpServers"])).unwrap_or_default();
    local
        .into_iter()
        .chain(entries(file.root, &["mcpServers"]))
        .map(|(key, node)| match Entry::new(file, key, node) {
            Ok(entry) => one(entry),
            Err(imported) => *imported,
        })
        .collect()
}

fn one(mut entry: Entry<'_>) -> Imported {
    let kind = entry.section.string("type");
    match kind.as_deref() {
        Some("http" | "sse") => {
            let url = entry.section.field("url").and_then(|field| entry.text(field));
            entry.imported.endpoint = url.map(ImportedEndpoint::Url);
            entry.imported.headers = entry.table("headers");
            if kind.as_deref() == Some("sse") {
                entry.imported.transport = TransportChoice::Sse;
            }
        }
        _ => {
            entry.command();
            entry.imported.env = entry.table("env");
        }
    }
    entry.finish()
}

/// `${VAR}` and `${VAR:-default}`; what is unset stays as it is written.
fn expand(text: &str, _: &File<'_>) -> Vec<Part> {
    let mut parts = Vec::new();
    let mut rest = text;
    while let Some((before, inside, after)) = rest.split_once("${").and_then(|(before, tail)| {
        let (inside, after) = tail.split_once('}')?;
        Some((before, inside, after))
    }) {
        if !before.is_empty() {
            parts.push(Part::Literal(before.to_owned()));
        }
        let (name, unset) = match inside.split_once(":-") {
            Some((name, default)) => (name, Unset::Default(default.to_owned())),
            None => (inside, Unset::AsWritten),
        };
        let written = format!("${{{inside}}}");
        parts.push(Part::Foreign { written, name: name.to_owned(), unset, empty_is_unset: false });
        rest = after;
    }
    if !rest.is_empty() {
        parts.push(Part::Literal(rest.to_owned()));
    }
    parts
}

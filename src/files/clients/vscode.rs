//! VS Code: `.vscode/mcp.json`, the user's `mcp.json`, and `customizations.vscode.mcp` of a dev container.

use std::path::{Path, PathBuf};

use super::claude_desktop::application_folders;
use super::entry::{Entry, Kind};
use super::{ChildEnvironment, Client, File, Format, Item, entries, has_table, only_under, variables};
use crate::config::{Environment, Part};
use crate::plan::{ImportedEndpoint, TransportChoice};

pub(super) const CLIENT: Client = Client {
    id: "vscode",
    title: "VS Code",
    format: Format::Json,
    project: |folder| {
        [".vscode/mcp.json", ".devcontainer/devcontainer.json", ".devcontainer.json"]
            .map(|file| folder.join(file))
            .into()
    },
    user,
    by_place: |path| path.ends_with(".vscode/mcp.json") || path.ends_with("User/mcp.json") || is_container(path),
    by_keys: |root| has_table(root, "servers"),
    entries: found,
    keys: &[
        "type",
        "command",
        "args",
        "env",
        "envFile",
        "cwd",
        "url",
        "headers",
        "oauth",
        "dev",
        "gallery",
        "version",
        "sandbox",
        "sandboxEnabled",
        "tools",
    ],
    read,
    expand: variables::of_editor,
    environment: ChildEnvironment::WHOLE,
};

/// What `type` may say. Over HTTP it tries Streamable HTTP first and HTTP+SSE then, as we do.
const KINDS: &[(&str, Kind)] =
    &[("stdio", Kind::Stdio), ("http", Kind::Http(TransportChoice::Auto)), ("sse", Kind::Http(TransportChoice::Sse))];

/// VS Code under its names.
const EDITORS: &[&str] = &["Code", "Code - Insiders", "VSCodium"];

/// The `User` folders of every edition.
pub(super) fn user_folders(home: &Path, environment: &dyn Environment) -> Vec<PathBuf> {
    let folders = application_folders(home, environment);
    let of = |folder: &PathBuf| EDITORS.iter().map(|editor| folder.join(editor).join("User")).collect::<Vec<_>>();
    folders.iter().flat_map(of).collect()
}

fn user(home: &Path, environment: &dyn Environment) -> Vec<PathBuf> {
    user_folders(home, environment).into_iter().map(|folder| folder.join("mcp.json")).collect()
}

fn is_container(path: &Path) -> bool {
    path.ends_with("devcontainer.json") || path.ends_with(".devcontainer.json")
}

fn found<'a>(file: &File<'a>) -> Vec<Item<'a>> {
    if is_container(file.path) {
        return entries(file, &["customizations", "vscode", "mcp", "servers"]);
    }
    only_under(file, "servers")
}

fn read(entry: &mut Entry<'_>) {
    match entry.kind("type", KINDS, "url") {
        Some(Kind::Stdio) => {
            entry.stdio();
            entry.env_file();
        }
        Some(Kind::Http(transport)) => {
            entry.remote("url", transport);
            socket(entry);
            entry.signs_in("oauth");
        }
        None => {}
    }
}

/// `unix:///path.sock#/sub` is `unix:/path.sock:/sub` to us.
fn socket(entry: &mut Entry<'_>) {
    let Some(ImportedEndpoint::Url(text)) = &entry.imported.endpoint else { return };
    if text.written().starts_with("unix://") {
        let mut parts = text.parts().to_vec();
        let mut has_path = false;
        for part in &mut parts {
            if let Part::Literal(literal) = part
                && let Some((socket, path)) = literal.split_once('#')
                && !has_path
            {
                has_path = true;
                *literal = format!("{socket}:{}{path}", if path.starts_with('/') { "" } else { "/" });
            }
        }
        if !has_path {
            parts.push(Part::Literal(":/".to_owned()));
        }
        let text = crate::config::Text::of(parts, &text.place);
        entry.imported.endpoint = Some(ImportedEndpoint::Url(text));
    }
}

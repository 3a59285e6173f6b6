//! Claude Code: `.mcp.json` of a project, `~/.claude.json` of the user with the entries that hold for one folder alone.

use std::path::{Path, PathBuf};

use super::entry::{Entry, Kind};
use super::{ChildEnvironment, Client, File, Format, Item, entries, only_under, under, variables};
use crate::config::{Environment, Part, Table, Unset, Value};
use crate::plan::TransportChoice;

pub(super) const CLIENT: Client = Client {
    id: "claude-code",
    title: "Claude Code",
    format: Format::Json,
    project: |folder| vec![folder.join(".mcp.json")],
    user,
    by_place: |path| path.ends_with(".mcp.json") || path.ends_with(".claude.json"),
    by_keys: |root| root.get("mcpServers").is_some(),
    entries: found,
    keys: &["type", "command", "args", "env", "url", "headers", "headersHelper", "oauth", "alwaysLoad", "timeout"],
    read,
    expand,
    environment: ChildEnvironment::WHOLE,
};

/// What `type` may say.
const KINDS: &[(&str, Kind)] = &[
    ("stdio", Kind::Stdio),
    ("http", Kind::Http(TransportChoice::StreamableHttp)),
    ("streamable-http", Kind::Http(TransportChoice::StreamableHttp)),
    ("sse", Kind::Http(TransportChoice::Sse)),
];

fn user(home: &Path, environment: &dyn Environment) -> Vec<PathBuf> {
    let folder = environment.variable("CLAUDE_CONFIG_DIR").filter(|folder| !folder.is_empty());
    vec![folder.map_or_else(|| home.to_path_buf(), PathBuf::from).join(".claude.json")]
}

fn found<'a>(file: &File<'a>) -> Vec<Item<'a>> {
    let is_users = file.path.file_name().is_some_and(|name| name == ".claude.json");
    if !is_users {
        return only_under(file, "mcpServers");
    }
    let mut items = Vec::new();
    if let Some(here) = here(file) {
        items = entries(file, &["projects", &here, "mcpServers"]);
        for item in &mut items {
            item.local = true;
        }
    }
    items.extend(entries(file, &["mcpServers"]));
    items
}

/// The key under which the file keeps what holds for the folder in which the user works.
fn here(file: &File<'_>) -> Option<String> {
    let project = file.project();
    let canonical = project.canonicalize().ok();
    let names = [Some(project.to_path_buf()), canonical].into_iter().flatten();
    let projects = table(file.root, &["projects"])?;
    names.filter_map(|path| path.to_str().map(str::to_owned)).find(|name| projects.get(name).is_some())
}

fn table<'a>(root: &'a Table, keys: &[&str]) -> Option<&'a Table> {
    match &under(root, keys)?.value {
        Value::Table(table) => Some(table),
        _ => None,
    }
}

fn read(entry: &mut Entry<'_>) {
    // Without a word it starts a program, even where only a URL stands.
    if !entry.section.has("type") && !entry.section.has("command") && entry.section.has("url") {
        let help = "write `\"type\": \"http\"` beside it, or \"sse\" for the older transport";
        entry.wrong(format!("`{}` has a `url` without a `type`, which Claude Code refuses", entry.imported.name), help);
        return;
    }
    match entry.kind("type", KINDS, "url") {
        Some(Kind::Stdio) => entry.stdio(),
        Some(Kind::Http(transport)) => {
            entry.remote("url", transport);
            entry.signs_in("oauth");
            let help = "give the headers that it would print with -H";
            entry.only_client("headersHelper", "runs a program for more headers", help);
        }
        None => {}
    }
    if is_off(entry) {
        entry.imported.disabled = Some("it is listed under `disabledMcpServers` for this folder".to_owned());
    }
}

fn is_off(entry: &Entry<'_>) -> bool {
    let list = |key: &str| {
        let here = here(entry.file)?;
        match &under(entry.file.root, &["projects", &here, key])?.value {
            Value::Array(items) => Some(items.iter().any(|item| match &item.value {
                Value::Text(text) => text.literal() == Some(&entry.imported.name),
                _ => false,
            })),
            _ => None,
        }
    };
    list("disabledMcpServers").unwrap_or_default()
}

/// `${VAR}` and `${VAR:-default}`; what is unset stays as it is written, as was measured: the documentation says that
/// the file is refused.
pub(super) fn expand(text: &str, _: &str, _: &File<'_>) -> Vec<Part> {
    variables::between(text, "${", '}', |inside, written| variables::shell(inside, written, Unset::AsWritten))
}

//! GitHub Copilot outside of VS Code: `.mcp.json` of a project, which it shares with Claude Code, and its file of the user.

use std::path::{Path, PathBuf};

use super::claude_code;
use super::entry::{Entry, Kind};
use super::{ChildEnvironment, Client, Format, only_under};
use crate::config::Environment;
use crate::plan::TransportChoice;

pub(super) const CLIENT: Client = Client {
    id: "copilot",
    title: "GitHub Copilot",
    format: Format::Json,
    project: |folder| vec![folder.join(".mcp.json")],
    user,
    by_place: |path| path.ends_with(".copilot/mcp-config.json"),
    by_keys: |_| false,
    entries: |file| only_under(file, "mcpServers"),
    keys: &["type", "command", "args", "env", "cwd", "url", "headers", "tools", "timeout", "oauth"],
    read,
    expand: claude_code::expand,
    environment: ChildEnvironment::WHOLE,
};

/// What `type` may say.
const KINDS: &[(&str, Kind)] = &[
    ("local", Kind::Stdio),
    ("stdio", Kind::Stdio),
    ("http", Kind::Http(TransportChoice::StreamableHttp)),
    ("sse", Kind::Http(TransportChoice::Sse)),
];

fn user(home: &Path, environment: &dyn Environment) -> Vec<PathBuf> {
    let folder = environment.variable("COPILOT_HOME").filter(|folder| !folder.is_empty()).map(PathBuf::from);
    vec![folder.unwrap_or_else(|| home.join(".copilot")).join("mcp-config.json")]
}

fn read(entry: &mut Entry<'_>) {
    entry.usual(KINDS);
}

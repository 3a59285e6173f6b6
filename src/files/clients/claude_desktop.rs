//! Claude Desktop: `claude_desktop_config.json`. It starts programs only, with little of the environment and no variables.

use std::path::{Path, PathBuf};

use super::entry::Entry;
use super::{ChildEnvironment, Client, Format, only_under, variables};
use crate::config::Environment;

pub(super) const CLIENT: Client = Client {
    id: "claude-desktop",
    title: "Claude Desktop",
    format: Format::Json,
    project: |_| Vec::new(),
    user,
    by_place: |path| path.ends_with("claude_desktop_config.json"),
    by_keys: |_| false,
    entries: |file| only_under(file, "mcpServers"),
    keys: &["command", "args", "env"],
    read,
    expand: variables::none,
    environment: ChildEnvironment {
        path: Some("/usr/local/bin:/usr/bin:/bin:/usr/sbin:/sbin"),
        in_project: false,
        ..ChildEnvironment::OF_SDK
    },
};

fn user(home: &Path, environment: &dyn Environment) -> Vec<PathBuf> {
    application_folders(home, environment)
        .into_iter()
        .map(|folder| folder.join("Claude/claude_desktop_config.json"))
        .collect()
}

/// Where applications keep their settings: of macOS, of Linux, of Windows.
pub(super) fn application_folders(home: &Path, environment: &dyn Environment) -> Vec<PathBuf> {
    let mut folders = vec![home.join("Library/Application Support"), xdg_config(home, environment)];
    folders.extend(environment.variable("APPDATA").filter(|folder| !folder.is_empty()).map(PathBuf::from));
    folders
}

/// `$XDG_CONFIG_HOME`, else `~/.config`.
pub(super) fn xdg_config(home: &Path, environment: &dyn Environment) -> PathBuf {
    let given = environment.variable("XDG_CONFIG_HOME").map(PathBuf::from).filter(|folder| folder.is_absolute());
    given.unwrap_or_else(|| home.join(".config"))
}

fn read(entry: &mut Entry<'_>) {
    if entry.section.has("url") && !entry.section.has("command") {
        let help = "add it in the application (Settings, Connectors), or start a bridge such as `npx mcp-remote URL`";
        entry.wrong(format!("`{}` is remote, and Claude Desktop starts programs only", entry.imported.name), help);
        return;
    }
    for key in ["url", "headers"] {
        if entry.section.has(key) {
            entry.warn(key, format!("Claude Desktop ignores `{key}`"), "it starts programs only: leave it out");
        }
    }
    if entry.section.has("cwd") {
        let help = "write absolute paths into `command` and `args`";
        entry.warn("cwd", "Claude Desktop ignores `cwd`", help);
    }
    entry.command();
    entry.imported.env = entry.env("env");
}

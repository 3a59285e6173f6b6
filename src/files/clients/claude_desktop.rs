//! Claude Desktop: `claude_desktop_config.json`. It starts programs only, with little of the environment and no variables.

use std::path::{Path, PathBuf};

use super::entry::Entry;
use super::{ChildEnvironment, Client, File, Format, Passes, entries};
use crate::config::{Environment, Part};
use crate::plan::Imported;

pub(super) const CLIENT: Client = Client {
    id: "claude-desktop",
    title: "Claude Desktop",
    format: Format::Json,
    project: |_| Vec::new(),
    user,
    recognises: |path, _| path.ends_with("claude_desktop_config.json"),
    read,
    expand: |text, _| vec![Part::Literal(text.to_owned())],
    environment: ChildEnvironment {
        passes: Passes::Only(&["HOME", "LOGNAME", "PATH", "SHELL", "TERM", "USER"]),
        path: Some("/usr/local/bin:/usr/bin:/bin:/usr/sbin:/sbin"),
        in_project: false,
    },
};

fn user(home: &Path, _: &dyn Environment) -> Vec<PathBuf> {
    let folders = ["Library/Application Support", ".config"];
    folders.iter().map(|folder| home.join(folder).join("Claude/claude_desktop_config.json")).collect()
}

fn read(file: &File<'_>) -> Vec<Imported> {
    entries(file.root, &["mcpServers"])
        .into_iter()
        .map(|(key, node)| match Entry::new(file, key, node) {
            Ok(mut entry) => {
                entry.command();
                entry.imported.env = entry.table("env");
                entry.finish()
            }
            Err(imported) => *imported,
        })
        .collect()
}

//! Cline: the file of its command line, and that of its extension for VS Code. A URL without a `type` is HTTP+SSE.

use std::path::{Path, PathBuf};

use super::entry::{Entry, Kind, Unit};
use super::vscode::user_folders;
use super::{ChildEnvironment, Client, Format, only_under, variables};
use crate::config::Environment;
use crate::plan::TransportChoice;

pub(super) const CLIENT: Client = Client {
    id: "cline",
    title: "Cline",
    format: Format::Json,
    project: |_| Vec::new(),
    user,
    by_place: |path| path.ends_with(".cline/mcp.json") || path.ends_with(FILE),
    by_keys: |_| false,
    entries: |file| only_under(file, "mcpServers"),
    keys: &[
        "type",
        "transportType",
        "command",
        "args",
        "env",
        "cwd",
        "url",
        "headers",
        "disabled",
        "autoApprove",
        "alwaysAllow",
        "timeout",
        "oauth",
        "remoteConfigured",
        "transport",
    ],
    read,
    expand: variables::none,
    environment: ChildEnvironment { in_project: false, ..ChildEnvironment::OF_SDK },
};

/// What both call it.
const FILE: &str = "cline_mcp_settings.json";

/// What `type` may say.
const KINDS: &[(&str, Kind)] = &[
    ("stdio", Kind::Stdio),
    ("sse", Kind::Http(TransportChoice::Sse)),
    ("streamableHttp", Kind::Http(TransportChoice::StreamableHttp)),
    ("http", Kind::Http(TransportChoice::StreamableHttp)),
];

fn user(home: &Path, environment: &dyn Environment) -> Vec<PathBuf> {
    let given = environment.variable("CLINE_MCP_SETTINGS_PATH").filter(|path| !path.is_empty()).map(PathBuf::from);
    let own = [".cline/mcp.json", ".cline/data/settings/cline_mcp_settings.json"].map(|file| home.join(file));
    let extension = user_folders(home, environment)
        .into_iter()
        .map(|folder| folder.join("globalStorage/saoudrizwan.claude-dev/settings").join(FILE));
    given.into_iter().chain(own).chain(extension).collect()
}

fn read(entry: &mut Entry<'_>) {
    entry.switch("disabled", false);
    // Of a call, not of the start.
    let _ = entry.time("timeout", Unit::Seconds);
    let key = if entry.section.has("type") { "type" } else { "transportType" };
    let is_told = entry.section.has(key);
    match entry.kind(key, KINDS, "url") {
        Some(Kind::Stdio) => entry.stdio(),
        Some(Kind::Http(transport)) => {
            if !is_told {
                let help = "write `\"type\": \"streamableHttp\"` where the server speaks that";
                entry.warn("url", "Cline takes a `url` without a `type` for the older HTTP+SSE", help);
            }
            entry.remote("url", if is_told { transport } else { TransportChoice::Sse });
            entry.signs_in("oauth");
        }
        None => {}
    }
}

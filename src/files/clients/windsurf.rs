//! Windsurf (Cascade): `~/.codeium/windsurf/mcp_config.json`. A remote server stands under `serverUrl`.

use super::entry::Entry;
use super::{ChildEnvironment, Client, Format, only_under, variables};
use crate::plan::TransportChoice;

pub(super) const CLIENT: Client = Client {
    id: "windsurf",
    title: "Windsurf",
    format: Format::Json,
    project: |_| Vec::new(),
    user: |home, _| {
        [".codeium/windsurf/mcp_config.json", ".codeium/windsurf-next/mcp_config.json"]
            .map(|file| home.join(file))
            .into()
    },
    by_place: |path| path.ends_with("mcp_config.json") && path.components().any(|part| part.as_os_str() == ".codeium"),
    by_keys: |_| false,
    entries: |file| only_under(file, "mcpServers"),
    keys: &[
        "command",
        "args",
        "env",
        "serverUrl",
        "url",
        "headers",
        "disabled",
        "disabledTools",
        "alwaysAllow",
        "type",
        "registry",
        "transport",
    ],
    read,
    expand: variables::of_editor,
    environment: ChildEnvironment { in_project: false, ..ChildEnvironment::WHOLE },
};

fn read(entry: &mut Entry<'_>) {
    entry.switch("disabled", false);
    let url = if entry.section.has("serverUrl") { "serverUrl" } else { "url" };
    if entry.section.has(url) && !entry.section.has("command") {
        entry.remote(url, TransportChoice::Auto);
    } else {
        entry.stdio();
    }
}

//! Grok: `[mcp_servers.NAME]` in `~/.grok/config.toml`.

use super::entry::{Entry, Unit};
use super::{ChildEnvironment, Client, Format, entries, variables};
use crate::plan::TransportChoice;

pub(super) const CLIENT: Client = Client {
    id: "grok",
    title: "Grok",
    format: Format::Toml,
    project: |_| Vec::new(),
    user: |home, _| vec![home.join(".grok/config.toml")],
    by_place: |path| path.ends_with(".grok/config.toml"),
    by_keys: |_| false,
    entries: |file| entries(file, &["mcp_servers"]),
    keys: &["command", "args", "env", "cwd", "url", "headers", "enabled", "startup_timeout_sec", "tool_timeout_sec"],
    read,
    expand: variables::none,
    environment: ChildEnvironment::WHOLE,
};

fn read(entry: &mut Entry<'_>) {
    entry.switch("enabled", true);
    entry.imported.startup_timeout = entry.time("startup_timeout_sec", Unit::Seconds);
    let _ = entry.time("tool_timeout_sec", Unit::Seconds);
    if entry.both("command", "url") {
        return;
    }
    if entry.section.has("url") {
        entry.remote("url", TransportChoice::Auto);
    } else {
        entry.stdio();
    }
}

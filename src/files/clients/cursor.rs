//! Cursor: `.cursor/mcp.json` of a project and of the user.

use super::entry::{Entry, Kind};
use super::{ChildEnvironment, Client, Format, only_under, variables};
use crate::plan::TransportChoice;

pub(super) const CLIENT: Client = Client {
    id: "cursor",
    title: "Cursor",
    format: Format::Json,
    project: |folder| vec![folder.join(".cursor/mcp.json")],
    user: |home, _| vec![home.join(".cursor/mcp.json")],
    by_place: |path| path.ends_with(".cursor/mcp.json"),
    by_keys: |_| false,
    entries: |file| only_under(file, "mcpServers"),
    keys: &["type", "command", "args", "env", "envFile", "cwd", "url", "headers", "auth", "disabled"],
    read,
    expand: variables::of_editor,
    environment: ChildEnvironment::WHOLE,
};

/// What `type` may say; where a URL stands it decides nothing but the transport.
const KINDS: &[(&str, Kind)] = &[
    ("stdio", Kind::Stdio),
    ("http", Kind::Http(TransportChoice::Auto)),
    ("streamable-http", Kind::Http(TransportChoice::Auto)),
    ("streamableHttp", Kind::Http(TransportChoice::Auto)),
    ("sse", Kind::Http(TransportChoice::Sse)),
];

fn read(entry: &mut Entry<'_>) {
    entry.switch("disabled", false);
    match entry.kind("type", KINDS, "url") {
        Some(Kind::Stdio) => {
            entry.stdio();
            entry.env_file();
        }
        Some(Kind::Http(transport)) => {
            entry.remote("url", transport);
            entry.signs_in("auth");
            if entry.section.has("envFile") {
                let help = "write `${env:NAME}` and set the variable where Cursor starts";
                entry.warn("envFile", "Cursor reads `envFile` for programs that it starts alone", help);
            }
        }
        None => {}
    }
}

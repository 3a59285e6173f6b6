//! MCP Inspector: `~/.mcp-inspector/mcp.json`. It says which era of the protocol to speak.

use super::entry::{Entry, Kind};
use super::{ChildEnvironment, Client, Format, only_under, variables};
use crate::plan::TransportChoice;
use crate::protocol::Pin;

pub(super) const CLIENT: Client = Client {
    id: "inspector",
    title: "MCP Inspector",
    format: Format::Json,
    project: |_| Vec::new(),
    user: |home, _| vec![home.join(".mcp-inspector/mcp.json")],
    by_place: |path| path.ends_with(".mcp-inspector/mcp.json"),
    by_keys: |_| false,
    entries: |file| only_under(file, "mcpServers"),
    keys: &[
        "type",
        "command",
        "args",
        "env",
        "cwd",
        "url",
        "headers",
        "protocolEra",
        "roots",
        "modernLogLevel",
        "oauth",
    ],
    read,
    expand: variables::none,
    environment: ChildEnvironment::OF_SDK,
};

/// What `type` may say.
const KINDS: &[(&str, Kind)] = &[
    ("stdio", Kind::Stdio),
    ("streamable-http", Kind::Http(TransportChoice::StreamableHttp)),
    ("http", Kind::Http(TransportChoice::StreamableHttp)),
    ("sse", Kind::Http(TransportChoice::Sse)),
];

/// What `protocolEra` may say.
const ERAS: &[(&str, Pin)] = &[("legacy", Pin::Legacy), ("auto", Pin::Auto), ("modern", Pin::Modern)];

fn read(entry: &mut Entry<'_>) {
    entry.imported.protocol = entry.section.one_of("protocolEra", ERAS).unwrap_or_default();
    entry.usual(KINDS);
}

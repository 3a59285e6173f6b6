//! `OpenClaw`: `mcp.servers` in `~/.openclaw/openclaw.json`, JSON5. Some values are references to secrets kept elsewhere.

use std::path::{Path, PathBuf};

use super::entry::{Entry, Kind, Unit};
use super::{ChildEnvironment, Client, File, Format, Item, entries, under, variables};
use crate::config::{Diag, Environment, Field, Key, Part, Section, Table, Text, Unset, Value};
use crate::plan::TransportChoice;

pub(super) const CLIENT: Client = Client {
    id: "openclaw",
    title: "OpenClaw",
    format: Format::Json,
    project: |_| Vec::new(),
    user,
    by_place: |path| path.ends_with("openclaw.json"),
    by_keys: |root| matches!(under(root, &["mcp", "servers"]).map(|node| &node.value), Some(Value::Table(_))),
    entries: found,
    keys: &[
        "command",
        "args",
        "env",
        "cwd",
        "workingDirectory",
        "url",
        "transport",
        "type",
        "headers",
        "auth",
        "oauth",
        "sslVerify",
        "clientCert",
        "clientKey",
        "enabled",
        "timeout",
        "requestTimeoutMs",
        "connectTimeout",
        "connectionTimeoutMs",
        "toolFilter",
        "supportsParallelToolCalls",
        "codex",
    ],
    read,
    expand,
    environment: ChildEnvironment { in_project: false, ..ChildEnvironment::WHOLE },
};

/// What `transport` and `type` may say.
const KINDS: &[(&str, Kind)] = &[
    ("stdio", Kind::Stdio),
    ("streamable-http", Kind::Http(TransportChoice::StreamableHttp)),
    ("http", Kind::Http(TransportChoice::StreamableHttp)),
    ("sse", Kind::Http(TransportChoice::Sse)),
];

/// Variables that change what an interpreter runs; it hands none of them to a server.
const DANGEROUS: &[&str] =
    &["NODE_OPTIONS", "PYTHONPATH", "PYTHONSTARTUP", "PERL5OPT", "RUBYOPT", "SHELLOPTS", "BASHOPTS", "PS4"];

fn user(home: &Path, environment: &dyn Environment) -> Vec<PathBuf> {
    let given = environment.variable("OPENCLAW_CONFIG_PATH").filter(|path| !path.is_empty()).map(PathBuf::from);
    vec![given.unwrap_or_else(|| home.join(".openclaw/openclaw.json"))]
}

fn found<'a>(file: &File<'a>) -> Vec<Item<'a>> {
    let mcp = match under(file.root, &["mcp"]).map(|node| &node.value) {
        Some(Value::Table(mcp)) => Some(mcp),
        _ => None,
    };
    for table in [Some(file.root), mcp].into_iter().flatten() {
        told_include(file, table);
    }
    let mut items = entries(file, &["mcp", "servers"]);
    if let Some(key) = file.root.key("mcpServers") {
        let message = "OpenClaw keeps its servers under `mcp.servers`; `mcpServers` is what other clients say";
        file.reading.report(Diag::warning(&key.place, message).help("move them to `mcp.servers`"));
        items.extend(entries(file, &["mcpServers"]));
    }
    items
}

fn told_include(file: &File<'_>, table: &Table) {
    if let Some(key) = table.key("$include") {
        let message = "`$include` is not followed: servers in that file are not found here";
        file.reading.report(Diag::warning(&key.place, message).help("name that file with -f"));
    }
}

fn read(entry: &mut Entry<'_>) {
    entry.switch("enabled", true);
    let _ = entry.time("timeout", Unit::Seconds).or_else(|| entry.time("requestTimeoutMs", Unit::Milliseconds));
    entry.imported.startup_timeout =
        entry.time("connectTimeout", Unit::Seconds).or_else(|| entry.time("connectionTimeoutMs", Unit::Milliseconds));
    let key = if entry.section.has("transport") { "transport" } else { "type" };
    let is_told = entry.section.has(key);
    match entry.kind(key, KINDS, "url") {
        Some(Kind::Stdio) => stdio(entry),
        Some(Kind::Http(transport)) => remote(entry, if is_told { transport } else { TransportChoice::Sse }),
        None => {}
    }
}

fn stdio(entry: &mut Entry<'_>) {
    entry.command();
    let mut env = pairs(entry, "env");
    env.retain(|(key, _)| {
        let is_dangerous = DANGEROUS.contains(&key.name.to_ascii_uppercase().as_str());
        if is_dangerous {
            let message = format!("OpenClaw hands `{}` to no server: it changes what an interpreter runs", key.name);
            entry.section.reading().report(Diag::warning(&key.place, message).help("leave it out"));
        }
        !is_dangerous
    });
    entry.imported.env = env;
    let cwd = entry.section.field("cwd").or_else(|| entry.section.field("workingDirectory"));
    entry.imported.cwd = cwd.and_then(|field| entry.text(field));
}

fn remote(entry: &mut Entry<'_>, transport: TransportChoice) {
    entry.url("url", transport);
    entry.imported.headers = pairs(entry, "headers");
    let path = |key| entry.section.field(key).and_then(|field| entry.text(field));
    entry.imported.tls = [None, path("clientCert"), path("clientKey")];
    entry.imported.insecure = entry.section.bool("sslVerify") == Some(false);
    if entry.section.string("auth").as_deref() == Some("oauth") {
        entry.signs_in("auth");
        let before = entry.imported.headers.len();
        entry.imported.headers.retain(|(key, _)| !key.name.eq_ignore_ascii_case("authorization"));
        if entry.imported.headers.len() < before {
            entry.warn("headers", "OpenClaw ignores `Authorization` beside `auth: \"oauth\"`", "leave one of them out");
        }
    }
}

/// Strings, or references to secrets.
fn pairs(entry: &Entry<'_>, key: &'static str) -> Vec<(Key, Text)> {
    let section = entry.section.section(key);
    let pair = |(name, field): (&Key, Field<'_>)| {
        let text = if field.is_table() { secret(field) } else { entry.text(field) };
        entry.is_pair(name, key).then_some((name.clone(), text?))
    };
    section.iter().flat_map(Section::entries).filter_map(pair).collect()
}

/// `{ source: "env", id: "NAME" }` is a variable; what a file or a program keeps is its provider's to say.
fn secret(field: Field<'_>) -> Option<Text> {
    let table = field.table("a reference to a secret")?;
    let (source, id) = (table.string("source")?, table.string("id")?);
    let part = match source.as_str() {
        "env" => Part::Foreign { written: format!("${{{id}}}"), name: id, unset: Unset::Mistake, empty_is_unset: true },
        source => Part::Unfillable {
            written: format!("{source}:{id}"),
            why: "which OpenClaw fetches through a provider; write the target into a probe file, with `${VAR}` or \
                  `${file:path}` in its place"
                .to_owned(),
        },
    };
    Some(Text::of(vec![part], field.place()))
}

/// `${UPPER_CASE}` alone; unset or empty is a mistake. `$${UPPER_CASE}` stands for itself without the first `$`.
fn expand(text: &str, _: &str, _: &File<'_>) -> Vec<Part> {
    let is_upper = |name: &str| {
        variables::is_name(name) && name.chars().all(|c| c.is_ascii_uppercase() || c.is_ascii_digit() || c == '_')
    };
    let mut parts = Vec::new();
    let (mut literal, mut rest) = (String::new(), text);
    while let Some(at) = rest.find("${") {
        let Some(length) = rest[at..].find('}') else { break };
        let written = &rest[at..=at + length];
        let name = &written[2..written.len() - 1];
        let is_escaped = rest[..at].ends_with('$');
        if !is_upper(name) {
            literal.push_str(&rest[..at + 2]);
            rest = &rest[at + 2..];
            continue;
        }
        literal.push_str(&rest[..at - usize::from(is_escaped)]);
        if is_escaped {
            literal.push_str(written);
        } else {
            variables::push(&mut parts, &mut literal);
            let (written, name) = (written.to_owned(), name.to_owned());
            parts.push(Part::Foreign { written, name, unset: Unset::Mistake, empty_is_unset: true });
        }
        rest = &rest[at + length + 1..];
    }
    literal.push_str(rest);
    variables::push(&mut parts, &mut literal);
    parts
}

//! Gemini CLI: `settings.json` of a project and of the user. The name of the key tells the transport: `url` is HTTP+SSE,
//! `httpUrl` is Streamable HTTP.

use std::borrow::Cow;

use super::entry::{Entry, Kind, Unit};
use super::{ChildEnvironment, Client, File, Format, Item, Passes, entries, under, variables};
use crate::config::{Key, Node, Part, Table, Text, Unset, Value};
use crate::plan::TransportChoice;

pub(super) const CLIENT: Client = Client {
    id: "gemini",
    title: "Gemini CLI",
    format: Format::Json,
    project: |folder| vec![folder.join(".gemini/settings.json")],
    user: |home, _| vec![home.join(".gemini/settings.json")],
    by_place: |path| path.ends_with(".gemini/settings.json"),
    by_keys: |root| under(root, &["mcp", "serverCommand"]).is_some(),
    entries: found,
    keys: &[
        "command",
        "args",
        "env",
        "cwd",
        "url",
        "httpUrl",
        "tcp",
        "type",
        "headers",
        "timeout",
        "trust",
        "description",
        "includeTools",
        "excludeTools",
        "extension",
        "oauth",
        "authProviderType",
        "targetAudience",
        "targetServiceAccount",
    ],
    read,
    expand,
    environment: ChildEnvironment {
        passes: Passes::Except(&["*TOKEN*", "*SECRET*", "*PASSWORD*", "*KEY*", "*AUTH*", "*CREDENTIAL*"]),
        ..ChildEnvironment::WHOLE
    },
};

/// What `type` may say beside `url`.
const KINDS: &[(&str, Kind)] = &[
    ("stdio", Kind::Stdio),
    ("http", Kind::Http(TransportChoice::StreamableHttp)),
    ("sse", Kind::Http(TransportChoice::Sse)),
];

fn found<'a>(file: &File<'a>) -> Vec<Item<'a>> {
    let mut items = entries(file, &["mcpServers"]);
    if let Some(node) = under(file.root, &["mcp", "serverCommand"])
        && let Value::Text(text) = &node.value
    {
        items.push(server_command(node, text.literal().unwrap_or_default()));
    }
    items
}

/// `mcp.serverCommand` is a line with a program and its arguments: an entry called `mcp`, as Gemini calls it.
fn server_command<'a>(node: &Node, line: &str) -> Item<'a> {
    let place = &node.place;
    let key = |name: &str| Key { name: name.to_owned(), place: place.clone() };
    let word =
        |word: String| Node { value: Value::Text(Text::of(vec![Part::Literal(word)], place)), place: place.clone() };
    let mut words = words(line).into_iter().map(word);
    let mut table = Table::default();
    table.entries.extend(words.next().map(|program| (key("command"), program)));
    let arguments = Node { value: Value::Array(words.collect()), place: place.clone() };
    table.entries.push((key("args"), arguments));
    let node = Node { value: Value::Table(table), place: place.clone() };
    Item { key: Cow::Owned(key("mcp")), node: Cow::Owned(node), local: false }
}

/// The words of a line, with quotes and backslashes as a shell reads them.
fn words(line: &str) -> Vec<String> {
    let mut words = Vec::new();
    let (mut word, mut quote, mut chars) = (None::<String>, None, line.chars());
    while let Some(c) = chars.next() {
        match (c, quote) {
            (c, Some(open)) if c == open => quote = None,
            ('\\', None | Some('"')) => word.get_or_insert_default().extend(chars.next()),
            ('"' | '\'', None) => {
                quote = Some(c);
                word.get_or_insert_default();
            }
            (c, None) if c.is_whitespace() => words.extend(word.take()),
            (c, _) => word.get_or_insert_default().push(c),
        }
    }
    words.extend(word);
    words
}

fn read(entry: &mut Entry<'_>) {
    lists(entry);
    // Of the connection as well as of every call.
    entry.imported.startup_timeout = entry.time("timeout", Unit::Milliseconds);
    // In this order, whatever else stands there.
    if entry.section.has("httpUrl") {
        entry.remote("httpUrl", TransportChoice::StreamableHttp);
        ignored(entry, &["url", "command"], "httpUrl");
    } else if entry.section.has("url") {
        match entry.kind("type", KINDS, "url") {
            Some(Kind::Http(transport)) if entry.section.has("type") => entry.remote("url", transport),
            Some(_) => {
                entry.remote("url", TransportChoice::Sse);
                ignored(entry, &["command"], "url");
            }
            None => {}
        }
    } else if entry.section.has("tcp") && !entry.section.has("command") {
        let help = "write `httpUrl` with the URL of the server";
        entry.wrong(format!("`{}` is reached over `tcp`, which mcp-probe does not speak", entry.imported.name), help);
    } else {
        entry.stdio();
    }
    entry.signs_in("oauth");
    entry.signs_in("authProviderType");
}

fn ignored(entry: &Entry<'_>, keys: &[&'static str], winner: &str) {
    for key in keys.iter().filter(|key| entry.section.has(key)) {
        entry.warn(key, format!("Gemini CLI ignores `{key}` beside `{winner}`"), "leave one of them out");
    }
}

/// `mcp.allowed` and `mcp.excluded`, which hold for all entries.
fn lists(entry: &mut Entry<'_>) {
    let names = |key: &str| match &under(entry.file.root, &["mcp", key])?.value {
        Value::Array(items) => {
            let has = items.iter().any(|item| match &item.value {
                Value::Text(text) => text.literal() == Some(&entry.imported.name),
                _ => false,
            });
            Some(has)
        }
        _ => None,
    };
    let (allowed, excluded) = (names("allowed"), names("excluded"));
    if excluded == Some(true) {
        entry.imported.disabled = Some("it is listed under `mcp.excluded`".to_owned());
    } else if allowed == Some(false) {
        entry.imported.disabled = Some("`mcp.allowed` does not list it".to_owned());
    }
}

/// `$VAR`, `${VAR}` and `${VAR:-default}`. What is unset is empty in `env`, and stays as it is written elsewhere: two
/// parts of the program disagree.
fn expand(text: &str, key: &str, _: &File<'_>) -> Vec<Part> {
    let unset = || if key == "env" { Unset::Empty } else { Unset::AsWritten };
    let mut parts = Vec::new();
    for part in variables::between(text, "${", '}', |inside, written| variables::shell(inside, written, unset())) {
        match part {
            Part::Literal(literal) => bare(&literal, &unset, &mut parts),
            other => parts.push(other),
        }
    }
    parts
}

/// `$VAR` in what is left.
fn bare(literal: &str, unset: &impl Fn() -> Unset, parts: &mut Vec<Part>) {
    let (mut before, mut rest) = (String::new(), literal);
    while let Some(at) = rest.find('$') {
        let tail = &rest[at + 1..];
        let length = tail.find(|c: char| !c.is_ascii_alphanumeric() && c != '_').unwrap_or(tail.len());
        let name = &tail[..length];
        if variables::is_name(name) {
            before.push_str(&rest[..at]);
            variables::push(parts, &mut before);
            parts.push(variables::variable(name, &rest[at..=at + length], unset()));
            rest = &tail[length..];
        } else {
            before.push_str(&rest[..=at]);
            rest = tail;
        }
    }
    before.push_str(rest);
    variables::push(parts, &mut before);
}

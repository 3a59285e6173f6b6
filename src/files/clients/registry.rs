//! `server.json` of the registry: every package and every remote of a server is a target. What a client would ask its user
//! for is a variable of that name. Old files with `snake_case` keys are read too.

use std::borrow::Cow;

use super::entry::{Entry, Kind};
use super::{ChildEnvironment, Client, File, Format, Item, variables};
use crate::config::{Diag, Field, Key, Node, Part, Section, Table, Text, Unset, Value};
use crate::plan::{ImportedEndpoint, TransportChoice};

pub(super) const CLIENT: Client = Client {
    id: "registry",
    title: "the registry",
    format: Format::Json,
    project: |folder| vec![folder.join("server.json")],
    user: |_, _| Vec::new(),
    by_place: |_| false,
    by_keys: is_server,
    entries: found,
    keys: &[
        "registryType",
        "registryBaseUrl",
        "identifier",
        "version",
        "fileSha256",
        "runtimeHint",
        "transport",
        "runtimeArguments",
        "packageArguments",
        "environmentVariables",
        "type",
        "url",
        "headers",
        "variables",
        // Of older files.
        "registry_type",
        "registry_name",
        "registry_base_url",
        "name",
        "file_sha256",
        "runtime_hint",
        "runtime_arguments",
        "package_arguments",
        "environment_variables",
        "transport_type",
        "license",
    ],
    read,
    expand: variables::none,
    environment: ChildEnvironment::WHOLE,
};

/// The document may stand alone, or under `server` as the registry answers.
fn server(root: &Table) -> &Table {
    match root.get("server").map(|node| &node.value) {
        Some(Value::Table(server)) => server,
        _ => root,
    }
}

fn is_server(root: &Table) -> bool {
    let server = server(root);
    let has = |key: &str| matches!(server.get(key).map(|node| &node.value), Some(Value::Array(_)));
    server.get("name").is_some() && (has("packages") || has("remotes"))
}

fn found<'a>(file: &File<'a>) -> Vec<Item<'a>> {
    let server = server(file.root);
    // In a project's folder a `server.json` may be anything.
    if !is_server(file.root) {
        return Vec::new();
    }
    let name = string(server, "name").unwrap_or_default();
    let name = name.rsplit('/').next().unwrap_or_default();
    let all: Vec<(&str, &'a Node)> = ["packages", "remotes"]
        .into_iter()
        .flat_map(|key| match server.get(key).map(|node| &node.value) {
            Some(Value::Array(items)) => items.iter().map(|node| (kind(node), node)).collect(),
            _ => Vec::new(),
        })
        .collect();
    let one = all.len() == 1;
    let mut names: Vec<String> = Vec::new();
    let mut items = Vec::new();
    for (kind, node) in all {
        let mut called = if one { name.to_owned() } else { format!("{name}-{kind}") };
        if names.contains(&called) {
            called = format!("{called}-{}", names.len() + 1);
        }
        names.push(called.clone());
        let key = Key { name: called, place: node.place.clone() };
        items.push(Item { key: Cow::Owned(key), node: Cow::Borrowed(node), local: false });
    }
    items
}

/// What tells a package or a remote from the others.
fn kind(node: &Node) -> &str {
    let Value::Table(table) = &node.value else { return "entry" };
    ["registryType", "registry_type", "registry_name", "type", "transport_type"]
        .iter()
        .find_map(|key| string(table, key))
        .unwrap_or("entry")
}

fn string<'a>(table: &'a Table, key: &str) -> Option<&'a str> {
    match &table.get(key)?.value {
        Value::Text(text) => text.literal(),
        _ => None,
    }
}

fn read(entry: &mut Entry<'_>) {
    for (old, new) in OLD {
        if entry.section.has(old) && !(*old == "name" && entry.section.has("identifier")) {
            let message = format!("`{old}` is of the first draft of the format; the registry asks for `{new}`");
            entry.warn(old, message, format!("write `{new}`"));
        }
    }
    let is_package = either(&entry.section, "identifier", "name").is_some();
    if is_package {
        package(entry);
    } else {
        let help = "write `streamable-http` or `sse`";
        match either(&entry.section, "type", "transport_type") {
            None => entry.wrong("an entry of `remotes` needs a `type`", help),
            Some(field) => match field.one_of(KINDS) {
                Some(Kind::Http(transport)) => remote(entry, "url", transport),
                Some(Kind::Stdio) => entry.wrong("an entry of `remotes` is reached over HTTP, never over stdio", help),
                None => {}
            },
        }
    }
}

/// Keys of the draft of July 2025, and what they are called now.
const OLD: &[(&str, &str)] = &[
    ("registry_type", "registryType"),
    ("registry_name", "registryType"),
    ("name", "identifier"),
    ("runtime_hint", "runtimeHint"),
    ("runtime_arguments", "runtimeArguments"),
    ("package_arguments", "packageArguments"),
    ("environment_variables", "environmentVariables"),
    ("transport_type", "type"),
];

fn either<'a>(section: &Section<'a>, new: &'static str, old: &'static str) -> Option<Field<'a>> {
    section.field(new).or_else(|| section.field(old))
}

/// What the `type` of a transport may say.
const KINDS: &[(&str, Kind)] = &[
    ("stdio", Kind::Stdio),
    ("streamable-http", Kind::Http(TransportChoice::StreamableHttp)),
    ("sse", Kind::Http(TransportChoice::Sse)),
];

fn remote(entry: &mut Entry<'_>, key: &'static str, transport: TransportChoice) {
    entry.imported.transport = transport;
    let metadata = entry.section.section("variables");
    let Some(field) = entry.section.field(key) else {
        entry.wrong(format!("the entry `{}` names no `{key}`", entry.imported.name), format!("write `{key}`"));
        return;
    };
    let Some(text) = field.text() else { return };
    let url = Text::of(template(text.literal().unwrap_or_default(), metadata.as_ref()), &text.place);
    if let Some(Err(why)) = url.literal().map(crate::plan::check_url) {
        field.wrong(format!("`{key}`: {why}"));
        return;
    }
    entry.imported.endpoint = Some(ImportedEndpoint::Url(url));
    let headers = entry.section.field("headers").and_then(|field| field.items("an array of headers"));
    for field in headers.unwrap_or_default() {
        if let Some((key, text)) = named(entry, field, "headers") {
            entry.imported.headers.push((key, text));
        }
    }
}

fn package(entry: &mut Entry<'_>) {
    let section = &entry.section;
    let Some(identifier) = either(section, "identifier", "name").and_then(|field| field.string()) else { return };
    let version = section.string("version").filter(|version| !version.is_empty() && version != "latest");
    let registry = section.field("registryType").or_else(|| either(section, "registry_type", "registry_name"));
    let Some(registry) = registry.and_then(|field| field.string()) else {
        entry.wrong("a package needs a `registryType`", "write `npm`, `pypi`, `oci` or `nuget`");
        return;
    };
    let hint = either(section, "runtimeHint", "runtime_hint").and_then(|field| field.string());
    let env = either(section, "environmentVariables", "environment_variables");
    let env: Vec<(Key, Text)> = env
        .and_then(|field| field.items("an array of variables"))
        .unwrap_or_default()
        .into_iter()
        .filter_map(|field| named(entry, field, "env"))
        .collect();
    let runtime = arguments(entry, either(section, "runtimeArguments", "runtime_arguments"), true);
    let place = section.place().clone();
    let word = |word: String| Text::of(vec![Part::Literal(word)], &place);
    let at = |separator: &str| version.as_ref().map_or(identifier.clone(), |v| format!("{identifier}{separator}{v}"));
    let says = |wanted: &str| runtime.iter().any(|argument| argument.literal() == Some(wanted));
    let (program, before, what): (&str, Vec<String>, String) = match registry.as_str() {
        "npm" => ("npx", if says("-y") || says("--yes") { Vec::new() } else { vec!["-y".to_owned()] }, at("@")),
        "pypi" => ("uvx", Vec::new(), at("==")),
        "nuget" => ("dnx", Vec::new(), at("@")),
        "oci" | "docker" => ("docker", container(&runtime, &env), image(&identifier, version.as_deref())),
        other => {
            let message =
                format!("`{}` is a package of `{other}`, which has to be installed first", entry.imported.name);
            entry.wrong(message, "install it, and name the command after `--`");
            return;
        }
    };
    let mut argv = vec![word(hint.unwrap_or_else(|| program.to_owned()))];
    argv.extend(before.into_iter().map(word));
    argv.extend(runtime);
    argv.push(word(what));
    if registry == "nuget" {
        argv.push(word("--yes".to_owned()));
    }
    argv.extend(arguments(entry, either(section, "packageArguments", "package_arguments"), false));
    entry.imported.env = env;
    entry.imported.endpoint = Some(ImportedEndpoint::Command(argv));
    over_http(entry);
}

/// A package that is started and then reached over HTTP: whoever probes it starts it.
fn over_http(entry: &mut Entry<'_>) {
    let Some(table) = entry.section.section("transport") else { return };
    let Some(Kind::Http(choice)) = table.one_of("type", KINDS) else { return };
    let Some(url) = table.text("url") else {
        let message = format!("`{}` is reached over HTTP, and its `transport` says no `url`", entry.imported.name);
        entry.wrong(message, "write `url` into `transport`");
        return;
    };
    let message = "this package is started, and then reached over HTTP: mcp-probe asks the URL and starts nothing";
    entry.warn("transport", message, "start it first, or write a probe file with `start`");
    let parts = template(url.literal().unwrap_or_default(), table.section("variables").as_ref());
    entry.imported.endpoint = Some(ImportedEndpoint::Url(Text::of(parts, &url.place)));
    entry.imported.env.clear();
    entry.imported.transport = choice;
}

fn image(identifier: &str, version: Option<&str>) -> String {
    let name = identifier.rsplit('/').next().unwrap_or_default();
    match version {
        Some(version) if !name.contains([':', '@']) => format!("{identifier}:{version}"),
        _ => identifier.to_owned(),
    }
}

/// What a container needs to speak over stdio and to see its variables; values do not stand on the command line.
fn container(runtime: &[Text], env: &[(Key, Text)]) -> Vec<String> {
    let says = |wanted: &str| runtime.iter().any(|argument| argument.literal() == Some(wanted));
    if says("run") {
        return Vec::new();
    }
    let mut words = ["run", "-i", "--rm"].map(str::to_owned).to_vec();
    let mentions = |name: &str| {
        runtime.iter().any(|argument| {
            argument.written().strip_prefix(name).is_some_and(|rest| rest.is_empty() || rest.starts_with('='))
        })
    };
    for (key, _) in env.iter().filter(|(key, _)| !mentions(&key.name)) {
        words.extend(["-e".to_owned(), key.name.clone()]);
    }
    words
}

/// A variable or a header: `name` with what `value` says, or what the user is asked for. One that is neither needed nor
/// set is left out.
fn named(entry: &Entry<'_>, field: Field<'_>, under: &str) -> Option<(Key, Text)> {
    let table = field.table(if under == "headers" { "a header" } else { "a variable" })?;
    let name = table.field("name").or_else(|| {
        table.wrong("", "this has no `name`").help("write `name`");
        None
    })?;
    let key = Key { name: name.string()?, place: name.place().clone() };
    if !entry.is_pair(&key, under) {
        return None;
    }
    let text = filled(entry, &table, &key.name)?;
    Some((key, text))
}

/// The value of an input: written, or a variable called `name`, or nothing.
fn filled(entry: &Entry<'_>, table: &Section<'_>, name: &str) -> Option<Text> {
    let metadata = table.section("variables");
    if let Some(value) = table.text("value") {
        let parts = template(value.literal().unwrap_or_default(), metadata.as_ref());
        return Some(Text::of(parts, &value.place));
    }
    let required = either(table, "isRequired", "is_required").and_then(|field| field.bool()).unwrap_or_default();
    let name = variable_name(name);
    let unset = match table.text("default") {
        Some(default) => Unset::Default(default.literal().unwrap_or_default().to_owned()),
        None if required => Unset::Mistake,
        None if entry.file.environment.variable(&name).is_some() => Unset::Empty,
        None => return None,
    };
    Some(Text::of(vec![variables::variable(&name, &format!("${{{name}}}"), unset)], table.place()))
}

/// `--api-key` is asked for as `API_KEY`, `file_path` as it is.
fn variable_name(name: &str) -> String {
    let is_flag = name.starts_with('-');
    let name = name.trim_matches(|c: char| !c.is_ascii_alphanumeric() && c != '_');
    let name: String = name.chars().map(|c| if c.is_ascii_alphanumeric() { c } else { '_' }).collect();
    let name = if name.starts_with(|c: char| c.is_ascii_digit()) { format!("_{name}") } else { name };
    if is_flag { name.to_ascii_uppercase() } else { name }
}

/// `{variable}` in a text, with what the file says of it.
fn template(text: &str, metadata: Option<&Section<'_>>) -> Vec<Part> {
    variables::between(text, "{", '}', |inside, written| {
        if !variables::is_name(inside) {
            return None;
        }
        let said = metadata.and_then(|all| all.entries().find(|(key, _)| key.name == inside));
        let said = said.and_then(|(_, field)| field.table("a variable"));
        let said = |key| said.as_ref().and_then(|said| said.string(key));
        Some(match (said("value"), said("default")) {
            (Some(value), _) => Part::Literal(value),
            (None, Some(default)) => variables::variable(inside, written, Unset::Default(default)),
            (None, None) => variables::variable(inside, written, Unset::Mistake),
        })
    })
}

/// Positional and named arguments, in their order.
fn arguments(entry: &Entry<'_>, field: Option<Field<'_>>, of_runtime: bool) -> Vec<Text> {
    let mut argv = Vec::new();
    for field in field.and_then(|field| field.items("an array of arguments")).unwrap_or_default() {
        let Some(table) = field.table("an argument") else { continue };
        let word = |word: &str| Text::of(vec![Part::Literal(word.to_owned())], field.place());
        match table.string("type").as_deref() {
            Some("positional") | None if table.string("name").is_none() => {
                let hint = either(&table, "valueHint", "value_hint").and_then(|field| field.string());
                argv.extend(filled(entry, &table, &hint.unwrap_or_else(|| "argument".to_owned())));
            }
            Some("named") | None => {
                let Some(name) = table.string("name") else {
                    table.wrong("", "a named argument needs a `name`").help("write `name`, with its dashes");
                    continue;
                };
                let is_flag = table.string("format").as_deref() == Some("boolean") && table.text("value").is_none();
                let required = either(&table, "isRequired", "is_required").and_then(|field| field.bool());
                let value = if is_flag { None } else { filled(entry, &table, &name) };
                match value {
                    Some(value) => argv.extend([word(&name), value]),
                    None if of_runtime || required == Some(true) => argv.push(word(&name)),
                    None => {}
                }
            }
            Some("positional") => argv.extend(filled(entry, &table, "argument")),
            Some(other) => {
                let message = format!("`{other}` is no type of an argument");
                let diag = Diag::error(&table.key_place("type"), message).help("write `positional` or `named`");
                entry.section.reading().report(diag);
            }
        }
    }
    argv
}

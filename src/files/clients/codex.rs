//! Codex: `[mcp_servers.NAME]` in `config.toml`. No variables, but the names of variables instead.

use std::path::{Path, PathBuf};

use super::entry::{Entry, Unit};
use super::{ChildEnvironment, Client, Format, Passes, entries, variables};
use crate::config::{Diag, Environment, Field, Key, Section, Text, Unset, Value};
use crate::plan::TransportChoice;

pub(super) const CLIENT: Client = Client {
    id: "codex",
    title: "Codex",
    format: Format::Toml,
    project: |folder| vec![folder.join(".codex/config.toml")],
    user,
    by_place: |path| path.ends_with(".codex/config.toml"),
    // A probe file says none of this.
    by_keys: |root| root.get("mcp_servers").is_some() && root.get("target").is_none() && root.get("probe").is_none(),
    entries: |file| entries(file, &["mcp_servers"]),
    keys: &[
        "command",
        "args",
        "env",
        "env_vars",
        "cwd",
        "url",
        "bearer_token_env_var",
        "http_headers",
        "env_http_headers",
        "scopes",
        "oauth",
        "oauth_resource",
        "startup_timeout_sec",
        "startup_timeout_ms",
        "tool_timeout_sec",
        "enabled",
        "required",
        "enabled_tools",
        "disabled_tools",
        "supports_parallel_tool_calls",
        "default_tools_approval_mode",
        "tools",
        "experimental_environment",
    ],
    read,
    expand: variables::none,
    environment: ChildEnvironment {
        passes: Passes::Only(&[
            "HOME",
            "LOGNAME",
            "PATH",
            "SHELL",
            "USER",
            "LANG",
            "LC_ALL",
            "TERM",
            "TMPDIR",
            "TZ",
            "__CF_USER_TEXT_ENCODING",
        ]),
        ..ChildEnvironment::WHOLE
    },
};

fn user(home: &Path, environment: &dyn Environment) -> Vec<PathBuf> {
    let folder = environment.variable("CODEX_HOME").filter(|folder| !folder.is_empty()).map(PathBuf::from);
    vec![folder.unwrap_or_else(|| home.join(".codex")).join("config.toml")]
}

fn read(entry: &mut Entry<'_>) {
    entry.switch("enabled", true);
    // The seconds win, as there.
    entry.imported.startup_timeout = entry
        .time("startup_timeout_sec", Unit::Seconds)
        .or_else(|| entry.time("startup_timeout_ms", Unit::Milliseconds));
    let _ = entry.time("tool_timeout_sec", Unit::Seconds);
    if entry.both("command", "url") {
        return;
    }
    if entry.section.has("url") {
        remote(entry);
    } else {
        misplaced(entry, &["bearer_token_env_var", "http_headers", "env_http_headers"], "a server that is started");
        entry.stdio();
        named_variables(entry);
    }
}

fn remote(entry: &mut Entry<'_>) {
    misplaced(entry, &["args", "env", "env_vars", "cwd"], "a server that is reached by `url`");
    if entry.section.has("bearer_token") {
        let key = "bearer_token";
        let help = "write `bearer_token_env_var` with the name of a variable that holds the token";
        entry.section.wrong(key, "Codex refuses a `bearer_token` that is written into its file").help(help);
    }
    if entry.section.has("headers") {
        entry.warn("headers", "Codex ignores `headers`", "write `http_headers`");
    }
    entry.url("url", TransportChoice::StreamableHttp);
    entry.imported.headers = entry.headers("http_headers");
    let named = entry.section.section("env_http_headers");
    for (key, field) in named.iter().flat_map(Section::entries) {
        let Some(name) = field.string() else { continue };
        if let Some(text) = variable(entry, &name, field) {
            entry.imported.headers.retain(|(have, _)| !have.name.eq_ignore_ascii_case(&key.name));
            entry.imported.headers.push((key.clone(), text));
        }
    }
    if let Some(field) = entry.section.field("bearer_token_env_var")
        && let Some(name) = field.string()
    {
        let part = variables::variable(&name, &name, Unset::Mistake);
        entry.imported.bearer = Some(Text::of(vec![part], field.place()));
    }
    entry.signs_in("oauth");
}

/// The value of a variable that is named; one that is not set is left out, as Codex does.
fn variable(entry: &Entry<'_>, name: &str, field: Field<'_>) -> Option<Text> {
    if entry.file.environment.variable(name).is_none() {
        let message = format!("the variable `{name}` is not set: Codex leaves it out");
        entry.section.reading().report(Diag::warning(field.place(), message).help("set it"));
        return None;
    }
    Some(Text::of(vec![variables::variable(name, name, Unset::Empty)], field.place()))
}

/// `env_vars`: names, or tables with a name and where it comes from.
fn named_variables(entry: &mut Entry<'_>) {
    let fields = entry.section.field("env_vars").and_then(|field| field.items("an array of names"));
    for field in fields.unwrap_or_default() {
        let (name, is_remote) = match &field.node.value {
            Value::Table(_) => {
                let Some(table) = field.table("an entry of `env_vars`") else { continue };
                (table.string("name"), table.string("source").as_deref() == Some("remote"))
            }
            _ => (field.string(), false),
        };
        let Some(name) = name else { continue };
        if is_remote {
            let message =
                format!("`{name}` comes from the machine on which Codex runs its tools; here it is not known");
            entry.section.reading().report(Diag::warning(field.place(), message).help("give it with --env"));
        } else if let Some(text) = variable(entry, &name, field) {
            let key = Key { name, place: field.place().clone() };
            if !entry.imported.env.iter().any(|(have, _)| have.name == key.name) {
                entry.imported.env.push((key, text));
            }
        }
    }
}

fn misplaced(entry: &Entry<'_>, keys: &[&'static str], what: &str) {
    for key in keys.iter().filter(|key| entry.section.has(key)) {
        let message = format!("`{key}` has no place beside {what}: Codex refuses the file");
        entry.section.wrong(key, message).help("leave it out");
    }
}

//! opencode: `mcp.NAME` in `opencode.json` or `opencode.jsonc`. The command is an array, its variables are `environment`.

use std::path::{Path, PathBuf};

use super::claude_desktop::xdg_config;
use super::entry::{Entry, Kind, Unit};
use super::{ChildEnvironment, Client, File, Format, entries, variables};
use crate::config::{Environment, Part, Table, Unset, Value};
use crate::plan::{ImportedEndpoint, TransportChoice};

pub(super) const CLIENT: Client = Client {
    id: "opencode",
    title: "opencode",
    format: Format::Json,
    project: |folder| {
        ["opencode.json", "opencode.jsonc", ".opencode/opencode.json", ".opencode/opencode.jsonc"]
            .map(|file| folder.join(file))
            .into()
    },
    user,
    by_place: |path| path.ends_with("opencode.json") || path.ends_with("opencode.jsonc"),
    by_keys,
    entries: |file| entries(file, &["mcp"]),
    keys: &["type", "command", "environment", "cwd", "url", "headers", "enabled", "disabled", "timeout", "oauth"],
    read,
    expand,
    environment: ChildEnvironment::WHOLE,
};

/// What `type` may say. A remote server is asked over Streamable HTTP first and over HTTP+SSE then.
const KINDS: &[(&str, Kind)] = &[("local", Kind::Stdio), ("remote", Kind::Http(TransportChoice::Auto))];

fn user(home: &Path, environment: &dyn Environment) -> Vec<PathBuf> {
    let given = environment.variable("OPENCODE_CONFIG").filter(|path| !path.is_empty()).map(PathBuf::from);
    let folder = xdg_config(home, environment).join("opencode");
    let own = ["opencode.json", "opencode.jsonc", "config.json"].map(|file| folder.join(file));
    given.into_iter().chain(own).collect()
}

fn by_keys(root: &Table) -> bool {
    matches!(root.get("mcp").map(|node| &node.value), Some(Value::Table(mcp)) if mcp.get("servers").is_none())
}

fn read(entry: &mut Entry<'_>) {
    entry.switch("enabled", true);
    entry.switch("disabled", false);
    timeout(entry);
    if !entry.section.has("type") {
        let help = "write `\"type\": \"local\"` for a command, \"remote\" for a URL";
        entry.wrong(format!("`{}` says no `type`, which opencode needs", entry.imported.name), help);
        return;
    }
    match entry.kind("type", KINDS, "url") {
        Some(Kind::Stdio) => {
            command(entry);
            entry.imported.env = entry.env("environment");
            entry.imported.cwd = entry.section.field("cwd").and_then(|field| entry.text(field));
            for (key, meant) in [("args", "`command`, which is an array"), ("env", "`environment`")] {
                if entry.section.has(key) {
                    entry.warn(key, format!("opencode ignores `{key}`"), format!("write it into {meant}"));
                }
            }
        }
        Some(Kind::Http(transport)) => {
            entry.remote("url", transport);
            if !matches!(entry.section.field("oauth").map(|field| &field.node.value), Some(Value::Bool(false))) {
                entry.signs_in("oauth");
            }
        }
        None => {}
    }
}

/// Milliseconds; newer versions tell the start from the calls.
fn timeout(entry: &mut Entry<'_>) {
    let Some(field) = entry.section.field("timeout") else { return };
    entry.imported.startup_timeout = if field.is_table() {
        let Some(table) = field.table("`timeout`") else { return };
        let _ = table.field("request").and_then(|field| entry.time_of(field, Unit::Milliseconds));
        table.field("startup").and_then(|field| entry.time_of(field, Unit::Milliseconds))
    } else {
        entry.time("timeout", Unit::Milliseconds)
    };
}

fn command(entry: &mut Entry<'_>) {
    let Some(field) = entry.section.field("command") else {
        let help = "write `\"command\": [\"program\", \"argument\"]`";
        entry.wrong(format!("the entry `{}` names no `command`", entry.imported.name), help);
        return;
    };
    if !matches!(field.node.value, Value::Array(_)) {
        field
            .wrong("`command` must be an array: the program and its arguments")
            .help("write `[\"program\", \"argument\"]`");
        return;
    }
    let words = field.items("an array of strings").unwrap_or_default();
    let argv: Vec<_> = words.into_iter().filter_map(|word| entry.text(word)).collect();
    if argv.first().is_none_or(|program| program.literal().is_some_and(|program| program.trim().is_empty())) {
        field.wrong("`command` names no program");
        return;
    }
    entry.imported.endpoint = Some(ImportedEndpoint::Command(argv));
}

/// `{env:VAR}`, empty where it is not set, and `{file:path}`, relative to the file.
fn expand(text: &str, _: &str, file: &File<'_>) -> Vec<Part> {
    variables::between(text, "{", '}', |inside, written| {
        if let Some(name) = inside.strip_prefix("env:") {
            return variables::is_name(name).then(|| variables::variable(name, written, Unset::Empty));
        }
        let path = inside.strip_prefix("file:").filter(|path| !path.is_empty())?;
        let path = match (path.strip_prefix("~/"), &file.folders.home) {
            (Some(path), Some(home)) => home.join(path),
            _ => file.path.parent().unwrap_or(Path::new(".")).join(path),
        };
        let path = std::path::absolute(&path).unwrap_or(path);
        Some(Part::File(path.display().to_string()))
    })
}

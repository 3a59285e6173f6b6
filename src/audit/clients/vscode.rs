//! VS Code with Copilot: prefixes names, cuts them, and validates schemas itself.

use super::{ClientRule, Effect, Judge, Miss, Profile, Seen, Server, naming, openai};
use crate::audit::topic::Topic;
use crate::event::Severity;

pub(super) static PROFILE: Profile = Profile {
    id: "vscode",
    title: "VS Code",
    as_of: "2026-11-22",
    what: "VS Code's chat, as a client of stdio and HTTP servers.",
    exposes: |server, tool| whole(server, tool).chars().take(CHARS_MAX).collect(),
    naming: "mcp_SERVER_TOOL",
    rules: RULES,
};

const CHARS_MAX: usize = 64;
/// Characters of a server's name in the prefix.
const SERVER_CHARS: usize = 13;
const TOOLS_MAX: usize = 128;

static RULES: &[ClientRule] = &[
    ClientRule {
        topic: Topic {
            id: "compat.vscode.array_items",
            severity: Severity::Warning,
            what: "A parameter is an array without `items`.",
            why: "VS Code does not validate the tool: it cannot be used.",
            mend: "say what the array holds: `\"items\": {\"type\": \"string\"}`, or `{}` for anything.",
            source: "microsoft/vscode#246119, #284536, #290225",
            as_of: "2026-01-25",
        },
        value: "arrays have items",
        effect: Effect::Lost,
        judge: Judge::Tool(openai::array_items),
    },
    ClientRule {
        topic: Topic {
            id: "compat.vscode.tool_count",
            severity: Severity::Warning,
            what: "The server lists more than 128 tools.",
            why: "A request carries 128, unless tool search is on: its user must switch tools off.",
            mend: "offer fewer, or in groups that can be switched on.",
            source: "vendor's documentation",
            as_of: "2026-11-22",
        },
        value: "128 tools a request, without tool search",
        effect: Effect::Warned,
        judge: Judge::Server(tool_count),
    },
    ClientRule {
        topic: Topic {
            id: "compat.vscode.name_cut",
            severity: Severity::Warning,
            what: "With its prefix, a tool's name is longer than 64 characters.",
            why: "Its end is cut off: the model sees a name that says less, or that of another tool.",
            mend: "shorten the name.",
            source: "source of VS Code",
            as_of: "2026-11-22",
        },
        value: "64 characters with the prefix",
        effect: Effect::Cut,
        judge: Judge::Tool(name_cut),
    },
    ClientRule {
        topic: Topic {
            id: "compat.vscode.name_collision",
            severity: Severity::Warning,
            what: "Two tools have the same name once they are prefixed, cleaned and cut.",
            why: "The model cannot tell them apart.",
            mend: "use short names that differ in letters or digits.",
            source: "source of VS Code",
            as_of: "2026-11-22",
        },
        value: "unique after rewriting",
        effect: Effect::Warned,
        judge: Judge::Server(naming::collisions),
    },
];

fn whole(server: &str, tool: &str) -> String {
    let (mut prefix, mut is_gap) = (String::new(), false);
    for c in server.to_lowercase().chars() {
        let is_allowed = c.is_ascii_lowercase() || c.is_ascii_digit() || matches!(c, '_' | '.' | '-');
        if is_allowed {
            prefix.push(c);
        } else if !is_gap {
            prefix.push('_');
        }
        is_gap = !is_allowed;
    }
    let prefix: String = prefix.chars().take(SERVER_CHARS).collect();
    format!("mcp_{prefix}_{tool}").replace('.', "_")
}

fn name_cut(tool: &Seen<'_>, misses: &mut Vec<Miss>) {
    let Some(name) = tool.name else { return };
    let chars = whole(tool.offer.name, name).chars().count();
    if chars > CHARS_MAX {
        let actual = format!("{chars}; it becomes `{}`", tool.exposed);
        misses.push(tool.miss("name", format!("at most {CHARS_MAX} characters with the prefix"), actual));
    }
}

fn tool_count(server: &Server<'_>, misses: &mut Vec<Miss>) {
    let count = server.tools.len();
    if count > TOOLS_MAX {
        let (expected, actual) = (format!("at most {TOOLS_MAX} tools"), count.to_string());
        misses.push(Miss { tool: None, expected, actual, path: "$.tools".to_owned() });
    }
}

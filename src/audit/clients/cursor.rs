//! Cursor: the name of the server counts towards the length of a tool's.

use super::{ClientRule, Effect, Judge, Miss, Profile, Seen, Server, naming};
use crate::audit::topic::Topic;
use crate::event::Severity;

pub(super) static PROFILE: Profile = Profile {
    id: "cursor",
    title: "Cursor",
    as_of: "2026-09-03",
    what: "Cursor, as a client of stdio and HTTP servers.",
    exposes: naming::bare,
    naming: "SERVER and TOOL, apart",
    rules: RULES,
};

const CHARS_MAX: usize = 60;
const TOOLS_MAX: usize = 40;

static RULES: &[ClientRule] = &[
    ClientRule {
        topic: Topic {
            id: "compat.cursor.name_length",
            severity: Severity::Warning,
            what: "The names of server and tool together are longer than 60 characters.",
            why: "By its own warning, Cursor may filter such a tool out.",
            mend: "shorten the name of the tool, or of the server in the client's file.",
            source: "text of Cursor's warning",
            as_of: "2026-09-03",
        },
        value: "60 characters, server and tool",
        effect: Effect::Lost,
        judge: Judge::Tool(name_length),
    },
    ClientRule {
        topic: Topic {
            id: "compat.cursor.tool_count",
            severity: Severity::Info,
            what: "The server lists more than 40 tools.",
            why: "Cursor was reported to use the first 40 of all servers; its documentation names no number today.",
            mend: "offer fewer, or in groups that can be switched on, if its users miss tools.",
            source: "reports; no number in the documentation",
            as_of: "2026-09-03",
        },
        value: "40 tools, as reported earlier",
        effect: Effect::Warned,
        judge: Judge::Server(tool_count),
    },
];

fn name_length(tool: &Seen<'_>, misses: &mut Vec<Miss>) {
    let Some(name) = tool.name else { return };
    let (server, own) = (tool.offer.name.chars().count(), name.chars().count());
    if server + own > CHARS_MAX {
        let actual = format!("{} ({server} of the server, {own} of the tool)", server + own);
        misses.push(tool.miss("name", format!("at most {CHARS_MAX} characters, with the server's name"), actual));
    }
}

fn tool_count(server: &Server<'_>, misses: &mut Vec<Miss>) {
    let count = server.tools.len();
    if count > TOOLS_MAX {
        let (expected, actual) = (format!("at most {TOOLS_MAX} tools"), count.to_string());
        misses.push(Miss { tool: None, expected, actual, path: "$.tools".to_owned() });
    }
}

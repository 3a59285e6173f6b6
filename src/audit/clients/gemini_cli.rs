//! Gemini CLI: prefixes names, replaces what is not allowed in them and shortens them in the middle.

use super::{ClientRule, Effect, Judge, Miss, Profile, Seen, naming};
use crate::audit::topic::Topic;
use crate::event::Severity;

pub(super) static PROFILE: Profile = Profile {
    id: "gemini-cli",
    title: "Gemini CLI",
    as_of: "2026-11-22",
    what: "Gemini CLI, as a client of stdio and HTTP servers.",
    exposes: |server, tool| shortened(&whole(server, tool)),
    naming: "mcp_SERVER_TOOL",
    rules: RULES,
};

const CHARS_MAX: usize = 63;
/// What is kept of each end of a longer name.
const CHARS_KEPT: usize = 30;

static RULES: &[ClientRule] = &[
    ClientRule {
        topic: Topic {
            id: "compat.gemini-cli.name_cut",
            severity: Severity::Warning,
            what: "With its prefix, a tool's name is longer than 63 characters.",
            why: "Its middle is replaced by `...`: the model sees a name that says less, or that of another tool.",
            mend: "shorten the name of the tool, or of the server in the client's file.",
            source: "source of Gemini CLI",
            as_of: "2026-11-22",
        },
        value: "63 characters with the prefix",
        effect: Effect::Cut,
        judge: Judge::Tool(name_cut),
    },
    ClientRule {
        topic: Topic {
            id: "compat.gemini-cli.name_collision",
            severity: Severity::Warning,
            what: "Two tools have the same name once they are prefixed, cleaned and shortened.",
            why: "The model cannot tell them apart.",
            mend: "use short names that differ in letters or digits.",
            source: "source of Gemini CLI",
            as_of: "2026-11-22",
        },
        value: "unique after rewriting",
        effect: Effect::Warned,
        judge: Judge::Server(naming::collisions),
    },
];

fn whole(server: &str, tool: &str) -> String {
    let is_allowed = |c| naming::is_plain(c) || matches!(c, '.' | ':');
    naming::replaced(&format!("mcp_{server}_{tool}"), is_allowed)
}

fn shortened(name: &str) -> String {
    let chars = name.chars().count();
    if chars <= CHARS_MAX {
        return name.to_owned();
    }
    let head: String = name.chars().take(CHARS_KEPT).collect();
    let tail: String = name.chars().skip(chars - CHARS_KEPT).collect();
    format!("{head}...{tail}")
}

fn name_cut(tool: &Seen<'_>, misses: &mut Vec<Miss>) {
    let Some(name) = tool.name else { return };
    let chars = whole(tool.offer.name, name).chars().count();
    if chars > CHARS_MAX {
        let actual = format!("{chars}; it becomes `{}`", tool.exposed);
        misses.push(tool.miss("name", format!("at most {CHARS_MAX} characters with the prefix"), actual));
    }
}

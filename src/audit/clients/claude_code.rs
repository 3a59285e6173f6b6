//! Claude Code: prefixes names, cuts long texts, and drops tools whose schema has a combinator at its root.

use super::{ClientRule, Effect, Judge, Miss, Profile, Seen, Server, anthropic, naming};
use crate::audit::topic::Topic;
use crate::check::tokens::tokens;
use crate::event::Severity;

pub(super) static PROFILE: Profile = Profile {
    id: "claude-code",
    title: "Claude Code",
    as_of: "2026-09-19",
    what: "Claude Code, as a client of stdio and HTTP servers.",
    exposes: |server, tool| {
        let clean = |name| naming::replaced(name, naming::is_plain);
        format!("mcp__{}__{}", clean(server), clean(tool))
    },
    naming: "mcp__SERVER__TOOL",
    rules: RULES,
};

/// UTF-16 code units of one text.
const UNITS_MAX: usize = 2_048;
const TOKENS_MAX: u64 = 25_000;

static RULES: &[ClientRule] = &[
    ClientRule {
        topic: Topic {
            id: "compat.claude-code.root_combinator",
            severity: Severity::Warning,
            what: "An input schema has `allOf`, `oneOf`, `anyOf`, `not` or `if` at its root.",
            why: "The tool is dropped without a word: the model never hears of it.",
            mend: "write one object with `properties`; say in the description which parameters go together.",
            source: "anthropics/claude-code#95504",
            as_of: "2026-09-19",
        },
        value: "no allOf, oneOf, anyOf, not, if at the root",
        effect: Effect::Lost,
        judge: Judge::Tool(|tool, misses| {
            anthropic::root_keywords(tool, &["allOf", "oneOf", "anyOf", "not", "if"], misses);
        }),
    },
    ClientRule {
        topic: Topic {
            id: "compat.claude-code.property_key",
            severity: Severity::Warning,
            what: "A parameter's name does not match `^[a-zA-Z0-9_.-]{1,64}$`.",
            why: "The API behind it refuses the whole array of tools: no request works until the server is removed.",
            mend: "name parameters with letters, digits, `_`, `.` and `-`, at most 64 of them.",
            source: "error text of the API",
            as_of: "2026-10-05",
        },
        value: "^[a-zA-Z0-9_.-]{1,64}$",
        effect: Effect::AllLost,
        judge: Judge::Tool(anthropic::property_key),
    },
    ClientRule {
        topic: Topic {
            id: "compat.claude-code.name_length",
            severity: Severity::Warning,
            what: "With its prefix, a tool's name is longer than 128 characters.",
            why: "The API behind it refuses such names.",
            mend: "shorten the name of the tool, or of the server in the client's file.",
            source: "129 characters refused by the API when measured",
            as_of: "2026-10-05",
        },
        value: "128 characters with the prefix",
        effect: Effect::Warned,
        judge: Judge::Tool(|tool, misses| naming::too_long(tool, 128, misses)),
    },
    ClientRule {
        topic: Topic {
            id: "compat.claude-code.name_collision",
            severity: Severity::Warning,
            what: "Two tools have the same name once what is not allowed in it has become `_`.",
            why: "The model cannot tell them apart.",
            mend: "use names that differ in letters or digits.",
            source: "barryw/ImmichMCP#8: dots become underscores",
            as_of: "2026-05-07",
        },
        value: "unique after rewriting",
        effect: Effect::Warned,
        judge: Judge::Server(naming::collisions),
    },
    ClientRule {
        topic: Topic {
            id: "compat.claude-code.description_cut",
            severity: Severity::Warning,
            what: "A tool's description is longer than 2,048 UTF-16 code units.",
            why: "What is beyond is cut off: the model does not read it.",
            mend: "say the important first, and move the rest into parameter descriptions, a resource or a prompt.",
            source: "vendor's documentation (2 KB each); measured on 2.1.234",
            as_of: "2026-08-18",
        },
        value: "2,048 UTF-16 code units",
        effect: Effect::Cut,
        judge: Judge::Tool(description),
    },
    ClientRule {
        topic: Topic {
            id: "compat.claude-code.instructions_cut",
            severity: Severity::Warning,
            what: "The server's instructions are longer than 2,048 UTF-16 code units.",
            why: "What is beyond is cut off: the model does not read it.",
            mend: "say the important first, and move the rest into resources or prompts.",
            source: "vendor's documentation (2 KB each); measured on 2.1.234",
            as_of: "2026-08-18",
        },
        value: "2,048 UTF-16 code units",
        effect: Effect::Cut,
        judge: Judge::Server(instructions),
    },
    ClientRule {
        topic: Topic {
            id: "compat.claude-code.context",
            severity: Severity::Warning,
            what: "The definitions cost more than 25,000 tokens.",
            why: "`/doctor` warns its user of this server, and every conversation starts with that much less room.",
            mend: "offer fewer tools, or shorter definitions; `cost` shows which are the dearest.",
            source: "anthropics/claude-code#12241",
            as_of: "2026-11-22",
        },
        value: "25,000 tokens of all servers together",
        effect: Effect::Warned,
        judge: Judge::Server(context),
    },
];

fn units(text: &str) -> usize {
    text.encode_utf16().count()
}

fn description(tool: &Seen<'_>, misses: &mut Vec<Miss>) {
    let length = tool.item.text("description").map_or(0, units);
    if length > UNITS_MAX {
        misses.push(tool.miss("description", format!("at most {UNITS_MAX} UTF-16 code units"), length.to_string()));
    }
}

fn instructions(server: &Server<'_>, misses: &mut Vec<Miss>) {
    let length = server.offer.instructions.map_or(0, units);
    if length > UNITS_MAX {
        let expected = format!("at most {UNITS_MAX} UTF-16 code units");
        misses.push(Miss { tool: None, expected, actual: length.to_string(), path: "$.instructions".to_owned() });
    }
}

fn context(server: &Server<'_>, misses: &mut Vec<Miss>) {
    let count = tokens(server.offer.tools);
    if count > TOKENS_MAX {
        let (expected, actual) = (format!("at most {TOKENS_MAX} tokens"), format!("~{count} tokens"));
        misses.push(Miss { tool: None, expected, actual, path: "$.tools".to_owned() });
    }
}

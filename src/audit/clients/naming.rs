//! Names: how clients make one of a server's and a tool's, and what several of them want of it.

use std::collections::BTreeMap;

use super::{Miss, Seen, Server};

/// The name of the tool alone.
pub(super) fn bare(_server: &str, tool: &str) -> String {
    tool.to_owned()
}

/// Every character that is not allowed becomes `_`.
pub(super) fn replaced(name: &str, is_allowed: impl Fn(char) -> bool) -> String {
    name.chars().map(|c| if is_allowed(c) { c } else { '_' }).collect()
}

/// Letters, digits, `_` and `-`, of ASCII.
pub(super) fn is_plain(c: char) -> bool {
    c.is_ascii_alphanumeric() || matches!(c, '_' | '-')
}

/// The names that two tools or more would have, each with their places; tools that have the very same name of their own are
/// another matter.
pub(super) fn collisions(server: &Server<'_>, misses: &mut Vec<Miss>) {
    let mut by_name: BTreeMap<&str, &Seen<'_>> = BTreeMap::new();
    for tool in server.tools.iter().filter(|tool| tool.name.is_some()) {
        match by_name.get(tool.exposed.as_str()) {
            Some(first) if first.name != tool.name => misses.push(tool.miss(
                "name",
                "a name that is still unique when the client has rewritten it",
                format!("{} and {} both become `{}`", first.item.about(), tool.item.about(), tool.exposed),
            )),
            Some(_) => {}
            None => {
                by_name.insert(&tool.exposed, tool);
            }
        }
    }
}

/// Tools whose own name another tool has.
pub(super) fn duplicates(server: &Server<'_>, misses: &mut Vec<Miss>) {
    let mut seen: BTreeMap<&str, usize> = BTreeMap::new();
    for tool in &server.tools {
        let Some(name) = tool.name else { continue };
        if let Some(first) = seen.get(name) {
            misses.push(tool.miss("name", "a name that no other tool has", format!("tool {} has it too", first + 1)));
        } else {
            seen.insert(name, tool.item.at);
        }
    }
}

/// A name that is longer than the client allows, as the client writes it.
pub(super) fn too_long(tool: &Seen<'_>, chars_max: usize, misses: &mut Vec<Miss>) {
    let chars = tool.exposed.chars().count();
    if tool.name.is_some() && chars > chars_max {
        misses.push(tool.miss("name", format!("at most {chars_max} characters"), said(tool, chars)));
    }
}

/// A name with characters that the client does not allow.
pub(super) fn wrong_characters(tool: &Seen<'_>, is_allowed: fn(char) -> bool, words: &str, misses: &mut Vec<Miss>) {
    let wrong: Vec<char> = tool.exposed.chars().filter(|c| !is_allowed(*c)).collect();
    if tool.name.is_some() && !wrong.is_empty() {
        let mut shown: Vec<String> = Vec::new();
        for c in wrong {
            let text = if c.is_ascii_graphic() { format!("`{c}`") } else { format!("U+{:04X}", u32::from(c)) };
            if !shown.contains(&text) && shown.len() < 8 {
                shown.push(text);
            }
        }
        misses.push(tool.miss("name", words, format!("it has {}", shown.join(", "))));
    }
}

/// The length of a name, and the name where the client has another than the server.
fn said(tool: &Seen<'_>, chars: usize) -> String {
    if tool.name == Some(tool.exposed.as_str()) {
        format!("{chars} characters")
    } else {
        format!("{chars} characters as the client writes it: `{}`", tool.exposed)
    }
}

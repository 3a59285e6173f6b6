//! How clients write variables: pieces between two marks, and what each client calls the things inside.

use super::File;
use crate::config::{Part, Unset};

/// Takes a text apart at `open … close`. `inside` says what stands between the marks; what it does not know stands for
/// itself, marks and all.
pub(super) fn between(text: &str, open: &str, close: char, inside: impl Fn(&str, &str) -> Option<Part>) -> Vec<Part> {
    let mut parts = Vec::new();
    let mut literal = String::new();
    let mut rest = text;
    while let Some(at) = rest.find(open) {
        let Some(length) = rest[at + open.len()..].find(close) else { break };
        let end = at + open.len() + length + close.len_utf8();
        let written = &rest[at..end];
        match inside(&rest[at + open.len()..at + open.len() + length], written) {
            Some(part) => {
                literal.push_str(&rest[..at]);
                push(&mut parts, &mut literal);
                parts.push(part);
                rest = &rest[end..];
            }
            None => {
                literal.push_str(&rest[..at + open.len()]);
                rest = &rest[at + open.len()..];
            }
        }
    }
    literal.push_str(rest);
    push(&mut parts, &mut literal);
    parts
}

/// Ends a literal, if there is one.
pub(super) fn push(parts: &mut Vec<Part>, literal: &mut String) {
    if !literal.is_empty() {
        parts.push(Part::Literal(std::mem::take(literal)));
    }
}

/// Nothing in the text is a variable.
pub(super) fn none(text: &str, _: &str, _: &File<'_>) -> Vec<Part> {
    if text.is_empty() { Vec::new() } else { vec![Part::Literal(text.to_owned())] }
}

/// `NAME`, or `NAME:-default`, as it stands between braces.
pub(super) fn shell(inside: &str, written: &str, unset: Unset) -> Option<Part> {
    let (name, unset) = match inside.split_once(":-") {
        Some((name, default)) => (name, Unset::Default(default.to_owned())),
        None => (inside, unset),
    };
    is_name(name).then(|| variable(name, written, unset))
}

/// A variable of this name.
pub(super) fn variable(name: &str, written: &str, unset: Unset) -> Part {
    let empty_is_unset = matches!(unset, Unset::Default(_));
    Part::Foreign { written: written.to_owned(), name: name.to_owned(), unset, empty_is_unset }
}

/// Whether this can name a variable.
pub(super) fn is_name(name: &str) -> bool {
    crate::config::text::is_name(name)
}

/// The variables of VS Code and of the editors that grew out of it.
pub(super) fn of_editor(text: &str, _: &str, file: &File<'_>) -> Vec<Part> {
    between(text, "${", '}', |inside, written| editor_variable(inside, written, file))
}

fn editor_variable(inside: &str, written: &str, file: &File<'_>) -> Option<Part> {
    let literal = |text: String| Some(Part::Literal(text));
    let unfillable = |why: &str| Some(Part::Unfillable { written: written.to_owned(), why: why.to_owned() });
    if let Some(name) = inside.strip_prefix("env:") {
        return (!name.is_empty()).then(|| variable(name, written, Unset::Empty));
    }
    if let Some(id) = inside.strip_prefix("input:") {
        return Some(Part::Unfillable {
            written: written.to_owned(),
            why: format!(
                "which {} asks its user for (`{id}`); mcp-probe asks nobody: write the target into a probe file, with \
                 `${{VAR}}` in its place",
                file.client.title
            ),
        });
    }
    let project = file.project();
    match inside {
        "workspaceFolder" | "cwd" => literal(project.display().to_string()),
        "workspaceFolderBasename" => {
            literal(project.file_name().map(|name| name.to_string_lossy().into_owned()).unwrap_or_default())
        }
        "userHome" => match &file.folders.home {
            Some(home) => literal(home.display().to_string()),
            None => unfillable("and no home folder is known; set HOME"),
        },
        "pathSeparator" | "/" => literal(std::path::MAIN_SEPARATOR.to_string()),
        _ if inside.starts_with("command:") => {
            unfillable("which runs a command inside the editor; write the target into a probe file instead")
        }
        _ if inside.starts_with("config:") || inside.starts_with("file") || inside == "execPath" => {
            unfillable("which only the editor knows; write the target into a probe file instead")
        }
        _ => None,
    }
}

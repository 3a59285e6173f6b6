//! Annotations: what a client may know of a tool before it asks its user.

use serde_json::Value;

use super::{LintRule, Miss, Misses, names, words};
use crate::audit::offer::{Item, Offer};
use crate::audit::topic::Topic;
use crate::event::Severity;
use crate::protocol::revision::REVISIONS;

/// Verbs that take something away for good.
const DESTRUCTIVE: &[&str] =
    &["delete", "remove", "drop", "destroy", "purge", "erase", "wipe", "truncate", "uninstall", "unlink"];

pub(super) static RULES: &[LintRule] = &[
    LintRule {
        topic: Topic {
            id: "lint.no_annotations",
            severity: Severity::Info,
            what: "Tools have no annotations.",
            why: "Clients then take the worst for granted: they ask their user before every call, even of a tool that only reads.",
            mend: "say `readOnlyHint`, and `destructiveHint` and `idempotentHint` where a tool writes.",
            source: "MCP specification, ToolAnnotations: defaults",
            as_of: "2026-07-28",
        },
        judge: missing,
    },
    LintRule {
        topic: Topic {
            id: "lint.destructive_hint",
            severity: Severity::Warning,
            what: "A tool whose name deletes or removes does not say whether it is destructive.",
            why: "Clients decide by `destructiveHint` whether to ask their user first; not all of them take its absence for yes.",
            mend: "add `\"annotations\": {\"destructiveHint\": true}`, or false where what it takes away comes back.",
            source: "",
            as_of: "",
        },
        judge: destructive,
    },
];

/// Whether the revision knows annotations: the first did not.
fn are_known(offer: &Offer<'_>) -> bool {
    REVISIONS.first().is_some_and(|first| first.version != offer.revision.version)
}

fn hint(tool: &Item<'_>, name: &str) -> Option<bool> {
    tool.value.get("annotations")?.get(name)?.as_bool()
}

fn missing(offer: &Offer<'_>, misses: &mut Misses<'_>) {
    let bare = |tool: &Item<'_>| match tool.value.get("annotations") {
        None | Some(Value::Null) => true,
        Some(annotations) => {
            annotations.as_object().is_some_and(|hints| !hints.keys().any(|key| key.ends_with("Hint")))
        }
    };
    let without: Vec<&str> = offer.tools().filter(bare).filter_map(|tool| tool.name()).collect();
    if !without.is_empty() && are_known(offer) {
        misses.push(Miss {
            about: "the server".to_owned(),
            expected: "annotations of every tool".to_owned(),
            actual: format!("{} of {} have none: {}", without.len(), offer.tools.len(), names(&without)),
            path: "$.tools".to_owned(),
        });
    }
}

fn destructive(offer: &Offer<'_>, misses: &mut Misses<'_>) {
    if !are_known(offer) {
        return;
    }
    for tool in offer.tools() {
        let Some(verb) = tool.name().and_then(destructive_verb) else { continue };
        if hint(&tool, "destructiveHint").is_none() && hint(&tool, "readOnlyHint") != Some(true) {
            let path = format!("{}.annotations", tool.path());
            misses.push(Miss::of(&tool, path, "`destructiveHint`", &format!("none, and the name says `{verb}`")));
        }
    }
}

/// The verb of a name that begins with one, or has one after the name of its subject.
fn destructive_verb(name: &str) -> Option<String> {
    let words = words(name);
    words.iter().enumerate().find_map(|(at, word)| {
        let is_dragged = word == "drop" && at > 0 && matches!(words[at - 1].as_str(), "and" | "n" | "drag");
        (DESTRUCTIVE.contains(&word.as_str()) && !is_dragged).then(|| word.clone())
    })
}

//! Descriptions of tools, and instructions: whether they are there, whether they tell tools apart, and how long they are.

use std::collections::BTreeMap;

use super::{LintRule, Miss, Misses, near, words};
use crate::audit::offer::{Item, Offer};
use crate::audit::topic::Topic;
use crate::event::Severity;

/// UTF-16 code units, where the first clients cut.
const LONG_UNITS: usize = 2_048;
const STUDY: &str = "arXiv 2602.14878: 97 % of 856 tools have a smell, 56 % an unclear purpose";

pub(super) static RULES: &[LintRule] = &[
    LintRule {
        topic: Topic {
            id: "lint.no_description",
            severity: Severity::Warning,
            what: "A tool has no description.",
            why: "The model has only the name to go by when it chooses.",
            mend: "say in a sentence or two what the tool does, what it gives back, and when not to use it.",
            source: STUDY,
            as_of: "2026-02-16",
        },
        judge: missing,
    },
    LintRule {
        topic: Topic {
            id: "lint.description_is_name",
            severity: Severity::Info,
            what: "A tool's description repeats its name or title and says no more.",
            why: "It costs tokens and tells the model nothing.",
            mend: "say what the tool does, what it gives back, and when not to use it.",
            source: STUDY,
            as_of: "2026-02-16",
        },
        judge: repeats_name,
    },
    LintRule {
        topic: Topic {
            id: "lint.duplicate_description",
            severity: Severity::Info,
            what: "Two tools have the same description.",
            why: "The model cannot tell from it which of them to call.",
            mend: "say in each what sets it apart.",
            source: "",
            as_of: "",
        },
        judge: duplicates,
    },
    LintRule {
        topic: Topic {
            id: "lint.near_duplicate_description",
            severity: Severity::Info,
            what: "Two tools have nearly the same description.",
            why: "The model must find the few words that differ to know which of them to call.",
            mend: "begin each with what sets it apart, or make one tool of them with a parameter.",
            source: "",
            as_of: "",
        },
        judge: near_duplicates,
    },
    LintRule {
        topic: Topic {
            id: "lint.long_description",
            severity: Severity::Info,
            what: "A tool's description is longer than 2,048 UTF-16 code units.",
            why: "It is sent with every turn, and some clients cut it off there.",
            mend: "say the important first; move examples and tables into parameter descriptions, a resource or a prompt.",
            source: "",
            as_of: "",
        },
        judge: long_descriptions,
    },
    LintRule {
        topic: Topic {
            id: "lint.long_instructions",
            severity: Severity::Info,
            what: "The server's instructions are longer than 2,048 UTF-16 code units.",
            why: "They are part of every conversation, and some clients cut them off there.",
            mend: "say what holds for all tools, and leave the rest to their descriptions.",
            source: "",
            as_of: "",
        },
        judge: long_instructions,
    },
];

/// A description that says something.
fn description<'a>(tool: &Item<'a>) -> Option<&'a str> {
    tool.text("description").map(str::trim).filter(|text| !text.is_empty())
}

/// Tools that can be named; the others have greater faults.
fn named<'a>(offer: &Offer<'a>) -> impl Iterator<Item = Item<'a>> + use<'a> {
    offer.tools().filter(|tool| tool.name().is_some())
}

fn missing(offer: &Offer<'_>, misses: &mut Misses<'_>) {
    for tool in named(offer).filter(|tool| description(tool).is_none()) {
        misses.push(Miss::of(&tool, format!("{}.description", tool.path()), "a description", "none"));
    }
}

fn repeats_name(offer: &Offer<'_>, misses: &mut Misses<'_>) {
    for tool in named(offer) {
        let Some(text) = description(&tool).filter(|text| text.len() < 300) else { continue };
        let title = tool.value.get("annotations").and_then(|annotations| annotations.get("title"));
        let names = [tool.name(), tool.text("title"), title.and_then(|title| title.as_str())];
        let own = words(text);
        if !own.is_empty() && names.into_iter().flatten().any(|name| words(name) == own) {
            misses.push(Miss::of(
                &tool,
                format!("{}.description", tool.path()),
                "more than the name says",
                &format!("`{text}`"),
            ));
        }
    }
}

fn duplicates(offer: &Offer<'_>, misses: &mut Misses<'_>) {
    let mut seen: BTreeMap<&str, Item<'_>> = BTreeMap::new();
    for tool in named(offer) {
        let Some(text) = description(&tool) else { continue };
        match seen.get(text) {
            // The same tool twice is another matter.
            Some(first) if first.name() != tool.name() => misses.push(Miss::of(
                &tool,
                format!("{}.description", tool.path()),
                "a description of its own",
                &format!("that of {}", first.about()),
            )),
            Some(_) => {}
            None => {
                seen.insert(text, tool);
            }
        }
    }
}

fn near_duplicates(offer: &Offer<'_>, misses: &mut Misses<'_>) {
    let tools: Vec<(Item<'_>, &str)> = named(offer).filter_map(|tool| Some((tool, description(&tool)?))).collect();
    let texts: Vec<&str> = tools.iter().map(|(_, text)| *text).collect();
    for pair in near::pairs(&texts) {
        let ((first, text), (tool, other)) = (&tools[pair.one], &tools[pair.other]);
        if first.name() != tool.name() && text != other {
            misses.push(Miss::of(
                tool,
                format!("{}.description", tool.path()),
                "a description that differs in more than a few words",
                &format!("{} % of its words are those of {}", pair.percent, first.about()),
            ));
        }
    }
}

fn long_descriptions(offer: &Offer<'_>, misses: &mut Misses<'_>) {
    for tool in named(offer) {
        let units = description(&tool).map_or(0, |text| text.encode_utf16().count());
        if units > LONG_UNITS {
            let path = format!("{}.description", tool.path());
            misses.push(Miss::of(&tool, path, &format!("at most {LONG_UNITS} code units"), &units.to_string()));
        }
    }
}

fn long_instructions(offer: &Offer<'_>, misses: &mut Misses<'_>) {
    let units = offer.instructions.map_or(0, |text| text.encode_utf16().count());
    if units > LONG_UNITS {
        misses.push(Miss {
            about: "the server".to_owned(),
            expected: format!("at most {LONG_UNITS} code units"),
            actual: units.to_string(),
            path: "$.instructions".to_owned(),
        });
    }
}

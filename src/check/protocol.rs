//! `expect.protocol`: which revision, or which era, is spoken.

use serde_json::Value;

use super::{Check, Evidence, Expectation, Judged, Kind, Verdict};
use crate::config::{Field, grammar, suggest};
use crate::event::Era;
use crate::protocol::REVISIONS;

pub(super) const KIND: Kind = Kind {
    name: "protocol",
    what: "The dated revision that is spoken, or its era: `modern` or `legacy`.",
    why: "A server that falls back to an older revision still works, with features missing.",
    example: "expect.protocol = \"2025-11-25\"\n# or\nexpect.protocol = \"modern\"",
    methods: &[],
    schema,
    parse,
    default: None,
};

fn schema() -> Value {
    grammar::words(words())
}

/// Every word that it takes.
fn words() -> impl Iterator<Item = &'static str> {
    ["modern", "legacy"].into_iter().chain(REVISIONS.iter().map(|revision| revision.version))
}

#[derive(Debug)]
enum Protocol {
    Version(String),
    Era(Era),
}

fn parse(field: Field<'_>) -> Vec<Expectation> {
    let Some(word) = field.string() else { return Vec::new() };
    let protocol = match word.as_str() {
        "modern" => Protocol::Era(Era::Modern),
        "legacy" => Protocol::Era(Era::Legacy),
        version if REVISIONS.iter().any(|revision| revision.version == version) => Protocol::Version(word),
        _ => {
            field.wrong(format!("`{word}` is no protocol version")).maybe_help(suggest::sentence(&word, words()));
            return Vec::new();
        }
    };
    vec![Expectation::new(protocol, field.place())]
}

impl Check for Protocol {
    fn kind(&self) -> &'static str {
        KIND.name
    }

    fn judge(&self, evidence: &Evidence<'_>) -> Verdict {
        let revision = evidence.facts.revision;
        let actual = format!("{} ({})", revision.version, revision.era.name());
        match self {
            Self::Version(version) => Verdict::of(version == revision.version, Judged::new(version, actual)),
            Self::Era(era) => Verdict::of(*era == revision.era, Judged::new(era.name(), actual)),
        }
    }
}

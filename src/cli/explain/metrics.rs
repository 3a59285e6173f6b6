//! The metrics as topics: the table of families, in sentences.

use super::Topic;
use crate::metrics::{FAMILIES, Family};

/// A topic for each family.
#[must_use]
pub fn topics() -> Vec<Topic> {
    FAMILIES.iter().map(topic).collect()
}

fn topic(family: &Family) -> Topic {
    let labels = if family.labels.is_empty() {
        "Without labels.".to_owned()
    } else {
        format!("Labels: `{}`.", family.labels.join("`, `"))
    };
    let places = if family.on_probe { "On `/metrics` and `/probe`." } else { "On `/metrics`." };
    let body = format!("A {} of `mcp-probe watch`. {labels} {places}", family.kind.name());
    Topic {
        word: family.name.to_owned(),
        kind: "metric",
        summary: family.help.to_owned(),
        body: vec![body],
        example: None,
    }
}

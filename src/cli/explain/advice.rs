//! What is judged about definitions: limits of clients, and how definitions read, what they cost, what is suspicious.

use super::Topic;
use crate::audit::topic::{self, Topic as Row};

/// A topic for each.
#[must_use]
pub fn topics() -> Vec<Topic> {
    topic::all().map(of_row).collect()
}

fn of_row(row: &Row) -> Topic {
    let mut body = vec![row.why.to_owned(), format!("To mend it: {}", row.mend)];
    if !row.source.is_empty() {
        let as_of = if row.as_of.is_empty() { String::new() } else { format!(", as of {}", row.as_of) };
        body.push(format!("Source: {}{as_of}.", row.source));
    }
    body.push(format!("Advice ({}): it changes no exit code unless `--strict` is given.", row.severity.name()));
    Topic { word: row.id.to_owned(), kind: "advice", summary: row.what.to_owned(), body, example: None }
}

//! The shapes of what servers send, told as tables: one table per type for all revisions, with what differs between them
//! beside the member. A missing or mistyped member is found with its path. Members that no revision knows are allowed
//! everywhere; whether a JSON Schema is valid, a URI strict or a value true is for other rules.

mod asked;
mod content;
mod error;
mod grammar;
mod judging;
mod notation;
mod notice;
mod offered;
mod results;
mod task;
mod trail;
mod wording;

#[cfg(test)]
mod tests;

use serde_json::{Map, Value};

use self::grammar::{Shape, Span};
use self::judging::Judging;
use self::trail::Trail;
use crate::protocol::revision::Revision;

/// The most flaws that are kept of one message.
pub const FLAWS_MAX: usize = 50;
/// The most flaws that are kept of one member, over all items of a list.
pub const ALIKE_MAX: usize = 3;

/// Something that does not have the shape it should have. The texts are a server's in parts: bounded, not sanitised.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Flaw {
    /// The JSONPath from the result (from `params`, from `error`).
    pub path: String,
    /// The path with `*` for every index and every name that the server chose: the same for all items of a list.
    pub pattern: String,
    /// What should stand there.
    pub expected: String,
    /// What stands there.
    pub actual: String,
    /// What is wrong with it.
    pub kind: FlawKind,
    /// How many more flaws were left out behind this one: the same at other items, or, at the last flaw, any.
    pub more: usize,
}

/// What is wrong.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum FlawKind {
    /// A member that must be there is not.
    Missing,
    /// Another JSON type.
    WrongType,
    /// The right type, and a value that is not allowed.
    WrongValue,
    /// `null` where the member should be left out.
    Null,
    /// A member, a kind or a message that this revision does not know, and a later one does.
    NotYet,
    /// A member, a kind or a message that an earlier revision knew.
    NoLonger,
}

impl Flaw {
    /// Whether it is a whole member that the revision does not have: clients that do not know it read over it, as every
    /// schema allows. Kinds of content and messages they cannot read over.
    #[must_use]
    pub fn is_foreign_member(&self) -> bool {
        self.kind.is_of_age() && self.expected.starts_with(wording::NO_MEMBER)
    }
}

impl FlawKind {
    /// Whether a usual client reads over it.
    #[must_use]
    pub fn is_mild(self) -> bool {
        self == Self::Null || self.is_of_age()
    }

    /// Whether it is of another revision, and right there.
    #[must_use]
    pub fn is_of_age(self) -> bool {
        matches!(self, Self::NotYet | Self::NoLonger)
    }
}

/// What is wrong with the result of a request of this method. Of a method that the revision does not have, only what
/// holds for every result is judged.
#[must_use]
pub fn judge(revision: &'static Revision, method: &str, result: &Value) -> Vec<Flaw> {
    let row = find(results::RESULTS, method, revision);
    hold(revision, row.map_or(&results::ANY_RESULT, |row| row.shape), result)
}

/// What is wrong with the `params` of a notification; `null` stands for none. Methods of the server's own are allowed.
#[must_use]
pub fn judge_notification(revision: &'static Revision, method: &str, params: &Value) -> Vec<Flaw> {
    judge_message(revision, notice::NOTICES, method, params)
}

/// What is wrong with the `params` of a request that a server sends; `null` stands for none. Whether it may send one at
/// all is not judged.
#[must_use]
pub fn judge_request(revision: &'static Revision, method: &str, params: &Value) -> Vec<Flaw> {
    judge_message(revision, asked::REQUESTS, method, params)
}

/// What is wrong with the `error` of a response.
#[must_use]
pub fn judge_error(revision: &'static Revision, error: &Value) -> Vec<Flaw> {
    hold(revision, error::shape(revision.version, error), error)
}

/// The shape of a message of one method, in the revisions that have it.
#[derive(Debug)]
struct Row {
    method: &'static str,
    span: Span,
    shape: &'static Shape,
}

const fn row(method: &'static str, span: Span, shape: &'static Shape) -> Row {
    Row { method, span, shape }
}

fn find(rows: &'static [Row], method: &str, revision: &Revision) -> Option<&'static Row> {
    rows.iter().find(|row| row.method == method && row.span.covers(revision.version))
}

fn judge_message(revision: &'static Revision, rows: &'static [Row], method: &str, params: &Value) -> Vec<Flaw> {
    let nothing = Value::Object(Map::new());
    let params = if params.is_null() { &nothing } else { params };
    if let Some(row) = find(rows, method, revision) {
        return hold(revision, row.shape, params);
    }
    let Some(row) = rows.iter().find(|row| row.method == method) else { return Vec::new() };
    let mut judging = Judging::new(revision.version);
    let (kind, expected) = wording::foreign_word(row.method, row.span, revision.version);
    judging.flaw(&Trail::ROOT, kind, format!("no such message; {expected}"), wording::actual(params));
    judging.finish()
}

fn hold(revision: &'static Revision, shape: &'static Shape, value: &Value) -> Vec<Flaw> {
    let mut judging = Judging::new(revision.version);
    judging.value(shape, value, &Trail::ROOT);
    judging.finish()
}

//! What differs between two readings of what servers offer: rows, the old and new words of each change, and the document
//! `mcp-probe/diff/1`.

use schemars::JsonSchema;
use serde::Serialize;
use serde_json::{Map, Value};

use super::grid::{Cell, Column, Fit, Grid};
use super::json::{self, FindingDocument};
use super::line_diff::{self, Mark};
use super::{Ink, Look, schema, wrap};
use crate::base::sanitize;
use crate::event::{Change, ChangeClass, Finding, ServerIdentity};

/// The schema id.
pub const SCHEMA: &str = "mcp-probe/diff/1";

/// Lines that one change shows of its texts.
const LINES_MAX: usize = 40;

/// Characters of one such line.
const LINE_CHARS_MAX: usize = 600;

/// One of the two that are compared.
#[derive(Clone, Debug, Default)]
pub struct Side {
    /// Where it comes from: a target, a file.
    pub name: String,
    /// What the server calls itself.
    pub server: Option<ServerIdentity>,
    /// The dated revision and the era that was spoken.
    pub protocol: Option<(String, String)>,
}

/// Two readings of one target.
#[derive(Clone, Debug)]
pub struct Compared {
    /// The target.
    pub target: String,
    /// What became of it, in a word or two.
    pub state: String,
    /// What was before.
    pub old: Side,
    /// What is now.
    pub new: Side,
    /// What differs.
    pub changes: Vec<Change>,
    /// What else was noticed.
    pub findings: Vec<Finding>,
}

/// Whether they are the same in all targets.
#[must_use]
pub fn are_equal(all: &[Compared]) -> bool {
    all.iter().all(|one| one.changes.is_empty())
}

/// Whether somebody who relied on what was before may be let down.
#[must_use]
pub fn are_breaking(all: &[Compared]) -> bool {
    all.iter().flat_map(|one| &one.changes).any(Change::is_breaking)
}

/// A row for each change; with the target where there are several.
#[must_use]
pub fn rows(all: &[Compared], look: &Look) -> String {
    let columns = [
        Column { head: "CLASS", fit: Fit::Whole },
        Column { head: "OF", fit: Fit::Whole },
        Column { head: "NAME", fit: Fit::Share(25) },
        Column { head: "CHANGE", fit: Fit::Rest },
        Column { head: "AT", fit: Fit::Share(35) },
    ];
    let several = all.len() > 1;
    let columns: Vec<Column> =
        several.then_some(Column { head: "TARGET", fit: Fit::Share(20) }).into_iter().chain(columns).collect();
    let mut grid = Grid::new(&columns, 6);
    for one in all {
        for change in &one.changes {
            let target = several.then(|| Cell::inked(&sanitize::one_line(&one.target, 200), Ink::Strong));
            let cells = [
                Cell::inked(change.class.name(), ink(change)),
                Cell::new(change.subject.name()),
                Cell::inked(&sanitize::one_line(&change.name, 200), Ink::Strong),
                Cell::new(&sanitize::one_line(&change.what, 400)),
                Cell::inked(&sanitize::one_line(change.path.as_deref().unwrap_or_default(), 400), Ink::Dim),
            ];
            grid.row(target.into_iter().chain(cells).collect());
        }
    }
    grid.render(look)
}

fn ink(change: &Change) -> Ink {
    match change.class {
        _ if change.is_breaking() => Ink::Bad,
        ChangeClass::Annotation => Ink::Warn,
        ChangeClass::Added | ChangeClass::Widening => Ink::Good,
        _ => Ink::Dim,
    }
}

/// The old and the new words of each change, as far as a person wants to read them.
#[must_use]
pub fn details(all: &[Compared], look: &Look) -> String {
    let mut text = String::new();
    for one in all {
        for change in one.changes.iter().filter(|change| has_words(change)) {
            let shown = words(change, look);
            let target =
                if all.len() > 1 { format!("{}: ", sanitize::one_line(&one.target, 100)) } else { String::new() };
            let head = sanitize::one_line(&change.line(), 300);
            text.push_str(&format!("\n{target}{}\n{shown}", look.paint(Ink::Strong, &head)));
        }
    }
    text
}

/// Whether there is more to read than what the row says.
fn has_words(change: &Change) -> bool {
    let is_more = |value: &Option<Value>| value.as_ref().is_some_and(|value| !told(value).is_empty() && is_long(value));
    let has_place = !matches!(change.class, ChangeClass::Order | ChangeClass::Annotation);
    has_place && (is_more(&change.old) || is_more(&change.new))
}

fn is_long(value: &Value) -> bool {
    matches!(value, Value::String(_) | Value::Array(_) | Value::Object(_))
}

fn words(change: &Change, look: &Look) -> String {
    let text = |value: &Option<Value>| value.as_ref().map(told).unwrap_or_default();
    let (old, new) = (text(&change.old), text(&change.new));
    let lines = line_diff::lines(&old, &new);
    let mut shown = String::new();
    for (mark, line) in lines.iter().take(LINES_MAX) {
        let ink = match mark {
            Mark::Gone => Ink::Bad,
            Mark::New => Ink::Good,
            Mark::Same | Mark::Gap => Ink::Dim,
        };
        let safe = sanitize::cut(&sanitize::printable(&line.replace('\t', " ")), LINE_CHARS_MAX);
        let safe = format!("{}{safe}", mark.sign());
        let width = look.width.map_or(usize::MAX, |width| usize::from(width).saturating_sub(4));
        for part in wrap(&safe, width).iter().filter(|part| !part.is_empty()) {
            shown.push_str(&format!("  {}\n", look.paint(ink, part)));
        }
    }
    if lines.len() > LINES_MAX {
        shown.push_str(&format!("  {}\n", look.paint(Ink::Dim, &format!("… {} more lines", lines.len() - LINES_MAX))));
    }
    shown
}

/// A text as it is, any other value as JSON. Of a whole definition the words for people are enough.
fn told(value: &Value) -> String {
    match value {
        Value::String(text) => text.clone(),
        Value::Object(members) if members.get("inputSchema").is_some() => {
            members.get("description").and_then(Value::as_str).unwrap_or_default().to_owned()
        }
        value => value.to_string(),
    }
}

/// What differs between two readings of what servers offer.
#[derive(JsonSchema, Serialize)]
pub(super) struct Document<'a> {
    /// The id of this document.
    #[schemars(schema_with = "schema::diff_id")]
    schema: &'static str,
    /// Whether nothing differs.
    equal: bool,
    /// Whether somebody who relied on what was before may be let down.
    breaking: bool,
    /// How many changes there are of each class.
    #[schemars(schema_with = "schema::change_counts")]
    summary: Map<String, Value>,
    /// The targets that were compared.
    targets: Vec<Target<'a>>,
}

/// One target.
#[derive(JsonSchema, Serialize)]
struct Target<'a> {
    /// Its name.
    #[serde(rename = "target")]
    name: &'a str,
    /// What became of it: of `lock` whether its entry is new, changed or the same; of `diff` `changed` or `same`.
    state: &'a str,
    /// What was before.
    old: SideDocument<'a>,
    /// What is now.
    new: SideDocument<'a>,
    /// What differs, the loud and the worst first.
    changes: Vec<ChangeDocument<'a>>,
    /// What else was noticed.
    findings: Vec<FindingDocument<'a>>,
}

/// One of the two that are compared.
#[derive(JsonSchema, Serialize)]
struct SideDocument<'a> {
    /// Where it comes from: a target, a file.
    name: &'a str,
    /// What the server calls itself.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(with = "json::Server<'a>")]
    server: Option<json::Server<'a>>,
    /// What was spoken.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(with = "Spoken<'a>")]
    protocol: Option<Spoken<'a>>,
}

/// What was spoken.
#[derive(JsonSchema, Serialize)]
struct Spoken<'a> {
    /// The dated revision.
    version: &'a str,
    /// Its era.
    era: &'a str,
}

/// One difference.
#[derive(JsonSchema, Serialize)]
struct ChangeDocument<'a> {
    /// What it means for those who use the definition.
    #[schemars(schema_with = "schema::change_class")]
    class: &'static str,
    /// What it is about.
    #[schemars(schema_with = "schema::subject")]
    subject: &'static str,
    /// Which one: a name, a URI, a URI template; empty where it is about all of them.
    name: &'a str,
    /// Where in the definition, as a JSONPath.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(with = "&'a str")]
    path: Option<&'a str>,
    /// What happened, in a few words.
    change: &'a str,
    /// Whether somebody who relied on what was before may be let down.
    breaking: bool,
    /// Whether it is an annotation by which clients ask people less often than before.
    loud: bool,
    /// What stood there before.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(with = "&'a Value")]
    old: Option<&'a Value>,
    /// What stands there now.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(with = "&'a Value")]
    new: Option<&'a Value>,
}

/// The document.
///
/// # Errors
/// None in practice: every member is plain data.
pub fn document(all: &[Compared]) -> Result<Value, serde_json::Error> {
    let count = |class: ChangeClass| {
        let count = all.iter().flat_map(|one| &one.changes).filter(|change| change.class == class).count();
        (count > 0).then(|| (class.name().to_owned(), count.into()))
    };
    serde_json::to_value(Document {
        schema: SCHEMA,
        equal: are_equal(all),
        breaking: are_breaking(all),
        summary: ChangeClass::ALL.into_iter().filter_map(count).collect(),
        targets: all.iter().map(target).collect(),
    })
}

fn target(one: &Compared) -> Target<'_> {
    Target {
        name: &one.target,
        state: &one.state,
        old: side(&one.old),
        new: side(&one.new),
        changes: one.changes.iter().map(change).collect(),
        findings: one.findings.iter().map(json::finding).collect(),
    }
}

fn side(side: &Side) -> SideDocument<'_> {
    SideDocument {
        name: &side.name,
        server: side.server.as_ref().map(json::server),
        protocol: side.protocol.as_ref().map(|(version, era)| Spoken { version, era }),
    }
}

fn change(change: &Change) -> ChangeDocument<'_> {
    ChangeDocument {
        class: change.class.name(),
        subject: change.subject.name(),
        name: &change.name,
        path: change.path.as_deref(),
        change: &change.what,
        breaking: change.is_breaking(),
        loud: change.loud,
        old: change.old.as_ref(),
        new: change.new.as_ref(),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::event::Subject;

    fn compared() -> Compared {
        let change = |class, path: &str, what: &str, old: Value, new: Value| Change {
            class,
            subject: Subject::Tool,
            name: "fore\u{1b}cast".into(),
            path: Some(path.into()),
            what: what.into(),
            old: Some(old),
            new: Some(new),
            loud: class == ChangeClass::Annotation,
        };
        let changes = vec![
            change(
                ChangeClass::Annotation,
                "$.annotations.readOnlyHint",
                "readOnlyHint was true, is false",
                json!(true),
                json!(false),
            ),
            change(
                ChangeClass::Prose,
                "$.description",
                "the description is another",
                json!("one\ntwo\nthree"),
                json!("one\n\u{202e}2\nthree"),
            ),
        ];
        let side = |name: &str| Side { name: name.into(), ..Side::default() };
        Compared {
            target: "weather".into(),
            state: "changed".into(),
            old: side("a"),
            new: side("b"),
            changes,
            findings: Vec::new(),
        }
    }

    #[test]
    fn rows_and_words_are_safe_to_print() {
        let rows = rows(&[compared()], &Look::PLAIN);
        assert_eq!(
            rows,
            "annotation\ttool\tfore\\u{1b}cast\treadOnlyHint was true, is false\t$.annotations.readOnlyHint\n\
             prose\ttool\tfore\\u{1b}cast\tthe description is another\t$.description\n"
        );
        let details = details(&[compared()], &Look::PLAIN);
        assert_eq!(
            details,
            "\ntool fore\\u{1b}cast: the description is another at $.description (prose)\n    one\n  - two\n  + \\u{202e}2\n    three\n"
        );
        assert!(super::rows(&[compared(), compared()], &Look::PLAIN).starts_with("weather\tannotation\t"));
    }

    #[test]
    fn the_document_says_what_it_means() {
        let document = document(&[compared()]).unwrap();
        assert_eq!(document["summary"], json!({"annotation": 1, "prose": 1}));
        assert_eq!((&document["equal"], &document["breaking"]), (&json!(false), &json!(true)));
        assert_eq!(document["targets"][0]["changes"][0]["loud"], true);
        assert_eq!(super::document(&[]).unwrap()["equal"], true);
    }
}

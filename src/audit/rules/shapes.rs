//! Rules about the shape of what a server sends: members that the schema of the revision wants, their types, and members
//! that the revision does not have yet.

use serde_json::Value;

use super::super::shape::{self, Flaw, FlawKind};
use super::super::{Area, Case, Keyword, Rule, Shot, Verdict, Violation};
use super::base::is_of_revision;
use super::tools;
use crate::event::Era;
use crate::protocol::REVISIONS;
use crate::wire::Message;

/// Only newer revisions have their schema on a page of their own.
const SCHEMA: &str = "https://github.com/modelcontextprotocol/modelcontextprotocol/tree/main/schema";

pub(super) static RULES: &[Rule] = &[
    Rule::new("shape.message", &["J18", "F23"], Area::Base, shaped)
        .noticed()
        .worded(Keyword::Schema)
        .says(
            "A result, a notification and a request of the server have the members that the schema of the revision requires, in \
             the types that it gives them; what a tool of a list lacks is for tools.shape, tools.input_object and schema.output.",
            "Typed clients refuse the whole message for one wrong member: one bad tool hides all the others.",
            "let an SDK of that revision build the message, or validate it against the revision's schema.json.",
        )
        .page(SCHEMA),
    Rule::new("shape.error", &["J18", "J15"], Area::Base, error)
        .worded(Keyword::Schema)
        .says(
            "The `data` of an error has the members that the schema gives to its code: -32042 (2025-11-25) lists pages to open, \
             -32021 and -32022 (2026-07-28) capabilities and versions.",
            "Clients act on them: they choose another version, or ask a person to open a page.",
            "fill `data` as the revision's schema.json wants it for that code.",
        )
        .page(SCHEMA),
    Rule::new("shape.newer", &["J19"], Area::Base, newer)
        .legacy()
        .before("2025-06-18", Keyword::Should)
        .says(
            "What the server sends is of the revision that was agreed on: no kinds of content and no words that came later.",
            "A client of that revision refuses the whole message for a kind of content that it does not know.",
            "look at the agreed version before a newer kind of content is sent; text goes everywhere.",
        )
        .page("basic/lifecycle#operation"),
    Rule::new("shape.foreign_member", &["J19"], Area::Base, foreign_member)
        .worded(Keyword::Info)
        .says(
            "Members that only an earlier or a later revision has are left out.",
            "A client of this revision does not see what is in them, though every schema allows them to be there.",
            "keep what matters out of members that the agreed revision does not have.",
        )
        .page(SCHEMA),
];

/// Whether what came belongs to the audited revision: the message was sent in it, and nothing else was agreed on.
fn belongs(case: &Case<'_>, shot: &Shot) -> bool {
    let version = case.facts.revision.version;
    let named = shot.headers.iter().find(|(name, _)| name.eq_ignore_ascii_case("mcp-protocol-version"));
    // A server of both eras may take a request without the header for one of the older.
    let unnamed = named.is_none() && !shot.headers.is_empty() && case.facts.revision.era == Era::Modern;
    let other = unnamed || named.is_some_and(|(_, value)| value != version);
    let agreed = shot.result().and_then(|result| result.get("protocolVersion")).and_then(Value::as_str);
    let differs = shot.method.as_deref() == Some("initialize") && agreed.is_some_and(|agreed| agreed != version);
    is_of_revision(case, shot) && !other && !differs
}

fn shots<'a>(case: &Case<'a>) -> impl Iterator<Item = (usize, &'a Shot)> {
    case.all().filter(|(_, shot)| belongs(case, shot))
}

/// The flaws of every result, notification and request that came: the place of its shot, the root of its paths.
fn messages(case: &Case<'_>) -> impl Iterator<Item = (usize, &'static str, Vec<Flaw>)> {
    let revision = case.facts.revision;
    shots(case).flat_map(move |(place, shot)| {
        // What a method of another era is answered with has the shape of that era.
        let known = shot.method.as_deref().filter(|method| {
            revision.method(method).is_some() || !REVISIONS.iter().any(|other| other.method(method).is_some())
        });
        let result = known.zip(shot.result());
        let result = result.map(|(method, result)| {
            let mut flaws = shape::judge(revision, method, result);
            flaws.retain(|flaw| !tools::tells(method, flaw));
            (place, "$", flaws)
        });
        let told = shot.messages().filter_map(move |message| {
            let (method, params, judge): (_, _, fn(_, &str, &Value) -> Vec<Flaw>) = match message {
                Message::Notification { method, params } => (method, params, shape::judge_notification),
                Message::Request { method, params, .. } => (method, params, shape::judge_request),
                Message::Reply { .. } => return None,
            };
            let params = params.as_ref().and_then(|params| serde_json::from_str(params.get()).ok());
            Some((place, "$.params", judge(revision, method, &params.unwrap_or(Value::Null))))
        });
        result.into_iter().chain(told)
    })
}

fn shaped(case: &Case<'_>) -> Verdict {
    Verdict::of_all(messages(case).map(|(place, root, flaws)| verdict(flaws, place, root)), "nothing came")
}

fn error(case: &Case<'_>) -> Verdict {
    let revision = case.facts.revision;
    let judged = shots(case).flat_map(|(place, shot)| {
        shot.messages().filter_map(move |message| match message {
            Message::Reply { body: Err(error), .. } => {
                Some(verdict(shape::judge_error(revision, &error.to_value()), place, "$.error"))
            }
            _ => None,
        })
    });
    Verdict::of_all(judged, "no error came")
}

/// The first flaw that is not about the age of a member; `null` for absent keeps the meaning.
fn verdict(flaws: Vec<Flaw>, place: usize, root: &str) -> Result<(), Violation> {
    let wrong: Vec<Flaw> = flaws.into_iter().filter(|flaw| !flaw.kind.is_of_age()).collect();
    let Some(first) = wrong.iter().find(|flaw| !flaw.kind.is_mild()).or(wrong.first()) else { return Ok(()) };
    let others = wrong.iter().map(|flaw| 1 + flaw.more).sum::<usize>() - 1;
    let violation = said(first, place, root);
    Err(Violation { others, milder: first.kind.is_mild(), ..violation })
}

fn said(flaw: &Flaw, place: usize, root: &str) -> Violation {
    let path = format!("{root}{}", flaw.path.strip_prefix('$').unwrap_or(&flaw.path));
    Violation::new(flaw.expected.clone(), flaw.actual.clone()).at(path).shown_by(place)
}

fn newer(case: &Case<'_>) -> Verdict {
    foreign(case, |flaw| flaw.kind == FlawKind::NotYet && !flaw.is_foreign_member())
}

fn foreign_member(case: &Case<'_>) -> Verdict {
    foreign(case, Flaw::is_foreign_member)
}

fn foreign(case: &Case<'_>, wanted: fn(&Flaw) -> bool) -> Verdict {
    let judged = messages(case).map(|(place, root, flaws)| {
        flaws.iter().find(|flaw| wanted(flaw)).map_or(Ok(()), |flaw| Err(said(flaw, place, root).mild()))
    });
    Verdict::of_all(judged, "nothing came")
}

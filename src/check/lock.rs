//! `expect.lock`: the definitions of a list are those of the lock file. The comparison itself is made before by those who
//! know the lock; here it becomes a verdict.

use serde_json::json;

use super::{Check, Evidence, Expectation, Judged, Kind, Verdict, more, quote, result_of};
use crate::config::{Field, grammar};
use crate::event::{Change, ChangeClass, Finding, Reason, ServerIdentity, Severity};

/// The methods whose replies it judges.
pub const METHODS: &[&str] = &["tools/list", "prompts/list", "resources/list", "resources/templates/list"];

pub(super) const KIND: Kind = Kind {
    name: "lock",
    what: "`true`: the definitions of the list are those that `mcp-probe lock` wrote into `mcp-probe.lock`. A list that only \
           comes in another order degrades.",
    why: "Definitions that change without a word break callers, or tell the model something that nobody has reviewed.",
    example: "method = \"tools/list\"\nexpect.lock = true",
    methods: METHODS,
    schema: || grammar::with(json!({"const": true}), json!({})),
    parse,
    default: None,
};

/// Changes that a verdict quotes.
const QUOTED_MAX: usize = 3;

/// What came of comparing definitions with the lock file.
#[derive(Clone, Debug, Default, PartialEq)]
pub enum Compared {
    /// Nobody asked for it.
    #[default]
    NotAsked,
    /// They could not be compared, and why.
    Impossible(String),
    /// They were.
    With {
        /// The lock file.
        file: String,
        /// What differs.
        changes: Vec<Change>,
        /// What the server calls itself, where that is what it called itself when it was locked.
        same_version: Option<ServerIdentity>,
        /// What else is different about the two, and may be why.
        note: Option<String>,
    },
}

impl Compared {
    /// The verdict, about this path of the reply.
    #[must_use]
    pub fn verdict(&self, path: Option<&str>) -> Verdict {
        let expected = |file: &str| format!("the definitions of {file}");
        let (file, changes, note) = match self {
            Self::NotAsked => {
                return Verdict::Blocked(Judged::new(expected("the lock file"), "they were not compared"));
            }
            Self::Impossible(why) => return Verdict::Fail(Judged::new(expected("the lock file"), why.as_str())),
            Self::With { file, changes, note, .. } => (file, changes, note),
        };
        let actual = match changes.as_slice() {
            [] => "the same".to_owned(),
            changes => {
                let lines: Vec<String> = changes.iter().take(QUOTED_MAX).map(Change::line).collect();
                let said = more(&lines.join("; "), changes.len() - lines.len());
                let note = note.as_ref().map(|note| format!(" ({note})")).unwrap_or_default();
                quote(&format!("{}{note}: {said}", Change::tally(changes)))
            }
        };
        let judged = Judged { path: path.map(str::to_owned), ..Judged::new(expected(file), actual) };
        match changes.iter().map(|change| change.class).min() {
            None => Verdict::Pass(judged),
            Some(ChangeClass::Order) => Verdict::Warn(judged),
            Some(_) => Verdict::Fail(judged),
        }
    }

    /// That definitions changed under the version that they had.
    #[must_use]
    pub fn finding(&self) -> Option<Finding> {
        let Self::With { changes, same_version: Some(server), .. } = self else { return None };
        let is_other = changes.iter().any(|change| change.class != ChangeClass::Order);
        let (name, version) = (quote(&server.name), quote(&server.version));
        let actual = format!("{}, and the version of {name} is still {version}", Change::tally(changes));
        is_other.then(|| {
            let expected = "another version for other definitions";
            Finding::new("lock.version_unchanged", Severity::Error, expected, actual)
        })
    }
}

#[derive(Debug)]
struct Locked;

fn parse(field: Field<'_>) -> Vec<Expectation> {
    match field.bool() {
        Some(true) => vec![Expectation::new(Locked, field.place())],
        Some(false) => {
            field.wrong("`expect.lock = false` expects nothing").help("leave it out, or write `true`");
            Vec::new()
        }
        None => Vec::new(),
    }
}

impl Check for Locked {
    fn kind(&self) -> &'static str {
        KIND.name
    }

    fn judge(&self, evidence: &Evidence<'_>) -> Verdict {
        if let Err(verdict) = result_of(evidence, || "the definitions of the lock file".to_owned()) {
            return verdict;
        }
        let member = crate::protocol::revision::array_member(&evidence.exchange.method);
        evidence.locked.verdict(member.map(|member| format!("$.{member}")).as_deref())
    }

    fn reason(&self) -> Reason {
        Reason::Drift
    }

    fn findings(&self, evidence: &Evidence<'_>) -> Vec<Finding> {
        evidence.locked.finding().into_iter().collect()
    }

    fn wants_lock(&self) -> bool {
        true
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::event::Subject;

    fn compared(classes: &[ChangeClass]) -> Compared {
        let change = |class: &ChangeClass| Change {
            class: *class,
            subject: Subject::Tool,
            name: "forecast".into(),
            path: Some("$.description".into()),
            what: "the description is another".into(),
            old: None,
            new: None,
            loud: false,
        };
        let same_version = Some(ServerIdentity { name: "weather".into(), version: "1.2".into() });
        Compared::With {
            file: "mcp-probe.lock".into(),
            changes: classes.iter().map(change).collect(),
            same_version,
            note: None,
        }
    }

    #[test]
    fn what_differs_fails_and_what_only_moved_degrades() {
        use ChangeClass::{Order, Prose};
        let verdict = |classes: &[ChangeClass]| compared(classes).verdict(Some("$.tools"));
        assert!(matches!(verdict(&[]), Verdict::Pass(judged) if judged.actual == "the same"));
        assert!(matches!(verdict(&[Order]), Verdict::Warn(_)));
        let Verdict::Fail(judged) = verdict(&[Prose, Order, Prose, Prose]) else { panic!() };
        assert!(
            judged
                .actual
                .starts_with("3 prose, 1 order: tool forecast: the description is another at $.description (prose); ")
        );
        assert!(judged.actual.ends_with("; and 1 more"), "{}", judged.actual);
        assert_eq!(judged.path.as_deref(), Some("$.tools"));
        assert!(matches!(Compared::Impossible("no lock".into()).verdict(None), Verdict::Fail(_)));
        assert!(matches!(Compared::NotAsked.verdict(None), Verdict::Blocked(_)));
    }

    #[test]
    fn a_version_that_stayed_is_a_finding() {
        let finding = compared(&[ChangeClass::Prose]).finding().unwrap();
        assert_eq!(finding.actual, "1 prose, and the version of weather is still 1.2");
        assert_eq!(compared(&[ChangeClass::Order]).finding(), None);
        assert_eq!(compared(&[]).finding(), None);
    }
}

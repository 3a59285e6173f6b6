//! `expect.rules`: the reply keeps the rules of the specification that are named. The rules are judged before by those who
//! know them; here what they say of the reply becomes a verdict.

use serde_json::json;

use super::{Check, Evidence, Expectation, Judged, Kind, Verdict, more, quote};
use crate::base::glob;
use crate::config::{Field, Place, grammar};
use crate::event::Severity;

pub(super) const KIND: Kind = Kind {
    name: "rules",
    what: "Ids of rules of the specification, or patterns of them: the reply keeps them. `{ only = [...], ignore = [...] }` \
           leaves some out. Only rules that a single reply can show are judged; nothing is sent for them. What a MUST asks \
           fails, what a SHOULD asks degrades.",
    why: "A server that breaks the specification works with the client that it was tried with, and not with the next.",
    example: "method = \"tools/list\"\nexpect.rules = [\"rpc.*\", \"tools.*\"]",
    methods: &[],
    schema: || {
        let list = json!({"type": "array", "items": {"type": "string"}, "minItems": 1});
        let only = grammar::described(list.clone(), "The rules that are wanted; all where it is not said.");
        let ignore = grammar::described(list.clone(), "Those of them that are not.");
        let table = json!({"type": "object", "properties": {"only": only, "ignore": ignore},
            "additionalProperties": false, "minProperties": 1});
        json!({"anyOf": [list, table]})
    },
    parse,
    default: None,
};

/// Violations that a verdict quotes.
const QUOTED_MAX: usize = 3;

/// Rules chosen by pattern.
#[derive(Clone, Debug, Default)]
pub struct Selection {
    /// Those that are wanted; all where there is none.
    pub only: Vec<(String, Place)>,
    /// Those of them that are not.
    pub ignore: Vec<(String, Place)>,
}

impl Selection {
    /// Whether a rule is wanted.
    #[must_use]
    pub fn selects(&self, id: &str) -> bool {
        let any = |patterns: &[(String, Place)]| patterns.iter().any(|(pattern, _)| glob::matches(pattern, id));
        (self.only.is_empty() || any(&self.only)) && !any(&self.ignore)
    }

    /// Every pattern and where it was written.
    pub fn patterns(&self) -> impl Iterator<Item = &(String, Place)> {
        self.only.iter().chain(&self.ignore)
    }
}

/// What the rules say of a reply.
#[derive(Clone, Debug, Default, PartialEq)]
pub enum Ruled {
    /// Nobody asked.
    #[default]
    NotAsked,
    /// What each rule says that applies to it.
    Said(Vec<Saying>),
}

/// What one rule says.
#[derive(Clone, Debug, PartialEq)]
pub struct Saying {
    /// The rule.
    pub rule: &'static str,
    /// How it is violated, and how much that matters; `None` where it is kept.
    pub violated: Option<(Severity, Judged)>,
}

#[derive(Debug)]
struct Rules(Selection);

fn parse(field: Field<'_>) -> Vec<Expectation> {
    let list = |field: Field<'_>| {
        let read = field.items("an array of ids of rules")?;
        let read: Option<Vec<(String, Place)>> =
            read.iter().map(|item| item.string().map(|text| (text, item.place().clone()))).collect();
        if read.as_ref().is_some_and(Vec::is_empty) {
            field.wrong("no rule is named: it can never fail").help("name some: `[\"rpc.*\"]`");
            return None;
        }
        read
    };
    let selection = if field.is_table() {
        let Some(section) = field.table("`expect.rules`") else { return Vec::new() };
        let read = |key| section.field(key).map(list);
        let (only, ignore) = (read("only"), read("ignore"));
        section.finish();
        if matches!(only, Some(None)) || matches!(ignore, Some(None)) {
            return Vec::new();
        }
        Selection { only: only.flatten().unwrap_or_default(), ignore: ignore.flatten().unwrap_or_default() }
    } else {
        match list(field) {
            Some(only) => Selection { only, ignore: Vec::new() },
            None => return Vec::new(),
        }
    };
    vec![Expectation::new(Rules(selection), field.place())]
}

impl Check for Rules {
    fn kind(&self) -> &'static str {
        KIND.name
    }

    fn judge(&self, evidence: &Evidence<'_>) -> Verdict {
        let expected = |count: usize| match count {
            1 => "1 rule of the specification is kept".to_owned(),
            count => format!("{count} rules of the specification are kept"),
        };
        let Ruled::Said(all) = evidence.ruled else {
            return Verdict::Blocked(Judged::new(expected(0), "no rule was judged"));
        };
        let judged: Vec<&Saying> = all.iter().filter(|saying| self.0.selects(saying.rule)).collect();
        if judged.is_empty() {
            return Verdict::NotApplicable("none of these rules says anything about this reply".into());
        }
        let mut violated: Vec<(&str, Severity, &Judged)> = judged
            .iter()
            .filter_map(|saying| saying.violated.as_ref().map(|(severity, how)| (saying.rule, *severity, how)))
            .collect();
        violated.sort_by_key(|(_, severity, _)| std::cmp::Reverse(*severity));
        let Some((_, worst, first)) = violated.first() else {
            return Verdict::Pass(Judged::new(expected(judged.len()), "they are"));
        };
        let lines: Vec<String> = violated
            .iter()
            .take(QUOTED_MAX)
            .map(|(rule, _, how)| quote(&format!("{rule}: expected {}, got {}", how.expected, how.actual)))
            .collect();
        let said = more(&lines.join("; "), violated.len() - lines.len());
        let told = Judged { path: first.path.clone(), ..Judged::new(expected(judged.len()), said) };
        match worst {
            Severity::Error => Verdict::Fail(told),
            Severity::Warning => Verdict::Warn(told),
            Severity::Info => Verdict::Pass(told),
        }
    }

    fn rules(&self) -> Option<&Selection> {
        Some(&self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::check::tests::{exchange, facts};
    use crate::check::{Called, CheckStatus, lock};
    use crate::config::Source;

    fn selection(only: &[&str], ignore: &[&str]) -> Selection {
        let place = Place::new(&Source::new("a.toml", "", "."), 0..0);
        let patterns = |all: &[&str]| all.iter().map(|text| ((*text).to_owned(), place.clone())).collect();
        Selection { only: patterns(only), ignore: patterns(ignore) }
    }

    fn saying(rule: &'static str, severity: Option<Severity>) -> Saying {
        let violated = severity.map(|severity| (severity, Judged::new("x", "y").at("$.a")));
        Saying { rule, violated }
    }

    fn status(selection: Selection, said: Vec<Saying>) -> (CheckStatus, String) {
        let exchange = exchange("tools/list", Ok(json!({"tools": []})));
        let ruled = Ruled::Said(said);
        let (called, locked) = (Called::NotRead, lock::Compared::NotAsked);
        let facts = facts();
        let evidence = Evidence { facts: &facts, exchange: &exchange, called: &called, locked: &locked, ruled: &ruled };
        let outcome = Rules(selection).judge(&evidence).into_outcome("rules", None);
        (outcome.status, outcome.actual)
    }

    #[test]
    fn the_worst_of_what_is_wanted_decides() {
        let all = || {
            vec![
                saying("a.one", Some(Severity::Info)),
                saying("a.two", Some(Severity::Warning)),
                saying("b.one", Some(Severity::Error)),
                saying("b.two", None),
            ]
        };
        assert_eq!(status(selection(&["a.*", "b.*"], &[]), all()).0, CheckStatus::Failed);
        let (warned, said) = status(selection(&["*"], &["b.one"]), all());
        assert_eq!(
            (warned, said.as_str()),
            (CheckStatus::Warned, "a.two: expected x, got y; a.one: expected x, got y")
        );
        assert_eq!(status(selection(&["a.one"], &[]), all()).0, CheckStatus::Passed);
        assert_eq!(status(selection(&["b.two"], &[]), all()), (CheckStatus::Passed, "they are".to_owned()));
        assert_eq!(status(selection(&["c.*"], &[]), all()).0, CheckStatus::Skipped);
        assert_eq!(status(selection(&[], &["a.*", "b.*"]), all()).0, CheckStatus::Skipped);
    }
}

//! What a server's owner is told by `audit`: rules of the specification, what each client would do with the definitions, how they
//! read, what they cost, what is suspicious in them. Everything here judges; `run` performs what has to be sent.

pub mod baseline;
pub mod case;
pub mod challenge;
pub mod clients;
pub mod cost;
pub mod discovery;
pub mod exercise;
pub mod exercises;
pub mod launch;
pub mod lint;
pub mod marks;
pub mod names;
pub mod offer;
pub mod reply;
pub mod rule;
pub mod rules;
pub mod shape;
pub mod shot;
pub mod standing;
pub mod subschemas;
pub mod text;
pub mod topic;
pub mod uri;
pub mod verdict;

pub use case::{Case, Place};
pub use exercise::{Body, Edit, Envelope, Exercise, Line, Move, Named, Send, Situation, Verb, Wait};
pub use rule::{Area, Class, Keyword, Rule};
pub use shot::{Came, Item, Shot};
pub use verdict::{Verdict, Violation};

use crate::event::Severity;
use crate::protocol::Revision;
use crate::session::ServerFacts;

/// The rule of that id.
#[must_use]
pub fn rule(id: &str) -> Option<&'static Rule> {
    rules::all().find(|rule| rule.id == id)
}

/// A rule and what became of it.
#[derive(Clone, Debug)]
pub struct Judgement {
    /// The rule.
    pub rule: &'static Rule,
    /// The verdict.
    pub verdict: Verdict,
}

impl Judgement {
    /// Judges one rule. `performed` tells whether an exercise was carried out; what was not cannot be judged.
    #[must_use]
    pub fn of(rule: &'static Rule, case: &Case<'_>, performed: &dyn Fn(&Exercise) -> Result<(), String>) -> Self {
        let verdict = match rule.does_not_apply(case.facts.revision, case.facts.transport) {
            Some(why) => Verdict::NotApplicable(why.into()),
            None => match rule.needs.iter().find_map(|exercise| performed(exercise).err()) {
                // What was not declared is no matter of what was sent.
                Some(why) => match (rule.judge)(case) {
                    not_applicable @ Verdict::NotApplicable(_) => not_applicable,
                    _ => Verdict::NotExercised(why.into()),
                },
                None => (rule.judge)(case),
            },
        };
        Self { rule, verdict }
    }

    /// Of a rule that nothing can be seen of, and why.
    #[must_use]
    pub fn unseen(rule: &'static Rule, facts: &ServerFacts, why: &str) -> Self {
        let verdict = match rule.does_not_apply(facts.revision, facts.transport) {
            Some(why) => Verdict::NotApplicable(why.into()),
            None => Verdict::NotExercised(why.to_owned().into()),
        };
        Self { rule, verdict }
    }

    /// How much a violation matters, in this revision; `None` where nothing is violated.
    #[must_use]
    pub fn severity(&self, revision: &Revision) -> Option<Severity> {
        match &self.verdict {
            Verdict::Violates(violation) if violation.milder => {
                Some(self.rule.keyword(revision).severity().min(Severity::Warning))
            }
            Verdict::Violates(_) => Some(self.rule.keyword(revision).severity()),
            _ => None,
        }
    }
}

#[cfg(test)]
mod tests;

//! What becomes of a rule: it passes, it is violated (with the evidence), it does not apply, or it could not be exercised.

use std::borrow::Cow;

/// Why a rule could not be exercised whose message was not sent.
pub const UNSENT: &str = "this server gave no occasion to send it";

/// What became of a rule.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// What came is as the rule wants it.
    Passes,
    /// It is not.
    Violates(Violation),
    /// The rule says nothing about this server, and why: a capability that was not declared, another transport.
    NotApplicable(Cow<'static, str>),
    /// It would apply, but what it judges did not come about, and why.
    NotExercised(Cow<'static, str>),
}

impl Verdict {
    /// The word used in outputs.
    #[must_use]
    pub fn name(&self) -> &'static str {
        match self {
            Self::Passes => "passes",
            Self::Violates(_) => "violates",
            Self::NotApplicable(_) => "not_applicable",
            Self::NotExercised(_) => "not_exercised",
        }
    }

    /// Nothing was sent that it could be seen by.
    #[must_use]
    pub fn unsent() -> Self {
        Self::NotExercised(UNSENT.into())
    }

    /// Passes, or violates with this.
    #[must_use]
    pub fn of(passed: bool, violation: impl FnOnce() -> Violation) -> Self {
        if passed { Self::Passes } else { Self::Violates(violation()) }
    }

    /// Of many things of one kind: violated by the first of the worst that are wrong, with the others counted; passes where there were
    /// some; could not be exercised where there was none, and why.
    #[must_use]
    pub fn of_all(judged: impl Iterator<Item = Result<(), Violation>>, none: impl Into<Cow<'static, str>>) -> Self {
        Self::joined(judged.map(|one| one.map_or_else(Self::Violates, |()| Self::Passes)), none)
    }

    /// Of several verdicts about one rule: the first of the worst violations, with the others counted; else that it passes; else
    /// the first; why not, where there is none.
    #[must_use]
    pub fn joined(verdicts: impl IntoIterator<Item = Self>, none: impl Into<Cow<'static, str>>) -> Self {
        let (mut worst, mut all, mut passed, mut first) = (None::<Violation>, 0, false, None);
        for verdict in verdicts {
            match verdict {
                Self::Violates(violation) => {
                    all += 1 + violation.others;
                    // What keeps the meaning must not hide what loses it.
                    if worst.as_ref().is_none_or(|worst| worst.milder && !violation.milder) {
                        worst = Some(violation);
                    }
                }
                Self::Passes => passed = true,
                other => {
                    first.get_or_insert(other);
                }
            }
        }
        match worst {
            Some(violation) => Self::Violates(Violation { others: all - 1, ..violation }),
            None if passed => Self::Passes,
            None => first.unwrap_or_else(|| Self::NotExercised(none.into())),
        }
    }
}

/// What is wrong. Texts of the server inside it are raw and bounded: whoever shows them sanitises.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Violation {
    /// What the rule wants.
    pub expected: String,
    /// What came.
    pub actual: String,
    /// Where in the reply, as a JSONPath.
    pub path: Option<String>,
    /// The message that shows it: its place in [`super::Case::shots`].
    pub shot: Option<usize>,
    /// The letter is broken and the meaning kept: a warning, whatever the keyword.
    pub milder: bool,
    /// How many more of the same kind there are.
    pub others: usize,
}

impl Violation {
    /// What is wrong, without a place.
    #[must_use]
    pub fn new(expected: impl Into<String>, actual: impl Into<String>) -> Self {
        Self { expected: expected.into(), actual: actual.into(), ..Self::default() }
    }

    /// With a path.
    #[must_use]
    pub fn at(mut self, path: impl Into<String>) -> Self {
        self.path = Some(path.into());
        self
    }

    /// Shown by this message.
    #[must_use]
    pub fn shown_by(mut self, shot: usize) -> Self {
        self.shot = Some(shot);
        self
    }

    /// No more than a warning.
    #[must_use]
    pub fn mild(mut self) -> Self {
        self.milder = true;
        self
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn violates(actual: &str, others: usize) -> Violation {
        Violation { others, ..Violation::new("a result", actual) }
    }

    #[test]
    fn the_worst_is_kept_and_the_others_are_counted() {
        let all = [
            Verdict::Violates(violates("mild", 0).mild()),
            Verdict::Passes,
            Verdict::Violates(violates("bad", 2)),
            Verdict::NotExercised("nothing came".into()),
            Verdict::Violates(violates("bad too", 1)),
        ];
        assert_eq!(Verdict::joined(all, ""), Verdict::Violates(violates("bad", 5)));
        let judged = [Err(violates("mild", 0).mild()), Ok(()), Err(violates("bad", 0))];
        assert_eq!(Verdict::of_all(judged.into_iter(), ""), Verdict::Violates(violates("bad", 1)));
    }

    #[test]
    fn what_passed_hides_what_was_not_seen_and_the_first_reason_stands() {
        let unseen = || Verdict::NotExercised("nothing came".into());
        let other = || Verdict::NotApplicable("no tools".into());
        assert_eq!(Verdict::joined([unseen(), Verdict::Passes], ""), Verdict::Passes);
        assert_eq!(Verdict::joined([unseen(), other()], ""), unseen());
        assert_eq!(Verdict::joined([other(), unseen()], ""), other());
        assert_eq!(Verdict::joined([], "nothing was sent"), Verdict::NotExercised("nothing was sent".into()));
    }
}

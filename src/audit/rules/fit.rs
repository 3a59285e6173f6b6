//! What rules about shapes and lists have in common: flaws at the places that a rule is about, and why there is nothing to
//! judge.

use super::super::shape::{self, Flaw, FlawKind};
use super::super::{Case, Verdict, Violation};

/// Judges every result of these methods by its shape, at the places that the rule is about: patterns such as
/// `$.tools[*].name`. Members of other revisions are for another rule.
pub(super) fn fit(
    case: &Case<'_>,
    methods: &[&str],
    about: impl Fn(&str, FlawKind) -> bool,
    none: impl FnOnce() -> Verdict,
) -> Verdict {
    let revision = case.facts.revision;
    let results = case.results().filter(|(_, method, _)| methods.contains(method));
    let judged: Vec<Result<(), Violation>> = results
        .flat_map(|(place, method, result)| {
            let flaws = shape::judge(revision, method, result).into_iter();
            let flaws = flaws.filter(|flaw| !flaw.kind.is_of_age());
            let flaws = flaws.filter(|flaw| about(&flaw.pattern, flaw.kind));
            let found: Vec<_> = flaws.map(|flaw| Err(told(flaw, place))).collect();
            if found.is_empty() { vec![Ok(())] } else { found }
        })
        .collect();
    if judged.is_empty() { none() } else { Verdict::of_all(judged.into_iter(), "") }
}

fn told(flaw: Flaw, place: usize) -> Violation {
    let milder = flaw.kind.is_mild();
    let violation = Violation::new(flaw.expected, flaw.actual).at(flaw.path).shown_by(place);
    Violation { milder, others: flaw.more, ..violation }
}

/// Where nothing of a kind came: not declared, or nothing was asked.
pub(super) fn nothing(case: &Case<'_>, capability: &str, came: &'static str) -> Verdict {
    if case.facts.declares(capability) {
        Verdict::NotExercised(came.into())
    } else {
        Verdict::NotApplicable(format!("the server declares no {capability}").into())
    }
}

/// Where no tool was called.
pub(super) fn no_call(case: &Case<'_>) -> Verdict {
    nothing(case, "tools", "no tool was called; `--tool NAME` lets one be")
}

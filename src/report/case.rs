//! A probe as a list of cases that pass or fail by themselves: the opening, each step, and what concerns neither. Formats
//! of test harnesses and everything that points at a line of a probe file tell these.

use std::time::Duration;

use crate::base::sanitize;
use crate::event::{CheckOutcome, CheckStatus, Phase, ProbeOutcome, Reason, Status, StepOutcome};

/// Characters of one text of a server.
pub const TEXT_CHARS_MAX: usize = 4_000;

/// How a case ended, as test harnesses tell it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// As expected.
    Passed,
    /// It passes, with something to say.
    Warned,
    /// An answer was had, and was judged wrong.
    Failed,
    /// No answer could be had.
    Broken,
    /// Not run, or nobody can tell.
    Skipped,
}

impl Verdict {
    /// Whether the case is red.
    #[must_use]
    pub fn is_bad(self) -> bool {
        matches!(self, Self::Failed | Self::Broken)
    }

    fn of(status: Status, reason: Option<Reason>, connected: bool, degraded_fails: bool) -> Self {
        let red = if could_not_be_had(reason, connected) { Self::Broken } else { Self::Failed };
        match status {
            Status::Healthy => Self::Passed,
            Status::Degraded if !degraded_fails => Self::Warned,
            Status::Degraded | Status::Failed => red,
            Status::Unknown if reason == Some(Reason::Internal) => Self::Broken,
            Status::Unknown | Status::Skipped => Self::Skipped,
        }
    }
}

/// Whether a reason says that there is no answer to judge.
fn could_not_be_had(reason: Option<Reason>, connected: bool) -> bool {
    match reason {
        Some(
            Reason::Spawn
            | Reason::Exited
            | Reason::Resolve
            | Reason::Connect
            | Reason::Tls
            | Reason::Auth
            | Reason::Closed
            | Reason::Internal,
        ) => true,
        Some(Reason::Timeout) => !connected,
        _ => false,
    }
}

/// One case of a probe. Texts are raw.
#[derive(Clone, Debug)]
pub struct Case<'a> {
    /// `open`, the name of a step, or `as a whole`.
    pub name: &'a str,
    /// How it ended.
    pub verdict: Verdict,
    /// Why, where it is not as expected.
    pub reason: Option<Reason>,
    /// The same in a sentence.
    pub message: Option<&'a str>,
    /// How long it took, where that is known.
    pub took: Option<Duration>,
    /// The step, where it is one.
    pub step: Option<&'a StepOutcome>,
    /// Where in the probe file.
    pub place: Option<&'a str>,
}

/// What opening a session is called as a case.
pub const OPENING: &str = "open";
/// What concerns a probe as a whole: findings that fail it, retries, an interruption between two steps.
pub const WHOLE: &str = "as a whole";

/// The cases of a probe. The first is the opening.
#[must_use]
pub fn cases(probe: &ProbeOutcome, degraded_fails: bool) -> Vec<Case<'_>> {
    let unwell = |status: Status| !matches!(status, Status::Healthy | Status::Skipped);
    let told = probe.steps.iter().any(|step| unwell(step.status) && step.status >= probe.status);
    let begun = probe.connected || probe.steps.iter().any(|step| step.status != Status::Skipped);
    let cause = probe.cause.as_ref().filter(|_| unwell(probe.status));
    let of_probe = |name, took, place| Case {
        name,
        verdict: Verdict::of(probe.status, cause.map(|cause| cause.reason), probe.connected, degraded_fails),
        reason: cause.map(|cause| cause.reason),
        message: cause.map(|cause| cause.message.as_str()),
        took,
        step: None,
        place,
    };
    let of_steps = || probe.steps.iter().find_map(|step| step.place.as_deref());
    let first_place = probe.observed.place.as_deref().or_else(of_steps);
    let mut opening = of_probe(OPENING, opening_time(probe), first_place);
    if begun {
        opening = Case { verdict: Verdict::Passed, reason: None, message: None, ..opening };
    }
    let mut cases = vec![opening];
    cases.extend(probe.steps.iter().map(|step| of_step(step, probe.connected, degraded_fails)));
    if begun && !told && unwell(probe.status) {
        cases.push(of_probe(WHOLE, None, first_place));
    }
    cases
}

/// The verdict of a probe as a whole.
#[must_use]
pub fn verdict(probe: &ProbeOutcome, degraded_fails: bool) -> Verdict {
    Verdict::of(probe.status, probe.cause.as_ref().map(|cause| cause.reason), probe.connected, degraded_fails)
}

fn of_step(step: &StepOutcome, connected: bool, degraded_fails: bool) -> Case<'_> {
    let cause = step.cause.as_ref().filter(|_| step.status != Status::Healthy);
    let reason = cause.map(|cause| cause.reason);
    let of_check = step.checks.iter().filter(|check| is_unmet(check)).find_map(|check| check.place.as_deref());
    Case {
        name: &step.name,
        verdict: Verdict::of(step.status, reason, connected, degraded_fails),
        // What was not run has no reason of its own.
        reason: reason.filter(|_| step.status != Status::Skipped),
        message: cause.map(|cause| cause.message.as_str()),
        took: step.latency,
        step: Some(step),
        place: of_check.or(step.place.as_deref()),
    }
}

/// Everything before the calls.
fn opening_time(probe: &ProbeOutcome) -> Option<Duration> {
    let mut before = probe.phases.iter().filter(|(phase, _)| !matches!(phase, Phase::Call | Phase::Close)).peekable();
    before.peek()?;
    Some(before.map(|(_, took)| took).sum())
}

/// Whether a check has something to say.
#[must_use]
pub fn is_unmet(check: &CheckOutcome) -> bool {
    matches!(check.status, CheckStatus::Failed | CheckStatus::Warned | CheckStatus::Blocked)
}

/// `smoke on weather`, with the number of the repetition where there is one; safe to show.
#[must_use]
pub fn title(probe: &ProbeOutcome) -> String {
    let name = format!("{} on {}", sanitize::one_line(&probe.name, 200), sanitize::one_line(&probe.target, 200));
    match probe.repetition {
        Some(repetition) => format!("{name}, run {repetition}"),
        None => name,
    }
}

/// `tools failed at $.tools: expected …, got …`; safe to show, line feeds kept.
#[must_use]
pub fn sentence(check: &CheckOutcome) -> String {
    let at = check.path.as_ref().map_or_else(String::new, |path| format!(" at {}", sanitize::one_line(path, 200)));
    let (expected, actual) = (safe(&check.expected, TEXT_CHARS_MAX), safe(&check.actual, TEXT_CHARS_MAX));
    format!("{} {}{at}: expected {expected}, got {actual}", check.kind, check.status.name())
}

impl<'a> Case<'a> {
    /// The checks that have something to say. Where there was no answer to judge, that they could not judge it is no news.
    #[must_use]
    pub fn unmet(&self) -> Vec<&'a CheckOutcome> {
        let judged = self.is_judged();
        let checks = self.step.iter().flat_map(|step| step.checks.iter());
        checks.filter(|check| is_unmet(check) && (judged || check.status != CheckStatus::Blocked)).collect()
    }

    /// The sentence of the cause, where no check says the same.
    #[must_use]
    pub fn own_message(&self) -> Option<&'a str> {
        self.message.filter(|_| !self.is_judged() || self.unmet().is_empty())
    }

    /// Whether the checks are why it is not well.
    fn is_judged(&self) -> bool {
        matches!(self.reason, Some(Reason::Check | Reason::Slow | Reason::Drift))
    }
}

/// What is to be said of a case, at length.
#[must_use]
pub fn story(case: &Case<'_>) -> String {
    let own = case.own_message().map(|message| safe(message.trim_end(), TEXT_CHARS_MAX));
    own.into_iter().chain(case.unmet().into_iter().map(sentence)).collect::<Vec<_>>().join("\n")
}

/// The same in one line.
#[must_use]
pub fn headline(case: &Case<'_>, chars_max: usize) -> String {
    let mut message = case.message.unwrap_or_default().lines().filter(|line| !line.trim().is_empty());
    let line = message.next().map_or_else(|| story(case), str::to_owned);
    sanitize::one_line(&sanitize::cut(&line, TEXT_CHARS_MAX), chars_max)
}

/// A text of a server, bounded and safe to show; line feeds are kept.
#[must_use]
pub fn safe(text: &str, chars_max: usize) -> String {
    sanitize::printable(&sanitize::cut(text, chars_max)).into_owned()
}

/// A place in a probe file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Place<'a> {
    /// The file, as it was named.
    pub file: &'a str,
    /// From 1.
    pub line: u64,
    /// From 1, in characters.
    pub column: u64,
}

impl<'a> Place<'a> {
    /// Reads `file:line:column`.
    #[must_use]
    pub fn parse(text: &'a str) -> Option<Self> {
        let mut parts = text.rsplitn(3, ':');
        let (column, line, file) = (parts.next()?, parts.next()?, parts.next()?);
        Some(Self { file, line: line.parse().ok()?, column: column.parse().ok()? })
    }

    /// The file relative to a folder where it lies below it, with `/` between its parts.
    #[must_use]
    pub fn relative(&self, folder: Option<&std::path::Path>) -> String {
        let path = std::path::Path::new(self.file);
        let below = folder.and_then(|folder| path.strip_prefix(folder).ok()).unwrap_or(path);
        let below = below.strip_prefix(".").unwrap_or(below);
        sanitize::one_line(&below.to_string_lossy().replace(std::path::MAIN_SEPARATOR, "/"), 1_000)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::event::Cause;
    use crate::report::json::samples::{failed, healthy};

    fn verdicts(probe: &ProbeOutcome) -> Vec<(&str, Verdict)> {
        cases(probe, false).into_iter().map(|case| (case.name, case.verdict)).collect()
    }

    #[test]
    fn what_failed_fails_and_the_rest_does_not() {
        assert_eq!(verdicts(&healthy()), [("open", Verdict::Passed), ("tools/list", Verdict::Passed)]);
        let probe = failed();
        assert_eq!(verdicts(&probe), [("open", Verdict::Passed), ("tools/list", Verdict::Failed)]);
        let case = cases(&probe, false).remove(1);
        assert_eq!(case.place, Some("mcp-probe.toml:12:1"));
        assert_eq!(story(&case), "tools failed at $.tools: expected to include \"forecast\", got 1 tool: \"echo\"");
    }

    #[test]
    fn an_opening_that_fails_skips_the_rest() {
        for (reason, verdict) in [
            (Reason::Connect, Verdict::Broken),
            (Reason::Timeout, Verdict::Broken),
            (Reason::Http, Verdict::Failed),
            (Reason::Incompatible, Verdict::Failed),
        ] {
            let mut probe = failed();
            probe.connected = false;
            probe.cause = Some(Cause::new(reason, "why"));
            probe.steps[0].status = Status::Skipped;
            probe.steps[0].cause = None;
            assert_eq!(verdicts(&probe), [("open", verdict), ("tools/list", Verdict::Skipped)], "{reason}");
        }
        let mut probe = healthy();
        probe.attempts.clear();
        (probe.status, probe.connected) = (Status::Unknown, false);
        probe.cause = Some(Cause::new(Reason::Cancelled, "not run"));
        probe.steps.clear();
        assert_eq!(verdicts(&probe), [("open", Verdict::Skipped)]);
        probe.cause = Some(Cause::new(Reason::Internal, "no memory"));
        assert_eq!(verdicts(&probe), [("open", Verdict::Broken)]);
    }

    #[test]
    fn what_no_step_tells_stands_by_itself() {
        let mut probe = healthy();
        probe.status = Status::Failed;
        probe.cause = Some(Cause::new(Reason::Check, "stdio.stdout_clean: expected …"));
        let told = verdicts(&probe);
        assert_eq!(told[2], ("as a whole", Verdict::Failed));
        probe.status = Status::Degraded;
        probe.cause = Some(Cause::new(Reason::Flaky, "passed on attempt 2"));
        assert_eq!(verdicts(&probe)[2], ("as a whole", Verdict::Warned));
        assert_eq!(cases(&probe, true)[2].verdict, Verdict::Failed);
    }

    #[test]
    fn a_late_answer_is_a_failure_and_a_cut_one_an_error() {
        let mut probe = failed();
        probe.steps[0].cause = Some(Cause::new(Reason::Timeout, "late"));
        assert_eq!(verdicts(&probe)[1].1, Verdict::Failed);
        probe.steps[0].cause = Some(Cause::new(Reason::Closed, "cut"));
        assert_eq!(verdicts(&probe)[1].1, Verdict::Broken);
    }

    #[test]
    fn an_error_is_told_beside_what_could_be_judged() {
        let mut probe = failed();
        let blocked = CheckOutcome { status: CheckStatus::Blocked, ..probe.steps[0].checks[0].clone() };
        probe.steps[0].checks.push(CheckOutcome { kind: "latency", status: CheckStatus::Failed, ..blocked.clone() });
        probe.steps[0].checks[0] = blocked;
        probe.steps[0].cause = Some(Cause::new(Reason::RpcError, "answered with error -32000"));
        let case = cases(&probe, false).remove(1);
        assert!(story(&case).starts_with("answered with error -32000\nlatency failed"), "{}", story(&case));
        assert_eq!(case.unmet().len(), 1);
    }

    #[test]
    fn places_are_read_from_their_end() {
        let place = Place::parse("/home/me/a:b/probes.toml:12:7").unwrap();
        assert_eq!((place.file, place.line, place.column), ("/home/me/a:b/probes.toml", 12, 7));
        assert_eq!(place.relative(Some("/home/me".as_ref())), "a:b/probes.toml");
        assert_eq!(Place::parse("./probes/x.toml:1:1").unwrap().relative(None), "probes/x.toml");
        assert_eq!(Place::parse("command line"), None);
    }
}

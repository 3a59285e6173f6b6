//! JUnit XML, in the form that testmoapp/junitxml describes as the common denominator: a suite per probe on a target, a
//! case for the opening and one per step. `failure` was judged wrong, `error` could not be had.

use std::time::Duration;

use quick_junit::{NonSuccessKind, Property, Report, TestCase, TestCaseStatus, TestSuite};

use super::case::{self, Case, Place, Verdict, cases};
use super::format::{Run, Unmade};
use crate::base::sanitize;
use crate::event::ProbeOutcome;

/// Characters of a `message` attribute.
const MESSAGE_CHARS_MAX: usize = 400;

/// The document.
///
/// # Errors
/// None in practice.
pub fn bytes(run: &Run<'_>) -> Result<Vec<u8>, Unmade> {
    let mut report = Report::new("mcp-probe");
    report.timestamp = stamp(run.started_at).parse().ok();
    report.set_time(run.duration);
    report.add_test_suites(run.probes.iter().map(|probe| suite(run, probe)));
    let mut bytes = Vec::new();
    report.serialize(&mut bytes).map_err(|error| Unmade::new("junit", &error))?;
    Ok(bytes)
}

fn stamp(at: jiff::Timestamp) -> String {
    super::json::timestamp(at)
}

fn suite(run: &Run<'_>, probe: &ProbeOutcome) -> TestSuite {
    let mut suite = TestSuite::new(case::title(probe));
    suite.timestamp = stamp(probe.started_at).parse().ok();
    suite.set_time(probe.duration);
    for (name, value) in properties(probe) {
        suite.add_property(Property::new(name, value));
    }
    // A package of Jenkins is the target, its class the probe.
    let class = format!("{}.{}", sanitize::one_line(&probe.target, 200), sanitize::one_line(&probe.name, 200));
    for case in cases(probe, run.degraded_fails) {
        suite.add_test_case(test_case(run, &case, &class));
    }
    let noticed = noticed(probe);
    if !noticed.is_empty() {
        suite.set_system_out(&noticed);
    }
    suite
}

fn properties(probe: &ProbeOutcome) -> Vec<(String, String)> {
    let mut told: Vec<(String, String)> =
        vec![("probe".into(), line(&probe.name)), ("target".into(), line(&probe.target))];
    told.extend(probe.labels.iter().map(|(name, value)| (format!("label.{}", line(name)), line(value))));
    if let Some(server) = &probe.server {
        told.push(("server".into(), format!("{} {}", line(&server.name), line(&server.version))));
    }
    if let Some(used) = &probe.protocol {
        told.push(("protocol".into(), line(&used.version)));
        told.push(("era".into(), used.era.name().into()));
        told.push(("transport".into(), used.transport.name().into()));
    }
    told
}

fn line(text: &str) -> String {
    sanitize::one_line(text, 200)
}

fn test_case(run: &Run<'_>, case: &Case<'_>, class: &str) -> TestCase {
    let message = case::headline(case, MESSAGE_CHARS_MAX);
    let kind = case.reason.map_or("", crate::event::Reason::code);
    let mut status = match case.verdict {
        Verdict::Passed | Verdict::Warned => TestCaseStatus::success(),
        Verdict::Failed => TestCaseStatus::non_success(NonSuccessKind::Failure),
        Verdict::Broken => TestCaseStatus::non_success(NonSuccessKind::Error),
        Verdict::Skipped => TestCaseStatus::skipped(),
    };
    if case.verdict.is_bad() {
        status.set_type(kind).set_message(&message).set_description(case::story(case));
    } else if case.verdict == Verdict::Skipped && !message.is_empty() {
        status.set_type(kind).set_message(&message);
    }
    let mut told = TestCase::new(line(case.name), status);
    told.set_classname(class);
    told.set_time(case.took.unwrap_or(Duration::ZERO));
    if let Some(step) = case.step {
        told.set_assertions(step.checks.len());
    }
    if let Some(place) = case.place.and_then(Place::parse) {
        told.extra.insert("file".into(), place.relative(run.folder).into());
        told.extra.insert("line".into(), place.line.to_string().into());
    }
    if case.verdict == Verdict::Warned {
        told.set_system_out(format!("{kind}: {}", case::story(case)));
    }
    told
}

/// What a person wants to know of a probe beside its cases: the findings, and attempts that failed.
fn noticed(probe: &ProbeOutcome) -> String {
    let mut text = String::new();
    for (at, attempt) in probe.attempts.iter().enumerate().filter(|_| probe.attempts.len() > 1) {
        let cause = attempt.cause.as_ref().map_or_else(String::new, |cause| {
            format!(" ({}): {}", cause.reason, sanitize::one_line(&cause.message, MESSAGE_CHARS_MAX))
        });
        text.push_str(&format!("attempt {}: {}{cause}\n", at + 1, attempt.status.name()));
    }
    for finding in &probe.findings {
        let (expected, actual) = (line(&finding.expected), sanitize::one_line(&finding.actual, MESSAGE_CHARS_MAX));
        text.push_str(&format!("{} {}: expected {expected}, got {actual}\n", finding.severity.name(), finding.id));
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::event::{Cause, Reason, Status};
    use crate::report::json::samples::{failed, healthy};

    fn text(probes: &[ProbeOutcome]) -> String {
        let run = Run::new(probes[0].started_at, Duration::from_millis(12), probes);
        String::from_utf8(bytes(&run).unwrap()).unwrap()
    }

    #[test]
    fn a_suite_per_probe_and_a_case_per_step() {
        let told = text(&[healthy(), failed()]);
        assert!(
            told.contains("<testsuites name=\"mcp-probe\" tests=\"4\" skipped=\"0\" failures=\"1\" errors=\"0\""),
            "{told}"
        );
        assert!(told.contains("<testsuite name=\"smoke on weather\" tests=\"2\""), "{told}");
        assert!(
            told.contains(
                "<testcase name=\"tools/list\" classname=\"weather.smoke\" assertions=\"1\" time=\"0.004\" \
                           file=\"mcp-probe.toml\" line=\"12\">"
            ),
            "{told}"
        );
        assert!(told.contains("<failure message=\"tools: expected to include &quot;forecast&quot;"), "{told}");
        assert!(told.contains("warning stdio.stdout_clean: expected only messages"), "{told}");
    }

    #[test]
    fn what_could_not_be_had_is_an_error_and_what_was_not_run_is_skipped() {
        let mut probe = failed();
        probe.connected = false;
        probe.cause = Some(Cause::new(Reason::Connect, "nobody listens\nmore"));
        probe.steps[0].status = Status::Skipped;
        probe.steps[0].cause = None;
        probe.steps[0].checks.clear();
        let told = text(&[probe]);
        assert!(
            told.contains("<error message=\"nobody listens\" type=\"connect\">nobody listens\nmore</error>"),
            "{told}"
        );
        assert!(told.contains("tests=\"2\" skipped=\"1\" failures=\"0\" errors=\"1\""), "{told}");
        assert!(told.contains("<skipped/>"), "{told}");
    }
}

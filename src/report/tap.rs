//! TAP version 14: a test point per probe on a target, its cases as a subtest, what went wrong in YAML below its point. A
//! text of a server stands in double quotes of YAML or behind the escapes of a description, never at the start of a line.

use std::fmt::Write as _;

use serde_json::Value;

use super::case::{self, Case, Verdict, cases};
use super::format::Run;
use crate::base::duration::millis;
use crate::base::sanitize;
use crate::event::ProbeOutcome;

/// Characters of a description.
const DESCRIPTION_CHARS_MAX: usize = 200;

/// The text.
#[must_use]
pub fn text(run: &Run<'_>) -> String {
    let mut text = String::from("TAP version 14\n");
    if run.probes.is_empty() {
        text.push_str("1..0 # SKIP no probe\n");
        return text;
    }
    let _ = writeln!(text, "1..{}", run.probes.len());
    for (at, probe) in run.probes.iter().enumerate() {
        point(&mut text, run, at + 1, probe);
    }
    if run.interrupted {
        text.push_str("# interrupted\n");
    }
    text
}

fn point(text: &mut String, run: &Run<'_>, number: usize, probe: &ProbeOutcome) {
    let title = escaped(&case::title(probe));
    let cases = cases(probe, run.degraded_fails);
    let _ = writeln!(text, "# Subtest: {title}");
    let _ = writeln!(text, "    1..{}", cases.len());
    for (at, case) in cases.iter().enumerate() {
        line(text, "    ", at + 1, &escaped(case.name), case.verdict, &skipped(case));
        yaml(text, "      ", &of_case(case));
    }
    let verdict = case::verdict(probe, run.degraded_fails);
    let why = probe.cause.as_ref().map_or_else(String::new, |cause| cause.reason.code().to_owned());
    line(text, "", number, &title, verdict, &why);
    yaml(text, "  ", &of_probe(probe));
}

fn line(text: &mut String, indent: &str, number: usize, description: &str, verdict: Verdict, why: &str) {
    let word = if verdict.is_bad() { "not ok" } else { "ok" };
    let directive = if verdict == Verdict::Skipped { format!(" # SKIP {}", escaped(why)) } else { String::new() };
    let _ = writeln!(text, "{indent}{word} {number} - {description}{}", directive.trim_end());
}

fn skipped(case: &Case<'_>) -> String {
    if case.message.is_some() { case::headline(case, DESCRIPTION_CHARS_MAX) } else { "not run".to_owned() }
}

/// On one line, with what would begin a directive escaped.
fn escaped(text: &str) -> String {
    sanitize::one_line(text, DESCRIPTION_CHARS_MAX).replace('\\', "\\\\").replace('#', "\\#")
}

/// What is told below a point: a key and a value that is written as JSON, which is YAML.
type Told = Vec<(&'static str, Value)>;

fn of_case(case: &Case<'_>) -> Told {
    let mut told = Told::new();
    if let Some(reason) = case.reason.filter(|_| case.verdict != Verdict::Skipped) {
        told.push(("message", case::story(case).into()));
        told.push(("severity", if case.verdict.is_bad() { "fail" } else { "warning" }.into()));
        told.push(("reason", reason.code().into()));
    }
    if let Some(took) = case.took {
        told.push(("duration_ms", millis(took).into()));
    }
    if let Some(place) = case.place.filter(|_| case.verdict.is_bad()) {
        told.push(("at", sanitize::one_line(place, 1_000).into()));
    }
    told
}

fn of_probe(probe: &ProbeOutcome) -> Told {
    let mut told: Told = vec![("status", probe.status.name().into()), ("duration_ms", millis(probe.duration).into())];
    if let Some(cause) = &probe.cause {
        told.push(("reason", cause.reason.code().into()));
        told.push(("message", case::safe(cause.message.trim_end(), case::TEXT_CHARS_MAX).into()));
    }
    for finding in &probe.findings {
        // A key stands once: all findings are one value.
        let sentence = format!(
            "{} {}: expected {}, got {}",
            finding.severity.name(),
            finding.id,
            sanitize::one_line(&finding.expected, 400),
            sanitize::one_line(&finding.actual, 400)
        );
        match told.last_mut() {
            Some(("findings", Value::Array(all))) => all.push(sentence.into()),
            _ => told.push(("findings", vec![sentence].into())),
        }
    }
    told
}

fn yaml(text: &mut String, indent: &str, told: &Told) {
    if told.is_empty() {
        return;
    }
    let _ = writeln!(text, "{indent}---");
    for (key, value) in told {
        let _ = writeln!(text, "{indent}{key}: {value}");
    }
    let _ = writeln!(text, "{indent}...");
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;
    use crate::event::{Cause, Reason, Status};
    use crate::report::json::samples::{failed, healthy, hostile};

    fn told(probes: &[ProbeOutcome]) -> String {
        text(&Run::new("2026-01-15T09:32:45Z".parse().unwrap(), Duration::from_millis(12), probes))
    }

    #[test]
    fn a_point_per_probe_with_its_steps_below() {
        assert_eq!(
            told(&[failed()]),
            "TAP version 14\n1..1\n# Subtest: smoke on weather\n    1..2\n    ok 1 - open\n      ---\n      \
             duration_ms: 2.4\n      ...\n    not ok 2 - tools/list\n      ---\n      message: \"tools failed at $.tools: \
             expected to include \\\"forecast\\\", got 1 tool: \\\"echo\\\"\"\n      severity: \"fail\"\n      reason: \"check\"\n      \
             duration_ms: 4.2\n      at: \"mcp-probe.toml:12:1\"\n      ...\nnot ok 1 - smoke on weather\n  ---\n  status: \
             \"failed\"\n  duration_ms: 10.1\n  reason: \"check\"\n  message: \"tools: expected to include \\\"forecast\\\", got 1 \
             tool: \\\"echo\\\"\"\n  findings: [\"warning stdio.stdout_clean: expected only messages, got 2 lines of log\"]\n  \
             ...\n"
        );
        let mut unknown = healthy();
        unknown.status = Status::Unknown;
        unknown.cause = Some(Cause::new(Reason::Cancelled, "interrupted # here"));
        assert!(told(&[unknown]).contains("\nok 1 - alive on files # SKIP cancelled\n"));
        assert_eq!(told(&[]), "TAP version 14\n1..0 # SKIP no probe\n");
    }

    #[test]
    fn no_text_of_a_server_begins_a_line() {
        let known = [
            "TAP version 14",
            "1..",
            "# Subtest:",
            "ok ",
            "not ok ",
            "---",
            "...",
            "message:",
            "severity:",
            "reason:",
            "duration_ms:",
            "at:",
            "status:",
            "findings:",
        ];
        let text = told(&[hostile()]);
        for line in text.lines() {
            assert!(known.iter().any(|known| line.trim_start().starts_with(known)), "{line}");
            assert!(
                !line.trim_start().contains("ok 1 - owned") || line.contains(": \"") || line.contains(" - "),
                "{line}"
            );
        }
        assert_eq!(text.lines().filter(|line| line.starts_with("not ok")).count(), 1);
        assert_eq!(text.lines().filter(|line| line.contains("1..9") && line.starts_with("1..9")).count(), 0);
    }
}

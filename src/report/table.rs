//! The results of a run as a table, with what went wrong below it and one line of summary.

use std::time::Duration;

use super::grid::{Cell, Column, Fit, Grid};
use super::json::Run;
use super::render::error;
use super::{Ink, Look, count, indented, wrap};
use crate::base::duration::human;
use crate::base::sanitize;
use crate::event::{
    CheckOutcome, CheckStatus, Finding, ProbeOutcome, ProtocolUsed, Status, StepOutcome, TransportKind,
};

const COLUMNS: &[Column] = &[
    Column { head: "PROBE", fit: Fit::Share(25) },
    Column { head: "TARGET", fit: Fit::Share(25) },
    Column { head: "STATUS", fit: Fit::Whole },
    Column { head: "LATENCY", fit: Fit::Number },
    Column { head: "PROTOCOL", fit: Fit::Whole },
    Column { head: "DETAIL", fit: Fit::Rest },
];

/// On a terminal the story of a failure stands below the table, so its row stays short.
const LINES_MAX: usize = 3;

/// The rows: a table on a terminal, separated by tabs elsewhere.
#[must_use]
pub fn rows(run: &Run<'_>, look: &Look) -> String {
    let mut grid = Grid::new(COLUMNS, LINES_MAX);
    for probe in run.probes {
        let latency = slowest(probe).map(human).unwrap_or_default();
        let protocol = probe.protocol.as_ref().map(|used| spoken(used, look)).unwrap_or_default();
        grid.row(vec![
            Cell::inked(&probe.name, Ink::Strong),
            Cell::new(&probe.target),
            Cell::inked(probe.status.name(), Ink::of(probe.status)),
            Cell::new(&latency),
            Cell::inked(&protocol, Ink::Dim),
            Cell::new(&detail(probe)),
        ]);
    }
    grid.render(look)
}

/// What is not as it should be: of each probe the failed steps with what was expected and what came, then the
/// findings. Empty when all is well.
#[must_use]
pub fn details(run: &Run<'_>, look: &Look) -> String {
    let mut text = String::new();
    for probe in run.probes {
        if probe.status != Status::Healthy {
            if !text.is_empty() {
                text.push('\n');
            }
            text.push_str(&story(probe, look));
        }
    }
    let mut findings = String::new();
    let mut told: Vec<(&str, &Finding)> = Vec::new();
    for probe in run.probes {
        // What every probe of a target sees is told once.
        let fresh: Vec<&Finding> =
            probe.findings.iter().filter(|finding| !told.contains(&(probe.target.as_str(), finding))).collect();
        findings.push_str(&error::findings(fresh.iter().copied(), Some(&probe.target), look));
        told.extend(fresh.into_iter().map(|finding| (probe.target.as_str(), finding)));
    }
    if !findings.is_empty() && !text.is_empty() {
        text.push('\n');
    }
    text + &findings
}

/// `4 probes: 3 healthy, 1 failed in 312 ms`.
#[must_use]
pub fn summary(run: &Run<'_>, look: &Look) -> String {
    let words: Vec<String> = [Status::Healthy, Status::Degraded, Status::Failed, Status::Unknown, Status::Skipped]
        .into_iter()
        .filter_map(|status| {
            let n = run.probes.iter().filter(|probe| probe.status == status).count();
            (n > 0).then(|| look.paint(Ink::of(status), &format!("{n} {}", status.name())))
        })
        .collect();
    format!("{}: {} in {}\n", count(run.probes.len(), "probe"), words.join(", "), human(run.duration))
}

/// In full for a pipe; on a terminal without what the date of the revision says already.
fn spoken(used: &ProtocolUsed, look: &Look) -> String {
    if !look.is_terminal() {
        return format!("{} {} {}", used.era.name(), used.version, used.transport.name());
    }
    let over = match used.transport {
        TransportKind::Stdio => "stdio",
        TransportKind::StreamableHttp => "http",
        TransportKind::Sse => "sse",
    };
    format!("{} {over}", sanitize::one_line(&used.version, 20))
}

/// The slowest step: what a latency bound would have met.
fn slowest(probe: &ProbeOutcome) -> Option<Duration> {
    probe.steps.iter().filter_map(|step| step.latency).max()
}

fn detail(probe: &ProbeOutcome) -> String {
    let mut text = match &probe.cause {
        Some(cause) if probe.status != Status::Healthy => {
            format!("{}: {}", cause.reason, cause.message)
        }
        _ => {
            let checks = probe.steps.iter().map(|step| step.checks.len()).sum();
            let steps = count(probe.steps.len(), "step");
            if checks == 0 { steps } else { format!("{steps}, {}", count(checks, "check")) }
        }
    };
    if probe.attempts.len() > 1 {
        text.push_str(&format!(" ({} attempts)", probe.attempts.len()));
    }
    text
}

fn story(probe: &ProbeOutcome, look: &Look) -> String {
    let name = format!("{} on {}", sanitize::one_line(&probe.name, 80), sanitize::one_line(&probe.target, 80));
    let mut text =
        format!("{} {}", look.paint(Ink::of(probe.status), probe.status.name()), look.paint(Ink::Strong, &name));
    if let Some(cause) = &probe.cause {
        text.push_str(&look.paint(Ink::Dim, &format!(" ({})", cause.reason)));
    }
    text.push('\n');
    let mut told = false;
    for step in probe.steps.iter().filter(|step| !matches!(step.status, Status::Healthy | Status::Skipped)) {
        text.push_str(&step_story(step, look));
        told |= step.cause.is_some();
    }
    if let Some(cause) = probe.cause.as_ref().filter(|_| !told) {
        text.push_str(&paragraph(&cause.message, "  ", look));
    }
    let skipped = probe.steps.iter().filter(|step| step.status == Status::Skipped).count();
    if skipped > 0 {
        text.push_str(&look.paint(Ink::Dim, &format!("  {} not run after that", count(skipped, "step"))));
        text.push('\n');
    }
    text
}

fn step_story(step: &StepOutcome, look: &Look) -> String {
    let name = sanitize::one_line(&step.name, 80);
    let method = sanitize::one_line(&step.method, 80);
    // A step without a name of its own is called after its method already.
    let mut head =
        if name.starts_with(&method) { format!("  step {name}") } else { format!("  step {name} ({method})") };
    if let Some(latency) = step.latency {
        head.push_str(&format!(", answered in {}", human(latency)));
    }
    let mut text = head + "\n";
    let unhappy: Vec<&CheckOutcome> = step
        .checks
        .iter()
        .filter(|check| matches!(check.status, CheckStatus::Failed | CheckStatus::Warned | CheckStatus::Blocked))
        .collect();
    if unhappy.is_empty()
        && let Some(cause) = &step.cause
    {
        text.push_str(&paragraph(&cause.message, "    ", look));
    }
    for check in unhappy {
        text.push_str(&check_story(check, look));
    }
    text
}

fn check_story(check: &CheckOutcome, look: &Look) -> String {
    let ink = if check.status == CheckStatus::Warned { Ink::Warn } else { Ink::Bad };
    let mut text = format!("    {} {}", look.paint(ink, &format!("{}:", check.kind)), check.status.name());
    if let Some(path) = &check.path {
        text.push_str(&format!(" at {}", sanitize::one_line(path, 200)));
    }
    if let Some(place) = &check.place {
        text.push_str(&look.paint(Ink::Dim, &format!("  [{}]", sanitize::one_line(place, 300))));
    }
    text.push('\n');
    for (label, value) in [("expected", &check.expected), ("actual", &check.actual)] {
        let safe = sanitize::printable(value);
        let lines = match look.prose_width() {
            Some(width) => wrap(&safe, width.saturating_sub(16)),
            None => safe.lines().map(str::to_owned).collect(),
        };
        let body = lines.join("\n               ");
        text.push_str(&format!("      {} {body}\n", look.paint(Ink::Dim, &format!("{label:<8}"))));
    }
    text
}

fn paragraph(message: &str, indent: &str, look: &Look) -> String {
    let safe = sanitize::printable(message.trim_end());
    let lines = match look.prose_width() {
        Some(width) => wrap(&safe, width.saturating_sub(indent.len())).join("\n"),
        None => safe.into_owned(),
    };
    indented(&lines, indent) + "\n"
}

#[cfg(test)]
mod tests {
    use super::super::json::samples::{failed, healthy};
    use super::*;

    fn run(probes: &[ProbeOutcome]) -> Run<'_> {
        Run { started_at: "2026-01-15T09:32:45.120Z".parse().unwrap(), duration: Duration::from_millis(312), probes }
    }

    #[test]
    fn a_terminal_of_80_columns() {
        let look = Look { width: Some(80), colour: false };
        let probes = [healthy(), failed()];
        assert_eq!(
            rows(&run(&probes), &look),
            "PROBE  TARGET   STATUS   LATENCY  PROTOCOL          DETAIL\n\
             alive  files    healthy   1.1 ms  2026-07-28 stdio  1 step\n\
             smoke  weather  failed    4.2 ms  2025-11-25 http   check: tools: expected to\n                                                    \
             include \"forecast\", got 1\n                                                    tool: \"echo\"\n"
        );
    }

    #[test]
    fn a_terminal_of_160_columns() {
        let look = Look { width: Some(160), colour: false };
        let probes = [healthy(), failed()];
        assert_eq!(
            rows(&run(&probes), &look),
            "PROBE  TARGET   STATUS   LATENCY  PROTOCOL          DETAIL\n\
             alive  files    healthy   1.1 ms  2026-07-28 stdio  1 step\n\
             smoke  weather  failed    4.2 ms  2025-11-25 http   check: tools: expected to include \"forecast\", \
             got 1 tool: \"echo\"\n"
        );
    }

    #[test]
    fn a_pipe_gets_rows_uncut() {
        let probes = [healthy(), failed()];
        assert_eq!(
            rows(&run(&probes), &Look::PLAIN),
            "alive\tfiles\thealthy\t1.1 ms\tmodern 2026-07-28 stdio\t1 step\n\
             smoke\tweather\tfailed\t4.2 ms\tlegacy 2025-11-25 streamable-http\tcheck: tools: expected to include \
             \"forecast\", got 1 tool: \"echo\"\n"
        );
    }

    #[test]
    fn the_story_of_a_failure() {
        let probes = [healthy(), failed()];
        let look = Look { width: Some(80), colour: false };
        assert_eq!(
            details(&run(&probes), &look),
            "failed smoke on weather (check)\n  step tools/list, answered in 4.2 ms\n    \
             tools: failed at $.tools  [mcp-probe.toml:12:1]\n      expected to include \"forecast\"\n      \
             actual   1 tool: \"echo\"\n\n\
             warning: weather: expected only messages, got 2 lines of log (mcp-probe explain\n  stdio.stdout_clean)\n"
        );
        assert_eq!(summary(&run(&probes), &look), "2 probes: 1 healthy, 1 failed in 312 ms\n");
        assert_eq!(details(&run(&[healthy()]), &look), "");
    }

    #[test]
    fn hostile_names_stay_text() {
        let mut probe = failed();
        probe.name = "a\u{1b}[2J\tb\nc".into();
        probe.steps[0].checks[0].actual = "x\u{1b}[31m\r\u{202e}".into();
        let probes = [probe];
        for look in [Look::PLAIN, Look { width: Some(80), colour: false }] {
            let text = rows(&run(&probes), &look) + &details(&run(&probes), &look);
            assert!(!text.contains(['\u{1b}', '\r', '\u{202e}']), "{text:?}");
        }
        assert_eq!(rows(&run(&probes), &Look::PLAIN).matches('\t').count(), 5);
    }
}

//! The results of a run as a table, with what went wrong below it and one line of summary.

use std::collections::BTreeMap;
use std::time::Duration;

use super::format::Run;
use super::grid::{Cell, Column, Fit, Grid};
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

/// Where everything was run several times, beside the columns that are always there.
const COLUMNS_REPEATED: &[Column] =
    &[COLUMNS[0], COLUMNS[1], COLUMNS[2], COLUMNS[3], COLUMNS[4], Column { head: "RUN", fit: Fit::Number }, COLUMNS[5]];

/// Probes that are named in one sentence.
const NAMES_MAX: usize = 8;

/// On a terminal the story of a failure stands below the table, so its row stays short.
const LINES_MAX: usize = 3;

/// The rows: a table on a terminal, separated by tabs elsewhere.
#[must_use]
pub fn rows(run: &Run<'_>, look: &Look) -> String {
    let repeated = repetitions(run) > 0;
    let mut grid = Grid::new(if repeated { COLUMNS_REPEATED } else { COLUMNS }, LINES_MAX);
    for probe in run.probes {
        let latency = slowest(probe).map(human).unwrap_or_default();
        let protocol = probe.protocol.as_ref().map(|used| spoken(used, look)).unwrap_or_default();
        let mut row = vec![
            Cell::inked(&probe.name, Ink::Strong),
            Cell::new(&probe.target),
            Cell::inked(probe.status.name(), Ink::of(probe.status)),
            Cell::new(&latency),
            Cell::inked(&protocol, Ink::Dim),
            Cell::new(&detail(probe, look)),
        ];
        if repeated {
            row.insert(5, Cell::new(&probe.repetition.unwrap_or(1).to_string()));
        }
        grid.row(row);
    }
    grid.render(look)
}

/// What is not as it should be: of each probe the failed steps with what was expected and what came, then the
/// findings. Empty when all is well.
#[must_use]
pub fn details(run: &Run<'_>, look: &Look) -> String {
    let mut text = String::new();
    let mut part = |told: &str| {
        if !text.is_empty() {
            text.push('\n');
        }
        text.push_str(told);
    };
    for probe in run.probes.iter().filter(|probe| probe.was_run() && probe.status != Status::Healthy) {
        part(&story(probe, look));
    }
    for (message, probes) in not_run(run) {
        part(&story_of_many(message, &probes, look));
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

/// What was not run, by the sentence that says why.
fn not_run<'a>(run: &Run<'a>) -> Vec<(&'a str, Vec<&'a ProbeOutcome>)> {
    let mut groups: Vec<(&str, Vec<&ProbeOutcome>)> = Vec::new();
    for probe in run.probes.iter().filter(|probe| !probe.was_run()) {
        let message = probe.cause.as_ref().map_or("", |cause| cause.message.as_str());
        match groups.iter_mut().find(|(have, _)| *have == message) {
            Some((_, probes)) => probes.push(probe),
            None => groups.push((message, vec![probe])),
        }
    }
    groups
}

/// How often everything was run; 0 where that was not asked for.
fn repetitions(run: &Run<'_>) -> u32 {
    run.probes.iter().filter_map(|probe| probe.repetition).max().unwrap_or(0)
}

/// `4 probes: 3 healthy, 1 failed in 312 ms`; what was not the same in every repetition stands below it.
#[must_use]
pub fn summary(run: &Run<'_>, look: &Look) -> String {
    let words: Vec<String> = [Status::Healthy, Status::Degraded, Status::Failed, Status::Unknown, Status::Skipped]
        .into_iter()
        .filter_map(|status| {
            let n = run.probes.iter().filter(|probe| probe.status == status).count();
            (n > 0).then(|| look.paint(Ink::of(status), &format!("{n} {}", status.name())))
        })
        .collect();
    let not_run = run.probes.iter().filter(|probe| !probe.was_run()).count();
    let aside = if not_run > 0 { format!(" ({not_run} not run)") } else { String::new() };
    let repetitions = repetitions(run);
    let total = if repetitions > 0 { count(run.probes.len(), "run") } else { count(run.probes.len(), "probe") };
    format!("{total}: {}{aside} in {}\n", words.join(", "), human(run.duration)) + &unsteady(run, look)
}

/// The probes that did not come out the same in every repetition.
fn unsteady(run: &Run<'_>, look: &Look) -> String {
    let mut pairs: BTreeMap<(&str, &str), Vec<Status>> = BTreeMap::new();
    for probe in run.probes.iter().filter(|probe| probe.repetition.is_some() && probe.was_run()) {
        pairs.entry((&probe.name, &probe.target)).or_default().push(probe.status);
    }
    let mut text = String::new();
    for ((name, target), statuses) in pairs {
        if statuses.iter().all(|status| *status == statuses[0]) {
            continue;
        }
        let words: Vec<String> = [Status::Healthy, Status::Degraded, Status::Failed, Status::Unknown]
            .into_iter()
            .filter_map(|status| {
                let n = statuses.iter().filter(|have| **have == status).count();
                (n > 0).then(|| look.paint(Ink::of(status), &format!("{n} {}", status.name())))
            })
            .collect();
        let name = format!("{} on {}", sanitize::one_line(name, 80), sanitize::one_line(target, 80));
        text.push_str(&format!("not the same every time: {name}, {} of {}\n", words.join(", "), statuses.len()));
    }
    text
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

fn detail(probe: &ProbeOutcome, look: &Look) -> String {
    if !probe.was_run() && look.is_terminal() {
        return "not run".to_owned();
    }
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

/// The same story of several probes, told once.
fn story_of_many(message: &str, probes: &[&ProbeOutcome], look: &Look) -> String {
    if let [only] = probes {
        return story(only, look);
    }
    let mut names: Vec<String> = probes.iter().take(NAMES_MAX).map(|probe| called(probe)).collect();
    if probes.len() > NAMES_MAX {
        names.push(format!("{} more", probes.len() - NAMES_MAX));
    }
    let status = look.paint(Ink::of(Status::Unknown), Status::Unknown.name());
    let reason =
        look.paint(Ink::Dim, &probes[0].cause.as_ref().map_or_else(String::new, |c| format!(" ({})", c.reason)));
    let number = look.paint(Ink::Strong, &count(probes.len(), "probe"));
    format!("{status} {number}{reason}\n{}{}", paragraph(message, "  ", look), paragraph(&names.join(", "), "  ", look))
}

/// `smoke on weather`, with the number of the repetition where there is one.
fn called(probe: &ProbeOutcome) -> String {
    let name = format!("{} on {}", sanitize::one_line(&probe.name, 80), sanitize::one_line(&probe.target, 80));
    match probe.repetition {
        Some(repetition) => format!("{name}, run {repetition}"),
        None => name,
    }
}

fn story(probe: &ProbeOutcome, look: &Look) -> String {
    let name = called(probe);
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
    let unhappy: Vec<&CheckOutcome> = step
        .checks
        .iter()
        .filter(|check| matches!(check.status, CheckStatus::Failed | CheckStatus::Warned | CheckStatus::Blocked))
        .collect();
    // A check that the file states has a place of its own.
    if let Some(place) = step.place.as_ref().filter(|_| unhappy.iter().all(|check| check.place.is_none())) {
        head.push_str(&look.paint(Ink::Dim, &format!("  [{}]", sanitize::one_line(place, 300))));
    }
    let mut text = head + "\n";
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
    use crate::event::{Cause, Reason};

    fn run(probes: &[ProbeOutcome]) -> Run<'_> {
        Run::new("2026-01-15T09:32:45.120Z".parse().unwrap(), Duration::from_millis(312), probes)
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

    fn skipped(name: &str, message: &str) -> ProbeOutcome {
        let cause = Cause::new(Reason::Cancelled, message);
        ProbeOutcome::not_run(name, "weather", &BTreeMap::new(), cause)
    }

    #[test]
    fn what_was_not_run_is_told_once_and_counted() {
        let names: Vec<String> = (0..10).map(|n| format!("p{n}")).collect();
        let mut probes: Vec<ProbeOutcome> = names.iter().map(|name| skipped(name, "not run: why")).collect();
        probes.push(skipped("other", "nobody agreed"));
        let text = details(&run(&probes), &Look::PLAIN);
        assert!(text.starts_with("unknown 10 probes (cancelled)\n  not run: why\n  p0 on weather, p1 on weather"));
        assert!(
            text.contains("p7 on weather, 2 more\n\nunknown other on weather (cancelled)\n  nobody agreed\n"),
            "{text}"
        );
        assert_eq!(summary(&run(&probes), &Look::PLAIN), "11 probes: 11 unknown (11 not run) in 312 ms\n");
    }

    #[test]
    fn repetitions_have_a_column_and_what_wavers_is_named() {
        let mut probes = [healthy(), failed(), healthy(), healthy()];
        for (at, probe) in probes.iter_mut().enumerate() {
            probe.repetition = Some(u32::try_from(at / 2 + 1).unwrap());
        }
        probes[3].name = "smoke".into();
        probes[3].target = "weather".into();
        let run = run(&probes);
        let text = rows(&run, &Look::PLAIN);
        let cells: Vec<&str> = text.lines().nth(2).unwrap().split('\t').collect();
        assert_eq!((cells[0], cells[5], cells[6]), ("alive", "2", "1 step"));
        assert!(rows(&run, &Look { width: Some(100), colour: false }).contains("RUN  DETAIL"));
        assert!(details(&run, &Look::PLAIN).starts_with("failed smoke on weather, run 1 (check)\n"));
        assert_eq!(
            summary(&run, &Look::PLAIN),
            "4 runs: 3 healthy, 1 failed in 312 ms\nnot the same every time: smoke on weather, 1 healthy, 1 failed of 2\n"
        );
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

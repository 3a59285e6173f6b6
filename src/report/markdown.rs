//! Markdown as GitHub and GitLab read it: a table of the probes, then what went wrong. Every text of a server or a file
//! stands in code, where nothing is a link, a mention, HTML or the end of a table.

use std::fmt::Write as _;

use super::case::{self, Case, Verdict, cases};
use super::format::Run;
use super::{Look, table};
use crate::base::duration::human;
use crate::base::sanitize;
use crate::event::{CheckOutcome, Finding, ProbeOutcome, Reason, Status};

/// Characters of a text in a cell.
const CELL_CHARS_MAX: usize = 160;
/// Characters of a text elsewhere.
const TEXT_CHARS_MAX: usize = 1_000;
/// Characters of what a server calls itself.
const NAME_CHARS_MAX: usize = 80;
/// Kept for the sentence that says what was left out.
const RESERVED_BYTES: usize = 120;

/// The whole text.
#[must_use]
pub fn text(run: &Run<'_>) -> String {
    within(run, usize::MAX)
}

/// As much of it as fits into so many bytes, with a sentence about what does not.
#[must_use]
pub fn within(run: &Run<'_>, bytes_max: usize) -> String {
    let mut text = heading(run);
    let mut left = 0_usize;
    let mut put = |part: String| {
        if left > 0 || text.len() + part.len() + RESERVED_BYTES > bytes_max {
            left += 1;
        } else {
            text.push_str(&part);
        }
    };
    for probe in run.probes {
        put(row(probe));
    }
    for probe in run.probes.iter().filter(|probe| probe.status != Status::Healthy) {
        put(story(run, probe));
    }
    for part in findings(run) {
        put(part);
    }
    if left > 0 {
        let _ =
            write!(text, "\nThe report is longer than this place allows: {} left out.\n", super::count(left, "part"));
    }
    if text.len() > bytes_max { String::new() } else { text }
}

/// `2 probes: 1 healthy, 1 failed in 312 ms`.
#[must_use]
pub fn verdict(run: &Run<'_>) -> String {
    table::summary(run, &Look::PLAIN).lines().next().unwrap_or_default().to_owned()
}

fn heading(run: &Run<'_>) -> String {
    let worst = run.probes.iter().map(|probe| probe.status).max().unwrap_or(Status::Unknown);
    let interrupted = if run.interrupted { "\nThe run was interrupted.\n" } else { "" };
    let table = if run.probes.is_empty() {
        ""
    } else {
        "\n|  | Probe | Target | Status | Latency | Protocol | Detail |\n| --- | --- | --- | --- | ---: | --- | --- |\n"
    };
    format!("## {} {}\n{interrupted}{table}", mark(worst), verdict(run))
}

fn mark(status: Status) -> &'static str {
    match status {
        Status::Healthy | Status::Skipped => "✅",
        Status::Degraded => "⚠️",
        Status::Failed => "❌",
        Status::Unknown => "❔",
    }
}

fn row(probe: &ProbeOutcome) -> String {
    let latency = probe.steps.iter().filter_map(|step| step.latency).max().map(human).unwrap_or_default();
    let spoken = probe
        .protocol
        .as_ref()
        .map_or_else(String::new, |used| format!("{} {}", cell(&used.version, CELL_CHARS_MAX), used.transport.name()));
    let detail = probe.cause.as_ref().filter(|_| probe.status != Status::Healthy).map_or_else(String::new, |cause| {
        let line = cause.message.lines().find(|line| !line.trim().is_empty()).unwrap_or_default();
        format!("{}: {}", cause.reason, cell(line, CELL_CHARS_MAX))
    });
    let name = match probe.repetition {
        Some(repetition) => format!("{} run {repetition}", cell(&probe.name, CELL_CHARS_MAX)),
        None => cell(&probe.name, CELL_CHARS_MAX),
    };
    let target = cell(&probe.target, CELL_CHARS_MAX);
    let status = probe.status.name();
    format!("| {} | {name} | {target} | {status} | {latency} | {spoken} | {detail} |\n", mark(probe.status))
}

fn story(run: &Run<'_>, probe: &ProbeOutcome) -> String {
    let repetition = probe.repetition.map_or_else(String::new, |repetition| format!(", run {repetition}"));
    let mut text =
        format!("\n### {} {} on {}{repetition}\n\n", mark(probe.status), code(&probe.name), code(&probe.target));
    if let Some(server) = &probe.server {
        let short = |text: &str| code(&sanitize::one_line(&sanitize::cut(text, TEXT_CHARS_MAX), NAME_CHARS_MAX));
        let _ = writeln!(text, "- server {} {}", short(&server.name), short(&server.version));
    }
    for case in cases(probe, run.degraded_fails) {
        text.push_str(&of_case(&case));
    }
    text
}

fn of_case(case: &Case<'_>) -> String {
    let word = match (case.verdict, case.reason) {
        (Verdict::Passed, _) => return String::new(),
        (Verdict::Skipped, None) => return format!("- {}: not run\n", code(case.name)),
        (Verdict::Skipped, Some(_)) => "could not tell",
        (_, reason) => reason.map_or("", Reason::code),
    };
    let took = case.took.map_or_else(String::new, |took| format!(", in {}", human(took)));
    let place = case.place.map_or_else(String::new, |place| format!(", {}", code(place)));
    let mut text = format!("- {}: {word}{took}{place}\n", code(case.name));
    if let Some(message) = case.own_message() {
        let _ = writeln!(text, "\n{}\n", block(message, "  "));
    }
    text + &case.unmet().into_iter().map(of_check).collect::<String>()
}

fn of_check(check: &CheckOutcome) -> String {
    let at = check.path.as_ref().map_or_else(String::new, |path| format!(" at {}", code(path)));
    format!(
        "  - **{}** {}{at}\n    - expected: {}\n    - actual: {}\n",
        check.kind,
        check.status.name(),
        code(&check.expected),
        code(&check.actual)
    )
}

/// What was noticed, once for each target.
fn findings(run: &Run<'_>) -> Vec<String> {
    let mut told: Vec<(&str, &Finding)> = Vec::new();
    for probe in run.probes {
        for finding in &probe.findings {
            if !told.contains(&(probe.target.as_str(), finding)) {
                told.push((&probe.target, finding));
            }
        }
    }
    let line = |(at, (target, finding)): (usize, &(&str, &Finding))| {
        let heading = if at == 0 { "\n### Findings\n\n" } else { "" };
        format!(
            "{heading}- {} {}: **{}** expected {}, got {}\n",
            code(target),
            finding.severity.name(),
            finding.id,
            code(&finding.expected),
            code(&finding.actual)
        )
    };
    told.iter().enumerate().map(line).collect()
}

/// A text as code, on one line. Its fence is longer than any run of backticks in it.
fn code(text: &str) -> String {
    let safe = sanitize::one_line(&sanitize::cut(text, TEXT_CHARS_MAX), TEXT_CHARS_MAX);
    if safe.is_empty() {
        return "(nothing)".to_owned();
    }
    let fence = "`".repeat(longest_run(&safe) + 1);
    if safe.contains('`') { format!("{fence} {safe} {fence}") } else { format!("{fence}{safe}{fence}") }
}

/// The same in a table, whose cells end at a bar even within code.
fn cell(text: &str, chars_max: usize) -> String {
    code(&sanitize::one_line(&sanitize::cut(text, TEXT_CHARS_MAX), chars_max).replace('|', "\\u{7c}"))
}

/// A text of several lines as a block of code, below an item of a list.
fn block(text: &str, indent: &str) -> String {
    let safe = case::safe(text.trim(), case::TEXT_CHARS_MAX);
    let fence = "`".repeat(longest_run(&safe).max(2) + 1);
    super::indented(&format!("{fence}text\n{safe}\n{fence}"), indent)
}

fn longest_run(text: &str) -> usize {
    text.split(|c| c != '`').map(str::len).max().unwrap_or(0)
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;
    use crate::report::json::samples::{failed, healthy, hostile};

    fn run(probes: &[ProbeOutcome]) -> Run<'_> {
        Run::new("2026-01-15T09:32:45Z".parse().unwrap(), Duration::from_millis(312), probes)
    }

    #[test]
    fn a_table_and_what_went_wrong() {
        assert_eq!(
            text(&run(&[healthy(), failed()])),
            "## ❌ 2 probes: 1 healthy, 1 failed in 312 ms\n\n\
             |  | Probe | Target | Status | Latency | Protocol | Detail |\n| --- | --- | --- | --- | ---: | --- | --- |\n\
             | ✅ | `alive` | `files` | healthy | 1.1 ms | `2026-07-28` stdio |  |\n\
             | ❌ | `smoke` | `weather` | failed | 4.2 ms | `2025-11-25` streamable-http | check: `tools: expected to include \
             \"forecast\", got 1 tool: \"echo\"` |\n\n\
             ### ❌ `smoke` on `weather`\n\n- server `weather-mcp` `1.2.0`\n- `tools/list`: check, in 4.2 ms, \
             `mcp-probe.toml:12:1`\n  - **tools** failed at `$.tools`\n    - expected: `to include \"forecast\"`\n    - actual: `1 \
             tool: \"echo\"`\n\n### Findings\n\n- `weather` warning: **stdio.stdout_clean** expected `only messages`, got `2 \
             lines of log`\n"
        );
    }

    #[test]
    fn a_text_stays_code() {
        assert_eq!(code("a`b``c"), "``` a`b``c ```");
        assert_eq!(code(" \n "), "(nothing)");
        assert_eq!(cell("a|b\\|c", 80), "`a\\u{7c}b\\\\u{7c}c`");
        assert_eq!(block("a\n````\nb", "  "), "  `````text\n  a\n  ````\n  b\n  `````");
        let text = text(&run(&[hostile()]));
        for row in text.lines().filter(|line| line.starts_with("| ")) {
            assert_eq!(row.matches('|').count(), 8, "{row}");
        }
    }

    #[test]
    fn what_does_not_fit_is_said() {
        let probes: Vec<ProbeOutcome> = std::iter::repeat_with(failed).take(100).collect();
        let text = within(&run(&probes), 10_000);
        assert!(text.len() <= 10_000 && text.len() > 9_000, "{}", text.len());
        assert!(text.ends_with("parts left out.\n"), "{text}");
        assert_eq!(within(&run(&probes), 10), "");
    }
}

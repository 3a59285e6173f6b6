//! A line for Nagios and its kin (monitoring-plugins' guidelines): status, text, performance data; what is not well below
//! it. The word of the status is the one that `--exit-style nagios` has as a number.

use std::collections::BTreeSet;
use std::time::Duration;

use super::case;
use super::format::Run;
use crate::base::duration::human;
use crate::base::sanitize;
use crate::event::{ProbeOutcome, Reason, Status};

/// Bytes of the whole output: Nagios 4 reads 8 KiB.
const BYTES_MAX: usize = 8_000;
/// Characters of the text of the first line.
const TEXT_CHARS_MAX: usize = 200;
/// Characters of a line below it.
const LINE_CHARS_MAX: usize = 400;
/// Probes with performance data of their own.
const PROBES_MAX: usize = 40;
/// Characters of a label, so that many of them fit.
const LABEL_CHARS_MAX: usize = 60;

/// The line about what the exit code counts beside the probes; what it was stands on stderr.
const UNDELIVERED: &str = "[warning] a push or a report that was required could not be delivered\n";

/// The text.
#[must_use]
pub fn text(run: &Run<'_>) -> String {
    let first = format!("MCP {} - {} | {}\n", word(run), headline(run), performance(run));
    let mut text = first;
    if run.undelivered {
        text.push_str(UNDELIVERED);
    }
    let mut left = 0_usize;
    for probe in run.probes.iter().filter(|probe| probe.status != Status::Healthy) {
        let line = format!("{}\n", unwell(probe));
        if text.len() + line.len() + 40 > BYTES_MAX {
            left += 1;
        } else {
            text.push_str(&line);
        }
    }
    if left > 0 {
        text.push_str(&format!("and {left} more\n"));
    }
    text
}

/// As `--exit-style nagios` counts: a bug outranks all, then what failed, then what nobody can tell, then what could not be delivered.
fn word(run: &Run<'_>) -> &'static str {
    let any = |which: &dyn Fn(&ProbeOutcome) -> bool| run.probes.iter().any(which);
    let failed = |probe: &ProbeOutcome| {
        probe.status == Status::Failed || (run.degraded_fails && probe.status == Status::Degraded)
    };
    let is_bug = |probe: &ProbeOutcome| {
        (failed(probe) || probe.status == Status::Unknown)
            && probe.cause.as_ref().is_some_and(|cause| cause.reason == Reason::Internal)
    };
    match () {
        () if run.probes.is_empty() || any(&is_bug) => "UNKNOWN",
        () if any(&failed) => "CRITICAL",
        () if any(&|probe| probe.status == Status::Unknown) => "UNKNOWN",
        () if run.undelivered || any(&|probe| probe.status == Status::Degraded) => "WARNING",
        () => "OK",
    }
}

fn headline(run: &Run<'_>) -> String {
    let unwell: Vec<&ProbeOutcome> = run.probes.iter().filter(|probe| probe.status != Status::Healthy).collect();
    let text = match (run.probes, unwell.as_slice()) {
        ([], _) => "no probe".to_owned(),
        ([only], []) => {
            let tools = only.observed.tools.as_ref().map(|seen| super::count(seen.tools.len(), "tool") + ", ");
            format!("{}: {}{}", case::title(only), tools.unwrap_or_default(), human(only.duration))
        }
        (all, []) => format!("{} healthy in {}", super::count(all.len(), "probe"), human(run.duration)),
        ([_], [only]) => unwell_text(only),
        (all, unwell) => {
            let names: Vec<String> = unwell.iter().map(|probe| short(probe)).collect();
            format!("{} of {} probes not healthy: {}", unwell.len(), all.len(), names.join(", "))
        }
    };
    plain(&text, TEXT_CHARS_MAX)
}

/// `smoke on weather (check)`.
fn short(probe: &ProbeOutcome) -> String {
    let reason = probe.cause.as_ref().map_or(probe.status.name(), |cause| cause.reason.code());
    format!("{} ({reason})", case::title(probe))
}

fn unwell_text(probe: &ProbeOutcome) -> String {
    let message = probe
        .cause
        .as_ref()
        .map_or_else(String::new, |cause| format!(": {}", sanitize::cut(&cause.message, LINE_CHARS_MAX)));
    format!("{}{message}", short(probe))
}

fn unwell(probe: &ProbeOutcome) -> String {
    plain(&format!("[{}] {}", probe.status.name(), unwell_text(probe)), LINE_CHARS_MAX)
}

/// On one line, without the character that begins performance data.
fn plain(text: &str, chars_max: usize) -> String {
    sanitize::one_line(text, chars_max).replace('|', "¦")
}

/// `'time'=0.0101s;;;0 'tools'=8;;;0` of one probe; of several the counts, and the time of each.
fn performance(run: &Run<'_>) -> String {
    if let [only] = run.probes {
        let mut data = vec![time("time", only.duration)];
        data.extend(only.steps.iter().filter_map(|step| step.latency).max().map(|slowest| time("latency", slowest)));
        data.extend(only.observed.tools.as_ref().map(|seen| format!("'tools'={};;;0", seen.tools.len())));
        return data.join(" ");
    }
    let total = run.probes.len();
    let counts = [Status::Healthy, Status::Degraded, Status::Failed, Status::Unknown].map(|status| {
        let count = run.probes.iter().filter(|probe| probe.status == status).count();
        format!("'{}'={count};;;0;{total}", status.name())
    });
    let mut data = counts.to_vec();
    data.push(time("time", run.duration));
    let mut taken = BTreeSet::new();
    for probe in run.probes.iter().filter(|probe| probe.was_run()).take(PROBES_MAX) {
        let label = label(probe);
        if taken.insert(label.clone()) {
            data.push(time(&label, probe.duration));
        }
    }
    data.join(" ")
}

fn time(label: &str, took: Duration) -> String {
    format!("'{label}'={:.6}s;;;0", took.as_secs_f64())
}

/// A label has neither quotes nor equals signs.
fn label(probe: &ProbeOutcome) -> String {
    let repetition = probe.repetition.map_or_else(String::new, |number| format!("#{number}"));
    let name = format!("{}@{}{repetition}", probe.name, probe.target);
    plain(&name, LABEL_CHARS_MAX).replace(['\'', '=', '¦'], "_")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::event::Cause;
    use crate::report::json::samples::{failed, healthy, hostile};

    fn told(probes: &[ProbeOutcome]) -> String {
        text(&Run::new("2026-01-15T09:32:45Z".parse().unwrap(), Duration::from_millis(312), probes))
    }

    #[test]
    fn one_probe_has_its_figures_and_several_are_counted() {
        assert_eq!(
            told(&[healthy()]),
            "MCP OK - alive on files: 3.1 ms | 'time'=0.003100s;;;0 'latency'=0.001100s;;;0\n"
        );
        assert_eq!(
            told(&[healthy(), failed()]),
            "MCP CRITICAL - 1 of 2 probes not healthy: smoke on weather (check) | 'healthy'=1;;;0;2 'degraded'=0;;;0;2 \
             'failed'=1;;;0;2 'unknown'=0;;;0;2 'time'=0.312000s;;;0 'alive@files'=0.003100s;;;0 \
             'smoke@weather'=0.010100s;;;0\n[failed] smoke on weather (check): tools: expected to include \"forecast\", \
             got 1 tool: \"echo\"\n"
        );
    }

    #[test]
    fn the_word_is_that_of_the_exit_code() {
        let status = |status, reason| {
            let mut probe = healthy();
            (probe.status, probe.cause) = (status, Some(Cause::new(reason, "why")));
            probe
        };
        let degraded = status(Status::Degraded, Reason::Flaky);
        let unknown = status(Status::Unknown, Reason::Cancelled);
        let word = |probes: &[ProbeOutcome]| told(probes).split(' ').nth(1).unwrap().to_owned();
        assert_eq!(word(&[healthy(), degraded.clone()]), "WARNING");
        assert_eq!(word(&[degraded.clone(), unknown.clone()]), "UNKNOWN");
        assert_eq!(word(&[unknown, failed()]), "CRITICAL");
        assert_eq!(word(&[failed(), status(Status::Failed, Reason::Internal)]), "UNKNOWN");
        assert_eq!(word(&[]), "UNKNOWN");
        let strict = Run {
            degraded_fails: true,
            ..Run::new("2026-01-15T09:32:45Z".parse().unwrap(), Duration::ZERO, std::slice::from_ref(&degraded))
        };
        assert!(text(&strict).starts_with("MCP CRITICAL"));
        for (probe, word) in [(healthy(), "WARNING"), (failed(), "CRITICAL")] {
            let probes = [probe];
            let run = Run::new("2026-01-15T09:32:45Z".parse().unwrap(), Duration::ZERO, &probes);
            let text = text(&Run { undelivered: true, ..run });
            assert!(text.starts_with(&format!("MCP {word} - ")) && text.contains(UNDELIVERED), "{text}");
        }
    }

    #[test]
    fn a_server_adds_no_performance_data_and_no_lines() {
        let probes: Vec<ProbeOutcome> = std::iter::repeat_with(hostile).take(30).collect();
        for probes in [&probes[..1], &probes[..]] {
            let text = told(probes);
            assert!(text.len() <= BYTES_MAX, "{}", text.len());
            assert_eq!(text.matches('|').count(), 1, "{text}");
            let (_, data) = text.lines().next().unwrap().split_once(" | ").unwrap();
            for item in data.split("' ").flat_map(|part| part.split(" '")) {
                assert!(item.matches('=').count() <= 1, "{data}");
            }
            for line in text.lines().skip(1) {
                assert!(line.starts_with("[failed] ") || line.starts_with("and "), "{line}");
            }
        }
    }
}

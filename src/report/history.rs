//! What was seen of targets: one line a target, or the troubles and alerts of one of them, for a person and for a pipe;
//! `mcp-probe/history/1` for programs.

use std::time::Duration;

use jiff::Timestamp;
use schemars::JsonSchema;
use serde::Serialize;
use serde_json::Value;

use super::grid::{Cell, Column, Fit, Grid};
use super::{Ink, Look, indented, schema, wrap};
use crate::base::duration::{human, millis};
use crate::base::sanitize;
use crate::event::{Sample, Status};
use crate::store::{AlertEntry, Bar, Failure, Latencies, Uptime};

/// The schema id.
pub const SCHEMA: &str = "mcp-probe/history/1";

/// Lines that a row of a table may take on a terminal.
const LINES_MAX: usize = 3;

/// A window of the history.
#[derive(Clone, Debug)]
pub struct History {
    /// Where it begins.
    pub since: Timestamp,
    /// Where it ends: now.
    pub until: Timestamp,
    /// What was seen of each target.
    pub targets: Vec<TargetSeen>,
    /// Where one target was named: its single runs and alerts.
    pub single: Option<Single>,
}

/// What was seen of one target.
#[derive(Clone, Debug)]
pub struct TargetSeen {
    /// Its name.
    pub target: String,
    /// The probe, where single probes were asked for.
    pub probe: Option<String>,
    /// The probes that were looked at.
    pub probes: Vec<String>,
    /// For how long it was what.
    pub uptime: Uptime,
    /// Percentiles of its steps.
    pub latencies: Option<Latencies>,
    /// How the runs of equal stretches ended.
    pub bars: Vec<Bar>,
    /// The last run that failed.
    pub last_failure: Option<Sample>,
}

/// Single runs and alerts, newest first.
#[derive(Clone, Debug, Default)]
pub struct Single {
    /// The runs.
    pub runs: Vec<Failure>,
    /// The changes of alerts.
    pub alerts: Vec<AlertEntry>,
    /// Whether the transcripts are to be shown, too.
    pub verbose: bool,
}

/// What the prober has seen of its targets.
#[derive(JsonSchema, Serialize)]
pub(super) struct Document<'a> {
    /// The id of this document.
    #[schemars(schema_with = "schema::history_id")]
    schema: &'static str,
    /// Where the window begins.
    #[schemars(schema_with = "schema::timestamp")]
    since: String,
    /// Where it ends.
    #[schemars(schema_with = "schema::timestamp")]
    until: String,
    /// Every target that was asked for.
    targets: Vec<TargetTold<'a>>,
    /// Single runs, newest first, where one target was named.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(with = "Vec<RunTold<'a>>")]
    runs: Option<Vec<RunTold<'a>>>,
    /// Changes of alerts, newest first, where one target was named.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(with = "Vec<AlertTold<'a>>")]
    alerts: Option<Vec<AlertTold<'a>>>,
}

/// What was seen of one target.
#[derive(JsonSchema, Serialize)]
struct TargetTold<'a> {
    /// Its name.
    target: &'a str,
    /// Its probes.
    probes: &'a [String],
    /// For how long it was what.
    uptime: UptimeTold,
    /// How the runs ended.
    summary: BarTold,
    /// Latencies of all steps; a time-out counts as its limit.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(with = "LatenciesTold")]
    latency_ms: Option<LatenciesTold>,
    /// How the runs of equal stretches of the window ended.
    bars: Vec<BarTold>,
    /// The last run that failed.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(with = "RunTold<'a>")]
    last_failure: Option<RunTold<'a>>,
}

/// Seconds by status. They add up to the window.
#[derive(JsonSchema, Serialize)]
pub(super) struct UptimeTold {
    /// Everything as expected.
    up_seconds: f64,
    /// It worked, but not as it should.
    degraded_seconds: f64,
    /// It failed.
    down_seconds: f64,
    /// It was probed, and nobody could tell.
    unknown_seconds: f64,
    /// It was not probed.
    not_probed_seconds: f64,
    /// Up and degraded over all that is known, 0 to 1; absent where nothing is known.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(with = "f64")]
    availability: Option<f64>,
    /// How often it went down.
    incidents: u64,
}

impl UptimeTold {
    pub(super) fn of(uptime: &Uptime) -> Self {
        Self {
            up_seconds: seconds(uptime.up),
            degraded_seconds: seconds(uptime.degraded),
            down_seconds: seconds(uptime.down),
            unknown_seconds: seconds(uptime.unknown),
            not_probed_seconds: seconds(uptime.gap),
            availability: uptime.share(),
            incidents: uptime.outages,
        }
    }
}

/// Seconds to the millisecond.
pub(super) fn seconds(duration: Duration) -> f64 {
    (duration.as_secs_f64() * 1e3).round() / 1e3
}

/// Percentiles in milliseconds.
#[derive(JsonSchema, Serialize)]
pub(super) struct LatenciesTold {
    count: u64,
    p50: f64,
    p90: f64,
    p95: f64,
    p99: f64,
    max: f64,
}

impl LatenciesTold {
    pub(super) fn of(latencies: &Latencies) -> Self {
        Self {
            count: latencies.count,
            p50: millis(latencies.p50),
            p90: millis(latencies.p90),
            p95: millis(latencies.p95),
            p99: millis(latencies.p99),
            max: millis(latencies.max),
        }
    }
}

/// How runs ended.
#[derive(JsonSchema, Serialize)]
struct BarTold {
    /// Where the stretch begins.
    #[schemars(schema_with = "schema::timestamp")]
    at: String,
    healthy: u64,
    degraded: u64,
    failed: u64,
    unknown: u64,
    /// Points of the timetable that passed without a run.
    missed: u64,
}

impl BarTold {
    fn of(bar: &Bar) -> Self {
        let Bar { at, healthy, degraded, failed, unknown, missed } = *bar;
        Self { at: at.to_string(), healthy, degraded, failed, unknown, missed }
    }
}

/// One run.
#[derive(JsonSchema, Serialize)]
struct RunTold<'a> {
    /// When it was due.
    #[schemars(schema_with = "schema::timestamp")]
    at: String,
    /// The probe.
    probe: &'a str,
    /// How it ended.
    #[schemars(schema_with = "schema::status")]
    status: &'static str,
    /// Why, where it is not healthy.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(schema_with = "schema::reason")]
    reason: Option<&'static str>,
    /// One sentence.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(with = "String")]
    message: Option<String>,
    /// All attempts together.
    duration_ms: f64,
    /// What was said both ways, as in the wire log, where that was kept.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    #[schemars(with = "Vec<Value>")]
    transcript: Vec<Value>,
}

impl<'a> RunTold<'a> {
    fn of(run: &'a Sample, transcript: Option<&str>) -> Self {
        let line = |line: &str| serde_json::from_str(line).unwrap_or_else(|_| Value::from(line));
        Self {
            at: run.at.to_string(),
            probe: &run.probe,
            status: run.status.name(),
            reason: run.reason.map(crate::event::Reason::code),
            message: run.message.as_deref().map(|message| sanitize::printable(message).into_owned()),
            duration_ms: millis(run.duration),
            transcript: transcript.unwrap_or_default().lines().map(line).collect(),
        }
    }
}

/// What became of an alert.
#[derive(JsonSchema, Serialize)]
struct AlertTold<'a> {
    /// When.
    #[schemars(schema_with = "schema::timestamp")]
    at: String,
    /// The alert.
    alert: &'a str,
    /// Its probe.
    probe: &'a str,
    /// What it was from then on: `pending`, `firing`, `resolved`, …
    state: &'a str,
    /// Whether it was firing.
    firing: bool,
    /// One sentence.
    message: String,
}

/// The document for programs.
#[must_use]
pub fn document(history: &History) -> Value {
    let single = history.single.as_ref();
    let document = Document {
        schema: SCHEMA,
        since: history.since.to_string(),
        until: history.until.to_string(),
        targets: history.targets.iter().map(|seen| told(seen, history.since)).collect(),
        runs: single
            .map(|single| single.runs.iter().map(|run| RunTold::of(&run.sample, run.transcript.as_deref())).collect()),
        alerts: single.map(|single| {
            let told = |alert: &'_ AlertEntry| sanitize::printable(&alert.message).into_owned();
            let alerts = single.alerts.iter();
            alerts
                .map(|alert| AlertTold {
                    at: alert.at.to_string(),
                    alert: &alert.alert,
                    probe: &alert.probe,
                    state: &alert.state,
                    firing: alert.firing,
                    message: told(alert),
                })
                .collect()
        }),
    };
    serde_json::to_value(document).unwrap_or_default()
}

fn told(seen: &TargetSeen, since: Timestamp) -> TargetTold<'_> {
    TargetTold {
        target: &seen.target,
        probes: &seen.probes,
        uptime: UptimeTold::of(&seen.uptime),
        summary: BarTold::of(&Bar { at: since, ..total(&seen.bars) }),
        latency_ms: seen.latencies.as_ref().map(LatenciesTold::of),
        bars: seen.bars.iter().map(BarTold::of).collect(),
        last_failure: seen.last_failure.as_ref().map(|run| RunTold::of(run, None)),
    }
}

fn total(bars: &[Bar]) -> Bar {
    bars.iter().fold(Bar::default(), |mut sum, bar| {
        sum.healthy += bar.healthy;
        sum.degraded += bar.degraded;
        sum.failed += bar.failed;
        sum.unknown += bar.unknown;
        sum.missed += bar.missed;
        sum
    })
}

/// The text for a person or a pipe.
#[must_use]
pub fn text(history: &History, look: &Look) -> String {
    let Some(single) = &history.single else { return summary(history, look) };
    let rows = rows(single, look);
    if !look.is_terminal() {
        return rows + &stories(single, look);
    }
    let mut text = summary(history, look);
    for part in [rows, stories(single, look)] {
        if !part.is_empty() {
            text.push('\n');
            text.push_str(&part);
        }
    }
    if single.runs.is_empty() && single.alerts.is_empty() {
        text.push_str(&look.paint(Ink::Dim, "\nno failure and no alert in this time\n"));
    }
    text
}

/// One line a target.
fn summary(history: &History, look: &Look) -> String {
    let column = |head, fit| Column { head, fit };
    let mut grid = Grid::new(
        &[
            column("TARGET", Fit::Share(25)),
            column("PROBE", Fit::Share(15)),
            column("HISTORY", Fit::Whole),
            column("UPTIME", Fit::Number),
            column("P50", Fit::Number),
            column("P95", Fit::Number),
            column("RUNS", Fit::Number),
            column("LAST FAILURE", Fit::Rest),
        ],
        LINES_MAX,
    );
    for seen in &history.targets {
        let runs = total(&seen.bars);
        let latency = |which: fn(&Latencies) -> Duration| {
            seen.latencies.as_ref().map_or_else(String::new, |all| human(which(all)))
        };
        let failure = seen.last_failure.as_ref().map(|run| format!("{} {}", moment(run.at), reasoned(run)));
        let share = seen.uptime.share();
        let ink = match share {
            None => Ink::Warn,
            Some(share) if share < 0.99 => Ink::Bad,
            Some(_) => Ink::Good,
        };
        grid.row(vec![
            Cell::inked(&seen.target, Ink::Strong),
            Cell::new(seen.probe.as_deref().unwrap_or_default()),
            Cell::new(&drawn(&seen.bars)),
            Cell::inked(&share.map_or_else(|| "?".to_owned(), percent), ink),
            Cell::new(&latency(|all| all.p50)),
            Cell::new(&latency(|all| all.p95)),
            Cell::new(&(runs.healthy + runs.degraded + runs.failed + runs.unknown).to_string()),
            Cell::new(&failure.unwrap_or_default()),
        ]);
    }
    let mut text = grid.render(look);
    if look.is_terminal() && !text.is_empty() {
        let key = "█ healthy  ▓ degraded  × failed  ? unknown  · not probed";
        text.push_str(&look.paint(Ink::Dim, &format!("{key}; {} to now\n", moment(history.since))));
    }
    text
}

/// One character a stretch: the worst that happened in it.
fn drawn(bars: &[Bar]) -> String {
    let one = |bar: &Bar| match bar {
        Bar { failed: 1.., .. } => '×',
        Bar { degraded: 1.., .. } => '▓',
        Bar { healthy: 1.., .. } => '█',
        Bar { unknown: 1.., .. } => '?',
        _ => '·',
    };
    bars.iter().map(one).collect()
}

/// Runs and alerts by time, the newest at the end, where a person looks.
fn rows(single: &Single, look: &Look) -> String {
    let column = |head, fit| Column { head, fit };
    let mut grid = Grid::new(
        &[
            column("AT", Fit::Whole),
            column("PROBE", Fit::Share(20)),
            column("STATUS", Fit::Whole),
            column("TOOK", Fit::Number),
            column("DETAIL", Fit::Rest),
        ],
        LINES_MAX,
    );
    let at = |at: Timestamp| if look.is_terminal() { moment(at) } else { at.to_string() };
    let runs = single.runs.iter().map(|run| {
        let run = &run.sample;
        let cells = vec![
            Cell::inked(&at(run.at), Ink::Dim),
            Cell::new(&run.probe),
            Cell::inked(run.status.name(), Ink::of(run.status)),
            Cell::new(&human(run.duration)),
            Cell::new(&reasoned(run)),
        ];
        (run.at, cells)
    });
    let alerts = single.alerts.iter().map(|alert| {
        let cells = vec![
            Cell::inked(&at(alert.at), Ink::Dim),
            Cell::new(&alert.probe),
            Cell::inked(&alert.state, if alert.firing { Ink::Bad } else { Ink::Strong }),
            Cell::default(),
            Cell::new(&format!("alert {}: {}", alert.alert, alert.message)),
        ];
        (alert.at, cells)
    });
    let mut all: Vec<(Timestamp, Vec<Cell>)> = runs.chain(alerts).collect();
    all.sort_by_key(|(at, _)| *at);
    for (_, cells) in all {
        grid.row(cells);
    }
    grid.render(look)
}

/// What was said in the runs of which that was kept.
fn stories(single: &Single, look: &Look) -> String {
    let mut text = String::new();
    for run in single.runs.iter().rev().filter(|run| single.verbose && run.transcript.is_some()) {
        let name = format!("{} at {}", sanitize::one_line(&run.sample.probe, 80), run.sample.at);
        let status = look.paint(Ink::of(run.sample.status), run.sample.status.name());
        text.push_str(&format!(
            "{}{status} {}\n",
            if text.is_empty() { "" } else { "\n" },
            look.paint(Ink::Strong, &name)
        ));
        if let Some(message) = &run.sample.message {
            let safe = sanitize::printable(message.trim_end());
            let lines = look.prose_width().map(|width| wrap(&safe, width.saturating_sub(2)).join("\n"));
            text.push_str(&(indented(lines.as_deref().unwrap_or(&safe), "  ") + "\n"));
        }
        for line in run.transcript.as_deref().unwrap_or_default().lines() {
            text.push_str(&look.paint(Ink::Dim, &format!("  {}", sanitize::printable(line))));
            text.push('\n');
        }
    }
    text
}

fn reasoned(run: &Sample) -> String {
    let message = run.message.as_deref().unwrap_or_default();
    // Further lines are evidence, which -v shows.
    let first = message.lines().next().unwrap_or_default();
    match run.reason {
        Some(reason) if run.status != Status::Healthy => format!("{reason}: {first}"),
        _ => first.to_owned(),
    }
}

/// A wall time for a person, in UTC as everywhere: `01-15 09:32:45`.
pub(super) fn moment(at: Timestamp) -> String {
    at.strftime("%m-%d %H:%M:%S").to_string()
}

/// A share with as many digits as tell something: `100 %`, `99.95 %`, `99.998 %`. What is not all is never rounded to it.
pub(super) fn percent(share: f64) -> String {
    if share >= 1.0 {
        return "100 %".to_owned();
    }
    let digits = if share > 0.999 { 1e5 } else { 1e4 };
    let cut = (share * digits).floor() / digits * 100.0;
    if share > 0.999 { format!("{cut:.3} %") } else { format!("{cut:.2} %") }
}

/// A long time for a person: `3d 4h`, `12m 30s`, `8s`.
pub(super) fn long(duration: Duration) -> String {
    let all = duration.as_secs();
    let units = [(all / 86_400, "d"), (all / 3_600 % 24, "h"), (all / 60 % 60, "m"), (all % 60, "s")];
    let first = units.iter().position(|(count, _)| *count > 0).unwrap_or(3);
    let parts = units[first..].iter().take(2).enumerate().filter(|(place, (count, _))| *place == 0 || *count > 0);
    parts.map(|(_, (count, unit))| format!("{count}{unit}")).collect::<Vec<_>>().join(" ")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_not_all_is_not_rounded_to_it() {
        let told: Vec<String> = [1.0, 0.999_999, 0.999_5, 0.999, 0.5, 0.0].map(percent).into();
        assert_eq!(told, ["100 %", "99.999 %", "99.950 %", "99.90 %", "50.00 %", "0.00 %"]);
    }

    #[test]
    fn long_times_have_two_units() {
        let told: Vec<String> =
            [0, 8, 60, 750, 3_600, 90_000, 86_400 * 30 + 59].map(|seconds| long(Duration::from_secs(seconds))).into();
        assert_eq!(told, ["0s", "8s", "1m", "12m 30s", "1h", "1d 1h", "30d"]);
    }

    #[test]
    fn a_stretch_shows_its_worst() {
        let none = Bar::default();
        let bars = [
            Bar { healthy: 3, ..none },
            Bar { healthy: 3, degraded: 1, ..none },
            Bar { healthy: 3, failed: 1, ..none },
            Bar { unknown: 1, ..none },
            Bar { missed: 4, ..none },
        ];
        assert_eq!(drawn(&bars), "█▓×?·");
    }
}

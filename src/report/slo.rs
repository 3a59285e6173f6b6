//! An objective against what was seen: availability, the error budget that is left, how fast it burns; and whether
//! enough was seen to say so. `mcp-probe/slo/1` for programs.

use std::time::Duration;

use jiff::Timestamp;
use schemars::JsonSchema;
use serde::Serialize;
use serde_json::Value;

use super::grid::{Cell, Column, Fit, Grid};
use super::history::{LatenciesTold, UptimeTold, long, moment, percent, seconds};
use super::{Ink, Look, schema};
use crate::base::duration::human;
use crate::store::{Latencies, Uptime};

/// The schema id.
pub const SCHEMA: &str = "mcp-probe/slo/1";

/// Of a window so much must be known to say that an objective is met.
const KNOWN_MIN: f64 = 0.5;

/// What became of an objective.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// It is met.
    Met,
    /// It is missed.
    Missed,
    /// Too little is known of the window to tell.
    Unknown,
}

impl Verdict {
    /// Every verdict.
    pub const ALL: [Self; 3] = [Self::Met, Self::Missed, Self::Unknown];

    /// The word used in outputs.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Met => "met",
            Self::Missed => "missed",
            Self::Unknown => "unknown",
        }
    }
}

/// One objective of one target over one window.
#[derive(Clone, Debug)]
pub struct Kept {
    /// The target.
    pub target: String,
    /// The probe, where single probes were asked for.
    pub probe: Option<String>,
    /// For how long it was what.
    pub uptime: Uptime,
    /// Percentiles of its steps.
    pub latencies: Option<Latencies>,
}

/// Objectives over one window.
#[derive(Clone, Debug)]
pub struct Objectives {
    /// The share (0 to 1) of time in which it must work.
    pub objective: f64,
    /// Where the window begins.
    pub since: Timestamp,
    /// Where it ends.
    pub until: Timestamp,
    /// Each target.
    pub kept: Vec<Kept>,
}

impl Objectives {
    fn window(&self) -> Duration {
        Duration::try_from(self.until.duration_since(self.since)).unwrap_or_default()
    }

    /// What became of one. More down time than the whole window allows is missed whatever else was seen; otherwise half of
    /// the window must be known.
    #[must_use]
    pub fn verdict(&self, kept: &Kept) -> Verdict {
        let window = self.window().as_secs_f64();
        let allowed = window * (1.0 - self.objective);
        let known = kept.uptime.known().as_secs_f64() >= window * KNOWN_MIN;
        match kept.uptime.share() {
            // Half a microsecond is the rounding of the clock.
            _ if kept.uptime.down.as_secs_f64() > allowed + 5e-7 => Verdict::Missed,
            Some(share) if known && share + 1e-12 < self.objective => Verdict::Missed,
            Some(_) if known => Verdict::Met,
            _ => Verdict::Unknown,
        }
    }

    /// The down time that the objective allows in the time that is known.
    fn budget(&self, kept: &Kept) -> Duration {
        kept.uptime.known().mul_f64((1.0 - self.objective).clamp(0.0, 1.0))
    }

    /// How many budgets were used: 1 is all of it.
    fn burn(&self, kept: &Kept) -> Option<f64> {
        kept.uptime.share().map(|share| (1.0 - share) / (1.0 - self.objective))
    }
}

/// Objectives against what was seen.
#[derive(JsonSchema, Serialize)]
pub(super) struct Document<'a> {
    /// The id of this document.
    #[schemars(schema_with = "schema::slo_id")]
    schema: &'static str,
    /// The share of time in which a target must work, 0 to 1.
    objective: f64,
    /// Where the window begins.
    #[schemars(schema_with = "schema::timestamp")]
    since: String,
    /// Where it ends.
    #[schemars(schema_with = "schema::timestamp")]
    until: String,
    /// How many there are of each verdict.
    summary: Summary,
    /// Every target.
    targets: Vec<KeptTold<'a>>,
}

/// How many there are of each verdict.
#[derive(JsonSchema, Serialize)]
struct Summary {
    met: usize,
    missed: usize,
    unknown: usize,
}

/// One target, or one probe of it.
#[derive(JsonSchema, Serialize)]
struct KeptTold<'a> {
    /// The target.
    target: &'a str,
    /// The probe, where single probes were asked for.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(with = "&'a str")]
    probe: Option<&'a str>,
    /// Whether the objective is met.
    #[schemars(schema_with = "schema::verdict")]
    verdict: &'static str,
    /// For how long it was what.
    uptime: UptimeTold,
    /// Down time that the objective allows in the time that is known.
    budget_seconds: f64,
    /// What is left of it, 1 to 0, and below 0 where more was used; absent where nothing is known.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(with = "f64")]
    budget_left: Option<f64>,
    /// How many times faster than allowed the budget is used; absent where nothing is known.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(with = "f64")]
    burn_rate: Option<f64>,
    /// Latencies of all steps; a time-out counts as its limit.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(with = "LatenciesTold")]
    latency_ms: Option<LatenciesTold>,
}

/// The document for programs.
#[must_use]
pub fn document(all: &Objectives) -> Value {
    let count = |verdict: Verdict| all.kept.iter().filter(|kept| all.verdict(kept) == verdict).count();
    let rounded = |share: f64| (share * 1e6).round() / 1e6;
    let targets = all.kept.iter().map(|kept| KeptTold {
        target: &kept.target,
        probe: kept.probe.as_deref(),
        verdict: all.verdict(kept).name(),
        uptime: UptimeTold::of(&kept.uptime),
        budget_seconds: seconds(all.budget(kept)),
        budget_left: all.burn(kept).map(|burn| rounded(1.0 - burn)),
        burn_rate: all.burn(kept).map(rounded),
        latency_ms: kept.latencies.as_ref().map(LatenciesTold::of),
    });
    let document = Document {
        schema: SCHEMA,
        objective: all.objective,
        since: all.since.to_string(),
        until: all.until.to_string(),
        summary: Summary { met: count(Verdict::Met), missed: count(Verdict::Missed), unknown: count(Verdict::Unknown) },
        targets: targets.collect(),
    };
    serde_json::to_value(document).unwrap_or_default()
}

/// The rows for a person or a pipe.
#[must_use]
pub fn text(all: &Objectives, look: &Look) -> String {
    let column = |head, fit| Column { head, fit };
    let mut grid = Grid::new(
        &[
            column("TARGET", Fit::Share(30)),
            column("PROBE", Fit::Share(20)),
            column("SLO", Fit::Whole),
            column("UPTIME", Fit::Number),
            column("BUDGET LEFT", Fit::Number),
            column("BURN", Fit::Number),
            column("DOWN", Fit::Number),
            column("UNKNOWN", Fit::Number),
            column("NOT PROBED", Fit::Number),
            column("INCIDENTS", Fit::Number),
            column("P50", Fit::Number),
            column("P95", Fit::Number),
            column("P99", Fit::Number),
        ],
        2,
    );
    for kept in &all.kept {
        let verdict = all.verdict(kept);
        let ink = match verdict {
            Verdict::Met => Ink::Good,
            Verdict::Missed => Ink::Bad,
            Verdict::Unknown => Ink::Warn,
        };
        let latency = |which: fn(&Latencies) -> Duration| {
            kept.latencies.as_ref().map_or_else(String::new, |all| human(which(all)))
        };
        let burn = all.burn(kept);
        grid.row(vec![
            Cell::inked(&kept.target, Ink::Strong),
            Cell::new(kept.probe.as_deref().unwrap_or_default()),
            Cell::inked(verdict.name(), ink),
            Cell::new(&kept.uptime.share().map_or_else(|| "?".to_owned(), percent)),
            Cell::new(&burn.map_or_else(String::new, |burn| format!("{:.0} %", ((1.0 - burn) * 100.0).floor()))),
            Cell::new(&burn.map_or_else(String::new, |burn| format!("{burn:.2}"))),
            Cell::new(&long(kept.uptime.down)),
            Cell::new(&long(kept.uptime.unknown)),
            Cell::new(&long(kept.uptime.gap)),
            Cell::new(&kept.uptime.outages.to_string()),
            Cell::new(&latency(|all| all.p50)),
            Cell::new(&latency(|all| all.p95)),
            Cell::new(&latency(|all| all.p99)),
        ]);
    }
    let mut text = grid.render(look);
    if look.is_terminal() && !text.is_empty() {
        let window = long(all.window());
        let said = format!("objective {} over {window}, from {} to now", percent(all.objective), moment(all.since));
        text.push_str(&look.paint(Ink::Dim, &(said + "\n")));
        let unknown = all.kept.iter().filter(|kept| all.verdict(kept) == Verdict::Unknown).count();
        if unknown > 0 {
            let why = "less than half of this time is known: a shorter --since asks for what there is\n";
            text.push_str(&look.paint(Ink::Dim, why));
        }
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    fn kept(up: u64, down: u64, unknown: u64, gap: u64) -> Kept {
        let seconds = Duration::from_secs;
        let uptime = Uptime {
            up: seconds(up),
            degraded: Duration::ZERO,
            down: seconds(down),
            unknown: seconds(unknown),
            gap: seconds(gap),
            outages: u64::from(down > 0),
        };
        Kept { target: "weather".into(), probe: None, uptime, latencies: None }
    }

    fn objectives(kept: Vec<Kept>) -> Objectives {
        let until: Timestamp = "2026-01-15T09:32:45Z".parse().unwrap();
        Objectives { objective: 0.999, since: until - Duration::from_secs(100_000), until, kept }
    }

    #[test]
    fn too_little_known_is_no_verdict_unless_it_is_missed_anyhow() {
        let all = objectives(Vec::new());
        for (up, down, unknown, gap, verdict) in [
            (100_000, 0, 0, 0, Verdict::Met),
            (99_900, 100, 0, 0, Verdict::Met),
            (99_899, 101, 0, 0, Verdict::Missed),
            (49_950, 50, 50_000, 0, Verdict::Met),
            (49_949, 51, 0, 50_000, Verdict::Missed),
            (49_000, 0, 0, 51_000, Verdict::Unknown),
            (49_000, 60, 0, 50_940, Verdict::Unknown),
            (10_000, 101, 0, 89_899, Verdict::Missed),
            (0, 0, 100_000, 0, Verdict::Unknown),
            (0, 0, 0, 100_000, Verdict::Unknown),
        ] {
            assert_eq!(all.verdict(&kept(up, down, unknown, gap)), verdict, "{up} {down} {unknown} {gap}");
        }
    }

    #[test]
    fn a_pipe_gets_rows() {
        let all = objectives(vec![kept(99_950, 50, 0, 0), kept(0, 0, 0, 100_000)]);
        assert_eq!(
            text(&all, &Look::PLAIN),
            "weather\t\tmet\t99.950 %\t50 %\t0.50\t50s\t0s\t0s\t1\t\t\t\n\
             weather\t\tunknown\t?\t\t\t0s\t0s\t1d 3h\t0\t\t\t\n"
        );
        let told = document(&all);
        assert_eq!(told["summary"], serde_json::json!({"met": 1, "missed": 0, "unknown": 1}));
        assert_eq!(told["targets"][0]["budget_left"], 0.5);
        assert!(told["targets"][1].get("burn_rate").is_none());
    }
}

//! `mcp-probe report --slo 99.9 --since 30d [TARGET]`: whether objectives are met, from the history that `watch` has
//! written; what is left of the error budget. The exit code says it to scripts.

use std::time::Duration;

use clap::Args;

use super::args::{DocumentOptions, help};
use super::complaint::Complaint;
use super::exit::Code;
use super::history::{WindowOptions, choose, open, since, unreadable, window};
use super::jq::Jq;
use super::output;
use super::terminal::Terminal;
use crate::report::slo::{self, Kept, Objectives, Verdict};
use crate::store::StoreError;

/// `mcp-probe report`.
#[derive(Clone, Debug, Args)]
#[command(after_help = help::REPORT)]
pub struct ReportArgs {
    /// One target; by default all of the history
    #[arg(value_name = "TARGET")]
    pub target: Option<String>,
    /// Percent of the time in which a target must work
    #[arg(long, value_name = "PERCENT", value_parser = objective, default_value = "99.9")]
    pub slo: f64,
    /// How far back
    #[arg(long, value_name = "TIME", value_parser = since, default_value = "30d")]
    pub since: Duration,
    /// What of the history; with --probe each of these probes is judged by itself.
    #[command(flatten)]
    pub window: WindowOptions,
    /// How it is told.
    #[command(flatten)]
    pub output: DocumentOptions,
}

/// Judges, tells, gives the exit code: 1 where an objective is missed, else 8 where too little is known.
///
/// # Errors
/// When there is no history, no such target in it, it cannot be read, or stdout cannot be written.
pub fn run(args: &ReportArgs) -> Result<Code, Complaint> {
    let jq = args.output.jq.as_deref().map(Jq::compile).transpose()?;
    let reader = open(args.window.state.clone())?;
    let (since, until) = window(&reader, args.since)?;
    let chosen = choose(&reader, args.target.as_deref(), &args.window.probe)?;
    let kept = |target: &str, probe: Option<&str>| -> Result<Kept, StoreError> {
        Ok(Kept {
            target: target.to_owned(),
            probe: probe.map(str::to_owned),
            uptime: reader.uptime(target, probe, since, until)?,
            latencies: reader.percentiles(target, probe, since, until)?,
        })
    };
    let mut all = Objectives { objective: args.slo, since, until, kept: Vec::new() };
    for chosen in &chosen {
        for probe in chosen.lines(&args.window.probe) {
            all.kept.push(kept(&chosen.target, probe).map_err(|error| unreadable(&error))?);
        }
    }
    let look = Terminal::stdout(args.output.color).look;
    if args.output.json || jq.is_some() {
        output::say_json(&slo::document(&all), jq.as_ref(), &look)?;
    } else {
        output::say(&slo::text(&all, &look), false)?;
    }
    let any = |verdict: Verdict| all.kept.iter().any(|kept| all.verdict(kept) == verdict);
    Ok(if any(Verdict::Missed) {
        Code::Failed
    } else if any(Verdict::Unknown) {
        Code::Unknown
    } else {
        Code::Healthy
    })
}

/// `99.9` or `99.9%`, as a share.
fn objective(text: &str) -> Result<f64, String> {
    let expected = || format!("expected a percentage above 0 and below 100, such as \"99.9\", got {text:?}");
    let percent: f64 = text.trim().trim_end_matches('%').trim_end().parse().map_err(|_| expected())?;
    if percent > 0.0 && percent < 100.0 { Ok(percent / 100.0) } else { Err(expected()) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_objective_is_a_percentage_that_leaves_a_budget() {
        for (text, share) in [("99.9", 0.999), ("99.95%", 0.9995), (" 50 % ", 0.5)] {
            assert!((objective(text).unwrap() - share).abs() < 1e-12, "{text}");
        }
        for text in ["100", "0", "-1", "101", "", "%", "NaN", "inf", "three nines"] {
            assert!(objective(text).is_err(), "{text}");
        }
    }
}

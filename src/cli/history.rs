//! `mcp-probe history [TARGET]`: what `watch` has seen. Without a target one line each; with one its troubles and alerts,
//! and with `-v` what was said in them. It reads beside a running daemon and changes nothing.

use std::path::PathBuf;
use std::time::Duration;

use clap::Args;
use jiff::Timestamp;

use super::args::{DocumentOptions, help};
use super::complaint::Complaint;
use super::exit::Code;
use super::jq::Jq;
use super::output;
use super::terminal::Terminal;
use crate::base::glob;
use crate::base::{duration, sanitize};
use crate::config::suggest::nearest;
use crate::report::history::{self, History, Single, TargetSeen};
use crate::store::{Failure, Kind, Pair, Reader, StoreError, default_folder};

/// Stretches that the line of a target is drawn of.
const BARS: usize = 30;
/// Runs that are looked at to find the last failure among degraded ones.
const FAILURES_LOOKED_AT: usize = 200;

/// `mcp-probe history [TARGET]`.
#[derive(Clone, Debug, Args)]
#[command(after_help = help::HISTORY)]
pub struct HistoryArgs {
    /// A target: its failures and alerts instead of one line for each target
    #[arg(value_name = "TARGET")]
    pub target: Option<String>,
    /// What of the history.
    #[command(flatten)]
    pub window: WindowOptions,
    /// How far back
    #[arg(long, value_name = "TIME", value_parser = since, default_value = "24h")]
    pub since: Duration,
    /// Every run of the target, healthy ones too
    #[arg(long, requires = "target")]
    pub runs: bool,
    /// At most so many runs, and so many alerts: the newest
    #[arg(long, value_name = "N", default_value = "50", value_parser = clap::value_parser!(u32).range(1..=100_000))]
    pub limit: u32,
    /// What was said in each failure, too
    #[arg(short = 'v', long)]
    pub verbose: bool,
    /// How it is told.
    #[command(flatten)]
    pub output: DocumentOptions,
}

/// What of the history.
#[derive(Clone, Debug, Default, Args)]
pub struct WindowOptions {
    /// Only probes whose name matches; may be repeated
    #[arg(long, value_name = "GLOB")]
    pub probe: Vec<String>,
    /// The folder with the history [default: the platform's state folder]
    #[arg(long, value_name = "DIR")]
    pub state: Option<PathBuf>,
}

/// A target with those of its probes that were asked for.
pub(super) struct Chosen {
    pub(super) target: String,
    pub(super) probes: Vec<String>,
}

/// Looks, tells, gives the exit code.
///
/// # Errors
/// When there is no history, no such target in it, it cannot be read, or stdout cannot be written.
pub fn run(args: &HistoryArgs) -> Result<Code, Complaint> {
    let jq = args.output.jq.as_deref().map(Jq::compile).transpose()?;
    let reader = open(args.window.state.clone())?;
    let (since, until) = window(&reader, args.since)?;
    let chosen = choose(&reader, args.target.as_deref(), &args.window.probe)?;
    let mut targets: Vec<TargetSeen> = Vec::new();
    for chosen in &chosen {
        for probe in chosen.lines(&args.window.probe) {
            targets.push(seen(&reader, chosen, probe, since, until).map_err(|error| unreadable(&error))?);
        }
    }
    let single = match (&args.target, chosen.first()) {
        (Some(_), Some(chosen)) => {
            Some(single(&reader, chosen, args, since, until).map_err(|error| unreadable(&error))?)
        }
        _ => None,
    };
    let history = History { since, until, targets, single };
    let look = Terminal::stdout(args.output.color).look;
    if args.output.json || jq.is_some() {
        output::say_json(&history::document(&history), jq.as_ref(), &look)?;
    } else {
        output::say(&history::text(&history, &look), false)?;
    }
    Ok(Code::Healthy)
}

/// Opens the history of a folder, or of the platform's.
///
/// # Errors
/// When there is none, or it cannot be read.
pub(super) fn open(state: Option<PathBuf>) -> Result<Reader, Complaint> {
    let folder = state.or_else(default_folder).ok_or_else(|| {
        Complaint::usage("there is no home folder to look for the history in").hint("say where it is: --state DIR")
    })?;
    Reader::open_in(&folder).map_err(|error| unreadable(&error))
}

pub(super) fn unreadable(error: &StoreError) -> Complaint {
    let code = match error.kind {
        Kind::Missing => Code::Nothing,
        Kind::Foreign | Kind::Newer => Code::Usage,
        Kind::Broken | Kind::Busy | Kind::Unusable | Kind::Closed => Code::Unknown,
    };
    Complaint::new(code, error.message.clone())
}

/// From so long ago to now; where only hours or days are left, from the start of one.
pub(super) fn window(reader: &Reader, since: Duration) -> Result<(Timestamp, Timestamp), Complaint> {
    let now = Timestamp::now();
    let from = now.checked_sub(since).unwrap_or(Timestamp::UNIX_EPOCH);
    let from = reader.aligned(from).map_err(|error| unreadable(&error))?;
    Ok((from, now))
}

/// The targets that were asked for, with the probes that were.
///
/// # Errors
/// Exit code 2 for a target that nobody has seen, 6 where nothing is left.
pub(super) fn choose(reader: &Reader, target: Option<&str>, globs: &[String]) -> Result<Vec<Chosen>, Complaint> {
    let pairs = reader.pairs().map_err(|error| unreadable(&error))?;
    if let Some(name) = target
        && !pairs.iter().any(|pair| pair.target == name)
    {
        let complaint = Complaint::usage(format!("the history has no target `{}`", sanitize::one_line(name, 80)));
        let near = nearest(name, pairs.iter().map(|pair| pair.target.as_str()));
        return Err(match near {
            Some(near) => complaint.hint(format!("did you mean `{near}`?")),
            None => complaint.hint("`mcp-probe history` lists those it has"),
        });
    }
    let mut all: Vec<Chosen> = Vec::new();
    for Pair { probe, target } in pairs.into_iter().filter(|pair| target.is_none_or(|name| name == pair.target)) {
        if all.last().is_none_or(|last| last.target != target) {
            all.push(Chosen { target, probes: Vec::new() });
        }
        let is_wanted = globs.is_empty() || globs.iter().any(|pattern| glob::matches(pattern, &probe));
        all.last_mut().into_iter().filter(|_| is_wanted).for_each(|last| last.probes.push(probe.clone()));
    }
    all.retain(|chosen| !chosen.probes.is_empty());
    if all.is_empty() {
        let why = if globs.is_empty() { "the history is empty" } else { "the history has no probe of that name" };
        return Err(Complaint::new(Code::Nothing, why).hint("`mcp-probe watch` writes it"));
    }
    Ok(all)
}

impl Chosen {
    /// What is told apart: each probe that was asked for, or the target as a whole where none was.
    pub(super) fn lines(&self, globs: &[String]) -> Vec<Option<&str>> {
        if globs.is_empty() { vec![None] } else { self.probes.iter().map(|probe| Some(probe.as_str())).collect() }
    }
}

fn seen(
    reader: &Reader,
    chosen: &Chosen,
    probe: Option<&str>,
    since: Timestamp,
    until: Timestamp,
) -> Result<TargetSeen, StoreError> {
    let target = chosen.target.as_str();
    let failures = reader.failures(Some(target), probe, since, FAILURES_LOOKED_AT)?;
    Ok(TargetSeen {
        target: target.to_owned(),
        probe: probe.map(str::to_owned),
        probes: probe.map_or_else(|| chosen.probes.clone(), |probe| vec![probe.to_owned()]),
        uptime: reader.uptime(target, probe, since, until)?,
        latencies: reader.percentiles(target, probe, since, until)?,
        bars: reader.bars(target, probe, BARS, since, until)?,
        last_failure: failures
            .into_iter()
            .map(|failure| failure.sample)
            .find(|run| run.status == crate::event::Status::Failed),
    })
}

/// The newest of all probes that were asked for, newest first.
fn last_failures(
    reader: &Reader,
    chosen: &Chosen,
    globs: &[String],
    since: Timestamp,
    limit: usize,
) -> Result<Vec<Failure>, StoreError> {
    let mut all = Vec::new();
    for probe in chosen.lines(globs) {
        all.extend(reader.failures(Some(&chosen.target), probe, since, limit)?);
    }
    all.sort_by_key(|failure| std::cmp::Reverse(failure.sample.at));
    all.truncate(limit);
    Ok(all)
}

fn single(
    reader: &Reader,
    chosen: &Chosen,
    args: &HistoryArgs,
    since: Timestamp,
    until: Timestamp,
) -> Result<Single, StoreError> {
    let limit = usize::try_from(args.limit).unwrap_or(usize::MAX);
    let globs = args.window.probe.as_slice();
    let mut runs = last_failures(reader, chosen, globs, since, limit)?;
    if args.runs {
        let mut all: Vec<Failure> = Vec::new();
        for probe in chosen.lines(globs) {
            let samples = reader.samples(probe, Some(&chosen.target), since, until, limit)?;
            all.extend(samples.into_iter().map(|sample| {
                let known = runs.iter().find(|run| run.sample.at == sample.at && run.sample.probe == sample.probe);
                let transcript = known.and_then(|run| run.transcript.clone());
                Failure { sample, transcript }
            }));
        }
        all.sort_by_key(|run| std::cmp::Reverse(run.sample.at));
        all.truncate(limit);
        runs = all;
    }
    let mut alerts = reader.alerts(Some(&chosen.target), since, limit)?;
    alerts.retain(|alert| globs.is_empty() || alert.probe.is_empty() || chosen.probes.contains(&alert.probe));
    Ok(Single { runs, alerts, verbose: args.verbose })
}

/// A time above zero, such as `24h` or `30d`.
pub(super) fn since(text: &str) -> Result<Duration, String> {
    let read = duration::parse(text)?;
    if read.is_zero() { Err("expected a time above zero, such as \"24h\" or \"30d\"".to_owned()) } else { Ok(read) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn days_and_weeks_are_times() {
        let seconds = |text: &str| since(text).map(|read| read.as_secs());
        assert_eq!((seconds("30d"), seconds("2w"), seconds("24h")), (Ok(2_592_000), Ok(1_209_600), Ok(86_400)));
        for text in ["", "0d", "0s", "30", "d", "-1d", "99999999999999999999d"] {
            assert!(since(text).is_err(), "{text}");
        }
    }
}

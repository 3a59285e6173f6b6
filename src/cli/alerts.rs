//! `mcp-probe alerts`: `list` shows the rules of the files, their state and the silences; `test` what the rules would have
//! said of runs that are past, or made up. Nothing is sent and nothing restarted.

mod list;

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::time::Duration;

use clap::{ArgGroup, Args, Subcommand};
use jiff::Timestamp;
use serde_json::{Value, json};

use super::args::{DocumentOptions, help};
use super::complaint::Complaint;
use super::exit::Code;
use super::jq::Jq;
use super::terminal::{Colour, Terminal};
use super::{output, targets};
use crate::alert::replay::{Episode, Replayed, Synthetic, replay};
use crate::alert::{Rule, Settings, Silence, Watched};
use crate::base::duration;
use crate::base::name::Name;
use crate::event::{Sample, without_replica};
use crate::files::{Loaded, Machine, default_paths, load};
use crate::plan::{EVERY, Pace};
use crate::report::grid::{Cell, Column, Fit, Grid};
use crate::report::{Ink, Look, count};
use crate::store::{Reader, default_folder};

/// How far back `--replay` looks, unless told otherwise.
const SINCE: Duration = Duration::from_secs(24 * 3600);
/// More recorded runs than these are not read at once.
const RUNS_MAX: usize = 5_000_000;
/// The version of the JSON document.
const SCHEMA: &str = "mcp-probe/alerts-test/1";
/// What a probe or target is called that the files do not have.
const INVENTED: &str = "synthetic";

/// `mcp-probe alerts`.
#[derive(Clone, Debug, Args)]
#[command(after_help = help::ALERTS)]
pub struct AlertsArgs {
    /// What is done with them.
    #[command(subcommand)]
    pub what: AlertsCommand,
}

/// What is done with alerts.
#[derive(Clone, Debug, Subcommand)]
pub enum AlertsCommand {
    /// Show the rules of the files, which of them fire, and the silences
    List(list::ListArgs),
    /// Show what the rules would have fired on recorded or made-up runs; tells nobody
    Test(Box<TestArgs>),
}

/// `mcp-probe alerts test [PATH...]`.
#[derive(Clone, Debug, Args)]
#[command(after_help = help::ALERTS, group(ArgGroup::new("runs").required(true)))]
pub struct TestArgs {
    /// Probe files, and folders of them; by default ./mcp-probe.toml and ./probes/*.toml
    #[arg(value_name = "PATH")]
    pub paths: Vec<PathBuf>,
    /// Made-up runs, spread evenly: `requests=N,errors=N[,p95=TIME][,span=TIME]`; `span` is 30d if not given
    #[arg(long, value_name = "FIGURES", group = "runs")]
    pub synthetic: Option<Synthetic>,
    /// The runs that `watch` recorded
    #[arg(long, group = "runs")]
    pub replay: bool,
    /// Replay from this time on, such as 2026-01-15T09:00:00Z
    #[arg(long, value_name = "TIME", requires = "replay", conflicts_with = "since")]
    pub from: Option<Timestamp>,
    /// Replay the last so much time [default: 24h]
    #[arg(long, value_name = "TIME", requires = "replay", value_parser = duration::parse)]
    pub since: Option<Duration>,
    /// The folder with the history of `watch` [default: that of this system for state]
    #[arg(long, value_name = "DIR", requires = "replay")]
    pub state: Option<PathBuf>,
    /// How it is told.
    #[command(flatten)]
    pub output: DocumentOptions,
}

impl AlertsArgs {
    /// `--color`, where it was given.
    #[must_use]
    pub fn colour(&self) -> Option<Colour> {
        match &self.what {
            AlertsCommand::List(list) => list.output.color,
            AlertsCommand::Test(test) => test.output.color,
        }
    }
}

/// Runs the command; gives the exit code as the shell sees it.
///
/// # Errors
/// When the files have mistakes or no alert, or there is no history.
pub fn run(args: &AlertsArgs) -> Result<u8, Complaint> {
    match &args.what {
        AlertsCommand::List(list) => list::run(list),
        AlertsCommand::Test(test) => run_test(test),
    }
}

fn run_test(args: &TestArgs) -> Result<u8, Complaint> {
    let jq = args.output.jq.as_deref().map(Jq::compile).transpose()?;
    let loaded = read(&args.paths, args.output.color)?;
    let rules = rules(&loaded, args.output.color)?;
    let settings = settings(&loaded, args.output.color)?;
    let names: Vec<String> = rules.iter().map(|rule| rule.name.clone()).collect();
    let replayed = match &args.synthetic {
        Some(figures) => {
            let watched = looked_at(&rules, &pairs(&loaded), figures.interval());
            let samples = figures.samples(&watched, Timestamp::now());
            replay(rules, watched.clone(), settings, samples)
        }
        None => recorded(args, &loaded, rules, settings)?,
    };
    let is_heard = replayed.episodes.iter().any(|episode| episode.untold.is_none());
    let code = if is_heard { Code::Failed } else { Code::Healthy };
    let look = Terminal::stdout(args.output.color).look;
    if args.output.json || jq.is_some() {
        output::say_json(&document(&replayed, &names), jq.as_ref(), &look)?;
    } else {
        output::say(&rows(&replayed.episodes, &look), false)?;
        output::say(&summary(&replayed, names.len()), !look.is_terminal())?;
    }
    Ok(code.number())
}

/// The files that were named, or those of the project.
fn read(named: &[PathBuf], color: Option<Colour>) -> Result<Loaded, Complaint> {
    let found = named.is_empty();
    let paths = if found { default_paths(Path::new(".")) } else { named.to_vec() };
    if paths.is_empty() {
        return Err(Complaint::new(Code::Nothing, "there is no ./mcp-probe.toml and no ./probes/*.toml here")
            .hint("name a probe file or a folder of them, such as probes/"));
    }
    load(&paths, found, &Machine).map_err(|diags| targets::mistakes_of(&diags, color))
}

fn rules(loaded: &Loaded, color: Option<Colour>) -> Result<Vec<Rule>, Complaint> {
    let mut rules = Vec::new();
    for alert in &loaded.telling.alerts {
        rules.extend(alert.resolve().map_err(|diags| targets::mistakes_of(&diags, color))?);
    }
    if rules.is_empty() {
        return Err(Complaint::new(Code::Nothing, "these files have no alert")
            .hint("write an `[[alert]]`, such as one with `consecutive_failures = 3`"));
    }
    Ok(rules)
}

fn silences(loaded: &Loaded, color: Option<Colour>) -> Result<Vec<Silence>, Complaint> {
    let mut silences = Vec::new();
    for silence in &loaded.telling.silences {
        silences.extend(silence.resolve().map_err(|diags| targets::mistakes_of(&diags, color))?);
    }
    Ok(silences)
}

/// Messages come as `watch` would send them, and what it would keep to itself does not come.
fn settings(loaded: &Loaded, color: Option<Colour>) -> Result<Settings, Complaint> {
    let watch = loaded.telling.watches.iter().find_map(|watch| watch.resolve().ok()).unwrap_or_default();
    Ok(Settings {
        silences: silences(loaded, color)?,
        dependencies: loaded.draft.dependencies(),
        group_wait: watch.group_wait,
        group_interval: watch.group_interval,
        reference: watch.reference,
        restarts_max: watch.restarts,
        ..Settings::default()
    })
}

/// Every probe on every target of the files, the built-in ones included.
fn pairs(loaded: &Loaded) -> Vec<Watched> {
    let draft = &loaded.draft;
    let mut pairs = Vec::new();
    for probe in draft.probes.iter().chain(draft.built_in()) {
        let is_named = |name: &str| probe.targets.iter().any(|(named, _)| named == "*" || named == name);
        for target in draft.targets.iter().filter(|target| is_named(&target.name)) {
            let attempts = probe.retries.saturating_add(1);
            let span_max = target.startup_timeout.saturating_add(probe.timeout.saturating_mul(attempts));
            let Pace { usual, closest, farthest } = probe.when.pace(EVERY.max(span_max));
            pairs.push(Watched {
                probe: probe.name.as_str().into(),
                target: target.name.as_str().into(),
                labels: target.labels.clone(),
                every: usual,
                closest,
                farthest,
                can_restart: target.can_restart(),
            });
        }
    }
    pairs
}

/// For made-up runs, one probe on one target for each rule is enough; where a rule looks at none that is there, one that
/// it would look at.
fn looked_at(rules: &[Rule], pairs: &[Watched], every: Duration) -> Vec<Watched> {
    let mut seen = BTreeSet::new();
    let mut chosen: Vec<Watched> = Vec::new();
    for rule in rules {
        let selector = &rule.selector;
        let takes = |one: &&Watched| selector.takes(&one.probe, &one.target, &one.labels);
        let one = pairs.iter().chain(&chosen).find(takes).cloned().unwrap_or_else(|| {
            let named = |names: &BTreeSet<String>| {
                names.iter().find(|name| *name != "*").map_or(Name::fixed(INVENTED), Name::from)
            };
            let (probe, target) = (named(&selector.probes), named(&selector.targets));
            let labels = selector.labels.clone();
            Watched { probe, target, labels, every, closest: every, farthest: every, can_restart: false }
        });
        if seen.insert((one.probe.clone(), one.target.clone())) {
            chosen.push(Watched { every, closest: every, farthest: every, ..one });
        }
    }
    chosen
}

fn recorded(args: &TestArgs, loaded: &Loaded, rules: Vec<Rule>, settings: Settings) -> Result<Replayed, Complaint> {
    let folder =
        args.state.clone().or_else(default_folder).ok_or_else(|| {
            Complaint::usage("there is no home, and so no folder for state").hint("name it: --state DIR")
        })?;
    let now = Timestamp::now();
    let since = jiff::SignedDuration::try_from(args.since.unwrap_or(SINCE)).unwrap_or(jiff::SignedDuration::MAX);
    let from = args.from.unwrap_or_else(|| now.checked_sub(since).unwrap_or(Timestamp::MIN));
    let reader = Reader::open_in(&folder).map_err(|error| Complaint::usage(error.to_string()))?;
    let samples =
        reader.samples(None, None, from, now, RUNS_MAX).map_err(|error| Complaint::usage(error.to_string()))?;
    if samples.is_empty() {
        return Err(Complaint::new(Code::Nothing, format!("no run was recorded since {from:.0}"))
            .hint("look further back: --since 7d"));
    }
    let mut pairs = pairs(loaded);
    let replicas = replicas(&pairs, &samples);
    pairs.extend(replicas);
    Ok(replay(rules, pairs, settings, samples.into_iter()))
}

/// The replicas of targets of the files that runs were recorded of: what stands behind a name is in no file.
fn replicas(pairs: &[Watched], samples: &[Sample]) -> Vec<Watched> {
    let of = |sample: &Sample| {
        let name = without_replica(&sample.target);
        let is_row = name != &*sample.target;
        let pair = pairs.iter().find(|pair| is_row && pair.probe == sample.probe && &*pair.target == name)?;
        Some(Watched { target: sample.target.clone(), ..pair.clone() })
    };
    let mut seen = BTreeSet::new();
    let rows = samples.iter().filter(|sample| seen.insert((sample.probe.clone(), sample.target.clone())));
    rows.filter_map(of).collect()
}

const COLUMNS: &[Column] = &[
    Column { head: "ALERT", fit: Fit::Share(30) },
    Column { head: "PROBE", fit: Fit::Share(15) },
    Column { head: "TARGET", fit: Fit::Share(20) },
    Column { head: "FIRED", fit: Fit::Whole },
    Column { head: "ENDED", fit: Fit::Whole },
    Column { head: "WHY", fit: Fit::Rest },
];

fn rows(episodes: &[Episode], look: &Look) -> String {
    let mut grid = Grid::new(COLUMNS, 4);
    for episode in episodes {
        let ended = episode.ended.map_or_else(|| "still fires".to_owned(), |at| format!("{at:.0}"));
        grid.row(vec![
            Cell::inked(&episode.alert, if episode.untold.is_some() { Ink::Dim } else { Ink::Bad }),
            Cell::new(&episode.probe),
            Cell::new(&episode.target),
            Cell::new(&format!("{:.0}", episode.fired)),
            Cell::new(&ended),
            Cell::new(
                &episode
                    .untold
                    .map_or_else(|| episode.summary.clone(), |why| format!("{why}, told nobody: {}", episode.summary)),
            ),
        ]);
    }
    grid.render(look)
}

fn summary(replayed: &Replayed, rules: usize) -> String {
    let runs = usize::try_from(replayed.runs).unwrap_or(usize::MAX);
    let seen = replayed.range.map_or_else(String::new, |(first, last)| format!(" from {first:.0} to {last:.0}"));
    let fired = match replayed.episodes.len() {
        0 => "nothing fires".to_owned(),
        1 => "1 alert fires".to_owned(),
        many => format!("{many} alerts fire"),
    };
    let untold = match replayed.episodes.iter().filter(|episode| episode.untold.is_some()).count() {
        0 => String::new(),
        some => format!(", {some} of them silenced or held"),
    };
    format!("{fired}{untold}: {} over {}{seen}\n", count(rules, "rule"), count(runs, "run"))
}

fn document(replayed: &Replayed, rules: &[String]) -> Value {
    let episodes: Vec<Value> = replayed.episodes.iter().map(told).collect();
    let (from, to) = replayed.range.unzip();
    json!({
        "schema": SCHEMA,
        "runs": replayed.runs,
        "from": from,
        "to": to,
        "rules": rules,
        "fired": episodes,
        "messages": replayed.messages,
    })
}

fn told(episode: &Episode) -> Value {
    let mut object = json!({
        "alert": episode.alert,
        "probe": episode.probe,
        "target": episode.target,
        "fired_at": episode.fired,
        "ended_at": episode.ended,
        "summary": episode.summary,
    });
    if let Some(why) = episode.untold {
        object["untold"] = why.into();
    }
    if episode.restarts > 0 {
        object["restarts"] = episode.restarts.into();
    }
    object
}

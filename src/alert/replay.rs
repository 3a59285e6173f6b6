//! Rules over runs that are past, or made up: the engine under clocks that go as fast as the runs are read. Nothing is
//! sent and nothing restarted; what would have been told is what comes out.

use std::collections::BTreeMap;
use std::time::Duration;

use jiff::{SignedDuration, Timestamp};

use super::engine::{Action, Engine, OpenAlert};
use super::notification::{AlertView, Notification};
use super::rule::Rule;
use super::settings::{Settings, Watched};
use crate::base::clock::Now;
use crate::base::duration;
use crate::event::{AlertChange, Latency, Reason, Sample, Status};

/// After the last run it is waited so long for messages that wait for company.
const AFTERMATH: Duration = Duration::from_secs(600);
/// Where all probes are silent for longer, the prober was not there.
const AWAY_MIN: Duration = Duration::from_secs(300);

/// Runs that are spread evenly over a time, some of them failed, the same for every probe.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Synthetic {
    /// How many runs.
    pub requests: u64,
    /// How many of them fail.
    pub errors: u64,
    /// The 95th percentile of the latencies of the others.
    pub p95: Option<Duration>,
    /// The time over which they are spread.
    pub span: Duration,
}

impl std::str::FromStr for Synthetic {
    type Err = String;

    /// `requests=45203,errors=23,p95=1840ms,span=30d`.
    fn from_str(text: &str) -> Result<Self, String> {
        const EXAMPLE: &str = "write it as requests=45203,errors=23,p95=1840ms,span=30d";
        let mut read = Self { requests: 0, errors: 0, p95: None, span: Duration::from_secs(30 * 86_400) };
        for part in text.split(',').map(str::trim).filter(|part| !part.is_empty()) {
            let (name, value) = part.split_once('=').ok_or_else(|| format!("{part:?} has no `=`: {EXAMPLE}"))?;
            let count = || value.parse().map_err(|_| format!("{name}={value} is no whole number: {EXAMPLE}"));
            match name {
                "requests" => read.requests = count()?,
                "errors" => read.errors = count()?,
                "p95" => read.p95 = Some(duration::parse(value)?),
                "span" => read.span = duration::parse(value)?,
                _ => return Err(format!("there is no {name:?}: {EXAMPLE}")),
            }
        }
        if read.requests == 0 || read.requests > 100_000_000 {
            return Err(format!("`requests` is between 1 and 100000000: {EXAMPLE}"));
        }
        if read.errors > read.requests {
            return Err("there cannot be more errors than requests".to_owned());
        }
        if read.interval() < Duration::from_millis(1) {
            return Err("more than a thousand requests in a second: give a longer `span`".to_owned());
        }
        Ok(read)
    }
}

impl Synthetic {
    /// From one run to the next.
    #[must_use]
    pub fn interval(&self) -> Duration {
        let nanos = self.span.as_nanos() / u128::from(self.requests.max(1));
        Duration::from_nanos(u64::try_from(nanos).unwrap_or(u64::MAX))
    }

    /// The runs of these probes that end at a time, oldest first.
    pub fn samples<'a>(&'a self, watched: &'a [Watched], end: Timestamp) -> impl Iterator<Item = Sample> + 'a {
        let span = SignedDuration::try_from(self.span).unwrap_or(SignedDuration::MAX);
        let begun = end.checked_sub(span).unwrap_or(Timestamp::MIN);
        (0..self.requests).flat_map(move |number| {
            let nanos = self.span.as_nanos() * u128::from(number) / u128::from(self.requests);
            let after = SignedDuration::from_nanos(i64::try_from(nanos).unwrap_or(i64::MAX));
            let at = begun.checked_add(after).unwrap_or(end);
            watched.iter().map(move |one| self.sample(one, number, at))
        })
    }

    /// Errors in the middle of equal parts; of the runs that answer, one in ten as slow as the percentile, the others
    /// twice as fast: no figure says more of the slowest than that.
    fn sample(&self, one: &Watched, number: u64, at: Timestamp) -> Sample {
        let errors_before = |number: u64| {
            let scaled = u128::from(number) * u128::from(self.errors) * 2 + u128::from(self.requests);
            scaled / (2 * u128::from(self.requests))
        };
        let failed = errors_before(number + 1) > errors_before(number);
        let took = self.p95.map(|p95| if number % 10 == 9 { p95 } else { p95 / 2 });
        let latency = |took| Latency { method: "tools/list".into(), took, timed_out: false };
        Sample {
            probe: one.probe.clone(),
            target: one.target.clone(),
            at,
            status: if failed { Status::Failed } else { Status::Healthy },
            reason: failed.then_some(Reason::RpcError),
            message: failed.then(|| "a synthetic error".to_owned()),
            duration: Duration::ZERO,
            latencies: took.filter(|_| !failed).map(latency).into_iter().collect(),
            server: None,
            protocol: None,
            tools: None,
            certificate_ends: None,
            tools_digest: None,
            token_ends: None,
            usage: None,
        }
    }
}

/// An alert from its beginning to its end.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Episode {
    /// The alert.
    pub alert: String,
    /// The probe; empty where it is of the prober as a whole.
    pub probe: String,
    /// The target; likewise.
    pub target: String,
    /// When it fired.
    pub fired: Timestamp,
    /// What it saw then.
    pub summary: String,
    /// When it ended; none where it still fires at the end.
    pub ended: Option<Timestamp>,
    /// How often the target would have been restarted.
    pub restarts: u32,
    /// Why nobody would have been told: `silenced`, `held` (something that it depends on failed). None where somebody
    /// would, or where the rule names nobody.
    pub untold: Option<&'static str>,
}

/// What came of it.
#[derive(Clone, Debug, Default)]
pub struct Replayed {
    /// How many runs there were.
    pub runs: u64,
    /// The first and the last.
    pub range: Option<(Timestamp, Timestamp)>,
    /// What fired, in order.
    pub episodes: Vec<Episode>,
    /// What would have been told.
    pub messages: Vec<Notification>,
}

/// Lets rules look at runs, which must come in the order of their times.
#[must_use]
pub fn replay(
    rules: Vec<Rule>,
    watched: Vec<Watched>,
    settings: Settings,
    samples: impl Iterator<Item = Sample>,
) -> Replayed {
    let mut samples = samples.peekable();
    let mut replayed = Replayed::default();
    let Some(begun) = samples.peek().map(|sample| sample.at) else { return replayed };
    let longest = watched.iter().map(|one| one.every).max().unwrap_or_default();
    let away = longest.saturating_mul(3).max(AWAY_MIN);
    let mut past = Past { begun, slept: Duration::ZERO, open: BTreeMap::new() };
    let mut engine = Engine::new(rules, watched, settings, past.now(begun));
    let mut last = begun;
    for sample in samples {
        let at = sample.at.max(last);
        let silent = since(last, at);
        if silent > away {
            past.slept += silent;
            engine.gap(past.now(at));
        }
        past.tick(&mut engine, at, &mut replayed);
        let actions = engine.observe(&sample, past.now(at));
        past.take(&mut engine, actions, at, &mut replayed);
        (replayed.runs, last) = (replayed.runs + 1, at);
    }
    replayed.range = Some((begun, last));
    let end = last.checked_add(AFTERMATH).unwrap_or(last);
    past.tick(&mut engine, end, &mut replayed);
    let Replayed { episodes, messages, .. } = &mut replayed;
    for episode in episodes {
        // What was silenced at first is told once the silence is over.
        if messages.iter().any(|message| message.alerts.iter().any(|view| episode.is_of(view))) {
            episode.untold = None;
        }
    }
    replayed
}

impl Episode {
    fn is_of(&self, view: &AlertView) -> bool {
        let is_same = (&view.alert, &view.probe, &view.target) == (&self.alert, &self.probe, &self.target);
        is_same && view.since >= self.fired && self.ended.is_none_or(|ended| view.since <= ended)
    }
}

/// Why an alert that fires now is told nobody.
fn untold(engine: &Engine, change: &AlertChange) -> Option<&'static str> {
    let is_it = |open: &OpenAlert| {
        let view = &open.view;
        (&view.alert, &view.probe, &view.target) == (&change.alert, &change.probe, &change.target)
    };
    let open = engine.open().into_iter().find(is_it)?;
    Some(open.state).filter(|state| matches!(*state, "silenced" | "held"))
}

/// Clocks of a time that is past, and what fires in it.
struct Past {
    begun: Timestamp,
    /// While the prober was away.
    slept: Duration,
    open: BTreeMap<(String, String, String), usize>,
}

impl Past {
    fn now(&self, at: Timestamp) -> Now {
        let boot = since(self.begun, at);
        Now { monotonic: boot.saturating_sub(self.slept), boot, wall: at }
    }

    fn tick(&mut self, engine: &mut Engine, until: Timestamp, replayed: &mut Replayed) {
        let end = self.now(until);
        while let Some(due) = engine.next_tick().filter(|due| *due < end.monotonic) {
            let at = end.wall_at(due);
            let actions = engine.tick(self.now(at));
            self.take(engine, actions, at, replayed);
        }
    }

    fn take(&mut self, engine: &mut Engine, actions: Vec<Action>, at: Timestamp, replayed: &mut Replayed) {
        for action in actions {
            match action {
                Action::Notify(notification) => replayed.messages.push(notification),
                Action::Restart { target, alert, .. } => {
                    let asked =
                        replayed.episodes.iter_mut().rev().find(|one| one.alert == alert && one.target == target);
                    if let Some(episode) = asked {
                        episode.restarts += 1;
                    }
                    let more = engine.restarted(&target, Ok(String::new()), self.now(at));
                    self.take(engine, more, at, replayed);
                }
                Action::Verify { .. } | Action::Explained(_) => {}
                Action::Changed(change) => {
                    let key = (change.alert.clone(), change.probe.clone(), change.target.clone());
                    if !change.firing {
                        if let Some(number) = self.open.remove(&key) {
                            replayed.episodes[number].ended = Some(at);
                        }
                    } else if change.state == "firing" && !self.open.contains_key(&key) {
                        self.open.insert(key, replayed.episodes.len());
                        let untold = untold(engine, &change);
                        replayed.episodes.push(Episode {
                            alert: change.alert,
                            probe: change.probe,
                            target: change.target,
                            fired: at,
                            summary: change.message,
                            ended: None,
                            restarts: 0,
                            untold,
                        });
                    }
                }
            }
        }
    }
}

fn since(from: Timestamp, to: Timestamp) -> Duration {
    Duration::try_from(to.duration_since(from)).unwrap_or_default()
}

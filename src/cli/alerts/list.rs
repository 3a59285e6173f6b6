//! `mcp-probe alerts list`: every alert of the files with what it asks and whom it tells, how it stands by the history of
//! the daemon, and the silences with the time at which they end.

use std::path::PathBuf;

use clap::Args;
use jiff::Timestamp;
use serde_json::{Value, json};

use super::{read, rules, silences};
use crate::alert::{CONNECTIVITY, Remembered, Rule, Selector, Silence, Window, asks, remembered};
use crate::base::duration::human;
use crate::cli::args::{DocumentOptions, help};
use crate::cli::complaint::Complaint;
use crate::cli::exit::Code;
use crate::cli::jq::Jq;
use crate::cli::output;
use crate::cli::terminal::Terminal;
use crate::report::grid::{Cell, Column, Fit, Grid};
use crate::report::{Ink, Look, count};
use crate::store::{Reader, default_folder};

/// The version of the JSON document.
const SCHEMA: &str = "mcp-probe/alerts-list/1";

/// `mcp-probe alerts list [PATH...]`.
#[derive(Clone, Debug, Args)]
#[command(after_help = help::ALERTS_LIST)]
pub struct ListArgs {
    /// Probe files, and folders of them; by default ./mcp-probe.toml and ./probes/*.toml
    #[arg(value_name = "PATH")]
    pub paths: Vec<PathBuf>,
    /// The folder with the history of `watch` [default: that of this system for state]
    #[arg(long, value_name = "DIR")]
    pub state: Option<PathBuf>,
    /// How it is told.
    #[command(flatten)]
    pub output: DocumentOptions,
}

/// What there is to tell.
struct Listed {
    rules: Vec<Rule>,
    silences: Vec<Silence>,
    /// By the history: when it was written, and what is not at rest. None without one.
    state: Option<(Timestamp, Vec<Remembered>)>,
    now: Timestamp,
}

/// Runs the command; gives the exit code as the shell sees it.
///
/// # Errors
/// When the files have mistakes or no alert, or the history that was named cannot be read.
pub fn run(args: &ListArgs) -> Result<u8, Complaint> {
    let jq = args.output.jq.as_deref().map(Jq::compile).transpose()?;
    let loaded = read(&args.paths, args.output.color)?;
    let rules = rules(&loaded, args.output.color)?;
    let silences = silences(&loaded, args.output.color)?;
    let listed = Listed { rules, silences, state: state(args)?, now: Timestamp::now() };
    let look = Terminal::stdout(args.output.color).look;
    if args.output.json || jq.is_some() {
        output::say_json(&listed.document(), jq.as_ref(), &look)?;
    } else {
        output::say(&listed.rows(&look), false)?;
        output::say(&listed.summary(), !look.is_terminal())?;
    }
    Ok(Code::Healthy.number())
}

/// Without a daemon so far there is no history, which is no mistake; a folder that was named has one.
fn state(args: &ListArgs) -> Result<Option<(Timestamp, Vec<Remembered>)>, Complaint> {
    let Some(folder) = args.state.clone().or_else(default_folder) else { return Ok(None) };
    let kept = Reader::open_in(&folder).and_then(|reader| reader.kept("alerts"));
    match kept {
        Ok(snapshot) => Ok(snapshot.as_ref().and_then(remembered)),
        Err(_) if args.state.is_none() => Ok(None),
        Err(error) => Err(Complaint::usage(error.to_string())),
    }
}

/// What a rule or a silence looks at: names, labels, or all.
fn selected(selector: &Selector) -> (String, String) {
    let all = |names: String| if names.is_empty() { "*".to_owned() } else { names };
    let labels = selector.labels.iter().map(|(name, value)| format!("{name}={value}"));
    let targets: Vec<String> = selector.targets.iter().cloned().chain(labels).collect();
    let probes: Vec<String> = selector.probes.iter().cloned().collect();
    (all(probes.join(" ")), all(targets.join(" ")))
}

fn times(window: &Window) -> String {
    match window {
        Window::Between(from, until) => format!("from {from:.0} until {until:.0}"),
        Window::Recurring { cron, zone, duration } => {
            let zone = zone.iana_name().unwrap_or("UTC");
            format!("cron {} ({zone}) for {}", cron.as_str(), human(*duration))
        }
    }
}

const COLUMNS: &[Column] = &[
    Column { head: "STATE", fit: Fit::Whole },
    Column { head: "ALERT", fit: Fit::Share(30) },
    Column { head: "PROBE", fit: Fit::Share(15) },
    Column { head: "TARGET", fit: Fit::Share(20) },
    Column { head: "SINCE", fit: Fit::Whole },
    Column { head: "WHEN", fit: Fit::Rest },
    Column { head: "TELLS", fit: Fit::Share(15) },
];

impl Listed {
    fn open<'a>(&'a self, rule: &'a Rule) -> impl Iterator<Item = &'a Remembered> {
        self.state.iter().flat_map(|(_, open)| open).filter(|open| open.alert == rule.name)
    }

    /// The alert about the prober's own network, which is in no file, where it fires.
    fn own(&self) -> Option<&Remembered> {
        let own = |open: &&Remembered| open.alert == CONNECTIVITY && open.target.is_empty();
        self.state.iter().flat_map(|(_, open)| open).find(own)
    }

    /// When a silence that holds now ends.
    fn ends(&self, silence: &Silence) -> Option<Timestamp> {
        silence.when.holds_until(self.now)
    }

    fn rows(&self, look: &Look) -> String {
        let mut grid = Grid::new(COLUMNS, 5);
        if let Some(own) = self.own() {
            let since = format!("{:.0}", own.since);
            let cells = [&own.alert, "", "", &since, "the prober itself cannot reach the network", ""].map(Cell::new);
            grid.row(std::iter::once(Cell::inked("firing", Ink::Bad)).chain(cells).collect());
        }
        for rule in &self.rules {
            let (when, tells) = (asks(rule), rule.notify.join(" "));
            let mut row = |state: Cell, probe: &str, target: &str, since: &str| {
                let cells = [Cell::new(&rule.name), Cell::new(probe), Cell::new(target), Cell::new(since)];
                let last = [Cell::new(&when), Cell::new(&tells)];
                grid.row(std::iter::once(state).chain(cells).chain(last).collect());
            };
            for open in self.open(rule) {
                let (word, ink) = if open.firing { ("firing", Ink::Bad) } else { ("pending", Ink::Warn) };
                row(Cell::inked(word, ink), &open.probe, &open.target, &format!("{:.0}", open.since));
            }
            if self.open(rule).next().is_none() {
                let (probe, target) = selected(&rule.selector);
                let word = if self.state.is_some() { "quiet" } else { "unknown" };
                row(Cell::inked(word, Ink::Dim), &probe, &target, "");
            }
        }
        for silence in &self.silences {
            let ((probe, target), ends) = (selected(&silence.selector), self.ends(silence));
            let alerts: Vec<&str> = silence.alerts.iter().map(String::as_str).collect();
            let what = if alerts.is_empty() { "all alerts".to_owned() } else { alerts.join(" ") };
            let until = ends.map_or_else(String::new, |ends| format!("until {ends:.0}"));
            grid.row(vec![
                Cell::inked(if ends.is_some() { "silent" } else { "silence" }, Ink::Dim),
                Cell::new(&silence.name),
                Cell::new(&probe),
                Cell::new(&target),
                Cell::new(&until),
                Cell::new(&format!("{}: {what}", times(&silence.when))),
                Cell::new(""),
            ]);
        }
        grid.render(look)
    }

    fn summary(&self) -> String {
        let what = format!("{}, {}", count(self.rules.len(), "alert"), count(self.silences.len(), "silence"));
        match &self.state {
            None => format!("{what}; no daemon has kept a state here (--state DIR)\n"),
            Some((at, open)) => {
                let firing = open.iter().filter(|open| open.firing).count();
                format!("{what}; {firing} firing, by what the daemon kept at {at:.0}\n")
            }
        }
    }

    fn document(&self) -> Value {
        let open = |rule: &Rule| -> Vec<Value> {
            let told = |open: &Remembered| {
                let state = if open.firing { "firing" } else { "pending" };
                json!({"probe": open.probe, "target": open.target, "state": state, "since": open.since})
            };
            self.open(rule).map(told).collect()
        };
        let rule = |rule: &Rule| {
            let Selector { probes, targets, labels } = &rule.selector;
            json!({
                "name": rule.name, "when": asks(rule), "severity": rule.severity.name(), "notify": rule.notify,
                "restart": rule.restart, "probes": probes, "targets": targets, "labels": labels, "open": open(rule),
            })
        };
        let own = |own: &Remembered| json!({"name": own.alert, "state": "firing", "since": own.since});
        let silence = |silence: &Silence| {
            let Selector { probes, targets, labels } = &silence.selector;
            json!({
                "name": silence.name, "when": times(&silence.when), "until": self.ends(silence),
                "alerts": silence.alerts, "probes": probes, "targets": targets, "labels": labels,
            })
        };
        json!({
            "schema": SCHEMA,
            "at": self.state.as_ref().map(|(at, _)| at),
            "alerts": self.rules.iter().map(rule).collect::<Vec<_>>(),
            "prober": self.own().map(own),
            "silences": self.silences.iter().map(silence).collect::<Vec<_>>(),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn listed(state: Vec<Remembered>) -> Listed {
        let now = "2026-03-28T12:00:00Z".parse().unwrap();
        Listed { rules: Vec::new(), silences: Vec::new(), state: Some((now, state)), now }
    }

    #[test]
    fn the_alert_about_the_prober_itself_is_listed_where_it_fires() {
        let since = "2026-03-28T11:00:00Z".parse().unwrap();
        let (probe, target) = (String::new(), String::new());
        let own = Remembered { alert: CONNECTIVITY.to_owned(), probe, target, firing: true, since };
        let look = Terminal::stdout(None).look;
        let firing = listed(vec![own]);
        let rows = firing.rows(&look);
        assert!(
            rows.contains("firing") && rows.contains(CONNECTIVITY) && rows.contains("2026-03-28T11:00:00Z"),
            "{rows}"
        );
        assert!(firing.summary().contains("1 firing"), "{}", firing.summary());
        assert_eq!(firing.document()["prober"]["since"], "2026-03-28T11:00:00Z");
        let quiet = listed(Vec::new());
        assert!(!quiet.rows(&look).contains(CONNECTIVITY) && quiet.summary().contains("0 firing"));
        assert!(quiet.document()["prober"].is_null());
    }
}

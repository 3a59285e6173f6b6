//! `mcp-probe status`: how the fleet of a running daemon is, as a table, a document, and an exit code.

use clap::Args;

use super::args::{DocumentOptions, help};
use super::complaint::Complaint;
use super::daemon::{Daemon, DaemonOptions};
use super::exit::Code;
use super::jq::Jq;
use super::live;
use super::output;
use super::terminal::Terminal;
use crate::report::grid::{Cell, Column, Fit, Grid};
use crate::report::{Ink, Look, count};
use crate::watch::status::{Document, Probe};

/// What a filter of this command sees.
const SEES: &str = "the status: --jq '.probes[] | select(.status != \"healthy\") | .target'";

/// `mcp-probe status`.
#[derive(Clone, Debug, Default, Args)]
#[command(after_help = help::STATUS)]
pub struct StatusArgs {
    /// Which daemon.
    #[command(flatten)]
    pub daemon: DaemonOptions,
    /// How it is told.
    #[command(flatten)]
    pub document: DocumentOptions,
}

/// Runs the command; gives the exit code as the shell sees it.
///
/// # Errors
/// When no daemon answers, or it cannot be told.
pub fn run(args: &StatusArgs) -> Result<u8, Complaint> {
    let jq = args.document.jq.as_deref().map(|filter| Jq::compile_for(filter, SEES)).transpose()?;
    let daemon = Daemon::new(&args.daemon)?;
    live::run(|signals| async move {
        let answered = tokio::select! {
            answered = daemon.status() => answered,
            () = signals.drain.cancelled() => return Ok(Code::Interrupted.number()),
        };
        let (value, document) = answered?;
        let look = Terminal::stdout(args.document.color).look;
        if args.document.json || jq.is_some() {
            output::say_json(&value, jq.as_ref(), &look)?;
        } else {
            output::say(&text(&document, &look), false)?;
        }
        Ok(code(&document).number())
    })
}

/// The exit code of a fleet.
#[must_use]
pub fn code(document: &Document) -> Code {
    match document.status.as_str() {
        "healthy" | "degraded" => Code::Healthy,
        "failed" => Code::Failed,
        _ => Code::Unknown,
    }
}

/// The ink of a status word.
#[must_use]
pub fn ink(status: Option<&str>) -> Ink {
    match status {
        Some("healthy") => Ink::Good,
        Some("degraded") => Ink::Warn,
        Some("failed") => Ink::Bad,
        _ => Ink::Dim,
    }
}

/// The table; on a terminal followed by alerts and a line that sums up.
#[must_use]
pub fn text(document: &Document, look: &Look) -> String {
    let column = |head, fit| Column { head, fit };
    let mut grid = Grid::new(
        &[
            column("status", Fit::Whole),
            column("target", Fit::Share(30)),
            column("probe", Fit::Share(20)),
            column("took", Fit::Number),
            column("protocol", Fit::Whole),
            column("tools", Fit::Number),
            column("what", Fit::Rest),
        ],
        3,
    );
    for probe in &document.probes {
        grid.row(vec![
            Cell::inked(word(probe), ink(probe.status.as_deref())),
            Cell::new(&probe.target),
            Cell::new(&probe.name),
            Cell::new(&took(probe)),
            Cell::new(&protocol(probe)),
            Cell::new(&probe.tools.map_or_else(String::new, |tools| tools.to_string())),
            Cell::new(&what(probe)),
        ]);
    }
    let mut text = grid.render(look);
    if look.is_terminal() {
        for alert in &document.alerts {
            let line =
                format!("{} {} {} on {}: {}", alert.state, alert.alert, alert.probe, alert.target, alert.summary);
            text.push_str(&format!("\n{}", look.paint(Ink::Bad, &crate::base::sanitize::one_line(&line, 400))));
        }
        for push in &document.daemon.pushes {
            let Some(why) = &push.failing else { continue };
            let line = format!("push {} ({}), {} waiting: {why}", push.name, push.kind, push.waiting);
            text.push_str(&format!("\n{}", look.paint(Ink::Warn, &crate::base::sanitize::one_line(&line, 400))));
        }
        text.push_str(&format!("\n{}\n", summary(document)));
    }
    text
}

/// The status word of a probe; `waiting` before its first run.
#[must_use]
pub fn word(probe: &Probe) -> &str {
    probe.status.as_deref().unwrap_or("waiting")
}

/// How long the last run took.
#[must_use]
pub fn took(probe: &Probe) -> String {
    let ms = probe.duration_ms.unwrap_or(-1.0);
    let took = std::time::Duration::try_from_secs_f64(ms / 1000.0);
    took.map_or_else(|_| String::new(), crate::base::duration::human)
}

/// What is spoken.
#[must_use]
pub fn protocol(probe: &Probe) -> String {
    probe.protocol.as_ref().map_or_else(String::new, |used| format!("{} {}", used.version, used.era))
}

/// Why it is not healthy, or why it is not run.
#[must_use]
pub fn what(probe: &Probe) -> String {
    match (&probe.withheld, &probe.reason, &probe.message) {
        (Some(why), ..) => format!("not run: {why}"),
        (None, Some(reason), Some(message)) => format!("{reason}: {message}"),
        _ => String::new(),
    }
}

/// One line about all of it.
#[must_use]
pub fn summary(document: &Document) -> String {
    let summary = &document.summary;
    let parts = [
        (summary.failed, "failed"),
        (summary.degraded, "degraded"),
        (summary.unknown, "unknown"),
        (summary.waiting, "waiting"),
        (summary.healthy, "healthy"),
    ];
    let parts: Vec<String> =
        parts.iter().filter(|(count, _)| *count > 0).map(|(count, word)| format!("{count} {word}")).collect();
    let alerts = count(document.alerts.len(), "open alert");
    let line = format!("{}: {}; {alerts}", count(summary.probes, "probe"), parts.join(", "));
    let restart = &document.daemon.restart_needed;
    match &document.daemon.plan_error {
        Some(why) => {
            format!("{line}\nthe probe files cannot be used as they are: {}", crate::base::sanitize::printable(why))
        }
        None if !restart.is_empty() => {
            let keys = crate::base::sanitize::one_line(&restart.join(", "), 200);
            format!("{line}\nin force only after a restart of the daemon: {keys}")
        }
        None => line,
    }
}

//! The ladder by which a child is ended: its stdin is closed, then SIGTERM, then SIGKILL, each for the whole group,
//! and then those who outlived it. The specification asks for this order; the rung that was needed is told.

use std::time::{Duration, Instant};

use nix::sys::signal::Signal;
use tokio::process::ChildStdin;

use super::{Process, census, signal_entry};
use crate::transport::Rung;

/// How long SIGTERM may take.
const TERM_MAX: Duration = Duration::from_secs(2);
/// How long the kernel may take to carry out SIGKILL; a process in a broken device's driver takes for ever.
const KILL_MAX: Duration = Duration::from_secs(1);
/// How long the rest of a tree may take to follow its leader without being called a survivor.
const FOLLOW_MAX: Duration = Duration::from_millis(200);
/// How long survivors have after SIGTERM, and after SIGKILL.
const SURVIVOR_MAX: Duration = Duration::from_millis(500);
/// How many survivors are named.
const NAMED_MAX: usize = 5;

/// How a tree of processes was ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Descent {
    /// The rung that its leader needed.
    pub rung: Rung,
    /// How many outlived the leader.
    pub survivors: usize,
    /// The names and ids of the first of them.
    pub names: Vec<String>,
}

/// Ends a child and everything that it started. Afterwards nothing of it is left, short of what the kernel cannot
/// kill.
pub async fn descend(process: &mut Process, stdin: Option<ChildStdin>, grace: Duration) -> Descent {
    let rung = leader(process, stdin, grace).await;
    let (survivors, names) = followers(process, grace).await;
    process.clear();
    census::sweep();
    Descent { rung, survivors, names }
}

/// The same for a program that serves on a socket and does not read its stdin: SIGTERM comes first.
pub async fn dismiss(process: &mut Process, stdin: Option<ChildStdin>, grace: Duration) -> Descent {
    if process.look().is_none() {
        process.sample();
        process.signal_group(Signal::SIGTERM);
    }
    descend(process, stdin, grace).await
}

async fn leader(process: &mut Process, stdin: Option<ChildStdin>, grace: Duration) -> Rung {
    if process.look().is_some() {
        return Rung::Already;
    }
    process.sample();
    drop(stdin);
    if process.ended_within(grace).await {
        return Rung::Stdin;
    }
    process.sample();
    process.signal_group(Signal::SIGTERM);
    if process.ended_within(grace.min(TERM_MAX)).await {
        return Rung::Term;
    }
    process.sample();
    process.signal_group(Signal::SIGKILL);
    process.ended_within(KILL_MAX).await;
    Rung::Kill
}

async fn followers(process: &mut Process, grace: Duration) -> (usize, Vec<String>) {
    if gone_within(process, grace.min(FOLLOW_MAX)).await {
        return (0, Vec::new());
    }
    let alive = process.survivors();
    let names = alive.iter().take(NAMED_MAX).map(|entry| format!("{} (pid {})", entry.name, entry.pid)).collect();
    for signal in [Signal::SIGTERM, Signal::SIGKILL] {
        for entry in process.survivors() {
            signal_entry(&entry, signal);
        }
        if gone_within(process, SURVIVOR_MAX).await {
            break;
        }
    }
    (alive.len(), names)
}

/// Orphans are not announced, so they are looked for, at growing intervals.
async fn gone_within(process: &mut Process, limit: Duration) -> bool {
    let until = Instant::now() + limit;
    let mut pause = Duration::from_millis(1);
    loop {
        if process.survivors().is_empty() {
            return true;
        }
        let now = Instant::now();
        if now >= until {
            return false;
        }
        tokio::time::sleep(pause.min(until - now)).await;
        pause = (pause * 2).min(Duration::from_millis(20));
    }
}

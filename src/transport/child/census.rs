//! Who is ours: the children that we started, and the orphans that Linux hands to us because we are a subreaper.
//! Processes are waited for by id only, never "any child", which would steal the status of somebody else's.

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Mutex, MutexGuard, OnceLock, PoisonError};
use std::time::Duration;

use nix::sys::signal::{Signal, kill, killpg};
use nix::sys::wait::{WaitPidFlag, WaitStatus, waitpid};
use nix::unistd::Pid;

use super::guard::AFRESH;
use super::table::{self, Entry};
use super::{MARK, guard, reaping};
use crate::base::ids::RunId;

/// A child that we started and that is not yet known to have gone with all its kin.
#[derive(Clone, Debug)]
struct Member {
    group: Pid,
    mark: String,
    /// Killed without waiting: some of it may still have to be reaped.
    dropped: bool,
}

static MEMBERS: Mutex<Vec<Member>> = Mutex::new(Vec::new());

fn members() -> MutexGuard<'static, Vec<Member>> {
    MEMBERS.lock().unwrap_or_else(PoisonError::into_inner)
}

/// From now on orphaned descendants become our children instead of init's, so that they can be found at no cost.
/// Does nothing but on Linux; tells whether it is so.
pub fn become_subreaper() -> bool {
    static DONE: OnceLock<bool> = OnceLock::new();
    *DONE.get_or_init(|| {
        #[cfg(target_os = "linux")]
        let adopts = nix::sys::prctl::set_child_subreaper(true).is_ok();
        #[cfg(not(target_os = "linux"))]
        let adopts = false;
        adopts
    })
}

/// A mark of its own for each child: the run's id and a number.
#[must_use]
pub fn next_mark(run_id: RunId) -> String {
    static NEXT: AtomicU64 = AtomicU64::new(1);
    format!("{run_id}.{}", NEXT.fetch_add(1, Ordering::Relaxed))
}

/// Enters a child that was started as the leader of its group.
pub fn enter(group: Pid, mark: &str) {
    let member = Member { group, mark: mark.to_owned(), dropped: false };
    let any_dropped = {
        let mut members = members();
        guard::tell(&announcement(&member));
        // The id of one that has gone may come again.
        members.retain(|other| other.group != group);
        members.push(member);
        members.iter().any(|other| other.dropped)
    };
    if any_dropped {
        sweep();
    }
}

/// Strikes a child off, after all its kin have gone.
pub fn leave(group: Pid) {
    let mut members = members();
    members.retain(|member| member.group != group);
    guard::tell(&format!("-{group}\n"));
}

fn announcement(member: &Member) -> String {
    format!("+{} {}\n", member.group, member.mark)
}

/// Leaves a killed child to the next sweeps.
pub fn drop_out(group: Pid) {
    for member in members().iter_mut().filter(|member| member.group == group) {
        member.dropped = true;
    }
}

/// What a guard is born with, one line for each child: we may be killed before we can tell it anything.
pub(super) fn briefing() -> String {
    members().iter().map(announcement).collect()
}

/// Tells a new guard what became of its briefing meanwhile. The guard is always told under the lock, so that its
/// picture is ours.
pub(super) fn brief_guard() {
    let members = members();
    let lines: String = members.iter().map(announcement).collect();
    guard::tell(&format!("{AFRESH}\n{lines}"));
}

/// The processes that belong to a child and outlived it, with all below them: those of its group, those that carry
/// its mark, those seen in its tree before. The ended ones are reaped; the time they used is given.
#[must_use]
pub fn survivors(group: Pid, mark: &str, known: &[(i32, u64)]) -> (Vec<Entry>, Duration) {
    let mut cpu = Duration::ZERO;
    let mut alive: Vec<Entry> = Vec::new();
    if !cfg!(target_os = "linux") {
        if kill(Pid::from_raw(-group.as_raw()), None).is_ok() {
            alive.push(whole_group(group));
        }
        return (alive, cpu);
    }
    let candidates = if become_subreaper() { table::children(own_pid()) } else { table::all() };
    let direct: Vec<i32> = members().iter().map(|member| member.group.as_raw()).collect();
    let kin = |entry: &Entry| {
        entry.group == group.as_raw()
            || known.contains(&(entry.pid, entry.started))
            || table::variable(entry.pid, MARK).is_some_and(|value| value == mark)
    };
    let adopted = candidates.into_iter().filter(|pid| *pid != own_pid() && !direct.contains(pid));
    let known_pids = known.iter().map(|(pid, _)| *pid);
    for entry in adopted.chain(known_pids).filter_map(table::entry) {
        if alive.contains(&entry) || !kin(&entry) {
            continue;
        }
        if !entry.ended {
            alive.push(entry);
        } else if entry.parent == own_pid() {
            cpu += reap(entry.pid);
        }
    }
    let mut at = 0;
    while at < alive.len() && alive.len() < table::PROCESSES_MAX {
        for entry in table::children(alive[at].pid).into_iter().filter_map(table::entry) {
            if !entry.ended && !alive.contains(&entry) {
                alive.push(entry);
            }
        }
        at += 1;
    }
    (alive, cpu)
}

/// Where there is no table, the group stands for its members.
fn whole_group(group: Pid) -> Entry {
    let id = group.as_raw();
    Entry { pid: -id, name: format!("process group {id}"), ended: false, parent: 0, group: id, session: 0, started: 0 }
}

/// Reaps orphans that ended since and that nobody waits for. An ended child of ours in a group of ours, or in a
/// session of its own, which we never give to a child, came to us as an orphan.
pub fn sweep() {
    if become_subreaper() {
        reap_orphans();
    }
    let dropped: Vec<Pid> = members().iter().filter(|member| member.dropped).map(|member| member.group).collect();
    for group in dropped.into_iter().filter(|&group| killpg(group, None).is_err()) {
        leave(group);
    }
}

fn reap_orphans() {
    let direct: Vec<i32> = members().iter().map(|member| member.group.as_raw()).collect();
    let others: Vec<i32> = table::children(own_pid()).into_iter().filter(|pid| !direct.contains(pid)).collect();
    if others.is_empty() {
        return;
    }
    let Some(own) = table::entry(own_pid()) else { return };
    for entry in others.into_iter().filter_map(table::entry) {
        let orphan = entry.session != own.session || direct.contains(&entry.group);
        if entry.ended && orphan {
            reap(entry.pid);
        }
    }
}

fn reap(pid: i32) -> Duration {
    let (status, cpu) = reaping(|| waitpid(Pid::from_raw(pid), Some(WaitPidFlag::WNOHANG)));
    match status {
        Ok(WaitStatus::StillAlive) | Err(_) => Duration::ZERO,
        Ok(_) => cpu,
    }
}

/// Kills every child and all its kin at once, for an exit that has no time left.
pub fn kill_all() {
    let all: Vec<Member> = members().clone();
    for member in &all {
        let below = table::descendants(member.group.as_raw());
        let _ = killpg(member.group, Signal::SIGKILL);
        for pid in below {
            let _ = kill(Pid::from_raw(pid), Signal::SIGKILL);
        }
        for entry in survivors(member.group, &member.mark, &[]).0 {
            let _ = kill(Pid::from_raw(entry.pid), Signal::SIGKILL);
        }
    }
}

fn own_pid() -> i32 {
    Pid::this().as_raw()
}

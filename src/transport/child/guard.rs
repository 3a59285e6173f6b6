//! The guard: a second process of this executable that outlives a mcp-probe killed with SIGKILL just long enough to
//! end the children it left. It holds the read end of a pipe from us and is told the groups and marks of our
//! children on it; the pipe's end is our death. It does nothing else, and never stays.

use std::collections::{BTreeMap, BTreeSet};
use std::io::{BufRead, BufReader, Read, Write};
use std::os::unix::process::CommandExt;
use std::process::{Child, ChildStdin, Command, Stdio};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use nix::sys::signal::{SigSet, Signal, kill, killpg};
use nix::unistd::Pid;

use super::{MARK, census, program, table};

/// The hidden first argument that makes this executable a guard.
pub const ARGUMENT: &str = "__guard";

/// The line after which the groups are told anew.
pub(super) const AFRESH: &str = "=";

/// How long children have between SIGTERM and SIGKILL once nobody is left to wait for them.
const TERM_MAX: Duration = Duration::from_millis(500);
/// How long the end of a guard is waited for.
const DISMISS_MAX: Duration = Duration::from_millis(100);
/// More than this on one line comes from nobody we know.
const LINE_BYTES_MAX: u64 = 256;
/// How often the table is searched for processes that are born while others are killed.
const ROUNDS_MAX: usize = 5;

struct Guard {
    child: Child,
    pipe: ChildStdin,
}

static GUARD: Mutex<Option<Guard>> = Mutex::new(None);

fn current() -> MutexGuard<'static, Option<Guard>> {
    GUARD.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Starts the guard of this process, if it has none. Called after the first request was written, so that it costs
/// no latency. Without a guard everything works but the clean-up after a SIGKILL, so failing is silent.
pub fn start_guard() {
    {
        let briefing = census::briefing();
        let mut guard = current();
        if guard.is_some() {
            return;
        }
        let Ok(executable) = program::own_executable() else { return };
        *guard = start(Command::new(executable).arg0(program::OWN_NAME).arg(ARGUMENT).arg(briefing));
    }
    census::brief_guard();
}

fn start(command: &mut Command) -> Option<Guard> {
    command.env_clear().current_dir("/").process_group(0);
    command.stdin(Stdio::piped()).stdout(Stdio::null()).stderr(Stdio::null());
    let mut child = command.spawn().ok()?;
    let pipe = child.stdin.take()?;
    Some(Guard { child, pipe })
}

/// Tells the guard a line; without one nothing happens. A guard that has gone is forgotten.
pub(super) fn tell(lines: &str) {
    let mut current = current();
    if let Some(guard) = current.as_mut()
        && guard.pipe.write_all(lines.as_bytes()).is_err()
        && let Some(mut guard) = current.take()
    {
        let _ = guard.child.kill();
        let _ = guard.child.wait();
    }
}

/// Sends the guard home, when all children have gone. Waits a moment for it, so that nothing of us is left; if it
/// does not go, the end of its pipe will end it with us.
pub fn dismiss_guard() {
    let Some(Guard { mut child, mut pipe }) = current().take() else { return };
    let _ = pipe.write_all(b"bye\n");
    drop(pipe);
    let until = Instant::now() + DISMISS_MAX;
    while matches!(child.try_wait(), Ok(None)) && Instant::now() < until {
        std::thread::sleep(Duration::from_micros(200));
    }
}

/// The whole life of a guard; gives its exit code. Signals that are meant for mcp-probe do not end it.
#[must_use]
pub fn guard_main() -> i32 {
    let mut deaf = SigSet::empty();
    for signal in [Signal::SIGINT, Signal::SIGTERM, Signal::SIGHUP, Signal::SIGQUIT, Signal::SIGPIPE] {
        deaf.add(signal);
    }
    let _ = deaf.thread_block();
    let briefing = std::env::args().nth(2).unwrap_or_default();
    if let Some(wards) = stand(briefing.as_bytes().chain(std::io::stdin().lock())) {
        wards.end();
    }
    0
}

/// The children to be ended.
#[derive(Debug, Default, PartialEq, Eq)]
struct Wards {
    groups: BTreeMap<i32, String>,
    /// Run ids, which stay when a group leaves: what ran away from it still carries the mark.
    runs: BTreeSet<String>,
}

/// Listens until the pipe ends; nothing when it was dismissed.
fn stand(pipe: impl Read) -> Option<Wards> {
    let mut pipe = BufReader::new(pipe);
    let mut wards = Wards::default();
    loop {
        let mut line = Vec::new();
        match pipe.by_ref().take(LINE_BYTES_MAX).read_until(b'\n', &mut line) {
            Ok(0) | Err(_) => return Some(wards),
            Ok(_) if line == b"bye\n" => return None,
            // A line that was cut by our death does not count.
            Ok(_) if line.ends_with(b"\n") => wards.hear(String::from_utf8_lossy(&line).trim_end()),
            Ok(_) => {}
        }
    }
}

impl Wards {
    fn hear(&mut self, line: &str) {
        if let Some((group, mark)) = line.strip_prefix('+').and_then(|rest| rest.split_once(' ')) {
            let (Some(group), Some((run, _))) = (group_id(group), mark.split_once('.')) else { return };
            self.groups.insert(group, mark.to_owned());
            self.runs.insert(run.to_owned());
        } else if let Some(group) = line.strip_prefix('-').and_then(group_id) {
            self.groups.remove(&group);
        } else if line == AFRESH {
            self.groups.clear();
        }
    }

    fn end(&self) {
        for group in self.groups.keys() {
            let _ = killpg(Pid::from_raw(*group), Signal::SIGTERM);
        }
        for pid in self.marked() {
            let _ = kill(Pid::from_raw(pid), Signal::SIGTERM);
        }
        let until = Instant::now() + TERM_MAX;
        while self.anybody() && Instant::now() < until {
            std::thread::sleep(Duration::from_millis(10));
        }
        for _ in 0..ROUNDS_MAX {
            if !self.anybody() {
                return;
            }
            for group in self.groups.keys() {
                let _ = killpg(Pid::from_raw(*group), Signal::SIGKILL);
            }
            for pid in self.marked() {
                let _ = kill(Pid::from_raw(pid), Signal::SIGKILL);
            }
            std::thread::sleep(Duration::from_millis(10));
        }
    }

    fn anybody(&self) -> bool {
        self.groups.keys().any(|group| killpg(Pid::from_raw(*group), None).is_ok()) || !self.marked().is_empty()
    }

    fn marked(&self) -> Vec<i32> {
        let own = Pid::this().as_raw();
        let carries = |pid: i32| {
            let mark = table::variable(pid, MARK)?;
            self.runs.contains(mark.split_once('.')?.0).then_some(())
        };
        table::all().into_iter().filter(|&pid| pid != own && carries(pid).is_some()).collect()
    }
}

/// A group id; 0 and 1 would mean ourselves and everybody.
fn group_id(text: &str) -> Option<i32> {
    text.parse().ok().filter(|&id| id > 1)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_it_is_told() {
        let told = b"+12 00ff.1\n+13 00ff.2\n-12\n+0 00ff.3\n+1 00ff.4\n+x\n+14\nhello\n-99\n+15 00ff";
        let wards = stand(&told[..]).unwrap();
        assert_eq!(wards.groups, BTreeMap::from([(13, "00ff.2".to_owned())]));
        assert_eq!(wards.runs, BTreeSet::from(["00ff".to_owned()]));
        assert_eq!(stand(&b"+12 00ff.1\nbye\n"[..]), None);
        assert_eq!(stand(&b""[..]), Some(Wards::default()));
        let again = stand(&b"+12 00ff.1\n+13 00ff.2\n=\n+13 00ff.2\n"[..]).unwrap();
        assert_eq!(again.groups, BTreeMap::from([(13, "00ff.2".to_owned())]));
        let endless = vec![b'x'; 1 << 16];
        assert_eq!(stand(&endless[..]), Some(Wards::default()));
    }

    #[test]
    fn dead_wards_are_no_work() {
        let begun = Instant::now();
        let wards = stand(&b"+2147483646 ffffffffffffffffffff.1\n"[..]).unwrap();
        wards.end();
        assert!(begun.elapsed() < TERM_MAX);
    }
}

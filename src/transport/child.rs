//! A child process that is never left behind: started in its own process group with a mark in its environment,
//! reaped by pid, ended by the ladder or, when it is dropped, at once. Nothing here knows what a child says.

pub mod census;
pub mod guard;
pub mod ladder;
pub mod program;
pub mod table;

use std::future::{Future, poll_fn};
use std::path::PathBuf;
use std::pin::pin;
use std::process::{ExitStatus, Stdio};
use std::sync::{Mutex, PoisonError};
use std::task::Poll;
use std::time::{Duration, Instant};

use nix::sys::resource::{UsageWho, getrusage};
use nix::sys::signal::{Signal, kill, killpg};
use nix::sys::time::TimeValLike;
use nix::unistd::Pid;
use tokio::process::{Child, ChildStderr, ChildStdin, ChildStdout, Command};

use crate::base::ids::RunId;
use crate::transport::{Fault, Usage};
pub use table::cpu_time;

/// The environment variable that marks our children and whatever they start.
pub const MARK: &str = "MCP_PROBE_RUN";

/// What a minimal environment keeps.
pub const MINIMAL: [&str; 8] = ["PATH", "HOME", "USER", "LOGNAME", "SHELL", "TERM", "LANG", "TMPDIR"];

/// By these a service manager hears from us; a child that had them could speak for us.
pub const SERVICE: [&str; 3] = ["NOTIFY_SOCKET", "WATCHDOG_USEC", "WATCHDOG_PID"];

/// Which variables of ours a child gets.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Inherit {
    /// All of them.
    All {
        /// But not these: what the plan reads as secrets for something else.
        except: Vec<String>,
    },
    /// Only [`MINIMAL`].
    Minimal {
        /// And these.
        also: Vec<String>,
    },
    /// What another program would hand on.
    Exactly {
        /// The names of the variables.
        names: Vec<String>,
        /// The PATH that takes the place of ours.
        path: Option<String>,
    },
}

impl Inherit {
    /// Whether a variable of ours reaches the child.
    #[must_use]
    pub fn passes(&self, name: &str) -> bool {
        match self {
            Self::All { except } => !except.iter().any(|other| other == name),
            Self::Minimal { also } => MINIMAL.contains(&name) || also.iter().any(|other| other == name),
            Self::Exactly { names, .. } => names.iter().any(|other| other == name),
        }
    }

    /// The PATH that takes the place of ours.
    fn path(&self) -> Option<&str> {
        match self {
            Self::Exactly { path, .. } => path.as_deref(),
            Self::All { .. } | Self::Minimal { .. } => None,
        }
    }
}

/// What to start.
#[derive(Clone, Debug)]
pub struct Start<'a> {
    /// The program's word and its arguments.
    pub argv: &'a [String],
    /// Variables that are set, over those inherited.
    pub env: &'a [(String, String)],
    /// Where it runs; ours when absent.
    pub cwd: Option<&'a PathBuf>,
    /// What it inherits.
    pub inherit: &'a Inherit,
    /// The run, for the mark.
    pub run_id: RunId,
}

/// The three pipes of a child.
#[derive(Debug)]
pub struct Pipes {
    /// Its standard input.
    pub stdin: ChildStdin,
    /// Its standard output.
    pub stdout: ChildStdout,
    /// Its standard error.
    pub stderr: ChildStderr,
}

/// How and when it was seen to have ended.
#[derive(Clone, Copy, Debug)]
pub struct End {
    /// What the system says; absent when something else in this process took the answer.
    pub status: Option<ExitStatus>,
    /// When it was reaped.
    pub at: Instant,
}

/// A running child, the leader of its own process group.
#[derive(Debug)]
pub struct Process {
    child: Child,
    pid: Pid,
    program: PathBuf,
    mark: String,
    end: Option<End>,
    cpu: Duration,
    resident_bytes: Option<u64>,
    /// Descendants that were seen, with their start times: they stay ours when they leave the group.
    known: Vec<(i32, u64)>,
    cleared: bool,
}

impl Process {
    /// Starts a child. `pre_exec`, user ids and a bare name under a changed PATH are avoided on purpose: each of
    /// them makes std fork a copy of the whole process instead of the cheap `posix_spawn`.
    ///
    /// # Errors
    /// A fault whose message says what was looked for and what to do.
    pub fn spawn(start: &Start<'_>) -> Result<(Self, Pipes), Fault> {
        let program = program::resolve_program(start)?;
        census::become_subreaper();
        let mark = census::next_mark(start.run_id);
        let mut command = Command::new(&program);
        command.arg0(&start.argv[0]).args(&start.argv[1..]);
        match start.inherit {
            Inherit::All { except } => except.iter().for_each(|name| {
                command.env_remove(name);
            }),
            Inherit::Minimal { .. } | Inherit::Exactly { .. } => {
                command.env_clear();
                command.envs(
                    std::env::vars_os().filter(|(name, _)| name.to_str().is_some_and(|n| start.inherit.passes(n))),
                );
                command.envs(start.inherit.path().map(|path| ("PATH", path)));
            }
        }
        for name in SERVICE {
            command.env_remove(name);
        }
        command.envs(start.env.iter().map(|(name, value)| (name, value))).env(MARK, &mark);
        if let Some(cwd) = start.cwd {
            command.current_dir(cwd);
        }
        command.process_group(0).stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
        let mut child = command.spawn().map_err(|error| program::spawn_fault(start, &program, &error))?;
        let pid = child.id().and_then(|pid| i32::try_from(pid).ok()).map(Pid::from_raw);
        let (Some(pid), Some(stdin), Some(stdout), Some(stderr)) =
            (pid, child.stdin.take(), child.stdout.take(), child.stderr.take())
        else {
            return Err(Fault::new(crate::event::Reason::Internal, "a child was started without its pipes"));
        };
        census::enter(pid, &mark);
        let process = Self {
            child,
            pid,
            program,
            mark,
            end: None,
            cpu: Duration::ZERO,
            resident_bytes: None,
            known: Vec::new(),
            cleared: false,
        };
        Ok((process, Pipes { stdin, stdout, stderr }))
    }

    /// Its process id, which is its group's id too.
    #[must_use]
    pub fn pid(&self) -> i32 {
        self.pid.as_raw()
    }

    /// The file that was started.
    #[must_use]
    pub fn program(&self) -> &std::path::Path {
        &self.program
    }

    /// How it ended, if that was seen.
    #[must_use]
    pub fn end(&self) -> Option<End> {
        self.end
    }

    /// Looks once whether it has ended.
    pub fn look(&mut self) -> Option<End> {
        if self.end.is_none() {
            let (seen, cpu) = reaping(|| self.child.try_wait());
            if let Some(status) = seen.map_or(Some(None), |seen| seen.map(Some)) {
                self.end = Some(End { status, at: Instant::now() });
                self.cpu += cpu;
            }
        }
        self.end
    }

    /// Waits for its end. Cancel-safe.
    pub async fn ended(&mut self) -> End {
        loop {
            if let Some(end) = self.end {
                return end;
            }
            let (status, cpu) = self.reaped().await;
            self.end = Some(End { status, at: Instant::now() });
            self.cpu += cpu;
        }
    }

    /// The status is absent when somebody else took it; then all that is known is that it ended.
    async fn reaped(&mut self) -> (Option<ExitStatus>, Duration) {
        let mut wait = pin!(self.child.wait());
        poll_fn(|cx| match reaping(|| wait.as_mut().poll(cx)) {
            (Poll::Ready(status), cpu) => Poll::Ready((status.ok(), cpu)),
            (Poll::Pending, _) => Poll::Pending,
        })
        .await
    }

    /// Waits for its end, at most so long; whether it ended.
    pub async fn ended_within(&mut self, limit: Duration) -> bool {
        self.end.is_some() || tokio::time::timeout(limit, self.ended()).await.is_ok()
    }

    /// Looks at the whole tree: who belongs to it, and how much memory it used at most.
    fn sample(&mut self) {
        let tree: Vec<i32> = std::iter::once(self.pid()).chain(table::descendants(self.pid())).collect();
        let resident: Option<u64> =
            tree.iter().filter_map(|&pid| table::resident_peak(pid)).reduce(|sum, bytes| sum + bytes);
        self.resident_bytes = self.resident_bytes.max(resident);
        for entry in tree[1..].iter().filter_map(|&pid| table::entry(pid)) {
            let key = (entry.pid, entry.started);
            if !self.known.contains(&key) && self.known.len() < table::PROCESSES_MAX {
                self.known.push(key);
            }
        }
    }

    /// What the tree used; known after it was looked at while alive, and complete once all of it has ended.
    #[must_use]
    pub fn usage(&self) -> Option<Usage> {
        self.resident_bytes.map(|resident_bytes| Usage { cpu: self.cpu, resident_bytes })
    }

    /// Sends a signal to the whole group, as long as the leader's id cannot have been given to somebody else.
    fn signal_group(&self, signal: Signal) {
        if self.end.is_none() {
            let _ = killpg(self.pid, signal);
        }
    }

    /// Those who outlived the leader. Ended ones among them are reaped and their time is added.
    fn survivors(&mut self) -> Vec<table::Entry> {
        let (alive, cpu) = census::survivors(self.pid, &self.mark, &self.known);
        self.cpu += cpu;
        for entry in &alive {
            let key = (entry.pid, entry.started);
            if !self.known.contains(&key) && self.known.len() < table::PROCESSES_MAX {
                self.known.push(key);
            }
        }
        alive
    }

    /// Nothing is left: the books can be closed.
    fn clear(&mut self) {
        self.cleared = true;
        census::leave(self.pid);
    }
}

impl Drop for Process {
    /// No time to be kind: the tree is killed. What then has to be reaped, tokio (the leader) and the next sweep
    /// (its orphans) reap.
    fn drop(&mut self) {
        if self.cleared {
            return;
        }
        if self.look().is_none() {
            self.sample();
            self.signal_group(Signal::SIGKILL);
        }
        for entry in self.survivors() {
            signal_entry(&entry, Signal::SIGKILL);
        }
        let known = std::mem::take(&mut self.known);
        for (pid, started) in known {
            if let Some(entry) = table::entry(pid).filter(|entry| entry.started == started) {
                signal_entry(&entry, Signal::SIGKILL);
            }
        }
        census::drop_out(self.pid);
    }
}

/// What the tree below and with a living process has used so far; absent where the system does not tell.
#[must_use]
pub fn usage_so_far(pid: i32) -> Option<Usage> {
    let tree: Vec<i32> = std::iter::once(pid).chain(table::descendants(pid)).collect();
    let cpu = tree.iter().filter_map(|&pid| cpu_time(pid)).reduce(|sum, cpu| sum + cpu)?;
    let resident_bytes = tree.iter().filter_map(|&pid| table::resident_peak(pid)).sum();
    Some(Usage { cpu, resident_bytes })
}

/// What the tree below and with a living process uses now: memory that is resident at this moment, processor time so far.
#[must_use]
pub fn usage_now(pid: i32) -> Option<Usage> {
    let tree: Vec<i32> = std::iter::once(pid).chain(table::descendants(pid)).collect();
    let cpu = tree.iter().filter_map(|&pid| cpu_time(pid)).reduce(|sum, cpu| sum + cpu)?;
    let resident_bytes = tree.iter().filter_map(|&pid| table::resident(pid)).sum();
    Some(Usage { cpu, resident_bytes })
}

/// Sends a signal to one process; a negative id means its group.
fn signal_entry(entry: &table::Entry, signal: Signal) {
    let _ = kill(Pid::from_raw(entry.pid), signal);
}

/// Reaps, and tells the processor time that the kernel booked for it: exact to the microsecond, where the process
/// table counts in ticks of 10 ms. The lock keeps two reapings of ours apart.
fn reaping<T>(reap: impl FnOnce() -> T) -> (T, Duration) {
    static ONE: Mutex<()> = Mutex::new(());
    let _one = ONE.lock().unwrap_or_else(PoisonError::into_inner);
    let before = children_cpu();
    let result = reap();
    (result, children_cpu().saturating_sub(before))
}

fn children_cpu() -> Duration {
    let Ok(usage) = getrusage(UsageWho::RUSAGE_CHILDREN) else { return Duration::ZERO };
    [usage.user_time(), usage.system_time()]
        .into_iter()
        .map(|time| Duration::from_micros(u64::try_from(time.num_microseconds()).unwrap_or_default()))
        .sum()
}

/// The end in words: `exit code 1`, `signal 9 (SIGKILL)`.
#[must_use]
pub fn describe(status: Option<ExitStatus>) -> String {
    use std::os::unix::process::ExitStatusExt;
    match (status.and_then(|s| s.code()), status.and_then(|s| s.signal())) {
        (Some(code), _) => format!("exit code {code}"),
        (None, Some(number)) => match Signal::try_from(number) {
            Ok(signal) => format!("signal {number} ({})", signal.as_str()),
            Err(_) => format!("signal {number}"),
        },
        (None, None) => "an unknown status".into(),
    }
}

//! Programs that carry a message: started without a shell, in a process group of their own, with a time limit. What they
//! print is read to the end and kept to a bound; whatever is left of the group is ended.

use std::process::{ExitStatus, Stdio};
use std::time::Duration;

use nix::sys::signal::{Signal, killpg};
use nix::unistd::Pid;
use tokio::io::{AsyncRead, AsyncReadExt as _, AsyncWriteExt as _};
use tokio::process::{Child, Command};

use super::{CommandPayload, Receipt};
use crate::base::secret::Secret;
use crate::base::{duration, sanitize};

/// Bytes of what it prints that are kept, of each stream.
const OUTPUT_BYTES_MAX: usize = 8 * 1024;
/// How long it has after SIGTERM.
const TERM_MAX: Duration = Duration::from_secs(2);
/// How long pipes may stay open once the group was ended.
const PIPES_MAX: Duration = Duration::from_secs(1);

/// Ends the group when it is dropped, whatever becomes of the future around it. The leader is not waited for before
/// that, so that its id cannot have been given to somebody else.
struct Group(Option<Pid>);

impl Group {
    fn signal(&self, signal: Signal) {
        if let Some(pid) = self.0 {
            let _ = killpg(pid, signal);
        }
    }
}

impl Drop for Group {
    fn drop(&mut self) {
        self.signal(Signal::SIGKILL);
    }
}

/// Runs one program to its end.
pub(super) async fn run(payload: &CommandPayload, hidden: &[String]) -> Receipt {
    let Some((program, arguments)) = payload.argv.split_first() else {
        return Receipt::refused("`command` names no program");
    };
    let name = sanitize::one_line(program.reveal(), 120);
    let mut command = Command::new(program.reveal());
    for variable in hidden {
        command.env_remove(variable);
    }
    command
        .args(arguments.iter().map(Secret::reveal))
        .envs(payload.env.iter().map(|(name, value)| (name, value)))
        .process_group(0)
        .kill_on_drop(true)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped());
    let mut child = match command.spawn() {
        Ok(child) => child,
        Err(error) => return Receipt::failed(format!("{name} could not be started: {error}")),
    };
    let group = Group(child.id().and_then(|id| i32::try_from(id).ok()).map(Pid::from_raw));
    let (stdin, stdout, stderr) = (child.stdin.take(), child.stdout.take(), child.stderr.take());
    let written = async {
        // A program that reads nothing closes the pipe; that is no mistake.
        if let Some(mut stdin) = stdin {
            let _ = stdin.write_all(&payload.stdin).await;
        }
    };
    let ended = within(payload.timeout, &group, &mut child);
    let pipes = async { tokio::join!(written, kept(stdout), kept(stderr)) };
    tokio::pin!(ended, pipes);
    let mut read = None;
    let end = loop {
        tokio::select! {
            end = &mut ended => break end,
            all = &mut pipes, if read.is_none() => read = Some(all),
        }
    };
    let ((), _, stderr) = match read {
        Some(all) => all,
        None => tokio::time::timeout(PIPES_MAX, pipes).await.unwrap_or_default(),
    };
    told(&name, payload.timeout, end, &stderr)
}

/// Waits for the leader; after the time limit the group is ended. `None` where that was needed.
async fn within(limit: Duration, group: &Group, child: &mut Child) -> Option<std::io::Result<ExitStatus>> {
    let in_time = tokio::time::timeout(limit, gone(group, child)).await.is_ok();
    if !in_time {
        group.signal(Signal::SIGTERM);
        let _ = tokio::time::timeout(TERM_MAX, gone(group, child)).await;
    }
    // What the leader left behind goes with it, before its id is free.
    group.signal(Signal::SIGKILL);
    let status = child.wait().await;
    in_time.then_some(status)
}

/// Waits until the leader has ended, without taking its status where the system can do that.
async fn gone(group: &Group, child: &mut Child) {
    let mut pause = Duration::from_millis(1);
    while is_running(group, child) {
        tokio::time::sleep(pause).await;
        pause = (pause * 2).min(Duration::from_millis(50));
    }
}

#[cfg(target_os = "linux")]
fn is_running(group: &Group, _: &mut Child) -> bool {
    use nix::sys::wait::{Id, WaitPidFlag, WaitStatus, waitid};
    let flags = WaitPidFlag::WEXITED | WaitPidFlag::WNOWAIT | WaitPidFlag::WNOHANG;
    // An error says that somebody else took its status.
    group.0.is_some_and(|pid| waitid(Id::Pid(pid), flags) == Ok(WaitStatus::StillAlive))
}

#[cfg(not(target_os = "linux"))]
fn is_running(_: &Group, child: &mut Child) -> bool {
    matches!(child.try_wait(), Ok(None))
}

/// Reads to the end, keeps the beginning.
async fn kept(from: Option<impl AsyncRead + Unpin>) -> Vec<u8> {
    let mut kept = Vec::new();
    let Some(mut from) = from else { return kept };
    let mut chunk = vec![0; 4096];
    while let Ok(count @ 1..) = from.read(&mut chunk).await {
        let room = OUTPUT_BYTES_MAX - kept.len();
        kept.extend_from_slice(&chunk[..count.min(room)]);
    }
    kept
}

fn told(name: &str, limit: Duration, end: Option<std::io::Result<ExitStatus>>, stderr: &[u8]) -> Receipt {
    let said = String::from_utf8_lossy(stderr);
    let said = said.lines().rev().map(str::trim).find(|line| !line.is_empty());
    let said = said.map(|line| format!("; it said: {line}")).unwrap_or_default();
    match end {
        Some(Ok(status)) if status.success() => Receipt::Delivered,
        Some(Ok(status)) => Receipt::failed(format!("{name}: expected exit code 0, got {}{said}", ending(status))),
        Some(Err(error)) => Receipt::failed(format!("{name}: how it ended could not be seen: {error}")),
        None => {
            let limit = duration::written(limit);
            Receipt::failed(format!("{name}: expected it to end within {limit}, it was ended by us{said}"))
        }
    }
}

fn ending(status: ExitStatus) -> String {
    use std::os::unix::process::ExitStatusExt as _;
    match (status.code(), status.signal()) {
        (Some(code), _) => code.to_string(),
        (None, Some(signal)) => format!("signal {signal}"),
        (None, None) => "none".to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use std::time::Instant;

    use super::*;

    fn shell(script: &str, timeout: Duration) -> CommandPayload {
        CommandPayload {
            argv: ["sh", "-c", script].map(Secret::new).to_vec(),
            env: vec![("MCP_PROBE_ALERT".into(), "spike".into())],
            stdin: b"{\"a\":1}\n".to_vec(),
            timeout,
        }
    }

    fn why(receipt: Receipt) -> String {
        match receipt {
            Receipt::Failed { why, .. } => why,
            other => panic!("{other:?}"),
        }
    }

    #[tokio::test]
    async fn it_gets_its_input_and_its_variables_and_not_the_hidden_ones() {
        let limit = Duration::from_secs(10);
        let script =
            r#"read line; test "$line" = '{"a":1}' && test "$MCP_PROBE_ALERT" = spike && test -z "$PATH_TO_HIDE$HOME""#;
        assert_eq!(run(&shell(script, limit), &["HOME".to_owned()]).await, Receipt::Delivered);
        assert!(why(run(&shell(script, limit), &[]).await).contains("expected exit code 0, got 1"));
        // One that never reads, with more than a pipe holds.
        let big = CommandPayload { stdin: vec![b'x'; 1 << 20], ..shell("exit 0", limit) };
        assert_eq!(run(&big, &[]).await, Receipt::Delivered);
    }

    #[tokio::test]
    async fn its_end_is_told_with_its_last_words() {
        let limit = Duration::from_secs(10);
        let flood = "yes 0123456789 | head -c 3000000 >&2; echo too bad >&2; exit 3";
        assert!(why(run(&shell(flood, limit), &[]).await).starts_with("sh: expected exit code 0, got 3"));
        assert_eq!(
            why(run(&shell("echo no >&2; exit 3", limit), &[]).await),
            "sh: expected exit code 0, got 3; it said: no"
        );
        assert_eq!(why(run(&shell("kill -9 $$", limit), &[]).await), "sh: expected exit code 0, got signal 9");
        let nothing = CommandPayload { argv: vec![Secret::new("/nowhere/at/all")], ..shell("", limit) };
        assert!(why(run(&nothing, &[]).await).contains("could not be started"));
    }

    #[tokio::test]
    async fn time_is_limited_and_nothing_of_the_group_is_left() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("pid");
        let script = format!("trap '' TERM; sleep 300 & echo $! > {}; wait; sleep 300", file.display());
        let begun = Instant::now();
        let told = why(run(&shell(&script, Duration::from_millis(300)), &[]).await);
        assert!(told.contains("expected it to end within 300ms"), "{told}");
        assert!(begun.elapsed() < Duration::from_secs(8));
        // A daemon that its leader left behind holds the pipes open: it ends, too.
        let quick = format!("sleep 300 & echo $! > {}; exit 0", file.display());
        let begun = Instant::now();
        assert_eq!(run(&shell(&quick, Duration::from_secs(20)), &[]).await, Receipt::Delivered);
        assert!(begun.elapsed() < Duration::from_secs(3));
        let pid: i32 = std::fs::read_to_string(&file).unwrap().trim().parse().unwrap();
        for _ in 0..100 {
            let state = std::fs::read_to_string(format!("/proc/{pid}/stat")).unwrap_or_default();
            if state.is_empty() || state.contains(") Z") {
                return;
            }
            std::thread::sleep(Duration::from_millis(10));
        }
        panic!("{pid} is still there");
    }
}

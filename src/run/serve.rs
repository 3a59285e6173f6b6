//! A program that a target wants started for the time of the run: it says `listening on URL` in its first line on
//! stdout, and is ended by the ladder afterwards.

use std::time::Duration;

use tokio::io::{AsyncBufReadExt as _, AsyncRead, AsyncReadExt as _, BufReader};
use tokio::process::ChildStdin;
use tokio::task::JoinHandle;

use super::Context;
use super::reach::{folder, inherit};
use crate::base::{duration, sanitize};
use crate::event::{Cause, Finding, Reason, Severity};
use crate::plan::Target;
use crate::transport::child::{Process, Start, guard, ladder};

/// What the first line must begin with.
const ANNOUNCEMENT: &str = "listening on ";
/// Bytes of the first line.
const LINE_BYTES_MAX: u64 = 4096;

/// A program that was started.
pub struct Served {
    url: String,
    process: Process,
    stdin: Option<ChildStdin>,
    drains: Vec<JoinHandle<()>>,
}

impl Served {
    /// Starts it and waits for its announcement.
    ///
    /// # Errors
    /// It could not be started, ended, or said something else.
    pub async fn start(cx: &Context, target: &Target, argv: &[String]) -> Result<Self, Cause> {
        let env: Vec<_> = target.env.iter().map(|(name, value)| (name.clone(), value.reveal().to_owned())).collect();
        let cwd = folder(target);
        let start =
            Start { argv, env: &env, cwd: cwd.as_ref(), inherit: &inherit(target), run_id: cx.publisher.run_id() };
        let (process, pipes) = Process::spawn(&start).map_err(|fault| fault.cause())?;
        if cx.guard {
            guard::start_guard();
        }
        let stderr = drain(pipes.stderr);
        let mut stdout = BufReader::new(pipes.stdout);
        let mut line = Vec::new();
        let read = async { (&mut stdout).take(LINE_BYTES_MAX).read_until(b'\n', &mut line).await };
        let announced = tokio::select! {
            read = tokio::time::timeout(target.startup_timeout, read) => read.is_ok(),
            () = cx.cancel.cancelled() => false,
        };
        let text = String::from_utf8_lossy(&line).trim().to_owned();
        let mut served =
            Self { url: String::new(), process, stdin: Some(pipes.stdin), drains: vec![stderr, drain(stdout)] };
        if let Some(url) = text.strip_prefix(ANNOUNCEMENT) {
            url.clone_into(&mut served.url);
            return Ok(served);
        }
        served.end(cx.grace).await;
        if cx.cancel.is_cancelled() {
            return Err(Cause::new(Reason::Cancelled, "interrupted while the target's program was starting"));
        }
        let command = sanitize::one_line(&argv.join(" "), 120);
        let came = if !announced {
            format!("nothing came within {}", duration::human(target.startup_timeout))
        } else if text.is_empty() {
            "it ended without a word".to_owned()
        } else {
            format!("it said {:?}", sanitize::one_line(&text, 120))
        };
        let message = format!(
            "`start` of target {}: expected the first line of {command:?} to be \"listening on URL\", {came}",
            target.name
        );
        Err(Cause::new(Reason::Spawn, message))
    }

    /// Where it listens.
    #[must_use]
    pub fn url(&self) -> &str {
        &self.url
    }

    /// Whether it has not ended.
    #[must_use]
    pub fn is_running(&self) -> bool {
        self.process.end().is_none()
    }

    /// Ends it and whatever it started.
    pub async fn end(mut self, grace: Duration) -> Vec<Finding> {
        let descent = ladder::dismiss(&mut self.process, self.stdin.take(), grace).await;
        for drain in &self.drains {
            drain.abort();
        }
        if descent.survivors == 0 {
            return Vec::new();
        }
        let actual = format!("{} processes of {} were left, and ended by us", descent.survivors, self.url);
        vec![Finding::new("stdio.survivors", Severity::Warning, "no process of the server outlives it", actual)]
    }
}

/// Reads and forgets, so that the program never waits for a full pipe.
#[expect(clippy::disallowed_methods, reason = "the task is held by what was started and ends with it")]
fn drain(mut from: impl AsyncRead + Unpin + Send + 'static) -> JoinHandle<()> {
    tokio::spawn(async move {
        let mut chunk = vec![0; 8192];
        while matches!(from.read(&mut chunk).await, Ok(1..)) {}
    })
}

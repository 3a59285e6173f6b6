//! A target's `restart`: a command that asks somebody else to start the server anew. It runs in a process group of its own,
//! within a time, its output is kept in part, it is waited for, and nothing of it is left.

use std::time::{Duration, Instant};

use tokio::io::{AsyncRead, AsyncReadExt as _};

use super::Context;
use super::reach::{folder, inherit};
use crate::base::{duration, sanitize};
use crate::config::{Diag, Environment, Text};
use crate::event::{Cause, Reason};
use crate::plan::Target;
use crate::transport::child::{Process, Start, describe, guard, ladder};

/// How long a restart may take, unless something else is said.
pub const RESTART_TIMEOUT: Duration = Duration::from_secs(60);
/// Bytes of the output that are kept: the end.
const SAID_BYTES_MAX: usize = 4096;
/// How long what was written last may take to be read, when the command has ended.
const REST_MAX: Duration = Duration::from_millis(50);

/// The words of a target's `restart`, resolved. A program that is a path is relative to its file.
///
/// # Errors
/// A diagnostic for each variable or file that is missing.
pub fn words(target: &Target, environment: &dyn Environment) -> Option<Result<Vec<String>, Vec<Diag>>> {
    let texts: &[Text] = target.restart.as_deref().filter(|texts| !texts.is_empty())?;
    let (mut words, mut diags) = (Vec::new(), Vec::new());
    for text in texts {
        match text.resolve(&format!("target.{}.restart", target.name), environment) {
            Ok(resolved) => words.push(resolved.value),
            Err(diag) => diags.push(*diag),
        }
    }
    if !diags.is_empty() {
        return Some(Err(diags));
    }
    if let (Some(program), Some(text)) = (words.first_mut(), texts.first())
        && program.contains(std::path::is_separator)
    {
        *program = text.place.source.path(program).to_string_lossy().into_owned();
    }
    Some(Ok(words))
}

/// Runs a restart command in the folder and with the variables of the target's children. Gives the end of what it said.
///
/// # Errors
/// It could not be started (`spawn`), ended with another code than 0 (`exited`), took too long (`timeout`), or was
/// interrupted (`cancelled`).
pub async fn restart(cx: &Context, target: &Target, argv: &[String], limit: Duration) -> Result<String, Cause> {
    let env: Vec<_> = target.env.iter().map(|(name, value)| (name.clone(), value.reveal().to_owned())).collect();
    let cwd = folder(target);
    let start = Start { argv, env: &env, cwd: cwd.as_ref(), inherit: &inherit(target), run_id: cx.publisher.run_id() };
    let (mut process, pipes) = Process::spawn(&start).map_err(|fault| fault.cause())?;
    if cx.guard {
        guard::start_guard();
    }
    drop(pipes.stdin);
    let begun = Instant::now();
    let mut said = Said::default();
    let (mut stdout, mut stderr) = (pipes.stdout, pipes.stderr);
    let in_time = {
        let work = async {
            tokio::select! {
                _ = process.ended() => {}
                never = said.hear(&mut stdout, &mut stderr) => match never {},
            }
        };
        tokio::select! {
            () = work => Some(true),
            () = tokio::time::sleep(limit) => Some(false),
            () = cx.cancel.cancelled() => None,
        }
    };
    // A process that it left behind may hold the pipes: what is there by now is all.
    let _ = tokio::time::timeout(REST_MAX, said.hear(&mut stdout, &mut stderr)).await;
    let end = process.end();
    let descent = ladder::dismiss(&mut process, None, cx.grace).await;
    let text = said.text(cx);
    let command = sanitize::one_line(&cx.masker.mask(&argv.join(" ")), 120);
    let failed = |reason, what: String| {
        let said = if text.is_empty() { String::new() } else { format!("; it said: {text}") };
        Err(Cause::new(reason, format!("the restart command {command:?} {what}{said}")))
    };
    match (in_time, end) {
        (None, _) => failed(Reason::Cancelled, "was interrupted".to_owned()),
        (Some(false), _) => {
            failed(Reason::Timeout, format!("did not end within {} and was ended", duration::human(limit)))
        }
        (Some(true), Some(end)) if end.status.is_some_and(|status| status.success()) => {
            let left = match descent.survivors {
                0 => String::new(),
                count => format!(
                    " ({count} processes that it left were ended: a restart asks a supervisor to start the server)"
                ),
            };
            Ok(format!("{command:?} ended after {}{left}: {text}", duration::human(begun.elapsed())))
        }
        (Some(true), end) => {
            let how = describe(end.and_then(|end| end.status));
            failed(Reason::Exited, format!("ended with {how}, expected exit code 0"))
        }
    }
}

/// The end of an output.
#[derive(Default)]
struct Said(Vec<u8>);

impl Said {
    /// Hears both until nobody listens any more.
    async fn hear(
        &mut self,
        stdout: &mut (impl AsyncRead + Unpin),
        stderr: &mut (impl AsyncRead + Unpin),
    ) -> std::convert::Infallible {
        let (mut of_stdout, mut of_stderr) = ([0; 4096], [0; 4096]);
        let mut open = [true, true];
        loop {
            let (place, read) = tokio::select! {
                read = stdout.read(&mut of_stdout), if open[0] => (0, read),
                read = stderr.read(&mut of_stderr), if open[1] => (1, read),
                else => std::future::pending().await,
            };
            match read {
                Ok(count @ 1..) => self.add(if place == 0 { &of_stdout[..count] } else { &of_stderr[..count] }),
                Ok(0) | Err(_) => open[place] = false,
            }
        }
    }

    fn add(&mut self, bytes: &[u8]) {
        self.0.extend_from_slice(bytes);
        let over = self.0.len().saturating_sub(2 * SAID_BYTES_MAX);
        if over > 0 {
            self.0.drain(..self.0.len() - SAID_BYTES_MAX);
        }
    }

    fn text(&self, cx: &Context) -> String {
        let end = &self.0[self.0.len().saturating_sub(SAID_BYTES_MAX)..];
        let text = String::from_utf8_lossy(end);
        sanitize::one_line(cx.masker.mask(text.trim()).as_ref(), SAID_BYTES_MAX)
    }
}

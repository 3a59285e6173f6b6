//! How the process starts and ends: what faults of the process change, and the carrying out of it.

use std::io::{self, Write};
use std::process::{Command, Stdio};
use std::time::Duration;

/// No process of a fault outlives this, so that one that was forgotten ends by itself.
pub const LIFE_MAX: Duration = Duration::from_secs(600);

/// A process that a fault leaves behind.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Fork {
    /// In the process group of the server, holding its standard output.
    SameGroup,
    /// In a session of its own.
    Detached,
}

/// What happens around the conversation.
#[derive(Debug, Clone, Default)]
#[expect(clippy::struct_excessive_bools, reason = "each is one fault, and they combine freely")]
pub struct Boot {
    /// `--fault-delay`, for faults that need a time.
    pub fault_delay: Duration,
    /// Waits this long before anything is read.
    pub delay: Duration,
    /// Written to standard error at the start.
    pub stderr: &'static str,
    /// Written to standard output before the first message.
    pub stdout: &'static [u8],
    /// Ends at the start with this code.
    pub exit: Option<u8>,
    /// Goes on when standard input ends.
    pub ignore_eof: bool,
    /// Ignores SIGTERM (and SIGINT).
    pub ignore_term: bool,
    /// Never reads standard input.
    pub deaf: bool,
    /// Writes to standard error without end.
    pub flood: bool,
    /// Leaves a process behind.
    pub fork: Option<Fork>,
    /// Code of an orderly end.
    pub code: u8,
    /// Waits this long after standard input has ended.
    pub linger: Duration,
}

impl Boot {
    /// Starts the process that is to be left behind: `sleep`, which every Unix has.
    ///
    /// # Errors
    /// When it cannot be started.
    pub fn leave_process(&self) -> io::Result<()> {
        let Some(fork) = self.fork else { return Ok(()) };
        let seconds = LIFE_MAX.as_secs().to_string();
        let mut command = match fork {
            Fork::SameGroup => Command::new("sleep"),
            Fork::Detached => {
                let mut setsid = Command::new("setsid");
                setsid.arg("sleep");
                setsid
            }
        };
        // Standard output is inherited: who waits for its end waits for the one left behind.
        command.arg(seconds).stdin(Stdio::null()).spawn().map(drop)
    }

    /// Writes to standard error until nobody reads it any more.
    pub fn flood_stderr(&self) {
        if !self.flood {
            return;
        }
        let text = "warning: this server says the same thing again and again, 64 bytes a go\n".repeat(64);
        // The thread ends with the process.
        std::thread::spawn(move || while io::stderr().write_all(text.as_bytes()).is_ok() {});
    }

    /// Blocks SIGTERM and SIGINT by handling them with nothing.
    ///
    /// # Errors
    /// When the handler cannot be installed.
    #[cfg(unix)]
    pub fn ignore_signals(&self) -> io::Result<()> {
        use tokio::signal::unix::{SignalKind, signal};
        if self.ignore_term {
            // Installing the handler takes the default action away; it stays for the life of the process.
            drop(signal(SignalKind::terminate())?);
            drop(signal(SignalKind::interrupt())?);
        }
        Ok(())
    }

    /// Windows has no SIGTERM.
    ///
    /// # Errors
    /// Never.
    #[cfg(not(unix))]
    pub fn ignore_signals(&self) -> io::Result<()> {
        Ok(())
    }
}

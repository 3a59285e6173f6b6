//! Ctrl-C and SIGTERM: the first lets what runs come to an orderly end, the second ends at once.

use std::sync::Arc;
use std::sync::atomic::{AtomicU8, Ordering};

use tokio_util::sync::CancellationToken;

use super::exit::Code;

/// What came.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Caught {
    /// SIGINT: Ctrl-C.
    Interrupt,
    /// SIGTERM.
    Terminate,
}

impl Caught {
    /// The exit code of a one-shot command that was ended by it.
    #[must_use]
    pub fn code(self) -> Code {
        match self {
            Self::Interrupt => Code::Interrupted,
            Self::Terminate => Code::Terminated,
        }
    }
}

/// The two steps of ending.
#[derive(Clone, Debug, Default)]
pub struct Signals {
    /// Cancelled by the first signal: start nothing new, close what is open.
    pub drain: CancellationToken,
    /// Cancelled by the second: drop everything now.
    pub abort: CancellationToken,
    first: Arc<AtomicU8>,
}

impl Signals {
    /// Listens from now on. Call it inside the runtime; the task ends with the runtime.
    ///
    /// # Errors
    /// When the system refuses the handlers.
    #[expect(
        clippy::disallowed_methods,
        reason = "a signal may come until the runtime ends, and the task holds nothing"
    )]
    pub fn listen() -> std::io::Result<Self> {
        let signals = Self::default();
        let mut stream = Stream::new()?;
        let heard = signals.clone();
        tokio::spawn(async move {
            loop {
                let caught = stream.next().await;
                heard.note(caught);
            }
        });
        Ok(signals)
    }

    /// The first signal that came, if any.
    #[must_use]
    pub fn caught(&self) -> Option<Caught> {
        match self.first.load(Ordering::SeqCst) {
            1 => Some(Caught::Interrupt),
            2 => Some(Caught::Terminate),
            _ => None,
        }
    }

    fn note(&self, caught: Caught) {
        let number = match caught {
            Caught::Interrupt => 1,
            Caught::Terminate => 2,
        };
        if self.first.compare_exchange(0, number, Ordering::SeqCst, Ordering::SeqCst).is_ok() {
            self.drain.cancel();
        } else {
            self.abort.cancel();
        }
    }
}

#[cfg(unix)]
struct Stream {
    interrupt: tokio::signal::unix::Signal,
    terminate: tokio::signal::unix::Signal,
}

#[cfg(unix)]
impl Stream {
    fn new() -> std::io::Result<Self> {
        use tokio::signal::unix::{SignalKind, signal};
        Ok(Self { interrupt: signal(SignalKind::interrupt())?, terminate: signal(SignalKind::terminate())? })
    }

    async fn next(&mut self) -> Caught {
        tokio::select! {
            _ = self.interrupt.recv() => Caught::Interrupt,
            _ = self.terminate.recv() => Caught::Terminate,
        }
    }
}

#[cfg(not(unix))]
struct Stream;

#[cfg(not(unix))]
impl Stream {
    fn new() -> std::io::Result<Self> {
        Ok(Self)
    }

    async fn next(&mut self) -> Caught {
        if tokio::signal::ctrl_c().await.is_err() {
            std::future::pending::<()>().await;
        }
        Caught::Interrupt
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_drains_and_the_second_aborts() {
        let signals = Signals::default();
        assert_eq!(signals.caught(), None);
        signals.note(Caught::Terminate);
        assert!(signals.drain.is_cancelled() && !signals.abort.is_cancelled());
        signals.note(Caught::Interrupt);
        assert!(signals.abort.is_cancelled());
        assert_eq!(signals.caught().map(Caught::code), Some(Code::Terminated));
    }
}

//! What a command that reaches servers needs around it: one runtime, the two steps of ending, and the certainty that
//! nothing is left behind.

use std::future::Future;

use super::complaint::Complaint;
use super::exit::Code;
use super::signals::{Caught, Signals};
use crate::transport::child::{census, guard};

/// Descriptors that a runtime takes with its signals, and one connection.
pub const DESCRIPTORS: usize = 7;

/// Whether so many descriptors are left. It is asked before anything is opened: a library that finds none for it panics, and
/// what fails half-way is told in the words of whatever was being opened.
///
/// # Errors
/// When there are fewer, with what to do.
pub fn room(descriptors: usize) -> Result<(), Complaint> {
    #[cfg(unix)]
    {
        use nix::errno::Errno;
        use std::os::fd::{AsFd as _, OwnedFd};
        let one = || std::io::stderr().as_fd().try_clone_to_owned();
        let all = std::iter::repeat_with(one).take(descriptors).collect::<std::io::Result<Vec<OwnedFd>>>();
        if let Err(error) = all
            && [Errno::EMFILE, Errno::ENFILE].contains(&Errno::from_raw(error.raw_os_error().unwrap_or_default()))
        {
            let message = format!("expected at least {descriptors} file descriptors to begin with, got fewer: {error}");
            return Err(Complaint::usage(message)
                .hint("raise the limit: `ulimit -n 1024` in a shell, `LimitNOFILE=` in a unit of systemd"));
        }
    }
    Ok(())
}

/// Runs `work` to its end, or until a second signal. Gives what it came to, or the code of the signal.
///
/// # Errors
/// What `work` complains of, or a system that refuses a runtime.
pub fn run<F>(work: impl FnOnce(Signals) -> F) -> Result<u8, Complaint>
where
    F: Future<Output = Result<u8, Complaint>>,
{
    drive(work, |code, caught| caught.map_or(code, |caught| caught.code().number()))
}

/// The same for what works until it is told to end: the first signal is how it ends well.
///
/// # Errors
/// As [`run`].
pub fn serve<F>(work: impl FnOnce(Signals) -> F) -> Result<u8, Complaint>
where
    F: Future<Output = Result<u8, Complaint>>,
{
    drive(work, |code, _| code)
}

fn drive<F>(work: impl FnOnce(Signals) -> F, code: impl Fn(u8, Option<Caught>) -> u8) -> Result<u8, Complaint>
where
    F: Future<Output = Result<u8, Complaint>>,
{
    room(DESCRIPTORS)?;
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .map_err(|error| Complaint::new(Code::Bug, format!("the system gives no event loop: {error}")))?;
    let ended = runtime.block_on(async {
        let signals = Signals::listen()
            .map_err(|error| Complaint::new(Code::Bug, format!("signals cannot be heard: {error}")))?;
        let work = work(signals.clone());
        tokio::select! {
            ended = work => ended.map(|ended| code(ended, signals.caught())),
            () = signals.abort.cancelled() => {
                census::kill_all();
                Ok(signals.caught().map_or(Code::Interrupted, Caught::code).number())
            }
        }
    });
    guard::dismiss_guard();
    // A slow name look-up runs on a thread that cannot be stopped; nobody waits for it.
    runtime.shutdown_background();
    ended
}

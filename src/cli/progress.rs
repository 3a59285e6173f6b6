//! A sign of life on stderr while an answer is awaited. Only in a terminal, and only after a moment: a call that
//! is answered at once leaves no trace of it.

use std::sync::mpsc::{Receiver, RecvTimeoutError, SyncSender, sync_channel};
use std::thread::JoinHandle;
use std::time::Duration;

use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};

use crate::base::sanitize;

/// Faster answers show nothing.
const DELAY: Duration = Duration::from_millis(150);

/// How often it moves.
const TICK: Duration = Duration::from_millis(100);

/// A spinner that runs until it is dropped or [`Progress::clear`]ed.
pub struct Progress {
    running: Option<(SyncSender<String>, JoinHandle<()>)>,
}

impl Progress {
    /// Starts one that says `text`; `shown` is whether stderr is a terminal and nobody asked for quiet.
    #[must_use]
    pub fn start(text: &str, shown: bool) -> Self {
        if !shown {
            return Self { running: None };
        }
        let (sender, receiver) = sync_channel(16);
        let text = sanitize::one_line(text, 100);
        // A thread of its own: it must move while the runtime is busy, and it is joined before anything is printed.
        let spawned = std::thread::Builder::new().name("progress".into()).spawn(move || spin(text, &receiver));
        Self { running: spawned.ok().map(|thread| (sender, thread)) }
    }

    /// Changes the text. When the spinner is behind, the change is skipped.
    pub fn say(&self, text: &str) {
        if let Some((sender, _)) = &self.running {
            let _ = sender.try_send(sanitize::one_line(text, 100));
        }
    }

    /// Takes it off the screen; comes back when it is gone.
    pub fn clear(&mut self) {
        if let Some((sender, thread)) = self.running.take() {
            drop(sender);
            let _ = thread.join();
        }
    }
}

impl Drop for Progress {
    fn drop(&mut self) {
        self.clear();
    }
}

fn spin(mut text: String, messages: &Receiver<String>) {
    let begun = std::time::Instant::now();
    loop {
        match messages.recv_timeout(DELAY.saturating_sub(begun.elapsed())) {
            Ok(newer) => text = newer,
            Err(RecvTimeoutError::Timeout) => break,
            Err(RecvTimeoutError::Disconnected) => return,
        }
    }
    let bar = ProgressBar::with_draw_target(None, ProgressDrawTarget::stderr());
    if let Ok(style) = ProgressStyle::with_template("{spinner} {wide_msg} {elapsed}") {
        bar.set_style(style);
    }
    bar.set_message(text);
    loop {
        bar.tick();
        match messages.recv_timeout(TICK) {
            Ok(newer) => bar.set_message(newer),
            Err(RecvTimeoutError::Timeout) => {}
            Err(RecvTimeoutError::Disconnected) => break,
        }
    }
    bar.finish_and_clear();
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_ends_at_once_and_only_once() {
        let begun = std::time::Instant::now();
        let mut progress = Progress::start("waiting", true);
        for n in 0..100 {
            progress.say(&format!("step {n}"));
        }
        progress.clear();
        progress.clear();
        drop(progress);
        assert!(begun.elapsed() < Duration::from_secs(5));
        Progress::start("never", false).say("x");
    }
}

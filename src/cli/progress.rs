//! A sign of life on stderr while an answer is awaited. Only in a terminal, and only after a moment: a call that
//! is answered at once leaves no trace of it.

pub mod bar;

use std::io::{self, Write as _};
use std::sync::mpsc::{Receiver, RecvTimeoutError, SyncSender, sync_channel};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle, TermLike};

use super::terminal::Terminal;
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
        let text = fitting(text);
        // A thread of its own: it must move while the runtime is busy, and it is joined before anything is printed.
        let spawned = std::thread::Builder::new().name("progress".into()).spawn(move || spin(text, &receiver));
        Self { running: spawned.ok().map(|thread| (sender, thread)) }
    }

    /// Changes the text. When the spinner is behind, the change is skipped.
    pub fn say(&self, text: &str) {
        if let Some((sender, _)) = &self.running {
            let _ = sender.try_send(fitting(text));
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

/// So short that spinner, text and time leave room at the end of the line: the terminal writes `^C` there, and on a
/// full line that would push the cursor to the next one, out of reach of the clearing.
fn fitting(text: &str) -> String {
    const REST: usize = 14;
    let width = Terminal::stderr(None).look.width.map_or(80, usize::from);
    sanitize::one_line(text, width.saturating_sub(REST).clamp(10, 100))
}

fn spin(mut text: String, messages: &Receiver<String>) {
    let begun = Instant::now();
    loop {
        match messages.recv_timeout(DELAY.saturating_sub(begun.elapsed())) {
            Ok(newer) => text = newer,
            Err(RecvTimeoutError::Timeout) => break,
            Err(RecvTimeoutError::Disconnected) => return,
        }
    }
    let bar = ProgressBar::with_draw_target(None, ProgressDrawTarget::term_like(Box::new(Narrow)));
    if let Ok(style) = ProgressStyle::with_template("{spinner} {msg} {elapsed}") {
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

/// Stderr as a terminal that is a little narrower than it is: lines are padded to the edge, and the `^C` that the terminal
/// itself writes at the end of a full line would push the cursor to the next one, out of reach of the clearing.
#[derive(Debug)]
struct Narrow;

impl Narrow {
    fn put(text: &str) -> io::Result<()> {
        io::stderr().write_all(text.as_bytes())
    }
}

impl TermLike for Narrow {
    fn width(&self) -> u16 {
        Terminal::stderr(None).look.width.unwrap_or(80).saturating_sub(4)
    }

    fn move_cursor_up(&self, n: usize) -> io::Result<()> {
        if n == 0 { Ok(()) } else { Self::put(&format!("\u{1b}[{n}A")) }
    }

    fn move_cursor_down(&self, n: usize) -> io::Result<()> {
        if n == 0 { Ok(()) } else { Self::put(&format!("\u{1b}[{n}B")) }
    }

    fn move_cursor_right(&self, n: usize) -> io::Result<()> {
        if n == 0 { Ok(()) } else { Self::put(&format!("\u{1b}[{n}C")) }
    }

    fn move_cursor_left(&self, n: usize) -> io::Result<()> {
        if n == 0 { Ok(()) } else { Self::put(&format!("\u{1b}[{n}D")) }
    }

    fn write_line(&self, line: &str) -> io::Result<()> {
        Self::put(&format!("{line}\n"))
    }

    fn write_str(&self, text: &str) -> io::Result<()> {
        Self::put(text)
    }

    fn clear_line(&self) -> io::Result<()> {
        Self::put("\r\u{1b}[2K")
    }

    fn flush(&self) -> io::Result<()> {
        io::stderr().flush()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_ends_at_once_and_only_once() {
        let begun = Instant::now();
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

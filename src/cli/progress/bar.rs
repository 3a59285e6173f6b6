//! The progress bar of a run of probes: how many are done, how many failed, which are running, and for how long. It
//! listens to the run's events and draws on a thread of its own; it is gone before anything is printed.

use std::collections::BTreeMap;
use std::sync::mpsc::{RecvTimeoutError, SyncSender, sync_channel};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::JoinHandle;

use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};

use super::{DELAY, Narrow, TICK};
use crate::base::sanitize;
use crate::event::{Consumer, Event, EventKind, Status, TellError};

/// Columns of a name.
const NAME_MAX: usize = 40;

/// What is drawn.
#[derive(Default)]
struct Board {
    total: u64,
    done: u64,
    failed: u64,
    /// By position in the plan: the longest running one is usually the first.
    running: BTreeMap<usize, String>,
}

/// A consumer that draws.
pub struct Bar {
    board: Arc<Mutex<Board>>,
    drawing: Option<(SyncSender<()>, JoinHandle<()>)>,
}

impl Bar {
    /// Begins to draw, after a moment.
    #[must_use]
    pub fn new() -> Self {
        let board = Arc::new(Mutex::new(Board::default()));
        let (sender, receiver) = sync_channel::<()>(1);
        let shown = Arc::clone(&board);
        let spawned = std::thread::Builder::new().name("progress".into()).spawn(move || {
            if receiver.recv_timeout(DELAY) != Err(RecvTimeoutError::Timeout) {
                return;
            }
            let bar = ProgressBar::with_draw_target(None, ProgressDrawTarget::term_like(Box::new(Narrow)));
            let style = ProgressStyle::with_template("{spinner} [{bar:16}] {pos}/{len} {elapsed} {wide_msg}");
            if let Ok(style) = style {
                bar.set_style(style.progress_chars("=> "));
            }
            loop {
                shown.lock().unwrap_or_else(PoisonError::into_inner).draw(&bar);
                if receiver.recv_timeout(TICK) != Err(RecvTimeoutError::Timeout) {
                    break;
                }
            }
            bar.finish_and_clear();
        });
        Self { board, drawing: spawned.ok().map(|thread| (sender, thread)) }
    }

    fn clear(&mut self) {
        if let Some((sender, thread)) = self.drawing.take() {
            drop(sender);
            let _ = thread.join();
        }
    }
}

impl Default for Bar {
    fn default() -> Self {
        Self::new()
    }
}

impl Drop for Bar {
    fn drop(&mut self) {
        self.clear();
    }
}

impl Consumer for Bar {
    fn on_event(&mut self, event: &Event) -> Result<(), TellError> {
        self.board.lock().unwrap_or_else(PoisonError::into_inner).note(&event.kind);
        Ok(())
    }

    fn finish(mut self: Box<Self>) -> Result<(), TellError> {
        self.clear();
        Ok(())
    }
}

impl Board {
    fn note(&mut self, kind: &EventKind) {
        match kind {
            EventKind::RunStarted { probes } => self.total = *probes as u64,
            EventKind::ProbeStarted { index, probe, target } => {
                let name = format!("{}@{}", sanitize::one_line(probe, NAME_MAX), sanitize::one_line(target, NAME_MAX));
                self.running.insert(*index, name);
            }
            EventKind::ProbeFinished { index, outcome } => {
                self.running.remove(index);
                self.done += 1;
                self.failed += u64::from(outcome.status == Status::Failed);
            }
            EventKind::Wire(_)
            | EventKind::RunMissed { .. }
            | EventKind::AlertChanged(_)
            | EventKind::Noted(_)
            | EventKind::RunFinished { .. } => {}
        }
    }

    fn draw(&self, bar: &ProgressBar) {
        bar.set_length(self.total);
        bar.set_position(self.done);
        bar.set_message(self.message());
        bar.tick();
    }

    /// `2 failed · smoke@weather, built-in@files`, to be cut at the edge.
    fn message(&self) -> String {
        let names: Vec<&str> = self.running.values().map(String::as_str).collect();
        match self.failed {
            0 => names.join(", "),
            failed => format!("{failed} failed · {}", names.join(", ")),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::report::json::samples::{failed, healthy};

    #[test]
    fn the_board_counts_and_names() {
        let mut board = Board::default();
        board.note(&EventKind::RunStarted { probes: 3 });
        for (index, probe) in ["a", "b\u{1b}[2J"].into_iter().enumerate() {
            board.note(&EventKind::ProbeStarted { index, probe: probe.into(), target: "t".into() });
        }
        assert_eq!(board.message(), "a@t, b\\u{1b}[2J@t");
        board.note(&EventKind::ProbeFinished { index: 0, outcome: Arc::new(failed()) });
        assert_eq!((board.total, board.done, board.message()), (3, 1, "1 failed · b\\u{1b}[2J@t".to_owned()));
        board.note(&EventKind::ProbeFinished { index: 1, outcome: Arc::new(healthy()) });
        assert_eq!((board.done, board.message()), (2, "1 failed · ".to_owned()));
    }

    #[test]
    fn it_ends_at_once_and_only_once() {
        let begun = std::time::Instant::now();
        let bar = Box::new(Bar::new());
        assert!(bar.finish().is_ok());
        assert!(begun.elapsed() < std::time::Duration::from_secs(5));
    }
}

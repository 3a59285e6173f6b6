//! The standard error of a child: always drained, so that the child never blocks on it, its end kept as evidence.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use tokio::io::AsyncRead;

use crate::event::{Finding, Severity};
use crate::transport::scratch;

/// How much of the end is kept.
pub const TAIL_BYTES_MAX: usize = 8 * 1024;
/// More than a pipe holds: clients that do not drain stderr deadlock here.
const VOLUME_BYTES: u64 = 64 * 1024;

/// What was written so far.
#[derive(Debug, Default)]
pub struct Stderr(Mutex<Kept>);

#[derive(Debug, Default)]
struct Kept {
    tail: Vec<u8>,
    total: u64,
}

impl Stderr {
    fn kept(&self) -> MutexGuard<'_, Kept> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Reads until the end.
    pub async fn drain(self: Arc<Self>, mut from: impl AsyncRead + Unpin) {
        while let Ok(1..) = scratch::read(&mut from, |chunk| self.kept().push(chunk)).await {}
    }

    /// The end, raw: whole lines where there are any.
    #[must_use]
    pub fn tail(&self) -> Option<String> {
        let kept = self.kept();
        let tail = last(&kept.tail, kept.total > kept.tail.len() as u64);
        (!tail.trim_ascii().is_empty()).then(|| String::from_utf8_lossy(tail).into_owned())
    }

    /// What is to be said about it.
    #[must_use]
    pub fn finding(&self) -> Option<Finding> {
        let total = self.kept().total;
        (total > VOLUME_BYTES).then(|| {
            Finding::new(
                "stdio.stderr_volume",
                Severity::Warning,
                format!(
                    "at most {} KiB on stderr: clients that do not read it block the server there",
                    VOLUME_BYTES / 1024
                ),
                format!("{} KiB on stderr", total / 1024),
            )
        })
    }
}

impl Kept {
    fn push(&mut self, chunk: &[u8]) {
        self.total += chunk.len() as u64;
        self.tail.extend_from_slice(&chunk[chunk.len().saturating_sub(TAIL_BYTES_MAX)..]);
        // Cut rarely, so that a flood costs one move of bytes for every kept length.
        if self.tail.len() > 2 * TAIL_BYTES_MAX {
            self.tail.drain(..self.tail.len() - TAIL_BYTES_MAX);
        }
    }
}

fn last(tail: &[u8], cut_before: bool) -> &[u8] {
    let cut = tail.len().saturating_sub(TAIL_BYTES_MAX);
    let end = &tail[cut..];
    if cut == 0 && !cut_before {
        return end;
    }
    match memchr::memchr(b'\n', end) {
        Some(at) if at + 1 < end.len() => &end[at + 1..],
        _ => end,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_end_is_whole_lines() {
        let stderr = Stderr::default();
        assert_eq!(stderr.tail(), None);
        stderr.kept().push(b"\n \n");
        assert_eq!(stderr.tail(), None);
        for number in 0..100_000 {
            stderr.kept().push(format!("line {number}\n").as_bytes());
        }
        let tail = stderr.tail().unwrap();
        assert!(tail.len() <= TAIL_BYTES_MAX && tail.len() > TAIL_BYTES_MAX - 20, "{}", tail.len());
        assert!(tail.starts_with("line 99") && tail.ends_with("line 99999\n"), "{tail}");
        assert_eq!(stderr.finding().unwrap().id, "stdio.stderr_volume");
    }

    #[test]
    fn one_endless_line_is_cut_anywhere() {
        let stderr = Stderr::default();
        for _ in 0..1000 {
            stderr.kept().push(&[b'x'; 100]);
        }
        assert_eq!(stderr.tail().unwrap().len(), TAIL_BYTES_MAX);
        assert!(stderr.kept().tail.len() <= 2 * TAIL_BYTES_MAX);
    }
}

//! A writer that is never waited for: lines go into a bounded queue, a thread writes them. When whoever reads them is too
//! slow, lines are dropped and counted, and the gap is told.

use std::io::Write;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

/// Lines that wait.
const LINES_MAX: usize = 4096;
/// Bytes of them: one line of the wire may be a large message.
const BYTES_MAX: usize = 16 << 20;
/// How long the last lines may take at the end.
const END: Duration = Duration::from_secs(2);

/// The near end.
#[derive(Debug)]
pub struct Behind {
    queue: Option<SyncSender<Vec<u8>>>,
    /// Bytes that wait, or are being written.
    waiting: Arc<AtomicUsize>,
    dropped: u64,
    told: fn(u64) -> String,
    thread: Option<JoinHandle<()>>,
}

impl Behind {
    /// Starts the thread; it ends with what is returned. `told` is the line that says how many were dropped.
    ///
    /// # Errors
    /// When the system gives no thread.
    pub fn new(writer: impl Write + Send + 'static, told: fn(u64) -> String) -> std::io::Result<Self> {
        let (queue, lines) = sync_channel(LINES_MAX);
        let waiting = Arc::new(AtomicUsize::new(0));
        let left = Arc::clone(&waiting);
        let thread = std::thread::Builder::new().name("log".into()).spawn(move || write_all(writer, &lines, &left))?;
        Ok(Self { queue: Some(queue), waiting, dropped: 0, told, thread: Some(thread) })
    }

    /// Whether there was room for it. One line has room wherever nothing else waits.
    fn has_taken(&self, queue: &SyncSender<Vec<u8>>, line: Vec<u8>) -> bool {
        let bytes = line.len();
        let before = self.waiting.fetch_add(bytes, Ordering::Relaxed);
        let taken = (before == 0 || before + bytes <= BYTES_MAX) && queue.try_send(line).is_ok();
        if !taken {
            self.waiting.fetch_sub(bytes, Ordering::Relaxed);
        }
        taken
    }
}

fn write_all(mut writer: impl Write, lines: &Receiver<Vec<u8>>, waiting: &AtomicUsize) {
    while let Ok(line) = lines.recv() {
        // A full disk today may have room tomorrow; the probes do not stop for it.
        let _ = writer.write_all(&line).and_then(|()| writer.flush());
        waiting.fetch_sub(line.len(), Ordering::Relaxed);
    }
}

impl Write for Behind {
    fn write(&mut self, line: &[u8]) -> std::io::Result<usize> {
        let Some(queue) = &self.queue else { return Ok(line.len()) };
        if self.dropped > 0 && !self.has_taken(queue, (self.told)(self.dropped).into_bytes()) {
            self.dropped += 1;
            return Ok(line.len());
        }
        self.dropped = u64::from(!self.has_taken(queue, line.to_vec()));
        Ok(line.len())
    }

    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}

impl Drop for Behind {
    fn drop(&mut self) {
        self.queue = None;
        let limit = Instant::now() + END;
        if let Some(thread) = self.thread.take() {
            while !thread.is_finished() && Instant::now() < limit {
                std::thread::sleep(Duration::from_millis(2));
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::{Arc, Mutex};

    use super::*;

    /// Writes when it is let.
    struct Slow(Arc<Mutex<Vec<u8>>>);

    impl Write for Slow {
        fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
            self.0.lock().unwrap().extend_from_slice(bytes);
            Ok(bytes.len())
        }
        fn flush(&mut self) -> std::io::Result<()> {
            Ok(())
        }
    }

    #[test]
    fn a_reader_that_stands_still_holds_up_nobody() {
        let written = Arc::new(Mutex::new(Vec::new()));
        let mut behind = Behind::new(Slow(Arc::clone(&written)), |count| format!("{count} dropped\n")).unwrap();
        let held = written.lock().unwrap();
        for count in 0..LINES_MAX + 100 {
            behind.write_all(format!("line {count}\n").as_bytes()).unwrap();
        }
        // The thread has one line in hand, whenever it came to take it: for the last one there was no room.
        assert!(behind.dropped > 0);
        drop(held);
        let limit = Instant::now() + Duration::from_secs(10);
        while written.lock().unwrap().len() < 1000 && Instant::now() < limit {
            std::thread::sleep(Duration::from_millis(1));
        }
        behind.write_all(b"last\n").unwrap();
        drop(behind);
        let text = String::from_utf8(written.lock().unwrap().clone()).unwrap();
        assert!(text.ends_with(" dropped\nlast\n"), "…{}", &text[text.len() - 90..]);
    }

    #[test]
    fn large_lines_take_a_bounded_place() {
        let written = Arc::new(Mutex::new(Vec::new()));
        let mut behind = Behind::new(Slow(Arc::clone(&written)), |count| format!("{count} dropped\n")).unwrap();
        let held = written.lock().unwrap();
        for _ in 0..10 {
            behind.write_all(&vec![b'x'; BYTES_MAX / 4]).unwrap();
        }
        assert_eq!(behind.dropped, 6);
        assert!(behind.waiting.load(Ordering::Relaxed) <= BYTES_MAX);
        drop(held);
        drop(behind);
        assert_eq!(written.lock().unwrap().len(), BYTES_MAX);
    }
}

//! The standard output of a child: lines become messages or noise, each stamped where its bytes were read, and what
//! is not as it should be is counted for the findings.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Instant;

use bytes::Bytes;
use tokio::io::AsyncRead;
use tokio::sync::{OwnedSemaphorePermit, Semaphore, mpsc};

use crate::base::sanitize;
use crate::event::{Finding, Reason, Severity};
use crate::transport::scratch;
use crate::transport::{Fault, Heard, What};
use crate::wire::lines::{Line, LineDecoder};
use crate::wire::{Frame, message};

/// How many things may wait to be received.
const WAITING_MAX: usize = 1024;
/// How much of a bad line is shown.
const SAMPLE_CHARS: usize = 120;
/// How much of noise is handed on.
const NOISE_BYTES_MAX: usize = 8 * 1024;

/// Something heard, with its share of the memory that unheard things may take.
#[derive(Debug)]
pub struct Parcel {
    /// What was heard.
    pub heard: Heard,
    _share: OwnedSemaphorePermit,
}

/// Where what was heard waits: bounded in number and in bytes. Full, it makes the child wait.
#[derive(Debug)]
pub struct Inbox {
    parcels: mpsc::Receiver<Box<Parcel>>,
    budget: Arc<Semaphore>,
}

impl Inbox {
    /// The next thing; nothing after the end of stdout. Cancel-safe.
    pub async fn next(&mut self) -> Option<Heard> {
        self.parcels.recv().await.map(|parcel| parcel.heard)
    }

    /// What is there already.
    pub fn waiting(&mut self) -> Option<Heard> {
        self.parcels.try_recv().ok().map(|parcel| parcel.heard)
    }

    /// Nobody listens any more: from now on stdout is read, counted and forgotten.
    pub fn close(&mut self) {
        self.parcels.close();
        self.budget.close();
    }
}

/// What was noticed on stdout.
#[derive(Debug, Default)]
pub struct Stdout(Mutex<Noticed>);

#[derive(Debug, Default)]
struct Noticed {
    messages: u64,
    noise: u64,
    first_noise: Option<FirstNoise>,
    crlf: u64,
    blank: u64,
    byte_order_marks: u64,
    unfinished: Option<Unfinished>,
    midway_bytes: u64,
}

#[derive(Debug)]
struct FirstNoise {
    sample: String,
    offset: u64,
    before_first_message: bool,
}

#[derive(Clone, Debug)]
struct Unfinished {
    bytes: usize,
    was_message: bool,
}

impl Stdout {
    fn noticed(&self) -> MutexGuard<'_, Noticed> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// How many messages came.
    #[must_use]
    pub fn messages(&self) -> u64 {
        self.noticed().messages
    }

    /// The length of a message that was broken off by the end of stdout.
    #[must_use]
    pub fn broken_off(&self) -> Option<usize> {
        self.noticed().unfinished.as_ref().filter(|line| !line.was_message).map(|line| line.bytes)
    }

    /// Bytes of a line that has begun and not ended.
    #[must_use]
    pub fn midway_bytes(&self) -> u64 {
        self.noticed().midway_bytes
    }

    /// What is to be said about it.
    #[must_use]
    pub fn findings(&self) -> Vec<Finding> {
        self.noticed().findings()
    }

    /// The same, and what is counted for it begins anew.
    #[must_use]
    pub fn take_findings(&self) -> Vec<Finding> {
        let mut noticed = self.noticed();
        let findings = noticed.findings();
        (noticed.noise, noticed.first_noise) = (0, None);
        (noticed.crlf, noticed.blank, noticed.byte_order_marks) = (0, 0, 0);
        findings
    }
}

impl Noticed {
    fn findings(&self) -> Vec<Finding> {
        let mut findings = Vec::new();
        if let Some(first) = &self.first_noise {
            let FirstNoise { sample, offset, before_first_message } = first;
            let when = if *before_first_message { "before" } else { "after" };
            let count = self.noise;
            let lines = if count == 1 { "1 other line".to_owned() } else { format!("{count} other lines, the first") };
            findings.push(Finding::new(
                "stdio.stdout_clean",
                Severity::Error,
                "nothing but JSON-RPC messages on stdout (logs belong on stderr)",
                format!("{lines} at byte {offset}, {when} the first message: {sample}"),
            ));
        }
        let mut wrong = Vec::new();
        let mut add = |count: u64, one: &str, many: &str| match count {
            0 => {}
            1 => wrong.push(format!("1 {one}")),
            _ => wrong.push(format!("{count} {many}")),
        };
        add(self.crlf, "line ended with CR LF", "lines ended with CR LF");
        add(self.blank, "blank line", "blank lines");
        add(self.byte_order_marks, "byte order mark", "byte order marks");
        if self.unfinished.is_some() {
            wrong.push("the last line had no line feed".into());
        }
        if !wrong.is_empty() {
            findings.push(Finding::new(
                "stdio.framing",
                Severity::Warning,
                "one message a line, each line ended by a line feed alone",
                wrong.join(", "),
            ));
        }
        findings
    }
}

/// The task that reads stdout.
#[derive(Debug)]
pub struct Reader {
    stdout: Arc<Stdout>,
    /// Boxed: a channel has room for 32 of what it carries from the first on, as long as the child is held.
    parcels: mpsc::Sender<Box<Parcel>>,
    budget: Arc<Semaphore>,
    budget_bytes: usize,
    line_bytes_max: usize,
    offset: u64,
    /// The line that is being read is over the limit, and that was told.
    told_too_long: bool,
}

impl Reader {
    /// A reader for lines of at most so many bytes, and the place where what it reads can be had.
    #[must_use]
    pub fn new(stdout: Arc<Stdout>, line_bytes_max: usize) -> (Self, Inbox) {
        let (sender, receiver) = mpsc::channel(WAITING_MAX);
        // One line of the largest size always fits beside another.
        let budget_bytes = line_bytes_max.saturating_mul(2).clamp(1 << 20, u32::MAX as usize >> 1);
        let budget = Arc::new(Semaphore::new(budget_bytes));
        let inbox = Inbox { parcels: receiver, budget: budget.clone() };
        (Self { stdout, parcels: sender, budget, budget_bytes, line_bytes_max, offset: 0, told_too_long: false }, inbox)
    }

    /// Reads until the end. A line's first byte is stamped with the read that brought it, its last likewise.
    pub async fn run(mut self, mut from: impl AsyncRead + Unpin) {
        let mut decoder = LineDecoder::new(self.line_bytes_max);
        let mut began: Option<Instant> = None;
        while let Ok(1..) = scratch::read(&mut from, |chunk| decoder.push(chunk)).await {
            let at = Instant::now();
            while let Some(line) = decoder.next_line() {
                self.line(line, began.take().unwrap_or(at), at).await;
            }
            let midway = decoder.midway_bytes();
            self.stdout.noticed().midway_bytes = midway;
            if midway > self.line_bytes_max as u64 && !self.told_too_long {
                // Its end may never come.
                self.told_too_long = true;
                self.hand_on(What::Fault(self.too_long()), 0, began.unwrap_or(at), at).await;
            }
            began = if decoder.is_midway() { began.or(Some(at)) } else { None };
        }
        if let Some(line) = decoder.finish() {
            let at = Instant::now();
            self.last_line(line, began.unwrap_or(at), at).await;
        }
    }

    async fn line(&mut self, line: Line, first_byte: Instant, at: Instant) {
        let offset = self.offset;
        match line {
            Line::TooLong { bytes } => {
                self.offset += bytes + 1;
                if !std::mem::take(&mut self.told_too_long) {
                    self.hand_on(What::Fault(self.too_long()), 0, first_byte, at).await;
                }
            }
            Line::Whole { bytes, crlf } => {
                self.offset += bytes.len() as u64 + if crlf { 2 } else { 1 };
                self.stdout.noticed().crlf += u64::from(crlf);
                if let Some(text) = self.text(bytes) {
                    self.message(text, offset, first_byte, at).await;
                }
            }
        }
    }

    /// The rest without a line feed: half a message tells nothing beyond the fault that follows, a whole one counts.
    async fn last_line(&mut self, line: Line, first_byte: Instant, at: Instant) {
        let Line::Whole { bytes, .. } = line else { return self.line(line, first_byte, at).await };
        let length = bytes.len();
        let Some(text) = self.text(bytes) else { return };
        let readable = message::read(&text).iter().all(|frame| frame.parsed.is_ok());
        self.stdout.noticed().unfinished = Some(Unfinished { bytes: length, was_message: readable });
        if readable || !looks_like_json(&text) {
            self.message(text, self.offset, first_byte, at).await;
        }
    }

    fn too_long(&self) -> Fault {
        let limit = self.line_bytes_max;
        Fault::new(
            Reason::TooLarge,
            format!("the server wrote a line of more than {limit} bytes, which is the limit; it was dropped"),
        )
    }

    /// The line without a byte order mark; nothing if it is blank.
    fn text(&self, mut bytes: Bytes) -> Option<Bytes> {
        if bytes.starts_with(b"\xef\xbb\xbf") {
            bytes = bytes.slice(3..);
            self.stdout.noticed().byte_order_marks += 1;
        }
        if bytes.trim_ascii().is_empty() {
            self.stdout.noticed().blank += 1;
            return None;
        }
        Some(bytes)
    }

    async fn message(&mut self, text: Bytes, offset: u64, first_byte: Instant, at: Instant) {
        let frames = message::read(&text);
        let good = frames.iter().any(|frame| frame.parsed.is_ok());
        // A reply whose envelope is wrong is the server's bad answer, not a stray line.
        let stray = !good && !frames.iter().any(names_a_call);
        {
            let mut noticed = self.stdout.noticed();
            if stray {
                noticed.noise += 1;
                let before_first_message = noticed.messages == 0;
                noticed.first_noise.get_or_insert_with(|| FirstNoise {
                    sample: sanitize::one_line(&String::from_utf8_lossy(&text[..text.len().min(1024)]), SAMPLE_CHARS),
                    offset,
                    before_first_message,
                });
            } else {
                noticed.messages += 1;
            }
        }
        if stray && !looks_like_json(&text) {
            // A copy: a slice would keep a large line alive.
            let noise = Bytes::copy_from_slice(&text[..text.len().min(NOISE_BYTES_MAX)]);
            let bytes = noise.len();
            return self.hand_on(What::Noise(noise), bytes, first_byte, at).await;
        }
        for frame in frames {
            let bytes = frame.raw.len();
            self.hand_on(What::Frame(frame), bytes, first_byte, at).await;
        }
    }

    async fn hand_on(&self, what: What, bytes: usize, first_byte: Instant, at: Instant) {
        let share = u32::try_from(bytes.min(self.budget_bytes)).unwrap_or(u32::MAX);
        // Both fail only when nobody listens any more.
        let Ok(share) = self.budget.clone().acquire_many_owned(share).await else { return };
        let heard = Heard { key: None, first_byte, at, what };
        let _ = self.parcels.send(Box::new(Parcel { heard, _share: share })).await;
    }
}

fn names_a_call(frame: &Frame) -> bool {
    frame.parsed.as_ref().is_err_and(|wrong| wrong.id().is_some())
}

/// Whether a line that is no message was meant to be one: it begins as an object, or an array of objects, does.
/// Lines of log such as `[info] ready` and `{ port: 80 }` do not.
fn looks_like_json(text: &[u8]) -> bool {
    let text = text.trim_ascii_start();
    let second = text.get(1..).and_then(|rest| rest.trim_ascii_start().first());
    matches!((text.first(), second), (Some(b'{'), None | Some(b'"' | b'}')) | (Some(b'['), None | Some(b'{' | b']')))
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use tokio::io::AsyncWriteExt;

    /// What is heard, and found, when the input comes in these pieces.
    fn heard(pieces: &[&[u8]]) -> (Vec<String>, Vec<Finding>) {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        runtime.block_on(async {
            let stdout = Arc::new(Stdout::default());
            let (reader, mut inbox) = Reader::new(stdout.clone(), 48);
            let (mut to, from) = tokio::io::duplex(16);
            let write = async move {
                for piece in pieces {
                    to.write_all(piece).await.unwrap();
                }
            };
            let listen = async {
                let mut all = Vec::new();
                while let Some(heard) = inbox.next().await {
                    assert!(heard.first_byte <= heard.at);
                    all.push(format!("{:?}", heard.what));
                }
                all
            };
            let ((), (), all) = tokio::join!(write, reader.run(from), listen);
            (all, stdout.findings())
        })
    }

    #[test]
    fn what_looks_like_json() {
        for text in ["{\"a\"", "{ }", " {", "[{", "[]", "{"] {
            assert!(looks_like_json(text.as_bytes()), "{text}");
        }
        for text in ["", "ready", "[info] x", "[2024-01-01] x", "{ port: 80 }", "\"text\"", "42"] {
            assert!(!looks_like_json(text.as_bytes()), "{text}");
        }
    }

    proptest! {
        #![proptest_config(ProptestConfig { cases: 64, failure_persistence: None, ..ProptestConfig::default() })]
        #[test]
        fn any_split_is_heard_alike(
            input in proptest::collection::vec(
                prop_oneof![
                    Just(&br#"{"jsonrpc":"2.0","id":1,"result":{}}"#[..]), Just(&b"{\"jsonrpc\""[..]), Just(&b"\n"[..]),
                    Just(&b"\r\n"[..]), Just(&b"\xef\xbb\xbf"[..]), Just(&b"[x"[..]), Just(&b"\xff"[..]),
                    Just(&b" "[..]),
                ],
                0..24,
            ),
            cuts in proptest::collection::vec(0usize..400, 0..8),
        ) {
            let input = input.concat();
            let mut cuts: Vec<usize> = cuts.into_iter().map(|cut| cut.min(input.len())).collect();
            cuts.extend([0, input.len()]);
            cuts.sort_unstable();
            let pieces: Vec<&[u8]> = cuts.windows(2).map(|pair| &input[pair[0]..pair[1]]).collect();
            prop_assert_eq!(heard(&pieces), heard(&[&input]));
        }
    }
}

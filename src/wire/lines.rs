//! Splits a byte stream into lines, as stdio servers write them: one message a line, `\n` at the end. Any split
//! of the input gives the same lines; a line over the limit is dropped and counted, never kept.

use bytes::{Bytes, BytesMut};

/// A line as it came, without its end.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Line {
    /// A whole line; `crlf` tells that it ended with `\r\n`.
    Whole {
        /// Without the end.
        bytes: Bytes,
        /// Whether a carriage return stood before the line feed.
        crlf: bool,
    },
    /// A line over the limit, of which only the length is known.
    TooLong {
        /// Its length.
        bytes: u64,
    },
}

/// The splitter.
#[derive(Debug)]
pub struct LineDecoder {
    buffer: BytesMut,
    scanned: usize,
    dropped: u64,
    limit: usize,
}

impl LineDecoder {
    /// A splitter whose lines hold at most `limit` bytes.
    #[must_use]
    pub fn new(limit: usize) -> Self {
        Self { buffer: BytesMut::new(), scanned: 0, dropped: 0, limit }
    }

    /// Takes input.
    pub fn push(&mut self, chunk: &[u8]) {
        self.buffer.extend_from_slice(chunk);
    }

    /// Whether a line has begun that has not ended.
    #[must_use]
    pub fn is_midway(&self) -> bool {
        self.dropped > 0 || !self.buffer.is_empty()
    }

    /// Bytes of a line that has begun and not ended.
    #[must_use]
    pub fn midway_bytes(&self) -> u64 {
        self.dropped + self.buffer.len() as u64
    }

    /// The next whole line, if there is one.
    pub fn next_line(&mut self) -> Option<Line> {
        match memchr::memchr(b'\n', &self.buffer[self.scanned..]) {
            Some(offset) => {
                let mut line = self.buffer.split_to(self.scanned + offset + 1);
                self.scanned = 0;
                line.truncate(line.len() - 1);
                Some(self.complete(line))
            }
            None => {
                self.scanned = self.buffer.len();
                if self.scanned > self.limit {
                    self.dropped += self.scanned as u64;
                    self.buffer.clear();
                    self.scanned = 0;
                }
                if self.buffer.is_empty() {
                    // The lines before share its memory.
                    self.buffer = BytesMut::new();
                }
                None
            }
        }
    }

    /// What is left at the end of the stream: a line without an end.
    pub fn finish(&mut self) -> Option<Line> {
        if !self.is_midway() {
            return None;
        }
        let line = self.buffer.split();
        self.scanned = 0;
        Some(self.complete(line))
    }

    fn complete(&mut self, mut line: BytesMut) -> Line {
        let length = std::mem::take(&mut self.dropped) + line.len() as u64;
        if length > self.limit as u64 {
            return Line::TooLong { bytes: length };
        }
        let crlf = line.last() == Some(&b'\r');
        if crlf {
            line.truncate(line.len() - 1);
        }
        Line::Whole { bytes: line.freeze(), crlf }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn all(chunks: &[&[u8]], limit: usize) -> Vec<Line> {
        let mut decoder = LineDecoder::new(limit);
        let mut lines = Vec::new();
        for chunk in chunks {
            decoder.push(chunk);
            while let Some(line) = decoder.next_line() {
                lines.push(line);
            }
        }
        lines.extend(decoder.finish());
        lines
    }

    fn whole(text: &'static str, crlf: bool) -> Line {
        Line::Whole { bytes: Bytes::from_static(text.as_bytes()), crlf }
    }

    #[test]
    fn lines_are_split_and_ends_noted() {
        assert_eq!(
            all(&[b"a\r\n", b"b", b"c\n\nrest"], 10),
            [whole("a", true), whole("bc", false), whole("", false), whole("rest", false)]
        );
    }

    #[test]
    fn long_lines_are_counted_and_dropped() {
        assert_eq!(all(&[b"12345", b"678901234", b"5\nok\n"], 8), [Line::TooLong { bytes: 15 }, whole("ok", false)]);
        let mut decoder = LineDecoder::new(8);
        for _ in 0..1000 {
            decoder.push(&[b'x'; 64]);
            assert_eq!(decoder.next_line(), None);
            assert!(decoder.buffer.len() <= 8);
        }
    }

    proptest! {
        #[test]
        fn any_split_gives_the_same_lines(
            input in proptest::collection::vec(prop_oneof![Just(b'\n'), Just(b'\r'), any::<u8>()], 0..200),
            cuts in proptest::collection::vec(0usize..200, 0..12),
        ) {
            let mut cuts: Vec<usize> = cuts.into_iter().map(|cut| cut.min(input.len())).collect();
            cuts.extend([0, input.len()]);
            cuts.sort_unstable();
            let chunks: Vec<&[u8]> = cuts.windows(2).map(|pair| &input[pair[0]..pair[1]]).collect();
            prop_assert_eq!(all(&chunks, 16), all(&[&input], 16));
        }
    }
}

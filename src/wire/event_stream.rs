//! Server-sent events as the HTML standard defines them (section 9.2.6): lines that end in `\n`, `\r\n` or `\r`,
//! events that end at a blank line. Any split of the input gives the same items; an event over the limit is
//! dropped and counted.

use std::time::Duration;

use bytes::{Bytes, BytesMut};

/// What a stream can hold.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Item {
    /// An event; `data` is empty for the priming event of 2025-11-25.
    Event(Event),
    /// A comment line, the usual keep-alive.
    Comment,
    /// An event over the limit, of which only the length is known.
    TooLong {
        /// Bytes of the event, at least.
        bytes: u64,
    },
}

/// One event.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Event {
    /// `event:`, where given.
    pub name: Option<String>,
    /// `id:`, where given in this event.
    pub id: Option<String>,
    /// `retry:`, where given in this event.
    pub retry: Option<Duration>,
    /// The `data:` lines joined by line feeds; `None` when there was none.
    pub data: Option<Bytes>,
}

/// The decoder.
#[derive(Debug)]
pub struct EventDecoder {
    buffer: BytesMut,
    scanned: usize,
    started: bool,
    skip_lf: bool,
    /// The beginning of the current line was dropped, because it is over the limit.
    beheaded: bool,
    event: Event,
    data: BytesMut,
    size: u64,
    limit: usize,
}

impl EventDecoder {
    /// A decoder whose events hold at most `limit` bytes.
    #[must_use]
    pub fn new(limit: usize) -> Self {
        Self {
            buffer: BytesMut::new(),
            scanned: 0,
            started: false,
            skip_lf: false,
            beheaded: false,
            event: Event::default(),
            data: BytesMut::new(),
            size: 0,
            limit,
        }
    }

    /// Takes input.
    pub fn push(&mut self, chunk: &[u8]) {
        self.buffer.extend_from_slice(chunk);
    }

    /// The next item, if one is complete.
    pub fn next_item(&mut self) -> Option<Item> {
        loop {
            let line = self.next_line()?;
            if let Some(item) = self.take_line(&line) {
                return Some(item);
            }
        }
    }

    fn next_line(&mut self) -> Option<BytesMut> {
        const BOM: &[u8] = b"\xef\xbb\xbf";
        if !self.started {
            let seen = self.buffer.len().min(BOM.len());
            if self.buffer[..seen] == BOM[..seen] {
                if seen < BOM.len() {
                    return None;
                }
                let _ = self.buffer.split_to(BOM.len());
            }
            self.started = true;
        }
        if self.skip_lf && !self.buffer.is_empty() {
            if self.buffer[0] == b'\n' {
                let _ = self.buffer.split_to(1);
                self.scanned = 0;
            }
            self.skip_lf = false;
        }
        match memchr::memchr2(b'\n', b'\r', &self.buffer[self.scanned..]) {
            Some(offset) => {
                let mut line = self.buffer.split_to(self.scanned + offset + 1);
                self.scanned = 0;
                self.skip_lf = line.last() == Some(&b'\r');
                line.truncate(line.len() - 1);
                Some(line)
            }
            None => {
                self.scanned = self.buffer.len();
                if self.scanned > self.limit {
                    self.size += self.scanned as u64;
                    self.beheaded = true;
                    self.buffer.clear();
                    self.scanned = 0;
                }
                None
            }
        }
    }

    fn take_line(&mut self, line: &[u8]) -> Option<Item> {
        let beheaded = std::mem::take(&mut self.beheaded);
        if line.is_empty() && !beheaded {
            return self.dispatch();
        }
        self.size += line.len() as u64;
        if self.size > self.limit as u64 {
            self.data = BytesMut::new();
            self.event = Event::default();
            return None;
        }
        let (field, value) = match memchr::memchr(b':', line) {
            Some(0) => {
                self.size -= line.len() as u64;
                return Some(Item::Comment);
            }
            Some(colon) => {
                let value = &line[colon + 1..];
                (&line[..colon], value.strip_prefix(b" ").unwrap_or(value))
            }
            None => (line, &b""[..]),
        };
        let text = || String::from_utf8_lossy(value).into_owned();
        match field {
            b"data" => {
                if self.event.data.is_some() {
                    self.data.extend_from_slice(b"\n");
                }
                self.event.data = Some(Bytes::new());
                self.data.extend_from_slice(value);
            }
            b"event" => self.event.name = Some(text()),
            b"id" if !value.contains(&0) => self.event.id = Some(text()),
            b"retry" => self.event.retry = text().parse().ok().map(Duration::from_millis).or(self.event.retry),
            _ => {}
        }
        None
    }

    fn dispatch(&mut self) -> Option<Item> {
        let size = std::mem::take(&mut self.size);
        let mut event = std::mem::take(&mut self.event);
        let data = std::mem::take(&mut self.data).freeze();
        if size > self.limit as u64 {
            return Some(Item::TooLong { bytes: size });
        }
        if event == Event::default() {
            return None;
        }
        if event.data.is_some() {
            event.data = Some(data);
        }
        Some(Item::Event(event))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn all(chunks: &[&[u8]], limit: usize) -> Vec<Item> {
        let mut decoder = EventDecoder::new(limit);
        let mut items = Vec::new();
        for chunk in chunks {
            decoder.push(chunk);
            while let Some(item) = decoder.next_item() {
                items.push(item);
            }
        }
        items
    }

    fn data(text: &'static str) -> Item {
        Item::Event(Event { data: Some(Bytes::from_static(text.as_bytes())), ..Event::default() })
    }

    #[test]
    fn every_line_end_and_field_is_read() {
        assert_eq!(all(&[b"\xef\xbb\xbfdata: a\r\ndata:b\r\rdata\n\n"], 100), [data("a\nb"), data("")]);
        assert_eq!(
            all(&[b": hi\nevent: message\nid: 4\nretry: 300\ndata:\n\nunknown: x\n\n"], 100),
            [
                Item::Comment,
                Item::Event(Event {
                    name: Some("message".into()),
                    id: Some("4".into()),
                    retry: Some(Duration::from_millis(300)),
                    data: Some(Bytes::new()),
                })
            ]
        );
    }

    #[test]
    fn an_event_without_its_blank_line_is_not_dispatched() {
        assert_eq!(all(&[b"data: a\n"], 100), []);
    }

    #[test]
    fn long_events_are_dropped_and_counted() {
        let items = all(&[b"data: 0123456789", b"0123456789", b"0123456789\ndata: x\n\ndata: y\n\n"], 12);
        assert_eq!(items.len(), 2);
        assert!(matches!(items[0], Item::TooLong { bytes } if bytes > 30), "{items:?}");
        assert_eq!(items[1], data("y"));
    }

    proptest! {
        #[test]
        fn any_split_gives_the_same_items(
            words in proptest::collection::vec(prop_oneof![
                Just("data: x"), Just("data:"), Just("\n"), Just("\r"), Just("\r\n"), Just("\n\n"), Just(": c"),
                Just("id: 1"), Just("event: message"), Just("retry: 5"), Just("\u{feff}"), Just("é")
            ], 0..40),
            cuts in proptest::collection::vec(0usize..300, 0..12),
            limit in prop_oneof![Just(4096usize), 1usize..40],
        ) {
            let input = words.concat().into_bytes();
            let mut cuts: Vec<usize> = cuts.into_iter().map(|cut| cut.min(input.len())).collect();
            cuts.extend([0, input.len()]);
            cuts.sort_unstable();
            let chunks: Vec<&[u8]> = cuts.windows(2).map(|pair| &input[pair[0]..pair[1]]).collect();
            prop_assert_eq!(all(&chunks, limit), all(&[&input], limit));
        }

        #[test]
        fn no_input_panics(input in proptest::collection::vec(any::<u8>(), 0..400), limit in 1usize..64) {
            let _ = all(&[&input], limit);
        }
    }
}

//! The bytes of one HTTP/1.1 answer as they come: interim answers are passed over, the head is read once it is whole, and
//! what the body holds is handed on as it is. It knows no socket; it takes its bytes in any pieces.

use bytes::Bytes;

use super::chunked::Chunked;
use super::fault::Broken;
use super::head::{self, Length};
use super::pool::HEAD_BYTES_MAX;
use crate::transport::Head;

/// More interim answers (1xx) than these are not waited through.
const INTERIM_MAX: usize = 1000;
/// A head that is shorter than this is looked at again whatever comes; a longer one when a line of it ends.
const SHORT_BYTES: usize = 64;
/// Enough to recognise what speaks at the other end.
const OPENING_BYTES_MAX: usize = 256;

#[derive(Debug)]
enum Stage {
    Head,
    Sized(u64),
    Chunked(Chunked),
    UntilClose,
    Over,
}

/// An answer on its way.
#[derive(Debug)]
pub(super) struct Incoming {
    stage: Stage,
    /// The beginning of a head that has not come whole, or that was refused.
    opening: Vec<u8>,
    /// Empty lines before a head, which some servers write behind the answer before it.
    empty_bytes: usize,
    interims: usize,
    head: Option<Head>,
    /// What came of the body.
    ready: Bytes,
    /// What is wrong behind that.
    broken: Option<Broken>,
    keeps: bool,
}

impl Incoming {
    /// An answer of which nothing has come.
    pub(super) fn new() -> Self {
        Self {
            stage: Stage::Head,
            opening: Vec::new(),
            empty_bytes: 0,
            interims: 0,
            head: None,
            ready: Bytes::new(),
            broken: None,
            keeps: true,
        }
    }

    /// Takes what was read; no bytes are the end of the connection. Nothing may be left to be taken out of it.
    ///
    /// # Errors
    /// [`Broken`], where this is no answer, or ends before it does.
    pub(super) fn feed(&mut self, bytes: &[u8]) -> Result<(), Broken> {
        if bytes.is_empty() {
            return self.end();
        }
        let mut rest = bytes;
        while matches!(self.stage, Stage::Head) && !rest.is_empty() {
            rest = self.feed_head(rest)?;
        }
        self.feed_body(rest);
        Ok(())
    }

    fn end(&mut self) -> Result<(), Broken> {
        self.keeps = false;
        match self.stage {
            Stage::UntilClose | Stage::Over => {
                self.stage = Stage::Over;
                Ok(())
            }
            Stage::Head | Stage::Sized(_) | Stage::Chunked(_) => Err(Broken::Cut),
        }
    }

    /// Gives the bytes behind the head.
    fn feed_head<'a>(&mut self, bytes: &'a [u8]) -> Result<&'a [u8], Broken> {
        if self.opening.is_empty() {
            let bytes = self.behind_empty_lines(bytes)?;
            if bytes.is_empty() {
                return Ok(bytes);
            }
            return match head::read(bytes) {
                Ok(Some(read)) => self.begin(read, bytes, bytes.len()),
                Ok(None) => {
                    self.opening.extend_from_slice(bytes);
                    Ok(&[])
                }
                Err(broken) => {
                    self.opening.extend_from_slice(&bytes[..bytes.len().min(OPENING_BYTES_MAX)]);
                    Err(broken)
                }
            };
        }
        // Whoever sends a head byte by byte does not have it read from its beginning each time.
        let is_worth_it = self.opening.len() < SHORT_BYTES
            || self.opening.len() + bytes.len() > HEAD_BYTES_MAX as usize
            || memchr::memchr(b'\n', bytes).is_some();
        self.opening.extend_from_slice(bytes);
        if !is_worth_it {
            return Ok(&[]);
        }
        match head::read(&self.opening)? {
            Some(read) => {
                let length = self.opening.len();
                self.opening = Vec::new();
                self.begin(read, bytes, length)
            }
            None => Ok(&[]),
        }
    }

    /// Read for good: as a part of the head they would be read with each further byte of it.
    fn behind_empty_lines<'a>(&mut self, bytes: &'a [u8]) -> Result<&'a [u8], Broken> {
        let count = bytes.iter().take_while(|byte| matches!(byte, b'\r' | b'\n')).count();
        self.empty_bytes += count;
        if self.empty_bytes > HEAD_BYTES_MAX as usize {
            return Err(Broken::HeadTooLarge);
        }
        Ok(&bytes[count..])
    }

    /// `bytes` are the last of the `total` in which the head was found.
    fn begin<'a>(&mut self, read: head::Read, bytes: &'a [u8], total: usize) -> Result<&'a [u8], Broken> {
        let rest = &bytes[bytes.len().saturating_sub(total.saturating_sub(read.bytes))..];
        if read.head.status == 101 {
            return Err(Broken::Head("it switches to a protocol that nobody asked for"));
        }
        if read.head.status < 200 {
            self.interims += 1;
            if self.interims > INTERIM_MAX {
                return Err(Broken::Head("there is no end of interim answers"));
            }
            return Ok(rest);
        }
        self.stage = match read.length {
            Length::Of(0) => Stage::Over,
            Length::Of(length) => Stage::Sized(length),
            Length::Chunked => Stage::Chunked(Chunked::new()),
            Length::UntilClose => Stage::UntilClose,
        };
        self.keeps = read.keeps;
        self.head = Some(read.head);
        Ok(rest)
    }

    fn feed_body(&mut self, bytes: &[u8]) {
        let used = match &mut self.stage {
            Stage::Head | Stage::Over => 0,
            Stage::Sized(left) => {
                let count = usize::try_from(*left).unwrap_or(usize::MAX).min(bytes.len());
                self.ready = Bytes::copy_from_slice(&bytes[..count]);
                *left -= count as u64;
                if *left == 0 {
                    self.stage = Stage::Over;
                }
                count
            }
            Stage::Chunked(chunked) => {
                let mut data = Vec::with_capacity(bytes.len());
                let used = chunked.decode(bytes, &mut data);
                self.ready = data.into();
                if chunked.is_over() {
                    self.stage = Stage::Over;
                }
                used.unwrap_or_else(|why| {
                    self.broken = Some(Broken::Framing(why));
                    bytes.len()
                })
            }
            Stage::UntilClose => {
                self.ready = Bytes::copy_from_slice(bytes);
                bytes.len()
            }
        };
        // Bytes behind the answer belong to no request: the next one would take them for its own.
        self.keeps &= used == bytes.len();
    }

    /// The head, once.
    pub(super) fn take_head(&mut self) -> Option<Head> {
        self.head.take()
    }

    /// What came of the body, then what is wrong behind it, then, at its end, none.
    pub(super) fn take_body(&mut self) -> Option<Result<Option<Bytes>, Broken>> {
        if !self.ready.is_empty() {
            return Some(Ok(Some(std::mem::take(&mut self.ready))));
        }
        match self.broken.take() {
            Some(broken) => Some(Err(broken)),
            None => self.is_over().then_some(Ok(None)),
        }
    }

    /// Whether all of it has come.
    pub(super) fn is_over(&self) -> bool {
        matches!(self.stage, Stage::Over)
    }

    /// Whether all of it has come, nothing came behind it, and another exchange may follow on its connection.
    pub(super) fn keeps(&self) -> bool {
        self.is_over() && self.keeps
    }

    /// The first bytes, where no head was found in them.
    pub(super) fn opening(&self) -> &[u8] {
        &self.opening[..self.opening.len().min(OPENING_BYTES_MAX)]
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Everything an answer gives when it comes in such pieces, and whether its connection can be used again.
    fn heard(pieces: &[&[u8]], ends: bool) -> Result<(u16, Vec<u8>, bool), String> {
        let mut incoming = Incoming::new();
        let (mut status, mut body, mut is_over) = (0, Vec::new(), false);
        for piece in pieces.iter().copied().filter(|piece| !piece.is_empty()).chain(ends.then_some(&b""[..])) {
            incoming.feed(piece).map_err(|broken| broken.to_string())?;
            status = incoming.take_head().map_or(status, |head| head.status);
            while let Some(part) = incoming.take_body().filter(|_| !is_over) {
                match part.map_err(|broken| broken.to_string())? {
                    Some(data) => body.extend_from_slice(&data),
                    None => is_over = true,
                }
            }
        }
        if is_over { Ok((status, body, incoming.keeps())) } else { Err("more has to come".into()) }
    }

    #[test]
    fn answers_are_read_however_they_are_split() {
        let many = format!("HTTP/1.1 200 OK\r\n{}Content-Length: 2\r\n\r\n{{}}", "X-Padding: 0123456789\r\n".repeat(9));
        for (text, expected, keeps) in [
            ("HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhello", "200 hello", true),
            ("HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n", "200 ", true),
            ("\r\nHTTP/1.1 204 No Content\r\n\r\n", "204 ", true),
            (&many, "200 {}", true),
            (
                "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n2;x\r\nde\r\n0\r\n\r\n",
                "200 abcde",
                true,
            ),
            ("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n0\r\nA: b\r\n\r\n", "200 ", true),
            (
                "HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 103 Hints\r\nA: b\r\n\r\nHTTP/1.1 202 OK\r\nContent-Length: 1\r\n\r\nx",
                "202 x",
                true,
            ),
            ("HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nokHTTP/1.1 200 OK\r\n\r\n", "200 ok", false),
            ("HTTP/1.1 204 No Content\r\n\r\nx", "204 ", false),
            ("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\nx", "200 ", false),
        ] {
            let expected = expected.split_once(' ').map(|(status, body)| (status.parse().unwrap(), body.into(), keeps));
            for at in 0..=text.len() {
                let (start, end) = text.as_bytes().split_at(at);
                assert_eq!(heard(&[start, end], false).ok(), expected, "{at} in {text:?}");
            }
            let bytes: Vec<&[u8]> = text.as_bytes().chunks(1).collect();
            assert_eq!(heard(&bytes, false).ok(), expected, "{text:?}");
        }
    }

    #[test]
    fn the_end_of_a_connection_is_the_end_of_some_answers() {
        let open = b"HTTP/1.0 200 OK\r\n\r\nall of this";
        for at in 0..=open.len() {
            let (start, end) = open.split_at(at);
            assert_eq!(heard(&[start, end], true), Ok((200, b"all of this".to_vec(), false)));
        }
        for text in [
            "",
            "HTTP/1.1 200",
            "HTTP/1.1 100 Continue\r\n\r\n",
            "HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhell",
            "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n",
            "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n0\r\n",
        ] {
            assert_eq!(heard(&[text.as_bytes()], true), Err(Broken::Cut.to_string()), "{text:?}");
        }
    }

    #[test]
    fn what_came_before_broken_framing_is_told_first() {
        let mut incoming = Incoming::new();
        incoming.feed(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\nzz").unwrap();
        assert!(matches!(incoming.take_body(), Some(Ok(Some(data))) if data == "hello"));
        assert!(matches!(incoming.take_body(), Some(Err(Broken::Framing(why))) if why.contains("missing size digit")));
        assert!(!incoming.keeps());
    }

    #[test]
    fn answers_without_end_have_one() {
        let told = |incoming: &mut Incoming, text: &[u8], times: usize| {
            (0..times).find_map(|_| incoming.feed(text).err()).map(|broken| broken.to_string())
        };
        let interim = b"HTTP/1.1 100 Continue\r\n\r\n";
        let why = told(&mut Incoming::new(), interim, INTERIM_MAX + 1).unwrap();
        assert!(why.contains("no end of interim answers"), "{why}");
        let all_at_once = interim.repeat(INTERIM_MAX + 1);
        assert!(told(&mut Incoming::new(), &all_at_once, 1).is_some());
        for (start, forever) in [("HTTP/1.1 200 OK\r\nA: ", "x"), ("HTTP/1.1 200 O", "K"), ("", "\r\n"), ("", "\n")] {
            let mut incoming = Incoming::new();
            if !start.is_empty() {
                incoming.feed(start.as_bytes()).unwrap();
            }
            let began = std::time::Instant::now();
            let why = told(&mut incoming, forever.as_bytes(), 70_000).unwrap();
            assert_eq!(why, Broken::HeadTooLarge.to_string(), "{start} {forever:?}");
            assert!(began.elapsed() < std::time::Duration::from_secs(20), "{forever:?} costs {:?}", began.elapsed());
        }
        let why = told(&mut Incoming::new(), b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: x\r\n\r\n", 1).unwrap();
        assert!(why.contains("nobody asked for"), "{why}");
    }

    #[test]
    fn what_no_head_is_found_in_is_kept_to_be_shown() {
        let mut incoming = Incoming::new();
        assert!(incoming.feed(&b"SSH-2.0\r\n".repeat(1000)).is_err());
        assert!(incoming.opening().starts_with(b"SSH-2.0\r\n") && incoming.opening().len() == OPENING_BYTES_MAX);
        let mut incoming = Incoming::new();
        incoming.feed(b"HTT").unwrap();
        assert!(incoming.feed(b"xyz").is_err(), "without waiting for the end of a line");
        assert_eq!(incoming.opening(), b"HTTxyz");
    }
}

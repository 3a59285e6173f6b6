//! The chunked transfer coding (RFC 9112 section 7.1): what a body holds, without what it was cut into. It takes its bytes
//! in any pieces, is strict where two readers could disagree on the end of a body, and bounds what it drops.

use super::pool::{HEAD_BYTES_MAX, HEADERS_MAX};

/// The extensions of all chunks of a body are no longer than this.
const EXTENSIONS_BYTES_MAX: usize = 16 * 1024;
/// The size of one chunk, with the zeros before it and the blanks behind it that some servers pad it with.
const SIZE_BYTES_MAX: usize = 256;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Place {
    /// Before the first digit of a size.
    Start,
    Size,
    /// Behind the digits of a size.
    Space,
    Extension,
    SizeLf,
    Data,
    DataCr,
    DataLf,
    /// At the start of a line behind the last chunk.
    Line,
    Trailer,
    TrailerLf,
    EndLf,
    Over,
}

/// A body that is being read.
#[derive(Debug)]
pub(super) struct Chunked {
    place: Place,
    /// Of the chunk at hand.
    left: u64,
    size_bytes: usize,
    extensions_bytes: usize,
    trailers_bytes: u32,
    trailers: usize,
}

impl Chunked {
    pub(super) fn new() -> Self {
        Self { place: Place::Start, left: 0, size_bytes: 0, extensions_bytes: 0, trailers_bytes: 0, trailers: 0 }
    }

    /// Whether the end of the body has come.
    pub(super) fn is_over(&self) -> bool {
        self.place == Place::Over
    }

    /// Reads on, puts what the body holds to `data`, and gives how many bytes belong to it: fewer than all only behind its
    /// end.
    ///
    /// # Errors
    /// What is wrong with the framing. The bytes before it are in `data`.
    pub(super) fn decode(&mut self, bytes: &[u8], data: &mut Vec<u8>) -> Result<usize, &'static str> {
        let mut at = 0;
        while self.place != Place::Over {
            let Some(byte) = bytes.get(at) else { break };
            if self.place == Place::Data {
                let rest = &bytes[at..];
                let count = usize::try_from(self.left).unwrap_or(usize::MAX).min(rest.len());
                data.extend_from_slice(&rest[..count]);
                at += count;
                self.left -= count as u64;
                if self.left == 0 {
                    self.place = Place::DataCr;
                }
                continue;
            }
            at += 1;
            self.place = self.after(*byte)?;
        }
        Ok(at)
    }

    fn size_goes_on(&mut self) -> Result<(), &'static str> {
        self.size_bytes += 1;
        if self.size_bytes > SIZE_BYTES_MAX { Err("invalid chunk size: it does not end") } else { Ok(()) }
    }

    /// The place behind one byte of the framing.
    fn after(&mut self, byte: u8) -> Result<Place, &'static str> {
        Ok(match (self.place, byte) {
            (Place::Start | Place::Size, b'0'..=b'9' | b'a'..=b'f' | b'A'..=b'F') => {
                let digit = u64::from((byte as char).to_digit(16).unwrap_or_default());
                let longer = self.left.checked_mul(16).and_then(|size| size.checked_add(digit));
                self.left = longer.ok_or("invalid chunk size: overflow")?;
                self.size_goes_on()?;
                Place::Size
            }
            (Place::Start, _) => return Err("invalid chunk size line: missing size digit"),
            (Place::Size | Place::Space, b'\t' | b' ') => {
                self.size_goes_on()?;
                Place::Space
            }
            (Place::Size | Place::Space, b';') => Place::Extension,
            (Place::Size | Place::Space | Place::Extension, b'\r') => Place::SizeLf,
            (Place::Size | Place::Space, _) => return Err("invalid chunk size line: invalid size"),
            // Some readers end a line here and others do not: whoever writes this means to be read in two ways.
            (Place::Extension, b'\n') => return Err("invalid chunk extension: it contains a newline"),
            (Place::Extension, _) => {
                self.extensions_bytes += 1;
                if self.extensions_bytes >= EXTENSIONS_BYTES_MAX {
                    return Err("chunk extensions over limit");
                }
                Place::Extension
            }
            (Place::SizeLf, b'\n') => {
                self.size_bytes = 0;
                if self.left == 0 { Place::Line } else { Place::Data }
            }
            (Place::SizeLf, _) => return Err("invalid chunk size line: no LF behind its CR"),
            (Place::DataCr, b'\r') => Place::DataLf,
            (Place::DataLf, b'\n') => Place::Start,
            (Place::DataCr | Place::DataLf, _) => return Err("invalid chunk: no CRLF behind its data"),
            (Place::Line, b'\r') => Place::EndLf,
            (Place::Line | Place::Trailer, _) => {
                self.trailers_bytes += 1;
                if self.trailers_bytes >= HEAD_BYTES_MAX {
                    return Err("chunk trailers bytes over limit");
                }
                if byte == b'\r' { Place::TrailerLf } else { Place::Trailer }
            }
            (Place::TrailerLf, b'\n') => {
                self.trailers += 1;
                if self.trailers > HEADERS_MAX {
                    return Err("chunk trailers count overflow");
                }
                Place::Line
            }
            (Place::TrailerLf, _) => return Err("invalid trailer: no LF behind its CR"),
            (Place::EndLf, b'\n') => Place::Over,
            (Place::EndLf, _) => return Err("invalid chunk end: no LF behind its CR"),
            (Place::Data | Place::Over, _) => self.place,
        })
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// What the body holds, and how many bytes it is long, when it comes in such pieces.
    fn decoded(pieces: &[&[u8]]) -> Result<Option<(Vec<u8>, usize)>, &'static str> {
        let (mut chunked, mut data, mut used) = (Chunked::new(), Vec::new(), 0);
        for piece in pieces {
            used += chunked.decode(piece, &mut data)?;
        }
        Ok(chunked.is_over().then_some((data, used)))
    }

    fn split(text: &[u8], at: usize) -> [&[u8]; 2] {
        let (start, end) = text.split_at(at);
        [start, end]
    }

    #[test]
    fn bodies_are_read_however_they_are_split() {
        for (text, expected) in [
            (&b"0\r\n\r\n"[..], &b""[..]),
            (b"5\r\nhello\r\n0\r\n\r\n", b"hello"),
            (b"00005\r\nhello\r\n6 \t\r\n world\r\n000\r\n\r\n", b"hello world"),
            (b"A;name=\"va;lue\"\r\n0123456789\r\na ; x\r\n0123456789\r\n0;end\r\n\r\n", b"01234567890123456789"),
            (b"2\r\n\r\n\r\n0\r\nDigest: x\r\nExpires: never\r\n\r\n", b"\r\n"),
        ] {
            for at in 0..=text.len() {
                let behind = [text, b"more"].concat();
                assert_eq!(decoded(&split(text, at)), Ok(Some((expected.to_vec(), text.len()))), "{at}");
                assert_eq!(decoded(&split(&behind, at)), Ok(Some((expected.to_vec(), text.len()))), "{at}");
                assert_eq!(decoded(&[&text[..at.min(text.len() - 1)]]), Ok(None), "{at}");
            }
            let bytes: Vec<&[u8]> = text.chunks(1).collect();
            assert_eq!(decoded(&bytes), Ok(Some((expected.to_vec(), text.len()))));
        }
    }

    #[test]
    fn what_two_readers_could_read_in_two_ways_is_refused() {
        for (text, expected) in [
            (&b"\r\n"[..], "missing size digit"),
            (b"-1\r\n", "missing size digit"),
            (b"+5\r\nhello", "missing size digit"),
            (b" 5\r\nhello", "missing size digit"),
            (b"0x5\r\nhello", "invalid size"),
            (b"5\nhello\r\n", "invalid size"),
            (b"5 5\r\n", "invalid size"),
            (b"5\0\r\nhello", "invalid size"),
            (b"5;a\nhello\r\n", "contains a newline"),
            (b"5\rhello", "no LF"),
            (b"5\r\nhello\n0\r\n\r\n", "no CRLF"),
            (b"5\r\nhello0\r\n\r\n", "no CRLF"),
            (b"5\r\nhello\r0\r\n\r\n", "no CRLF"),
            (b"0\r\nA: b\rC: d\r\n\r\n", "no LF"),
            (b"0\r\n\rx", "no LF"),
            (b"10000000000000000\r\n", "overflow"),
            (b"ffffffffffffffff0\r\n", "overflow"),
        ] {
            for at in 0..=text.len() {
                let why = decoded(&split(text, at)).unwrap_err();
                assert!(why.contains(expected), "{}: {why}", String::from_utf8_lossy(text));
            }
        }
        assert_eq!(decoded(&[b"ffffffffffffffff\r\nabc"]), Ok(None), "the largest size there is");
    }

    #[test]
    fn what_is_dropped_is_bounded() {
        let extension = [b"5;", &[b'x'; EXTENSIONS_BYTES_MAX][..]].concat();
        assert_eq!(decoded(&[&extension]), Err("chunk extensions over limit"));
        let small = b"1;xxxxxxxxxxxxxxx\r\na\r\n".repeat(EXTENSIONS_BYTES_MAX / 15 + 1);
        assert_eq!(decoded(&[&small]), Err("chunk extensions over limit"), "all of them together");
        for endless in [b'0', b' '] {
            let size = [b"1\r\na\r\n0", &[endless; SIZE_BYTES_MAX][..]].concat();
            assert_eq!(decoded(&[&size]), Err("invalid chunk size: it does not end"));
        }
        let padded = [&b"000001  \r\na\r\n".repeat(10 * SIZE_BYTES_MAX)[..], b"000000\r\n\r\n"].concat();
        assert!(decoded(&[&padded]).unwrap().is_some(), "each size for itself");
        let trailer = [b"0\r\nA: ", &vec![b'x'; HEAD_BYTES_MAX as usize][..]].concat();
        assert_eq!(decoded(&[&trailer]), Err("chunk trailers bytes over limit"));
        let trailers = [&b"0\r\n"[..], &b"A: b\r\n".repeat(HEADERS_MAX + 1)].concat();
        assert_eq!(decoded(&[&trailers]), Err("chunk trailers count overflow"));
    }

    #[test]
    fn what_came_before_a_fault_is_kept() {
        let (mut chunked, mut data) = (Chunked::new(), Vec::new());
        assert!(chunked.decode(b"5\r\nhello\r\nzz", &mut data).is_err());
        assert_eq!(data, b"hello");
    }

    proptest! {
        #[test]
        fn any_body_in_any_chunks_and_any_pieces(
            parts in prop::collection::vec(prop::collection::vec(any::<u8>(), 1..300), 0..8),
            piece in 1..50_usize,
        ) {
            let mut text = Vec::new();
            for part in &parts {
                text.extend_from_slice(format!("{:x}\r\n", part.len()).as_bytes());
                text.extend_from_slice(part);
                text.extend_from_slice(b"\r\n");
            }
            text.extend_from_slice(b"0\r\n\r\n");
            let pieces: Vec<&[u8]> = text.chunks(piece).collect();
            prop_assert_eq!(decoded(&pieces), Ok(Some((parts.concat(), text.len()))));
        }

        #[test]
        fn any_bytes_are_read_alike_however_they_are_split(
            text in prop::collection::vec(prop::sample::select(&b"0123aF \t;\r\n\r\n\r\nx"[..]), 0..60),
            at in any::<prop::sample::Index>(),
        ) {
            let at = at.index(text.len() + 1);
            prop_assert_eq!(decoded(&split(&text, at)), decoded(&[&text]));
        }
    }
}

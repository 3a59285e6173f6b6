//! The head of an HTTP/1.1 answer: what it says, where its body ends (RFC 9112 section 6.3), and whether its connection can
//! carry another exchange (section 9.3).

use std::mem::MaybeUninit;

use httparse::{Header, ParserConfig, Response, Status};

use super::client::value_text;
use super::fault::Broken;
use super::pool::{HEAD_BYTES_MAX, HEADERS_MAX};
use crate::transport::Head;

/// Where the body of an answer ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Length {
    /// Behind so many bytes.
    Of(u64),
    /// Where its chunks say.
    Chunked,
    /// With the connection.
    UntilClose,
}

/// A head that came whole.
#[derive(Debug)]
pub(super) struct Read {
    pub(super) head: Head,
    pub(super) length: Length,
    /// Whether another exchange may follow on the connection, once the body has ended.
    pub(super) keeps: bool,
    /// The bytes of the head.
    pub(super) bytes: usize,
}

/// Reads a head, as lenient as the parser is with answers by default. None where more of it has to come. An interim answer (1xx) is a head without a body.
///
/// # Errors
/// [`Broken`], where this is no head, or one that is over the limits.
pub(super) fn read(bytes: &[u8]) -> Result<Option<Read>, Broken> {
    let mut headers = [const { MaybeUninit::<Header<'_>>::uninit() }; HEADERS_MAX];
    let mut response = Response::new(&mut []);
    let parsed = ParserConfig::default().parse_response_with_uninit_headers(&mut response, bytes, &mut headers);
    let length = match parsed.map_err(|error| refused(&error))? {
        Status::Complete(length) => Some(length),
        Status::Partial => None,
    };
    if length.unwrap_or(bytes.len()) > HEAD_BYTES_MAX as usize {
        return Err(Broken::HeadTooLarge);
    }
    let (Some(bytes), Some(status)) = (length, response.code) else { return Ok(None) };
    if status < 100 {
        return Err(Broken::Head("invalid HTTP status-code parsed"));
    }
    let is_http10 = response.version == Some(0);
    let headers = &*response.headers;
    let (length, is_plain) = length_of(status, is_http10, headers)?;
    let keeps = is_plain && length != Length::UntilClose && stays_open(is_http10, headers);
    let headers = headers.iter().map(|header| (header.name.to_ascii_lowercase(), value_text(header.value))).collect();
    Ok(Some(Read { head: Head { status, headers }, length, keeps, bytes }))
}

fn refused(error: &httparse::Error) -> Broken {
    match error {
        httparse::Error::TooManyHeaders => Broken::HeadTooLarge,
        httparse::Error::Version => Broken::Head("invalid HTTP version parsed"),
        httparse::Error::Status => Broken::Head("invalid HTTP status-code parsed"),
        _ => Broken::Head("invalid HTTP header parsed"),
    }
}

/// The values of a header, each line of them, and each item of a line.
fn items<'a>(headers: &'a [Header<'_>], name: &'a str) -> impl DoubleEndedIterator<Item = &'a [u8]> {
    let lines = headers.iter().filter(move |header| header.name.eq_ignore_ascii_case(name));
    lines.flat_map(|header| header.value.split(|byte| *byte == b',')).map(<[u8]>::trim_ascii)
}

/// Where the body ends, and whether nobody could read that in another way.
fn length_of(status: u16, is_http10: bool, headers: &[Header<'_>]) -> Result<(Length, bool), Broken> {
    if matches!(status, 100..=199 | 204 | 304) {
        // A body that is announced all the same may come (RFC 9110 section 8.6); of 304 the length is that of another answer.
        let announces = items(headers, "content-length").any(|length| number(length) != Some(0)) && status != 304;
        let is_plain = !announces && items(headers, "transfer-encoding").next().is_none();
        return Ok((Length::Of(0), is_plain));
    }
    let mut lengths = items(headers, "content-length");
    if let Some(coding) = items(headers, "transfer-encoding").next_back() {
        if is_http10 {
            return Err(Broken::Head("unexpected transfer-encoding parsed"));
        }
        let is_chunked = coding.eq_ignore_ascii_case(b"chunked");
        // The length of another coding, or a length beside it, is where readers part ways (RFC 9112 section 6.1).
        let is_plain = items(headers, "transfer-encoding").count() == 1 && lengths.next().is_none();
        return Ok((if is_chunked { Length::Chunked } else { Length::UntilClose }, is_plain));
    }
    let Some(first) = lengths.next() else { return Ok((Length::UntilClose, true)) };
    let invalid = Broken::Head("invalid content-length parsed");
    let Some(length) = number(first) else { return Err(invalid) };
    // Said twice, it must be the same; said as `05` and `5`, it is.
    if lengths.any(|other| number(other) != Some(length)) {
        return Err(invalid);
    }
    Ok((Length::Of(length), true))
}

/// Digits and nothing else: no sign, which the parser of numbers would take.
fn number(text: &[u8]) -> Option<u64> {
    if !text.iter().all(u8::is_ascii_digit) {
        return None;
    }
    std::str::from_utf8(text).ok()?.parse().ok()
}

fn stays_open(is_http10: bool, headers: &[Header<'_>]) -> bool {
    let says = |word: &[u8]| items(headers, "connection").any(|item| item.eq_ignore_ascii_case(word));
    !says(b"close") && (!is_http10 || says(b"keep-alive"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn whole(text: &str) -> Read {
        read(text.as_bytes()).unwrap().unwrap()
    }

    fn refusal(text: &str) -> String {
        match read(text.as_bytes()) {
            Err(broken) => broken.to_string(),
            other => panic!("{text:?}: {other:?}"),
        }
    }

    #[test]
    fn a_head_comes_whole_or_not_at_all() {
        let text = "HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\nX-A:  \tb c \r\nX-A: d\r\nEmpty:\r\n\r\n";
        let Read { head, length, keeps, bytes } = whole(&format!("{text}body"));
        assert_eq!((head.status, length, keeps, bytes), (200, Length::UntilClose, false, text.len()));
        let expected = [("content-type", "text/plain"), ("x-a", "b c"), ("x-a", "d"), ("empty", "")];
        let expected: Vec<_> = expected.iter().map(|(name, value)| ((*name).into(), (*value).into())).collect();
        assert_eq!(head.headers, expected);
        for end in 0..text.len() {
            assert!(read(&text.as_bytes()[..end]).unwrap().is_none(), "{end}");
        }
    }

    #[test]
    fn heads_as_servers_write_them() {
        for text in [
            "HTTP/1.1 200\r\n\r\n",
            "HTTP/1.1 200 \r\n\r\n",
            "\r\n\nHTTP/1.1 200 OK\n\n",
            "HTTP/1.1 200 OK\nServer: x\n\n",
            "HTTP/1.0 200 Gr\u{fc}\u{df}e\r\n\r\n",
            "HTTP/1.1 200 OK\r\nServer: Gr\u{fc}n\r\n\r\n",
        ] {
            assert_eq!(whole(text).head.status, 200, "{text:?}");
        }
        let latin = read(b"HTTP/1.1 200 OK\r\nServer: Gr\xfcn\r\n\r\n").unwrap().unwrap();
        assert_eq!(latin.head.header("server"), Some("Gr\u{fffd}n"));
        let long = whole(&format!("HTTP/1.1 200 OK\r\nA: {}\r\n\r\n", "x".repeat(20_000)));
        assert_eq!(long.head.header("a").map(str::len), Some(8 * 1024), "what is kept of a value is bounded");
    }

    #[test]
    fn what_is_no_head_is_refused() {
        for (text, expected) in [
            ("SSH-2.0-OpenSSH_9\r\n", "invalid HTTP version parsed"),
            ("HTTP/2 200 OK\r\n\r\n", "invalid HTTP version parsed"),
            ("\0", "invalid HTTP version parsed"),
            ("HTTP/1.1 2x0 OK\r\n", "invalid HTTP status-code parsed"),
            ("HTTP/1.1 099 OK\r\n\r\n", "invalid HTTP status-code parsed"),
            ("HTTP/1.1 200 O\0K\r\n", "invalid HTTP status-code parsed"),
            ("HTTP/1.1 200 OK\r\nA\0: b\r\n", "invalid HTTP header parsed"),
            ("HTTP/1.1 200 OK\r\nA: b\0c\r\n", "invalid HTTP header parsed"),
            ("HTTP/1.1 200 OK\r\nA: b\x08c\r\n", "invalid HTTP header parsed"),
            ("HTTP/1.1 200 OK\r\nA: b\rc\r\n", "invalid HTTP header parsed"),
            ("HTTP/1.1 200 OK\r\nA : b\r\n", "invalid HTTP header parsed"),
            ("HTTP/1.1 200 OK\r\n: b\r\n", "invalid HTTP header parsed"),
            ("HTTP/1.1 200 OK\r\nA: b\r\n c\r\n", "invalid HTTP header parsed"),
            ("HTTP/1.1 200 OK\r\nno header\r\n", "invalid HTTP header parsed"),
        ] {
            assert_eq!(refusal(text), expected, "{text:?}");
        }
        let many = |count| format!("HTTP/1.1 200 OK\r\n{}\r\n", "A: b\r\n".repeat(count));
        assert_eq!(whole(&many(HEADERS_MAX)).head.headers.len(), HEADERS_MAX);
        assert!(matches!(read(many(HEADERS_MAX + 1).as_bytes()), Err(Broken::HeadTooLarge)));
        for end in ["", "\r\n\r\n"] {
            let long = format!("HTTP/1.1 200 OK\r\nA: {}{end}", "x".repeat(HEAD_BYTES_MAX as usize));
            assert!(matches!(read(long.as_bytes()), Err(Broken::HeadTooLarge)));
        }
    }

    #[test]
    fn bodies_end_where_the_head_says() {
        use Length::{Chunked, Of, UntilClose};
        for (start, headers, expected) in [
            ("1.1 200", "Content-Length: 5", (Of(5), true)),
            ("1.1 200", "Content-Length: 5\r\ncontent-length: 5", (Of(5), true)),
            ("1.1 200", "Content-Length: 5, 05", (Of(5), true)),
            ("1.1 200", "Content-Length: 18446744073709551615", (Of(u64::MAX), true)),
            ("1.1 200", "Content-Length: 5\r\nConnection: Close", (Of(5), false)),
            ("1.1 200", "Content-Length: 5\r\nConnection: x, close\r\nConnection: keep-alive", (Of(5), false)),
            ("1.0 200", "Content-Length: 5", (Of(5), false)),
            ("1.0 200", "Content-Length: 5\r\nConnection: Keep-Alive", (Of(5), true)),
            ("1.0 200", "Content-Length: 5\r\nConnection: keep-alive, close", (Of(5), false)),
            ("1.1 200", "A: b", (UntilClose, false)),
            ("1.1 204", "A: b", (Of(0), true)),
            ("1.1 204", "Content-Length: 0", (Of(0), true)),
            ("1.1 204", "Content-Length: 5", (Of(0), false)),
            ("1.1 204", "Transfer-Encoding: chunked", (Of(0), false)),
            ("1.1 304", "Content-Length: 5", (Of(0), true)),
            ("1.1 304", "Transfer-Encoding: chunked", (Of(0), false)),
            ("1.1 100", "A: b", (Of(0), true)),
            ("1.1 200", "Transfer-Encoding: Chunked", (Chunked, true)),
            ("1.1 200", "Transfer-Encoding: gzip, chunked", (Chunked, false)),
            // A reader that goes by the length would find its next answer in the middle of this one.
            ("1.1 200", "Content-Length: 5\r\nTransfer-Encoding: chunked", (Chunked, false)),
            ("1.1 200", "Transfer-Encoding: chunked\r\nContent-Length: -1", (Chunked, false)),
            ("1.1 200", "Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked", (Chunked, false)),
            ("1.1 200", "Transfer-Encoding: chunked\r\nTransfer-Encoding: identity", (UntilClose, false)),
            ("1.1 200", "Transfer-Encoding: chunked, identity", (UntilClose, false)),
            ("1.1 200", "Transfer-Encoding: xchunked", (UntilClose, false)),
            ("1.1 200", "Transfer-Encoding: ", (UntilClose, false)),
        ] {
            let Read { length, keeps, .. } = whole(&format!("HTTP/{start} X\r\n{headers}\r\n\r\n"));
            assert_eq!((length, keeps), expected, "{start} {headers}");
        }
        for headers in ["5\r\nContent-Length: 6", "5, 6", "-5", "+5", "5x", "", "5,", "0x5", "18446744073709551616"] {
            let text = format!("HTTP/1.1 200 OK\r\nContent-Length: {headers}\r\n\r\n");
            assert_eq!(refusal(&text), "invalid content-length parsed", "{headers:?}");
        }
        let old = "HTTP/1.0 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n";
        assert_eq!(refusal(old), "unexpected transfer-encoding parsed");
    }
}

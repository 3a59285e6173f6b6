//! The notations that strings of MCP are written in. Each is read generously: what a usual reader would take is no flaw
//! of a shape, and what the strict grammars refuse beyond that is for other rules to say.

use super::grammar::Shape;

/// A URI: a scheme, a colon, no blanks. Letters beyond ASCII pass, though RFC 3986 wants them escaped.
pub(super) static URI: Shape = Shape::Written { what: "a URI with a scheme", fits: is_uri };
/// Bytes in base64.
pub(super) static BASE64: Shape = Shape::Written { what: "base64 with its padding", fits: is_base64 };
/// A moment.
pub(super) static MOMENT: Shape =
    Shape::Written { what: "an ISO 8601 date or time, as 2025-01-12T15:00:58Z", fits: is_moment };

fn is_uri(text: &str) -> bool {
    let Some((scheme, _)) = text.split_once(':') else { return false };
    scheme.starts_with(|c: char| c.is_ascii_alphabetic())
        && scheme.chars().all(|c| c.is_ascii_alphanumeric() || matches!(c, '+' | '-' | '.'))
        && !text.contains(|c: char| c.is_whitespace() || c.is_control())
}

/// The alphabet of RFC 4648 section 4. Line breaks pass: encoders for mail write them, and decoders skip them.
fn is_base64(text: &str) -> bool {
    let mut digits = 0_usize;
    let mut padding = 0_usize;
    for byte in text.bytes().filter(|byte| !matches!(byte, b'\r' | b'\n')) {
        match byte {
            b'=' => padding += 1,
            b'A'..=b'Z' | b'a'..=b'z' | b'0'..=b'9' | b'+' | b'/' if padding == 0 => digits += 1,
            _ => return false,
        }
    }
    padding <= 2 && (digits + padding).is_multiple_of(4)
}

fn is_moment(text: &str) -> bool {
    let plain = |text: &str| {
        text.parse::<jiff::Timestamp>().is_ok()
            || text.parse::<jiff::civil::DateTime>().is_ok()
            || text.parse::<jiff::civil::Date>().is_ok()
    };
    // A year, a month or a week is a date of ISO 8601 as well.
    let digits_first = text.len() >= 4 && text.bytes().take(4).all(|byte| byte.is_ascii_digit());
    let short = digits_first && text.len() <= 10 && text.bytes().all(|b| b.is_ascii_digit() || b"-W".contains(&b));
    plain(text) || short
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn uris_have_a_scheme_and_no_blanks() {
        for good in ["file:///a", "demo://text/readme", "urn:x", "notes://日本", "data:image/png;base64,AA==", "C:\\a"]
        {
            assert!(is_uri(good), "{good}");
        }
        for bad in ["", "readme", "/etc/hosts", "://x", "1a://x", "file:///a b", "a_b:c"] {
            assert!(!is_uri(bad), "{bad}");
        }
    }

    #[test]
    fn base64_is_whole() {
        for good in ["", "AA==", "AAA=", "AAAA", "AA\nAA", "iVBORw0KGgo="] {
            assert!(is_base64(good), "{good}");
        }
        for bad in ["A", "AA", "AAA", "A===", "AA=A", "data:image/png;base64,AA==", "A-_A", "AA A", "héé="] {
            assert!(!is_base64(bad), "{bad}");
        }
    }

    #[test]
    fn moments_are_iso_8601() {
        for good in [
            "2025-01-12T15:00:58Z",
            "2025-01-12T15:00:58.123456+02:00",
            "2025-01-12T15:00:58",
            "2025-01-12 15:00",
            "2025-01-12",
            "20250112T150058Z",
            "2025-01",
            "2025",
            "2025-W03",
        ] {
            assert!(is_moment(good), "{good}");
        }
        for bad in ["", "yesterday", "12.01.2025", "2025-13-40T99:00:00Z", "1736694058000", "Sun, 12 Jan 2025"] {
            assert!(!is_moment(bad), "{bad}");
        }
    }
}

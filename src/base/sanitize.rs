//! The one sanitiser between text that a server wrote and anything a person reads. Control characters,
//! escape sequences, bidirectional overrides and invisible characters are made visible, never passed on.

use std::borrow::Cow;

/// Makes text safe for a terminal, keeping line feeds. Everything that could move a cursor, change a
/// colour, reorder or hide text is written as `\u{...}`.
#[must_use]
pub fn printable(text: &str) -> Cow<'_, str> {
    escape(text, |c| c == '\n' || c == '\t')
}

/// Makes text safe and puts it on one line: line feeds and tabs become spaces, the end is cut at
/// `chars_max` characters and the cut is shown.
#[must_use]
pub fn one_line(text: &str, chars_max: usize) -> String {
    let flat: String = text.split_whitespace().collect::<Vec<_>>().join(" ");
    let safe = escape(&flat, |_| false);
    cut(&safe, chars_max)
}

/// The first `chars_max` characters, with an ellipsis where something was cut.
#[must_use]
pub fn cut(text: &str, chars_max: usize) -> String {
    match text.char_indices().nth(chars_max) {
        None => text.to_owned(),
        Some(_) => {
            let kept: String = text.chars().take(chars_max.saturating_sub(1)).collect();
            format!("{kept}…")
        }
    }
}

/// Bytes as safe text: what is not UTF-8 is replaced, the rest treated as [`printable`] does.
#[must_use]
pub fn bytes(raw: &[u8]) -> String {
    printable(&String::from_utf8_lossy(raw)).into_owned()
}

/// Whether a character may not reach a terminal as it is.
#[must_use]
pub fn is_unsafe(c: char) -> bool {
    c.is_control()
        || matches!(c,
            '\u{00ad}' | '\u{034f}' | '\u{061c}' | '\u{115f}' | '\u{1160}' | '\u{17b4}' | '\u{17b5}'
            | '\u{180b}'..='\u{180f}' | '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}'
            | '\u{2060}'..='\u{206f}' | '\u{3164}' | '\u{feff}' | '\u{ffa0}' | '\u{fff0}'..='\u{fffb}'
            | '\u{fffe}' | '\u{ffff}' | '\u{1d173}'..='\u{1d17a}' | '\u{e0000}'..='\u{e0fff}')
}

fn escape(text: &str, keep: impl Fn(char) -> bool) -> Cow<'_, str> {
    if !text.chars().any(|c| is_unsafe(c) && !keep(c)) {
        return Cow::Borrowed(text);
    }
    let mut safe = String::with_capacity(text.len() + 16);
    for c in text.chars() {
        if is_unsafe(c) && !keep(c) {
            safe.extend(c.escape_unicode());
        } else {
            safe.push(c);
        }
    }
    Cow::Owned(safe)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn terminal_control_is_made_visible() {
        assert_eq!(printable("a\u{1b}[31mred"), "a\\u{1b}[31mred");
        assert_eq!(printable("\u{202e}evil\u{200b}"), "\\u{202e}evil\\u{200b}");
        assert_eq!(printable("\u{9b}31m\r\n"), "\\u{9b}31m\\u{d}\n");
        assert_eq!(printable("plain é 漢字\n"), "plain é 漢字\n");
    }

    #[test]
    fn one_line_is_one_line() {
        assert_eq!(one_line("a\n  b\tc", 80), "a b c");
        assert_eq!(one_line("abcdef", 4), "abc…");
        assert_eq!(bytes(b"ok\xff\x07"), "ok\u{fffd}\\u{7}");
    }
}

//! Strings and keys as TOML text. Whatever somebody else says ends up inside quotes, with everything made visible that
//! could end them, move a cursor, or mislead a reader's eye.

use std::fmt::Write as _;

use crate::base::sanitize;

/// A string as it is, with its variables, on one line.
#[must_use]
pub fn quoted(text: &str) -> String {
    let mut quoted = String::with_capacity(text.len() + 2);
    quoted.push('"');
    for c in text.chars() {
        match c {
            '"' => quoted.push_str("\\\""),
            '\n' => quoted.push_str("\\n"),
            c => push(&mut quoted, c),
        }
    }
    quoted.push('"');
    quoted
}

/// A string whose line feeds are line feeds, as one reads it. White space at the end of a line is written out: editors
/// take it away.
#[must_use]
pub fn paragraphs(text: &str) -> String {
    if !text.contains('\n') {
        return quoted(text);
    }
    let mut written = String::with_capacity(text.len() + 8);
    written.push_str("\"\"\"\n");
    let mut chars = text.chars().peekable();
    while let Some(c) = chars.next() {
        let next = chars.peek().copied();
        match c {
            '\n' => written.push('\n'),
            ' ' if matches!(next, None | Some('\n')) => written.push_str("\\u0020"),
            // Three in a row would end it, and so would one before the end.
            '"' if matches!(next, None | Some('"')) => written.push_str("\\\""),
            '"' => written.push('"'),
            c => push(&mut written, c),
        }
    }
    written.push_str("\"\"\"");
    written
}

fn push(written: &mut String, c: char) {
    match c {
        '\\' => written.push_str("\\\\"),
        '\t' => written.push_str("\\t"),
        c if sanitize::is_unsafe(c) && u32::from(c) > 0xffff => {
            let _ = write!(written, "\\U{:08X}", u32::from(c));
        }
        c if sanitize::is_unsafe(c) => {
            let _ = write!(written, "\\u{:04X}", u32::from(c));
        }
        c => written.push(c),
    }
}

/// A text in which nothing is escaped: it holds no character that is unsafe to print but line feeds, never two `'` in a
/// row, and does not end in one.
#[must_use]
pub fn literal(text: &str) -> String {
    match text {
        text if text.contains('\n') => format!("'''\n{text}'''"),
        text if text.contains('\'') => format!("'''{text}'''"),
        text => format!("'{text}'"),
    }
}

/// A key, bare where it can be.
#[must_use]
pub fn key(name: &str) -> String {
    let bare = |c: char| c.is_ascii_alphanumeric() || c == '-' || c == '_';
    if !name.is_empty() && name.chars().all(bare) { name.to_owned() } else { quoted(name) }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn read(written: &str) -> String {
        let text = format!("v = {written}");
        let table: toml::Table = toml::from_str(&text).unwrap_or_else(|error| panic!("{error}: {text:?}"));
        table["v"].as_str().unwrap().to_owned()
    }

    #[test]
    fn what_is_written_hides_nothing() {
        assert_eq!(quoted("${TOKEN}"), "\"${TOKEN}\"");
        assert_eq!(quoted("a\n\t\r\u{1b}\u{202e}\u{e0041}"), r#""a\n\t\u000D\u001B\u202E\U000E0041""#);
        assert_eq!((key("a-b"), key("a b"), key("")), ("a-b".into(), "\"a b\"".into(), "\"\"".into()));
        assert_eq!(
            paragraphs("one \"two\"\n\nthree \n\"\"\""),
            "\"\"\"\none \"two\"\n\nthree\\u0020\n\\\"\\\"\\\"\"\"\""
        );
        assert_eq!(literal("{}"), "'{}'");
        assert_eq!(literal("{\n}"), "'''\n{\n}'''");
    }

    proptest! {
        #[test]
        fn what_is_written_is_read_back(text in "[\\PC\\n\"'\\\\ \t\r\u{1b}\u{202e}\u{200b}]{0,40}") {
            prop_assert_eq!(read(&quoted(&text)), text.as_str());
            let written = paragraphs(&text);
            prop_assert_eq!(read(&written), text.as_str());
            prop_assert!(written.lines().all(|line| !line.ends_with(' ')));
            prop_assert!(!written.chars().any(|c| c != '\n' && sanitize::is_unsafe(c)));
        }
    }
}

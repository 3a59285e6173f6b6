//! What one file defines twice: both places are told, and a table that comes again is not read at all, so that nothing
//! else is said of what is in it.

use std::collections::HashMap;
use std::ops::Range;
use std::sync::Arc;

use toml::de::{DeTable, DeValue};

use super::diag::Diag;
use super::source::{Place, Source};

/// So far above a key it is looked for where it came first.
const LINES_MAX: usize = 1000;

/// What the parser says of a key that is there already.
const DUPLICATE: &str = "duplicate key";

/// Where the parser found a key that was there already; none where it found something else.
pub(super) fn place(error: &toml::de::Error) -> Option<usize> {
    error.span().filter(|_| error.message().lines().next() == Some(DUPLICATE)).map(|span| span.start)
}

/// Blanks the tables whose headers begin at these places and were there before. Gives a mistake for each, with both places;
/// none where no table is defined twice.
pub(super) fn blank(source: &Arc<Source>, text: &mut String, places: &[usize]) -> Vec<Diag> {
    let headers = headers(text);
    let mut first: HashMap<&[String], &Header> = HashMap::new();
    let (mut diags, mut blanked) = (Vec::new(), Vec::new());
    for (at, header) in headers.iter().enumerate() {
        let is_again = places.iter().any(|place| header.key.contains(place));
        match first.get(header.path.as_slice()) {
            Some(before) if is_again => {
                let diag = Diag::error(&Place::new(source, header.key.clone()), header.told());
                diags.push(diag.label("again here").also(&Place::new(source, before.key.clone()), "first here"));
                blanked.push(header.line..headers.get(at + 1).map_or(text.len(), |next| next.line));
            }
            Some(_) => {}
            None => {
                first.insert(&header.path, header);
            }
        }
    }
    for range in blanked {
        let blank: String = text[range.clone()].bytes().map(|byte| if byte == b'\n' { '\n' } else { ' ' }).collect();
        text.replace_range(range, &blank);
    }
    diags
}

/// Where the key that comes again at this place came first, in the same table.
pub(super) fn first_key(text: &str, again: usize) -> Option<Range<usize>> {
    let mut start = text[..again].rfind('\n').map_or(0, |end| end + 1);
    let (wanted, span) = key(line(text, start))?;
    if again >= start + span.end {
        return None;
    }
    for _ in 0..LINES_MAX {
        start = text[..start.checked_sub(1)?].rfind('\n').map_or(0, |end| end + 1);
        let line = line(text, start);
        if header(line).is_some() {
            return None;
        }
        if let Some((_, span)) = key(line).filter(|(path, _)| *path == wanted) {
            return Some(start + span.start..start + span.end);
        }
    }
    None
}

/// `[target.a]` of a file.
struct Header {
    path: Vec<String>,
    /// Where its last key stands.
    key: Range<usize>,
    /// Where its line begins.
    line: usize,
}

impl Header {
    fn told(&self) -> String {
        format!("`[{}]` is defined twice", self.path.join("."))
    }
}

fn line(text: &str, start: usize) -> &str {
    text[start..].lines().next().unwrap_or_default()
}

fn headers(text: &str) -> Vec<Header> {
    let mut headers = Vec::new();
    let mut start = 0;
    for line in text.split_inclusive('\n') {
        if let Some((path, key)) = header(line) {
            headers.push(Header { path, key: start + key.start..start + key.end, line: start });
        }
        start += line.len();
    }
    headers
}

/// The keys of a header, and where the last one stands in its line.
fn header(line: &str) -> Option<(Vec<String>, Range<usize>)> {
    if !line.trim_start().starts_with('[') {
        return None;
    }
    let tree = DeTable::parse(line).ok()?;
    let (mut path, mut span) = (Vec::new(), 0..0);
    let mut table = tree.get_ref();
    while let Some((key, value)) = table.iter().next() {
        path.push(key.get_ref().to_string());
        span = key.span();
        table = match value.get_ref() {
            DeValue::Table(table) => table,
            DeValue::Array(items) => match items.first().map(toml::Spanned::get_ref) {
                Some(DeValue::Table(table)) => table,
                _ => break,
            },
            _ => break,
        };
    }
    Some((path, span))
}

/// The key of a line `key = …`, and where it stands.
fn key(line: &str) -> Option<(Vec<String>, Range<usize>)> {
    let (before, _) = line.split_once('=')?;
    let key = before.trim();
    let (path, _) = header(&format!("[{key}]"))?;
    let start = before.len() - before.trim_start().len();
    Some((path, start..start + key.len()))
}

#[cfg(test)]
mod tests {
    use super::super::tree::parse;
    use super::*;

    /// The mistakes of a text, each with its places.
    fn told(text: &str) -> Vec<(String, Vec<String>)> {
        let source = Source::new("a.toml", text, ".");
        let (_, diags) = parse(&source);
        let place = |place: &Place| {
            let (line, column) = place.line_column();
            format!("{line}:{column}")
        };
        let all =
            |diag: &Diag| diag.place.iter().chain(diag.others.iter().map(|(other, _)| other)).map(place).collect();
        diags.iter().map(|diag| (diag.message.clone(), all(diag))).collect()
    }

    #[test]
    fn a_table_that_comes_again_is_told_once_with_both_places() {
        for (text, message, places) in [
            (
                "[target.a]\nurl = 'x'\n[target.a]\nurl = 'y'\ncwd = 'ö'\n",
                "`[target.a]` is defined twice",
                ["3:9", "1:9"],
            ),
            ("[a]\nx = 1\n  [ \"a\" ] # again\ny = 2\n[b]\n", "`[a]` is defined twice", ["3:5", "1:2"]),
            ("[a.b]\n[a]\n[[c]]\n[a]\n[d]\n", "`[a]` is defined twice", ["4:2", "2:2"]),
        ] {
            assert_eq!(told(text), [(message.to_owned(), places.map(str::to_owned).to_vec())], "{text}");
        }
        let three = told("[a]\n[a]\n[a]\n");
        assert_eq!(three.iter().map(|(_, places)| places.join(" ")).collect::<Vec<_>>(), ["2:2 1:2", "3:2 1:2"]);
    }

    #[test]
    fn what_comes_after_a_table_that_comes_again_is_read() {
        let source = Source::new("a.toml", "[a]\nx = 1\n[a]\nx = 2\n[b]\ny = 3\n", ".");
        let (table, diags) = parse(&source);
        assert_eq!(diags.len(), 1);
        assert_eq!(table.get("b").map(|node| node.place.line_column().0), Some(5));
    }

    #[test]
    fn a_key_that_comes_again_shows_where_it_came_first() {
        for (text, places) in [
            ("x = 0\n[a]\nx = 1\ny = 2\nx = 3\n", &["5:1", "3:1"][..]),
            ("  x = 0\n\"x\" = 3\n", &["2:1", "1:3"]),
            ("[a]\nx = { y = 1, y = 2 }\n", &["2:14"]),
            ("[a]\nx = 1\n[a.x]\n", &["3:4"]),
        ] {
            let told = told(text);
            assert_eq!(told.len(), 1, "{text}: {told:?}");
            assert!(told[0].0 == "this is not TOML: duplicate key" && told[0].1 == places, "{text}: {told:?}");
        }
    }
}

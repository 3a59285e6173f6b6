//! A file's text and places inside it.

use std::borrow::Cow;
use std::fmt;
use std::ops::Range;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};

/// A text that was read, under the name a person knows it by.
#[derive(Debug)]
pub struct Source {
    /// The path as given, or what stands for it.
    pub name: String,
    /// The whole text.
    pub text: String,
    /// What relative paths inside the text are relative to.
    pub folder: PathBuf,
    /// Whether it is another program's: its lines are never quoted, because they may hold anybody's secrets.
    pub foreign: bool,
    line_starts: Vec<usize>,
    secrets: Mutex<Vec<Range<usize>>>,
}

impl Source {
    /// A text with its name. A byte order mark at its head is dropped: editors put it there, nobody wrote it.
    #[must_use]
    pub fn new(name: impl Into<String>, text: impl Into<String>, folder: impl Into<PathBuf>) -> Arc<Self> {
        Arc::new(Self::read(name.into(), text.into(), folder.into(), false))
    }

    /// The same for another program's file.
    #[must_use]
    pub fn foreign(name: impl Into<String>, text: impl Into<String>, folder: impl Into<PathBuf>) -> Arc<Self> {
        Arc::new(Self::read(name.into(), text.into(), folder.into(), true))
    }

    fn read(name: String, mut text: String, folder: PathBuf, foreign: bool) -> Self {
        if text.starts_with('\u{feff}') {
            text.drain(..'\u{feff}'.len_utf8());
        }
        let line_starts =
            std::iter::once(0).chain(memchr::memchr_iter(b'\n', text.as_bytes()).map(|at| at + 1)).collect();
        Self { name, text, folder, foreign, line_starts, secrets: Mutex::default() }
    }

    /// The line of a byte offset, from 0.
    #[must_use]
    pub fn line_index(&self, offset: usize) -> usize {
        self.line_starts.partition_point(|start| *start <= offset).saturating_sub(1)
    }

    /// The bytes of these whole lines, first to last, without the last line feed.
    #[must_use]
    pub fn lines(&self, first: usize, last: usize) -> Range<usize> {
        let start = self.line_starts.get(first).copied().unwrap_or(self.text.len());
        let end = self.line_starts.get(last + 1).map_or(self.text.len(), |next| next - 1);
        start..end.max(start)
    }

    /// These bytes are a secret that somebody wrote out: no quotation of the text shows them.
    pub fn keep_secret(&self, span: Range<usize>) {
        self.secrets.lock().unwrap_or_else(PoisonError::into_inner).push(span);
    }

    /// Bytes of the text with every secret in them blotted out, of the same length.
    #[must_use]
    pub fn without_secrets(&self, span: Range<usize>) -> Cow<'_, str> {
        let secrets = self.secrets.lock().unwrap_or_else(PoisonError::into_inner);
        let hit = |secret: &Range<usize>| secret.start < span.end && span.start < secret.end;
        if !secrets.iter().any(hit) {
            return Cow::Borrowed(&self.text[span]);
        }
        let blot = |(at, c): (usize, char)| {
            let hidden = secrets.iter().any(|secret| secret.contains(&(span.start + at)));
            if hidden && c != '\n' { "*".repeat(c.len_utf8()) } else { c.to_string() }
        };
        Cow::Owned(self.text[span.clone()].char_indices().map(blot).collect())
    }

    /// A path that the text says, relative to the file.
    #[must_use]
    pub fn path(&self, said: &str) -> PathBuf {
        self.folder.join(Path::new(said))
    }
}

/// Bytes of a source.
#[derive(Clone, Debug)]
pub struct Place {
    /// The file.
    pub source: Arc<Source>,
    /// The bytes.
    pub span: Range<usize>,
}

impl Place {
    /// A place; a span that does not fit the text is cut to it, so that showing a place never fails.
    #[must_use]
    pub fn new(source: &Arc<Source>, span: Range<usize>) -> Self {
        let floor = |mut at: usize| {
            at = at.min(source.text.len());
            while !source.text.is_char_boundary(at) {
                at -= 1;
            }
            at
        };
        let start = floor(span.start);
        Self { source: Arc::clone(source), span: start..floor(span.end).max(start) }
    }

    /// Line and column, both from 1; columns count characters.
    #[must_use]
    pub fn line_column(&self) -> (usize, usize) {
        let line = self.source.line_index(self.span.start);
        let start = self.source.lines(line, line).start;
        (line + 1, self.source.text[start..self.span.start].chars().count() + 1)
    }

    /// The text itself.
    #[must_use]
    pub fn text(&self) -> &str {
        &self.source.text[self.span.clone()]
    }
}

impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (line, column) = self.line_column();
        write!(f, "{}:{line}:{column}", self.source.name)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn places_count_lines_and_characters_from_one() {
        let source = Source::new("a.toml", "x = 1\né = \"ü\"\n", ".");
        let at = |span| Place::new(&source, span).to_string();
        assert_eq!(at(0..1), "a.toml:1:1");
        assert_eq!(at(6..8), "a.toml:2:1");
        assert_eq!(at(11..15), "a.toml:2:5");
        assert_eq!(at(7..99), "a.toml:2:1");
        assert_eq!(at(99..100), "a.toml:3:1");
        assert_eq!(&source.text[source.lines(1, 1)], "é = \"ü\"");
        assert_eq!(&source.text[source.lines(0, 9)], "x = 1\né = \"ü\"\n");
    }

    #[test]
    fn a_secret_is_blotted_out_wherever_its_line_is_shown() {
        let source = Source::new("a.toml", "k = \"süß\"\nx = 1\n", ".");
        assert_eq!(source.without_secrets(0..11), source.text[0..11]);
        source.keep_secret(5..10);
        assert_eq!(source.without_secrets(0..11), "k = \"*****\"");
        assert_eq!(source.without_secrets(12..17), "x = 1");
    }
}

//! What a person or a script gets to see: the reports of `check` ([`mod@format`] has their table), the JSON documents,
//! readable replies, the wire log. One file per format; a format turns outcomes into text and leaves the writing of it to
//! the caller.
//!
//! Everything a server wrote passes [`crate::base::sanitize`] here, on its way into text.

pub mod audit;
pub mod audit_json;
pub mod call;
pub mod call_json;
mod case;
pub mod chart;
pub mod format;
pub mod github;
pub mod changes;
pub mod grid;
pub mod history;
mod html;
pub mod json;
mod jsonl;
mod junit;
pub mod line_diff;
pub mod log;
pub mod markdown;
mod nagios;
mod prometheus;
pub mod render;
pub mod rotating;
mod sarif;
pub mod schema;
pub mod slo;
pub mod table;
mod tap;
pub mod targets;
pub mod wire_log;

use anstyle::{AnsiColor, Style};

pub use format::{FORMATS, Format, Run};

/// How text is to look: decided once by the command line, obeyed by every format.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Look {
    /// Columns of the terminal; `None` when the output is no terminal and gets rows separated by tabs.
    pub width: Option<u16>,
    /// Whether colours are used.
    pub colour: bool,
}

impl Look {
    /// For a pipe or a file: rows, uncut, uncoloured.
    pub const PLAIN: Self = Self { width: None, colour: false };

    /// Whether a person is looking.
    #[must_use]
    pub fn is_terminal(&self) -> bool {
        self.width.is_some()
    }

    /// Columns to wrap prose at: the terminal's, never so wide that lines are hard to follow.
    #[must_use]
    pub fn prose_width(&self) -> Option<usize> {
        self.width.map(|width| usize::from(width).clamp(20, 120))
    }

    /// Text in an ink, or as it is when colours are off.
    #[must_use]
    pub fn paint(&self, ink: Ink, text: &str) -> String {
        match ink.style() {
            Some(style) if self.colour && !text.is_empty() => format!("{style}{text}{style:#}"),
            _ => text.to_owned(),
        }
    }
}

/// What a piece of text means; each meaning has one colour everywhere.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Ink {
    /// Ordinary text.
    #[default]
    Plain,
    /// Healthy.
    Good,
    /// Degraded, a warning.
    Warn,
    /// Failed, an error.
    Bad,
    /// Names: what the eye looks for.
    Strong,
    /// Beside the point: times, labels, headings.
    Dim,
    /// Keys of JSON, parameters.
    Key,
}

impl Ink {
    fn style(self) -> Option<Style> {
        let colour = |colour: AnsiColor| Some(Style::new().fg_color(Some(colour.into())));
        match self {
            Self::Plain => None,
            Self::Good => colour(AnsiColor::Green),
            Self::Warn => colour(AnsiColor::Yellow),
            Self::Bad => Some(Style::new().bold().fg_color(Some(AnsiColor::Red.into()))),
            Self::Strong => Some(Style::new().bold()),
            Self::Dim => Some(Style::new().dimmed()),
            Self::Key => colour(AnsiColor::Cyan),
        }
    }

    /// The ink of a status.
    #[must_use]
    pub fn of(status: crate::event::Status) -> Self {
        use crate::event::Status;
        match status {
            Status::Healthy => Self::Good,
            Status::Degraded | Status::Unknown => Self::Warn,
            Status::Failed => Self::Bad,
            Status::Skipped => Self::Dim,
        }
    }
}

/// Breaks text into lines of at most `width` columns, between words where that is possible. Line feeds of the
/// text are kept.
#[must_use]
pub fn wrap(text: &str, width: usize) -> Vec<String> {
    use unicode_width::{UnicodeWidthChar, UnicodeWidthStr};
    let width = width.max(1);
    let mut lines = Vec::new();
    for paragraph in text.lines() {
        let indent: String = paragraph.chars().take_while(|c| *c == ' ').take(width / 2).collect();
        let mut line = indent.clone();
        let mut fresh = true;
        for word in paragraph.split_whitespace() {
            let needed = line.width() + word.width() + usize::from(!fresh);
            if needed > width && !fresh {
                lines.push(std::mem::replace(&mut line, indent.clone()));
                fresh = true;
            }
            if !fresh {
                line.push(' ');
            }
            for c in word.chars() {
                if line.width() + c.width().unwrap_or(0) > width && line.len() > indent.len() {
                    lines.push(std::mem::replace(&mut line, indent.clone()));
                }
                line.push(c);
            }
            fresh = false;
        }
        lines.push(line.trim_end().to_owned());
    }
    lines
}

/// `1 tool`, `12 tools`.
#[must_use]
pub fn count(n: usize, noun: &str) -> String {
    if n == 1 { format!("1 {noun}") } else { format!("{n} {noun}s") }
}

/// Puts `indent` before every line that is not empty.
#[must_use]
pub fn indented(text: &str, indent: &str) -> String {
    text.lines()
        .map(|line| if line.is_empty() { String::new() } else { format!("{indent}{line}") })
        .collect::<Vec<_>>()
        .join("\n")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn text_is_wrapped_between_words() {
        assert_eq!(wrap("one two three", 7), ["one two", "three"]);
        assert_eq!(wrap("a\n\n  b c", 4), ["a", "", "  b", "  c"]);
        assert_eq!(wrap("abcdefgh", 3), ["abc", "def", "gh"]);
        assert_eq!(wrap("漢字漢字", 4), ["漢字", "漢字"]);
        assert_eq!(wrap("to abcdefgh", 4), ["to", "abcd", "efgh"]);
    }

    #[test]
    fn colours_appear_only_when_asked() {
        let colour = Look { width: Some(80), colour: true };
        assert_eq!(colour.paint(Ink::Good, "ok"), "\u{1b}[32mok\u{1b}[0m");
        assert_eq!(Look::PLAIN.paint(Ink::Good, "ok"), "ok");
    }
}

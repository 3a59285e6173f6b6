//! Diagnostics: a mistake in the user's text with its place, what was expected, and what to write instead. Shown
//! the way compilers do; nothing from a file reaches the terminal unsanitised.

use std::borrow::Cow;
use std::ops::Range;

use annotate_snippets::{Annotation, AnnotationKind, Element, Group, Level, Origin, Renderer, Snippet};

use super::source::Place;
use crate::base::sanitize;

/// Longest message, label or help that is shown.
const CHARS_MAX: usize = 2_000;
/// Lines of a file that are more than this together are not shown whole, in bytes.
const WINDOW_BYTES_MAX: usize = 64 << 10;
/// So much of such a line is shown on either side of a place, in bytes.
const AROUND_BYTES: usize = 200;

/// How bad it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Severity {
    /// Will disappoint, but can run.
    Warning,
    /// Cannot run.
    Error,
}

impl Severity {
    /// The word used in outputs.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Warning => "warning",
            Self::Error => "error",
        }
    }
}

/// Something wrong, or unwise, in a text that the user wrote.
#[derive(Clone, Debug)]
pub struct Diag {
    /// Error or warning.
    pub severity: Severity,
    /// Where; none when it concerns no text (an unknown name on the command line).
    pub place: Option<Place>,
    /// One sentence: what is wrong.
    pub message: String,
    /// A few words at the place itself; may be empty.
    pub label: String,
    /// Other places that belong to it, each with a few words.
    pub others: Vec<(Place, String)>,
    /// What to write instead.
    pub help: Option<String>,
    /// Whether the text is right and only this machine lacks something: a variable, a file.
    pub unset: bool,
}

impl Diag {
    /// An error at a place.
    #[must_use]
    pub fn error(place: &Place, message: impl Into<String>) -> Self {
        Self { place: Some(place.clone()), ..Self::general(message) }
    }

    /// A warning at a place.
    #[must_use]
    pub fn warning(place: &Place, message: impl Into<String>) -> Self {
        Self { severity: Severity::Warning, ..Self::error(place, message) }
    }

    /// An error that has no place.
    #[must_use]
    pub fn general(message: impl Into<String>) -> Self {
        Self {
            severity: Severity::Error,
            place: None,
            message: message.into(),
            label: String::new(),
            others: Vec::new(),
            help: None,
            unset: false,
        }
    }

    /// With a few words at the place.
    #[must_use]
    pub fn label(mut self, label: impl Into<String>) -> Self {
        self.label = label.into();
        self
    }

    /// With what to write instead.
    #[must_use]
    pub fn help(mut self, help: impl Into<String>) -> Self {
        self.help = Some(help.into());
        self
    }

    /// With what to write instead, where there is something to say.
    #[must_use]
    pub fn maybe_help(mut self, help: Option<String>) -> Self {
        self.help = help.or(self.help);
        self
    }

    /// Of something that this machine lacks, not of the text.
    #[must_use]
    pub fn of_machine(mut self) -> Self {
        self.unset = true;
        self
    }

    /// The same as a warning.
    #[must_use]
    pub fn softened(mut self) -> Self {
        self.severity = Severity::Warning;
        self
    }

    /// With another place that belongs to it.
    #[must_use]
    pub fn also(mut self, place: &Place, label: impl Into<String>) -> Self {
        self.others.push((place.clone(), label.into()));
        self
    }
}

/// Whether any of them keeps the files from being used.
#[must_use]
pub fn has_errors(diags: &[Diag]) -> bool {
    diags.iter().any(|diag| diag.severity == Severity::Error)
}

/// The diagnostics as text for a person, one after the other with an empty line between, ending in a line feed.
/// `columns` is the width of the terminal; a file or a pipe has none, and gets sentences that are not broken.
#[must_use]
pub fn render(diags: &[Diag], coloured: bool, columns: Option<usize>) -> String {
    /// Of lines of the file that are shown where there is no terminal.
    const COLUMNS: usize = 120;
    let columns = columns.map(|columns| columns.max(40));
    let renderer = if coloured { Renderer::styled().hyperlink(false) } else { Renderer::plain() };
    let renderer = renderer.term_width(columns.unwrap_or(COLUMNS));
    let mut text = String::new();
    for diag in diags {
        if !text.is_empty() {
            text.push('\n');
        }
        text.push_str(&render_one(diag, &renderer, columns));
        text.push('\n');
    }
    text
}

fn render_one(diag: &Diag, renderer: &Renderer, columns: Option<usize>) -> String {
    let level = match diag.severity {
        Severity::Error => Level::ERROR,
        Severity::Warning => Level::WARNING,
    };
    let mut group = Group::with_title(level.primary_title(broken(&safe(&diag.message), columns, "warning: ".len())));
    // Of a file that could not be read there is nothing to show.
    if let Some(place) = diag.place.as_ref().filter(|place| !place.source.text.is_empty()) {
        let is_here = |other: &Place| same_file(other, place) && window(place, &[other]).len() <= WINDOW_BYTES_MAX;
        let (here, elsewhere): (Vec<_>, Vec<_>) = diag.others.iter().partition(|(other, _)| is_here(other));
        group = group.elements(shown(place, &diag.label, AnnotationKind::Primary, &here));
        for (other, label) in elsewhere {
            group = group.elements(shown(other, label, AnnotationKind::Context, &[]));
        }
    }
    if let Some(help) = &diag.help {
        group = group.element(Level::HELP.message(broken(&safe(help), columns, "12345 = help: ".len())));
    }
    renderer.render(&[group])
}

/// Broken between words, where there is a width; the renderer sets the further lines in by `taken` at most.
fn broken(text: &str, columns: Option<usize>, taken: usize) -> String {
    let Some(room) = columns.map(|columns| columns - taken) else { return text.to_owned() };
    let mut shown = String::new();
    let mut column = 0;
    for word in text.split(' ') {
        let chars = word.chars().count();
        if column > 0 && column + 1 + chars > room {
            shown.push('\n');
            column = 0;
        } else if column > 0 {
            shown.push(' ');
            column += 1;
        }
        shown.push_str(word);
        column += chars;
    }
    shown
}

fn same_file(left: &Place, right: &Place) -> bool {
    std::sync::Arc::ptr_eq(&left.source, &right.source)
}

/// The bytes of the lines at which these places begin, and of those between them.
fn window(place: &Place, others: &[&Place]) -> Range<usize> {
    let source = &place.source;
    let starts = others.iter().map(|other| other.span.start).chain([place.span.start]);
    let first = source.line_index(starts.clone().min().unwrap_or(place.span.start));
    source.lines(first, source.line_index(starts.max().unwrap_or(place.span.start)))
}

/// A place as the renderer shows it: with its lines, unless they are another program's; of a line that nobody could
/// read whole, what stands around the place.
fn shown<'a>(place: &Place, label: &str, kind: AnnotationKind, others: &[&(Place, String)]) -> Vec<Element<'a>> {
    let source = &place.source;
    let places: Vec<&Place> = others.iter().map(|(other, _)| other).collect();
    let whole = window(place, &places);
    if !source.foreign && whole.len() <= WINDOW_BYTES_MAX {
        return vec![snippet(place, label, kind, others, whole).path(safe(&source.name)).into()];
    }
    let (line, column) = place.line_column();
    let origin = Origin::path(safe(&source.name)).line(line).char_column(column);
    if source.foreign {
        return vec![origin.into()];
    }
    let line = source.lines(line - 1, line - 1);
    let around = Place::new(source, place.span.start.saturating_sub(AROUND_BYTES)..place.span.start + AROUND_BYTES);
    let cut = around.span.start.max(line.start)..around.span.end.min(line.end).max(place.span.start);
    vec![origin.into(), snippet(place, label, kind, &[], cut).into()]
}

/// Only the lines concerned are handed to the renderer, so that a file of thousands of lines costs nothing.
fn snippet<'a>(
    place: &Place,
    label: &str,
    kind: AnnotationKind,
    others: &[&(Place, String)],
    window: Range<usize>,
) -> Snippet<'a, Annotation<'a>> {
    let source = &place.source;
    // One line at a place is enough to find it: a span over several is cut at its first.
    let within = |place: &Place| {
        let line = source.line_index(place.span.start);
        let end = place.span.end.min(source.lines(line, line).end).min(window.end).max(place.span.start);
        place.span.start - window.start..end - window.start
    };
    let mut snippet = Snippet::source(same_length(&source.without_secrets(window.clone())))
        .line_start(source.line_index(window.start) + 1)
        .annotation(kind.span(within(place)).label(some(label)));
    for (other, label) in others {
        snippet = snippet.annotation(AnnotationKind::Context.span(within(other)).label(some(label)));
    }
    snippet
}

fn some(label: &str) -> Option<String> {
    (!label.is_empty()).then(|| safe(label))
}

fn safe(text: &str) -> String {
    sanitize::cut(&sanitize::printable(text), CHARS_MAX)
}

/// Safe text of the same length in bytes, so that spans still fit.
fn same_length(text: &str) -> String {
    let keep = |c: char| matches!(c, '\n' | '\t' | '\r');
    if !text.chars().any(|c| sanitize::is_unsafe(c) && !keep(c)) {
        return text.to_owned();
    }
    let stand_in = |c: char| match c {
        c if keep(c) || !sanitize::is_unsafe(c) => Cow::Owned(c.to_string()),
        c if c.len_utf8() == '\u{fffd}'.len_utf8() => Cow::Borrowed("\u{fffd}"),
        c => Cow::Owned("?".repeat(c.len_utf8())),
    };
    text.chars().map(stand_in).collect()
}

#[cfg(test)]
mod tests {
    use super::super::source::Source;
    use super::*;

    #[test]
    fn it_reads_like_a_compiler() {
        let source = Source::new("a.toml", "[target.x]\nurl = 7\n", ".");
        let diag = Diag::error(&Place::new(&source, 17..18), "`url` must be a string")
            .label("an integer")
            .help("write `url = \"https://…\"`");
        let text = render(&[diag], false, Some(100));
        assert!(text.starts_with("error: `url` must be a string\n --> a.toml:2:7\n"), "{text}");
        assert!(text.contains("2 | url = 7\n  |       ^ an integer\n"), "{text}");
        assert!(text.contains("= help: write"), "{text}");
    }

    #[test]
    fn long_help_is_broken_for_a_terminal_only() {
        let help = "a word and another word, ".repeat(8);
        let diag = Diag::general("wrong ".repeat(20)).help(help);
        let text = render(std::slice::from_ref(&diag), false, Some(60));
        assert!(text.lines().count() > 4 && text.lines().all(|line| line.chars().count() <= 60), "{text}");
        assert_eq!(render(&[diag], false, None).trim_end().lines().count(), 3);
    }

    #[test]
    fn two_places_are_both_shown() {
        let (one, two) = (Source::new("1.toml", "a = 1\n", "."), Source::new("2.toml", "\nb = 2\n", "."));
        let diag = Diag::error(&Place::new(&two, 1..2), "twice").also(&Place::new(&one, 0..1), "first here");
        let text = render(&[diag], false, Some(100));
        assert!(text.contains("2.toml:2:1") && text.contains("1.toml:1:1") && text.contains("first here"), "{text}");
    }

    #[test]
    fn of_a_line_that_nobody_could_read_only_what_is_around_the_place_is_rendered() {
        let text = format!("a = 1\nb = \"{}\"wrong{}\n", "é".repeat(8 << 20), "z".repeat(8 << 20));
        let at = text.find("wrong").unwrap();
        let source = Source::new("a.toml", text, ".");
        let before = std::time::Instant::now();
        let diag =
            Diag::error(&Place::new(&source, at..source.text.len()), "no").also(&Place::new(&source, 0..1), "first");
        let text = render(&[diag], false, Some(80));
        assert!(before.elapsed() < std::time::Duration::from_secs(10), "{:?}", before.elapsed());
        assert!(text.contains(" --> a.toml:2:8388615\n") && text.contains("a.toml:1:1"), "{text}");
        assert!(text.contains("wrong") && text.contains("first") && text.len() < 4_000, "{text}");
    }

    #[test]
    fn no_line_of_another_programs_file_is_quoted() {
        let source = Source::foreign("a.json", "{\n\"token\": \"hunter2\"}", ".");
        let text = render(&[Diag::error(&Place::new(&source, 2..9), "no").label("l").help("h")], false, Some(80));
        assert!(text.contains("a.json:2:1") && text.contains("= help: h"), "{text}");
        assert!(!text.contains("hunter2"), "{text}");
    }

    #[test]
    fn nothing_from_a_file_moves_the_cursor() {
        let source = Source::new("e\u{1b}[2J.toml", "a\u{202e}b = \"\u{9b}x\"\u{7}\n", ".");
        let diag = Diag::error(&Place::new(&source, 4..5), "m\u{1b}[0m").label("l\u{8}").help("h\u{1b}");
        let text = render(&[diag], false, Some(100));
        assert!(!text.chars().any(|c| sanitize::is_unsafe(c) && c != '\n'), "{text:?}");
    }
}

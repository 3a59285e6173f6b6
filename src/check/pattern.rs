//! Regular expressions of the user: linear time, bounded memory. The syntax is read with the file. To build the
//! automaton takes ten times as long, so for a pattern that is certainly small it is built when it is first used: a
//! file of a thousand probes is read at once, and no run uses all its patterns.

use std::fmt;
use std::sync::OnceLock;

use regex::{Regex, RegexBuilder};
use regex_syntax::hir::{Class, Hir, HirKind};

/// Memory one compiled pattern may take, in bytes.
const BYTES_MAX: usize = 1 << 20;

/// A regular expression that can be compiled within bounds.
#[derive(Clone, Debug)]
pub struct Pattern {
    text: String,
    regex: OnceLock<Regex>,
}

/// Why a text is no pattern.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum NoPattern {
    /// It would take too much memory.
    TooLarge,
    /// It is no regular expression, and why.
    Syntax(String),
}

impl Pattern {
    /// Reads a pattern.
    ///
    /// # Errors
    /// When it is no regular expression of this dialect, or too large.
    pub fn parse(text: &str) -> Result<Self, NoPattern> {
        let hir = regex_syntax::parse(text).map_err(|error| syntax(&error.to_string()))?;
        let regex = OnceLock::new();
        if bytes_at_most(&hir) > BYTES_MAX / 4 {
            let compiled = compile(text).map_err(|error| match error {
                regex::Error::CompiledTooBig(_) => NoPattern::TooLarge,
                error => syntax(&error.to_string()),
            })?;
            let _ = regex.set(compiled);
        }
        Ok(Self { text: text.to_owned(), regex })
    }

    /// Whether it matches anywhere in a text.
    #[must_use]
    pub fn is_match(&self, text: &str) -> bool {
        if self.regex.get().is_none()
            && let Ok(regex) = compile(&self.text)
        {
            let _ = self.regex.set(regex);
        }
        // What could not be compiled although it is small matches nothing: the check is red, never green.
        self.regex.get().is_some_and(|regex| regex.is_match(text))
    }

    /// As it was written.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.text
    }
}

impl fmt::Display for Pattern {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

fn compile(text: &str) -> Result<Regex, regex::Error> {
    RegexBuilder::new(text).size_limit(BYTES_MAX).build()
}

/// The last line of the error is the sentence; those above draw the pattern.
fn syntax(error: &str) -> NoPattern {
    let why = error.lines().last().unwrap_or_default().trim_start_matches("error: ");
    NoPattern::Syntax(why.to_owned())
}

/// No pattern takes more than this when it is compiled; far above what most do.
fn bytes_at_most(hir: &Hir) -> usize {
    const STATE_BYTES: usize = 64;
    const RANGE_BYTES: usize = 512;
    match hir.kind() {
        HirKind::Empty | HirKind::Look(_) => STATE_BYTES,
        HirKind::Literal(literal) => literal.0.len().saturating_mul(STATE_BYTES),
        HirKind::Class(Class::Unicode(class)) => class.ranges().len().saturating_mul(RANGE_BYTES),
        HirKind::Class(Class::Bytes(class)) => class.ranges().len().saturating_mul(RANGE_BYTES),
        HirKind::Repetition(repetition) => {
            let times = repetition.max.unwrap_or(repetition.min.saturating_add(1)).max(1);
            bytes_at_most(&repetition.sub).saturating_add(STATE_BYTES).saturating_mul(times as usize)
        }
        HirKind::Capture(capture) => bytes_at_most(&capture.sub).saturating_add(2 * STATE_BYTES),
        HirKind::Concat(parts) | HirKind::Alternation(parts) => {
            parts.iter().map(bytes_at_most).fold(STATE_BYTES, usize::saturating_add)
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn small_patterns_wait_and_large_ones_do_not() {
        for (text, waits) in
            [("^(clear|cloudy)$", true), (r"[A-Z][a-z]+: \d+", true), (r"\w{1,9}", false), ("a{5000}", false)]
        {
            let pattern = Pattern::parse(text).unwrap();
            assert_eq!(pattern.regex.get().is_none(), waits, "{text}");
        }
        let pattern = Pattern::parse("^a+$").unwrap();
        assert!(pattern.is_match("aaa") && !pattern.is_match("ab"));
    }

    #[test]
    fn what_is_no_pattern_is_told_when_it_is_read() {
        assert_eq!(Pattern::parse(r"(\w{100}){100}").unwrap_err(), NoPattern::TooLarge);
        let Err(NoPattern::Syntax(why)) = Pattern::parse("(a") else { panic!() };
        assert_eq!(why, "unclosed group");
        assert!(matches!(Pattern::parse("(?=a)"), Err(NoPattern::Syntax(_))));
    }

    /// The estimate is what makes waiting safe: it must never be below what a pattern takes.
    #[test]
    fn the_estimate_is_above_what_is_needed() {
        for text in [
            r"\w",
            r"\d\s\w",
            r"(?i)straße",
            r"\p{Greek}+",
            "[^a]",
            "(?s).*",
            "a|b|cd|[ef]{3}",
            r"\b\w+\b",
            "[a-zä-ü]{20}",
            "x{100}",
        ] {
            let bytes = bytes_at_most(&regex_syntax::parse(text).unwrap()).max(4096);
            assert!(RegexBuilder::new(text).size_limit(bytes * 4).build().is_ok(), "{text}: more than {bytes} × 4");
        }
    }
}

//! Characters that do something other than stand in a text. Many of them belong into some script or emoji: there they are
//! left alone.

use std::collections::BTreeMap;
use std::fmt;

/// How many places are named.
const PLACES_MAX: usize = 5;
/// Tags of one flag, such as that of Scotland.
const FLAG_TAGS_MAX: usize = 7;

/// What kind of character it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Kind {
    /// C0, C1, DEL.
    Control,
    /// Embeds, overrides or isolates a direction of writing.
    Direction,
    /// Has no width and no work to do here.
    Invisible,
    /// Carries text that nobody sees.
    Hidden,
}

/// Where the characters of one kind are.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Hits {
    count: usize,
    /// The first few: which character, as the how manieth of the text.
    first: Vec<(char, usize)>,
}

impl fmt::Display for Hits {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (nth, (c, at)) in self.first.iter().enumerate() {
            f.write_str(if nth == 0 { "" } else { ", " })?;
            write!(f, "U+{:04X} at character {}", u32::from(*c), at + 1)?;
        }
        match self.count.saturating_sub(self.first.len()) {
            0 => Ok(()),
            more => write!(f, " and {more} more"),
        }
    }
}

/// The suspicious characters of a text, by kind.
pub(super) fn suspicious(text: &str) -> BTreeMap<Kind, Hits> {
    let mut found: BTreeMap<Kind, Hits> = BTreeMap::new();
    if text.bytes().all(|byte| matches!(byte, b' '..=b'~' | b'\n' | b'\t')) {
        return found;
    }
    let is_rtl = text.chars().any(is_right_to_left);
    let (mut before, mut tags_left) = (None, 0);
    let mut chars = text.chars().enumerate().peekable();
    while let Some((at, c)) = chars.next() {
        let place = Place { at, before, after: chars.peek().map(|(_, next)| *next), is_rtl, is_flag: tags_left > 0 };
        tags_left = match c {
            '\u{1f3f4}' => FLAG_TAGS_MAX,
            '\u{e0020}'..='\u{e007e}' => tags_left.saturating_sub(1),
            _ => 0,
        };
        if let Some(kind) = kind_of(c, &place) {
            let hits = found.entry(kind).or_default();
            hits.count += 1;
            if hits.first.len() < PLACES_MAX {
                hits.first.push((c, at));
            }
        }
        before = Some(c);
    }
    found
}

/// What stands around a character.
struct Place {
    at: usize,
    before: Option<char>,
    after: Option<char>,
    is_rtl: bool,
    is_flag: bool,
}

impl Place {
    fn is_beside(&self, is: fn(char) -> bool) -> bool {
        self.before.is_some_and(is) || self.after.is_some_and(is)
    }
}

fn kind_of(c: char, place: &Place) -> Option<Kind> {
    let unless = |is_needed: bool, kind: Kind| (!is_needed).then_some(kind);
    match c {
        '\n' | '\t' => None,
        '\r' => unless(place.after == Some('\n'), Kind::Control),
        c if c.is_control() => Some(Kind::Control),
        '\u{202d}' | '\u{202e}' => Some(Kind::Direction),
        '\u{202a}'..='\u{202c}' | '\u{2066}'..='\u{2069}' => unless(place.is_rtl, Kind::Direction),
        '\u{200e}' | '\u{200f}' | '\u{061c}' => unless(place.is_rtl, Kind::Invisible),
        // Joiners: emoji, and the scripts whose letters join or vary.
        '\u{200c}' | '\u{200d}' | '\u{180b}'..='\u{180f}' => unless(place.is_beside(joins), Kind::Invisible),
        // A place to break the line in scripts without spaces.
        '\u{200b}' => unless(place.is_beside(is_without_spaces), Kind::Invisible),
        '\u{feff}' => unless(place.at == 0, Kind::Invisible),
        '\u{034f}'
        | '\u{115f}'
        | '\u{1160}'
        | '\u{17b4}'
        | '\u{17b5}'
        | '\u{2060}'..='\u{2065}'
        | '\u{206a}'..='\u{206f}'
        | '\u{3164}'
        | '\u{ffa0}'
        | '\u{fff0}'..='\u{fffb}' => Some(Kind::Invisible),
        '\u{e0000}'..='\u{e007f}' => unless(place.is_flag, Kind::Hidden),
        '\u{e0100}'..='\u{e01ef}' => unless(place.before.is_some_and(is_ideograph), Kind::Hidden),
        '\u{fe00}'..='\u{fe0f}' => unless(!place.before.is_some_and(is_selector), Kind::Hidden),
        _ => None,
    }
}

fn is_selector(c: char) -> bool {
    matches!(c, '\u{fe00}'..='\u{fe0f}' | '\u{e0100}'..='\u{e01ef}')
}

fn is_right_to_left(c: char) -> bool {
    matches!(c, '\u{0590}'..='\u{061b}' | '\u{061d}'..='\u{08ff}' | '\u{fb1d}'..='\u{fdff}' | '\u{fe70}'..='\u{fefc}'
        | '\u{10800}'..='\u{10fff}' | '\u{1e800}'..='\u{1efff}')
}

fn joins(c: char) -> bool {
    is_right_to_left(c)
        || matches!(c, '\u{0900}'..='\u{0dff}' | '\u{0e00}'..='\u{109f}' | '\u{1780}'..='\u{18af}' | '\u{2190}'..='\u{2bff}'
            | '\u{a8e0}'..='\u{a8ff}' | '\u{fe0f}' | '\u{1f000}'..='\u{1faff}')
}

fn is_without_spaces(c: char) -> bool {
    is_ideograph(c)
        || matches!(c, '\u{0e00}'..='\u{0fff}' | '\u{1000}'..='\u{109f}' | '\u{1780}'..='\u{17ff}' | '\u{3040}'..='\u{30ff}')
}

fn is_ideograph(c: char) -> bool {
    matches!(c, '\u{3400}'..='\u{9fff}' | '\u{f900}'..='\u{faff}' | '\u{20000}'..='\u{3ffff}')
}

#[cfg(test)]
mod tests {
    use super::*;

    fn kinds(text: &str) -> Vec<Kind> {
        suspicious(text).into_keys().collect()
    }

    #[test]
    fn what_hides_or_turns_text_is_found() {
        for (text, expected) in [
            ("a\u{1b}[8mb", Kind::Control),
            ("a\rb", Kind::Control),
            ("a\u{9b}31m", Kind::Control),
            ("\u{7f}", Kind::Control),
            ("\u{202e}txt.exe", Kind::Direction),
            ("path \u{2066}x\u{2069}", Kind::Direction),
            ("שלום \u{202e}abc", Kind::Direction),
            ("poi\u{200b}soned", Kind::Invisible),
            ("a\u{200d}b", Kind::Invisible),
            ("a\u{feff}b", Kind::Invisible),
            ("a\u{2063}b\u{3164}", Kind::Invisible),
            ("abc\u{200e}", Kind::Invisible),
            ("hi\u{e0048}\u{e0069}", Kind::Hidden),
            ("a\u{e0101}", Kind::Hidden),
            ("\u{1f600}\u{fe0f}\u{fe01}\u{fe02}", Kind::Hidden),
        ] {
            assert_eq!(kinds(text), [expected], "{text:?}");
        }
    }

    #[test]
    fn what_a_script_or_an_emoji_needs_is_left_alone() {
        for text in [
            "plain\r\nlines\n\twith tabs",
            "\u{feff}after a byte order mark",
            "soft\u{ad}hyphen",
            "no\u{a0}break\u{202f}space\u{2009}thin",
            "👩\u{200d}💻 and ❤\u{fe0f}\u{200d}🔥 and ☀\u{fe0f}",
            "🏴\u{e0067}\u{e0062}\u{e0073}\u{e0063}\u{e0074}\u{e007f} flag",
            "می\u{200c}خواهم",
            "क्\u{200d}ष",
            "שלום \u{2068}abc\u{2069}\u{200f}!",
            "ภาษา\u{200b}ไทย",
            "葛\u{e0100}城市",
            "Zürich, naïve, 東京, Ελλάδα, Привет",
        ] {
            assert_eq!(kinds(text), [], "{text:?}");
        }
    }

    #[test]
    fn hits_are_told_by_code_point_and_place() {
        let found = suspicious("a\u{1b}b\u{7}\u{1}\u{2}\u{3}\u{4}\u{5}");
        assert_eq!(
            found[&Kind::Control].to_string(),
            "U+001B at character 2, U+0007 at character 4, U+0001 at character 5, U+0002 at character 6, U+0003 at character \
             7 and 2 more"
        );
        let flag_with_more = format!("\u{1f3f4}{}", "\u{e0061}".repeat(30));
        assert_eq!(suspicious(&flag_with_more)[&Kind::Hidden].count, 30 - FLAG_TAGS_MAX);
    }
}

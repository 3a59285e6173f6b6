//! The small language that shapes are told in: constants that a table is made of. What differs between revisions stands
//! beside the member, the word or the kind that differs, as the span of revisions that know it.

/// A dated revision, as it is written on the wire. Dates compare as text.
type Date = &'static str;

/// The first revision.
const FIRST: Date = "2024-11-05";
/// The revision that brought audio, tool annotations and `completions`.
pub(super) const V2025_03: Date = "2025-03-26";
/// The revision that brought titles, structured output, links and elicitation.
pub(super) const V2025_06: Date = "2025-06-18";
/// The last revision with `initialize`; it brought icons and tasks.
pub(super) const V2025_11: Date = "2025-11-25";
/// The stateless revision.
pub(super) const V2026_07: Date = "2026-07-28";
/// Not ended yet.
const OPEN: Date = "9999-12-31";

/// The revisions that know something, both ends included.
#[derive(Debug, Clone, Copy)]
pub(super) struct Span {
    pub(super) since: Date,
    pub(super) until: Date,
}

/// Every revision.
pub(super) const ALWAYS: Span = Span { since: FIRST, until: OPEN };

impl Span {
    /// From this revision on.
    pub(super) const fn from(since: Date) -> Self {
        Self { since, until: OPEN }
    }

    /// In this revision alone.
    pub(super) const fn only(date: Date) -> Self {
        Self { since: date, until: date }
    }

    /// Up to this revision.
    pub(super) const fn to(until: Date) -> Self {
        Self { since: FIRST, until }
    }

    /// Whether the revision of this date knows it.
    pub(super) fn covers(&self, version: &str) -> bool {
        self.since <= version && version <= self.until
    }

    /// Whether this span says more about a revision than the other, which does not cover it: what covers it does, then
    /// what comes next, then what ended last.
    pub(super) fn is_nearer(&self, other: &Self, version: &str) -> bool {
        match (self.since > version, other.since > version) {
            _ if self.covers(version) => true,
            (true, true) => self.since < other.since,
            (false, false) => self.until > other.until,
            (later, _) => later,
        }
    }
}

/// What a JSON value has to be.
#[derive(Debug)]
pub(super) enum Shape {
    /// Anything, `null` too.
    Any,
    Null,
    Text,
    Boolean,
    /// A whole number; `1.0` is one.
    Integer {
        least: Option<i64>,
    },
    Number {
        within: Option<(f64, f64)>,
    },
    /// A string in a notation: how it is called, and whether a text is in it.
    Written {
        what: &'static str,
        fits: fn(&str) -> bool,
    },
    /// One of some strings.
    Words(&'static [Word]),
    /// An object with known members; others are always allowed. Members come in groups, which records share.
    Record(&'static [&'static [Member]]),
    /// An object whose names are free.
    Map(&'static Shape),
    List {
        item: &'static Shape,
        least: usize,
        most: usize,
    },
    /// A record whose kind is told by a member.
    Tagged(Tagged),
    /// The first of these that the value's JSON type allows.
    Either(&'static [&'static Shape]),
    /// One thing in place of another, told apart by a member that only it has.
    Instead {
        span: Span,
        member: &'static str,
        of: &'static str,
        then: &'static Shape,
        otherwise: &'static Shape,
    },
    /// A shape, and something that holds between its members.
    Also(&'static Shape, Bond),
}

/// A record of several kinds.
#[derive(Debug)]
pub(super) struct Tagged {
    /// The member that tells the kind.
    pub(super) tag: &'static str,
    /// The revisions that have the member; the others know the first kind alone.
    pub(super) span: Span,
    /// Whether a record without the member is of the first kind.
    pub(super) first_by_default: bool,
    pub(super) kinds: &'static [Kind],
}

/// A kind of a tagged record. Its shape lists the tag as a member too, where it must be there.
#[derive(Debug)]
pub(super) struct Kind {
    pub(super) word: Word,
    pub(super) shape: &'static Shape,
}

/// A string that stands for something.
#[derive(Debug)]
pub(super) struct Word {
    pub(super) text: &'static str,
    pub(super) span: Span,
}

/// What holds between the members of a record.
#[derive(Debug)]
pub(super) enum Bond {
    /// At least one of these members is there.
    AnyOf(&'static [&'static str]),
    /// The number in the first member, if any, is not less than the length of the array in the second.
    AtLeastCount(&'static str, &'static str),
}

/// A member of a record. Several rows may have one name, for different revisions.
#[derive(Debug)]
pub(super) struct Member {
    pub(super) name: &'static str,
    pub(super) shape: &'static Shape,
    pub(super) required: bool,
    pub(super) span: Span,
    /// Whether the member is no surprise in other revisions: nothing is said about it there.
    pub(super) harmless: bool,
}

/// A member that must be there.
pub(super) const fn must(name: &'static str, shape: &'static Shape) -> Member {
    Member { name, shape, required: true, span: ALWAYS, harmless: false }
}

/// A member that may be there.
pub(super) const fn may(name: &'static str, shape: &'static Shape) -> Member {
    Member { name, shape, required: false, span: ALWAYS, harmless: false }
}

impl Member {
    pub(super) const fn in_span(mut self, span: Span) -> Self {
        self.span = span;
        self
    }

    pub(super) const fn since(self, date: Date) -> Self {
        self.in_span(Span::from(date))
    }

    pub(super) const fn until(self, date: Date) -> Self {
        self.in_span(Span::to(date))
    }

    pub(super) const fn harmless(mut self) -> Self {
        self.harmless = true;
        self
    }
}

/// A word that every revision knows.
pub(super) const fn word(text: &'static str) -> Word {
    Word { text, span: ALWAYS }
}

/// A word that came with a revision.
pub(super) const fn word_since(text: &'static str, date: Date) -> Word {
    Word { text, span: Span::from(date) }
}

/// A kind that every revision knows.
pub(super) const fn kind(text: &'static str, shape: &'static Shape) -> Kind {
    Kind { word: word(text), shape }
}

/// A kind that came with a revision.
pub(super) const fn kind_since(text: &'static str, date: Date, shape: &'static Shape) -> Kind {
    Kind { word: word_since(text, date), shape }
}

/// An array of any length.
pub(super) const fn list(item: &'static Shape) -> Shape {
    Shape::List { item, least: 0, most: usize::MAX }
}

/// An object with nothing known about its members.
pub(super) static OBJECT: Shape = Shape::Record(&[]);
pub(super) static INTEGER: Shape = Shape::Integer { least: None };
pub(super) static NATURAL: Shape = Shape::Integer { least: Some(0) };
pub(super) static NUMBER: Shape = Shape::Number { within: None };
/// A number from 0 to 1.
pub(super) static SHARE: Shape = Shape::Number { within: Some((0.0, 1.0)) };
pub(super) static TEXTS: Shape = list(&Shape::Text);
/// An id of a request, or a token for its progress.
pub(super) static ID: Shape = Shape::Either(&[&Shape::Text, &INTEGER]);

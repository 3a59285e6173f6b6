//! What differs between two readings of what a server offers: written by the comparison, read by whoever tells it.

use serde_json::Value;

/// What a change is about.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Subject {
    /// The server itself: its instructions.
    Server,
    /// A tool.
    Tool,
    /// A prompt.
    Prompt,
    /// A resource.
    Resource,
    /// A resource template.
    Template,
}

impl Subject {
    /// Every subject.
    pub const ALL: [Self; 5] = [Self::Server, Self::Tool, Self::Prompt, Self::Resource, Self::Template];

    /// The word used in outputs and in the lock file.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Server => "server",
            Self::Tool => "tool",
            Self::Prompt => "prompt",
            Self::Resource => "resource",
            Self::Template => "template",
        }
    }
}

/// What a change means for those who use the definition. Ordered from worst to least.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum ChangeClass {
    /// Calls that worked are refused, or answers lose what they had.
    Breaking,
    /// It is gone.
    Removed,
    /// Nothing proves that calls which worked still do.
    MayBreak,
    /// An annotation says something else.
    Annotation,
    /// It is new.
    Added,
    /// More is accepted, or more is promised.
    Widening,
    /// Words for people and models.
    Prose,
    /// The same in another order.
    Order,
}

impl ChangeClass {
    /// Every class, worst first.
    pub const ALL: [Self; 8] = [
        Self::Breaking,
        Self::Removed,
        Self::MayBreak,
        Self::Annotation,
        Self::Added,
        Self::Widening,
        Self::Prose,
        Self::Order,
    ];

    /// The word used in outputs.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Breaking => "breaking",
            Self::Removed => "removed",
            Self::MayBreak => "may_break",
            Self::Annotation => "annotation",
            Self::Added => "added",
            Self::Widening => "widening",
            Self::Prose => "prose",
            Self::Order => "order",
        }
    }

    /// What it means, in one sentence.
    #[must_use]
    pub fn meaning(self) -> &'static str {
        match self {
            Self::Breaking => "Calls that worked are refused now, or answers lose what they had.",
            Self::Removed => "It is gone: who calls it by its name gets an error.",
            Self::MayBreak => "It was changed in a way of which nothing proves that calls which worked still do.",
            Self::Annotation => "An annotation says something else, such as that the tool is no longer read-only.",
            Self::Added => "It is new.",
            Self::Widening => "More is accepted than before, or more is promised: what worked still does.",
            Self::Prose => "Words for people and models: titles, descriptions, examples, instructions.",
            Self::Order => "The same, in another order.",
        }
    }
}

/// One difference. Texts of the server inside it are raw.
#[derive(Clone, Debug, PartialEq)]
pub struct Change {
    /// What it means.
    pub class: ChangeClass,
    /// What it is about.
    pub subject: Subject,
    /// Which one: a name, a URI, a URI template; empty where it is about all of them.
    pub name: String,
    /// Where in the definition, as a JSONPath; none where it is about the whole of it.
    pub path: Option<String>,
    /// What happened, in a few words.
    pub what: String,
    /// What stood there before.
    pub old: Option<Value>,
    /// What stands there now.
    pub new: Option<Value>,
    /// An annotation by which clients ask people less often than before.
    pub loud: bool,
}

impl Change {
    /// Whether somebody who relied on the old definition may be let down.
    #[must_use]
    pub fn is_breaking(&self) -> bool {
        self.loud || matches!(self.class, ChangeClass::Breaking | ChangeClass::Removed | ChangeClass::MayBreak)
    }

    /// On one line: class, what, where.
    #[must_use]
    pub fn line(&self) -> String {
        let name = if self.name.is_empty() { String::new() } else { format!(" {}", self.name) };
        let path = self.path.as_ref().map(|path| format!(" at {path}")).unwrap_or_default();
        format!("{}{name}: {}{path} ({})", self.subject.name(), self.what, self.class.name())
    }

    /// How many there are of each class, worst first: `1 breaking, 2 prose`; empty without changes.
    #[must_use]
    pub fn tally(changes: &[Self]) -> String {
        let of = |class: ChangeClass| {
            let count = changes.iter().filter(|change| change.class == class).count();
            (count > 0).then(|| format!("{count} {}", class.name()))
        };
        ChangeClass::ALL.into_iter().filter_map(of).collect::<Vec<_>>().join(", ")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn changes_are_counted_worst_first() {
        let change = |class| Change {
            class,
            subject: Subject::Tool,
            name: "a".into(),
            path: Some("$.description".into()),
            what: "the description is another".into(),
            old: None,
            new: None,
            loud: false,
        };
        let all = [ChangeClass::Prose, ChangeClass::Breaking, ChangeClass::Prose].map(change);
        assert_eq!(Change::tally(&all), "1 breaking, 2 prose");
        assert_eq!(Change::tally(&[]), "");
        assert_eq!(all[0].line(), "tool a: the description is another at $.description (prose)");
        assert!(all[1].is_breaking() && !all[0].is_breaking());
    }
}

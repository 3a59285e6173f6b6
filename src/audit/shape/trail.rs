//! Where the judge stands: a chain of steps from the root, written as JSONPath when there is something to say.

use crate::base::sanitize;
use crate::check::path;

/// The longest name of a member that is written out; names may be the server's.
const NAME_CHARS_MAX: usize = 60;

/// A step and how it was come to.
#[derive(Debug, Clone, Copy)]
pub(super) struct Trail<'a> {
    before: Option<&'a Trail<'a>>,
    step: Step<'a>,
}

#[derive(Debug, Clone, Copy)]
enum Step<'a> {
    Root,
    /// A member that a table names.
    Member(&'a str),
    /// A member whose name the server chose.
    Key(&'a str),
    Index(usize),
}

impl<'a> Trail<'a> {
    pub(super) const ROOT: Trail<'static> = Trail { before: None, step: Step::Root };

    pub(super) fn member(&'a self, name: &'a str) -> Self {
        Self { before: Some(self), step: Step::Member(name) }
    }

    pub(super) fn key(&'a self, name: &'a str) -> Self {
        Self { before: Some(self), step: Step::Key(name) }
    }

    pub(super) fn index(&'a self, index: usize) -> Self {
        Self { before: Some(self), step: Step::Index(index) }
    }

    /// The JSONPath.
    pub(super) fn path(&self) -> String {
        self.written(true)
    }

    /// The JSONPath with `*` for every index and every name that the server chose: the same for all items of a list.
    pub(super) fn pattern(&self) -> String {
        self.written(false)
    }

    fn written(&self, exact: bool) -> String {
        let mut text = self.before.map_or_else(String::new, |before| before.written(exact));
        match self.step {
            Step::Root => text.push('$'),
            Step::Key(_) | Step::Index(_) if !exact => text.push_str("[*]"),
            Step::Index(index) => text.push_str(&format!("[{index}]")),
            Step::Member(name) | Step::Key(name) => text.push_str(&path::member(&sanitize::cut(name, NAME_CHARS_MAX))),
        }
        text
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn trails_are_written_as_jsonpath() {
        let tools = Trail::ROOT.member("tools");
        let third = tools.index(3);
        let kind = third.member("type");
        assert_eq!((kind.path().as_str(), kind.pattern().as_str()), ("$.tools[3].type", "$.tools[*].type"));
        let odd = kind.key("it's/odd");
        assert_eq!(
            (odd.path().as_str(), odd.pattern().as_str()),
            ("$.tools[3].type['it\\'s/odd']", "$.tools[*].type[*]")
        );
        assert_eq!(Trail::ROOT.key("").path(), "$['']");
        assert_eq!(Trail::ROOT.key("0a").path(), "$['0a']");
        assert!(Trail::ROOT.key(&"x".repeat(10_000)).path().chars().count() <= NAME_CHARS_MAX + 6);
    }
}

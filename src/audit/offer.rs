//! What a server offers, as it came: the raw definitions of its lists and its instructions. Whoever judges reads any
//! value here, of whatever shape, and says where he read it.

use serde_json::{Map, Value};

use crate::base::sanitize;
use crate::check::path;
use crate::event::{Subject, TransportKind};
use crate::protocol::revision::Revision;

/// Characters of a name in what is said.
const NAME_CHARS: usize = 80;
/// Characters of a path, and of one name in it.
const PATH_CHARS: usize = 400;

/// What one server offers.
#[derive(Clone, Copy, Debug)]
pub struct Offer<'a> {
    /// The name under which a client would have it in its files: clients put it before the names of tools.
    pub name: &'a str,
    /// Its instructions for models.
    pub instructions: Option<&'a str>,
    /// The revision that was spoken.
    pub revision: &'static Revision,
    /// How messages travelled.
    pub transport: TransportKind,
    /// The items of `tools/list`, all pages.
    pub tools: &'a [Value],
    /// The items of `prompts/list`.
    pub prompts: &'a [Value],
    /// The items of `resources/list`.
    pub resources: &'a [Value],
    /// The items of `resources/templates/list`.
    pub templates: &'a [Value],
}

/// One definition of a list.
#[derive(Clone, Copy, Debug)]
pub struct Item<'a> {
    /// Of which list.
    pub subject: Subject,
    /// Which of them, from 0.
    pub at: usize,
    /// As it came.
    pub value: &'a Value,
}

impl<'a> Offer<'a> {
    /// A server without lists.
    #[must_use]
    pub fn new(name: &'a str, revision: &'static Revision, transport: TransportKind) -> Self {
        let (tools, prompts, resources, templates): (&[Value], &[Value], &[Value], &[Value]) = (&[], &[], &[], &[]);
        Self { name, instructions: None, revision, transport, tools, prompts, resources, templates }
    }

    /// The tools.
    pub fn tools(&self) -> impl Iterator<Item = Item<'a>> + use<'a> {
        items(Subject::Tool, self.tools)
    }

    /// Every definition: tools, prompts, resources, templates.
    pub fn items(&self) -> impl Iterator<Item = Item<'a>> + use<'a> {
        items(Subject::Tool, self.tools)
            .chain(items(Subject::Prompt, self.prompts))
            .chain(items(Subject::Resource, self.resources))
            .chain(items(Subject::Template, self.templates))
    }
}

fn items(subject: Subject, values: &[Value]) -> impl Iterator<Item = Item<'_>> + use<'_> {
    values.iter().enumerate().map(move |(at, value)| Item { subject, at, value })
}

impl<'a> Item<'a> {
    /// A member that is a text.
    #[must_use]
    pub fn text(&self, member: &str) -> Option<&'a str> {
        self.value.get(member)?.as_str()
    }

    /// What names it for a client; none where nothing does.
    #[must_use]
    pub fn name(&self) -> Option<&'a str> {
        self.text(match self.subject {
            Subject::Resource => "uri",
            Subject::Template => "uriTemplate",
            _ => "name",
        })
    }

    /// The input schema of a tool, where it is an object.
    #[must_use]
    pub fn schema(&self) -> Option<&'a Map<String, Value>> {
        self.value.get("inputSchema")?.as_object()
    }

    /// Where it stands in the result of its list.
    #[must_use]
    pub fn path(&self) -> String {
        let list = match self.subject {
            Subject::Prompt => "prompts",
            Subject::Resource => "resources",
            Subject::Template => "resourceTemplates",
            _ => "tools",
        };
        format!("$.{list}[{}]", self.at)
    }

    /// Who it is, in words: ``tool `echo` ``, `tool 3`.
    #[must_use]
    pub fn about(&self) -> String {
        let what = match self.subject {
            Subject::Prompt => "prompt",
            Subject::Resource => "resource",
            Subject::Template => "resource template",
            _ => "tool",
        };
        match self.name().filter(|name| !name.is_empty()) {
            Some(name) => format!("{what} `{}`", sanitize::cut(name, NAME_CHARS)),
            None => format!("{what} {} (it has no name)", self.at + 1),
        }
    }
}

/// The path of a member. Names and paths are cut where they are too long to help anybody.
#[must_use]
pub fn member(path: &str, name: &str) -> String {
    let name = path::member(&sanitize::cut(name, NAME_CHARS));
    sanitize::cut(&format!("{path}{name}"), PATH_CHARS)
}

/// The path of an element.
#[must_use]
pub fn element(path: &str, at: usize) -> String {
    sanitize::cut(&format!("{path}[{at}]"), PATH_CHARS)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::event::Era;

    #[test]
    fn every_definition_has_a_path_and_a_name_for_people() {
        let (tools, prompts) = ([json!({"name": "a"}), json!(null), json!({"name": ""})], [json!({"name": "p"})]);
        let (resources, templates) = ([json!({"uri": "a://b"})], [json!({"uriTemplate": "a://{b}"})]);
        let mut offer = Offer::new("demo", Revision::newest(Era::Modern), TransportKind::Stdio);
        assert_eq!(offer.items().count(), 0);
        (offer.tools, offer.prompts, offer.resources, offer.templates) = (&tools, &prompts, &resources, &templates);
        let told: Vec<(String, String)> = offer.items().map(|item| (item.path(), item.about())).collect();
        let expected = [
            ("$.tools[0]", "tool `a`"),
            ("$.tools[1]", "tool 2 (it has no name)"),
            ("$.tools[2]", "tool 3 (it has no name)"),
            ("$.prompts[0]", "prompt `p`"),
            ("$.resources[0]", "resource `a://b`"),
            ("$.resourceTemplates[0]", "resource template `a://{b}`"),
        ];
        assert_eq!(told, expected.map(|(path, about)| (path.to_owned(), about.to_owned())));
        assert_eq!(offer.tools().count(), 3);
    }

    #[test]
    fn paths_are_quoted_and_bounded() {
        assert_eq!(member("$.a", "b_1"), "$.a.b_1");
        assert_eq!(member("$", "it's"), "$['it\\'s']");
        assert_eq!(element("$.a", 3), "$.a[3]");
        let deep = (0..100).fold("$".to_owned(), |path, _| member(&path, &"x".repeat(10_000)));
        assert!(deep.chars().count() <= PATH_CHARS);
    }
}

//! `expect.tools`, `expect.resources`, `expect.prompts`: what a list must hold, by name.

use std::collections::BTreeSet;

use serde_json::{Value, json};

use super::{Check, Evidence, Expectation, Judged, Kind, Verdict, cut_short, quote, result_of};
use crate::config::{Field, grammar};

pub(super) const TOOLS: Kind = Kind {
    name: "tools",
    what: "Which tools the list must hold (`include`), must not hold (`exclude`), must hold and no other (`only`), and \
           how many (`min`, `max`).",
    why: "A deployment that loses a tool still answers `tools/list` with success.",
    example: "method = \"tools/list\"\nexpect.tools = { include = [\"forecast\"], min = 3 }",
    methods: &["tools/list"],
    schema,
    parse: |field| parse(field, &TOOLS_LIST),
    default: None,
};

pub(super) const RESOURCES: Kind = Kind {
    name: "resources",
    what: "Which resources the list must hold, by URI or name: `include`, `exclude`, `only`, `min`, `max`.",
    why: "A resource that vanished is missed only by the client that needs it.",
    example: "method = \"resources/list\"\nexpect.resources = { include = [\"file:///etc/hostname\"] }",
    methods: &["resources/list"],
    schema,
    parse: |field| parse(field, &RESOURCES_LIST),
    default: None,
};

pub(super) const PROMPTS: Kind = Kind {
    name: "prompts",
    what: "Which prompts the list must hold, by name: `include`, `exclude`, `only`, `min`, `max`.",
    why: "Prompts are what people pick from a menu; one that vanished is noticed by its users first.",
    example: "method = \"prompts/list\"\nexpect.prompts = { only = [\"summarise\", \"translate\"] }",
    methods: &["prompts/list"],
    schema,
    parse: |field| parse(field, &PROMPTS_LIST),
    default: None,
};

fn schema() -> Value {
    let names = |what| grammar::described(grammar::strings(), what);
    let bound = |what| grammar::described(grammar::count(), what);
    let keys = grammar::table([
        ("include", names("Names that the list must hold.")),
        ("exclude", names("Names that the list must not hold.")),
        ("only", names("Names that the list must hold, and no other.")),
        ("min", bound("At least so many.")),
        ("max", bound("At most so many.")),
    ]);
    grammar::with(keys, json!({"minProperties": 1}))
}

/// What differs between the three lists.
#[derive(Debug)]
struct List {
    kind: &'static str,
    /// The array of the result.
    member: &'static str,
    /// What names an item; any of them will do.
    names: &'static [&'static str],
}

static TOOLS_LIST: List = List { kind: "tools", member: "tools", names: &["name"] };
static RESOURCES_LIST: List = List { kind: "resources", member: "resources", names: &["uri", "name"] };
static PROMPTS_LIST: List = List { kind: "prompts", member: "prompts", names: &["name"] };

#[derive(Debug)]
struct Holds {
    list: &'static List,
    include: Vec<String>,
    exclude: Vec<String>,
    only: Option<Vec<String>>,
    min: Option<u64>,
    max: Option<u64>,
}

fn parse(field: Field<'_>, list: &'static List) -> Vec<Expectation> {
    let what = format!("`expect.{}`", list.kind);
    let Some(section) = field.table(&what) else { return Vec::new() };
    let before = field.reading().count();
    let holds = Holds {
        list,
        include: section.strings("include").unwrap_or_default(),
        exclude: section.strings("exclude").unwrap_or_default(),
        only: section.strings("only"),
        min: section.count("min"),
        max: section.count("max"),
    };
    section.finish();
    if let Some(both) = holds.include.iter().find(|name| holds.exclude.contains(name)) {
        field.wrong(format!("{what} includes and excludes `{both}`"));
    }
    if let (Some(min), Some(max)) = (holds.min, holds.max)
        && min > max
    {
        field.wrong(format!("{what}: `min` is above `max`"));
    }
    if let (Some(only), Some(stray)) =
        (&holds.only, holds.include.iter().find(|name| holds.only.as_ref().is_some_and(|only| !only.contains(name))))
    {
        let count = only.len();
        field.wrong(format!("{what} includes `{stray}`, which is not among the {count} of `only`"));
    }
    let empty = holds.include.is_empty() && holds.exclude.is_empty() && holds.only.is_none();
    let unbounded = holds.min.is_none_or(|min| min == 0) && holds.max.is_none();
    if empty && unbounded && field.reading().count() == before {
        field
            .wrong(format!("{what} expects nothing: it can never fail"))
            .help("write `include`, `exclude`, `only`, `min` (above zero) or `max`");
    }
    vec![Expectation::new(holds, field.place())]
}

fn names(names: &[String]) -> String {
    names.iter().map(|name| format!("{name:?}")).collect::<Vec<_>>().join(", ")
}

impl Holds {
    fn describe(&self) -> String {
        let mut parts = Vec::new();
        if !self.include.is_empty() {
            parts.push(format!("includes {}", names(&self.include)));
        }
        if !self.exclude.is_empty() {
            parts.push(format!("without {}", names(&self.exclude)));
        }
        if let Some(only) = &self.only {
            parts.push(format!("only {}", names(only)));
        }
        parts.extend(self.min.map(|min| format!("at least {min}")));
        parts.extend(self.max.map(|max| format!("at most {max}")));
        quote(&parts.join(", "))
    }

    /// What is wrong with these items, and what more items could put right or make wrong.
    fn complaints(&self, items: &[Value]) -> Complaints {
        let of = |item: &Value, key: &&str| item.get(*key).and_then(Value::as_str).map(ToOwned::to_owned);
        let label = |item: &Value| self.list.names.iter().find_map(|key| of(item, key)).unwrap_or_default();
        let known: BTreeSet<String> =
            items.iter().flat_map(|item| self.list.names.iter().filter_map(|key| of(item, key))).collect();
        let told = |what: &str, found: Vec<String>| (!found.is_empty()).then(|| format!("{what} {}", names(&found)));
        let wanted = self.include.iter().chain(self.only.iter().flatten());
        let missing: BTreeSet<String> = wanted.filter(|name| !known.contains(*name)).cloned().collect();
        let missing = told("missing", missing.into_iter().collect());
        let excluded = told("has", self.exclude.iter().filter(|name| known.contains(*name)).cloned().collect());
        let unexpected = self.only.as_ref().and_then(|only| {
            let stray = |item: &&Value| {
                !self.list.names.iter().any(|key| of(item, key).is_some_and(|name| only.contains(&name)))
            };
            told("unexpected", items.iter().filter(stray).map(label).collect())
        });
        let count = items.len() as u64;
        let counted = || format!("{count} {}", self.list.member);
        let (few, many) = (self.min.is_some_and(|min| count < min), self.max.is_some_and(|max| count > max));
        // A list that goes in circles holds one thing many times.
        let enough = self.min.is_none_or(|min| items.iter().map(label).collect::<BTreeSet<_>>().len() as u64 >= min);
        let bounded = !self.exclude.is_empty() || self.only.is_some() || self.max.is_some();
        Complaints {
            is_decided: excluded.is_some() || unexpected.is_some() || many,
            may_change: missing.is_some() || !enough || bounded,
            all: missing.into_iter().chain(excluded).chain(unexpected).chain((few || many).then(counted)).collect(),
        }
    }
}

/// What is wrong with a list.
struct Complaints {
    all: Vec<String>,
    /// It is wrong whatever more the list holds.
    is_decided: bool,
    /// It may be the other way round with more that the list holds.
    may_change: bool,
}

impl Check for Holds {
    fn kind(&self) -> &'static str {
        self.list.kind
    }

    fn judge(&self, evidence: &Evidence<'_>) -> Verdict {
        let path = format!("$.{}", self.list.member);
        let result = match result_of(evidence, || self.describe()) {
            Ok(result) => result,
            Err(verdict) => return verdict,
        };
        let Some(items) = result.get(self.list.member).and_then(Value::as_array) else {
            let actual = format!("the result has no array `{}`", self.list.member);
            return Verdict::Fail(Judged::new(self.describe(), actual).at(path));
        };
        let Complaints { all: complaints, is_decided, may_change } = self.complaints(items);
        if let Some(cut) = evidence.exchange.cut()
            && may_change
            && !is_decided
        {
            return Verdict::Blocked(Judged::new(self.describe(), cut_short(cut)).at(path));
        }
        let passed = complaints.is_empty();
        let actual =
            if passed { format!("{} {}", items.len(), self.list.member) } else { quote(&complaints.join("; ")) };
        Verdict::of(passed, Judged::new(self.describe(), actual).at(path))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::check::tests::judged_when_cut;
    use crate::event::CheckStatus::{Blocked, Failed, Passed};

    #[test]
    fn of_a_list_that_was_cut_only_what_was_seen_decides() {
        let tools = json!({"tools": [{"name": "good"}, {"name": "fine"}, {"name": "fine"}]});
        for (toml, status) in [
            ("tools = { only = [\"good\", \"fine\"] }", Blocked),
            ("tools = { only = [\"good\"] }", Failed),
            ("tools = { exclude = [\"evil\"] }", Blocked),
            ("tools = { exclude = [\"fine\"] }", Failed),
            ("tools = { max = 3 }", Blocked),
            ("tools = { max = 2 }", Failed),
            ("tools = { include = [\"good\"], max = 3 }", Blocked),
            ("tools = { include = [\"good\", \"fine\"] }", Passed),
            ("tools = { include = [\"evil\"] }", Blocked),
            ("tools = { include = [\"evil\"], exclude = [\"good\"] }", Failed),
            ("tools = { min = 2 }", Passed),
            ("tools = { min = 3 }", Blocked),
            ("tools = { min = 4 }", Blocked),
        ] {
            let outcome = judged_when_cut("tools/list", &tools, toml);
            assert_eq!(outcome.status, status, "{toml}: {outcome:?}");
            if status == Blocked {
                let why = "a list that was not read to its end (expected every page names a new cursor, got page 2";
                assert!(outcome.actual.starts_with(why), "{outcome:?}");
            }
        }
        let prompts = json!({"prompts": [{"name": "a"}]});
        assert_eq!(judged_when_cut("prompts/list", &prompts, "prompts = { max = 1 }").status, Blocked);
    }
}

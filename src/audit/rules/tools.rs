//! Rules of the tools a server lists: their names, hints and icons, their order, and what is said when they change. Their
//! schemas have a file of their own.

use std::collections::HashMap;

use serde_json::Value;

use super::super::case::quote;
use super::super::exercises::{LIST_AGAIN, ORDINARY};
use super::super::shape::{Flaw, FlawKind};
use super::super::{Area, Case, Class, Keyword, Rule, Shot, Verdict, Violation};
use super::fit::{fit, nothing};
use super::schemas;

const LIST: &str = "tools/list";
/// The longest name of a tool, in characters.
const NAME_CHARS_MAX: usize = 128;
/// The lists whose items may have icons.
const LISTS: &[(&str, &str)] = &[
    (LIST, "tools"),
    ("resources/list", "resources"),
    ("resources/templates/list", "resources"),
    ("prompts/list", "prompts"),
];
const NO_TOOL: &str = "no tool is listed";
/// What a client needs of a tool.
const SHAPE_AT: &[&str] = &["$.tools", "$.tools[*]", "$.tools[*].name", "$.tools[*].inputSchema"];
const INPUT_TYPE_AT: &str = "$.tools[*].inputSchema.type";

pub(super) static RULES: &[Rule] = &[
    Rule::new("tools.shape", &["T01"], Area::Tools, shape)
        .noticed()
        .worded(Keyword::Schema)
        .says(
            "`tools` is an array of objects, and each has a string `name` and an object `inputSchema`.",
            "Clients that read the list strictly drop it as a whole for a single item without them.",
            "give every tool a name and an inputSchema; for a tool without parameters it is {\"type\": \"object\"}.",
        )
        .page("server/tools#tool"),
    Rule::new("tools.input_object", &["T02"], Area::Tools, input_object)
        .noticed()
        .says(
            "The `type` of a tool's `inputSchema` is \"object\".",
            "Arguments are an object; clients and model providers refuse tools whose schema says something else or nothing.",
            "write \"type\": \"object\" at the root of the inputSchema, also where other keywords say the same.",
        )
        .page("server/tools#tool"),
    Rule::new("tools.name", &["T08"], Area::Tools, name)
        .worded(Keyword::Should)
        .since("2025-11-25")
        .says(
            "A tool's name has 1 to 128 characters, and no others than ASCII letters, digits, `_`, `-` and `.`.",
            "Model providers take such names only, so clients rename or drop the others.",
            "rename the tool; blanks and slashes can become `_` or `.`.",
        )
        .page("server/tools#tool-names"),
    Rule::new("tools.unique", &["T09", "F38"], Area::Tools, unique)
        .noticed()
        .worded(Keyword::Should)
        .says(
            "No two tools of a server have the same name, over all pages of the list.",
            "A call reaches only one of them, and model providers refuse a request with both.",
            "rename one of the tools, or list it once.",
        )
        .page("server/tools#tool"),
    Rule::new("tools.icons", &["T12"], Area::Tools, icons)
        .worded(Keyword::Should)
        .since("2025-11-25")
        .says(
            "The `src` of an icon is an https: or data: URI.",
            "Clients have to refuse every other scheme, so nobody sees the icon, and `javascript:` looks like an attack.",
            "serve the icon over https, or write it into the list as a data: URI.",
        )
        .page("basic#icons"),
    Rule::new("tools.task_support", &["T13"], Area::Tools, task_support)
        .worded(Keyword::Info)
        .before("2026-07-28", Keyword::Schema)
        .since("2025-11-25")
        .says(
            "`execution.taskSupport` is \"forbidden\", \"optional\" or \"required\"; since 2026-07-28 there is no `execution`.",
            "Clients decide by it whether they call the tool as a task; a word they do not know makes the tool unusable.",
            "write one of the three words, and leave `execution` out where 2026-07-28 is spoken.",
        )
        .page("server/tools#tool"),
    Rule::new("tools.hints", &["T14"], Area::Tools, hints)
        .worded(Keyword::Info)
        .since("2025-03-26")
        .says(
            "The hints of a tool agree: what is read-only is not destructive.",
            "Clients ask the user by these hints; what contradicts itself is taken for the worst of both.",
            "leave destructiveHint out where readOnlyHint is true, or take readOnlyHint away.",
        )
        .page("server/tools#tool"),
    Rule::new("tools.order", &["T15", "F37"], Area::Tools, order)
        .worded(Keyword::Should)
        .before("2026-07-28", Keyword::Info)
        .needs(Class::Harmless, &[&LIST_AGAIN])
        .says(
            "A list that has not changed comes in the same order each time.",
            "The definitions stand at the front of every prompt: another order makes a model provider's cache useless.",
            "sort the list, or keep tools in something ordered instead of a hash table.",
        )
        .page("server/tools#capabilities"),
    Rule::new("tools.steady", &["F37"], Area::Field, steady)
        .worded(Keyword::Info)
        .needs(Class::Harmless, &[&LIST_AGAIN])
        .says(
            "Two readings of the list, one after the other, give the same tools.",
            "Replicas that run different versions make tools come and go under a client's hands.",
            "let all replicas run the same version, or send notifications/tools/list_changed where tools do change.",
        )
        .page("server/tools#list-changed-notification"),
    Rule::new("list_changed.declared", &["T28"], Area::Tools, list_changed)
        .says(
            "`list_changed` notifications come only from a server that has declared `listChanged` for that list.",
            "Clients that go by the capabilities do not listen, and go on with the old list.",
            "declare \"listChanged\": true for the list, or do not send the notification.",
        )
        .page("server/tools#list-changed-notification"),
];

/// The tools of the first reading that are objects: shot, path, tool.
pub(super) fn listed<'a>(case: &Case<'a>) -> Vec<(usize, String, &'a Value)> {
    let mut all = case.definitions(LIST);
    all.retain(|(_, _, tool)| tool.is_object());
    all
}

/// Where no tool came.
pub(super) fn no_tool(case: &Case<'_>) -> Verdict {
    nothing(case, "tools", NO_TOOL)
}

/// What a definition calls itself.
pub(super) fn name_of(item: &Value) -> &str {
    item.get("name").and_then(Value::as_str).unwrap_or_default()
}

/// Judges every listed tool.
pub(super) fn each(case: &Case<'_>, judge: impl Fn(&str, &Value) -> Vec<Violation>) -> Verdict {
    let tools = listed(case);
    if tools.is_empty() {
        return no_tool(case);
    }
    let judged = tools.iter().flat_map(|(place, path, tool)| {
        let found: Vec<_> = judge(path, tool).into_iter().map(|wrong| Err(wrong.shown_by(*place))).collect();
        if found.is_empty() { vec![Ok(())] } else { found }
    });
    Verdict::of_all(judged, NO_TOOL)
}

/// Whether a rule of tools tells what is wrong there, in probes as well: other rules of shapes leave it alone.
pub(super) fn tells(method: &str, flaw: &Flaw) -> bool {
    let at = flaw.pattern.as_str();
    method == LIST
        && !flaw.kind.is_of_age()
        && (SHAPE_AT.contains(&at) || at == INPUT_TYPE_AT || schemas::OUTPUT_AT.contains(&at))
}

fn not_read(case: &Case<'_>) -> Verdict {
    nothing(case, "tools", "tools/list gave no result")
}

fn shape(case: &Case<'_>) -> Verdict {
    fit(case, &[LIST], |at, _| SHAPE_AT.contains(&at), || not_read(case))
}

fn input_object(case: &Case<'_>) -> Verdict {
    fit(case, &[LIST], |at, _| at == INPUT_TYPE_AT, || not_read(case))
}

fn name(case: &Case<'_>) -> Verdict {
    let good = |c: char| c.is_ascii_alphanumeric() || matches!(c, '_' | '-' | '.');
    each(case, |path, tool| {
        let Some(name) = tool.get("name").and_then(Value::as_str) else { return Vec::new() };
        let chars = name.chars().count();
        let wrong = match name.chars().find(|c| !good(*c)) {
            _ if chars == 0 || chars > NAME_CHARS_MAX => format!("{chars} characters"),
            Some(c) => format!("{c:?} in {}", quote(&tool["name"])),
            None => return Vec::new(),
        };
        let expected = "a name of 1 to 128 ASCII letters, digits, `_`, `-` or `.`";
        vec![Violation::new(expected, wrong).at(format!("{path}.name"))]
    })
}

fn unique(case: &Case<'_>) -> Verdict {
    let items = listed(case);
    if items.is_empty() { no_tool(case) } else { unique_by(case, &items, "name", "tools") }
}

/// Whether a member names each item of a list once. A page that comes again as it was is for another rule.
pub(super) fn unique_by(case: &Case<'_>, items: &[(usize, String, &Value)], member: &str, what: &str) -> Verdict {
    let again = case.repeated_pages(items);
    let mut seen: HashMap<&str, &str> = HashMap::new();
    let judged = items.iter().filter(|(place, ..)| !again.contains(place)).map(|(place, path, item)| {
        let Some(name) = item.get(member).and_then(Value::as_str) else { return Ok(()) };
        match seen.insert(name, path) {
            None => Ok(()),
            Some(first) => {
                let actual = format!("{} again, as at {first}", quote(&item[member]));
                let expected = format!("{what} with a {member} of their own");
                Err(Violation::new(expected, actual).at(format!("{path}.{member}")).shown_by(*place))
            }
        }
    });
    Verdict::of_all(judged.collect::<Vec<_>>().into_iter(), "nothing is listed")
}

fn icons(case: &Case<'_>) -> Verdict {
    let mut judged = Vec::new();
    for (method, _) in LISTS {
        for (place, path, item) in case.definitions(method) {
            let icons = item.get("icons").and_then(Value::as_array);
            for (at, icon) in icons.into_iter().flatten().enumerate() {
                let Some(src) = icon.get("src").and_then(Value::as_str) else { continue };
                let scheme = src.split_once(':').map(|(scheme, _)| scheme.to_ascii_lowercase());
                judged.push(if matches!(scheme.as_deref(), Some("https" | "data")) {
                    Ok(())
                } else {
                    let actual = quote(&icon["src"]);
                    let wrong = Violation::new("an https: or data: URI", actual);
                    Err(wrong.at(format!("{path}.icons[{at}].src")).shown_by(place))
                });
            }
        }
    }
    if judged.is_empty() && !LISTS.iter().any(|(_, capability)| case.facts.declares(capability)) {
        return Verdict::NotApplicable("the server declares no lists".into());
    }
    Verdict::of_all(judged.into_iter(), "nothing that is listed has icons")
}

fn task_support(case: &Case<'_>) -> Verdict {
    if case.facts.revision.version >= "2026-07-28" {
        return each(case, |path, tool| match tool.get("execution") {
            None => Vec::new(),
            Some(execution) => {
                let wrong = Violation::new("no execution, which ended with 2025-11-25", quote(execution));
                vec![wrong.at(format!("{path}.execution"))]
            }
        });
    }
    let about = |at: &str, _: FlawKind| at.starts_with("$.tools[*].execution");
    fit(case, &[LIST], about, || not_read(case))
}

fn hints(case: &Case<'_>) -> Verdict {
    each(case, |path, tool| {
        let hint = |name: &str| tool["annotations"][name] == true;
        if hint("readOnlyHint") && hint("destructiveHint") {
            let actual = format!("both are true of {}", quote(&tool["name"]));
            vec![Violation::new("readOnlyHint or destructiveHint", actual).at(format!("{path}.annotations"))]
        } else {
            Vec::new()
        }
    })
}

/// Two readings of the first page: the names of each, and the place of the second.
struct Readings<'a> {
    first: Vec<&'a str>,
    again: Vec<&'a str>,
    place: usize,
    /// Whether there are further pages.
    pages: bool,
}

fn readings<'a>(case: &Case<'a>) -> Result<Readings<'a>, Verdict> {
    let of = |shot: &'a Shot| {
        let tools = shot.result()?.get("tools")?.as_array()?;
        Some(tools.iter().map(name_of).collect::<Vec<_>>())
    };
    let first = case.shot(&ORDINARY, LIST);
    let again = case.shot(&LIST_AGAIN, "again");
    let read = first.and_then(|(place, shot)| Some((place, shot, of(shot)?)));
    let (Some((from, shot, first)), Some((place, names))) =
        (read, again.and_then(|(place, shot)| Some((place, of(shot)?))))
    else {
        return Err(nothing(case, "tools", "the list could not be read twice"));
    };
    let between = case.shots.get(from..=place).into_iter().flatten();
    if between.flat_map(Shot::notices).any(|(method, _)| method == "notifications/tools/list_changed") {
        return Err(Verdict::NotExercised("the server said that the list had changed".into()));
    }
    let pages = shot.result().is_some_and(|result| result.get("nextCursor").is_some_and(Value::is_string));
    Ok(Readings { first, again: names, place, pages })
}

fn order(case: &Case<'_>) -> Verdict {
    let read = match readings(case) {
        Ok(read) => read,
        Err(verdict) => return verdict,
    };
    let common = |of: &[&str], other: &[&str]| -> Vec<String> {
        of.iter().filter(|name| other.contains(*name)).map(|name| (*name).to_owned()).collect()
    };
    let (first, again) = (common(&read.first, &read.again), common(&read.again, &read.first));
    let moved = first.iter().zip(&again).find(|(first, again)| first != again);
    let other_page = read.pages && (first.len() != read.first.len() || again.len() != read.again.len());
    Verdict::of(moved.is_none() && !other_page, || {
        let actual = match moved {
            Some((first, again)) => {
                let name = |name: &str| quote(&Value::from(name));
                format!("where {} stood, the second reading has {}", name(first), name(again))
            }
            None => "the first page of the second reading has other tools".to_owned(),
        };
        Violation::new("the order of the first reading", actual).at("$.tools").shown_by(read.place)
    })
}

fn steady(case: &Case<'_>) -> Verdict {
    let read = match readings(case) {
        Ok(read) => read,
        Err(verdict) => return verdict,
    };
    if read.pages {
        return Verdict::NotExercised("the list has several pages, and only the first was read again".into());
    }
    let gone = read.first.iter().find(|name| !read.again.contains(*name)).map(|name| ("is gone", *name));
    let new = read.again.iter().find(|name| !read.first.contains(*name)).map(|name| ("is new", *name));
    match gone.or(new) {
        None => Verdict::Passes,
        Some((what, name)) => Verdict::Violates(
            Violation::new("the tools of the first reading", format!("{} {what}", quote(&Value::from(name))))
                .at("$.tools")
                .shown_by(read.place),
        ),
    }
}

fn list_changed(case: &Case<'_>) -> Verdict {
    let told = case.all().flat_map(|(place, shot)| {
        shot.notices().filter_map(move |(method, _)| {
            let list = method.strip_prefix("notifications/")?.strip_suffix("/list_changed")?;
            matches!(list, "tools" | "resources" | "prompts").then(|| (place, list.to_owned()))
        })
    });
    let judged = told.map(|(place, list)| {
        if case.facts.declares(&format!("{list}.listChanged")) {
            return Ok(());
        }
        let declared = case.facts.capabilities.get(&list).map_or_else(|| "nothing".to_owned(), quote);
        let expected = format!("{list}.listChanged declared, or no notifications/{list}/list_changed");
        Err(Violation::new(expected, format!("for {list} the server declares {declared}")).shown_by(place))
    });
    let judged: Vec<_> = judged.collect();
    if case.all().all(|(_, shot)| shot.messages().next().is_none()) {
        return Verdict::NotExercised("no message came".into());
    }
    Verdict::of_all(judged.into_iter().chain([Ok(())]), "")
}

//! The rules of the specification: a topic for each, and the page docs/rules.md, which is made of nothing else.

use super::Topic;
use crate::audit::{Area, Exercise, Rule, clients, rules, topic};
use crate::protocol::revision::REVISIONS;

/// A topic for each rule.
#[must_use]
pub fn topics() -> Vec<Topic> {
    rules::all().map(of_rule).collect()
}

fn of_rule(rule: &Rule) -> Topic {
    let mut body = vec![rule.why.to_owned(), format!("To mend it: {}", rule.mend)];
    body.push(format!("{}, {}, over {}.", worded(rule), rule.revisions_said(), transports(rule)));
    body.push(seen(rule));
    if rule.noticed {
        body.push("Every probe looks for it, and tells a violation as a finding of this name.".to_owned());
    } else if rule.is_of_steps() {
        body.push(format!("`expect.rules = [\"{}\"]` holds the step of a probe to it.", rule.id));
    }
    body.push(format!("Written at `{}`.", reference(rule)));
    Topic { word: rule.id.to_owned(), kind: "rule", summary: rule.what.to_owned(), body, example: None }
}

/// `MUST`, `MUST, before 2026-07-28 SHOULD`.
fn worded(rule: &Rule) -> String {
    let keyword = |rule: &Rule| format!("{} ({})", rule.strict.name(), rule.strict.severity().name());
    match rule.milder_before {
        Some((since, before)) => {
            format!("{}, before {since} {} ({})", keyword(rule), before.name(), before.severity().name())
        }
        None => keyword(rule),
    }
}

fn transports(rule: &Rule) -> String {
    if rule.on.len() == 3 {
        return "every transport".to_owned();
    }
    rule.on.iter().map(|kind| kind.name()).collect::<Vec<_>>().join(" and ")
}

/// What has to be done to see it.
fn seen(rule: &Rule) -> String {
    let exercises: Vec<String> =
        rule.needs.iter().map(|exercise| format!("`{}`: {}", exercise.name, exercise.about)).collect();
    let class = rule.class.name();
    let asked = rule.class.option().map(|option| format!(", with `{option}`")).unwrap_or_default();
    match exercises.as_slice() {
        [] if rule.occasions.is_empty() => "Read off what passes anyway.".to_owned(),
        [] => {
            let name = |exercise: &&Exercise| match exercise.class.option() {
                Some(option) => format!("`{}` (`{option}`)", exercise.name),
                None => format!("`{}`", exercise.name),
            };
            let helpers: Vec<String> = rule.occasions.iter().map(name).collect();
            format!("Read off what passes anyway, and shown by {}.", helpers.join(" and "))
        }
        all => format!("Seen by an exercise of the class {class}{asked}: {}.", all.join("; ")),
    }
}

/// Where a rule is written, in the newest revision that has it.
pub(super) fn reference(rule: &Rule) -> String {
    let (first, last) = rule.revisions;
    let newest = REVISIONS.iter().copied().rfind(|revision| (first..=last).contains(&revision.version));
    newest.map_or_else(|| rule.page.to_owned(), |revision| rule.reference(revision))
}

const INTRODUCTION: &str = "\
# Rules

What `mcp-probe audit` holds a server to. Each rule is a sentence of the specification (or a way in which servers are known to
fail in the field) that can be seen from outside, without the server's help. `mcp-probe explain RULE` prints one of them;
[audit.md](audit.md) tells how to use them.

This page is made of the program's own table; `mcp-probe explain rules --markdown` prints it.

**Keyword**: `MUST`, `schema` (required by the schema, though no sentence says so) and `security` are errors, `SHOULD` is a
warning, `MAY` and `info` are for information. **Class**: what seeing it does to the server. `passive` is read off what passes
anyway; `harmless` sends more requests that only read; `slow` takes long or many requests (`--slow`); `invasive` sends what no
correct client would (`--invasive`); `calls` calls the tools that `--tool` names.
";

/// The page docs/rules.md.
#[must_use]
pub fn page() -> String {
    let mut text = INTRODUCTION.to_owned();
    for area in Area::ALL {
        let of_area: Vec<&Rule> = rules::all().filter(|rule| rule.area == area).collect();
        if of_area.is_empty() {
            continue;
        }
        let name = area.name();
        let (first, rest) = name.split_at(1);
        text.push_str(&format!("\n## {}{rest}\n\n", first.to_uppercase()));
        text.push_str("| rule | keyword | revisions | transports | class |\n| --- | --- | --- | --- | --- |\n");
        for rule in &of_area {
            let (id, keyword, revisions) = (rule.id, rule.strict.name(), rule.revisions_said());
            let line = format!("| [`{id}`](#{}) | {keyword} | {revisions}", anchor(id));
            text.push_str(&format!("{line} | {} | {} |\n", transports(rule), rule.class.name()));
        }
        for rule in of_area {
            text.push_str(&section(rule));
        }
    }
    let mut unbuilt: Vec<&(&str, &str)> = rules::unbuilt().collect();
    unbuilt.sort_unstable();
    if !unbuilt.is_empty() {
        text.push_str(UNBUILT);
        for (row, why) in unbuilt {
            text.push_str(&format!("| `{row}` | {} |\n", why.replace('|', "\\|")));
        }
    }
    text.push_str(ADVICE);
    for topic in topic::all().filter(|topic| !topic.id.starts_with("compat.")) {
        let (id, what) = (topic.id, escaped(topic.what).replace('|', "\\|"));
        text.push_str(&format!("| `{id}` | {} | {what} |\n", topic.severity.name()));
    }
    text.push_str(CLIENTS);
    for rule in clients::rules() {
        let topic = &rule.topic;
        let (id, severity, value) = (topic.id, topic.severity.name(), rule.value);
        text.push_str(&format!("| `{id}` | {severity} | {value} | {} | {} |\n", rule.effect.name(), topic.as_of));
    }
    text
}

const UNBUILT: &str = "
## What is not judged

Requirements of the specification that cannot be seen from outside, or not without the server's help, each with the reason.
The letter and number is the row of the list of requirements that mcp-probe was built from; a rule names its rows in
`audit --json` (`rows`).

| row | why |
| --- | --- |
";

const ADVICE: &str = "
## Advice

How definitions read, what they cost, what is suspicious in them and in how a server is started. Advice changes no exit code
unless `--strict` is given.

| rule | severity | what |
| --- | --- | --- |
";

const CLIENTS: &str = "
## What clients do

Limits of clients, with the day on which they were last looked at. They are advice: they change no exit code unless `--strict`
is given.

| rule | severity | limit | where it is broken | as of |
| --- | --- | --- | --- | --- |
";

fn section(rule: &Rule) -> String {
    let Topic { summary, body, .. } = of_rule(rule);
    let paragraphs: Vec<String> = std::iter::once(summary).chain(body).map(|text| escaped(&text)).collect();
    format!("\n### `{}`\n\n{}\n", rule.id, paragraphs.join("\n\n"))
}

/// A URL is a link; angle brackets outside of code are no HTML.
fn escaped(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    let mut in_code = false;
    for c in text.chars() {
        in_code ^= c == '`';
        match c {
            '<' if !in_code => out.push_str("&lt;"),
            c => out.push(c),
        }
    }
    match out.split_once("Written at `") {
        Some(("", rest)) => format!("Written at <{}>.", rest.trim_end_matches("`.")),
        _ => out,
    }
}

/// How GitHub calls the heading of a rule.
fn anchor(id: &str) -> String {
    id.chars().filter(|c| c.is_ascii_alphanumeric() || matches!(c, '_' | '-')).collect()
}

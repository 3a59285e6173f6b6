//! A probe file written from what a live server said: the target, its lists with what they hold and how fast they came,
//! its tools with argument skeletons. It is read back before anybody gets it: what a server says cannot break it.
//!
//! Lines that begin with `##` explain; a line that begins with `# ` is part of the file once that is taken away.

pub mod skeleton;
pub mod toml;
pub mod tools;

use std::path::Path;
use std::time::Duration;

use serde_json::Value;

use super::Machine;
use crate::base::secret::MASK;
use crate::base::{duration, sanitize};
use crate::config::{Diag, Place, Reading, Section, Source, has_errors, tree};
use crate::event::{Status, StepOutcome};
use crate::plan::{Draft, Step, Steps};
use crate::run::survey::{Measured, Survey};
use crate::session::ServerFacts;
use tools::ToolStep;

/// Names that a list must include, in the file.
const NAMES_MAX: usize = 50;
/// Capabilities that are pinned.
const CAPABILITIES_MAX: usize = 20;
/// Characters of a name that is pinned as it is.
const NAME_CHARS_MAX: usize = 200;
/// Of the probe of the tools: a tool may take longer than a list.
const TOOLS_TIMEOUT: Duration = Duration::from_secs(30);
/// Columns of an array on one line.
const COLUMNS: usize = 100;

/// What a file is written about.
pub struct Subject<'a> {
    /// The name of the target.
    pub name: &'a str,
    /// The table of the target as TOML, or the words that say where it stands.
    pub target: &'a str,
    /// What the server said.
    pub survey: &'a Survey,
    /// What becomes of its tools, with what came of those that were tried.
    pub tools: &'a [ToolStep],
    /// The day, for the reader.
    pub day: &'a str,
    /// Of one call.
    pub timeout: Duration,
}

/// The whole file.
#[must_use]
pub fn text(subject: &Subject<'_>) -> String {
    let measured = subject.survey.lists.iter().filter(|list| list.exchange.result().is_some());
    let slowest = measured.clone().filter_map(|list| bounds(&list.latencies)).map(|(_, max)| max).max();
    let whole: Duration = measured.clone().map(|list| list.exchange.total).sum();
    let timeout = subject.timeout.max(slowest.map_or(Duration::ZERO, |max| friendly(max + max / 2)));
    // All pages of all lists are read within it, and the machine may be busier then.
    let timeout = timeout.max(friendly(whole * 3));
    let mut text = head(subject);
    text.push_str(subject.target);
    text.push('\n');
    text.push_str(&probe(subject.name, "smoke", timeout));
    let identity = subject.survey.facts.as_ref().map(identity).unwrap_or_default();
    let mut first = Some(identity);
    for list in measured {
        text.push_str(&format!("\n[[probe.step]]\nmethod = \"{}\"\n", list.method));
        text.push_str(&first.take().unwrap_or_default());
        text.push_str(&list_expectations(list));
    }
    if let Some(identity) = first {
        // A server that announces no list still answers something.
        let modern = subject.survey.facts.as_ref().is_some_and(|facts| facts.revision.method("ping").is_none());
        let method = if modern { "server/discover" } else { "ping" };
        text.push_str(&format!("\n[[probe.step]]\nmethod = \"{method}\"\n{identity}"));
    }
    for list in subject.survey.lists.iter().filter(|list| list.exchange.result().is_none()) {
        text.push_str(&format!("\n## {} is announced, and answered with an error.\n", list.method));
    }
    let slowest = subject.tools.iter().filter_map(ToolStep::latency_max).max();
    let timeout = subject.timeout.max(TOOLS_TIMEOUT).max(slowest.map_or(Duration::ZERO, |max| friendly(max + max / 2)));
    text.push_str(&tools::text(subject.tools, &probe(subject.name, "tools", timeout)));
    text
}

/// The first lines of a probe.
fn probe(target: &str, what: &str, timeout: Duration) -> String {
    let (name, target) = (toml::string(&format!("{target} {what}")), toml::string(target));
    format!("[[probe]]\nname = {name}\ntarget = {target}\ntimeout = \"{}\"\n", duration::written(timeout))
}

fn head(subject: &Subject<'_>) -> String {
    let facts = subject.survey.facts.as_ref();
    let who = facts.and_then(|facts| facts.identity.as_ref()).map_or_else(
        || "a server that does not say what it is".to_owned(),
        |identity| format!("{} {}", identity.name, identity.version),
    );
    let spoken = facts.map_or_else(String::new, |facts| {
        format!(", which spoke {} over {}", facts.revision.version, facts.transport.name())
    });
    let who = sanitize::one_line(&who, 120);
    let mut text = "#:schema ./mcp-probe.schema.json\n".to_owned();
    text.push_str(&toml::prose(&format!("Written by `mcp-probe init` on {} from {who}{spoken}.", subject.day), 4));
    text.push_str(
        "## Lines like this one explain. A line that begins with one `#` is part of the file once that is taken away.\n\
         ## The first line is for editors: `mcp-probe schema > mcp-probe.schema.json` beside this file lets them complete it.\n\n",
    );
    text
}

/// What the server said of itself, as expectations.
fn identity(facts: &ServerFacts) -> String {
    let mut text = String::new();
    if let Some(identity) = &facts.identity {
        let members = [("name", &identity.name), ("version", &identity.version)];
        let pinned: Vec<String> = members
            .into_iter()
            .filter(|(_, value)| !value.is_empty() && !value.contains(MASK))
            .map(|(key, value)| format!("{key} = {}", equal(value)))
            .collect();
        if !pinned.is_empty() {
            text.push_str(&format!("expect.server = {{ {} }}\n", pinned.join(", ")));
        }
    }
    text.push_str(&format!("expect.protocol = \"{}\"\n", facts.revision.version));
    let declared = facts.capabilities.as_object().into_iter().flat_map(serde_json::Map::keys);
    let plain = |name: &&String| {
        name.chars().count() <= NAME_CHARS_MAX && !name.contains('.') && !name.contains(MASK) && facts.declares(name)
    };
    let names: Vec<String> = declared.filter(plain).take(CAPABILITIES_MAX).map(|name| toml::string(name)).collect();
    if !names.is_empty() {
        text.push_str(&format!("expect.capabilities = {}\n", toml::array(names)));
    }
    text
}

/// A value to be equal to; of one that is very long, its beginning.
fn equal(text: &str) -> String {
    match text.char_indices().nth(NAME_CHARS_MAX) {
        None => toml::string(text),
        Some((end, _)) => format!("{{ starts_with = {} }}", toml::string(&text[..end])),
    }
}

/// How fast a list came, and what it held.
fn list_expectations(list: &Measured) -> String {
    let (kind, member, key) = match list.method {
        "tools/list" => ("tools", "tools", "name"),
        "resources/list" => ("resources", "resources", "uri"),
        "prompts/list" => ("prompts", "prompts", "name"),
        _ => ("", "resourceTemplates", ""),
    };
    let mut text = latency(&list.latencies);
    let result = list.exchange.result();
    let items = result.and_then(|result| result[member].as_array()).map_or(&[][..], Vec::as_slice);
    if items.is_empty() {
        text.push_str("## It was empty: there is nothing to expect of what it holds.\n");
        return text;
    }
    if kind.is_empty() {
        let count = items.len();
        text.push_str(&format!("expect.json.\"$.{member}\" = {{ len = {{ ge = {count} }} }}\n"));
        return text;
    }
    let mut names: Vec<&str> = Vec::new();
    for name in items.iter().filter_map(|item| item[key].as_str()) {
        let usable = name.chars().count() <= NAME_CHARS_MAX && !name.contains(MASK) && !names.contains(&name);
        if usable && names.len() < NAMES_MAX {
            names.push(name);
        }
    }
    let least = format!("min = {}", items.len());
    if names.is_empty() {
        text.push_str(&format!("expect.{kind} = {{ {least} }}\n"));
        return text;
    }
    let whole = names.len() == items.len();
    if !whole {
        text.push_str(&format!("## {} of {}; `only = [...]` would refuse any other.\n", names.len(), items.len()));
    }
    let names: Vec<String> = names.into_iter().map(toml::string).collect();
    let line = toml::array(names.iter().cloned());
    if line.chars().count() <= COLUMNS {
        let least = if whole { String::new() } else { format!(", {least}") };
        text.push_str(&format!("expect.{kind} = {{ include = {line}{least} }}\n"));
        return text;
    }
    if !whole {
        text.push_str(&format!("expect.{kind}.{least}\n"));
    }
    text.push_str(&format!("expect.{kind}.include = [\n"));
    for name in names {
        text.push_str(&format!("    {name},\n"));
    }
    text.push_str("]\n");
    text
}

/// Bounds from what was measured, and what that was.
fn latency(latencies: &[Duration]) -> String {
    let Some((warn, max)) = bounds(latencies) else { return String::new() };
    let range = match (latencies.iter().min(), latencies.iter().max()) {
        (Some(least), Some(most)) if latencies.len() > 1 => {
            format!("Measured {} times: {} to {}.", latencies.len(), duration::human(*least), duration::human(*most))
        }
        _ => format!("Measured once: {}.", latencies.first().map(|one| duration::human(*one)).unwrap_or_default()),
    };
    let (warn, max) = (duration::written(warn), duration::written(max));
    format!("## {range}\nexpect.latency = {{ warn = \"{warn}\", max = \"{max}\" }}\n")
}

/// Ten times and forty times the slowest, never below what a busy machine makes of a fast server.
fn bounds(latencies: &[Duration]) -> Option<(Duration, Duration)> {
    const WARN_MIN: Duration = Duration::from_millis(500);
    let warn = friendly((*latencies.iter().max()? * 10).max(WARN_MIN));
    Some((warn, friendly(warn * 4)))
}

/// The next duration that a person would write: 1, 1.5, 2, 3, 5, 7.5 and so on.
fn friendly(duration: Duration) -> Duration {
    let ms = u64::try_from(duration.as_micros().div_ceil(1000)).unwrap_or(u64::MAX / 100);
    let mut unit = 10_u64;
    loop {
        for tenths in [10, 15, 20, 30, 50, 75] {
            let candidate = unit.saturating_mul(tenths) / 10;
            if candidate >= ms {
                return Duration::from_millis(candidate);
            }
        }
        unit = unit.saturating_mul(10);
    }
}

/// The steps of the tools that may be tried: those that would be switched on.
#[must_use]
pub fn steps(tools: &[ToolStep]) -> Vec<Step> {
    let code: String = tools.iter().filter(|tool| tool.is_on()).map(ToolStep::code).collect();
    let text = format!("[[probe]]\nname = \"init\"\ntarget = \"init\"\n{code}");
    let Ok(draft) = read(&text, Path::new(".")) else { return Vec::new() };
    let steps = draft.probes.into_iter().filter_map(|probe| match probe.steps {
        Steps::Given(steps) => Some(steps),
        Steps::Lists => None,
    });
    steps.flatten().filter_map(|step| step.resolve(&Machine).ok()).collect()
}

/// Takes in what became of the steps that were tried, in the order of [`steps`].
pub fn heed(tools: &mut [ToolStep], tried: &[StepOutcome]) {
    for (tool, outcome) in tools.iter_mut().filter(|tool| tool.is_on()).zip(tried) {
        match outcome.status {
            Status::Healthy => tool.passed(&latency(outcome.latency.as_slice()), bounds(outcome.latency.as_slice())),
            _ => tool.failed(outcome.cause.as_ref().map_or("", |cause| cause.message.as_str())),
        }
    }
}

/// Reads a file that was written here, as it will be read from a folder.
///
/// # Errors
/// Every mistake: there should be none.
pub fn read(text: &str, folder: &Path) -> Result<Draft, Vec<Diag>> {
    let source = Source::new("the new file", text, folder);
    let (table, mut diags) = tree::parse(&source);
    let reading = Reading::new(&Machine);
    let mut draft = Draft::default();
    // It tells nobody: an alert or a notifier in it would be an unknown key.
    let file = Section::new(&table, "a probe file", &Place::new(&source, 0..0), &reading);
    draft.read(&file);
    file.finish();
    diags.extend(reading.into_diags());
    if has_errors(&diags) { Err(diags) } else { Ok(draft) }
}

/// A name for a target, from whatever a server calls itself; none where nothing of it can stand in a name.
#[must_use]
pub fn target_name(text: &str) -> Option<String> {
    const CHARS_MAX: usize = 40;
    let mut name = String::new();
    for c in text.chars().take(400) {
        if c.is_ascii_alphanumeric() || c == '_' {
            name.push(c);
        } else if !name.is_empty() && !name.ends_with('-') {
            name.push('-');
        }
        if name.len() == CHARS_MAX {
            break;
        }
    }
    let name = name.trim_end_matches('-');
    (!name.is_empty()).then(|| name.to_owned())
}

/// The tools of a survey.
#[must_use]
pub fn listed(lists: &[Measured]) -> &[Value] {
    let tools = lists.iter().find(|list| list.method == "tools/list").and_then(|list| list.exchange.result());
    tools.and_then(|result| result["tools"].as_array()).map_or(&[], Vec::as_slice)
}

#[cfg(test)]
mod tests;

//! The tools of a server as steps. A step is switched on where the server declares the tool read-only and its schema
//! names every required argument; all others are commented out, with the reason.

use std::collections::BTreeSet;
use std::time::Duration;

use serde_json::Value;

use super::skeleton::Skeleton;
use super::toml;
use crate::base::sanitize;
use crate::base::secret::{MASK, Masker};
use crate::plan::step::STEP_KEYS;

/// Tools that are written.
const TOOLS_MAX: usize = 60;
/// Tools that are switched on.
const ON_MAX: usize = 20;
/// Characters of a tool's name.
const NAME_CHARS_MAX: usize = 128;
/// Lines of a description.
const DESCRIPTION_LINES_MAX: usize = 4;
/// Characters of what is said about an argument.
const ABOUT_CHARS_MAX: usize = 80;

/// A line of a step.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Line {
    /// For the reader; one or several lines that begin with `## `.
    Prose(String),
    /// A key of the step.
    Code(String),
    /// An argument that can be left out.
    Optional(String),
}

/// Whether a step is switched on.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Standing {
    /// It is, although nobody has tried it.
    Untried,
    /// It is, and it passed.
    Passed,
    /// It is not, and why.
    Off(String),
}

/// A tool as a step of the file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ToolStep {
    lines: Vec<Line>,
    standing: Standing,
    latency_max: Option<Duration>,
}

/// Every tool that can be written, and how many there are besides.
#[must_use]
pub fn of(tools: &[Value]) -> Vec<ToolStep> {
    let mut seen: BTreeSet<&str> = BTreeSet::new();
    let mut on = 0;
    let usable = |name: &str| !name.is_empty() && name.chars().count() <= NAME_CHARS_MAX && !name.contains(MASK);
    let mut steps = Vec::new();
    let mut left_out = 0;
    for tool in tools {
        let name = tool["name"].as_str().filter(|name| usable(name));
        let Some(name) = name.filter(|name| seen.insert(name)) else {
            left_out += 1;
            continue;
        };
        let step = ToolStep::of(name, tool, on < ON_MAX);
        on += usize::from(step.is_on());
        steps.push(step);
    }
    // What is switched on comes first, and is never cut off.
    steps.sort_by_key(|step| !step.is_on());
    left_out += steps.len().saturating_sub(TOOLS_MAX);
    steps.truncate(TOOLS_MAX);
    if left_out > 0 {
        let noun = if left_out == 1 { "tool is" } else { "tools are" };
        let why = "there are many, or they have no name, one that is very long, or that of another";
        let lines = vec![Line::Prose(toml::prose(&format!("{left_out} more {noun} not written here: {why}."), 2))];
        steps.push(ToolStep { lines, standing: Standing::Off(String::new()), latency_max: None });
    }
    steps
}

/// The probe of the tools as it stands in the file, below its table's first lines. Without a step that is switched on it
/// is commented out itself.
#[must_use]
pub fn text(steps: &[ToolStep], head: &str) -> String {
    let (on, off): (Vec<&ToolStep>, Vec<&ToolStep>) = steps.iter().partition(|step| step.is_on());
    let mut text = String::new();
    if steps.is_empty() {
        return text;
    }
    if on.is_empty() {
        text.push_str("\n## No tool can be called without being looked at first: this begins with the first step.\n");
        head.lines().for_each(|line| text.push_str(&format!("# {line}\n")));
    } else {
        text.push_str(
            "\n## Tools that the server declares read-only, and that need nothing but what their schemas name.\n",
        );
        text.push_str(head);
        text.extend(on.iter().map(|step| step.written()));
    }
    if !off.is_empty() {
        text.push_str("\n## ---- Switched off: take the `# ` away from the lines of a step to switch it on ----\n");
        text.extend(off.iter().map(|step| step.written()));
    }
    text
}

impl ToolStep {
    fn of(name: &str, tool: &Value, may_be_on: bool) -> Self {
        let skeleton = Skeleton::of(&tool["inputSchema"]);
        let hint = |hint: &str| tool["annotations"][hint] == Value::Bool(true);
        let read_only = hint("readOnlyHint");
        let standing = if !read_only {
            let harm = if hint("destructiveHint") { ", and declares that it destroys" } else { "" };
            Standing::Off(format!(
                "The server does not declare it read-only{harm}: see what it does before you switch it on."
            ))
        } else if skeleton.unwritable > 0 {
            Standing::Off(format!("{} required arguments cannot be written here.", skeleton.unwritable))
        } else if !skeleton.is_determined() {
            let names: Vec<String> = skeleton.guesses().take(6).map(|name| sanitize::one_line(name, 40)).collect();
            Standing::Off(format!("Read-only; say what to send for {}.", names.join(", ")))
        } else if !may_be_on {
            Standing::Off("Read-only; there are enough steps already.".to_owned())
        } else {
            Standing::Untried
        };
        // A key of the step inside `arguments` is taken for a slip, so such a call is written in full.
        let in_full = skeleton.arguments.iter().any(|argument| STEP_KEYS.contains(&argument.name.as_str()));
        let mut lines = vec![Line::Code("[[probe.step]]".to_owned())];
        let path = if in_full {
            lines.push(Line::Code("method = \"tools/call\"".to_owned()));
            lines.push(Line::Code(format!("params.name = {}", toml::string(name))));
            "params.arguments"
        } else {
            lines.push(Line::Code(format!("tool = {}", toml::string(name))));
            "arguments"
        };
        for argument in &skeleton.arguments {
            let about = sanitize::one_line(&argument.about, ABOUT_CHARS_MAX);
            let about = if about.is_empty() { about } else { format!("  # {about}") };
            let code = format!("{path}.{} = {}{about}", toml::key(&argument.name), argument.value);
            lines.push(if argument.required { Line::Code(code) } else { Line::Optional(code) });
        }
        if skeleton.left_out > 0 {
            lines.push(Line::Prose(format!("## {} more arguments are not written here.\n", skeleton.left_out)));
        }
        if !read_only {
            lines.push(Line::Code("allow_side_effects = true".to_owned()));
        }
        let description = tool["description"].as_str().or_else(|| tool["title"].as_str()).unwrap_or_default();
        let mut prose = toml::prose(description, DESCRIPTION_LINES_MAX);
        if prose.is_empty() {
            prose.push_str("## The server does not say what it does.\n");
        }
        lines.insert(0, Line::Prose(prose));
        Self { lines, standing, latency_max: None }
    }

    /// Whether it is switched on.
    #[must_use]
    pub fn is_on(&self) -> bool {
        !matches!(self.standing, Standing::Off(_))
    }

    /// Whether it is switched on without having been tried.
    #[must_use]
    pub fn is_untried(&self) -> bool {
        self.standing == Standing::Untried
    }

    /// The bound of its time, once it has been tried.
    #[must_use]
    pub fn latency_max(&self) -> Option<Duration> {
        self.latency_max
    }

    /// It was called and passed; `latency` is what is expected of its time from now on.
    pub(super) fn passed(&mut self, latency: &str, bounds: Option<(Duration, Duration)>) {
        self.standing = Standing::Passed;
        self.latency_max = bounds.map(|(_, max)| max);
        for line in latency.lines() {
            let prose = line.starts_with("##");
            self.lines.push(if prose { Line::Prose(format!("{line}\n")) } else { Line::Code(line.to_owned()) });
        }
    }

    /// It was called and failed.
    pub(super) fn failed(&mut self, why: &str) {
        self.standing = Standing::Off(format!("Read-only; it was called once, and failed: {why}"));
    }

    /// Takes secrets out of what the server said.
    pub fn mask(&mut self, masker: &Masker) {
        for line in &mut self.lines {
            let (Line::Prose(text) | Line::Code(text) | Line::Optional(text)) = line;
            *text = masker.mask(text).into_owned();
        }
    }

    /// Its lines of TOML alone.
    #[must_use]
    pub fn code(&self) -> String {
        let code = self.lines.iter().filter_map(|line| match line {
            Line::Code(code) => Some(format!("{code}\n")),
            _ => None,
        });
        code.collect()
    }

    fn written(&self) -> String {
        let mut text = "\n".to_owned();
        let sign = match &self.standing {
            Standing::Off(why) => {
                text.push_str(&toml::prose(why, 3));
                "# "
            }
            _ => "",
        };
        for line in &self.lines {
            match line {
                Line::Prose(prose) => text.push_str(prose),
                Line::Code(code) => text.push_str(&format!("{sign}{code}\n")),
                Line::Optional(code) => text.push_str(&format!("{sign}# {code}\n")),
            }
        }
        if self.is_untried() {
            text.push_str("on_fail = \"degraded\"  # not tried yet: take this line away once it passes\n");
        }
        text
    }
}

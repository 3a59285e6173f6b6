//! An audit for a person, on one screen: the server, a verdict for each area, what was violated (the worst first, with what
//! shows it and how to mend it), what clients make of it, and advice. In a pipe: a row for each violation and advice.

mod advice;
pub mod probe;
mod violations;

use unicode_width::UnicodeWidthChar as _;

use super::grid::{Cell, Column, Fit, Grid};
use super::{Ink, Look, count};
use crate::base::duration::human;
use crate::base::sanitize::one_line;
use crate::event::{AuditOutcome, RuleOutcome, RuleVerdict, Severity};

/// How much of it is told.
#[derive(Clone, Copy, Debug, Default)]
pub struct Detail {
    /// Nothing but what is wrong.
    pub quiet: bool,
}

/// Everything of all targets.
#[must_use]
pub fn screen(all: &[AuditOutcome], detail: Detail, look: &Look) -> String {
    if !look.is_terminal() {
        return all.iter().map(|one| violations::rows(one) + &advice::rows(one)).collect();
    }
    all.iter()
        .filter(|one| one.protocol.is_some() || !one.rules.is_empty())
        .map(|one| story(one, detail, look))
        .collect::<Vec<_>>()
        .join("\n")
}

fn story(one: &AuditOutcome, detail: Detail, look: &Look) -> String {
    let mut text = header(one, look);
    if !detail.quiet {
        text.push('\n');
        text.push_str(&areas(one, look));
        text.push_str(&unexercised(one, look));
    }
    text.push_str(&violations::told(one, look));
    text.push_str(&advice::told(one, detail, look));
    if !detail.quiet {
        text.push_str(&format!("\n{}\n", summary(one, look)));
    }
    text
}

/// `weather 1.2.0 · legacy 2025-11-25 over stdio · 80 rules in 1.2 s`.
fn header(one: &AuditOutcome, look: &Look) -> String {
    let server = one.server.as_ref().map(|server| {
        let name = one_line(&server.name, 60);
        format!("{name} {}", one_line(&server.version, 30)).trim_end().to_owned()
    });
    let spoken = one
        .protocol
        .as_ref()
        .map(|used| format!("{} {} over {}", used.era.name(), one_line(&used.version, 40), used.transport.name()));
    let rules = format!("{} in {}", count(one.rules.len(), "rule"), human(one.duration));
    let parts: Vec<String> = [server, spoken, Some(rules)].into_iter().flatten().collect();
    let target = look.paint(Ink::Strong, &one_line(&one.target, 76));
    format!("{target}\n{}\n", look.paint(Ink::Dim, &parts.join(" · ")))
}

/// The areas that have rules, in the order of the rules.
fn areas(one: &AuditOutcome, look: &Look) -> String {
    let mut names: Vec<&str> = Vec::new();
    for rule in &one.rules {
        if !names.contains(&rule.area) {
            names.push(rule.area);
        }
    }
    let columns = [
        Column { head: "AREA", fit: Fit::Whole },
        Column { head: "PASSES", fit: Fit::Number },
        Column { head: "VIOLATED", fit: Fit::Number },
        Column { head: "N/A", fit: Fit::Number },
        Column { head: "NOT EXERCISED", fit: Fit::Number },
    ];
    let mut grid = Grid::new(&columns, 1);
    for name in names {
        let of_area = || one.rules.iter().filter(|rule| rule.area == name);
        let number = |verdict| of_area().filter(|rule| rule.verdict == verdict).count();
        let worst = of_area().filter(|rule| rule.violation.is_some()).map(|rule| rule.severity).max();
        let ink = match worst {
            Some(severity) => ink(severity),
            None if number(RuleVerdict::Passes) > 0 => Ink::Good,
            None => Ink::Dim,
        };
        let cell = |verdict, ink| match number(verdict) {
            0 => Cell::inked("-", Ink::Dim),
            n => Cell::inked(&n.to_string(), ink),
        };
        grid.row(vec![
            Cell::inked(name, ink),
            cell(RuleVerdict::Passes, Ink::Good),
            cell(RuleVerdict::Violates, ink),
            cell(RuleVerdict::NotApplicable, Ink::Dim),
            cell(RuleVerdict::NotExercised, Ink::Dim),
        ]);
    }
    grid.render(look)
}

/// Which options would show more.
fn unexercised(one: &AuditOutcome, look: &Look) -> String {
    let more: Vec<String> = ["--invasive", "--slow", "--tool"]
        .into_iter()
        .filter_map(|option| {
            let given = |rule: &&RuleOutcome| {
                rule.verdict == RuleVerdict::NotExercised
                    && rule.why.as_deref().is_some_and(|why| why.starts_with(&format!("{option} ")))
            };
            let rules = one.rules.iter().filter(given).count();
            (rules > 0).then(|| format!("{option} {rules}"))
        })
        .collect();
    if more.is_empty() {
        return String::new();
    }
    look.paint(Ink::Dim, &format!("rules that an option would exercise: {}", more.join(", "))) + "\n"
}

/// `2 errors, 1 warning; 40 rules pass, 12 do not apply, 8 were not exercised`.
#[must_use]
pub fn summary(one: &AuditOutcome, look: &Look) -> String {
    let violated =
        |severity| one.rules.iter().filter(|rule| rule.violation.is_some() && rule.severity == severity).count();
    let wrong: Vec<String> = [Severity::Error, Severity::Warning, Severity::Info]
        .into_iter()
        .filter(|severity| violated(*severity) > 0)
        .map(|severity| {
            let noun = if severity == Severity::Info { "note" } else { severity.name() };
            look.paint(ink(severity), &count(violated(severity), noun))
        })
        .collect();
    let number = |verdict| one.rules.iter().filter(|rule| rule.verdict == verdict).count();
    let (passes, applies, exercised) =
        (number(RuleVerdict::Passes), number(RuleVerdict::NotApplicable), number(RuleVerdict::NotExercised));
    let wrong = if wrong.is_empty() { look.paint(Ink::Good, "nothing is violated") } else { wrong.join(", ") };
    format!("{wrong}; {passes} pass, {applies} do not apply, {exercised} were not exercised")
}

/// How many more there are, behind the first of a kind.
fn more_like_it(others: usize) -> String {
    match others {
        0 => String::new(),
        1 => " (and one more like it)".to_owned(),
        more => format!(" (and {more} more like it)"),
    }
}

/// A line for a pipe: target, revision, transport, severity, rule, path, expected, actual.
fn row(one: &AuditOutcome, severity: Severity, id: &str, path: Option<&str>, expected: &str, actual: &str) -> String {
    let used = one.protocol.as_ref();
    let cells = [
        one_line(&one.target, 400),
        used.map(|used| one_line(&used.version, 40)).unwrap_or_default(),
        used.map_or("", |used| used.transport.name()).to_owned(),
        severity.name().to_owned(),
        id.to_owned(),
        one_line(path.unwrap_or_default(), 400),
        one_line(expected, 400),
        one_line(actual, 400),
    ];
    cells.join("\t") + "\n"
}

pub(super) fn ink(severity: Severity) -> Ink {
    match severity {
        Severity::Error => Ink::Bad,
        Severity::Warning => Ink::Warn,
        Severity::Info => Ink::Dim,
    }
}

/// Columns before the text of a field.
const LEFT: usize = 12;

/// A name at the left, its text beside it, wrapped to the terminal.
fn field(name: &str, text: &str, look: &Look) -> String {
    beside(name, &super::wrap(text, room(look)), Ink::Plain, look)
}

/// The same with lines that are filled: evidence has no words to break between.
fn filled(name: &str, text: &str, look: &Look) -> String {
    let (mut lines, mut width) = (vec![String::new()], 0);
    for c in text.chars() {
        let columns = c.width().unwrap_or(0);
        if width + columns > room(look) {
            lines.push(String::new());
            width = 0;
        }
        width += columns;
        if let Some(line) = lines.last_mut() {
            line.push(c);
        }
    }
    beside(name, &lines, Ink::Dim, look)
}

fn room(look: &Look) -> usize {
    look.prose_width().unwrap_or(80).saturating_sub(LEFT).max(20)
}

fn beside(name: &str, lines: &[String], ink: Ink, look: &Look) -> String {
    let mut shown = String::new();
    for (at, line) in lines.iter().enumerate() {
        let left = format!("{:<10}", if at == 0 { name } else { "" });
        shown.push_str(&format!("  {}{}\n", look.paint(Ink::Dim, &left), look.paint(ink, line)));
    }
    shown
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn how_many_more_there_are_is_said_in_words() {
        let said = [0, 1, 12].map(more_like_it);
        assert_eq!(said, ["", " (and one more like it)", " (and 12 more like it)"]);
    }
}

//! What no specification demands: what each client would have of the tools, what the definitions cost, how they read, what is
//! suspicious in them.

use std::cmp::Reverse;

use super::{Detail, ink, more_like_it, row};
use crate::base::duration::human_bytes;
use crate::base::sanitize::one_line;
use crate::event::{Advice, AuditOutcome, ClientSurvival, CostFigure, Severity};
use crate::report::{Ink, Look, count, indented, wrap};

/// Tools that are named for a client.
const LOST_MAX: usize = 3;
/// Tools that are named as dear.
const DEAR_MAX: usize = 3;
/// Kinds of advice that are shown; the rest is counted.
const ADVICE_MAX: usize = 12;

/// For a person.
pub(super) fn told(one: &AuditOutcome, detail: Detail, look: &Look) -> String {
    if detail.quiet {
        return String::new();
    }
    clients(one, look) + &cost(one, look) + &advice(one, look)
}

/// Which clients have all tools, and of the others what they have not.
fn clients(one: &AuditOutcome, look: &Look) -> String {
    let Some(total) = one.clients.first().map(|client| client.total).filter(|total| *total > 0) else {
        return String::new();
    };
    let (whole, others): (Vec<&ClientSurvival>, Vec<&ClientSurvival>) =
        one.clients.iter().partition(|client| client.seen == client.total);
    let mut text = String::from("\n");
    if !whole.is_empty() {
        let titles: Vec<&str> = whole.iter().map(|client| client.title).collect();
        let said = format!("{}: seen whole by {}", count(total, "tool"), titles.join(", "));
        let lines = wrap(&said, look.prose_width().unwrap_or(80)).join("\n");
        text.push_str(&format!("{}\n", look.paint(Ink::Good, &lines)));
    }
    for client in others {
        let ink = if client.seen == 0 { Ink::Bad } else { Ink::Warn };
        let said = format!("{} sees {} of {}", client.title, client.seen, count(client.total, "tool"));
        let lost = indented(&wrap(&lost(client), look.prose_width().unwrap_or(80) - 2).join("\n"), "  ");
        text.push_str(&format!("{}\n{}\n", look.paint(ink, &said), look.paint(Ink::Dim, &lost)));
    }
    text
}

fn lost(client: &ClientSurvival) -> String {
    let named: Vec<String> =
        client.lost.iter().take(LOST_MAX).map(|(about, rule)| format!("{} ({rule})", one_line(about, 60))).collect();
    let more = client.lost.len().saturating_sub(LOST_MAX);
    let mut text = match (client.refused, named.is_empty()) {
        (Some(rule), true) => format!("the list is refused ({rule})"),
        (Some(_), false) => format!("the list is refused because of {}", named.join(", ")),
        (None, _) => named.join(", "),
    };
    if more > 0 {
        text.push_str(&format!(" and {more} more"));
    }
    text
}

/// `15 tools cost a model ~620 tokens (2.4 KiB): forecast ~78, ...`.
fn cost(one: &AuditOutcome, look: &Look) -> String {
    let Some(cost) = &one.cost else { return String::new() };
    let figure = |figure: &CostFigure| match figure.estimate {
        Some(estimate) => format!("~{} tokens, {estimate} by the tokenizer", figure.tokens),
        None => format!("~{} tokens", figure.tokens),
    };
    let mut text = format!(
        "{} cost a model {} ({})",
        count(cost.each.len(), "tool"),
        figure(&cost.tools),
        human_bytes(cost.tools.bytes)
    );
    let dear: Vec<String> = cost
        .each
        .iter()
        .take(DEAR_MAX)
        .map(|(about, figure)| format!("{} ~{}", one_line(about, 40), figure.tokens))
        .collect();
    if !dear.is_empty() {
        text.push_str(&format!(", the dearest: {}", dear.join(", ")));
    }
    if cost.instructions.bytes > 0 {
        text.push_str(&format!("; the instructions {}", figure(&cost.instructions)));
    }
    if let (Some(locked), Some(growth)) = (cost.locked_tokens, cost.growth_percent) {
        text.push_str(&format!("; {growth} % more than the ~{locked} that are locked"));
    }
    let lines = wrap(&text, look.prose_width().unwrap_or(80)).join("\n");
    format!("\n{}\n", look.paint(Ink::Dim, &lines))
}

/// One of each kind with how many more there are of it, the worst first.
fn advice(one: &AuditOutcome, look: &Look) -> String {
    let mut kinds: Vec<(&Advice, usize)> = Vec::new();
    for advice in sorted(one) {
        match kinds.iter_mut().find(|(first, _)| first.id == advice.id) {
            Some((_, more)) => *more += 1,
            None => kinds.push((advice, 0)),
        }
    }
    for (id, left) in &one.advice_left_out {
        kinds.iter_mut().filter(|(first, _)| first.id == *id).for_each(|(_, more)| *more += left);
    }
    if kinds.is_empty() {
        return String::new();
    }
    let width = look.prose_width().unwrap_or(80);
    let mut text = String::from("\n");
    for (advice, more) in kinds.iter().take(ADVICE_MAX) {
        let path = advice.path.as_deref().map(|path| format!(" at {}", one_line(path, 80))).unwrap_or_default();
        let more = more_like_it(*more);
        let said = format!(
            "{}: expected {}, got {}{path}{more}",
            one_line(&advice.about, 100),
            one_line(&advice.expected, 160),
            one_line(&advice.actual, 160)
        );
        let severity = look.paint(ink(advice.severity), advice.severity.name());
        text.push_str(&format!("{severity} {}\n", look.paint(Ink::Strong, advice.id)));
        text.push_str(&(indented(&wrap(&said, width - 2).join("\n"), "  ") + "\n"));
        let mend = indented(&wrap(&format!("to mend it: {}", advice.mend), width - 2).join("\n"), "  ");
        text.push_str(&(look.paint(Ink::Dim, &mend) + "\n"));
    }
    let hidden = kinds.len().saturating_sub(ADVICE_MAX);
    if hidden > 0 {
        text.push_str(&(look.paint(Ink::Dim, &format!("and {}: --json has them", count(hidden, "more kind"))) + "\n"));
    }
    text
}

fn sorted(one: &AuditOutcome) -> Vec<&Advice> {
    let mut all: Vec<&Advice> = one.advice.iter().filter(|advice| advice.accepted.is_none()).collect();
    all.sort_by_key(|advice| Reverse(advice.severity));
    all
}

/// For a pipe.
pub(super) fn rows(one: &AuditOutcome) -> String {
    let told = sorted(one).into_iter().filter(|advice| advice.severity > Severity::Info);
    told.map(|advice| {
        let expected = format!("{}: {}", advice.about, advice.expected);
        row(one, advice.severity, advice.id, advice.path.as_deref(), &expected, &advice.actual)
    })
    .collect()
}

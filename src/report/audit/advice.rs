//! What no specification demands: what each client would have of the tools, what the definitions cost, how they read, what is
//! suspicious in them.

use std::cmp::Reverse;

use super::{Detail, ink};
use crate::base::duration::human_bytes;
use crate::base::sanitize::one_line;
use crate::event::{Advice, AuditOutcome, ClientSurvival, CostFigure, Severity};
use crate::report::grid::{Cell, Column, Fit, Grid};
use crate::report::{Ink, Look, count, indented, wrap};

/// Tools that are named for a client.
const LOST_MAX: usize = 3;
/// Tools that are named as dear.
const DEAR_MAX: usize = 3;
/// Advice that is shown; the rest is counted.
const ADVICE_MAX: usize = 12;

/// For a person.
pub(super) fn told(one: &AuditOutcome, detail: Detail, look: &Look) -> String {
    if detail.quiet {
        return String::new();
    }
    clients(one, look) + &cost(one, look) + &advice(one, look)
}

/// `14 tools` by client: how many it has, and which it has not.
fn clients(one: &AuditOutcome, look: &Look) -> String {
    if one.clients.is_empty() {
        return String::new();
    }
    let columns = [
        Column { head: "CLIENT", fit: Fit::Whole },
        Column { head: "TOOLS", fit: Fit::Whole },
        Column { head: "NOT", fit: Fit::Rest },
    ];
    let mut grid = Grid::new(&columns, 3);
    for client in &one.clients {
        let ink = match client.seen {
            seen if seen == client.total => Ink::Good,
            0 => Ink::Bad,
            _ => Ink::Warn,
        };
        grid.row(vec![
            Cell::new(client.title),
            Cell::inked(&format!("{} of {}", client.seen, client.total), ink),
            Cell::inked(&lost(client), Ink::Dim),
        ]);
    }
    format!("\n{}", grid.render(look))
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

/// The worst first; of what is too much, how much more there is.
fn advice(one: &AuditOutcome, look: &Look) -> String {
    let all = sorted(one);
    if all.is_empty() {
        return String::new();
    }
    let width = look.prose_width().unwrap_or(80);
    let mut text = String::from("\n");
    let mut mended: Vec<&str> = Vec::new();
    let shown = if all.len() > ADVICE_MAX { ADVICE_MAX - 1 } else { all.len() };
    for advice in &all[..shown] {
        let path = advice.path.as_deref().map(|path| format!(" at {}", one_line(path, 80))).unwrap_or_default();
        let said = format!(
            "{}: expected {}, got {}{path}",
            one_line(&advice.about, 100),
            one_line(&advice.expected, 160),
            one_line(&advice.actual, 160)
        );
        let severity = look.paint(ink(advice.severity), advice.severity.name());
        text.push_str(&format!("{severity} {}\n", look.paint(Ink::Strong, advice.id)));
        text.push_str(&(indented(&wrap(&said, width - 2).join("\n"), "  ") + "\n"));
        // How to mend it is said once.
        if !mended.contains(&advice.id) {
            mended.push(advice.id);
            let mend = indented(&wrap(&format!("to mend it: {}", advice.mend), width - 2).join("\n"), "  ");
            text.push_str(&(look.paint(Ink::Dim, &mend) + "\n"));
        }
    }
    let hidden = all.len() - shown + one.advice_left_out.iter().map(|(_, more)| more).sum::<usize>();
    if hidden > 0 {
        text.push_str(&look.paint(Ink::Dim, &format!("and {hidden} more: --json has them all\n")));
    }
    text
}

fn sorted(one: &AuditOutcome) -> Vec<&Advice> {
    let mut all: Vec<&Advice> = one.advice.iter().collect();
    all.sort_by_key(|advice| Reverse(advice.severity));
    all
}

/// For a pipe: the same cells as a violation has.
pub(super) fn rows(one: &AuditOutcome) -> String {
    let (version, transport) = spoken(one);
    let row = |advice: &&Advice| {
        let cells = [
            one_line(&one.target, 400),
            version.clone(),
            transport.to_owned(),
            advice.severity.name().to_owned(),
            advice.id.to_owned(),
            one_line(advice.path.as_deref().unwrap_or_default(), 400),
            one_line(&format!("{}: {}", advice.about, advice.expected), 400),
            one_line(&advice.actual, 400),
        ];
        cells.join("\t") + "\n"
    };
    sorted(one).iter().filter(|advice| advice.severity > Severity::Info).map(row).collect()
}

/// The revision and the transport, as cells.
pub(super) fn spoken(one: &AuditOutcome) -> (String, &'static str) {
    let used = one.protocol.as_ref();
    (used.map(|used| one_line(&used.version, 40)).unwrap_or_default(), used.map_or("", |used| used.transport.name()))
}

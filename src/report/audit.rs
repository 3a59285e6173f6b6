//! An audit for a person: what was violated, the worst first.

use super::grid::{Cell, Column, Fit, Grid};
use super::{Ink, Look};
use crate::base::sanitize::one_line;
use crate::event::{AuditOutcome, RuleOutcome, Severity};

/// A row for each violation, the worst first.
#[must_use]
pub fn rows(all: &[AuditOutcome], look: &Look) -> String {
    let columns = [
        Column { head: "TARGET", fit: Fit::Share(20) },
        Column { head: "SEVERITY", fit: Fit::Whole },
        Column { head: "RULE", fit: Fit::Whole },
        Column { head: "EXPECTED", fit: Fit::Share(25) },
        Column { head: "ACTUAL", fit: Fit::Rest },
    ];
    let mut grid = Grid::new(&columns, 4);
    for one in all {
        let mut violated: Vec<&RuleOutcome> = one.rules.iter().filter(|rule| rule.violation.is_some()).collect();
        violated.sort_by_key(|rule| std::cmp::Reverse(rule.severity));
        for rule in violated {
            let Some(violation) = &rule.violation else { continue };
            grid.row(vec![
                Cell::inked(&one_line(&one.target, 200), Ink::Strong),
                Cell::inked(rule.severity.name(), ink(rule.severity)),
                Cell::new(rule.id),
                Cell::new(&one_line(&violation.expected, 400)),
                Cell::new(&one_line(&violation.actual, 400)),
            ]);
        }
    }
    grid.render(look)
}

fn ink(severity: Severity) -> Ink {
    match severity {
        Severity::Error => Ink::Bad,
        Severity::Warning => Ink::Warn,
        Severity::Info => Ink::Dim,
    }
}

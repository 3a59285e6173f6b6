//! What is still waited for, on stderr: in a terminal one line that moves, elsewhere a line whenever a reason changes,
//! and one now and then that it still goes on.

use std::cell::RefCell;
use std::time::Instant;

use crate::base::secret::Masker;
use crate::base::{duration, sanitize};
use crate::cli::args::OutputOptions;
use crate::cli::progress::Progress;
use crate::cli::{listeners, output};
use crate::event::Reason;
use crate::plan::Plan;
use crate::run::wait::Tried;

/// Columns of a name.
const NAME_MAX: usize = 60;
/// Columns of a sentence.
const SENTENCE_MAX: usize = 240;
/// Probes that are named in one reminder.
const NAMES_MAX: usize = 5;

struct Row {
    name: String,
    well: bool,
    last: Option<(Reason, String)>,
}

/// The probes that are waited for.
pub struct Board {
    rows: RefCell<Vec<Row>>,
    masker: Masker,
    begun: Instant,
    progress: RefCell<Progress>,
    /// Lines are printed: nobody sees a line that moves, and nobody asked for quiet.
    lines: bool,
}

impl Board {
    /// The probes of a plan, none of them tried yet.
    #[must_use]
    pub fn new(plan: &Plan, output: &OutputOptions, masker: Masker) -> Self {
        let name = |probe: &str, target: &str| {
            format!("{} on {}", sanitize::one_line(probe, NAME_MAX), sanitize::one_line(target, NAME_MAX))
        };
        let rows: Vec<Row> = plan
            .pairs()
            .map(|(probe, target)| Row { name: name(&probe.name, &target.name), well: false, last: None })
            .collect();
        let moves = listeners::moves(output);
        let first = rows.first().map_or(String::new(), |row| row.name.clone());
        let text =
            if rows.len() == 1 { format!("waiting for {first}") } else { format!("waiting for {} probes", rows.len()) };
        let progress = RefCell::new(Progress::start(&masker.mask(&text), moves));
        Self { rows: RefCell::new(rows), masker, begun: Instant::now(), progress, lines: !moves && !output.quiet }
    }

    /// Takes what a try came to; says whether everything is well now.
    pub fn tried(&self, tried: Tried<'_>) -> bool {
        let mut rows = self.rows.borrow_mut();
        let Some(row) = rows.get_mut(tried.place) else { return false };
        row.well = tried.well;
        let last = tried.cause.filter(|_| !tried.well).map(|cause| {
            let sentence = cause.message.lines().next().unwrap_or_default();
            (cause.reason, sanitize::one_line(sentence, SENTENCE_MAX))
        });
        // Times and counts in a sentence change with every try; the reason is what tells something new.
        let news = last.as_ref().map(|(reason, _)| *reason) != row.last.as_ref().map(|(reason, _)| *reason);
        row.last = last;
        let line = news.then(|| row.line()).flatten();
        let all_well = rows.iter().all(|row| row.well);
        drop(rows);
        if let Some(line) = line.filter(|_| self.lines) {
            self.say(&format!("waiting for {line}"));
        }
        if all_well {
            self.clear();
        } else {
            self.progress.borrow().say(&self.masker.mask(&self.summary(NAMES_MAX)));
        }
        all_well
    }

    /// Says that it still goes on.
    pub fn remind(&self) {
        if self.lines {
            let after = duration::human(self.begun.elapsed());
            self.say(&format!("{}, after {after}", self.summary(NAMES_MAX)));
        }
    }

    /// Takes the moving line off the screen.
    pub fn clear(&self) {
        self.progress.borrow_mut().clear();
    }

    fn say(&self, line: &str) {
        let _ = output::say(&self.masker.mask(&format!("{line}\n")), true);
    }

    /// `waiting for 2 of 3: smoke on weather (connect: …)`.
    fn summary(&self, names_max: usize) -> String {
        let rows = self.rows.borrow();
        // Those with something to say come first.
        let mut left: Vec<&Row> = rows.iter().filter(|row| !row.well).collect();
        left.sort_by_key(|row| row.last.is_none());
        let mut named: Vec<String> = left
            .iter()
            .take(names_max)
            .map(|row| row.line().unwrap_or_else(|| format!("{}: no answer yet", row.name)))
            .collect();
        if left.len() > names_max {
            named.push(format!("{} more", left.len() - names_max));
        }
        let named = named.join("; ");
        if rows.len() == 1 {
            format!("waiting for {named}")
        } else {
            format!("waiting for {} of {}: {named}", left.len(), rows.len())
        }
    }
}

impl Row {
    fn line(&self) -> Option<String> {
        self.last.as_ref().map(|(reason, sentence)| format!("{}: {reason}: {sentence}", self.name))
    }
}

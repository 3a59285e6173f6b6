//! What the program says when it cannot do what was asked: one sentence, and what to try instead.

use super::exit::Code;
use super::terminal::Terminal;
use crate::base::sanitize;
use crate::report::{Ink, Look, wrap};

/// A reason to stop, with its exit code.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Complaint {
    /// The exit code.
    pub code: Code,
    /// What is wrong; further lines are evidence.
    pub message: String,
    /// What to do, where that can be said.
    pub hint: Option<String>,
}

impl Complaint {
    /// A complaint without a hint.
    #[must_use]
    pub fn new(code: Code, message: impl Into<String>) -> Self {
        Self { code, message: message.into(), hint: None }
    }

    /// Wrong usage: exit code 2.
    #[must_use]
    pub fn usage(message: impl Into<String>) -> Self {
        Self::new(Code::Usage, message)
    }

    /// With what to do about it.
    #[must_use]
    pub fn hint(mut self, hint: impl Into<String>) -> Self {
        self.hint = Some(hint.into());
        self
    }

    /// The text: `error: …`, then `hint: …`.
    #[must_use]
    pub fn text(&self, look: &Look) -> String {
        let mut text = labelled("error", Ink::Bad, &self.message, look);
        if let Some(hint) = &self.hint {
            text.push_str(&labelled("hint", Ink::Key, hint, look));
        }
        text
    }

    /// Shows it on stderr and gives the code. A stderr that is closed changes nothing.
    #[must_use]
    pub fn show(&self, terminal: &Terminal) -> Code {
        let _ = super::output::say(&self.text(&terminal.look), true);
        self.code
    }
}

fn labelled(label: &str, ink: Ink, text: &str, look: &Look) -> String {
    let safe = sanitize::printable(text.trim_end());
    let body = match look.prose_width() {
        Some(width) => wrap(&safe, width.saturating_sub(label.len() + 2)).join("\n"),
        None => safe.into_owned(),
    };
    let body = body.replace('\n', &format!("\n{}", " ".repeat(label.len() + 2)));
    format!("{} {body}\n", look.paint(ink, &format!("{label}:")))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_complaint_has_a_hint_below_it() {
        let complaint = Complaint::usage("no target named `x\u{1b}`").hint("see `mcp-probe --help`");
        assert_eq!(complaint.text(&Look::PLAIN), "error: no target named `x\\u{1b}`\nhint: see `mcp-probe --help`\n");
        let narrow = Look { width: Some(24), colour: false };
        assert_eq!(
            complaint.text(&narrow),
            "error: no target named\n       `x\\u{1b}`\nhint: see `mcp-probe\n      --help`\n"
        );
    }
}

//! How many of a server's questions are answered. Each answer may need a connection, and is work that the server chooses
//! the amount of: one that asks without end gets answers up to a bound, and is told by a finding.

use std::time::{Duration, Instant};

use crate::event::{Finding, Severity, TransportKind};

/// Questions answered during one call, or within a minute where it is long or nothing is called.
const QUESTIONS_MAX: u64 = 1_000;
/// How long the writing of a message is waited for whose acknowledgement nobody waits for.
pub(super) const ASIDE_WAIT: Duration = Duration::from_millis(100);
/// A server that asks now and then is answered for as long as it is spoken with.
const WINDOW: Duration = Duration::from_secs(60);

/// What was asked of late.
#[derive(Debug)]
pub(super) struct Questions {
    asked: u64,
    since: Instant,
    /// Whether the server read the last answer at once.
    pub(super) is_read: bool,
}

impl Default for Questions {
    fn default() -> Self {
        Self { asked: 0, since: Instant::now(), is_read: true }
    }
}

impl Questions {
    /// A call begins: what was asked before it takes no answers away from it.
    pub(super) fn begin(&mut self) {
        *self = Self::default();
    }

    /// How long the writing of an answer is waited for. A server that did not read the one before is hardly waited for again:
    /// what else it says has to be heard. Over HTTP there may be no room for another one at first.
    pub(super) fn wait(&self, transport: TransportKind) -> Duration {
        match (self.is_read, transport) {
            (true, TransportKind::Stdio) => ASIDE_WAIT,
            (false, TransportKind::Stdio) => Duration::ZERO,
            (true, _) => 4 * ASIDE_WAIT,
            (false, _) => ASIDE_WAIT,
        }
    }

    /// A question has come.
    ///
    /// # Errors
    /// The finding, where it is one too many to be answered.
    pub(super) fn ask(&mut self) -> Result<(), Finding> {
        if self.since.elapsed() >= WINDOW {
            let is_read = self.is_read;
            *self = Self { is_read, ..Self::default() };
        }
        self.asked += 1;
        if self.asked <= QUESTIONS_MAX {
            return Ok(());
        }
        Err(Finding::new(
            "answers.flood",
            Severity::Warning,
            format!("at most {QUESTIONS_MAX} requests to the client during a call, and within a minute"),
            "more came; those were not answered",
        ))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_call_has_its_answers_and_time_gives_new_ones() {
        let mut questions = Questions::default();
        let answered = |questions: &mut Questions| (0..3_000).filter(|_| questions.ask().is_ok()).count();
        assert_eq!(answered(&mut questions), 1_000);
        assert_eq!(answered(&mut questions), 0);
        assert_eq!(questions.ask().unwrap_err().id, "answers.flood");
        questions.begin();
        assert_eq!(answered(&mut questions), 1_000);
        questions.since = Instant::now().checked_sub(WINDOW).unwrap();
        questions.is_read = false;
        assert_eq!(answered(&mut questions), 1_000);
        assert!(!questions.is_read);
    }
}

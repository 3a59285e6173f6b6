//! `expect.latency`: request written to last byte of the reply, this step only.

use std::time::Duration;

use super::budget::{self, Budget};
use super::{Check, Evidence, Expectation, Judged, Kind, Verdict, quote};
use crate::base::duration;
use crate::config::{Field, grammar};
use crate::event::Reason;

pub(super) const KIND: Kind = Kind {
    name: "latency",
    what: "How long the reply may take, from the request being written to the last byte of the reply; of a list, its \
           first page. A value equal to the bound passes.",
    why: "An agent waits for every call; a server that answers rightly but late is not healthy. Connecting, \
          detection and the handshake are not part of it.",
    example: "expect.latency = \"800ms\"\n# or\nexpect.latency = { warn = \"300ms\", max = \"800ms\" }",
    methods: &[],
    schema: || budget::schema(&grammar::duration()),
    parse,
    default: None,
};

#[derive(Debug)]
struct Latency(Budget<Duration>);

fn parse(field: Field<'_>) -> Vec<Expectation> {
    let budget = Budget::parse(field, "`expect.latency`", Field::positive_duration);
    budget.map(|budget| Expectation::new(Latency(budget), field.place())).into_iter().collect()
}

impl Check for Latency {
    fn kind(&self) -> &'static str {
        KIND.name
    }

    fn judge(&self, evidence: &Evidence<'_>) -> Verdict {
        if let (Err(fault), None) = (&evidence.exchange.reply, evidence.exchange.marks.latency()) {
            let actual = format!("there is no reply: {}", quote(&fault.message));
            return Verdict::Blocked(Judged::new(self.0.describe(duration::human), actual));
        }
        match evidence.exchange.marks.latency() {
            Some(latency) => match self.0.judge(latency, duration::human) {
                // 2001 ms would be "at most 2.00 s, got 2.00 s".
                Verdict::Warn(told) | Verdict::Fail(told) if told.expected == format!("at most {}", told.actual) => {
                    self.0.judge(latency, duration::exactly)
                }
                verdict => verdict,
            },
            None => Verdict::Blocked(Judged::new(self.0.describe(duration::human), "the reply has no time marks")),
        }
    }

    fn reason(&self) -> Reason {
        Reason::Slow
    }

    fn latency_max(&self) -> Option<Duration> {
        self.0.max()
    }
}

#[cfg(test)]
mod tests {
    use crate::check::tests::{exchange, judge};

    #[test]
    fn a_bound_that_is_missed_by_little_does_not_read_as_if_it_was_kept() {
        // It took 800 ms.
        let exchange = exchange("tools/list", Ok(serde_json::json!({"tools": []})));
        let outcome = judge(&exchange, "latency = '799ms 600us'");
        assert_eq!(
            (outcome.expected.as_str(), outcome.actual.as_str()),
            ("at most 800 ms (799.6 ms)", "800 ms (800 ms)")
        );
        let outcome = judge(&exchange, "latency = { warn = '799600us', max = '2s' }");
        assert_eq!(outcome.expected, "at most 800 ms (799.6 ms)");
        assert_eq!(judge(&exchange, "latency = '2ms'").actual, "800 ms");
        assert_eq!(judge(&exchange, "latency = '800400us'").actual, "800 ms");
    }
}

//! `expect.size`: bytes of the reply, without transport framing.

use super::budget::{self, Budget};
use super::{Check, Evidence, Expectation, Judged, Kind, Verdict, quote};
use crate::base::duration::human_bytes;
use crate::config::{Field, grammar};

pub(super) const KIND: Kind = Kind {
    name: "size",
    what: "How large the reply may be: bytes of the JSON-RPC message (of a list, all pages), without transport framing.",
    why: "What a tool returns goes into a model's context; a reply that grew tenfold is paid for on every call.",
    example: "expect.size = \"64KiB\"\n# or\nexpect.size = { warn = \"16KiB\", max = \"64KiB\" }",
    methods: &[],
    schema: || budget::schema(&grammar::size()),
    parse,
    default: None,
};

#[derive(Debug)]
struct Size(Budget<u64>);

fn parse(field: Field<'_>) -> Vec<Expectation> {
    let budget = Budget::parse(field, "`expect.size`", Field::size);
    budget.map(|budget| Expectation::new(Size(budget), field.place())).into_iter().collect()
}

impl Check for Size {
    fn kind(&self) -> &'static str {
        KIND.name
    }

    fn judge(&self, evidence: &Evidence<'_>) -> Verdict {
        if let Err(fault) = &evidence.exchange.reply {
            let actual = format!("there is no reply: {}", quote(&fault.message));
            return Verdict::Blocked(Judged::new(self.0.describe(human_bytes), actual));
        }
        self.0.judge(evidence.exchange.response_bytes, |bytes| format!("{} ({bytes} bytes)", human_bytes(bytes)))
    }
}

//! `expect.notifications`: how many notifications of a method are heard while the call is open.

use serde_json::{Value, json};

use super::{Check, Evidence, Expectation, Judged, Kind, Verdict, quote};
use crate::config::{Field, grammar};
use crate::session::Counted;

pub(super) const KIND: Kind = Kind {
    name: "notifications",
    what: "How many notifications of a method must be heard while the call is open; at least one unless `min` or `max` \
           says otherwise.",
    why: "Progress that stopped coming makes clients give up on long calls.",
    example: "expect.notifications = { method = \"notifications/progress\", min = 1 }",
    methods: &[],
    schema,
    parse,
    default: None,
};

fn schema() -> Value {
    let keys = grammar::table([
        ("method", grammar::described(grammar::string(), "The method of the notifications.")),
        ("min", grammar::described(grammar::count(), "At least so many; 1 unless `max` is given.")),
        ("max", grammar::described(grammar::count(), "At most so many.")),
    ]);
    grammar::with(keys, json!({"required": ["method"]}))
}

#[derive(Debug)]
struct Notifications {
    method: String,
    min: u64,
    max: Option<u64>,
}

fn parse(field: Field<'_>) -> Vec<Expectation> {
    let Some(section) = field.table("`expect.notifications`") else { return Vec::new() };
    let (min, max) = (section.count("min"), section.count("max"));
    let method = section.string("method");
    if !section.has("method") {
        field.wrong("`expect.notifications` needs `method`").help("write `method = \"notifications/progress\"`");
    }
    section.finish();
    let min = min.unwrap_or_else(|| u64::from(max.is_none()));
    if max.is_some_and(|max| min > max) {
        field.wrong("`expect.notifications`: `min` is above `max`");
    }
    if min == 0 && max.is_none() {
        field
            .wrong("`expect.notifications` expects nothing: it can never fail")
            .help("write a `min` above zero or a `max`");
    }
    method.map(|method| Expectation::new(Notifications { method, min, max }, field.place())).into_iter().collect()
}

impl Check for Notifications {
    fn kind(&self) -> &'static str {
        KIND.name
    }

    fn judge(&self, evidence: &Evidence<'_>) -> Verdict {
        let expected = match self.max {
            None => format!("at least {} {}", self.min, self.method),
            Some(max) => format!("{} to {max} {}", self.min, self.method),
        };
        if let Err(fault) = &evidence.exchange.reply {
            let actual = format!("there is no reply: {}", quote(&fault.message));
            return Verdict::Blocked(Judged::new(expected, actual));
        }
        let Counted { heard, is_all } = evidence.exchange.notices.count(&self.method);
        let passed = heard >= self.min && self.max.is_none_or(|max| heard <= max);
        // Where only some of them are counted, what more of them would change cannot be told.
        let is_settled = is_all || if passed { self.max.is_none() } else { heard >= self.min };
        if !is_settled {
            let actual = format!("{heard} or more: notifications of too many methods came to count each");
            return Verdict::Blocked(Judged::new(expected, actual));
        }
        Verdict::of(passed, Judged::new(expected, heard.to_string()))
    }
}

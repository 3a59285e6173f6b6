//! What compiling and judging may take: a keyword that stands in every subschema counts, and what is spent breaks the
//! library off from inside. Steps are counted and no time is taken, so that the same schema ends the same way each time.

use std::cell::Cell;
use std::panic::resume_unwind;

use jsonschema::{Keyword, ValidationError};
use serde_json::{Map, Value, json};

use crate::base::contained::contained;

/// The keyword that counts.
pub(super) const TICK: &str = "x-mcp-probe-tick";

/// Stack that judging may use where nobody said more, in bytes.
const STACK_BYTES: usize = 512 << 10;

/// What the library may still take on this thread.
#[derive(Clone, Copy)]
struct Meter {
    steps: u64,
    stack_bytes: usize,
    /// The lowest address that the stack may reach.
    floor: usize,
}

thread_local! {
    static METER: Cell<Meter> = const { Cell::new(Meter { steps: 0, stack_bytes: STACK_BYTES, floor: 0 }) };
}

/// Why the library was broken off.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Spent {
    Steps,
    Stack,
    /// It panicked.
    Broken,
}

/// Judges within `work` may use this much of the thread's stack.
pub fn with_stack<T>(bytes: usize, work: impl FnOnce() -> T) -> T {
    let before = METER.get();
    METER.set(Meter { stack_bytes: bytes, ..before });
    let done = work();
    METER.set(before);
    done
}

/// An address on the stack; stacks grow downwards on everything mcp-probe runs on.
#[inline(never)]
fn stack_address() -> usize {
    let here = 0_u8;
    std::ptr::from_ref(std::hint::black_box(&here)).addr()
}

/// Works with a full meter.
pub(super) fn metered<T>(steps: u64, work: impl FnOnce() -> T) -> Result<T, Spent> {
    let before = METER.get();
    let floor = stack_address().saturating_sub(before.stack_bytes);
    METER.set(Meter { steps, floor, ..before });
    let done = contained(work);
    METER.set(before);
    done.map_err(|payload| payload.downcast_ref::<Spent>().copied().unwrap_or(Spent::Broken))
}

fn spend(steps: u64) {
    let mut meter = METER.get();
    meter.steps = meter.steps.saturating_sub(steps);
    METER.set(meter);
    if meter.steps == 0 {
        resume_unwind(Box::new(Spent::Steps));
    }
    if stack_address() < meter.floor {
        resume_unwind(Box::new(Spent::Stack));
    }
}

/// What judging by the other keywords of a subschema costs beside its step.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Tick {
    /// Values of its `enum`.
    values: u64,
    /// Whether its pattern may go back and forth over a text.
    hard: bool,
    /// Patterns for names.
    names: u64,
    /// Those of them that may go back and forth.
    hard_names: u64,
}

impl Tick {
    /// Compiling a subschema is a step as well.
    pub(super) fn compile(value: &Value) -> Self {
        spend(1);
        let count = |key: &str| value.get(key).and_then(Value::as_u64).unwrap_or_default();
        Self {
            values: count("values"),
            hard: count("hard") > 0,
            names: count("names"),
            hard_names: count("hard_names"),
        }
    }

    fn cost(&self, instance: &Value) -> u64 {
        let own = 1 + self.values / 8;
        own + match instance {
            Value::String(text) if self.hard => hard(text),
            Value::Object(members) if self.names > 0 => {
                let plain = self.names.saturating_mul(members.len() as u64);
                let texts = members.keys().map(|name| hard(name)).sum::<u64>();
                plain.saturating_add(self.hard_names.saturating_mul(texts))
            }
            _ => 0,
        }
    }
}

/// A pattern of more than linear time begins anew at every character.
fn hard(text: &str) -> u64 {
    let length = text.len() as u64;
    length.saturating_mul(length) / 10 + 100
}

/// Whether a pattern is beyond regexes of linear time.
pub(super) fn is_hard(pattern: &str) -> bool {
    regex_syntax::parse(pattern).is_err()
}

/// What all names within a value cost one pattern beyond linear time.
pub(super) fn names_cost(value: &Value) -> u64 {
    match value {
        Value::Array(items) => items.iter().map(names_cost).fold(0, u64::saturating_add),
        Value::Object(members) => members
            .iter()
            .map(|(name, member)| hard(name).saturating_add(names_cost(member)))
            .fold(0, u64::saturating_add),
        _ => 0,
    }
}

/// The subschema that counts for the one with these members.
pub(super) fn tick(members: &Map<String, Value>) -> Value {
    let mut costs = Map::new();
    if let Some(Value::Array(values)) = members.get("enum") {
        costs.insert("values".to_owned(), values.len().into());
    }
    if let Some(Value::String(pattern)) = members.get("pattern")
        && is_hard(pattern)
    {
        costs.insert("hard".to_owned(), 1.into());
    }
    if let Some(Value::Object(names)) = members.get("patternProperties") {
        costs.insert("names".to_owned(), names.len().into());
        costs.insert("hard_names".to_owned(), names.keys().filter(|name| is_hard(name)).count().into());
    }
    json!({ TICK: costs })
}

impl<'i> Keyword<'i> for Tick {
    fn validate(&self, instance: &'i Value) -> Result<(), ValidationError<'i>> {
        spend(self.cost(instance));
        Ok(())
    }

    fn is_valid(&self, instance: &'i Value) -> bool {
        spend(self.cost(instance));
        true
    }
}

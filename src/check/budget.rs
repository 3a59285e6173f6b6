//! `{ warn, max }`: two bounds, of which the first degrades and the second fails. Equal passes.

use serde_json::{Value, json};

use super::{Judged, Verdict};
use crate::config::{Field, grammar};

/// A single bound (the maximum), or a table of both.
pub fn schema(bound: &Value) -> Value {
    let both = grammar::table([
        ("warn", grammar::described(bound.clone(), "Above this the step is degraded. It must be below `max`.")),
        ("max", grammar::described(bound.clone(), "Above this the step fails.")),
    ]);
    json!({"anyOf": [bound, grammar::with(both, json!({"minProperties": 1}))]})
}

/// Two bounds, at least one of them set.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Budget<T> {
    warn: Option<T>,
    max: Option<T>,
}

impl<T: PartialOrd + Copy> Budget<T> {
    /// Reads a single bound (the maximum), or a table of both.
    pub fn parse<'a>(field: Field<'a>, what: &str, read: fn(&Field<'a>) -> Option<T>) -> Option<Self> {
        if !field.is_table() {
            return Some(Self { warn: None, max: Some(read(&field)?) });
        }
        let section = field.table(what)?;
        let before = field.reading().count();
        let bound = |key| section.field(key).and_then(|field| read(&field));
        let (warn, max) = (bound("warn"), bound("max"));
        let given = section.has("warn") || section.has("max");
        section.finish();
        if !given && field.reading().count() == before {
            field.wrong(format!("{what} has no bound")).help("write `max`, `warn`, or both");
        }
        if let (Some(warn), Some(max)) = (warn, max)
            && warn >= max
        {
            field.wrong(format!("{what}: `warn` must be below `max`, or it never warns"));
        }
        (warn.is_some() || max.is_some()).then_some(Self { warn, max })
    }

    /// Judges a value.
    pub fn judge(&self, value: T, show: impl Fn(T) -> String) -> Verdict {
        let actual = show(value);
        match (self.warn, self.max) {
            (_, Some(max)) if value > max => Verdict::Fail(Judged::new(format!("at most {}", show(max)), actual)),
            (Some(warn), _) if value > warn => Verdict::Warn(Judged::new(format!("at most {}", show(warn)), actual)),
            _ => Verdict::Pass(Judged::new(self.describe(show), actual)),
        }
    }

    /// For people.
    pub fn describe(&self, show: impl Fn(T) -> String) -> String {
        self.max.or(self.warn).map_or_else(String::new, |bound| format!("at most {}", show(bound)))
    }

    /// The upper bound.
    #[must_use]
    pub fn max(&self) -> Option<T> {
        self.max
    }
}

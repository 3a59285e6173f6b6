//! Figures as Prometheus stores them: one number a series, named by its labels alone. A histogram is many.

use std::collections::BTreeMap;

use jiff::Timestamp;

use crate::metrics::family::{Family, Kind};
use crate::metrics::snapshot::{Exemplar, Figures, Series, Snapshot, Value};

/// What ends a series: this very NaN, by which Prometheus knows it from one that was measured.
pub(super) const STALE: f64 = f64::from_bits(0x7ff0_0000_0000_0002);

/// One series: its labels, sorted, `__name__` among them, each followed by its value, with a NUL behind each. Ten thousand
/// targets have half a million of them, which are remembered from one push to the next.
pub(super) type Key = Box<str>;

/// A number of a series.
pub(super) struct Flat<'a> {
    pub(super) key: Key,
    pub(super) family: &'static Family,
    pub(super) value: f64,
    pub(super) started_at: Option<Timestamp>,
    pub(super) exemplar: Option<&'a Exemplar>,
}

/// The labels of a key.
pub(super) fn labels(key: &str) -> impl Iterator<Item = (&str, &str)> {
    let mut parts = key.split('\0');
    std::iter::from_fn(move || Some((parts.next().filter(|name| !name.is_empty())?, parts.next()?)))
}

/// Shows every number. Labels of `outer` stand where a series has none of that name.
pub(super) fn each(
    snapshot: &Snapshot,
    outer: &[(String, String)],
    wanted: impl Fn(&Family) -> bool,
    mut show: impl FnMut(Flat<'_>),
) {
    snapshot.each(|Figures { family, series }| {
        if !wanted(family) {
            return;
        }
        for one in &series {
            match &one.value {
                Value::Number(value) => show(plain(family, one, outer, *value)),
                Value::Count(count) => show(plain(family, one, outer, float(*count))),
                Value::Histogram(histogram) => {
                    let part = |suffix, le: Option<&str>, value, exemplar| Flat {
                        key: key(family, suffix, one, le, outer),
                        family,
                        value,
                        started_at: one.started_at,
                        exemplar,
                    };
                    for bucket in histogram.buckets() {
                        // Written as in the text, so that what was scraped before goes on.
                        let le = if bucket.bound.is_finite() { bucket.bound.to_string() } else { "+Inf".to_owned() };
                        show(part("_bucket", Some(&le), float(bucket.count), bucket.exemplar));
                    }
                    show(part("_sum", None, histogram.sum(), None));
                    show(part("_count", None, float(histogram.count()), None));
                }
            }
        }
    });
}

fn plain<'a>(family: &'static Family, series: &Series, outer: &[(String, String)], value: f64) -> Flat<'a> {
    let started_at = series.started_at.filter(|_| family.kind == Kind::Counter);
    Flat { key: key(family, "", series, None, outer), family, value, started_at, exemplar: None }
}

fn key(family: &Family, suffix: &str, series: &Series, le: Option<&str>, outer: &[(String, String)]) -> Key {
    let name = format!("{}{suffix}", family.name);
    let outer = outer.iter().map(|(name, value)| (name.as_str(), value.as_str()));
    let all = outer.chain(series.labels.iter()).chain(le.map(|le| ("le", le))).chain([("__name__", name.as_str())]);
    // A label that is empty is the same as none, and none may be sent.
    let sorted: BTreeMap<&str, &str> = all.filter(|(_, value)| !value.is_empty()).collect();
    let mut key = String::new();
    for (name, value) in sorted {
        key.push_str(name);
        key.push('\0');
        if value.contains('\0') {
            key.push_str(&value.replace('\0', "\u{fffd}"));
        } else {
            key.push_str(value);
        }
        key.push('\0');
    }
    key.into()
}

#[expect(clippy::cast_precision_loss, reason = "counts are far below 2^53")]
fn float(count: u64) -> f64 {
    count as f64
}

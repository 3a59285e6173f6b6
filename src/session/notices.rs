//! The notifications heard while a call is open: all of them are counted, and so many are kept that neither their number
//! nor their size can grow the prober.

use std::time::Duration;

use serde_json::Value;
use serde_json::value::RawValue;

use crate::base::name::Name;

/// Notifications kept for one call.
const NOTICES_MAX: usize = 1_000;
/// Bytes kept of the parameters of them all.
const BYTES_MAX: usize = 1 << 20;
/// Methods that are counted each by itself.
const METHODS_MAX: usize = 64;
/// More of a method is not kept: no real one is as long.
const METHOD_BYTES_MAX: usize = 256;

/// A notification that was heard while a call was open.
#[derive(Clone, Debug, PartialEq)]
pub struct Notice {
    /// Since the request was written.
    pub after: Duration,
    /// Its method.
    pub method: Name,
    /// Its parameters; null where it has none, and where they were not kept.
    pub params: Value,
    /// Whether all of it is here: there is room for the parameters of a megabyte, and no more.
    pub whole: bool,
}

/// What was heard beside a reply: nothing beside most, so that it takes no room there.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Notices(Option<Box<Heard>>);

#[derive(Clone, Debug, Default, PartialEq)]
struct Heard {
    kept: Vec<Notice>,
    bytes: usize,
    counts: Vec<(Name, u64)>,
    /// Of methods that are not in the table, which is full.
    uncounted: u64,
    /// Whether some of those may have been of a method that is in the table.
    is_partial: bool,
}

/// How many notifications of one method were heard.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Counted {
    /// So many for sure.
    pub heard: u64,
    /// Whether there were no more.
    pub is_all: bool,
}

impl Notices {
    /// Those that were kept, in order.
    pub fn iter(&self) -> std::slice::Iter<'_, Notice> {
        self.0.as_ref().map_or_else(Default::default, |heard| heard.kept.iter())
    }

    /// Whether none was heard.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.total() == 0
    }

    /// How many were heard.
    #[must_use]
    pub fn total(&self) -> u64 {
        let Some(heard) = &self.0 else { return 0 };
        heard.counts.iter().map(|(_, count)| count).sum::<u64>() + heard.uncounted
    }

    /// How many of a method were heard, kept or not.
    #[must_use]
    pub fn count(&self, method: &str) -> Counted {
        let Some(heard) = &self.0 else { return Counted { heard: 0, is_all: true } };
        match heard.counts.iter().find(|(known, _)| known.as_str() == method) {
            Some((_, count)) => Counted { heard: *count, is_all: !heard.is_partial },
            None => Counted { heard: 0, is_all: heard.uncounted == 0 },
        }
    }

    /// One more was heard. Its parameters are read only where there is room for them.
    pub(super) fn hear(&mut self, after: Duration, method: &str, params: Option<&RawValue>) {
        self.0.get_or_insert_default().hear(after, method, params);
    }

    /// Those of a further page or round, with the same bounds over all of them.
    pub(crate) fn append(&mut self, later: Self) {
        match (&mut self.0, later.0) {
            (Some(heard), Some(later)) => heard.append(*later),
            (none, later) => *none = none.take().or(later),
        }
    }
}

impl Heard {
    fn hear(&mut self, after: Duration, method: &str, params: Option<&RawValue>) {
        let end = (0..=method.len().min(METHOD_BYTES_MAX)).rev().find(|at| method.is_char_boundary(*at));
        let method = self.named(&method[..end.unwrap_or_default()]);
        self.add(&method, 1);
        if self.kept.len() >= NOTICES_MAX {
            return;
        }
        let bytes = self.bytes + params.map_or(0, |params| params.get().len());
        let whole = bytes <= BYTES_MAX;
        if whole {
            self.bytes = bytes;
        }
        let params = params.filter(|_| whole).and_then(|params| serde_json::from_str(params.get()).ok());
        self.kept.push(Notice { after, method, params: params.unwrap_or(Value::Null), whole });
    }

    fn append(&mut self, later: Self) {
        for (method, count) in &later.counts {
            self.add(method, *count);
        }
        self.uncounted += later.uncounted;
        self.is_partial |= later.is_partial || later.uncounted > 0;
        let room = NOTICES_MAX - self.kept.len();
        let has_room = self.bytes + later.bytes <= BYTES_MAX;
        if has_room {
            self.bytes += later.bytes;
        }
        self.kept.extend(later.kept.into_iter().take(room).map(|notice| {
            // Less is not looked for here: which of them fit is of no use to anybody.
            let whole = notice.whole && (has_room || notice.params.is_null());
            let params = if whole { notice.params } else { Value::Null };
            Notice { params, whole, ..notice }
        }));
    }

    /// The name of a method; that of one which was heard before is the same text.
    fn named(&self, method: &str) -> Name {
        let known = self.counts.iter().map(|(known, _)| known).find(|known| known.as_str() == method);
        known.cloned().unwrap_or_else(|| method.into())
    }

    fn add(&mut self, method: &Name, count: u64) {
        let is_full = self.counts.len() >= METHODS_MAX;
        match self.counts.iter_mut().find(|(known, _)| known == method) {
            Some((_, heard)) => *heard += count,
            None if is_full => self.uncounted += count,
            None => self.counts.push((method.clone(), count)),
        }
    }
}

impl IntoIterator for Notices {
    type Item = Notice;
    type IntoIter = std::vec::IntoIter<Notice>;

    fn into_iter(self) -> Self::IntoIter {
        self.0.map_or_else(Vec::new, |heard| heard.kept).into_iter()
    }
}

impl<'a> IntoIterator for &'a Notices {
    type Item = &'a Notice;
    type IntoIter = std::slice::Iter<'a, Notice>;

    fn into_iter(self) -> Self::IntoIter {
        self.iter()
    }
}

/// Notifications as a test has them.
#[cfg(test)]
impl<const N: usize> From<[(&str, Value); N]> for Notices {
    fn from(all: [(&str, Value); N]) -> Self {
        let mut notices = Self::default();
        for (method, params) in all {
            let params = RawValue::from_string(params.to_string()).ok();
            notices.hear(Duration::ZERO, method, params.as_deref());
        }
        notices
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn raw(bytes: usize) -> Box<RawValue> {
        RawValue::from_string(format!("{:?}", "x".repeat(bytes))).unwrap()
    }

    fn heard(count: usize, bytes: usize) -> Notices {
        let mut notices = Notices::default();
        let params = raw(bytes);
        for _ in 0..count {
            notices.hear(Duration::ZERO, "notifications/message", Some(&params));
        }
        notices
    }

    fn kept_bytes(notices: &Notices) -> usize {
        notices.iter().map(|notice| notice.method.len() + notice.params.to_string().len()).sum()
    }

    #[test]
    fn number_and_bytes_are_bounded_and_all_are_counted() {
        let many = heard(5_000, 10);
        assert_eq!((many.iter().count(), many.total()), (NOTICES_MAX, 5_000));
        assert_eq!(many.count("notifications/message"), Counted { heard: 5_000, is_all: true });
        assert_eq!(many.count("notifications/progress"), Counted { heard: 0, is_all: true });
        let large = heard(300, 16 << 10);
        assert!(kept_bytes(&large) < BYTES_MAX + (64 << 10), "{}", kept_bytes(&large));
        assert_eq!((large.iter().count(), large.total()), (300, 300));
        assert!(large.iter().take(63).all(|notice| notice.whole && !notice.params.is_null()));
        assert!(large.iter().skip(64).all(|notice| !notice.whole && notice.params.is_null()));
        // One that is too large takes nothing from those behind it.
        let mut notices = heard(1, 2 << 20);
        notices.hear(Duration::ZERO, &"m".repeat(1 << 20), Some(&raw(10)));
        let kept: Vec<_> = notices.iter().map(|notice| (notice.method.len(), notice.whole)).collect();
        assert_eq!(kept, [(21, false), (METHOD_BYTES_MAX, true)]);
    }

    #[test]
    fn pages_together_keep_no_more_than_one() {
        let mut all = Notices::default();
        for _ in 0..50 {
            all.append(heard(60, 16 << 10));
        }
        assert!(kept_bytes(&all) < BYTES_MAX + (64 << 10), "{}", kept_bytes(&all));
        assert_eq!((all.iter().count(), all.total()), (NOTICES_MAX, 3_000));
        assert_eq!(all.count("notifications/message"), Counted { heard: 3_000, is_all: true });
    }

    #[test]
    fn of_too_many_methods_what_is_not_known_is_not_said() {
        let many = || {
            let mut notices = Notices::default();
            for number in 0..100 {
                notices.hear(Duration::ZERO, &format!("x/{number}"), None);
            }
            notices
        };
        let mut notices = many();
        assert_eq!(notices.total(), 100);
        assert_eq!(notices.count("x/7"), Counted { heard: 1, is_all: true });
        assert_eq!(notices.count("x/99"), Counted { heard: 0, is_all: false });
        notices.append(many());
        assert_eq!(notices.total(), 200);
        assert_eq!(notices.count("x/7"), Counted { heard: 2, is_all: false });
    }
}

//! Reads lists page by page: follows every cursor (an empty string is one), stops on a cursor that comes back, and is
//! bounded. Source: specification, server/utilities/pagination.

use std::collections::HashSet;
use std::sync::Arc;

use serde_json::Value;

use crate::event::{Finding, Severity};

/// More pages than any honest list has.
pub const PAGES_MAX: u32 = 1_000;
/// More items than any honest list has.
pub const ITEMS_MAX: usize = 100_000;

/// The pages of one list, merged.
#[derive(Debug)]
pub struct Pages {
    member: &'static str,
    merged: Option<Arc<Value>>,
    seen: HashSet<String>,
    count: u32,
    findings: Vec<Finding>,
}

impl Pages {
    /// An empty list whose items are in this member of each result.
    #[must_use]
    pub fn new(member: &'static str) -> Self {
        Self { member, merged: None, seen: HashSet::new(), count: 0, findings: Vec::new() }
    }

    /// Adds a page; gives the cursor of the next one, if there is one worth asking for.
    pub fn add(&mut self, mut page: Arc<Value>) -> Option<String> {
        self.count += 1;
        // A list that ends with its first page, as most do, is left as it is.
        let has_cursor = page.get("nextCursor").is_some();
        let cursor = if has_cursor { Arc::make_mut(&mut page).as_object_mut() } else { None };
        let cursor = cursor.and_then(|page| page.shift_remove("nextCursor"));
        self.merge(page);
        let cursor = match cursor {
            None => return None,
            Some(Value::Null) => {
                self.note(Severity::Warning, "no nextCursor on the last page", "nextCursor is null");
                return None;
            }
            Some(Value::String(cursor)) => cursor,
            Some(other) => {
                let actual = crate::base::sanitize::one_line(&other.to_string(), 60);
                self.note(Severity::Error, "nextCursor is a string", &actual);
                return None;
            }
        };
        if !self.seen.insert(cursor.clone()) {
            let shown = crate::base::sanitize::one_line(&cursor, 60);
            let actual = format!("page {} names the cursor {shown:?} again; the list was cut there", self.count);
            self.note(Severity::Error, "every page names a new cursor", &actual);
            return None;
        }
        let items = self.merged.as_ref().and_then(|list| list[self.member].as_array()).map_or(0, Vec::len);
        if self.count >= PAGES_MAX || items >= ITEMS_MAX {
            let actual =
                format!("{} pages with {items} items and still a nextCursor; the list was cut there", self.count);
            self.note(Severity::Error, "the list ends", &actual);
            return None;
        }
        Some(cursor)
    }

    /// How many pages there were.
    #[must_use]
    pub fn count(&self) -> u32 {
        self.count
    }

    /// The merged result and what was noticed.
    #[must_use]
    pub fn finish(self) -> (Arc<Value>, Vec<Finding>) {
        (self.merged.unwrap_or_else(|| Arc::new(Value::Object(serde_json::Map::new()))), self.findings)
    }

    fn merge(&mut self, page: Arc<Value>) {
        let Some(merged) = &mut self.merged else {
            self.merged = Some(page);
            return;
        };
        let mut page = Arc::unwrap_or_clone(page);
        let more = page.get_mut(self.member).map(Value::take);
        let merged = Arc::make_mut(merged);
        if let (Some(Value::Array(items)), Some(Value::Array(more))) = (merged.get_mut(self.member), more) {
            items.extend(more);
        }
    }

    fn note(&mut self, severity: Severity, expected: &str, actual: &str) {
        self.findings.push(Finding {
            path: Some("$.nextCursor".to_owned()),
            ..Finding::new("list.pagination", severity, expected, actual)
        });
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn page(value: Value) -> Arc<Value> {
        Arc::new(value)
    }

    #[test]
    fn pages_are_merged_and_an_empty_cursor_followed() {
        let mut pages = Pages::new("tools");
        assert_eq!(pages.add(page(json!({"tools": [1], "nextCursor": "", "ttlMs": 5}))), Some(String::new()));
        assert_eq!(pages.add(page(json!({"tools": [2, 3]}))), None);
        assert_eq!(pages.count(), 2);
        assert_eq!(pages.finish(), (page(json!({"tools": [1, 2, 3], "ttlMs": 5})), vec![]));
    }

    #[test]
    fn a_repeated_cursor_and_an_endless_list_end() {
        let mut pages = Pages::new("tools");
        assert!(pages.add(page(json!({"tools": [], "nextCursor": "a"}))).is_some());
        assert!(pages.add(page(json!({"tools": [], "nextCursor": "a"}))).is_none());
        assert_eq!(pages.finish().1.len(), 1);
        let mut pages = Pages::new("tools");
        let mut asked = 0;
        while pages.add(page(json!({"tools": [], "nextCursor": asked.to_string()}))).is_some() {
            asked += 1;
        }
        assert_eq!(pages.count(), PAGES_MAX);
        assert_eq!(pages.finish().1.len(), 1);
    }

    #[test]
    fn wrong_cursors_end_the_list_with_a_finding() {
        for cursor in [json!(null), json!(4)] {
            let mut pages = Pages::new("tools");
            assert_eq!(pages.add(page(json!({"tools": [], "nextCursor": cursor}))), None);
            assert_eq!(pages.finish().1.len(), 1);
        }
    }
}

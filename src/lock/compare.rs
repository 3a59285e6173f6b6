//! Two readings of one server: which definitions came, went and changed, and what each change means.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::Value;

use super::{Entry, LISTS, List, canonical, definition};
use crate::event::{Change, ChangeClass, Subject};

/// Everything that differs, worst first. Empty exactly where the definitions are the same, in whatever
/// order the keys of each stand.
#[must_use]
pub fn entries(old: &Entry, new: &Entry) -> Vec<Change> {
    let mut changes = Vec::new();
    if old.instructions != new.instructions {
        let text = |entry: &Entry| entry.instructions.clone().map(Value::from);
        let (before, after) = (text(old), text(new));
        let what = definition::said("instructions", before.as_ref(), after.as_ref());
        changes.push(Change {
            path: Some("$.instructions".to_owned()),
            old: before,
            new: after,
            what,
            ..blank(ChangeClass::Prose, Subject::Server, "")
        });
    }
    for list in &LISTS {
        changes.extend(lists(list, old.lists.get(&list.subject), new.lists.get(&list.subject)));
    }
    sort(&mut changes);
    changes
}

/// A target that one of two files does not have.
#[must_use]
pub fn whole(lacks: &str, is_new: bool) -> Change {
    let (class, what) = if is_new { (ChangeClass::Added, "new") } else { (ChangeClass::Removed, "gone") };
    Change { what: format!("the target is {what}: {lacks} has no list of it"), ..blank(class, Subject::Server, "") }
}

/// The same of one list; `None` where the server does not serve it.
#[must_use]
pub fn lists(list: &List, old: Option<&Vec<Value>>, new: Option<&Vec<Value>>) -> Vec<Change> {
    let mut changes = Vec::new();
    let (before, after) = (old.map_or(&[][..], Vec::as_slice), new.map_or(&[][..], Vec::as_slice));
    if old.is_some() != new.is_some() {
        let (class, what) = match new {
            Some(_) => (ChangeClass::Added, "is served now"),
            None => (ChangeClass::Removed, "is not served any more"),
        };
        changes.push(Change { what: format!("{} {what}", list.method), ..blank(class, list.subject, "") });
    }
    let (was, is) = (by_name(list, before), by_name(list, after));
    let names: BTreeSet<&str> = was.keys().chain(is.keys()).copied().collect();
    let nobody = Vec::new();
    for name in names {
        let (was, is) = (was.get(name).unwrap_or(&nobody), is.get(name).unwrap_or(&nobody));
        named(list, name, was, is, &mut changes);
    }
    changes.extend(order(list, before, after));
    sort(&mut changes);
    changes
}

/// The loud and the worst first.
fn sort(changes: &mut [Change]) {
    changes.sort_by_key(|change| (!change.loud, change.class));
}

fn blank(class: ChangeClass, subject: Subject, name: &str) -> Change {
    Change { class, subject, name: name.to_owned(), path: None, what: String::new(), old: None, new: None, loud: false }
}

fn by_name<'a>(list: &List, items: &'a [Value]) -> BTreeMap<&'a str, Vec<&'a Value>> {
    let mut named: BTreeMap<&str, Vec<&Value>> = BTreeMap::new();
    for item in items {
        named.entry(list.name(item)).or_default().push(item);
    }
    named
}

/// The definitions of one name: one, as a rule. Of several, those that are equal belong together, then those in order.
fn named(list: &List, name: &str, was: &[&Value], is: &[&Value], changes: &mut Vec<Change>) {
    let (was, is) = (unmatched(was, is), unmatched(is, was));
    for (old, new) in was.iter().zip(&is) {
        let spots = definition::compare(list.subject, old, new).into_iter();
        changes.extend(spots.map(|spot| Change {
            path: Some(spot.path),
            what: spot.what,
            old: spot.old,
            new: spot.new,
            loud: spot.loud,
            ..blank(spot.class, list.subject, name)
        }));
    }
    let word = list.subject.name();
    for old in was.iter().skip(is.len()) {
        let what = format!("the {word} is gone");
        changes.push(Change { what, old: Some((*old).clone()), ..blank(ChangeClass::Removed, list.subject, name) });
    }
    for new in is.iter().skip(was.len()) {
        let what = format!("the {word} is new");
        changes.push(Change { what, new: Some((*new).clone()), ..blank(ChangeClass::Added, list.subject, name) });
    }
}

/// What has no equal on the other side.
fn unmatched<'a>(all: &[&'a Value], others: &[&Value]) -> Vec<&'a Value> {
    if let ([one], [_]) = (all, others) {
        return vec![one];
    }
    let mut known: BTreeMap<String, usize> = BTreeMap::new();
    for other in others {
        *known.entry(canonical::text(other)).or_default() += 1;
    }
    let mut is_unmatched = |item: &&Value| match known.get_mut(&canonical::text(item)) {
        Some(count) if *count > 0 => {
            *count -= 1;
            false
        }
        _ => true,
    };
    all.iter().copied().filter(|item| is_unmatched(item)).collect()
}

/// Whether what both have stands in another order.
fn order(list: &List, before: &[Value], after: &[Value]) -> Option<Change> {
    let shared = |items: &[Value], others: &[Value]| {
        let mut known: BTreeMap<&str, usize> = BTreeMap::new();
        for other in others {
            *known.entry(list.name(other)).or_default() += 1;
        }
        let mut names: Vec<String> = Vec::new();
        for name in items.iter().map(|item| list.name(item)) {
            if let Some(count) = known.get_mut(name).filter(|count| **count > 0) {
                *count -= 1;
                names.push(name.to_owned());
            }
        }
        names
    };
    let (was, is) = (shared(before, after), shared(after, before));
    let same_texts = || {
        let texts = |items: &[Value]| items.iter().map(canonical::text).collect::<Vec<_>>();
        let (mut was, mut is) = (texts(before), texts(after));
        let differ = was != is;
        was.sort_unstable();
        is.sort_unstable();
        differ && was == is
    };
    // Definitions of one name may have changed places among themselves.
    let is_other = was != is || (was.len() == before.len() && was.len() == after.len() && same_texts());
    is_other.then(|| Change {
        what: format!("{} comes in another order", list.method),
        old: Some(was.into()),
        new: Some(is.into()),
        ..blank(ChangeClass::Order, list.subject, "")
    })
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use serde_json::json;

    use super::*;
    use crate::lock::canonical::tests::{any_json, reversed};

    fn tools(items: Value) -> Entry {
        let Value::Array(items) = items else { panic!("a list") };
        Entry { lists: [(Subject::Tool, items)].into(), ..Entry::default() }
    }

    fn told(old: &Entry, new: &Entry) -> Vec<(ChangeClass, String)> {
        entries(old, new).into_iter().map(|change| (change.class, change.name)).collect()
    }

    #[test]
    fn definitions_come_go_and_change_places() {
        use ChangeClass::{Added, Order, Prose, Removed};
        let (a, b) = (json!({"name": "a"}), json!({"name": "b"}));
        let two = tools(json!([a, b]));
        assert_eq!(told(&two, &two), []);
        assert_eq!(told(&tools(json!([a])), &two), [(Added, "b".to_owned())]);
        assert_eq!(told(&two, &tools(json!([b]))), [(Removed, "a".to_owned())]);
        assert_eq!(told(&two, &tools(json!([b, a]))), [(Order, String::new())]);
        let renamed = tools(json!([{"name": "c"}, b]));
        assert_eq!(told(&two, &renamed), [(Removed, "a".to_owned()), (Added, "c".to_owned())]);
        let twice = |one: &str, other: &str| {
            tools(json!([{"name": "a", "description": one}, {"name": "a", "description": other}]))
        };
        assert_eq!(told(&twice("x", "y"), &twice("x", "y")), []);
        assert_eq!(told(&twice("x", "y"), &twice("y", "x")), [(Order, String::new())]);
        assert_eq!(told(&twice("x", "y"), &twice("x", "z")), [(Prose, "a".to_owned())]);
        assert_eq!(told(&tools(json!([a])), &tools(json!([a, a]))), [(Added, "a".to_owned())]);
        assert_eq!(told(&tools(json!([7, null])), &tools(json!([7]))), [(Removed, String::new())]);
    }

    #[test]
    fn a_list_that_is_served_no_more_is_told() {
        let (none, empty) = (Entry::default(), tools(json!([])));
        assert_eq!(entries(&none, &empty)[0].what, "tools/list is served now");
        assert_eq!(told(&empty, &none), [(ChangeClass::Removed, String::new())]);
        let instructed = Entry { instructions: Some("Be kind.".into()), ..Entry::default() };
        assert_eq!(entries(&none, &instructed)[0].line(), "server: the instructions is new at $.instructions (prose)");
    }

    #[test]
    fn the_loud_and_the_worst_come_first() {
        let tool = |name: &str, more: Value| {
            let mut tool = json!({"name": name, "annotations": {"readOnlyHint": true}, "description": "x"});
            tool.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
            tool
        };
        let old = tools(json!([tool("a", json!({})), tool("b", json!({}))]));
        let new = tools(
            json!([tool("a", json!({"description": "y"})), tool("b", json!({"annotations": {"readOnlyHint": false}, "description": "y"})), {"name": "c"}]),
        );
        let classes: Vec<&str> = entries(&old, &new).iter().map(|change| change.class.name()).collect();
        assert_eq!(classes, ["annotation", "added", "prose", "prose"]);
        assert!(entries(&old, &new)[0].loud && entries(&old, &new)[0].is_breaking());
        assert!(!entries(&new, &old).iter().any(|change| change.loud));
    }

    proptest! {
        #[test]
        fn what_is_equal_has_no_changes_and_what_is_not_has_some(
            one in prop::collection::vec(("[ab]", any_json()), 0..4),
            other in prop::collection::vec(("[ab]", any_json()), 0..4),
        ) {
            let list = |items: &[(String, Value)]| -> Vec<Value> {
                items.iter().map(|(name, value)| json!({"name": name, "inputSchema": value, "description": value})).collect()
            };
            let (one, other) = (list(&one), list(&other));
            let entry = |items: &[Value]| Entry { lists: [(Subject::Tool, items.to_vec())].into(), ..Entry::default() };
            let turned: Vec<Value> = one.iter().map(reversed).collect();
            prop_assert!(entries(&entry(&one), &entry(&turned)).is_empty());
            let is_same = canonical::same(&one.clone().into(), &other.clone().into());
            prop_assert_eq!(entries(&entry(&one), &entry(&other)).is_empty(), is_same);
            prop_assert_eq!(entries(&entry(&other), &entry(&one)).is_empty(), is_same);
        }
    }
}

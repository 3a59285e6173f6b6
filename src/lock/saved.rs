//! Lists that were saved as JSON: what `--json`, `--raw` or `--jq` printed, or the bare result of a call.

use std::collections::BTreeMap;

use serde_json::Value;

use super::{Entry, LISTS, list_of};
use crate::event::{ServerIdentity, Subject};

/// Reads saved lists: one or several targets, each with its name where it is known.
///
/// # Errors
/// A sentence: it is no JSON, or there are no lists in it.
pub fn read(text: &str) -> Result<BTreeMap<String, Entry>, String> {
    let values: Result<Vec<Value>, _> = serde_json::Deserializer::from_str(text).into_iter().collect();
    let values = values.map_err(|error| format!("it is neither a lock file nor JSON: {error}"))?;
    let mut entries: BTreeMap<String, Entry> = BTreeMap::new();
    for value in &values {
        match value.get("calls").and_then(Value::as_array) {
            Some(calls) => calls.iter().for_each(|call| take(call, &mut entries)),
            None => take(value, &mut entries),
        }
    }
    entries.retain(|_, entry| !entry.lists.is_empty());
    if entries.is_empty() {
        return Err("there is no list of tools, prompts, resources or resource templates in it".to_owned());
    }
    Ok(entries)
}

/// One document, or one page of a reply.
fn take(value: &Value, entries: &mut BTreeMap<String, Entry>) {
    let name = value.get("target").and_then(Value::as_str).unwrap_or_default();
    let entry = entries.entry(name.to_owned()).or_default();
    let result = value.get("result").unwrap_or(value);
    let identity = value.get("server").or_else(|| result.get("serverInfo"));
    if let Some(identity) = identity.filter(|identity| identity.is_object()) {
        let text = |key: &str| identity.get(key).and_then(Value::as_str).unwrap_or_default().to_owned();
        entry.server = Some(ServerIdentity { name: text("name").into(), version: text("version").into() });
    }
    for list in &LISTS {
        // Pages come one after the other.
        if let Some(definitions) = list.definitions(result) {
            entry.lists.entry(list.subject).or_default().extend(definitions);
        }
    }
    if let Value::Array(items) = result
        && !items.is_empty()
        && items.iter().all(|item| item.get("inputSchema").is_some())
        && let Some(list) = list_of("tools/list")
    {
        entry.lists.entry(Subject::Tool).or_default().extend(items.iter().map(|item| list.definition(item)));
    }
}

/// Leaves in both what both have: of what was not saved nothing is known.
pub fn restrict(one: &mut Entry, other: &mut Entry) {
    let (mine, theirs): (Vec<Subject>, Vec<Subject>) =
        (one.lists.keys().copied().collect(), other.lists.keys().copied().collect());
    one.lists.retain(|subject, _| theirs.contains(subject));
    other.lists.retain(|subject, _| mine.contains(subject));
    one.instructions = None;
    other.instructions = None;
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_form_is_read() {
        let tool = r#"{"name":"a","inputSchema":{},"_meta":{}}"#;
        for (text, name, count) in [
            (
                format!(
                    r#"{{"schema":"mcp-probe/call/1","target":"weather","server":{{"name":"w","version":"1"}},"result":{{"tools":[{tool}]}}}}"#
                ),
                "weather",
                1,
            ),
            (
                format!(
                    "{{\"jsonrpc\":\"2.0\",\"id\":1,\"result\":{{\"tools\":[{tool}]}}}}\n{{\"result\":{{\"tools\":[{tool}]}}}}\n"
                ),
                "",
                2,
            ),
            (format!(r#"{{"tools":[{tool},{tool}]}}"#), "", 2),
            (format!("[{tool}]"), "", 1),
        ] {
            let entries = read(&text).unwrap();
            assert_eq!(entries[name].count(Subject::Tool), count, "{text}");
            assert_eq!(entries[name].lists[&Subject::Tool][0], serde_json::json!({"name": "a", "inputSchema": {}}));
        }
        let two = r#"{"calls":[{"target":"a","result":{"prompts":[]}},{"target":"b","error":{}},{"target":"c","result":{"resources":[]}}]}"#;
        assert_eq!(read(two).unwrap().keys().collect::<Vec<_>>(), ["a", "c"]);
        assert!(read("{").unwrap_err().contains("neither a lock file nor JSON"));
        assert!(read("{\"tools\": 7}").unwrap_err().contains("no list"));
    }

    #[test]
    fn of_what_was_not_saved_nothing_is_said() {
        let mut saved = Entry { lists: [(Subject::Tool, Vec::new())].into(), ..Entry::default() };
        let lists = [(Subject::Tool, Vec::new()), (Subject::Prompt, Vec::new())].into();
        let mut whole = Entry { lists, instructions: Some("x".into()), ..Entry::default() };
        restrict(&mut whole, &mut saved);
        assert_eq!(whole, saved);
    }
}

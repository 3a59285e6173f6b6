//! Lists that were saved as JSON: what `--json`, `--raw` or `--jq` printed, or the bare result of a call.

use std::collections::BTreeMap;

use serde_json::Value;

use super::{Entry, LISTS, list_of};
use crate::event::{ServerIdentity, Subject};

/// What was saved, by the names of the targets where these are known.
#[derive(Clone, Debug, Default)]
pub struct Saved {
    /// Lists.
    pub entries: BTreeMap<String, Entry>,
    /// What stands there instead of a list, as what follows "holds".
    pub failed: BTreeMap<String, String>,
}

/// Reads saved lists of one or several targets.
///
/// # Errors
/// A sentence: it is no JSON, or there are no lists in it, and no errors in place of them.
pub fn read(text: &str) -> Result<Saved, String> {
    let values: Result<Vec<Value>, _> = serde_json::Deserializer::from_str(text).into_iter().collect();
    let values = values.map_err(|error| format!("it is neither a lock file nor JSON: {error}"))?;
    let mut saved = Saved::default();
    for value in &values {
        match value.get("calls").and_then(Value::as_array) {
            Some(calls) => calls.iter().for_each(|call| take(call, &mut saved)),
            None => take(value, &mut saved),
        }
    }
    let Saved { entries, failed } = &mut saved;
    entries.retain(|name, entry| !entry.lists.is_empty() && !failed.contains_key(name));
    if entries.is_empty() && failed.is_empty() {
        return Err("there is no list of tools, prompts, resources or resource templates in it".to_owned());
    }
    Ok(saved)
}

/// What a call came to that gave no whole list.
fn failure(value: &Value) -> Option<String> {
    let text = |value: &Value, key: &str| value.get(key).and_then(Value::as_str).map(ToOwned::to_owned);
    let error = |said: Option<String>| format!("an error, not a list: {}", said.unwrap_or_default());
    if matches!(value.get("status").and_then(Value::as_str), Some("failed" | "unknown")) {
        return Some(error(text(value, "message")));
    }
    if value.get("jsonrpc").is_some() && value.get("result").is_none() {
        return value.get("error").map(|inner| error(text(inner, "message")));
    }
    let is_cut = |finding: &Value| finding["id"] == "list.pagination" && finding["severity"] == "error";
    let cut = value.get("findings").and_then(Value::as_array).is_some_and(|all| all.iter().any(is_cut));
    cut.then(|| "a list that was not read to its end".to_owned())
}

/// One document, or one page of a reply.
fn take(value: &Value, Saved { entries, failed }: &mut Saved) {
    let name = value.get("target").and_then(Value::as_str).unwrap_or_default();
    if let Some(why) = failure(value) {
        failed.entry(name.to_owned()).or_insert(why);
        return;
    }
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

/// Leaves in an entry what was saved of the other: of what was not saved nothing is known.
pub fn restrict(entry: &mut Entry, saved: &Entry) {
    entry.lists.retain(|subject, _| saved.lists.contains_key(subject));
    entry.instructions = None;
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
            let entries = read(&text).unwrap().entries;
            assert_eq!(entries[name].count(Subject::Tool), count, "{text}");
            assert_eq!(entries[name].lists[&Subject::Tool][0], serde_json::json!({"name": "a", "inputSchema": {}}));
        }
        let two = r#"{"calls":[{"target":"a","result":{"prompts":[]}},{"target":"b","error":{}},{"target":"c","result":{"resources":[]}}]}"#;
        assert_eq!(read(two).unwrap().entries.keys().collect::<Vec<_>>(), ["a", "c"]);
        assert!(read("{").unwrap_err().contains("neither a lock file nor JSON"));
        assert!(read("{\"tools\": 7}").unwrap_err().contains("no list"));
    }

    #[test]
    fn what_stands_in_place_of_a_list_is_kept_as_such() {
        for (text, name, why) in [
            (r#"{"target":"a","status":"failed","message":"no reply"}"#, "a", "an error, not a list: no reply"),
            (
                r#"{"jsonrpc":"2.0","id":2,"error":{"code":-32603,"message":"locked"}}"#,
                "",
                "an error, not a list: locked",
            ),
            (
                r#"{"target":"a","status":"healthy","result":{"tools":[]},"findings":[{"id":"list.pagination","severity":"error"}]}"#,
                "a",
                "a list that was not read to its end",
            ),
            (
                r#"{"target":"a","status":"unknown","message":"x","result":{"tools":[]}}"#,
                "a",
                "an error, not a list: x",
            ),
        ] {
            let saved = read(text).unwrap();
            assert_eq!((saved.failed[name].as_str(), saved.entries.len()), (why, 0), "{text}");
        }
    }

    #[test]
    fn of_what_was_not_saved_nothing_is_said() {
        let saved = Entry { lists: [(Subject::Tool, Vec::new())].into(), ..Entry::default() };
        let lists = [(Subject::Tool, Vec::new()), (Subject::Prompt, Vec::new())].into();
        let mut whole = Entry { lists, instructions: Some("x".into()), ..Entry::default() };
        restrict(&mut whole, &saved);
        assert_eq!(whole, saved);
    }
}

//! Parameters as they are typed: `k=v` is a string, `k:=v` is JSON, `--params` and `--args` are whole objects, from
//! a file or stdin where they start with `@`. What is nearer to one key wins over what is farther: the object, then
//! the name or URI, then single parameters, then `arguments` in the same order.

use std::io::Read;

use serde_json::{Map, Value};

use super::args::CallOptions;
use super::complaint::Complaint;
use crate::base::sanitize;

/// Largest `@FILE` or stdin that is read.
const INPUT_BYTES_MAX: u64 = 64 << 20;

/// The `params` of a call, or `None` when nothing was said.
///
/// # Errors
/// When something that was typed is no parameter, or a file cannot be read.
pub fn params(call: &CallOptions, method: &str) -> Result<Option<Value>, Complaint> {
    params_with(call, method, &mut read)
}

/// Fetches the text behind `@`: a path, or `-` for stdin.
type Fetch<'a> = dyn FnMut(&str) -> Result<String, Complaint> + 'a;

fn params_with(call: &CallOptions, method: &str, fetch: &mut Fetch<'_>) -> Result<Option<Value>, Complaint> {
    let from_stdin = [&call.params, &call.args].into_iter().flatten().filter(|text| text.as_str() == "@-").count();
    if from_stdin > 1 {
        return Err(Complaint::usage("stdin can be read once: `--params @-` or `--args @-`, not both"));
    }
    let single = call.tool.is_some()
        || call.prompt.is_some()
        || call.uri.is_some()
        || !call.param.is_empty()
        || call.args.is_some()
        || !call.arg.is_empty();
    let whole = call.params.as_deref().map(|text| json("--params", text, fetch)).transpose()?;
    let mut members = match whole {
        Some(Value::Object(members)) => members,
        Some(other) if single => {
            return Err(Complaint::usage(format!("`--params` is {}, so nothing can be added to it", kind(&other)))
                .hint("write an object: --params '{\"name\": \"…\"}'"));
        }
        Some(other) => return Ok(Some(other)),
        None if !single => return complete(None, call, method),
        None => Map::new(),
    };
    for (key, value) in [("name", &call.tool), ("name", &call.prompt), ("uri", &call.uri)] {
        if let Some(value) = value {
            members.insert(key.into(), value.as_str().into());
        }
    }
    for text in &call.param {
        let (key, value) = pair("--param", text)?;
        members.insert(key, value);
    }
    if call.args.is_some() || !call.arg.is_empty() {
        let arguments = arguments(call, members.get("arguments"), fetch)?;
        members.insert("arguments".into(), Value::Object(arguments));
    }
    complete(Some(Value::Object(members)), call, method)
}

/// What a method cannot do without is asked for here, where the answer is one option away. Whoever gives
/// `--params` means exactly that: a prober may want to send what is wrong.
fn complete(params: Option<Value>, call: &CallOptions, method: &str) -> Result<Option<Value>, Complaint> {
    let needed = match method {
        "tools/call" => ("name", "--tool NAME"),
        "prompts/get" => ("name", "--prompt NAME"),
        "resources/read" => ("uri", "--uri URI"),
        _ => return Ok(params),
    };
    let given = params.as_ref().is_some_and(|params| params.get(needed.0).is_some());
    if given || call.params.is_some() {
        return Ok(params);
    }
    Err(Complaint::usage(format!("`{method}` needs `params.{}`", needed.0))
        .hint(format!("give it with {}; to send the call without it: --params '{{}}'", needed.1)))
}

fn arguments(
    call: &CallOptions,
    before: Option<&Value>,
    fetch: &mut Fetch<'_>,
) -> Result<Map<String, Value>, Complaint> {
    let mut arguments = match before {
        None => Map::new(),
        Some(Value::Object(arguments)) => arguments.clone(),
        Some(other) => {
            return Err(Complaint::usage(format!(
                "`arguments` of `--params` is {}, so nothing can be added to it",
                kind(other)
            )));
        }
    };
    if let Some(text) = &call.args {
        match json("--args", text, fetch)? {
            Value::Object(given) => arguments.extend(given),
            other => {
                return Err(Complaint::usage(format!("`--args` must be a JSON object, but is {}", kind(&other)))
                    .hint("write --args '{\"key\": \"value\"}', or single ones as --arg key=value"));
            }
        }
    }
    for text in &call.arg {
        let (key, value) = pair("--arg", text)?;
        arguments.insert(key, value);
    }
    Ok(arguments)
}

/// `k=v` or `k:=JSON`; the first `=` decides.
fn pair(option: &str, text: &str) -> Result<(String, Value), Complaint> {
    let shown = sanitize::one_line(text, 60);
    let Some((key, value)) = text.split_once('=') else {
        return Err(Complaint::usage(format!("`{option} {shown}` has no `=`"))
            .hint(format!("write {option} {shown}=TEXT for a string, or {option} {shown}:=JSON for anything else")));
    };
    let (key, as_json) = key.strip_suffix(':').map_or((key, false), |key| (key, true));
    if key.is_empty() {
        return Err(Complaint::usage(format!("`{option} {shown}` has no key before the `=`")));
    }
    if !as_json {
        return Ok((key.to_owned(), Value::from(value)));
    }
    let value = serde_json::from_str(value).map_err(|error| {
        Complaint::usage(format!("`{option} {shown}`: what follows `:=` is not JSON: {error}"))
            .hint(format!("for a string write {option} '{key}={value}'"))
    })?;
    Ok((key.to_owned(), value))
}

fn json(option: &str, text: &str, fetch: &mut Fetch<'_>) -> Result<Value, Complaint> {
    let (content, from) = match text.strip_prefix('@') {
        Some("-") => (fetch("-")?, "stdin".to_owned()),
        Some(path) => (fetch(path)?, path.to_owned()),
        None => (text.to_owned(), format!("`{option}`")),
    };
    serde_json::from_str(&content).map_err(|error| {
        let complaint = Complaint::usage(format!("{from} is not JSON: {error}"));
        if text.starts_with('@') {
            complaint
        } else {
            complaint
                .hint(format!("quote it for the shell: {option} '{{\"key\": \"value\"}}'; from a file: {option} @FILE"))
        }
    })
}

fn read(path: &str) -> Result<String, Complaint> {
    let mut text = String::new();
    let read = if path == "-" {
        std::io::stdin().lock().take(INPUT_BYTES_MAX).read_to_string(&mut text)
    } else {
        std::fs::File::open(path).and_then(|file| file.take(INPUT_BYTES_MAX).read_to_string(&mut text))
    };
    let name = if path == "-" { "stdin" } else { path };
    read.map_err(|error| Complaint::usage(format!("{name} could not be read: {error}")))?;
    Ok(text)
}

fn kind(value: &Value) -> &'static str {
    match value {
        Value::Null => "null",
        Value::Bool(_) => "a boolean",
        Value::Number(_) => "a number",
        Value::String(_) => "a string",
        Value::Array(_) => "an array",
        Value::Object(_) => "an object",
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn build(method: &str, options: &CallOptions) -> Result<Option<Value>, Complaint> {
        params_with(options, method, &mut |path: &str| match path {
            "-" => Ok(r#"{"from": "stdin"}"#.into()),
            "a.json" => Ok(r#"{"name": "filed", "arguments": {"x": 1, "y": 2}}"#.into()),
            _ => Err(Complaint::usage("no such file")),
        })
    }

    fn options() -> CallOptions {
        CallOptions::default()
    }

    fn all(texts: &[&str]) -> Vec<String> {
        texts.iter().map(|text| (*text).to_owned()).collect()
    }

    #[test]
    fn strings_and_json() {
        let call = CallOptions {
            param: all(&["uri=file:///a=b", "n:=3", "deep:={\"a\":[1]}", "empty=", "at=@home"]),
            ..options()
        };
        assert_eq!(
            build("x/y", &call).unwrap(),
            Some(json!({"uri": "file:///a=b", "n": 3, "deep": {"a": [1]}, "empty": "", "at": "@home"}))
        );
        assert_eq!(build("x/y", &options()).unwrap(), None);
    }

    #[test]
    fn the_nearer_wins() {
        let call = CallOptions {
            params: Some("@a.json".into()),
            tool: Some("echo".into()),
            args: Some("@-".into()),
            arg: all(&["y=two", "z:=null"]),
            ..options()
        };
        assert_eq!(
            build("tools/call", &call).unwrap(),
            Some(json!({"name": "echo", "arguments": {"x": 1, "y": "two", "from": "stdin", "z": null}}))
        );
    }

    #[test]
    fn params_may_be_wrong_on_purpose() {
        for text in ["[]", "7", "null", "{}"] {
            let call = CallOptions { params: Some(text.into()), ..options() };
            assert_eq!(build("tools/call", &call).unwrap(), Some(serde_json::from_str(text).unwrap()));
        }
    }

    #[test]
    fn complaints_say_what_to_write() {
        for (call, method, wanted) in [
            (CallOptions { arg: all(&["city"]), ..options() }, "x/y", "--arg city=TEXT"),
            (CallOptions { arg: all(&["days:=three"]), ..options() }, "x/y", "'days=three'"),
            (CallOptions { arg: all(&["=3"]), ..options() }, "x/y", "no key"),
            (CallOptions { args: Some("[1]".into()), ..options() }, "x/y", "an array"),
            (CallOptions { args: Some("{a: 1}".into()), ..options() }, "x/y", "quote it for the shell"),
            (CallOptions { params: Some("@none".into()), ..options() }, "x/y", "no such file"),
            (CallOptions { params: Some("@-".into()), args: Some("@-".into()), ..options() }, "x/y", "once"),
            (CallOptions { params: Some("[]".into()), tool: Some("x".into()), ..options() }, "x/y", "an array"),
            (options(), "tools/call", "--tool NAME"),
            (CallOptions { arg: all(&["a=b"]), ..options() }, "prompts/get", "--prompt NAME"),
            (options(), "resources/read", "--uri URI"),
        ] {
            let complaint = build(method, &call).unwrap_err();
            let text = format!("{} {}", complaint.message, complaint.hint.clone().unwrap_or_default());
            assert_eq!(complaint.code.number(), 2);
            assert!(text.contains(wanted), "{text}");
        }
    }
}

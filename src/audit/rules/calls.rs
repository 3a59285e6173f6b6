//! Rules of calling tools: what a result holds, how it agrees with the output schema, and how calls fail that cannot or should
//! not go well.

use serde_json::Value;

use super::super::case::quote;
use super::super::exercises::{CALLS, LEFT_OUT, MISUSED_TOOLS};
use super::super::{Area, Case, Class, Keyword, Rule, Shot, Verdict, Violation};
use super::fit::{fit, no_call};
use super::tools::{listed, name_of};
use crate::check::json_schema::{Compile, Conformance, Patterns, Schema};
use crate::event::TransportKind;

const CALL: &str = "tools/call";

pub(super) static RULES: &[Rule] = &[
    Rule::new("call.content", &["T16"], Area::Tools, content)
        .occasions(&[&CALLS])
        .says(
            "The result of a call has `content`, an array, also where the tool failed or answers in structured form.",
            "Clients read `content` for the model; without it the call counts as broken.",
            "put at least an empty array there, better the result as text.",
        )
        .page("server/tools#tool-result"),
    Rule::new("call.blocks", &["T17"], Area::Tools, blocks)
        .occasions(&[&CALLS])
        .worded(Keyword::Schema)
        .says(
            "Every block of `content` is of a known type and has what its type needs: text, or base64 data with a mimeType, \
             or a resource.",
            "A strict client drops the whole result for one block that it cannot read.",
            "mend the block at that path; bytes are written in base64 with the standard alphabet and padding.",
        )
        .page("server/tools#tool-result"),
    Rule::new("call.output_schema", &["T18", "F44"], Area::Tools, output_schema)
        .occasions(&[&CALLS])
        .since("2025-06-18")
        .says(
            "`structuredContent` conforms to the tool's `outputSchema`.",
            "Clients that validate answer the call with an error, and the model sees none of the result.",
            "correct what the tool returns, or widen its outputSchema; optional members may be null only where it says so.",
        )
        .page("server/tools#output-schema"),
    Rule::new("call.structured", &["T19", "F44"], Area::Tools, structured)
        .occasions(&[&CALLS])
        .since("2025-06-18")
        .says(
            "A tool that declares an `outputSchema` answers a successful call with `structuredContent`.",
            "Strict clients refuse the result, lenient ones have nothing that they were promised.",
            "return structuredContent beside the text, or leave outputSchema out.",
        )
        .page("server/tools#output-schema"),
    Rule::new("call.structured_text", &["T20"], Area::Tools, structured_text)
        .occasions(&[&CALLS])
        .worded(Keyword::Should)
        .since("2025-06-18")
        .says(
            "A result with `structuredContent` repeats it as JSON in a block of text.",
            "Many clients give only `content` to the model, which then sees nothing or something else.",
            "add a text block with the serialized structuredContent.",
        )
        .page("server/tools#structured-content"),
    Rule::new("call.structured_object", &["T21"], Area::Tools, structured_object)
        .occasions(&[&CALLS])
        .worded(Keyword::Schema)
        .since("2025-06-18")
        .until("2025-11-25")
        .says(
            "`structuredContent` is an object; other values came with 2026-07-28.",
            "Clients of these revisions read it as an object and fail on anything else.",
            "wrap the value in an object, such as {\"result\": […]}, and say so in the outputSchema.",
        )
        .page("server/tools#structured-content"),
    Rule::new("call.unknown_tool", &["T22"], Area::Tools, unknown_tool)
        .needs(Class::Invasive, &[&MISUSED_TOOLS])
        .says(
            "A call of a tool that does not exist is answered with JSON-RPC error -32602.",
            "A client takes a result for what the tool said, and gives it to the model.",
            "look the name up before anything else, and answer -32602 where it is unknown.",
        )
        .page("server/tools#error-handling"),
    Rule::new("call.malformed", &["T24"], Area::Tools, malformed)
        .needs(Class::Invasive, &[&MISUSED_TOOLS])
        .says(
            "A call whose parameters are malformed (no `name`, `arguments` that is no object) is answered with JSON-RPC \
             error -32602.",
            "What is read wrongly runs with arguments that nobody meant.",
            "check the parameters of tools/call by their schema before the tool is looked up.",
        )
        .page("server/tools#error-handling"),
    Rule::new("call.missing_argument", &["T23"], Area::Tools, missing_argument)
        .worded(Keyword::Security)
        .needs(Class::Calls, &[&LEFT_OUT])
        .says(
            "A call without an argument that the inputSchema requires is refused: with isError, or with error -32602.",
            "A server that does not hold its tools to their schemas lets a model run them with anything.",
            "validate the arguments by the inputSchema before the tool runs, or do not require what is not needed.",
        )
        .page("server/tools#security-considerations"),
    Rule::new("call.tool_error", &["T25", "F45"], Area::Tools, tool_error)
        .worded(Keyword::Info)
        .needs(Class::Calls, &[&CALLS])
        .says(
            "What fails inside a tool is told in its result with `isError`, not as a JSON-RPC error.",
            "A model sees the text of a result and can try again; a JSON-RPC error seldom reaches it.",
            "catch the tool's own failures, and return their text with isError true.",
        )
        .page("server/tools#error-handling"),
    Rule::new("call.task", &["T29", "T30"], Area::Interaction, task)
        .since("2025-11-25")
        .needs(Class::Calls, &[&CALLS])
        .says(
            "A server that does not make tasks of calls ignores `task` in the parameters; one that does refuses a plain call \
             of a tool that requires a task with error -32601.",
            "A client cannot follow a task of a server that has no tasks, nor wait for what only a task can bring.",
            "ignore parameters of capabilities that were not declared, and refuse what `taskSupport` excludes.",
        )
        .page("basic/utilities/tasks#tool-level-negotiation")
        .moved("2026-07-28", "https://github.com/modelcontextprotocol/ext-tasks"),
];

pub(super) static UNBUILT: &[(&str, &str)] = &[(
    "T31",
    "what a tool answers may rightly differ from call to call; a probe's own expectations say what must stay the same",
)];

/// Calls that came to a result which is neither a question nor a task.
fn results<'a>(case: &Case<'a>) -> Vec<(usize, &'a Shot, &'a Value)> {
    let shots = case.all().filter(|(_, shot)| shot.method.as_deref() == Some(CALL));
    let results = shots.filter_map(|(place, shot)| Some((place, shot, shot.result()?)));
    results.filter(|(_, _, result)| is_complete(result)).collect()
}

fn is_complete(result: &Value) -> bool {
    let as_task = result.get("task").is_some() && result.get("content").is_none();
    !as_task && result.get("resultType").is_none_or(|kind| kind == "complete")
}

/// Calls that a tool carried out.
fn done<'a>(case: &Case<'a>) -> Vec<(usize, &'a Shot, &'a Value)> {
    let mut all = results(case);
    all.retain(|(_, _, result)| result.get("isError") != Some(&Value::Bool(true)));
    all
}

fn content(case: &Case<'_>) -> Verdict {
    fit(case, &[CALL], |at, _| at == "$.content", || no_call(case))
}

fn blocks(case: &Case<'_>) -> Verdict {
    // A resource's URI and annotations are for other rules.
    let about = |at: &str| at.starts_with("$.content[*]") && !at.contains(".annotations") && !at.contains(".icons");
    fit(case, &[CALL], |at, _| about(at), || no_call(case))
}

/// The calls that a tool with an output schema carried out: shot, result, schema.
fn with_schema<'a>(case: &Case<'a>) -> Vec<(usize, &'a Value, &'a Value)> {
    let tools = listed(case);
    let schema = |shot: &Shot| {
        let params = shot.params()?;
        let tool = tools.iter().find(|(_, _, tool)| name_of(tool) == params["name"])?;
        tool.2.get("outputSchema").filter(|schema| schema.is_object())
    };
    done(case).into_iter().filter_map(|(place, shot, result)| Some((place, result, schema(shot)?))).collect()
}

fn no_schema(case: &Case<'_>) -> Verdict {
    if done(case).is_empty() {
        return if results(case).is_empty() {
            no_call(case)
        } else {
            Verdict::NotExercised("no call succeeded".into())
        };
    }
    Verdict::NotExercised("no tool that was called is known to have an outputSchema".into())
}

fn output_schema(case: &Case<'_>) -> Verdict {
    let calls = with_schema(case);
    if calls.is_empty() {
        return no_schema(case);
    }
    let judged = calls.into_iter().filter_map(|(place, result, schema)| {
        let content = result.get("structuredContent")?;
        let how = Compile { patterns: Patterns::Backtracking, ..Compile::default() };
        match Schema::compile(schema, how).ok()?.judge(content) {
            Conformance::Conforms => Some(Ok(())),
            Conformance::Undecided(_) => None,
            Conformance::Violates(first, others) => {
                let wrong = Violation::new(first.expected, first.actual);
                let wrong = wrong.at(format!("$.structuredContent{}", first.path)).shown_by(place);
                Some(Err(Violation { others, ..wrong }))
            }
        }
    });
    Verdict::of_all(judged, "there was no structuredContent that could be judged")
}

fn structured(case: &Case<'_>) -> Verdict {
    let calls = with_schema(case);
    if calls.is_empty() {
        return no_schema(case);
    }
    let judged = calls.into_iter().map(|(place, result, _)| match result.get("structuredContent") {
        Some(_) => Ok(()),
        None => {
            let expected = "structuredContent, because the tool declares an outputSchema";
            Err(Violation::new(expected, quote(result)).at("$").shown_by(place))
        }
    });
    Verdict::of_all(judged, "no tool was called")
}

fn structured_text(case: &Case<'_>) -> Verdict {
    if results(case).is_empty() {
        return no_call(case);
    }
    let judged = done(case).into_iter().filter_map(|(place, _, result)| {
        let structured = result.get("structuredContent")?;
        let texts = texts(result);
        if texts.iter().any(|text| says(text, structured)) || is_unwrapped(&texts, structured) {
            return Some(Ok(()));
        }
        let expected = format!("a text block with the JSON {}", quote(structured));
        let first = texts.first().map_or_else(|| "no text".to_owned(), |text| quote(&(*text).into()));
        Some(Err(Violation::new(expected, first).at("$.content").shown_by(place)))
    });
    Verdict::of_all(judged, "no call was answered with structuredContent")
}

fn texts(result: &Value) -> Vec<&str> {
    let blocks = result.get("content").and_then(Value::as_array);
    blocks.into_iter().flatten().filter_map(|block| block.get("text")?.as_str()).collect()
}

/// Whether a text is a value: its JSON, or itself.
fn says(text: &str, value: &Value) -> bool {
    value.as_str() == Some(text) || serde_json::from_str::<Value>(text).is_ok_and(|read| same(&read, value))
}

/// What is no object is wrapped as `{"result": …}` or `{"content": …}`; what is inside is repeated, a list by one block for each
/// item. Nothing is lost by that.
fn is_unwrapped(texts: &[&str], structured: &Value) -> bool {
    let Some(members) = structured.as_object().filter(|members| members.len() == 1) else { return false };
    let Some(inner) = members.values().next() else { return false };
    let listed = inner.as_array().is_some_and(|items| {
        items.len() == texts.len() && items.iter().zip(texts).all(|(item, text)| says(text, item))
    });
    listed || texts.iter().any(|text| says(text, inner))
}

/// Equal as JSON, whatever the order of members and the way a number is written.
fn same(one: &Value, other: &Value) -> bool {
    match (one, other) {
        (Value::Number(one), Value::Number(other)) => one == other || one.as_f64() == other.as_f64(),
        (Value::Array(one), Value::Array(other)) => {
            one.len() == other.len() && one.iter().zip(other).all(|(one, other)| same(one, other))
        }
        (Value::Object(one), Value::Object(other)) => {
            one.len() == other.len()
                && one.iter().all(|(name, value)| other.get(name).is_some_and(|other| same(value, other)))
        }
        _ => one == other,
    }
}

fn structured_object(case: &Case<'_>) -> Verdict {
    let calls = results(case);
    if calls.is_empty() {
        return no_call(case);
    }
    let judged = calls.into_iter().filter_map(|(place, _, result)| {
        let content = result.get("structuredContent")?;
        if content.is_object() {
            return Some(Ok(()));
        }
        let wrong = Violation::new("an object", quote(content)).at("$.structuredContent").shown_by(place);
        // Left out and null say the same to most readers.
        Some(Err(if content.is_null() { wrong.mild() } else { wrong }))
    });
    Verdict::of_all(judged, "no call was answered with structuredContent")
}

/// Judges the refusal of a call: `good` codes are right, any other error and `isError` tell of the failure in another way.
fn refused(shot: &Shot, good: &[i64], expected: &str) -> Result<(), Violation> {
    let wrong = Violation::new(expected, shot.said());
    match (shot.error(), shot.result()) {
        (Some(error), _) if good.contains(&error.code) => Ok(()),
        (Some(_), _) => Err(wrong.mild()),
        (None, Some(result)) if result.get("isError") == Some(&Value::Bool(true)) => Err(wrong.mild()),
        _ => Err(wrong),
    }
}

fn unknown_tool(case: &Case<'_>) -> Verdict {
    answered(case, "unknown", |shot| refused(shot, &[-32602], "JSON-RPC error -32602"))
}

/// Judges a message of the misuse, where anything was answered to it.
fn answered(case: &Case<'_>, label: &str, judge: impl FnOnce(&Shot) -> Result<(), Violation>) -> Verdict {
    match case.shot(&MISUSED_TOOLS, label) {
        Some((_, shot)) if shot.error().is_none() && shot.result().is_none() => {
            Verdict::NotExercised(format!("no answer came to it: {}", shot.said()).into())
        }
        _ => case.judge(&MISUSED_TOOLS, label, judge),
    }
}

fn malformed(case: &Case<'_>) -> Verdict {
    // A call without a name is one without `Mcp-Name`, too.
    let over_http = case.facts.transport == TransportKind::StreamableHttp && case.facts.revision.http.method_headers;
    let nameless: &[i64] = if over_http { &[-32602, -32020] } else { &[-32602] };
    let first = answered(case, "nameless", |shot| refused(shot, nameless, "JSON-RPC error -32602"));
    let second = answered(case, "array", |shot| refused(shot, &[-32602], "JSON-RPC error -32602"));
    Verdict::joined([first, second], "nothing was sent")
}

fn missing_argument(case: &Case<'_>) -> Verdict {
    let judged = case.of(&LEFT_OUT).filter(|(_, shot)| shot.label == "left-out").filter_map(|(place, shot)| {
        if shot.error().is_some() {
            return Some(Ok(()));
        }
        let result = shot.result()?;
        if result.get("isError") == Some(&Value::Bool(true)) || !is_complete(result) {
            return Some(Ok(()));
        }
        let params = shot.params()?;
        let expected = format!(
            "isError or error -32602, because a required argument is left out of {}",
            quote(&params["arguments"])
        );
        let actual = format!("{} answers {}", quote(&params["name"]), quote(result));
        Some(Err(Violation::new(expected, actual).shown_by(place)))
    });
    Verdict::of_all(judged, "no tool was named that only reads and requires an argument")
}

/// The plain calls of the named tools.
fn plain<'a>(case: &Case<'a>) -> impl Iterator<Item = (usize, &'a Shot)> {
    case.of(&CALLS).filter(|(_, shot)| shot.label == "call")
}

fn tool_error(case: &Case<'_>) -> Verdict {
    // Codes by which a server says that the call could not reach the tool.
    const PROTOCOL: [i64; 7] = [-32700, -32600, -32601, -32602, -32020, -32021, -32042];
    let judged = plain(case).filter_map(|(place, shot)| {
        if let Some(error) = shot.error() {
            let expected = "a result with isError true, if it was the tool that failed";
            return (!PROTOCOL.contains(&error.code))
                .then(|| Err(Violation::new(expected, shot.said()).shown_by(place)));
        }
        (shot.result()?.get("isError")? == true).then_some(Ok(()))
    });
    Verdict::of_all(judged, "no call failed")
}

fn task(case: &Case<'_>) -> Verdict {
    let makes_tasks = case.facts.capabilities.pointer("/tasks/requests/tools/call").is_some_and(Value::is_object);
    if makes_tasks && case.facts.revision.version == "2025-11-25" { task_required(case) } else { task_ignored(case) }
}

fn task_required(case: &Case<'_>) -> Verdict {
    let tools = listed(case);
    let judged = plain(case).filter_map(|(place, shot)| {
        let params = shot.params()?;
        let tool = tools.iter().find(|(_, _, tool)| name_of(tool) == params["name"])?.2;
        if tool.get("execution")?.get("taskSupport")? != "required" {
            return None;
        }
        if shot.error().is_none() && shot.result().is_none() {
            return None;
        }
        Some(refused(shot, &[-32601], "error -32601").map_err(|wrong| wrong.shown_by(place)))
    });
    Verdict::of_all(judged, "no tool that was called requires a task")
}

fn task_ignored(case: &Case<'_>) -> Verdict {
    let Some((place, shot)) = case.shot(&CALLS, "task") else {
        return Verdict::NotExercised("no tool was named that only reads".into());
    };
    let name = |shot: &Shot| shot.params().map(|params| params["name"].clone());
    let before = plain(case).find(|(_, before)| name(before) == name(shot));
    if before.is_none_or(|(_, before)| before.result().is_none()) {
        return Verdict::NotExercised("the plain call had no result either".into());
    }
    match (shot.result(), shot.error()) {
        (Some(result), _) if result.get("content").is_some() => Verdict::Passes,
        (None, None) => Verdict::NotExercised(format!("no answer came to it: {}", shot.said()).into()),
        _ => {
            let expected = "the result of the plain call, because no tasks were declared";
            let wrong = Violation::new(expected, shot.said()).shown_by(place);
            // A refusal misleads nobody who declares nothing; a task that cannot be followed does.
            Verdict::Violates(if shot.error().is_some() { wrong.mild() } else { wrong })
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::wire::RpcError;
    use serde_json::json;

    #[test]
    fn a_refusal_in_another_way_is_a_lesser_matter() {
        let of = |answer: Result<Value, RpcError>| {
            let shot = Shot { answer: Some(answer), ..Shot::silent("calls", "call") };
            refused(&shot, &[-32601], "error -32601").map_err(|wrong| wrong.milder)
        };
        let error = |code| Err(RpcError { code, message: "no".to_owned(), data: None });
        assert_eq!(of(error(-32601)), Ok(()));
        assert_eq!(of(error(-32602)), Err(true));
        assert_eq!(of(Ok(json!({"isError": true, "content": []}))), Err(true));
        assert_eq!(of(Ok(json!({"content": []}))), Err(false));
    }

    #[test]
    fn a_text_repeats_structured_content() {
        assert!(says("{\"b\": 1.0, \"a\": [1]}", &json!({"a": [1], "b": 1})));
        assert!(!says("{\"a\": 2}", &json!({"a": 1})));
        assert!(!says("all is well", &json!({"a": 1})));
    }

    #[test]
    fn what_sdks_wrap_is_repeated_unwrapped() {
        assert!(is_unwrapped(&["hello"], &json!({"result": "hello"})));
        assert!(is_unwrapped(&["1", "two"], &json!({"result": [1, "two"]})));
        assert!(is_unwrapped(&["[1, 2]"], &json!({"result": [1, 2]})));
        assert!(!is_unwrapped(&["bye"], &json!({"result": "hello"})));
        assert!(is_unwrapped(&["hello"], &json!({"content": "hello"})));
        assert!(!is_unwrapped(&["hello"], &json!({"content": "hello", "more": 1})));
    }
}

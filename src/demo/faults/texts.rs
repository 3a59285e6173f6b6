//! Faults of texts: what a server says is written for whoever shows it. Each text tries to be something else than a text
//! in every place where it may be shown: a terminal, a page, a log of a CI job, a report of any format.

use serde_json::{Value, json};

use super::super::script::{Call, Step, edit_results, failure};
use super::{Act, Fault, On, Scope, fault};

/// Such a text. Whatever it were taken for, it would be called `owned`.
pub const HOSTILE: &str = "\u{1b}[2J\u{1b}]8;;http://evil.example\u{7}a\u{0}\u{9b}31m ]]> </script></style><script>document.title='owned'\
    </script> <img src=http://evil.example onerror=alert(1)> | ` ``` * [owned](http://evil.example) @everyone www.evil.example \
    owned@evil.example &amp; \u{202e}bidi\u{202c}\u{200b}\u{2028}\u{feff}\u{ffff}\u{fffe} ${{ secrets.OWNED }} {{ 7*7 }} \\ # % 'q' \"d\"\r\n\
    ::error file=owned,line=1::owned\n  ::add-mask::owned\n##[error]owned\nnot ok 1 - owned\n1..9\nBail out! owned\n  ...\n\
    ---\n# EOF\nowned{a=\"b\"} 1\n~~~\n```\n<!-- \n</testsuite>\nend";

/// Bytes of the long ones.
const LONG: usize = 1 << 20;

pub(super) static FAULTS: &[Fault] = &[
    fault(
        "hostile-texts",
        On::Both,
        Scope::Requests,
        "says hostile text wherever it says text: names, versions, descriptions, contents",
        Act::Script(|call, steps| {
            edit_results(steps, |result| spoil(result, call));
        }),
    ),
    fault(
        "hostile-error",
        On::Both,
        Scope::Calls,
        "answers every call with an error whose message and data are hostile and long",
        Act::Script(|call, steps| {
            let long = long();
            *steps = vec![Step::Say(failure(call.id, -32_000, &long, &json!({"why": long, HOSTILE: [HOSTILE]})))];
        }),
    ),
];

/// What is shown and is no key to anything.
const SHOWN: [&str; 5] = ["title", "description", "instructions", "text", "websiteUrl"];

fn spoil(result: &mut Value, call: &Call<'_>) {
    everywhere(result);
    for path in ["/serverInfo", "/_meta/io.modelcontextprotocol~1serverInfo"] {
        if let Some(info) = result.pointer_mut(path) {
            info["name"] = HOSTILE.into();
            info["version"] = HOSTILE.into();
        }
    }
    if let Some(tools) = result.get_mut("tools").and_then(Value::as_array_mut) {
        tools.push(json!({"name": HOSTILE, "description": long(), "inputSchema": {"type": "object"}}));
    }
    if call.method == "tools/call" {
        result["content"] = json!([{"type": "text", "text": long()}]);
    }
}

fn everywhere(value: &mut Value) {
    match value {
        Value::Array(items) => items.iter_mut().for_each(everywhere),
        Value::Object(members) => {
            for (name, value) in members {
                if value.is_string() && SHOWN.contains(&name.as_str()) {
                    *value = HOSTILE.into();
                }
                everywhere(value);
            }
        }
        _ => {}
    }
}

fn long() -> String {
    HOSTILE.repeat(LONG / HOSTILE.len() + 1)
}

//! Rules about rounds of input: what an `input_required` result must be, what a server may ask, and what it makes of answers.

use serde_json::Value;

use super::super::exercises::{BROKEN_ROUNDS, CALLS, ROUNDS, questions};
use super::super::names::sounds_secret;
use super::super::offer;
use super::super::{Area, Case, Class, Keyword, Rule, Shot, Verdict, Violation};
use super::modern::unless_silent;

pub(super) static RULES: &[Rule] = &[
    Rule::new("rounds.content", &["I01"], Area::Interaction, content)
        .modern()
        .occasions(&[&ROUNDS])
        .says(
            "A result that requires input has `inputRequests` or `requestState`, or both.",
            "Without either the client has nothing to answer and nothing to go on with.",
            "put the questions into inputRequests, or give a state to come back with.",
        )
        .page("basic/patterns/mrtr#server-requirements-basic-workflow"),
    Rule::new("rounds.questions", &["I02"], Area::Interaction, declared_only)
        .modern()
        .occasions(&[&ROUNDS, &CALLS])
        .says(
            "The server asks only `elicitation/create`, `sampling/createMessage` and `roots/list`, and only what the client \
             declared with that very request.",
            "A client that cannot answer one question cannot go on at all.",
            "look at clientCapabilities of the request; answer -32021 where what is needed is missing.",
        )
        .page("basic/patterns/mrtr#server-requirements-basic-workflow"),
    Rule::new("rounds.methods", &["I03"], Area::Interaction, right_methods)
        .modern()
        .says(
            "Only `tools/call`, `prompts/get` and `resources/read` are answered with questions.",
            "Clients do not ask their users anything in order to read a list.",
            "ask where the tool, the prompt or the resource is used.",
        )
        .page("basic/patterns/mrtr#supported-requests"),
    Rule::new("rounds.answered", &["I04"], Area::Interaction, answered)
        .worded(Keyword::Should)
        .modern()
        .needs(Class::Calls, &[&ROUNDS])
        .says(
            "A request that comes back with every answer and the state is answered with a result.",
            "A declined question is an answer like any other; with an error the client cannot tell what went wrong.",
            "take what is declined into account, and end the call with a result.",
        )
        .page("basic/patterns/mrtr#basic-workflow"),
    Rule::new("rounds.forged_state", &["I05"], Area::Interaction, forged)
        .worded(Keyword::Security)
        .modern()
        .needs(Class::Invasive, &[&BROKEN_ROUNDS])
        .says(
            "A `requestState` that the server did not give is refused where it matters.",
            "It passes through the client, who can write into it what he likes: whose call it is, what is allowed.",
            "sign the state, and refuse what does not verify.",
        )
        .page("basic/patterns/mrtr#security-considerations"),
    Rule::new("rounds.asked_again", &["I06"], Area::Interaction, asked_again)
        .worded(Keyword::Should)
        .modern()
        .needs(Class::Invasive, &[&BROKEN_ROUNDS])
        .says(
            "A request that comes back without an answer that is needed is answered with the same question again.",
            "The client can still ask its user; an error ends the call.",
            "answer with resultType \"input_required\" as long as something is missing.",
        )
        .page("basic/patterns/mrtr#error-handling"),
    Rule::new("rounds.unknown_answers", &["I07"], Area::Interaction, too_much)
        .worded(Keyword::Should)
        .modern()
        .needs(Class::Invasive, &[&BROKEN_ROUNDS])
        .says(
            "Answers that nobody asked for are ignored.",
            "A client that answers too much has answered what was asked.",
            "look only for the keys that were asked.",
        )
        .page("basic/patterns/mrtr#error-handling"),
    Rule::new("rounds.garbage", &["I08"], Area::Interaction, garbage)
        .worded(Keyword::Should)
        .modern()
        .needs(Class::Invasive, &[&BROKEN_ROUNDS])
        .says(
            "Answers that are none (a text instead of an object) do not complete the call.",
            "What is not checked reaches the tool as if a person had said it.",
            "check every answer against what was asked, and answer -32602.",
        )
        .page("basic/patterns/mrtr#error-handling"),
    Rule::new("rounds.forms", &["I09"], Area::Interaction, forms)
        .modern()
        .occasions(&[&ROUNDS])
        .says(
            "A form is flat and made of plain fields, asks for no secrets, and an address that is to be opened is https.",
            "Clients draw a form from it; secrets would pass through the client and its logs.",
            "ask one level of texts, numbers, switches and choices; let secrets be entered at an https address (mode \"url\").",
        )
        .page("client/elicitation#requested-schema"),
];

/// The methods by which a client may be asked, and what it declares for each.
const ASKED: &[(&str, &str)] =
    &[("elicitation/create", "elicitation"), ("sampling/createMessage", "sampling"), ("roots/list", "roots")];
/// Where the questions of a result stand.
const ASKED_AT: &str = "$.inputRequests";
const NOTHING_ASKED: &str = "nothing asked for input: name a tool that does with --tool";

/// Every result that requires input.
fn asking<'a>(case: &Case<'a>) -> impl Iterator<Item = (usize, &'a Shot, &'a Value)> + use<'a> {
    let results = case.all().filter_map(|(place, shot)| Some((place, shot, shot.result()?)));
    results.filter(|(.., result)| result.get("resultType").and_then(Value::as_str) == Some("input_required"))
}

fn content(case: &Case<'_>) -> Verdict {
    Verdict::of_all(
        asking(case).map(|(place, _, result)| {
            let questions = result.get("inputRequests").is_some_and(Value::is_object);
            let state = result.get("requestState").is_some_and(Value::is_string);
            let wrong =
                |expected: &str| Err(Violation::new(expected, super::super::case::quote(result)).shown_by(place));
            match (result.get("inputRequests"), result.get("requestState")) {
                (None, None) => wrong("inputRequests or requestState"),
                (Some(_), _) if !questions => wrong("inputRequests as an object"),
                (_, Some(_)) if !state => wrong("requestState as a text"),
                _ => Ok(()),
            }
        }),
        NOTHING_ASKED,
    )
}

fn declared_only(case: &Case<'_>) -> Verdict {
    let asked = asking(case).flat_map(|(place, shot, _)| {
        let client = shot.declared();
        questions(shot)
            .unwrap_or_default()
            .into_iter()
            .map(move |(key, question)| (place, client.clone(), key, question))
    });
    Verdict::of_all(
        asked.map(|(place, client, key, question)| {
            let method = question.get("method").and_then(Value::as_str).unwrap_or_default();
            let wrong = |expected: String| {
                let came = super::super::case::quote(&question);
                Err(Violation::new(expected, came).at(offer::member(ASKED_AT, &key)).shown_by(place))
            };
            let Some((_, capability)) = ASKED.iter().find(|(known, _)| *known == method) else {
                return wrong("elicitation/create, sampling/createMessage or roots/list".to_owned());
            };
            // Of a probe's step it is not known what was declared.
            let Some(client) = client else { return Ok(()) };
            let Some(declared) = client.get(*capability) else {
                return wrong(format!("no {method}, for the client declared no {capability}"));
            };
            let by_url = question.pointer("/params/mode").and_then(Value::as_str) == Some("url");
            if *capability == "elicitation" && by_url && declared.get("url").is_none() {
                return wrong("no question by URL, for the client declared only forms".to_owned());
            }
            Ok(())
        }),
        NOTHING_ASKED,
    )
}

fn right_methods(case: &Case<'_>) -> Verdict {
    let multi_round = |method: &str| case.facts.revision.method(method).is_some_and(|method| method.multi_round);
    Verdict::of_all(
        case.results().map(|(place, method, result)| {
            let asks = result.get("resultType").and_then(Value::as_str) == Some("input_required");
            if !asks || multi_round(method) {
                return Ok(());
            }
            let came = super::super::case::quote(result);
            Err(Violation::new(format!("an answer to {method}, not a question"), came).shown_by(place))
        }),
        "no result came",
    )
}

fn answered(case: &Case<'_>) -> Verdict {
    // A further question is an answer: a server may insist.
    let answers = case.of(&ROUNDS).filter(|(_, shot)| shot.label == "answer");
    Verdict::of_all(
        answers.filter(|(_, shot)| shot.result().is_some() || shot.error().is_some()).map(|(place, shot)| {
            if shot.result().is_some() { Ok(()) } else { Err(Violation::new("a result", shot.said()).shown_by(place)) }
        }),
        NOTHING_ASKED,
    )
}

/// Judges every answer to one wrong way of answering.
fn each(case: &Case<'_>, label: &str, judge: impl Fn(&Shot) -> Result<(), Violation>) -> Verdict {
    let shots = case.of(&BROKEN_ROUNDS).filter(|(_, shot)| shot.label == label);
    Verdict::joined(shots.map(|shot| unless_silent(Some(shot), &judge)), NOTHING_ASKED)
}

/// Whether a result is the end of the call, and a good one.
fn completes(shot: &Shot) -> bool {
    shot.result()
        .is_some_and(|result| questions(shot).is_none() && result.get("isError").and_then(Value::as_bool) != Some(true))
}

fn forged(case: &Case<'_>) -> Verdict {
    each(case, "forged", |shot| {
        // Nobody sees from outside whether the state matters.
        let wrong = || Violation::new("an error, for the state is not as it was given", shot.said()).mild();
        if completes(shot) { Err(wrong()) } else { Ok(()) }
    })
}

fn asked_again(case: &Case<'_>) -> Verdict {
    each(case, "nothing", |shot| {
        // A tool may go on without the answer.
        let asked = shot.result().is_some();
        if asked { Ok(()) } else { Err(Violation::new("the question again", shot.said())) }
    })
}

fn too_much(case: &Case<'_>) -> Verdict {
    each(
        case,
        "too-much",
        |shot| {
            if shot.result().is_some() { Ok(()) } else { Err(Violation::new("a result", shot.said())) }
        },
    )
}

fn garbage(case: &Case<'_>) -> Verdict {
    each(case, "garbage", |shot| {
        if completes(shot) { Err(Violation::new("an error, or the question again", shot.said())) } else { Ok(()) }
    })
}

fn forms(case: &Case<'_>) -> Verdict {
    let asked = asking(case).flat_map(|(place, shot, _)| {
        questions(shot).unwrap_or_default().into_iter().map(move |(key, question)| (place, key, question))
    });
    let elicitations =
        asked.filter(|(.., question)| question.get("method").and_then(Value::as_str) == Some("elicitation/create"));
    Verdict::of_all(
        elicitations.map(|(place, key, question)| {
            let params = question.get("params").unwrap_or(&Value::Null);
            let judged = match params.get("mode").and_then(Value::as_str) {
                Some("url") => by_url(params),
                _ => form(params),
            };
            judged.map_err(|violation| {
                let within = violation.path.clone().unwrap_or_default();
                let path = format!("{}.params{within}", offer::member(ASKED_AT, &key));
                violation.at(super::super::case::cut(&path)).shown_by(place)
            })
        }),
        "nobody was asked with a form or an address: name a tool that asks with --tool",
    )
}

fn by_url(params: &Value) -> Result<(), Violation> {
    let url = params.get("url").and_then(Value::as_str).unwrap_or_default();
    let local = ["http://localhost", "http://127.0.0.1", "http://[::1]"].iter().any(|local| url.starts_with(local));
    if url.starts_with("https://") || local {
        return Ok(());
    }
    Err(Violation::new("an https address", super::super::case::cut(url)).at(".url").mild())
}

fn form(params: &Value) -> Result<(), Violation> {
    let Some(schema) = params.get("requestedSchema").filter(|schema| schema.is_object()) else {
        let came = params.get("requestedSchema").map_or_else(|| "nothing".to_owned(), super::super::case::quote);
        return Err(Violation::new("the schema of a form", came).at(".requestedSchema"));
    };
    let fields = schema.get("properties").and_then(Value::as_object);
    for (name, field) in fields.into_iter().flatten() {
        let path = offer::member(".requestedSchema.properties", name);
        if !is_plain(field) {
            let expected = "a text, a number, a switch or a choice";
            return Err(Violation::new(expected, super::super::case::quote(field)).at(path));
        }
        if is_secret(name, field) {
            // By its name alone.
            let expected = "no secret in a form; mode \"url\" is for them";
            return Err(Violation::new(expected, format!("the field {}", super::super::case::cut(name)))
                .at(path)
                .mild());
        }
    }
    Ok(())
}

fn is_plain(field: &Value) -> bool {
    match field.get("type").and_then(Value::as_str) {
        Some("string" | "number" | "integer" | "boolean") => true,
        Some("array") => {
            let items = field.get("items").unwrap_or(&Value::Null);
            let chosen = |words: &str| items.get(words).is_some_and(Value::is_array);
            chosen("enum") || chosen("anyOf") || chosen("oneOf")
        }
        // A choice may be written without its type.
        None => field.get("enum").is_some_and(Value::is_array),
        Some(_) => false,
    }
}

fn is_secret(name: &str, field: &Value) -> bool {
    let by_format = field.get("format").and_then(Value::as_str) == Some("password");
    // A switch such as "remember password" asks for no password.
    let is_text = field.get("type").and_then(Value::as_str) == Some("string") && field.get("enum").is_none();
    is_text && (by_format || sounds_secret(name))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn names_of_the_server_are_quoted_in_paths() {
        let of = |name: &str| {
            let params = json!({"requestedSchema": {"type": "object", "properties": {name: {"type": "object"}}}});
            form(&params).unwrap_err().path.unwrap()
        };
        assert_eq!(of("city"), ".requestedSchema.properties.city");
        assert_eq!(of("it's.odd"), ".requestedSchema.properties['it\\'s.odd']");
        assert!(of(&"x".repeat(10_000)).chars().count() < 200);
    }

    #[test]
    fn a_form_asks_for_no_secret() {
        let of = |name: &str, field: Value| {
            let params = json!({"requestedSchema": {"type": "object", "properties": {name: field}}});
            form(&params).map_err(|violation| violation.milder)
        };
        for name in ["password", "apiKey", "access_token", "token"] {
            assert_eq!(of(name, json!({"type": "string"})), Err(true), "{name}");
        }
        for name in ["city", "page_token", "secretary"] {
            assert_eq!(of(name, json!({"type": "string"})), Ok(()), "{name}");
        }
        assert_eq!(of("word", json!({"type": "string", "format": "password"})), Err(true));
        assert_eq!(of("rememberPassword", json!({"type": "boolean"})), Ok(()));
        assert_eq!(of("password", json!({"type": "string", "enum": ["keep", "change"]})), Ok(()));
    }
}

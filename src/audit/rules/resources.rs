//! Rules of resources: what is listed, what reading gives, and how the server answers for what it does not have.

use serde_json::Value;

use super::super::case::{cut, quote};
use super::super::exercises::{CALLS, NO_SUCH_THING, NO_SUCH_URI, READ, SUBSCRIBE};
use super::super::shape::FlawKind;
use super::super::uri::{self, Fault};
use super::super::{Area, Case, Class, Keyword, Rule, Shot, Verdict, Violation};
use super::fit::{fit, nothing};
use super::tools::unique_by;

const LIST: &str = "resources/list";
const TEMPLATES: &str = "resources/templates/list";
const READING: &str = "resources/read";

pub(super) static RULES: &[Rule] = &[
    Rule::new("resources.shape", &["R01"], Area::Resources, shape)
        .worded(Keyword::Schema)
        .says(
            "Every resource has a string `uri` and `name`, every template a string `uriTemplate` and `name`.",
            "Clients that read the list strictly drop it as a whole for a single item without them.",
            "give every resource and template both.",
        )
        .page("server/resources#resource"),
    Rule::new("resources.uri", &["R02"], Area::Resources, uris)
        .says(
            "A `uri` is a URI as RFC 3986 has it, with a scheme; a `uriTemplate` is one as RFC 6570 has it.",
            "Clients parse the URI before they ask for it; what they cannot parse is never read.",
            "begin with a scheme, percent-encode blanks and letters beyond ASCII, and close every { of a template.",
        )
        .page("server/resources#common-uri-schemes"),
    Rule::new("resources.unique", &["R03"], Area::Resources, unique)
        .noticed()
        .worded(Keyword::Should)
        .says(
            "No two resources of a server have the same `uri`, over all pages of the list.",
            "The URI is all that identifies a resource: of two, one cannot be read.",
            "list the resource once, or give the other another URI.",
        )
        .page("server/resources#resource"),
    Rule::new("resources.contents", &["R04", "R05"], Area::Resources, contents)
        .occasions(&[&READ])
        .worded(Keyword::Schema)
        .says(
            "Reading gives `contents`, an array, and each of it has a `uri` and either `text` or `blob`, bytes in valid base64.",
            "A client that reads strictly refuses the whole result, and has nothing for the model.",
            "return text in `text`, or bytes in `blob` (standard alphabet, padding, no `data:` before it), with the URI beside it.",
        )
        .page("server/resources#resource-contents"),
    Rule::new("resources.read", &["R04"], Area::Resources, readable)
        .worded(Keyword::Schema)
        .needs(Class::Harmless, &[&READ])
        .says(
            "A resource that is listed can be read, and has contents.",
            "A list of what cannot be read misleads the client and the model.",
            "list only what can be read, and answer -32603 with the cause where reading fails for now.",
        )
        .page("server/resources#reading-resources"),
    Rule::new("resources.size", &["R05"], Area::Resources, size)
        .worded(Keyword::Info)
        .needs(Class::Harmless, &[&READ])
        .says(
            "The listed `size` of a resource is the number of its bytes.",
            "Clients decide by it whether a resource fits into the context.",
            "count the bytes before they are encoded, or leave `size` out where it is not known.",
        )
        .page("server/resources#resource"),
    Rule::new("resources.unknown", &["R07", "R09"], Area::Resources, unknown)
        .before("2026-07-28", Keyword::Should)
        .needs(Class::Invasive, &[&NO_SUCH_THING])
        .says(
            "Reading a resource that does not exist is answered with an error, never with a result or empty `contents`.",
            "A client takes a result for the resource, and a model goes on with nothing as if it were something.",
            "answer with the error for resources that are not found.",
        )
        .page("server/resources#error-handling"),
    Rule::new("resources.unknown_code", &["R08"], Area::Resources, unknown_code)
        .before("2026-07-28", Keyword::Should)
        .needs(Class::Invasive, &[&NO_SUCH_THING])
        .says(
            "The error for a resource that does not exist is -32002, and -32602 since 2026-07-28.",
            "Clients tell by the code that it is gone for good, and do not try again.",
            "use the code of the revision that is spoken.",
        )
        .page("server/resources#error-handling"),
    Rule::new("resources.unknown_data", &["R10"], Area::Resources, unknown_data)
        .worded(Keyword::Info)
        .needs(Class::Invasive, &[&NO_SUCH_THING])
        .says(
            "The error for a resource that does not exist names its URI in `data.uri`.",
            "Where several reads are under way, it says which of them failed.",
            "add {\"uri\": …} as the data of the error.",
        )
        .page("server/resources#error-handling"),
    Rule::new("resources.traversal", &["R11"], Area::Resources, traversal)
        .worded(Keyword::Security)
        .needs(Class::Invasive, &[&NO_SUCH_THING])
        .says(
            "A path that climbs out of the folder of a listed file is refused.",
            "Whoever can talk to the server reads every file that the server can read.",
            "resolve the path, links included, and compare it with the folders that are shared before anything is read.",
        )
        .page("server/resources#security-considerations"),
    Rule::new("resources.subscribe", &["R12"], Area::Resources, subscribe)
        .legacy()
        .needs(Class::Harmless, &[&SUBSCRIBE])
        .says(
            "A server that declares `resources.subscribe` answers resources/subscribe and resources/unsubscribe with an empty \
             result.",
            "A client that cannot subscribe keeps showing what is old.",
            "handle both methods, or do not declare `subscribe`.",
        )
        .page("server/resources#subscriptions"),
    Rule::new("resources.annotations", &["R13"], Area::Resources, annotations)
        .occasions(&[&READ, &CALLS])
        .worded(Keyword::Schema)
        .says(
            "In annotations `priority` is a number from 0 to 1, `audience` names \"user\" and \"assistant\" only, and \
             `lastModified` is an ISO 8601 time.",
            "A client that sorts and filters by them refuses or misplaces what is out of range.",
            "scale the priority to 0 to 1, and write times such as 2025-01-12T15:00:58Z.",
        )
        .page("server/resources#annotations"),
];

pub(super) static UNBUILT: &[(&str, &str)] =
    &[("R06", "which values make a template's URI one that exists, only its users know: a probe reads such URIs")];

fn not_listed(case: &Case<'_>) -> Verdict {
    nothing(case, "resources", "no list of resources was read")
}

fn not_read(case: &Case<'_>) -> Verdict {
    nothing(case, "resources", "no resource was read")
}

fn shape(case: &Case<'_>) -> Verdict {
    let about = |at: &str, kind: FlawKind| match at {
        "$.resources[*].uri" => kind != FlawKind::WrongValue,
        "$.resources"
        | "$.resources[*]"
        | "$.resources[*].name"
        | "$.resourceTemplates"
        | "$.resourceTemplates[*]"
        | "$.resourceTemplates[*].name"
        | "$.resourceTemplates[*].uriTemplate" => true,
        _ => false,
    };
    fit(case, &[LIST, TEMPLATES], about, || not_listed(case))
}

/// A list, the member that is judged, and its grammar.
type Grammar = (&'static str, &'static str, fn(&str) -> Option<Fault>);

fn uris(case: &Case<'_>) -> Verdict {
    let lists: [Grammar; 2] = [(LIST, "uri", uri::uri), (TEMPLATES, "uriTemplate", uri::template)];
    let mut judged = Vec::new();
    for (method, member, fault) in lists {
        for (place, path, item) in case.definitions(method) {
            let Some(text) = item.get(member).and_then(Value::as_str) else { continue };
            let (why, milder) = match fault(text) {
                None => {
                    judged.push(Ok(()));
                    continue;
                }
                Some(Fault::Broken(why)) => (why, false),
                Some(Fault::Lax(why)) => (why, true),
            };
            let expected = if member == "uri" { "a URI as in RFC 3986" } else { "a URI template as in RFC 6570" };
            let wrong = Violation::new(expected, format!("{}: {why}", quote(&item[member])));
            let wrong = wrong.at(format!("{path}.{member}")).shown_by(place);
            judged.push(Err(Violation { milder, ..wrong }));
        }
    }
    if judged.is_empty() {
        return nothing(case, "resources", "no resource and no template is listed");
    }
    Verdict::of_all(judged.into_iter(), "")
}

fn unique(case: &Case<'_>) -> Verdict {
    let items = case.definitions(LIST);
    if items.is_empty() {
        return nothing(case, "resources", "no resource is listed");
    }
    unique_by(case, &items, "uri", "resources")
}

fn contents(case: &Case<'_>) -> Verdict {
    let about = |at: &str, kind: FlawKind| match at {
        "$.contents[*].uri" => kind != FlawKind::WrongValue,
        "$.contents" | "$.contents[*]" | "$.contents[*].text" | "$.contents[*].blob" => true,
        _ => false,
    };
    let shape = fit(case, &[READING], about, || not_read(case));
    if shape != Verdict::Passes {
        return shape;
    }
    let items = case.results_of(READING).flat_map(|(place, result)| {
        let items = result.get("contents").and_then(Value::as_array).into_iter().flatten().enumerate();
        items.map(move |(at, item)| (place, at, item))
    });
    let both = items.filter(|(_, _, item)| item.get("text").is_some() && item.get("blob").is_some());
    let judged = both.map(|(place, at, _)| {
        let wrong = Violation::new("text or blob", "both");
        Err(wrong.at(format!("$.contents[{at}]")).shown_by(place).mild())
    });
    Verdict::of_all(judged.chain([Ok(())]), "")
}

fn readable(case: &Case<'_>) -> Verdict {
    // Codes that say that there is no such thing, where it is listed.
    const GONE: [i64; 3] = [-32002, -32601, -32602];
    let Some((place, shot)) = case.shot(&READ, "read") else { return not_read(case) };
    let wrong = |actual: String| {
        let wrong = Violation::new("the contents of a resource that is listed", actual);
        Verdict::Violates(wrong.shown_by(place).mild())
    };
    match (shot.result(), shot.error()) {
        (Some(result), _) => match result.get("contents").and_then(Value::as_array) {
            Some(contents) if contents.is_empty() => wrong(shot.said()),
            Some(_) => Verdict::Passes,
            None => Verdict::NotExercised("the result has no contents".into()),
        },
        (None, Some(error)) if GONE.contains(&error.code) => wrong(shot.said()),
        _ => Verdict::NotExercised(format!("it could not be read: {}", shot.said()).into()),
    }
}

fn size(case: &Case<'_>) -> Verdict {
    let read = case.shot(&READ, "read").and_then(|(place, shot)| Some((place, shot, shot.result()?)));
    let Some((place, shot, result)) = read else { return not_read(case) };
    let uri = shot.params().map(|params| params["uri"].clone()).unwrap_or_default();
    let listed = case.definitions(LIST).into_iter().find(|(_, _, item)| item.get("uri") == Some(&uri));
    let said = listed.and_then(|(_, _, item)| item.get("size").and_then(Value::as_u64));
    let Some(said) = said else { return Verdict::NotExercised("the list says no size of it".into()) };
    let [one] = result.get("contents").and_then(Value::as_array).map_or(&[][..], Vec::as_slice) else {
        return Verdict::NotExercised("it has not exactly one part".into());
    };
    let bytes = match (one.get("text").and_then(Value::as_str), one.get("blob").and_then(Value::as_str)) {
        (Some(text), None) => text.len(),
        (None, Some(blob)) => {
            let digits = blob.bytes().filter(|byte| !matches!(byte, b'=' | b'\r' | b'\n')).count();
            digits * 3 / 4
        }
        _ => return Verdict::NotExercised("it is neither text nor bytes".into()),
    };
    Verdict::of(u64::try_from(bytes) == Ok(said), || {
        Violation::new(format!("{said} bytes, as the list says"), format!("{bytes} bytes")).shown_by(place)
    })
}

/// The answer for the resource that does not exist; a template that begins with a variable may take any URI.
fn answer<'a>(case: &Case<'a>) -> Result<(usize, &'a Shot), Verdict> {
    let takes_all = |item: &Value| item.get("uriTemplate").and_then(Value::as_str).is_some_and(|t| t.starts_with('{'));
    if case.definitions(TEMPLATES).iter().any(|(_, _, item)| takes_all(item)) {
        return Err(Verdict::NotExercised("a template of the server takes any URI".into()));
    }
    let Some((place, shot)) = case.shot(&NO_SUCH_THING, "resource") else { return Err(not_read(case)) };
    if shot.result().is_none() && shot.error().is_none() {
        return Err(Verdict::NotExercised(format!("no answer came to it: {}", shot.said()).into()));
    }
    Ok((place, shot))
}

fn unknown(case: &Case<'_>) -> Verdict {
    answer(case).map_or_else(
        |verdict| verdict,
        |(place, shot)| {
            Verdict::of(shot.result().is_none(), || {
                Violation::new(format!("an error, because there is no {NO_SUCH_URI}"), shot.said()).shown_by(place)
            })
        },
    )
}

fn unknown_code(case: &Case<'_>) -> Verdict {
    let (place, shot) = match answer(case) {
        Ok(answer) => answer,
        Err(verdict) => return verdict,
    };
    let Some(error) = shot.error() else { return Verdict::NotExercised("it was not answered with an error".into()) };
    let modern = case.facts.revision.version >= "2026-07-28";
    let good: &[i64] = if modern { &[-32602] } else { &[-32002, -32602] };
    Verdict::of(good.contains(&error.code), || {
        let expected = if modern { "error -32602" } else { "error -32002" };
        Violation::new(expected, shot.said()).shown_by(place)
    })
}

fn unknown_data(case: &Case<'_>) -> Verdict {
    let (place, shot) = match answer(case) {
        Ok(answer) => answer,
        Err(verdict) => return verdict,
    };
    let Some(error) = shot.error().filter(|error| matches!(error.code, -32002 | -32602)) else {
        return Verdict::NotExercised("it was not answered with the error for resources that are not found".into());
    };
    let named = error.data.as_ref().and_then(|data| data.get("uri")).is_some_and(|uri| uri == NO_SUCH_URI);
    Verdict::of(named, || {
        let actual = error.data.as_ref().map_or_else(|| "no data".to_owned(), quote);
        Violation::new(format!("data with the uri {NO_SUCH_URI}"), actual).shown_by(place)
    })
}

fn traversal(case: &Case<'_>) -> Verdict {
    let climbs = ["climb", "climb-escaped"].into_iter().filter_map(|label| case.shot(&NO_SUCH_THING, label));
    let mut judged = climbs.map(|(place, shot)| climbed(place, shot)).peekable();
    if judged.peek().is_none() {
        return nothing(case, "resources", "no file:// resource is listed to climb from");
    }
    Verdict::joined(judged, "")
}

/// What became of one path that climbs out.
fn climbed(place: usize, shot: &Shot) -> Verdict {
    if shot.error().is_some() {
        return Verdict::Passes;
    }
    let Some(result) = shot.result() else {
        return Verdict::NotExercised(format!("no answer came to it: {}", shot.said()).into());
    };
    let contents = result.get("contents").and_then(Value::as_array);
    let mut texts = contents.into_iter().flatten().filter_map(|item| item.get("text")?.as_str());
    // Nothing but the file itself proves that it was read.
    let Some(leaked) = texts.find(|text| text.contains("root:") && text.contains(":0:0:")) else {
        return Verdict::NotExercised("it was served, and nothing proves that what came is a file outside".into());
    };
    let uri = shot.params().map(|params| cut(params["uri"].as_str().unwrap_or_default()));
    let actual = format!("{} bytes of a file outside for {}", leaked.len(), uri.unwrap_or_default());
    Verdict::Violates(Violation::new("an error for a path that climbs out", actual).shown_by(place))
}

fn subscribe(case: &Case<'_>) -> Verdict {
    if !case.facts.declares("resources.subscribe") {
        return Verdict::NotApplicable("the server declares no resources.subscribe".into());
    }
    let judged =
        case.of(&SUBSCRIBE).filter(|(_, shot)| shot.label.ends_with("subscribe")).filter_map(|(place, shot)| {
            if shot.result().is_some() {
                return Some(Ok(()));
            }
            let error = shot.error()?;
            let wrong = Violation::new("an empty result", shot.said()).shown_by(place);
            // The method is there; why it fails may be this resource's own matter.
            Some(Err(if error.code == -32601 { wrong } else { wrong.mild() }))
        });
    Verdict::of_all(judged, "no answer came to it")
}

fn annotations(case: &Case<'_>) -> Verdict {
    let about = |at: &str| at.contains(".annotations") && !at.starts_with("$.tools");
    let methods = [LIST, TEMPLATES, READING, "tools/call", "prompts/get"];
    let mut results = case.results().filter(|(_, method, _)| methods.contains(method));
    if !results.any(|(_, _, result)| annotated(result, 0)) {
        return Verdict::NotExercised("nothing that came has annotations".into());
    }
    fit(case, &methods, |at, _| about(at), || not_listed(case))
}

fn annotated(value: &Value, depth: usize) -> bool {
    let deeper = |value: &Value| depth < 6 && annotated(value, depth + 1);
    match value {
        Value::Array(items) => items.iter().any(deeper),
        Value::Object(members) => members.contains_key("annotations") || members.values().any(deeper),
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn what_climbs_is_refused_served_or_read() {
        let of = |answer: Option<Value>| {
            let shot = Shot { answer: answer.map(Ok), ..Shot::silent(NO_SUCH_THING.name, "climb") };
            match climbed(0, &shot) {
                Verdict::NotExercised(why) => why.into_owned(),
                verdict => verdict.name().to_owned(),
            }
        };
        let contents = |text: &str| Some(json!({"contents": [{"uri": "file:///a", "text": text}]}));
        assert_eq!(of(contents("root:x:0:0:root:/root:/bin/sh")), "violates");
        assert!(of(contents("Welcome")).starts_with("it was served"));
        assert!(of(Some(json!({"contents": []}))).starts_with("it was served"));
        assert!(of(None).starts_with("no answer came to it"));
    }
}

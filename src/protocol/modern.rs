//! The stateless era (2026-07-28): `_meta` on every request, `server/discover`, `resultType` on every result,
//! rounds of input. Source: specification 2026-07-28, basic/index, server/discover, basic/patterns/mrtr.

use serde_json::{Map, Value, json};

use super::legacy::{Unwelcome, Welcome, identity};
use super::{Answers, client_info, revision::Method, revision::Revision};
use crate::event::{Finding, ServerIdentity, Severity};

const META: &str = "_meta";
const VERSION: &str = "io.modelcontextprotocol/protocolVersion";
const CAPABILITIES: &str = "io.modelcontextprotocol/clientCapabilities";
const CLIENT: &str = "io.modelcontextprotocol/clientInfo";
const SERVER: &str = "io.modelcontextprotocol/serverInfo";

/// Adds the `_meta` that every request must carry, and `extras` to it; what the caller put there himself stays.
#[must_use]
pub fn envelope(params: &Value, revision: &Revision, answers: &Answers, extras: &[(&str, Option<&str>)]) -> Value {
    let mut params = match params {
        Value::Object(map) => map.clone(),
        _ => Map::new(),
    };
    let mut meta = match params.shift_remove(META) {
        Some(Value::Object(map)) => map,
        _ => Map::new(),
    };
    let mut add = |key: &str, value: Value| {
        meta.entry(key.to_owned()).or_insert(value);
    };
    add(VERSION, revision.version.into());
    add(CLIENT, client_info());
    add(CAPABILITIES, answers.capabilities());
    for (key, value) in extras.iter().filter_map(|(key, value)| Some((*key, (*value)?))) {
        add(key, value.into());
    }
    params.insert(META.to_owned(), Value::Object(meta));
    Value::Object(params)
}

/// Reads the result of `server/discover`, whose version list [`super::detect::classify`] has already judged.
///
/// # Errors
/// [`Unwelcome`] when there is nothing to go on with.
pub fn read_discover(result: &Value, revision: &'static Revision) -> Result<Welcome, Unwelcome> {
    let mut findings = Vec::new();
    let capabilities = match result.get("capabilities") {
        Some(value @ Value::Object(_)) => value.clone(),
        _ => {
            findings.push(lacks("$.capabilities", "an object", "the result of server/discover has none"));
            json!({})
        }
    };
    let mut identity_found = identity_of(result);
    if identity_found.is_none() {
        identity_found = identity(result.get("serverInfo"));
        let actual = if identity_found.is_some() {
            "serverInfo in the body of the result, where release candidates had it"
        } else {
            "no serverInfo"
        };
        findings.push(Finding {
            path: Some(format!("$._meta['{SERVER}']")),
            ..Finding::new("modern.server_info", Severity::Warning, "serverInfo with name and version in _meta", actual)
        });
    }
    let supported = result["supportedVersions"]
        .as_array()
        .map(|versions| versions.iter().filter_map(|version| version.as_str().map(str::to_owned)).collect())
        .unwrap_or_default();
    let instructions = result.get("instructions").and_then(Value::as_str).map(str::to_owned);
    Ok(Welcome { revision, identity: identity_found, capabilities, instructions, supported, findings })
}

/// The `serverInfo` that a modern server puts into every result.
#[must_use]
pub fn identity_of(result: &Value) -> Option<ServerIdentity> {
    identity(result.get(META)?.get(SERVER))
}

/// Members that a result of this revision must have and lacks.
#[must_use]
pub fn missing_members(result: &Value, revision: &Revision, method: &str) -> Vec<Finding> {
    let cacheable = method == "server/discover"
        || method == "resources/read"
        || revision.method(method).is_some_and(|method| method.list.is_some());
    let wanted = revision.result_members.iter().chain(if cacheable { revision.cacheable_members } else { &[] });
    wanted
        .filter(|member| result.get(**member).is_none())
        .map(|member| {
            lacks(&format!("$.{member}"), "present in every such result of 2026-07-28", &format!("{method}: missing"))
        })
        .collect()
}

fn lacks(path: &str, expected: &str, actual: &str) -> Finding {
    Finding { path: Some(path.to_owned()), ..Finding::new("modern.result_fields", Severity::Warning, expected, actual) }
}

/// What a result asks to be done next.
#[derive(Clone, Debug, PartialEq)]
pub enum Next {
    /// Nothing: it is the answer.
    Complete,
    /// Ask again with these parameters and a new id.
    Again(Value),
    /// It asks for what was not declared, or breaks the rules.
    Stuck(String),
}

/// Reads `resultType`. `params` are those of the request, without `_meta`.
#[must_use]
pub fn next(result: &Value, method: Option<&Method>, params: &Value, answers: &Answers) -> Next {
    match result.get("resultType") {
        None => Next::Complete,
        Some(Value::String(kind)) if kind == "complete" => Next::Complete,
        Some(Value::String(kind)) if kind == "input_required" => {
            if !method.is_some_and(|method| method.multi_round) {
                return Next::Stuck("resultType \"input_required\" is not allowed for this method".to_owned());
            }
            round(result, params, answers)
        }
        Some(other) => Next::Stuck(format!(
            "expected resultType \"complete\" or \"input_required\", got {}",
            crate::base::sanitize::one_line(&other.to_string(), 60)
        )),
    }
}

fn round(result: &Value, params: &Value, answers: &Answers) -> Next {
    let requests = result.get("inputRequests").and_then(Value::as_object);
    let state = result.get("requestState");
    if requests.is_none() && state.is_none() {
        return Next::Stuck("an input_required result has neither inputRequests nor requestState".to_owned());
    }
    let mut params = params.as_object().cloned().unwrap_or_default();
    params.shift_remove("inputResponses");
    params.shift_remove("requestState");
    if let Some(requests) = requests {
        match answers.input_responses(requests) {
            Ok(responses) => params.insert("inputResponses".into(), Value::Object(responses)),
            Err(method) => {
                let method = crate::base::sanitize::one_line(&method, 60);
                return Next::Stuck(format!(
                    "the server asks the client for {method}, for which no capability was declared; give the step \
                     answers for it"
                ));
            }
        };
    }
    if let Some(state) = state {
        params.insert("requestState".into(), state.clone());
    }
    Next::Again(Value::Object(params))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::event::Era;

    fn modern() -> &'static Revision {
        Revision::newest(Era::Modern)
    }

    #[test]
    fn the_envelope_is_whole_and_keeps_what_the_caller_set() {
        let params = envelope(
            &json!({"name": "x", "_meta": {"k": 1}}),
            modern(),
            &Answers::default(),
            &[("progressToken", Some("t")), ("x", None)],
        );
        let meta = &params[META];
        assert_eq!(meta[VERSION], "2026-07-28");
        assert_eq!(meta[CAPABILITIES], json!({}));
        assert_eq!(meta[CLIENT]["name"], "mcp-probe");
        assert_eq!((&meta["k"], &meta["progressToken"], &params["name"]), (&json!(1), &json!("t"), &json!("x")));
    }

    #[test]
    fn members_are_missed_where_they_belong() {
        let ids = |result: Value, method: &str| missing_members(&result, modern(), method).len();
        assert_eq!(ids(json!({"tools": []}), "tools/list"), 3);
        assert_eq!(ids(json!({"resultType": "complete", "content": []}), "tools/call"), 0);
        assert_eq!(ids(json!({"resultType": "complete", "ttlMs": 0, "cacheScope": "public"}), "tools/list"), 0);
    }

    #[test]
    fn rounds_of_input() {
        let call = modern().method("tools/call");
        let params = json!({"name": "ask"});
        let asked = json!({"resultType": "input_required", "requestState": "s",
            "inputRequests": {"k": {"method": "roots/list"}}});
        assert!(matches!(next(&asked, call, &params, &Answers::default()), Next::Stuck(_)));
        let answers = Answers { roots: Some(vec![]), ..Answers::default() };
        assert_eq!(
            next(&asked, call, &params, &answers),
            Next::Again(json!({"name": "ask", "inputResponses": {"k": {"roots": []}}, "requestState": "s"}))
        );
        let shed = json!({"resultType": "input_required", "requestState": "later"});
        assert_eq!(
            next(&shed, call, &params, &Answers::default()),
            Next::Again(json!({"name": "ask", "requestState": "later"}))
        );
        assert!(matches!(next(&asked, modern().method("tools/list"), &params, &answers), Next::Stuck(_)));
        assert!(matches!(next(&json!({"resultType": "task"}), call, &params, &answers), Next::Stuck(_)));
        assert_eq!(next(&json!({"content": []}), call, &params, &answers), Next::Complete);
    }
}

//! What the prober answers when a server asks its client for roots, sampling or elicitation. Without answers no
//! capability is declared, and every such question is a finding.

use serde_json::{Map, Value, json};

use crate::event::Era;
use crate::wire::RpcError;

/// The answers a step gives; the default gives none.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Answers {
    /// The list that `roots/list` is answered with.
    pub roots: Option<Vec<Value>>,
    /// The result of `sampling/createMessage`.
    pub sampling: Option<Value>,
    /// The result of `elicitation/create`, such as `{"action": "decline"}`.
    pub elicitation: Option<Value>,
}

impl Answers {
    /// The client capabilities to declare: exactly what can be answered.
    #[must_use]
    pub fn capabilities(&self) -> Value {
        let mut declared = Map::new();
        if self.roots.is_some() {
            declared.insert("roots".into(), json!({}));
        }
        if self.sampling.is_some() {
            declared.insert("sampling".into(), json!({}));
        }
        if self.elicitation.is_some() {
            declared.insert("elicitation".into(), json!({}));
        }
        Value::Object(declared)
    }

    /// Whether nothing can be answered.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        *self == Self::default()
    }

    /// These answers where only `declared` was declared, for the whole session: another kind is no answer, and a kind that
    /// they leave out is answered as it was declared.
    #[must_use]
    pub fn within(&self, declared: &Self) -> Self {
        fn one<T: Clone>(own: Option<&T>, declared: Option<&T>) -> Option<T> {
            declared.map(|declared| own.unwrap_or(declared).clone())
        }
        Self {
            roots: one(self.roots.as_ref(), declared.roots.as_ref()),
            sampling: one(self.sampling.as_ref(), declared.sampling.as_ref()),
            elicitation: one(self.elicitation.as_ref(), declared.elicitation.as_ref()),
        }
    }

    /// The result for a question of the server; `None` when the capability was not declared.
    #[must_use]
    pub fn result(&self, method: &str) -> Option<Value> {
        match method {
            "roots/list" => self.roots.as_ref().map(|roots| json!({"roots": roots})),
            "sampling/createMessage" => self.sampling.clone(),
            "elicitation/create" => self.elicitation.clone(),
            _ => None,
        }
    }

    /// The reply to a request of a legacy server. `ping` is always answered.
    ///
    /// # Errors
    /// The JSON-RPC error a client gives that has not declared the capability.
    pub fn reply(&self, era: Era, method: &str) -> Result<Value, RpcError> {
        if method == "ping" && era == Era::Legacy {
            return Ok(json!({}));
        }
        self.result(method).ok_or_else(|| RpcError {
            code: -32601,
            message: format!("mcp-probe declared no capability for {method}"),
            data: None,
        })
    }

    /// The `inputResponses` for the `inputRequests` of an `input_required` result.
    ///
    /// # Errors
    /// The method that cannot be answered.
    pub fn input_responses(&self, requests: &Map<String, Value>) -> Result<Map<String, Value>, String> {
        requests
            .iter()
            .map(|(key, request)| {
                let method = request.get("method").and_then(Value::as_str).unwrap_or("");
                self.result(method).map(|result| (key.clone(), result)).ok_or_else(|| method.to_owned())
            })
            .collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_step_answers_within_what_was_declared() {
        let own = Answers { roots: Some(vec![json!(1)]), elicitation: Some(json!("own")), ..Answers::default() };
        let declared = Answers { sampling: Some(json!("all")), elicitation: Some(json!("all")), ..Answers::default() };
        let both = Answers { sampling: Some(json!("all")), elicitation: Some(json!("own")), ..Answers::default() };
        assert_eq!((own.within(&declared), own.within(&Answers::default())), (both, Answers::default()));
        assert_eq!(Answers::default().within(&declared), declared);
    }

    #[test]
    fn only_what_can_be_answered_is_declared() {
        assert_eq!(Answers::default().capabilities(), json!({}));
        let answers = Answers { roots: Some(vec![]), ..Answers::default() };
        assert_eq!(answers.capabilities(), json!({"roots": {}}));
        assert_eq!(answers.reply(Era::Legacy, "roots/list"), Ok(json!({"roots": []})));
        assert_eq!(answers.reply(Era::Legacy, "sampling/createMessage").unwrap_err().code, -32601);
        assert_eq!(answers.reply(Era::Legacy, "ping"), Ok(json!({})));
    }

    #[test]
    fn input_requests_are_answered_under_their_keys() {
        let answers = Answers { elicitation: Some(json!({"action": "decline"})), ..Answers::default() };
        let requests = json!({"k": {"method": "elicitation/create", "params": {}}});
        let responses = answers.input_responses(requests.as_object().unwrap()).unwrap();
        assert_eq!(Value::Object(responses), json!({"k": {"action": "decline"}}));
        let requests = json!({"k": {"method": "roots/list"}});
        assert_eq!(answers.input_responses(requests.as_object().unwrap()), Err("roots/list".to_owned()));
    }
}

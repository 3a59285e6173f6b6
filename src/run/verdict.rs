//! What an exchange means when nobody stated an expectation: a fault, a JSON-RPC error and `isError` are failures, a
//! result that lacks what it must have breaks the protocol.

use serde_json::Value;

use crate::base::sanitize::one_line;
use crate::config::suggest;
use crate::event::{Cause, Reason, Status};
use crate::protocol::revision::{self, REVISIONS};
use crate::session::Exchange;
use crate::wire::RpcError;

/// Characters of a server's text that a message quotes.
const QUOTE_MAX: usize = 300;

/// The status of an outcome that failed for this reason: what is our own fault, or nobody's, is unknown.
#[must_use]
pub fn status_of(reason: Reason) -> Status {
    match reason {
        Reason::Cancelled | Reason::Suspended | Reason::Internal => Status::Unknown,
        _ => Status::Failed,
    }
}

/// Why an exchange is not what one wants without having said so; `None` when it is.
#[must_use]
pub fn unexpected(exchange: &Exchange) -> Option<Cause> {
    match &exchange.reply {
        Err(fault) => Some(fault.cause()),
        Ok(reply) => match &reply.body {
            Err(error) => Some(Cause::new(Reason::RpcError, rpc_error(&exchange.method, error))),
            Ok(result) => broken(exchange, result).or_else(|| tool_error(&exchange.method, result)),
        },
    }
}

/// A result that lacks the array which makes it one. Of a call that was to be a task, a task is the result.
#[must_use]
pub fn broken(exchange: &Exchange, result: &Value) -> Option<Cause> {
    let method = &exchange.method;
    let member = revision::array_member(method)?;
    if exchange.params.get("task").is_some() && result.get("task").is_some_and(Value::is_object) {
        return None;
    }
    let actual = match result.get(member) {
        Some(Value::Array(_)) => return None,
        Some(other) => one_line(&other.to_string(), 60),
        None => "nothing".to_owned(),
    };
    Some(Cause::new(Reason::Protocol, format!("the result of {method} must have an array {member:?}, it has {actual}")))
}

/// A tool that says it failed.
#[must_use]
pub fn tool_error(method: &str, result: &Value) -> Option<Cause> {
    if method != "tools/call" || result.get("isError") != Some(&Value::Bool(true)) {
        return None;
    }
    let texts: Vec<&str> = result["content"]
        .as_array()
        .map(|blocks| blocks.iter().filter_map(|block| block.get("text")?.as_str()).collect())
        .unwrap_or_default();
    let said = one_line(&texts.join(" "), QUOTE_MAX);
    let said = if said.is_empty() { "it says nothing about why".to_owned() } else { format!("it says {said:?}") };
    Some(Cause::new(Reason::ToolError, format!("the tool answered with isError: {said}")))
}

/// The sentence for a JSON-RPC error.
#[must_use]
pub fn rpc_error(method: &str, error: &RpcError) -> String {
    let name = match error.code {
        -32700 => " (parse error)",
        -32600 => " (invalid request)",
        -32601 => " (method not found)",
        -32602 => " (invalid params)",
        -32603 => " (internal error)",
        -32020 => " (header mismatch)",
        -32021 => " (missing client capability)",
        -32022 => " (unsupported protocol version)",
        _ => "",
    };
    let said = one_line(&error.message, QUOTE_MAX);
    let hint = match (error.code, method) {
        (-32601, "ping") => "; ping belongs to the legacy era: --protocol legacy sends it there".to_owned(),
        (-32601, _) => match meant(method) {
            Some(meant) => format!("; did you mean {meant}?"),
            None => "; the server does not offer it".to_owned(),
        },
        (-32602, "tools/call") => "; tools/list has the names and the schemas of the tools".to_owned(),
        (-32602, "prompts/get") => "; prompts/list has the names and the arguments of the prompts".to_owned(),
        (-32602, "resources/read") => "; resources/list has the URIs of the resources".to_owned(),
        (-32021, _) => "; mcp-probe offers it only where a step of a probe file has `answers`".to_owned(),
        _ => String::new(),
    };
    format!("{method} was answered with error {}{name}: {said}{hint}", error.code)
}

/// The method of the protocol that an unknown one was probably meant to be.
fn meant(method: &str) -> Option<&'static str> {
    let known = REVISIONS.iter().flat_map(|revision| revision.methods).map(|known| known.name);
    suggest::nearest(method, known).filter(|near| *near != method)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_refusal_says_what_to_try() {
        let sentence = |method: &str, code| rpc_error(method, &RpcError { code, message: "no".into(), data: None });
        assert!(sentence("tools/lst", -32601).ends_with("did you mean tools/list?"));
        assert!(sentence("prompts/list", -32601).ends_with("the server does not offer it"));
        assert!(sentence("tools/call", -32602).contains("tools/list"));
        assert!(sentence("x/y", -32603).ends_with("(internal error): no"));
    }
}

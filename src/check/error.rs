//! `expect.error`: the reply must be a JSON-RPC error.

use serde_json::Value;

use super::operators::{self, Operators};
use super::{Check, Evidence, Expectation, Judged, Kind, Verdict, quote, quote_json};
use crate::config::{Field, grammar};
use crate::wire::RpcError;

pub(super) const KIND: Kind = Kind {
    name: "error",
    what: "The reply must be a JSON-RPC error with that code and message. A reply without that error fails. \
           Under an HTTP status that refuses the call (401, 403, 429) it is judged where `code` names that error.",
    why: "How a server refuses is part of what it promises: unknown tools, wrong parameters, missing rights.",
    example: "method = \"tools/call\"\nparams = { name = \"no-such-tool\" }\nexpect.error = { code = -32602, message = { contains = \"tool\" } }",
    methods: &[],
    schema,
    parse,
    default: None,
};

fn schema() -> Value {
    grammar::table([
        ("code", grammar::described(operators::reference(), "The error's code: a number, or operators.")),
        ("message", grammar::described(operators::reference(), "The error's message: a string, or operators.")),
    ])
}

#[derive(Debug)]
struct Error {
    code: Option<Operators>,
    message: Option<Operators>,
}

fn parse(field: Field<'_>) -> Vec<Expectation> {
    let Some(section) = field.table("`expect.error`") else { return Vec::new() };
    let code = section.field("code").and_then(Operators::parse);
    let message = section.field("message").and_then(Operators::parse);
    section.finish();
    vec![Expectation::new(Error { code, message }, field.place())]
}

impl Error {
    fn accepts(&self, error: &RpcError) -> bool {
        let meets = |operators: &Option<Operators>, value: Value| {
            operators.as_ref().is_none_or(|operators| operators.accept(&value))
        };
        meets(&self.code, error.code.into()) && meets(&self.message, error.message.as_str().into())
    }

    fn describe(&self) -> String {
        let mut text = "a JSON-RPC error".to_owned();
        if let Some(code) = &self.code {
            text = format!("{text} with code {}", code.describe());
        }
        if let Some(message) = &self.message {
            let joint = if self.code.is_some() { "and" } else { "with" };
            text = format!("{text} {joint} message {}", message.describe());
        }
        text
    }
}

impl Check for Error {
    fn kind(&self) -> &'static str {
        KIND.name
    }

    fn judge(&self, evidence: &Evidence<'_>) -> Verdict {
        let expected = self.describe();
        let reply = match &evidence.exchange.reply {
            Ok(reply) => reply,
            Err(fault) => {
                let actual = format!("there is no reply: {}", quote(&fault.message));
                return Verdict::Blocked(Judged::new(expected, actual));
            }
        };
        match &reply.body {
            Ok(result) => Verdict::Fail(Judged::new(expected, format!("a result: {}", quote_json(result)))),
            Err(error) => {
                let judged = Judged::new(expected, format!("error {}: {}", error.code, quote(&error.message)));
                Verdict::of(self.accepts(error), judged)
            }
        }
    }

    fn asks_for_error(&self, error: &RpcError) -> bool {
        self.code.is_some() && self.accepts(error)
    }
}

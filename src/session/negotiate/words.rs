//! The sentences for openings that failed: whose word it was, and what to try.

use serde_json::Value;

use crate::base::sanitize;
use crate::event::Reason;
use crate::protocol::detect::{self, Verdict};
use crate::protocol::legacy::Unwelcome;
use crate::protocol::{Revision, refusal};
use crate::session::exchange::Exchange;
use crate::transport::Fault;
use crate::wire::RpcError;

/// The fault of an exchange that opened nothing: its own, or that of the HTTP status under its JSON-RPC error.
pub(super) fn fault_of(exchange: &Exchange) -> Fault {
    match &exchange.reply {
        Err(fault) => fault.clone(),
        Ok(reply) => {
            let raw = reply.raw.first().map_or(&b""[..], |raw| raw);
            match &exchange.head {
                Some(head) if head.status >= 300 => {
                    let (reason, message) = refusal::read(&head.answer(raw), &exchange.method);
                    Fault::new(reason, message)
                }
                _ => match &reply.body {
                    Err(error) => refused_by(&error.message, error.code, &exchange.method),
                    Ok(_) => {
                        Fault::new(Reason::Protocol, format!("the result of {} cannot be worked with", exchange.method))
                    }
                },
            }
        }
    }
}

pub(super) fn refused_by(message: &str, code: i64, method: &str) -> Fault {
    Fault::new(
        Reason::RpcError,
        format!("{method} was answered with error {code}: {}", sanitize::one_line(message, 200)),
    )
}

/// An error in place of the result of `initialize`: a version that is not spoken, or the error as it stands.
pub(super) fn initialize_refused(error: &RpcError, asked: &Revision) -> Fault {
    let said = sanitize::one_line(&error.message, 160);
    if error.code == detect::UNSUPPORTED_VERSION {
        let message = format!(
            "the server refuses initialize at {}: {said}; it speaks another era, try --protocol modern",
            asked.version
        );
        return Fault::new(Reason::Incompatible, message);
    }
    // -32602 with a list is how the legacy lifecycle refuses a version.
    let supported: Vec<String> = error
        .data
        .as_ref()
        .and_then(|data| data.get("supported")?.as_array())
        .map(|versions| versions.iter().filter_map(Value::as_str).take(8).map(|text| sanitize::one_line(text, 40)))
        .map(Iterator::collect)
        .unwrap_or_default();
    if error.code != -32602 || supported.is_empty() {
        return refused_by(&error.message, error.code, "initialize");
    }
    let advice = match supported.iter().find(|version| Revision::of(version).is_some()) {
        Some(version) => format!("try --protocol {version}"),
        None => "mcp-probe speaks none of these".to_owned(),
    };
    let listed = supported.join(", ");
    let message = format!("the server refuses initialize at {}: {said}; it names {listed}: {advice}", asked.version);
    Fault::new(Reason::Incompatible, message)
}

pub(super) fn unwelcome(why: Unwelcome) -> Fault {
    match why {
        Unwelcome::Broken(why) => Fault::new(Reason::Protocol, why),
        Unwelcome::Incompatible(why) => Fault::new(Reason::Incompatible, why),
    }
}

/// The sentence for a server that does not speak what was pinned.
pub(super) fn not_this_one(verdict: &Verdict, asked: &Revision, exchange: &Exchange) -> String {
    let offered = |versions: &[String]| {
        versions.iter().take(8).map(|version| sanitize::one_line(version, 40)).collect::<Vec<_>>().join(", ")
    };
    match verdict {
        Verdict::Incompatible(versions) => {
            format!("the server speaks {}, of which mcp-probe knows none", offered(versions))
        }
        Verdict::Again(revision) if revision.version == asked.version => {
            format!("the server refuses protocol version {} and names the same version as supported", asked.version)
        }
        Verdict::Again(revision) | Verdict::Modern(revision) => {
            format!("protocol version {} was asked for, the server speaks {}", asked.version, revision.version)
        }
        Verdict::Legacy { why, .. } => {
            let answer = exchange.error().map_or_else(
                || (*why).to_owned(),
                |error| format!("error {}: {}", error.code, sanitize::one_line(&error.message, 120)),
            );
            format!(
                "the server does not speak the modern era: server/discover at {} was answered with {answer}; use \
                 --protocol legacy or auto",
                asked.version
            )
        }
        Verdict::ModernRefused => "server/discover was refused".to_owned(),
    }
}

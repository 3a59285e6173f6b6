//! The answer of a collector of OpenTelemetry: it may say that it took some of what was sent and not the rest. That is a
//! receipt; nothing of it is sent again.

use prost::Message as _;

use super::Receipt;

/// `Export…ServiceResponse` of every signal: the numbers of the fields are the same.
#[derive(Clone, PartialEq, prost::Message)]
struct Response {
    #[prost(message, optional, tag = "1")]
    partial: Option<Partial>,
}

#[derive(Clone, PartialEq, prost::Message)]
struct Partial {
    #[prost(int64, tag = "1")]
    rejected: i64,
    #[prost(string, tag = "2")]
    message: String,
}

/// The receipt of a body. What cannot be read says nothing: the status was one of success.
pub(super) fn judge_body(place: &str, body: &[u8]) -> Receipt {
    match Response::decode(body).ok().and_then(|response| response.partial) {
        Some(Partial { rejected, message }) if rejected > 0 => Receipt::Partly {
            rejected: rejected.unsigned_abs(),
            why: format!(
                "{place}: {rejected} of what was sent were not taken{}{message}",
                if message.is_empty() { "" } else { ": " }
            ),
        },
        _ => Receipt::Delivered,
    }
}

/// `google.rpc.Status`, the body of an error.
#[derive(Clone, PartialEq, prost::Message)]
struct Status {
    #[prost(string, tag = "2")]
    message: String,
}

/// What the body of an error says; as it is, where it is none of theirs.
pub(super) fn said(body: &[u8]) -> String {
    match Status::decode(body) {
        Ok(status) if !status.message.is_empty() => status.message,
        _ => String::from_utf8_lossy(body).into_owned(),
    }
}

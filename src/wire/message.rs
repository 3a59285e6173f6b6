//! The JSON-RPC 2.0 envelope: requests, notifications, replies, and what can be wrong with them.
//! Ids keep the text and type in which they were written, so that `"7"` and `7` stay different.

use std::fmt;

use bytes::Bytes;
use serde::{Deserialize, Deserializer, Serialize, Serializer};
use serde_json::Value;
use serde_json::value::RawValue;

/// A JSON-RPC id as it was written.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum Id {
    /// The digits as written; large numbers lose nothing.
    Number(Box<str>),
    /// The decoded string.
    Text(Box<str>),
    /// `null`, which servers send for requests they could not read.
    Null,
}

impl Id {
    /// An id of ours that is a number.
    #[must_use]
    pub fn number(id: u64) -> Self {
        Self::Number(id.to_string().into())
    }

    /// An id of ours that is a string.
    #[must_use]
    pub fn text(id: impl Into<Box<str>>) -> Self {
        Self::Text(id.into())
    }

    /// As a JSON value, for logs and for `_meta`.
    #[must_use]
    pub fn to_value(&self) -> Value {
        match self {
            Self::Number(digits) => serde_json::from_str(digits).unwrap_or_else(|_| Value::from(&**digits)),
            Self::Text(text) => Value::from(&**text),
            Self::Null => Value::Null,
        }
    }

    fn read(raw: &RawValue) -> Option<Self> {
        match serde_json::from_str::<Value>(raw.get()).ok()? {
            Value::String(text) => Some(Self::Text(text.into())),
            Value::Number(_) => Some(Self::Number(raw.get().into())),
            Value::Null => Some(Self::Null),
            _ => None,
        }
    }
}

impl Serialize for Id {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self {
            // Those that we give are written without a detour over a value.
            Self::Number(digits) => match digits.parse::<u64>() {
                Ok(number) => number.serialize(serializer),
                Err(_) => self.to_value().serialize(serializer),
            },
            Self::Text(text) => text.serialize(serializer),
            Self::Null => serializer.serialize_unit(),
        }
    }
}

impl fmt::Display for Id {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Number(digits) => f.write_str(digits),
            Self::Text(text) => write!(f, "{text:?}"),
            Self::Null => f.write_str("null"),
        }
    }
}

/// The error object of a reply. Source: JSON-RPC 2.0, section 5.1.
#[derive(Clone, Debug, PartialEq)]
pub struct RpcError {
    /// The code; application codes are the server's own.
    pub code: i64,
    /// The server's sentence, raw.
    pub message: String,
    /// Whatever the server added.
    pub data: Option<Value>,
}

impl RpcError {
    /// As the JSON object that came.
    #[must_use]
    pub fn to_value(&self) -> Value {
        let mut object = serde_json::Map::new();
        object.insert("code".into(), self.code.into());
        object.insert("message".into(), self.message.clone().into());
        if let Some(data) = &self.data {
            object.insert("data".into(), data.clone());
        }
        Value::Object(object)
    }
}

/// A message whose envelope is right.
#[derive(Clone, Debug)]
pub enum Message {
    /// Somebody asks.
    Request {
        /// To be echoed in the reply.
        id: Id,
        /// The method.
        method: String,
        /// Raw parameters.
        params: Option<Box<RawValue>>,
    },
    /// Somebody tells.
    Notification {
        /// The method.
        method: String,
        /// Raw parameters.
        params: Option<Box<RawValue>>,
    },
    /// Somebody answers.
    Reply {
        /// The request's id; absent in some errors.
        id: Option<Id>,
        /// A raw object, or an error.
        body: Result<Box<RawValue>, RpcError>,
    },
}

/// What is wrong with a message.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Malformed {
    /// Longer than the limit; the bytes were dropped.
    #[error("a message of {bytes} bytes is over the limit of {limit} bytes")]
    TooLong {
        /// Bytes seen, at least.
        bytes: u64,
        /// The limit.
        limit: u64,
    },
    /// Not UTF-8.
    #[error("not UTF-8 at byte {at}")]
    NotUtf8 {
        /// Offset of the first wrong byte.
        at: usize,
    },
    /// Not JSON.
    #[error("not JSON: {why}")]
    NotJson {
        /// What the parser says.
        why: String,
    },
    /// JSON, but no JSON-RPC message.
    #[error("not a JSON-RPC 2.0 message: {why}")]
    NotRpc {
        /// The rule that is broken.
        why: String,
        /// The id, where one could be read; it tells which call was answered wrongly.
        id: Option<Id>,
    },
}

impl Malformed {
    /// The id that could still be read.
    #[must_use]
    pub fn id(&self) -> Option<&Id> {
        match self {
            Self::NotRpc { id, .. } => id.as_ref(),
            _ => None,
        }
    }
}

/// One message as it came.
#[derive(Clone, Debug)]
pub struct Frame {
    /// The bytes, without transport framing.
    pub raw: Bytes,
    /// What they say.
    pub parsed: Result<Message, Malformed>,
    /// Whether it stood in a batch array, which only 2025-03-26 allows.
    pub batched: bool,
}

#[derive(Deserialize)]
struct Envelope<'a> {
    #[serde(borrow, default, deserialize_with = "present")]
    jsonrpc: Option<&'a RawValue>,
    #[serde(borrow, default, deserialize_with = "present")]
    id: Option<&'a RawValue>,
    #[serde(borrow, default, deserialize_with = "present")]
    method: Option<&'a RawValue>,
    #[serde(borrow, default, deserialize_with = "present")]
    params: Option<&'a RawValue>,
    #[serde(borrow, default, deserialize_with = "present")]
    result: Option<&'a RawValue>,
    #[serde(borrow, default, deserialize_with = "present")]
    error: Option<&'a RawValue>,
}

/// Keeps `null` apart from absent.
fn present<'de: 'a, 'a, D: Deserializer<'de>>(deserializer: D) -> Result<Option<&'a RawValue>, D::Error> {
    <&RawValue>::deserialize(deserializer).map(Some)
}

#[derive(Deserialize)]
struct ErrorObject {
    code: i64,
    message: String,
    #[serde(default)]
    data: Option<Value>,
}

/// Reads one message, or each message of a batch array.
#[must_use]
pub fn read(raw: &Bytes) -> Vec<Frame> {
    let text = match std::str::from_utf8(raw) {
        Ok(text) => text,
        Err(error) => {
            let parsed = Err(Malformed::NotUtf8 { at: error.valid_up_to() });
            return vec![Frame { raw: raw.clone(), parsed, batched: false }];
        }
    };
    if text.trim_ascii_start().starts_with('[') {
        match serde_json::from_str::<Vec<&RawValue>>(text) {
            Ok(items) if !items.is_empty() => {
                return items
                    .into_iter()
                    .map(|item| Frame {
                        raw: Bytes::copy_from_slice(item.get().as_bytes()),
                        parsed: read_one(item.get()),
                        batched: true,
                    })
                    .collect();
            }
            Ok(_) => {
                let parsed = Err(Malformed::NotRpc { why: "an empty array".into(), id: None });
                return vec![Frame { raw: raw.clone(), parsed, batched: true }];
            }
            Err(_) => {}
        }
    }
    vec![Frame { raw: raw.clone(), parsed: read_one(text), batched: false }]
}

fn read_one(text: &str) -> Result<Message, Malformed> {
    if !text.trim_ascii_start().starts_with('{') {
        return Err(match serde_json::from_str::<serde::de::IgnoredAny>(text) {
            Ok(_) => Malformed::NotRpc { why: "it is JSON, but no object".into(), id: None },
            Err(error) => Malformed::NotJson { why: error.to_string() },
        });
    }
    let envelope: Envelope<'_> = serde_json::from_str(text).map_err(|error| match error.classify() {
        serde_json::error::Category::Data => Malformed::NotRpc { why: error.to_string(), id: None },
        _ => Malformed::NotJson { why: error.to_string() },
    })?;
    let id = envelope.id.map(|raw| Id::read(raw).ok_or(raw));
    let wrong = |why: String| Malformed::NotRpc { why, id: id.clone().and_then(Result::ok) };
    match envelope.jsonrpc.map(RawValue::get) {
        Some("\"2.0\"") => {}
        Some(other) => return Err(wrong(format!("\"jsonrpc\" must be \"2.0\", it is {}", short(other)))),
        None => return Err(wrong("\"jsonrpc\": \"2.0\" is missing".into())),
    }
    if let Some(Err(raw)) = &id {
        return Err(wrong(format!("\"id\" must be a string or a number, it is {}", short(raw.get()))));
    }
    let id = id.clone().and_then(Result::ok);
    match (envelope.method, envelope.result, envelope.error) {
        (Some(method), None, None) => {
            let method: String = serde_json::from_str(method.get())
                .map_err(|_| wrong(format!("\"method\" must be a string, it is {}", short(method.get()))))?;
            let params = envelope.params.map(ToOwned::to_owned);
            Ok(match id {
                Some(id) => Message::Request { id, method, params },
                None => Message::Notification { method, params },
            })
        }
        (None, Some(result), None) => {
            if !result.get().starts_with('{') {
                return Err(wrong(format!("\"result\" must be an object, it is {}", short(result.get()))));
            }
            if id.is_none() {
                return Err(wrong("a result without \"id\"".into()));
            }
            Ok(Message::Reply { id, body: Ok(result.to_owned()) })
        }
        (None, None, Some(error)) => {
            let object: ErrorObject = serde_json::from_str(error.get()).map_err(|why| {
                wrong(format!("\"error\" must be an object with an integer \"code\" and a string \"message\": {why}"))
            })?;
            let error = RpcError { code: object.code, message: object.message, data: object.data };
            Ok(Message::Reply { id, body: Err(error) })
        }
        (None, Some(_), Some(_)) => Err(wrong("it has both \"result\" and \"error\"".into())),
        (None, None, None) => Err(wrong("it has no \"method\", \"result\" or \"error\"".into())),
        (Some(_), _, _) => Err(wrong("it has \"method\" beside \"result\" or \"error\"".into())),
    }
}

fn short(json: &str) -> String {
    crate::base::sanitize::one_line(json, 60)
}

/// Writes a request.
#[must_use]
pub fn request(id: &Id, method: &str, params: Option<&Value>) -> Bytes {
    written(&Outgoing { jsonrpc: "2.0", id: Some(id), method, params })
}

/// Writes a request whose parameters were written before: they are sent again and again.
#[must_use]
pub fn request_with(id: &Id, method: &str, params: Option<&RawValue>) -> Bytes {
    written(&Outgoing { jsonrpc: "2.0", id: Some(id), method, params })
}

/// Writes a notification.
#[must_use]
pub fn notification(method: &str, params: Option<&Value>) -> Bytes {
    written(&Outgoing { jsonrpc: "2.0", id: None, method, params })
}

/// A request, or without an id a notification.
#[derive(Serialize)]
struct Outgoing<'a, P: ?Sized> {
    jsonrpc: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    id: Option<&'a Id>,
    method: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    params: Option<&'a P>,
}

fn written(message: &Outgoing<'_, impl Serialize + ?Sized>) -> Bytes {
    let mut text = Vec::with_capacity(512);
    // It is written into memory and has no keys but strings: nothing of it can fail.
    let _ = serde_json::to_writer(&mut text, message);
    Bytes::from(text)
}

/// Writes a reply to a request of the server.
#[must_use]
pub fn reply(id: &Id, body: &Result<Value, RpcError>) -> Bytes {
    let mut object = serde_json::Map::new();
    object.insert("jsonrpc".into(), "2.0".into());
    object.insert("id".into(), id.to_value());
    match body {
        Ok(result) => object.insert("result".into(), result.clone()),
        Err(error) => object.insert("error".into(), error.to_value()),
    };
    Bytes::from(Value::Object(object).to_string())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn one(text: &str) -> Result<Message, Malformed> {
        let mut frames = read(&Bytes::copy_from_slice(text.as_bytes()));
        assert_eq!(frames.len(), 1, "{text}");
        frames.remove(0).parsed
    }

    #[test]
    fn ids_keep_their_type_and_digits() {
        let Ok(Message::Reply { id, body: Ok(_) }) = one(r#"{"jsonrpc":"2.0","id":"7","result":{}}"#) else { panic!() };
        assert_eq!(id, Some(Id::text("7")));
        assert_ne!(id, Some(Id::number(7)));
        let Ok(Message::Reply { id, .. }) = one(r#"{"jsonrpc":"2.0","id":12345678901234567890123,"result":{}}"#) else {
            panic!()
        };
        assert_eq!(id, Some(Id::Number("12345678901234567890123".into())));
    }

    #[test]
    fn errors_may_lack_an_id_and_results_may_not() {
        assert!(matches!(
            one(r#"{"jsonrpc":"2.0","error":{"code":-32600,"message":"x"}}"#),
            Ok(Message::Reply { id: None, body: Err(RpcError { code: -32600, .. }) })
        ));
        assert!(matches!(
            one(r#"{"jsonrpc":"2.0","id":null,"error":{"code":0,"message":"x","data":1}}"#),
            Ok(Message::Reply { id: Some(Id::Null), .. })
        ));
        assert!(one(r#"{"jsonrpc":"2.0","result":{}}"#).is_err());
    }

    #[test]
    fn broken_envelopes_say_which_rule() {
        for (text, rule) in [
            (r#"{"id":1,"result":{}}"#, "\"jsonrpc\": \"2.0\" is missing"),
            (r#"{"jsonrpc":"1.0","id":1,"result":{}}"#, "must be \"2.0\""),
            (r#"{"jsonrpc":"2.0","id":1,"result":{},"error":{"code":1,"message":""}}"#, "both"),
            (r#"{"jsonrpc":"2.0","id":1}"#, "no \"method\""),
            (r#"{"jsonrpc":"2.0","id":1,"result":[]}"#, "must be an object"),
            (r#"{"jsonrpc":"2.0","id":1,"result":null}"#, "must be an object"),
            (r#"{"jsonrpc":"2.0","id":{},"result":{}}"#, "\"id\" must be"),
            (r#"{"jsonrpc":"2.0","id":1,"error":{"code":"1","message":""}}"#, "integer \"code\""),
            (r#"{"jsonrpc":"2.0","id":1,"error":"boom"}"#, "\"error\" must be"),
            (r#"{"jsonrpc":"2.0","id":1,"id":2,"result":{}}"#, "duplicate field"),
            ("[]", "empty array"),
            ("\"x\"", "no object"),
        ] {
            let error = one(text).unwrap_err().to_string();
            assert!(error.contains(rule), "{text}: {error}");
        }
        assert!(matches!(one("Server ready"), Err(Malformed::NotJson { .. })));
        assert!(matches!(one("{\"jsonrpc\":"), Err(Malformed::NotJson { .. })));
    }

    #[test]
    fn a_wrong_reply_still_names_its_call() {
        let error = one(r#"{"jsonrpc":"2.0","id":4,"result":{},"error":{"code":1,"message":"x"}}"#).unwrap_err();
        assert_eq!(error.id(), Some(&Id::number(4)));
    }

    #[test]
    fn batches_are_taken_apart() {
        let frames = read(&Bytes::from_static(
            br#"[{"jsonrpc":"2.0","id":1,"result":{}},{"jsonrpc":"2.0","method":"notifications/x"}]"#,
        ));
        assert_eq!(frames.len(), 2);
        assert!(frames.iter().all(|frame| frame.batched && frame.parsed.is_ok()));
    }

    #[test]
    fn what_we_write_we_can_read() {
        let raw = request(&Id::text("p-1"), "tools/list", Some(&serde_json::json!({"cursor": ""})));
        assert_eq!(&raw[..], br#"{"jsonrpc":"2.0","id":"p-1","method":"tools/list","params":{"cursor":""}}"#);
        assert!(matches!(read(&raw).remove(0).parsed, Ok(Message::Request { .. })));
        let params = RawValue::from_string(r#"{"cursor":""}"#.to_owned()).unwrap();
        assert_eq!(request_with(&Id::text("p-1"), "tools/list", Some(&params)), raw);
        for (id, written) in [(Id::number(7), "7"), (Id::Number("-1.5".into()), "-1.5"), (Id::Null, "null")] {
            let text = format!(r#"{{"jsonrpc":"2.0","id":{written},"method":"a"}}"#);
            assert_eq!(
                (&request(&id, "a", None)[..], &request_with(&id, "a", None)[..]),
                (text.as_bytes(), text.as_bytes())
            );
        }
    }
}

//! Unary calls of gRPC over HTTP/2: one try on a connection of its own, `grpc-status` judged. A collector is called every few
//! seconds; a connection that is held between would only be one more thing that can be stale.
//! Source: gRPC over HTTP2 (PROTOCOL-HTTP2.md), OTLP 1.x "OTLP/gRPC response".

use std::sync::Arc;
use std::time::Duration;

use base64::Engine as _;
use base64::engine::GeneralPurpose;
use base64::engine::general_purpose::{GeneralPurposeConfig, STANDARD};
use base64::engine::{DecodePaddingMode, GeneralPurpose as Base64};
use bytes::{Buf as _, Bytes};
use http::{HeaderMap, HeaderName, HeaderValue, Method, Request, Response, StatusCode, Uri, Version};
use http_body_util::{BodyExt as _, Full};
use hyper::body::Incoming;
use hyper_util::rt::{TokioExecutor, TokioIo};
use prost::Message as _;
use rustls::ClientConfig;
use rustls::pki_types::ServerName;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;
use url::Url;

use super::courier::{chain, origin};
use super::partial::judge_body;
use super::{GrpcPayload, RETRY_AFTER_MAX, Receipt};
use crate::base::{duration, percent};

/// Bytes of an answer that are read.
const ANSWER_BYTES_MAX: usize = 64 * 1024;

/// Makes one call and judges the answer. `tls` is for `https`.
pub(super) async fn call(payload: &GrpcPayload, tls: Option<Arc<ClientConfig>>) -> Receipt {
    let place = origin(payload.url.reveal());
    match tokio::time::timeout(payload.timeout, exchange(payload, tls)).await {
        Ok(Ok(answer)) => answer.judge(&place),
        Ok(Err(Trouble::Ours(why))) => Receipt::refused(format!("{place}: {why}")),
        Ok(Err(Trouble::Theirs(why))) => Receipt::failed(format!("{place}: {why}")),
        Err(_) => Receipt::failed(format!(
            "{place}: expected an answer within {}, none came",
            duration::written(payload.timeout)
        )),
    }
}

/// Why there is no answer.
enum Trouble {
    /// It cannot be sent, now or later.
    Ours(String),
    /// It may work later.
    Theirs(String),
}

fn theirs(error: &dyn std::error::Error) -> Trouble {
    Trouble::Theirs(chain(error))
}

async fn exchange(payload: &GrpcPayload, tls: Option<Arc<ClientConfig>>) -> Result<Answer, Trouble> {
    let url = Url::parse(payload.url.reveal()).map_err(|_| Trouble::Ours("the address is no URL".to_owned()))?;
    let host = url.host_str().unwrap_or_default().trim_matches(['[', ']']).to_owned();
    let port = url.port_or_known_default().unwrap_or(4317);
    let request = request(payload, &url)?;
    let stream = TcpStream::connect((host.as_str(), port)).await.map_err(|error| theirs(&error))?;
    // A request that waits for the acknowledgement of its first half is slow for nothing.
    let _ = stream.set_nodelay(true);
    match tls {
        None => over(stream, request).await,
        Some(config) => {
            let name = ServerName::try_from(host).map_err(|_| Trouble::Ours("the host is no name".to_owned()))?;
            let secured = TlsConnector::from(config).connect(name, stream).await.map_err(|error| theirs(&error))?;
            if secured.get_ref().1.alpn_protocol() != Some(b"h2") {
                return Err(Trouble::Theirs("the server does not speak HTTP/2, which gRPC needs".to_owned()));
            }
            over(secured, request).await
        }
    }
}

async fn over<S>(stream: S, request: Request<Full<Bytes>>) -> Result<Answer, Trouble>
where
    S: AsyncRead + AsyncWrite + Unpin + Send + 'static,
{
    let builder = hyper::client::conn::http2::Builder::new(TokioExecutor::new());
    let (mut sender, connection) = builder.handshake(TokioIo::new(stream)).await.map_err(|error| theirs(&error))?;
    let asked = async {
        let response = sender.send_request(request).await.map_err(|error| theirs(&error))?;
        Answer::read(response).await
    };
    tokio::select! {
        biased;
        answer = asked => answer,
        ended = connection => Err(match ended {
            Ok(()) => Trouble::Theirs("the connection was closed without an answer".to_owned()),
            Err(error) => theirs(&error),
        }),
    }
}

fn request(payload: &GrpcPayload, url: &Url) -> Result<Request<Full<Bytes>>, Trouble> {
    let authority = &url[url::Position::BeforeHost..url::Position::AfterPort];
    let uri = Uri::builder().scheme(url.scheme()).authority(authority).path_and_query(payload.method).build();
    let mut request = Request::new(Full::new(framed(payload)?));
    *request.method_mut() = Method::POST;
    *request.version_mut() = Version::HTTP_2;
    *request.uri_mut() = uri.map_err(|error| Trouble::Ours(error.to_string()))?;
    let headers = request.headers_mut();
    for (name, value) in &payload.headers {
        let header = HeaderName::try_from(name.as_str())
            .map_err(|_| Trouble::Ours(format!("{name:?} is no name of a header")))?;
        let mut value = HeaderValue::try_from(value.reveal()).map_err(|_| {
            Trouble::Ours(format!("the value of header {name} holds characters that HTTP does not allow"))
        })?;
        value.set_sensitive(true);
        headers.append(header, value);
    }
    headers.insert("content-type", HeaderValue::from_static("application/grpc"));
    headers.insert("te", HeaderValue::from_static("trailers"));
    headers.insert("user-agent", HeaderValue::from_static(concat!("mcp-probe/", env!("CARGO_PKG_VERSION"))));
    if payload.gzip {
        headers.insert("grpc-encoding", HeaderValue::from_static("gzip"));
    }
    if let Ok(millis) = u64::try_from(payload.timeout.as_millis()) {
        // At most eight digits.
        let value = if millis < 100_000_000 { format!("{millis}m") } else { format!("{}S", millis / 1000) };
        headers.extend(HeaderValue::try_from(value).ok().map(|value| (HeaderName::from_static("grpc-timeout"), value)));
    }
    Ok(request)
}

/// The message behind its prefix: whether it is compressed, and its length.
fn framed(payload: &GrpcPayload) -> Result<Bytes, Trouble> {
    let length =
        u32::try_from(payload.message.len()).map_err(|_| Trouble::Ours("the message is too long".to_owned()))?;
    let mut frame = Vec::with_capacity(payload.message.len() + 5);
    frame.push(u8::from(payload.gzip));
    frame.extend_from_slice(&length.to_be_bytes());
    frame.extend_from_slice(&payload.message);
    Ok(frame.into())
}

struct Answer {
    status: StatusCode,
    headers: HeaderMap,
    trailers: HeaderMap,
    body: Vec<u8>,
}

impl Answer {
    async fn read(response: Response<Incoming>) -> Result<Self, Trouble> {
        let (parts, mut stream) = response.into_parts();
        let (mut body, mut trailers) = (Vec::new(), HeaderMap::new());
        while let Some(frame) = stream.frame().await {
            match frame.map_err(|error| theirs(&error))?.into_data() {
                Ok(data) => body.extend_from_slice(&data[..data.len().min(ANSWER_BYTES_MAX - body.len())]),
                Err(frame) => trailers = frame.into_trailers().unwrap_or_default(),
            }
        }
        Ok(Self { status: parts.status, headers: parts.headers, trailers, body })
    }

    /// In the trailers, or, where there is nothing else, in the head.
    fn said(&self, name: &str) -> Option<&str> {
        self.trailers.get(name).or_else(|| self.headers.get(name))?.to_str().ok()
    }

    fn judge(&self, place: &str) -> Receipt {
        let Some(code) = self.said("grpc-status").and_then(|code| code.trim().parse::<u32>().ok()) else {
            let why = format!("{place}: expected a gRPC status, got HTTP {}", self.status.as_u16());
            // As gRPC maps what stands between: 429 and 502 to 504 are "unavailable".
            return match self.status.as_u16() {
                200 | 429 | 502..=504 => Receipt::failed(why),
                status => Receipt::Refused { why, status: Some(status) },
            };
        };
        if code == 0 {
            // A message that is compressed nobody asked for.
            let mut body = &self.body[..];
            let plain = body.len() >= 5 && body.get_u8() == 0;
            return judge_body(place, if plain { &body[4..] } else { &[] });
        }
        let said = self.said("grpc-message").map(percent::decoded).unwrap_or_default();
        let name = NAMES.get(code as usize).copied().unwrap_or("an unknown status");
        let why = format!(
            "{place}: expected gRPC status 0, got {code} ({name}){}{said}",
            if said.is_empty() { "" } else { ": " }
        );
        let retry_after = self.said("grpc-status-details-bin").and_then(retry_info);
        match code {
            // Cancelled, deadline exceeded, aborted, out of range, unavailable, data loss.
            1 | 4 | 10 | 11 | 14 | 15 => Receipt::Failed { why, retry_after },
            // Exhausted: only where the server says that it will recover.
            8 if retry_after.is_some() => Receipt::Failed { why, retry_after },
            _ => Receipt::refused(why),
        }
    }
}

/// The codes of gRPC by their numbers.
const NAMES: [&str; 17] = [
    "ok",
    "cancelled",
    "unknown",
    "invalid argument",
    "deadline exceeded",
    "not found",
    "already exists",
    "permission denied",
    "resource exhausted",
    "failed precondition",
    "aborted",
    "out of range",
    "unimplemented",
    "internal",
    "unavailable",
    "data loss",
    "unauthenticated",
];

/// `google.rpc.Status` with what explains it.
#[derive(Clone, PartialEq, prost::Message)]
struct Status {
    #[prost(message, repeated, tag = "3")]
    details: Vec<Detail>,
}

/// `google.protobuf.Any`.
#[derive(Clone, PartialEq, prost::Message)]
struct Detail {
    #[prost(string, tag = "1")]
    type_url: String,
    #[prost(bytes = "vec", tag = "2")]
    value: Vec<u8>,
}

/// `google.rpc.RetryInfo`.
#[derive(Clone, PartialEq, prost::Message)]
struct RetryInfo {
    #[prost(message, optional, tag = "1")]
    delay: Option<Delay>,
}

/// `google.protobuf.Duration`.
#[derive(Clone, PartialEq, prost::Message)]
struct Delay {
    #[prost(int64, tag = "1")]
    seconds: i64,
    #[prost(int32, tag = "2")]
    nanos: i32,
}

/// How long the server asks to be left alone.
fn retry_info(details: &str) -> Option<Duration> {
    let lenient = GeneralPurposeConfig::new().with_decode_padding_mode(DecodePaddingMode::Indifferent);
    let base64: GeneralPurpose = Base64::new(&base64::alphabet::STANDARD, lenient);
    let bytes = base64.decode(details.trim()).or_else(|_| STANDARD.decode(details.trim())).ok()?;
    let status = Status::decode(&bytes[..]).ok()?;
    let info = status.details.iter().find(|detail| detail.type_url.ends_with("google.rpc.RetryInfo"))?;
    let delay = RetryInfo::decode(&info.value[..]).ok()?.delay.unwrap_or_default();
    let asked = Duration::new(u64::try_from(delay.seconds).unwrap_or(0), u32::try_from(delay.nanos).unwrap_or(0));
    Some(asked.min(RETRY_AFTER_MAX))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn answer(status: u16, trailers: &[(&'static str, &str)], body: &[u8]) -> Answer {
        let trailers =
            trailers.iter().map(|(name, value)| (HeaderName::from_static(name), value.parse().unwrap())).collect();
        Answer { status: StatusCode::from_u16(status).unwrap(), headers: HeaderMap::new(), trailers, body: body.into() }
    }

    fn details(seconds: i64) -> String {
        let info = RetryInfo { delay: Some(Delay { seconds, nanos: 0 }) };
        let type_url = "type.googleapis.com/google.rpc.RetryInfo".to_owned();
        let status = Status { details: vec![Detail { type_url, value: info.encode_to_vec() }] };
        base64::engine::general_purpose::STANDARD_NO_PAD.encode(status.encode_to_vec())
    }

    #[test]
    fn only_what_may_pass_is_tried_again() {
        let judged = |answer: &Answer| match answer.judge("http://h") {
            Receipt::Delivered => "delivered".to_owned(),
            Receipt::Partly { rejected, .. } => format!("partly {rejected}"),
            Receipt::Refused { .. } => "refused".to_owned(),
            Receipt::Failed { retry_after, .. } => format!("failed {retry_after:?}"),
            Receipt::Cut => "cut".to_owned(),
        };
        assert_eq!(judged(&answer(200, &[("grpc-status", "0")], &[0, 0, 0, 0, 0])), "delivered");
        assert_eq!(judged(&answer(200, &[("grpc-status", "0")], &[])), "delivered");
        assert_eq!(judged(&answer(200, &[("grpc-status", "0")], &[0, 0, 0, 0, 4, 10, 2, 8, 3])), "partly 3");
        for code in ["1", "4", "10", "11", "14", "15"] {
            assert_eq!(judged(&answer(200, &[("grpc-status", code)], &[])), "failed None", "{code}");
        }
        for code in ["2", "3", "5", "7", "8", "12", "13", "16", "99"] {
            assert_eq!(judged(&answer(200, &[("grpc-status", code)], &[])), "refused", "{code}");
        }
        let told = details(7);
        let exhausted = [("grpc-status", "8"), ("grpc-status-details-bin", told.as_str())];
        assert_eq!(judged(&answer(200, &exhausted, &[])), "failed Some(7s)");
        for (status, expected) in [(503, "failed None"), (429, "failed None"), (404, "refused"), (500, "refused")] {
            assert_eq!(judged(&answer(status, &[], &[])), expected, "{status}");
        }
        let said = answer(200, &[("grpc-status", "3"), ("grpc-message", "no%20such%C3%A9%")], &[]);
        let Receipt::Refused { why, .. } = said.judge("http://h") else { panic!() };
        assert_eq!(why, "http://h: expected gRPC status 0, got 3 (invalid argument): no suché%");
    }
}

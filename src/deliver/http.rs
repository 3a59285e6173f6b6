//! Requests to receivers: one try, no redirect, a bounded answer. Which answers are receipts, which are refusals, and
//! which are worth another try is decided here.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use jiff::Timestamp;
use reqwest::StatusCode;
use reqwest::header::{HeaderName, HeaderValue, RETRY_AFTER};
use rustls::ClientConfig;
use tokio::sync::OnceCell;

use super::courier::{chain, origin};
use super::partial::{judge_body, said};
use super::{Accept, GrpcPayload, HttpPayload, RETRY_AFTER_MAX, Receipt, Retry, TlsFiles, grpc, tls};
use crate::base::duration;
use crate::base::stamp::Stamp;

/// Bytes of an answer that are read.
const ANSWER_BYTES_MAX: usize = 64 * 1024;
/// Connections that nobody uses are closed before most receivers would do it.
const IDLE_MAX: Duration = Duration::from_secs(30);

/// Clients with certificates of their own: as many as there are receivers that want them, in files of one plan.
const OWN_MAX: usize = 64;

/// A client with certificates of its own, and the files as they were when it was made.
struct Own {
    stamps: Vec<Option<Stamp>>,
    client: reqwest::Client,
}

/// The two clients that most receivers share, and those of receivers with certificates of their own. Plain HTTP never
/// reads a certificate.
#[derive(Default)]
pub(super) struct Clients {
    plain: OnceCell<reqwest::Client>,
    secure: OnceCell<reqwest::Client>,
    own: Mutex<HashMap<Arc<TlsFiles>, Own>>,
}

impl Clients {
    /// Sends one request and judges the answer.
    pub(super) async fn send(&self, payload: &HttpPayload) -> Receipt {
        match tokio::time::timeout(payload.timeout, self.exchange(payload)).await {
            Ok(receipt) => receipt,
            Err(_) => Receipt::failed(format!(
                "{}: expected an answer within {}, none came",
                origin(payload.url.reveal()),
                duration::written(payload.timeout)
            )),
        }
    }

    /// Makes one call of gRPC and judges the answer. Proxies are not used.
    pub(super) async fn call(&self, payload: &GrpcPayload) -> Receipt {
        let secure = payload.url.reveal().get(..6).is_some_and(|scheme| scheme.eq_ignore_ascii_case("https:"));
        if !secure {
            return grpc::call(payload, None).await;
        }
        match tls::config(true, payload.tls.clone(), &[b"h2"]).await {
            Ok(config) => grpc::call(payload, Some(Arc::new(config))).await,
            Err(why) => Receipt::failed(format!("{}: {why}", origin(payload.url.reveal()))),
        }
    }

    async fn exchange(&self, payload: &HttpPayload) -> Receipt {
        let place = origin(payload.url.reveal());
        let client = match self.client(payload.url.reveal(), payload.tls.as_ref()).await {
            Ok(client) => client,
            Err(why) => return Receipt::failed(format!("{place}: {why}")),
        };
        let request = match request(&client, payload) {
            Ok(request) => request,
            Err(why) => return Receipt::refused(format!("{place}: {why}")),
        };
        match client.execute(request).await {
            Ok(response) => judge(&place, response, payload).await,
            Err(error) => Receipt::failed(format!("{place}: {}", chain(&error.without_url()))),
        }
    }

    async fn client(&self, url: &str, files: Option<&Arc<TlsFiles>>) -> Result<reqwest::Client, String> {
        let secure = url.get(..6).is_some_and(|scheme| scheme.eq_ignore_ascii_case("https:"));
        if let Some(files) = files.filter(|_| secure) {
            return self.own(files).await;
        }
        // A proxy may want TLS where the receiver does not.
        let slot = if secure || proxied_by_tls() { &self.secure } else { &self.plain };
        let trusting = std::ptr::eq(slot, &raw const self.secure);
        slot.get_or_try_init(|| made(trusting, None)).await.cloned()
    }

    /// The client with these certificates. They are read again when they are not what they were: certificates are renewed.
    async fn own(&self, files: &Arc<TlsFiles>) -> Result<reqwest::Client, String> {
        // Looked at before they are read: what changes in between is read again the next time.
        let stamps = stamps(Arc::clone(files)).await?;
        if let Some(own) = self.own.lock().unwrap_or_else(PoisonError::into_inner).get(files)
            && own.stamps == stamps
        {
            return Ok(own.client.clone());
        }
        let client = made(true, Some(Arc::clone(files))).await?;
        let mut own = self.own.lock().unwrap_or_else(PoisonError::into_inner);
        if own.len() >= OWN_MAX {
            own.clear();
        }
        own.insert(Arc::clone(files), Own { stamps, client: client.clone() });
        Ok(client)
    }
}

async fn stamps(files: Arc<TlsFiles>) -> Result<Vec<Option<Stamp>>, String> {
    let looked = tokio::task::spawn_blocking(move || files.paths().map(|path| Stamp::of(path)).collect());
    looked.await.map_err(|error| error.to_string())
}

async fn made(trusting: bool, files: Option<Arc<TlsFiles>>) -> Result<reqwest::Client, String> {
    let config = tls::config(trusting, files, &[b"h2", b"http/1.1"]).await?;
    build(config).map_err(|error| chain(&error))
}

fn proxied_by_tls() -> bool {
    ["http_proxy", "HTTP_PROXY", "all_proxy", "ALL_PROXY"]
        .iter()
        .filter_map(|name| std::env::var(name).ok())
        .any(|proxy| proxy.starts_with("https:"))
}

fn build(config: ClientConfig) -> reqwest::Result<reqwest::Client> {
    reqwest::Client::builder()
        .tls_backend_preconfigured(config)
        .retry(reqwest::retry::never())
        .redirect(reqwest::redirect::Policy::none())
        .pool_idle_timeout(IDLE_MAX)
        .user_agent(concat!("mcp-probe/", env!("CARGO_PKG_VERSION")))
        .build()
}

fn request(client: &reqwest::Client, payload: &HttpPayload) -> Result<reqwest::Request, String> {
    let method = reqwest::Method::from_bytes(payload.method.as_bytes()).map_err(|_| "no method of HTTP".to_owned())?;
    let mut request = client.request(method, payload.url.reveal()).body(payload.body.clone());
    for (name, value) in &payload.headers {
        let header = HeaderName::try_from(name.as_str()).map_err(|_| format!("{name:?} is no name of a header"))?;
        let mut value = HeaderValue::try_from(value.reveal())
            .map_err(|_| format!("the value of header {name} holds characters that HTTP does not allow"))?;
        value.set_sensitive(true);
        request = request.header(header, value);
    }
    request.build().map_err(|error| chain(&error.without_url()))
}

async fn judge(place: &str, mut response: reqwest::Response, payload: &HttpPayload) -> Receipt {
    let accept = payload.accept;
    let status = response.status();
    let retry_after = response
        .headers()
        .get(RETRY_AFTER)
        .and_then(|value| value.to_str().ok())
        .and_then(|text| wait(text, Timestamp::now()));
    let location = response.headers().contains_key(reqwest::header::LOCATION);
    if status.is_success() {
        match accept {
            Accept::Status => return Receipt::Delivered,
            Accept::Header(name) if response.headers().contains_key(name) => return Receipt::Delivered,
            // Whoever does not say what it wrote has not understood what it was sent.
            Accept::Header(name) => {
                let why = format!("{place}: expected an answer with the header {name}, got {}", worded(status));
                return Receipt::Refused { why, status: Some(StatusCode::UNSUPPORTED_MEDIA_TYPE.as_u16()) };
            }
            _ => {}
        }
    }
    let body = answer(&mut response).await;
    if status.is_success() {
        return match body {
            Ok(body) if accept == Accept::Export => judge_body(place, &body),
            Ok(body) => read(place, &body, accept, retry_after),
            Err(error) => Receipt::failed(format!("{place}: the answer broke off: {}", chain(&error.without_url()))),
        };
    }
    let said = body.map(|body| match accept {
        Accept::Export => quoted(said(&body).as_bytes()),
        _ => quoted(&body),
    });
    let said = said.unwrap_or_default();
    let why = format!("{place}: expected a status from 200 to 299, got {}{said}", worded(status));
    let why = if status.is_redirection() && location {
        format!("{why}; redirects are not followed: write the address it leads to")
    } else {
        why
    };
    if helps(payload.retry, status) {
        Receipt::Failed { why, retry_after }
    } else {
        Receipt::Refused { why, status: Some(status.as_u16()) }
    }
}

/// Whether another try may help after this answer.
fn helps(retry: Retry, status: StatusCode) -> bool {
    match retry {
        Retry::Only(statuses) => statuses.contains(&status.as_u16()),
        Retry::Busy => status.is_server_error() || status.as_u16() == 429,
        Retry::Usual => status.is_server_error() || matches!(status.as_u16(), 408 | 425 | 429),
    }
}

fn worded(status: StatusCode) -> String {
    match status.canonical_reason() {
        Some(words) => format!("{} {words}", status.as_u16()),
        None => status.as_u16().to_string(),
    }
}

/// What a receiver said, where it said anything.
fn quoted(body: &[u8]) -> String {
    let text = String::from_utf8_lossy(body);
    let text = text.trim();
    if text.is_empty() { String::new() } else { format!(": {text}") }
}

/// Whether a body is a receipt.
fn read(place: &str, body: &[u8], accept: Accept, retry_after: Option<Duration>) -> Receipt {
    let text = String::from_utf8_lossy(body);
    let failed = |expected: &str| Receipt::Failed {
        why: format!(
            "{place}: expected {expected}, got{}",
            if text.trim().is_empty() { " nothing".into() } else { quoted(body) }
        ),
        retry_after,
    };
    match accept {
        Accept::Word(word) if text.trim() == word => Receipt::Delivered,
        Accept::Word(word) => failed(&format!("the answer {word:?}")),
        Accept::Json(key, value) => {
            let object: Option<serde_json::Value> = serde_json::from_slice(body).ok();
            match object.as_ref().and_then(|object| object.get(key)).and_then(serde_json::Value::as_str) {
                Some(have) if have == value => Receipt::Delivered,
                _ => failed(&format!("an answer whose `{key}` is {value:?}")),
            }
        }
        Accept::Without { refused, .. } if refused.iter().any(|word| text.contains(word)) => {
            Receipt::refused(format!("{place}: it answered{}", quoted(body)))
        }
        Accept::Without { later, .. } if later.iter().any(|word| text.contains(word)) => failed("a receipt"),
        Accept::Status | Accept::Export | Accept::Header(_) | Accept::Without { .. } => Receipt::Delivered,
    }
}

/// The first part of the answer's body.
async fn answer(response: &mut reqwest::Response) -> reqwest::Result<Vec<u8>> {
    let mut body = Vec::new();
    while let Some(chunk) = response.chunk().await? {
        let room = ANSWER_BYTES_MAX - body.len();
        body.extend_from_slice(&chunk[..chunk.len().min(room)]);
        if body.len() == ANSWER_BYTES_MAX {
            break;
        }
    }
    Ok(body)
}

/// `Retry-After`: seconds, or a date of HTTP.
fn wait(text: &str, now: Timestamp) -> Option<Duration> {
    let text = text.trim();
    let asked = if text.bytes().all(|byte| byte.is_ascii_digit()) {
        Duration::from_secs(text.parse().unwrap_or(u64::MAX))
    } else {
        let date = jiff::fmt::rfc2822::DateTimeParser::new().parse_timestamp(text).ok()?;
        Duration::try_from(date.duration_since(now)).unwrap_or_default()
    };
    (!text.is_empty()).then_some(asked.min(RETRY_AFTER_MAX))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn retry_after_is_seconds_or_a_date() {
        let now: Timestamp = "2026-01-15T09:32:45Z".parse().unwrap();
        for (text, seconds) in [
            ("120", Some(120)),
            (" 0 ", Some(0)),
            ("99999999999999999999999", Some(3600)),
            ("Thu, 15 Jan 2026 09:33:00 GMT", Some(15)),
            ("Thu, 15 Jan 2026 09:00:00 GMT", Some(0)),
            ("Fri, 16 Jan 2026 09:33:00 GMT", Some(3600)),
            ("", None),
            ("soon", None),
        ] {
            assert_eq!(wait(text, now), seconds.map(Duration::from_secs), "{text:?}");
        }
    }

    #[test]
    fn a_status_of_success_may_still_be_no_receipt() {
        const PING: Accept = Accept::Without { refused: &["not found"], later: &["rate limited"] };
        let receipt = |accept, body: &str| match read("http://h", body.as_bytes(), accept, None) {
            Receipt::Delivered => "delivered",
            Receipt::Partly { .. } => "partly",
            Receipt::Refused { .. } => "refused",
            Receipt::Failed { .. } => "failed",
            Receipt::Cut => "cut",
        };
        assert_eq!(receipt(Accept::Word("ok"), "ok\n"), "delivered");
        assert_eq!(receipt(Accept::Word("ok"), "invalid_token"), "failed");
        assert_eq!(receipt(Accept::Word("ok"), ""), "failed");
        assert_eq!(receipt(Accept::Json("status", "success"), r#"{"status":"success","dedup_key":"x"}"#), "delivered");
        assert_eq!(receipt(Accept::Json("status", "success"), r#"{"status":"invalid event"}"#), "failed");
        assert_eq!(receipt(Accept::Json("status", "success"), "<html>"), "failed");
        assert_eq!(receipt(PING, "OK"), "delivered");
        assert_eq!(receipt(PING, "OK (not found)"), "refused");
        assert_eq!(receipt(PING, "OK (rate limited)"), "failed");
    }
}

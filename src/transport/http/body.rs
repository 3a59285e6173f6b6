//! The body of an answer, chunk by chunk, decompressed and bounded. Read to its end, it gives the connection back.

use std::io::Write;
use std::sync::Arc;
use std::time::Instant;

use bytes::{Bytes, BytesMut};
use flate2::write::{GzDecoder, ZlibDecoder};

use super::client::Client;
use super::connection::Connection;
use super::fault;
use super::pool::Draining;
use crate::event::{Finding, Reason, Severity};
use crate::transport::{Fault, Head};

/// Compressed bytes are fed in slices this long: each gives at most about a thousand times as much.
const INFLATE_SLICE_BYTES: usize = 1024;
/// After so much whoever waits for something else is looked after: time-outs, and what other servers say.
const IN_A_ROW_BYTES_MAX: usize = 256 * 1024;
/// What messages may show of a body that broke off.
const SAMPLE_BYTES_MAX: usize = 256;

/// What a body is, by its content type.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::transport) enum Kind {
    /// One JSON text.
    Json,
    /// Server-sent events.
    Events,
    /// A page, a sentence, nothing.
    Other,
}

impl Kind {
    /// Reads the content type; parameters such as `charset` do not matter.
    pub(in crate::transport) fn of(head: &Head) -> Self {
        let value = head.header("content-type").unwrap_or_default();
        let essence = value.split(';').next().unwrap_or_default().trim();
        let is = |kind: &str| essence.eq_ignore_ascii_case(kind);
        let is_a_json = || essence.split('+').skip(1).last().is_some_and(|suffix| suffix.eq_ignore_ascii_case("json"));
        if is("application/json") || is("text/json") || is_a_json() {
            Self::Json
        } else if is("text/event-stream") {
            Self::Events
        } else {
            Self::Other
        }
    }
}

enum Inflate {
    Gzip(GzDecoder<Vec<u8>>),
    Zlib(ZlibDecoder<Vec<u8>>),
}

impl Inflate {
    fn feed(&mut self, slice: &[u8]) -> std::io::Result<Vec<u8>> {
        let inner = match self {
            Self::Gzip(decoder) => {
                decoder.write_all(slice)?;
                decoder.flush()?;
                decoder.get_mut()
            }
            Self::Zlib(decoder) => {
                decoder.write_all(slice)?;
                decoder.flush()?;
                decoder.get_mut()
            }
        };
        Ok(std::mem::take(inner))
    }
}

/// A body on its way.
pub(in crate::transport) struct Body {
    client: Arc<Client>,
    connection: Option<Connection>,
    inflate: Option<Inflate>,
    /// Compressed bytes that were not fed yet.
    compressed: Bytes,
    announced: Option<u64>,
    received: u64,
    /// Bytes handed on since others had their turn.
    in_a_row: usize,
    sample: Vec<u8>,
    draining: Option<Draining>,
    at: Instant,
}

impl Body {
    pub(super) fn new(client: Arc<Client>, connection: Connection, head: &Head) -> Result<Self, Fault> {
        let inflate = match head.header("content-encoding").map(|value| value.trim().to_ascii_lowercase()) {
            None => None,
            Some(coding) => match coding.as_str() {
                "" | "identity" => None,
                "gzip" | "x-gzip" => Some(Inflate::Gzip(GzDecoder::new(Vec::new()))),
                "deflate" => Some(Inflate::Zlib(ZlibDecoder::new(Vec::new()))),
                other => {
                    let message = format!(
                        "the answer is encoded as {other:?}, which nobody asked for: expected no encoding, or gzip"
                    );
                    return Err(Fault::new(Reason::Http, message));
                }
            },
        };
        if inflate.is_some() && !client.template().asks_gzip {
            client.notice(Finding::new(
                "http.gzip_unasked",
                Severity::Warning,
                "no content-encoding, because the request had no accept-encoding",
                format!("content-encoding: {}", head.header("content-encoding").unwrap_or_default()),
            ));
        }
        let announced = head.header("content-length").and_then(|value| value.parse().ok());
        let (_, at) = connection.read();
        Ok(Self {
            client,
            connection: Some(connection),
            inflate,
            compressed: Bytes::new(),
            announced,
            received: 0,
            in_a_row: 0,
            sample: Vec::new(),
            draining: None,
            at,
        })
    }

    /// The next bytes and when they were read; `None` at the end. Cancel-safe.
    pub(in crate::transport) async fn chunk(&mut self) -> Result<Option<(Bytes, Instant)>, Fault> {
        if self.in_a_row >= IN_A_ROW_BYTES_MAX {
            self.in_a_row = 0;
            tokio::task::yield_now().await;
        }
        loop {
            if let Some(chunk) = self.inflated()? {
                self.in_a_row += chunk.len();
                return Ok(Some((chunk, self.at)));
            }
            let Some(connection) = &mut self.connection else { return Ok(None) };
            match connection.chunk().await {
                Ok(None) => self.finish(),
                Ok(Some(data)) => {
                    (_, self.at) = connection.read();
                    self.received += data.len() as u64;
                    if self.inflate.is_some() {
                        self.compressed = data;
                    } else if !data.is_empty() {
                        self.keep_sample(&data);
                        self.in_a_row += data.len();
                        return Ok(Some((data, self.at)));
                    }
                }
                Err(broken) => {
                    let fault = fault::of_body(&broken, self.received, self.announced, &self.sample);
                    return Err(self.client.named(fault));
                }
            }
        }
    }

    fn inflated(&mut self) -> Result<Option<Bytes>, Fault> {
        let Some(inflate) = &mut self.inflate else { return Ok(None) };
        while !self.compressed.is_empty() {
            let slice = self.compressed.split_to(self.compressed.len().min(INFLATE_SLICE_BYTES));
            let text = inflate.feed(&slice).map_err(|error| {
                Fault::new(Reason::Protocol, format!("the compressed body cannot be decompressed: {error}"))
            })?;
            if !text.is_empty() {
                self.keep_sample(&text);
                return Ok(Some(text.into()));
            }
        }
        Ok(None)
    }

    fn keep_sample(&mut self, data: &[u8]) {
        let room = SAMPLE_BYTES_MAX - self.sample.len();
        self.sample.extend_from_slice(&data[..data.len().min(room)]);
    }

    fn finish(&mut self) {
        if let Some(connection) = self.connection.take() {
            self.client.pool.give_back(connection, &self.client.tasks);
        }
        self.draining = None;
    }

    /// When the latest bytes were read.
    pub(in crate::transport) fn at(&self) -> Instant {
        self.at
    }

    /// The reply has come; what is left is the end of the stream.
    pub(in crate::transport) fn drain(&mut self) {
        if self.draining.is_none() && self.connection.as_ref().is_some_and(|connection| !connection.is_h2()) {
            self.draining = Some(self.client.pool.drain());
        }
    }

    /// The limit of one body, or of one event.
    pub(in crate::transport) fn limit(&self) -> usize {
        self.client.template().body_bytes_max
    }

    /// The whole body, at most the limit.
    pub(in crate::transport) async fn whole(&mut self) -> Result<Bytes, Fault> {
        let limit = self.limit();
        if let Some(announced) = self.announced.filter(|announced| *announced > limit as u64) {
            return Err(too_large(announced, limit));
        }
        self.up_to(limit, Bytes::new()).await?.map_err(|seen| too_large(seen.len() as u64, limit))
    }

    /// The body after `start`, where it has at most `limit` bytes; the inner error is its beginning, where it has
    /// more.
    pub(in crate::transport) async fn up_to(
        &mut self,
        limit: usize,
        start: Bytes,
    ) -> Result<Result<Bytes, Bytes>, Fault> {
        let mut text = start;
        while text.len() <= limit {
            let Some((chunk, _)) = self.chunk().await? else { return Ok(Ok(text)) };
            // Most answers are one chunk, which needs no copy.
            text = if text.is_empty() {
                chunk
            } else {
                let mut longer = BytesMut::from(text);
                longer.extend_from_slice(&chunk);
                longer.freeze()
            };
        }
        Ok(Err(text))
    }
}

/// An answer over the limit.
pub(in crate::transport) fn too_large(seen: u64, limit: usize) -> Fault {
    Fault::new(
        Reason::TooLarge,
        format!("the answer has {seen} bytes or more: the limit is {limit} bytes for one message or body"),
    )
}

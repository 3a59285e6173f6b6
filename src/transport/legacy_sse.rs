//! HTTP+SSE of 2024-11-05, deprecated and still deployed: GET opens an event stream whose first event names the
//! endpoint for POSTs; everything the server says comes on that stream, whatever was posted.

use std::sync::Arc;
use std::time::{Duration, Instant};

use bytes::Bytes;
use futures_util::future::BoxFuture;
use url::Url;

use super::http::{Answer, Ask, Body, Client, Fields, Kind, Waiting, bare, too_large};
use super::ongoing::{Ongoing, Teller};
use super::streamable_http::{NOISE_BYTES_MAX, ask};
use super::{Farewell, Fault, Head, Heard, Intent, Key, Link, LinkFacts, Outgoing, What, aside};
use crate::base::sanitize;
use crate::event::{Finding, Reason, TransportKind};
use crate::protocol::refusal;
use crate::wire::event_stream::{Event, EventDecoder, Item};
use crate::wire::message;

/// Of a body that is no stream, messages show this much.
const BODY_CHARS_SHOWN: usize = 160;

/// An open link.
pub(super) struct LegacySse {
    client: Arc<Client>,
    endpoint: Arc<Url>,
    /// The stream, and the POSTs whose status is awaited.
    ongoing: Ongoing,
    /// How the stream ended: the link is of no use any more.
    ended: Option<Fault>,
}

impl LegacySse {
    /// Opens the stream and waits for the name of the endpoint.
    pub(super) async fn open(client: Arc<Client>) -> Result<Self, Fault> {
        client.open().await?;
        let url = Arc::clone(&client.template().url);
        let mut fields = Fields::default();
        fields.set("Accept", "text/event-stream")?;
        let (_, waiting) = client.start(Ask::get(Arc::clone(&url), fields)).await?;
        let Answer { head, mut body, .. } = waiting.answer().await?;
        if !(200..300).contains(&head.status) || Kind::of(&head) != Kind::Events {
            return Err(not_a_stream(&url, &head, &mut body).await);
        }
        let mut stream = Stream { decoder: EventDecoder::new(body.limit()), body, began: None };
        let endpoint = Arc::new(stream.endpoint(&url).await?);
        let mut ongoing = Ongoing::default();
        ongoing.begin(None, |teller| stream.tell(teller));
        Ok(Self { client, endpoint, ongoing, ended: None })
    }

    async fn hand_over(&mut self, outgoing: Outgoing) -> Result<Instant, Fault> {
        if let Some(fault) = &self.ended {
            return Err(fault.clone());
        }
        let (key, intent) = (outgoing.key, outgoing.intent);
        match intent {
            Intent::Request | Intent::OneWay | Intent::Aside => {}
            // The stream is the session: there is nothing to delete and nothing else to listen to.
            Intent::End => {
                let now = Instant::now();
                // Where much is told already, there is more to say than that nothing was done.
                self.ongoing.tell(Heard { key: Some(key), first_byte: now, at: now, what: What::End });
                return Ok(now);
            }
            Intent::Resume | Intent::Listen => {
                return Err(Fault::new(Reason::Internal, "HTTP+SSE has one stream, which is open already"));
            }
        }
        let mut post = Ask { url: Arc::clone(&self.endpoint), ..ask(&self.client, outgoing)? };
        // The answer to a POST is a receipt of no set type.
        post.fields.set("Accept", "*/*")?;
        post.fields.set("Content-Type", "application/json")?;
        if intent == Intent::Aside {
            return aside::send(&mut self.ongoing, &self.client, key, post, move |waiting, teller| {
                receipt(waiting, intent, teller)
            })
            .await;
        }
        let (sent, waiting) = self.ongoing.during(self.client.start(post)).await?;
        self.ongoing.begin(Some((key, intent)), |teller| receipt(waiting, intent, teller));
        Ok(sent)
    }
}

impl Link for LegacySse {
    fn send(&mut self, outgoing: Outgoing) -> BoxFuture<'_, Result<Instant, Fault>> {
        Box::pin(self.hand_over(outgoing))
    }

    fn recv(&mut self) -> BoxFuture<'_, Heard> {
        Box::pin(async move {
            if let Some(fault) = &self.ended {
                let now = Instant::now();
                return Heard { key: None, first_byte: now, at: now, what: What::Fault(fault.clone()) };
            }
            let heard = self.ongoing.next().await;
            if let (None, What::Fault(fault)) = (heard.key, &heard.what) {
                self.ended = Some(fault.clone());
            }
            heard
        })
    }

    fn abandon(&mut self, key: Key) {
        self.ongoing.stop(key);
    }

    fn facts(&self) -> LinkFacts {
        self.client.facts(TransportKind::Sse)
    }

    fn take_findings(&mut self) -> Vec<Finding> {
        self.client.take_findings()
    }

    fn close(mut self: Box<Self>, grace: Duration) -> BoxFuture<'static, Farewell> {
        Box::pin(async move {
            let started = Instant::now();
            self.ongoing.clear();
            let findings = self.client.close(grace).await;
            Farewell { took: started.elapsed(), findings, ..Farewell::default() }
        })
    }
}

impl Drop for LegacySse {
    fn drop(&mut self) {
        self.client.tasks.cancel.cancel();
    }
}

/// Waits for the status of a POST. A refusal is told; that it was taken, only where no reply will follow.
async fn receipt(waiting: Waiting, intent: Intent, teller: Teller) {
    let what = match waiting.answer().await {
        Ok(Answer { head, mut body, .. }) => {
            let text = read_some(&mut body).await;
            match (head.status, intent) {
                (200..300, Intent::OneWay | Intent::Aside) => What::End,
                (200..300, _) => return,
                _ => {
                    let message = format!("the server refused the message: {}", seen(&head, &text));
                    What::Fault(refused(&head, &text, message))
                }
            }
        }
        Err(fault) => What::Fault(fault),
    };
    let now = Instant::now();
    teller.tell(now, now, what).await;
}

async fn read_some(body: &mut Body) -> Bytes {
    match body.up_to(NOISE_BYTES_MAX, Bytes::new()).await {
        Ok(Ok(text) | Err(text)) => text,
        Err(_) => Bytes::new(),
    }
}

/// A refusal about access or load says what helps, whatever was asked; any other is `told` as it was met.
fn refused(head: &Head, text: &Bytes, told: String) -> Fault {
    match head.status {
        401 | 403 | 407 | 429 => {
            let (reason, message) = refusal::read(&head.answer(text), "GET");
            Fault::new(reason, message)
        }
        _ => Fault::new(Reason::Http, told),
    }
}

fn seen(head: &Head, text: &Bytes) -> String {
    let kind =
        head.header("content-type").map_or_else(|| "no content type".to_owned(), |kind| sanitize::one_line(kind, 60));
    let start = &text[..text.len().min(BODY_CHARS_SHOWN * 4)];
    let text = sanitize::one_line(&String::from_utf8_lossy(start), BODY_CHARS_SHOWN);
    let text = if text.is_empty() { "an empty body".to_owned() } else { format!("\"{text}\"") };
    format!("status {}, {kind}, {text}", head.status)
}

async fn not_a_stream(url: &Url, head: &Head, body: &mut Body) -> Fault {
    let text = match Kind::of(head) {
        // It would never end.
        Kind::Events => Bytes::new(),
        Kind::Json | Kind::Other => read_some(body).await,
    };
    let message = format!("expected an event stream (HTTP+SSE) from GET {}, got {}", bare(url), seen(head, &text));
    refused(head, &text, message)
}

/// The server's one stream.
struct Stream {
    body: Body,
    decoder: EventDecoder,
    /// When the first byte of the event at hand was read.
    began: Option<Instant>,
}

impl Stream {
    /// The next event, with the time of its first and its last byte; `None` at the end of the stream.
    async fn event(&mut self) -> Result<Option<(Event, Instant, Instant)>, Fault> {
        loop {
            match self.decoder.next_item() {
                Some(Item::Comment) => self.began = None,
                Some(Item::TooLong { bytes }) => return Err(too_large(bytes, self.body.limit())),
                Some(Item::Event(event)) => {
                    let at = self.body.at();
                    return Ok(Some((event, self.began.take().unwrap_or(at), at)));
                }
                None => {
                    let Some((chunk, at)) = self.body.chunk().await? else { return Ok(None) };
                    self.began.get_or_insert(at);
                    self.decoder.push(&chunk);
                }
            }
        }
    }

    /// Reads the first event, which must name the endpoint, on the same origin: credentials go there.
    async fn endpoint(&mut self, url: &Url) -> Result<Url, Fault> {
        let place = bare(url);
        let wrong = |message: String| Err(Fault::new(Reason::Protocol, message));
        let Some((event, ..)) = self.event().await? else {
            let message = format!("the event stream of GET {place} ended before the event \"endpoint\"");
            return Err(Fault::new(Reason::Closed, message));
        };
        let data = event.data.unwrap_or_default();
        let data = String::from_utf8_lossy(&data);
        if event.name.as_deref() != Some("endpoint") {
            let name = event.name.unwrap_or_else(|| "message".into());
            return wrong(format!(
                "expected the event \"endpoint\" first from GET {place}, got \"{}\": \"{}\"",
                sanitize::one_line(&name, 40),
                sanitize::one_line(&data, BODY_CHARS_SHOWN)
            ));
        }
        let Ok(endpoint) = url.join(data.trim()) else {
            return wrong(format!("the endpoint {:?} is no URL", sanitize::one_line(&data, BODY_CHARS_SHOWN)));
        };
        if endpoint.origin() != url.origin() {
            return wrong(format!(
                "the endpoint {} is on another origin than {place}: nothing was sent to it",
                sanitize::one_line(bare(&endpoint), BODY_CHARS_SHOWN)
            ));
        }
        Ok(endpoint)
    }

    /// Tells every message until the stream ends, and how it ended.
    async fn tell(mut self, teller: Teller) {
        let fault = loop {
            let (event, first_byte, at) = match self.event().await {
                Ok(Some(event)) => event,
                Ok(None) => {
                    let message = "the server ended the event stream on which it answers (HTTP+SSE)";
                    break Fault::new(Reason::Closed, message);
                }
                Err(fault) => break fault,
            };
            let is_message = event.name.is_none_or(|name| name == "message");
            let Some(data) = event.data.filter(|data| !data.trim_ascii().is_empty()) else { continue };
            let frames = message::read(&data);
            if !is_message {
                // Events of other names are the server's own, unless they hold what should have been a message.
                if frames.iter().all(|frame| frame.parsed.is_ok()) {
                    let noise = data.slice(..data.len().min(NOISE_BYTES_MAX));
                    teller.tell(first_byte, at, What::Noise(noise)).await;
                }
                continue;
            }
            for frame in frames {
                teller.tell(first_byte, at, What::Frame(frame)).await;
            }
        };
        teller.fault(fault).await;
    }
}

#[cfg(test)]
mod tests;

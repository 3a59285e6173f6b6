//! Streamable HTTP (2025-03-26 and later): every message is a POST to one endpoint, answered by JSON or by an event
//! stream; GET resumes or listens, DELETE ends the session. Closing a response stream cancels its request.

use std::sync::Arc;
use std::time::{Duration, Instant};

use bytes::Bytes;
use futures_util::future::BoxFuture;
use http::Method;

use super::http::{Answer, Ask, Body, Client, Fields, Kind, Waiting, too_large};
use super::ongoing::{Ongoing, Teller};
use super::{Certificate, Farewell, Fault, Heard, Intent, Key, LEFT_OUT, Link, LinkFacts, Outgoing, What, aside};
use crate::event::{Finding, Reason, TransportKind};
use crate::wire::event_stream::{Event, EventDecoder, Item};
use crate::wire::{Message, message};

/// Bodies that are no message are kept up to here.
pub(super) const NOISE_BYTES_MAX: usize = 64 * 1024;

/// An open link.
pub(super) struct StreamableHttp {
    client: Arc<Client>,
    ongoing: Ongoing,
}

impl StreamableHttp {
    /// Makes the first connection.
    pub(super) async fn open(client: Arc<Client>) -> Result<Self, Fault> {
        client.open().await?;
        Ok(Self { client, ongoing: Ongoing::default() })
    }

    async fn hand_over(&mut self, outgoing: Outgoing) -> Result<Instant, Fault> {
        let (key, intent) = (outgoing.key, outgoing.intent);
        self.ongoing.stop(key);
        if intent == Intent::End {
            // What is said to those is of no use any more, and may have no end.
            self.ongoing.stop_asides();
        }
        let ask = ask(&self.client, outgoing)?;
        if intent == Intent::Aside {
            return aside::send(&mut self.ongoing, &self.client, key, ask, move |waiting, teller| {
                hear(waiting, intent, teller)
            })
            .await;
        }
        // One of the others may be about to give back its connection.
        let (sent, waiting) = self.ongoing.during(self.client.start(ask)).await?;
        self.ongoing.begin(Some((key, intent)), |teller| hear(waiting, intent, teller));
        Ok(sent)
    }
}

/// The request for a message.
pub(super) fn ask(client: &Client, outgoing: Outgoing) -> Result<Ask, Fault> {
    let (method, accept) = match outgoing.intent {
        Intent::Request | Intent::OneWay | Intent::Aside => (Method::POST, Some("application/json, text/event-stream")),
        Intent::Resume | Intent::Listen => (Method::GET, Some("text/event-stream")),
        Intent::End => (Method::DELETE, None),
    };
    let mut fields = Fields::with_room(outgoing.headers.len() + 2);
    if method == Method::POST {
        fields.set("Content-Type", "application/json")?;
    }
    if let Some(accept) = accept {
        fields.set("Accept", accept)?;
    }
    let mut without = Vec::new();
    for (name, value) in outgoing.headers {
        if value == LEFT_OUT {
            fields.remove(&name);
            without.push(name);
        } else {
            fields.set(name, value)?;
        }
    }
    let url = Arc::clone(&client.template().url);
    Ok(Ask { method, url, body: outgoing.body, fields, without, repeatable: outgoing.repeatable })
}

impl Link for StreamableHttp {
    fn send(&mut self, outgoing: Outgoing) -> BoxFuture<'_, Result<Instant, Fault>> {
        Box::pin(self.hand_over(outgoing))
    }

    fn recv(&mut self) -> BoxFuture<'_, Heard> {
        Box::pin(self.ongoing.next())
    }

    fn abandon(&mut self, key: Key) {
        self.ongoing.stop(key);
    }

    fn facts(&self) -> LinkFacts {
        self.client.facts(TransportKind::StreamableHttp)
    }

    fn findings(&self) -> Vec<Finding> {
        self.client.findings()
    }

    fn certificate(&self) -> Option<Certificate> {
        self.client.certificate()
    }

    fn pid(&self) -> Option<i32> {
        None
    }

    fn is_still(&mut self) -> bool {
        self.ongoing.is_still()
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

impl Drop for StreamableHttp {
    fn drop(&mut self) {
        self.client.tasks.cancel.cancel();
    }
}

async fn hear(waiting: Waiting, intent: Intent, teller: Teller) {
    let outcome = match waiting.answer().await {
        Ok(answer) => hear_answer(answer, intent, &teller).await,
        Err(fault) => Err(fault),
    };
    if let Err(fault) = outcome {
        teller.fault(fault).await;
    }
}

async fn hear_answer(answer: Answer, intent: Intent, teller: &Teller) -> Result<(), Fault> {
    let Answer { head, first_byte, at, mut body } = answer;
    let (kind, status) = (Kind::of(&head), head.status);
    teller.tell(first_byte, at, What::Head(head)).await;
    match kind {
        Kind::Events => hear_events(&mut body, first_byte, teller).await?,
        Kind::Json => {
            let text = body.whole().await?;
            tell_frames(text, first_byte, body.at(), teller).await;
        }
        Kind::Other => hear_other(&mut body, first_byte, status, intent, teller).await?,
    }
    teller.tell(first_byte, body.at(), What::End).await;
    Ok(())
}

async fn tell_frames(text: Bytes, first_byte: Instant, at: Instant, teller: &Teller) {
    if text.trim_ascii().is_empty() {
        return;
    }
    for frame in message::read(&text) {
        teller.tell(first_byte, at, What::Frame(frame)).await;
    }
}

async fn hear_events(body: &mut Body, first_byte: Instant, teller: &Teller) -> Result<(), Fault> {
    let limit = body.limit();
    let mut decoder = EventDecoder::new(limit);
    while let Some((chunk, at)) = body.chunk().await? {
        decoder.push(&chunk);
        while let Some(item) = decoder.next_item() {
            match item {
                Item::Comment => {}
                Item::TooLong { bytes } => return Err(too_large(bytes, limit)),
                Item::Event(event) => hear_event(event, body, first_byte, at, teller).await,
            }
        }
    }
    Ok(())
}

async fn hear_event(event: Event, body: &mut Body, first_byte: Instant, at: Instant, teller: &Teller) {
    let Event { name, id, retry, data } = event;
    let data = data.filter(|data| !data.trim_ascii().is_empty());
    if id.is_some() || retry.is_some() {
        teller.tell(first_byte, at, What::Cursor { id, retry, alone: data.is_none() }).await;
    }
    let Some(data) = data else { return };
    if name.is_some_and(|name| name != "message") {
        return;
    }
    for frame in message::read(&data) {
        if matches!(frame.parsed, Ok(Message::Reply { .. })) {
            body.drain();
        }
        teller.tell(first_byte, at, What::Frame(frame)).await;
    }
}

/// A body of another type than the protocol's: it may still be a message that says what is wrong.
async fn hear_other(
    body: &mut Body,
    first_byte: Instant,
    status: u16,
    intent: Intent,
    teller: &Teller,
) -> Result<(), Fault> {
    let text = match body.up_to(NOISE_BYTES_MAX, Bytes::new()).await? {
        Ok(text) => text,
        Err(start) if start.trim_ascii_start().starts_with(b"{") => {
            let limit = body.limit();
            body.up_to(limit, start).await?.map_err(|seen| too_large(seen.len() as u64, limit))?
        }
        Err(start) => start.slice(..start.len().min(NOISE_BYTES_MAX)),
    };
    if text.trim_ascii().is_empty() {
        return Ok(());
    }
    if status == 400 && intent != Intent::End && names_tls_port(&text) {
        let message = "the server says that this port speaks TLS: write https:// instead of http://";
        return Err(Fault::new(Reason::Http, message));
    }
    if is_object(&text) {
        tell_frames(text, first_byte, body.at(), teller).await;
    } else {
        teller.tell(first_byte, body.at(), What::Noise(text)).await;
    }
    Ok(())
}

fn is_object(text: &Bytes) -> bool {
    text.trim_ascii_start().starts_with(b"{") && serde_json::from_slice::<serde::de::IgnoredAny>(text).is_ok()
}

/// nginx and Go answer plain HTTP on a TLS port with these sentences.
fn names_tls_port(text: &[u8]) -> bool {
    [&b"plain HTTP request was sent to HTTPS port"[..], b"sent an HTTP request to an HTTPS server"]
        .iter()
        .any(|sentence| memchr::memmem::find(text, sentence).is_some())
}

#[cfg(test)]
mod tests;

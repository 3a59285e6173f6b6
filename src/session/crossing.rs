//! Whether a session that was opened at one replica of a server is known at another: one `ping` under its id on a link of its
//! own. The session itself notices nothing of it. What is said elsewhere counts only where the first replica knows it that way.

use std::time::Instant;

use bytes::Bytes;
use tokio_util::sync::CancellationToken;

use super::Session;
use crate::event::TransportKind;
use crate::transport::{Dial, Intent, Link, Outgoing, What};
use crate::wire::Message;

/// What is asked: every legacy server answers it.
const PING: &[u8] = br#"{"jsonrpc":"2.0","id":"mcp-probe","method":"ping"}"#;

/// What became of a session elsewhere.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Elsewhere {
    /// It was answered.
    Known,
    /// The server there does not know it; with what it said.
    Unknown(String),
}

/// The headers under which a server knows a session.
#[derive(Clone, Debug)]
pub struct Pass(Vec<(String, String)>);

impl Pass {
    /// That of a session; none where it has no id.
    pub(super) fn of(session: &Session) -> Option<Self> {
        let conversation = &session.line.conversation;
        let has_id = conversation.http_session.is_some() && conversation.transport == TransportKind::StreamableHttp;
        has_id.then(|| Self(conversation.bare_headers()))
    }

    /// Asks a replica under the id of the session. None where what came says nothing about it.
    pub async fn shown(&self, dial: &dyn Dial, deadline: Instant, cancel: &CancellationToken) -> Option<Elsewhere> {
        let asking = async {
            let mut link = dial.open(TransportKind::StreamableHttp, cancel.clone()).await.ok()?;
            let heard = ask(link.as_mut(), self.0.clone()).await;
            link.close(deadline.saturating_duration_since(Instant::now())).await;
            heard
        };
        tokio::time::timeout_at(deadline.into(), asking).await.ok()?
    }
}

async fn ask(link: &mut dyn Link, headers: Vec<(String, String)>) -> Option<Elsewhere> {
    let body = Bytes::from_static(PING);
    link.send(Outgoing { key: 1, intent: Intent::Request, body, headers, repeatable: true }).await.ok()?;
    let mut status = 0;
    loop {
        match link.recv().await.what {
            What::Head(head) => status = head.status,
            What::Frame(frame) => {
                let is_reply = matches!(frame.parsed, Ok(Message::Reply { .. }));
                if is_reply && (200..300).contains(&status) {
                    return Some(Elsewhere::Known);
                }
            }
            What::Fault(_) if status == 0 => return None,
            What::End | What::Fault(_) => break,
            What::Cursor { .. } | What::Noise(_) => {}
        }
    }
    // 404 is what the protocol has for it; servers on the SDKs of old say 400.
    matches!(status, 400 | 404).then(|| Elsewhere::Unknown(format!("HTTP {status}")))
}

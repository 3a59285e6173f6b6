//! The handshake once more, in the middle of a conversation: the server has forgotten the session.

use std::time::Instant;

use super::super::exchange::Exchange;
use super::super::line::{Ask, Line};
use super::words::{refused_by, unwelcome};
use super::{INITIALIZE, INITIALIZED};
use crate::protocol::Revision;
use crate::protocol::legacy::{self, Welcome};
use crate::transport::Fault;

/// Opens the session anew on the same link, because the server forgot it; it may be another server by now.
pub(in crate::session) async fn reopen(
    line: &mut Line,
    revision: &'static Revision,
    strict: bool,
    deadline: Instant,
) -> Result<(Welcome, Exchange), Fault> {
    line.conversation.http_session = None;
    line.conversation.revision = None;
    let params = legacy::initialize_params(revision, line.conversation.answers());
    let exchange = line.ask(&Ask { method: &INITIALIZE, params: &params, schema: None, deadline }).await;
    let welcome = match &exchange.reply.as_ref().map_err(Clone::clone)?.body {
        Ok(result) => legacy::read_initialize(result, revision, strict).map_err(unwelcome)?,
        Err(error) => return Err(refused_by(&error.message, error.code, "initialize")),
    };
    line.conversation.revision = Some(welcome.revision);
    line.notify(&INITIALIZED, deadline).await.reply?;
    Ok((welcome, exchange))
}

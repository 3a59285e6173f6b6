//! A further try at a handshake that was refused, on the link that is still open: a server that was not ready yet need
//! not be started anew.

use std::time::Instant;

use super::super::{Closing, Session, Tap};
use super::{Negotiation, Opening, Refused};
use crate::event::Era;
use crate::protocol::{Pin, Revision};
use crate::transport::Dial;

/// Asks once more what `method` asked: `server/discover`, or `initialize`.
pub(in crate::session) async fn again(
    closing: Closing,
    method: &str,
    dial: &dyn Dial,
    opening: &Opening,
    tap: Tap,
) -> Result<Session, Box<Refused>> {
    let begun = Instant::now();
    let deadline = begun + opening.startup_timeout;
    let Closing { line, phases } = closing;
    let mut negotiation = Negotiation { dial, opening, tap, begun, deadline, phases };
    let pinned = match opening.pin {
        Pin::Version(revision) => Some(revision),
        _ => None,
    };
    if method == "server/discover" {
        negotiation.pinned_modern(line, pinned.unwrap_or(Revision::newest(Era::Modern))).await
    } else {
        negotiation.initialize(line, pinned.unwrap_or(Revision::newest(Era::Legacy)), pinned.is_some()).await
    }
}

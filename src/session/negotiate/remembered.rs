//! Opens as an earlier opening of the same target found it. What was found then is no wish of the user's: a server that
//! refuses it in the way of one that speaks otherwise is looked at anew, once and within the same time.

use std::time::Instant;

use super::{FIRST_PROCESS_GRACE, Known, Negotiation, Opened, Refused, ends_process};
use crate::event::{Era, Finding, Phase, Phases, Reason, Severity, TransportKind};
use crate::protocol::detect::{self, Verdict};
use crate::protocol::{Pin, Revision};
use crate::session::Session;

pub(super) async fn open(negotiation: &mut Negotiation<'_>, known: Known, first: TransportKind) -> Opened {
    let begun = Instant::now();
    let pin = match known.revision.era {
        Era::Modern => Pin::Version(known.revision),
        Era::Legacy => Pin::Legacy,
    };
    let mut refused = match negotiation.begin(known.transport, pin).await {
        Err(refused) if speaks_otherwise(&refused, known) => refused,
        opened => return opened,
    };
    if let Some(closing) = refused.closing.take() {
        closing.finish(FIRST_PROCESS_GRACE).await;
    }
    let spent = begun.elapsed();
    negotiation.phases = Phases::default();
    match Box::pin(negotiation.begin(first, Pin::Auto)).await {
        Ok(session) if is_as_before(&session, known) => {
            // What failed was something else, and is not healed by a second try.
            session.close(FIRST_PROCESS_GRACE).await;
            Err(refused)
        }
        Ok(mut session) => {
            session.phases.add(Phase::Detect, spent);
            let facts = session.facts();
            let actual = format!("{}; it was looked at anew", shown(facts.revision, facts.transport));
            let expected = format!("{}, as before", shown(known.revision, known.transport));
            session.line.note(Finding::new("era.changed", Severity::Info, expected, actual));
            Ok(session)
        }
        Err(mut other) => {
            other.phases.add(Phase::Detect, spent);
            Err(other)
        }
    }
}

/// Whether the refusal is one with which a server meets what it does not speak. Access, load and broken servers say nothing
/// of that, and silence is no word.
fn speaks_otherwise(refused: &Refused, known: Known) -> bool {
    let Some(exchange) = refused.exchange.as_deref() else {
        // Without a stream there was nothing to ask; the other transport may be there.
        return known.transport == TransportKind::Sse
            && matches!(refused.fault.reason, Reason::Http | Reason::Protocol);
    };
    let status = exchange.head.as_ref().map(|head| head.status);
    if status.is_some_and(detect::gives_no_verdict) {
        return false;
    }
    match (&exchange.reply, known.revision.era) {
        (Ok(reply), Era::Modern) => {
            let verdict = detect::classify(reply.body.as_deref(), known.revision);
            !matches!(verdict, Verdict::Modern(found) if found == known.revision)
        }
        (Ok(reply), Era::Legacy) => reply.body.is_err(),
        (Err(fault), _) if known.transport == TransportKind::Stdio => ends_process(fault),
        (Err(fault), _) => status.is_some() && matches!(fault.reason, Reason::Http | Reason::Protocol),
    }
}

fn is_as_before(session: &Session, known: Known) -> bool {
    let facts = session.facts();
    let is_same = match known.revision.era {
        Era::Modern => facts.revision == known.revision,
        // It chooses its revision anew with each opening.
        Era::Legacy => facts.revision.era == Era::Legacy,
    };
    is_same && facts.transport == known.transport
}

fn shown(revision: &Revision, transport: TransportKind) -> String {
    format!("{} ({}) over {}", revision.era.name(), revision.version, transport.name())
}

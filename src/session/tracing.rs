//! Where the calls of a run stand in its trace: their spans, whether the server is told of them (`traceparent`), and what is
//! kept of each for whoever takes traces.

use std::sync::{Arc, Mutex, PoisonError};

use jiff::Timestamp;

use super::exchange::Exchange;
use crate::base::ids::{SpanContext, SpanId};
use crate::event::{CallSpan, Trace};
use crate::wire::Id;

/// Calls kept of one run: more than any probe makes but one that reads lists of very many pages.
const CALLS_MAX: usize = 256;
/// Characters of the name of a tool or prompt.
const ABOUT_CHARS_MAX: usize = 200;

/// The trace of one run. Clones share what is kept.
#[derive(Clone, Debug)]
pub struct Tracing {
    context: SpanContext,
    parent: Option<SpanId>,
    told: bool,
    kept: Option<Arc<Mutex<Kept>>>,
}

#[derive(Debug, Default)]
struct Kept {
    opened_at: Option<Timestamp>,
    calls: Vec<CallSpan>,
    dropped: u64,
}

impl Tracing {
    /// A run, part of the trace of `parent` where there is one. `told` says whether the server learns of its spans, `kept`
    /// whether they are kept.
    #[must_use]
    pub fn begin(parent: Option<SpanContext>, told: bool, kept: bool) -> Self {
        let context = parent.map_or_else(SpanContext::root, |parent| parent.child());
        let kept = (kept && context.sampled).then(Arc::default);
        Self { context, parent: parent.map(|parent| parent.span_id), told, kept }
    }

    /// A call: its span, and where it is kept.
    pub(super) fn call(&self) -> Calling {
        let kept = self.kept.as_ref().map(|kept| (Arc::clone(kept), Timestamp::now()));
        Calling { context: self.context.child(), told: self.told, kept }
    }

    /// A session is about to be opened.
    pub(super) fn opening(&self) {
        if let Some(kept) = &self.kept {
            kept.lock().unwrap_or_else(PoisonError::into_inner).opened_at = Some(Timestamp::now());
        }
    }

    /// What was kept, where it was to be kept; of which server it was is for others to say.
    #[must_use]
    pub fn finish(&self) -> Option<Trace> {
        let kept = std::mem::take(&mut *self.kept.as_ref()?.lock().unwrap_or_else(PoisonError::into_inner));
        let Kept { opened_at, calls, dropped } = kept;
        Some(Trace { context: self.context, parent: self.parent, opened_at, server: None, calls, dropped })
    }
}

/// One call that is being made.
#[derive(Clone, Debug)]
pub(super) struct Calling {
    pub(super) context: SpanContext,
    told: bool,
    kept: Option<(Arc<Mutex<Kept>>, Timestamp)>,
}

impl Calling {
    /// What the server is told.
    pub(super) fn traceparent(&self) -> Option<String> {
        self.told.then(|| self.context.traceparent())
    }

    /// The call has ended.
    pub(super) fn ended(self, rpc_id: &Id, exchange: &Exchange) {
        let Some((kept, started_at)) = self.kept else { return };
        let mut kept = kept.lock().unwrap_or_else(PoisonError::into_inner);
        if kept.calls.len() >= CALLS_MAX {
            kept.dropped += 1;
            return;
        }
        let code = exchange.error().map(|error| error.code);
        let about = matches!(exchange.method.as_str(), "tools/call" | "prompts/get")
            .then(|| exchange.params.get("name")?.as_str().map(|name| name.chars().take(ABOUT_CHARS_MAX).collect()))
            .flatten();
        kept.calls.push(CallSpan {
            context: self.context,
            method: exchange.method.to_string(),
            about,
            rpc_id: match rpc_id {
                Id::Number(text) | Id::Text(text) => Some(text.to_string()),
                Id::Null => None,
            },
            started_at,
            duration: exchange.total,
            error: error_type(exchange, code),
            code,
            http_status: exchange.head.as_ref().map(|head| head.status),
        });
    }
}

/// OpenTelemetry's `error.type`.
fn error_type(exchange: &Exchange, code: Option<i64>) -> Option<String> {
    match (&exchange.reply, code) {
        (Err(fault), _) => Some(fault.reason.code().to_owned()),
        (Ok(_), Some(code)) => Some(code.to_string()),
        (Ok(_), None) => {
            let is_error = exchange.method == "tools/call"
                && exchange.result().and_then(|result| result.get("isError")).is_some_and(|flag| flag == true);
            is_error.then(|| "tool_error".to_owned())
        }
    }
}

//! The orderly end: nothing new is begun, what runs gets some time, alerts are written and sent as far as that goes, and no
//! session and no child is left.

use std::sync::Arc;
use std::time::Duration;

use super::daemon::{Daemon, Ended, Wanted};
use crate::base::clock::Now;
use crate::event::{EventKind, Level};

/// How long runs get to end by themselves.
pub const GRACE: Duration = Duration::from_secs(10);
/// How long the outbox gets; what it does not deliver is delivered after the next start.
const OUTBOX: Duration = Duration::from_secs(5);
/// How long the page and the outbox may take to close.
const SERVICES: Duration = Duration::from_secs(3);
/// Beyond the time that children get, for what goes on when runs are broken off.
const LAST: Duration = Duration::from_secs(2);

impl Daemon {
    /// Brings everything to its end.
    pub(super) async fn end(mut self, begun: Now) {
        self.setup.systemd.stopping(GRACE + OUTBOX + self.runner.cx.grace + LAST);
        self.setup.board.operate(|operation| operation.is_draining = true);
        self.setup.requests.close();
        // Whoever asked for a run that has not begun hears that there will be none.
        self.askers.clear();
        self.places.forget(|what| matches!(what, Wanted::Asked(_)));
        let running = self.places.taken();
        self.note(Level::Info, "watch", format!("ending: {running} running, up to {} s for them", GRACE.as_secs()));
        let is_left = |daemon: &Self| daemon.places.taken() > 0 || daemon.repairs.any();
        self.collect(GRACE, is_left).await;
        // What has not ended by now is unknown: we broke it off.
        self.runner.cx.cancel.cancel();
        self.collect(self.runner.cx.grace + LAST, |daemon| !daemon.tasks.is_empty()).await;
        self.tasks.abort_all();
        let now = self.now();
        self.acts.at_once();
        self.commit().await;
        // What was begun beside the runs and does not end in time is dropped with the runtime.
        let beside = tokio::time::timeout(self.runner.cx.grace + LAST, self.runner.cx.end_surveys());
        let (left, (), _) = tokio::join!(self.setup.outbox.drain(OUTBOX), self.setup.pushes.end(), beside);
        if left > 0 {
            self.note(Level::Warn, "deliver", format!("{left} messages wait for the next start"));
        }
        self.setup.stop.cancel();
        let services = async { while self.setup.services.join_next().await.is_some() {} };
        // What does not end in time is dropped.
        let _ = tokio::time::timeout(SERVICES, services).await;
        self.runner.held.release_all(self.runner.cx.grace).await;
        let grace = self.runner.cx.grace;
        if let Some(stage) = Arc::into_inner(self.runner).and_then(|runner| Arc::into_inner(runner.stage)) {
            stage.strike(grace).await;
        }
        let closed = self.setup.store.clone().close().await;
        if let Err(error) = closed {
            let note = crate::event::Note {
                level: Level::Error,
                topic: "store",
                message: format!("not everything could be written: {error}"),
                target: None,
            };
            self.setup.publisher.publish(EventKind::Noted(note));
        }
        let duration = now.monotonic.saturating_sub(begun.monotonic);
        self.setup.publisher.publish(EventKind::RunFinished { duration, interrupted: true });
    }

    /// Takes up what ends, as long as anything is left and for so long at most.
    async fn collect(&mut self, limit: Duration, is_left: impl Fn(&Self) -> bool) {
        let until = tokio::time::Instant::now() + limit;
        while is_left(self) {
            match tokio::time::timeout_at(until, self.tasks.join_next()).await {
                Ok(Some(Ok(ended @ (Ended::Run(_) | Ended::Answered(..) | Ended::Repaired(_))))) => {
                    self.take_up(Some(ended)).await;
                }
                Ok(Some(_)) => {}
                Ok(None) | Err(_) => break,
            }
        }
    }
}

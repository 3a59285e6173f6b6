//! Restarting a server because a rule asks for it: by the target's own command, or by ending the child that the daemon
//! holds. Never two of them for one target at the same time; how it went goes back to the rules.

use std::collections::BTreeSet;
use std::time::Duration;

use super::daemon::{Daemon, Ended};
use crate::alert::Action;
use crate::event::{Cause, Level};
use crate::run;

/// How long a command may take.
const LIMIT: Duration = Duration::from_secs(60);

/// How a restart went.
pub struct Repaired {
    target: String,
    result: Result<String, Cause>,
}

/// Targets that are being restarted.
#[derive(Debug, Default)]
pub struct Repairs(BTreeSet<String>);

impl Repairs {
    /// Whether any goes on.
    #[must_use]
    pub fn any(&self) -> bool {
        !self.0.is_empty()
    }
}

impl Daemon {
    /// Begins a restart.
    pub(super) fn restart(&mut self, target: String, alert: &str, why: &str) {
        if !self.repairs.0.insert(target.clone()) {
            self.note_of(Some(&target), Level::Warn, "restart", "it is being restarted already");
            return;
        }
        self.note_of(Some(&target), Level::Warn, "restart", format!("restarting for {alert}: {why}"));
        let found = self.fleet.values().find(|member| member.pair.target.name == target);
        let Some(subject) = found.map(|member| member.pair.target.clone()) else {
            self.repairs.0.remove(&target);
            return;
        };
        let argv = self.plan.restarts.get(&target).cloned();
        let runner = self.runner.clone();
        self.tasks.spawn(async move {
            let result = match argv {
                Some(argv) => run::restart::restart(&runner.cx, &subject, &argv, LIMIT).await,
                None => runner.held.restart_child(&runner.stage, &subject.name, runner.cx.grace).await,
            };
            Ended::Repaired(Repaired { target, result })
        });
    }

    /// Tells the rules how a restart went.
    pub(super) fn repaired(&mut self, repaired: Repaired) -> Vec<Action> {
        let Repaired { target, result } = repaired;
        self.repairs.0.remove(&target);
        match &result {
            Ok(said) => self.note_of(Some(&target), Level::Info, "restart", format!("restarted: {said}")),
            Err(cause) => {
                let message = format!("could not be restarted: {}", cause.message);
                self.note_of(Some(&target), Level::Error, "restart", message);
            }
        }
        let now = self.now();
        let result = result.map_err(|cause| self.setup.masker.mask(&cause.message).into_owned());
        self.engine.restarted(&target, result, now)
    }
}

//! How long a server over stdio takes until it can be spoken with, against what clients wait for.

use std::time::Duration;

use crate::base::duration;
use crate::event::{Finding, Phase, Phases, Severity, TransportKind};

/// What several clients wait for a server to start, as of 2026-10: Claude Code and others.
const PATIENCE: Duration = Duration::from_secs(30);

/// The finding about a server that starts so slowly that clients give up. What our own detection waits for is left out.
pub(super) fn slow(transport: TransportKind, phases: &Phases) -> Option<Finding> {
    let took = phases.get(Phase::Spawn)? + phases.get(Phase::Handshake).unwrap_or_default();
    (transport == TransportKind::Stdio && took > PATIENCE).then(|| {
        let expected = format!("a server that answers within {}", duration::human(PATIENCE));
        let actual = format!("{} from its start to the end of the handshake", duration::human(took));
        Finding::new("stdio.start_time", Severity::Warning, expected, actual)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_clients_would_not_wait_for_is_told() {
        let mut phases = Phases::default();
        assert_eq!(slow(TransportKind::Stdio, &phases), None);
        phases.add(Phase::Spawn, Duration::from_secs(1));
        phases.add(Phase::Detect, Duration::from_secs(40));
        phases.add(Phase::Handshake, Duration::from_secs(29));
        assert_eq!(slow(TransportKind::Stdio, &phases), None);
        phases.add(Phase::Handshake, Duration::from_millis(1));
        assert!(slow(TransportKind::Stdio, &phases).unwrap().actual.starts_with("30"));
        assert_eq!(slow(TransportKind::Sse, &phases), None);
    }
}

//! What holds for every kind of push, and the runs that their own tests use.

use std::sync::Arc;

use super::*;
use crate::base::secret::Secret;
use crate::config::receiver::Filled;
use crate::event::{EventKind, ProbeOutcome, Publisher};
use crate::metrics::Shared;
use crate::metrics::tests::{listening, run, step};

/// Settings of texts.
pub(super) fn filled(texts: &[(&'static str, &str)]) -> Settings {
    Settings::new(texts.iter().map(|(key, text)| (*key, Filled::Text(Secret::new(*text)))).collect())
}

/// A healthy run, so many seconds after the first.
pub(super) fn runs(probe: &str, target: &str, second: i64) -> ProbeOutcome {
    let mut outcome = run(probe, target, vec![step("tools/list", Some(42), None)]);
    outcome.started_at = jiff::Timestamp::from_second(1_768_469_564 + second).unwrap();
    outcome
}

/// Figures, and how runs come to them.
pub(super) fn shared() -> (Shared, impl Fn(ProbeOutcome)) {
    let (shared, publisher): (Shared, Publisher) = listening();
    (shared, move |outcome| {
        publisher.publish(EventKind::ProbeFinished { index: 0, outcome: Arc::new(outcome) });
    })
}

/// The figures of one healthy run.
pub(super) fn outcome_snapshot(probe: &str, target: &str) -> Snapshot {
    let at = jiff::Timestamp::from_second(1_768_469_600).unwrap();
    Snapshot::of_runs(&[runs(probe, target, 1)], at)
}

/// The bodies of requests, one after another.
pub(super) fn text(payloads: Vec<Payload>) -> String {
    let bodies = payloads.into_iter().map(|payload| match payload {
        Payload::Http(request) => String::from_utf8(request.body).unwrap(),
        other => panic!("{other:?}"),
    });
    bodies.collect()
}

#[test]
fn what_is_kept_in_order_can_be_put_into_a_fresh_letter() {
    let settings = filled(&[("url", "http://h/write"), ("address", "h:1"), ("path", "/x/a.prom")]);
    for row in ROWS {
        let Ok(encoder) = (row.compile)(&settings) else { continue };
        assert_eq!(encoder.keeping() == Keeping::InOrder, !encoder.letters().is_empty(), "{}", row.kind.name);
    }
}

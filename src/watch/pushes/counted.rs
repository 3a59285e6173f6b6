//! What was counted of each target, over restarts of the prober: taken up once, and kept before each push that tells it. What
//! is kept is never replaced by less because it could not be read.

use std::collections::BTreeMap;
use std::sync::Arc;

use serde_json::Value;
use tokio::sync::Mutex;

use crate::event::{EventKind, Level, Note, Publisher};
use crate::metrics::{Counts, Shared};
use crate::store::Store;

/// Under which name the store keeps it.
const COUNTS: &str = "push_counts";

/// Keeps counts. Clones are the same one.
#[derive(Clone)]
pub struct Counted {
    store: Store,
    metrics: Shared,
    publisher: Publisher,
    taken: Arc<Mutex<Taken>>,
}

/// Whether what was kept before was added to what is counted now.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Taken {
    NotYet,
    /// It could not be read, and that was said; it is tried again before the next push.
    Unreadable,
    Up,
}

impl Counted {
    /// Of this store, for these figures.
    #[must_use]
    pub fn new(store: Store, metrics: Shared, publisher: Publisher) -> Self {
        Self { store, metrics, publisher, taken: Arc::new(Mutex::new(Taken::NotYet)) }
    }

    /// Adds what was counted before the start, once.
    pub(super) async fn take_up(&self) {
        let mut taken = self.taken.lock().await;
        if *taken == Taken::Up {
            return;
        }
        match self.store.kept(COUNTS).await {
            Ok(kept) => {
                let counts: Option<BTreeMap<String, Counts>> = kept.and_then(|kept| serde_json::from_value(kept).ok());
                self.metrics.go_on_from(counts.unwrap_or_default());
                *taken = Taken::Up;
            }
            Err(error) => {
                if std::mem::replace(&mut *taken, Taken::Unreadable) == Taken::NotYet {
                    let message =
                        format!("what was counted before the start cannot be read; it is tried again: {error}");
                    let note = Note { level: Level::Warn, topic: "push", message, target: None };
                    self.publisher.publish(EventKind::Noted(note));
                }
            }
        }
    }

    /// Keeps these counts of all targets, unless they lack those of before.
    pub(super) async fn keep(&self, counts: Value) {
        if *self.taken.lock().await == Taken::Up {
            // What could not be written now is written with the next push.
            let _ = self.store.keep(COUNTS, counts).await;
        } else {
            self.take_up().await;
        }
    }
}

#[cfg(test)]
mod tests {
    use jiff::Timestamp;
    use serde_json::json;

    use super::*;
    use crate::base::ids::RunId;
    use crate::metrics::{Own, Roster};

    fn counted(store: &Store, targets: &[&str]) -> Counted {
        let metrics = Shared::default();
        let pairs = targets.iter().map(|target| ("smoke".to_owned(), (*target).to_owned())).collect();
        metrics.watch_only(Roster { pairs, ..Roster::default() });
        Counted::new(store.clone(), metrics, Publisher::new(RunId::random(), Vec::new(), false))
    }

    fn told(counted: &Counted) -> Vec<(String, u64)> {
        let snapshot = counted.metrics.snapshot(Timestamp::UNIX_EPOCH, Own::default());
        snapshot.counts().map(|(target, counts)| (target.to_owned(), counts.requests)).collect()
    }

    #[tokio::test]
    async fn what_is_kept_goes_on_for_targets_that_there_still_are_and_outlives_a_store_that_fails() {
        let folder = tempfile::tempdir().unwrap();
        let store = Store::open_in(folder.path()).unwrap();
        let kept = json!({ "weather": { "requests": 7, "errors": 1 }, "gone": { "requests": 9, "errors": 9 } });
        store.keep(COUNTS, kept.clone()).await.unwrap();

        let table = |words: &str| {
            let connection = rusqlite::Connection::open(store.path()).unwrap();
            connection.execute_batch(&format!("ALTER TABLE {words}")).unwrap();
        };
        table("facts RENAME TO away");
        let now = counted(&store, &["weather"]);
        now.take_up().await;
        assert_eq!(told(&now), []);
        table("away RENAME TO facts");
        now.keep(json!({ "weather": { "requests": 1, "errors": 0 } })).await;
        assert_eq!(store.kept(COUNTS).await.unwrap(), Some(kept), "less does not replace more");
        assert_eq!(
            told(&now),
            [("weather".to_owned(), 7)],
            "it is taken up as soon as it can be read, without what is gone"
        );
        now.take_up().await;
        assert_eq!(told(&now), [("weather".to_owned(), 7)], "once");
        let more = json!({ "weather": { "requests": 8, "errors": 1 } });
        now.keep(more.clone()).await;
        assert_eq!(store.kept(COUNTS).await.unwrap(), Some(more));
    }
}

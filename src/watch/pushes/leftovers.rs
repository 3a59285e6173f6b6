//! What waits on disk for pushes that the files do not have any more, from before the start: it has nowhere to go.

use std::collections::BTreeSet;
use std::path::PathBuf;

use crate::deliver::discard;
use crate::event::{EventKind, Level, Note, Publisher};
use crate::report::count;

/// Removes the folders in this one that nobody uses, and says what was in them.
pub(super) async fn sweep(folder: PathBuf, used: BTreeSet<PathBuf>, publisher: &Publisher) {
    let swept = tokio::task::spawn_blocking(move || {
        let folders = std::fs::read_dir(folder).into_iter().flatten().flatten().map(|entry| entry.path());
        let unused = folders.filter(|path| path.is_dir() && !used.contains(path));
        unused.map(|path| (path.display().to_string(), discard(&path))).collect::<Vec<_>>()
    });
    for (folder, removed) in swept.await.unwrap_or_default() {
        let (level, message) = match removed {
            Ok(0) => continue,
            Ok(waited) => {
                let waited = count(usize::try_from(waited).unwrap_or(usize::MAX), "request");
                (Level::Warn, format!("{waited} in {folder} are given up: the files do not have this push any more"))
            }
            Err(error) => (Level::Warn, format!("{folder} is of a push that is gone, and cannot be removed: {error}")),
        };
        publisher.publish(EventKind::Noted(Note { level, topic: "push", message, target: None }));
    }
}

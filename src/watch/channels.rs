//! From the notifiers of the files to what the outbox renders with; their mistakes show before anything is told.

use std::sync::Arc;

use super::compose::Unreadable;
use crate::alert::notify::{Channels, compile as channel};
use crate::base::secret::Masker;
use crate::files::telling::Resolved;

/// All channels, after those of the files as they were before.
///
/// # Errors
/// What is wrong with a notifier.
pub fn compile(telling: &Resolved, masker: &Masker, before: &Channels) -> Result<Arc<Channels>, Unreadable> {
    let mut channels = Vec::new();
    for notifier in &telling.notifiers {
        let made = channel(notifier.kind, &notifier.name, &notifier.settings);
        channels.push(made.map_err(|why| Unreadable { lines: Vec::new(), summary: why })?);
    }
    Ok(Arc::new(Channels::new(channels, masker.clone()).after(before)))
}

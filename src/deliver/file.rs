//! Payloads that are files, which others read while they are written.

use super::{FilePayload, Receipt};
pub(super) use crate::base::whole::replace;

/// Who may read it: everybody, for the reader is another user.
const MODE: u32 = 0o644;

/// Writes one file, beside the loop.
pub(super) async fn write(payload: &FilePayload) -> Receipt {
    let FilePayload { path, body } = payload.clone();
    let shown = path.display().to_string();
    match tokio::task::spawn_blocking(move || replace(&path, &body, MODE, true)).await {
        Ok(Ok(())) => Receipt::Delivered,
        Ok(Err(error)) => Receipt::failed(format!("{shown} could not be written: {error}")),
        Err(error) => Receipt::failed(format!("{shown} could not be written: {error}")),
    }
}

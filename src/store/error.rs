//! What goes wrong with the history: which file, what is the matter, what to do.

use std::path::Path;

use rusqlite::ErrorCode;

/// What kind of trouble it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// There is no history.
    Missing,
    /// The file is of another program, or no database.
    Foreign,
    /// A newer mcp-probe has written it.
    Newer,
    /// The file is damaged.
    Broken,
    /// Another process writes it.
    Busy,
    /// No room, no permission, no such folder: what was to be kept is not kept.
    Unusable,
    /// The store was closed.
    Closed,
}

/// The history could not be opened, read or written.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{message}")]
pub struct StoreError {
    /// What kind of trouble it is.
    pub kind: Kind,
    /// One sentence that names the file and says what to do.
    pub message: String,
}

impl Kind {
    pub(super) fn at(self, path: &Path, why: &str) -> StoreError {
        StoreError { kind: self, message: format!("{}: {why}", path.display()) }
    }
}

impl StoreError {
    /// What SQLite says.
    pub(super) fn of(path: &Path, error: &rusqlite::Error) -> Self {
        let code = error.sqlite_error_code();
        match code {
            Some(ErrorCode::DatabaseCorrupt | ErrorCode::NotADatabase) => super::file::broken(path, &error.to_string()),
            Some(ErrorCode::DiskFull) => {
                Kind::Unusable.at(path, "the disk is full; make room, or keep less with `retention`")
            }
            Some(ErrorCode::SystemIoFailure) => {
                Kind::Unusable.at(path, &format!("the disk refuses or has no more room ({error}); look at it"))
            }
            Some(ErrorCode::ReadOnly | ErrorCode::PermissionDenied) => Kind::Unusable
                .at(path, &format!("it may not be written ({error}); look at the rights of file and folder")),
            Some(ErrorCode::DatabaseBusy | ErrorCode::DatabaseLocked) => {
                Kind::Busy.at(path, &format!("another program holds it ({error}); close that one"))
            }
            _ => Kind::Unusable.at(path, &format!("SQLite says: {error}")),
        }
    }

    pub(super) fn closed() -> Self {
        Self { kind: Kind::Closed, message: "the history was closed".into() }
    }
}

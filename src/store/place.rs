//! Whether the file that is written is the one at its path. When somebody removes it, or moves another there, what is
//! written goes into a file without a name, and is lost with the process. Until then everything is still in it: it is
//! written out whole at the old place.

use std::fs;
use std::io::{Error, ErrorKind};
use std::os::unix::fs::MetadataExt;
use std::path::Path;

use rusqlite::Connection;

use super::error::{Kind, StoreError};
use super::file::{self, Lock};

/// A file, whatever its name: as long as it is open no other has the same.
pub(super) type Id = (u64, u64);

/// The history and its lock, as they were opened.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Mark {
    file: Id,
    lock: Id,
}

/// What lies at a path.
pub(super) fn id(path: &Path) -> Result<Id, Error> {
    fs::metadata(path).map(|file| (file.dev(), file.ino()))
}

impl Mark {
    /// Of what was opened just now.
    pub(super) fn of(path: &Path) -> Result<Self, StoreError> {
        let told = |error: Error| Kind::Unusable.at(path, &format!("it is gone as soon as it was opened: {error}"));
        Ok(Self { file: id(path).map_err(told)?, lock: id(&file::lock_path(path)).map_err(told)? })
    }

    /// Whether both are where they were.
    pub(super) fn stands(&self, path: &Path) -> bool {
        id(path).is_ok_and(|file| file == self.file) && self.holds_lock(path)
    }

    fn holds_lock(&self, path: &Path) -> bool {
        id(&file::lock_path(path)).is_ok_and(|lock| lock == self.lock)
    }
}

/// What was put in its place again.
pub(super) struct Replaced {
    /// A lock, where the one before lies there no more.
    pub(super) lock: Option<Lock>,
    /// The file, where it was gone.
    pub(super) connection: Option<Connection>,
}

/// Puts into its place what does not stand there any more. A file that somebody else put there is left as it is.
pub(super) fn restore(connection: &Connection, path: &Path, mark: &Mark) -> Result<Replaced, StoreError> {
    file::make_folder(path)?;
    let lock = if mark.holds_lock(path) { None } else { Some(file::lock(path)?) };
    let connection = match id(path) {
        Ok(file) if file == mark.file => None,
        Ok(_) => {
            let why = "another file lies in its place, so that what is written would not be found at the next start; \
                       move that one away, and everything is written there anew";
            return Err(Kind::Unusable.at(path, why));
        }
        Err(error) if error.kind() == ErrorKind::NotFound => {
            file::copy(connection, path)?;
            Some(file::connect(path)?)
        }
        Err(error) => return Err(Kind::Unusable.at(path, &format!("it cannot be looked at: {error}"))),
    };
    Ok(Replaced { lock, connection })
}

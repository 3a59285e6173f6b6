//! Whether a file is still the one that was read: by its size, its times and its place on disk. A certificate that was renewed is
//! noticed by it, whether it was written in place, put in the place of the old one, or is reached by another link.

use std::os::unix::fs::MetadataExt as _;
use std::path::Path;

/// What tells a file from another, and from what it was before.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Stamp {
    place: (u64, u64),
    bytes: u64,
    modified: (i64, i64),
    changed: (i64, i64),
}

impl Stamp {
    /// Looks at a file; none where there is none. Blocks.
    #[must_use]
    pub fn of(path: &Path) -> Option<Self> {
        let seen = std::fs::metadata(path).ok()?;
        Some(Self {
            place: (seen.dev(), seen.ino()),
            bytes: seen.size(),
            modified: (seen.mtime(), seen.mtime_nsec()),
            changed: (seen.ctime(), seen.ctime_nsec()),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_that_was_replaced_is_another_also_of_the_same_size_and_time() {
        let folder = tempfile::tempdir().unwrap();
        let (path, fresh) = (folder.path().join("cert.pem"), folder.path().join("fresh"));
        assert_eq!(Stamp::of(&path), None);
        std::fs::write(&path, "one").unwrap();
        let before = Stamp::of(&path);
        assert!(before.is_some() && before == Stamp::of(&path));
        std::fs::write(&fresh, "two").unwrap();
        let modified = std::fs::metadata(&path).unwrap().modified().unwrap();
        std::fs::File::options().write(true).open(&fresh).unwrap().set_modified(modified).unwrap();
        std::fs::rename(&fresh, &path).unwrap();
        assert_ne!(Stamp::of(&path), before);
    }
}

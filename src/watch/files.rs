//! Whether the probe files are still what was read: size and time are looked at every two seconds, the hash of a file only
//! where these are different. A new file in a folder that is watched counts, and so does one that is gone.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime};

use sha2::{Digest as _, Sha256};

/// How often it is looked.
pub const LOOK_EVERY: Duration = Duration::from_secs(2);
/// A probe file is never larger; what is, is compared by size and time alone.
const BYTES_MAX: u64 = 16 << 20;

/// What was there when it was looked at last.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Seen(BTreeMap<PathBuf, File>);

#[derive(Clone, Debug, PartialEq, Eq)]
struct File {
    bytes: u64,
    modified: Option<SystemTime>,
    hash: Option<[u8; 32]>,
}

impl Seen {
    /// Looks at these files, and at the `*.toml` of these folders. Blocks.
    #[must_use]
    pub fn look(paths: &[PathBuf]) -> Self {
        Self::default().again(paths)
    }

    /// Looks again; a file whose size and time are the same is not read.
    #[must_use]
    pub fn again(&self, paths: &[PathBuf]) -> Self {
        let mut seen = BTreeMap::new();
        for path in paths {
            for file in within(path) {
                if let Some(now) = self.file(&file) {
                    seen.insert(file, now);
                }
            }
        }
        Self(seen)
    }

    /// Whether what is in them is the same.
    #[must_use]
    pub fn is_like(&self, other: &Self) -> bool {
        self.0.len() == other.0.len()
            && self.0.iter().zip(&other.0).all(|((path, file), (other_path, other))| {
                path == other_path && (file.bytes, file.hash) == (other.bytes, other.hash)
            })
    }

    fn file(&self, path: &Path) -> Option<File> {
        let metadata = std::fs::metadata(path).ok().filter(std::fs::Metadata::is_file)?;
        let (bytes, modified) = (metadata.len(), metadata.modified().ok());
        let before = self.0.get(path).filter(|before| (before.bytes, before.modified) == (bytes, modified));
        let hash = match before {
            Some(before) => before.hash,
            None if bytes > BYTES_MAX => None,
            None => std::fs::read(path).ok().map(|text| Sha256::digest(text).into()),
        };
        Some(File { bytes, modified, hash })
    }
}

fn within(path: &Path) -> Vec<PathBuf> {
    if !path.is_dir() {
        return vec![path.to_owned()];
    }
    let entries = std::fs::read_dir(path).into_iter().flatten();
    let is_toml = |path: &PathBuf| path.extension().is_some_and(|extension| extension == "toml");
    entries.filter_map(|entry| Some(entry.ok()?.path())).filter(is_toml).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_in_the_files_counts() {
        let folder = tempfile::tempdir().unwrap();
        let paths = [folder.path().to_owned(), folder.path().join("other.conf")];
        let write = |name: &str, text: &str| std::fs::write(folder.path().join(name), text).unwrap();
        write("a.toml", "one");
        write("notes.txt", "…");
        let first = Seen::look(&paths);
        assert_eq!(first.0.len(), 1);
        write("notes.txt", "other");
        assert!(first.is_like(&first.again(&paths)), "no probe file");
        // The same text written again has another time.
        write("a.toml", "one");
        std::fs::File::options()
            .append(true)
            .open(folder.path().join("a.toml"))
            .unwrap()
            .set_modified(SystemTime::UNIX_EPOCH)
            .unwrap();
        assert!(first.is_like(&first.again(&paths)), "touched, not changed");
        write("a.toml", "two");
        let second = first.again(&paths);
        assert!(!first.is_like(&second), "as long, but another text");
        write("b.toml", "new");
        assert!(!second.is_like(&second.again(&paths)), "a new file");
        std::fs::remove_file(folder.path().join("a.toml")).unwrap();
        assert!(!second.is_like(&second.again(&paths)), "a file is gone");
        write("other.conf", "named");
        assert_eq!(Seen::look(&paths).0.len(), 2);
    }
}

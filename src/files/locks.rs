//! Lock files on disk: which one a target belongs to, reading them for a plan, and writing one so that nobody ever sees
//! half of it, and so that two who write at the same time lose nothing.

use std::collections::{BTreeMap, HashMap};
use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use super::machine::{read_text, why};
use crate::base::whole;
use crate::config::{Diag, Source};
use crate::lock::{self, Entry, Lock, Locked, file};
use crate::plan::{Plan, Target};

/// A lock file is never larger, in bytes.
const FILE_BYTES_MAX: u64 = 64 << 20;

/// The lock file of a target: beside the probe file that defines it; else in the working directory. `given` is the one
/// for all.
#[must_use]
pub fn path_of(target: &Target, given: Option<&Path>) -> PathBuf {
    if let Some(given) = given {
        return given.to_owned();
    }
    let file = target.origin.file.as_ref().filter(|_| target.origin.client.is_none());
    let folder = file.and_then(|file| file.parent()).unwrap_or(Path::new(""));
    folder.join(lock::FILE)
}

/// Reads a lock file; none where there is no file.
///
/// # Errors
/// Every mistake in it: broken, edited, of a newer version.
pub fn read(path: &Path) -> Result<Option<Lock>, Vec<Diag>> {
    if path.symlink_metadata().is_err_and(|error| error.kind() == std::io::ErrorKind::NotFound) {
        return Ok(None);
    }
    let text = text(path)?;
    file::read(&Source::new(path.display().to_string(), text, ".")).map(Some)
}

/// The text of a file of definitions.
///
/// # Errors
/// It cannot be read, or is too large.
pub fn text(path: &Path) -> Result<String, Vec<Diag>> {
    let unread = |why| vec![Diag::general(format!("{} cannot be read: {why}", path.display()))];
    read_text(path, FILE_BYTES_MAX).map_err(unread)
}

/// Gives every target of a plan that is compared with its lock what it is compared with.
///
/// # Errors
/// Every mistake in the lock files.
pub fn attach(plan: &mut Plan, given: Option<&Path>) -> Result<(), Vec<Diag>> {
    let compared = plan.compared();
    if compared.is_empty() {
        return Ok(());
    }
    let mut files: HashMap<PathBuf, Option<Lock>> = HashMap::new();
    let mut changed: HashMap<String, Arc<Target>> = HashMap::new();
    let mut diags = Vec::new();
    for target in plan.targets.iter().filter(|target| compared.contains(target.name.as_str())) {
        let path = path_of(target, given);
        if !files.contains_key(&path) {
            let lock = read(&path).unwrap_or_else(|mistakes| {
                diags.extend(mistakes);
                None
            });
            files.insert(path.clone(), lock);
        }
        let file = path.display().to_string();
        let locked = match files.get(&path).and_then(Option::as_ref) {
            None => Locked::NoFile { file },
            Some(lock) => match lock.entries.get(target.name.as_str()) {
                None => Locked::Unlisted { file },
                Some(entry) => Locked::Entry { file, entry: Box::new(entry.clone()) },
            },
        };
        let target = Target { locked: Some(Arc::new(locked)), ..(**target).clone() };
        changed.insert(target.name.to_string(), Arc::new(target));
    }
    let targets = plan.targets.iter_mut().chain(plan.probes.iter_mut().flat_map(|probe| &mut probe.targets));
    for target in targets {
        if let Some(other) = changed.get(target.name.as_str()) {
            *target = Arc::clone(other);
        }
    }
    if diags.is_empty() { Ok(()) } else { Err(diags) }
}

/// Puts entries into a lock file, beside those of other targets. The file is read again just before it is written, while
/// nobody else writes. A file that would stay the same is left alone.
///
/// # Errors
/// The file that is there has mistakes, or it cannot be written.
pub fn put(path: &Path, entries: &BTreeMap<String, Entry>) -> Result<(), Vec<Diag>> {
    let unwritten = |error: &std::io::Error| {
        vec![Diag::general(format!("the lock file {} cannot be written: {}", path.display(), why(error)))]
    };
    // A link stays a link.
    let real = path.canonicalize().unwrap_or_else(|_| path.to_owned());
    let folder = real.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."));
    let turn = File::open(folder).map_err(|error| unwritten(&error))?;
    // Where a folder cannot be locked, the last one wins, as ever.
    let _ = turn.lock();
    let mut lock = read(&real)?.unwrap_or_default();
    lock.entries.extend(entries.iter().map(|(name, entry)| (name.clone(), entry.clone())));
    let text = file::text(&lock);
    if fs::read(&real).is_ok_and(|have| have == text.as_bytes()) {
        return Ok(());
    }
    whole::replace(&real, text.as_bytes(), None, true).map_err(|error| unwritten(&error))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::plan::Endpoint;

    fn entry(text: &str) -> Entry {
        Entry { instructions: Some(text.to_owned()), ..Entry::default() }
    }

    fn one(name: &str, text: &str) -> BTreeMap<String, Entry> {
        [(name.to_owned(), entry(text))].into()
    }

    #[test]
    fn a_lock_stands_beside_the_file_that_defines_the_target() {
        let mut target = Target::ad_hoc("a", Endpoint::Url("http://127.0.0.1:1/mcp".into()));
        assert_eq!(path_of(&target, None), Path::new("mcp-probe.lock"));
        target.origin.file = Some("probes/a.toml".into());
        assert_eq!(path_of(&target, None), Path::new("probes/mcp-probe.lock"));
        assert_eq!(path_of(&target, Some(Path::new("x.lock"))), Path::new("x.lock"));
        target.origin.client = Some("cursor");
        assert_eq!(path_of(&target, None), Path::new("mcp-probe.lock"));
    }

    #[test]
    fn entries_of_others_stay_and_a_broken_file_is_left_alone() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("mcp-probe.lock");
        assert!(read(&path).unwrap().is_none());
        put(&path, &one("a", "x")).unwrap();
        put(&path, &one("b", "y")).unwrap();
        put(&path, &one("a", "z")).unwrap();
        let lock = read(&path).unwrap().unwrap();
        assert_eq!(lock.entries, [("a".to_owned(), entry("z")), ("b".to_owned(), entry("y"))].into());
        let before = fs::metadata(&path).unwrap().modified().unwrap();
        put(&path, &one("a", "z")).unwrap();
        assert_eq!(fs::metadata(&path).unwrap().modified().unwrap(), before);
        assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 1);
        for broken in ["version = 2\n", "version = ", "nonsense\n"] {
            fs::write(&path, broken).unwrap();
            assert!(put(&path, &one("a", "x")).is_err());
            assert_eq!(fs::read_to_string(&path).unwrap(), broken);
        }
        assert!(put(&folder.path().join("no/such/mcp-probe.lock"), &one("a", "x")).is_err());
    }

    #[test]
    fn those_who_write_at_the_same_time_lose_nothing() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("mcp-probe.lock");
        std::thread::scope(|scope| {
            for number in 0..8 {
                let path = &path;
                scope.spawn(move || put(path, &one(&format!("t{number}"), "x")).unwrap());
            }
        });
        assert_eq!(read(&path).unwrap().unwrap().entries.len(), 8);
    }

    #[cfg(unix)]
    #[test]
    fn a_link_stays_a_link() {
        let folder = tempfile::tempdir().unwrap();
        let (real, link) = (folder.path().join("real.lock"), folder.path().join("mcp-probe.lock"));
        put(&real, &one("a", "x")).unwrap();
        std::os::unix::fs::symlink(&real, &link).unwrap();
        put(&link, &one("b", "y")).unwrap();
        assert!(link.symlink_metadata().unwrap().is_symlink());
        assert_eq!(read(&real).unwrap().unwrap().entries.len(), 2);
    }
}

//! Files that others read while they are written: whoever opens one sees all of it, the old or the new.

use std::fs::{self, OpenOptions};
use std::io::{self, Write as _};
use std::path::{Path, PathBuf};

/// Puts a file in the place of another: beside it first, then renamed. `mode` is who may use it, on systems that have
/// such modes; without one it is what the user's mask says. Only a `durable` one is still whole after the machine has
/// lost its power.
///
/// # Errors
/// When the system refuses; the file of before is still there then.
pub fn replace(path: &Path, body: &[u8], mode: impl Into<Option<u32>>, durable: bool) -> io::Result<()> {
    let beside = beside(path)?;
    let written = write(&beside, body, mode.into(), durable).and_then(|()| fs::rename(&beside, path));
    written.inspect_err(|_| {
        let _ = fs::remove_file(&beside);
    })
}

/// From its first byte on nobody else may read it than in the end.
fn write(beside: &Path, body: &[u8], mode: Option<u32>, durable: bool) -> io::Result<()> {
    let mut options = OpenOptions::new();
    // What lies there is of a process that was killed, or a trap.
    let _ = fs::remove_file(beside);
    options.write(true).create_new(true);
    #[cfg(unix)]
    if let Some(mode) = mode {
        std::os::unix::fs::OpenOptionsExt::mode(&mut options, mode);
    }
    let mut file = options.open(beside)?;
    #[cfg(unix)]
    if let Some(mode) = mode {
        file.set_permissions(std::os::unix::fs::PermissionsExt::from_mode(mode))?;
    }
    #[cfg(not(unix))]
    let _ = mode;
    file.write_all(body)?;
    if durable { file.sync_all() } else { Ok(()) }
}

/// A name that no reader takes for its own, in the same folder: a rename across file systems is none.
fn beside(path: &Path) -> io::Result<PathBuf> {
    let name = path.file_name().ok_or_else(|| io::Error::new(io::ErrorKind::InvalidInput, "this is no file's name"))?;
    let mut own = name.to_owned();
    own.push(format!(".{}.tmp", std::process::id()));
    Ok(path.with_file_name(own))
}

#[cfg(test)]
mod tests {
    #[cfg(unix)]
    use std::os::unix::fs::PermissionsExt as _;

    use super::*;

    #[test]
    fn the_old_file_stays_until_the_new_one_is_whole() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("a.prom");
        replace(&path, b"1\n", 0o644, true).unwrap();
        replace(&path, b"2\n", 0o644, true).unwrap();
        assert_eq!(fs::read(&path).unwrap(), b"2\n");
        #[cfg(unix)]
        assert_eq!(fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o644);
        assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 1, "nothing is left beside it");
        assert!(replace(&folder.path().join("no/a.prom"), b"", 0o644, true).is_err());
        assert!(replace(Path::new("/"), b"", 0o644, true).is_err());
    }
}

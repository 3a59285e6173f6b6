//! Files that others read while they are written: whoever opens one sees all of it, the old or the new.

use std::fs::{self, File, Permissions};
use std::io::{self, Write as _};
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};

use super::{FilePayload, Receipt};

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

/// Puts a file in the place of another: beside it first, then renamed. Only a durable one is
/// still whole after the machine has lost its power.
///
/// # Errors
/// When the system refuses; the file of before is still there then.
pub(super) fn replace(path: &Path, body: &[u8], mode: u32, durable: bool) -> io::Result<()> {
    let beside = beside(path)?;
    let written = (|| {
        let mut file = File::create(&beside)?;
        file.set_permissions(Permissions::from_mode(mode))?;
        file.write_all(body)?;
        if durable {
            file.sync_all()?;
        }
        fs::rename(&beside, path)
    })();
    written.inspect_err(|_| {
        let _ = fs::remove_file(&beside);
    })
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
    use super::*;

    #[test]
    fn the_old_file_stays_until_the_new_one_is_whole() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("a.prom");
        replace(&path, b"1\n", 0o644, true).unwrap();
        replace(&path, b"2\n", 0o644, true).unwrap();
        assert_eq!(fs::read(&path).unwrap(), b"2\n");
        assert_eq!(fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o644);
        assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 1, "nothing is left beside it");
        assert!(replace(&folder.path().join("no/a.prom"), b"", 0o644, true).is_err());
        assert!(replace(Path::new("/"), b"", 0o644, true).is_err());
    }
}

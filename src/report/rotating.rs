//! A file that is written for ever and takes a bounded place: it is put aside when it is large or old, and what was put
//! aside is deleted in time. When somebody else takes the file away, a new one is begun.

use std::fs::{File, OpenOptions};
use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::time::Duration;

use jiff::Timestamp;

/// Whatever the retention, no more files than these are kept beside the one that is written.
const KEPT_MAX: usize = 64;
/// How often it is looked whether the file is still there.
const LOOK_EVERY: Duration = Duration::from_secs(1);

/// When a file is put aside, and for how long it is kept then.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Rotation {
    /// A line that would make it larger begins a new file; in bytes.
    pub size: u64,
    /// It is put aside at this age.
    pub every: Duration,
    /// What was put aside is deleted at this age.
    pub retention: Duration,
}

impl Default for Rotation {
    fn default() -> Self {
        let day = Duration::from_secs(24 * 3600);
        Self { size: 64 << 20, every: day, retention: day * 7 }
    }
}

/// The file that is written.
#[derive(Debug)]
pub struct RotatingFile {
    path: PathBuf,
    rotation: Rotation,
    file: File,
    bytes: u64,
    begun: Timestamp,
    looked: Timestamp,
}

impl RotatingFile {
    /// Opens the file, or goes on with it; readable by its owner only.
    ///
    /// # Errors
    /// When it cannot be opened.
    pub fn open(path: &Path, rotation: Rotation) -> io::Result<Self> {
        Self::open_at(path, rotation, Timestamp::now())
    }

    fn open_at(path: &Path, rotation: Rotation, now: Timestamp) -> io::Result<Self> {
        let file = create(path)?;
        let metadata = file.metadata()?;
        let begun = metadata.created().or_else(|_| metadata.modified());
        let begun = begun.ok().and_then(|time| Timestamp::try_from(time).ok()).unwrap_or(now).min(now);
        let begun = if metadata.len() == 0 { now } else { begun };
        Ok(Self { path: path.to_owned(), rotation, file, bytes: metadata.len(), begun, looked: now })
    }

    /// Writes whole lines; a file is never put aside in the middle of them.
    ///
    /// # Errors
    /// When the file cannot be written, or no new one be begun.
    pub fn append(&mut self, lines: &[u8], now: Timestamp) -> io::Result<()> {
        let age = |since: Timestamp| Duration::try_from(now.duration_since(since)).unwrap_or_default();
        if age(self.looked) >= LOOK_EVERY {
            self.looked = now;
            if !self.is_there() {
                *self = Self::open_at(&self.path, self.rotation, now)?;
            }
        }
        let is_large = self.bytes.saturating_add(lines.len() as u64) > self.rotation.size;
        if self.bytes > 0 && (is_large || age(self.begun) >= self.rotation.every) {
            self.put_aside(now)?;
        }
        self.file.write_all(lines)?;
        self.bytes += lines.len() as u64;
        Ok(())
    }

    /// Whether the path still means the file that is open.
    #[cfg(unix)]
    fn is_there(&self) -> bool {
        use std::os::unix::fs::MetadataExt as _;
        let (Ok(ours), Ok(there)) = (self.file.metadata(), std::fs::metadata(&self.path)) else { return false };
        (ours.dev(), ours.ino()) == (there.dev(), there.ino())
    }

    #[cfg(not(unix))]
    fn is_there(&self) -> bool {
        self.path.exists()
    }

    fn put_aside(&mut self, now: Timestamp) -> io::Result<()> {
        let stamp = now.strftime("%Y%m%dT%H%M%SZ").to_string();
        let names = (0..).map(|count| match count {
            0 => self.beside(&stamp),
            count => self.beside(&format!("{stamp}-{count:04}")),
        });
        let free = names.take(10_000).find(|path| !path.exists());
        std::fs::rename(&self.path, free.ok_or_else(|| io::Error::other("no name is free for the file put aside"))?)?;
        *self = Self::open_at(&self.path, self.rotation, now)?;
        self.begun = now;
        self.tidy(now);
        Ok(())
    }

    fn beside(&self, stamp: &str) -> PathBuf {
        let mut name = self.path.file_name().unwrap_or_default().to_owned();
        name.push(format!(".{stamp}"));
        self.path.with_file_name(name)
    }

    /// The files that were put aside, oldest first.
    fn aside(&self) -> Vec<PathBuf> {
        let prefix = format!("{}.", self.path.file_name().unwrap_or_default().to_string_lossy());
        let is_ours = |path: &PathBuf| {
            let name = path.file_name().unwrap_or_default().to_string_lossy().into_owned();
            name.strip_prefix(&prefix).is_some_and(|stamp| {
                stamp.len() >= 16 && stamp.starts_with(|c: char| c.is_ascii_digit()) && stamp.as_bytes()[8] == b'T'
            })
        };
        let folder = self.path.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."));
        let entries = std::fs::read_dir(folder).into_iter().flatten();
        let mut files: Vec<PathBuf> = entries.filter_map(|entry| Some(entry.ok()?.path())).filter(is_ours).collect();
        files.sort();
        files
    }

    fn tidy(&self, now: Timestamp) {
        let files = self.aside();
        let spare = files.len().saturating_sub(KEPT_MAX);
        for (place, file) in files.iter().enumerate() {
            let age = std::fs::metadata(file).and_then(|metadata| metadata.modified());
            let written = age.ok().and_then(|time| Timestamp::try_from(time).ok()).unwrap_or(now);
            let age = Duration::try_from(now.duration_since(written)).unwrap_or_default();
            if place < spare || age > self.rotation.retention {
                // What cannot be deleted now is tried again at the next turn.
                let _ = std::fs::remove_file(file);
            }
        }
    }
}

fn create(path: &Path) -> io::Result<File> {
    let mut options = OpenOptions::new();
    options.append(true).create(true);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    options.open(path)
}

impl Write for RotatingFile {
    fn write(&mut self, lines: &[u8]) -> io::Result<usize> {
        self.append(lines, Timestamp::now())?;
        Ok(lines.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        self.file.flush()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn rotation(size: u64, every: u64) -> Rotation {
        Rotation { size, every: Duration::from_secs(every), retention: Duration::from_secs(7 * 24 * 3600) }
    }

    #[test]
    fn a_large_file_and_an_old_one_are_put_aside_whole() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("watch.log");
        let start = Timestamp::now();
        let mut file = RotatingFile::open_at(&path, rotation(10, 3600), start).unwrap();
        for _ in 0..3 {
            file.append(b"12345\n", start).unwrap();
        }
        assert_eq!(file.aside().len(), 2, "two lines are too large for one file");
        file.append(b"a\n", start + Duration::from_secs(3601)).unwrap();
        assert_eq!((file.aside().len(), std::fs::read(&path).unwrap()), (3, b"a\n".to_vec()));
        let kept: Vec<Vec<u8>> = file.aside().iter().map(|path| std::fs::read(path).unwrap()).collect();
        assert!(kept.iter().all(|text| text == b"12345\n"), "{kept:?}");
    }

    #[test]
    fn what_was_put_aside_is_bounded_in_age_and_number() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("watch.log");
        std::fs::write(folder.path().join("watch.log.old"), "not ours").unwrap();
        let mut now = Timestamp::now();
        let mut file = RotatingFile::open_at(&path, rotation(1, 3600), now).unwrap();
        for _ in 0..KEPT_MAX + 20 {
            now += Duration::from_secs(1);
            file.append(b"line\n", now).unwrap();
        }
        assert_eq!(file.aside().len(), KEPT_MAX);
        file.append(b"line\n", now + Duration::from_secs(8 * 24 * 3600)).unwrap();
        assert_eq!(file.aside().len(), 0, "older than the retention");
        assert!(folder.path().join("watch.log.old").exists());
    }

    #[test]
    fn a_file_that_was_taken_away_is_begun_anew_and_one_that_is_there_is_gone_on_with() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("watch.log");
        let now = Timestamp::now();
        let mut file = RotatingFile::open_at(&path, rotation(1000, 3600), now).unwrap();
        file.append(b"one\n", now).unwrap();
        std::fs::rename(&path, folder.path().join("elsewhere")).unwrap();
        file.append(b"two\n", now + Duration::from_secs(2)).unwrap();
        assert_eq!(std::fs::read(&path).unwrap(), b"two\n");
        drop(file);
        RotatingFile::open(&path, rotation(1000, 3600)).unwrap().append(b"three\n", now).unwrap();
        assert_eq!(std::fs::read(&path).unwrap(), b"two\nthree\n");
    }

    #[cfg(unix)]
    #[test]
    fn it_is_private() {
        use std::os::unix::fs::PermissionsExt as _;
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("watch.log");
        drop(RotatingFile::open(&path, Rotation::default()).unwrap());
        assert_eq!(std::fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o600);
        assert!(RotatingFile::open(folder.path(), Rotation::default()).is_err());
    }
}

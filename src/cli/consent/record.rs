//! The record of consents: a file of the user's own, written whole beside itself and renamed, under a lock, so that two
//! processes at once lose nothing. What cannot be understood counts as no consent, and is never lost.

use std::fs::{DirBuilder, File, OpenOptions};
use std::io::Read as _;
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

use crate::base::whole;

/// The schema id of the record.
const SCHEMA: &str = "mcp-probe/consents/1";
/// What every version of the record begins with.
const SCHEMA_FAMILY: &str = "mcp-probe/consents/";
/// No record is larger, in bytes.
const BYTES_MAX: u64 = 16 << 20;
/// The oldest consents beyond this are forgotten.
const CONSENTS_MAX: usize = 10_000;

/// One yes.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Consent {
    /// The file in which the target stands, its real path.
    pub file: String,
    /// The target's name there.
    pub name: String,
    /// The folder in which its program would run.
    pub folder: String,
    /// The hash of all that the consent covers.
    pub sha256: String,
    /// When.
    pub given_at: String,
}

impl Consent {
    fn same_subject(&self, other: &Self) -> bool {
        self.file == other.file && self.name == other.name && self.folder == other.folder
    }
}

#[derive(Serialize, Deserialize)]
struct Document {
    schema: String,
    consents: Vec<Consent>,
}

/// What the file holds.
enum Held {
    Consents(Vec<Consent>),
    /// It is no record.
    Broken,
    /// It comes from a newer mcp-probe.
    Newer(String),
    /// Others may write it, or it cannot be read; the words say which.
    Unusable(String),
}

/// The file of the record.
#[derive(Clone, Debug)]
pub struct Record {
    path: PathBuf,
}

impl Record {
    /// The record at this path, whether it exists or not.
    #[must_use]
    pub fn at(path: PathBuf) -> Self {
        Self { path }
    }

    /// The user's record: in `$XDG_STATE_HOME/mcp-probe`, or the platform's usual place.
    #[must_use]
    pub fn of_user() -> Option<Self> {
        let variable = |name: &str| std::env::var_os(name).map(PathBuf::from).filter(|path| path.is_absolute());
        let base = variable("XDG_STATE_HOME").or_else(|| {
            let usual = if cfg!(target_os = "macos") { "Library/Application Support" } else { ".local/state" };
            Some(variable("HOME")?.join(usual))
        })?;
        Some(Self::at(base.join("mcp-probe/consents.json")))
    }

    /// Where it is.
    #[must_use]
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Every consent in it; none of what cannot be understood.
    #[must_use]
    pub fn consents(&self) -> Vec<Consent> {
        match self.held() {
            Held::Consents(consents) => consents,
            Held::Broken | Held::Newer(_) | Held::Unusable(_) => Vec::new(),
        }
    }

    /// Changes it. Gives a sentence where there is something to tell: a broken record that was kept aside.
    ///
    /// # Errors
    /// Why nothing was written, in words.
    pub fn change(&self, change: impl FnOnce(&mut Vec<Consent>)) -> Result<Option<String>, String> {
        let folder = self.path.parent().ok_or("it has no folder")?;
        let words = |error: std::io::Error| error.to_string();
        let mut builder = DirBuilder::new();
        builder.recursive(true);
        #[cfg(unix)]
        std::os::unix::fs::DirBuilderExt::mode(&mut builder, 0o700);
        builder.create(folder).map_err(words)?;
        let lock = private(OpenOptions::new().create(true).truncate(false)).open(self.path.with_extension("lock"));
        let lock = lock.map_err(words)?;
        // Where a file system knows no locks, the rename alone has to do.
        let _ = lock.lock();
        let (mut consents, told) = match self.held() {
            Held::Consents(consents) => (consents, None),
            Held::Broken => (Vec::new(), Some(self.put_aside()?)),
            Held::Newer(schema) => {
                return Err(format!("{} is of a newer mcp-probe ({schema}) and is left as it is", self.path.display()));
            }
            Held::Unusable(why) => return Err(format!("{} {why}", self.path.display())),
        };
        change(&mut consents);
        let surplus = consents.len().saturating_sub(CONSENTS_MAX);
        consents.drain(..surplus);
        self.write(consents).map_err(words)?;
        Ok(told)
    }

    fn held(&self) -> Held {
        let mut text = String::new();
        let read = File::open(&self.path).and_then(|file| {
            let metadata = file.metadata()?;
            file.take(BYTES_MAX).read_to_string(&mut text)?;
            Ok(metadata)
        });
        match read {
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Held::Consents(Vec::new()),
            Err(error) if error.kind() == std::io::ErrorKind::InvalidData => return Held::Broken,
            Err(error) => return Held::Unusable(format!("cannot be read: {error}")),
            Ok(metadata) if others_may_write(&metadata) => {
                return Held::Unusable(
                    "may be written by other users, so it counts for nothing; `chmod 600` makes it yours".to_owned(),
                );
            }
            Ok(_) => {}
        }
        match serde_json::from_str::<Document>(&text) {
            Ok(document) if document.schema == SCHEMA => Held::Consents(document.consents),
            parsed => {
                let schema = match parsed {
                    Ok(document) => Some(document.schema),
                    Err(_) => serde_json::from_str::<serde_json::Value>(&text)
                        .ok()
                        .and_then(|value| Some(value.get("schema")?.as_str()?.to_owned())),
                };
                match schema.filter(|schema| schema != SCHEMA && schema.starts_with(SCHEMA_FAMILY)) {
                    Some(schema) => Held::Newer(crate::base::sanitize::one_line(&schema, 60)),
                    None => Held::Broken,
                }
            }
        }
    }

    /// Renames a broken record, so that nothing in it is lost. Gives the sentence to tell.
    fn put_aside(&self) -> Result<String, String> {
        let names = (0..100).map(|count| match count {
            0 => self.path.with_extension("json.broken"),
            count => self.path.with_extension(format!("json.broken-{count}")),
        });
        let aside = names.into_iter().find(|path| !path.exists()).ok_or("too many broken records lie beside it")?;
        std::fs::rename(&self.path, &aside).map_err(|error| error.to_string())?;
        Ok(format!("the record of consents could not be understood; it is kept as {}", aside.display()))
    }

    fn write(&self, consents: Vec<Consent>) -> std::io::Result<()> {
        let document = Document { schema: SCHEMA.to_owned(), consents };
        let text = serde_json::to_string_pretty(&document)? + "\n";
        whole::replace(&self.path, text.as_bytes(), 0o600, true)
    }
}

/// Adds a consent in the place of an earlier one for the same subject.
pub fn put(consents: &mut Vec<Consent>, consent: Consent) {
    consents.retain(|have| !have.same_subject(&consent));
    consents.push(consent);
}

fn private(options: &mut OpenOptions) -> &mut OpenOptions {
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(options, 0o600);
    options.write(true)
}

#[cfg(unix)]
fn others_may_write(metadata: &std::fs::Metadata) -> bool {
    std::os::unix::fs::MetadataExt::mode(metadata) & 0o022 != 0
}

#[cfg(not(unix))]
fn others_may_write(_: &std::fs::Metadata) -> bool {
    false
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt as _;

    use super::*;

    fn consent(name: &str) -> Consent {
        let text = |text: &str| text.to_owned();
        Consent { file: text("/f"), name: text(name), folder: text("/"), sha256: text("aa"), given_at: text("now") }
    }

    fn record() -> (tempfile::TempDir, Record) {
        let folder = tempfile::tempdir().unwrap();
        let record = Record::at(folder.path().join("state/consents.json"));
        (folder, record)
    }

    fn names(record: &Record) -> Vec<String> {
        record.consents().into_iter().map(|consent| consent.name).collect()
    }

    #[test]
    fn what_is_put_is_there_and_private() {
        let (_folder, record) = record();
        assert!(names(&record).is_empty());
        for name in ["a", "b", "a"] {
            assert_eq!(record.change(|all| put(all, consent(name))), Ok(None));
        }
        assert_eq!(names(&record), ["b", "a"]);
        let mode = |path: &Path| std::fs::metadata(path).unwrap().permissions().mode() & 0o777;
        assert_eq!(mode(record.path()), 0o600);
        assert_eq!(mode(record.path().parent().unwrap()), 0o700);
        record.change(Vec::clear).unwrap();
        assert!(names(&record).is_empty());
        let left = std::fs::read_dir(record.path().parent().unwrap()).unwrap().count();
        assert_eq!(left, 2, "the record and its lock");
    }

    #[test]
    fn two_at_once_lose_nothing() {
        let (_folder, record) = record();
        std::thread::scope(|scope| {
            for at in 0..8 {
                let record = &record;
                scope.spawn(move || record.change(|all| put(all, consent(&at.to_string()))).unwrap());
            }
        });
        assert_eq!(names(&record).len(), 8);
    }

    #[test]
    fn a_broken_record_is_kept_aside_and_a_newer_one_left_alone() {
        let (_folder, record) = record();
        record.change(|all| put(all, consent("a"))).unwrap();
        for broken in ["{", "{\"a\": \"b\"}", "{\"schema\": \"mcp-probe/consents/1\", \"consents\": 7}"] {
            std::fs::write(record.path(), broken).unwrap();
            assert!(names(&record).is_empty());
            assert!(record.change(|all| put(all, consent("b"))).unwrap().unwrap().contains("kept as"));
            assert_eq!(names(&record), ["b"]);
        }
        let aside = record.path().with_extension("json.broken");
        assert_eq!(std::fs::read_to_string(aside).unwrap(), "{");
        let newer = "{\"schema\": \"mcp-probe/consents/2\", \"yes\": []}";
        std::fs::write(record.path(), newer).unwrap();
        assert!(names(&record).is_empty());
        assert!(record.change(Vec::clear).unwrap_err().contains("newer"));
        assert_eq!(std::fs::read_to_string(record.path()).unwrap(), newer);
    }

    #[test]
    fn a_record_that_others_may_write_counts_for_nothing() {
        let (_folder, record) = record();
        record.change(|all| put(all, consent("a"))).unwrap();
        std::fs::set_permissions(record.path(), std::fs::Permissions::from_mode(0o666)).unwrap();
        assert!(names(&record).is_empty());
        assert!(record.change(Vec::clear).unwrap_err().contains("chmod 600"));
    }
}

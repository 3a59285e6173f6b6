//! The file: where it lies, who may open it, and whether it is ours. A file that is newer, foreign or broken is refused
//! and left as it is; one daemon at a time writes.

use std::fs::{self, DirBuilder, File, OpenOptions, TryLockError};
use std::io::{ErrorKind, Read, Seek, SeekFrom, Write};
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt};
use std::path::{Path, PathBuf};
use std::time::Duration;

use rusqlite::config::DbConfig;
use rusqlite::{Connection, OpenFlags};

use super::error::{Kind, StoreError};

/// `mcpp`, at the place where SQLite keeps a mark of whose file it is.
const APPLICATION: u32 = 0x6d63_7070;
/// The layout that this program writes. In the first there was no `recent`.
const VERSION: u32 = 2;
const TABLES: &str = include_str!("schema.sql");
const RECENT: &str = include_str!("recent.sql");
/// From here on SQLite resets its log without losing what was written meanwhile.
const SQLITE_MIN: i32 = 3_051_003;
const MAGIC: &[u8] = b"SQLite format 3\0";
const HEADER: usize = 100;
/// Few runs of a probe come together before they are written: small pages and a long log keep the disk from writing many
/// times more than there is.
const PAGE: u32 = 2_048;
/// Pages of the log before it is brought into the file: 16 MiB.
const LOG_PAGES: u32 = 8_192;
/// A file up to this size is checked whole when it is opened; a larger one where it is read.
const CHECKED_WHOLE_MAX: u64 = 16 << 20;

/// The name of the file in its folder.
pub const FILE_NAME: &str = "history.sqlite";

/// Where state is kept unless somebody says else: `$STATE_DIRECTORY` (systemd), `$XDG_STATE_HOME/mcp-probe`, or
/// `~/.local/state/mcp-probe`; on macOS `~/Library/Application Support/mcp-probe`. None without a home.
#[must_use]
pub fn default_folder() -> Option<PathBuf> {
    folder_from(|name| std::env::var_os(name).filter(|value| !value.is_empty()).map(PathBuf::from))
}

fn folder_from(variable: impl Fn(&str) -> Option<PathBuf>) -> Option<PathBuf> {
    let absolute = |name: &str| variable(name).filter(|path| path.is_absolute());
    if let Some(folders) = variable("STATE_DIRECTORY") {
        // systemd separates several by colons; the first is ours.
        let first = folders.to_str()?.split(':').next()?.to_owned();
        return Some(PathBuf::from(first));
    }
    if let Some(folder) = absolute("XDG_STATE_HOME") {
        return Some(folder.join("mcp-probe"));
    }
    let home = absolute("HOME")?;
    Some(if cfg!(target_os = "macos") {
        home.join("Library/Application Support/mcp-probe")
    } else {
        home.join(".local/state/mcp-probe")
    })
}

/// The lock that says that a daemon writes; given back when it is dropped.
#[derive(Debug)]
pub(super) struct Lock(#[expect(dead_code, reason = "held, never read")] File);

/// Opens for writing: makes folder and file where there are none, brings an older file up to date.
pub(super) fn open(path: &Path) -> Result<(Connection, Lock), StoreError> {
    if rusqlite::version_number() < SQLITE_MIN {
        let have = rusqlite::version();
        return Err(Kind::Unusable.at(path, &format!("it needs SQLite 3.51.3 or later, and this program has {have}")));
    }
    let unusable = |error: &std::io::Error| Kind::Unusable.at(path, &format!("it cannot be written: {error}"));
    make_folder(path)?;
    let lock = lock(path)?;
    let is_new = match fs::metadata(path) {
        Ok(file) if file.is_file() => file.len() == 0,
        Ok(_) => return Err(Kind::Foreign.at(path, "it is no file; choose another place with --state DIR")),
        Err(error) if error.kind() == ErrorKind::NotFound => true,
        Err(error) => return Err(unusable(&error)),
    };
    if is_new {
        create(path)?;
    }
    look_at_header(path)?;
    // Whether the file may be written is asked before SQLite opens it for reading instead.
    OpenOptions::new().append(true).open(path).map_err(|error| unusable(&error))?;
    Ok((connect(path)?, lock))
}

/// The folder of the file, where there is none.
pub(super) fn make_folder(path: &Path) -> Result<(), StoreError> {
    let Some(folder) = path.parent().filter(|folder| !folder.as_os_str().is_empty()) else { return Ok(()) };
    DirBuilder::new().recursive(true).mode(0o700).create(folder).map_err(|error| {
        Kind::Unusable.at(path, &format!("its folder cannot be made: {error}; choose another with --state DIR"))
    })
}

/// The writing connection to a file that is ours.
pub(super) fn connect(path: &Path) -> Result<Connection, StoreError> {
    let flags = OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_NO_MUTEX;
    let connection = Connection::open_with_flags(path, flags).map_err(|error| StoreError::of(path, &error))?;
    ready(&connection, path)?;
    steady(&connection, path)?;
    Ok(connection)
}

/// Opens for reading, beside a daemon that writes or without one. Whether it is an older file, which has no `recent`: an
/// empty one stands in for it.
pub(super) fn open_to_read(path: &Path, is_own: bool) -> Result<(Connection, bool), StoreError> {
    match fs::metadata(path) {
        Ok(file) if file.is_file() && file.len() > 0 => {}
        Ok(file) if file.is_file() => return Err(Kind::Missing.at(path, "there is no history yet: the file is empty")),
        Ok(_) => return Err(Kind::Foreign.at(path, "it is no file")),
        Err(error) if error.kind() == ErrorKind::NotFound => {
            let why = "there is no history here; `mcp-probe watch` writes one, --state DIR says where";
            return Err(Kind::Missing.at(path, why));
        }
        Err(error) => return Err(Kind::Unusable.at(path, &format!("it cannot be read: {error}"))),
    }
    // To close a file gives back every lock that this process has on it, also the one that tells other programs that
    // somebody writes: they would take the log away. What this process writes needs no look.
    if !is_own {
        look_at_header(path)?;
    }
    let told = |error: rusqlite::Error| StoreError::of(path, &error);
    let flags = OpenFlags::SQLITE_OPEN_READ_ONLY | OpenFlags::SQLITE_OPEN_NO_MUTEX;
    let connection = Connection::open_with_flags(path, flags).map_err(told)?;
    connection.busy_timeout(Duration::from_secs(5)).map_err(told)?;
    let version = connection.query_row("PRAGMA user_version", [], |row| row.get::<_, u32>(0));
    let (connection, version) = match version {
        Ok(version) => (connection, version),
        // In a folder where nothing may be written, and nobody writes, the file stands still.
        Err(_) if side_file(path, "-wal").metadata().map_or(0, |log| log.len()) == 0 => {
            let uri = format!("file:{}?immutable=1", escaped(path));
            let still = Connection::open_with_flags(uri, flags | OpenFlags::SQLITE_OPEN_URI).map_err(told)?;
            let version = still.query_row("PRAGMA user_version", [], |row| row.get::<_, u32>(0)).map_err(told)?;
            (still, version)
        }
        Err(error) => return Err(told(error)),
    };
    if version == 0 {
        return Err(Kind::Missing.at(path, "there is no history yet"));
    }
    if version > VERSION {
        return Err(newer_than_we(path, version));
    }
    if version < VERSION {
        let stands_in = "CREATE TEMP TABLE recent AS SELECT 0 AS part, * FROM samples WHERE FALSE";
        connection.execute_batch(&format!("PRAGMA temp_store = MEMORY; {stands_in}")).map_err(told)?;
    }
    Ok((connection, version < VERSION))
}

/// Whether a daemon has brought the file up to date since it was opened for reading.
pub(super) fn is_renewed(connection: &Connection) -> rusqlite::Result<bool> {
    Ok(connection.query_row("PRAGMA user_version", [], |row| row.get::<_, u32>(0))? >= VERSION)
}

/// After that: what stood in for the newer table would stand before it.
pub(super) fn read_as_new(connection: &Connection) -> rusqlite::Result<()> {
    connection.execute_batch("DROP TABLE temp.recent")
}

fn escaped(path: &Path) -> String {
    let mut text = String::new();
    for byte in path.as_os_str().as_encoded_bytes() {
        match byte {
            b'/' | b'.' | b'-' | b'_' => text.push(char::from(*byte)),
            byte if byte.is_ascii_alphanumeric() => text.push(char::from(*byte)),
            byte => text.push_str(&format!("%{byte:02X}")),
        }
    }
    text
}

fn side_file(path: &Path, ending: &str) -> PathBuf {
    let mut name = path.as_os_str().to_owned();
    name.push(ending);
    PathBuf::from(name)
}

/// Where the lock lies.
pub(super) fn lock_path(path: &Path) -> PathBuf {
    side_file(path, ".lock")
}

/// One daemon per file. The lock lies beside it, so that it holds before there is a file.
pub(super) fn lock(path: &Path) -> Result<Lock, StoreError> {
    let beside = lock_path(path);
    let opened = OpenOptions::new().read(true).write(true).create(true).truncate(false).mode(0o600).open(&beside);
    let mut file =
        opened.map_err(|error| Kind::Unusable.at(path, &format!("the lock beside it cannot be written: {error}")))?;
    match file.try_lock() {
        Ok(()) => {}
        Err(TryLockError::WouldBlock) => {
            let mut holder = String::new();
            let _ = file.read_to_string(&mut holder);
            let digits: String = holder.chars().take_while(char::is_ascii_digit).take(10).collect();
            let who = if digits.is_empty() { String::new() } else { format!(" (process {digits})") };
            let why = format!(
                "another mcp-probe{who} is writing it; stop that one, or give this one a folder of its own with --state DIR"
            );
            return Err(Kind::Busy.at(path, &why));
        }
        Err(TryLockError::Error(error)) => {
            return Err(Kind::Unusable.at(path, &format!("it cannot be locked: {error}")));
        }
    }
    // Who holds it is told to the one who comes second; that it could not be written harms nobody.
    let _ = file.set_len(0);
    let _ = file.seek(SeekFrom::Start(0)).and_then(|_| writeln!(file, "{}", std::process::id()));
    Ok(Lock(file))
}

/// Makes the file, with nothing in it.
fn create(path: &Path) -> Result<(), StoreError> {
    let told = |error: rusqlite::Error| StoreError::of(path, &error);
    make(path, |draft| {
        let connection = Connection::open_with_flags(draft, OpenFlags::SQLITE_OPEN_READ_WRITE).map_err(told)?;
        connection
            .execute_batch(&format!(
                "PRAGMA page_size = {PAGE}; PRAGMA auto_vacuum = INCREMENTAL; PRAGMA synchronous = EXTRA; BEGIN; {TABLES} {RECENT}
                 PRAGMA application_id = {APPLICATION}; PRAGMA user_version = {VERSION}; COMMIT;"
            ))
            .map_err(told)
    })
}

/// Makes the file with everything that a connection to another one sees.
pub(super) fn copy(connection: &Connection, path: &Path) -> Result<(), StoreError> {
    make(path, |draft| {
        let Some(name) = draft.to_str() else {
            return Err(Kind::Unusable.at(path, "it cannot be made anew, because its name is no UTF-8"));
        };
        connection.execute("VACUUM INTO ?1", [name]).map(drop).map_err(|error| StoreError::of(path, &error))
    })
}

/// Makes the file whole under another name, then gives it its own: killed in between, there is no half file.
fn make(path: &Path, fill: impl FnOnce(&Path) -> Result<(), StoreError>) -> Result<(), StoreError> {
    let draft = side_file(path, ".new");
    let unusable = |error: std::io::Error| Kind::Unusable.at(path, &format!("it cannot be made: {error}"));
    // A log that is left of a file that is gone would be taken for the new one's.
    for left in [draft.clone(), side_file(&draft, "-journal"), side_file(path, "-wal"), side_file(path, "-shm")] {
        match fs::remove_file(&left) {
            Err(error) if error.kind() != ErrorKind::NotFound => return Err(unusable(error)),
            _ => {}
        }
    }
    let file = OpenOptions::new().write(true).create_new(true).mode(0o600).open(&draft).map_err(unusable)?;
    fill(&draft)?;
    let told = |error: rusqlite::Error| StoreError::of(path, &error);
    let connection = Connection::open_with_flags(&draft, OpenFlags::SQLITE_OPEN_READ_WRITE).map_err(told)?;
    // What only the log knows, a look at the header would miss: the log begins when the file is whole.
    connection.query_row("PRAGMA journal_mode = WAL", [], |row| row.get::<_, String>(0)).map_err(told)?;
    connection.close().map_err(|(_, error)| told(error))?;
    file.sync_all().map_err(unusable)?;
    fs::rename(&draft, path).map_err(unusable)?;
    if let Some(folder) = path.parent().filter(|folder| !folder.as_os_str().is_empty()) {
        File::open(folder).and_then(|folder| folder.sync_all()).map_err(unusable)?;
    }
    Ok(())
}

/// Whose file it is, told from its first bytes, before SQLite touches anything.
fn look_at_header(path: &Path) -> Result<(), StoreError> {
    let mut header = [0; HEADER];
    let mut file = File::open(path).map_err(|error| Kind::Unusable.at(path, &format!("it cannot be read: {error}")))?;
    let foreign = |what: &str| {
        Kind::Foreign
            .at(path, &format!("{what}; it is left as it is: move it away, or choose another place with --state DIR"))
    };
    if file.read_exact(&mut header).is_err() || &header[..16] != MAGIC {
        return Err(foreign("this is no history of mcp-probe"));
    }
    let number = |at: usize| u32::from_be_bytes([header[at], header[at + 1], header[at + 2], header[at + 3]]);
    if number(68) != APPLICATION {
        return Err(foreign("this is a database of another program"));
    }
    if number(60) > VERSION {
        return Err(newer_than_we(path, number(60)));
    }
    let page = match u64::from(u16::from_be_bytes([header[16], header[17]])) {
        1 => 65_536,
        size => size,
    };
    let length = file.metadata().map_or(0, |file| file.len());
    // The log may hold pages that the file does not have yet, never the other way round.
    let log = side_file(path, "-wal").metadata().map_or(0, |log| log.len());
    if log == 0 && u64::from(number(28)) * page > length {
        return Err(broken(path, "its end is missing"));
    }
    Ok(())
}

fn newer_than_we(path: &Path, version: u32) -> StoreError {
    let why = format!(
        "a newer mcp-probe has written it (layout {version}, this program knows {VERSION}); use that one, or choose \
         another place with --state DIR"
    );
    Kind::Newer.at(path, &why)
}

pub(super) fn broken(path: &Path, what: &str) -> StoreError {
    let why = format!(
        "the file is broken ({what}); it is left as it is: move it away and start again, or bring back a copy; \
         `sqlite3 FILE .recover` saves what can be read"
    );
    Kind::Broken.at(path, &why)
}

/// Statements are compiled once: neither thrown away for others nor compiled again for each value.
pub(super) fn steady(connection: &Connection, path: &Path) -> Result<(), StoreError> {
    connection.set_prepared_statement_cache_capacity(64);
    let set = connection.set_db_config(DbConfig::SQLITE_DBCONFIG_ENABLE_QPSG, true);
    set.map(drop).map_err(|error| StoreError::of(path, &error))
}

/// Settings of the writing connection, and the checks that need SQLite.
fn ready(connection: &Connection, path: &Path) -> Result<(), StoreError> {
    let told = |error: rusqlite::Error| StoreError::of(path, &error);
    connection.busy_timeout(Duration::from_secs(10)).map_err(told)?;
    let number = |name: &str| connection.query_row(&format!("PRAGMA {name}"), [], |row| row.get::<_, u32>(0));
    let (application, version) = (number("application_id").map_err(told)?, number("user_version").map_err(told)?);
    if application != APPLICATION {
        return Err(Kind::Foreign.at(path, "this is a database of another program; it is left as it is"));
    }
    if version > VERSION {
        return Err(newer_than_we(path, version));
    }
    let mode: String = connection.query_row("PRAGMA journal_mode = WAL", [], |row| row.get(0)).map_err(told)?;
    if mode != "wal" {
        let why = format!("it cannot keep a write-ahead log there (journal mode {mode}): is it a network drive?");
        return Err(Kind::Unusable.at(path, &why));
    }
    // 4 MiB of pages: it fills as the history grows, and what is not in it is in the system's own cache.
    connection
        .execute_batch(&format!(
            "PRAGMA synchronous = NORMAL; PRAGMA fullfsync = ON; PRAGMA journal_size_limit = 16777216;
             PRAGMA wal_autocheckpoint = {LOG_PAGES}; PRAGMA cache_size = -4096; PRAGMA temp_store = MEMORY;"
        ))
        .map_err(told)?;
    if fs::metadata(path).map_or(0, |file| file.len()) <= CHECKED_WHOLE_MAX {
        let verdict: String = connection.query_row("PRAGMA quick_check(1)", [], |row| row.get(0)).map_err(told)?;
        if verdict != "ok" {
            return Err(broken(path, verdict.lines().next().unwrap_or_default()));
        }
    }
    if version < VERSION {
        let renew = format!("BEGIN; DROP VIEW IF EXISTS runs; {RECENT} PRAGMA user_version = {VERSION}; COMMIT;");
        connection.execute_batch(&renew).map_err(told)?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_folder_is_the_platforms() {
        let folder = |pairs: &[(&str, &str)]| {
            folder_from(|name| pairs.iter().find(|(have, _)| *have == name).map(|(_, value)| PathBuf::from(value)))
        };
        let shown = |pairs: &[(&str, &str)]| folder(pairs).map(|path| path.display().to_string());
        assert_eq!(shown(&[("STATE_DIRECTORY", "/var/lib/mcp:/x"), ("HOME", "/h")]).as_deref(), Some("/var/lib/mcp"));
        assert_eq!(shown(&[("XDG_STATE_HOME", "/s"), ("HOME", "/h")]).as_deref(), Some("/s/mcp-probe"));
        assert_eq!(shown(&[("XDG_STATE_HOME", "relative")]), None);
        assert_eq!(shown(&[]), None);
        #[cfg(not(target_os = "macos"))]
        assert_eq!(shown(&[("HOME", "/h")]).as_deref(), Some("/h/.local/state/mcp-probe"));
    }
}

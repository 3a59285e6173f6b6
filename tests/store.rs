//! The history as a file: what is refused stays untouched, one writes and others read, and what cannot be written is
//! said and kept.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::time::{Duration, Instant};

use jiff::Timestamp;
use mcp_probe::event::{Latency, Sample, Status};
use mcp_probe::store::{FILE_NAME, Kind, Reader, Retention, Store, StoreError};
use rusqlite::Connection;

fn sample(target: &str, at: i64) -> Sample {
    Sample {
        probe: "smoke".into(),
        target: target.into(),
        at: Timestamp::from_millisecond(1_768_000_000_000 + at).unwrap(),
        status: Status::Healthy,
        reason: None,
        message: None,
        duration: Duration::from_millis(12),
        latencies: vec![Latency { method: "tools/list".into(), took: Duration::from_micros(4_321), timed_out: false }],
        server: None,
        protocol: None,
        tools: None,
        certificate_ends: None,
        tools_digest: None,
        token_ends: None,
        usage: None,
    }
}

fn wait<T>(future: impl Future<Output = T>) -> T {
    tokio::runtime::Builder::new_current_thread().build().unwrap().block_on(future)
}

/// A history with one run, closed.
fn history(folder: &Path) -> std::path::PathBuf {
    let store = Store::open_in(folder).unwrap();
    wait(async {
        store.record(sample("weather", 0), None).await.unwrap();
        store.close().await.unwrap();
    });
    folder.join(FILE_NAME)
}

/// Refused for writing and for reading, with the file's name, and not one byte is another.
#[track_caller]
fn refused(path: &Path, kind: Kind, words: &str) {
    let before = std::fs::read(path).unwrap();
    for error in [Store::open(path).err().unwrap(), Reader::open(path).err().unwrap()] {
        let StoreError { kind: told, message } = &error;
        assert_eq!(*told, kind, "{message}");
        assert!(message.contains(&path.display().to_string()) && message.contains(words), "{message}");
    }
    assert!(std::fs::read(path).unwrap() == before, "the file was changed");
    for ending in ["-wal", "-shm", "-journal", ".new"] {
        let beside = path.with_file_name(format!("{FILE_NAME}{ending}"));
        assert!(!beside.exists(), "{} was left", beside.display());
    }
}

#[test]
fn what_is_not_ours_is_refused_and_left() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join(FILE_NAME);
    std::fs::write(&path, "dear diary\n").unwrap();
    refused(&path, Kind::Foreign, "no history of mcp-probe");
    std::fs::write(&path, "x".repeat(10_000)).unwrap();
    refused(&path, Kind::Foreign, "move it away");
    std::fs::remove_file(&path).unwrap();
    let other = Connection::open(&path).unwrap();
    other.execute_batch("CREATE TABLE songs (name TEXT); INSERT INTO songs VALUES ('x');").unwrap();
    other.close().unwrap();
    refused(&path, Kind::Foreign, "another program");
}

#[test]
fn a_newer_file_is_refused_and_left() {
    let folder = tempfile::tempdir().unwrap();
    let path = history(folder.path());
    let connection = Connection::open(&path).unwrap();
    connection.execute_batch("PRAGMA user_version = 999;").unwrap();
    connection.close().unwrap();
    refused(&path, Kind::Newer, "layout 999");
}

/// A file as a mcp-probe of before there was `recent` has written it: fourteen runs of each of two targets.
fn first_layout(folder: &Path) -> std::path::PathBuf {
    let path = folder.join(FILE_NAME);
    let mut file = std::fs::File::create(&path).unwrap();
    let packed = include_bytes!("store/history-1.sqlite.gz");
    std::io::copy(&mut flate2::read::GzDecoder::new(packed.as_slice()), &mut file).unwrap();
    path
}

#[test]
fn an_older_file_is_read_as_it_is_and_brought_up_to_date_by_who_writes() {
    let folder = tempfile::tempdir().unwrap();
    let path = first_layout(folder.path());
    let before = std::fs::read(&path).unwrap();
    let reader = Reader::open(&path).unwrap();
    let all = |reader: &Reader| reader.samples(None, None, Timestamp::MIN, Timestamp::MAX, usize::MAX).unwrap();
    let old = all(&reader);
    let failures = reader.failures(Some("broken"), None, Timestamp::MIN, 50).unwrap();
    assert_eq!((old.len(), failures.len()), (28, 14));
    assert!(failures[13].transcript.is_some() && failures[0].sample.message.as_ref().unwrap().contains("exit code 1"));
    let counts = |reader: &Reader| {
        ["weather", "broken"].map(|target| {
            let bar = reader.counts(target, None, Timestamp::MIN, Timestamp::MAX).unwrap();
            (bar.healthy, bar.failed)
        })
    };
    assert_eq!(counts(&reader), [(14, 0), (0, 14)]);
    assert!(std::fs::read(&path).unwrap() == before, "reading changes nothing");
    // A reader that is open goes on to see everything.
    let store = Store::open(&path).unwrap();
    let mut new = sample("weather", 0);
    new.at = old[27].at + Duration::from_secs(1);
    wait(store.record(new.clone(), None)).unwrap();
    // Of a moment that is taken.
    wait(store.record(Sample { at: old[26].at, target: old[26].target.clone(), ..new.clone() }, None)).unwrap();
    wait(store.flush()).unwrap();
    let now = all(&reader);
    assert_eq!((now.len(), now.last()), (30, Some(&new)));
    assert_eq!(all(&Reader::open(&path).unwrap()), now);
    let by_hand = Connection::open(&path).unwrap();
    let one = |query: &str| by_hand.query_row(query, [], |row| row.get::<_, i64>(0)).unwrap();
    assert_eq!([one("SELECT COUNT(*) FROM runs"), one("PRAGMA user_version")], [30, 2]);
    assert_eq!(one("SELECT COUNT(*) FROM recent"), 2, "what was there stays where it is");
    by_hand.close().unwrap();
    wait(store.close()).unwrap();
    let store = Store::open(&path).unwrap();
    wait(store.tidy(&Retention::of(Duration::from_secs(86_400 * 30), 1 << 30), new.at)).unwrap();
    wait(store.close()).unwrap();
    assert_eq!(all(&Reader::open(&path).unwrap()), now);
}

#[test]
fn a_broken_file_is_refused_and_left() {
    let folder = tempfile::tempdir().unwrap();
    let path = history(folder.path());
    let whole = std::fs::read(&path).unwrap();
    std::fs::write(&path, &whole[..whole.len() - 4096]).unwrap();
    refused(&path, Kind::Broken, "its end is missing");
    // Pages of noise within an otherwise whole file.
    let mut noisy = whole.clone();
    for byte in &mut noisy[4096..whole.len() - 4096] {
        *byte ^= 0x5a;
    }
    std::fs::write(&path, &noisy).unwrap();
    let error = Store::open(&path).err().unwrap();
    assert!(error.kind == Kind::Broken && error.message.contains("move it away"), "{error}");
    assert!(std::fs::read(&path).unwrap() == noisy, "the file was changed");
    let read = Reader::open(&path).and_then(|reader| reader.targets());
    assert_eq!(read.err().unwrap().kind, Kind::Broken);
    // Back from a copy, all is well.
    std::fs::write(&path, &whole).unwrap();
    assert_eq!(Reader::open(&path).unwrap().targets().unwrap(), ["weather"]);
}

#[test]
fn nothing_there_and_nowhere_to_write() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("none").join(FILE_NAME);
    let error = Reader::open(&path).err().unwrap();
    assert!(error.kind == Kind::Missing && error.message.contains("mcp-probe watch"), "{error}");
    assert!(!folder.path().join("none").exists(), "looking makes nothing");
    let file = folder.path().join("file");
    std::fs::write(&file, "x").unwrap();
    let error = Store::open(&file.join("state").join(FILE_NAME)).err().unwrap();
    assert!(error.kind == Kind::Unusable && error.message.contains("--state DIR"), "{error}");
    // A folder that is no place for files, whoever asks.
    #[cfg(target_os = "linux")]
    {
        let error = Store::open_in(Path::new("/proc/self")).err().unwrap();
        assert!(error.kind == Kind::Unusable && error.message.contains("/proc/self"), "{error}");
    }
    std::fs::create_dir_all(folder.path().join("taken").join(FILE_NAME)).unwrap();
    assert_eq!(Store::open_in(&folder.path().join("taken")).err().unwrap().kind, Kind::Foreign);
}

#[test]
fn folder_and_files_are_the_owners_alone() {
    let folder = tempfile::tempdir().unwrap();
    let state = folder.path().join("a/state");
    let store = Store::open_in(&state).unwrap();
    wait(store.record(sample("weather", 0), None)).unwrap();
    wait(store.flush()).unwrap();
    let mode = |path: &Path| std::fs::metadata(path).unwrap().permissions().mode() & 0o777;
    assert_eq!(mode(&state), 0o700);
    let mut files = 0;
    for entry in std::fs::read_dir(&state).unwrap() {
        let path = entry.unwrap().path();
        assert_eq!(mode(&path), 0o600, "{}", path.display());
        files += 1;
    }
    assert!(files >= 4, "file, log, index of the log, lock");
}

#[test]
fn one_writes_and_others_read() {
    let folder = tempfile::tempdir().unwrap();
    let store = Store::open_in(folder.path()).unwrap();
    let error = Store::open_in(folder.path()).err().unwrap();
    let own = format!("process {}", std::process::id());
    assert!(error.kind == Kind::Busy && error.message.contains(&own), "{error}");
    let reader = Reader::open_in(folder.path()).unwrap();
    let readers: Vec<_> = (0..4)
        .map(|_| {
            let path = folder.path().join(FILE_NAME);
            std::thread::spawn(move || {
                let reader = Reader::open(&path).unwrap();
                let mut seen = 0;
                let until = Instant::now() + Duration::from_secs(60);
                while seen < 2_000 {
                    let now = reader.samples(None, None, Timestamp::MIN, Timestamp::MAX, 10_000).unwrap().len();
                    assert!(now >= seen && Instant::now() < until, "{now} after {seen}");
                    seen = now;
                }
            })
        })
        .collect();
    wait(async {
        for number in 0..2_000 {
            store.record(sample("weather", number * 15_000), None).await.unwrap();
        }
        store.flush().await.unwrap();
    });
    for reader in readers {
        reader.join().unwrap();
    }
    assert_eq!(reader.samples(None, None, Timestamp::MIN, Timestamp::MAX, 10_000).unwrap().len(), 2_000);
    wait(store.clone().close()).unwrap();
    assert_eq!(wait(store.flush()).err().unwrap().kind, Kind::Closed);
    assert_eq!(wait(store.record(sample("x", 0), None)).err().unwrap().kind, Kind::Closed);
    drop(Store::open_in(folder.path()).unwrap());
}

#[test]
fn a_hundred_thousand_runs() {
    let folder = tempfile::tempdir().unwrap();
    let store = Store::open_in(folder.path()).unwrap();
    let begun = Instant::now();
    wait(async {
        for number in 0..100_000_i64 {
            store.record(sample(&format!("target-{}", number % 100), number / 100 * 15_000), None).await.unwrap();
        }
        store.flush().await.unwrap();
    });
    let took = begun.elapsed();
    wait(store.close()).unwrap();
    let bytes = std::fs::metadata(folder.path().join(FILE_NAME)).unwrap().len();
    println!("100,000 runs of 100 targets in {took:?}, {} bytes each", bytes / 100_000);
    assert!(bytes < 10_000_000, "{bytes}");
    let reader = Reader::open_in(folder.path()).unwrap();
    let all = |target: &str| reader.counts(target, None, Timestamp::MIN, Timestamp::MAX).unwrap().healthy;
    assert_eq!((all("target-0"), all("target-99")), (1_000, 1_000));
}

/// The figures of a history that is closed.
fn kept(folder: &Path) -> (usize, Option<serde_json::Value>) {
    let store = Store::open_in(folder).unwrap();
    let snapshot = wait(store.alert_snapshot()).unwrap();
    wait(store.close()).unwrap();
    let reader = Reader::open_in(folder).unwrap();
    (reader.samples(None, None, Timestamp::MIN, Timestamp::MAX, 100).unwrap().len(), snapshot)
}

#[test]
fn a_file_that_is_removed_while_it_is_written_is_there_again_with_everything() {
    let folder = tempfile::tempdir().unwrap();
    let place = folder.path().join("state");
    let store = Store::open_in(&place).unwrap();
    let snapshot =
        |number: u32| store.commit_alerts(serde_json::json!(number), Vec::new(), Vec::new(), Timestamp::now());
    wait(async {
        store.record(sample("weather", 0), None).await.unwrap();
        store.flush().await.unwrap();
        // The file alone, whose log stays; everything; the lock.
        std::fs::remove_file(store.path()).unwrap();
        snapshot(1).await.unwrap();
        store.record(sample("weather", 15_000), None).await.unwrap();
        store.flush().await.unwrap();
        let reader = Reader::open_in(&place).unwrap();
        assert!(reader.is_in_place());
        std::fs::remove_dir_all(&place).unwrap();
        assert!(!reader.is_in_place());
        snapshot(2).await.unwrap();
        std::fs::remove_file(place.join(format!("{FILE_NAME}.lock"))).unwrap();
        snapshot(3).await.unwrap();
        assert_eq!((store.health().remade, store.health().astray), (2, None));
        assert_eq!(Store::open_in(&place).err().unwrap().kind, Kind::Busy);
        store.record(sample("weather", 30_000), None).await.unwrap();
        // An idle store looks, too.
        std::fs::remove_file(store.path()).unwrap();
        let until = Instant::now() + Duration::from_secs(30);
        while store.health().remade < 3 {
            assert!(Instant::now() < until, "nobody looks");
            std::thread::sleep(Duration::from_millis(20));
        }
        std::fs::remove_file(store.path()).unwrap();
        store.clone().close().await.unwrap();
    });
    let mode = std::fs::metadata(place.join(FILE_NAME)).unwrap().permissions().mode();
    assert_eq!(mode & 0o777, 0o600);
    assert_eq!(kept(&place), (3, Some(serde_json::json!(3))));
}

#[test]
fn another_file_in_its_place_is_left_and_said() {
    let folder = tempfile::tempdir().unwrap();
    let store = Store::open_in(folder.path()).unwrap();
    let path = store.path();
    let snapshot = || store.commit_alerts(serde_json::json!(1), Vec::new(), Vec::new(), Timestamp::now());
    std::fs::rename(&path, folder.path().join("old")).unwrap();
    std::fs::write(&path, "another's").unwrap();
    let error = wait(snapshot()).unwrap_err();
    assert!(error.message.contains("another file lies in its place"), "{error}");
    assert_eq!(store.health().astray, Some(error.clone()));
    // What is written meanwhile is not lost once there is room for it.
    wait(store.record(sample("weather", 0), None)).unwrap();
    wait(store.flush()).unwrap();
    assert_eq!(std::fs::read(&path).unwrap(), b"another's");
    std::fs::rename(&path, folder.path().join("another")).unwrap();
    let until = Instant::now() + Duration::from_secs(30);
    while wait(snapshot()).is_err() {
        assert!(Instant::now() < until, "it is not tried again");
        std::thread::sleep(Duration::from_millis(20));
    }
    assert_eq!(store.health().astray, None);
    wait(store.close()).unwrap();
    assert_eq!(kept(folder.path()), (1, Some(serde_json::json!(1))));
}

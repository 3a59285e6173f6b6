//! What was acknowledged is there, however the writer ends. This program starts itself again as a writer that
//! acknowledges each commit of an alert, or each batch of runs, on stdout, kills it with SIGKILL at random moments, and
//! looks at the file; and once with a disk that has no more room. It is a program of its own, because it is its own child.

#![allow(clippy::unwrap_used, clippy::print_stdout, clippy::panic, reason = "a test fails by panicking")]

use std::collections::BTreeSet;
use std::io::{BufRead, BufReader, Write};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use jiff::Timestamp;
use mcp_probe::event::{AlertChange, Sample, Status};
use mcp_probe::store::{FILE_NAME, Kind, OutboxMessage, Reader, Store};
use serde_json::json;

const ROUNDS: u64 = 60;

fn main() {
    let arguments: Vec<String> = std::env::args().collect();
    match arguments.iter().map(String::as_str).collect::<Vec<_>>().as_slice() {
        [_, "write-alerts", path, from] => wait(write_alerts(Path::new(path), from.parse().unwrap())),
        [_, "write-runs", path, from] => wait(write_runs(Path::new(path), from.parse().unwrap())),
        [_, "write-until-full", path] => wait(write_until_full(Path::new(path))),
        // Other words are options of the test runner.
        _ => {
            killed_at_any_moment();
            println!("killed at any moment ... ok");
            killed_while_runs_move();
            println!("killed while runs move ... ok");
            no_more_room();
            println!("no more room ... ok");
        }
    }
}

fn wait<T>(future: impl Future<Output = T>) -> T {
    tokio::runtime::Builder::new_current_thread().build().unwrap().block_on(future)
}

fn sample(number: u64) -> Sample {
    Sample {
        probe: "smoke".into(),
        target: "weather".into(),
        at: Timestamp::from_second(1_768_000_000 + i64::try_from(number).unwrap() * 15).unwrap(),
        status: Status::Failed,
        reason: None,
        message: Some("x".repeat(500)),
        duration: Duration::from_millis(12),
        latencies: Vec::new(),
        server: None,
        protocol: None,
        tools: None,
        certificate_ends: None,
        tools_digest: None,
        token_ends: None,
        usage: None,
    }
}

/// Commits alert after alert, with runs in between, and says the number of each when it is committed.
async fn write_alerts(path: &Path, from: u64) {
    let store = Store::open(path).unwrap();
    for number in from.. {
        store.record(sample(number), Some("{\"n\":1}\n".repeat(20))).await.unwrap();
        let at = Timestamp::now();
        let message = OutboxMessage {
            channel: "ops".into(),
            key: number.to_string(),
            transition: "firing".into(),
            body: json!({"text": "y".repeat(300)}),
            at,
        };
        let change = AlertChange {
            alert: "rate".into(),
            probe: "smoke".into(),
            target: "weather".into(),
            state: "firing",
            firing: true,
            message: number.to_string(),
        };
        store.commit_alerts(json!({"n": number}), vec![message], vec![change], at).await.unwrap();
        let mut stdout = std::io::stdout().lock();
        writeln!(stdout, "{number}").unwrap();
        stdout.flush().unwrap();
    }
}

fn start(words: &[&str]) -> Child {
    let own = std::env::current_exe().unwrap();
    Command::new(own).args(words).stdin(Stdio::null()).stdout(Stdio::piped()).spawn().unwrap()
}

fn killed_at_any_moment() {
    let seed = fastrand::u64(..);
    println!("seed {seed}");
    let mut random = fastrand::Rng::with_seed(seed);
    let folder = tempfile::tempdir().unwrap();
    let mut path = folder.path().join("0").join(FILE_NAME);
    let (mut acknowledged, mut next, mut kept) = (BTreeSet::new(), 0_u64, 0);
    for round in 0..ROUNDS {
        // Every tenth round begins anew, so that the making of the file is cut short, too.
        if round % 10 == 0 {
            path = folder.path().join(round.to_string()).join(FILE_NAME);
            (acknowledged, next) = (BTreeSet::new(), 0);
        }
        let mut child = start(&["write-alerts", path.to_str().unwrap(), &next.to_string()]);
        let mut lines = BufReader::new(child.stdout.take().unwrap()).lines();
        // Some by the clock, from the very start on; some right after a commit.
        if round % 2 == 0 {
            std::thread::sleep(Duration::from_micros(random.u64(0..40_000)));
        } else {
            for _ in 0..random.u64(1..60) {
                acknowledged.insert(lines.next().unwrap().unwrap().parse::<u64>().unwrap());
            }
        }
        child.kill().unwrap();
        child.wait().unwrap();
        acknowledged.extend(lines.map(|line| line.unwrap().parse::<u64>().unwrap()));
        let last = acknowledged.last().copied();
        if last.is_some() {
            let reader = Reader::open(&path).unwrap();
            assert!(reader.kept("alerts").unwrap().unwrap()["n"].as_u64() >= last);
        }
        let store = Store::open(&path).unwrap_or_else(|error| panic!("round {round}: {error}"));
        let outbox = wait(store.outbox()).unwrap();
        let keys: Vec<u64> = outbox.iter().map(|entry| entry.message.key.parse().unwrap()).collect();
        let present: BTreeSet<u64> = keys.iter().copied().collect();
        assert_eq!(keys.len(), present.len(), "a message is there once");
        let missing: Vec<_> = acknowledged.difference(&present).collect();
        assert!(missing.is_empty(), "round {round}: acknowledged and not there: {missing:?}");
        // What came with an alert came whole: message, change and snapshot.
        let snapshot = wait(store.alert_snapshot()).unwrap();
        assert_eq!(snapshot.and_then(|snapshot| snapshot["n"].as_u64()), present.last().copied());
        let changes = Reader::open(&path).unwrap().alerts(None, Timestamp::MIN, usize::MAX).unwrap();
        assert_eq!(changes.len(), present.len());
        next = present.last().map_or(0, |last| last + 1);
        kept = kept.max(acknowledged.len());
        wait(store.close()).unwrap();
    }
    assert!(kept > 20, "the writer acknowledged {kept} at most: the kills come too early");
}

/// Writes runs of two hundred targets, and says how many there are whenever they are written. Their messages are long, so
/// that they move to where they stay after every few batches.
async fn write_runs(path: &Path, from: u64) {
    let store = Store::open(path).unwrap();
    for number in from.. {
        let mut run = sample(number);
        run.target = format!("target-{}", number % 200).into();
        store.record(run, None).await.unwrap();
        if number % 50 == 49 {
            store.flush().await.unwrap();
            let mut stdout = std::io::stdout().lock();
            writeln!(stdout, "{}", number + 1).unwrap();
            stdout.flush().unwrap();
        }
    }
}

fn killed_while_runs_move() {
    let seed = fastrand::u64(..);
    println!("seed {seed}");
    let mut random = fastrand::Rng::with_seed(seed);
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join(FILE_NAME);
    let mut next = 0_u64;
    for round in 0..ROUNDS {
        let mut child = start(&["write-runs", path.to_str().unwrap(), &next.to_string()]);
        let mut lines = BufReader::new(child.stdout.take().unwrap()).lines();
        let mut acknowledged = next;
        for _ in 0..random.u64(1..12) {
            acknowledged = lines.next().unwrap().unwrap().parse().unwrap();
        }
        // Right after a batch its parts move.
        std::thread::sleep(Duration::from_micros(random.u64(0..3_000)));
        child.kill().unwrap();
        child.wait().unwrap();
        acknowledged = lines.map(|line| line.unwrap().parse().unwrap()).last().unwrap_or(acknowledged);
        let reader = Reader::open(&path).unwrap();
        let runs = reader.samples(None, None, Timestamp::MIN, Timestamp::MAX, usize::MAX).unwrap();
        // All of them up to the last that is there, each once.
        let numbers = runs.iter().map(|run| (run.at.as_second() - sample(0).at.as_second()) / 15);
        assert!(numbers.eq(0..i64::try_from(runs.len()).unwrap()), "round {round}");
        next = runs.len() as u64;
        assert!(next >= acknowledged, "round {round}: {acknowledged} were acknowledged, and {next} are there");
        let file = rusqlite::Connection::open(&path).unwrap();
        let count = |table: &str| -> i64 {
            file.query_row(&format!("SELECT COUNT(*) FROM {table}"), [], |row| row.get(0)).unwrap()
        };
        assert_eq!(file.query_row("PRAGMA integrity_check(1)", [], |row| row.get::<_, String>(0)).unwrap(), "ok");
        assert!(round < 10 || count("samples") > 500, "round {round}: hardly any has moved");
        assert!(count("recent") < 2_000, "round {round}");
    }
    println!("{next} runs");
}

/// Writes runs until that fails, then an alert, and tells what became of them.
async fn write_until_full(path: &Path) {
    let store = Store::open(path).unwrap();
    let mut flushed = 0;
    let trouble = loop {
        for number in 0..50 {
            let _ = store.record(sample(flushed + number), None).await;
        }
        match store.flush().await {
            Ok(()) => flushed += 50,
            Err(trouble) => break trouble,
        }
        assert!(flushed < 100_000, "the disk has no end");
    };
    let health = store.health();
    let told = store.record(sample(flushed + 50), None).await.is_err();
    let alert =
        store.commit_alerts(json!("x".repeat(2 << 20)), Vec::new(), Vec::new(), Timestamp::now()).await.is_err();
    println!(
        "{}",
        json!({"flushed": flushed, "waiting": health.waiting, "lost": health.lost, "trouble": trouble.message,
               "unusable": trouble.kind == Kind::Unusable, "told": told, "alert_refused": alert})
    );
}

fn no_more_room() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join(FILE_NAME);
    let own = std::env::current_exe().unwrap();
    // A file may not grow beyond 512 KiB: as a full disk, but of this process alone.
    let line = format!("trap '' XFSZ; ulimit -f 1024; exec '{}' write-until-full '{}'", own.display(), path.display());
    let output = Command::new("sh").args(["-c", &line]).stdin(Stdio::null()).output().unwrap();
    let told = String::from_utf8(output.stdout).unwrap();
    assert!(output.status.success(), "{told}{}", String::from_utf8_lossy(&output.stderr));
    let told: serde_json::Value = serde_json::from_str(told.trim()).unwrap();
    let flushed = told["flushed"].as_u64().unwrap();
    assert!(flushed >= 50, "{told}");
    assert_eq!((told["waiting"].as_u64(), told["lost"].as_u64()), (Some(50), Some(0)), "{told}");
    assert!(told["told"] == true && told["alert_refused"] == true && told["unusable"] == true, "{told}");
    assert!(told["trouble"].as_str().unwrap().contains(FILE_NAME), "{told}");
    // What was written is there and nothing else; with room again the file is used as before.
    let store = Store::open(&path).unwrap();
    assert_eq!(wait(store.alert_snapshot()).unwrap(), None);
    let reader = Reader::open(&path).unwrap();
    let count = || reader.samples(None, None, Timestamp::MIN, Timestamp::MAX, usize::MAX).unwrap().len() as u64;
    assert_eq!(count(), flushed);
    wait(store.record(sample(flushed), None)).unwrap();
    wait(store.close()).unwrap();
    assert_eq!(count(), flushed + 1);
}

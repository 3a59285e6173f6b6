//! The pages in a browser: scripts of ours run, those of servers do not, and every way of looking at it shows something.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a test fails by panicking")]

#[path = "web/browser.rs"]
mod browser;
#[path = "web/stage.rs"]
mod stage;

use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use browser::{Looking, dom, picture};
use jiff::Timestamp;
use mcp_probe::watch::web::WebConfig;
use mcp_probe::watch::web::past::{Bar, Failure, Past, Point};
use stage::{MadeUp, Served};

fn served<F: Future<Output = ()>>(work: impl FnOnce() -> F) {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let local = tokio::task::LocalSet::new();
    runtime.block_on(local.run_until(async { tokio::time::timeout(Duration::from_secs(240), work()).await.unwrap() }));
}

#[test]
fn no_script_of_a_server_runs_and_the_facts_are_there() {
    served(|| async {
        let served = Served::plain().await;
        for path in ["/", "/target/weather", "/target/a%2Fb%20%3Ci%3E%3F%26%22"] {
            let text = dom(&served.url(path), Looking::default()).await;
            assert!(!text.contains("<title>owned"), "a script of the server ran: {text}");
            assert!(text.contains("· mcp-probe</title>"), "{text}");
            assert!(!text.contains("<img"), "{text}");
            assert_eq!(text.matches("<script").count(), 1, "{text}");
        }
        let text = dom(&served.url("/"), Looking::default()).await;
        assert_eq!(text.matches("data-row").count(), 6, "one row per target: {text}");
        assert!(text.matches("class=\"bars\"").count() >= 6, "{text}");
        served.end().await;
    });
}

/// A past that counts how often a page was made of it.
#[derive(Default)]
struct Counting(AtomicUsize);

impl Past for Counting {
    fn bars(&self, target: &str, count: usize, from: Timestamp, to: Timestamp) -> Result<Vec<Bar>, String> {
        if target == "weather" {
            self.0.fetch_add(1, Ordering::SeqCst);
        }
        MadeUp.bars(target, count, from, to)
    }

    fn latency(&self, target: &str, from: Timestamp, to: Timestamp, count: usize) -> Result<Vec<Point>, String> {
        MadeUp.latency(target, from, to, count)
    }

    fn failures(&self, target: &str, limit: usize) -> Result<Vec<Failure>, String> {
        MadeUp.failures(target, limit)
    }

    fn uptime(&self, target: &str, from: Timestamp, to: Timestamp) -> Result<Option<f64>, String> {
        MadeUp.uptime(target, from, to)
    }
}

#[test]
fn our_script_keeps_the_page_fresh() {
    served(|| async {
        let past = Arc::new(Counting::default());
        let served =
            Served::new(WebConfig::default(), stage::board(), Some(Arc::clone(&past) as _), "127.0.0.1:0").await;
        let text = dom(&served.url("/"), Looking { seconds: 25, ..Looking::default() }).await;
        assert!(past.0.load(Ordering::SeqCst) >= 2, "the page was never made anew");
        assert_eq!(text.matches("data-row").count(), 6, "{text}");
        assert!(!text.contains("does not answer"), "{text}");
        served.end().await;
    });
}

/// The width and height that stand in the head of a PNG, and its bytes.
fn png(path: &PathBuf) -> (u32, u32, usize) {
    let bytes = std::fs::read(path).unwrap();
    let number = |at: usize| u32::from_be_bytes(bytes[at..at + 4].try_into().unwrap());
    assert_eq!(&bytes[1..4], b"PNG");
    (number(16), number(20), bytes.len())
}

#[test]
fn light_dark_and_narrow_screens_show_something_each() {
    served(|| async {
        let served = Served::plain().await;
        let folder = PathBuf::from(env!("CARGO_TARGET_TMPDIR")).join("pages");
        std::fs::create_dir_all(&folder).unwrap();
        let (light, dark) = (Looking::default(), Looking { dark: true, ..Looking::default() });
        let narrow = Looking { width: 500, ..Looking::default() };
        let mut pictures = Vec::new();
        for (name, path, looking) in [
            ("fleet-light", "/", light),
            ("fleet-dark", "/", dark),
            ("fleet-narrow", "/", narrow),
            ("target-light", "/target/weather", light),
            ("target-dark", "/target/weather", dark),
            ("target-narrow", "/target/weather", narrow),
        ] {
            let file = folder.join(format!("{name}.png"));
            let _ = std::fs::remove_file(&file);
            picture(&served.url(path), looking, &file).await;
            let (width, height, bytes) = png(&file);
            assert_eq!((width, height), (if looking.width == 0 { 1280 } else { looking.width }, 1100), "{name}");
            assert!(bytes > 20_000, "{name} shows next to nothing: {bytes} bytes");
            pictures.push(std::fs::read(&file).unwrap());
        }
        for (at, one) in pictures.iter().enumerate() {
            assert!(pictures[..at].iter().all(|other| other != one), "two ways of looking show the same picture");
        }
        served.end().await;
    });
}

//! The pages in a browser: scripts of ours run, those of servers do not, and every way of looking at it shows something.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a test fails by panicking")]

#[path = "web/browser.rs"]
mod browser;
#[path = "web/devtools.rs"]
mod devtools;
#[path = "web/stage.rs"]
mod stage;

use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use browser::{Looking, dom, picture};
use devtools::Tab;
use jiff::Timestamp;
use mcp_probe::watch::web::WebConfig;
use mcp_probe::watch::web::past::{Bar, Failure, Past, Point};
use serde_json::Value;
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

/// Looks at a page with a browser while it is served.
async fn in_a_tab(served: &Served, look: impl FnOnce(&mut Tab, &str) + Send + 'static) {
    let base = served.url("");
    let base = base.trim_end_matches('/').to_owned();
    tokio::task::spawn_blocking(move || look(&mut Tab::open(), &base)).await.unwrap();
}

fn folder() -> PathBuf {
    let folder = PathBuf::from(env!("CARGO_TARGET_TMPDIR")).join("pages");
    std::fs::create_dir_all(&folder).unwrap();
    folder
}

#[test]
fn without_scripts_everything_is_there_and_can_be_used() {
    served(|| async {
        let served = Served::plain().await;
        in_a_tab(&served, |tab, base| {
            tab.scripts(false);
            tab.looks(1280, false);
            tab.go(base);
            // The browser may look although the page may not.
            assert_eq!(tab.value("document.querySelectorAll('[data-row]').length"), 6);
            assert_eq!(tab.value("document.querySelector('noscript meta')?.content ?? 'text'"), "30");
            tab.picture(&folder().join("fleet-no-script.png"));
            // The filter is a form: typing and Enter are enough.
            tab.value("document.querySelector('#q').focus()");
            for key in ["s", "e", "a", "r"] {
                tab.press(key);
            }
            tab.press("Enter");
            tab.loaded();
            assert_eq!(
                tab.value("[...document.querySelectorAll('[data-row] th a')].map((a) => a.textContent).join()"),
                "search"
            );
            // So is the way to a target and into a transcript.
            tab.go(&format!("{base}/target/weather"));
            let details = tab.value("document.querySelectorAll('details').length");
            assert!(details.as_u64().unwrap() >= 1);
            tab.value("document.querySelector('details summary').focus()");
            tab.press("Enter");
            assert_eq!(tab.value("document.querySelector('details').open"), true);
            tab.picture(&folder().join("target-no-script.png"));
        })
        .await;
        served.end().await;
    });
}

#[test]
fn keys_lead_through_the_fleet() {
    served(|| async {
        let served = Served::plain().await;
        in_a_tab(&served, |tab, base| {
            tab.looks(1280, false);
            tab.go(base);
            let focus = |tab: &mut Tab| tab.value("document.activeElement.textContent.trim()");
            for (key, place) in [("j", 0), ("j", 1), ("j", 2), ("k", 1)] {
                tab.press(key);
                let row =
                    tab.value(&format!("document.querySelectorAll('[data-row] th a')[{place}].textContent.trim()"));
                assert_eq!(focus(tab), row, "{key}");
            }
            // Whoever moves by keys sees where he is.
            let outline = tab.value("getComputedStyle(document.activeElement).outlineStyle");
            assert_ne!(outline, "none");
            tab.picture(&folder().join("fleet-focus.png"));
            let to = tab.value("document.activeElement.href");
            tab.press("Enter");
            tab.loaded();
            assert_eq!(tab.value("location.href"), to);
            tab.press("u");
            tab.loaded();
            assert_eq!(tab.value("location.pathname"), "/");
            tab.press("/");
            assert_eq!(tab.value("document.activeElement.id"), "q");
            tab.press("Escape");
            assert_eq!(tab.value("document.activeElement === document.body"), true);
            // The Tab key reaches every link and field in the order of the page.
            let mut reached = std::collections::BTreeSet::new();
            for _ in 0..60 {
                tab.press("Tab");
                reached.insert(tab.value("document.activeElement.outerHTML.slice(0, 200)").to_string());
            }
            // Of a group of choices one is reached; arrows lead to the others.
            let all = "[...document.querySelectorAll('a[href], input:not([type=radio]), select, button, summary')]";
            let missed = tab.value(&format!("{all}.map((one) => one.outerHTML.slice(0, 200))"));
            let missed: Vec<&Value> =
                missed.as_array().unwrap().iter().filter(|one| !reached.contains(&one.to_string())).collect();
            assert!(missed.is_empty() && reached.len() > 10, "{missed:?} of {reached:?}");
        })
        .await;
        served.end().await;
    });
}

#[test]
fn a_small_screen_needs_no_sideways_scrolling() {
    served(|| async {
        let served = Served::plain().await;
        in_a_tab(&served, |tab, base| {
            for (name, path) in [("fleet", "/"), ("target", "/target/weather")] {
                for (look, dark) in [("light", false), ("dark", true)] {
                    for width in [400, 1280] {
                        tab.looks(width, dark);
                        tab.go(&format!("{base}{path}"));
                        let wide = tab.value("document.documentElement.scrollWidth");
                        assert!(wide.as_u64().unwrap() <= u64::from(width), "{name} at {width} px is {wide} wide");
                        tab.picture(&folder().join(format!("{name}-{look}-{width}.png")));
                    }
                }
            }
        })
        .await;
        served.end().await;
    });
}

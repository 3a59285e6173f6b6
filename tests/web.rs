//! The daemon's pages over HTTP: who is let in, what is answered, and that nothing a server says gets a foot in.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a test fails by panicking")]

#[path = "web/stage.rs"]
mod stage;

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Condvar, Mutex};
use std::time::{Duration, Instant};

use jiff::Timestamp;
use mcp_probe::event::Status;
use mcp_probe::watch::board::ProbeNow;
use mcp_probe::watch::web::WebConfig;
use mcp_probe::watch::web::past::{Bar, Failure, Past, Point};
use stage::{Served, board, outcome};

/// Runs a test on one thread, with tasks of its own.
fn served<F: Future<Output = ()>>(work: impl FnOnce() -> F) {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let local = tokio::task::LocalSet::new();
    runtime.block_on(local.run_until(async { tokio::time::timeout(Duration::from_secs(60), work()).await.unwrap() }));
}

#[test]
fn the_page_of_the_fleet_shows_every_target_the_worst_first() {
    served(|| async {
        let served = Served::plain().await;
        let answer = served.get("/").await;
        assert_eq!(answer.status, 200, "{answer:?}");
        assert_eq!(answer.header("content-type"), Some("text/html; charset=utf-8"));
        let body = &answer.body;
        let places: Vec<usize> = ["weather", "search", "laptop", "files"]
            .iter()
            .map(|name| {
                body.find(&format!("<a href=\"/target/{name}?span=24h\">")).unwrap_or_else(|| panic!("{name}: {body}"))
            })
            .collect();
        assert!(places.is_sorted(), "{places:?}");
        for text in [
            "prober-1",
            "mcp_error_rate_spike",
            "firing",
            "2025-11-25",
            "legacy, streamable-http",
            "p50 ",
            "up 87.65 %",
            "1 added, 1 removed, 1 changed",
            "class=\"bars\"",
            "class=\"spark\"",
            "nobody agreed to start it",
            "env=prod",
        ] {
            assert!(body.contains(text), "{text}: {body}");
        }
        assert!(!body.contains("<script>") && !body.contains("onerror=\""), "{body}");
        assert!(!body.contains('\u{1b}') && !body.contains('\u{202e}'), "control characters reach a page");
        let refreshed = "<noscript><meta http-equiv=\"refresh\" content=\"30\"></noscript>";
        assert!(body.contains(refreshed) && body.contains("<form class=\"filter\" method=\"get\""), "without scripts");
        let only = served.get("/?status=failed&q=env%3Dprod&span=7d").await.body;
        assert!(only.contains("/target/weather?span=7d") && !only.contains("/target/files"), "{only}");
        let none = served.get("/?q=%3Cscript%3E").await.body;
        assert!(none.contains("No target matches") && none.contains("value=\"&lt;script&gt;\""), "{none}");
        served.end().await;
    });
}

#[test]
fn the_page_of_a_target_shows_failures_with_their_transcripts() {
    served(|| async {
        let served = Served::plain().await;
        let body = served.get("/target/weather").await.body;
        for text in [
            "expected 3 tools",
            "Transcript",
            "→ sent",
            "← received",
            "handshake 12 ms",
            "class=\"chart\"",
            "class=\"phases\"",
            "~812 tokens",
            "sunset",
            "deep",
            "mcp-probe.toml:12:1",
            "41 ms",
            "&lt;script&gt;",
        ] {
            assert!(body.contains(text), "{text}: {body}");
        }
        assert!(!body.contains("<script>") && !body.contains("<img") && body.contains("{{7*7}}"), "{body}");
        assert!(!body.contains('\u{1b}') && !body.contains('\u{202e}'), "control characters reach a page");
        let odd = served.get("/target/a%2Fb%20%3Ci%3E%3F%26%22").await;
        assert_eq!(odd.status, 200, "{odd:?}");
        assert!(odd.body.contains("a&#x2f;b &lt;i&gt;?&amp;&quot;"), "{}", odd.body);
        assert_eq!(served.get("/target/nobody").await.status, 404);
        served.end().await;
    });
}

#[test]
fn without_a_history_the_pages_show_what_is_now() {
    served(|| async {
        let served = Served::new(WebConfig::default(), board(), None, "127.0.0.1:0").await;
        let fleet = served.get("/").await.body;
        assert!(fleet.contains("no history is kept") && fleet.contains("last 42 ms"), "{fleet}");
        let target = served.get("/target/weather").await.body;
        assert!(target.contains("No history is kept") && target.contains("← received"), "{target}");
        served.end().await;
    });
}

#[test]
fn every_answer_protects_its_reader() {
    served(|| async {
        let served = Served::plain().await;
        for (path, status) in
            [("/", 200), ("/metrics", 200), ("/nothing", 404), ("/assets/live.js", 200), ("/-/reload", 405)]
        {
            let answer = served.get(path).await;
            assert_eq!(answer.status, status, "{path}");
            let policy = answer.header("content-security-policy").unwrap();
            assert!(policy.contains("default-src 'none'") && policy.contains("frame-ancestors 'none'"), "{policy}");
            assert!(!policy.contains("unsafe"), "{policy}");
            assert_eq!(answer.header("x-content-type-options"), Some("nosniff"), "{path}");
            assert_eq!(answer.header("x-frame-options"), Some("DENY"), "{path}");
        }
        served.end().await;
    });
}

#[test]
fn a_foreign_host_origin_or_site_gets_403_everywhere() {
    served(|| async {
        let served = Served::plain().await;
        let host = served.address.to_string();
        let foreign = [("Host", "evil.example"), ("Origin", "http://evil.example"), ("Sec-Fetch-Site", "cross-site")];
        for path in [
            "/",
            "/metrics",
            "/probe?target=files&module=smoke",
            "/api/v1/status",
            "/-/healthy",
            "/assets/live.js",
            "/nothing",
        ] {
            for header in foreign {
                assert_eq!(served.ask("GET", path, &[header]).await.status, 403, "{path} {header:?}");
            }
        }
        assert_eq!(served.ask("POST", "/-/reload", &[foreign[1]]).await.status, 403);
        assert_eq!(*served.asked.reloads.lock().unwrap(), 0);
        assert!(served.asked.probes.lock().unwrap().is_empty());
        let own = format!("http://{host}");
        assert_eq!(served.ask("GET", "/", &[("Origin", &own), ("Sec-Fetch-Site", "same-origin")]).await.status, 200);
        let local = format!("localhost:{}", served.address.port());
        assert_eq!(served.ask("GET", "/", &[("Host", &local)]).await.status, 200);
        served.end().await;
        let config = WebConfig { allow_hosts: vec!["probe.example".into()], ..WebConfig::default() };
        let served = Served::new(config, board(), None, "127.0.0.1:0").await;
        assert_eq!(served.ask("GET", "/", &[("Host", "probe.example")]).await.status, 200);
        served.end().await;
    });
}

#[test]
fn a_probe_on_request_always_gives_figures_and_runs_configured_names_only() {
    served(|| async {
        let served = Served::plain().await;
        let answer = served
            .ask("GET", "/probe?target=files&module=smoke", &[("X-Prometheus-Scrape-Timeout-Seconds", "10")])
            .await;
        assert_eq!(answer.status, 200);
        assert_eq!(answer.header("content-type"), Some("text/plain; version=0.0.4; charset=utf-8"));
        assert!(
            answer.body.contains("\nprobe_success 1\n") && answer.body.contains("\nprobe_timeout_seconds 5\n"),
            "{}",
            answer.body
        );
        assert!(answer.body.contains("probe_mcp_duration_seconds{phase=\"handshake\"} 0.012\n"), "{}", answer.body);
        *served.asked.fails.lock().unwrap() = true;
        let answer = served.get("/probe?target=files").await;
        assert_eq!(answer.status, 200);
        assert!(answer.body.contains("\nprobe_success 0\n"), "{}", answer.body);
        *served.asked.refuses.lock().unwrap() = Some(ProbeNow::Busy);
        let answer = served.get("/probe?target=files&module=smoke").await;
        assert_eq!(answer.status, 200);
        assert!(!answer.body.contains("\nprobe_success "), "nobody knows: {}", answer.body);
        assert!(
            answer.body.contains("mcp_probe_failure_info{status=\"unknown\",reason=\"cancelled\"} 1"),
            "{}",
            answer.body
        );
        let asked = served.asked.probes.lock().unwrap().clone();
        assert_eq!(asked[0], ("smoke".to_owned(), "files".to_owned(), Duration::from_millis(9500)));
        assert_eq!(asked.len(), 3);
        for query in [
            "",
            "target=nobody",
            "target=files&module=nobody",
            "target=http%3A%2F%2F127.0.0.1%2F&module=smoke",
            "target=weather",
            "module=smoke",
        ] {
            assert_eq!(served.get(&format!("/probe?{query}")).await.status, 400, "{query}");
        }
        let odd = ("X-Prometheus-Scrape-Timeout-Seconds", "-1");
        assert_eq!(served.ask("GET", "/probe?target=files", &[odd]).await.status, 400);
        assert_eq!(served.asked.probes.lock().unwrap().len(), 3, "nothing else was run");
        served.end().await;
    });
}

#[test]
fn a_reload_says_what_came_of_it() {
    served(|| async {
        let served = Served::plain().await;
        let answer = served.ask("POST", "/-/reload", &[]).await;
        assert_eq!((answer.status, answer.body.as_str()), (200, "nothing changed\n"));
        *served.asked.bad_files.lock().unwrap() = true;
        let answer = served.ask("POST", "/-/reload", &[]).await;
        assert_eq!((answer.status, answer.body.as_str()), (500, "mcp-probe.toml:3:1: unknown key\n"));
        served.end().await;
    });
}

#[test]
fn health_and_readiness_say_what_is() {
    served(|| async {
        let served = Served::plain().await;
        let both = async || (served.get("/-/healthy").await.status, served.get("/-/ready").await.status);
        assert_eq!(both().await, (200, 200));
        // A loop that stands still says nothing any more, and nothing it said before holds.
        served.board.turned(Instant::now().checked_sub(Duration::from_secs(61)).unwrap());
        assert_eq!(both().await, (503, 503));
        let status: serde_json::Value = serde_json::from_str(&served.get("/api/v1/status").await.body).unwrap();
        assert_eq!(status["daemon"]["alive"], false);
        served.board.turned(Instant::now());
        assert_eq!(both().await, (200, 200));
        // Somebody must hear that nobody hears us; to start us anew would help nobody.
        served.board.operate(|operation| operation.outbox.is_silent = true);
        assert_eq!((both().await, served.get("/-/alive").await.status), ((503, 200), 200));
        served.board.operate(|operation| operation.outbox.is_silent = false);
        served.board.operate(|operation| operation.is_draining = true);
        assert_eq!(both().await, (200, 503));
        served.board.operate(|operation| operation.is_alive = false);
        assert_eq!(both().await, (503, 503));
        served.end().await;
    });
}

#[test]
fn the_status_document_is_what_the_board_shows() {
    served(|| async {
        let served = Served::plain().await;
        let answer = served.get("/api/v1/status").await;
        assert_eq!(answer.header("content-type"), Some("application/json"));
        let document: serde_json::Value = serde_json::from_str(&answer.body).unwrap();
        assert_eq!(document["schema"], "mcp-probe/status/1");
        assert_eq!(document["status"], "failed");
        assert_eq!(document["summary"]["probes"], 7);
        assert_eq!(document["summary"]["waiting"], 1);
        assert_eq!(document["probes"][2]["reason"], "check");
        assert_eq!(document["probes"][2]["changes"][0]["removed"][0], "sunset");
        assert_eq!(document["alerts"][0]["state"], "firing");
        assert_eq!(document["daemon"]["instance"], "prober-1");
        served.end().await;
    });
}

#[test]
fn secrets_are_masked_wherever_they_come_from() {
    served(|| async {
        let config = WebConfig::default();
        config.masker.add("hunter2-canary");
        let board = board();
        board.change(2, |pair| {
            let mut last = outcome("smoke", "weather", Status::Failed, Timestamp::now());
            last.cause.as_mut().unwrap().message = "said hunter2-canary".into();
            last.observed.transcript[0].payload = "Bearer hunter2-canary".into();
            pair.last = Some(last.into());
            pair.endpoint = "https://h/?key=hunter2-canary".into();
        });
        let served = Served::new(config, board, None, "127.0.0.1:0").await;
        for path in ["/", "/target/weather", "/api/v1/status", "/metrics", "/probe?target=files&module=smoke"] {
            let answer = served.get(path).await;
            assert_eq!(answer.status, 200, "{path}");
            assert!(!answer.body.contains("hunter2"), "{path}: {}", answer.body);
        }
        served.end().await;
    });
}

/// A past that takes until it is let go to tell anything, and knows how many asked it at once.
#[derive(Default)]
struct Slow {
    inside: AtomicUsize,
    most: AtomicUsize,
    open: Mutex<bool>,
    opened: Condvar,
}

impl Past for Slow {
    fn bars(&self, _: &str, _: usize, _: Timestamp, _: Timestamp) -> Result<Vec<Bar>, String> {
        self.most.fetch_max(self.inside.fetch_add(1, Ordering::SeqCst) + 1, Ordering::SeqCst);
        let open = self.open.lock().unwrap();
        drop(self.opened.wait_timeout_while(open, Duration::from_secs(50), |open| !*open).unwrap());
        self.inside.fetch_sub(1, Ordering::SeqCst);
        Err("slow".into())
    }

    fn latency(&self, _: &str, _: Timestamp, _: Timestamp, _: usize) -> Result<Vec<Point>, String> {
        Ok(Vec::new())
    }

    fn failures(&self, _: &str, _: usize) -> Result<Vec<Failure>, String> {
        Ok(Vec::new())
    }

    fn uptime(&self, _: &str, _: Timestamp, _: Timestamp) -> Result<Option<f64>, String> {
        Ok(None)
    }
}

#[test]
fn pages_are_made_two_at_a_time_whether_or_not_somebody_still_waits_for_them() {
    served(|| async {
        let past = Arc::new(Slow::default());
        let served = Served::new(WebConfig::default(), board(), Some(Arc::clone(&past) as _), "127.0.0.1:0").await;
        // Of those who leave, the work goes on.
        for _ in 0..12 {
            let leaves = tokio::time::timeout(Duration::from_millis(20), served.get("/target/files")).await;
            assert!(leaves.is_err(), "{leaves:?}");
        }
        let stay = futures_util::future::join_all((0..6).map(|_| served.get("/target/files")));
        let look = async {
            let begun = Instant::now();
            while past.inside.load(Ordering::SeqCst) < 2 {
                assert!(begun.elapsed() < Duration::from_secs(20), "two are made");
                tokio::time::sleep(Duration::from_millis(5)).await;
            }
            // What needs no page is answered meanwhile; by the last of these all six have been heard.
            for _ in 0..10 {
                assert_eq!(served.get("/-/alive").await.status, 200);
                tokio::time::sleep(Duration::from_millis(30)).await;
            }
            let most = past.most.load(Ordering::SeqCst);
            *past.open.lock().unwrap() = true;
            past.opened.notify_all();
            most
        };
        let (answers, most) = tokio::join!(stay, look);
        assert_eq!(most, 2, "more of them would take the processor from the probes");
        assert!(answers.iter().all(|answer| answer.status == 200), "{answers:?}");
        assert_eq!(past.most.load(Ordering::SeqCst), 2);
        served.end().await;
    });
}

//! Deliveries to receivers that misbehave, and an outbox that survives them: nothing is lost, nothing overtakes, nobody is
//! held up by somebody else, and no address or secret stands in what is said.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a test fails by panicking")]

#[path = "stage/receiver.rs"]
mod receiver;

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use jiff::Timestamp;
use mcp_probe::alert;
use mcp_probe::alert::notify::{Channels, Settings, compile};
use mcp_probe::alert::{
    Action, AlertView, Condition, Engine, Notification, Rule, Selector, Transition, Urgency, Watched,
};
use mcp_probe::base::clock::{Clock, SystemClock, VirtualClock};
use mcp_probe::base::ids::RunId;
use mcp_probe::base::secret::{Masker, Secret};
use mcp_probe::config::receiver::Filled;
use mcp_probe::deliver::{Accept, Courier, HttpPayload, MailPayload, Outbox, Payload, Receipt, Retry, TlsFiles};
use mcp_probe::event::{Consumer, Event, EventKind, Note, Publisher, Reason, Sample, Status, TellError};
use mcp_probe::store::{OutboxMessage, Reader, Store};
use receiver::{Does, Receiver, nobody, ok};
use tokio_util::sync::CancellationToken;

const SHORT: Duration = Duration::from_millis(400);

fn request(url: &str, accept: Accept) -> Payload {
    Payload::Http(HttpPayload {
        method: "POST",
        url: Secret::new(format!("{url}/services/canary-in-the-path?key=canary-in-the-query")),
        headers: vec![("Authorization".into(), Secret::new("Bearer canary-in-a-header"))],
        body: b"{}".to_vec(),
        accept,
        retry: Retry::Usual,
        tls: None,
        timeout: SHORT,
    })
}

async fn sent(payload: &Payload) -> Receipt {
    let receipt = Courier::new(Masker::default()).send(payload, &CancellationToken::new()).await;
    let told = format!("{receipt:?}");
    assert!(!told.contains("canary"), "{told}");
    receipt
}

fn failed(receipt: Receipt) -> (String, Option<Duration>) {
    match receipt {
        Receipt::Failed { why, retry_after } => (why, retry_after),
        other => panic!("{other:?}"),
    }
}

#[tokio::test]
async fn what_may_work_later_is_told_from_what_never_will() {
    let receiver = Receiver::start(|_| ok(""));
    assert_eq!(sent(&request(&receiver.url(), Accept::Status)).await, Receipt::Delivered);
    let came = receiver.received();
    assert_eq!(came[0].path, "/services/canary-in-the-path?key=canary-in-the-query");
    assert_eq!(came[0].header("authorization"), Some("Bearer canary-in-a-header"));

    for (head, pause) in [
        ("429 Too Many Requests\r\nRetry-After: 7", Some(7)),
        ("503 Service Unavailable\r\nRetry-After: Thu, 01 Jan 1970 00:00:00 GMT", Some(0)),
        ("500 Internal Server Error", None),
        ("502 Bad Gateway", None),
        ("408 Request Timeout", None),
        ("425 Too Early", None),
    ] {
        receiver.rule(move |_| Does::Answer(head, "try later, canary-in-a-header".into()));
        let (why, retry_after) = failed(sent(&request(&receiver.url(), Accept::Status)).await);
        assert_eq!(retry_after, pause.map(Duration::from_secs), "{head}");
        assert!(why.contains(&head[..3]) && why.contains("try later, ***"), "{why}");
    }
    for head in ["400 Bad Request", "401 Unauthorized", "403 Forbidden", "404 Not Found", "410 Gone", "413 Too Large"] {
        receiver.rule(move |_| Does::Answer(head, "no_service".into()));
        match sent(&request(&receiver.url(), Accept::Status)).await {
            Receipt::Refused { why, .. } => assert!(why.contains(&head[..3]) && why.contains("no_service"), "{why}"),
            other => panic!("{head}: {other:?}"),
        }
    }
    let elsewhere = Receiver::start(|_| ok(""));
    receiver.rule(|_| Does::Answer("302 Found\r\nLocation: /elsewhere", String::new()));
    match sent(&request(&receiver.url(), Accept::Status)).await {
        Receipt::Refused { why, .. } => assert!(why.contains("redirects are not followed"), "{why}"),
        other => panic!("{other:?}"),
    }
    assert_eq!(elsewhere.received().len(), 0);
}

#[tokio::test]
async fn connections_that_fail_are_faults_and_take_their_time_only() {
    let (why, _) = failed(sent(&request(&nobody(), Accept::Status)).await);
    assert!(why.contains("refused"), "{why}");
    let receiver = Receiver::start(|_| Does::HangUp);
    failed(sent(&request(&receiver.url(), Accept::Status)).await);
    assert_eq!(receiver.received().len(), 1, "a request is sent once, and not again behind our back");
    for does in [Does::Hang, Does::HangInBody] {
        let begun = Instant::now();
        receiver.rule(move |_| does.clone());
        let (why, _) = failed(sent(&request(&receiver.url(), Accept::Word("ok"))).await);
        assert!(why.contains("expected an answer within 400ms"), "{why}");
        assert!(begun.elapsed() < Duration::from_secs(3));
    }
    // A status is a receipt, where nothing is asked of the body.
    assert_eq!(sent(&request(&receiver.url(), Accept::Status)).await, Receipt::Delivered);
    // TLS that is none, and TLS that nobody trusts.
    let plain = receiver.url().replace("http:", "https:");
    failed(sent(&request(&plain, Accept::Status)).await);
    let secure = Receiver::secure(receiver::certified().0, |_| ok(""));
    let (why, _) = failed(sent(&request(&secure.url(), Accept::Status)).await);
    assert!(why.to_lowercase().contains("certificate"), "{why}");
    assert_eq!(secure.received().len(), 0);
}

#[tokio::test]
async fn certificates_that_were_renewed_are_used_at_once() {
    let folder = tempfile::tempdir().unwrap();
    let ca = folder.path().join("ca.pem");
    let ((config, certificate), (_, other)) = (receiver::certified(), receiver::certified());
    let secure = Receiver::secure(config, |_| ok(""));
    let Payload::Http(http) = request(&secure.url(), Accept::Status) else { unreachable!() };
    let tls = TlsFiles { ca: Some(ca.clone()), ..TlsFiles::default() }.shared();
    let payload = Payload::Http(HttpPayload { tls, timeout: Duration::from_secs(20), ..http });
    let courier = Courier::new(Masker::default());
    let send = || async { courier.send(&payload, &CancellationToken::new()).await };
    for (text, arrives) in [(&other, false), (&certificate, true), (&other, false), (&certificate, true)] {
        let fresh = folder.path().join("fresh");
        std::fs::write(&fresh, text).unwrap();
        std::fs::rename(&fresh, &ca).unwrap();
        for _ in 0..2 {
            let receipt = send().await;
            assert_eq!(receipt == Receipt::Delivered, arrives, "{receipt:?}");
        }
    }
}

#[tokio::test]
async fn a_success_whose_body_says_otherwise_is_none() {
    let receiver = Receiver::start(|_| ok("invalid_token"));
    failed(sent(&request(&receiver.url(), Accept::Word("ok"))).await);
    receiver.rule(|_| Does::Answer("202 Accepted", r#"{"status":"invalid event","errors":["no key"]}"#.into()));
    let (why, _) = failed(sent(&request(&receiver.url(), Accept::Json("status", "success"))).await);
    assert!(why.contains("invalid event"), "{why}");
    assert_eq!(sent(&request(&receiver.url(), Accept::Status)).await, Receipt::Delivered);
    // A body without an end is read to a bound.
    receiver.rule(|_| ok(&"x".repeat(4 << 20)));
    let (why, _) = failed(sent(&request(&receiver.url(), Accept::Word("ok"))).await);
    assert!(why.chars().count() <= 300, "{}", why.len());
}

#[tokio::test]
async fn a_mail_server_that_hangs_costs_its_time_only() {
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let mail = Payload::Mail(MailPayload {
        server: Secret::new(format!("smtp://{}", listener.local_addr().unwrap())),
        login: None,
        from: "probe@example.com".into(),
        to: vec!["a@example.com".into()],
        subject: "s".into(),
        text: "t".into(),
        thread: "t".into(),
        timeout: SHORT,
    });
    let begun = Instant::now();
    failed(sent(&mail).await);
    assert!(begun.elapsed() < Duration::from_secs(3));
}

// ---------------------------------------------------------------------------------------------------------------
// The outbox

/// Keeps what was noted.
#[derive(Clone, Default)]
struct Notes(Arc<Mutex<Vec<Note>>>);

impl Consumer for Notes {
    fn on_event(&mut self, event: &Event) -> Result<(), TellError> {
        if let EventKind::Noted(note) = &event.kind {
            self.0.lock().unwrap().push(note.clone());
        }
        Ok(())
    }

    fn finish(self: Box<Self>) -> Result<(), TellError> {
        Ok(())
    }
}

impl Notes {
    fn said(&self, level: &str, words: &str) -> bool {
        self.0.lock().unwrap().iter().any(|note| note.level.name() == level && note.message.contains(words))
    }
}

fn channels(urls: &[(&str, &str)]) -> Arc<Channels> {
    let channel = |(name, url): &(&str, &str)| {
        let settings = BTreeMap::from([
            ("url", Filled::Text(Secret::new(*url))),
            ("timeout", Filled::Time(Duration::from_secs(2))),
        ]);
        compile("webhook", name, &Settings::new(settings)).unwrap()
    };
    Arc::new(Channels::new(urls.iter().map(channel).collect(), Masker::default()))
}

fn message(channel: &str, key: &str, transition: Transition, at: Timestamp) -> OutboxMessage {
    let view = AlertView {
        alert: key.to_owned(),
        probe: "smoke".into(),
        target: "weather".into(),
        severity: "error".into(),
        labels: BTreeMap::new(),
        summary: "3 failures in a row".into(),
        reason: None,
        details: None,
        since: at,
        ended: None,
        ended_because: None,
        told: 1,
    };
    let body = Notification {
        channel: channel.to_owned(),
        dedup_key: key.to_owned(),
        transition,
        alerts: vec![view],
        at,
        instance: "prober".into(),
        before: None,
        others: 0,
    };
    OutboxMessage {
        channel: channel.to_owned(),
        key: key.to_owned(),
        transition: transition.name().to_owned(),
        body: serde_json::to_value(body).unwrap(),
        at,
    }
}

async fn opened(folder: &Path) -> Store {
    // The thread of the store before may still be about to let go of the file.
    for _ in 0..200 {
        if let Ok(store) = Store::open_in(folder) {
            return store;
        }
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    Store::open_in(folder).unwrap()
}

/// What came, as key and transition.
fn told(receiver: &Receiver) -> Vec<(String, String)> {
    let word = |value: &serde_json::Value| value.as_str().unwrap().to_owned();
    let received = receiver.received();
    let bodies = received.iter().map(receiver::Received::json);
    bodies.map(|body| (word(&body["dedup_key"]), word(&body["transition"]))).collect()
}

/// From when to when each of three targets fails, in minutes: five alerts begin and end within half an hour, and two keys have
/// two each.
const FAILS: [(&str, &[(u64, u64)]); 3] = [("a", &[(1, 4), (14, 18)]), ("b", &[(3, 9), (16, 24)]), ("c", &[(11, 26)])];
const MINUTE: u64 = 60;

/// Runs of three targets every fifteen seconds, and one rule over them: what a daemon does with them, without its loop.
struct Prober {
    engine: Engine,
    store: Store,
    clock: VirtualClock,
}

impl Prober {
    /// Starts on what its store holds.
    async fn start(folder: &Path, clock: &VirtualClock) -> Self {
        let watched = |(target, _): &(&str, _)| Watched {
            probe: "smoke".into(),
            target: (*target).into(),
            labels: BTreeMap::new(),
            every: Duration::from_secs(15),
            closest: Duration::from_secs(15),
            farthest: Duration::from_secs(15),
            can_restart: false,
        };
        let rule = Rule {
            name: "down".into(),
            condition: Condition::ConsecutiveFailures { count: 3, within: Some(Duration::from_secs(60)) },
            selector: Selector::default(),
            lasting: Duration::ZERO,
            keep_firing_for: Duration::ZERO,
            severity: Urgency::Error,
            notify: vec!["ops".into()],
            resolved: true,
            remind: None,
            restart: false,
        };
        let rules = vec![rule];
        let engine = Engine::new(rules, FAILS.iter().map(watched).collect(), alert::Settings::default(), clock.now());
        let mut prober = Self { engine, store: opened(folder).await, clock: clock.clone() };
        if let Some(snapshot) = prober.store.alert_snapshot().await.unwrap() {
            let (reader, now) = (Reader::open(&prober.store.path()).unwrap(), clock.now());
            let samples = reader.samples(None, None, Timestamp::MIN, now.wall, 10_000).unwrap();
            assert!(!samples.is_empty());
            let actions = prober.engine.restore(&snapshot, samples.into_iter(), now);
            prober.commit(actions).await;
        }
        prober
    }

    /// Five seconds later: takes in the runs that are due, and writes down what is to be told.
    async fn turn(&mut self, second: u64) {
        let now = self.clock.now();
        let mut actions = self.engine.tick(now);
        for (target, spans) in FAILS.iter().filter(|_| second.is_multiple_of(15)) {
            let fails = spans.iter().any(|(from, to)| (from * MINUTE..to * MINUTE).contains(&second));
            let sample = Sample {
                probe: "smoke".into(),
                target: (*target).into(),
                at: now.wall,
                status: if fails { Status::Failed } else { Status::Healthy },
                reason: fails.then_some(Reason::Connect),
                message: None,
                duration: Duration::ZERO,
                latencies: Vec::new(),
                server: None,
                protocol: None,
                tools: None,
                certificate_ends: None,
                tools_digest: None,
                token_ends: None,
                usage: None,
            };
            self.store.record(sample.clone(), None).await.unwrap();
            actions.extend(self.engine.observe(&sample, now));
        }
        self.commit(actions).await;
    }

    async fn commit(&mut self, actions: Vec<Action>) {
        let mut messages = Vec::new();
        for action in actions {
            if let Action::Notify(told) = action {
                let (channel, key, at) = (told.channel.clone(), told.dedup_key.clone(), told.at);
                let (transition, body) = (told.transition.name().to_owned(), serde_json::to_value(told).unwrap());
                messages.push(OutboxMessage { channel, key, transition, body, at });
            }
        }
        let (snapshot, at) = (self.engine.snapshot(), self.clock.now().wall);
        self.store.commit_alerts(snapshot, messages, Vec::new(), at).await.unwrap();
    }
}

/// The provider is down for half an hour: longer than the longest pause between two tries, and than a channel may be silent
/// before it is stuck. Five alerts begin and end meanwhile, by the runs that an engine sees, and the process is killed
/// twice; a third time when the provider is back and has taken two messages.
#[tokio::test]
async fn nothing_is_lost_while_a_provider_is_down_and_the_process_is_killed() {
    let folder = tempfile::tempdir().unwrap();
    let up = Arc::new(AtomicBool::new(false));
    let provider_is_up = Arc::clone(&up);
    // Down is: sometimes an error, sometimes no answer at all.
    let receiver = Receiver::start(move |request| match provider_is_up.load(Ordering::SeqCst) {
        true => ok(""),
        false if request.body.len().is_multiple_of(2) => Does::HangUp,
        false => Does::Answer("503 Service Unavailable", String::new()),
    });
    let clock = VirtualClock::new("2026-01-15T09:00:00Z".parse().unwrap());
    let (mut now, mut in_vain) = (0_u64, 0);
    // At minute 13 an alert has begun that has not ended; at minute 20 another one.
    for life in 0..4 {
        let mut prober = Prober::start(folder.path(), &clock).await;
        let publisher = Publisher::new(RunId::random(), Vec::new(), false);
        let own: Arc<dyn Clock> = Arc::new(clock.clone());
        let courier = Courier::new(Masker::default());
        let outbox = Outbox::new(prober.store.clone(), courier, channels(&[("ops", &receiver.url())]), publisher, own);
        let driven = async {
            loop {
                prober.turn(now).await;
                outbox.nudge();
                tokio::time::sleep(Duration::from_millis(3)).await;
                let has_two = || up.load(Ordering::SeqCst) && receiver.received().len() >= in_vain + 2;
                while outbox.health().on_their_way > 0 && !(life == 2 && has_two()) {
                    tokio::time::sleep(Duration::from_millis(1)).await;
                }
                let is_over = outbox.health().alive && outbox.health().waiting == 0;
                if [now >= 13 * MINUTE, now >= 20 * MINUTE, has_two(), is_over][life] {
                    return;
                }
                clock.advance(Duration::from_secs(5));
                now += 5;
                if now == 30 * MINUTE {
                    assert_eq!(outbox.health().waiting, 10);
                    assert!(outbox.health().is_stuck());
                    in_vain = receiver.received().len();
                    up.store(true, Ordering::SeqCst);
                }
                assert!(now < 37 * MINUTE, "the longest pause is five minutes: {:?}", outbox.health());
            }
        };
        // Killed: the futures are dropped where they stand.
        tokio::select! {
            () = outbox.run(CancellationToken::new()) => unreachable!(),
            () = driven => {}
        }
    }
    assert_eq!(opened(folder.path()).await.outbox().await.unwrap(), []);
    // What came after the provider was back.
    let received = receiver.received();
    let mut by_target: BTreeMap<String, Vec<(String, String, String)>> = BTreeMap::new();
    for message in received[in_vain..].iter().map(receiver::Received::json) {
        let word = |value: &serde_json::Value| value.as_str().unwrap().to_owned();
        let alert = &message["alerts"][0];
        let told = (word(&message["dedup_key"]), word(&message["transition"]), word(&alert["since"]));
        by_target.entry(word(&alert["target"])).or_default().push(told);
    }
    for (target, spans) in FAILS {
        let told = &by_target[target];
        let mut once = told.clone();
        once.dedup();
        let words: Vec<&str> = once.iter().map(|(_, transition, _)| transition.as_str()).collect();
        assert_eq!(words, ["firing", "resolved"].repeat(spans.len()), "{target}: {told:?}");
        assert!(once.chunks(2).all(|pair| pair[0].2 == pair[1].2), "an end is that of its beginning: {told:?}");
        assert!(once.iter().all(|message| told.iter().filter(|other| *other == message).count() <= 2), "{told:?}");
        assert!(told.iter().all(|(key, ..)| *key == told[0].0), "one key: {told:?}");
    }
    let keys: BTreeSet<&String> = by_target.values().flatten().map(|(key, ..)| key).collect();
    assert_eq!((by_target.len(), keys.len()), (3, 3), "{by_target:?}");
    // And the provider was not hammered while it was down.
    assert!(in_vain < 120, "{in_vain} tries in half an hour");
}

#[tokio::test]
async fn one_slow_channel_delays_nobody_and_a_refusal_is_told() {
    let folder = tempfile::tempdir().unwrap();
    let (slow, fast) = (Receiver::start(|_| Does::Hang), Receiver::start(|_| ok("")));
    let gone = Receiver::start(|_| Does::Answer("404 Not Found", "no_service".into()));
    let notes = Notes::default();
    let publisher = Publisher::new(RunId::random(), vec![Box::new(notes.clone())], false);
    let store = opened(folder.path()).await;
    let render = channels(&[("slow", &slow.url()), ("fast", &fast.url()), ("gone", &gone.url())]);
    let outbox = Outbox::new(store.clone(), Courier::new(Masker::default()), render, publisher, Arc::new(SystemClock));
    let mut messages = Vec::new();
    for key in 0..8 {
        messages.push(message("slow", &format!("s{key}"), Transition::Firing, Timestamp::now()));
        messages.push(message("fast", &format!("f{key}"), Transition::Firing, Timestamp::now()));
    }
    messages.push(message("gone", "g", Transition::Firing, Timestamp::now()));
    messages.push(message("removed", "r", Transition::Resolved, Timestamp::now()));
    store.commit_alerts(serde_json::json!({}), messages, Vec::new(), Timestamp::now()).await.unwrap();
    let begun = Instant::now();
    let cancel = CancellationToken::new();
    let driven = async {
        while fast.received().len() < 8 || outbox.health().waiting > 8 {
            assert!(begun.elapsed() < Duration::from_secs(5), "{:?}", outbox.health());
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
        assert!(begun.elapsed() < Duration::from_secs(2), "the slow channel's time limit is 2 s");
        let keys: BTreeSet<String> = told(&fast).into_iter().map(|(key, _)| key).collect();
        assert_eq!(keys.len(), 8);
        assert_eq!(outbox.health().waiting, 8);
        assert!(notes.said("error", "`gone` refuses the firing, which is given up"));
        assert!(notes.said("error", "no such notifier any more"));
        assert!(outbox.health().alive && !outbox.health().is_stuck());
        // The end: what hangs is broken off, and stays for the next start.
        assert_eq!(outbox.drain(Duration::from_millis(300)).await, 8);
        cancel.cancel();
    };
    tokio::join!(outbox.run(cancel.clone()), driven);
    assert!(begun.elapsed() < Duration::from_secs(6));
    assert_eq!(store.outbox().await.unwrap().len(), 8);
}

#[tokio::test]
async fn what_is_given_up_while_nothing_can_be_written_is_not_recorded_as_received() {
    let folder = tempfile::tempdir().unwrap();
    let (good, gone) =
        (Receiver::start(|_| ok("")), Receiver::start(|_| Does::Answer("404 Not Found", "no_service".into())));
    let publisher = Publisher::new(RunId::random(), Vec::new(), false);
    let store = opened(folder.path()).await;
    let render = channels(&[("good", &good.url()), ("gone", &gone.url())]);
    let outbox = Outbox::new(store.clone(), Courier::new(Masker::default()), render, publisher, Arc::new(SystemClock));
    let now = Timestamp::now();
    let messages = vec![message("good", "a", Transition::Firing, now), message("gone", "b", Transition::Firing, now)];
    store.commit_alerts(serde_json::json!({}), messages, Vec::new(), now).await.unwrap();
    let connection = rusqlite::Connection::open(store.path()).unwrap();
    connection.execute_batch("ALTER TABLE deliveries RENAME TO away").unwrap();
    let cancel = CancellationToken::new();
    let driven = async {
        let begun = Instant::now();
        while gone.received().is_empty() || good.received().is_empty() || outbox.health().waiting > 0 {
            assert!(begun.elapsed() < Duration::from_secs(20), "{:?}", outbox.health());
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
        assert_eq!(store.outbox().await.unwrap().len(), 2, "nothing could be written down");
        connection.execute_batch("ALTER TABLE away RENAME TO deliveries").unwrap();
        while !store.outbox().await.unwrap().is_empty() {
            assert!(begun.elapsed() < Duration::from_secs(40), "{:?}", outbox.health());
            outbox.nudge();
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
        cancel.cancel();
    };
    tokio::join!(outbox.run(cancel.clone()), driven);
    let why = |channel: &str| -> Option<String> {
        let query = "SELECT dropped_because FROM deliveries WHERE channel = ?1";
        connection.query_row(query, [channel], |row| row.get(0)).unwrap()
    };
    assert_eq!(why("good"), None);
    assert!(why("gone").is_some_and(|why| why.contains("404")), "{:?}", why("gone"));
}

#[tokio::test]
async fn draining_sends_what_waits_for_another_try() {
    let folder = tempfile::tempdir().unwrap();
    let receiver = Receiver::start(|_| Does::Answer("500 Internal Server Error", String::new()));
    let store = opened(folder.path()).await;
    let publisher = Publisher::new(RunId::random(), Vec::new(), false);
    let render = channels(&[("ops", &receiver.url())]);
    let outbox = Outbox::new(store.clone(), Courier::new(Masker::default()), render, publisher, Arc::new(SystemClock));
    let messages = vec![
        message("ops", "a", Transition::Firing, Timestamp::now()),
        message("ops", "a", Transition::Resolved, Timestamp::now()),
    ];
    store.commit_alerts(serde_json::json!({}), messages, Vec::new(), Timestamp::now()).await.unwrap();
    let cancel = CancellationToken::new();
    let driven = async {
        while outbox.health().failing.is_empty() {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
        assert_eq!(outbox.health().failing, ["ops"]);
        let tried = receiver.received().len();
        receiver.rule(|_| ok(""));
        let begun = Instant::now();
        assert_eq!(outbox.drain(Duration::from_secs(5)).await, 0);
        assert!(begun.elapsed() < Duration::from_secs(1), "it does not wait for the pause");
        assert_eq!(told(&receiver)[tried..], [("a".into(), "firing".into()), ("a".into(), "resolved".into())]);
        cancel.cancel();
    };
    tokio::join!(outbox.run(cancel.clone()), driven);
}

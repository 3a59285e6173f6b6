//! A provider that is down while alerts begin and end, and a daemon that is killed meanwhile: the real binary from the first
//! failed run to the last message. Nothing is lost, nothing overtakes within a key, hardly anything is told twice.
//!
//! Half an hour is not waited for here: of what waits for its time, the outbox knows pauses of up to five minutes and a
//! channel that is stuck after fifteen, and `tests/deliver.rs` goes through these with an engine under virtual time. What
//! is shown here is the whole way with real processes, whatever the outage lasts.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a test fails by panicking")]

#[path = "stage/prober.rs"]
mod prober;
#[path = "stage/receiver.rs"]
mod receiver;
#[path = "stage/watching.rs"]
mod watching;

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::io::copy;
use std::net::{Shutdown, TcpListener, TcpStream};
use std::os::unix::process::ExitStatusExt as _;
use std::path::Path;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::thread;

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use prober::Served;
use receiver::{Does, Receiver, ok};
use serde_json::Value;
use watching::{Watch, until, write};

const TARGETS: [&str; 3] = ["a", "b", "c"];

/// The way to a target: it leads to a server that is well or to one that answers rubbish, over HTTP both of them.
struct Way {
    host: String,
    is_ill: Arc<AtomicBool>,
}

impl Way {
    fn start(well: &Served, ill: &Served) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let host = listener.local_addr().unwrap().to_string();
        let is_ill = Arc::new(AtomicBool::new(false));
        let (leads_astray, hosts) = (Arc::clone(&is_ill), [well.host.clone(), ill.host.clone()]);
        thread::spawn(move || {
            for client in listener.incoming().flatten() {
                let host = &hosts[usize::from(leads_astray.load(Ordering::SeqCst))];
                let Ok(server) = TcpStream::connect(host) else { continue };
                for (mut from, mut to) in [(client.try_clone().unwrap(), server.try_clone().unwrap()), (server, client)]
                {
                    thread::spawn(move || {
                        let _ = copy(&mut from, &mut to);
                        let _ = to.shutdown(Shutdown::Write);
                    });
                }
            }
        });
        Self { host, is_ill }
    }

    fn breaks(&self) {
        self.is_ill.store(true, Ordering::SeqCst);
    }

    fn heals(&self) {
        self.is_ill.store(false, Ordering::SeqCst);
    }
}

/// How the provider is.
enum Mood {
    /// An error, a connection that is closed, no answer at all: in turn.
    Down,
    /// It takes what comes, and this process does not live to hear that.
    Deadly(Pid),
    Up,
}

struct Provider {
    receiver: Receiver,
    mood: Arc<Mutex<Mood>>,
    tries: Arc<AtomicUsize>,
    taken: Arc<Mutex<Vec<Value>>>,
}

impl Provider {
    fn down() -> Self {
        let mood = Arc::new(Mutex::new(Mood::Down));
        let (tries, taken) = (Arc::new(AtomicUsize::new(0)), Arc::new(Mutex::new(Vec::new())));
        let (how, count, messages) = (Arc::clone(&mood), Arc::clone(&tries), Arc::clone(&taken));
        let receiver = Receiver::start(move |request| {
            let number = count.fetch_add(1, Ordering::SeqCst);
            match &*how.lock().unwrap() {
                Mood::Down if number % 3 == 0 => return Does::Answer("503 Service Unavailable", String::new()),
                Mood::Down if number % 3 == 1 => return Does::HangUp,
                Mood::Down => return Does::Hang,
                // The signal comes before the answer: it cannot be read any more.
                Mood::Deadly(pid) => kill(*pid, Signal::SIGKILL).unwrap(),
                Mood::Up => {}
            }
            messages.lock().unwrap().push(request.json());
            ok("")
        });
        Self { receiver, mood, tries, taken }
    }

    fn becomes(&self, mood: Mood) {
        *self.mood.lock().unwrap() = mood;
    }

    fn taken(&self) -> Vec<Value> {
        self.taken.lock().unwrap().clone()
    }
}

fn probes(ways: &[Way], provider: &Provider) -> String {
    let mut text =
        "[watch]\nrun_at_start = true\ngroup_wait = \"50ms\"\ngroup_interval = \"100ms\"\njitter = \"0%\"\n".to_owned();
    for (name, way) in TARGETS.iter().zip(ways) {
        writeln!(text, "[target.{name}]\nurl = \"http://{}/mcp\"\nprotocol = \"modern\"", way.host).unwrap();
    }
    text += "[[probe]]\nname = \"list\"\ntarget = \"*\"\nevery = \"200ms\"\ntimeout = \"190ms\"\n[[probe.step]]\n\
             method = \"tools/list\"\n[[alert]]\nname = \"down\"\nconsecutive_failures = 2\nwithin = \"5s\"\n\
             notify = [\"ops\"]\n";
    write!(text, "[notify.ops]\nkind = \"webhook\"\nurl = \"{}/ops\"\ntimeout = \"1s\"\n", provider.receiver.url())
        .unwrap();
    text
}

/// Waits until so many messages wait to be delivered: each is told of one after the other, so that none joins another.
fn waiting(watch: &Watch, count: u64) {
    until(&format!("{count} messages wait"), || {
        let waiting = watch.status()["daemon"]["outbox_waiting"].as_u64();
        assert!(waiting <= Some(count), "{waiting:?} messages wait, and {count} alerts changed");
        (waiting == Some(count)).then_some(())
    });
}

/// Killed, with no word before it.
fn killed(mut watch: Watch) {
    watch.signal(Signal::SIGKILL);
    assert_eq!(watch.ended().signal(), Some(Signal::SIGKILL as i32));
}

/// A message as its receiver tells it from others: what happened, since when the alert fires, and since when it does not.
fn told(message: &Value) -> (String, String, String) {
    let [alert] = message["alerts"].as_array().unwrap().as_slice() else { panic!("one alert: {message}") };
    let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
    (text(&message["transition"]), text(&alert["since"]), text(&alert["ended"]))
}

/// Five alerts of three keys begin and end while nobody takes a message.
fn outage(folder: &Path, [a, b, c]: &[Way; 3]) {
    let watch = Watch::start(folder);
    until("all are well", || (watch.status()["summary"]["healthy"] == 3).then_some(()));
    a.breaks();
    waiting(&watch, 1);
    b.breaks();
    waiting(&watch, 2);
    // Between the beginnings and the ends; one ends while nobody looks.
    killed(watch);
    b.heals();
    let watch = Watch::start(folder);
    waiting(&watch, 3);
    a.heals();
    waiting(&watch, 4);
    c.breaks();
    waiting(&watch, 5);
    a.breaks();
    waiting(&watch, 6);
    killed(watch);
    let watch = Watch::start(folder);
    waiting(&watch, 6);
    a.heals();
    waiting(&watch, 7);
    b.breaks();
    waiting(&watch, 8);
    c.heals();
    waiting(&watch, 9);
    b.heals();
    waiting(&watch, 10);
    watch.says("`ops` could not be told");
    killed(watch);
}

#[test]
fn ten_messages_outlive_their_provider_and_two_kills() {
    let folder = tempfile::tempdir().unwrap();
    let folder = folder.path();
    let (well, ill) = (Served::start([""; 0]), Served::start(["--fault", "not-json"]));
    let ways = TARGETS.map(|_| Way::start(&well, &ill));
    let provider = Provider::down();
    write(folder, &probes(&ways, &provider));
    outage(folder, &ways);
    assert!(provider.taken().is_empty() && provider.tries.load(Ordering::SeqCst) >= 5, "it was tried, in vain");

    // The provider is back. What it takes first it takes twice: who sent it is killed before hearing that it has it.
    let mut watch = Watch::start(folder);
    provider.becomes(Mood::Deadly(Pid::from_raw(watch.child.id().cast_signed())));
    assert_eq!(watch.ended().signal(), Some(Signal::SIGKILL as i32));
    assert!(!provider.taken().is_empty());
    provider.becomes(Mood::Up);
    let watch = Watch::start(folder);
    until("everything is delivered", || (watch.status()["daemon"]["outbox_waiting"] == 0).then_some(()));

    let taken = provider.taken();
    let mut by_target: BTreeMap<&str, Vec<&Value>> = BTreeMap::new();
    for message in &taken {
        by_target.entry(message["alerts"][0]["target"].as_str().unwrap()).or_default().push(message);
    }
    assert_eq!(by_target.keys().copied().collect::<Vec<_>>(), TARGETS);
    let (mut keys, mut all) = (Vec::new(), 0);
    for (target, messages) in by_target {
        let key = &messages[0]["dedup_key"];
        assert!(key.is_string() && messages.iter().all(|message| message["dedup_key"] == *key), "{messages:#?}");
        keys.push(key.clone());
        let told: Vec<_> = messages.into_iter().map(told).collect();
        let mut once = told.clone();
        // One that comes again comes before the next of its key.
        once.dedup();
        let words: Vec<&str> = once.iter().map(|(transition, ..)| transition.as_str()).collect();
        let wanted = ["firing", "resolved", "firing", "resolved"];
        assert_eq!(words, wanted[..if target == "c" { 2 } else { 4 }], "{target}: {told:?}");
        for pair in once.chunks(2) {
            assert!(pair[0].1 == pair[1].1 && pair[1].1 < pair[1].2, "an end is that of its beginning: {pair:?}");
        }
        for message in &once {
            let count = told.iter().filter(|other| *other == message).count();
            assert!(count <= 2, "{target}: {message:?} came {count} times");
        }
        all += once.len();
    }
    assert_eq!((all, taken.len() > 10), (10, true), "and the one that had to come twice did: {}", taken.len());
    keys.dedup();
    assert_eq!(keys.len(), 3, "a key is that of one target");
}

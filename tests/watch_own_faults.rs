//! What is the prober's own fault, or somebody else's, is not told as a server's: the real daemon is stopped, reloaded and
//! ended in the midst of runs, and cut off from what it watches.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "in a test a panic is the report; the lint exempts only functions marked as tests"
)]

#[path = "stage/watching.rs"]
mod watching;

use std::os::unix::fs::MetadataExt as _;
use std::path::Path;
use std::time::Duration;

use jiff::Timestamp;
use mcp_probe::event::Status;
use mcp_probe::store::Reader;
use nix::sys::signal::Signal;
use watching::{Hook, Watch, behave, server, until, write};

/// A probe of a server that takes its time, with an alert that one failure fires and that restarts it.
fn slow_server(folder: &Path, hook: &Hook) -> String {
    let (server, url) = (server(folder), &hook.url);
    format!(
        r#"
[watch]
run_at_start = true
group_wait = "50ms"
jitter = "0%"
[target.demo]
{server}
restart = ["touch", "restarted"]
[[probe]]
name = "list"
target = "demo"
every = "4s"
timeout = "3s"
[[probe.step]]
method = "tools/list"
[[alert]]
name = "down"
consecutive_failures = 1
restart = true
notify = ["ops"]
[notify.ops]
kind = "webhook"
url = "{url}"
"#
    )
}

#[test]
fn a_prober_that_stood_still_blames_no_server() {
    let (folder, hook) = (tempfile::tempdir().unwrap(), Hook::start());
    let folder = folder.path();
    write(folder, &slow_server(folder, &hook));
    behave(folder, "--latency 1500ms");
    let watch = Watch::start(folder);
    let count = |words: &str| watch.log().matches(words).count();
    until("it is healthy", || (count("status=healthy") == 1).then_some(()));
    until("it runs again", || (count("started probe=list") == 2).then_some(()));
    std::thread::sleep(Duration::from_millis(300));
    watch.signal(Signal::SIGSTOP);
    std::thread::sleep(Duration::from_secs(8));
    watch.signal(Signal::SIGCONT);
    watch.says("status=unknown reason=suspended");
    watch.says("mcp-probe stood still for");
    until("it is healthy again", || (count("status=healthy") == 2).then_some(()));
    let log = watch.log();
    assert!(!log.contains("status=failed"), "{log}");
    assert!(!folder.join("restarted").exists() && hook.told().is_empty(), "{:?}", hook.told());
    let missed = &watch.status()["probes"][0]["missed"];
    assert!(missed["suspend"].as_u64() >= Some(1), "the points of that time: {missed}");
    assert!(missed["backpressure"].is_null(), "{missed}");
}

#[test]
fn a_heartbeat_without_a_run_that_ended_is_not_sent() {
    let (folder, heart) = (tempfile::tempdir().unwrap(), Hook::start());
    let folder = folder.path();
    let text = format!(
        "[watch]\nrun_at_start = true\nheartbeat = \"alive\"\n[target.demo]\n{}\n[[probe]]\nname = \"list\"\ntarget = \
         \"demo\"\nevery = \"100s\"\ntimeout = \"30s\"\n[notify.alive]\nkind = \"healthchecks\"\nurl = \"{}/ping\"\n",
        server(folder),
        heart.url
    );
    write(folder, &text);
    behave(folder, "--fault silent");
    let mut watch = Watch::start(folder);
    watch.says("started probe=list");
    for count in 1..=2 {
        std::thread::sleep(Duration::from_secs(1));
        write(folder, &format!("{text}# {count}\n"));
        watch.signal(Signal::SIGHUP);
        until("it is read again", || (watch.log().matches("files were read again").count() >= count).then_some(()));
    }
    std::thread::sleep(Duration::from_millis(1500));
    assert!(heart.heard().is_empty(), "nothing was probed: {:?}", heart.heard());
    watch.signal(Signal::SIGKILL);
    watch.ended();
    behave(folder, "");
    let watch = Watch::start(folder);
    until("it beats", || (!heart.heard().is_empty()).then_some(()));
    assert!(watch.log().contains("status=healthy"), "not before");
}

/// A target that hangs in its opening and is held, beside one that answers at once.
fn hung_and_quick(folder: &Path, hung: &str) -> String {
    let quick = server(folder);
    format!(
        "[watch]\nrun_at_start = true\njitter = \"0%\"\n{hung}[target.quick]\n{quick}\n[[probe]]\nname = \"q\"\ntarget = \
         \"quick\"\nevery = \"500ms\"\ntimeout = \"450ms\"\n"
    )
}

fn hung(env: &str) -> String {
    let binary = watching::BINARY;
    format!(
        "[target.hung]\ncommand = [\"{binary}\", \"demo\", \"--fault\", \"silent\"]\n{env}\n[[probe]]\nname = \
         \"h\"\ntarget = \"hung\"\nevery = \"90s\"\ntimeout = \"10s\"\nsession = \"reuse\"\n"
    )
}

#[test]
fn a_reload_waits_for_no_run_and_holds_up_none() {
    let folder = tempfile::tempdir().unwrap();
    let folder = folder.path();
    write(folder, &hung_and_quick(folder, &hung("")));
    let mut watch = Watch::start(folder);
    let count = |words: &str| watch.log().matches(words).count();
    watch.says("started probe=h");
    until("the other is healthy", || (count("status=healthy") > 0).then_some(()));
    // Once it is changed while it hangs, once it is taken out.
    for (round, hung) in [(1, hung("env = { X = \"1\" }")), (2, String::new())] {
        let begun = std::time::Instant::now();
        write(folder, &hung_and_quick(folder, &hung));
        watch.signal(Signal::SIGHUP);
        until("it is read again", || (count("files were read again") >= round).then_some(()));
        assert!(begun.elapsed() < Duration::from_secs(10), "{:?}", begun.elapsed());
        let before = count("status=healthy");
        until("runs go on", || (count("status=healthy") > before + 3).then_some(()));
        assert!(begun.elapsed() < Duration::from_secs(20), "{:?}", begun.elapsed());
    }
    // What still hangs is broken off in time, and nothing is left.
    let begun = std::time::Instant::now();
    watch.signal(Signal::SIGTERM);
    assert_eq!(watch.ended().code(), Some(0));
    assert!(begun.elapsed() < Duration::from_secs(25), "{:?}", begun.elapsed());
    watch.leaves_nothing();
}

/// How many servers there are. The shells that become servers are none yet.
fn servers(watch: &Watch) -> usize {
    let is_server = |pid: &i32| {
        let line = std::fs::read(format!("/proc/{pid}/cmdline")).unwrap_or_default();
        line.starts_with(watching::BINARY.as_bytes()) && String::from_utf8_lossy(&line).contains("demo")
    };
    watch.processes().iter().filter(|pid| is_server(pid)).count()
}

#[test]
fn what_is_asked_for_keeps_to_the_limits() {
    const TARGETS: usize = 12;
    let folder = tempfile::tempdir().unwrap();
    let folder = folder.path();
    behave(folder, "--latency 300ms");
    let targets: Vec<String> = (0..TARGETS).map(|at| format!("[target.t{at}]\n{}\n", server(folder))).collect();
    let targets = targets.concat();
    write(
        folder,
        &format!(
            "[watch]\njobs = 2\n{targets}[[probe]]\nname = \"list\"\ntarget = \"*\"\nevery = \"1h\"\ntimeout = \
             \"10s\"\n"
        ),
    );
    let watch = Watch::start(folder);
    let most = std::thread::scope(|scope| {
        let watch = &watch;
        let asked: Vec<_> = (0..TARGETS)
            .map(|at| scope.spawn(move || watch.get(&format!("/probe?target=t{at}&module=list"))))
            .collect();
        let mut most = 0;
        while asked.iter().any(|asked| !asked.is_finished()) {
            most = most.max(servers(watch));
            std::thread::sleep(Duration::from_millis(20));
        }
        for asked in asked {
            let (code, body) = asked.join().unwrap();
            assert_eq!(code, 200);
            assert!(body.contains("probe_success 1"), "{body}");
        }
        most
    });
    // One may still be looked at that has just ended.
    assert!((1..=3).contains(&most), "{most} at once, two were allowed");
    until("nothing runs", || (watch.status()["daemon"]["running"] == 0).then_some(()));
}

#[test]
fn many_who_ask_for_a_run_that_hangs_leave_the_places_to_the_others() {
    let folder = tempfile::tempdir().unwrap();
    let folder = folder.path();
    write(folder, &hung_and_quick(folder, &hung("")).replacen("[watch]\n", "[watch]\njobs = 4\n", 1));
    let watch = Watch::start(folder);
    watch.says("started probe=h");
    let quick = || watch.log().matches("target=quick status=healthy").count();
    until("the other is healthy", || (quick() > 0).then_some(()));
    // Most of them do not wait for the answer.
    let address = watch.address().unwrap();
    let mut waiting: Vec<std::net::TcpStream> = (0..40)
        .map(|_| {
            let mut stream = std::net::TcpStream::connect(&address).unwrap();
            let request = format!("GET /probe?target=hung&module=h HTTP/1.1\r\nHost: {address}\r\n\r\n");
            std::io::Write::write_all(&mut stream, request.as_bytes()).unwrap();
            stream
        })
        .collect();
    std::thread::sleep(Duration::from_millis(500));
    waiting.truncate(10);
    let before = quick();
    until("runs go on", || (quick() > before + 6).then_some(()));
    let status = watch.status();
    assert!(status["daemon"]["running"].as_u64().unwrap() <= 3, "{status}");
    assert!(!watch.log().contains("backpressure"), "{}", watch.log());
}

#[test]
fn what_was_asked_for_of_a_target_that_is_taken_out_meanwhile_is_not_run() {
    let folder = tempfile::tempdir().unwrap();
    let folder = folder.path();
    behave(folder, "--latency 1500ms");
    let target = |name: &str| format!("[target.{name}]\n{}\n", server(folder));
    let rest = "[[probe]]\nname = \"list\"\ntarget = \"*\"\nevery = \"1h\"\ntimeout = \"20s\"\n[watch]\njobs = 1\n";
    write(folder, &format!("{}{}{rest}", target("first"), target("second")));
    let mut watch = Watch::start(folder);
    std::thread::scope(|scope| {
        let ask = |name: &'static str| {
            let watch = &watch;
            scope.spawn(move || watch.get(&format!("/probe?target={name}&module=list")))
        };
        let first = ask("first");
        until("it runs", || (servers(&watch) == 1).then_some(()));
        let second = ask("second");
        // So long it certainly waits; nothing shows that from outside.
        std::thread::sleep(Duration::from_millis(700));
        write(folder, &format!("{}{rest}", target("first")));
        watch.signal(Signal::SIGHUP);
        let (code, body) = second.join().unwrap();
        assert_eq!((code, body.trim()), (400, "no such probe of no such target is in the probe files"));
        let (code, body) = first.join().unwrap();
        assert!(code == 200 && body.contains("probe_success 1"), "{body}");
    });
    watch.signal(Signal::SIGTERM);
    watch.ended();
    watch.leaves_nothing();
}

#[test]
fn a_run_that_waits_for_its_turn_during_a_reload_leaves_no_session() {
    let folder = tempfile::tempdir().unwrap();
    let folder = folder.path();
    behave(folder, "--latency 700ms");
    let rest = "[watch]\nrun_at_start = true\n[[probe]]\nname = \"list\"\ntarget = \"*\"\nevery = \"1h\"\ntimeout = \"20s\"\nsession \
                = \"reuse\"\n";
    let kept = format!("[target.kept]\n{}\n{rest}", server(folder));
    write(folder, &format!("[target.gone]\n{}\n{kept}", server(folder)));
    let watch = Watch::start(folder);
    until("both run", || (servers(&watch) == 2).then_some(()));
    std::thread::scope(|scope| {
        // It waits until the run of the timetable has ended.
        let asked = scope.spawn(|| watch.get("/probe?target=gone&module=list"));
        std::thread::sleep(Duration::from_millis(300));
        write(folder, &kept);
        watch.signal(Signal::SIGHUP);
        watch.says("files were read again");
        let (code, body) = asked.join().unwrap();
        assert!(code == 200 && body.contains("probe_success 1"), "{body}");
    });
    until("one session is held", || (servers(&watch) == 1).then_some(()));
}

#[test]
fn a_notifier_that_is_taken_out_hears_the_end_of_what_it_was_told() {
    let (folder, hook) = (tempfile::tempdir().unwrap(), Hook::start());
    let folder = folder.path();
    let text =
        slow_server(folder, &hook).replace("every = \"4s\"", "every = \"3500ms\"").replace("restart = true\n", "");
    write(folder, &text);
    behave(folder, "--fault exit-at-start");
    let watch = Watch::start(folder);
    hook.hears("down", "firing");
    let other = Hook::start();
    let told_elsewhere = text
        .replace("notify = [\"ops\"]", "notify = [\"new\"]")
        .replace("[notify.ops]", "[notify.new]")
        .replace(&format!("url = \"{}\"", hook.url), &format!("url = \"{}\"", other.url));
    write(folder, &told_elsewhere);
    watch.signal(Signal::SIGHUP);
    watch.says("files were read again");
    behave(folder, "");
    hook.hears("down", "resolved");
    other.hears("down", "resolved");
    assert!(!watch.log().contains("no such notifier"), "{}", watch.log());
}

/// How the runs of a target ended, as they are kept.
fn kept(folder: &Path, target: &str) -> Vec<Status> {
    let reader = Reader::open(&folder.join("state/history.sqlite")).unwrap();
    let samples = reader.samples(None, Some(target), Timestamp::UNIX_EPOCH, Timestamp::now(), 1000).unwrap();
    samples.iter().map(|sample| sample.status).collect()
}

#[test]
fn what_a_failing_parent_explains_is_kept_as_unknown() {
    let folder = tempfile::tempdir().unwrap();
    let folder = folder.path();
    let above = folder.join("above");
    std::fs::create_dir(&above).unwrap();
    let (parent, child) = (server(&above), server(folder));
    write(
        folder,
        &format!(
            "[watch]\nrun_at_start = true\njitter = \"0%\"\n[target.parent]\n{parent}\n[target.child]\n{child}\ndepends_on = \
             [\"parent\"]\n[[probe]]\nname = \"list\"\ntarget = \"*\"\nevery = \"500ms\"\ntimeout = \"450ms\"\n"
        ),
    );
    behave(&above, "--fault exit-at-start");
    behave(folder, "--fault exit-at-start");
    let mut watch = Watch::start(folder);
    let explained = "`parent`, which it depends on, fails, so this says nothing of the target";
    until("it is explained", || (watch.log().matches(explained).count() >= 3).then_some(()));
    let page = watch.get("/api/v1/status").1;
    assert!(page.contains(explained), "{page}");
    behave(&above, "");
    behave(folder, "");
    let healthy = |target: &str| watch.log().contains(&format!("target={target} status=healthy"));
    until("both are well again", || (healthy("parent") && healthy("child")).then_some(()));
    // What nothing explains any more is the child's own.
    let own = || watch.log().matches("target=child status=failed").count();
    let before = own();
    behave(folder, "--fault exit-at-start");
    until("it fails by itself", || (own() > before).then_some(()));
    behave(folder, "");
    watch.signal(Signal::SIGTERM);
    assert_eq!(watch.ended().code(), Some(0));
    // Also what failed before it was known that the parent does.
    let child = kept(folder, "child");
    let until_well = child.iter().position(|status| *status == Status::Healthy).unwrap();
    assert!(until_well >= 3 && child[..until_well].iter().all(|status| *status == Status::Unknown), "{child:?}");
    assert!(child.contains(&Status::Failed), "its own: {child:?}");
    let failed = kept(folder, "parent").iter().filter(|status| **status == Status::Failed).count();
    assert!(failed >= 3, "the parent is to blame: {:?}", kept(folder, "parent"));
}

#[test]
fn what_the_network_of_the_prober_explains_is_kept_as_unknown() {
    use std::fmt::Write as _;
    let folder = tempfile::tempdir().unwrap();
    let folder = folder.path();
    // Nobody listens there.
    let port = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
    let mut text = "[watch]\nrun_at_start = true\njitter = \"0%\"\n".to_owned();
    for at in 0..6 {
        writeln!(text, "[target.t{at}]\nurl = \"http://127.0.0.1:{port}/mcp\"\nstartup_timeout = \"400ms\"").unwrap();
    }
    text += "[[probe]]\nname = \"list\"\ntarget = \"*\"\nevery = \"1s\"\ntimeout = \"450ms\"\n[[alert]]\nname = \"down\"\n\
             consecutive_failures = 3\nnotify = []\n";
    write(folder, &text);
    let mut watch = Watch::start(folder);
    let explained = "status=unknown reason=connect";
    until("it is explained", || (watch.log().matches(explained).count() >= 12).then_some(()));
    watch.says("the prober itself cannot reach the network");
    watch.signal(Signal::SIGTERM);
    assert_eq!(watch.ended().code(), Some(0));
    for target in (0..6).map(|at| format!("t{at}")) {
        let kept = kept(folder, &target);
        assert!(kept.len() >= 2 && kept.iter().all(|status| *status == Status::Unknown), "{target}: {kept:?}");
    }
}

#[test]
fn a_history_that_is_taken_away_loses_no_alert_and_is_never_called_writable() {
    let (folder, hook) = (tempfile::tempdir().unwrap(), Hook::start());
    let folder = folder.path();
    let text = slow_server(folder, &hook).replace("every = \"4s\"", "every = \"1s\"");
    write(folder, &text.replace("timeout = \"3s\"", "timeout = \"500ms\"").replace("restart = true\n", ""));
    hook.answer(503);
    let mut watch = Watch::start(folder);
    watch.says("status=healthy");
    let state = folder.join("state");
    let history = state.join("history.sqlite");
    for ending in ["", "-wal", "-shm", ".lock"] {
        let _ = std::fs::remove_file(state.join(format!("history.sqlite{ending}")));
    }
    watch.says("it is there again, with everything that was in it");
    behave(folder, "--fault list-error");
    watch.says("could not be told");
    // Another file in its place is not ours to write.
    std::fs::rename(&history, state.join("aside")).unwrap();
    std::fs::write(&history, "another's").unwrap();
    watch.says("another file lies in its place");
    until("it is not writable", || watch.get("/metrics").1.contains("mcp_probe_store_writable 0").then_some(()));
    until("it is not healthy", || (watch.get("/-/healthy").0 == 503).then_some(()));
    std::fs::remove_file(&history).unwrap();
    watch.says("what waited could be written");
    until("it is writable", || watch.get("/metrics").1.contains("mcp_probe_store_writable 1").then_some(()));
    watch.signal(Signal::SIGTERM);
    assert!(watch.ended().success());
    watch.says("1 messages wait for the next start");
    assert_eq!(kept(folder, "demo").first(), Some(&Status::Healthy), "what was before it was taken away");
    hook.answer(200);
    let _watch = Watch::start(folder);
    hook.hears("down", "firing");
}

#[test]
fn another_program_that_opens_the_history_does_not_take_its_log_away() {
    let (folder, hook) = (tempfile::tempdir().unwrap(), Hook::start());
    let folder = folder.path();
    write(
        folder,
        &slow_server(folder, &hook).replace("every = \"4s\"\ntimeout = \"3s\"", "every = \"1s\"\ntimeout = \"500ms\""),
    );
    let watch = Watch::start(folder);
    watch.says("status=healthy");
    // The page reads the history in the process that writes it.
    assert_eq!(watch.get("/").0, 200);
    // By this lock other programs see that somebody writes, and leave the log alone when they close the file.
    let pid = watch.child.id().to_string();
    let inode = std::fs::metadata(folder.join("state/history.sqlite")).unwrap().ino();
    let of_it = |lock: &&str| lock.contains(&format!(" {pid} ")) && lock.contains(&format!(":{inode} "));
    let locks = std::fs::read_to_string("/proc/locks").unwrap();
    assert!(locks.lines().filter(of_it).any(|lock| lock.contains(" POSIX ")), "{pid} {inode}\n{locks}");
}

//! Real children: what goes wrong with them, and that nothing of them is left.

use std::os::unix::fs::PermissionsExt;

use bytes::Bytes;

use super::*;
use crate::transport::Intent;
use crate::transport::child::{census, table};
use crate::wire::Frame;
use crate::wire::message::Message;

const GRACE: Duration = Duration::from_millis(300);
const REPLY: &str = r#"{"jsonrpc":"2.0","id":1,"result":{}}"#;
/// Answers every line with the reply, and ends with its stdin.
const ECHO: &str = "while read -r line; do echo \"$REPLY\"; done";

fn settings(argv: &[&str]) -> StdioSettings {
    StdioSettings {
        argv: argv.iter().map(|&word| word.to_owned()).collect(),
        env: vec![("REPLY".into(), REPLY.into())],
        cwd: None,
        inherit: Inherit::All { except: Vec::new() },
        line_bytes_max: LINE_BYTES_MAX,
        run_id: RunId::random(),
        guard: false,
    }
}

async fn open(settings: StdioSettings) -> Result<Box<dyn Link>, Fault> {
    StdioDial::new(settings).open(TransportKind::Stdio, CancellationToken::new()).await
}

async fn script(text: &str) -> Box<dyn Link> {
    open(settings(&["sh", "-c", text])).await.unwrap()
}

async fn refused(settings: StdioSettings) -> String {
    let fault = open(settings).await.err().unwrap();
    assert_eq!(fault.reason, Reason::Spawn);
    fault.message
}

fn outgoing(body: &str) -> Outgoing {
    let body = Bytes::copy_from_slice(body.as_bytes());
    Outgoing { key: 1, intent: Intent::Request, body, headers: Vec::new(), repeatable: false }
}

async fn heard(link: &mut Box<dyn Link>) -> Heard {
    tokio::time::timeout(Duration::from_secs(20), link.recv()).await.expect("something is heard")
}

async fn fault(link: &mut Box<dyn Link>) -> Fault {
    match heard(link).await.what {
        What::Fault(fault) => fault,
        other => panic!("{other:?}"),
    }
}

async fn reply(link: &mut Box<dyn Link>) {
    match heard(link).await.what {
        What::Frame(Frame { parsed: Ok(Message::Reply { .. }), .. }) => {}
        other => panic!("{other:?}"),
    }
}

/// The first line of a child that tells the id of a process.
async fn told_pid(link: &mut Box<dyn Link>) -> i32 {
    match heard(link).await.what {
        What::Noise(text) => String::from_utf8_lossy(&text).trim().parse().unwrap(),
        other => panic!("{other:?}"),
    }
}

fn finding<'a>(findings: &'a [Finding], id: &str) -> Option<&'a Finding> {
    findings.iter().find(|finding| finding.id == id)
}

fn is_alive(pid: i32) -> bool {
    table::entry(pid).is_some_and(|entry| !entry.ended)
}

/// Whether it ended, and was reaped, before long.
async fn vanishes(pid: i32) -> bool {
    for _ in 0..1000 {
        census::sweep();
        if table::entry(pid).is_none() {
            return true;
        }
        tokio::time::sleep(Duration::from_millis(2)).await;
    }
    false
}

#[tokio::test]
async fn a_reply_comes_and_closing_is_clean() {
    let before = Instant::now();
    let mut link = script(ECHO).await;
    let sent = link.send(outgoing("{}")).await.unwrap();
    let heard = heard(&mut link).await;
    assert!(before <= sent && sent <= heard.first_byte && heard.first_byte <= heard.at, "{sent:?} {heard:?}");
    assert!(matches!(heard.what, What::Frame(Frame { parsed: Ok(_), .. })));
    let facts = link.facts();
    assert!(facts.phases.get(Phase::Spawn).unwrap() > Duration::ZERO);
    assert!(facts.peer.unwrap().ends_with("/sh"));
    let farewell = link.close(GRACE).await;
    assert_eq!(farewell.rung, Some(Rung::Stdin));
    assert_eq!(farewell.exit.as_deref(), Some("exit code 0"));
    assert_eq!(farewell.findings, []);
    assert!(farewell.took < GRACE);
    if cfg!(target_os = "linux") {
        let usage = farewell.usage.unwrap();
        assert!(usage.cpu > Duration::ZERO && usage.resident_bytes > 100 * 1024, "{usage:?}");
    }
}

#[tokio::test]
async fn a_program_that_is_not_there() {
    let message = refused(settings(&["no-such-program-here"])).await;
    assert!(message.starts_with("cannot start `no-such-program-here`: not found in PATH ("), "{message}");
    let message = refused(settings(&["npx -y server"])).await;
    assert!(message.contains("give each argument as a word of its own"), "{message}");
    let message = refused(settings(&["./no/such/file"])).await;
    assert!(message.contains("there is no file ") && message.contains("no/such/file"), "{message}");
    let message = refused(settings(&["~/server"])).await;
    assert!(message.contains("only a shell expands `~`"), "{message}");
    assert!(refused(settings(&[])).await.contains("the command is empty"));
    assert!(refused(settings(&["sh", "a\0b"])).await.contains("NUL"));
    assert!(refused(settings(&["/tmp"])).await.contains("/tmp is a directory"));
    let gone = StdioSettings { cwd: Some("/no/such/folder".into()), ..settings(&["sh"]) };
    let message = refused(gone).await;
    assert!(message.contains("its working directory /no/such/folder: it does not exist"), "{message}");
}

#[tokio::test]
async fn a_file_that_is_no_program() {
    let folder = tempfile::tempdir().unwrap();
    let file = |name: &str, text: &[u8], mode: u32| {
        let path = folder.path().join(name);
        std::fs::write(&path, text).unwrap();
        std::fs::set_permissions(&path, std::fs::Permissions::from_mode(mode)).unwrap();
        path.to_str().unwrap().to_owned()
    };
    let plain = file("plain", b"echo hello\n", 0o644);
    assert!(refused(settings(&[&plain])).await.contains("is not executable; `chmod +x"));
    let headless = file("headless", b"\x01\x02\x03\x04 no shebang", 0o755);
    let message = refused(settings(&[&headless])).await;
    assert!(message.contains("is not a program this system can run"), "{message}");
    let orphaned = file("orphaned", b"#!/no/such/interpreter -x\r\n", 0o755);
    let message = refused(settings(&[&orphaned])).await;
    assert!(message.contains("asks for the interpreter `/no/such/interpreter`"), "{message}");
    // By name, in the PATH that the child will have, not in ours.
    let env = vec![("PATH".to_owned(), folder.path().to_str().unwrap().to_owned())];
    let named = StdioSettings { env: env.clone(), ..settings(&["plain"]) };
    assert!(refused(named).await.contains("is not executable"));
    let message = refused(StdioSettings { env, ..settings(&["sh"]) }).await;
    assert!(message.contains(folder.path().to_str().unwrap()), "{message}");
    // Relative to the working directory of the child.
    file("here", b"#!/bin/sh\nread line; echo \"$REPLY\"\n", 0o755);
    let mut link = open(StdioSettings { cwd: Some(folder.path().to_owned()), ..settings(&["./here"]) }).await.unwrap();
    link.send(outgoing("{}")).await.unwrap();
    reply(&mut link).await;
    link.close(GRACE).await;
}

#[tokio::test]
async fn our_own_name_is_ourselves() {
    let mut link = open(settings(&["mcp-probe", "--help"])).await.unwrap();
    assert_eq!(link.facts().peer, std::env::current_exe().unwrap().to_str().map(str::to_owned));
    assert!(matches!(heard(&mut link).await.what, What::Noise(_)), "the help of the test program");
    link.close(GRACE).await;
}

#[tokio::test]
async fn the_environment_is_what_was_asked_for() {
    // Any variable of ours that a shell would not set by itself and that is not among the minimal ones.
    let is_plain =
        |name: &str| name.bytes().all(|byte| byte.is_ascii_uppercase() || byte == b'_') && !name.contains("PWD");
    let other = std::env::vars().find(|(name, value)| {
        is_plain(name) && !child::MINIMAL.contains(&&**name) && name != "SHLVL" && !value.is_empty()
    });
    let other = other.expect("the tests run with more than a minimal environment").0;
    let print = format!("echo \"${{PATH:+path}} ${{{other}:+other}} ${{EXTRA}} $MCP_PROBE_RUN\"");
    let mut lines = Vec::new();
    let all = Inherit::All { except: Vec::new() };
    let except = Inherit::All { except: vec![other.clone()] };
    let minimal = Inherit::Minimal { also: Vec::new() };
    let also = Inherit::Minimal { also: vec![other.clone()] };
    for inherit in [all, except, minimal, also] {
        let mut settings = StdioSettings { inherit, ..settings(&["sh", "-c", &print]) };
        settings.env.push(("EXTRA".into(), "extra".into()));
        let run_id = settings.run_id.to_string();
        let mut link = open(settings).await.unwrap();
        let What::Noise(told) = heard(&mut link).await.what else { panic!() };
        let told = String::from_utf8_lossy(&told).into_owned();
        let (words, mark) = told.rsplit_once(' ').unwrap();
        assert!(mark.starts_with(&format!("{run_id}.")), "{told}");
        lines.push(words.to_owned());
        link.close(GRACE).await;
    }
    assert_eq!(lines, ["path other extra", "path  extra", "path  extra", "path other extra"]);
}

#[tokio::test]
async fn an_exit_at_the_start_shows_stderr() {
    let mut link = script("echo 'Cannot find module ajv' >&2; exit 3").await;
    let fault = fault(&mut link).await;
    assert_eq!(fault.reason, Reason::Exited);
    assert!(fault.message.contains("ended with exit code 3"), "{}", fault.message);
    assert!(fault.message.contains("without having written a message"), "{}", fault.message);
    assert_eq!(fault.stderr.as_deref(), Some("Cannot find module ajv\n"));
    assert!(fault.cause().message.ends_with("stderr ends with:\nCannot find module ajv"));
    let again = self::fault(&mut link).await;
    assert_eq!(again, fault);
    assert_eq!(link.send(outgoing("{}")).await, Err(fault));
    let farewell = link.close(GRACE).await;
    assert_eq!((farewell.rung, farewell.exit.as_deref()), (Some(Rung::Already), Some("exit code 3")));
}

#[tokio::test]
async fn writing_to_the_dead_says_how_they_died() {
    let mut link = script("echo oh >&2; kill -9 $$").await;
    let message = "x".repeat(1 << 20);
    let fault = link.send(outgoing(&message)).await.unwrap_err();
    assert_eq!(fault.reason, Reason::Exited);
    assert!(fault.message.contains("signal 9 (SIGKILL)"), "{}", fault.message);
    assert_eq!(fault.stderr.as_deref(), Some("oh\n"));
}

#[tokio::test]
async fn writing_to_the_deaf_says_so() {
    let mut link = script("exec <&-; echo \"$REPLY\"; exec sleep 60").await;
    reply(&mut link).await;
    // A child that another test is just starting holds a copy of every open pipe until its program begins.
    let refused = async {
        loop {
            match link.send(outgoing("{}")).await {
                Ok(_) => tokio::time::sleep(Duration::from_millis(1)).await,
                Err(fault) => return fault,
            }
        }
    };
    let fault = tokio::time::timeout(Duration::from_secs(20), refused).await.expect("nobody reads that pipe");
    assert_eq!(fault.reason, Reason::Closed);
    assert!(fault.message.contains("closed its stdin but still runs"), "{}", fault.message);
    link.close(Duration::from_millis(50)).await;
}

/// The shortest of some times: other work on the machine only ever adds.
async fn quickest<F: Future<Output = Duration>>(time: impl Fn() -> F) -> Duration {
    let mut least = Duration::MAX;
    for _ in 0..4 {
        least = least.min(time().await);
    }
    least
}

#[tokio::test]
async fn death_during_a_call_is_told_at_once() {
    let took = quickest(|| async {
        let mut link = script(&format!("echo $$; {ECHO}")).await;
        let pid = told_pid(&mut link).await;
        link.send(outgoing("{}")).await.unwrap();
        reply(&mut link).await;
        let killed = Instant::now();
        nix::sys::signal::kill(nix::unistd::Pid::from_raw(pid), nix::sys::signal::Signal::SIGKILL).unwrap();
        let fault = fault(&mut link).await;
        let took = killed.elapsed();
        assert_eq!(fault.reason, Reason::Exited);
        assert!(fault.message.contains("signal 9 (SIGKILL)") && fault.message.contains("after 1 message"), "{fault:?}");
        took
    });
    assert!(took.await < Duration::from_millis(20));
}

#[tokio::test]
async fn death_is_told_although_a_grandchild_holds_the_pipes() {
    let took = quickest(|| async {
        let mut link = script("sleep 60 & echo \"$REPLY\"; read line; exit 4").await;
        reply(&mut link).await;
        let sent = link.send(outgoing("{}")).await.unwrap();
        let fault = fault(&mut link).await;
        let took = sent.elapsed();
        assert!(fault.message.contains("exit code 4"), "{}", fault.message);
        let farewell = link.close(Duration::from_millis(50)).await;
        let survivors = finding(&farewell.findings, "stdio.survivors").unwrap();
        assert!(survivors.actual.contains("1 left") && survivors.actual.contains("sleep (pid "), "{survivors:?}");
        took
    });
    assert!(took.await < Duration::from_millis(100));
}

#[tokio::test]
async fn a_closed_stdout_is_not_an_exit() {
    let mut link = script("exec >&-; sleep 60").await;
    let fault = fault(&mut link).await;
    assert_eq!(fault.reason, Reason::Closed);
    assert!(fault.message.contains("closed its stdout but still runs"), "{}", fault.message);
}

#[tokio::test]
async fn a_flood_on_stderr_delays_nothing() {
    let mut link = script(&format!("head -c 4194304 /dev/zero | tr '\\0' 'x' >&2; echo last >&2; {ECHO}")).await;
    link.send(outgoing("{}")).await.unwrap();
    reply(&mut link).await;
    let farewell = link.close(GRACE).await;
    let volume = finding(&farewell.findings, "stdio.stderr_volume").unwrap();
    assert_eq!((volume.severity, volume.actual.as_str()), (Severity::Warning, "4096 KiB on stderr"));
}

#[tokio::test]
async fn pollution_is_counted_shown_and_survived() {
    let text =
        "printf 'Server \\033[31mready\\n[info] {}\\n'; echo \"$REPLY\"; echo '{ port: 80 }'; echo '{\"level\":1}'";
    let mut link = script(text).await;
    assert!(matches!(heard(&mut link).await.what, What::Noise(text) if text.starts_with(b"Server ")));
    assert!(matches!(heard(&mut link).await.what, What::Noise(text) if text == "[info] {}"));
    reply(&mut link).await;
    assert!(matches!(heard(&mut link).await.what, What::Noise(_)));
    assert!(matches!(heard(&mut link).await.what, What::Frame(Frame { parsed: Err(_), .. })));
    assert_eq!(fault(&mut link).await.reason, Reason::Exited);
    let findings = link.facts().findings;
    let clean = finding(&findings, "stdio.stdout_clean").unwrap();
    assert_eq!(clean.severity, Severity::Error);
    assert_eq!(clean.actual, "4 other lines, the first at byte 0, before the first message: Server \\u{1b}[31mready");
}

#[tokio::test]
async fn a_bad_line_is_placed() {
    let mut link = script("echo \"$REPLY\"; echo; echo late").await;
    reply(&mut link).await;
    assert!(matches!(heard(&mut link).await.what, What::Noise(_)));
    let findings = link.facts().findings;
    let clean = finding(&findings, "stdio.stdout_clean").unwrap();
    let offset = REPLY.len() + 2;
    assert_eq!(clean.actual, format!("1 other line at byte {offset}, after the first message: late"));
}

#[tokio::test]
async fn other_framings_are_read_and_noted() {
    let mut link = script("printf '\\357\\273\\277%s\\r\\n\\r\\n\\n%s\\r\\n' \"$REPLY\" \"$REPLY\"").await;
    reply(&mut link).await;
    reply(&mut link).await;
    assert_eq!(fault(&mut link).await.reason, Reason::Exited);
    let findings = link.close(GRACE).await.findings;
    assert_eq!(findings.len(), 1, "{findings:?}");
    let framing = finding(&findings, "stdio.framing").unwrap();
    assert_eq!(framing.actual, "3 lines ended with CR LF, 2 blank lines, 1 byte order mark");
}

#[tokio::test]
async fn half_a_message_is_part_of_the_fault() {
    let mut link = script("printf '{\"jsonrpc\":\"2.0\",\"id\":1,\"res'; exit 1").await;
    let fault = fault(&mut link).await;
    assert_eq!(fault.reason, Reason::Exited);
    assert!(fault.message.contains("in the middle of a message (28 bytes"), "{}", fault.message);
}

#[tokio::test]
async fn a_whole_message_without_a_line_feed_counts() {
    let mut link = script("printf %s \"$REPLY\"").await;
    reply(&mut link).await;
    assert!(fault(&mut link).await.message.contains("after 1 message"));
    let findings = link.facts().findings;
    assert_eq!(finding(&findings, "stdio.framing").unwrap().actual, "the last line had no line feed");
}

#[tokio::test]
async fn a_line_over_the_limit_is_dropped_and_the_link_lives() {
    let text = "head -c 300000 /dev/zero | tr '\\0' 'x'; echo; echo \"$REPLY\"; cat >/dev/null";
    let mut link = open(StdioSettings { line_bytes_max: 100_000, ..settings(&["sh", "-c", text]) }).await.unwrap();
    let fault = fault(&mut link).await;
    assert_eq!(fault.reason, Reason::TooLarge);
    assert!(fault.message.contains("a line of more than 100000 bytes, which is the limit"), "{}", fault.message);
    reply(&mut link).await;
    assert_eq!(link.close(GRACE).await.rung, Some(Rung::Stdin));
}

#[tokio::test]
async fn a_large_message_passes_both_ways_at_once() {
    let mut link = script("exec cat").await;
    let body = format!(r#"{{"jsonrpc":"2.0","id":1,"result":{{"text":"{}"}}}}"#, "y".repeat(8 << 20));
    link.send(outgoing(&body)).await.unwrap();
    let heard = heard(&mut link).await;
    let What::Frame(frame) = heard.what else { panic!() };
    assert!(frame.raw == body, "{} bytes", frame.raw.len());
    assert!(heard.first_byte < heard.at);
    assert_eq!(link.close(GRACE).await.rung, Some(Rung::Stdin));
}

#[tokio::test]
async fn a_send_that_was_given_up_never_cuts_a_line() {
    let folder = tempfile::tempdir().unwrap();
    let go = folder.path().join("go");
    let mut settings = settings(&["sh", "-c", "until [ -e \"$GO\" ]; do sleep 0.01; done; exec cat"]);
    settings.env.push(("GO".into(), go.to_str().unwrap().into()));
    let mut link = open(settings).await.unwrap();
    let long = format!("{{\"long\":\"{}\"}}", "z".repeat(200_000));
    for _ in 0..2 {
        let given_up = tokio::time::timeout(Duration::from_millis(20), link.send(outgoing(&long))).await;
        assert!(given_up.is_err(), "the pipe holds less than that");
    }
    std::fs::write(go, "").unwrap();
    link.send(outgoing(REPLY)).await.unwrap();
    let What::Frame(frame) = heard(&mut link).await.what else { panic!() };
    assert!(frame.raw == long, "{} bytes", frame.raw.len());
    reply(&mut link).await;
    link.close(GRACE).await;
}

#[tokio::test]
async fn one_that_ignores_the_end_of_stdin_gets_sigterm() {
    let mut link = script("echo \"$REPLY\"; exec sleep 60").await;
    reply(&mut link).await;
    let farewell = link.close(Duration::from_millis(50)).await;
    assert_eq!((farewell.rung, farewell.exit.as_deref()), (Some(Rung::Term), Some("signal 15 (SIGTERM)")));
    let finding = finding(&farewell.findings, "stdio.exit_on_eof").unwrap();
    assert_eq!(finding.severity, Severity::Warning);
    assert_eq!(finding.actual, "still running after 50 ms; it needed SIGTERM");
}

#[tokio::test]
async fn one_that_ignores_sigterm_too_gets_sigkill() {
    let mut link = script("trap '' TERM; echo $$; while :; do sleep 60; done").await;
    let pid = told_pid(&mut link).await;
    let farewell = link.close(Duration::from_millis(50)).await;
    assert_eq!((farewell.rung, farewell.exit.as_deref()), (Some(Rung::Kill), Some("signal 9 (SIGKILL)")));
    assert_eq!(finding(&farewell.findings, "stdio.exit_on_eof").unwrap().severity, Severity::Error);
    assert!(!is_alive(pid));
    assert!(farewell.took < Duration::from_secs(2), "{:?}", farewell.took);
}

#[tokio::test]
async fn a_grandchild_in_the_group_is_ended() {
    let mut link = script("sleep 60 >/dev/null 2>&1 & echo $!; read line; exit 0").await;
    let pid = told_pid(&mut link).await;
    let farewell = link.close(GRACE).await;
    assert_eq!(farewell.rung, Some(Rung::Stdin));
    let survivors = finding(&farewell.findings, "stdio.survivors").unwrap();
    assert_eq!(survivors.actual, format!("1 left, and ended by us: sleep (pid {pid})"));
    assert!(vanishes(pid).await);
}

#[cfg(target_os = "linux")]
#[tokio::test]
async fn a_grandchild_in_its_own_session_is_ended_too() {
    // The one between has gone by then, so that only the mark tells whose the last one is.
    let text = "(setsid sh -c 'echo $$; trap \"\" TERM; exec 1>&- 2>&-; while :; do sleep 60; done' &) ; read line";
    let mut link = script(text).await;
    let pid = told_pid(&mut link).await;
    let farewell = link.close(GRACE).await;
    assert_eq!(farewell.rung, Some(Rung::Stdin));
    let survivors = finding(&farewell.findings, "stdio.survivors").unwrap();
    assert!(survivors.actual.contains(&format!("sh (pid {pid})")), "{survivors:?}");
    assert_eq!(table::entry(pid), None);
    assert!(farewell.took < Duration::from_secs(2), "{:?}", farewell.took);
}

#[cfg(target_os = "linux")]
#[tokio::test]
async fn a_grandchild_without_mark_that_was_seen_is_ended_too() {
    let text = "env -i setsid sh -c 'echo $$; exec 1>&- 2>&-; exec sleep 60' & read line";
    let mut link = script(text).await;
    let pid = told_pid(&mut link).await;
    let farewell = link.close(GRACE).await;
    assert!(finding(&farewell.findings, "stdio.survivors").is_some());
    assert_eq!(table::entry(pid), None);
}

#[tokio::test]
async fn a_follower_that_ends_by_itself_is_no_survivor() {
    let mut link = script("cat >/dev/null & echo \"$REPLY\"; exec cat >/dev/null").await;
    reply(&mut link).await;
    let farewell = link.close(GRACE).await;
    assert_eq!((farewell.rung, farewell.findings), (Some(Rung::Stdin), Vec::new()));
}

#[cfg(target_os = "linux")]
#[tokio::test]
async fn the_use_of_the_whole_tree_is_counted() {
    let burn = "i=0; while [ $i -lt 60000 ]; do i=$((i+1)); done";
    let mut link = script(&format!("sh -c '{burn}'; echo \"$REPLY\"; sleep 60 & {burn}; echo \"$REPLY\"; cat")).await;
    let begun = Instant::now();
    reply(&mut link).await;
    let first = begun.elapsed();
    reply(&mut link).await;
    let usage = link.close(GRACE).await.usage.unwrap();
    assert!(usage.cpu > Duration::from_millis(5) && usage.cpu > first / 8, "{usage:?} of {first:?}");
    // A shell, its sleep and its cat.
    assert!(usage.resident_bytes > 2 << 20, "{usage:?}");
}

#[tokio::test]
async fn dropping_a_link_kills_the_tree() {
    let mut link = script("trap '' TERM; sleep 60 & echo $$; echo $!; wait; sleep 60").await;
    let leader = told_pid(&mut link).await;
    let follower = told_pid(&mut link).await;
    assert!(is_alive(leader) && is_alive(follower));
    drop(link);
    assert!(vanishes(follower).await);
    assert!(!is_alive(leader));
}

#[tokio::test]
async fn giving_up_a_close_kills_too() {
    let mut link = script("trap '' TERM; echo $$; while :; do sleep 60; done").await;
    let pid = told_pid(&mut link).await;
    assert!(tokio::time::timeout(Duration::from_millis(30), link.close(GRACE)).await.is_err());
    for _ in 0..1000 {
        if !is_alive(pid) {
            return;
        }
        tokio::time::sleep(Duration::from_millis(2)).await;
    }
    panic!("{pid} is still alive");
}

#[tokio::test]
async fn a_child_that_talks_while_it_ends_is_not_blocked() {
    let mut link = script("echo \"$REPLY\"; read line; head -c 3000000 /dev/zero | tr '\\0' '\\n'; echo bye >&2").await;
    reply(&mut link).await;
    let farewell = link.close(Duration::from_secs(5)).await;
    assert_eq!((farewell.rung, farewell.exit.as_deref()), (Some(Rung::Stdin), Some("exit code 0")));
}

#[tokio::test]
async fn unheard_lines_make_the_child_wait_and_are_bounded() {
    let text = "i=0; while [ $i -lt 5000 ]; do i=$((i+1)); echo \"$REPLY\"; done; echo done >&2; cat >/dev/null";
    let mut link = script(text).await;
    reply(&mut link).await;
    for _ in 1..5000 {
        reply(&mut link).await;
    }
    assert_eq!(link.close(GRACE).await.rung, Some(Rung::Stdin));
}

#[cfg(target_os = "linux")]
#[tokio::test]
async fn two_hundred_children_leave_nothing() {
    let descriptors = || std::fs::read_dir("/proc/self/fd").unwrap().count();
    let mut pids = Vec::new();
    let mut most = 0;
    for _ in 0..200 {
        let mut link = script("echo $$; cat >/dev/null").await;
        pids.push(told_pid(&mut link).await);
        assert_eq!(link.close(GRACE).await.rung, Some(Rung::Stdin));
        most = most.max(descriptors());
    }
    assert!(pids.iter().all(|&pid| table::entry(pid).is_none()));
    // Other tests of this process hold some too, but not two hundred times three.
    assert!(most < 300, "{most}");
}

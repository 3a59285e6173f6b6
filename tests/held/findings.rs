//! Findings of a session that is held: told by every run in which they show, and by no other.

use mcp_probe::plan::{Effect, FindingsPolicy};

use super::*;

/// A probe that fails by these findings.
fn strict(target: Target, ids: &[&str]) -> (Probe, Arc<Target>) {
    let (probe, target) = reusing(target);
    let by_id = ids.iter().map(|id| ((*id).to_owned(), Effect::Fail)).collect();
    (Probe { findings: FindingsPolicy { all: Effect::Report, by_id }, ..probe }, target)
}

/// What runs came to, one letter each.
async fn runs(held: &Held, (probe, target): &(Probe, Arc<Target>), times: usize) -> String {
    let (stage, cx) = (Stage::default(), context(&Masker::default()));
    let mut all = String::new();
    for _ in 0..times {
        let outcome = held.run(&cx, &stage, probe, target).await;
        assert!(outcome.connected, "{:?}", outcome.cause);
        let by_finding = matches!(&outcome.cause, Some(cause) if cause.reason == Reason::Check);
        all.push(match outcome.status {
            Status::Healthy => 'h',
            Status::Failed if by_finding => 'f',
            other => panic!("{other:?}: {:?}", outcome.cause),
        });
    }
    all
}

/// A server over stdio in `sh`: what it does with a list, and what it says before anything and of itself.
fn script(place: &Path, first: &str, info: &str, list: &str) -> Target {
    let text = format!(
        r#"#!/bin/sh
say() {{ printf '{{"jsonrpc":"2.0","id":%s,"result":%s}}\n' "$(printf '%s' "$line" | sed -n 's/.*"id":\([0-9]*\).*/\1/p')" "$1"; }}
[ -e mended ] || {first}
while read -r line; do
  case "$line" in
    *'"initialize"'*) if [ -e mended ]; then info='{{"name":"s","version":"1"}}'; else info='{info}'; fi
      say "{{\"protocolVersion\":\"2025-11-25\",\"capabilities\":{{\"tools\":{{}}}},\"serverInfo\":$info}}" ;;
    *'"tools/list"'*) [ -e mended ] || {list}
      say '{{"tools":[]}}' ;;
  esac
done
"#
    );
    let path = place.join("server.sh");
    fs::write(&path, text).unwrap();
    fs::set_permissions(&path, fs::Permissions::from_mode(0o755)).unwrap();
    let command = Endpoint::Command(vec![path.to_string_lossy().into_owned()]);
    Target { cwd: Some(place.to_owned()), protocol: Pin::Legacy, ..Target::ad_hoc("own", command) }
}

const SOUND: &str = r#"{"name":"s","version":"1"}"#;

#[tokio::test]
async fn what_goes_on_is_told_by_every_run_and_what_is_mended_by_none() {
    let cases = [
        ("answers.unasked", r#"printf '{"jsonrpc":"2.0","id":"q","method":"sampling/createMessage","params":{}}\n'"#),
        ("rpc.batch", r#"printf '[{"jsonrpc":"2.0","method":"notifications/x"}]\n'"#),
        ("stdio.stdout_clean", "echo listing"),
        ("stdio.framing", "echo"),
    ];
    for (id, list) in cases {
        let place = tempfile::tempdir().unwrap();
        let (held, pair) = (Held::default(), strict(script(place.path(), ":", SOUND, list), &[id]));
        assert_eq!(runs(&held, &pair, 3).await, "fff", "{id}");
        let child = held.usage().remove(0).pid;
        fs::write(place.path().join("mended"), "").unwrap();
        assert_eq!(runs(&held, &pair, 2).await, "hh", "{id}");
        fs::remove_file(place.path().join("mended")).unwrap();
        assert_eq!(runs(&held, &pair, 2).await, "ff", "{id}");
        assert_eq!(held.usage().remove(0).pid, child, "it is one session");
        held.release_all(GRACE).await;
    }
}

#[tokio::test]
async fn what_the_opening_showed_is_told_as_long_as_the_child_is_there() {
    let cases = [
        ("initialize.result", ":", r#"{"name":"s"}"#),
        ("shape.message", ":", r#"{"name":"s","version":"1","title":7}"#),
        ("stdio.stdout_clean", "echo welcome", SOUND),
    ];
    for (id, first, info) in cases {
        let place = tempfile::tempdir().unwrap();
        let held = Held::default().doubting_after(Duration::ZERO);
        let pair = strict(script(place.path(), first, info, ":"), &[id]);
        assert_eq!(runs(&held, &pair, 3).await, "fff", "{id}");
        let child = held.usage().remove(0).pid;
        fs::write(place.path().join("mended"), "").unwrap();
        assert_eq!(runs(&held, &pair, 1).await, "f", "{id}: it is still the child that was started so");
        assert_eq!(held.usage().remove(0).pid, child);
        held.restart_child(&Stage::default(), "own", GRACE).await.unwrap();
        assert_eq!(runs(&held, &pair, 2).await, "hh", "{id}");
        held.release_all(GRACE).await;
    }
}

/// A server over HTTP as it is at the moment.
#[derive(Default)]
struct Now {
    /// It says something wrong of itself, or with each answer.
    is_wrong: AtomicBool,
    /// It knows no session that was opened before.
    has_forgotten: AtomicBool,
}

fn served(now: &Arc<Now>, session: &'static str, wrong: &'static str) -> Receiver {
    let now = Arc::clone(now);
    Receiver::start(move |request| {
        if request.method != "POST" {
            return ok("");
        }
        let asked = request.json();
        let is_wrong = now.is_wrong.load(Ordering::SeqCst);
        let answer =
            |result: serde_json::Value| json!({"jsonrpc": "2.0", "id": asked["id"], "result": result}).to_string();
        match asked["method"].as_str().unwrap() {
            "initialize" => {
                now.has_forgotten.store(false, Ordering::SeqCst);
                let info = if is_wrong && wrong.is_empty() {
                    json!({"name": "web"})
                } else {
                    json!({"name": "web", "version": "1"})
                };
                let result =
                    json!({"protocolVersion": "2025-11-25", "capabilities": {"tools": {}}, "serverInfo": info});
                Does::Answer(session, answer(result))
            }
            _ if now.has_forgotten.load(Ordering::SeqCst) => Does::Answer("404 Not Found", String::new()),
            method if method.starts_with("notifications/") => Does::Answer("202 Accepted", String::new()),
            _ if is_wrong && !wrong.is_empty() => Does::Answer(wrong, answer(json!({"tools": []}))),
            _ => Does::Answer("200 OK\r\nContent-Type: application/json", answer(json!({"tools": []}))),
        }
    })
}

const WITH_SESSION: &str = "200 OK\r\nContent-Type: application/json\r\nMcp-Session-Id: one";
const WITHOUT: &str = "200 OK\r\nContent-Type: application/json";
const OF_ANOTHER_DAY: &str = "200 OK\r\nContent-Type: application/json\r\nDate: Mon, 30 Nov 2015 12:00:00 GMT";

fn over_http(server: &Receiver, id: &str) -> (Probe, Arc<Target>) {
    let target = Target::ad_hoc("web", Endpoint::Url(server.url()));
    strict(Target { protocol: Pin::Legacy, ..target }, &[id])
}

fn openings(server: &Receiver) -> usize {
    server.received().iter().filter(|request| request.body.contains("\"initialize\"")).count()
}

#[tokio::test]
async fn a_session_that_is_opened_anew_tells_of_its_own_opening() {
    let (held, now) = (Held::default(), Arc::new(Now::default()));
    let server = served(&now, WITH_SESSION, "");
    let pair = over_http(&server, "initialize.result");
    now.is_wrong.store(true, Ordering::SeqCst);
    assert_eq!(runs(&held, &pair, 3).await, "fff");
    assert_eq!(openings(&server), 1);
    for (is_wrong, expected) in [(true, "ff"), (false, "hh"), (true, "ff")] {
        now.is_wrong.store(is_wrong, Ordering::SeqCst);
        now.has_forgotten.store(true, Ordering::SeqCst);
        assert_eq!(runs(&held, &pair, 2).await, expected);
    }
    assert_eq!(openings(&server), 4);
    held.release_all(GRACE).await;
}

#[tokio::test]
async fn a_server_without_sessions_that_was_mended_is_not_accused_for_ever() {
    let (held, now) = (Held::default(), Arc::new(Now::default()));
    let server = served(&now, WITHOUT, "");
    let pair = over_http(&server, "initialize.result");
    now.is_wrong.store(true, Ordering::SeqCst);
    assert_eq!(runs(&held, &pair, 2).await, "ff");
    now.is_wrong.store(false, Ordering::SeqCst);
    assert_eq!((runs(&held, &pair, 1).await.as_str(), openings(&server)), ("f", 1), "nothing was asked of it again");
    let held = held.doubting_after(Duration::ZERO);
    assert_eq!((runs(&held, &pair, 3).await.as_str(), openings(&server)), ("hhh", 2), "what is well is not doubted");
    held.release_all(GRACE).await;
}

#[tokio::test]
async fn a_clock_is_looked_at_by_every_run() {
    let (held, now) = (Held::default(), Arc::new(Now::default()));
    let server = served(&now, WITHOUT, OF_ANOTHER_DAY);
    let pair = over_http(&server, "http.clock_skew");
    now.is_wrong.store(true, Ordering::SeqCst);
    assert_eq!(runs(&held, &pair, 3).await, "fff");
    now.is_wrong.store(false, Ordering::SeqCst);
    assert_eq!(runs(&held, &pair, 2).await, "hh");
    assert_eq!(openings(&server), 1);
    held.release_all(GRACE).await;
}

#[tokio::test]
async fn a_certificate_that_ends_is_told_by_every_run() {
    let place = tempfile::tempdir().unwrap();
    let day = jiff::Zoned::now().checked_add(jiff::Span::new().days(3)).unwrap().date();
    let day = (i32::from(day.year()), u8::try_from(day.month()).unwrap(), u8::try_from(day.day()).unwrap());
    let (stage, cx) = (Stage::default(), context(&Masker::default()));
    let (held, (probe, target)) = (Held::default(), strict(over_tls(place.path(), day), &["tls.expiry"]));
    for round in 0..3 {
        let outcome = held.run(&cx, &stage, &probe, &target).await;
        assert_eq!(outcome.status, Status::Failed, "{:?}", outcome.cause);
        assert_eq!(outcome.phases.get(Phase::Tls).is_some(), round == 0, "one connection: {:?}", outcome.phases);
    }
    // A new one may come with a new certificate.
    let held = held.doubting_after(Duration::ZERO);
    let outcome = held.run(&cx, &stage, &probe, &target).await;
    assert!(outcome.phases.get(Phase::Tls).is_some(), "{:?}", outcome.phases);
    held.release_all(GRACE).await;
    stage.strike(GRACE).await;
}

//! A server that is another one than it was: what was found out about it before is no pin.

use mcp_probe::event::{Era, Finding};

use super::*;

/// What a run came to: the era, the processes of detection aside.
fn told(outcome: &ProbeOutcome) -> (Status, Option<Era>, bool) {
    let changed = |finding: &Finding| finding.id == "era.changed";
    let era = outcome.protocol.as_ref().map(|protocol| protocol.era);
    (outcome.status, era, outcome.findings.iter().any(changed))
}

/// The runs of a server that changes its era before some of them.
async fn through(eras: &[Era], session: SessionChoice, target: Target, becomes: impl Fn(Era)) {
    let (held, stage, cx) = (Held::default(), Stage::default(), context(&Masker::default()));
    let (probe, target) = of("it", target, session);
    let mut before = None;
    for era in eras {
        becomes(*era);
        if before.is_some_and(|before| before != *era) {
            // Of a child that is held the change shows with the next one.
            let _ = held.restart_child(&stage, "it", GRACE).await;
        }
        let outcome = held.run(&cx, &stage, &probe, &target).await;
        let is_other = before.is_some_and(|before| before != *era);
        assert_eq!(
            told(&outcome),
            (Status::Healthy, Some(*era), is_other),
            "{:?} {:?}",
            outcome.cause,
            outcome.findings
        );
        before = Some(*era);
    }
    held.release_all(GRACE).await;
}

const THERE_AND_BACK: [Era; 6] = [Era::Legacy, Era::Legacy, Era::Modern, Era::Modern, Era::Legacy, Era::Legacy];

/// The demo server, with the options that a file names when it is started.
fn by_options(place: &Path) -> Target {
    let path = place.join("server.sh");
    fs::write(&path, format!("#!/bin/sh\necho started >> starts\nexec {EXE} demo $(cat options)\n")).unwrap();
    fs::set_permissions(&path, fs::Permissions::from_mode(0o755)).unwrap();
    let command = Endpoint::Command(vec![path.to_string_lossy().into_owned()]);
    Target { cwd: Some(place.to_owned()), ..Target::ad_hoc("it", command) }
}

#[tokio::test]
async fn a_child_that_changes_its_era_costs_no_run() {
    for session in [SessionChoice::Fresh, SessionChoice::Reuse] {
        let place = tempfile::tempdir().unwrap();
        through(&THERE_AND_BACK, session, by_options(place.path()), |era| {
            fs::write(place.path().join("options"), format!("--era {}", era.name())).unwrap();
        })
        .await;
    }
    // One that knows no other way to refuse.
    let place = tempfile::tempdir().unwrap();
    through(&[Era::Modern, Era::Legacy], SessionChoice::Fresh, by_options(place.path()), |era| {
        let options = if era == Era::Modern { "--era modern" } else { "--era legacy --fault exit-on-discover" };
        fs::write(place.path().join("options"), options).unwrap();
    })
    .await;
}

/// A server over HTTP of one era at a time.
fn by_era(is_modern: &Arc<AtomicBool>) -> Receiver {
    let is_modern = Arc::clone(is_modern);
    Receiver::start(move |request| {
        if request.method != "POST" {
            return Does::Answer("405 Method Not Allowed", String::new());
        }
        let asked = request.json();
        let answer = |body: serde_json::Value| {
            let mut whole = json!({"jsonrpc": "2.0", "id": asked["id"]});
            whole.as_object_mut().unwrap().append(&mut body.as_object().unwrap().clone());
            whole.to_string()
        };
        let result = |result: serde_json::Value| {
            Does::Answer("200 OK\r\nContent-Type: application/json", answer(json!({"result": result})))
        };
        let meta = json!({"io.modelcontextprotocol/serverInfo": {"name": "web", "version": "2"}});
        let tools = json!([]);
        match (is_modern.load(Ordering::SeqCst), asked["method"].as_str().unwrap()) {
            (true, "server/discover") => result(json!({
                "resultType": "complete", "supportedVersions": ["2026-07-28"], "capabilities": {"tools": {}},
                "_meta": meta, "ttlMs": 0, "cacheScope": "private"
            })),
            (true, "tools/list") => result(json!({
                "resultType": "complete", "tools": tools, "_meta": meta, "ttlMs": 0, "cacheScope": "private"
            })),
            (true, _) => Does::Answer(
                "404 Not Found\r\nContent-Type: application/json",
                answer(json!({"error": {"code": -32601, "message": "Method not found"}})),
            ),
            (false, "initialize") => result(json!({
                "protocolVersion": "2025-11-25", "capabilities": {"tools": {}},
                "serverInfo": {"name": "web", "version": "1"}
            })),
            (false, "tools/list") => result(json!({"tools": tools})),
            (false, method) if method.starts_with("notifications/") => Does::Answer("202 Accepted", String::new()),
            (false, _) => Does::Answer("400 Bad Request", "no session".to_owned()),
        }
    })
}

#[tokio::test]
async fn a_server_behind_a_url_that_changes_its_era_costs_no_run() {
    let is_modern = Arc::new(AtomicBool::new(false));
    let server = by_era(&is_modern);
    let target = Target::ad_hoc("it", Endpoint::Url(server.url()));
    through(&THERE_AND_BACK, SessionChoice::Fresh, target, |era| {
        is_modern.store(era == Era::Modern, Ordering::SeqCst);
    })
    .await;
    // It was looked at anew where it had changed, and nowhere else: the first time, and twice after that.
    let discoveries = server.received().iter().filter(|request| request.body.contains("server/discover")).count();
    assert_eq!(discoveries, 1 + 1 + 1 + 2, "the first, the change, once as it is known, and the change back");
}

#[tokio::test]
async fn what_fails_for_another_reason_is_not_healed_by_a_second_look() {
    let place = tempfile::tempdir().unwrap();
    let options = |text: &str| fs::write(place.path().join("options"), text).unwrap();
    let (held, stage, cx) = (Held::default(), Stage::default(), context(&Masker::default()));
    let (probe, target) = of("it", by_options(place.path()), SessionChoice::Fresh);
    options("--era modern");
    assert_eq!(held.run(&cx, &stage, &probe, &target).await.status, Status::Healthy);
    // It crashes at its start, and not at the next.
    let script = fs::read_to_string(place.path().join("server.sh")).unwrap();
    let once = script.replace("exec", "[ -e crashed ] || { touch crashed; exit 3; }\nexec");
    fs::write(place.path().join("server.sh"), once).unwrap();
    let crashed = held.run(&cx, &stage, &probe, &target).await;
    let cause = crashed.cause.as_ref().unwrap();
    assert_eq!((crashed.status, cause.reason), (Status::Failed, Reason::Exited), "{cause:?}");
    assert!(cause.message.contains("exit code 3"), "{cause:?}");
    assert_eq!(held.run(&cx, &stage, &probe, &target).await.status, Status::Healthy);
    // One that refuses all of it is told as what it is.
    options("--era modern --fault discover-32022-future");
    let future = held.run(&cx, &stage, &probe, &target).await;
    assert_eq!(future.cause.as_ref().unwrap().reason, Reason::Incompatible, "{:?}", future.cause);
}

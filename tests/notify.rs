//! Notifiers with the receivers that people run: Alertmanager, a mail server (aiosmtpd), webhooks; and `mcp-probe notify
//! test` as a person types it. A receiver that is missing fails the test: `ci/test` installs them.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a test fails by panicking")]

#[path = "stage/alertmanager.rs"]
mod alertmanager;
#[path = "stage/prober.rs"]
mod prober;
#[path = "stage/receiver.rs"]
mod receiver;

use std::collections::BTreeMap;
use std::io::{BufRead as _, BufReader};
use std::net::TcpStream;
use std::path::PathBuf;
use std::process::{Command, Stdio};
use std::sync::{Arc, Mutex};
use std::thread;

use alertmanager::{Served, alertmanager, alerts, free_port};
use jiff::{SignedDuration, Timestamp};
use mcp_probe::alert::notify::{Channel, Settings, compile};
use mcp_probe::alert::{AlertView, Notification, Transition};
use mcp_probe::base::secret::{Masker, Secret};
use mcp_probe::config::receiver::Filled;
use mcp_probe::deliver::{Courier, Receipt};
use prober::{Told, binary, told};
use receiver::{Does, Receiver, eventually, nobody, ok};
use serde_json::Value;
use tokio_util::sync::CancellationToken;

fn text(value: &str) -> Filled {
    Filled::Text(Secret::new(value))
}

fn channel(kind: &str, settings: &[(&'static str, Filled)]) -> Channel {
    compile(kind, "ops", &Settings::new(settings.iter().cloned().collect::<BTreeMap<_, _>>())).unwrap()
}

/// An alert that began five minutes ago, with a server's hostile words.
fn notification(transition: Transition) -> Notification {
    let now = Timestamp::now();
    let began = now.checked_sub(SignedDuration::from_mins(5)).unwrap();
    Notification {
        channel: "ops".into(),
        dedup_key: "0123456789abcdef".into(),
        transition,
        alerts: vec![AlertView {
            alert: "mcp_server_unresponsive".into(),
            probe: "smoke".into(),
            target: "weather".into(),
            severity: "critical".into(),
            labels: BTreeMap::from([("env".to_owned(), "prod".to_owned())]),
            summary: "3 failures in a row within 1m".into(),
            reason: Some("timeout".into()),
            details: Some("é \u{1b}[31m<script>\"'\n.\r\nSubject: evil".into()),
            since: began,
            ended: (transition == Transition::Resolved).then_some(now),
            ended_because: None,
            told: 1,
        }],
        at: now,
        instance: "prober-1".into(),
        before: None,
        others: 0,
    }
}

fn sent(channel: &Channel, notification: &Notification) -> Receipt {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let courier = Courier::new(Masker::default());
    runtime.block_on(async {
        for payload in channel.render(notification, false, &Masker::default()).unwrap() {
            match courier.send(&payload, &CancellationToken::new()).await {
                Receipt::Delivered => {}
                other => return other,
            }
        }
        Receipt::Delivered
    })
}

// ---------------------------------------------------------------------------------------------------------------
// Alertmanager

#[test]
fn alertmanager_takes_an_alert_and_its_end() {
    let folder = tempfile::tempdir().unwrap();
    let (_served, port) = alertmanager(folder.path(), None);
    let ops = channel(
        "alertmanager",
        &[
            ("url", text(&format!("http://127.0.0.1:{port}"))),
            ("labels", Filled::Table(vec![("team".into(), Secret::new("search"))])),
        ],
    );
    let fired = notification(Transition::Firing);
    assert_eq!(sent(&ops, &fired), Receipt::Delivered);
    let held = eventually("the alert is not held", || Some(alerts(port)).filter(|all| !all.is_empty()));
    assert_eq!(held.len(), 1);
    let expected = serde_json::json!({
        "alertname": "mcp_server_unresponsive", "env": "prod", "probe": "smoke",
        "severity": "critical", "target": "weather", "team": "search",
    });
    assert_eq!(held[0]["labels"], expected);
    assert_eq!(held[0]["annotations"]["summary"], "3 failures in a row within 1m");
    assert_eq!(held[0]["annotations"]["instance"], "prober-1");
    let description = held[0]["annotations"]["description"].as_str().unwrap();
    assert!(description.contains("\\u{1b}") && !description.contains('\u{1b}'), "{description}");
    // It does not end by itself before a day is over, and it began when we say.
    let time = |value: &Value| value.as_str().unwrap().parse::<Timestamp>().unwrap();
    assert!(time(&held[0]["endsAt"]).duration_since(Timestamp::now()) > SignedDuration::from_hours(23));
    assert!(time(&held[0]["startsAt"]) < fired.at);
    // Told again while it goes on: still one.
    assert_eq!(sent(&ops, &notification(Transition::Reminder)), Receipt::Delivered);
    assert_eq!(alerts(port).len(), 1);
    let mut resolved = notification(Transition::Resolved);
    resolved.alerts[0].since = fired.alerts[0].since;
    assert_eq!(sent(&ops, &resolved), Receipt::Delivered);
    eventually("the alert does not end", || alerts(port).is_empty().then_some(()));
}

#[test]
fn two_probers_are_one_voice_and_an_end_told_too_early_is_overruled() {
    let folder = tempfile::tempdir().unwrap();
    let (_served, port) = alertmanager(folder.path(), None);
    let ops = channel("alertmanager", &[("url", text(&format!("http://127.0.0.1:{port}")))]);
    let began = notification(Transition::Firing).alerts[0].since;
    let says = |instance: &str, transition| {
        let mut told = notification(transition);
        told.instance = instance.to_owned();
        told.alerts[0].since = began;
        assert_eq!(sent(&ops, &told), Receipt::Delivered);
    };
    let speaker = || alerts(port).first().map(|alert| alert["annotations"]["instance"].as_str().unwrap().to_owned());
    says("prober-a", Transition::Firing);
    says("prober-b", Transition::Firing);
    let held = eventually("the alert is not held", || Some(alerts(port)).filter(|all| !all.is_empty()));
    assert_eq!(held.len(), 1, "{held:?}");
    // The first no longer sees it; the other goes on, and says so again.
    says("prober-a", Transition::Resolved);
    eventually("the end is not taken", || alerts(port).is_empty().then_some(()));
    says("prober-b", Transition::Reminder);
    eventually("the alert is not back", || (speaker().as_deref() == Some("prober-b")).then_some(()));
    let held = alerts(port);
    assert_eq!(held.len(), 1, "{held:?}");
    // It goes on from its beginning; Alertmanager tells that in milliseconds.
    let starts: Timestamp = held[0]["startsAt"].as_str().unwrap().parse().unwrap();
    assert!(began.duration_since(starts).abs() < SignedDuration::from_millis(1), "{starts}, {began}");
    says("prober-b", Transition::Resolved);
    eventually("the alert does not end", || alerts(port).is_empty().then_some(()));
}

// ---------------------------------------------------------------------------------------------------------------
// Mail

/// A mail server that prints what it gets, and its lines.
fn mail_server(options: &[&str]) -> (Served, u16, Arc<Mutex<Vec<String>>>) {
    let port = free_port();
    let mut child = Command::new("/usr/bin/python3")
        .args(["-u", "-m", "aiosmtpd", "-n", "-l", &format!("127.0.0.1:{port}")])
        .args(options)
        .args(["-c", "aiosmtpd.handlers.Debugging", "stdout"])
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .spawn()
        .unwrap();
    let lines = Arc::new(Mutex::new(Vec::new()));
    let (kept, stdout) = (Arc::clone(&lines), child.stdout.take().unwrap());
    thread::spawn(move || {
        for line in BufReader::new(stdout).lines().map_while(Result::ok) {
            kept.lock().unwrap().push(line);
        }
    });
    let mut served = Served(child);
    eventually("aiosmtpd does not listen: apt-get install python3-aiosmtpd", || {
        assert!(served.0.try_wait().unwrap().is_none(), "aiosmtpd ended: apt-get install python3-aiosmtpd");
        TcpStream::connect(("127.0.0.1", port)).ok()
    });
    (served, port, lines)
}

#[test]
fn a_mail_server_takes_a_message_of_one_thread() {
    let (_served, port, lines) = mail_server(&[]);
    let ops = channel(
        "email",
        &[
            ("smtp", text(&format!("smtp://127.0.0.1:{port}"))),
            ("from", text("mcp-probe <probe@example.com>")),
            ("to", Filled::Texts(vec![Secret::new("a@example.com"), Secret::new("b@example.com")])),
        ],
    );
    for transition in [Transition::Firing, Transition::Resolved] {
        assert_eq!(sent(&ops, &notification(transition)), Receipt::Delivered);
    }
    let came = eventually("the messages did not come", || {
        let came = lines.lock().unwrap().clone();
        (came.iter().filter(|line| line.contains("END MESSAGE")).count() == 2).then_some(came)
    });
    let count = |wanted: &str| came.iter().filter(|line| line.as_str() == wanted).count();
    assert_eq!(count("Subject: [firing] mcp_server_unresponsive: smoke on weather"), 1, "{came:#?}");
    assert_eq!(count("Subject: [resolved] mcp_server_unresponsive: smoke on weather"), 1, "{came:#?}");
    assert_eq!(count("References: <0123456789abcdef@mcp-probe.invalid>"), 2, "{came:#?}");
    assert!(!came.iter().any(|line| line.starts_with("Subject: evil")), "{came:#?}");
    assert!(came.iter().any(|line| line.contains("3 failures in a row within 1m")), "{came:#?}");
}

#[test]
fn a_password_is_not_sent_in_the_clear_and_no_server_is_a_fault() {
    let settings = |server: &str| {
        [
            ("smtp", text(server)),
            ("from", text("probe@example.com")),
            ("to", Filled::Texts(vec![Secret::new("a@example.com")])),
            ("username", text("user")),
            ("password", text("canary-password")),
            ("timeout", Filled::Time(std::time::Duration::from_secs(5))),
        ]
    };
    let failed = |server: &str| match sent(&channel("email", &settings(server)), &notification(Transition::Firing)) {
        Receipt::Failed { why, .. } => {
            assert!(!why.contains("canary"), "{why}");
            why
        }
        other => panic!("{other:?}"),
    };
    failed(&format!("smtp://127.0.0.1:{}", free_port()));
    // An address that leads here, but does not look like it: a server without STARTTLS gets no password.
    let (_served, port, lines) = mail_server(&[]);
    let why = failed(&format!("smtp://0.0.0.0:{port}"));
    assert!(why.to_uppercase().contains("STARTTLS"), "{why}");
    assert!(lines.lock().unwrap().is_empty());
}

#[test]
fn mail_goes_over_tls_where_it_is_offered_and_asked_for() {
    let made = rcgen::generate_simple_self_signed(vec!["127.0.0.1".to_owned()]).unwrap();
    let folder = tempfile::tempdir().unwrap();
    let (certificate, key) = (folder.path().join("cert.pem"), folder.path().join("key.pem"));
    std::fs::write(&certificate, made.cert.pem()).unwrap();
    std::fs::write(&key, made.signing_key.serialize_pem()).unwrap();
    let (certificate, key) = (certificate.to_str().unwrap(), key.to_str().unwrap());
    // The first takes no message before STARTTLS, the second speaks TLS from the first byte.
    for (scheme, options) in [
        ("smtp", ["--tlscert", certificate, "--tlskey", key]),
        ("smtps", ["--smtpscert", certificate, "--smtpskey", key]),
    ] {
        let (_served, port, lines) = mail_server(&options);
        let file = format!(
            "[notify.ops]\nkind = \"email\"\nsmtp = \"{scheme}://127.0.0.1:{port}\"\nfrom = \"a@example.com\"\nto = \"b@example.com\"\n"
        );
        let stranger = notify(&file, &["ops"], &[]);
        assert_eq!(stranger.code, 7, "{scheme}: {stranger:?}");
        let known = notify(&file, &["ops"], &[("SSL_CERT_FILE", certificate)]);
        assert_eq!(known.code, 0, "{scheme}: {known:?}");
        eventually("no mail", || {
            lines.lock().unwrap().iter().any(|line| line.contains("Subject: [test]")).then_some(())
        });
    }
}

// ---------------------------------------------------------------------------------------------------------------
// The command

/// Runs `notify test` on a file in a folder of its own.
fn notify(file: &str, arguments: &[&str], variables: &[(&str, &str)]) -> Told {
    let folder = tempfile::tempdir().unwrap();
    let path: PathBuf = folder.path().join("mcp-probe.toml");
    std::fs::write(&path, file).unwrap();
    let mut command = binary();
    command.args(["notify", "test"]).args(arguments).current_dir(folder.path());
    for (name, value) in variables {
        command.env(name, value);
    }
    told(&mut command)
}

#[test]
#[expect(clippy::too_many_lines, reason = "a table of all kinds")]
fn every_kind_is_tried_and_what_became_of_it_is_told() {
    let folder = tempfile::tempdir().unwrap();
    let (_alertmanager, alertmanager) = alertmanager(folder.path(), None);
    let (_mail, smtp, lines) = mail_server(&[]);
    let (webhook, slack) = (Receiver::start(|_| ok("")), Receiver::start(|_| ok("ok")));
    let pagerduty =
        Receiver::start(|_| Does::Answer("202 Accepted", r#"{"status":"success","message":"Event processed"}"#.into()));
    let healthchecks = Receiver::start(|_| ok("OK"));
    let printed = folder.path().join("printed");
    let file = format!(
        r#"
[notify.hook]
kind = "webhook"
url = "${{HOOK}}/path"
headers = {{ X-Team = "search" }}
auth = {{ bearer = "${{TOKEN}}" }}
body = '{{"text": {{{{ title | tojson }}}}, "from": {{{{ instance | tojson }}}}}}'
[notify.plain]
kind = "webhook"
url = "${{HOOK}}/plain"
[notify.slack]
kind = "slack"
url = "${{SLACK}}"
[notify.pager]
kind = "pagerduty"
routing_key = "${{KEY}}"
url = "{pagerduty}"
[notify.am]
kind = "alertmanager"
url = "http://127.0.0.1:{alertmanager}"
[notify.mail]
kind = "email"
smtp = "smtp://127.0.0.1:{smtp}"
from = "probe@example.com"
to = "ops@example.com"
[notify.program]
kind = "command"
command = ["sh", "-c", "printf '%s ' \"$MCP_PROBE_STATUS\" \"$0\" > {printed}; cat >> {printed}; test -z \"$TOKEN\"", "word"]
[notify.check]
kind = "healthchecks"
url = "${{CHECK}}/uuid"
"#,
        pagerduty = pagerduty.url(),
        printed = printed.display(),
    );
    let variables = [
        ("HOOK", webhook.url()),
        ("SLACK", format!("{}/services/canary-of-slack", slack.url())),
        ("CHECK", healthchecks.url()),
        ("TOKEN", "canary-token".to_owned()),
        ("KEY", "canary-key".to_owned()),
    ];
    let variables: Vec<(&str, &str)> = variables.iter().map(|(name, value)| (*name, value.as_str())).collect();
    let told = notify(&file, &["--all"], &variables);
    assert_eq!(told.code, 0, "{told:?}");
    let rows: Vec<&str> = told.stdout.lines().collect();
    assert_eq!(rows.len(), 8, "{told:?}");
    for row in &rows {
        assert_eq!(row.split('\t').nth(2), Some("delivered"), "{row}");
    }
    let came = webhook.received();
    let hook = came.iter().find(|request| request.path == "/path").unwrap();
    assert_eq!(hook.header("x-team"), Some("search"));
    assert_eq!(hook.header("authorization"), Some("Bearer canary-token"));
    assert_eq!(hook.json()["text"], "[test] mcp_probe_test: notify on test");
    let plain = came.iter().find(|request| request.path == "/plain").unwrap().json();
    assert_eq!(plain["schema"], "mcp-probe/notification/1");
    assert_eq!((&plain["status"], &plain["channel"]), (&"test".into(), &"plain".into()));
    assert_eq!(slack.received()[0].json()["attachments"][0]["color"], "#1565c0");
    let events: Vec<Value> = pagerduty.received().iter().map(|event| event.json()["event_action"].clone()).collect();
    assert_eq!(events, ["trigger", "resolve"]);
    assert_eq!(pagerduty.received()[0].json()["routing_key"], "canary-key");
    assert_eq!(alerts(alertmanager)[0]["labels"]["alertname"], "mcp_probe_test");
    eventually("no mail", || {
        lines.lock().unwrap().iter().any(|line| line.starts_with("Subject: [test]")).then_some(())
    });
    let printed = std::fs::read_to_string(printed).unwrap();
    assert!(printed.starts_with("test word {\"schema\""), "{printed}");
    let ping = &healthchecks.received()[0];
    assert!(ping.path.starts_with("/uuid/log?rid="), "{}", ping.path);

    let dry = notify(&file, &["--all", "--dry-run"], &variables);
    assert_eq!(dry.code, 0, "{dry:?}");
    assert_eq!(dry.document()["notifiers"].as_array().unwrap().len(), 8);
    for canary in ["canary-of-slack", "canary-token", "canary-key"] {
        assert!(!dry.stdout.contains(canary) && !told.stdout.contains(canary), "{canary}: {}", dry.stdout);
    }
    assert_eq!(webhook.received().len(), came.len(), "a dry run sends nothing");
}

#[test]
fn what_is_not_delivered_ends_with_seven_and_says_why_without_the_address() {
    let refusing = Receiver::start(|_| Does::Answer("404 Not Found", "no_service".into()));
    let wrong = Receiver::start(|_| ok("invalid_token"));
    let busy = Receiver::start(|_| Does::Answer("429 Too Many Requests\r\nRetry-After: 30", String::new()));
    let good = Receiver::start(|_| ok("ok"));
    let hanging = Receiver::start(|_| Does::Hang);
    let file = format!(
        r#"
[notify.a]
kind = "webhook"
url = "{}/canary-path-of-a?key=canary"
[notify.b]
kind = "slack"
url = "{}/canary-path-of-b"
[notify.c]
kind = "webhook"
url = "{}/"
[notify.d]
kind = "webhook"
url = "{}/canary-path-of-d"
[notify.e]
kind = "webhook"
url = "{}/"
timeout = "300ms"
[notify.f]
kind = "slack"
url = "{}/"
"#,
        refusing.url(),
        wrong.url(),
        busy.url(),
        nobody(),
        hanging.url(),
        good.url()
    );
    let told = notify(&file, &["--all", "--json"], &[]);
    assert_eq!(told.code, 7, "{told:?}");
    assert!(!told.stdout.contains("canary"), "{}", told.stdout);
    let document = told.document();
    let rows: BTreeMap<&str, (&str, &str)> = document["notifiers"]
        .as_array()
        .unwrap()
        .iter()
        .map(|row| {
            let word = |key: &str| row[key].as_str().unwrap_or_default();
            (word("name"), (word("result"), word("message")))
        })
        .collect();
    assert_eq!(rows["f"], ("delivered", ""));
    for (name, result, words) in [
        ("a", "refused", "404 Not Found: no_service"),
        ("b", "failed", "invalid_token"),
        ("c", "failed", "429 Too Many Requests"),
        ("d", "failed", "refused"),
        ("e", "failed", "within 300ms"),
    ] {
        assert_eq!(rows[name].0, result, "{name}: {}", rows[name].1);
        assert!(rows[name].1.contains(words), "{name}: {}", rows[name].1);
    }
    assert_eq!(notify(&file, &["f"], &[]).code, 0);
}

#[test]
fn what_cannot_be_tried_says_what_to_type() {
    let file = "[notify.ops]\nkind = \"webhook\"\nurl = \"${NOWHERE_SET}\"\n";
    for (file, arguments, code, words) in [
        (file, &["opps"][..], 2, "did you mean `ops`?"),
        (file, &[], 2, "there are: ops"),
        (file, &["ops"], 2, "NOWHERE_SET"),
        ("[target.a]\nurl = \"http://127.0.0.1:1\"\n", &["--all"], 6, "no `[notify.NAME]`"),
        (
            "[notify.ops]\nkind = \"email\"\nsmtp = \"smtp://127.0.0.1\"\nfrom = \"x\"\nto = \"y\"\n",
            &["ops"],
            2,
            "no mail address",
        ),
    ] {
        let told = notify(file, arguments, &[]);
        assert_eq!(told.code, code, "{told:?}");
        assert!(told.stderr.contains(words), "{words}: {}", told.stderr);
    }
}

#[test]
fn a_certificate_is_looked_at() {
    let (config, certificate) = receiver::certified();
    let secure = Receiver::secure(config, |_| ok(""));
    let folder = tempfile::tempdir().unwrap();
    let trusted = folder.path().join("ca.pem");
    std::fs::write(&trusted, certificate).unwrap();
    let file = format!("[notify.ops]\nkind = \"webhook\"\nurl = \"{}\"\n", secure.url());
    let stranger = notify(&file, &["ops"], &[]);
    assert_eq!(stranger.code, 7, "{stranger:?}");
    assert!(stranger.stdout.to_lowercase().contains("certificate"), "{stranger:?}");
    let known = notify(&file, &["ops"], &[("SSL_CERT_FILE", trusted.to_str().unwrap())]);
    assert_eq!(known.code, 0, "{known:?}");
    assert_eq!(secure.received().len(), 1);
}

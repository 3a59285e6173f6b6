//! What the demo server says has the shape of the revision it is said in, judged by the tables of the audit.

use serde_json::{Value, json};

use crate::audit::shape::{judge, judge_error, judge_notification, judge_request};
use crate::demo::Settings;
use crate::demo::dialogue::{Heard, Peer, Server};
use crate::demo::revision::Revision as Spoken;
use crate::demo::script::Step;
use crate::protocol::revision::Revision;

#[test]
fn the_demo_server_has_no_flaw() {
    for spoken in Spoken::ALL {
        let revision = Revision::of(spoken.text()).unwrap();
        let server = Server::new(Settings { page_size: 3, ..Settings::default() });
        let mut peer = Peer::default();
        let mut everything = json!({"sampling": {}, "roots": {}});
        if spoken >= Spoken::R2025_06 {
            everything["elicitation"] = json!({});
        }
        if !spoken.is_modern() {
            let params = json!({"protocolVersion": spoken.text(), "capabilities": everything,
                "clientInfo": {"name": "t", "version": "1"}});
            assert!(heard(&server, &mut peer, revision, "initialize", &params) > 0);
        }
        let mut calls: Vec<(&str, Value)> = [
            "echo",
            "add",
            "forecast",
            "slow",
            "countdown",
            "fail",
            "note",
            "image",
            "audio",
            "embed",
            "link",
            "log",
            "stats",
            "none",
        ]
        .iter()
        .map(|name| {
            let arguments = json!({"message": "m", "a": 1, "b": 2, "city": "Oslo", "ms": 0, "from": 3, "text": "t"});
            ("tools/call", json!({"name": name, "arguments": arguments, "_meta": {"progressToken": 1}}))
        })
        .collect();
        for kind in ["elicitation", "sampling", "roots"] {
            calls.push(("tools/call", json!({"name": "ask", "arguments": {"kind": kind}})));
        }
        for list in ["tools/list", "resources/list", "resources/templates/list", "prompts/list"] {
            calls.extend([(list, json!({})), (list, json!({"cursor": "after-3"})), (list, json!({"cursor": "bad"}))]);
        }
        for uri in ["demo://text/readme", "demo://blob/pixel", "demo://none"] {
            calls.push(("resources/read", json!({"uri": uri})));
        }
        for name in ["greeting", "review", "none"] {
            calls.push(("prompts/get", json!({"name": name, "arguments": {"name": "Ada"}})));
        }
        calls.push((
            "completion/complete",
            json!({"ref": {"type": "ref/prompt", "name": "greeting"},
            "argument": {"name": "style", "value": "f"}}),
        ));
        for plain in ["ping", "server/discover", "tasks/list", "vendor/none"] {
            calls.push((plain, json!({})));
        }
        calls.push(("logging/setLevel", json!({"level": "debug"})));
        calls.push(("resources/subscribe", json!({"uri": "demo://text/readme"})));
        calls.push(("subscriptions/listen", json!({"notifications": {"toolsListChanged": true}})));
        for (method, mut params) in calls {
            if spoken.is_modern() {
                params["_meta"]["io.modelcontextprotocol/protocolVersion"] = spoken.text().into();
                params["_meta"]["io.modelcontextprotocol/clientCapabilities"] = everything.clone();
            }
            assert!(
                heard(&server, &mut peer, revision, method, &params) > 0,
                "{} {method} is silent",
                revision.version
            );
        }
    }
}

/// Judges everything that one request brings; how many messages that was.
fn heard(server: &Server, peer: &mut Peer, revision: &'static Revision, method: &str, params: &Value) -> usize {
    let request = json!({"jsonrpc": "2.0", "id": 1, "method": method, "params": params});
    let Heard::Request(steps) = server.hear(peer, &request) else { panic!("{method} is a request") };
    let mut messages = 0;
    for step in steps {
        let flaws = match &step {
            Step::Say(message) if message.get("method").is_some() => {
                judge_notification(revision, message["method"].as_str().unwrap(), &message["params"])
            }
            Step::Say(message) if message.get("error").is_some() => judge_error(revision, &message["error"]),
            Step::Say(message) => judge(revision, method, &message["result"]),
            Step::Ask(ask) => judge_request(revision, ask.method, &ask.params),
            _ => continue,
        };
        messages += 1;
        assert_eq!(flaws, [], "{} {method}: {step:?}", revision.version);
    }
    messages
}

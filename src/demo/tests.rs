//! The dialogue, without a transport: what each revision gets, what each era refuses.

mod shapes;

use serde_json::{Value, json};

use super::dialogue::{Heard, Peer, Server};
use super::revision::{Era, Revision};
use super::script::Step;
use super::{Settings, faults};

const META: &str = "io.modelcontextprotocol/protocolVersion";

fn server(settings: Settings) -> Server {
    Server::new(settings)
}

/// The last message that a request gets.
fn ask(server: &Server, peer: &mut Peer, method: &str, params: &Value) -> Value {
    let message = json!({"jsonrpc": "2.0", "id": "t-1", "method": method, "params": params});
    let Heard::Request(steps) = server.hear(peer, &message) else { panic!("{method} is a request") };
    let mut said =
        steps.into_iter().filter_map(|step| if let Step::Say(message) = step { Some(message) } else { None });
    said.next_back().unwrap_or(Value::Null)
}

fn modern(extra: &Value) -> Value {
    let mut params = extra.clone();
    params["_meta"] = json!({META: "2026-07-28", "io.modelcontextprotocol/clientCapabilities": {}});
    params
}

fn open(server: &Server, version: &str) -> (Peer, Value) {
    let mut peer = Peer::default();
    let params = json!({"protocolVersion": version, "capabilities": {}, "clientInfo": {"name": "t", "version": "1"}});
    let reply = ask(server, &mut peer, "initialize", &params);
    (peer, reply)
}

#[test]
fn every_legacy_revision_is_echoed_and_others_get_the_newest() {
    let server = server(Settings::default());
    for version in ["2024-11-05", "2025-03-26", "2025-06-18", "2025-11-25"] {
        assert_eq!(open(&server, version).1["result"]["protocolVersion"], version);
    }
    for version in ["2026-07-28", "1999-01-01"] {
        assert_eq!(open(&server, version).1["result"]["protocolVersion"], "2025-11-25");
    }
}

#[test]
fn a_pinned_revision_is_the_only_one() {
    let pinned = server(Settings { protocol: Some(Revision::R2025_03), ..Settings::default() });
    assert_eq!(open(&pinned, "2025-11-25").1["result"]["protocolVersion"], "2025-03-26");
    assert_eq!(ask(&pinned, &mut Peer::default(), "server/discover", &modern(&json!({})))["error"]["code"], -32601);
    let modern_only = server(Settings { era: Era::Modern, ..Settings::default() });
    let reply = open(&modern_only, "2025-11-25").1;
    assert_eq!(reply["error"]["code"], -32022);
    assert_eq!(reply["error"]["data"], json!({"supported": ["2026-07-28"], "requested": "2025-11-25"}));
}

#[test]
fn modern_results_carry_what_the_revision_wants() {
    let server = server(Settings::default());
    let mut peer = Peer::default();
    for method in ["server/discover", "tools/list", "resources/list", "resources/templates/list", "prompts/list"] {
        let result = &ask(&server, &mut peer, method, &modern(&json!({})))["result"];
        assert_eq!(result["resultType"], "complete", "{method}");
        assert!(result["ttlMs"].is_u64() && result["cacheScope"] == "public", "{method}");
        assert_eq!(result["_meta"]["io.modelcontextprotocol/serverInfo"]["name"], "mcp-probe-demo", "{method}");
    }
    let (mut peer, _) = open(&server, "2025-11-25");
    let legacy = &ask(&server, &mut peer, "tools/list", &json!({}))["result"];
    assert!(legacy["tools"].is_array() && legacy.get("resultType").is_none() && legacy.get("_meta").is_none());
}

#[test]
fn the_first_call_pins_the_era_but_discover_does_not() {
    let server = server(Settings::default());
    let mut peer = Peer::default();
    assert!(ask(&server, &mut peer, "server/discover", &modern(&json!({})))["result"].is_object());
    let params =
        json!({"protocolVersion": "2025-06-18", "capabilities": {}, "clientInfo": {"name": "t", "version": "1"}});
    assert!(ask(&server, &mut peer, "initialize", &params)["result"].is_object());
    assert_eq!(ask(&server, &mut peer, "server/discover", &modern(&json!({})))["error"]["code"], -32601);
    let mut peer = Peer::default();
    assert!(ask(&server, &mut peer, "tools/list", &modern(&json!({})))["result"].is_object());
    assert_eq!(ask(&server, &mut peer, "initialize", &params)["error"]["code"], -32022);
    assert_eq!(ask(&server, &mut peer, "ping", &modern(&json!({})))["error"]["code"], -32601);
}

#[test]
fn incomplete_and_foreign_versions_are_refused() {
    let server = server(Settings::default());
    let code = |params: Value| ask(&server, &mut Peer::default(), "tools/list", &params)["error"]["code"].clone();
    assert_eq!(code(json!({})), -32602);
    assert_eq!(code(json!({"_meta": {META: "2026-07-28"}})), -32602);
    let foreign = json!({"_meta": {META: "1999-01-01", "io.modelcontextprotocol/clientCapabilities": {}}});
    assert_eq!(code(foreign), -32022);
    let legacy = self::server(Settings { era: Era::Legacy, ..Settings::default() });
    assert_eq!(ask(&legacy, &mut Peer::default(), "tools/list", &modern(&json!({})))["error"]["code"], -32600);
    assert_eq!(ask(&legacy, &mut Peer::default(), "ping", &json!({}))["result"], json!({}));
}

#[test]
fn pages_add_up_to_the_whole() {
    let whole = server(Settings { tools: 10, ..Settings::default() });
    let paged = server(Settings { tools: 10, page_size: 4, ..Settings::default() });
    let all = ask(&whole, &mut Peer::default(), "tools/list", &modern(&json!({})))["result"]["tools"].clone();
    let (mut collected, mut params) = (Vec::new(), json!({}));
    for page in 1.. {
        let result = ask(&paged, &mut Peer::default(), "tools/list", &modern(&params))["result"].clone();
        collected.extend(result["tools"].as_array().unwrap().clone());
        match result.get("nextCursor") {
            Some(cursor) => params = json!({"cursor": cursor}),
            None => {
                assert_eq!(page, collected.len().div_ceil(4));
                break;
            }
        }
    }
    assert_eq!(Value::Array(collected), all);
    let bogus = ask(&paged, &mut Peer::default(), "tools/list", &modern(&json!({"cursor": "nonsense"})));
    assert_eq!(bogus["error"]["code"], -32602);
}

#[test]
fn a_modern_question_takes_two_rounds() {
    let server = server(Settings::default());
    let call = json!({"name": "ask", "arguments": {"kind": "elicitation"}});
    let refused = ask(&server, &mut Peer::default(), "tools/call", &modern(&call));
    assert_eq!(refused["error"]["code"], -32021);
    assert_eq!(refused["error"]["data"]["requiredCapabilities"], json!({"elicitation": {}}));
    let mut params = modern(&call);
    params["_meta"]["io.modelcontextprotocol/clientCapabilities"] = json!({"elicitation": {}});
    let first = ask(&server, &mut Peer::default(), "tools/call", &params)["result"].clone();
    assert_eq!(first["resultType"], "input_required");
    params["inputResponses"] = json!({"question": {"action": "decline"}});
    assert_eq!(ask(&server, &mut Peer::default(), "tools/call", &params)["error"]["code"], -32602);
    params["requestState"] = first["requestState"].clone();
    let second = ask(&server, &mut Peer::default(), "tools/call", &params)["result"].clone();
    assert!(second["content"][0]["text"].as_str().unwrap().contains("decline"), "{second}");
}

#[test]
fn a_legacy_question_waits_for_its_answer() {
    let server = server(Settings::default());
    let mut peer = Peer::default();
    let params = json!({"protocolVersion": "2025-06-18", "capabilities": {"roots": {}},
        "clientInfo": {"name": "t", "version": "1"}});
    ask(&server, &mut peer, "initialize", &params);
    let message = json!({"jsonrpc": "2.0", "id": 9, "method": "tools/call",
        "params": {"name": "ask", "arguments": {"kind": "roots"}}});
    let Heard::Request(steps) = server.hear(&mut peer, &message) else { panic!() };
    assert!(matches!(&steps[..], [Step::Ask(ask)] if ask.method == "roots/list" && ask.reply_to == json!(9)));
    let (id, mut answer) = server.question();
    assert!(matches!(
        server.hear(&mut peer, &json!({"jsonrpc": "2.0", "id": id, "result": {"roots": []}})),
        Heard::Answer
    ));
    assert_eq!(answer.try_recv().unwrap()["result"]["roots"], json!([]));
}

#[test]
fn unknown_things_have_the_code_of_their_revision() {
    let server = server(Settings::default());
    let (mut old, _) = open(&server, "2025-06-18");
    let uri = json!({"uri": "demo://nothing"});
    assert_eq!(ask(&server, &mut old, "resources/read", &uri)["error"]["code"], -32002);
    assert_eq!(ask(&server, &mut Peer::default(), "resources/read", &modern(&uri))["error"]["code"], -32602);
    let tool = json!({"name": "nothing"});
    assert_eq!(ask(&server, &mut old, "tools/call", &tool)["error"]["code"], -32602);
    assert_eq!(ask(&server, &mut old, "demo/nothing", &json!({}))["error"]["code"], -32601);
    assert_eq!(ask(&server, &mut old, "prompts/get", &json!({"name": "greeting"}))["error"]["code"], -32602);
    assert_eq!(ask(&server, &mut old, "logging/setLevel", &json!({"level": "loud"}))["error"]["code"], -32602);
}

#[test]
fn chance_is_repeatable_and_counts_are_kept() {
    let fails = |seed| -> Vec<bool> {
        let server = server(Settings { fail_rate: 0.5, seed, ..Settings::default() });
        let call = modern(&json!({"name": "echo", "arguments": {"message": "hi"}}));
        (0..40).map(|_| ask(&server, &mut Peer::default(), "tools/call", &call).get("error").is_some()).collect()
    };
    assert_eq!(fails(7), fails(7));
    assert_ne!(fails(7), fails(8));
    assert!(fails(7).contains(&true) && fails(7).contains(&false));
}

#[test]
fn faults_begin_after_the_good_calls_and_strike_where_they_are_told() {
    let fault = faults::find("call-rpc-error").unwrap();
    let call = modern(&json!({"name": "echo", "arguments": {"message": "hi"}}));
    let late = server(Settings { faults: vec![fault], fault_after: 2, ..Settings::default() });
    let bad: Vec<bool> =
        (0..4).map(|_| ask(&late, &mut Peer::default(), "tools/call", &call).get("error").is_some()).collect();
    assert_eq!(bad, [false, false, true, true]);
    let moved =
        server(Settings { faults: vec![fault], fault_on: vec!["tools/list".to_owned()], ..Settings::default() });
    assert!(ask(&moved, &mut Peer::default(), "tools/call", &call)["result"].is_object());
    assert!(ask(&moved, &mut Peer::default(), "tools/list", &modern(&json!({})))["error"].is_object());
}

#[test]
fn calls_beyond_the_limit_hang_or_crash() {
    let call = modern(&json!({"name": "echo", "arguments": {"message": "hi"}}));
    let message = json!({"jsonrpc": "2.0", "id": 1, "method": "tools/call", "params": call});
    let hang = server(Settings { hang_after: Some(1), ..Settings::default() });
    let crash = server(Settings { crash_after: Some(0), ..Settings::default() });
    assert!(ask(&hang, &mut Peer::default(), "tools/call", &call)["result"].is_object());
    assert!(
        matches!(hang.hear(&mut Peer::default(), &message), Heard::Request(steps) if matches!(steps[..], [Step::Hang]))
    );
    assert!(
        matches!(crash.hear(&mut Peer::default(), &message), Heard::Request(steps) if matches!(steps[..], [Step::Exit(1)]))
    );
}

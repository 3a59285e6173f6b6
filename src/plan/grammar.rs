//! The probe file as JSON Schema, table by table, in the order of the parsers beside it. A test compares the keys that
//! the parsers ask for with the keys described here, so that neither can be changed alone.

use serde_json::{Value, json};

use super::probe::{RETRIES_MAX, SESSIONS};
use super::step::{ON_FAIL, STEP_KEYS};
use super::target::TransportChoice;
use super::target_draft::LABELS_TAKEN;
use super::telling::receiver;
use super::{EFFECTS, STARTUP_TIMEOUT, TIMEOUT};
use crate::base::duration;
use crate::check::{self, operators};
use crate::config::grammar::{
    self, anything, array, boolean, count, described, map, one_or_more, pattern, string, strings, table, with, words,
};
use crate::protocol::Pin;

/// The whole schema, draft-07.
#[must_use]
pub fn schema() -> Value {
    let head = json!({
        "$schema": "http://json-schema.org/draft-07/schema#",
        "title": "mcp-probe probe file",
        "description": "Targets, probes and their steps, read by mcp-probe from ./mcp-probe.toml, ./probes/*.toml or \
                        the paths it is given. Strings may hold ${VAR}, ${VAR:-default} and ${file:path}.",
    });
    let definitions = json!({ "definitions": { operators::DEFINITION: operators::definition() } });
    with(with(head, file()), definitions)
}

fn file() -> Value {
    let named = |values, what| described(map(values, name()), what);
    table([
        ("defaults", described(defaults(), "What holds for this file where a probe or target says nothing else.")),
        ("target", named(target(), "The servers, by name.")),
        ("probe", described(array(probe()), "What is asked of targets, and what is expected.")),
        ("alert", described(array(alert()), "When `watch` raises an alarm. Read and checked by every command.")),
        ("notify", named(kinds_of(&receiver::notifier_keys()), "Whom alerts tell, by name.")),
        ("push", described(array(kinds_of(&receiver::push_keys())), "Where results are pushed.")),
        (
            "log",
            described(
                table([("wire", described(string(), "The file that gets every message."))]),
                "What `watch` writes down.",
            ),
        ),
    ])
}

/// Names are shown, selected by pattern and typed on command lines.
fn name() -> Value {
    json!({"pattern": r"^[^-*?\s][^*?]*$", "not": {"pattern": "://"}, "maxLength": 100})
}

fn time(default: std::time::Duration, what: &str) -> Value {
    described(with(grammar::duration(), json!({ "default": duration::written(default) })), what)
}

fn flag(what: &str) -> Value {
    described(with(boolean(), json!({"default": false})), what)
}

fn effects() -> Value {
    with(words(EFFECTS.iter().map(|(word, _)| *word)), json!({"default": "report"}))
}

/// When the daemon runs a probe; of a probe and of the defaults.
fn when() -> [(&'static str, Value); 3] {
    let cron = pattern(r"^\s*\S+(\s+\S+){4}\s*$|^@[a-z]+$");
    let cron = with(cron, json!({"examples": ["*/5 * * * *", "0 8 * * 1-5"]}));
    let zone = with(string(), json!({"examples": ["UTC", "Europe/Berlin"]}));
    [
        ("every", described(grammar::duration(), "How often `watch` runs it; `check` ignores this.")),
        (
            "cron",
            described(cron, "When `watch` runs it: minute, hour, day of month, month, day of week. Not with `every`."),
        ),
        ("timezone", described(zone, "The IANA time zone of `cron`.")),
    ]
}

fn once_in_a_way() -> Value {
    json!({"dependencies": {"timezone": ["cron"]}, "not": {"required": ["every", "cron"]}})
}

fn retries() -> Value {
    with(count(), json!({"maximum": RETRIES_MAX, "default": 0}))
}

fn sessions() -> Value {
    with(words(SESSIONS.iter().map(|(word, _)| *word)), json!({"default": "fresh"}))
}

fn defaults() -> Value {
    let [every, cron, timezone] = when();
    let keys = table([
        ("timeout", time(TIMEOUT, "Of one attempt, from the open session to the last step.")),
        ("startup_timeout", time(STARTUP_TIMEOUT, "Of targets: spawn or connect, detection and handshake.")),
        every,
        cron,
        timezone,
        ("retries", described(retries(), "Further attempts after one that failed.")),
        ("session", described(sessions(), "Whether a run opens a session of its own.")),
        ("findings", described(effects(), "What findings do to the status of a probe.")),
    ]);
    with(keys, once_in_a_way())
}

fn target() -> Value {
    let url = with(
        pattern(r"^\s*[hH][tT][tT][pP][sS]?://|^unix:"),
        json!({"examples": ["https://host/mcp", "unix:/run/server.sock"]}),
    );
    let argv = with(strings(), json!({"minItems": 1}));
    let npx = json!({"examples": [["npx", "-y", "@modelcontextprotocol/server-filesystem", "."]]});
    let protocol = with(words(Pin::words()), json!({"default": "auto"}));
    let transport = with(words(TransportChoice::WORDS.iter().map(|(word, _)| *word)), json!({"default": "auto"}));
    let inherit = json!({"anyOf": [boolean(), strings()], "default": true});
    let header_names = json!({"pattern": grammar::HEADER});
    let labels = json!({"pattern": grammar::NAME, "not": {"anyOf": [{"enum": LABELS_TAKEN}, {"pattern": "^__"}]}});
    let keys = table([
        ("url", described(url, "Where the server is, over HTTP or a Unix socket.")),
        (
            "command",
            described(
                with(argv.clone(), npx),
                "The server's program and its arguments, started over stdio; no \
                                                        shell reads it.",
            ),
        ),
        (
            "start",
            described(
                argv.clone(),
                "A program that serves `url` for the time of the run. Its first line on \
                                           stdout says `listening on URL`; with port 0 in `url`, that URL is probed.",
            ),
        ),
        ("protocol", described(protocol, "The era or revision to speak; anything but `auto` switches detection off.")),
        ("transport", described(transport, "How to speak over HTTP.")),
        ("headers", described(map(string(), header_names), "Sent with every request; variables in them are secrets.")),
        ("auth", described(auth(), "The credentials.")),
        ("tls", described(tls(), "Certificates and how they are checked.")),
        ("env", described(map(string(), json!({"pattern": "^[^=]+$"})), "Variables for the command.")),
        ("cwd", described(string(), "The folder in which the command runs, relative to this file.")),
        (
            "inherit_env",
            described(
                inherit,
                "`false` leaves the command PATH, HOME, USER, LOGNAME, SHELL, TERM, LANG \
                                            and TMPDIR; a list adds to these.",
            ),
        ),
        ("startup_timeout", time(STARTUP_TIMEOUT, "Spawn or connect, detection and handshake; not part of `timeout`.")),
        ("labels", described(map(string(), labels), "For selecting with `-l` and in reports.")),
        ("restart", described(argv, "What `watch` runs to restart the server.")),
        ("server_id", described(string(), "What the hub calls the server; by default the target's name.")),
    ]);
    let started = json!({"anyOf": [{"required": ["command"]}, {"required": ["start"]}]});
    let rules = json!({
        "oneOf": [{"required": ["url"]}, {"required": ["command"]}],
        "dependencies": {
            "headers": ["url"], "auth": ["url"], "tls": ["url"], "start": ["url"], "transport": ["url"],
            "env": started, "cwd": started, "inherit_env": started,
        },
    });
    with(keys, rules)
}

fn auth() -> Value {
    let bearer = with(string(), json!({"examples": ["${TOKEN}", "${file:token.txt}"]}));
    let keys = table([("bearer", described(bearer, "The token of `Authorization: Bearer`. Never write it out."))]);
    with(keys, json!({"minProperties": 1}))
}

fn tls() -> Value {
    let keys = table([
        ("ca", described(string(), "Certificates to trust instead of the system's: a PEM file.")),
        ("cert", described(string(), "The client's certificate: a PEM file.")),
        ("key", described(string(), "Its key: a PEM file.")),
        ("server_name", described(string(), "The name to ask for and to verify.")),
        ("insecure", flag("Accept any certificate. Every output says so.")),
    ]);
    with(keys, json!({"dependencies": {"cert": ["key"], "key": ["cert"]}}))
}

fn probe() -> Value {
    let [every, cron, timezone] = when();
    let name = json!({"type": "string", "pattern": r"^[^-*?\s][^*?]*$", "maxLength": 100});
    let target = with(one_or_more(), json!({"examples": ["weather", ["weather", "files"], "*"]}));
    let by_id = map(words(EFFECTS.iter().map(|(word, _)| *word)), json!({}));
    let findings = json!({"anyOf": [effects(), by_id], "default": "report"});
    let keys = table([
        ("name", described(name, "What the probe is called; unique.")),
        ("target", described(target, "A name, a list of names, or `*` for all targets of the files that are read.")),
        ("timeout", time(TIMEOUT, "Of one attempt, from the open session to the last step.")),
        (
            "retries",
            described(retries(), "Further attempts; a probe that passes only on one of them is degraded, `flaky`."),
        ),
        ("session", described(sessions(), "Whether a run opens a session of its own; for `check` it always does.")),
        ("findings", described(findings, "What findings do to the status; a table gives the word by finding id.")),
        every,
        cron,
        timezone,
        ("step", described(array(step()), "The calls, in order. Without any, the lists that the server announces.")),
    ]);
    with(with(keys, once_in_a_way()), json!({"required": ["name", "target"]}))
}

fn step() -> Value {
    let about = |what| described(with(string(), json!({"minLength": 1})), what);
    let method = with(
        string(),
        json!({"minLength": 1, "pattern": r"^\S+$|\$\{", "not": {"pattern": "^notifications/"},
                                       "examples": ["tools/list", "resources/list", "prompts/list", "ping"]}),
    );
    let sent = with(anything(), json!({"propertyNames": {"not": {"enum": STEP_KEYS}}}));
    let path = with(pattern(r"^\$"), json!({"examples": ["$.structuredContent.id"]}));
    let on_fail = with(words(ON_FAIL.iter().map(|(word, _)| *word)), json!({"default": "failed"}));
    let keys = table([
        ("name", described(string(), "What the step is called in reports; by default after its call.")),
        ("method", described(method, "Any request, with `params`.")),
        ("params", described(sent.clone(), "The parameters of `method`. Strings may hold ${save.NAME}.")),
        ("tool", about("Calls this tool, with `arguments`.")),
        ("arguments", described(sent, "The arguments of the tool or prompt. Strings may hold ${save.NAME}.")),
        ("resource", about("Reads the resource of this URI.")),
        ("prompt", about("Gets this prompt, with `arguments`.")),
        ("expect", described(check::schema(), "What the reply must be.")),
        (
            "save",
            described(
                map(path, json!({"pattern": grammar::NAME})),
                "JSONPaths into the result, for ${save.NAME} in \
                                                                          later steps.",
            ),
        ),
        ("allow_side_effects", flag("Needed for a tool that the server does not declare read-only.")),
        ("unlisted", flag("Needed for a tool that the server does not list.")),
        ("idempotent", flag("The probe may be retried after this call, although it has side effects.")),
        ("always", flag("Clean up: it runs although an earlier step failed.")),
        ("on_fail", described(on_fail, "What a failure of this step does to the probe.")),
        ("answers", described(answers(), "What the server gets when it asks. Without it no capability is declared.")),
    ]);
    let one_call: Vec<Value> =
        ["method", "tool", "resource", "prompt"].iter().map(|key| json!({"required": [key]})).collect();
    let rules = json!({
        "oneOf": one_call,
        "dependencies": {
            "params": ["method"],
            "arguments": {"anyOf": [{"required": ["tool"]}, {"required": ["prompt"]}]},
        },
    });
    with(keys, rules)
}

fn answers() -> Value {
    let root = json!({"properties": {"uri": string(), "name": string()}, "required": ["uri"]});
    let root = with(anything(), root);
    table([
        ("roots", described(array(root), "The list that `roots/list` is answered with.")),
        ("sampling", described(json!({}), "The result of `sampling/createMessage`.")),
        ("elicitation", described(json!({"examples": [{"action": "decline"}]}), "The result of `elicitation/create`.")),
    ])
}

fn alert() -> Value {
    let rate = with(pattern(r"^>\s*[0-9.]+\s*%$"), json!({"examples": ["> 5%"]}));
    let latency = with(pattern(r"^\s*p[0-9.]+\s*>.*[a-zµ]\s*$"), json!({"examples": ["p95 > 2000ms"]}));
    let failures = with(count(), json!({"minimum": 1}));
    let keys = table([
        ("name", described(string(), "What the alert is called; unique.")),
        ("error_rate", described(rate, "Fires when so large a part of the runs in `window` failed.")),
        (
            "latency",
            described(latency, "Fires when a percentile of the steps' latencies in `window` is above a bound."),
        ),
        ("consecutive_failures", described(failures, "Fires after so many failures in a row.")),
        ("window", described(grammar::duration(), "The time that `error_rate` or `latency` looks back.")),
        ("within", described(grammar::duration(), "The time within which the failures must follow each other.")),
        ("for", described(grammar::duration(), "How long the condition must hold before it fires.")),
        ("restart", flag("Restart the target as well: its `restart`, or the child that `watch` holds.")),
        ("resolved", flag("Tell when it is over, too.")),
        ("min_samples", described(count(), "Fewer runs than these fire nothing.")),
        ("severity", described(string(), "A word for those who are told, such as `critical`.")),
        ("labels", described(anything(), "Only targets with these labels.")),
        ("notify", described(one_or_more(), "The names of the notifiers that are told.")),
        ("probe", described(one_or_more(), "Only these probes.")),
        ("target", described(one_or_more(), "Only these targets.")),
    ]);
    let conditions: Vec<Value> =
        ["error_rate", "latency", "consecutive_failures"].iter().map(|key| json!({"required": [key]})).collect();
    with(keys, json!({"required": ["name"], "oneOf": conditions}))
}

/// A notifier or a push; what goes with a kind is that kind's own.
/// A table whose other keys are those of its kind.
fn kinds_of(kinds: &[(&'static str, Vec<&'static str>)]) -> Value {
    let what = "Of what kind it is; the other keys are those of the kind.";
    let kind = described(words(kinds.iter().map(|(name, _)| *name)), what);
    let each: Vec<Value> = kinds
        .iter()
        .map(|(name, keys)| {
            let is = json!({"properties": {"kind": {"const": name}}});
            json!({"if": is, "then": {"propertyNames": {"enum": keys}}})
        })
        .collect();
    with(
        anything(),
        json!({"type": "object", "properties": {"kind": kind, "timeout": described(grammar::duration(), "How long one delivery may take."), "required": described(boolean(), "Of a push: whether a failed delivery is a failure of the run.")}, "required": ["kind"], "allOf": each}),
    )
}

#[cfg(test)]
mod tests {
    use std::collections::{BTreeMap, BTreeSet};

    use super::*;
    use crate::config::text::tests::Given;
    use crate::config::{Reading, Source, tree};
    use crate::plan::Draft;

    /// Every table of a file that has a closed set of keys, with where the schema describes it.
    const TABLES: &[(&str, &str)] = &[
        ("a probe file", ""),
        ("`[defaults]`", "/properties/defaults"),
        ("`[target.web]`", "/properties/target/additionalProperties"),
        ("`auth`", "/properties/target/additionalProperties/properties/auth"),
        ("`tls`", "/properties/target/additionalProperties/properties/tls"),
        ("`[[probe]]`", "/properties/probe/items"),
        ("`[[probe.step]]`", "/properties/probe/items/properties/step/items"),
        ("`answers`", "/properties/probe/items/properties/step/items/properties/answers"),
        ("`[[alert]]`", "/properties/alert/items"),
    ];

    const FILE: &str = r#"
        [defaults]
        timeout = "5s"
        [target.web]
        url = "https://host/mcp"
        auth = { bearer = "${TOKEN}" }
        tls = { insecure = true }
        [[probe]]
        name = "p"
        target = "web"
        [[probe.step]]
        method = "tools/list"
        answers = { roots = [{ uri = "file:///" }] }
        expect.latency = { max = "1s" }
        expect.tools = { min = 1 }
        expect.size = { max = "1KiB" }
        expect.tokens = { max = 10 }
        expect.server = { name = "a" }
        expect.http = { status = 200 }
        expect.notifications = { method = "a" }
        expect.error = { code = 1 }
        [[probe.step]]
        method = "resources/list"
        expect.resources = { min = 1 }
        [[probe.step]]
        method = "prompts/list"
        expect.prompts = { min = 1 }
        [[alert]]
        name = "x"
        consecutive_failures = 3
    "#;

    /// The keys of the table that a schema describes, also where it is one of several shapes.
    fn keys(schema: &Value) -> BTreeSet<String> {
        let shapes = schema["anyOf"].as_array().map_or(&[][..], Vec::as_slice);
        let own = schema["properties"].as_object().into_iter().flat_map(serde_json::Map::keys).cloned();
        own.chain(shapes.iter().flat_map(keys)).collect()
    }

    #[test]
    fn what_the_parsers_ask_for_is_what_is_described() {
        let source = Source::new("a.toml", FILE, ".");
        let (table, errors) = tree::parse(&source);
        assert!(errors.is_empty(), "{errors:?}");
        let given = Given { variables: [("TOKEN", "secret")].into(), ..Given::default() };
        let reading = Reading::new(&given);
        Draft::default().read(&table, &source, &reading);
        let asked: BTreeMap<String, BTreeSet<String>> = reading
            .asked
            .take()
            .into_iter()
            .map(|(what, keys)| (what, keys.into_iter().map(str::to_owned).collect()))
            .collect();
        let mistakes = reading.into_diags();
        assert!(mistakes.is_empty(), "{mistakes:?}");

        let schema = schema();
        let mut places: BTreeMap<String, String> =
            TABLES.iter().map(|(what, place)| ((*what).to_owned(), (*place).to_owned())).collect();
        let step = "/properties/probe/items/properties/step/items";
        for kind in check::KINDS {
            let place = format!("{step}/properties/expect/properties/{}", kind.name);
            if !keys(&schema.pointer(&place).unwrap()["properties"]).is_empty()
                || asked.contains_key(&format!("`expect.{}`", kind.name))
            {
                places.insert(format!("`expect.{}`", kind.name), place);
            }
        }
        for (what, asked) in &asked {
            let Some(place) = places.get(what) else {
                panic!("the parser reads the table {what}, and nothing here says where it is described");
            };
            let described = keys(schema.pointer(place).unwrap());
            let undescribed: Vec<_> = asked.difference(&described).collect();
            let dead: Vec<_> = described.difference(asked).collect();
            assert!(
                undescribed.is_empty() && dead.is_empty(),
                "{what}: not described {undescribed:?}, not read {dead:?}"
            );
        }
        let unread: Vec<_> = places.keys().filter(|what| !asked.contains_key(*what)).collect();
        assert!(unread.is_empty(), "described, but no parser of FILE reads them: {unread:?}");
    }

    /// Strict editors take a table that says nothing about other keys for a closed one.
    #[test]
    fn every_table_says_whether_it_is_open() {
        fn visit(value: &Value, wrong: &mut Vec<String>) {
            if value["type"] == "object" && value.get("additionalProperties").is_none() {
                wrong.push(value.to_string());
            }
            match value {
                Value::Object(members) => members.values().for_each(|member| visit(member, wrong)),
                Value::Array(items) => items.iter().for_each(|item| visit(item, wrong)),
                _ => {}
            }
        }
        let mut wrong = Vec::new();
        visit(&schema(), &mut wrong);
        assert!(wrong.is_empty(), "{wrong:#?}");
    }

    #[test]
    fn every_key_says_what_it_is_for() {
        fn visit(schema: &Value, place: &str, wrong: &mut Vec<String>) {
            let Value::Object(members) = schema else { return };
            for (key, property) in members.get("properties").and_then(Value::as_object).into_iter().flatten() {
                let text = property["description"].as_str().unwrap_or_default();
                // The members of a root are the protocol's, not ours.
                if !place.ends_with("/roots") && (text.len() < 10 || !text.ends_with('.')) {
                    wrong.push(format!("{place}/{key}: {text:?}"));
                }
                visit(property, &format!("{place}/{key}"), wrong);
            }
            for key in ["items", "additionalProperties"] {
                visit(&members.get(key).cloned().unwrap_or_default(), place, wrong);
            }
            for shape in members.get("anyOf").and_then(Value::as_array).into_iter().flatten() {
                visit(shape, place, wrong);
            }
            for (name, definition) in members.get("definitions").and_then(Value::as_object).into_iter().flatten() {
                visit(definition, &format!("{place}#{name}"), wrong);
            }
        }
        let mut wrong = Vec::new();
        visit(&schema(), "", &mut wrong);
        assert!(wrong.is_empty(), "{wrong:#?}");
    }
}

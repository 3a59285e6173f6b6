//! Targets and probes of the probe file as JSON Schema, table by table, in the order of the parsers beside it. The whole
//! file is composed in [`crate::files`], where a test compares the keys that the parsers ask for with those described.

use serde_json::{Value, json};

use super::fleet;
use super::probe::{RETRIES_MAX, SESSIONS};
use super::step::{ON_FAIL, STEP_KEYS};
use super::target::TransportChoice;
use super::target_draft::LABELS_TAKEN;
use super::{EFFECTS, STARTUP_TIMEOUT, TIMEOUT};
use crate::base::duration;
use crate::check::{self, operators};
use crate::config::grammar::{
    self, anything, array, boolean, count, described, map, one_or_more, pattern, string, strings, table, with, words,
};
use crate::protocol::Pin;

/// The outermost keys of a file that this half reads.
#[must_use]
pub fn keys() -> [(&'static str, Value); 4] {
    let named = |values, what| described(map(values, grammar::names()), what);
    [
        ("defaults", described(defaults(), "What holds for this file where a probe or target says nothing else.")),
        ("target", named(target(), "The servers, by name.")),
        ("probe", described(array(probe()), "What is asked of targets, and what is expected.")),
        ("fleet", described(fleet::schema(), "How several probers divide the targets.")),
    ]
}

/// What `cold_every` is.
const COLD: &str =
    "With `session = \"reuse\"`: the first run after this time gives the old session up and opens a new one.";

/// What several keys refer to.
#[must_use]
pub fn definitions() -> Value {
    json!({ operators::DEFINITION: operators::definition() })
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
        ("traceparent", described(boolean(), "Of targets: whether servers are told which trace a request is part of.")),
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
        (
            "traceparent",
            described(
                boolean(),
                "Whether the server is told which trace a request is part of; by default where traces are pushed, and \
                 where TRACEPARENT is set.",
            ),
        ),
        ("labels", described(map(string(), labels), "For selecting with `-l` and in reports.")),
        ("restart", described(argv, "What `watch` runs to restart the server.")),
        (
            "depends_on",
            described(one_or_more(), "Targets without which it cannot work: while they fail, alerts about it wait."),
        ),
        (
            "resolve",
            described(
                with(one_or_more(), json!({"examples": ["all", ["10.0.0.1", "10.0.0.2"]]})),
                "`all`: probe each address of the URL's name by itself; or the addresses to take instead.",
            ),
        ),
        ("server_id", described(string(), "What the hub calls the server; by default the target's name.")),
    ]);
    with(keys, target_rules())
}

/// Which keys of a target belong together.
fn target_rules() -> Value {
    let started = json!({"anyOf": [{"required": ["command"]}, {"required": ["start"]}]});
    json!({
        "oneOf": [{"required": ["url"]}, {"required": ["command"]}],
        "dependencies": {
            "headers": ["url"], "auth": ["url"], "tls": ["url"], "start": ["url"], "transport": ["url"], "resolve": ["url"],
            "env": started, "cwd": started, "inherit_env": started,
        },
    })
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
        ("cold_every", described(grammar::duration(), COLD)),
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

//! One fault at a time: the real binary against `mcp-probe demo --fault NAME`. Each row says what a person and a
//! script must be told: status, reason, exit code, the words of the message, and how soon.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "in a test a panic is the report; the lint exempts only functions marked as tests"
)]

#[path = "stage/prober.rs"]
mod prober;

use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use mcp_probe::demo::faults;
use prober::{BINARY, Served, Told, harmful, in_parallel, probe};

/// `--timeout` of every row that does not say otherwise.
const TIMEOUT_MS: u64 = 800;
/// `--startup-timeout`, likewise: longer than the two seconds after which a silent stdio server hears `initialize`.
const STARTUP_MS: u64 = 2_500;
/// `--fault-delay`: longer than the time-out.
const DELAY_MS: u64 = 1_500;
/// What a loaded machine may add. Less than the three seconds that a server gets to exit: waiting for that before
/// answering is what must be seen.
const SLACK_MS: u64 = 1_900;

/// One test measures times, the others load the machine.
static MACHINE: Mutex<()> = Mutex::new(());

fn machine() -> MutexGuard<'static, ()> {
    MACHINE.lock().unwrap_or_else(PoisonError::into_inner)
}

#[derive(Clone, Copy, Debug, PartialEq)]
enum Over {
    Stdio,
    Http,
    Sse,
}

const STDIO: &[Over] = &[Over::Stdio];
const HTTP: &[Over] = &[Over::Http];
const SSE: &[Over] = &[Over::Sse];
const BOTH: &[Over] = &[Over::Stdio, Over::Http];

const LIST: &str = "tools/list";
const ADD: &str = "tools/call --tool add --arg a:=2 --arg b:=3";
const ECHO: &str = "tools/call --tool echo --arg message=hi";
const READ: &str = "resources/read --param uri=demo://text/readme";
/// The modern era reads the list of tools first, for its headers.
const ADD_LEGACY: &str = "tools/call --tool add --arg a:=2 --arg b:=3 --protocol legacy";
const PROMPT: &str = "prompts/get --prompt greeting --arg name=Ada";
const LEGACY: &str = "tools/list --protocol legacy";
/// For what takes a slow machine long by itself.
const PATIENT: &str = "tools/list --timeout 30s";

#[derive(Clone, Copy, Debug)]
struct Row {
    fault: &'static str,
    over: &'static [Over],
    call: &'static str,
    reason: Option<&'static str>,
    code: i32,
    words: &'static [&'static str],
    finding: Option<&'static str>,
    /// When the fact is there that the answer waits for, in milliseconds.
    after: u64,
    /// Added to the slack.
    patience: u64,
}

const fn fails(
    fault: &'static str,
    over: &'static [Over],
    call: &'static str,
    reason: &'static str,
    code: i32,
    words: &'static [&'static str],
) -> Row {
    Row { fault, over, call, reason: Some(reason), code, words, finding: None, after: 0, patience: 0 }
}

/// A fault that a prober survives: the answer is there.
const fn healthy(fault: &'static str, over: &'static [Over], call: &'static str) -> Row {
    Row { fault, over, call, reason: None, code: 0, words: &[], finding: None, after: 0, patience: 0 }
}

impl Row {
    const fn noting(self, finding: &'static str) -> Self {
        Self { finding: Some(finding), ..self }
    }

    const fn after(self, after: u64) -> Self {
        Self { after, ..self }
    }

    const fn patience(self, patience: u64) -> Self {
        Self { patience, ..self }
    }
}

const PROCESS: &[Row] = &[
    fails("exit-at-start", STDIO, LIST, "exited", 4, &["exit code 1", "Cannot find module 'weather-backend'"]),
    fails("exit-at-start-silent", STDIO, LIST, "exited", 4, &["exit code 3", "nothing to stderr", "by hand"]),
    fails("exit-at-start-zero", STDIO, LIST, "exited", 4, &["exit code 0", "without having written a message"]),
    healthy("leak", STDIO, LIST),
    healthy("slow-start", STDIO, LIST).after(DELAY_MS),
    fails("deaf", STDIO, LIST, "timeout", 4, &["server/discover", "initialize", "--startup-timeout"]).after(STARTUP_MS),
    healthy("stderr-flood", STDIO, LIST),
    healthy("stderr-ansi", STDIO, LIST),
    healthy("ignore-eof", STDIO, LIST),
    healthy("ignore-sigterm", STDIO, LIST),
    healthy("slow-exit", STDIO, LIST),
    healthy("exit-code", STDIO, LIST),
    healthy("fork-grandchild", STDIO, LIST),
    healthy("fork-detached", STDIO, LIST),
    healthy("exit-on-discover", STDIO, LIST),
    fails("exit-on-initialize", STDIO, LEGACY, "exited", 4, &["exit code 1", "nothing to stderr"]),
    fails("exit-during-call", STDIO, LIST, "exited", 4, &["exit code 2", "after 1 message"]),
    fails(
        "exit-during-call",
        HTTP,
        ADD_LEGACY,
        "closed",
        4,
        &["closed before any byte of an answer", "not sent again"],
    ),
    healthy("exit-after-reply", STDIO, LIST),
    fails("crash-signal", STDIO, LIST, "exited", 4, &["signal 9", "SIGKILL"]),
    fails("crash-signal", HTTP, ADD_LEGACY, "closed", 4, &["closed before any byte of an answer", "not sent again"]),
    fails("close-stdout", STDIO, LIST, "closed", 4, &["closed its stdout", "still runs"]),
];

const FRAMING: &[Row] = &[
    healthy("stdout-banner", STDIO, LIST).noting("stdio.stdout_clean"),
    healthy("bom", STDIO, LIST).noting("stdio.framing"),
    fails("half-frame", STDIO, LIST, "timeout", 1, &["bytes of a line came", "no line feed"]).after(TIMEOUT_MS),
    fails("half-frame-exit", STDIO, LIST, "exited", 4, &["in the middle of a message"]).noting("stdio.framing"),
    fails("no-newline", STDIO, LIST, "timeout", 1, &["bytes of a line came", "no line feed"]).after(TIMEOUT_MS),
    healthy("split-writes", STDIO, PATIENT),
    healthy("crlf", STDIO, LIST).noting("stdio.framing"),
    healthy("blank-lines", STDIO, LIST).noting("stdio.framing"),
    healthy("stdout-noise", STDIO, LIST).noting("stdio.stdout_clean"),
    healthy("stdout-ansi", STDIO, LIST).noting("stdio.stdout_clean"),
    healthy("stdout-json-noise", STDIO, LIST).noting("stdio.stdout_clean"),
    fails("embedded-newline", STDIO, LIST, "protocol", 1, &["no proper reply to tools/list", "not JSON"])
        .after(TIMEOUT_MS)
        .noting("stdio.stdout_clean"),
    fails("content-length", STDIO, LIST, "timeout", 1, &["no reply to tools/list"])
        .after(TIMEOUT_MS)
        .noting("stdio.stdout_clean"),
    fails("endless-line", STDIO, PATIENT, "too_large", 1, &["16777216 bytes", "limit"]).patience(10_000),
    fails("huge-frame", BOTH, PATIENT, "too_large", 1, &["16777216 bytes", "limit"]).patience(10_000),
    healthy("big-line", BOTH, LIST),
];

const MESSAGES: &[Row] = &[
    fails("not-json", STDIO, LIST, "timeout", 1, &["instead came", "Traceback"])
        .after(TIMEOUT_MS)
        .noting("stdio.stdout_clean"),
    fails("not-json", HTTP, LIST, "protocol", 1, &["the reply to tools/list", "not JSON"]),
    fails("not-utf8", BOTH, LIST, "protocol", 1, &["not UTF-8"]),
    fails("truncated-json", BOTH, LIST, "protocol", 1, &["the reply to tools/list", "not JSON"]),
    fails("deep-json", BOTH, PATIENT, "protocol", 1, &["recursion limit"]).patience(5_000),
    healthy("batch-reply", BOTH, LIST).noting("rpc.batch"),
    fails("late", BOTH, LIST, "timeout", 1, &["no reply to tools/list within"]).after(TIMEOUT_MS),
    fails("silent", STDIO, LIST, "timeout", 4, &["server/discover", "initialize", "--startup-timeout"])
        .after(STARTUP_MS),
    fails("silent", HTTP, LIST, "timeout", 4, &["no reply to server/discover", "--startup-timeout"]).after(STARTUP_MS),
    fails("silent-calls", BOTH, LIST, "timeout", 1, &["no reply to tools/list within"]).after(TIMEOUT_MS),
    healthy("silent-discover", STDIO, LIST).after(2_000),
    fails("silent-discover", HTTP, LIST, "timeout", 4, &["no reply to server/discover"]).after(STARTUP_MS),
    fails("silent-initialize", BOTH, LEGACY, "timeout", 4, &["no reply to initialize", "--startup-timeout"])
        .after(STARTUP_MS),
    fails("wrong-id", STDIO, LIST, "protocol", 1, &["no proper reply", "\"nobody-asked\""])
        .after(TIMEOUT_MS)
        .noting("rpc.unknown_id"),
    fails("wrong-id", HTTP, LIST, "protocol", 1, &["the request had id", "\"nobody-asked\""]),
    fails("null-id", STDIO, LIST, "protocol", 1, &["no proper reply", "id null"]).after(TIMEOUT_MS),
    fails("null-id", HTTP, LIST, "protocol", 1, &["the request had id", "id null"]),
    fails("missing-id", BOTH, LIST, "protocol", 1, &["a result without \"id\""]),
    fails("id-type-changed", BOTH, LIST, "protocol", 1, &["the request had id 2", "the reply has id \"2\""]),
    healthy("two-replies", BOTH, LIST),
    healthy("two-different-replies", BOTH, LIST),
    fails("both-result-and-error", BOTH, LIST, "protocol", 1, &["both \"result\" and \"error\""]),
    fails("neither", BOTH, LIST, "protocol", 1, &["no \"method\", \"result\" or \"error\""]),
    fails("no-jsonrpc", BOTH, LIST, "protocol", 1, &["\"jsonrpc\": \"2.0\" is missing"]),
    fails("wrong-jsonrpc", BOTH, LIST, "protocol", 1, &["\"jsonrpc\" must be \"2.0\"", "\"1.0\""]),
    fails("result-array", BOTH, LIST, "protocol", 1, &["\"result\" must be an object", "[]"]),
    fails("result-null", BOTH, LIST, "protocol", 1, &["\"result\" must be an object", "null"]),
    fails("result-string", BOTH, LIST, "protocol", 1, &["\"result\" must be an object", "\"done\""]),
    fails("error-string", BOTH, LIST, "protocol", 1, &["\"error\" must be an object", "went wrong"]),
    fails("error-code-string", BOTH, LIST, "protocol", 1, &["integer \"code\"", "E_FAIL"]),
    fails("error-hostile", BOTH, LIST, "rpc_error", 5, &["-32603", "\\u{1b}"]),
    healthy("unsolicited-request", BOTH, LIST).noting("rpc.unsolicited"),
    healthy("unsolicited-request", BOTH, LEGACY).noting("answers.unasked"),
    healthy("says-back", BOTH, LIST).noting("rpc.unsolicited"),
    healthy("says-back", BOTH, LEGACY).noting("answers.unasked"),
    healthy("ping-client", BOTH, LIST).noting("rpc.unsolicited"),
    healthy("ping-client", BOTH, LEGACY),
    healthy("unsolicited-notification", BOTH, LIST),
    healthy("reply-unknown-id", BOTH, LIST).noting("rpc.unknown_id"),
    healthy("out-of-order", BOTH, LIST),
    healthy("progress-flood", BOTH, PATIENT).patience(25_000),
    healthy("progress-backwards", BOTH, LIST),
    healthy("log-flood", BOTH, PATIENT).patience(25_000),
    healthy("log-huge", BOTH, PATIENT).patience(25_000),
    healthy("ping-flood", BOTH, "tools/list --protocol legacy --timeout 30s").noting("answers.flood").patience(25_000),
    fails("slow-flood", BOTH, LIST, "timeout", 1, &["notifications came meanwhile"]).after(TIMEOUT_MS),
];

const OPENING: &[Row] = &[
    healthy("discover-legacy-only", BOTH, LIST),
    healthy("discover-no-versions", BOTH, LIST),
    healthy("discover-versions-string", BOTH, LIST),
    fails("discover-future-only", BOTH, LIST, "incompatible", 1, &["2099-01-01", "2027-03-01"]),
    fails("discover-32022", BOTH, LIST, "incompatible", 1, &["2026-07-28", "names the same version"]),
    healthy("discover-32022-legacy", BOTH, LIST),
    healthy("discover-32022-empty", BOTH, LIST).noting("era.discover"),
    fails("discover-32022-future", BOTH, LIST, "incompatible", 1, &["2099-01-01", "mcp-probe knows none"]),
    fails("discover-32022-same", BOTH, LIST, "incompatible", 1, &["2026-07-28", "names the same version"]),
    healthy("discover-32022-once", BOTH, LIST),
    healthy("discover-32020", BOTH, LIST).noting("era.discover"),
    healthy("discover-32021", BOTH, LIST).noting("era.discover"),
    healthy("discover-32601", BOTH, LIST),
    healthy("discover-32602", BOTH, LIST),
    healthy("discover-32600", BOTH, LIST),
    healthy("discover-32000", BOTH, LIST),
    healthy("discover-code-0", BOTH, LIST),
    healthy("discover-slow", BOTH, LIST).after(DELAY_MS),
    fails("discover-legacy-only", BOTH, "tools/list --protocol modern", "incompatible", 1, &["--protocol legacy"]),
    fails("discover-32601", BOTH, "tools/list --protocol modern", "incompatible", 1, &["-32601", "--protocol legacy"]),
    fails("initialize-error", BOTH, LEGACY, "rpc_error", 5, &["initialize was answered with error -32603"]),
    fails("initialize-32602", BOTH, LEGACY, "incompatible", 1, &["2025-11-25", "try --protocol 2024-11-05"]),
    fails("initialize-wrong-version", BOTH, LEGACY, "incompatible", 1, &["2099-01-01"]),
    fails("initialize-draft-version", BOTH, LEGACY, "incompatible", 1, &["DRAFT-2026-v1"]),
    fails("initialize-no-version", BOTH, LEGACY, "protocol", 1, &["no string \"protocolVersion\""]),
    healthy("initialize-no-serverinfo", BOTH, LEGACY).noting("initialize.result"),
    healthy("initialize-no-capabilities", BOTH, LEGACY).noting("initialize.result"),
    fails("initialize-result-array", BOTH, LEGACY, "protocol", 1, &["initialize", "must be an object"]),
    fails("capabilities-lie", BOTH, "resources/list", "rpc_error", 5, &["-32601", "does not offer it"]),
    healthy("capabilities-none", BOTH, LIST),
    healthy("hostile-name", BOTH, LIST),
    healthy("modern-untyped", BOTH, LIST).noting("modern.result_fields"),
    fails("unknown-result-type", BOTH, LIST, "protocol", 1, &["\"complete\"", "\"partial\""]),
    fails("input-required-forever", BOTH, ADD, "protocol", 1, &["elicitation/create", "no capability was declared"])
        .noting("answers.unasked"),
];

const LISTS: &[Row] = &[
    healthy("tools-empty", BOTH, LIST),
    fails("tools-missing", BOTH, LIST, "protocol", 1, &["array \"tools\"", "it has nothing"]),
    fails("tools-not-array", BOTH, LIST, "protocol", 1, &["array \"tools\"", "{\"echo\":{}}"]),
    healthy("tools-duplicate", BOTH, LIST),
    healthy("tools-invalid-schema", BOTH, LIST),
    healthy("tools-no-schema", BOTH, LIST),
    healthy("tools-no-name", BOTH, LIST),
    healthy("tools-null", BOTH, LIST),
    healthy("tools-null-description", BOTH, LIST),
    healthy("tools-remote-ref", BOTH, LIST),
    healthy("tools-bad-header", BOTH, LIST),
    healthy("tools-poisoned", BOTH, LIST),
    healthy("hostile-texts", BOTH, LIST),
    // A megabyte of text is made safe to print.
    fails("hostile-error", BOTH, PATIENT, "rpc_error", 5, &["-32000", "owned"]).patience(5_000),
    healthy("tools-changing", BOTH, LIST),
    // What changed since a lock is found by comparing with it: tests/lock.rs.
    healthy("tools-hint-flipped", BOTH, LIST),
    healthy("tools-reworded", BOTH, LIST),
    healthy("tools-new-requirement", BOTH, LIST),
    healthy("tools-output-less", BOTH, LIST),
    healthy("tools-one-less", BOTH, LIST),
    healthy("tools-shuffled", BOTH, LIST),
    fails("tools-huge-pages", BOTH, PATIENT, "too_large", 1, &["in 64 pages", "67108864 bytes for all pages"])
        .patience(25_000),
    healthy("tools-endless-pages", BOTH, "prompts/list --timeout 60s").noting("list.pagination").patience(30_000),
    fails("tools-endless-pages", BOTH, LIST, "timeout", 1, &["tools/list did not end within", "pages were read"])
        .after(TIMEOUT_MS),
    healthy("tools-repeated-cursor", BOTH, LIST).noting("list.pagination"),
    healthy("tools-empty-cursor", BOTH, LIST),
    healthy("tools-null-cursor", BOTH, LIST).noting("list.pagination"),
    healthy("tools-number-cursor", BOTH, LIST).noting("list.pagination"),
    fails("list-error", BOTH, LIST, "rpc_error", 5, &["-32603", "database is locked"]),
    fails("page-two-error", BOTH, LIST, "rpc_error", 5, &["-32603", "database is locked"]),
];

/// Valid definitions that some client does not take: `tests/audit_definitions.rs` finds them.
const DEFINITIONS: &[Row] = &[
    healthy("tools-spaced-name", BOTH, LIST),
    healthy("tools-dotted-name", BOTH, LIST),
    healthy("tools-digit-name", BOTH, LIST),
    healthy("tools-long-name", BOTH, LIST),
    healthy("tools-colliding-names", BOTH, LIST),
    healthy("tools-many", BOTH, LIST),
    healthy("tools-odd-property", BOTH, LIST),
    healthy("tools-root-any-of", BOTH, LIST),
    healthy("tools-root-all-of", BOTH, LIST),
    healthy("tools-local-ref", BOTH, LIST),
    healthy("tools-array-without-items", BOTH, LIST),
    healthy("tools-without-properties", BOTH, LIST),
    healthy("tools-nullable", BOTH, LIST),
    healthy("tools-deep-schema", BOTH, LIST),
    healthy("tools-boolean-property", BOTH, LIST),
    healthy("output-schema-array", BOTH, LIST),
    healthy("tools-long-description", BOTH, LIST),
    healthy("tools-no-description", BOTH, LIST),
    healthy("tools-empty-words", BOTH, LIST),
    healthy("tools-alike", BOTH, LIST),
    healthy("tools-undocumented", BOTH, LIST),
    healthy("tools-required-unknown", BOTH, LIST),
    healthy("tools-wrong-default", BOTH, LIST),
    healthy("tools-negated-boolean", BOTH, LIST),
    healthy("tools-no-annotations", BOTH, LIST),
    healthy("tools-unmarked-delete", BOTH, LIST),
    healthy("tools-costly", BOTH, LIST),
    healthy("tools-hidden-text", BOTH, LIST),
    healthy("instructions-long", BOTH, LIST),
];

const CONTENT: &[Row] = &[
    fails("call-is-error", BOTH, ADD, "tool_error", 5, &["isError", "the backend is down"]),
    fails("call-rpc-error", BOTH, ADD, "rpc_error", 5, &["-32603", "the backend is down"]),
    fails("call-unknown-tool", BOTH, ADD, "rpc_error", 5, &["-32602", "unknown tool", "tools/list"]),
    fails("call-32020", BOTH, ADD, "rpc_error", 5, &["-32020", "header mismatch"]),
    fails("call-code-0", BOTH, ADD, "rpc_error", 5, &["error 0", "something went wrong"]),
    healthy("call-text-error", BOTH, ADD),
    fails("call-no-content", BOTH, ECHO, "protocol", 1, &["array \"content\"", "it has nothing"]),
    healthy("call-empty-content", BOTH, ECHO),
    healthy("call-long-text", BOTH, ECHO),
    healthy("call-megabyte", BOTH, ECHO),
    fails("call-content-string", BOTH, ECHO, "protocol", 1, &["array \"content\"", "\"hello\""]),
    healthy("call-unknown-block", BOTH, ECHO),
    healthy("call-text-missing", BOTH, ECHO),
    healthy("call-bad-base64", BOTH, ECHO),
    healthy("call-hostile-text", BOTH, ECHO),
    healthy("output-schema-pattern", BOTH, ADD),
    healthy("output-schema-invalid", BOTH, ADD),
    healthy("output-schema-outside-ref", BOTH, ADD),
    healthy("structured-missing", BOTH, ADD),
    healthy("structured-invalid", BOTH, ADD),
    healthy("structured-array", BOTH, ADD),
    healthy("read-empty", BOTH, READ),
    fails("prompt-error", BOTH, PROMPT, "rpc_error", 5, &["prompts/get", "error 0"]),
];

// What an audit finds is in tests/audit: a probe takes all of these.
const OFFERS: &[Row] = &[
    healthy("tools-bad-icon", BOTH, LIST),
    healthy("tools-task-word", BOTH, LIST),
    healthy("tools-hint-clash", BOTH, LIST),
    healthy("tools-unknown-dialect", BOTH, LIST),
    healthy("tools-bottomless-schema", BOTH, LIST),
    healthy("tools-header-secret", BOTH, LIST),
    healthy("list-changed-undeclared", BOTH, LIST),
    healthy("resources-no-name", BOTH, "resources/list"),
    healthy("resources-bad-uri", BOTH, "resources/list"),
    healthy("resources-duplicate", BOTH, "resources/list"),
    healthy("resources-wrong-size", BOTH, "resources/list"),
    healthy("resources-bad-annotations", BOTH, "resources/list"),
    healthy("prompts-no-name", BOTH, "prompts/list"),
    healthy("prompts-duplicate", BOTH, "prompts/list"),
];

const ANSWERS: &[Row] = &[
    healthy("call-anything", BOTH, ECHO),
    healthy("structured-untold", BOTH, ADD),
    healthy("task-unasked", BOTH, ECHO),
    healthy("log-debug", BOTH, ECHO),
    healthy("read-anything", BOTH, READ),
    healthy("read-code-0", BOTH, READ),
    healthy("read-bare-error", BOTH, READ),
    healthy("read-traversal", BOTH, READ),
    healthy("read-no-text", BOTH, READ),
    healthy("read-bad-base64", BOTH, READ),
    healthy("subscribe-missing", BOTH, LIST),
    healthy("prompt-block-list", BOTH, PROMPT),
    healthy("completion-flood", BOTH, LIST),
    healthy("completion-anything", BOTH, LIST),
    healthy("set-level-missing", BOTH, LIST),
    healthy("set-level-anything", BOTH, LIST),
];

/// Faults that show where a request is made wrongly, a tool asks, a change is listened to or a call is a task: what `audit`
/// does. An ordinary call goes well.
const AUDITED: &[Row] = &[
    healthy("discover-no-capabilities", BOTH, LIST),
    healthy("discover-changes-version", BOTH, LIST),
    healthy("extension-no-prefix", BOTH, LIST),
    healthy("capabilities-legacy-tasks", BOTH, LIST),
    healthy("version-error-bare", STDIO, LIST),
    healthy("capability-error-bare", BOTH, LIST),
    healthy("meta-unchecked", BOTH, LIST),
    healthy("client-info-required", BOTH, LIST),
    healthy("meta-extras-refused", BOTH, LIST),
    healthy("removed-methods-served", BOTH, LIST),
    healthy("discover-first", STDIO, LIST),
    healthy("tools-by-process", STDIO, LIST),
    healthy("modern-anonymous", BOTH, LIST),
    healthy("log-level-unchecked", BOTH, LIST),
    healthy("log-unfiltered", BOTH, LIST),
    healthy("modern-status-200", HTTP, LIST),
    healthy("input-required-empty", BOTH, LIST),
    fails("input-required-for-lists", BOTH, LIST, "protocol", 1, &["input_required", "not allowed for this method"]),
    healthy("input-refused", BOTH, LIST),
    healthy("input-missing-error", BOTH, LIST),
    healthy("input-extra-error", BOTH, LIST),
    healthy("input-unchecked", BOTH, LIST),
    healthy("state-unchecked", BOTH, LIST),
    healthy("input-nested-form", BOTH, LIST),
    healthy("listen-unknown", BOTH, LIST),
    healthy("listen-late", BOTH, LIST),
    healthy("listen-id-as-text", BOTH, LIST),
    healthy("listen-all-acknowledged", BOTH, LIST),
    healthy("listen-unfiltered", BOTH, LIST),
    healthy("listen-logs", BOTH, LIST),
    healthy("listen-result", BOTH, LIST),
    healthy("listen-short", HTTP, LIST),
    healthy("task-for-anyone", BOTH, LIST),
    healthy("tasks-ungated", BOTH, LIST),
    healthy("task-unknown-code", BOTH, LIST),
    healthy("tasks-list-served", BOTH, LIST),
    healthy("task-not-yet", BOTH, LIST),
    healthy("task-old-members", BOTH, LIST),
    healthy("task-type-kept", BOTH, LIST),
    healthy("task-header-unchecked", HTTP, LIST),
];

const STATUSES: &[Row] = &[
    fails("http-400", HTTP, LIST, "http", 1, &["HTTP 400", "Bad Request"]),
    fails("http-401", HTTP, LIST, "auth", 3, &["HTTP 401", "WWW-Authenticate", "resource_metadata", "--bearer"]),
    fails("http-401-rpc", HTTP, ADD_LEGACY, "auth", 3, &["HTTP 401", "--bearer"]),
    fails("auth-any-token", HTTP, LIST, "auth", 3, &["HTTP 401"]),
    fails("auth-403", HTTP, LIST, "auth", 3, &["HTTP 403"]),
    fails("auth-opening-only", HTTP, LIST, "auth", 3, &["HTTP 401"]),
    fails("auth-no-hint", HTTP, LIST, "auth", 3, &["HTTP 401"]),
    fails("auth-relative-hint", HTTP, LIST, "auth", 3, &["HTTP 401"]),
    fails("auth-broken-challenge", HTTP, LIST, "auth", 3, &["HTTP 401"]),
    fails("auth-no-scope", HTTP, LIST, "auth", 3, &["HTTP 401"]),
    fails("auth-no-resource", HTTP, LIST, "auth", 3, &["HTTP 401"]),
    fails("auth-no-servers", HTTP, LIST, "auth", 3, &["HTTP 401"]),
    fails("auth-other-resource", HTTP, LIST, "auth", 3, &["HTTP 401"]),
    fails("auth-offline-scope", HTTP, LIST, "auth", 3, &["HTTP 401"]),
    fails("auth-no-server-metadata", HTTP, LIST, "auth", 3, &["HTTP 401"]),
    fails("auth-other-issuer", HTTP, LIST, "auth", 3, &["HTTP 401"]),
    fails("auth-no-code", HTTP, LIST, "auth", 3, &["HTTP 401"]),
    fails("auth-no-pkce", HTTP, LIST, "auth", 3, &["HTTP 401"]),
    fails("auth-plain-endpoint", HTTP, LIST, "auth", 3, &["HTTP 401"]),
    fails("auth-closed", HTTP, LIST, "auth", 3, &["HTTP 401"]),
    fails("auth-posted-secret", HTTP, LIST, "auth", 3, &["HTTP 401"]),
    fails("auth-no-response-issuer", HTTP, LIST, "auth", 3, &["HTTP 401"]),
    healthy("slash-elsewhere", HTTP, LIST),
    healthy("session-404-often", HTTP, LEGACY),
    healthy("get-cut", HTTP, LEGACY),
    fails("http-401-bare", HTTP, LIST, "auth", 3, &["HTTP 401", "no WWW-Authenticate", "--bearer"]),
    fails("http-403", HTTP, LIST, "auth", 3, &["HTTP 403", "Forbidden"]),
    fails("http-403-scope", HTTP, LIST, "auth", 3, &["HTTP 403", "mcp:admin"]),
    fails("http-403-challenge", HTTP, LIST, "auth", 3, &["HTTP 403", "Just a moment..."]),
    fails("http-404", HTTP, LIST, "http", 1, &["HTTP 404", "no MCP endpoint at this path"]),
    fails("http-405", HTTP, LIST, "http", 1, &["HTTP 405", "no POST"]),
    fails("http-406", HTTP, LIST, "http", 1, &["HTTP 406", "Accept"]),
    fails("http-413", HTTP, LIST, "http", 1, &["HTTP 413", "Payload Too Large"]),
    fails("http-415", HTTP, LIST, "http", 1, &["HTTP 415", "application/json"]),
    fails("http-421", HTTP, LIST, "http", 1, &["HTTP 421", "host name", "allowed hosts"]),
    fails("http-429", HTTP, LIST, "rate_limited", 1, &["HTTP 429", "Retry-After: 7"]),
    fails("http-500", HTTP, LIST, "http", 1, &["HTTP 500", "Internal Server Error"]),
    fails("http-500-rpc", HTTP, LIST, "http", 1, &["HTTP 500", "Internal server error"]),
    fails("http-502-html", HTTP, LIST, "http", 1, &["HTTP 502", "proxy"]),
    fails("http-503", HTTP, LIST, "http", 1, &["HTTP 503", "upstream unavailable", "Retry-After: 30"]),
    fails("http-504", HTTP, LIST, "http", 1, &["HTTP 504", "proxy"]),
    fails("http-999", HTTP, LIST, "http", 1, &["HTTP 999", "denied"]),
    fails("html-200", HTTP, LIST, "http", 1, &["HTML", "My App", "MCP URL"]),
    fails("empty-200", HTTP, LIST, "http", 1, &["HTTP 200", "empty body"]),
    fails("empty-204", HTTP, LIST, "http", 1, &["HTTP 204", "empty body"]),
    fails("accepted-202", HTTP, LIST, "http", 1, &["HTTP 202", "empty body"]),
    fails("text-200", HTTP, LIST, "http", 1, &["text/plain", "\"OK\""]),
    fails("json-200", HTTP, LIST, "protocol", 1, &["\"jsonrpc\": \"2.0\" is missing"]),
    healthy("wrong-content-type", HTTP, LIST),
    healthy("html-content-type", HTTP, LIST),
    healthy("no-content-type", HTTP, LIST),
    healthy("charset", HTTP, LIST),
    healthy("method-404", HTTP, LIST),
    fails("method-404", HTTP, "demo/none --protocol legacy", "rpc_error", 5, &["-32601"]),
    fails("error-status", HTTP, LIST, "http", 1, &["HTTP 500"]),
    fails("error-status", HTTP, ADD_LEGACY, "http", 1, &["HTTP 500 with the result of"]),
    healthy("redirect-same-origin", HTTP, LIST).noting("http.redirect"),
    healthy("redirect-relative", HTTP, LIST).noting("http.redirect"),
    fails("redirect-302", HTTP, LIST, "http", 1, &["HTTP 302", "redirects to /mcp/"]).noting("http.redirect"),
    fails("redirect-other-origin", HTTP, LIST, "http", 1, &["HTTP 307", "/elsewhere", "not followed"])
        .noting("http.redirect"),
    fails("redirect-loop", HTTP, LIST, "http", 1, &["HTTP 307", "redirects"]).noting("http.redirect"),
    fails("redirect-downgrade", HTTP, LIST, "http", 1, &["HTTP 307", "redirects"]).noting("http.redirect"),
    fails("redirect-no-location", HTTP, LIST, "http", 1, &["HTTP 307", "without Location"]),
    fails("redirect-scheme", HTTP, LIST, "http", 1, &["HTTP 307", "file:///etc/passwd"]).noting("http.redirect"),
    fails("redirect-login", HTTP, LIST, "http", 1, &["HTTP 302", "/login"]).noting("http.redirect"),
];

const NETWORK: &[Row] = &[
    fails("hang-before-headers", HTTP, LIST, "timeout", 1, &["no reply to tools/list within"]).after(TIMEOUT_MS),
    fails("hang-after-headers", HTTP, LIST, "timeout", 1, &["HTTP 200", "did not end"]).after(TIMEOUT_MS),
    fails("hang-mid-body", HTTP, LIST, "timeout", 1, &["HTTP 200", "did not end"]).after(TIMEOUT_MS),
    fails("drop-before-headers", HTTP, LIST, "closed", 4, &["closed the connection before it answered"]),
    fails("reset-before-headers", HTTP, LIST, "closed", 4, &["(reset)", "before it answered"]),
    fails("drop-at-once", HTTP, LIST, "closed", 4, &["closed the connection before it answered"]),
    fails("drop-mid-body", HTTP, LIST, "closed", 4, &["in the middle of the answer", "bytes"]),
    fails("reset-mid-body", HTTP, LIST, "closed", 4, &["reset in the middle of the answer"]),
    fails("slow-drip", HTTP, LIST, "timeout", 1, &["did not end"]).after(TIMEOUT_MS),
    fails("slow-headers", HTTP, LIST, "timeout", 1, &["no reply to tools/list within"]).after(TIMEOUT_MS),
    fails("truncated-content-length", HTTP, LIST, "closed", 4, &["in the middle of the answer"]),
    fails("short-content-length", HTTP, LIST, "protocol", 1, &["not JSON"]),
    healthy("no-length", HTTP, LIST),
    healthy("chunked", HTTP, LIST),
    fails("chunked-garbage", HTTP, LIST, "protocol", 1, &["framing of the answer is broken", "chunk size"]),
    fails("chunked-truncated", HTTP, LIST, "closed", 4, &["in the middle of the answer"]),
    fails("not-http", HTTP, LIST, "protocol", 1, &["not HTTP", "220 mail.example ESMTP"]),
    healthy("clock-skew", HTTP, LIST).noting("http.clock_skew"),
    healthy("gzip-unasked", HTTP, LIST).noting("http.gzip_unasked"),
    fails("gzip-broken", HTTP, LIST, "protocol", 1, &["cannot be decompressed"]),
    fails("gzip-bomb", HTTP, PATIENT, "too_large", 1, &["16777216 bytes", "limit"]).patience(15_000),
    fails("huge-headers", HTTP, LIST, "too_large", 1, &["head of the answer", "64 KiB"]),
    fails("huge-body", HTTP, LIST, "too_large", 1, &["16777216 bytes"]),
    fails("huge-body-chunked", HTTP, PATIENT, "too_large", 1, &["16777216 bytes"]).patience(5_000),
    healthy("keepalive-close", HTTP, LIST),
    healthy("stale", HTTP, LIST).noting("http.stale_connection"),
    healthy("continue-first", HTTP, LIST),
    fails("two-answers", HTTP, LIST, "protocol", 1, &["the reply has id \"other\""]),
    healthy("old-date", HTTP, LIST),
];

const STREAMS: &[Row] = &[
    fails("drop-stream", HTTP, LIST, "closed", 4, &["event stream", "without the reply to tools/list"]),
    fails("cut-stream", HTTP, LIST, "closed", 4, &["in the middle of the answer"]),
    fails("cut-event", HTTP, LIST, "closed", 4, &["without the reply to tools/list"]),
    fails("no-blank-line", HTTP, LIST, "closed", 4, &["without the reply to tools/list"]),
    fails("hang-stream", HTTP, LIST, "timeout", 1, &["did not end"]).after(TIMEOUT_MS),
    healthy("open-stream", HTTP, LIST),
    fails("endless-sse", HTTP, LIST, "timeout", 1, &["did not end"]).after(TIMEOUT_MS),
    fails("flood-sse", HTTP, LIST, "timeout", 1, &["did not end"]).after(TIMEOUT_MS),
    fails("endless-chunk-size", HTTP, LIST, "protocol", 1, &["chunk size: it does not end"]),
    healthy("flood-behind-initialize", HTTP, LIST),
    healthy("sse-bad-json", HTTP, LIST).noting("rpc.malformed"),
    fails("sse-only-bad-json", HTTP, LIST, "protocol", 1, &["without a proper reply", "502 Bad Gateway"]),
    fails("sse-big-event", HTTP, PATIENT, "too_large", 1, &["16777216 bytes"]).patience(5_000),
    healthy("sse-no-event-name", HTTP, LIST),
    fails("sse-unknown-event", HTTP, LIST, "closed", 4, &["without the reply to tools/list"]),
    healthy("sse-crlf", HTTP, LIST),
    healthy("sse-cr", HTTP, LIST),
    healthy("sse-bom", HTTP, LIST),
    healthy("sse-many-lines", HTTP, LIST),
    healthy("sse-priming", HTTP, LIST),
    healthy("sse-split", HTTP, PATIENT).patience(2_000),
    healthy("double-content", HTTP, LIST),
    fails("wrong-id-http", HTTP, LIST, "protocol", 1, &["without a proper reply", "\"another-stream\""])
        .noting("rpc.unknown_id"),
    fails("sse-401", SSE, LIST, "auth", 3, &["401", "--bearer"]),
    fails("sse-404", SSE, LIST, "http", 1, &["404", "event stream"]),
    fails("sse-no-endpoint", SSE, LIST, "timeout", 4, &["\"endpoint\"", "--startup-timeout"]).after(STARTUP_MS),
    fails("sse-other-event", SSE, LIST, "protocol", 1, &["\"endpoint\"", "\"message\""]),
    fails("sse-endpoint-other-origin", SSE, LIST, "protocol", 1, &["another origin", "nothing was sent"]),
    fails("sse-endpoint-garbage", SSE, LIST, "protocol", 1, &["http://[::bad", "no URL"]),
    fails("sse-cut", SSE, LIST, "closed", 4, &["closed the connection"]),
];

const SESSIONS: &[Row] = &[
    healthy("session-404-once", HTTP, LEGACY).noting("session.expired"),
    fails("session-always-404", HTTP, LEGACY, "rpc_error", 5, &["Session not found"]).noting("session.expired"),
    fails("session-400", HTTP, LEGACY, "rpc_error", 5, &["Session not found"]),
    healthy("notification-200", HTTP, LEGACY).noting("http.notification_202"),
    healthy("notification-204", HTTP, LEGACY).noting("http.notification_202"),
    healthy("notification-body", HTTP, LEGACY).noting("http.notification_202"),
    healthy("notification-500", HTTP, LEGACY).noting("http.notification_202"),
    fails("notification-hang", HTTP, LEGACY, "timeout", 4, &["notifications/initialized"]).after(STARTUP_MS),
    healthy("answer-hang", HTTP, LEGACY),
    healthy("delete-405", HTTP, LEGACY),
    healthy("no-session-delete", HTTP, LEGACY),
    healthy("delete-hang", HTTP, LEGACY),
    healthy("no-origin-check", HTTP, LIST),
    healthy("no-host-check", HTTP, LIST),
    healthy("own-origin-refused", HTTP, LIST),
    healthy("lax-version-differs", HTTP, LIST),
    healthy("lax-version-missing", HTTP, LIST),
    healthy("lax-method-missing", HTTP, LIST),
    healthy("lax-method-differs", HTTP, LIST),
    healthy("lax-name", HTTP, LIST),
    healthy("spaces-refused", HTTP, LIST),
    healthy("name-not-decoded", HTTP, LIST),
    healthy("lax-argument", HTTP, LIST),
    healthy("argument-not-decoded", HTTP, LIST),
    healthy("argument-always-wanted", HTTP, LIST),
    healthy("last-event-refused", HTTP, LIST),
    healthy("accept-500", HTTP, LIST),
    healthy("accept-to-the-letter", HTTP, LIST),
    healthy("body-type-500", HTTP, LIST),
    healthy("dies-of-a-drop", HTTP, LIST),
    healthy("no-accel-header", HTTP, LIST),
    healthy("session-missing-500", HTTP, LEGACY),
    healthy("session-unknown-500", HTTP, LEGACY),
    healthy("session-counted", HTTP, LEGACY),
    healthy("session-undead", HTTP, LEGACY),
    healthy("one-session", HTTP, LEGACY),
    healthy("version-header-ignored", HTTP, LEGACY),
    healthy("version-header-wanted", HTTP, LEGACY),
    healthy("polling-no-retry", HTTP, LEGACY),
    healthy("sse-ids", HTTP, LEGACY),
    healthy("sse-same-id", HTTP, LEGACY),
    healthy("get-replies", HTTP, LEGACY),
    healthy("get-broadcast", HTTP, LEGACY),
    healthy("list-changed-on-call", BOTH, LIST),
    healthy("cancel-ignored", STDIO, LIST),
    fails("sse-reply-event", SSE, LIST, "timeout", 1, &["no reply to tools/list", "in an event that is no"])
        .after(TIMEOUT_MS),
    healthy("get-405", HTTP, LEGACY),
    healthy("get-500", HTTP, LEGACY),
    healthy("mint-session-modern", HTTP, LIST),
    fails("session-bad-id", HTTP, LEGACY, "rpc_error", 5, &["session not found"]),
    healthy("session-changes", HTTP, LEGACY),
];

const PING: &str = "ping --protocol legacy";
const PROMPTS: &str = "prompts/list";

/// What only an audit provokes does not disturb a call.
const REFUSALS: &[Row] = &[
    healthy("unknown-method-32603", BOTH, LIST),
    fails("prompts-32050", BOTH, PROMPTS, "rpc_error", 5, &["-32050", "no prompts today"]),
    fails("prompts-32042", BOTH, PROMPTS, "rpc_error", 5, &["-32042", "open a page first"]),
    healthy("newer-notification", BOTH, LIST),
    healthy("answers-notifications", BOTH, LEGACY),
    healthy("loses-every-third", BOTH, LIST),
    healthy("invalid-32000", STDIO, LIST),
    healthy("invalid-silent", STDIO, LIST),
    healthy("invalid-exits", STDIO, LIST),
    healthy("invalid-202", HTTP, LIST),
    healthy("any-jsonrpc", BOTH, LIST),
    healthy("no-batches", BOTH, LIST),
    healthy("batches-always", BOTH, LIST),
    healthy("no-handshake", STDIO, LEGACY),
    fails("ping-32601", BOTH, PING, "rpc_error", 5, &["-32601"]),
    healthy("ping-chatty", BOTH, PING),
    healthy("initialize-any-version", BOTH, LEGACY),
    healthy("initialize-newer", BOTH, LEGACY),
    healthy("second-initialize-exits", STDIO, LEGACY),
    healthy("asks-unready", BOTH, LEGACY),
    healthy("logs-undeclared", BOTH, LIST),
];

fn rows() -> Vec<Row> {
    [
        PROCESS,
        FRAMING,
        MESSAGES,
        OPENING,
        LISTS,
        DEFINITIONS,
        OFFERS,
        CONTENT,
        ANSWERS,
        STATUSES,
        NETWORK,
        STREAMS,
        SESSIONS,
        REFUSALS,
        AUDITED,
    ]
    .concat()
}

/// The prober's and the server's part of a row.
fn run(row: &Row, over: Over, arguments: &[&str]) -> Told {
    let delay = format!("{DELAY_MS}ms");
    let demo = ["--fault", row.fault, "--fault-delay", &delay];
    let served = (over != Over::Stdio).then(|| Served::start(demo));
    let mut line: Vec<String> = row.call.split(' ').map(str::to_owned).collect();
    if !row.call.contains("--timeout") {
        line.extend(["--timeout".to_owned(), format!("{TIMEOUT_MS}ms")]);
    }
    line.extend(["--startup-timeout".to_owned(), format!("{STARTUP_MS}ms")]);
    line.extend(arguments.iter().map(|&argument| argument.to_owned()));
    match (&served, over) {
        (Some(served), Over::Sse) => line.extend([served.sse_url(), "--transport".to_owned(), "sse".to_owned()]),
        (Some(served), _) => line.push(served.url()),
        (None, _) => {
            line.extend(["--", BINARY, "demo"].map(str::to_owned));
            line.extend(demo.map(str::to_owned));
        }
    }
    probe(line)
}

/// What is wrong with what the prober said of a row.
fn judge(row: &Row, over: Over) -> Vec<String> {
    let told = run(row, over, &["--json"]);
    let name = format!("{} over {over:?} ({})", row.fault, row.call);
    let mut wrong = Vec::new();
    let mut must = |is: bool, what: String| {
        if !is {
            wrong.push(format!("{name}: {what}"));
        }
    };
    let Ok(document) = serde_json::from_str::<serde_json::Value>(&told.stdout) else {
        return vec![format!("{name}: no JSON document: {told:?}")];
    };
    let text = |member: &str| document[member].as_str().unwrap_or_default().to_owned();
    must(text("schema") == "mcp-probe/call/1", format!("schema {:?}", text("schema")));
    let status = if row.reason.is_none() { "healthy" } else { "failed" };
    must(text("status") == status, format!("status {:?}, reason {:?}", text("status"), text("reason")));
    let (reason, message) = (text("reason"), text("message"));
    must(reason == row.reason.unwrap_or_default(), format!("reason {reason:?}, message {message:?}"));
    must(told.code == row.code, format!("exit code {}", told.code));
    must(message.is_empty() == row.reason.is_none(), format!("message {message:?}"));
    for word in row.words {
        must(message.contains(word), format!("{word:?} is not in the message {message:?}"));
    }
    if let Some(id) = row.finding {
        let found = document["findings"].as_array().into_iter().flatten().any(|finding| finding["id"] == id);
        must(found, format!("finding {id} is not among {}", document["findings"]));
    }
    must(harmful(&told.stdout).is_empty() || row.reason.is_none(), format!("stdout has {:?}", harmful(&told.stdout)));
    must(!told.stdout.contains('\u{1b}'), "stdout has an escape character".to_owned());
    must(harmful(&told.stderr).is_empty(), format!("stderr has {:?}", harmful(&told.stderr)));
    if row.reason.is_some() {
        // For a person the same is said on stderr.
        must(row.words.iter().all(|word| told.stderr.contains(word)), format!("stderr says {:?}", told.stderr));
    }
    for (phase, took) in document["phases_ms"].as_object().into_iter().flatten() {
        must(took.as_f64().is_some_and(|took| took > 0.0), format!("phase {phase} is {took}"));
    }
    let (from, to) = (Duration::from_millis(row.after), Duration::from_millis(row.after + SLACK_MS + row.patience));
    must(told.answered >= from && told.answered <= to, format!("answered after {:?}", told.answered));
    wrong
}

#[test]
fn one_fault_at_a_time() {
    let _machine = machine();
    let rows = rows();
    let mut jobs: Vec<(Row, Over)> = rows.iter().flat_map(|row| row.over.iter().map(|over| (*row, *over))).collect();
    // Those that wait start first.
    jobs.sort_by_key(|(row, _)| row.after + row.patience);
    assert!(rows.len() >= 70, "{} rows", rows.len());
    let begun = Instant::now();
    let wrong = in_parallel(jobs, 14, |(row, over)| judge(row, *over));
    assert!(wrong.is_empty(), "{} complaints:\n{}", wrong.len(), wrong.join("\n"));
    assert!(begun.elapsed() < Duration::from_secs(120), "{:?}", begun.elapsed());
}

#[test]
fn every_fault_has_a_row_on_every_transport_it_has() {
    let rows = rows();
    for fault in faults::all() {
        let covered = |over: Over| rows.iter().any(|row| row.fault == fault.name && row.over.contains(&over));
        if matches!(fault.on, faults::On::Stdio | faults::On::Both) {
            assert!(covered(Over::Stdio), "{} has no row over stdio", fault.name);
        }
        if matches!(fault.on, faults::On::Http | faults::On::Both) {
            assert!(covered(Over::Http) || covered(Over::Sse), "{} has no row over HTTP", fault.name);
        }
    }
}

/// What is heard beside a reply has a bound in bytes, too, and each message is told of all the same.
#[test]
fn of_huge_notifications_little_is_kept() {
    let _machine = machine();
    for over in [Over::Stdio, Over::Http] {
        let told = run(&healthy("log-huge", BOTH, PATIENT), over, &["--json"]);
        assert!(told.stdout.len() < 4 << 20, "{over:?}: {} bytes", told.stdout.len());
        let document: serde_json::Value = serde_json::from_str(&told.stdout).unwrap();
        let heard = document["notifications"].as_array().unwrap();
        assert!(heard.iter().all(|notice| notice["method"] == "notifications/message"), "{over:?}");
        assert_eq!(heard.len(), 40, "{over:?}");
    }
}

/// An error that names the request is an answer to it under 404, too; an error that names none says that the session is gone.
#[test]
fn a_method_that_is_not_there_is_no_lost_session() {
    let _machine = machine();
    for (fault, call, is_lost) in
        [("method-404", "demo/none --protocol legacy", false), ("session-always-404", LEGACY, true)]
    {
        let told = run(&healthy(fault, HTTP, call), Over::Http, &["--json"]);
        let document: serde_json::Value = serde_json::from_str(&told.stdout).unwrap();
        assert_eq!(document["reason"], "rpc_error", "{fault}: {document}");
        let noted = document["findings"].as_array().unwrap();
        assert_eq!(noted.iter().any(|finding| finding["id"] == "session.expired"), is_lost, "{fault}: {document}");
    }
}

/// It sends 60 pings whose ids fill the pipe that it does not read, then its answer, then 140 more.
#[test]
fn a_server_that_asks_and_does_not_read_delays_neither_its_answer_nor_the_end() {
    let _machine = machine();
    let script = r#"
        says() { printf '{"jsonrpc":"2.0","id":%s,"result":{%s}}\n' "$1" "$2"; }
        ping() { printf '{"jsonrpc":"2.0","id":"%s %s","method":"ping"}\n' "$1" "$long"; }
        long=$(head -c 8000 /dev/zero | tr '\0' x)
        read opening
        says 1 '"protocolVersion":"2025-11-25","capabilities":{"tools":{}},"serverInfo":{"name":"x","version":"1"}'
        read ready; read call
        i=0; while [ $i -lt 60 ]; do ping $i; i=$((i+1)); done
        says 2 '"tools":[]'
        while [ $i -lt 200 ]; do ping $i; i=$((i+1)); done
        exec sleep 60"#;
    let call = "tools/list --protocol legacy --timeout 4s --json -- sh -c";
    let mut line: Vec<String> = call.split(' ').map(str::to_owned).collect();
    line.push(script.to_owned());
    let begun = Instant::now();
    let told = probe(line);
    assert_eq!(told.code, 0, "{told:?}");
    assert!(begun.elapsed() < Duration::from_secs(8), "{:?}", begun.elapsed());
}

/// What a person sees of hostile servers, in every rendering: nothing that acts on a terminal.
#[test]
fn hostile_text_never_reaches_a_person() {
    let _machine = machine();
    let hostile = [
        ("stderr-ansi", LIST),
        ("stdout-ansi", LIST),
        ("error-hostile", LIST),
        ("hostile-name", LIST),
        ("tools-poisoned", LIST),
        ("hostile-texts", LIST),
        ("hostile-texts", ECHO),
        ("hostile-error", ECHO),
        ("tools-poisoned", "tools/list --color always"),
        ("call-hostile-text", ECHO),
    ];
    let jobs: Vec<_> = hostile.into_iter().flat_map(|row| [(row, false), (row, true)]).collect();
    let wrong = in_parallel(jobs, 4, |((fault, call), wire)| {
        let row = healthy(fault, BOTH, call);
        let told = run(&row, Over::Stdio, if *wire { &["-v"] } else { &[] });
        let colours = |text: &str| {
            let own = regex::Regex::new("\x1b\\[[0-9;]*m").unwrap();
            if call.contains("always") { own.replace_all(text, "").into_owned() } else { text.to_owned() }
        };
        let found = [harmful(&colours(&told.stdout)), harmful(&colours(&told.stderr))].concat();
        let mut wrong = Vec::new();
        if !found.is_empty() {
            wrong.push(format!("{fault}, {call}, -v {wire}: {found:?} in {told:?}"));
        }
        if told.stdout.is_empty() && told.stderr.is_empty() {
            wrong.push(format!("{fault}: nothing was said"));
        }
        wrong
    });
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

/// What shows only when the session ends, `check` tells: here the built-in probe of one target.
#[test]
fn what_closing_shows_is_told_by_check() {
    let _machine = machine();
    let cases = [
        ("ignore-eof", Over::Stdio, "stdio.exit_on_eof", "SIGTERM"),
        ("ignore-sigterm", Over::Stdio, "stdio.exit_on_eof", "SIGKILL"),
        ("fork-grandchild", Over::Stdio, "stdio.survivors", "1 left, and ended by us"),
        ("fork-detached", Over::Stdio, "stdio.survivors", "1 left, and ended by us"),
        ("two-replies", Over::Stdio, "rpc.unknown_id", "id"),
        ("two-different-replies", Over::Stdio, "rpc.unknown_id", "id"),
        ("stderr-flood", Over::Stdio, "stdio.stderr_volume", "KiB"),
        ("no-session-delete", Over::Http, "session.delete", "HTTP 500"),
        ("delete-hang", Over::Http, "session.delete", "no answer within"),
    ];
    let wrong = in_parallel(cases.to_vec(), 9, |(fault, over, id, word)| {
        let served = (*over == Over::Http).then(|| Served::start(["--fault", fault]));
        let mut file = String::from("[target.demo]\n");
        match &served {
            Some(served) => file += &format!("url = {:?}\nprotocol = \"legacy\"\n", served.url()),
            None => file += &format!("command = [{BINARY:?}, \"demo\", \"--fault\", {fault:?}]\n"),
        }
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("probes.toml");
        std::fs::write(&path, file).unwrap();
        let told = probe(["check".as_ref(), path.as_os_str(), "--json".as_ref()]);
        let document = told.document();
        let findings = document["probes"][0]["findings"].as_array().cloned().unwrap_or_default();
        let found = findings.iter().any(|finding| {
            finding["id"] == *id && finding["actual"].as_str().is_some_and(|actual| actual.contains(word))
        });
        if found && told.code == 0 { vec![] } else { vec![format!("{fault}: exit {}, {document}", told.code)] }
    });
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

/// The least time of several tries, so that a busy machine is not taken for a slow prober.
fn best(tries: u32, mut one: impl FnMut() -> Told) -> Duration {
    (0..tries).map(|_| one().answered).min().unwrap()
}

#[test]
fn failures_are_told_at_once() {
    let _machine = machine();
    let command = |fault: &[&str], options: &[&str]| {
        let mut line = vec!["tools/list", "--json"];
        line.extend(options);
        line.extend(["--", BINARY, "demo"]);
        line.extend(fault);
        probe(line)
    };
    // The way there and back of a call that goes well; what a failure may add to it is the hundred milliseconds.
    let way = best(5, || command(&[], &[]));
    let limit = way + Duration::from_millis(100);
    for fault in ["exit-at-start", "exit-at-start-silent", "exit-during-call", "crash-signal"] {
        let took = best(5, || command(&["--fault", fault], &[]));
        assert!(took <= limit, "{fault}: {took:?}, a good call takes {way:?}");
    }
    let took = best(5, || probe(["tools/list", "--json", "--", "/nonexistent/server"]));
    assert!(took <= limit, "no such program: {took:?}");
    let free = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    let took = best(5, || probe(["tools/list".to_owned(), "--json".to_owned(), format!("http://{free}/mcp")]));
    assert!(took <= limit, "refused: {took:?}");
    // A silent server: the time-out and the hundred milliseconds.
    let silent = ["--timeout", "300ms", "--startup-timeout", "300ms"];
    for (fault, tries) in [("silent", 3), ("silent-calls", 3), ("deaf", 1)] {
        let took = best(tries, || command(&["--fault", fault], &silent));
        assert!(took <= limit + Duration::from_millis(300 + if tries == 1 { 500 } else { 0 }), "{fault}: {took:?}");
    }
}

#[test]
fn a_slow_exit_delays_only_the_exit() {
    let _machine = machine();
    let cases = [("slow-exit", DELAY_MS, true), ("slow-exit", DELAY_MS, false), ("ignore-eof", 2_500, true)];
    let wrong = in_parallel(cases.to_vec(), 3, |(fault, least, json)| {
        let row = healthy(fault, STDIO, LIST);
        let told = run(&row, Over::Stdio, if *json { &["--json"] } else { &[] });
        let gap = told.ended.checked_sub(told.answered).unwrap();
        // The rows of a table come one by one and have no end that can be seen; the document is one line.
        let gap_is_right = !json || gap >= Duration::from_millis(least - 500);
        let right = told.code == 0 && told.ended >= Duration::from_millis(*least) && gap_is_right;
        if right { vec![] } else { vec![format!("{fault}: {gap:?} between answer and exit: {told:?}")] }
    });
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

//! Statuses, what to do about each reason, and what else there is to know about exit codes.

use super::super::exit::Code;
use crate::event::Reason;

/// Word, summary, more.
pub const STATUSES: &[(&str, &str, &str)] = &[
    ("healthy", "Everything was as expected.", "Exit code 0."),
    (
        "degraded",
        "It works, but something is not as it should be: a warning bound was passed, or only a retry succeeded.",
        "Exit code 0, unless `--fail-on degraded` is given; then that of its reason.",
    ),
    (
        "failed",
        "The server is at fault: no answer, a wrong answer, or one that came too late.",
        "The reason says which; it decides the exit code.",
    ),
    (
        "unknown",
        "We could not tell: the run was interrupted, nobody agreed to start the target, the fault was our own, or \
         something else explains the failure: the prober's network, or a target that this one depends on.",
        "Never counted as a failure of the server. Exit code 8, where nothing failed.",
    ),
    (
        "skipped",
        "The step was not run, because one before it failed.",
        "A step with `always = true` runs nevertheless.",
    ),
];

/// What to do about a reason.
#[must_use]
pub fn remedy(reason: Reason) -> &'static str {
    match reason {
        Reason::Spawn => {
            "Is the program installed, in PATH and executable? Is the working directory right? The command after `--` is started as it is, without a shell: pipes and variables need `sh -c '…'`."
        }
        Reason::Exited => {
            "The end of its stderr is shown below the message; start the same command by hand to see the rest. Missing variables (`-e KEY=value`) and wrong arguments are the usual causes."
        }
        Reason::Resolve => {
            "Check the spelling of the host, the DNS server and, inside containers, the name of the service."
        }
        Reason::Connect => {
            "Does the server listen on that address and port? A refusal comes at once and means that nobody listens; silence points to a firewall."
        }
        Reason::Tls => {
            "The message says which check failed. For a private authority give its certificate with --cacert; --insecure shows whether everything else works, and says so in every output."
        }
        Reason::Http => {
            "The usual causes: a wrong path (try /mcp), a proxy or login page in between, a server that speaks HTTP+SSE only (try --transport sse). `-v` shows what came."
        }
        Reason::Auth => {
            "Give a token with --bearer, or the header that the server asks for with -H. A 403 means that the credentials were understood, and are not enough."
        }
        Reason::RateLimited => {
            "Probe less often, or ask for a higher limit. Retry-After, where the server sent it, is in the message."
        }
        Reason::Timeout => {
            "Raise --timeout if the call is slow by nature, --startup-timeout if it is the start (a first `npx` installs packages). `-v` shows how far it came."
        }
        Reason::Closed => {
            "The server crashed, was restarted, or a proxy between cut the connection; its own log knows more. A proxy that cuts idle event streams is a classic."
        }
        Reason::Protocol => {
            "The message names the rule that was broken; `--trace FILE.jsonl` keeps the evidence. Logs on stdout are the classic: over stdio, stdout belongs to the protocol."
        }
        Reason::Incompatible => {
            "Without --protocol everything is tried that mcp-probe speaks; pinned to a version, nothing else is. The versions that the server offers are in the message, where it said so."
        }
        Reason::RpcError => {
            "The server's code and message are shown. -32601 means that it does not know the method, -32602 that it does not like the parameters."
        }
        Reason::ToolError => {
            "The tool ran and said that it failed (isError); its own text is the explanation. If that is what you expect, write `expect.is_error = true`."
        }
        Reason::Check => {
            "Each check shows what was expected, what came, where in the reply, and where in the probe file."
        }
        Reason::Slow => {
            "The bound is `expect.latency`. The phases tell whether the time went into connecting or into the call itself."
        }
        Reason::Drift => {
            "`mcp-probe lock --check` shows every change with its class, the old words and the new. If it is meant, `mcp-probe lock` takes it over; review the difference in version control."
        }
        Reason::Flaky => "Every attempt is in the JSON report. A probe that needs retries will one day fail with them.",
        Reason::TooLarge => "Bounds protect the prober from a server that never stops. Ask for less, or for pages.",
        Reason::Suspended => {
            "The machine slept, or mcp-probe was stopped, frozen or without processor time while the run was on; nothing is said about the server. Where it happens again and again, give the prober more of a machine, or less to do."
        }
        Reason::Cancelled => {
            "Ctrl-C, SIGTERM, or no consent: a target found in a client file starts a program or uses variables, which needs your yes or `--yes`."
        }
        Reason::Internal => "Please report it, with the output of the same command with `-v`.",
    }
}

/// What else there is to know about a code.
#[must_use]
pub fn code_note(code: Code) -> &'static str {
    match code {
        Code::Healthy => "Nothing needs to be done.",
        Code::Failed => {
            "Reasons: http, rate_limited, timeout after the handshake, protocol, incompatible, check, slow, drift, flaky, too_large, suspended, cancelled. Also when several probes failed for reasons with different codes."
        }
        Code::Usage => "Nothing was sent. The message says what was not understood, and where.",
        Code::Auth => "Reason: auth. Give credentials with --bearer or -H.",
        Code::Unreachable => {
            "Reasons: resolve, connect, tls, spawn, exited, closed, and timeout before the handshake was complete."
        }
        Code::ServerError => "Reasons: rpc_error and tool_error. The transport works; the server says no.",
        Code::Nothing => {
            "A filter (`--probe`, `--target`, `-l`) that matches nothing ends like this, so that a misspelt name never looks like health."
        }
        Code::Undelivered => {
            "The probes are fine; a push that was marked as required, or a report file, could not be written."
        }
        Code::Unknown => "Failed outranks unknown: nothing failed, but something could not be judged.",
        Code::Bug => "Please report it, with the output of the same command with `-v`.",
        Code::Interrupted => "Sessions were closed and children ended before the exit; a second Ctrl-C skips that.",
        Code::Terminated => "As 130, after SIGTERM.",
    }
}

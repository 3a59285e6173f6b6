//! What is noticed beside the checks: what each finding is, why it matters, how a server's author mends it.

/// One finding id.
pub struct FindingTopic {
    /// The stable id.
    pub id: &'static str,
    /// What was noticed.
    pub what: &'static str,
    /// Why it matters.
    pub why: &'static str,
    /// What the server's author (or operator) does about it.
    pub mend: &'static str,
}

const fn row(id: &'static str, what: &'static str, why: &'static str, mend: &'static str) -> FindingTopic {
    FindingTopic { id, what, why, mend }
}

/// Every id, by its family.
pub static FINDINGS: &[FindingTopic] = &[
    row(
        "stdio.stdout_clean",
        "Lines that are no JSON-RPC messages came on stdout.",
        "Over stdio, stdout belongs to the protocol. Some clients skip such lines, others disconnect.",
        "write logs to stderr; look for a print or console.log, and for package managers that greet (`npx --quiet`, `npm run -s`).",
    ),
    row(
        "stdio.exit_on_eof",
        "The server did not end when its stdin was closed; it needed a signal.",
        "Closing stdin is how clients end a server. One that stays is left behind as an orphan.",
        "end the process when reading stdin gives end-of-file.",
    ),
    row(
        "stdio.survivors",
        "Processes that the server had started were still alive after it had ended.",
        "They gather with every start, and hold ports, files and memory.",
        "end children before exiting; wrappers (`npx`, `sh -c`) should `exec` the server.",
    ),
    row(
        "stdio.stderr_volume",
        "The server wrote a great deal to stderr.",
        "Clients that do not read stderr block the server once the pipe is full.",
        "lower the log level, or log to a file.",
    ),
    row(
        "stdio.framing",
        "Messages were not one line each: a message over several lines, an empty line, or a missing line feed.",
        "A message ends at its line feed and may contain none; a strict reader loses step.",
        "write each message as compact JSON, with one line feed after it, in one write.",
    ),
    row(
        "rpc.unsolicited",
        "The server sent a request although 2026-07-28 has no requests from servers.",
        "In the stateless era nobody listens for them: a server that waits for the answer hangs.",
        "ask by a result of the type `input_required` instead.",
    ),
    row(
        "rpc.malformed",
        "A message broke the rules of JSON-RPC 2.0 or was not JSON, and could not be matched to a call.",
        "Clients drop it, or the whole connection with it; whoever waited for it waits until the time is over.",
        "send objects with `jsonrpc`, and either `method`, or `id` with one of `result` and `error`; `--trace FILE.jsonl` keeps what came.",
    ),
    row(
        "rpc.unknown_id",
        "A reply carried an id that was never used, or was answered already.",
        "It cannot be matched to a call: either two replies were sent, or ids were mixed up between sessions.",
        "answer each request once, with exactly the id it came with (a number stays a number).",
    ),
    row(
        "rpc.batch",
        "The server sent a JSON-RPC batch in a revision that has none.",
        "Only 2025-03-26 knows batches; other clients reject the array.",
        "send each message by itself.",
    ),
    row(
        "tool.output_schema",
        "A tool's `outputSchema` cannot be judged with: it is no valid JSON Schema, names an unknown dialect, refers to a document outside, or is over a bound.",
        "Clients that check answers by it refuse the tool or the whole list; those that do not are never told of a wrong answer.",
        "write it in JSON Schema 2020-12, with everything it refers to under `$defs`.",
    ),
    row(
        "tool.schema_pattern",
        "A pattern in a tool's `outputSchema` cannot be compiled. The rest of the schema was judged without it.",
        "Clients differ in what they do with it: some refuse the tool, some ignore the pattern.",
        "write patterns as ECMA-262 regular expressions, and keep repetitions small.",
    ),
    row(
        "era.changed",
        "The server no longer spoke what it spoke when it was opened before (`protocol = \"auto\"`): the era, or the transport.",
        "Clients that remember the era of a server fail until they ask anew.",
        "nothing, where it was meant; else look whether several servers, or several versions, answer under one name.",
    ),
    row(
        "era.discover",
        "The answer to server/discover was unusual, and the era had to be judged from it.",
        "Clients that try the modern era first may judge it otherwise, and fail to connect.",
        "answer an unknown method with -32601, and an unsupported version with -32022 and the list of those supported.",
    ),
    row(
        "initialize.result",
        "The result of initialize lacks a member that every revision requires, or has it in the wrong shape.",
        "Strict clients refuse such a server; others cannot tell its name or what it offers.",
        "give protocolVersion, capabilities and serverInfo with name and version; an SDK does so by itself.",
    ),
    row(
        "http.redirect",
        "The endpoint answered with a redirect.",
        "Clients differ in what they follow, many turn the POST into a GET, and credentials are dropped on the way to another origin.",
        "configure clients with the final URL; often only a slash at its end is missing or too much.",
    ),
    row(
        "http.notification_202",
        "A notification was not acknowledged with 202 Accepted and an empty body.",
        "The specification asks for 202; some clients treat anything else as an error.",
        "answer messages that are no requests with 202 and no body.",
    ),
    row(
        "http.unacknowledged",
        "What the client posted that is no request, such as its answer to a ping, was not acknowledged.",
        "The specification asks for 202 at once. Each of them holds a connection, or a stream of one, until it is acknowledged; mcp-probe gives up the oldest where 16 wait, and each after 30 seconds.",
        "answer with 202 and no body as soon as the message has been read, before anything is done about it.",
    ),
    row(
        "http.gzip_unasked",
        "The reply was compressed although that had not been asked for.",
        "A client that did not send Accept-Encoding may not be able to read it.",
        "compress only when the request says `Accept-Encoding: gzip`; look at the proxy, too.",
    ),
    row(
        "http.stale_connection",
        "The server closed a connection that was kept open, just as it was used again.",
        "The request was sent once more on a new connection, so the latency of that call holds both. A client that does not repeat it fails now and then.",
        "let idle connections live for longer than clients pause, and say `Connection: close` with the last answer; look at the idle time-out of the proxy, too.",
    ),
    row(
        "http.header_overridden",
        "A header given by the user has the name of one that the protocol sets itself; the protocol's was sent.",
        "Content-Type, Accept, Mcp-Session-Id and the like decide whether a server understands the message.",
        "leave it out of the headers of this target.",
    ),
    row(
        "http.clock_skew",
        "The clock of the server differs from the prober's by more than a minute.",
        "Tokens and certificates are good from one time to another: a server whose clock is wrong refuses good ones, or takes bad ones. Which of the two clocks is wrong cannot be seen from here.",
        "let both machines get the time by NTP; compare `date -u` on both.",
    ),
    row(
        "stdio.start_time",
        "The server took over 30 seconds from its start to the end of the handshake.",
        "Clients give up: many wait 30 seconds for a server to start, and start it anew, from the beginning.",
        "install the server ahead instead of letting `npx` or `uvx` fetch it at each start, and do what takes long after the handshake.",
    ),
    row(
        "session.delete",
        "Ending the session with DELETE was answered in an unusual way.",
        "Sessions that cannot be ended live in the server's memory until they expire.",
        "answer DELETE with 2xx, or with 405 where sessions cannot be ended by clients.",
    ),
    row(
        "session.expired",
        "The server no longer knew the session, and a new one was opened.",
        "Frequent expiry costs every client a new handshake, and state is lost: often several instances without sticky routing.",
        "keep sessions for longer than clients pause, and share them between instances or route by Mcp-Session-Id.",
    ),
    row(
        "session.lost",
        "A session that `watch` held for a probe with `session = \"reuse\"` was gone when the next run wanted it, and a new one was opened.",
        "A process that ends by itself between two runs has crashed or given up: each client that kept it loses its state.",
        "look into why the server ended (its stderr is in the message); a server or proxy that closes idle connections is told by this, too.",
    ),
    row(
        "session.replicas",
        "A session that was opened at one address of the server's name is not known at another (targets with `resolve`).",
        "Whoever is led to the other replica in the middle of a session gets 404, and loses it.",
        "share sessions between replicas, speak 2026-07-28 (which has none), or let the balancer keep a client where its session is; then set `findings = { \"session.replicas\" = \"report\" }`.",
    ),
    row(
        "replicas.version_skew",
        "The addresses of the server's name call themselves different servers or versions, or speak different revisions (targets with `resolve`).",
        "While a new version is rolled out that is how it has to be; when it stays, clients get now this server, now that.",
        "look for an instance that was not replaced, or a rollout that got stuck.",
    ),
    row(
        "replicas.tools_skew",
        "The addresses of the server's name have different tools (targets with `resolve`).",
        "A tool that a client has seen listed may not be there when it is called, and a list that changes costs the client its cache.",
        "run the same version with the same settings everywhere; look for tools that depend on what an instance can reach.",
    ),
    row(
        "replicas.unwatched",
        "The server's name has more addresses than are probed by themselves (targets with `resolve`).",
        "Each replica is a row, a history and a series of every metric; a name with hundreds of addresses would be hundreds of each.",
        "name the replicas that matter: `resolve = [\"10.0.0.1\", \"10.0.0.2\"]`, or divide them among several targets.",
    ),
    row(
        "tls.insecure",
        "The server's certificate was not checked, because --insecure (or `insecure = true`) was given.",
        "Whoever sits between can read and change everything, the credentials included.",
        "trust the right authority instead: --cacert FILE, or `tls = { ca = \"…\" }`.",
    ),
    row(
        "tls.expiry",
        "The server's certificate, or one of its chain, expires soon.",
        "On that day every client fails at once.",
        "renew it, and let the server load the new one.",
    ),
    row(
        "list.pagination",
        "Paging through a list went wrong: a cursor came twice or was no string, or the pages did not end.",
        "Clients loop for ever, or miss items.",
        "give each page a cursor that leads strictly on, and none on the last.",
    ),
    row(
        "modern.result_fields",
        "A result lacks a member that 2026-07-28 requires, such as resultType, ttlMs or cacheScope.",
        "Strict clients reject the result; others cannot cache it.",
        "add the members; an SDK of that revision does so by itself.",
    ),
    row(
        "modern.server_info",
        "The reply does not say which server gave it.",
        "In the stateless era each result should carry the server's name and version, since there is no handshake that does.",
        "put `io.modelcontextprotocol/serverInfo` into `_meta` of the result.",
    ),
    row(
        "lock.version_unchanged",
        "Definitions are not those of the lock file, and the server still calls itself by the same version.",
        "Whoever pins or caches by the version misses the change. It is also how definitions are exchanged unnoticed.",
        "raise the version of serverInfo with every change of a definition. As a user: review the change with `mcp-probe lock --check` before you trust it.",
    ),
    row(
        "answers.unasked",
        "The server asked the client for something (sampling, elicitation, roots) that the client did not declare.",
        "A client without the capability has no answer: some hang, some disconnect, and the tool never ends.",
        "look at the client's capabilities before asking, and do without. If the step is meant to be asked, give it `answers`.",
    ),
    row(
        "answers.flood",
        "The server sent more requests to the client than are answered: 1,000 during a call, and within a minute.",
        "Each answer is work for the client, and over HTTP a request of its own. What was asked after that was not answered, so that a server which waits for an answer may not end its call.",
        "ping a client now and then, and not again before it has answered.",
    ),
];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ids_have_a_family_and_sentences_end() {
        for finding in FINDINGS {
            assert!(
                finding.id.contains('.')
                    && finding
                        .id
                        .chars()
                        .all(|c| c.is_ascii_lowercase() || matches!(c, '.' | '_') || c.is_ascii_digit()),
                "{}",
                finding.id
            );
            assert!([finding.what, finding.why, finding.mend].iter().all(|text| text.ends_with('.')), "{}", finding.id);
        }
    }
}

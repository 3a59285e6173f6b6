//! Phases, eras, the measures of the JSON documents, and what several checks of a probe file have in common.

/// Word, kind, summary, more.
pub const WORDS: &[(&str, &str, &str, &str)] = &[
    (
        "spawn",
        "phase",
        "Starting the child process.",
        "From the request to start it until the system has done so; loading and first output are part of detect or handshake.",
    ),
    ("resolve", "phase", "Looking up the host name.", "Absent for addresses, sockets and commands."),
    (
        "connect",
        "phase",
        "The TCP (or Unix socket) connection.",
        "All connections of the run together; a pooled one costs nothing.",
    ),
    ("tls", "phase", "The TLS handshake.", "Absent on http and stdio, where no TLS is set up at all."),
    (
        "detect",
        "phase",
        "Finding out which era the server speaks.",
        "A phase of its own, never part of a call's latency. Its verdict is kept per target within a run; `--protocol` makes it unnecessary.",
    ),
    (
        "handshake",
        "phase",
        "`initialize` and `notifications/initialized`, or a pinned `server/discover`.",
        "The modern era is stateless and has no handshake of its own.",
    ),
    ("call", "phase", "The calls themselves.", "All steps together, pages and repetitions included."),
    (
        "close",
        "phase",
        "Ending the session and the process.",
        "The answer is printed before; a server that is slow to end delays nothing but the exit.",
    ),
    (
        "legacy",
        "era",
        "Revisions up to 2025-11-25: a session opened by `initialize`.",
        "2024-11-05, 2025-03-26, 2025-06-18, 2025-11-25. Pin it with `--protocol legacy`, or one version with its date.",
    ),
    (
        "modern",
        "era",
        "2026-07-28 and later: stateless, with `_meta` on every request.",
        "Every request carries the version and the client's capabilities; `server/discover` tells what the server is. Pin it with `--protocol modern`.",
    ),
    (
        "stdio",
        "transport",
        "A child process, one message a line.",
        "The command stands after `--`, or in `command` of the target.",
    ),
    (
        "streamable-http",
        "transport",
        "One endpoint: POST per message, JSON or an event stream in reply.",
        "2025-03-26 and later. A bare URL means this, with a fall-back to HTTP+SSE where the server asks for it.",
    ),
    (
        "sse",
        "transport",
        "HTTP+SSE of 2024-11-05: a GET stream, and an endpoint for POST that it names.",
        "Chosen with `--transport sse`; else tried when the server refuses Streamable HTTP.",
    ),
    (
        "latency_ms",
        "measure",
        "Request written to last byte of the reply, in milliseconds.",
        "Of the first page of a list. Connecting, detection and queueing are never part of it.",
    ),
    (
        "first_byte_ms",
        "measure",
        "Request written to first byte of the reply, in milliseconds.",
        "For an event stream: the first byte of the stream.",
    ),
    (
        "total_ms",
        "measure",
        "All pages of a list, all rounds of input, and retries that the protocol demands, in milliseconds.",
        "Equals the latency where there is one page.",
    ),
    ("pages", "measure", "How many pages a list had.", "`result` holds the items of all pages."),
    (
        "tokens",
        "measure",
        "What a tool costs a model to know: about a quarter of the characters of its name, description and inputSchema.",
        "An approximation, shown with `~`.",
    ),
    ("passed", "check status", "The reply is as the check expects.", "The step is healthy when all its checks passed."),
    (
        "warned",
        "check status",
        "A warning bound was passed, the bound that fails was not.",
        "The step and its probe are degraded.",
    ),
    (
        "blocked",
        "check status",
        "The check could not be judged, because there is no reply or not the part of it that is needed.",
        "The step is failed: what cannot be judged is never green.",
    ),
    (
        "operators",
        "probe file",
        "What a table means where a check compares values: `{ ge = 1, le = 14 }`.",
        "equals, not, gt, ge, lt, le, contains, matches, starts_with, ends_with, type, len, exists, all, any; several are joined by and. A value that is no table is compared as it is. `not`, `all`, `any` and `len` take operators or a plain value. `matches` is a regular expression that may match anywhere; `type` is one of null, boolean, integer, number, string, array, object.",
    ),
    (
        "path",
        "probe file",
        "A JSONPath (RFC 9535) from the reply's `result`: `$.content[0].text`.",
        "A singular path gives the value it names, any other (`$.tools[*].name`) the array of what it matched. No match fails, unless the check says `exists = false` or `len = 0`.",
    ),
    (
        "variables",
        "probe file",
        "`${VAR}`, `${VAR:-default}`, `${file:path}` and, in steps, `${save.name}`.",
        "Filled in where a command needs the key; an unset one is a mistake that names the key. `$${` is a literal `${`. A string that is nothing but one `${save.x}` keeps the type of what was saved.",
    ),
];

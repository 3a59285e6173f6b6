//! The prose of `--help`: the grammar in four lines, and examples that can be copied.

pub(super) const USAGE: &str = "mcp-probe <METHOD> [TARGET]... [OPTIONS] [-- COMMAND [ARG]...]
       mcp-probe [TARGET]... [OPTIONS] [-- COMMAND [ARG]...]
       mcp-probe <COMMAND> [OPTIONS]";

pub(super) const SHORT: &str =
    "`mcp-probe --help` says more, with examples; `mcp-probe explain` lists every word of the output.";

pub(super) const EXAMPLES: &str = "\
Examples:
  What can this server do?
    mcp-probe https://host/mcp
    mcp-probe -- npx -y @modelcontextprotocol/server-everything

  One list, one call, one resource
    mcp-probe tools/list https://host/mcp
    mcp-probe tools/call weather --tool forecast --arg city=Oslo --arg days:=3
    mcp-probe tools/call weather --tool echo --args '{\"message\":\"hi\"}'
    mcp-probe resources/read files --param uri=file:///etc/hostname

  Any method, any parameters, any revision
    mcp-probe initialize https://host/mcp --protocol 2025-06-18
    mcp-probe completion/complete weather --params @request.json

  For scripts
    mcp-probe tools/list https://host/mcp --jq '.tools[].name'
    mcp-probe tools/list https://host/mcp --json | jq .latency_ms
    mcp-probe tools/list https://host/mcp | cut -f1

  How fast is it?
    mcp-probe tools/list weather -n 200 --interval 50ms

  Credentials
    mcp-probe tools/list https://host/mcp --bearer env:TOKEN -H 'X-Team: search'

  What is configured here, and why does it not work in Claude Desktop?
    mcp-probe targets
    mcp-probe tools/list --as claude-desktop -- npx -y some-server

  What went over the wire?
    mcp-probe tools/list https://host/mcp -v
    mcp-probe tools/list https://host/mcp --trace wire.jsonl

Targets:
  A URL, a command after `--`, or a name found in -f FILE, ./mcp-probe.toml,
  ./probes/*.toml and the files of MCP clients. What follows `--` is the
  server's command, always: options of mcp-probe stand before it.

Exit codes:
  0 healthy            1 wrong or too slow   2 usage       3 authentication
  4 unreachable        5 error of server     6 nothing to do
  7 not delivered      8 unknown             70 a bug here
  130 interrupted      143 terminated";

pub(super) const CHECK: &str = "\
Examples:
  mcp-probe check                            ./mcp-probe.toml, ./probes/*.toml
  mcp-probe check a.toml --probe 'login-*'   some probes of one file
  mcp-probe check https://host/mcp           no file: open, read the lists
  mcp-probe check --dry-run                  what would be sent, and to whom
  mcp-probe check --json > report.json       for scripts
  mcp-probe check --jq '.probes[] | select(.status == \"failed\") | .name'
  mcp-probe check --report junit=junit.xml   for CI, beside the table; also html, sarif, tap, ...
  mcp-probe check --fail-fast --retries 2    stop early, forgive a hiccup
  mcp-probe check --repeat 20 -j 1           is it the same every time?
  mcp-probe check --fail-on degraded         a warning is a failure, too
  mcp-probe check -l env=prod --exit-style nagios";

pub(in crate::cli) const VALIDATE: &str = "\
Examples:
  mcp-probe validate                         ./mcp-probe.toml, ./probes/*.toml
  mcp-probe validate probes/ more.toml       folders and files are one plan
  mcp-probe validate --env-required          also: is every variable set here?
  mcp-probe validate --deny-warnings         for CI
  mcp-probe validate --jq '.diagnostics[] | .file + \":\" + .message'";

pub(in crate::cli) const ALERTS: &str = "\
Examples:
  mcp-probe alerts test --replay --since 7d  the last week again, with the rules of today
  mcp-probe alerts test probes/ --synthetic requests=45203,errors=23,p95=1840ms
  mcp-probe alerts test rules.toml --synthetic requests=5760,errors=600,span=1d --json

Exit code 0 when nothing fires, 1 when something does.";

pub(in crate::cli) const ALERTS_LIST: &str = "\
Examples:
  mcp-probe alerts list                      the alerts of the project's files, and which of them fire
  mcp-probe alerts list probes/ --state /var/lib/mcp-probe
  mcp-probe alerts list --jq '.alerts[] | select(.open != []) | .name'";

pub(in crate::cli) const NOTIFY_TEST: &str = "\
Examples:
  mcp-probe notify test ops                  one notifier of the project's files
  mcp-probe notify test prod.toml --all      every notifier of a file
  mcp-probe notify test ops --dry-run        what would be sent, secrets masked

Exit codes:
  0 all delivered   7 one was not   2 no such notifier   6 there is none";

pub(in crate::cli) const WAIT: &str = "\
Examples:
  mcp-probe wait https://host/mcp            up to a minute
  mcp-probe wait --for 5m && mcp-probe check every probe of the project first
  mcp-probe wait a.toml --probe smoke        until that probe is healthy
  mcp-probe wait --for 2m -- npx -y some-server";

pub(in crate::cli) const WATCH: &str = "\
Examples:
  mcp-probe watch                            ./mcp-probe.toml, ./probes/*.toml
  mcp-probe watch probes/ --listen 127.0.0.1:0   the page on a free port
  mcp-probe watch --state /var/lib/mcp-probe --log-format json
  mcp-probe watch --log-level debug          every single run in the log
  kill -HUP PID                              read the files again
  kill -TERM PID                             end in order, with exit code 0";

pub(in crate::cli) const STATUS: &str = "\
Examples:
  mcp-probe status                           of the daemon on this machine; exit code 1 where something failed
  mcp-probe status --url https://probe.example:9490 -H 'Authorization: Bearer …'
  mcp-probe status --jq '.alerts[] | .alert + \" \" + .target'";

pub(in crate::cli) const TOP: &str = "\
Examples:
  mcp-probe top                              of the daemon on this machine
  mcp-probe top --url http://127.0.0.1:9490 --interval 1s
Keys: arrows or j and k choose, Enter shows one in detail, Esc goes back, q quits.";

pub(in crate::cli) const INIT: &str = "\
Examples:
  mcp-probe init https://host/mcp > probes/host.toml
  mcp-probe init https://host/mcp --bearer env:TOKEN -o probes/host.toml
  mcp-probe init -o probes/files.toml -- npx -y @modelcontextprotocol/server-filesystem .
  mcp-probe init --call-read-only -- mcp-probe demo   tools that pass become steps";

pub(in crate::cli) const SCHEMA: &str = "\
Examples:
  mcp-probe schema > mcp-probe.schema.json   for editors, with this as the first line of a probe file:
                                             #:schema ./mcp-probe.schema.json
  mcp-probe schema --report                  the document of `check --json`
  mcp-probe schema --jq '.properties.target.additionalProperties.properties | keys[]'";

pub(in crate::cli) const HISTORY: &str = "\
Examples:
  mcp-probe history                          every target: bars, uptime, p50 and p95
  mcp-probe history weather                  its failures and alerts of a day
  mcp-probe history weather --since 7d -v    with what was said in them
  mcp-probe history weather --runs --limit 500   every run
  mcp-probe history --jq '.targets[] | select(.uptime.incidents > 0) | .target'";

pub(in crate::cli) const REPORT: &str = "\
Examples:
  mcp-probe report                           99.9 % over 30 days, all targets
  mcp-probe report weather --slo 99.95 --since 7d
  mcp-probe report --probe '*'               each probe by itself
  mcp-probe report --json > slo.json         for scripts

Exit codes:
  0 every objective is met    1 one is missed    8 too little is known to tell
  6 there is no history";

pub(in crate::cli) const TARGETS: &str = "\
Examples:
  mcp-probe targets                          all of them, with their files
  mcp-probe targets 'git*' --json            some of them, for scripts
  mcp-probe targets -f ~/other/.mcp.json     those of one file
  mcp-probe targets --trust                  look at each, say yes or no
  mcp-probe targets --trust github --yes     without a terminal
  mcp-probe targets --forget '*'             withdraw every yes";

pub(super) const COMPLETIONS: &str = "\
Examples:
  mcp-probe completions zsh > ~/.zfunc/_mcp-probe
  mcp-probe completions fish > ~/.config/fish/completions/mcp-probe.fish
  mcp-probe completions bash \\
    > ~/.local/share/bash-completion/completions/mcp-probe";

pub(in crate::cli) const LOCK: &str = "\
Examples:
  mcp-probe lock                             the targets of ./mcp-probe.toml and ./probes/*.toml
  mcp-probe lock --check                     compare; 1 where something differs
  mcp-probe lock weather                     the entry of one target; the others stay
  mcp-probe lock --lock-file a.lock -- npx -y some-server

No tool is called. Every list is read whole, or nothing is written.";

pub(in crate::cli) const DIFF: &str = "\
Examples:
  mcp-probe diff mcp-probe.lock weather      what changed since it was locked?
  mcp-probe diff https://old/mcp https://new/mcp --breaking
  mcp-probe diff old.lock mcp-probe.lock
  mcp-probe tools/list weather --json > tools.json; mcp-probe diff tools.json weather

Exit codes: 0 the same, 1 different (with --breaking: somebody may be let down).";

pub(in crate::cli) const AUDIT: &str = "\
Examples:
  mcp-probe audit https://host/mcp           every rule that can be seen by reading
  mcp-probe audit https://host/mcp --invasive   also what becomes of invalid messages
  mcp-probe audit weather --tool 'echo={\"message\":\"hi\"}'   with calls of this tool
  mcp-probe audit --json -- npx -y some-server > audit.json

No tool is called unless --tool names it. Exit code 1 where a MUST is violated.";

//! `mcp-probe demo`: the demo server from the command line.

use std::io::{self, IsTerminal as _, Write as _};
use std::path::PathBuf;
use std::time::Duration;

use clap::{ArgGroup, Args};

use super::complaint::Complaint;
use super::exit::Code;
use crate::base::duration;
use crate::base::secret::Secret;
use crate::demo::faults::{self, Fault};
use crate::demo::revision::{Era, Revision};
use crate::demo::{self, Listen, Responses, Settings, Tls};

const EXAMPLES: &str = "\
Examples:
  mcp-probe tools/list -- mcp-probe demo            a call to it over stdio
  mcp-probe demo --http 127.0.0.1:8080              over HTTP, at http://127.0.0.1:8080/mcp
  mcp-probe demo --era legacy --latency 20ms --jitter 10ms
  mcp-probe demo --fault tools-poisoned             with one thing wrong; may be repeated
  mcp-probe demo --fault http-503 --fault-on tools/call --fault-after 3 --http 127.0.0.1:0
  mcp-probe demo --faults                           every fault there is

Over HTTP the server also answers HTTP+SSE (2024-11-05) at /sse, and its counters at GET /stats.
A call is any request but initialize and server/discover.";

/// Runs a small MCP server that can be told to misbehave.
#[derive(Debug, Args)]
#[command(after_help = EXAMPLES, group = ArgGroup::new("responses").multiple(false))]
#[expect(clippy::struct_excessive_bools, reason = "flags of a command line")]
pub struct DemoArgs {
    /// Serve HTTP at this address instead of stdio: HOST:PORT (port 0 for any), or `unix:/PATH`
    #[arg(long, value_name = "ADDR")]
    http: Option<String>,
    /// Eras to answer in
    #[arg(long, value_enum, default_value_t = Era::Both)]
    era: Era,
    /// Speak this dated revision only, such as 2025-06-18
    #[arg(long, value_name = "VERSION", value_parser = revision, conflicts_with = "era")]
    protocol: Option<Revision>,

    /// Time added to every call
    #[arg(long, value_name = "TIME", value_parser = duration::parse, default_value = "0ms")]
    latency: Duration,
    /// Time added to every call, evenly spread from nothing to this
    #[arg(long, value_name = "TIME", value_parser = duration::parse, default_value = "0ms")]
    jitter: Duration,
    /// Share of calls that fail with a JSON-RPC error, such as 5% or 0.05
    #[arg(long, value_name = "SHARE", value_parser = share, default_value = "0%")]
    fail_rate: f64,
    /// Seed of all chance: the same seed gives the same failures
    #[arg(long, value_name = "N", default_value_t = 1)]
    seed: u64,
    /// Answer this many calls, then none
    #[arg(long, value_name = "N")]
    hang_after: Option<u64>,
    /// Answer this many calls, then exit with code 1 at the next
    #[arg(long, value_name = "N")]
    crash_after: Option<u64>,

    /// Misbehave in this way; may be repeated
    #[arg(long, value_name = "NAME", value_parser = faults::find)]
    fault: Vec<&'static Fault>,
    /// Let the faults strike at this method instead of their own; may be repeated
    #[arg(long, value_name = "METHOD")]
    fault_on: Vec<String>,
    /// Answer this many calls well before the faults begin
    #[arg(long, value_name = "N", default_value_t = 0)]
    fault_after: u64,
    /// The time of faults that need one (late, slow-start, ...)
    #[arg(long, value_name = "TIME", value_parser = duration::parse, default_value = "3s")]
    fault_delay: Duration,
    /// List all faults and exit
    #[arg(long)]
    faults: bool,
    /// With --faults: as JSON
    #[arg(long, requires = "faults")]
    json: bool,

    /// Offer this many more tools, generated
    #[arg(long, value_name = "N", default_value_t = 0, value_parser = clap::value_parser!(u32).range(..=100_000))]
    tools: u32,
    /// Items per page of a list (default: all on one page)
    #[arg(long, value_name = "N", default_value_t = 0, hide_default_value = true)]
    page_size: u32,
    /// Say again and again that the tools have changed
    #[arg(long, value_name = "TIME", value_parser = duration::parse)]
    list_changed: Option<Duration>,

    /// Require this bearer token (HTTP)
    #[arg(long, value_name = "TOKEN", requires = "http")]
    token: Option<String>,
    /// Give legacy clients no session id (HTTP)
    #[arg(long, requires = "http")]
    stateless: bool,
    /// Answer every request with an event stream (HTTP)
    #[arg(long, requires = "http", group = "responses")]
    sse_responses: bool,
    /// Answer every request with JSON; notifications are lost (HTTP)
    #[arg(long, requires = "http", group = "responses")]
    json_responses: bool,
    /// Close event streams early and let clients resume them (2025-11-25, HTTP)
    #[arg(long, requires = "http")]
    sse_polling: bool,
    /// Certificate chain for https (PEM)
    #[arg(long, value_name = "FILE", requires = "http", requires = "tls_key")]
    tls_cert: Option<PathBuf>,
    /// Private key for https (PEM)
    #[arg(long, value_name = "FILE", requires = "tls_cert")]
    tls_key: Option<PathBuf>,
    /// Require client certificates of this authority (PEM)
    #[arg(long, value_name = "FILE", requires = "tls_cert")]
    tls_client_ca: Option<PathBuf>,
}

/// Runs the command on a runtime of its own; gives the exit code as the shell sees it.
///
/// # Errors
/// When the settings do not fit together, or the server cannot start.
pub fn main(args: DemoArgs) -> Result<u8, Complaint> {
    if args.faults {
        return match if args.json { list_json() } else { list_table() } {
            Err(error) if error.kind() != io::ErrorKind::BrokenPipe => {
                Err(Complaint::new(Code::Undelivered, format!("the output could not be written: {error}")))
            }
            _ => Ok(Code::Healthy.number()),
        };
    }
    let usage = |error: &anyhow::Error| Complaint::usage(format!("{error:#}"));
    super::live::room(super::live::DESCRIPTORS)?;
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .map_err(|error| Complaint::new(Code::Bug, format!("the system gives no event loop: {error}")))?;
    runtime.block_on(run(args)).map_err(|error| usage(&error))
}

async fn run(args: DemoArgs) -> anyhow::Result<u8> {
    demo::run(args.settings()?).await
}

impl DemoArgs {
    fn settings(self) -> anyhow::Result<Settings> {
        let listen = match self.http.as_deref() {
            None => Listen::Stdio,
            Some(address) => match address.strip_prefix("unix:") {
                Some(path) => Listen::Unix(path.into()),
                None => Listen::Tcp(address.to_owned()),
            },
        };
        for fault in &self.fault {
            let fits = match fault.on {
                faults::On::Both => true,
                faults::On::Stdio => listen == Listen::Stdio,
                faults::On::Http => listen != Listen::Stdio,
            };
            anyhow::ensure!(fits, "the fault {} exists over {} only", fault.name, fault.on.text());
        }
        let tls = match (self.tls_cert, self.tls_key) {
            (Some(cert), Some(key)) => Some(Tls { cert, key, client_ca: self.tls_client_ca }),
            _ => None,
        };
        anyhow::ensure!(tls.is_none() || matches!(listen, Listen::Tcp(_)), "TLS needs --http HOST:PORT");
        Ok(Settings {
            listen,
            tls,
            era: self.era,
            protocol: self.protocol,
            latency: self.latency,
            jitter: self.jitter,
            fail_rate: self.fail_rate,
            seed: self.seed,
            hang_after: self.hang_after,
            crash_after: self.crash_after,
            faults: self.fault,
            fault_on: self.fault_on,
            fault_after: self.fault_after,
            fault_delay: self.fault_delay,
            tools: usize::try_from(self.tools)?,
            page_size: usize::try_from(self.page_size)?,
            stateless: self.stateless,
            responses: match (self.sse_responses, self.json_responses) {
                (true, _) => Responses::Sse,
                (_, true) => Responses::Json,
                _ => Responses::Auto,
            },
            sse_polling: self.sse_polling,
            token: self.token.map(Secret::new),
            list_changed: self.list_changed,
        })
    }
}

fn revision(text: &str) -> Result<Revision, String> {
    Revision::parse(text).ok_or_else(|| {
        let known: Vec<&str> = Revision::ALL.into_iter().map(Revision::text).collect();
        format!("expected one of {}, got {text:?}", known.join(", "))
    })
}

fn share(text: &str) -> Result<f64, String> {
    let (number, scale) = text.strip_suffix('%').map_or((text, 1.0), |number| (number, 100.0));
    let share = number.trim().parse::<f64>().map(|number| number / scale).ok();
    share
        .filter(|share| (0.0..=1.0).contains(share))
        .ok_or_else(|| format!("expected a share such as 5% or 0.05, got {text:?}"))
}

/// On a terminal a table that fits it, elsewhere the same rows separated by tabs.
fn list_table() -> io::Result<()> {
    let mut out = io::stdout().lock();
    if !out.is_terminal() {
        for fault in faults::all() {
            writeln!(out, "{}\t{}\t{}\t{}", fault.name, fault.on.text(), fault.scope.text(), fault.about)?;
        }
        return out.flush();
    }
    let mut table = comfy_table::Table::new();
    table.load_style(comfy_table::presets::NOTHING);
    table.set_content_arrangement(comfy_table::ContentArrangement::Dynamic);
    table.set_header(["FAULT", "OVER", "WHAT IS WRONG"]);
    for fault in faults::all() {
        table.add_row([fault.name, fault.on.text(), fault.about]);
    }
    writeln!(out, "{table}")?;
    out.flush()
}

fn list_json() -> io::Result<()> {
    let all: Vec<serde_json::Value> = faults::all()
        .map(|fault| {
            serde_json::json!({"name": fault.name, "transports": fault.on.text(), "strikes_at": fault.scope.text(),
                "about": fault.about})
        })
        .collect();
    writeln!(io::stdout(), "{}", serde_json::json!({"faults": all}))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn shares_are_read_as_written() {
        assert_eq!(share("5%"), Ok(0.05));
        assert_eq!(share("0.5"), Ok(0.5));
        assert!(share("150%").is_err());
        assert!(share("often").is_err());
    }
}

//! `mcp-probe notify test`: tells channels that nothing happened, so that somebody sees that they work before something
//! does. It sends through the same road as `watch`, once, and says what became of it.

use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use clap::{Args, Subcommand};
use futures_util::future::join_all;
use jiff::Timestamp;
use serde_json::{Value, json};
use tokio_util::sync::CancellationToken;

use super::args::{DocumentOptions, help};
use super::complaint::Complaint;
use super::exit::Code;
use super::jq::Jq;
use super::terminal::Terminal;
use super::{live, output, targets};
use crate::alert::notify::{Channel, Settings, compile, test_message};
use crate::base::duration::millis;
use crate::base::secret::{Masker, Secret};
use crate::config::receiver::ReceiverDraft;
use crate::config::{Diag, suggest};
use crate::deliver::{
    CommandPayload, Courier, DatagramPayload, FilePayload, GrpcPayload, HttpPayload, MailPayload, Payload, Receipt,
};
use crate::files::{Loaded, Machine, default_paths, load};
use crate::report::Ink;
use crate::report::grid::{Cell, Column, Fit, Grid};

/// The version of the JSON document.
const SCHEMA: &str = "mcp-probe/notify/1";

/// A line for each notifier.
const COLUMNS: &[Column] = &[
    Column { head: "notifier", fit: Fit::Share(30) },
    Column { head: "kind", fit: Fit::Whole },
    Column { head: "result", fit: Fit::Whole },
    Column { head: "message", fit: Fit::Rest },
];

/// `mcp-probe notify`.
#[derive(Clone, Debug, Args)]
pub struct NotifyArgs {
    /// What to do.
    #[command(subcommand)]
    pub command: NotifyCommand,
}

/// What can be done with notifiers.
#[derive(Clone, Debug, Subcommand)]
pub enum NotifyCommand {
    /// Send a test notification through notifiers of the files, and say what became of it
    Test(TestArgs),
}

/// `mcp-probe notify test [NAME...]`.
#[derive(Clone, Debug, Default, Args)]
#[command(after_help = help::NOTIFY_TEST)]
pub struct TestArgs {
    /// Names of notifiers, and probe files (by default ./mcp-probe.toml and ./probes/*.toml)
    #[arg(value_name = "NAME|PATH")]
    pub words: Vec<String>,
    /// Every notifier of the files
    #[arg(long)]
    pub all: bool,
    /// Show what would be sent, secrets masked; send nothing
    #[arg(long)]
    pub dry_run: bool,
    /// How it is told.
    #[command(flatten)]
    pub output: DocumentOptions,
}

/// What became of a channel's test.
struct Tested {
    name: String,
    kind: String,
    receipt: Receipt,
    took: Duration,
}

/// Carries the command out; gives the exit code as the shell sees it.
///
/// # Errors
/// Mistakes in the files, unknown names (2); no notifier (6).
pub fn run(notify: &NotifyArgs) -> Result<u8, Complaint> {
    let NotifyCommand::Test(test) = &notify.command;
    let jq = test.output.jq.as_deref().map(Jq::compile).transpose()?;
    let (loaded, names) = read(test)?;
    let drafts = chosen(&loaded, &names, test)?;
    let (channels, masker) = made(&drafts, test)?;
    let instance = instance(&loaded);
    if test.dry_run {
        return shown(&channels, &instance, &masker, test, jq.as_ref());
    }
    let hidden = loaded.telling.secret_variables();
    live::run(|signals| async move {
        let courier = Courier::new(masker.clone()).hiding(hidden);
        let tests = channels.iter().map(|channel| tested(channel, &instance, &courier, &masker, &signals.drain));
        let told = join_all(tests).await;
        tell(&told, test, jq.as_ref())
    })
}

/// The files, and the words that are names.
fn read(test: &TestArgs) -> Result<(Loaded, Vec<String>), Complaint> {
    let (paths, names): (Vec<String>, Vec<String>) =
        test.words.iter().cloned().partition(|word| Path::new(word).exists());
    let given: Vec<PathBuf> = paths.into_iter().map(PathBuf::from).collect();
    let found = given.is_empty();
    let paths = if found { default_paths(Path::new(".")) } else { given };
    if paths.is_empty() {
        return Err(Complaint::new(Code::Nothing, "there is no ./mcp-probe.toml and no ./probes/*.toml here")
            .hint("name a probe file: mcp-probe notify test FILE --all"));
    }
    let loaded = load(&paths, found, &Machine).map_err(|diags| targets::mistakes(&diags, test.output.color))?;
    Ok((loaded, names))
}

/// The notifiers that were named, or all.
fn chosen<'a>(loaded: &'a Loaded, names: &[String], test: &TestArgs) -> Result<Vec<&'a ReceiverDraft>, Complaint> {
    let drafts = &loaded.telling.notifiers;
    let known = || drafts.iter().map(|draft| draft.name.as_str());
    for name in names {
        if !known().any(|have| have == name) {
            let hint = suggest::sentence(name, known());
            let complaint = Complaint::usage(format!("there is no notifier {name:?}, and no such file"));
            return Err(match hint {
                Some(hint) => complaint.hint(hint),
                None => complaint,
            });
        }
    }
    if drafts.is_empty() {
        return Err(Complaint::new(Code::Nothing, "the files have no `[notify.NAME]`")
            .hint("write one: [notify.ops], kind = \"webhook\", url = \"${OPS_WEBHOOK}\""));
    }
    if names.is_empty() && !test.all {
        let all: Vec<&str> = known().collect();
        return Err(Complaint::usage("which notifier? Somebody will be told")
            .hint(format!("name one, or --all; there are: {}", all.join(", "))));
    }
    Ok(drafts.iter().filter(|draft| test.all || names.contains(&draft.name)).collect())
}

/// Fills in what this machine has, for these notifiers only.
fn made(drafts: &[&ReceiverDraft], test: &TestArgs) -> Result<(Vec<Channel>, Masker), Complaint> {
    let (mut channels, mut secrets, mut diags) = (Vec::new(), Vec::new(), Vec::<Diag>::new());
    for draft in drafts {
        match draft.resolve(&Machine, &mut secrets) {
            Ok(settings) => {
                let made = compile(draft.kind, &draft.name, &Settings::new(settings));
                channels.push(made.map_err(Complaint::usage)?);
            }
            Err(missing) => diags.extend(missing),
        }
    }
    if !diags.is_empty() {
        return Err(targets::mistakes(&diags, test.output.color));
    }
    let masker = Masker::default();
    for secret in &secrets {
        masker.add(secret);
    }
    Ok((channels, masker))
}

/// Who says it: `[watch] instance`, or the machine's name.
fn instance(loaded: &Loaded) -> String {
    let given = loaded.telling.resolve(&Machine).ok().and_then(|resolved| resolved.watch.instance);
    let machine = || std::fs::read_to_string("/proc/sys/kernel/hostname").ok().map(|name| name.trim().to_owned());
    let named = given.or_else(machine).or_else(|| std::env::var("HOSTNAME").ok());
    named.filter(|name| !name.is_empty()).unwrap_or_else(|| "mcp-probe".to_owned())
}

async fn tested(
    channel: &Channel,
    instance: &str,
    courier: &Courier,
    masker: &Masker,
    cancel: &CancellationToken,
) -> Tested {
    let begun = Instant::now();
    let mut receipt = Receipt::Delivered;
    match channel.render(&test_message(channel.name(), instance, Timestamp::now()), false, masker) {
        Err(why) => receipt = Receipt::refused(why),
        Ok(payloads) => {
            for payload in payloads {
                receipt = courier.send(&payload, cancel).await;
                if receipt != Receipt::Delivered {
                    break;
                }
            }
        }
    }
    Tested { name: channel.name().to_owned(), kind: channel.kind().to_owned(), receipt, took: begun.elapsed() }
}

/// The word and the sentence of a receipt.
fn said(receipt: &Receipt) -> (&'static str, &str) {
    match receipt {
        Receipt::Delivered | Receipt::Partly { .. } => ("delivered", ""),
        Receipt::Refused { why, .. } => ("refused", why),
        Receipt::Failed { why, .. } => ("failed", why),
        Receipt::Cut => ("cancelled", "it was broken off; it may have arrived"),
    }
}

fn tell(told: &[Tested], test: &TestArgs, jq: Option<&Jq>) -> Result<u8, Complaint> {
    let lost = told.iter().any(|tested| tested.receipt != Receipt::Delivered);
    let code = if lost { Code::Undelivered } else { Code::Healthy };
    let rows = told.iter().map(|tested| {
        let (word, why) = said(&tested.receipt);
        let mut row =
            json!({ "name": tested.name, "kind": tested.kind, "result": word, "duration_ms": millis(tested.took) });
        if !why.is_empty() {
            row["message"] = why.into();
        }
        row
    });
    if test.output.json || jq.is_some() {
        let document = json!({ "schema": SCHEMA, "notifiers": rows.collect::<Vec<_>>() });
        output::say_json(&document, jq, &Terminal::stdout(test.output.color).look)?;
        return Ok(code.number());
    }
    let look = Terminal::stdout(test.output.color).look;
    let mut grid = Grid::new(COLUMNS, 8);
    for tested in told {
        let (word, why) = said(&tested.receipt);
        let ink = if tested.receipt == Receipt::Delivered { Ink::Good } else { Ink::Bad };
        grid.row(vec![Cell::new(&tested.name), Cell::new(&tested.kind), Cell::inked(word, ink), Cell::new(why)]);
    }
    output::say(&grid.render(&look), false)?;
    Ok(code.number())
}

/// What would be sent.
fn shown(
    channels: &[Channel],
    instance: &str,
    masker: &Masker,
    test: &TestArgs,
    jq: Option<&Jq>,
) -> Result<u8, Complaint> {
    let mut all = Vec::new();
    for channel in channels {
        let rendered = channel.render(&test_message(channel.name(), instance, Timestamp::now()), false, masker);
        let payloads = rendered.map_err(|why| Complaint::usage(format!("`notify.{}`: {why}", channel.name())))?;
        let mut written: Value = payloads.iter().map(written).collect();
        masker.mask_json(&mut written);
        all.push(json!({ "name": channel.name(), "kind": channel.kind(), "payloads": written }));
    }
    let document = json!({ "schema": SCHEMA, "notifiers": all });
    output::say_json(&document, jq, &Terminal::stdout(test.output.color).look)?;
    Ok(Code::Healthy.number())
}

/// A payload as data; its secrets are still in it.
pub(super) fn written(payload: &Payload) -> Value {
    match payload {
        Payload::Http(HttpPayload { method, url, headers, body, .. }) => {
            let headers: serde_json::Map<String, Value> =
                headers.iter().map(|(name, value)| (name.clone(), value.reveal().into())).collect();
            json!({ "method": method, "url": url.reveal(), "headers": headers, "body": body_of(body) })
        }
        Payload::Grpc(GrpcPayload { url, method, headers, .. }) => {
            let headers: serde_json::Map<String, Value> =
                headers.iter().map(|(name, value)| (name.clone(), value.reveal().into())).collect();
            json!({ "grpc": method, "url": url.reveal(), "headers": headers })
        }
        Payload::Mail(MailPayload { server, login, from, to, subject, text, .. }) => {
            let user = login.as_ref().map(|(user, _)| user);
            json!({ "server": server.reveal(), "username": user, "from": from, "to": to, "subject": subject, "text": text })
        }
        Payload::Command(CommandPayload { argv, env, stdin, .. }) => {
            let argv: Vec<&str> = argv.iter().map(Secret::reveal).collect();
            let env: serde_json::Map<String, Value> =
                env.iter().map(|(name, value)| (name.clone(), value.as_str().into())).collect();
            json!({ "command": argv, "env": env, "stdin": body_of(stdin) })
        }
        Payload::Datagrams(DatagramPayload { address, datagrams }) => {
            let datagrams: Vec<Value> = datagrams.iter().map(|datagram| body_of(datagram)).collect();
            json!({ "address": address, "datagrams": datagrams })
        }
        Payload::File(FilePayload { path, body }) => {
            json!({ "path": path.display().to_string(), "body": body_of(body) })
        }
    }
}

/// JSON as it is, anything else as text.
fn body_of(body: &[u8]) -> Value {
    serde_json::from_slice(body).unwrap_or_else(|_| String::from_utf8_lossy(body).into_owned().into())
}

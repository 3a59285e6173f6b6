//! The least a client does over stdio: start a server, learn its era, read its tools, print them, let it end.
//!
//! `stdio-client once SERVER ARG...`, or `stdio-client loop N SERVER ARG...`, which lists N times and prints the median
//! round trip in microseconds instead.

use std::error::Error;
use std::io::{BufRead, BufReader, Write};
use std::process::{Command, Stdio};
use std::time::Instant;

use serde_json::{Value, json};

fn request(id: usize, method: &str) -> String {
    let meta = json!({
        "io.modelcontextprotocol/protocolVersion": "2026-07-28",
        "io.modelcontextprotocol/clientInfo": {"name": "floor", "version": "0"},
        "io.modelcontextprotocol/clientCapabilities": {},
    });
    let mut text = json!({"jsonrpc": "2.0", "id": id, "method": method, "params": {"_meta": meta}}).to_string();
    text.push('\n');
    text
}

fn main() -> Result<(), Box<dyn Error>> {
    let mut args = std::env::args().skip(1);
    let rounds: Option<usize> = match args.next().as_deref() {
        Some("loop") => Some(args.next().ok_or("loop needs a number")?.parse()?),
        _ => None,
    };
    let mut child = Command::new(args.next().ok_or("usage: stdio-client once|loop N SERVER ARG...")?)
        .args(args)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()?;
    let mut to = child.stdin.take().ok_or("no pipe")?;
    let mut from = BufReader::new(child.stdout.take().ok_or("no pipe")?);
    let mut ask = |id: usize, method: &str| -> Result<(Value, u128), Box<dyn Error>> {
        let text = request(id, method);
        let started = Instant::now();
        to.write_all(text.as_bytes())?;
        let mut line = String::new();
        from.read_line(&mut line)?;
        let took = started.elapsed().as_nanos();
        Ok((serde_json::from_str(&line)?, took))
    };

    ask(0, "server/discover")?;
    if let Some(rounds) = rounds {
        let mut took =
            (1..=rounds).map(|id| Ok(ask(id, "tools/list")?.1)).collect::<Result<Vec<_>, Box<dyn Error>>>()?;
        took.sort_unstable();
        println!("{}.{:03}", took[took.len() / 2] / 1000, took[took.len() / 2] % 1000);
    } else {
        println!("{:#}", ask(1, "tools/list")?.0["result"]["tools"]);
    }
    drop(to);
    child.wait()?;
    Ok(())
}

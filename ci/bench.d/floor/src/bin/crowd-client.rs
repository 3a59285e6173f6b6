//! The least it costs to ask many servers once a second over connections that stay open: `crowd-client URL TARGETS SECONDS`.
//!
//! One task and one connection a target, their phases spread over the second, the same request and as much read as mcp-probe
//! does; nothing is parsed beyond the length of the reply, nothing is judged and nothing is kept. Prints the microseconds of
//! processor time a request took once all connections were open.

use std::cell::Cell;
use std::error::Error;
use std::rc::Rc;
use std::time::Duration;

use hyper::Uri;
use nix::sys::resource::{UsageWho, getrusage};
use nix::sys::time::TimeValLike;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::time::{Instant, interval_at};

const EVERY: Duration = Duration::from_secs(1);
/// Connecting all of them at once would only fill the server's queue.
const CONNECT_EACH: Duration = Duration::from_micros(200);

fn request(authority: &str, path: &str) -> String {
    let body = concat!(
        r#"{"jsonrpc":"2.0","id":"0000000000000000","method":"tools/list","params":{"_meta":{"#,
        r#""io.modelcontextprotocol/protocolVersion":"2026-07-28","#,
        r#""io.modelcontextprotocol/clientInfo":{"name":"floor","version":"0"},"#,
        r#""io.modelcontextprotocol/clientCapabilities":{}}}}"#
    );
    format!(
        "POST {path} HTTP/1.1\r\nhost: {authority}\r\ncontent-type: application/json\r\n\
         accept: application/json, text/event-stream\r\nmcp-protocol-version: 2026-07-28\r\nmcp-method: tools/list\r\n\
         content-length: {}\r\n\r\n{body}",
        body.len()
    )
}

/// Where the reply ends, once its head is there.
fn ends(buffer: &[u8]) -> Option<usize> {
    let begins = buffer.windows(4).position(|window| window == b"\r\n\r\n")? + 4;
    let head = std::str::from_utf8(&buffer[..begins]).ok()?;
    let length = head.lines().find_map(|line| line.strip_prefix("content-length:"))?;
    Some(begins + length.trim().parse::<usize>().ok()?)
}

async fn ask(mut stream: TcpStream, request: Rc<String>, first: Instant, count: Rc<Cell<u64>>) -> std::io::Result<()> {
    let mut due = interval_at(first, EVERY);
    let mut buffer = Vec::with_capacity(4096);
    loop {
        due.tick().await;
        stream.write_all(request.as_bytes()).await?;
        while ends(&buffer).is_none_or(|end| end > buffer.len()) {
            if stream.read_buf(&mut buffer).await? == 0 {
                return Err(std::io::ErrorKind::UnexpectedEof.into());
            }
        }
        buffer.clear();
        count.set(count.get() + 1);
    }
}

/// User and system time of this process, in microseconds.
fn used() -> Result<i64, Box<dyn Error>> {
    let usage = getrusage(UsageWho::RUSAGE_SELF)?;
    Ok(usage.user_time().num_microseconds() + usage.system_time().num_microseconds())
}

async fn run() -> Result<(), Box<dyn Error>> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let [uri, targets, seconds] = arguments.as_slice() else {
        return Err("usage: crowd-client URL TARGETS SECONDS".into());
    };
    let (uri, targets, seconds): (Uri, u32, u64) = (uri.parse()?, targets.parse()?, seconds.parse()?);
    let authority = uri.authority().ok_or("no host")?.as_str();
    let request = Rc::new(request(authority, uri.path()));
    let count = Rc::new(Cell::new(0));
    let first = Instant::now() + CONNECT_EACH * targets + EVERY;
    for number in 0..targets {
        let stream = TcpStream::connect(authority).await?;
        stream.set_nodelay(true)?;
        tokio::task::spawn_local(ask(stream, request.clone(), first + EVERY * number / targets, count.clone()));
        tokio::time::sleep_until(first - EVERY - CONNECT_EACH * (targets - number)).await;
    }
    // One round to warm up.
    tokio::time::sleep_until(first + EVERY).await;
    let (cpu, done) = (used()?, count.get());
    tokio::time::sleep(Duration::from_secs(seconds)).await;
    let (cpu, done) = (used()? - cpu, count.get() - done);
    if done < u64::from(targets) * seconds * 9 / 10 {
        return Err(format!("only {done} of {} requests were answered", u64::from(targets) * seconds).into());
    }
    println!("{:.2}", cpu as f64 / done as f64);
    Ok(())
}

fn main() -> Result<(), Box<dyn Error>> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    tokio::task::LocalSet::new().block_on(&runtime, run())
}

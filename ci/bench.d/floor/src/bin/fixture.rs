//! A server that costs next to nothing: it answers both eras over stdio or HTTP, and thinks about nothing.
//!
//! `fixture stdio`, or `fixture http`, which names its URL on the first line of stdout and ends after ten minutes.
//! `fixture crowd` is the same for ten thousand connections, on one thread, and its list of tools has a usual size.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::thread;
use std::time::Duration;

const LIFE_MAX: Duration = Duration::from_secs(600);

/// What follows the id in the answer to a method.
fn answer(line: &str) -> Option<String> {
    let id = line.split_once("\"id\":")?.1.trim_start().split([',', '}']).next()?.trim();
    let result = if line.contains("\"server/discover\"") {
        concat!(
            r#""result":{"supportedVersions":["2026-07-28"],"capabilities":{"tools":{}},"resultType":"complete","ttlMs":0,"#,
            r#""cacheScope":"private","_meta":{"io.modelcontextprotocol/serverInfo":{"name":"fixture","version":"1"}}}"#
        )
    } else if line.contains("\"initialize\"") {
        concat!(
            r#""result":{"protocolVersion":"2025-11-25","capabilities":{"tools":{}},"#,
            r#""serverInfo":{"name":"fixture","version":"1"}}"#
        )
    } else if line.contains("\"tools/list\"") {
        concat!(
            r#""result":{"resultType":"complete","ttlMs":0,"cacheScope":"private","tools":["#,
            r#"{"name":"echo","description":"Says it again","inputSchema":{"type":"object","properties":{"message":{"type":"string"}}},"#,
            r#""annotations":{"readOnlyHint":true}},"#,
            r#"{"name":"add","description":"Adds","inputSchema":{"type":"object","properties":{"a":{"type":"number"},"b":{"type":"number"}}},"#,
            r#""annotations":{"readOnlyHint":true}}]}"#
        )
    } else if line.contains("\"tools/call\"") {
        r#""result":{"resultType":"complete","content":[{"type":"text","text":"hi"}]}"#
    } else if line.contains("\"ping\"") {
        r#""result":{}"#
    } else {
        r#""error":{"code":-32601,"message":"Method not found"}"#
    };
    Some(format!("{{\"jsonrpc\":\"2.0\",\"id\":{id},{result}}}"))
}

fn stdio() -> std::io::Result<()> {
    let mut input = BufReader::new(std::io::stdin().lock());
    let mut output = std::io::stdout().lock();
    let mut line = String::new();
    while input.read_line(&mut line)? > 0 {
        if let Some(mut text) = answer(&line) {
            text.push('\n');
            output.write_all(text.as_bytes())?;
            output.flush()?;
        }
        line.clear();
    }
    Ok(())
}

fn serve(stream: TcpStream) -> std::io::Result<()> {
    stream.set_nodelay(true)?;
    let mut output = stream.try_clone()?;
    let mut input = BufReader::new(stream);
    loop {
        let (mut length, mut post) = (0_u64, false);
        for number in 0.. {
            let mut line = String::new();
            if input.read_line(&mut line)? == 0 {
                return Ok(());
            }
            post |= number == 0 && line.starts_with("POST ");
            if let Some(value) = line.to_ascii_lowercase().strip_prefix("content-length:") {
                length = value.trim().parse().unwrap_or(0);
            }
            if line.trim_end().is_empty() {
                break;
            }
        }
        let mut body = String::new();
        (&mut input).take(length).read_to_string(&mut body)?;
        let head = if post { "200 OK" } else { "405 Method Not Allowed" };
        let reply = match answer(&body) {
            Some(text) => format!(
                "HTTP/1.1 {head}\r\ncontent-type: application/json\r\ncontent-length: {}\r\n\r\n{text}",
                text.len()
            ),
            None => format!("HTTP/1.1 {}\r\ncontent-length: 0\r\n\r\n", if post { "202 Accepted" } else { head }),
        };
        output.write_all(reply.as_bytes())?;
    }
}

fn http() -> std::io::Result<()> {
    let listener = TcpListener::bind("127.0.0.1:0")?;
    println!("listening on http://{}/mcp", listener.local_addr()?);
    thread::spawn(move || {
        for stream in listener.incoming().flatten() {
            thread::spawn(move || serve(stream));
        }
    });
    thread::sleep(LIFE_MAX);
    Ok(())
}

/// Bytes of the result of `tools/list` before a crowd: five tools, as the reference has them.
const CROWD_BYTES: usize = 2_360;

/// The reply to a crowd's request.
fn crowd_answer(line: &str) -> Option<String> {
    let text = answer(line)?;
    let padding = CROWD_BYTES.saturating_sub(text.len());
    if !line.contains("\"tools/list\"") {
        return Some(text);
    }
    Some(text.replacen("Says it again", &format!("Says it again{}", ".".repeat(padding)), 1))
}

/// Where the first request in a buffer ends, and where its body begins.
fn framed(buffer: &[u8]) -> Option<(usize, usize)> {
    let begins = buffer.windows(4).position(|window| window == b"\r\n\r\n")? + 4;
    let head = String::from_utf8_lossy(&buffer[..begins]).to_ascii_lowercase();
    let length = head.lines().find_map(|line| line.strip_prefix("content-length:")?.trim().parse().ok());
    Some((begins + length.unwrap_or(0), begins)).filter(|(ends, _)| *ends <= buffer.len())
}

async fn attend(stream: tokio::net::TcpStream) -> std::io::Result<()> {
    stream.set_nodelay(true)?;
    let (mut buffer, mut chunk) = (Vec::new(), [0; 4096]);
    loop {
        while let Some((ends, begins)) = framed(&buffer) {
            let (head, text) = match crowd_answer(&String::from_utf8_lossy(&buffer[begins..ends])) {
                Some(text) => ("200 OK", text),
                None if buffer.starts_with(b"POST ") => ("202 Accepted", String::new()),
                None => ("405 Method Not Allowed", String::new()),
            };
            let reply = format!(
                "HTTP/1.1 {head}\r\ncontent-type: application/json\r\ncontent-length: {}\r\n\r\n{text}",
                text.len()
            );
            let mut rest = reply.as_bytes();
            while !rest.is_empty() {
                stream.writable().await?;
                match stream.try_write(rest) {
                    Ok(count) => rest = &rest[count..],
                    Err(error) if error.kind() == std::io::ErrorKind::WouldBlock => {}
                    Err(error) => return Err(error),
                }
            }
            buffer.drain(..ends);
        }
        stream.readable().await?;
        match stream.try_read(&mut chunk) {
            Ok(0) => return Ok(()),
            Ok(count) => buffer.extend_from_slice(&chunk[..count]),
            Err(error) if error.kind() == std::io::ErrorKind::WouldBlock => {}
            Err(error) => return Err(error),
        }
    }
}

fn crowd() -> std::io::Result<()> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_io().build()?;
    thread::spawn(|| {
        thread::sleep(LIFE_MAX);
        std::process::exit(0);
    });
    runtime.block_on(async {
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await?;
        println!("listening on http://{}/mcp", listener.local_addr()?);
        loop {
            let (stream, _) = listener.accept().await?;
            tokio::spawn(attend(stream));
        }
    })
}

fn main() -> std::io::Result<()> {
    match std::env::args().nth(1).as_deref() {
        Some("http") => http(),
        Some("crowd") => crowd(),
        _ => stdio(),
    }
}

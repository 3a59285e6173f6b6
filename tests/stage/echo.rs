//! An HTTP server that says back all that it is told, in every place where a server has words of its own.
#![allow(dead_code, reason = "each test program uses a part of the stage")]

use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::{TcpListener, TcpStream};
use std::sync::{Arc, Mutex};
use std::thread;

use serde_json::{Value, json};

/// It answers every request with all it got: path, headers, body.
pub struct Echo {
    pub authority: String,
    heard: Arc<Mutex<String>>,
}

impl Echo {
    pub fn start(status: &'static str) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let authority = listener.local_addr().unwrap().to_string();
        let heard = Arc::new(Mutex::new(String::new()));
        let hears = Arc::clone(&heard);
        thread::spawn(move || {
            for stream in listener.incoming() {
                let (Ok(mut stream), hears) = (stream, Arc::clone(&hears)) else { return };
                thread::spawn(move || while answer(&mut stream, status, &hears).is_some() {});
            }
        });
        Self { authority, heard }
    }

    /// Whether anybody told it this.
    pub fn heard(&self, word: &str) -> bool {
        self.heard.lock().unwrap().contains(word)
    }
}

fn answer(stream: &mut TcpStream, status: &str, hears: &Mutex<String>) -> Option<()> {
    let mut reader = BufReader::new(stream.try_clone().ok()?);
    let (mut said, mut length) = (String::new(), 0);
    loop {
        let mut line = String::new();
        if reader.read_line(&mut line).ok()? == 0 {
            return None;
        }
        if line.trim().is_empty() {
            break;
        }
        if let Some(value) = line.to_ascii_lowercase().strip_prefix("content-length:") {
            length = value.trim().parse().ok()?;
        }
        said.push_str(&line);
    }
    let mut body = vec![0; length];
    reader.read_exact(&mut body).ok()?;
    said.push_str(&String::from_utf8_lossy(&body));
    hears.lock().unwrap().push_str(&said);
    let request: Value = serde_json::from_slice(&body).unwrap_or_default();
    let mut reply = match request["method"].as_str().unwrap_or_default() {
        "server/discover" => json!({"error": {"code": -32601, "message": said}}),
        "initialize" => json!({"result": {"protocolVersion": "2025-11-25", "capabilities": {"tools": {}},
            "serverInfo": {"name": said, "version": said}, "instructions": said}}),
        "tools/list" => json!({"result": {"tools": [{"name": "t", "description": said,
            "inputSchema": {"type": "object"}, "annotations": {"readOnlyHint": true}}]}}),
        "tools/call" => json!({"result": {"isError": true, "content": [{"type": "text", "text": said}]}}),
        _ => json!({"error": {"code": -32000, "message": said, "data": {said.clone(): [said]}}}),
    };
    reply["jsonrpc"] = "2.0".into();
    reply["id"] = request["id"].clone();
    let (status, text) = match request.get("id") {
        None if status == "200 OK" => ("202 Accepted", String::new()),
        _ => (status, reply.to_string()),
    };
    let answer =
        format!("HTTP/1.1 {status}\r\ncontent-type: application/json\r\ncontent-length: {}\r\n\r\n{text}", text.len());
    stream.write_all(answer.as_bytes()).ok()
}

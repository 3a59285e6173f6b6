//! A real Alertmanager for the tests: started on a free port, asked what it holds, ended with the test.
#![allow(dead_code, reason = "each test program uses a part of the stage")]

use std::io::{Read as _, Write as _};
use std::net::{TcpListener, TcpStream};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use serde_json::Value;

/// A program that ends with the test.
pub struct Served(pub Child);

impl Drop for Served {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// A port that nobody has at the moment.
pub fn free_port() -> u16 {
    TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port()
}

/// The body of a page, where the answer is 200.
pub fn get(port: u16, path: &str) -> Option<String> {
    let mut stream = TcpStream::connect(("127.0.0.1", port)).ok()?;
    write!(stream, "GET {path} HTTP/1.1\r\nHost: 127.0.0.1\r\nConnection: close\r\n\r\n").ok()?;
    let mut answer = String::new();
    stream.read_to_string(&mut answer).ok()?;
    let (head, body) = answer.split_once("\r\n\r\n")?;
    head.starts_with("HTTP/1.1 200").then(|| body.to_owned())
}

/// Starts it; what it notifies goes to the webhook, where there is one.
pub fn alertmanager(folder: &Path, webhook: Option<&str>) -> (Served, u16) {
    let config = folder.join("alertmanager.yml");
    let hooks = webhook.map(|url| format!("    webhook_configs:\n      - url: {url}\n")).unwrap_or_default();
    let times = "  group_wait: 500ms\n  group_interval: 1s\n";
    std::fs::write(&config, format!("route:\n  receiver: ops\n{times}receivers:\n  - name: ops\n{hooks}")).unwrap();
    let port = free_port();
    let child = Command::new("prometheus-alertmanager")
        .arg(format!("--config.file={}", config.display()))
        .arg(format!("--storage.path={}", folder.join("data").display()))
        .arg(format!("--web.listen-address=127.0.0.1:{port}"))
        .arg("--cluster.listen-address=")
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()
        .unwrap_or_else(|error| panic!("apt-get install prometheus-alertmanager: {error}"));
    let served = Served(child);
    let limit = Instant::now() + Duration::from_secs(60);
    while get(port, "/-/ready").is_none() {
        assert!(Instant::now() < limit, "Alertmanager is not ready");
        std::thread::sleep(Duration::from_millis(20));
    }
    (served, port)
}

/// What Alertmanager holds, as JSON. Its chunks are glued.
pub fn alerts(port: u16) -> Vec<Value> {
    let body = get(port, "/api/v2/alerts").unwrap();
    let start = body.find('[').unwrap();
    let end = body.rfind(']').unwrap();
    serde_json::from_str(&body[start..=end]).unwrap()
}

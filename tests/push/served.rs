//! Receivers of pushes as programs of their own, on free ports of loopback, and how they are asked.
#![allow(dead_code, reason = "each test program uses a part of it")]

use std::io::{Read as _, Write as _};
use std::net::{TcpListener, TcpStream};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use tempfile::TempDir;

/// A program that ends with the test, and its folder.
pub struct Served {
    child: Child,
    address: String,
    folder: TempDir,
}

impl Drop for Served {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// An address of loopback that is free now.
pub fn free() -> String {
    TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().to_string()
}

impl Served {
    /// Starts a program whose arguments may name `ADDRESS` and `FOLDER`, and waits until `path` answers with 200.
    pub fn start(program: &str, arguments: &[&str], path: &str, files: &[(&str, &str)]) -> Self {
        let (folder, address) = (tempfile::tempdir().unwrap(), free());
        for (name, text) in files {
            std::fs::write(folder.path().join(name), text).unwrap();
        }
        let filled =
            |word: &&str| word.replace("ADDRESS", &address).replace("FOLDER", &folder.path().display().to_string());
        let child = Command::new(program)
            .args(arguments.iter().map(filled))
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .unwrap_or_else(|error| panic!("{program}: {error}; ci/test installs it"));
        let mut served = Self { child, address, folder };
        let until = Instant::now() + Duration::from_secs(30);
        while get(&format!("{}{path}", served.url())).0 != 200 {
            let ended = served.child.try_wait().unwrap();
            assert!(ended.is_none() && Instant::now() < until, "{program} is not ready: {ended:?}");
            std::thread::sleep(Duration::from_millis(20));
        }
        served
    }

    /// Prometheus, which reads this address every second as a gateway wants to be read.
    pub fn prometheus(scraped: &str) -> Self {
        let config = format!(
            "scrape_configs:\n  - job_name: gateway\n    scrape_interval: 1s\n    honor_labels: true\n    \
             static_configs: [{{targets: [\"{scraped}\"]}}]\n"
        );
        let arguments =
            ["--config.file=FOLDER/prom.yml", "--storage.tsdb.path=FOLDER/data", "--web.listen-address=ADDRESS"];
        Self::start("prometheus", &arguments, "/-/ready", &[("prom.yml", &config)])
    }

    /// `VictoriaMetrics`.
    pub fn victoria() -> Self {
        let arguments = ["-storageDataPath=FOLDER/data", "-httpListenAddr=ADDRESS"];
        Self::start("victoria-metrics", &arguments, "/health", &[])
    }

    /// `node_exporter` with nothing but its textfile collector, which reads its folder.
    pub fn node_exporter() -> Self {
        let arguments = [
            "--web.listen-address=ADDRESS",
            "--collector.disable-defaults",
            "--collector.textfile",
            "--collector.textfile.directory=FOLDER",
        ];
        Self::start("prometheus-node-exporter", &arguments, "/metrics", &[])
    }

    /// Asks for the value of a query, as Prometheus and `VictoriaMetrics` answer it, until there is one.
    pub fn value(&self, query: &str) -> String {
        let encoded: String = url::form_urlencoded::byte_serialize(query.as_bytes()).collect();
        let until = Instant::now() + Duration::from_secs(30);
        loop {
            let (_, answer) = get(&format!("{}/api/v1/query?query={encoded}", self.url()));
            let json = answer.find('{').map_or("", |at| &answer[at..]);
            let answer: serde_json::Value =
                serde_json::Deserializer::from_str(json).into_iter().next().and_then(Result::ok).unwrap_or_default();
            if let Some(value) = answer["data"]["result"][0]["value"][1].as_str() {
                return value.to_owned();
            }
            assert!(Instant::now() < until, "{query}: {answer}");
            std::thread::sleep(Duration::from_millis(200));
        }
    }

    pub fn folder(&self) -> &std::path::Path {
        self.folder.path()
    }

    pub fn pushgateway() -> Self {
        Self::start("prometheus-pushgateway", &["--web.listen-address=ADDRESS"], "/-/ready", &[])
    }

    pub fn url(&self) -> String {
        format!("http://{}", self.address)
    }

    pub fn address(&self) -> &str {
        &self.address
    }
}

/// Status and body of a `GET`; 0 where nobody answers.
pub fn get(url: &str) -> (u16, String) {
    ask("GET", url, "")
}

/// The same with any method and a body.
pub fn ask(method: &str, url: &str, body: &str) -> (u16, String) {
    let rest = url.strip_prefix("http://").unwrap();
    let (address, path) = rest.split_at(rest.find('/').unwrap_or(rest.len()));
    let Ok(mut stream) = TcpStream::connect(address) else { return (0, String::new()) };
    let path = if path.is_empty() { "/" } else { path };
    let head = format!(
        "{method} {path} HTTP/1.0\r\nHost: {address}\r\nConnection: close\r\nContent-Length: {}\r\n\r\n{body}",
        body.len()
    );
    let mut reply = Vec::new();
    if stream.write_all(head.as_bytes()).is_err() || stream.read_to_end(&mut reply).is_err() {
        return (0, String::new());
    }
    let reply = String::from_utf8_lossy(&reply).into_owned();
    let code = reply.split(' ').nth(1).and_then(|code| code.parse().ok()).unwrap_or(0);
    (code, reply.split_once("\r\n\r\n").map(|(_, body)| body.to_owned()).unwrap_or_default())
}

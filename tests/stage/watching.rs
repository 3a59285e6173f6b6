//! The stage of the tests of `watch`: the real daemon with its log, receivers of its messages, and a server over stdio
//! that is healed and broken by writing a file.
#![allow(dead_code, reason = "each test program uses a part of the stage")]

use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::{TcpListener, TcpStream};
use std::path::Path;
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::atomic::{AtomicU16, AtomicU32, Ordering};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use serde_json::Value;

/// The binary under test.
pub const BINARY: &str = env!("CARGO_BIN_EXE_mcp-probe");
/// How long anything may take on a busy machine.
pub const PATIENCE: Duration = Duration::from_secs(40);
const MARK: &str = "WATCH_TEST";

/// Looks again and again until there is something to see.
pub fn until<T>(what: &str, fact: impl Fn() -> Option<T>) -> T {
    let limit = Instant::now() + PATIENCE;
    loop {
        if let Some(found) = fact() {
            return found;
        }
        assert!(Instant::now() < limit, "{what}");
        std::thread::sleep(Duration::from_millis(5));
    }
}

/// A daemon at work in a folder of its own.
pub struct Watch {
    pub child: Child,
    mark: String,
    said: Arc<Mutex<String>>,
}

impl Drop for Watch {
    fn drop(&mut self) {
        if std::thread::panicking() {
            let log = format!("the log of the daemon:\n{}\n", self.log());
            let _ = std::io::stderr().write_all(log.as_bytes());
        }
        let _ = self.child.kill();
        let _ = self.child.wait();
        for pid in self.processes() {
            let _ = kill(Pid::from_raw(pid), Signal::SIGKILL);
        }
    }
}

impl Watch {
    /// Starts it on `probes.toml` of the folder, with its state there, and waits until it is ready.
    pub fn start(folder: &Path) -> Self {
        Self::start_with(folder, &[], &[])
    }

    /// The same with more words and variables.
    pub fn start_with(folder: &Path, words: &[&str], variables: &[(&str, &str)]) -> Self {
        let watch = Self::begin(folder, words, variables);
        until("it is ready", || (watch.address().is_some() && watch.get("/-/ready").0 == 200).then_some(()));
        watch
    }

    /// The same without a level of the log, which is then that of the files.
    pub fn start_quiet(folder: &Path) -> Self {
        let watch = Self::launch(folder, &[], &[]);
        until("it is ready", || (watch.address().is_some() && watch.get("/-/ready").0 == 200).then_some(()));
        watch
    }

    /// The same without waiting.
    pub fn begin(folder: &Path, words: &[&str], variables: &[(&str, &str)]) -> Self {
        let words: Vec<&str> = ["--log-level", "debug"].iter().chain(words).copied().collect();
        Self::launch(folder, &words, variables)
    }

    fn launch(folder: &Path, words: &[&str], variables: &[(&str, &str)]) -> Self {
        static COUNT: AtomicU32 = AtomicU32::new(0);
        let mark = format!("{}-{}", std::process::id(), COUNT.fetch_add(1, Ordering::Relaxed));
        let mut child = Command::new(BINARY)
            .args(["watch", "probes.toml", "--state", "state"])
            .args(words)
            .args(["--listen", "127.0.0.1:0"].iter().filter(|_| !words.contains(&"--listen")))
            .current_dir(folder)
            .env("HOME", folder)
            .env(MARK, &mark)
            .envs(variables.iter().copied())
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::piped())
            .spawn()
            .expect("the binary under test starts");
        let said = Arc::new(Mutex::new(String::new()));
        let (heard, stderr) = (Arc::clone(&said), child.stderr.take().unwrap());
        std::thread::spawn(move || {
            for line in BufReader::new(stderr).lines().map_while(Result::ok) {
                let mut said = heard.lock().unwrap();
                said.push_str(&line);
                said.push('\n');
            }
        });
        Self { child, mark, said }
    }

    /// What it said on stderr so far.
    pub fn log(&self) -> String {
        self.said.lock().unwrap().clone()
    }

    /// Waits until the log has these words.
    pub fn says(&self, words: &str) {
        until(&format!("the log says {words:?}"), || self.log().contains(words).then_some(()));
    }

    /// Where its page is.
    pub fn address(&self) -> Option<String> {
        let log = self.log();
        let (_, rest) = log.split_once("listening on http://")?;
        rest.split_once('\n').map(|(address, _)| address.to_owned())
    }

    /// Asks its page for something: status and body.
    pub fn get(&self, path: &str) -> (u16, String) {
        self.ask("GET", path)
    }

    /// The same with any method.
    pub fn ask(&self, method: &str, path: &str) -> (u16, String) {
        self.ask_with(method, path, "")
    }

    /// The same with further headers, each with its line end.
    pub fn ask_with(&self, method: &str, path: &str, headers: &str) -> (u16, String) {
        let address = self.address().expect("it listens");
        let Ok(mut stream) = TcpStream::connect(&address) else { return (0, String::new()) };
        let request = format!(
            "{method} {path} HTTP/1.1\r\nHost: {address}\r\nConnection: close\r\nContent-Length: 0\r\n{headers}\r\n"
        );
        let mut reply = Vec::new();
        if stream.write_all(request.as_bytes()).is_err() || stream.read_to_end(&mut reply).is_err() {
            return (0, String::new());
        }
        let reply = String::from_utf8_lossy(&reply).into_owned();
        let code = reply.split(' ').nth(1).and_then(|code| code.parse().ok()).unwrap_or(0);
        (code, reply.split_once("\r\n\r\n").map(|(_, body)| body.to_owned()).unwrap_or_default())
    }

    /// Its status document.
    pub fn status(&self) -> Value {
        let body = self.get("/api/v1/status").1;
        let json = body.find('{').map_or("", |at| &body[at..]);
        serde_json::Deserializer::from_str(json).into_iter().next().and_then(Result::ok).unwrap_or_default()
    }

    pub fn signal(&self, signal: Signal) {
        kill(Pid::from_raw(i32::try_from(self.child.id()).unwrap()), signal).unwrap();
    }

    /// Its exit code, once it has ended.
    pub fn ended(&mut self) -> ExitStatus {
        let limit = Instant::now() + PATIENCE;
        loop {
            if let Some(status) = self.child.try_wait().unwrap() {
                return status;
            }
            assert!(Instant::now() < limit, "it ends");
            std::thread::sleep(Duration::from_millis(5));
        }
    }

    /// Every process that it left, and whatever these started.
    pub fn processes(&self) -> Vec<i32> {
        let wanted = format!("{MARK}={}", self.mark);
        let all = std::fs::read_dir("/proc").unwrap();
        all.filter_map(|entry| entry.ok()?.file_name().to_str()?.parse::<i32>().ok())
            .filter(|pid| {
                let environment = std::fs::read(format!("/proc/{pid}/environ")).unwrap_or_default();
                environment.split(|byte| *byte == 0).any(|variable| variable == wanted.as_bytes())
            })
            .collect()
    }

    /// Waits until nothing is left.
    pub fn leaves_nothing(&self) {
        until("no process is left", || self.processes().is_empty().then_some(()));
    }
}

/// A receiver of messages over HTTP that answers what it is told to.
pub struct Hook {
    pub url: String,
    answer: Arc<AtomicU16>,
    heard: Arc<Mutex<Vec<(String, String)>>>,
}

impl Hook {
    /// Listens.
    pub fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        let (answer, heard) = (Arc::new(AtomicU16::new(200)), Arc::new(Mutex::new(Vec::new())));
        let (code, entries) = (Arc::clone(&answer), Arc::clone(&heard));
        std::thread::spawn(move || {
            for stream in listener.incoming().flatten() {
                let (code, entries) = (Arc::clone(&code), Arc::clone(&entries));
                std::thread::spawn(move || serve(stream, &code, &entries));
            }
        });
        Self { url, answer, heard }
    }

    /// What it answers from now on.
    pub fn answer(&self, code: u16) {
        self.answer.store(code, Ordering::SeqCst);
    }

    /// Everything that it took: path and body.
    pub fn heard(&self) -> Vec<(String, String)> {
        self.heard.lock().unwrap().clone()
    }

    /// What it was told: alert and transition, in order. In a group that goes on, one may have ended.
    pub fn told(&self) -> Vec<(String, String)> {
        let mut told = Vec::new();
        for (_, body) in self.heard() {
            let Ok(document) = serde_json::from_str::<Value>(&body) else { continue };
            let transition = document["transition"].as_str().unwrap_or_default().to_owned();
            for alert in document["alerts"].as_array().into_iter().flatten() {
                let transition = if alert["ended"].is_null() { transition.clone() } else { "resolved".to_owned() };
                told.push((alert["alert"].as_str().unwrap_or_default().to_owned(), transition));
            }
        }
        told
    }

    /// How often it was told this of this alert.
    pub fn count(&self, alert: &str, transition: &str) -> usize {
        self.told().iter().filter(|told| (told.0.as_str(), told.1.as_str()) == (alert, transition)).count()
    }

    /// Waits until it was told.
    pub fn hears(&self, alert: &str, transition: &str) {
        until(&format!("{alert} {transition} is told; so far {:?}", self.told()), || {
            (self.count(alert, transition) > 0).then_some(())
        });
    }
}

fn serve(stream: TcpStream, code: &AtomicU16, entries: &Mutex<Vec<(String, String)>>) {
    let _ = stream.set_read_timeout(Some(Duration::from_secs(60)));
    let mut reader = BufReader::new(stream);
    loop {
        let (mut first, mut length) = (String::new(), 0_usize);
        if reader.read_line(&mut first).unwrap_or(0) == 0 {
            return;
        }
        loop {
            let mut line = String::new();
            if reader.read_line(&mut line).unwrap_or(0) == 0 || line.trim().is_empty() {
                break;
            }
            if let Some((name, value)) = line.split_once(':')
                && name.eq_ignore_ascii_case("content-length")
            {
                length = value.trim().parse().unwrap_or(0);
            }
        }
        let mut body = vec![0; length];
        if reader.read_exact(&mut body).is_err() {
            return;
        }
        let code = code.load(Ordering::SeqCst);
        if code < 300 {
            let path = first.split(' ').nth(1).unwrap_or_default().to_owned();
            entries.lock().unwrap().push((path, String::from_utf8_lossy(&body).into_owned()));
        }
        let reply = format!("HTTP/1.1 {code} X\r\nContent-Length: 2\r\n\r\nok");
        if reader.get_mut().write_all(reply.as_bytes()).is_err() {
            return;
        }
    }
}

/// A command for a target that misbehaves as the file `fault` of the folder says at each of its starts.
pub fn server(folder: &Path) -> String {
    let fault = folder.join("fault");
    if !fault.exists() {
        behave(folder, "");
    }
    format!("command = [\"sh\", \"-c\", \"exec {BINARY} demo $(cat {})\"]", fault.display())
}

/// From its next start on, the server is given these words.
pub fn behave(folder: &Path, words: &str) {
    let path = folder.join("fault");
    let fresh = folder.join("fault.new");
    std::fs::write(&fresh, words).unwrap();
    std::fs::rename(fresh, path).unwrap();
}

/// Writes the probe file in one piece.
pub fn write(folder: &Path, text: &str) {
    let fresh = folder.join("probes.toml.new");
    std::fs::write(&fresh, text).unwrap();
    std::fs::rename(fresh, folder.join("probes.toml")).unwrap();
}

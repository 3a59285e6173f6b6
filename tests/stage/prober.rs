//! The stage of the tests that run the real binary: the prober with what it said and when, and the demo server over
//! HTTP with its counters. Each test program uses a part of it.
#![allow(dead_code, reason = "each test program uses a part of the stage")]

use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::TcpStream;
use std::process::{Child, Command, Stdio};
use std::sync::{Mutex, OnceLock};
use std::thread;
use std::time::{Duration, Instant};

use serde_json::Value;

/// The binary under test.
pub const BINARY: &str = env!("CARGO_BIN_EXE_mcp-probe");

/// A folder without probe files and client files, where every prober runs and which is its home.
pub fn empty_home() -> &'static std::path::Path {
    static HOME: OnceLock<tempfile::TempDir> = OnceLock::new();
    HOME.get_or_init(|| tempfile::tempdir().expect("a temporary folder")).path()
}

/// The binary with nothing of this machine's settings in its environment.
pub fn binary() -> Command {
    let mut command = Command::new(BINARY);
    command.current_dir(empty_home()).env("HOME", empty_home());
    for name in ["HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY", "http_proxy", "https_proxy", "all_proxy", "XDG_CONFIG_HOME"]
    {
        command.env_remove(name);
    }
    command
}

/// What a run of the prober said, and when.
#[derive(Debug)]
pub struct Told {
    /// The exit code; -1 after a signal.
    pub code: i32,
    pub stdout: String,
    pub stderr: String,
    /// When the whole of stdout's first line was there.
    pub answered: Duration,
    /// When the process had ended.
    pub ended: Duration,
}

impl Told {
    /// The one JSON document on stdout.
    pub fn document(&self) -> Value {
        serde_json::from_str(&self.stdout)
            .unwrap_or_else(|error| panic!("one JSON document: {error}\n{}\n{}", self.stdout, self.stderr))
    }
}

/// Runs the prober to its end. Output goes through pipes that are read while it runs.
pub fn probe<I: AsRef<std::ffi::OsStr>>(arguments: impl IntoIterator<Item = I>) -> Told {
    told(binary().args(arguments))
}

/// Runs a command to its end.
pub fn told(command: &mut Command) -> Told {
    let begun = Instant::now();
    let mut child = command
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .expect("the binary under test starts");
    let mut errors = child.stderr.take().unwrap();
    let errors = thread::spawn(move || {
        let mut bytes = Vec::new();
        errors.read_to_end(&mut bytes).unwrap();
        bytes
    });
    let mut output = BufReader::new(child.stdout.take().unwrap());
    let mut bytes = Vec::new();
    // The document is one line or pretty; its last line ends with the closing brace at the margin.
    while output.read_until(b'\n', &mut bytes).unwrap() > 0 && !bytes.ends_with(b"}\n") {}
    let answered = begun.elapsed();
    output.read_to_end(&mut bytes).unwrap();
    let status = child.wait().unwrap();
    let ended = begun.elapsed();
    let text = |bytes: Vec<u8>| String::from_utf8(bytes).expect("what the prober says is UTF-8");
    Told {
        code: status.code().unwrap_or(-1),
        stdout: text(bytes),
        stderr: text(errors.join().unwrap()),
        answered,
        ended,
    }
}

/// The demo server over HTTP, on a port of its own.
pub struct Served {
    child: Child,
    pub host: String,
}

impl Served {
    pub fn start<I: AsRef<std::ffi::OsStr>>(arguments: impl IntoIterator<Item = I>) -> Self {
        let mut child = binary()
            .args(["demo", "--http", "127.0.0.1:0"])
            .args(arguments)
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .expect("the demo server starts");
        let mut first = String::new();
        BufReader::new(child.stdout.take().unwrap()).read_line(&mut first).unwrap();
        let url = first.trim().strip_prefix("listening on http://").expect("an address").to_owned();
        let host = url.strip_suffix("/mcp").unwrap().to_owned();
        Self { child, host }
    }

    pub fn url(&self) -> String {
        format!("http://{}/mcp", self.host)
    }

    pub fn sse_url(&self) -> String {
        format!("http://{}/sse", self.host)
    }

    /// The server's counters.
    pub fn stats(&self) -> Value {
        let mut stream = TcpStream::connect(&self.host).unwrap();
        write!(stream, "GET /stats HTTP/1.1\r\nHost: {}\r\nConnection: close\r\n\r\n", self.host).unwrap();
        let mut answer = String::new();
        stream.read_to_string(&mut answer).unwrap();
        let body = answer.split_once("\r\n\r\n").expect("a body").1;
        serde_json::from_str(body).unwrap_or_else(|error| panic!("{error}: {answer}"))
    }

    /// Waits until the counters are as wanted.
    pub fn until(&self, what: &str, wanted: impl Fn(&Value) -> bool) -> Value {
        let limit = Instant::now() + Duration::from_secs(10);
        loop {
            let stats = self.stats();
            if wanted(&stats) {
                return stats;
            }
            assert!(Instant::now() < limit, "{what}: {stats}");
            thread::sleep(Duration::from_millis(5));
        }
    }
}

impl Drop for Served {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// Runs jobs on several threads; what each has to complain of, all together.
pub fn in_parallel<J: Send>(jobs: Vec<J>, threads: usize, job: impl Fn(&J) -> Vec<String> + Sync) -> Vec<String> {
    let queue = Mutex::new(jobs);
    thread::scope(|scope| {
        let worker = || {
            let mut complaints = Vec::new();
            loop {
                let Some(next) = queue.lock().unwrap().pop() else { return complaints };
                complaints.extend(job(&next));
            }
        };
        let workers: Vec<_> = (0..threads).map(|_| scope.spawn(worker)).collect();
        workers.into_iter().flat_map(|worker| worker.join().expect("a worker does not panic")).collect()
    })
}

/// Characters that may do something to a terminal, or to a reader's eye: all controls but the line feed and, between
/// the columns of plain tables, the tab.
pub fn harmful(text: &str) -> Vec<char> {
    let is_harmful = |c: &char| {
        (c.is_control() && !matches!(c, '\n' | '\t'))
            || matches!(c, '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2060}'..='\u{2069}' | '\u{feff}')
    };
    text.chars().filter(is_harmful).collect()
}

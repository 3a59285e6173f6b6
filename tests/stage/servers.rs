//! The servers that others wrote, as the tests start them: their commands, and those that listen.
//!
//! `ci/witnesses` (called by `ci/test`) installs them under target/witnesses; one that is missing fails its test.
#![allow(dead_code, reason = "each test program uses a part of the stage")]

use std::fs::File;
use std::io::Read;
use std::net::{TcpListener, TcpStream};
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use nix::sys::signal::{Signal, killpg};
use nix::unistd::Pid;
use tempfile::TempDir;

/// A cold Python server on two busy cores needs seconds; nothing here needs a minute.
pub const RUN_MAX: Duration = Duration::from_secs(60);
pub const POLL: Duration = Duration::from_millis(20);

/// A file that `ci/witnesses` installs.
pub fn installed(path: &str) -> String {
    let whole = Path::new(env!("CARGO_MANIFEST_DIR")).join("target/witnesses").join(path);
    assert!(whole.exists(), "the witness {path} is not installed: run ci/test (or ci/witnesses) first");
    whole.to_string_lossy().into_owned()
}

/// A program in JavaScript.
pub fn node(script: &str, args: &[&str]) -> Vec<String> {
    command(&[&installed("node/node"), &installed(&format!("node/{script}"))], args)
}

/// A program and its arguments.
pub fn command(program: &[&str], args: &[&str]) -> Vec<String> {
    program.iter().chain(args).map(ToString::to_string).collect()
}

/// The reference server, over that transport.
pub fn everything(transport: &str) -> Vec<String> {
    node("node_modules/@modelcontextprotocol/server-everything/dist/index.js", &[transport])
}

/// The reference server as it was in 2025, over stdio.
pub fn everything_2025() -> Vec<String> {
    node("node_modules/server-everything-2025/dist/index.js", &[])
}

/// The reference server of files.
pub fn filesystem(root: &str) -> Vec<String> {
    node("node_modules/@modelcontextprotocol/server-filesystem/dist/index.js", &[root])
}

/// A server on the TypeScript SDK that speaks both eras.
pub fn typescript(mode: &str) -> Vec<String> {
    node("dual.mjs", &[mode])
}

/// A published server on the second Python SDK.
pub fn time() -> Vec<String> {
    command(&[&installed("python-sdk2/bin/mcp-server-time")], &["--local-timezone", "UTC"])
}

/// A server on the second Python SDK that speaks both eras.
pub fn python(args: &[&str]) -> Vec<String> {
    let script = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/witnesses/python/dual.py");
    command(&[&installed("python-sdk2/bin/python"), script], args)
}

/// A published server on the first Python SDK.
pub fn calculator() -> Vec<String> {
    command(&[&installed("python-sdk1/bin/mcp-server-calculator")], &[])
}

/// A server on the Rust SDK.
pub fn rmcp(mode: &str) -> Vec<String> {
    command(&[&installed("rmcp/debug/witness-rmcp")], &[mode])
}

/// A server that listens; it ends with its group.
pub struct Listening {
    child: Child,
    log: PathBuf,
    pub url: String,
    _folder: TempDir,
}

impl Listening {
    /// A server that takes a free port and names its URL on a line "listening on URL".
    pub fn says_where(server: &[String], env: &[(&str, &str)]) -> Self {
        let (child, log, folder) = Self::spawn(server, env);
        let mut this = Self { child, log, url: String::new(), _folder: folder };
        this.url = this.until("it says where it listens", |log| {
            let line = log.lines().find_map(|line| line.strip_prefix("listening on "))?;
            log.contains('\n').then(|| line.trim().to_owned())
        });
        this.connectable();
        this
    }

    /// A server that must be told its port.
    pub fn told(server: impl Fn(&str) -> Vec<String>, path: &str) -> Self {
        let port = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port().to_string();
        let (child, log, folder) = Self::spawn(&server(&port), &[("PORT", &port)]);
        let mut this = Self { child, log, url: format!("http://127.0.0.1:{port}{path}"), _folder: folder };
        this.connectable();
        this
    }

    fn spawn(server: &[String], env: &[(&str, &str)]) -> (Child, PathBuf, TempDir) {
        let folder = TempDir::new().unwrap();
        let log = folder.path().join("log");
        let file = File::options().create(true).append(true).open(&log).unwrap();
        let child = Command::new(&server[0])
            .args(&server[1..])
            .envs(env.iter().copied())
            .env("PYTHONUNBUFFERED", "1")
            .stdin(Stdio::null())
            .stdout(file.try_clone().unwrap())
            .stderr(file)
            .process_group(0)
            .spawn()
            .unwrap();
        (child, log, folder)
    }

    pub fn log(&self) -> String {
        let mut text = Vec::new();
        File::open(&self.log).unwrap().read_to_end(&mut text).unwrap();
        String::from_utf8_lossy(&text).into_owned()
    }

    #[track_caller]
    pub fn until<T>(&mut self, what: &str, mut look: impl FnMut(&str) -> Option<T>) -> T {
        let started = Instant::now();
        loop {
            if let Some(seen) = look(&self.log()) {
                return seen;
            }
            let ended = self.child.try_wait().unwrap();
            assert!(ended.is_none(), "the server ended ({ended:?}) before {what}:\n{}", self.log());
            assert!(started.elapsed() < RUN_MAX, "in {RUN_MAX:?} not seen that {what}:\n{}", self.log());
            thread::sleep(POLL);
        }
    }

    fn connectable(&mut self) {
        let address = self.url.trim_start_matches("http://").split('/').next().unwrap().to_owned();
        self.until("it accepts connections", |_| TcpStream::connect(&address).ok());
    }

    /// Waits until as many sessions ended as began, and at least this many began.
    #[track_caller]
    pub fn sessions_end(&mut self, least: usize, began: &str, ended: &str) {
        let what = format!("every {began:?} is followed by {ended:?}");
        self.until(&what, |log| {
            let (began, ended) = (log.matches(began).count(), log.matches(ended).count());
            (began >= least && began == ended).then_some(())
        });
    }
}

impl Drop for Listening {
    fn drop(&mut self) {
        if let Ok(group) = i32::try_from(self.child.id()) {
            let _ = killpg(Pid::from_raw(group), Signal::SIGKILL);
        }
        let _ = self.child.wait();
    }
}

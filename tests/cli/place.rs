//! A folder to run the real binary in, and what a run came to.

use std::fs;
use std::net::TcpListener;
use std::path::PathBuf;
use std::process::{Command, Stdio};

use serde_json::Value;
use tempfile::TempDir;

pub const EXE: &str = env!("CARGO_BIN_EXE_mcp-probe");

/// A folder to work in, with a state of its own.
pub struct Place(TempDir);

/// What a run came to.
pub struct Ran {
    pub code: i32,
    pub out: String,
    pub err: String,
}

impl Place {
    pub fn new() -> Self {
        Self(tempfile::tempdir().unwrap())
    }

    /// With a file of this text in it.
    pub fn with(self, name: &str, text: &str) -> Self {
        let path = self.path(name);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, text.replace("EXE", EXE)).unwrap();
        self
    }

    pub fn path(&self, name: &str) -> PathBuf {
        self.0.path().join(name)
    }

    pub fn command(&self, program: &str) -> Command {
        let mut command = Command::new(program);
        command
            .current_dir(self.0.path())
            .env("XDG_STATE_HOME", self.path("state"))
            .env("HOME", self.0.path())
            .env_remove("XDG_CONFIG_HOME")
            .env_remove("CLAUDE_CONFIG_DIR")
            .env_remove("CODEX_HOME")
            .env_remove("COPILOT_HOME")
            .env_remove("NO_COLOR")
            .env_remove("CLICOLOR_FORCE")
            .env_remove("COLUMNS")
            .stdin(Stdio::null());
        command
    }

    pub fn run(&self, arguments: &[&str]) -> Ran {
        finished(self.command(EXE).args(arguments))
    }

    /// The same against a demo server over stdio.
    pub fn demo(&self, arguments: &[&str]) -> Ran {
        self.run(&[arguments, &["--", EXE, "demo"]].concat())
    }
}

pub fn finished(command: &mut Command) -> Ran {
    let output = command.output().unwrap();
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    Ran { code: output.status.code().unwrap_or(-1), out: text(&output.stdout), err: text(&output.stderr) }
}

impl Ran {
    pub fn json(&self) -> Value {
        serde_json::from_str(&self.out).unwrap_or_else(|error| panic!("{error}: {} {}", self.out, self.err))
    }

    #[track_caller]
    pub fn ended(self, code: i32) -> Self {
        assert_eq!(self.code, code, "stdout: {}\nstderr: {}", self.out, self.err);
        self
    }
}

/// A URL that nobody answers at.
pub fn refused() -> String {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    format!("http://{}/mcp", listener.local_addr().unwrap())
}

/// A target that is no demo server to whoever finds it.
const FOUND: &str = r#"
[target.a]
command = ["./server.sh"]
labels = { env = "prod" }
[target.d]
command = ["mcp-probe", "demo"]
[[probe]]
name = "smoke"
target = "a"
[[probe.step]]
tool = "echo"
arguments = { message = "hi" }
"#;

pub fn found() -> Place {
    let place = Place::new().with("mcp-probe.toml", FOUND).with("server.sh", "#!/bin/sh\nexec EXE demo \"$@\"\n");
    fs::set_permissions(place.path("server.sh"), std::os::unix::fs::PermissionsExt::from_mode(0o755)).unwrap();
    place
}

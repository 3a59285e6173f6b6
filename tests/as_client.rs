//! `--as CLIENT`: a server that works in this shell and not as a client starts it, and the reason that is told.

#![cfg(unix)]
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "in a test a panic is the report; the lint exempts only functions marked as tests"
)]

#[path = "stage/prober.rs"]
mod prober;

use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::path::PathBuf;
use std::process::Command;

use prober::{BINARY, Told, told};
use serde_json::Value;

/// A folder with a program that is in this shell's PATH alone and needs a variable of this shell.
struct Shell(tempfile::TempDir);

impl Shell {
    fn new(script: &str) -> Self {
        let shell = Self(tempfile::tempdir().unwrap());
        fs::create_dir_all(shell.path("bin")).unwrap();
        fs::create_dir_all(shell.path("home")).unwrap();
        let text =
            format!("#!/bin/sh\necho x >> {}\n{script}\nexec {BINARY} demo \"$@\"\n", shell.path("starts").display());
        fs::write(shell.path("bin/my-server"), text).unwrap();
        fs::set_permissions(shell.path("bin/my-server"), fs::Permissions::from_mode(0o755)).unwrap();
        shell
    }

    fn path(&self, name: &str) -> PathBuf {
        self.0.path().canonicalize().unwrap().join(name)
    }

    fn server(&self) -> String {
        self.path("bin/my-server").display().to_string()
    }

    fn starts(&self) -> usize {
        fs::read_to_string(self.path("starts")).map_or(0, |text| text.lines().count())
    }

    fn run(&self, arguments: &[&str]) -> Told {
        let path = format!("{}:{}", self.path("bin").display(), std::env::var("PATH").unwrap());
        let mut command = Command::new(BINARY);
        command.args(arguments).current_dir(self.0.path()).env("HOME", self.path("home")).env("PATH", path);
        command
            .env("XDG_STATE_HOME", self.path("state"))
            .env("MY_TOKEN_HERE", "sekret-value")
            .env_remove("XDG_CONFIG_HOME");
        told(&mut command)
    }

    fn document(&self, arguments: &[&str]) -> Value {
        self.run(&[&["tools/list", "--as", "claude-desktop", "--json"], arguments].concat()).document()
    }
}

#[test]
fn a_program_of_this_shells_path_is_explained() {
    let shell = Shell::new("");
    assert_eq!(shell.run(&["tools/list", "--", "my-server"]).code, 0);
    let document = shell.document(&["--", "my-server"]);
    let message = document["message"].as_str().unwrap();
    assert_eq!((document["status"].as_str(), document["reason"].as_str()), (Some("failed"), Some("spawn")));
    assert!(
        message.starts_with("it works in this shell, not in Claude Desktop: `my-server` is found in "),
        "{message}"
    );
    assert!(
        message.contains(&shell.path("bin").display().to_string())
            && message.contains("not in the PATH that Claude Desktop gives")
    );
    assert_eq!((&document["as"]["client"], &document["as"]["works_here"]), (&"claude-desktop".into(), &true.into()));
    assert_eq!(document["as"]["found_here"], shell.server());
    assert_eq!(
        shell.run(&["tools/list", "--as", "claude-desktop", "--", &shell.server()]).code,
        0,
        "by its whole path it works"
    );
    assert_eq!(
        shell.run(&["tools/list", "--as", "claude-code", "--", "my-server"]).code,
        0,
        "Claude Code is started in a shell"
    );
}

#[test]
fn a_variable_that_is_not_passed_on_is_named_and_never_shown() {
    let shell = Shell::new("if [ -z \"$MY_TOKEN_HERE\" ]; then echo 'MY_TOKEN_HERE is missing' >&2; exit 3; fi");
    let server = shell.server();
    for output in [&[][..], &["--json"], &["-v"]] {
        let told = shell.run(&[&["tools/list", "--as", "claude-desktop"], output, &["--", &server]].concat());
        assert_eq!(told.code, 4, "{}", told.stderr);
        let all = told.stdout + &told.stderr;
        assert!(all.contains("variable `MY_TOKEN_HERE` is set here, but Claude Desktop does not pass it on"), "{all}");
        assert!(!all.contains("sekret"), "{all}");
    }
    let document = shell.document(&["--", &server]);
    assert_eq!(document["as"]["not_passed"][0], "MY_TOKEN_HERE");
    assert!(document["as"]["not_passed_total"].as_u64().unwrap() >= 1);
    let given = ["--as", "claude-desktop", "-e", "MY_TOKEN_HERE=x", "--", &server];
    assert_eq!(shell.run(&[&["tools/list"], &given[..]].concat()).code, 0, "in the entry's env it arrives");
}

#[test]
fn only_what_never_answered_is_started_again() {
    // The handshake needs nothing; the tool does not exist. It was asked, so nothing is started twice.
    let shell = Shell::new("");
    let server = shell.server();
    let call = [
        "tools/call",
        "--tool",
        "no-such-tool",
        "--as",
        "claude-desktop",
        "--protocol",
        "modern",
        "--json",
        "--",
        &server,
    ];
    let document = shell.run(&call).document();
    assert_eq!((document["reason"].as_str(), shell.starts()), (Some("rpc_error"), 1), "{document}");
    assert!(document["as"].get("works_here").is_none(), "{document}");
    // What fails everywhere is not the client's doing.
    let shell = Shell::new("exit 5");
    let document = shell.document(&["--protocol", "modern", "--", &shell.server()]);
    assert_eq!((&document["as"]["works_here"], shell.starts()), (&false.into(), 2), "{document}");
    assert!(document["message"].as_str().unwrap().contains("in this shell it does not start either"), "{document}");
}

#[test]
fn it_runs_where_the_client_runs_it() {
    let shell = Shell::new("if [ ! -e only-here ]; then echo \"no only-here in $PWD\" >&2; exit 4; fi");
    fs::write(shell.path("only-here"), "").unwrap();
    let server = shell.server();
    assert_eq!(shell.run(&["tools/list", "--", &server]).code, 0);
    let document = shell.document(&["--", &server]);
    let message = document["message"].as_str().unwrap();
    assert!(message.contains("it works in this shell") && message.contains("not in this folder"), "{message}");
    assert_eq!(shell.run(&["tools/list", "--as", "claude-desktop", "--cwd", ".", "--", &server]).code, 0);
}

#[test]
fn check_gives_the_same_and_tells_what_differs() {
    let shell = Shell::new("");
    fs::write(shell.path("f.toml"), "[target.mine]\ncommand = ['my-server']\n").unwrap();
    assert_eq!(shell.run(&["check", "f.toml"]).code, 0);
    let before = shell.starts();
    let told = shell.run(&["check", "f.toml", "--as", "claude-desktop", "--json"]);
    assert_eq!((told.code, shell.starts()), (4, before), "{}", told.stderr);
    let message = told.document()["probes"][0]["message"].as_str().unwrap().to_owned();
    assert!(message.contains("not in the PATH that Claude Desktop gives"), "{message}");
}

#[test]
fn clients_are_known_by_their_ids() {
    let shell = Shell::new("");
    let told = shell.run(&["tools/list", "--as", "claude-dekstop", "--", "x"]);
    assert!(told.code == 2 && told.stderr.contains("did you mean `claude-desktop`?"), "{}", told.stderr);
    let told = shell.run(&["tools/list", "--as", "claude-desktop", "http://127.0.0.1:1/mcp"]);
    assert!(told.code == 2 && told.stderr.contains("a URL is the same to every client"), "{}", told.stderr);
}

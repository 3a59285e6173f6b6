//! What was found is started only after a yes, the yes is remembered for exactly what was shown, and any change asks
//! again: at a real terminal, without one, and against files that try to get by.

#![cfg(unix)]
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "in a test a panic is the report; the lint exempts only functions marked as tests"
)]

#[path = "stage/prober.rs"]
mod prober;
#[path = "stage/terminal.rs"]
mod terminal;

use std::fs;
use std::os::unix::fs::{PermissionsExt as _, symlink};
use std::path::{Path, PathBuf};
use std::process::Command;

use prober::{BINARY, Told, told};
use serde_json::{Value, json};
use terminal::{at_terminal, while_asked};

/// A user with a home and a project, and a server that leaves a mark when it is started.
struct User {
    folder: tempfile::TempDir,
}

impl User {
    fn new() -> Self {
        let user = Self { folder: tempfile::tempdir().unwrap() };
        fs::create_dir_all(user.path("home")).unwrap();
        user.script("project/server.sh", "started");
        user
    }

    fn path(&self, name: &str) -> PathBuf {
        self.folder.path().canonicalize().unwrap().join(name)
    }

    fn write(&self, name: &str, text: &str) -> PathBuf {
        let path = self.path(name);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(&path, text).unwrap();
        path
    }

    /// A server that appends a line to a file of this name in the user's folder.
    fn script(&self, name: &str, mark: &str) -> PathBuf {
        let mark = self.path(mark);
        let path = self.write(name, &format!("#!/bin/sh\necho x >> {}\nexec {BINARY} demo\n", mark.display()));
        fs::set_permissions(&path, fs::Permissions::from_mode(0o755)).unwrap();
        path
    }

    fn entry(&self, file: &str, name: &str, entry: &Value) {
        self.write(file, &json!({"mcpServers": {name: entry}}).to_string());
    }

    fn command_in(&self, project: &str, arguments: &[&str]) -> Command {
        let mut command = Command::new(BINARY);
        command
            .args(arguments)
            .current_dir(self.path(project))
            .env("HOME", self.path("home"))
            .env("XDG_STATE_HOME", self.path("state"));
        for name in ["NO_COLOR", "COLUMNS", "XDG_CONFIG_HOME", "CLICOLOR_FORCE"] {
            command.env_remove(name);
        }
        command
    }

    fn run(&self, arguments: &[&str]) -> Told {
        told(&mut self.command_in("project", arguments))
    }

    fn at_terminal(&self, arguments: &[&str], answers: &[&str]) -> (i32, String) {
        at_terminal(self.command_in("project", arguments).env("NO_COLOR", "1"), 100, answers)
    }

    fn starts(&self, mark: &str) -> usize {
        fs::read_to_string(self.path(mark)).map_or(0, |text| text.lines().count())
    }

    fn record(&self) -> PathBuf {
        self.path("state/mcp-probe/consents.json")
    }
}

const LIST: &[&str] = &["tools/list", "--jq", ".tools | length"];

#[test]
fn asked_given_remembered_withdrawn() {
    let user = User::new();
    user.entry("project/.mcp.json", "own", &json!({"command": "./server.sh"}));
    let (code, seen) = user.at_terminal(LIST, &["n"]);
    assert_eq!((code, user.starts("started")), (8, 0), "{seen}");
    let (code, seen) = user.at_terminal(LIST, &["maybe"]);
    assert_eq!((code, user.starts("started")), (8, 0), "only a plain yes is one: {seen}");
    let (code, seen) = user.at_terminal(LIST, &[]);
    assert_eq!((code, user.starts("started")), (8, 0), "the end of the input is no yes: {seen}");
    let told = user.run(LIST);
    assert_eq!((told.code, user.starts("started")), (8, 0), "{told:?}");
    assert!(told.stderr.contains("nobody agreed") && told.stderr.contains("targets --trust"), "{}", told.stderr);
    assert!(!user.record().exists(), "a no is no yes");

    let (code, seen) = user.at_terminal(LIST, &["y"]);
    assert_eq!(code, 0, "{seen}");
    assert!(seen.contains("15"), "{seen}");
    let asked = user.starts("started");
    assert!(asked >= 1);
    let mode = fs::metadata(user.record()).unwrap().permissions().mode() & 0o777;
    assert_eq!(mode, 0o600);
    assert_eq!(user.run(LIST).code, 0, "remembered");
    assert!(user.starts("started") > asked);
    let (code, seen) = user.at_terminal(LIST, &[]);
    assert!(code == 0 && !seen.contains("[y/N/q]"), "{seen}");

    assert_eq!(user.run(&["targets", "--forget", "own"]).code, 0);
    assert_eq!(user.run(LIST).code, 8, "withdrawn");
    assert_eq!(user.run(&[LIST, &["--yes"]].concat()).code, 0);
    assert_eq!(user.run(LIST).code, 8, "--yes is for once");
}

#[test]
fn it_is_shown_whole_and_safe() {
    let user = User::new();
    let long = "x".repeat(3_000);
    let entry = json!({
        "command": "./server.sh",
        "args": ["--dir", "${HOME}/d", "--api-key", "sekret-literal", "a\nb\u{1b}[2J\u{202e}", long, "--header", "Authorization: Bearer sekret-two"],
        "env": {"LOG": "info", "API_TOKEN": "${TOKEN_HERE}", "MY_SECRET": "sekret-three", "NODE_OPTIONS": "--require ./evil.js"},
    });
    user.entry("project/.mcp.json", "o\"wn", &entry);
    let mut command = user.command_in("project", LIST);
    command.env("NO_COLOR", "1").env("TOKEN_HERE", "sekret-four");
    let (code, seen) = at_terminal(&mut command, 80, &["n"]);
    assert_eq!(code, 8, "{seen}");
    assert!(!seen.contains("sekret"), "{seen}");
    assert_eq!(prober::harmful(&seen), Vec::<char>::new(), "{seen}");
    let flat: String = seen.split_whitespace().collect();
    let home = user.path("home").display().to_string();
    let server = user.path("project").display().to_string() + "/./server.sh";
    for shown in [
        "./server.sh--dir${HOME}/d--api-key***\"a\\nb\\u{1b}[2J\\u{202e}\"",
        &format!("→{server}--dir{home}/d"),
        &long,
        &format!("program{server}"),
        &format!("folder{}", user.path("project").display()),
        "LOG=info",
        "API_TOKEN=${TOKEN_HERE}",
        "MY_SECRET=***",
        "NODE_OPTIONS=\"--require./evil.js\"",
        ".mcp.json:1:16(ClaudeCode)",
        "\"o\\\"wn\"wasfound",
        "Authorization:Bearer***",
    ] {
        assert!(flat.contains(shown), "{shown}\n{seen}");
    }
    let question = seen.split("Agree?").next().unwrap();
    assert!(question.lines().all(|line| line.chars().count() <= 80), "{seen}");
}

#[test]
fn every_change_asks_again() {
    let user = User::new();
    let entry = json!({"command": "./server.sh", "args": ["a"], "env": {"A": "1"}});
    user.entry("project/.mcp.json", "own", &entry);
    let trust = || assert_eq!(user.run(&["targets", "--trust", "own", "--yes", "-q"]).code, 0);
    trust();
    assert_eq!(user.run(LIST).code, 0);
    let starts = user.starts("started");
    // Swapped entries, as they were in attacks on clients that remember a name alone.
    for (key, value) in [
        ("args", json!(["b"])),
        ("args", json!(["a", ""])),
        ("env", json!({"A": "1", "LD_PRELOAD": "./x.so"})),
        ("env", json!({"B": "1"})),
        ("command", json!("server.sh")),
        ("command", json!("././server.sh")),
        ("args", json!(["${HOME}"])),
        ("cwd", json!(".")),
    ] {
        let mut changed = entry.clone();
        changed[key] = value;
        user.entry("project/.mcp.json", "own", &changed);
        assert_eq!(user.run(LIST).code, 8, "{changed}");
        user.entry("project/.mcp.json", "other", &entry);
        assert_eq!(user.run(LIST).code, 8, "another name");
    }
    assert_eq!(user.starts("started"), starts, "nothing was started");
    user.entry("project/.mcp.json", "own", &entry);
    assert_eq!(user.run(LIST).code, 0, "as it was agreed to");
    let (code, seen) = {
        user.entry("project/.mcp.json", "own", &json!({"command": "./server.sh"}));
        user.at_terminal(LIST, &["y"])
    };
    assert!(code == 0 && seen.contains("[y/N/q]"), "asked again: {seen}");
}

#[test]
fn what_was_shown_is_what_is_started() {
    let user = User::new();
    user.script("project/evil.sh", "evil");
    user.entry("project/.mcp.json", "own", &json!({"command": "./server.sh"}));
    let mut command = user.command_in("project", LIST);
    let (code, seen) = while_asked(command.env("NO_COLOR", "1"), 100, &["y"], || {
        user.entry("project/.mcp.json", "own", &json!({"command": "./evil.sh"}));
    });
    assert_eq!((code, user.starts("evil")), (0, 0), "{seen}");
    assert!(user.starts("started") > 0);
    assert_eq!((user.run(LIST).code, user.starts("evil")), (8, 0), "the yes was for the other");
}

#[test]
fn what_else_stands_in_a_clients_file_asks_nobody() {
    let user = User::new();
    let file = |history: u32| {
        let here = user.path("project").display().to_string();
        let entry = json!({"command": "./server.sh"});
        let text =
            json!({"numStartups": history, "projects": {here: {"history": [history], "mcpServers": {"own": entry}}}});
        user.write("home/.claude.json", &text.to_string());
    };
    file(1);
    assert_eq!(user.run(&["targets", "own", "--trust", "--yes", "-q"]).code, 0);
    let given = |user: &User| user.run(&["targets", "--json"]).document()["targets"][0]["consent"]["given"].clone();
    assert_eq!(given(&user), true);
    file(2);
    assert_eq!(given(&user), true, "the entry is the same");
    // A probe file says in its probes what is done with its targets: any change of it asks again.
    user.write("project/mcp-probe.toml", "[target.t]\ncommand = ['./server.sh']\n");
    let is_given = || {
        let document = user.run(&["targets", "t", "--json"]).document();
        document["targets"][0]["consent"]["given"] == true
    };
    assert_eq!(user.run(&["targets", "t", "--trust", "--yes", "-q"]).code, 0);
    assert!(is_given());
    user.write("project/mcp-probe.toml", "[target.t]\ncommand = ['./server.sh']\n# more\n");
    assert!(!is_given());
}

#[test]
fn the_same_entry_in_another_place_is_another() {
    let user = User::new();
    let entry = json!({"command": "./server.sh"});
    user.entry("project/.mcp.json", "own", &entry);
    user.script("second/server.sh", "second");
    user.entry("second/.mcp.json", "own", &entry);
    assert_eq!(user.run(&["targets", "--trust", "--yes", "-q"]).code, 0);
    assert_eq!(told(&mut user.command_in("second", LIST)).code, 8);
    // A link to a file that was agreed to, in a folder where it means another program.
    fs::remove_file(user.path("second/.mcp.json")).unwrap();
    symlink(user.path("project/.mcp.json"), user.path("second/.mcp.json")).unwrap();
    assert_eq!(told(&mut user.command_in("second", LIST)).code, 8);
    assert_eq!(user.starts("second"), 0);
    let (_, seen) = at_terminal(user.command_in("second", LIST).env("NO_COLOR", "1"), 200, &["n"]);
    assert!(seen.contains("a link to") && seen.contains("project/.mcp.json"), "{seen}");
    // A bare word runs what the folder makes of it, too.
    user.entry("home/.claude.json", "user", &json!({"command": "sh", "args": ["server.sh"]}));
    assert_eq!(user.run(&["targets", "user", "--trust", "--yes", "-q"]).code, 0);
    let given = |project: &str| {
        let document = told(&mut user.command_in(project, &["targets", "user", "--json"])).document();
        document["targets"][0]["consent"]["given"].clone()
    };
    assert_eq!((given("project"), given("second")), (json!(true), json!(false)));
}

#[test]
fn a_name_in_two_places_is_chosen_by_the_user() {
    let user = User::new();
    user.script("home/user.sh", "user");
    user.entry("project/.mcp.json", "own", &json!({"command": "./server.sh", "args": ["--token", "sekret-one"]}));
    let command = user.path("home/user.sh").display().to_string();
    user.entry("home/.claude.json", "own", &json!({"command": command}));
    let told = user.run(&[LIST, &["own"]].concat());
    assert_eq!((told.code, user.starts("started"), user.starts("user")), (2, 0, 0));
    for shown in
        ["found in 2 places", "project:own", "user:own", "./server.sh --token ***", "user.sh", ".mcp.json:1:16"]
    {
        assert!(told.stderr.contains(shown), "{shown}: {}", told.stderr);
    }
    assert_eq!(user.run(&["check", "own"]).code, 2);
    assert_eq!(user.run(&[LIST, &["user:own"]].concat()).code, 0, "chosen: that is consent");
    assert!(user.starts("user") > 0 && user.starts("started") == 0);
    // Nobody may pose as the other place.
    user.entry("project/.mcp.json", "user:own", &json!({"command": "./server.sh"}));
    assert_eq!(user.run(&[LIST, &["user:own"]].concat()).code, 2);
    assert_eq!(user.starts("started"), 0);
}

#[test]
fn trust_is_given_by_looking_or_by_name() {
    let user = User::new();
    user.write(
        "project/.mcp.json",
        &json!({"mcpServers": {
            "one": {"command": "./server.sh"}, "two": {"command": "./server.sh"}, "demo": {"command": "mcp-probe", "args": ["demo"]},
            "unset": {"type": "http", "url": "http://127.0.0.1:1/", "headers": {"A": "${SURELY_UNSET_HERE}"}},
        }})
        .to_string(),
    );
    let told = user.run(&["targets", "--trust"]);
    assert_eq!(told.code, 2, "without a terminal");
    assert!(told.stderr.contains("--yes") && !user.record().exists(), "{}", told.stderr);
    let (code, seen) = user.at_terminal(&["targets", "--trust"], &["n", "y", "q"]);
    assert_eq!(code, 8, "not all were agreed to: {seen}");
    let given = || {
        let document = user.run(&["targets", "--json"]).document();
        let given =
            |target: &Value| (target["consent"]["given"] == true).then(|| target["name"].as_str().unwrap().to_owned());
        document["targets"].as_array().unwrap().iter().filter_map(given).collect::<Vec<_>>()
    };
    assert_eq!(given(), ["two"]);
    assert_eq!(
        user.run(&["targets", "--trust", "one", "--yes", "--json"]).document()["targets"][0]["consent"]["given"],
        true
    );
    assert_eq!(given(), ["one", "two"]);
    assert_eq!(user.run(&["targets", "--trust", "demo"]).code, 0, "it needs none");
    assert!(user.run(&["targets", "--forget", "*"]).stderr.contains("withdrawn"));
    assert_eq!(given(), Vec::<String>::new());
    assert_eq!(user.starts("started"), 0, "nothing of this starts anything");
}

#[test]
fn a_record_that_cannot_be_understood_is_no_yes_and_is_not_lost() {
    let user = User::new();
    user.entry("project/.mcp.json", "own", &json!({"command": "./server.sh"}));
    let trust = || user.run(&["targets", "--trust", "--yes", "-q"]);
    assert_eq!(trust().code, 0);
    let good = fs::read_to_string(user.record()).unwrap();
    for broken in ["", "{", "[]", &good[..good.len() / 2], &good.replace("consents/1", "consents/9")] {
        fs::write(user.record(), broken).unwrap();
        assert_eq!(user.run(LIST).code, 8, "{broken}");
    }
    assert_eq!(trust().code, 7, "a newer record is left alone");
    assert!(fs::read_to_string(user.record()).unwrap().contains("consents/9"));
    fs::write(user.record(), "{broken").unwrap();
    assert!(trust().stderr.contains("kept as"));
    assert_eq!(fs::read_to_string(user.record().with_extension("json.broken")).unwrap(), "{broken");
    assert_eq!(user.run(LIST).code, 0);
    fs::set_permissions(user.record(), fs::Permissions::from_mode(0o646)).unwrap();
    assert_eq!(user.run(LIST).code, 8, "others may have written it");
}

#[test]
fn probes_of_found_files_wait_for_the_same_yes() {
    let user = User::new();
    user.write("project/mcp-probe.toml", "[target.t]\ncommand = ['./server.sh']\n");
    let told = user.run(&["check", "--json"]);
    assert_eq!(
        (told.code, told.document()["probes"][0]["status"].as_str(), user.starts("started")),
        (8, Some("unknown"), 0)
    );
    let (code, seen) = user.at_terminal(&["check"], &["y"]);
    assert_eq!(code, 0, "{seen}");
    assert_eq!(user.run(&["check", "--json"]).code, 0);
    assert_eq!(user.run(LIST).code, 0, "one yes for both");
    assert!(Path::new(&user.record()).exists());
}

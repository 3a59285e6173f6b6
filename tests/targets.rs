//! `mcp-probe targets` tells every target that is visible from here and starts none; calls without a target probe the
//! project's, and an entry that cannot be used keeps nobody from the others.

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
use std::path::PathBuf;
use std::process::Command;

use prober::{BINARY, Told, harmful, told};
use serde_json::{Value, json};
use terminal::at_terminal;

struct Place(tempfile::TempDir);

impl Place {
    fn new() -> Self {
        Self(tempfile::tempdir().unwrap())
    }

    fn with(self, name: &str, text: &str) -> Self {
        let path = self.path(name);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, text).unwrap();
        self
    }

    fn path(&self, name: &str) -> PathBuf {
        self.0.path().join(name)
    }

    fn command(&self, arguments: &[&str]) -> Command {
        let mut command = Command::new(BINARY);
        command
            .args(arguments)
            .current_dir(self.0.path())
            .env("HOME", self.path("home"))
            .env("XDG_STATE_HOME", self.path("state"));
        for name in ["NO_COLOR", "COLUMNS", "XDG_CONFIG_HOME", "CLICOLOR_FORCE"] {
            command.env_remove(name);
        }
        command
    }

    fn run(&self, arguments: &[&str]) -> Told {
        told(&mut self.command(arguments))
    }
}

/// One of everything.
fn zoo() -> Place {
    let client = json!({"mcpServers": {
        "github": {"command": "npx", "args": ["-y", "server", "--api-key", "sekret-arg"],
            "env": {"GITHUB_TOKEN": "${SURELY_UNSET_HERE}", "API_KEY": "sekret-env"}},
        "web": {"type": "sse", "url": "https://u:sekret-login@host/mcp?api_key=sekret-query", "headers": {"Authorization": "Bearer ${HERE}", "X-Team": "search"}},
        "none": {"args": []},
        "demo": {"command": "mcp-probe", "args": ["demo"]},
    }});
    let toml = "[target.t]\nurl = 'http://127.0.0.1:1/mcp'\nlabels = { env = 'prod' }\n\
                [target.secret]\nurl = 'http://127.0.0.1:1/'\nauth = { bearer = '${file:token}' }\n";
    Place::new()
        .with("mcp-probe.toml", toml)
        .with("token", "sekret-file")
        .with(".mcp.json", &client.to_string())
        .with("home/.claude.json", &json!({"mcpServers": {"github": {"command": "docker"}}}).to_string())
}

fn by_name<'a>(document: &'a Value, name: &str) -> &'a Value {
    document["targets"]
        .as_array()
        .unwrap()
        .iter()
        .find(|target| target["name"] == name)
        .unwrap_or_else(|| panic!("{name}: {document}"))
}

#[test]
fn every_target_is_told_with_its_place() {
    let place = zoo();
    let mut command = place.command(&["targets", "--json"]);
    let listed = told(command.env("HERE", "sekret-variable"));
    assert_eq!(listed.code, 0, "{}", listed.stderr);
    let document = listed.document();
    assert_eq!(document["schema"], "mcp-probe/targets/1");
    let names: Vec<&str> =
        document["targets"].as_array().unwrap().iter().map(|target| target["name"].as_str().unwrap()).collect();
    assert_eq!(names, ["t", "secret", "project:github", "web", "none", "demo", "user:github"]);
    let github = by_name(&document, "project:github");
    assert_eq!(github["command"], json!(["npx", "-y", "server", "--api-key", "***"]));
    assert_eq!(github["env"], json!({"API_KEY": "***", "GITHUB_TOKEN": "${SURELY_UNSET_HERE}"}));
    assert_eq!(github["unset"], json!(["SURELY_UNSET_HERE"]));
    assert_eq!(
        (&github["scope"], &github["source"], &github["client"]),
        (&json!("project"), &json!("claude-code"), &json!("Claude Code"))
    );
    assert_eq!(
        (&github["file"], &github["line"], &github["transport"]),
        (&json!(".mcp.json"), &json!(1), &json!("stdio"))
    );
    assert_eq!((&github["consent"]["needed"], &github["consent"]["given"]), (&json!(true), &json!(false)));
    assert_eq!(github["consent"]["sha256"].as_str().unwrap().len(), 64);
    let web = by_name(&document, "web");
    assert_eq!(web["url"], "https://u:***@host/mcp?api_key=***");
    assert_eq!(web["headers"], json!({"Authorization": "Bearer ${HERE}", "X-Team": "search"}));
    assert_eq!((&web["transport"], &web["consent"]["needed"]), (&json!("sse"), &json!(true)));
    assert!(by_name(&document, "none")["problems"][0]["message"].as_str().unwrap().contains("command"));
    assert_eq!(by_name(&document, "demo")["consent"], json!({"needed": false, "given": false}));
    assert_eq!(by_name(&document, "t")["labels"], json!({"env": "prod"}));
    assert_eq!(by_name(&document, "secret")["headers"], json!({"Authorization": "Bearer ${file:token}"}));
    assert_eq!(by_name(&document, "user:github")["scope"], "user");
    for text in [&listed.stdout, &listed.stderr] {
        assert!(!text.contains("sekret"), "{text}");
    }
}

#[test]
fn rows_for_a_pipe_and_a_table_that_fits_for_a_person() {
    let place = zoo();
    let rows = place.run(&["targets"]);
    let lines: Vec<Vec<&str>> = rows.stdout.lines().map(|line| line.split('\t').collect()).collect();
    assert!(lines.iter().all(|cells| cells.len() == 7), "{}", rows.stdout);
    assert_eq!(
        lines[2],
        [
            "project:github",
            "project",
            "Claude Code",
            ".mcp.json:1:16",
            "stdio",
            "npx -y server --api-key ***",
            "needs your yes; unset: SURELY_UNSET_HERE (left as it is written)"
        ]
    );
    assert!(rows.stderr.contains("error: none: .mcp.json:1:") && rows.stderr.contains("command"), "{}", rows.stderr);
    for columns in [60, 80, 160] {
        let (code, seen) = at_terminal(place.command(&["targets"]).env("NO_COLOR", "1"), columns, &[]);
        assert_eq!(code, 0, "{seen}");
        assert!(seen.contains("NAME") && seen.contains("~/.claude.json:1"), "{seen}");
        assert!(seen.lines().all(|line| line.trim_end().chars().count() <= usize::from(columns)), "{seen}");
        assert!(!seen.contains("sekret"));
    }
}

#[test]
fn targets_are_selected_and_nothing_is_code_6() {
    let place = zoo();
    let names = |arguments: &[&str]| {
        let told = place.run(&[&["targets", "-q", "--jq", "[.targets[].name] | join(\" \")"], arguments].concat());
        (told.code, told.stdout.trim().to_owned())
    };
    assert_eq!(names(&["t"]), (0, "t".to_owned()));
    assert_eq!(names(&["git*"]), (0, "project:github user:github".to_owned()));
    assert_eq!(names(&["user:github"]), (0, "user:github".to_owned()));
    assert_eq!(names(&["--target", "github", "web"]), (6, String::new()));
    assert_eq!(names(&["-l", "env=prod"]), (0, "t".to_owned()));
    assert_eq!(names(&["-f", "home/.claude.json"]), (0, "github".to_owned()));
    assert_eq!(names(&["zz*"]).0, 6);
    assert_eq!(names(&["githup"]).0, 2);
    assert!(
        place.run(&["targets", "githu"]).stderr.contains("did you mean `project:github`")
            || place.run(&["targets", "githu"]).stderr.contains("targets here")
    );
    assert_eq!(Place::new().run(&["targets"]).code, 6);
    assert_eq!(Place::new().with("mcp-probe.toml", "[target.a]\nurl = 7\n").run(&["targets"]).code, 2);
}

#[test]
fn a_file_that_cannot_be_read_is_told_and_hides_nothing_else() {
    let place = zoo().with("home/.claude.json", "{ \"mcpServers\": sekret }");
    let listed = place.run(&["targets", "--json"]);
    assert_eq!(listed.code, 0);
    assert!(listed.stderr.contains(".claude.json:1:") && listed.stderr.contains("not JSON"), "{}", listed.stderr);
    assert!(!listed.stderr.contains("sekret"), "the line is not quoted: {}", listed.stderr);
    assert!(listed.document()["unreadable"][0]["place"].as_str().unwrap().contains(".claude.json:1:"));
}

#[test]
fn hostile_files_stay_text() {
    let name = "ev\u{1b}[31mil\u{202e}\n\u{7}";
    let mut servers = serde_json::Map::new();
    servers.insert(name.into(), json!({"command": "sh\u{1b}]0;x\u{7}", "args": ["-c", "echo\nrm -rf ~\u{9b}2J"]}));
    for at in 0..500 {
        servers.insert(format!("server-{at}"), json!({"command": "sh", "args": ["x".repeat(50)]}));
    }
    let place = Place::new().with(".mcp.json", &json!({"mcpServers": servers}).to_string());
    let rows = place.run(&["targets"]);
    assert_eq!((rows.code, rows.stdout.lines().count()), (0, 501));
    let (_, seen) = at_terminal(place.command(&["targets"]).env("NO_COLOR", "1"), 80, &[]);
    for text in [&rows.stdout, &rows.stderr, &seen] {
        assert_eq!(harmful(text), Vec::<char>::new(), "{text}");
    }
    let named = place.run(&["targets", "--jq", ".targets[0].name"]);
    assert_eq!(named.stdout, format!("{name}\n"), "programs get the name itself");
}

#[test]
fn an_entry_that_cannot_be_used_keeps_nobody_from_the_others() {
    let place = zoo();
    let called = place.run(&["tools/list", "--json", "--target", "*"]);
    let document = called.document();
    let status = |name: &str| {
        let call = document["calls"].as_array().unwrap().iter().find(|call| call["target"] == name);
        call.unwrap_or_else(|| panic!("{name}: {document}"))["status"].as_str().unwrap().to_owned()
    };
    assert_eq!(status("demo"), "healthy");
    assert_eq!(
        (status("github"), status("none"), status("web")),
        ("unknown".into(), "unknown".into(), "unknown".into())
    );
    assert!(
        document["calls"].as_array().unwrap().iter().all(|call| call["target"] != "user:github"),
        "the user's are not the project's"
    );
    let demo = place.run(&["tools/list", "--jq", ".tools | length", "--target", "demo", "--target", "none"]);
    assert_eq!((demo.code, demo.stdout.as_str()), (8, "15\n"));
    assert!(demo.stderr.contains("command"), "{}", demo.stderr);
    // A mistake in a probe file of ours is one, as everywhere.
    assert_eq!(zoo().with("mcp-probe.toml", "[target.t]\nurl = '${SURELY_UNSET_HERE}'\n").run(&["tools/list"]).code, 2);
    // One that is named and cannot be used is a mistake, too; its line is not quoted.
    let named = place.run(&["tools/list", "none"]);
    assert_eq!(named.code, 2);
    assert!(named.stderr.contains("command") && !named.stderr.contains("sekret"), "{}", named.stderr);
}

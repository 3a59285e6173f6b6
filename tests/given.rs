//! Files of other clients that the command line names, alone and beside probe files: one plan with `check`, read by their
//! own rules with `validate`, written out by `init`, and their targets by whatever names they have.

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
use std::path::{Path, PathBuf};
use std::process::Command;

use prober::{Served, Told, binary, told};
use serde_json::{Value, json};

/// A user's project and home.
struct User(tempfile::TempDir);

impl User {
    fn new() -> Self {
        let user = Self(tempfile::tempdir().unwrap());
        for folder in ["home", "project"] {
            fs::create_dir(user.path(folder)).unwrap();
        }
        user
    }

    fn path(&self, name: &str) -> PathBuf {
        self.0.path().canonicalize().unwrap().join(name)
    }

    fn write(&self, name: &str, text: &str) -> &Self {
        let path = self.path("project").join(name);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, text).unwrap();
        self
    }

    fn servers(&self, file: &str, servers: &Value) -> &Self {
        let key = if file.contains(".vscode") { "servers" } else { "mcpServers" };
        self.write(file, &json!({ key: servers }).to_string())
    }

    fn command(&self, arguments: &[&str]) -> Command {
        let mut command = binary();
        command.args(arguments).current_dir(self.path("project")).env("HOME", self.path("home"));
        command.env("XDG_STATE_HOME", self.path("state")).env_remove("MCP_TIMEOUT");
        command
    }

    fn run(&self, arguments: &[&str]) -> Told {
        told(&mut self.command(arguments))
    }
}

fn demo() -> Value {
    json!({"command": "mcp-probe", "args": ["demo"]})
}

/// Probe, target and status of what a report says.
fn outcomes(told: &Told) -> Vec<String> {
    let report = told.document();
    let probes = report["probes"].as_array().unwrap();
    let word = |probe: &Value, key: &str| probe[key].as_str().unwrap().to_owned();
    let line = |probe: &Value| [word(probe, "name"), word(probe, "target"), word(probe, "status")].join(" ");
    probes.iter().map(line).collect()
}

const PROBES: &str = "[target.own]\ncommand = ['mcp-probe', 'demo']\n[[probe]]\nname = 'one'\ntarget = 'theirs'\n\
                      [[probe.step]]\nmethod = 'tools/list'\n[[probe]]\nname = 'all'\ntarget = '*'\n\
                      [[probe.step]]\nmethod = 'tools/list'\n";

#[test]
fn probes_may_name_the_targets_of_a_file_that_is_given_beside_them() {
    let user = User::new();
    let servers = json!({"theirs": demo(), "off": {"command": "false", "disabled": true}, "broken": {"command": 7}});
    user.write("p.toml", PROBES).servers(".cline/mcp.json", &json!({})).servers("cline_mcp_settings.json", &servers);
    let expected = ["one theirs healthy", "all own healthy", "all theirs healthy", "all broken unknown"];
    for files in [["p.toml", "cline_mcp_settings.json"], ["cline_mcp_settings.json", "p.toml"]] {
        let mut arguments = vec!["check", "--json"];
        arguments.extend(files);
        let told = user.run(&arguments);
        assert_eq!((outcomes(&told), told.code), (expected.map(str::to_owned).to_vec(), 8), "{}", told.stderr);
    }
    let told = user.run(&["check", "--json", "-f", "cline_mcp_settings.json", "-f", "p.toml", "theirs"]);
    assert_eq!(outcomes(&told), ["one theirs healthy", "all theirs healthy"], "{}", told.stderr);
    let told = user.run(&["check", "--json", "p.toml", "cline_mcp_settings.json", "--target", "own"]);
    assert_eq!((outcomes(&told), told.code), (vec!["all own healthy".to_owned()], 0), "{}", told.stderr);
}

#[test]
fn probes_never_name_what_was_only_discovered() {
    let user = User::new();
    user.write("p.toml", PROBES).servers(".mcp.json", &json!({"theirs": demo()}));
    let told = user.run(&["check", "p.toml"]);
    assert_eq!(told.code, 2, "{}", told.stdout);
    assert!(told.stderr.contains("there is no target `theirs`"), "{}", told.stderr);
    user.write("p.toml", &PROBES.replace("'theirs'", "'own'"));
    let told = user.run(&["check", "--json", "p.toml"]);
    assert_eq!(outcomes(&told), ["one own healthy", "all own healthy"], "{}", told.stderr);
}

#[test]
fn a_name_that_two_given_files_have_is_shown_at_both_places() {
    let user = User::new();
    user.write("p.toml", PROBES).servers(".mcp.json", &json!({"theirs": demo(), "own": demo()}));
    for command in ["check", "validate"] {
        let told = user.run(&[command, ".mcp.json", "p.toml"]);
        assert_eq!(told.code, 2, "{}", told.stdout);
        let shown = ["the target `own` is defined twice", "p.toml:1:9", ".mcp.json:1:"];
        assert!(shown.iter().all(|part| told.stderr.contains(part)), "{}", told.stderr);
    }
}

#[test]
fn a_selection_may_match_one_source_alone() {
    let user = User::new();
    user.servers(".mcp.json", &json!({"a": demo(), "c": demo()}))
        .servers(".cursor/mcp.json", &json!({"b": demo(), "c": demo()}));
    let told = user.run(&["check", "--json", ".mcp.json", "b", "--target", "b"]);
    assert_eq!((outcomes(&told), told.code), (vec!["built-in b healthy".to_owned()], 0), "{}", told.stderr);
    let told = user.run(&["check", "--json", "http://127.0.0.1:1/mcp", "b", "--target", "b"]);
    assert_eq!((outcomes(&told), told.code), (vec!["built-in b healthy".to_owned()], 0), "{}", told.stderr);
    assert_eq!(user.run(&["check", ".mcp.json", "b", "--target", "x"]).code, 6);
    // Two of one name are two.
    let told = user.run(&["check", "--json", "claude-code:c", "cursor:c"]);
    assert_eq!(outcomes(&told), ["built-in claude-code:c healthy", "built-in cursor:c healthy"], "{}", told.stderr);
}

#[test]
fn an_entry_for_this_folder_and_one_for_all_are_two_though_they_share_a_file() {
    let user = User::new();
    let local = json!({user.path("project").to_str().unwrap(): {"mcpServers": {"a": demo(), "c": demo()}}});
    let file = json!({"mcpServers": {"b": demo(), "c": demo()}, "projects": local});
    fs::write(user.path("home/.claude.json"), file.to_string()).unwrap();
    let told = user.run(&["check", "--json", "a", "b"]);
    assert_eq!(outcomes(&told), ["built-in a healthy", "built-in b healthy"], "{}", told.stderr);
    let told = user.run(&["check", "--json", user.path("home/.claude.json").to_str().unwrap()]);
    assert_eq!(told.code, 0, "the client prefers the local entry: {}", told.stderr);
}

#[test]
fn validate_reads_a_clients_file_by_its_rules_and_quotes_none_of_its_lines() {
    let user = User::new();
    let entry = json!({"url": "https://h/mcp", "headers": {"Authorization": "Bearer hunter2"}});
    user.servers(".mcp.json", &json!({"web": entry, "a": {"command": "npx", "env": {"T": "${NO_SUCH_VAR}"}}}));
    let told = user.run(&["validate", ".mcp.json"]);
    assert_eq!(told.code, 2, "{}", told.stdout);
    assert!(told.stderr.contains("--> .mcp.json:1:") && told.stderr.contains("NO_SUCH_VAR"), "{}", told.stderr);
    assert!(told.stderr.contains("1 mistake, 1 warning") && !told.stderr.contains("hunter2"), "{}", told.stderr);
    let document = user.run(&["validate", "--json", ".mcp.json"]).document();
    assert_eq!(document["summary"]["targets"], 2, "{document:#}");
    assert_eq!(document["diagnostics"][0]["file"], ".mcp.json", "{document:#}");
    assert!(!document.to_string().contains("hunter2"), "{document:#}");

    user.write("broken.json", "{\"mcpServers\": {\"a\": {\"env\": {\"TOKEN\": \"hunter2\"}, command}}}");
    for command in ["validate", "check"] {
        let told = user.run(&[command, "broken.json"]);
        assert_eq!(told.code, 2, "{}", told.stdout);
        assert!(told.stderr.contains("broken.json:1:") && !told.stderr.contains("hunter2"), "{}", told.stderr);
    }
    user.write(".codex/config.toml", "[mcp_servers.a]\ncommand = 'npx'\nurl = 'https://h/mcp'\n");
    let told = user.run(&["validate", ".codex/config.toml"]);
    assert!(told.code == 2 && told.stderr.contains(".codex/config.toml:1:14"), "{}", told.stderr);
    user.servers(".mcp.json", &json!({"a": demo()}));
    let told = user.run(&["validate", ".mcp.json"]);
    assert_eq!((told.code, told.stdout.as_str()), (0, "no mistakes: 1 file, 1 target\n"), "{}", told.stderr);
    let told = user.run(&["validate"]);
    assert_eq!(told.code, 6, "without a path it keeps to probe files: {}", told.stdout);
}

#[test]
fn as_a_client_a_check_waits_as_long_as_the_client() {
    let user = User::new();
    user.servers(".mcp.json", &json!({"a": demo()}));
    let limit = |arguments: &[&str]| {
        let told = user.run(&[&["check", "a", "--dry-run", "--json"], arguments].concat());
        told.document()["probes"][0]["target"]["startup_timeout_ms"].as_f64().unwrap()
    };
    assert!((limit(&[]) - 60_000.0).abs() < 1.0);
    assert!((limit(&["--as", "claude-code"]) - 30_000.0).abs() < 1.0);
    assert!((limit(&["--as", "claude-code", "--timeout", "7s"]) - 30_000.0).abs() < 1.0);
    assert!((limit(&["--as", "claude-code", "--startup-timeout", "7s"]) - 7_000.0).abs() < 1.0);
}

#[test]
fn names_that_look_like_something_else_are_written_with_their_place() {
    let user = User::new();
    let names = ["tools/list", "github.com/a/b", "user:x", "src", "check", "a.toml"];
    let servers: serde_json::Map<String, Value> = names.iter().map(|name| ((*name).to_owned(), demo())).collect();
    user.servers(".mcp.json", &Value::Object(servers));
    fs::create_dir(user.path("project/src")).unwrap();
    let listed = user.run(&["targets"]);
    let written: Vec<&str> = listed.stdout.lines().filter_map(|line| line.split('\t').next()).collect();
    let expected = ["project:tools/list", "project:github.com/a/b", "user:x", "project:src", "check", "project:a.toml"];
    let mut sorted = written.clone();
    sorted.sort_unstable();
    let mut wanted = expected.to_vec();
    wanted.sort_unstable();
    assert_eq!(sorted, wanted);
    for name in written {
        let told = user.run(&["tools/list", name, "--jq", ".tools | length"]);
        assert_eq!((told.stdout.trim(), told.code), ("15", 0), "{name}: {}", told.stderr);
        let told = user.run(&["check", name]);
        assert_eq!(told.code, 0, "{name}: {}", told.stderr);
    }
    let told = user.run(&["tools/list", "github.com/a/b"]);
    assert_eq!(told.code, 2, "{}", told.stdout);
}

#[test]
fn a_file_of_variables_needs_a_yes_and_is_shown() {
    let user = User::new();
    let entry = |file: &str| json!({"command": "mcp-probe", "args": ["demo"], "envFile": file});
    user.servers(".vscode/mcp.json", &json!({"a": entry("${workspaceFolder}/none"), "b": entry("empty.env")}));
    user.write("empty.env", "");
    let told = user.run(&["tools/list", "--target", "b"]);
    assert_eq!(told.code, 8, "{}", told.stdout);
    let document = user.run(&["targets", "--json"]).document();
    let of =
        |name: &str| document["targets"].as_array().unwrap().iter().find(|have| have["name"] == name).unwrap().clone();
    assert_eq!(of("b")["consent"]["needed"], true, "{document:#}");
    assert_eq!(of("b")["env_file"], "empty.env", "{document:#}");
    let problem = of("a")["problems"][0]["message"].as_str().unwrap().to_owned();
    assert!(problem.contains("cannot be read"), "{problem}");
}

#[test]
fn what_a_client_makes_of_unset_variables_is_told_with_their_names() {
    let user = User::new();
    user.servers(".cursor/mcp.json", &json!({"a": {"command": "mcp-probe", "args": ["demo", "${env:NO_SUCH_VAR}"]}}));
    user.servers(".vscode/mcp.json", &json!({"b": {"url": "https://h/mcp", "headers": {"X": "${input:x}"}}}));
    let listed = user.run(&["targets"]);
    assert!(listed.stdout.contains("unset: NO_SUCH_VAR (taken as empty)"), "{}", listed.stdout);
    let broken = listed.stdout.lines().find(|line| line.starts_with("b\t")).unwrap();
    assert!(broken.ends_with("\tbroken") && listed.stderr.contains("${input:x}"), "{}{}", listed.stdout, listed.stderr);
}

#[test]
fn what_goes_to_a_server_as_it_is_written_is_told_when_it_goes() {
    let user = User::new();
    let entry = json!({"command": "mcp-probe", "args": ["demo"], "env": {"X": "${NO_SUCH_VAR}"}, "disabled": true});
    user.servers(".mcp.json", &json!({"a": entry, "b": demo()}));
    for command in ["tools/list", "check", "wait"] {
        let told = user.run(&[command, "a"]);
        assert_eq!(told.code, 0, "{command}: {}", told.stderr);
        let told_once = told.stderr.matches("`NO_SUCH_VAR` is not set").count();
        assert_eq!((told_once, told.stderr.contains("ignores `disabled`")), (1, true), "{command}: {}", told.stderr);
        let told = user.run(&[command, "a", "-q"]);
        assert!(!told.stderr.contains("NO_SUCH_VAR"), "{command}: {}", told.stderr);
        let told = user.run(&[command, "b"]);
        assert!(!told.stderr.contains("warning"), "{command}: {}", told.stderr);
    }
}

#[test]
fn a_file_that_cannot_be_read_is_told_where_nothing_else_is_there() {
    let user = User::new();
    user.write(".mcp.json", "{\"mcpServers\": ");
    let told = user.run(&["tools/list"]);
    assert_eq!(told.code, 6, "{}", told.stdout);
    assert!(
        told.stderr.contains("no target here can be used") && told.stderr.contains(".mcp.json:1:"),
        "{}",
        told.stderr
    );
}

/// Writes a probe file of a client's target, and gives its text and what a check of it elsewhere says.
fn written_out(user: &User, name: &str, variables: &[(&str, &str)]) -> (String, Told) {
    let mut command = user.command(&["init", name]);
    let told_init = told(command.envs(variables.iter().copied()));
    assert_eq!(told_init.code, 0, "{}", told_init.stderr);
    let elsewhere = user.path("elsewhere");
    fs::create_dir_all(&elsewhere).unwrap();
    let file = elsewhere.join("new.toml");
    fs::write(&file, &told_init.stdout).unwrap();
    let mut check = user.command(&["check", "--json"]);
    let checked = told(check.arg(&file).current_dir(Path::new("/")).envs(variables.iter().copied()));
    (told_init.stdout, checked)
}

#[test]
fn init_writes_out_what_stands_in_a_clients_file() {
    let served = Served::start::<&str>([]);
    let secret = "s3cret-of-nobody-else";
    let user = User::new();
    let variables = [("TOKEN_OF_TEST", secret), ("TEAM_OF_TEST", "blue-team"), ("FROM_FILE", "value-of-the-file")];
    let env = json!({"API_TOKEN": "${TOKEN_OF_TEST}", "DB": "postgres://u:${TOKEN_OF_TEST}@h/${TEAM_OF_TEST}",
                     "KEY": "literal-secret-0123456789", "LEVEL": "info", "OTHER": "${NOT_SET_BY_ANYBODY:-dflt}"});
    user.servers(".mcp.json", &json!({"code": {"command": "mcp-probe", "args": ["demo"], "env": env}}));
    let (text, _) = written_out(&user, "code", &variables);
    assert!(text.contains("[target.code]\n") && text.contains("command = [\"mcp-probe\", \"demo\"]"), "{text}");
    for part in [
        "API_TOKEN = \"${TOKEN_OF_TEST}\"",
        "DB = \"postgres://u:${TOKEN_OF_TEST}@h/${TEAM_OF_TEST}\"",
        "KEY = \"${KEY}\"",
        "LEVEL = \"info\"",
        "OTHER = \"dflt\"",
    ] {
        assert!(text.contains(part), "{part}\n{text}");
    }
    assert!(!text.contains(secret) && !text.contains("literal-secret"), "{text}");

    user.write("v.env", "FROM_FILE=value-of-the-file\n");
    let entry = json!({"command": "mcp-probe", "args": ["demo"], "envFile": "${workspaceFolder}/v.env"});
    user.servers(".vscode/mcp.json", &json!({"code2": entry}));
    let (text, checked) = written_out(&user, "code2", &variables);
    assert!(text.contains("FROM_FILE = \"${FROM_FILE}\"") && !text.contains("value-of-the-file"), "{text}");
    assert_eq!(checked.code, 0, "{}\n{text}", checked.stderr);

    let codex = format!(
        "[mcp_servers.web]\nurl = '{}'\nbearer_token_env_var = 'TOKEN_OF_TEST'\nenv_http_headers = {{ X-Team = 'TEAM_OF_TEST' }}\n",
        served.url()
    );
    user.write(".codex/config.toml", &codex);
    let (text, checked) = written_out(&user, "web", &variables);
    assert!(text.contains("bearer = \"${TOKEN_OF_TEST}\"") && text.contains("X-Team = \"${TEAM_OF_TEST}\""), "{text}");
    assert!(!text.contains(secret), "{text}");
    assert_eq!(checked.code, 0, "{}\n{text}", checked.stderr);

    let url = format!("{}?team=${{env:TEAM_OF_TEST}}&api_key=literal-key-01234567", served.url());
    let headers = json!({"Authorization": "Bearer literal-${env:TEAM_OF_TEST}"});
    user.servers(".cursor/mcp.json", &json!({"cur": {"url": url, "headers": headers}}));
    let (text, _) = written_out(&user, "cur", &variables);
    assert!(text.contains("?team=${TEAM_OF_TEST}&api_key=${CUR_API_KEY}"), "{text}");
    assert!(!text.contains("literal-"), "{text}");
}

#[test]
fn what_stands_in_a_repository_gets_nothing_of_this_machine_and_opens_nothing_on_it() {
    let user = User::new();
    let served = Served::start::<&str>([]);
    let (url, socket) = (served.url(), user.path("left-behind.sock"));
    let listener = std::os::unix::net::UnixListener::bind(&socket).unwrap();
    let listens = |words: &[&str]| json!({"command": "mcp-probe", "args": ([&["demo"], words].concat())});
    user.servers(
        ".mcp.json",
        &json!({
            "takes-a-socket": listens(&["--http", &format!("unix:{}", socket.display())]),
            "listens": listens(&["--http=0.0.0.0:0"]),
            "by-default": listens(&["--seed", "${NO_SUCH_VAR:-1}"]),
        }),
    );
    let headers = json!({"X-Home": "\u{24}{userHome}"});
    user.servers(
        ".vscode/mcp.json",
        &json!({
            "home": {"type": "http", "url": format!("{url}?${{userHome}}")},
            "folder": {"type": "http", "url": url, "headers": headers},
            "socket": {"type": "http", "url": format!("unix://{}#/mcp", socket.display())},
        }),
    );
    user.servers(".cursor/mcp.json", &json!({"parts": {"url": url, "headers": {"X": "${workspaceFolderBasename}"}}}));
    let told = user.run(&["tools/list", "--jq", ".tools | length", "--timeout", "5s"]);
    let unknown: Vec<&str> = told.stderr.lines().filter_map(|line| line.strip_prefix("unknown: ")).collect();
    let names: Vec<&str> = unknown.iter().filter_map(|line| line.split(':').next()).collect();
    let wanted = ["takes-a-socket", "listens", "by-default", "home", "folder", "socket", "parts"];
    assert_eq!(names, wanted, "{}", told.stderr);
    assert_eq!(told.code, 8, "{}", told.stderr);
    assert!(socket.exists() && served.stats()["requests"].as_u64().unwrap_or_default() == 0, "{:#}", served.stats());
    drop(listener);
}

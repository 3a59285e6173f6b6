//! The real binary against the demo server, over stdio and over HTTP, through the file of every client; and what it does
//! to those files, which is nothing.

use std::fs;
use std::io::{BufRead as _, BufReader};
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

use super::Sample;

const EXE: &str = env!("CARGO_BIN_EXE_mcp-probe");

/// What a run came to.
struct Ran {
    code: Option<i32>,
    out: String,
    err: String,
}

impl Ran {
    #[track_caller]
    fn ended(self, code: i32) -> Self {
        assert_eq!(self.code, Some(code), "stdout: {}\nstderr: {}", self.out, self.err);
        self
    }
}

fn finished(command: &mut Command) -> Ran {
    let output = command.output().unwrap();
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    Ran { code: output.status.code(), out: text(&output.stdout), err: text(&output.stderr) }
}

/// A demo server over HTTP, which ends with the test.
struct Demo(Child, String);

impl Demo {
    fn start() -> Self {
        let mut child =
            Command::new(EXE).args(["demo", "--http", "127.0.0.1:0"]).stdout(Stdio::piped()).spawn().unwrap();
        let mut line = String::new();
        BufReader::new(child.stdout.take().unwrap()).read_line(&mut line).unwrap();
        let url = line.trim().strip_prefix("listening on ").unwrap().to_owned();
        Self(child, url)
    }
}

impl Drop for Demo {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// A project and a home.
struct World(tempfile::TempDir);

impl World {
    fn new() -> Self {
        let world = Self(tempfile::tempdir().unwrap());
        for folder in ["home", "project"] {
            fs::create_dir(world.path(folder)).unwrap();
        }
        world
    }

    fn path(&self, name: &str) -> PathBuf {
        self.0.path().join(name)
    }

    fn with(self, name: &str, text: &str) -> Self {
        let path = self.path(name);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, text).unwrap();
        self
    }

    fn command(&self, arguments: &[&str]) -> Command {
        run_in(&self.path("project"), &self.path("home"), &self.path("state"), arguments)
    }

    fn run(&self, arguments: &[&str]) -> Ran {
        finished(&mut self.command(arguments))
    }
}

/// The binary with nothing of the developer's own settings.
fn run_in(project: &Path, home: &Path, state: &Path, arguments: &[&str]) -> Command {
    let mut command = Command::new(EXE);
    command
        .args(arguments)
        .current_dir(project)
        .env_clear()
        .env("PATH", "/usr/bin:/bin")
        .env("HOME", home)
        .env("XDG_STATE_HOME", state)
        .stdin(Stdio::null());
    command
}

/// An entry over stdio and one over HTTP for every client, in its own words.
fn every_client(url: &str) -> World {
    let stdio = format!(r#""command": "{EXE}", "args": ["demo"]"#);
    let servers = |name: &str, http: &str| {
        format!(r#"{{"mcpServers": {{"{name}-stdio": {{{stdio}}}, "{name}-http": {{{http}}}}}}}"#)
    };
    let typed = |kind: &str| format!(r#""type": "{kind}", "url": "{url}""#);
    let named = |key: &str| format!(r#""{key}": "{url}""#);
    let toml = |name: &str| {
        format!(
            "[mcp_servers.{name}-stdio]\ncommand = '{EXE}'\nargs = ['demo']\n[mcp_servers.{name}-http]\nurl = '{url}'\n"
        )
    };
    let here = |world: &World| world.path("project").canonicalize().unwrap().display().to_string();
    let world = World::new();
    let local = format!(
        r#"{{"projects": {{"{}": {{"mcpServers": {{"claude-code-local": {{{stdio}}}}}}}}},
            "mcpServers": {{"claude-code-stdio": {{{stdio}}}, "claude-code-http": {{{}}}}}}}"#,
        here(&world),
        typed("http")
    );
    world
        .with("home/.claude.json", &local)
        .with("project/.mcp.json", &servers("shared", &typed("http")))
        .with("project/.vscode/mcp.json", &servers("vscode", &typed("http")).replace("mcpServers", "servers"))
        .with("home/.copilot/mcp-config.json", &servers("copilot", &typed("http")))
        .with("home/.cursor/mcp.json", &servers("cursor", &named("url")))
        .with("home/.codex/config.toml", &toml("codex"))
        .with("home/.gemini/settings.json", &servers("gemini", &named("httpUrl")))
        .with(
            "home/.config/Claude/claude_desktop_config.json",
            &format!(r#"{{"mcpServers": {{"claude-desktop-stdio": {{{stdio}}}}}}}"#),
        )
        .with("home/.codeium/windsurf/mcp_config.json", &servers("windsurf", &named("serverUrl")))
        .with("home/.cline/mcp.json", &servers("cline", &typed("streamableHttp")))
        .with(
            "home/.openclaw/openclaw.json",
            &format!(
                "{{mcp: {{servers: {{'openclaw-stdio': {{{stdio}}}, 'openclaw-http': {{url: '{url}', transport: 'streamable-http'}}}}}}}}"
            ),
        )
        .with("home/.grok/config.toml", &toml("grok"))
        .with(
            "home/.config/opencode/opencode.json",
            &format!(
                r#"{{"mcp": {{"opencode-stdio": {{"type": "local", "command": ["{EXE}", "demo"]}}, "opencode-http": {{{}}}}}}}"#,
                typed("remote")
            ),
        )
        .with("home/.mcp-inspector/mcp.json", &servers("inspector", &typed("streamable-http")))
        .with(
            "project/server.json",
            &format!(r#"{{"name": "io.example/registry-http", "remotes": [{{{}}}]}}"#, typed("streamable-http")),
        )
}

#[test]
fn the_servers_of_every_client_are_asked_by_name() {
    let demo = Demo::start();
    let world = every_client(&demo.1);
    let mut names: Vec<String> = ["shared-stdio", "shared-http", "claude-code-local"].map(str::to_owned).into();
    for client in mcp_probe::files::clients::CLIENTS {
        names.extend(["stdio", "http"].map(|kind| format!("{}-{kind}", client.id)));
    }
    // The one starts programs only, the other offers no program here.
    names.retain(|name| name != "claude-desktop-http" && name != "registry-stdio");
    for name in &names {
        let ran = world.run(&["tools/list", name, "--yes", "--jq", ".tools | length"]).ended(0);
        assert_eq!(ran.out, "15\n", "{name}");
    }
    // The same through `check` and through the place of the name.
    world.run(&["check", "codex-stdio", "cursor-http", "user:gemini:gemini-stdio"]).ended(0);
    let file = world.path("home/.codex/config.toml");
    assert_eq!(
        world.run(&["tools/list", file.to_str().unwrap(), "--jq", ".tools | length"]).ended(0).out.lines().count(),
        2
    );
    world.run(&["check", file.to_str().unwrap()]).ended(0);
    assert!(world.run(&["tools/list", "cursor-htp"]).ended(2).err.contains("did you mean `cursor-http`?"));
}

#[test]
fn a_broken_entry_keeps_nobody_from_the_others_and_is_told_when_it_is_named() {
    let servers = format!(
        r#"{{"mcpServers": {{
  "good": {{"command": "{EXE}", "args": ["demo"]}},
  "bad": {{"command": "{EXE}", "args": "demo"}}
}}}}"#
    );
    let world = World::new().with("home/.cursor/mcp.json", &servers);
    world.run(&["tools/list", "good", "--yes"]).ended(0);
    let err = world.run(&["tools/list", "bad", "--yes"]).ended(2).err;
    assert!(err.contains("`args` must be an array of strings") && err.contains("mcp.json:3:"), "{err}");
    // Of a whole file, what can be checked is checked, and what cannot is not forgotten.
    let file = world.path("home/.cursor/mcp.json");
    let file = file.to_str().unwrap();
    let ran = world.run(&["check", file]).ended(8);
    assert!(ran.out.contains("good\thealthy") && ran.out.contains("bad\tunknown"), "{}", ran.out);
    assert!(ran.err.contains("`args` must be an array of strings") && ran.err.contains("mcp.json:3:"), "{}", ran.err);
    world.run(&["check", file, "--target", "good"]).ended(0);
    world.run(&["check", file, "--target", "nobody"]).ended(6);
    world.run(&["check", file, "-l", "env=prod"]).ended(6);
}

/// Every file below a folder with its bytes, its mode and its time.
fn state(folder: &Path) -> Vec<(PathBuf, Vec<u8>, u32, std::time::SystemTime)> {
    let mut all = Vec::new();
    for entry in fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path()) {
        let metadata = entry.metadata().unwrap();
        if metadata.is_dir() {
            all.extend(state(&entry));
            all.push((entry, Vec::new(), metadata.permissions().mode(), metadata.modified().unwrap()));
        } else {
            let bytes = fs::read(&entry).unwrap();
            all.push((entry, bytes, metadata.permissions().mode(), metadata.modified().unwrap()));
        }
    }
    all.sort();
    all
}

fn modes(folder: &Path, file: u32, directory: u32) {
    for entry in fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path()) {
        if entry.is_dir() {
            modes(&entry, file, directory);
        } else {
            fs::set_permissions(&entry, fs::Permissions::from_mode(file)).unwrap();
        }
    }
    fs::set_permissions(folder, fs::Permissions::from_mode(directory)).unwrap();
}

#[test]
fn nothing_is_ever_written_to_these_files() {
    let names: Vec<PathBuf> = fs::read_dir("tests/clients").unwrap().map(|entry| entry.unwrap().path()).collect();
    let mut files = 0;
    for name in names.iter().filter(|path| path.is_dir()) {
        let sample = Sample::new(name.file_name().unwrap().to_str().unwrap());
        let outside = tempfile::tempdir().unwrap();
        modes(&sample.path(""), 0o444, 0o555);
        let before = state(&sample.path(""));
        files += before.len();
        let run = |arguments: &[&str]| {
            let mut command = run_in(&sample.path("project"), &sample.path("home"), outside.path(), arguments);
            finished(&mut command)
        };
        run(&["tools/list", "nobody has this name"]).ended(2);
        run(&["tools/list", "--timeout", "1s"]);
        run(&["check"]);
        for (path, ..) in before.iter().filter(|(path, ..)| path.is_file()) {
            run(&["validate", path.to_str().unwrap()]);
            run(&["tools/list", "-f", path.to_str().unwrap(), "nobody has this name"]).ended(2);
        }
        assert_eq!(state(&sample.path("")), before, "{}", name.display());
        modes(&sample.path(""), 0o644, 0o755);
    }
    assert!(files > 30, "{files}");
}

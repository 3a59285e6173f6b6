//! What is made of the files of other clients. `tests/clients/NAME` holds a project and a home as a client leaves them;
//! beside them stands the exact text of what comes out, with every variable set and with none. With `UPDATE_EXPECTED=1` the
//! texts are written anew, and the test still fails, so that nobody takes that for a pass. In the folder beside: the real
//! binary asks servers that such files name, and leaves the files as they are.

#![cfg(unix)]
#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::disallowed_methods,
    reason = "a test fails by panicking, and its servers end with it"
)]

#[path = "clients/asked.rs"]
mod asked;
#[path = "clients/bounds.rs"]
mod bounds;

use std::fmt::Write as _;
use std::fs;
use std::path::{Path, PathBuf};
use std::sync::LazyLock;

use mcp_probe::config::{self, Diag, Environment};
use mcp_probe::files::{Discovery, Folders, Found, Range, discover, given};
use mcp_probe::plan::{Endpoint, Target};

/// What tells where clients keep their files.
const PLACES: &[&str] = &[
    "APPDATA",
    "CLAUDE_CONFIG_DIR",
    "CLINE_MCP_SETTINGS_PATH",
    "CODEX_HOME",
    "COPILOT_HOME",
    "OPENCLAW_CONFIG_PATH",
    "OPENCODE_CONFIG",
    "XDG_CONFIG_HOME",
];

/// Variables that are all set, or of which none is; files are read as they are.
struct Variables(bool);

impl Environment for Variables {
    fn variable(&self, name: &str) -> Option<String> {
        (self.0 && !PLACES.contains(&name)).then(|| format!("set-{}", name.to_lowercase().replace('_', "-")))
    }

    fn file(&self, path: &Path) -> Result<String, String> {
        fs::read_to_string(path).map_err(|_| "it does not exist".to_owned())
    }

    /// A certificate and its key are there where the variables are.
    fn bytes(&self, path: &Path) -> Result<Vec<u8>, String> {
        static MADE: LazyLock<(String, String)> = LazyLock::new(|| {
            let made = rcgen::generate_simple_self_signed(["mcp.example".to_owned()]).unwrap();
            (made.cert.pem(), made.signing_key.serialize_pem())
        });
        match path.extension().and_then(|of| of.to_str()).filter(|_| self.0) {
            Some("pem") => Ok(MADE.0.clone().into_bytes()),
            Some("key") => Ok(MADE.1.clone().into_bytes()),
            _ => self.file(path).map(String::into_bytes),
        }
    }
}

/// A sample, copied to where its own paths are right.
struct Sample(tempfile::TempDir);

impl Sample {
    fn new(name: &str) -> Self {
        let sample = Self(tempfile::tempdir().unwrap());
        for part in ["home", "project"] {
            fs::create_dir(sample.0.path().join(part)).unwrap();
        }
        sample.copy(&Path::new("tests/clients").join(name), &sample.path(""));
        sample
    }

    fn copy(&self, from: &Path, to: &Path) {
        for entry in fs::read_dir(from).unwrap().map(|entry| entry.unwrap().path()) {
            let to = to.join(entry.file_name().unwrap());
            if entry.is_dir() {
                fs::create_dir_all(&to).unwrap();
                self.copy(&entry, &to);
            } else {
                let text = fs::read_to_string(&entry).unwrap();
                fs::write(to, text.replace("@PROJECT@", self.path("project").to_str().unwrap())).unwrap();
            }
        }
    }

    fn path(&self, name: &str) -> PathBuf {
        self.0.path().canonicalize().unwrap().join(name)
    }

    fn folders(&self) -> Folders {
        Folders { project: self.path("project"), home: Some(self.path("home")) }
    }

    fn discover(&self, environment: &Variables) -> Discovery {
        discover(&self.folders(), Range::Everywhere, environment).unwrap_or_else(|_| panic!())
    }

    /// Everything that was found, as text in which the folder has no name.
    fn shown(&self) -> String {
        let mut text = String::new();
        for (title, is_set) in [("every variable is set", true), ("no variable is set", false)] {
            let environment = Variables(is_set);
            let discovery = self.discover(&environment);
            writeln!(text, "== {title}").unwrap();
            for found in &discovery.found {
                show(&mut text, found, &environment);
            }
            tell(&mut text, "unreadable", &discovery.unreadable);
        }
        text.replace(self.path("").to_str().unwrap(), "/")
    }
}

fn show(text: &mut String, found: &Found, environment: &Variables) {
    for target in &found.loaded.draft.targets {
        writeln!(text, "\n{}:{}:{}", found.scope.name(), found.source, target.name).unwrap();
        if let Some(why) = &target.disabled {
            writeln!(text, "  disabled: {why}").unwrap();
        }
        tell(text, "", target.warnings());
        tell(text, "", target.problems());
        match found.loaded.draft.target(&target.name, environment).unwrap() {
            Ok((target, _)) => reached(text, &target),
            Err(diags) => tell(text, "cannot be probed", &diags[target.problems().len()..]),
        }
    }
    if !found.loaded.warnings.is_empty() {
        writeln!(text, "\n{}:{}", found.scope.name(), found.source).unwrap();
        tell(text, "", &found.loaded.warnings);
    }
}

fn reached(text: &mut String, target: &Target) {
    match &target.endpoint {
        Endpoint::Url(url) => writeln!(text, "  {url} ({:?})", target.transport).unwrap(),
        Endpoint::Command(argv) => writeln!(text, "  {argv:?}").unwrap(),
    }
    for (name, value) in &target.headers {
        writeln!(text, "  header {name}: {}", value.reveal()).unwrap();
    }
    for (name, value) in &target.env {
        writeln!(text, "  env {name}={}", value.reveal()).unwrap();
    }
    let mut line = |what: &str, value: String| writeln!(text, "  {what} {value}").unwrap();
    if let Some(token) = &target.bearer {
        line("bearer", token.reveal().to_owned());
    }
    if let Some(cwd) = &target.cwd {
        line("cwd", cwd.display().to_string());
    }
    if target.startup_timeout != mcp_probe::plan::STARTUP_TIMEOUT {
        line("starts within", format!("{:?}", target.startup_timeout));
    }
    if target.protocol != mcp_probe::plan::Pin::Auto {
        line("speaks", format!("{:?}", target.protocol));
    }
    if target.tls != mcp_probe::plan::TlsFiles::default() {
        line("tls", format!("{:?} {:?} insecure: {}", target.tls.cert, target.tls.key, target.tls.insecure));
    }
}

fn tell(text: &mut String, what: &str, diags: &[Diag]) {
    for diag in diags {
        let place = diag.place.as_ref().map(|place| format!("{place}: ")).unwrap_or_default();
        let what = if what.is_empty() { diag.severity.name() } else { what };
        writeln!(text, "  {what}: {place}{}", diag.message).unwrap();
        if let Some(help) = &diag.help {
            writeln!(text, "    help: {help}").unwrap();
        }
    }
}

#[test]
fn every_sample_gives_exactly_these_targets() {
    let update = std::env::var_os("UPDATE_EXPECTED").is_some();
    let (mut wrong, mut seen) = (String::new(), Vec::new());
    let mut names: Vec<PathBuf> = fs::read_dir("tests/clients").unwrap().map(|entry| entry.unwrap().path()).collect();
    names.retain(|path| path.is_dir());
    names.sort();
    for path in names {
        let name = path.file_name().unwrap().to_str().unwrap().to_owned();
        let sample = Sample::new(&name);
        let shown = sample.shown();
        seen.extend(sample.discover(&Variables(false)).found.iter().map(|found| found.source));
        let expected = path.with_extension("txt");
        if update {
            fs::write(expected, shown).unwrap();
        } else if fs::read_to_string(expected).ok().as_deref() != Some(&shown) {
            writeln!(wrong, "{name}\n{shown}").unwrap();
        }
    }
    for client in mcp_probe::files::clients::CLIENTS {
        // What Copilot shares with Claude Code is found once, as Claude Code's.
        assert!(seen.contains(&client.id), "no sample of {}", client.id);
    }
    assert!(!update, "the expected texts were written; look at them, then run again");
    assert!(wrong.is_empty(), "these differ; what is shown now:\n\n{wrong}");
}

// Whose file it is.

/// The source of the targets of a file that the command line names, or what is said of it.
fn whose(folder: &Path, name: &str, text: &str) -> String {
    let path = folder.join(name);
    fs::create_dir_all(path.parent().unwrap()).unwrap();
    fs::write(&path, text).unwrap();
    let folders = Folders { project: folder.to_path_buf(), home: None };
    match given(&[path], &folders, &Variables(false)) {
        Ok(discovery) => discovery.found[0].source.to_owned(),
        Err(diags) => config::render(&diags, false, None),
    }
}

#[test]
fn a_file_is_told_by_its_place_and_then_by_its_keys() {
    let folder = tempfile::tempdir().unwrap();
    let servers = r#"{"mcpServers": {"a": {"command": "x"}}}"#;
    let under = |key: &str| format!(r#"{{"{key}": {{"a": {{"command": "x"}}}}}}"#);
    let toml = "[mcp_servers.a]\ncommand = 'x'\n";
    for (name, text, wanted) in [
        ("claude_desktop_config.json", servers, "claude-desktop"),
        (".mcp.json", servers, "claude-code"),
        (".vscode/mcp.json", &under("servers"), "vscode"),
        (".cursor/mcp.json", servers, "cursor"),
        (".copilot/mcp-config.json", servers, "copilot"),
        (".codeium/windsurf/mcp_config.json", servers, "windsurf"),
        (".cline/mcp.json", servers, "cline"),
        ("cline_mcp_settings.json", servers, "cline"),
        (".gemini/settings.json", servers, "gemini"),
        (".codex/config.toml", toml, "codex"),
        (".grok/config.toml", toml, "grok"),
        ("openclaw.json", r"{mcp: {servers: {a: {command: 'x'}}}}", "openclaw"),
        ("opencode.json", r#"{"mcp": {"a": {"type": "local", "command": ["x"]}}}"#, "opencode"),
        (".mcp-inspector/mcp.json", servers, "inspector"),
        ("server.json", r#"{"name": "x/y", "remotes": [{"type": "sse", "url": "https://h/"}]}"#, "registry"),
        // By keys alone.
        ("one.json", servers, "claude-code"),
        ("two.json", &under("servers"), "vscode"),
        ("three.json5", "// x\n{mcp: {servers: {a: {command: 'x'}}}}", "openclaw"),
        ("four.json", r#"{"mcp": {"a": {"type": "local", "command": ["x"]}}}"#, "opencode"),
        ("five.json", r#"{"mcp": {"serverCommand": "x y"}}"#, "gemini"),
        ("six.json", r#"{"server": {"name": "x/y", "remotes": [{"type": "sse", "url": "https://h/"}]}}"#, "registry"),
        ("seven.toml", toml, "codex"),
        ("eight", servers, "claude-code"),
        // Ours.
        ("nine.toml", "[target.mcp_servers]\ncommand = ['x']\n", "probes"),
        ("config.toml", "[target.a]\ncommand = ['x']\n", "probes"),
        ("mcp/servers.toml", "[target.a]\ncommand = ['x']\n", "probes"),
    ] {
        assert_eq!(whose(folder.path(), name, text), wanted, "{name}");
    }
}

#[test]
fn json_of_nobody_is_a_mistake_that_says_what_was_looked_for() {
    let folder = tempfile::tempdir().unwrap();
    let told = whose(folder.path(), "package.json", r#"{"name": "x"}"#);
    for says in ["no client that mcp-probe knows", "package.json:1:1", "`mcpServers`", "`servers`", "`packages`"] {
        assert!(told.contains(says), "{says}: {told}");
    }
    assert!(whose(folder.path(), "broken.json", "{\n  \"mcpServers\": {,}\n}").contains("broken.json:2"));
    assert!(whose(folder.path(), ".cursor/mcp.json", "{").contains("not JSON"));
    let told = whose(folder.path(), ".cursor/mcp.json", r#"{"servers": {"a": {"command": "x"}}}"#);
    assert!(told.contains("Cursor ignores `servers`: it looks for `mcpServers`"), "{told}");
    assert!(whose(folder.path(), ".cursor/mcp.json", "{}").contains("holds no server"));
    assert!(
        whose(folder.path(), "both.toml", "[mcp_servers.a]\ncommand='x'\n[target.b]\ncommand=['x']\n")
            .contains("unknown key")
    );
}

#[test]
fn a_file_elsewhere_is_about_the_project_it_lies_in() {
    let folder = tempfile::tempdir().unwrap();
    let root = folder.path().canonicalize().unwrap();
    let program = |name: &str, text: &str| {
        let path = root.join("sub").join(name);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(&path, text).unwrap();
        let folders = Folders { project: root.clone(), home: None };
        let discovery = given(&[path], &folders, &Variables(false)).unwrap_or_else(|_| panic!());
        let (target, _) = discovery.target("a", &Variables(false)).unwrap();
        assert!(!target.needs_consent(), "naming the file is the consent");
        match target.endpoint {
            Endpoint::Command(argv) => argv[0].strip_prefix(root.to_str().unwrap()).unwrap().to_owned(),
            Endpoint::Url(url) => url,
        }
    };
    let servers = r#"{"servers": {"a": {"command": "${workspaceFolder}/x"}}}"#;
    assert_eq!(program(".vscode/mcp.json", servers), "/sub/x");
    assert_eq!(program(".devcontainer/other.json", servers), "/sub/x");
    assert_eq!(program("mcp.json", servers), "/sub/x");
    let relative = r#"{"mcpServers": {"a": {"command": "./x"}}}"#;
    assert_eq!(program(".mcp.json", relative), "/sub/./x");
    assert_eq!(program(".cursor/mcp.json", relative), "/sub/./x");
}

#[test]
fn a_file_that_two_clients_share_is_found_once() {
    let sample = Sample::new("copilot");
    let names = |discovery: &Discovery| -> Vec<String> {
        discovery.names().map(|(found, name)| format!("{}:{name}", found.source)).collect()
    };
    assert_eq!(names(&sample.discover(&Variables(false)))[0], "claude-code:shared");
    // A link to it is the same file.
    fs::create_dir(sample.path("project/.cursor")).unwrap();
    std::os::unix::fs::symlink("../.mcp.json", sample.path("project/.cursor/mcp.json")).unwrap();
    let found = names(&sample.discover(&Variables(false)));
    assert_eq!(found.iter().filter(|name| name.ends_with(":shared")).count(), 1, "{found:?}");
}

#[test]
fn one_name_in_three_scopes_of_one_client_is_three_places() {
    let sample = Sample::new("claude-code");
    let discovery = sample.discover(&Variables(false));
    let Err(mcp_probe::files::Unplaced::Several(places)) = discovery.place_of("issues") else { panic!() };
    assert_eq!(places, ["project:issues", "local:issues", "user:issues"]);
    let url = |name: &str| match discovery.target(name, &Variables(true)).unwrap().0.endpoint {
        Endpoint::Url(url) => url,
        Endpoint::Command(argv) => panic!("{argv:?}"),
    };
    assert_eq!(url("local:issues"), "http://127.0.0.1:8080/mcp");
    assert_eq!(url("user:issues"), "https://issues.example/mcp");
}

#[test]
fn what_may_be_a_secret_is_masked_and_what_every_program_has_is_not() {
    let folder = tempfile::tempdir().unwrap();
    let servers = r#"{"mcpServers": {
        "a": {
            "command": "x", "args": ["--key", "${ARG_KEY}", "${HOME}/x"],
            "env": {"API_KEY": "written-out", "MODE": "plain-mode", "CACHE": "${HOME}/c", "FROM": "${ENV_VALUE}"}
        },
        "b": {"type": "http", "url": "https://h.example/${URL_PART}", "headers": {"Authorization": "Bearer in-header"}}
    }}"#;
    let path = folder.path().join(".mcp.json");
    fs::write(&path, servers).unwrap();
    let folders = Folders { project: folder.path().to_path_buf(), home: None };
    let discovery = given(&[path], &folders, &Variables(true)).unwrap_or_else(|_| panic!());
    let (target, masker) = discovery.target("a", &Variables(true)).unwrap();
    let shown = "set-arg-key written-out set-env-value set-home plain-mode";
    assert_eq!(masker.mask(shown), "*** *** *** set-home plain-mode");
    assert!(target.hidden_env.contains(&"URL_PART".to_owned()) && !target.hidden_env.contains(&"HOME".to_owned()));
    let (_, masker) = discovery.target("b", &Variables(true)).unwrap();
    assert_eq!(masker.mask("set-url-part Bearer in-header"), "*** ***");
    // The file of variables.
    let sample = Sample::new("vscode");
    let (_, masker) = sample.discover(&Variables(false)).target("build", &Variables(false)).unwrap();
    assert_eq!(masker.mask("b-12345678"), "***");
}

/// Variables that tell where clients keep their files: each a folder or a file below this one.
struct Elsewhere(PathBuf);

impl Environment for Elsewhere {
    fn variable(&self, name: &str) -> Option<String> {
        PLACES.contains(&name).then(|| self.0.join(name.to_lowercase()).display().to_string())
    }

    fn file(&self, _: &Path) -> Result<String, String> {
        Err("it does not exist".to_owned())
    }
}

#[test]
fn the_environment_tells_where_files_are() {
    let folder = tempfile::tempdir().unwrap();
    let server = |name: &str| format!(r#"{{"mcpServers": {{"{name}": {{"command": "x"}}}}}}"#);
    let toml = "[mcp_servers.f]\ncommand = 'x'\n".to_owned();
    let local = |name: &str| format!(r#"{{"mcp": {{"{name}": {{"type": "local", "command": ["x"]}}}}}}"#);
    let files = [
        ("appdata/Claude/claude_desktop_config.json", server("a"), "claude-desktop:a"),
        ("appdata/Code/User/mcp.json", server("b").replace("mcpServers", "servers"), "vscode:b"),
        ("xdg_config_home/Claude/claude_desktop_config.json", server("c"), "claude-desktop:c"),
        ("home/Library/Application Support/Claude/claude_desktop_config.json", server("d"), "claude-desktop:d"),
        ("claude_config_dir/.claude.json", server("e"), "claude-code:e"),
        ("codex_home/config.toml", toml, "codex:f"),
        ("copilot_home/mcp-config.json", server("g"), "copilot:g"),
        ("cline_mcp_settings_path", server("h"), "cline:h"),
        ("openclaw_config_path", "{mcp: {servers: {i: {command: 'x'}}}}".to_owned(), "openclaw:i"),
        ("opencode_config", local("j"), "opencode:j"),
        ("xdg_config_home/opencode/opencode.json", local("k"), "opencode:k"),
    ];
    for (name, text, _) in &files {
        let path = folder.path().join(name);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, text).unwrap();
    }
    let environment = Elsewhere(folder.path().to_path_buf());
    let folders = Folders { project: folder.path().join("project"), home: Some(folder.path().join("home")) };
    let discovery = discover(&folders, Range::Everywhere, &environment).unwrap_or_else(|_| panic!());
    let mut found: Vec<String> = discovery.names().map(|(found, name)| format!("{}:{name}", found.source)).collect();
    let mut wanted: Vec<&str> = files.iter().map(|(_, _, name)| *name).collect();
    found.sort();
    wanted.sort_unstable();
    assert_eq!(found, wanted);
    // Of the project alone, none of them is looked at.
    let project = discover(&folders, Range::Project, &environment).unwrap_or_else(|_| panic!());
    assert!(project.found.is_empty() && project.unreadable.is_empty());
}

#[test]
fn the_same_words_mean_other_things_to_other_clients() {
    let folder = tempfile::tempdir().unwrap();
    let read = |name: &str, text: &str| {
        let path = folder.path().join(name);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(&path, text).unwrap();
        let folders = Folders { project: folder.path().to_path_buf(), home: None };
        let discovery = given(&[path], &folders, &Variables(true)).unwrap_or_else(|_| panic!());
        discovery
            .target("a", &Variables(true))
            .map(|(target, _)| (format!("{:?}", target.transport), target.startup_timeout))
    };
    let url = r#"{"mcpServers": {"a": {"url": "https://h.example/mcp"}}}"#;
    let transport = |name: &str, text: &str| read(name, text).map(|(transport, _)| transport);
    assert_eq!(transport(".gemini/settings.json", url).unwrap(), "Sse");
    assert_eq!(transport(".cursor/mcp.json", url).unwrap(), "Auto");
    assert_eq!(transport(".cline/mcp.json", url).unwrap(), "Sse");
    assert_eq!(transport("openclaw.json", "{mcp: {servers: {a: {url: 'https://h.example/mcp'}}}}").unwrap(), "Sse");
    assert_eq!(
        transport(".codex/config.toml", "[mcp_servers.a]\nurl = 'https://h.example/mcp'").unwrap(),
        "StreamableHttp"
    );
    assert!(transport(".mcp.json", url).unwrap_err()[0].message.contains("a `url` without a `type`"));
    let timeout = |name: &str, text: &str| read(name, text).unwrap().1.as_millis();
    let two = |key: &str| format!(r#"{{"mcpServers": {{"a": {{"command": "x", "{key}": 2000}}}}}}"#);
    assert_eq!(timeout(".gemini/settings.json", &two("timeout")), 2_000);
    let openclaw =
        |key: &str| timeout("openclaw.json", &format!("{{mcp: {{servers: {{a: {{command: 'x', {key}: 2000}}}}}}}}"));
    assert_eq!((openclaw("connectTimeout"), openclaw("connectionTimeoutMs")), (2_000_000, 2_000));
}

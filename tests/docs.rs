//! What the documents say is true: their probe files load, their commands run, and every word, option, fault and
//! finding that exists stands in them.
//!
//! The word after a fence says what becomes of the block. `console` is run line by line (`$ mcp-probe …`) and every
//! command must exit with 0, or with the code of `exit=N`; with `same`, what follows a command must be what it prints
//! into a pipe. `sh` is for commands that reach hosts of the reader. `toml` is a whole probe file; `toml target` and
//! `toml step` are the inside of a target and of a step.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::collections::BTreeSet;
use std::fmt::Write as _;
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};
use std::sync::OnceLock;

use mcp_probe::config::{self, Environment};
use mcp_probe::files;
use mcp_probe::plan::{NotSelected, Selection};
use regex::Regex;

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

fn documents() -> Vec<(String, String)> {
    let mut paths = vec![root().join("README.md"), root().join("ARCHITECTURE.md"), root().join("CONTRIBUTING.md")];
    paths.extend(std::fs::read_dir(root().join("docs")).unwrap().map(|entry| entry.unwrap().path()));
    paths.sort();
    let name = |path: &PathBuf| path.strip_prefix(root()).unwrap().display().to_string();
    paths.iter().map(|path| (name(path), std::fs::read_to_string(path).unwrap())).collect()
}

fn document(name: &str) -> String {
    std::fs::read_to_string(root().join(name)).unwrap()
}

/// A fenced block.
struct Block {
    place: String,
    fence: Vec<String>,
    text: String,
}

impl Block {
    fn is(&self, word: &str) -> bool {
        self.fence.iter().any(|have| have == word)
    }
}

fn blocks(kind: &str) -> Vec<Block> {
    let mut found = Vec::new();
    for (name, text) in documents() {
        let mut open: Option<Block> = None;
        for (at, line) in text.lines().enumerate() {
            match (line.trim_start().strip_prefix("```"), &mut open) {
                (Some(_), Some(_)) => found.extend(open.take()),
                (Some(fence), None) => {
                    let fence = fence.split_whitespace().map(str::to_owned).collect();
                    open = Some(Block { place: format!("{name}:{}", at + 1), fence, text: String::new() });
                }
                (None, Some(block)) => writeln!(block.text, "{line}").unwrap(),
                (None, None) => {}
            }
        }
        assert!(open.is_none(), "{name} ends within a fenced block");
    }
    found.retain(|block| block.fence.first().is_some_and(|word| word == kind));
    assert!(!found.is_empty(), "no document has a block of {kind}");
    found
}

/// Every variable is set and every file is there: the documents are about a machine that has them.
struct Everything;

impl Environment for Everything {
    fn variable(&self, _: &str) -> Option<String> {
        Some("a-value-from-outside".to_owned())
    }

    fn file(&self, _: &Path) -> Result<String, String> {
        Ok("a-text-from-a-file".to_owned())
    }

    /// A certificate and its key.
    fn bytes(&self, path: &Path) -> Result<Vec<u8>, String> {
        static MADE: OnceLock<(String, String)> = OnceLock::new();
        let (cert, key) = MADE.get_or_init(|| {
            let made = rcgen::generate_simple_self_signed(["weather.example".to_owned()]).unwrap();
            (made.cert.pem(), made.signing_key.serialize_pem())
        });
        let is_key = path.extension().is_some_and(|extension| extension == "key");
        Ok(if is_key { key } else { cert }.clone().into_bytes())
    }
}

#[test]
fn every_probe_file_in_the_documents_loads() {
    let folder = tempfile::tempdir().unwrap();
    let mut wrong = String::new();
    for (at, block) in blocks("toml").iter().enumerate() {
        let target = "[target.weather]\nurl = \"https://weather.example/mcp\"\n";
        let text = if block.is("step") {
            format!("{target}[[probe]]\nname = \"p\"\ntarget = \"weather\"\n[[probe.step]]\n{}", block.text)
        } else if block.is("target") {
            format!("[target.weather]\n{}", block.text)
        } else {
            block.text.clone()
        };
        let path = folder.path().join(format!("{at}.toml"));
        std::fs::write(&path, text).unwrap();
        let shown = match files::load(&[path], false, &Everything) {
            Err(diags) => config::render(&diags, false, None),
            Ok(loaded) => {
                let mut shown = config::render(&loaded.warnings, false, None);
                match loaded.draft.select(&Selection::default(), &Everything) {
                    Err(NotSelected::Mistakes(diags)) => shown.push_str(&config::render(&diags, false, None)),
                    Err(NotSelected::Nothing(_)) | Ok(_) => {}
                }
                shown
            }
        };
        if !shown.is_empty() {
            writeln!(wrong, "{}:\n{shown}", block.place).unwrap();
        }
    }
    assert!(wrong.is_empty(), "{wrong}");
}

/// Runs a line as a shell would, with this build of mcp-probe in PATH and the shipped probes in the folder.
fn shell(line: &str, folder: &Path) -> Output {
    let own = Path::new(env!("CARGO_BIN_EXE_mcp-probe")).parent().unwrap();
    let path = std::env::var_os("PATH").unwrap_or_default();
    let places = [own.to_path_buf()].into_iter().chain(std::env::split_paths(&path));
    Command::new("sh")
        .args(["-c", line])
        .current_dir(folder)
        .env("PATH", std::env::join_paths(places).unwrap())
        .env("HOME", folder)
        .env_remove("XDG_CONFIG_HOME")
        .stdin(Stdio::null())
        .output()
        .unwrap()
}

#[test]
fn every_command_in_the_documents_runs() {
    let folder = tempfile::tempdir().unwrap();
    let probes = folder.path().join("probes");
    std::fs::create_dir(&probes).unwrap();
    for entry in std::fs::read_dir(root().join("probes")).unwrap() {
        let path = entry.unwrap().path();
        std::fs::copy(&path, probes.join(path.file_name().unwrap())).unwrap();
    }
    let (mut wrong, mut ran) = (String::new(), 0);
    for block in blocks("console") {
        let expected: i32 =
            block.fence.iter().find_map(|word| word.strip_prefix("exit=")).map_or(0, |code| code.parse().unwrap());
        let mut commands: Vec<(String, String)> = Vec::new();
        for line in block.text.lines() {
            if let Some(command) = line.strip_prefix("$ ") {
                commands.push((command.to_owned(), String::new()));
            } else if let Some((command, shown)) = commands.last_mut() {
                if command.ends_with('\\') {
                    writeln!(command, "\n{line}").unwrap();
                } else {
                    writeln!(shown, "{line}").unwrap();
                }
            }
        }
        assert!(!commands.is_empty(), "{}: a console block without a `$ ` line", block.place);
        for (command, shown) in commands {
            let output = shell(&command, folder.path());
            ran += 1;
            let told = String::from_utf8_lossy(&output.stdout) + String::from_utf8_lossy(&output.stderr);
            if output.status.code() != Some(expected) {
                writeln!(wrong, "{}: `{command}` ended with {}:\n{told}", block.place, output.status).unwrap();
            } else if block.is("same") && told.trim_end() != shown.trim_end() {
                writeln!(wrong, "{}: `{command}` prints\n{told}", block.place).unwrap();
            }
        }
    }
    assert!(wrong.is_empty(), "{wrong}");
    assert!(ran >= 20, "only {ran} commands of the documents were run");
}

fn said(arguments: &[&str]) -> String {
    let output = Command::new(env!("CARGO_BIN_EXE_mcp-probe")).args(arguments).output().unwrap();
    assert!(output.status.success(), "{arguments:?}: {output:?}");
    String::from_utf8(output.stdout).unwrap()
}

/// The words of a kind that `explain` knows.
fn explained(kind: &str) -> BTreeSet<String> {
    let rows = said(&["explain"]);
    let words = rows.lines().filter_map(|row| {
        let mut cells = row.split('\t');
        (cells.next() == Some(kind)).then(|| cells.next().unwrap().to_owned())
    });
    let words: BTreeSet<String> = words.collect();
    assert!(!words.is_empty(), "explain knows no {kind}:\n{rows}");
    words
}

/// The ids that the code can put into a finding.
fn emitted() -> BTreeSet<String> {
    fn visit(folder: &Path, pattern: &Regex, found: &mut BTreeSet<String>) {
        let tests = Regex::new(r"#\[cfg\(test\)\]\n(?:pub(?:\([a-z]+\))? )?mod \w+ \{").unwrap();
        for entry in std::fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                visit(&path, pattern, found);
            } else if path.extension().is_some_and(|extension| extension == "rs") && !path.ends_with("tests.rs") {
                let text = std::fs::read_to_string(&path).unwrap();
                let product = tests.split(&text).next().unwrap();
                found.extend(pattern.captures_iter(product).map(|hit| hit[1].to_owned()));
                // Rules have topics of their own, one each.
                let made =
                    product.matches("Finding::new(").count() - product.matches("Finding::new(said.rule.id").count();
                let named = pattern.captures_iter(product).count();
                assert!(made <= named, "{}: a finding whose id is no literal escapes this test", path.display());
            }
        }
    }
    let pattern = Regex::new(r#"Finding::new\(\s*"([^"]+)""#).unwrap();
    let mut found = BTreeSet::new();
    visit(&root().join("src"), &pattern, &mut found);
    found
}

#[test]
fn every_finding_is_explained_and_every_explained_one_exists() {
    let (emitted, explained) = (emitted(), explained("finding"));
    let missing: Vec<_> = emitted.difference(&explained).collect();
    assert!(missing.is_empty(), "without a topic in src/cli/explain/findings.rs: {missing:?}");
    let dead: Vec<_> = explained.difference(&emitted).collect();
    assert!(dead.is_empty(), "explained, but nothing emits them: {dead:?}");
    headings("docs/findings.md", "### ", &explained);
}

/// The headings of a document are exactly these words.
fn headings(name: &str, mark: &str, words: &BTreeSet<String>) {
    let text = document(name);
    let there: BTreeSet<String> =
        text.lines().filter_map(|line| line.strip_prefix(mark)).map(|line| line.replace('`', "")).collect();
    let missing: Vec<_> = words.difference(&there).collect();
    let dead: Vec<_> = there.difference(words).collect();
    assert!(missing.is_empty() && dead.is_empty(), "{name} lacks {missing:?} and has too much: {dead:?}");
}

/// `UPDATE=1 cargo test --test docs page_of_the_rules` writes it anew.
#[test]
fn the_page_of_the_rules_is_the_programs_own() {
    let page = said(&["explain", "rules", "--markdown"]);
    let path = root().join("docs/rules.md");
    if std::env::var_os("UPDATE").is_some() {
        std::fs::write(&path, &page).unwrap();
    }
    let written = std::fs::read_to_string(&path).unwrap_or_default();
    let other = page.lines().zip(written.lines()).find(|(now, then)| now != then);
    assert!(page == written, "docs/rules.md is old ({other:?}): UPDATE=1 cargo test --test docs page_of_the_rules");
}

#[test]
fn every_fault_stands_in_the_page_of_the_demo_server() {
    let rows = said(&["demo", "--faults"]);
    let text = document("docs/demo.md");
    let missing: Vec<&str> = rows
        .lines()
        .filter_map(|row| row.split('\t').next())
        .filter(|name| !text.contains(&format!("| `{name}` |")))
        .collect();
    assert!(missing.is_empty(), "docs/demo.md lacks {missing:?}");
    let known: BTreeSet<&str> = rows.lines().filter_map(|row| row.split('\t').next()).collect();
    let row = Regex::new(r"(?m)^\| `([a-z0-9-]+)` \| (?:stdio|http|both)").unwrap();
    let dead: Vec<String> =
        row.captures_iter(&text).map(|hit| hit[1].to_owned()).filter(|name| !known.contains(name.as_str())).collect();
    assert!(dead.is_empty(), "docs/demo.md has faults that do not exist: {dead:?}");
}

#[test]
fn every_check_kind_stands_in_the_page_of_the_probe_file() {
    headings("docs/probe-file.md", "### ", &explained("check"));
}

#[test]
fn every_format_stands_in_the_page_of_the_output() {
    headings("docs/output.md", "### ", &explained("format"));
}

#[test]
fn every_metric_stands_in_the_page_of_the_metrics() {
    headings("docs/metrics.md", "### ", &explained("metric"));
}

#[test]
fn every_client_stands_in_the_page_of_the_clients() {
    let text = document("docs/clients.md");
    let clients = files::clients::CLIENTS;
    let missing: Vec<&str> =
        clients.iter().map(|client| client.id).filter(|id| !text.contains(&format!("| `{id}` |"))).collect();
    assert!(missing.is_empty(), "docs/clients.md lacks {missing:?}");
    let row = Regex::new(r"(?m)^\| `([a-z-]+)` \|").unwrap();
    let section = text.split("\n## ").find(|section| section.starts_with("Clients\n")).unwrap();
    let dead: Vec<&str> = row
        .captures_iter(section)
        .map(|hit| hit.get(1).unwrap().as_str())
        .filter(|id| files::clients::client(id).is_none())
        .collect();
    assert!(dead.is_empty(), "docs/clients.md has clients that do not exist: {dead:?}");
}

#[test]
fn every_option_stands_in_the_page_of_the_command_line() {
    let option = Regex::new(r"(?m)^ +(?:-[a-zA-Z], )?(--[a-z][a-z-]*)").unwrap();
    let mut missing = Vec::new();
    for (page, commands) in [
        (
            "docs/cli.md",
            &[
                "",
                "check",
                "audit",
                "wait",
                "status",
                "top",
                "targets",
                "init",
                "alerts list",
                "lock",
                "diff",
                "alerts test",
                "notify test",
                "validate",
                "schema",
                "explain",
                "completions",
                "man",
            ][..],
        ),
        ("docs/demo.md", &["demo"]),
        ("docs/watch.md", &["watch"]),
        ("docs/history.md", &["history", "report"]),
    ] {
        let text = document(page);
        for command in commands {
            let help = said(&command.split_whitespace().chain(["--help"]).collect::<Vec<_>>());
            for hit in option.captures_iter(&help).filter(|hit| &hit[1] != "--help") {
                if !text.contains(&format!("`{}", &hit[1])) && !text.contains(&format!(", {}", &hit[1])) {
                    missing.push(format!("{page}: {command} {}", &hit[1]));
                }
            }
        }
    }
    assert!(missing.is_empty(), "{missing:#?}");
}

#[test]
fn every_code_reason_and_phase_stands_in_the_page_of_the_outputs() {
    let text = document("docs/output.md");
    let mut missing = Vec::new();
    for kind in ["exit code", "reason", "phase", "status"] {
        missing.extend(explained(kind).into_iter().filter(|word| !text.contains(&format!("`{word}`"))));
    }
    assert!(missing.is_empty(), "docs/output.md lacks {missing:?}");
}

#[test]
fn links_between_the_documents_lead_somewhere() {
    let link = Regex::new(r"\]\(([A-Za-z0-9_./-]+)(?:#[a-z0-9-]+)?\)").unwrap();
    let mut wrong = Vec::new();
    for (name, text) in documents() {
        let folder = root().join(&name).parent().unwrap().to_path_buf();
        for hit in link.captures_iter(&text).filter(|hit| !folder.join(&hit[1]).exists()) {
            wrong.push(format!("{name}: {}", &hit[1]));
        }
    }
    assert!(wrong.is_empty(), "{wrong:?}");
}

#[test]
fn completions_and_manual_pages_are_whole() {
    for shell in ["bash", "zsh", "fish", "elvish", "powershell"] {
        let script = said(&["completions", shell]);
        for word in ["check", "explain", "--transport", "--fault"] {
            assert!(script.contains(word.trim_start_matches('-')), "{shell}: {word}");
        }
    }
    let folder = tempfile::tempdir().unwrap();
    std::fs::write(folder.path().join("mcp-probe.bash"), said(&["completions", "bash"])).unwrap();
    let parsed = Command::new("bash").arg("-n").arg(folder.path().join("mcp-probe.bash")).output().unwrap();
    assert!(parsed.status.success() && parsed.stderr.is_empty(), "{parsed:?}");
    let page = said(&["man"]);
    assert!(page.contains(".TH mcp-probe 1") && page.contains("startup\\-timeout"), "{page}");
    said(&["man", "--dir", folder.path().to_str().unwrap()]);
    for command in [
        "check",
        "wait",
        "targets",
        "init",
        "validate",
        "history",
        "report",
        "demo",
        "explain",
        "schema",
        "completions",
        "man",
    ] {
        assert!(folder.path().join(format!("mcp-probe-{command}.1")).is_file(), "{command}");
    }
}

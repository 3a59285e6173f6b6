//! Files that no client would write: too large, too deep, in other encodings, no files at all.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::{Duration, Instant};

use mcp_probe::config;
use mcp_probe::files::{Discovery, Folders, Range, discover};

use super::Variables;

struct Home(tempfile::TempDir);

impl Home {
    fn new() -> Self {
        Self(tempfile::tempdir().unwrap())
    }

    fn path(&self, name: &str) -> PathBuf {
        let path = self.0.path().join(name);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        path
    }

    fn discover(&self) -> Discovery {
        let folders = Folders { project: self.0.path().join("project"), home: Some(self.0.path().to_path_buf()) };
        discover(&folders, Range::Everywhere, &Variables(false)).unwrap_or_else(|_| panic!())
    }

    /// The names that one file of Cursor gives, and everything that is said of it.
    fn cursor(&self, bytes: &[u8]) -> (Vec<String>, String) {
        fs::write(self.path(".cursor/mcp.json"), bytes).unwrap();
        let discovery = self.discover();
        let names = discovery.names().map(|(_, name)| name.to_owned()).collect();
        let drafts = discovery.found.iter().flat_map(|found| &found.loaded.draft.targets);
        let told = drafts.flat_map(|target| target.problems().iter().chain(target.warnings()));
        let told =
            told.chain(&discovery.unreadable).chain(discovery.found.iter().flat_map(|found| &found.loaded.warnings));
        (names, config::render(&told.cloned().collect::<Vec<_>>(), false, None))
    }
}

const SERVER: &str = r#"{"mcpServers": {"ä": {"command": "x"}}}"#;

#[test]
fn other_encodings() {
    let home = Home::new();
    let (names, told) = home.cursor(format!("\u{feff}{SERVER}").as_bytes());
    assert_eq!((names, told.as_str()), (vec!["ä".to_owned()], ""));
    for (mark, unit) in [(0xfeff_u16, u16::to_le_bytes as fn(u16) -> [u8; 2]), (0xfeff, u16::to_be_bytes)] {
        let units = [mark].into_iter().chain(SERVER.encode_utf16());
        let (names, told) = home.cursor(&units.flat_map(unit).collect::<Vec<u8>>());
        assert_eq!(names, ["ä"]);
        assert!(told.contains("written in UTF-16") && told.contains("save it as UTF-8"), "{told}");
    }
    let broken: Vec<u8> = [0xfeff_u16, 0xd800].into_iter().flat_map(u16::to_le_bytes).collect();
    assert!(home.cursor(&broken).1.contains("its UTF-16 is broken"));
    assert!(home.cursor(b"{\"a\": \"\xff\"}").1.contains("not UTF-8 at byte 7"));
    assert_eq!(home.cursor(b"").0, Vec::<String>::new());
}

#[test]
fn names_that_nobody_can_type() {
    let home = Home::new();
    let long = "n".repeat(5_000);
    let text = format!(
        r#"{{"mcpServers": {{"a\u001b[2Jb": {{"command": "x"}}, "{long}": {{"command": "x"}}, "*": {{"command": "x"}}, "": {{"command": "x"}}}}}}"#
    );
    let (names, told) = home.cursor(text.as_bytes());
    assert_eq!(names.len(), 4);
    assert_eq!(told.matches("cannot be the name of a target").count(), 3, "{told}");
    assert!(told.contains("at most 100 characters") && !told.contains('\u{1b}'), "{told}");
}

#[test]
fn too_many_entries_and_too_deep_ones() {
    let home = Home::new();
    let entries: Vec<String> = (0..10_000).map(|at| format!("\"s{at}\": {{\"command\": \"x\"}}")).collect();
    let started = Instant::now();
    let (names, told) = home.cursor(format!("{{\"mcpServers\": {{\n{}}}}}", entries.join(",\n")).as_bytes());
    assert_eq!(names.len(), 1_000);
    assert!(
        told.contains("only the first 1000 of 10000 entries are read") && told.contains("mcp.json:1002:1"),
        "{told}"
    );
    assert!(started.elapsed() < Duration::from_secs(20), "{:?}", started.elapsed());
    let deep = format!("{{\"mcpServers\": {}1{}}}", "{\"a\": ".repeat(5_000), "}".repeat(5_000));
    assert!(home.cursor(deep.as_bytes()).1.contains("nesting"));
    let within = format!("{{\"mcpServers\": {{\"a\": {{\"env\": {}1{}}}}}}}", "{\"a\": ".repeat(200), "}".repeat(200));
    assert!(home.cursor(within.as_bytes()).1.contains("must be a string"));
}

#[test]
fn a_large_history_beside_the_servers_costs_little() {
    let home = Home::new();
    let entry =
        format!(r#"{{"display": "{}", "pastedContents": {{"1": {{"id": 1, "type": "text"}}}}}}"#, "word ".repeat(20));
    let history = vec![entry; 330_000].join(",\n");
    let text =
        format!(r#"{{"projects": {{"/x": {{"history": [{history}]}}}}, "mcpServers": {{"a": {{"command": "x"}}}}}}"#);
    assert!(text.len() > 50 << 20, "{}", text.len());
    fs::write(home.path(".claude.json"), &text).unwrap();
    let started = Instant::now();
    let discovery = home.discover();
    // Minutes would be a mistake of ours; what a build without optimisation on a busy machine needs is not.
    assert!(started.elapsed() < Duration::from_secs(60), "{:?}", started.elapsed());
    assert_eq!(discovery.names().count(), 1);
    fs::write(home.path(".claude.json"), text.repeat(2)).unwrap();
    assert!(home.discover().unreadable[0].message.contains("larger than"));
}

#[test]
fn what_is_no_file_is_told_and_never_waited_for() {
    let home = Home::new();
    let fifo = home.path(".cursor/mcp.json");
    assert!(Command::new("mkfifo").arg(&fifo).status().unwrap().success());
    std::os::unix::fs::symlink(".claude.json", home.path(".claude.json")).unwrap();
    std::os::unix::fs::symlink("/nowhere/at/all", home.path(".gemini/settings.json")).unwrap();
    fs::create_dir(home.path(".mcp-inspector/mcp.json")).unwrap();
    let told = config::render(&home.discover().unreadable, false, None);
    assert_eq!(told.matches("cannot be read").count(), 4, "{told}");
    assert_eq!(told.matches("no regular file").count(), 2, "{told}");
    assert!(!Path::new("/nowhere").exists());
}

//! The lines of the house, checked in the source itself: layers, what a module may not touch, sizes, tables of kinds,
//! and that the README tells the truth.
//!
//! Rules hold for the product's code; what follows `#[cfg(test)]` in a file is free. Every complaint says what to do,
//! and all complaints of a rule come at once.

#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::disallowed_methods,
    reason = "a test fails by panicking, and waits for facts of other processes by polling"
)]

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use regex::Regex;

const FILE_LINES_MAX: usize = 600;
const FUNCTION_LINES_MAX: usize = 90;
const FORBIDDEN_NAMES: [&str; 8] = ["mod", "util", "utils", "common", "helper", "helpers", "types", "misc"];

// ---------------------------------------------------------------------------------------------------------------
// Reading the source

/// One source file.
struct Source {
    /// As shown to a person, from the root of the repository.
    path: String,
    /// The file as it is.
    text: String,
    /// The product's code: comments and the insides of literals blanked, tests cut off, line numbers kept.
    code: String,
    /// The same with the insides of string literals left in.
    code_and_strings: String,
}

impl Source {
    fn read(path: &Path) -> Self {
        let text = fs::read_to_string(path).unwrap();
        let shown = path.strip_prefix(root()).unwrap().to_string_lossy().into_owned();
        let all_tests = path.ends_with("tests.rs") || shown.starts_with("src/") && shown.contains("/tests/");
        let product = |code: String| if all_tests { String::new() } else { product(&code) };
        let (code, code_and_strings) = (product(blank(&text, false)), product(blank(&text, true)));
        Self { path: shown, text, code, code_and_strings }
    }

    /// The top module this file belongs to: `session` for src/session.rs and src/session/anything.rs.
    fn module(&self) -> &str {
        let inside = self.path.trim_start_matches("src/");
        inside.split('/').next().unwrap().trim_end_matches(".rs")
    }

    /// How many modules deep the file is: 1 for src/session.rs, 2 for src/session/opening.rs.
    fn depth(&self) -> usize {
        self.path.trim_start_matches("src/").split('/').count()
    }

    fn at(&self, offset: usize) -> String {
        format!("{}:{}", self.path, self.code[..offset].matches('\n').count() + 1)
    }
}

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

/// Cuts off the tests, which stand at the end of a file (or are a file, `tests.rs`).
fn product(code: &str) -> String {
    code.split("#[cfg(test)]").next().unwrap().to_owned()
}

/// Every Rust file below a folder of the repository, in a stable order.
fn sources(folder: &str) -> Vec<Source> {
    files(&root().join(folder))
        .into_iter()
        .filter(|path| path.extension().is_some_and(|extension| extension == "rs"))
        .map(|path| Source::read(&path))
        .collect()
}

fn files(folder: &Path) -> Vec<PathBuf> {
    let mut found = Vec::new();
    let Ok(entries) = fs::read_dir(folder) else { return found };
    for path in entries.flatten().map(|entry| entry.path()) {
        let name = path.file_name().unwrap().to_string_lossy().into_owned();
        if path.is_dir() {
            if !matches!(name.as_str(), "target" | "node_modules" | ".git" | "__pycache__") {
                found.extend(files(&path));
            }
        } else if name != ".git" {
            found.push(path);
        }
    }
    found.sort();
    found
}

/// Replaces comments, and the insides of literals unless they are kept, by spaces. Lines and columns stay.
fn blank(text: &str, keep_strings: bool) -> String {
    let bytes = text.as_bytes();
    let mut out = bytes.to_vec();
    let mut wipe = |from: usize, to: usize| {
        for byte in &mut out[from..to.min(bytes.len())] {
            if *byte != b'\n' {
                *byte = b' ';
            }
        }
    };
    let mut i = 0;
    while i < bytes.len() {
        let rest = &bytes[i..];
        let end = if rest.starts_with(b"//") {
            let end = i + rest.iter().position(|byte| *byte == b'\n').unwrap_or(rest.len());
            wipe(i, end);
            end
        } else if rest.starts_with(b"/*") {
            let end = i + find(rest, b"*/").map_or(rest.len(), |at| at + 2);
            wipe(i, end);
            end
        } else if let Some(hashes) = raw_string(bytes, i) {
            let close = [b"\"".as_slice(), &vec![b'#'; hashes]].concat();
            let begin = i + 2 + hashes;
            let end = begin + find(&bytes[begin..], &close).unwrap_or(bytes.len() - begin);
            if !keep_strings {
                wipe(begin, end);
            }
            end + close.len()
        } else if bytes[i] == b'"' {
            let end = closing(bytes, i, b'"');
            if !keep_strings {
                wipe(i + 1, end);
            }
            end + 1
        } else if bytes[i] == b'\'' && is_char(rest) {
            let end = closing(bytes, i, b'\'');
            wipe(i + 1, end);
            end + 1
        } else {
            i + 1
        };
        i = end;
    }
    String::from_utf8_lossy(&out).into_owned()
}

fn find(text: &[u8], wanted: &[u8]) -> Option<usize> {
    text.windows(wanted.len()).position(|window| window == wanted)
}

/// The number of hashes, where a raw string begins here.
fn raw_string(bytes: &[u8], at: usize) -> Option<usize> {
    let word_before = at > 0 && (bytes[at - 1].is_ascii_alphanumeric() || bytes[at - 1] == b'_');
    if bytes[at] != b'r' || (word_before && bytes[at - 1] != b'b') {
        return None;
    }
    let hashes = bytes[at + 1..].iter().take_while(|byte| **byte == b'#').count();
    (bytes.get(at + 1 + hashes) == Some(&b'"')).then_some(hashes)
}

/// Tells a character literal from a lifetime.
fn is_char(rest: &[u8]) -> bool {
    rest.get(1) == Some(&b'\\')
        || rest.iter().skip(2).take(4).position(|byte| *byte == b'\'').is_some_and(|at| {
            // `'a'` closes at once; `'é'` after its further bytes; `<'a, 'b>` does neither.
            at == 0 || !rest[1].is_ascii()
        })
}

fn closing(bytes: &[u8], open: usize, quote: u8) -> usize {
    let mut i = open + 1;
    while i < bytes.len() && bytes[i] != quote {
        i += if bytes[i] == b'\\' { 2 } else { 1 };
    }
    i.min(bytes.len())
}

#[track_caller]
fn none(rule: &str, complaints: &[String]) {
    assert!(complaints.is_empty(), "{rule}\n\n  {}\n", complaints.join("\n  "));
}

// ---------------------------------------------------------------------------------------------------------------
// Layers

/// The modules of src/lib.rs, lowest first.
fn layers() -> Vec<String> {
    let lib = Source::read(&root().join("src/lib.rs"));
    let line = Regex::new(r"^(?:pub(?:\(crate\))? )?mod ([a-z_0-9]+);$").unwrap();
    lib.code.lines().filter_map(|text| Some(line.captures(text.trim())?[1].to_owned())).collect()
}

/// The top modules a piece of code names through `crate::`, each with the place.
fn crate_references(code: &str) -> Vec<(usize, String)> {
    let single = Regex::new(r"\bcrate::([a-z_0-9]+)").unwrap();
    let group = Regex::new(r"\bcrate::\{").unwrap();
    let mut found: Vec<(usize, String)> =
        single.captures_iter(code).map(|hit| (hit.get(0).unwrap().start(), hit[1].to_owned())).collect();
    for hit in group.find_iter(code) {
        let (mut level, mut name_may_start) = (1, true);
        for (at, c) in code[hit.end()..].char_indices() {
            match c {
                '{' => level += 1,
                '}' => level -= 1,
                ',' if level == 1 => name_may_start = true,
                c if level == 1 && name_may_start && (c.is_ascii_lowercase() || c == '_') => {
                    let name = code[hit.end() + at..].chars().take_while(|c| c.is_ascii_alphanumeric() || *c == '_');
                    found.push((hit.start(), name.collect()));
                    name_may_start = false;
                }
                _ => {}
            }
            if level == 0 {
                break;
            }
        }
    }
    found
}

#[test]
fn a_module_imports_only_modules_above_it() {
    let layers = layers();
    let rank = |name: &str| layers.iter().position(|layer| layer == name);
    let chain = Regex::new(r"\b(?:super::)+").unwrap();
    let mut complaints = Vec::new();
    for source in sources("src").iter().filter(|source| !matches!(source.module(), "lib" | "main")) {
        let Some(own) = rank(source.module()) else {
            complaints.push(format!("{}: belongs to no module of src/lib.rs; declare it there", source.path));
            continue;
        };
        for (at, name) in crate_references(&source.code) {
            match rank(&name) {
                Some(other) if other > own => complaints.push(format!(
                    "{}: {} imports {name}, which stands below it in src/lib.rs; hand the value in from above, or move \
                     what is shared up",
                    source.at(at),
                    source.module()
                )),
                Some(_) => {}
                None => complaints.push(format!("{}: crate::{name} is no module of src/lib.rs", source.at(at))),
            }
        }
        for hit in chain.find_iter(&source.code).filter(|hit| hit.as_str().len() / "super::".len() >= source.depth()) {
            complaints.push(format!("{}: reaches the crate's root by super::; write crate::", source.at(hit.start())));
        }
    }
    none("A module imports only modules above it in src/lib.rs.", &complaints);
}

#[test]
fn the_crates_root_declares_and_the_binary_only_enters() {
    let lib = Source::read(&root().join("src/lib.rs"));
    let main = Source::read(&root().join("src/main.rs"));
    let mut complaints = Vec::new();
    for line in lib.code.lines().map(str::trim).filter(|line| !line.is_empty() && !line.starts_with("#!")) {
        if !line.ends_with(';') || !line.contains("mod ") {
            complaints.push(format!("src/lib.rs: `{line}` is no module declaration; put it into a module"));
        }
    }
    let named = Regex::new(r"\bmcp_probe::([a-z_]+)").unwrap();
    for hit in named.captures_iter(&main.code).filter(|hit| &hit[1] != "cli") {
        complaints.push(format!("src/main.rs: names {}; main is argv, cli, exit code", &hit[1]));
    }
    none("src/lib.rs is the list of modules, src/main.rs a door.", &complaints);
}

/// The modules that tell, and the modules above both halves that they may see.
const TELLING: [&str; 5] = ["store", "deliver", "metrics", "report", "alert"];
const SHARED: [&str; 3] = ["base", "event", "config"];

#[test]
fn what_tells_does_not_see_what_probes() {
    let mut complaints = Vec::new();
    for source in sources("src").iter().filter(|source| TELLING.contains(&source.module())) {
        for (at, name) in crate_references(&source.code) {
            if name != source.module() && !SHARED.contains(&name.as_str()) && !TELLING.contains(&name.as_str()) {
                complaints.push(format!(
                    "{}: {} imports {name}; what it needs to know belongs into event",
                    source.at(at),
                    source.module()
                ));
            }
        }
    }
    none("The half that tells sees base, event, config and itself.", &complaints);
}

// ---------------------------------------------------------------------------------------------------------------
// What a module may not touch

const SOCKETS: &[&str] =
    &["tokio::net", "std::net::Tcp", "std::net::Udp", "std::os::unix::net", "hyper", "tokio_rustls"];
const TASKS: &[&str] = &["tokio::spawn", "tokio::task", "tokio::time", "tokio::process", "std::thread", "std::process"];
const CLOCKS: &[&str] = &["Instant::now", "SystemTime::now", "Timestamp::now", "Zoned::now"];
const FILES: &[&str] = &["std::fs", "tokio::fs", "std::env", "File::open"];

/// A module, what it may not touch, and where that belongs instead.
const FENCES: &[(&str, &[&[&str]], &str)] = &[
    ("event", &[SOCKETS, TASKS, FILES], "events are words; those who know the facts fill them in"),
    ("config", &[SOCKETS, TASKS, CLOCKS, FILES], "files and the environment are passed in"),
    ("wire", &[SOCKETS, TASKS, CLOCKS, FILES], "bytes come from transport"),
    ("protocol", &[SOCKETS, TASKS, CLOCKS, FILES, &["tokio"]], "the protocol is pure: `now` is an argument"),
    ("check", &[SOCKETS, TASKS, CLOCKS, FILES, &["tokio"]], "a check judges evidence; run gathers it"),
    ("audit", &[SOCKETS, TASKS, CLOCKS, FILES, &["tokio"]], "a rule judges a transcript; run performs the exercise"),
    ("lock", &[SOCKETS, TASKS, CLOCKS, FILES, &["tokio"]], "definitions are compared, not fetched"),
    ("plan", &[SOCKETS, TASKS, CLOCKS, FILES], "a plan says what is to be done; run does it"),
    ("schedule", &[SOCKETS, TASKS, CLOCKS, FILES, &["tokio"]], "the timetable is pure: `now` is an argument"),
    ("session", &[SOCKETS, FILES], "bytes go through transport, files through files"),
    ("report", &[SOCKETS, TASKS], "a report turns events into text"),
    ("metrics", &[SOCKETS], "payloads go out through deliver"),
    ("alert", &[SOCKETS, CLOCKS], "the engine is pure; payloads go out through deliver"),
    ("store", &[SOCKETS], "payloads go out through deliver"),
];

#[test]
fn modules_touch_only_what_is_theirs() {
    let mut complaints = Vec::new();
    let all = sources("src");
    for (module, forbidden, instead) in FENCES {
        for source in all.iter().filter(|source| source.module() == *module) {
            let code = ungrouped(&source.code);
            for word in forbidden.iter().copied().flatten() {
                let word_alone = Regex::new(&format!(r"\b{}\b|\b{0}[A-Z]", regex::escape(word))).unwrap();
                if word_alone.is_match(&code) {
                    complaints.push(format!("{}: {module} may not touch {word}: {instead}", source.path));
                }
            }
        }
    }
    none("Some things belong to some modules only (ARCHITECTURE.md has the table).", &complaints);
}

/// Writes `use a::{b, c::d};` out as `a::b a::c::d`, so that a path can be looked for in one piece. One level is enough:
/// the paths that are looked for have two or three parts.
fn ungrouped(code: &str) -> String {
    let group = Regex::new(r"\b((?:[a-z_0-9]+::)+)\{([^{}]*)\}").unwrap();
    let mut out = code.to_owned();
    for hit in group.captures_iter(code) {
        for item in hit[2].split(',') {
            out.push('\n');
            out.push_str(&hit[1]);
            out.push_str(item.trim());
        }
    }
    out
}

#[test]
fn dated_revisions_are_known_to_the_protocol_alone() {
    let date = Regex::new(r#""20\d\d-\d\d-\d\d""#).unwrap();
    let mut complaints = Vec::new();
    for source in sources("src").iter().filter(|source| {
        matches!(source.module(), "base" | "event" | "wire" | "transport" | "session" | "check" | "run" | "report")
    }) {
        if let Some(hit) = date.find(&source.code_and_strings) {
            let found = hit.as_str();
            complaints.push(format!("{}: {found} is written out; ask the revision's table in protocol", source.path));
        }
    }
    none("What differs between revisions is a table in protocol/revision.", &complaints);
}

// ---------------------------------------------------------------------------------------------------------------
// Files, functions, names

#[test]
fn files_say_what_they_are_for() {
    let mut complaints = Vec::new();
    for source in ["src", "tests", "ci", "fuzz"].iter().flat_map(|folder| sources(folder)) {
        let heading = source.text.lines().take_while(|line| line.starts_with("//!")).count();
        if heading == 0 {
            complaints.push(format!("{}: begin it with `//!` and its purpose in two to five lines", source.path));
        }
    }
    none("A file starts with its purpose.", &complaints);
}

#[test]
fn names_say_something() {
    let inline = Regex::new(r"\bmod ([a-z_0-9]+) *\{").unwrap();
    let mut complaints = Vec::new();
    for source in sources("src") {
        for part in source.path.split('/').skip(1).map(|part| part.trim_end_matches(".rs")) {
            if FORBIDDEN_NAMES.contains(&part) {
                complaints.push(format!("{}: `{part}` says nothing; name the file after its subject", source.path));
            }
        }
        for hit in inline.captures_iter(&source.code) {
            complaints.push(format!("{}: `mod {}` stands inside a file; give it a file", source.path, &hit[1]));
        }
    }
    none("No module for what has no place.", &complaints);
}

#[test]
fn files_have_one_subject() {
    let mut complaints = Vec::new();
    for source in sources("src") {
        let lines = source.code.lines().count();
        if lines > FILE_LINES_MAX {
            complaints.push(format!("{}: {lines} lines without its tests; split it by subject", source.path));
        }
    }
    none(&format!("A file has at most {FILE_LINES_MAX} lines without its tests."), &complaints);
}

#[test]
fn functions_fit_on_a_screen() {
    let head = Regex::new(r"\bfn ([a-z_0-9]+)").unwrap();
    let mut complaints = Vec::new();
    for source in sources("src") {
        for hit in head.captures_iter(&source.code) {
            let begin = hit.get(0).unwrap().start();
            let lines = body_lines(&source.code[begin..]);
            if lines > FUNCTION_LINES_MAX {
                complaints.push(format!("{}: {} has {lines} lines; name its parts", source.at(begin), &hit[1]));
            }
        }
    }
    none(&format!("A function has at most {FUNCTION_LINES_MAX} lines, better 70."), &complaints);
}

/// The lines from a function's head to its closing brace; none where it has no body.
fn body_lines(code: &str) -> usize {
    let (mut braces, mut brackets) = (0_usize, 0_usize);
    for (at, c) in code.char_indices() {
        match c {
            '(' | '[' => brackets += 1,
            ')' | ']' => brackets = brackets.saturating_sub(1),
            ';' if braces == 0 && brackets == 0 => return 0,
            '{' => braces += 1,
            '}' if braces <= 1 => return code[..at].matches('\n').count() + 1,
            '}' => braces -= 1,
            _ => {}
        }
    }
    0
}

// ---------------------------------------------------------------------------------------------------------------
// Tables of kinds

/// A family is a contract file with a table whose rows are `kind::ITEM`, and a folder with one file per kind. Whoever
/// writes a kind's file and forgets its row, or writes the row twice, hears of it here.
#[test]
fn every_kind_has_one_file_and_one_row() {
    let table = Regex::new(r"(?s)\b(?:static|const) ([A-Z_0-9]+): [^=;]*&?\[[^=]*= *&?\[(.*?)\];").unwrap();
    let row = Regex::new(r"\b([a-z_0-9]+)::([A-Z][A-Z_0-9]+)\b").unwrap();
    let mut families = BTreeSet::new();
    let mut complaints = Vec::new();
    for contract in sources("src") {
        let folder = root().join(contract.path.trim_end_matches(".rs"));
        let kinds: Vec<Source> = files(&folder)
            .iter()
            .filter(|path| path.parent() == Some(&folder) && path.extension().is_some_and(|end| end == "rs"))
            .map(|path| Source::read(path))
            .collect();
        for found in table.captures_iter(&contract.code) {
            let mut rows = BTreeMap::<String, usize>::new();
            let mut items = BTreeSet::new();
            for hit in row.captures_iter(&found[2]) {
                *rows.entry(hit[1].to_owned()).or_default() += 1;
                items.insert(hit[2].to_owned());
            }
            if rows.len() < 2 || items.len() != 1 {
                continue; // not a table of kinds
            }
            families.insert(contract.path.clone());
            let item = items.first().unwrap();
            let defined = Regex::new(&format!(r"\b(?:static|const) {item}\b")).unwrap();
            for kind in kinds.iter().filter(|kind| defined.is_match(&kind.code)) {
                let name = kind.path.rsplit('/').next().unwrap().trim_end_matches(".rs");
                let times = rows.remove(name).unwrap_or(0);
                if times != 1 {
                    let table = &found[1];
                    complaints.push(format!("{}: {times} rows in {table} of {}; write one", kind.path, contract.path));
                }
            }
            for name in rows.keys() {
                complaints.push(format!("{}: the row {name}::{item} has no file of that name", contract.path));
            }
        }
    }
    none("A kind is one file and one row.", &complaints);
    for family in ["src/protocol/revision.rs", "src/demo/faults.rs"] {
        assert!(families.contains(family), "no table of kinds was recognised in {family}; known: {families:?}");
    }
}

#[test]
fn faults_have_names_of_their_own() {
    let listed = run(&["demo", "--faults"]);
    let names: Vec<&str> = listed
        .lines()
        .filter(|line| !line.starts_with(char::is_whitespace))
        .filter_map(|line| line.split_whitespace().next())
        .collect();
    let different: BTreeSet<&str> = names.iter().copied().collect();
    assert_eq!(names.len(), different.len(), "a fault is listed twice:\n{listed}");
    assert!(names.len() >= 40, "{} faults are too few to show how servers fail:\n{listed}", names.len());
}

// ---------------------------------------------------------------------------------------------------------------
// What the documents say

fn run(args: &[&str]) -> String {
    let output = Command::new(env!("CARGO_BIN_EXE_mcp-probe")).args(args).output().unwrap();
    assert!(output.status.success(), "mcp-probe {}: {output:?}", args.join(" "));
    String::from_utf8(output.stdout).unwrap()
}

fn readme() -> String {
    fs::read_to_string(root().join("README.md")).unwrap()
}

/// The command lines in the fenced blocks of a document.
fn command_lines(document: &str) -> Vec<String> {
    let mut inside = false;
    let mut found = Vec::new();
    for line in document.lines() {
        if line.starts_with("```") {
            inside = !inside;
        } else if inside && !line.trim_start().starts_with('#') {
            found.push(line.trim().trim_start_matches("$ ").to_owned());
        }
    }
    found
}

#[test]
fn the_readme_begins_with_two_commands() {
    let readme = readme();
    let first = readme.split("```").nth(1).unwrap_or_default();
    let commands: Vec<&str> = first.lines().skip(1).map(|line| line.split('#').next().unwrap().trim()).collect();
    let commands: Vec<&str> = commands.into_iter().filter(|line| !line.is_empty()).collect();
    assert_eq!(commands, ["cargo run --release -- check", "ci/test"], "the README's first block");
    let before = readme.split("```").next().unwrap().lines().count();
    assert!(before <= 15, "the two commands come after {before} lines; lead with them");
}

#[test]
fn the_readme_names_only_what_exists() {
    let help = run(&["--help"]);
    let word = Regex::new(r"^(?:cargo run --release -- |(?:\./)?(?:target/release/)?mcp-probe )(.*)$").unwrap();
    let flag = Regex::new(r"^(--[a-z][a-z-]*)").unwrap();
    let mut complaints = Vec::new();
    for line in command_lines(&readme()) {
        let Some(hit) = word.captures(&line) else { continue };
        let line_of_ours = hit[1].split(" -- ").next().unwrap().split(" # ").next().unwrap().to_owned();
        let mut words = line_of_ours.split_whitespace();
        let first = words.next().unwrap_or_default();
        let is_command = Regex::new(&format!(r"(?m)^\s+{}\b", regex::escape(first))).unwrap();
        let is_method =
            first.contains('/') || matches!(first, "initialize" | "ping" | "tools" | "resources" | "prompts");
        if !is_method && !first.starts_with('-') && !is_command.is_match(&help) {
            complaints.push(format!("README.md: `{line}`: mcp-probe --help knows no {first}"));
            continue;
        }
        let own_help = if is_method || first.starts_with('-') { help.clone() } else { run(&[first, "--help"]) };
        for option in words.filter_map(|word| Some(flag.captures(word)?[1].to_owned())) {
            if !own_help.contains(&option) && !help.contains(&option) {
                complaints.push(format!("README.md: `{line}`: the help of {first} knows no {option}"));
            }
        }
    }
    let path =
        Regex::new(r"`((?:ci|probes|tests|src|docs)/[A-Za-z0-9_./-]*)`|\]\(([A-Za-z][A-Za-z0-9_./-]*)\)").unwrap();
    for hit in path.captures_iter(&readme()) {
        let named = hit.get(1).or(hit.get(2)).unwrap().as_str();
        if !root().join(named).exists() {
            complaints.push(format!("README.md: {named} does not exist"));
        }
    }
    none("The README names only what exists.", &complaints);
}

#[test]
fn the_documents_of_the_house_are_there() {
    for name in ["README", "ARCHITECTURE", "CONTRIBUTING", "SECURITY", "CHANGELOG"] {
        assert!(root().join(format!("{name}.md")).exists(), "{name}.md is missing");
    }
    let architecture = fs::read_to_string(root().join("ARCHITECTURE.md")).unwrap();
    let untold: Vec<String> =
        layers().into_iter().filter(|module| !architecture.contains(&format!("`{module}`"))).collect();
    assert!(untold.is_empty(), "ARCHITECTURE.md says nothing of {untold:?}; give each a row in its table");
}

#[test]
fn no_machine_is_named() {
    // Put together here, so that this file does not find itself.
    let words = [concat!("/wo", "rk/"), concat!("/ro", "ot/"), concat!("registry.npm", "js"), concat!("pypi.o", "rg")];
    let mut complaints = Vec::new();
    for path in files(root()) {
        let Ok(text) = fs::read_to_string(&path) else { continue };
        for word in words.iter().filter(|word| text.contains(**word)) {
            let shown = path.strip_prefix(root()).unwrap().display().to_string();
            complaints.push(format!("{shown}: names {word}; say it without"));
        }
    }
    none("No machine's paths and no registry's host in the repository.", &complaints);
}

// ---------------------------------------------------------------------------------------------------------------
// The reader of sources itself

#[test]
fn comments_and_literals_are_no_code() {
    let text =
        "let a = \"crate::cli\"; // crate::cli\n/* crate::cli */ let b = r#\"crate::\"cli\"#; let c = '\"'; x::<'a>()";
    let code = blank(text, false);
    assert!(!code.contains("cli"), "{code}");
    assert!(code.contains("let c = ' '; x::<'a>()"), "{code}");
    assert_eq!(code.lines().count(), text.lines().count());
}

#[test]
fn groups_are_seen_through() {
    let code = "use crate::{base::{ids, secret}, event, wire::Frame};\nuse crate::plan;";
    let names: Vec<String> = crate_references(code).into_iter().map(|(_, name)| name).collect();
    assert_eq!(names, ["plan", "base", "event", "wire"]);
    assert!(ungrouped("use std::{fs, net::TcpStream};").contains("std::net::TcpStream"));
}

#[test]
fn a_functions_lines_are_counted() {
    assert_eq!(body_lines("fn a();\nfn b() {}\n"), 0);
    assert_eq!(body_lines("fn a(x: [u8; 3]) {\n  if x {\n  }\n}\n"), 4);
}

//! Every diagnostic, with the exact text that a person sees. Each `tests/bad_plans/NAME.toml` (or folder `NAME` of
//! files read together) has its `NAME.stderr`. With `UPDATE_EXPECTED=1` the texts are written anew, and the test
//! still fails, so that nobody takes that for a pass.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::path::{Path, PathBuf};

use mcp_probe::config::{self, Environment};
use mcp_probe::files;
use mcp_probe::plan::{NotSelected, Selection};

struct Nothing;

impl Environment for Nothing {
    fn variable(&self, name: &str) -> Option<String> {
        (name == "SET").then(|| "value".to_owned())
    }

    fn file(&self, _: &Path) -> Result<String, String> {
        Err("it does not exist".to_owned())
    }

    fn document(&self, path: &Path) -> Result<String, String> {
        if path.ends_with("schema-broken.json") { Ok("{\n  \"type\": }".to_owned()) } else { self.file(path) }
    }
}

/// What is shown for these files: the mistakes, or, without any, the warnings and what selecting everything says; then
/// what only `validate` says.
fn shown(path: &Path) -> String {
    let paths = [path.to_path_buf()];
    let mut text = match files::load(&paths, false, &Nothing) {
        Err(diags) => config::render(&diags, false, None),
        Ok(loaded) => {
            let mut text = config::render(&loaded.warnings, false, None);
            match loaded.draft.select(&Selection::default(), &Nothing) {
                Ok(_) => {}
                Err(NotSelected::Nothing(sentence)) => writeln!(text, "{sentence}").unwrap(),
                Err(NotSelected::Mistakes(diags)) => text.push_str(&config::render(&diags, false, None)),
            }
            text
        }
    };
    let examined = files::examine(&paths, false, &Nothing);
    let lacking = examined.telling.lacking(&Nothing);
    for said in [examined.advice, lacking].iter().filter(|said| !said.is_empty()) {
        let gap = if text.is_empty() { "" } else { "\n" };
        text = format!("{text}{gap}{}", config::render(said, false, None));
    }
    text
}

#[test]
fn every_mistake_is_shown_as_expected() {
    let folder = Path::new("tests/bad_plans");
    let mut cases: BTreeMap<PathBuf, PathBuf> = BTreeMap::new();
    for entry in std::fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.extension().is_none_or(|extension| extension == "toml") {
            cases.insert(path.with_extension("stderr"), path);
        }
    }
    let update = std::env::var_os("UPDATE_EXPECTED").is_some();
    let mut wrong = Vec::new();
    for (expected, path) in &cases {
        let shown = shown(path);
        assert!(!shown.is_empty(), "{} shows nothing", path.display());
        if update {
            std::fs::write(expected, &shown).unwrap();
        } else if std::fs::read_to_string(expected).ok().as_deref() != Some(&shown) {
            wrong.push(format!("{}\n{shown}", path.display()));
        }
    }
    assert!(cases.len() >= 80, "only {} cases", cases.len());
    assert!(!update, "the expected texts were written; look at them, then run again");
    assert!(wrong.is_empty(), "{} differ; what is shown now:\n\n{}", wrong.len(), wrong.join("\n"));
}

#[test]
fn shipped_probe_files_have_no_mistakes_and_no_warnings() {
    let loaded = files::load(&[PathBuf::from("probes")], true, &Nothing);
    let loaded = loaded.unwrap_or_else(|diags| panic!("{}", config::render(&diags, false, None)));
    assert!(loaded.warnings.is_empty(), "{}", config::render(&loaded.warnings, false, None));
    let Ok(selected) = loaded.draft.select(&Selection::default(), &Nothing) else { panic!() };
    assert_eq!(selected.plan.targets.len(), 4);
    assert!(selected.plan.targets.iter().all(|target| !target.needs_consent()));
    assert_eq!(selected.plan.pairs().count(), 10);
}

/// Whatever is done to a probe file, reading and showing it never panics.
#[test]
fn no_text_makes_the_reader_panic() {
    let mut seeds = Vec::new();
    for folder in ["tests/bad_plans", "probes"] {
        for entry in std::fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            if path.extension().is_some_and(|extension| extension == "toml") {
                seeds.push(std::fs::read_to_string(path).unwrap_or_default());
            }
        }
    }
    seeds.sort();
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("plan.toml");
    let mut random = fastrand::Rng::with_seed(20_260_728);
    let pieces = [
        "\"", "'", "[", "]]", "{", "}", "=", "\n", "${", "$", "é", "\u{202e}", "\u{1b}", "\0", ".", "-1", "1e999",
        "\r", "\"\"\"",
    ];
    for round in 0..3_000 {
        let mut text = random.choice(&seeds).cloned().unwrap_or_default();
        for _ in 0..random.usize(1..8) {
            let mut at = random.usize(0..=text.len());
            while !text.is_char_boundary(at) {
                at -= 1;
            }
            match random.u8(0..4) {
                0 => text.insert_str(at, random.choice(pieces).unwrap()),
                1 => drop(text.pop()),
                2 => {
                    let other = random.choice(&seeds).cloned().unwrap_or_default();
                    let from = (0..=at.min(other.len())).rev().find(|at| other.is_char_boundary(*at)).unwrap_or(0);
                    text.insert_str(at, &other[from..]);
                }
                _ => {
                    let end = (at..=text.len().min(at + 9)).rev().find(|end| text.is_char_boundary(*end)).unwrap_or(at);
                    text.replace_range(at..end, "");
                }
            }
            text.truncate((0..=text.len().min(20_000)).rev().find(|end| text.is_char_boundary(*end)).unwrap_or(0));
        }
        std::fs::write(&file, &text).unwrap();
        let shown = shown(&file);
        assert!(!shown.contains('\u{1b}') && !shown.contains('\u{202e}'), "round {round}: {shown:?}");
    }
}

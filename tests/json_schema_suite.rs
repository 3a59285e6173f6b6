//! The official JSON-Schema-Test-Suite through the function that judges `expect.schema` and `expect.output_schema`: all
//! of draft 4, 6, 7, 2019-09 and 2020-12, the optional tests and those of formats as well; none is left out. What the
//! suite serves at `http://localhost:1234/` is handed over; nothing is fetched.

#![allow(clippy::unwrap_used, clippy::panic, reason = "a test fails by panicking")]

use std::fs;
use std::path::{Path, PathBuf};

use mcp_probe::check::json_schema::{Compile, Conformance, Dialect, Documents, Patterns, Schema};
use serde_json::Value;

/// Documents of one dialect to which schemas of another cross over.
const CROSSING: &[&str] = &[
    "draft7/ignore-dependentRequired.json",
    "draft2019-09/ignore-prefixItems.json",
    "draft2019-09/dependentRequired.json",
    "draft2020-12/prefixItems.json",
];

fn suite() -> PathBuf {
    let suite = Path::new(env!("CARGO_MANIFEST_DIR")).join("target/witnesses/json-schema-suite");
    assert!(suite.join("tests").is_dir(), "the JSON-Schema-Test-Suite is not installed: run ci/witnesses first");
    suite
}

fn files(folder: &Path, all: &mut Vec<PathBuf>) {
    for entry in fs::read_dir(folder).unwrap_or_else(|error| panic!("{}: {error}", folder.display())) {
        let path = entry.unwrap().path();
        if path.is_dir() {
            files(&path, all);
        } else if path.extension().is_some_and(|extension| extension == "json") {
            all.push(path);
        }
    }
    all.sort();
}

fn read(path: &Path) -> Value {
    serde_json::from_str(&fs::read_to_string(path).unwrap()).unwrap()
}

fn remotes(dialect: Dialect, folder: &str) -> Documents {
    let root = suite().join("remotes");
    let mut all = Vec::new();
    files(&root, &mut all);
    let documents = all.iter().filter_map(|path| {
        let name = path.strip_prefix(&root).unwrap().to_str().unwrap().replace('\\', "/");
        // Those of other dialects belong to these dialects, but for the ones that schemas cross over to.
        let crossing = CROSSING.contains(&name.as_str());
        let fits = name.starts_with(&format!("{folder}/")) || !name.starts_with("draft") || crossing;
        let text = fs::read_to_string(path).unwrap();
        // `$defs` means nothing to the older dialects, so what is embedded there could not be found.
        let newer =
            text.contains("\"$defs\"") && matches!(dialect, Dialect::Draft4 | Dialect::Draft6 | Dialect::Draft7);
        (fits && !newer).then(|| (format!("http://localhost:1234/{name}"), serde_json::from_str(&text).unwrap()))
    });
    Documents::new(dialect, documents.collect()).unwrap()
}

/// Runs the files of a dialect; gives how many tests were run.
fn run(folder: &str, dialect: Dialect, patterns: Patterns, optional: bool) -> usize {
    let documents = remotes(dialect, folder);
    let root = suite().join("tests").join(folder);
    let mut all = Vec::new();
    files(&root, &mut all);
    let (mut count, mut wrong) = (0, Vec::new());
    for path in all {
        let name = path.strip_prefix(&root).unwrap().to_str().unwrap().replace('\\', "/");
        if name.starts_with("optional/") != optional {
            continue;
        }
        // The files of the folder `format` are about what an asserted format accepts.
        let formats = name.starts_with("optional/format/");
        let how = Compile { dialect, formats, patterns, documents: Some(&documents) };
        for group in read(&path).as_array().unwrap() {
            let about = group["description"].as_str().unwrap();
            let tests = group["tests"].as_array().unwrap();
            count += tests.len();
            match Schema::compile(&group["schema"], how) {
                Err(unfit) => wrong.push(format!("{name}: {about}: {unfit}")),
                Ok(schema) => wrong.extend(tests.iter().filter_map(|test| {
                    let conformance = schema.judge(&test["data"]);
                    let right = match conformance {
                        Conformance::Conforms => test["valid"] == true,
                        Conformance::Violates(..) => test["valid"] == false,
                        Conformance::Undecided(_) => false,
                    };
                    (!right).then(|| format!("{name}: {about}: {}: {conformance:?}", test["description"]))
                })),
            }
        }
    }
    assert!(wrong.is_empty(), "{folder}: {} of {count} tests are wrong:\n{}", wrong.len(), wrong.join("\n"));
    count
}

/// All of a dialect; the counts show that the suite is there in full.
fn all(folder: &str, dialect: Dialect, required_min: usize, optional_min: usize) {
    let required = run(folder, dialect, Patterns::Backtracking, false);
    let optional = run(folder, dialect, Patterns::Backtracking, true);
    // A probe file's own schemas have linear patterns, which is enough for every required test.
    assert_eq!(run(folder, dialect, Patterns::Linear, false), required);
    assert!(required >= required_min && optional >= optional_min, "{folder}: only {required} and {optional} tests ran");
}

#[test]
fn draft_4() {
    all("draft4", Dialect::Draft4, 500, 100);
}

#[test]
fn draft_6() {
    all("draft6", Dialect::Draft6, 700, 150);
}

#[test]
fn draft_7() {
    all("draft7", Dialect::Draft7, 800, 300);
}

#[test]
fn draft_2019_09() {
    all("draft2019-09", Dialect::Draft201909, 1_100, 300);
}

#[test]
fn draft_2020_12() {
    all("draft2020-12", Dialect::Draft202012, 1_100, 300);
}

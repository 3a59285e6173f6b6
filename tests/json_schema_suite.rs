//! The official JSON-Schema-Test-Suite through the function that judges `expect.schema` and `expect.output_schema`:
//! every required test of every dialect, and the optional ones but those that are named below with their reason. What
//! the suite serves at `http://localhost:1234/` is handed over; nothing is fetched.

#![allow(clippy::unwrap_used, clippy::panic, reason = "a test fails by panicking")]

use std::fs;
use std::path::{Path, PathBuf};

use mcp_probe::check::json_schema::{Compile, Conformance, Dialect, Documents, Patterns, Schema};
use serde_json::Value;

/// What the optional tests hold that is not supported: dialect folder (or `*`), file, group or `*`, and why.
const UNSUPPORTED: &[(&str, &str, &str, &str)] = &[];

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
        // Those of other dialects belong to these dialects, unless a schema crosses over to them.
        let foreign = name.starts_with("draft3/") || name.starts_with("draft-next/");
        let legacy = |name: &str| ["draft4/", "draft6/", "draft7/"].iter().any(|prefix| name.starts_with(prefix));
        let fits = !foreign && (name.starts_with(folder) || !name.starts_with("draft") || !legacy(&name));
        fits.then(|| (format!("http://localhost:1234/{name}"), read(path)))
    });
    Documents::new(dialect, documents.collect()).unwrap()
}

fn supported(folder: &str, file: &str, group: &str) -> bool {
    !UNSUPPORTED.iter().any(|(dialect, other, about, _)| {
        (*dialect == "*" || *dialect == folder) && *other == file && (*about == "*" || *about == group)
    })
}

/// Runs the files of a dialect; gives how many tests were run.
fn run(folder: &str, dialect: Dialect, optional: bool) -> usize {
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
        let how = Compile { dialect, formats, patterns: Patterns::Backtracking, documents: Some(&documents) };
        for group in read(&path).as_array().unwrap() {
            let about = group["description"].as_str().unwrap();
            if !supported(folder, &name, about) {
                continue;
            }
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
    let required = run(folder, dialect, false);
    let optional = run(folder, dialect, true);
    println!("{folder}: {required} required and {optional} optional tests");
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

#[test]
fn what_is_not_supported_is_in_the_suite() {
    for (folder, file, ..) in UNSUPPORTED.iter().filter(|row| row.0 != "*") {
        assert!(suite().join("tests").join(folder).join(file).is_file(), "{folder}/{file}");
    }
}

//! What others copy from `ci/`, tried where this machine can try it, and judged by the programs or schemas of those it is
//! written for where not. A program that is missing fails the test: `ci/test` and `ci/witnesses` install them.

#![cfg(target_os = "linux")]
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a test fails by panicking")]

#[path = "kits/builds.rs"]
mod builds;
#[path = "kits/hosts.rs"]
mod hosts;
#[path = "kits/packages.rs"]
mod packages;
#[path = "cli/place.rs"]
#[allow(dead_code, reason = "each test program uses a part of it")]
mod place;
#[path = "kits/promql.rs"]
mod promql;
#[path = "kits/prometheus.rs"]
mod prometheus;
#[path = "push/served.rs"]
mod served;
#[path = "stage/watching.rs"]
mod watching;

use std::path::{Path, PathBuf};
use std::process::Command;

use place::{EXE, Ran, finished};
use serde_json::Value;

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

fn text(name: &str) -> String {
    std::fs::read_to_string(root().join(name)).unwrap_or_else(|error| panic!("{name}: {error}"))
}

/// The documents of a YAML file.
fn yaml(name: &str) -> Value {
    serde_saphyr::from_str(&text(name)).unwrap_or_else(|error| panic!("{name}: {error}"))
}

/// A program out of `tests/witnesses/python/kits.txt`.
fn judge(name: &str) -> PathBuf {
    let path = root().join("target/witnesses/python-kits/bin").join(name);
    assert!(path.exists(), "{name} is not installed: run ci/test (or ci/witnesses) first");
    path
}

/// Runs a program in the repository.
fn ran<I: AsRef<std::ffi::OsStr>>(program: impl AsRef<std::ffi::OsStr>, words: impl IntoIterator<Item = I>) -> Ran {
    let mut command = Command::new(program.as_ref());
    // The judges of others live where they were installed, and are asked about these files only.
    command.args(words).current_dir(root()).stdin(std::process::Stdio::null());
    finished(&mut command)
}

/// A PATH that begins with the binary under test.
fn path_with_ours(first: &[&Path]) -> std::ffi::OsString {
    let own = Path::new(EXE).parent().unwrap();
    let path = std::env::var_os("PATH").unwrap_or_default();
    let places = first.iter().map(|place| place.to_path_buf()).chain([own.to_path_buf()]);
    std::env::join_paths(places.chain(std::env::split_paths(&path))).unwrap()
}

/// The files under a folder of the repository.
fn files(folder: &str) -> Vec<String> {
    let mut found: Vec<String> = std::fs::read_dir(root().join(folder))
        .unwrap()
        .map(|entry| format!("{folder}/{}", entry.unwrap().file_name().to_str().unwrap()))
        .collect();
    found.sort();
    assert!(!found.is_empty(), "{folder} is empty");
    found
}

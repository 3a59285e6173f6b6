//! The packages of `ci/packages`: made of the binary under test, judged by lintian, installed and taken away again in a
//! folder that has nothing else.

use std::path::Path;
use std::process::Command;

use sha2::{Digest as _, Sha256};

use crate::place::{EXE, Place, finished};
use crate::{ran, root};

/// Makes the packages; quickly, for they are large without the optimiser.
fn packed(place: &Place, binary: &Path, to: &str) -> Vec<(String, Vec<u8>)> {
    let mut command = Command::new(root().join("ci/packages"));
    command
        .arg(binary)
        .arg(place.path(to))
        .env("DPKG_DEB_COMPRESSOR_TYPE", "gzip")
        .env("DPKG_DEB_COMPRESSOR_LEVEL", "1");
    finished(command.env("SOURCE_DATE_EPOCH", "1767225600")).ended(0);
    let mut made: Vec<(String, Vec<u8>)> = std::fs::read_dir(place.path(to))
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .map(|path| (path.display().to_string(), Sha256::digest(std::fs::read(&path).unwrap()).to_vec()))
        .collect();
    made.sort();
    assert_eq!(made.len(), 2, "{made:?}");
    made
}

/// Everything that a program of the package needs stands where its readers look for it.
fn is_whole(installed: &Path) {
    for path in [
        "usr/bin/mcp-probe",
        "usr/share/man/man1/mcp-probe.1.gz",
        "usr/share/man/man1/mcp-probe-watch.1.gz",
        "usr/share/bash-completion/completions/mcp-probe",
        "usr/share/zsh/vendor-completions/_mcp-probe",
        "usr/share/fish/vendor_completions.d/mcp-probe.fish",
        "lib/systemd/system/mcp-probe.service",
        "lib/systemd/system/mcp-probe-check.service",
        "lib/systemd/system/mcp-probe-check.timer",
        "usr/share/doc/mcp-probe/copyright",
        "usr/share/doc/mcp-probe/examples/prometheus/rules.yml",
        "usr/share/doc/mcp-probe/examples/grafana/mcp-probe.json",
        "etc/mcp-probe",
    ] {
        assert!(installed.join(path).exists(), "{path} is missing");
    }
    let said = finished(Command::new(installed.join("usr/bin/mcp-probe")).arg("--version")).ended(0).out;
    assert_eq!(said, format!("mcp-probe {}\n", env!("CARGO_PKG_VERSION")));
}

#[test]
fn a_package_is_installed_and_leaves_nothing() {
    let place = Place::new();
    // Without what only a debugger reads, once for both times.
    let binary = place.path("mcp-probe");
    ran("strip", [Path::new("-o"), &binary, Path::new(EXE)]).ended(0);
    let made = packed(&place, &binary, "packages");
    let of =
        |ending: &str| made.iter().map(|(path, _)| path).find(|path| path.rsplit('.').next() == Some(ending)).unwrap();
    let (deb, archive) = (of("deb"), of("gz"));

    // That it closes no request for a package is a matter of Debian's own archive.
    let options = ["--allow-root", "--fail-on=error,warning", "--suppress-tags=initial-upload-closes-no-bugs"];
    let judged = ran("lintian", options.into_iter().chain([deb.as_str()]));
    assert_eq!((judged.code, judged.out.as_str()), (0, ""), "{}", judged.err);
    let needs = ran("dpkg-deb", ["--field", deb, "Depends"]).ended(0).out;
    assert!(needs.starts_with("libc6 (>= 2."), "{needs}");

    let to = place.path("machine");
    for folder in ["var/lib/dpkg/info", "var/lib/dpkg/updates", "var/lib/dpkg/triggers"] {
        std::fs::create_dir_all(to.join(folder)).unwrap();
    }
    std::fs::write(to.join("var/lib/dpkg/status"), "").unwrap();
    let dpkg = |words: &[&str]| {
        let root = format!("--root={}", to.display());
        // What it depends on is not in the folder, and there is no shell to run its scripts in.
        let options = [&root, "--force-depends", "--force-script-chrootless", "--log=/dev/null"];
        ran("dpkg", options.into_iter().chain(words.iter().copied())).ended(0)
    };
    dpkg(&["--install", deb]);
    is_whole(&to);
    dpkg(&["--purge", "mcp-probe"]);
    for folder in ["usr", "lib", "etc/mcp-probe"] {
        assert!(!to.join(folder).exists(), "{folder} is left");
    }

    let listed = ran("tar", ["--list", "--gzip", "--file", archive]).ended(0).out;
    let name = Path::new(archive).file_name().unwrap().to_str().unwrap().strip_suffix(".tar.gz").unwrap().to_owned();
    for file in ["mcp-probe", "man/mcp-probe.1", "completions/_mcp-probe", "LICENSE-MIT", "systemd/mcp-probe.service"] {
        assert!(listed.lines().any(|line| line == format!("{name}/{file}")), "{file}: {listed}");
    }
    assert!(name.starts_with(&format!("mcp-probe-{}-", env!("CARGO_PKG_VERSION"))), "{name}");
    // cargo-binstall looks for exactly this.
    let manifest: toml::Table = crate::text("Cargo.toml").parse().unwrap();
    let binstall = &manifest["package"]["metadata"]["binstall"];
    let filled = |key: &str| {
        let text = binstall[key].as_str().unwrap().replace("{ version }", env!("CARGO_PKG_VERSION"));
        text.replace("{ target }", &name[name.find("x86").or(name.find("aarch")).unwrap()..])
    };
    assert!(filled("pkg-url").ends_with(&format!("/{name}.tar.gz")), "{}", filled("pkg-url"));
    let inside = filled("bin-dir").replace("{ bin }", "mcp-probe").replace("{ binary-ext }", "");
    assert!(listed.lines().any(|line| line == inside), "{inside}");

    let again = packed(&place, &binary, "again");
    let sums = |made: &[(String, Vec<u8>)]| made.iter().map(|(_, sum)| sum.clone()).collect::<Vec<_>>();
    assert_eq!(sums(&again), sums(&made), "the same binary gives the same packages");
}

#[test]
fn the_crate_has_what_is_built_and_nothing_large() {
    let listed = ran(env!("CARGO"), ["package", "--list", "--allow-dirty", "--offline", "--quiet"]).ended(0).out;
    for file in ["src/main.rs", "build.rs", "link/start-order.ld", "Cargo.lock", "README.md", "LICENSE-MIT"] {
        assert!(listed.lines().any(|line| line == file), "{file} is missing");
    }
    let foreign: Vec<&str> =
        listed.lines().filter(|line| line.starts_with("tests/") || line.starts_with("ci/")).collect();
    assert!(foreign.is_empty(), "{foreign:?}");
    let size: u64 =
        listed.lines().filter_map(|line| std::fs::metadata(root().join(line)).ok()).map(|found| found.len()).sum();
    assert!(size < 8 << 20, "{size} bytes");
    // Whatever the code takes in as it is compiled.
    let taken = regex::Regex::new(r#"include_(?:str|bytes)!\("([^"]+)"\)"#).unwrap();
    let mut found = 0;
    for file in listed.lines().filter(|line| line.rsplit('.').next() == Some("rs")) {
        let Ok(code) = std::fs::read_to_string(root().join(file)) else { continue };
        for hit in taken.captures_iter(&code) {
            let beside = Path::new(file).parent().unwrap().join(&hit[1]).display().to_string();
            assert!(listed.lines().any(|line| line == beside), "{file} takes in {beside}");
            found += 1;
        }
    }
    assert!(found >= 6);
}

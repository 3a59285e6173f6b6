//! What is said where a command line cannot be meant: the reason that is meant, and what to type.

use std::fs::File;

use super::place::{EXE, Place, finished};

#[test]
fn a_command_without_its_own_command_names_those_there_are() {
    let place = Place::new();
    for (word, wanted) in [
        ("alerts", "expected mcp-probe alerts list or mcp-probe alerts test"),
        ("notify", "expected mcp-probe notify test"),
    ] {
        let err = place.run(&[word]).ended(2).err;
        assert!(err.contains(wanted) && err.contains(&format!("`mcp-probe {word} --help`")), "{err}");
    }
    let err = place.run(&["alerts", "test"]).ended(2).err;
    assert!(err.contains("--synthetic") && err.contains("--replay"), "{err}");
    assert!(
        place
            .run(&["alerts", "test", "--synthetic", "requests=1,errors=0", "--replay"])
            .ended(2)
            .err
            .contains("--replay")
    );
}

#[test]
fn help_and_complaints_have_the_colours_that_are_asked_for() {
    let place = Place::new();
    let is_coloured = |text: &str| text.contains('\u{1b}');
    for words in [&["--help"][..], &["check", "--help"], &["alerts", "test", "--help"]] {
        for always in [&["--color", "always"][..], &["--color=always"]] {
            assert!(is_coloured(&place.run(&[words, always].concat()).ended(0).out), "{words:?} {always:?}");
        }
        let forced = |colour: &str| {
            finished(place.command(EXE).args(words).args(["--color", colour]).env("CLICOLOR_FORCE", "1")).ended(0).out
        };
        assert!(is_coloured(&forced("auto")) && !is_coloured(&forced("never")), "{words:?}");
    }
    assert!(is_coloured(&place.run(&["check", "--no-such", "--color", "always"]).ended(2).err));
}

#[test]
fn what_is_wrong_with_a_url_or_a_path_is_said() {
    let place = Place::new().with("folder/x", "");
    let err = place.run(&["tools/list", "http://user:secret@127.0.0.1:99999/"]).ended(2).err;
    assert!(err.contains("invalid port number; expected a URL such as") && !err.contains("secret"), "{err}");
    let err = place.run(&["tools/list", "./folder"]).ended(2).err;
    assert!(err.contains("`./folder` is a folder: expected a target") && !err.contains("no file"), "{err}");
}

#[test]
fn a_list_that_cannot_be_written_is_no_usage_error() {
    let place = Place::new();
    for words in [&["demo", "--faults"][..], &["demo", "--faults", "--json"]] {
        let ran =
            finished(place.command(EXE).args(words).stdout(File::options().write(true).open("/dev/full").unwrap()));
        assert!(ran.ended(7).err.contains("the output could not be written"), "{words:?}");
    }
}

#[test]
fn a_name_that_cannot_be_is_told_with_its_reason() {
    let place = Place::new().with("a.toml", "[target.\"a\\u0007b\"]\nurl = \"http://127.0.0.1:1/\"\n");
    let err = place.run(&["check", "a.toml"]).ended(2).err;
    assert!(err.contains("cannot be the name of a target") && err.contains("control character"), "{err}");
}

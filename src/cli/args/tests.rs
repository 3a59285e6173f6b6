//! What is typed, and what it means or which complaint it earns.

use super::*;

fn argv(line: &str) -> Vec<OsString> {
    std::iter::once("mcp-probe").chain(line.split_whitespace()).map(OsString::from).collect()
}

fn ad_hoc(line: &str) -> AdHoc {
    match parse(argv(line)).unwrap() {
        Parsed::Command(command) => match *command {
            Command::AdHoc(ad_hoc) => *ad_hoc,
            other => panic!("{line}: {other:?}"),
        },
        said @ Parsed::Said { .. } => panic!("{line}: {said:?}"),
    }
}

fn check(line: &str) -> CheckArgs {
    match parse(argv(line)).unwrap() {
        Parsed::Command(command) => match *command {
            Command::Check(check) => *check,
            other => panic!("{line}: {other:?}"),
        },
        said @ Parsed::Said { .. } => panic!("{line}: {said:?}"),
    }
}

fn said(line: &str) -> (String, Code) {
    match parse(argv(line)).unwrap() {
        Parsed::Said { text, code, .. } => (text, code),
        Parsed::Command(command) => panic!("{line}: {command:?}"),
    }
}

#[test]
fn the_grammar_holds_together() {
    Cli::command().debug_assert();
    CliAdHoc::command().debug_assert();
}

#[test]
fn lines_of_the_contract_are_read() {
    let line = ad_hoc("tools/list -- npx -y @modelcontextprotocol/server-everything --json");
    assert_eq!(line.words, ["tools/list"]);
    assert_eq!(line.command, ["npx", "-y", "@modelcontextprotocol/server-everything", "--json"]);
    assert!(!line.output.json);
    let line = ad_hoc("tools/call weather --tool forecast --arg city=Oslo --arg days:=3");
    assert_eq!(line.words, ["tools/call", "weather"]);
    assert_eq!(line.call.arg, ["city=Oslo", "days:=3"]);
    let line = ad_hoc("tools/list weather -n 200 --interval 50ms");
    assert_eq!((line.call.count, line.call.interval), (Some(200), Some(Duration::from_millis(50))));
    let line = ad_hoc("-- node server.js");
    assert!(line.words.is_empty() && line.command == ["node", "server.js"]);
    assert!(ad_hoc("").words.is_empty());
}

#[test]
fn a_word_is_a_command_only_in_the_first_place() {
    assert_eq!(ad_hoc("tools/list check").words, ["tools/list", "check"]);
    assert_eq!(ad_hoc("--json weather check").words, ["weather", "check"]);
    assert_eq!(check("check man").words, ["man"]);
    assert_eq!(ad_hoc("watches").words, ["watches"]);
}

#[test]
fn options_before_a_command_belong_to_it() {
    assert!(check("--json check a.toml").output.json);
    let line = check("--color never -vf x.toml --probe p check");
    assert_eq!(line.selection.file, [PathBuf::from("x.toml")]);
    assert_eq!(line.probe, ["p"]);
    assert!(line.output.verbose);
    assert_eq!(check("--timeout=5s check -- a b").command, ["a", "b"]);
}

#[test]
fn help_and_version_are_answers() {
    for line in ["--help", "-h", "--version", "check --help", "tools/list --help", "help", "help check"] {
        let (text, code) = said(line);
        assert_eq!(code, Code::Healthy, "{line}");
        assert!(!text.is_empty());
    }
    let (help, _) = said("--help");
    assert_eq!(said("help check").0, said("check --help").0);
    assert_eq!(said("help").0, help);
    assert!(help.contains("Commands:") && help.contains("--jq '.tools[].name'"), "{help}");
}

#[test]
fn the_habits_of_other_tools_get_a_hint() {
    for (line, hint) in [
        ("--cli node server.js --method tools/list", "after `--`"),
        ("tools/list --method x", "the method is the first word"),
        ("tools/list npx -y some-server", "mcp-probe tools/list -- npx -y"),
        ("tools/call --tool-arg a=b", "--arg key=value"),
        ("--wat", "--help"),
    ] {
        let (text, code) = said(line);
        assert_eq!(code, Code::Usage, "{line}");
        assert!(text.contains("hint:") && text.contains(hint), "{line}: {text}");
        assert!(!text.contains("Usage:") && !text.contains("to pass"), "{text}");
    }
    let complaint = parse(argv("node server.js -- --method tools/list")).unwrap_err();
    assert!(complaint.message.contains("`--method` is no program"), "{complaint:?}");
}

#[test]
fn nothing_after_the_dashes_is_not_as_if_they_were_not_there() {
    for line in
        ["--", "tools/list --", "check --", "--json check a.toml --", "wait --", "lock --", "audit --", "init --"]
    {
        let complaint = parse(argv(line)).unwrap_err();
        assert!(complaint.message.contains("nothing follows it"), "{line}: {complaint:?}");
    }
    assert_eq!(ad_hoc("tools/list -- server --").command, ["server", "--"]);
    assert!(matches!(parse(argv("validate --")), Ok(Parsed::Command(_))), "it takes no server's command");
}

#[test]
fn values_are_checked_where_they_are_read() {
    for line in [
        "tools/list x --timeout 10",
        "tools/list x --protocol 2023-01-01",
        "tools/list x -n 0",
        "tools/list x --interval 1s",
        "tools/list x --raw --json",
        "tools/list x --raw --jq .",
        "tools/list x --cert a.pem",
        "check --report xml",
        "check --report json=",
    ] {
        assert_eq!(said(line).1, Code::Usage, "{line}");
    }
    let (text, _) = said("check --report junti=x.xml");
    assert!(text.contains("did you mean `junit`?") && text.contains("prometheus, sarif"), "{text}");
    let line = check("check --report table --report json=out.json");
    assert_eq!(line.report[1], Report { format: crate::report::format::JSON, file: Some("out.json".into()) });
    assert_eq!(ad_hoc("x --transport http").connection.transport, Some(TransportChoice::StreamableHttp));
}

//! No credential comes back out, whatever a server does with it; no child sees what is not meant for it.

#[path = "../stage/echo.rs"]
mod echo;

use std::fs;

use echo::Echo;

use super::place::{EXE, Place, finished, refused};

/// Runs it in every way in which something is printed; nothing may hold any of the words.
fn nothing_leaks(place: &Place, arguments: &[&str], words: &[&str], environment: &[(&str, &str)]) {
    for option in [&[][..], &["--json"], &["-v"], &["--trace", "trace.jsonl"]] {
        let mut command = place.command(EXE);
        let ran = finished(command.args(arguments).args(option).envs(environment.iter().copied()));
        let trace = fs::read_to_string(place.path("trace.jsonl")).unwrap_or_default();
        for text in [&ran.out, &ran.err, &trace] {
            for word in words {
                assert!(!text.contains(word), "{word} in the output of {arguments:?} {option:?}: {text}");
            }
        }
    }
}

#[test]
fn credentials_never_come_back_out() {
    let place = Place::new();
    for status in ["200 OK", "401 Unauthorized", "500 Internal Server Error"] {
        let echo = Echo::start(status);
        let at = &echo.authority;
        let url = format!("http://{at}/mcp");
        for method in [&["tools"][..], &["tools/call", "--tool", "t"], &["x/y"], &["check"]] {
            let leaks = |more: &[&str], words: &[&str]| nothing_leaks(&place, &[method, more].concat(), words, &[]);
            leaks(&[&url, "--bearer", "canary-bearer-1"], &["canary-bearer"]);
            leaks(&[&url, "-H", "X-Api-Key: canary/key"], &["canary/key"]);
            leaks(&[&url, "-H", "X-Thing: canary-header-123456"], &["canary-header"]);
            leaks(&[&format!("http://u:canary-pass@{at}/mcp")], &["canary-pass", "dTpjYW5hcnktcGFzcw=="]);
            leaks(&[&format!("http://{at}/mcp?key=canary%2Fquery")], &["canary%2Fquery", "canary/query"]);
        }
    }
}

#[test]
fn variables_of_a_file_never_come_back_out() {
    let echo = Echo::start("200 OK");
    let at = &echo.authority;
    let file = format!(
        "[target.a]\nurl = \"http://{at}/mcp?x=${{IN_URL}}\"\nheaders = {{ X-Team = \"${{IN_HEADER}}\" }}\n\
         auth = {{ bearer = \"${{IN_AUTH}}\" }}\n\
         [target.b]\ncommand = [\"sh\", \"-c\", \"echo $OWN; echo $OWN >&2; exit 1\"]\nenv = {{ OWN = \"${{IN_ENV}}\" }}\n"
    );
    let place = Place::new().with("f.toml", &file);
    let environment =
        [("IN_URL", "canary-url"), ("IN_HEADER", "canary-head"), ("IN_AUTH", "canary-auth"), ("IN_ENV", "canary-env")];
    for arguments in [&["tools", "f.toml"][..], &["x/y", "f.toml"], &["f.toml"], &["check", "f.toml"]] {
        nothing_leaks(&place, arguments, &["canary-"], &environment);
    }
}

#[test]
fn typing_errors_quote_no_secret() {
    let place = Place::new();
    for arguments in [
        &["tools", "http://u:canary-pass@127.0.0.1:bad/mcp"][..],
        &["tools", "htp://u:canary-pass@127.0.0.1/mcp"],
        &["tools", "http://u:canary-pass@127.0.0.1:1/mcp?key=canary-key", "-e", "A=canary-env"],
        &["tools", "http://127.0.0.1:1/mcp", "-H", "canary-no-colon"],
        &["tools", "http://127.0.0.1:1/mcp", "--bearer", "canary\nline"],
        &["check", "http://u:canary-pass@127.0.0.1:bad/mcp"],
    ] {
        let ran = place.run(arguments).ended(2);
        assert!(!ran.err.contains("canary") && ran.out.is_empty(), "{arguments:?}: {}", ran.err);
    }
    let refused = refused().replace("http://", "http://u:canary-pass@");
    assert!(!place.run(&["tools", &refused]).ended(4).err.contains("canary"));
}

#[test]
fn children_do_not_inherit_what_the_plan_reads_as_secret() {
    let server = r#"while read -r line; do case "$line" in
        *initialize\"*) id=${line#*\"id\":}; id=${id%%,*}; printf '{"jsonrpc":"2.0","id":%s,"result":{"protocolVersion":"2025-11-25","capabilities":{},"serverInfo":{"name":"%s","version":"1"}}}\n' "$id" "$(env | cut -d= -f1 | sort | tr '\n' ' ')";; esac; done"#;
    let target = |name: &str, more: &str| format!("[target.{name}]\ncommand = [\"sh\", \"server.sh\"]\n{more}\n");
    let file = target("all", "env = { OWN = \"${IN_ENV}\" }")
        + &target("other", "")
        + &target("few", "inherit_env = false")
        + &target("list", "inherit_env = [\"EXTRA\"]")
        + "[target.u]\nurl = \"http://127.0.0.1:1/${IN_URL}\"\nauth = { bearer = \"${IN_AUTH}\" }\n\
           [notify.n]\nkind = \"webhook\"\nurl = \"${IN_NOTIFY}\"\n[[push]]\nkind = \"pushgateway\"\nurl = \"${IN_PUSH}\"\n";
    let place = Place::new().with("f.toml", &file).with("server.sh", server);
    let secrets = ["IN_URL", "IN_AUTH", "IN_NOTIFY", "IN_PUSH"];
    let sees = |target: &str| -> Vec<String> {
        let mut command = place.command(EXE);
        command.args(["initialize", "-f", "f.toml", target, "--json"]).env("EXTRA", "1").env("IN_ENV", "value");
        let document = finished(command.envs(secrets.map(|name| (name, "value")))).ended(0).json();
        document["server"]["name"].as_str().unwrap().split_whitespace().map(str::to_owned).collect()
    };
    let has = |seen: &[String], name: &str| seen.iter().any(|have| have == name);
    for target in ["all", "other", "few", "list"] {
        let seen = sees(target);
        assert!(has(&seen, "PATH") && has(&seen, "HOME"), "{target}: {seen:?}");
        assert!(secrets.iter().all(|name| !has(&seen, name)), "{target}: {seen:?}");
        assert_eq!(has(&seen, "EXTRA"), target != "few", "{target}: {seen:?}");
        assert_eq!(has(&seen, "XDG_STATE_HOME"), matches!(target, "all" | "other"), "{target}: {seen:?}");
        assert_eq!(has(&seen, "OWN"), target == "all", "{target}: {seen:?}");
        assert_eq!(has(&seen, "IN_ENV"), target == "all", "{target}: {seen:?}");
    }
}

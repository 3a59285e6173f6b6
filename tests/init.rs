//! `mcp-probe init`: the file it writes validates and passes at once, calls nothing that it was not told to call, and
//! holds no secret.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a test fails by panicking")]

#[path = "stage/prober.rs"]
mod prober;

use std::collections::BTreeSet;
use std::path::Path;

use serde_json::Value;

use prober::{Served, Told, binary, probe, told};

const DEMO: [&str; 3] = ["--", "mcp-probe", "demo"];

/// Writes a file with `init`, and gives its text.
#[track_caller]
fn init(arguments: &[&str]) -> String {
    let told = probe([&["init"], arguments].concat());
    assert_eq!(told.code, 0, "{arguments:?}\n{}", told.stderr);
    told.stdout
}

fn check(text: &str, folder: &Path) -> Told {
    let file = folder.join("new.toml");
    std::fs::write(&file, text).unwrap();
    told(binary().args(["check", "--json"]).arg(&file))
}

/// The status of a probe.
fn status<'a>(report: &'a Value, probe: &str) -> &'a str {
    let probes = report["probes"].as_array().unwrap();
    let named = probes.iter().find(|have| have["name"].as_str().unwrap().ends_with(probe));
    named.map_or("absent", |probe| probe["status"].as_str().unwrap())
}

/// It passes at once, has no mistake and no warning, and an editor's schema has nothing against it.
#[track_caller]
fn passes_at_once(text: &str) -> Value {
    let folder = tempfile::tempdir().unwrap();
    let checked = check(text, folder.path());
    assert_eq!(checked.code, 0, "{}\n{}\n{text}", checked.stdout, checked.stderr);
    assert!(!checked.stderr.contains("warning"), "{}\n{text}", checked.stderr);
    let schema = probe(["schema"]).document();
    let validator = jsonschema::draft7::new(&schema).unwrap();
    let file: Value = toml::from_str(text).unwrap();
    let wrong: Vec<String> = validator.iter_errors(&file).map(|error| error.to_string()).collect();
    assert!(wrong.is_empty(), "{wrong:?}\n{text}");
    let report = checked.document();
    assert_eq!(status(&report, " smoke"), "healthy", "{report:#}\n{text}");
    report
}

/// What is commented out, switched on, is still a file without mistakes.
#[track_caller]
fn can_be_switched_on(text: &str) {
    let all: String = text.lines().map(|line| line.strip_prefix("# ").unwrap_or(line).to_owned() + "\n").collect();
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("all.toml");
    std::fs::write(&file, &all).unwrap();
    let loaded = mcp_probe::files::load(&[file], false, &mcp_probe::files::Machine);
    let loaded = loaded.unwrap_or_else(|diags| panic!("{}\n{all}", mcp_probe::config::render(&diags, false, None)));
    assert!(loaded.warnings.is_empty(), "{}", mcp_probe::config::render(&loaded.warnings, false, None));
}

#[test]
fn over_stdio_in_both_eras() {
    for (era, version) in [("modern", "2026-07-28"), ("legacy", "2025-11-25")] {
        let text = init(&[&DEMO[..], &["--era", era]].concat());
        for line in [
            "[target.mcp-probe-demo]".to_owned(),
            format!("command = [\"mcp-probe\", \"demo\", \"--era\", \"{era}\"]"),
            format!("expect.server = {{ name = \"mcp-probe-demo\", version = \"{}\" }}", env!("CARGO_PKG_VERSION")),
            format!("expect.protocol = \"{version}\""),
            "expect.prompts = { include = [\"greeting\", \"review\"] }".to_owned(),
            "tool = \"stats\"".to_owned(),
            "# tool = \"note\"".to_owned(),
            "# allow_side_effects = true".to_owned(),
            "# arguments.city = \"TODO\"  # string: Name of the city.".to_owned(),
        ] {
            assert!(text.lines().any(|have| have == line), "{line} is missing:\n{text}");
        }
        assert!(text.starts_with("#:schema ./mcp-probe.schema.json\n"), "{text}");
        passes_at_once(&text);
        can_be_switched_on(&text);
    }
}

/// What hostile or careless servers list goes into the file as what it is.
#[test]
fn whatever_is_listed_the_file_can_be_read() {
    let faults =
        ["hostile-name", "tools-poisoned", "tools-duplicate", "tools-no-name", "tools-null", "tools-remote-ref"];
    let jobs: Vec<(&str, &str)> = faults.into_iter().flat_map(|fault| [(fault, "modern"), (fault, "legacy")]).collect();
    let complaints = prober::in_parallel(jobs, 2, |(fault, era)| {
        let text = init(&[&DEMO[..], &["--era", era, "--fault", fault]].concat());
        can_be_switched_on(&text);
        let harmful = prober::harmful(&text);
        let checked = check(&text, tempfile::tempdir().unwrap().path());
        let mut complaints = Vec::new();
        if !harmful.is_empty() || checked.code != 0 {
            complaints.push(format!("{fault} {era}: {harmful:?}, exit {}\n{}\n{text}", checked.code, checked.stderr));
        }
        complaints
    });
    assert!(complaints.is_empty(), "{}", complaints.join("\n"));
}

#[test]
fn over_http_in_both_eras() {
    for era in ["modern", "legacy"] {
        let server = Served::start(["--era", era]);
        let url = server.url();
        let text = init(&[&url, "--name", "Weather of \"Oslo\"", "-H", "X-Team: search", "--timeout", "7s"]);
        assert!(text.contains(&format!("[target.\"Weather of \\\"Oslo\\\"\"]\nurl = \"{url}\"\n")), "{text}");
        assert!(text.contains("headers = { X-Team = \"search\" }\n") && text.contains("timeout = \"7s\""), "{text}");
        passes_at_once(&text);
    }
    let server = Served::start(["--era", "legacy"]);
    let text = init(&[&server.sse_url(), "--transport", "sse", "--protocol", "2024-11-05"]);
    assert!(text.contains("transport = \"sse\"\n") && text.contains("protocol = \"2024-11-05\"\n"), "{text}");
    passes_at_once(&text);
}

/// The methods that were sent, and the tools that were called.
fn sent(options: &[&str], server: &[&str]) -> (BTreeSet<String>, BTreeSet<String>) {
    let folder = tempfile::tempdir().unwrap();
    let trace = folder.path().join("wire.jsonl");
    init(&[&["--trace", trace.to_str().unwrap()], options, &DEMO[..], server].concat());
    let (mut methods, mut tools) = (BTreeSet::new(), BTreeSet::new());
    for line in std::fs::read_to_string(trace).unwrap().lines() {
        let record: Value = serde_json::from_str(line).unwrap();
        let payload = &record["payload"];
        if record["direction"] == "sent" {
            methods.extend(payload["method"].as_str().map(str::to_owned));
            tools.extend(payload["params"]["name"].as_str().map(str::to_owned));
        }
    }
    (methods, tools)
}

#[test]
fn no_tool_is_called_unless_told() {
    let words = |words: &[&str]| words.iter().map(ToString::to_string).collect::<BTreeSet<String>>();
    for (era, opening) in
        [("modern", &["server/discover"][..]), ("legacy", &["initialize", "notifications/initialized"])]
    {
        let lists = ["tools/list", "resources/list", "resources/templates/list", "prompts/list"];
        let protocol = ["--protocol", era];
        let (methods, tools) = sent(&protocol, &["--era", era]);
        assert_eq!(methods, words(&[opening, &lists].concat()));
        assert!(tools.is_empty(), "{tools:?}");
        let (methods, tools) = sent(&[&protocol[..], &["--call-read-only"]].concat(), &["--era", era]);
        assert!(methods.contains("tools/call"));
        assert_eq!(tools, words(&["fail", "image", "audio", "embed", "link", "log", "ask", "stats"]));
    }
}

#[test]
fn tools_that_were_tried_pass_or_are_switched_off() {
    let text = init(&[&["--call-read-only"], &DEMO[..]].concat());
    assert!(text.lines().any(|line| line == "tool = \"image\"") && text.contains("## Measured once: "), "{text}");
    assert!(text.contains("# tool = \"fail\"\n") && text.contains("called once, and failed"), "{text}");
    assert!(!text.contains("on_fail"), "{text}");
    let report = passes_at_once(&text);
    assert_eq!(status(&report, " tools"), "healthy", "{report:#}");
    can_be_switched_on(&text);
    // Without trying them, a tool that fails degrades a probe of its own, and says so.
    let report = passes_at_once(&init(&DEMO));
    assert_eq!(status(&report, " tools"), "degraded", "{report:#}");
}

#[test]
fn no_secret_is_written() {
    let server = Served::start::<&str>([]);
    let login = server.url().replace("127.0.0.1", "ann:pass-word-1@127.0.0.1") + "?api_key=query-canary-1&team=a";
    let folder = tempfile::tempdir().unwrap();
    let token = folder.path().join("token");
    std::fs::write(&token, "file-canary-token").unwrap();
    let file = format!("@{}", token.display());
    for (arguments, wanted) in [
        (&["--bearer", "env:CANARY_TOKEN"][..], "auth = { bearer = \"${CANARY_TOKEN}\" }".to_owned()),
        (&["--bearer", &file], format!("auth = {{ bearer = \"${{file:{}}}\" }}", token.display())),
        (&["--bearer", "typed-canary-1"], "auth = { bearer = \"${MCP_PROBE_DEMO_TOKEN}\" }".to_owned()),
        // What the shell filled in is found again in the environment.
        (&["--bearer", "env-canary-value-1"], "auth = { bearer = \"${CANARY_TOKEN}\" }".to_owned()),
        (&["-H", "X-Api-Key: header-canary-1"], "headers = { X-Api-Key = \"${MCP_PROBE_DEMO_X_API_KEY}\" }".to_owned()),
        (&[], "/mcp?api_key=${MCP_PROBE_DEMO_API_KEY}&team=a\"".to_owned()),
        (&[], "url = \"http://${MCP_PROBE_DEMO_LOGIN}@127.0.0.1:".to_owned()),
    ] {
        let told = told(binary().args(["init", &login]).args(arguments).env("CANARY_TOKEN", "env-canary-value-1"));
        assert_eq!(told.code, 0, "{}", told.stderr);
        assert!(told.stdout.contains(&wanted), "{wanted}:\n{}", told.stdout);
        for secret in ["pass-word-1", "canary-"] {
            assert!(!(told.stdout.clone() + &told.stderr).contains(secret), "{secret}\n{}", told.stdout);
        }
        let unset = |name: &str| told.stderr.contains(&format!("note: set {name} before"));
        assert!(unset("MCP_PROBE_DEMO_LOGIN") && unset("MCP_PROBE_DEMO_API_KEY"), "{}", told.stderr);
    }
}

#[test]
fn secrets_of_commands_become_variables_too() {
    let words = ["-e", "API_TOKEN=canary-env-1", "-e", "LOG_LEVEL=debug", "--", "mcp-probe", "demo", "--era", "modern"];
    let told = told(binary().args(["init"]).args(words).env("ALREADY_SET", "canary-env-1"));
    assert!(told.stdout.contains("env = { API_TOKEN = \"${ALREADY_SET}\", LOG_LEVEL = \"debug\" }"), "{}", told.stdout);
    let told = prober::told(binary().args(["init"]).args(words));
    assert!(told.stdout.contains("API_TOKEN = \"${API_TOKEN}\"") && !told.stdout.contains("canary"), "{}", told.stdout);
    assert!(
        told.stdout.contains("## Set API_TOKEN to what the server finds in its variable API_TOKEN"),
        "{}",
        told.stdout
    );
    // The file works once the variable is set.
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("new.toml");
    std::fs::write(&file, &told.stdout).unwrap();
    let check = |variable: Option<&str>| {
        let mut command = binary();
        command.args(["check", "--json"]).arg(&file).env_remove("API_TOKEN");
        prober::told(command.envs(variable.map(|value| ("API_TOKEN", value)))).code
    };
    assert_eq!((check(Some("x")), check(None)), (0, 2));
}

#[test]
fn relative_paths_still_lead_there_from_elsewhere() {
    let folder = tempfile::tempdir().unwrap();
    let here = folder.path().canonicalize().unwrap();
    std::fs::create_dir(here.join("bin")).unwrap();
    std::os::unix::fs::symlink(prober::BINARY, here.join("bin/server")).unwrap();
    let told = told(binary().current_dir(&here).args(["init", "-o", "new.toml", "--", "bin/server", "demo"]));
    assert_eq!((told.code, told.stdout.as_str()), (0, ""), "{}", told.stderr);
    let text = std::fs::read_to_string(here.join("new.toml")).unwrap();
    assert!(text.contains(&format!("command = [\"{}/bin/server\", \"demo\"]", here.display())), "{text}");
    assert!(text.contains(&format!("cwd = \"{}\"", here.display())) && text.contains("Paths are absolute"), "{text}");
    passes_at_once(&text);
    let again = prober::told(binary().current_dir(&here).args(["init", "-o", "new.toml", "--", "bin/server", "demo"]));
    assert_eq!(again.code, 2);
    assert!(again.stderr.contains("new.toml exists already") && again.stderr.contains("--force"), "{}", again.stderr);
    assert_eq!(std::fs::read_to_string(here.join("new.toml")).unwrap(), text);
    let forced = ["init", "-q", "--force", "-o", "new.toml", "--name", "other", "--", "bin/server", "demo"];
    let forced = prober::told(binary().current_dir(&here).args(forced));
    assert_eq!((forced.code, forced.stderr.as_str()), (0, ""));
    assert!(std::fs::read_to_string(here.join("new.toml")).unwrap().contains("[target.other]"));
}

#[test]
fn a_target_that_a_file_defines_is_not_defined_again() {
    let folder = tempfile::tempdir().unwrap();
    let define = "[target.web]\nurl = \"http://127.0.0.1:0/mcp\"\nstart = [\"mcp-probe\", \"demo\", \"--http\", \"127.0.0.1:0\"]\n";
    std::fs::write(folder.path().join("mcp-probe.toml"), define).unwrap();
    let told = told(binary().current_dir(folder.path()).args(["init", "web"]));
    assert_eq!(told.code, 0, "{}", told.stderr);
    assert!(told.stdout.contains("## The target is defined in mcp-probe.toml:1:9"), "{}", told.stdout);
    assert!(!told.stdout.contains("[target."), "{}", told.stdout);
    std::fs::create_dir(folder.path().join("probes")).unwrap();
    std::fs::write(folder.path().join("probes/web.toml"), &told.stdout).unwrap();
    let checked = prober::told(binary().current_dir(folder.path()).args(["check", "--json"]));
    assert_eq!(checked.code, 0, "{}\n{}", checked.stdout, checked.stderr);
    assert_eq!(status(&checked.document(), "web smoke"), "healthy");
}

#[test]
fn without_a_server_there_is_no_file() {
    let served = Served::start(["--fault", "http-401"]);
    let url = served.url();
    let demo = |fault: &'static str| [&DEMO[..], &["--fault", fault]].concat();
    for (arguments, code) in [
        (vec!["--", "no-such-program-anywhere"], 4),
        (vec!["http://127.0.0.1:1/mcp"], 4),
        (vec![url.as_str()], 3),
        (demo("exit-at-start"), 4),
        (vec![], 2),
        (vec!["no-such-name"], 2),
        (vec!["http://127.0.0.1:1/mcp", "http://127.0.0.1:2/mcp"], 2),
        (vec!["http://127.0.0.1:1/mcp", "--name", "a*b"], 2),
        (vec!["http://127.0.0.1:1/mcp", "--force"], 2),
        ([&["-o", "no/such/folder.toml"], &DEMO[..]].concat(), 2),
    ] {
        let told = probe([&["init"], arguments.as_slice()].concat());
        assert_eq!((told.code, told.stdout.as_str()), (code, ""), "{arguments:?}\n{}", told.stderr);
        assert!(told.stderr.starts_with("error: "), "{arguments:?}\n{}", told.stderr);
    }
}

//! Docker, systemd and Kubernetes: what cannot be run here is judged by the linters and schemas of others.

use serde_json::Value;

use crate::place::{EXE, Place, Ran, finished};
use crate::served::Served;
use crate::watching::{Watch, until, write};
use crate::{files, judge, path_with_ours, ran, text, yaml};

#[test]
fn hadolint_has_nothing_to_say_of_the_dockerfiles() {
    for file in ["ci/docker/Dockerfile", "ci/docker/healthcheck.Dockerfile"] {
        ran(judge("hadolint"), ["--no-color", file]).ended(0);
        assert!(text(file).contains("has not been built"), "{file} says what was not tried");
    }
    let careless = Place::new().with("Dockerfile", "FROM debian\nRUN cd /tmp && sudo apt-get install curl\n");
    ran(judge("hadolint"), [careless.path("Dockerfile")]).ended(1);
}

/// The words of a health check.
fn health(file: &str) -> Vec<String> {
    let file = text(file);
    let line = file.lines().skip_while(|line| !line.starts_with("HEALTHCHECK")).nth(1).unwrap();
    serde_json::from_str(line.trim().strip_prefix("CMD ").unwrap()).unwrap()
}

/// Runs words of a file with the binary under test in the PATH, others in the place of some.
fn run(words: &[String], replaced: &[(&str, &str)]) -> Ran {
    let put = |word: &String| {
        replaced.iter().fold(word.clone(), |word, (from, to)| {
            assert!(words.iter().any(|word| word.contains(from)), "{words:?} have no {from}");
            word.replace(from, to)
        })
    };
    let words: Vec<String> = words.iter().map(put).collect();
    let place = Place::new();
    let mut command = place.command(&words[0]);
    finished(command.args(&words[1..]).env("PATH", path_with_ours(&[])))
}

/// A healthy server over HTTP, and its port.
fn server() -> (Served, String) {
    let served = Served::start(EXE, &["demo", "--http", "ADDRESS"], "/stats", &[]);
    let port = served.address().rsplit(':').next().unwrap().to_owned();
    (served, port)
}

#[test]
fn the_health_checks_are_what_docker_understands() {
    // 0 is healthy, 1 is not, and there is no other code.
    let (_served, port) = server();
    let server = health("ci/docker/healthcheck.Dockerfile");
    run(&server, &[("8080", &port)]).ended(0);
    run(&server, &[("8080", "1")]).ended(1);
    run(&health("ci/docker/Dockerfile"), &[("mcp-probe status", "mcp-probe status --url http://127.0.0.1:1")]).ended(1);
}

#[test]
fn the_probes_of_kubernetes_tell_a_server_that_answers_from_one_that_does_not() {
    let (_served, port) = server();
    let container = &yaml("ci/kubernetes/exec-probe.yaml")["spec"]["template"]["spec"]["containers"][0];
    for kind in ["readinessProbe", "livenessProbe"] {
        let probe = &container[kind];
        let words = probe["exec"]["command"].as_array().unwrap().iter();
        let words: Vec<String> = words.map(|word| word.as_str().unwrap().to_owned()).collect();
        run(&words, &[("/opt/mcp-probe/mcp-probe", EXE), ("8080", &port)]).ended(0);
        run(&words, &[("/opt/mcp-probe/mcp-probe", EXE), ("8080", "1")]).ended(4);
        // Its own limit comes before that of the kubelet, which comes before the next look.
        let own = words.iter().find_map(|word| word.strip_prefix("--timeout=")?.strip_suffix('s')).unwrap();
        let own: i64 = own.parse().unwrap();
        let limit = probe["timeoutSeconds"].as_i64().unwrap();
        assert!(own < limit && limit < probe["periodSeconds"].as_i64().unwrap(), "{kind}");
    }
}

#[test]
fn what_kubernetes_starts_exists() {
    let deployment = text("ci/kubernetes/deployment.yaml");
    let deployment: Value = serde_saphyr::from_str(deployment.split("\n---\n").next().unwrap()).unwrap();
    let cronjob = &yaml("ci/kubernetes/cronjob.yaml")["spec"]["jobTemplate"];
    for workload in [&deployment, cronjob] {
        let container = &workload["spec"]["template"]["spec"]["containers"][0];
        let mut words = container["args"].as_array().unwrap().iter().map(|word| word.as_str().unwrap());
        let help = ran(EXE, [words.next().unwrap(), "--help"]).ended(0).out;
        for option in words.filter(|word| word.starts_with("--")) {
            assert!(help.contains(option.split('=').next().unwrap()), "{option}");
        }
    }
    let (folder, probes) = (tempfile::tempdir().unwrap(), &deployment["spec"]["template"]["spec"]["containers"][0]);
    write(folder.path(), "[target.gone]\nurl = \"http://127.0.0.1:1/mcp\"\n");
    let watch = Watch::start(folder.path());
    for kind in ["startupProbe", "livenessProbe", "readinessProbe"] {
        let path = probes[kind]["httpGet"]["path"].as_str().unwrap();
        until(&format!("{path} is well"), || (watch.get(path).0 == 200).then_some(()));
    }
}
#[test]
fn the_health_check_of_the_image_does_not_mind_targets_that_fail() {
    let folder = tempfile::tempdir().unwrap();
    write(
        folder.path(),
        "[watch]\nrun_at_start = true\n[target.gone]\nurl = \"http://127.0.0.1:1/mcp\"\nstartup_timeout = \"1s\"\n\
         [[probe]]\nname = \"p\"\ntarget = \"gone\"\nevery = \"10s\"\ntimeout = \"1s\"\n\
         [[probe.step]]\nmethod = \"tools/list\"\n",
    );
    let watch = Watch::start(folder.path());
    until("it fails", || (watch.status()["summary"]["failed"] == 1).then_some(()));
    let url = format!("http://{}", watch.address().unwrap());
    ran(EXE, ["status", "--url", &url]).ended(1);
    let asked = format!("mcp-probe status --url {url}");
    run(&health("ci/docker/Dockerfile"), &[("mcp-probe status", &asked)]).ended(0);
}

#[test]
fn compose_has_the_files_that_it_names() {
    let compose = yaml("ci/docker/compose.yml");
    let services = compose["services"].as_object().unwrap();
    let mut looked_at = 0;
    for (name, service) in services {
        for volume in service["volumes"].as_array().into_iter().flatten() {
            let source = volume.as_str().unwrap().split(':').next().unwrap();
            if source.starts_with('.') {
                assert!(crate::root().join("ci/docker").join(source).exists(), "{name}: {source}");
                looked_at += 1;
            }
        }
    }
    assert!(looked_at >= 4);
    assert_eq!(compose["services"]["mcp-probe"]["build"]["dockerfile"], "ci/docker/Dockerfile");
    // What it is started with is what `watch` knows.
    let command = compose["services"]["mcp-probe"]["command"].as_array().unwrap();
    let help = ran(EXE, ["watch", "--help"]).ended(0).out;
    for word in command.iter().filter_map(|word| word.as_str()?.strip_prefix("--")) {
        assert!(help.contains(&format!("--{}", word.split('=').next().unwrap())), "{word}");
    }
}

#[test]
fn systemd_reads_every_line_of_the_units() {
    let place = Place::new();
    let mut units = Vec::new();
    for file in files("ci/systemd") {
        let name = file.rsplit('/').next().unwrap();
        // The program is where it is on this machine.
        std::fs::write(place.path(name), text(&file).replace("/usr/bin/mcp-probe", EXE)).unwrap();
        units.push(place.path(name).display().to_string());
    }
    let judged = ran("systemd-analyze", ["verify", "--man=no"].into_iter().chain(units.iter().map(String::as_str)));
    assert_eq!((judged.code, judged.err.as_str()), (0, ""), "{}", judged.out);
    std::fs::write(place.path("wrong.service"), "[Service]\nExecStart=/bin/true\nWatchdogSecs=90\n").unwrap();
    let wrong = ran("systemd-analyze", ["verify", "--man=no", place.path("wrong.service").to_str().unwrap()]);
    assert!(wrong.err.contains("WatchdogSecs"), "a misspelt key is told: {}", wrong.err);
    // 0 is sealed, 100 open to everything.
    for name in ["mcp-probe.service", "mcp-probe-check.service"] {
        let unit = place.path(name).display().to_string();
        ran("systemd-analyze", ["security", "--offline=true", "--threshold=25", "--no-pager", &unit]).ended(0);
    }
    let calendar = text("ci/systemd/mcp-probe-check.timer");
    let when = calendar.lines().find_map(|line| line.strip_prefix("OnCalendar=")).unwrap();
    ran("systemd-analyze", ["calendar", when]).ended(0);
}

#[test]
fn the_units_start_what_exists() {
    for (unit, command) in [("mcp-probe.service", "watch"), ("mcp-probe-check.service", "check")] {
        let unit = text(&format!("ci/systemd/{unit}"));
        let start = unit.lines().find_map(|line| line.strip_prefix("ExecStart=")).unwrap();
        let help = ran(EXE, [command, "--help"]).ended(0).out;
        let mut words = start.split_whitespace();
        assert_eq!((words.next(), words.next()), (Some("/usr/bin/mcp-probe"), Some(command)));
        for option in words.filter(|word| word.starts_with("--")) {
            assert!(help.contains(option), "{option}");
        }
    }
}

#[test]
fn the_schemas_of_kubernetes_take_the_manifests() {
    let validate = judge("kubernetes-validate");
    for file in files("ci/kubernetes") {
        ran(&validate, ["--strict", "--kubernetes-version", "1.31", &file]).ended(0);
        ran(&validate, ["--strict", &file]).ended(0);
    }
    let wrong = text("ci/kubernetes/cronjob.yaml").replace("concurrencyPolicy", "concurencyPolicy");
    let wrong = Place::new().with("cronjob.yaml", &wrong);
    let refused = ran(&validate, ["--strict", wrong.path("cronjob.yaml").to_str().unwrap()]);
    assert_ne!(refused.code, 0, "{}", refused.out);
}

//! `--as CLIENT`: a server gets of this machine what that client would give it, and where it then fails, the difference
//! to this shell is told. Of variables only names are told, never values.

use std::path::{Path, PathBuf};
use std::time::Duration;

use crate::base::duration;
use crate::base::glob;
use crate::base::ids::RunId;
use crate::base::sanitize;
use crate::config::suggest;
use crate::event::{Cause, ProbeOutcome, Reason, Status};
use crate::files::clients::{CLIENTS, Client, Passes, client};
use crate::plan::{Endpoint, Inherit, Plan, STARTUP_TIMEOUT, Target};
use crate::report::call::AsTold;
use crate::run::reach;
use crate::transport::child::{Start, program};

/// So many names of variables are told in a sentence.
const NAMES_SHOWN: usize = 8;
/// So many are told to programs.
const NAMES_MAX: usize = 64;

/// Variables of a shell that no server looks at.
const NOISE: &[&str] = &["PWD", "OLDPWD", "SHLVL", "_", "LS_COLORS", "PS1", "COLUMNS", "LINES", "TMUX", "TMUX_PANE"];

/// Variables that programs look at by themselves.
const KNOWN: &[&str] = &[
    "NODE_",
    "NPM_",
    "NVM_",
    "PYTHON",
    "VIRTUAL_ENV",
    "CONDA_",
    "UV_",
    "PIP_",
    "JAVA_HOME",
    "GOPATH",
    "LD_",
    "DYLD_",
    "HTTP_PROXY",
    "HTTPS_PROXY",
    "NO_PROXY",
    "ALL_PROXY",
    "http_proxy",
    "https_proxy",
    "no_proxy",
    "all_proxy",
    "SSL_CERT_",
    "LANG",
    "LC_",
    "TZ",
    "TMPDIR",
    "XDG_",
    "DOCKER_",
    "AWS_",
    "GOOGLE_",
    "AZURE_",
    "DATABASE_URL",
    "SSH_AUTH_SOCK",
    "DISPLAY",
];

impl std::fmt::Debug for Client {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(self.id)
    }
}

/// Reads the id of a client.
///
/// # Errors
/// There is no such client; the sentence says which there are.
pub fn parse(word: &str) -> Result<&'static Client, String> {
    client(word).ok_or_else(|| {
        let ids = CLIENTS.iter().map(|client| client.id);
        suggest::sentence(word, ids)
            .map_or_else(|| "no such client".to_owned(), |help| format!("no such client; {help}"))
    })
}

/// Gives a target what this client would give it. What is reached by a URL alone stays as it is.
pub fn dress(target: &mut Target, client: &'static Client) {
    if !starts(target) {
        return;
    }
    let environment = &client.environment;
    let names = std::env::vars_os().filter_map(|(name, _)| name.into_string().ok());
    target.inherit_env = Inherit::Exactly {
        names: names.filter(|name| passes(environment.passes, name)).collect(),
        path: environment.path.map(ToOwned::to_owned),
        folder: (!environment.in_project).then(own_folder),
    };
    if target.startup_timeout == STARTUP_TIMEOUT {
        target.startup_timeout = startup_timeout(client.id).unwrap_or(STARTUP_TIMEOUT);
    }
}

/// The same target with what this shell gives it.
#[must_use]
pub fn undressed(target: &Target) -> Target {
    let own = target.entry.as_ref().map(|entry| entry.as_written().inherit_env.clone());
    Target { inherit_env: own.unwrap_or(Inherit::All), ..target.clone() }
}

fn starts(target: &Target) -> bool {
    target.start.is_some() || matches!(target.endpoint, Endpoint::Command(_))
}

fn passes(rule: Passes, name: &str) -> bool {
    match rule {
        Passes::All => true,
        Passes::Only(names) => names.contains(&name),
        Passes::Except(patterns) => {
            let name = name.to_ascii_uppercase();
            !patterns.iter().any(|pattern| glob::matches(pattern, &name))
        }
    }
}

/// Where a client runs its servers that is not started in a project.
fn own_folder() -> PathBuf {
    let home = std::env::var_os("HOME").map(PathBuf::from).filter(|home| home.is_dir() && !cfg!(target_os = "macos"));
    home.unwrap_or_else(|| PathBuf::from("/"))
}

/// How long a client waits for its servers, where that is known and differs from ours.
fn startup_timeout(id: &str) -> Option<Duration> {
    match id {
        "claude-code" => {
            let told = std::env::var("MCP_TIMEOUT").ok().and_then(|told| told.trim().parse().ok());
            Some(told.map_or(Duration::from_secs(30), Duration::from_millis)).filter(|limit| !limit.is_zero())
        }
        "grok" => Some(Duration::from_secs(30)),
        _ => None,
    }
}

/// What this client changes for a target, as far as it can be known without starting anything. `evidence` is what the
/// failure said: variables that it mentions come first.
#[must_use]
pub fn differences(target: &Target, client: &'static Client, evidence: &str) -> AsTold {
    let Inherit::Exactly { names, path, folder } = &target.inherit_env else {
        return AsTold { client: client.id, title: client.title, ..AsTold::default() };
    };
    let own = undressed(target);
    let reaches = reach::inherit(&own);
    let here = std::env::vars_os().filter_map(|(name, value)| Some((name.into_string().ok()?, value)));
    let is_missing = |name: &String| {
        !names.contains(name)
            && reaches.passes(name)
            && !target.env.iter().any(|(have, _)| have == name)
            && !NOISE.contains(&name.as_str())
            && !name.starts_with("MCP_PROBE_")
    };
    let mut missing: Vec<String> =
        here.filter(|(_, value)| !value.is_empty()).map(|(name, _)| name).filter(is_missing).collect();
    missing.sort_by_cached_key(|name| (rank(name, &target.name, evidence), name.clone()));
    let mentioned = missing.iter().take_while(|name| mentions(evidence, name)).count();
    let total = missing.len();
    missing.truncate(NAMES_MAX);
    let other_path = path.clone().filter(|path| std::env::var("PATH").ok().as_ref() != Some(path));
    let (found_here, found_there) = (find(&own), find(target));
    AsTold {
        client: client.id,
        title: client.title,
        works_here: None,
        not_passed: missing,
        not_passed_total: total,
        mentioned,
        path: other_path.filter(|_| !target.env.iter().any(|(name, _)| name == "PATH")),
        found_here: found_here.filter(|here| found_there.as_ref() != Some(here)).map(|path| path.display().to_string()),
        found_there: found_there.is_some(),
        folder: folder.as_ref().filter(|_| target.cwd.is_none()).map(|folder| folder.display().to_string()),
    }
}

/// What is likeliest to matter comes first.
fn rank(name: &str, target: &str, evidence: &str) -> u8 {
    let words = target.split(|c: char| !c.is_ascii_alphanumeric()).filter(|word| word.len() > 2);
    if mentions(evidence, name) {
        0
    } else if words.map(str::to_ascii_uppercase).any(|word| name.contains(&word)) {
        1
    } else if super::credentials::is_secret_name(name) {
        2
    } else if KNOWN.iter().any(|known| name.starts_with(known)) {
        3
    } else {
        4
    }
}

/// Whether a text has this name as a word of its own.
fn mentions(text: &str, name: &str) -> bool {
    let is_part = |c: Option<char>| c.is_some_and(|c| c.is_ascii_alphanumeric() || c == '_');
    text.match_indices(name)
        .any(|(at, _)| !is_part(text[..at].chars().next_back()) && !is_part(text[at + name.len()..].chars().next()))
}

/// The program that a target means.
fn find(target: &Target) -> Option<PathBuf> {
    let argv = match (&target.start, &target.endpoint) {
        (Some(argv), _) | (None, Endpoint::Command(argv)) => argv,
        (None, Endpoint::Url(_)) => return None,
    };
    let env: Vec<(String, String)> =
        target.env.iter().map(|(name, value)| (name.clone(), value.reveal().to_owned())).collect();
    let cwd = reach::folder(target);
    let start = Start { argv, env: &env, cwd: cwd.as_ref(), inherit: &reach::inherit(target), run_id: RunId::random() };
    program::resolve_program(&start).ok()
}

/// Whether a failure before the handshake may come from what the server was given.
#[must_use]
pub fn may_explain(reason: Reason) -> bool {
    matches!(
        reason,
        Reason::Spawn
            | Reason::Exited
            | Reason::Timeout
            | Reason::Closed
            | Reason::Protocol
            | Reason::Incompatible
            | Reason::RpcError
    )
}

/// What became of the start in this shell.
#[derive(Clone, Debug)]
pub enum Here {
    /// It was tried: whether it starts.
    Tried(Result<(), Cause>),
    /// It was not tried.
    NotTried,
    /// The server runs as the client starts it, and failed later: only what the failure names has to do with it.
    Runs,
}

/// Puts the difference into the sentence of a failure.
pub fn explain(cause: &mut Cause, told: &mut AsTold, target: &Target, here: &Here) {
    let title = told.title;
    let mut reasons = reasons(cause, told, target);
    let lines = |reasons: &[String]| reasons.iter().flat_map(|reason| ["\n", reason]).collect::<String>();
    match here {
        Here::Tried(Ok(())) => {
            told.works_here = Some(true);
            if reasons.is_empty() {
                reasons.push(format!("{title} gives it another environment than this shell has"));
            }
            let more = lines(&reasons[1..]);
            cause.message = format!(
                "it works in this shell, not in {title}: {}{more}\nas {title} starts it: {}",
                reasons[0], cause.message
            );
        }
        Here::Tried(Err(other)) => {
            told.works_here = Some(false);
            let first = sanitize::one_line(other.message.lines().next().unwrap_or_default(), 300);
            cause.message.push_str(&format!("\nin this shell it does not start either, so mend that first: {first}"));
        }
        Here::NotTried => cause.message.push_str(&lines(&reasons)),
        Here::Runs if told.mentioned > 0 => cause.message.push_str(&lines(&reasons)),
        Here::Runs => {}
    }
}

/// Tells of the failed probes what this client gives otherwise. Nothing is started again.
pub fn annotate(outcomes: &mut [ProbeOutcome], plan: &Plan, client: &'static Client) {
    for outcome in outcomes.iter_mut().filter(|outcome| outcome.status == Status::Failed) {
        let mut pairs =
            plan.pairs().filter(|(probe, target)| probe.name == outcome.name && target.name == outcome.target);
        let (Some((_, target)), Some(cause)) = (pairs.next(), &mut outcome.cause) else { continue };
        if !matches!(target.inherit_env, Inherit::Exactly { .. }) {
            continue;
        }
        let mut told = differences(target, client, &cause.message);
        let here = if outcome.connected { Here::Runs } else { Here::NotTried };
        explain(cause, &mut told, target, &here);
    }
}

/// What may be the reason, likeliest first.
fn reasons(cause: &Cause, told: &AsTold, target: &Target) -> Vec<String> {
    let title = told.title;
    let word = match (&target.start, &target.endpoint) {
        (Some(argv), _) | (None, Endpoint::Command(argv)) => argv.first().map_or("", String::as_str),
        (None, Endpoint::Url(_)) => "",
    };
    let word = sanitize::one_line(word, 120);
    let where_to = if target.entry.is_some() { "`env` of the entry" } else { "`env` of its entry, or -e NAME=VALUE" };
    let mut reasons = Vec::new();
    if let Some(found) = &told.found_here {
        let found = Path::new(found);
        let folder = found.parent().unwrap_or(found).display().to_string();
        let found_there = if told.found_there { "another program of that name is found" } else { "it is not found" };
        reasons.push(match &told.path {
            Some(path) => format!(
                "`{word}` is found in {}, which is not in the PATH that {title} gives ({}), where {found_there}; write the whole \
                 path into `command`",
                sanitize::one_line(&folder, 200),
                sanitize::one_line(path, 200)
            ),
            None => format!(
                "`{word}` is {} here, and {title} runs it in {}, where {found_there}; write the whole path into `command`",
                sanitize::one_line(&found.display().to_string(), 200),
                sanitize::one_line(told.folder.as_deref().unwrap_or("another folder"), 200)
            ),
        });
    }
    if told.mentioned > 0 {
        let names: Vec<String> = told
            .not_passed
            .iter()
            .take(told.mentioned.min(NAMES_SHOWN))
            .map(|name| format!("`{}`", sanitize::one_line(name, 80)))
            .collect();
        let (what, it) = if names.len() == 1 { ("the variable", "it") } else { ("the variables", "them") };
        let (is, does) = if names.len() == 1 { ("is", "it") } else { ("are", "them") };
        reasons.push(format!(
            "{what} {} {is} set here, but {title} does not pass {does} on: put {it} into {where_to}",
            names.join(", ")
        ));
    }
    if cause.reason == Reason::Timeout {
        reasons.push(format!("{title} waits {} for a server to start", duration::written(target.startup_timeout)));
    }
    if told.found_here.is_none()
        && let Some(path) = &told.path
    {
        reasons.push(format!(
            "{title} gives the PATH {}, and this shell has another one: programs that the server starts may be missing there",
            sanitize::one_line(path, 200)
        ));
    }
    if told.mentioned == 0 && told.not_passed_total > 0 {
        let shown: Vec<String> =
            told.not_passed.iter().take(NAMES_SHOWN).map(|name| sanitize::one_line(name, 80)).collect();
        let rest = told.not_passed_total - shown.len();
        let more = if rest > 0 { format!(" and {rest} more") } else { String::new() };
        reasons.push(format!(
            "set here and not passed on by {title}: {}{more}; what the server needs belongs into {where_to}",
            shown.join(", ")
        ));
    }
    if told.found_here.is_none()
        && let Some(folder) = &told.folder
    {
        reasons.push(format!(
            "{title} runs it in {}, not in this folder: relative paths mean other files there",
            sanitize::one_line(folder, 200)
        ));
    }
    reasons
}

#[cfg(test)]
mod tests {
    use super::*;

    fn command(words: &[&str]) -> Target {
        Target::ad_hoc("github", Endpoint::Command(words.iter().map(|word| (*word).to_owned()).collect()))
    }

    fn desktop() -> &'static Client {
        parse("claude-desktop").unwrap_or_else(|why| panic!("{why}"))
    }

    #[test]
    fn an_unknown_client_gets_the_nearest() {
        assert!(parse("claude-dekstop").err().unwrap().contains("did you mean `claude-desktop`?"));
        assert!(parse("nobody").err().unwrap().contains("`claude-code`"));
    }

    #[test]
    fn rules_are_the_clients_own() {
        for (rule, passed, withheld) in [
            (Passes::All, &["PATH", "GITHUB_TOKEN"][..], &[][..]),
            (Passes::Only(&["HOME"]), &["HOME"], &["PATH", "HOME2"]),
            (Passes::Except(&["*TOKEN*", "*KEY*"]), &["PATH"], &["GITHUB_TOKEN", "my_key_1"]),
        ] {
            assert!(passed.iter().all(|name| passes(rule, name)) && !withheld.iter().any(|name| passes(rule, name)));
        }
    }

    #[test]
    fn a_target_is_dressed_and_undressed() {
        let mut target = command(&["sh"]);
        dress(&mut target, desktop());
        let Inherit::Exactly { names, path, folder } = &target.inherit_env else { panic!() };
        assert!(names.iter().all(|name| ["HOME", "LOGNAME", "PATH", "SHELL", "TERM", "USER"].contains(&name.as_str())));
        assert!(path.is_some() && folder.is_some());
        assert_eq!(undressed(&target).inherit_env, Inherit::All);
        let mut url = Target::ad_hoc("u", Endpoint::Url("http://127.0.0.1:1/mcp".into()));
        dress(&mut url, desktop());
        assert_eq!(url.inherit_env, Inherit::All, "nothing is started");
    }

    #[test]
    fn what_a_failure_mentions_comes_first() {
        let evidence = "exited: MISSING_THING is not set, SOME_GITHUB_TOKEN_2 neither";
        assert_eq!(rank("MISSING_THING", "github", evidence), 0);
        assert_eq!(rank("SOME_GITHUB_TOKEN", "github", evidence), 1, "a part of a word is no word");
        assert_eq!(rank("OTHER_TOKEN", "github", evidence), 2);
        assert_eq!(rank("NODE_PATH", "github", evidence), 3);
        assert_eq!(rank("EDITOR", "github", evidence), 4);
    }

    #[test]
    fn sentences_say_what_differs_and_what_to_do() {
        let target = command(&["npx"]);
        let mut told = AsTold {
            client: "claude-desktop",
            title: "Claude Desktop",
            not_passed: vec!["GITHUB_TOKEN".into(), "EDITOR".into()],
            not_passed_total: 2,
            mentioned: 1,
            path: Some("/usr/bin:/bin".into()),
            found_here: Some("/home/me/.nvm/bin/npx".into()),
            ..AsTold::default()
        };
        let mut cause = Cause::new(Reason::Spawn, "cannot start `npx`");
        explain(&mut cause, &mut told, &target, &Here::Tried(Ok(())));
        assert_eq!(
            cause.message,
            "it works in this shell, not in Claude Desktop: `npx` is found in /home/me/.nvm/bin, which is not in the PATH \
             that Claude Desktop gives (/usr/bin:/bin), where it is not found; write the whole path into `command`\nthe \
             variable `GITHUB_TOKEN` is set here, but Claude Desktop does not pass it on: put it into `env` of its entry, or \
             -e NAME=VALUE\nas Claude Desktop starts it: cannot start `npx`"
        );
        assert_eq!(told.works_here, Some(true));
        let mut cause = Cause::new(Reason::Exited, "it exited");
        let other = Cause::new(Reason::Spawn, "no such file\nmore");
        explain(&mut cause, &mut told, &target, &Here::Tried(Err(other)));
        assert!(cause.message.ends_with("so mend that first: no such file"), "{}", cause.message);
        let mut cause = Cause::new(Reason::ToolError, "it failed");
        explain(&mut cause, &mut AsTold { mentioned: 0, ..told.clone() }, &target, &Here::Runs);
        assert_eq!(cause.message, "it failed");
    }
}

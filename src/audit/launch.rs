//! What is risky in how a server is configured, before anything is started: programs that are fetched without a version,
//! secrets that are written out, tokens in URLs. No secret is ever part of what is said.

pub mod launcher;

use std::path::PathBuf;

use super::topic::{Findings, Found, Topic};
use crate::base::sanitize;
use crate::config::{Key, Place, Source, Text, secrets};
use crate::event::Severity;

/// Characters of a word in what is said.
const WORD_CHARS: usize = 120;

/// How a server is configured, as it is written.
#[derive(Clone, Copy, Debug, Default)]
pub struct Setup<'a> {
    /// Its URL.
    pub url: Option<&'a Text>,
    /// The program that is the server, with its arguments.
    pub command: &'a [Text],
    /// The program that is started beside a URL.
    pub start: &'a [Text],
    /// Headers of every request.
    pub headers: &'a [(Key, Text)],
    /// The token of `Authorization: Bearer`.
    pub bearer: Option<&'a Text>,
    /// Variables for the child.
    pub env: &'a [(Key, Text)],
}

/// The rules about configuration.
pub static TOPICS: [Topic; 3] = [
    Topic {
        id: "config.pinned",
        severity: Severity::Warning,
        what: "The command fetches its program without an exact version (`npx pkg`, `uvx pkg@latest`, `docker run image`).",
        why: "Whoever publishes the next version runs it on your machine, without anybody having looked at it.",
        mend: "name the version, of images the digest, and raise it when you have looked.",
        source: "postmark-mcp 1.0.16: 15 harmless versions, then one that copied all mail",
        as_of: "2026-11-22",
    },
    Topic {
        id: "config.secret_literal",
        severity: Severity::Warning,
        what: "A secret is written out in the configuration.",
        why: "Such files are shared, committed and backed up, and every program of the user can read them.",
        mend: "write a variable or the path of a file in its place, and change the secret if the file has been anywhere.",
        source: "OpenClaw's doctor warns of it as well",
        as_of: "2026-11-22",
    },
    Topic {
        id: "config.secret_url",
        severity: Severity::Warning,
        what: "A token or a password is part of a URL.",
        why: "URLs stand in the logs of every proxy and server on the way, in histories and in error messages.",
        mend: "send it in a header: `Authorization: Bearer …`.",
        source: "anthropics/claude-code#45368; MCP specification, basic/authorization: no tokens in query strings",
        as_of: "2026-11-22",
    },
];

/// Words of a command line, which stand in no file.
#[must_use]
pub fn words(argv: &[String]) -> Vec<Text> {
    argv.iter().map(|word| text(word)).collect()
}

/// A text of a command line.
#[must_use]
pub fn text(word: &str) -> Text {
    let place = Place::new(&Source::new("command line", "", PathBuf::new()), 0..0);
    Text::of(vec![crate::config::Part::Literal(word.to_owned())], &place)
}

/// What is risky.
#[must_use]
pub fn judge(setup: &Setup<'_>) -> Findings {
    let mut judging = Judging(Findings::default());
    for (what, argv) in [("command", setup.command), ("start", setup.start)] {
        judging.pinned(what, argv);
        for (at, name) in secrets::in_argv(argv) {
            judging.literal(&format!("{what}, word {}", at + 1), &name);
        }
        for (at, word) in argv.iter().enumerate() {
            judging.url(&format!("{what}, word {}", at + 1), word);
        }
    }
    if let Some(url) = setup.url {
        judging.url("url", url);
    }
    for (key, _) in setup.env.iter().filter(|(key, value)| secrets::in_env(key, value)) {
        judging.literal("env", &key.name);
    }
    for (key, value) in setup.headers.iter().filter(|(key, _)| is_secret_header(&key.name)) {
        if has_literal_secret(value) {
            judging.literal("headers", &key.name);
        }
    }
    if setup.bearer.is_some_and(has_literal_secret) {
        judging.literal("auth", "bearer");
    }
    judging.0
}

/// Whether a header carries credentials.
fn is_secret_header(name: &str) -> bool {
    const CARRIERS: &[&str] = &["authorization", "proxy-authorization", "cookie"];
    CARRIERS.contains(&name.to_ascii_lowercase().as_str()) || secrets::is_secret_name(name)
}

/// Whether a text that carries a secret is written out: nothing of it comes from a variable or a file.
fn has_literal_secret(text: &Text) -> bool {
    // `Bearer ` alone says how, not what.
    text.literal().is_some_and(|value| !matches!(value.trim(), "" | "Bearer" | "Basic" | "Token"))
}

struct Judging(Findings);

impl Judging {
    fn pinned(&mut self, what: &str, argv: &[Text]) {
        let words: Vec<Option<&str>> = argv.iter().map(Text::literal).collect();
        let Some(fetched) = launcher::fetched(&words) else { return };
        let Some(Some(word)) = words.get(fetched.index) else { return };
        let expected = format!("an exact version, as in `{}`", sanitize::one_line(&fetched.pinned, WORD_CHARS));
        let actual = format!("`{}`", sanitize::one_line(word, WORD_CHARS));
        self.add(0, format!("{what}, word {}", fetched.index + 1), expected, actual);
    }

    fn literal(&mut self, about: &str, name: &str) {
        let name = sanitize::one_line(name, WORD_CHARS);
        let actual = format!("`{name}` is written out (its value is not shown)");
        self.add(1, about.to_owned(), "a variable or a file in its place".to_owned(), actual);
    }

    fn url(&mut self, about: &str, text: &Text) {
        // A token that comes from a variable travels in the URL all the same.
        let Some(name) = secrets::in_url(&text.written()) else { return };
        let name = sanitize::one_line(&name, WORD_CHARS);
        if text.literal().is_some() {
            self.literal(about, &name);
        }
        let actual = format!("`{name}` (its value is not shown)");
        self.add(2, about.to_owned(), "a URL without credentials".to_owned(), actual);
    }

    fn add(&mut self, topic: usize, about: String, expected: String, actual: String) {
        if let Some(topic) = TOPICS.get(topic) {
            self.0.add(Found { topic, about, expected, actual, path: None });
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn written(text: &str) -> Text {
        let source = Source::new("a.toml", text, "/etc");
        Text::parse(text, &Place::new(&source, 0..text.len()), &mut Vec::new())
    }

    fn pair(name: &str, value: &str) -> (Key, Text) {
        let source = Source::new("a.toml", name, "/etc");
        (Key { name: name.to_owned(), place: Place::new(&source, 0..0) }, written(value))
    }

    fn ids(setup: &Setup<'_>) -> Vec<&'static str> {
        judge(setup).shown().iter().map(|found| found.topic.id).collect()
    }

    fn of_command(line: &str) -> Vec<&'static str> {
        let words: Vec<Text> = line.split(' ').map(written).collect();
        ids(&Setup { command: &words, ..Setup::default() })
    }

    #[test]
    fn each_rule_finds_what_is_made_for_it() {
        assert_eq!(of_command("npx -y @scope/server"), ["config.pinned"]);
        assert_eq!(of_command("server --api-key s3cr3t-value"), ["config.secret_literal"]);
        assert_eq!(
            of_command("npx mcp-remote@0.1.2 https://host.example/mcp?key=s3cr3t-value"),
            ["config.secret_literal", "config.secret_url"]
        );
        assert_eq!(of_command("mcp-remote https://host.example/mcp?key=${KEY}"), ["config.secret_url"]);
        let env = [pair("GITHUB_TOKEN", "ghp_s3cr3t"), pair("LOG_LEVEL", "debug"), pair("API_KEY", "${API_KEY}")];
        assert_eq!(ids(&Setup { env: &env, ..Setup::default() }), ["config.secret_literal"]);
        let headers = [pair("Authorization", "Bearer s3cr3t"), pair("X-Team", "ops"), pair("X-Api-Key", "${KEY}")];
        assert_eq!(ids(&Setup { headers: &headers, ..Setup::default() }), ["config.secret_literal"]);
        let bearer = written("s3cr3t-value");
        assert_eq!(ids(&Setup { bearer: Some(&bearer), ..Setup::default() }), ["config.secret_literal"]);
        let start = [written("uvx"), written("server@latest")];
        assert_eq!(ids(&Setup { start: &start, ..Setup::default() }), ["config.pinned"]);
    }

    #[test]
    fn what_is_in_order_is_left_alone() {
        for line in [
            "npx -y @scope/server@1.2.3",
            "node server.js --port 80",
            "server --api-key ${KEY}",
            "server --max-tokens 4096",
            "server https://host.example/mcp?city=Oslo",
            "docker run -i image@sha256:abc",
        ] {
            assert_eq!(of_command(line), [""; 0], "{line}");
        }
        let (url, bearer) = (written("https://host.example/mcp?profile=a"), written("${TOKEN}"));
        assert_eq!(ids(&Setup { url: Some(&url), bearer: Some(&bearer), ..Setup::default() }), [""; 0]);
        assert_eq!(ids(&Setup::default()), [""; 0]);
    }

    #[test]
    fn no_secret_is_said() {
        let url = text("https://user:s3cr3t@host.example/mcp?access_token=s3cr3t");
        let command =
            words(&["npx".into(), "pkg".into(), "--token=s3cr3t".into(), "https://h.example?api_key=s3cr3t".into()]);
        let env = [pair("DB_PASSWORD", "s3cr3t")];
        let findings = judge(&Setup { url: Some(&url), command: &command, env: &env, ..Setup::default() });
        assert_eq!(findings.shown().len(), 7);
        assert!(!format!("{findings:?}").contains("s3cr3t"));
    }

    #[test]
    fn rules_explain_themselves() {
        for topic in &TOPICS {
            assert!(topic.id.starts_with("config.") && topic.what.ends_with('.') && topic.why.ends_with('.'));
        }
    }
}

//! The table of a target as it was reached, for a file that others will read: no credential is written, a `${VAR}` takes
//! its place; paths are absolute, because they are relative to a file that may be saved anywhere.

use std::path::{Path, PathBuf};

use crate::base::secret::Masker;
use crate::base::{duration, sanitize};
use crate::cli::credentials::{is_like_a_key, is_secret_name};
use crate::files::starter::toml;
use crate::plan::target::SELF;
use crate::plan::{Endpoint, Inherit, Pin, STARTUP_TIMEOUT, Target, TransportChoice};

/// Options of programs whose value is a credential.
const SECRET_OPTIONS: &[&str] = &["key", "token", "secret", "pass", "bearer", "cred"];

/// How well-known keys begin.
const KEY_PREFIXES: &[&str] = &["sk-", "ghp_", "gho_", "github_pat_", "glpat-", "xoxb-", "xoxp-", "AKIA"];

/// What stands before a credential and is none.
const SCHEMES: &[&str] = &["", "Bearer", "bearer", "Basic", "Token", "token", "ApiKey"];

/// A part of a URL's path that is as long as this, and mixes letters and digits, is taken for a key, in bytes.
const PATH_KEY_BYTES_MIN: usize = 24;

/// A table, and what has to be set for it.
#[derive(Debug, Default)]
pub struct Table {
    /// As TOML, comments included.
    pub text: String,
    /// Variables that hold what was typed on the command line, and that are not set yet.
    pub unset: Vec<String>,
}

/// Where values may be found again, and what was typed.
pub struct Typed<'a> {
    /// `--bearer`, as it was typed.
    pub bearer: Option<&'a str>,
    /// The environment: a secret that a variable holds is written as that variable.
    pub environment: &'a [(String, String)],
    /// The folder in which relative paths are meant.
    pub folder: &'a Path,
    /// The variables that another client's entry reads, with their values: they are written as the variables again.
    pub reads: &'a [(String, String)],
}

/// Writes the table.
#[must_use]
pub fn table(name: &str, target: &Target, typed: &Typed<'_>, masker: &Masker) -> Table {
    let mut writer =
        Writer { typed, masker, prefix: shout(name), unset: Vec::new(), notes: Vec::new(), lines: Vec::new() };
    match &target.endpoint {
        Endpoint::Url(url) => {
            let url = writer.url(url);
            let url = writer.with_variables(&url);
            writer.line("url", &toml::quoted(&url));
        }
        Endpoint::Command(argv) => writer.command(argv, target.cwd.as_deref()),
    }
    writer.speaking(target);
    writer.credentials(target);
    let mut text = format!("[target.{}]\n", toml::key(name));
    for note in &writer.notes {
        text.push_str(&toml::prose(note, 3));
    }
    for line in &writer.lines {
        text.push_str(line);
        text.push('\n');
    }
    Table { text, unset: writer.unset }
}

struct Writer<'a> {
    typed: &'a Typed<'a>,
    masker: &'a Masker,
    prefix: String,
    unset: Vec<String>,
    notes: Vec<String>,
    lines: Vec<String>,
}

impl Writer<'_> {
    fn line(&mut self, key: &str, value: &str) {
        self.lines.push(format!("{key} = {value}"));
    }

    /// `${VAR}` for a secret: the variable that holds it, or a new one that somebody has to set.
    fn secret(&mut self, value: &str, wanted: &str, what: &str) -> String {
        const BYTES_MIN: usize = 4;
        self.masker.add(value);
        let set = self.typed.environment.iter().filter(|(_, have)| have == value && value.len() >= BYTES_MIN);
        let names: Vec<&str> = set.map(|(name, _)| name.as_str()).filter(|name| is_name(name)).collect();
        // The name that says what it is, where several hold the same.
        let found = names.iter().find(|name| **name == wanted || is_secret_name(name)).or(names.first());
        if let Some(found) = found {
            return format!("${{{found}}}");
        }
        let mut name = wanted.to_owned();
        while self.unset.contains(&name) {
            name.push('_');
        }
        self.notes.push(format!("Set {name} to {what}: secrets are not written into files."));
        let variable = format!("${{{name}}}");
        self.unset.push(name);
        variable
    }

    /// A header or a variable, in quotes. What the rest of the program would not show goes into no file either.
    fn value(&mut self, value: &str, is_secret: bool, wanted: &str, what: &str) -> String {
        let partly = self.with_variables(&value.replace("${", "$${"));
        let rest = without_variables(&partly);
        let is_plain = SCHEMES.contains(&rest.trim()) || !is_secret;
        if partly != value.replace("${", "$${") && is_plain && !is_hidden(self.masker, &rest) {
            return toml::quoted(&partly);
        }
        if is_secret || is_hidden(self.masker, value) {
            return toml::quoted(&self.secret(value, wanted, what));
        }
        toml::string(value)
    }

    /// The variables that the entry reads, where their values stand in a text that is written already.
    fn with_variables(&self, written: &str) -> String {
        const BYTES_MIN: usize = 3;
        let mut text = written.to_owned();
        for (name, value) in self.typed.reads.iter().filter(|(_, value)| value.len() >= BYTES_MIN) {
            let escaped = value.replace("${", "$${");
            let mut replaced = String::new();
            let mut rest = text.as_str();
            // What stands between `${` and `}` is a variable already.
            while let Some(at) = rest.find("${") {
                let end = rest[at..].find('}').map_or(rest.len(), |end| at + end + 1);
                let start = if rest[..at].ends_with('$') { end } else { at };
                replaced.push_str(&rest[..start].replace(&escaped, &format!("${{{name}}}")));
                replaced.push_str(&rest[start..end]);
                rest = &rest[end..];
            }
            replaced.push_str(&rest.replace(&escaped, &format!("${{{name}}}")));
            text = replaced;
        }
        text
    }

    /// A URL whose login, keys in the query and key-like parts of the path are variables.
    fn url(&mut self, url: &str) -> String {
        let literal = |text: &str| text.replace("${", "$${");
        let Some((scheme, rest)) = url.split_once("://") else { return literal(&self.absolute_socket(url)) };
        let end = rest.find(['/', '?', '#']).unwrap_or(rest.len());
        let (authority, rest) = rest.split_at(end);
        let mut written = format!("{scheme}://");
        match authority.rsplit_once('@') {
            Some((login, host)) => {
                let wanted = format!("{}_LOGIN", self.prefix);
                written.push_str(&self.secret(login, &wanted, "the login in the URL, `name:password`"));
                written.push('@');
                written.push_str(&literal(host));
            }
            None => written.push_str(&literal(authority)),
        }
        let (path, query) = rest.split_once('?').map_or((rest, None), |(path, query)| (path, Some(query)));
        let parts: Vec<String> = path
            .split('/')
            .map(|part| {
                if is_key_in_path(part) {
                    let wanted = format!("{}_PATH_KEY", self.prefix);
                    self.secret(part, &wanted, "the key in the path of the URL")
                } else {
                    literal(part)
                }
            })
            .collect();
        written.push_str(&parts.join("/"));
        if let Some(query) = query {
            let pairs: Vec<String> = query.split('&').map(|pair| self.pair(pair)).collect();
            written.push('?');
            written.push_str(&pairs.join("&"));
        }
        written
    }

    fn pair(&mut self, pair: &str) -> String {
        let (name, value) = pair.split_once('=').map_or(("", pair), |(name, value)| (name, value));
        if value.is_empty() || !(is_secret_name(name) || is_like_a_key(value)) {
            return pair.replace("${", "$${");
        }
        let wanted = if name.is_empty() {
            format!("{}_URL_KEY", self.prefix)
        } else {
            format!("{}_{}", self.prefix, shout(name))
        };
        let variable = self.secret(value, &wanted, &format!("`{name}` of the URL's query"));
        if name.is_empty() { variable } else { format!("{}={variable}", name.replace("${", "$${")) }
    }

    fn absolute_socket(&self, url: &str) -> String {
        match url.strip_prefix("unix:").filter(|path| !path.starts_with('/')) {
            Some(path) => format!("unix:{}", self.absolute(Path::new(path)).display()),
            None => url.to_owned(),
        }
    }

    fn absolute(&self, path: &Path) -> PathBuf {
        let joined = self.typed.folder.join(path);
        // Without `.` in the middle; `..` is left, because what it means depends on links.
        joined.components().collect()
    }

    fn path(&self, path: &Path) -> String {
        toml::string(&self.absolute(path).to_string_lossy())
    }

    fn command(&mut self, argv: &[String], cwd: Option<&Path>) {
        let mut words: Vec<String> = Vec::new();
        let mut option: Option<String> = None;
        let mut relative = false;
        for (at, word) in argv.iter().enumerate() {
            if at == 0 {
                let is_path = word != SELF && word.contains(std::path::is_separator);
                relative |= is_path && Path::new(word).is_relative();
                words.push(if is_path { self.path(Path::new(word)) } else { toml::string(word) });
                continue;
            }
            let place = cwd.map_or_else(|| self.typed.folder.join(word), |cwd| self.absolute(cwd).join(word));
            relative |= !word.is_empty() && !word.starts_with('-') && Path::new(word).is_relative() && place.exists();
            let word_written = self.argument(word, option.as_deref());
            words.push(toml::quoted(&self.with_variables(&word_written)));
            option = word.starts_with('-').then(|| word.trim_start_matches('-').to_owned());
        }
        self.line("command", &toml::array(words));
        if relative || cwd.is_some() {
            self.notes.push(
                "Paths are absolute, because this file may be saved anywhere; write them relative to it before you share \
                 it."
                    .to_owned(),
            );
            let cwd = self.path(cwd.unwrap_or(Path::new("")));
            self.line("cwd", &cwd);
        }
    }

    /// A word of a command, without its secrets.
    fn argument(&mut self, word: &str, option: Option<&str>) -> String {
        let secret_option = |name: &str| {
            let name = name.to_ascii_lowercase();
            SECRET_OPTIONS.iter().any(|part| name.contains(part))
        };
        let what = "what the command line had in its place";
        if let Some((name, value)) = word
            .split_once('=')
            .filter(|(name, value)| !value.is_empty() && !name.contains("://") && secret_option(name))
        {
            let wanted = format!("{}_{}", self.prefix, shout(name));
            let variable = self.secret(value, &wanted, what);
            return format!("{}={variable}", name.replace("${", "$${"));
        }
        if word.contains("://") {
            return self.url(word);
        }
        if let Some((name, value)) = word.split_once(':').filter(|(name, value)| {
            !value.trim().is_empty() && http::HeaderName::from_bytes(name.as_bytes()).is_ok() && is_secret_name(name)
        }) {
            let wanted = format!("{}_{}", self.prefix, shout(name));
            let variable = self.secret(value.trim(), &wanted, what);
            let gap = if value.starts_with(' ') { " " } else { "" };
            return format!("{name}:{gap}{variable}");
        }
        let named = option.filter(|option| !word.starts_with('-') && !option.contains('=') && secret_option(option));
        if named.is_some() || KEY_PREFIXES.iter().any(|prefix| word.len() > 16 && word.starts_with(prefix)) {
            let wanted = format!("{}_{}", self.prefix, named.map_or_else(|| "KEY".to_owned(), shout));
            return self.secret(word, &wanted, what);
        }
        word.replace("${", "$${")
    }

    fn speaking(&mut self, target: &Target) {
        if target.protocol != Pin::Auto {
            let word = Pin::words().find(|word| Pin::parse(word) == Some(target.protocol));
            self.line("protocol", &toml::string(word.unwrap_or("auto")));
        }
        if target.transport != TransportChoice::Auto {
            let word = TransportChoice::WORDS.iter().find(|(_, choice)| *choice == target.transport);
            self.line("transport", &toml::string(word.map_or("auto", |(word, _)| *word)));
        }
        if let Inherit::Minimal(names) = &target.inherit_env {
            let names = toml::array(names.iter().map(|name| toml::string(name)));
            self.line("inherit_env", if names == "[]" { "false" } else { &names });
        }
        let tls = &target.tls;
        let mut keys: Vec<String> = Vec::new();
        for (key, path) in [("ca", &tls.ca), ("cert", &tls.cert), ("key", &tls.key)] {
            keys.extend(path.as_ref().map(|path| format!("{key} = {}", self.path(path))));
        }
        keys.extend(tls.server_name.as_ref().map(|name| format!("server_name = {}", toml::string(name))));
        keys.extend(tls.insecure.then(|| "insecure = true".to_owned()));
        if !keys.is_empty() {
            self.line("tls", &format!("{{ {} }}", keys.join(", ")));
        }
        if target.startup_timeout != STARTUP_TIMEOUT {
            let written = duration::written(target.startup_timeout);
            self.line("startup_timeout", &toml::string(&written));
        }
    }

    fn credentials(&mut self, target: &Target) {
        if let Some(bearer) = &target.bearer {
            let written = match self.typed.bearer {
                Some(typed) if typed.strip_prefix("env:").is_some_and(is_name) => format!("${{{}}}", &typed[4..]),
                Some(typed) if typed.starts_with('@') => {
                    format!("${{file:{}}}", self.absolute(Path::new(&typed[1..])).display())
                }
                _ => {
                    let wanted = format!("{}_TOKEN", self.prefix);
                    self.secret(bearer.reveal(), &wanted, "the bearer token")
                }
            };
            self.line("auth", &format!("{{ bearer = {} }}", toml::quoted(&written)));
        }
        let headers: Vec<String> = target
            .headers
            .iter()
            .map(|(name, value)| {
                let value = value.reveal();
                let wanted = format!("{}_{}", self.prefix, shout(name));
                let is_secret = is_secret_name(name) || is_like_a_key(value);
                let written = self.value(value, is_secret, &wanted, &format!("the header {name}"));
                format!("{} = {written}", toml::key(name))
            })
            .collect();
        if !headers.is_empty() {
            self.line("headers", &format!("{{ {} }}", headers.join(", ")));
        }
        let env: Vec<String> = target
            .env
            .iter()
            .map(|(name, value)| {
                let value = value.reveal();
                let is_path = value.contains(['/', '\\']);
                let is_secret = !value.is_empty() && (is_secret_name(name) || (!is_path && is_like_a_key(value)));
                let what = format!("what the server finds in its variable {}", sanitize::one_line(name, 60));
                let written = self.value(value, is_secret, &shout(name), &what);
                format!("{} = {written}", toml::key(name))
            })
            .collect();
        if !env.is_empty() {
            self.line("env", &format!("{{ {} }}", env.join(", ")));
        }
    }
}

/// The name of a variable: `api-key` becomes `API_KEY`.
fn shout(text: &str) -> String {
    let name: String =
        text.chars().map(|c| if c.is_ascii_alphanumeric() { c.to_ascii_uppercase() } else { '_' }).collect();
    let name = name.trim_matches('_').to_owned();
    if name.starts_with(|c: char| c.is_ascii_alphabetic()) { name } else { format!("MCP_{name}") }
}

fn is_hidden(masker: &Masker, value: &str) -> bool {
    masker.mask(value) != value
}

/// What is left of a written text without its variables.
fn without_variables(written: &str) -> String {
    let mut pieces = written.split("${");
    let first = pieces.next().unwrap_or_default().to_owned();
    pieces.fold(first, |text, piece| text + piece.split_once('}').map_or(piece, |(_, rest)| rest))
}

fn is_name(name: &str) -> bool {
    name.starts_with(|c: char| c.is_ascii_alphabetic() || c == '_')
        && name.chars().all(|c| c.is_ascii_alphanumeric() || c == '_')
}

fn is_key_in_path(part: &str) -> bool {
    let has = |kind: fn(&char) -> bool| part.chars().any(|c| kind(&c));
    part.len() >= PATH_KEY_BYTES_MIN
        && !part.contains('.')
        && has(char::is_ascii_digit)
        && has(char::is_ascii_alphabetic)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn written(target: &Target, environment: &[(&str, &str)]) -> Table {
        let environment: Vec<(String, String)> =
            environment.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect();
        let typed = Typed { bearer: None, environment: &environment, folder: Path::new("/folder"), reads: &[] };
        table("web", target, &typed, &Masker::default())
    }

    fn url(url: &str) -> String {
        let table = written(&Target::ad_hoc("a", Endpoint::Url(url.to_owned())), &[]);
        let line = table.text.lines().find_map(|line| line.strip_prefix("url = ")).map(str::to_owned);
        line.unwrap_or_default()
    }

    fn command(words: &[&str]) -> Table {
        let argv = words.iter().map(ToString::to_string).collect();
        written(&Target::ad_hoc("a", Endpoint::Command(argv)), &[("HELD", "held-value-1")])
    }

    #[test]
    fn keys_in_urls_become_variables_and_the_rest_stays() {
        for (given, wanted) in [
            ("https://host/mcp", "\"https://host/mcp\""),
            ("https://host:8/a-b/v1.2?team=a&b", "\"https://host:8/a-b/v1.2?team=a&b\""),
            ("https://host/model-context-protocol-server/mcp", "\"https://host/model-context-protocol-server/mcp\""),
            ("https://host/s/0a1b2c3d4e5f60718293a4b5c6/mcp", "\"https://host/s/${WEB_PATH_KEY}/mcp\""),
            ("https://host/mcp?key=abc&x=${Y}", "\"https://host/mcp?key=${WEB_KEY}&x=$${Y}\""),
            ("https://host?0123456789abcdefghij", "\"https://host?${WEB_URL_KEY}\""),
            ("https://TOKEN-1@host", "\"https://${WEB_LOGIN}@host\""),
            ("unix:run/x.sock", "\"unix:/folder/run/x.sock\""),
        ] {
            assert_eq!(url(given), wanted, "{given}");
        }
    }

    #[test]
    fn keys_in_commands_become_variables_and_the_rest_stays() {
        let table = command(&[
            "npx",
            "-y",
            "@scope/a-very-long-package-name-1",
            "--api-key",
            "hunter2",
            "--token=held-value-1",
            "--port",
            "80",
            "--header",
            "Authorization: Bearer x-1",
            "https://h/mcp?api_key=q-1",
            "ghp_0123456789abcdef0",
            "${X}",
        ]);
        let line = table.text.lines().find(|line| line.starts_with("command")).unwrap_or_default();
        assert_eq!(
            line,
            "command = [\"npx\", \"-y\", \"@scope/a-very-long-package-name-1\", \"--api-key\", \"${WEB_API_KEY}\", \
             \"--token=${HELD}\", \"--port\", \"80\", \"--header\", \"Authorization: ${WEB_AUTHORIZATION}\", \
             \"https://h/mcp?api_key=${WEB_API_KEY_}\", \"${WEB_KEY}\", \"$${X}\"]"
        );
        assert_eq!(table.unset, ["WEB_API_KEY", "WEB_AUTHORIZATION", "WEB_API_KEY_", "WEB_KEY"]);
        for secret in ["hunter2", "held-value", "x-1", "q-1", "ghp_"] {
            assert!(!table.text.contains(secret), "{}", table.text);
        }
    }
}

//! An entry as a person may see it: every word of a command whole and with its ends visible, secrets masked, variables
//! as they were written or, where their values are no secrets, as what they stand for.

use std::sync::LazyLock;

use regex::{Captures, Regex};

use super::credentials::{is_like_a_key, is_secret_name};
use crate::base::sanitize;
use crate::base::secret::MASK;
use crate::config::{Environment, Part, Text};

/// Variables stand in the text as characters from here on while literals are masked. The range is one for private use.
const STAND_INS: u32 = 0x000F_0000;
/// So many variables in one command at most; what comes after them is shown as it was written.
const STAND_INS_MAX: usize = 0xFFFF;

/// Words of option names whose value is a secret.
const SECRET_WORDS: &[&str] = &[
    "token",
    "key",
    "apikey",
    "secret",
    "password",
    "passwd",
    "passphrase",
    "pass",
    "pwd",
    "auth",
    "authorization",
    "credential",
    "credentials",
    "bearer",
    "pat",
    "cookie",
];

/// Variables that decide what a program loads or runs. Their values are shown, whatever they look like.
const HOOKS: &[&str] = &[
    "LD_",
    "DYLD_",
    "NODE_",
    "PYTHON",
    "PERL",
    "RUBY",
    "BASH_ENV",
    "ENV",
    "JAVA_TOOL_OPTIONS",
    "_JAVA_OPTIONS",
    "JDK_JAVA_OPTIONS",
    "PATH",
    "SHELL",
    "IFS",
    "GIT_",
    "NPM_CONFIG_",
    "npm_config_",
    "UV_",
    "PIP_",
    "GCONV_PATH",
    "DOTNET_",
];

/// How they begin.
const TOKEN_BEGINNINGS: &[&str] = &[
    "sk-",
    "sk_",
    "rk_",
    "pk_live_",
    "gho_",
    "ghp_",
    "ghs_",
    "ghu_",
    "ghr_",
    "github_pat_",
    "glpat-",
    "xox",
    "AKIA",
    "ASIA",
    "AIza",
    "npm_",
    "pypi-",
    "hf_",
    "dop_v1_",
    "eyJ",
];

/// Tokens that are known by how they begin.
static TOKENS: LazyLock<Option<Regex>> = LazyLock::new(|| {
    Regex::new(
        r"\b(?:sk-|sk_|rk_|pk_live_|gh[opsur]_|github_pat_|glpat-|xox[abeprs]-|AKIA|ASIA|AIza|npm_|pypi-|hf_|dop_v1_|eyJ[A-Za-z0-9_-]+\.)[A-Za-z0-9_.-]{10,}",
    )
    .ok()
});

/// `Authorization: Bearer x`, `--token x`, `API_KEY=x` within a longer text, such as the command of a shell.
static NAMED: LazyLock<Option<Regex>> = LazyLock::new(|| {
    Regex::new(
        r#"(?i)((?:\b(?:proxy-)?authorization|\b[a-z-]*(?:api-?key|token|secret)|\bcookie)\s*:\s*(?:bearer\s+|basic\s+|token\s+)?|(?:--?[a-z0-9-]*|\b[a-z0-9_]*)(?:token|api[-_]?key|secret|passw(?:or)?d)(?:=|\s+))([^\s'"]+)"#,
    )
    .ok()
});

/// The login and the query of a URL.
static LOGINS: LazyLock<Option<Regex>> = LazyLock::new(|| Regex::new(r"(://)([^/?#@\s'\x22]+)@").ok());
static QUERIES: LazyLock<Option<Regex>> = LazyLock::new(|| Regex::new(r"([?&]([^=&\s#]+)=)([^&\s#'\x22]+)").ok());

/// Whether a variable decides what a program loads or runs.
pub fn is_hook(name: &str) -> bool {
    HOOKS.iter().any(|hook| {
        if hook.ends_with('_') || *hook == "PYTHON" || *hook == "PERL" || *hook == "RUBY" {
            name.starts_with(hook)
        } else {
            name == *hook
        }
    })
}

/// What became of a text.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Shown {
    /// As it was written.
    pub written: String,
    /// What it stands for, where that says more.
    pub resolved: Option<String>,
    /// Whether something is masked in either.
    pub masked: bool,
}

/// The words of a command, each as it was written and as what it stands for.
pub fn words(argv: &[Text], environment: Option<&dyn Environment>) -> Vec<Shown> {
    let mut stand_ins = StandIns::default();
    let whole: Vec<String> = argv.iter().map(|text| stand_ins.take(text)).collect();
    let masked = mask_words(&whole);
    let each = whole.iter().zip(&masked);
    each.map(|(whole, masked)| stand_ins.shown(masked, whole != masked, environment)).collect()
}

/// A URL, a folder, a path: anything whose own name says nothing of secrets.
pub fn text(text: &Text, environment: Option<&dyn Environment>) -> Shown {
    words(std::slice::from_ref(text), environment).pop().unwrap_or_default()
}

/// The value of a header or variable of this name.
pub fn value(name: &str, text: &Text, environment: Option<&dyn Environment>) -> Shown {
    let mut stand_ins = StandIns::default();
    let whole = stand_ins.take(text);
    let masked = if is_hook(name) {
        whole.clone()
    } else if is_secret_name(name) {
        match whole.split_once(' ') {
            // The scheme is no secret: `Bearer x`, `Basic x`.
            Some((scheme, rest)) if scheme.chars().all(|c| c.is_ascii_alphabetic()) => {
                format!("{scheme} {}", mask_literals(rest))
            }
            _ => mask_literals(&whole),
        }
    } else if !whole.contains(['/', '\\']) && is_like_a_key(&whole) && !whole.chars().any(is_stand_in) {
        MASK.to_owned()
    } else {
        mask_words(std::slice::from_ref(&whole)).pop().unwrap_or_default()
    };
    stand_ins.secret = is_secret_name(name) && !is_hook(name);
    stand_ins.shown(&masked, whole != masked, environment)
}

/// The value of a variable that no text of the entry says.
pub fn plain_value(name: &str, value: &str) -> String {
    let is_key = is_like_a_key(value) && !value.contains(['/', '\\']);
    if !is_hook(name) && (is_secret_name(name) || is_key) { MASK.to_owned() } else { value.to_owned() }
}

/// A sentence that may quote what a file says.
pub fn prose(text: &str) -> String {
    mask_word(text)
}

/// A word as it would have to be typed, its ends visible and every character in sight.
pub fn quoted(word: &str) -> String {
    let plain = |c: char| c.is_ascii_alphanumeric() || "@%+=:,./_-*${}".contains(c);
    if !word.is_empty() && word.chars().all(plain) {
        return word.to_owned();
    }
    let mut quoted = String::from("\"");
    for c in word.chars() {
        match c {
            '"' | '\\' => quoted.extend(['\\', c]),
            '\n' => quoted.push_str("\\n"),
            '\t' => quoted.push_str("\\t"),
            // Blanks that only look like one.
            c if c.is_whitespace() && c != ' ' => quoted.extend(c.escape_unicode()),
            c if sanitize::is_unsafe(c) => quoted.extend(c.escape_unicode()),
            c => quoted.push(c),
        }
    }
    quoted.push('"');
    quoted
}

/// The secrets in the words of a command that has no variables.
pub fn secrets_in(argv: &[String]) -> Vec<String> {
    let masked = mask_words(argv);
    let pairs = argv.iter().zip(&masked).filter(|(word, masked)| word != masked);
    pairs.flat_map(|(word, masked)| hidden_parts(word, masked)).collect()
}

/// What the masks of a masked word stand for.
fn hidden_parts(word: &str, masked: &str) -> Vec<String> {
    let (mut parts, mut rest) = (Vec::new(), word);
    let mut kept = masked.split(MASK);
    rest = kept.next().and_then(|first| rest.strip_prefix(first)).unwrap_or(rest);
    for between in kept {
        let end = if between.is_empty() { Some(rest.len()) } else { rest.find(between) };
        let Some(end) = end else { break };
        parts.push(rest[..end].to_owned());
        rest = &rest[end + between.len()..];
    }
    parts
}

fn is_stand_in(c: char) -> bool {
    u32::from(c) >= STAND_INS && u32::from(c) < STAND_INS + 0xFFFF
}

/// The variables of texts whose literals are being masked.
#[derive(Default)]
struct StandIns<'a> {
    parts: Vec<(&'a Part, &'a Text)>,
    /// Whether everything here is a secret, because of its name.
    secret: bool,
}

impl<'a> StandIns<'a> {
    /// The text with a character for each variable.
    fn take(&mut self, text: &'a Text) -> String {
        let mut whole = String::new();
        for part in text.parts() {
            match part {
                // Nobody may write what looks like a variable of ours.
                Part::Literal(literal) => {
                    whole.extend(literal.chars().map(|c| if is_stand_in(c) { '\u{fffd}' } else { c }));
                }
                _ => match u32::try_from(self.parts.len()).ok().and_then(|at| char::from_u32(STAND_INS + at)) {
                    Some(c) if self.parts.len() < STAND_INS_MAX => {
                        self.parts.push((part, text));
                        whole.push(c);
                    }
                    _ => whole.push('…'),
                },
            }
        }
        whole
    }

    fn shown(&self, text: &str, masked: bool, environment: Option<&dyn Environment>) -> Shown {
        let written = self.filled(text, |part, text| Text::of(vec![part.clone()], &text.place).written());
        let mut hidden = false;
        let resolved = environment.filter(|_| text.chars().any(is_stand_in)).map(|environment| {
            self.filled(text, |part, text| {
                let whole = Text::of(vec![part.clone()], &text.place);
                let secret = self.secret
                    || matches!(part, Part::File(_))
                    || whole.variables().any(|name| is_secret_name(name) && !is_hook(name));
                match whole.resolve("", environment) {
                    Ok(resolved) if !secret && (resolved.value.contains('/') || !is_like_a_key(&resolved.value)) => {
                        resolved.value
                    }
                    Ok(_) => {
                        hidden = true;
                        MASK.to_owned()
                    }
                    Err(_) => whole.written(),
                }
            })
        });
        let resolved = resolved.filter(|resolved| *resolved != written && resolved != MASK);
        Shown { masked: masked || (hidden && resolved.is_some()), written, resolved }
    }

    fn filled(&self, text: &str, mut fill: impl FnMut(&Part, &Text) -> String) -> String {
        let mut filled = String::with_capacity(text.len());
        for c in text.chars() {
            let at = is_stand_in(c).then(|| usize::try_from(u32::from(c) - STAND_INS).ok()).flatten();
            match at.and_then(|at| self.parts.get(at)) {
                Some((part, text)) => filled.push_str(&fill(part, text)),
                None => filled.push(c),
            }
        }
        filled
    }
}

/// Masks what is literal; variables stay.
fn mask_literals(text: &str) -> String {
    let mut masked = String::new();
    let mut open = false;
    for c in text.chars() {
        if is_stand_in(c) {
            masked.push(c);
            open = false;
        } else if !open {
            masked.push_str(MASK);
            open = true;
        }
    }
    masked
}

/// Masks the secrets in the words of a command. What looks like a path or an option stays: nobody may hide what is run
/// by putting a word before it.
fn mask_words(argv: &[String]) -> Vec<String> {
    let mut masked: Vec<String> = Vec::with_capacity(argv.len());
    let mut after_secret = false;
    for word in argv {
        let is_value = after_secret && !is_path_or_option(word);
        after_secret = is_secret_option(word);
        masked.push(if is_value { mask_literals(word) } else { mask_word(word) });
    }
    masked
}

fn is_path_or_option(word: &str) -> bool {
    word.starts_with(['-', '/', '.', '~', '@']) || word.contains(char::is_whitespace)
}

/// `--api-key`, `-token`: an option without its value whose name says that one follows.
fn is_secret_option(word: &str) -> bool {
    let Some(name) = word.strip_prefix('-').map(|rest| rest.trim_start_matches('-')) else { return false };
    let lower = name.to_ascii_lowercase();
    let mut parts = lower.split(['-', '_', '.']);
    !lower.starts_with("no-") && !name.contains('=') && parts.any(|part| SECRET_WORDS.contains(&part))
}

fn mask_word(word: &str) -> String {
    if let Some((name, value)) = word.split_once('=')
        && (is_secret_option(name)
            || (name.chars().all(|c| c.is_ascii_alphanumeric() || c == '_') && is_secret_name(name) && !is_hook(name)))
        && !is_path_or_option(value)
    {
        return format!("{name}={}", mask_literals(value));
    }
    let mut text = word.to_owned();
    if let Some((name, value)) = word.split_once(':')
        && name.chars().all(|c| c.is_ascii_alphanumeric() || c == '-')
        && is_secret_name(name)
        && !value.starts_with("//")
        && !value.trim().is_empty()
    {
        let value = value.trim_start();
        let (scheme, rest) = match value.split_once(' ') {
            Some((scheme, rest)) if scheme.chars().all(|c| c.is_ascii_alphabetic()) => (format!("{scheme} "), rest),
            _ => (String::new(), value),
        };
        text = format!("{name}: {scheme}{}", mask_literals(rest));
    }
    let replace =
        |text: &str, pattern: &LazyLock<Option<Regex>>, with: &dyn Fn(&Captures<'_>) -> String| match &**pattern {
            Some(pattern) => pattern.replace_all(text, with).into_owned(),
            None => text.to_owned(),
        };
    if text.contains("://") && text.contains(['@', '?']) {
        text = replace(&text, &LOGINS, &|found| match found[2].split_once(':') {
            Some((user, password)) => format!("://{user}:{}@", mask_literals(password)),
            None => format!("://{}@", mask_literals(&found[2])),
        });
        text = replace(&text, &QUERIES, &|found| {
            if is_secret_name(&found[2]) || (is_like_a_key(&found[3]) && !found[3].chars().any(is_stand_in)) {
                format!("{}{}", &found[1], mask_literals(&found[3]))
            } else {
                found[0].to_owned()
            }
        });
    }
    // To compile a pattern costs more than all the rest: only where there is something for it to find.
    let lower = text.to_ascii_lowercase();
    if !["token", "key", "secret", "passw", "authorization", "cookie"].iter().any(|name| lower.contains(name)) {
        return mask_tokens(text);
    }
    text = replace(&text, &NAMED, &|found| {
        if is_path_or_option(&found[2]) || found[2] == *MASK {
            found[0].to_owned()
        } else {
            format!("{}{}", &found[1], mask_literals(&found[2]))
        }
    });
    mask_tokens(text)
}

fn mask_tokens(text: String) -> String {
    if !TOKEN_BEGINNINGS.iter().any(|beginning| text.contains(beginning)) {
        return text;
    }
    match &*TOKENS {
        Some(pattern) => pattern.replace_all(&text, MASK).into_owned(),
        None => text,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::text::tests::Given;
    use crate::config::{Place, Source};

    fn masked(words: &[&str]) -> String {
        mask_words(&words.iter().map(|word| (*word).to_owned()).collect::<Vec<_>>()).join(" ")
    }

    fn of(text: &str) -> Text {
        let source = Source::new("a.toml", text, "/srv");
        let mut diags = Vec::new();
        let text = Text::parse(text, &Place::new(&source, 0..text.len()), &mut diags);
        assert!(diags.is_empty());
        text
    }

    #[test]
    fn secrets_among_the_words_of_a_command_are_masked() {
        for (words, shown) in [
            (&["npx", "-y", "pkg", "--api-key", "abc"][..], "npx -y pkg --api-key ***"),
            (&["x", "--api-key=abc", "-token", "t0"], "x --api-key=*** -token ***"),
            (&["docker", "run", "-e", "GITHUB_TOKEN=abc", "-e", "LOG=x"], "docker run -e GITHUB_TOKEN=*** -e LOG=x"),
            (&["r", "--header", "Authorization: Bearer abc"], "r --header Authorization: Bearer ***"),
            (&["r", "--header", "Authorization:abc"], "r --header Authorization: ***"),
            (&["x", "postgres://u:hunter2@db/x?sslkey=abc&a=b"], "x postgres://u:***@db/x?sslkey=***&a=b"),
            (&["x", "https://tok@host/mcp"], "x https://***@host/mcp"),
            (
                &["sh", "-c", "curl -H 'Authorization: Bearer abc' x; API_KEY=k run --password p"],
                "sh -c curl -H 'Authorization: Bearer ***' x; API_KEY=*** run --password ***",
            ),
            (&["x", "ghp_0123456789abcdef"], "x ***"),
            (
                &["npx", "@modelcontextprotocol/server-filesystem", "/home/me"],
                "npx @modelcontextprotocol/server-filesystem /home/me",
            ),
        ] {
            assert_eq!(masked(words), shown);
        }
    }

    #[test]
    fn no_word_before_it_hides_what_is_run() {
        for words in [
            &["env", "--ignore-signal", "evil"][..],
            &["sh", "--token", "-c", "evil"],
            &["x", "--key", "/tmp/evil"],
            &["x", "--password", "./evil"],
            &["x", "--no-auth", "evil"],
            &["x", "--token", "rm -rf /"],
        ] {
            assert_eq!(masked(words), words.join(" "));
        }
        let preload = value("LD_PRELOAD", &of("abcdefghijklmnopqrstuvwxyz0123"), None);
        assert_eq!(preload.written, "abcdefghijklmnopqrstuvwxyz0123");
    }

    #[test]
    fn variables_are_shown_as_written_and_as_what_they_stand_for() {
        let given = Given {
            variables: [("DIR", "/data"), ("TOKEN", "t0k3n"), ("K", "0123456789abcdefghij")].into(),
            files: [("/srv/key", "hunter2")].into(),
        };
        let show = |text: &str| {
            let text = of(text);
            let shown = super::text(&text, Some(&given));
            (shown.written, shown.resolved, shown.masked)
        };
        assert_eq!(show("plain"), ("plain".into(), None, false));
        assert_eq!(show("${DIR}/x"), ("${DIR}/x".into(), Some("/data/x".into()), false));
        assert_eq!(show("${TOKEN}"), ("${TOKEN}".into(), None, false));
        assert_eq!(show("a ${TOKEN}"), ("a ${TOKEN}".into(), Some("a ***".into()), true));
        assert_eq!(show("a ${K} ${NONE:-d}"), ("a ${K} ${NONE:-d}".into(), Some("a *** d".into()), true));
        assert_eq!(show("--x=${file:key}").1.unwrap(), "--x=***");
        assert_eq!(show("--token=${TOKEN}").0, "--token=${TOKEN}");
        let bearer = value("Authorization", &of("Bearer ${DIR}"), Some(&given));
        assert_eq!((bearer.written.as_str(), bearer.resolved.as_deref()), ("Bearer ${DIR}", Some("Bearer ***")));
        assert_eq!(value("X-Api-Key", &of("abc${DIR}"), None).written, "***${DIR}");
        assert_eq!(value("LOG", &of("info"), None).written, "info");
        let forged = "\u{f0000}";
        assert_eq!(show(forged).0, "\u{fffd}");
    }

    #[test]
    fn words_keep_their_ends() {
        for (word, shown) in [
            ("a/b-c", "a/b-c"),
            ("", "\"\""),
            ("a b", "\"a b\""),
            ("a\nb\u{1b}[31m", "\"a\\nb\\u{1b}[31m\""),
            ("\u{202e}x", "\"\\u{202e}x\""),
            ("\"\\", "\"\\\"\\\\\""),
            ("a\u{a0}b", "\"a\\u{a0}b\""),
            ("x; rm -rf *", "\"x; rm -rf *\""),
        ] {
            assert_eq!(quoted(word), shown);
        }
    }

    #[test]
    fn what_was_masked_is_known() {
        let argv = ["x", "--token", "abcd", "u=https://a:pppp@h/?key=qqqq&z=1"].map(str::to_owned);
        assert_eq!(secrets_in(&argv), ["abcd", "pppp", "qqqq"]);
    }
}

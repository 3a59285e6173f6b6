//! Secrets that are written into a file which others read. Only names that say what they hold are taken for one: a
//! warning that is often wrong teaches people to read past it.

use super::{Diag, Key, Reading, Text};

/// How the name of a secret ends, in lower case and without separators.
const ENDINGS: &[&str] = &[
    "token",
    "secret",
    "password",
    "passwd",
    "passphrase",
    "apikey",
    "accesskey",
    "secretkey",
    "privatekey",
    "authkey",
    "routingkey",
    "integrationkey",
    "signingkey",
    "encryptionkey",
    "credential",
    "credentials",
];

/// Keys of a query that carry secrets under a plain name.
const QUERY_KEYS: &[&str] = &["key", "sig", "signature", "auth", "code"];

/// Whether a variable, an option or a key of this name holds a secret.
#[must_use]
pub fn is_secret_name(name: &str) -> bool {
    let plain: String = name.to_lowercase().chars().filter(|c| !matches!(c, '_' | '-' | '.')).collect();
    ENDINGS.iter().any(|ending| plain.ends_with(ending))
}

/// Whether a value could be a secret: numbers, switches, paths and placeholders are none.
fn is_secret_value(value: &str) -> bool {
    const CHARS_MIN: usize = 4;
    let plain =
        value.chars().all(|c| c.is_ascii_digit() || c == '.') || matches!(value, "true" | "false" | "none" | "null");
    let path = value.starts_with(['/', '~', '<', '-']) || value.starts_with("./") || value.starts_with("../");
    !plain && !path && value.chars().count() >= CHARS_MIN
}

/// Warns of a value that is a secret whatever it looks like.
pub fn warn(text: &Text, key: &str, reading: &Reading<'_>) {
    if text.reads_machine() || text.literal() == Some("") {
        return;
    }
    let (start, end) = (text.place.span.start, text.place.span.end);
    // The quotes stay.
    text.place.source.keep_secret(start + 1..end.saturating_sub(1).max(start + 1));
    reading.report(
        Diag::warning(&text.place, format!("the secret `{key}` is written into the file"))
            .help("files are shared: write `${VAR}` or `${file:path}`"),
    );
}

/// Whether a variable for a child is a secret that is written out.
#[must_use]
pub fn in_env(key: &Key, text: &Text) -> bool {
    is_secret_name(&key.name) && text.literal().is_some_and(is_secret_value)
}

/// Warns of a variable for a child whose name says that it is a secret.
pub fn warn_env(key: &Key, text: &Text, reading: &Reading<'_>) {
    if in_env(key, text) {
        warn(text, &key.name, reading);
    }
}

/// What the password or the token in a URL is called, where it has one.
#[must_use]
pub fn in_url(url: &str) -> Option<String> {
    let url = url::Url::parse(url).ok()?;
    if url.password().is_some_and(|password| !password.is_empty()) {
        return Some("password".to_owned());
    }
    let is_secret = |key: &str, value: &str| {
        (is_secret_name(key) || QUERY_KEYS.contains(&key.to_lowercase().as_str())) && is_secret_value(value)
    };
    url.query_pairs().find(|(key, value)| is_secret(key, value)).map(|(key, _)| key.into_owned())
}

/// Warns of a password or a token in a URL.
pub fn warn_url(text: &Text, reading: &Reading<'_>) {
    if let Some(key) = text.literal().and_then(in_url) {
        warn(text, &key, reading);
    }
}

/// The secrets among the words of a command, each with the word and what it is called: `--api-key x`, `--token=x`,
/// `API_KEY=x`, `Authorization: Bearer x`. URLs are another matter.
pub fn in_argv(argv: &[Text]) -> Vec<(usize, String)> {
    let mut found = Vec::new();
    let mut before: Option<&str> = None;
    for (at, text) in argv.iter().enumerate() {
        let word = text.literal();
        let option = before.filter(|word| word.starts_with('-') && !word.contains('='));
        if let (Some(option), Some(word)) = (option, word)
            && is_secret_name(option)
            && is_secret_value(word)
        {
            found.push((at, option.to_owned()));
        } else if let Some((name, value)) = word.and_then(|word| word.split_once('=')).filter(|(name, _)| !is_url(name))
        {
            if is_secret_name(name) && is_secret_value(value) && !name.contains(' ') {
                found.push((at, name.to_owned()));
            }
        } else if let Some((name, value)) = word.and_then(|word| word.split_once(": "))
            && (name.eq_ignore_ascii_case("authorization") || is_secret_name(name))
            && is_secret_value(value)
        {
            found.push((at, name.to_owned()));
        }
        before = word;
    }
    found
}

/// Whether a word begins a URL: its `=` belongs to a query.
fn is_url(word: &str) -> bool {
    word.contains("://")
}

/// Warns of secrets among the words of a command, and in the URLs among them.
pub fn warn_argv(argv: &[Text], reading: &Reading<'_>) {
    let found = in_argv(argv);
    for (at, text) in argv.iter().enumerate() {
        match found.iter().find(|(place, _)| *place == at) {
            Some((_, key)) => warn(text, key, reading),
            None => warn_url(text, reading),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_say_whether_they_hold_a_secret() {
        for name in [
            "GITHUB_TOKEN",
            "--api-key",
            "apiKey",
            "DB_PASSWORD",
            "AWS_SECRET_ACCESS_KEY",
            "client_secret",
            "X-Api-Key",
        ] {
            assert!(is_secret_name(name), "{name}");
        }
        for name in ["LOG_LEVEL", "MAX_TOKENS", "TOKENIZERS_PARALLELISM", "KEYBOARD", "--key-file", "PATH", "monkey"] {
            assert!(!is_secret_name(name), "{name}");
        }
        for value in ["", "4096", "true", "/run/secrets/token", "~/token", "<token>", "abc"] {
            assert!(!is_secret_value(value), "{value}");
        }
        assert!(is_secret_value("ghp_abcdef"));
    }
}

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

/// Warns of a variable for a child whose name says that it is a secret.
pub fn warn_env(key: &Key, text: &Text, reading: &Reading<'_>) {
    if is_secret_name(&key.name) && text.literal().is_some_and(is_secret_value) {
        warn(text, &key.name, reading);
    }
}

/// Warns of a password or a token in a URL.
pub fn warn_url(text: &Text, reading: &Reading<'_>) {
    let Some(Ok(url)) = text.literal().map(url::Url::parse) else { return };
    if url.password().is_some_and(|password| !password.is_empty()) {
        warn(text, "password", reading);
    } else if let Some((key, _)) = url.query_pairs().find(|(key, value)| {
        (is_secret_name(key) || QUERY_KEYS.contains(&key.to_lowercase().as_str())) && is_secret_value(value)
    }) {
        warn(text, &key, reading);
    }
}

/// Warns of secrets among the words of a command: `--api-key x`, `--token=x`, `API_KEY=x`, `Authorization: Bearer x`.
pub fn warn_argv(argv: &[Text], reading: &Reading<'_>) {
    let mut before: Option<&str> = None;
    for text in argv {
        let word = text.literal();
        let option = before.filter(|word| word.starts_with('-') && !word.contains('='));
        if let (Some(option), Some(word)) = (option, word)
            && is_secret_name(option)
            && is_secret_value(word)
        {
            warn(text, option, reading);
        } else if let Some((name, value)) = word.and_then(|word| word.split_once('=')) {
            if is_secret_name(name) && is_secret_value(value) && !name.contains(' ') {
                warn(text, name, reading);
            }
        } else if let Some((name, value)) = word.and_then(|word| word.split_once(": "))
            && (name.eq_ignore_ascii_case("authorization") || is_secret_name(name))
            && is_secret_value(value)
        {
            warn(text, name, reading);
        } else if word.is_some() {
            warn_url(text, reading);
        }
        before = word;
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

//! What a name says: its words, and whether it speaks of a secret.

use crate::config::secrets;

/// Characters of a name that are read.
const CHARS_MAX: usize = 200;

/// The words of a name: `get_the-file`, `getTheFile`, all in lower case.
#[must_use]
pub fn words(name: &str) -> Vec<String> {
    let mut words = vec![String::new()];
    let mut was_lower = false;
    for c in name.chars().take(CHARS_MAX) {
        let begins = !c.is_alphanumeric() || (c.is_uppercase() && was_lower);
        if begins && words.last().is_some_and(|word| !word.is_empty()) {
            words.push(String::new());
        }
        was_lower = c.is_lowercase() || c.is_numeric();
        if let Some(word) = words.last_mut().filter(|_| c.is_alphanumeric()) {
            word.extend(c.to_lowercase());
        }
    }
    words.retain(|word| !word.is_empty());
    words
}

/// Whether a parameter or the field of a form has a name that says that it holds a secret: one that would say so in a
/// configuration, but for tokens, which are pages' and models' as well.
#[must_use]
pub fn sounds_secret(name: &str) -> bool {
    /// Secrets of people, and what means something else in a configuration: `PWD` is a directory there.
    const WORDS: &[&str] = &["authorization", "cvv", "pwd", "ssn"];
    const BEFORE_TOKEN: &[&str] = &["access", "api", "auth", "bearer", "id", "refresh", "secret", "session", "user"];
    let words = words(name);
    let Some((last, before)) = words.split_last() else { return false };
    match last.strip_suffix("token") {
        Some("") => before.last().is_none_or(|word| BEFORE_TOKEN.contains(&word.as_str())),
        Some(before) => BEFORE_TOKEN.contains(&before),
        None => WORDS.contains(&last.as_str()) || secrets::is_secret_name(&words.concat()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_fall_into_words() {
        for (name, parts) in [
            ("get_the-file", &["get", "the", "file"][..]),
            ("getTheFile2Now", &["get", "the", "file2", "now"]),
            ("HTTPGet", &["httpget"]),
            ("__", &[]),
            ("Ärger.weg", &["ärger", "weg"]),
        ] {
            assert_eq!(words(name), parts, "{name}");
        }
    }

    #[test]
    fn secrets_are_told_by_their_names() {
        for secret in [
            "password",
            "apiKey",
            "apikey",
            "api_key",
            "ACCESS-TOKEN",
            "accesstoken",
            "token",
            "userPassword",
            "client_secret",
            "signing-key",
            "ssn",
            "card.cvv",
        ] {
            assert!(sounds_secret(secret), "{secret}");
        }
        for plain in [
            "page_token",
            "max_tokens",
            "tokenCount",
            "valid_token",
            "city",
            "key",
            "primaryKey",
            "secretary",
            "secret_name",
            "nextToken",
            "password_length",
            "",
        ] {
            assert!(!sounds_secret(plain), "{plain}");
        }
    }
}

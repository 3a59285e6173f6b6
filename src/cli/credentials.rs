//! What of a target is a credential: everything that would hand a server's door key to whoever reads an output. Names
//! decide first; of what has a harmless name, only what looks like a key is one, so that plain words stay readable.

use base64::Engine as _;
use url::Url;

use crate::base::secret::Masker;
use crate::plan::{Endpoint, Target};

/// A value that is as long as this is taken for a key, whatever its name, in bytes.
const KEY_BYTES_MIN: usize = 20;
/// The same for one that mixes letters and digits.
const MIXED_KEY_BYTES_MIN: usize = 12;

/// A shorter word of a command, such as that of `--auth none`, stands in too many texts to be masked in all of them.
const WORD_BYTES_MIN: usize = 6;

/// Headers that are long without being secret.
const PLAIN_HEADERS: &[&str] =
    &["accept", "accept-encoding", "accept-language", "content-type", "host", "origin", "referer", "user-agent"];

/// Masks what a target sends as credentials, in every spelling in which a server may send it back.
pub fn hide(target: &Target, masker: &Masker) {
    if let Some(bearer) = &target.bearer {
        masker.add(bearer.reveal());
    }
    for (name, value) in &target.headers {
        let plain = PLAIN_HEADERS.iter().any(|plain| name.eq_ignore_ascii_case(plain));
        if is_secret_name(name) || (!plain && is_like_a_key(value.reveal())) {
            masker.add(value.reveal());
            // `Bearer x` and `Basic x` are masked as a whole and by their second word.
            if let Some((_, token)) = value.reveal().split_once(' ') {
                masker.add(token);
            }
        }
    }
    for (name, value) in &target.env {
        let is_path = value.reveal().contains(['/', '\\']);
        if is_secret_name(name) || (!is_path && is_like_a_key(value.reveal())) {
            masker.add(value.reveal());
        }
    }
    match &target.endpoint {
        Endpoint::Url(url) => hide_url(url, masker),
        // Everybody on the machine can read the words of a command; that is no reason to print them into a log.
        Endpoint::Command(argv) => {
            let secrets = super::shown::secrets_in(argv);
            secrets.iter().filter(|secret| secret.len() >= WORD_BYTES_MIN).for_each(|secret| masker.add(secret));
        }
    }
}

/// Masks the login and the keys in a URL.
pub fn hide_url(url: &str, masker: &Masker) {
    let Ok(url) = Url::parse(url) else { return };
    let (user, password) = (decoded(url.username()), url.password().map(decoded));
    if let Some(password) = &password {
        masker.add(url.password().unwrap_or_default());
        masker.add(password);
    } else {
        // A name alone is a token, as in `https://TOKEN@host`.
        masker.add(url.username());
        masker.add(&user);
    }
    if !user.is_empty() || password.is_some() {
        let login = format!("{user}:{}", password.unwrap_or_default());
        masker.add(&base64::engine::general_purpose::STANDARD.encode(login));
    }
    for pair in url.query().unwrap_or_default().split('&') {
        let (name, value) = pair.split_once('=').unwrap_or(("", pair));
        let plain = decoded(value);
        if is_secret_name(name) || is_like_a_key(&plain) {
            masker.add(value);
            masker.add(&plain);
        }
    }
}

/// A URL without the parts that may hold a secret.
#[must_use]
pub fn shown_url(url: &str) -> String {
    match Url::parse(url) {
        Ok(mut parsed) if parsed.has_authority() => {
            if parsed.username().is_empty() && parsed.password().is_none() && parsed.query().is_none() {
                return url.to_owned();
            }
            let _ = parsed.set_username("");
            let _ = parsed.set_password(None);
            parsed.set_query(None);
            parsed.to_string()
        }
        Ok(_) => url.to_owned(),
        // What cannot be read may hold anything anywhere.
        Err(_) => match url.split_once("://") {
            Some((scheme, _)) => format!("{scheme}://…"),
            None => "…".to_owned(),
        },
    }
}

/// Whether what has this name is usually a credential.
pub(super) fn is_secret_name(name: &str) -> bool {
    let name = name.to_ascii_lowercase();
    ["auth", "cookie", "key", "token", "secret", "pass", "sig", "cred", "session"]
        .iter()
        .any(|word| name.contains(word))
}

/// Whether a value looks like a key, whatever its name.
pub(super) fn is_like_a_key(value: &str) -> bool {
    let has = |kind: fn(&char) -> bool| value.chars().any(|c| kind(&c));
    let mixed = has(char::is_ascii_digit) && has(char::is_ascii_alphabetic);
    !value.contains(char::is_whitespace)
        && (value.len() >= KEY_BYTES_MIN || (mixed && value.len() >= MIXED_KEY_BYTES_MIN))
}

fn decoded(text: &str) -> String {
    let pair = format!("v={}", text.replace('+', "%2B").replace('&', "%26"));
    let first = url::form_urlencoded::parse(pair.as_bytes()).next().map(|(_, value)| value.into_owned());
    first.unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::base::secret::Secret;

    fn masked(target: &Target, text: &str) -> String {
        let masker = Masker::default();
        hide(target, &masker);
        masker.mask(text).into_owned()
    }

    fn url(text: &str) -> Target {
        Target::ad_hoc("a", Endpoint::Url(text.into()))
    }

    #[test]
    fn logins_are_masked_in_every_spelling() {
        let target = url("https://ann:p%40ss-word@host/mcp");
        // `ann:p@ss-word`, as the Authorization header has it.
        assert_eq!(masked(&target, "p%40ss-word p@ss-word Basic YW5uOnBAc3Mtd29yZA=="), "*** *** Basic ***");
        let token = url("https://ghp-token@host/mcp");
        assert_eq!(masked(&token, "ghp-token Z2hwLXRva2VuOg=="), "*** ***");
    }

    #[test]
    fn plain_words_stay_and_keys_go() {
        let mut target = url("https://host/mcp?team=search&api_key=short&x=abcdef123456&0123456789abcdefghij");
        assert_eq!(masked(&target, "search short abcdef123456 0123456789abcdefghij"), "search *** *** ***");
        target.headers = vec![
            ("X-Team".into(), Secret::new("search")),
            ("X-Thing".into(), Secret::new("canary-header-123456")),
            ("User-Agent".into(), Secret::new("my-agent/1.0-build-12345")),
        ];
        let text = "search canary-header-123456 my-agent/1.0-build-12345";
        assert_eq!(masked(&target, text), "search *** my-agent/1.0-build-12345");
        target.env = vec![
            ("API_TOKEN".into(), Secret::new("hunter2")),
            ("NODE_ENV".into(), Secret::new("production")),
            ("LIBS".into(), Secret::new("/usr/lib/x86_64-linux-gnu")),
        ];
        assert_eq!(
            masked(&target, "hunter2 production /usr/lib/x86_64-linux-gnu"),
            "*** production /usr/lib/x86_64-linux-gnu"
        );
    }

    #[test]
    fn urls_are_shown_without_secrets() {
        assert_eq!(shown_url("https://u:p@host/mcp?k=v"), "https://host/mcp");
        assert_eq!(shown_url("http://Host:80/mcp"), "http://Host:80/mcp");
        assert_eq!(shown_url("http://u:p@host:bad/mcp"), "http://…");
        assert_eq!(shown_url("unix:/run/x.sock"), "unix:/run/x.sock");
    }
}

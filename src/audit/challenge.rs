//! `WWW-Authenticate`: what a server that refuses a request asks for (RFC 9110, section 11). One header may hold several
//! challenges, and their parameters are parted by commas, too.

use crate::protocol::headers::is_of_token;
use crate::transport::Head;

/// Challenges of one answer that are looked at.
const CHALLENGES_MAX: usize = 16;
/// Parameters of one challenge that are looked at.
const PARAMETERS_MAX: usize = 32;

/// What is asked for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Challenge {
    /// The scheme as it is written.
    pub scheme: String,
    /// Names in lower case, and values without their quotes.
    pub parameters: Vec<(String, String)>,
}

impl Challenge {
    /// A parameter, by its name in lower case.
    #[must_use]
    pub fn parameter(&self, name: &str) -> Option<&str> {
        self.parameters.iter().find(|(have, _)| have == name).map(|(_, value)| value.as_str())
    }

    /// Whether it asks for a bearer token.
    #[must_use]
    pub fn is_bearer(&self) -> bool {
        self.scheme.eq_ignore_ascii_case("bearer")
    }
}

/// Every challenge of an answer.
///
/// # Errors
/// What is no challenge, as it is written.
pub fn read(head: &Head) -> Result<Vec<Challenge>, String> {
    let mut all = Vec::new();
    for (_, value) in head.headers.iter().filter(|(name, _)| name == "www-authenticate") {
        read_value(value, &mut all)?;
    }
    Ok(all)
}

fn read_value(value: &str, all: &mut Vec<Challenge>) -> Result<(), String> {
    let mut rest = value.trim_start_matches([' ', '\t', ',']);
    while !rest.is_empty() && all.len() < CHALLENGES_MAX {
        let (name, after) = token(rest).ok_or_else(|| rest.to_owned())?;
        let spaced = after.trim_start_matches([' ', '\t']);
        match (spaced.strip_prefix('='), all.last_mut()) {
            // `name=value` goes on with the challenge before it.
            (Some(after), Some(challenge)) if !after.starts_with('=') => {
                let (value, after) = parameter(after.trim_start_matches([' ', '\t'])).ok_or_else(|| rest.to_owned())?;
                if challenge.parameters.len() < PARAMETERS_MAX {
                    challenge.parameters.push((name.to_ascii_lowercase(), value));
                }
                rest = after;
            }
            (Some(_), _) => return Err(rest.to_owned()),
            (None, _) => {
                all.push(Challenge { scheme: name.to_owned(), parameters: Vec::new() });
                rest = token68(spaced).unwrap_or(spaced);
            }
        }
        rest = rest.trim_start_matches([' ', '\t', ',']);
    }
    Ok(())
}

/// A token, and what stands behind it.
fn token(text: &str) -> Option<(&str, &str)> {
    let end = text.find(|c| !is_of_token(c)).unwrap_or(text.len());
    (end > 0).then(|| text.split_at(end))
}

/// A value, quoted or not, and what stands behind it. Values with characters that ask for quotes are taken, too.
fn parameter(text: &str) -> Option<(String, &str)> {
    let Some(quoted) = text.strip_prefix('"') else {
        let end = text.find([',', ' ', '\t', '"']).unwrap_or(text.len());
        return (end > 0).then(|| (text[..end].to_owned(), &text[end..]));
    };
    let mut value = String::new();
    let mut characters = quoted.char_indices();
    while let Some((at, c)) = characters.next() {
        match c {
            '"' => return Some((value, &quoted[at + 1..])),
            '\\' => value.push(characters.next()?.1),
            c => value.push(c),
        }
    }
    None
}

/// What stands behind credentials that are one word, such as those of Negotiate; none where it is no such word.
fn token68(text: &str) -> Option<&str> {
    let is_part = |c: char| c.is_ascii_alphanumeric() || "-._~+/".contains(c);
    let word = text.find(|c| !is_part(c)).unwrap_or(text.len());
    let end = word + text[word..].len() - text[word..].trim_start_matches('=').len();
    let after = text[end..].trim_start_matches([' ', '\t']);
    let ends = after.is_empty() || after.starts_with(',');
    (word > 0 && ends).then_some(after)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(values: &[&str]) -> Result<Vec<Challenge>, String> {
        let headers = values.iter().map(|value| ("www-authenticate".to_owned(), (*value).to_owned())).collect();
        read(&Head { status: 401, headers })
    }

    #[test]
    fn parameters_belong_to_the_challenge_before_them() {
        let all = of(&[r#"Basic realm="a, b", bEARER Realm = "x\"y" , scope="one two",resource_metadata=https://h/p"#]);
        let all = all.unwrap();
        assert_eq!(all.len(), 2);
        assert_eq!((all[0].scheme.as_str(), all[0].parameter("realm")), ("Basic", Some("a, b")));
        assert!(all[1].is_bearer() && !all[0].is_bearer());
        assert_eq!(all[1].parameter("realm"), Some("x\"y"));
        assert_eq!(all[1].parameter("scope"), Some("one two"));
        assert_eq!(all[1].parameter("resource_metadata"), Some("https://h/p"));
    }

    #[test]
    fn schemes_alone_words_of_credentials_and_several_headers_are_read() {
        let schemes = |all: Vec<Challenge>| all.into_iter().map(|one| one.scheme).collect::<Vec<_>>();
        assert_eq!(schemes(of(&["Bearer"]).unwrap()), ["Bearer"]);
        assert_eq!(schemes(of(&["Negotiate", "NTLM, Bearer error=\"x\""]).unwrap()), ["Negotiate", "NTLM", "Bearer"]);
        assert_eq!(schemes(of(&["Negotiate YWJj==, Bearer"]).unwrap()), ["Negotiate", "Bearer"]);
        assert_eq!(schemes(of(&[]).unwrap()), Vec::<String>::new());
        assert_eq!(schemes(of(&["Bearer error=invalid_token scope=a"]).unwrap()), ["Bearer"]);
    }

    #[test]
    fn what_is_no_challenge_is_told() {
        for wrong in ["realm=\"x\"", "Bearer realm=\"open", "\"Bearer\"", "Bearer a=\"b\"; \"c\""] {
            assert!(of(&[wrong]).is_err(), "{wrong}: {:?}", of(&[wrong]));
        }
    }
}

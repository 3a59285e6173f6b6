//! Secrets: values that never print, and the mask that takes them out of everything that leaves the program.

use std::borrow::Cow;
use std::fmt;
use std::sync::{Arc, RwLock};

/// What stands where a secret stood.
pub const MASK: &str = "***";

/// Shorter values are not masked: replacing every `1` of an output would hide the evidence and protect nothing.
const CHARS_MIN: usize = 4;

/// A value that does not print. [`Secret::reveal`] is called only where bytes leave for the server.
#[derive(Clone, PartialEq, Eq)]
pub struct Secret(String);

impl Secret {
    /// Wraps a value.
    #[must_use]
    pub fn new(value: impl Into<String>) -> Self {
        Self(value.into())
    }

    /// The value itself.
    #[must_use]
    pub fn reveal(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(MASK)
    }
}

/// The secrets of one run. Clones share the same set, so that a value learnt late (a session token, say) is
/// masked everywhere from then on.
#[derive(Clone, Default)]
pub struct Masker(Arc<RwLock<Vec<String>>>);

impl Masker {
    /// Adds a value; longer values are replaced first, so that one secret inside another leaves no rest. The
    /// form that JSON writes (quotes and backslashes escaped) is masked too.
    pub fn add(&self, secret: &str) {
        let secret = secret.trim();
        if secret.chars().count() < CHARS_MIN {
            return;
        }
        let mut forms = vec![secret.to_owned()];
        let in_json = serde_json::Value::from(secret).to_string();
        forms.push(in_json[1..in_json.len() - 1].to_owned());
        let in_url: String = url::form_urlencoded::byte_serialize(secret.as_bytes()).collect();
        forms.push(in_url);
        let mut known = self.0.write().unwrap_or_else(std::sync::PoisonError::into_inner);
        for form in forms {
            if !known.contains(&form) {
                known.push(form);
            }
        }
        known.sort_by_key(|secret| std::cmp::Reverse(secret.len()));
    }

    /// The same values in a set of its own: what is added to it is masked by nobody else.
    #[must_use]
    pub fn apart(&self) -> Self {
        let values = self.0.read().unwrap_or_else(std::sync::PoisonError::into_inner).clone();
        Self(Arc::new(RwLock::new(values)))
    }

    /// Adds every value of another set.
    pub fn absorb(&self, other: &Self) {
        if Arc::ptr_eq(&self.0, &other.0) {
            return;
        }
        let values = other.0.read().unwrap_or_else(std::sync::PoisonError::into_inner).clone();
        for value in values {
            self.add(&value);
        }
    }

    /// The text with every secret replaced by [`MASK`].
    #[must_use]
    pub fn mask<'a>(&self, text: &'a str) -> Cow<'a, str> {
        let known = self.0.read().unwrap_or_else(std::sync::PoisonError::into_inner);
        let mut masked = Cow::Borrowed(text);
        for secret in known.iter().filter(|secret| text.contains(secret.as_str())) {
            masked = Cow::Owned(masked.replace(secret.as_str(), MASK));
        }
        match without_heads(&masked, &known) {
            Some(text) => Cow::Owned(text),
            None => masked,
        }
    }

    /// How many forms of values there are to mask.
    #[must_use]
    pub fn count(&self) -> usize {
        self.0.read().unwrap_or_else(std::sync::PoisonError::into_inner).len()
    }

    /// Whether there is nothing to mask.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.0.read().unwrap_or_else(std::sync::PoisonError::into_inner).is_empty()
    }

    /// Masks every string, and every key, inside a JSON value.
    pub fn mask_json(&self, value: &mut serde_json::Value) {
        use serde_json::Value;
        if self.is_empty() {
            return;
        }
        match value {
            Value::String(text) => {
                if let Cow::Owned(masked) = self.mask(text) {
                    *text = masked;
                }
            }
            Value::Array(items) => items.iter_mut().for_each(|item| self.mask_json(item)),
            Value::Object(map) => {
                if map.keys().any(|key| matches!(self.mask(key), Cow::Owned(_))) {
                    *map = std::mem::take(map)
                        .into_iter()
                        .map(|(key, value)| (self.mask(&key).into_owned(), value))
                        .collect();
                }
                map.values_mut().for_each(|item| self.mask_json(item));
            }
            _ => {}
        }
    }
}

/// A quotation that was cut may end in the first part of a secret: what stands before an ellipsis goes as well.
fn without_heads(text: &str, known: &[String]) -> Option<String> {
    let mut cleaned: Option<String> = None;
    for (at, _) in text.match_indices('…').collect::<Vec<_>>().into_iter().rev() {
        let before = &text[..at];
        let head = |secret: &String| {
            let ends = secret.char_indices().map(|(end, _)| end).rev();
            ends.take_while(|end| *end >= CHARS_MIN).find(|end| before.ends_with(&secret[..*end]))
        };
        if let Some(length) = known.iter().filter_map(head).max() {
            cleaned.get_or_insert_with(|| text.to_owned()).replace_range(at - length..at, MASK);
        }
    }
    cleaned
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn secrets_are_replaced_longest_first() {
        let masker = Masker::default();
        masker.add("hunter2");
        masker.add("hunter2-long");
        masker.add("x");
        assert_eq!(masker.mask("a hunter2-long b hunter2 x"), "a *** b *** x");
        assert_eq!(format!("{:?}", Secret::new("hunter2")), "***");
    }

    #[test]
    fn a_secret_that_was_cut_leaves_no_head() {
        let masker = Masker::default();
        masker.add("hunter2-long-value");
        assert_eq!(masker.mask("it says hunter2-lo…, and hunt… or hun…"), "it says ***…, and ***… or hun…");
        assert_eq!(masker.mask("another one…"), "another one…");
    }

    #[test]
    fn other_spellings_are_masked_too() {
        let masker = Masker::default();
        masker.add("a\"b c/d");
        assert_eq!(masker.mask(r#"{"t":"a\"b c/d"}"#), r#"{"t":"***"}"#);
        assert_eq!(masker.mask("?t=a%22b+c%2Fd"), "?t=***");
    }
}

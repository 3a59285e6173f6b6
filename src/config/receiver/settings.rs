//! The settings of one receiver, filled in: what a rendering or an encoder is made of.

use std::collections::BTreeMap;
use std::time::Duration;

use super::Filled;
use crate::base::secret::Secret;

/// The settings of a receiver, every variable filled in; the keys are those of its kind.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Settings(pub(crate) BTreeMap<&'static str, Filled>);

impl Settings {
    /// Settings by key.
    #[must_use]
    pub fn new(settings: BTreeMap<&'static str, Filled>) -> Self {
        Self(settings)
    }

    /// A text; it may hold a secret.
    #[must_use]
    pub fn text(&self, key: &str) -> Option<&Secret> {
        match self.0.get(key) {
            Some(Filled::Text(text)) => Some(text),
            _ => None,
        }
    }

    /// Several texts, or the words of a command; none where the key is not given.
    #[must_use]
    pub fn texts(&self, key: &str) -> &[Secret] {
        match self.0.get(key) {
            Some(Filled::Texts(texts)) => texts,
            _ => &[],
        }
    }

    /// Names and texts; none where the key is not given. `auth` is a table, too, with `bearer`.
    #[must_use]
    pub fn table(&self, key: &str) -> &[(String, Secret)] {
        match self.0.get(key) {
            Some(Filled::Table(entries)) => entries,
            _ => &[],
        }
    }

    /// A duration.
    #[must_use]
    pub fn time(&self, key: &str) -> Option<Duration> {
        match self.0.get(key) {
            Some(Filled::Time(time)) => Some(*time),
            _ => None,
        }
    }

    /// A switch.
    #[must_use]
    pub fn switch(&self, key: &str) -> Option<bool> {
        match self.0.get(key) {
            Some(Filled::Switch(on)) => Some(*on),
            _ => None,
        }
    }

    /// A text that the kind cannot do without.
    ///
    /// # Errors
    /// Where it is missing or empty.
    pub fn needed(&self, key: &str) -> Result<&Secret, String> {
        self.text(key).filter(|text| !text.reveal().is_empty()).ok_or_else(|| format!("`{key}` is missing or empty"))
    }

    /// `timeout`, or what is usual.
    #[must_use]
    pub fn timeout(&self, usual: Duration) -> Duration {
        self.time("timeout").unwrap_or(usual)
    }

    /// `headers` and `auth` as headers, after those that the kind brings; a header of the file replaces one of the kind.
    ///
    /// # Errors
    /// Where HTTP does not allow one; its value is not told.
    pub fn headers(&self, own: &[(&str, &str)]) -> Result<Vec<(String, Secret)>, String> {
        let given = self.table("headers");
        let has = |name: &str| given.iter().any(|(have, _)| have.eq_ignore_ascii_case(name));
        let mut headers: Vec<(String, Secret)> = own
            .iter()
            .filter(|(name, _)| !has(name))
            .map(|(name, value)| ((*name).to_owned(), Secret::new(*value)))
            .collect();
        headers.extend(given.iter().cloned());
        if let Some((_, token)) = self.table("auth").iter().find(|(name, _)| name == "bearer")
            && !has("authorization")
        {
            headers.push(("Authorization".to_owned(), Secret::new(format!("Bearer {}", token.reveal()))));
        }
        for (name, value) in &headers {
            http::HeaderName::try_from(name.as_str()).map_err(|_| format!("{name:?} is no name of a header"))?;
            http::HeaderValue::try_from(value.reveal())
                .map_err(|_| format!("the value of header {name} holds characters that HTTP does not allow"))?;
        }
        Ok(headers)
    }
}

/// The URL of a setting.
///
/// # Errors
/// Where it is none; its value is not told.
pub fn parsed_url(url: &Secret, key: &str) -> Result<url::Url, String> {
    match url::Url::parse(url.reveal()) {
        Ok(url) if matches!(url.scheme(), "http" | "https") && url.has_host() => Ok(url),
        _ => Err(format!("`{key}` is no URL of http or https")),
    }
}

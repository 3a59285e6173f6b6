//! `kind = "healthchecks"`: pings as Healthchecks understands them: `URL` for success, `URL/fail`, `URL/start`,
//! `URL/log`, and a `rid` that joins those of one run. As a notifier it fails the check while an alert fires; as
//! `[watch] heartbeat` it is the dead man's switch.

use std::time::Duration;

use sha2::{Digest as _, Sha256};
use url::Url;

use super::{Message, Notifier, Settings, TIMEOUT, parsed_url};
use crate::alert::Transition;
use crate::base::sanitize;
use crate::base::secret::Secret;
use crate::deliver::{Accept, HttpPayload, Payload, Retry};

/// Characters of a ping's body; Healthchecks keeps 100 kB.
const BODY_CHARS_MAX: usize = 10_000;

/// An unknown check and a limit are answered with status 200.
const ACCEPT: Accept = Accept::Without { refused: &["not found"], later: &["rate limited"] };

/// What a ping says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Ping {
    /// Something begins.
    Start,
    /// All is well.
    Success,
    /// Something is wrong: what.
    Fail(String),
    /// For the record: it changes nothing.
    Log(String),
}

/// Where pings go.
pub struct Healthchecks {
    url: Url,
    timeout: Duration,
}

impl Healthchecks {
    /// Reads the settings.
    ///
    /// # Errors
    /// A sentence about the setting that is wrong.
    pub fn new(settings: &Settings) -> Result<Self, String> {
        let url = parsed_url(settings.needed("url")?, "url")?;
        Ok(Self { url, timeout: settings.timeout(TIMEOUT) })
    }

    /// A ping; those with the same run belong together.
    #[must_use]
    pub fn payload(&self, ping: &Ping, run: u128) -> Payload {
        let mut url = self.url.clone();
        let (word, body) = match ping {
            Ping::Start => (Some("start"), ""),
            Ping::Success => (None, ""),
            Ping::Fail(text) => (Some("fail"), text.as_str()),
            Ping::Log(text) => (Some("log"), text.as_str()),
        };
        if let (Some(word), Ok(mut path)) = (word, url.path_segments_mut()) {
            path.pop_if_empty().push(word);
        }
        url.query_pairs_mut().append_pair("rid", &uuid(run));
        Payload::Http(HttpPayload {
            method: "POST",
            url: Secret::new(url.as_str()),
            headers: vec![("Content-Type".to_owned(), Secret::new("text/plain; charset=utf-8"))],
            body: sanitize::cut(body, BODY_CHARS_MAX).into_bytes(),
            accept: ACCEPT,
            retry: Retry::Usual,
            tls: None,
            timeout: self.timeout,
        })
    }
}

/// Reads its settings.
pub(super) fn compile(settings: &Settings) -> Result<Box<dyn Notifier>, String> {
    Ok(Box::new(Healthchecks::new(settings)?))
}

impl Notifier for Healthchecks {
    fn render(&self, message: &Message) -> Result<Vec<Payload>, String> {
        let told = message.notification();
        let text = || format!("{}\n\n{}", message.title(), message.text());
        let ping = match told.transition {
            Transition::Resolved if told.others == 0 => Ping::Success,
            // The check has one state for all alerts, and each message says the whole of it: it does not matter which of them
            // arrived before.
            Transition::Resolved => Ping::Fail(format!("{}\n{} still firing\n", text(), told.others)),
            Transition::Test => Ping::Log(text()),
            _ => Ping::Fail(text()),
        };
        // The same alert is the same run, from its beginning to its end.
        let digest = Sha256::digest(told.dedup_key.as_bytes());
        let run = digest.iter().take(16).fold(0_u128, |run, byte| run << 8 | u128::from(*byte));
        Ok(vec![self.payload(&ping, run)])
    }

    fn has_one_state(&self) -> bool {
        true
    }
}

/// A UUID of version 4 and the usual variant: nothing else is taken for a `rid`.
fn uuid(run: u128) -> String {
    let run = run & !(0xf << 76) & !(0x3 << 62) | (0x4 << 76) | (0x2 << 62);
    let hex = format!("{run:032x}");
    format!("{}-{}-{}-{}-{}", &hex[..8], &hex[8..12], &hex[12..16], &hex[16..20], &hex[20..])
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::alert::Notification;
    use crate::alert::notify::tests::{notification, settings};
    use crate::base::secret::Masker;

    fn url(payload: &Payload) -> String {
        match payload {
            Payload::Http(http) => http.url.reveal().to_owned(),
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn a_ping_says_by_its_path_what_it_is() {
        let check = Healthchecks::new(&settings(&[("url", "https://hc.example/ping/uuid-of-it?create=1")])).unwrap();
        let rid = "00000000-0000-4000-8000-000000000007";
        for (ping, path) in [
            (Ping::Start, "/start"),
            (Ping::Success, ""),
            (Ping::Fail("x".into()), "/fail"),
            (Ping::Log("x".into()), "/log"),
        ] {
            let expected = format!("https://hc.example/ping/uuid-of-it{path}?create=1&rid={rid}");
            assert_eq!(url(&check.payload(&ping, 7)), expected);
        }
    }

    #[test]
    fn an_alert_fails_the_check_until_it_ends() {
        let check = Healthchecks::new(&settings(&[("url", "https://hc.example/u/")])).unwrap();
        let told = |transition| {
            let message = Message::of(&notification(transition), false, &Masker::default());
            url(&check.render(&message).unwrap()[0])
        };
        let (fired, resolved) = (told(Transition::Firing), told(Transition::Resolved));
        assert!(fired.starts_with("https://hc.example/u/fail?rid="), "{fired}");
        assert!(resolved.starts_with("https://hc.example/u/?rid="), "{resolved}");
        assert_eq!(fired.split_once("rid=").unwrap().1, resolved.split_once("rid=").unwrap().1);
    }

    #[test]
    fn the_end_of_one_of_several_leaves_the_check_as_it_is() {
        let check = Healthchecks::new(&settings(&[("url", "https://hc.example/u")])).unwrap();
        let told = Notification { others: 2, ..notification(Transition::Resolved) };
        let ping = check.render(&Message::of(&told, false, &Masker::default())).unwrap().remove(0);
        let Payload::Http(http) = &ping else { panic!("{ping:?}") };
        assert!(http.url.reveal().starts_with("https://hc.example/u/fail?rid="), "{:?}", http.url.reveal());
        let body = String::from_utf8_lossy(&http.body).into_owned();
        assert!(body.starts_with("[resolved]") && body.contains("2 still firing"), "{body}");
    }
}

//! `kind = "email"`: a plain text message; everything about one alert in one thread.

use std::time::Duration;

use lettre::message::Mailbox;

use super::{Message, Notifier, Settings};
use crate::base::sanitize;
use crate::base::secret::Secret;
use crate::deliver::{MailPayload, Payload};

/// Mail servers take their time.
const TIMEOUT: Duration = Duration::from_secs(30);
/// Characters of a subject.
const SUBJECT_CHARS_MAX: usize = 160;

struct Email {
    server: Secret,
    login: Option<(String, Secret)>,
    from: String,
    to: Vec<String>,
    timeout: Duration,
}

/// Reads its settings.
pub(super) fn compile(settings: &Settings) -> Result<Box<dyn Notifier>, String> {
    let server = settings.needed("smtp")?;
    match url::Url::parse(server.reveal()) {
        Ok(url) if matches!(url.scheme(), "smtp" | "smtps") && url.has_host() => {}
        _ => return Err("`smtp` is no address of a mail server such as \"smtps://mail.example:465\"".to_owned()),
    }
    let from = settings.needed("from")?.reveal().to_owned();
    let to: Vec<String> = settings.texts("to").iter().map(|to| to.reveal().to_owned()).collect();
    if to.is_empty() {
        return Err("`to` names nobody".to_owned());
    }
    for (key, address) in std::iter::once(("from", &from)).chain(to.iter().map(|to| ("to", to))) {
        let parsed = address.parse::<Mailbox>();
        parsed.map_err(|error| format!("`{key}`: {address:?} is no mail address: {error}"))?;
    }
    let password = settings.text("password").cloned();
    let login = match (settings.text("username"), password) {
        (Some(user), Some(password)) => Some((user.reveal().to_owned(), password)),
        (None, None) => None,
        (Some(_), None) => return Err("`username` needs a `password`".to_owned()),
        (None, Some(_)) => return Err("`password` needs a `username`".to_owned()),
    };
    Ok(Box::new(Email { server: server.clone(), login, from, to, timeout: settings.timeout(TIMEOUT) }))
}

impl Notifier for Email {
    fn render(&self, message: &Message) -> Result<Vec<Payload>, String> {
        let thread: String =
            message.notification().dedup_key.chars().filter(|c| c.is_ascii_alphanumeric() || *c == '-').collect();
        Ok(vec![Payload::Mail(MailPayload {
            server: self.server.clone(),
            login: self.login.clone(),
            from: self.from.clone(),
            to: self.to.clone(),
            subject: sanitize::one_line(&message.title(), SUBJECT_CHARS_MAX),
            text: message.text(),
            thread,
            timeout: self.timeout,
        })])
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::alert::notify::tests::{listed, notification, settings};
    use crate::base::secret::Masker;

    #[test]
    fn addresses_are_looked_at_before_anything_is_told() {
        let given = |to: &str, more: &[(&'static str, &str)]| {
            let mut all = vec![("smtp", "smtp://127.0.0.1:25"), ("from", "probe@example.com")];
            all.extend_from_slice(more);
            compile(&listed(settings(&all), "to", &[to])).map(drop).unwrap_err()
        };
        assert!(given("nobody", &[]).contains("`to`: \"nobody\" is no mail address"));
        assert!(given("a@example.com", &[("username", "u")]).contains("needs a `password`"));
        assert!(given("a@example.com", &[("from", "who")]).contains("`from`"));
    }

    #[test]
    fn a_message_says_everything_and_keeps_its_thread() {
        let all = settings(&[("smtp", "smtp://127.0.0.1:25"), ("from", "probe@example.com")]);
        let made = compile(&listed(all, "to", &["a@example.com"])).unwrap();
        let told = notification(crate::alert::Transition::Firing);
        let payloads = made.render(&Message::of(&told, false, &Masker::default())).unwrap();
        let [Payload::Mail(mail)] = payloads.as_slice() else { panic!("{payloads:?}") };
        assert_eq!(mail.subject, "[firing] mcp_error_rate_spike: smoke on weather");
        assert_eq!(mail.thread, told.dedup_key);
        for words in ["25 % of 20 runs failed", "last failure: timeout: no answer", "labels: env=prod", "prober-1"] {
            assert!(mail.text.contains(words), "{words}: {}", mail.text);
        }
    }
}

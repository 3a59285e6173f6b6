//! Messages to a mail server: STARTTLS where it is offered, TLS from the first byte for `smtps`. A password never leaves
//! in the clear, unless it stays on this machine.

use lettre::message::header::{ContentType, HeaderName, HeaderValue};
use lettre::message::{Mailbox, MessageBuilder};
use lettre::transport::smtp::authentication::Credentials;
use lettre::transport::smtp::client::{Certificate, Tls, TlsParameters};
use lettre::{AsyncSmtpTransport, AsyncTransport as _, Message, Tokio1Executor};
use url::{Host, Url};

use super::courier::{chain, origin};
use super::{MailPayload, Receipt};
use crate::base::duration;

/// The port of `smtp` where none is written: that of relays.
const PORT: u16 = 25;
/// The port of `smtps`.
const PORT_SECURE: u16 = 465;

/// Sends one message.
pub(super) async fn send(mail: &MailPayload) -> Receipt {
    let place = origin(mail.server.reveal());
    let message = match message(mail) {
        Ok(message) => message,
        Err(why) => return Receipt::refused(format!("{place}: {why}")),
    };
    let sent = async {
        // Reading the system's roots opens files.
        let own = mail.clone();
        let transport = tokio::task::spawn_blocking(move || transport(&own));
        match transport.await.map_err(|error| error.to_string()).and_then(|made| made) {
            Ok(transport) => transport.send(message).await.map_err(Some),
            Err(why) => return Receipt::failed(format!("{place}: {why}")),
        }
        .map_or_else(|error| judge(&place, error.as_ref()), |_| Receipt::Delivered)
    };
    match tokio::time::timeout(mail.timeout, sent).await {
        Ok(receipt) => receipt,
        Err(_) => {
            let limit = duration::written(mail.timeout);
            Receipt::failed(format!("{place}: expected the message to be taken within {limit}, it was not"))
        }
    }
}

/// A reply of the 500s is for ever.
fn judge(place: &str, error: Option<&lettre::transport::smtp::Error>) -> Receipt {
    let Some(error) = error else { return Receipt::Delivered };
    let why = format!("{place}: {}", chain(error));
    if error.is_permanent() { Receipt::refused(why) } else { Receipt::failed(why) }
}

fn transport(mail: &MailPayload) -> Result<AsyncSmtpTransport<Tokio1Executor>, String> {
    let url = Url::parse(mail.server.reveal()).map_err(|error| format!("no address of a mail server: {error}"))?;
    let host = url.host().ok_or("no host stands in the address of the mail server")?;
    let here = match &host {
        Host::Ipv4(ip) => ip.is_loopback(),
        Host::Ipv6(ip) => ip.is_loopback(),
        Host::Domain(name) => *name == "localhost",
    };
    let name = match &host {
        Host::Ipv6(ip) => ip.to_string(),
        host => host.to_string(),
    };
    let secure = url.scheme() == "smtps";
    let parameters = parameters(&name)?;
    let tls = match (secure, mail.login.is_some() && !here) {
        (true, _) => Tls::Wrapper(parameters),
        (false, true) => Tls::Required(parameters),
        (false, false) => Tls::Opportunistic(parameters),
    };
    let port = url.port().unwrap_or(if secure { PORT_SECURE } else { PORT });
    let builder =
        AsyncSmtpTransport::<Tokio1Executor>::builder_dangerous(name).port(port).tls(tls).timeout(Some(mail.timeout));
    Ok(match &mail.login {
        Some((user, password)) => {
            builder.credentials(Credentials::new(user.clone(), password.reveal().to_owned())).build()
        }
        None => builder.build(),
    })
}

/// The roots of the system; a container without any still has those that browsers carry.
fn parameters(name: &str) -> Result<TlsParameters, String> {
    TlsParameters::builder(name.to_owned()).build().or_else(|_| {
        let bundled = webpki_root_certs::TLS_SERVER_ROOT_CERTS.iter();
        bundled
            .filter_map(|root| Certificate::from_der(root.to_vec()).ok())
            .fold(
                TlsParameters::builder(name.to_owned()),
                lettre::transport::smtp::client::TlsParametersBuilder::add_root_certificate,
            )
            .build()
            .map_err(|error| chain(&error))
    })
}

fn message(mail: &MailPayload) -> Result<Message, String> {
    let mailbox = |text: &str| text.parse::<Mailbox>().map_err(|error| format!("{text:?} is no mail address: {error}"));
    let thread = format!("<{}@mcp-probe.invalid>", mail.thread);
    let mut builder: MessageBuilder = Message::builder()
        .from(mailbox(&mail.from)?)
        .subject(&mail.subject)
        .message_id(None)
        .in_reply_to(thread.clone())
        .references(thread)
        .raw_header(raw("Auto-Submitted", "auto-generated"))
        .raw_header(raw("X-Auto-Response-Suppress", "All"))
        .header(ContentType::TEXT_PLAIN);
    for to in &mail.to {
        builder = builder.to(mailbox(to)?);
    }
    builder.body(mail.text.clone()).map_err(|error| format!("the message cannot be written: {error}"))
}

/// Nobody's machine answers what a machine wrote.
fn raw(name: &'static str, value: &str) -> HeaderValue {
    HeaderValue::new(HeaderName::new_from_ascii_str(name), value.to_owned())
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;
    use crate::base::secret::Secret;

    fn mail() -> MailPayload {
        MailPayload {
            server: Secret::new("smtp://127.0.0.1:2525"),
            login: None,
            from: "Probe <probe@example.com>".into(),
            to: vec!["a@example.com".into(), "B <b@example.com>".into()],
            subject: "[firing] é\r\nBcc: evil@example.com".into(),
            text: "one\r\n.\r\ntwo é\n".into(),
            thread: "0123abcd".into(),
            timeout: Duration::from_secs(1),
        }
    }

    #[test]
    fn a_message_keeps_its_thread_and_lets_no_header_in() {
        let message = message(&mail()).unwrap();
        let written = String::from_utf8(message.formatted()).unwrap();
        assert!(written.contains("References: <0123abcd@mcp-probe.invalid>"), "{written}");
        assert!(written.contains("Auto-Submitted: auto-generated"), "{written}");
        assert!(!written.lines().any(|line| line.starts_with("Bcc:")), "{written}");
        assert_eq!(message.envelope().to().len(), 2);
    }

    #[test]
    fn what_is_no_address_is_refused() {
        let message = message(&MailPayload { to: vec!["nobody".into()], ..mail() });
        assert!(message.unwrap_err().contains("\"nobody\" is no mail address"));
    }
}

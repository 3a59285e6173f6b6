//! Payloads out: HTTP, mail, commands; a durable outbox in front of them. It knows no alerts and no formats: what is sent
//! was rendered by others.

use std::time::Duration;

use crate::base::secret::Secret;

/// One delivery, rendered.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Payload {
    /// A request; any status below 300 is a receipt.
    Http(HttpPayload),
    /// A message to a mail server.
    Mail(MailPayload),
    /// A program, as argv; exit code 0 is a receipt.
    Command(CommandPayload),
}

/// An HTTP request.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct HttpPayload {
    /// `GET`, `POST`, `PUT`.
    pub method: &'static str,
    /// Where to; it may hold a secret.
    pub url: Secret,
    /// Headers.
    pub headers: Vec<(String, Secret)>,
    /// The body.
    pub body: Vec<u8>,
    /// How long it may take.
    pub timeout: Duration,
}

/// A message.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct MailPayload {
    /// `smtp://host:port` (STARTTLS where it is offered) or `smtps://host:port`.
    pub server: Secret,
    /// Name and password.
    pub login: Option<(String, Secret)>,
    /// The sender.
    pub from: String,
    /// The receivers.
    pub to: Vec<String>,
    /// One line.
    pub subject: String,
    /// Plain text.
    pub text: String,
    /// The same for every message about one alert, so that mail programs keep them together.
    pub thread: String,
    /// How long it may take.
    pub timeout: Duration,
}

/// A program to run.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CommandPayload {
    /// The program and its arguments; no shell reads them.
    pub argv: Vec<Secret>,
    /// Variables beside the inherited ones.
    pub env: Vec<(String, String)>,
    /// What it reads on stdin.
    pub stdin: Vec<u8>,
    /// How long it may take; then its process group is ended.
    pub timeout: Duration,
}

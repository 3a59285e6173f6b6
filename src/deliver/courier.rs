//! Carries one payload to its receiver and says what became of it. It tries once; trying again is the outbox's business.
//! No address and no secret stands in what it says.

use std::borrow::Cow;
use std::collections::BTreeSet;
use std::sync::{Arc, PoisonError, RwLock};

use tokio_util::sync::CancellationToken;

use super::http::Clients;
use super::{Payload, Receipt, command, datagram, file, mail};
use crate::base::sanitize;
use crate::base::secret::{MASK, Masker, Secret};

/// Characters of what a receiver says that are told.
const SAID_CHARS_MAX: usize = 300;

/// Carries payloads. Clones share their connections.
#[derive(Clone)]
pub struct Courier {
    masker: Masker,
    clients: Arc<Clients>,
    /// Variables that commands do not inherit.
    hidden: Arc<RwLock<BTreeSet<String>>>,
}

impl Courier {
    /// A courier that keeps these secrets out of what it says.
    #[must_use]
    pub fn new(masker: Masker) -> Self {
        Self { masker, clients: Arc::default(), hidden: Arc::default() }
    }

    /// Commands do not inherit these variables: the secrets of the files.
    #[must_use]
    pub fn hiding(self, variables: Vec<String>) -> Self {
        self.hide(variables);
        self
    }

    /// Nor these from now on, whichever clone carries: other files name other secrets. What was one stays one.
    pub fn hide(&self, variables: Vec<String>) {
        self.hidden.write().unwrap_or_else(PoisonError::into_inner).extend(variables);
    }

    fn hidden(&self) -> Vec<String> {
        self.hidden.read().unwrap_or_else(PoisonError::into_inner).iter().cloned().collect()
    }

    /// Carries one payload, within its time.
    pub async fn send(&self, payload: &Payload, cancel: &CancellationToken) -> Receipt {
        let sent = async {
            match payload {
                Payload::Http(http) => self.clients.send(http).await,
                Payload::Grpc(call) => self.clients.call(call).await,
                Payload::Mail(mail) => mail::send(mail).await,
                Payload::Command(command) => command::run(command, &self.hidden()).await,
                Payload::Datagrams(datagrams) => datagram::send(datagrams).await,
                Payload::File(file) => file::write(file).await,
            }
        };
        let receipt = tokio::select! {
            biased;
            receipt = sent => receipt,
            () = cancel.cancelled() => return Receipt::Cut,
        };
        match receipt {
            Receipt::Refused { why, status } => Receipt::Refused { why: self.told(payload, &why), status },
            Receipt::Failed { why, retry_after } => Receipt::Failed { why: self.told(payload, &why), retry_after },
            Receipt::Partly { rejected, why } => Receipt::Partly { rejected, why: self.told(payload, &why) },
            receipt => receipt,
        }
    }

    /// A receiver may say back what it was sent.
    fn told(&self, payload: &Payload, why: &str) -> String {
        let own = Masker::default();
        for secret in secrets(payload) {
            own.add(secret);
        }
        let masked = self.masker.mask(why);
        let masked: Cow<'_, str> = own.mask(&masked);
        sanitize::one_line(&masked, SAID_CHARS_MAX)
    }
}

/// What of a payload nobody else may see.
fn secrets(payload: &Payload) -> Vec<&str> {
    match payload {
        Payload::Http(http) => secret_headers(&http.headers).chain(secret_parts(http.url.reveal())).collect(),
        Payload::Grpc(call) => secret_headers(&call.headers).chain(secret_parts(call.url.reveal())).collect(),
        Payload::Mail(mail) => {
            mail.login.iter().map(|(_, password)| password.reveal()).chain(secret_parts(mail.server.reveal())).collect()
        }
        Payload::Command(command) => {
            command.argv.iter().skip(1).map(Secret::reveal).filter(|word| word.len() >= 8).collect()
        }
        Payload::Datagrams(_) | Payload::File(_) => Vec::new(),
    }
}

/// Values of headers, but for those that every request has.
fn secret_headers(headers: &[(String, Secret)]) -> impl Iterator<Item = &str> {
    const PLAIN: [&str; 5] =
        ["content-type", "accept", "user-agent", "content-encoding", "x-prometheus-remote-write-version"];
    let headers = headers.iter().filter(|(name, _)| !PLAIN.iter().any(|plain| name.eq_ignore_ascii_case(plain)));
    // `Bearer TOKEN`: the token alone is as secret.
    headers
        .map(|(_, value)| value.reveal())
        .flat_map(|value| std::iter::once(value).chain(value.split_once(' ').map(|(_, rest)| rest)))
}

/// The address as a whole, and what follows its host.
fn secret_parts(address: &str) -> impl Iterator<Item = &str> {
    let rest = address.split_once("://").and_then(|(_, rest)| rest.find(['/', '?']).map(|at| &rest[at..]));
    // A path such as `/api` is no secret, and where a message goes may be told.
    let rest = rest.filter(|rest| rest.len() >= 12);
    let login = address.split_once("://").and_then(|(_, rest)| rest.split_once('@')).map(|(login, _)| login);
    let login =
        login.into_iter().flat_map(|login| std::iter::once(login).chain(login.split_once(':').map(|(_, word)| word)));
    login.chain(rest.map(|_| address)).chain(rest).chain(rest.map(|rest| rest.trim_matches('/')))
}

/// Where an address leads, without what may be secret: `https://host:port`.
pub(super) fn origin(address: &str) -> String {
    match url::Url::parse(address) {
        Ok(url) => match (url.host_str(), url.port()) {
            (Some(host), Some(port)) => format!("{}://{host}:{port}", url.scheme()),
            (Some(host), None) => format!("{}://{host}", url.scheme()),
            (None, _) => format!("{}:{MASK}", url.scheme()),
        },
        Err(_) => MASK.to_owned(),
    }
}

/// An error with everything beneath it that says more, in one sentence.
pub(super) fn chain(error: &dyn std::error::Error) -> String {
    let mut said = error.to_string();
    let mut next = error.source();
    while let Some(cause) = next {
        let text = cause.to_string();
        if !said.contains(&text) {
            said = format!("{said}: {text}");
        }
        next = cause.source();
    }
    said
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;
    use crate::deliver::{Accept, HttpPayload, Retry};

    #[test]
    fn what_is_told_holds_no_address_and_no_header() {
        let payload = Payload::Http(HttpPayload {
            method: "POST",
            url: Secret::new("https://hooks.example/services/T000/B000/canary?key=canary2"),
            headers: vec![
                ("Authorization".into(), Secret::new("Bearer canary-token")),
                ("Content-Type".into(), Secret::new("application/json")),
            ],
            body: Vec::new(),
            accept: Accept::Status,
            retry: Retry::Usual,
            tls: None,
            timeout: Duration::from_secs(1),
        });
        let courier = Courier::new(Masker::default());
        let said = "no such path /services/T000/B000/canary?key=canary2, canary-token is wrong, want application/json";
        assert_eq!(courier.told(&payload, said), "no such path ***, *** is wrong, want application/json");
        assert_eq!(origin("https://u:p@host.example:8443/secret?x=y"), "https://host.example:8443");
        assert_eq!(origin("nothing"), "***");
    }
}

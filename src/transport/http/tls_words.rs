//! TLS in words: what is known of a certificate, how long it is good for, and why a handshake was refused.

use std::io;
use std::time::Duration;

use jiff::Timestamp;
use rustls::pki_types::{CertificateDer, ServerName, UnixTime};
use rustls::{AlertDescription, CertificateError, Error, PeerIncompatible};
use x509_cert::der::Decode;

use super::tls::rustls_error;
use crate::event::{Finding, Severity};
use crate::transport::Certificate;

const DAY: u64 = 24 * 60 * 60;
/// A certificate that ends within this many days is a warning.
const EXPIRY_WARNING_DAYS: u64 = 21;
/// A certificate that ends within this many days is an error.
const EXPIRY_ERROR_DAYS: u64 = 7;
const RING_GAP: &str = "keys on the curve P-521 are not supported by this build";

/// What is reported of a chain: its earliest end and the subject of the leaf.
pub(super) fn certificate(chain: &[CertificateDer<'_>]) -> Option<Certificate> {
    let parsed: Vec<_> = chain.iter().filter_map(|der| x509_cert::Certificate::from_der(der).ok()).collect();
    let not_after = parsed.iter().filter_map(not_after).min()?;
    Some(Certificate { not_after, subject: parsed.first()?.tbs_certificate().subject().to_string() })
}

fn not_after(certificate: &x509_cert::Certificate) -> Option<Timestamp> {
    timestamp(certificate.tbs_certificate().validity().not_after.to_unix_duration())
}

fn timestamp(since_epoch: Duration) -> Option<Timestamp> {
    Timestamp::from_second(i64::try_from(since_epoch.as_secs()).ok()?).ok()
}

/// Whether a certificate that is trusted as it is may be used now.
pub(super) fn within_validity(der: &CertificateDer<'_>, now: UnixTime) -> Result<(), Error> {
    let parsed = x509_cert::Certificate::from_der(der).map_err(|_| CertificateError::BadEncoding)?;
    let validity = parsed.tbs_certificate().validity();
    let (from, to) = (validity.not_before.to_unix_duration(), validity.not_after.to_unix_duration());
    if now.as_secs() > to.as_secs() {
        return Err(CertificateError::ExpiredContext { time: now, not_after: UnixTime::since_unix_epoch(to) }.into());
    }
    if now.as_secs() < from.as_secs() {
        let not_before = UnixTime::since_unix_epoch(from);
        return Err(CertificateError::NotValidYetContext { time: now, not_before }.into());
    }
    Ok(())
}

/// The finding about a certificate that ends soon.
pub(super) fn expiry(certificate: &Certificate, now: Timestamp) -> Option<Finding> {
    let left = certificate.not_after.as_second() - now.as_second();
    let days = left / i64::try_from(DAY).unwrap_or(i64::MAX);
    let within = |limit: u64| left < i64::try_from(limit * DAY).unwrap_or(i64::MAX);
    let (severity, limit) = if within(EXPIRY_ERROR_DAYS) {
        (Severity::Error, EXPIRY_ERROR_DAYS)
    } else if within(EXPIRY_WARNING_DAYS) {
        (Severity::Warning, EXPIRY_WARNING_DAYS)
    } else {
        return None;
    };
    let date = date(certificate.not_after);
    let actual = if left < 0 {
        format!("{} expired on {date}", certificate.subject)
    } else {
        format!("{} ends on {date}, in {}: renew it", certificate.subject, plural(days))
    };
    Some(Finding::new("tls.expiry", severity, format!("a certificate good for at least {limit} more days"), actual))
}

fn date(at: Timestamp) -> String {
    at.strftime("%Y-%m-%d").to_string()
}

fn plural(days: i64) -> String {
    if days == 1 { "1 day".into() } else { format!("{days} days") }
}

/// A refused handshake and what was seen of it.
pub(super) struct Refused<'a> {
    pub(super) name: &'a ServerName<'static>,
    pub(super) chain: &'a [CertificateDer<'static>],
    /// The first bytes that came.
    pub(super) opening: &'a [u8],
    /// Whom the chain should have led to.
    pub(super) trusted: &'a str,
}

impl Refused<'_> {
    /// Why, and what to do.
    pub(super) fn explain(&self, error: &io::Error) -> String {
        let name = self.name.to_str();
        if looks_like_http(self.opening) {
            return format!("{name} answers in plain HTTP on this port: write http:// instead of https://");
        }
        let Some(tls) = rustls_error(error) else {
            return match error.kind() {
                io::ErrorKind::UnexpectedEof | io::ErrorKind::ConnectionReset | io::ErrorKind::BrokenPipe => format!(
                    "{name} closed the connection during the TLS handshake ({error}): does this port speak TLS? \
                     If not, write http://"
                ),
                _ => format!("the TLS handshake with {name} failed: {error}"),
            };
        };
        match tls {
            Error::InvalidCertificate(why) => self.certificate_refused(&name, why),
            Error::InvalidMessage(_) => {
                format!("{name} does not speak TLS on this port ({tls}): if it speaks plain HTTP, write http://")
            }
            other => explain_session(&name, other),
        }
    }

    fn certificate_refused(&self, name: &str, why: &CertificateError) -> String {
        let leaf = self.chain.first().and_then(|der| x509_cert::Certificate::from_der(der).ok());
        let (subject, issuer) = leaf.as_ref().map_or_else(
            || ("(unreadable)".to_owned(), "(unreadable)".to_owned()),
            |leaf| (leaf.tbs_certificate().subject().to_string(), leaf.tbs_certificate().issuer().to_string()),
        );
        match why {
            CertificateError::ExpiredContext { not_after, .. } => {
                let on = timestamp(Duration::from_secs(not_after.as_secs())).map_or_else(|| "?".into(), date);
                let ago = i64::try_from(UnixTime::now().as_secs().saturating_sub(not_after.as_secs()) / DAY);
                let ago = plural(ago.unwrap_or(i64::MAX));
                format!("the certificate of {name} ({subject}) expired on {on}, {ago} ago: renew it on the server")
            }
            CertificateError::Expired => format!("the certificate of {name} ({subject}) expired: renew it"),
            CertificateError::NotValidYetContext { not_before, .. } => {
                let from = timestamp(Duration::from_secs(not_before.as_secs())).map_or_else(|| "?".into(), date);
                format!("the certificate of {name} is valid from {from} on: check the clocks of both machines")
            }
            CertificateError::NotValidForNameContext { presented, .. } => {
                let names = if presented.is_empty() { subject } else { presented.join(", ") };
                format!(
                    "the certificate has the wrong name: expected {name}, it is for {names}; \
                     use one of its names in the URL, or set the server name to expect"
                )
            }
            CertificateError::UnknownIssuer | CertificateError::Other(_) if self.self_signed() => format!(
                "the certificate of {name} ({subject}) is self-signed and not trusted: to trust it, give its file with \
                 --cacert FILE, or `tls = {{ ca = \"FILE\" }}` of the target"
            ),
            CertificateError::UnknownIssuer => format!(
                "the certificate of {name} ({subject}) was issued by {issuer}, which does not lead to {}: \
                 the server may not send its intermediate certificates, or its CA must be given with --cacert FILE",
                self.trusted
            ),
            CertificateError::BadSignature => format!(
                "the certificate of {name} ({subject}) was not signed by the {issuer} that is trusted, but by another \
                 key of that name: was the CA renewed?"
            ),
            CertificateError::UnsupportedSignatureAlgorithmContext { .. }
            | CertificateError::UnsupportedSignatureAlgorithmForPublicKeyContext { .. } => {
                format!("the certificate of {name} uses an algorithm that cannot be checked ({why}); {RING_GAP}")
            }
            other => format!("the certificate of {name} ({subject}, issued by {issuer}) was refused: {other}"),
        }
    }

    fn self_signed(&self) -> bool {
        self.chain
            .first()
            .and_then(|der| x509_cert::Certificate::from_der(der).ok())
            .is_some_and(|leaf| leaf.tbs_certificate().subject() == leaf.tbs_certificate().issuer())
    }
}

/// A TLS error that is not about the server's certificate, in the handshake or (TLS 1.3 judges our certificate
/// only then) after it.
pub(super) fn explain_session(name: &str, error: &Error) -> String {
    match error {
        Error::AlertReceived(AlertDescription::CertificateRequired) => {
            format!("{name} asks for a client certificate: give one with its key")
        }
        Error::AlertReceived(
            alert @ (AlertDescription::BadCertificate
            | AlertDescription::UnknownCA
            | AlertDescription::CertificateUnknown
            | AlertDescription::CertificateExpired
            | AlertDescription::CertificateRevoked
            | AlertDescription::UnsupportedCertificate
            | AlertDescription::AccessDenied),
        ) => format!("{name} refused our client certificate (TLS alert {alert:?})"),
        Error::AlertReceived(AlertDescription::UnrecognisedName) => {
            format!("{name} is no name this server knows: check the host of the URL, or set the server name")
        }
        Error::AlertReceived(AlertDescription::ProtocolVersion)
        | Error::PeerIncompatible(
            PeerIncompatible::ServerDoesNotSupportTls12Or13 | PeerIncompatible::ServerTlsVersionIsDisabledByOurConfig,
        ) => format!("{name} speaks neither TLS 1.2 nor TLS 1.3 ({error}): older versions are not safe"),
        Error::AlertReceived(AlertDescription::HandshakeFailure) | Error::PeerIncompatible(_) => format!(
            "{name} and mcp-probe have no TLS parameters in common, or it wants a client certificate ({error}); \
             {RING_GAP}"
        ),
        other => format!("the TLS handshake with {name} failed: {other}"),
    }
}

/// Whether these first bytes are those of an HTTP answer.
pub(super) fn looks_like_http(opening: &[u8]) -> bool {
    opening.starts_with(b"HTTP/") || opening.trim_ascii_start().starts_with(b"<")
}

/// Whether these first bytes are those of a TLS record: an alert, or a handshake message.
pub(super) fn looks_like_tls(opening: &[u8]) -> bool {
    matches!(opening, [0x15 | 0x16, 0x03, 0x00..=0x04, ..])
}

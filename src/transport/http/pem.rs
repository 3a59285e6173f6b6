//! What the user gives of TLS, as PEM: read within a bound, and judged by itself, before anything is connected.

use std::fs::File;
use std::io::{self, Read as _};
use std::path::{Path, PathBuf};

use rustls::crypto::CryptoProvider;
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::sign::CertifiedKey;
use x509_cert::der::Decode;

use super::{Unusable, tls};
use crate::base::duration::human_bytes;

/// No file is larger, in bytes: the bundle of a whole system takes a quarter of it.
const FILE_BYTES_MAX: u64 = 1 << 20;
/// What a file of [`PemPart::Ca`] holds.
const CA: &str = "CA certificate";
/// What a file of [`PemPart::Cert`] holds.
const CERT: &str = "client certificate";

/// A chain and the key of its first certificate.
pub(super) type Identity = (Vec<CertificateDer<'static>>, PrivateKeyDer<'static>);

/// PEM text, or the file that holds it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Pem {
    /// A file, read when the dial is made.
    File(PathBuf),
    /// The text itself.
    Text(Vec<u8>),
}

/// One of the three texts.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum PemPart {
    /// Whom to trust.
    Ca,
    /// Our own certificate, with its chain.
    Cert,
    /// Its key.
    Key,
}

/// What is wrong with each of the texts that are given, in words that go on after the name of its file. A certificate
/// without a key holds its key itself; where a key is named and its text is not here, the two cannot be judged together.
#[must_use]
pub fn pem_faults(
    ca: Option<&[u8]>,
    cert: Option<&[u8]>,
    key: Option<&[u8]>,
    is_key_named: bool,
) -> Vec<(PemPart, String)> {
    let cert = cert.filter(|_| key.is_some() || !is_key_named);
    let mut faults = Vec::new();
    let mut note = |part, why| faults.push((part, why));
    if let Some(Err(why)) = ca.map(|text| certificates(text, CA)) {
        note(PemPart::Ca, why);
    }
    let chain = cert.and_then(|text| certificates(text, CERT).map_err(|why| note(PemPart::Cert, why)).ok());
    let (text, part) = if key.is_some() { (key, PemPart::Key) } else { (cert, PemPart::Cert) };
    let key = text.filter(|_| key.is_some() || chain.is_some()).map(private_key);
    match (chain, key) {
        (_, Some(Err(why))) => note(part, why),
        (Some(chain), Some(Ok(key))) => {
            let _ = pair(chain, key, &tls::provider()).map_err(|why| note(part, why));
        }
        _ => {}
    }
    faults
}

impl Pem {
    fn read(&self, what: &str) -> Result<Vec<u8>, Unusable> {
        match self {
            Self::File(path) => {
                bounded(path).map_err(|error| Unusable(format!("cannot read the {what} {}: {error}", path.display())))
            }
            Self::Text(text) => Ok(text.clone()),
        }
    }

    fn told(&self, why: &str) -> Unusable {
        match self {
            Self::File(path) => Unusable(format!("{} {why}", path.display())),
            Self::Text(_) => Unusable(format!("the text given {why}")),
        }
    }

    /// The certificates of those to trust.
    pub(super) fn authorities(&self) -> Result<Vec<CertificateDer<'static>>, Unusable> {
        certificates(&self.read(CA)?, CA).map_err(|why| self.told(&why))
    }

    /// Who we are, by a certificate and its key; where there is none, it stands with the certificate.
    pub(super) fn identity(&self, key: Option<&Self>, provider: &CryptoProvider) -> Result<Identity, Unusable> {
        let source = key.unwrap_or(self);
        let key = private_key(&source.read("client key")?).map_err(|why| source.told(&why))?;
        let chain = certificates(&self.read(CERT)?, CERT).map_err(|why| self.told(&why))?;
        pair(chain, key, provider).map_err(|why| source.told(&why))
    }
}

/// The whole file, where it is not too large: a device may never end.
fn bounded(path: &Path) -> io::Result<Vec<u8>> {
    let mut bytes = Vec::new();
    File::open(path)?.take(FILE_BYTES_MAX + 1).read_to_end(&mut bytes)?;
    if bytes.len() as u64 > FILE_BYTES_MAX {
        return Err(io::Error::other(format!("it is larger than {}", human_bytes(FILE_BYTES_MAX))));
    }
    Ok(bytes)
}

fn certificates(text: &[u8], what: &str) -> Result<Vec<CertificateDer<'static>>, String> {
    let found: Result<Vec<_>, _> = CertificateDer::pem_slice_iter(text).collect();
    let found = found.map_err(|error| format!("is no PEM {what}: {error}"))?;
    for der in &found {
        x509_cert::Certificate::from_der(der).map_err(|error| format!("has a {what} that cannot be read: {error}"))?;
    }
    if found.is_empty() { Err(format!("has no PEM {what} in it")) } else { Ok(found) }
}

fn private_key(text: &[u8]) -> Result<PrivateKeyDer<'static>, String> {
    PrivateKeyDer::from_pem_slice(text)
        .map_err(|error| format!("has no usable private key (PEM, not encrypted) in it: {error}"))
}

/// A key that is not that of its certificate is found here, not in the first handshake.
fn pair(
    chain: Vec<CertificateDer<'static>>,
    key: PrivateKeyDer<'static>,
    provider: &CryptoProvider,
) -> Result<Identity, String> {
    CertifiedKey::from_der(chain.clone(), key.clone_key(), provider)
        .map_err(|error| format!("cannot be used with the client certificate: {error}"))?;
    Ok((chain, key))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_text_is_judged_and_a_key_with_its_certificate() {
        let made = |name: &str| rcgen::generate_simple_self_signed([name.to_owned()]).unwrap();
        let (one, other) = (made("one"), made("other"));
        let (cert, key) = (one.cert.pem(), one.signing_key.serialize_pem());
        let both = format!("{cert}{key}");
        let parts = |ca: Option<&str>, cert: Option<&str>, key: Option<&str>| {
            pem_faults(ca.map(str::as_bytes), cert.map(str::as_bytes), key.map(str::as_bytes), key.is_some())
        };
        assert_eq!(parts(Some(&cert), Some(&cert), Some(&key)), []);
        assert_eq!(parts(None, Some(&both), None), []);
        assert_eq!(pem_faults(None, Some(cert.as_bytes()), None, true), [], "its key is elsewhere");
        assert_eq!(parts(None, None, Some(&key)), [], "the certificate may come from elsewhere");
        for (faults, part, words) in [
            (parts(Some(""), None, None), PemPart::Ca, "has no PEM CA certificate in it"),
            (parts(Some(&key), None, None), PemPart::Ca, "has no PEM CA certificate in it"),
            (parts(None, Some("nonsense"), Some(&key)), PemPart::Cert, "has no PEM client certificate in it"),
            (parts(None, Some(&cert), Some(&cert)), PemPart::Key, "has no usable private key"),
            (parts(None, Some(&cert), None), PemPart::Cert, "has no usable private key"),
            (
                parts(None, Some(&cert), Some(&other.signing_key.serialize_pem())),
                PemPart::Key,
                "cannot be used with the client certificate",
            ),
        ] {
            assert_eq!(faults.len(), 1, "{faults:?}");
            assert!(faults[0].0 == part && faults[0].1.contains(words), "{faults:?}");
        }
    }

    #[test]
    fn a_file_without_an_end_is_not_read_for_ever() {
        let error = Pem::File("/dev/zero".into()).authorities().unwrap_err();
        assert!(error.to_string().contains("it is larger than 1.0 MiB"), "{error}");
    }
}

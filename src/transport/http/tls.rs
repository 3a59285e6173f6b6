//! TLS: which certificates are trusted, the handshake, and what can be said of the server's certificate, also when
//! it is refused. Nothing here is touched for `http://` targets; the system's roots are read once per process.

use std::io;
use std::sync::{Arc, Mutex, PoisonError};

use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::client::{Resumption, WebPkiServerVerifier, verify_server_name};
use rustls::crypto::{CryptoProvider, verify_tls12_signature, verify_tls13_signature};
use rustls::pki_types::{CertificateDer, ServerName, UnixTime};
use rustls::server::ParsedCertificate;
use rustls::{CertificateError, ClientConfig, DigitallySignedStruct, Error, RootCertStore, SignatureScheme};
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::sync::OnceCell;
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;

use super::Unusable;
use super::pem::{Identity, Pem};
use super::stamped::{Stamped, Stamps};
use super::tls_words::{self, Refused};
use crate::event::Reason;
use crate::transport::{Certificate, Fault};

/// Whom to trust and who we are.
#[derive(Clone, Debug, Default)]
pub struct TlsSettings {
    /// Certificates to trust instead of the system's.
    pub ca: Option<Pem>,
    /// Our own certificate, with its chain.
    pub cert: Option<Pem>,
    /// Its key; where absent, the key is looked for in `cert`.
    pub key: Option<Pem>,
    /// The name to ask for and to expect instead of the URL's host.
    pub server_name: Option<String>,
    /// Accept any certificate. Loud in every output.
    pub insecure: bool,
}

impl TlsSettings {
    /// Whether a dial can be made of them.
    ///
    /// # Errors
    /// What of the user's files cannot be read or used.
    pub fn check(&self) -> Result<(), Unusable> {
        Tls::new(self).map(|_| ())
    }
}

impl TlsSettings {
    /// The same trust for connections that somebody else makes. Blocks where the system's roots are read.
    ///
    /// # Errors
    /// What cannot be read or used.
    pub fn borrowed(&self) -> Result<BorrowedTls, Unusable> {
        let tls = Tls::new(self)?;
        let unusable = |error: Error| Unusable(format!("TLS cannot be set up: {error}"));
        let trust = match (self.insecure, tls.roots.is_empty()) {
            (true, _) => Trust { verifier: None, words: "anybody" },
            (false, true) => load_roots().map_err(unusable)?,
            (false, false) => tls.given().map_err(|fault| Unusable(fault.message))?,
        };
        let witness = tls.witness(trust.verifier);
        let seen = Arc::clone(&witness.seen);
        let mut config = tls.config().map_err(unusable)?;
        config.dangerous().set_certificate_verifier(Arc::new(witness));
        config.alpn_protocols.clear();
        Ok(BorrowedTls { config, seen, trusted: trust.words })
    }
}

/// TLS for connections that somebody else makes, which are trusted, and refused, as our own.
pub struct BorrowedTls {
    /// The configuration.
    pub config: ClientConfig,
    seen: Arc<Mutex<Vec<CertificateDer<'static>>>>,
    trusted: &'static str,
}

impl BorrowedTls {
    /// Why the last handshake with this host was refused, and what to do; none where the error is none of TLS.
    #[must_use]
    pub fn refused(&self, host: &str, mut error: &io::Error) -> Option<String> {
        // Connectors of others wrap the error of the handshake once more.
        while let Some(inner) = error.get_ref().and_then(|inner| inner.downcast_ref()) {
            error = inner;
        }
        rustls_error(error)?;
        let chain = self.seen.lock().unwrap_or_else(PoisonError::into_inner).clone();
        let host = host.trim_start_matches('[').trim_end_matches(']');
        let name = ServerName::try_from(host.to_owned()).ok()?;
        Some(Refused { name: &name, chain: &chain, opening: &[], trusted: self.trusted }.explain(error))
    }
}

/// A verifier that remembers the chain it saw, so that a refusal can be explained.
#[derive(Debug)]
struct Witness {
    /// `None` accepts every chain.
    inner: Option<Arc<dyn ServerCertVerifier>>,
    /// Leaves that are trusted as they are: a self-signed certificate that is marked as a CA, which is what
    /// `openssl req -x509` makes, is no end entity to webpki even where the user trusts it by name.
    pinned: Arc<[CertificateDer<'static>]>,
    provider: Arc<CryptoProvider>,
    seen: Arc<Mutex<Vec<CertificateDer<'static>>>>,
}

impl ServerCertVerifier for Witness {
    fn verify_server_cert(
        &self,
        end_entity: &CertificateDer<'_>,
        intermediates: &[CertificateDer<'_>],
        server_name: &ServerName<'_>,
        ocsp_response: &[u8],
        now: UnixTime,
    ) -> Result<ServerCertVerified, Error> {
        let chain = std::iter::once(end_entity).chain(intermediates).map(|der| der.clone().into_owned()).collect();
        *self.seen.lock().unwrap_or_else(PoisonError::into_inner) = chain;
        let Some(inner) = &self.inner else { return Ok(ServerCertVerified::assertion()) };
        match inner.verify_server_cert(end_entity, intermediates, server_name, ocsp_response, now) {
            Err(Error::InvalidCertificate(CertificateError::Other(_)))
                if self.pinned.iter().any(|trusted| trusted == end_entity) =>
            {
                tls_words::within_validity(end_entity, now)?;
                verify_server_name(&ParsedCertificate::try_from(end_entity)?, server_name)?;
                Ok(ServerCertVerified::assertion())
            }
            verdict => verdict,
        }
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        dss: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        verify_tls12_signature(message, cert, dss, &self.provider.signature_verification_algorithms)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        dss: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        verify_tls13_signature(message, cert, dss, &self.provider.signature_verification_algorithms)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.provider.signature_verification_algorithms.supported_schemes()
    }
}

/// The one place that names the crypto provider. ring, because the first random byte of aws-lc costs 20 ms of a
/// handshake that is measured here.
pub(super) fn provider() -> Arc<CryptoProvider> {
    Arc::new(rustls::crypto::ring::default_provider())
}

/// Who is trusted, and what messages call them.
#[derive(Clone)]
struct Trust {
    /// `None` trusts everybody.
    verifier: Option<Arc<dyn ServerCertVerifier>>,
    words: &'static str,
}

fn load_roots() -> Result<Trust, Error> {
    if let Ok(verifier) = rustls_platform_verifier::Verifier::new(provider()) {
        return Ok(Trust { verifier: Some(Arc::new(verifier)), words: "any CA this system trusts" });
    }
    // A container without ca-certificates still gets the roots that browsers carry.
    let bundled = webpki_root_certs::TLS_SERVER_ROOT_CERTS.iter().cloned();
    let verifier = rustls_platform_verifier::Verifier::new_with_extra_roots(bundled, provider())?;
    let words = "any CA of the list inside mcp-probe (this system has none of its own)";
    Ok(Trust { verifier: Some(Arc::new(verifier)), words })
}

/// Reading the system's roots takes milliseconds and opens files: once per process, off the reactor.
async fn system_roots() -> Result<Trust, Fault> {
    static ROOTS: OnceCell<Trust> = OnceCell::const_new();
    let failed = |why: String| Fault::new(Reason::Internal, format!("cannot load root certificates: {why}"));
    ROOTS
        .get_or_try_init(|| async {
            match tokio::task::spawn_blocking(load_roots).await {
                Ok(loaded) => loaded.map_err(|error| failed(error.to_string())),
                Err(error) => Err(failed(error.to_string())),
            }
        })
        .await
        .cloned()
}

/// A handshake that went well.
pub(super) struct Secured<S> {
    pub(super) stream: TlsStream<Stamped<S>>,
    pub(super) h2: bool,
    pub(super) certificate: Option<Certificate>,
}

struct Ready {
    config: ClientConfig,
    trust: Trust,
}

/// The TLS side of one target.
pub(super) struct Tls {
    provider: Arc<CryptoProvider>,
    roots: Arc<[CertificateDer<'static>]>,
    identity: Option<Identity>,
    server_name: Option<ServerName<'static>>,
    insecure: bool,
    ready: OnceCell<Ready>,
}

impl Tls {
    /// Reads the user's files, so that their mistakes show before anything is connected.
    pub(super) fn new(settings: &TlsSettings) -> Result<Self, Unusable> {
        let provider = provider();
        let roots = settings.ca.as_ref().map_or(Ok(Vec::new()), Pem::authorities)?;
        let identity = match (&settings.cert, &settings.key) {
            (None, None) => None,
            (None, Some(_)) => return Err(Unusable("a client key needs its certificate too".into())),
            (Some(cert), key) => Some(cert.identity(key.as_ref(), &provider)?),
        };
        let server_name = settings
            .server_name
            .as_ref()
            .map(|name| ServerName::try_from(name.clone()).map_err(|_| Unusable(format!("no host name: {name:?}"))))
            .transpose()?;
        Ok(Self {
            provider,
            roots: roots.into(),
            identity,
            server_name,
            insecure: settings.insecure,
            ready: OnceCell::new(),
        })
    }

    pub(super) fn insecure(&self) -> bool {
        self.insecure
    }

    /// Loads what the first handshake needs, outside of the time that the handshake is given.
    pub(super) async fn prepare(&self) -> Result<(), Fault> {
        self.ready().await.map(|_| ())
    }

    async fn ready(&self) -> Result<&Ready, Fault> {
        self.ready
            .get_or_try_init(|| async {
                let trust = self.trust().await?;
                let config = self.config().map_err(|error| {
                    Fault::new(Reason::Internal, format!("cannot set up TLS with these certificates: {error}"))
                })?;
                Ok(Ready { config, trust })
            })
            .await
    }

    async fn trust(&self) -> Result<Trust, Fault> {
        if self.insecure {
            return Ok(Trust { verifier: None, words: "anybody" });
        }
        if self.roots.is_empty() { system_roots().await } else { self.given() }
    }

    /// Trusts the certificates given, and nobody else.
    fn given(&self) -> Result<Trust, Fault> {
        let mut store = RootCertStore::empty();
        let (added, _) = store.add_parsable_certificates(self.roots.iter().cloned());
        if added == 0 {
            return Err(Fault::new(Reason::Tls, "none of the CA certificates given can be used"));
        }
        match WebPkiServerVerifier::builder_with_provider(Arc::new(store), Arc::clone(&self.provider)).build() {
            Ok(verifier) => Ok(Trust { verifier: Some(verifier), words: "the CA certificate given" }),
            Err(error) => Err(Fault::new(Reason::Tls, format!("the CA certificates given cannot be used: {error}"))),
        }
    }

    fn config(&self) -> Result<ClientConfig, Error> {
        let witness = self.witness(None);
        let builder = ClientConfig::builder_with_provider(Arc::clone(&self.provider))
            .with_safe_default_protocol_versions()?
            .dangerous()
            .with_custom_certificate_verifier(Arc::new(witness));
        let mut config = match &self.identity {
            Some((chain, key)) => builder.with_client_auth_cert(chain.clone(), key.clone_key())?,
            None => builder.with_no_client_auth(),
        };
        config.alpn_protocols = vec![b"h2".to_vec(), b"http/1.1".to_vec()];
        // Every handshake is a full one: the `tls` phase of one run can be compared with that of the next.
        config.resumption = Resumption::disabled();
        Ok(config)
    }

    fn witness(&self, inner: Option<Arc<dyn ServerCertVerifier>>) -> Witness {
        Witness { inner, pinned: Arc::clone(&self.roots), provider: Arc::clone(&self.provider), seen: Arc::default() }
    }

    /// Makes the handshake; `host` is the URL's, without brackets.
    pub(super) async fn handshake<S>(&self, host: &str, stream: S) -> Result<Secured<S>, Fault>
    where
        S: AsyncRead + AsyncWrite + Unpin,
    {
        let ready = self.ready().await?;
        let name = match &self.server_name {
            Some(name) => name.clone(),
            None => ServerName::try_from(host.to_owned())
                .map_err(|_| Fault::new(Reason::Tls, format!("{host:?} is no name a certificate can be for")))?,
        };
        let witness = self.witness(ready.trust.verifier.clone());
        let seen = Arc::clone(&witness.seen);
        let mut config = ready.config.clone();
        config.dangerous().set_certificate_verifier(Arc::new(witness));
        let stamps = Arc::new(Stamps::default());
        let connector = TlsConnector::from(Arc::new(config));
        let outcome = connector.connect(name.clone(), Stamped::new(stream, Arc::clone(&stamps))).await;
        let chain = std::mem::take(&mut *seen.lock().unwrap_or_else(PoisonError::into_inner));
        match outcome {
            Ok(stream) => {
                let h2 = stream.get_ref().1.alpn_protocol() == Some(b"h2");
                Ok(Secured { stream, h2, certificate: tls_words::certificate(&chain) })
            }
            Err(error) => {
                let refused =
                    Refused { name: &name, chain: &chain, opening: &stamps.opening(), trusted: ready.trust.words };
                Err(Fault::new(Reason::Tls, refused.explain(&error)))
            }
        }
    }
}

/// The TLS error inside an I/O error, where there is one.
pub(super) fn rustls_error(error: &io::Error) -> Option<&Error> {
    error.get_ref().and_then(|inner| inner.downcast_ref::<Error>())
}

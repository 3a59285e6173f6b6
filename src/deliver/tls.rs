//! Whom receivers are trusted by: the system's roots, or the files of one receiver, which may want to know who we are.

use std::path::Path;
use std::sync::Arc;

use rustls::crypto::CryptoProvider;
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::{ClientConfig, RootCertStore};

use super::TlsFiles;

/// A configuration. `trusting` says whether any certificate will have to be judged; `alpn` is what we offer to speak.
pub(super) async fn config(
    trusting: bool,
    files: Option<Arc<TlsFiles>>,
    alpn: &[&[u8]],
) -> Result<ClientConfig, String> {
    let alpn: Vec<Vec<u8>> = alpn.iter().map(|protocol| protocol.to_vec()).collect();
    // Reading the system's roots, or a file, takes its time.
    let built = tokio::task::spawn_blocking(move || match files {
        Some(files) => of_files(&files),
        None => shared(trusting).map_err(|error| error.to_string()),
    });
    let mut config = built.await.map_err(|error| error.to_string())??;
    config.alpn_protocols = alpn;
    Ok(config)
}

/// ring, as everywhere: no other provider is in this build.
fn provider() -> Arc<CryptoProvider> {
    Arc::new(rustls::crypto::ring::default_provider())
}

fn shared(trusting: bool) -> Result<ClientConfig, rustls::Error> {
    let provider = provider();
    let builder = ClientConfig::builder_with_provider(Arc::clone(&provider)).with_safe_default_protocol_versions()?;
    Ok(if trusting {
        let verifier = Arc::new(verifier(provider)?);
        builder.dangerous().with_custom_certificate_verifier(verifier).with_no_client_auth()
    } else {
        builder.with_root_certificates(RootCertStore::empty()).with_no_client_auth()
    })
}

/// The roots of the system; a container without any still has those that browsers carry.
fn verifier(provider: Arc<CryptoProvider>) -> Result<rustls_platform_verifier::Verifier, rustls::Error> {
    rustls_platform_verifier::Verifier::new(Arc::clone(&provider)).or_else(|_| {
        let bundled = webpki_root_certs::TLS_SERVER_ROOT_CERTS.iter().cloned();
        rustls_platform_verifier::Verifier::new_with_extra_roots(bundled, provider)
    })
}

fn of_files(files: &TlsFiles) -> Result<ClientConfig, String> {
    let provider = provider();
    let builder = ClientConfig::builder_with_provider(Arc::clone(&provider));
    let builder = builder.with_safe_default_protocol_versions().map_err(|error| error.to_string())?;
    let builder = match &files.ca {
        Some(path) => {
            let mut roots = RootCertStore::empty();
            for certificate in certificates(path)? {
                let refused = |error| format!("{} holds what is no certificate to trust: {error}", path.display());
                roots.add(certificate).map_err(refused)?;
            }
            builder.with_root_certificates(roots)
        }
        None => {
            let verifier = Arc::new(verifier(provider).map_err(|error| error.to_string())?);
            builder.dangerous().with_custom_certificate_verifier(verifier)
        }
    };
    match (&files.cert, &files.key) {
        (Some(cert), Some(key)) => {
            let unreadable = |error| format!("no key can be read from {}: {error}", key.display());
            let read = PrivateKeyDer::from_pem_file(key).map_err(unreadable)?;
            let refused = |error| format!("{} and {} do not belong together: {error}", cert.display(), key.display());
            builder.with_client_auth_cert(certificates(cert)?, read).map_err(refused)
        }
        (None, None) => Ok(builder.with_no_client_auth()),
        _ => Err("a client certificate and its key belong together".to_owned()),
    }
}

fn certificates(path: &Path) -> Result<Vec<CertificateDer<'static>>, String> {
    let unreadable = |error: rustls::pki_types::pem::Error| format!("{} cannot be read: {error}", path.display());
    let read: Result<Vec<_>, _> = CertificateDer::pem_file_iter(path).map_err(unreadable)?.collect();
    let read = read.map_err(unreadable)?;
    if read.is_empty() { Err(format!("{} holds no certificate", path.display())) } else { Ok(read) }
}

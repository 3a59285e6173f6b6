//! For tests: servers that write bytes by hand on a port of the system's choice, and links to them.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use bytes::Bytes;
use rcgen::{BasicConstraints, CertificateParams, CertifiedIssuer, DnType, IsCa, KeyPair};
use rustls::ServerConfig;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpListener;
use tokio_rustls::TlsAcceptor;
use tokio_util::sync::CancellationToken;
use tokio_util::task::AbortOnDropHandle;
use url::Url;

use super::connector::Stream;
use super::{HttpDial, HttpSettings, ProxyChoice};
use crate::event::TransportKind;
use crate::transport::{Dial, Fault, Heard, Intent, Key, Link, Outgoing, What};

pub(in crate::transport) const REPLY: &str = r#"{"jsonrpc":"2.0","id":1,"result":{"ok":true}}"#;
/// Longer than anything here takes; reaching it is a failure, not a wait.
const PATIENCE: Duration = Duration::from_secs(20);

/// One accepted connection.
pub(in crate::transport) struct Conn {
    pub(super) stream: Box<dyn Stream>,
    seen: Arc<Mutex<Vec<String>>>,
}

impl Conn {
    /// Reads one request with its body; `None` when the client has gone.
    pub(in crate::transport) async fn request(&mut self) -> Option<String> {
        let mut text = Vec::new();
        while !text.ends_with(b"\r\n\r\n") {
            text.push(self.stream.read_u8().await.ok()?);
        }
        let head = String::from_utf8_lossy(&text).to_lowercase();
        let length = head
            .split("content-length: ")
            .nth(1)
            .map_or(0, |rest| rest.split("\r\n").next().unwrap().parse::<usize>().unwrap());
        let mut body = vec![0; length];
        self.stream.read_exact(&mut body).await.ok()?;
        text.extend_from_slice(&body);
        let text = String::from_utf8_lossy(&text).into_owned();
        self.seen.lock().unwrap().push(text.clone());
        Some(text)
    }

    /// Reads the first byte of what comes, and no more.
    pub(in crate::transport) async fn begun(&mut self) {
        let _ = self.stream.read_u8().await;
    }

    pub(in crate::transport) async fn write(&mut self, bytes: impl AsRef<[u8]>) {
        let _ = self.stream.write_all(bytes.as_ref()).await;
        let _ = self.stream.flush().await;
    }

    pub(in crate::transport) async fn json(&mut self, status: &str, body: &str) {
        self.write(answer(status, "Content-Type: application/json\r\n", body)).await;
    }

    /// Waits until the client has closed its side.
    pub(in crate::transport) async fn gone(&mut self) {
        let mut byte = [0];
        while matches!(self.stream.read(&mut byte).await, Ok(1..)) {}
    }
}

/// A whole answer.
pub(in crate::transport) fn answer(status: &str, headers: &str, body: &str) -> String {
    format!("HTTP/1.1 {status}\r\n{headers}Content-Length: {}\r\n\r\n{body}", body.len())
}

/// A server.
pub(in crate::transport) struct Server {
    pub(in crate::transport) port: u16,
    seen: Arc<Mutex<Vec<String>>>,
    connections: Arc<Mutex<usize>>,
    _task: AbortOnDropHandle<()>,
}

impl Server {
    /// Serves plain connections; the handler gets the number of the connection, from 0.
    pub(in crate::transport) async fn plain<F, R>(handler: F) -> Self
    where
        F: Fn(usize, Conn) -> R + Send + Sync + 'static,
        R: Future<Output = ()> + Send + 'static,
    {
        Self::start("127.0.0.1:0", None, handler).await
    }

    #[expect(clippy::disallowed_methods, reason = "the handle ends the task when it is dropped")]
    pub(in crate::transport) async fn start<F, R>(address: &str, tls: Option<Arc<ServerConfig>>, handler: F) -> Self
    where
        F: Fn(usize, Conn) -> R + Send + Sync + 'static,
        R: Future<Output = ()> + Send + 'static,
    {
        let listener = TcpListener::bind(address).await.unwrap();
        let port = listener.local_addr().unwrap().port();
        let (seen, connections) = (Arc::new(Mutex::new(Vec::new())), Arc::new(Mutex::new(0)));
        let (told, counted) = (Arc::clone(&seen), Arc::clone(&connections));
        let handler = Arc::new(handler);
        let task = AbortOnDropHandle::new(tokio::spawn(async move {
            let mut running = tokio::task::JoinSet::new();
            for number in 0.. {
                let (stream, _) = listener.accept().await.unwrap();
                stream.set_nodelay(true).unwrap();
                *counted.lock().unwrap() += 1;
                let (seen, tls, handler) = (Arc::clone(&told), tls.clone(), Arc::clone(&handler));
                running.spawn(async move {
                    let stream: Box<dyn Stream> = match tls {
                        None => Box::new(stream),
                        Some(config) => match TlsAcceptor::from(config).accept(stream).await {
                            Ok(stream) => Box::new(stream),
                            Err(_) => return,
                        },
                    };
                    handler(number, Conn { stream, seen }).await;
                });
            }
        }));
        Self { port, seen, connections, _task: task }
    }

    pub(in crate::transport) fn url(&self) -> String {
        format!("http://127.0.0.1:{}/mcp", self.port)
    }

    /// Every request so far.
    pub(in crate::transport) fn seen(&self) -> Vec<String> {
        self.seen.lock().unwrap().clone()
    }

    pub(in crate::transport) fn connections(&self) -> usize {
        *self.connections.lock().unwrap()
    }
}

/// Answers every request of every connection with the same bytes.
pub(in crate::transport) async fn always(bytes: impl Into<Vec<u8>>) -> Server {
    let bytes: Arc<[u8]> = bytes.into().into();
    Server::plain(move |_, mut conn| {
        let bytes = Arc::clone(&bytes);
        async move {
            while conn.request().await.is_some() {
                conn.write(&bytes).await;
            }
        }
    })
    .await
}

/// Answers the first request with these bytes and closes.
pub(in crate::transport) async fn once(bytes: impl Into<Vec<u8>>) -> Server {
    let bytes: Arc<[u8]> = bytes.into().into();
    Server::plain(move |_, mut conn| {
        let bytes = Arc::clone(&bytes);
        async move {
            conn.request().await;
            conn.write(&bytes).await;
        }
    })
    .await
}

pub(in crate::transport) fn settings(url: &str) -> HttpSettings {
    HttpSettings { url_as_written: url.into(), proxy: ProxyChoice::None, ..HttpSettings::new(Url::parse(url).unwrap()) }
}

pub(in crate::transport) async fn open_with(
    settings: &HttpSettings,
    transport: TransportKind,
) -> Result<Box<dyn Link>, Fault> {
    let dial = HttpDial::new(settings).unwrap();
    let opening = dial.open(transport, CancellationToken::new());
    tokio::time::timeout(PATIENCE, opening).await.expect("opening takes too long")
}

pub(in crate::transport) async fn open(url: &str) -> Box<dyn Link> {
    open_with(&settings(url), TransportKind::StreamableHttp).await.unwrap()
}

pub(in crate::transport) fn request(key: Key) -> Outgoing {
    let body = Bytes::from_static(br#"{"jsonrpc":"2.0","id":1,"method":"ping"}"#);
    Outgoing { key, intent: Intent::Request, body, headers: Vec::new(), repeatable: true }
}

pub(in crate::transport) async fn next(link: &mut Box<dyn Link>) -> Heard {
    tokio::time::timeout(PATIENCE, link.recv()).await.expect("nothing is heard")
}

/// Sends and collects until the end of the exchange.
pub(in crate::transport) async fn exchange(link: &mut Box<dyn Link>, outgoing: Outgoing) -> Vec<What> {
    let key = outgoing.key;
    if let Err(fault) = link.send(outgoing).await {
        return vec![What::Fault(fault)];
    }
    let mut all = Vec::new();
    loop {
        let heard = next(link).await;
        assert_eq!(heard.key, Some(key));
        assert!(heard.first_byte <= heard.at, "{heard:?}");
        let last = matches!(heard.what, What::End | What::Fault(_));
        all.push(heard.what);
        if last {
            return all;
        }
    }
}

/// In short: `200`, `frame`, `cursor 1`, `noise …`, `end`, `closed: …`.
pub(in crate::transport) fn words(all: &[What]) -> Vec<String> {
    all.iter()
        .map(|what| match what {
            What::Head(head) => head.status.to_string(),
            What::Frame(frame) => match &frame.parsed {
                Ok(_) => "frame".into(),
                Err(why) => format!("bad frame: {why}"),
            },
            What::Cursor { id, .. } => format!("cursor {}", id.as_deref().unwrap_or("-")),
            What::Noise(noise) => format!("noise {}", noise.len()),
            What::End => "end".into(),
            What::Fault(fault) => format!("{}: {}", fault.reason, fault.message),
        })
        .collect()
}

pub(in crate::transport) async fn one_fault(link: &mut Box<dyn Link>) -> Fault {
    match exchange(link, request(1)).await.pop() {
        Some(What::Fault(fault)) => fault,
        other => panic!("expected a fault, got {other:?}"),
    }
}

/// A certificate authority of our own.
pub(in crate::transport) struct Authority(CertifiedIssuer<'static, KeyPair>);

impl Authority {
    pub(in crate::transport) fn new() -> Self {
        let mut params = CertificateParams::new(Vec::<String>::new()).unwrap();
        params.distinguished_name.push(DnType::CommonName, "Test Authority");
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        Self(CertifiedIssuer::self_signed(params, KeyPair::generate().unwrap()).unwrap())
    }

    pub(in crate::transport) fn pem(&self) -> Vec<u8> {
        self.0.pem().into_bytes()
    }

    pub(in crate::transport) fn der(&self) -> CertificateDer<'static> {
        self.0.der().clone()
    }

    /// A leaf for these names: certificate and key in PEM, and in DER.
    pub(in crate::transport) fn leaf(&self, names: &[&str], change: impl FnOnce(&mut CertificateParams)) -> Leaf {
        let names: Vec<String> = names.iter().map(ToString::to_string).collect();
        let mut params = CertificateParams::new(names).unwrap();
        params.distinguished_name.push(DnType::CommonName, "leaf.test");
        change(&mut params);
        let key = KeyPair::generate().unwrap();
        let certificate = params.signed_by(&key, &self.0).unwrap();
        Leaf { cert: certificate.pem(), der: certificate.der().clone(), key }
    }
}

pub(in crate::transport) struct Leaf {
    pub(in crate::transport) cert: String,
    der: CertificateDer<'static>,
    pub(in crate::transport) key: KeyPair,
}

impl Leaf {
    pub(in crate::transport) fn server_config(&self, clients: Option<&Authority>, alpn: &[&str]) -> Arc<ServerConfig> {
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        let builder = ServerConfig::builder_with_provider(Arc::clone(&provider)).with_safe_default_protocol_versions();
        let builder = builder.unwrap();
        let builder = match clients {
            None => builder.with_no_client_auth(),
            Some(authority) => {
                let mut roots = rustls::RootCertStore::empty();
                roots.add(authority.der()).unwrap();
                let verifier = rustls::server::WebPkiClientVerifier::builder_with_provider(Arc::new(roots), provider);
                builder.with_client_cert_verifier(verifier.build().unwrap())
            }
        };
        let key = PrivateKeyDer::try_from(self.key.serialize_der()).unwrap();
        let mut config = builder.with_single_cert(vec![self.der.clone()], key).unwrap();
        config.alpn_protocols = alpn.iter().map(|name| name.as_bytes().to_vec()).collect();
        Arc::new(config)
    }
}

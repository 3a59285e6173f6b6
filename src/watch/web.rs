//! What the daemon shows over HTTP: pages, metrics, probing on request, status, health, reload. Strangers are kept out
//! (`gate`, `web_config`), connections are few and short, and what takes time is done beside the loop that probes.

pub mod answers;
pub mod crowd;
pub mod gate;
pub mod kept;
pub mod page;
pub mod past;
pub mod renewal;
pub mod target_page;
pub mod web_config;

use std::io;
use std::net::SocketAddr;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use hyper::server::conn::http1;
use hyper::service::{Service as _, service_fn};
use hyper_util::rt::{TokioIo, TokioTimer};
use hyper_util::service::TowerToHyperService;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::{TcpListener, TcpStream};
use tokio_rustls::TlsAcceptor;
use tokio_rustls::server::TlsStream;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use crowd::{Crowd, Guest};
pub use kept::Kept;
pub use past::Past;
use renewal::Tls;
pub use web_config::Protection;

use super::board::{Board, Control};
use crate::base::secret::Masker;
use crate::event::{EventKind, Level, Note, Publisher};
use crate::metrics::Shared;

/// Connections at the same time; one more, and the oldest that asks for nothing goes.
const CONNECTIONS_MAX: usize = 128;
/// How long a client may take to send its headers, between requests too.
const HEADERS_WITHIN: Duration = Duration::from_secs(10);
/// How long a TLS handshake may take.
const TLS_WITHIN: Duration = Duration::from_secs(10);
/// After this a connection is asked to end, and after as long again as `LAST_WORD` it is cut.
const CONNECTION_LASTS: Duration = Duration::from_secs(300);
/// What a connection gets to end.
const LAST_WORD: Duration = Duration::from_secs(5);
/// Bytes of the headers of a request.
const HEADERS_MAX: usize = 32 * 1024;

/// What the listener is to do.
#[derive(Default)]
pub struct WebConfig {
    /// Names that may stand in `Host` beside the listener's own (`--allow-host`), with or without a port.
    pub allow_hosts: Vec<String>,
    /// Certificates and passwords (`--web-config`).
    pub protection: Protection,
    /// What must not be shown.
    pub masker: Masker,
    /// Who is told of certificates that were renewed.
    pub log: Option<Publisher>,
}

impl WebConfig {
    /// With the files that were named.
    ///
    /// # Errors
    /// A sentence about what cannot be used.
    pub fn load(web_config: Option<&Path>, allow_hosts: Vec<String>, masker: Masker) -> Result<Self, String> {
        let protection = web_config.map(Protection::load).transpose()?.unwrap_or_default();
        Ok(Self { allow_hosts, protection, masker, log: None })
    }
}

/// What the answers are made from.
pub struct Facts {
    /// The newest facts.
    pub board: Board,
    /// What can be asked of the daemon.
    pub control: Arc<dyn Control>,
    /// What was, where that is kept.
    pub past: Option<Arc<dyn Past>>,
    /// The figures.
    pub metrics: Shared,
}

/// Where a connection came in.
#[derive(Clone, Copy, Debug)]
pub struct Arrived {
    /// At this address of ours.
    pub local: SocketAddr,
    /// Over TLS.
    pub secure: bool,
}

/// Answers until it is cancelled; then what is under way gets some seconds to end.
///
/// # Errors
/// When the listener has no address.
pub async fn serve(
    listener: TcpListener,
    config: WebConfig,
    facts: Facts,
    cancel: CancellationToken,
) -> io::Result<()> {
    let listening = listener.local_addr()?;
    let tls = config.protection.tls.clone().map(|tls| Secured { tls, log: config.log.clone() });
    let router = answers::router(config, facts, listening);
    let crowd = Crowd::new(CONNECTIONS_MAX);
    let tasks = TaskTracker::new();
    loop {
        let accepted = tokio::select! {
            () = cancel.cancelled() => break,
            accepted = listener.accept() => accepted,
        };
        let Ok((stream, _)) = accepted else {
            // Out of descriptors, most likely: the ones in use will be given back.
            tokio::time::sleep(Duration::from_millis(50)).await;
            continue;
        };
        // All of them have a request under way: they are short, and this one may come again.
        let Some(guest) = crowd.enter() else { continue };
        let _ = stream.set_nodelay(true);
        let (tls, router, cancel) = (tls.clone(), router.clone(), cancel.clone());
        tasks.spawn(async move {
            tokio::select! {
                () = guest.sent_away() => {}
                () = connection(stream, tls, router, &guest, cancel) => {}
            }
        });
    }
    tasks.close();
    let _ = tokio::time::timeout(LAST_WORD + Duration::from_secs(1), tasks.wait()).await;
    Ok(())
}

/// Connections over TLS.
#[derive(Clone)]
struct Secured {
    tls: Arc<Tls>,
    log: Option<Publisher>,
}

impl Secured {
    /// A connection, once hands are shaken, by the certificates that there are now.
    async fn accept(self, stream: TcpStream) -> Option<TlsStream<TcpStream>> {
        let Self { tls, log } = self;
        let (config, read) = match tls.known() {
            Some(config) => (config, None),
            None => tokio::task::spawn_blocking(move || tls.look()).await.ok()?,
        };
        if let (Some(read), Some(log)) = (read, log) {
            let (level, message) = match read {
                Ok(()) => (Level::Info, "the certificates of the page have changed, and were read again".to_owned()),
                Err(why) => (
                    Level::Error,
                    format!("the certificates of the page have changed; those of before are used: {why}"),
                ),
            };
            log.publish(EventKind::Noted(Note { level, topic: "watch", message, target: None }));
        }
        TlsAcceptor::from(config).accept(stream).await.ok()
    }
}

async fn connection(
    stream: TcpStream,
    tls: Option<Secured>,
    router: axum::Router,
    guest: &Guest,
    cancel: CancellationToken,
) {
    let Ok(local) = stream.local_addr() else { return };
    let arrived = Arrived { local, secure: tls.is_some() };
    match tls {
        None => talk(stream, arrived, router, guest, cancel).await,
        Some(tls) => {
            if let Ok(Some(stream)) = tokio::time::timeout(TLS_WITHIN, tls.accept(stream)).await {
                talk(stream, arrived, router, guest, cancel).await;
            }
        }
    }
}

async fn talk(
    stream: impl AsyncRead + AsyncWrite + Unpin + Send + 'static,
    arrived: Arrived,
    router: axum::Router,
    guest: &Guest,
    cancel: CancellationToken,
) {
    let pages = TowerToHyperService::new(router.layer(axum::Extension(arrived)));
    let service = service_fn(|request| {
        let (under_way, answer) = (guest.asks(), pages.call(request));
        async move {
            let _under_way = under_way;
            answer.await
        }
    });
    let mut http = http1::Builder::new();
    http.timer(TokioTimer::new()).header_read_timeout(HEADERS_WITHIN).max_buf_size(HEADERS_MAX);
    let talking = http.serve_connection(TokioIo::new(stream), service);
    tokio::pin!(talking);
    tokio::select! {
        _ = &mut talking => return,
        () = cancel.cancelled() => {}
        () = tokio::time::sleep(CONNECTION_LASTS) => {}
    }
    talking.as_mut().graceful_shutdown();
    // Who reads slower than that is not waited for.
    let _ = tokio::time::timeout(LAST_WORD, talking).await;
}

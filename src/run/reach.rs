//! From a target of the plan to something that can be opened: the dial with its settings, and the program that a target
//! wants started for the time of the run.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::Mutex;

use super::Context;
use super::serve::Served;
use crate::event::{Cause, Finding, Reason, TransportKind};
use crate::lock::Locked;
use crate::plan::{Endpoint, Inherit, Resolve, Target, TransportChoice};
use crate::protocol::Pin;
use crate::transport::Dial;
use crate::transport::child;

use crate::transport::http::{Addresses, HttpDial, HttpSettings, Pem, TlsSettings, parse_endpoint};
use crate::transport::stdio::{LINE_BYTES_MAX, StdioDial, StdioSettings};

/// A target, ready to be opened.
#[derive(Clone)]
pub struct Reach {
    /// Its name; a URL or a command where it has none.
    pub name: String,
    /// Opens links to it.
    pub dial: Arc<dyn Dial>,
    /// What to speak.
    pub pin: Pin,
    /// For spawn or connect, detection and handshake together.
    pub startup_timeout: Duration,
    /// Whether the server is told which trace a request is part of, where the target says so.
    pub traceparent: Option<bool>,
    /// What its definitions are compared with.
    pub locked: Option<Arc<Locked>>,
}

/// The targets of a run and the programs that were started for them. Each is started once, however many probes use it.
#[derive(Default)]
pub struct Stage {
    served: Mutex<HashMap<String, Slot>>,
}

/// The program of one target. It has a lock of its own: a slow one holds up only those who want it.
type Slot = Arc<Mutex<Option<Served>>>;

impl Stage {
    /// Makes a target ready, starting its program where it wants one.
    ///
    /// # Errors
    /// The cause for the outcome of every probe of this target.
    pub async fn reach(&self, cx: &Context, target: &Target) -> Result<Reach, Cause> {
        let Some(argv) = &target.start else { return reach(cx, target, None) };
        let slot = Arc::clone(self.served.lock().await.entry(target.name.to_string()).or_default());
        let mut served = slot.lock().await;
        if !served.as_ref().is_some_and(Served::is_running) {
            // What is left of one that ended goes before the next one comes.
            if let Some(ended) = served.take() {
                ended.end(cx.grace).await;
            }
            *served = Some(cx.spaced(Served::start(cx, target, argv)).await?);
        }
        reach(cx, target, served.as_ref().map(Served::url))
    }

    /// Ends the program of one target; the next who wants it starts it anew. Whether there was one.
    pub async fn end(&self, target: &str, grace: Duration) -> bool {
        let slot = self.served.lock().await.get(target).cloned();
        let Some(slot) = slot else { return false };
        let served = slot.lock().await.take();
        match served {
            Some(served) => {
                served.end(grace).await;
                true
            }
            None => false,
        }
    }

    /// Ends every program that was started.
    pub async fn strike(self, grace: Duration) -> Vec<Finding> {
        let mut ends = Vec::new();
        for slot in self.served.into_inner().into_values() {
            ends.extend(slot.lock_owned().await.take().map(|served| served.end(grace)));
        }
        futures_util::future::join_all(ends).await.into_iter().flatten().collect()
    }
}

/// Makes a target ready that starts no program of its own. `url` takes the place of a URL whose port is 0.
///
/// # Errors
/// The settings cannot work; the sentence says why.
pub fn reach(cx: &Context, target: &Target, url: Option<&str>) -> Result<Reach, Cause> {
    let dial: Arc<dyn Dial> = match &target.endpoint {
        Endpoint::Command(argv) => Arc::new(StdioDial::new(stdio(cx, target, argv))),
        Endpoint::Url(written) => Arc::new(http(target, written, url)?),
    };
    Ok(Reach {
        name: target.name.to_string(),
        dial,
        pin: target.protocol,
        startup_timeout: target.startup_timeout,
        traceparent: target.traceparent,
        locked: target.locked.clone(),
    })
}

fn stdio(cx: &Context, target: &Target, argv: &[String]) -> StdioSettings {
    StdioSettings {
        argv: argv.to_vec(),
        env: target.env.iter().map(|(name, value)| (name.clone(), value.reveal().to_owned())).collect(),
        cwd: folder(target),
        inherit: inherit(target),
        line_bytes_max: LINE_BYTES_MAX,
        run_id: cx.publisher.run_id(),
        guard: cx.guard,
    }
}

/// Where a child of this target runs; where we are, if nothing is said.
#[must_use]
pub fn folder(target: &Target) -> Option<std::path::PathBuf> {
    let others = match &target.inherit_env {
        Inherit::Exactly { folder, .. } => folder.as_ref(),
        Inherit::All | Inherit::Minimal(_) => None,
    };
    target.cwd.as_ref().or(others).cloned()
}

/// What a child of this target inherits.
#[must_use]
pub fn inherit(target: &Target) -> child::Inherit {
    match &target.inherit_env {
        Inherit::All => child::Inherit::All { except: target.hidden_env.clone() },
        Inherit::Minimal(also) => child::Inherit::Minimal { also: also.clone() },
        Inherit::Exactly { names, path, .. } => {
            let hidden = |name: &&String| !target.hidden_env.contains(name);
            child::Inherit::Exactly { names: names.iter().filter(hidden).cloned().collect(), path: path.clone() }
        }
    }
}

/// The addresses that are connected to.
fn addresses(target: &Target) -> Addresses {
    match (&target.replica, &target.resolve) {
        (Some(replica), Resolve::These(_)) => Addresses::These(vec![replica.address]),
        (Some(replica), _) => Addresses::OneOf(replica.address),
        (None, Resolve::These(addresses)) => Addresses::These(addresses.clone()),
        (None, Resolve::One | Resolve::All) => Addresses::Resolved,
    }
}

fn http(target: &Target, written: &str, started: Option<&str>) -> Result<HttpDial, Cause> {
    let unusable = |why: String| Cause::new(Reason::Internal, format!("target {}: {why}", target.name));
    let (mut url, socket) = parse_endpoint(written).map_err(unusable)?;
    let mut as_written = written.to_owned();
    if let Some(started) = started.filter(|_| url.port() == Some(0)) {
        (url, _) = parse_endpoint(started).map_err(unusable)?;
        started.clone_into(&mut as_written);
    }
    let pem = |path: &Option<std::path::PathBuf>| path.clone().map(Pem::File);
    let settings = HttpSettings {
        socket,
        addresses: addresses(target),
        url_as_written: as_written,
        transports: match target.transport {
            TransportChoice::Auto => vec![TransportKind::StreamableHttp, TransportKind::Sse],
            TransportChoice::StreamableHttp => vec![TransportKind::StreamableHttp],
            TransportChoice::Sse => vec![TransportKind::Sse],
        },
        headers: target.headers.clone(),
        bearer: target.bearer.clone(),
        tls: TlsSettings {
            ca: pem(&target.tls.ca),
            cert: pem(&target.tls.cert),
            key: pem(&target.tls.key),
            server_name: target.tls.server_name.clone(),
            insecure: target.tls.insecure,
        },
        ..HttpSettings::new(url)
    };
    HttpDial::new(&settings).map_err(|why| {
        // The files could be used when the plan was made; that they no longer can says nothing of this program. Nor does what
        // somebody wrote into the environment.
        let reason = if settings.tls.check().is_err() {
            Reason::Tls
        } else if settings.proxy.check(&settings.url).is_err() {
            Reason::Connect
        } else {
            Reason::Internal
        };
        Cause::new(reason, format!("target {}: {why}", target.name))
    })
}

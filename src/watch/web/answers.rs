//! The routes: who may ask is judged first, then each answer is made from the board, the figures and the history.

use std::collections::HashMap;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::extract::{Path, Query, Request, State};
use axum::middleware::{self, Next};
use axum::response::{IntoResponse, Response};
use axum::routing::{get, post};
use http::header::{
    ACCEPT, AUTHORIZATION, CACHE_CONTROL, CONTENT_SECURITY_POLICY, CONTENT_TYPE, HeaderName, REFERRER_POLICY,
    WWW_AUTHENTICATE, X_CONTENT_TYPE_OPTIONS, X_FRAME_OPTIONS,
};
use http::{HeaderMap, HeaderValue, StatusCode};
use jiff::Timestamp;
use tokio::sync::Semaphore;

use super::page::{self, Wanted};
use super::web_config::Verdict;
use super::{Arrived, Facts, WebConfig, gate, target_page};
use crate::event::{Cause, ProbeOutcome, Reason};
use crate::metrics::{Format, Snapshot};
use crate::watch::board::{PairState, ProbeNow};
use crate::watch::status::Document;

/// No script but ours, nothing from elsewhere, in nobody's frame.
const POLICY: &str = "default-src 'none'; style-src 'self'; script-src 'self'; img-src 'self'; connect-src 'self'; \
                      form-action 'self'; base-uri 'none'; frame-ancestors 'none'";
/// Answers that are made at the same time: they take processor time from the probes.
const MADE_AT_ONCE: usize = 2;
/// How long a probe on request may take where the scraper does not say.
const PROBE_WITHIN: Duration = Duration::from_secs(120);
/// What is left of the scraper's time for the way back.
const WAY_BACK: Duration = Duration::from_millis(500);
const SCRAPE_TIMEOUT: HeaderName = HeaderName::from_static("x-prometheus-scrape-timeout-seconds");

/// What every answer may look at.
pub struct Site {
    config: WebConfig,
    facts: Facts,
    /// Whether strangers could reach it.
    exposed: bool,
    workers: Arc<Semaphore>,
    /// One password is compared at a time.
    passwords: Arc<Semaphore>,
}

type Shared = State<Arc<Site>>;

/// All routes behind the gate.
pub fn router(config: WebConfig, facts: Facts, listening: SocketAddr) -> Router {
    let exposed = !listening.ip().to_canonical().is_loopback();
    let site = Arc::new(Site {
        config,
        facts,
        exposed,
        workers: Arc::new(Semaphore::new(MADE_AT_ONCE)),
        passwords: Arc::new(Semaphore::new(1)),
    });
    Router::new()
        .route("/", get(fleet))
        .route("/target/{name}", get(target))
        .route("/metrics", get(metrics))
        .route("/probe", get(probe))
        .route("/api/v1/status", get(status))
        .route("/-/alive", get(alive))
        .route("/-/healthy", get(healthy))
        .route("/-/ready", get(ready))
        .route("/-/reload", post(reload).put(reload))
        .route("/assets/style.css", get(async || asset("text/css; charset=utf-8", include_str!("assets/style.css"))))
        .route("/assets/live.js", get(async || asset("text/javascript; charset=utf-8", include_str!("assets/live.js"))))
        .route("/favicon.ico", get(|| async { StatusCode::NO_CONTENT }))
        .fallback(|| async { plain(StatusCode::NOT_FOUND, "there is no such page\n") })
        .layer(middleware::from_fn_with_state(Arc::clone(&site), admit))
        .with_state(site)
}

/// Lets a request in, or says why not; either way the answer gets the headers that protect who reads it.
async fn admit(State(site): Shared, request: Request, next: Next) -> Response {
    let arrived = request.extensions().get::<Arrived>().copied();
    let refused = match arrived {
        Some(Arrived { local, secure }) => gate::refusal(request.headers(), local, secure, &site.config.allow_hosts),
        None => Some("the connection has no address"),
    };
    let mut response = if let Some(why) = refused {
        plain(StatusCode::FORBIDDEN, &format!("{why}\n"))
    } else if site.is_stranger(request.headers()).await {
        let mut response = plain(StatusCode::UNAUTHORIZED, "credentials are needed here\n");
        let challenge = HeaderValue::from_static(site.config.protection.challenge());
        response.headers_mut().insert(WWW_AUTHENTICATE, challenge);
        response
    } else {
        next.run(request).await
    };
    let headers = response.headers_mut();
    headers.insert(CONTENT_SECURITY_POLICY, HeaderValue::from_static(POLICY));
    headers.insert(X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff"));
    headers.insert(X_FRAME_OPTIONS, HeaderValue::from_static("DENY"));
    headers.insert(REFERRER_POLICY, HeaderValue::from_static("no-referrer"));
    headers.entry(CACHE_CONTROL).or_insert(HeaderValue::from_static("no-store"));
    for (name, value) in &site.config.protection.headers {
        headers.insert(name.clone(), value.clone());
    }
    response
}

impl Site {
    async fn is_stranger(self: &Arc<Self>, headers: &HeaderMap) -> bool {
        let said = headers.get(AUTHORIZATION).and_then(|value| value.to_str().ok());
        if let Some(verdict) = self.config.protection.judge_at_sight(said) {
            return verdict == Verdict::Stranger;
        }
        let (said, site) = (said.map(str::to_owned), Arc::clone(self));
        // Whoever leaves takes along its place in the queue, and the comparison that goes on keeps its own: threads that
        // strangers fill are missing where probes look names up.
        let Ok(turn) = Arc::clone(&self.passwords).acquire_owned().await else { return true };
        let judged = tokio::task::spawn_blocking(move || {
            let _turn = turn;
            site.config.protection.judge(said.as_deref())
        });
        judged.await.unwrap_or(Verdict::Stranger) == Verdict::Stranger
    }

    /// Makes an answer beside the loop that probes, so that a long page makes no probe look slow.
    async fn make(self: &Arc<Self>, how: impl FnOnce(&Self) -> Response + Send + 'static) -> Response {
        let place = Arc::clone(&self.workers).acquire_owned().await;
        let Ok(place) = place else { return went_wrong("nobody is here to make it") };
        let site = Arc::clone(self);
        // The place is that of the work, which goes on when whoever asked has left.
        let made = tokio::task::spawn_blocking(move || {
            let _place = place;
            how(&site)
        });
        match made.await {
            Ok(response) => response,
            Err(_) => went_wrong("this is a bug in mcp-probe"),
        }
    }

    /// Acting for somebody whom nobody knows would make the prober a tool of strangers.
    fn refuses_to_act(&self) -> Option<Response> {
        let is_open = self.exposed && !self.config.protection.knows_its_users();
        is_open.then(|| {
            let why = "on an address that is not loopback, this needs --web-config with users, tokens or client certificates\n";
            plain(StatusCode::FORBIDDEN, why)
        })
    }
}

fn plain(status: StatusCode, text: &str) -> Response {
    (status, [(CONTENT_TYPE, "text/plain; charset=utf-8")], text.to_owned()).into_response()
}

fn went_wrong(why: &str) -> Response {
    plain(StatusCode::INTERNAL_SERVER_ERROR, &format!("{why}\n"))
}

fn asset(kind: &'static str, text: &'static str) -> Response {
    ([(CONTENT_TYPE, kind), (CACHE_CONTROL, "no-cache")], text).into_response()
}

async fn fleet(State(site): Shared, Query(query): Query<HashMap<String, String>>) -> Response {
    let wanted = Wanted::of(&query);
    site.make(move |site| html(site, page::fleet(&site.facts, &wanted, Timestamp::now()))).await
}

async fn target(
    State(site): Shared,
    Path(name): Path<String>,
    Query(query): Query<HashMap<String, String>>,
) -> Response {
    let wanted = Wanted::of(&query);
    site.make(move |site| match target_page::target(&site.facts, &name, &wanted, Timestamp::now()) {
        Some(made) => html(site, made),
        None => plain(StatusCode::NOT_FOUND, "no target of this name is in the probe files\n"),
    })
    .await
}

fn html(site: &Site, made: Result<String, minijinja::Error>) -> Response {
    match made {
        Ok(text) => {
            let text = site.config.masker.mask(&text).into_owned();
            ([(CONTENT_TYPE, "text/html; charset=utf-8")], text).into_response()
        }
        Err(_) => went_wrong("the page cannot be made: this is a bug in mcp-probe"),
    }
}

async fn status(State(site): Shared, Query(query): Query<HashMap<String, String>>) -> Response {
    let without_probes = query.get("probes").is_some_and(|word| word == "no");
    site.make(move |site| {
        let (board, now) = (&site.facts.board, Timestamp::now());
        let document = if without_probes { Document::without_probes(board, now) } else { Document::of(board, now) };
        let Ok(mut document) = serde_json::to_value(document) else {
            return went_wrong("the document cannot be made: this is a bug in mcp-probe");
        };
        site.config.masker.mask_json(&mut document);
        ([(CONTENT_TYPE, "application/json")], format!("{document}\n")).into_response()
    })
    .await
}

async fn metrics(State(site): Shared, headers: HeaderMap) -> Response {
    let format = accepted(&headers);
    site.make(move |site| {
        let own = site.facts.board.operation().own();
        exposition(format, site.facts.metrics.snapshot(Timestamp::now(), own).text(format))
    })
    .await
}

fn accepted(headers: &HeaderMap) -> Format {
    Format::negotiate(headers.get(ACCEPT).and_then(|value| value.to_str().ok()))
}

fn exposition(format: Format, text: String) -> Response {
    ([(CONTENT_TYPE, format.content_type())], text).into_response()
}

async fn probe(State(site): Shared, Query(query): Query<HashMap<String, String>>, headers: HeaderMap) -> Response {
    if let Some(refusal) = site.refuses_to_act() {
        return refusal;
    }
    let pair = match named(&site, query.get("target"), query.get("module")) {
        Ok(pair) => pair,
        Err(why) => return plain(StatusCode::BAD_REQUEST, &format!("{why}\n")),
    };
    let limit = match limit(&headers) {
        Ok(limit) => limit,
        Err(why) => return plain(StatusCode::BAD_REQUEST, &format!("{why}\n")),
    };
    let found = site.facts.control.probe_now(&pair.probe, &pair.target, limit).await;
    let outcome = match found {
        Ok(outcome) => outcome,
        Err(ProbeNow::Unknown) => {
            return plain(StatusCode::BAD_REQUEST, "no such probe of no such target is in the probe files\n");
        }
        Err(ProbeNow::Busy) => {
            not_run(&pair, "it runs already, or as much runs as may at once: there was no turn for it in time")
        }
        Err(ProbeNow::Refused) => not_run(&pair, "nobody agreed to it, or the daemon is ending"),
    };
    let format = accepted(&headers);
    let timeout = if pair.timeout.is_zero() { limit } else { pair.timeout.min(limit) };
    exposition(format, Snapshot::of_one_run(&outcome, timeout).text(format))
}

fn not_run(pair: &PairState, why: &str) -> ProbeOutcome {
    ProbeOutcome::not_run(&pair.probe, &pair.target, &pair.labels, Cause::new(Reason::Cancelled, why))
}

/// The pair that is meant; the module can be left out where a target has one probe.
fn named(site: &Site, target: Option<&String>, module: Option<&String>) -> Result<Arc<PairState>, String> {
    let Some(target) = target else {
        return Err("`target` is missing: the name of a target of the probe files".into());
    };
    let of_target: Vec<Arc<PairState>> =
        site.facts.board.fleet().into_iter().filter(|pair| pair.target == *target).collect();
    if of_target.is_empty() {
        return Err("no target of this name is in the probe files".into());
    }
    match module {
        Some(module) => of_target
            .into_iter()
            .find(|pair| pair.probe == *module)
            .ok_or_else(|| "no probe of this name (`module`) looks at this target".into()),
        None if of_target.len() == 1 => of_target.into_iter().next().ok_or_else(String::new),
        None => Err("this target has several probes: name one with `module`".into()),
    }
}

fn limit(headers: &HeaderMap) -> Result<Duration, String> {
    let Some(said) = headers.get(SCRAPE_TIMEOUT) else { return Ok(PROBE_WITHIN) };
    let seconds = said.to_str().ok().and_then(|text| text.trim().parse::<f64>().ok());
    let limit = seconds.filter(|seconds| *seconds > 0.0).and_then(|seconds| Duration::try_from_secs_f64(seconds).ok());
    let limit = limit.ok_or("`X-Prometheus-Scrape-Timeout-Seconds` is no number of seconds")?;
    Ok(limit.saturating_sub(WAY_BACK).max(limit / 2).min(PROBE_WITHIN))
}

/// Whether a restart would help: what is wrong with receivers of alerts is no reason to end a prober.
async fn alive(State(site): Shared) -> Response {
    if site.facts.board.is_alive() {
        plain(StatusCode::OK, "alive\n")
    } else {
        plain(StatusCode::SERVICE_UNAVAILABLE, "the timetable does not move\n")
    }
}

async fn healthy(State(site): Shared) -> Response {
    let outbox = site.facts.board.operation().outbox.clone();
    if !site.facts.board.is_alive() {
        plain(StatusCode::SERVICE_UNAVAILABLE, "the timetable does not move\n")
    } else if outbox.is_silent {
        let said = format!("no alert gets out: {}\n", outbox.trouble());
        plain(StatusCode::SERVICE_UNAVAILABLE, &said)
    } else {
        plain(StatusCode::OK, "healthy\n")
    }
}

async fn ready(State(site): Shared) -> Response {
    let operation = site.facts.board.operation();
    match (operation.is_draining, site.facts.board.is_alive() && operation.is_ready) {
        (true, _) => plain(StatusCode::SERVICE_UNAVAILABLE, "ending\n"),
        (false, true) => plain(StatusCode::OK, "ready\n"),
        (false, false) => plain(StatusCode::SERVICE_UNAVAILABLE, "not yet ready\n"),
    }
}

async fn reload(State(site): Shared) -> Response {
    if let Some(refusal) = site.refuses_to_act() {
        return refusal;
    }
    let (status, said) = match site.facts.control.reload().await {
        Ok(said) => (StatusCode::OK, said),
        Err(why) => (StatusCode::INTERNAL_SERVER_ERROR, why),
    };
    plain(status, &format!("{}\n", site.config.masker.mask(said.trim_end())))
}

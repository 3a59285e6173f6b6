//! The page of the fleet: one row per target, the worst first. What a server says is made visible before it gets here,
//! and escaped by the template.

use std::collections::{BTreeMap, HashMap};
use std::sync::OnceLock;
use std::time::Duration;

use jiff::Timestamp;
use minijinja::value::Serde;
use minijinja::{Environment, Value, context};
use serde::Serialize;

use super::Facts;
use super::past::{Bar, Point};
use crate::base::{duration, sanitize};
use crate::event::Status;
use crate::report::chart;
use crate::watch::board::{AlertState, Operation, PairState, ToolsChange};
use crate::watch::status::Document;

/// Bars of history.
pub const BARS: usize = 90;
/// Points of a small line.
const SPARKS: usize = 45;
/// Rows of one page.
const ROWS_MAX: usize = 200;

/// Stretches of time that can be looked at: word, seconds, what a person reads.
pub const SPANS: [(&str, i64, &str); 4] = [
    ("90m", 5_400, "90 minutes"),
    ("24h", 86_400, "24 hours"),
    ("7d", 604_800, "7 days"),
    ("90d", 7_776_000, "90 days"),
];

/// What the reader asked for.
#[derive(Clone, Debug, Serialize)]
pub struct Wanted {
    /// A part of a name or a label.
    pub q: String,
    /// The same as a link has it.
    q_encoded: String,
    /// A status word; empty for all.
    pub status: String,
    /// One of [`SPANS`].
    pub span: &'static str,
    /// Counts from 1.
    pub page: usize,
    #[serde(skip)]
    seconds: i64,
    span_text: &'static str,
}

impl Wanted {
    /// From what stands behind the question mark; what makes no sense is left out.
    #[must_use]
    pub fn of(query: &HashMap<String, String>) -> Self {
        let text = |name: &str| query.get(name).map_or_else(String::new, |text| sanitize::cut(text.trim(), 100));
        let span = text("span");
        let (span, seconds, span_text) = *SPANS.iter().find(|(word, ..)| *word == span).unwrap_or(&SPANS[1]);
        let status = text("status");
        let is_status = ["healthy", "degraded", "failed", "unknown", "waiting"].contains(&status.as_str());
        Self {
            q_encoded: url::form_urlencoded::byte_serialize(text("q").as_bytes()).collect(),
            q: text("q"),
            status: if is_status { status } else { String::new() },
            span,
            page: text("page").parse().unwrap_or(1).max(1),
            seconds,
            span_text,
        }
    }

    /// When the time begins that is looked at.
    #[must_use]
    pub fn from(&self, now: Timestamp) -> Timestamp {
        Timestamp::from_second(self.until(now).as_second().saturating_sub(self.seconds)).unwrap_or(now)
    }

    /// When it ends: with the bar that goes on now, so that those before it are the same at the next look.
    #[must_use]
    pub fn until(&self, now: Timestamp) -> Timestamp {
        let bar = self.seconds / i64::try_from(BARS).unwrap_or(1);
        Timestamp::from_second((now.as_second().div_euclid(bar) + 1) * bar).unwrap_or(now)
    }
}

/// The templates, read once. They are part of the program: a mistake in them is found by any test.
pub(super) fn templates() -> &'static Environment<'static> {
    static TEMPLATES: OnceLock<Environment<'static>> = OnceLock::new();
    TEMPLATES.get_or_init(|| {
        let mut environment = Environment::new();
        environment.set_undefined_behavior(minijinja::UndefinedBehavior::Strict);
        for (name, text) in [
            ("layout.html", include_str!("pages/layout.html")),
            ("fleet.html", include_str!("pages/fleet.html")),
            ("target.html", include_str!("pages/target.html")),
        ] {
            // An error shows when the template is asked for.
            let _ = environment.add_template(name, text);
        }
        environment
    })
}

/// A moment, for a person and for a machine.
#[derive(Clone, Debug, Serialize)]
pub struct Moment {
    /// `3 min ago`, `in 12 s`.
    pub said: String,
    /// RFC 3339.
    pub at: String,
}

/// A moment as seen from now.
#[must_use]
pub fn moment(at: Timestamp, now: Timestamp) -> Moment {
    let seconds = now.as_second() - at.as_second();
    let length = rough(seconds.unsigned_abs());
    let said = match seconds {
        -1..=1 => "now".to_owned(),
        2.. => format!("{length} ago"),
        _ => format!("in {length}"),
    };
    Moment { said, at: format!("{at:.0}") }
}

fn rough(seconds: u64) -> String {
    match seconds {
        0..100 => format!("{seconds} s"),
        100..6_000 => format!("{} min", seconds / 60),
        6_000..172_800 => format!("{} h", seconds / 3_600),
        _ => format!("{} d", seconds / 86_400),
    }
}

/// A status with the mark that goes with it: nobody has to tell colours apart.
#[derive(Clone, Debug, Serialize)]
pub struct StatusTold {
    /// The word, also a class of the style sheet.
    pub word: &'static str,
    /// A character of another shape for each.
    pub mark: &'static str,
}

/// How a status is shown.
#[must_use]
pub fn status_told(status: Option<Status>) -> StatusTold {
    let (word, mark) = match status {
        None => ("waiting", "…"),
        Some(Status::Healthy | Status::Skipped) => ("healthy", "✓"),
        Some(Status::Degraded) => ("degraded", "!"),
        Some(Status::Failed) => ("failed", "✕"),
        Some(Status::Unknown) => ("unknown", "?"),
    };
    StatusTold { word, mark }
}

/// A row of the fleet.
#[derive(Debug, Serialize)]
struct Row {
    target: String,
    link: Value,
    endpoint: String,
    labels: Vec<String>,
    status: StatusTold,
    since: Option<Moment>,
    reason: Option<&'static str>,
    message: Option<String>,
    probes: Vec<ProbeChip>,
    bars: Option<Value>,
    uptime: Option<String>,
    spark: Option<Value>,
    latency: Option<String>,
    spoken: Option<Spoken>,
    tools: Option<String>,
    change: Option<ChangeTold>,
    withheld: Option<String>,
}

#[derive(Debug, Serialize)]
struct ProbeChip {
    name: String,
    status: StatusTold,
}

/// What is spoken with a server.
#[derive(Debug, Serialize)]
pub struct Spoken {
    /// The revision, safe to show.
    pub version: String,
    /// The era.
    pub era: &'static str,
    /// The transport.
    pub transport: &'static str,
}

/// What changed about the tools.
#[derive(Debug, Serialize)]
pub struct ChangeTold {
    /// When.
    pub when: Moment,
    /// `2 added, 1 changed`.
    pub short: String,
    /// Names with what became of them, for a list.
    pub names: Vec<(&'static str, String)>,
}

/// An alert, for a person.
#[derive(Debug, Serialize)]
pub struct AlertTold {
    alert: String,
    state: &'static str,
    severity: String,
    probe: String,
    target: String,
    link: Value,
    summary: String,
    since: Moment,
}

/// The page of the fleet.
///
/// # Errors
/// When the template cannot be filled.
pub fn fleet(facts: &Facts, wanted: &Wanted, now: Timestamp) -> Result<String, minijinja::Error> {
    let document = Document::of(&facts.board, now);
    let mut targets: Vec<(usize, Vec<_>)> = by_target(&facts.board.fleet());
    let total = targets.len();
    targets.retain(|(_, pairs)| is_wanted(pairs, wanted));
    targets.sort_by_key(|(place, pairs)| (std::cmp::Reverse(worst(pairs).map_or(1, rank)), *place));
    let found = targets.len();
    let pages = found.div_ceil(ROWS_MAX).max(1);
    let page = wanted.page.min(pages);
    let shown = targets.iter().skip((page - 1) * ROWS_MAX).take(ROWS_MAX);
    let mut trouble = None;
    let rows: Vec<Row> = shown.map(|(_, pairs)| row(facts, pairs, wanted, now, &mut trouble)).collect();
    let alerts: Vec<AlertTold> = facts.board.alerts().iter().map(|alert| alert_told(alert, now)).collect();
    let operation = facts.board.operation();
    templates().get_template("fleet.html")?.render(context! {
        title => "Fleet",
        heading => heading(&operation, now),
        notices => notices(&operation, trouble),
        status => document.status,
        summary => told(&document.summary),
        rows => told(&rows),
        alerts => told(&alerts),
        wanted => told(wanted),
        spans => told(&SPANS),
        has_past => facts.past.is_some(),
        total,
        found,
        page,
        pages,
    })
}

/// As templates take it.
pub(super) fn told(value: &impl Serialize) -> Value {
    Value::from(Serde(value))
}

/// What stands at the head of each page.
#[must_use]
pub fn heading(operation: &Operation, now: Timestamp) -> Value {
    context! {
        instance => sanitize::one_line(&operation.instance, 60),
        share => operation.share.map(|share| share.to_string()),
        version => env!("CARGO_PKG_VERSION"),
        up => rough(u64::try_from(now.as_second() - operation.started_at.as_second()).unwrap_or(0)),
        now => format!("{now:.0}"),
        clock => now.strftime("%F %T UTC").to_string(),
        lag => operation.lag_p99.map(duration::human),
        files => operation.files.iter().map(|file| sanitize::one_line(file, 100)).collect::<Vec<_>>(),
    }
}

/// What is wrong with the daemon itself, in sentences.
#[must_use]
pub fn notices(operation: &Operation, trouble: Option<String>) -> Vec<String> {
    let mut notices = Vec::new();
    if let Some(why) = &operation.plan_error {
        notices.push(format!("The probe files cannot be used as they are; the plan before goes on. {why}"));
    }
    if !operation.restart_needed.is_empty() {
        notices.push(format!("In force only after a restart: {}.", operation.restart_needed.join(", ")));
    }
    if let Some(why) = &operation.store_error {
        notices.push(format!("The history cannot be written: {why}"));
    }
    notices.extend(trouble.map(|why| format!("The history cannot be read: {why}")));
    for (channel, why) in &operation.outbox.failing {
        notices.push(format!("Messages to `{channel}` are not delivered: {why}"));
    }
    if operation.outbox.is_stuck && operation.outbox.failing.is_empty() {
        notices.push(format!("{} messages wait to be delivered and none moves.", operation.outbox.waiting));
    }
    for push in &operation.pushes {
        if let Some(why) = &push.failing {
            let waiting = push.figures.waiting;
            notices
                .push(format!("Figures do not reach `{}` ({}), {waiting} wait: {why}", push.figures.name, push.kind));
        }
    }
    if !operation.is_alive {
        notices.push("The timetable does not move: what is shown may be old.".to_owned());
    }
    if operation.is_draining {
        notices.push("The daemon is ending.".to_owned());
    }
    notices.iter().map(|notice| sanitize::printable(notice).into_owned()).collect()
}

/// The probes of each target, in the order of the files.
pub(super) fn by_target(fleet: &[std::sync::Arc<PairState>]) -> Vec<(usize, Vec<std::sync::Arc<PairState>>)> {
    let mut places: BTreeMap<&str, usize> = BTreeMap::new();
    let mut targets: Vec<(usize, Vec<std::sync::Arc<PairState>>)> = Vec::new();
    for pair in fleet {
        let place = *places.entry(&pair.target).or_insert(targets.len());
        match targets.get_mut(place) {
            Some((_, pairs)) => pairs.push(std::sync::Arc::clone(pair)),
            None => targets.push((place, vec![std::sync::Arc::clone(pair)])),
        }
    }
    targets
}

fn rank(status: Status) -> u8 {
    match status {
        Status::Skipped | Status::Healthy => 0,
        Status::Unknown => 2,
        Status::Degraded => 3,
        Status::Failed => 4,
    }
}

/// The worst of the probes that have a result; none where none has.
pub(super) fn worst(pairs: &[std::sync::Arc<PairState>]) -> Option<Status> {
    pairs.iter().filter_map(|pair| pair.status()).max_by_key(|status| rank(*status))
}

fn is_wanted(pairs: &[std::sync::Arc<PairState>], wanted: &Wanted) -> bool {
    let has_status =
        wanted.status.is_empty() || pairs.iter().any(|pair| status_told(pair.status()).word == wanted.status);
    let q = wanted.q.to_lowercase();
    let has_text = q.is_empty()
        || pairs.iter().any(|pair| {
            let labels = pair.labels.iter().map(|(name, value)| format!("{name}={value}"));
            [pair.target.clone(), pair.probe.clone()]
                .into_iter()
                .chain(labels)
                .any(|text| text.to_lowercase().contains(&q))
        });
    has_status && has_text
}

fn row(
    facts: &Facts,
    pairs: &[std::sync::Arc<PairState>],
    wanted: &Wanted,
    now: Timestamp,
    trouble: &mut Option<String>,
) -> Row {
    // A target has at least one probe, or it would not be here.
    let worst_pair = pairs.iter().max_by_key(|pair| pair.status().map_or(1, rank));
    let last = worst_pair.and_then(|pair| pair.last.as_ref());
    let target = pairs.first().map_or_else(String::new, |pair| pair.target.clone());
    let seen = seen(facts, &target, wanted, now, SPARKS, trouble);
    let newest_change = pairs.iter().filter_map(|pair| pair.changes.front()).max_by_key(|change| change.at);
    Row {
        link: link(&target),
        endpoint: pairs.first().map_or_else(String::new, |pair| sanitize::one_line(&pair.endpoint, 120)),
        labels: labels(pairs),
        status: status_told(worst(pairs)),
        since: worst_pair.and_then(|pair| pair.since).map(|since| moment(since, now)),
        reason: last.and_then(|outcome| outcome.cause.as_ref()).map(|cause| cause.reason.code()),
        message: last
            .and_then(|outcome| outcome.cause.as_ref())
            .map(|cause| sanitize::one_line(cause.message.lines().next().unwrap_or(""), 300)),
        probes: pairs
            .iter()
            .map(|pair| ProbeChip { name: pair.probe.clone(), status: status_told(pair.status()) })
            .collect(),
        spark: (!seen.points.is_empty())
            .then(|| Value::from_safe_string(chart::sparkline(&seen.points, wanted.from(now), wanted.until(now)))),
        latency: seen.latency(pairs),
        uptime: seen.uptime.map(percent),
        bars: facts
            .past
            .as_ref()
            .map(|_| Value::from_safe_string(chart::bars(&seen.bars, wanted.from(now), wanted.until(now), false))),
        spoken: spoken(pairs),
        tools: tools(pairs),
        change: newest_change.map(|change| change_told(change, now)),
        withheld: worst_pair.and_then(|pair| pair.withheld.as_ref()).map(|why| sanitize::one_line(why, 300)),
        target,
    }
}

/// The past of a target.
pub(super) struct Seen {
    pub bars: Vec<Bar>,
    pub points: Vec<Point>,
    pub uptime: Option<f64>,
}

pub(super) fn seen(
    facts: &Facts,
    target: &str,
    wanted: &Wanted,
    now: Timestamp,
    points: usize,
    trouble: &mut Option<String>,
) -> Seen {
    let mut seen = Seen { bars: Vec::new(), points: Vec::new(), uptime: None };
    // What failed for one target fails for the next: it is said once, and not tried two hundred times.
    let Some(past) = facts.past.as_ref().filter(|_| trouble.is_none()) else { return seen };
    let (from, until) = (wanted.from(now), wanted.until(now));
    let read = past.bars(target, BARS, from, until).and_then(|bars| {
        seen.bars = bars;
        seen.points = past.latency(target, from, until, points)?;
        seen.uptime = past.uptime(target, from, now)?;
        Ok(())
    });
    *trouble = read.err();
    seen
}

impl Seen {
    /// `p50 12 ms, p95 40 ms`: the middle of the points of the stretch, or of the last run.
    fn latency(&self, pairs: &[std::sync::Arc<PairState>]) -> Option<String> {
        if let Some(last) = self.points.last() {
            return Some(format!("p50 {} · p95 {}", duration::human(last.p50), duration::human(last.p95)));
        }
        let last = pairs.iter().filter_map(|pair| pair.last.as_ref());
        let slowest = last.flat_map(|outcome| outcome.steps.iter()).filter_map(|step| step.latency).max()?;
        Some(format!("last {}", duration::human(slowest)))
    }
}

/// `100 %`, `99.95 %`; never rounded up to all.
pub(super) fn percent(share: f64) -> String {
    let hundredths = (share.clamp(0.0, 1.0) * 10_000.0).floor();
    if hundredths >= 10_000.0 { "100 %".to_owned() } else { format!("{:.2} %", hundredths / 100.0) }
}

/// Where the page of a target is: nothing in it is left to be escaped.
#[must_use]
pub fn link(target: &str) -> Value {
    let mut link = String::from("/target/");
    for byte in target.bytes() {
        if byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_' | b'.' | b'~') {
            link.push(char::from(byte));
        } else {
            link.push_str(&format!("%{byte:02X}"));
        }
    }
    Value::from_safe_string(link)
}

pub(super) fn labels(pairs: &[std::sync::Arc<PairState>]) -> Vec<String> {
    let labels = pairs.first().map(|pair| pair.labels.iter().map(|(name, value)| format!("{name}={value}")).collect());
    labels.unwrap_or_default()
}

pub(super) fn spoken(pairs: &[std::sync::Arc<PairState>]) -> Option<Spoken> {
    let newest = pairs.iter().filter_map(|pair| pair.last.as_ref()).filter(|outcome| outcome.protocol.is_some());
    let used = newest.max_by_key(|outcome| outcome.started_at)?.protocol.as_ref()?;
    Some(Spoken {
        version: sanitize::one_line(&used.version, 20),
        era: used.era.name(),
        transport: used.transport.name(),
    })
}

pub(super) fn tools(pairs: &[std::sync::Arc<PairState>]) -> Option<String> {
    let seen = pairs.iter().find_map(|pair| pair.tools.as_ref())?;
    Some(seen.tools.len().to_string())
}

pub(super) fn change_told(change: &ToolsChange, now: Timestamp) -> ChangeTold {
    let all = [("added", &change.added), ("removed", &change.removed), ("changed", &change.changed)];
    let counts: Vec<String> = all
        .iter()
        .filter(|(_, names)| !names.is_empty())
        .map(|(what, names)| format!("{} {what}", names.len()))
        .collect();
    let names = all.iter().flat_map(|(what, names)| names.iter().map(|name| (*what, sanitize::one_line(name, 80))));
    ChangeTold { when: moment(change.at, now), short: counts.join(", "), names: names.collect() }
}

pub(super) fn alert_told(state: &AlertState, now: Timestamp) -> AlertTold {
    let view = &state.view;
    AlertTold {
        alert: view.alert.clone(),
        state: state.state,
        severity: view.severity.clone(),
        probe: view.probe.clone(),
        target: view.target.clone(),
        link: link(&view.target),
        summary: sanitize::one_line(&view.summary, 300),
        since: moment(view.since, now),
    }
}

/// A time, for a person.
pub(super) fn took(time: Duration) -> String {
    duration::human(time)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn moments_are_said_roughly() {
        let now = Timestamp::from_second(1_000_000).unwrap();
        let said = |seconds: i64| moment(Timestamp::from_second(1_000_000 + seconds).unwrap(), now).said;
        assert_eq!(said(0), "now");
        assert_eq!(said(-5), "5 s ago");
        assert_eq!(said(12), "in 12 s");
        assert_eq!(said(-180), "3 min ago");
        assert_eq!(said(-7_200), "2 h ago");
        assert_eq!(said(-300_000), "3 d ago");
    }

    #[test]
    fn shares_are_never_rounded_up() {
        assert_eq!(percent(1.0), "100 %");
        assert_eq!(percent(0.999_99), "99.99 %");
        assert_eq!(percent(0.0), "0.00 %");
    }

    #[test]
    fn what_makes_no_sense_is_left_out() {
        let query = |pairs: &[(&str, &str)]| {
            Wanted::of(&pairs.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect())
        };
        let wanted = query(&[("span", "9y"), ("status", "<b>"), ("page", "-1")]);
        assert_eq!((wanted.span, wanted.status.as_str(), wanted.page), ("24h", "", 1));
        let wanted = query(&[("span", "7d"), ("status", "failed"), ("page", "3"), ("q", " x ")]);
        assert_eq!((wanted.span, wanted.status.as_str(), wanted.page, wanted.q.as_str()), ("7d", "failed", 3, "x"));
    }

    #[test]
    fn a_link_holds_any_name() {
        assert_eq!(link("a b/../<é>").as_str().unwrap(), "/target/a%20b%2F..%2F%3C%C3%A9%3E");
    }
}

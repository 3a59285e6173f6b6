//! `kind = "statsd"` and `"dogstatsd"`: a line per figure, packed into datagrams. Counters are sent as what was added since the
//! last time, times of a run once, when it is new. Plain `StatsD` has no tags: there the labels are parts of the name.

use std::collections::BTreeMap;

use super::{Encoder, Keeping, Occasion, Row};
use crate::config::receiver::{Kind, LABELS, Settings, Shape, Slot, may, must};
use crate::deliver::{DatagramPayload, Payload};
use crate::metrics::labels::Labels;
use crate::metrics::snapshot::{Figures, Value};
use crate::metrics::{self, Family, Snapshot, family};

/// Bytes that go through an Ethernet in one piece.
const DATAGRAM_BYTES_MAX: usize = 1432;

const ADDRESS: Slot = must("address", Shape::Address, "Where the datagrams go.");
const PREFIX: Slot = may("prefix", Shape::Text, "What every name begins with.");

/// The row of the table for the plain dialect.
pub(super) const PLAIN: Row =
    Row { kind: Kind { name: "statsd", slots: &[ADDRESS, PREFIX] }, compile: |settings| compile(settings, false) };

/// The row for the dialect with tags.
pub(super) const DOG: Row = Row {
    kind: Kind { name: "dogstatsd", slots: &[ADDRESS, PREFIX, LABELS] },
    compile: |settings| compile(settings, true),
};

struct Statsd {
    address: String,
    prefix: String,
    /// Tags of everything, in the dialect that has them.
    tags: Option<String>,
    /// Counters as they were sent last, by what identifies them.
    counted: BTreeMap<String, f64>,
    /// The last run of each pair that was sent.
    runs: BTreeMap<String, f64>,
}

fn compile(settings: &Settings, tagged: bool) -> Result<Box<dyn Encoder>, String> {
    let given = settings.table("labels").iter();
    let tags: Vec<String> = given.map(|(name, value)| tag(name, value.reveal())).collect();
    Ok(Box::new(Statsd {
        address: settings.needed("address")?.reveal().to_owned(),
        prefix: settings.text("prefix").map(|prefix| cleaned(prefix.reveal(), "")).unwrap_or_default(),
        tags: tagged.then(|| tags.join(",")),
        counted: BTreeMap::new(),
        runs: BTreeMap::new(),
    }))
}

impl Encoder for Statsd {
    fn encode(&mut self, snapshot: &Snapshot, _: Occasion) -> Vec<Payload> {
        let (mut lines, mut times) = (Vec::new(), Vec::new());
        let (mut counted, mut runs) = (BTreeMap::new(), BTreeMap::new());
        snapshot.each(|figures| {
            let name = figures.family.name;
            if is_time(figures.family) {
                times.extend(self.times(&figures));
            } else if name == family::LAST_RUN.name {
                runs.extend(figures.series.iter().map(|series| (pair(&series.labels), number(&series.value))));
            }
            lines.extend(self.lines(&figures, &mut counted));
        });
        let is_new = |pair: &String| runs.get(pair).is_some_and(|at| self.runs.get(pair) != Some(at));
        lines.extend(times.into_iter().filter(|(pair, _)| is_new(pair)).map(|(_, line)| line));
        (self.counted, self.runs) = (counted, runs);
        let datagrams = packed(lines);
        if datagrams.is_empty() {
            return Vec::new();
        }
        vec![Payload::Datagrams(DatagramPayload { address: self.address.clone(), datagrams })]
    }

    fn keeping(&self) -> Keeping {
        Keeping::Never
    }
}

impl Statsd {
    /// Gauges as they are, counters as what was added. A histogram cannot be sent after the fact.
    fn lines(&self, figures: &Figures, counted: &mut BTreeMap<String, f64>) -> Vec<String> {
        let name = figures.family.name;
        let mut lines = Vec::new();
        for series in &figures.series {
            let value = number(&series.value);
            let (name, tags) = self.named(figures.family, name, &series.labels);
            match figures.family.kind {
                metrics::Kind::Gauge if is_time(figures.family) => {}
                metrics::Kind::Gauge => {
                    // A sign means a change: below zero is reached from zero.
                    if value < 0.0 {
                        lines.push(format!("{name}:0|g{tags}"));
                    }
                    lines.push(format!("{name}:{value}|g{tags}"));
                }
                metrics::Kind::Counter => {
                    let key = format!("{name}{tags}");
                    let before = self.counted.get(&key).copied().unwrap_or(0.0);
                    counted.insert(key, value);
                    let added = if value < before { value } else { value - before };
                    if added > 0.0 {
                        lines.push(format!("{name}:{added}|c{tags}"));
                    }
                }
                metrics::Kind::Histogram | metrics::Kind::Info => {}
            }
        }
        lines
    }

    /// The times of the last runs in milliseconds, each with its pair.
    fn times(&self, figures: &Figures) -> Vec<(String, String)> {
        let name = figures.family.name.trim_end_matches("_seconds");
        let line = |labels: &Labels, value: f64| {
            let (name, tags) = self.named(figures.family, name, labels);
            // To the microsecond; what is smaller is noise.
            format!("{name}:{}|ms{tags}", (value * 1_000_000.0).round() / 1000.0)
        };
        figures
            .series
            .iter()
            .map(|series| (pair(&series.labels), line(&series.labels, number(&series.value))))
            .collect()
    }

    /// Name and tags of a series.
    fn named(&self, of: &Family, name: &str, labels: &Labels) -> (String, String) {
        let mut name = format!("{}{name}", self.prefix);
        let Some(own) = &self.tags else {
            // Labels of a target would make its names others with each that is added.
            for (_, value) in labels.iter().filter(|(name, _)| of.labels.contains(name)) {
                name.push('.');
                name.push_str(&cleaned(value, "./\\ "));
            }
            return (name, String::new());
        };
        let of_series = labels.iter().map(|(name, value)| tag(name, value));
        let all: Vec<String> = std::iter::once(own.clone()).filter(|own| !own.is_empty()).chain(of_series).collect();
        let tags = if all.is_empty() { String::new() } else { format!("|#{}", all.join(",")) };
        (name, tags)
    }
}

/// Whether it is sent as times of single runs.
fn is_time(of: &Family) -> bool {
    of.name == family::DURATION.name || of.name == family::PHASE.name
}

fn tag(name: &str, value: &str) -> String {
    format!("{}:{}", cleaned(name, ""), cleaned(value, ""))
}

/// What a line is made of stands in no name and no value; neither do these.
fn cleaned(text: &str, others: &str) -> String {
    let bad = |c: char| ":|@#,".contains(c) || c.is_control() || others.contains(c);
    let text: String = text.chars().map(|c| if bad(c) { '_' } else { c }).collect();
    if text.is_empty() { "_".to_owned() } else { text }
}

fn pair(labels: &Labels) -> String {
    format!("{}\n{}", labels.get("probe").unwrap_or(""), labels.get("target").unwrap_or(""))
}

#[expect(clippy::cast_precision_loss, reason = "counts are far below 2^53")]
fn number(value: &Value) -> f64 {
    match value {
        Value::Number(value) => *value,
        Value::Count(count) => *count as f64,
        Value::Histogram(_) => 0.0,
    }
}

/// As few datagrams as there can be, none too large; a line that is too large alone is left out.
fn packed(lines: Vec<String>) -> Vec<Vec<u8>> {
    let mut datagrams: Vec<Vec<u8>> = Vec::new();
    for line in lines.into_iter().filter(|line| line.len() <= DATAGRAM_BYTES_MAX) {
        match datagrams.last_mut() {
            Some(last) if last.len() + 1 + line.len() <= DATAGRAM_BYTES_MAX => {
                last.push(b'\n');
                last.extend_from_slice(line.as_bytes());
            }
            _ => datagrams.push(line.into_bytes()),
        }
    }
    datagrams
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::metrics::push::tests::{filled, runs, shared};

    fn said(encoder: &mut dyn Encoder, snapshot: &Snapshot) -> Vec<String> {
        let payloads = encoder.encode(snapshot, Occasion::Interval);
        let datagrams = payloads.into_iter().flat_map(|payload| match payload {
            Payload::Datagrams(payload) => payload.datagrams,
            other => panic!("{other:?}"),
        });
        let mut lines = Vec::new();
        for datagram in datagrams {
            assert!(datagram.len() <= DATAGRAM_BYTES_MAX);
            lines.extend(String::from_utf8(datagram).unwrap().lines().map(ToOwned::to_owned));
        }
        lines
    }

    #[test]
    fn counters_are_what_was_added_and_times_are_sent_once() {
        let (shared, publish) = shared();
        publish(runs("smoke", "weather", 1));
        let at = jiff::Timestamp::UNIX_EPOCH;
        let mut plain = compile(&filled(&[("address", "127.0.0.1:8125"), ("prefix", "mcp.")]), false).unwrap();
        let first = said(plain.as_mut(), &shared.snapshot(at, metrics::Own::default()));
        let has = |lines: &[String], line: &str| lines.iter().any(|have| have == line);
        assert!(has(&first, "mcp.probe_success.smoke.weather:1|g"), "{first:?}");
        assert!(has(&first, "mcp.mcp_probe_requests_total.smoke.weather.tools_list.ok:1|c"), "{first:?}");
        assert!(has(&first, "mcp.probe_duration.smoke.weather:61|ms"), "{first:?}");
        assert!(has(&first, "mcp.probe_mcp_duration.smoke.weather.call:42|ms"), "{first:?}");
        let again = said(plain.as_mut(), &shared.snapshot(at, metrics::Own::default()));
        assert!(!again.iter().any(|line| line.ends_with("|ms") || line.ends_with("|c")), "{again:?}");
        publish(runs("smoke", "weather", 2));
        let third = said(plain.as_mut(), &shared.snapshot(at, metrics::Own::default()));
        assert!(has(&third, "mcp.mcp_probe_requests_total.smoke.weather.tools_list.ok:1|c"), "{third:?}");
        assert!(has(&third, "mcp.probe_duration.smoke.weather:61|ms"), "{third:?}");
    }

    #[test]
    fn hostile_names_stay_in_their_place() {
        let (shared, publish) = shared();
        publish(runs("a:1|c\nevil:1|g", "t,#@.x", 1));
        let snapshot = shared.snapshot(jiff::Timestamp::UNIX_EPOCH, metrics::Own::default());
        let plain = said(compile(&filled(&[("address", "h:1")]), false).unwrap().as_mut(), &snapshot);
        assert!(plain.contains(&"probe_success.a_1_c_evil_1_g.t____x:1|g".to_owned()), "{plain:?}");
        let mut dog = compile(&filled(&[("address", "h:1")]), true).unwrap();
        let dog = said(dog.as_mut(), &snapshot);
        assert!(dog.contains(&"probe_success:1|g|#probe:a_1_c_evil_1_g,target:t___.x,env:prod".to_owned()), "{dog:?}");
        for line in plain.iter().chain(&dog) {
            assert!(!line.starts_with("evil"), "{line}");
        }
    }

    #[test]
    fn lines_are_packed_and_none_is_cut() {
        let lines: Vec<String> = (0..200).map(|at| format!("name_{at}:1|g")).collect();
        let datagrams = packed(lines.clone());
        assert!(datagrams.len() > 1 && datagrams.iter().all(|datagram| datagram.len() <= DATAGRAM_BYTES_MAX));
        assert_eq!(datagrams.join(&b'\n'), lines.join("\n").into_bytes());
        assert!(packed(vec!["x".repeat(DATAGRAM_BYTES_MAX + 1)]).is_empty());
    }
}

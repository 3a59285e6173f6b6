//! The two texts that Prometheus reads: the classic one (0.0.4) and OpenMetrics 1.0, chosen by what the reader says it
//! accepts. One writer for both: they differ in the names of counters and infos, in numbers, and in the end.

use super::family::{Family, Kind};
use super::histogram::Histogram;

/// Which text.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Format {
    /// `text/plain; version=0.0.4`.
    Classic,
    /// `application/openmetrics-text; version=1.0.0`.
    OpenMetrics,
}

impl Format {
    /// What the reader likes best of what there is; the classic text where it does not say.
    #[must_use]
    pub fn negotiate(accept: Option<&str>) -> Self {
        let mut best = (Self::Classic, 0.0);
        for range in accept.unwrap_or("").split(',') {
            let mut parts = range.split(';').map(str::trim);
            let kind = parts.next().unwrap_or("").to_ascii_lowercase();
            let (mut quality, mut version) = (1.0, None);
            for part in parts {
                match part.split_once('=').map(|(name, value)| (name.trim(), value.trim().trim_matches('"'))) {
                    Some(("q", value)) => quality = value.parse().unwrap_or(0.0),
                    Some(("version", value)) => version = Some(value.to_owned()),
                    _ => {}
                }
            }
            let version = version.as_deref();
            let format = match kind.as_str() {
                "application/openmetrics-text" if matches!(version, None | Some("1.0.0" | "0.0.1")) => {
                    Self::OpenMetrics
                }
                "text/plain" | "text/*" if matches!(version, None | Some("0.0.4")) => Self::Classic,
                _ => continue,
            };
            if quality > best.1 {
                best = (format, quality);
            }
        }
        best.0
    }

    /// The value of `Content-Type`.
    #[must_use]
    pub fn content_type(self) -> &'static str {
        match self {
            Self::Classic => "text/plain; version=0.0.4; charset=utf-8",
            Self::OpenMetrics => "application/openmetrics-text; version=1.0.0; charset=utf-8",
        }
    }
}

/// Labels as they stand between the braces; values are escaped when they are put in.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Labels(String);

impl Labels {
    /// With one label more. The name is a word of ours or was checked.
    #[must_use]
    pub fn with(mut self, name: &str, value: &str) -> Self {
        if !self.0.is_empty() {
            self.0.push(',');
        }
        self.0.push_str(name);
        self.0.push_str("=\"");
        for c in value.chars() {
            match c {
                '\\' => self.0.push_str("\\\\"),
                '"' => self.0.push_str("\\\""),
                '\n' => self.0.push_str("\\n"),
                c => self.0.push(c),
            }
        }
        self.0.push('"');
        self
    }
}

/// A text that is being written, family by family.
pub struct Page {
    format: Format,
    text: String,
    family: Option<&'static Family>,
    headed: bool,
}

impl Page {
    /// An empty one.
    #[must_use]
    pub fn new(format: Format) -> Self {
        Self { format, text: String::new(), family: None, headed: false }
    }

    /// The next samples are of this family; its heading is written with the first.
    pub fn family(&mut self, family: &'static Family) {
        self.family = Some(family);
        self.headed = false;
    }

    /// A value of the family.
    pub fn value(&mut self, labels: &Labels, value: f64) {
        self.sample("", labels, &self.number(value));
    }

    /// A count of the family.
    pub fn count(&mut self, labels: &Labels, value: u64) {
        self.sample("", labels, &value.to_string());
    }

    /// A histogram of the family.
    pub fn histogram(&mut self, labels: &Labels, histogram: &Histogram) {
        for (bound, count) in histogram.cumulative() {
            let labels = labels.clone().with("le", &self.number(bound));
            self.sample("_bucket", &labels, &count.to_string());
        }
        let count = histogram.count().to_string();
        self.sample("_bucket", &labels.clone().with("le", "+Inf"), &count);
        let sum = self.number(histogram.sum());
        self.sample("_sum", labels, &sum);
        self.sample("_count", labels, &count);
    }

    /// The whole text.
    #[must_use]
    pub fn finish(mut self) -> String {
        if self.format == Format::OpenMetrics {
            self.text.push_str("# EOF\n");
        }
        self.text
    }

    fn sample(&mut self, suffix: &str, labels: &Labels, value: &str) {
        let Some(family) = self.heading() else { return };
        self.text.push_str(family.name);
        self.text.push_str(suffix);
        if !labels.0.is_empty() {
            self.text.push('{');
            self.text.push_str(&labels.0);
            self.text.push('}');
        }
        self.text.push(' ');
        self.text.push_str(value);
        self.text.push('\n');
    }

    /// Writes the heading of the family before its first sample: one that has none is not mentioned.
    fn heading(&mut self) -> Option<&'static Family> {
        let family = self.family?;
        let (name, kind) = match (self.format, family.kind) {
            (Format::OpenMetrics, Kind::Counter) => (family.name.trim_end_matches("_total"), "counter"),
            (Format::OpenMetrics, Kind::Info) => (family.name.trim_end_matches("_info"), "info"),
            (Format::Classic, Kind::Info) => (family.name, "gauge"),
            (_, kind) => (family.name, kind.name()),
        };
        if !std::mem::replace(&mut self.headed, true) {
            self.text.push_str(&format!("# HELP {name} {}\n# TYPE {name} {kind}\n", family.help));
        }
        Some(family)
    }

    /// OpenMetrics writes numbers with a point, so that a bound has one text only.
    fn number(&self, value: f64) -> String {
        match self.format {
            Format::Classic => value.to_string(),
            Format::OpenMetrics => format!("{value:?}"),
        }
    }
}

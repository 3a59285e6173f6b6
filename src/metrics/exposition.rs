//! The two texts that Prometheus reads: the classic one (0.0.4) and OpenMetrics 1.0, chosen by what the reader says it
//! accepts. One writer for both: they differ in the names of counters and infos, in numbers, and in the end.

use super::family::{Family, Kind};
use super::histogram::Histogram;
use super::snapshot::{Exemplar, Figures, Value};

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

/// A text that is being written, family by family.
pub struct Page {
    format: Format,
    text: String,
}

impl Page {
    /// An empty one.
    #[must_use]
    pub fn new(format: Format) -> Self {
        Self { format, text: String::new() }
    }

    /// Writes a family: its heading, and its samples.
    pub fn write(&mut self, figures: &Figures) {
        let family = figures.family;
        self.heading(family);
        let mut labels = String::new();
        for series in &figures.series {
            labels.clear();
            for (name, value) in series.labels.iter() {
                put(&mut labels, name, value);
            }
            match &series.value {
                Value::Number(value) => self.sample(family, "", &labels, &self.number(*value)),
                Value::Count(value) => self.sample(family, "", &labels, &value.to_string()),
                Value::Histogram(histogram) => self.histogram(family, &mut labels, histogram),
            }
        }
    }

    /// The whole text.
    #[must_use]
    pub fn finish(mut self) -> String {
        if self.format == Format::OpenMetrics {
            self.text.push_str("# EOF\n");
        }
        self.text
    }

    fn histogram(&mut self, family: &Family, labels: &mut String, histogram: &Histogram) {
        let own = labels.len();
        for bucket in histogram.buckets() {
            let bound = if bucket.bound.is_finite() { self.number(bucket.bound) } else { "+Inf".to_owned() };
            put(labels, "le", &bound);
            self.sample(family, "_bucket", labels, &bucket.count.to_string());
            if let Some(exemplar) = bucket.exemplar.filter(|_| self.format == Format::OpenMetrics) {
                self.exemplar(exemplar);
            }
            labels.truncate(own);
        }
        self.sample(family, "_sum", labels, &self.number(histogram.sum()));
        self.sample(family, "_count", labels, &histogram.count().to_string());
    }

    /// Puts an example at the end of the line that was just written.
    fn exemplar(&mut self, exemplar: &Exemplar) {
        self.text.pop();
        let mut labels = String::new();
        put(&mut labels, "trace_id", &exemplar.trace_id);
        let at = exemplar.at.as_millisecond();
        let (value, seconds, millis) = (self.number(exemplar.value), at.div_euclid(1000), at.rem_euclid(1000));
        self.text.push_str(&format!(" # {{{labels}}} {value} {seconds}.{millis:03}\n"));
    }

    fn sample(&mut self, family: &Family, suffix: &str, labels: &str, value: &str) {
        self.text.push_str(family.name);
        self.text.push_str(suffix);
        if !labels.is_empty() {
            self.text.push('{');
            self.text.push_str(labels);
            self.text.push('}');
        }
        self.text.push(' ');
        self.text.push_str(value);
        self.text.push('\n');
    }

    fn heading(&mut self, family: &Family) {
        let (name, kind) = match (self.format, family.kind) {
            (Format::OpenMetrics, Kind::Counter) => (family.name.trim_end_matches("_total"), "counter"),
            (Format::OpenMetrics, Kind::Info) => (family.name.trim_end_matches("_info"), "info"),
            (Format::Classic, Kind::Info) => (family.name, "gauge"),
            (_, kind) => (family.name, kind.name()),
        };
        self.text.push_str(&format!("# HELP {name} {}\n# TYPE {name} {kind}\n", family.help));
    }

    /// OpenMetrics writes numbers with a point, so that a bound has one text only.
    fn number(&self, value: f64) -> String {
        match self.format {
            Format::Classic => value.to_string(),
            Format::OpenMetrics => format!("{value:?}"),
        }
    }
}

/// A label, after those that are there.
fn put(labels: &mut String, name: &str, value: &str) {
    if !labels.is_empty() {
        labels.push(',');
    }
    labels.push_str(name);
    labels.push_str("=\"");
    for c in value.chars() {
        match c {
            '\\' => labels.push_str("\\\\"),
            '"' => labels.push_str("\\\""),
            '\n' => labels.push_str("\\n"),
            c => labels.push(c),
        }
    }
    labels.push('"');
}

//! Drawings of the pages, as SVG written here: bars of history, lines of latency, strips of single latencies, the phases
//! of a run. What state a bar shows can be told by its shape, not by its colour alone. Nothing that a server says is drawn.

use std::fmt::Write as _;
use std::time::Duration;

use jiff::Timestamp;

use crate::base::duration;

/// Height of the bars, in units of the drawing.
const BAR_HEIGHT: usize = 24;

/// How runs ended in a stretch of time.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Bar {
    /// Runs that were healthy.
    pub healthy: u64,
    /// Runs that were degraded.
    pub degraded: u64,
    /// Runs that failed.
    pub failed: u64,
    /// Runs of which nobody can tell.
    pub unknown: u64,
    /// Grid points without a run.
    pub missed: u64,
}

/// The latencies of a stretch of time.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Point {
    /// Where it begins.
    pub at: Timestamp,
    /// Half of the latencies were at most this.
    pub p50: Duration,
    /// Nineteen in twenty were at most this.
    pub p95: Duration,
}

impl Bar {
    /// The word for the whole stretch: the worst of what was seen. None where nothing was.
    #[must_use]
    pub fn word(&self) -> &'static str {
        match self {
            Self { failed: 1.., .. } => "failed",
            Self { degraded: 1.., .. } => "degraded",
            Self { healthy: 1.., .. } => "healthy",
            Self { unknown: 1.., .. } | Self { missed: 1.., .. } => "unknown",
            _ => "none",
        }
    }
}

/// The bars of history, oldest first. With `said`, each has a text of its own, for who points at it.
#[must_use]
pub fn bars(bars: &[Bar], from: Timestamp, to: Timestamp, said: bool) -> String {
    let count = bars.len().max(1);
    let mut svg = format!(
        "<svg class=\"bars\" viewBox=\"0 0 {} {BAR_HEIGHT}\" preserveAspectRatio=\"none\" role=\"img\" aria-label=\"{}\">",
        count * 4,
        summary(bars)
    );
    if said {
        let step = (to.as_second() - from.as_second()) / i64::try_from(count).unwrap_or(1);
        for (at, bar) in bars.iter().enumerate() {
            let begin = from.as_second() + step * i64::try_from(at).unwrap_or(0);
            let begin = Timestamp::from_second(begin)
                .map_or_else(|_| String::new(), |begin| begin.strftime("%F %R UTC").to_string());
            let _ = write!(
                svg,
                "<path class=\"{}\" d=\"{}\"><title>{begin}: {}</title></path>",
                bar.word(),
                shape(bar.word(), at),
                words(bar)
            );
        }
    } else {
        // One path per state: a fleet has thousands of bars.
        for word in ["healthy", "degraded", "failed", "unknown", "none"] {
            let path: String =
                bars.iter().enumerate().filter(|(_, bar)| bar.word() == word).map(|(at, _)| shape(word, at)).collect();
            if !path.is_empty() {
                let _ = write!(svg, "<path class=\"{word}\" d=\"{path}\"/>");
            }
        }
    }
    svg.push_str("</svg>");
    svg
}

/// A full bar is healthy, a short one degraded, a broken one failed, a speck in the middle unknown, a line nothing.
fn shape(word: &str, at: usize) -> String {
    let x = at * 4;
    match word {
        "healthy" => format!("M{x} 0h3v24h-3z"),
        "degraded" => format!("M{x} 10h3v14h-3z"),
        "failed" => format!("M{x} 0h3v9h-3zM{x} 14h3v10h-3z"),
        "unknown" => format!("M{x} 10h3v4h-3z"),
        _ => format!("M{x} 22h3v2h-3z"),
    }
}

fn words(bar: &Bar) -> String {
    let counts = [
        (bar.healthy, "healthy"),
        (bar.degraded, "degraded"),
        (bar.failed, "failed"),
        (bar.unknown, "unknown"),
        (bar.missed, "missed"),
    ];
    let said: Vec<String> =
        counts.iter().filter(|(count, _)| *count > 0).map(|(count, word)| format!("{count} {word}")).collect();
    if said.is_empty() { "no runs".to_owned() } else { said.join(", ") }
}

fn summary(bars: &[Bar]) -> String {
    let of = |word: &str| bars.iter().filter(|bar| bar.word() == word).count();
    format!(
        "{} stretches: {} healthy, {} degraded, {} failed, {} unknown, {} without runs",
        bars.len(),
        of("healthy"),
        of("degraded"),
        of("failed"),
        of("unknown"),
        of("none")
    )
}

/// Two small lines of latency, without axes; nothing where there are no points.
#[must_use]
pub fn sparkline(points: &[Point], from: Timestamp, to: Timestamp) -> String {
    const WIDTH: f64 = 120.0;
    const HEIGHT: f64 = 24.0;
    let Some(top) = points.iter().map(|point| point.p95).max() else { return String::new() };
    let place = Placing { from, to, top, left: 1.0, right: WIDTH - 1.0, low: HEIGHT - 2.0, high: 2.0 };
    format!(
        "<svg class=\"spark\" preserveAspectRatio=\"none\" viewBox=\"0 0 {WIDTH} {HEIGHT}\" role=\"img\" aria-label=\"latency, up to {}\">{}</svg>",
        duration::human(top),
        place.lines(points)
    )
}

/// The latency over time, with a scale.
#[must_use]
pub fn latency(points: &[Point], from: Timestamp, to: Timestamp) -> String {
    const WIDTH: f64 = 720.0;
    const HEIGHT: f64 = 200.0;
    let Some(top) = points.iter().map(|point| point.p95).max() else { return String::new() };
    let top = round_up(top);
    let place = Placing { from, to, top, left: 64.0, right: WIDTH - 8.0, low: HEIGHT - 24.0, high: 8.0 };
    let mut svg = format!(
        "<svg class=\"chart\" viewBox=\"0 0 {WIDTH} {HEIGHT}\" role=\"img\" aria-label=\"latency over time, p50 and p95, \
         up to {}\">",
        duration::human(top)
    );
    for part in 0..=4_u32 {
        let value = top * part / 4;
        let y = place.y(value);
        let _ = write!(
            svg,
            "<path class=\"grid\" d=\"M64 {y:.1}H{:.1}\"/><text x=\"58\" y=\"{:.1}\" class=\"end\">{}</text>",
            place.right,
            y + 4.0,
            duration::human(value)
        );
    }
    let span = (to.as_millisecond() - from.as_millisecond()).max(0);
    let format = match span / 1000 {
        0..10 => "%T%.1f",
        10..600 => "%T",
        600..172_800 => "%R",
        _ => "%F",
    };
    for part in 0..=4_i64 {
        let at = Timestamp::from_millisecond(from.as_millisecond() + span * part / 4).unwrap_or(from);
        let anchor = match part {
            0 => "start",
            4 => "end",
            _ => "middle",
        };
        let _ = write!(
            svg,
            "<text x=\"{:.1}\" y=\"{}\" class=\"{anchor}\">{}</text>",
            place.x(at),
            HEIGHT - 6.0,
            at.strftime(format)
        );
    }
    svg.push_str(&place.lines(points));
    svg.push_str("</svg>");
    svg
}

/// Where things stand in a drawing.
struct Placing {
    from: Timestamp,
    to: Timestamp,
    top: Duration,
    left: f64,
    right: f64,
    low: f64,
    high: f64,
}

impl Placing {
    #[expect(clippy::cast_precision_loss, reason = "milliseconds of some days are far below 2^53")]
    fn x(&self, at: Timestamp) -> f64 {
        let span = (self.to.as_millisecond() - self.from.as_millisecond()).max(1) as f64;
        let share = (at.as_millisecond() - self.from.as_millisecond()) as f64 / span;
        self.left + (self.right - self.left) * share.clamp(0.0, 1.0)
    }

    fn y(&self, value: Duration) -> f64 {
        let share = value.as_secs_f64() / self.top.as_secs_f64().max(1e-9);
        self.low - (self.low - self.high) * share.clamp(0.0, 1.0)
    }

    /// The two lines, p95 above and dashed by the style sheet, with dots where a point stands alone.
    fn lines(&self, points: &[Point]) -> String {
        let line = |class: &str, value: fn(&Point) -> Duration| {
            let mut path = String::new();
            for (at, point) in points.iter().enumerate() {
                let letter = if at == 0 { 'M' } else { 'L' };
                let _ = write!(path, "{letter}{:.1} {:.1}", self.x(point.at), self.y(value(point)));
            }
            if points.len() == 1 {
                path.push_str("h3");
            }
            format!("<path class=\"{class}\" d=\"{path}\"/>")
        };
        line("p95", |point| point.p95) + &line("p50", |point| point.p50)
    }
}

/// Latencies of one thing as ticks over a bar that ends at their median, on a scale that ends at `top`. Nothing where
/// there are none.
#[must_use]
pub fn strip(latencies: &[Duration], top: Duration) -> String {
    const WIDTH: f64 = 1000.0;
    let mut sorted = latencies.to_vec();
    sorted.sort_unstable();
    let (Some(least), Some(most)) = (sorted.first(), sorted.last()) else { return String::new() };
    let x = |value: Duration| (value.as_secs_f64() / top.as_secs_f64().max(1e-9)).clamp(0.0, 1.0) * (WIDTH - 4.0) + 2.0;
    let said = if sorted.len() == 1 {
        duration::human(*most)
    } else {
        format!("{} answers from {} to {}", sorted.len(), duration::human(*least), duration::human(*most))
    };
    let mut ticks = String::new();
    for value in &sorted {
        let _ = write!(ticks, "M{:.1} 2v12", x(*value));
    }
    format!(
        "<svg class=\"strip\" viewBox=\"0 0 {WIDTH} 16\" preserveAspectRatio=\"none\" role=\"img\" \
         aria-label=\"{said}\"><rect x=\"0\" y=\"4\" width=\"{:.1}\" height=\"8\"/><path d=\"{ticks}\"/></svg>",
        x(sorted[sorted.len() / 2])
    )
}

/// The next of 1, 2, 5 times a power of ten.
#[must_use]
pub fn round_up(value: Duration) -> Duration {
    let micros = u64::try_from(value.as_micros()).unwrap_or(u64::MAX / 100).max(1);
    let mut unit = 1_u64;
    loop {
        for factor in [1, 2, 5] {
            if unit.saturating_mul(factor) >= micros {
                return Duration::from_micros(unit.saturating_mul(factor));
            }
        }
        unit = unit.saturating_mul(10);
    }
}

/// The phases of a run side by side, each as wide as it took.
#[must_use]
pub fn phases(phases: &[(&'static str, Duration)]) -> String {
    const WIDTH: f64 = 720.0;
    let total: Duration = phases.iter().map(|(_, took)| *took).sum();
    let mut svg = format!(
        "<svg class=\"phases\" viewBox=\"0 0 {WIDTH} 16\" preserveAspectRatio=\"none\" role=\"img\" aria-label=\"phases of \
         the last run, {} together\">",
        duration::human(total)
    );
    let mut x = 0.0;
    for (name, took) in phases {
        let width = took.as_secs_f64() / total.as_secs_f64().max(1e-9) * WIDTH;
        let _ = write!(
            svg,
            "<rect class=\"{name}\" x=\"{x:.1}\" y=\"0\" width=\"{:.1}\" height=\"16\"><title>{name} {}</title></rect>",
            (width - 1.0).max(0.5),
            duration::human(*took)
        );
        x += width;
    }
    svg.push_str("</svg>");
    svg
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(second: i64) -> Timestamp {
        Timestamp::from_second(second).unwrap()
    }

    #[test]
    fn states_can_be_told_by_shape_and_are_said() {
        let each = [
            Bar { healthy: 4, ..Bar::default() },
            Bar { healthy: 4, degraded: 1, ..Bar::default() },
            Bar { healthy: 4, failed: 1, ..Bar::default() },
            Bar { unknown: 1, ..Bar::default() },
            Bar::default(),
        ];
        let svg = bars(&each, at(0), at(500), false);
        assert!(svg.contains("5 stretches: 1 healthy, 1 degraded, 1 failed, 1 unknown, 1 without runs"), "{svg}");
        let shapes: std::collections::BTreeSet<String> = each.iter().map(|bar| shape(bar.word(), 0)).collect();
        assert_eq!(shapes.len(), 5);
        let svg = bars(&each, at(0), at(500), true);
        assert!(svg.contains("<title>1970-01-01 00:01 UTC: 4 healthy, 1 degraded</title>"), "{svg}");
        assert!(svg.contains("no runs"), "{svg}");
    }

    #[test]
    fn lines_stay_within_the_drawing() {
        let point =
            |second, ms| Point { at: at(second), p50: Duration::from_millis(ms), p95: Duration::from_millis(ms * 3) };
        let points = [point(-50, 1), point(10, 5), point(900, 70)];
        for svg in [sparkline(&points, at(0), at(100)), latency(&points, at(0), at(100))] {
            for path in svg.split("class=\"p").skip(1) {
                let path = path.split("d=\"").nth(1).unwrap().split('"').next().unwrap();
                for number in path.split(['M', 'L', ' ']).filter(|part| !part.is_empty()) {
                    let number: f64 = number.parse().unwrap();
                    assert!((0.0..=720.0).contains(&number), "{svg}");
                }
            }
        }
        assert!(latency(&points, at(0), at(100)).contains(">500"), "a round scale");
        assert_eq!(sparkline(&[], at(0), at(1)), "");
    }

    #[test]
    fn the_moments_of_a_scale_can_be_told_apart() {
        let point = Point { at: at(0), p50: Duration::from_millis(1), p95: Duration::from_millis(2) };
        for (seconds, first) in [(4, ">00:00:01.0<"), (80, ">00:00:20<"), (7_200, ">00:30<"), (864_000, ">1970-01-03<")]
        {
            let svg = latency(&[point], at(0), at(seconds));
            assert!(svg.contains(first), "{seconds}: {svg}");
        }
    }

    #[test]
    fn a_strip_has_a_tick_per_answer() {
        let ms = Duration::from_millis;
        let svg = strip(&[ms(40), ms(10), ms(20)], ms(50));
        assert_eq!(svg.matches("v12").count(), 3);
        assert!(
            svg.contains("aria-label=\"3 answers from 10 ms to 40 ms\"") && svg.contains("width=\"400.4\""),
            "{svg}"
        );
        assert_eq!(strip(&[], ms(50)), "");
    }

    #[test]
    fn a_scale_ends_at_a_round_number() {
        for (ms, rounded) in [(1, 1), (3, 5), (11, 20), (210, 500), (999, 1000), (1001, 2000)] {
            assert_eq!(round_up(Duration::from_millis(ms)), Duration::from_millis(rounded));
        }
        assert_eq!(round_up(Duration::ZERO), Duration::from_micros(1));
    }
}

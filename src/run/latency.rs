//! Sums up the latencies of a repeated call: exact bounds, HDR percentiles, and a histogram small enough to draw.

use std::time::Duration;

use hdrhistogram::Histogram;

use crate::event::LatencySummary;

/// Bars of the drawn histogram.
const BARS_MAX: usize = 10;
/// An hour in nanoseconds: longer latencies are recorded as this.
const NANOS_MAX: u64 = 3_600_000_000_000;

/// Collects latencies. Memory does not grow with their number.
pub struct Latencies {
    histogram: Histogram<u64>,
    failed: u64,
}

impl Latencies {
    /// An empty collection; `None` only if the fixed bounds were wrong.
    #[must_use]
    pub fn new() -> Option<Self> {
        Some(Self { histogram: Histogram::new_with_bounds(1, NANOS_MAX, 3).ok()?, failed: 0 })
    }

    /// Adds an answered call.
    pub fn record(&mut self, latency: Duration) {
        self.histogram.saturating_record(u64::try_from(latency.as_nanos()).unwrap_or(NANOS_MAX).max(1));
    }

    /// Counts a call that failed.
    pub fn fail(&mut self) {
        self.failed += 1;
    }

    /// The summary.
    #[must_use]
    pub fn summary(&self) -> LatencySummary {
        let histogram = &self.histogram;
        let at = |quantile: f64| Duration::from_nanos(histogram.value_at_quantile(quantile).min(histogram.max()));
        #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "a mean of recorded nanoseconds")]
        let mean = Duration::from_nanos(histogram.mean() as u64);
        LatencySummary {
            count: histogram.len(),
            failed: self.failed,
            min: Duration::from_nanos(if histogram.is_empty() { 0 } else { histogram.min() }),
            mean,
            p50: at(0.50),
            p90: at(0.90),
            p95: at(0.95),
            p99: at(0.99),
            max: Duration::from_nanos(histogram.max()),
            buckets: self.buckets(),
        }
    }

    /// Equal steps from the smallest value to the 99th percentile, and one bar for the tail.
    fn buckets(&self) -> Vec<(Duration, u64)> {
        let histogram = &self.histogram;
        if histogram.len() < 2 {
            return Vec::new();
        }
        let (low, high) = (histogram.min(), histogram.value_at_quantile(0.99).min(histogram.max()));
        let step = ((high - low) / (BARS_MAX as u64 - 1)).max(1);
        let mut buckets = Vec::new();
        let mut below = 0;
        for bar in 1..BARS_MAX as u64 {
            let bound = if bar == BARS_MAX as u64 - 1 { high } else { low + step * bar };
            let count = histogram.count_between(0, bound);
            buckets.push((Duration::from_nanos(bound), count - below));
            below = count;
            if bound >= high {
                break;
            }
        }
        if histogram.len() > below {
            buckets.push((Duration::from_nanos(histogram.max()), histogram.len() - below));
        }
        buckets
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_summary_adds_up() {
        let mut latencies = Latencies::new().unwrap();
        for ms in 1..=100 {
            latencies.record(Duration::from_millis(ms));
        }
        latencies.fail();
        let summary = latencies.summary();
        assert_eq!((summary.count, summary.failed), (100, 1));
        let close = |have: Duration, ms: u64| have.abs_diff(Duration::from_millis(ms)) < Duration::from_micros(200);
        assert!(close(summary.p50, 50) && close(summary.p95, 95) && close(summary.p99, 99), "{summary:?}");
        assert!(close(summary.min, 1) && close(summary.max, 100));
        assert_eq!(summary.buckets.iter().map(|(_, count)| count).sum::<u64>(), 100);
        assert!(summary.buckets.len() <= BARS_MAX);
        assert!(summary.buckets.is_sorted_by_key(|(bound, _)| *bound));
    }

    #[test]
    fn nothing_and_one_are_fine() {
        let mut latencies = Latencies::new().unwrap();
        assert_eq!(latencies.summary().count, 0);
        latencies.record(Duration::from_millis(3));
        assert_eq!(latencies.summary().count, 1);
        latencies.record(Duration::from_millis(3));
        assert_eq!(latencies.summary().buckets.iter().map(|(_, count)| count).sum::<u64>(), 2);
    }
}

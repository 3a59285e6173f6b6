//! A histogram with fixed bounds: counts per bucket, and the sum.

use std::time::Duration;

/// OpenTelemetry's bounds for the operations of MCP, in seconds.
pub const OPERATION: &[f64] = &[0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1.0, 2.0, 5.0, 10.0, 30.0, 60.0, 120.0, 300.0];

/// Bounds for what the prober adds itself, in seconds: it should stay in the first ones.
pub const OWN: &[f64] = &[0.001, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0];

/// Counts of times.
#[derive(Clone, Debug)]
pub struct Histogram {
    bounds: &'static [f64],
    counts: Vec<u64>,
    beyond: u64,
    sum: Duration,
}

impl Histogram {
    /// With these bounds, in seconds and ascending; nothing counted yet.
    #[must_use]
    pub fn new(bounds: &'static [f64]) -> Self {
        Self { bounds, counts: vec![0; bounds.len()], beyond: 0, sum: Duration::ZERO }
    }

    /// Counts a time. A bound holds what equals it.
    pub fn add(&mut self, took: Duration) {
        let seconds = took.as_secs_f64();
        match self.bounds.iter().position(|bound| seconds <= *bound).and_then(|at| self.counts.get_mut(at)) {
            Some(count) => *count += 1,
            None => self.beyond += 1,
        }
        self.sum = self.sum.saturating_add(took);
    }

    /// Each bound with the number of times up to it.
    pub fn cumulative(&self) -> impl Iterator<Item = (f64, u64)> + '_ {
        let mut so_far = 0;
        self.bounds.iter().zip(&self.counts).map(move |(bound, count)| {
            so_far += count;
            (*bound, so_far)
        })
    }

    /// How many times were counted.
    #[must_use]
    pub fn count(&self) -> u64 {
        self.counts.iter().sum::<u64>() + self.beyond
    }

    /// All of them together, in seconds.
    #[must_use]
    pub fn sum(&self) -> f64 {
        self.sum.as_secs_f64()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_bound_holds_what_equals_it_and_counts_add_up() {
        let mut histogram = Histogram::new(OPERATION);
        for ms in [10, 11, 20, 300_000, 300_001] {
            histogram.add(Duration::from_millis(ms));
        }
        let cumulative: Vec<(f64, u64)> = histogram.cumulative().collect();
        assert_eq!(cumulative[..3], [(0.01, 1), (0.02, 3), (0.05, 3)]);
        assert_eq!(cumulative.last(), Some(&(300.0, 4)));
        assert_eq!(histogram.count(), 5);
        assert!((histogram.sum() - 600.042).abs() < 1e-9);
    }
}

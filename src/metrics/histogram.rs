//! A histogram with fixed bounds: counts per bucket, and the sum.

use std::time::Duration;

use super::snapshot::Exemplar;

/// OpenTelemetry's bounds for the operations of MCP, in seconds.
pub const OPERATION: &[f64] = &[0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1.0, 2.0, 5.0, 10.0, 30.0, 60.0, 120.0, 300.0];

/// Bounds for what the prober adds itself, in seconds: it should stay in the first ones.
pub const OWN: &[f64] = &[0.001, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0];

/// Counts of times.
#[derive(Clone, Debug, PartialEq)]
pub struct Histogram {
    bounds: &'static [f64],
    counts: Vec<u64>,
    beyond: u64,
    sum: Duration,
    /// By the place of the bucket, ascending; most buckets have none.
    exemplars: Vec<(usize, Exemplar)>,
}

/// One bucket.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Bucket<'a> {
    /// Up to this, in seconds; the last one is infinite.
    pub bound: f64,
    /// How many times were up to it: those of smaller buckets are among them.
    pub count: u64,
    /// One of those that are in no smaller bucket.
    pub exemplar: Option<&'a Exemplar>,
}

impl Histogram {
    /// With these bounds, in seconds and ascending; nothing counted yet.
    #[must_use]
    pub fn new(bounds: &'static [f64]) -> Self {
        Self { bounds, counts: vec![0; bounds.len()], beyond: 0, sum: Duration::ZERO, exemplars: Vec::new() }
    }

    /// Counts a time. A bound holds what equals it. The newest example of a bucket is kept.
    pub fn add(&mut self, took: Duration, exemplar: Option<Exemplar>) {
        let seconds = took.as_secs_f64();
        let at = self.bounds.iter().position(|bound| seconds <= *bound).unwrap_or(self.bounds.len());
        match self.counts.get_mut(at) {
            Some(count) => *count += 1,
            None => self.beyond += 1,
        }
        self.sum = self.sum.saturating_add(took);
        if let Some(exemplar) = exemplar {
            match self.exemplars.binary_search_by_key(&at, |(at, _)| *at) {
                Ok(have) => self.exemplars[have].1 = exemplar,
                Err(gap) => self.exemplars.insert(gap, (at, exemplar)),
            }
        }
    }

    /// Every bucket, ascending, the infinite one last.
    pub fn buckets(&self) -> impl Iterator<Item = Bucket<'_>> {
        let mut count = 0;
        let bounds = self.bounds.iter().copied().chain([f64::INFINITY]);
        let counts = self.counts.iter().copied().chain([self.beyond]);
        bounds.zip(counts).enumerate().map(move |(at, (bound, more))| {
            count += more;
            let exemplar = self.exemplars.iter().find(|(have, _)| *have == at).map(|(_, exemplar)| exemplar);
            Bucket { bound, count, exemplar }
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
            histogram.add(Duration::from_millis(ms), None);
        }
        let buckets: Vec<(f64, u64)> = histogram.buckets().map(|bucket| (bucket.bound, bucket.count)).collect();
        assert_eq!(buckets[..3], [(0.01, 1), (0.02, 3), (0.05, 3)]);
        assert_eq!(buckets[13..], [(300.0, 4), (f64::INFINITY, 5)]);
        assert_eq!(histogram.count(), 5);
        assert!((histogram.sum() - 600.042).abs() < 1e-9);
    }
}

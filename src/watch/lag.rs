//! How late runs began, of the last thousand: what the prober says of itself.

use std::collections::VecDeque;
use std::time::Duration;

/// Runs that are looked back at.
const RUNS_MAX: usize = 1000;

/// The lags of the last runs.
#[derive(Clone, Debug, Default)]
pub struct Lags(VecDeque<Duration>);

impl Lags {
    /// One more run.
    pub fn add(&mut self, lag: Duration) {
        if self.0.len() == RUNS_MAX {
            self.0.pop_front();
        }
        self.0.push_back(lag);
    }

    /// The median and the 99th percentile, by nearest rank; none before the first run.
    #[must_use]
    pub fn percentiles(&self) -> Option<(Duration, Duration)> {
        let mut sorted: Vec<Duration> = self.0.iter().copied().collect();
        sorted.sort_unstable();
        let rank = |percent: usize| sorted.get((sorted.len() * percent).div_ceil(100).max(1) - 1).copied();
        Some((rank(50)?, rank(99)?))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_last_thousand_count() {
        let mut lags = Lags::default();
        assert_eq!(lags.percentiles(), None);
        (0..5000).for_each(|count| lags.add(Duration::from_millis(count)));
        let millis = |count| Duration::from_millis(count);
        assert_eq!(lags.percentiles(), Some((millis(4499), millis(4989))));
    }
}

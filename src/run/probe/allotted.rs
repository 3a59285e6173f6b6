//! How long the steps of an attempt may take. The server has the whole `timeout` of the probe: what the prober spends
//! itself, judging what came, or reading the tools to learn whether one may be called, is not charged to it.

use std::time::{Duration, Instant};

/// The time of an attempt.
#[derive(Clone, Copy, Debug)]
pub(super) struct Allotted {
    /// When the attempt has used up its time.
    over: Instant,
    timeout: Duration,
    /// When everything has to be over, whoever spent the time.
    end: Option<Instant>,
}

impl Allotted {
    /// That much from then on, and nothing beyond the end.
    pub(super) fn from(begun: Instant, timeout: Duration, end: Option<Instant>) -> Self {
        Self { over: begun + timeout, timeout, end }
    }

    /// When the next answer must have come.
    pub(super) fn until(&self) -> Instant {
        self.end.map_or(self.over, |end| end.min(self.over))
    }

    /// The time of the whole attempt, where that is what the next step could run out of.
    pub(super) fn limit(&self) -> Option<Duration> {
        (self.until() == self.over).then_some(self.timeout)
    }

    /// So much was spent without the server.
    pub(super) fn leave_out(&mut self, aside: Duration) {
        self.over += aside;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_the_prober_spends_is_the_servers_to_have_but_not_beyond_the_end() {
        let (now, second) = (Instant::now(), Duration::from_secs(1));
        let mut own = Allotted::from(now, second, None);
        own.leave_out(second * 3);
        assert_eq!((own.until(), own.limit()), (now + second * 4, Some(second)));
        let mut ended = Allotted::from(now, second, Some(now + second * 2));
        assert_eq!((ended.until(), ended.limit()), (now + second, Some(second)));
        ended.leave_out(second * 3);
        assert_eq!((ended.until(), ended.limit()), (now + second * 2, None), "something else ends it");
    }
}

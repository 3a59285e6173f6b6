//! How far apart the runs of a probe are. An interval says it; a calendar shows it.

use std::time::Duration;

use jiff::tz::TimeZone;

use super::When;
use crate::config::cron;

/// Times between two runs that follow each other, those aside that come sooner after a failure.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Pace {
    /// The usual one.
    pub usual: Duration,
    /// The shortest.
    pub closest: Duration,
    /// The longest.
    pub farthest: Duration,
}

impl Pace {
    /// Always the same.
    #[must_use]
    pub fn even(every: Duration) -> Self {
        Self { usual: every, closest: every, farthest: every }
    }
}

impl When {
    /// The distances of its runs; `default` where nothing was said.
    #[must_use]
    pub fn pace(&self, default: Duration) -> Pace {
        match self {
            Self::Default => Pace::even(default),
            Self::Every(every) => Pace::even(*every),
            Self::Cron { schedule, timezone, .. } => {
                let zone = timezone.as_deref().and_then(|name| TimeZone::get(name).ok()).unwrap_or(TimeZone::UTC);
                let pauses = cron::pauses(schedule, &zone);
                // What comes once in years is as rare as it looks: a day is as good as any.
                let usual = pauses.first().copied().unwrap_or(Duration::from_secs(24 * 3600));
                let closest = pauses.iter().copied().min().unwrap_or(usual);
                Pace { usual, closest, farthest: pauses.iter().copied().max().unwrap_or(usual) }
            }
        }
    }
}

//! How long to wait before the same thing is tried again: a little longer each time, and as long as the server asks.

use std::time::Duration;

use crate::session::Exchange;

/// Before the second attempt: long enough for a socket that is being reopened.
const FIRST: Duration = Duration::from_millis(100);

/// Pauses that double from a tenth of a second to a limit.
#[derive(Clone, Copy, Debug)]
pub(super) struct Pauses {
    next: Duration,
    max: Duration,
}

impl Pauses {
    /// Pauses of at most `max`.
    pub(super) fn up_to(max: Duration) -> Self {
        Self { next: FIRST.min(max), max }
    }

    /// The pause before the next attempt.
    pub(super) fn next(&mut self) -> Duration {
        let pause = self.next;
        self.next = (pause * 2).min(self.max);
        pause
    }
}

/// How long a server that refuses under load (429, 503) asks to be left alone.
pub(super) fn asked_for(exchange: &Exchange) -> Option<Duration> {
    let head = exchange.head.as_ref().filter(|head| matches!(head.status, 429 | 503))?;
    read(head.header("retry-after")?, jiff::Timestamp::now())
}

/// `Retry-After` (RFC 9110, section 10.2.3): seconds, or a date.
fn read(text: &str, now: jiff::Timestamp) -> Option<Duration> {
    let text = text.trim();
    if !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit()) {
        return Some(text.parse().map_or(Duration::MAX, Duration::from_secs));
    }
    let at = jiff::fmt::rfc2822::parse(text).ok()?.timestamp();
    Some(Duration::try_from(at.duration_since(now)).unwrap_or_default())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pauses_double_up_to_their_limit() {
        let mut pauses = Pauses::up_to(Duration::from_millis(350));
        let taken: Vec<u128> = (0..4).map(|_| pauses.next().as_millis()).collect();
        assert_eq!(taken, [100, 200, 350, 350]);
        assert_eq!(Pauses::up_to(Duration::from_millis(5)).next(), Duration::from_millis(5));
    }

    #[test]
    fn retry_after_is_seconds_or_a_date() {
        let now: jiff::Timestamp = "1994-11-06T08:49:30Z".parse().unwrap();
        assert_eq!(read("7", now), Some(Duration::from_secs(7)));
        assert_eq!(read("Sun, 06 Nov 1994 08:49:37 GMT", now), Some(Duration::from_secs(7)));
        assert_eq!(read("Sun, 06 Nov 1994 08:49:00 GMT", now), Some(Duration::ZERO));
        assert_eq!(read("99999999999999999999999", now), Some(Duration::MAX));
        for nonsense in ["", "soon", "-1", "1.5"] {
            assert_eq!(read(nonsense, now), None, "{nonsense}");
        }
    }
}

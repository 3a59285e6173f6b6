//! Connections that are open at the same time. They are few, and nobody can keep others out by holding them: when there is no
//! room, the oldest connection goes that has no request under way. One that sends its request in drops, or does not read its
//! answer, has none.

use std::collections::VecDeque;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use tokio_util::sync::CancellationToken;

/// The connections of one listener. Clones are the same.
#[derive(Clone)]
pub struct Crowd {
    inside: Arc<Mutex<VecDeque<Arc<Seat>>>>,
    most: usize,
}

#[derive(Default)]
struct Seat {
    requests: AtomicUsize,
    leave: CancellationToken,
}

/// One connection; dropped, it leaves.
pub struct Guest {
    seat: Arc<Seat>,
    crowd: Crowd,
}

/// A request whose answer is being made.
pub struct UnderWay(Arc<Seat>);

impl Crowd {
    /// Nobody yet.
    #[must_use]
    pub fn new(most: usize) -> Self {
        Self { inside: Arc::default(), most }
    }

    /// Lets a connection in; none where everybody inside has a request under way.
    #[must_use]
    pub fn enter(&self) -> Option<Guest> {
        let mut inside = self.inside();
        if inside.len() >= self.most {
            let idle = inside.iter().position(|seat| seat.requests.load(Ordering::Acquire) == 0)?;
            inside.remove(idle)?.leave.cancel();
        }
        let seat = Arc::new(Seat::default());
        inside.push_back(Arc::clone(&seat));
        drop(inside);
        Some(Guest { seat, crowd: self.clone() })
    }

    fn inside(&self) -> MutexGuard<'_, VecDeque<Arc<Seat>>> {
        self.inside.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Guest {
    /// A request has come; it is under way until what is returned is dropped.
    #[must_use]
    pub fn asks(&self) -> UnderWay {
        self.seat.requests.fetch_add(1, Ordering::AcqRel);
        UnderWay(Arc::clone(&self.seat))
    }

    /// Ends when somebody else needs the place.
    pub async fn sent_away(&self) {
        self.seat.leave.cancelled().await;
    }
}

impl Drop for Guest {
    fn drop(&mut self) {
        self.crowd.inside().retain(|seat| !Arc::ptr_eq(seat, &self.seat));
    }
}

impl Drop for UnderWay {
    fn drop(&mut self) {
        self.0.requests.fetch_sub(1, Ordering::AcqRel);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_oldest_that_asks_for_nothing_makes_room() {
        let crowd = Crowd::new(3);
        let guests: Vec<Guest> = (0..3).filter_map(|_| crowd.enter()).collect();
        let first = guests[0].asks();
        let fourth = crowd.enter().unwrap();
        let gone = |guest: &Guest| guest.seat.leave.is_cancelled();
        assert!(!gone(&guests[0]) && gone(&guests[1]) && !gone(&guests[2]));
        let others = (guests[2].asks(), fourth.asks());
        assert!(crowd.enter().is_none(), "everybody has a request under way");
        drop(first);
        let fifth = crowd.enter().unwrap();
        assert!(gone(&guests[0]) && !gone(&fifth));
        drop((others, guests, fourth, fifth));
        assert!(crowd.inside().is_empty());
    }
}

//! How much goes on at the same time: overall, per host, and of starting processes. What finds no place waits, the
//! earliest deadline first; what would wait until its next turn is given up. Waiting is no latency: it is measured apart.

use std::collections::{BTreeSet, HashMap, VecDeque};
use std::sync::Arc;
use std::time::Duration;

/// How long the start of a process holds its place: long enough for its heaviest moment.
const SPAWN_HOLD: Duration = Duration::from_secs(1);

/// The bounds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limits {
    /// Runs at the same time.
    pub jobs: usize,
    /// Of these on one host.
    pub per_host: usize,
    /// Processes that are being started at the same time.
    pub spawns: usize,
}

impl Default for Limits {
    fn default() -> Self {
        Self { jobs: 64, per_host: 8, spawns: 4 }
    }
}

/// What a run takes up.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum Needs {
    /// A connection to a host (with its port).
    Host(Arc<str>),
    /// A process of its own.
    Process,
    /// A process that runs already.
    Nothing,
}

/// A run that waits, or that has its place.
#[derive(Clone, Debug, PartialEq)]
pub struct Waiting<T> {
    /// Its number; given when it is put into the queue.
    pub ticket: u64,
    /// Which.
    pub what: T,
    /// What it needs.
    pub needs: Needs,
    /// When it came; on the monotonic clock.
    pub since: Duration,
    /// From then on it is too late.
    pub until: Duration,
}

impl<T> Waiting<T> {
    /// What is run, and its place.
    pub fn split(self) -> (T, Waiting<()>) {
        let Self { ticket, what, needs, since, until } = self;
        (what, Waiting { ticket, what: (), needs, since, until })
    }
}

/// Runs that wait and places that are taken.
#[derive(Debug)]
pub struct Places<T> {
    limits: Limits,
    /// What waits, in the order of deadlines; among equals the first comes first.
    order: BTreeSet<(Duration, u64)>,
    waiting: HashMap<u64, Waiting<T>>,
    /// What waits for a host that has no room, so that it is not looked at in vain.
    held_up: HashMap<Needs, BTreeSet<(Duration, u64)>>,
    taken: usize,
    on: HashMap<Arc<str>, usize>,
    /// When each start lets go of its place, and whose it is, oldest first.
    starts: VecDeque<(Duration, u64)>,
    count: u64,
}

impl<T> Places<T> {
    /// All free.
    #[must_use]
    pub fn new(limits: Limits) -> Self {
        Self {
            limits,
            order: BTreeSet::new(),
            waiting: HashMap::new(),
            held_up: HashMap::new(),
            taken: 0,
            on: HashMap::new(),
            starts: VecDeque::new(),
            count: 0,
        }
    }

    /// Other bounds from now on; what runs goes on.
    pub fn set_limits(&mut self, limits: Limits) {
        self.limits = limits;
        self.release_all();
    }

    /// The bounds.
    #[must_use]
    pub fn limits(&self) -> Limits {
        self.limits
    }

    /// Runs that go on.
    #[must_use]
    pub fn taken(&self) -> usize {
        self.taken
    }

    /// Runs that wait.
    #[must_use]
    pub fn waiting(&self) -> usize {
        self.waiting.len()
    }

    /// Puts a run into the queue.
    pub fn enqueue(&mut self, mut run: Waiting<T>) {
        self.count += 1;
        run.ticket = self.count;
        self.order.insert((run.until, self.count));
        self.waiting.insert(self.count, run);
    }

    /// The next run that has a place, which it takes.
    pub fn next(&mut self, now: Duration) -> Option<Waiting<T>> {
        while self.starts.front().is_some_and(|(free_at, _)| *free_at <= now) {
            self.starts.pop_front();
            self.release(&Needs::Process);
        }
        while self.taken < self.limits.jobs {
            let key = self.order.pop_first()?;
            let Some(run) = self.waiting.get(&key.1) else { continue };
            if !self.has_room(&run.needs) {
                self.held_up.entry(run.needs.clone()).or_default().insert(key);
                continue;
            }
            let run = self.waiting.remove(&key.1)?;
            self.taken += 1;
            match &run.needs {
                Needs::Host(host) => *self.on.entry(host.clone()).or_default() += 1,
                Needs::Process => self.starts.push_back((now + SPAWN_HOLD, run.ticket)),
                Needs::Nothing => {}
            }
            return Some(run);
        }
        None
    }

    /// A run ended; its place is free, and that of its start, where that was not yet.
    pub fn finished<W>(&mut self, run: &Waiting<W>) {
        self.taken = self.taken.saturating_sub(1);
        match &run.needs {
            Needs::Host(host) => {
                if let Some(count) = self.on.get_mut(host) {
                    *count -= 1;
                    if *count == 0 {
                        self.on.remove(host);
                    }
                }
            }
            Needs::Process => self.starts.retain(|(_, ticket)| *ticket != run.ticket),
            Needs::Nothing => {}
        }
        self.release(&run.needs);
    }

    /// Takes out what is too late now.
    pub fn too_late(&mut self, now: Duration) -> Vec<Waiting<T>> {
        let is_late = |key: &&(Duration, u64)| key.0 <= now;
        let mut late: Vec<(Duration, u64)> = self.order.iter().take_while(is_late).copied().collect();
        late.extend(self.held_up.values().flat_map(|keys| keys.iter().take_while(is_late)));
        late.sort_unstable();
        for key in &late {
            self.order.remove(key);
            self.held_up.retain(|_, keys| {
                keys.remove(key);
                !keys.is_empty()
            });
        }
        late.into_iter().filter_map(|key| self.waiting.remove(&key.1)).collect()
    }

    /// Takes out what is no longer wanted.
    pub fn forget(&mut self, is_unwanted: impl Fn(&T) -> bool) {
        self.waiting.retain(|_, run| !is_unwanted(&run.what));
        self.order.retain(|key| self.waiting.contains_key(&key.1));
        self.held_up.values_mut().for_each(|keys| keys.retain(|key| self.waiting.contains_key(&key.1)));
        self.held_up.retain(|_, keys| !keys.is_empty());
    }

    /// When something changes by itself: a start lets go, or a run that waits is too late.
    #[must_use]
    pub fn next_change(&self) -> Option<Duration> {
        if self.waiting.is_empty() {
            return None;
        }
        let held_up = self.held_up.values().filter_map(|keys| keys.first());
        let late = self.order.first().into_iter().chain(held_up).map(|key| key.0).min();
        let start =
            self.starts.front().map(|(free_at, _)| *free_at).filter(|_| self.held_up.contains_key(&Needs::Process));
        late.into_iter().chain(start).min()
    }

    fn has_room(&self, needs: &Needs) -> bool {
        match needs {
            Needs::Host(host) => self.on.get(host).is_none_or(|count| *count < self.limits.per_host),
            Needs::Process => self.starts.len() < self.limits.spawns,
            Needs::Nothing => true,
        }
    }

    /// What was held up by this need is looked at again.
    fn release(&mut self, needs: &Needs) {
        if let Some(keys) = self.held_up.remove(needs) {
            self.order.extend(keys);
        }
    }

    fn release_all(&mut self) {
        for (_, keys) in self.held_up.drain() {
            self.order.extend(keys);
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn seconds(count: u64) -> Duration {
        Duration::from_secs(count)
    }

    fn run(what: usize, needs: &Needs, until: u64) -> Waiting<usize> {
        Waiting { ticket: 0, what, needs: needs.clone(), since: Duration::ZERO, until: seconds(until) }
    }

    fn host(name: &str) -> Needs {
        Needs::Host(name.into())
    }

    #[test]
    fn the_earliest_deadline_comes_first_and_a_full_host_holds_up_nobody_else() {
        let mut places = Places::new(Limits { jobs: 3, per_host: 1, spawns: 1 });
        for (what, on, until) in [(1, "a", 9), (2, "a", 5), (3, "b", 7), (4, "c", 8), (5, "d", 6)] {
            places.enqueue(run(what, &host(on), until));
        }
        let started: Vec<_> = std::iter::from_fn(|| places.next(Duration::ZERO)).collect();
        assert_eq!(started.iter().map(|run| run.what).collect::<Vec<_>>(), [2, 5, 3]);
        places.finished(&started[2]);
        assert_eq!(places.next(Duration::ZERO).map(|run| run.what), Some(4));
        places.finished(&started[0]);
        assert_eq!(places.next(Duration::ZERO).map(|run| run.what), Some(1));
        assert_eq!((places.taken(), places.waiting()), (3, 0));
    }

    #[test]
    fn a_start_holds_its_place_for_a_moment_only() {
        let mut places = Places::new(Limits { jobs: 9, per_host: 9, spawns: 2 });
        (0..5).for_each(|what| places.enqueue(run(what, &Needs::Process, 100)));
        let mut starts = |now| std::iter::from_fn(|| places.next(now)).count();
        assert_eq!([starts(Duration::ZERO), starts(Duration::ZERO), starts(seconds(1))], [2, 0, 2]);
        assert_eq!(places.next_change(), Some(seconds(2)));
        let run = Waiting { ticket: 4, ..run(3, &Needs::Process, 100) };
        places.finished(&run);
        assert!(places.next(seconds(1)).is_some(), "a run that is over has started long ago");
    }

    #[test]
    fn what_would_wait_until_its_next_turn_is_given_up() {
        let mut places = Places::new(Limits { jobs: 1, per_host: 1, spawns: 1 });
        (0..3).for_each(|what| places.enqueue(run(what, &host("a"), 10 + what as u64)));
        let first = places.next(Duration::ZERO).unwrap();
        assert!(first.what == 0 && places.next(Duration::ZERO).is_none());
        assert_eq!(places.next_change(), Some(seconds(11)));
        assert_eq!(places.too_late(seconds(11)).iter().map(|run| run.what).collect::<Vec<_>>(), [1]);
        places.forget(|what| *what == 2);
        places.finished(&first);
        assert!(places.next(seconds(11)).is_none() && places.waiting() == 0);
    }

    proptest! {
        /// However runs come and end: no bound is broken, nobody is lost, and whoever has room runs.
        #[test]
        fn bounds_hold_and_nobody_is_lost(
            runs in proptest::collection::vec((0_u8..4, 0_u64..50, 0_u8..3), 1..80),
            jobs in 1_usize..6, per_host in 1_usize..3, spawns in 1_usize..3,
        ) {
            let needs = |kind: u8| match kind { 0 => Needs::Process, 1 => Needs::Nothing, n => host(&n.to_string()) };
            let mut places = Places::new(Limits { jobs, per_host, spawns });
            let (mut going, mut ended, mut now) = (Vec::<Waiting<usize>>::new(), 0, Duration::ZERO);
            for (what, (kind, until, ends)) in runs.iter().enumerate() {
                places.enqueue(run(what, &needs(*kind), 1000 + until));
                going.extend(std::iter::from_fn(|| places.next(now)));
                prop_assert!(going.len() <= jobs && going.len() == places.taken());
                for on in ["2", "3"] {
                    let count = going.iter().filter(|run| run.needs == host(on)).count();
                    prop_assert!(count <= per_host);
                }
                for _ in 0..*ends {
                    if let Some(run) = going.pop() {
                        places.finished(&run);
                        ended += 1;
                    }
                }
                now += Duration::from_millis(300);
            }
            for _ in 0..1000 {
                going.extend(std::iter::from_fn(|| places.next(now)));
                let Some(run) = going.pop() else { break };
                places.finished(&run);
                ended += 1;
                now += seconds(1);
            }
            prop_assert_eq!((ended, places.waiting(), places.taken()), (runs.len(), 0, 0));
        }
    }
}

//! What was heard and not yet received, in order and bounded. It takes room for what waits in it; a channel keeps room for
//! dozens of items also while nothing comes, which counts where thousands of links rest.

use std::collections::VecDeque;
use std::sync::{Mutex, MutexGuard, PoisonError};

use tokio::sync::{Notify, Semaphore};

/// Room that is kept while nothing waits.
const KEPT: usize = 4;

/// A queue of many givers and one taker.
#[derive(Debug)]
pub(in crate::transport) struct Queue<T> {
    items: Mutex<VecDeque<T>>,
    room: Semaphore,
    came: Notify,
}

impl<T> Queue<T> {
    /// An empty queue, in which so many items may wait.
    pub(in crate::transport) fn new(room: usize) -> Self {
        Self { items: Mutex::default(), room: Semaphore::new(room), came: Notify::new() }
    }

    fn items(&self) -> MutexGuard<'_, VecDeque<T>> {
        self.items.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Puts an item at the end, as soon as there is room for it. Dropped before, nothing was put.
    pub(in crate::transport) async fn put(&self, item: T) {
        // The room is never closed.
        if let Ok(place) = self.room.acquire().await {
            place.forget();
        }
        self.items().push_back(item);
        self.came.notify_one();
    }

    /// Takes the first item, as soon as there is one. Dropped before, nothing was taken.
    pub(in crate::transport) async fn next(&self) -> T {
        loop {
            if let Some(item) = self.next_if(|_| true) {
                return item;
            }
            self.came.notified().await;
        }
    }

    /// Takes the first item, where there is one and it is like that.
    pub(in crate::transport) fn next_if(&self, is_like_that: impl FnOnce(&T) -> bool) -> Option<T> {
        let mut items = self.items();
        if !items.front().is_some_and(is_like_that) {
            return None;
        }
        let first = items.pop_front();
        self.room.add_permits(1);
        if items.is_empty() && items.capacity() > KEPT {
            items.shrink_to(KEPT);
        }
        first
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use futures_util::FutureExt as _;

    use super::*;

    #[tokio::test]
    async fn all_that_was_put_is_taken_in_order_and_givers_wait_for_room() {
        let queue = Arc::new(Queue::new(2));
        assert!(queue.next().now_or_never().is_none(), "there is nothing yet");
        queue.put(0).await;
        queue.put(1).await;
        let dropped = queue.put(99).now_or_never();
        assert!(dropped.is_none(), "there is no room");
        let mut givers = tokio::task::JoinSet::new();
        let giver = Arc::clone(&queue);
        givers.spawn(async move {
            for number in 2..500 {
                giver.put(number).await;
            }
        });
        for expected in 0..500 {
            assert_eq!(queue.next().await, expected);
        }
        givers.join_next().await.unwrap().unwrap();
        assert!(queue.next().now_or_never().is_none());
        assert_eq!(queue.room.available_permits(), 2);
    }

    #[tokio::test]
    async fn several_givers_lose_nothing() {
        let queue = Arc::new(Queue::new(3));
        let mut givers = tokio::task::JoinSet::new();
        for giver in 0..8_u32 {
            let queue = Arc::clone(&queue);
            givers.spawn(async move {
                for number in 0..100 {
                    queue.put((giver, number)).await;
                }
            });
        }
        let mut next = [0; 8];
        for _ in 0..800 {
            let (giver, number) = queue.next().await;
            assert_eq!(number, std::mem::replace(&mut next[giver as usize], number + 1));
        }
        assert_eq!(next, [100; 8]);
        assert!(queue.items().capacity() <= 8, "room that was needed once is given back");
    }
}

//! What the demo server has seen so far. Tests read it (tool `stats`, `GET /stats`) to show that a client
//! leaves nothing behind.

use std::sync::atomic::{AtomicU64, Ordering};

use serde_json::{Map, Value};

macro_rules! counters {
    ($($(#[$doc:meta])* $name:ident),+ $(,)?) => {
        /// Counters since the start of the process.
        #[derive(Debug, Default)]
        pub struct Stats {
            $($(#[$doc])* pub $name: Counter,)+
        }

        impl Stats {
            /// All counters, and how many sessions are open now.
            #[must_use]
            pub fn to_json(&self) -> Value {
                let mut all = Map::new();
                $(all.insert(stringify!($name).to_owned(), self.$name.get().into());)+
                let live = self.sessions_opened.get().saturating_sub(self.sessions_closed.get());
                all.insert("sessions_live".to_owned(), live.into());
                Value::Object(all)
            }
        }
    };
}

counters! {
    /// TCP or unix connections accepted.
    connections,
    /// HTTP requests read.
    http_requests,
    /// JSON-RPC requests read.
    requests,
    /// JSON-RPC notifications read.
    notifications,
    /// Answers to requests of the server.
    answers,
    /// Legacy sessions opened.
    sessions_opened,
    /// Legacy sessions ended by DELETE, by the end of their stream, or by the server.
    sessions_closed,
    /// `initialize` requests.
    initialize,
    /// `server/discover` requests.
    discover,
    /// `tools/call` requests.
    calls,
    /// HTTP DELETE requests.
    deletes,
    /// Requests given up by the client: a notification, or a closed response stream.
    cancelled,
    /// Event streams resumed with `Last-Event-ID`.
    resumed,
    /// Requests that followed a redirect to another origin.
    elsewhere,
    /// Those among them that carried an Authorization header: a leaked credential.
    elsewhere_with_credentials,
}

/// A counter that only grows.
#[derive(Debug, Default)]
pub struct Counter(AtomicU64);

impl Counter {
    /// Adds one.
    pub fn add(&self) {
        self.0.fetch_add(1, Ordering::Relaxed);
    }

    /// The count so far.
    #[must_use]
    pub fn get(&self) -> u64 {
        self.0.load(Ordering::Relaxed)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn live_is_opened_less_closed() {
        let stats = Stats::default();
        stats.sessions_opened.add();
        stats.sessions_opened.add();
        stats.sessions_closed.add();
        assert_eq!(stats.to_json()["sessions_live"], 1);
        assert_eq!(stats.to_json()["sessions_opened"], 2);
    }
}

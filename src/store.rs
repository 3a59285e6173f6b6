//! History and outbox in SQLite.

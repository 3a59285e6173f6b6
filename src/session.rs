//! One conversation driven over a transport: opening and negotiation, calls, closing. A call never fails as an
//! error; it gives an [`Exchange`] that says what came, when, or why nothing could be had.

pub mod exchange;

pub use exchange::{Exchange, Marks, Notice, Reply, ServerFacts};

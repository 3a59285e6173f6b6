//! What a request of each revision looks like, what a reply means, and what breaks the rules. Pure: no sockets, no
//! tasks, no clocks. What differs between revisions is a table ([`revision`]); what differs between the eras is two
//! files ([`legacy`], [`modern`]).

pub mod revision;

pub use revision::{Method, REVISIONS, Revision};

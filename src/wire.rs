//! Bytes ↔ JSON-RPC. Decoders accept any split of their input and never panic; the envelope is checked strictly,
//! what is inside stays raw. No sockets, no versions.

pub mod event_stream;
pub mod lines;
pub mod message;
pub mod results;

pub use message::{Frame, Id, Malformed, Message, RpcError};

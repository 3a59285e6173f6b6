//! What every other module may lean on: durations and sizes, names, ids, secrets, files that are whole, panics that are caught, and the one
//! sanitiser between hostile text and a human. Nothing here knows MCP.

pub mod by_pair;
pub mod clock;
pub mod contained;
pub mod duration;
pub mod glob;
pub mod hash;
pub mod host;
pub mod ids;
pub mod name;
pub mod percent;
pub mod sanitize;
pub mod secret;
pub mod stamp;
pub mod whole;

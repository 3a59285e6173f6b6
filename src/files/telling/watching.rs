//! `[watch]`: how the daemon works.

/// `[watch]`, every variable filled in.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct WatchSettings {}

//! The format is read as its authors read it; what would protect less than it says is refused.

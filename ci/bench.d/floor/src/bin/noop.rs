//! An empty program: what starting and ending any process costs.

fn main() {}

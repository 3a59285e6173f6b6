//! Probe files → drafts of the plan and of what is told, all mistakes of all files at once; and the targets that can be found by name.
//! This is where the file system and the environment are read.

pub mod clients;
pub mod grammar;
pub mod locks;
pub mod machine;
pub mod probe_files;
pub mod sources;
pub mod starter;
pub mod telling;

pub use machine::Machine;
pub use probe_files::{Examined, Loaded, default_paths, examine, load};
pub use sources::{
    Discovery, Folders, Found, PROBES, Range, Scope, Unplaced, discover, examine_given, given, says_place,
    several_places,
};
pub use telling::{Resolved, Telling};

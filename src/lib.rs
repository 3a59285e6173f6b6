//! mcp-probe: an active synthetic prober and health check for MCP servers.
//!
//! Modules stand in the order of dependency, lowest first: a module imports only modules above it in this list.
//! `tests/architecture.rs` enforces that; ARCHITECTURE.md tells the story.

pub mod base;
pub mod event;
pub mod config;
pub mod wire;
pub mod protocol;
pub mod transport;
pub mod session;
pub mod check;
pub mod lock;
pub mod audit;
pub mod plan;
pub mod schedule;
pub mod run;
pub mod store;
pub mod deliver;
pub mod metrics;
pub mod report;
pub mod alert;
pub mod files;
pub mod demo;
pub mod watch;
pub mod cli;

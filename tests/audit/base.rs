//! Rules of JSON-RPC, each with a fault that breaks it.

use super::audited::{Row, row};

pub const ROWS: &[Row] = &[
    row("rpc.message", "no-jsonrpc", "stdio", "2025-11-25", ""),
    row("rpc.message", "no-jsonrpc", "http", "2026-07-28", ""),
    row("rpc.id_echo", "id-type-changed", "stdio", "2025-11-25", ""),
];

//! Rules of the legacy era's life cycle, each with a fault that breaks it.

use super::audited::{Row, row};

pub const ROWS: &[Row] = &[
    row("lifecycle.initialize", "initialize-no-serverinfo", "stdio", "2025-11-25", ""),
    row("lifecycle.initialize", "initialize-no-capabilities", "http", "2024-11-05", ""),
    row("lifecycle.version_echo", "initialize-newer", "stdio", "2025-11-25", "--slow"),
    row("lifecycle.version_echo", "initialize-any-version", "http", "2025-03-26", "--slow"),
    row("lifecycle.unknown_version", "initialize-any-version", "stdio", "2025-11-25", ""),
    row("lifecycle.unknown_version", "initialize-any-version", "http", "2025-06-18", ""),
    row("lifecycle.initialized", "notification-500", "http", "2025-11-25", ""),
    row("lifecycle.ping", "ping-32601", "stdio", "2025-11-25", ""),
    row("lifecycle.ping", "ping-chatty", "http", "2025-11-25", ""),
    row("lifecycle.unready", "asks-unready", "stdio", "2025-11-25", ""),
    row("lifecycle.unready", "asks-unready", "http", "2025-11-25", ""),
    row("lifecycle.client_capability", "unsolicited-request", "stdio", "2025-11-25", ""),
    row("lifecycle.client_capability", "unsolicited-request", "http", "2024-11-05", ""),
    row("lifecycle.undeclared_refused", "capabilities-none", "stdio", "2025-11-25", ""),
    row("lifecycle.declared", "capabilities-none", "stdio", "2025-11-25", ""),
    row("lifecycle.declared", "capabilities-none", "http", "2026-07-28", ""),
    row("lifecycle.declared_works", "capabilities-lie", "stdio", "2025-11-25", ""),
    row("lifecycle.some_tools", "tools-empty", "stdio", "2025-11-25", ""),
    row("lifecycle.logging", "logs-undeclared", "stdio", "2025-11-25", ""),
    row("lifecycle.logging", "logs-undeclared", "http", "2026-07-28", ""),
    row("lifecycle.again", "second-initialize-exits", "stdio", "2025-11-25", "--invasive"),
    row("lifecycle.early", "no-handshake", "stdio", "2025-11-25", "--invasive"),
];

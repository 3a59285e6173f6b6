//! How servers fail in the field.

use super::audited::{Row, row};

/// Shown beside their judges: the demo server would have to be waited for.
pub const SLOW: &[&str] = &["call.late"];

/// Each rule with a fault that breaks it.
pub const ROWS: &[Row] = &[
    row("size.message", "call-megabyte", "stdio", "2025-11-25", r#"--tool echo={"message":"hi"}"#),
    row("call.result_tokens", "call-long-text", "stdio", "2025-11-25", r#"--tool echo={"message":"hi"}"#),
    row("http.accept_spelling", "accept-to-the-letter", "http", "2025-11-25", ""),
    row("http.accept_spelling", "accept-to-the-letter", "http", "2026-07-28", ""),
    row("resources.rss_slope", "leak", "stdio", "2025-11-25", "--slow"),
    row("resources.rss_slope", "leak", "stdio", "2026-07-28", "--slow"),
    row("http.spelling", "slash-elsewhere", "http", "2025-11-25", "--slow"),
    row("http.spelling", "slash-elsewhere", "http", "2026-07-28", "--slow"),
    row("session.replicas", "session-404-often", "http", "2025-11-25", "--slow"),
    row("load.parallel", "--hang-after 5", "stdio", "2025-11-25", "--slow --timeout 1s"),
    row("stream.survival", "get-cut", "http", "2025-11-25", "--slow --hold 1s"),
];

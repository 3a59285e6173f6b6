//! Rules of resources and prompts, and of what all lists share, each with a fault that breaks it.

use super::audited::{Row, row};

const LOG: &str = "--tool log";

pub const ROWS: &[Row] = &[
    row("resources.shape", "resources-no-name", "stdio", "2025-11-25", ""),
    row("resources.uri", "resources-bad-uri", "stdio", "2025-11-25", ""),
    row("resources.unique", "resources-duplicate", "http", "2026-07-28", ""),
    row("resources.contents", "read-no-text", "stdio", "2025-11-25", ""),
    row("resources.contents", "read-bad-base64", "http", "2026-07-28", ""),
    row("resources.read", "read-empty", "stdio", "2025-11-25", ""),
    row("resources.size", "resources-wrong-size", "stdio", "2025-11-25", ""),
    row("resources.unknown", "read-anything", "stdio", "2025-11-25", "--invasive"),
    row("resources.unknown", "read-anything", "http", "2026-07-28", "--invasive"),
    row("resources.unknown_code", "read-code-0", "stdio", "2025-11-25", "--invasive"),
    row("resources.unknown_code", "read-code-0", "http", "2026-07-28", "--invasive"),
    row("resources.unknown_data", "read-bare-error", "stdio", "2025-11-25", "--invasive"),
    row("resources.traversal", "read-traversal", "stdio", "2025-11-25", "--invasive"),
    row("resources.traversal", "read-traversal", "http", "2026-07-28", "--invasive"),
    row("resources.subscribe", "subscribe-missing", "stdio", "2025-11-25", ""),
    row("resources.annotations", "resources-bad-annotations", "stdio", "2025-11-25", ""),
    row("prompts.shape", "prompts-no-name", "stdio", "2025-11-25", ""),
    row("prompts.unique", "prompts-duplicate", "stdio", "2025-11-25", ""),
    row("prompts.messages", "prompt-block-list", "stdio", "2025-11-25", LOG),
    row("prompts.fetched", "prompt-error", "stdio", "2025-11-25", LOG),
    row("prompts.unknown", "prompt-error", "stdio", "2025-11-25", "--invasive"),
    row("prompts.missing_argument", "prompt-error", "http", "2026-07-28", "--invasive"),
    row("list.ends", "tools-repeated-cursor", "stdio", "2025-11-25", ""),
    row("list.ends", "tools-endless-pages", "stdio", "2026-07-28", ""),
    row("list.next_cursor", "tools-number-cursor", "stdio", "2025-11-25", ""),
    row("list.next_cursor", "tools-null-cursor", "http", "2026-07-28", ""),
    row("list.bad_cursor", "tools-repeated-cursor", "stdio", "2025-11-25", "--invasive"),
    row("cache.ttl", "modern-untyped", "stdio", "2026-07-28", ""),
    row("cache.scope", "modern-untyped", "http", "2026-07-28", ""),
    row("completion.values", "completion-flood", "stdio", "2025-11-25", ""),
    row("completion.unknown", "completion-anything", "http", "2026-07-28", "--invasive"),
    row("logging.set_level", "set-level-missing", "stdio", "2025-11-25", ""),
    row("logging.bad_level", "set-level-anything", "stdio", "2025-11-25", "--invasive"),
    row("logging.level_kept", "log-debug", "stdio", "2025-11-25", LOG),
];

//! Rules of the modern era about discovery, versions and `_meta`, each with a fault that breaks it.

use super::audited::{Row, row};

const MODERN: &str = "2026-07-28";

const fn stdio(rule: &'static str, fault: &'static str, options: &'static str) -> Row {
    row(rule, fault, "stdio", MODERN, options)
}

const fn http(rule: &'static str, fault: &'static str, options: &'static str) -> Row {
    row(rule, fault, "http", MODERN, options)
}

pub const ROWS: &[Row] = &[
    stdio("modern.discover", "discover-32020", ""),
    http("modern.discover", "discover-32021", ""),
    stdio("modern.discover_result", "discover-no-capabilities", ""),
    http("modern.version_listed", "discover-changes-version", ""),
    stdio("modern.unsupported_version", "version-error-bare", "--invasive"),
    http("modern.unsupported_version_status", "modern-status-200", "--invasive"),
    stdio("modern.capabilities", "capabilities-lie", ""),
    http("modern.capabilities", "capabilities-none", ""),
    stdio("modern.removed_methods", "removed-methods-served", "--invasive"),
    http("modern.removed_methods", "modern-status-200", "--invasive"),
    stdio("modern.extension_ids", "extension-no-prefix", ""),
    stdio("era.versions_named", "initialize-error --era modern", "--invasive"),
    stdio("modern.legacy_tasks", "capabilities-legacy-tasks", ""),
    stdio("modern.server_info", "modern-anonymous", ""),
    stdio("modern.meta_required", "meta-unchecked", "--invasive"),
    http("modern.meta_required", "meta-unchecked", "--invasive"),
    stdio("modern.meta_version", "meta-unchecked", "--invasive"),
    stdio("modern.meta_capabilities", "meta-unchecked", "--invasive"),
    http("modern.meta_status", "modern-status-200", "--invasive"),
    stdio("modern.client_info_optional", "client-info-required", ""),
    stdio("modern.meta_extras", "meta-extras-refused", ""),
    stdio("modern.missing_capability", "capability-error-bare", "--tool ask"),
    http("modern.missing_capability_status", "modern-status-200", "--tool ask"),
    stdio("modern.stateless", "discover-first", ""),
    stdio("modern.same_lists", "tools-by-process", ""),
    stdio("modern.result_type", "unknown-result-type", ""),
    http("modern.result_type", "modern-untyped", ""),
    stdio("modern.no_requests", "unsolicited-request", ""),
    http("modern.logs_unasked", "unsolicited-notification", ""),
    stdio("modern.log_level", "log-level-unchecked", "--invasive"),
    stdio("modern.log_filter", "log-unfiltered", "--tool log"),
];

//! The figures of a run in Prometheus' text format, made by the module that makes them for `watch`. A run is told by
//! gauges: a counter that begins at 0 with every run would say something else than its name does.

use super::format::Run;
use crate::metrics::exposition::Page;
use crate::metrics::{Format, Snapshot};

/// The text. Of a probe that was repeated it tells the last repetition.
#[must_use]
pub fn text(run: &Run<'_>) -> String {
    let mut page = Page::new(Format::Classic);
    Snapshot::of_runs(run.probes, run.started_at).each(|figures| {
        if figures.family.is_of_now() {
            page.write(&figures);
        }
    });
    page.finish()
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;
    use crate::report::json::samples::{failed, healthy, hostile};

    #[test]
    fn a_run_is_told_by_gauges() {
        let probes = [healthy(), failed()];
        let told = text(&Run::new(probes[0].started_at, Duration::from_millis(12), &probes));
        let has = |name: &str, labels: &[&str], value: &str| {
            told.lines().any(|line| {
                line.starts_with(&format!("{name}{{"))
                    && line.ends_with(&format!(" {value}"))
                    && labels.iter().all(|label| line.contains(label))
            })
        };
        let (well, unwell) = ("probe=\"alive\",target=\"files\"", "probe=\"smoke\",target=\"weather\"");
        assert!(has("probe_success", &[well], "1") && has("probe_success", &[unwell], "0"), "{told}");
        assert!(has("probe_mcp_duration_seconds", &[unwell, "phase=\"connect\""], "0.0003"), "{told}");
        assert!(has("mcp_probe_failure_info", &[unwell, "status=\"failed\"", "reason=\"check\""], "1"), "{told}");
        assert!(has("mcp_probe_last_success_timestamp_seconds", &[well], "1768469565.12"), "{told}");
        assert!(!told.contains("_total") && !told.contains("_bucket"), "{told}");
    }

    #[test]
    fn a_server_adds_no_labels() {
        let probes = [hostile()];
        let told = text(&Run::new(probes[0].started_at, Duration::from_millis(12), &probes));
        assert!(!told.contains("owned") && !told.contains("evil"), "{told}");
    }
}

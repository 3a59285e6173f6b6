//! The families by name: what they are called, what they count, which labels they have. The documentation and `explain`
//! read this table; nothing is exposed that does not stand in it.

/// What kind of figure it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// Goes up and down.
    Gauge,
    /// Goes up, until the prober is started anew.
    Counter,
    /// Counts of times in buckets.
    Histogram,
    /// Always 1; what it says are its labels.
    Info,
}

impl Kind {
    /// The word in headings.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Gauge => "gauge",
            Self::Counter => "counter",
            Self::Histogram => "histogram",
            Self::Info => "info",
        }
    }
}

/// One family.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Family {
    /// Its name, as it stands before the braces.
    pub name: &'static str,
    /// Its kind.
    pub kind: Kind,
    /// Its labels on `/metrics`, in order.
    pub labels: &'static [&'static str],
    /// What it says, in one sentence.
    pub help: &'static str,
    /// Whether `/probe` has it, too (without the labels `probe` and `target`).
    pub on_probe: bool,
}

impl Family {
    /// Whether its figures stand for themselves: they need no figures of before to say something.
    #[must_use]
    pub fn is_of_now(&self) -> bool {
        matches!(self.kind, Kind::Gauge | Kind::Info)
    }
}

const PAIR: &[&str] = &["probe", "target"];
const TARGET: &[&str] = &["target"];

macro_rules! families {
    ($($ident:ident = $kind:ident $name:literal $labels:expr, $on_probe:literal, $help:literal;)*) => {
        $(#[doc = $help] pub const $ident: Family =
            Family { name: $name, kind: Kind::$kind, labels: $labels, help: $help, on_probe: $on_probe };)*

        /// Every family, in the order of the text.
        pub const FAMILIES: &[Family] = &[$($ident,)*];
    };
}

families! {
    SUCCESS = Gauge "probe_success" PAIR, true,
        "Whether the last run was healthy or degraded (1) or failed (0); absent while that is unknown.";
    DURATION = Gauge "probe_duration_seconds" PAIR, true,
        "How long the last run took, all attempts together.";
    TIMEOUT = Gauge "probe_timeout_seconds" PAIR, true,
        "How long one attempt of the last run was allowed to take.";
    HTTP_STATUS = Gauge "probe_http_status_code" PAIR, true,
        "The HTTP status of the last exchange of the last run; absent where there was none.";
    CERTIFICATE = Gauge "probe_ssl_earliest_cert_expiry" PAIR, true,
        "When the first certificate of the server's chain ends, in seconds since 1970.";
    PHASE = Gauge "probe_mcp_duration_seconds" &["probe", "target", "phase"], true,
        "How long each phase of the last run took; a phase that did not happen is absent.";
    TOKEN = Gauge "mcp_probe_token_expiry_timestamp_seconds" PAIR, true,
        "When the token that was sent ends, in seconds since 1970, where it is a JWT that says so.";
    TOOLS = Gauge "mcp_probe_tools" PAIR, true,
        "How many tools the server has, by the last run that read the whole list.";
    TOOLS_TOKENS = Gauge "mcp_probe_tools_tokens" PAIR, true,
        "About how many tokens the definitions of the tools take: characters divided by 4.";
    FAILURE = Info "mcp_probe_failure_info" &["probe", "target", "status", "reason"], true,
        "Why the last run was not healthy; absent where it was.";
    LAST_RUN = Gauge "mcp_probe_last_run_timestamp_seconds" PAIR, false,
        "When the last run began, in seconds since 1970, whatever it found.";
    LAST_SUCCESS = Gauge "mcp_probe_last_success_timestamp_seconds" PAIR, false,
        "When the last run began that was healthy or degraded, in seconds since 1970.";
    RUNS = Counter "mcp_probe_runs_total" &["probe", "target", "status", "reason"], false,
        "Runs by how they ended, and why where they were not healthy.";
    ATTEMPTS = Counter "mcp_probe_attempts_total" &["probe", "target", "status"], false,
        "Attempts of runs by how they ended: more than runs where there are retries.";
    REQUESTS = Counter "mcp_probe_requests_total" &["probe", "target", "method", "outcome"], false,
        "Requests of steps that were sent, by method, and what came: ok, error, timeout or failed.";
    OPERATION = Histogram "mcp_client_operation_duration_seconds"
        &["probe", "target", "mcp_method_name", "network_transport", "error_type"], false,
        "How long requests took from written to answered; one that timed out counts as its limit.";
    TARGET_INFO = Info "mcp_probe_target_info"
        &["target", "era", "protocol_version", "transport"], true,
        "What is spoken with the target.";
    CHILD_MEMORY = Gauge "mcp_probe_child_resident_memory_bytes" TARGET, true,
        "Most resident memory of the server's process tree in the last run; absent where it had none.";
    CHILD_CPU = Counter "mcp_probe_child_cpu_seconds_total" TARGET, false,
        "Processor time of the server's process trees, user and system.";
    CONNECTIONS = Gauge "mcp_probe_open_connections" TARGET, false,
        "Connections and children that are held open between runs.";
    ALERT = Gauge "mcp_probe_alert_firing" &["alert", "probe", "target"], false,
        "Whether the alert is firing (1) or has ended (0).";
    MISSED = Counter "mcp_probe_missed_runs_total" &["reason"], false,
        "Grid points of the timetable that passed without a run.";
    LAG = Histogram "mcp_probe_start_lag_seconds" &[], false,
        "From the grid point of a run to the moment when it was taken up.";
    QUEUED = Histogram "mcp_probe_queue_seconds" &[], false,
        "How long runs waited for a free place after that; no part of any latency.";
    QUEUE = Gauge "mcp_probe_queued_runs" &[], false,
        "Runs that wait for a free place now.";
    RUNNING = Gauge "mcp_probe_running_runs" &[], false,
        "Runs that are going on now.";
    LIMIT = Gauge "mcp_probe_run_limit" &[], false,
        "How many runs may go on at once.";
    OUTBOX = Gauge "mcp_probe_outbox_messages" &[], false,
        "Messages that wait to be delivered.";
    OUTBOX_AGE = Gauge "mcp_probe_outbox_oldest_age_seconds" &[], false,
        "How long the oldest message waits to be delivered; 0 where none does.";
    CHANNEL = Gauge "mcp_probe_channel_failing" &["channel"], false,
        "Whether the channel's last message was not received or was refused for good (1) or nothing is wrong with it (0).";
    PUSH_SENT = Counter "mcp_probe_push_sent_total" &["push"], false,
        "Payloads of a push that arrived.";
    PUSH_FAILED = Counter "mcp_probe_push_failed_total" &["push"], false,
        "Tries of a push that failed; what is kept is tried again.";
    PUSH_DROPPED = Counter "mcp_probe_push_dropped_total" &["push", "reason"], false,
        "Payloads of a push that were given up: refused, full, expired, failed or unreadable.";
    PUSH_SUCCESS = Gauge "mcp_probe_push_last_success_timestamp_seconds" &["push"], false,
        "When a payload of a push arrived last, in seconds since 1970.";
    PUSH_WAITING = Gauge "mcp_probe_push_waiting" &["push"], false,
        "Payloads of a push that wait to be delivered, in memory and on disk.";
    STORE = Gauge "mcp_probe_store_writable" &[], false,
        "Whether the history can be written (1) or not (0).";
    CONFIG_OK = Gauge "mcp_probe_config_last_reload_successful" &[], false,
        "Whether the probe files as they are now could be read (1) or the plan before is still in force (0).";
    CONFIG_AT = Gauge "mcp_probe_config_last_reload_success_timestamp_seconds" &[], false,
        "When the probe files were last read well, in seconds since 1970.";
    OVERFLOW = Counter "mcp_probe_overflowed_series_total" &[], false,
        "Figures that were counted under _OTHER, because a probe has too many methods.";
    STARTED = Gauge "process_start_time_seconds" &[], false,
        "When the prober was started, in seconds since 1970.";
    BUILD = Info "mcp_probe_build_info" &["version"], true,
        "The version of mcp-probe, and its shard where several probers divide the targets.";
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_follow_the_conventions_and_helps_are_sentences() {
        for (at, family) in FAMILIES.iter().enumerate() {
            assert_eq!(family.kind == Kind::Counter, family.name.ends_with("_total"), "{}", family.name);
            assert_eq!(family.kind == Kind::Info, family.name.ends_with("_info"), "{}", family.name);
            assert!(family.help.ends_with('.') && !family.help.contains(['\n', '\\']), "{}", family.name);
            assert!(FAMILIES[..at].iter().all(|other| other.name != family.name), "{} stands twice", family.name);
        }
    }
}

//! The keys of every kind of push (`[[push]]`): a row each. They are read and checked, and kept for whoever pushes.

use serde_json::Value;

use crate::config::Section;
use crate::config::receiver::{
    self, AUTH, BODY, HEADERS, Kind, LABELS, ReceiverDraft, Shape, Slot, TIMEOUT, URL, may, must,
};

const ADDRESS: Slot = must("address", Shape::Address, "Where the datagrams go.");
const PREFIX: Slot = may("prefix", Shape::Text, "What every name begins with.");
const JOB: Slot = may("job", Shape::Text, "The job under which the metrics are grouped.");

static KINDS: &[Kind] = &[
    Kind { name: "pushgateway", slots: &[URL, JOB, HEADERS, AUTH, LABELS, TIMEOUT] },
    Kind { name: "remote_write", slots: &[URL, HEADERS, AUTH, LABELS, TIMEOUT] },
    Kind { name: "otlp", slots: &[URL, HEADERS, AUTH, TIMEOUT] },
    Kind { name: "statsd", slots: &[ADDRESS, PREFIX] },
    Kind { name: "dogstatsd", slots: &[ADDRESS, PREFIX, LABELS] },
    Kind { name: "textfile", slots: &[must("path", Shape::Text, "The file that is written.")] },
    Kind { name: "influx", slots: &[URL, HEADERS, AUTH, LABELS, TIMEOUT] },
    Kind { name: "webhook", slots: &[URL, HEADERS, AUTH, BODY, TIMEOUT] },
    Kind { name: "hub", slots: &[URL, AUTH, TIMEOUT] },
];

/// Keys of every push.
static OF_ALL: &[Slot] =
    &[may("required", Shape::Switch, "Whether a delivery that fails ends `check` with exit code 7.")];

/// Reads one `[[push]]`.
pub(super) fn read(section: &Section<'_>) -> ReceiverDraft {
    ReceiverDraft::parse(section, "push", KINDS, OF_ALL)
}

/// A push as JSON Schema.
#[must_use]
pub fn schema() -> Value {
    receiver::schema(KINDS, OF_ALL)
}

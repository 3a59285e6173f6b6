//! The keys of every kind of notifier (`[notify.NAME]`): a row each.

use serde_json::Value;

use crate::config::receiver::{
    self, AUTH, BODY, HEADERS, Kind, LABELS, ReceiverDraft, Shape, TIMEOUT, URL, URL_WHAT, may, must, secret,
};
use crate::config::{Field, Key};

/// Every kind, in the order in which suggestions list them.
pub static KINDS: &[Kind] = &[
    Kind { name: "webhook", slots: &[URL, HEADERS, AUTH, BODY, TIMEOUT] },
    Kind { name: "slack", slots: &[secret(URL), TIMEOUT] },
    Kind {
        name: "pagerduty",
        slots: &[
            secret(must("routing_key", Shape::Text, "The integration key: a secret.")),
            may("url", Shape::Url, URL_WHAT),
            TIMEOUT,
        ],
    },
    Kind {
        name: "alertmanager",
        slots: &[
            URL,
            HEADERS,
            AUTH,
            LABELS,
            may("repeat", Shape::Time, "How often it hears again of alerts that go on; twenty seconds without it."),
            TIMEOUT,
        ],
    },
    Kind {
        name: "email",
        slots: &[
            must("smtp", Shape::Mail, "The mail server."),
            must("from", Shape::Text, "The sender."),
            must("to", Shape::Texts, "The receivers."),
            may("username", Shape::Text, "The login at the mail server."),
            secret(may("password", Shape::Text, "Its password: a secret.")),
            TIMEOUT,
        ],
    },
    Kind {
        name: "command",
        slots: &[must("command", Shape::Argv, "A program and its arguments; no shell reads it."), TIMEOUT],
    },
    Kind { name: "healthchecks", slots: &[secret(URL), TIMEOUT] },
];

/// Reads `[notify.NAME]`.
#[must_use]
pub fn read(key: &Key, field: Field<'_>) -> Option<ReceiverDraft> {
    ReceiverDraft::named("notify", key, field, KINDS)
}

/// A notifier as JSON Schema.
#[must_use]
pub fn schema() -> Value {
    receiver::schema(KINDS, &[])
}

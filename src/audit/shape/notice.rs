//! The notifications that servers send.

use super::grammar::{
    ALWAYS, ID, Member, NUMBER, Shape, Span, TEXTS, V2025_03, V2025_06, V2025_11, V2026_07, may, must, word,
};
use super::notation::URI;
use super::results::SUBSCRIPTION_ID;
use super::{Row, row, task};

/// What every notification may carry.
pub(super) static NOTICE: &[Member] =
    &[may("_meta", &Shape::Record(&[&[may(SUBSCRIPTION_ID, &ID).since(V2026_07).harmless()]]))];

static BARE: Shape = Shape::Record(&[NOTICE]);
static PROGRESS: Shape = Shape::Record(&[
    NOTICE,
    &[
        must("progressToken", &ID),
        must("progress", &NUMBER),
        may("total", &NUMBER),
        may("message", &Shape::Text).since(V2025_03),
    ],
]);
static LEVEL: Shape = Shape::Words(&[
    word("debug"),
    word("info"),
    word("notice"),
    word("warning"),
    word("error"),
    word("critical"),
    word("alert"),
    word("emergency"),
]);
static MESSAGE: Shape =
    Shape::Record(&[NOTICE, &[must("level", &LEVEL), may("logger", &Shape::Text), must("data", &Shape::Any)]]);
/// Tasks of 2025-11-25 are cancelled by a request, so the id may be missing there.
static CANCELLED: Shape = Shape::Record(&[
    NOTICE,
    &[
        must("requestId", &ID).until(V2025_06),
        may("requestId", &ID).in_span(Span::only(V2025_11)),
        must("requestId", &ID).since(V2026_07),
        may("reason", &Shape::Text),
    ],
]);
static UPDATED: Shape = Shape::Record(&[NOTICE, &[must("uri", &URI)]]);
static ELICITED: Shape = Shape::Record(&[NOTICE, &[must("elicitationId", &Shape::Text)]]);
static FILTER: Shape = Shape::Record(&[&[
    may("toolsListChanged", &Shape::Boolean),
    may("promptsListChanged", &Shape::Boolean),
    may("resourcesListChanged", &Shape::Boolean),
    may("resourceSubscriptions", &TEXTS),
    may("taskIds", &TEXTS),
]]);
static ACKNOWLEDGED: Shape = Shape::Record(&[&[
    must("_meta", &Shape::Record(&[&[must(SUBSCRIPTION_ID, &ID)]])),
    must("notifications", &FILTER),
]]);

/// One row per method and span.
pub(super) static NOTICES: &[Row] = &[
    row("notifications/progress", ALWAYS, &PROGRESS),
    row("notifications/message", ALWAYS, &MESSAGE),
    row("notifications/cancelled", ALWAYS, &CANCELLED),
    row("notifications/tools/list_changed", ALWAYS, &BARE),
    row("notifications/prompts/list_changed", ALWAYS, &BARE),
    row("notifications/resources/list_changed", ALWAYS, &BARE),
    row("notifications/resources/updated", ALWAYS, &UPDATED),
    row("notifications/elicitation/complete", Span::only(V2025_11), &ELICITED),
    row("notifications/tasks/status", Span::only(V2025_11), &task::NOTICED),
    row("notifications/tasks", Span::from(V2026_07), &task::NOTICED_WHOLE),
    row("notifications/subscriptions/acknowledged", Span::from(V2026_07), &ACKNOWLEDGED),
];

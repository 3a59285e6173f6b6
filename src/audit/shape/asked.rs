//! What servers ask of a client: as requests up to 2025-11-25, inside an `input_required` result since 2026-07-28.

use super::content::{AUDIO, BLOCKS, IMAGE, ROLE, TEXT};
use super::grammar::{
    ALWAYS, ID, INTEGER, Member, NUMBER, OBJECT, SHARE, Shape, Span, TEXTS, Tagged, V2025_03, V2025_06, V2025_11,
    V2026_07, kind, kind_since, list, may, must, word, word_since,
};
use super::notation::URI;
use super::offered::{META, TOOL};
use super::{Row, row};

/// What every request may carry. What is asked inside a result reports no progress.
static REQUEST: &[Member] = &[may("_meta", &Shape::Record(&[&[may("progressToken", &ID).until(V2025_11).harmless()]]))];
/// The wish that the client treats the request as a task.
static AS_TASK: &[Member] =
    &[may("task", &Shape::Record(&[&[may("ttl", &INTEGER)]])).in_span(Span::only(V2025_11)).harmless()];
static BARE: Shape = Shape::Record(&[REQUEST]);
static OF_TASK: Shape = Shape::Record(&[REQUEST, &[must("taskId", &Shape::Text)]]);
static PAGE: Shape = Shape::Record(&[REQUEST, &[may("cursor", &Shape::Text)]]);

static TOOL_USE: Shape = Shape::Record(&[
    &[
        must("type", &Shape::Words(&[word("tool_use")])),
        must("id", &Shape::Text),
        must("name", &Shape::Text),
        must("input", &OBJECT),
    ],
    META,
]);
static TOOL_RESULT: Shape = Shape::Record(&[
    &[
        must("type", &Shape::Words(&[word("tool_result")])),
        must("toolUseId", &Shape::Text),
        must("content", &BLOCKS),
        may("structuredContent", &OBJECT).until(V2025_11),
        may("structuredContent", &Shape::Any).since(V2026_07),
        may("isError", &Shape::Boolean),
    ],
    META,
]);
static SAMPLED: Shape = Shape::Tagged(Tagged {
    tag: "type",
    span: ALWAYS,
    first_by_default: false,
    kinds: &[
        kind("text", &TEXT),
        kind("image", &IMAGE),
        kind_since("audio", V2025_03, &AUDIO),
        kind_since("tool_use", V2025_11, &TOOL_USE),
        kind_since("tool_result", V2025_11, &TOOL_RESULT),
    ],
});
static MESSAGE: Shape = Shape::Record(&[
    &[
        must("role", &ROLE),
        must("content", &SAMPLED).until(V2025_06),
        must("content", &Shape::Either(&[&SAMPLED, &list(&SAMPLED)])).since(V2025_11),
    ],
    &[may("_meta", &OBJECT).since(V2025_11).harmless()],
]);
static PREFERENCES: Shape = Shape::Record(&[&[
    may("hints", &list(&Shape::Record(&[&[may("name", &Shape::Text)]]))),
    may("costPriority", &SHARE),
    may("speedPriority", &SHARE),
    may("intelligencePriority", &SHARE),
]]);
static CONTEXT: Shape = Shape::Words(&[word("none"), word("thisServer"), word("allServers")]);
static TOOL_CHOICE: Shape =
    Shape::Record(&[&[may("mode", &Shape::Words(&[word("auto"), word("required"), word("none")]))]]);

/// `sampling/createMessage`.
static SAMPLING: Shape = Shape::Record(&[
    REQUEST,
    AS_TASK,
    &[
        must("messages", &list(&MESSAGE)),
        must("maxTokens", &INTEGER),
        may("modelPreferences", &PREFERENCES),
        may("systemPrompt", &Shape::Text),
        may("includeContext", &CONTEXT),
        may("temperature", &NUMBER),
        may("stopSequences", &TEXTS),
        may("metadata", &OBJECT),
        may("tools", &list(&TOOL)).since(V2025_11),
        may("toolChoice", &TOOL_CHOICE).since(V2025_11),
    ],
]);

/// A field of a form. Which keywords it may have is for another rule.
static FIELD: Shape = Shape::Record(&[&[must(
    "type",
    &Shape::Words(&[word("string"), word("number"), word("integer"), word("boolean"), word_since("array", V2025_11)]),
)]]);
static FORM_SCHEMA: Shape = Shape::Record(&[&[
    must("type", &Shape::Words(&[word("object")])),
    must("properties", &Shape::Map(&FIELD)),
    may("required", &TEXTS),
]]);
static FORM: Shape = Shape::Record(&[
    REQUEST,
    AS_TASK,
    &[
        may("mode", &Shape::Words(&[word("form")])).since(V2025_11),
        must("message", &Shape::Text),
        must("requestedSchema", &FORM_SCHEMA),
    ],
]);

/// What a question by URL has; an error of 2025-11-25 lists such questions too.
pub(super) static BY_URL: Shape = Shape::Record(&[
    REQUEST,
    AS_TASK,
    &[
        must("mode", &Shape::Words(&[word("url")])),
        must("message", &Shape::Text),
        must("url", &URI),
        must("elicitationId", &Shape::Text).in_span(Span::only(V2025_11)),
    ],
]);

/// `elicitation/create`; before 2025-11-25 there were only forms.
static ELICITATION: Shape = Shape::Tagged(Tagged {
    tag: "mode",
    span: Span::from(V2025_11),
    first_by_default: true,
    kinds: &[kind("form", &FORM), kind("url", &BY_URL)],
});

/// The requests of an `input_required` result: without `jsonrpc` and `id`, under names that the server chose.
pub(super) static INPUT_REQUESTS: Shape = Shape::Map(&Shape::Tagged(Tagged {
    tag: "method",
    span: ALWAYS,
    first_by_default: false,
    kinds: &[
        kind("elicitation/create", &Shape::Record(&[&[must("method", &Shape::Text), must("params", &ELICITATION)]])),
        kind("sampling/createMessage", &Shape::Record(&[&[must("method", &Shape::Text), must("params", &SAMPLING)]])),
        kind("roots/list", &Shape::Record(&[&[must("method", &Shape::Text), may("params", &BARE)]])),
    ],
}));

/// One row per method and span. Since 2026-07-28 servers send no requests; the rows stay, for what they ask in results.
pub(super) static REQUESTS: &[Row] = &[
    row("ping", Span::to(V2025_11), &BARE),
    row("roots/list", ALWAYS, &BARE),
    row("sampling/createMessage", ALWAYS, &SAMPLING),
    row("elicitation/create", Span::from(V2025_06), &ELICITATION),
    row("tasks/get", Span::only(V2025_11), &OF_TASK),
    row("tasks/result", Span::only(V2025_11), &OF_TASK),
    row("tasks/cancel", Span::only(V2025_11), &OF_TASK),
    row("tasks/list", Span::only(V2025_11), &PAGE),
];

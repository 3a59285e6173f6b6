//! The results of requests, one row per method.

use super::content::{BLOCKS, CONTENTS, PROMPT_MESSAGE};
use super::grammar::{
    ALWAYS, Bond, ID, INTEGER, Kind, Member, NATURAL, OBJECT, Shape, Span, Tagged, V2025_06, V2025_11, V2026_07, kind,
    list, may, must, word,
};
use super::offered::{CAPABILITIES, IMPLEMENTATION, PROMPT, RESOURCE, TEMPLATE, TOOL};
use super::{Row, asked, row, task};

/// The key under which a modern server tells who it is.
pub(super) const SERVER_INFO: &str = "io.modelcontextprotocol/serverInfo";
/// The key that ties a message to its subscription.
pub(super) const SUBSCRIPTION_ID: &str = "io.modelcontextprotocol/subscriptionId";

/// Keys of a result's `_meta` that mean something. Anything else may stand there in every revision.
static KNOWN_META: &[Member] = &[may(SERVER_INFO, &IMPLEMENTATION).since(V2026_07).harmless()];
static ANY_META: &[Member] = &[may("_meta", &Shape::Record(&[KNOWN_META]))];

static COMPLETE: Shape = Shape::Words(&[word("complete")]);

/// What every result has that is no question and no task.
pub(super) static RESULT: &[Member] =
    &[may("_meta", &Shape::Record(&[KNOWN_META])), must("resultType", &COMPLETE).since(V2026_07)];

/// How long a result may be kept, and by whom.
static CACHEABLE: &[Member] = &[
    must("ttlMs", &NATURAL).since(V2026_07),
    must("cacheScope", &Shape::Words(&[word("public"), word("private")])).since(V2026_07),
];
static PAGED: &[Member] = &[may("nextCursor", &Shape::Text)];

/// A result of a method that is not known: what holds for all.
pub(super) static ANY_RESULT: Shape = Shape::Record(&[ANY_META, &[must("resultType", &Shape::Text).since(V2026_07)]]);
static EMPTY: Shape = Shape::Record(&[RESULT]);

static INITIALIZE: Shape = Shape::Record(&[
    RESULT,
    &[
        must("protocolVersion", &Shape::Text),
        must("capabilities", &CAPABILITIES),
        must("serverInfo", &IMPLEMENTATION),
        may("instructions", &Shape::Text),
    ],
]);
static DISCOVER: Shape = Shape::Record(&[
    RESULT,
    CACHEABLE,
    &[
        must("supportedVersions", &Shape::List { item: &Shape::Text, least: 1, most: usize::MAX }),
        must("capabilities", &CAPABILITIES),
        may("instructions", &Shape::Text),
    ],
]);

static TOOLS: Shape = Shape::Record(&[RESULT, CACHEABLE, PAGED, &[must("tools", &list(&TOOL))]]);
static RESOURCES: Shape = Shape::Record(&[RESULT, CACHEABLE, PAGED, &[must("resources", &list(&RESOURCE))]]);
static TEMPLATES: Shape = Shape::Record(&[RESULT, CACHEABLE, PAGED, &[must("resourceTemplates", &list(&TEMPLATE))]]);
static PROMPTS: Shape = Shape::Record(&[RESULT, CACHEABLE, PAGED, &[must("prompts", &list(&PROMPT))]]);
static TASKS: Shape = Shape::Record(&[RESULT, PAGED, &[must("tasks", &list(&task::TASK))]]);

/// What came of a tool.
pub(super) static CALLED: &[Member] = &[
    must("content", &BLOCKS),
    may("isError", &Shape::Boolean),
    may("structuredContent", &OBJECT).in_span(Span { since: V2025_06, until: V2025_11 }),
    may("structuredContent", &Shape::Any).since(V2026_07),
];

/// At 2025-11-25 a call that was made as a task is answered with the task.
static CALL: Shape = Shape::Instead {
    span: Span::only(V2025_11),
    member: "task",
    of: "content",
    then: &Shape::Record(&[RESULT, &[must("task", &task::TASK)]]),
    otherwise: &Shape::Record(&[RESULT, CALLED]),
};
static READ: Shape = Shape::Record(&[RESULT, CACHEABLE, &[must("contents", &list(&CONTENTS))]]);
static GET_PROMPT: Shape =
    Shape::Record(&[RESULT, &[must("messages", &list(&PROMPT_MESSAGE)), may("description", &Shape::Text)]]);

/// The client is asked for something before the request can be answered.
static INPUT_REQUIRED: Shape = Shape::Also(
    &Shape::Record(&[
        ANY_META,
        &[
            must("resultType", &Shape::Words(&[word("input_required")])),
            may("inputRequests", &asked::INPUT_REQUESTS),
            may("requestState", &Shape::Text),
        ],
    ]),
    Bond::AnyOf(&["inputRequests", "requestState"]),
);
static TASK_CREATED: Shape =
    Shape::Record(&[ANY_META, &[must("resultType", &Shape::Words(&[word("task")]))], task::TASK_MEMBERS]);

/// A result whose kind is told by `resultType`; one without it is complete.
const fn by_result_type(kinds: &'static [Kind]) -> Shape {
    Shape::Tagged(Tagged { tag: "resultType", span: Span::from(V2026_07), first_by_default: true, kinds })
}
static CALL_ANSWER: Shape =
    by_result_type(&[kind("complete", &CALL), kind("input_required", &INPUT_REQUIRED), kind("task", &TASK_CREATED)]);
static READ_ANSWER: Shape = by_result_type(&[kind("complete", &READ), kind("input_required", &INPUT_REQUIRED)]);
static PROMPT_ANSWER: Shape = by_result_type(&[kind("complete", &GET_PROMPT), kind("input_required", &INPUT_REQUIRED)]);

static COMPLETION: Shape = Shape::Also(
    &Shape::Record(&[&[
        must("values", &Shape::List { item: &Shape::Text, least: 0, most: 100 }),
        may("total", &INTEGER),
        may("hasMore", &Shape::Boolean),
    ]]),
    Bond::AtLeastCount("total", "values"),
);
static COMPLETED: Shape = Shape::Record(&[RESULT, &[must("completion", &COMPLETION)]]);

/// A subscription that the server has ended.
static LISTENED: Shape = Shape::Record(&[&[
    must("_meta", &Shape::Record(&[KNOWN_META, &[must(SUBSCRIPTION_ID, &ID)]])),
    must("resultType", &COMPLETE),
]]);

/// One row per method and span.
pub(super) static RESULTS: &[Row] = &[
    row("initialize", Span::to(V2025_11), &INITIALIZE),
    row("ping", Span::to(V2025_11), &EMPTY),
    row("server/discover", Span::from(V2026_07), &DISCOVER),
    row("tools/list", ALWAYS, &TOOLS),
    row("tools/call", ALWAYS, &CALL_ANSWER),
    row("resources/list", ALWAYS, &RESOURCES),
    row("resources/templates/list", ALWAYS, &TEMPLATES),
    row("resources/read", ALWAYS, &READ_ANSWER),
    row("resources/subscribe", Span::to(V2025_11), &EMPTY),
    row("resources/unsubscribe", Span::to(V2025_11), &EMPTY),
    row("prompts/list", ALWAYS, &PROMPTS),
    row("prompts/get", ALWAYS, &PROMPT_ANSWER),
    row("completion/complete", ALWAYS, &COMPLETED),
    row("logging/setLevel", Span::to(V2025_11), &EMPTY),
    row("subscriptions/listen", Span::from(V2026_07), &LISTENED),
    row("tasks/list", Span::only(V2025_11), &TASKS),
    row("tasks/result", Span::only(V2025_11), &task::PAYLOAD),
    row("tasks/get", Span::from(V2025_11), &task::GOT),
    row("tasks/cancel", Span::only(V2025_11), &task::CANCELLED),
    row("tasks/cancel", Span::from(V2026_07), &EMPTY),
    row("tasks/update", Span::from(V2026_07), &EMPTY),
];

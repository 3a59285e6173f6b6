//! What a server offers: itself, its capabilities, tools, resources, templates and prompts.

use super::content::ANNOTATIONS;
use super::grammar::{
    Member, OBJECT, Shape, Span, TEXTS, V2025_03, V2025_06, V2025_11, V2026_07, list, may, must, word,
};
use super::notation::URI;

/// `_meta` of anything but a message. Older revisions define none there, and forbid none.
pub(super) static META: &[Member] = &[may("_meta", &OBJECT).since(V2025_06).harmless()];

static ICON: Shape = Shape::Record(&[&[
    must("src", &URI),
    may("mimeType", &Shape::Text),
    may("sizes", &TEXTS),
    may("theme", &Shape::Words(&[word("light"), word("dark")])),
]]);
static ICONS: Shape = list(&ICON);

/// What things are called.
static NAMED: &[Member] =
    &[must("name", &Shape::Text), may("title", &Shape::Text).since(V2025_06), may("icons", &ICONS).since(V2025_11)];

/// Name and version of a program.
pub(super) static IMPLEMENTATION: Shape = Shape::Record(&[
    NAMED,
    &[
        must("version", &Shape::Text),
        may("description", &Shape::Text).since(V2025_11),
        may("websiteUrl", &URI).since(V2025_11),
    ],
]);

static LIST_CHANGED: &[Member] = &[may("listChanged", &Shape::Boolean)];
static CHANGING: Shape = Shape::Record(&[LIST_CHANGED]);
static SUBSCRIBED: Shape = Shape::Record(&[LIST_CHANGED, &[may("subscribe", &Shape::Boolean)]]);
static OBJECTS: Shape = Shape::Map(&OBJECT);
static TASKS: Shape = Shape::Record(&[&[
    may("list", &OBJECT),
    may("cancel", &OBJECT),
    may("requests", &Shape::Record(&[&[may("tools", &Shape::Record(&[&[may("call", &OBJECT)]]))]])),
]]);

/// What a server says it can do. Extensions are told by some servers in older revisions too.
pub(super) static CAPABILITIES: Shape = Shape::Record(&[&[
    may("experimental", &OBJECTS),
    may("logging", &OBJECT),
    may("completions", &OBJECT).since(V2025_03),
    may("prompts", &CHANGING),
    may("resources", &SUBSCRIBED),
    may("tools", &CHANGING),
    may("tasks", &TASKS).in_span(Span::only(V2025_11)),
    may("extensions", &OBJECTS).since(V2026_07).harmless(),
]]);

/// Only the root is looked at: whether a schema is a valid one is for another rule.
static OBJECT_SCHEMA: Shape = Shape::Record(&[&[must("type", &Shape::Words(&[word("object")]))]]);
static TOOL_ANNOTATIONS: Shape = Shape::Record(&[&[
    may("title", &Shape::Text),
    may("readOnlyHint", &Shape::Boolean),
    may("destructiveHint", &Shape::Boolean),
    may("idempotentHint", &Shape::Boolean),
    may("openWorldHint", &Shape::Boolean),
]]);
static EXECUTION: Shape =
    Shape::Record(&[&[may("taskSupport", &Shape::Words(&[word("forbidden"), word("optional"), word("required")]))]]);

/// A tool.
pub(super) static TOOL: Shape = Shape::Record(&[
    NAMED,
    META,
    &[
        may("description", &Shape::Text),
        must("inputSchema", &OBJECT_SCHEMA),
        may("outputSchema", &OBJECT_SCHEMA).in_span(Span { since: V2025_06, until: V2025_11 }),
        may("outputSchema", &OBJECT).since(V2026_07),
        may("annotations", &TOOL_ANNOTATIONS).since(V2025_03),
        may("execution", &EXECUTION).in_span(Span::only(V2025_11)),
    ],
]);

/// What resources, templates and links have in common.
static RESOURCE_LIKE: &[Member] =
    &[may("description", &Shape::Text), may("mimeType", &Shape::Text), may("annotations", &ANNOTATIONS)];

/// A resource's own members.
static RESOURCE_OWN: &[Member] = &[must("uri", &URI), may("size", &super::grammar::INTEGER)];

/// The groups of a resource, which a link to one has as well.
pub(super) static RESOURCE_MEMBERS: [&[Member]; 4] = [NAMED, META, RESOURCE_LIKE, RESOURCE_OWN];

/// A resource.
pub(super) static RESOURCE: Shape = Shape::Record(&RESOURCE_MEMBERS);

/// A resource template.
pub(super) static TEMPLATE: Shape = Shape::Record(&[NAMED, META, RESOURCE_LIKE, &[must("uriTemplate", &Shape::Text)]]);

static ARGUMENT: Shape = Shape::Record(&[&[
    must("name", &Shape::Text),
    may("title", &Shape::Text).since(V2025_06),
    may("description", &Shape::Text),
    may("required", &Shape::Boolean),
]]);

/// A prompt.
pub(super) static PROMPT: Shape =
    Shape::Record(&[NAMED, META, &[may("description", &Shape::Text), may("arguments", &list(&ARGUMENT))]]);

//! JSON-RPC errors, and the `data` that some codes carry.

use serde_json::Value;

use super::asked::BY_URL;
use super::grammar::{INTEGER, Member, OBJECT, Shape, Span, TEXTS, V2025_11, V2026_07, list, may, must};

static BASIS: &[Member] = &[must("code", &INTEGER), must("message", &Shape::Text)];

/// Any error.
pub(super) static ERROR: Shape = Shape::Record(&[BASIS, &[may("data", &Shape::Any)]]);

/// An error whose code says more than the message.
#[derive(Debug)]
pub(super) struct Coded {
    pub(super) code: i64,
    pub(super) span: Span,
    pub(super) shape: &'static Shape,
}

/// One row per code whose `data` has a shape.
pub(super) static CODED: &[Coded] = &[
    Coded { code: -32042, span: Span::only(V2025_11), shape: &URL_ELICITATION },
    Coded { code: -32021, span: Span::from(V2026_07), shape: &MISSING_CAPABILITY },
    Coded { code: -32022, span: Span::from(V2026_07), shape: &UNSUPPORTED_VERSION },
];

static URL_ELICITATION: Shape =
    Shape::Record(&[BASIS, &[must("data", &Shape::Record(&[&[must("elicitations", &list(&BY_URL))]]))]]);
static OBJECTS: Shape = Shape::Map(&OBJECT);
static CLIENT_CAPABILITIES: Shape = Shape::Record(&[&[
    may("experimental", &OBJECTS),
    may("extensions", &OBJECTS),
    may("roots", &OBJECT),
    may("sampling", &Shape::Record(&[&[may("context", &OBJECT), may("tools", &OBJECT)]])),
    may("elicitation", &Shape::Record(&[&[may("form", &OBJECT), may("url", &OBJECT)]])),
]]);
static MISSING_CAPABILITY: Shape =
    Shape::Record(&[BASIS, &[must("data", &Shape::Record(&[&[must("requiredCapabilities", &CLIENT_CAPABILITIES)]]))]]);
static UNSUPPORTED_VERSION: Shape = Shape::Record(&[
    BASIS,
    &[must("data", &Shape::Record(&[&[must("supported", &TEXTS), must("requested", &Shape::Text)]]))],
]);

/// The shape of an error in a revision.
pub(super) fn shape(version: &str, error: &Value) -> &'static Shape {
    let code = error.get("code").and_then(Value::as_i64);
    let coded = CODED.iter().find(|coded| Some(coded.code) == code && coded.span.covers(version));
    coded.map_or(&ERROR, |coded| coded.shape)
}

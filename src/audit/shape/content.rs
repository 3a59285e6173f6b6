//! What results and messages are made of: content blocks, contents of resources, messages of prompts.

use super::grammar::{
    ALWAYS, Bond, Member, SHARE, Shape, Tagged, V2025_03, V2025_06, kind, kind_since, list, may, must, word,
};
use super::notation::{BASE64, MOMENT, URI};
use super::offered::{META, RESOURCE_MEMBERS};

/// Whose part in a conversation something is.
pub(super) static ROLE: Shape = Shape::Words(&[word("user"), word("assistant")]);

/// For whom something is, and how much it matters.
pub(super) static ANNOTATIONS: Shape = Shape::Record(&[&[
    may("audience", &list(&ROLE)),
    may("priority", &SHARE),
    may("lastModified", &MOMENT).since(V2025_06),
]]);

static ANNOTATED: &[Member] = &[may("annotations", &ANNOTATIONS)];

pub(super) static TEXT: Shape =
    Shape::Record(&[&[must("type", &Shape::Words(&[word("text")])), must("text", &Shape::Text)], ANNOTATED, META]);
static MEDIA: &[Member] = &[must("data", &BASE64), must("mimeType", &Shape::Text)];
pub(super) static IMAGE: Shape =
    Shape::Record(&[&[must("type", &Shape::Words(&[word("image")]))], MEDIA, ANNOTATED, META]);
pub(super) static AUDIO: Shape =
    Shape::Record(&[&[must("type", &Shape::Words(&[word("audio")]))], MEDIA, ANNOTATED, META]);
static EMBEDDED: Shape =
    Shape::Record(&[&[must("type", &Shape::Words(&[word("resource")])), must("resource", &CONTENTS)], ANNOTATED, META]);
static LINK: Shape = Shape::Record(&[
    &[must("type", &Shape::Words(&[word("resource_link")]))],
    RESOURCE_MEMBERS[0],
    RESOURCE_MEMBERS[1],
    RESOURCE_MEMBERS[2],
    RESOURCE_MEMBERS[3],
]);

/// A block of content.
pub(super) static BLOCK: Shape = Shape::Tagged(Tagged {
    tag: "type",
    span: ALWAYS,
    first_by_default: false,
    kinds: &[
        kind("text", &TEXT),
        kind("image", &IMAGE),
        kind_since("audio", V2025_03, &AUDIO),
        kind("resource", &EMBEDDED),
        kind_since("resource_link", V2025_06, &LINK),
    ],
});

/// Blocks of content.
pub(super) static BLOCKS: Shape = list(&BLOCK);

/// What a resource holds: text or bytes.
pub(super) static CONTENTS: Shape = Shape::Also(
    &Shape::Record(&[
        &[must("uri", &URI), may("mimeType", &Shape::Text), may("text", &Shape::Text), may("blob", &BASE64)],
        META,
    ]),
    Bond::AnyOf(&["text", "blob"]),
);

/// A message of a prompt: one block each.
pub(super) static PROMPT_MESSAGE: Shape = Shape::Record(&[&[must("role", &ROLE), must("content", &BLOCK)]]);

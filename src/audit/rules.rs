//! The table of all rules: one file per family.

mod authorization;
mod base;
mod calls;
mod discovery;
mod envelope;
mod field;
mod fit;
mod headers;
mod http;
mod invalid;
mod legacy;
mod origin;
mod outcome;
mod progress;
mod prompts;
mod resources;
mod schemas;
mod sessions;
mod shapes;
mod sse;
mod stdio;
mod streams;
mod tools;
mod utilities;
mod modern;
mod rounds;
mod subscriptions;
mod tasks;

use super::rule::Rule;
pub(super) use field::WAIT_MAX;

static FAMILIES: &[&[Rule]] = &[
    base::RULES,
    invalid::RULES,
    shapes::RULES,
    legacy::RULES,
    tools::RULES,
    schemas::RULES,
    calls::RULES,
    resources::RULES,
    prompts::RULES,
    utilities::RULES,
    progress::RULES,
    authorization::RULES,
    discovery::RULES,
    field::RULES,
    http::RULES,
    sessions::RULES,
    headers::RULES,
    origin::RULES,
    streams::RULES,
    stdio::RULES,
    sse::RULES,
    modern::RULES,
    envelope::RULES,
    rounds::RULES,
    subscriptions::RULES,
    tasks::RULES,
];

/// Every rule, by family.
pub fn all() -> impl Iterator<Item = &'static Rule> {
    FAMILIES.iter().copied().flatten()
}

static UNBUILT: &[&[(&str, &str)]] = &[
    field::UNBUILT,
    authorization::UNBUILT,
    http::UNBUILT,
    origin::UNBUILT,
    streams::UNBUILT,
    stdio::UNBUILT,
    sse::UNBUILT,
    calls::UNBUILT,
    resources::UNBUILT,
    utilities::UNBUILT,
    subscriptions::UNBUILT,
];

/// The rows of the catalogue that are no rule, each with the reason.
pub fn unbuilt() -> impl Iterator<Item = &'static (&'static str, &'static str)> {
    UNBUILT.iter().copied().flatten()
}

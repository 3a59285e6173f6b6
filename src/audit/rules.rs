//! The table of all rules: one file per family.

mod base;
mod field;
mod invalid;
mod legacy;
mod shapes;

use super::rule::Rule;

static FAMILIES: &[&[Rule]] = &[base::RULES, invalid::RULES, shapes::RULES, legacy::RULES, field::RULES];

/// Every rule, by family.
pub fn all() -> impl Iterator<Item = &'static Rule> {
    FAMILIES.iter().copied().flatten()
}

static UNBUILT: &[&[(&str, &str)]] = &[legacy::UNBUILT];

/// The rows of the catalogue that are no rule, each with the reason.
pub fn unbuilt() -> impl Iterator<Item = &'static (&'static str, &'static str)> {
    UNBUILT.iter().copied().flatten()
}

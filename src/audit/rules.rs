//! The table of all rules: one file per family.

mod base;

use super::rule::Rule;

static FAMILIES: &[&[Rule]] = &[base::RULES];

/// Every rule, by family.
pub fn all() -> impl Iterator<Item = &'static Rule> {
    FAMILIES.iter().copied().flatten()
}

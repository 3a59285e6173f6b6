//! The table of rules as a whole: ids, words, references.

use std::collections::HashSet;

use super::*;

#[test]
fn every_rule_says_what_why_and_where() {
    let mut seen = HashSet::new();
    for rule in rules::all() {
        assert!(seen.insert(rule.id), "{} twice", rule.id);
        assert!(
            rule.id.contains('.') && rule.id.bytes().all(|b| b.is_ascii_lowercase() || b"._-0123456789".contains(&b))
        );
        for text in [rule.what, rule.why, rule.mend] {
            assert!(text.len() > 20, "{}: {text:?}", rule.id);
        }
        assert!(rule.what.ends_with('.') && rule.why.ends_with('.') && rule.mend.ends_with('.'), "{}", rule.id);
        assert!(rule.is_of_steps() || !rule.noticed, "{}: a probe sends nothing for a rule", rule.id);
        assert!(!rule.page.is_empty() && !rule.rows.is_empty(), "{}", rule.id);
        let hardest = rule.needs.iter().map(|exercise| exercise.class).max().unwrap_or(Class::Passive);
        assert_eq!(rule.class, hardest, "{}", rule.id);
        let known: Vec<&str> = exercises::all().map(|exercise| exercise.name).collect();
        assert!(rule.needs.iter().all(|exercise| known.contains(&exercise.name)), "{}", rule.id);
    }
}

#[test]
fn every_exercise_is_needed_and_named_once() {
    let mut seen = HashSet::new();
    for exercise in exercises::all().skip(1) {
        assert!(seen.insert(exercise.name), "{} twice", exercise.name);
        let needed =
            rules::all().any(|rule| rule.needs.iter().chain(rule.occasions).any(|needs| needs.name == exercise.name));
        assert!(needed, "{} is needed by no rule", exercise.name);
    }
}

/// The families of the catalogue of requirements that are built, and their last rows.
const CATALOGUE: &[(char, u8)] =
    &[('J', 19), ('L', 13), ('H', 43), ('S', 9), ('X', 4), ('T', 31), ('R', 13), ('P', 5), ('U', 10), ('A', 21)];

/// How servers are known to fail.
const MODES: u8 = 54;

#[test]
fn every_row_of_the_catalogue_is_judged_or_says_why_not() {
    let judged: HashSet<&str> = rules::all().flat_map(|rule| rule.rows).copied().collect();
    for (row, why) in rules::unbuilt() {
        assert!(!judged.contains(row) && why.len() > 20, "{row}: {why}");
    }
    for (family, last) in CATALOGUE {
        for row in (1..=*last).map(|number| format!("{family}{number:02}")) {
            let unbuilt = rules::unbuilt().any(|(known, _)| *known == row);
            assert!(judged.contains(row.as_str()) || unbuilt, "{row} is neither judged nor said to be unbuilt");
        }
    }
    for mode in (1..=MODES).map(|number| format!("F{number}")) {
        let unbuilt = rules::unbuilt().any(|(known, _)| *known == mode);
        assert!(judged.contains(mode.as_str()) || unbuilt, "{mode} is neither judged nor said to be unbuilt");
    }
}

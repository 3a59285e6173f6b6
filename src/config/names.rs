//! Names that the user gives to things: what a name can be, names given twice, names of nothing.

use std::collections::{BTreeMap, BTreeSet};

use super::{Diag, Key, Place, Reading, suggest};

/// What a name must not have in it.
pub const NAME_RULES: &str = "a name has no `*`, `?`, `://` or control character (a tab, a line feed), does not begin with `-`, \
                              and neither begins nor ends with a space";

/// Names are shown, selected by pattern and typed on command lines.
pub fn check_name(key: &Key, what: &str, reading: &Reading<'_>) {
    const CHARS_MAX: usize = 100;
    let name = &key.name;
    let bad = |c: char| c.is_control() || c == '*' || c == '?';
    if name.trim() != name || name.is_empty() || name.starts_with('-') || name.contains("://") || name.contains(bad) {
        reading.report(Diag::error(&key.place, format!("{name:?} cannot be the name of a {what}")).help(NAME_RULES));
    } else if name.chars().count() > CHARS_MAX {
        reading.report(Diag::error(&key.place, format!("the name of a {what} has at most {CHARS_MAX} characters")));
    }
}

/// The same name at two places.
pub fn twice<'a>(what: &str, names: impl Iterator<Item = (&'a str, &'a Place)>, diags: &mut Vec<Diag>) {
    let mut first: BTreeMap<&str, &Place> = BTreeMap::new();
    for (name, place) in names {
        match first.get(name) {
            None => {
                first.insert(name, place);
            }
            Some(before) => diags.push(
                Diag::error(place, format!("the {what} `{name}` is defined twice"))
                    .label("again here")
                    .also(before, "first here"),
            ),
        }
    }
}

/// A table of which all files together have one.
pub fn only_one<'a>(name: &str, places: impl Iterator<Item = &'a Place>, diags: &mut Vec<Diag>) {
    let places: Vec<&Place> = places.collect();
    for pair in places.windows(2) {
        let [first, again] = pair else { continue };
        let diag = Diag::error(again, format!("`[{name}]` is defined twice")).label("again here");
        diags.push(diag.also(first, "first here").help(format!("write one `[{name}]` for all files that are read")));
    }
}

/// Names of nothing.
pub fn unknown(what: &str, named: &[(String, Place)], known: &BTreeSet<&str>, diags: &mut Vec<Diag>) {
    for (name, place) in named {
        if name != "*" && !known.contains(name.as_str()) {
            let help = suggest::sentence(name, known.iter().copied())
                .unwrap_or_else(|| format!("the files that were read define no {what}"));
            diags.push(Diag::error(place, format!("there is no {what} `{name}`")).help(help));
        }
    }
}

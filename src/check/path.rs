//! Paths into JSON (RFC 9535), compiled when the file is read. A singular path gives the value it names, any other path
//! the array of what it matched.

mod comparison;

use std::borrow::Cow;

use serde_json::Value;
use serde_json_path::JsonPath;

/// Longer paths are refused: the parser is recursive.
const CHARS_MAX: usize = 1_000;

/// Brackets within brackets: the parser tries every filter within a filter twice, so the time doubles with each.
const DEPTH_MAX: usize = 8;
/// The same once comparisons stand in parentheses.
const PLAIN_DEPTH_MAX: usize = 12;

/// A compiled path.
#[derive(Clone, Debug)]
pub struct Path {
    text: String,
    singular: bool,
    compiled: JsonPath,
}

impl Path {
    /// Compiles a path.
    ///
    /// # Errors
    /// A sentence that says what is wrong with it.
    pub fn parse(text: &str) -> Result<Self, String> {
        if !text.starts_with('$') {
            return Err(format!("`{text}` is no JSONPath: a path starts with `$`"));
        }
        if text.chars().count() > CHARS_MAX || depth(text) > DEPTH_MAX {
            return Err(format!("this JSONPath is over {CHARS_MAX} characters or {DEPTH_MAX} brackets deep"));
        }
        let compiled = JsonPath::parse(text).map_err(|error| {
            let why = Some(error.message()).filter(|why| *why != "parser error");
            let why = why.map(|why| format!(": {why}")).unwrap_or_default();
            format!("`{text}` is no JSONPath from character {} on{why}", error.position() + 1)
        })?;
        let plain = comparison::plain(text);
        if depth(&plain) > PLAIN_DEPTH_MAX {
            return Err(format!("the comparisons of this JSONPath are over {DEPTH_MAX} brackets deep"));
        }
        // What cannot be put otherwise is taken as it stands.
        let compiled = if plain == text { compiled } else { JsonPath::parse(&plain).unwrap_or(compiled) };
        Ok(Self { text: text.to_owned(), singular: is_singular(text), compiled })
    }

    /// As it was written.
    #[must_use]
    pub fn text(&self) -> &str {
        &self.text
    }

    /// What it finds; none when nothing matches.
    #[must_use]
    pub fn find<'v>(&self, value: &'v Value) -> Option<Cow<'v, Value>> {
        let nodes = self.compiled.query(value).all();
        match (self.singular, nodes.as_slice()) {
            (_, []) => None,
            (true, [node, ..]) => Some(Cow::Borrowed(node)),
            (false, nodes) => Some(Cow::Owned(nodes.iter().copied().cloned().collect())),
        }
    }
}

/// A member behind a path: bare where RFC 9535 lets a name stand so (section 2.5.1), else in brackets and quotes.
#[must_use]
pub fn member(name: &str) -> String {
    let starts = |c: char| c.is_ascii_alphabetic() || c == '_' || !c.is_ascii();
    let bare = name.starts_with(starts) && name.chars().all(|c| starts(c) || c.is_ascii_digit());
    if bare {
        return format!(".{name}");
    }
    let mut quoted = String::new();
    for c in name.chars() {
        match c {
            '\'' | '\\' => quoted.extend(['\\', c]),
            c if c.is_ascii_control() => quoted.push_str(&format!("\\u{:04x}", u32::from(c))),
            c => quoted.push(c),
        }
    }
    format!("['{quoted}']")
}

fn depth(text: &str) -> usize {
    let mut depth = 0_usize;
    let mut deepest = 0;
    for c in text.chars() {
        match c {
            '[' | '(' => depth += 1,
            ']' | ')' => depth = depth.saturating_sub(1),
            _ => {}
        }
        deepest = deepest.max(depth);
    }
    deepest
}

/// Whether a valid path has only names and single indexes (RFC 9535, section 2.3.5.1).
fn is_singular(text: &str) -> bool {
    let mut rest = text.strip_prefix('$').unwrap_or(text).trim_start();
    while !rest.is_empty() {
        let after = if let Some(segment) = rest.strip_prefix('.') {
            if segment.starts_with(['.', '*']) {
                return false;
            }
            segment.trim_start().find(['.', '[', ' ', '\t', '\n', '\r']).map_or("", |end| &segment.trim_start()[end..])
        } else {
            let Some(inside) = rest.strip_prefix('[') else { return false };
            match after_selector(inside.trim_start()).map(str::trim_start).and_then(|end| end.strip_prefix(']')) {
                Some(after) => after,
                None => return false,
            }
        };
        rest = after.trim_start();
    }
    true
}

/// What follows one quoted name or one index.
fn after_selector(inside: &str) -> Option<&str> {
    let quote = inside.chars().next()?;
    if quote != '\'' && quote != '"' {
        let end = inside.find(|c: char| !c.is_ascii_digit() && c != '-')?;
        return (end > 0).then(|| &inside[end..]);
    }
    let mut escaped = false;
    for (at, c) in inside.char_indices().skip(1) {
        match c {
            _ if escaped => escaped = false,
            '\\' => escaped = true,
            c if c == quote => return Some(&inside[at + 1..]),
            _ => {}
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn singular_paths_are_told_apart() {
        for path in ["$", "$.a", "$.a.b[0]", "$['a']", "$[\"a.b\"].c", "$[ 'x]y' ] [-1]", "$['it\\'s'].a", "$.ü"] {
            assert!(Path::parse(path).unwrap().singular, "{path}");
        }
        for path in ["$.*", "$..a", "$.a[*]", "$[0,1]", "$['a','b']", "$[0:2]", "$.a[?@.b == 1]", "$[?@.x].y"] {
            assert!(!Path::parse(path).unwrap().singular, "{path}");
        }
    }

    #[test]
    fn values_arrays_and_nothing() {
        let value = json!({"a": [{"b": 1}, {"b": 2}], "n": null});
        let find = |path: &str| Path::parse(path).unwrap().find(&value).map(Cow::into_owned);
        assert_eq!(find("$.a[1].b"), Some(json!(2)));
        assert_eq!(find("$.a[*].b"), Some(json!([1, 2])));
        assert_eq!(find("$.a[?@.b > 1].b"), Some(json!([2])));
        assert_eq!(find("$.n"), Some(json!(null)));
        assert_eq!(find("$.x"), None);
        assert_eq!(find("$..x"), None);
    }

    #[test]
    fn deep_paths_are_refused_or_read_in_no_time() {
        let start = std::time::Instant::now();
        for depth in 1..40 {
            for (open, close) in [("(", ")"), ("!(", ")"), ("length(", ")"), ("@[?", "]"), ("(@.a&&", ")")] {
                for inside in ["@.a", "@.a == 1", "@.a ==", "@.a >= 1"] {
                    let _ = Path::parse(&format!("$[?{}{inside}{}]", open.repeat(depth), close.repeat(depth)));
                }
            }
        }
        assert!(start.elapsed() < std::time::Duration::from_secs(5), "{:?}", start.elapsed());
    }

    #[test]
    fn what_is_no_path_says_so() {
        for path in ["", "a", "content[0]", "$.", "$[", "$.a[?]", "$ .. "] {
            assert!(Path::parse(path).is_err(), "{path}");
        }
        assert!(Path::parse(&format!("${}1{}", "[?(".repeat(400), ")]".repeat(400))).is_err());
    }
}

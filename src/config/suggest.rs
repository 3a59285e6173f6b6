//! What was probably meant: the nearest of the words that would have been right.

/// The nearest candidate, when it is near enough to be what was meant.
#[must_use]
pub fn nearest<'a>(word: &str, candidates: impl IntoIterator<Item = &'a str>) -> Option<&'a str> {
    let count = word.chars().count();
    // Short words are near to everything: of these only the case may differ.
    let reach = if count < 3 { 0 } else { (count / 3).min(3) };
    let mut best: Option<(usize, &str)> = None;
    let mut alike: Option<(usize, &str)> = None;
    for candidate in candidates {
        if candidate.chars().count().abs_diff(count) <= reach {
            let distance = distance(word, candidate);
            if distance <= reach && best.is_none_or(|(least, _)| distance < least) {
                best = Some((distance, candidate));
            }
        }
        // `retry` for `retries`, `arg` for `arguments`: the beginning is right and the ending is not.
        let common = begins_alike(word, candidate);
        if common >= 3 && common * 4 >= count * 3 && alike.is_none_or(|(most, _)| common > most) {
            alike = Some((common, candidate));
        }
    }
    match (best, alike) {
        // `startup` is the beginning of `startup_timeout` rather than a slip of `start`.
        (Some((2.., _)), Some((common, candidate))) if common == count => Some(candidate),
        (best, alike) => best.or(alike).map(|(_, candidate)| candidate),
    }
}

/// How many letters two words have in common before they differ.
fn begins_alike(left: &str, right: &str) -> usize {
    left.chars().zip(right.chars()).take_while(|(left, right)| left.eq_ignore_ascii_case(right)).count()
}

/// A sentence for the help line: the nearest word, or all that are possible when they are few.
#[must_use]
pub fn sentence<'a>(word: &str, candidates: impl IntoIterator<Item = &'a str>) -> Option<String> {
    let candidates: Vec<&str> = candidates.into_iter().collect();
    if let Some(near) = nearest(word, candidates.iter().copied()) {
        return Some(format!("did you mean `{near}`?"));
    }
    list(&candidates).map(|all| format!("possible here: {all}"))
}

/// Words as a list for a sentence; none when there is nothing to list.
#[must_use]
pub fn list(words: &[&str]) -> Option<String> {
    const SHOWN_MAX: usize = 24;
    if words.is_empty() {
        return None;
    }
    let mut text = words.iter().take(SHOWN_MAX).map(|word| format!("`{word}`")).collect::<Vec<_>>().join(", ");
    if words.len() > SHOWN_MAX {
        text = format!("{text} and {} more", words.len() - SHOWN_MAX);
    }
    Some(text)
}

/// Edits from one word to the other: insert, delete, replace, swap of neighbours (optimal string alignment);
/// upper and lower case count as the same.
fn distance(left: &str, right: &str) -> usize {
    const CHARS_MAX: usize = 64;
    let letters = |word: &str| word.chars().take(CHARS_MAX).flat_map(char::to_lowercase).collect::<Vec<_>>();
    let (left, right) = (letters(left), letters(right));
    let mut before: Vec<usize> = Vec::new();
    let mut above: Vec<usize> = (0..=right.len()).collect();
    for (row, l) in left.iter().enumerate() {
        let mut line = vec![row + 1];
        for (column, r) in right.iter().enumerate() {
            let replace = above[column] + usize::from(l != r);
            let mut best = replace.min(above[column + 1] + 1).min(line[column] + 1);
            let swapped = row > 0 && column > 0 && *l == right[column - 1] && left[row - 1] == *r;
            if swapped {
                best = best.min(before[column - 1] + 1);
            }
            line.push(best);
        }
        before = std::mem::replace(&mut above, line);
    }
    above.last().copied().unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn slips_are_near_and_other_words_are_not() {
        let keys = ["timeout", "retries", "target", "step", "name"];
        assert_eq!(nearest("timout", keys), Some("timeout"));
        assert_eq!(nearest("itmeout", keys), Some("timeout"));
        assert_eq!(nearest("Target", keys), Some("target"));
        assert_eq!(nearest("stpe", keys), Some("step"));
        assert_eq!(nearest("retry", keys), Some("retries"));
        assert_eq!(nearest("targets_of", keys), None);
        assert_eq!(nearest("startup", ["start", "startup_timeout"]), Some("startup_timeout"));
        assert_eq!(nearest("colour", keys), None);
        assert_eq!(sentence("colour", ["a", "b"]).as_deref(), Some("possible here: `a`, `b`"));
        assert_eq!(distance("", "abc"), 3);
        assert_eq!(distance("abcd", "acbd"), 1);
    }
}

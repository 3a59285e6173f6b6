//! Texts of many megabytes, such as a configuration with the history of every conversation in it: their long arrays are
//! taken out before anything is built from them, places stay as they are.

use std::borrow::Cow;
use std::ops::Range;

/// A shorter text is read whole, in bytes.
const TEXT_BYTES_MIN: usize = 4 << 20;

/// Of a long text, an array longer than this is history, in bytes.
const ARRAY_BYTES_MAX: usize = 16 << 10;

/// Deeper nesting is left to the parser to refuse.
const DEPTH_MAX: usize = 512;

/// The same text, with `0` and spaces where a long array stood if the text is long.
pub(super) fn lightened(text: &str) -> Cow<'_, str> {
    if text.len() < TEXT_BYTES_MIN {
        return Cow::Borrowed(text);
    }
    let Some(arrays) = long_arrays(text.as_bytes()).filter(|arrays| !arrays.is_empty()) else {
        return Cow::Borrowed(text);
    };
    let mut light = String::with_capacity(text.len());
    let mut done = 0;
    for array in arrays {
        light.push_str(&text[done..array.start]);
        light.push('0');
        light.extend(std::iter::repeat_n(' ', array.len() - 1));
        done = array.end;
    }
    light.push_str(&text[done..]);
    Cow::Owned(light)
}

/// The outermost long arrays, in order; none where brackets do not match, which the parser says better.
fn long_arrays(text: &[u8]) -> Option<Vec<Range<usize>>> {
    let mut found: Vec<Range<usize>> = Vec::new();
    let mut open: Vec<(u8, usize)> = Vec::new();
    let mut at = 0;
    while let Some(&byte) = text.get(at) {
        match byte {
            b'"' | b'\'' => at = string_end(text, at)?,
            b'/' if text[at..].starts_with(b"//") => at += memchr::memchr2(b'\n', b'\r', &text[at..])?,
            b'/' if text[at..].starts_with(b"/*") => {
                at += 3 + memchr::memmem::find(&text[at + 2..], b"*/")?;
            }
            b'[' | b'{' => {
                open.push((byte, at));
                if open.len() > DEPTH_MAX {
                    return None;
                }
            }
            b']' | b'}' => {
                let (opened, start) = open.pop()?;
                if (opened == b'[') != (byte == b']') {
                    return None;
                }
                if opened == b'[' && at - start > ARRAY_BYTES_MAX {
                    // Those inside it go with it.
                    found.truncate(found.partition_point(|inner| inner.start < start));
                    found.push(start..at + 1);
                }
            }
            _ => {}
        }
        at += 1;
    }
    open.is_empty().then_some(found)
}

/// The place of the quote that ends the string which begins here.
fn string_end(text: &[u8], start: usize) -> Option<usize> {
    let quote = text[start];
    let mut at = start + 1;
    loop {
        at += memchr::memchr2(quote, b'\\', text.get(at..)?)?;
        if text[at] == quote {
            return Some(at);
        }
        at += 2;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn long(inside: &str) -> String {
        let mut text = inside.to_owned();
        text.push_str(&" ".repeat(TEXT_BYTES_MIN));
        text
    }

    #[test]
    fn long_arrays_are_taken_out_of_long_texts() {
        let item = r#"{"a": ["]", '[', "\"]"]}, /* ] */"#;
        let array = format!("[{} ü // ]\n 1]", item.repeat(1_000));
        let inside = format!("{{\"b\": [1], \"h\": {array}, \"c\": [[{array}], {array}], \"d\": 2}}");
        assert!(matches!(lightened(&inside), Cow::Borrowed(_)), "a short text is read whole");
        let text = long(&inside);
        let light = lightened(&text);
        assert_eq!(light.len(), text.len());
        let words: Vec<&str> = light.split_whitespace().collect();
        assert_eq!(words.join(" "), r#"{"b": [1], "h": 0 , "c": 0 , "d": 2}"#);
        assert_eq!(light.find("\"d\""), text.find("\"d\""));
    }

    #[test]
    fn what_is_no_json_is_left_to_the_parser() {
        for text in ["[", "]", "{]", "[}", "\"", "'\\", "/*", "// x", "[\"\\"] {
            let text = long(text);
            assert!(matches!(lightened(&text), Cow::Borrowed(_)), "{}", &text[..4]);
        }
        let deep = long(&"[".repeat(DEPTH_MAX + 1));
        assert!(matches!(lightened(&deep), Cow::Borrowed(_)));
    }
}

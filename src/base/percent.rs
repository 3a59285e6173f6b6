//! Percent-encoding (RFC 3986, section 2.1), as headers and variables hold it.

/// The text with every `%XX` read. What is no such triple stands for itself.
#[must_use]
pub fn decoded(text: &str) -> String {
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text.as_bytes();
    while let Some((first, after)) = rest.split_first() {
        // A sign is no digit, whatever the parser of numbers says.
        let digits = after.get(..2).filter(|digits| *first == b'%' && digits.iter().all(u8::is_ascii_hexdigit));
        let hex = digits.and_then(|digits| std::str::from_utf8(digits).ok());
        match hex.and_then(|hex| u8::from_str_radix(hex, 16).ok()) {
            Some(byte) => {
                bytes.push(byte);
                rest = &after[2..];
            }
            None => {
                bytes.push(*first);
                rest = after;
            }
        }
    }
    String::from_utf8_lossy(&bytes).into_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn triples_are_read_and_the_rest_stays() {
        assert_eq!(decoded("a%20b%C3%A9%2C%"), "a bé,%");
        assert_eq!(decoded("100%+1 %zz"), "100%+1 %zz");
    }
}

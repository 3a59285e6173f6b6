//! The headers that the protocol sets on a request: a handful, checked when they are set, written out as they are.

use std::borrow::Cow;

use crate::event::Reason;
use crate::protocol::headers::is_token;
use crate::transport::Fault;

type Text = Cow<'static, str>;

/// Headers in order, each name once.
#[derive(Clone, Debug, Default)]
pub(in crate::transport) struct Fields(Vec<(Text, Text)>);

impl Fields {
    /// None, with room for so many.
    pub(in crate::transport) fn with_room(count: usize) -> Self {
        Self(Vec::with_capacity(count))
    }

    /// Sets a header, in the place of one of that name.
    ///
    /// # Errors
    /// [`Fault`], when the name is no token, or the value has characters that no header can hold, such as a line end
    /// (RFC 9110 sections 5.1 and 5.5).
    pub(in crate::transport) fn set(&mut self, name: impl Into<Text>, value: impl Into<Text>) -> Result<(), Fault> {
        let (name, value) = (name.into(), value.into());
        let is_value = |byte: u8| (byte >= b' ' && byte != 0x7f) || byte == b'\t';
        if !is_token(&name) || !value.bytes().all(is_value) {
            return Err(Fault::new(Reason::Internal, format!("the header {name:?} cannot be sent with this value")));
        }
        match self.0.iter_mut().find(|(have, _)| have.eq_ignore_ascii_case(&name)) {
            Some((_, have)) => *have = value,
            None => self.0.push((name, value)),
        }
        Ok(())
    }

    /// Takes a header out.
    pub(in crate::transport) fn remove(&mut self, name: &str) {
        self.0.retain(|(have, _)| !have.eq_ignore_ascii_case(name));
    }

    /// The value of the header of a name.
    pub(super) fn get(&self, name: &str) -> Option<&str> {
        self.iter().find(|(have, _)| have.eq_ignore_ascii_case(name)).map(|(_, value)| value)
    }

    /// All of them, names as they were given.
    pub(super) fn iter(&self) -> impl Iterator<Item = (&str, &str)> {
        self.0.iter().map(|(name, value)| (&**name, &**value))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_header_is_set_once_and_only_as_it_can_be_sent() {
        let mut fields = Fields::default();
        fields.set("Accept", "a/b").unwrap();
        fields.set("Mcp-Name".to_owned(), "Grün\t1".to_owned()).unwrap();
        fields.set("accept", "*/*").unwrap();
        assert_eq!(fields.iter().collect::<Vec<_>>(), [("Accept", "*/*"), ("Mcp-Name", "Grün\t1")]);
        assert_eq!((fields.get("mcp-name"), fields.get("mcp")), (Some("Grün\t1"), None));
        for (name, value) in [("", "a"), ("a b", "a"), ("a:", "a"), ("a\r\nb", "a"), ("ä", "a"), ("a\0", "a")] {
            assert_eq!(fields.set(name, value).unwrap_err().reason, Reason::Internal, "{name:?}");
        }
        for value in ["a\r\nB: c", "a\nb", "a\0", "\x7f", "\r"] {
            assert!(fields.set("a", value).unwrap_err().message.contains("\"a\" cannot be sent"), "{value:?}");
        }
        fields.remove("ACCEPT");
        assert_eq!(fields.iter().count(), 1);
    }
}

//! Writing: stdout for the answer, stderr for everything else. A reader that went away is no failure, and it is
//! not worth a word: `mcp-probe … | head` ends quietly.

use std::borrow::Cow;
use std::io::{ErrorKind, Write};

use serde_json::Value;

use super::complaint::Complaint;
use super::exit::Code;
use super::jq::Jq;
use crate::report::render::value;
use crate::report::{Look, github};

/// What a text is, for those who have to take care of what stands in it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// Text for people.
    Text,
    /// JSON, or lines of it: it stays JSON that says the same.
    Json,
}

/// Whether what is written is read by the runner of GitHub Actions, which obeys lines of a log.
fn is_in_job() -> bool {
    std::env::var_os("GITHUB_ACTIONS").is_some_and(|value| value == "true")
}

/// In a job of GitHub Actions no line of it is a command. What is no text is left as it is.
#[must_use]
pub fn harmless(bytes: &[u8], kind: Kind) -> Cow<'_, [u8]> {
    if !is_in_job() {
        return Cow::Borrowed(bytes);
    }
    let Ok(text) = std::str::from_utf8(bytes) else { return Cow::Borrowed(bytes) };
    match kind {
        Kind::Text => Cow::Owned(github::defused(text).into_owned().into_bytes()),
        // What a server sends need not be the JSON that it should be.
        Kind::Json => Cow::Owned(github::defused(&github::defused_json(text)).into_owned().into_bytes()),
    }
}

/// A writer of whole lines that are made harmless on their way.
pub struct Harmless<W: Write>(pub W, pub Kind);

impl<W: Write> Write for Harmless<W> {
    fn write(&mut self, lines: &[u8]) -> std::io::Result<usize> {
        self.0.write_all(&harmless(lines, self.1))?;
        Ok(lines.len())
    }

    fn flush(&mut self) -> std::io::Result<()> {
        self.0.flush()
    }
}

/// Writes text to stdout, or to stderr, and flushes it. In a job of GitHub Actions no line of it is a command.
///
/// # Errors
/// When stdout cannot be written for another reason than a closed pipe (a full disk, say).
pub fn say(text: &str, to_stderr: bool) -> Result<(), Complaint> {
    say_bytes(&harmless(text.as_bytes(), Kind::Text), to_stderr)
}

/// Writes a JSON document to stdout, through a filter where there is one.
///
/// # Errors
/// As [`say`], and when the filter fails on this document.
pub fn say_json(document: &Value, jq: Option<&Jq>, look: &Look) -> Result<(), Complaint> {
    let Some(jq) = jq else { return say_answer(value::document(document, look).as_bytes(), Kind::Json) };
    match jq.run(document, look) {
        Ok(printed) => say(&printed, false),
        Err((printed, failed)) => say(&printed, false).and(Err(failed)),
    }
}

/// Writes to stdout what holds words of a server, as far as it is text.
///
/// # Errors
/// As [`say`].
pub fn say_answer(bytes: &[u8], kind: Kind) -> Result<(), Complaint> {
    say_bytes(&harmless(bytes, kind), false)
}

/// Writes bytes as they are: ours, or made harmless.
///
/// # Errors
/// As [`say`].
pub fn say_bytes(bytes: &[u8], to_stderr: bool) -> Result<(), Complaint> {
    let written = if to_stderr {
        write(&mut std::io::stderr().lock(), bytes)
    } else {
        write(&mut std::io::stdout().lock(), bytes)
    };
    match written {
        Err(error) if !to_stderr => {
            Err(Complaint::new(Code::Undelivered, format!("the output could not be written: {error}")))
        }
        _ => Ok(()),
    }
}

fn write(stream: &mut impl Write, bytes: &[u8]) -> std::io::Result<()> {
    match stream.write_all(bytes).and_then(|()| stream.flush()) {
        Err(error) if error.kind() == ErrorKind::BrokenPipe => Ok(()),
        written => written,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    struct Refusing(ErrorKind);

    impl Write for Refusing {
        fn write(&mut self, _: &[u8]) -> std::io::Result<usize> {
            Err(self.0.into())
        }
        fn flush(&mut self) -> std::io::Result<()> {
            Ok(())
        }
    }

    #[test]
    fn a_closed_pipe_is_success_and_a_full_disk_is_not() {
        assert!(write(&mut Refusing(ErrorKind::BrokenPipe), b"x").is_ok());
        assert!(write(&mut Refusing(ErrorKind::StorageFull), b"x").is_err());
    }
}

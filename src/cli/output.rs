//! Writing: stdout for the answer, stderr for everything else. A reader that went away is no failure, and it is
//! not worth a word: `mcp-probe … | head` ends quietly.

use std::io::{ErrorKind, Write};

use serde_json::Value;

use super::complaint::Complaint;
use super::exit::Code;
use super::jq::Jq;
use crate::report::render::value;
use crate::report::{Look, github};

/// Writes text to stdout, or to stderr, and flushes it. In a job of GitHub Actions no line of it is a command.
///
/// # Errors
/// When stdout cannot be written for another reason than a closed pipe (a full disk, say).
pub fn say(text: &str, to_stderr: bool) -> Result<(), Complaint> {
    if std::env::var_os("GITHUB_ACTIONS").is_some_and(|value| value == "true") {
        return say_bytes(github::defused(text).as_bytes(), to_stderr);
    }
    say_bytes(text.as_bytes(), to_stderr)
}

/// Writes a JSON document to stdout, through a filter where there is one.
///
/// # Errors
/// As [`say`], and when the filter fails on this document.
pub fn say_json(document: &Value, jq: Option<&Jq>, look: &Look) -> Result<(), Complaint> {
    let Some(jq) = jq else { return say(&value::document(document, look), false) };
    match jq.run(document, look) {
        Ok(printed) => say(&printed, false),
        Err((printed, failed)) => say(&printed, false).and(Err(failed)),
    }
}

/// The same for bytes as they came.
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

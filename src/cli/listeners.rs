//! Who listens while a run goes on: the wire log in a file, the wire on stderr, the spinner and the progress bar.

use super::args::OutputOptions;
use super::complaint::Complaint;
use super::output::{Harmless, Kind};
use super::progress::Progress;
use super::progress::bar::Bar;
use super::terminal::Terminal;
use crate::event::{Consumer, Publisher};
use crate::report::wire_log::{WireFile, WireText};

/// The consumers that `--trace` and `-v` ask for. `several` is whether the run has more than one target.
///
/// # Errors
/// When the trace file cannot be created: better now than after the calls.
pub fn consumers(output: &OutputOptions, several: bool) -> Result<Vec<Box<dyn Consumer>>, Complaint> {
    let mut consumers: Vec<Box<dyn Consumer>> = Vec::new();
    if let Some(path) = &output.trace {
        let file = WireFile::create(path).map_err(|error| Complaint::usage(error.to_string()))?;
        consumers.push(Box::new(file));
    }
    if output.verbose {
        let look = Terminal::stderr(output.color).look;
        consumers.push(Box::new(WireText::new(Harmless(std::io::stderr(), Kind::Text), look, several)));
    }
    Ok(consumers)
}

/// A spinner, where one would be seen and would not be in the way of anything.
#[must_use]
pub fn progress(text: &str, output: &OutputOptions) -> Progress {
    Progress::start(text, moves(output))
}

/// A progress bar of a run of probes, likewise.
#[must_use]
pub fn bar(output: &OutputOptions) -> Option<Box<dyn Consumer>> {
    moves(output).then(|| -> Box<dyn Consumer> { Box::new(Bar::new()) })
}

/// Whether what moves on stderr would be seen, and not be in the way of anything.
#[must_use]
pub fn moves(output: &OutputOptions) -> bool {
    let able = std::env::var_os("TERM").is_none_or(|terminal| terminal != "dumb");
    able && Terminal::stderr(output.color).interactive && !output.quiet && !output.verbose
}

/// Lets all of them come to their end, and says what could not be told; whether there was anything.
pub fn finish(publisher: &Publisher) -> bool {
    let mut errors = publisher.finish();
    errors.dedup_by_key(|error| error.to_string());
    for error in &errors {
        let _ = super::output::say(&format!("error: {error}\n"), true);
    }
    !errors.is_empty()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_trace_that_cannot_be_written_is_said_first() {
        let folder = tempfile::tempdir().unwrap();
        let mut output =
            OutputOptions { trace: Some(folder.path().join("t.jsonl")), verbose: true, ..OutputOptions::default() };
        assert_eq!(consumers(&output, false).unwrap().len(), 2);
        output.trace = Some(folder.path().join("no/such/t.jsonl"));
        assert_eq!(consumers(&output, false).err().unwrap().code.number(), 2);
        assert!(consumers(&OutputOptions::default(), true).unwrap().is_empty());
    }
}

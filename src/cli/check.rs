//! `mcp-probe check`: how it is told, and which code it ends with. Reading the files and running the probes is done by the
//! modules below this one.

pub mod dry_run;
pub mod plan;
pub mod push;
pub mod run;

use serde_json::Value;

use super::args::{CheckArgs, ExitStyle, FailOn, OutputOptions};
use super::complaint::Complaint;
use super::connection::{self, Connection};
use super::exit::{self, Code, Ending};
use super::jq::{self, Jq};
use super::outlets::{self, Outlets, unmade, weighed};
use super::output;
use super::terminal::Terminal;
use super::words::{self, Named};
use crate::event::ProbeOutcome;
use crate::report::format::{JSON, TABLE};
use crate::report::{Format, Look, Run, json, table};

/// Everything that was asked for, checked.
pub struct Request {
    /// Files and targets that were named; none means the project's own files.
    pub named: Vec<Named>,
    /// How targets are reached.
    pub connection: Connection,
    /// Where the reports go.
    pub outlets: Outlets,
}

/// What decides the exit code beside the outcomes.
#[derive(Clone, Copy, Debug, Default)]
pub struct Judging {
    /// `--fail-on`.
    pub fail_on: Option<FailOn>,
    /// `--exit-style`.
    pub exit_style: Option<ExitStyle>,
}

/// Checks what was typed.
///
/// # Errors
/// When something cannot be meant.
pub fn prepare(check: &CheckArgs) -> Result<Request, Complaint> {
    let named = words::targets(&check.words, &check.command)?;
    let connection = connection::connection(&check.connection, &named)?;
    let jq = check.jq.as_deref().map(|filter| Jq::compile_for(filter, jq::OF_A_REPORT)).transpose()?;
    let outlets = Outlets::choose(&check.report, check.output.json, jq)?;
    Ok(Request { named, connection, outlets })
}

/// Writes the files, prints the report, gives the exit code as the shell sees it. `undelivered` says that something
/// that was required could not be told; it weighs less than what was found.
///
/// # Errors
/// When the filter fails on the report.
pub fn tell(check: &CheckArgs, request: &Request, run: &Run<'_>, undelivered: bool) -> Result<u8, Complaint> {
    let made = |format: &'static Format| (format.make)(&Run { undelivered, ..*run }).map_err(unmade);
    let unwritten = request.outlets.write(run, &check.output, made)?;
    let mut undelivered = undelivered || unwritten;
    let run = &Run { undelivered, ..*run };
    undelivered |= weighed(print(check, request, run), &check.output)?;
    let judging = Judging { fail_on: check.fail_on, exit_style: check.exit_style };
    Ok(code(judging, run.probes, undelivered))
}

/// What goes to stdout: the table and the document look as the terminal wants it, every other report is as in a file.
fn print(check: &CheckArgs, request: &Request, run: &Run<'_>) -> Result<(), Complaint> {
    let outlets = &request.outlets;
    if outlets.stdout == JSON {
        return print_document(&document(run)?, outlets.jq.as_ref(), &check.output);
    }
    if outlets.stdout != TABLE {
        return outlets::say(outlets.stdout, &(outlets.stdout.make)(run).map_err(unmade)?);
    }
    let stdout = Terminal::stdout(check.output.color).look;
    let stderr = Terminal::stderr(check.output.color).look;
    let text = table_text(run, &stdout, &stderr, check.output.quiet);
    let printed = output::say(&text.stdout, false);
    output::say(&text.stderr, true).and(printed)
}

/// Prints a document, through a filter where there is one.
///
/// # Errors
/// When stdout cannot be written, or the filter fails.
pub fn print_document(document: &Value, jq: Option<&Jq>, output: &OutputOptions) -> Result<(), Complaint> {
    output::say_json(document, jq, &Terminal::stdout(output.color).look)
}

/// The exit code of these outcomes, as the shell sees it.
#[must_use]
pub fn code(judging: Judging, probes: &[ProbeOutcome], undelivered: bool) -> u8 {
    let endings: Vec<Ending> =
        probes.iter().map(|probe| Ending::new(probe.status, probe.cause.as_ref(), probe.connected)).collect();
    let code = exit::fold(endings.clone(), judging.fail_on == Some(FailOn::Degraded), undelivered);
    match judging.exit_style {
        None => code.number(),
        Some(ExitStyle::Nagios) => exit::nagios(endings, code),
    }
}

struct Text {
    stdout: String,
    stderr: String,
}

/// On a terminal everything is one text. Elsewhere rows are for the program that reads them, and the story for the
/// person who reads the log.
fn table_text(run: &Run<'_>, stdout: &Look, stderr: &Look, quiet: bool) -> Text {
    let rows = table::rows(run, stdout);
    if !stdout.is_terminal() {
        let story = if quiet { String::new() } else { table::details(run, stderr) + &table::summary(run, stderr) };
        return Text { stdout: rows, stderr: story };
    }
    let mut text = rows;
    let details = table::details(run, stdout);
    if !details.is_empty() {
        text.push('\n');
        text.push_str(&details);
    }
    if !quiet {
        text.push('\n');
        text.push_str(&table::summary(run, stdout));
    }
    Text { stdout: text, stderr: String::new() }
}

/// The report as a document.
///
/// # Errors
/// None in practice.
pub fn document(run: &Run<'_>) -> Result<Value, Complaint> {
    json::document(run)
        .map_err(|error| Complaint::new(Code::Bug, format!("the JSON document could not be made: {error}")))
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;
    use crate::report::json::samples::{failed, healthy};

    fn run(probes: &[ProbeOutcome]) -> Run<'_> {
        Run::new("2026-01-15T09:32:45Z".parse().unwrap(), Duration::from_millis(12), probes)
    }

    #[test]
    fn a_terminal_gets_one_text_and_a_log_gets_both_streams() {
        let probes = [healthy(), failed()];
        let person = Look { width: Some(80), colour: false };
        let text = table_text(&run(&probes), &person, &person, false);
        assert!(text.stderr.is_empty());
        assert!(
            text.stdout.starts_with("PROBE ") && text.stdout.ends_with("\n\n2 probes: 1 healthy, 1 failed in 12 ms\n")
        );
        let text = table_text(&run(&probes), &Look::PLAIN, &Look::PLAIN, false);
        assert_eq!(text.stdout.lines().count(), 2);
        assert!(text.stderr.starts_with("failed smoke on weather (check)\n"), "{}", text.stderr);
        assert!(table_text(&run(&probes), &Look::PLAIN, &Look::PLAIN, true).stderr.is_empty());
    }

    #[test]
    fn a_filter_that_cannot_be_read_says_what_it_filters() {
        let check = CheckArgs { jq: Some(".[".into()), ..CheckArgs::default() };
        let complaint = prepare(&check).err().unwrap();
        assert!(complaint.hint.unwrap().contains("the report"), "{}", complaint.message);
    }

    #[test]
    fn a_report_format_never_changes_the_code() {
        let mut judging = Judging::default();
        assert_eq!(code(judging, &[healthy(), failed()], false), 1);
        assert_eq!(code(judging, &[healthy()], false), 0);
        assert_eq!(code(judging, &[healthy()], true), 7);
        assert_eq!(code(judging, &[healthy(), failed()], true), 1);
        assert_eq!(code(judging, &[], false), 6);
        judging.exit_style = Some(ExitStyle::Nagios);
        assert_eq!(code(judging, &[healthy(), failed()], false), 2);
        assert_eq!(code(judging, &[], false), 3);
    }
}

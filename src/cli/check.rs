//! `mcp-probe check`: where its reports go, and which code it ends with. Reading the files and running the probes
//! is done by the modules below this one.

pub mod dry_run;
pub mod plan;
pub mod push;
pub mod run;
mod step_summary;

use std::path::{Path, PathBuf};

use serde_json::Value;

use super::args::{CheckArgs, ExitStyle, FailOn, OutputOptions, Report};
use super::complaint::Complaint;
use super::connection::{self, Connection};
use super::exit::{self, Code, Ending};
use super::jq::{self, Jq};
use super::output::{self, Kind};
use super::terminal::Terminal;
use super::words::{self, Named};
use crate::base::whole;
use crate::event::ProbeOutcome;
use crate::report::format::{JSON, TABLE, Unmade};
use crate::report::{Format, Look, Run, json, table};

/// Everything that was asked for, checked.
pub struct Request {
    /// Files and targets that were named; none means the project's own files.
    pub named: Vec<Named>,
    /// How targets are reached.
    pub connection: Connection,
    /// The format on stdout.
    pub stdout: &'static Format,
    /// What the document on stdout goes through.
    pub jq: Option<Jq>,
    /// Reports into files.
    pub files: Vec<(&'static Format, PathBuf)>,
}

impl Request {
    /// Whether a report of this name was asked for, wherever it goes.
    #[must_use]
    pub fn wants(&self, name: &str) -> bool {
        self.stdout.name == name || self.files.iter().any(|(format, _)| format.name == name)
    }
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
    let mut on_stdout: Vec<&'static Format> =
        check.report.iter().filter(|report| report.file.is_none()).map(|report| report.format).collect();
    if jq.is_some() && !on_stdout.is_empty() {
        return Err(Complaint::usage("`--jq` prints the filtered report on stdout, where `--report` puts a whole one")
            .hint("give that report a file, such as --report json=report.json, or leave it out"));
    }
    if (check.output.json || jq.is_some()) && !on_stdout.contains(&JSON) {
        on_stdout.push(JSON);
    }
    if on_stdout.len() > 1 {
        return Err(Complaint::usage("two reports cannot share stdout")
            .hint("give one of them a file: --report json=report.json"));
    }
    let files =
        check.report.iter().filter_map(|Report { format, file }| file.clone().map(|file| (*format, file))).collect();
    Ok(Request { named, connection, stdout: on_stdout.first().copied().unwrap_or(TABLE), jq, files })
}

/// Writes the files, prints the report, gives the exit code as the shell sees it. `undelivered` says that something
/// that was required could not be told; it weighs less than what was found.
///
/// # Errors
/// When the filter fails on the report.
pub fn tell(check: &CheckArgs, request: &Request, run: &Run<'_>, undelivered: bool) -> Result<u8, Complaint> {
    let already = undelivered;
    let mut undelivered = undelivered;
    let mut unwritten = |what: &str, error: &std::io::Error| {
        undelivered = true;
        let _ = Complaint::new(Code::Undelivered, format!("{what} could not be written: {error}"))
            .show(&Terminal::stderr(check.output.color));
    };
    for (format, path) in &request.files {
        let run = &Run { undelivered: already, ..*run };
        if let Err(error) = write_whole(path, &(format.make)(run).map_err(unmade)?) {
            unwritten(&format!("the report {}", path.display()), &error);
        }
    }
    if request.wants("github")
        && let Err((path, error)) = step_summary::append(run)
    {
        unwritten(&format!("the summary of the step, {},", path.display()), &error);
    }
    let run = &Run { undelivered, ..*run };
    undelivered |= weighed(print(check, request, run), &check.output)?;
    let judging = Judging { fail_on: check.fail_on, exit_style: check.exit_style };
    Ok(code(judging, run.probes, undelivered))
}

/// What goes to stdout: the table and the document look as the terminal wants it, every other report is as in a file.
fn print(check: &CheckArgs, request: &Request, run: &Run<'_>) -> Result<(), Complaint> {
    if request.stdout == JSON {
        return print_document(&document(run)?, request.jq.as_ref(), &check.output);
    }
    if request.stdout != TABLE {
        let made = (request.stdout.make)(run).map_err(unmade)?;
        // The commands for GitHub are ours, and no text of a server is one in there.
        return match request.stdout.name {
            "github" => output::say_bytes(&made, false),
            _ if request.stdout.media.contains("json") => output::say_answer(&made, Kind::Json),
            _ => output::say_answer(&made, Kind::Text),
        };
    }
    let stdout = Terminal::stdout(check.output.color).look;
    let stderr = Terminal::stderr(check.output.color).look;
    let text = table_text(run, &stdout, &stderr, check.output.quiet);
    let printed = output::say(&text.stdout, false);
    output::say(&text.stderr, true).and(printed)
}

/// A report that could not be made is a bug of ours.
#[expect(clippy::needless_pass_by_value, reason = "errors are mapped by value")]
pub(super) fn unmade(error: Unmade) -> Complaint {
    Complaint::new(Code::Bug, error.to_string())
}

/// Prints a document, through a filter where there is one.
///
/// # Errors
/// When stdout cannot be written, or the filter fails.
pub fn print_document(document: &Value, jq: Option<&Jq>, output: &OutputOptions) -> Result<(), Complaint> {
    output::say_json(document, jq, &Terminal::stdout(output.color).look)
}

/// Whether something could not be told, which is said; other complaints stay what they are.
///
/// # Errors
/// With every other complaint.
pub fn weighed(printed: Result<(), Complaint>, output: &OutputOptions) -> Result<bool, Complaint> {
    match printed {
        Ok(()) => Ok(false),
        Err(complaint) if complaint.code == Code::Undelivered => {
            let _ = complaint.show(&Terminal::stderr(output.color));
            Ok(true)
        }
        Err(complaint) => Err(complaint),
    }
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

/// Whoever reads the report never sees half of one; what is no file (`/dev/stderr`, a pipe) is written as it is.
pub(super) fn write_whole(path: &Path, bytes: &[u8]) -> std::io::Result<()> {
    let is_special = std::fs::metadata(path).is_ok_and(|metadata| !metadata.is_file());
    if is_special {
        return std::fs::write(path, bytes);
    }
    whole::replace(path, bytes, None, false)
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
    fn reports_go_where_they_were_sent() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("report.json");
        write_whole(&path, b"{}").unwrap();
        write_whole(&path, b"{1}").unwrap();
        assert_eq!(std::fs::read(&path).unwrap(), b"{1}");
        assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 1);
        assert!(write_whole(&folder.path().join("no/such/folder"), b"").is_err());

        let json_file = Report { format: JSON, file: Some(path.clone()) };
        let check = CheckArgs { report: vec![json_file.clone()], ..CheckArgs::default() };
        let request = prepare(&check).unwrap();
        assert_eq!((request.stdout, request.files), (TABLE, vec![(JSON, path)]));
        let both = CheckArgs {
            report: vec![Report { format: TABLE, file: None }, Report { format: JSON, file: None }],
            ..CheckArgs::default()
        };
        assert_eq!(prepare(&both).err().unwrap().code, Code::Usage);
    }

    #[test]
    fn a_filter_wants_stdout_for_itself() {
        let on_stdout = Report { format: JSON, file: None };
        let mut check = CheckArgs { jq: Some(".summary".into()), report: vec![on_stdout], ..CheckArgs::default() };
        assert_eq!(prepare(&check).err().unwrap().code, Code::Usage);
        check.report[0].file = Some("report.json".into());
        assert_eq!(prepare(&check).unwrap().stdout, JSON);
        check.jq = Some(".[".into());
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

//! Where the reports of a command go: one to stdout, any number into files, and the summary of a step of GitHub Actions.

mod step_summary;

use std::path::{Path, PathBuf};

use super::args::{OutputOptions, Report};
use super::complaint::Complaint;
use super::exit::Code;
use super::jq::Jq;
use super::output::{self, Kind};
use super::terminal::Terminal;
use crate::base::whole;
use crate::report::format::{JSON, TABLE, Unmade};
use crate::report::{Format, Run};

/// Where they go, checked.
pub struct Outlets {
    /// The format on stdout.
    pub stdout: &'static Format,
    /// What the document on stdout goes through.
    pub jq: Option<Jq>,
    /// Reports into files.
    pub files: Vec<(&'static Format, PathBuf)>,
}

impl Outlets {
    /// Checks what was typed: `--report`, `--json`, `--jq`.
    ///
    /// # Errors
    /// When two of them want stdout.
    pub fn choose(reports: &[Report], json: bool, jq: Option<Jq>) -> Result<Self, Complaint> {
        let mut on_stdout: Vec<&'static Format> =
            reports.iter().filter(|report| report.file.is_none()).map(|report| report.format).collect();
        if jq.is_some() && !on_stdout.is_empty() {
            let text = "`--jq` prints the filtered report on stdout, where `--report` puts a whole one";
            return Err(Complaint::usage(text)
                .hint("give that report a file, such as --report json=report.json, or leave it out"));
        }
        if (json || jq.is_some()) && !on_stdout.contains(&JSON) {
            on_stdout.push(JSON);
        }
        if on_stdout.len() > 1 {
            return Err(Complaint::usage("two reports cannot share stdout")
                .hint("give one of them a file: --report json=report.json"));
        }
        let files = reports.iter().filter_map(|Report { format, file }| file.clone().map(|file| (*format, file)));
        Ok(Self { stdout: on_stdout.first().copied().unwrap_or(TABLE), jq, files: files.collect() })
    }

    /// Whether a report of this name was asked for, wherever it goes.
    #[must_use]
    pub fn wants(&self, name: &str) -> bool {
        self.stdout.name == name || self.files.iter().any(|(format, _)| format.name == name)
    }

    /// Writes the files and the summary of the step; whether one of them could not be written, which is said.
    ///
    /// # Errors
    /// When a report cannot be made.
    pub fn write(
        &self,
        run: &Run<'_>,
        output: &OutputOptions,
        make: impl Fn(&'static Format) -> Result<Vec<u8>, Complaint>,
    ) -> Result<bool, Complaint> {
        let mut undelivered = false;
        let mut unwritten = |what: &str, error: &std::io::Error| {
            undelivered = true;
            let _ = Complaint::new(Code::Undelivered, format!("{what} could not be written: {error}"))
                .show(&Terminal::stderr(output.color));
        };
        for (format, path) in &self.files {
            if let Err(error) = write_whole(path, &make(format)?) {
                unwritten(&format!("the report {}", path.display()), &error);
            }
        }
        if self.wants("github")
            && let Err((path, error)) = step_summary::append(run)
        {
            unwritten(&format!("the summary of the step, {},", path.display()), &error);
        }
        Ok(undelivered)
    }
}

/// Prints a report as it stands in a file.
///
/// # Errors
/// When stdout cannot be written.
pub fn say(format: &'static Format, made: &[u8]) -> Result<(), Complaint> {
    match format.name {
        // The commands for GitHub are ours, and no text of a server is one in there.
        "github" => output::say_bytes(made, false),
        _ if format.media.contains("json") => output::say_answer(made, Kind::Json),
        _ => output::say_answer(made, Kind::Text),
    }
}

/// A report that could not be made is a bug of ours.
#[expect(clippy::needless_pass_by_value, reason = "errors are mapped by value")]
pub fn unmade(error: Unmade) -> Complaint {
    Complaint::new(Code::Bug, error.to_string())
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

/// Whoever reads the report never sees half of one; what is no file (`/dev/stderr`, a pipe) is written as it is.
fn write_whole(path: &Path, bytes: &[u8]) -> std::io::Result<()> {
    let is_special = std::fs::metadata(path).is_ok_and(|metadata| !metadata.is_file());
    if is_special {
        return std::fs::write(path, bytes);
    }
    whole::replace(path, bytes, None, false)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn report(format: &'static Format, file: Option<&Path>) -> Report {
        Report { format, file: file.map(Path::to_owned) }
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

        let outlets = Outlets::choose(&[report(JSON, Some(&path))], false, None).unwrap();
        assert_eq!((outlets.stdout, outlets.files), (TABLE, vec![(JSON, path)]));
        let both = Outlets::choose(&[report(TABLE, None), report(JSON, None)], false, None);
        assert_eq!(both.err().unwrap().code, Code::Usage);
        // `--json --report json` asks twice for one thing.
        assert_eq!(Outlets::choose(&[report(JSON, None)], true, None).unwrap().stdout, JSON);
    }

    #[test]
    fn a_filter_wants_stdout_for_itself() {
        let filter = || Some(Jq::compile(".summary").unwrap());
        assert_eq!(Outlets::choose(&[report(JSON, None)], false, filter()).err().unwrap().code, Code::Usage);
        let file = Path::new("report.json");
        assert_eq!(Outlets::choose(&[report(JSON, Some(file))], false, filter()).unwrap().stdout, JSON);
    }
}

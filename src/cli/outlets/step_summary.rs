//! The summary of a step of GitHub Actions: the Markdown report, appended to the file that the runner names. Above a size
//! the runner shows nothing of it, so what is there already counts.

use std::fs::OpenOptions;
use std::io::Write as _;
use std::path::PathBuf;

use crate::report::{Run, github};

/// The variable with the name of the file.
const VARIABLE: &str = "GITHUB_STEP_SUMMARY";

/// Appends the summary, where a runner wants one.
///
/// # Errors
/// With the file, when it cannot be written.
pub fn append(run: &Run<'_>) -> Result<(), (PathBuf, std::io::Error)> {
    let Some(path) = std::env::var_os(VARIABLE).filter(|path| !path.is_empty()).map(PathBuf::from) else {
        return Ok(());
    };
    let written = || {
        let mut file = OpenOptions::new().append(true).create(true).open(&path)?;
        let there = usize::try_from(file.metadata()?.len()).unwrap_or(usize::MAX);
        // A line between what is there and ours.
        let left = github::SUMMARY_BYTES_MAX.saturating_sub(there).saturating_sub(1);
        let text = github::step_summary(run, left);
        if text.is_empty() {
            return Ok(());
        }
        file.write_all(format!("{}{text}", if there > 0 { "\n" } else { "" }).as_bytes())
    };
    written().map_err(|error| (path.clone(), error))
}

//! `--report FORMAT[=FILE]`, as it is typed.

use std::path::PathBuf;

use crate::config::suggest::nearest;
use crate::report::{FORMATS, Format};

/// One `--report`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Report {
    /// The format.
    pub format: &'static Format,
    /// Where it goes; `None` is stdout.
    pub file: Option<PathBuf>,
}

pub(in crate::cli) fn report(text: &str) -> Result<Report, String> {
    let (format, file) = match text.split_once('=') {
        Some((_, "")) => return Err("a file name is missing after `=`".into()),
        Some((format, file)) => (format, Some(PathBuf::from(file))),
        None => (text, None),
    };
    let format = Format::find(format).ok_or_else(|| {
        let names: Vec<&str> = FORMATS.iter().map(|format| format.name).collect();
        let near =
            nearest(format, names.iter().copied()).map_or_else(String::new, |near| format!("; did you mean `{near}`?"));
        format!("no format `{format}`{near}; there are: {}", names.join(", "))
    })?;
    Ok(Report { format, file })
}

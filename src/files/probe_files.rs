//! Reading probe files and folders of them.

use std::path::{Path, PathBuf};

use super::machine::{read_text, why};
use crate::config::{Diag, Environment, Reading, Severity, Source, tree};
use crate::plan::Draft;

/// A probe file is never larger, in bytes.
const FILE_BYTES_MAX: u64 = 16 << 20;

/// What was read.
#[derive(Clone, Debug)]
pub struct Loaded {
    /// Everything in the files, variables unresolved.
    pub draft: Draft,
    /// What will disappoint.
    pub warnings: Vec<Diag>,
    /// The files, in the order in which they were read.
    pub files: Vec<PathBuf>,
}

/// The files that are read when none is named: `./mcp-probe.toml` and `./probes/*.toml`, as far as they exist.
#[must_use]
pub fn default_paths(folder: &Path) -> Vec<PathBuf> {
    let mut paths = Vec::new();
    let main = folder.join("mcp-probe.toml");
    if main.is_file() {
        paths.push(main);
    }
    paths.extend(toml_files(&folder.join("probes")).unwrap_or_default());
    paths
}

/// Reads files, and the `*.toml` of folders, as one plan. `found` says that nobody named them.
///
/// # Errors
/// Every mistake of every file, together with the warnings.
pub fn load(paths: &[PathBuf], found: bool, environment: &dyn Environment) -> Result<Loaded, Vec<Diag>> {
    let mut diags = Vec::new();
    let files = expand(paths, &mut diags);
    let reading = Reading::new(environment);
    let mut draft = Draft { found, ..Draft::default() };
    let mut syntax = Vec::new();
    for path in &files {
        let name = path.strip_prefix("./").unwrap_or(path).display().to_string();
        match read_text(path, FILE_BYTES_MAX) {
            Ok(text) => {
                let folder = path.parent().unwrap_or(Path::new("")).to_path_buf();
                let folder = std::path::absolute(if folder.as_os_str().is_empty() { Path::new(".") } else { &folder })
                    .unwrap_or(folder);
                let source = Source::new(name, text, folder);
                let (table, errors) = tree::parse(&source);
                draft.read(&table, &source, &reading);
                syntax.extend(errors);
            }
            Err(why) => diags.push(Diag::general(format!("{name} cannot be read: {why}"))),
        }
    }
    let mut found = reading.into_diags();
    found.extend(draft.check_names());
    found.retain(|diag| !syntax.iter().any(|error| same_line(error, diag)));
    found.extend(syntax);
    sort(&mut found);
    diags.extend(found);
    if crate::config::has_errors(&diags) {
        return Err(diags);
    }
    diags.retain(|diag| diag.severity == Severity::Warning);
    Ok(Loaded { draft, warnings: diags, files })
}

/// What a line that is no TOML seems to say is not worth telling.
fn same_line(error: &Diag, diag: &Diag) -> bool {
    let (Some(error), Some(diag)) = (&error.place, &diag.place) else { return false };
    std::sync::Arc::ptr_eq(&error.source, &diag.source)
        && error.source.line_index(error.span.start) == diag.source.line_index(diag.span.start)
}

/// By line within each file; files stay in the order in which they were read.
fn sort(diags: &mut [Diag]) {
    let mut order: Vec<*const Source> = Vec::new();
    for diag in diags.iter() {
        if let Some(place) = &diag.place
            && !order.contains(&std::sync::Arc::as_ptr(&place.source))
        {
            order.push(std::sync::Arc::as_ptr(&place.source));
        }
    }
    diags.sort_by_key(|diag| {
        diag.place.as_ref().map(|place| {
            let file = order.iter().position(|source| *source == std::sync::Arc::as_ptr(&place.source));
            (file, place.span.start)
        })
    });
}

/// Folders become their files; a file named twice is read once.
fn expand(paths: &[PathBuf], diags: &mut Vec<Diag>) -> Vec<PathBuf> {
    let mut files: Vec<PathBuf> = Vec::new();
    let mut seen: Vec<PathBuf> = Vec::new();
    for path in paths {
        let found = if path.is_dir() {
            match toml_files(path) {
                Ok(found) if found.is_empty() => {
                    diags.push(Diag::general(format!("the folder {} holds no .toml file", path.display())));
                    found
                }
                Ok(found) => found,
                Err(error) => {
                    diags.push(Diag::general(format!("the folder {} cannot be read: {}", path.display(), why(&error))));
                    Vec::new()
                }
            }
        } else {
            vec![path.clone()]
        };
        for file in found {
            let canonical = file.canonicalize().unwrap_or_else(|_| file.clone());
            if !seen.contains(&canonical) {
                seen.push(canonical);
                files.push(file);
            }
        }
    }
    files
}

fn toml_files(folder: &Path) -> std::io::Result<Vec<PathBuf>> {
    let mut files: Vec<PathBuf> = std::fs::read_dir(folder)?
        .filter_map(|entry| entry.ok().map(|entry| entry.path()))
        .filter(|path| path.extension().is_some_and(|extension| extension == "toml") && path.is_file())
        .collect();
    files.sort();
    Ok(files)
}

//! Reading probe files and folders of them.

use std::collections::{HashMap, HashSet};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use super::machine::{read_text, why};
use super::telling::Telling;
use crate::config::{Diag, Environment, Place, Reading, Section, Source, Table, tree};
use crate::plan::{Draft, TargetDraft};

/// A probe file is never larger, in bytes.
const FILE_BYTES_MAX: u64 = 16 << 20;

/// What was read.
#[derive(Clone, Debug, Default)]
pub struct Loaded {
    /// The targets and probes in the files, variables unresolved.
    pub draft: Draft,
    /// Alerts, notifiers and what else `watch` does with results, variables unresolved.
    pub telling: Telling,
    /// What will disappoint.
    pub warnings: Vec<Diag>,
    /// The files, in the order in which they were read.
    pub files: Vec<PathBuf>,
}

/// What was read, whether or not it can be used.
#[derive(Debug)]
pub struct Examined {
    /// What could be read of targets and probes, variables unresolved.
    pub draft: Draft,
    /// What could be read of alerts, notifiers and the like.
    pub telling: Telling,
    /// Every mistake and every warning, by file and line.
    pub diags: Vec<Diag>,
    /// Warnings that only `validate` shows.
    pub advice: Vec<Diag>,
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
    load_with(paths, found, environment, &[])
}

/// The same for probes that may name the targets of files which are no probe files, too.
///
/// # Errors
/// Every mistake of every file, together with the warnings.
pub(super) fn load_with(
    paths: &[PathBuf],
    found: bool,
    environment: &dyn Environment,
    others: &[TargetDraft],
) -> Result<Loaded, Vec<Diag>> {
    let Examined { draft, telling, diags, files, .. } = examine_with(paths, found, environment, others);
    if crate::config::has_errors(&diags) {
        return Err(diags);
    }
    Ok(Loaded { draft, telling, warnings: diags, files })
}

/// The same for whoever wants to know everything that can be said of the files.
#[must_use]
pub fn examine(paths: &[PathBuf], found: bool, environment: &dyn Environment) -> Examined {
    examine_with(paths, found, environment, &[])
}

/// The same for probes that may name the targets of files which are no probe files, too.
pub(super) fn examine_with(
    paths: &[PathBuf],
    found: bool,
    environment: &dyn Environment,
    others: &[TargetDraft],
) -> Examined {
    let mut diags = Vec::new();
    let files = expand(paths, &mut diags);
    let reading = Reading::new(environment);
    let mut draft = Draft { found, ..Draft::default() };
    let mut telling = Telling::default();
    let mut syntax = Vec::new();
    for path in &files {
        let name = name(path);
        match read_text(path, FILE_BYTES_MAX) {
            Ok(text) => {
                let folder = path.parent().unwrap_or(Path::new("")).to_path_buf();
                let folder = std::path::absolute(if folder.as_os_str().is_empty() { Path::new(".") } else { &folder })
                    .unwrap_or(folder);
                let source = Source::new(name, text, folder);
                let (table, errors) = tree::parse(&source);
                read(&table, &source, &reading, &mut draft, &mut telling);
                syntax.extend(errors);
            }
            Err(why) => {
                // It has no text, so its beginning is all there is to point at.
                let source = Source::new(name.clone(), String::new(), PathBuf::new());
                diags.push(Diag::error(&Place::new(&source, 0..0), format!("{name} cannot be read: {why}")));
            }
        }
    }
    let mut advice = reading.take_advice();
    advice.extend(draft.advice());
    advice.extend(telling.advice(&draft));
    draft.secret_variables = telling.secret_variables();
    let mut found = reading.into_diags();
    found.extend(draft.check_names(others));
    found.extend(telling.check_names(&draft, others));
    let broken: HashSet<Line> = syntax.iter().filter(|diag| tree::breaks_its_line(diag)).filter_map(line).collect();
    let values: HashSet<Line> = syntax.iter().filter_map(start).collect();
    // What a line that is no TOML seems to say is not worth telling, nor what is said of a value that cannot be read.
    found.retain(|diag| line(diag).is_none_or(|line| !broken.contains(&line)));
    found.retain(|diag| start(diag).is_none_or(|start| !values.contains(&start)));
    found.extend(syntax);
    sort(&mut found);
    sort(&mut advice);
    diags.extend(found);
    Examined { draft, telling, diags, advice, files }
}

/// What messages and documents call a file.
#[must_use]
pub fn name(path: &Path) -> String {
    path.strip_prefix("./").unwrap_or(path).display().to_string()
}

/// Reads one file: each half reads its tables, and what nobody asked for is a mistake.
fn read(table: &Table, source: &Arc<Source>, reading: &Reading<'_>, draft: &mut Draft, telling: &mut Telling) {
    let file = Section::new(table, "a probe file", &Place::new(source, 0..0), reading);
    draft.read(&file);
    telling.read(&file);
    file.finish();
}

/// A line of a file, or a byte of it.
type Line = (*const Source, usize);

fn start(diag: &Diag) -> Option<Line> {
    diag.place.as_ref().map(|place| (Arc::as_ptr(&place.source), place.span.start))
}

fn line(diag: &Diag) -> Option<Line> {
    let place = diag.place.as_ref()?;
    Some((Arc::as_ptr(&place.source), place.source.line_index(place.span.start)))
}

/// By line within each file; files stay in the order in which they first appear.
pub fn sort(diags: &mut [Diag]) {
    let mut order: HashMap<*const Source, usize> = HashMap::new();
    for place in diags.iter().filter_map(|diag| diag.place.as_ref()) {
        let next = order.len();
        order.entry(Arc::as_ptr(&place.source)).or_insert(next);
    }
    diags.sort_by_key(|diag| {
        diag.place.as_ref().map(|place| (order.get(&Arc::as_ptr(&place.source)).copied(), place.span.start))
    });
}

/// Folders become their files; a file named twice is read once.
fn expand(paths: &[PathBuf], diags: &mut Vec<Diag>) -> Vec<PathBuf> {
    let mut files: Vec<PathBuf> = Vec::new();
    let mut seen: HashSet<PathBuf> = HashSet::new();
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
            if seen.insert(canonical) {
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

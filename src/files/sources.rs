//! Where targets are found by name. A further place, such as the file of another MCP client, is one row and one
//! reader here.

use std::path::{Path, PathBuf};

use super::probe_files::{Loaded, default_paths, load};
use crate::base::secret::Masker;
use crate::config::{Diag, Environment, suggest};
use crate::plan::Target;

/// A place in which targets are found.
pub struct TargetSource {
    /// Before the colon in `project:github`.
    pub name: &'static str,
    /// What it is, for people.
    pub what: &'static str,
    /// The files there are, given the folder in which the user works.
    pub files: fn(folder: &Path) -> Vec<PathBuf>,
    /// Reads them.
    pub load: Loader,
}

/// Reads the files of one place.
pub type Loader = fn(&[PathBuf], &dyn Environment) -> Result<Loaded, Vec<Diag>>;

/// Every place, in the order in which it is looked into.
pub static SOURCES: &[TargetSource] = &[TargetSource {
    name: "probes",
    what: "./mcp-probe.toml and ./probes/*.toml",
    files: default_paths,
    load: |paths, environment| load(paths, true, environment),
}];

/// What was found.
pub struct Discovery {
    /// The places that hold targets, with what they hold.
    pub found: Vec<(&'static str, Loaded)>,
}

/// Reads every place that exists; with `given` (the file of `-f`) only that one, which then counts as named by
/// the user.
///
/// # Errors
/// Every mistake of every file.
pub fn discover(folder: &Path, given: Option<&Path>, environment: &dyn Environment) -> Result<Discovery, Vec<Diag>> {
    if let Some(path) = given {
        let loaded = load(&[path.to_path_buf()], false, environment)?;
        return Ok(Discovery { found: vec![("file", loaded)] });
    }
    let mut discovery = Discovery { found: Vec::new() };
    let mut diags = Vec::new();
    for source in SOURCES {
        let files = (source.files)(folder);
        if files.is_empty() {
            continue;
        }
        match (source.load)(&files, environment) {
            Ok(loaded) => discovery.found.push((source.name, loaded)),
            Err(mistakes) => diags.extend(mistakes),
        }
    }
    if diags.is_empty() { Ok(discovery) } else { Err(diags) }
}

impl Discovery {
    /// The names of all targets, in order; a name found in two places is there twice.
    pub fn names(&self) -> impl Iterator<Item = (&'static str, &str)> {
        self.found
            .iter()
            .flat_map(|(place, loaded)| loaded.draft.targets.iter().map(move |target| (*place, target.name.as_str())))
    }

    /// The target of a name, `weather` or `probes:weather`.
    ///
    /// # Errors
    /// When there is none, when it is found in two places, or when it misses a variable or a file.
    pub fn target(&self, name: &str, environment: &dyn Environment) -> Result<(Target, Masker), Vec<Diag>> {
        let qualified =
            |place: &str, target: &str| name == target || name.strip_prefix(place) == Some(&format!(":{target}"));
        let matches: Vec<(&str, &str)> = self.names().filter(|(place, target)| qualified(place, target)).collect();
        match matches.as_slice() {
            [] => {
                let names: Vec<&str> = self.names().map(|(_, target)| target).collect();
                let help = suggest::sentence(name, names).unwrap_or_else(|| {
                    "no probe file defines a target here; give a URL, or a command after `--`".to_owned()
                });
                Err(vec![Diag::general(format!("there is no target `{name}`")).help(help)])
            }
            [(place, target)] => {
                let mut drafts = self.found.iter().filter(|(have, _)| have == place).map(|(_, loaded)| &loaded.draft);
                drafts.find_map(|draft| draft.target(target, environment)).unwrap_or_else(|| Err(Vec::new()))
            }
            several => {
                let places: Vec<String> = several.iter().map(|(place, target)| format!("{place}:{target}")).collect();
                let places: Vec<&str> = places.iter().map(String::as_str).collect();
                let help = format!("write one of {}", suggest::list(&places).unwrap_or_default());
                Err(vec![Diag::general(format!("the target `{name}` is found in several places")).help(help)])
            }
        }
    }
}

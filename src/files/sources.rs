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

/// Whether `name` means this target, with its place before it or without.
fn qualified(name: &str, place: &str, target: &str) -> bool {
    name == target || name.strip_prefix(place).and_then(|rest| rest.strip_prefix(':')) == Some(target)
}

impl Discovery {
    /// The names of all targets, in order; a name found in two places is there twice.
    pub fn names(&self) -> impl Iterator<Item = (&'static str, &str)> {
        self.found
            .iter()
            .flat_map(|(place, loaded)| loaded.draft.targets.iter().map(move |target| (*place, target.name.as_str())))
    }

    /// Whether there is a target of that name, `weather` or `probes:weather`.
    #[must_use]
    pub fn knows(&self, name: &str) -> bool {
        self.names().any(|(place, target)| qualified(name, place, target))
    }

    /// The target of a name, `weather` or `probes:weather`.
    ///
    /// # Errors
    /// When there is none, when it is found in two places, or when it misses a variable or a file.
    pub fn target(&self, name: &str, environment: &dyn Environment) -> Result<(Target, Masker), Vec<Diag>> {
        let matches: Vec<(&str, &str)> =
            self.names().filter(|(place, target)| qualified(name, place, target)).collect();
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

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;
    use crate::config::text::tests::Given;

    fn write(folder: &Path, name: &str, text: &str) -> PathBuf {
        let path = folder.join(name);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(&path, text).unwrap();
        path
    }

    #[test]
    fn targets_are_found_by_name_in_the_default_files() {
        let folder = tempfile::tempdir().unwrap();
        let given = Given::default();
        write(folder.path(), "mcp-probe.toml", "[target.a]\ncommand = ['sh']\n");
        write(folder.path(), "probes/b.toml", "[target.b]\nurl = 'http://127.0.0.1:1/mcp'\n");
        write(folder.path(), "probes/readme.md", "no toml");
        let discovery = discover(folder.path(), None, &given).unwrap_or_else(|_| panic!());
        assert_eq!(discovery.names().collect::<Vec<_>>(), [("probes", "a"), ("probes", "b")]);
        let target = |name: &str| discovery.target(name, &given).map(|(target, _)| target);
        assert!(target("a").unwrap().needs_consent() && target("probes:a").is_ok());
        assert!(!target("b").unwrap().needs_consent());
        let mistakes = target("aaa").unwrap_err();
        assert!(mistakes[0].message.contains("no target `aaa`"));
    }

    #[test]
    fn a_file_that_is_named_is_the_only_one_and_needs_no_consent() {
        let folder = tempfile::tempdir().unwrap();
        let given = Given::default();
        write(folder.path(), "mcp-probe.toml", "[target.a]\ncommand = ['sh']\n");
        let named = write(folder.path(), "other.toml", "[target.a]\ncommand = ['cat']\n");
        let discovery = discover(folder.path(), Some(&named), &given).unwrap_or_else(|_| panic!());
        let (target, _) = discovery.target("a", &given).unwrap_or_else(|_| panic!());
        assert_eq!(target.endpoint, crate::plan::Endpoint::Command(vec!["cat".into()]));
        assert!(!target.needs_consent());
        let gone = discover(folder.path(), Some(&folder.path().join("gone.toml")), &given).err().unwrap();
        assert!(gone[0].message.contains("does not exist"), "{}", gone[0].message);
    }

    #[test]
    fn all_mistakes_of_all_files_come_at_once() {
        let folder = tempfile::tempdir().unwrap();
        let given = Given::default();
        let one = write(folder.path(), "1.toml", "[target.a]\nurl = 7\n");
        let two = write(folder.path(), "2.toml", "[target.a\n");
        let bytes = folder.path().join("3.toml");
        fs::write(&bytes, b"a = '\xff'").unwrap();
        let mistakes = load(&[one.clone(), two, bytes, one, folder.path().join("gone")], false, &given).unwrap_err();
        let messages: Vec<&str> = mistakes.iter().map(|diag| diag.message.as_str()).collect();
        assert_eq!(messages.len(), 4, "{messages:?}");
        for says in ["`url` must be a string", "not TOML", "not UTF-8 at byte 5", "does not exist"] {
            assert!(messages.iter().any(|message| message.contains(says)), "{says}: {messages:?}");
        }
    }
}

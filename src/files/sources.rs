//! Where targets are found by name: the project's probe files, and the files of other MCP clients, each a row of
//! [`CLIENTS`].

use std::collections::HashSet;
use std::path::{Path, PathBuf};

use super::clients::{self, CLIENTS, Client, Held, Recognised};
use super::probe_files::{Examined, Loaded, default_paths, examine_with, load, load_with};
use crate::base::secret::Masker;
use crate::config::{Diag, Environment, Severity, suggest};
use crate::plan::{Draft, Target, TargetDraft};

/// Whom a place belongs to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Scope {
    /// Files of the folder in which the user works.
    Project,
    /// Entries in a file of the user that hold for the folder in which he works alone.
    Local,
    /// Files of the user.
    User,
    /// Files that the command line names.
    Given,
}

impl Scope {
    /// The word before the colon in `project:github`.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Project => "project",
            Self::Local => "local",
            Self::User => "user",
            Self::Given => "file",
        }
    }
}

/// How far to look.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Range {
    /// The project alone: what an ad hoc call without a target means.
    Project,
    /// The project and the user.
    Everywhere,
}

/// Where places are looked for.
#[derive(Clone, Debug)]
pub struct Folders {
    /// The folder in which the user works.
    pub project: PathBuf,
    /// The user's own; none where the system tells none.
    pub home: Option<PathBuf>,
}

impl Folders {
    /// Those of this process.
    #[must_use]
    pub fn here() -> Self {
        Self::of(&super::Machine)
    }

    /// The folder of this process, and the home that the environment tells.
    #[must_use]
    pub fn of(environment: &dyn Environment) -> Self {
        let home = ["HOME", "USERPROFILE"].iter().find_map(|name| environment.variable(name)).map(PathBuf::from);
        Self { project: PathBuf::from("."), home: home.filter(|home| home.is_absolute()) }
    }
}

/// A place that holds targets.
#[derive(Clone, Debug)]
pub struct Found {
    /// What reads it: `probes` for our own files, else the id of a client, such as `cursor`.
    pub source: &'static str,
    /// Whose it is.
    pub scope: Scope,
    /// What it holds.
    pub loaded: Loaded,
}

/// What was found.
#[derive(Clone, Debug, Default)]
pub struct Discovery {
    /// The places that hold targets, in the order in which they were looked into.
    pub found: Vec<Found>,
    /// Files of other clients that could not be read. They keep nobody from what the others hold.
    pub unreadable: Vec<Diag>,
}

/// The name of our own files as a source.
pub const PROBES: &str = "probes";

/// Looks into every place in range that exists. Mistakes in our own files end it; those in the files of other clients
/// are kept.
///
/// # Errors
/// Every mistake of every probe file.
pub fn discover(folders: &Folders, range: Range, environment: &dyn Environment) -> Result<Discovery, Vec<Diag>> {
    let mut discovery = Discovery::default();
    let ours = default_paths(&folders.project);
    if !ours.is_empty() {
        let loaded = load(&ours, true, environment)?;
        discovery.found.push(Found { source: PROBES, scope: Scope::Project, loaded });
    }
    // Several clients share a file; the first of them has it.
    let mut seen: Vec<PathBuf> = Vec::new();
    let mut look = |client: &'static Client, scope: Scope, files: Vec<PathBuf>| {
        // What is there and is no file that can be read is told; what is not there costs one look.
        for file in files.iter().filter(|file| file.symlink_metadata().is_ok()) {
            let canonical = file.canonicalize().unwrap_or_else(|_| file.clone());
            if seen.contains(&canonical) {
                continue;
            }
            seen.push(canonical);
            match clients::read(client, file, folders, environment) {
                Ok(mut parts) => {
                    for held in &mut parts {
                        offered(client, held);
                    }
                    discovery.found.extend(parts.into_iter().filter_map(|held| place(client, scope, held)));
                }
                Err(diag) => discovery.unreadable.push(*diag),
            }
        }
    };
    for client in CLIENTS {
        look(client, Scope::Project, (client.project)(&folders.project));
    }
    if range == Range::Everywhere {
        for client in CLIENTS {
            let files = folders.home.as_deref().map(|home| (client.user)(home, environment));
            look(client, Scope::User, files.unwrap_or_default());
        }
    }
    Ok(discovery)
}

/// What the registry's file of a project offers is in use by nobody here until somebody names it.
fn offered(client: &Client, held: &mut Held) {
    if client.id == "registry" {
        for target in &mut held.loaded.draft.targets {
            target.disabled = Some("the project offers it to others; no client here uses it".to_owned());
        }
    }
}

/// A part of a client's file as a place. One that holds nothing and says nothing is none.
fn place(client: &'static Client, scope: Scope, held: Held) -> Option<Found> {
    let scope = if held.local { Scope::Local } else { scope };
    let is_empty = held.loaded.draft.targets.is_empty() && held.loaded.warnings.is_empty();
    (!is_empty).then_some(Found { source: client.id, scope, loaded: held.loaded })
}

/// What the command line names, told apart.
#[derive(Default)]
struct Told {
    /// Probe files and folders of them.
    ours: Vec<PathBuf>,
    /// Files of other clients.
    clients: Vec<Found>,
    /// Files that are neither, or cannot be read.
    diags: Vec<Diag>,
    /// Files of other clients that hold no server.
    empty: Vec<Diag>,
}

fn tell_apart(paths: &[PathBuf], folders: &Folders, environment: &dyn Environment) -> Told {
    let mut told = Told::default();
    let mut seen: Vec<PathBuf> = Vec::new();
    for path in paths {
        match clients::recognise(path) {
            Recognised::Ours => told.ours.push(path.clone()),
            Recognised::Nobody(diag) => told.diags.push(*diag),
            Recognised::Client(client, opened) => {
                let canonical = path.canonicalize().unwrap_or_else(|_| path.clone());
                if seen.contains(&canonical) {
                    continue;
                }
                seen.push(canonical);
                let mut parts = clients::read_opened(client, &opened, folders, environment);
                if parts.iter().all(|held| held.loaded.draft.targets.is_empty()) {
                    told.empty.push(no_servers(client, path, &parts));
                }
                for held in &mut parts {
                    held.loaded.draft.found = false;
                }
                told.clients.extend(parts.into_iter().filter_map(|held| place(client, Scope::Given, held)));
            }
        }
    }
    told
}

impl Told {
    /// The targets that probes may name, too.
    fn targets(&self) -> Vec<TargetDraft> {
        self.clients.iter().flat_map(|found| found.loaded.draft.targets.iter().cloned()).collect()
    }
}

/// The files that the command line names: probe files, and files of other clients.
///
/// # Errors
/// Every mistake of every file.
pub fn given(paths: &[PathBuf], folders: &Folders, environment: &dyn Environment) -> Result<Discovery, Vec<Diag>> {
    let told = tell_apart(paths, folders, environment);
    let targets = told.targets();
    let mut discovery = Discovery { found: told.clients, ..Discovery::default() };
    let mut diags = told.diags;
    diags.extend(told.empty);
    if !told.ours.is_empty() {
        match load_with(&told.ours, false, environment, &targets) {
            Ok(loaded) => discovery.found.insert(0, Found { source: PROBES, scope: Scope::Given, loaded }),
            Err(mistakes) => diags.extend(mistakes),
        }
    }
    if diags.is_empty() { Ok(discovery) } else { Err(diags) }
}

/// The same as one plan, for whoever wants to know everything that can be said of the files.
#[must_use]
pub fn examine_given(paths: &[PathBuf], folders: &Folders, environment: &dyn Environment) -> Examined {
    let told = tell_apart(paths, folders, environment);
    let mut examined = examine_with(&told.ours, false, environment, &told.targets());
    examined.diags.extend(told.diags);
    examined.diags.extend(told.empty.into_iter().map(Diag::softened));
    for found in &told.clients {
        examined.diags.extend(found.loaded.warnings.iter().cloned());
        for target in &found.loaded.draft.targets {
            examined.diags.extend(target.warnings().iter().cloned());
        }
    }
    let mistakes = merge(&mut examined.draft, &mut examined.files, &told.clients);
    examined.diags.extend(mistakes);
    examined
}

/// Adds what clients' files hold. Of a name that one file has twice, the client itself prefers the entry that holds for
/// this folder alone.
fn merge(draft: &mut Draft, files: &mut Vec<PathBuf>, clients: &[Found]) -> Vec<Diag> {
    let mut targets: Vec<TargetDraft> = Vec::new();
    let mut local: HashSet<(&Path, &str)> = HashSet::new();
    for found in clients {
        let Some(file) = found.loaded.files.first() else { continue };
        for target in &found.loaded.draft.targets {
            if local.insert((file, &target.name)) {
                targets.push(target.clone());
            }
        }
        if !files.contains(file) {
            files.push(file.clone());
        }
    }
    draft.add_targets(targets)
}

/// A client's file that was named, and holds no server.
fn no_servers(client: &Client, path: &Path, parts: &[Held]) -> Diag {
    let warning = parts.iter().flat_map(|held| &held.loaded.warnings).next().cloned();
    warning.map_or_else(
        || Diag::general(format!("{} ({}) holds no server", path.display(), client.title)),
        |warning| Diag { severity: Severity::Error, ..warning },
    )
}

impl Discovery {
    /// The names of all targets with their places, in order; a name found in two places is there twice.
    pub fn names(&self) -> impl Iterator<Item = (&Found, &str)> {
        self.found
            .iter()
            .flat_map(|found| found.loaded.draft.targets.iter().map(move |target| (found, target.name.as_str())))
    }

    /// Where the target of a name stands: the index of its place, and its name there. A name that several places have is
    /// told apart by the place: `project:github`, `cursor:github`, `user:cursor:github`.
    ///
    /// # Errors
    /// When there is none, or when several places have it.
    pub fn place_of(&self, name: &str) -> Result<(usize, String), Unplaced> {
        let mut matches = Vec::new();
        for (index, found) in self.found.iter().enumerate() {
            for target in &found.loaded.draft.targets {
                if spellings(found, &target.name).iter().any(|spelling| spelling == name) {
                    matches.push((index, target.name.clone()));
                }
            }
        }
        match matches.as_slice() {
            [] => Err(Unplaced::Unknown),
            [_] => Ok(matches.remove(0)),
            several => {
                Err(Unplaced::Several(several.iter().map(|(index, target)| self.shortest(*index, target)).collect()))
            }
        }
    }

    /// Everything that was found, as one plan.
    ///
    /// # Errors
    /// A mistake for each name that two files have, with both places.
    pub fn merged(&self) -> Result<Loaded, Vec<Diag>> {
        let (ours, clients): (Vec<&Found>, Vec<&Found>) = self.found.iter().partition(|found| found.source == PROBES);
        let clients: Vec<Found> = clients.into_iter().cloned().collect();
        let first = ours.first().map(|found| found.loaded.clone());
        let mut merged = first.unwrap_or_default();
        merged.warnings.extend(clients.iter().flat_map(|found| found.loaded.warnings.iter().cloned()));
        let mistakes = merge(&mut merged.draft, &mut merged.files, &clients);
        if mistakes.is_empty() { Ok(merged) } else { Err(mistakes) }
    }

    /// The shortest way to write this target that means no other.
    #[must_use]
    pub fn shortest(&self, index: usize, target: &str) -> String {
        let Some(here) = self.found.get(index) else { return target.to_owned() };
        let means = |spelling: &String| {
            self.names().filter(|(found, name)| spellings(found, name).contains(spelling)).count() == 1
        };
        let all = spellings(here, target);
        all.iter().find(|spelling| means(spelling)).or(all.last()).cloned().unwrap_or_default()
    }

    /// The same with the place said in any case, for names that would be taken for something else.
    #[must_use]
    pub fn placed(&self, index: usize, target: &str) -> String {
        let Some(here) = self.found.get(index) else { return target.to_owned() };
        let means = |spelling: &&String| {
            self.names().filter(|(found, name)| spellings(found, name).contains(spelling)).count() == 1
        };
        let [_, with_place @ ..] = spellings(here, target);
        with_place.iter().find(means).or(with_place.last()).cloned().unwrap_or_default()
    }

    /// The target of a name, with its variables resolved.
    ///
    /// # Errors
    /// When there is none, when it is found in several places, or when it misses a variable or a file.
    pub fn target(&self, name: &str, environment: &dyn Environment) -> Result<(Target, Masker), Vec<Diag>> {
        match self.place_of(name) {
            Ok((index, target)) => {
                self.found[index].loaded.draft.target(&target, environment).unwrap_or_else(|| Err(Vec::new()))
            }
            Err(Unplaced::Unknown) => {
                let names: Vec<&str> = self.names().map(|(_, target)| target).collect();
                let help = suggest::sentence(name, names)
                    .unwrap_or_else(|| "no file defines a target here; give a URL, or a command after `--`".to_owned());
                Err(vec![Diag::general(format!("there is no target `{name}`")).help(help)])
            }
            Err(Unplaced::Several(places)) => Err(vec![several_places(name, &places)]),
        }
    }
}

/// Whether a word says a place before its first colon: that of a target, whatever comes behind it.
#[must_use]
pub fn says_place(word: &str) -> bool {
    let scopes = [Scope::Project, Scope::Local, Scope::User, Scope::Given].map(Scope::name);
    word.split_once(':').is_some_and(|(head, rest)| {
        !rest.is_empty()
            && !rest.starts_with("//")
            && (scopes.contains(&head) || head == PROBES || clients::client(head).is_some())
    })
}

/// Every way to write a target, shortest first.
fn spellings(found: &Found, target: &str) -> [String; 4] {
    let (source, scope) = (found.source, found.scope.name());
    [target.to_owned(), format!("{scope}:{target}"), format!("{source}:{target}"), format!("{scope}:{source}:{target}")]
}

/// Why a name is not the name of one target.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Unplaced {
    /// No place has it.
    Unknown,
    /// These have it, as they would be written.
    Several(Vec<String>),
}

/// The mistake of a name that several places have.
#[must_use]
pub fn several_places(name: &str, places: &[String]) -> Diag {
    let places: Vec<&str> = places.iter().map(String::as_str).collect();
    let help = format!("write one of {}", suggest::list(&places).unwrap_or_default());
    Diag::general(format!("the target `{name}` is found in several places")).help(help)
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

    fn folders(folder: &Path) -> Folders {
        Folders { project: folder.to_owned(), home: Some(folder.join("home")) }
    }

    fn everywhere(folder: &Path, given: &Given) -> Discovery {
        discover(&folders(folder), Range::Everywhere, given).unwrap_or_else(|_| panic!())
    }

    fn names(discovery: &Discovery) -> Vec<String> {
        discovery.names().map(|(found, name)| spellings(found, name)[3].clone()).collect()
    }

    #[test]
    fn a_name_in_several_places_is_told_apart_by_the_place() {
        let folder = tempfile::tempdir().unwrap();
        let given = Given::default();
        let server = r#"{"mcpServers": {"a": {"command": "sh"}, "b": {"command": "sh"}}}"#;
        write(folder.path(), "mcp-probe.toml", "[target.a]\ncommand = ['sh']\n");
        write(folder.path(), ".mcp.json", server);
        write(folder.path(), "home/.claude.json", r#"{"mcpServers": {"a": {"command": "sh"}}}"#);
        let discovery = everywhere(folder.path(), &given);
        let place = |name: &str| discovery.place_of(name);
        let several = Unplaced::Several(["probes:a", "project:claude-code:a", "user:a"].map(str::to_owned).to_vec());
        assert_eq!(place("a"), Err(several));
        assert_eq!(place("b"), Ok((1, "b".to_owned())));
        assert_eq!(place("user:a"), Ok((2, "a".to_owned())));
        assert_eq!(place("project:claude-code:a"), Ok((1, "a".to_owned())));
        assert_eq!(place("c"), Err(Unplaced::Unknown));
        let project = discover(&folders(folder.path()), Range::Project, &given).unwrap_or_else(|_| panic!());
        assert_eq!(names(&project), ["project:probes:a", "project:claude-code:a", "project:claude-code:b"]);
    }

    #[test]
    fn a_broken_file_of_a_client_keeps_nobody_from_the_others() {
        let folder = tempfile::tempdir().unwrap();
        write(folder.path(), ".mcp.json", "{");
        write(folder.path(), "mcp-probe.toml", "[target.a]\ncommand = ['sh']\n");
        let discovery = everywhere(folder.path(), &Given::default());
        assert_eq!(names(&discovery), ["project:probes:a"]);
        assert!(discovery.unreadable[0].message.contains("not JSON"));
    }

    #[test]
    fn targets_are_found_by_name_in_the_default_files() {
        let folder = tempfile::tempdir().unwrap();
        let given = Given::default();
        write(folder.path(), "mcp-probe.toml", "[target.a]\ncommand = ['sh']\n");
        write(folder.path(), "probes/b.toml", "[target.b]\nurl = 'http://127.0.0.1:1/mcp'\n");
        write(folder.path(), "probes/readme.md", "no toml");
        let discovery = everywhere(folder.path(), &given);
        assert_eq!(names(&discovery), ["project:probes:a", "project:probes:b"]);
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
        let folders = folders(folder.path());
        let discovery = super::given(&[named], &folders, &given).unwrap_or_else(|_| panic!());
        let (target, _) = discovery.target("a", &given).unwrap_or_else(|_| panic!());
        assert_eq!(target.endpoint, crate::plan::Endpoint::Command(vec!["cat".into()]));
        assert!(!target.needs_consent());
        let gone = super::given(&[folder.path().join("gone.toml")], &folders, &given).err().unwrap();
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

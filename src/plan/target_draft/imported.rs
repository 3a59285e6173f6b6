//! Targets that another program's file has: what its reader hands over, and what of it becomes known only when the target
//! is selected, such as the file with its variables.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use super::{DraftEndpoint, Resolver, TargetDraft};
use crate::base::secret::Secret;
use crate::config::{Diag, Key, Place, Severity, Text};
use crate::plan::probe::Defaults;
use crate::plan::target::{Inherit, TransportChoice};
use crate::plan::{Resolve, STARTUP_TIMEOUT};
use crate::protocol::Pin;

/// Words in the name of a variable whose value is a secret, written out or not.
const SECRET_NAMES: &[&str] = &["TOKEN", "SECRET", "PASSWORD", "PASSWD", "KEY", "AUTH", "CREDENTIAL"];

/// A target as another program's file has it, in our words.
#[derive(Clone, Debug)]
pub struct Imported {
    /// Its name.
    pub name: String,
    /// Where its name stands.
    pub place: Place,
    /// The id of the program whose file it is.
    pub client: &'static str,
    /// Where the server is; none when the entry does not say, and `problems` says so.
    pub endpoint: Option<ImportedEndpoint>,
    /// Headers of every HTTP request.
    pub headers: Vec<(Key, Text)>,
    /// The token of `Authorization: Bearer`.
    pub bearer: Option<Text>,
    /// Certificates to trust, our certificate, its key.
    pub tls: [Option<Text>; 3],
    /// Verify nothing.
    pub insecure: bool,
    /// Variables for the child.
    pub env: Vec<(Key, Text)>,
    /// A file of `NAME=value` lines with more variables; what `env` says wins.
    pub env_file: Option<Text>,
    /// Whether what its program knows of this machine, such as the home folder, went into its URL or its headers.
    pub sends_facts: bool,
    /// The child's folder; relative to the folder of the source.
    pub cwd: Option<Text>,
    /// Which protocol to speak.
    pub protocol: Pin,
    /// Which HTTP transport to use.
    pub transport: TransportChoice,
    /// How long it may take to start, where the file says so.
    pub startup_timeout: Option<Duration>,
    /// Why its program does not use it, where it does not.
    pub disabled: Option<String>,
    /// The whole entry as it was written.
    pub written: String,
    /// What is wrong with it: errors keep it from being probed, warnings are told.
    pub problems: Vec<Diag>,
}

/// Where an imported server is.
#[derive(Clone, Debug)]
pub enum ImportedEndpoint {
    /// Over HTTP.
    Url(Text),
    /// A program and its arguments.
    Command(Vec<Text>),
}

impl Imported {
    /// An entry that says nothing yet.
    #[must_use]
    pub fn new(key: &Key, client: &'static str, written: String) -> Self {
        Self {
            name: key.name.clone(),
            place: key.place.clone(),
            client,
            endpoint: None,
            headers: Vec::new(),
            bearer: None,
            tls: [None, None, None],
            insecure: false,
            env: Vec::new(),
            env_file: None,
            sends_facts: false,
            cwd: None,
            protocol: Pin::Auto,
            transport: TransportChoice::Auto,
            startup_timeout: None,
            disabled: None,
            written,
            problems: Vec::new(),
        }
    }
}

impl TargetDraft {
    /// A target of another program's file.
    #[must_use]
    pub fn imported(imported: Imported) -> Self {
        let key = Key { name: imported.name.clone(), place: imported.place.clone() };
        let (unset, warnings) = imported.problems.into_iter().partition(|diag| diag.severity == Severity::Error);
        Self {
            name: imported.name,
            place: imported.place,
            labels: BTreeMap::new(),
            endpoint: imported.endpoint.map(|endpoint| match endpoint {
                ImportedEndpoint::Url(url) => DraftEndpoint::Url(url),
                ImportedEndpoint::Command(argv) => DraftEndpoint::Command(argv),
            }),
            start: None,
            resolve: Resolve::One,
            protocol: imported.protocol,
            transport: imported.transport,
            headers: imported.headers,
            bearer: imported.bearer,
            tls: imported.tls,
            server_name: None,
            insecure: imported.insecure,
            env: imported.env,
            cwd: imported.cwd,
            inherit_env: Inherit::All,
            startup_timeout: imported.startup_timeout.unwrap_or(STARTUP_TIMEOUT),
            startup_is_said: false,
            traceparent: None,
            built_in: Arc::new(Defaults::default().built_in(&key)),
            depends_on: Vec::new(),
            restart: None,
            server_id: None,
            written: imported.written,
            unset,
            disabled: imported.disabled,
            client: Some(imported.client),
            env_file: imported.env_file,
            sends_facts: imported.sends_facts,
            warnings,
        }
    }
}

impl Resolver<'_> {
    /// The variables of an entry's file, and what of its variables is masked: people write tokens into these files.
    pub(super) fn foreign_env(&mut self, file: Option<&Text>, env: &mut Vec<(String, Secret)>) {
        for (name, value) in env.iter() {
            if SECRET_NAMES.iter().any(|word| name.to_ascii_uppercase().contains(word)) {
                self.secrets.push(value.reveal().to_owned());
            }
        }
        let Some(text) = file else { return };
        let before = self.diags.len();
        let Some(path) = self.path(Some(text), "envFile").filter(|_| self.diags.len() == before) else { return };
        match self.environment.file(&path) {
            Ok(lines) => {
                for (name, value) in variables(&lines) {
                    self.secrets.push(value.clone());
                    if !env.iter().any(|(have, _)| *have == name) {
                        env.push((name, Secret::new(value)));
                    }
                }
            }
            Err(why) => {
                let message = format!("the file of variables {} cannot be read: {why}", path.display());
                self.diags.push(Diag::error(&text.place, message).of_machine());
            }
        }
    }
}

/// The `NAME=value` lines of a file of variables: `export ` before the name, quotes around the value and comments are
/// allowed; of two with one name the last counts.
fn variables(text: &str) -> BTreeMap<String, String> {
    const LINES_MAX: usize = 10_000;
    let mut variables = BTreeMap::new();
    for line in text.lines().take(LINES_MAX).map(str::trim).filter(|line| !line.starts_with('#')) {
        let line = line.strip_prefix("export ").unwrap_or(line);
        let Some((name, value)) = line.split_once('=') else { continue };
        let name = name.trim();
        if name.is_empty() || name.contains(|c: char| c.is_whitespace() || c.is_control()) {
            continue;
        }
        let value = value.trim();
        let quoted =
            |quote: char| value.strip_prefix(quote).and_then(|rest| rest.split_once(quote)).map(|(in_, _)| in_);
        let value = match (quoted('"'), quoted('\'')) {
            (Some(inside), _) => inside.replace("\\n", "\n"),
            (None, Some(inside)) => inside.to_owned(),
            (None, None) => value.split(" #").next().unwrap_or_default().trim_end().to_owned(),
        };
        variables.insert(name.to_owned(), value.replace('\0', ""));
    }
    variables
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_of_variables_as_people_write_them() {
        let text = "# mine\nA=1\n export B = two # why\nC=\"x # y\\n\" # z\nD='$x'\n\nnonsense\n=x\nA=2\nE=\nF=a=b\r\n";
        let have: Vec<(String, String)> = variables(text).into_iter().collect();
        let want = [("A", "2"), ("B", "two"), ("C", "x # y\n"), ("D", "$x"), ("E", ""), ("F", "a=b")];
        assert_eq!(have, want.map(|(name, value)| (name.to_owned(), value.to_owned())));
    }
}

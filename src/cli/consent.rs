//! A target that was found, not named, and that would start a program or send something of this machine: it is shown
//! whole and needs a yes. A yes is recorded with the hash of file and entry, so that any change asks again.

use std::collections::BTreeMap;
use std::io::{IsTerminal as _, Write as _};
use std::path::PathBuf;

use sha2::{Digest as _, Sha256};

use super::terminal::Terminal;
use crate::base::sanitize;
use crate::plan::Target;
use crate::report::Ink;

/// What the user has agreed to so far.
pub struct Consents {
    file: Option<PathBuf>,
    given: BTreeMap<String, String>,
    yes: bool,
}

impl Consents {
    /// Reads the record of earlier answers; one that cannot be read counts as none.
    #[must_use]
    pub fn open(yes: bool) -> Self {
        let file = state_folder().map(|folder| folder.join("consents.json"));
        let given = file
            .as_ref()
            .and_then(|file| std::fs::read(file).ok())
            .and_then(|bytes| serde_json::from_slice(&bytes).ok())
            .unwrap_or_default();
        Self { file, given, yes }
    }

    /// Whether this target may be opened. Asks, where there is a terminal to ask at.
    pub fn agrees(&mut self, target: &Target) -> bool {
        if self.yes || !target.needs_consent() {
            return true;
        }
        let (key, hash) = fingerprint(target);
        if self.given.get(&key) == Some(&hash) {
            return true;
        }
        let may_ask = std::io::stdin().is_terminal() && std::io::stderr().is_terminal();
        if !may_ask || !ask(target) {
            return false;
        }
        self.given.insert(key, hash);
        self.record();
        true
    }

    /// Written beside and renamed, readable by the user alone. A record that cannot be written only means that the same
    /// question comes again.
    fn record(&self) {
        let Some(file) = &self.file else { return };
        let write = || -> std::io::Result<()> {
            let folder = file.parent().ok_or(std::io::ErrorKind::NotFound)?;
            std::fs::create_dir_all(folder)?;
            let beside = file.with_extension(format!("{}.tmp", std::process::id()));
            let mut options = std::fs::OpenOptions::new();
            options.write(true).create_new(true);
            #[cfg(unix)]
            std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
            options.open(&beside)?.write_all(serde_json::to_string_pretty(&self.given)?.as_bytes())?;
            std::fs::rename(&beside, file)
        };
        let _ = write();
    }
}

/// The name of an entry and the hash of its file and of what it says.
fn fingerprint(target: &Target) -> (String, String) {
    let place = target.origin.file.clone().unwrap_or_default();
    let path = std::fs::canonicalize(&place).unwrap_or(place);
    let mut hash = Sha256::new();
    hash.update(std::fs::read(&path).unwrap_or_default());
    hash.update([0]);
    hash.update(target.written.as_bytes());
    let hash: String = hash.finalize().iter().fold(String::new(), |hex, byte| format!("{hex}{byte:02x}"));
    (format!("{}#{}", path.display(), target.name), hash)
}

fn ask(target: &Target) -> bool {
    let look = Terminal::stderr(None).look;
    let heading = format!("{} in {} wants to act on this machine:", target.name, target.origin.text);
    let text = format!(
        "{}\n\n{}\nAgree? [y/N] ",
        look.paint(Ink::Strong, &sanitize::one_line(&heading, 400)),
        crate::report::indented(&sanitize::printable(&target.written), "    "),
    );
    if super::output::say(&text, true).is_err() {
        return false;
    }
    let mut answer = String::new();
    std::io::stdin().read_line(&mut answer).is_ok() && matches!(answer.trim().to_lowercase().as_str(), "y" | "yes")
}

/// `$XDG_STATE_HOME/mcp-probe`, or the platform's usual place.
fn state_folder() -> Option<PathBuf> {
    let variable = |name: &str| std::env::var_os(name).map(PathBuf::from).filter(|path| path.is_absolute());
    let base = variable("XDG_STATE_HOME").or_else(|| {
        let usual = if cfg!(target_os = "macos") { "Library/Application Support" } else { ".local/state" };
        Some(variable("HOME")?.join(usual))
    })?;
    Some(base.join("mcp-probe"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::plan::Endpoint;

    fn found(folder: &std::path::Path, written: &str) -> Target {
        let file = folder.join("mcp-probe.toml");
        std::fs::write(&file, written).unwrap();
        let mut target = Target::ad_hoc("a", Endpoint::Command(vec!["sh".into()]));
        target.origin = crate::plan::Origin {
            text: format!("{}:1:1", file.display()),
            file: Some(file),
            client: None,
            found: true,
        };
        target.written = written.to_owned();
        target
    }

    #[test]
    fn a_yes_holds_until_the_entry_or_its_file_changes() {
        let folder = tempfile::tempdir().unwrap();
        let target = found(folder.path(), "command = ['sh']");
        let file = folder.path().join("state/consents.json");
        let mut consents = Consents { file: Some(file.clone()), given: BTreeMap::new(), yes: false };
        assert!(!consents.agrees(&target), "without a terminal nothing is asked");
        let (key, hash) = fingerprint(&target);
        consents.given.insert(key, hash);
        consents.record();
        let given = serde_json::from_slice(&std::fs::read(&file).unwrap()).unwrap();
        let mut later = Consents { file: Some(file), given, yes: false };
        assert!(later.agrees(&target));
        assert!(!later.agrees(&found(folder.path(), "command = ['bash']")));
    }

    #[test]
    fn what_was_named_or_only_connects_is_never_asked_about() {
        let mut consents = Consents { file: None, given: BTreeMap::new(), yes: false };
        assert!(consents.agrees(&Target::ad_hoc("a", Endpoint::Command(vec!["sh".into()]))));
        let mut url = Target::ad_hoc("b", Endpoint::Url("http://localhost/mcp".into()));
        url.origin.found = true;
        assert!(consents.agrees(&url));
        url.sends_machine = true;
        assert!(!consents.agrees(&url));
        assert!(Consents { file: None, given: BTreeMap::new(), yes: true }.agrees(&url));
    }
}

//! A target that was found, not named, and that would start a program or send something of this machine: it is shown
//! whole and needs a yes. A yes is recorded with the hash of file and entry, so that any change asks again.

pub mod question;
pub mod record;

use std::cell::OnceCell;
use std::io::IsTerminal as _;
use std::path::{Path, PathBuf};

use sha2::{Digest as _, Sha256};

use super::terminal::{Colour, Terminal};
use crate::base::secret::Secret;
use crate::files::Machine;
use crate::plan::{Target, TargetDraft};
use record::{Consent, Record};

/// What an answer was.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Answer {
    /// Yes.
    Yes,
    /// No; also everything that is no plain yes.
    No,
    /// No, and no more questions.
    Enough,
}

/// What the user has agreed to so far.
pub struct Consents {
    record: Option<Record>,
    given: OnceCell<Vec<Consent>>,
    yes: bool,
    enough: bool,
}

impl Consents {
    /// The record of earlier answers, which is read once somebody asks for one; one that cannot be understood counts as
    /// none.
    #[must_use]
    pub fn open(yes: bool) -> Self {
        Self::with(Record::of_user(), yes)
    }

    fn with(record: Option<Record>, yes: bool) -> Self {
        Self { record, given: OnceCell::new(), yes, enough: false }
    }

    fn given(&self) -> &[Consent] {
        self.given.get_or_init(|| self.record.as_ref().map(Record::consents).unwrap_or_default())
    }

    fn given_mut(&mut self) -> Option<&mut Vec<Consent>> {
        self.given();
        self.given.get_mut()
    }

    /// Whether this target may be opened. Asks, where there is a terminal to ask at.
    pub fn agrees(&mut self, target: &Target) -> bool {
        if self.yes || !target.needs_consent() {
            return true;
        }
        let Some(draft) = target.entry.as_deref() else { return false };
        let identity = identity(draft, &target.env);
        if self.given().contains_like(&identity) {
            return true;
        }
        if self.enough || !may_ask() {
            return false;
        }
        match ask(target, draft, None) {
            Answer::Yes => {
                if let Err(why) = self.put(identity) {
                    let _ = super::output::say(&format!("warning: your yes could not be recorded: {why}\n"), true);
                }
                true
            }
            Answer::No => false,
            Answer::Enough => {
                self.enough = true;
                false
            }
        }
    }

    /// Whether this target may be opened, without asking anybody.
    #[must_use]
    pub fn has_agreed(&self, target: &Target) -> bool {
        let identity = || target.entry.as_deref().map(|draft| identity(draft, &target.env));
        self.yes || !target.needs_consent() || identity().is_some_and(|identity| self.has(&identity))
    }

    /// Whether a yes is recorded for exactly this.
    #[must_use]
    pub fn has(&self, identity: &Consent) -> bool {
        self.given().contains_like(identity)
    }

    /// Records a yes.
    ///
    /// # Errors
    /// Why that could not be done.
    pub fn give(&mut self, identity: Consent) -> Result<(), String> {
        self.put(identity)
    }

    /// Withdraws every recorded yes that this says of; gives them.
    ///
    /// # Errors
    /// Why that could not be done.
    pub fn withdraw(&mut self, withdraws: impl Fn(&Consent) -> bool) -> Result<Vec<Consent>, String> {
        let gone: Vec<Consent> = self.given().iter().filter(|consent| withdraws(consent)).cloned().collect();
        if let Some(record) = self.record.as_ref().filter(|_| !gone.is_empty()) {
            say(record.change(|all| all.retain(|consent| !withdraws(consent)))?);
        }
        if let Some(given) = self.given_mut() {
            given.retain(|consent| !withdraws(consent));
        }
        Ok(gone)
    }

    fn put(&mut self, consent: Consent) -> Result<(), String> {
        if let Some(given) = self.given_mut() {
            record::put(given, consent.clone());
        }
        let record = self.record.as_ref().ok_or("neither XDG_STATE_HOME nor HOME is set")?;
        say(record.change(|all| record::put(all, consent))?);
        Ok(())
    }
}

fn say(told: Option<String>) {
    if let Some(told) = told {
        let _ = super::output::say(&format!("warning: {told}\n"), true);
    }
}

trait Contains {
    fn contains_like(&self, consent: &Consent) -> bool;
}

impl Contains for [Consent] {
    fn contains_like(&self, consent: &Consent) -> bool {
        self.iter().any(|have| have.sha256 == consent.sha256 && have.name == consent.name && have.file == consent.file)
    }
}

/// Whether there is somebody to ask.
#[must_use]
pub fn may_ask() -> bool {
    std::io::stdin().is_terminal() && std::io::stderr().is_terminal()
}

/// Shows a target whole and asks.
#[must_use]
pub fn ask(target: &Target, draft: &TargetDraft, color: Option<Colour>) -> Answer {
    let look = Terminal::stderr(color).look;
    let text = question::text(target, draft, &Machine, &look);
    // What was typed before there was anything to read is no answer.
    #[cfg(unix)]
    let _ = nix::sys::termios::tcflush(std::io::stdin(), nix::sys::termios::FlushArg::TCIFLUSH);
    if super::output::say(&format!("{text}\nAgree? [y/N/q] "), true).is_err() {
        return Answer::Enough;
    }
    let mut answer = String::new();
    match std::io::stdin().read_line(&mut answer) {
        // The end of the input: nobody is there.
        Ok(0) | Err(_) => Answer::Enough,
        Ok(_) => match answer.trim().to_lowercase().as_str() {
            "y" | "yes" => Answer::Yes,
            "q" | "quit" => Answer::Enough,
            _ => Answer::No,
        },
    }
}

/// What a consent to this entry would be: where it stands, where it would run, and the hash of both and of all it says.
/// `env` are the variables of the child; what among them the entry itself does not say was read into it from elsewhere,
/// such as a file of variables, and is part of it.
#[must_use]
pub fn identity(draft: &TargetDraft, env: &[(String, Secret)]) -> Consent {
    let named = Path::new(&draft.place.source.name);
    let file = std::fs::canonicalize(named).unwrap_or_else(|_| named.to_owned());
    let folder = folder(draft);
    let mut hash = Sha256::new();
    let mut add = |bytes: &[u8]| {
        hash.update((bytes.len() as u64).to_le_bytes());
        hash.update(bytes);
    };
    add(b"mcp-probe/consents/1");
    for path in [&file, &folder, &draft.place.source.folder] {
        add(path.as_os_str().as_encoded_bytes());
    }
    add(&draft.fingerprint());
    for (name, value) in from_elsewhere(draft, env) {
        add(name.as_bytes());
        add(value.reveal().as_bytes());
    }
    Consent {
        file: file.display().to_string(),
        name: draft.name.clone(),
        folder: folder.display().to_string(),
        sha256: hash.finalize().iter().fold(String::new(), |hex, byte| format!("{hex}{byte:02x}")),
        given_at: jiff::Timestamp::now().to_string(),
    }
}

/// Variables of the child that its entry does not say itself.
fn from_elsewhere<'a>(draft: &TargetDraft, env: &'a [(String, Secret)]) -> impl Iterator<Item = &'a (String, Secret)> {
    let said: Vec<String> = draft.as_written().env.iter().map(|(key, _)| key.name.clone()).collect();
    env.iter().filter(move |(name, _)| !said.contains(name))
}

/// Where its program would run. The same words run another program in another folder.
fn folder(draft: &TargetDraft) -> PathBuf {
    let here = std::env::current_dir().unwrap_or_default();
    match draft.as_written().cwd {
        Some(cwd) => {
            let folder = here.join(draft.place.source.path(cwd.literal().unwrap_or(&cwd.written())));
            std::fs::canonicalize(&folder).unwrap_or(folder)
        }
        None => here,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::files::{Folders, Range, discover};
    use crate::plan::Endpoint;

    const FILE: &str = "[target.a]\ncommand = ['sh']\n[target.b]\nurl = 'http://127.0.0.1:1/mcp'\n";

    fn target(folder: &Path, name: &str, text: &str) -> Target {
        std::fs::write(folder.join("mcp-probe.toml"), text).unwrap();
        let folders = Folders { project: folder.to_owned(), home: None };
        let discovery = discover(&folders, Range::Project, &Machine).unwrap_or_else(|_| panic!());
        discovery.target(name, &Machine).unwrap_or_else(|_| panic!()).0
    }

    #[test]
    fn a_yes_holds_until_the_entry_or_its_file_changes() {
        let folder = tempfile::tempdir().unwrap();
        let record = Record::at(folder.path().join("state/consents.json"));
        let open = || Consents::with(Some(record.clone()), false);
        let a = target(folder.path(), "a", FILE);
        assert!(!open().agrees(&a), "without a terminal nothing is asked");
        let identity = identity(a.entry.as_ref().unwrap(), &a.env);
        open().give(identity.clone()).unwrap();
        assert!(open().agrees(&a) && open().has(&identity));
        let mut more = a.clone();
        more.env.push(("LD_PRELOAD".into(), Secret::new("./x.so")));
        assert!(!open().agrees(&more), "a variable out of another file");
        let other = target(folder.path(), "a", &FILE.replace("'sh'", "'sh', '-c', 'evil'"));
        assert!(!open().agrees(&other), "another command");
        let other = target(folder.path(), "a", &format!("{FILE}# a step may have changed\n"));
        assert!(!open().agrees(&other), "another file");
        let elsewhere = folder.path().join("elsewhere");
        std::fs::create_dir(&elsewhere).unwrap();
        assert!(!open().agrees(&target(&elsewhere, "a", FILE)), "the same text in another place");
        assert!(open().agrees(&target(folder.path(), "a", FILE)));
        assert_eq!(open().withdraw(|consent| consent.name == "a").unwrap().len(), 1);
        assert!(!open().agrees(&a));
    }

    #[test]
    fn the_record_is_read_once_somebody_asks_for_a_yes() {
        let folder = tempfile::tempdir().unwrap();
        let record = Record::at(folder.path().join("state/consents.json"));
        let a = target(folder.path(), "a", FILE);
        let mut early = Consents::with(Some(record.clone()), false);
        assert!(early.agrees(&target(folder.path(), "b", FILE)), "a URL needs no yes");
        Consents::with(Some(record), false).give(identity(a.entry.as_ref().unwrap(), &a.env)).unwrap();
        assert!(early.agrees(&a), "the record was not read before");
    }

    #[test]
    fn what_was_named_or_only_connects_is_never_asked_about() {
        let folder = tempfile::tempdir().unwrap();
        let mut consents = Consents::with(None, false);
        assert!(consents.agrees(&Target::ad_hoc("a", Endpoint::Command(vec!["sh".into()]))));
        let mut url = target(folder.path(), "b", FILE);
        assert!(url.origin.found && consents.agrees(&url));
        url.sends_machine = true;
        assert!(!consents.agrees(&url));
        assert!(Consents::with(None, true).agrees(&url));
    }
}

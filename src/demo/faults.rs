//! Every way the demo server can misbehave: one row per fault, one family per file. Each fault is one departure
//! from the healthy server, so that a test which uses it knows what it is looking at.

use super::boot::Boot;
use super::script::{Call, Step};
use super::wire::{Plain, Seen, Wire};

mod answers;
mod authorization;
mod content;
mod definitions;
mod framing;
pub mod lax;
mod interaction;
pub mod lists;
mod messages;
mod modern;
mod network;
mod offers;
mod opening;
mod process;
pub mod refusals;
mod sessions;
mod status;
mod streams;
pub mod texts;

/// Stands for the method of what is no message.
pub const INVALID: &str = "no message";

/// The transports a fault exists on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum On {
    /// Standard input and output only.
    Stdio,
    /// HTTP only.
    Http,
    /// Both.
    Both,
}

impl On {
    /// The word for a table.
    #[must_use]
    pub fn text(self) -> &'static str {
        match self {
            Self::Stdio => "stdio",
            Self::Http => "http",
            Self::Both => "both",
        }
    }
}

/// Which messages a fault strikes at, unless `--fault-on` names others.
#[derive(Debug, Clone, Copy)]
pub enum Scope {
    /// The process itself, not a message.
    Process,
    /// Everything, HTTP GET and DELETE included.
    Every,
    /// All requests.
    Requests,
    /// All requests but `initialize` and `server/discover`.
    Calls,
    /// Notifications from the client.
    Notifications,
    /// These methods; `HTTP GET` and `HTTP DELETE` count as methods.
    Methods(&'static [&'static str]),
}

impl Scope {
    /// Whether a message with this method is struck.
    #[must_use]
    pub fn covers(self, method: &str) -> bool {
        let http = method.starts_with("HTTP ");
        let notification = method.starts_with("notifications/") || method.is_empty() || method == INVALID;
        match self {
            Self::Process => false,
            Self::Every => true,
            Self::Requests => !http && !notification,
            Self::Calls => !http && !notification && !matches!(method, "initialize" | "server/discover"),
            Self::Notifications => method.starts_with("notifications/"),
            Self::Methods(methods) => methods.contains(&method),
        }
    }

    /// The words for a table.
    #[must_use]
    pub fn text(self) -> String {
        match self {
            Self::Process => "the process".to_owned(),
            Self::Every => "everything".to_owned(),
            Self::Requests => "all requests".to_owned(),
            Self::Calls => "calls".to_owned(),
            Self::Notifications => "notifications".to_owned(),
            Self::Methods(methods) => methods.join(", "),
        }
    }
}

/// How a fault works.
#[derive(Debug, Clone, Copy)]
pub enum Act {
    /// Changes how the process starts and ends.
    Boot(fn(&mut Boot)),
    /// Rewrites the script of a request.
    Script(fn(&Call<'_>, &mut Vec<Step>)),
    /// Answers an HTTP request in place of the server; `None` leaves it alone.
    Instead(fn(&Seen<'_>) -> Option<Vec<Wire>>),
    /// Sends the server's own HTTP answer in another way.
    Upon(fn(&Seen<'_>, &Plain) -> Vec<Wire>),
    /// Something is left out; the server's own code asks for it.
    Lax(lax::Lax),
}

/// One fault.
#[derive(Debug)]
pub struct Fault {
    /// Name in kebab-case.
    pub name: &'static str,
    /// Transports it exists on.
    pub on: On,
    /// What it strikes at by default.
    pub scope: Scope,
    /// One line: what is wrong.
    pub about: &'static str,
    /// How it works.
    pub act: Act,
}

const fn fault(name: &'static str, on: On, scope: Scope, about: &'static str, act: Act) -> Fault {
    Fault { name, on, scope, about, act }
}

static FAMILIES: &[&[Fault]] = &[
    process::FAULTS,
    framing::FAULTS,
    messages::FAULTS,
    opening::FAULTS,
    lists::FAULTS,
    definitions::FAULTS,
    content::FAULTS,
    status::FAULTS,
    authorization::FAULTS,
    network::FAULTS,
    streams::FAULTS,
    sessions::FAULTS,
    texts::FAULTS,
    refusals::FAULTS,
    lax::FAULTS,
    offers::FAULTS,
    answers::FAULTS,
    modern::FAULTS,
    interaction::FAULTS,
];

/// Every fault, by family.
pub fn all() -> impl Iterator<Item = &'static Fault> {
    FAMILIES.iter().copied().flatten()
}

/// The fault with this name.
///
/// # Errors
/// A sentence that names the closest faults.
pub fn find(name: &str) -> Result<&'static Fault, String> {
    all().find(|fault| fault.name == name).ok_or_else(|| {
        let words: Vec<&str> = name.split('-').filter(|word| word.len() > 2).collect();
        let near: Vec<&str> = all()
            .map(|fault| fault.name)
            .filter(|known| words.iter().any(|word| known.contains(word)))
            .take(5)
            .collect();
        let hint = if near.is_empty() { String::new() } else { format!("; near it: {}", near.join(", ")) };
        format!("no fault is called {name:?}{hint} (`mcp-probe demo --faults` lists all)")
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_unique_kebab_case_and_described() {
        let mut names: Vec<&str> = all().map(|fault| fault.name).collect();
        assert!(names.len() >= 100, "{}", names.len());
        for fault in all() {
            assert!(
                fault.name.chars().all(|c| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '-'),
                "{}",
                fault.name
            );
            assert!(!fault.about.is_empty() && fault.about.len() <= 100, "{}: {}", fault.name, fault.about.len());
            let http = matches!(fault.act, Act::Instead(_) | Act::Upon(_));
            assert!(!http || fault.on == On::Http, "{}", fault.name);
            assert_eq!(matches!(fault.act, Act::Boot(_)), matches!(fault.scope, Scope::Process), "{}", fault.name);
        }
        names.sort_unstable();
        names.dedup();
        assert_eq!(names.len(), all().count());
    }

    #[test]
    fn an_unknown_name_is_told_its_neighbours() {
        let told = find("discover-noversions").unwrap_err();
        assert!(told.contains("discover-"), "{told}");
        assert!(find("wrong-id").is_ok());
    }

    #[test]
    fn scopes_know_their_messages() {
        assert!(Scope::Calls.covers("tools/list") && !Scope::Calls.covers("initialize"));
        assert!(Scope::Requests.covers("initialize") && !Scope::Requests.covers("HTTP GET"));
        assert!(!Scope::Requests.covers("notifications/initialized"));
        assert!(Scope::Every.covers("HTTP DELETE"));
    }
}

//! The two that `diff` compares: what each word means, and which entry of one belongs to which of the other.

use std::collections::BTreeSet;
use std::path::Path;
use std::sync::Arc;

use crate::base::sanitize::one_line;
use crate::base::secret::Masker;
use crate::cli::args::SelectionOptions;
use crate::cli::complaint::Complaint;
use crate::cli::connection::Connection;
use crate::cli::consent::Consents;
use crate::cli::exit::Code;
use crate::cli::targets;
use crate::cli::terminal::Colour;
use crate::cli::words;
use crate::files::locks;
use crate::lock::saved::{self, Saved};
use crate::lock::{Entry, file};
use crate::plan::Target;

/// One side.
enum Side {
    /// A lock file, or lists that were saved, of one or several targets.
    File { name: String, saved: Saved, is_saved: bool },
    /// A server that is asked.
    Target(Arc<Target>),
}

/// Both sides, and what must not be shown of them.
pub(super) struct Sides {
    sides: [Side; 2],
    pub(super) masker: Masker,
}

/// What one side says of a target.
#[derive(Clone, Debug)]
pub(super) struct Named {
    /// Where it comes from.
    pub(super) name: String,
    /// Empty where the side does not have the target at all.
    pub(super) entry: Entry,
    /// Whether the side has the target.
    pub(super) is_there: bool,
    /// Whether it was saved by hand, and may lack lists.
    pub(super) is_saved: bool,
}

impl Sides {
    /// What two words mean.
    pub(super) fn of(
        named: &[words::Named],
        connection: &Connection,
        selection: &SelectionOptions,
        color: Option<Colour>,
    ) -> Result<Self, Complaint> {
        let [old, new] = named else {
            return Err(Complaint::usage(format!("diff compares two, and {} are named", named.len()))
                .hint("mcp-probe diff mcp-probe.lock weather, or mcp-probe diff https://old/mcp https://new/mcp"));
        };
        let masker = Masker::default();
        let sides =
            [side(old, connection, selection, color, &masker)?, side(new, connection, selection, color, &masker)?];
        Ok(Self { sides, masker })
    }

    /// The targets that have to be asked.
    pub(super) fn targets(&self) -> impl Iterator<Item = Arc<Target>> {
        self.sides.iter().filter_map(|side| match side {
            Side::Target(target) => Some(Arc::clone(target)),
            Side::File { .. } => None,
        })
    }

    /// The client capabilities to declare: those with which the lock on the other side was written.
    pub(super) fn declared(&self) -> Vec<String> {
        let target = self.targets().next().map(|target| target.name.clone()).unwrap_or_default();
        let of = |side: &Side| match side {
            Side::File { saved: Saved { entries, .. }, .. } => {
                let entry =
                    entries.get(target.as_str()).or_else(|| entries.values().next().filter(|_| entries.len() == 1));
                entry.map(|entry| entry.declared.clone())
            }
            Side::Target(_) => None,
        };
        self.sides.iter().find_map(of).unwrap_or_default()
    }

    /// What is compared with what. `read` is what the targets said, in order.
    pub(super) fn pairs(&self, read: Vec<Entry>) -> Result<Vec<(String, Named, Named)>, Complaint> {
        let mut read = read.into_iter();
        let mut all = self.sides.iter().map(|side| match side {
            Side::File { name, saved, is_saved } => {
                Read { name, saved: saved.clone(), is_saved: *is_saved, is_file: true }
            }
            Side::Target(target) => {
                let entries = [(target.name.to_string(), read.next().unwrap_or_default())].into();
                let saved = Saved { entries, ..Saved::default() };
                Read { name: target.name.as_str(), saved, is_saved: false, is_file: false }
            }
        });
        let (Some(old), Some(new)) = (all.next(), all.next()) else { return Ok(Vec::new()) };
        // Two files with several targets are compared target by target.
        if old.is_file && new.is_file && !(old.is_of_one() && new.is_of_one()) {
            let names: BTreeSet<&String> = old.names().chain(new.names()).collect();
            return names.into_iter().map(|name| Ok((name.clone(), old.named(name)?, new.named(name)?))).collect();
        }
        let asked = self.targets().next().map(|target| target.name.to_string());
        let (first, old) = old.pick(asked.as_ref())?;
        let (second, new) = new.pick(asked.as_ref().or(Some(&first)))?;
        Ok(vec![(if second.is_empty() { first } else { second }, old, new)])
    }
}

/// What a side says.
struct Read<'a> {
    name: &'a str,
    saved: Saved,
    is_saved: bool,
    is_file: bool,
}

impl Read<'_> {
    fn names(&self) -> impl Iterator<Item = &String> {
        self.saved.entries.keys().chain(self.saved.failed.keys())
    }

    fn is_of_one(&self) -> bool {
        self.names().count() == 1
    }

    /// What it says of a target; what is no list cannot be compared.
    fn named(&self, target: &str) -> Result<Named, Complaint> {
        if let Some(why) = self.saved.failed.get(target) {
            return Err(no_list(self.name, target, why));
        }
        let entry = self.saved.entries.get(target);
        Ok(Named {
            name: self.name.to_owned(),
            is_there: entry.is_some(),
            entry: entry.cloned().unwrap_or_default(),
            is_saved: self.is_saved,
        })
    }

    /// What it says of the target on the other side, or of its only one.
    fn pick(&self, other: Option<&String>) -> Result<(String, Named), Complaint> {
        let own = other.filter(|name| self.names().any(|own| own == *name));
        match own.or_else(|| self.names().next().filter(|_| self.is_of_one())) {
            Some(name) => Ok((name.clone(), self.named(name)?)),
            None => {
                let names: Vec<String> =
                    self.names().take(12).map(|name| format!("`{}`", one_line(name, 80))).collect();
                let name = one_line(other.map_or("", String::as_str), 80);
                Err(Complaint::usage(format!("{} has no entry for {name}", self.name))
                    .hint(format!("it has {}", if names.is_empty() { "none".to_owned() } else { names.join(", ") })))
            }
        }
    }
}

/// A file in which something else stands where a list should.
fn no_list(file: &str, target: &str, why: &str) -> Complaint {
    let of = if target.is_empty() { String::new() } else { format!("of {}, ", one_line(target, 80)) };
    Complaint::usage(format!("{of}{} holds {}", one_line(file, 200), one_line(why, 300)))
        .hint("save it again once the server gives the whole list; until then nobody can tell what differs")
}

fn side(
    named: &words::Named,
    connection: &Connection,
    selection: &SelectionOptions,
    color: Option<Colour>,
    masker: &Masker,
) -> Result<Side, Complaint> {
    if let words::Named::Path(path) = named
        && let Some(side) = of_file(path, color)?
    {
        return Ok(side);
    }
    let resolved = targets::resolve(std::slice::from_ref(named), connection, selection, color)?;
    masker.absorb(&resolved.masker);
    let mut found = resolved.targets.into_iter();
    let (Some(target), None) = (found.next(), found.next()) else {
        return Err(Complaint::usage(format!("{} is not one target", one_line(&named.label(), 120)))
            .hint("name one of its targets, and the file with -f"));
    };
    if !Consents::open(selection.yes).agrees(&target) {
        let why = targets::no_consent(&target).message;
        return Err(Complaint::new(Code::Unknown, format!("{}: {why}", target.name)));
    }
    Ok(Side::Target(Arc::new(target)))
}

/// A lock file, or a saved list; none where the file may be one that defines targets.
fn of_file(path: &Path, color: Option<Colour>) -> Result<Option<Side>, Complaint> {
    let name = path.display().to_string();
    let text = locks::text(path).map_err(|diags| targets::mistakes(&diags, color))?;
    let is_lock = file::is_like_one(&text) || path.extension().is_some_and(|extension| extension == "lock");
    if is_lock {
        let lock = locks::read(path).map_err(|diags| targets::mistakes(&diags, color))?.unwrap_or_default();
        let saved = Saved { entries: lock.entries, ..Saved::default() };
        return Ok(Some(Side::File { name, saved, is_saved: false }));
    }
    match saved::read(&text) {
        Ok(saved) => match saved.failed.first_key_value().filter(|_| saved.entries.is_empty()) {
            Some((target, why)) => Err(no_list(&name, target, why)),
            None => Ok(Some(Side::File { name, saved, is_saved: true })),
        },
        // Files of clients are JSON as well.
        Err(_) if path.extension().is_some_and(|extension| extension == "toml" || extension == "json") => Ok(None),
        Err(why) => Err(Complaint::usage(format!("{}: {why}", one_line(&name, 200)))),
    }
}

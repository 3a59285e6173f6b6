//! The two that `diff` compares: what each word means, and which entry of one belongs to which of the other.

use std::collections::{BTreeMap, BTreeSet};
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
use crate::lock::{Entry, file, saved};
use crate::plan::Target;

/// One side.
enum Side {
    /// A lock file, or lists that were saved, of one or several targets.
    File { name: String, entries: BTreeMap<String, Entry>, is_saved: bool },
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
    pub(super) entry: Entry,
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
            Side::File { entries, .. } => {
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
            Side::File { name, entries, is_saved } => (name.clone(), entries.clone(), *is_saved, true),
            Side::Target(target) => {
                let entries = [(target.name.to_string(), read.next().unwrap_or_default())].into();
                (target.name.to_string(), entries, false, false)
            }
        });
        let (Some(old), Some(new)) = (all.next(), all.next()) else { return Ok(Vec::new()) };
        let named = |name: &str, entry: Entry, is_saved: bool| Named { name: name.to_owned(), entry, is_saved };
        // Two files with several targets are compared target by target.
        if old.3 && new.3 && !(old.1.len() == 1 && new.1.len() == 1) {
            let names: BTreeSet<&String> = old.1.keys().chain(new.1.keys()).collect();
            let pair = |name: &String| {
                let of = |entries: &BTreeMap<String, Entry>| entries.get(name).cloned().unwrap_or_default();
                (name.clone(), named(&old.0, of(&old.1), old.2), named(&new.0, of(&new.1), new.2))
            };
            return Ok(names.into_iter().map(pair).collect());
        }
        let asked = self.targets().next().map(|target| target.name.to_string());
        let pick = |side: &(String, BTreeMap<String, Entry>, bool, bool), other: Option<&String>| {
            let entry = other.and_then(|name| side.1.get_key_value(name));
            let entry = entry.or_else(|| side.1.iter().next().filter(|_| side.1.len() == 1));
            entry.map(|(name, entry)| (name.clone(), named(&side.0, entry.clone(), side.2))).ok_or_else(|| {
                let names: Vec<String> =
                    side.1.keys().take(12).map(|name| format!("`{}`", one_line(name, 80))).collect();
                let name = one_line(other.map_or("", String::as_str), 80);
                Complaint::usage(format!("{} has no entry for {name}", side.0))
                    .hint(format!("it has {}", if names.is_empty() { "none".to_owned() } else { names.join(", ") }))
            })
        };
        let (first, old) = pick(&old, asked.as_ref())?;
        let (second, new) = pick(&new, asked.as_ref().or(Some(&first)))?;
        Ok(vec![(if second.is_empty() { first } else { second }, old, new)])
    }
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
        return Ok(Some(Side::File { name, entries: lock.entries, is_saved: false }));
    }
    match saved::read(&text) {
        Ok(entries) => Ok(Some(Side::File { name, entries, is_saved: true })),
        // Files of clients are JSON as well.
        Err(_) if path.extension().is_some_and(|extension| extension == "toml" || extension == "json") => Ok(None),
        Err(why) => Err(Complaint::usage(format!("{}: {why}", one_line(&name, 200)))),
    }
}

//! From what was named on the command line to targets that can be opened: URLs, commands, files, names found in the
//! project, with what the command line says laid over what the files say.

use std::collections::{BTreeMap, HashMap};
use std::ffi::OsString;
use std::path::Path;

use super::args::{SelectionOptions, TransportChoice};
use super::complaint::Complaint;
use super::connection::Connection;
use super::credentials::{hide, shown_url};
use super::exit::Code;
use super::terminal::Terminal;
use super::words::{self, Named};
use crate::base::glob;
use crate::base::sanitize;
use crate::base::secret::{Masker, Secret};
use crate::config::{Diag, render};
use crate::event::{Cause, Reason};
use crate::files::{Discovery, Folders, Machine, Range, Unplaced, discover, given};
use crate::plan::{self, Endpoint, Target};
use crate::transport::http::parse_endpoint;

/// Targets, and what must not be shown of them.
#[derive(Default)]
pub struct Resolved {
    /// In the order in which they were named or found.
    pub targets: Vec<Target>,
    /// Every secret value.
    pub masker: Masker,
    /// Entries of other clients' files that cannot be used, each with the reason.
    pub unusable: Vec<Unusable>,
    /// Entries of other clients' files that those clients do not use either: name and reason.
    pub disabled: Vec<(String, String)>,
    /// Files of other clients that could not be read, each with the reason.
    pub unreadable: Vec<String>,
}

/// An entry that keeps nobody from the others.
#[derive(Clone, Debug)]
pub struct Unusable {
    /// How it is written.
    pub name: String,
    /// Its labels.
    pub labels: BTreeMap<String, String>,
    /// Why it cannot be used.
    pub cause: Cause,
}

/// How every target of a discovery is written. To ask the discovery for each would compare all with all.
pub struct Names<'a> {
    discovery: &'a Discovery,
    counts: HashMap<&'a str, usize>,
}

impl<'a> Names<'a> {
    /// Counts the names.
    #[must_use]
    pub fn of(discovery: &'a Discovery) -> Self {
        let mut counts = HashMap::new();
        for (_, name) in discovery.names() {
            *counts.entry(name).or_default() += 1;
        }
        Self { discovery, counts }
    }

    /// The shortest way to write a target that means no other.
    #[must_use]
    pub fn write(&self, index: usize, target: &str) -> String {
        let is_toml = Path::new(target).extension().is_some_and(|extension| extension == "toml");
        // Words with these in them are taken for files and methods, and so are the names of files that exist.
        if target.contains(['/', '\\']) || is_toml || Path::new(target).exists() {
            return self.discovery.placed(index, target);
        }
        // With a colon in it, it may look like the name of a place.
        if self.counts.get(target) == Some(&1) && !target.contains(':') {
            return target.to_owned();
        }
        self.discovery.shortest(index, target)
    }
}

/// Mistakes in files, as a complaint with exit code 2.
#[must_use]
pub fn mistakes(diags: &[Diag], color: Option<super::terminal::Colour>) -> Complaint {
    let look = Terminal::stderr(color).look;
    let text = render(diags, look.colour, look.width.map(usize::from));
    let _ = super::output::say(&text, true);
    let errors = diags.iter().filter(|diag| diag.severity == crate::config::Severity::Error).count();
    let noun = if errors == 1 { "mistake" } else { "mistakes" };
    Complaint::usage(format!("{errors} {noun}; nothing was sent"))
}

/// Warnings of files, on stderr. Those of other programs' files are a line each: their lines are not quoted.
pub fn warn(diags: &[Diag], color: Option<super::terminal::Colour>) {
    let (foreign, ours): (Vec<Diag>, Vec<Diag>) = diags.iter().cloned().partition(is_foreign);
    if !ours.is_empty() {
        let look = Terminal::stderr(color).look;
        let _ = super::output::say(&render(&ours, look.colour, look.width.map(usize::from)), true);
    }
    for diag in &foreign {
        let _ = super::output::say(&format!("warning: {}\n", sanitize::one_line(&told(diag), 600)), true);
    }
}

/// What is unwise about the entries of other clients' files that are about to be used, such as a variable that is not set
/// and stays in the text as it is written. A line each, on stderr.
pub fn warn_of_entries<'a>(targets: impl IntoIterator<Item = &'a Target>) {
    for target in targets {
        for diag in target.entry.iter().flat_map(|entry| entry.warnings()) {
            let line = sanitize::one_line(&format!("{}: {}", target.name, told(diag)), 600);
            let _ = super::output::say(&format!("warning: {line}\n"), true);
        }
    }
}

/// Mistakes in what was selected: those of other programs' files as a sentence, because their lines are not quoted.
#[must_use]
pub fn mistakes_of(diags: &[Diag], color: Option<super::terminal::Colour>) -> Complaint {
    if diags.iter().all(is_foreign) { Complaint::usage(sentence(diags)) } else { mistakes(diags, color) }
}

fn is_foreign(diag: &Diag) -> bool {
    diag.place.as_ref().is_some_and(|place| place.source.foreign)
}

/// The labels of `-l`.
///
/// # Errors
/// A label is not `KEY=VALUE`.
pub fn labels(options: &SelectionOptions) -> Result<Vec<(String, String)>, Complaint> {
    let parse = |text: &String| match text.split_once('=') {
        Some((key, value)) if !key.is_empty() => Ok((key.to_owned(), value.to_owned())),
        _ => Err(Complaint::usage(format!("`-l {}` is no KEY=VALUE", sanitize::one_line(text, 60)))),
    };
    options.label.iter().map(parse).collect()
}

/// Everything that was named, or everything that can be found when nothing was.
///
/// # Errors
/// Mistakes in files (2), a name that nobody has (2), a selection that matches nothing (6).
pub fn resolve(
    named: &[Named],
    connection: &Connection,
    selection: &SelectionOptions,
    color: Option<super::terminal::Colour>,
) -> Result<Resolved, Complaint> {
    let mut resolved = Resolved::default();
    let chosen = Chosen { globs: &selection.target, labels: labels(selection)? };
    let mut before = 0;
    let direct = |target: Target, resolved: &mut Resolved, before: &mut usize| {
        *before += 1;
        if chosen.takes(&[&target.name], &target.labels) {
            resolved.targets.push(target);
        }
    };
    for one in named {
        match one {
            Named::Url(url) => direct(of_url(url)?, &mut resolved, &mut before),
            Named::Command(words) => direct(of_command(words)?, &mut resolved, &mut before),
            Named::Path(path) => {
                let discovery = given(std::slice::from_ref(path), &Folders::here(), &Machine)
                    .map_err(|diags| mistakes(&diags, color))?;
                before += take_all(&discovery, &chosen, &mut resolved, color)?;
            }
            Named::Name(name) => {
                let (discovery, index, name) = find(name, named, selection, color)?;
                let found = discovery.found[index].loaded.draft.target(&name, &Machine);
                let (mut target, masker) =
                    found.unwrap_or_else(|| Err(Vec::new())).map_err(|diags| mistakes_of(&diags, color))?;
                // The name stands in one place only, else there was a complaint: naming it is the consent.
                target.origin.found = false;
                target.name = Names::of(&discovery).write(index, &name).into();
                resolved.masker.absorb(&masker);
                before += 1;
                if chosen.takes(&[&target.name, &name], &target.labels) {
                    resolved.targets.push(target);
                }
            }
        }
    }
    if named.is_empty() {
        let discovery = look_around(selection, Range::Project, color)?;
        before += take_all(&discovery, &chosen, &mut resolved, color)?;
    }
    if resolved.targets.is_empty() && resolved.unusable.is_empty() {
        return Err(match resolved.disabled.as_slice() {
            [] if resolved.unreadable.is_empty() => nothing(before),
            [] => Complaint::new(
                Code::Nothing,
                format!("no target here can be used:\n{}", resolved.unreadable.join("\n")),
            )
            .hint("mend the file, or name a URL or a command after `--`"),
            [(name, why), rest @ ..] => {
                let others = if rest.is_empty() { String::new() } else { format!(", and {} more", rest.len()) };
                let name = sanitize::one_line(name, 80);
                Complaint::new(Code::Nothing, format!("every target here is disabled: `{name}` ({why}){others}"))
                    .hint("a target that is named is probed although its client does not use it")
            }
        });
    }
    for target in &mut resolved.targets {
        lay_over(target, connection);
    }
    for target in &resolved.targets {
        hide(target, &resolved.masker);
    }
    Ok(resolved)
}

fn nothing(before: usize) -> Complaint {
    if before > 0 {
        return Complaint::new(Code::Nothing, format!("none of the {before} targets here matches --target and -l"));
    }
    words::nothing_found()
}

/// `-f FILE`, or what can be found.
///
/// # Errors
/// Mistakes in probe files (2).
pub fn look_around(
    options: &SelectionOptions,
    range: Range,
    color: Option<super::terminal::Colour>,
) -> Result<Discovery, Complaint> {
    let found = if options.file.is_empty() {
        discover(&Folders::here(), range, &Machine)
    } else {
        given(&options.file, &Folders::here(), &Machine)
    };
    found.map_err(|diags| mistakes(&diags, color))
}

/// Where the target of a name stands: first the files of `-f`, then the project's own. Gives what was read, the index
/// of the place, and the name there.
///
/// # Errors
/// Mistakes in files, a name that nobody has, a name that several places have: all exit code 2.
pub fn find(
    name: &str,
    named: &[Named],
    selection: &SelectionOptions,
    color: Option<super::terminal::Colour>,
) -> Result<(Discovery, usize, String), Complaint> {
    let mut discovery = look_around(selection, Range::Everywhere, color)?;
    let mut place = discovery.place_of(name);
    if place == Err(Unplaced::Unknown)
        && !selection.file.is_empty()
        && let Ok(project) = discover(&Folders::here(), Range::Everywhere, &Machine)
        && project.place_of(name) != Err(Unplaced::Unknown)
    {
        place = project.place_of(name);
        discovery = project;
    }
    match place {
        Ok((index, target)) => Ok((discovery, index, target)),
        Err(Unplaced::Several(places)) => {
            let look = crate::report::Look::PLAIN;
            let shown = super::consent::question::places(&discovery, &places, &look);
            let name = sanitize::one_line(name, 120);
            let text = format!("the target `{name}` is found in {} places:\n{shown}", places.len());
            let places: Vec<String> = places.iter().map(|place| format!("`{place}`")).collect();
            Err(Complaint::usage(text).hint(format!("choose one: write {}", places.join(" or "))))
        }
        Err(Unplaced::Unknown) => {
            let words: Vec<String> = named.iter().map(Named::label).collect();
            let known: Vec<String> = discovery.names().map(|(_, name)| name.to_owned()).collect();
            Err(words::unknown(name, &words, &known))
        }
    }
}

/// What `--target` and `-l` choose.
struct Chosen<'a> {
    globs: &'a [String],
    labels: Vec<(String, String)>,
}

impl Chosen<'_> {
    /// Whether any of the ways to write a target is wanted.
    fn takes(&self, names: &[&str], labels: &BTreeMap<String, String>) -> bool {
        let matches = |pattern: &String| names.iter().any(|name| glob::matches(pattern, name));
        let by_name = self.globs.is_empty() || self.globs.iter().any(matches);
        by_name && self.labels.iter().all(|(key, value)| labels.get(key) == Some(value))
    }
}

/// Resolves what is chosen: what is not chosen may miss its variables. A mistake in a probe file ends it; an entry of
/// another client's file that cannot be used keeps nobody from the others. Gives how many targets there are.
fn take_all(
    discovery: &Discovery,
    chosen: &Chosen<'_>,
    resolved: &mut Resolved,
    color: Option<super::terminal::Colour>,
) -> Result<usize, Complaint> {
    let mut diags = Vec::new();
    let names = Names::of(discovery);
    let mut count = 0;
    resolved.unreadable.extend(discovery.unreadable.iter().map(|diag| sentence(std::slice::from_ref(diag))));
    for (index, found) in discovery.found.iter().enumerate() {
        for draft in &found.loaded.draft.targets {
            count += 1;
            let name = names.write(index, &draft.name);
            if !chosen.takes(&[&name, &draft.name], &draft.labels) {
                continue;
            }
            if let Some(why) = &draft.disabled {
                resolved.disabled.push((name, why.clone()));
                continue;
            }
            match found.loaded.draft.target(&draft.name, &Machine) {
                Some(Ok((mut target, masker))) => {
                    target.name = name.into();
                    resolved.masker.absorb(&masker);
                    resolved.targets.push(target);
                }
                Some(Err(mistakes)) if draft.client().is_some() => {
                    let cause = Cause::new(Reason::Cancelled, sentence(&mistakes));
                    resolved.unusable.push(Unusable { name, labels: draft.labels.clone(), cause });
                }
                Some(Err(mistakes)) => diags.extend(mistakes),
                None => {}
            }
        }
    }
    if diags.is_empty() { Ok(count) } else { Err(mistakes(&diags, color)) }
}

/// Mistakes in an entry of another program's file, without the lines they stand on: those may hold anybody's secrets.
#[must_use]
pub fn sentence(diags: &[Diag]) -> String {
    let errors = diags.iter().filter(|diag| diag.severity == crate::config::Severity::Error);
    let said: Vec<String> = errors.map(told).collect();
    if said.is_empty() { "its entry cannot be used".to_owned() } else { said.join("\n") }
}

/// A mistake in one line: where, what, what belongs to it, what to do.
#[must_use]
pub fn told(diag: &Diag) -> String {
    let place = diag.place.as_ref().map(|place| format!("{place}: ")).unwrap_or_default();
    let others: Vec<String> = diag.others.iter().map(|(place, label)| format!(" ({label}: {place})")).collect();
    let others = others.concat();
    let help = diag.help.as_ref().map(|help| format!("; {help}")).unwrap_or_default();
    super::shown::prose(&format!("{place}{}{others}{help}", diag.message)).replace('\n', " ")
}

/// A URL without the parts that may hold a secret names the target.
fn of_url(url: &str) -> Result<Target, Complaint> {
    let shown = shown_url(url);
    if let Err(why) = parse_endpoint(url) {
        // The reason quotes the URL, which may hold a secret where it cannot be read.
        let expected = "expected a URL such as https://host/mcp";
        // What is wrong with it says nothing of what it holds: these are fixed sentences.
        let why = match url::Url::parse(url.trim()) {
            Err(error) if shown.ends_with('…') => format!("{error}; {expected}"),
            _ if shown.ends_with('…') => expected.to_owned(),
            _ => why,
        };
        return Err(Complaint::usage(format!("`{}` is no URL of a server: {why}", sanitize::one_line(&shown, 80))));
    }
    Ok(Target::ad_hoc(shown, Endpoint::Url(url.to_owned())))
}

fn of_command(words: &[OsString]) -> Result<Target, Complaint> {
    let text = |word: &OsString| {
        word.clone().into_string().map_err(|word| {
            Complaint::usage(format!(
                "{} is not UTF-8, so it can be no argument",
                sanitize::one_line(&word.to_string_lossy(), 60)
            ))
        })
    };
    let argv: Vec<String> = words.iter().map(text).collect::<Result<_, _>>()?;
    let name = argv.join(" ");
    Ok(Target::ad_hoc(name, Endpoint::Command(argv)))
}

/// What the command line says wins over what the file says.
pub fn lay_over(target: &mut Target, connection: &Connection) {
    if let Some(client) = connection.as_client {
        super::as_client::dress(target, client);
    }
    if let Some(pin) = connection.protocol {
        target.protocol = pin;
    }
    match connection.transport {
        Some(TransportChoice::StreamableHttp) => target.transport = plan::TransportChoice::StreamableHttp,
        Some(TransportChoice::Sse) => target.transport = plan::TransportChoice::Sse,
        Some(TransportChoice::Auto) | None => {}
    }
    for (name, value) in &connection.headers {
        target.headers.retain(|(have, _)| !have.eq_ignore_ascii_case(name));
        target.headers.push((name.clone(), value.clone()));
    }
    if connection.compressed {
        target.headers.push(("Accept-Encoding".to_owned(), Secret::new("gzip")));
    }
    if connection.bearer.is_some() {
        target.bearer.clone_from(&connection.bearer);
        target.headers.retain(|(have, _)| !have.eq_ignore_ascii_case("authorization"));
    }
    for (name, value) in &connection.env {
        target.env.retain(|(have, _)| have != name);
        target.env.push((name.clone(), Secret::new(value)));
    }
    let over = |slot: &mut Option<std::path::PathBuf>, given: &Option<std::path::PathBuf>| {
        if given.is_some() {
            slot.clone_from(given);
        }
    };
    over(&mut target.cwd, &connection.cwd);
    over(&mut target.tls.ca, &connection.ca);
    over(&mut target.tls.cert, &connection.cert);
    over(&mut target.tls.key, &connection.key);
    target.tls.insecure |= connection.insecure;
    // A person who says how long he will wait means all of it; only --startup-timeout takes the two apart.
    if let Some(timeout) = connection.startup_timeout.or(connection.timeout) {
        target.startup_timeout = timeout;
    }
}

/// The sentence for a target that nobody agreed to start.
#[must_use]
pub fn no_consent(target: &Target) -> Cause {
    Cause::new(
        Reason::Cancelled,
        format!(
            "found in {}, starts a program or sends something of this machine, and nobody agreed to it; look at it with \
             `mcp-probe targets --trust`, or add --yes, or name the target or its file (-f)",
            target.origin.text
        ),
    )
}

//! From what was named on the command line to targets that can be opened: URLs, commands, files, names found in the
//! project, with what the command line says laid over what the files say.

use std::ffi::OsString;
use std::path::Path;

use super::args::{SelectionOptions, TransportChoice};
use super::complaint::Complaint;
use super::connection::Connection;
use super::exit::Code;
use super::terminal::Terminal;
use super::words::Named;
use crate::base::sanitize;
use crate::base::secret::{Masker, Secret};
use crate::config::{Diag, render};
use crate::event::Reason;
use crate::files::{Discovery, Machine, discover, load};
use crate::plan::{self, Endpoint, Target, glob};

/// Targets, and what must not be shown of them.
#[derive(Default)]
pub struct Resolved {
    /// In the order in which they were named or found.
    pub targets: Vec<Target>,
    /// Every secret value.
    pub masker: Masker,
}

/// Mistakes in files, as a complaint with exit code 2.
#[must_use]
pub fn mistakes(diags: &[Diag], color: Option<super::terminal::Colour>) -> Complaint {
    let look = Terminal::stderr(color).look;
    let text = render(diags, look.colour, look.width.map_or(120, usize::from));
    let _ = super::output::say(&text, true);
    let errors = diags.iter().filter(|diag| diag.severity == crate::config::Severity::Error).count();
    let noun = if errors == 1 { "mistake" } else { "mistakes" };
    Complaint::usage(format!("{errors} {noun}; nothing was sent"))
}

/// Warnings of files, on stderr.
pub fn warn(diags: &[Diag], color: Option<super::terminal::Colour>) {
    if !diags.is_empty() {
        let look = Terminal::stderr(color).look;
        let _ = super::output::say(&render(diags, look.colour, look.width.map_or(120, usize::from)), true);
    }
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
    for one in named {
        match one {
            Named::Url(url) => resolved.targets.push(of_url(url, &resolved.masker)),
            Named::Command(words) => resolved.targets.push(of_command(words)?),
            Named::Path(path) => {
                let loaded =
                    load(std::slice::from_ref(path), false, &Machine).map_err(|diags| mistakes(&diags, color))?;
                let discovery = Discovery { found: vec![("file", loaded)] };
                take_all(&discovery, &mut resolved, color)?;
            }
            Named::Name(name) => {
                let discovery = look_around(selection, color)?;
                let (mut target, masker) = discovery.target(name, &Machine).map_err(|diags| mistakes(&diags, color))?;
                // The name stands in one place only, else there was a complaint: naming it is the consent.
                target.origin.found = false;
                resolved.masker.absorb(&masker);
                resolved.targets.push(target);
            }
        }
    }
    if named.is_empty() {
        let discovery = look_around(selection, color)?;
        take_all(&discovery, &mut resolved, color)?;
    }
    let wanted = labels(selection)?;
    let before = resolved.targets.len();
    resolved.targets.retain(|target| {
        let by_name =
            selection.target.is_empty() || selection.target.iter().any(|glob| glob::matches(glob, &target.name));
        by_name && wanted.iter().all(|(key, value)| target.labels.get(key) == Some(value))
    });
    if resolved.targets.is_empty() {
        return Err(nothing(before));
    }
    for target in &mut resolved.targets {
        lay_over(target, connection);
    }
    resolved.hide();
    Ok(resolved)
}

fn nothing(before: usize) -> Complaint {
    if before > 0 {
        return Complaint::new(Code::Nothing, format!("none of the {before} targets here matches --target and -l"));
    }
    Complaint::new(Code::Nothing, "no target was named, and no probe file here has one").hint(
        "name a URL (mcp-probe tools/list https://host/mcp), a command (mcp-probe tools/list -- npx -y some-server), or \
         write ./mcp-probe.toml",
    )
}

/// `-f FILE`, or the project's own files.
fn look_around(options: &SelectionOptions, color: Option<super::terminal::Colour>) -> Result<Discovery, Complaint> {
    let found = if options.file.is_empty() {
        discover(Path::new("."), None, &Machine)
    } else {
        load(&options.file, false, &Machine).map(|loaded| Discovery { found: vec![("file", loaded)] })
    };
    found.map_err(|diags| mistakes(&diags, color))
}

fn take_all(
    discovery: &Discovery,
    resolved: &mut Resolved,
    color: Option<super::terminal::Colour>,
) -> Result<(), Complaint> {
    let mut diags = Vec::new();
    for (_, loaded) in &discovery.found {
        for draft in &loaded.draft.targets {
            match loaded.draft.target(&draft.name, &Machine) {
                Some(Ok((target, masker))) => {
                    resolved.masker.absorb(&masker);
                    resolved.targets.push(target);
                }
                Some(Err(mistakes)) => diags.extend(mistakes),
                None => {}
            }
        }
    }
    if diags.is_empty() { Ok(()) } else { Err(mistakes(&diags, color)) }
}

/// A URL without the parts that may hold a secret names the target.
fn of_url(url: &str, masker: &Masker) -> Target {
    let mut target = Target::ad_hoc(url, Endpoint::Url(url.to_owned()));
    if let Ok(mut parsed) = url::Url::parse(url)
        && (parsed.password().is_some() || parsed.query().is_some() || !parsed.username().is_empty())
    {
        if let Some(password) = parsed.password() {
            masker.add(password);
        }
        for (_, value) in parsed.query_pairs() {
            masker.add(&value);
        }
        let _ = parsed.set_username("");
        let _ = parsed.set_password(None);
        parsed.set_query(None);
        target.name = parsed.to_string();
    }
    target
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

impl Resolved {
    /// Credentials of the command line are masked as those of files are.
    fn hide(&self) {
        for target in &self.targets {
            hide(target, &self.masker);
        }
    }
}

/// Masks what a target sends as credentials.
pub fn hide(target: &Target, masker: &Masker) {
    if let Some(bearer) = &target.bearer {
        masker.add(bearer.reveal());
    }
    for (name, value) in &target.headers {
        let name = name.to_ascii_lowercase();
        let is_secret = ["authorization", "cookie", "key", "token", "secret"].iter().any(|word| name.contains(word));
        if is_secret {
            masker.add(value.reveal());
            // `Bearer x` and `Basic x` are masked as a whole and by their second word.
            if let Some((_, token)) = value.reveal().split_once(' ') {
                masker.add(token);
            }
        }
    }
}

/// The sentence for a target that nobody agreed to start.
#[must_use]
pub fn no_consent(target: &Target) -> crate::event::Cause {
    crate::event::Cause::new(
        Reason::Cancelled,
        format!(
            "{} was found in {} and starts a program or sends something of this machine, which nobody agreed to; look \
             at it and add --yes, or name the file with -f",
            target.name, target.origin.text
        ),
    )
}

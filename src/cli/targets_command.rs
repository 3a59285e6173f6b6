//! `mcp-probe targets`: every target that is visible from here, where it was found, and what keeps it from being probed.
//! It starts nothing, connects nowhere and looks at no secret. `--trust` and `--forget` give and withdraw a yes.

use clap::Args;

use super::args::{DocumentOptions, SelectionOptions, help};
use super::complaint::Complaint;
use super::consent::record::Consent;
use super::consent::{Answer, Consents, ask, identity, may_ask, question};
use super::exit::Code;
use super::jq::Jq;
use super::output;
use super::shown;
use super::targets::{Names, labels, look_around, warn};
use super::terminal::{Colour, Terminal};
use super::words;
use crate::base::glob;
use crate::base::sanitize;
use crate::config::{Diag, Key, Text};
use crate::files::{Discovery, Found, Machine, Range, clients};
use crate::plan::target_draft::{Becomes, UnsetVariable};
use crate::plan::{Target, TargetDraft, TransportChoice};
use crate::report::targets::{ConsentTold, ProblemTold, TargetTold, UnsetTold, document, rows};

/// `mcp-probe targets [NAME|GLOB...]`.
#[derive(Clone, Debug, Default, Args)]
#[command(after_help = help::TARGETS)]
pub struct TargetsArgs {
    /// Only targets of these names
    #[arg(value_name = "NAME|GLOB")]
    pub words: Vec<String>,
    /// Say yes to what was found here: it is shown whole, asked about, and remembered until it changes
    #[arg(long, help_heading = "Consent", conflicts_with = "forget")]
    pub trust: bool,
    /// Withdraw the yes given to these targets, or to all that are visible from here
    #[arg(long, help_heading = "Consent")]
    pub forget: bool,
    /// Which targets.
    #[command(flatten)]
    pub selection: SelectionOptions,
    /// How it is told.
    #[command(flatten)]
    pub document: DocumentOptions,
    /// Nothing on stderr but errors
    #[arg(short = 'q', long, help_heading = "Output")]
    pub quiet: bool,
}

/// A target of the list.
struct Listed<'a> {
    name: String,
    found: &'a Found,
    draft: &'a TargetDraft,
}

impl Listed<'_> {
    /// What a yes would be recorded for. An entry of another client may name a file of variables, which is part of it;
    /// what was read of it goes nowhere else.
    fn identity(&self) -> Consent {
        let resolved = self.draft.client().and_then(|_| self.found.loaded.draft.target(&self.draft.name, &Machine));
        let env = resolved.and_then(Result::ok).map(|(target, _)| target.env).unwrap_or_default();
        identity(self.draft, &env)
    }
}

/// Runs the command; gives the exit code as the shell sees it.
///
/// # Errors
/// Mistakes in probe files and unknown names (2), nothing that was asked for (6).
pub fn run(args: &TargetsArgs) -> Result<u8, Complaint> {
    let color = args.document.color;
    let jq = args.document.jq.as_deref().map(Jq::compile).transpose()?;
    let wanted = labels(&args.selection)?;
    let discovery = look_around(&args.selection, Range::Everywhere, color)?;
    let all = listed(&discovery);
    unknown_words(&args.words, &all)?;
    let count = all.len();
    let takes = |one: &Listed<'_>| {
        let by = |patterns: &[String]| patterns.is_empty() || patterns.iter().any(|pattern| named(one, pattern));
        let labelled = |(key, value): &(String, String)| one.draft.labels.get(key) == Some(value);
        by(&args.words) && by(&args.selection.target) && wanted.iter().all(labelled)
    };
    let chosen: Vec<Listed<'_>> = all.into_iter().filter(takes).collect();
    let mut consents = Consents::open(false);
    let mut code = Code::Healthy;
    if args.forget {
        forget(args, &chosen, &mut consents)?;
    } else if args.trust && !chosen.is_empty() {
        code = trust(args, &chosen, &mut consents)?;
    }
    let told: Vec<TargetTold> = chosen.iter().map(|one| told(one, &consents)).collect();
    let unreadable: Vec<ProblemTold> = discovery.unreadable.iter().map(problem).collect();
    let look = Terminal::stdout(color).look;
    if args.document.json || jq.is_some() {
        let document = document(&told, &unreadable)
            .map_err(|error| Complaint::new(Code::Bug, format!("the JSON document could not be made: {error}")))?;
        output::say_json(&document, jq.as_ref(), &look)?;
    } else if !args.trust && !args.forget {
        let home = std::env::var("HOME").ok();
        output::say(&rows(&told, home.as_deref(), &look), false)?;
    }
    if !args.quiet && args.selection.file.is_empty() {
        discovery.found.iter().for_each(|found| warn(&found.loaded.warnings, color));
    }
    notes(&told, &unreadable, args.quiet, color)?;
    if told.is_empty() && !args.forget {
        return Err(nothing(count));
    }
    Ok(code.number())
}

fn nothing(count: usize) -> Complaint {
    if count > 0 {
        return Complaint::new(Code::Nothing, format!("none of the {count} targets here matches what was asked for"));
    }
    Complaint::new(Code::Nothing, "no target is visible from here").hint(
        "targets stand in ./mcp-probe.toml, ./probes/*.toml, in the files of MCP clients (.mcp.json, ~/.claude.json, …) \
         or in -f FILE",
    )
}

/// Every target, in the order in which it was found.
fn listed(discovery: &Discovery) -> Vec<Listed<'_>> {
    let names = Names::of(discovery);
    let each = discovery.found.iter().enumerate();
    each.flat_map(|(index, found)| {
        let names = &names;
        found.loaded.draft.targets.iter().map(move |draft| Listed {
            name: names.write(index, &draft.name),
            found,
            draft,
        })
    })
    .collect()
}

fn named(one: &Listed<'_>, pattern: &str) -> bool {
    let (scope, source) = (one.found.scope.name(), one.found.source);
    glob::matches(pattern, &one.name)
        || glob::matches(pattern, &one.draft.name)
        || [scope, source].iter().any(|place| {
            pattern
                .strip_prefix(place)
                .and_then(|rest| rest.strip_prefix(':'))
                .is_some_and(|rest| glob::matches(rest, &one.draft.name))
        })
}

/// A name that nobody has is a typing error; a pattern may match nothing.
fn unknown_words(words: &[String], all: &[Listed<'_>]) -> Result<(), Complaint> {
    let is_pattern = |word: &&String| word.contains(['*', '?']);
    match words.iter().filter(|word| !is_pattern(word)).find(|word| !all.iter().any(|one| named(one, word))) {
        None => Ok(()),
        Some(word) => {
            let known: Vec<String> = all.iter().map(|one| one.name.clone()).collect();
            Err(words::unknown(word, words, &known))
        }
    }
}

/// Shows what needs a yes whole, and asks for each, unless `--yes` says it of all.
fn trust(args: &TargetsArgs, chosen: &[Listed<'_>], consents: &mut Consents) -> Result<Code, Complaint> {
    let say = |text: &str| output::say(text, true);
    let needing: Vec<&Listed<'_>> = chosen.iter().filter(|one| needs_consent(one)).collect();
    if needing.is_empty() && !args.quiet {
        say("nothing here needs your yes\n")?;
    }
    if !needing.iter().all(|one| consents.has(&one.identity())) && !args.selection.yes && !may_ask() {
        return Err(Complaint::usage("without a terminal nobody can be asked").hint(
            "look at `mcp-probe targets --json` first, then say yes to what you name: mcp-probe targets --trust NAME --yes",
        ));
    }
    let mut code = Code::Healthy;
    for one in needing {
        let shown = sanitize::one_line(&one.name, 120);
        if consents.has(&one.identity()) {
            if !args.quiet {
                say(&format!("{shown}: you agreed to it before\n"))?;
            }
            continue;
        }
        let target = match one.found.loaded.draft.target(&one.draft.name, &Machine) {
            Some(Ok((target, _))) => Target { name: one.name.clone().into(), ..target },
            _ => {
                let why = told(one, consents).state();
                say(&format!("warning: {shown} cannot be used now ({why}), so there is nothing to agree to\n"))?;
                code = Code::Unknown;
                continue;
            }
        };
        let answer = if args.selection.yes {
            let look = Terminal::stderr(args.document.color).look;
            say(&question::text(&target, one.draft, &Machine, &look))?;
            Answer::Yes
        } else {
            ask(&target, one.draft, args.document.color)
        };
        match answer {
            Answer::Yes => {
                consents.give(identity(one.draft, &target.env)).map_err(|why| {
                    Complaint::new(Code::Undelivered, format!("your yes could not be recorded: {why}"))
                })?;
                say(&format!("{shown}: agreed\n"))?;
            }
            Answer::No => code = Code::Unknown,
            Answer::Enough => return Ok(Code::Unknown),
        }
    }
    Ok(code)
}

/// Withdraws what was agreed to: of what is named, wherever it stands, or of all that is visible from here.
fn forget(args: &TargetsArgs, chosen: &[Listed<'_>], consents: &mut Consents) -> Result<(), Complaint> {
    let visible: Vec<_> = chosen.iter().map(|one| identity(one.draft, &[])).collect();
    let gone = consents.withdraw(|consent| {
        args.words.iter().any(|word| glob::matches(word, &consent.name))
            || visible.iter().any(|have| have.file == consent.file && have.name == consent.name)
    });
    let gone = gone.map_err(|why| Complaint::new(Code::Undelivered, format!("nothing could be withdrawn: {why}")))?;
    if args.quiet {
        return Ok(());
    }
    let mut text = String::new();
    for consent in &gone {
        let (name, file) = (sanitize::one_line(&consent.name, 120), sanitize::one_line(&consent.file, 300));
        text.push_str(&format!("{name} in {file}: your yes is withdrawn\n"));
    }
    if gone.is_empty() {
        text.push_str("no yes was recorded for this\n");
    }
    output::say(&text, true)
}

fn needs_consent(one: &Listed<'_>) -> bool {
    one.found.loaded.draft.found && one.draft.acts()
}

fn told(one: &Listed<'_>, consents: &Consents) -> TargetTold {
    let draft = one.draft;
    let said = draft.as_written();
    let words = |argv: &[Text]| shown::words(argv, None).into_iter().map(|word| word.written).collect::<Vec<_>>();
    let pairs = |pairs: &[(Key, Text)]| {
        pairs.iter().map(|(key, text)| (key.name.clone(), shown::value(&key.name, text, None).written)).collect()
    };
    let mut headers: std::collections::BTreeMap<String, String> = pairs(said.headers);
    if let Some(bearer) = said.bearer {
        let token = shown::value("Authorization", bearer, None).written;
        headers.insert("Authorization".to_owned(), format!("Bearer {token}"));
    }
    let (line, column) = draft.place.line_column();
    let yes = needs_consent(one).then(|| one.identity());
    let unset: Vec<UnsetTold> = draft.unset(&Machine).into_iter().map(unset_told).collect();
    TargetTold {
        name: one.name.clone(),
        target: draft.name.clone(),
        scope: one.found.scope.name(),
        source: one.found.source,
        client: draft.client().and_then(clients::client).map(|client| client.title),
        file: draft.place.source.name.clone(),
        line,
        column,
        transport: match (said.url, said.transport) {
            (None, _) => "stdio",
            (Some(_), TransportChoice::Auto) => "auto",
            (Some(_), TransportChoice::StreamableHttp) => "streamable-http",
            (Some(_), TransportChoice::Sse) => "sse",
        },
        command: words(said.command),
        url: said.url.map(|url| shown::text(url, None).written),
        start: words(said.start),
        headers,
        env: pairs(said.env),
        env_file: said.env_file.map(|file| shown::text(file, None).written),
        cwd: said.cwd.map(|cwd| shown::text(cwd, None).written),
        labels: draft.labels.clone(),
        disabled: draft.disabled.clone(),
        consent: ConsentTold {
            needed: yes.is_some(),
            given: yes.as_ref().is_some_and(|yes| consents.has(yes)),
            sha256: yes.map(|yes| yes.sha256),
        },
        problems: problems(one, !unset.is_empty()),
        unset,
    }
}

/// What is wrong with an entry, and unwise. Of what only this machine shows, an unset variable is told elsewhere.
fn problems(one: &Listed<'_>, misses_variables: bool) -> Vec<ProblemTold> {
    let draft = one.draft;
    let resolved = draft.client().and_then(|_| one.found.loaded.draft.target(&draft.name, &Machine));
    let known = draft.problems().len();
    let more = resolved.and_then(Result::err).unwrap_or_default().into_iter().skip(known);
    let more: Vec<Diag> = more.filter(|diag| !(diag.unset && misses_variables)).collect();
    draft.problems().iter().chain(&more).chain(draft.warnings()).map(problem).collect()
}

fn unset_told(variable: UnsetVariable) -> UnsetTold {
    let taken_as = match variable.becomes {
        Becomes::Mistake => None,
        Becomes::Empty => Some("empty"),
        Becomes::AsWritten => Some("written"),
    };
    UnsetTold { name: variable.name, taken_as }
}

/// A mistake without the line it stands on, which may hold a secret of somebody else's file.
fn problem(diag: &Diag) -> ProblemTold {
    ProblemTold {
        severity: diag.severity.name(),
        message: shown::prose(&diag.message),
        place: diag.place.as_ref().map(ToString::to_string),
        help: diag.help.as_deref().map(shown::prose),
    }
}

/// What is wrong, on stderr.
fn notes(told: &[TargetTold], unreadable: &[ProblemTold], quiet: bool, color: Option<Colour>) -> Result<(), Complaint> {
    let look = Terminal::stderr(color).look;
    let mut text = String::new();
    let mut note = |problem: &ProblemTold, name: Option<&str>| {
        if quiet && problem.severity != "error" {
            return;
        }
        let name = name.map(|name| format!("{name}: ")).unwrap_or_default();
        let line = sanitize::printable(&format!("{}: {name}{}", problem.severity, problem.line())).replace('\n', " ");
        text.push_str(
            &crate::report::wrap(&line, look.prose_width().map_or(usize::MAX, |width| width - 2)).join("\n  "),
        );
        text.push('\n');
    };
    for problem in unreadable {
        note(problem, None);
    }
    for target in told.iter().filter(|target| target.disabled.is_none()) {
        for problem in &target.problems {
            note(problem, Some(&target.name));
        }
    }
    output::say(&text, true)
}

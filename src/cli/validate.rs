//! `mcp-probe validate`: all mistakes in probe files at once, and in files of other clients that are named; then what
//! will disappoint, or one line about what was found. It reads the files and those that `${file:…}` names; it starts
//! nothing and connects nowhere.

mod sees;

use std::path::{Path, PathBuf};

use serde_json::{Value, json};

use clap::Args;

use super::args::{DocumentOptions, help};
use super::complaint::Complaint;
use super::exit::Code;
use super::explain::findings::FINDINGS;
use super::jq::Jq;
use super::terminal::Terminal;
use super::{output, shown};
use crate::audit::{reply, rules};
use crate::base::sanitize;
use crate::config::suggest::nearest;
use crate::config::{Diag, Place, Severity, render};
use crate::files::{Examined, Folders, Machine, default_paths, examine, examine_given, probe_files};
use crate::plan::Steps;

/// `mcp-probe validate [PATH...]`.
#[derive(Clone, Debug, Default, Args)]
#[command(after_help = help::VALIDATE)]
pub struct ValidateArgs {
    /// Probe files, and folders of them; by default ./mcp-probe.toml and ./probes/*.toml
    #[arg(value_name = "PATH")]
    pub paths: Vec<PathBuf>,
    /// Variables that are not set, and files that are missing, are mistakes
    #[arg(long)]
    pub env_required: bool,
    /// Warnings end with exit code 2, too
    #[arg(long)]
    pub deny_warnings: bool,
    /// Show mistakes only
    #[arg(short = 'q', long)]
    pub quiet: bool,
    /// How it is told.
    #[command(flatten)]
    pub output: DocumentOptions,
}

/// The version of the JSON document.
const SCHEMA: &str = "mcp-probe/validate/1";

/// Everything there is to say of some files.
struct Findings {
    examined: Examined,
    /// By file and line.
    mistakes: Vec<Diag>,
    /// By file and line.
    warnings: Vec<Diag>,
}

/// Validates, tells, gives the exit code.
///
/// # Errors
/// When there is nothing to validate, the filter of `--jq` is wrong, or stdout cannot be written.
pub fn run(validate: &ValidateArgs) -> Result<Code, Complaint> {
    let jq = validate.output.jq.as_deref().map(Jq::compile).transpose()?;
    let found = validate.paths.is_empty();
    let paths = if found { default_paths(Path::new(".")) } else { validate.paths.clone() };
    if paths.is_empty() {
        return Err(Complaint::new(Code::Nothing, "there is no ./mcp-probe.toml and no ./probes/*.toml here")
            .hint("name a probe file or a folder of them: mcp-probe validate probes/"));
    }
    let examined =
        if found { examine(&paths, true, &Machine) } else { examine_given(&paths, &Folders::here(), &Machine) };
    let findings = findings(examined, validate.env_required);
    let wrong = !findings.mistakes.is_empty() || (validate.deny_warnings && !findings.warnings.is_empty());
    let code = if wrong { Code::Usage } else { Code::Healthy };
    if validate.output.json || jq.is_some() {
        output::say_json(&document(&findings), jq.as_ref(), &Terminal::stdout(validate.output.color).look)?;
        return Ok(code);
    }
    let look = Terminal::stderr(validate.output.color).look;
    let shown = |diags: &[Diag]| render(diags, look.colour, look.width.map(usize::from));
    let mut text = shown(&findings.mistakes);
    if !findings.warnings.is_empty() && (!validate.quiet || validate.deny_warnings) {
        if !text.is_empty() {
            text.push('\n');
        }
        text.push_str(&shown(&findings.warnings));
    }
    if !text.is_empty() {
        text.push('\n');
    }
    output::say(&text, true)?;
    if wrong {
        return Err(Complaint::new(code, said(&findings)));
    }
    if !validate.quiet {
        let sees = sees::text(&sees::seen(&findings.examined));
        let share = share(&findings.examined).map(|share| format!("\n{share}")).unwrap_or_default();
        output::say(&format!("{}: {}{share}\n{sees}", said(&findings), inventory(&findings.examined)), false)?;
    }
    Ok(code)
}

/// Sorts what is a mistake from what is a warning. What this machine lacks is a mistake where it is required.
fn findings(mut examined: Examined, env_required: bool) -> Findings {
    let mut diags = std::mem::take(&mut examined.diags);
    for diag in examined.draft.lacking(&Machine).into_iter().chain(examined.telling.lacking(&Machine)) {
        diags.push(if diag.unset && !env_required { diag.softened() } else { diag });
    }
    let unseen: Vec<Diag> = sees::seen(&examined).iter().flat_map(|seen| seen.warnings(&examined.advice)).collect();
    diags.extend(unseen);
    diags.append(&mut examined.advice);
    diags.extend(unknown_findings(&examined));
    for diag in diags.iter_mut().filter(|diag| diag.place.as_ref().is_some_and(|place| place.source.foreign)) {
        // What another program's file says may hold secrets, which messages quote.
        diag.message = shown::prose(&diag.message);
        diag.help = diag.help.as_deref().map(shown::prose);
    }
    probe_files::sort(&mut diags);
    let (mistakes, warnings) = diags.into_iter().partition(|diag| diag.severity == Severity::Error);
    Findings { examined, mistakes, warnings }
}

/// Ids that no finding has: they never change a status.
fn unknown_findings(examined: &Examined) -> Vec<Diag> {
    let noticed = || {
        let ruled = rules::all().filter(|rule| rule.noticed).map(|rule| rule.id);
        ruled.chain(reply::advisable().map(|topic| topic.id))
    };
    let known = || FINDINGS.iter().map(|finding| finding.id).chain(noticed());
    let named = examined.draft.probes.iter().flat_map(|probe| &probe.places.findings);
    let unknown = named.filter(|(id, _)| !known().any(|have| have == id));
    unknown
        .map(|(id, place)| {
            let help = nearest(id, known()).map(|near| format!("did you mean `{near}`?"));
            Diag::warning(place, format!("there is no finding `{id}`"))
                .help(help.unwrap_or_else(|| "`mcp-probe explain findings` lists them".to_owned()))
        })
        .collect()
}

/// `2 mistakes, 1 warning`, `no mistakes`.
fn said(findings: &Findings) -> String {
    let mistakes = match findings.mistakes.len() {
        0 => "no mistakes".to_owned(),
        count => counted(count, "mistake"),
    };
    match findings.warnings.len() {
        0 => mistakes,
        count => format!("{mistakes}, {}", counted(count, "warning")),
    }
}

/// What was found, without what there is none of.
fn inventory(examined: &Examined) -> String {
    let parts: Vec<String> = counts(examined)
        .into_iter()
        .filter(|(_, count)| *count > 0)
        .map(|(name, count)| counted(count, name))
        .collect();
    parts.join(", ")
}

/// What there is of each kind, under its singular.
fn counts(examined: &Examined) -> [(&'static str, usize); 7] {
    let (draft, telling) = (&examined.draft, &examined.telling);
    let steps = |steps: &Steps| match steps {
        Steps::Lists => 0,
        Steps::Given(steps) => steps.len(),
    };
    [
        ("file", examined.files.len()),
        ("target", draft.targets.len()),
        ("probe", draft.probes.len()),
        ("step", draft.probes.iter().map(|probe| steps(&probe.steps)).sum()),
        ("alert", telling.alerts.len()),
        ("notifier", telling.notifiers.len()),
        ("push", telling.pushes.len()),
    ]
}

/// Which of the targets this prober has, where several divide them.
fn share(examined: &Examined) -> Option<String> {
    let shard = examined.draft.shard(&Machine).ok()??;
    let targets = &examined.draft.targets;
    let own = targets.iter().filter(|target| shard.has(&target.name)).count();
    Some(format!("shard {shard}: {own} of {}", counted(targets.len(), "target")))
}

fn counted(count: usize, noun: &str) -> String {
    let ending = match noun {
        _ if count == 1 => "",
        "push" => "es",
        _ => "s",
    };
    format!("{count} {noun}{ending}")
}

fn document(findings: &Findings) -> Value {
    let examined = &findings.examined;
    let mut summary = serde_json::Map::new();
    for (name, count) in counts(examined) {
        summary.insert(if name == "push" { "pushes".to_owned() } else { format!("{name}s") }, count.into());
    }
    summary.insert("mistakes".to_owned(), findings.mistakes.len().into());
    summary.insert("warnings".to_owned(), findings.warnings.len().into());
    let files: Vec<String> = examined.files.iter().map(|file| probe_files::name(file)).collect();
    let diagnostics: Vec<Value> = findings.mistakes.iter().chain(&findings.warnings).map(diagnostic).collect();
    let sees = sees::document(&sees::seen(examined));
    let mut document = json!({
        "schema": SCHEMA, "summary": summary, "files": files, "alerts": sees, "diagnostics": diagnostics,
    });
    if let Some(share) = share(examined) {
        document["share"] = share.into();
    }
    document
}

fn diagnostic(diag: &Diag) -> Value {
    let mut object = serde_json::Map::new();
    object.insert("severity".to_owned(), diag.severity.name().into());
    object.insert("message".to_owned(), safe(&diag.message).into());
    if let Some(place) = &diag.place {
        object.append(&mut located(place));
    }
    if !diag.label.is_empty() {
        object.insert("label".to_owned(), safe(&diag.label).into());
    }
    if let Some(help) = &diag.help {
        object.insert("help".to_owned(), safe(help).into());
    }
    if !diag.others.is_empty() {
        let related = diag.others.iter().map(|(place, label)| {
            let mut other = located(place);
            other.insert("label".to_owned(), safe(label).into());
            Value::Object(other)
        });
        object.insert("related".to_owned(), related.collect());
    }
    Value::Object(object)
}

/// The place as editors count: lines and columns from 1, columns in characters, the end excluded.
fn located(place: &Place) -> serde_json::Map<String, Value> {
    let (line, column) = place.line_column();
    let end = Place::new(&place.source, place.span.end..place.span.end);
    let (end_line, end_column) = end.line_column();
    let mut object = serde_json::Map::new();
    object.insert("file".to_owned(), place.source.name.as_str().into());
    for (name, value) in [("line", line), ("column", column), ("end_line", end_line), ("end_column", end_column)] {
        object.insert(name.to_owned(), value.into());
    }
    object
}

/// Texts that may quote a file: no control characters, as people see them.
fn safe(text: &str) -> String {
    sanitize::printable(text).into_owned()
}

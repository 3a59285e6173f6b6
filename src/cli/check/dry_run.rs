//! `check --dry-run`: every call that would be made, to whom and in which order, before any is made. Nothing is started
//! and nothing is sent; what only the server can tell (is a tool read-only?) is said as a condition.

use std::collections::BTreeMap;

use serde::Serialize;
use serde_json::{Value, json};

use super::Request;
use crate::base::duration::{millis, written};
use crate::base::sanitize::printable;
use crate::base::secret::Masker;
use crate::cli::args::CheckArgs;
use crate::cli::complaint::Complaint;
use crate::cli::credentials::shown_url;
use crate::cli::exit::Code;
use crate::cli::output;
use crate::cli::terminal::Terminal;
use crate::config::template::{Saved, Template};
use crate::plan::step::OnFail;
use crate::plan::{Endpoint, Inherit, Pin, Plan, Probe, Step, Steps, Target, TransportChoice};
use crate::report::format::JSON;
use crate::report::{Ink, Look, count};

/// The schema id.
pub const SCHEMA: &str = "mcp-probe/dry-run/1";

/// The document.
#[derive(Serialize)]
struct Document {
    schema: &'static str,
    repeat: u32,
    /// Which share of the whole it is, where several probers divide it.
    #[serde(skip_serializing_if = "Option::is_none")]
    share: Option<String>,
    probes: Vec<Told>,
}

/// A probe with one of its targets.
#[derive(Serialize)]
struct Told {
    name: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    place: Option<String>,
    target: Reach,
    timeout_ms: f64,
    retries: u32,
    calls: Vec<Call>,
}

/// How a target is reached.
#[derive(Serialize)]
struct Reach {
    name: String,
    origin: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    url: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    command: Option<Vec<String>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    start: Option<Vec<String>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    cwd: Option<String>,
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    env: BTreeMap<String, String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    inherit_env: Option<Vec<String>>,
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    headers: BTreeMap<String, String>,
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    insecure: bool,
    protocol: String,
    transport: &'static str,
    startup_timeout_ms: f64,
    #[serde(skip_serializing_if = "Option::is_none")]
    traceparent: Option<bool>,
    /// It was found and not named, and acts on this machine.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    needs_consent: bool,
}

/// One call.
#[derive(Serialize)]
struct Call {
    name: String,
    method: String,
    params: Value,
    #[serde(skip_serializing_if = "Option::is_none")]
    tool: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    only_if: Option<String>,
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    allow_side_effects: bool,
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    unlisted: bool,
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    idempotent: bool,
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    always: bool,
    #[serde(skip_serializing_if = "Option::is_none")]
    on_fail: Option<&'static str>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    answers: Vec<&'static str>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    checks: Vec<&'static str>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    saves: Vec<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    place: Option<String>,
}

/// Prints what would be done.
///
/// # Errors
/// When stdout cannot be written, or the filter fails.
pub fn tell(check: &CheckArgs, request: &Request, plan: &Plan, masker: &Masker) -> Result<u8, Complaint> {
    let probes: Vec<Told> = plan.pairs().map(|(probe, target)| told(probe, target)).collect();
    let repeat = check.repeat.unwrap_or(1);
    if request.outlets.stdout == JSON {
        let share = plan.share.map(|share| share.to_string());
        let document = Document { schema: SCHEMA, repeat, share, probes };
        let mut document = serde_json::to_value(document)
            .map_err(|error| Complaint::new(Code::Bug, format!("the JSON document could not be made: {error}")))?;
        masker.mask_json(&mut document);
        super::print_document(&document, request.outlets.jq.as_ref(), &check.output)?;
        return Ok(Code::Healthy.number());
    }
    let look = Terminal::stdout(check.output.color).look;
    let mut text: String = if look.is_terminal() {
        probes.iter().map(|told| told.story(&look)).collect::<Vec<_>>().join("\n")
    } else {
        probes.iter().map(Told::rows).collect()
    };
    if look.is_terminal() && !check.output.quiet {
        text.push_str(&summary(&probes, repeat));
        text.extend(plan.share.map(|share| format!("{share}\n")));
    }
    output::say(&masker.mask(&text), false)?;
    Ok(Code::Healthy.number())
}

fn summary(probes: &[Told], repeat: u32) -> String {
    let calls: usize = probes.iter().map(|told| told.calls.len()).sum();
    let times = if repeat > 1 { format!(", {repeat} times") } else { String::new() };
    let (probes, calls) = (count(probes.len(), "probe"), count(calls, "call"));
    format!("\n{probes} with {calls}{times}: nothing was started, nothing was sent\n")
}

fn told(probe: &Probe, target: &Target) -> Told {
    let mut calls = match &probe.steps {
        Steps::Lists => lists("").collect(),
        Steps::Given(steps) => steps.iter().map(call).collect::<Vec<_>>(),
    };
    if probe.locked {
        calls.extend(lists("lock: "));
    }
    Told {
        name: probe.name.to_string(),
        place: probe.place.as_ref().map(ToString::to_string),
        target: reach(target),
        timeout_ms: millis(probe.timeout),
        retries: probe.retries,
        calls,
    }
}

/// The lists that the server's capabilities announce.
fn lists(before: &str) -> impl Iterator<Item = Call> {
    [
        ("tools/list", "tools"),
        ("prompts/list", "prompts"),
        ("resources/list", "resources"),
        ("resources/templates/list", "resources"),
    ]
    .into_iter()
    .map(move |(method, capability)| Call {
        only_if: Some(format!("the server announces the capability {capability}")),
        ..Call::of(&format!("{before}{method}"), method, json!({}))
    })
}

fn reach(target: &Target) -> Reach {
    let (url, command) = match &target.endpoint {
        Endpoint::Url(url) => (Some(shown_url(url)), None),
        Endpoint::Command(argv) => (None, Some(argv.clone())),
    };
    let mut headers: BTreeMap<String, String> =
        target.headers.iter().map(|(name, value)| (name.clone(), value.reveal().to_owned())).collect();
    if let Some(bearer) = &target.bearer {
        headers.insert("Authorization".to_owned(), format!("Bearer {}", bearer.reveal()));
    }
    let transport = match (&target.endpoint, target.transport) {
        (Endpoint::Command(_), _) => "stdio",
        (_, TransportChoice::Auto) => "auto",
        (_, TransportChoice::StreamableHttp) => "streamable-http",
        (_, TransportChoice::Sse) => "sse",
    };
    Reach {
        name: target.name.to_string(),
        origin: target.origin.text.clone(),
        url,
        command,
        start: target.start.clone(),
        cwd: target.cwd.as_ref().map(|cwd| cwd.display().to_string()),
        env: target.env.iter().map(|(name, value)| (name.clone(), value.reveal().to_owned())).collect(),
        inherit_env: match &target.inherit_env {
            Inherit::All => None,
            Inherit::Minimal(also) => Some(also.clone()),
            Inherit::Exactly { names, .. } => Some(names.clone()),
        },
        headers,
        insecure: target.tls.insecure,
        protocol: match target.protocol {
            Pin::Auto => "auto".to_owned(),
            Pin::Modern => "modern".to_owned(),
            Pin::Legacy => "legacy".to_owned(),
            Pin::Version(revision) => revision.version.to_owned(),
        },
        transport,
        startup_timeout_ms: millis(target.startup_timeout),
        traceparent: target.traceparent,
        needs_consent: target.needs_consent(),
    }
}

fn call(step: &Step) -> Call {
    let answers = [
        ("roots", step.answers.roots.is_some()),
        ("sampling", step.answers.sampling.is_some()),
        ("elicitation", step.answers.elicitation.is_some()),
    ];
    Call {
        tool: step.tool().map(str::to_owned),
        only_if: condition(step),
        allow_side_effects: step.allow_side_effects,
        unlisted: step.unlisted,
        idempotent: step.idempotent,
        always: step.always,
        on_fail: (step.on_fail == OnFail::Degrade).then_some("degraded"),
        answers: answers.into_iter().filter(|(_, given)| *given).map(|(kind, _)| kind).collect(),
        checks: step.checks.iter().map(|expectation| expectation.check.kind()).collect(),
        saves: step.save.iter().map(|(name, _)| name.clone()).collect(),
        place: Some(step.place.to_string()),
        ..Call::of(&step.name, &step.method, shown(&step.params))
    }
}

/// What has to be true of a tool before it is called.
fn condition(step: &Step) -> Option<String> {
    if step.method != "tools/call" {
        return None;
    }
    match (step.allow_side_effects, step.unlisted) {
        (true, true) => None,
        (true, false) => Some("the server lists the tool".to_owned()),
        (false, _) => Some("the server lists the tool as read-only".to_owned()),
    }
}

/// The parameters as far as they are known: what a step will save stands as it is written.
fn shown(params: &Template) -> Value {
    let saved: Saved =
        params.saved_names().into_iter().map(|name| (name.to_owned(), format!("${{save.{name}}}").into())).collect();
    params.fill(&saved).unwrap_or(Value::Null)
}

impl Call {
    fn of(name: &str, method: &str, params: Value) -> Self {
        Self {
            name: name.to_owned(),
            method: method.to_owned(),
            params,
            tool: None,
            only_if: None,
            allow_side_effects: false,
            unlisted: false,
            idempotent: false,
            always: false,
            on_fail: None,
            answers: Vec::new(),
            checks: Vec::new(),
            saves: Vec::new(),
            place: None,
        }
    }

    /// What else is to be known of it, in words.
    fn notes(&self) -> String {
        let mut notes: Vec<String> = self.only_if.iter().map(|condition| format!("only if {condition}")).collect();
        let flags = [
            (self.allow_side_effects, "allow_side_effects"),
            (self.unlisted, "unlisted"),
            (self.idempotent, "idempotent"),
            (self.always, "always"),
            (self.on_fail.is_some(), "on_fail = \"degraded\""),
        ];
        notes.extend(flags.into_iter().filter(|(is, _)| *is).map(|(_, word)| word.to_owned()));
        if !self.answers.is_empty() {
            notes.push(format!("answers {}", self.answers.join(", ")));
        }
        if !self.saves.is_empty() {
            notes.push(format!("saves {}", self.saves.join(", ")));
        }
        if !self.checks.is_empty() {
            notes.push(format!("expects {}", self.checks.join(", ")));
        }
        notes.join("; ")
    }
}

impl Reach {
    /// The URL, or the command as one would type it.
    fn whereabouts(&self) -> String {
        let quoted = |argv: &[String]| {
            let word = |word: &String| if word.contains([' ', '\t', '"']) { format!("{word:?}") } else { word.clone() };
            argv.iter().map(word).collect::<Vec<_>>().join(" ")
        };
        let mut text = match (&self.url, &self.command) {
            (Some(url), _) => url.clone(),
            (None, Some(argv)) => format!("-- {}", quoted(argv)),
            (None, None) => String::new(),
        };
        if let Some(start) = &self.start {
            text.push_str(&format!(", started by: {}", quoted(start)));
        }
        for (name, value) in &self.headers {
            text.push_str(&format!(", -H '{name}: {value}'"));
        }
        for (name, value) in &self.env {
            text.push_str(&format!(", -e {name}={value}"));
        }
        if let Some(cwd) = &self.cwd {
            text.push_str(&format!(", --cwd {cwd}"));
        }
        if self.insecure {
            text.push_str(", --insecure");
        }
        text
    }

    /// What is sent first, to open the conversation.
    fn opening(&self) -> &'static str {
        match self.protocol.as_str() {
            "auto" => "server/discover, or initialize where the server is of the legacy era",
            "modern" | "2026-07-28" => "server/discover",
            _ => "initialize",
        }
    }
}

impl Told {
    fn limits(&self) -> String {
        let ms = |ms: f64| written(std::time::Duration::from_secs_f64(ms / 1000.0));
        let retries = match self.retries {
            0 => "no retry".to_owned(),
            1 => "1 retry".to_owned(),
            n => format!("{n} retries"),
        };
        format!("start within {}, steps within {}, {retries}", ms(self.target.startup_timeout_ms), ms(self.timeout_ms))
    }

    /// One row a call: probe, target, step, method, parameters, notes, where it goes, limits.
    fn rows(&self) -> String {
        let cell = |text: &str| printable(text).replace('\t', "\\t").replace('\n', "\\n");
        let row = |(at, call): (usize, &Call)| {
            let cells = [
                self.name.clone(),
                self.target.name.clone(),
                (at + 1).to_string(),
                call.method.clone(),
                call.params.to_string(),
                call.notes(),
                self.target.whereabouts(),
                self.limits(),
            ];
            cells.iter().map(|text| cell(text)).collect::<Vec<_>>().join("\t") + "\n"
        };
        self.calls.iter().enumerate().map(row).collect()
    }

    fn story(&self, look: &Look) -> String {
        // Blanks inside of parameters are what is sent, so they stay.
        let line = |text: &str| printable(text).replace('\n', "\\n");
        let mut text = look.paint(Ink::Strong, &line(&format!("{} on {}", self.name, self.target.name)));
        if let Some(place) = &self.place {
            text.push_str(&look.paint(Ink::Dim, &format!("  [{}]", line(place))));
        }
        text.push('\n');
        let mut fact = |label: &str, value: &str| {
            text.push_str(&format!("  {} {}\n", look.paint(Ink::Dim, &format!("{label:<7}")), line(value)));
        };
        fact("reach", &self.target.whereabouts());
        fact("limits", &self.limits());
        if self.target.needs_consent {
            fact("consent", &format!("found in {}: it needs your yes, or --yes", self.target.origin));
        }
        fact("open", self.target.opening());
        for (at, call) in self.calls.iter().enumerate() {
            let params = if call.params == json!({}) { String::new() } else { format!(" {}", call.params) };
            fact(&format!("call {}", at + 1), &format!("{}{params}", call.method));
            let notes = call.notes();
            if !notes.is_empty() {
                fact("", &notes);
            }
        }
        text
    }
}

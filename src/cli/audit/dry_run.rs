//! `audit --dry-run`: every message that would be sent, for each revision that could be spoken, and the rules that it is
//! for. Nothing is started and nothing is sent; what follows from the answers of a server is not known yet.

use serde::Serialize;
use serde_json::Value;

use super::AuditArgs;
use crate::audit::exercise::{Line, Move};
use crate::audit::{Body, Edit, Envelope, Exercise, Send, Verb, Wait};
use crate::base::duration::human;
use crate::base::sanitize::one_line;
use crate::base::secret::Masker;
use crate::cli::complaint::Complaint;
use crate::cli::exit::Code;
use crate::cli::jq::Jq;
use crate::cli::output;
use crate::cli::terminal::Terminal;
use crate::event::TransportKind;
use crate::plan::{Endpoint, Pin, Target, TransportChoice};
use crate::protocol::Revision;
use crate::protocol::revision::REVISIONS;
use crate::report::{Ink, Look, count, indented, wrap};
use crate::run::audit::{AuditPlan, rehearse};

/// The schema id.
const SCHEMA: &str = "mcp-probe/audit-plan/1";

/// The document.
#[derive(Serialize)]
struct Document {
    schema: &'static str,
    audits: Vec<Audit>,
}

/// One target in one revision.
#[derive(Serialize)]
struct Audit {
    target: String,
    version: &'static str,
    era: &'static str,
    transport: &'static str,
    exercises: Vec<Told>,
}

/// One exercise.
#[derive(Serialize)]
struct Told {
    name: &'static str,
    about: &'static str,
    class: &'static str,
    connection: &'static str,
    /// The rules that need it. Those that need nothing judge every message.
    rules: Vec<&'static str>,
    messages: Vec<Message>,
}

/// One message.
#[derive(Serialize)]
struct Message {
    label: &'static str,
    kind: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    method: Option<String>,
    #[serde(skip_serializing_if = "Value::is_null")]
    params: Value,
    /// What is odd about it, or to be known.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    notes: Vec<String>,
}

/// Prints what would be sent.
///
/// # Errors
/// When stdout cannot be written, or the filter fails.
pub(super) fn tell(
    args: &AuditArgs,
    jq: Option<&Jq>,
    targets: &[Target],
    plan: &AuditPlan,
    masker: &Masker,
) -> Result<u8, Complaint> {
    let audits: Vec<Audit> = targets.iter().flat_map(|target| audits(args, target, plan)).collect();
    let look = Terminal::stdout(args.output.color).look;
    if args.output.json || jq.is_some() {
        let mut document = serde_json::to_value(Document { schema: SCHEMA, audits })
            .map_err(|error| Complaint::new(Code::Bug, format!("the JSON document could not be made: {error}")))?;
        masker.mask_json(&mut document);
        output::say_json(&document, jq, &look)?;
        return Ok(Code::Healthy.number());
    }
    let text: String = if look.is_terminal() {
        audits.iter().map(|audit| audit.story(&look)).collect::<String>() + "Nothing was started, nothing was sent.\n"
    } else {
        audits.iter().map(Audit::rows).collect()
    };
    output::say(&masker.mask(&text), false)?;
    Ok(Code::Healthy.number())
}

fn audits(args: &AuditArgs, target: &Target, plan: &AuditPlan) -> Vec<Audit> {
    let transport = match (&target.endpoint, target.transport) {
        (Endpoint::Command(_), _) => TransportKind::Stdio,
        (_, TransportChoice::Sse) => TransportKind::Sse,
        _ => TransportKind::StreamableHttp,
    };
    revisions(args, target.protocol)
        .map(|revision| Audit {
            target: target.name.to_string(),
            version: revision.version,
            era: revision.era.name(),
            transport: transport.name(),
            exercises: rehearse(revision, transport, plan)
                .into_iter()
                .map(|(exercise, moves)| told(exercise, &moves, (revision, transport), plan))
                .collect(),
        })
        .collect()
}

/// The revisions that could be spoken: the newest of each era, or all.
fn revisions(args: &AuditArgs, pin: Pin) -> impl Iterator<Item = &'static Revision> {
    REVISIONS.iter().rev().copied().filter(move |revision| match pin {
        Pin::Version(pinned) => pinned.version == revision.version,
        _ if pin.era().is_some_and(|era| era != revision.era) => false,
        _ => args.every_revision || Revision::newest(revision.era).version == revision.version,
    })
}

fn told(
    exercise: &'static Exercise,
    moves: &[Move],
    (revision, transport): (&Revision, TransportKind),
    plan: &AuditPlan,
) -> Told {
    let needs = |needed: &Exercise| needed.name == exercise.name;
    let rules = plan.wanted().filter(|rule| rule.does_not_apply(revision, transport).is_none());
    Told {
        name: exercise.name,
        about: exercise.about,
        class: exercise.class.name(),
        connection: match exercise.line {
            Line::Shared => "shared",
            Line::Own => "own",
            Line::Bare => "bare",
        },
        rules: rules.filter(|rule| rule.needs.iter().any(|one| needs(one))).map(|rule| rule.id).collect(),
        messages: moves.iter().flat_map(messages).collect(),
    }
}

fn messages(one: &Move) -> Vec<Message> {
    match one {
        Move::Send(send) => vec![message(send, None)],
        Move::Together(sends) => {
            sends.iter().map(|send| message(send, Some("written with the others at once"))).collect()
        }
        Move::Follow(send, _) | Move::Trail(send, _) => vec![message(send, Some("and what follows from its answer"))],
        Move::Listen(time) => vec![Message {
            label: "listen",
            kind: "silence",
            method: None,
            params: Value::Null,
            notes: vec![format!("nothing is sent for {}", human(*time))],
        }],
    }
}

fn message(send: &Send, also: Option<&str>) -> Message {
    let mut notes: Vec<String> = Vec::new();
    let (kind, params) = match (&send.body, send.verb) {
        (Body::Document(url), _) => {
            notes.push(format!("of {}", one_line(url, 200)));
            ("document", Value::Null)
        }
        (_, Verb::Get) => ("GET", Value::Null),
        (_, Verb::Delete) => ("DELETE", Value::Null),
        (Body::Request { params, id, envelope, .. }, _) => {
            notes.extend(id.as_ref().map(|id| format!("with the id {id}")));
            notes.extend(of_envelope(envelope));
            ("request", params.clone())
        }
        (Body::Notification { params, .. }, _) => ("notification", params.clone()),
        (Body::Raw { text, .. }, _) => {
            notes.push(format!("these bytes: {}", one_line(text, 200)));
            ("raw", Value::Null)
        }
        (Body::None, _) => ("nothing", Value::Null),
    };
    for edit in &send.headers {
        notes.push(match edit {
            Edit::Set(name, value) => format!("with the header {name}: {}", one_line(value, 80)),
            Edit::Drop(name) => format!("without the header {name}"),
        });
    }
    if send.place > 0 {
        notes.push(format!("on connection {}", send.place + 1));
    }
    if send.pages {
        notes.push("all pages".to_owned());
    }
    if let Wait::For(time) = send.wait {
        notes.push(format!("then {} of listening", human(time)));
    }
    notes.extend(also.map(ToOwned::to_owned));
    Message { label: send.label, kind, method: send.method().map(ToOwned::to_owned), params, notes }
}

fn of_envelope(envelope: &Envelope) -> Option<String> {
    match envelope {
        Envelope::Whole => None,
        Envelope::With(extra) => {
            Some(format!("with {} in _meta", one_line(&Value::Object(extra.clone()).to_string(), 200)))
        }
        Envelope::Without(keys) => Some(format!("without {} in _meta", keys.join(" and "))),
        Envelope::None => Some("without _meta".to_owned()),
    }
}

impl Audit {
    fn story(&self, look: &Look) -> String {
        let messages: usize = self.exercises.iter().map(|exercise| exercise.messages.len()).sum();
        let head = format!("{}: {} {} over {}", one_line(&self.target, 120), self.era, self.version, self.transport);
        let mut text = format!("{}, {}\n", look.paint(Ink::Strong, &head), count(messages, "message"));
        let width = look.prose_width().unwrap_or(80);
        for exercise in &self.exercises {
            let connection = match exercise.connection {
                "shared" => "",
                "bare" => ", a connection on which nothing was said",
                _ => ", a connection of its own",
            };
            let head = look.paint(Ink::Key, exercise.name);
            text.push_str(&format!(
                "\n  {head} {}\n",
                look.paint(Ink::Dim, &format!("({}{connection})", exercise.class))
            ));
            let about = wrap(exercise.about, width.saturating_sub(4)).join("\n");
            text.push_str(&(indented(&about, "    ") + "\n"));
            if !exercise.rules.is_empty() {
                let rules = wrap(&format!("for {}", exercise.rules.join(", ")), width.saturating_sub(4)).join("\n");
                text.push_str(&(look.paint(Ink::Dim, &indented(&rules, "    ")) + "\n"));
            }
            for message in &exercise.messages {
                let line = wrap(&message.line(), width.saturating_sub(8)).join("\n");
                let line = indented(&line, "        ");
                text.push_str(&format!("      - {}\n", line.trim_start()));
            }
        }
        text.push('\n');
        text
    }

    fn rows(&self) -> String {
        let mut text = String::new();
        for exercise in &self.exercises {
            for message in &exercise.messages {
                let cells = [
                    one_line(&self.target, 200),
                    self.version.to_owned(),
                    self.transport.to_owned(),
                    exercise.name.to_owned(),
                    exercise.class.to_owned(),
                    message.label.to_owned(),
                    message.kind.to_owned(),
                    one_line(message.method.as_deref().unwrap_or_default(), 200),
                    message.notes.join("; "),
                ];
                text.push_str(&(cells.join("\t") + "\n"));
            }
        }
        text
    }
}

impl Message {
    fn line(&self) -> String {
        let mut line = format!("{}: {}", self.label, self.kind);
        if let Some(method) = &self.method {
            line.push_str(&format!(" {}", one_line(method, 80)));
        }
        let is_plain = self.params.is_null() || self.params.as_object().is_some_and(serde_json::Map::is_empty);
        if !is_plain {
            line.push_str(&format!(" {}", one_line(&self.params.to_string(), 160)));
        }
        if !self.notes.is_empty() {
            line.push_str(&format!(" ({})", self.notes.join(", ")));
        }
        line
    }
}

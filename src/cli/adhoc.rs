//! One call, ad hoc: from what was typed to a [`Request`], and from what was found to what is printed. Answers are
//! told one by one as they come, so that a server that is slow to exit delays nothing but the exit.

pub mod run;

use std::time::Duration;

use serde_json::Value;

use super::args::{AdHoc, OutputOptions, SelectionOptions};
use super::complaint::Complaint;
use super::connection::{self, Connection};
use super::exit::{self, Code, Ending};
use super::jq::Jq;
use super::output::{self, Kind};
use super::params;
use super::terminal::Terminal;
use super::words::{self, Named};
use crate::base::name::Name;
use crate::base::sanitize;
use crate::base::secret::Masker;
use crate::event::{Finding, Status};
use crate::report::call::{AnswerTold, CallTold, Heading, OverviewTold};
use crate::report::call_json::{self, Told};
use crate::report::render::{self, error, latency, overview, summary, value};
use crate::report::{Ink, Look};

/// Everything that was asked for, checked.
pub struct Request {
    /// The method; `None` is the overview.
    pub method: Option<String>,
    /// Its parameters.
    pub params: Option<Value>,
    /// The targets that were named; none means all that can be found.
    pub named: Vec<Named>,
    /// How they are reached.
    pub connection: Connection,
    /// How often the call is made.
    pub repeat: u64,
    /// From the start of one call to the start of the next.
    pub interval: Option<Duration>,
    /// Repeat a tool that is not read-only.
    pub allow_side_effects: bool,
    /// Look at the server's processes.
    pub usage: bool,
    /// Which targets.
    pub selection: SelectionOptions,
    /// How it is told.
    pub output: OutputOptions,
    /// The filter, compiled.
    pub jq: Option<Jq>,
    /// The reply as received.
    pub raw: bool,
}

/// Checks what was typed. Nothing is sent before this is done: a typing error costs no call.
///
/// # Errors
/// When something cannot be meant.
pub fn prepare(ad_hoc: &AdHoc) -> Result<Request, Complaint> {
    let meaning = words::meaning(ad_hoc)?;
    let connection = connection::connection(&ad_hoc.connection, &meaning.named)?;
    let params = match &meaning.method {
        Some(method) => params::params(&ad_hoc.call, method)?,
        None => None,
    };
    Ok(Request {
        method: meaning.method,
        params,
        named: meaning.named,
        connection,
        repeat: ad_hoc.call.count.unwrap_or(1),
        interval: ad_hoc.call.interval,
        allow_side_effects: ad_hoc.call.allow_side_effects,
        usage: ad_hoc.call.usage,
        selection: ad_hoc.selection.clone(),
        output: ad_hoc.output.clone(),
        jq: ad_hoc.jq.as_deref().map(Jq::compile).transpose()?,
        raw: ad_hoc.raw,
    })
}

/// One target's outcome.
#[derive(Clone, Debug)]
pub enum Outcome {
    /// Of a call.
    Call(Box<CallTold>),
    /// Of an overview.
    Overview(Box<OverviewTold>),
}

impl Outcome {
    fn heading(&self) -> &Heading {
        match self {
            Self::Call(call) => &call.heading,
            Self::Overview(overview) => &overview.heading,
        }
    }

    fn heading_mut(&mut self) -> &mut Heading {
        match self {
            Self::Call(call) => &mut call.heading,
            Self::Overview(overview) => &mut overview.heading,
        }
    }

    fn told(&self) -> Told<'_> {
        match self {
            Self::Call(call) => Told::Call(call),
            Self::Overview(overview) => Told::Overview(overview),
        }
    }

    fn mask(&mut self, masker: &Masker) {
        match self {
            Self::Call(call) => call.mask(masker),
            Self::Overview(overview) => overview.mask(masker),
        }
    }
}

/// Text for the two streams.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
struct Text {
    stdout: Vec<u8>,
    stderr: String,
}

/// Tells outcomes as they come.
pub struct Teller<'a> {
    request: &'a Request,
    masker: Masker,
    stdout: Look,
    stderr: Look,
    /// Whether exactly one target was named: decides the JSON document and whether names are shown.
    single: bool,
    endings: Vec<Ending>,
    withheld: bool,
    kept: Vec<Outcome>,
    /// The names of the targets, in the order in which they were named or found.
    order: Vec<Name>,
    told: usize,
}

impl<'a> Teller<'a> {
    /// For one run. `single` is whether exactly one target was named.
    #[must_use]
    pub fn new(request: &'a Request, single: bool, masker: Masker) -> Self {
        let stdout = Terminal::stdout(request.output.color).look;
        let stderr = Terminal::stderr(request.output.color).look;
        Self {
            request,
            masker,
            stdout,
            stderr,
            single,
            endings: Vec::new(),
            withheld: false,
            kept: Vec::new(),
            order: Vec::new(),
            told: 0,
        }
    }

    /// A document of several targets has them in this order, whoever answers first.
    pub fn keep_order(&mut self, targets: Vec<Name>) {
        self.order = targets;
    }

    /// Tells one target's outcome now; JSON of several targets waits for [`Teller::finish`].
    ///
    /// # Errors
    /// When stdout cannot be written, or `--jq` fails on this result.
    pub fn tell(&mut self, mut outcome: Outcome) -> Result<(), Complaint> {
        outcome.mask(&self.masker);
        let heading = outcome.heading();
        self.endings.push(Ending::new(heading.status, heading.cause.as_ref(), heading.connected));
        self.withheld |= heading.withheld;
        let (text, complaint) = self.text(&outcome);
        let is_json = self.json_document() || (self.request.raw && self.request.jq.is_none());
        output::say_answer(&text.stdout, if is_json { Kind::Json } else { Kind::Text })?;
        output::say(&text.stderr, true)?;
        self.told += 1;
        if self.json_document() && !self.single {
            self.kept.push(outcome);
        }
        complaint.map_or(Ok(()), Err)
    }

    /// Tells what closing a session showed, after its answer has been printed.
    ///
    /// # Errors
    /// None in practice: it goes to stderr.
    pub fn tell_late(&self, target: &str, findings: &[Finding]) -> Result<(), Complaint> {
        if self.request.output.quiet || self.machine() {
            return Ok(());
        }
        let target = (!self.single).then_some(target);
        output::say(&self.masker.mask(&error::findings(findings, target, &self.stderr)), true)
    }

    /// Prints what was kept, and gives the exit code. `undelivered` is what could not be told; it is said, and what
    /// failed outranks it.
    ///
    /// # Errors
    /// When the document could not be made.
    pub fn finish(mut self, mut undelivered: Option<Complaint>) -> Result<u8, Complaint> {
        let place = |outcome: &Outcome| self.order.iter().position(|name| **name == *outcome.heading().target);
        self.kept.sort_by_cached_key(place);
        if self.json_document() && !self.single && undelivered.is_none() {
            let document = call_json::several(self.kept.iter().map(Outcome::told)).map_err(|error| bug(&error))?;
            let document = value::document(&document, &self.stdout);
            undelivered = output::say_answer(document.as_bytes(), Kind::Json).err();
        }
        if let Some(complaint) = &undelivered {
            let _ = complaint.show(&Terminal::stderr(self.request.output.color));
        }
        if self.withheld {
            return Ok(Code::Usage.number());
        }
        Ok(exit::fold(self.endings, false, undelivered.is_some()).number())
    }

    fn json_document(&self) -> bool {
        self.request.output.json && self.request.jq.is_none()
    }

    /// Whether stdout is for a program.
    fn machine(&self) -> bool {
        self.request.output.json || self.request.jq.is_some() || self.request.raw
    }

    fn text(&self, outcome: &Outcome) -> (Text, Option<Complaint>) {
        let mut text = Text { stdout: Vec::new(), stderr: self.diagnostics(outcome) };
        let mut complaint = None;
        if let Some(jq) = &self.request.jq {
            if let Some(result) = call_json::result(outcome.told()) {
                let (printed, failed) = match jq.run(&result, &self.stdout) {
                    Ok(printed) => (printed, None),
                    Err((printed, failed)) => (printed, Some(failed)),
                };
                text.stdout = printed.into_bytes();
                complaint = failed;
            }
        } else if self.request.output.json {
            if self.single {
                match call_json::one(outcome.told()) {
                    Ok(document) => text.stdout = value::document(&document, &self.stdout).into_bytes(),
                    Err(error) => complaint = Some(bug(&error)),
                }
            }
        } else if self.request.raw {
            text.stdout = self.raw(outcome);
        } else {
            text.stdout = self.readable(outcome).into_bytes();
        }
        (text, complaint)
    }

    fn raw(&self, outcome: &Outcome) -> Vec<u8> {
        let answers: &[AnswerTold] = match outcome {
            Outcome::Call(call) => call.answer.as_slice(),
            Outcome::Overview(overview) => &overview.lists,
        };
        let mut bytes = Vec::new();
        for page in answers.iter().flat_map(|answer| &answer.raw) {
            if self.stdout.is_terminal() {
                bytes.extend_from_slice(sanitize::bytes(page).as_bytes());
            } else {
                bytes.extend_from_slice(page);
            }
            bytes.push(b'\n');
        }
        bytes
    }

    fn readable(&self, outcome: &Outcome) -> String {
        let look = &self.stdout;
        let mut text = match outcome {
            Outcome::Call(call) => {
                let result = call.answer.as_ref().and_then(AnswerTold::result);
                let mut text = result.map_or_else(String::new, |result| render::result(&call.method, result, look));
                if let Some(latencies) = &call.latency {
                    if look.is_terminal() && !text.is_empty() {
                        text.push('\n');
                    }
                    text.push_str(&latency::summary(latencies, look));
                }
                text
            }
            Outcome::Overview(told) => overview::overview(told, look),
        };
        let heading = outcome.heading();
        if !look.is_terminal() {
            return if self.single { text } else { named_rows(&heading.target, &text) };
        }
        if !self.request.output.quiet && heading.connected {
            text.push_str(&match outcome {
                Outcome::Call(call) => summary::call(call, look),
                Outcome::Overview(told) => format!("\n{}", summary::overview(told, look)),
            });
        }
        if self.single || text.is_empty() {
            return text;
        }
        let gap = if self.told == 0 { "" } else { "\n" };
        let name = format!("── {} ──", sanitize::one_line(&heading.target, 100));
        format!("{gap}{}\n{text}", look.paint(Ink::Strong, &name))
    }

    /// What goes to stderr: why it failed, that it was insecure, what was noticed.
    fn diagnostics(&self, outcome: &Outcome) -> String {
        let heading = outcome.heading();
        let look = &self.stderr;
        let target = (!self.single).then_some(heading.target.as_str());
        let mut text = String::new();
        if let Some(cause) = heading.cause.as_ref().filter(|_| heading.status != Status::Healthy) {
            text.push_str(&error::failure(target, heading.status, cause, look));
            if let Outcome::Call(call) = outcome
                && let Some(answer) = &call.answer
                && let Some(Err(error)) = &answer.body
                && let Some(data) = &error.data
            {
                let shown = crate::report::indented(&value::pretty(data, look), "  ");
                text.push_str(&format!("  {}\n{shown}\n", look.paint(Ink::Dim, "data:")));
            }
        }
        if heading.insecure {
            text.push_str(&error::insecure(&heading.target, look));
        }
        if !self.request.output.quiet && !self.machine() {
            // That the certificate was not checked has been said just above.
            let noticed = heading.findings.iter().filter(|finding| !(heading.insecure && finding.id == "tls.insecure"));
            text.push_str(&error::findings(noticed, target, look));
        }
        text
    }
}

/// Rows of several targets say whose they are.
fn named_rows(target: &str, text: &str) -> String {
    let target = sanitize::one_line(target, usize::MAX);
    text.lines().flat_map(|line| [target.as_str(), "\t", line, "\n"]).collect()
}

fn bug(error: &serde_json::Error) -> Complaint {
    Complaint::new(Code::Bug, format!("the JSON document could not be made: {error}"))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::event::{Cause, Reason};
    use crate::report::call::{ErrorTold, samples};

    const PERSON: Look = Look { width: Some(80), colour: false };

    fn request(change: impl FnOnce(&mut AdHoc)) -> Request {
        let mut ad_hoc = AdHoc { words: vec!["x/y".into(), "weather".into()], ..AdHoc::default() };
        change(&mut ad_hoc);
        prepare(&ad_hoc).unwrap()
    }

    fn teller(request: &Request, single: bool, look: Look) -> Teller<'_> {
        Teller { stdout: look, stderr: look, ..Teller::new(request, single, Masker::default()) }
    }

    fn streams(teller: &Teller<'_>, outcome: &Outcome) -> (String, String) {
        let (text, _) = teller.text(outcome);
        (String::from_utf8(text.stdout).unwrap(), text.stderr)
    }

    fn list() -> Outcome {
        Outcome::Call(Box::new(samples::call("prompts/list", json!({"prompts": [{"name": "a"}, {"name": "b"}]}))))
    }

    fn refused() -> Outcome {
        let mut call = samples::call("x/y", json!(null));
        call.heading.status = Status::Failed;
        call.heading.cause = Some(Cause::new(Reason::RpcError, "the server answered -32601: no such method"));
        call.answer.as_mut().unwrap().body =
            Some(Err(ErrorTold { code: -32601, message: "no such method".into(), data: Some(json!({"see": "docs"})) }));
        Outcome::Call(Box::new(call))
    }

    #[test]
    fn a_person_gets_a_table_and_a_line_of_timings() {
        let plain = request(|_| {});
        let (stdout, stderr) = streams(&teller(&plain, true, PERSON), &list());
        assert_eq!(
            stdout,
            "PROMPT\na\nb\n2 prompts · 2 pages in 8.4 ms · the first in 4.2 ms (first byte 3.9 ms)\n  \
             spawn 400 µs · detect 1.2 ms · legacy 2025-11-25 over stdio\n"
        );
        assert_eq!(stderr, "");
        let quiet = request(|ad_hoc| ad_hoc.output.quiet = true);
        assert_eq!(streams(&teller(&quiet, true, PERSON), &list()).0, "PROMPT\na\nb\n");
        assert!(streams(&teller(&plain, false, PERSON), &list()).0.starts_with("── weather ──\nPROMPT\n"));
    }

    #[test]
    fn a_pipe_gets_rows_that_say_whose_they_are() {
        let plain = request(|_| {});
        assert_eq!(streams(&teller(&plain, true, Look::PLAIN), &list()).0, "a\t\t\nb\t\t\n");
        assert_eq!(streams(&teller(&plain, false, Look::PLAIN), &list()).0, "weather\ta\t\t\nweather\tb\t\t\n");
    }

    #[test]
    fn a_failure_goes_to_stderr() {
        let plain = request(|_| {});
        let (stdout, stderr) = streams(&teller(&plain, true, Look::PLAIN), &refused());
        assert_eq!(stdout, "");
        assert_eq!(
            stderr,
            "error: the server answered -32601: no such method [rpc_error]\n  data:\n  {\n    \"see\": \"docs\"\n  }\n"
        );
    }

    #[test]
    fn programs_get_exactly_what_they_asked_for() {
        let json = request(|ad_hoc| ad_hoc.output.json = true);
        let (stdout, _) = streams(&teller(&json, true, Look::PLAIN), &list());
        assert_eq!(serde_json::from_str::<Value>(&stdout).unwrap()["schema"], "mcp-probe/call/1");
        assert_eq!(streams(&teller(&json, false, Look::PLAIN), &list()).0, "");
        let jq = request(|ad_hoc| ad_hoc.jq = Some(".prompts[].name".into()));
        assert_eq!(streams(&teller(&jq, true, Look::PLAIN), &list()).0, "a\nb\n");
        let raw = request(|ad_hoc| ad_hoc.raw = true);
        assert_eq!(streams(&teller(&raw, true, Look::PLAIN), &list()).0, "{}\n");
    }

    #[test]
    fn insecure_is_said_even_when_quiet_and_to_programs() {
        for change in [
            (|ad_hoc: &mut AdHoc| ad_hoc.output.quiet = true) as fn(&mut AdHoc),
            |ad_hoc| ad_hoc.output.json = true,
            |ad_hoc| ad_hoc.raw = true,
        ] {
            let request = request(change);
            let mut call = samples::call("x/y", json!({}));
            call.heading.insecure = true;
            let (stdout, stderr) = streams(&teller(&request, true, Look::PLAIN), &Outcome::Call(Box::new(call)));
            assert!(stderr.contains("INSECURE"), "{stderr}");
            assert!(!request.output.json || stdout.contains("\"insecure\":true"), "{stdout}");
        }
    }

    #[test]
    fn the_exit_code_is_folded() {
        let quiet = request(|ad_hoc| ad_hoc.output.quiet = true);
        let mut teller = teller(&quiet, false, Look::PLAIN);
        for outcome in [list(), refused()] {
            let heading = outcome.heading();
            teller.endings.push(Ending::new(heading.status, heading.cause.as_ref(), heading.connected));
        }
        assert_eq!(teller.finish(None).unwrap(), Code::ServerError.number());
    }

    #[test]
    fn typing_errors_are_found_before_anything_is_sent() {
        let mut ad_hoc = AdHoc { words: vec!["tools/list".into()], jq: Some(".[".into()), ..AdHoc::default() };
        assert_eq!(prepare(&ad_hoc).err().unwrap().code, Code::Usage);
        ad_hoc.jq = None;
        ad_hoc.connection.header = vec!["A: b".into()];
        assert!(prepare(&ad_hoc).err().unwrap().message.contains("none is named"));
    }
}

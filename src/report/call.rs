//! One ad hoc call as it is told: what `run` found, without the types of the half that probes. The text and the
//! JSON outputs are both written from it.

use std::collections::BTreeMap;
use std::time::Duration;

use bytes::Bytes;
use serde_json::Value;

use crate::base::secret::Masker;
pub use crate::event::LatencySummary;
use crate::event::{Cause, Finding, Phases, ProtocolUsed, ServerIdentity, Status};

/// What is known of a target whatever was asked of it.
#[derive(Clone, Debug)]
pub struct Heading {
    /// The target's name, URL or command.
    pub target: String,
    /// The target's labels.
    pub labels: BTreeMap<String, String>,
    /// How it ended.
    pub status: Status,
    /// Why, where it is not healthy.
    pub cause: Option<Cause>,
    /// Whether detection or the handshake was complete; decides the exit code of a time-out.
    pub connected: bool,
    /// What the server calls itself.
    pub server: Option<ServerIdentity>,
    /// What was spoken.
    pub protocol: Option<ProtocolUsed>,
    /// How long each phase took.
    pub phases: Phases,
    /// What was noticed.
    pub findings: Vec<Finding>,
    /// The server's certificate.
    pub certificate: Option<CertificateTold>,
    /// Whether the certificate went unchecked, as was asked.
    pub insecure: bool,
    /// Whether the call was withheld, because it needs a consent that the command line did not give.
    pub withheld: bool,
    /// With `--as`: what that client changed.
    pub as_client: Option<AsTold>,
}

/// What a client gives to a server otherwise than this shell does, as it is told. Of variables only the names.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct AsTold {
    /// The client's id.
    pub client: &'static str,
    /// Its name, for people.
    pub title: &'static str,
    /// Whether the server starts with what this shell gives it, where that was tried.
    pub works_here: Option<bool>,
    /// Variables that are set here and not passed on, those that the failure mentions first.
    pub not_passed: Vec<String>,
    /// How many there are.
    pub not_passed_total: usize,
    /// How many of them the failure mentions.
    pub mentioned: usize,
    /// The PATH that takes the place of this shell's.
    pub path: Option<String>,
    /// The program that this shell would start, where the client does not find the same.
    pub found_here: Option<String>,
    /// Whether the client finds one at all.
    pub found_there: bool,
    /// The folder that takes the place of this one.
    pub folder: Option<String>,
}

/// A certificate as it is told.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CertificateTold {
    /// The end of its validity.
    pub not_after: jiff::Timestamp,
    /// Its subject, raw.
    pub subject: String,
}

/// A JSON-RPC error as it is told.
#[derive(Clone, Debug, PartialEq)]
pub struct ErrorTold {
    /// The code.
    pub code: i64,
    /// The message, raw.
    pub message: String,
    /// The data, where there is some.
    pub data: Option<Value>,
}

/// What became of one request: of a list, of all its pages.
#[derive(Clone, Debug)]
pub struct AnswerTold {
    /// The method.
    pub method: String,
    /// The result, the error, or `None` when no answer could be had.
    pub body: Option<Result<Value, ErrorTold>>,
    /// Each page as received.
    pub raw: Vec<Bytes>,
    /// Request written to last byte of the first page.
    pub latency: Option<Duration>,
    /// Request written to first byte of the first page.
    pub first_byte: Option<Duration>,
    /// All pages and rounds.
    pub total: Duration,
    /// How many pages.
    pub pages: u32,
    /// Bytes of the request.
    pub request_bytes: u64,
    /// Bytes of the reply, all pages.
    pub response_bytes: u64,
    /// Notifications that came meanwhile, in order.
    pub notices: Vec<NoticeTold>,
}

impl AnswerTold {
    /// The result, where there is one.
    #[must_use]
    pub fn result(&self) -> Option<&Value> {
        self.body.as_ref()?.as_ref().ok()
    }
}

/// One target of an ad hoc call.
#[derive(Clone, Debug)]
pub struct CallTold {
    /// What is known of the target.
    pub heading: Heading,
    /// The method that was asked for.
    pub method: String,
    /// The (last) answer; `None` when the request was never sent.
    pub answer: Option<AnswerTold>,
    /// With `-n`: the latencies.
    pub latency: Option<LatencySummary>,
    /// With `--usage`: what the server's processes used.
    pub child: Option<ChildTold>,
}

/// What the processes of a stdio server used, as it is told.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ChildTold {
    /// Processor time since their start.
    pub cpu: Duration,
    /// Largest resident memory.
    pub resident_bytes: u64,
    /// Processor time during the calls; absent below the kernel's resolution.
    pub calls_cpu: Option<Duration>,
}

/// A notification that came while the call was open.
#[derive(Clone, Debug, PartialEq)]
pub struct NoticeTold {
    /// Since the request was written.
    pub after: Duration,
    /// Its method.
    pub method: String,
    /// Its parameters, raw.
    pub params: Value,
}

/// One target of a call without a method: opened, all lists read.
#[derive(Clone, Debug)]
pub struct OverviewTold {
    /// What is known of the target.
    pub heading: Heading,
    /// `capabilities`, raw.
    pub capabilities: Value,
    /// `instructions`, raw.
    pub instructions: Option<String>,
    /// The lists that the capabilities announce, in order.
    pub lists: Vec<AnswerTold>,
}

impl Heading {
    fn mask(&mut self, masker: &Masker) {
        mask_text(&mut self.target, masker);
        if let Some(cause) = &mut self.cause {
            mask_text(&mut cause.message, masker);
        }
        if let Some(server) = &mut self.server {
            mask_text(&mut server.name, masker);
            mask_text(&mut server.version, masker);
        }
        for finding in &mut self.findings {
            mask_text(&mut finding.expected, masker);
            mask_text(&mut finding.actual, masker);
        }
    }
}

impl AnswerTold {
    fn mask(&mut self, masker: &Masker) {
        match &mut self.body {
            Some(Ok(result)) => masker.mask_json(result),
            Some(Err(error)) => {
                mask_text(&mut error.message, masker);
                if let Some(data) = &mut error.data {
                    masker.mask_json(data);
                }
            }
            None => {}
        }
        for notice in &mut self.notices {
            mask_text(&mut notice.method, masker);
            masker.mask_json(&mut notice.params);
        }
        if !masker.is_empty() {
            for page in &mut self.raw {
                if let std::borrow::Cow::Owned(without) = masker.mask(&String::from_utf8_lossy(page)) {
                    *page = Bytes::from(without);
                }
            }
        }
    }
}

impl CallTold {
    /// Takes the secrets of the run out, before anything is wrapped or coloured.
    pub fn mask(&mut self, masker: &Masker) {
        self.heading.mask(masker);
        if let Some(answer) = &mut self.answer {
            answer.mask(masker);
        }
    }
}

impl OverviewTold {
    /// Takes the secrets of the run out, before anything is wrapped or coloured.
    pub fn mask(&mut self, masker: &Masker) {
        self.heading.mask(masker);
        masker.mask_json(&mut self.capabilities);
        if let Some(instructions) = &mut self.instructions {
            mask_text(instructions, masker);
        }
        self.lists.iter_mut().for_each(|list| list.mask(masker));
    }
}

fn mask_text<T: AsRef<str> + From<String>>(text: &mut T, masker: &Masker) {
    if let std::borrow::Cow::Owned(masked) = masker.mask(text.as_ref()) {
        *text = masked.into();
    }
}

#[cfg(test)]
pub(crate) mod samples {
    //! Calls that the tests of the outputs share.

    use super::*;
    use crate::event::{Era, Phase, TransportKind};

    pub(crate) fn heading() -> Heading {
        let mut phases = Phases::default();
        phases.add(Phase::Spawn, Duration::from_micros(400));
        phases.add(Phase::Detect, Duration::from_micros(1_200));
        phases.add(Phase::Call, Duration::from_micros(4_300));
        Heading {
            target: "weather".into(),
            labels: BTreeMap::new(),
            status: Status::Healthy,
            cause: None,
            connected: true,
            server: Some(ServerIdentity { name: "weather-mcp".into(), version: "1.2.0".into() }),
            protocol: Some(ProtocolUsed {
                version: "2025-11-25".into(),
                era: Era::Legacy,
                transport: TransportKind::Stdio,
            }),
            phases,
            findings: Vec::new(),
            certificate: None,
            insecure: false,
            withheld: false,
            as_client: None,
        }
    }

    pub(crate) fn answer(method: &str, result: Value) -> AnswerTold {
        AnswerTold {
            method: method.into(),
            body: Some(Ok(result)),
            raw: vec![Bytes::from_static(b"{}")],
            latency: Some(Duration::from_micros(4_200)),
            first_byte: Some(Duration::from_micros(3_900)),
            total: Duration::from_micros(8_400),
            pages: 2,
            request_bytes: 80,
            response_bytes: 2_048,
            notices: Vec::new(),
        }
    }

    pub(crate) fn call(method: &str, result: Value) -> CallTold {
        CallTold {
            heading: heading(),
            method: method.into(),
            answer: Some(answer(method, result)),
            latency: None,
            child: None,
        }
    }

    #[test]
    fn secrets_are_taken_out_of_everything() {
        let masker = Masker::default();
        masker.add("hunter2!");
        let mut told = call("tools/call", serde_json::json!({"content": [{"type": "text", "text": "pw hunter2!"}]}));
        told.heading.cause = Some(Cause::new(crate::event::Reason::Http, "got hunter2! back"));
        if let Some(answer) = &mut told.answer {
            answer.raw = vec![Bytes::from_static(b"{\"a\":\"hunter2!\"}")];
        }
        told.mask(&masker);
        assert!(!format!("{told:?}").contains("hunter2!"), "{told:?}");
    }
}

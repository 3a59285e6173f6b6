//! What an audit found, as words for those who tell it: what became of each rule, and the evidence of what was violated.

use std::time::Duration;

use super::{Cause, Finding, ProtocolUsed, ServerIdentity, Severity, Status};

/// What an audit of one target in one revision came to.
#[derive(Clone, Debug)]
pub struct AuditOutcome {
    /// The target.
    pub target: String,
    /// Failed where a rule of error severity is violated or the target could not be opened.
    pub status: Status,
    /// Why, where it is not healthy.
    pub cause: Option<Cause>,
    /// Whether detection or the handshake was complete.
    pub connected: bool,
    /// What the server calls itself.
    pub server: Option<ServerIdentity>,
    /// What was spoken.
    pub protocol: Option<ProtocolUsed>,
    /// From its start to its end.
    pub duration: Duration,
    /// Every rule that was chosen, in the order of their table.
    pub rules: Vec<RuleOutcome>,
    /// What each client would have of its tools.
    pub clients: Vec<ClientSurvival>,
    /// What the definitions cost, where they were read.
    pub cost: Option<DefinitionCost>,
    /// What is to be said about definitions, and about how the server is started.
    pub advice: Vec<Advice>,
    /// Of which advice there is more than stands in `advice`, and how much.
    pub advice_left_out: Vec<(&'static str, usize)>,
    /// Whether advice was sought without leaving any out.
    pub advised: bool,
    /// What is accepted and no longer violated.
    pub stale: Vec<StaleEntry>,
    /// What was noticed beside.
    pub findings: Vec<Finding>,
}

/// A violation that was accepted and is gone.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StaleEntry {
    /// The rule.
    pub rule: String,
    /// Where it was violated, if that was said.
    pub path: Option<String>,
    /// Where it is accepted: `file:line:column`.
    pub place: String,
}

/// What is left of a server's tools in one client.
#[derive(Clone, Debug)]
pub struct ClientSurvival {
    /// The word for the client.
    pub id: &'static str,
    /// Its name.
    pub title: &'static str,
    /// When its limits were last looked at.
    pub as_of: &'static str,
    /// How many tools the server lists.
    pub total: usize,
    /// How many of them the client has.
    pub seen: usize,
    /// The rule by which it has none, where the whole list is refused.
    pub refused: Option<&'static str>,
    /// Each tool that is lost, or that is why all are, with the rule. Names are raw.
    pub lost: Vec<(String, &'static str)>,
}

/// What something costs of a model's context.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct CostFigure {
    /// Bytes of what a model is shown.
    pub bytes: u64,
    /// Characters ÷ 4.
    pub tokens: u64,
    /// By a tokenizer, where one was asked for.
    pub estimate: Option<u64>,
}

/// What the definitions of a server cost.
#[derive(Clone, Debug, Default)]
pub struct DefinitionCost {
    /// All tools together.
    pub tools: CostFigure,
    /// Each tool, the dearest first. Names are raw.
    pub each: Vec<(String, CostFigure)>,
    /// The instructions, which come on top.
    pub instructions: CostFigure,
    /// The tokens of the tools in the lock file, where there is one.
    pub locked_tokens: Option<u64>,
    /// By how many per cent the tools cost more than those.
    pub growth_percent: Option<u64>,
    /// The tokenizer of the estimates.
    pub tokenizer: Option<&'static str>,
}

/// Something to be improved that no specification demands. Texts of the server are raw.
#[derive(Clone, Debug)]
pub struct Advice {
    /// Its stable id.
    pub id: &'static str,
    /// How much it matters.
    pub severity: Severity,
    /// What it is about, such as ``tool `echo` ``.
    pub about: String,
    /// What was expected.
    pub expected: String,
    /// What came.
    pub actual: String,
    /// Where, as a JSONPath.
    pub path: Option<String>,
    /// What is noticed by it, in a sentence.
    pub what: &'static str,
    /// What to do about it.
    pub mend: &'static str,
    /// Why it is accepted, where it is.
    pub accepted: Option<String>,
}

/// What became of a rule.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum RuleVerdict {
    /// What came is as the rule wants it.
    Passes,
    /// It is not.
    Violates,
    /// The rule says nothing about this server.
    NotApplicable,
    /// It would apply, but what it judges did not come about.
    NotExercised,
}

impl RuleVerdict {
    /// Every verdict, the worst first.
    pub const ALL: [Self; 4] = [Self::Violates, Self::Passes, Self::NotApplicable, Self::NotExercised];

    /// The word used in outputs.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Passes => "passes",
            Self::Violates => "violates",
            Self::NotApplicable => "not_applicable",
            Self::NotExercised => "not_exercised",
        }
    }
}

/// A rule of the specification and what became of it. Texts of the server inside it are raw: whoever shows them sanitises.
#[derive(Clone, Debug)]
pub struct RuleOutcome {
    /// Its stable id.
    pub id: &'static str,
    /// The rows of the catalogues that it judges.
    pub rows: &'static [&'static str],
    /// The part of a server that it is about.
    pub area: &'static str,
    /// How strictly this revision words it.
    pub keyword: &'static str,
    /// How much this violation matters; where nothing is violated, how much one would.
    pub severity: Severity,
    /// What seeing it does to the server.
    pub class: &'static str,
    /// What became of it.
    pub verdict: RuleVerdict,
    /// Why it does not apply or could not be exercised.
    pub why: Option<String>,
    /// What the rule wants, in one sentence.
    pub what: &'static str,
    /// What the server's author does about it.
    pub mend: &'static str,
    /// Where it is written.
    pub reference: String,
    /// What is wrong.
    pub violation: Option<RuleViolation>,
    /// Why that is accepted, where it is.
    pub accepted: Option<String>,
}

/// What is wrong, and what shows it.
#[derive(Clone, Debug, Default)]
pub struct RuleViolation {
    /// What the rule wants.
    pub expected: String,
    /// What came.
    pub actual: String,
    /// Where in the reply, as a JSONPath.
    pub path: Option<String>,
    /// How many more of the same kind there are.
    pub others: usize,
    /// The message that shows it.
    pub evidence: Option<RuleEvidence>,
}

/// A message that was sent and what came of it: masked, and bounded.
#[derive(Clone, Debug, Default)]
pub struct RuleEvidence {
    /// The exercise that it was sent for.
    pub exercise: &'static str,
    /// Its name there.
    pub label: &'static str,
    /// How it was sent over HTTP: `POST`, `GET` or `DELETE`; absent elsewhere.
    pub verb: Option<&'static str>,
    /// The protocol's HTTP headers that it was sent with.
    pub headers: Vec<(String, String)>,
    /// What was sent; empty where nothing was.
    pub sent: String,
    /// The HTTP status.
    pub status: Option<u16>,
    /// What came, in order.
    pub came: Vec<String>,
    /// How many more things came.
    pub more: usize,
    /// Why no more came, where that is so.
    pub fault: Option<String>,
    /// Until the reply, or until nobody waited any more.
    pub took: Duration,
}

//! A rule: what the specification asks of a server, in which revisions and over which transports, how strictly, what has
//! to be sent to see it, and the judge of what came.

use super::case::Case;
use super::exercise::Exercise;
use super::verdict::Verdict;
use crate::event::{Era, Severity, TransportKind};
use crate::protocol::Revision;

/// How strictly the specification words it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Keyword {
    /// MUST, MUST NOT, REQUIRED.
    Must,
    /// Required by the schema, though no sentence says so.
    Schema,
    /// Required by a section on security.
    Security,
    /// SHOULD, SHOULD NOT; also what JSON-RPC 2.0 wants and MCP does not repeat.
    Should,
    /// MAY.
    May,
    /// No requirement, and worth knowing.
    Info,
}

impl Keyword {
    /// The word used in outputs.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Must => "MUST",
            Self::Schema => "schema",
            Self::Security => "security",
            Self::Should => "SHOULD",
            Self::May => "MAY",
            Self::Info => "info",
        }
    }

    /// How much breaking it matters.
    #[must_use]
    pub fn severity(self) -> Severity {
        match self {
            Self::Must | Self::Schema | Self::Security => Severity::Error,
            Self::Should => Severity::Warning,
            Self::May | Self::Info => Severity::Info,
        }
    }
}

/// What carrying out an exercise does to a server, mildest first. An audit performs the harmless ones; the others are asked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Class {
    /// Read off what passes anyway.
    Passive,
    /// Additional requests that only read.
    Harmless,
    /// Takes long or many requests (`--slow`).
    Slow,
    /// Sends what no correct client would (`--invasive`).
    Invasive,
    /// Calls tools that the user names (`--tool`).
    Calls,
}

impl Class {
    /// The word used in outputs.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Passive => "passive",
            Self::Harmless => "harmless",
            Self::Slow => "slow",
            Self::Invasive => "invasive",
            Self::Calls => "calls",
        }
    }

    /// The option that asks for it.
    #[must_use]
    pub fn option(self) -> Option<&'static str> {
        match self {
            Self::Passive | Self::Harmless => None,
            Self::Slow => Some("--slow"),
            Self::Invasive => Some("--invasive"),
            Self::Calls => Some("--tool"),
        }
    }
}

/// The part of a server that a rule is about; a report gives a verdict for each.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Area {
    /// JSON-RPC.
    Base,
    /// Opening: `initialize` or `server/discover`, versions, capabilities.
    Lifecycle,
    /// stdio, HTTP, HTTP+SSE.
    Transport,
    /// Tools.
    Tools,
    /// Resources and prompts.
    Resources,
    /// Paging, completion, logging, caching hints.
    Utilities,
    /// Rounds of input, subscriptions, tasks.
    Interaction,
    /// Authorization.
    Authorization,
    /// How servers are known to fail in the field.
    Field,
}

impl Area {
    /// Every area, in the order of the report.
    pub const ALL: [Self; 9] = [
        Self::Base,
        Self::Lifecycle,
        Self::Transport,
        Self::Tools,
        Self::Resources,
        Self::Utilities,
        Self::Interaction,
        Self::Authorization,
        Self::Field,
    ];

    /// The word used in outputs.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Base => "base protocol",
            Self::Lifecycle => "lifecycle",
            Self::Transport => "transport",
            Self::Tools => "tools",
            Self::Resources => "resources and prompts",
            Self::Utilities => "utilities",
            Self::Interaction => "rounds, subscriptions, tasks",
            Self::Authorization => "authorization",
            Self::Field => "in the field",
        }
    }
}

/// One rule. Written as a constant: `Rule::new(…).must().since("2025-06-18")…`.
#[derive(Clone, Copy)]
pub struct Rule {
    /// The stable id, such as `rpc.id_echo`.
    pub id: &'static str,
    /// The rows of the catalogue of requirements that it judges, such as `J02`; of the failure modes, such as `F23`.
    pub rows: &'static [&'static str],
    /// What it is about.
    pub area: Area,
    /// How strictly it is worded in the newest revision that has it.
    pub strict: Keyword,
    /// The revision since which it is worded so, and how it was worded before.
    pub milder_before: Option<(&'static str, Keyword)>,
    /// The first and the last revision that it holds in.
    pub revisions: (&'static str, &'static str),
    /// The transports that it holds on.
    pub on: &'static [TransportKind],
    /// What seeing it does to the server.
    pub class: Class,
    /// What has to be carried out for it.
    pub needs: &'static [&'static Exercise],
    /// What else gives it something to judge.
    pub occasions: &'static [&'static Exercise],
    /// What the specification asks, in one sentence.
    pub what: &'static str,
    /// Why it matters.
    pub why: &'static str,
    /// What the server's author does about it.
    pub mend: &'static str,
    /// The page of the specification below its revision, such as `basic#requests`; or a whole URL.
    pub page: &'static str,
    /// Where it is written since a revision that moved it.
    pub moved: Option<(&'static str, &'static str)>,
    /// Whether every probe looks for it, and tells a violation as a finding of the same id.
    pub noticed: bool,
    /// Judges what came.
    pub judge: fn(&Case<'_>) -> Verdict,
}

/// On every transport.
pub const ANYWHERE: &[TransportKind] = &[TransportKind::Stdio, TransportKind::StreamableHttp, TransportKind::Sse];
/// Over stdio.
pub const STDIO: &[TransportKind] = &[TransportKind::Stdio];
/// Over Streamable HTTP.
pub const HTTP: &[TransportKind] = &[TransportKind::StreamableHttp];
/// Over either kind of HTTP.
pub const ANY_HTTP: &[TransportKind] = &[TransportKind::StreamableHttp, TransportKind::Sse];
/// Over HTTP+SSE.
pub const SSE: &[TransportKind] = &[TransportKind::Sse];

/// The last revision of the legacy era.
pub const LEGACY_LAST: &str = "2025-11-25";
/// The first revision of the modern era.
pub const MODERN_FIRST: &str = "2026-07-28";

impl Rule {
    /// A passive rule worded MUST, in every revision, over every transport.
    #[must_use]
    pub const fn new(
        id: &'static str,
        rows: &'static [&'static str],
        area: Area,
        judge: fn(&Case<'_>) -> Verdict,
    ) -> Self {
        Self {
            id,
            rows,
            area,
            strict: Keyword::Must,
            milder_before: None,
            revisions: ("2024-11-05", "9999"),
            on: ANYWHERE,
            class: Class::Passive,
            needs: &[],
            occasions: &[],
            what: "",
            why: "",
            mend: "",
            page: "",
            moved: None,
            noticed: false,
            judge,
        }
    }

    /// Worded so.
    #[must_use]
    pub const fn worded(mut self, keyword: Keyword) -> Self {
        self.strict = keyword;
        self
    }

    /// Worded otherwise before that revision.
    #[must_use]
    pub const fn before(mut self, revision: &'static str, keyword: Keyword) -> Self {
        self.milder_before = Some((revision, keyword));
        self
    }

    /// Only since that revision.
    #[must_use]
    pub const fn since(mut self, revision: &'static str) -> Self {
        self.revisions.0 = revision;
        self
    }

    /// Only until that revision, itself included.
    #[must_use]
    pub const fn until(mut self, revision: &'static str) -> Self {
        self.revisions.1 = revision;
        self
    }

    /// Only in the legacy era.
    #[must_use]
    pub const fn legacy(self) -> Self {
        self.until(LEGACY_LAST)
    }

    /// Only in the modern era.
    #[must_use]
    pub const fn modern(self) -> Self {
        self.since(MODERN_FIRST)
    }

    /// Only over these transports.
    #[must_use]
    pub const fn over(mut self, on: &'static [TransportKind]) -> Self {
        self.on = on;
        self
    }

    /// Needs these exercises, and is of that class.
    #[must_use]
    pub const fn needs(mut self, class: Class, exercises: &'static [&'static Exercise]) -> Self {
        self.class = class;
        self.needs = exercises;
        self
    }

    /// Needs nothing, and has more to judge where these exercises are carried out.
    #[must_use]
    pub const fn occasions(mut self, exercises: &'static [&'static Exercise]) -> Self {
        self.occasions = exercises;
        self
    }

    /// What is asked, why it matters, what to do.
    #[must_use]
    pub const fn says(mut self, what: &'static str, why: &'static str, mend: &'static str) -> Self {
        self.what = what;
        self.why = why;
        self.mend = mend;
        self
    }

    /// Where it is written.
    #[must_use]
    pub const fn page(mut self, page: &'static str) -> Self {
        self.page = page;
        self
    }

    /// Where it is written since that revision.
    #[must_use]
    pub const fn moved(mut self, since: &'static str, page: &'static str) -> Self {
        self.moved = Some((since, page));
        self
    }

    /// Every probe looks for it in the replies that it gets.
    #[must_use]
    pub const fn noticed(mut self) -> Self {
        self.noticed = true;
        self
    }

    /// How strictly that revision words it.
    #[must_use]
    pub fn keyword(&self, revision: &Revision) -> Keyword {
        match self.milder_before {
            Some((since, keyword)) if revision.version < since => keyword,
            _ => self.strict,
        }
    }

    /// Where it is written, for that revision.
    #[must_use]
    pub fn reference(&self, revision: &Revision) -> String {
        let page = match self.moved {
            Some((since, page)) if revision.version >= since => page,
            _ => self.page,
        };
        if page.contains("://") {
            return page.to_owned();
        }
        // The first revision has the messages on a page of their own.
        let page = match page.strip_prefix("basic#") {
            Some(anchor) if revision.version == "2024-11-05" => format!("basic/messages#{anchor}"),
            _ => page.to_owned(),
        };
        format!("https://modelcontextprotocol.io/specification/{}/{page}", revision.version)
    }

    /// Whether it is judged from a single reply, so that the step of a probe can be held to it.
    #[must_use]
    pub fn is_of_steps(&self) -> bool {
        self.class == Class::Passive && self.needs.is_empty()
    }

    /// Why it does not hold here, if it does not.
    #[must_use]
    pub fn does_not_apply(&self, revision: &Revision, transport: TransportKind) -> Option<String> {
        let (first, last) = self.revisions;
        if revision.version < first || revision.version > last {
            return Some(match (first, last) {
                (_, LEGACY_LAST) if revision.era == Era::Modern => "only in the legacy era".to_owned(),
                (MODERN_FIRST, _) => "only in the modern era".to_owned(),
                (first, _) if revision.version < first => format!("only since {first}"),
                (_, last) => format!("only until {last}"),
            });
        }
        if !self.on.contains(&transport) {
            let names: Vec<&str> = self.on.iter().map(|kind| kind.name()).collect();
            return Some(format!("only over {}", names.join(" and ")));
        }
        None
    }

    /// Its revisions in words.
    #[must_use]
    pub fn revisions_said(&self) -> String {
        match self.revisions {
            ("2024-11-05", "9999") => "every revision".to_owned(),
            ("2024-11-05", LEGACY_LAST) => "the legacy era".to_owned(),
            (MODERN_FIRST, "9999") => format!("since {MODERN_FIRST}"),
            (first, "9999") => format!("since {first}"),
            ("2024-11-05", last) => format!("until {last}"),
            (first, last) if first == last => format!("{first} only"),
            (first, last) => format!("{first} to {last}"),
        }
    }
}

impl std::fmt::Debug for Rule {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(self.id)
    }
}

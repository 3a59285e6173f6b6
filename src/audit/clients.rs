//! What each client would make of what a server offers: which tools it drops, which texts it cuts, and when it refuses the
//! whole list. A client is a profile of dated rules; names are judged as the client would give them to its model.

mod anthropic;
mod claude_code;
mod cursor;
mod gemini;
mod gemini_cli;
mod mcp;
mod naming;
mod openai;
mod openai_strict;
mod ts_sdk;
mod vscode;

use std::collections::BTreeMap;

use super::offer::{Item, Offer};
use super::topic::{Findings, Found, Topic};
use crate::base::sanitize;
use crate::event::Severity;

/// Characters of a text of the server in what is said.
const SAID_CHARS: usize = 120;

/// A client, or a way to reach models, and what it does with definitions.
#[derive(Debug)]
pub struct Profile {
    /// The word for it, as in the ids of its rules.
    pub id: &'static str,
    /// Its name.
    pub title: &'static str,
    /// When its rules were last looked at.
    pub as_of: &'static str,
    /// What it stands for, in a sentence.
    pub what: &'static str,
    /// How it names a tool for its model, from the name of the server and of the tool.
    pub exposes: fn(&str, &str) -> String,
    /// The same, for people.
    pub naming: &'static str,
    /// Its rules.
    pub rules: &'static [ClientRule],
}

/// What happens where a rule is broken.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Effect {
    /// It works, and something is not as its author wanted it.
    Warned,
    /// A text or a name is shortened.
    Cut,
    /// The client does not have this tool.
    Lost,
    /// The client has no tool of this server: the whole list, or every request with it, is refused.
    AllLost,
}

impl Effect {
    /// The word used in outputs.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Warned => "warned",
            Self::Cut => "cut",
            Self::Lost => "lost",
            Self::AllLost => "all-lost",
        }
    }
}

/// One rule of one client.
#[derive(Debug)]
pub struct ClientRule {
    /// What it says, who says so, and when.
    pub topic: Topic,
    /// The limit, for a table.
    pub value: &'static str,
    /// What happens.
    pub effect: Effect,
    /// Finds where it is broken.
    judge: Judge,
}

#[derive(Clone, Copy, Debug)]
enum Judge {
    /// Looks at each tool by itself.
    Tool(fn(&Seen<'_>, &mut Vec<Miss>)),
    /// Looks at everything.
    Server(fn(&Server<'_>, &mut Vec<Miss>)),
}

/// A tool as a client sees it.
#[derive(Clone, Debug)]
struct Seen<'a> {
    item: Item<'a>,
    /// Its own name; none where it has none.
    name: Option<&'a str>,
    /// The name that the client would give it.
    exposed: String,
    offer: &'a Offer<'a>,
}

/// A server as a client sees it.
#[derive(Clone, Debug)]
struct Server<'a> {
    offer: &'a Offer<'a>,
    tools: Vec<Seen<'a>>,
}

/// Where a rule is broken.
#[derive(Clone, Debug)]
struct Miss {
    /// The tool, from 0; none where it is the server as a whole.
    tool: Option<usize>,
    expected: String,
    actual: String,
    path: String,
}

/// What is left of a server's tools in one client.
#[derive(Clone, Debug)]
pub struct Survival {
    /// The client.
    pub profile: &'static Profile,
    /// How many tools the server lists.
    pub total: usize,
    /// How many of them the client has.
    pub seen: usize,
    /// The rule by which it has none, where the whole list is refused.
    pub refused: Option<&'static ClientRule>,
    /// Each tool that is lost by itself, or that is why all are: its place in the list, what it is called, and why.
    pub lost: Vec<Lost>,
    /// Every place, with what was expected and what came.
    pub findings: Findings,
}

/// A tool that a client does not have.
#[derive(Clone, Debug)]
pub struct Lost {
    /// Its place in the list, from 0.
    pub at: usize,
    /// Who it is, in words.
    pub about: String,
    /// Why.
    pub rule: &'static ClientRule,
}

/// Every client.
pub static PROFILES: [&Profile; 10] = [
    &mcp::PROFILE,
    &anthropic::PROFILE,
    &claude_code::PROFILE,
    &openai::PROFILE,
    &openai_strict::PROFILE,
    &gemini::PROFILE,
    &gemini_cli::PROFILE,
    &cursor::PROFILE,
    &vscode::PROFILE,
    &ts_sdk::PROFILE,
];

/// The client of that id.
#[must_use]
pub fn profile(id: &str) -> Option<&'static Profile> {
    PROFILES.iter().copied().find(|profile| profile.id == id)
}

/// Every rule of every client.
pub fn rules() -> impl Iterator<Item = &'static ClientRule> {
    PROFILES.iter().flat_map(|profile| profile.rules)
}

/// What every client makes of a server.
#[must_use]
pub fn survey(offer: &Offer<'_>) -> Vec<Survival> {
    PROFILES.iter().map(|profile| survive(profile, offer)).collect()
}

/// What one client makes of a server.
#[must_use]
pub fn survive(profile: &'static Profile, offer: &Offer<'_>) -> Survival {
    let tools = offer.tools().map(|item| {
        let name = item.name();
        Seen { item, name, exposed: (profile.exposes)(offer.name, name.unwrap_or_default()), offer }
    });
    let server = Server { offer, tools: tools.collect() };
    let mut lost: BTreeMap<usize, &'static ClientRule> = BTreeMap::new();
    let (mut refused, mut findings) = (None, Findings::default());
    for rule in profile.rules {
        rule.each(&server, |miss| {
            if let (Effect::Lost | Effect::AllLost, Some(at)) = (rule.effect, miss.tool) {
                lost.entry(at).or_insert(rule);
            }
            if rule.effect == Effect::AllLost {
                refused.get_or_insert(rule);
            }
            findings.add(rule.found(miss, &server));
        });
    }
    // What has no name can be called by nobody.
    let nameless = server.tools.iter().filter(|tool| tool.name.is_none() && !lost.contains_key(&tool.item.at)).count();
    let total = server.tools.len();
    let left = if refused.is_some() { 0 } else { total - lost.len() - nameless };
    let about = |at: usize| server.tools.get(at).map(|tool| tool.item.about()).unwrap_or_default();
    let lost = lost.into_iter().map(|(at, rule)| Lost { at, about: about(at), rule }).collect();
    Survival { profile, total, seen: left, refused, lost, findings }
}

impl Survival {
    /// The result as a sentence: ``Claude Code sees 12 of 14 tools: it has not tool `a` (...)``.
    #[must_use]
    pub fn sentence(&self) -> String {
        const NAMED_MAX: usize = 5;
        let tools = if self.total == 1 { "tool" } else { "tools" };
        let mut text = format!("{} sees {} of {} {tools}", self.profile.title, self.seen, self.total);
        let named: Vec<String> =
            self.lost.iter().take(NAMED_MAX).map(|lost| format!("{} ({})", lost.about, lost.rule.topic.id)).collect();
        let more = self.lost.len().saturating_sub(NAMED_MAX);
        if let Some(rule) = self.refused.filter(|_| named.is_empty()) {
            text += &format!(": the list is refused ({})", rule.topic.id);
        } else if self.refused.is_some() {
            text += &format!(": the list is refused because of {}", named.join(", "));
        } else if !named.is_empty() {
            text += &format!(": not {}", named.join(", "));
        }
        if more > 0 {
            text += &format!(" and {more} more");
        }
        text
    }

    /// The worst of what was found; none where nothing was.
    #[must_use]
    pub fn severity(&self) -> Option<Severity> {
        self.findings.shown().iter().map(|found| found.topic.severity).max()
    }
}

impl ClientRule {
    /// Hands on what is found tool by tool, so that nothing gathers.
    fn each(&self, server: &Server<'_>, mut see: impl FnMut(Miss)) {
        let mut misses = Vec::new();
        match self.judge {
            Judge::Tool(judge) => {
                for tool in &server.tools {
                    judge(tool, &mut misses);
                    misses.drain(..).for_each(&mut see);
                }
            }
            Judge::Server(judge) => {
                judge(server, &mut misses);
                misses.into_iter().for_each(see);
            }
        }
    }

    fn found(&'static self, miss: Miss, server: &Server<'_>) -> Found {
        let about = miss.tool.and_then(|at| server.tools.get(at)).map(|tool| tool.item.about());
        Found {
            topic: &self.topic,
            about: about.unwrap_or_else(|| "the server".to_owned()),
            expected: miss.expected,
            actual: miss.actual,
            path: Some(miss.path),
        }
    }
}

impl Seen<'_> {
    /// Something is amiss with a member of this tool.
    fn miss(&self, member: &str, expected: impl Into<String>, actual: impl AsRef<str>) -> Miss {
        let path = if member.is_empty() { self.item.path() } else { format!("{}.{member}", self.item.path()) };
        self.miss_at(path, expected, actual)
    }

    /// Something is amiss at a path.
    fn miss_at(&self, path: String, expected: impl Into<String>, actual: impl AsRef<str>) -> Miss {
        let actual = sanitize::cut(actual.as_ref(), SAID_CHARS);
        Miss { tool: Some(self.item.at), expected: expected.into(), actual, path }
    }

    /// The path of its input schema.
    fn schema_path(&self) -> String {
        format!("{}.inputSchema", self.item.path())
    }
}

/// The words of a list, the first few.
fn listed<'a>(words: impl IntoIterator<Item = &'a str>) -> String {
    const WORDS_MAX: usize = 6;
    const WORD_CHARS: usize = 40;
    let words: Vec<&str> = words.into_iter().collect();
    let shown: Vec<String> =
        words.iter().take(WORDS_MAX).map(|word| format!("`{}`", sanitize::cut(word, WORD_CHARS))).collect();
    match words.len().saturating_sub(WORDS_MAX) {
        0 => shown.join(", "),
        more => format!("{} and {more} more", shown.join(", ")),
    }
}

#[cfg(test)]
mod tests;

//! What definitions cost: they are sent to a model with every turn. Bytes of the canonical JSON, characters ÷ 4 as everywhere
//! else, and on demand the figure of a real tokenizer; all of them against budgets, and against the lock.

pub mod o200k;

use serde_json::{Map, Value};

use super::offer::Offer;
use super::topic::{Findings, Found, Topic};
use crate::check::tokens;
use crate::event::Severity;
use crate::lock::canonical;

/// Counts tokens as some model does.
pub trait Tokenizer {
    /// Its name, as on the command line.
    fn name(&self) -> &'static str;

    /// How many tokens a text is.
    fn count(&self, text: &str) -> u64;
}

/// The names of the tokenizers that there are.
pub const TOKENIZERS: &[&str] = &["o200k"];

/// The tokenizer of that name.
#[must_use]
pub fn tokenizer(name: &str) -> Option<&'static dyn Tokenizer> {
    match name {
        "o200k" => o200k::O200k::get().map(|found| found as &dyn Tokenizer),
        _ => None,
    }
}

/// What something costs.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Figure {
    /// Bytes of the canonical JSON of what a model is shown; of a text, its bytes.
    pub bytes: u64,
    /// Characters ÷ 4.
    pub tokens: u64,
    /// By the tokenizer, where one was asked for. An estimate: every model counts otherwise.
    pub estimate: Option<u64>,
}

/// What one tool costs.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ToolCost {
    /// Its place in the list, from 0.
    pub at: usize,
    /// Who it is, in words.
    pub about: String,
    /// The figures.
    pub figure: Figure,
}

/// What a server costs.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Cost {
    /// All tools together.
    pub tools: Figure,
    /// Each tool, in the order of the list.
    pub each: Vec<ToolCost>,
    /// The instructions, which come on top.
    pub instructions: Figure,
    /// The tokens of the tools that are locked, where there is a lock.
    pub locked_tokens: Option<u64>,
    /// Whose estimates they are.
    pub tokenizer: Option<&'static str>,
}

/// What is allowed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Budgets {
    /// Tokens of all tools.
    pub total: u64,
    /// Tokens of one tool.
    pub tool: u64,
    /// Per cent that may be added to what is locked.
    pub growth_percent: u64,
}

impl Default for Budgets {
    fn default() -> Self {
        Self { total: 25_000, tool: 1_500, growth_percent: 10 }
    }
}

/// The rules about cost.
pub static TOPICS: [Topic; 3] = [
    Topic {
        id: "cost.total",
        severity: Severity::Warning,
        what: "The tools together cost more tokens than the budget.",
        why: "They are part of every turn: dearer, slower, and less room for the conversation itself.",
        mend: "offer fewer tools or in groups, shorten the dearest definitions, and move what repeats under `$defs`.",
        source: "anthropics/claude-code#12241: its warning at 25,000",
        as_of: "2026-11-22",
    },
    Topic {
        id: "cost.tool",
        severity: Severity::Warning,
        what: "One tool costs more tokens than the budget of a tool.",
        why: "Its definition is sent with every turn, whether it is called or not.",
        mend: "shorten its description, drop examples from the schema, move what repeats under `$defs`, or split it.",
        source: "lark-openapi-mcp#63: one tool of 74,000",
        as_of: "2026-11-22",
    },
    Topic {
        id: "cost.growth",
        severity: Severity::Warning,
        what: "The tools cost noticeably more than those that are locked.",
        why: "Definitions grow a little with every release, and nobody sees the sum.",
        mend: "look at what was added (`mcp-probe diff`), and lock anew if it is worth it.",
        source: "",
        as_of: "",
    },
];

/// What a server costs. `locked` are the tools of its lock.
#[must_use]
pub fn measure(offer: &Offer<'_>, locked: Option<&[Value]>, tokenizer: Option<&dyn Tokenizer>) -> Cost {
    let figure = |tool: &Value| {
        let shown = shown(tool);
        let estimate = tokenizer.map(|tokenizer| shown.values().map(|value| counted(tokenizer, value)).sum());
        let bytes = canonical::text(&Value::Object(shown)).len() as u64;
        Figure { bytes, tokens: tokens::tokens(std::slice::from_ref(tool)), estimate }
    };
    let each: Vec<ToolCost> =
        offer.tools().map(|item| ToolCost { at: item.at, about: item.about(), figure: figure(item.value) }).collect();
    let tools = Figure {
        bytes: each.iter().map(|tool| tool.figure.bytes).sum(),
        tokens: tokens::tokens(offer.tools),
        estimate: tokenizer.map(|_| each.iter().filter_map(|tool| tool.figure.estimate).sum()),
    };
    let instructions = offer.instructions.map_or_else(Figure::default, |text| Figure {
        bytes: text.len() as u64,
        tokens: (text.chars().count() as u64).div_ceil(4),
        estimate: tokenizer.map(|tokenizer| tokenizer.count(text)),
    });
    let tokenizer = tokenizer.map(Tokenizer::name);
    Cost { tools, each, instructions, locked_tokens: locked.map(tokens::tokens), tokenizer }
}

/// What a model is shown of a tool.
fn shown(tool: &Value) -> Map<String, Value> {
    ["name", "description", "inputSchema"]
        .into_iter()
        .filter_map(|member| Some((member.to_owned(), tool.get(member)?.clone())))
        .collect()
}

fn counted(tokenizer: &dyn Tokenizer, value: &Value) -> u64 {
    match value {
        Value::String(text) => tokenizer.count(text),
        other => tokenizer.count(&canonical::text(other)),
    }
}

impl Cost {
    /// By how many per cent the tools cost more than those that are locked; none where there is nothing to compare with.
    #[must_use]
    pub fn growth_percent(&self) -> Option<u64> {
        let locked = self.locked_tokens.filter(|tokens| *tokens > 0)?;
        Some(self.tools.tokens.saturating_sub(locked).saturating_mul(100) / locked)
    }

    /// The tools by what they cost, the dearest first.
    #[must_use]
    pub fn dearest(&self) -> Vec<&ToolCost> {
        let mut tools: Vec<&ToolCost> = self.each.iter().collect();
        tools.sort_by_key(|tool| (std::cmp::Reverse(tool.figure.tokens), tool.at));
        tools
    }

    /// What is over its budget; characters ÷ 4 decide, so that it is the same with and without a tokenizer.
    #[must_use]
    pub fn judge(&self, budgets: &Budgets) -> Findings {
        let [total, tool, growth] = &TOPICS;
        let mut findings = Findings::default();
        let server = || "the server".to_owned();
        let most = |tokens: u64| format!("at most ~{tokens} tokens");
        if self.tools.tokens > budgets.total {
            findings.add(Found {
                topic: total,
                about: server(),
                expected: most(budgets.total),
                actual: format!("~{} tokens in {} tools", self.tools.tokens, self.each.len()),
                path: Some("$.tools".to_owned()),
            });
        }
        for one in self.dearest().into_iter().filter(|one| one.figure.tokens > budgets.tool) {
            findings.add(Found {
                topic: tool,
                about: one.about.clone(),
                expected: most(budgets.tool),
                actual: format!("~{} tokens", one.figure.tokens),
                path: Some(format!("$.tools[{}]", one.at)),
            });
        }
        if let (Some(percent), Some(locked)) = (self.growth_percent(), self.locked_tokens)
            && percent > budgets.growth_percent
        {
            findings.add(Found {
                topic: growth,
                about: server(),
                expected: format!(
                    "at most {} % more than the ~{locked} tokens that are locked",
                    budgets.growth_percent
                ),
                actual: format!("~{} tokens, {percent} % more", self.tools.tokens),
                path: Some("$.tools".to_owned()),
            });
        }
        findings
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::event::{Era, TransportKind};
    use crate::protocol::revision::Revision;

    /// A tool of so many tokens.
    fn tool(name: &str, tokens: usize) -> Value {
        let rest = tokens * 4 - name.len() - r#"{"type":"object"}"#.len();
        json!({"name": name, "description": "d".repeat(rest), "inputSchema": {"type": "object"},
            "outputSchema": {"type": "object", "description": "not counted"}, "annotations": {"readOnlyHint": true}})
    }

    fn cost(tools: &[Value], locked: Option<&[Value]>) -> Cost {
        let mut offer = Offer::new("s", Revision::newest(Era::Modern), TransportKind::Stdio);
        (offer.tools, offer.instructions) = (tools, Some("Ask for a city."));
        measure(&offer, locked, None)
    }

    fn ids(cost: &Cost) -> Vec<&'static str> {
        cost.judge(&Budgets::default()).shown().iter().map(|found| found.topic.id).collect()
    }

    #[test]
    fn each_budget_is_judged_at_its_edge() {
        let many =
            |count: usize, each: usize| (0..count).map(|at| tool(&format!("t{at:03}"), each)).collect::<Vec<_>>();
        let (fine, over) = (many(20, 1_250), many(20, 1_251));
        assert_eq!((cost(&fine, None).tools.tokens, ids(&cost(&fine, None)).len()), (25_000, 0));
        assert_eq!(ids(&cost(&over, None)), ["cost.total"]);
        assert_eq!(ids(&cost(&[tool("a", 1_500)], None)), [""; 0]);
        assert_eq!(ids(&cost(&[tool("a", 1_501)], None)), ["cost.tool"]);
        let locked = [tool("a", 100)];
        assert_eq!(ids(&cost(&[tool("a", 110)], Some(&locked))), [""; 0]);
        assert_eq!(ids(&cost(&[tool("a", 111)], Some(&locked))), ["cost.growth"]);
        assert_eq!(ids(&cost(&[tool("a", 50)], Some(&locked))), [""; 0]);
        assert_eq!(cost(&[tool("a", 50)], Some(&[])).growth_percent(), None);
        for topic in &TOPICS {
            assert!(topic.id.starts_with("cost.") && topic.what.ends_with('.') && topic.why.ends_with('.'));
        }
    }

    #[test]
    fn figures_are_those_of_what_a_model_is_shown() {
        let tools = [tool("a", 20), tool("b", 100), json!(null)];
        let cost = cost(&tools, None);
        assert_eq!(cost.tools, Figure { bytes: (80 + 43) + (400 + 43) + 2, tokens: 120, estimate: None });
        assert_eq!(cost.instructions, Figure { bytes: 15, tokens: 4, estimate: None });
        assert_eq!(cost.dearest().iter().map(|tool| tool.at).collect::<Vec<_>>(), [1, 0, 2]);
    }

    #[test]
    fn a_tokenizer_adds_its_estimate() {
        let tools = [json!({"name": "add", "description": "Adds two numbers.", "inputSchema": {"type": "object"}})];
        let mut offer = Offer::new("s", Revision::newest(Era::Modern), TransportKind::Stdio);
        (offer.tools, offer.instructions) = (&tools, Some("Hello, world!"));
        let with = measure(&offer, None, tokenizer("o200k"));
        assert_eq!((with.instructions.estimate, with.tokenizer), (Some(4), Some("o200k")));
        assert!(with.tools.estimate.is_some_and(|tokens| (8..=14).contains(&tokens)), "{:?}", with.tools);
        assert!(tokenizer("cl100k").is_none() && TOKENIZERS.iter().all(|name| tokenizer(name).is_some()));
    }
}

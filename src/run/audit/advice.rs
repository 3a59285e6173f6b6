//! What is to be said of a server's definitions beside the specification: what clients make of them, how they read, what they
//! cost, what is suspicious in them and in how the server is started. Judging is `audit`'s; this puts it into words of `event`.

use serde_json::Value;

use super::Audited;
use crate::audit::clients::{PROFILES, Profile, Survival, survive};
use crate::audit::cost::{self, Budgets, Figure};
use crate::audit::launch::{self, Setup};
use crate::audit::offer::Offer;
use crate::audit::topic::{Findings, Found};
use crate::audit::{lint, text};
use crate::base::glob;
use crate::base::secret::Masker;
use crate::event::{Advice, AuditOutcome, ClientSurvival, CostFigure, DefinitionCost};

/// What advice is wanted, and what it is held against.
#[derive(Clone, Debug)]
pub struct AdvicePlan {
    /// The clients that are looked at.
    pub clients: Vec<&'static Profile>,
    /// Patterns of the ids that are wanted; none means all.
    pub rules: Vec<String>,
    /// The tokenizer of the estimates, by its name.
    pub tokenizer: Option<&'static str>,
    /// What definitions may cost.
    pub budgets: Budgets,
}

impl AdvicePlan {
    fn wants(&self, id: &str) -> bool {
        self.rules.is_empty() || self.rules.iter().any(|pattern| glob::matches(pattern, id))
    }

    /// Whether anything of a family, such as `compat.cursor.`, may be wanted.
    fn wants_any(&self, ids: impl IntoIterator<Item = &'static str>) -> bool {
        ids.into_iter().any(|id| self.wants(id))
    }
}

impl Audited {
    /// Adds the advice to an outcome of this audit. `name` is what a client would have the server under, `locked` are the tools
    /// of its lock file.
    pub fn advise(
        &self,
        outcome: &mut AuditOutcome,
        plan: &AdvicePlan,
        (name, setup, locked): (&str, &Setup<'_>, Option<&[Value]>),
        masker: &Masker,
    ) {
        let mut findings = Findings::default();
        if let Some(facts) = &self.facts {
            let list = |method: &str| self.lists.get(method).map_or(&[][..], Vec::as_slice);
            let offer = Offer {
                name,
                instructions: facts.instructions.as_deref(),
                revision: facts.revision,
                transport: facts.transport,
                tools: list("tools/list"),
                prompts: list("prompts/list"),
                resources: list("resources/list"),
                templates: list("resources/templates/list"),
            };
            for profile in &plan.clients {
                if plan.wants_any(profile.rules.iter().map(|rule| rule.topic.id)) {
                    let survival = survive(profile, &offer);
                    outcome.clients.push(client(&survival, masker));
                    findings.absorb(survival.findings);
                }
            }
            findings.absorb(lint::judge(&offer));
            findings.absorb(text::judge(&offer));
            if plan.wants_any(cost::TOPICS.iter().map(|topic| topic.id)) && !offer.tools.is_empty() {
                let tokenizer = plan.tokenizer.and_then(cost::tokenizer);
                let cost = cost::measure(&offer, locked, tokenizer);
                findings.absorb(cost.judge(&plan.budgets));
                outcome.cost = Some(costs(&cost, masker));
            }
        }
        findings.absorb(launch::judge(setup));
        outcome.advised = self.facts.is_some() && plan.rules.is_empty() && plan.clients.len() == PROFILES.len();
        outcome.advice = findings
            .shown()
            .iter()
            .filter(|found| plan.wants(found.topic.id))
            .map(|found| advice(found, masker))
            .collect();
        outcome.advice_left_out = findings.left_out().filter(|(id, _)| plan.wants(id)).collect();
    }
}

fn advice(found: &Found, masker: &Masker) -> Advice {
    let masked = |text: &str| masker.mask(text).into_owned();
    Advice {
        id: found.topic.id,
        severity: found.topic.severity,
        about: masked(&found.about),
        expected: masked(&found.expected),
        actual: masked(&found.actual),
        path: found.path.as_deref().map(masked),
        what: found.topic.what,
        mend: found.topic.mend,
        accepted: None,
    }
}

fn client(survival: &Survival, masker: &Masker) -> ClientSurvival {
    ClientSurvival {
        id: survival.profile.id,
        title: survival.profile.title,
        as_of: survival.profile.as_of,
        total: survival.total,
        seen: survival.seen,
        refused: survival.refused.map(|rule| rule.topic.id),
        lost: survival.lost.iter().map(|lost| (masker.mask(&lost.about).into_owned(), lost.rule.topic.id)).collect(),
    }
}

fn costs(cost: &cost::Cost, masker: &Masker) -> DefinitionCost {
    let figure = |figure: Figure| CostFigure { bytes: figure.bytes, tokens: figure.tokens, estimate: figure.estimate };
    let each = cost.dearest().into_iter().map(|tool| (masker.mask(&tool.about).into_owned(), figure(tool.figure)));
    DefinitionCost {
        tools: figure(cost.tools),
        each: each.collect(),
        instructions: figure(cost.instructions),
        locked_tokens: cost.locked_tokens,
        growth_percent: cost.growth_percent(),
        tokenizer: cost.tokenizer,
    }
}

//! The exercises that every audit begins with: what an ordinary client does. One file per family for the others.

mod authorization;
mod base;
mod calls;
mod field;
mod headers;
mod http;
mod legacy;
mod origin;
mod prompts;
mod resources;
mod sessions;
mod stdio;
mod streams;
mod tools;
mod utilities;
mod modern;
mod rounds;
mod subscriptions;
mod tasks;

pub use authorization::{ANONYMOUS, ANONYMOUS_LATER, UNKNOWN_TOKEN, is_unauthorized};
pub use base::{
    BATCH, BATCH_IDS, IDS, NAMELESS_ID, NO_JSON, NO_REQUEST, NOTIFIED, OLD_ID, TOGETHER, UNKNOWN_METHOD,
    UNKNOWN_NOTIFICATION,
};
pub use calls::{CALLS, LEFT_OUT, QUIET_CALL};
pub use field::{ACCEPTING, AT_ONCE, HELD, MEMORY, RECONNECTED, SPELLING, WEIGHED};
pub use headers::{MISMATCHES, PARAMETERS, SPELLINGS, UNKNOWN_VERSIONS, UNVERSIONED};
pub use http::{DROPPED, MEDIA, VERBS};
pub use legacy::{AGAIN, EARLY, FUTURE, OPENING, PAST, UNDECLARED, VERSIONS};
pub use modern::{
    CAPABLE, FRESH, LEAST_LEVEL, LEGACY_HELLO, LOGGING, NO_LEVEL, NO_VERSION, OPTIONAL_META, REMOVED, WRONG_META,
};
pub use origin::{FOREIGN, FOREIGN_ORIGIN, OWN_ORIGIN, REBINDING};
pub use prompts::PROMPT;
pub(super) use resources::NO_SUCH_URI;
pub use resources::{NO_SUCH_THING, READ, SUBSCRIBE};
pub use rounds::{BROKEN_ROUNDS, ROUNDS, ROUNDS_MAX, questions};
pub use sessions::{END, SESSION_IDS, UNKNOWN_SESSION};
pub use stdio::{CANCEL, EARLY_DISCOVER};
pub use streams::LISTEN;
pub use subscriptions::{CHANGES, IDLE, IDLE_SUBSCRIPTION, SUBSCRIPTIONS, UPDATES};
pub use tasks::{EXTENSION as TASKS_EXTENSION, TASK_METHODS, TASKS, created, declares as declares_tasks};
pub use tools::{LIST_AGAIN, MISUSED_TOOLS};
pub use utilities::{COMPLETION, LOG_LEVEL};

use serde_json::{Value, json};

use super::exercise::{Exercise, Move, Send, Situation};
use crate::event::Era;

/// What every audit does first: it asks the server what it is, and reads what it says it offers.
pub static ORDINARY: Exercise =
    Exercise::new("ordinary", "what a client does: asks whether the server is there, reads every list", ordinary);

fn ordinary(situation: &Situation<'_>) -> Vec<Move> {
    let mut moves = Vec::new();
    moves.push(Move::Send(match situation.revision.era {
        Era::Legacy => Send::request("ping", "ping", Value::Null),
        Era::Modern => Send::request("discover", "server/discover", json!({})),
    }));
    let lists = situation.revision.methods.iter().filter(|method| method.list.is_some());
    for method in lists.filter(|method| method.capability.is_none_or(|capability| situation.declares(capability))) {
        moves.push(Move::Send(Send::request(method.name, method.name, json!({})).all_pages()));
    }
    moves
}

/// Every exercise, in the order in which they are carried out: the mildest first.
pub fn all() -> impl Iterator<Item = &'static Exercise> {
    [&ORDINARY].into_iter().chain(FAMILIES.iter().copied().flatten().copied())
}

static FAMILIES: &[&[&Exercise]] = &[
    base::EXERCISES,
    legacy::EXERCISES,
    authorization::EXERCISES,
    field::EXERCISES,
    http::EXERCISES,
    sessions::EXERCISES,
    headers::EXERCISES,
    origin::EXERCISES,
    streams::EXERCISES,
    stdio::EXERCISES,
    tools::EXERCISES,
    calls::EXERCISES,
    resources::EXERCISES,
    prompts::EXERCISES,
    utilities::EXERCISES,
    modern::EXERCISES,
    rounds::EXERCISES,
    subscriptions::EXERCISES,
    tasks::EXERCISES,
];

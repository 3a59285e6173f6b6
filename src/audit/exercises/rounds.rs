//! Exercises about rounds of input: the named tools are called by a client that can answer everything, and what they ask is
//! answered, first as it should be, then in every wrong way.

use serde_json::{Map, Value, json};

use super::super::exercise::{Exercise, Line, Move, Send, Situation};
use super::super::rule::{Class, MODERN_FIRST};
use super::super::shot::Shot;
use super::modern::{call, capable};

/// All of this file.
pub(super) static EXERCISES: &[&Exercise] = &[&ROUNDS, &BROKEN_ROUNDS];

/// Rounds that are gone through with one call.
pub const ROUNDS_MAX: usize = 5;
/// What is written behind the state that a server gave.
const TAMPERED: &str = ".mcp-probe";
/// The key of an answer that nobody asked for.
const UNASKED: &str = "mcp-probe-unasked";

/// Every tool is called, and what it asks is answered.
pub static ROUNDS: Exercise = Exercise::new(
    "rounds",
    "each named tool is called by a client that declares elicitation, sampling and roots; questions are declined",
    |situation| calls(situation, next_round),
)
.class(Class::Calls)
.line(Line::Own)
.between(MODERN_FIRST, "9999");

/// Every tool is called, and what it asks is answered wrongly. Nothing is sent where no tool may be called.
pub static BROKEN_ROUNDS: Exercise = Exercise::new(
    "broken-rounds",
    "each named tool (--tool) is called, and its questions answered with nothing, garbage, a forged state, too much",
    |situation| calls(situation, broken_round),
)
.class(Class::Invasive)
.line(Line::Own)
.between(MODERN_FIRST, "9999");

fn calls(situation: &Situation<'_>, next: fn(&[Shot]) -> Option<Send>) -> Vec<Move> {
    let ask = |named| call("ask", named).envelope(capable(&able()));
    situation.tools.iter().map(|named| Move::Follow(ask(named), next)).collect()
}

/// The capabilities of a client that can be asked everything.
fn able() -> Value {
    json!({"elicitation": {"form": {}, "url": {}}, "sampling": {}, "roots": {}})
}

/// The questions of an `input_required` result; none where only time is asked for.
#[must_use]
pub fn questions(shot: &Shot) -> Option<Map<String, Value>> {
    let result = shot.result()?;
    if result.get("resultType").and_then(Value::as_str) != Some("input_required") {
        return None;
    }
    Some(result.get("inputRequests").and_then(Value::as_object).cloned().unwrap_or_default())
}

/// The smallest valid answer to a question, as one gives it who does not want to say anything.
fn answer(question: &Value) -> Value {
    match question.get("method").and_then(Value::as_str) {
        Some("roots/list") => json!({"roots": []}),
        Some("sampling/createMessage") => {
            json!({"role": "assistant", "content": {"type": "text", "text": "probe"}, "model": "mcp-probe"})
        }
        _ => json!({"action": "decline"}),
    }
}

fn answers(questions: &Map<String, Value>) -> Map<String, Value> {
    questions.iter().map(|(key, question)| (key.clone(), answer(question))).collect()
}

/// The request of `shot` once more, with these answers and, where the server gave a state, with it or what `state` makes of it.
fn again(label: &'static str, shot: &Shot, responses: Option<Value>, state: fn(&str) -> String) -> Option<Send> {
    let mut params = shot.params()?;
    let members = params.as_object_mut()?;
    members.shift_remove("inputResponses");
    members.shift_remove("requestState");
    if let Some(responses) = responses {
        members.insert("inputResponses".to_owned(), responses);
    }
    if let Some(given) = shot.result()?.get("requestState") {
        let given = given.as_str().map_or_else(|| given.clone(), |text| Value::String(state(text)));
        members.insert("requestState".to_owned(), given);
    }
    Some(Send::request(label, shot.method.clone()?, params))
}

fn next_round(shots: &[Shot]) -> Option<Send> {
    let last = shots.last().filter(|_| shots.len() <= ROUNDS_MAX)?;
    let questions = questions(last)?;
    let responses = (!questions.is_empty()).then(|| Value::Object(answers(&questions)));
    again("answer", last, responses, str::to_owned)
}

/// A wrong way to answer.
struct Way {
    label: &'static str,
    /// Whether it is about the state; else it is about the answers.
    about_state: bool,
    responses: fn(&Map<String, Value>) -> Map<String, Value>,
    state: fn(&str) -> String,
}

/// In this order: what a server may take badly comes behind what it should take well, for its state may be good only once.
const WAYS: &[Way] = &[
    Way { label: "nothing", about_state: false, responses: |_| Map::new(), state: str::to_owned },
    Way { label: "garbage", about_state: false, responses: garbage, state: str::to_owned },
    Way { label: "forged", about_state: true, responses: answers, state: |state| format!("{state}{TAMPERED}") },
];

fn garbage(questions: &Map<String, Value>) -> Map<String, Value> {
    questions.keys().map(|key| (key.clone(), "mcp-probe".into())).collect()
}

/// The wrong ways one after the other. What is only too much comes last, behind a call of its own.
fn broken_round(shots: &[Shot]) -> Option<Send> {
    let first = shots.first()?;
    let asked = questions(first)?;
    let done = |label: &str| shots.iter().find(|shot| shot.label == label);
    if done("ask-again").is_none() {
        let has_state = first.result()?.get("requestState").is_some_and(Value::is_string);
        let fits = |way: &&Way| if way.about_state { has_state } else { !asked.is_empty() };
        if let Some(way) = WAYS.iter().filter(fits).find(|way| done(way.label).is_none()) {
            let responses = (!asked.is_empty()).then(|| Value::Object((way.responses)(&asked)));
            return again(way.label, first, responses, way.state);
        }
        let ask = || Some(Send::request("ask-again", first.method.clone()?, first.params()?));
        return if asked.is_empty() { None } else { ask() };
    }
    if done("too-much").is_some() {
        return None;
    }
    let second = done("ask-again")?;
    let mut responses = answers(&questions(second)?);
    responses.insert(UNASKED.to_owned(), json!({"action": "decline"}));
    again("too-much", second, Some(Value::Object(responses)), str::to_owned)
}

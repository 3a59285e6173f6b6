//! Exercises about prompts: one that needs no argument is fetched, where the user lets tools be called.

use serde_json::{Value, json};

use super::super::exercise::{Exercise, Move, Send, Situation};
use super::super::rule::Class;

/// All of this file.
pub(super) static EXERCISES: &[&Exercise] = &[&PROMPT];

/// The first prompt that needs no argument.
pub static PROMPT: Exercise =
    Exercise::new("prompt", "the first prompt that is listed and needs no argument", |situation| {
        let get = |name: &str| vec![Move::Send(Send::request("prompt", "prompts/get", json!({ "name": name })))];
        if situation.is_dry() { get("PROMPT") } else { first_free(situation).map_or_else(Vec::new, get) }
    })
    .class(Class::Calls);

fn first_free<'a>(situation: &'a Situation<'_>) -> Option<&'a str> {
    let needs = |argument: &Value| argument.get("required") == Some(&Value::Bool(true));
    let free = |prompt: &&Value| match prompt.get("arguments") {
        None => true,
        Some(arguments) => arguments.as_array().is_some_and(|all| !all.iter().any(needs)),
    };
    situation.list("prompts/list").iter().find(free)?.get("name")?.as_str()
}

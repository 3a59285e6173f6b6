//! Exercises about completion and logging.

use serde_json::{Value, json};

use super::super::exercise::{Exercise, Move, Send, Situation};
use super::super::rule::LEGACY_LAST;

/// All of this file.
pub(super) static EXERCISES: &[&Exercise] = &[&COMPLETION, &LOG_LEVEL];

/// Everything that may be said for the first argument that can be completed.
pub static COMPLETION: Exercise =
    Exercise::new("completion", "completes the first argument of a prompt or variable of a template", |situation| {
        // The first revision has no capability for it.
        let declared = situation.revision.version < "2025-03-26" || situation.declares("completions");
        let Some((reference, name)) = first_argument(situation).filter(|_| declared) else { return Vec::new() };
        let params = json!({"ref": reference, "argument": {"name": name, "value": ""}});
        vec![Move::Send(Send::request("complete", "completion/complete", params))]
    });

/// The level that most servers begin with.
pub static LOG_LEVEL: Exercise = Exercise::new("log-level", "sets the level of the log to info", |situation| {
    if !situation.declares("logging") {
        return Vec::new();
    }
    vec![Move::Send(Send::request("level", "logging/setLevel", json!({"level": "info"})))]
})
.between("2024-11-05", LEGACY_LAST);

/// What is completed and the name of its argument.
fn first_argument(situation: &Situation<'_>) -> Option<(Value, String)> {
    if situation.is_dry() {
        return Some((json!({"type": "ref/prompt", "name": "PROMPT"}), "ARGUMENT".to_owned()));
    }
    let of_prompt = |prompt: &Value| {
        let argument = prompt.get("arguments")?.as_array()?.first()?.get("name")?.as_str()?;
        Some((json!({"type": "ref/prompt", "name": prompt.get("name")?.as_str()?}), argument.to_owned()))
    };
    let of_template = |template: &Value| {
        let text = template.get("uriTemplate")?.as_str()?;
        let (_, behind) = text.split_once('{')?;
        let list = behind.split('}').next()?.trim_start_matches(|c: char| "+#./;?&".contains(c));
        let name = list.split([',', ':', '*']).next()?;
        Some((json!({"type": "ref/resource", "uri": text}), name.to_owned()))
    };
    let prompts = situation.list("prompts/list").iter().find_map(of_prompt);
    prompts.or_else(|| situation.list("resources/templates/list").iter().find_map(of_template))
}

//! Rules of prompts: what is listed, what fetching gives, and how the server answers for what it does not have.

use super::super::exercises::{NO_SUCH_THING, PROMPT};
use super::super::{Area, Case, Class, Keyword, Rule, Shot, Verdict, Violation};
use super::fit::{fit, nothing};
use super::tools::unique_by;

const LIST: &str = "prompts/list";

pub(super) static RULES: &[Rule] = &[
    Rule::new("prompts.shape", &["P01"], Area::Resources, shape)
        .worded(Keyword::Schema)
        .says(
            "Every prompt has a string `name`, and each of its `arguments` has one, too.",
            "Clients that read the list strictly drop it as a whole for a single item without them.",
            "give every prompt and every argument a name.",
        )
        .page("server/prompts#prompt"),
    Rule::new("prompts.unique", &["P02"], Area::Resources, unique)
        .noticed()
        .worded(Keyword::Should)
        .says(
            "No two prompts of a server have the same name, over all pages of the list.",
            "Only one of them can be fetched.",
            "rename one of the prompts, or list it once.",
        )
        .page("server/prompts#prompt"),
    Rule::new("prompts.messages", &["P03"], Area::Resources, messages)
        .occasions(&[&PROMPT])
        .worded(Keyword::Schema)
        .says(
            "Fetching a prompt gives `messages`, each with the role \"user\" or \"assistant\" and one block of content.",
            "A strict client refuses the prompt; lists of blocks and a system role are no part of MCP.",
            "return one message for each block, by the user or the assistant.",
        )
        .page("server/prompts#promptmessage"),
    Rule::new("prompts.fetched", &["P03"], Area::Resources, fetched)
        .worded(Keyword::Info)
        .needs(Class::Calls, &[&PROMPT])
        .says(
            "A prompt that is listed and needs no argument can be fetched.",
            "A list of prompts that cannot be fetched misleads the user.",
            "list an argument that is needed as required, and only prompts that are there.",
        )
        .page("server/prompts#getting-a-prompt"),
    Rule::new("prompts.unknown", &["P04"], Area::Resources, unknown)
        .worded(Keyword::Should)
        .needs(Class::Invasive, &[&NO_SUCH_THING])
        .says(
            "A prompt that does not exist is answered with error -32602.",
            "Clients tell by the code that it is the name that is wrong, and not the server.",
            "look the name up first, and answer -32602 where it is unknown.",
        )
        .page("server/prompts#error-handling"),
    Rule::new("prompts.missing_argument", &["P05"], Area::Resources, missing_argument)
        .worded(Keyword::Should)
        .needs(Class::Invasive, &[&NO_SUCH_THING])
        .says(
            "A prompt that is fetched without a required argument is answered with error -32602.",
            "A client asks the user for what is missing; a prompt with a hole in it goes to the model.",
            "check the required arguments before the prompt is written, or do not mark them as required.",
        )
        .page("server/prompts#error-handling"),
];

fn not_listed(case: &Case<'_>) -> Verdict {
    nothing(case, "prompts", "no list of prompts was read")
}

fn not_fetched(case: &Case<'_>) -> Verdict {
    nothing(case, "prompts", "no prompt was fetched")
}

fn shape(case: &Case<'_>) -> Verdict {
    let about = [
        "$.prompts",
        "$.prompts[*]",
        "$.prompts[*].name",
        "$.prompts[*].arguments",
        "$.prompts[*].arguments[*]",
        "$.prompts[*].arguments[*].name",
    ];
    fit(case, &[LIST], |at, _| about.contains(&at), || not_listed(case))
}

fn unique(case: &Case<'_>) -> Verdict {
    let items = case.definitions(LIST);
    if items.is_empty() {
        return nothing(case, "prompts", "no prompt is listed");
    }
    unique_by(case, &items, "name", "prompts")
}

fn messages(case: &Case<'_>) -> Verdict {
    let about = |at: &str| at.starts_with("$.messages") && !at.contains(".annotations") && !at.contains(".icons");
    fit(case, &["prompts/get"], |at, _| about(at), || not_fetched(case))
}

fn fetched(case: &Case<'_>) -> Verdict {
    let Some((place, shot)) = case.shot(&PROMPT, "prompt") else { return not_fetched(case) };
    if shot.result().is_none() && shot.error().is_none() {
        return Verdict::NotExercised(format!("no answer came to it: {}", shot.said()).into());
    }
    Verdict::of(shot.error().is_none(), || Violation::new("the messages of a prompt", shot.said()).shown_by(place))
}

/// Judges one message about what does not exist.
fn refusal(case: &Case<'_>, label: &str, none: Verdict) -> Verdict {
    match case.shot(&NO_SUCH_THING, label) {
        None => none,
        Some((place, shot)) => judge_refusal(place, shot),
    }
}

/// Whether a message was answered with error -32602.
pub(super) fn judge_refusal(place: usize, shot: &Shot) -> Verdict {
    match (shot.error(), shot.result()) {
        (None, None) => Verdict::NotExercised(format!("no answer came to it: {}", shot.said()).into()),
        (error, _) => Verdict::of(error.is_some_and(|error| error.code == -32602), || {
            Violation::new("error -32602", shot.said()).shown_by(place)
        }),
    }
}

fn unknown(case: &Case<'_>) -> Verdict {
    refusal(case, "prompt", not_fetched(case))
}

fn missing_argument(case: &Case<'_>) -> Verdict {
    refusal(case, "argument", nothing(case, "prompts", "no prompt requires an argument"))
}

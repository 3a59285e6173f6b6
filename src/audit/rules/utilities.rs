//! Rules of what all lists share (pages, cursors, how long they may be kept), and of completion and logging.

use std::collections::{HashMap, HashSet};

use serde_json::Value;

use super::super::case::quote;
use super::super::exercises::{COMPLETION, LOG_LEVEL, NO_SUCH_THING, ORDINARY, QUIET_CALL, READ};
use super::super::{Area, Case, Class, Keyword, Rule, Shot, Verdict, Violation};
use super::fit::{fit, nothing};
use super::prompts::judge_refusal;

const LISTS: &[&str] = &["tools/list", "resources/list", "resources/templates/list", "prompts/list"];
const CACHEABLE: &[&str] =
    &["server/discover", "tools/list", "resources/list", "resources/templates/list", "prompts/list", "resources/read"];
/// The levels of the log, from the mildest.
const LEVELS: [&str; 8] = ["debug", "info", "notice", "warning", "error", "critical", "alert", "emergency"];

pub(super) static RULES: &[Rule] = &[
    Rule::new("list.ends", &["U01", "F35"], Area::Utilities, ends)
        .worded(Keyword::Should)
        .says(
            "A list ends: no `nextCursor` comes twice, and no page comes again under another cursor.",
            "A client that follows the cursors reads for ever, or stops at a limit of its own with every item many times.",
            "let the cursor say what comes next, honour it when it comes back, and leave it out on the last page.",
        )
        .page("server/utilities/pagination#implementation-guidelines"),
    Rule::new("list.next_cursor", &["U03"], Area::Utilities, next_cursor)
        .worded(Keyword::Schema)
        .says(
            "`nextCursor` is a string, and is left out on the last page.",
            "Strict clients refuse the whole page for null or a number.",
            "leave the member out where there are no more pages; an empty string would be a cursor.",
        )
        .page("server/utilities/pagination#response-format"),
    Rule::new("list.bad_cursor", &["U02"], Area::Utilities, bad_cursor)
        .worded(Keyword::Should)
        .needs(Class::Invasive, &[&NO_SUCH_THING])
        .says(
            "A cursor that the server did not give is answered with error -32602.",
            "A client whose cursor has become invalid takes the first page for the next one and reads in circles.",
            "check the cursor, and answer -32602 where it leads nowhere.",
        )
        .page("server/utilities/pagination#error-handling"),
    Rule::new("cache.ttl", &["U04"], Area::Utilities, ttl)
        .occasions(&[&READ])
        .modern()
        .says(
            "Results of server/discover, of the lists and of resources/read have `ttlMs`, an integer of at least 0.",
            "Without it clients ask again each time, and strict ones refuse the result.",
            "add \"ttlMs\": 0 where nothing may be kept.",
        )
        .page("server/utilities/caching"),
    Rule::new("cache.scope", &["U05"], Area::Utilities, scope)
        .occasions(&[&READ])
        .modern()
        .says(
            "Results of server/discover, of the lists and of resources/read have `cacheScope`, \"public\" or \"private\", the \
             same on every page of a list.",
            "A gateway may give a public result to anybody; a page of another scope leaks or is read again in vain.",
            "say \"private\" for what depends on the user, and the same for all pages of a list.",
        )
        .page("server/utilities/caching"),
    Rule::new("completion.values", &["U07"], Area::Utilities, completion)
        .needs(Class::Harmless, &[&COMPLETION])
        .says(
            "A completion has at most 100 `values`, all strings, and a `total` that is not smaller than their number.",
            "Clients refuse longer lists, and show \"10 of 3\".",
            "cut the values at 100, and say in total and hasMore what there is besides.",
        )
        .page("server/utilities/completion#completion-results"),
    Rule::new("completion.unknown", &["U08"], Area::Utilities, bad_completion)
        .worded(Keyword::Should)
        .since("2025-03-26")
        .needs(Class::Invasive, &[&NO_SUCH_THING])
        .says(
            "A completion for a prompt that does not exist is answered with error -32602; a server without completions answers \
             -32601.",
            "A client tells by the code whether to ask again for other arguments, or never.",
            "check what is referred to, and answer with the code for it.",
        )
        .page("server/utilities/completion#error-handling"),
    Rule::new("logging.set_level", &["U09"], Area::Utilities, set_level)
        .legacy()
        .needs(Class::Harmless, &[&LOG_LEVEL])
        .says(
            "A server that declares `logging` answers logging/setLevel with an empty result.",
            "A client that cannot set the level is flooded with messages, or gets none.",
            "handle logging/setLevel, or do not declare `logging`.",
        )
        .page("server/utilities/logging#setting-log-level"),
    Rule::new("logging.bad_level", &["U09"], Area::Utilities, bad_level)
        .worded(Keyword::Should)
        .legacy()
        .needs(Class::Invasive, &[&NO_SUCH_THING])
        .says(
            "A level that does not exist is answered with error -32602.",
            "A client that misspells a level believes that it was set.",
            "compare the level with the eight of RFC 5424, and answer -32602 for any other.",
        )
        .page("server/utilities/logging#error-handling"),
    Rule::new("logging.level_kept", &["U10"], Area::Utilities, level_kept)
        .worded(Keyword::Should)
        .legacy()
        .needs(Class::Calls, &[&QUIET_CALL])
        .says(
            "After a level was set, log messages are of that level or worse.",
            "Users who asked for warnings do not find them among messages for debugging.",
            "keep the level for each session, and compare before a message is sent.",
        )
        .page("server/utilities/logging#setting-log-level"),
];

pub(super) static UNBUILT: &[(&str, &str)] =
    &[("U06", "whether a public list differs between users takes two identities, and an audit has one")];

/// Where no list was read.
fn no_list(case: &Case<'_>) -> Verdict {
    let any = ["tools", "resources", "prompts"].iter().any(|capability| case.facts.declares(capability));
    if any {
        Verdict::NotExercised("no list was read".into())
    } else {
        Verdict::NotApplicable("it has no lists".into())
    }
}

/// The readings of each list, page by page.
fn readings<'a>(case: &Case<'a>) -> Vec<Vec<(usize, &'a Value)>> {
    let mut all: Vec<(_, Vec<(usize, &Value)>)> = Vec::new();
    for (place, shot) in case.all() {
        let (Some(method), Some(result)) = (shot.method.as_deref(), shot.result()) else { continue };
        // What answers a cursor that nobody gave belongs to no reading.
        if !LISTS.contains(&method) || shot.exercise == NO_SUCH_THING.name {
            continue;
        }
        let of = (shot.exercise, shot.label, shot.place, method);
        match all.last_mut() {
            Some((last, pages)) if *last == of => pages.push((place, result)),
            _ => all.push((of, vec![(place, result)])),
        }
    }
    all.into_iter().map(|(_, pages)| pages).collect()
}

fn ends(case: &Case<'_>) -> Verdict {
    let readings = readings(case);
    if readings.is_empty() {
        return no_list(case);
    }
    let judged = readings.iter().map(|pages| {
        let mut cursors = HashSet::new();
        let mut seen: Vec<String> = Vec::new();
        for (place, result) in pages {
            if let Some(cursor) = result.get("nextCursor").and_then(Value::as_str)
                && !cursors.insert(cursor)
            {
                let actual = format!("{} again", quote(&cursor.into()));
                return Err(Violation::new("a cursor that did not come before", actual)
                    .at("$.nextCursor")
                    .shown_by(*place));
            }
            let Some(items) = items(result) else { continue };
            if seen.contains(&items) {
                let actual = "the items of an earlier page, all of them".to_owned();
                return Err(Violation::new("other items behind another cursor", actual).at("$").shown_by(*place));
            }
            seen.push(items);
        }
        Ok(())
    });
    let judged: Vec<_> = judged.collect();
    let open = |pages: &Vec<(usize, &Value)>| {
        pages.len() > 1 && pages.last().is_some_and(|(_, last)| last.get("nextCursor").is_some_and(Value::is_string))
    };
    if judged.iter().all(Result::is_ok) && readings.iter().any(open) {
        return Verdict::NotExercised("a list has more pages than are read, or one could not be read".into());
    }
    Verdict::of_all(judged.into_iter(), "")
}

/// The items of a page as text; of an empty page there is none.
fn items(result: &Value) -> Option<String> {
    let members = ["tools", "resources", "resourceTemplates", "prompts"];
    let list = members.iter().find_map(|member| result.get(member)?.as_array())?;
    (!list.is_empty()).then(|| Value::from(list.clone()).to_string())
}

fn next_cursor(case: &Case<'_>) -> Verdict {
    fit(case, LISTS, |at, _| at == "$.nextCursor", || no_list(case))
}

fn bad_cursor(case: &Case<'_>) -> Verdict {
    let Some((place, shot)) = case.shot(&NO_SUCH_THING, "cursor") else { return no_list(case) };
    let pages = |(_, result): (usize, &Value)| result.get("nextCursor").is_some_and(Value::is_string);
    if shot.result().is_some() && !LISTS.iter().any(|list| case.results_of(list).any(pages)) {
        return Verdict::NotApplicable("the server gives no cursors, and takes none for one".into());
    }
    judge_refusal(place, shot)
}

/// Results that may be kept, of whatever kind they should be: a question to the client is none.
fn cacheable<'a>(case: &Case<'a>) -> impl Iterator<Item = (usize, &'a str, &'a Value)> {
    case.results().filter(|(_, method, result)| {
        CACHEABLE.contains(method) && result.get("resultType").is_none_or(|kind| kind == "complete")
    })
}

fn ttl(case: &Case<'_>) -> Verdict {
    fit(case, CACHEABLE, |at, _| at == "$.ttlMs", || Verdict::NotExercised("no such result came".into()))
}

fn scope(case: &Case<'_>) -> Verdict {
    let none = || Verdict::NotExercised("no such result came".into());
    let shape = fit(case, CACHEABLE, |at, _| at == "$.cacheScope", none);
    if shape != Verdict::Passes {
        return shape;
    }
    let mut first: HashMap<&str, &Value> = HashMap::new();
    let lists = cacheable(case).filter(|(_, method, _)| LISTS.contains(method));
    let of_one_reading = lists.filter(|(place, ..)| {
        let shot = &case.shots[*place];
        shot.exercise == ORDINARY.name || shot.exercise.is_empty()
    });
    let judged = of_one_reading.filter_map(|(place, method, result)| {
        let scope = result.get("cacheScope")?;
        let before = *first.entry(method).or_insert(scope);
        if before == scope {
            return Some(Ok(()));
        }
        let actual = format!("{} behind {} on another page of {method}", quote(scope), quote(before));
        let wrong = Violation::new("one cacheScope for all pages of a list", actual);
        Some(Err(wrong.at("$.cacheScope").shown_by(place)))
    });
    Verdict::of_all(judged.chain([Ok(())]), "")
}

fn completion(case: &Case<'_>) -> Verdict {
    let capability = if case.facts.revision.version < "2025-03-26" { "prompts" } else { "completions" };
    fit(
        case,
        &["completion/complete"],
        |at, _| at.starts_with("$.completion"),
        || nothing(case, capability, "nothing was completed"),
    )
}

fn bad_completion(case: &Case<'_>) -> Verdict {
    let Some((place, shot)) = case.shot(&NO_SUCH_THING, "completion") else {
        return Verdict::NotExercised("nothing was asked".into());
    };
    if case.facts.declares("completions") {
        return judge_refusal(place, shot);
    }
    if shot.result().is_none() && shot.error().is_none() {
        return Verdict::NotExercised(format!("no answer came to it: {}", shot.said()).into());
    }
    Verdict::of(shot.error().is_some_and(|error| error.code == -32601), || {
        Violation::new("error -32601, because completions are not declared", shot.said()).shown_by(place)
    })
}

fn set_level(case: &Case<'_>) -> Verdict {
    if !case.facts.declares("logging") {
        return Verdict::NotApplicable("the server declares no logging".into());
    }
    match case.shot(&LOG_LEVEL, "level") {
        Some((place, shot)) if shot.result().is_some() || shot.error().is_some() => {
            Verdict::of(shot.error().is_none(), || Violation::new("an empty result", shot.said()).shown_by(place))
        }
        _ => Verdict::NotExercised("no answer came to it".into()),
    }
}

fn bad_level(case: &Case<'_>) -> Verdict {
    match case.shot(&NO_SUCH_THING, "level") {
        Some((place, shot)) => judge_refusal(place, shot),
        None => nothing(case, "logging", "no level was sent"),
    }
}

fn level_kept(case: &Case<'_>) -> Verdict {
    let set = case.shot(&QUIET_CALL, "level").is_some_and(|(_, shot)| shot.result().is_some());
    if !set {
        return nothing(case, "logging", "the level could not be set, or no tool was named that only reads");
    }
    let rank = |level: &str| LEVELS.iter().position(|known| *known == level);
    let least = rank("warning");
    let calls = case.of(&QUIET_CALL).filter(|(_, shot)| shot.label == "quiet" && shot.answer.is_some());
    let judged = calls.map(|(place, shot)| {
        let levels = logged(shot);
        let mut milder = levels.iter().filter(|level| rank(level).is_some_and(|rank| Some(rank) < least));
        match milder.next() {
            None => Ok(()),
            Some(level) => {
                let others = milder.count();
                let actual = format!("a message of level {level}");
                let wrong = Violation::new("messages of level warning and worse", actual).shown_by(place);
                Err(Violation { others, ..wrong })
            }
        }
    });
    Verdict::of_all(judged, "no tool that was named only reads")
}

fn logged(shot: &Shot) -> Vec<String> {
    let messages = shot.notices().filter(|(method, _)| *method == "notifications/message");
    messages.filter_map(|(_, params)| params.get("level")?.as_str().map(str::to_owned)).collect()
}

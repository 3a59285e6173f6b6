//! Rules of servers that want credentials: how they refuse who has none. Whether a server wants any is its own choice, so
//! all of them hold only where a request without credentials is refused.

use super::super::case::cut;
use super::super::challenge::{self, Challenge};
use super::super::discovery::{self, RESOURCE};
use super::super::exercises::{ANONYMOUS, ANONYMOUS_LATER, UNKNOWN_TOKEN};
use super::super::rule::HTTP;
use super::super::{Area, Case, Class, Keyword, Rule, Shot, Verdict, Violation};

/// Rows that are no rule.
pub(super) static UNBUILT: &[(&str, &str)] = &[
    ("A18", "a token in a URL ends up in the logs of every proxy on the way, so that none is ever put there to see"),
    ("A19", "it needs a token with too small a scope, which nobody has who only asks from outside"),
    ("A20", "it needs a token that was given out for another server, and sending that one here would give it away"),
    ("A21", "an endpoint at /authorize or /token may be anybody's: that it is there, or not, tells nothing of OAuth"),
];

pub(super) static RULES: &[Rule] = &[
    Rule::new("auth.unauthorized", &["A01", "F48"], Area::Authorization, unauthorized)
        .since("2025-03-26")
        .over(HTTP)
        .needs(Class::Harmless, &[&ANONYMOUS])
        .says(
            "A server that wants credentials answers HTTP 401 to a request that has none.",
            "Clients begin to log in upon a 401 and upon nothing else; 403, a redirect or an error page leave them outside.",
            "answer 401 before anything else looks at the request, redirects to other paths included.",
        )
        .page("basic/authorization"),
    Rule::new("auth.every_request", &["A02"], Area::Authorization, every_request)
        .since("2025-03-26")
        .over(HTTP)
        .needs(Class::Harmless, &[&ANONYMOUS, &ANONYMOUS_LATER])
        .says(
            "A server that wants credentials wants them with every request, also within a session.",
            "A session id is no credential: whoever sees one could use the server without any.",
            "check the token in front of all methods, not in the handler of the opening.",
        )
        .page("basic/authorization"),
    Rule::new("auth.challenge", &["A03", "F48"], Area::Authorization, challenge)
        .since("2025-06-18")
        .over(HTTP)
        .needs(Class::Harmless, &[&ANONYMOUS])
        .says(
            "A 401 has a `WWW-Authenticate` header with a Bearer challenge, whose `resource_metadata` is an absolute https URL; \
             since 2025-11-25 it may be left out where the metadata lies at its well-known place.",
            "It is how a client finds out where to log in; without it the user sees an error and no login page.",
            "send `WWW-Authenticate: Bearer resource_metadata=\"https://host/.well-known/oauth-protected-resource/mcp\"`.",
        )
        .page("basic/authorization"),
    Rule::new("auth.challenge_scope", &["A08"], Area::Authorization, challenge_scope)
        .worded(Keyword::Should)
        .since("2025-11-25")
        .over(HTTP)
        .needs(Class::Harmless, &[&ANONYMOUS])
        .says(
            "The challenge of a 401 names the scopes that are needed, as `scope`.",
            "Without it clients ask for every scope there is, or for too few and are refused again.",
            "add `scope=\"...\"` with what the request needs to the challenge.",
        )
        .page("basic/authorization"),
    Rule::new("auth.unknown_token", &["A17"], Area::Authorization, unknown_token)
        .since("2025-03-26")
        .over(HTTP)
        .needs(Class::Invasive, &[&ANONYMOUS, &UNKNOWN_TOKEN])
        .says(
            "A token that nobody has given out is refused with HTTP 401.",
            "A server that takes any token is open to everybody; one that answers otherwise keeps clients from logging in anew.",
            "verify signature, issuer, audience and expiry of each token, and answer 401 with `error=\"invalid_token\"`.",
        )
        .page("basic/authorization"),
];

/// The refusal of a request without credentials, with its place; or why there is nothing to judge.
pub(super) fn refusal<'a>(case: &Case<'a>) -> Result<(usize, &'a Shot), Verdict> {
    let Some((place, shot)) = case.shot(&ANONYMOUS, "opening") else {
        let refused = case.shots.iter().any(|shot| shot.status() == Some(401));
        return Err(if case.place.has_credentials || refused {
            Verdict::NotExercised("nothing was sent without credentials".into())
        } else {
            Verdict::NotApplicable("the server serves requests without credentials".into())
        });
    };
    let Some(status) = shot.status() else {
        let why = shot.fault.as_ref().map_or("nothing came", |fault| &fault.message);
        return Err(Verdict::NotExercised(format!("of a request without credentials: {}", cut(why)).into()));
    };
    match status {
        200..=299 => Err(Verdict::NotApplicable("the server serves requests without credentials".into())),
        401 => Ok((place, shot)),
        429 | 502..=504 => {
            Err(Verdict::NotExercised(format!("a request without credentials was answered with HTTP {status}").into()))
        }
        // With credentials it is served, so that it is they which are missed.
        _ if case.place.has_credentials && served(case) => Ok((place, shot)),
        _ if shot.header("www-authenticate").is_some() => Ok((place, shot)),
        _ => {
            let why = "may be the answer of a firewall, or of a server that refuses more than who has no credentials";
            Err(Verdict::NotExercised(format!("HTTP {status} {why}").into()))
        }
    }
}

fn served(case: &Case<'_>) -> bool {
    case.all().any(|(_, shot)| shot.answer.is_some())
}

/// What the refusal asks for; none where it is not worded as it must be.
pub(super) fn challenges(refusal: &Shot) -> Vec<Challenge> {
    refusal.head.as_ref().and_then(|head| challenge::read(head).ok()).unwrap_or_default()
}

/// A strategy of the server's own: it asks for something, and that is no bearer token.
pub(super) fn own_strategy(refusal: &Shot) -> Option<String> {
    let all = challenges(refusal);
    let first = all.first().filter(|_| !all.iter().any(Challenge::is_bearer))?;
    Some(format!("the server asks for {}, not for a bearer token", cut(&first.scheme)))
}

fn unauthorized(case: &Case<'_>) -> Verdict {
    match refusal(case) {
        Err(verdict) => verdict,
        Ok((place, shot)) => Verdict::of(shot.status() == Some(401), || {
            Violation::new("HTTP 401 to a request without credentials", shot.said()).shown_by(place)
        }),
    }
}

fn every_request(case: &Case<'_>) -> Verdict {
    if let Err(verdict) = refusal(case) {
        return verdict;
    }
    let asked = case.of(&ANONYMOUS_LATER).filter(|(_, shot)| {
        let of_opening = matches!(shot.method.as_deref(), Some("initialize" | "notifications/initialized"));
        !of_opening && shot.status().is_some()
    });
    Verdict::of_all(
        asked.map(|(place, shot)| {
            // Whatever it is refused with: what counts is that nothing is given away.
            if shot.result().is_none() {
                return Ok(());
            }
            let method = shot.method.as_deref().unwrap_or_default();
            Err(Violation::new("HTTP 401 to every request without credentials", format!("{method}: {}", shot.said()))
                .shown_by(place))
        }),
        "nothing further was answered without credentials",
    )
}

fn challenge(case: &Case<'_>) -> Verdict {
    let (place, shot) = match refusal(case) {
        Ok(refusal) => refusal,
        Err(verdict) => return verdict,
    };
    if shot.status() != Some(401) {
        return Verdict::NotExercised("the refusal is no 401".into());
    }
    if let Some(why) = own_strategy(shot) {
        return Verdict::NotApplicable(why.into());
    }
    let violated = |expected: &str, actual: String| Violation::new(expected, actual).shown_by(place);
    let written = shot.header("www-authenticate");
    if let Some(Err(wrong)) = shot.head.as_ref().map(challenge::read) {
        let actual = format!("{} that cannot be read from: {}", cut(written.unwrap_or_default()), cut(&wrong));
        return Verdict::Violates(violated("a challenge such as Bearer realm=\"...\"", actual));
    }
    if let Some(hint) = discovery::hinted(shot) {
        return Verdict::of(discovery::is_safe(&hint, case.place.loopback), || {
            violated("an absolute https URL as resource_metadata", cut(&hint))
        });
    }
    let lies = case.of(&ANONYMOUS).any(|(_, shot)| shot.label == RESOURCE && discovery::document(shot).is_some());
    let since_optional = case.facts.revision.version >= "2025-11-25";
    let actual = written.map_or_else(|| "no WWW-Authenticate".to_owned(), |written| format!("only {}", cut(written)));
    match (lies, since_optional, written) {
        (true, true, Some(_)) => Verdict::Passes,
        // HTTP itself wants the header.
        (true, true, None) => Verdict::Violates(violated("a WWW-Authenticate header with a 401", actual).mild()),
        (true, false, _) => Verdict::Violates(violated("resource_metadata in WWW-Authenticate", actual)),
        // Nothing of OAuth is there: tokens may be given out by hand.
        (false, ..) => {
            let expected = "a Bearer challenge with resource_metadata, or the metadata at its well-known place";
            Verdict::Violates(violated(expected, format!("{actual}, and no metadata")).mild())
        }
    }
}

fn challenge_scope(case: &Case<'_>) -> Verdict {
    let (place, shot) = match refusal(case) {
        Ok(refusal) => refusal,
        Err(verdict) => return verdict,
    };
    let all = challenges(shot);
    let Some(bearer) = all.iter().find(|challenge| challenge.is_bearer()) else {
        return Verdict::NotExercised("there is no Bearer challenge".into());
    };
    Verdict::of(bearer.parameter("scope").is_some_and(|scope| !scope.trim().is_empty()), || {
        let actual = cut(shot.header("www-authenticate").unwrap_or_default());
        Violation::new("scope in the Bearer challenge", actual).shown_by(place)
    })
}

fn unknown_token(case: &Case<'_>) -> Verdict {
    if let Err(verdict) = refusal(case) {
        return verdict;
    }
    let Some((place, shot)) = case.of(&UNKNOWN_TOKEN).find(|(_, shot)| shot.status().is_some()) else {
        return Verdict::NotExercised("the token was not answered".into());
    };
    match shot.status() {
        Some(401) => Verdict::Passes,
        Some(429 | 502..=504) => Verdict::NotExercised(shot.said().into()),
        status => {
            let violation = Violation::new("HTTP 401 to a token that nobody gave out", shot.said()).shown_by(place);
            // 400 is what a malformed request gets, and a server may see the token so.
            Verdict::Violates(if status == Some(400) { violation.mild() } else { violation })
        }
    }
}

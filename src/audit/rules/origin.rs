//! Rules against pages in somebody's browser that speak to a server on his machine: Origin and Host.

use super::super::exercises::{FOREIGN_ORIGIN, OWN_ORIGIN, REBINDING};
use super::super::rule::{ANY_HTTP, HTTP};
use super::super::{Area, Case, Class, Keyword, Rule, Verdict, Violation};
use super::outcome::{self, Outcome};

const PAGE: &str = "basic/transports#security-warning";
const PAGE_MODERN: &str = "basic/transports/streamable-http#security-%26-endpoint";

/// Rows of the catalogue that no rule judges, and why.
pub(super) static UNBUILT: &[(&str, &str)] = &[(
    "H07",
    "an audit speaks to the address it was given alone; whether the server listens at others of this machine is seen by `ss \
     -ltn`",
)];

pub(super) static RULES: &[Rule] = &[
    Rule::new("origin.foreign", &["H04", "F15"], Area::Transport, foreign)
        .over(ANY_HTTP)
        .needs(Class::Invasive, &[&FOREIGN_ORIGIN])
        .says(
            "A request whose Origin is another site is refused, since 2025-11-25 with status 403.",
            "Any page that somebody opens in a browser could use the server of his machine otherwise.",
            "compare Origin with a list of those that may use the server, and answer 403 Forbidden to any other.",
        )
        .page(PAGE)
        .moved("2026-07-28", PAGE_MODERN),
    Rule::new("origin.null", &["H04"], Area::Transport, null)
        .worded(Keyword::Info)
        .over(ANY_HTTP)
        .needs(Class::Invasive, &[&FOREIGN_ORIGIN])
        .says(
            "A request with the Origin null is refused by a server of this machine.",
            "Pages in a sandboxed frame have that origin, whoever wrote them.",
            "leave null out of the list of origins that may use the server.",
        )
        .page(PAGE)
        .moved("2026-07-28", PAGE_MODERN),
    Rule::new("origin.rebinding", &["H05"], Area::Transport, rebinding)
        .worded(Keyword::Security)
        .over(HTTP)
        .needs(Class::Invasive, &[&REBINDING])
        .says(
            "A server of this machine refuses a request whose Host and Origin name another site.",
            "The name of a site can be made to point to this machine; its pages then have the same origin as the server.",
            "compare Host with the names that the server has, such as localhost:3000, besides Origin.",
        )
        .page(PAGE)
        .moved("2026-07-28", PAGE_MODERN),
    Rule::new("origin.own", &["H06"], Area::Transport, own)
        .worded(Keyword::Info)
        .over(HTTP)
        .needs(Class::Harmless, &[&OWN_ORIGIN])
        .says(
            "A request with the origin of the server itself is served.",
            "Clients in a browser always send an Origin; a server that refuses its own serves no page at all.",
            "add the server's own origin to the list, unless no page is to use it.",
        )
        .page(PAGE)
        .moved("2026-07-28", PAGE_MODERN),
];

fn foreign(case: &Case<'_>) -> Verdict {
    let wanted = if case.facts.revision.version < "2025-11-25" { "a refusal, such as HTTP 403" } else { "HTTP 403" };
    outcome::judge(case, &FOREIGN_ORIGIN, "foreign", |shot, outcome| match outcome {
        Outcome::Served if !case.place.loopback && case.place.tls => Verdict::NotExercised(
            "it was served; which origins are valid is the server's choice where no other site can take its name"
                .into(),
        ),
        Outcome::Served => {
            let violation = Violation::new(wanted, outcome::served(shot));
            Verdict::Violates(if case.place.loopback { violation } else { violation.mild() })
        }
        Outcome::Refused { status: None | Some(403), .. } => Verdict::Passes,
        Outcome::Refused { status: Some(400..500), .. } if case.facts.revision.version < "2025-11-25" => {
            Verdict::Passes
        }
        _ => Verdict::Violates(Violation::new(wanted, shot.said()).mild()),
    })
}

fn null(case: &Case<'_>) -> Verdict {
    if !case.place.loopback {
        return Verdict::NotApplicable("which origins are valid is the server's choice".into());
    }
    outcome::judge(case, &FOREIGN_ORIGIN, "null", |shot, outcome| match outcome {
        Outcome::Served => Verdict::Violates(Violation::new("a refusal", outcome::served(shot))),
        _ => Verdict::Passes,
    })
}

fn rebinding(case: &Case<'_>) -> Verdict {
    outcome::judge(case, &REBINDING, "rebound", |shot, outcome| match outcome {
        Outcome::Served => {
            let expected = "a refusal, such as HTTP 403 or 421";
            Verdict::Violates(Violation::new(expected, outcome::served(shot)))
        }
        _ => Verdict::Passes,
    })
}

fn own(case: &Case<'_>) -> Verdict {
    outcome::judge(case, &OWN_ORIGIN, "own", |shot, outcome| match outcome {
        Outcome::Served => Verdict::Passes,
        _ => Verdict::Violates(Violation::new("the request is served", shot.said())),
    })
}

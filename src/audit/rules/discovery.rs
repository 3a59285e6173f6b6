//! Rules of the documents that lead from a refusal to a login: the metadata of the protected resource, and that of the
//! authorization server which it names.

use serde_json::{Map, Value};

use super::super::case::{cut, quote};
use super::super::discovery::{self, RESOURCE, Related, SERVER};
use super::super::exercises::ANONYMOUS;
use super::super::rule::HTTP;
use super::super::{Area, Case, Class, Exercise, Keyword, Rule, Shot, Verdict, Violation};
use super::authorization::{challenges, own_strategy, refusal};

type Members = Map<String, Value>;

static NEEDS: &[&Exercise] = &[&ANONYMOUS];

const fn rule(id: &'static str, rows: &'static [&'static str], judge: fn(&Case<'_>) -> Verdict) -> Rule {
    Rule::new(id, rows, Area::Authorization, judge)
        .since("2025-06-18")
        .over(HTTP)
        .needs(Class::Harmless, NEEDS)
        .page("basic/authorization")
}

pub(super) static RULES: &[Rule] = &[
    rule("auth.resource_metadata", &["A04", "F48"], resource_metadata).says(
        "The metadata of the protected resource can be read without credentials: HTTP 200 with a JSON object, where the \
         challenge says or at its well-known place.",
        "It is the first thing that a client reads in order to log in.",
        "serve /.well-known/oauth-protected-resource followed by the path of the endpoint, in front of the check of tokens.",
    ),
    rule("auth.authorization_servers", &["A05"], authorization_servers).says(
        "The metadata of the resource names at least one authorization server, by an https URL.",
        "Without one there is nobody to log in with.",
        "list the issuer of your authorization server in `authorization_servers`.",
    ),
    rule("auth.resource", &["A06", "F48"], resource).says(
        "The `resource` of the metadata is the URL of the endpoint.",
        "Clients refuse metadata of another resource, because a token for it could be meant for somebody else.",
        "set `resource` to the public URL of the endpoint, as clients write it; behind a proxy not to the inner one.",
    ),
    rule("auth.offline_access", &["A07"], offline_access).worded(Keyword::Should).since("2026-07-28").says(
        "Neither `scopes_supported` of the resource nor its challenge lists `offline_access`.",
        "Refresh tokens are a matter between the client and the authorization server; listed here they are asked for by all.",
        "take `offline_access` out of the metadata of the resource and out of the challenge.",
    ),
    rule("auth.server_metadata", &["A09"], server_metadata).says(
        "The metadata of the authorization server lies at one of its well-known places: that of RFC 8414, since 2025-11-25 also \
         one of OpenID Connect Discovery.",
        "Clients know the endpoints of a server from nowhere else.",
        "serve /.well-known/oauth-authorization-server followed by the path of the issuer.",
    ),
    rule("auth.issuer", &["A10", "F48"], issuer).says(
        "The `issuer` of the metadata is, character for character, the identifier that it was looked up by.",
        "A difference is what an attack by mixed-up servers looks like, and clients stop there.",
        "write the same issuer in `authorization_servers` and in the metadata, its slash at the end included.",
    ),
    rule("auth.endpoints", &["A11"], endpoints).says(
        "The metadata of the authorization server has `token_endpoint`, `response_types_supported` with `code`, and \
         `authorization_endpoint`.",
        "Clients log in with the authorization code flow and can do nothing where a part of it is missing.",
        "serve the whole metadata of RFC 8414.",
    ),
    rule("auth.pkce", &["A12"], pkce).says(
        "`code_challenge_methods_supported` lists `S256`.",
        "Clients must not log in with a server that does not say that it supports PKCE.",
        "support PKCE with S256, and say so in the metadata.",
    ),
    rule("auth.https", &["A13"], https).worded(Keyword::Security).since("2025-03-26").says(
        "Every endpoint of the authorization server is an https URL.",
        "Over http, codes and tokens can be read on the way.",
        "serve all endpoints over https, and look for a proxy that hides it from the server.",
    ),
    rule("auth.registration", &["A14"], registration).worded(Keyword::Info).since("2025-11-25").says(
        "A client that the authorization server does not know can come in: it takes client id metadata documents, or has a \
         `registration_endpoint`.",
        "Else each client must have been registered by hand, which most users cannot do.",
        "set `client_id_metadata_document_supported`, or offer dynamic registration; or say whom to ask for a client id.",
    ),
    rule("auth.client_credentials", &["A15"], client_credentials)
        .worded(Keyword::Should)
        .page("https://github.com/modelcontextprotocol/ext-auth/blob/main/specification/draft/oauth-client-credentials.mdx")
        .says(
            "Where `grant_types_supported` lists `client_credentials`, clients can authenticate with `client_secret_basic` or \
             `private_key_jwt`, the latter with the algorithms listed.",
            "Machines log in this way; the extension for it knows these two methods.",
            "list one of both in `token_endpoint_auth_methods_supported`, and the algorithms beside `private_key_jwt`.",
        ),
    rule("auth.response_issuer", &["A16"], response_issuer).worded(Keyword::Should).since("2026-07-28").says(
        "`authorization_response_iss_parameter_supported` is true.",
        "With the issuer in the answer a client sees that it comes from the server it asked (RFC 9207).",
        "add `iss` to authorization responses, and say so in the metadata.",
    ),
];

/// The documents that the refusal led to.
struct Found<'a> {
    refusal: &'a Shot,
    tried: Vec<(usize, &'a Shot)>,
}

impl<'a> Found<'a> {
    fn of(case: &Case<'a>) -> Result<Self, Verdict> {
        let (_, refusal) = refusal(case)?;
        let tried: Vec<_> = case.of(&ANONYMOUS).filter(|(_, shot)| matches!(shot.label, RESOURCE | SERVER)).collect();
        let found = Self { refusal, tried };
        match own_strategy(refusal) {
            Some(why) if found.document(RESOURCE).is_none() => Err(Verdict::NotApplicable(why.into())),
            _ => Ok(found),
        }
    }

    fn tried(&self, label: &'static str) -> impl Iterator<Item = (usize, &'a Shot)> {
        self.tried.iter().copied().filter(move |(_, shot)| shot.label == label)
    }

    fn document(&self, label: &'static str) -> Option<(usize, Members)> {
        self.tried(label).find_map(|(place, shot)| Some((place, discovery::document(shot)?)))
    }

    /// The document of that label, or why it could not be had.
    fn wanted(&self, label: &'static str) -> Result<(usize, Members), Verdict> {
        self.document(label).ok_or_else(|| {
            let what = if label == RESOURCE { "the resource" } else { "the authorization server" };
            Verdict::NotExercised(format!("the metadata of {what} could not be had").into())
        })
    }
}

fn found(case: &Case<'_>, label: &'static str) -> Result<(usize, Members), Verdict> {
    Found::of(case)?.wanted(label)
}

/// Judges the metadata of the authorization server.
fn of_server(case: &Case<'_>, judge: impl FnOnce(&Members) -> Result<(), Violation>) -> Verdict {
    match found(case, SERVER) {
        Err(verdict) => verdict,
        Ok((place, server)) => match judge(&server) {
            Ok(()) => Verdict::Passes,
            Err(violation) => Verdict::Violates(violation.shown_by(place)),
        },
    }
}

/// Judges the metadata of the resource.
fn of_resource(case: &Case<'_>, judge: impl FnOnce(&Members) -> Result<(), Violation>) -> Verdict {
    match found(case, RESOURCE) {
        Err(verdict) => verdict,
        Ok((place, resource)) => match judge(&resource) {
            Ok(()) => Verdict::Passes,
            Err(violation) => Verdict::Violates(violation.shown_by(place)),
        },
    }
}

/// What became of the search for a document: found, not to be judged from here, or the first answer that was none.
fn searched<'a>(found: &Found<'a>, label: &'static str) -> Result<(), Result<(usize, &'a Shot), Verdict>> {
    if found.document(label).is_some() {
        return Ok(());
    }
    let mut first = None;
    for (place, shot) in found.tried(label) {
        match shot.status() {
            // Redirects that were not followed, and servers that are out of order, are no answer.
            None | Some(300..=399 | 429 | 500..=599) => {
                let why = shot.fault.as_ref().map_or_else(|| shot.said(), |fault| cut(&fault.message));
                return Err(Err(Verdict::NotExercised(format!("{}: {why}", url(shot)).into())));
            }
            Some(_) => _ = first.get_or_insert((place, shot)),
        }
    }
    Err(first.ok_or_else(|| Verdict::NotExercised("nothing said where to look for it".into())))
}

fn url(shot: &Shot) -> String {
    cut(&String::from_utf8_lossy(&shot.sent))
}

fn resource_metadata(case: &Case<'_>) -> Verdict {
    let found = match Found::of(case) {
        Ok(found) => found,
        Err(verdict) => return verdict,
    };
    match searched(&found, RESOURCE) {
        Ok(()) => Verdict::Passes,
        Err(Err(verdict)) => verdict,
        Err(Ok((place, shot))) => {
            let actual = match shot.status() {
                Some(200) => format!("{}: HTTP 200, but no JSON object", url(shot)),
                status => format!("{}: HTTP {}", url(shot), status.unwrap_or_default()),
            };
            let violation = Violation::new("HTTP 200 with a JSON object", actual).shown_by(place);
            // Where nothing points to it, tokens may be given out by hand.
            let hinted = discovery::hinted(found.refusal).is_some();
            Verdict::Violates(if hinted { violation } else { violation.mild() })
        }
    }
}

fn authorization_servers(case: &Case<'_>) -> Verdict {
    of_resource(case, |resource| {
        let wrong = |actual: String| {
            let expected = "at least one authorization server, by an https URL";
            Err(Violation::new(expected, actual).at("$.authorization_servers"))
        };
        match resource.get("authorization_servers") {
            None => wrong("no authorization_servers".to_owned()),
            Some(Value::Array(servers)) if !servers.is_empty() => {
                let is_good = |server: &&Value| {
                    server.as_str().is_some_and(|server| discovery::is_safe(server, case.place.loopback))
                };
                servers.iter().find(|server| !is_good(server)).map_or(Ok(()), |server| wrong(quote(server)))
            }
            Some(other) => wrong(quote(other)),
        }
    })
}

fn resource(case: &Case<'_>) -> Verdict {
    let Some(target) = &case.place.url else { return Verdict::NotApplicable("the server has no URL".into()) };
    of_resource(case, |members| {
        let expected = format!("the URL of the endpoint, {}", cut(target));
        let Some(resource) = members.get("resource") else {
            return Err(Violation::new(expected, "no resource").at("$.resource"));
        };
        let violation = || Violation::new(expected, quote(resource)).at("$.resource");
        match resource.as_str().map_or(Related::Other, |resource| discovery::related(resource, target)) {
            Related::Same => Ok(()),
            Related::Above => Err(violation().mild()),
            Related::Other => Err(violation()),
        }
    })
}

fn offline_access(case: &Case<'_>) -> Verdict {
    let found = match Found::of(case) {
        Ok(found) => found,
        Err(verdict) => return verdict,
    };
    let asked = challenges(found.refusal);
    let scopes = asked.iter().filter_map(|challenge| challenge.parameter("scope"));
    let mut scopes = scopes.flat_map(str::split_whitespace);
    if scopes.any(|scope| scope == "offline_access") {
        return Verdict::Violates(Violation::new("no offline_access in the challenge", "offline_access"));
    }
    of_resource(case, |resource| {
        if lists(resource, "scopes_supported", "offline_access") {
            return Err(Violation::new("scopes of the resource itself", "offline_access").at("$.scopes_supported"));
        }
        Ok(())
    })
}

fn server_metadata(case: &Case<'_>) -> Verdict {
    let found = match Found::of(case) {
        Ok(found) => found,
        Err(verdict) => return verdict,
    };
    if found.document(RESOURCE).is_none() {
        return Verdict::NotExercised("no metadata of the resource names an authorization server".into());
    }
    match searched(&found, SERVER) {
        Err(Err(verdict)) => verdict,
        Err(Ok((place, shot))) => {
            let actual = format!("{} and the other places: HTTP {}", url(shot), shot.status().unwrap_or_default());
            Verdict::Violates(Violation::new("the metadata of the authorization server", actual).shown_by(place))
        }
        Ok(()) => {
            let Some((place, _)) = found.document(SERVER) else { return Verdict::Passes };
            let at = case.shots.get(place).map(url).unwrap_or_default();
            let is_oauth = at.contains("/oauth-authorization-server");
            Verdict::of(is_oauth || case.facts.revision.version >= "2025-11-25", || {
                Violation::new("metadata at /.well-known/oauth-authorization-server", format!("only {at}"))
                    .shown_by(place)
            })
        }
    }
}

fn issuer(case: &Case<'_>) -> Verdict {
    let named = match found(case, RESOURCE) {
        Ok((_, resource)) => discovery::issuer_of(&resource).map(ToOwned::to_owned).unwrap_or_default(),
        Err(verdict) => return verdict,
    };
    of_server(case, |server| {
        let issuer = server.get("issuer");
        let violation = || {
            let actual = issuer.map_or_else(|| "no issuer".to_owned(), quote);
            Violation::new(format!("the issuer {}", cut(&named)), actual).at("$.issuer")
        };
        match issuer.and_then(Value::as_str) {
            Some(issuer) if issuer == named => Ok(()),
            // Libraries put a slash behind an origin; most clients take it.
            Some(issuer) if issuer.trim_end_matches('/') == named.trim_end_matches('/') => Err(violation().mild()),
            _ => Err(violation()),
        }
    })
}

/// Whether a member is a list with this text in it.
fn lists(members: &Members, name: &str, text: &str) -> bool {
    members.get(name).and_then(Value::as_array).is_some_and(|listed| listed.iter().any(|one| one == text))
}

/// Whether users log in through it: a server for machines alone needs nothing of that flow.
fn has_code_flow(server: &Members) -> bool {
    !server.contains_key("grant_types_supported") || lists(server, "grant_types_supported", "authorization_code")
}

const NO_CODE_FLOW: &str = "the authorization server offers no authorization code flow";

fn endpoints(case: &Case<'_>) -> Verdict {
    of_server(case, |server| {
        let missing =
            |name: &str| Err(Violation::new(format!("{name} in the metadata"), "none").at(format!("$.{name}")));
        let is_text = |name: &str| server.get(name).is_some_and(Value::is_string);
        if !is_text("token_endpoint") {
            return missing("token_endpoint");
        }
        if !has_code_flow(server) {
            return Ok(());
        }
        if !is_text("authorization_endpoint") {
            return missing("authorization_endpoint");
        }
        match server.get("response_types_supported") {
            Some(_) if lists(server, "response_types_supported", "code") => Ok(()),
            None => missing("response_types_supported"),
            Some(other) => Err(Violation::new("code among them", quote(other)).at("$.response_types_supported")),
        }
    })
}

fn pkce(case: &Case<'_>) -> Verdict {
    match found(case, SERVER) {
        Ok((_, server)) if !has_code_flow(&server) => return Verdict::NotApplicable(NO_CODE_FLOW.into()),
        _ => {}
    }
    of_server(case, |server| {
        let name = "code_challenge_methods_supported";
        if lists(server, name, "S256") {
            return Ok(());
        }
        let actual = server.get(name).map_or_else(|| "none".to_owned(), quote);
        Err(Violation::new("S256 among them", actual).at(format!("$.{name}")))
    })
}

fn https(case: &Case<'_>) -> Verdict {
    of_server(case, |server| {
        let endpoints = server.iter().filter(|(name, _)| name.ends_with("_endpoint") || *name == "jwks_uri");
        let mut texts = endpoints.filter_map(|(name, value)| Some((name, value.as_str()?)));
        match texts.find(|(_, url)| !discovery::is_safe(url, case.place.loopback)) {
            None => Ok(()),
            Some((name, url)) => Err(Violation::new("an https URL", cut(url)).at(format!("$.{}", cut(name)))),
        }
    })
}

fn registration(case: &Case<'_>) -> Verdict {
    of_server(case, |server| {
        let takes_documents = server.get("client_id_metadata_document_supported") == Some(&Value::Bool(true));
        if takes_documents || server.get("registration_endpoint").is_some_and(Value::is_string) {
            return Ok(());
        }
        Err(Violation::new("client id metadata documents, or a registration_endpoint", "neither"))
    })
}

fn client_credentials(case: &Case<'_>) -> Verdict {
    match found(case, SERVER) {
        Ok((_, server)) if !lists(&server, "grant_types_supported", "client_credentials") => {
            return Verdict::NotApplicable("the authorization server does not list client_credentials".into());
        }
        _ => {}
    }
    of_server(case, |server| {
        let (methods, algorithms) =
            ("token_endpoint_auth_methods_supported", "token_endpoint_auth_signing_alg_values_supported");
        // Left out it means client_secret_basic (RFC 8414).
        if !server.contains_key(methods) || lists(server, methods, "client_secret_basic") {
            return Ok(());
        }
        if !lists(server, methods, "private_key_jwt") {
            let actual = server.get(methods).map(quote).unwrap_or_default();
            return Err(Violation::new("client_secret_basic or private_key_jwt", actual).at(format!("$.{methods}")));
        }
        let listed = server.get(algorithms).and_then(Value::as_array).is_some_and(|listed| !listed.is_empty());
        if listed {
            return Ok(());
        }
        Err(Violation::new("the algorithms of private_key_jwt", "none").at(format!("$.{algorithms}")))
    })
}

fn response_issuer(case: &Case<'_>) -> Verdict {
    match found(case, SERVER) {
        Ok((_, server)) if !has_code_flow(&server) => return Verdict::NotApplicable(NO_CODE_FLOW.into()),
        _ => {}
    }
    of_server(case, |server| {
        let name = "authorization_response_iss_parameter_supported";
        match server.get(name) {
            Some(Value::Bool(true)) => Ok(()),
            other => {
                let actual = other.map_or_else(|| "none".to_owned(), quote);
                Err(Violation::new("true", actual).at(format!("$.{name}")))
            }
        }
    })
}

//! SARIF 2.1.0 (OASIS): what failed and what was noticed as results, each at its place in the probe file, with a rule that
//! says what it means. Fingerprints are made of what stays the same from run to run, so that a viewer knows a result again.

use serde_json::{Map, Value, json};
use sha2::{Digest as _, Sha256};

use super::case::{self, Place, Verdict, cases};
use super::format::{Explained, Run, Unmade, Word};
use super::json::timestamp;
use crate::base::sanitize;
use crate::event::{CheckStatus, Finding, ProbeOutcome, Reason, Severity};

/// Where the schema of such files stands, for editors.
const SCHEMA: &str = "https://docs.oasis-open.org/sarif/sarif/v2.1.0/errata01/os/schemas/sarif-schema-2.1.0.json";
/// Results of one file, as much as viewers take.
const RESULTS_MAX: usize = 5_000;
/// Characters of a message.
const MESSAGE_CHARS_MAX: usize = 2_000;

/// The document.
///
/// # Errors
/// None in practice: every member is plain data.
pub fn bytes(run: &Run<'_>) -> Result<Vec<u8>, Unmade> {
    let mut text = serde_json::to_vec(&document(run)).map_err(|error| Unmade::new("sarif", &error))?;
    text.push(b'\n');
    Ok(text)
}

fn document(run: &Run<'_>) -> Value {
    let mut found = Found::default();
    for probe in run.probes {
        found.look_at(run, probe);
    }
    if found.left > 0 {
        let text = format!("{} more results were left out", found.left);
        found.notices.push(json!({"level": "warning", "message": {"text": text}}));
    }
    let end = run.started_at.checked_add(jiff::SignedDuration::try_from(run.duration).unwrap_or_default());
    json!({
        "$schema": SCHEMA,
        "version": "2.1.0",
        "runs": [{
            "tool": {"driver": {
                "name": "mcp-probe",
                "version": env!("CARGO_PKG_VERSION"),
                "semanticVersion": env!("CARGO_PKG_VERSION"),
                "rules": found.rules,
            }},
            "automationDetails": {"id": "mcp-probe/check/"},
            "columnKind": "unicodeCodePoints",
            "invocations": [{
                "executionSuccessful": !run.interrupted,
                "startTimeUtc": timestamp(run.started_at),
                "endTimeUtc": timestamp(end.unwrap_or(run.started_at)),
                "toolExecutionNotifications": found.notices,
            }],
            "results": found.results.into_iter().map(|(_, result)| result).collect::<Vec<_>>(),
        }],
    })
}

/// What goes into the document.
#[derive(Default)]
struct Found {
    rules: Vec<Value>,
    /// By fingerprint.
    results: Vec<(String, Value)>,
    /// What could not be told.
    notices: Vec<Value>,
    /// Results that found no place.
    left: usize,
}

/// One result, before it is written.
struct Told<'a> {
    word: Word,
    level: &'static str,
    message: String,
    place: Option<&'a str>,
    /// What it is known again by, beside the rule and the target.
    identity: Vec<String>,
    properties: Value,
}

impl Found {
    fn look_at(&mut self, run: &Run<'_>, probe: &ProbeOutcome) {
        let title = format!("{} on {}", sanitize::one_line(&probe.name, 200), sanitize::one_line(&probe.target, 200));
        let properties =
            json!({"probe": sanitize::one_line(&probe.name, 200), "target": sanitize::one_line(&probe.target, 200)});
        for case in cases(probe, run.degraded_fails) {
            let Some(reason) = case.reason else { continue };
            let message = format!("{title}: {}", case::headline(&case, MESSAGE_CHARS_MAX));
            if case.verdict == Verdict::Skipped {
                self.notices.push(json!({"level": "note", "message": {"text": plain(&message)}}));
                continue;
            }
            let level = if case.verdict.is_bad() { "error" } else { "warning" };
            let name = sanitize::one_line(case.name, 200);
            let identity = vec![probe.name.to_string(), probe.target.to_string(), name.clone()];
            let told = |word, level, message, place, identity| Told {
                word,
                level,
                message,
                place,
                identity,
                properties: properties.clone(),
            };
            if let Some(own) = case.own_message() {
                let message = format!("{title}, {name}: {}", case::safe(own, MESSAGE_CHARS_MAX));
                self.add(run, told(Word::Reason(reason.code()), level, message, case.place, identity.clone()));
            }
            for check in case.unmet() {
                let level = if check.status == CheckStatus::Warned { "warning" } else { level };
                let path = check.path.clone().unwrap_or_default();
                let identity = [identity.clone(), vec![path, check.expected.clone()]].concat();
                let message = format!("{title}, step {name}: {}", case::sentence(check));
                let place = check.place.as_deref().or(case.place);
                self.add(run, told(Word::Check(check.kind), level, message, place, identity));
            }
        }
        for finding in &probe.findings {
            self.add(run, of_finding(probe, finding));
        }
    }

    fn add(&mut self, run: &Run<'_>, result: Told<'_>) {
        let id = rule_id(result.word);
        let fingerprint = fingerprint(&id, &result.identity);
        if let Some((_, known)) = self.results.iter_mut().find(|(have, _)| *have == fingerprint) {
            let count = known["occurrenceCount"].as_u64().unwrap_or(1) + 1;
            known["occurrenceCount"] = count.into();
            return;
        }
        if self.results.len() >= RESULTS_MAX {
            self.left += 1;
            return;
        }
        let index = self.rules.iter().position(|rule| rule["id"] == id.as_str()).unwrap_or_else(|| {
            self.rules.push(rule(&id, result.word, (run.explain)(result.word)));
            self.rules.len() - 1
        });
        let mut written = json!({
            "ruleId": id,
            "ruleIndex": index,
            "level": result.level,
            "message": {"text": plain(&case::safe(&result.message, MESSAGE_CHARS_MAX))},
            "partialFingerprints": {"mcpProbe/v1": fingerprint},
        });
        written["properties"] = result.properties;
        if let Some(place) = result.place.and_then(Place::parse) {
            written["locations"] = json!([location(run, place)]);
        }
        self.results.push((fingerprint, written));
    }
}

/// A finding belongs to the target, whichever probe noticed it.
fn of_finding<'a>(probe: &'a ProbeOutcome, finding: &Finding) -> Told<'a> {
    let target = sanitize::one_line(&probe.target, 200);
    Told {
        word: Word::Finding(finding.id),
        level: match finding.severity {
            Severity::Info => "note",
            Severity::Warning => "warning",
            Severity::Error => "error",
        },
        message: format!(
            "{target}: expected {}, got {}",
            case::safe(&finding.expected, MESSAGE_CHARS_MAX / 2),
            case::safe(&finding.actual, MESSAGE_CHARS_MAX / 2)
        ),
        place: probe.observed.place.as_deref().or_else(|| probe.steps.iter().find_map(|step| step.place.as_deref())),
        identity: vec![probe.target.to_string(), finding.path.clone().unwrap_or_default()],
        properties: json!({"target": target}),
    }
}

fn rule_id(word: Word) -> String {
    match word {
        Word::Check(kind) => kind.to_owned(),
        Word::Finding(id) => id.to_owned(),
        // A reason may be called like a kind of check.
        Word::Reason(code) => format!("reason.{code}"),
    }
}

fn rule(id: &str, word: Word, explained: Option<Explained>) -> Value {
    let summary = match (&explained, word) {
        (Some(explained), _) => explained.summary.clone(),
        (None, Word::Reason(code)) => meaning(code).to_owned(),
        (None, _) => id.to_owned(),
    };
    let kind = match word {
        Word::Check(_) => "check",
        Word::Reason(_) => "reason",
        Word::Finding(_) => "finding",
    };
    let mut rule = Map::new();
    rule.insert("id".into(), id.into());
    rule.insert("shortDescription".into(), json!({"text": plain(&summary)}));
    if let Some(explained) = explained {
        if let Some(url) = &explained.url {
            rule.insert("helpUri".into(), url.as_str().into());
        }
        let help = [vec![explained.summary], explained.body].concat().join("\n\n");
        rule.insert("fullDescription".into(), json!({"text": plain(&summary)}));
        rule.insert("help".into(), json!({"text": plain(&help)}));
    }
    rule.insert("properties".into(), json!({"tags": ["mcp", kind]}));
    rule.into()
}

fn meaning(code: &str) -> &'static str {
    Reason::ALL.iter().find(|reason| reason.code() == code).map_or("", |reason| reason.meaning())
}

fn location(run: &Run<'_>, place: Place<'_>) -> Value {
    let uri = uri(&place.relative(run.folder));
    json!({"physicalLocation": {
        "artifactLocation": {"uri": uri},
        "region": {"startLine": place.line.max(1), "startColumn": place.column.max(1)},
    }})
}

/// A path as a reference (RFC 3986): what is no plain character is written in percent. An absolute path has a scheme.
fn uri(path: &str) -> String {
    let mut uri = String::from(if path.starts_with('/') { "file://" } else { "" });
    for byte in path.bytes() {
        match byte {
            b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' | b'-' | b'.' | b'_' | b'~' | b'/' => uri.push(char::from(byte)),
            _ => uri.push_str(&format!("%{byte:02X}")),
        }
    }
    uri
}

/// `[text](target)` in a message is a link (3.11.6): brackets that would make one are escaped.
fn plain(text: &str) -> String {
    if text.contains("](") { text.replace('[', "\\[").replace(']', "\\]") } else { text.to_owned() }
}

fn fingerprint(rule: &str, identity: &[String]) -> String {
    let mut hash = Sha256::new();
    for part in std::iter::once(rule).chain(identity.iter().map(String::as_str)) {
        hash.update((part.len() as u64).to_be_bytes());
        hash.update(part);
    }
    let digest = hash.finalize();
    digest.iter().take(16).fold(String::new(), |digits, byte| digits + &format!("{byte:02x}"))
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;
    use crate::event::{Cause, Status};
    use crate::report::json::samples::{failed, healthy, hostile};

    fn told(probes: &[ProbeOutcome]) -> Value {
        let explain = |word| match word {
            Word::Check("tools") => {
                Some(Explained { summary: "The tools.".into(), body: vec!["Why.".into()], url: None })
            }
            _ => None,
        };
        let run = Run { explain, ..Run::new("2026-01-15T09:32:45Z".parse().unwrap(), Duration::from_secs(1), probes) };
        let document: Value = serde_json::from_slice(&bytes(&run).unwrap()).unwrap();
        document["runs"][0].clone()
    }

    #[test]
    fn what_failed_and_what_was_noticed_are_results() {
        let run = told(&[healthy(), failed()]);
        let first = &run["results"][0];
        assert_eq!((&first["ruleId"], &first["level"]), (&json!("tools"), &json!("error")));
        assert_eq!(
            first["locations"][0]["physicalLocation"],
            json!({"artifactLocation": {"uri": "mcp-probe.toml"}, "region": {"startLine": 12, "startColumn": 1}})
        );
        assert_eq!(run["tool"]["driver"]["rules"][0]["help"]["text"], "The tools.\n\nWhy.");
        assert_eq!(run["results"][1]["ruleId"], "stdio.stdout_clean");
        assert_eq!(run["results"][1]["level"], "warning");
        assert_eq!(run["invocations"][0]["endTimeUtc"], "2026-01-15T09:32:46.000Z");
    }

    #[test]
    fn a_result_is_known_again_whatever_came() {
        let mut later = failed();
        later.steps[0].checks[0].actual = "nothing".into();
        later.steps[0].checks[0].place = Some("mcp-probe.toml:99:1".into());
        let of = |probe: ProbeOutcome| told(&[probe])["results"][0]["partialFingerprints"]["mcpProbe/v1"].clone();
        assert_eq!(of(failed()), of(later));
        let mut other = failed();
        other.target = "other".into();
        assert_ne!(of(failed()), of(other));
        let twice = told(&[failed(), failed()]);
        assert_eq!(twice["results"][0]["occurrenceCount"], 2);
        assert_eq!(twice["results"].as_array().unwrap().len(), 2);
    }

    #[test]
    fn reasons_have_rules_of_their_own_and_the_unknown_is_a_notice() {
        let mut probe = failed();
        probe.steps[0].checks.clear();
        probe.steps[0].cause = Some(Cause::new(Reason::Protocol, "see [here](http://evil.example)"));
        let run = told(&[probe]);
        assert_eq!(run["results"][0]["ruleId"], "reason.protocol");
        assert!(
            run["results"][0]["message"]["text"].as_str().unwrap().ends_with("see \\[here\\](http://evil.example)")
        );
        let mut unknown = healthy();
        unknown.status = Status::Unknown;
        unknown.cause = Some(Cause::new(Reason::Cancelled, "interrupted"));
        let run = told(&[unknown]);
        assert_eq!(run["results"], json!([]));
        assert_eq!(run["invocations"][0]["toolExecutionNotifications"][0]["level"], "note");
    }

    #[test]
    fn messages_are_bounded_and_paths_are_references() {
        let run = told(&[hostile()]);
        for result in run["results"].as_array().unwrap() {
            assert!(result["message"]["text"].as_str().unwrap().chars().count() <= 2 * MESSAGE_CHARS_MAX, "{result}");
        }
        assert_eq!(uri("a b/%c.toml"), "a%20b/%25c.toml");
        assert_eq!(uri("/srv/ä.toml"), "file:///srv/%C3%A4.toml");
    }
}

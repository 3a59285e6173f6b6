//! The era of sessions (2024-11-05 to 2025-11-25): `initialize`, `notifications/initialized`, bare parameters.
//! Source: specification, basic/lifecycle of each revision.

use serde_json::{Value, json};

use super::{Answers, client_info, revision::Revision};
use crate::base::sanitize::{cut, one_line};
use crate::event::{Era, Finding, ServerIdentity, Severity};

/// More of the name and the version of a server is not kept.
const NAME_CHARS_MAX: usize = 64 * 1024;

/// What a server says of itself when a session or a process is opened.
#[derive(Clone, Debug, PartialEq)]
pub struct Welcome {
    /// The revision from now on.
    pub revision: &'static Revision,
    /// `serverInfo`.
    pub identity: Option<ServerIdentity>,
    /// `capabilities`.
    pub capabilities: Value,
    /// `instructions`.
    pub instructions: Option<String>,
    /// The modern era: every version the server listed.
    pub supported: Vec<String>,
    /// What is not as it should be, though we can go on.
    pub findings: Vec<Finding>,
}

/// Why an opening reply cannot be worked with.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Unwelcome {
    /// The reply breaks the specification.
    Broken(String),
    /// It names a version that was not asked for or that we do not speak.
    Incompatible(String),
}

/// The parameters of `initialize`.
#[must_use]
pub fn initialize_params(revision: &Revision, answers: &Answers) -> Value {
    json!({
        "protocolVersion": revision.version,
        "capabilities": answers.capabilities(),
        "clientInfo": client_info(),
    })
}

/// Reads the result of `initialize`.
///
/// # Errors
/// [`Unwelcome`] when the session cannot go on.
pub fn read_initialize(result: &Value, asked: &'static Revision, strict: bool) -> Result<Welcome, Unwelcome> {
    let version = result
        .get("protocolVersion")
        .and_then(Value::as_str)
        .ok_or_else(|| Unwelcome::Broken("the result of initialize has no string \"protocolVersion\"".to_owned()))?;
    let known = Revision::of(version).filter(|revision| revision.era == Era::Legacy);
    let Some(revision) = known else {
        return Err(Unwelcome::Incompatible(format!(
            "initialize at {} was answered with protocol version {:?}, which mcp-probe does not speak \
             in a session",
            asked.version,
            one_line(version, 40)
        )));
    };
    if strict && revision != asked {
        return Err(Unwelcome::Incompatible(format!(
            "protocol version {} was asked for, the server answered {version}; pin that one, or let \
             --protocol legacy take what the server has",
            asked.version
        )));
    }
    let mut findings = Vec::new();
    let capabilities = match result.get("capabilities") {
        Some(value @ Value::Object(_)) => value.clone(),
        other => {
            findings.push(missing("$.capabilities", "an object", other));
            json!({})
        }
    };
    let identity = identity(result.get("serverInfo"));
    if identity.is_none() {
        findings.push(missing("$.serverInfo", "an object with name and version", result.get("serverInfo")));
    }
    let instructions = result.get("instructions").and_then(Value::as_str).map(str::to_owned);
    Ok(Welcome { revision, identity, capabilities, instructions, supported: Vec::new(), findings })
}

/// Reads an `Implementation`: both name and version are required.
#[must_use]
pub fn identity(info: Option<&Value>) -> Option<ServerIdentity> {
    let text = |key: &str| info?.get(key)?.as_str().map(|text| cut(text, NAME_CHARS_MAX));
    Some(ServerIdentity { name: text("name")?.into(), version: text("version")?.into() })
}

fn missing(path: &str, expected: &str, actual: Option<&Value>) -> Finding {
    let actual = actual.map_or_else(|| "nothing".to_owned(), |value| cut(&value.to_string(), 120));
    Finding {
        path: Some(path.to_owned()),
        ..Finding::new("initialize.result", Severity::Error, expected.to_owned(), actual)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn newest() -> &'static Revision {
        Revision::newest(Era::Legacy)
    }

    #[test]
    fn a_good_reply_is_read_and_an_older_version_taken() {
        let result = json!({"protocolVersion": "2024-11-05", "capabilities": {"tools": {}},
            "serverInfo": {"name": "s", "version": "1"}, "instructions": "hi"});
        let welcome = read_initialize(&result, newest(), false).unwrap();
        assert_eq!(welcome.revision.version, "2024-11-05");
        assert_eq!(welcome.identity.as_ref().map(|identity| identity.name.as_str()), Some("s"));
        assert!(welcome.findings.is_empty());
        assert!(matches!(read_initialize(&result, newest(), true), Err(Unwelcome::Incompatible(_))));
    }

    #[test]
    fn what_is_missing_is_said() {
        assert!(matches!(read_initialize(&json!({}), newest(), false), Err(Unwelcome::Broken(_))));
        for version in ["2026-07-28", "1999-01-01", "DRAFT-2026-v1"] {
            let result = json!({"protocolVersion": version});
            assert!(matches!(read_initialize(&result, newest(), false), Err(Unwelcome::Incompatible(_))));
        }
        let welcome = read_initialize(&json!({"protocolVersion": "2025-11-25"}), newest(), false).unwrap();
        let paths: Vec<_> = welcome.findings.iter().map(|finding| finding.path.as_deref().unwrap()).collect();
        assert_eq!(paths, ["$.capabilities", "$.serverInfo"]);
    }
}

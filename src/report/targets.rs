//! The targets that are visible from here: a table for a person, rows for a pipe, `mcp-probe/targets/1` for programs.
//! Everything comes masked; nothing of it was resolved.

use std::collections::BTreeMap;

use serde::Serialize;
use serde_json::Value;

use super::grid::{Cell, Column, Fit, Grid};
use super::{Ink, Look};

/// The schema id of the list.
pub const SCHEMA: &str = "mcp-probe/targets/1";

/// From so many columns on, where a target comes from stands on one line.
const WIDE: u16 = 130;

/// One target as it is told.
#[derive(Clone, Debug, Default, Serialize)]
pub struct TargetTold {
    /// How it must be written to mean this one.
    pub name: String,
    /// Its name in its file.
    pub target: String,
    /// `project`, `user`, or `file` for those of `-f`.
    pub scope: &'static str,
    /// What reads it: `probes` or the id of a client.
    pub source: &'static str,
    /// The client's name; none for a probe file.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub client: Option<&'static str>,
    /// Its file.
    pub file: String,
    /// Its line there, from 1.
    pub line: usize,
    /// Its column there, from 1.
    pub column: usize,
    /// `stdio`, `streamable-http`, `sse` or `auto`.
    pub transport: &'static str,
    /// The program and its arguments.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub command: Vec<String>,
    /// The URL.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub url: Option<String>,
    /// The program that is started beside the URL.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub start: Vec<String>,
    /// Headers, by name.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub headers: BTreeMap<String, String>,
    /// Variables for the child, by name.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub env: BTreeMap<String, String>,
    /// The file with more variables for the child.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub env_file: Option<String>,
    /// The child's folder.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub cwd: Option<String>,
    /// Its labels.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub labels: BTreeMap<String, String>,
    /// Why the program whose file it is does not use it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub disabled: Option<String>,
    /// Whether it needs a yes, and has it.
    pub consent: ConsentTold,
    /// Variables that it reads and that are not set.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub unset: Vec<UnsetTold>,
    /// What is wrong with it, or unwise.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub problems: Vec<ProblemTold>,
}

/// A variable that is not set. Programs are told its name; what becomes of it is among the problems.
#[derive(Clone, Debug)]
pub struct UnsetTold {
    /// Its name.
    pub name: String,
    /// What the client takes it as, where it uses the entry all the same: `empty`, or `written`.
    pub taken_as: Option<&'static str>,
}

impl Serialize for UnsetTold {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(&self.name)
    }
}

/// Whether a target needs a yes, and has it.
#[derive(Clone, Debug, Default, Serialize)]
pub struct ConsentTold {
    /// It was found, and acts on this machine or sends something of it.
    pub needed: bool,
    /// A yes is recorded for exactly this.
    pub given: bool,
    /// What a yes would be recorded for.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub sha256: Option<String>,
}

/// Something wrong.
#[derive(Clone, Debug, Serialize)]
pub struct ProblemTold {
    /// `error` or `warning`.
    pub severity: &'static str,
    /// What it is.
    pub message: String,
    /// `file:line:column`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub place: Option<String>,
    /// What to do.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub help: Option<String>,
}

impl ProblemTold {
    /// On one line.
    #[must_use]
    pub fn line(&self) -> String {
        let place = self.place.as_ref().map(|place| format!("{place}: ")).unwrap_or_default();
        let help = self.help.as_ref().map(|help| format!("; {help}")).unwrap_or_default();
        format!("{place}{}{help}", self.message)
    }
}

impl TargetTold {
    /// One word or a few: whether it could be probed now, and if not, why not.
    #[must_use]
    pub fn state(&self) -> String {
        if let Some(why) = &self.disabled {
            return format!("disabled: {why}");
        }
        if self.problems.iter().any(|problem| problem.severity == "error") {
            return "broken".to_owned();
        }
        let consent = match (self.consent.needed, self.consent.given) {
            (true, false) => "needs your yes",
            (true, true) => "agreed",
            (false, _) if self.is_usable() => "ready",
            (false, _) => return self.unset_words(),
        };
        if self.unset.is_empty() { consent.to_owned() } else { format!("{consent}; {}", self.unset_words()) }
    }

    fn unset_words(&self) -> String {
        let words = self.unset.iter().map(|unset| match unset.taken_as {
            Some("empty") => format!("{} (taken as empty)", unset.name),
            Some(_) => format!("{} (left as it is written)", unset.name),
            None => unset.name.clone(),
        });
        format!("unset: {}", words.collect::<Vec<_>>().join(", "))
    }

    /// Whether no variable is missing without which its client would not use it.
    fn is_usable(&self) -> bool {
        self.unset.iter().all(|unset| unset.taken_as.is_some())
    }

    fn ink(&self) -> Ink {
        match self.state().split([':', ' ']).next().unwrap_or_default() {
            "disabled" => Ink::Dim,
            "broken" => Ink::Bad,
            "ready" | "agreed" if self.unset.is_empty() => Ink::Good,
            _ => Ink::Warn,
        }
    }

    /// The command or the URL. Words come quoted.
    fn what(&self) -> String {
        let command = self.command.iter().map(|word| quoted(word)).collect::<Vec<_>>().join(" ");
        self.url.clone().unwrap_or(command)
    }
}

fn quoted(word: &str) -> String {
    let plain = |c: char| !c.is_whitespace() && !c.is_control() && c != '"' && c != '\'' && c != '\\';
    if !word.is_empty() && word.chars().all(plain) { word.to_owned() } else { format!("{word:?}") }
}

/// Rows: name, scope, whose file, place, transport, command or URL, state.
#[must_use]
pub fn rows(targets: &[TargetTold], home: Option<&str>, look: &Look) -> String {
    const TERMINAL: &[Column] = &[
        Column { head: "NAME", fit: Fit::Share(22) },
        Column { head: "FROM", fit: Fit::Share(30) },
        Column { head: "VIA", fit: Fit::Whole },
        Column { head: "COMMAND OR URL", fit: Fit::Rest },
        Column { head: "STATE", fit: Fit::Share(18) },
    ];
    const PIPE: &[Column] = &[
        Column { head: "NAME", fit: Fit::Whole },
        Column { head: "SCOPE", fit: Fit::Whole },
        Column { head: "FROM", fit: Fit::Whole },
        Column { head: "PLACE", fit: Fit::Whole },
        Column { head: "VIA", fit: Fit::Whole },
        Column { head: "COMMAND OR URL", fit: Fit::Whole },
        Column { head: "STATE", fit: Fit::Whole },
    ];
    let mut grid = Grid::new(if look.is_terminal() { TERMINAL } else { PIPE }, 5);
    for target in targets {
        let whose = target.client.unwrap_or("probe file");
        let state = Cell::inked(&target.state(), target.ink());
        let (name, via, what) =
            (Cell::inked(&target.name, Ink::Strong), Cell::new(target.transport), Cell::new(&target.what()));
        let row = if look.is_terminal() {
            let between = if look.width.is_some_and(|width| width >= WIDE) { ", " } else { "\n" };
            let place = format!("{}:{}", target.file.replace('\n', " "), target.line);
            let place = match home.and_then(|home| place.strip_prefix(home)) {
                Some(rest) if rest.starts_with('/') => format!("~{rest}"),
                _ => place,
            };
            let scope = if target.scope == "file" { String::new() } else { format!("{}, ", target.scope) };
            vec![name, Cell::new(&format!("{scope}{whose}{between}{place}")), via, what, state]
        } else {
            let place = format!("{}:{}:{}", target.file, target.line, target.column);
            vec![name, Cell::new(target.scope), Cell::new(whose), Cell::new(&place), via, what, state]
        };
        grid.row(row);
    }
    grid.render(look)
}

/// The document.
///
/// # Errors
/// None in practice: every member is plain data.
pub fn document(targets: &[TargetTold], unreadable: &[ProblemTold]) -> Result<Value, serde_json::Error> {
    #[derive(Serialize)]
    struct Document<'a> {
        schema: &'static str,
        targets: &'a [TargetTold],
        #[serde(skip_serializing_if = "<[ProblemTold]>::is_empty")]
        unreadable: &'a [ProblemTold],
    }
    serde_json::to_value(Document { schema: SCHEMA, targets, unreadable })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sample() -> TargetTold {
        TargetTold {
            name: "project:github".into(),
            target: "github".into(),
            scope: "project",
            source: "claude-code",
            client: Some("Claude Code"),
            file: ".mcp.json".into(),
            line: 3,
            column: 5,
            transport: "stdio",
            command: ["npx", "-y", "a b"].map(str::to_owned).to_vec(),
            consent: ConsentTold { needed: true, given: false, sha256: Some("ab".into()) },
            ..TargetTold::default()
        }
    }

    #[test]
    fn states_say_what_keeps_it_from_being_probed() {
        let mut target = sample();
        assert_eq!(target.state(), "needs your yes");
        target.consent.given = true;
        assert_eq!(target.state(), "agreed");
        target.consent.needed = false;
        assert_eq!(target.state(), "ready");
        let unset = |name: &str, taken_as| UnsetTold { name: name.into(), taken_as };
        target.unset = vec![unset("A", Some("empty"))];
        assert_eq!(target.state(), "ready; unset: A (taken as empty)");
        target.unset = vec![unset("A", None), unset("B", Some("written"))];
        assert_eq!(target.state(), "unset: A, B (left as it is written)");
        target.consent.needed = true;
        assert_eq!(target.state(), "agreed; unset: A, B (left as it is written)");
        target.problems = vec![ProblemTold {
            severity: "error",
            message: "no".into(),
            place: Some("f:1:2".into()),
            help: Some("do".into()),
        }];
        assert_eq!((target.state().as_str(), target.problems[0].line().as_str()), ("broken", "f:1:2: no; do"));
        target.disabled = Some("`enabled` is false".into());
        assert_eq!(target.state(), "disabled: `enabled` is false");
    }

    #[test]
    fn rows_fit_the_terminal_and_stay_whole_in_a_pipe() {
        let mut long = sample();
        long.command = vec!["x".repeat(300)];
        long.file = "/home/me/.claude.json".into();
        for width in [60, 80, 160] {
            let look = Look { width: Some(width), colour: false };
            let text = rows(&[sample(), long.clone()], Some("/home/me"), &look);
            assert!(text.lines().all(|line| line.chars().count() <= usize::from(width)), "{text}");
            assert!(text.contains("~/.claude.json:3"), "{text}");
        }
        assert_eq!(
            rows(&[sample()], None, &Look::PLAIN),
            "project:github\tproject\tClaude Code\t.mcp.json:3:5\tstdio\tnpx -y \"a b\"\tneeds your yes\n"
        );
    }

    #[test]
    fn the_document_leaves_out_what_does_not_apply() {
        let document = document(&[sample()], &[]).unwrap();
        assert_eq!(document["schema"], SCHEMA);
        let keys: Vec<&str> = document["targets"][0].as_object().unwrap().keys().map(String::as_str).collect();
        let expected = "name target scope source client file line column transport command consent";
        assert_eq!(keys.join(" "), expected);
        assert!(document.get("unreadable").is_none());
    }
}

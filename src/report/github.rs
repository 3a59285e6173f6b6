//! Annotations for GitHub Actions: workflow commands at the lines of the probe file, few enough that all are shown. The
//! runner obeys every line of a log that begins with `::` or contains `##[`; no text of a server gets there.

use std::borrow::Cow;
use std::fmt::Write as _;

use super::case::{self, Case, Place, Verdict, cases};
use super::format::Run;
use super::markdown;
use crate::base::sanitize;
use crate::event::{CheckStatus, Severity};

/// Annotations of one kind that GitHub shows of a step.
const ANNOTATIONS_MAX: usize = 10;
/// Bytes that a step may add to its summary; of a longer one nothing is shown.
pub const SUMMARY_BYTES_MAX: usize = 1024 * 1024;
/// Characters of an annotation.
const MESSAGE_CHARS_MAX: usize = 1_500;

/// The kinds of annotations.
const LEVELS: [&str; 3] = ["error", "warning", "notice"];

/// One annotation; texts are safe to show.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Annotation<'a> {
    level: &'static str,
    place: Option<&'a str>,
    title: String,
    message: String,
}

/// The text: commands only, one a line.
#[must_use]
pub fn text(run: &Run<'_>) -> String {
    let all = annotations(run);
    let mut text = String::new();
    for level in LEVELS {
        let of_level: Vec<&Annotation<'_>> = all.iter().filter(|annotation| annotation.level == level).collect();
        let shown = if of_level.len() > ANNOTATIONS_MAX { ANNOTATIONS_MAX - 1 } else { of_level.len() };
        for annotation in &of_level[..shown] {
            command(&mut text, run, annotation);
        }
        if shown < of_level.len() {
            let title = format!("{} more", of_level.len() - shown);
            let rest: Vec<&str> = of_level[shown..].iter().map(|annotation| annotation.title.as_str()).collect();
            let message = sanitize::cut(&rest.join("\n"), MESSAGE_CHARS_MAX);
            command(&mut text, run, &Annotation { level, place: None, title, message });
        }
    }
    if text.is_empty() {
        text.push_str(&format!("{}\n", markdown::verdict(run)));
    }
    text
}

/// What is appended to the summary of the step, where so many bytes are left.
#[must_use]
pub fn step_summary(run: &Run<'_>, bytes_max: usize) -> String {
    markdown::within(run, bytes_max)
}

fn annotations<'a>(run: &Run<'a>) -> Vec<Annotation<'a>> {
    let mut all: Vec<Annotation<'a>> = Vec::new();
    let mut put = |annotation: Annotation<'a>| {
        // What every repetition finds is told once.
        if !all.contains(&annotation) {
            all.push(annotation);
        }
    };
    for probe in run.probes {
        let name = format!("{} on {}", sanitize::one_line(&probe.name, 80), sanitize::one_line(&probe.target, 80));
        for case in cases(probe, run.degraded_fails) {
            of_case(&case, &name).into_iter().for_each(&mut put);
        }
    }
    for probe in run.probes {
        for finding in &probe.findings {
            put(Annotation {
                level: if finding.severity == Severity::Info { "notice" } else { "warning" },
                place: None,
                title: format!("{}: {}", sanitize::one_line(&probe.target, 80), finding.id),
                message: format!(
                    "expected {}, got {}",
                    case::safe(&finding.expected, MESSAGE_CHARS_MAX / 2),
                    case::safe(&finding.actual, MESSAGE_CHARS_MAX / 2)
                ),
            });
        }
    }
    all
}

fn of_case<'a>(case: &Case<'a>, probe: &str) -> Vec<Annotation<'a>> {
    let Some(reason) = case.reason else { return Vec::new() };
    let level = if case.verdict.is_bad() { "error" } else { "warning" };
    let step = sanitize::one_line(case.name, 80);
    let mut told: Vec<Annotation<'a>> = Vec::new();
    if let Some(message) = case.own_message() {
        let word = if case.verdict == Verdict::Skipped { "could not tell" } else { reason.code() };
        told.push(Annotation {
            level,
            place: case.place,
            title: format!("{probe}: {step}: {word}"),
            message: case::safe(message, MESSAGE_CHARS_MAX),
        });
    }
    told.extend(case.unmet().into_iter().map(|check| Annotation {
        level: if check.status == CheckStatus::Warned { "warning" } else { level },
        place: check.place.as_deref().or(case.place),
        title: format!("{probe}: {step}: {} {}", check.kind, check.status.name()),
        message: case::safe(&case::sentence(check), MESSAGE_CHARS_MAX),
    }));
    told
}

fn command(text: &mut String, run: &Run<'_>, annotation: &Annotation<'_>) {
    let Annotation { level, place, title, message } = annotation;
    let mut properties = String::new();
    if let Some(place) = place.and_then(Place::parse) {
        let file = property(&place.relative(run.folder));
        let _ = write!(properties, "file={file},line={},col={},", place.line, place.column);
    }
    let _ = writeln!(text, "::{level} {properties}title={}::{}", property(title), data(message));
}

/// The data of a command: three characters are escaped.
fn data(text: &str) -> String {
    defused(text.trim()).replace('%', "%25").replace('\r', "%0D").replace('\n', "%0A")
}

/// A property of a command: so are the two that end it.
fn property(text: &str) -> String {
    data(text).replace(':', "%3A").replace(',', "%2C")
}

/// A text for the log of a workflow, in which no line is a command. For the runner a carriage return ends a line, too.
#[must_use]
pub fn defused(text: &str) -> Cow<'_, str> {
    const ENDS: [char; 2] = ['\n', '\r'];
    let begins = |line: &str| line.trim_start().starts_with("::");
    if !text.contains("##[") && !text.split(ENDS).any(begins) {
        return Cow::Borrowed(text);
    }
    let line = |line: &str| {
        let line = line.replace("##[", "# #[");
        if begins(&line) { line.replacen("::", ": :", 1) } else { line }
    };
    Cow::Owned(text.split_inclusive(ENDS).map(line).collect())
}

/// JSON of which the same is true, and which says the same. No line of JSON begins with a colon that another follows.
#[must_use]
pub fn defused_json(text: &str) -> Cow<'_, str> {
    if text.contains("##[") { Cow::Owned(text.replace("##[", "##\\u005b")) } else { Cow::Borrowed(text) }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;
    use crate::event::ProbeOutcome;
    use crate::report::json::samples::{failed, healthy, hostile};

    fn told(probes: &[ProbeOutcome]) -> String {
        text(&Run::new("2026-01-15T09:32:45Z".parse().unwrap(), Duration::from_millis(312), probes))
    }

    #[test]
    fn what_failed_stands_at_its_line() {
        assert_eq!(
            told(&[healthy(), failed()]),
            "::error file=mcp-probe.toml,line=12,col=1,title=smoke on weather%3A tools/list%3A tools failed::tools failed at \
             $.tools: expected to include \"forecast\", got 1 tool: \"echo\"\n\
             ::warning title=weather%3A stdio.stdout_clean::expected only messages, got 2 lines of log\n"
        );
        assert_eq!(told(&[healthy()]), "1 probe: 1 healthy in 312 ms\n");
    }

    #[test]
    fn no_more_than_github_shows() {
        let probes: Vec<ProbeOutcome> = (0..30)
            .map(|n| ProbeOutcome { name: format!("p{n}").into(), target: format!("t{n}").into(), ..failed() })
            .collect();
        let text = told(&probes);
        for level in LEVELS {
            let count = text.lines().filter(|line| line.starts_with(&format!("::{level} "))).count();
            assert!(count <= ANNOTATIONS_MAX, "{count} of {level}");
        }
        assert!(text.contains("::error title=21 more::p9 on t9: tools/list: tools failed%0Ap10 on t10"), "{text}");
        assert_eq!(told(&[failed(), failed()]).lines().count(), 2, "repetitions are told once");
    }

    #[test]
    fn no_line_of_a_server_is_a_command() {
        let text = told(&[hostile()]);
        assert!(text.lines().all(|line| LEVELS.iter().any(|level| line.starts_with(&format!("::{level} ")))), "{text}");
        assert!(!text.contains("##["), "{text}");
        assert_eq!(defused("a\n  ::error::b\n##[group]c\nd::e"), "a\n  : :error::b\n# #[group]c\nd::e");
        assert_eq!(defused("plain: ::\n"), "plain: ::\n");
        assert_eq!(defused("a\r::error::b"), "a\r: :error::b");
        let said = serde_json::json!({ "##[error]k": "\n::error::##[group]\\##[x" });
        let told = defused_json(&said.to_string()).into_owned();
        assert!(!told.contains("##["), "{told}");
        assert_eq!(serde_json::from_str::<serde_json::Value>(&told).unwrap(), said);
    }
}

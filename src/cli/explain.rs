//! `mcp-probe explain WORD`: every word that the outputs use, in full. The topics are tables; whoever owns words
//! (reasons, exit codes, findings, check kinds) adds rows, not code.

mod advice;
pub mod findings;
mod formats;
pub mod metrics;
pub mod outcomes;
pub mod rules;
pub mod words;

use super::args::ExplainArgs;
use super::complaint::Complaint;
use super::exit::Code;
use super::output;
use super::terminal::Terminal;
use crate::check;
use crate::config::suggest::nearest;
use crate::event::Reason;
use crate::report::format::{Explained, Word};
use crate::report::{Ink, Look, indented, wrap};

/// One word and what there is to say about it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Topic {
    /// The word, as it stands in the outputs.
    pub word: String,
    /// What kind of word it is; topics of one kind stand together.
    pub kind: &'static str,
    /// One line.
    pub summary: String,
    /// Paragraphs: what it means, why it matters, what to do.
    pub body: Vec<String>,
    /// Lines of a probe file, to be copied.
    pub example: Option<&'static str>,
}

/// Every topic there is, in the order of the list.
#[must_use]
pub fn topics() -> Vec<Topic> {
    let mut topics = Vec::new();
    topics.extend(outcomes::STATUSES.iter().map(|(word, summary, body)| topic(word, "status", summary, &[body])));
    topics.extend(check::KINDS.iter().map(|kind| {
        let mut topic = topic(kind.name, "check", kind.what, &[kind.why]);
        topic.example = Some(kind.example);
        if !kind.methods.is_empty() {
            topic.body.push(format!("Judges the replies to `{}`.", kind.methods.join("`, `")));
        }
        topic
    }));
    topics.extend(Reason::ALL.iter().map(|reason| {
        let remedy = outcomes::remedy(*reason);
        let mut topic = topic(reason.code(), "reason", reason.meaning(), &[remedy]);
        topic.body.push(exit_of(*reason));
        topic
    }));
    topics.extend(Code::ALL.iter().map(|code| {
        let number = code.number().to_string();
        topic(&number, "exit code", code.meaning(), &[outcomes::code_note(*code)])
    }));
    topics.extend(findings::FINDINGS.iter().map(|finding| {
        topic(finding.id, "finding", finding.what, &[finding.why, &format!("To mend it: {}", finding.mend)])
    }));
    topics.extend(rules::topics());
    topics.extend(advice::topics());
    topics.extend(metrics::topics());
    topics.extend(formats::topics());
    topics.extend(words::WORDS.iter().map(|(word, kind, summary, body)| topic(word, kind, summary, &[body])));
    topics
}

fn topic(word: &str, kind: &'static str, summary: &str, body: &[&str]) -> Topic {
    Topic {
        word: word.to_owned(),
        kind,
        summary: summary.to_owned(),
        body: body.iter().filter(|paragraph| !paragraph.is_empty()).map(|paragraph| (*paragraph).to_owned()).collect(),
        example: None,
    }
}

fn exit_of(reason: Reason) -> String {
    let (before, after) = (super::exit::of_reason(reason, false), super::exit::of_reason(reason, true));
    if before == after {
        format!("Exit code {}.", after.number())
    } else {
        format!("Exit code {} before the handshake is complete, else {}.", before.number(), after.number())
    }
}

/// What a word of an outcome means, for reports that carry it with them.
#[must_use]
pub fn meaning(word: Word) -> Option<Explained> {
    let (kinds, word): (&[&str], &str) = match word {
        Word::Check(word) => (&["check"], word),
        Word::Reason(word) => (&["reason"], word),
        // What every probe looks for is a finding under the id of its rule.
        Word::Finding(word) => (&["finding", "rule", "advice"], word),
    };
    let topic = topics().into_iter().find(|topic| kinds.contains(&topic.kind) && topic.word == word)?;
    Some(Explained { summary: topic.summary, body: topic.body, url: None })
}

/// The same in a report of an audit, whose checks are rules and whose findings may be advice.
#[must_use]
pub fn meaning_in_audit(word: Word) -> Option<Explained> {
    let (Word::Check(id) | Word::Finding(id)) = word else { return meaning(word) };
    let topic = topics().into_iter().find(|topic| matches!(topic.kind, "rule" | "advice") && topic.word == id);
    let url = crate::audit::rule(id).map(rules::reference);
    topic.map_or_else(|| meaning(word), |topic| Some(Explained { summary: topic.summary, body: topic.body, url }))
}

/// Explains a word, or lists all.
///
/// # Errors
/// When the word is unknown, or stdout cannot be written.
pub fn run(explain: &ExplainArgs) -> Result<Code, Complaint> {
    let look = Terminal::stdout(explain.color).look;
    let topics = topics();
    let text = match &explain.word {
        Some(word) if explain.markdown && "rules".eq_ignore_ascii_case(word) => rules::page(),
        _ if explain.markdown => {
            return Err(
                Complaint::usage("there is a page of the rules only").hint("mcp-probe explain rules --markdown")
            );
        }
        None => list(&topics, &look),
        Some(word) => {
            // A word may be a topic and a kind of topics, as `check` is: then it is both.
            let (of_kind, others): (Vec<&Topic>, Vec<&Topic>) = topics.iter().partition(|topic| is_kind(topic, word));
            let found: Vec<&Topic> = others.into_iter().filter(|topic| topic.word.eq_ignore_ascii_case(word)).collect();
            if found.is_empty() && of_kind.is_empty() {
                return Err(unknown(word, &topics));
            }
            let mut texts: Vec<String> = found.iter().map(|topic| full(topic, &look)).collect();
            if !of_kind.is_empty() {
                texts.push(list(of_kind, &look));
            }
            texts.join("\n")
        }
    };
    output::say(&text, false)?;
    Ok(Code::Healthy)
}

/// `reason`, `reasons`, `exit code`, `exit-codes`.
fn is_kind(topic: &Topic, word: &str) -> bool {
    let plain = word.to_lowercase().replace(['-', '_'], " ");
    plain == topic.kind || plain.strip_suffix('s') == Some(topic.kind) || plain.strip_suffix("es") == Some(topic.kind)
}

fn unknown(word: &str, topics: &[Topic]) -> Complaint {
    let complaint = Complaint::usage(format!("there is nothing to explain under `{word}`"));
    let within: Vec<&str> = topics
        .iter()
        .filter(|topic| word.len() > 2 && topic.word.contains(&word.to_lowercase()))
        .map(|topic| topic.word.as_str())
        .take(6)
        .collect();
    if !within.is_empty() {
        return complaint.hint(format!("did you mean `{}`?", within.join("`, `")));
    }
    match nearest(word, topics.iter().map(|topic| topic.word.as_str())) {
        Some(near) => complaint.hint(format!("did you mean `{near}`?")),
        None => complaint.hint("`mcp-probe explain` lists every word"),
    }
}

fn full(topic: &Topic, look: &Look) -> String {
    let prose = |text: &str| match look.prose_width() {
        Some(width) => wrap(text, width - 2).join("\n"),
        None => text.to_owned(),
    };
    let mut text =
        format!("{} {}\n", look.paint(Ink::Strong, &topic.word), look.paint(Ink::Dim, &format!("({})", topic.kind)));
    text.push_str(&indented(&prose(&topic.summary), "  "));
    text.push('\n');
    for paragraph in &topic.body {
        text.push('\n');
        text.push_str(&indented(&prose(paragraph), "  "));
        text.push('\n');
    }
    if let Some(example) = topic.example {
        text.push_str(&format!("\n{}\n", look.paint(Ink::Key, &indented(example, "    "))));
    }
    text
}

/// A summary that stands beside its word is at least so wide.
const SUMMARY_WIDTH_MIN: usize = 20;

fn list<'a>(topics: impl IntoIterator<Item = &'a Topic>, look: &Look) -> String {
    let topics: Vec<&Topic> = topics.into_iter().collect();
    let Some(width) = look.width.map(usize::from) else {
        return topics.iter().flat_map(|topic| [topic.kind, "\t", &topic.word, "\t", &topic.summary, "\n"]).collect();
    };
    let longest = topics.iter().map(|topic| topic.word.chars().count()).max().unwrap_or(0);
    let mut text = String::new();
    let mut kind = "";
    for topic in topics {
        if topic.kind != kind {
            kind = topic.kind;
            let gap = if text.is_empty() { "" } else { "\n" };
            text.push_str(&format!("{gap}{}\n", look.paint(Ink::Dim, kind)));
        }
        // Beside the longest word, or below each where there is next to no room.
        let beside = width.checked_sub(longest + 4).filter(|room| *room >= SUMMARY_WIDTH_MIN);
        let (indent, room) = beside.map_or((4, width.saturating_sub(4)), |room| (longest + 4, room));
        let break_ = format!("\n{}", " ".repeat(indent));
        let summary = wrap(&topic.summary, room).join(&break_);
        let (word, gap) = match beside {
            Some(_) => (format!("{:<longest$}", topic.word), "  "),
            None => (topic.word.clone(), break_.as_str()),
        };
        text.push_str(&format!("  {}{gap}{summary}\n", look.paint(Ink::Strong, &word)));
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_list_fits_the_terminal() {
        let topics = topics();
        for width in [60_u16, 80, 120] {
            let text = list(&topics, &Look { width: Some(width), colour: false });
            let wide = text.lines().find(|line| line.chars().count() > usize::from(width));
            assert_eq!(wide, None, "{width}");
            assert!(topics.iter().all(|topic| text.contains(&*topic.word)));
        }
    }

    #[test]
    fn every_topic_says_something_and_no_word_stands_twice_in_a_kind() {
        let topics = topics();
        for (at, topic) in topics.iter().enumerate() {
            assert!(!topic.summary.is_empty() && !topic.body.is_empty(), "{topic:?}");
            assert!(
                topic.body.iter().all(|paragraph| paragraph.ends_with('.') || paragraph.ends_with('`')),
                "{topic:?}"
            );
            let twice = topics[..at].iter().any(|other| other.word == topic.word && other.kind == topic.kind);
            assert!(!twice, "{}", topic.word);
        }
        for kind in check::KINDS {
            let topic = topics.iter().find(|topic| topic.kind == "check" && topic.word == kind.name).unwrap();
            let text = full(topic, &Look { width: Some(80), colour: false });
            assert!(kind.example.lines().all(|line| text.contains(line)), "{text}");
        }
        for reason in Reason::ALL {
            assert!(topics.iter().any(|topic| topic.word == reason.code()));
        }
    }

    #[test]
    fn a_word_is_explained_in_all_its_meanings() {
        let topics = topics();
        let timeout = topics.iter().find(|topic| topic.word == "timeout").unwrap();
        let text = full(timeout, &Look { width: Some(60), colour: false });
        assert!(text.starts_with("timeout (reason)\n  No answer within the time allowed.\n"), "{text}");
        assert!(text.contains("Exit code 4 before the handshake is complete, else 1."), "{text}");
        assert!(text.lines().all(|line| line.chars().count() <= 60), "{text}");
    }

    #[test]
    fn a_kind_stands_for_all_its_words() {
        let topics = topics();
        for word in ["reason", "Reasons", "statuses", "exit-codes", "phase", "checks", "check status"] {
            assert!(topics.iter().any(|topic| is_kind(topic, word)), "{word}");
        }
        assert!(!topics.iter().any(|topic| is_kind(topic, "timeout")));
    }

    #[test]
    fn an_unknown_word_gets_suggestions() {
        let topics = topics();
        let hint = |word: &str| unknown(word, &topics).hint.unwrap();
        assert_eq!(hint("timout"), "did you mean `timeout`?");
        assert!(hint("stdout").contains("`stdio.stdout_clean`"));
        assert_eq!(hint("qqqqq"), "`mcp-probe explain` lists every word");
        assert_eq!(unknown("x", &topics).code, Code::Usage);
    }

    #[test]
    fn the_list_is_a_table_for_a_person_and_rows_for_a_pipe() {
        let topics = topics();
        assert_eq!(list(&topics, &Look::PLAIN).lines().count(), topics.len());
        let person = list(&topics, &Look { width: Some(80), colour: false });
        assert!(person.lines().all(|line| line.chars().count() <= 80), "{person}");
    }
}

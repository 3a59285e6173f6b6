//! The family of formats in which a run of many probes is told: what goes in, what comes out, and the table that the
//! command line, `explain` and the documents read. A format makes bytes; somebody else writes them.

use std::path::Path;
use std::time::Duration;

use super::{Look, github, html, json, jsonl, junit, markdown, nagios, prometheus, sarif, table, tap};
use crate::event::ProbeOutcome;

/// A run of many probes, as it is told. Secrets are masked already; texts of servers are raw.
#[derive(Clone, Copy, Debug)]
pub struct Run<'a> {
    /// Wall time at its start.
    pub started_at: jiff::Timestamp,
    /// From start to end.
    pub duration: Duration,
    /// Every probe of every target, in the order of the plan.
    pub probes: &'a [ProbeOutcome],
    /// Whether a signal cut it short.
    pub interrupted: bool,
    /// Whether a degraded probe counts as a failure (`--fail-on degraded`).
    pub degraded_fails: bool,
    /// Whether something that was required could not be delivered, as far as that is known when the report is made.
    pub undelivered: bool,
    /// The folder it was run in: places below it are told relative to it.
    pub folder: Option<&'a Path>,
    /// What the words of outcomes mean.
    pub explain: fn(Word) -> Option<Explained>,
}

impl<'a> Run<'a> {
    /// A whole run of which no more is known.
    #[must_use]
    pub fn new(started_at: jiff::Timestamp, duration: Duration, probes: &'a [ProbeOutcome]) -> Self {
        Self {
            started_at,
            duration,
            probes,
            interrupted: false,
            degraded_fails: false,
            undelivered: false,
            folder: None,
            explain: |_| None,
        }
    }
}

/// A word that `mcp-probe explain` knows.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Word {
    /// A kind of check.
    Check(&'static str),
    /// A reason.
    Reason(&'static str),
    /// The id of a finding.
    Finding(&'static str),
}

/// What a word means.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Explained {
    /// In one sentence.
    pub summary: String,
    /// Paragraphs: why it matters, what to do.
    pub body: Vec<String>,
    /// Where it is written, where that is a page.
    pub url: Option<String>,
}

/// Why a report could not be made: a bug of ours.
#[derive(Debug, thiserror::Error)]
#[error("the {format} report could not be made: {why}")]
pub struct Unmade {
    format: &'static str,
    why: String,
}

impl Unmade {
    /// What a format could not be made for.
    #[must_use]
    pub fn new(format: &'static str, why: &dyn std::fmt::Display) -> Self {
        Self { format, why: why.to_string() }
    }
}

/// One format.
pub struct Format {
    /// The word on the command line.
    pub name: &'static str,
    /// What it is, in one line.
    pub what: &'static str,
    /// Who reads it, and what stands where.
    pub reader: &'static str,
    /// A command that writes it.
    pub example: &'static str,
    /// How names of such files end.
    pub extension: &'static str,
    /// Its media type.
    pub media: &'static str,
    /// Makes it.
    pub make: fn(&Run<'_>) -> Result<Vec<u8>, Unmade>,
}

/// Every format, in the order of the documents.
pub static FORMATS: [Format; 11] = [
    Format {
        name: "table",
        what: "Rows and columns for a person; rows separated by tabs in a pipe or file.",
        reader: "What `check` prints when it is not told otherwise. Below the rows stands what was expected and what came.",
        example: "mcp-probe check --report table",
        extension: "tsv",
        media: "text/tab-separated-values; charset=utf-8",
        make: |run| Ok(table::rows(run, &Look::PLAIN).into_bytes()),
    },
    Format {
        name: "json",
        what: "One JSON document with everything, of the schema mcp-probe/report/1.",
        reader: "For scripts. The same as `--json`; `mcp-probe schema report` describes it.",
        example: "mcp-probe check --report json=report.json",
        extension: "json",
        media: "application/json",
        make: json::bytes,
    },
    Format {
        name: "jsonl",
        what: "One JSON object a line: the run, each probe, the summary.",
        reader: "For log pipelines, `jq -c` and data bases that load lines. A probe has the members that it has in `json`; \
                 `mcp-probe schema report-lines` describes a line.",
        example: "mcp-probe check --report jsonl=report.jsonl",
        extension: "jsonl",
        media: "application/jsonl",
        make: jsonl::bytes,
    },
    Format {
        name: "junit",
        what: "JUnit XML: a suite per probe on a target, a case for the opening and one per step.",
        reader: "For GitLab, Jenkins, Azure DevOps, CircleCI and whatever else shows test results. `failure` is an answer \
                 that was judged wrong, `error` is one that could not be had, `skipped` was not run or could not be told; \
                 `file` and `line` are the place in the probe file.",
        example: "mcp-probe check --report junit=junit.xml",
        extension: "xml",
        media: "application/xml",
        make: junit::bytes,
    },
    Format {
        name: "tap",
        what: "TAP version 14: a test point per probe on a target, its steps as a subtest.",
        reader: "For `prove`, `tap` and other harnesses. What went wrong stands in a YAML block below its test point.",
        example: "mcp-probe check --report tap",
        extension: "tap",
        media: "text/plain; charset=utf-8",
        make: |run| Ok(tap::text(run).into_bytes()),
    },
    Format {
        name: "nagios",
        what: "A line for Nagios, Icinga, Centreon or Checkmk, with performance data; what is not well below it.",
        reader: "Use it with `--exit-style nagios`, which sets the exit code to 0, 1, 2 or 3.",
        example: "mcp-probe check --report nagios --exit-style nagios",
        extension: "txt",
        media: "text/plain; charset=utf-8",
        make: |run| Ok(nagios::text(run).into_bytes()),
    },
    Format {
        name: "github",
        what: "Annotations for GitHub Actions, at the lines of the probe file.",
        reader: "At most ten of each kind, as GitHub shows no more of a step. Where GITHUB_STEP_SUMMARY is set, the \
                 `markdown` report is appended to the file that it names.",
        example: "mcp-probe check --report github",
        extension: "txt",
        media: "text/plain; charset=utf-8",
        make: |run| Ok(github::text(run).into_bytes()),
    },
    Format {
        name: "markdown",
        what: "Markdown: a table of the probes, and what went wrong below it.",
        reader: "For comments on pull requests, issues and wikis. What a server says stands in code, where it makes no \
                 link, no mention and no HTML.",
        example: "mcp-probe check --report markdown=report.md",
        extension: "md",
        media: "text/markdown; charset=utf-8",
        make: |run| Ok(markdown::text(run).into_bytes()),
    },
    Format {
        name: "html",
        what: "One self-contained page: steps, checks, phases, latencies, and the transcripts of failures.",
        reader: "For whoever opens the artefact of a job. It has no script and loads nothing.",
        example: "mcp-probe check --report html=report.html",
        extension: "html",
        media: "text/html; charset=utf-8",
        make: html::bytes,
    },
    Format {
        name: "prometheus",
        what: "The figures of the run as gauges, in the text format of Prometheus.",
        reader: "For the textfile collector of node_exporter and for pushing: the names are those of `watch`, with the \
                 labels `probe` and `target`. Counters, which would begin anew with every run, are left out.",
        example: "mcp-probe check --report prometheus=mcp-probe.prom",
        extension: "prom",
        media: "text/plain; version=0.0.4; charset=utf-8",
        make: |run| Ok(prometheus::text(run).into_bytes()),
    },
    Format {
        name: "sarif",
        what: "SARIF 2.1.0: what failed, and the findings, at their places in the probe file.",
        reader: "For code scanning and editors. A rule is a kind of check, a finding, or the reason of a failure; \
                 fingerprints stay the same from run to run.",
        example: "mcp-probe check --report sarif=report.sarif",
        extension: "sarif",
        media: "application/sarif+json",
        make: sarif::bytes,
    },
];

/// What is printed when nothing else is asked for.
pub static TABLE: &Format = &FORMATS[0];
/// What `--json` prints.
pub static JSON: &Format = &FORMATS[1];

impl Format {
    /// The format of this name.
    #[must_use]
    pub fn find(name: &str) -> Option<&'static Self> {
        FORMATS.iter().find(|format| format.name == name)
    }
}

impl PartialEq for Format {
    fn eq(&self, other: &Self) -> bool {
        self.name == other.name
    }
}

impl Eq for Format {}

impl std::fmt::Debug for Format {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(self.name)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::report::json::samples::{failed, healthy, hostile};

    #[test]
    fn names_are_the_words_of_the_contract() {
        let names: Vec<&str> = FORMATS.iter().map(|format| format.name).collect();
        let contract = "table json jsonl junit tap nagios github markdown html prometheus sarif";
        assert_eq!(names.join(" "), contract);
        for format in &FORMATS {
            assert!(format.example.contains(&format!("--report {}", format.name)), "{format:?}");
            assert!(format.what.ends_with('.') && format.reader.ends_with('.'), "{format:?}");
            assert_eq!(Format::find(format.name), Some(format));
        }
        assert_eq!((TABLE.name, JSON.name, Format::find("xml")), ("table", "json", None));
    }

    /// Whoever looks at any report with a terminal is not talked to by a server.
    #[test]
    fn no_format_passes_control_characters_on() {
        let probes = [healthy(), failed(), hostile(), hostile()];
        let run = Run::new(probes[0].started_at, Duration::from_millis(12), &probes);
        for format in &FORMATS {
            let text = String::from_utf8((format.make)(&run).unwrap()).unwrap();
            let bad: Vec<char> = text.chars().filter(|c| c.is_control() && !matches!(c, '\n' | '\t')).collect();
            assert!(bad.is_empty(), "{format:?}: {bad:?}");
            // JSON leaves what is no control character as it is: scripts want the text of the server.
            if !matches!(format.name, "json" | "jsonl") {
                assert!(!text.contains(['\u{202e}', '\u{200b}', '\u{2028}']), "{format:?}");
            }
            // Scripts get every text whole; what is for people is bounded.
            let is_data = matches!(format.name, "table" | "json" | "jsonl");
            assert!(text.ends_with('\n') && (is_data || text.len() < 400_000), "{format:?}: {}", text.len());
        }
    }

    #[test]
    fn every_format_can_tell_nothing() {
        let run = Run::new("2026-01-15T09:32:45Z".parse().unwrap(), Duration::ZERO, &[]);
        for format in &FORMATS {
            (format.make)(&run).unwrap();
        }
    }
}

//! `mcp-probe schema [DOCUMENT]`: the JSON Schema of the probe file, for editors, and of the documents that scripts
//! read.

use serde_json::Value;

use clap::{Args, ValueEnum};

use super::args::{DocumentOptions, help};
use super::complaint::Complaint;
use super::exit::Code;
use super::jq::Jq;
use super::output;
use super::terminal::Terminal;
use crate::report::{Look, schema};

/// `mcp-probe schema [DOCUMENT]`.
#[derive(Clone, Debug, Default, Args)]
#[command(after_help = help::SCHEMA)]
pub struct SchemaArgs {
    /// What is to be described
    #[arg(value_enum, value_name = "DOCUMENT", default_value = "probe-file")]
    pub document: DocumentKind,
    /// The document of `check --json` instead of the probe file
    #[arg(long, conflicts_with = "document")]
    pub report: bool,
    /// How it is told.
    #[command(flatten)]
    pub output: DocumentOptions,
}

/// What `schema` describes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, ValueEnum)]
pub enum DocumentKind {
    /// The probe file (TOML)
    #[default]
    ProbeFile,
    /// `check --json`, mcp-probe/report/1
    Report,
    /// A line of `check --report jsonl`, mcp-probe/report-lines/1
    ReportLines,
    /// An ad hoc call with --json, mcp-probe/call/1
    Call,
    /// The same to several targets, mcp-probe/calls/1
    Calls,
    /// `history --json`, mcp-probe/history/1
    History,
    /// `report --json`, mcp-probe/slo/1
    Slo,
    /// `diff --json` and `lock --json`, mcp-probe/diff/1
    Diff,
    /// `audit --json`, mcp-probe/audit/1
    Audit,
}

/// Prints the schema: indented also into a pipe, because it is kept beside the files that it describes.
///
/// # Errors
/// When the filter is wrong, or stdout cannot be written.
pub fn run(args: &SchemaArgs) -> Result<Code, Complaint> {
    let jq = args.output.jq.as_deref().map(Jq::compile).transpose()?;
    let look = Terminal::stdout(args.output.color).look;
    let document = if args.report { DocumentKind::Report } else { args.document };
    let schema = of(document);
    match jq {
        Some(jq) => output::say_json(&schema, Some(&jq), &look)?,
        None if look == Look::PLAIN => output::say(&(format!("{schema:#}") + "\n"), false)?,
        None => output::say_json(&schema, None, &look)?,
    }
    Ok(Code::Healthy)
}

fn of(document: DocumentKind) -> Value {
    match document {
        DocumentKind::ProbeFile => crate::files::grammar::schema(),
        DocumentKind::Report => schema::report(),
        DocumentKind::ReportLines => schema::report_lines(),
        DocumentKind::Call => schema::call(),
        DocumentKind::Calls => schema::calls(),
        DocumentKind::History => schema::history(),
        DocumentKind::Slo => schema::slo(),
        DocumentKind::Diff => schema::diff(),
        DocumentKind::Audit => schema::audit(),
    }
}

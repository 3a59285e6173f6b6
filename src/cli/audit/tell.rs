//! How an audit is told: the screen, the document, the reports, and on stderr what failed.

use std::time::Duration;

use serde_json::Value;

use super::Request;
use crate::cli::complaint::Complaint;
use crate::cli::exit::Code;
use crate::cli::outlets::{self, unmade, weighed};
use crate::cli::terminal::Terminal;
use crate::cli::{explain, output};
use crate::event::AuditOutcome;
use crate::report::audit::{self, Detail, probe};
use crate::report::format::{JSON, TABLE};
use crate::report::render::error;
use crate::report::{Format, Run, audit_json};
use crate::run::Context;

/// Tells it; whether something that was required could not be written.
///
/// # Errors
/// When the filter fails on the document.
pub(super) fn tell(
    request: &Request<'_>,
    cx: &Context,
    (started_at, duration): (jiff::Timestamp, Duration),
    all: &[AuditOutcome],
) -> Result<bool, Complaint> {
    let args = request.args;
    let stderr = Terminal::stderr(args.output.color).look;
    for one in all {
        if let Some(cause) = &one.cause {
            let said = error::failure(Some(&one.target), one.status, cause, &stderr);
            output::say(&cx.masker.mask(&said), true)?;
        }
    }
    let place = |target: &str| {
        let target = request.targets.iter().find(|one| one.name == target)?;
        target.origin.file.as_ref().map(|_| target.origin.text.clone())
    };
    let mut probes = probe::outcomes(all, args.strict, started_at, &place);
    for probe in &mut probes {
        probe.mask(&cx.masker);
    }
    let folder = std::env::current_dir().ok();
    let run = Run {
        explain: explain::meaning_in_audit,
        folder: folder.as_deref(),
        ..Run::new(started_at, duration, &probes)
    };
    let document = || -> Result<Value, Complaint> {
        let mut document = audit_json::document(started_at, duration, all)
            .map_err(|error| Complaint::new(Code::Bug, format!("the document cannot be written: {error}")))?;
        cx.masker.mask_json(&mut document);
        Ok(document)
    };
    // In the formats of documents an audit has its own words; the others tell it as a probe.
    let made = |format: &'static Format, detail: Detail| match format {
        format if format == JSON => Ok((document()?.to_string() + "\n").into_bytes()),
        format if format == TABLE => {
            Ok(cx.masker.mask(&audit::screen(all, detail, &crate::report::Look::PLAIN)).into_owned().into_bytes())
        }
        format => (format.make)(&run).map_err(unmade),
    };
    let detail = Detail { quiet: args.output.quiet };
    let undelivered = request.outlets.write(&run, &args.output, |format| made(format, detail))?;
    let stdout = Terminal::stdout(args.output.color).look;
    let printed = match request.outlets.stdout {
        format if format == JSON => output::say_json(&document()?, request.outlets.jq.as_ref(), &stdout),
        format if format == TABLE => output::say(&cx.masker.mask(&audit::screen(all, detail, &stdout)), false),
        format => outlets::say(format, &made(format, detail)?),
    };
    Ok(weighed(printed, &args.output)? || undelivered)
}

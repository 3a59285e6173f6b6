//! What is told of a session that outlives a run. What happened is told by the run in which it was seen; what the opening
//! showed is true for as long as the session is, and is told by every run on it.

use super::Session;
use crate::event::{Finding, TransportKind};

/// What the opening of a session showed.
#[derive(Default)]
pub(super) struct Lasting {
    findings: Vec<Finding>,
    /// Whether the opening was not looked at yet.
    is_new: bool,
    /// Whether something was told that another opening might not show.
    is_doubtful: bool,
}

impl Lasting {
    /// The session was opened, and this was noticed.
    pub(super) fn of(findings: Vec<Finding>) -> Self {
        Self { findings, is_new: true, is_doubtful: false }
    }
}

impl Session {
    /// Begins to tell by runs: what was noticed up to now belongs to the opening. Of a child that is all; what was seen of
    /// an HTTP server on the way there (its clock, a redirect) can be seen again with each call, and passes.
    pub fn outlive_the_run(&mut self) {
        // That it is another one than before is news, and soon none.
        let is_news = |finding: &Finding| finding.id == "era.changed";
        let (news, mut findings) = std::mem::take(&mut self.line.findings).into_iter().partition(is_news);
        self.line.findings = news;
        if self.line.link().pid().is_some() {
            findings.extend(self.line.take_link_findings());
        }
        self.lasting = Lasting::of(findings);
    }

    /// Whether the session was opened, or opened anew, since this was asked last.
    pub fn was_opened(&mut self) -> bool {
        std::mem::take(&mut self.lasting.is_new)
    }

    /// Adds what a look at the opening showed.
    pub fn note_of_opening(&mut self, findings: impl IntoIterator<Item = Finding>) {
        self.lasting.findings.extend(findings);
    }

    /// What was noticed outside single calls since this was asked last, with what lasts.
    pub fn tell(&mut self) -> Vec<Finding> {
        let mut findings = self.lasting.findings.clone();
        findings.append(&mut self.line.findings);
        let of_link = self.line.take_link_findings();
        let is_by_url = self.facts.transport != TransportKind::Stdio;
        let lasts = !self.lasting.findings.is_empty() || of_link.iter().any(|finding| finding.id == "tls.expiry");
        self.lasting.is_doubtful = is_by_url && lasts;
        findings.extend(of_link);
        findings
    }

    /// Whether something was told that another opening might not show. A child is what it was when it was started; behind
    /// a URL may be another server by now, or another certificate, and one without sessions does not say so.
    #[must_use]
    pub fn is_doubtful(&self) -> bool {
        self.lasting.is_doubtful
    }
}

//! Takes secrets out of an outcome before anybody tells it: a server may say back what it was sent. It is done once, on
//! the texts themselves; in the escapes of a format a secret would no longer be found.

use std::borrow::Cow;
use std::sync::Arc;

use super::{CheckOutcome, Finding, ProbeOutcome, StepOutcome};
use crate::base::name::Name;
use crate::base::secret::Masker;

impl ProbeOutcome {
    /// Masks what a server may have said: messages, findings, names, places, and what passed on the wire. The names of
    /// probe and target stay: they are keys.
    pub fn mask(&mut self, masker: &Masker) {
        if masker.is_empty() {
            return;
        }
        let text = |text: &mut String| mask(text, masker);
        let name = |name: &mut Name| mask(name, masker);
        for cause in self.cause.iter_mut().chain(self.attempts.iter_mut().filter_map(|attempt| attempt.cause.as_mut()))
        {
            text(&mut cause.message);
        }
        self.steps.iter_mut().for_each(|step| step.mask(masker));
        for Finding { expected, actual, path, .. } in &mut self.findings {
            [expected, actual].into_iter().chain(path).for_each(text);
        }
        if let Some(server) = &mut self.server {
            name(&mut server.name);
            name(&mut server.version);
        }
        if let Some(used) = &mut self.protocol {
            name(&mut used.version);
        }
        if let Some(tools) = &mut self.observed.tools {
            // The list is shared by all runs that saw the same: it is copied where something is to be hidden only.
            if tools.tools.iter().any(|tool| matches!(masker.mask(&tool.name), Cow::Owned(_))) {
                let own = Arc::make_mut(tools);
                own.summed.take();
                own.tools.iter_mut().for_each(|tool| text(&mut tool.name));
            }
        }
        self.observed.place.iter_mut().for_each(name);
        for record in &mut self.observed.transcript {
            record.rpc_id.iter_mut().chain([&mut record.payload]).for_each(|said| masker.mask_json(said));
            record.method.iter_mut().for_each(text);
        }
    }

    /// The same with all names, for what leaves and is not asked by name again.
    pub fn mask_whole(&mut self, masker: &Masker) {
        self.mask(masker);
        mask(&mut self.name, masker);
        mask(&mut self.target, masker);
        if self.labels.values().any(|value| matches!(masker.mask(value), Cow::Owned(_))) {
            for value in Arc::make_mut(&mut self.labels).values_mut() {
                mask(value, masker);
            }
        }
        let records = self.observed.transcript.iter_mut();
        records.flat_map(|record| [&mut record.probe, &mut record.target]).for_each(|name| mask(name, masker));
    }
}

impl StepOutcome {
    fn mask(&mut self, masker: &Masker) {
        let text = |text: &mut String| mask(text, masker);
        let name = |name: &mut Name| mask(name, masker);
        [&mut self.name, &mut self.method].into_iter().chain(&mut self.place).for_each(name);
        if let Some(cause) = &mut self.cause {
            text(&mut cause.message);
        }
        for CheckOutcome { expected, actual, path, place, .. } in &mut self.checks {
            [expected, actual].into_iter().chain(path).for_each(text);
            place.iter_mut().for_each(name);
        }
    }
}

fn mask<T: AsRef<str> + From<String>>(text: &mut T, masker: &Masker) {
    if let Cow::Owned(masked) = masker.mask(text.as_ref()) {
        *text = masked.into();
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use super::*;
    use crate::event::{Cause, Reason, Severity};

    #[test]
    fn what_a_server_says_back_is_masked_everywhere() {
        let masker = Masker::default();
        masker.add("s3cret");
        let labels = BTreeMap::from([("team".to_owned(), "of s3cret".to_owned())]);
        let mut outcome =
            ProbeOutcome::not_run("p s3cret", "t s3cret", &labels, Cause::new(Reason::Check, "got s3cret"));
        outcome.findings.push(Finding {
            path: Some("$.s3cret".into()),
            ..Finding::new("list.pagination", Severity::Info, "s3cret", "no s3cret")
        });
        outcome.mask(&masker);
        assert_eq!((outcome.name.as_str(), outcome.labels["team"].as_str()), ("p s3cret", "of s3cret"));
        outcome.mask_whole(&masker);
        assert!(!format!("{outcome:?}").contains("s3cret"), "{outcome:?}");
    }
}

//! Who listens among the pushes: the events of the daemon go to each, as long as its push is at work.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};

use crate::base::secret::Masker;
use crate::event::{Consumer, Event, TellError};
use crate::files::telling::Push;
use crate::metrics::push::compile;

/// The listeners by the names of their pushes. Clones are the same ones.
#[derive(Clone, Default)]
pub struct Ears(Arc<Mutex<BTreeMap<String, Box<dyn Consumer>>>>);

/// What the pushes of a plan want to hear.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(in crate::watch) struct Wanted {
    /// Every message.
    pub wire: bool,
    /// The spans of runs.
    pub traces: bool,
}

impl Wanted {
    /// Of these pushes.
    #[must_use]
    pub fn by(pushes: &[Push], masker: &Masker) -> Self {
        let mut wanted = Self::default();
        for push in pushes {
            // One that cannot be made was complained of where the files were read.
            let Ok(encoder) = compile(push.kind, &push.name, &push.settings) else { continue };
            if let Some(ear) = encoder.ear(masker) {
                wanted.wire |= ear.wire;
                wanted.traces |= ear.traces;
            }
        }
        wanted
    }
}

impl Ears {
    /// What is told of every event.
    #[must_use]
    pub fn consumer(&self) -> Box<dyn Consumer> {
        Box::new(self.clone())
    }

    pub(super) fn add(&self, name: &str, consumer: Box<dyn Consumer>) {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).insert(name.to_owned(), consumer);
    }

    pub(super) fn remove(&self, name: &str) {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).remove(name);
    }
}

impl Consumer for Ears {
    fn on_event(&mut self, event: &Event) -> Result<(), TellError> {
        for consumer in self.0.lock().unwrap_or_else(PoisonError::into_inner).values_mut() {
            // It keeps a bounded part, and counts what it drops.
            let _ = consumer.on_event(event);
        }
        Ok(())
    }

    fn finish(self: Box<Self>) -> Result<(), TellError> {
        Ok(())
    }
}

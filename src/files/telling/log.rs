//! `[log]`: what `watch` writes down, and where.

use std::path::PathBuf;

use crate::config::{Diag, Environment, Place, Section, Text};

/// `[log]` as it is written.
#[derive(Clone, Debug)]
pub struct LogDraft {
    /// The file that gets every message, both ways.
    wire: Option<Text>,
    /// Where the table stands.
    pub place: Place,
}

/// `[log]`, every variable filled in.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct LogSettings {
    /// The file that gets every message, both ways.
    pub wire: Option<PathBuf>,
}

impl LogDraft {
    /// Reads the table.
    #[must_use]
    pub fn parse(section: Section<'_>) -> Self {
        let log = Self { wire: section.text("wire"), place: section.place().clone() };
        section.finish();
        log
    }

    /// Fills in the variables; paths are relative to the file.
    ///
    /// # Errors
    /// What this machine lacks for it.
    pub fn resolve(&self, environment: &dyn Environment) -> Result<LogSettings, Vec<Diag>> {
        let Some(wire) = &self.wire else { return Ok(LogSettings::default()) };
        let said = wire.resolve("log.wire", environment).map_err(|diag| vec![*diag])?.value;
        Ok(LogSettings { wire: Some(wire.place.source.path(&said)) })
    }
}

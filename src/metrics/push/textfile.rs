//! `kind = "textfile"`: a file for the textfile collector of `node_exporter`. One file per prober: two files with the same
//! series break the whole collector.

use std::path::PathBuf;

use super::{Encoder, Keeping, Occasion, Row, fits};
use crate::config::receiver::{Kind, Settings, Shape, must};
use crate::deliver::{FilePayload, Payload};
use crate::metrics::exposition::{Format, Page};
use crate::metrics::{Family, Snapshot, family};

/// The row of the table.
pub(super) const ROW: Row = Row {
    kind: Kind {
        name: "textfile",
        slots: &[must("path", Shape::Path, "The file that is written: `*.prom` in the folder of node_exporter.")],
    },
    compile,
};

struct Textfile {
    path: PathBuf,
}

fn compile(settings: &Settings) -> Result<Box<dyn Encoder>, String> {
    let path = PathBuf::from(settings.needed("path")?.reveal());
    if path.extension().is_none_or(|extension| extension != "prom") || path.file_stem().is_none() {
        return Err("`path` must end in `.prom`: node_exporter reads no other file".to_owned());
    }
    Ok(Box::new(Textfile { path }))
}

/// Whether `node_exporter` has the family of itself: one name with two helps spoils everything it has to tell.
fn is_of_collector(family: &Family) -> bool {
    family.name == family::STARTED.name
}

impl Encoder for Textfile {
    fn encode(&mut self, snapshot: &Snapshot, occasion: Occasion) -> Vec<Payload> {
        // No timestamps: a file with one is skipped whole.
        let mut page = Page::new(Format::Classic);
        snapshot.each(|figures| {
            if fits(figures.family, occasion) && !is_of_collector(figures.family) {
                page.write(&figures);
            }
        });
        vec![Payload::File(FilePayload { path: self.path.clone(), body: page.finish().into_bytes() })]
    }

    fn keeping(&self) -> Keeping {
        Keeping::Newest
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::metrics::push::tests::{filled, outcome_snapshot};

    #[test]
    fn the_file_has_nothing_that_the_collector_has_of_itself() {
        let mut file = compile(&filled(&[("path", "/x/a.prom")])).unwrap();
        let mut snapshot = outcome_snapshot("smoke", "weather");
        snapshot.own.started_at = Some(snapshot.at);
        let Payload::File(written) = file.encode(&snapshot, Occasion::Interval).remove(0) else { panic!() };
        let written = String::from_utf8(written.body).unwrap();
        assert!(written.contains("probe_success{") && !written.contains("process_start_time"), "{written}");
    }
}

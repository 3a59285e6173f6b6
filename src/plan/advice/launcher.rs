//! Programs that fetch what they run, as `audit` knows them: without a version the program that is probed may be another one
//! tomorrow, and nobody will know why the probe changed its mind.

use crate::audit::launch::launcher;
use crate::config::{Diag, Reading, Text};

/// Advises to pin what a command fetches.
pub(in super::super) fn advise(argv: &[Text], reading: &Reading<'_>) {
    let words: Vec<Option<&str>> = argv.iter().map(Text::literal).collect();
    let Some(fetched) = launcher::fetched(&words) else { return };
    let (Some(text), Some(Some(word))) = (argv.get(fetched.index), words.get(fetched.index)) else { return };
    reading.advise(
        Diag::warning(&text.place, format!("`{word}` is not pinned: another program may be probed tomorrow"))
            .help(format!("name the version that you mean, as in \"{}\"", fetched.pinned)),
    );
}

//! The formats of `--report` as topics: the table of the family, in sentences.

use super::Topic;
use crate::report::FORMATS;

/// A topic for each format.
pub fn topics() -> impl Iterator<Item = Topic> {
    FORMATS.iter().map(|format| Topic {
        word: format.name.to_owned(),
        kind: "format",
        summary: format.what.to_owned(),
        body: vec![
            format.reader.to_owned(),
            format!(
                "A format of `--report`; files end in `.{}`, the media type is `{}`.",
                format.extension, format.media
            ),
        ],
        example: Some(format.example),
    })
}

//! Messages to whom a channel led before its settings changed. They wait in a lane of their own, so that a receiver that is not
//! there any more delays nobody; and as the files do not have it any more, nobody is alarmed by how it does.

/// Stands in no name that somebody would write.
const MARK: char = '\u{1f}';

/// The name of the lane for whom a channel led to, under this mark.
#[must_use]
pub fn lane(channel: &str, mark: &str) -> String {
    format!("{channel}{MARK}{mark}")
}

/// The channel, where this is the lane of a former receiver of it.
#[must_use]
pub fn channel_of(lane: &str) -> Option<&str> {
    lane.split_once(MARK).map(|(channel, _)| channel)
}

/// A lane for people.
pub(super) fn shown(lane: &str) -> String {
    channel_of(lane).map_or_else(|| format!("`{lane}`"), |channel| format!("`{channel}` as it was before"))
}

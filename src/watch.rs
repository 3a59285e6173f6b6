//! The daemon: the timetable at work.

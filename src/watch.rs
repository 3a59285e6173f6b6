//! The daemon: the timetable at work. One task owns the timetable and the rules; runs are tasks beside it; what they come
//! to is kept, judged, told and shown, in this order.

pub mod board;
pub mod writer;
pub mod limits;
pub mod sd;

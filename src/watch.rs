//! The daemon: the timetable at work. One task owns the timetable and the rules; runs are tasks beside it; what they come
//! to is kept, judged, told and shown, in this order.

pub mod board;
pub mod status;
pub mod web;
pub mod limits;
pub mod sd;
pub mod writer;
pub mod lag;
pub mod keeping;
pub mod files;
pub mod compose;
pub mod settled;
pub mod channels;
pub mod pushes;
pub mod stalls;
pub mod shadows;
pub mod runs;
pub mod acts;
pub mod asked;
mod askers;
pub mod restart;
pub mod reload;
pub mod heartbeat;
pub mod repeats;
pub mod replicas;
pub mod control;
pub mod ending;
pub mod daemon;

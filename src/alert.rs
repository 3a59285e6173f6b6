//! Rules over the runs of probes, and what becomes of them: pure state machines that are handed samples and the time,
//! and give back what is to be done. They send nothing and read no clock; `watch` carries out what they say.

pub mod condition;
pub mod draft;
pub mod silence_draft;
pub mod grammar;
pub mod receiver;
pub mod notification;
pub mod notify;
pub mod rule;
pub mod settings;
mod window;
pub mod burn;
mod flap;
mod state;
mod said;
mod stretches;
mod outage;
mod network;
mod group;
pub mod repair;
mod saved;
mod restore;
mod moved;
mod reload;
pub mod engine;
mod blame;
mod asking;
mod heard;
pub mod explained;
pub mod lint;
pub mod replay;

pub use engine::{Action, CONNECTIVITY, Engine, OpenAlert};
pub use lint::{Flaw, Insight, Worry, lint};
pub use notification::{AlertView, Notification, Transition};
pub use receiver::Receiver;
pub use rule::{Bound, Condition, Expiring, Rule, Selector, Urgency};
pub use said::asks;
pub use saved::{Remembered, remembered};
pub use settings::{LeftOut, Settings, Silence, Watched, Window};

#[cfg(test)]
mod tests;

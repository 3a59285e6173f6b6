//! Text (TOML; of other programs also JSON) → spanned tables, variables, diagnostics. Every value remembers where it was written, so that a mistake
//! found anywhere later still shows file, line, column and the text. Knows no kind; the file system and the
//! environment are passed in as an [`Environment`].

mod again;
pub mod body;
pub mod cron;
pub mod diag;
pub mod grammar;
pub mod json;
pub mod names;
pub mod receiver;
pub mod secrets;
pub mod section;
pub mod source;
pub mod suggest;
pub mod template;
pub mod text;
pub mod tree;
pub mod written;

pub use diag::{Diag, Severity, has_errors, render};
pub use section::{Field, Reading, Section};
pub use source::{Place, Source};
pub use template::{Saved, Template};
pub use text::{Environment, Part, Resolved, Text, Unset};
pub use tree::{Key, Node, Table, Value};

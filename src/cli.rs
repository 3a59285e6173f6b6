//! The command line: argv becomes a command, a command becomes an exit code. One file per command; what several
//! commands share (the terminal, complaints, exit codes, parameters) has a file of its own.

pub mod adhoc;
pub mod args;
pub mod check;
pub mod complaint;
pub mod completions;
pub mod connection;
pub mod consent;
pub mod demo;
pub mod exit;
pub mod explain;
pub mod jq;
pub mod listeners;
pub mod live;
pub mod man;
pub mod output;
pub mod params;
pub mod progress;
pub mod signals;
pub mod targets;
pub mod terminal;
pub mod words;

use std::ffi::OsString;
use std::process::ExitCode;

use args::{Command, Parsed};
use complaint::Complaint;
use terminal::Terminal;

use crate::transport::child::guard;

/// Runs the command that `argv` names, and gives its exit code.
#[must_use]
pub fn main() -> ExitCode {
    // The guard is this executable again: it must start in no time and know nothing of the command line.
    if std::env::args_os().nth(1).is_some_and(|word| word == guard::ARGUMENT) {
        return ExitCode::from(u8::try_from(guard::guard_main()).unwrap_or(1));
    }
    run(std::env::args_os().collect())
}

/// The same for any arguments; the first is the program's name.
#[must_use]
pub fn run(argv: Vec<OsString>) -> ExitCode {
    let command = match args::parse(argv) {
        Ok(Parsed::Command(command)) => command,
        Ok(Parsed::Said { text, to_stderr, code }) => {
            return match output::say(&text, to_stderr) {
                Ok(()) => code.into(),
                Err(complaint) => complaint.show(&Terminal::stderr(None)).into(),
            };
        }
        Err(complaint) => return complaint.show(&Terminal::stderr(None)).into(),
    };
    let colour = command.colour();
    match dispatch(*command) {
        Ok(code) => code.into(),
        Err(complaint) => complaint.show(&Terminal::stderr(colour)).into(),
    }
}

/// Carries a command out; gives the exit code as the shell sees it.
fn dispatch(command: Command) -> Result<u8, Complaint> {
    let code = match command {
        Command::Explain(explain) => explain::run(&explain)?,
        Command::Completions(completions) => completions::run(&completions)?,
        Command::Man(man) => man::run(&man)?,
        Command::AdHoc(ad_hoc) => return adhoc::run::run(&ad_hoc),
        Command::Check(check) => return check::run::run(&check),
        Command::Demo(demo) => return demo::main(*demo),
    };
    Ok(code.number())
}

//! The command line: argv becomes a command, a command becomes an exit code. One file per command; what several
//! commands share (the terminal, complaints, exit codes, parameters) has a file of its own.

pub mod adhoc;
pub mod alerts;
pub mod args;
pub mod as_client;
pub mod audit;
pub mod check;
pub mod complaint;
pub mod completions;
pub mod connection;
pub mod consent;
pub mod credentials;
pub mod daemon;
pub mod demo;
pub mod diff;
pub mod exit;
pub mod explain;
pub mod history;
pub mod init;
pub mod jq;
pub mod listeners;
pub mod live;
pub mod lock;
pub mod man;
pub mod notify;
pub mod outlets;
pub mod output;
mod panics;
pub mod params;
pub mod progress;
pub mod report_command;
pub mod schema;
pub mod shown;
pub mod signals;
pub mod status;
pub mod targets;
pub mod targets_command;
pub mod terminal;
pub mod top;
pub mod validate;
pub mod wait;
pub mod watch;
pub mod words;

use std::ffi::OsString;
use std::process::ExitCode;

use args::{Command, Parsed};
use complaint::Complaint;
use exit::Code;
use panics::shielded;
use terminal::Terminal;

use crate::transport::child::guard;

/// Runs the command that `argv` names, and gives its exit code.
#[must_use]
pub fn main() -> ExitCode {
    // The guard is this executable again: it must start in no time and know nothing of the command line.
    if std::env::args_os().nth(1).is_some_and(|word| word == guard::ARGUMENT) {
        return ExitCode::from(u8::try_from(guard::guard_main()).unwrap_or(1));
    }
    ExitCode::from(shielded(|| run(&std::env::args_os().collect::<Vec<_>>())))
}

/// The same for any arguments; the first is the program's name.
#[must_use]
pub fn run(argv: &[OsString]) -> u8 {
    let styled = |code: Code| exit::styled(code.number(), argv);
    let command = match args::parse(argv.to_vec()) {
        Ok(Parsed::Command(command)) => command,
        Ok(Parsed::Said { text, to_stderr, code }) => {
            return match output::say(&text, to_stderr) {
                Ok(()) if to_stderr => styled(code),
                Ok(()) => code.number(),
                Err(complaint) => styled(complaint.show(&Terminal::stderr(None))),
            };
        }
        Err(complaint) => return styled(complaint.show(&Terminal::stderr(None))),
    };
    let colour = command.colour();
    match dispatch(*command) {
        // Below are the codes of what was found, which the command has styled itself.
        Ok(code) if code < Code::Bug.number() => code,
        Ok(code) => exit::styled(code, argv),
        Err(complaint) => styled(complaint.show(&Terminal::stderr(colour))),
    }
}

/// Carries a command out; gives the exit code as the shell sees it.
fn dispatch(command: Command) -> Result<u8, Complaint> {
    let code = match command {
        Command::Explain(explain) => explain::run(&explain)?,
        Command::Completions(completions) => completions::run(&completions)?,
        Command::Man(man) => man::run(&man)?,
        Command::Schema(schema) => schema::run(&schema)?,
        Command::AdHoc(ad_hoc) => return adhoc::run::run(&ad_hoc),
        Command::Check(check) => return check::run::run(&check),
        Command::Audit(audit) => return audit::run(&audit),
        Command::Validate(validate) => validate::run(&validate)?,
        Command::Watch(watch) => return watch::run(&watch),
        Command::Status(status) => return status::run(&status),
        Command::Top(top) => return top::run(&top),
        Command::Wait(wait) => return wait::run(&wait),
        Command::Alerts(alerts) => return alerts::run(&alerts),
        Command::Targets(targets) => return targets_command::run(&targets),
        Command::Notify(notify) => return notify::run(&notify),
        Command::History(history) => history::run(&history)?,
        Command::Report(report) => report_command::run(&report)?,
        Command::Demo(demo) => return demo::main(*demo),
        Command::Init(init) => return init::run(&init),
        Command::Lock(lock) => return lock::run(&lock),
        Command::Diff(diff) => return diff::run(&diff),
    };
    Ok(code.number())
}

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
use std::sync::atomic::{AtomicBool, Ordering};

use args::{Command, Parsed};
use complaint::Complaint;
use exit::Code;
use terminal::Terminal;

use crate::base::contained::is_contained;
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

/// A panic is a bug of ours, wherever it happens: it is said in one line, no child is left, and the exit code tells it
/// apart from everything that a server can do.
fn shielded(work: impl FnOnce() -> u8) -> u8 {
    static PANICKED: AtomicBool = AtomicBool::new(false);
    PANICKED.store(false, Ordering::SeqCst);
    std::panic::set_hook(Box::new(|panic| {
        // A library that is called with care.
        if is_contained() {
            return;
        }
        PANICKED.store(true, Ordering::SeqCst);
        let place = panic.location().map_or_else(String::new, |place| format!(" at {}:{}", place.file(), place.line()));
        // Only fixed words are shown: a text made at run time may hold what a server said, or a secret.
        let what = panic.payload().downcast_ref::<&str>().map_or_else(String::new, |what| format!(": {what}"));
        let _ = Complaint::new(Code::Bug, format!("this is a bug in mcp-probe{place}{what}"))
            .hint("please report it with the command that you ran")
            .show(&Terminal::stderr(None));
    }));
    let code = std::panic::catch_unwind(std::panic::AssertUnwindSafe(work));
    if PANICKED.load(Ordering::SeqCst) {
        crate::transport::child::census::kill_all();
        return Code::Bug.number();
    }
    code.unwrap_or(Code::Bug.number())
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::base::contained::contained;

    #[test]
    fn a_panic_has_a_code_of_its_own_unless_it_is_contained() {
        assert_eq!(shielded(|| u8::from(contained(|| panic!("in a library")).is_err())), 1);
        assert_eq!(shielded(|| panic!("on purpose")), 70);
        assert_eq!(shielded(|| 0), 0);
        let _ = std::panic::take_hook();
    }

    /// The hook writes to the real stderr, so the test starts itself: what is told there of panics that carry a secret, on
    /// this thread, in a task, and on a thread of its own.
    #[test]
    fn a_panic_tells_nothing_of_what_it_carries() {
        const SECRET: &str = "MCP_PROBE_TEST_SECRET";
        if let Ok(secret) = std::env::var(SECRET) {
            let code = shielded(|| {
                let (ours, theirs, last) = (secret.clone(), secret.clone(), secret.clone());
                let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
                let mut tasks = tokio::task::JoinSet::new();
                tasks.spawn_on(async move { panic!("no place for {ours}") }, runtime.handle());
                assert!(runtime.block_on(tasks.join_next()).unwrap().unwrap_err().is_panic());
                assert!(std::thread::spawn(move || std::panic::panic_any(theirs)).join().is_err());
                last.parse::<u8>().map_err(|_| last).expect("a number")
            });
            assert_eq!(code, 70);
            return;
        }
        let own = std::env::current_exe().unwrap();
        let test = "cli::tests::a_panic_tells_nothing_of_what_it_carries";
        let ran = std::process::Command::new(own)
            .args(["--exact", test, "--nocapture"])
            .env(SECRET, "canary-77aa-secret")
            .env("RUST_BACKTRACE", "full")
            .output()
            .unwrap();
        let said = format!("{}{}", String::from_utf8_lossy(&ran.stdout), String::from_utf8_lossy(&ran.stderr));
        assert!(
            ran.status.success() && said.matches("this is a bug in mcp-probe at src/cli.rs:").count() == 3,
            "{said}"
        );
        assert!(!said.contains("canary"), "{said}");
    }
}

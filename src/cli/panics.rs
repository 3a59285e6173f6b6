//! What becomes of a panic: it is a bug of ours, said where everything else is said, and never with what it carries.

use std::sync::atomic::{AtomicBool, Ordering};

use super::complaint::Complaint;
use super::exit::Code;
use super::output;
use super::terminal::Terminal;
use crate::base::contained::is_contained;
use crate::event::Level;
use crate::report::log;

/// Whether stderr is a log that programs read.
static AS_JSON: AtomicBool = AtomicBool::new(false);

/// From now on a panic is a line of the log in JSON, or no longer.
pub fn as_json(wanted: bool) {
    AS_JSON.store(wanted, Ordering::SeqCst);
}

/// A panic is a bug of ours, wherever it happens: it is said in one line, no child is left, and the exit code tells it
/// apart from everything that a server can do.
pub fn shielded(work: impl FnOnce() -> u8) -> u8 {
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
        let (message, hint) =
            (format!("this is a bug in mcp-probe{place}{what}"), "please report it with the command that you ran");
        if AS_JSON.load(Ordering::SeqCst) {
            let line = log::json_line(jiff::Timestamp::now(), Level::Error, "bug", &format!("{message}; {hint}"));
            let _ = output::say(&line, true);
        } else {
            let _ = Complaint::new(Code::Bug, message).hint(hint).show(&Terminal::stderr(None));
        }
    }));
    let code = std::panic::catch_unwind(std::panic::AssertUnwindSafe(work));
    if PANICKED.load(Ordering::SeqCst) {
        crate::transport::child::census::kill_all();
        return Code::Bug.number();
    }
    code.unwrap_or(Code::Bug.number())
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
        const JSON: &str = "MCP_PROBE_TEST_JSON";
        if let Ok(secret) = std::env::var(SECRET) {
            as_json(std::env::var(JSON).is_ok_and(|json| !json.is_empty()));
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
        for json in ["", "1"] {
            let own = std::env::current_exe().unwrap();
            let test = "cli::panics::tests::a_panic_tells_nothing_of_what_it_carries";
            let ran = std::process::Command::new(own)
                .args(["--exact", test, "--nocapture"])
                .env(SECRET, "canary-77aa-secret")
                .env(JSON, json)
                .env("RUST_BACKTRACE", "full")
                .output()
                .unwrap();
            let said = format!("{}{}", String::from_utf8_lossy(&ran.stdout), String::from_utf8_lossy(&ran.stderr));
            assert!(
                ran.status.success() && said.matches("this is a bug in mcp-probe at src/cli/panics.rs:").count() == 3,
                "{said}"
            );
            assert!(!said.contains("canary"), "{said}");
            let lines = said.lines().filter(|line| line.contains("this is a bug"));
            let of_log = lines.filter_map(|line| serde_json::from_str::<serde_json::Value>(line).ok());
            let is_whole = |line: &serde_json::Value| {
                line["level"] == "error" && line["message"].as_str().unwrap().contains("please report it")
            };
            assert_eq!(of_log.filter(is_whole).count(), if json.is_empty() { 0 } else { 3 }, "{said}");
        }
    }
}

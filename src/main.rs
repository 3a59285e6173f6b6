//! argv → command → exit code. Everything else is in the library.

use std::process::ExitCode;

use mcp_probe::transport::child::guard;

fn main() -> ExitCode {
    // The guard is this executable again: it must start in no time and know nothing of the command line.
    if std::env::args_os().nth(1).is_some_and(|word| word == guard::ARGUMENT) {
        return ExitCode::from(u8::try_from(guard::guard_main()).unwrap_or(1));
    }
    mcp_probe::cli::main()
}

//! argv → command → exit code. Everything else is in the library.

use std::process::ExitCode;

fn main() -> ExitCode {
    mcp_probe::cli::main()
}

//! `mcp-probe completions SHELL`.

use super::args::{self, CompletionsArgs};
use super::complaint::Complaint;
use super::exit::Code;
use super::output;

/// Prints the script.
///
/// # Errors
/// When stdout cannot be written.
pub fn run(completions: &CompletionsArgs) -> Result<Code, Complaint> {
    output::say_bytes(&script(completions.shell), false)?;
    Ok(Code::Healthy)
}

fn script(shell: clap_complete::Shell) -> Vec<u8> {
    let mut script = Vec::new();
    clap_complete::generate(shell, &mut args::grammar(), "mcp-probe", &mut script);
    script
}

#[cfg(test)]
mod tests {
    use clap::ValueEnum;

    use super::*;

    #[test]
    fn every_shell_has_a_script_that_knows_the_commands() {
        for shell in clap_complete::Shell::value_variants() {
            let script = String::from_utf8(script(*shell)).unwrap();
            for word in ["explain", "check", "startup-timeout"] {
                assert!(script.contains(word), "{shell}: {word}");
            }
        }
    }
}

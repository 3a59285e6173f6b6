//! `mcp-probe man`: the manual, from the same grammar as the help.

use std::path::Path;

use clap::Command;

use super::args::{self, ManArgs};
use super::complaint::Complaint;
use super::exit::Code;
use super::output;

/// Prints the page of the program, or writes one page per command.
///
/// # Errors
/// When stdout or the folder cannot be written.
pub fn run(man: &ManArgs) -> Result<Code, Complaint> {
    let grammar = grammar();
    match &man.dir {
        None => output::say_bytes(&page(grammar)?, false)?,
        Some(folder) => {
            std::fs::create_dir_all(folder).map_err(|error| unwritable(folder, &error))?;
            for command in std::iter::once(&grammar).chain(grammar.get_subcommands()) {
                let path = folder.join(format!("{}.1", command.get_display_name().unwrap_or(command.get_name())));
                std::fs::write(&path, page(command.clone())?).map_err(|error| unwritable(&path, &error))?;
            }
        }
    }
    Ok(Code::Healthy)
}

/// Commands get the name they have in a manual: `mcp-probe-check`.
fn grammar() -> Command {
    let mut grammar = args::grammar();
    grammar.build();
    grammar
}

fn page(command: Command) -> Result<Vec<u8>, Complaint> {
    let mut page = Vec::new();
    clap_mangen::Man::new(command)
        .render(&mut page)
        .map_err(|error| Complaint::new(Code::Bug, format!("the manual page could not be made: {error}")))?;
    Ok(page)
}

fn unwritable(path: &Path, error: &std::io::Error) -> Complaint {
    Complaint::usage(format!("{} could not be written: {error}", path.display()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_page_per_command() {
        let folder = tempfile::tempdir().unwrap();
        run(&ManArgs { dir: Some(folder.path().join("man1")) }).unwrap();
        let mut names: Vec<String> = std::fs::read_dir(folder.path().join("man1"))
            .unwrap()
            .map(|entry| entry.unwrap().file_name().into_string().unwrap())
            .collect();
        names.sort();
        assert!(names.contains(&"mcp-probe.1".to_owned()), "{names:?}");
        assert!(names.contains(&"mcp-probe-check.1".to_owned()), "{names:?}");
        let page = std::fs::read_to_string(folder.path().join("man1/mcp-probe.1")).unwrap();
        assert!(page.contains(".TH mcp-probe 1") && page.contains("Exit codes"), "{page}");
    }
}

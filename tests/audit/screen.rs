//! The screen: what a person sees of an audit, and of a plan, at a terminal of 80 columns.

use std::path::Path;
use std::process::Command;

use super::prober::{BINARY, binary, harmful};
use super::terminal::at_terminal;

const COLUMNS: u16 = 80;

/// A folder whose target `weather` has three things wrong, each of another severity, and a tool that clients refuse.
fn folder() -> tempfile::TempDir {
    let folder = tempfile::tempdir().unwrap();
    let words = ["tools-spaced-name", "tools-shuffled", "log-debug", "stdout-banner"].map(|fault| ["--fault", fault]);
    let words: Vec<&str> = [BINARY, "demo"].into_iter().chain(words.into_iter().flatten()).collect();
    std::fs::write(folder.path().join("probe.toml"), format!("[target.weather]\ncommand = {words:?}\n")).unwrap();
    folder
}

fn command(folder: &Path, words: &[&str]) -> Command {
    let mut command = binary();
    command.current_dir(folder).arg("audit").args(["--protocol", "2025-11-25"]).args(words).arg("probe.toml");
    command.env("NO_COLOR", "1").env("TERM", "xterm").env_remove("COLUMNS").env_remove("CLICOLOR_FORCE");
    command
}

/// The lines that stay on the screen: what stood there until its line was cleared is gone.
fn lines(folder: &Path, words: &[&str], code: i32) -> Vec<String> {
    let (ended, seen) = at_terminal(&mut command(folder, words), COLUMNS, &[]);
    assert_eq!(ended, code, "{seen}");
    let stays = |line: &str| line.rsplit("\u{1b}[2K").next().unwrap_or_default().to_owned();
    let lines: Vec<String> = seen.lines().map(stays).collect();
    for line in &lines {
        assert!(harmful(line).is_empty(), "{line:?}");
        // A URL that is broken cannot be followed.
        let is_url = line.trim_start().starts_with("https://");
        assert!(is_url || line.chars().count() <= usize::from(COLUMNS), "wider than {COLUMNS}: {line}");
    }
    lines
}

/// Where the first line stands that begins so.
#[track_caller]
fn place(lines: &[String], begin: &str) -> usize {
    let found = lines.iter().position(|line| line.starts_with(begin));
    found.unwrap_or_else(|| panic!("no line begins with {begin:?}:\n{}", lines.join("\n")))
}

#[test]
fn areas_then_what_is_violated_the_worst_first_then_clients_costs_and_advice() {
    let folder = folder();
    let lines = lines(folder.path(), &["--tool", "log"], 1);
    let begins = [
        "weather",
        "mcp-probe-demo ",
        "AREA ",
        "tools ",
        "transport ",
        "rules that an option would exercise: --invasive ",
        "error stdio.stdout_clean (MUST)",
        "warning logging.level_kept (SHOULD)",
        "info tools.order (info)",
        "Anthropic sees 0 of 16 tools",
        "16 tools cost a model ~",
        "warning compat.anthropic.name",
    ];
    let places: Vec<usize> = begins.iter().map(|begin| place(&lines, begin)).collect();
    assert!(places.is_sorted(), "{begins:?} stand at {places:?}:\n{}", lines.join("\n"));
    let cells = |begin: &str| -> Vec<String> {
        lines[place(&lines, begin)].split_whitespace().skip(1).map(str::to_owned).collect()
    };
    assert_eq!(cells("AREA "), ["PASSES", "VIOLATED", "N/A", "NOT", "EXERCISED"]);
    for (area, violated) in [("lifecycle ", "-"), ("tools ", "2"), ("utilities ", "1"), ("transport ", "1")] {
        let cells = cells(area);
        assert_eq!((cells.len(), cells[1].as_str()), (4, violated), "{area}{cells:?}");
        assert!(cells[0].parse::<usize>().unwrap() > 0, "{area}{cells:?}");
    }
    let error = &lines[place(&lines, "error stdio.stdout_clean")..];
    let fields = ["  expected  messages alone on stdout", "  got       the line \"", "  to mend   "];
    let places: Vec<usize> = fields.iter().map(|field| place(error, field)).collect();
    let next = place(error, "warning ");
    assert!(places.is_sorted() && places[2] < next, "{}", lines.join("\n"));
    assert!(error[..next].iter().any(|line| line.starts_with("  https://modelcontextprotocol.io/specification/")));
    let advice = &lines[place(&lines, "warning compat.anthropic.name")..];
    assert!(place(advice, "  to mend it: ") < 5, "{}", advice.join("\n"));
    let sum = lines.iter().rfind(|line| !line.is_empty()).unwrap();
    assert!(sum.starts_with("1 error, 2 warnings, 1 note; ") && sum.contains(" pass, "), "{sum}");
}

#[test]
fn a_quiet_screen_tells_what_is_wrong_and_no_more() {
    let folder = folder();
    let lines = lines(folder.path(), &["--tool", "log", "--quiet"], 1);
    place(&lines, "error stdio.stdout_clean (MUST)");
    for begin in ["AREA ", "Anthropic sees", "16 tools cost", "1 error"] {
        assert!(!lines.iter().any(|line| line.starts_with(begin)), "{begin}\n{}", lines.join("\n"));
    }
}

#[test]
fn a_plan_is_told_message_by_message() {
    let folder = folder();
    let lines = lines(folder.path(), &["--dry-run", "--rule", "tools.order"], 0);
    let begins = [
        "weather: legacy 2025-11-25 over stdio, ",
        "  ordinary (harmless)",
        "      - tools/list: request tools/list (all pages)",
        "  list-again (harmless)",
        "    for tools.order",
        "Nothing was started, nothing was sent.",
    ];
    let places: Vec<usize> = begins.iter().map(|begin| place(&lines, begin)).collect();
    assert!(places.is_sorted(), "{}", lines.join("\n"));
    let told = super::prober::told(&mut command(folder.path(), &["--dry-run", "--rule", "tools.order"]));
    let row = "weather\t2025-11-25\tstdio\tordinary\tharmless\ttools/list\trequest\ttools/list\tall pages";
    assert!(told.stdout.lines().any(|line| line == row), "{}", told.stdout);
}

//! What clap has to say, and what people mean who type the options of another tool.

use std::ffi::OsString;

use clap::ValueEnum;
use clap::error::{ContextKind, ContextValue, ErrorKind};

use super::super::complaint::Complaint;
use super::super::exit::Code;
use super::super::terminal::{Colour, Terminal};
use super::Parsed;

/// Options of other tools, with what to write here.
const FOREIGN: &[(&[&str], &str)] = &[
    (
        &["--cli"],
        "mcp-probe needs no mode, and the server's command goes after `--`: mcp-probe tools/list -- npx -y some-server",
    ),
    (&["--method"], "the method is the first word: mcp-probe tools/list https://host/mcp"),
    (
        &["--server-url", "--url", "--mcp", "--http-url", "--endpoint"],
        "a URL is written as it is: mcp-probe tools/list https://host/mcp",
    ),
    (
        &["--stdio", "--mcp-stdio", "--command", "--server-command"],
        "the server's command goes after `--`: mcp-probe tools/list -- npx -y some-server",
    ),
    (&["--tool-name", "--name"], "name the tool with --tool: mcp-probe tools/call TARGET --tool NAME --arg key=value"),
    (
        &["--tool-arg", "--tool-args", "--argument"],
        "arguments are --arg key=value (a string) or --arg key:=JSON; all at once: --args '{…}'",
    ),
    (
        &["--tool-args-json", "--input-json", "--args-json"],
        "all arguments at once: --args '{…}', --args @FILE or --args @-",
    ),
    (&["--prompt-name"], "name the prompt with --prompt: mcp-probe prompts/get TARGET --prompt NAME --arg key=value"),
    (&["--prompt-args"], "arguments are --arg key=value"),
    (&["--server"], "the target is named as a word: mcp-probe tools/list NAME"),
    (&["--config"], "files are read with -f FILE"),
    (&["--access-token", "--auth", "--token"], "a bearer token is --bearer TOKEN, --bearer @FILE or --bearer env:VAR"),
    (&["--auth-header"], "a header is -H 'Name: value'"),
    (&["--connect-timeout"], "starting and connecting is bounded by --startup-timeout 10s, a call by --timeout 10s"),
    (
        &["--format", "--output", "-o"],
        "JSON is --json; without it a terminal gets a table and a pipe gets rows separated by tabs",
    ),
    (
        &["--protocol-era", "--protocol-version"],
        "the era or version is pinned with --protocol modern|legacy|2025-06-18",
    ),
    (&["--data", "-d", "--body"], "parameters are --param key=value or --params '{…}'"),
    (&["--list"], "lists are methods: mcp-probe tools/list TARGET, or just mcp-probe TARGET for all of them"),
    (&["--color=yes"], "colours are --color auto|always|never"),
];

/// Help and version are answers; everything else is a complaint with exit code 2.
pub(super) fn said(error: &clap::Error, argv: &[OsString]) -> Parsed {
    match error.kind() {
        ErrorKind::DisplayHelp | ErrorKind::DisplayVersion => {
            let look = Terminal::stdout(colour(argv)).look;
            let text = error.render();
            let text = if look.colour { text.ansi().to_string() } else { text.to_string() };
            Parsed::Said { text, to_stderr: false, code: Code::Healthy }
        }
        ErrorKind::DisplayHelpOnMissingArgumentOrSubcommand | ErrorKind::MissingSubcommand => {
            let text = without_subcommand(argv).text(&Terminal::stderr(colour(argv)).look);
            Parsed::Said { text, to_stderr: true, code: Code::Usage }
        }
        _ => {
            let said = complaint_of(&strip_ansi(&error.render().to_string()));
            let hint =
                hint(error, argv).unwrap_or_else(|| "`mcp-probe --help` shows the grammar with examples".to_owned());
            let text = Complaint::usage(said).hint(hint).text(&Terminal::stderr(colour(argv)).look);
            Parsed::Said { text, to_stderr: true, code: Code::Usage }
        }
    }
}

/// `--color`, as far as it can be told where the rest could not be read.
fn colour(argv: &[OsString]) -> Option<Colour> {
    let words = argv.iter().skip(1).map_while(|word| word.to_str().filter(|word| *word != "--"));
    let words: Vec<&str> = words.collect();
    let apart = words.windows(2).filter(|pair| pair[0] == "--color").map(|pair| pair[1]);
    let joined = words.iter().filter_map(|word| word.strip_prefix("--color="));
    apart.chain(joined).find_map(|word| <Colour as ValueEnum>::from_str(word, false).ok())
}

/// A command that has commands of its own, and was given none.
fn without_subcommand(argv: &[OsString]) -> Complaint {
    let all = super::grammar();
    let named = argv.iter().skip(1).find_map(|word| all.find_subcommand(word));
    let Some(command) = named.filter(|command| command.has_subcommands()) else {
        return Complaint::usage("a command is missing").hint("`mcp-probe --help` shows all");
    };
    let name = command.get_name();
    let own: Vec<String> =
        command.get_subcommands().map(|own| format!("mcp-probe {name} {}", own.get_name())).collect();
    Complaint::usage(format!("`mcp-probe {name}` is not complete: expected {}", own.join(" or ")))
        .hint(format!("`mcp-probe {name} --help` says what they do"))
}

/// The complaint without clap's usage block, which shows one line of a grammar that has three.
fn complaint_of(rendered: &str) -> String {
    let mut kept = String::new();
    for paragraph in rendered.trim_start().trim_start_matches("error: ").split("\n\n") {
        let plain = paragraph.trim_start();
        if plain.starts_with("Usage:") || plain.starts_with("For more information") {
            break;
        }
        // Clap advises `-- --option`, which would make the option the server's command.
        let lines: Vec<&str> = paragraph.lines().filter(|line| !line.contains("to pass '")).collect();
        let paragraph = lines.join("\n");
        if !paragraph.trim().is_empty() {
            kept.push_str(paragraph.trim_end());
            kept.push('\n');
        }
    }
    kept
}

fn strip_ansi(text: &str) -> String {
    anstream::adapter::strip_str(text).to_string()
}

fn hint(error: &clap::Error, argv: &[OsString]) -> Option<String> {
    if error.kind() != ErrorKind::UnknownArgument {
        return None;
    }
    let Some(ContextValue::String(argument)) = error.get(ContextKind::InvalidArg) else { return None };
    let name = argument.split('=').next().unwrap_or(argument);
    if let Some((_, hint)) = FOREIGN.iter().find(|(names, _)| names.contains(&name)) {
        return Some((*hint).to_owned());
    }
    let before: Vec<String> = argv
        .iter()
        .skip(1)
        .map(|word| word.to_string_lossy().into_owned())
        .take_while(|word| word != name && !word.starts_with(&format!("{name}=")))
        .collect();
    super::super::words::looks_like_command(&before).map(|at| {
        let method = before[..at].join(" ");
        let method = if method.is_empty() { String::new() } else { format!("{method} ") };
        format!("the server's command goes after `--`: mcp-probe {method}-- {} {name} …", before[at..].join(" "))
    })
}

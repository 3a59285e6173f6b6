//! The one decision about colour and width, made once per stream and obeyed by everything that writes.

use std::io::IsTerminal;

use clap::ValueEnum;

use crate::report::Look;

/// `--color`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, ValueEnum)]
pub enum Colour {
    /// On a terminal that can, unless the environment objects.
    #[default]
    Auto,
    /// Always, also into a pipe.
    Always,
    /// Never.
    Never,
}

/// What is known of one output stream.
#[derive(Clone, Copy, Debug)]
pub struct Terminal {
    /// Whether a person looks at it.
    pub interactive: bool,
    /// How text on it is to look.
    pub look: Look,
}

/// The variables that matter, read once.
#[derive(Clone, Debug, Default)]
struct Environment {
    no_color: bool,
    force: bool,
    dumb: bool,
    columns: Option<u16>,
}

impl Environment {
    fn read() -> Self {
        let set = |name: &str| std::env::var_os(name).is_some_and(|value| !value.is_empty());
        let columns = std::env::var("COLUMNS").ok().and_then(|value| value.trim().parse().ok());
        Self {
            no_color: set("NO_COLOR"),
            force: std::env::var_os("CLICOLOR_FORCE").is_some_and(|value| !value.is_empty() && value != "0"),
            dumb: std::env::var_os("TERM").is_some_and(|value| value == "dumb"),
            columns: columns.filter(|columns| *columns > 0),
        }
    }
}

impl Terminal {
    /// Stdout. `None` stands for `--color` not given.
    #[must_use]
    pub fn stdout(colour: Option<Colour>) -> Self {
        let interactive = std::io::stdout().is_terminal();
        let measured = || terminal_size::terminal_size_of(std::io::stdout()).map(|(width, _)| width.0);
        decide(colour.unwrap_or_default(), &Environment::read(), interactive, measured)
    }

    /// Stderr. `None` stands for `--color` not given.
    #[must_use]
    pub fn stderr(colour: Option<Colour>) -> Self {
        let interactive = std::io::stderr().is_terminal();
        let measured = || terminal_size::terminal_size_of(std::io::stderr()).map(|(width, _)| width.0);
        decide(colour.unwrap_or_default(), &Environment::read(), interactive, measured)
    }
}

fn decide(
    colour: Colour,
    environment: &Environment,
    interactive: bool,
    measured: impl FnOnce() -> Option<u16>,
) -> Terminal {
    /// What a terminal that does not tell its size is taken for.
    const WIDTH_UNKNOWN: u16 = 80;
    /// Narrower than this no table makes sense; the terminal wraps it.
    const WIDTH_MIN: u16 = 40;
    let colour = match colour {
        Colour::Always => true,
        Colour::Never => false,
        Colour::Auto if environment.no_color => false,
        Colour::Auto if environment.force => true,
        Colour::Auto => interactive && !environment.dumb,
    };
    let width = interactive.then(|| {
        let width = environment.columns.or_else(measured).filter(|width| *width > 0).unwrap_or(WIDTH_UNKNOWN);
        width.max(WIDTH_MIN)
    });
    Terminal { interactive, look: Look { width, colour } }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn environment() -> Environment {
        Environment::default()
    }

    #[test]
    fn colour_is_decided_once() {
        let colour = |asked, environment: &Environment, interactive| {
            decide(asked, environment, interactive, || Some(100)).look.colour
        };
        let no_color = Environment { no_color: true, ..environment() };
        let force = Environment { force: true, ..environment() };
        let dumb = Environment { dumb: true, ..environment() };
        assert!(colour(Colour::Auto, &environment(), true));
        assert!(!colour(Colour::Auto, &environment(), false));
        assert!(!colour(Colour::Auto, &no_color, true));
        assert!(!colour(Colour::Auto, &dumb, true));
        assert!(colour(Colour::Auto, &force, false));
        assert!(colour(Colour::Always, &no_color, false));
        assert!(!colour(Colour::Never, &force, true));
    }

    #[test]
    fn only_a_terminal_has_a_width() {
        let width = |environment: &Environment, interactive, measured: Option<u16>| {
            decide(Colour::Auto, environment, interactive, || measured).look.width
        };
        let columns = Environment { columns: Some(120), ..environment() };
        assert_eq!(width(&columns, false, Some(100)), None);
        assert_eq!(width(&columns, true, Some(100)), Some(120));
        assert_eq!(width(&environment(), true, Some(100)), Some(100));
        assert_eq!(width(&environment(), true, None), Some(80));
        assert_eq!(width(&environment(), true, Some(3)), Some(40));
    }
}

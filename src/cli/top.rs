//! `mcp-probe top`: the fleet of a running daemon, live on the whole terminal. Elsewhere than in a terminal it is the
//! table of `status`, once.

mod screen;

use std::io::IsTerminal as _;
use std::time::{Duration, Instant};

use clap::Args;
use crossterm::event::{self, Event, KeyCode, KeyEvent, KeyEventKind, KeyModifiers};
use crossterm::terminal::{EnterAlternateScreen, LeaveAlternateScreen, disable_raw_mode, enable_raw_mode};
use crossterm::{cursor, execute};
use ratatui::Terminal as Canvas;
use ratatui::backend::CrosstermBackend;

use super::args::help;
use super::complaint::Complaint;
use super::daemon::{Daemon, DaemonOptions};
use super::exit::Code;
use super::terminal::{Colour, Terminal};
use super::{live, output, status};
use crate::base::duration;
use screen::{Pressed, Screen};

/// How often the daemon is asked, unless `--interval` says otherwise.
const INTERVAL: Duration = Duration::from_secs(2);
/// How long one look at the keyboard takes.
const TICK: Duration = Duration::from_millis(50);

/// `mcp-probe top`.
#[derive(Clone, Debug, Default, Args)]
#[command(after_help = help::TOP)]
pub struct TopArgs {
    /// Which daemon.
    #[command(flatten)]
    pub daemon: DaemonOptions,
    /// How often it is asked [default: 2s]
    #[arg(long, value_name = "TIME", value_parser = duration::parse)]
    pub interval: Option<Duration>,
    /// When to use colours [default: auto]
    #[arg(long, value_enum, value_name = "WHEN", help_heading = "Output")]
    pub color: Option<Colour>,
}

/// Runs the command; gives the exit code as the shell sees it.
///
/// # Errors
/// When no daemon answers at the start, or the terminal cannot be used.
pub fn run(args: &TopArgs) -> Result<u8, Complaint> {
    let daemon = Daemon::new(&args.daemon)?;
    let out = Terminal::stdout(args.color);
    let interval = args.interval.unwrap_or(INTERVAL).max(Duration::from_millis(200));
    live::serve(|signals| async move {
        let (_, document) = daemon.status().await?;
        if !out.interactive || !std::io::stdin().is_terminal() {
            output::say(&status::text(&document, &out.look), false)?;
            return Ok(status::code(&document).number());
        }
        let mut screen = Screen::new(document, daemon.place().to_owned(), out.look.colour);
        let cleaner = Cleaner::take()?;
        let mut canvas = Canvas::new(CrosstermBackend::new(std::io::stdout())).map_err(unusable)?;
        let mut asked = Instant::now();
        while !signals.drain.is_cancelled() {
            canvas.draw(|frame| screen.draw(frame)).map_err(unusable)?;
            match pressed().await? {
                Some(Pressed::Quit) => break,
                Some(key) => screen.press(key),
                None => {}
            }
            if asked.elapsed() >= interval {
                asked = Instant::now();
                screen.take(daemon.status().await.map(|(_, document)| document).map_err(|why| why.message));
            }
        }
        drop(cleaner);
        Ok(Code::Healthy.number())
    })
}

/// The next key, if one comes soon. The loop is given back between looks, so that signals are heard.
async fn pressed() -> Result<Option<Pressed>, Complaint> {
    if !event::poll(Duration::ZERO).map_err(unusable)? {
        tokio::time::sleep(TICK).await;
        return Ok(None);
    }
    let Event::Key(KeyEvent { code, modifiers, kind, .. }) = event::read().map_err(unusable)? else { return Ok(None) };
    if kind == KeyEventKind::Release {
        return Ok(None);
    }
    Ok(match code {
        KeyCode::Char('c') if modifiers.contains(KeyModifiers::CONTROL) => Some(Pressed::Quit),
        KeyCode::Char('q') => Some(Pressed::Quit),
        KeyCode::Up | KeyCode::Char('k') => Some(Pressed::Move(-1)),
        KeyCode::Down | KeyCode::Char('j') => Some(Pressed::Move(1)),
        KeyCode::PageUp => Some(Pressed::Move(-10)),
        KeyCode::PageDown => Some(Pressed::Move(10)),
        KeyCode::Home => Some(Pressed::Move(isize::MIN)),
        KeyCode::End => Some(Pressed::Move(isize::MAX)),
        KeyCode::Enter | KeyCode::Char(' ') => Some(Pressed::Open),
        KeyCode::Esc | KeyCode::Backspace => Some(Pressed::Back),
        _ => None,
    })
}

#[expect(clippy::needless_pass_by_value, reason = "it is handed to `map_err`")]
fn unusable(error: std::io::Error) -> Complaint {
    Complaint::new(Code::Undelivered, format!("the terminal cannot be used: {error}"))
}

/// Gives the terminal back as it was, however this ends.
struct Cleaner;

impl Cleaner {
    fn take() -> Result<Self, Complaint> {
        enable_raw_mode().map_err(unusable)?;
        let cleaner = Self;
        execute!(std::io::stdout(), EnterAlternateScreen, cursor::Hide).map_err(unusable)?;
        Ok(cleaner)
    }
}

impl Drop for Cleaner {
    fn drop(&mut self) {
        let _ = execute!(std::io::stdout(), LeaveAlternateScreen, cursor::Show);
        let _ = disable_raw_mode();
    }
}

//! What `top` shows: a list of probes, the worst first, and below it, or on request on all of the screen, the chosen
//! one in detail. It draws and remembers what was chosen; it asks nobody and touches no terminal.

use ratatui::Frame;
use ratatui::layout::{Constraint, Layout, Rect};
use ratatui::style::{Color, Modifier, Style};
use ratatui::text::{Line, Span};
use ratatui::widgets::{Block, Borders, Paragraph, Row, Table, TableState, Wrap};

use crate::base::sanitize::{one_line, printable};
use crate::cli::status::{protocol, summary, took, what, word};
use crate::watch::status::{Document, Probe};

/// A key, as it is meant.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Pressed {
    /// End.
    Quit,
    /// So many rows down.
    Move(isize),
    /// The chosen one in detail.
    Open,
    /// Back to the list.
    Back,
}

/// The screen.
pub struct Screen {
    document: Document,
    place: String,
    colour: bool,
    /// The target and probe that are chosen: rows change places.
    chosen: Option<(String, String)>,
    open: bool,
    trouble: Option<String>,
}

impl Screen {
    /// With what the daemon said first.
    pub fn new(document: Document, place: String, colour: bool) -> Self {
        Self { document, place, colour, chosen: None, open: false, trouble: None }
    }

    /// What the daemon says now. Where it does not answer, the last answer stays, and that is said.
    pub fn take(&mut self, answered: Result<Document, String>) {
        match answered {
            Ok(document) => (self.document, self.trouble) = (document, None),
            Err(why) => self.trouble = Some(why),
        }
    }

    /// A key was pressed.
    pub fn press(&mut self, key: Pressed) {
        let rows = self.rows();
        match key {
            Pressed::Move(by) => {
                let last = rows.len().saturating_sub(1);
                let at = self.at(&rows).unwrap_or(0).saturating_add_signed(by).min(last);
                self.chosen = rows.get(at).map(|probe| (probe.target.clone(), probe.name.clone()));
            }
            Pressed::Open => self.open = !self.open,
            Pressed::Back => self.open = false,
            Pressed::Quit => {}
        }
    }

    fn rows(&self) -> Vec<&Probe> {
        let mut rows: Vec<&Probe> = self.document.probes.iter().collect();
        rows.sort_by_key(|probe| match word(probe) {
            "failed" => 0,
            "degraded" => 1,
            "unknown" => 2,
            "waiting" => 3,
            _ => 4,
        });
        rows
    }

    fn at(&self, rows: &[&Probe]) -> Option<usize> {
        let (target, name) = self.chosen.as_ref()?;
        rows.iter().position(|probe| probe.target == *target && probe.name == *name)
    }

    fn style(&self, status: &str) -> Style {
        if !self.colour {
            return Style::new();
        }
        match status {
            "healthy" => Style::new().fg(Color::Green),
            "degraded" => Style::new().fg(Color::Yellow),
            "failed" => Style::new().fg(Color::Red),
            _ => Style::new().add_modifier(Modifier::DIM),
        }
    }

    /// Draws all of it.
    pub fn draw(&self, frame: &mut Frame<'_>) {
        let alerts = u16::try_from(self.document.alerts.len().min(4)).unwrap_or(4);
        let [head, told, list, foot] = Layout::vertical([
            Constraint::Length(2),
            Constraint::Length(alerts),
            Constraint::Min(3),
            Constraint::Length(1),
        ])
        .areas(frame.area());
        frame.render_widget(Paragraph::new(self.heading()), head);
        frame.render_widget(Paragraph::new(self.alerts()), told);
        let rows = self.rows();
        let at = self.at(&rows).unwrap_or(0);
        match rows.get(at) {
            Some(probe) if self.open => frame.render_widget(self.details(probe), list),
            _ => self.list(frame, list, &rows, at),
        }
        let keys =
            if self.open { "q quit · Esc back · ↑↓ another" } else { "q quit · ↑↓ choose · Enter details" };
        frame.render_widget(Paragraph::new(keys).style(Style::new().add_modifier(Modifier::DIM)), foot);
    }

    fn heading(&self) -> Vec<Line<'static>> {
        let daemon = &self.document.daemon;
        let status = self.document.status.clone();
        let style = self.style(&status).add_modifier(Modifier::BOLD);
        let mut first = vec![
            Span::styled(status, style),
            Span::raw(format!("  {}", summary(&self.document).lines().next().unwrap_or(""))),
        ];
        if let Some(why) = &daemon.plan_error {
            first.push(Span::styled(format!("  plan: {}", one_line(why, 120)), self.style("failed")));
        }
        let second = match &self.trouble {
            Some(why) => Span::styled(format!("what is shown is old: {}", one_line(why, 200)), self.style("failed")),
            None => Span::styled(
                format!(
                    "{} at {} · {} · {} running, {} waiting of {}",
                    one_line(&daemon.instance, 40),
                    self.place,
                    self.document.at,
                    daemon.running,
                    daemon.queue,
                    daemon.limit
                ),
                Style::new().add_modifier(Modifier::DIM),
            ),
        };
        vec![Line::from(first), Line::from(second)]
    }

    fn alerts(&self) -> Vec<Line<'static>> {
        let line = |alert: &crate::watch::status::Alert| {
            let text =
                format!("{} {} {} on {}: {}", alert.state, alert.alert, alert.probe, alert.target, alert.summary);
            Line::styled(one_line(&text, 300), self.style("failed"))
        };
        self.document.alerts.iter().take(4).map(line).collect()
    }

    fn list(&self, frame: &mut Frame<'_>, area: Rect, rows: &[&Probe], at: usize) {
        let row = |probe: &&Probe| {
            let status = word(probe).to_owned();
            Row::new([
                Line::styled(status.clone(), self.style(&status)),
                Line::raw(one_line(&probe.target, 60)),
                Line::raw(one_line(&probe.name, 40)),
                Line::raw(took(probe)).right_aligned(),
                Line::raw(one_line(&protocol(probe), 24)),
                Line::raw(probe.tools.map_or_else(String::new, |tools| tools.to_string())).right_aligned(),
                Line::raw(one_line(&what(probe), 300)),
            ])
        };
        let widths = [
            Constraint::Length(9),
            Constraint::Percentage(22),
            Constraint::Percentage(14),
            Constraint::Length(8),
            Constraint::Length(18),
            Constraint::Length(5),
            Constraint::Fill(1),
        ];
        let table = Table::new(rows.iter().map(row), widths)
            .header(
                Row::new(["status", "target", "probe", "    took", "protocol", "tools", "what"])
                    .style(Style::new().add_modifier(Modifier::BOLD)),
            )
            .row_highlight_style(Style::new().add_modifier(Modifier::REVERSED));
        let mut state = TableState::new().with_selected(Some(at));
        frame.render_stateful_widget(table, area, &mut state);
    }

    fn details(&self, probe: &Probe) -> Paragraph<'static> {
        let fact = |name: &str, value: Option<&String>| {
            value
                .filter(|value| !value.is_empty())
                .map(|value| Line::raw(format!("{name:<12}{}", one_line(value, 300))))
        };
        let status = word(probe).to_owned();
        let style = self.style(&status);
        let mut lines = vec![Line::from(vec![Span::raw(format!("{:<12}", "status")), Span::styled(status, style)])];
        if !what(probe).is_empty() {
            lines.extend(what(probe).lines().map(|line| Line::raw(printable(line).into_owned())));
        }
        let server = probe.server.as_ref().map(|server| format!("{} {}", server.name, server.version));
        lines.extend(
            [
                fact("where", Some(&probe.endpoint)),
                fact("server", server.as_ref()),
                fact("protocol", Some(&protocol(probe))),
                fact("runs", Some(&probe.schedule)),
                fact("last run", probe.last_run_at.as_ref()),
                fact("last good", probe.last_success_at.as_ref()),
                fact("next", probe.next_due_at.as_ref()),
                fact("took", Some(&took(probe))),
            ]
            .into_iter()
            .flatten(),
        );
        let phases: Vec<String> = probe.phases_ms.iter().map(|(name, ms)| format!("{name} {ms:.1} ms")).collect();
        lines.extend(fact("phases", Some(&phases.join(", "))));
        for step in &probe.steps {
            let latency = step.latency_ms.map_or_else(String::new, |ms| format!("{ms:.1} ms"));
            let text = format!("{:<12}{} {} {latency}", "step", one_line(&step.name, 60), step.status);
            lines.push(Line::styled(text, self.style(&step.status)));
        }
        for change in &probe.changes {
            let names = |what: &str, names: &[String]| {
                let said: Vec<String> = names.iter().map(|name| one_line(name, 40)).collect();
                if said.is_empty() { String::new() } else { format!(" {what} {}", said.join(", ")) }
            };
            let (added, removed, changed) =
                (names("added", &change.added), names("removed", &change.removed), names("changed", &change.changed));
            lines.push(Line::raw(format!("{:<12}{}{added}{removed}{changed}", "tools", change.at)));
        }
        let title = format!(" {} on {} ", one_line(&probe.name, 40), one_line(&probe.target, 60));
        Paragraph::new(lines).wrap(Wrap { trim: false }).block(Block::new().borders(Borders::ALL).title(title))
    }
}

#[cfg(test)]
mod tests {
    use ratatui::Terminal;
    use ratatui::backend::TestBackend;

    use super::*;
    use crate::watch::status::{Alert, Summary};

    fn probe(target: &str, status: Option<&str>, message: &str) -> Probe {
        Probe {
            name: "smoke".into(),
            target: target.into(),
            status: status.map(Into::into),
            reason: (!message.is_empty()).then(|| "check".into()),
            message: (!message.is_empty()).then(|| message.into()),
            duration_ms: Some(42.0),
            tools: Some(5),
            ..Probe::default()
        }
    }

    fn screen() -> Screen {
        let probes = vec![
            probe("files", Some("healthy"), ""),
            probe("weather", Some("failed"), "got \u{1b}[31m\u{202e}red\nand more"),
            probe("found", None, ""),
        ];
        let summary = Summary { probes: 3, healthy: 1, failed: 1, waiting: 1, ..Summary::default() };
        let alert =
            Alert { alert: "spike".into(), state: "firing".into(), target: "weather".into(), ..Alert::default() };
        let document =
            Document { status: "failed".into(), probes, summary, alerts: vec![alert], ..Document::default() };
        Screen::new(document, "http://127.0.0.1:9490".into(), false)
    }

    fn shown(screen: &Screen, width: u16, height: u16) -> String {
        let mut terminal = Terminal::new(TestBackend::new(width, height)).unwrap();
        terminal.draw(|frame| screen.draw(frame)).unwrap();
        terminal.backend().to_string()
    }

    #[test]
    fn the_worst_stands_first_and_nothing_moves_the_cursor() {
        let text = shown(&screen(), 140, 12);
        let line = |word: &str| text.lines().position(|line| line.contains(word)).unwrap_or_else(|| panic!("{text}"));
        assert!(line("weather  ") < line("found") && line("found") < line("files"), "{text}");
        assert!(text.contains("3 probes: 1 failed, 1 waiting, 1 healthy; 1 open alert"), "{text}");
        assert!(text.contains("firing spike") && text.contains("\\u{1b}[31m\\u{202e}red and more"), "{text}");
        assert!(!text.contains('\u{1b}') && !text.contains('\u{202e}'), "{text}");
    }

    #[test]
    fn the_chosen_one_stays_chosen_and_is_shown_in_detail() {
        let mut screen = screen();
        screen.press(Pressed::Move(2));
        screen.press(Pressed::Open);
        assert!(shown(&screen, 100, 20).contains("smoke on files"));
        let mut document = screen.document.clone();
        document.probes[0].status = Some("failed".into());
        screen.take(Ok(document));
        assert!(shown(&screen, 100, 20).contains("smoke on files"), "it is the same probe in another row");
        screen.press(Pressed::Move(isize::MIN));
        screen.press(Pressed::Move(isize::MAX));
        assert!(shown(&screen, 100, 20).contains("smoke on found"));
        screen.press(Pressed::Back);
        screen.take(Err("no daemon answers".into()));
        assert!(shown(&screen, 100, 20).contains("what is shown is old: no daemon answers"));
    }

    #[test]
    fn any_size_of_terminal_will_do() {
        let mut screen = screen();
        for open in [false, true] {
            screen.open = open;
            for (width, height) in [(1, 1), (20, 3), (40, 8), (300, 90)] {
                shown(&screen, width, height);
            }
        }
        screen.document.probes.clear();
        screen.press(Pressed::Move(1));
        shown(&screen, 80, 24);
    }
}

//! Rows and columns: on a terminal a table that fits it, elsewhere the same rows separated by tabs, uncut.
//! Cells take text from servers and make it safe; nobody else has to remember.

use comfy_table::{
    Attribute, Cell as TableCell, CellAlignment, Color, ColumnConstraint, ContentArrangement, Row, Table, Width,
    presets,
};

use unicode_width::UnicodeWidthStr;

use super::{Ink, Look};
use crate::base::sanitize;

/// Columns between columns.
const GAP: u16 = 2;

/// A share of a narrow terminal is at least this.
const SHARE_WIDTH_MIN: u16 = 8;

/// One cell.
#[derive(Clone, Debug, Default)]
pub struct Cell {
    text: String,
    ink: Ink,
}

impl Cell {
    /// A cell in ordinary ink.
    #[must_use]
    pub fn new(text: &str) -> Self {
        Self::inked(text, Ink::Plain)
    }

    /// A cell in an ink.
    #[must_use]
    pub fn inked(text: &str, ink: Ink) -> Self {
        Self { text: sanitize::printable(text).into_owned(), ink }
    }
}

/// How a column behaves when the terminal is narrow.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fit {
    /// Never wrapped: short words, numbers.
    Whole,
    /// As [`Fit::Whole`], set against the right edge.
    Number,
    /// As wide as its text, but never wider than this share (percent) of the terminal; then it is wrapped.
    Share(u16),
    /// Takes what the others leave.
    Rest,
}

/// A column.
#[derive(Clone, Copy, Debug)]
pub struct Column {
    /// Its heading.
    pub head: &'static str,
    /// How it behaves when the terminal is narrow.
    pub fit: Fit,
}

/// A table in the making.
#[derive(Clone, Debug)]
pub struct Grid {
    columns: Vec<Column>,
    rows: Vec<Vec<Cell>>,
    lines_max: usize,
}

impl Grid {
    /// An empty table. On a terminal no row takes more than `lines_max` lines; what was cut ends in an ellipsis.
    #[must_use]
    pub fn new(columns: &[Column], lines_max: usize) -> Self {
        Self { columns: columns.to_vec(), rows: Vec::new(), lines_max }
    }

    /// Adds a row; missing cells are empty.
    pub fn row(&mut self, cells: Vec<Cell>) {
        self.rows.push(cells);
    }

    /// Adds a first column with the same text in every row.
    pub fn prefix(&mut self, head: &'static str, text: &str) {
        self.columns.insert(0, Column { head, fit: Fit::Whole });
        for row in &mut self.rows {
            row.insert(0, Cell::new(text));
        }
    }

    /// The text, with a line feed at its end unless there are no rows.
    #[must_use]
    pub fn render(&self, look: &Look) -> String {
        if self.rows.is_empty() {
            return String::new();
        }
        match look.width {
            Some(width) => self.fitted(width, look.colour),
            None => self.tabbed(look),
        }
    }

    /// The widest line of a column, its heading included.
    fn widest(&self, at: usize) -> u16 {
        let cells = self.rows.iter().filter_map(|row| row.get(at)).flat_map(|cell| cell.text.lines());
        let widest = cells.chain([self.columns[at].head]).map(UnicodeWidthStr::width).max().unwrap_or(0);
        u16::try_from(widest).unwrap_or(u16::MAX)
    }

    fn tabbed(&self, look: &Look) -> String {
        let mut text = String::new();
        for row in &self.rows {
            let cells: Vec<String> = (0..self.columns.len())
                .map(|at| {
                    row.get(at).map_or_else(String::new, |cell| {
                        let flat = cell.text.split_whitespace().collect::<Vec<_>>().join(" ");
                        look.paint(cell.ink, &flat)
                    })
                })
                .collect();
            text.push_str(&cells.join("\t"));
            text.push('\n');
        }
        text
    }

    fn fitted(&self, width: u16, colour: bool) -> String {
        let filled = |at: usize| self.rows.iter().any(|row| row.get(at).is_some_and(|cell| !cell.text.is_empty()));
        let shown: Vec<usize> = (0..self.columns.len()).filter(|at| filled(*at)).collect();
        let mut table = Table::new();
        table.force_no_tty().load_style(presets::NOTHING).set_content_arrangement(ContentArrangement::Dynamic);
        table.set_width(width).set_truncation_indicator("…");
        if colour {
            // crossterm would otherwise look at NO_COLOR once more, after `--color always` has been decided.
            crossterm::style::force_color_output(true);
            table.enforce_styling();
        }
        table.set_header(
            shown
                .iter()
                .map(|at| TableCell::new(self.columns[*at].head).add_attribute(Attribute::Dim))
                .collect::<Vec<_>>(),
        );
        for row in &self.rows {
            let mut cells: Row = shown
                .iter()
                .map(|at| row.get(*at).map_or_else(|| TableCell::new(""), styled))
                .collect::<Vec<_>>()
                .into();
            cells.max_height(self.lines_max);
            table.add_row(cells);
        }
        for (position, at) in shown.iter().enumerate() {
            let last = position + 1 == shown.len();
            let Some(column) = table.column_mut(position) else { continue };
            column.set_padding((0, if last { 0 } else { GAP }));
            match self.columns[*at].fit {
                Fit::Whole => drop(column.set_constraint(ColumnConstraint::ContentWidth)),
                Fit::Number => {
                    column.set_cell_alignment(CellAlignment::Right);
                    column.set_constraint(ColumnConstraint::ContentWidth);
                }
                Fit::Share(percent) => {
                    let share = (u32::from(width) * u32::from(percent) / 100).max(u32::from(SHARE_WIDTH_MIN));
                    let gap = u16::from(!last) * GAP;
                    let taken = u16::try_from(share).unwrap_or(width).min(self.widest(*at)).saturating_add(gap);
                    column.set_constraint(ColumnConstraint::Absolute(Width::Fixed(taken)));
                }
                Fit::Rest => {}
            }
        }
        let mut text = table.trim_fmt();
        text.push('\n');
        text
    }
}

fn styled(cell: &Cell) -> TableCell {
    let styled = TableCell::new(cell.text.replace('\t', " "));
    match cell.ink {
        Ink::Plain => styled,
        Ink::Good => styled.fg(Color::DarkGreen),
        Ink::Warn => styled.fg(Color::DarkYellow),
        Ink::Bad => styled.fg(Color::DarkRed).add_attribute(Attribute::Bold),
        Ink::Strong => styled.add_attribute(Attribute::Bold),
        Ink::Dim => styled.add_attribute(Attribute::Dim),
        Ink::Key => styled.fg(Color::DarkCyan),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const COLUMNS: &[Column] = &[
        Column { head: "NAME", fit: Fit::Whole },
        Column { head: "SIZE", fit: Fit::Number },
        Column { head: "EMPTY", fit: Fit::Whole },
        Column { head: "TEXT", fit: Fit::Rest },
    ];

    fn sample() -> Grid {
        let mut grid = Grid::new(COLUMNS, 2);
        grid.row(vec![Cell::new("a"), Cell::new("7"), Cell::default(), Cell::new("one two three four five six")]);
        grid.row(vec![Cell::new("longer"), Cell::new("123"), Cell::default(), Cell::new("x\ty\nz\u{1b}[31m")]);
        grid
    }

    #[test]
    fn a_terminal_gets_a_table_that_fits() {
        let look = Look { width: Some(26), colour: false };
        let expected = "NAME    SIZE  TEXT\na          7  one two\n              three four…\nlonger   123  x y\n              z\\u{1b}[31m\n";
        assert_eq!(sample().render(&look), expected);
    }

    #[test]
    fn a_pipe_gets_uncut_rows() {
        assert_eq!(
            sample().render(&Look::PLAIN),
            "a\t7\t\tone two three four five six\nlonger\t123\t\tx y z\\u{1b}[31m\n"
        );
    }

    #[test]
    fn no_rows_are_no_text() {
        assert_eq!(Grid::new(COLUMNS, 1).render(&Look::PLAIN), "");
    }
}

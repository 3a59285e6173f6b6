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

/// What takes the rest takes at least this, or stands below its row: a sentence of one letter a line cannot be read.
const REST_WIDTH_MIN: u16 = 16;

/// How far what stands below its row is set in.
const BELOW_INDENT: u16 = 2;

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
    /// Never wrapped: short words, numbers. Where there is no room for it in its row, it stands below that with its heading.
    Whole,
    /// As [`Fit::Whole`], set against the right edge.
    Number,
    /// As wide as its text, but never wider than this share (percent) of the terminal; then it is wrapped.
    Share(u16),
    /// Takes what the others leave; where that is next to nothing, it stands below its row.
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
        let filled = |at: &usize| self.rows.iter().any(|row| row.get(*at).is_some_and(|cell| !cell.text.is_empty()));
        let shown: Vec<usize> = (0..self.columns.len()).filter(filled).collect();
        let (rest, firm): (Vec<usize>, Vec<usize>) = shown.iter().partition(|at| self.columns[**at].fit == Fit::Rest);
        let taken: u16 = firm.iter().map(|at| self.room(*at, width).saturating_add(GAP)).sum();
        let wanted: u16 = rest.iter().map(|at| self.widest(*at).min(REST_WIDTH_MIN)).sum();
        if firm.is_empty() || taken.saturating_add(wanted) <= width {
            return self.table(&self.rows, &shown, width, colour, true);
        }
        let (kept, moved) = self.split(&firm, width);
        let mut text = String::new();
        for (number, row) in self.rows.iter().enumerate() {
            text.push_str(&self.table(std::slice::from_ref(row), &kept, width, colour, number == 0));
            if let Some(cell) = self.headed(row, &moved, width) {
                // All of it: no row is without what its columns say.
                text.push_str(&Self { lines_max: usize::MAX, ..self.clone() }.below(&cell, width, colour));
            }
            for cell in rest.iter().filter_map(|at| row.get(*at)).filter(|cell| !cell.text.is_empty()) {
                text.push_str(&self.below(cell, width, colour));
            }
        }
        text
    }

    /// The columns that stand in a row so wide, and those for which there is no room in it. The first always stands in it.
    fn split(&self, firm: &[usize], width: u16) -> (Vec<usize>, Vec<usize>) {
        let mut taken = 0_u16;
        firm.iter().partition(|at| {
            let with = taken.saturating_add(self.room(**at, width));
            let has_room = taken == 0 || with <= width;
            if has_room {
                taken = with.saturating_add(GAP);
            }
            has_room
        })
    }

    /// These columns of a row, each after its heading, as many in a line as there is room for.
    fn headed(&self, row: &[Cell], columns: &[usize], width: u16) -> Option<Cell> {
        let room = usize::from(width.saturating_sub(BELOW_INDENT));
        let mut lines: Vec<String> = Vec::new();
        for at in columns {
            let Some(cell) = row.get(*at).filter(|cell| !cell.text.is_empty()) else { continue };
            let flat = cell.text.split_whitespace().collect::<Vec<_>>().join(" ");
            let said = format!("{} {flat}", self.columns[*at].head);
            match lines.last_mut() {
                Some(line) if line.width() + usize::from(GAP) + said.width() <= room => {
                    line.push_str(&" ".repeat(usize::from(GAP)));
                    line.push_str(&said);
                }
                _ => lines.push(said),
            }
        }
        (!lines.is_empty()).then(|| Cell::new(&lines.join("\n")))
    }

    /// What stands below its row, wrapped.
    fn below(&self, cell: &Cell, width: u16, colour: bool) -> String {
        let columns = vec![Column { head: "", fit: Fit::Rest }];
        let alone = Self { columns, rows: vec![vec![cell.clone()]], lines_max: self.lines_max };
        let text = alone.table(&alone.rows, &[0], width.saturating_sub(BELOW_INDENT).max(1), colour, false);
        let indent = " ".repeat(usize::from(BELOW_INDENT));
        text.lines().flat_map(|line| [indent.as_str(), line, "\n"]).collect()
    }

    /// How wide a column that does not take the rest is.
    fn room(&self, at: usize, width: u16) -> u16 {
        match self.columns[at].fit {
            Fit::Whole | Fit::Number | Fit::Rest => self.widest(at).min(width),
            Fit::Share(percent) => {
                let share = (u32::from(width) * u32::from(percent) / 100).max(u32::from(SHARE_WIDTH_MIN));
                u16::try_from(share).unwrap_or(width).min(self.widest(at))
            }
        }
    }

    /// These rows and columns as a table; every column is as wide as all rows of the grid want it.
    fn table(&self, rows: &[Vec<Cell>], shown: &[usize], width: u16, colour: bool, headed: bool) -> String {
        let mut table = Table::new();
        table.force_no_tty().load_style(presets::NOTHING).set_content_arrangement(ContentArrangement::Dynamic);
        table.set_width(width).set_truncation_indicator("…");
        if colour {
            // crossterm would otherwise look at NO_COLOR once more, after `--color always` has been decided.
            crossterm::style::force_color_output(true);
            table.enforce_styling();
        }
        if headed {
            let head = |at: &usize| TableCell::new(self.columns[*at].head).add_attribute(Attribute::Dim);
            table.set_header(shown.iter().map(head).collect::<Vec<_>>());
        }
        for row in rows {
            let cell = |at: &usize| row.get(*at).map_or_else(|| TableCell::new(""), styled);
            let mut cells: Row = shown.iter().map(cell).collect::<Vec<_>>().into();
            cells.max_height(self.lines_max);
            table.add_row(cells);
        }
        for (position, at) in shown.iter().enumerate() {
            let last = position + 1 == shown.len();
            let gap = if last { 0 } else { GAP };
            let Some(column) = table.column_mut(position) else { continue };
            column.set_padding((0, gap));
            if self.columns[*at].fit == Fit::Number {
                column.set_cell_alignment(CellAlignment::Right);
            }
            if self.columns[*at].fit != Fit::Rest {
                let taken = self.room(*at, width).saturating_add(gap);
                column.set_constraint(ColumnConstraint::Absolute(Width::Fixed(taken)));
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
        let look = Look { width: Some(30), colour: false };
        let expected = "NAME    SIZE  TEXT\na          7  one two three\n              four five six\nlonger   123  x y\n              z\\u{1b}[31m\n";
        assert_eq!(sample().render(&look), expected);
    }

    #[test]
    fn what_would_be_squeezed_stands_below_its_row() {
        for (width, expected) in [
            (29, "NAME    SIZE\na          7\n  one two three four five six\nlonger   123\n  x y\n  z\\u{1b}[31m\n"),
            (16, "NAME    SIZE\na          7\n  one two three\n  four five six\nlonger   123\n  x y\n  z\\u{1b}[31m\n"),
        ] {
            let text = sample().render(&Look { width: Some(width), colour: false });
            assert_eq!(text, expected, "{width}");
        }
        // A text that is short needs no more than it has.
        let mut short = Grid::new(COLUMNS, 2);
        short.row(vec![Cell::new("longer"), Cell::new("123"), Cell::default(), Cell::new("x y")]);
        assert_eq!(short.render(&Look { width: Some(18), colour: false }), "NAME    SIZE  TEXT\nlonger   123  x y\n");
    }

    #[test]
    fn columns_without_room_stand_below_their_row_with_their_heading() {
        let mut grid = Grid::new(
            &[
                Column { head: "TARGET", fit: Fit::Share(30) },
                Column { head: "HISTORY", fit: Fit::Whole },
                Column { head: "UPTIME", fit: Fit::Number },
                Column { head: "P50", fit: Fit::Number },
                Column { head: "P95", fit: Fit::Number },
                Column { head: "DETAIL", fit: Fit::Rest },
            ],
            2,
        );
        let row = |cells: [&str; 6]| cells.map(Cell::new).to_vec();
        grid.row(row(["weather", "||||||||||||||||||||", "100 %", "1.1 ms", "2.2 ms", "all is well with it"]));
        grid.row(row(["files", "|||||", "9 %", "", "4.4 ms", ""]));
        for (width, expected) in [
            (
                30,
                "TARGET   HISTORY\nweather  ||||||||||||||||||||\n  UPTIME 100 %  P50 1.1 ms\n  P95 2.2 ms\n  \
                 all is well with it\nfiles    |||||\n  UPTIME 9 %  P95 4.4 ms\n",
            ),
            (
                26,
                "TARGET   UPTIME     P50\nweather   100 %  1.1 ms\n  HISTORY\n  ||||||||||||||||||||\n  P95 2.2 ms\n  \
                 all is well with it\nfiles       9 %\n  HISTORY |||||\n  P95 4.4 ms\n",
            ),
        ] {
            let text = grid.render(&Look { width: Some(width), colour: false });
            assert_eq!(text, expected, "{width}:\n{text}");
        }
        for width in 14..60 {
            let text = grid.render(&Look { width: Some(width), colour: false });
            assert!(text.lines().all(|line| line.width() <= usize::from(width)), "{width}:\n{text}");
            assert!(text.contains("9 %") && text.contains("4.4 ms"), "{width}:\n{text}");
        }
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

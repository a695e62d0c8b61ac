//! Rows of a list: a table for people, JSON and NDJSON for programs.

use std::io::{self, IsTerminal as _, Write};

use serde::Serialize;

use crate::args::store::RowFormat;
use crate::exit::Failure;
use crate::output::escape;

/// Prints rows to stdout.
pub(crate) struct Rows {
    out: Box<dyn Write>,
    format: RowFormat,
    columns: &'static [&'static str],
    /// Cells of a table, kept until its widths are known.
    cells: Vec<Vec<String>>,
    count: usize,
}

impl Rows {
    /// Rows with `columns`; without `format`, a table on a terminal and NDJSON elsewhere.
    pub(crate) fn new(format: Option<RowFormat>, columns: &'static [&'static str]) -> Self {
        let terminal = io::stdout().is_terminal();
        let usual = if terminal { RowFormat::Table } else { RowFormat::Ndjson };
        let out = Box::new(io::BufWriter::new(io::stdout()));
        Self { out, format: format.unwrap_or(usual), columns, cells: Vec::new(), count: 0 }
    }

    /// Adds a row: its cells for people, its record for programs.
    ///
    /// # Errors
    /// Stdout can't be written.
    pub(crate) fn push(
        &mut self,
        cells: impl FnOnce() -> Vec<String>,
        record: &impl Serialize,
    ) -> Result<(), Failure> {
        match self.format {
            RowFormat::Table => self.cells.push(cells()),
            RowFormat::Json => {
                let separator = if self.count == 0 { "[\n" } else { ",\n" };
                self.out.write_all(separator.as_bytes())?;
                self.out.write_all(json(record)?.as_bytes())?;
            }
            RowFormat::Ndjson => writeln!(self.out, "{}", json(record)?)?,
        }
        self.count += 1;
        Ok(())
    }

    /// Ends the list; gives how many rows there were.
    ///
    /// # Errors
    /// Stdout can't be written.
    pub(crate) fn end(mut self) -> Result<usize, Failure> {
        match self.format {
            RowFormat::Table if self.count > 0 => self.table()?,
            RowFormat::Json if self.count == 0 => writeln!(self.out, "[]")?,
            RowFormat::Json => writeln!(self.out, "\n]")?,
            RowFormat::Table | RowFormat::Ndjson => {}
        }
        self.out.flush()?;
        Ok(self.count)
    }

    fn table(&mut self) -> Result<(), Failure> {
        let mut widths: Vec<usize> = self.columns.iter().map(|c| c.len()).collect();
        for row in &mut self.cells {
            for (cell, width) in row.iter_mut().zip(&mut widths) {
                *cell = escape::cut(&escape::line(cell), escape::CELL_LEN_MAX).into_owned();
                *width = (*width).max(cell.chars().count());
            }
        }
        let head: Vec<String> = self.columns.iter().map(|c| (*c).to_owned()).collect();
        for row in std::iter::once(&head).chain(&self.cells) {
            let mut line = String::new();
            for (cell, width) in row.iter().zip(&widths) {
                line.push_str(cell);
                let gap = width.saturating_sub(cell.chars().count()) + 2;
                line.extend(std::iter::repeat_n(' ', gap));
            }
            writeln!(self.out, "{}", line.trim_end())?;
        }
        Ok(())
    }
}

fn json(record: &impl Serialize) -> Result<String, Failure> {
    serde_json::to_string(record).map_err(|e| Failure::from(io::Error::from(e)))
}

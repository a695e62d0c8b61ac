//! Where writers write: stdout or a file, buffered, and written out in whole lines.

use std::cell::Cell;
use std::fs::File;
use std::io::{self, Write};
use std::path::Path;
use std::rc::Rc;

use super::Sink;
use crate::exit::{Exit, Failure};

/// Octets that are gathered before they are written without being asked for.
const BUFFER_LEN: usize = 64 * 1024;

/// Whether anything has been written and not passed on; shared by all sinks of a run.
pub(super) type Holding = Rc<Cell<bool>>;

/// Opens `path` for writing, `-` being stdout; what a file holds goes, unless it is `continued`.
/// Gives the name for error messages.
///
/// # Errors
/// The file can't be created.
pub(super) fn open(
    path: &Path,
    holding: &Holding,
    continued: bool,
) -> Result<(String, Sink), Failure> {
    if path.as_os_str() == "-" {
        return Ok(("stdout".to_owned(), Box::new(WholeLines::new(io::stdout(), holding))));
    }
    let name = path.display().to_string();
    let file = if continued { File::options().append(true).open(path) } else { File::create(path) };
    let file = file.map_err(|e| Failure::message(Exit::Io, format_args!("{name}: {e}")))?;
    Ok((name, Box::new(WholeLines::new(file, holding))))
}

/// Gathers what is written and passes it on up to the last line end, so that a reader, or a crash,
/// never sees half a line; `flush` passes on everything.
struct WholeLines<W> {
    out: W,
    held: Vec<u8>,
    holding: Holding,
}

impl<W: Write> WholeLines<W> {
    fn new(out: W, holding: &Holding) -> Self {
        Self { out, held: Vec::new(), holding: Rc::clone(holding) }
    }

    /// Passes on the first `len` octets that are held; they are dropped even if that fails, so
    /// that a full disk is reported once and not again at every later line.
    fn pass_on(&mut self, len: usize) -> io::Result<()> {
        let result = self.out.write_all(self.held.get(..len).unwrap_or_default());
        self.held.drain(..len);
        result
    }
}

impl<W: Write> Write for WholeLines<W> {
    fn write(&mut self, octets: &[u8]) -> io::Result<usize> {
        self.held.extend_from_slice(octets);
        self.holding.set(true);
        if self.held.len() >= BUFFER_LEN
            && let Some(end) = self.held.iter().rposition(|b| *b == b'\n')
        {
            self.pass_on(end + 1)?;
        }
        Ok(octets.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        self.pass_on(self.held.len())?;
        self.out.flush()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_whole_lines_are_passed_on_unasked() {
        let mut lines = WholeLines::new(Vec::new(), &Holding::default());
        let row = vec![b'x'; 1_000];
        for _ in 0..100 {
            lines.write_all(&row).unwrap();
            lines.write_all(b"\n").unwrap();
        }
        lines.write_all(b"half").unwrap();
        assert!(lines.out.len() > BUFFER_LEN / 2);
        assert_eq!(lines.out.last(), Some(&b'\n'));
        lines.flush().unwrap();
        assert!(lines.out.ends_with(b"\nhalf"));
    }
}

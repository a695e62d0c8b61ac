//! Where writers write: stdout or a file, buffered, flushed at whole lines.

use std::fs::File;
use std::io::{self, LineWriter};
use std::path::Path;

use super::Sink;
use crate::exit::{Exit, Failure};

/// Opens `path` for writing, `-` being stdout. Gives the name for error messages.
///
/// # Errors
/// The file can't be created.
pub(super) fn open(path: &Path) -> Result<(String, Sink), Failure> {
    if path.as_os_str() == "-" {
        return Ok(("stdout".to_owned(), Box::new(io::stdout())));
    }
    let name = path.display().to_string();
    let file =
        File::create(path).map_err(|e| Failure::message(Exit::Io, format_args!("{name}: {e}")))?;
    Ok((name, Box::new(LineWriter::with_capacity(64 * 1024, file))))
}

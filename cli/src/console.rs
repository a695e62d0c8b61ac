//! What goes to people on stderr: one line at a time, with nothing a scanned host could have sent
//! that a terminal would act on.

use std::io::{self, Write as _};

use crate::output::escape;

/// A line for the reader.
pub(crate) fn say(message: &str) {
    line("", message);
}

/// Something that the reader should know.
pub(crate) fn warn(message: &str) {
    line("warning: ", message);
}

/// What went wrong.
pub(crate) fn error(message: &str) {
    line("portolan: ", message);
}

fn line(prefix: &str, message: &str) {
    // There is nowhere to report that stderr is closed.
    let _ = writeln!(io::stderr().lock(), "{prefix}{}", escape::terminal(message));
}

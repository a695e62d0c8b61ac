//! `portolan man [--dir DIR]`.

use std::fs;
use std::io::{self, Write as _};

use clap::CommandFactory as _;
use clap_mangen::Man;

use crate::args::{Cli, ManArgs};
use crate::exit::{Exit, Failure, OrFail as _};

/// Writes the main page to stdout, or one page a command into a directory.
///
/// # Errors
/// A page can't be written.
pub(crate) fn run(args: &ManArgs) -> Result<Exit, Failure> {
    let command = Cli::command();
    let Some(dir) = &args.dir else {
        io::stdout().lock().write_all(&page(command)?)?;
        return Ok(Exit::Done);
    };
    fs::create_dir_all(dir).or_fail(Exit::Io, dir.display())?;
    clap_mangen::generate_to(command, dir).or_fail(Exit::Io, dir.display())?;
    Ok(Exit::Done)
}

fn page(command: clap::Command) -> io::Result<Vec<u8>> {
    let mut text = Vec::new();
    Man::new(command).render(&mut text)?;
    Ok(text)
}

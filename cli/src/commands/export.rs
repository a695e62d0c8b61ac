//! `portolan export`: the whole store as NDJSON, the way out of it.

use std::fs::{self, File};
use std::io::{self, BufWriter, Write as _};
use std::path::PathBuf;

use crate::args::store::ExportArgs;
use crate::exit::{Exit, Failure, OrFail as _};
use crate::store;

/// Writes the store to stdout or a file. The file appears only once it is whole.
///
/// # Errors
/// The store can't be read, or the file can't be written.
pub(crate) fn run(args: &ExportArgs) -> Result<Exit, Failure> {
    let store = store::open_existing(&args.store.data)?;
    let Some(path) = args.file.as_ref().filter(|p| p.as_os_str() != "-") else {
        let mut out = BufWriter::new(io::stdout());
        store.export(&mut out).or_fail(Exit::Io, "stdout")?;
        out.flush()?;
        return Ok(Exit::Done);
    };
    let mut partial = path.clone().into_os_string();
    partial.push(".partial");
    let partial = PathBuf::from(partial);
    let name = path.display();
    let mut out = BufWriter::new(File::create(&partial).or_fail(Exit::Io, &name)?);
    store.export(&mut out).or_fail(Exit::Io, &name)?;
    let file = out.into_inner().map_err(io::IntoInnerError::into_error).or_fail(Exit::Io, &name)?;
    file.sync_all().or_fail(Exit::Io, &name)?;
    fs::rename(&partial, path).or_fail(Exit::Io, &name)?;
    Ok(Exit::Done)
}

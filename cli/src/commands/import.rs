//! `portolan import`: a store's export, nmap's XML, masscan's files; or a directory of them.

use std::fs::{self, File};
use std::io::{self, BufRead, BufReader};
use std::path::{Path, PathBuf};
use std::sync::mpsc;
use std::time::{Duration, SystemTime};

use portolan_store::import::{self, Limits};
use portolan_store::{ScanReport, SiteName, Source, Store};

use crate::args::store::{ImportArgs, ImportFormat};
use crate::exit::{Exit, Failure, OrFail as _};
use crate::{console, finding, signals, store};

/// How often a watched directory is looked at.
const WATCH_INTERVAL: Duration = Duration::from_secs(2);

/// A file that changed later than this ago may still be being written.
const SETTLED_AFTER: Duration = Duration::from_secs(2);

/// Imports files, or what appears in a directory.
///
/// # Errors
/// What could not be read, with its line; the store's.
pub(crate) fn run(args: &ImportArgs) -> Result<Exit, Failure> {
    let site = store::site(&args.site)?;
    let store = store::open(&args.store.data)?;
    if let Some(dir) = &args.watch {
        return watch(&store, dir, args, &site);
    }
    for file in &args.files {
        console::say(&import_file(&store, file, args.format, &site)?);
    }
    Ok(Exit::Done)
}

/// Imports one file; gives what there is to say of it.
fn import_file(
    store: &Store,
    path: &Path,
    format: ImportFormat,
    site: &SiteName,
) -> Result<String, Failure> {
    let is_stdin = path.as_os_str() == "-";
    let name = if is_stdin { "stdin".to_owned() } else { path.display().to_string() };
    let mut reader: Box<dyn BufRead> = if is_stdin {
        Box::new(BufReader::new(io::stdin()))
    } else {
        Box::new(BufReader::new(File::open(path).or_fail(Exit::Io, &name)?))
    };
    let source = match format {
        ImportFormat::Ndjson => Source::Ndjson,
        ImportFormat::NmapXml => Source::NmapXml,
        ImportFormat::MasscanJson => Source::MasscanJson,
        ImportFormat::MasscanList => Source::MasscanList,
        ImportFormat::Auto => {
            let head = reader.fill_buf().or_fail(Exit::Io, &name)?;
            detect(head).ok_or_else(|| {
                let known = "expected a store export, nmap XML, masscan JSON or a masscan list";
                Failure::usage(format_args!("{name}: {known}; --format says which"))
            })?
        }
    };
    let limits = Limits::default();
    let read = match source {
        Source::NmapXml => import::nmap_xml(reader, site.clone(), limits),
        Source::MasscanJson => import::masscan_json(reader, site.clone(), limits),
        Source::MasscanList => import::masscan_list(reader, site.clone(), limits),
        Source::Ndjson | Source::Engine => {
            let outcome = store.import(&mut reader).or_fail(Exit::Usage, &name)?;
            return Ok(format!("{name}: {} records, {} scans", outcome.records, outcome.scans));
        }
    };
    match read {
        Ok(report) => commit(store, &name, &report),
        Err(error) => {
            store.count_import(None).map_err(store::fail)?;
            Err(Failure::usage(format_args!("{name}, {error}")))
        }
    }
}

/// What `head` begins. An export says so in its first line; what follows there could be anything.
fn detect(head: &[u8]) -> Option<Source> {
    let first = head.split(|b| *b == b'\n').next().unwrap_or_default();
    let export = String::from_utf8_lossy(first).contains("\"portolan-store\"");
    if export { Some(Source::Ndjson) } else { import::detect(head) }
}

fn commit(store: &Store, name: &str, report: &ScanReport) -> Result<String, Failure> {
    let id = store.commit_scan(report).or_fail(Exit::Io, name)?;
    store.count_import(Some(finding::now())).map_err(store::fail)?;
    let open = report.states.iter().filter(|s| s.state == portolan_core::PortState::Open).count();
    Ok(format!("{name}: scan {id}, {open} open"))
}

fn watch(store: &Store, dir: &Path, args: &ImportArgs, site: &SiteName) -> Result<Exit, Failure> {
    if args.once {
        import_all(store, dir, args.format, site, Duration::ZERO)?;
        return Ok(Exit::Done);
    }
    let (stop, stopped) = mpsc::channel();
    signals::on_interrupt(move || {
        // The receiver is gone only once this command has ended.
        let _ = stop.send(());
    })?;
    loop {
        import_all(store, dir, args.format, site, SETTLED_AFTER)?;
        if stopped.recv_timeout(WATCH_INTERVAL).is_ok() {
            return Ok(Exit::Done);
        }
    }
}

/// Imports every settled file of `dir`: the good go to `archive/`, the bad to `failed/` with the
/// reason beside them. Only the store's and the directory's own errors end it.
fn import_all(
    store: &Store,
    dir: &Path,
    format: ImportFormat,
    site: &SiteName,
    settled: Duration,
) -> Result<(), Failure> {
    for path in waiting(dir, settled)? {
        match import_file(store, &path, format, site) {
            Ok(words) => {
                move_into(&path, &dir.join("archive"))?;
                console::say(&words);
            }
            Err(failure) if failure.is_usage() => {
                let moved = move_into(&path, &dir.join("failed"))?;
                let mut reason = moved.into_os_string();
                reason.push(".reason");
                fs::write(&reason, failure.to_string()).or_fail(Exit::Io, dir.display())?;
                console::warn(&failure.to_string());
            }
            Err(failure) => return Err(failure),
        }
    }
    Ok(())
}

/// The files of `dir`, by name; hidden ones and those still being written are left for later.
fn waiting(dir: &Path, settled: Duration) -> Result<Vec<PathBuf>, Failure> {
    let mut files = Vec::new();
    for entry in fs::read_dir(dir).or_fail(Exit::Io, dir.display())? {
        let entry = entry.or_fail(Exit::Io, dir.display())?;
        let hidden = entry.file_name().as_encoded_bytes().starts_with(b".");
        let meta = entry.metadata().or_fail(Exit::Io, entry.path().display())?;
        let age = meta.modified().ok().and_then(|at| SystemTime::now().duration_since(at).ok());
        if meta.is_file() && !hidden && age.unwrap_or_default() >= settled {
            files.push(entry.path());
        }
    }
    files.sort();
    Ok(files)
}

/// Moves `path` into `dir` under a name that is free there.
fn move_into(path: &Path, dir: &Path) -> Result<PathBuf, Failure> {
    fs::create_dir_all(dir).or_fail(Exit::Io, dir.display())?;
    let name = path.file_name().unwrap_or_default();
    let mut to = dir.join(name);
    for number in 1_u64.. {
        if !to.exists() {
            break;
        }
        let mut other = name.to_owned();
        other.push(format!(".{number}"));
        to = dir.join(other);
    }
    fs::rename(path, &to).or_fail(Exit::Io, path.display())?;
    Ok(to)
}

//! `portolan expected`: what ought to be open.

use std::fs;
use std::io::{self, IsTerminal as _, Read as _, Write as _};
use std::path::Path;

use portolan_core::target::{AddrRange, TargetSpec};
use portolan_store::{ExpectError, Expectation, Filter, Selector, Store};
use serde::Serialize;

use super::expected_file;
use crate::args::store::{ExpectedArgs, ExpectedVerb, RowFormat, SelectorArgs};
use crate::console;
use crate::exit::{Exit, Failure, OrFail as _};
use crate::rows::Rows;
use crate::store;

/// Most octets of a file of expectations.
const FILE_LEN_MAX: u64 = 256 << 20;

/// Reads or changes the expected state.
///
/// # Errors
/// A place that is none; a file that is wrong, with its line; the store's.
pub(crate) fn run(args: ExpectedArgs) -> Result<Exit, Failure> {
    let dir = args.data.as_path();
    match args.verb {
        ExpectedVerb::Get { filter, format } => get(dir, &store::filter(&filter)?, format),
        ExpectedVerb::Set { which, state, comment } => {
            let entry = Expectation { selector: selector(&which)?, state, comment };
            store::open(dir)?.expect(&[entry]).map_err(store::fail_expect)?;
            Ok(Exit::Done)
        }
        ExpectedVerb::Delete { which } => {
            let selector = selector(&which)?;
            let gone = store::open_existing(dir)?.unexpect(&[selector]).map_err(store::fail)?;
            if gone == 0 {
                return Err(Failure::usage("nothing is expected of just that"));
            }
            Ok(Exit::Done)
        }
        ExpectedVerb::Accept { filter, comment } => {
            let filter = store::filter(&filter)?;
            let store = store::open_existing(dir)?;
            let count = store.accept(&filter, comment.as_deref()).map_err(store::fail)?;
            console::say(&format!("{count} accepted"));
            Ok(Exit::Done)
        }
        ExpectedVerb::Export { file, filter } => {
            let entries = all(&store::open_existing(dir)?, &store::filter(&filter)?)?;
            write_out(file.as_deref(), &expected_file::write(entries))
        }
        ExpectedVerb::Import { file, keep } => import(dir, &file, keep),
    }
}

fn get(dir: &Path, filter: &Filter, format: Option<RowFormat>) -> Result<Exit, Failure> {
    let entries = all(&store::open_existing(dir)?, filter)?;
    let columns = &["SITE", "ADDRESS", "PORT", "STATE", "COMMENT"];
    let mut rows = Rows::new(format, columns);
    for entry in &entries {
        let Expectation { selector, state, comment } = entry;
        let ports = expected_file::ports(selector.ports);
        let record = Record {
            site: selector.site.as_str(),
            addr: selector.addrs.to_string(),
            proto: selector.transport.name(),
            ports: &ports,
            state: state.name(),
            comment,
        };
        let cells = || {
            let port = format!("{ports}/{}", selector.transport);
            let site = selector.site.to_string();
            vec![site, selector.addrs.to_string(), port, state.to_string(), comment.clone()]
        };
        rows.push(cells, &record)?;
    }
    if rows.end()? == 0 && io::stdout().is_terminal() {
        console::say("nothing is expected yet; `portolan expected accept` takes what is open now");
    }
    Ok(Exit::Done)
}

#[derive(Serialize)]
struct Record<'a> {
    site: &'a str,
    addr: String,
    proto: &'static str,
    ports: &'a str,
    state: &'static str,
    comment: &'a str,
}

/// Every expectation that `filter` admits, in order of place.
fn all(store: &Store, filter: &Filter) -> Result<Vec<Expectation>, Failure> {
    let mut entries = Vec::new();
    store::every(
        |page| store.expected(filter, page),
        |entry| {
            entries.push(entry);
            Ok(())
        },
    )?;
    entries.sort_by(|a, b| a.selector.cmp(&b.selector));
    Ok(entries)
}

fn write_out(file: Option<&Path>, text: &str) -> Result<Exit, Failure> {
    match file {
        Some(path) if path.as_os_str() != "-" => {
            fs::write(path, text).or_fail(Exit::Io, path.display())?;
        }
        _ => io::stdout().lock().write_all(text.as_bytes())?,
    }
    Ok(Exit::Done)
}

fn import(dir: &Path, file: &Path, keep: bool) -> Result<Exit, Failure> {
    let name = file.display();
    let mut text = String::new();
    if file.as_os_str() == "-" {
        let read = io::stdin().lock().take(FILE_LEN_MAX).read_to_string(&mut text);
        read.or_fail(Exit::Io, "stdin")?;
    } else {
        let opened = fs::File::open(file).or_fail(Exit::Io, &name)?;
        opened.take(FILE_LEN_MAX).read_to_string(&mut text).or_fail(Exit::Io, &name)?;
    }
    let entries =
        expected_file::read(&text).map_err(|e| Failure::usage(format_args!("{name}, {e}")))?;
    let wanted: Vec<Expectation> = entries.iter().map(|e| e.expectation.clone()).collect();
    let store = store::open(dir)?;
    let changed = if keep { store.expect(&wanted).map(|()| 0) } else { store.expect_only(&wanted) };
    let gone = changed.map_err(|error| match &error {
        ExpectError::Invalid(problems) => {
            let line = |index: usize| entries.get(index).map_or(0, |e| e.line);
            let words: Vec<String> = problems
                .iter()
                .map(|(index, problem)| format!("{name}, line {}: {problem}", line(*index)))
                .collect();
            Failure::usage(words.join("\n"))
        }
        ExpectError::Store(_) => store::fail_expect(error),
    })?;
    console::say(&format!("{} expected, {gone} deleted", wanted.len()));
    Ok(Exit::Done)
}

fn selector(args: &SelectorArgs) -> Result<Selector, Failure> {
    Ok(Selector {
        site: store::site(&args.site)?,
        addrs: one_range(&args.addr).map_err(Failure::usage)?,
        transport: args.proto,
        ports: (args.ports.0, args.ports.1),
    })
}

/// The one address, block or range that `text` is.
pub(super) fn one_range(text: &str) -> Result<AddrRange, String> {
    let spec: TargetSpec = text.parse().map_err(|e| format!("{e}"))?;
    match (spec.addrs().ranges(), spec.names()) {
        ([range], []) => Ok(*range),
        _ => Err(format!("{text:?}: expected one address, CIDR block or range A-B")),
    }
}

//! The store as commands use it: opened with words that help, read page by page.

use std::path::Path;

use portolan_core::target::{AddrSet, PortSpec};
use portolan_store::{
    Cursor, ExpectError, Filter, Page, PageRequest, SiteName, Store, StoreError, StoreOptions,
};

use crate::args::store::FilterArgs;
use crate::exit::{Exit, Failure};
use crate::targets::{self, NameRules};

/// Rows that are read from the store at once.
const PAGE_LEN: usize = 4_096;

/// Opens the store in `dir`, making it where there is none.
///
/// # Errors
/// In words that name the way out.
pub(crate) fn open(dir: &Path) -> Result<Store, Failure> {
    Store::open(dir, StoreOptions::default()).map_err(|e| explain(dir, e))
}

/// Opens the store in `dir`; there must be one.
///
/// # Errors
/// As [`open`], and where there is none.
pub(crate) fn open_existing(dir: &Path) -> Result<Store, Failure> {
    if !dir.is_dir() {
        let words = format!(
            "there is no store in {}; --data DIR names it, and `portolan scan --data DIR`, \
             `portolan import` or `portolan serve` make one",
            dir.display()
        );
        return Err(Failure::message(Exit::Io, words));
    }
    open(dir)
}

fn explain(dir: &Path, error: StoreError) -> Failure {
    if matches!(error, StoreError::Locked { .. }) {
        let words = format!(
            "the store in {} is in use, most likely by `portolan serve`: ask the daemon instead, \
             as in curl http://127.0.0.1:4280/v1/diff, or stop it first",
            dir.display()
        );
        return Failure::message(Exit::Io, words);
    }
    fail(error)
}

/// The store could not do it.
pub(crate) fn fail(error: StoreError) -> Failure {
    Failure::new(Exit::Io, error)
}

/// It can't be expected, or could not be stored.
pub(crate) fn fail_expect(error: ExpectError) -> Failure {
    let exit = match &error {
        ExpectError::Invalid(_) => Exit::Usage,
        ExpectError::Store(_) => Exit::Io,
    };
    Failure::new(exit, error)
}

/// Reads every page of a list and hands over its rows.
///
/// # Errors
/// The store's, and those of `take`.
pub(crate) fn every<T>(
    mut read: impl FnMut(&PageRequest) -> Result<Page<T>, StoreError>,
    mut take: impl FnMut(T) -> Result<(), Failure>,
) -> Result<(), Failure> {
    let mut cursor: Option<Cursor> = None;
    loop {
        let page = read(&PageRequest { limit: PAGE_LEN, cursor }).map_err(fail)?;
        page.items.into_iter().try_for_each(&mut take)?;
        cursor = page.next;
        if cursor.is_none() {
            return Ok(());
        }
    }
}

/// The name of a site.
///
/// # Errors
/// It is none.
pub(crate) fn site(name: &str) -> Result<SiteName, Failure> {
    name.parse().map_err(Failure::usage)
}

/// The filter that flags describe.
///
/// # Errors
/// The first flag that makes no sense.
pub(crate) fn filter(args: &FilterArgs) -> Result<Filter, Failure> {
    let none: [&Path; 0] = [];
    let addrs: Option<AddrSet> = if args.addr.is_empty() {
        None
    } else {
        Some(targets::gather("--addr", &args.addr, &none, NameRules::EVERY)?)
    };
    let ports = args.ports.as_deref().map(|text| {
        let spec = PortSpec::parse(text, &portolan_fingerprints::lookup);
        spec.map_err(|e| Failure::usage(format_args!("--ports: {e}")))
    });
    let ports = ports.transpose()?.map(|spec| {
        let sides = [&spec.tcp, &spec.udp, &spec.sctp];
        sides.into_iter().fold(spec.any.clone(), |all, side| all.union(side))
    });
    let site = args.site.as_deref().map(site).transpose()?;
    Ok(Filter { site, addrs, ports, transport: args.proto, states: args.state.clone() })
}

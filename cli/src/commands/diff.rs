//! `portolan diff`: what differs between two of expected, current and stored scans.

use std::io::{self, IsTerminal as _};

use portolan_store::{Change, DiffOptions, DiffRow, ScanId, Side, StoreError};
use serde::Serialize;

use crate::args::store::DiffArgs;
use crate::console;
use crate::exit::{Exit, Failure};
use crate::output::escape;
use crate::rows::Rows;
use crate::store;

const COLUMNS: &[&str] = &[
    "SITE",
    "ADDRESS",
    "PORT",
    "FROM",
    "TO",
    "MEANING",
    "FROM SCAN",
    "TO SCAN",
    "COMMENT",
    "SERVICE",
];

/// Characters of what something was, and of what it became.
const SIDE_LEN_MAX: usize = 32;

/// Prints the differences.
///
/// # Errors
/// A side that is none; the store's.
pub(crate) fn run(args: &DiffArgs) -> Result<Exit, Failure> {
    let (from, to) = (side(&args.from)?, side(&args.to)?);
    let filter = store::filter(&args.filter)?;
    let store = store::open_existing(&args.store.data)?;
    let options = DiffOptions { strict: args.strict, services: !args.states_only };
    let mut rows = Rows::new(args.format, COLUMNS);
    for side in [from, to] {
        if let Side::Scan(id) = side
            && store.scan(id).map_err(store::fail)?.is_none()
        {
            return Err(Failure::usage(format_args!("there is no scan {id}")));
        }
    }
    let unknown = |page: Option<_>| {
        // Between the look above and now, pruning may have taken a scan away.
        page.ok_or_else(|| StoreError::Corrupt { what: "a scan has just been pruned".to_owned() })
    };
    store::every(
        |page| store.diff(from, to, &filter, &options, page).and_then(unknown),
        |row| rows.push(|| cells(&row), &Record::from(&row)),
    )?;
    let count = rows.end()?;
    if count == 0 && io::stdout().is_terminal() {
        console::say("no difference");
    }
    Ok(if args.fail_on_change && count > 0 { Exit::Drift } else { Exit::Done })
}

fn side(word: &str) -> Result<Side, Failure> {
    match word {
        "expected" => Ok(Side::Expected),
        "current" => Ok(Side::Current),
        id => id.parse().map(|id: ScanId| Side::Scan(id)).map_err(|_| {
            Failure::usage(format_args!("{id:?} is no side; one of expected, current, a scan's id"))
        }),
    }
}

fn cells(row: &DiffRow) -> Vec<String> {
    let state =
        |s: Option<portolan_core::PortState>| s.map_or_else(|| "-".to_owned(), |s| s.to_string());
    let scan = |s: Option<ScanId>| s.map_or_else(|| "-".to_owned(), |s| s.to_string());
    vec![
        row.site.to_string(),
        row.endpoint.addr.to_string(),
        format!("{}/{}", row.endpoint.port, row.endpoint.transport),
        state(row.from),
        state(row.to),
        row.kind.to_string(),
        scan(row.from_scan),
        scan(row.to_scan),
        row.comment.clone(),
        row.changes.iter().map(in_words).collect::<Vec<_>>().join("; "),
    ]
}

/// `version 9.2p1 -> 9.3p1`; digests by their beginnings.
fn in_words(change: &Change) -> String {
    let short = |text| escape::cut(text, SIDE_LEN_MAX);
    format!("{} {} -> {}", change.kind, short(&change.from), short(&change.to))
}

#[derive(Serialize)]
struct Record<'a> {
    site: &'a str,
    addr: String,
    proto: &'static str,
    port: u16,
    from: Option<&'static str>,
    to: Option<&'static str>,
    kind: &'static str,
    from_scan: Option<i64>,
    to_scan: Option<i64>,
    comment: &'a str,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    changes: Vec<ChangeRecord<'a>>,
}

/// What changed of a service.
#[derive(Serialize)]
struct ChangeRecord<'a> {
    kind: &'static str,
    from: &'a str,
    to: &'a str,
}

impl<'a> From<&'a DiffRow> for Record<'a> {
    fn from(row: &'a DiffRow) -> Self {
        Self {
            site: row.site.as_str(),
            addr: row.endpoint.addr.to_string(),
            proto: row.endpoint.transport.name(),
            port: row.endpoint.port,
            from: row.from.map(portolan_core::PortState::name),
            to: row.to.map(portolan_core::PortState::name),
            kind: row.kind.name(),
            from_scan: row.from_scan.map(ScanId::as_i64),
            to_scan: row.to_scan.map(ScanId::as_i64),
            comment: &row.comment,
            changes: row
                .changes
                .iter()
                .map(|c| ChangeRecord { kind: c.kind.name(), from: &c.from, to: &c.to })
                .collect(),
        }
    }
}

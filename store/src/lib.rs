//! Durable memory: scans, current state, expected state, differences.

#![forbid(unsafe_code)]
#![expect(
    clippy::exhaustive_enums,
    clippy::exhaustive_structs,
    reason = "the workspace is released as one: a new variant should break the matches it must reach"
)]

mod apply;
mod bits;
mod codec;
mod commit;
mod compare;
mod cover;
mod current;
mod disk;
mod inner;
mod key;
mod line;
mod list;
#[cfg(test)]
mod memory;
#[cfg(test)]
mod model_test;
mod prune;
mod record;
mod recover;
mod redo;
mod scan_rows;
mod transfer;
mod tree;
mod verify;

/// What differs between two sides.
pub mod diff;
/// What can go wrong.
pub mod error;
/// What ought to be.
pub mod expected;
/// Which rows of a list are wanted.
pub mod filter;
/// Other programs' reports.
pub mod import;
/// Long lists, a page at a time.
pub mod page;
/// What a scan found, and what is kept of it.
pub mod report;
/// The store itself.
pub mod store;
/// Figures for metrics.
pub mod summary;

pub use diff::{DiffOptions, DiffRow, DriftKind, Side};
pub use error::{ExpectError, ExportError, ImportError, StoreError};
pub use expected::{Expectation, Selector};
pub use filter::Filter;
pub use line::check_record;
pub use page::{BadCursor, Cursor, Page, PageRequest};
pub use report::{
    CurrentRow, EndpointRow, EndpointState, HostPorts, HostRow, ScanCounters, ScanId, ScanRecord,
    ScanReport, ServiceRecord, SiteName, Source, Transition,
};
pub use store::{
    IMPORTS_FAILED_TOTAL, IMPORTS_LAST, ImportOutcome, PruneOutcome, Store, StoreOptions,
    VerifyReport,
};
pub use summary::Summary;

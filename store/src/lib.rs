//! Durable memory: scans, current state, expected state, differences.
//!
//! # What is promised
//!
//! - A scan is visible whole or not at all, its effect on the current state included. When
//!   [`Store::commit_scan`] returns, it is on stable storage: it survives `kill -9` and the loss
//!   of power. The same holds for every other change.
//! - Closed, or gone, is only said of what a scan covered and asked. An old report read late
//!   does not unsay a newer one.
//! - An endpoint is a site, an address, a transport and a port: the same private address at two
//!   sites is two endpoints.
//! - What can't be read is an error and never an answer: every value carries a version and a
//!   checksum that covers its key.
//!
//! # How it is kept
//!
//! Everything lies in one ordered tree of bytes behind a small trait (`tree.rs`, the only file
//! that knows sled), with keys that sort as what they name; `key.rs` has the table. A scan is
//! immutable and lies in chunks of some 4 KiB. The current state has a row for every endpoint
//! that was ever worth one, 64 ports to a value, and per host and transport one compact list of
//! the ports that were closed or silent, by the scan that asked them last. So a host with 65,000
//! closed ports costs some bytes, and a report with 200,000 rows is committed in a second. What is
//! known of a service beyond its row (`facts.rs`) has a value an endpoint; what changes of it
//! (`identity.rs`) is a transition as a change of state is.
//!
//! # How it becomes durable
//!
//! `commit.rs` tells the order: parts are staged, one small batch decides, the current state
//! follows under a recorded intent, then everything is synced. Changes of other kinds take the
//! same way (`redo.rs`, `prune.rs`). Opening completes or takes back what was cut short
//! (`recover.rs`). sled 0.34.7 needs help in this, and gets it in `tree.rs`: `fdatasync` through
//! a descriptor of our own, since its `flush` does not sync; stale snapshots cleared before
//! opening; the database made beside its place and renamed; no background flusher that would
//! swallow errors; a bounded cache. `disk.rs` keeps other processes out and some of the disk
//! free. After a failed write or sync nothing more is written until the store is opened again,
//! because later successes would prove nothing.
//!
//! # The way out
//!
//! [`Store::export`] writes everything as NDJSON that needs nothing of this crate to be read;
//! [`Store::import`] takes it back. [`import`] reads what nmap and masscan have found.
//!
//! Writers take turns; readers run beside them but for the moment in which a change becomes
//! visible.

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
mod coverage;
mod current;
mod disk;
mod facts;
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
mod service_rec;
mod transfer;
mod tree;
mod verify;
mod wide;

/// Names of products.
pub mod cpe;
/// What differs between two sides.
pub mod diff;
/// What can go wrong.
pub mod error;
/// What ought to be.
pub mod expected;
/// Which rows of a list are wanted.
pub mod filter;
/// What changed of a service.
pub mod identity;
/// Other programs' reports.
pub mod import;
/// Long lists, a page at a time.
pub mod page;
/// What a scan found, and what is kept of it.
pub mod report;
/// What is known of a service.
pub mod service;
/// The store itself.
pub mod store;
/// Figures for metrics.
pub mod summary;

pub use diff::{DiffOptions, DiffRow, DriftKind, Side};
pub use error::{ExpectError, ExportError, ImportError, StoreError};
pub use expected::{Expectation, Selector};
pub use filter::Filter;
pub use identity::{Change, ChangeKind};
pub use line::{check_line, check_record};
pub use page::{BadCursor, Cursor, Page, PageRequest};
pub use report::{
    CurrentRow, EndpointRow, EndpointState, HostPorts, HostRow, ScanCounters, ScanId, ScanRecord,
    ScanReport, SiteName, Source, Transition,
};
pub use service::{
    CertificateRecord, HostKeyRecord, ServiceRecord, SshAlgorithms, SshRecord, TlsRecord,
    WeaknessRecord,
};
pub use store::{
    IMPORTS_FAILED_TOTAL, IMPORTS_LAST, ImportOutcome, PruneOutcome, Store, StoreOptions,
    VerifyReport,
};
pub use summary::Summary;

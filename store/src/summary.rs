//! Figures of the whole store, for metrics.

use std::collections::BTreeMap;
use std::net::IpAddr;

use portolan_core::{PortState, Transport, UnixTime};

use crate::diff::DriftKind;
use crate::report::SiteName;

/// Figures of the whole store, true at one generation of it.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Summary {
    /// Grows with every change of the store since it was opened.
    pub generation: u64,
    /// Endpoints of the current state.
    pub ports: BTreeMap<(SiteName, IpAddr, Transport, PortState), u64>,
    /// Rows of the difference between expected and current state.
    pub rogue: BTreeMap<(SiteName, IpAddr, Transport), u64>,
    /// The same rows by kind.
    pub rogue_by_kind: BTreeMap<DriftKind, u64>,
    /// Per configured scan: when the last complete one ended.
    pub last_success: BTreeMap<String, UnixTime>,
    /// Stored scans.
    pub scans: u64,
    /// Known hosts.
    pub hosts: u64,
    /// Entries of the expected state.
    pub expected: u64,
    /// Reports that could not be imported.
    pub imports_failed_total: u64,
    /// The last import that succeeded.
    pub imports_last: Option<UnixTime>,
}

//! What differs between two sides.

use std::fmt;

use portolan_core::{Endpoint, PortState};

use crate::identity::Change;
use crate::report::{ScanId, SiteName};

/// One side of a difference.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Side {
    /// The expected state.
    Expected,
    /// The current state.
    Current,
    /// One stored scan.
    Scan(ScanId),
}

/// How sides are compared.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct DiffOptions {
    /// Any difference in state is a row, as in portmantool's full join. Otherwise the states that
    /// are not open are equal to each other and to never having been seen.
    pub strict: bool,
    /// What is open on both sides is a row too where another service is known to be behind it, or
    /// another product, version, certificate or host key. What is expected says nothing of these.
    pub services: bool,
}

/// What a difference means.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum DriftKind {
    /// Open, and not expected to be.
    UnexpectedOpen,
    /// Expected open, and not.
    Missing,
    /// Not open on the left, open on the right.
    Opened,
    /// Open on the left, not open on the right, where it was asked.
    Closed,
    /// Open on one side, never asked on the other.
    NotCovered,
    /// Another difference in state (strict comparison only).
    Changed,
    /// Open on both sides, with another service behind it.
    Service,
    /// The same service by another product.
    Product,
    /// The same product in another version.
    Version,
    /// Another certificate.
    Certificate,
    /// Another host key of SSH.
    HostKey,
}

impl DriftKind {
    /// The name in every output format.
    pub const fn name(self) -> &'static str {
        match self {
            Self::UnexpectedOpen => "unexpected_open",
            Self::Missing => "missing",
            Self::Opened => "opened",
            Self::Closed => "closed",
            Self::NotCovered => "not_covered",
            Self::Changed => "changed",
            Self::Service => "service",
            Self::Product => "product",
            Self::Version => "version",
            Self::Certificate => "certificate",
            Self::HostKey => "host_key",
        }
    }
}

impl fmt::Display for DriftKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.name())
    }
}

/// One endpoint that differs.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DiffRow {
    /// The address space.
    pub site: SiteName,
    /// The endpoint.
    pub endpoint: Endpoint,
    /// Its state on the left; `None` when nothing is said of it there.
    pub from: Option<PortState>,
    /// Its state on the right.
    pub to: Option<PortState>,
    /// The scan behind the left state.
    pub from_scan: Option<ScanId>,
    /// The scan behind the right state.
    pub to_scan: Option<ScanId>,
    /// The expectation's comment; empty where there is none.
    pub comment: String,
    /// What it means; where several things of a service changed, the first of them.
    pub kind: DriftKind,
    /// What of its service changed.
    pub changes: Vec<Change>,
}

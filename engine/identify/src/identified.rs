//! What came of asking.

use portolan_core::Endpoint;
use portolan_fingerprints::Service;

/// What an endpoint told of itself.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Identified {
    /// Which.
    pub endpoint: Endpoint,
    /// Who answers there; `None` if it told nothing that is known.
    pub service: Option<Service>,
    /// What it said first, as it came over the wire.
    pub banner: Option<Vec<u8>>,
}

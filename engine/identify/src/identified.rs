//! What came of asking.

use portolan_core::Endpoint;
use portolan_fingerprints::Service;

use crate::ssh::SshFacts;
use crate::tls::TlsFacts;

/// What an endpoint told of itself.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Identified {
    /// Which.
    pub endpoint: Endpoint,
    /// Who answers there; `None` if it told nothing that is known.
    pub service: Option<Service>,
    /// Whether the service is spoken to inside TLS.
    pub inside_tls: bool,
    /// What its TLS told, from the first octet or after the protocol's own beginning.
    pub tls: Option<TlsFacts>,
    /// What its SSH server told.
    pub ssh: Option<SshFacts>,
    /// What it said first, as it came over the wire: at most 2 KiB.
    pub banner: Option<Vec<u8>>,
}

impl Identified {
    /// `endpoint`, of which nothing is known.
    pub(crate) const fn nothing(endpoint: Endpoint) -> Self {
        Self { endpoint, service: None, inside_tls: false, tls: None, ssh: None, banner: None }
    }
}

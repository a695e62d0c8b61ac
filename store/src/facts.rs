//! What more is known of a current service than its endpoint's row has place for: a value each.
//!
//! 64 rows share a value, so they hold little. What does not fit lies beside them, is written in
//! the same batch, and is read where services are asked for.

use std::collections::BTreeMap;
use std::net::IpAddr;

use portolan_core::{Endpoint, Transport};

use crate::error::StoreError;
use crate::inner::Inner;
use crate::key::{self, Key, Parts};
use crate::report::ServiceRecord;
use crate::service_rec::{MoreRec, ServiceRec};

/// The key of an endpoint's facts.
pub(crate) fn place(site: u32, endpoint: &Endpoint) -> Vec<u8> {
    Key::new(key::FACTS).u32(site).endpoint(endpoint).done()
}

/// The facts of one host and transport, by port.
pub(crate) fn of_host(
    inner: &Inner,
    site: u32,
    (addr, transport): (IpAddr, Transport),
) -> Result<BTreeMap<u16, MoreRec>, StoreError> {
    let prefix = Key::new(key::FACTS).u32(site).addr(addr).transport(transport);
    let mut facts = BTreeMap::new();
    for pair in inner.range::<MoreRec>(&prefix.clone().done(), &prefix.end()) {
        let (bytes, more) = pair?;
        let port = Parts::of(&bytes, key::FACTS)
            .and_then(|mut parts| parts.u32().and_then(|_| parts.endpoint()))
            .map(|endpoint| endpoint.port)
            .ok_or_else(|| StoreError::corrupt("facts without a proper endpoint"))?;
        facts.insert(port, more);
    }
    Ok(facts)
}

/// The service of a row with the facts beside it.
pub(crate) fn record(service: ServiceRec, more: Option<MoreRec>) -> ServiceRecord {
    ServiceRec { more: more.map(Box::new), ..service }.into_record()
}

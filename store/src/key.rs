//! Keys: their order is the order of what they name.
//!
//! | prefix | key | value |
//! |---|---|---|
//! | `m` | name | schema version, intent |
//! | `i` | name | small texts |
//! | `n` | site name | site number |
//! | `g` | scan | mark of a scan being written |
//! | `s` | scan | header: the scan is committed when it is there |
//! | `v` | scan, chunk | coverage |
//! | `r` | scan, last endpoint | endpoints with a row each |
//! | `q` | scan, last host and transport | closed ports |
//! | `h` | scan, chunk | signs of life of hosts |
//! | `w` | site, host, transport, port / 64 | current state of endpoints with a row each |
//! | `k` | site, host, transport | current closed and silent ports |
//! | `o` | site, host | the host |
//! | `f` | site, endpoint | what more is known of the current service |
//! | `t` | scan, site, last endpoint | transitions |
//! | `e` | site, addresses, transport, ports | expectation |
//! | `x` | number | a change on its way to its place |
//!
//! Numbers are big-endian, scans with their sign bit turned; a host is its IP version and 16
//! octets.

use std::net::IpAddr;

use portolan_core::endpoint::addr_bits;
use portolan_core::target::AddrRange;
use portolan_core::{Endpoint, Family, Transport};

use crate::expected::Selector;
use crate::record::Coded;
use crate::report::{ScanId, SiteName};

pub(crate) const META: u8 = b'm';
pub(crate) const INFO: u8 = b'i';
pub(crate) const SITE: u8 = b'n';
pub(crate) const STAGING: u8 = b'g';
pub(crate) const SCAN: u8 = b's';
pub(crate) const COVERAGE: u8 = b'v';
pub(crate) const ROWS: u8 = b'r';
pub(crate) const CLOSED: u8 = b'q';
pub(crate) const SCAN_HOSTS: u8 = b'h';
pub(crate) const WINDOW: u8 = b'w';
pub(crate) const QUIET: u8 = b'k';
pub(crate) const HOST: u8 = b'o';
pub(crate) const FACTS: u8 = b'f';
pub(crate) const TRANSITIONS: u8 = b't';
pub(crate) const EXPECTED: u8 = b'e';
pub(crate) const REDO: u8 = b'x';

/// A key being put together.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Key(Vec<u8>);

impl Key {
    pub(crate) fn new(prefix: u8) -> Self {
        let mut bytes = Vec::with_capacity(48);
        bytes.push(prefix);
        Self(bytes)
    }

    /// A key without prefix: what cursors hold.
    pub(crate) const fn bare() -> Self {
        Self(Vec::new())
    }

    pub(crate) fn bytes(mut self, bytes: &[u8]) -> Self {
        self.0.extend_from_slice(bytes);
        self
    }

    pub(crate) fn u16(self, number: u16) -> Self {
        self.bytes(&number.to_be_bytes())
    }

    pub(crate) fn u32(self, number: u32) -> Self {
        self.bytes(&number.to_be_bytes())
    }

    pub(crate) fn scan(self, id: ScanId) -> Self {
        self.bytes(&(id.as_i64().cast_unsigned() ^ (1 << 63)).to_be_bytes())
    }

    pub(crate) fn addr(mut self, addr: IpAddr) -> Self {
        self.0.push(family_code(Family::of(addr)));
        self.bytes(&addr_bits(addr).to_be_bytes())
    }

    pub(crate) fn transport(mut self, transport: Transport) -> Self {
        self.0.push(transport.code());
        self
    }

    pub(crate) fn endpoint(self, endpoint: &Endpoint) -> Self {
        self.addr(endpoint.addr).transport(endpoint.transport).u16(endpoint.port)
    }

    pub(crate) fn done(self) -> Vec<u8> {
        self.0
    }

    /// The first key after every key that starts with this one.
    pub(crate) fn end(mut self) -> Vec<u8> {
        while let Some(last) = self.0.pop() {
            if let Some(next) = last.checked_add(1) {
                self.0.push(next);
                return self.0;
            }
        }
        // Only keys of 0xff have no end; no prefix is.
        vec![0xff; 64]
    }
}

/// The key after `key`: where reading goes on behind a cursor.
pub(crate) fn after(mut key: Vec<u8>) -> Vec<u8> {
    key.push(0);
    key
}

pub(crate) fn site(name: &SiteName) -> Vec<u8> {
    Key::new(SITE).bytes(name.as_str().as_bytes()).done()
}

pub(crate) fn expected(site: u32, selector: &Selector) -> Vec<u8> {
    Key::new(EXPECTED).bytes(&selector_key(site, selector)).done()
}

pub(crate) fn selector_key(site: u32, selector: &Selector) -> Vec<u8> {
    let last = selector.addrs.last_bits().to_be_bytes();
    Key::bare()
        .u32(site)
        .addr(selector.addrs.first())
        .bytes(&last)
        .transport(selector.transport)
        .u16(selector.ports.0)
        .u16(selector.ports.1)
        .done()
}

pub(crate) fn window(site: u32, addr: IpAddr, transport: Transport, window: u16) -> Vec<u8> {
    Key::new(WINDOW).u32(site).addr(addr).transport(transport).u16(window).done()
}

pub(crate) fn quiet(site: u32, addr: IpAddr, transport: Transport) -> Vec<u8> {
    Key::new(QUIET).u32(site).addr(addr).transport(transport).done()
}

pub(crate) fn host(site: u32, addr: IpAddr) -> Vec<u8> {
    Key::new(HOST).u32(site).addr(addr).done()
}

const fn family_code(family: Family) -> u8 {
    match family {
        Family::V4 => 4,
        Family::V6 => 6,
    }
}

/// A key being taken apart. Every step is `None` when the key is too short or makes no sense.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Parts<'a>(&'a [u8]);

impl<'a> Parts<'a> {
    pub(crate) const fn new(key: &'a [u8]) -> Self {
        Self(key)
    }

    /// The rest of a key behind its prefix.
    pub(crate) fn of(key: &'a [u8], prefix: u8) -> Option<Self> {
        key.split_first().filter(|(first, _)| **first == prefix).map(|(_, rest)| Self(rest))
    }

    fn take<const N: usize>(&mut self) -> Option<[u8; N]> {
        let (head, rest) = self.0.split_first_chunk::<N>()?;
        self.0 = rest;
        Some(*head)
    }

    pub(crate) fn u16(&mut self) -> Option<u16> {
        self.take().map(u16::from_be_bytes)
    }

    pub(crate) fn u32(&mut self) -> Option<u32> {
        self.take().map(u32::from_be_bytes)
    }

    pub(crate) fn scan(&mut self) -> Option<ScanId> {
        self.take().map(|b| ScanId::new((u64::from_be_bytes(b) ^ (1 << 63)).cast_signed()))
    }

    fn family(&mut self) -> Option<Family> {
        match self.take::<1>()? {
            [4] => Some(Family::V4),
            [6] => Some(Family::V6),
            _ => None,
        }
    }

    fn bits(&mut self, family: Family) -> Option<u128> {
        self.take().map(u128::from_be_bytes).filter(|bits| *bits <= family.max())
    }

    pub(crate) fn addr(&mut self) -> Option<IpAddr> {
        let family = self.family()?;
        self.bits(family).map(|bits| family.addr(bits))
    }

    pub(crate) fn transport(&mut self) -> Option<Transport> {
        let [code] = self.take::<1>()?;
        Transport::of_code(code)
    }

    pub(crate) fn endpoint(&mut self) -> Option<Endpoint> {
        Some(Endpoint::new(self.addr()?, self.transport()?, self.u16()?))
    }

    pub(crate) fn addr_range(&mut self) -> Option<AddrRange> {
        let family = self.family()?;
        let (first, last) = (self.bits(family)?, self.bits(family)?);
        AddrRange::from_bits(family, first, last)
    }

    /// `value`, if nothing is left.
    pub(crate) fn end<T>(&self, value: T) -> Option<T> {
        self.0.is_empty().then_some(value)
    }

    pub(crate) const fn rest(&self) -> &'a [u8] {
        self.0
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn endpoint() -> impl Strategy<Value = Endpoint> {
        (any::<IpAddr>(), 0..4_usize, any::<u16>())
            .prop_map(|(addr, t, port)| Endpoint::new(addr, Transport::ALL[t], port))
    }

    proptest! {
        #[test]
        fn keys_sort_as_endpoints_do_and_are_read_back(a in endpoint(), b in endpoint()) {
            let (ka, kb) = (Key::bare().endpoint(&a).done(), Key::bare().endpoint(&b).done());
            prop_assert_eq!(ka.cmp(&kb), a.cmp(&b));
            prop_assert_eq!(Parts::new(&ka).endpoint(), Some(a));
        }

        #[test]
        fn scans_sort_by_their_numbers(a in any::<i64>(), b in any::<i64>()) {
            let key = |id| Key::new(SCAN).scan(ScanId::new(id)).done();
            prop_assert_eq!(key(a).cmp(&key(b)), a.cmp(&b));
            prop_assert_eq!(Parts::of(&key(a), SCAN).unwrap().scan(), Some(ScanId::new(a)));
        }
    }

    #[test]
    fn the_end_of_a_prefix_is_behind_all_its_keys() {
        assert_eq!(Key::new(b'a').bytes(&[1, 0xff]).end(), vec![b'a', 2]);
        assert_eq!(Key::new(b'a').end(), vec![b'b']);
    }
}

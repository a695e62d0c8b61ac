//! What a scan reports: one answer of one endpoint, or one sign of life of a host.

use std::fmt;
use std::net::IpAddr;
use std::time::Duration;

use crate::endpoint::Endpoint;
use crate::state::{PortState, Reason};

/// A hardware address, EUI-48.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub struct MacAddr(pub [u8; 6]);

impl fmt::Display for MacAddr {
    /// Lower-case, colons: `02:00:5e:10:00:01`.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (i, octet) in self.0.iter().enumerate() {
            let colon = if i == 0 { "" } else { ":" };
            write!(f, "{colon}{octet:02x}")?;
        }
        Ok(())
    }
}

impl std::str::FromStr for MacAddr {
    type Err = crate::endpoint::UnknownName;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let unknown = || crate::endpoint::UnknownName {
            what: "hardware address",
            word: text.to_owned(),
            known: "six octets in hexadecimal, as in 02:00:5e:10:00:01",
        };
        let mut octets = [0; 6];
        let mut parts = text.split([':', '-']);
        for octet in &mut octets {
            let part = parts
                .next()
                .filter(|p| (1..=2).contains(&p.len()) && p.bytes().all(|b| b.is_ascii_hexdigit()))
                .ok_or_else(unknown)?;
            *octet = u8::from_str_radix(part, 16).map_err(|_| unknown())?;
        }
        if parts.next().is_some() { Err(unknown()) } else { Ok(Self(octets)) }
    }
}

/// Octets of a UDP port's answer that are kept, at most.
pub const REPLY_LEN_MAX: usize = 1_500;

/// The state of one endpoint, as one answer showed it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Observation {
    /// When the answer arrived.
    pub at: UnixTime,
    /// Who answered.
    pub endpoint: Endpoint,
    /// What that means.
    pub state: PortState,
    /// Why it means that.
    pub reason: Reason,
    /// Time to live or hop limit of the answer, where one was seen.
    pub ttl: Option<u8>,
    /// From the probe that was answered to the answer, where that is known.
    pub rtt: Option<Duration>,
    /// What a UDP port answered: the first [`REPLY_LEN_MAX`] octets of the datagram's payload,
    /// where the scan keeps replies; `None` for everything else.
    pub reply: Option<Box<[u8]>>,
}

/// A sign of life of a host, apart from any port.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct HostObservation {
    /// When it was seen.
    pub at: UnixTime,
    /// The host.
    pub addr: IpAddr,
    /// What was seen.
    pub reason: Reason,
    /// Its hardware address, for neighbours on the link.
    pub mac: Option<MacAddr>,
    /// Time to live or hop limit of the answer.
    pub ttl: Option<u8>,
    /// Round-trip time.
    pub rtt: Option<Duration>,
}

/// A moment of civil time: milliseconds since 1970-01-01T00:00:00Z.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub struct UnixTime(i64);

impl UnixTime {
    /// The moment `millis` milliseconds after the epoch.
    pub const fn from_millis(millis: i64) -> Self {
        Self(millis)
    }

    /// The moment `seconds` seconds after the epoch; saturates.
    pub const fn from_seconds(seconds: i64) -> Self {
        Self(seconds.saturating_mul(1_000))
    }

    /// Milliseconds since the epoch.
    pub const fn as_millis(self) -> i64 {
        self.0
    }

    /// Whole seconds since the epoch, rounded down.
    pub const fn as_seconds(self) -> i64 {
        self.0.div_euclid(1_000)
    }

    /// The moment `duration` later; saturates.
    #[must_use]
    pub fn after(self, duration: Duration) -> Self {
        Self(self.0.saturating_add(i64::try_from(duration.as_millis()).unwrap_or(i64::MAX)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn hardware_addresses_are_read_and_written() {
        let mac: MacAddr = "02:00:5E:10:00:01".parse().unwrap();
        assert_eq!(mac.to_string(), "02:00:5e:10:00:01");
        for bad in
            ["", "02:00:5e:10:00", "02:00:5e:10:00:01:02", "02:00:5e:10:00:1g", "+2:0:0:0:0:0"]
        {
            assert!(bad.parse::<MacAddr>().is_err(), "{bad}");
        }
    }
}

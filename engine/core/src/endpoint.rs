//! The thing that is open or closed: an address, a transport, a port.

use std::fmt;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::str::FromStr;

/// The protocol that carries a port.
///
/// The engine probes all but [`Transport::Ip`], which occurs in imported reports.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Transport {
    /// Transmission Control Protocol, RFC 9293.
    Tcp,
    /// User Datagram Protocol, RFC 768.
    Udp,
    /// Stream Control Transmission Protocol, RFC 9260.
    Sctp,
    /// Bare IP: the "port" is an IP protocol number.
    Ip,
}

impl Transport {
    /// Every transport, in the order of their names on the wire formats' side.
    pub const ALL: [Self; 4] = [Self::Tcp, Self::Udp, Self::Sctp, Self::Ip];

    /// Those that have ports: what a scan can cover.
    pub const WITH_PORTS: [Self; 3] = [Self::Tcp, Self::Udp, Self::Sctp];

    /// The lower-case name that every output format uses.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Tcp => "tcp",
            Self::Udp => "udp",
            Self::Sctp => "sctp",
            Self::Ip => "ip",
        }
    }
}

impl fmt::Display for Transport {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.name())
    }
}

/// A word that names none of the things it could have named.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("unknown {what} {word:?}; one of {known}")]
pub struct UnknownName {
    /// What kind of name was looked for.
    pub what: &'static str,
    /// The word that was given.
    pub word: String,
    /// The words that would have been understood.
    pub known: &'static str,
}

impl FromStr for Transport {
    type Err = UnknownName;

    fn from_str(word: &str) -> Result<Self, UnknownName> {
        Self::ALL.into_iter().find(|t| t.name() == word).ok_or_else(|| UnknownName {
            what: "protocol",
            word: word.to_owned(),
            known: "tcp, udp, sctp, ip",
        })
    }
}

/// One port of one address.
///
/// Ordered by address (IPv4 before IPv6), then transport, then port.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Endpoint {
    /// The host.
    pub addr: IpAddr,
    /// The carrier.
    pub transport: Transport,
    /// The port, host byte order.
    pub port: u16,
}

impl Endpoint {
    /// The endpoint `transport`/`port` at `addr`.
    pub const fn new(addr: IpAddr, transport: Transport, port: u16) -> Self {
        Self { addr, transport, port }
    }

    /// A TCP endpoint.
    pub const fn tcp(addr: IpAddr, port: u16) -> Self {
        Self::new(addr, Transport::Tcp, port)
    }

    /// A UDP endpoint.
    pub const fn udp(addr: IpAddr, port: u16) -> Self {
        Self::new(addr, Transport::Udp, port)
    }
}

impl fmt::Display for Endpoint {
    /// `10.0.0.1:22/tcp`, `[2001:db8::1]:22/tcp`.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let socket = std::net::SocketAddr::new(self.addr, self.port);
        write!(f, "{socket}/{}", self.transport)
    }
}

/// An IP version.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Family {
    /// IPv4, RFC 791.
    V4,
    /// IPv6, RFC 8200.
    V6,
}

impl Family {
    /// The version of `addr`.
    pub const fn of(addr: IpAddr) -> Self {
        match addr {
            IpAddr::V4(_) => Self::V4,
            IpAddr::V6(_) => Self::V6,
        }
    }

    /// Bits of an address: 32 or 128.
    pub const fn bits(self) -> u8 {
        match self {
            Self::V4 => 32,
            Self::V6 => 128,
        }
    }

    /// The largest address as a number.
    pub const fn max(self) -> u128 {
        match self {
            Self::V4 => u32::MAX as u128,
            Self::V6 => u128::MAX,
        }
    }

    /// The address whose big-endian octets are the number `value`.
    ///
    /// For IPv4 only the low 32 bits count.
    pub fn addr(self, value: u128) -> IpAddr {
        match self {
            Self::V4 => {
                let [.., a, b, c, d] = value.to_be_bytes();
                IpAddr::V4(Ipv4Addr::new(a, b, c, d))
            }
            Self::V6 => IpAddr::V6(Ipv6Addr::from_bits(value)),
        }
    }
}

/// An address as a number: its octets read big-endian.
pub fn addr_bits(addr: IpAddr) -> u128 {
    match addr {
        IpAddr::V4(v4) => u128::from(v4.to_bits()),
        IpAddr::V6(v6) => v6.to_bits(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bits_and_addresses_are_inverse() {
        for text in ["0.0.0.0", "10.1.2.3", "255.255.255.255", "::", "2001:db8::1"] {
            let addr: IpAddr = text.parse().unwrap();
            assert_eq!(Family::of(addr).addr(addr_bits(addr)), addr);
        }
    }

    #[test]
    fn endpoints_print_as_people_write_them() {
        assert_eq!(Endpoint::tcp("10.0.0.1".parse().unwrap(), 22).to_string(), "10.0.0.1:22/tcp");
        assert_eq!(Endpoint::udp("::1".parse().unwrap(), 53).to_string(), "[::1]:53/udp");
    }
}

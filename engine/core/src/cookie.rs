//! What makes a probe recognisable in its answer, without a table of probes.

use std::hash::Hasher as _;

use siphasher::sip::SipHasher24;

use crate::endpoint::{Endpoint, Transport, addr_bits};

/// The secret of one scan: 128 bits from the operating system.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct CookieKey([u8; 16]);

impl std::fmt::Debug for CookieKey {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("CookieKey(..)")
    }
}

impl CookieKey {
    /// The key made of these octets.
    pub const fn new(octets: [u8; 16]) -> Self {
        Self(octets)
    }

    /// The state that SipHash begins with under this key: for those who make cookies elsewhere
    /// than here, to the same rules. As secret as the key.
    pub fn initial_state(&self) -> [u64; 4] {
        let (low, high) = self.0.split_at(8);
        let word = |octets: &[u8]| {
            octets.iter().rev().fold(0_u64, |sum, octet| sum << 8 | u64::from(*octet))
        };
        let (low, high) = (word(low), word(high));
        // "somepseudorandomlygeneratedbytes", §2.1 of the paper named below.
        [
            low ^ 0x736f_6d65_7073_6575,
            high ^ 0x646f_7261_6e64_6f6d,
            low ^ 0x6c79_6765_6e65_7261,
            high ^ 0x7465_6462_7974_6573,
        ]
    }

    /// The cookie of the probe to `endpoint` in pass `pass`.
    ///
    /// SipHash-2-4 over address (16 octets, IPv4 right-aligned), transport, port and pass. Each
    /// pass has its own, so that an answer tells which probe it answers.
    ///
    /// Source: Aumasson and Bernstein, "SipHash: a fast short-input PRF", 2012; the use is that
    /// of RFC 4987 §3.6 (SYN cookies) turned round.
    pub fn cookie(&self, endpoint: &Endpoint, pass: u8) -> Cookie {
        let mut hasher = SipHasher24::new_with_key(&self.0);
        hasher.write(&addr_bits(endpoint.addr).to_be_bytes());
        let [high, low] = endpoint.port.to_be_bytes();
        let transport = match endpoint.transport {
            Transport::Tcp => 6,
            Transport::Udp => 17,
            Transport::Sctp => 132,
            Transport::Ip => 0,
        };
        hasher.write(&[high, low, transport, pass]);
        Cookie(hasher.finish())
    }
}

/// 64 bits that only this scan's key, endpoint and pass make.
///
/// The TCP sequence number (or SCTP tag, or ICMP identifier and sequence) is the low half; source
/// port, IPv4 identification and IPv6 flow label come from the high half. A blind forger meets the
/// sequence number with probability 2⁻³².
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Cookie(u64);

impl Cookie {
    /// All 64 bits: for payloads that protocols echo.
    pub const fn bits(self) -> u64 {
        self.0
    }

    /// The TCP sequence number, or ICMP identifier (high 16 bits) and sequence (low 16 bits).
    pub const fn sequence(self) -> u32 {
        let [.., a, b, c, d] = self.0.to_be_bytes();
        u32::from_be_bytes([a, b, c, d])
    }

    /// The initiate tag of an SCTP INIT, which is never zero (RFC 9260 §3.3.2).
    pub const fn initiate_tag(self) -> u32 {
        let tag = self.sequence();
        if tag == 0 { 1 } else { tag }
    }

    /// The IPv4 identification, RFC 791 §3.1.
    pub const fn ip_id(self) -> u16 {
        let [a, b, ..] = self.0.to_be_bytes();
        u16::from_be_bytes([a, b])
    }

    /// The IPv6 flow label: 20 bits, RFC 6437.
    pub const fn flow_label(self) -> u32 {
        let [a, b, c, ..] = self.0.to_be_bytes();
        u32::from_be_bytes([0, a & 0x0f, b, c])
    }

    /// The source port, within `ports`.
    pub fn source_port(self, ports: SourcePorts) -> u16 {
        let [_, _, a, b, ..] = self.0.to_be_bytes();
        let spread = u16::from_be_bytes([a, b]);
        // span is at most 65,535, so the modulus is at most 65,536 and the sum stays in range.
        let offset = u32::from(spread) % (u32::from(ports.span()) + 1);
        ports.first.saturating_add(u16::try_from(offset).unwrap_or(0))
    }
}

/// The inclusive range of source ports that a scan sends from.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct SourcePorts {
    first: u16,
    last: u16,
}

impl SourcePorts {
    /// `first..=last`, or `None` if reversed or zero.
    pub const fn new(first: u16, last: u16) -> Option<Self> {
        if first == 0 || first > last { None } else { Some(Self { first, last }) }
    }

    /// The lowest port.
    pub const fn first(self) -> u16 {
        self.first
    }

    /// The highest port.
    pub const fn last(self) -> u16 {
        self.last
    }

    /// How many ports, less one.
    pub const fn span(self) -> u16 {
        self.last - self.first
    }

    /// Whether `port` is one of them.
    pub const fn contains(self, port: u16) -> bool {
        self.first <= port && port <= self.last
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn cookies_differ_by_key_endpoint_and_pass() {
        let key = CookieKey::new([7; 16]);
        let endpoint = Endpoint::tcp("10.0.0.1".parse().unwrap(), 80);
        let udp = Endpoint::udp("10.0.0.1".parse().unwrap(), 80);
        let cookie = key.cookie(&endpoint, 0);
        assert_eq!(cookie, key.cookie(&endpoint, 0));
        assert_ne!(cookie, key.cookie(&endpoint, 1));
        assert_ne!(cookie, key.cookie(&udp, 0));
        assert_ne!(cookie, CookieKey::new([8; 16]).cookie(&endpoint, 0));
    }

    #[test]
    fn source_ports_fill_their_range() {
        let ports = SourcePorts::new(61_440, 61_443).unwrap();
        let key = CookieKey::new([1; 16]);
        let mut seen = [0; 4];
        for port in 1..=400 {
            let endpoint = Endpoint::tcp("10.0.0.1".parse().unwrap(), port);
            let from = key.cookie(&endpoint, 0).source_port(ports);
            assert!(ports.contains(from));
            seen[usize::from(from - 61_440)] += 1;
        }
        assert!(seen.iter().all(|n| *n > 50), "{seen:?}");
        let all = SourcePorts::new(1, u16::MAX).unwrap();
        assert_ne!(Cookie(0xffff_ffff_0000_0000).source_port(all), 0);
    }
}

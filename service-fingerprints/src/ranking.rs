//! Ports by how common they are.

use std::sync::LazyLock;

use portolan_core::Transport;
use portolan_core::target::PortSet;

/// How many TCP ports are ranked.
pub const TCP_RANKED: usize = 1_000;
/// How many UDP ports are ranked.
pub const UDP_RANKED: usize = 100;
/// How many SCTP ports are named.
pub const SCTP_RANKED: usize = 25;

/// The `n` most common ports of `transport`, the most common first.
///
/// All there are where `n` is larger than [`TCP_RANKED`], [`UDP_RANKED`] or [`SCTP_RANKED`]; none
/// for bare IP.
pub fn top_ports(transport: Transport, n: usize) -> &'static [u16] {
    let all: &[u16] = match transport {
        Transport::Tcp => &TCP,
        Transport::Udp => &UDP,
        Transport::Sctp => &SCTP,
        Transport::Ip => &[],
    };
    all.get(..n).unwrap_or(all)
}

/// The `n` most common ports of `transport` as a set.
pub fn top_set(transport: Transport, n: usize) -> PortSet {
    top_ports(transport, n).iter().copied().collect()
}

static TCP: LazyLock<Vec<u16>> = LazyLock::new(|| parse(include_str!("../data/ports-tcp.txt")));
/// SCTP ports of protocols that run over it, in numerical order: nobody has counted how common
/// they are. Source: each protocol's specification, as the comment names it.
static SCTP: [u16; SCTP_RANKED] = [
    2_904,  // M2UA, RFC 3331
    2_905,  // M3UA, RFC 4666
    2_944,  // MEGACO in text, RFC 3525
    2_945,  // H.248 in binary, RFC 3525
    3_565,  // M2PA, RFC 4165
    3_863,  // RSerPool ASAP, RFC 5352
    3_864,  // RSerPool ASAP over TLS, RFC 5352
    3_868,  // Diameter, RFC 6733
    4_739,  // IPFIX, RFC 7011
    4_740,  // IPFIX over DTLS, RFC 7011
    5_060,  // SIP, RFC 4168
    5_061,  // SIP over TLS, RFC 4168
    5_868,  // Diameter over DTLS, RFC 6733
    9_900,  // IUA, RFC 4233
    9_901,  // RSerPool ENRP, RFC 5353
    14_001, // SUA, RFC 3868
    29_118, // SGsAP, 3GPP TS 29.118
    29_168, // SBc-AP, 3GPP TS 29.168
    36_412, // S1-AP, 3GPP TS 36.412
    36_422, // X2-AP, 3GPP TS 36.422
    36_443, // M2-AP, 3GPP TS 36.443
    36_444, // M3-AP, 3GPP TS 36.444
    38_412, // NG-AP, 3GPP TS 38.412
    38_422, // Xn-AP, 3GPP TS 38.422
    38_472, // F1-AP, 3GPP TS 38.472
];
static UDP: LazyLock<Vec<u16>> = LazyLock::new(|| parse(include_str!("../data/ports-udp.txt")));

/// Numbers apart by white space; `#` ends a line. The tests hold that nothing else is there.
fn parse(text: &str) -> Vec<u16> {
    words(text).filter_map(|word| word.parse().ok()).collect()
}

fn words(text: &str) -> impl Iterator<Item = &str> {
    text.lines().filter_map(|line| line.split('#').next()).flat_map(str::split_ascii_whitespace)
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    #[test]
    fn the_lists_are_exactly_as_long_as_they_say_and_repeat_nothing() {
        let files = [include_str!("../data/ports-tcp.txt"), include_str!("../data/ports-udp.txt")];
        for (text, list, len) in [(files[0], &*TCP, TCP_RANKED), (files[1], &*UDP, UDP_RANKED)] {
            assert_eq!(words(text).count(), len, "every word is a port");
            assert_eq!(list.len(), len);
            assert_eq!(list.iter().collect::<BTreeSet<_>>().len(), len);
            assert!(!list.contains(&0));
        }
    }

    #[test]
    fn well_known_ports_come_first() {
        let tcp = top_ports(Transport::Tcp, 100);
        for port in [
            21, 22, 23, 25, 53, 80, 81, 88, 110, 111, 135, 139, 143, 161, 179, 389, 443, 445, 465,
            548, 554, 587, 631, 636, 873, 993, 995, 1080, 1433, 1521, 1723, 1883, 2049, 2222, 3128,
            3306, 3389, 5060, 5432, 5672, 5900, 5985, 6379, 7547, 8000, 8008, 8080, 8081, 8443,
            8888, 9100, 9200, 10000, 11211, 27017,
        ] {
            assert!(tcp.contains(&port), "{port}/tcp");
        }
        let udp = top_ports(Transport::Udp, 50);
        for port in [
            53, 67, 68, 69, 88, 111, 123, 137, 138, 161, 389, 443, 500, 514, 520, 623, 1194, 1434,
            1701, 1812, 1900, 3478, 3702, 4500, 5060, 5351, 5353, 5683, 11211, 27015, 47808, 51820,
        ] {
            assert!(udp.contains(&port), "{port}/udp");
        }
        assert_eq!(top_ports(Transport::Tcp, 3), [80, 443, 22]);
    }

    #[test]
    fn asking_for_more_gives_all() {
        assert_eq!(top_ports(Transport::Tcp, 70_000).len(), TCP_RANKED);
        assert_eq!(top_ports(Transport::Udp, 0), [] as [u16; 0]);
        assert_eq!(top_set(Transport::Udp, 100).len(), UDP_RANKED);
        assert!(top_ports(Transport::Ip, 10).is_empty());
        assert!(SCTP.is_sorted_by(|a, b| a < b));
    }
}

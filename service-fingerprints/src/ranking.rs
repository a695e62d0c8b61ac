//! Ports by how common they are.

use std::sync::LazyLock;

use portolan_core::Transport;
use portolan_core::target::PortSet;

/// How many TCP ports are ranked.
pub const TCP_RANKED: usize = 1_000;
/// How many UDP ports are ranked.
pub const UDP_RANKED: usize = 100;

/// The `n` most common ports of `transport`, the most common first.
///
/// All there are where `n` is larger than [`TCP_RANKED`] or [`UDP_RANKED`]; none for transports
/// that are not ranked.
pub fn top_ports(transport: Transport, n: usize) -> &'static [u16] {
    let all: &[u16] = match transport {
        Transport::Tcp => &TCP,
        Transport::Udp => &UDP,
        Transport::Sctp | Transport::Ip => &[],
    };
    all.get(..n).unwrap_or(all)
}

/// The `n` most common ports of `transport` as a set.
pub fn top_set(transport: Transport, n: usize) -> PortSet {
    top_ports(transport, n).iter().copied().collect()
}

static TCP: LazyLock<Vec<u16>> = LazyLock::new(|| parse(include_str!("../data/ports-tcp.txt")));
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
        assert!(top_ports(Transport::Sctp, 10).is_empty());
    }
}

//! Names of services and their usual ports.

use std::collections::BTreeMap;
use std::sync::LazyLock;

use portolan_core::Transport;

/// Where the service of that name usually listens, by port; empty for a name that is not known.
///
/// Case does not matter, and `-` and `_` are the same.
pub fn lookup(name: &str) -> Vec<(Transport, u16)> {
    SERVICES.by_name.get(normal(name).as_str()).cloned().unwrap_or_default()
}

/// What usually listens at that port, by its customary name.
pub fn name_of(transport: Transport, port: u16) -> Option<&'static str> {
    SERVICES.by_port.get(&(transport, port)).copied()
}

/// Every row of the table: name, transport, port; the customary name of a port before its others.
pub fn all() -> impl Iterator<Item = (&'static str, Transport, u16)> {
    TEXT.lines().filter_map(row)
}

const TEXT: &str = include_str!("../data/services.txt");

static SERVICES: LazyLock<Services> = LazyLock::new(Services::embedded);

struct Services {
    /// Normal names to places, in the table's order: by port.
    by_name: BTreeMap<String, Vec<(Transport, u16)>>,
    by_port: BTreeMap<(Transport, u16), &'static str>,
}

impl Services {
    fn embedded() -> Self {
        let mut by_name: BTreeMap<String, Vec<(Transport, u16)>> = BTreeMap::new();
        let mut by_port = BTreeMap::new();
        for (name, transport, port) in all() {
            by_name.entry(normal(name)).or_default().push((transport, port));
            by_port.entry((transport, port)).or_insert(name);
        }
        Self { by_name, by_port }
    }
}

fn normal(name: &str) -> String {
    name.to_ascii_lowercase().replace('_', "-")
}

/// `name port/transport`; nothing for comments and blank lines.
fn row(line: &'static str) -> Option<(&'static str, Transport, u16)> {
    let (name, place) = line.split_once(' ')?;
    let (port, transport) = place.split_once('/')?;
    Some((name, transport.parse().ok()?, port.parse().ok()?))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ranking::top_ports;

    #[test]
    fn every_line_is_a_comment_or_a_row() {
        let mut seen = std::collections::BTreeSet::new();
        for line in TEXT.lines().filter(|line| !line.is_empty() && !line.starts_with('#')) {
            let parsed = row(line).expect(line);
            let letters = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit();
            assert!(parsed.0.starts_with(|c: char| c.is_ascii_lowercase()), "{line}");
            assert!(parsed.0.chars().all(|c| letters(c) || "-_.+".contains(c)), "{line}");
            assert!(parsed.2 != 0 && seen.insert(parsed), "{line}");
        }
        assert!(seen.len() > 2_000);
    }

    #[test]
    fn names_are_found_both_ways() {
        use Transport::{Tcp, Udp};
        for (name, transport, port) in [
            ("http", Tcp, 80),
            ("https", Tcp, 443),
            ("ssh", Tcp, 22),
            ("telnet", Tcp, 23),
            ("smtp", Tcp, 25),
            ("domain", Udp, 53),
            ("ntp", Udp, 123),
            ("snmp", Udp, 161),
            ("syslog", Udp, 514),
            ("microsoft-ds", Tcp, 445),
            ("ms-wbt-server", Tcp, 3389),
            ("mysql", Tcp, 3306),
            ("postgresql", Tcp, 5432),
            ("redis", Tcp, 6379),
            ("mongodb", Tcp, 27017),
            ("elasticsearch", Tcp, 9200),
            ("http-alt", Tcp, 8080),
            ("wireguard", Udp, 51820),
            ("sip", Udp, 5060),
        ] {
            assert_eq!(name_of(transport, port), Some(name));
            assert!(lookup(name).contains(&(transport, port)), "{name}");
        }
        assert_eq!(lookup("RDP"), [(Tcp, 3389), (Udp, 3389)]);
        assert_eq!(lookup("no-such-service"), []);
        assert_eq!(name_of(Tcp, 65_000), None);
    }

    #[test]
    fn most_ranked_ports_have_a_name() {
        for (transport, few) in [(Transport::Tcp, 150), (Transport::Udp, 10)] {
            let ports = top_ports(transport, usize::MAX);
            let bare: Vec<_> = ports.iter().filter(|p| name_of(transport, **p).is_none()).collect();
            assert!(bare.len() < few, "{} of {}: {bare:?}", bare.len(), ports.len());
        }
    }
}

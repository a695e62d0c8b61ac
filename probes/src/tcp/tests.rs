//! What holds for every probe, and reading numbers back.

use std::collections::BTreeSet;

use super::*;

pub(super) fn be16(octets: &[u8], at: usize) -> usize {
    usize::from(u16::from_be_bytes([octets[at], octets[at + 1]]))
}

pub(super) fn be24(octets: &[u8], at: usize) -> usize {
    (usize::from(octets[at]) << 16) | be16(octets, at + 1)
}

pub(super) fn be32(octets: &[u8], at: usize) -> usize {
    (be16(octets, at) << 16) | be16(octets, at + 2)
}

pub(super) fn le16(octets: &[u8], at: usize) -> usize {
    usize::from(u16::from_le_bytes([octets[at], octets[at + 1]]))
}

pub(super) fn le32(octets: &[u8], at: usize) -> usize {
    le16(octets, at) | (le16(octets, at + 2) << 16)
}

/// Longest request, octets: it fits the first segments of any connection.
const SAYS_LEN_MAX: usize = 1_232;

/// Names that are no service of the signatures: those of many protocols, and those whose servers
/// tell nothing that could be told from others.
const SILENT: [&str; 2] = ["lines", "help"];

/// Every service that a signature names.
fn services() -> BTreeSet<String> {
    let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/../service-fingerprints/data/signatures");
    let mut names = BTreeSet::new();
    for entry in std::fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.extension().is_some_and(|extension| extension == "toml") {
            let text = std::fs::read_to_string(path).unwrap();
            let lines = text.lines().filter_map(|line| line.strip_prefix("service = \""));
            names.extend(lines.map(|rest| rest.trim_end_matches('"').to_owned()));
        }
    }
    names
}

#[test]
fn every_probe_says_something_short_at_ports_that_rise_or_anywhere() {
    for probe in all() {
        assert!(!probe.says.is_empty() && probe.says.len() <= SAYS_LEN_MAX, "{}", probe.name);
        assert!(!probe.source.is_empty(), "{}", probe.name);
        let ports: BTreeSet<_> = probe.ports.iter().collect();
        assert_eq!(ports.len(), probe.ports.len(), "{} names a port twice", probe.name);
        assert!(!probe.ports.contains(&0), "{}", probe.name);
        assert!(probe.anywhere || !probe.ports.is_empty(), "{} is never said", probe.name);
    }
}

#[test]
fn what_is_said_anywhere_is_marked_so_and_said_once() {
    let marked = all().filter(|probe| probe.anywhere);
    let marked: BTreeSet<_> = marked.map(std::ptr::from_ref).collect();
    let listed: BTreeSet<_> = anywhere().iter().map(|probe| std::ptr::from_ref(*probe)).collect();
    assert_eq!(marked, listed);
    assert_eq!(listed.len(), anywhere().len());
    let said: BTreeSet<_> = all().map(|probe| probe.says).collect();
    let repeated = all().count() - said.len();
    // Finger and gopher begin with the same empty line, a display and Bazaar with `hello`.
    assert_eq!(repeated, 2);
}

#[test]
fn every_name_is_a_service_that_is_known() {
    let services = services();
    let probes = all().map(|probe| probe.name);
    let follow_ups = follow_up::all().iter().map(|row| row.service);
    let unknown: Vec<_> = probes
        .chain(follow_ups)
        .chain(start_tls::services())
        .filter(|name| !SILENT.contains(name) && !services.contains(*name))
        .collect();
    assert_eq!(unknown, [] as [&str; 0]);
}

#[test]
fn printers_hear_nothing_but_their_own_language_first() {
    for port in (1..=u16::MAX).filter(|port| only(*port)) {
        assert_eq!(at_port(port).next().map(|probe| probe.name), Some("jetdirect"), "{port}");
    }
}

#[test]
fn usual_ports_are_asked_in_their_protocol_first() {
    for (port, name) in [
        (53, "dns"),
        (80, "http"),
        (88, "kerberos"),
        (111, "rpcbind"),
        (139, "netbios-ssn"),
        (389, "ldap"),
        (445, "microsoft-ds"),
        (502, "modbus"),
        (1080, "socks5"),
        (1433, "ms-sql-s"),
        (1521, "oracle-tns"),
        (1883, "mqtt"),
        (2181, "zookeeper"),
        (3389, "ms-wbt-server"),
        (5432, "postgresql"),
        (5672, "amqp"),
        (6379, "redis"),
        (8009, "ajp13"),
        (9042, "cassandra"),
        (9092, "kafka"),
        (9101, "jetdirect"),
        (11_211, "memcached"),
        (27_017, "mongodb"),
    ] {
        assert_eq!(at_port(port).next().map(|probe| probe.name), Some(name), "{port}");
    }
    assert_eq!(at_port(1).count(), 0);
}

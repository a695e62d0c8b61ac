//! What is known of services: kept whole, compared, and never lost to a scan that could not tell.

use std::net::IpAddr;
use std::path::Path;

use portolan_core::target::{AddrRange, Block, TargetSet};
use portolan_core::{Endpoint, PortState, Reason, UnixTime};
use portolan_store::{
    CertificateRecord, ChangeKind, DiffOptions, DriftKind, EndpointState, Filter, HostKeyRecord,
    PageRequest, ScanId, ScanReport, ServiceRecord, Side, SiteName, Source, SshAlgorithms,
    SshRecord, Store, StoreOptions, TlsRecord, WeaknessRecord,
};

const OPTIONS: StoreOptions = StoreOptions { cache_bytes: 8 << 20, reserve_bytes: 1 << 20 };
const PORTS: [u16; 3] = [22, 443, 1000];

#[cfg(test)]
mod help {
    use super::*;

    pub(super) fn open(dir: &Path) -> Store {
        Store::open(dir, OPTIONS).unwrap()
    }

    pub(super) fn addr() -> IpAddr {
        IpAddr::from([10, 0, 0, 1])
    }

    /// A scan that found every port open and was told these services.
    pub(super) fn report(at: i64, services: &[(u16, ServiceRecord)]) -> ScanReport {
        let start = UnixTime::from_seconds(at);
        let mut report = ScanReport::empty(SiteName::default(), Source::Engine, start);
        report.coverage = TargetSet::single(Block {
            addrs: [AddrRange::single(addr())].into_iter().collect(),
            tcp: PORTS.into_iter().collect(),
            ..Block::default()
        });
        report.states = PORTS
            .iter()
            .map(|port| EndpointState {
                endpoint: Endpoint::tcp(addr(), *port),
                state: PortState::Open,
                reason: Reason::SynAck,
                ttl: None,
                rtt: None,
                at: start,
                service: services.iter().find(|(p, _)| p == port).map(|(_, s)| s.clone()),
                banner: None,
            })
            .collect();
        report
    }

    pub(super) fn ssh(version: &str, key: u8) -> ServiceRecord {
        let text = |text: &str| Some(text.to_owned());
        let weakness = WeaknessRecord {
            name: "diffie-hellman-group1-sha1".to_owned(),
            kind: "kex".to_owned(),
            severity: "weak".to_owned(),
            why: "a group of 1024 bits, and SHA-1".to_owned(),
            source: "RFC 9142 §3.1.1".to_owned(),
        };
        ServiceRecord {
            name: "ssh".to_owned(),
            product: text("OpenSSH"),
            version: text(version),
            vendor: text("OpenBSD"),
            os: text("Linux"),
            device: text("router"),
            ssh: Some(Box::new(SshRecord {
                software: text("OpenSSH_9.2p1"),
                host_keys: vec![HostKeyRecord {
                    kind: "ssh-ed25519".to_owned(),
                    bits: Some(256),
                    sha256: [key; 32],
                }],
                algorithms: SshAlgorithms {
                    kex: vec!["curve25519-sha256".to_owned()],
                    ..SshAlgorithms::default()
                },
                auth_methods: Some(vec!["publickey".to_owned()]),
                weaknesses: vec![weakness],
                terrapin: Some(false),
            })),
            ..ServiceRecord::default()
        }
    }

    pub(super) fn web(product: &str, certificate: u8) -> ServiceRecord {
        ServiceRecord {
            name: "http".to_owned(),
            product: Some(product.to_owned()),
            tls: true,
            tls_info: Some(Box::new(TlsRecord {
                version: Some("TLSv1.3".to_owned()),
                accepted: vec!["TLSv1.2".to_owned(), "TLSv1.3".to_owned()],
                certificate: Some(CertificateRecord {
                    subject: "CN=x.example".to_owned(),
                    names: vec!["x.example".to_owned()],
                    names_total: 1,
                    not_after: UnixTime::from_seconds(2_000_000_000),
                    sha256: Some([certificate; 32]),
                    ..CertificateRecord::default()
                }),
                chain_len: 2,
                ..TlsRecord::default()
            })),
            ..ServiceRecord::default()
        }
    }

    pub(super) fn current(store: &Store) -> Vec<Option<ServiceRecord>> {
        let rows = store.current(&Filter::default(), &PageRequest::all()).unwrap().items;
        rows.into_iter().map(|row| row.service).collect()
    }

    /// Changes of services as short texts.
    pub(super) fn told(store: &Store) -> Vec<String> {
        let all = store.transitions(&Filter::default(), &PageRequest::all()).unwrap().items;
        let changes = all.iter().filter(|t| t.kind != ChangeKind::State);
        changes
            .map(|t| {
                assert_eq!((t.from, t.to), (Some(PortState::Open), PortState::Open));
                let side = |text: &Option<String>| text.clone().unwrap();
                let (before, after) = (side(&t.before), side(&t.after));
                format!("{} {} {} {before:.9} {after:.9}", t.scan, t.endpoint.port, t.kind)
            })
            .collect()
    }

    pub(super) fn diff(store: &Store, from: Side, to: Side, services: bool) -> Vec<String> {
        let options = DiffOptions { services, ..DiffOptions::default() };
        let page = store.diff(from, to, &Filter::default(), &options, &PageRequest::all());
        let rows = page.unwrap().unwrap().items;
        rows.iter()
            .map(|row| {
                let kinds: Vec<_> = row.changes.iter().map(|c| c.kind.name()).collect();
                format!("{} {} {}", row.endpoint.port, row.kind, kinds.join(","))
            })
            .collect()
    }
}

use help::*;

#[test]
fn what_changed_is_told_and_what_could_not_be_told_stays() {
    let dir = tempfile::tempdir().unwrap();
    let store = open(dir.path());
    let first = [(22, ssh("9.2p1", 1)), (443, web("nginx", 1))];
    let one = store.commit_scan(&report(1000, &first)).unwrap();
    let known = [Some(ssh("9.2p1", 1)), Some(web("nginx", 1)), None];
    assert_eq!(current(&store), known);
    assert_eq!(told(&store), [] as [&str; 0], "to be told first is no change");

    // Not asked; then asked and not told.
    let two = store.commit_scan(&report(2000, &[])).unwrap();
    assert_eq!(current(&store), known);
    let untold = ServiceRecord { name: "unknown".to_owned(), ..ServiceRecord::default() };
    store.commit_scan(&report(3000, &[(22, untold.clone()), (443, untold)])).unwrap();
    assert_eq!(current(&store), known);
    assert_eq!(told(&store), [] as [&str; 0]);
    assert_eq!(diff(&store, Side::Scan(one), Side::Scan(two), true), [] as [&str; 0]);

    // A port that was gone for a while is still known.
    let mut gone = report(3500, &[]);
    gone.states.retain(|state| state.endpoint.port != 22);
    store.commit_scan(&gone).unwrap();
    assert_eq!(current(&store), known);

    let last = [(22, ssh("9.3p1", 2)), (443, web("Apache httpd", 2)), (1000, web("x", 3))];
    let four = store.commit_scan(&report(4000, &last)).unwrap();
    assert_eq!(current(&store), last.clone().map(|(_, service)| Some(service)));
    let keys = "ssh-ed255 ssh-ed255";
    assert_eq!(
        told(&store),
        [
            "4000 22 version 9.2p1 9.3p1",
            &format!("4000 22 host_key {keys}"),
            "4000 443 product nginx Apache ht",
            "4000 443 certificate 010101010 020202020",
        ]
    );
    let rows = ["22 version version,host_key", "443 product product,certificate"];
    assert_eq!(diff(&store, Side::Scan(one), Side::Scan(four), true), rows);
    assert_eq!(diff(&store, Side::Scan(one), Side::Current, true), rows);
    assert_eq!(diff(&store, Side::Scan(one), Side::Scan(four), false), [] as [&str; 0]);
    assert_eq!(diff(&store, Side::Scan(four), Side::Current, true), [] as [&str; 0]);
    let expected = diff(&store, Side::Expected, Side::Current, true);
    assert_eq!(expected.len(), 3, "what is expected says nothing of services: {expected:?}");
    assert_eq!(store.summary().unwrap().rogue_by_kind.len(), 1);
    assert_eq!(DriftKind::HostKey.name(), ChangeKind::HostKey.name());

    // An old report does not unsay a newer one.
    store.commit_scan(&report(1500, &[(22, ssh("8.0", 9))])).unwrap();
    assert_eq!(current(&store), last.map(|(_, service)| Some(service)));
    assert_eq!(told(&store).len(), 4);
    assert_eq!(store.verify().unwrap().problems, Vec::<String>::new());
}

#[test]
fn transitions_of_one_endpoint_are_paged_one_by_one() {
    let dir = tempfile::tempdir().unwrap();
    let store = open(dir.path());
    store.commit_scan(&report(1000, &[(22, ssh("9.2p1", 1)), (443, web("nginx", 1))])).unwrap();
    let last = [(22, ssh("9.3p1", 2)), (443, web("Apache httpd", 2))];
    store.commit_scan(&report(2000, &last)).unwrap();
    let all = store.transitions(&Filter::default(), &PageRequest::all()).unwrap().items;
    assert_eq!(all.len(), 3 + 4);
    for limit in 1..4 {
        let mut page = PageRequest::first(limit);
        let mut joined = Vec::new();
        loop {
            let part = store.transitions(&Filter::default(), &page).unwrap();
            joined.extend(part.items);
            let Some(next) = part.next else { break };
            page.cursor = Some(next.to_string().parse().unwrap());
        }
        assert_eq!(joined, all, "{limit} at a time");
    }
}

#[test]
fn everything_goes_out_and_comes_back_and_survives_pruning() {
    let dir = tempfile::tempdir().unwrap();
    let store = open(dir.path());
    let first = [(22, ssh("9.2p1", 1)), (443, web("nginx", 1))];
    store.commit_scan(&report(1000, &first)).unwrap();
    store.commit_scan(&report(2000, &[(22, ssh("9.3p1", 2))])).unwrap();
    let mut text = Vec::new();
    store.export(&mut text).unwrap();
    let other = tempfile::tempdir().unwrap();
    let copy = open(other.path());
    copy.import(&mut text.as_slice()).unwrap();
    let mut again = Vec::new();
    copy.export(&mut again).unwrap();
    assert_eq!(String::from_utf8(text).unwrap(), String::from_utf8(again).unwrap());
    for store in [&store, &copy] {
        assert_eq!(current(store), [Some(ssh("9.3p1", 2)), Some(web("nginx", 1)), None]);
        let rows = store.scan_states(ScanId::new(1000), &Filter::default(), &PageRequest::all());
        let rows = rows.unwrap().unwrap().items;
        let services: Vec<_> = rows.into_iter().map(|row| row.state.service).collect();
        assert_eq!(services, [Some(ssh("9.2p1", 1)), Some(web("nginx", 1)), None]);
        assert_eq!(told(store).len(), 2);
    }
    drop(store);
    let store = open(dir.path());
    let before = current(&store);
    assert_eq!(store.prune(UnixTime::from_seconds(3000)).unwrap().transitions, 3 + 2);
    assert_eq!(current(&store), before, "the certificate was last told by a scan that is gone");
    assert_eq!(store.verify().unwrap().problems, Vec::<String>::new());
}

/// Hostile servers fill every text and list; 64 of them share a value of the current state.
#[test]
#[expect(clippy::too_many_lines, reason = "every field is filled")]
fn the_longest_texts_are_cut_and_fit() {
    let dir = tempfile::tempdir().unwrap();
    let store = open(dir.path());
    let long = |n: u16| format!("{n}{}", "ä".repeat(200));
    let hostile = |n: u16| {
        let texts = || vec![long(n); 40];
        let key = HostKeyRecord { kind: long(n), bits: None, sha256: [n.to_le_bytes()[0]; 32] };
        let weakness = WeaknessRecord {
            name: long(n),
            kind: long(n),
            severity: long(n),
            why: long(n),
            source: long(n),
        };
        let certificate = CertificateRecord {
            subject: long(n),
            names: texts(),
            issuer: long(n),
            sha256: Some([n.to_le_bytes()[0]; 32]),
            ..CertificateRecord::default()
        };
        ServiceRecord {
            name: long(n),
            product: Some(long(n)),
            version: Some(long(n)),
            extra: Some(long(n)),
            vendor: Some(long(n)),
            cpe: texts(),
            tls_info: Some(Box::new(TlsRecord {
                certificate: Some(certificate),
                accepted: texts(),
                ..TlsRecord::default()
            })),
            ssh: Some(Box::new(SshRecord {
                host_keys: vec![key; 20],
                algorithms: SshAlgorithms {
                    kex: texts(),
                    host_keys: texts(),
                    ciphers: texts(),
                    macs: texts(),
                    compression: texts(),
                },
                auth_methods: Some(texts()),
                weaknesses: vec![weakness; 40],
                software: Some(long(n)),
                terrapin: None,
            })),
            ..ServiceRecord::default()
        }
    };
    let hostile_report = |at: i64, shift: u16| {
        let mut report = report(at, &[]);
        let state = report.states[0].clone();
        report.states = (64..192)
            .map(|port| EndpointState {
                endpoint: Endpoint::tcp(addr(), port),
                service: Some(hostile(port + shift)),
                banner: Some(vec![0xff; 10_000]),
                ..state.clone()
            })
            .collect();
        report
    };
    store.commit_scan(&hostile_report(1000, 0)).unwrap();
    store.commit_scan(&hostile_report(2000, 1)).unwrap();
    assert_eq!(store.verify().unwrap().problems, Vec::<String>::new());
    let services = current(&store);
    assert_eq!(services.iter().flatten().count(), 128);
    for service in services.into_iter().flatten() {
        let tls = service.tls_info.unwrap().certificate.unwrap();
        assert!(service.name.len() <= 100 && tls.subject.len() <= 255 && tls.names.len() <= 32);
        assert!(service.ssh.unwrap().algorithms.kex.len() <= 32);
    }
    let changes = store.transitions(&Filter::default(), &PageRequest::all()).unwrap().items;
    assert_eq!(changes.len(), 128 + 4 * 128, "opened; service, product, certificate, host key");
}

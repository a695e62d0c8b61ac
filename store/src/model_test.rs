//! The store against a naive model of it, and against a tree that fails at every call.

use std::collections::BTreeMap;
use std::net::IpAddr;

use portolan_core::target::{AddrRange, Block, PortSet, TargetSet};
use portolan_core::{Endpoint, HostObservation, PortState, Reason, Transport, UnixTime};
use proptest::prelude::*;

use crate::memory::MemoryTree;
use crate::{
    CertificateRecord, ChangeKind, DiffOptions, EndpointState, Expectation, Filter, HostPorts,
    PageRequest, ScanId, ScanReport, Selector, ServiceRecord, Side, SiteName, Source, Store,
    StoreError, TlsRecord,
};

const HOSTS: u8 = 3;
const PORTS: u16 = 6;

/// What one step does.
#[derive(Debug, Clone)]
enum Step {
    /// Seconds, hosts covered, what is found of each endpoint.
    Scan(i64, (u8, u8), Vec<Found>),
    Expect(u8, u16, bool),
    Unexpect(u8, u16),
    Accept,
    Prune(i64),
    Reopen,
}

#[derive(Debug, Clone, Copy, PartialEq)]
enum Found {
    Open,
    /// With a service of this version and certificate.
    Told(u8),
    Closed,
    Silent,
}

fn found() -> impl Strategy<Value = Found> {
    prop_oneof![
        Just(Found::Open),
        (1..4_u8).prop_map(Found::Told),
        Just(Found::Closed),
        Just(Found::Silent)
    ]
}

/// A service; the version lies in its row, the certificate beside it.
fn service(n: u8) -> ServiceRecord {
    let sha256 = Some([n; 32]);
    let certificate = CertificateRecord { sha256, ..CertificateRecord::default() };
    let tls = TlsRecord { certificate: Some(certificate), ..TlsRecord::default() };
    ServiceRecord {
        name: "http".to_owned(),
        product: Some("nginx".to_owned()),
        version: Some(n.to_string()),
        tls: true,
        tls_info: Some(Box::new(tls)),
        ..ServiceRecord::default()
    }
}

fn step() -> impl Strategy<Value = Step> {
    let found = found();
    let count = usize::from(HOSTS) * usize::from(PORTS);
    prop_oneof![
        6 => (0..12_i64, (0..HOSTS, 0..HOSTS), prop::collection::vec(found, count))
            .prop_map(|(at, hosts, found)| Step::Scan(at, hosts, found)),
        2 => (0..HOSTS, 1..=PORTS, any::<bool>()).prop_map(|(h, p, open)| Step::Expect(h, p, open)),
        1 => (0..HOSTS, 1..=PORTS).prop_map(|(h, p)| Step::Unexpect(h, p)),
        1 => Just(Step::Accept),
        2 => (0..16_i64).prop_map(Step::Prune),
        1 => Just(Step::Reopen),
    ]
}

fn addr(host: u8) -> IpAddr {
    IpAddr::from([10, 0, 0, host])
}

/// Odd ports are TCP's, even ones SCTP's: silence means the same for both.
fn endpoint(host: u8, port: u16) -> Endpoint {
    let transport = if port % 2 == 1 { Transport::Tcp } else { Transport::Sctp };
    Endpoint::new(addr(host), transport, port)
}

fn report(at: i64, hosts: (u8, u8), found: &[Found]) -> ScanReport {
    let (first, last) = (hosts.0.min(hosts.1), hosts.0.max(hosts.1));
    let mut report =
        ScanReport::empty(SiteName::default(), Source::Engine, UnixTime::from_seconds(at));
    let range = AddrRange::new(addr(first), addr(last)).unwrap();
    report.coverage = TargetSet::single(Block {
        addrs: [range].into_iter().collect(),
        tcp: (1..=PORTS).step_by(2).collect(),
        udp: PortSet::new(),
        sctp: (2..=PORTS).step_by(2).collect(),
    });
    let mut all = found.iter();
    for host in 0..HOSTS {
        let mut closed: BTreeMap<Transport, Vec<u16>> = BTreeMap::new();
        for port in 1..=PORTS {
            let found = *all.next().unwrap();
            if host < first || host > last {
                continue;
            }
            match found {
                Found::Open | Found::Told(_) => report.states.push(EndpointState {
                    endpoint: endpoint(host, port),
                    state: PortState::Open,
                    reason: Reason::SynAck,
                    ttl: None,
                    rtt: None,
                    at: UnixTime::from_seconds(at),
                    service: match found {
                        Found::Told(n) => Some(service(n)),
                        _ => None,
                    },
                    banner: None,
                }),
                Found::Closed => {
                    let transport = endpoint(host, port).transport;
                    closed.entry(transport).or_default().push(port);
                }
                Found::Silent => {}
            }
        }
        // As scans do: whoever answers over one carrier is seen to be silent over the other.
        let answered =
            !closed.is_empty() || report.states.iter().any(|s| s.endpoint.addr == addr(host));
        report.hosts.extend(answered.then(|| HostObservation {
            at: UnixTime::from_seconds(at),
            addr: addr(host),
            reason: Reason::SynAck,
            mac: None,
            ttl: None,
            rtt: None,
        }));
        report.closed.extend(closed.into_iter().map(|(transport, ports)| HostPorts {
            addr: addr(host),
            transport,
            ports: ports.into_iter().collect(),
        }));
    }
    report
}

/// The naive model: every scan in full, everything recomputed at every question.
#[derive(Default)]
struct Model {
    scans: BTreeMap<i64, ScanReport>,
    expected: BTreeMap<Endpoint, PortState>,
    /// What was last told of each endpoint.
    services: BTreeMap<Endpoint, ServiceRecord>,
    /// The changes of versions: scan, endpoint, before and after.
    versions: Vec<(i64, Endpoint, Option<String>, Option<String>)>,
}

impl Model {
    fn add(&mut self, id: i64, report: ScanReport) {
        for state in &report.states {
            let endpoint = state.endpoint;
            let later = self.scans.range(id..).any(|(_, s)| s.state_of(&endpoint).is_some());
            let Some(service) = state.service.clone().filter(|_| !later) else { continue };
            let version = service.version.clone();
            let known = self.services.insert(endpoint, service);
            if let Some(known) = known.filter(|known| known.version != version) {
                self.versions.push((id, endpoint, known.version, version));
            }
        }
        self.scans.insert(id, report);
    }

    /// What the last scan that asked said, of endpoints on hosts that ever answered.
    fn current(&self) -> BTreeMap<Endpoint, (PortState, i64)> {
        let mut all = BTreeMap::new();
        for host in 0..HOSTS {
            for port in 1..=PORTS {
                let endpoint = endpoint(host, port);
                for (id, scan) in &self.scans {
                    if let Some(state) = scan.state_of(&endpoint) {
                        all.insert(endpoint, (state, *id));
                    }
                }
            }
        }
        all
    }

    fn drift(&self) -> Vec<(Endpoint, Option<PortState>, Option<PortState>)> {
        let current = self.current();
        let mut rows = Vec::new();
        for host in 0..HOSTS {
            for port in 1..=PORTS {
                let endpoint = endpoint(host, port);
                let (want, have) = (self.expected.get(&endpoint), current.get(&endpoint));
                let open = Some(PortState::Open);
                let (want, have) = (want.copied(), have.map(|(state, _)| *state));
                if (want == open) != (have == open) {
                    rows.push((endpoint, want, have));
                }
            }
        }
        rows.sort_unstable_by_key(|row| row.0);
        rows
    }
}

fn selector(endpoint: &Endpoint) -> Selector {
    Selector {
        site: SiteName::default(),
        addrs: AddrRange::single(endpoint.addr),
        transport: endpoint.transport,
        ports: (endpoint.port, endpoint.port),
    }
}

fn open(tree: &MemoryTree) -> Store {
    Store::over(Box::new(tree.clone()), None).unwrap()
}

fn drift(store: &Store) -> Vec<(Endpoint, Option<PortState>, Option<PortState>)> {
    let (filter, options) = (Filter::default(), DiffOptions::default());
    let all = PageRequest::all();
    let page = store.diff(Side::Expected, Side::Current, &filter, &options, &all).unwrap().unwrap();
    // A silent port of a host that never answered has no row: never seen and silent are equal.
    let seen = |state: Option<PortState>| state.filter(|s| *s != PortState::Filtered);
    page.items.iter().map(|row| (row.endpoint, row.from, seen(row.to))).collect()
}

/// The transitions of one kind, a few rows at a time.
fn transitions(
    store: &Store,
    kind: ChangeKind,
) -> Vec<(i64, Endpoint, Option<String>, Option<String>)> {
    let mut rows = Vec::new();
    let mut page = PageRequest::first(2);
    loop {
        let part = store.transitions(&Filter::default(), &page).unwrap();
        let part_rows = part.items.into_iter().filter(|row| row.kind == kind);
        rows.extend(part_rows.map(|r| (r.scan.as_i64(), r.endpoint, r.before, r.after)));
        match part.next {
            Some(next) => page.cursor = Some(next),
            None => return rows,
        }
    }
}

fn compare(store: &Store, model: &Model) {
    let rows = store.current(&Filter::default(), &PageRequest::all()).unwrap().items;
    let wanted = model.current();
    let answered = |state: PortState| state != PortState::Filtered;
    for row in &rows {
        let (state, id) = wanted[&row.endpoint];
        assert_eq!((row.state, row.scan), (state, ScanId::new(id)), "{}", row.endpoint);
        assert_eq!(row.service.as_ref(), model.services.get(&row.endpoint), "{}", row.endpoint);
    }
    let mut told = transitions(store, ChangeKind::Version);
    let mut certificates = transitions(store, ChangeKind::Certificate);
    let mut versions = model.versions.clone();
    assert_eq!(told.len(), certificates.len(), "each version has its certificate");
    for list in [&mut told, &mut certificates, &mut versions] {
        list.sort();
    }
    assert_eq!(told, versions);
    let hex = |n: Option<String>| n.map(|n| format!("{:02x}", n.parse::<u8>().unwrap()).repeat(32));
    let versions = versions.into_iter().map(|(id, e, from, to)| (id, e, hex(from), hex(to)));
    assert_eq!(certificates, versions.collect::<Vec<_>>());
    // Silent ports have a row on hosts that answered at some time; all others always.
    let found: BTreeMap<Endpoint, PortState> = rows.iter().map(|r| (r.endpoint, r.state)).collect();
    for (endpoint, (state, _)) in &wanted {
        assert!(!answered(*state) || found.contains_key(endpoint), "{endpoint} {state}");
    }
    assert!(rows.is_sorted_by_key(|row| row.endpoint));
    let seen = |state: Option<PortState>| state.filter(|s| *s != PortState::Filtered);
    let want: Vec<_> = model.drift().into_iter().map(|(e, a, b)| (e, a, seen(b))).collect();
    assert_eq!(drift(store), want);
    let summary = store.summary().unwrap();
    assert_eq!(summary.rogue.values().sum::<u64>(), u64::try_from(want.len()).unwrap());
    assert_eq!(store.verify().unwrap().problems, Vec::<String>::new());
}

fn run(steps: &[Step]) {
    let tree = MemoryTree::new();
    let mut store = open(&tree);
    let mut model = Model::default();
    for step in steps {
        match step {
            Step::Scan(at, hosts, found) => {
                let report = report(*at, *hosts, found);
                let id = store.commit_scan(&report).unwrap().as_i64();
                assert!(!model.scans.contains_key(&id) && id >= *at);
                model.add(id, report);
            }
            Step::Expect(host, port, is_open) => {
                let endpoint = endpoint(*host, *port);
                let state = if *is_open { PortState::Open } else { PortState::Closed };
                let comment = String::new();
                let selector = selector(&endpoint);
                store.expect(&[Expectation { selector, state, comment }]).unwrap();
                model.expected.insert(endpoint, state);
            }
            Step::Unexpect(host, port) => {
                let endpoint = endpoint(*host, *port);
                let count = store.unexpect(&[selector(&endpoint)]).unwrap();
                assert_eq!(count, usize::from(model.expected.remove(&endpoint).is_some()));
            }
            Step::Accept => {
                let rows = drift(&store);
                assert_eq!(store.accept(&Filter::default(), None).unwrap(), rows.len());
                let all = store.expected(&Filter::default(), &PageRequest::all()).unwrap().items;
                model.expected = all
                    .iter()
                    .map(|e| {
                        let Selector { addrs, transport, ports, .. } = e.selector;
                        (Endpoint::new(addrs.first(), transport, ports.0), e.state)
                    })
                    .collect();
                assert_eq!(drift(&store), []);
            }
            Step::Prune(keep) => {
                let before = store.current(&Filter::default(), &PageRequest::all()).unwrap();
                store.prune(UnixTime::from_seconds(*keep)).unwrap();
                let after = store.current(&Filter::default(), &PageRequest::all()).unwrap();
                assert_eq!(before, after);
            }
            Step::Reopen => {
                drop(store);
                store = open(&tree);
            }
        }
        if let Step::Prune(keep) = step {
            forget(&store, &mut model);
            model.versions.retain(|change| change.0 >= *keep);
        }
        compare(&store, &model);
    }
}

/// After a pruning the model knows of each scan what the store still says of it.
fn forget(store: &Store, model: &mut Model) {
    let left: Vec<i64> = store
        .scans(&PageRequest::all())
        .unwrap()
        .items
        .iter()
        .map(|scan| scan.id.as_i64())
        .collect();
    // A scan that is gone must add nothing to the current state but silence.
    let before = model.current();
    let gone: Vec<i64> = model.scans.keys().copied().filter(|id| !left.contains(id)).collect();
    for (endpoint, (state, id)) in &before {
        assert!(!gone.contains(id) || *state == PortState::Filtered, "{endpoint} {state}");
    }
    // Its number may be given out again.
    model.scans.retain(|id, _| !gone.contains(id));
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 96, ..ProptestConfig::default() })]

    #[test]
    fn the_store_does_what_the_model_does(steps in prop::collection::vec(step(), 1..14)) {
        run(&steps);
    }

    #[test]
    fn differences_obey_their_laws(
        a in (0..HOSTS, 0..HOSTS), b in (0..HOSTS, 0..HOSTS),
        found in prop::collection::vec(found(), 36),
        strict in any::<bool>(),
    ) {
        let store = open(&MemoryTree::new());
        let one = store.commit_scan(&report(1, a, &found[..18])).unwrap();
        let two = store.commit_scan(&report(2, b, &found[18..])).unwrap();
        let options = DiffOptions { strict, services: true };
        let rows = |from, to| {
            let all = PageRequest::all();
            store.diff(from, to, &Filter::default(), &options, &all).unwrap().unwrap().items
        };
        // With itself: nothing. The other way round: the same rows with their sides exchanged.
        prop_assert_eq!(rows(Side::Scan(one), Side::Scan(one)), vec![]);
        prop_assert_eq!(rows(Side::Current, Side::Current), vec![]);
        let there: Vec<_> = rows(Side::Scan(one), Side::Scan(two))
            .into_iter()
            .map(|r| (r.endpoint, r.from, r.to))
            .collect();
        let back: Vec<_> = rows(Side::Scan(two), Side::Scan(one))
            .into_iter()
            .map(|r| (r.endpoint, r.to, r.from))
            .collect();
        prop_assert_eq!(&there, &back);
        // Every row is what both scans say of it.
        for (endpoint, from, to) in &there {
            prop_assert_eq!(report(1, a, &found[..18]).state_of(endpoint), *from);
            prop_assert_eq!(report(2, b, &found[18..]).state_of(endpoint), *to);
        }
        for row in rows(Side::Scan(one), Side::Scan(two)) {
            prop_assert_eq!(row.from != row.to, row.changes.is_empty());
            let service = |found: &[Found], at, hosts| {
                let states = report(at, hosts, found).states;
                let mut own = states.into_iter().filter(|s| s.endpoint == row.endpoint);
                own.next().and_then(|s| s.service).and_then(|s| s.version)
            };
            let (from, to) = (service(&found[..18], 1, a), service(&found[18..], 2, b));
            for change in row.changes.iter().filter(|c| c.kind == ChangeKind::Version) {
                prop_assert_eq!(Some(&change.from), from.as_ref());
                prop_assert_eq!(Some(&change.to), to.as_ref());
            }
        }
        // What was scanned last is the current state.
        prop_assert_eq!(rows(Side::Scan(two), Side::Current), vec![]);
    }
}

/// The tree fails at the n-th write, for every n: the next opening finds the scan whole or finds
/// nothing of it, and what was acknowledged is there.
#[test]
fn a_write_that_fails_anywhere_leaves_the_store_whole() {
    let found = [Found::Open, Found::Told(1), Found::Silent].repeat(6);
    let other = [Found::Closed, Found::Told(2), Found::Open].repeat(6);
    for lives in 0..40 {
        let tree = MemoryTree::new();
        let store = open(&tree);
        store.commit_scan(&report(1, (0, 2), &found)).unwrap();
        let before = store.current(&Filter::default(), &PageRequest::all()).unwrap();
        tree.fail_after(lives);
        let result = store.commit_scan(&report(2, (0, 2), &other));
        if result.is_err() {
            assert!(store.is_read_only());
            assert!(matches!(
                store.commit_scan(&report(3, (0, 2), &other)),
                Err(StoreError::ReadOnly)
            ));
            // Readers see all of the state before, or are told that they can't.
            match store.current(&Filter::default(), &PageRequest::all()) {
                Ok(rows) => {
                    assert!(rows == before || store.scan(ScanId::new(2)).unwrap().is_some());
                }
                Err(error) => assert!(matches!(error, StoreError::Unfinished), "{error}"),
            }
        }
        drop(store);
        tree.fail_after(-1);
        let store = open(&tree);
        assert_eq!(store.verify().unwrap().problems, Vec::<String>::new());
        let mut model = Model::default();
        model.add(1, report(1, (0, 2), &found));
        if store.scan(ScanId::new(2)).unwrap().is_some() {
            model.add(2, report(2, (0, 2), &other));
        } else {
            assert!(result.is_err(), "acknowledged and lost");
        }
        compare(&store, &model);
        if result.is_ok() {
            return;
        }
    }
    panic!("the commit never succeeded");
}

#[test]
fn a_pruning_or_many_expectations_cut_short_are_completed() {
    let found = [Found::Open, Found::Closed, Found::Silent].repeat(6);
    let many: Vec<Expectation> = (1..=300)
        .map(|port| Expectation {
            selector: selector(&Endpoint::tcp(addr(9), port)),
            state: PortState::Open,
            comment: String::new(),
        })
        .collect();
    for lives in 0..60 {
        let tree = MemoryTree::new();
        let store = open(&tree);
        for at in 1..5 {
            store.commit_scan(&report(at, (0, u8::from(at < 4) * 2), &found)).unwrap();
        }
        let before = store.current(&Filter::default(), &PageRequest::all()).unwrap();
        tree.fail_after(lives);
        let _ = store.prune(UnixTime::from_seconds(4));
        let expected = store.expect(&many).is_ok();
        drop(store);
        tree.fail_after(-1);
        let store = open(&tree);
        assert_eq!(store.verify().unwrap().problems, Vec::<String>::new());
        assert_eq!(store.current(&Filter::default(), &PageRequest::all()).unwrap(), before);
        let count = store.expected(&Filter::default(), &PageRequest::all()).unwrap().items.len();
        assert!(count == 300 || (count == 0 && !expected), "{count} of 300");
        if expected {
            return;
        }
    }
    panic!("the expectations were never stored");
}

#[test]
fn a_changed_value_is_an_error_and_never_an_answer() {
    let found = [Found::Open, Found::Closed, Found::Silent].repeat(6);
    let tree = MemoryTree::new();
    let store = open(&tree);
    store.commit_scan(&report(1, (0, 2), &found)).unwrap();
    let keys: Vec<Vec<u8>> = {
        let mut keys = Vec::new();
        tree.tamper(|map| keys.extend(map.keys().cloned()));
        keys
    };
    for key in keys.iter().filter(|key| key[0] != b'm') {
        tree.tamper(|map| *map.get_mut(key).unwrap().last_mut().unwrap() ^= 1);
        assert!(!store.verify().unwrap().problems.is_empty(), "{key:?}");
        if key[0] == b'w' || key[0] == b'k' {
            let rows = store.current(&Filter::default(), &PageRequest::all());
            assert!(matches!(rows, Err(StoreError::Corrupt { .. })));
        }
        tree.tamper(|map| *map.get_mut(key).unwrap().last_mut().unwrap() ^= 1);
    }
    assert_eq!(store.verify().unwrap().problems, Vec::<String>::new());
}

#[test]
fn a_store_of_another_version_is_left_alone() {
    let tree = MemoryTree::new();
    drop(open(&tree));
    tree.tamper(|map| {
        map.insert(b"mschema".to_vec(), 7_u32.to_be_bytes().to_vec());
    });
    let error = Store::over(Box::new(tree.clone()), None).unwrap_err();
    assert!(matches!(error, StoreError::WrongVersion { found: 7, known: 1 }), "{error}");
    tree.tamper(|map| {
        map.remove(b"mschema".as_slice());
        map.insert(b"x".to_vec(), vec![]);
    });
    let error = Store::over(Box::new(tree), None).unwrap_err();
    assert!(matches!(error, StoreError::Corrupt { .. }), "{error}");
}

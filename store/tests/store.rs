//! The store on disk, through its public face.

use std::net::IpAddr;
use std::path::Path;
use std::time::{Duration, Instant};

use portolan_core::target::{AddrRange, Block, PortSet, TargetSet};
use portolan_core::{Endpoint, HostObservation, MacAddr, PortState, Reason, Transport, UnixTime};
use portolan_store::{
    DiffOptions, DriftKind, EndpointState, ExpectError, Expectation, Filter, HostPorts,
    ImportError, PageRequest, ScanId, ScanReport, Selector, ServiceRecord, Side, SiteName, Source,
    Store, StoreError, StoreOptions,
};

const OPTIONS: StoreOptions = StoreOptions { cache_bytes: 8 << 20, reserve_bytes: 1 << 20 };

#[cfg(test)]
mod help {
    use super::*;

    pub(super) fn host(last: u8) -> IpAddr {
        IpAddr::from([10, 0, 0, last])
    }

    pub(super) fn open(dir: &Path) -> Store {
        Store::open(dir, OPTIONS).unwrap()
    }

    pub(super) fn state(endpoint: Endpoint, state: PortState, at: i64) -> EndpointState {
        EndpointState {
            endpoint,
            state,
            reason: if state == PortState::Open { Reason::SynAck } else { Reason::Reset },
            ttl: Some(64),
            rtt: Some(Duration::from_micros(210)),
            at: UnixTime::from_seconds(at),
            service: None,
            banner: None,
        }
    }

    /// A scan of `10.0.0.0/29`, TCP 1 to 100, that found `ports` of host 1 open.
    pub(super) fn report(at: i64, ports: &[u16]) -> ScanReport {
        let mut report =
            ScanReport::empty(SiteName::default(), Source::Engine, UnixTime::from_seconds(at));
        let range = AddrRange::new(host(0), host(7)).unwrap();
        report.coverage = TargetSet::single(Block {
            addrs: [range].into_iter().collect(),
            tcp: [(1, 100)].into_iter().collect(),
            udp: PortSet::new(),
            ..Block::default()
        });
        report.finished_at = UnixTime::from_seconds(at + 5);
        report.states = ports
            .iter()
            .map(|p| state(Endpoint::tcp(host(1), *p), PortState::Open, at + 1))
            .collect();
        let closed: PortSet = (1..=100_u16).filter(|p| !ports.contains(p)).collect();
        report.closed = vec![HostPorts { addr: host(1), transport: Transport::Tcp, ports: closed }];
        report.hosts = vec![HostObservation {
            at: UnixTime::from_seconds(at),
            addr: host(1),
            reason: Reason::ArpResponse,
            mac: Some(MacAddr([2, 0, 0, 0, 0, 1])),
            ttl: None,
            rtt: None,
        }];
        report
    }

    pub(super) fn exact(port: u16, state: PortState, comment: &str) -> Expectation {
        Expectation {
            selector: Selector {
                site: SiteName::default(),
                addrs: AddrRange::single(host(1)),
                transport: Transport::Tcp,
                ports: (port, port),
            },
            state,
            comment: comment.to_owned(),
        }
    }

    pub(super) fn golden_report() -> ScanReport {
        let mut report = report(1000, &[22, 80]);
        report.name = Some("nightly".to_owned());
        report.counters.rejected.insert("checksum".to_owned(), 3);
        report.counters.loss_estimate = Some(0.25);
        report.states[0].banner = Some(b"SSH-2.0-x\r\n\xff".to_vec());
        report.states[0].service = Some(ServiceRecord {
            name: "ssh".to_owned(),
            product: Some("OpenSSH".to_owned()),
            version: Some("9.2p1".to_owned()),
            extra: None,
            cpe: vec!["cpe:2.3:a:openbsd:openssh:9.2:p1:*:*:*:*:*:*".to_owned()],
            tls: false,
            ..ServiceRecord::default()
        });
        report
    }

    /// The difference between expected and current state as short texts.
    pub(super) fn drift(store: &Store) -> Vec<String> {
        let page = store
            .diff(
                Side::Expected,
                Side::Current,
                &Filter::default(),
                &DiffOptions::default(),
                &PageRequest::all(),
            )
            .unwrap()
            .unwrap();
        page.items.iter().map(|row| format!("{} {}", row.endpoint.port, row.kind)).collect()
    }

    pub(super) fn states(store: &Store, states: &[PortState]) -> Vec<u16> {
        let filter = Filter { states: states.to_vec(), ..Filter::default() };
        let page = store.current(&filter, &PageRequest::all()).unwrap();
        page.items.iter().map(|row| row.endpoint.port).collect()
    }
}

use help::*;

#[test]
fn what_is_committed_is_there_after_reopening() {
    let dir = tempfile::tempdir().unwrap();
    let store = open(dir.path());
    let id = store.commit_scan(&report(1000, &[22, 80])).unwrap();
    assert_eq!(id, ScanId::new(1000));
    // The second is taken: the next free one is.
    assert_eq!(store.commit_scan(&report(1000, &[22])).unwrap(), ScanId::new(1001));
    drop(store);
    let store = open(dir.path());
    assert_eq!(store.scans(&PageRequest::all()).unwrap().items.len(), 2);
    let scan = store.scan(id).unwrap().unwrap();
    assert_eq!(scan.coverage, report(1000, &[]).coverage);
    let rows = store.scan_states(id, &Filter::default(), &PageRequest::all()).unwrap().unwrap();
    assert_eq!(rows.items.len(), 100);
    assert!(
        store
            .scan_states(ScanId::new(5), &Filter::default(), &PageRequest::all())
            .unwrap()
            .is_none()
    );
    assert_eq!(states(&store, &[PortState::Open]), [22]);
    assert_eq!(states(&store, &[PortState::Closed]).len(), 99);
    let hosts = store.hosts(&Filter::default(), &PageRequest::all()).unwrap().items;
    assert_eq!(hosts.len(), 1);
    assert_eq!(hosts[0].mac, Some(MacAddr([2, 0, 0, 0, 0, 1])));
    assert_eq!(hosts[0].open, 1);
    assert_eq!(store.verify().unwrap().problems, Vec::<String>::new());
}

#[test]
fn transitions_tell_what_changed_and_nothing_else() {
    let dir = tempfile::tempdir().unwrap();
    let store = open(dir.path());
    for (at, ports) in [(1000, &[22, 80][..]), (2000, &[22]), (3000, &[22]), (4000, &[22, 80])] {
        store.commit_scan(&report(at, ports)).unwrap();
    }
    let all = store.transitions(&Filter::default(), &PageRequest::all()).unwrap().items;
    let told: Vec<String> = all
        .iter()
        .map(|t| format!("{} {} {:?}->{}", t.scan, t.endpoint.port, t.from, t.to))
        .collect();
    assert_eq!(
        told,
        [
            "1000 22 None->open",
            "1000 80 None->open",
            "2000 80 Some(Open)->closed",
            "4000 80 Some(Closed)->open"
        ]
    );
    let filter = Filter { states: vec![PortState::Open], ..Filter::default() };
    let row = store.current(&filter, &PageRequest::all()).unwrap().items.remove(1);
    assert_eq!(row.first_seen, UnixTime::from_seconds(1001));
    assert_eq!(row.since, UnixTime::from_seconds(4001));
    assert_eq!(row.scan, ScanId::new(4000));
}

#[test]
fn an_endpoint_leaves_open_only_where_it_was_asked() {
    let dir = tempfile::tempdir().unwrap();
    let store = open(dir.path());
    store.commit_scan(&report(1000, &[22, 80])).unwrap();
    let mut other = report(2000, &[]);
    other.closed.clear();
    other.hosts.clear();
    let range = AddrRange::new(host(2), host(7)).unwrap();
    other.coverage = TargetSet::single(Block {
        addrs: [range].into_iter().collect(),
        tcp: [(1, 100)].into_iter().collect(),
        udp: PortSet::new(),
        ..Block::default()
    });
    store.commit_scan(&other).unwrap();
    assert_eq!(states(&store, &[PortState::Open]), [22, 80]);
    // Asked and silent: filtered.
    let mut silent = report(3000, &[22]);
    silent.closed.clear();
    assert_eq!(store.unconfirmed(&silent).unwrap(), [Endpoint::tcp(host(1), 80)]);
    store.commit_scan(&silent).unwrap();
    assert_eq!(states(&store, &[PortState::Open]), [22]);
    assert!(states(&store, &[PortState::Filtered]).contains(&80));
}

#[test]
fn an_old_report_does_not_unsay_a_newer_one() {
    let dir = tempfile::tempdir().unwrap();
    let store = open(dir.path());
    store.commit_scan(&report(5000, &[22])).unwrap();
    store.commit_scan(&report(1000, &[22, 80])).unwrap();
    assert_eq!(states(&store, &[PortState::Open]), [22]);
    let filter = Filter { states: vec![PortState::Open], ..Filter::default() };
    let row = store.current(&filter, &PageRequest::all()).unwrap().items.remove(0);
    assert_eq!((row.first_seen, row.scan), (UnixTime::from_seconds(1001), ScanId::new(5000)));
}

#[test]
fn expectations_and_drift() {
    let dir = tempfile::tempdir().unwrap();
    let store = open(dir.path());
    store.commit_scan(&report(1000, &[22, 80])).unwrap();
    assert_eq!(drift(&store), ["22 unexpected_open", "80 unexpected_open"]);
    store.expect(&[exact(22, PortState::Open, "ssh"), exact(99, PortState::Closed, "")]).unwrap();
    assert_eq!(drift(&store), ["80 unexpected_open"]);
    let summary = store.summary().unwrap();
    assert_eq!(summary.rogue.values().sum::<u64>(), 1);
    assert_eq!(summary.rogue_by_kind[&(SiteName::default(), DriftKind::UnexpectedOpen)], 1);
    // A range permits; an exact expectation inside it is more specific.
    let mut range = exact(50, PortState::Open, "lab");
    range.selector.addrs = AddrRange::new(host(0), host(255)).unwrap();
    range.selector.ports = (1, 100);
    store.expect(std::slice::from_ref(&range)).unwrap();
    assert_eq!(drift(&store), Vec::<String>::new());
    store.expect(&[exact(80, PortState::Closed, "never")]).unwrap();
    assert_eq!(drift(&store), ["80 unexpected_open"]);
    assert_eq!(store.unexpect(&[range.selector.clone(), range.selector]).unwrap(), 1);
    store.commit_scan(&report(2000, &[80])).unwrap();
    assert_eq!(drift(&store), ["22 missing", "80 unexpected_open"]);
    assert_eq!(store.accept(&Filter::default(), None).unwrap(), 2);
    assert_eq!(drift(&store), Vec::<String>::new());
    assert_eq!(store.summary().unwrap().rogue.len(), 0);
    let all = store.expected(&Filter::default(), &PageRequest::all()).unwrap().items;
    let told: Vec<String> =
        all.iter().map(|e| format!("{} {} {}", e.selector.ports.0, e.state, e.comment)).collect();
    assert_eq!(told, ["22 closed ssh", "80 open never", "99 closed "]);
}

#[test]
fn a_whole_expected_state_replaces_another_at_once() {
    let dir = tempfile::tempdir().unwrap();
    let store = open(dir.path());
    let berlin = |port| {
        let mut entry = exact(port, PortState::Open, "");
        entry.selector.site = "berlin".parse().unwrap();
        entry
    };
    store.expect(&[exact(22, PortState::Open, "old"), exact(80, PortState::Open, "")]).unwrap();
    store.expect(&[berlin(22)]).unwrap();
    let wanted = [exact(22, PortState::Open, "new"), exact(443, PortState::Open, "")];
    assert_eq!(store.expect_only(&wanted).unwrap(), 2, "port 80, and the other site's 22");
    let all = store.expected(&Filter::default(), &PageRequest::all()).unwrap().items;
    assert_eq!(all, wanted);
    let bad = [exact(25, PortState::Open, ""), exact(0, PortState::Open, "")];
    assert!(matches!(store.expect_only(&bad), Err(ExpectError::Invalid(p)) if p.len() == 1));
    assert_eq!(store.expected(&Filter::default(), &PageRequest::all()).unwrap().items, wanted);
}

#[test]
fn bad_expectations_change_nothing() {
    let dir = tempfile::tempdir().unwrap();
    let store = open(dir.path());
    let mut reversed = exact(1, PortState::Open, "");
    reversed.selector.ports = (9, 1);
    let list = [
        exact(22, PortState::Open, ""),
        exact(0, PortState::Open, ""),
        reversed,
        exact(22, PortState::Closed, ""),
        exact(23, PortState::Open, &"x".repeat(1025)),
    ];
    let Err(ExpectError::Invalid(problems)) = store.expect(&list) else { panic!("accepted") };
    assert_eq!(problems.iter().map(|(i, _)| *i).collect::<Vec<_>>(), [1, 2, 3, 4]);
    assert!(store.expected(&Filter::default(), &PageRequest::all()).unwrap().items.is_empty());
    // More than one batch holds.
    let many: Vec<_> = (1..=1000).map(|port| exact(port, PortState::Open, "")).collect();
    store.expect(&many).unwrap();
    assert_eq!(store.expected(&Filter::default(), &PageRequest::all()).unwrap().items.len(), 1000);
    assert_eq!(store.verify().unwrap().problems, Vec::<String>::new());
}

#[test]
fn the_strict_difference_is_portmantools_full_join() {
    let dir = tempfile::tempdir().unwrap();
    let store = open(dir.path());
    store.commit_scan(&report(1000, &[22])).unwrap();
    let mut unseen = exact(7, PortState::Closed, "");
    unseen.selector.addrs = AddrRange::single(host(200));
    store.expect(&[exact(22, PortState::Open, ""), unseen]).unwrap();
    let strict = DiffOptions { strict: true, ..DiffOptions::default() };
    let filter = Filter::default();
    let all = store
        .diff(Side::Expected, Side::Current, &filter, &strict, &PageRequest::all())
        .unwrap()
        .unwrap()
        .items;
    assert_eq!(
        all.iter().filter(|r| r.from.is_none() && r.to == Some(PortState::Closed)).count(),
        99
    );
    assert_eq!(
        all.iter().filter(|r| r.from == Some(PortState::Closed) && r.to.is_none()).count(),
        1
    );
    assert_eq!(all.len(), 100);
    assert_eq!(drift(&store), Vec::<String>::new());
}

#[test]
fn scans_are_compared_with_each_other_and_the_current_state() {
    let dir = tempfile::tempdir().unwrap();
    let store = open(dir.path());
    let a = store.commit_scan(&report(1000, &[22, 80])).unwrap();
    let b = store.commit_scan(&report(2000, &[22, 81])).unwrap();
    let kinds = |from, to| -> Vec<String> {
        let all = PageRequest::all();
        let page = store.diff(from, to, &Filter::default(), &DiffOptions::default(), &all);
        let rows = page.unwrap().unwrap().items;
        rows.iter().map(|r| format!("{} {}", r.endpoint.port, r.kind)).collect()
    };
    assert_eq!(kinds(Side::Scan(a), Side::Scan(b)), ["80 closed", "81 opened"]);
    assert_eq!(kinds(Side::Scan(a), Side::Current), ["80 closed", "81 opened"]);
    assert!(kinds(Side::Scan(b), Side::Current).is_empty());
    assert_eq!(kinds(Side::Scan(a), Side::Expected), ["22 unexpected_open", "80 unexpected_open"]);
    let unknown = store.diff(
        Side::Scan(ScanId::new(7)),
        Side::Current,
        &Filter::default(),
        &DiffOptions::default(),
        &PageRequest::all(),
    );
    assert!(unknown.unwrap().is_none());
}

#[test]
fn pruning_leaves_the_current_state_as_it_is() {
    let dir = tempfile::tempdir().unwrap();
    let store = open(dir.path());
    let mut wide = report(1000, &[22, 80]);
    wide.states.push(state(Endpoint::tcp(host(3), 5000), PortState::Open, 1001));
    store.commit_scan(&wide).unwrap();
    store.commit_scan(&report(2000, &[22])).unwrap();
    store.commit_scan(&report(3000, &[22])).unwrap();
    let before = store.current(&Filter::default(), &PageRequest::all()).unwrap().items;
    let outcome = store.prune(UnixTime::from_seconds(3000)).unwrap();
    assert_eq!((outcome.scans, outcome.endpoints), (1, 100));
    assert_eq!(store.current(&Filter::default(), &PageRequest::all()).unwrap().items, before);
    let scans = store.scans(&PageRequest::all()).unwrap().items;
    let left: Vec<(i64, bool)> = scans.iter().map(|s| (s.id.as_i64(), s.pruned)).collect();
    assert_eq!(left, [(1000, true), (3000, false)]);
    assert_eq!(store.verify().unwrap().problems, Vec::<String>::new());
    drop(store);
    let store = open(dir.path());
    assert_eq!(store.current(&Filter::default(), &PageRequest::all()).unwrap().items, before);
}

#[test]
fn pages_join_to_the_whole_and_survive_changes() {
    let dir = tempfile::tempdir().unwrap();
    let store = open(dir.path());
    store.commit_scan(&report(1000, &[22, 80])).unwrap();
    let all = store.current(&Filter::default(), &PageRequest::all()).unwrap().items;
    let mut page = PageRequest::first(7);
    let mut joined = Vec::new();
    loop {
        let part = store.current(&Filter::default(), &page).unwrap();
        assert!(part.items.len() <= 7);
        joined.extend(part.items);
        let Some(next) = part.next else { break };
        page.cursor = Some(next.to_string().parse().unwrap());
    }
    assert_eq!(joined, all);
    // Between two pages the store changes: nothing before the cursor comes again.
    let first = store.current(&Filter::default(), &PageRequest::first(50)).unwrap();
    store.commit_scan(&report(2000, &[22, 80, 3])).unwrap();
    let rest = PageRequest { limit: 1000, cursor: first.next };
    let rest = store.current(&Filter::default(), &rest).unwrap().items;
    assert_eq!(rest.first().unwrap().endpoint.port, first.items.last().unwrap().endpoint.port + 1);
    assert_eq!(rest.len(), 50);
    // A cursor of another list is refused.
    let wrong = store.scans(&PageRequest::first(1)).unwrap().next;
    let wrong = PageRequest { limit: 1, cursor: wrong };
    assert!(matches!(store.hosts(&Filter::default(), &wrong), Err(StoreError::BadCursor)));
}

#[test]
fn an_export_comes_back_equal_or_not_at_all() {
    let dir = tempfile::tempdir().unwrap();
    let store = open(dir.path());
    let mut named = report(1000, &[22, 80]);
    named.name = Some("nightly".to_owned());
    named.states[0].banner = Some(b"SSH-2.0-x\r\n\xff".to_vec());
    named.counters.rejected.insert("checksum".to_owned(), 3);
    store.commit_scan(&named).unwrap();
    store.commit_scan(&report(2000, &[22])).unwrap();
    store.expect(&[exact(22, PortState::Open, "ssh")]).unwrap();
    store.count_import(None).unwrap();
    let mut text = Vec::new();
    store.export(&mut text).unwrap();
    let other = tempfile::tempdir().unwrap();
    let copy = open(other.path());
    let outcome = copy.import(&mut text.as_slice()).unwrap();
    assert_eq!(outcome.scans, 2);
    let mut again = Vec::new();
    copy.export(&mut again).unwrap();
    assert_eq!(String::from_utf8(text.clone()).unwrap(), String::from_utf8(again).unwrap());
    assert_eq!(copy.summary().unwrap().last_success, store.summary().unwrap().last_success);
    assert!(matches!(copy.import(&mut text.as_slice()), Err(ImportError::NotEmpty)));
    // Cut anywhere, or with one byte changed: refused, and the store stays empty.
    let third = tempfile::tempdir().unwrap();
    let empty = open(third.path());
    for cut in (0..text.len()).step_by(text.len() / 40 + 1) {
        assert!(empty.import(&mut &text[..cut]).is_err(), "cut at {cut}");
        let mut bad = text.clone();
        bad[cut] ^= 1;
        assert!(empty.import(&mut bad.as_slice()).is_err(), "changed at {cut}");
    }
    assert!(empty.scans(&PageRequest::all()).unwrap().items.is_empty());
    empty.import(&mut text.as_slice()).unwrap();
}

#[test]
fn one_process_at_a_time() {
    let dir = tempfile::tempdir().unwrap();
    let _store = open(dir.path());
    assert!(matches!(Store::open(dir.path(), OPTIONS), Err(StoreError::Locked { .. })));
}

#[test]
fn a_nearly_full_disk_is_left_alone() {
    let dir = tempfile::tempdir().unwrap();
    let options = StoreOptions { reserve_bytes: u64::MAX, ..OPTIONS };
    assert!(matches!(Store::open(dir.path(), options), Err(StoreError::Full { .. })));
    assert!(!dir.path().join("db").exists());
    // What is there can be read, and is not added to.
    open(dir.path()).commit_scan(&report(1000, &[22])).unwrap();
    let store = Store::open(dir.path(), options).unwrap();
    assert_eq!(states(&store, &[PortState::Open]), [22]);
    assert!(matches!(store.commit_scan(&report(2000, &[])), Err(StoreError::Full { .. })));
    assert!(!store.is_read_only());
}

/// What is asked over SCTP can fall silent, go out and come back as TCP can.
#[test]
fn sctp_is_covered_as_tcp_is() {
    let dir = tempfile::tempdir().unwrap();
    let store = open(dir.path());
    let at = |at: i64, open: &[u16], closed: &[u16]| {
        let mut report = report(at, &[22]);
        let mut block = report.coverage.blocks()[0].clone();
        block.sctp = [2905, 36_412, 38_412].into_iter().collect();
        report.coverage = TargetSet::single(block);
        let sctp = |port| Endpoint::new(host(1), Transport::Sctp, port);
        report.states.extend(open.iter().map(|p| state(sctp(*p), PortState::Open, at + 1)));
        let ports = closed.iter().copied().collect();
        report.closed.push(HostPorts { addr: host(1), transport: Transport::Sctp, ports });
        report
    };
    let first = store.commit_scan(&at(1000, &[2905, 36_412], &[38_412])).unwrap();
    let gone = Endpoint::new(host(1), Transport::Sctp, 36_412);
    let second = at(2000, &[2905], &[38_412]);
    assert_eq!(store.unconfirmed(&second).unwrap(), [gone], "asked again before it is told");
    let second = store.commit_scan(&second).unwrap();
    assert_eq!(store.scan(second).unwrap().unwrap().coverage, at(2000, &[], &[]).coverage);

    let mut text = Vec::new();
    store.export(&mut text).unwrap();
    let other = tempfile::tempdir().unwrap();
    let copy = open(other.path());
    copy.import(&mut text.as_slice()).unwrap();
    let mut again = Vec::new();
    copy.export(&mut again).unwrap();
    assert_eq!(String::from_utf8(text).unwrap(), String::from_utf8(again).unwrap());

    let all = PageRequest::all();
    for store in [&store, &copy] {
        assert_eq!(store.verify().unwrap().problems, Vec::<String>::new());
        let sctp = Filter { transport: Some(Transport::Sctp), ..Filter::default() };
        let rows = store.current(&sctp, &all).unwrap().items;
        let rows: Vec<_> = rows.iter().map(|r| (r.endpoint.port, r.state, r.reason)).collect();
        let open = (2905, PortState::Open, Reason::SynAck);
        let silent = (36_412, PortState::Filtered, Reason::NoResponse);
        assert_eq!(rows, [open, silent, (38_412, PortState::Closed, Reason::Abort)]);
        let sides = (Side::Scan(first), Side::Scan(second));
        let options = DiffOptions::default();
        let page = store.diff(sides.0, sides.1, &sctp, &options, &all).unwrap().unwrap();
        let told: Vec<_> = page.items.iter().map(|r| (r.endpoint, r.from, r.to)).collect();
        assert_eq!(told, [(gone, Some(PortState::Open), Some(PortState::Filtered))]);
    }
    // What later scans have superseded goes, and the rest keeps its coverage.
    store.prune(UnixTime::from_seconds(1500)).unwrap();
    assert_eq!(store.verify().unwrap().problems, Vec::<String>::new());
    let kept = store.scan(second).unwrap().unwrap();
    assert!(kept.coverage.contains(&gone));
}

/// The golden store was written by layout version 1 and is read by every later program.
#[test]
fn a_store_of_layout_version_1_is_read() {
    let golden = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/golden/v1");
    let dir = tempfile::tempdir().unwrap();
    if std::env::var_os("PORTOLAN_WRITE_GOLDEN").is_some() {
        let store = open(&golden);
        store.commit_scan(&golden_report()).unwrap();
        store.commit_scan(&report(2000, &[22])).unwrap();
        store.expect(&[exact(22, PortState::Open, "ssh"), exact(80, PortState::Open, "")]).unwrap();
        let mut text = Vec::new();
        store.export(&mut text).unwrap();
        std::fs::write(golden.join("export.ndjson"), text).unwrap();
    }
    std::fs::create_dir(dir.path().join("db")).unwrap();
    for entry in std::fs::read_dir(golden.join("db")).unwrap() {
        let entry = entry.unwrap();
        if entry.file_type().unwrap().is_file() {
            std::fs::copy(entry.path(), dir.path().join("db").join(entry.file_name())).unwrap();
        }
    }
    let store = open(dir.path());
    assert_eq!(store.verify().unwrap().problems, Vec::<String>::new());
    let mut text = Vec::new();
    store.export(&mut text).unwrap();
    let expected = std::fs::read_to_string(golden.join("export.ndjson")).unwrap();
    assert_eq!(String::from_utf8(text).unwrap(), expected);
    // The export says the same to an empty store.
    let other = tempfile::tempdir().unwrap();
    let copy = open(other.path());
    copy.import(&mut expected.as_bytes()).unwrap();
    for store in [&store, &copy] {
        assert_eq!(drift(store), ["80 missing"]);
        assert_eq!(states(store, &[PortState::Open]), [22]);
        let scan = store.scan(ScanId::new(1000)).unwrap().unwrap();
        assert_eq!(scan.name.as_deref(), Some("nightly"));
        let rows = store.scan_states(scan.id, &Filter::default(), &PageRequest::all());
        let row = &rows.unwrap().unwrap().items[21].state;
        assert_eq!(row, &golden_report().states[0]);
    }
}

#[test]
fn a_report_of_200_000_ports_is_committed_quickly_and_read_by_page() {
    let dir = tempfile::tempdir().unwrap();
    let store = open(dir.path());
    let mut big = report(1000, &[]);
    big.closed.clear();
    for last in 1..=4 {
        big.states.extend((1..=50_000_u16).map(|port| {
            let which = if port % 2 == 0 { PortState::Open } else { PortState::Closed };
            state(Endpoint::tcp(host(last), port), which, 1001)
        }));
    }
    // A few seconds in a debug build on a busy machine; a fifth of that is the rule.
    let limit = Duration::from_secs(20);
    for at in [1000, 2000] {
        big.started_at = UnixTime::from_seconds(at);
        let started = Instant::now();
        store.commit_scan(&big).unwrap();
        assert!(started.elapsed() < limit, "{:?}", started.elapsed());
    }
    let page = store.scan_states(ScanId::new(1000), &Filter::default(), &PageRequest::first(100));
    assert_eq!(page.unwrap().unwrap().items.len(), 100);
    let open = Filter { states: vec![PortState::Open], ..Filter::default() };
    let mut page = PageRequest::first(30_000);
    let mut count = 0;
    loop {
        let part = store.current(&open, &page).unwrap();
        count += part.items.len();
        let Some(next) = part.next else { break };
        page.cursor = Some(next);
    }
    assert_eq!(count, 100_000);
}

#[test]
fn readers_see_the_state_before_or_after_a_commit_and_nothing_between() {
    let dir = tempfile::tempdir().unwrap();
    let store = open(dir.path());
    let wide = |at: i64| {
        let mut report = report(at, &[]);
        report.closed.clear();
        let ports = 1..=2000_u16;
        report.states = ports
            .map(|port| {
                let open = (i64::from(port) + at) % 2 == 0;
                let which = if open { PortState::Open } else { PortState::Closed };
                state(Endpoint::tcp(host(1), port), which, at)
            })
            .collect();
        report
    };
    store.commit_scan(&wide(1000)).unwrap();
    let done = std::sync::atomic::AtomicBool::new(false);
    std::thread::scope(|scope| {
        let reader = scope.spawn(|| {
            let mut reads = 0_u32;
            while reads == 0 || !done.load(std::sync::atomic::Ordering::SeqCst) {
                let rows = store.current(&Filter::default(), &PageRequest::all()).unwrap().items;
                let listed = rows.iter().filter(|row| row.state != PortState::Filtered);
                let scans: std::collections::BTreeSet<ScanId> =
                    listed.map(|row| row.scan).collect();
                assert_eq!(scans.len(), 1, "{scans:?}");
                let summary = store.summary().unwrap();
                assert_eq!(summary.rogue.values().sum::<u64>(), 1000);
                reads += 1;
            }
            reads
        });
        for at in 1001..1020 {
            store.commit_scan(&wide(at)).unwrap();
        }
        done.store(true, std::sync::atomic::Ordering::SeqCst);
        assert!(reader.join().unwrap() > 0);
    });
}

#[test]
fn many_hosts_with_few_ports_are_committed_quickly_too() {
    let dir = tempfile::tempdir().unwrap();
    let store = open(dir.path());
    let addr = |n: u16| {
        let [high, low] = n.to_be_bytes();
        IpAddr::from([10, 78, high, low])
    };
    let mut wide = report(1000, &[]);
    let range = AddrRange::new(addr(0), addr(u16::MAX)).unwrap();
    wide.coverage = TargetSet::single(Block {
        addrs: [range].into_iter().collect(),
        tcp: [(1, 32)].into_iter().collect(),
        udp: PortSet::new(),
        ..Block::default()
    });
    wide.hosts.clear();
    wide.states =
        (0..20_000).map(|n| state(Endpoint::tcp(addr(n), 22), PortState::Open, 1001)).collect();
    let ports: PortSet = [(1, 21), (23, 32)].into_iter().collect();
    wide.closed = (0..20_000)
        .map(|n| HostPorts { addr: addr(n), transport: Transport::Tcp, ports: ports.clone() })
        .collect();
    let started = Instant::now();
    store.commit_scan(&wide).unwrap();
    assert!(started.elapsed() < Duration::from_secs(30), "{:?}", started.elapsed());
    assert_eq!(store.summary().unwrap().ports.values().sum::<u64>(), 20_000 * 32);
    let one = Filter { addrs: Some([addr(300)].into_iter().collect()), ..Filter::default() };
    assert_eq!(store.current(&one, &PageRequest::all()).unwrap().items.len(), 32);
    let hosts = store.hosts(&Filter::default(), &PageRequest::first(10)).unwrap();
    assert_eq!(hosts.items.len(), 10);
}

#[test]
fn one_address_at_two_sites_is_two_hosts() {
    let dir = tempfile::tempdir().unwrap();
    let store = open(dir.path());
    let mut berlin = report(1000, &[22]);
    berlin.site = "berlin".parse().unwrap();
    let mut paris = report(1000, &[80]);
    paris.site = "paris".parse().unwrap();
    store.commit_scan(&berlin).unwrap();
    store.commit_scan(&paris).unwrap();
    let at = |site: &SiteName| {
        let states = vec![PortState::Open];
        let filter = Filter { site: Some(site.clone()), states, ..Filter::default() };
        let rows = store.current(&filter, &PageRequest::all()).unwrap().items;
        rows.iter().map(|row| row.endpoint.port).collect::<Vec<_>>()
    };
    assert_eq!(at(&berlin.site), [22]);
    assert_eq!(at(&paris.site), [80]);
    assert_eq!(at(&"rome".parse().unwrap()), [] as [u16; 0]);
    assert_eq!(drift(&store).len(), 2);
    // Pages of a difference join over sites.
    let mut page = PageRequest::first(1);
    let mut count = 0;
    loop {
        let (filter, options) = (Filter::default(), DiffOptions::default());
        let part = store.diff(Side::Expected, Side::Current, &filter, &options, &page);
        let part = part.unwrap().unwrap();
        count += part.items.len();
        let Some(next) = part.next else { break };
        page.cursor = Some(next);
    }
    assert_eq!(count, 2);
}

#[test]
fn a_confirmation_replaces_what_was_silent_and_unsays_no_answer() {
    let mut first = report(1000, &[22]);
    first.closed.clear();
    let mut again = report(1010, &[80]);
    again.closed.clear();
    again.coverage = TargetSet::of_endpoints(&[22, 80, 81].map(|p| Endpoint::tcp(host(1), p)));
    let coverage = first.coverage.clone();
    first.absorb(again);
    assert_eq!(first.coverage, coverage);
    assert_eq!(first.state_of(&Endpoint::tcp(host(1), 80)), Some(PortState::Open));
    assert_eq!(first.state_of(&Endpoint::tcp(host(1), 22)), Some(PortState::Open));
    assert_eq!(first.state_of(&Endpoint::tcp(host(1), 81)), Some(PortState::Filtered));
    assert_eq!(first.finished_at, UnixTime::from_seconds(1015));
}

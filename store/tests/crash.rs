//! The store is killed at random moments, and everything it acknowledged is there.
//!
//! The child is this test binary again: it commits scans in a loop and prints the number of each
//! once `commit_scan` has returned. `PORTOLAN_CRASH_KILLS` sets the number of kills (200),
//! `PORTOLAN_CRASH_SEED` their moments.

use std::collections::BTreeSet;
use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::IpAddr;
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use portolan_core::target::{AddrRange, Block, PortSet, TargetSet};
use portolan_core::{Endpoint, PortState, Reason, UnixTime};
use portolan_store::{
    EndpointState, Filter, PageRequest, ScanId, ScanReport, SiteName, Source, Store, StoreOptions,
};

const DIR: &str = "PORTOLAN_CRASH_DIR";
const LIMITED_DIR: &str = "PORTOLAN_LIMITED_DIR";
const PORTS: u16 = 700;
const OPTIONS: StoreOptions = StoreOptions { cache_bytes: 8 << 20, reserve_bytes: 16 << 20 };

/// splitmix64.
fn random(state: &mut u64) -> u64 {
    *state = state.wrapping_add(0x9e37_79b9_7f4a_7c15);
    let mut z = *state;
    z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    z ^ (z >> 31)
}

/// The scan of second `at`: every port has an answer, which of them are open depends on `at`.
fn report(at: i64) -> ScanReport {
    let addr = IpAddr::from([10, 0, 0, 1]);
    let mut report =
        ScanReport::empty(SiteName::default(), Source::Engine, UnixTime::from_seconds(at));
    report.coverage = TargetSet::single(Block {
        addrs: [AddrRange::single(addr)].into_iter().collect(),
        tcp: [(1, PORTS)].into_iter().collect(),
        udp: PortSet::new(),
        ..Block::default()
    });
    report.states = (1..=PORTS).map(|port| row(Endpoint::tcp(addr, port), at)).collect();
    report
}

fn row(endpoint: Endpoint, at: i64) -> EndpointState {
    let open = (i64::from(endpoint.port) + at) % 3 == 0;
    EndpointState {
        endpoint,
        state: if open { PortState::Open } else { PortState::Closed },
        reason: if open { Reason::SynAck } else { Reason::Reset },
        ttl: None,
        rtt: None,
        at: UnixTime::from_seconds(at),
        service: None,
        banner: None,
    }
}

/// Runs in the child: commits until killed.
#[cfg(test)]
#[test]
fn child() {
    let Some(dir) = std::env::var_os(DIR) else { return };
    let mut out = std::io::stderr();
    out.write_all(b"opening\n").unwrap();
    let store = Store::open(Path::new(&dir), OPTIONS).unwrap();
    let scans = store.scans(&PageRequest::all()).unwrap().items;
    let mut at = scans.last().map_or(1000, |scan| scan.id.as_i64() + 1);
    loop {
        let id = store.commit_scan(&report(at)).unwrap();
        out.write_all(format!("ack {id}\n").as_bytes()).unwrap();
        // The store stays small, and pruning is killed too.
        if at % 16 == 0 {
            store.prune(UnixTime::from_seconds(at - 8)).unwrap();
            out.write_all(format!("pruned {}\n", at - 8).as_bytes()).unwrap();
        }
        at += 1;
    }
}

/// Runs in the child, under a limit of file size: commits until a write fails.
#[cfg(test)]
#[test]
fn limited_child() {
    let Some(dir) = std::env::var_os(LIMITED_DIR) else { return };
    let mut out = std::io::stderr();
    let store = Store::open(Path::new(&dir), OPTIONS).unwrap();
    for at in 1000..4000 {
        match store.commit_scan(&report(at)) {
            Ok(id) => out.write_all(format!("ack {id}\n").as_bytes()).unwrap(),
            Err(error) => {
                assert!(store.is_read_only(), "{error}");
                assert!(store.commit_scan(&report(at)).is_err());
                out.write_all(b"failed\n").unwrap();
                // As after a failure of the disk, nothing is written on the way out.
                return;
            }
        }
    }
}

/// A file that may not grow is what a full disk is to the database: writes fail from then on.
#[test]
fn a_write_that_the_system_refuses_loses_nothing() {
    let dir = tempfile::tempdir().unwrap();
    let exe = std::env::current_exe().unwrap();
    let output = Command::new("sh")
        .arg("-c")
        .arg("trap '' XFSZ; ulimit -f 6000; exec \"$0\" --exact limited_child --nocapture --test-threads=1")
        .arg(exe)
        .env(LIMITED_DIR, dir.path())
        .stdin(Stdio::null())
        .output()
        .unwrap();
    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(said.contains("failed\n"), "{said}");
    let acknowledged: Vec<i64> = said
        .lines()
        .filter_map(|line| line.strip_prefix("ack "))
        .map(|id| id.parse().unwrap())
        .collect();
    let last = acknowledged.last().copied().unwrap();
    let store = Store::open(dir.path(), OPTIONS).unwrap();
    check(&store, last, None);
    assert_eq!(store.verify().unwrap().problems, Vec::<String>::new());
    store.commit_scan(&report(9000)).unwrap();
}

/// What a child said before it was killed.
struct Said {
    acknowledged: Vec<i64>,
    pruned: i64,
}

#[cfg(test)]
fn run_and_kill(dir: &Path, after: Duration) -> Said {
    let mut child = Command::new(std::env::current_exe().unwrap())
        .args(["--exact", "child", "--nocapture", "--test-threads=1"])
        .env(DIR, dir)
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let mut lines = BufReader::new(child.stderr.take().unwrap());
    // The clock starts when the store is being opened, so that openings are killed too.
    let mut first = String::new();
    lines.read_line(&mut first).unwrap();
    assert_eq!(first, "opening\n");
    let started = Instant::now();
    while started.elapsed() < after {
        std::thread::yield_now();
    }
    child.kill().unwrap();
    child.wait().unwrap();
    let mut rest = String::new();
    lines.read_to_string(&mut rest).unwrap();
    let mut said = Said { acknowledged: Vec::new(), pruned: 0 };
    // A line that the kill has cut off acknowledges nothing.
    let whole = rest.rfind('\n').map_or("", |end| &rest[..end]);
    for line in whole.lines() {
        match line.split_once(' ') {
            Some(("ack", id)) => said.acknowledged.push(id.parse().unwrap()),
            Some(("pruned", keep)) => said.pruned = keep.parse().unwrap(),
            _ => panic!("the child said: {rest}"),
        }
    }
    said
}

/// Every scan that is there is whole, and the current state is the newest's. `pruned` is how far
/// a child said that it had pruned; `None` where none ever prunes.
#[cfg(test)]
fn check(store: &Store, last_acknowledged: i64, pruned: Option<i64>) -> i64 {
    let all = PageRequest::all();
    let scans = store.scans(&all).unwrap().items;
    let ids: Vec<i64> = scans.iter().map(|scan| scan.id.as_i64()).collect();
    let newest = ids.last().copied().unwrap_or(0);
    assert!(
        newest >= last_acknowledged,
        "scan {last_acknowledged} is lost, the newest is {newest}"
    );
    // A pruning may have been decided and not been told of: it keeps eight scans.
    let kept_from =
        pruned.map_or(1000, |told| told.max(newest - newest.rem_euclid(16) - 8).max(1000));
    let present: BTreeSet<i64> = ids.iter().copied().collect();
    for id in kept_from.min(newest)..=newest {
        assert!(newest == 0 || present.contains(&id), "scan {id} is lost: {ids:?}");
    }
    for id in ids {
        let rows = store.scan_states(ScanId::new(id), &Filter::default(), &all).unwrap().unwrap();
        let found: Vec<EndpointState> = rows.items.into_iter().map(|row| row.state).collect();
        assert!(found == report(id).states, "scan {id} is not whole");
    }
    if newest > 0 {
        let current = store.current(&Filter::default(), &all).unwrap().items;
        let expected = report(newest).states;
        assert_eq!(current.len(), expected.len());
        for (row, expected) in current.iter().zip(&expected) {
            assert_eq!((row.endpoint, row.state), (expected.endpoint, expected.state));
            assert_eq!(row.scan, ScanId::new(newest));
        }
    }
    newest
}

#[test]
fn what_was_acknowledged_survives_any_kill() {
    let kills: u32 =
        std::env::var("PORTOLAN_CRASH_KILLS").ok().and_then(|n| n.parse().ok()).unwrap_or(200);
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap().subsec_nanos();
    let seed: u64 = std::env::var("PORTOLAN_CRASH_SEED")
        .ok()
        .and_then(|n| n.parse().ok())
        .unwrap_or_else(|| u64::from(now));
    let mut out = std::io::stderr();
    writeln!(out, "PORTOLAN_CRASH_SEED={seed} PORTOLAN_CRASH_KILLS={kills}").unwrap();
    let mut state = seed;
    let dir = tempfile::tempdir().unwrap();
    let (mut acknowledged, mut pruned, mut opened) = (0_i64, 0_i64, 0_u32);
    let mut window = 250_000_u64;
    for kill in 0..kills {
        // A third of the kills hit the opening, the others the commits behind it.
        let micros = if kill % 3 == 0 { 20_000 } else { window };
        let after = Duration::from_micros(random(&mut state) % micros);
        let said = run_and_kill(dir.path(), after);
        opened += u32::from(!said.acknowledged.is_empty());
        // On a slow machine the children need longer to come to their commits.
        if said.acknowledged.is_empty()
            && kill % 3 != 0
            && after.as_micros() > u128::from(window / 2)
        {
            window = (window * 2).min(4_000_000);
        }
        acknowledged = said.acknowledged.last().copied().unwrap_or(acknowledged);
        pruned = pruned.max(said.pruned);
        let store = Store::open(dir.path(), OPTIONS).unwrap();
        acknowledged = check(&store, acknowledged, Some(pruned));
        if kill % 20 == 0 {
            assert_eq!(store.verify().unwrap().problems, Vec::<String>::new());
        }
    }
    writeln!(out, "{acknowledged} is the newest scan; {opened} of {kills} children committed")
        .unwrap();
    assert!(kills < 50 || opened > kills / 8, "too few kills hit a commit");
}

//! What remembering and comparing costs.

#![expect(clippy::unwrap_used, reason = "a benchmark that can't be set up should stop at once")]

use std::hint::black_box;

use criterion::{BatchSize, Criterion, Throughput};
use portolan_core::target::{Block, PortSet, TargetSet, TargetSpec};
use portolan_core::{Endpoint, PortState, Reason, Transport, UnixTime};
use portolan_store::{
    DiffOptions, EndpointState, Filter, HostPorts, PageRequest, ScanReport, Side, SiteName, Source,
    Store, StoreOptions,
};

const HOSTS: u64 = 256;
const PORTS: u16 = 100;

/// A /24 with a hundred ports a host, of which eight are open, one of them another in each
/// `version`; the rest are closed.
fn report(version: u16, started_at: i64) -> ScanReport {
    let addrs = "10.0.0.0/24".parse::<TargetSpec>().unwrap().addrs().clone();
    let (mut states, mut closed) = (Vec::new(), Vec::new());
    let started_at = UnixTime::from_seconds(started_at);
    for host in 0..=255 {
        let addr = [10, 0, 0, host].into();
        let open: PortSet = (1..=7).chain([10 + version % 90]).collect();
        states.extend(open.iter().map(|port| EndpointState {
            endpoint: Endpoint::tcp(addr, port),
            state: PortState::Open,
            reason: Reason::SynAck,
            ttl: Some(64),
            rtt: Some(std::time::Duration::from_micros(300)),
            at: started_at,
            service: None,
            banner: None,
        }));
        let ports = (1..=PORTS).collect::<PortSet>().difference(&open);
        closed.push(HostPorts { addr, transport: Transport::Tcp, ports });
    }
    let block = Block { addrs, tcp: (1..=PORTS).collect(), ..Block::default() };
    ScanReport {
        coverage: TargetSet::single(block),
        states,
        closed,
        ..ScanReport::empty(SiteName::default(), Source::Engine, started_at)
    }
}

fn commit(c: &mut Criterion) {
    let mut group = c.benchmark_group("commit");
    group.sample_size(10).throughput(Throughput::Elements(HOSTS * u64::from(PORTS)));
    let dir = tempfile::tempdir().unwrap();
    let store = Store::open(dir.path(), StoreOptions::default()).unwrap();
    let mut version = 0;
    group.bench_function("25,600 endpoints, 2,048 open, 512 transitions", |b| {
        b.iter_batched(
            || {
                version += 1;
                report(version, i64::from(version) * 60)
            },
            |report| store.commit_scan(&report).unwrap(),
            BatchSize::PerIteration,
        );
    });
    group.finish();
}

fn diff(c: &mut Criterion) {
    let mut group = c.benchmark_group("diff");
    let dir = tempfile::tempdir().unwrap();
    let store = Store::open(dir.path(), StoreOptions::default()).unwrap();
    let first = store.commit_scan(&report(0, 60)).unwrap();
    let second = store.commit_scan(&report(1, 120)).unwrap();
    let (all, page) = (Filter::default(), PageRequest::all());
    let options = DiffOptions::default();
    group.throughput(Throughput::Elements(HOSTS * u64::from(PORTS)));
    for (name, from, to) in [
        ("scan against scan, 512 rows", Side::Scan(first), Side::Scan(second)),
        ("expected against current, 2,048 rows", Side::Expected, Side::Current),
    ] {
        group.bench_function(name, |b| {
            b.iter(|| {
                let rows = store.diff(from, to, &all, &options, &page).unwrap().unwrap();
                assert!(rows.items.len() >= 512);
                black_box(rows.items.len())
            });
        });
    }
    group.finish();
}

fn main() {
    let mut criterion = Criterion::default().configure_from_args();
    commit(&mut criterion);
    diff(&mut criterion);
    criterion.final_summary();
}

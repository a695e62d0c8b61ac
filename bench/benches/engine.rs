//! What a probe and its answer cost on paper: order, cookie, patching, reading.

#![expect(clippy::unwrap_used, reason = "a benchmark that can't be set up should stop at once")]

use std::hint::black_box;
use std::sync::Arc;
use std::time::Duration;

use criterion::{BatchSize, Criterion, Throughput};
use portolan_core::answered::Answered;
use portolan_core::cookie::{CookieKey, SourcePorts};
use portolan_core::link::{Encapsulation, FrameBatch};
use portolan_core::pacer::RatePps;
use portolan_core::permutation::{Permutation, Shard};
use portolan_core::plan::{PlanConfig, ScanPlan};
use portolan_core::probe::{Pings, TcpScan};
use portolan_core::receive::Receiver;
use portolan_core::seed::Seed;
use portolan_core::target::{Block, PortSet, Scope, TargetSpec};
use portolan_core::transmit::{Step, Transmitter};
use portolan_core::wire::{ProbeStyle, parse};
use portolan_core::{Endpoint, Timestamp, UnixTime};
use portolan_probes::UsualPayloads;
use portolan_simnet::network::hops::hops;
use portolan_simnet::network::{Mix, Network, World};

const LINK: Encapsulation = Encapsulation::Ethernet;

fn plan(targets: &str, tcp: PortSet, udp: PortSet) -> Arc<ScanPlan> {
    let addrs = targets.parse::<TargetSpec>().unwrap().addrs().clone();
    let config = PlanConfig {
        scope: Scope::unbounded(),
        blocks: vec![Block { addrs, tcp, udp, ..Block::default() }],
        echo: false,
        pings: Pings::default(),
        discover: false,
        tcp_scan: TcpScan::Syn,
        passes: 3,
        seed: Seed(1),
        key: CookieKey::new([3; 16]),
        source_ports: SourcePorts::new(61_440, 65_535).unwrap(),
        payloads: Arc::new(UsualPayloads),
        style: ProbeStyle::default(),
    };
    let (hops, routes) = hops(LINK);
    Arc::new(ScanPlan::new(config, hops, &routes, &|_| None).unwrap())
}

fn order(c: &mut Criterion) {
    let mut group = c.benchmark_group("permutation");
    group.throughput(Throughput::Elements(1));
    // The domain of bits is just large enough for the first, and nearly four times too large for
    // the second: the best and the worst case of cycle walking.
    for (name, len) in [("2^32", 1_u64 << 32), ("2^32+1", (1 << 32) + 1), ("2^63", 1 << 63)] {
        let permutation = Permutation::new(len, Seed(7));
        let mut position = 0;
        group.bench_function(format!("element, {name}"), |b| {
            b.iter(|| {
                position += 1;
                black_box(permutation.element(black_box(position)))
            });
        });
        group.bench_function(format!("position, {name}"), |b| {
            b.iter(|| {
                position += 1;
                black_box(permutation.position(black_box(position)))
            });
        });
    }
    group.finish();
}

fn cookie(c: &mut Criterion) {
    let key = CookieKey::new([5; 16]);
    let endpoint = Endpoint::tcp("10.0.0.1".parse().unwrap(), 443);
    c.bench_function("cookie", |b| b.iter(|| black_box(key.cookie(black_box(&endpoint), 0))));
}

/// One call of the sending half, at a moment when a full batch is due.
fn transmit(c: &mut Criterion) {
    let mut group = c.benchmark_group("poll_transmit, 256 frames");
    group.throughput(Throughput::Elements(256));
    let http: PortSet = [80].into_iter().collect();
    let cases = [
        ("tcp, IPv4", plan("10.0.0.0/8", http.clone(), PortSet::new())),
        ("tcp, IPv6", plan("2001:db8::/104", http, PortSet::new())),
        ("dns, IPv4", plan("10.0.0.0/8", PortSet::new(), [53].into_iter().collect())),
    ];
    for (name, plan) in cases {
        let start = Timestamp::ZERO;
        let (line, rate) = (Arc::default(), RatePps::MAX);
        let mut half = Transmitter::new(plan, 0, None, line, Shard::default(), rate, start);
        let (mut batch, mut now) = (FrameBatch::new(), start);
        group.bench_function(name, |b| {
            b.iter(|| {
                now = now + Duration::from_millis(1);
                if half.poll_transmit(now, &mut batch) == Step::EndOfPass {
                    half.begin_pass(0, 0);
                }
                black_box(batch.len())
            });
        });
    }
    group.finish();
}

/// The answers of a small network to one pass.
fn answers(plan: &Arc<ScanPlan>) -> Vec<Vec<u8>> {
    let mut network = Network::new(World::new(1, Mix::PLAIN), LINK);
    let (line, rate, mut now) = (Arc::default(), RatePps::MAX, Timestamp::ZERO);
    let shard = Shard::default();
    let mut half = Transmitter::new(Arc::clone(plan), 0, None, line, shard, rate, now);
    let mut batch = FrameBatch::new();
    while half.poll_transmit(now, &mut batch) != Step::EndOfPass {
        batch.frames().for_each(|frame| network.send(now, frame));
        now = now + Duration::from_millis(1);
    }
    let end = now + Duration::from_secs(1);
    std::iter::from_fn(|| network.step(end)).map(|(_, arrival)| arrival.frame).collect()
}

fn receive(c: &mut Criterion) {
    let mut group = c.benchmark_group("receive");
    let plan = plan("10.0.0.0/24", (1..=32).collect(), PortSet::new());
    let frames = answers(&plan);
    group.throughput(Throughput::Elements(u64::try_from(frames.len()).unwrap()));
    group.bench_function("parse", |b| {
        b.iter(|| frames.iter().filter(|frame| parse(black_box(frame), LINK).is_ok()).count());
    });
    let receiver = || {
        let answered = Answered::new(plan.len()).map(Arc::new);
        let (lines, epoch) = (vec![vec![Arc::default()]], UnixTime::from_seconds(0));
        Receiver::new(Arc::clone(&plan), LINK, answered, lines, 1, epoch)
    };
    group.bench_function("handle_frame", |b| {
        b.iter_batched(
            receiver,
            |mut receiver| {
                for frame in &frames {
                    let sink = &mut |event| drop(black_box(event));
                    let _ = receiver.handle_frame(Timestamp::ZERO, frame, sink);
                }
                assert_eq!(receiver.counts().open + receiver.counts().closed, plan.len());
                receiver
            },
            BatchSize::LargeInput,
        );
    });
    group.finish();
}

fn main() {
    let mut criterion = Criterion::default().configure_from_args();
    order(&mut criterion);
    cookie(&mut criterion);
    transmit(&mut criterion);
    receive(&mut criterion);
    criterion.final_summary();
}

//! The engine against a seeded network in virtual time, compared with the truth.
//!
//! Every failure prints the seed; `PORTOLAN_SEED=… cargo test -p portolan-simnet --test simulation`
//! repeats it.

#![expect(clippy::unwrap_used, reason = "helpers of tests; what fails here fails the test")]

use std::collections::BTreeSet;
use std::net::IpAddr;
use std::sync::Arc;
use std::time::Duration;

use portolan_core::answered::Answered;
use portolan_core::cookie::{CookieKey, SourcePorts};
use portolan_core::estimate::Loss;
use portolan_core::group_gate::{GroupLimits, Grouping};
use portolan_core::link::Encapsulation;
use portolan_core::pacer::RatePps;
use portolan_core::permutation::Shard;
use portolan_core::plan::{PlanConfig, ScanPlan};
use portolan_core::probe::{Pings, TcpScan};
use portolan_core::receive::Receiver;
use portolan_core::seed::Seed;
use portolan_core::target::{AddrRange, Block, PortSet, Scope, TargetSpec};
use portolan_core::wire::{ProbeStyle, Rejection};
use portolan_core::{
    Endpoint, Note, Observation, PortState, Reason, Timestamp, Transport, UnixTime,
};
use portolan_simnet::network::hops::hops;
use portolan_simnet::network::{
    Driver, EchoPayloads, Faults, Forger, Mix, Network, Oracle, Outcome, Rng, Score, World,
    seed_from_env,
};

/// One scan of one world, and what it takes to repeat it.
struct Case {
    seed: u64,
    targets: &'static str,
    exclude: &'static str,
    tcp: PortSet,
    udp: PortSet,
    sctp: PortSet,
    echo: bool,
    pings: Pings,
    tcp_scan: TcpScan,
    passes: u8,
    mix: Mix,
    outward: Faults,
    homeward: Faults,
    encapsulation: Encapsulation,
}

impl Case {
    fn new(default_seed: u64, targets: &'static str) -> Self {
        Self {
            seed: seed_from_env(default_seed),
            targets,
            exclude: "",
            tcp: (1..=24).collect(),
            udp: PortSet::new(),
            sctp: PortSet::new(),
            echo: false,
            pings: Pings::default(),
            tcp_scan: TcpScan::Syn,
            passes: 1,
            mix: Mix::VARIED,
            outward: Faults::NONE,
            homeward: Faults::NONE,
            encapsulation: Encapsulation::Ip,
        }
    }

    fn faults(mut self, faults: Faults) -> Self {
        (self.outward, self.homeward) = (faults, faults);
        self
    }

    fn plan(&self) -> Arc<ScanPlan> {
        Arc::new(self.build())
    }

    fn build(&self) -> ScanPlan {
        let mut rng = Rng::new(self.seed).fork("plan");
        let mut key = [0; 16];
        key[..8].copy_from_slice(&rng.next_u64().to_le_bytes());
        key[8..].copy_from_slice(&rng.next_u64().to_le_bytes());
        let config = PlanConfig {
            scope: Scope::unbounded().without(&addrs(self.exclude)),
            blocks: vec![Block {
                addrs: addrs(self.targets),
                tcp: self.tcp.clone(),
                sctp: self.sctp.clone(),
                udp: self.udp.clone(),
            }],
            echo: self.echo,
            pings: self.pings,
            discover: false,
            tcp_scan: self.tcp_scan,
            passes: self.passes,
            seed: Seed(rng.next_u64()),
            key: CookieKey::new(key),
            source_ports: SourcePorts::new(61_440, 65_535).unwrap(),
            payloads: Arc::new(EchoPayloads),
            style: ProbeStyle::default(),
        };
        let (hops, routes) = hops(self.encapsulation);
        ScanPlan::new(config, hops, &routes, &|_| None).unwrap()
    }

    fn network(&self) -> Network {
        let world = World::new(self.seed, self.mix);
        Network::new(world, self.encapsulation).with_faults(self.outward, self.homeward)
    }

    /// Runs the scan whole and checks what holds whatever happens on the way.
    fn run(&self) -> (Outcome, Network, Score) {
        let plan = self.plan();
        let mut network = self.network();
        let outcome = Driver::new(Arc::clone(&plan)).run(&mut network);
        let score = Oracle::new(network.world(), &plan).score(&outcome.endpoints);
        self.check_wire(&plan, &network);
        assert_eq!(outcome.sent, network.counts().probes, "{score}");
        (outcome, network, score)
    }

    fn check_wire(&self, plan: &ScanPlan, network: &Network) {
        let seed = self.seed;
        assert_eq!(network.counts().unsound, 0, "PORTOLAN_SEED={seed}: unsound probes");
        let scope = &plan.config().scope;
        for (endpoint, times) in network.asked() {
            assert!(*times <= u32::from(self.passes), "PORTOLAN_SEED={seed}: {endpoint}: {times}");
            assert!(scope.permits(endpoint.addr), "PORTOLAN_SEED={seed}: excluded {endpoint}");
        }
        // Nobody was left out, and nobody was asked who was not to be.
        let planned: BTreeSet<Endpoint> = (0..plan.len())
            .map(|index| plan.aim(index).unwrap())
            .map(|aim| aim.probe.endpoint(aim.addr))
            .collect();
        let asked: BTreeSet<Endpoint> = network.asked().keys().copied().collect();
        assert!(planned == asked, "PORTOLAN_SEED={seed}: planned and asked endpoints differ");
    }
}

fn addrs(text: &str) -> portolan_core::target::AddrSet {
    text.parse::<TargetSpec>().unwrap().addrs().clone()
}

#[test]
fn without_faults_every_state_is_told_exactly() {
    for encapsulation in [Encapsulation::Ip, Encapsulation::Ethernet] {
        for offset in 0..4 {
            let mut case = Case::new(100, "10.0.0.0/24 2001:db8::/120");
            case.seed += offset;
            case.udp = [53, 63, 69, 70, 123, 161].into_iter().collect();
            case.echo = true;
            case.encapsulation = encapsulation;
            let (outcome, network, score) = case.run();
            assert!(score.is_exact(), "{score}");
            assert!(score.open > 1_000 && score.answering < network.counts().probes, "{score}");
            assert_eq!(outcome.rejections(), 0, "{score}");
            let mut hosts: Vec<_> = outcome.hosts.iter().map(|host| host.addr).collect();
            hosts.sort_unstable();
            let oracle = Oracle::new(network.world(), &case.plan());
            assert_eq!(hosts, oracle.hosts(), "PORTOLAN_SEED={}", case.seed);
        }
    }
}

#[test]
fn every_kind_of_scan_tells_its_own_truth_exactly() {
    for (offset, tcp_scan) in (0..).zip(TcpScan::ALL) {
        let mut case = Case::new(120, "10.0.0.0/25 2001:db8::/121");
        case.seed += offset;
        (case.tcp_scan, case.echo) = (tcp_scan, true);
        case.pings = Pings { timestamp: true, address_mask: true };
        case.sctp = [2_905, 3_868, 36_412, 38_412].into_iter().collect();
        let (outcome, network, score) = case.run();
        assert!(score.is_exact(), "{tcp_scan:?}: {score}");
        assert_eq!(outcome.rejections(), 0, "{score}");
        let with = |state| outcome.endpoints.iter().filter(|seen| seen.state == state).count();
        let unfiltered = with(PortState::Unfiltered);
        assert_eq!(unfiltered > 500, tcp_scan == TcpScan::Ack, "{tcp_scan:?}: {unfiltered}");
        let aborted = outcome.endpoints.iter().filter(|seen| seen.reason == Reason::Abort).count();
        assert!(score.open > 100 && aborted > 100, "{tcp_scan:?}: {aborted} aborted, {score}");
        let asked = |port| Endpoint::new("10.0.0.1".parse().unwrap(), Transport::Ip, port);
        let each = [1, 0x0d01, 0x1101].map(|port| network.asked().get(&asked(port)).copied());
        assert_eq!(each, [Some(1); 3], "{score}");
    }
}

#[test]
fn round_trips_are_those_of_the_network() {
    let mut case = Case::new(110, "10.0.0.0/26");
    case.mix = Mix::PLAIN;
    let (outcome, _, score) = case.run();
    assert!(score.is_exact(), "{score}");
    for seen in &outcome.endpoints {
        // One millisecond each way and a fifth of one at the host.
        let rtt = seen.rtt.unwrap();
        assert_eq!(rtt.as_micros(), 2_200, "PORTOLAN_SEED={}: {}", case.seed, seen.endpoint);
    }
}

#[test]
fn two_percent_lost_each_way_hide_no_open_port_from_four_passes() {
    let mut case = Case::new(200, "10.0.0.0/24").faults(Faults::lossy(0.02));
    case.passes = 4;
    // A probe and its answer both arrive with 0.98²: all four fail with 2.5 in a million, so one
    // in a hundred scans of 4,000 open ports may miss one. The seed is fixed; it does not.
    let (outcome, network, score) = case.run();
    assert!(score.is_true(), "{score}");
    assert!(score.open_missed.is_empty(), "{score}");
    assert!(network.counts().answers_lost > 0 && network.counts().probes_lost > 0);
    assert!(outcome.counts.first_in_pass[1] > 0, "{score}: nobody needed a second question");
}

#[test]
fn ten_percent_lost_each_way_cost_what_arithmetic_says() {
    let mut case = Case::new(300, "10.0.0.0/24 2001:db8::/121").faults(Faults::lossy(0.1));
    let (_, _, once) = case.run();
    assert!(once.is_true(), "{once}");
    assert!((0.77..0.85).contains(&once.recall()), "{once}: 0.9² is 0.81");
    case.passes = 4;
    let (_, _, four) = case.run();
    assert!(four.is_true(), "{four}");
    // 1 − 0.19⁴ is 0.9987.
    assert!(four.recall() > 0.995, "{four}");
}

#[test]
fn what_is_duplicated_and_overtaken_is_told_once() {
    let faults = Faults {
        duplicate: 0.3,
        reorder: 0.5,
        delay_min: Duration::from_millis(5),
        delay_mean: Duration::from_millis(50),
        ..Faults::NONE
    };
    let mut case = Case::new(400, "10.0.0.0/24 2001:db8::/122").faults(faults);
    case.passes = 2;
    let (outcome, _, score) = case.run();
    assert!(score.is_exact(), "{score}");
    assert!(outcome.counts.duplicates > 1_000, "{score}: {}", outcome.counts.duplicates);
}

#[test]
fn no_turned_bit_makes_a_false_result() {
    let faults = Faults { corrupt: 0.5, ..Faults::NONE };
    for targets in ["10.0.0.0/24", "2001:db8::/120"] {
        let mut case = Case::new(500, targets).faults(faults);
        case.udp = [53, 69, 70].into_iter().collect();
        case.echo = true;
        case.passes = 3;
        let (outcome, network, score) = case.run();
        assert!(score.is_true(), "{score}");
        let corrupted = network.counts().answers_corrupted;
        assert!(corrupted > 1_000, "{score}");
        let refused = corrupted - outcome.corrupted_accepted;
        assert!(outcome.rejections() >= refused, "{score}: not counted");
        if targets.contains(':') {
            // Traffic class, flow label and hop limit are under no checksum: 36 bits of at least
            // 480 (RFC 8200 §3).
            assert!(refused * 100 > corrupted * 85, "{score}: {refused} of {corrupted}");
        } else {
            // One in 65,536 turned segments looks like a sum that was left to hardware.
            assert!(refused * 1_000 > corrupted * 999, "{score}: {refused} of {corrupted}");
        }
    }
}

#[test]
fn forgeries_prove_nothing() {
    let count = if cfg!(debug_assertions) { 200_000 } else { 3_000_000 };
    let mut case = Case::new(600, "10.0.0.0/26 2001:db8::/122");
    case.udp = [53, 69, 123].into_iter().collect();
    case.echo = true;
    case.passes = 3;
    for encapsulation in [Encapsulation::Ip, Encapsulation::Ethernet] {
        case.encapsulation = encapsulation;
        let plan = case.plan();
        let mut forger = Forger::new(case.seed, &plan, encapsulation);
        let mut receiver = receiver(&plan, encapsulation);
        for _ in 0..count / 2 {
            let frame = forger.forge().unwrap();
            let _ = receiver.handle_frame(Timestamp::ZERO, &frame, &mut |event| {
                panic!("PORTOLAN_SEED={}: {event:?} from {frame:02x?}", case.seed);
            });
        }
        let counts = receiver.counts();
        let bad_cookies = Rejection::ALL.iter().position(|r| *r == Rejection::BadCookie).unwrap();
        // Every forgery is right in all but the cookie: nothing else may have refused it.
        assert_eq!(counts.rejected[bad_cookies], count / 2, "PORTOLAN_SEED={}", case.seed);
    }
}

fn receiver(plan: &Arc<ScanPlan>, encapsulation: Encapsulation) -> Receiver {
    let answered = Answered::new(plan.len()).map(Arc::new);
    let epoch = UnixTime::from_seconds(1_000);
    Receiver::new(Arc::clone(plan), encapsulation, answered, vec![vec![Arc::default()]], 1, epoch)
}

#[test]
fn true_answers_that_were_bent_prove_nothing() {
    let mut case = Case::new(610, "10.0.0.0/24");
    case.mix = Mix::PLAIN;
    case.passes = 2;
    let plan = case.plan();
    let mut network = case.network();
    // The answers, straight from the network.
    let mut answers = Vec::new();
    let mut transmitter = portolan_core::transmit::Transmitter::new(
        Arc::clone(&plan),
        0,
        None,
        Arc::default(),
        Shard::default(),
        RatePps::new(1_000_000).unwrap(),
        Timestamp::ZERO,
    );
    let mut batch = portolan_core::link::FrameBatch::new();
    let (mut now, end) = (Timestamp::ZERO, portolan_core::transmit::Step::EndOfPass);
    loop {
        let step = transmitter.poll_transmit(now, &mut batch);
        if step == end {
            break;
        }
        for frame in batch.frames() {
            network.send(now, frame);
        }
        now = now + Duration::from_millis(1);
        while let Some((_, arrival)) = network.step(now) {
            answers.push(arrival.frame);
        }
    }
    assert!(answers.len() > 5_000);
    let mut forger = Forger::new(case.seed, &plan, case.encapsulation);
    let mut receiver = receiver(&plan, case.encapsulation);
    let mut bent = 0;
    for answer in answers.iter().cycle().take(100_000) {
        let Some(frame) = forger.bend(answer) else { continue };
        bent += 1;
        let outcome = receiver.handle_frame(now, &frame, &mut |event| {
            panic!("PORTOLAN_SEED={}: {event:?} from {frame:02x?}", case.seed);
        });
        assert!(outcome.is_err(), "PORTOLAN_SEED={}: {frame:02x?}", case.seed);
    }
    assert!(bent > 90_000, "{bent}");
}

#[test]
fn forgeries_among_true_answers_change_nothing() {
    let mut case = Case::new(620, "10.0.0.0/25");
    case.passes = 2;
    let plan = case.plan();
    let mut network = case.network();
    let mut forger = Forger::new(case.seed, &plan, case.encapsulation);
    let mut rng = Rng::new(case.seed).fork("moments");
    let forged = 50_000;
    for _ in 0..forged {
        let at = Timestamp::from_nanos(rng.below(11_000_000_000));
        network.fly(at, &forger.forge().unwrap());
    }
    let outcome = Driver::new(Arc::clone(&plan)).run(&mut network);
    let score = Oracle::new(network.world(), &plan).score(&outcome.endpoints);
    assert!(score.is_exact(), "{score}");
    assert_eq!(outcome.rejected(Rejection::BadCookie), forged, "{score}");
}

#[test]
fn udp_is_read_from_datagrams_and_icmp() {
    let mut case = Case::new(700, "10.0.0.0/23 2001:db8::/119");
    case.tcp = PortSet::new();
    case.udp = [7, 53, 69, 123, 161].into_iter().collect();
    let (outcome, _, score) = case.run();
    assert!(score.is_exact(), "{score}");
    let told = |state, reason| {
        outcome.endpoints.iter().filter(|o| (o.state, o.reason) == (state, reason)).count()
    };
    for (state, reason) in [
        (PortState::Open, Reason::UdpResponse),
        (PortState::Closed, Reason::PortUnreach),
        (PortState::Filtered, Reason::PortUnreach),
        (PortState::Filtered, Reason::HostUnreach),
        (PortState::Filtered, Reason::AdminProhibited),
    ] {
        assert!(told(state, reason) > 50, "{score}: {state} by {reason}");
    }
    let tftp = |o: &&Observation| o.endpoint.port == 69 && o.state == PortState::Open;
    assert!(outcome.endpoints.iter().filter(tftp).count() > 50, "{score}: answers from elsewhere");
}

#[test]
fn limited_icmp_errors_make_silence_and_never_a_lie() {
    let mut case = Case::new(710, "10.0.0.0/27");
    case.tcp = PortSet::new();
    case.udp = (1_000..1_200).collect();
    case.mix = Mix { limited: 1_000, ..Mix::PLAIN };
    let (_, _, one) = case.run();
    assert!(one.is_true(), "{one}");
    assert!(one.open_missed.is_empty() && one.missed.len() > 1_000, "{one}");
    case.passes = 4;
    let (_, _, four) = case.run();
    assert!(four.is_true(), "{four}");
    assert!(four.right > one.right, "{four}: later passes ask what stayed silent");
}

#[test]
fn shards_and_threads_together_are_the_whole() {
    let mut case = Case::new(800, "10.0.0.0/25 2001:db8::/123").faults(Faults::lossy(0.0));
    case.passes = 2;
    let plan = case.plan();
    let mut network = case.network();
    let mut said = Vec::new();
    let mut asked = 0;
    for index in 0..3 {
        let mut driver = Driver::new(Arc::clone(&plan));
        driver.shard = Shard { index, count: 3 };
        driver.threads = 1 + index;
        let outcome = driver.run(&mut network);
        asked += outcome.asked;
        assert!(outcome.endpoints.iter().any(|seen| seen.rtt.is_some()));
        said.extend(outcome.endpoints);
    }
    let score = Oracle::new(network.world(), &plan).score(&said);
    assert!(score.is_exact(), "{score}");
    assert_eq!(asked, plan.len(), "{score}");
    case.check_wire(&plan, &network);
}

#[test]
fn excluded_addresses_are_never_asked() {
    let mut case = Case::new(900, "10.0.0.0/24 2001:db8::/120").faults(Faults::lossy(0.1));
    case.exclude = "10.0.0.37 10.0.0.100-10.0.0.131 2001:db8::80/121";
    case.udp = [53].into_iter().collect();
    case.echo = true;
    case.passes = 4;
    let (_, network, score) = case.run();
    assert!(score.is_true(), "{score}");
    let excluded = addrs(case.exclude);
    assert!(network.asked().keys().all(|endpoint| !excluded.contains(endpoint.addr)), "{score}");
    let hosts: BTreeSet<_> = network.asked().keys().map(|endpoint| endpoint.addr).collect();
    assert_eq!(hosts.len(), 256 - 33 + 128, "{score}");
}

#[test]
fn an_interrupted_scan_goes_on_where_it_was() {
    for round in 0..25 {
        let mut case = Case::new(1_000, "10.0.0.0/26 2001:db8::/124");
        case.seed += round;
        case.passes = 3;
        let plan = case.plan();
        let mut rng = Rng::new(case.seed).fork("interrupts");
        let mut network = case.network();
        let mut said: Vec<Observation> = Vec::new();
        let mut driver = Driver::new(Arc::clone(&plan));
        driver.threads = 1 + u32::try_from(rng.below(3)).unwrap();
        let mut stops = 0;
        loop {
            driver.interrupt_after = (stops < 4).then(|| 1 + rng.below(plan.len()));
            let outcome = driver.run(&mut network);
            said.extend(outcome.endpoints);
            driver.resume = outcome.checkpoint;
            if driver.resume.is_none() {
                break;
            }
            stops += 1;
        }
        let score = Oracle::new(network.world(), &plan).score(&said);
        assert!(score.is_exact(), "{score}, after {stops} interruptions");
        assert!(stops > 0, "{score}");
        case.check_wire(&plan, &network);
    }
}

#[test]
fn the_same_seed_repeats_the_same_scan() {
    let case = || {
        let faults = Faults { corrupt: 0.1, duplicate: 0.1, ..Faults::lossy(0.1) };
        let mut case = Case::new(1_100, "10.0.0.0/26").faults(faults);
        case.passes = 3;
        case.run().0
    };
    assert_eq!(case(), case());
}

#[test]
fn a_larger_world_is_found_whole() {
    let mut case = Case::new(1_200, "10.0.0.0/20");
    case.tcp = (1..=16).collect();
    let (outcome, _, score) = case.run();
    assert!(score.is_exact(), "{score}");
    assert_eq!(outcome.sent, 65_536, "{score}");
    let open = outcome.endpoints.iter().filter(|o| o.endpoint.transport == Transport::Tcp);
    assert!(open.count() > 10_000, "{score}");
}

/// The mean of the rates that were set from `from` to `until`, each for as long as it held.
fn mean_rate(rates: &[(Timestamp, u32)], from: u64, until: u64) -> f64 {
    let second = |s: u64| Timestamp::ZERO + Duration::from_secs(s);
    let (from, until) = (second(from), second(until));
    let ends = rates.iter().skip(1).map(|(at, _)| *at).chain([until]);
    let parts = rates.iter().zip(ends).map(|((at, pps), end)| {
        let span = end.min(until).since((*at).max(from));
        f64::from(*pps) * span.as_secs_f64()
    });
    parts.sum::<f64>() / until.since(from).as_secs_f64()
}

#[test]
fn the_rate_that_is_found_is_the_path_s_and_follows_it() {
    let mut case = Case::new(170, "10.0.0.0/18");
    case.mix = Mix::PLAIN;
    case.passes = 3;
    let plan = case.plan();
    let half = Timestamp::ZERO + Duration::from_secs(8);
    let limits = vec![(Timestamp::ZERO, 20_000), (half, 10_000)];
    let mut network = case.network().with_limits(limits);
    let mut driver = Driver::new(Arc::clone(&plan));
    (driver.auto, driver.rate) = (true, RatePps::new(1_000_000).unwrap());
    let outcome = driver.run(&mut network);
    let score = Oracle::new(network.world(), &plan).score(&outcome.endpoints);
    let rates = &outcome.rates;
    let seed = case.seed;
    let settled = mean_rate(rates, 3, 8);
    assert!((15_000.0..20_000.0).contains(&settled), "PORTOLAN_SEED={seed}: {settled} {rates:?}");
    let followed = mean_rate(rates, 10, 25);
    assert!((7_500.0..10_000.0).contains(&followed), "PORTOLAN_SEED={seed}: {followed} {rates:?}");
    assert!(score.is_exact(), "{score}");
    // Canaries alone are asked more often than others, and there are 64 at most.
    let often = network.asked().values().filter(|times| **times > 3).count();
    assert!(often <= 64, "PORTOLAN_SEED={seed}: {often}");
    let lost = network.counts().probes_lost;
    assert!(lost * 100 < outcome.sent, "PORTOLAN_SEED={seed}: {lost} of {} lost", outcome.sent);
}

#[test]
fn no_host_gets_more_than_its_limit() {
    for (targets, passes, auto) in
        [("10.0.0.0/29", 3, false), ("10.0.0.7", 2, false), ("10.0.0.0/27", 2, true)]
    {
        let mut case = Case::new(180, targets);
        case.passes = passes;
        case.tcp = (1..=1_000).collect();
        let plan = Arc::new(case.build().striped(Grouping::Host));
        let mut network = case.network();
        let mut driver = Driver::new(Arc::clone(&plan));
        driver.limits.host = RatePps::new(100);
        driver.auto = auto;
        let outcome = driver.run(&mut network);
        let score = Oracle::new(network.world(), &plan).score(&outcome.endpoints);
        let (seed, most) = (case.seed, network.most_to_a_host());
        assert!(score.is_exact(), "{score}");
        assert!((95..=101).contains(&most), "PORTOLAN_SEED={seed}: {most} in a second");
    }
}

#[test]
fn no_subnet_gets_more_than_its_limit_and_hosts_keep_theirs() {
    // Subnets of one host and of many, cut by exclusions; with and without a limit on hosts that is
    // lower than a small subnet's share.
    let mixed = "10.0.0.250-10.0.1.20 10.0.9.0/26 10.0.77.1 2001:db8::1-2001:db8::30 2001:db8:1::9";
    for (targets, passes, host, auto) in [
        (mixed, 3, None, false),
        (mixed, 2, Some(20), false),
        (mixed, 2, Some(40), true),
        ("10.0.0.0/22", 2, Some(10), false),
        ("2001:db8::7", 3, None, true),
    ] {
        let mut case = Case::new(185, targets);
        case.passes = passes;
        case.tcp = (1..=60).collect();
        let plan = Arc::new(case.build().striped(Grouping::Subnet));
        let mut network = case.network();
        let mut driver = Driver::new(Arc::clone(&plan));
        driver.limits =
            GroupLimits { host: host.and_then(RatePps::new), subnet: RatePps::new(150) };
        driver.auto = auto;
        let outcome = driver.run(&mut network);
        let score = Oracle::new(network.world(), &plan).score(&outcome.endpoints);
        let seed = case.seed;
        assert!(score.is_exact(), "{score}");
        let most = network.most_to_a_subnet();
        assert!(most <= 151, "PORTOLAN_SEED={seed}: {most} to a subnet in a second");
        assert!(most >= 59, "PORTOLAN_SEED={seed}: {most} to a subnet in a second");
        let most = network.most_to_a_host();
        let limit = usize::try_from(host.unwrap_or(150)).unwrap();
        assert!(most <= limit + 1, "PORTOLAN_SEED={seed}: {most} to a host in a second");
    }
}

#[test]
fn loss_is_estimated_from_pairs_within_its_bounds() {
    for loss in [0.001, 0.02, 0.1] {
        let mut case = Case::new(190, "10.0.0.0/20").faults(Faults::lossy(loss));
        case.passes = 3;
        case.mix.slow = 0;
        let (outcome, _, score) = case.run();
        // An exchange is lost either way.
        let truth = 1.0 - (1.0 - loss) * (1.0 - loss);
        let found = Loss::estimate(outcome.pairs, &outcome.counts.first_in_pass[..3]).unwrap();
        assert!(outcome.pairs.both > 500, "{score}");
        // Five in a hundred seeds may miss; twice the interval hardly any.
        let slack = found.high - found.low;
        let bounds = found.low - slack..=found.high + slack;
        assert!(bounds.contains(&truth), "{truth} {found:?} {score}");
        let (low, _, high) = found.heard(3);
        let recall = score.recall();
        assert!(low - 1e-3 <= recall && recall <= high + 1e-3, "{recall} {found:?} {score}");
    }
}

#[test]
fn hosts_that_answer_everything_are_said_to() {
    let mut case = Case::new(200, "10.0.0.0/24");
    (case.mix.hosts_all_open, case.passes) = (100, 2);
    case.tcp = (1..=1_000).collect();
    let plan = case.plan();
    let mut network = case.network();
    let mut driver = Driver::new(Arc::clone(&plan));
    driver.keep_back = true;
    let outcome = driver.run(&mut network);
    let oracle = Oracle::new(network.world(), &plan);
    let seed = case.seed;
    let is_open = |addr, port| {
        let truth = oracle.truth(&Endpoint::tcp(addr, port));
        truth.is_some_and(|v| v.state == PortState::Open)
    };
    let all_open = |addr: &IpAddr| (1..=1_000).all(|port| is_open(*addr, port));
    let truth: BTreeSet<IpAddr> = oracle.hosts().iter().copied().filter(all_open).collect();
    let said: BTreeSet<IpAddr> = outcome.notes.iter().filter_map(everything_open).collect();
    assert!(truth.len() > 10, "PORTOLAN_SEED={seed}");
    assert_eq!(said, truth, "PORTOLAN_SEED={seed}");
    assert_eq!(said.len(), outcome.notes.len(), "PORTOLAN_SEED={seed}: {:?}", outcome.notes);
    // Nothing is missing of the others, and little is told of these.
    let told =
        |addr: &IpAddr| outcome.endpoints.iter().filter(|o| o.endpoint.addr == *addr).count();
    let most = truth.iter().map(told).max().unwrap();
    assert!((64..=100).contains(&most), "PORTOLAN_SEED={seed}: {most}");
    let score = oracle.score(&outcome.endpoints);
    assert!(score.missed.iter().all(|e| truth.contains(&e.addr)), "{score}");
    assert_eq!(outcome.counts.kept_back, score.missed.len() as u64, "{score}");
}

fn everything_open(note: &Note) -> Option<IpAddr> {
    if let Note::EverythingOpen { addr, .. } = note { Some(*addr) } else { None }
}

#[test]
fn a_prefix_in_which_everything_answers_is_said_to() {
    let mut case = Case::new(210, "10.0.0.0/23 10.0.3.0/28");
    case.mix = Mix { hosts_up: 0, hosts_all_open: 1_000, ..Mix::PLAIN };
    case.tcp = (80..=80).collect();
    let (outcome, ..) = case.run();
    let seed = case.seed;
    let prefixes: Vec<(IpAddr, u32)> = outcome
        .notes
        .iter()
        .filter_map(|note| match note {
            Note::EveryAddressOpen { range, hosts, .. } => Some((range.first(), *hosts)),
            _ => None,
        })
        .collect();
    let wanted = ["10.0.0.0", "10.0.1.0"].map(|first| (first.parse().unwrap(), 256));
    assert_eq!(prefixes, wanted, "PORTOLAN_SEED={seed}");
}

#[test]
fn hosts_that_limit_their_errors_are_said_to_and_hold_up_nobody() {
    let mut case = Case::new(220, "10.0.0.0/25");
    case.mix = Mix { ports_open: 20, ports_closed: 980, limited: 300, ..Mix::PLAIN };
    case.tcp = PortSet::new();
    case.udp = (1_000..1_200).collect();
    case.passes = 3;
    let plan = case.plan();
    let mut network = case.network();
    let mut driver = Driver::new(Arc::clone(&plan));
    driver.rate = RatePps::new(10_000).unwrap();
    let outcome = driver.run(&mut network);
    let seed = case.seed;
    let world = network.world();
    let hosts: BTreeSet<IpAddr> = addrs(case.targets).ranges().iter().flat_map(hosts_of).collect();
    let limits = |addr: &IpAddr| world.error_period(*addr).is_some();
    let truth: BTreeSet<IpAddr> = hosts.iter().copied().filter(limits).collect();
    let limited = |note: &Note| match note {
        Note::IcmpLimited { addr, silent, .. } => Some((*addr, *silent)),
        _ => None,
    };
    let said: Vec<(IpAddr, u32)> = outcome.notes.iter().filter_map(limited).collect();
    let hosts_said: BTreeSet<IpAddr> = said.iter().map(|(addr, _)| *addr).collect();
    assert!(truth.len() > 20, "PORTOLAN_SEED={seed}");
    assert_eq!(hosts_said, truth, "PORTOLAN_SEED={seed}");
    assert!(said.iter().all(|(_, silent)| *silent > 100), "PORTOLAN_SEED={seed}: {said:?}");
    // All others are told whole.
    let score = Oracle::new(world, &plan).score(&outcome.endpoints);
    assert!(score.missed.iter().all(|e| truth.contains(&e.addr)), "{score}");
}

fn hosts_of(range: &AddrRange) -> impl Iterator<Item = IpAddr> + use<> {
    let range = *range;
    (range.first_bits()..=range.last_bits()).map(move |bits| range.family().addr(bits))
}

//! How long a scan waits for answers, in virtual time: as long as the network has shown that they
//! take, and no longer.

#![expect(clippy::unwrap_used, reason = "helpers of tests fail as tests do")]

use std::sync::Arc;
use std::time::Duration;

use portolan_core::Timestamp;
use portolan_core::link::Encapsulation;
use portolan_core::target::PortSet;
use portolan_simnet::network::{
    Driver, Mix, Network, Oracle, Outcome, Score, World, seed_from_env, siege,
};

/// A scan of the siege's endpoints that waits as the network shows it must; and how long it went on
/// after its last probe.
fn scan(mix: Mix) -> (Outcome, Score, Duration) {
    let seed = seed_from_env(3);
    let mut plan = siege::plan(seed, Encapsulation::Ip).unwrap().config().clone();
    plan.passes = 1;
    plan.echo = false;
    plan.blocks.iter_mut().for_each(|block| block.udp = PortSet::new());
    let (hops, routes) = portolan_simnet::network::hops::hops(Encapsulation::Ip);
    let plan = portolan_core::plan::ScanPlan::new(plan, hops, &routes, &|_| None).unwrap();
    let plan = Arc::new(plan);
    let driver = Driver { adaptive: true, ..Driver::new(Arc::clone(&plan)) };
    let mut network = Network::new(World::new(seed, mix), Encapsulation::Ip);
    let outcome = driver.run(&mut network);
    let score = Oracle::new(network.world(), &plan).score(&outcome.endpoints);
    let sending = Duration::from_secs_f64(plan_seconds(outcome.sent));
    let waited = outcome.ended.since(Timestamp::ZERO + sending);
    (outcome, score, waited)
}

/// How long the driver's 100,000 probes a second take.
#[expect(clippy::cast_precision_loss, reason = "a few ten thousand probes")]
fn plan_seconds(sent: u64) -> f64 {
    sent as f64 / 100_000.0
}

#[test]
fn a_fast_network_is_not_waited_for() {
    let (_, score, waited) = scan(Mix::PLAIN);
    assert!(score.is_exact(), "{score}");
    assert!(waited < Duration::from_secs(1), "{waited:?}");
}

#[test]
fn answers_of_eight_seconds_are_heard_where_slow_ones_were_seen() {
    let (outcome, score, waited) = scan(Mix { slow: 50, ..Mix::PLAIN });
    assert!(score.is_exact(), "{score}");
    assert!(outcome.counts.rtt_max > Duration::from_millis(7_500), "{:?}", outcome.counts.rtt_max);
    assert!((8..=11).contains(&waited.as_secs()), "{waited:?}");
}

#[test]
fn answers_that_come_twice_are_told_once_and_not_waited_for() {
    let (outcome, score, waited) = scan(Mix { twice: 1_000, ..Mix::PLAIN });
    assert!(score.is_exact(), "{score}");
    assert!(waited < Duration::from_secs(1), "{waited:?}");
    // The scan is over before most of the repetitions, a second later, come in.
    assert!(outcome.counts.duplicates < outcome.counts.replies);
}

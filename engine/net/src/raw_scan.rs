//! A scan with packets of our own: from ways to threads and back.

use std::collections::BTreeMap;
use std::net::IpAddr;
use std::sync::Arc;

use portolan_core::answered::Answered;
use portolan_core::cookie::SourcePorts;
use portolan_core::link::Encapsulation;
use portolan_core::pacer::RatePps;
use portolan_core::plan::ScanPlan;
use portolan_core::receive::Receiver;
use portolan_core::target::AddrSet;
use portolan_core::timeline::Timeline;
use portolan_core::transmit::Transmitter;
use portolan_core::{HostObservation, Reason, ScanEvent};

use crate::clock::ScanClock;
use crate::driver::{Driver, Sender};
use crate::filter::Filter;
use crate::link::ladder::Ladder;
use crate::link::{LinkKind, PacketRx, PacketRxOptions, RxLink};
use crate::listen::Listener;
use crate::options::Cancel;
use crate::outcome::{self, ScanOutcome, conclude};
use crate::ports::{BLOCK_LEN_DEFAULT, PortBlock, PortsError};
use crate::prepare::{self, Exit, LinkSpec, Ways};
use crate::scan::{Scan, ScanError};
use crate::suppress::{self, Suppression};
use crate::truth::Truth;
use crate::wire::{WireCount, WireMeter};

/// Sending threads that one listening thread keeps up with: taking an answer in costs no more than
/// making a probe, and few probes are answered.
const SENDERS_HEARD: u32 = 2;

/// Runs `scan` over packet sockets.
pub(crate) fn run(
    scan: &Scan,
    cancel: &Cancel,
    on_event: &mut dyn FnMut(ScanEvent),
) -> Result<ScanOutcome, ScanError> {
    let clock = ScanClock::start();
    let mut ways = prepare::ways(&scan.targets().addrs(), scan.options(), cancel.flag())?;
    for warning in ways.warnings.drain(..) {
        on_event(ScanEvent::Warning(warning));
    }
    let ports = source_ports(scan)?;
    if scan.options().kinds.discover {
        // ARP and neighbour discovery have asked these already.
        ways.routes.retain(|route| !ways.hops.get(route.hop).is_some_and(|h| h.on_link));
    }
    let resolve = |addr: IpAddr| ways.neighbors.get(&addr).copied();
    let plan = ScanPlan::new(scan.config(ports), ways.hops.clone(), &ways.routes, &resolve)?;
    let plan = Arc::new(scan.ordered(plan));
    let neighbors = tell_neighbors(&ways, clock, on_event);
    let _quiet = suppression(scan, &ways, ports, on_event);
    let driver = driver(scan, &plan, &ways, ports, clock, &neighbors)?;
    let null = scan.options().link == LinkKind::Null;
    let counted = if null { Counted(Vec::new()) } else { Counted::begin(&ways) };
    let mut outcome = driver.run(cancel, on_event)?;
    if null {
        let sentence = "the probes were made and thrown away: nothing was sent (link null)";
        on_event(ScanEvent::Warning(sentence.to_owned()));
    }
    let unsent = counted.unsent(&outcome.sent_by_link);
    if unsent > 0 {
        outcome.sent = outcome.sent.saturating_sub(unsent);
        on_event(ScanEvent::Warning(format!(
            "{unsent} probes did not leave: the interface dropped them (a lower --rate may help)"
        )));
    }
    if outcome.refused > 0 {
        let refused = outcome.refused;
        on_event(ScanEvent::Warning(format!(
            "this host's own IP layer refused {refused} probes (a firewall, or a lost route)"
        )));
    }
    if let Some(words) = outcome::loss(scan, &outcome).and_then(outcome::loss_warning) {
        on_event(ScanEvent::Warning(words));
    }
    let mut concluded = conclude(scan, &plan, &ways, &outcome, clock);
    concluded.stats.hosts_up += u64::try_from(neighbors.len()).unwrap_or(u64::MAX);
    Ok(concluded)
}

fn source_ports(scan: &Scan) -> Result<SourcePorts, ScanError> {
    let given = scan.options().source_ports.and_then(|(a, b)| SourcePorts::new(a, b));
    if let Some(ports) = given {
        return Ok(ports);
    }
    let range = PortBlock::pick(BLOCK_LEN_DEFAULT)?.range();
    let free = SourcePorts::new(*range.start(), *range.end());
    free.ok_or(ScanError::Ports(PortsError::NoneFree))
}

/// Removes what killed scans left behind, and keeps this host's TCP quiet where that is asked for.
/// A scan without it is a whole scan: what can't be done is told.
fn suppression(
    scan: &Scan,
    ways: &Ways,
    ports: SourcePorts,
    on_event: &mut dyn FnMut(ScanEvent),
) -> Option<Suppression> {
    match suppress::sweep() {
        Ok(left) if !left.is_empty() => {
            tracing::info!(?left, "filter rules of killed scans removed");
        }
        Ok(_) => {}
        Err(error) => tracing::debug!(%error, "filter rules of killed scans are not looked for"),
    }
    if !scan.options().suppress_resets {
        return None;
    }
    let mut names: Vec<&str> = ways.links.iter().map(|l| l.interface.name.as_str()).collect();
    names.sort_unstable();
    names.dedup();
    match Suppression::install(&names, ports) {
        Ok(suppression) => Some(suppression),
        Err(error) => {
            let sentence = format!("this host will reset what answers: {error}");
            on_event(ScanEvent::Warning(sentence));
            None
        }
    }
}

fn driver(
    scan: &Scan,
    plan: &Arc<ScanPlan>,
    ways: &Ways,
    ports: SourcePorts,
    clock: ScanClock,
    neighbors: &[IpAddr],
) -> Result<Driver, ScanError> {
    let options = scan.options();
    let (ladder, answered) = Ladder::new(options, plan, scan.known())?;
    let threads = scan.options().threads.max(1);
    let timelines: Vec<Vec<Arc<Timeline>>> =
        ways.links.iter().map(|_| (0..threads).map(|_| Arc::default()).collect()).collect();
    // The generator asks no sample twice.
    let exact = answered.is_some() && scan.known().is_none() && !ladder.generates();
    let truth = Truth::new(scan.options(), plan, ways, exact, clock.now())?;
    let mut listeners = Vec::new();
    let mut listening = Vec::new();
    let strides = scan.options().shard.count.saturating_mul(threads);
    for spec in &ways.links {
        if listening.contains(&spec.interface.index) {
            continue;
        }
        listening.push(spec.interface.index);
        let encapsulation = listen_as(spec);
        let filter = Filter::new(encapsulation).ports(ports.first()..=ports.last());
        let (index, options) = (spec.interface.index, PacketRxOptions::default());
        let taps = PacketRx::open_group(index, &filter, options, threads.div_ceil(SENDERS_HEARD))?;
        let taps = taps.into_iter().map(|rx| Box::new(rx) as Box<dyn RxLink>);
        let links: Vec<_> = taps.chain(ladder.answers(plan, spec)).collect();
        for rx in links {
            let half = Receiver::new(
                Arc::clone(plan),
                encapsulation,
                answered.clone(),
                timelines.clone(),
                strides,
                clock.epoch(),
            );
            let half = match listeners.first() {
                Some(Listener { half: other, .. }) => half.sharing(other),
                None => half,
            };
            let half = truth.listener(half);
            for addr in neighbors {
                half.know_host(*addr);
            }
            let trace = scan.options().trace.as_ref();
            let trace = trace.map(|trace| trace.link(&spec.interface.name, encapsulation));
            listeners.push(Listener { half, rx, trace });
        }
    }
    let senders =
        senders(scan, plan, ways, answered.as_ref(), &timelines, clock, (&ladder, &truth))?;
    let positions = senders.iter().map(|s| s.half.share()).sum();
    Ok(Driver {
        plan: Arc::clone(plan),
        answered,
        senders,
        listeners,
        clock,
        truth,
        cooldown: scan.options().cooldown,
        checkpoint: scan.checkpoint(threads),
        checkpoint_path: scan.options().checkpoint.clone(),
        reachable: plan.len() - plan.unresolved() - plan.unroutable(),
        positions,
    })
}

fn senders(
    scan: &Scan,
    plan: &Arc<ScanPlan>,
    ways: &Ways,
    answered: Option<&Arc<Answered>>,
    timelines: &[Vec<Arc<Timeline>>],
    clock: ScanClock,
    (ladder, truth): (&Ladder, &Truth),
) -> Result<Vec<Sender>, ScanError> {
    // Neighbours that are not there take no part of the rate.
    let reachable = plan.reachable_by_link();
    let all: u64 = reachable.values().sum();
    let mut senders = Vec::new();
    for (link, (spec, lines)) in ways.links.iter().zip(timelines).enumerate() {
        let share = reachable.get(&link).copied().unwrap_or(0);
        let threads = u32::try_from(lines.len()).unwrap_or(1).max(1);
        let rate = share_of_rate(scan.options().rate_pps, share, all) / threads;
        let rate = RatePps::new(rate).unwrap_or(RatePps::MIN);
        for (thread, line) in (0..threads).zip(lines) {
            let shard = scan.options().shard.thread(thread, threads);
            let mut half = Transmitter::new(
                Arc::clone(plan),
                link,
                answered.cloned(),
                Arc::clone(line),
                shard,
                rate,
                clock.now(),
            );
            if scan.known().is_some() {
                half.skip_answered();
            }
            let part = ratio(share, all) / f64::from(threads);
            let half = truth.sender(half, part, link, clock.now());
            let mut tx = ladder.frames(spec, thread)?;
            if let Some(trace) = &scan.options().trace {
                tx = trace.link(&spec.interface.name, listen_as(spec)).tell(tx);
            }
            senders.push(Sender {
                half,
                tx,
                maker: ladder.positions(plan, link, spec, shard)?,
                may_fall_back: ladder.may_fall_back(),
            });
        }
    }
    Ok(senders)
}

/// Loopback frames arrive with an Ethernet header of zeros, whatever they left with.
fn listen_as(spec: &LinkSpec) -> Encapsulation {
    match spec.exit {
        Exit::RawIp(_) => Encapsulation::Ethernet,
        Exit::Packet => spec.interface.encapsulation,
    }
}

/// What the interfaces had counted when sending began.
struct Counted(Vec<(usize, WireMeter, WireCount)>);

impl Counted {
    /// Reads the counters of all links that probes leave by; what can't be read is left out.
    fn begin(ways: &Ways) -> Self {
        let links = ways.links.iter().enumerate().filter(|(_, l)| l.exit == Exit::Packet);
        let read = links.filter_map(|(number, link)| {
            let meter = WireMeter::new(&link.interface.name);
            let before = meter.read().ok()?;
            Some((number, meter, before))
        });
        Self(read.collect())
    }

    /// How many of the probes handed over since then the interfaces did not count as sent. What
    /// others send hides as many; what of theirs is dropped is not ours to count.
    fn unsent(&self, sent_by_link: &BTreeMap<usize, u64>) -> u64 {
        let unsent = self.0.iter().filter_map(|(number, meter, before)| {
            let sent = sent_by_link.get(number)?;
            let count = meter.read().ok()?.since(*before);
            Some(sent.saturating_sub(count.packets))
        });
        unsent.sum()
    }
}

/// Tells of the neighbours that answered for their addresses, and returns those.
fn tell_neighbors(
    ways: &Ways,
    clock: ScanClock,
    on_event: &mut dyn FnMut(ScanEvent),
) -> Vec<IpAddr> {
    let on_link: &AddrSet = &ways.on_link;
    let mut up: Vec<IpAddr> =
        ways.neighbors.keys().copied().filter(|addr| on_link.contains(*addr)).collect();
    up.sort_unstable();
    for addr in &up {
        let reason = if addr.is_ipv4() { Reason::ArpResponse } else { Reason::NdResponse };
        on_event(ScanEvent::Host(HostObservation {
            at: clock.unix_now(),
            addr: *addr,
            reason,
            mac: ways.neighbors.get(addr).copied(),
            ttl: None,
            rtt: None,
        }));
    }
    up
}

#[expect(clippy::cast_precision_loss, reason = "a share of a rate")]
fn ratio(part: u64, whole: u64) -> f64 {
    part as f64 / whole.max(1) as f64
}

fn share_of_rate(rate: u32, share: u64, all: u64) -> u32 {
    let part = u128::from(rate) * u128::from(share) / u128::from(all.max(1));
    u32::try_from(part).unwrap_or(rate)
}

//! A scan from plan to outcome: the engine's front door.

use std::collections::BTreeMap;
use std::net::IpAddr;
use std::sync::Arc;
use std::sync::atomic::AtomicBool;

use portolan_core::answered::Answered;
use portolan_core::cookie::{CookieKey, SourcePorts};
use portolan_core::link::Encapsulation;
use portolan_core::pacer::RatePps;
use portolan_core::plan::{PASSES_MAX, PlanConfig, PlanError, ScanPlan};
use portolan_core::receive::{ReceiveCounts, Receiver};
use portolan_core::seed::Seed;
use portolan_core::target::{AddrSet, Block, Scope, TargetSet};
use portolan_core::timeline::Timeline;
use portolan_core::transmit::Transmitter;
use portolan_core::wire::Rejection;
use portolan_core::{Endpoint, HostObservation, Reason, ScanEvent, ScanStats};
use portolan_probes::UsualPayloads;

use crate::checkpoint::Checkpoint;
use crate::clock::ScanClock;
use crate::connect::ConnectError;
use crate::driver::{Driver, Listener, Outcome, Sender};
use crate::filter::Filter;
use crate::link::{
    LinkError, PacketRx, PacketRxOptions, PacketTx, PacketTxOptions, RawIpTx, TxLink,
};
use crate::options::{Cancel, ScanOptions};
use crate::ports::{BLOCK_LEN_DEFAULT, PortBlock, PortsError};
use crate::prepare::{self, Exit, LinkSpec, PrepareError, Ways};
use crate::privilege::Privilege;
use crate::sys::SyscallError;

/// TCP ports that discovery knocks at beyond the link, beside the echo request.
const DISCOVERY_PORTS: [u16; 3] = [22, 80, 443];

/// How a scan is done.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Method {
    /// With packets of our own.
    Raw,
    /// Through the kernel's `connect`: asked for, or for want of privilege.
    Connect,
}

/// A scan that can't be planned.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ScanPlanError {
    /// Neither privilege nor a way without it.
    #[error("{what} needs raw packets: run as root or grant CAP_NET_RAW")]
    NeedsPrivilege {
        /// What was asked for.
        what: &'static str,
    },
    /// The numbers don't fit.
    #[error(transparent)]
    Plan(#[from] PlanError),
    /// No free source ports, or a range that is none.
    #[error("source ports {first}-{last}: expected a range within 1-65535")]
    SourcePorts {
        /// As given.
        first: u16,
        /// As given.
        last: u16,
    },
    /// Nothing is left to scan.
    #[error("nothing to scan: {why}")]
    Nothing {
        /// Why.
        why: &'static str,
    },
    /// A rate of zero.
    #[error("a rate of 0 packets a second would never end")]
    Rate,
    /// A shard that is none.
    #[error("shard {index} of {count}: expected an index below the count")]
    Shard {
        /// From 0.
        index: u32,
        /// Of how many.
        count: u32,
    },
    /// The operating system gave no random numbers.
    #[error("no randomness from the operating system")]
    Random(#[source] getrandom::Error),
}

/// A scan that broke off.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ScanError {
    /// The kernel gives no sockets.
    #[error(transparent)]
    Connect(#[from] ConnectError),
    /// The runtime for connections could not be made.
    #[error("no event queue from the operating system")]
    Runtime(#[source] std::io::Error),
    /// A link failed.
    #[error(transparent)]
    Link(#[from] LinkError),
    /// The numbers don't fit.
    #[error(transparent)]
    Plan(#[from] PlanError),
    /// No free source ports.
    #[error(transparent)]
    Ports(#[from] PortsError),
    /// Routes or neighbours could not be found.
    #[error(transparent)]
    Prepare(#[from] PrepareError),
    /// The kernel refused something.
    #[error(transparent)]
    Syscall(#[from] SyscallError),
}

/// What a scan came to.
#[derive(Debug, Clone)]
pub struct ScanOutcome {
    /// Figures.
    pub stats: ScanStats,
    /// Whether it ran to its end.
    pub complete: bool,
    /// What was asked as often as the options say; empty for a scan that was broken off or that
    /// is one shard of several, of which only the answers are known.
    pub asked: TargetSet,
    /// Where to go on, after an interruption.
    pub checkpoint: Option<Checkpoint>,
}

/// A scan, planned and not yet run.
pub struct Scan {
    targets: TargetSet,
    options: ScanOptions,
    method: Method,
    fallback: Option<String>,
    seed: u64,
    key: CookieKey,
}

impl Scan {
    /// Plans a scan of what of `targets` lies in `scope`. Sends nothing.
    ///
    /// Without privilege a SYN scan becomes a connect scan, and its first event says so.
    ///
    /// # Errors
    /// [`ScanPlanError`]: numbers that don't fit, options that contradict each other, or what can't
    /// be done without privilege.
    pub fn plan(
        targets: &TargetSet,
        scope: &Scope,
        options: ScanOptions,
    ) -> Result<Self, ScanPlanError> {
        let options = resumed(options);
        check(&options)?;
        let bound = |b: &Block| Block { addrs: scope.bound(&b.addrs), ..b.clone() };
        let targets: TargetSet = targets.blocks().iter().map(bound).collect();
        if targets.addrs().is_empty() {
            return Err(ScanPlanError::Nothing { why: "no address is left after exclusions" });
        }
        if !options.kinds.discover && targets.is_empty() {
            return Err(ScanPlanError::Nothing { why: "no port is left after exclusions" });
        }
        let (method, fallback) = method_of(&targets, &options)?;
        let mut random = [0; 24];
        getrandom::fill(&mut random).map_err(ScanPlanError::Random)?;
        let (seed, key) = random.split_at(8);
        let mut seed_octets = [0; 8];
        seed_octets.copy_from_slice(seed);
        let mut key_octets = [0; 16];
        key_octets.copy_from_slice(key);
        let seed = options.seed.unwrap_or_else(|| u64::from_le_bytes(seed_octets));
        let scan =
            Self { targets, options, method, fallback, seed, key: CookieKey::new(key_octets) };
        // Building a plan without ways finds out whether the numbers fit.
        scan.paper_plan()?;
        Ok(scan)
    }

    /// How it will be done.
    pub const fn method(&self) -> Method {
        self.method
    }

    /// What fixes the order.
    pub const fn seed(&self) -> u64 {
        self.seed
    }

    /// What will be asked.
    pub const fn targets(&self) -> &TargetSet {
        &self.targets
    }

    /// The endpoints of this shard in the order of asking.
    ///
    /// Several sending threads or links interleave; each keeps to this order.
    pub fn endpoints(&self) -> impl Iterator<Item = Endpoint> + use<> {
        let shard = self.options.shard;
        let plan = self.paper_plan().ok();
        let mut position = u64::from(shard.index);
        std::iter::from_fn(move || {
            let plan = plan.as_ref().filter(|p| position < p.len())?;
            let aim = plan.aim(plan.permutation().element(position))?;
            position = position.saturating_add(u64::from(shard.count));
            Some(aim.probe.endpoint(aim.addr))
        })
    }

    /// Runs it on this thread and threads of its own; `on_event` is called on this one.
    ///
    /// # Errors
    /// [`ScanError`], where something outside broke; what was found until then has been told.
    pub fn run(
        self,
        cancel: &Cancel,
        on_event: &mut dyn FnMut(ScanEvent),
    ) -> Result<ScanOutcome, ScanError> {
        if let Some(sentence) = &self.fallback {
            on_event(ScanEvent::Warning(sentence.clone()));
        }
        match self.method {
            Method::Raw => self.run_raw(cancel, on_event),
            Method::Connect => crate::connect_scan::run(&self, cancel, on_event),
        }
    }

    /// How it was asked for.
    pub(crate) const fn options(&self) -> &ScanOptions {
        &self.options
    }

    fn config(&self, source_ports: SourcePorts) -> PlanConfig {
        let discover = self.options.kinds.discover;
        let blocks = if discover {
            let tcp = DISCOVERY_PORTS.into_iter().collect();
            vec![Block { addrs: self.targets.addrs(), tcp, ..Block::default() }]
        } else {
            self.targets.blocks().to_vec()
        };
        PlanConfig {
            scope: Scope::only(self.targets.addrs()),
            blocks,
            echo: discover,
            discover,
            passes: self.options.retries.saturating_add(1).min(PASSES_MAX),
            seed: Seed(self.seed),
            key: self.key,
            source_ports,
            payloads: Arc::new(UsualPayloads),
        }
    }

    /// The plan without ways: for order and numbers.
    pub(crate) fn paper_plan(&self) -> Result<ScanPlan, PlanError> {
        // Any ports: nothing is sent from a plan on paper.
        let ports = SourcePorts::new(1, u16::MAX).ok_or(PlanError::TooManyEndpoints)?;
        ScanPlan::new(self.config(ports), Vec::new(), &[], &|_| None)
    }

    fn run_raw(
        self,
        cancel: &Cancel,
        on_event: &mut dyn FnMut(ScanEvent),
    ) -> Result<ScanOutcome, ScanError> {
        let clock = ScanClock::start();
        let stop = AtomicBool::new(false);
        let mut ways = prepare::ways(&self.targets.addrs(), &self.options, &stop)?;
        for warning in ways.warnings.drain(..) {
            on_event(ScanEvent::Warning(warning));
        }
        let ports = self.source_ports()?;
        if self.options.kinds.discover {
            // ARP and neighbour discovery have asked these already.
            ways.routes.retain(|route| !ways.hops.get(route.hop).is_some_and(|h| h.on_link));
        }
        let resolve = |addr: IpAddr| ways.neighbors.get(&addr).copied();
        let plan = ScanPlan::new(self.config(ports), ways.hops.clone(), &ways.routes, &resolve)?;
        let plan = Arc::new(plan);
        let neighbors = tell_neighbors(&ways, clock, on_event);
        let driver = self.driver(&plan, &ways, ports, clock, &neighbors)?;
        let outcome = driver.run(cancel, on_event)?;
        let mut concluded = self.conclude(&plan, &ways, &outcome, clock);
        concluded.stats.hosts_up += u64::try_from(neighbors.len()).unwrap_or(u64::MAX);
        Ok(concluded)
    }

    fn source_ports(&self) -> Result<SourcePorts, ScanError> {
        let given = self.options.source_ports.and_then(|(a, b)| SourcePorts::new(a, b));
        if let Some(ports) = given {
            return Ok(ports);
        }
        let range = PortBlock::pick(BLOCK_LEN_DEFAULT)?.range();
        let free = SourcePorts::new(*range.start(), *range.end());
        free.ok_or(ScanError::Ports(PortsError::NoneFree))
    }

    fn driver(
        &self,
        plan: &Arc<ScanPlan>,
        ways: &Ways,
        ports: SourcePorts,
        clock: ScanClock,
        neighbors: &[IpAddr],
    ) -> Result<Driver, ScanError> {
        let answered = Answered::new(plan.len()).map(Arc::new);
        let resumed = self.options.resume.as_ref();
        if let (Some(answered), Some(resumed)) = (answered.as_ref(), resumed) {
            answered.fill(&resumed.answered);
        }
        let threads = self.options.threads.max(1);
        let timelines: Vec<Vec<Arc<Timeline>>> =
            ways.links.iter().map(|_| (0..threads).map(|_| Arc::default()).collect()).collect();
        let mut listeners = Vec::new();
        let mut listening = Vec::new();
        let strides = self.options.shard.count.saturating_mul(threads);
        for spec in &ways.links {
            if listening.contains(&spec.interface.index) {
                continue;
            }
            listening.push(spec.interface.index);
            let encapsulation = listen_as(spec);
            let filter = Filter::new(encapsulation).ports(ports.first()..=ports.last());
            let rx = PacketRx::open(spec.interface.index, &filter, PacketRxOptions::default())?;
            let half = Receiver::new(
                Arc::clone(plan),
                encapsulation,
                answered.clone(),
                timelines.clone(),
                strides,
                clock.epoch(),
            );
            for addr in neighbors {
                half.know_host(*addr);
            }
            listeners.push(Listener { half, rx: Box::new(rx) });
        }
        let senders = self.senders(plan, ways, answered.as_ref(), &timelines, clock)?;
        let positions = senders.iter().map(|s| s.half.share()).sum();
        Ok(Driver {
            plan: Arc::clone(plan),
            answered,
            senders,
            listeners,
            clock,
            cooldown: self.options.cooldown,
            checkpoint: self.checkpoint(threads),
            checkpoint_path: self.options.checkpoint.clone(),
            reachable: plan.len() - plan.unresolved() - plan.unroutable(),
            positions,
        })
    }

    fn senders(
        &self,
        plan: &Arc<ScanPlan>,
        ways: &Ways,
        answered: Option<&Arc<Answered>>,
        timelines: &[Vec<Arc<Timeline>>],
        clock: ScanClock,
    ) -> Result<Vec<Sender>, ScanError> {
        let hosts = plan.hosts_by_link();
        let all: u64 = hosts.values().sum();
        let mut senders = Vec::new();
        for (link, (spec, lines)) in ways.links.iter().zip(timelines).enumerate() {
            let share = hosts.get(&link).copied().unwrap_or(0);
            let threads = u32::try_from(lines.len()).unwrap_or(1).max(1);
            let rate = share_of_rate(self.options.rate_pps, share, all) / threads;
            let rate = RatePps::new(rate).unwrap_or(RatePps::MIN);
            for (thread, line) in (0..threads).zip(lines) {
                let shard = self.options.shard.thread(thread, threads);
                let half = Transmitter::new(
                    Arc::clone(plan),
                    link,
                    answered.cloned(),
                    Arc::clone(line),
                    shard,
                    rate,
                    clock.now(),
                );
                senders.push(Sender { half, tx: open_tx(spec)? });
            }
        }
        Ok(senders)
    }

    /// A checkpoint at the place where the scan begins.
    pub(crate) fn checkpoint(&self, threads: u32) -> Checkpoint {
        let resumed = self.options.resume.as_ref();
        Checkpoint {
            targets: self.targets.clone(),
            kinds: self.options.kinds,
            seed: self.seed,
            shard: self.options.shard,
            retries: self.options.retries,
            rate_pps: self.options.rate_pps,
            pass: resumed.map_or(0, |r| r.pass),
            threads,
            taken: resumed.map_or_else(Vec::new, |r| r.taken.clone()),
            answered: resumed.map_or_else(Vec::new, |r| r.answered.clone()),
        }
    }

    fn conclude(
        &self,
        plan: &ScanPlan,
        ways: &Ways,
        outcome: &Outcome,
        clock: ScanClock,
    ) -> ScanOutcome {
        // Neighbours have been asked for their addresses; that is asking.
        let by_arp = if self.options.kinds.discover {
            let probes = plan.len() / plan.hosts().max(1);
            ways.on_link.len().unwrap_or(0).saturating_mul(probes)
        } else {
            plan.unresolved()
        };
        let counts = total(&outcome.counts);
        let answered: u64 = counts.first_in_pass.iter().sum();
        let asked = outcome.asked + by_arp;
        let loss_estimate = loss(&counts, plan.config().passes);
        let whole = outcome.complete && self.options.shard.count == 1;
        let reached =
            |b: &Block| Block { addrs: b.addrs.difference(&ways.unroutable), ..b.clone() };
        let stats = ScanStats {
            targets: plan.hosts(),
            ports: self.ports(),
            planned: plan.len(),
            asked,
            probes_sent: outcome.sent,
            replies: counts.replies,
            duplicates: counts.duplicates,
            open: counts.open,
            closed: counts.closed,
            filtered: counts.filtered,
            silent: asked.saturating_sub(answered),
            hosts_up: counts.hosts_up,
            rejected: rejected(&counts),
            kernel_drops: outcome.kernel_drops,
            back_pressure: outcome.back_pressure,
            duration: clock.elapsed(),
            loss_estimate,
            coverage: coverage(asked, self.options.shard.share_of(plan.len()), loss_estimate, plan),
        };
        ScanOutcome {
            stats,
            complete: outcome.complete,
            asked: if whole {
                self.targets.blocks().iter().map(reached).collect()
            } else {
                TargetSet::default()
            },
            checkpoint: (!outcome.complete).then(|| outcome.checkpoint.clone()),
        }
    }

    pub(crate) fn ports(&self) -> u64 {
        let most = self.targets.blocks().iter().map(Block::ports_len).max().unwrap_or(0);
        u64::try_from(most).unwrap_or(u64::MAX)
    }
}

/// What a checkpoint fixes, it fixes.
fn resumed(mut options: ScanOptions) -> ScanOptions {
    if let Some(checkpoint) = &options.resume {
        options.kinds = checkpoint.kinds;
        options.seed = Some(checkpoint.seed);
        options.shard = checkpoint.shard;
        options.retries = checkpoint.retries;
        options.threads = checkpoint.threads;
    }
    options
}

fn check(options: &ScanOptions) -> Result<(), ScanPlanError> {
    let shard = options.shard;
    if shard.index >= shard.count {
        return Err(ScanPlanError::Shard { index: shard.index, count: shard.count });
    }
    if options.rate_pps == 0 {
        return Err(ScanPlanError::Rate);
    }
    if options.retries >= PASSES_MAX {
        let passes = options.retries.saturating_add(1);
        return Err(ScanPlanError::Plan(PlanError::Passes { passes }));
    }
    if let Some((first, last)) = options.source_ports
        && SourcePorts::new(first, last).is_none()
    {
        return Err(ScanPlanError::SourcePorts { first, last });
    }
    Ok(())
}

fn method_of(
    targets: &TargetSet,
    options: &ScanOptions,
) -> Result<(Method, Option<String>), ScanPlanError> {
    if options.kinds.connect {
        return Ok((Method::Connect, None));
    }
    let raw = Privilege::detect().is_ok_and(|p| p.raw_sockets);
    if raw {
        return Ok((Method::Raw, None));
    }
    if options.kinds.discover {
        return Err(ScanPlanError::NeedsPrivilege { what: "host discovery" });
    }
    if targets.blocks().iter().all(|b| b.tcp.is_empty()) {
        return Err(ScanPlanError::NeedsPrivilege { what: "a UDP scan" });
    }
    let udp = targets.blocks().iter().any(|b| !b.udp.is_empty());
    let left_out = if udp { ", and leaves UDP ports out" } else { "" };
    let sentence =
        format!("no privilege for raw packets (CAP_NET_RAW): this is a TCP connect scan{left_out}");
    Ok((Method::Connect, Some(sentence)))
}

/// Loopback frames arrive with an Ethernet header of zeros, whatever they left with.
fn listen_as(spec: &LinkSpec) -> Encapsulation {
    match spec.exit {
        Exit::RawIp(_) => Encapsulation::Ethernet,
        Exit::Packet => spec.interface.encapsulation,
    }
}

fn open_tx(spec: &LinkSpec) -> Result<Box<dyn TxLink>, LinkError> {
    let interface = spec.interface.index;
    Ok(match spec.exit {
        Exit::RawIp(family) => Box::new(RawIpTx::open(family, interface)?),
        Exit::Packet => {
            let options = PacketTxOptions::default();
            Box::new(PacketTx::open(interface, spec.interface.encapsulation, options)?)
        }
    })
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

fn share_of_rate(rate: u32, share: u64, all: u64) -> u32 {
    let part = u128::from(rate) * u128::from(share) / u128::from(all.max(1));
    u32::try_from(part).unwrap_or(rate)
}

fn total(all: &[ReceiveCounts]) -> ReceiveCounts {
    let mut sum = ReceiveCounts::default();
    for counts in all {
        sum.add(counts);
    }
    sum
}

fn rejected(counts: &ReceiveCounts) -> BTreeMap<&'static str, u64> {
    let named = Rejection::ALL.iter().map(|r| r.name()).zip(counts.rejected);
    named.filter(|(_, count)| *count > 0).collect()
}

/// Of those who answered at all, the share that answered the second probe and not the first is
/// about the loss of one exchange.
fn loss(counts: &ReceiveCounts, passes: u8) -> Option<f64> {
    let [first, second, ..] = counts.first_in_pass;
    (passes > 1 && first > 0).then(|| (ratio(second, first)).min(1.0))
}

fn coverage(asked: u64, planned: u64, loss: Option<f64>, plan: &ScanPlan) -> f64 {
    let lost = loss.unwrap_or(0.0).powi(i32::from(plan.config().passes));
    ratio(asked.min(planned), planned.max(1)) * (1.0 - lost)
}

#[expect(clippy::cast_precision_loss, reason = "a ratio for people to read")]
fn ratio(part: u64, whole: u64) -> f64 {
    part as f64 / whole as f64
}

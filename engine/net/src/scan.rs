//! A scan from plan to outcome: the engine's front door.

use std::sync::Arc;

use portolan_core::answered::Answered;
use portolan_core::cookie::{CookieKey, SourcePorts};
use portolan_core::plan::{PASSES_MAX, PlanConfig, PlanError, Probe, ScanPlan};
use portolan_core::probe::Pings;
use portolan_core::seed::Seed;
use portolan_core::target::{Block, Scope, TargetSet};
use portolan_core::{Endpoint, ScanEvent, Transport, UnixTime};
use portolan_probes::UsualPayloads;

use crate::checkpoint::{ANSWERS_KEPT_MAX, Checkpoint};
use crate::clock::ScanClock;
use crate::connect::ConnectError;
use crate::link::LinkError;
use crate::options::{Cancel, ScanOptions};
use crate::outcome::ScanOutcome;
use crate::ports::PortsError;
use crate::prepare::PrepareError;
use crate::privilege::Privilege;
use crate::sys::SyscallError;
use crate::truth::SubnetSplit;

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
    /// A limit can't be kept.
    #[error(transparent)]
    SubnetSplit(#[from] SubnetSplit),
    /// The kernel refused something.
    #[error(transparent)]
    Syscall(#[from] SyscallError),
}

/// A scan, planned and not yet run.
pub struct Scan {
    targets: TargetSet,
    options: ScanOptions,
    method: Method,
    fallback: Option<String>,
    seed: u64,
    key: CookieKey,
    begun: UnixTime,
    /// What had answered before a scan was resumed.
    known: Option<Arc<Answered>>,
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
        let mut scan = Self {
            targets,
            options,
            method,
            fallback,
            seed,
            key: CookieKey::new(key_octets),
            begun: ScanClock::start().epoch(),
            known: None,
        };
        // Building a plan without ways finds out whether the numbers fit.
        let plan = scan.paper_plan()?;
        if let Some(resumed) = &scan.options.resume {
            scan.known = Answered::new(plan.len()).map(Arc::new);
            if let Some(known) = &scan.known {
                known.fill(&resumed.answered);
            }
        }
        Ok(scan)
    }

    /// Takes `endpoints` for answered: they are neither asked nor told of. For a scan that is
    /// resumed, whose results were written down after its last checkpoint; otherwise, and for
    /// endpoints that are not of this scan, nothing changes.
    pub fn know(&self, endpoints: impl Iterator<Item = Endpoint>) {
        let Some((plan, known)) = self.paper_plan().ok().zip(self.known.as_ref()) else { return };
        for endpoint in endpoints {
            let probe = match endpoint.transport {
                Transport::Tcp => Probe::Tcp(endpoint.port),
                Transport::Udp => Probe::Udp(endpoint.port),
                Transport::Sctp => Probe::Sctp(endpoint.port),
                Transport::Ip => continue,
            };
            if let Some(found) = plan.find(endpoint.addr, probe) {
                known.insert(found.index);
            }
        }
    }

    /// What had answered before this scan was resumed; nothing where it is a new one.
    pub(crate) const fn known(&self) -> Option<&Arc<Answered>> {
        self.known.as_ref()
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
            let aim = plan.aim(plan.element(position))?;
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
            Method::Raw => crate::raw_scan::run(&self, cancel, on_event),
            Method::Connect => crate::connect_scan::run(&self, cancel, on_event),
        }
    }

    /// How it was asked for.
    pub(crate) const fn options(&self) -> &ScanOptions {
        &self.options
    }

    /// What the plan is made from.
    pub(crate) fn config(&self, source_ports: SourcePorts) -> PlanConfig {
        let discover = self.options.kinds.discover;
        let blocks = if discover {
            let tcp = self.options.discovery.syn_ports.clone();
            vec![Block { addrs: self.targets.addrs(), tcp, ..Block::default() }]
        } else {
            self.targets.blocks().to_vec()
        };
        PlanConfig {
            scope: Scope::only(self.targets.addrs()),
            blocks,
            echo: discover && self.options.discovery.echo,
            pings: if discover { self.options.discovery.pings } else { Pings::default() },
            discover,
            tcp_scan: self.options.kinds.tcp_scan(),
            passes: self.options.retries.saturating_add(1).min(PASSES_MAX),
            seed: Seed(self.seed),
            key: self.key,
            source_ports,
            payloads: Arc::new(UsualPayloads),
            style: self.options.style,
        }
    }

    /// `plan` in the order that the options ask for.
    pub(crate) fn ordered(&self, plan: ScanPlan) -> ScanPlan {
        match self.options.limits().grouping() {
            Some(grouping) => plan.striped(grouping),
            None => plan,
        }
    }

    /// The plan without ways: for order and numbers.
    pub(crate) fn paper_plan(&self) -> Result<ScanPlan, PlanError> {
        // Any ports: nothing is sent from a plan on paper.
        let ports = SourcePorts::new(1, u16::MAX).ok_or(PlanError::TooManyEndpoints)?;
        let plan = ScanPlan::new(self.config(ports), Vec::new(), &[], &|_| None)?;
        Ok(self.ordered(plan))
    }

    /// A checkpoint at the place where the scan begins.
    pub(crate) fn checkpoint(&self, threads: u32) -> Checkpoint {
        let resumed = self.options.resume.as_ref();
        Checkpoint {
            targets: self.targets.clone(),
            kinds: self.options.kinds,
            seed: self.seed,
            begun: resumed.map_or(self.begun, |r| r.begun),
            shard: self.options.shard,
            retries: self.options.retries,
            rate_pps: self.options.rate_pps,
            auto_rate: self.options.auto_rate,
            max_host_pps: self.options.max_host_pps,
            max_subnet_pps: self.options.max_subnet_pps,
            pass: resumed.map_or(0, |r| r.pass),
            threads,
            taken: resumed.map_or_else(Vec::new, |r| r.taken.clone()),
            answered: self
                .known
                .as_ref()
                .filter(|known| known.len() <= ANSWERS_KEPT_MAX)
                .map_or_else(Vec::new, |known| known.to_octets()),
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
        options.max_host_pps = checkpoint.max_host_pps;
        options.max_subnet_pps = checkpoint.max_subnet_pps;
    }
    if options.limits().grouping().is_some() {
        // Two threads would each keep to the limit, and both together not.
        options.threads = 1;
    }
    options
}

fn check(options: &ScanOptions) -> Result<(), ScanPlanError> {
    let shard = options.shard;
    if shard.index >= shard.count {
        return Err(ScanPlanError::Shard { index: shard.index, count: shard.count });
    }
    if [Some(options.rate_pps), options.max_host_pps, options.max_subnet_pps].contains(&Some(0)) {
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
    let limited = options.limits().grouping().is_some();
    let limit = ScanPlanError::NeedsPrivilege { what: "a rate limit per host or subnet" };
    if options.kinds.connect {
        return if limited { Err(limit) } else { Ok((Method::Connect, None)) };
    }
    let raw = Privilege::detect().is_ok_and(|p| p.raw_sockets);
    if raw {
        return Ok((Method::Raw, None));
    }
    if options.kinds.discover {
        return Err(ScanPlanError::NeedsPrivilege { what: "host discovery" });
    }
    if limited {
        return Err(limit);
    }
    if options.kinds.segment.is_some() {
        return Err(ScanPlanError::NeedsPrivilege { what: "a TCP scan by other than SYN" });
    }
    let udp = targets.blocks().iter().any(|b| !b.udp.is_empty());
    let sctp = targets.blocks().iter().any(|b| !b.sctp.is_empty());
    if targets.blocks().iter().all(|b| b.tcp.is_empty()) {
        let what = if udp { "a UDP scan" } else { "an SCTP scan" };
        return Err(ScanPlanError::NeedsPrivilege { what });
    }
    let left_out = match (udp, sctp) {
        (false, false) => "",
        (true, false) => ", and leaves UDP ports out",
        (false, true) => ", and leaves SCTP ports out",
        (true, true) => ", and leaves UDP and SCTP ports out",
    };
    let sentence =
        format!("no privilege for raw packets (CAP_NET_RAW): this is a TCP connect scan{left_out}");
    Ok((Method::Connect, Some(sentence)))
}

//! Which link a scan sends by: a ladder from the fastest to the one that always works.

use std::sync::Arc;

use portolan_core::answered::{ANSWERED_LEN_MAX, Answered};
use portolan_core::link::Encapsulation;
use portolan_core::permutation::Shard;
use portolan_core::plan::ScanPlan;

#[cfg(not(feature = "bpf"))]
use super::no_bpf::{AnswersRx, Generator, SharedBits, try_loading};
#[cfg(feature = "bpf")]
use super::{AnswersRx, Generator, SharedBits, generator::try_loading};
use super::{
    LinkError, LinkKind, NullTx, PacketTx, PacketTxOptions, PositionLink, RawIpTx, RxLink, TxLink,
    XdpTx, xdp,
};
use crate::options::ScanOptions;
use crate::prepare::{Exit, LinkSpec};

/// Above this rate the generator is worth its setting up: below, the others keep up with ease, and
/// need less privilege.
const GENERATE_FROM_PPS: u32 = 500_000;
/// Above this rate the cost of a frame matters more than a fair share of the interface for others:
/// frames of an `AF_XDP` socket pass the queueing discipline.
const XDP_FROM_PPS: u32 = 250_000;

/// What can be said of a link on this host.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LinkReport {
    /// Which.
    pub kind: LinkKind,
    /// Why it can't run, and what would help.
    pub obstacle: Option<Obstacle>,
}

/// Why a link can't run.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Obstacle {
    /// In one sentence.
    pub why: String,
    /// What to do about it.
    pub remedy: &'static str,
}

/// Tries every link of the ladder as far as that goes without an interface; sends nothing.
pub fn survey() -> Vec<LinkReport> {
    let report = |kind| LinkReport { kind, obstacle: obstacle_of(kind) };
    LinkKind::LADDER.into_iter().map(report).collect()
}

fn obstacle_of(kind: LinkKind) -> Option<Obstacle> {
    const RAW: &str = "run as root, or setcap cap_net_raw,cap_net_admin+ep on the program";
    match kind {
        LinkKind::Auto | LinkKind::Null => None,
        LinkKind::Mmsg => {
            let privilege = crate::privilege::Privilege::detect().ok()?;
            let error = privilege.require_raw().err()?;
            Some(Obstacle { why: error.to_string(), remedy: RAW })
        }
        LinkKind::Xdp => {
            let error = xdp::try_opening().err()?;
            let permitted = !matches!(error, LinkError::NotPermitted(_));
            let remedy = if permitted { "a kernel with CONFIG_XDP_SOCKETS" } else { RAW };
            Some(Obstacle { why: error.to_string(), remedy })
        }
        LinkKind::Bpf => {
            let error = try_loading().err()?;
            let remedy = error.remedy();
            Some(Obstacle { why: LinkError::from(error).to_string(), remedy })
        }
    }
}

/// What all links of one scan are opened with.
pub(crate) struct Ladder {
    kind: LinkKind,
    rate_pps: u32,
    generator: Option<Bits>,
}

/// Bits that the generator reads too, where there are any.
struct Bits(Option<SharedBits>);

impl Ladder {
    /// The ladder for the link and the rate of `options`, and the bits of what has answered, where
    /// they fit: those that are `known` already are set.
    ///
    /// # Errors
    /// [`LinkError::Unusable`] when a link was asked for that can't run here.
    pub(crate) fn new(
        options: &ScanOptions,
        plan: &ScanPlan,
        known: Option<&Arc<Answered>>,
    ) -> Result<(Self, Option<Arc<Answered>>), LinkError> {
        let (kind, rate_pps) = (options.link, options.rate_pps);
        let without = |ladder| {
            let own = || Answered::new(plan.len()).map(Arc::new);
            (ladder, known.cloned().or_else(own))
        };
        let fast = kind == LinkKind::Auto && rate_pps > GENERATE_FROM_PPS;
        if kind != LinkKind::Bpf && !fast {
            return Ok(without(Self { kind, rate_pps, generator: None }));
        }
        match bits(options, plan, known.is_some()) {
            Ok((bits, answered)) => Ok((Self { kind, rate_pps, generator: Some(bits) }, answered)),
            Err(error) if kind == LinkKind::Bpf => Err(error),
            Err(error) => {
                tracing::debug!(%error, "no generator");
                Ok(without(Self { kind, rate_pps, generator: None }))
            }
        }
    }

    /// A link that makes the probes of `shard` itself; `None` where frames are handed to
    /// [`Ladder::frames`] instead.
    ///
    /// # Errors
    /// As [`Ladder::new`].
    pub(crate) fn positions(
        &self,
        plan: &ScanPlan,
        link: usize,
        spec: &LinkSpec,
        shard: Shard,
    ) -> Result<Option<Box<dyn PositionLink>>, LinkError> {
        let Some(Bits(bits)) = &self.generator else { return Ok(None) };
        match Generator::open(plan, link, &spec.interface, shard, bits.as_ref()) {
            Ok(generator) => Ok(Some(Box::new(generator))),
            Err(error) if self.kind == LinkKind::Bpf => Err(error.into()),
            Err(error) => {
                tracing::debug!(interface = %spec.interface.name, %error, "no generator");
                Ok(None)
            }
        }
    }

    /// Whether probes may be made where the engine does not see each of them.
    pub(crate) const fn generates(&self) -> bool {
        self.generator.is_some()
    }

    /// Whether another link may take over from one that turns out not to work.
    pub(crate) fn may_fall_back(&self) -> bool {
        self.kind == LinkKind::Auto
    }

    /// Whether it is a link, or a rate, for which the driver is spared all that it can be.
    fn is_fast(&self) -> bool {
        match self.kind {
            LinkKind::Xdp | LinkKind::Bpf => true,
            LinkKind::Auto => self.rate_pps > XDP_FROM_PPS,
            LinkKind::Mmsg | LinkKind::Null => false,
        }
    }

    /// A link that takes answers out of the driver of a fast link; what it leaves, and everything
    /// where there is none, arrives at a packet socket.
    pub(crate) fn answers(&self, plan: &ScanPlan, spec: &LinkSpec) -> Option<Box<dyn RxLink>> {
        let interface = &spec.interface;
        let bare = spec.exit != Exit::Packet || interface.encapsulation != Encapsulation::Ethernet;
        if bare || !self.is_fast() {
            return None;
        }
        match AnswersRx::open(plan, interface.index) {
            Ok(rx) => Some(Box::new(rx)),
            Err(error) => {
                tracing::debug!(interface = %interface.name, %error, "answers pass the stack");
                None
            }
        }
    }

    /// The link that takes the frames of sending thread number `thread`.
    ///
    /// # Errors
    /// [`LinkError`] when the kernel gives no socket, or not the one that was asked for.
    pub(crate) fn frames(
        &self,
        spec: &LinkSpec,
        thread: u32,
    ) -> Result<Box<dyn TxLink>, LinkError> {
        let (interface, encapsulation) = (spec.interface.index, spec.interface.encapsulation);
        let family = match spec.exit {
            Exit::RawIp(family) => Some(family),
            Exit::Packet => None,
        };
        if self.kind == LinkKind::Null {
            let bare = family.map_or(encapsulation, |_| Encapsulation::Ip);
            return Ok(Box::new(NullTx::new(bare)));
        }
        // Where there is no driver, who insists is told so.
        let insists = self.kind == LinkKind::Xdp;
        if self.is_fast() && self.kind != LinkKind::Bpf && (family.is_none() || insists) {
            match XdpTx::open(spec, thread) {
                Ok(tx) => return Ok(Box::new(tx)),
                Err(error) if self.kind == LinkKind::Xdp => return Err(error),
                Err(error) => tracing::debug!(%error, "no AF_XDP socket"),
            }
        }
        Ok(match family {
            Some(family) => Box::new(RawIpTx::open(family, interface)?),
            None => Box::new(PacketTx::open(interface, encapsulation, PacketTxOptions::default())?),
        })
    }
}

/// The bits of what has answered, as the generator reads them and as the engine does.
fn bits(
    options: &ScanOptions,
    plan: &ScanPlan,
    resumed: bool,
) -> Result<(Bits, Option<Arc<Answered>>), LinkError> {
    if let Some(why) = needs_the_engine(options, resumed) {
        return Err(LinkError::Unusable { link: "bpf", why: why.to_owned() });
    }
    try_loading()?;
    if plan.len() > ANSWERED_LEN_MAX {
        return Ok((Bits(None), None));
    }
    let bits = SharedBits::new(plan.len())?;
    let answered = Answered::over(Box::new(bits.clone()), plan.len()).map(Arc::new);
    Ok((Bits(Some(bits)), answered))
}

/// What was asked for that needs the engine to see every probe.
const fn needs_the_engine(options: &ScanOptions, resumed: bool) -> Option<&'static str> {
    if resumed {
        Some("the scan goes on where another was broken off")
    } else if options.auto_rate {
        Some("the rate is to be found")
    } else if options.max_host_pps.is_some() || options.max_subnet_pps.is_some() {
        Some("hosts or subnets have a limit each")
    } else if options.trace.is_some() {
        Some("packets are to be told of")
    } else {
        None
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_link_that_sends_is_surveyed() {
        let surveyed: Vec<_> = survey().into_iter().map(|r| r.kind).collect();
        assert_eq!(surveyed, LinkKind::LADDER);
    }
}

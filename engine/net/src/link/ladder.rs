//! Which link a scan sends by: a ladder from the fastest to the one that always works.

use std::fmt;
use std::str::FromStr;
use std::sync::Arc;

use portolan_core::answered::Answered;
use portolan_core::permutation::Shard;
use portolan_core::plan::ScanPlan;

use super::{LinkError, PacketTx, PacketTxOptions, PositionLink, RawIpTx, TxLink};
use crate::options::ScanOptions;
use crate::prepare::{Exit, LinkSpec};

/// Above this rate the generator is worth its setting up: below, a packet socket keeps up with
/// ease, and needs less privilege.
#[cfg(feature = "bpf")]
const GENERATE_FROM_PPS: u32 = 500_000;

/// A rung of the ladder.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum LinkKind {
    /// The fastest that can run here and that the rate asks for.
    #[default]
    Auto,
    /// A packet socket, many frames in one system call. Needs `CAP_NET_RAW`.
    Mmsg,
    /// Probes made in the kernel by an XDP program. Needs `CAP_BPF` and `CAP_NET_ADMIN`.
    Bpf,
}

impl LinkKind {
    /// Every value.
    pub const ALL: [Self; 3] = [Self::Auto, Self::Mmsg, Self::Bpf];

    /// As in `--link`.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Auto => "auto",
            Self::Mmsg => "mmsg",
            Self::Bpf => "bpf",
        }
    }
}

impl fmt::Display for LinkKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// A word that names no link.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{word:?} is no link; expected auto, mmsg or bpf")]
pub struct LinkKindError {
    /// As given.
    word: String,
}

impl FromStr for LinkKind {
    type Err = LinkKindError;

    fn from_str(word: &str) -> Result<Self, Self::Err> {
        let found = Self::ALL.into_iter().find(|kind| kind.name() == word);
        found.ok_or_else(|| LinkKindError { word: word.to_owned() })
    }
}

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

/// Tries every link as far as that goes without an interface; sends nothing.
pub fn survey() -> Vec<LinkReport> {
    let report = |kind, obstacle| LinkReport { kind, obstacle };
    vec![report(LinkKind::Mmsg, mmsg_obstacle()), report(LinkKind::Bpf, bpf_obstacle())]
}

fn mmsg_obstacle() -> Option<Obstacle> {
    let privilege = crate::privilege::Privilege::detect().ok()?;
    let error = privilege.require_raw().err()?;
    let remedy = "run as root, or setcap cap_net_raw,cap_net_admin+ep on the program";
    Some(Obstacle { why: error.to_string(), remedy })
}

#[cfg(not(feature = "bpf"))]
#[expect(clippy::unnecessary_wraps, reason = "as with the feature")]
fn bpf_obstacle() -> Option<Obstacle> {
    let remedy = "build with --features bpf, for rates beyond half a million packets a second";
    Some(Obstacle { why: NOT_BUILT_IN.to_owned(), remedy })
}

#[cfg(feature = "bpf")]
fn bpf_obstacle() -> Option<Obstacle> {
    use super::generator::{GeneratorError, try_loading};
    let error = try_loading().err()?;
    let remedy = match error {
        GeneratorError::NotPermitted(_) => {
            "run as root, or setcap cap_net_raw,cap_net_admin,cap_bpf+ep on the program"
        }
        _ => "Linux 5.18 or later, with CONFIG_BPF_SYSCALL and the BPF compiler",
    };
    Some(Obstacle { why: LinkError::from(error).to_string(), remedy })
}

#[cfg(not(feature = "bpf"))]
const NOT_BUILT_IN: &str = "this program was built without it (cargo feature `bpf`)";

/// What all links of one scan are opened with.
pub(crate) struct Ladder {
    kind: LinkKind,
    #[cfg(feature = "bpf")]
    generator: Option<Bits>,
}

/// Bits that the generator reads too, where there are any.
#[cfg(feature = "bpf")]
struct Bits(Option<super::SharedBits>);

impl Ladder {
    /// The ladder for `kind` and a rate, and the bits of what has answered, where they fit: those
    /// that are `known` already are set.
    ///
    /// # Errors
    /// [`LinkError::Unusable`] when a link was asked for that can't run here.
    #[cfg(not(feature = "bpf"))]
    pub(crate) fn new(
        options: &ScanOptions,
        plan: &ScanPlan,
        known: Option<&Arc<Answered>>,
    ) -> Result<(Self, Option<Arc<Answered>>), LinkError> {
        let kind = options.link;
        if kind == LinkKind::Bpf {
            return Err(LinkError::Unusable { link: "bpf", why: NOT_BUILT_IN.to_owned() });
        }
        let fresh = || Answered::new(plan.len()).map(Arc::new);
        Ok((Self { kind }, known.cloned().or_else(fresh)))
    }

    /// The ladder for `kind` and a rate, and the bits of what has answered, where they fit: those
    /// that are `known` already are set.
    ///
    /// # Errors
    /// [`LinkError::Unusable`] when a link was asked for that can't run here.
    #[cfg(feature = "bpf")]
    pub(crate) fn new(
        options: &ScanOptions,
        plan: &ScanPlan,
        known: Option<&Arc<Answered>>,
    ) -> Result<(Self, Option<Arc<Answered>>), LinkError> {
        use portolan_core::answered::ANSWERED_LEN_MAX;
        let kind = options.link;
        let obstacle = obstacle_of(options, known.is_some());
        if let Some(why) = obstacle.filter(|_| kind == LinkKind::Bpf) {
            return Err(LinkError::Unusable { link: "bpf", why: why.to_owned() });
        }
        let fast = kind == LinkKind::Auto && options.rate_pps > GENERATE_FROM_PPS;
        let own = || known.cloned().or_else(|| Answered::new(plan.len()).map(Arc::new));
        if kind != LinkKind::Bpf && !fast || obstacle.is_some() {
            return Ok((Self { kind, generator: None }, own()));
        }
        if plan.len() > ANSWERED_LEN_MAX {
            return Ok((Self { kind, generator: Some(Bits(None)) }, None));
        }
        match super::SharedBits::new(plan.len()) {
            Ok(bits) => {
                let answered = Answered::over(Box::new(bits.clone()), plan.len()).map(Arc::new);
                Ok((Self { kind, generator: Some(Bits(Some(bits))) }, answered))
            }
            Err(error) if kind == LinkKind::Bpf => Err(error.into()),
            Err(error) => {
                tracing::debug!(%error, "no generator");
                Ok((Self { kind, generator: None }, own()))
            }
        }
    }

    /// A link that makes the probes of `shard` itself; `None` where frames are handed to
    /// [`Ladder::frames`] instead.
    ///
    /// # Errors
    /// As [`Ladder::new`].
    #[cfg(feature = "bpf")]
    pub(crate) fn positions(
        &self,
        plan: &ScanPlan,
        link: usize,
        spec: &LinkSpec,
        shard: Shard,
    ) -> Result<Option<Box<dyn PositionLink>>, LinkError> {
        let Some(Bits(bits)) = &self.generator else { return Ok(None) };
        match super::Generator::open(plan, link, &spec.interface, shard, bits.as_ref()) {
            Ok(generator) => Ok(Some(Box::new(generator))),
            Err(error) if self.kind == LinkKind::Bpf => Err(error.into()),
            Err(error) => {
                tracing::debug!(interface = %spec.interface.name, %error, "no generator");
                Ok(None)
            }
        }
    }

    /// A link that makes the probes itself: none is built in.
    #[cfg(not(feature = "bpf"))]
    #[expect(clippy::unnecessary_wraps, clippy::unused_self, reason = "as with the feature")]
    pub(crate) fn positions(
        &self,
        _plan: &ScanPlan,
        _link: usize,
        _spec: &LinkSpec,
        _shard: Shard,
    ) -> Result<Option<Box<dyn PositionLink>>, LinkError> {
        Ok(None)
    }

    /// Whether probes may be made where the engine does not see each of them.
    #[cfg(feature = "bpf")]
    pub(crate) const fn generates(&self) -> bool {
        self.generator.is_some()
    }

    /// Whether probes may be made where the engine does not see each of them.
    #[cfg(not(feature = "bpf"))]
    #[expect(clippy::unused_self, reason = "as with the feature")]
    pub(crate) const fn generates(&self) -> bool {
        false
    }

    /// Whether another link may take over from one that turns out not to work.
    pub(crate) fn may_fall_back(&self) -> bool {
        self.kind == LinkKind::Auto
    }

    /// The link that takes frames.
    ///
    /// # Errors
    /// [`LinkError`] when the kernel gives no socket.
    pub(crate) fn frames(spec: &LinkSpec) -> Result<Box<dyn TxLink>, LinkError> {
        let interface = spec.interface.index;
        Ok(match spec.exit {
            Exit::RawIp(family) => Box::new(RawIpTx::open(family, interface)?),
            Exit::Packet => {
                let options = PacketTxOptions::default();
                Box::new(PacketTx::open(interface, spec.interface.encapsulation, options)?)
            }
        })
    }
}

/// What was asked for that needs the engine to see every probe.
#[cfg(feature = "bpf")]
const fn obstacle_of(options: &ScanOptions, resumed: bool) -> Option<&'static str> {
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
    fn names_are_read_back() {
        for kind in LinkKind::ALL {
            assert_eq!(kind.to_string().parse(), Ok(kind));
        }
        let error = "fast".parse::<LinkKind>().unwrap_err();
        assert_eq!(error.to_string(), "\"fast\" is no link; expected auto, mmsg or bpf");
    }

    #[test]
    fn every_link_that_can_be_asked_for_is_surveyed() {
        let surveyed: Vec<_> = survey().into_iter().map(|r| r.kind).collect();
        assert_eq!(surveyed, LinkKind::ALL.get(1..).unwrap());
    }
}

//! The works: what is to be scanned, and the lab that answers.

use std::collections::BTreeSet;
use std::net::{Ipv4Addr, TcpListener};
use std::num::NonZeroU32;
use std::time::Duration;

use anyhow::Context as _;
use clap::ValueEnum;
use portolan_simnet::lab::{FAR_INTERFACE, Lab, RelayOptions, Verdict, listen_tcp};

use super::responder::{Plain, Responder};
use super::world::{Answer, World, mix};
use super::xdp::Xdp;

/// Open ports as (address, port).
pub(crate) type OpenSet = BTreeSet<(Ipv4Addr, u16)>;

/// The first address of every work.
const NETWORK: Ipv4Addr = Ipv4Addr::new(10, 78, 0, 0);
/// The one host.
const HOST: Ipv4Addr = Ipv4Addr::new(10, 78, 0, 7);
/// Listeners on it.
const LISTENERS: usize = 100;

/// Something to scan.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum Work {
    /// 65,536 addresses × 32 ports, a quarter of them alive
    Wide,
    /// The same with 2 % loss each way
    WideLossy,
    /// 65,535 ports of one host's kernel, 100 of them open
    Host,
    /// The same behind 40 ms of round trip and 1 % loss each way
    HostFar,
    /// 4,096 addresses × 32 ports: silent, limited, late, repeating and answer-everything hosts
    Odd,
}

impl Work {
    pub(crate) const ALL: [Self; 5] =
        [Self::Wide, Self::WideLossy, Self::Host, Self::HostFar, Self::Odd];

    pub(crate) const fn name(self) -> &'static str {
        match self {
            Self::Wide => "wide",
            Self::WideLossy => "wide-lossy",
            Self::Host => "host",
            Self::HostFar => "host-far",
            Self::Odd => "odd",
        }
    }

    /// In a sentence.
    pub(crate) const fn about(self) -> &'static str {
        match self {
            Self::Wide => "65,536 addresses × 32 ports, a quarter alive, 5 % of ports open",
            Self::WideLossy => "the same with 2 % loss each way",
            Self::Host => "65,535 ports of one host, 100 open, a kernel's TCP stack",
            Self::HostFar => "the same behind 40 ms of round trip and 1 % loss each way",
            Self::Odd => {
                "4,096 addresses × 32 ports: a quarter of ports silent; hosts that are late (up to \
                 8 s), limited, repeating, open everywhere: a tenth each"
            }
        }
    }

    /// The targets as every scanner reads them.
    pub(crate) const fn targets(self) -> &'static str {
        match self {
            Self::Wide | Self::WideLossy => "10.78.0.0/16",
            Self::Host | Self::HostFar => "10.78.0.7",
            Self::Odd => "10.78.0.0/20",
        }
    }

    /// The last port; the first is 1.
    pub(crate) const fn last_port(self) -> u16 {
        match self {
            Self::Host | Self::HostFar => u16::MAX,
            _ => 32,
        }
    }

    /// Whether it is one host and all its ports.
    pub(crate) const fn is_one_host(self) -> bool {
        matches!(self, Self::Host | Self::HostFar)
    }

    /// Whether frames get lost on the way.
    pub(crate) const fn is_lossy(self) -> bool {
        matches!(self, Self::WideLossy | Self::HostFar)
    }

    /// The part of what is open that a scan must find to count as complete.
    pub(crate) const fn goal(self) -> f64 {
        match self {
            Self::WideLossy => 0.9999,
            _ => 1.0,
        }
    }

    /// What answers, where that is not a kernel.
    fn world(self, seed: u64) -> Option<World> {
        match self {
            Self::Wide => Some(World::plain(seed, NETWORK, 16)),
            Self::WideLossy => {
                Some(World { loss_in: 0.02, loss_out: 0.02, ..World::plain(seed, NETWORK, 16) })
            }
            Self::Odd => Some(World {
                silent: 0.25,
                everything: 0.1,
                slow: 0.1,
                twice: 0.1,
                limited: 0.1,
                ..World::plain(seed, NETWORK, 20)
            }),
            Self::Host | Self::HostFar => None,
        }
    }
}

/// A work's lab, with everything in it.
pub(crate) struct Stage {
    // In the order in which they end.
    _responder: Option<Responder>,
    xdp: Option<Xdp>,
    _listeners: Vec<TcpListener>,
    pub(crate) lab: Lab,
    pub(crate) truth: OpenSet,
    /// What answers there.
    pub(crate) answers: String,
}

impl Stage {
    /// Builds it in the calling thread's namespace.
    pub(crate) fn build(work: Work, seed: u64) -> anyhow::Result<Self> {
        match work.world(seed) {
            Some(world) => Self::with_world(work, world),
            None => Self::with_kernel(work, seed),
        }
    }

    fn with_world(work: Work, world: World) -> anyhow::Result<Self> {
        let queues = std::thread::available_parallelism().ok();
        let queues = queues.and_then(|n| u32::try_from(n.get()).ok()).and_then(NonZeroU32::new);
        let lab = Lab::builder().bare().polled().queues(queues.unwrap_or(NonZeroU32::MIN));
        let lab = lab.build().context("laying the cable")?;
        let open = |addr: Ipv4Addr, port| world.answer(addr, port).0 == Answer::Open;
        let ports = 1..=work.last_port();
        let truth = world
            .addrs()
            .flat_map(|addr| ports.clone().map(move |port| (addr, port)))
            .filter(|(addr, port)| open(*addr, *port))
            .collect();
        let mut xdp = None;
        let mut why_not = String::new();
        lab.far(|| {
            match Xdp::attach(FAR_INTERFACE, &world) {
                Ok(attached) => xdp = Some(attached),
                Err(error) => why_not = format!("{error:#}"),
            }
            Ok(())
        })?;
        let plain = if xdp.is_some() { Plain::Passed } else { Plain::Answered };
        let responder = lab.far(|| Responder::start(FAR_INTERFACE, world, plain))?;
        let answers = match &xdp {
            Some(_) => "an XDP responder".to_owned(),
            None => format!("a responder in user space, a bottleneck itself ({why_not})"),
        };
        Ok(Self { lab, xdp, _responder: Some(responder), _listeners: Vec::new(), truth, answers })
    }

    fn with_kernel(work: Work, seed: u64) -> anyhow::Result<Self> {
        let mut builder = Lab::builder();
        if work == Work::HostFar {
            let options = RelayOptions::lossy(0.01, seed).delayed(Duration::from_millis(20));
            builder = builder.relay(options);
        } else {
            builder = builder.polled();
        }
        let lab = builder.build().context("laying the cable")?;
        let ports = listening_ports(seed);
        let truth = ports.iter().map(|port| (HOST, *port)).collect();
        let listeners = lab.far(|| listen_tcp(ports)).context("listening on the far side")?;
        let answers = "a kernel's TCP stack".to_owned();
        Ok(Self { lab, xdp: None, _responder: None, _listeners: listeners, truth, answers })
    }
}

impl Stage {
    /// Runs `work` while what arrives on the near side may come from an XDP program: a veth wakes
    /// for that only if it has a program itself. A scanner that `brings_one` is left to it.
    pub(crate) fn run<T>(
        &self,
        brings_one: bool,
        work: impl FnOnce() -> anyhow::Result<T>,
    ) -> anyhow::Result<T> {
        if self.xdp.is_none() || brings_one {
            return work();
        }
        self.lab.near_verdict(Verdict::Pass)?;
        let done = work();
        self.lab.near_unjudged()?;
        done
    }
}

/// As many ports as there are to be listeners, anywhere.
fn listening_ports(seed: u64) -> BTreeSet<u16> {
    let mut ports = BTreeSet::new();
    let mut state = seed;
    while ports.len() < LISTENERS {
        state = mix(state);
        let [high, low, ..] = state.to_be_bytes();
        ports.insert(u16::from_be_bytes([high, low]).max(1));
    }
    ports
}

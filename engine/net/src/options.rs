//! What can be said about a scan besides its targets.

use std::net::IpAddr;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use portolan_core::MacAddr;
use portolan_core::group_gate::GroupLimits;
use portolan_core::pacer::RatePps;
use portolan_core::permutation::Shard;
use portolan_core::probe::{Pings, TcpScan};
use portolan_core::target::PortSet;
use portolan_core::wire::ProbeStyle;

use crate::checkpoint::Checkpoint;
use crate::link::LinkKind;
use crate::trace::Trace;

/// The polite default rate, packets a second.
pub const RATE_PPS_DEFAULT: u32 = 1_000;
/// The rate that `auto_rate` never goes beyond, packets a second.
pub const AUTO_PPS_MAX: u32 = 10_000_000;
/// Further probes to what has not answered, by default.
pub const RETRIES_DEFAULT: u8 = 2;

/// What a scan sends; ports are probed according to which ports the targets name.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
#[expect(clippy::struct_excessive_bools, reason = "a set of independent kinds")]
pub struct ScanKinds {
    /// TCP by SYN.
    pub syn: bool,
    /// TCP by another segment than SYN.
    pub segment: Option<TcpScan>,
    /// SCTP by INIT.
    pub sctp: bool,
    /// UDP.
    pub udp: bool,
    /// TCP by `connect`, through the kernel.
    pub connect: bool,
    /// Which hosts are there, and nothing of their ports.
    pub discover: bool,
}

impl ScanKinds {
    /// Whether TCP ports are probed at all.
    pub const fn tcp(&self) -> bool {
        self.syn || self.connect || self.segment.is_some()
    }

    /// Which segment TCP ports are sent.
    pub fn tcp_scan(&self) -> TcpScan {
        self.segment.unwrap_or_default()
    }
}

/// How hosts beyond the link are looked for; neighbours on it are asked for their addresses.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Discovery {
    /// By an echo request.
    pub echo: bool,
    /// By the other queries of ICMP.
    pub pings: Pings,
    /// By a SYN to these ports.
    pub syn_ports: PortSet,
}

impl Default for Discovery {
    /// An echo request, and a SYN to ports 22, 80 and 443.
    fn default() -> Self {
        let syn_ports = [22, 80, 443].into_iter().collect();
        Self { echo: true, pings: Pings::default(), syn_ports }
    }
}

/// How a scan is done; the default is polite.
#[derive(Debug, Clone)]
#[expect(clippy::struct_excessive_bools, reason = "each is a choice of its own")]
pub struct ScanOptions {
    /// What is sent.
    pub kinds: ScanKinds,
    /// What is sent where hosts are looked for.
    pub discovery: Discovery,
    /// Packets a second over all threads and links.
    pub rate_pps: u32,
    /// Find the highest rate, up to `rate_pps`, at which nothing is lost that would not be lost at
    /// a low one. Up to 64 endpoints that have answered are then asked again through the scan, up
    /// to 200 times a second each, beyond the retries.
    pub auto_rate: bool,
    /// Packets a second to any one host at most; the scan then asks each host once before it asks
    /// any again, from one thread.
    pub max_host_pps: Option<u32>,
    /// Packets a second to any one subnet at most, a /24 of IPv4 or a /64 of IPv6; the scan then
    /// asks each subnet once before it asks any again, from one thread.
    pub max_subnet_pps: Option<u32>,
    /// Once a host seems open on every port, say so and tell no more of its open ports. Not for
    /// what is stored: what is not told there is not open.
    pub keep_back: bool,
    /// Tell with an open UDP port what it answered, so that it need not be asked again.
    pub keep_replies: bool,
    /// Further probes to what has not answered; at most 15.
    pub retries: u8,
    /// How long answers are waited for after the last probe; `None` follows the round trips seen.
    pub cooldown: Option<Duration>,
    /// Fixes the order; `None` takes one from the operating system.
    pub seed: Option<u64>,
    /// Which part of the scan.
    pub shard: Shard,
    /// Leave by this interface whatever the routes say.
    pub interface: Option<String>,
    /// Send from this address.
    pub source_ip: Option<IpAddr>,
    /// Send from these ports, an inclusive range; `None` finds a free block.
    pub source_ports: Option<(u16, u16)>,
    /// Send everything to this hardware address.
    pub router_mac: Option<MacAddr>,
    /// How the probes look.
    pub style: ProbeStyle,
    /// Sending threads a link.
    pub threads: u32,
    /// Keep this host's own TCP from resetting what answers; needs `CAP_NET_ADMIN`. Off by
    /// default: where nothing else is said to a port, the reset politely closes what is half open.
    pub suppress_resets: bool,
    /// Where packets are told of, those of discovery on the link apart.
    pub trace: Option<Trace>,
    /// What probes leave by.
    pub link: LinkKind,
    /// Where a checkpoint is kept while the scan runs.
    pub checkpoint: Option<PathBuf>,
    /// Go on where this checkpoint was taken.
    pub resume: Option<Checkpoint>,
}

impl Default for ScanOptions {
    fn default() -> Self {
        Self {
            kinds: ScanKinds { syn: true, ..ScanKinds::default() },
            discovery: Discovery::default(),
            rate_pps: RATE_PPS_DEFAULT,
            auto_rate: false,
            max_host_pps: None,
            max_subnet_pps: None,
            keep_back: false,
            keep_replies: false,
            retries: RETRIES_DEFAULT,
            cooldown: None,
            seed: None,
            shard: Shard::default(),
            interface: None,
            source_ip: None,
            source_ports: None,
            router_mac: None,
            style: ProbeStyle::default(),
            threads: 1,
            suppress_resets: false,
            trace: None,
            link: LinkKind::Auto,
            checkpoint: None,
            resume: None,
        }
    }
}

impl ScanOptions {
    /// What no host and no subnet may get more of.
    pub(crate) fn limits(&self) -> GroupLimits {
        GroupLimits {
            host: self.max_host_pps.and_then(RatePps::new),
            subnet: self.max_subnet_pps.and_then(RatePps::new),
        }
    }

    /// The rate of what `auto_rate` can't watch: neighbour discovery and connections.
    pub(crate) const fn unwatched_pps(&self) -> u32 {
        let most = portolan_core::rate::BLIND_PPS;
        if self.auto_rate && self.rate_pps > most { most } else { self.rate_pps }
    }
}

/// Ends a scan early from another thread or a signal handler's task; clones share one flag.
#[derive(Debug, Clone, Default)]
pub struct Cancel(Arc<AtomicBool>);

impl Cancel {
    /// Asks the scan to end; it does within a second, with what was found so far.
    pub fn cancel(&self) {
        self.0.store(true, Ordering::Relaxed);
    }

    /// The flag itself.
    pub(crate) fn flag(&self) -> &AtomicBool {
        &self.0
    }

    /// Whether it was asked to.
    pub fn is_cancelled(&self) -> bool {
        self.0.load(Ordering::Relaxed)
    }
}

//! Neighbours: which hardware address has which IP address on the link.

use std::collections::HashMap;
use std::net::IpAddr;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use netlink_packet_route::RouteNetlinkMessage;
use netlink_packet_route::neighbour::{
    NeighbourAddress, NeighbourAttribute, NeighbourMessage, NeighbourState,
};
use portolan_core::MacAddr;
use portolan_core::link::{Encapsulation, FrameBatch};
use portolan_core::target::{AddrRange, AddrSet};
use portolan_core::wire::VlanId;

use crate::filter::Filter;
use crate::link::{
    LinkError, PacketRx, PacketRxOptions, PacketTx, PacketTxOptions, RxLink, TxLink,
};
use crate::route::netlink::Netlink;
use crate::route::{Interface, NetlinkError};

/// The frames themselves.
pub mod frame;

/// Addresses in one sweep, at most.
pub const SWEEP_MAX: u64 = 1 << 24;

/// How to ask.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct SweepOptions {
    /// Requests a second, at most.
    pub rate_pps: u32,
    /// Further requests to an address that has not answered.
    pub retries: u32,
    /// How long after the last request of a round an answer may come.
    pub timeout: Duration,
    /// The virtual network that the requests are tagged for.
    pub vlan: Option<VlanId>,
}

impl Default for SweepOptions {
    fn default() -> Self {
        Self { rate_pps: 10_000, retries: 2, timeout: Duration::from_millis(300), vlan: None }
    }
}

/// Neighbours could not be resolved.
#[derive(Debug, thiserror::Error)]
pub enum NeighborError {
    /// The link failed.
    #[error(transparent)]
    Link(#[from] LinkError),
    /// The kernel's table can't be read.
    #[error(transparent)]
    Netlink(#[from] NetlinkError),
    /// The interface has no hardware address to ask from.
    #[error("interface {0} has no hardware addresses")]
    NotEthernet(String),
    /// More addresses than a sweep can hold.
    #[error("more than {SWEEP_MAX} addresses on one link; name a smaller range")]
    TooMany,
}

/// What the kernel knows of the neighbours on `interface`, failed entries left out.
///
/// # Errors
/// [`NetlinkError`] when the kernel can't be asked.
pub fn known(interface: u32) -> Result<HashMap<IpAddr, MacAddr>, NetlinkError> {
    let question = RouteNetlinkMessage::GetNeighbour(NeighbourMessage::default());
    let answers = Netlink::open()?.dump("neighbours", question)?;
    Ok(answers.iter().filter_map(|message| entry(message, interface)).collect())
}

/// The hardware address of the one neighbour `addr`: the kernel's knowledge, else by asking.
///
/// `None` when nobody answers.
///
/// # Errors
/// [`NeighborError`] when asking is not possible.
pub fn resolve(
    interface: &Interface,
    source: IpAddr,
    addr: IpAddr,
    options: SweepOptions,
) -> Result<Option<MacAddr>, NeighborError> {
    // What the kernel knows, it knows of the link's untagged network.
    if options.vlan.is_none()
        && let Some(mac) = known(interface.index)?.get(&addr)
    {
        return Ok(Some(*mac));
    }
    let target = [AddrRange::single(addr)].into_iter().collect();
    let found = sweep(interface, source, &target, options, &AtomicBool::new(false))?;
    Ok(found.get(&addr).copied())
}

/// Asks every address of `targets` (all of the family of `source`, all on the link of
/// `interface`), and returns those that answer with their hardware addresses.
///
/// At most `retries + 1` requests go to an address, none to an address outside `targets`, and
/// none to one that has answered. Memory is bounded by the answers of addresses in `targets`.
/// Ends early, with what it has, when `stop` becomes true.
///
/// # Errors
/// [`NeighborError::TooMany`] beyond [`SWEEP_MAX`] addresses, and what the link reports.
pub fn sweep(
    interface: &Interface,
    source: IpAddr,
    targets: &AddrSet,
    options: SweepOptions,
    stop: &AtomicBool,
) -> Result<HashMap<IpAddr, MacAddr>, NeighborError> {
    let not_ethernet = || NeighborError::NotEthernet(interface.name.clone());
    let mac = interface.mac.ok_or_else(not_ethernet)?;
    let filter = Filter::new(Encapsulation::Ethernet).arp();
    let rx_options = PacketRxOptions { ring_len: 4 << 20, retire: Duration::from_millis(1) };
    let mut rx = PacketRx::open(interface.index, &filter, rx_options)?;
    let mut tx =
        PacketTx::open(interface.index, Encapsulation::Ethernet, PacketTxOptions::default())?;
    sweep_over(&mut tx, &mut rx, Asker { mac, source }, targets, options, stop)
}

/// Who asks.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Asker {
    /// Our hardware address.
    pub mac: MacAddr,
    /// Our address, of the family of the targets.
    pub source: IpAddr,
}

/// [`sweep`] over links that are already open.
///
/// # Errors
/// As [`sweep`].
pub fn sweep_over(
    tx: &mut dyn TxLink,
    rx: &mut dyn RxLink,
    asker: Asker,
    targets: &AddrSet,
    options: SweepOptions,
    stop: &AtomicBool,
) -> Result<HashMap<IpAddr, MacAddr>, NeighborError> {
    let count = targets.len().ok().filter(|n| *n <= SWEEP_MAX).ok_or(NeighborError::TooMany)?;
    let mut sweep = Sweep { tx, rx, targets, found: HashMap::new(), batch: FrameBatch::new() };
    let complete = |found: &HashMap<_, _>| u64::try_from(found.len()) == Ok(count);
    for _ in 0..=options.retries {
        sweep.round(asker, options, stop)?;
        let deadline = Instant::now() + options.timeout;
        while !complete(&sweep.found) && !stop.load(Ordering::Relaxed) {
            let left = deadline.saturating_duration_since(Instant::now());
            if left.is_zero() {
                break;
            }
            sweep.listen(left)?;
        }
        if complete(&sweep.found) || stop.load(Ordering::Relaxed) {
            break;
        }
    }
    Ok(sweep.found)
}

/// How much of the rate may be sent at once.
const BURST: Duration = Duration::from_millis(1);

/// A sweep under way.
struct Sweep<'a> {
    tx: &'a mut dyn TxLink,
    rx: &'a mut dyn RxLink,
    targets: &'a AddrSet,
    found: HashMap<IpAddr, MacAddr>,
    batch: FrameBatch,
}

impl Sweep<'_> {
    /// One request to every address that has not answered, paced.
    fn round(
        &mut self,
        asker: Asker,
        options: SweepOptions,
        stop: &AtomicBool,
    ) -> Result<(), LinkError> {
        let interval = Duration::from_secs(1) / options.rate_pps.max(1);
        let mut due = Instant::now();
        let targets = self.targets;
        let ranges = targets.ranges().iter();
        let addrs = ranges.flat_map(|range| {
            (range.first_bits()..=range.last_bits()).map(|bits| range.family().addr(bits))
        });
        for addr in addrs {
            if self.found.contains_key(&addr) {
                continue;
            }
            match (asker.source, addr) {
                (IpAddr::V4(source), IpAddr::V4(target)) => {
                    self.push(&frame::arp_request(asker.mac, source, target), options.vlan);
                }
                (IpAddr::V6(source), IpAddr::V6(target)) => {
                    let question = frame::neighbor_solicitation(asker.mac, source, target);
                    self.push(&question, options.vlan);
                }
                _ => continue,
            }
            let now = Instant::now();
            // What a stall missed is not made up for in a burst: receivers' queues are short.
            due = due.max(now.checked_sub(BURST).unwrap_or(now)) + interval;
            let ahead = due.saturating_duration_since(now);
            if self.batch.is_full() || ahead > BURST {
                self.flush()?;
                self.listen(ahead)?;
                if stop.load(Ordering::Relaxed) {
                    return Ok(());
                }
            }
        }
        self.flush()
    }

    fn push(&mut self, question: &[u8], vlan: Option<VlanId>) {
        match vlan {
            None => self.batch.push(question),
            Some(vlan) => self.batch.push(&frame::tagged(question, vlan)),
        };
    }

    fn flush(&mut self) -> Result<(), LinkError> {
        let mut from = 0;
        while from < self.batch.len() {
            let taken = self.tx.send(&self.batch, from)?;
            from += taken;
            if taken == 0 {
                self.tx.wait_writable(Duration::from_millis(10))?;
                self.listen(Duration::ZERO)?;
            }
        }
        self.batch.clear();
        Ok(())
    }

    /// Takes the answers that come within `limit`, at least those that are there.
    fn listen(&mut self, limit: Duration) -> Result<(), LinkError> {
        let deadline = Instant::now() + limit;
        loop {
            let (targets, found) = (self.targets, &mut self.found);
            let left = deadline.saturating_duration_since(Instant::now());
            let count = self.rx.recv(left, &mut |arrival| {
                let octets = arrival.frame;
                // Only what was asked: a flood of other addresses must not fill the memory.
                if let Some((addr, mac)) = frame::answer(octets)
                    && targets.contains(addr)
                {
                    found.entry(addr).or_insert(mac);
                }
            })?;
            if count == 0 || left.is_zero() || !limit.is_zero() {
                return Ok(());
            }
        }
    }
}

/// A usable entry of the kernel's table on `interface`.
pub(crate) fn entry(message: &RouteNetlinkMessage, interface: u32) -> Option<(IpAddr, MacAddr)> {
    let RouteNetlinkMessage::NewNeighbour(neighbor) = message else {
        return None;
    };
    let usable = matches!(
        neighbor.header.state,
        NeighbourState::Reachable
            | NeighbourState::Stale
            | NeighbourState::Delay
            | NeighbourState::Probe
            | NeighbourState::Permanent
    );
    if !usable || neighbor.header.ifindex != interface {
        return None;
    }
    let (mut addr, mut mac) = (None, None);
    for attribute in &neighbor.attributes {
        match attribute {
            NeighbourAttribute::Destination(NeighbourAddress::Inet(v4)) => {
                addr = Some(IpAddr::V4(*v4));
            }
            NeighbourAttribute::Destination(NeighbourAddress::Inet6(v6)) => {
                addr = Some(IpAddr::V6(*v6));
            }
            NeighbourAttribute::LinkLayerAddress(octets) => {
                mac = octets.first_chunk().copied().map(MacAddr);
            }
            _ => {}
        }
    }
    Some((addr?, mac?))
}

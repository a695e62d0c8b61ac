//! A plan as the arrays that the program in the kernel reads.

use portolan_core::endpoint::{Family, addr_bits};
use portolan_core::permutation::{ROUNDS, Shard};
use portolan_core::plan::{PlanBlock, PlanRange, ScanPlan};
use portolan_core::probe::{Probe, TcpScan};
use portolan_core::transmit::tcp_template;
use portolan_core::wire::ProbeTemplate;

use crate::link::BpfError;

/// The bounds of `bpf/generator.bpf.c`.
const BLOCKS_MAX: usize = 8;
const TEMPLATES_MAX: usize = 16;
const TEMPLATE_WORDS: usize = 16;
const RANGES_MAX: usize = 1 << 20;
const ETHERNET_LEN: usize = 14;
/// "None" in a word.
const NONE: u64 = u64::MAX;

/// Words of `struct range`.
pub(super) const RANGE_WORDS: u32 = 6;
/// Where the parts of `struct task` begin.
pub(super) const NEXT_AT: usize = 0;
pub(super) const FRAMES_AT: usize = 1;
pub(super) const FRAMES_MAX_AT: usize = 2;
pub(super) const PASS_AT: usize = 3;
pub(super) const LOOKS_AT: usize = 4;
const FIXED_AT: usize = 5;
const BLOCK_WORDS: usize = 5;
const FIXED_WORDS: usize = 4 + ROUNDS + 4 + 5;
/// Words of `struct task`.
pub(super) const TASK_WORDS: usize =
    FIXED_AT + FIXED_WORDS + BLOCKS_MAX * BLOCK_WORDS + TEMPLATES_MAX * (TEMPLATE_WORDS + 2);

/// What one stride of one link is to the program.
#[derive(Debug)]
pub(super) struct Layout {
    /// `struct task`.
    pub(super) task: Vec<u64>,
    /// `struct range`, one after the other.
    pub(super) ranges: Vec<u64>,
    pub(super) ports: Vec<u64>,
    /// Hardware addresses; zero where nobody answered.
    pub(super) neighbors: Vec<u64>,
    /// A frame as long as every frame of the link.
    pub(super) frame: Vec<u8>,
}

impl Layout {
    /// What of `plan` leaves by `link`, which is the interface with index `interface`.
    pub(super) fn new(
        plan: &ScanPlan,
        link: usize,
        interface: u32,
        shard: Shard,
    ) -> Result<Self, BpfError> {
        let hops = plan.hops().iter().enumerate().filter(|(_, hop)| hop.link == link);
        let (numbers, templates): (Vec<usize>, Vec<ProbeTemplate>) =
            hops.map(|(number, hop)| (number, tcp_template(hop, plan))).unzip();
        if plan.config().tcp_scan == TcpScan::Ack {
            return Err(BpfError::Plan("asks TCP ports by ACK"));
        }
        if plan.config().style.vlan.is_some() {
            return Err(BpfError::Plan("tags its frames"));
        }
        let frame = common_frame(&templates)?;
        let blocks = plan.blocks();
        let ranges: Vec<&PlanRange> = blocks.iter().flat_map(|b| &b.ranges).collect();
        if blocks.len() > BLOCKS_MAX {
            return Err(BpfError::Plan("has more than 8 groups of ports"));
        }
        if ranges.len() > RANGES_MAX {
            return Err(BpfError::Plan("has more than a million address ranges"));
        }
        let ports = blocks.iter().flat_map(|b| &*b.probes).copied().map(tcp_port);
        let ports: Vec<u64> = ports.collect::<Result<_, _>>()?;
        let ipv6 = plan.hops().iter().any(|h| h.link == link && h.source.is_ipv6());
        let mut task = vec![0; FIXED_AT];
        let permutation = plan.permutation();
        let half_bits = permutation.half_bits();
        let config = plan.config();
        task.extend([u64::from(shard.count), plan.len()]);
        task.extend([u64::from(half_bits), u64::MAX >> (64 - half_bits)]);
        task.extend(permutation.keys());
        task.extend(config.key.initial_state());
        task.extend([u64::from(config.source_ports.first())]);
        task.extend([u64::from(config.source_ports.span()) + 1]);
        task.extend([u64::from(interface), u64::from(ipv6)]);
        task.push(word(blocks.len()));
        put_blocks(&mut task, blocks);
        for template in &templates {
            put_template(&mut task, template);
        }
        task.resize(TASK_WORDS, 0);
        let ranges = ranges.into_iter().flat_map(|r| range_words(r, &numbers)).collect();
        let neighbors = plan
            .neighbors()
            .iter()
            .map(|mac| mac.0.iter().fold(0, |sum, octet| sum << 8 | u64::from(*octet)));
        Ok(Self { task, ranges, ports, neighbors: neighbors.collect(), frame })
    }
}

/// A frame of the length that all of `templates` have.
fn common_frame(templates: &[ProbeTemplate]) -> Result<Vec<u8>, BpfError> {
    let Some(first) = templates.first() else {
        return Err(BpfError::Plan("has no way by this link"));
    };
    if templates.len() > TEMPLATES_MAX {
        return Err(BpfError::Plan("has more than 16 gateways by one link"));
    }
    if templates.iter().any(|t| t.frame().len() != first.frame().len()) {
        return Err(BpfError::Plan("has IPv4 and IPv6 on one link"));
    }
    if templates.iter().any(|t| t.ip_at() != ETHERNET_LEN) {
        return Err(BpfError::Plan("leaves by a link without Ethernet headers"));
    }
    if first.frame().len() > TEMPLATE_WORDS * 8 {
        return Err(BpfError::Plan("has probes of more than 128 octets"));
    }
    Ok(first.frame().to_vec())
}

fn tcp_port(probe: Probe) -> Result<u64, BpfError> {
    match probe {
        Probe::Tcp(port) => Ok(u64::from(port)),
        _ => Err(BpfError::Plan("asks more than TCP ports")),
    }
}

fn put_blocks(task: &mut Vec<u64>, blocks: &[PlanBlock]) {
    let end = task.len() + BLOCKS_MAX * BLOCK_WORDS;
    let (mut probes_at, mut ranges_at) = (0, 0);
    for block in blocks {
        let (probes, ranges) = (word(block.probes.len()), word(block.ranges.len()));
        task.extend([block.endpoints_before, probes, probes_at, ranges_at, ranges]);
        probes_at += probes;
        ranges_at += ranges;
    }
    task.resize(end, 0);
}

fn put_template(task: &mut Vec<u64>, template: &ProbeTemplate) {
    let end = task.len() + TEMPLATE_WORDS;
    // As the program writes them: in the order of the processor's own octets.
    task.extend(template.frame().chunks(8).map(|chunk| {
        let mut octets = [0; 8];
        for (to, from) in octets.iter_mut().zip(chunk) {
            *to = *from;
        }
        u64::from_ne_bytes(octets)
    }));
    task.resize(end, 0);
    let (ip, inner) = template.sums();
    task.extend([u64::from(ip), u64::from(inner)]);
}

/// `struct range`; `templates` are the hops of this link in the order of their templates.
fn range_words(range: &PlanRange, templates: &[usize]) -> [u64; 6] {
    let family: Family = range.range.family();
    let first = addr_bits(family.addr(range.range.first_bits()));
    let half = |bits: u128| u64::try_from(bits & u128::from(u64::MAX)).unwrap_or(0);
    let template = range.hop.and_then(|hop| templates.iter().position(|t| *t == hop));
    [
        range.hosts_before,
        half(first >> 64),
        half(first),
        u64::try_from(range.range.span()).unwrap_or(NONE),
        template.map_or(NONE, word),
        range.neighbors_at.map_or(NONE, word),
    ]
}

fn word(number: usize) -> u64 {
    u64::try_from(number).unwrap_or(NONE)
}

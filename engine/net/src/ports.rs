//! A block of source ports that nothing else on this host uses.
//!
//! Answers are recognised by their destination port before anything else, and the kernel must not
//! hand one of these ports to a program in the middle of a scan.

use std::collections::BTreeSet;
use std::fs;
use std::io;
use std::ops::RangeInclusive;

/// Ports in the block a scan asks for, when nothing is said.
pub const BLOCK_LEN_DEFAULT: u16 = 4_096;
/// The smallest block worth having.
const BLOCK_LEN_MIN: u16 = 256;
/// Below lie the ports that services are given by name.
const FIRST_PORT: u32 = 4_096;

/// An aligned block of ports: its length is a power of two, its first port a multiple of that.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct PortBlock {
    first: u16,
    len: u16,
}

/// No block of ports could be found.
#[derive(Debug, thiserror::Error)]
pub enum PortsError {
    /// All are taken.
    #[error("no {BLOCK_LEN_MIN} adjacent source ports are free; name some with --source-port")]
    NoneFree,
    /// The kernel's tables can't be read.
    #[error("{file} can't be read")]
    Read {
        /// Which table.
        file: &'static str,
        /// Why.
        #[source]
        source: io::Error,
    },
}

impl PortBlock {
    /// `len` ports from `first` on; `None` unless `len` is a power of two that divides `first`.
    pub const fn new(first: u16, len: u16) -> Option<Self> {
        if len.is_power_of_two() && first.is_multiple_of(len) {
            Some(Self { first, len })
        } else {
            None
        }
    }

    /// The lowest port.
    pub const fn first(self) -> u16 {
        self.first
    }

    /// How many ports; a power of two.
    pub const fn len(self) -> u16 {
        self.len
    }

    /// Never: a block holds at least one port.
    pub const fn is_empty(self) -> bool {
        self.len == 0
    }

    /// The ports.
    pub const fn range(self) -> RangeInclusive<u16> {
        self.first..=self.first.saturating_add(self.len - 1)
    }

    /// A free block of `len` ports (rounded down to a power of two), or the largest smaller one
    /// down to 256: outside the range the kernel draws from (`ip_local_port_range`), free of
    /// reserved ports and of every port that a socket of this network namespace is bound to. The
    /// highest such block, for few services live there.
    ///
    /// # Errors
    /// [`PortsError`] when there is none, or when the kernel's tables can't be read.
    pub fn pick(len: u16) -> Result<Self, PortsError> {
        pick_among(len, &Occupied::read()?).ok_or(PortsError::NoneFree)
    }
}

/// Ports that are not ours to take.
#[derive(Debug, Default)]
struct Occupied {
    ephemeral: Vec<RangeInclusive<u32>>,
    bound: BTreeSet<u32>,
}

const EPHEMERAL: &str = "/proc/sys/net/ipv4/ip_local_port_range";
const RESERVED: &str = "/proc/sys/net/ipv4/ip_local_reserved_ports";
const SOCKETS: [&str; 4] = [
    "/proc/thread-self/net/tcp",
    "/proc/thread-self/net/tcp6",
    "/proc/thread-self/net/udp",
    "/proc/thread-self/net/udp6",
];

impl Occupied {
    fn read() -> Result<Self, PortsError> {
        let read = |file: &'static str| {
            fs::read_to_string(file).map_err(|source| PortsError::Read { file, source })
        };
        let mut occupied = Self::default();
        let bounds = read(EPHEMERAL)?;
        let mut words = bounds.split_whitespace().filter_map(|word| word.parse::<u32>().ok());
        if let (Some(low), Some(high)) = (words.next(), words.next()) {
            occupied.ephemeral.push(low..=high);
        }
        // A namespace or kernel without the file reserves nothing.
        let reserved = fs::read_to_string(RESERVED).unwrap_or_default();
        occupied.ephemeral.extend(ranges(&reserved));
        for file in SOCKETS {
            match fs::read_to_string(file) {
                Ok(table) => occupied.bound.extend(local_ports(&table)),
                // No IPv6 in this kernel: no table, no sockets.
                Err(e) if e.kind() == io::ErrorKind::NotFound => {}
                Err(source) => return Err(PortsError::Read { file, source }),
            }
        }
        Ok(occupied)
    }

    fn touches(&self, first: u32, last: u32) -> bool {
        self.ephemeral.iter().any(|range| *range.start() <= last && first <= *range.end())
            || self.bound.range(first..=last).next().is_some()
    }
}

fn pick_among(len: u16, occupied: &Occupied) -> Option<PortBlock> {
    let mut len = u32::from(len.max(BLOCK_LEN_MIN));
    len = 1 << len.ilog2();
    while len >= u32::from(BLOCK_LEN_MIN) {
        let mut first = 65_536 - len;
        while first >= FIRST_PORT {
            if !occupied.touches(first, first + len - 1) {
                return PortBlock::new(u16::try_from(first).ok()?, u16::try_from(len).ok()?);
            }
            first -= len;
        }
        len /= 2;
    }
    None
}

/// The ranges of a list such as `8080,9000-9010`.
fn ranges(text: &str) -> impl Iterator<Item = RangeInclusive<u32>> {
    text.trim().split(',').filter_map(|part| {
        let (low, high) = part.split_once('-').unwrap_or((part, part));
        Some(low.parse().ok()?..=high.parse().ok()?)
    })
}

/// The local ports in a table of `/proc/net`: second column, behind the colon, hexadecimal.
fn local_ports(table: &str) -> impl Iterator<Item = u32> {
    table.lines().skip(1).filter_map(|line| {
        let local = line.split_whitespace().nth(1)?;
        u32::from_str_radix(local.rsplit_once(':')?.1, 16).ok()
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn occupied(ephemeral: RangeInclusive<u32>, bound: &[u32]) -> Occupied {
        Occupied { ephemeral: vec![ephemeral], bound: bound.iter().copied().collect() }
    }

    #[test]
    fn the_highest_free_block_is_taken() {
        let usual = 32_768..=60_999;
        let pick = |bound: &[u32]| pick_among(4_096, &occupied(usual.clone(), bound)).unwrap();
        assert_eq!(pick(&[]), PortBlock::new(61_440, 4_096).unwrap());
        assert_eq!(pick(&[61_440]), PortBlock::new(28_672, 4_096).unwrap());
        assert_eq!(pick(&[65_535, 28_673]).first(), 24_576);
    }

    #[test]
    fn blocks_shrink_before_giving_up() {
        let crowded = occupied(1_024..=65_000, &[]);
        assert_eq!(pick_among(4_096, &crowded), PortBlock::new(65_024, 512));
        assert_eq!(pick_among(4_096, &occupied(1_024..=65_535, &[])), None);
    }

    #[test]
    fn tables_are_read() {
        let table = "  sl  local_address rem_address   st\n   \
                     0: 0100007F:1F90 00000000:0000 0A 00000000:00000000\n junk\n";
        assert_eq!(local_ports(table).collect::<Vec<_>>(), [8_080]);
        assert_eq!(ranges("8080,9000-9010\n").collect::<Vec<_>>(), [8_080..=8_080, 9_000..=9_010]);
        assert_eq!(ranges("\n").count(), 0);
    }

    #[test]
    fn a_picked_block_has_no_listener_in_it() {
        let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        let port = listener.local_addr().unwrap().port();
        let block = PortBlock::pick(BLOCK_LEN_DEFAULT).unwrap();
        assert!(!block.range().contains(&port));
        assert!(Occupied::read().unwrap().bound.contains(&u32::from(port)));
    }
}

//! Frames as a capture file, pcapng: draft-ietf-opsawg-pcapng.

use std::io::{self, Write};
use std::time::Duration;

use portolan_core::link::Encapsulation;

/// Which way a frame went.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Direction {
    /// It arrived.
    In,
    /// It left.
    Out,
}

/// A capture file in the making; readable up to the last block that was written whole.
pub(super) struct Pcapng {
    out: Box<dyn Write + Send>,
    block: Vec<u8>,
}

const SECTION_HEADER: u32 = 0x0A0D_0D0A;
const INTERFACE: u32 = 1;
const ENHANCED_PACKET: u32 = 6;

impl Pcapng {
    /// Begins the file.
    pub(super) fn begin(out: Box<dyn Write + Send>) -> io::Result<Self> {
        let mut file = Self { out, block: Vec::new() };
        // Byte order, version 1.0, a section of unknown length.
        file.put(&0x1A2B_3C4D_u32.to_ne_bytes());
        file.put(&[1_u16.to_ne_bytes(), 0_u16.to_ne_bytes()].concat());
        file.put(&(-1_i64).to_ne_bytes());
        file.option(4, concat!("portolan ", env!("CARGO_PKG_VERSION")).as_bytes());
        file.end_of_options();
        file.finish(SECTION_HEADER)?;
        Ok(file)
    }

    /// Names a link; links are numbered in the order of their naming.
    pub(super) fn link(&mut self, name: &str, encapsulation: Encapsulation) -> io::Result<()> {
        // LINKTYPE_ETHERNET and LINKTYPE_RAW.
        let kind: u16 = match encapsulation {
            Encapsulation::Ethernet => 1,
            Encapsulation::Ip => 101,
        };
        self.put(&kind.to_ne_bytes());
        self.put(&[0; 6]);
        self.option(2, name.as_bytes());
        // Times are in units of 10^-9 seconds.
        self.option(9, &[9]);
        self.end_of_options();
        self.finish(INTERFACE)
    }

    /// Adds a frame that passed `link` at `at` since 1970, `missed` others having been lost
    /// between this and the one before it.
    pub(super) fn frame(
        &mut self,
        link: u32,
        at: Duration,
        direction: Direction,
        missed: u64,
        frame: &[u8],
    ) -> io::Result<()> {
        let nanos = u64::try_from(at.as_nanos()).unwrap_or(u64::MAX);
        let [a, b, c, d, low @ ..] = nanos.to_be_bytes();
        let len = u32::try_from(frame.len()).unwrap_or(u32::MAX);
        for word in [link, u32::from_be_bytes([a, b, c, d]), u32::from_be_bytes(low), len, len] {
            self.put(&word.to_ne_bytes());
        }
        self.put(frame);
        self.pad();
        let flags: u32 = match direction {
            Direction::In => 1,
            Direction::Out => 2,
        };
        self.option(2, &flags.to_ne_bytes());
        if missed > 0 {
            self.option(4, &missed.to_ne_bytes());
        }
        self.end_of_options();
        self.finish(ENHANCED_PACKET)
    }

    /// Passes on what is held back.
    pub(super) fn flush(&mut self) -> io::Result<()> {
        self.out.flush()
    }

    fn put(&mut self, octets: &[u8]) {
        self.block.extend_from_slice(octets);
    }

    fn pad(&mut self) {
        self.block.resize(self.block.len().next_multiple_of(4), 0);
    }

    fn option(&mut self, code: u16, value: &[u8]) {
        let len = u16::try_from(value.len()).unwrap_or(0);
        self.put(&code.to_ne_bytes());
        self.put(&len.to_ne_bytes());
        self.put(value.get(..usize::from(len)).unwrap_or_default());
        self.pad();
    }

    fn end_of_options(&mut self) {
        self.put(&[0; 4]);
    }

    /// Writes the body that was put together as a block of `kind`, its length before and behind.
    fn finish(&mut self, kind: u32) -> io::Result<()> {
        let len = u32::try_from(self.block.len() + 12).unwrap_or(u32::MAX).to_ne_bytes();
        self.out.write_all(&kind.to_ne_bytes())?;
        self.out.write_all(&len)?;
        self.out.write_all(&self.block)?;
        self.out.write_all(&len)?;
        self.block.clear();
        Ok(())
    }
}

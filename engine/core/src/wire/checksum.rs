//! The Internet checksum, RFC 1071, as partial sums that can be added to.

use std::net::IpAddr;

/// A ones'-complement sum in the making.
///
/// Sums of parts add up to the sum of the whole, so a template's constant part is summed once and
/// each probe adds only its own words (RFC 1624 is the same thought for one replaced word).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Checksum(u32);

impl Checksum {
    /// The sum of nothing.
    pub const ZERO: Self = Self(0);

    /// Adds one 16-bit word.
    ///
    /// Room is left for 65,536 words between two foldings; [`Checksum::octets`] folds as it goes.
    #[must_use]
    pub const fn word(self, word: u16) -> Self {
        Self(self.0 + word as u32)
    }

    /// Adds a 32-bit number as two words.
    #[must_use]
    pub const fn long(self, long: u32) -> Self {
        Self(self.0 + (long >> 16) + (long & 0xffff))
    }

    /// Adds octets from an even offset, the last padded with zero if their number is odd.
    #[must_use]
    pub fn octets(self, octets: &[u8]) -> Self {
        let mut wide = u64::from(self.0);
        let mut quads = octets.chunks_exact(4);
        for quad in &mut quads {
            let mut four = [0; 4];
            four.copy_from_slice(quad);
            wide += u64::from(u32::from_be_bytes(four));
        }
        for pair in quads.remainder().chunks(2) {
            let high = pair.first().copied().unwrap_or(0);
            let low = pair.get(1).copied().unwrap_or(0);
            wide += u64::from(u16::from_be_bytes([high, low]));
        }
        while wide >> 16 != 0 {
            wide = (wide & 0xffff) + (wide >> 16);
        }
        Self(u32::try_from(wide).unwrap_or(0))
    }

    /// Adds an address: 4 or 16 octets.
    #[must_use]
    pub fn addr(self, addr: IpAddr) -> Self {
        match addr {
            IpAddr::V4(v4) => self.long(v4.to_bits()),
            IpAddr::V6(v6) => self.octets(&v6.octets()),
        }
    }

    /// Adds the pseudo-header of RFC 9293 §3.1 or RFC 8200 §8.1.
    #[must_use]
    pub fn pseudo_header(self, source: IpAddr, target: IpAddr, protocol: u8, len: u16) -> Self {
        self.addr(source).addr(target).word(u16::from(protocol)).word(len)
    }

    /// The sum folded to 16 bits, not complemented.
    pub const fn folded(self) -> u16 {
        let once = (self.0 & 0xffff) + (self.0 >> 16);
        let twice = (once & 0xffff) + (once >> 16);
        let [.., high, low] = twice.to_be_bytes();
        u16::from_be_bytes([high, low])
    }

    /// What goes into the checksum field.
    pub const fn finish(self) -> u16 {
        !self.folded()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn the_example_of_rfc_1071() {
        // Source: RFC 1071 §3, "Numerical Examples": the folded sum is ddf2.
        let sum = Checksum::ZERO.octets(&[0x00, 0x01, 0xf2, 0x03, 0xf4, 0xf5, 0xf6, 0xf7]);
        assert_eq!(sum.folded(), 0xddf2);
    }

    proptest! {
        #[test]
        fn parts_add_up(data in prop::collection::vec(any::<u8>(), 0..200), cut in 0_usize..100) {
            let cut = (cut * 2).min(data.len() & !1);
            let whole = Checksum::ZERO.octets(&data).finish();
            let parts = Checksum::ZERO.octets(&data[..cut]).octets(&data[cut..]).finish();
            prop_assert_eq!(whole, parts);
            let words = data.chunks(2).fold(Checksum::ZERO, |sum, pair| {
                sum.word(u16::from_be_bytes([pair[0], pair.get(1).copied().unwrap_or(0)]))
            });
            prop_assert_eq!(whole, words.finish());
        }
    }
}

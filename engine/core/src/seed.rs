//! What fixes the order of a scan.

use std::fmt;

/// Fixes the permutation, so that a scan can be repeated, split and continued.
///
/// Cookies have a key of their own that is not derived from it: the order of probes shows on the
/// wire and must not reveal the key.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Seed(pub u64);

impl Seed {
    /// The next number of the stream that starts at this seed.
    ///
    /// Source: Steele, Lea and Flood, "Fast splittable pseudorandom number generators", 2014
    /// (SplitMix64).
    pub const fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        z ^ (z >> 31)
    }
}

impl fmt::Display for Seed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

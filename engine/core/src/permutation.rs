//! The order of a scan: a keyed bijection on `0..len`, addressable by index in both directions.
//!
//! A Feistel network over the smallest even number of bits that holds the domain, walked until it
//! lands inside (cycle walking; Black and Rogaway, "Ciphers with arbitrary finite domains", 2002).
//! The domain of bits is less than four times the length, so fewer than four steps are expected.
//! Being addressable by index it needs no state but a counter: shards, threads, resuming and the
//! question "when was this endpoint probed" all are arithmetic.

use crate::seed::Seed;

/// Rounds of the network. Four already make the order pass a chi-square test over subnets and
/// ports (see the tests); six leave a margin.
pub const ROUNDS: usize = 6;

/// Largest length of a domain: so that intermediate sums stay inside 64 bits.
pub const LEN_MAX: u64 = 1 << 63;

/// A bijection on `0..len`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Permutation {
    len: u64,
    half_bits: u32,
    half_mask: u64,
    keys: [u64; ROUNDS],
}

impl Permutation {
    /// The bijection on `0..len` that `seed` fixes; `len` above [`LEN_MAX`] is taken as that.
    pub fn new(len: u64, mut seed: Seed) -> Self {
        let len = len.min(LEN_MAX);
        let bits = 64 - len.saturating_sub(1).leading_zeros();
        let half_bits = bits.div_ceil(2).max(1);
        Self {
            len,
            half_bits,
            half_mask: u64::MAX >> (64 - half_bits),
            keys: std::array::from_fn(|_| seed.next()),
        }
    }

    /// The length of the domain.
    pub const fn len(&self) -> u64 {
        self.len
    }

    /// Bits in each half of the network's words, 1 to 32.
    pub const fn half_bits(&self) -> u32 {
        self.half_bits
    }

    /// The keys of the rounds.
    pub const fn keys(&self) -> &[u64; ROUNDS] {
        &self.keys
    }

    /// Whether the domain is empty.
    pub const fn is_empty(&self) -> bool {
        self.len == 0
    }

    /// The element at `position`; `position` must be below the length.
    ///
    /// # Panics
    /// In debug builds, if it is not.
    pub fn element(&self, position: u64) -> u64 {
        debug_assert!(position < self.len, "position {position} of {}", self.len);
        let mut x = position;
        loop {
            x = self.forward(x);
            if x < self.len {
                return x;
            }
        }
    }

    /// The position of `element`: the inverse of [`Permutation::element`].
    ///
    /// # Panics
    /// In debug builds, if `element` is not below the length.
    pub fn position(&self, element: u64) -> u64 {
        debug_assert!(element < self.len, "element {element} of {}", self.len);
        let mut x = element;
        loop {
            x = self.backward(x);
            if x < self.len {
                return x;
            }
        }
    }

    fn forward(&self, x: u64) -> u64 {
        let (mut left, mut right) = (x >> self.half_bits, x & self.half_mask);
        for key in self.keys {
            (left, right) = (right, left ^ self.round(right, key));
        }
        left << self.half_bits | right
    }

    fn backward(&self, x: u64) -> u64 {
        let (mut left, mut right) = (x >> self.half_bits, x & self.half_mask);
        for key in self.keys.into_iter().rev() {
            (left, right) = (right ^ self.round(left, key), left);
        }
        left << self.half_bits | right
    }

    /// Two rounds of multiply and xor-shift; any function makes a bijection, a mixing one a good
    /// one.
    const fn round(&self, half: u64, key: u64) -> u64 {
        let mut z = half.wrapping_add(key).wrapping_mul(0x9E37_79B9_7F4A_7C15);
        z = (z ^ (z >> 32)).wrapping_mul(0xD6E8_FEB8_6659_FD93);
        (z >> 29) & self.half_mask
    }
}

/// One of `count` equal parts of a scan.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Shard {
    /// From 0.
    pub index: u32,
    /// At least 1.
    pub count: u32,
}

impl Default for Shard {
    /// The whole.
    fn default() -> Self {
        Self { index: 0, count: 1 }
    }
}

impl Shard {
    /// This shard's share of `threads` strides, the one of thread `thread`.
    #[must_use]
    pub const fn thread(self, thread: u32, threads: u32) -> Self {
        Self {
            index: self.index.saturating_add(self.count.saturating_mul(thread)),
            count: self.count.saturating_mul(threads),
        }
    }

    /// How many of `len` positions are in this shard.
    pub const fn share_of(self, len: u64) -> u64 {
        let (index, count) = (self.index as u64, self.count as u64);
        if index >= len { 0 } else { (len - index - 1) / count + 1 }
    }
}

/// Positions `index, index + count, …` below a length: one stride, resumable by one number.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Cursor {
    next: u64,
    step: u64,
    len: u64,
}

impl Cursor {
    /// The stride of `shard` over `0..len`.
    pub const fn new(shard: Shard, len: u64) -> Self {
        Self { next: shard.index as u64, step: shard.count as u64, len }
    }

    /// The same stride, going on at `taken` positions from its start.
    #[must_use]
    pub const fn skip(mut self, taken: u64) -> Self {
        self.next = self.next.saturating_add(self.step.saturating_mul(taken));
        self
    }

    /// The next position, without taking it.
    pub const fn peek(&self) -> Option<u64> {
        if self.next < self.len { Some(self.next) } else { None }
    }

    /// Takes the next position.
    pub const fn advance(&mut self) {
        self.next = self.next.saturating_add(self.step);
    }

    /// How many positions have been taken, for a shard that starts at `index`.
    pub const fn taken(&self, shard: Shard) -> u64 {
        (self.next - shard.index as u64) / self.step
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn every_small_domain_is_permuted_exactly() {
        for len in (0..=2_050).chain([4_095, 4_096, 4_097, 65_535, 65_536, 65_537, 70_000]) {
            let permutation = Permutation::new(len, Seed(len ^ 0xA5));
            let mut seen = vec![false; usize::try_from(len).unwrap()];
            for position in 0..len {
                let element = permutation.element(position);
                let slot = &mut seen[usize::try_from(element).unwrap()];
                assert!(!*slot, "{element} twice in 0..{len}");
                *slot = true;
                assert_eq!(permutation.position(element), position, "0..{len}");
            }
        }
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(2_000))]

        /// A map with a two-sided inverse is a bijection, whatever the size.
        #[test]
        fn large_domains_are_permuted_by_their_inverse(
            bits in 40_u32..=63, seed: u64, low: u64, at: u64,
        ) {
            let len = (1 << bits) - (low % (1 << (bits - 1)));
            let permutation = Permutation::new(len, Seed(seed));
            let x = at % len;
            prop_assert!(permutation.element(x) < len);
            prop_assert_eq!(permutation.position(permutation.element(x)), x);
            prop_assert_eq!(permutation.element(permutation.position(x)), x);
        }

        #[test]
        fn shards_and_threads_partition(
            len in 0_u64..500, count in 1_u32..9, threads in 1_u32..5,
        ) {
            let mut seen = Vec::new();
            for index in 0..count {
                for thread in 0..threads {
                    let shard = Shard { index, count }.thread(thread, threads);
                    let mut cursor = Cursor::new(shard, len);
                    let mut taken = 0;
                    while let Some(position) = cursor.peek() {
                        prop_assert_eq!(Cursor::new(shard, len).skip(taken).peek(), Some(position));
                        seen.push(position);
                        cursor.advance();
                        taken += 1;
                        prop_assert_eq!(cursor.taken(shard), taken);
                    }
                    prop_assert_eq!(taken, shard.share_of(len));
                }
            }
            seen.sort_unstable();
            prop_assert_eq!(seen, (0..len).collect::<Vec<_>>());
        }
    }

    /// Chi-square of the first tenth of a scan over 256 subnets and over ports: masscan's users
    /// saw whole /10s favoured when its network had four weak rounds.
    #[test]
    fn the_beginning_of_a_scan_is_spread_evenly() {
        let (hosts, ports) = (65_536_u64, 32_u64);
        for seed in 0..4 {
            let permutation = Permutation::new(hosts * ports, Seed(seed));
            let sample = hosts * ports / 10;
            let mut subnets = [0_u32; 256];
            let mut by_port = [0_u32; 32];
            for position in 0..sample {
                let element = permutation.element(position);
                subnets[usize::try_from(element / ports / 256).unwrap()] += 1;
                by_port[usize::try_from(element % ports).unwrap()] += 1;
            }
            let chi_square = |cells: &[u32]| {
                let share = sample / cells.len() as u64;
                let expected = f64::from(u32::try_from(share).unwrap());
                cells.iter().map(|c| (f64::from(*c) - expected).powi(2) / expected).sum::<f64>()
            };
            // Means 255 and 31; beyond five standard deviations is no accident.
            assert!(chi_square(&subnets) < 255.0 + 5.0 * 22.6, "seed {seed}");
            assert!(chi_square(&by_port) < 31.0 + 5.0 * 7.9, "seed {seed}");
        }
    }
}

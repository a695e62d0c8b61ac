//! Repeatable chance: a stream of numbers from a seed, and numbers that belong to a thing.

use portolan_core::seed::Seed;

/// The seed of a test: `PORTOLAN_SEED` where it is set, else `default`.
pub fn seed_from_env(default: u64) -> u64 {
    std::env::var("PORTOLAN_SEED").ok().and_then(|text| text.parse().ok()).unwrap_or(default)
}

/// A stream of numbers fixed by its seed (SplitMix64).
#[derive(Debug, Clone)]
pub struct Rng(Seed);

impl Rng {
    /// The stream of `seed`.
    pub const fn new(seed: u64) -> Self {
        Self(Seed(seed))
    }

    /// A stream of its own for the use that `purpose` names: it does not move when another does.
    #[must_use]
    pub fn fork(&self, purpose: &str) -> Self {
        Self(Seed(draw(self.0.0, purpose.bytes().map(u64::from))))
    }

    /// The next 64 bits.
    pub const fn next_u64(&mut self) -> u64 {
        self.0.next()
    }

    /// The next 32 bits.
    pub const fn next_u32(&mut self) -> u32 {
        let [a, b, c, d, ..] = self.next_u64().to_be_bytes();
        u32::from_be_bytes([a, b, c, d])
    }

    /// The next 16 bits.
    pub const fn next_u16(&mut self) -> u16 {
        let [a, b, ..] = self.next_u64().to_be_bytes();
        u16::from_be_bytes([a, b])
    }

    /// A number below `bound`; zero where the bound is zero.
    pub const fn below(&mut self, bound: u64) -> u64 {
        if bound == 0 { 0 } else { self.next_u64() % bound }
    }

    /// A position in a list of `len`.
    pub fn index(&mut self, len: usize) -> usize {
        let bound = u64::try_from(len).unwrap_or(u64::MAX);
        usize::try_from(self.below(bound)).unwrap_or(0)
    }

    /// A number from 0 up to, but not, 1.
    pub fn unit(&mut self) -> f64 {
        f64::from(self.next_u32()) / 4_294_967_296.0
    }

    /// True with this probability.
    pub fn chance(&mut self, probability: f64) -> bool {
        probability > 0.0 && self.unit() < probability
    }
}

/// The number that belongs to `parts` under `seed`: the same whenever it is asked for.
pub(crate) fn draw(seed: u64, parts: impl IntoIterator<Item = u64>) -> u64 {
    let mut state = Seed(seed);
    let mut mixed = state.next();
    for part in parts {
        state = Seed(mixed ^ part);
        mixed = state.next();
    }
    mixed
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn streams_repeat_and_forks_differ() {
        let numbers = |mut rng: Rng| (0..4).map(|_| rng.next_u64()).collect::<Vec<_>>();
        assert_eq!(numbers(Rng::new(5)), numbers(Rng::new(5)));
        assert_ne!(numbers(Rng::new(5).fork("a")), numbers(Rng::new(5).fork("b")));
        let mut rng = Rng::new(9);
        let heads = (0..10_000).filter(|_| rng.chance(0.25)).count();
        assert!((2_300..2_700).contains(&heads), "{heads}");
    }
}

//! A sample of endpoints that are asked a second time although they have answered: what tells loss
//! from silence.

use crate::answered::Answered;
use crate::estimate::PairCounts;

/// One endpoint of so many is in the sample.
pub const PAIR_EVERY: u64 = 32;
/// The smallest plan of which a sample is taken: below it the sample would say less than the passes
/// themselves do.
pub const PAIRED_LEN_MIN: u64 = 1 << 15;

/// Which endpoints of the sample have answered the first probe, and which the second.
///
/// The sample is one endpoint of every 32 that lie side by side, chosen by a hash; the second probe
/// goes out in the second pass and is one of those that the retries allow.
#[derive(Debug)]
pub struct Pairs {
    first: Answered,
    second: Answered,
}

impl Pairs {
    /// The sample of a plan of `len` endpoints with `passes` probes to each; `None` where there is
    /// none.
    pub fn new(len: u64, passes: u8) -> Option<Self> {
        if len < PAIRED_LEN_MIN || passes < 2 {
            return None;
        }
        let groups = len.div_ceil(PAIR_EVERY);
        Some(Self { first: Answered::new(groups)?, second: Answered::new(groups)? })
    }

    /// Whether the endpoint at `index` is in the sample.
    pub const fn contains(&self, index: u64) -> bool {
        let group = index / PAIR_EVERY;
        let mixed = group.wrapping_mul(0x9E37_79B9_7F4A_7C15) >> 59;
        index % PAIR_EVERY == mixed
    }

    /// Notes that the endpoint at `index` answered its probe of `pass`; whether that was the second
    /// probe of a pair.
    pub fn note(&self, index: u64, pass: u8) -> bool {
        if !self.contains(index) {
            return false;
        }
        match pass {
            0 => {
                self.first.insert(index / PAIR_EVERY);
                false
            }
            1 => self.second.insert(index / PAIR_EVERY),
            _ => false,
        }
    }

    /// What the sample answered.
    pub fn counts(&self) -> PairCounts {
        let mut counts = PairCounts::default();
        for (first, second) in self.first.to_octets().iter().zip(self.second.to_octets()) {
            counts.both += u64::from((first & second).count_ones());
            counts.first += u64::from((first & !second).count_ones());
            counts.second += u64::from((!first & second).count_ones());
        }
        counts
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_of_each_group_is_in_the_sample_and_counted_by_what_it_answered() {
        assert!(Pairs::new(PAIRED_LEN_MIN - 1, 3).is_none());
        assert!(Pairs::new(PAIRED_LEN_MIN, 1).is_none());
        let pairs = Pairs::new(PAIRED_LEN_MIN, 2).unwrap();
        let sample: Vec<u64> = (0..PAIRED_LEN_MIN).filter(|i| pairs.contains(*i)).collect();
        assert_eq!(sample.len(), 1_024);
        let places: std::collections::BTreeSet<u64> = sample.iter().map(|i| i % 32).collect();
        assert_eq!(places.len(), 32, "anywhere in its group");
        for (turn, index) in sample.iter().enumerate() {
            if turn % 4 != 0 {
                assert!(!pairs.note(*index, 0));
            }
            if turn % 8 < 5 {
                assert!(pairs.note(*index, 1));
                assert!(!pairs.note(*index, 1), "told once");
            }
            assert!(!pairs.note(*index, 2));
        }
        assert!(!pairs.note(sample[0] + 1, 1));
        assert_eq!(pairs.counts(), PairCounts { both: 384, first: 384, second: 256 });
    }
}

//! How long answers are waited for: as long as the network has shown that they take.

use std::time::Duration;

/// A wait in multiples of the longest round trip seen, within bounds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Pause {
    factor: u32,
    min: Duration,
    max: Duration,
    unknown: Duration,
}

impl Pause {
    /// Before a further pass asks again: what is on its way would be asked in vain. Once the
    /// longest is enough: an answer later than that costs a probe and is not lost.
    pub const BETWEEN_PASSES: Self = Self {
        factor: 1,
        min: Duration::from_millis(100),
        max: Duration::from_secs(3),
        unknown: Duration::from_millis(500),
    };

    /// After the last probe. Ten seconds are the end even where answers took longer: reassembly
    /// and neighbour queues have given up by then.
    pub const COOLDOWN: Self = Self {
        factor: 4,
        min: Duration::from_millis(250),
        max: Duration::from_secs(10),
        unknown: Duration::from_secs(1),
    };

    /// The wait where `rtt_max` is the longest round trip seen, zero where none was.
    ///
    /// It grows when a slower answer comes in meanwhile: whoever waits asks again.
    pub fn after(&self, rtt_max: Duration) -> Duration {
        if rtt_max.is_zero() {
            self.unknown
        } else {
            rtt_max.saturating_mul(self.factor).clamp(self.min, self.max)
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_follows_what_was_seen_within_bounds() {
        let after = |millis| Pause::COOLDOWN.after(Duration::from_millis(millis)).as_millis();
        assert_eq!([after(0), after(1), after(100)], [1_000, 250, 400]);
        assert_eq!([after(2_000), after(8_000)], [8_000, 10_000]);
        assert_eq!(Pause::BETWEEN_PASSES.after(Duration::MAX), Duration::from_secs(3));
    }
}

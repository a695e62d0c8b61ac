//! A sender's part in `--rate auto`: it keeps to the dial and mixes canary probes in.

use std::sync::Arc;

use crate::canary::Canaries;
use crate::pacer::RatePps;
use crate::rate::RateDial;
use crate::time::Timestamp;

/// Canary probes a second, over all senders, as long as they are within the parts below.
const CANARY_PPS: f64 = 2_000.0;
/// The least part of the probes that goes to canaries.
const PART_MIN: f64 = 0.01;
/// The greatest part.
const PART_MAX: f64 = 0.125;

/// What one sender shares with the controller and the receivers.
#[derive(Debug, Clone)]
pub struct Auto {
    dial: Arc<RateDial>,
    canaries: Arc<Canaries>,
    /// This sender's part of the rate, 0 to 1.
    share: f64,
    link: usize,
    /// Canary probes that ordinary ones have earned.
    credit: f64,
}

impl Auto {
    /// For the sender of link `link` that sends `share` of the dial's rate.
    pub const fn new(
        dial: Arc<RateDial>,
        canaries: Arc<Canaries>,
        share: f64,
        link: usize,
    ) -> Self {
        Self { dial, canaries, share, link, credit: 0.0 }
    }

    /// This sender's rate now.
    pub fn rate(&self) -> RatePps {
        let pps = f64::from(self.dial.get().get()) * self.share;
        #[expect(
            clippy::cast_possible_truncation,
            clippy::cast_sign_loss,
            reason = "not negative, and a float-to-integer cast saturates"
        )]
        let whole = pps.round() as u32;
        RatePps::new(whole).unwrap_or(RatePps::MIN)
    }

    /// To be called after each ordinary probe: so many earn a canary probe.
    pub fn earn(&mut self) {
        let pps = f64::from(self.dial.get().get());
        self.credit = (self.credit + (CANARY_PPS / pps).clamp(PART_MIN, PART_MAX)).min(2.0);
    }

    /// The canary to be asked now, if it is time: its index in the plan and the pass to make the
    /// cookie for.
    pub fn canary(&mut self, now: Timestamp) -> Option<(u64, u8)> {
        if self.credit < 1.0 || self.canaries.is_empty() {
            return None;
        }
        self.credit -= 1.0;
        self.canaries.next(self.link, now)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::canary::CANARY_GAP;
    use std::time::Duration;

    #[test]
    fn canaries_are_the_part_of_the_probes_that_the_rate_allows() {
        for (pps, part) in [(1_000, 0.125), (20_000, 0.1), (200_000, 0.01), (400_000, 0.01)] {
            let dial = Arc::new(RateDial::new(RatePps::new(pps).unwrap()));
            let canaries = Arc::new(Canaries::new(64, CANARY_GAP));
            for index in 0..64 {
                canaries.offer(index, 0, 0);
            }
            let mut auto = Auto::new(dial, Arc::clone(&canaries), 0.5, 0);
            assert_eq!(auto.rate().get(), pps / 2);
            let seconds = 2;
            for probe in 0..pps * seconds {
                let at = Duration::from_secs(1).mul_f64(f64::from(probe) / f64::from(pps));
                auto.earn();
                auto.canary(Timestamp::ZERO + at);
            }
            let wanted = f64::from(pps * seconds) * part;
            let sent = f64::from(u32::try_from(canaries.sent()).unwrap());
            assert!((sent - wanted).abs() < wanted * 0.05 + 2.0, "{pps}: {sent} of {wanted}");
        }
    }
}

//! What goes wrong on the way, one direction at a time.

use std::time::Duration;

use portolan_core::link::Encapsulation;

use super::rng::Rng;

/// Probabilities from 0 to 1, and delays.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Faults {
    /// A frame never arrives.
    pub loss: f64,
    /// A frame arrives twice.
    pub duplicate: f64,
    /// A frame is overtaken: it arrives up to ten mean delays later.
    pub reorder: f64,
    /// One bit of the packet behind the link header is turned.
    pub corrupt: f64,
    /// The shortest delay.
    pub delay_min: Duration,
    /// The mean delay; what exceeds the shortest is distributed exponentially, up to ten times.
    pub delay_mean: Duration,
}

/// One copy of a frame that arrives after all.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Copy {
    pub(crate) frame: Vec<u8>,
    pub(crate) delay: Duration,
    pub(crate) corrupted: bool,
}

impl Faults {
    /// Nothing goes wrong, and every frame takes one millisecond.
    pub const NONE: Self = Self {
        loss: 0.0,
        duplicate: 0.0,
        reorder: 0.0,
        corrupt: 0.0,
        delay_min: Duration::from_millis(1),
        delay_mean: Duration::from_millis(1),
    };

    /// Some frames are lost; the others take 10 ms and more.
    pub const fn lossy(loss: f64) -> Self {
        Self {
            loss,
            delay_min: Duration::from_millis(10),
            delay_mean: Duration::from_millis(20),
            ..Self::NONE
        }
    }

    pub(crate) fn apply(
        &self,
        frame: &[u8],
        encapsulation: Encapsulation,
        rng: &mut Rng,
    ) -> Vec<Copy> {
        let copies = 1 + usize::from(rng.chance(self.duplicate));
        let mut arriving = Vec::with_capacity(copies);
        for _ in 0..copies {
            if rng.chance(self.loss) {
                continue;
            }
            let mut copy = Copy { frame: frame.to_vec(), delay: self.delay(rng), corrupted: false };
            if rng.chance(self.corrupt) {
                copy.corrupted = turn_a_bit(&mut copy.frame, encapsulation.header_len(), rng);
            }
            arriving.push(copy);
        }
        arriving
    }

    fn delay(&self, rng: &mut Rng) -> Duration {
        let spread = self.delay_mean.saturating_sub(self.delay_min);
        let stretch = -(1.0 - rng.unit()).ln();
        let mut delay = self.delay_min + spread.mul_f64(stretch.clamp(0.0, 10.0));
        if rng.chance(self.reorder) {
            delay += self.delay_mean.mul_f64(rng.unit() * 10.0);
        }
        delay
    }
}

fn turn_a_bit(frame: &mut [u8], from: usize, rng: &mut Rng) -> bool {
    let Some(packet) = frame.get_mut(from..) else { return false };
    let (at, bit) = (rng.index(packet.len()), rng.below(8));
    packet.get_mut(at).is_some_and(|octet| {
        *octet ^= 1 << bit;
        true
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn faults_come_as_often_as_they_were_asked_for() {
        let faults = Faults {
            loss: 0.1,
            duplicate: 0.2,
            reorder: 0.5,
            corrupt: 0.3,
            delay_min: Duration::from_millis(5),
            delay_mean: Duration::from_millis(10),
        };
        let mut rng = Rng::new(1);
        let (mut arrived, mut corrupted) = (0, 0);
        for _ in 0..10_000 {
            for copy in faults.apply(&[0; 40], Encapsulation::Ip, &mut rng) {
                arrived += 1;
                corrupted += u32::from(copy.corrupted);
                let turned: u32 = copy.frame.iter().map(|octet| octet.count_ones()).sum();
                assert_eq!(turned, u32::from(copy.corrupted));
                assert!(copy.delay >= faults.delay_min, "{:?}", copy.delay);
            }
        }
        assert!((10_600..11_000).contains(&arrived), "{arrived}: 10,000 × 1.2 × 0.9");
        assert!((3_050..3_450).contains(&corrupted), "{corrupted}: three in ten of them");
    }
}

//! What a scan missed, estimated from what it heard.

/// The two-sided 95 % quantile of the normal distribution.
const Z: f64 = 1.959_964;
/// Answers to second probes from which a paired sample says anything.
const PAIRS_MIN: u64 = 100;

/// The 95 % confidence interval of a proportion, `hits` of `trials`: 0 to 1 where there were none.
///
/// Source: Wilson, "Probable inference, the law of succession, and statistical inference", 1927.
pub fn wilson(hits: u64, trials: u64) -> (f64, f64) {
    if trials == 0 {
        return (0.0, 1.0);
    }
    let (n, p) = (as_f64(trials), as_f64(hits.min(trials)) / as_f64(trials));
    let z2 = Z * Z;
    let middle = (p + z2 / (2.0 * n)) / (1.0 + z2 / n);
    let half = Z / (1.0 + z2 / n) * (p * (1.0 - p) / n + z2 / (4.0 * n * n)).sqrt();
    let low = if hits == 0 { 0.0 } else { (middle - half).max(0.0) };
    let high = if hits >= trials { 1.0 } else { (middle + half).min(1.0) };
    (low, high)
}

/// Endpoints of a sample that was asked twice whatever it answered, by what they answered.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct PairCounts {
    /// Both probes.
    pub both: u64,
    /// The first and not the second.
    pub first: u64,
    /// The second and not the first.
    pub second: u64,
}

/// Which part of the probes of one pass, or of the answers to them, was lost; with the bounds
/// between which it is with 95 % confidence.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Loss {
    /// The best guess, 0 to 1.
    pub part: f64,
    /// It is hardly less.
    pub low: f64,
    /// It is hardly more.
    pub high: f64,
}

impl Loss {
    /// From `first_in_pass`, how many endpoints were first heard in each pass, unless a paired
    /// sample that is large enough contradicts it and is believed. `None` where neither tells
    /// anything: with a single pass, or no answer.
    ///
    /// Of a pair, the second probe finds out who answers at all, and is lost or not whatever became
    /// of the first: so the part of those who answered the second and had not answered the first is
    /// the loss (Lincoln and Petersen's estimate of who was not seen). Without pairs, those who
    /// were first heard in the second pass stand to those of the first as the loss does to one,
    /// as long as both passes lose alike.
    pub fn estimate(pairs: PairCounts, first_in_pass: &[u64]) -> Option<Self> {
        let (by_pairs, by_passes) = (Self::of_pairs(pairs), Self::of_passes(first_in_pass));
        match (by_pairs, by_passes) {
            // All endpoints say more than a sample of them, where both say the same.
            (Some(pairs), Some(passes))
                if pairs.low <= passes.part && passes.part <= pairs.high =>
            {
                Some(passes)
            }
            (Some(pairs), _) => Some(pairs),
            (None, passes) => passes,
        }
    }

    fn of_pairs(pairs: PairCounts) -> Option<Self> {
        let answered_second = pairs.both + pairs.second;
        let (low, high) = wilson(pairs.second, answered_second);
        let part = as_f64(pairs.second) / as_f64(answered_second.max(1));
        (answered_second >= PAIRS_MIN).then_some(Self { part, low, high })
    }

    fn of_passes(first_in_pass: &[u64]) -> Option<Self> {
        let [first, second, ..] = *first_in_pass else { return None };
        if first == 0 {
            return None;
        }
        // second / (first + second) is q / (1 + q).
        let odds = |part: f64| if part >= 0.5 { 1.0 } else { part / (1.0 - part) };
        let (low, high) = wilson(second, first + second);
        let part = as_f64(second) / as_f64(first + second);
        Some(Self { part: odds(part), low: odds(low), high: odds(high) })
    }

    /// The part of those who answer that was heard after `passes` probes to each, as the lowest,
    /// the best and the highest guess.
    ///
    /// Taken that probes are lost independently: a host that limits what it answers is silent by
    /// itself, and no such loss.
    pub fn heard(&self, passes: u8) -> (f64, f64, f64) {
        let heard = |loss: f64| 1.0 - loss.powi(i32::from(passes));
        (heard(self.high), heard(self.part), heard(self.low))
    }
}

#[expect(clippy::cast_precision_loss, reason = "a ratio for people to read")]
const fn as_f64(count: u64) -> f64 {
    count as f64
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::seed::Seed;

    #[test]
    fn intervals_are_wilson_s() {
        // Worked examples: 0 of 10 and 5 of 10 at 95 %.
        let (low, high) = wilson(0, 10);
        assert!(low.abs() < 1e-9 && (high - 0.277_5).abs() < 1e-3, "{low} {high}");
        let (low, high) = wilson(5, 10);
        assert!((low - 0.236_6).abs() < 1e-3 && (high - 0.763_4).abs() < 1e-3, "{low} {high}");
        assert_eq!(wilson(0, 0), (0.0, 1.0));
        assert!((wilson(7, 7).1 - 1.0).abs() < 1e-9);
    }

    #[test]
    fn intervals_hold_the_truth_as_often_as_they_say() {
        let mut random = Seed(12);
        let mut chance = |part: f64| as_f64(random.next() >> 11) / as_f64(1 << 53) < part;
        for truth in [0.001, 0.04, 0.3] {
            let (mut by_pairs, mut by_passes) = (0, 0);
            for _ in 0..400 {
                let mut pairs = PairCounts::default();
                let mut passes = [0, 0];
                for _ in 0..3_000 {
                    let (first, second) = (!chance(truth), !chance(truth));
                    pairs.both += u64::from(first && second);
                    pairs.first += u64::from(first && !second);
                    pairs.second += u64::from(!first && second);
                    passes[0] += u64::from(first);
                    passes[1] += u64::from(!first && second);
                }
                let holds = |loss: Loss| loss.low <= truth && truth <= loss.high;
                by_pairs += u32::from(holds(Loss::estimate(pairs, &[]).unwrap()));
                let none = PairCounts::default();
                by_passes += u32::from(holds(Loss::estimate(none, &passes).unwrap()));
            }
            assert!(by_pairs > 365 && by_passes > 365, "{truth}: {by_pairs} {by_passes} of 400");
        }
    }

    #[test]
    fn what_tells_nothing_is_no_estimate() {
        let none = PairCounts::default();
        assert_eq!(Loss::estimate(none, &[5]), None);
        assert_eq!(Loss::estimate(none, &[0, 0]), None);
        let loss = Loss::estimate(none, &[1_000, 0]).unwrap();
        assert!(loss.part.abs() < 1e-9 && loss.high > 0.0);
        let (low, best, high) = loss.heard(3);
        assert!(low < best && best <= high && low > 0.999_999);
    }
}

//! Sets of ports as bits: set algebra in constant time, whatever the ports.

use portolan_core::target::PortSet;

/// A set of ports, one bit each, up to the highest that was ever in it.
#[derive(Clone)]
pub(crate) struct PortBits(Vec<u64>);

impl PortBits {
    pub(crate) const fn new() -> Self {
        Self(Vec::new())
    }

    pub(crate) fn of(ports: &PortSet) -> Self {
        let mut bits = Self::new();
        bits.add(ports);
        bits
    }

    pub(crate) fn add(&mut self, ports: &PortSet) {
        if let Some((_, highest)) = ports.ranges().last() {
            self.reach(*highest);
        }
        for &(first, last) in ports.ranges() {
            let (low, high) = (usize::from(first >> 6), usize::from(last >> 6));
            for (index, word) in self.0.iter_mut().enumerate().take(high + 1).skip(low) {
                let from = if index == low { first & 63 } else { 0 };
                let to = if index == high { last & 63 } else { 63 };
                *word |= (u64::MAX >> (63 - to)) & (u64::MAX << from);
            }
        }
    }

    /// Makes room for `port`.
    fn reach(&mut self, port: u16) {
        let words = usize::from(port >> 6) + 1;
        if self.0.len() < words {
            self.0.resize(words, 0);
        }
    }

    pub(crate) fn insert(&mut self, port: u16) {
        self.reach(port);
        if let Some(word) = self.0.get_mut(usize::from(port >> 6)) {
            *word |= 1 << (port & 63);
        }
    }

    pub(crate) fn contains(&self, port: u16) -> bool {
        self.0.get(usize::from(port >> 6)).is_some_and(|word| word & (1 << (port & 63)) != 0)
    }

    pub(crate) fn or(&mut self, other: &Self) {
        self.0.resize(self.0.len().max(other.0.len()), 0);
        for (word, other) in self.0.iter_mut().zip(&other.0) {
            *word |= other;
        }
    }

    pub(crate) fn and(&mut self, other: &Self) {
        self.0.truncate(other.0.len());
        for (word, other) in self.0.iter_mut().zip(&other.0) {
            *word &= other;
        }
    }

    pub(crate) fn minus(&mut self, other: &Self) {
        for (word, other) in self.0.iter_mut().zip(&other.0) {
            *word &= !other;
        }
    }

    pub(crate) fn to_set(&self) -> PortSet {
        let mut ranges: Vec<(u16, u16)> = Vec::new();
        for (base, word) in (0_u16..=u16::MAX).step_by(64).zip(&self.0) {
            if *word == u64::MAX {
                push(&mut ranges, base, base | 63);
                continue;
            }
            let mut rest = *word;
            while rest != 0 {
                let port = base | u16::try_from(rest.trailing_zeros()).unwrap_or(0);
                push(&mut ranges, port, port);
                rest &= rest - 1;
            }
        }
        ranges.into_iter().collect()
    }
}

/// Adds a range that lies above all others.
fn push(ranges: &mut Vec<(u16, u16)>, first: u16, last: u16) {
    match ranges.last_mut() {
        Some((_, end)) if end.checked_add(1) == Some(first) => *end = last,
        _ => ranges.push((first, last)),
    }
}

/// What is in `ports` and not in `other`.
pub(crate) fn difference(ports: &PortSet, other: &PortSet) -> PortSet {
    let mut bits = PortBits::of(ports);
    bits.minus(&PortBits::of(other));
    bits.to_set()
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn ports() -> impl Strategy<Value = PortSet> {
        prop::collection::vec((any::<u16>(), 0..300_u16), 0..8).prop_map(|ranges| {
            ranges.into_iter().map(|(first, len)| (first, first.saturating_add(len))).collect()
        })
    }

    proptest! {
        #[test]
        fn bits_say_the_same_as_sets(a in ports(), b in ports()) {
            prop_assert_eq!(&PortBits::of(&a).to_set(), &a);
            let mut both = PortBits::of(&a);
            both.and(&PortBits::of(&b));
            prop_assert_eq!(both.to_set(), a.intersection(&b));
            let mut either = PortBits::of(&a);
            either.or(&PortBits::of(&b));
            prop_assert_eq!(either.to_set(), a.union(&b));
            prop_assert_eq!(difference(&a, &b), a.difference(&b));
        }
    }
}

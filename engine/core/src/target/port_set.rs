//! Sets of ports.

use std::fmt;

/// A set of port numbers as sorted, disjoint, non-adjacent inclusive ranges.
#[derive(Debug, Clone, PartialEq, Eq, Default, Hash, PartialOrd, Ord)]
pub struct PortSet {
    ranges: Vec<(u16, u16)>,
}

impl PortSet {
    /// The empty set.
    pub const fn new() -> Self {
        Self { ranges: Vec::new() }
    }

    /// Ports 1 to 65535: what `-p-` means.
    pub fn all() -> Self {
        Self { ranges: vec![(1, u16::MAX)] }
    }

    /// The inclusive ranges, in order.
    pub fn ranges(&self) -> &[(u16, u16)] {
        &self.ranges
    }

    /// How many ports; at most 65,536.
    pub fn len(&self) -> usize {
        self.ranges.iter().map(|(a, b)| usize::from(b - a) + 1).sum()
    }

    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.ranges.is_empty()
    }

    /// Whether `port` is in it. O(log ranges).
    pub fn contains(&self, port: u16) -> bool {
        self.rank(port).is_some()
    }

    /// How many members lie below `port`, if `port` is a member. O(ranges).
    pub fn rank(&self, port: u16) -> Option<usize> {
        let mut below = 0;
        for &(first, last) in &self.ranges {
            if port < first {
                return None;
            }
            if port <= last {
                return Some(below + usize::from(port - first));
            }
            below += usize::from(last - first) + 1;
        }
        None
    }

    /// The members in rising order.
    pub fn iter(&self) -> impl Iterator<Item = u16> + '_ {
        self.ranges.iter().flat_map(|&(first, last)| first..=last)
    }

    /// What is in `self` and not in `other`.
    #[must_use]
    pub fn difference(&self, other: &Self) -> Self {
        self.iter().filter(|p| !other.contains(*p)).collect()
    }

    /// What is in either.
    #[must_use]
    pub fn union(&self, other: &Self) -> Self {
        self.ranges.iter().chain(&other.ranges).copied().collect()
    }

    /// What is in both.
    #[must_use]
    pub fn intersection(&self, other: &Self) -> Self {
        self.iter().filter(|p| other.contains(*p)).collect()
    }
}

impl FromIterator<(u16, u16)> for PortSet {
    /// From inclusive ranges in any order; a reversed pair is read as its mirror image.
    fn from_iter<I: IntoIterator<Item = (u16, u16)>>(iter: I) -> Self {
        let mut all: Vec<(u16, u16)> =
            iter.into_iter().map(|(a, b)| (a.min(b), a.max(b))).collect();
        all.sort_unstable();
        let mut ranges: Vec<(u16, u16)> = Vec::new();
        for (first, last) in all {
            match ranges.last_mut() {
                Some((_, end)) if first <= end.saturating_add(1) => *end = last.max(*end),
                _ => ranges.push((first, last)),
            }
        }
        Self { ranges }
    }
}

impl FromIterator<u16> for PortSet {
    fn from_iter<I: IntoIterator<Item = u16>>(iter: I) -> Self {
        iter.into_iter().map(|p| (p, p)).collect()
    }
}

impl fmt::Display for PortSet {
    /// `22,80,8000-8100`.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (i, (first, last)) in self.ranges.iter().enumerate() {
            let comma = if i == 0 { "" } else { "," };
            if first == last {
                write!(f, "{comma}{first}")?;
            } else {
                write!(f, "{comma}{first}-{last}")?;
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ranges_merge_and_count() {
        let set: PortSet = [(80, 80), (22, 22), (81, 90), (85, 100)].into_iter().collect();
        assert_eq!(set.to_string(), "22,80-100");
        assert_eq!(set.len(), 22);
        assert_eq!(set.rank(22), Some(0));
        assert_eq!(set.rank(80), Some(1));
        assert_eq!(set.rank(79), None);
        assert_eq!(PortSet::all().len(), 65_535);
        assert_eq!(set.iter().count(), 22);
    }
}

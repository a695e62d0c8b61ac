//! A few figures for each host that answers, in memory that does not grow: what shows that a host
//! answers for everything, or for no more than so often.

use std::collections::BTreeMap;

/// Hosts that are kept, at most. With more, the busiest keep their places.
const SLOTS_MAX: u64 = 1 << 16;
/// Open ports from which a host may be said to be open on all.
const OPEN_MIN: u32 = 64;
/// The part of the asked ports that is open on such a host.
const OPEN_PART: f64 = 0.75;
/// The answer whose place tells whether the answers come early: Linux sends six at once.
const BURST: u32 = 5;
/// How unlikely a row of early answers must be by chance to be taken for a limit.
const CHANCE_MAX: f64 = 1e-4;

/// One host's figures.
#[derive(Debug, Clone, Copy, PartialEq, Default)]
pub struct HostFigures {
    /// Its index among the hosts, plus one; zero marks an empty place.
    host: u64,
    /// Open TCP ports heard.
    pub open: u32,
    /// UDP ports that it said are closed, heard in the first pass and at all.
    pub udp_closed: (u32, u32),
    /// UDP ports that answered.
    pub udp_open: u32,
    /// How much of the first pass was over at its fifth "closed", 0 to 1.
    fifth: f64,
    /// Whether it was said to be open on every port.
    pub everything: bool,
}

impl HostFigures {
    /// Whether its answers to UDP stopped while the questions went on, `asked` ports in all.
    ///
    /// The order of asking is random: were it not for a limit, the "closed" answers of the first
    /// pass would be spread over it evenly, and the fifth of `n` would come before `f` of it is
    /// over with a chance of at most `C(n, 5) f⁵`. Where a limit lets answers through evenly, each
    /// pass hears some more, of ports that were silent before.
    pub fn is_icmp_limited(&self, asked: u32) -> bool {
        let (early, all) = self.udp_closed;
        let silent = asked.saturating_sub(all).saturating_sub(self.udp_open);
        if all < BURST || silent < all.saturating_mul(2) {
            return false;
        }
        let later = all.saturating_sub(early);
        if later >= BURST && later.saturating_mul(4) >= early {
            return true;
        }
        if early < BURST {
            return false;
        }
        let n = f64::from(early);
        let ways = n * (n - 1.0) * (n - 2.0) * (n - 3.0) * (n - 4.0) / 120.0;
        ways * self.fifth.powi(5) < CHANCE_MAX
    }
}

/// The figures of all hosts, or of the busiest.
#[derive(Debug)]
pub struct HostBook {
    slots: Box<[HostFigures]>,
    exact: bool,
}

impl HostBook {
    /// For a plan of `hosts`: a place for each up to 65,536.
    pub fn new(hosts: u64) -> Self {
        let len = usize::try_from(hosts.clamp(1, SLOTS_MAX)).unwrap_or(1);
        let exact = hosts <= SLOTS_MAX;
        Self { slots: vec![HostFigures::default(); len].into_boxed_slice(), exact }
    }

    /// Counts an open TCP port of `host`, when about `asked` of its ports have been asked; whether
    /// the host was, or is found by this, to be open on every port.
    pub fn open(&mut self, host: u64, asked: f64) -> Openness {
        let Some(figures) = self.place(host) else { return Openness::Usual };
        figures.open = figures.open.saturating_add(1);
        if figures.everything {
            return Openness::Everything;
        }
        if figures.open < OPEN_MIN || f64::from(figures.open) < asked * OPEN_PART {
            return Openness::Usual;
        }
        figures.everything = true;
        Openness::Found { open: figures.open }
    }

    /// Counts a UDP port that `host` says is closed; `progress` is the part of the first pass that
    /// was over when it was asked, `None` in later passes.
    pub fn udp_closed(&mut self, host: u64, progress: Option<f64>) {
        let Some(figures) = self.place(host) else { return };
        figures.udp_closed.1 = figures.udp_closed.1.saturating_add(1);
        if let Some(progress) = progress {
            figures.udp_closed.0 = figures.udp_closed.0.saturating_add(1);
            if figures.udp_closed.0 == BURST {
                figures.fifth = progress;
            }
        }
    }

    /// Counts a UDP port of `host` that answered.
    pub fn udp_open(&mut self, host: u64) {
        if let Some(figures) = self.place(host) {
            figures.udp_open = figures.udp_open.saturating_add(1);
        }
    }

    /// The hosts that are kept.
    pub fn hosts(&self) -> impl Iterator<Item = (u64, &HostFigures)> {
        self.slots.iter().filter_map(|f| Some((f.host.checked_sub(1)?, f)))
    }

    /// How many hosts of each group have an open port, by `group` of a host's index; nothing where
    /// not every host has a place.
    pub fn open_hosts<K: Ord>(&self, group: impl Fn(u64) -> Option<K>) -> BTreeMap<K, u32> {
        let mut groups = BTreeMap::new();
        if self.exact {
            for (host, _) in self.hosts().filter(|(_, figures)| figures.open > 0) {
                if let Some(group) = group(host) {
                    *groups.entry(group).or_insert(0) += 1;
                }
            }
        }
        groups
    }

    /// The place of `host`; `None` where another, busier one holds it (Boyer and Moore's majority
    /// vote, place by place).
    fn place(&mut self, host: u64) -> Option<&mut HostFigures> {
        let len = u64::try_from(self.slots.len()).ok()?;
        let at = if self.exact { host } else { host.wrapping_mul(0x9E37_79B9_7F4A_7C15) >> 40 };
        let figures = self.slots.get_mut(usize::try_from(at % len).ok()?)?;
        if figures.host != host + 1 {
            let busy = figures.open.saturating_add(figures.udp_closed.1);
            if busy > 1 && !figures.everything {
                figures.open = figures.open.saturating_sub(1);
                figures.udp_closed.1 = figures.udp_closed.1.saturating_sub(1);
                return None;
            }
            if figures.everything {
                return None;
            }
            *figures = HostFigures { host: host + 1, ..HostFigures::default() };
        }
        Some(figures)
    }
}

/// What an open port says of its host.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Openness {
    /// Nothing.
    Usual,
    /// With this one, that everything is open.
    Found {
        /// Open ports so far.
        open: u32,
    },
    /// What is known: everything is open.
    Everything,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_host_is_found_out_once_and_others_are_not() {
        let mut book = HostBook::new(10);
        let mut found = 0;
        for port in 1..=1_000_u32 {
            // All open, one in ten lost.
            if port % 10 != 0 {
                found += u32::from(matches!(book.open(3, f64::from(port)), Openness::Found { .. }));
            }
            // A third open.
            if port % 3 == 0 {
                assert_eq!(book.open(4, f64::from(port)), Openness::Usual);
            }
        }
        assert_eq!(found, 1);
        assert_eq!(book.open(3, 1_000.0), Openness::Everything);
        let groups = book.open_hosts(|host| Some(host / 4));
        assert_eq!(groups.into_iter().collect::<Vec<_>>(), [(0, 1), (1, 1)]);
    }

    #[test]
    fn few_open_ports_are_never_everything() {
        let mut book = HostBook::new(1);
        for port in 1..OPEN_MIN {
            assert_eq!(book.open(0, f64::from(port)), Openness::Usual);
        }
    }

    #[test]
    fn answers_that_stop_are_told_from_answers_that_are_few() {
        let mut book = HostBook::new(4);
        for port in 0..100 {
            let progress = Some(f64::from(port) / 100.0);
            if port < 6 {
                book.udp_closed(0, progress);
            }
            if port % 16 == 0 {
                book.udp_closed(1, progress);
            }
            if port % 10 != 0 {
                book.udp_closed(2, progress);
            }
        }
        for port in 0..12 {
            book.udp_closed(3, (port < 4).then_some(f64::from(port) / 4.0));
        }
        let limited: Vec<bool> = book.hosts().map(|(_, f)| f.is_icmp_limited(100)).collect();
        assert_eq!(limited, [true, false, false, true]);
    }

    #[test]
    fn among_too_many_hosts_the_busy_one_keeps_its_place() {
        let mut book = HostBook::new(1 << 30);
        let mut found = false;
        for round in 0..1_000_u32 {
            found |= matches!(book.open(77, f64::from(round)), Openness::Found { .. });
            book.open(u64::from(round) * 7_919 + 1_000, 1.0);
        }
        assert!(found);
        assert!(book.hosts().count() <= 1 << 16);
        assert!(book.open_hosts(Some).is_empty(), "not known of all");
    }
}

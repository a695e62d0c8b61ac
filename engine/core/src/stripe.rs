//! The order that spares groups of hosts: each is asked once before any is asked again.
//!
//! A round asks every group that has an endpoint left, largest groups first and equal ones in a
//! keyed order that is the same in each round. Within a group its hosts take turns, each for
//! another of its ports; the orders of both are keyed too.
//! As the order of positions is a bijection that is addressable by index in both directions,
//! shards, resuming and round trips work as they do with
//! [`Permutation`](crate::permutation::Permutation).

use std::collections::BTreeMap;

use crate::permutation::Permutation;
use crate::seed::Seed;

/// Groups side by side, each with so many hosts and these with so many ports each.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Run {
    /// The number of the first group; those after it have the next ones. Runs with a group in
    /// common each have a part of it.
    pub group: u128,
    /// How many groups; above zero, as the next two.
    pub groups: u64,
    /// Hosts in each.
    pub hosts: u64,
    /// Ports of each host.
    pub ports: u64,
    /// The index of the first endpoint; the others follow by group, host and port.
    pub first: u64,
}

/// The striped order of a plan's endpoints.
#[derive(Debug, Clone, PartialEq)]
pub struct Stripe {
    /// Groups of equal size each, by falling size.
    levels: Vec<Level>,
    /// The groups of a level one after another.
    cells: Vec<Cell>,
    /// The pieces of a cell one after another.
    pieces: Vec<Piece>,
    /// Positions in `pieces`, by their first endpoint.
    by_first: Vec<usize>,
    /// Rounds in which the same groups are asked, from the first on.
    segments: Vec<Segment>,
    /// One for each length that occurs.
    orders: Vec<Permutation>,
    groups: u64,
    rounds: u64,
    host_rounds: f64,
    offset_key: u64,
}

/// Groups with the same number of endpoints.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Level {
    /// Endpoints of each.
    len: u64,
    /// Groups that are larger.
    groups_before: u64,
    cells_from: usize,
    order: Permutation,
    /// Hosts of the smallest piece of a group of this level or of a larger one.
    hosts_min: u64,
}

/// Groups that are made in the same way.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Cell {
    level: usize,
    /// Groups of the level before this cell.
    groups_before: u64,
    pieces_from: usize,
    pieces_to: usize,
}

/// A part of each group of a cell: hosts with the same ports.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Piece {
    cell: usize,
    first: u64,
    hosts: u64,
    ports: u64,
    /// Endpoints of the group before this piece.
    visits_before: u64,
    host_order: usize,
    port_order: usize,
}

#[derive(Debug, Clone, Copy, PartialEq)]
struct Segment {
    positions_before: u64,
    rounds_before: u64,
    /// Groups that each round asks.
    groups: u64,
    host_rounds_before: f64,
    /// In so many rounds or more a host's turn comes again.
    hosts_min: u64,
}

impl Stripe {
    /// The order that `seed` fixes for the groups of `runs`, which have no endpoint in common and
    /// all endpoints below their number.
    pub fn new(runs: Vec<Run>, mut seed: Seed) -> Self {
        let mut made = Self {
            levels: Vec::new(),
            cells: Vec::new(),
            pieces: Vec::new(),
            by_first: Vec::new(),
            segments: Vec::new(),
            orders: Vec::new(),
            groups: 0,
            rounds: 0,
            host_rounds: 0.0,
            offset_key: seed.next(),
        };
        let mut orders = BTreeMap::new();
        for cell in cells_of(runs) {
            made.push_cell(&cell, &mut orders, &mut seed);
        }
        made.levels.iter_mut().for_each(|level| {
            level.order = Permutation::new(level.order.len(), Seed(seed.next()));
        });
        made.by_first = (0..made.pieces.len()).collect();
        made.by_first.sort_unstable_by_key(|at| made.pieces.get(*at).map(|piece| piece.first));
        made.push_segments();
        made
    }

    /// Takes the groups of `runs`, that all have the same groups, none of them larger than those
    /// before.
    fn push_cell(&mut self, runs: &[Run], orders: &mut BTreeMap<u64, usize>, seed: &mut Seed) {
        let Some(groups) = runs.first().map(|run| run.groups) else { return };
        let len = len_of(runs);
        let hosts_min = runs.iter().map(|run| run.hosts).min().unwrap_or(1);
        if self.levels.last().is_none_or(|level| level.len != len) {
            let above = self.levels.last().map_or(u64::MAX, |level| level.hosts_min);
            self.levels.push(Level {
                len,
                groups_before: self.groups,
                cells_from: self.cells.len(),
                order: Permutation::new(0, Seed(0)),
                hosts_min: above,
            });
        }
        let Some(at) = self.levels.len().checked_sub(1) else { return };
        let Some(level) = self.levels.last_mut() else { return };
        let groups_before = level.order.len();
        // The keys come once the length is known.
        level.order = Permutation::new(groups_before.saturating_add(groups), Seed(0));
        level.hosts_min = level.hosts_min.min(hosts_min);
        self.groups = self.groups.saturating_add(groups);
        let pieces_from = self.pieces.len();
        let mut order = |len: u64| {
            *orders.entry(len).or_insert_with(|| {
                self.orders.push(Permutation::new(len, Seed(seed.next())));
                self.orders.len() - 1
            })
        };
        let mut visits_before = 0_u64;
        for run in runs {
            self.pieces.push(Piece {
                cell: self.cells.len(),
                first: run.first,
                hosts: run.hosts,
                ports: run.ports,
                visits_before,
                host_order: order(run.hosts),
                port_order: order(run.ports),
            });
            visits_before = visits_before.saturating_add(run.hosts.saturating_mul(run.ports));
        }
        let pieces_to = self.pieces.len();
        self.cells.push(Cell { level: at, groups_before, pieces_from, pieces_to });
    }

    /// The smallest groups run out first; from then on rounds are shorter.
    #[expect(clippy::cast_precision_loss, reason = "2^53 rounds are more than anyone waits for")]
    fn push_segments(&mut self) {
        let (mut positions, mut rounds, mut host_rounds) = (0_u64, 0_u64, 0.0_f64);
        for level in self.levels.iter().rev() {
            let groups = level.groups_before.saturating_add(level.order.len());
            self.segments.push(Segment {
                positions_before: positions,
                rounds_before: rounds,
                groups,
                host_rounds_before: host_rounds,
                hosts_min: level.hosts_min,
            });
            let more = level.len - rounds;
            positions = positions.saturating_add(more.saturating_mul(groups));
            host_rounds += more as f64 / level.hosts_min as f64;
            rounds = level.len;
        }
        (self.rounds, self.host_rounds) = (rounds, host_rounds);
    }

    /// The element at `position`; `position` must be below the number of endpoints.
    pub fn element(&self, position: u64) -> u64 {
        self.element_at(position).unwrap_or(position)
    }

    fn element_at(&self, position: u64) -> Option<u64> {
        let segment = self.segment(position)?;
        let within = position - segment.positions_before;
        let round = segment.rounds_before + within / segment.groups;
        let rank = within % segment.groups;
        let after = self.levels.partition_point(|level| level.groups_before <= rank);
        let level = self.levels.get(after.checked_sub(1)?)?;
        let group = level.order.element(rank - level.groups_before);
        let to = self.levels.get(after).map_or(self.cells.len(), |next| next.cells_from);
        let cells = self.cells.get(level.cells_from..to)?;
        let after = cells.partition_point(|cell| cell.groups_before <= group);
        let cell = cells.get(after.checked_sub(1)?)?;
        let pieces = self.pieces.get(cell.pieces_from..cell.pieces_to)?;
        let after = pieces.partition_point(|piece| piece.visits_before <= round);
        let piece = pieces.get(after.checked_sub(1)?)?;
        let first = piece.first_of(group - cell.groups_before);
        let visit = round - piece.visits_before;
        let host_order = self.orders.get(piece.host_order)?;
        let host = host_order.element((visit + self.offset(first, piece.hosts)) % piece.hosts);
        let host_first = first + host * piece.ports;
        let turn = visit / piece.hosts + self.offset(host_first, piece.ports);
        let port = self.orders.get(piece.port_order)?.element(turn % piece.ports);
        Some(host_first + port)
    }

    /// The position of `element`: the inverse of [`Stripe::element`].
    pub fn position(&self, element: u64) -> u64 {
        self.position_of(element).unwrap_or(element)
    }

    fn position_of(&self, element: u64) -> Option<u64> {
        let (piece, group) = self.piece(element)?;
        let cell = self.cells.get(piece.cell)?;
        let first = piece.first_of(group);
        let (host, port) = ((element - first) / piece.ports, (element - first) % piece.ports);
        let back = |position: u64, offset: u64, len: u64| (position + len - offset) % len;
        let port_at = self.orders.get(piece.port_order)?.position(port);
        let host_at = self.orders.get(piece.host_order)?.position(host);
        let host_first = first + host * piece.ports;
        let turn = back(port_at, self.offset(host_first, piece.ports), piece.ports);
        let place = back(host_at, self.offset(first, piece.hosts), piece.hosts);
        let round = piece.visits_before + turn * piece.hosts + place;
        let level = self.levels.get(cell.level)?;
        let rank = level.groups_before + level.order.position(cell.groups_before + group);
        let after = self.segments.partition_point(|segment| segment.rounds_before <= round);
        let segment = self.segments.get(after.checked_sub(1)?)?;
        Some(segment.positions_before + (round - segment.rounds_before) * segment.groups + rank)
    }

    /// How many rounds are over at `position`, the part of its own that is over included: a group
    /// is asked each time this has grown by one, or later.
    #[expect(clippy::cast_precision_loss, reason = "2^53 rounds are more than anyone waits for")]
    pub fn rounds_at(&self, position: u64) -> f64 {
        self.segment(position).map_or(0.0, |segment| {
            segment.rounds_before as f64 + self.rounds_within(segment, position)
        })
    }

    /// As [`Stripe::rounds_at`] for hosts: one is asked again when this has grown by one, or later.
    #[expect(clippy::cast_precision_loss, reason = "2^53 rounds are more than anyone waits for")]
    pub fn host_rounds_at(&self, position: u64) -> f64 {
        self.segment(position).map_or(0.0, |segment| {
            let within = self.rounds_within(segment, position);
            segment.host_rounds_before + within / segment.hosts_min as f64
        })
    }

    /// What a group's place in a round is worth does not change while rounds grow shorter: else
    /// it would be asked again too early.
    #[expect(clippy::cast_precision_loss, reason = "2^53 rounds are more than anyone waits for")]
    fn rounds_within(&self, segment: &Segment, position: u64) -> f64 {
        let within = position - segment.positions_before;
        let (whole, rank) = (within / segment.groups, within % segment.groups);
        whole as f64 + rank as f64 / self.groups as f64
    }

    /// How many rounds there are.
    #[expect(clippy::cast_precision_loss, reason = "2^53 rounds are more than anyone waits for")]
    pub const fn rounds(&self) -> f64 {
        self.rounds as f64
    }

    /// What [`Stripe::host_rounds_at`] grows to.
    pub const fn host_rounds(&self) -> f64 {
        self.host_rounds
    }

    /// The number of the group that `element` is of.
    pub fn group(&self, element: u64) -> Option<u64> {
        let (piece, group) = self.piece(element)?;
        let cell = self.cells.get(piece.cell)?;
        let level = self.levels.get(cell.level)?;
        Some(level.groups_before + cell.groups_before + group)
    }

    fn segment(&self, position: u64) -> Option<&Segment> {
        let after = self.segments.partition_point(|s| s.positions_before <= position);
        self.segments.get(after.checked_sub(1)?)
    }

    /// The piece that `element` is of, and the group of its cell.
    fn piece(&self, element: u64) -> Option<(&Piece, u64)> {
        let first = |at: &usize| self.pieces.get(*at).map_or(u64::MAX, |piece| piece.first);
        let after = self.by_first.partition_point(|at| first(at) <= element);
        let piece = self.pieces.get(*self.by_first.get(after.checked_sub(1)?)?)?;
        Some((piece, (element - piece.first) / piece.len()))
    }

    /// Where a group begins among its hosts, or a host among its ports.
    fn offset(&self, first: u64, len: u64) -> u64 {
        let mixed = (first ^ self.offset_key).wrapping_mul(0x9E37_79B9_7F4A_7C15);
        (mixed ^ (mixed >> 32)) % len
    }
}

impl Piece {
    const fn len(&self) -> u64 {
        self.hosts * self.ports
    }

    const fn first_of(&self, group: u64) -> u64 {
        self.first + group * self.len()
    }
}

/// The runs by which groups they have a part of, cut so that those of one cell have the same;
/// cells by falling size of their groups.
fn cells_of(runs: Vec<Run>) -> Vec<Vec<Run>> {
    let ends = |run: &Run| [run.group, run.group + u128::from(run.groups)];
    let mut cuts: Vec<u128> = runs.iter().flat_map(ends).collect();
    cuts.sort_unstable();
    cuts.dedup();
    let mut cut: Vec<Run> = Vec::with_capacity(runs.len());
    for run in runs {
        let [from, to] = ends(&run);
        let inside = cuts.partition_point(|at| *at <= from);
        let starts = cuts.iter().skip(inside).copied().take_while(|at| *at < to);
        let mut rest = run;
        for start in starts {
            let groups = u64::try_from(start - rest.group).unwrap_or(rest.groups);
            cut.push(Run { groups, ..rest });
            let taken = groups * rest.hosts * rest.ports;
            rest.first += taken;
            rest.groups -= groups;
            rest.group = start;
        }
        cut.push(rest);
    }
    cut.sort_unstable_by_key(|run| (run.group, run.first));
    let mut cells: Vec<Vec<Run>> =
        cut.chunk_by(|a, b| a.group == b.group).map(<[Run]>::to_vec).collect();
    cells.sort_by_key(|cell| std::cmp::Reverse(len_of(cell)));
    // A list of hosts that are alone in their subnets is one cell.
    cells.dedup_by(|next, last| follows(next, last));
    cells
}

/// Whether `next` goes on where `last` ends, in the same way; then `last` has both.
fn follows(next: &[Run], last: &mut [Run]) -> bool {
    let ([next], [last]) = (next, last) else { return false };
    let same = next.hosts == last.hosts && next.ports == last.ports;
    let goes_on = same && last.first + last.groups * last.hosts * last.ports == next.first;
    if goes_on {
        last.groups += next.groups;
    }
    goes_on
}

fn len_of(cell: &[Run]) -> u64 {
    cell.iter().fold(0, |sum, run| sum.saturating_add(run.hosts.saturating_mul(run.ports)))
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use std::collections::BTreeSet;

    fn run(group: u128, groups: u64, hosts: u64, ports: u64) -> Run {
        Run { group, groups, hosts, ports, first: 0 }
    }

    /// `runs` with their endpoints one after another.
    fn numbered(mut runs: Vec<Run>) -> Vec<Run> {
        let mut first = 0;
        for run in &mut runs {
            run.first = first;
            first += run.groups * run.hosts * run.ports;
        }
        runs
    }

    /// The group and the host of an element.
    fn place(runs: &[Run], element: u64) -> (u128, u64) {
        let run = runs.iter().rfind(|run| run.first <= element).unwrap();
        let host = (element - run.first) / run.ports;
        (run.group + u128::from(host / run.hosts), run.first + host * run.ports)
    }

    /// Every endpoint has one position; groups and hosts take turns, from one pass to the next too.
    fn check(runs: Vec<Run>, seed: u64) {
        let runs = numbered(runs);
        let stripe = Stripe::new(runs.clone(), Seed(seed));
        let len: u64 = runs.iter().map(|run| run.groups * run.hosts * run.ports).sum();
        let mut seen = BTreeSet::new();
        let (mut groups, mut hosts) = (BTreeMap::new(), BTreeMap::new());
        let mut numbers = BTreeMap::new();
        let mut before = (-1.0, -1.0);
        for pass in [0.0, 1.0] {
            for position in 0..len {
                let element = stripe.element(position);
                assert_eq!(stripe.position(element), position);
                assert!(element < len && (seen.insert(element) || pass > 0.0));
                let (group, host) = place(&runs, element);
                let number = stripe.group(element).unwrap();
                assert_eq!(*numbers.entry(group).or_insert(number), number);
                let rounds = stripe.rounds_at(position) + pass * stripe.rounds();
                let host_rounds = stripe.host_rounds_at(position) + pass * stripe.host_rounds();
                assert!(before.0 <= rounds && before.1 <= host_rounds, "places rise");
                before = (rounds, host_rounds);
                for (last, now) in [
                    (groups.insert(group, rounds), rounds),
                    (hosts.insert(host, host_rounds), host_rounds),
                ] {
                    let since = last.map_or(1.0, |last: f64| now - last);
                    assert!(since > 1.0 - 1e-9, "asked again after {since} rounds");
                }
            }
        }
        let different: BTreeSet<u64> = numbers.values().copied().collect();
        assert_eq!((seen.len() as u64, different.len()), (len, groups.len()));
    }

    #[test]
    fn every_endpoint_has_one_position_and_groups_take_turns() {
        check(vec![run(0, 1, 1, 1)], 4);
        check(vec![run(0, 7, 1, 5)], 4);
        // Hosts with other ports, each a group of its own.
        check(vec![run(0, 1, 1, 9), run(1, 300, 1, 3), run(301, 2, 1, 1)], 4);
        // Whole subnets between two parts, and one with a second kind of host.
        check(vec![run(1, 1, 3, 4), run(2, 9, 8, 4), run(11, 1, 1, 4), run(5, 1, 2, 7)], 4);
        // Runs that share some of their groups.
        check(vec![run(0, 10, 2, 3), run(5, 10, 1, 2), run(8, 1, 4, 1)], 4);
    }

    proptest! {
        #[test]
        fn any_groups_take_turns(
            shapes in prop::collection::vec((0_u128..20, 1_u64..8, 1_u64..6, 1_u64..6), 1..6),
            seed: u64,
        ) {
            let made = |(at, groups, hosts, ports)| run(at, groups, hosts, ports);
            check(shapes.into_iter().map(made).collect(), seed);
        }
    }

    #[test]
    fn a_round_asks_for_many_ports() {
        let stripe = Stripe::new(vec![run(0, 1_000, 1, 100)], Seed(9));
        let ports: BTreeSet<u64> =
            (0..1_000).map(|position| stripe.element(position) % 100).collect();
        assert!(ports.len() > 90, "{}", ports.len());
    }

    #[test]
    fn a_long_list_of_lone_hosts_is_one_cell() {
        let lone: Vec<Run> = (0..10_000).map(|i| run(i * 3, 1, 1, 4)).collect();
        let stripe = Stripe::new(numbered(lone), Seed(1));
        assert_eq!((stripe.cells.len(), stripe.pieces.len()), (1, 1));
        assert!((stripe.rounds_at(10_000) - 1.0).abs() < 1e-9);
    }
}

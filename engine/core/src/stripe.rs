//! The order that spares hosts: each is asked once before any is asked again.
//!
//! Rounds visit the hosts of a block in one keyed order; which port a host is asked for in which
//! round is a keyed order of the ports, begun for each host somewhere else. As the order of
//! positions is a bijection that is addressable by index in both directions, shards, resuming and
//! round trips work as they do with [`Permutation`](crate::permutation::Permutation).

use crate::permutation::Permutation;
use crate::seed::Seed;

/// The striped order of a plan's endpoints.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Stripe {
    blocks: Vec<StripeBlock>,
    rounds: u64,
}

#[derive(Debug, Clone, PartialEq, Eq)]
struct StripeBlock {
    /// Endpoints before this block.
    before: u64,
    /// Rounds before this block.
    rounds_before: u64,
    hosts: Permutation,
    ports: Permutation,
    /// Where each host begins among the ports.
    offset_key: u64,
}

impl Stripe {
    /// The order that `seed` fixes for blocks of so many hosts with so many ports each; all are
    /// above zero, and the endpoints of one block are numbered after those of the one before, the
    /// ports of a host side by side.
    pub fn new(blocks: impl IntoIterator<Item = (u64, u64)>, mut seed: Seed) -> Self {
        let (mut before, mut rounds) = (0_u64, 0_u64);
        let block = |(hosts, ports): (u64, u64)| {
            let block = StripeBlock {
                before,
                rounds_before: rounds,
                hosts: Permutation::new(hosts, Seed(seed.next())),
                ports: Permutation::new(ports, Seed(seed.next())),
                offset_key: seed.next(),
            };
            before = before.saturating_add(hosts.saturating_mul(ports));
            rounds = rounds.saturating_add(ports);
            block
        };
        let blocks: Vec<StripeBlock> = blocks.into_iter().map(block).collect();
        Self { blocks, rounds }
    }

    /// The element at `position`; `position` must be below the number of endpoints.
    pub fn element(&self, position: u64) -> u64 {
        let Some(block) = self.block(position) else { return position };
        let within = position - block.before;
        let host = block.hosts.element(within % block.hosts.len());
        let round = within / block.hosts.len();
        let ports = block.ports.len();
        let port = block.ports.element((round + block.offset(host)) % ports);
        block.before + host * ports + port
    }

    /// The position of `element`: the inverse of [`Stripe::element`].
    pub fn position(&self, element: u64) -> u64 {
        let Some(block) = self.block(element) else { return element };
        let within = element - block.before;
        let ports = block.ports.len();
        let (host, port) = (within / ports, within % ports);
        let round = (block.ports.position(port) + ports - block.offset(host)) % ports;
        block.before + round * block.hosts.len() + block.hosts.position(host)
    }

    /// How many rounds are over at `position`, the part of its own that is over included: a host
    /// is asked each time this has grown by one.
    #[expect(clippy::cast_precision_loss, reason = "2^53 rounds are more than anyone waits for")]
    pub fn rounds_at(&self, position: u64) -> f64 {
        let Some(block) = self.block(position) else { return 0.0 };
        let (within, hosts) = (position - block.before, block.hosts.len());
        let whole = block.rounds_before + within / hosts;
        whole as f64 + (within % hosts) as f64 / hosts as f64
    }

    /// How many rounds there are.
    pub const fn rounds(&self) -> u64 {
        self.rounds
    }

    fn block(&self, at: u64) -> Option<&StripeBlock> {
        let after = self.blocks.partition_point(|b| b.before <= at);
        self.blocks.get(after.checked_sub(1)?)
    }
}

impl StripeBlock {
    fn offset(&self, host: u64) -> u64 {
        let mixed = (host ^ self.offset_key).wrapping_mul(0x9E37_79B9_7F4A_7C15);
        (mixed ^ (mixed >> 32)) % self.ports.len()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_endpoint_has_one_position_and_hosts_take_turns() {
        for blocks in [vec![(1, 1)], vec![(7, 5)], vec![(1, 9), (300, 3), (2, 1)]] {
            let stripe = Stripe::new(blocks.clone(), Seed(4));
            let len: u64 = blocks.iter().map(|(hosts, ports)| hosts * ports).sum();
            let mut seen = std::collections::BTreeSet::new();
            let mut before = 0;
            for (hosts, ports) in blocks {
                let mut last = std::collections::BTreeMap::new();
                for position in before..before + hosts * ports {
                    let element = stripe.element(position);
                    assert_eq!(stripe.position(element), position);
                    assert!((before..before + hosts * ports).contains(&element));
                    assert!(seen.insert(element));
                    let host = (element - before) / ports;
                    let again = last.insert(host, position);
                    assert!(again.is_none_or(|earlier| position - earlier == hosts));
                    if let Some(earlier) = again {
                        let grown = stripe.rounds_at(position) - stripe.rounds_at(earlier);
                        assert!((grown - 1.0).abs() < 1e-9);
                    }
                }
                before += hosts * ports;
            }
            assert_eq!(seen.len() as u64, len);
        }
    }

    #[test]
    fn a_round_asks_for_many_ports() {
        let stripe = Stripe::new([(1_000, 100)], Seed(9));
        let ports: std::collections::BTreeSet<u64> =
            (0..1_000).map(|position| stripe.element(position) % 100).collect();
        assert!(ports.len() > 90, "{}", ports.len());
    }
}

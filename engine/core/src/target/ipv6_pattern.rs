//! Addresses that people and machines give to hosts in IPv6 prefixes too large to sweep.
//!
//! Source: RFC 7707 §4.1, which says how interface identifiers come about, and that the patterns
//! here are most of what is given by hand.

use std::str::FromStr;

use super::addr_set::{AddrRange, AddrSet};
use super::spec::TargetSpec;
use crate::endpoint::Family;

/// Ranges of at most so many addresses are swept whole, patterns or not: a /112.
pub const SWEPT_MAX: u128 = 1 << 16;
/// Ranges of candidates, at most.
pub const CANDIDATE_RANGES_MAX: usize = 1 << 20;
/// IPv4 addresses that one pattern may embed, at most.
const EMBEDDED_MAX: u64 = 1 << 16;

/// One way in which interface identifiers are made; all are of 64 bits.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Ipv6Pattern {
    /// `::0` to `::ff`: what is numbered by hand.
    LowByte,
    /// The address of a service: `::80` or `::50` (80 in hexadecimal) for HTTP, and so on.
    ServicePorts,
    /// Words that hexadecimal digits spell: `::cafe`, `::dead:beef`.
    Words,
    /// These IPv4 addresses, as 32 bits (`::c000:0201`) and as decimal groups (`::192:0:2:1`).
    EmbeddedV4(AddrSet),
    /// A hardware address of the maker with this OUI, by modified EUI-64 (RFC 4291 appendix A).
    Eui64([u8; 3]),
}

/// A text that is no pattern.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error(
    "{word:?} is no pattern; there are low-byte, service-ports, words, \
     embedded-v4:192.0.2.0/24, eui-64:00-11-22"
)]
pub struct PatternError {
    /// What was given.
    pub word: String,
}

/// More candidates than can be kept.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error(
    "the patterns make more than {CANDIDATE_RANGES_MAX} ranges; name fewer patterns, or the /64s \
     that are in use"
)]
pub struct TooManyCandidates;

impl FromStr for Ipv6Pattern {
    type Err = PatternError;

    fn from_str(word: &str) -> Result<Self, PatternError> {
        let unknown = || PatternError { word: word.to_owned() };
        match word.split_once(':') {
            None => match word {
                "low-byte" => Ok(Self::LowByte),
                "service-ports" => Ok(Self::ServicePorts),
                "words" => Ok(Self::Words),
                _ => Err(unknown()),
            },
            Some(("embedded-v4", targets)) => {
                let spec: TargetSpec = targets.parse().map_err(|_| unknown())?;
                let v4 = spec.addrs().ranges().iter().all(|r| r.family() == Family::V4);
                let few = spec.addrs().len().is_ok_and(|len| (1..=EMBEDDED_MAX).contains(&len));
                let known = v4 && few && spec.names().is_empty();
                if known { Ok(Self::EmbeddedV4(spec.addrs().clone())) } else { Err(unknown()) }
            }
            Some(("eui-64", oui)) => {
                let mut octets = [0; 3];
                let mut parts = oui.split(['-', ':']);
                for octet in &mut octets {
                    let part = parts.next().filter(|p| p.len() == 2).ok_or_else(unknown)?;
                    *octet = u8::from_str_radix(part, 16).map_err(|_| unknown())?;
                }
                if parts.next().is_some() { Err(unknown()) } else { Ok(Self::Eui64(octets)) }
            }
            Some(_) => Err(unknown()),
        }
    }
}

/// What of `addrs` is to be asked: IPv4 and small IPv6 ranges as they are; of IPv6 ranges of more
/// than [`SWEPT_MAX`] addresses what `patterns` say, in each of their /64s.
///
/// # Errors
/// [`TooManyCandidates`], found out before they are made.
pub fn candidates(addrs: &AddrSet, patterns: &[Ipv6Pattern]) -> Result<AddrSet, TooManyCandidates> {
    let identifiers: Vec<(u64, u64)> = patterns.iter().flat_map(Ipv6Pattern::identifiers).collect();
    let mut ranges = Vec::new();
    for range in addrs.ranges() {
        if range.family() == Family::V4 || range.span() < SWEPT_MAX {
            ranges.push(*range);
            continue;
        }
        let (first, last) = (range.first_bits() >> 64, range.last_bits() >> 64);
        let each = u128::try_from(identifiers.len()).map_err(|_| TooManyCandidates)?;
        let room = u128::try_from(CANDIDATE_RANGES_MAX.saturating_sub(ranges.len()))
            .map_err(|_| TooManyCandidates)?;
        if (last - first).saturating_add(1).saturating_mul(each) > room {
            return Err(TooManyCandidates);
        }
        for subnet in first..=last {
            ranges.extend(identifiers.iter().filter_map(|(low, high)| {
                let from = ((subnet << 64) | u128::from(*low)).max(range.first_bits());
                let to = ((subnet << 64) | u128::from(*high)).min(range.last_bits());
                AddrRange::from_bits(Family::V6, from, to).filter(|_| from <= to)
            }));
        }
    }
    Ok(ranges.into_iter().collect())
}

impl Ipv6Pattern {
    /// The interface identifiers, as inclusive ranges.
    fn identifiers(&self) -> Vec<(u64, u64)> {
        let single = |identifier: u64| (identifier, identifier);
        match self {
            Self::LowByte => vec![(0, 0xff)],
            Self::ServicePorts => {
                let both = |port: &u16| [as_decimal(*port), u64::from(*port)];
                SERVICE_PORTS.iter().flat_map(both).map(single).collect()
            }
            Self::Words => {
                let pair = |high: &u16, low: &u16| (u64::from(*high) << 16) | u64::from(*low);
                let pairs =
                    WORDS.iter().flat_map(|high| WORDS.iter().map(move |low| pair(high, low)));
                WORDS.iter().map(|word| u64::from(*word)).chain(pairs).map(single).collect()
            }
            Self::EmbeddedV4(addrs) => {
                let low = |bits: u128| u64::try_from(bits).unwrap_or(0);
                let whole = addrs.ranges().iter();
                let whole = whole.map(|r| (low(r.first_bits()), low(r.last_bits())));
                let each = addrs.ranges().iter().flat_map(|r| r.first_bits()..=r.last_bits());
                let groups = each.map(|bits| {
                    let octets = low(bits).to_be_bytes().into_iter().skip(4);
                    let group = |so_far: u64, octet| (so_far << 16) | as_decimal(u16::from(octet));
                    single(octets.fold(0, group))
                });
                whole.chain(groups).collect()
            }
            Self::Eui64([a, b, c]) => {
                // The bit that says "universal" is inverted.
                let [a, b, c] = [*a ^ 0x02, *b, *c];
                let low = u64::from_be_bytes([a, b, c, 0xff, 0xfe, 0, 0, 0]);
                vec![(low, low | 0x00ff_ffff)]
            }
        }
    }
}

/// The hexadecimal number that is written as `number` is in decimal: 80 becomes `0x80`.
fn as_decimal(number: u16) -> u64 {
    let digits = [10_000, 1_000, 100, 10, 1].map(|unit| u64::from(number / unit % 10));
    digits.into_iter().fold(0, |so_far, digit| (so_far << 4) | digit)
}

/// Services that servers are named after.
const SERVICE_PORTS: [u16; 20] =
    [20, 21, 22, 23, 25, 53, 80, 110, 123, 143, 179, 389, 443, 465, 587, 636, 853, 993, 995, 8_080];

/// Words of four hexadecimal digits, alone or in pairs.
const WORDS: [u16; 20] = [
    0xabba, 0xaffe, 0xbabe, 0xbeef, 0xb00c, 0xc0a1, 0xcafe, 0xc0de, 0xfa11, 0xdead, 0xdeaf, 0xd00d,
    0xface, 0xfade, 0xfeed, 0xf00d, 0xfab1, 0x1337, 0x0ace, 0x0bad,
];

#[cfg(test)]
mod tests {
    use super::*;

    fn set(text: &str) -> AddrSet {
        text.parse::<TargetSpec>().unwrap().addrs().clone()
    }

    fn made(targets: &str, patterns: &[&str]) -> AddrSet {
        let patterns: Vec<Ipv6Pattern> = patterns.iter().map(|p| p.parse().unwrap()).collect();
        candidates(&set(targets), &patterns).unwrap()
    }

    #[test]
    fn each_pattern_makes_its_addresses() {
        let net = "2001:db8::/64";
        assert_eq!(made(net, &["low-byte"]), set("2001:db8::/120"));
        let embedded = made(net, &["embedded-v4:192.0.2.1"]);
        assert_eq!(embedded, set("2001:db8::c000:201 2001:db8::192:0:2:1"));
        let eui = made(net, &["eui-64:00-11-22"]);
        assert_eq!(eui, set("2001:db8::211:22ff:fe00:0/104"));
        let ports = made(net, &["service-ports"]);
        for addr in ["2001:db8::80", "2001:db8::50", "2001:db8::443", "2001:db8::8080"] {
            assert!(ports.contains(addr.parse().unwrap()), "{addr}");
        }
        let words = made(net, &["words"]);
        assert!(words.contains("2001:db8::cafe".parse().unwrap()));
        assert!(words.contains("2001:db8::dead:beef".parse().unwrap()));
        assert_eq!(words.len(), Ok(20 + 20 * 20));
    }

    #[test]
    fn nothing_outside_the_targets_is_made_and_small_ranges_stay() {
        let targets = "10.0.0.0/24 2001:db8::/112 2001:db8:1::40-2001:db8:1::ffff:ffff";
        let made = made(targets, &["low-byte", "eui-64:00-11-22"]);
        assert_eq!(made, set("10.0.0.0/24 2001:db8::/112 2001:db8:1::40-2001:db8:1::ff"));
        assert_eq!(made.difference(&set(targets)), AddrSet::new());
    }

    #[test]
    fn every_subnet_of_a_prefix_is_asked_and_too_many_are_refused() {
        let low = [Ipv6Pattern::LowByte];
        let made = candidates(&set("2001:db8::/56"), &low).unwrap();
        assert_eq!(made.len(), Ok(256 * 256));
        assert!(made.contains("2001:db8:0:ff::1".parse().unwrap()));
        assert!(candidates(&set("2001:db8::/44"), &low).is_ok(), "2^20 ranges");
        assert_eq!(candidates(&set("2001:db8::/43"), &low), Err(TooManyCandidates));
        assert_eq!(candidates(&set("::/0"), &low), Err(TooManyCandidates));
    }

    #[test]
    fn what_is_no_pattern_is_named() {
        for word in [
            "",
            "high-byte",
            "low-byte:1",
            "embedded-v4:",
            "embedded-v4:::1",
            "embedded-v4:10.0.0.0/8",
            "embedded-v4:host.example",
            "eui-64:00-11",
            "eui-64:00-11-2z",
            "eui-64:00-11-22-33",
        ] {
            assert_eq!(word.parse::<Ipv6Pattern>().unwrap_err().word, word);
        }
    }
}

//! The text forms of targets and ports that people write, and errors that point at the column.

use std::fmt;
use std::net::{IpAddr, Ipv4Addr};
use std::str::FromStr;

use ipnetwork::IpNetwork;

use super::addr_set::{AddrRange, AddrSet};
use super::port_set::PortSet;
use crate::endpoint::{Family, Transport};

/// Most ranges that one octet pattern may expand to.
const OCTET_RANGES_MAX: usize = 65_536;

/// A piece of text that is not what it should be, and where.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("column {column}: {word:?}: {problem}")]
pub struct SpecError {
    /// Column of the word's first character, counted in characters from 1.
    pub column: usize,
    /// The word.
    pub word: String,
    /// What is wrong with it and what was expected.
    pub problem: String,
}

/// Targets as people write them: addresses, CIDR blocks, ranges, octet patterns, host names.
///
/// Words are separated by white space or commas; a `#` ends the line. `10.0.0.1`, `10.0.0.0/24`,
/// `10.0.0.1-10.0.0.9`, `10.0.0-3.1-20`, `10.0.0.*`, `2001:db8::/120`, `[::1]`, `host.example`.
/// Commas inside an octet pattern (`10.0.0.1,7`) are nmap's, and understood where digits surround
/// them and the word so far is an incomplete address's last octet.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct TargetSpec {
    addrs: AddrSet,
    names: Vec<String>,
}

impl TargetSpec {
    /// The addresses that were written as such.
    pub const fn addrs(&self) -> &AddrSet {
        &self.addrs
    }

    /// The host names, still to be resolved, in order of appearance.
    pub fn names(&self) -> &[String] {
        &self.names
    }

    /// Adds everything from `other`.
    pub fn merge(&mut self, other: Self) {
        self.addrs = self.addrs.union(&other.addrs);
        self.names.extend(other.names);
    }

    /// Whether neither address nor name was given.
    pub fn is_empty(&self) -> bool {
        self.addrs.is_empty() && self.names.is_empty()
    }
}

impl FromStr for TargetSpec {
    type Err = SpecError;

    /// # Errors
    /// The first word that is no target, with its column.
    fn from_str(text: &str) -> Result<Self, SpecError> {
        let mut ranges = Vec::new();
        let mut names = Vec::new();
        for (column, word) in words(text, char::is_whitespace) {
            for (offset, part) in split_commas(word) {
                let fail = |problem: String| SpecError {
                    column: column + offset,
                    word: part.to_owned(),
                    problem,
                };
                match parse_target(part).map_err(fail)? {
                    Target::Ranges(more) => ranges.extend(more),
                    Target::Name(name) => names.push(name),
                }
            }
        }
        Ok(Self { addrs: ranges.into_iter().collect(), names })
    }
}

/// Words with the column of their first character; a `#` at a word's start hides the line's rest.
fn words(text: &str, is_gap: impl Fn(char) -> bool) -> impl Iterator<Item = (usize, &str)> {
    text.lines().flat_map(move |line| {
        let mut found = Vec::new();
        let mut start: Option<(usize, usize)> = None;
        let ends = line.char_indices().map(Some).chain([None]).enumerate();
        for (column, at) in ends {
            let gap = at.is_none_or(|(_, c)| is_gap(c));
            match (start, at) {
                (None, Some((_, '#'))) => break,
                (None, Some((byte, _))) if !gap => start = Some((column + 1, byte)),
                (Some((first, from)), _) if gap => {
                    let to = at.map_or(line.len(), |(byte, _)| byte);
                    found.push((first, line.get(from..to).unwrap_or_default()));
                    start = None;
                }
                _ => {}
            }
        }
        found
    })
}

/// The comma-separated parts of a word, unless its commas belong to an octet pattern.
fn split_commas(word: &str) -> Vec<(usize, &str)> {
    if octets(word).is_some() {
        return vec![(0, word)];
    }
    let mut offset = 0;
    let mut parts = Vec::new();
    for part in word.split(',') {
        if !part.is_empty() {
            parts.push((offset, part));
        }
        offset += part.chars().count() + 1;
    }
    parts
}

enum Target {
    Ranges(Vec<AddrRange>),
    Name(String),
}

fn parse_target(word: &str) -> Result<Target, String> {
    let bare = word.strip_prefix('[').and_then(|w| w.strip_suffix(']')).unwrap_or(word);
    if let Ok(addr) = bare.parse::<IpAddr>() {
        return Ok(Target::Ranges(vec![AddrRange::single(addr)]));
    }
    if let Some((addr, prefix)) = bare.split_once('/') {
        return parse_cidr(addr, prefix).map(|r| Target::Ranges(vec![r]));
    }
    if let Some((first, last)) = bare.split_once('-')
        && let (Ok(first), Ok(last)) = (first.parse::<IpAddr>(), last.parse::<IpAddr>())
    {
        return match AddrRange::new(first, last) {
            Some(range) => Ok(Target::Ranges(vec![range])),
            None if Family::of(first) != Family::of(last) => {
                Err("a range of mixed families; both ends must be IPv4 or both IPv6".to_owned())
            }
            None => Err(format!("the range is reversed; write {last}-{first}")),
        };
    }
    if let Some(pattern) = octets(bare) {
        return expand_octets(&pattern).map(Target::Ranges);
    }
    if is_host_name(bare) {
        return Ok(Target::Name(bare.to_owned()));
    }
    Err("expected an address, a CIDR block, a range or a host name".to_owned())
}

fn parse_cidr(addr: &str, prefix: &str) -> Result<AddrRange, String> {
    let addr: IpAddr =
        addr.parse().map_err(|_| format!("{addr:?} before the slash is not an address"))?;
    let bits = Family::of(addr).bits();
    let prefix = prefix
        .parse::<u8>()
        .ok()
        .filter(|p| *p <= bits && prefix.bytes().all(|b| b.is_ascii_digit()))
        .ok_or_else(|| format!("prefix length {prefix:?}; expected 0 to {bits}"))?;
    IpNetwork::new(addr, prefix).map(AddrRange::from).map_err(|e| e.to_string())
}

/// The four octet fields of `10.0-3.*.1,7`, if the word consists of four such fields.
fn octets(word: &str) -> Option<[&str; 4]> {
    let mut fields = word.split('.');
    let four = [fields.next()?, fields.next()?, fields.next()?, fields.next()?];
    let shaped = |f: &&str| {
        !f.is_empty() && f.bytes().all(|b| b.is_ascii_digit() || matches!(b, b'-' | b',' | b'*'))
    };
    (fields.next().is_none() && four.iter().all(shaped)).then_some(four)
}

/// Works from the left: a field that is written whole widens the ranges so far, any other splits
/// them, and the number of ranges is known before they are made.
fn expand_octets(fields: &[&str; 4]) -> Result<Vec<AddrRange>, String> {
    let mut ranges: Vec<(u32, u32)> = vec![(0, 0)];
    for field in fields {
        let parts: Result<Vec<(u8, u8)>, String> = field.split(',').map(octet_range).collect();
        let parts = parts?;
        if parts == [(0, 255)] {
            for (low, high) in &mut ranges {
                (*low, *high) = (*low << 8, *high << 8 | 255);
            }
            continue;
        }
        let prefixes: u64 = ranges.iter().map(|(low, high)| u64::from(high - low) + 1).sum();
        let most = u64::try_from(OCTET_RANGES_MAX / parts.len()).unwrap_or(0);
        if prefixes > most {
            return Err("the pattern makes too many ranges; use CIDR blocks".to_owned());
        }
        let prefixes = ranges.iter().flat_map(|&(low, high)| low..=high);
        let split = prefixes.flat_map(|prefix| {
            let within = move |octet: u8| prefix << 8 | u32::from(octet);
            parts.iter().map(move |&(low, high)| (within(low), within(high)))
        });
        ranges = split.collect();
    }
    let addr = |bits| IpAddr::V4(Ipv4Addr::from_bits(bits));
    Ok(ranges.into_iter().filter_map(|(low, high)| AddrRange::new(addr(low), addr(high))).collect())
}

fn octet_range(text: &str) -> Result<(u8, u8), String> {
    let octet = |t: &str| {
        t.parse::<u8>().map_err(|_| format!("octet {t:?}; expected 0 to 255, a range or *"))
    };
    match text.split_once('-') {
        _ if text == "*" => Ok((0, 255)),
        None => octet(text).map(|o| (o, o)),
        Some((low, high)) => {
            let low = if low.is_empty() { 0 } else { octet(low)? };
            let high = if high.is_empty() { 255 } else { octet(high)? };
            if low > high {
                return Err(format!("octet range {low}-{high} is reversed"));
            }
            Ok((low, high))
        }
    }
}

/// A DNS name: labels of letters, digits, hyphens and underscores, and not just a wrong address.
fn is_host_name(word: &str) -> bool {
    let label = |l: &str| {
        (1..=63).contains(&l.len())
            && !l.starts_with('-')
            && l.chars().all(|c| c.is_alphanumeric() || c == '-' || c == '_')
    };
    let name = word.strip_suffix('.').unwrap_or(word);
    let numeric = name.rsplit('.').next().is_some_and(|l| l.bytes().all(|b| b.is_ascii_digit()));
    !numeric && name.len() <= 253 && name.split('.').all(label)
}

/// Ports as people write them.
///
/// `22,80,8000-8100`, `-` (1 to 65535), `-100`, `60000-`, `T:22,U:53,S:132` (a prefix holds until
/// the next), `!88` and `!100-200` (taken out again; exclusions alone are taken from 1-65535), `http`
/// (by name). White space is ignored.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct PortSpec {
    /// Ports without prefix: for every transport that is scanned.
    pub any: PortSet,
    /// Ports behind `T:`, and names that are TCP services.
    pub tcp: PortSet,
    /// Ports behind `U:`, and names that are UDP services.
    pub udp: PortSet,
    /// Ports behind `S:`.
    pub sctp: PortSet,
}

/// Finds the ports that a service name stands for.
pub type NameLookup<'a> = &'a dyn Fn(&str) -> Vec<(Transport, u16)>;

impl PortSpec {
    /// Reads `text`; `lookup` knows the service names.
    ///
    /// # Errors
    /// The first word that is no port, with its column.
    pub fn parse(text: &str, lookup: NameLookup<'_>) -> Result<Self, SpecError> {
        let mut plus = Sides::default();
        let mut minus = Sides::default();
        let mut side = Side::Any;
        for (column, word) in words(text, |c| c == ',' || c.is_whitespace()) {
            let fail = |problem: String| SpecError { column, word: word.to_owned(), problem };
            let (prefix, rest) = split_prefix(word);
            side = prefix.unwrap_or(side);
            let (target, rest) =
                rest.strip_prefix('!').map_or((&mut plus, rest), |r| (&mut minus, r));
            if rest.is_empty() {
                continue;
            }
            if rest.starts_with(|c: char| c.is_ascii_alphabetic()) {
                let found = lookup(rest);
                if found.is_empty() {
                    return Err(fail("no service of that name is known".to_owned()));
                }
                for (transport, port) in found {
                    target.add_named(side, transport, port);
                }
            } else {
                target.side(side).push(port_range(rest).map_err(fail)?);
            }
        }
        if plus.is_empty() && minus.is_empty() {
            let problem = "expected at least one port".to_owned();
            return Err(SpecError { column: 1, word: text.to_owned(), problem });
        }
        if plus.is_empty() {
            plus.any.push((1, u16::MAX));
        }
        Ok(Self::combine(plus, minus))
    }

    /// Exclusions without prefix hold for every transport; so unprefixed ports that are excluded
    /// on one side only move to the other side's set.
    fn combine(plus: Sides, minus: Sides) -> Self {
        let [any, tcp, udp, sctp] = plus.sets();
        let [no_any, no_tcp, no_udp, no_sctp] = minus.sets();
        let any = any.difference(&no_any);
        let side = |own: PortSet, not: &PortSet| own.difference(&no_any).difference(not);
        let (tcp, udp, sctp) = (side(tcp, &no_tcp), side(udp, &no_udp), side(sctp, &no_sctp));
        if no_tcp.is_empty() && no_udp.is_empty() && no_sctp.is_empty() {
            return Self { any, tcp, udp, sctp };
        }
        Self {
            tcp: tcp.union(&any.difference(&no_tcp)),
            udp: udp.union(&any.difference(&no_udp)),
            sctp: sctp.union(&any.difference(&no_sctp)),
            any: PortSet::new(),
        }
    }

    /// The TCP and UDP ports of a scan that does those transports.
    pub fn for_scan(&self, tcp: bool, udp: bool) -> (PortSet, PortSet) {
        let side = |on: bool, own: &PortSet| {
            if on { self.any.union(own) } else { PortSet::new() }
        };
        (side(tcp, &self.tcp), side(udp, &self.udp))
    }

    /// The ports of a scan of SCTP.
    pub fn for_sctp(&self) -> PortSet {
        self.any.union(&self.sctp)
    }
}

#[derive(Debug, Clone, Copy)]
enum Side {
    Any,
    Tcp,
    Udp,
    Sctp,
}

#[derive(Default)]
struct Sides {
    any: Vec<(u16, u16)>,
    tcp: Vec<(u16, u16)>,
    udp: Vec<(u16, u16)>,
    sctp: Vec<(u16, u16)>,
}

impl Sides {
    fn side(&mut self, side: Side) -> &mut Vec<(u16, u16)> {
        match side {
            Side::Any => &mut self.any,
            Side::Tcp => &mut self.tcp,
            Side::Udp => &mut self.udp,
            Side::Sctp => &mut self.sctp,
        }
    }

    fn add_named(&mut self, side: Side, transport: Transport, port: u16) {
        match (side, transport) {
            (Side::Any | Side::Tcp, Transport::Tcp) => self.tcp.push((port, port)),
            (Side::Any | Side::Udp, Transport::Udp) => self.udp.push((port, port)),
            _ => {}
        }
    }

    fn is_empty(&self) -> bool {
        let all = [&self.any, &self.tcp, &self.udp, &self.sctp];
        all.iter().all(|side| side.is_empty())
    }

    fn sets(self) -> [PortSet; 4] {
        [self.any, self.tcp, self.udp, self.sctp].map(PortSet::from_iter)
    }
}

fn split_prefix(word: &str) -> (Option<Side>, &str) {
    match word.split_once(':') {
        Some(("T" | "t", rest)) => (Some(Side::Tcp), rest),
        Some(("U" | "u", rest)) => (Some(Side::Udp), rest),
        Some(("S" | "s", rest)) => (Some(Side::Sctp), rest),
        _ => (None, word),
    }
}

fn port_range(text: &str) -> Result<(u16, u16), String> {
    let port = |t: &str| {
        t.parse::<u16>()
            .ok()
            .filter(|p| *p > 0 && t.bytes().all(|b| b.is_ascii_digit()))
            .ok_or_else(|| format!("port {t:?}; expected 1 to 65535"))
    };
    match text.split_once('-') {
        None => port(text).map(|p| (p, p)),
        Some((low, high)) => {
            let low = if low.is_empty() { 1 } else { port(low)? };
            let high = if high.is_empty() { u16::MAX } else { port(high)? };
            if low > high {
                return Err(format!("the range is reversed; write {high}-{low}"));
            }
            Ok((low, high))
        }
    }
}

impl fmt::Display for PortSpec {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let parts = [("", &self.any), ("T:", &self.tcp), ("U:", &self.udp), ("S:", &self.sctp)];
        let mut comma = "";
        for (prefix, set) in parts.into_iter().filter(|(_, set)| !set.is_empty()) {
            write!(f, "{comma}{prefix}{set}")?;
            comma = ",";
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn targets(text: &str) -> String {
        text.parse::<TargetSpec>().unwrap().addrs().to_string()
    }

    fn target_error(text: &str) -> SpecError {
        text.parse::<TargetSpec>().unwrap_err()
    }

    fn names(name: &str) -> Vec<(Transport, u16)> {
        match name {
            "http" => vec![(Transport::Tcp, 80), (Transport::Udp, 80)],
            "ssh" => vec![(Transport::Tcp, 22)],
            _ => vec![],
        }
    }

    fn ports(text: &str) -> String {
        PortSpec::parse(text, &names).unwrap().to_string()
    }

    fn port_error(text: &str) -> SpecError {
        PortSpec::parse(text, &names).unwrap_err()
    }

    #[test]
    fn every_form_of_target() {
        assert_eq!(targets("10.0.0.1"), "10.0.0.1");
        assert_eq!(targets("10.0.0.77/24"), "10.0.0.0/24");
        assert_eq!(targets("10.0.0.1-10.0.0.9"), "10.0.0.1-10.0.0.9");
        assert_eq!(targets("10.0.0-1.1-2"), "10.0.0.1-10.0.0.2,10.0.1.1-10.0.1.2");
        assert_eq!(targets("10.0.0.*"), "10.0.0.0/24");
        assert_eq!(targets("10.0.0.1,7"), "10.0.0.1,10.0.0.7");
        assert_eq!(targets("10.1-2.*.*"), "10.1.0.0-10.2.255.255");
        assert_eq!(targets("*.*.*.*"), "0.0.0.0/0");
        assert_eq!(targets("10.0.0.1,10.0.0.9"), "10.0.0.1,10.0.0.9");
        assert_eq!(targets("2001:db8::/126 [::1]"), "::1,2001:db8::/126");
        assert_eq!(targets("10.0.0.1 # the router\n\n10.0.0.2"), "10.0.0.1-10.0.0.2");
        let named: TargetSpec = "localhost www.example.org".parse().unwrap();
        assert_eq!(named.names(), ["localhost", "www.example.org"]);
    }

    #[test]
    fn a_bad_target_is_named_with_its_column() {
        let error = target_error("10.0.0.1 10.0.0.9-10.0.0.1");
        assert_eq!(error.column, 10);
        assert!(error.problem.contains("reversed"), "{error}");
        assert_eq!(target_error("10.0.0.0/33").problem, "prefix length \"33\"; expected 0 to 32");
        for bad in ["10.0.0.256", "10.0.0", "1.2.3.4.5", "::1-10.0.0.1", "10.0.0.5-1", "a..b", "/8"]
        {
            assert!(bad.parse::<TargetSpec>().is_err(), "{bad}");
        }
    }

    #[test]
    fn patterns_of_very_many_ranges_are_refused_before_they_are_made() {
        assert_eq!(targets("10.*.*.1").split(',').count(), 65_536);
        for wide in ["*.*.*.1", "10.*.*.1,3", "1,6,1-.163,4-80.1-.1,2"] {
            assert!(target_error(wide).problem.contains("too many ranges"), "{wide}");
        }
    }

    #[test]
    fn every_form_of_port() {
        assert_eq!(ports("22,80,8000-8100"), "22,80,8000-8100");
        assert_eq!(ports("-"), "1-65535");
        assert_eq!(ports("-3,65530-"), "1-3,65530-65535");
        assert_eq!(ports("T:22,23,U:53"), "T:22-23,U:53");
        assert_eq!(ports("!88"), "1-87,89-65535");
        assert_eq!(ports("80-443, !100-200"), "80-99,201-443");
        assert_eq!(ports("1-10,T:!5"), "T:1-4,6-10,U:1-10,S:1-10");
        assert_eq!(ports("http,ssh"), "T:22,80,U:80");
        let spec = PortSpec::parse("22,U:53", &names).unwrap();
        assert_eq!(spec.for_scan(true, false).0.to_string(), "22");
        assert_eq!(spec.for_scan(true, true).1.to_string(), "22,53");
    }

    #[test]
    fn a_bad_port_is_named_with_its_column() {
        assert_eq!(port_error("22,0").column, 4);
        assert!(port_error("65536").problem.contains("1 to 65535"));
        assert!(port_error("90-80").problem.contains("80-90"));
        for bad in ["", "nosuch", "+5", "1-2-3", "-0"] {
            assert!(PortSpec::parse(bad, &names).is_err(), "{bad}");
        }
    }
}

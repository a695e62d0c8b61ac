//! What is odd about a host or a prefix and changes how its ports are to be read.

use std::fmt;
use std::net::IpAddr;

use crate::target::AddrRange;

/// One oddity, told once.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Note {
    /// Nearly every port that was asked is open: a proxy, a tar pit or a filter answers, not the
    /// services.
    EverythingOpen {
        /// The host.
        addr: IpAddr,
        /// Open ports when it was noticed.
        open: u32,
        /// About how many had been asked by then.
        asked: u32,
    },
    /// The host limits its ICMP errors, so that its silent UDP ports may as well be closed.
    IcmpLimited {
        /// The host.
        addr: IpAddr,
        /// UDP ports that it said are closed.
        closed: u32,
        /// UDP ports that stayed silent: `open|filtered`, for that reason.
        silent: u32,
    },
    /// Nearly every address of a prefix has an open port: one machine may stand for all.
    EveryAddressOpen {
        /// The prefix: 256 addresses.
        range: AddrRange,
        /// How many of them have.
        hosts: u32,
        /// How many were asked.
        asked: u32,
    },
}

impl fmt::Display for Note {
    /// A sentence for people.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::EverythingOpen { addr, open, asked } => write!(
                f,
                "{addr} seems open on every port ({open} of the first {asked} or so asked): its \
                 other open ports are not told one by one, unless with --all-open"
            ),
            Self::IcmpLimited { addr, closed, silent } => write!(
                f,
                "{addr} limits its ICMP errors: {closed} UDP ports are closed, {silent} silent \
                 ones are open|filtered (icmp-rate-limited)"
            ),
            Self::EveryAddressOpen { range, hosts, asked } => write!(
                f,
                "{hosts} of {asked} addresses of {range} have an open port: one machine may \
                 answer for all of them"
            ),
        }
    }
}

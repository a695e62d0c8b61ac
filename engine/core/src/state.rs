//! What is said of an endpoint, and why.

use std::fmt;
use std::str::FromStr;

use crate::endpoint::UnknownName;

/// The six states of a port, as nmap's users know them.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum PortState {
    /// Something accepts there.
    Open,
    /// The host answered that nothing does.
    Closed,
    /// No answer, or an ICMP error: something stands between.
    Filtered,
    /// Reachable, but open or closed can't be told (ACK scans).
    Unfiltered,
    /// Silence where silence may mean open (UDP).
    OpenFiltered,
    /// Silence where silence may mean closed.
    ClosedFiltered,
}

impl PortState {
    /// Every state.
    pub const ALL: [Self; 6] = [
        Self::Open,
        Self::Closed,
        Self::Filtered,
        Self::Unfiltered,
        Self::OpenFiltered,
        Self::ClosedFiltered,
    ];

    /// nmap's name of it: `open`, `closed`, `filtered`, `unfiltered`, `open|filtered`,
    /// `closed|filtered`.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Open => "open",
            Self::Closed => "closed",
            Self::Filtered => "filtered",
            Self::Unfiltered => "unfiltered",
            Self::OpenFiltered => "open|filtered",
            Self::ClosedFiltered => "closed|filtered",
        }
    }
}

impl fmt::Display for PortState {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.name())
    }
}

impl FromStr for PortState {
    type Err = UnknownName;

    fn from_str(word: &str) -> Result<Self, UnknownName> {
        Self::ALL.into_iter().find(|s| s.name() == word).ok_or_else(|| UnknownName {
            what: "state",
            word: word.to_owned(),
            known: "open, closed, filtered, unfiltered, open|filtered, closed|filtered",
        })
    }
}

/// The evidence behind a state; the names are nmap's where nmap has one.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Reason {
    /// A SYN-ACK with our cookie.
    SynAck,
    /// A RST with our cookie.
    Reset,
    /// `connect` succeeded.
    ConnAccept,
    /// `connect` was refused.
    ConnRefused,
    /// A UDP datagram came back.
    UdpResponse,
    /// ICMP(v6) port unreachable.
    PortUnreach,
    /// ICMP(v6) host or address unreachable.
    HostUnreach,
    /// ICMP(v6) network unreachable or no route.
    NetUnreach,
    /// ICMP protocol unreachable.
    ProtoUnreach,
    /// ICMP(v6) administratively prohibited, in any of its codes.
    AdminProhibited,
    /// ICMP(v6) time exceeded.
    TimeExceeded,
    /// Nothing came back from any of the probes.
    NoResponse,
    /// Nothing came back from a host that limits its ICMP errors.
    IcmpRateLimited,
    /// ICMP(v6) echo reply.
    EchoReply,
    /// ARP reply.
    ArpResponse,
    /// Neighbour advertisement.
    NdResponse,
    /// The address is one of this host's own.
    LocalAddress,
    /// Another program's report says so.
    Imported,
    /// An SCTP INIT ACK with our tag.
    InitAck,
    /// An SCTP ABORT with our tag.
    Abort,
    /// ICMP timestamp reply.
    TimestampReply,
    /// ICMP address mask reply.
    AddressMaskReply,
}

impl Reason {
    /// Every reason.
    pub const ALL: [Self; 22] = [
        Self::SynAck,
        Self::Reset,
        Self::ConnAccept,
        Self::ConnRefused,
        Self::UdpResponse,
        Self::PortUnreach,
        Self::HostUnreach,
        Self::NetUnreach,
        Self::ProtoUnreach,
        Self::AdminProhibited,
        Self::TimeExceeded,
        Self::NoResponse,
        Self::IcmpRateLimited,
        Self::EchoReply,
        Self::ArpResponse,
        Self::NdResponse,
        Self::LocalAddress,
        Self::Imported,
        Self::InitAck,
        Self::Abort,
        Self::TimestampReply,
        Self::AddressMaskReply,
    ];

    /// The name in every output format.
    pub const fn name(self) -> &'static str {
        match self {
            Self::SynAck => "syn-ack",
            Self::Reset => "reset",
            Self::ConnAccept => "conn-accept",
            Self::ConnRefused => "conn-refused",
            Self::UdpResponse => "udp-response",
            Self::PortUnreach => "port-unreach",
            Self::HostUnreach => "host-unreach",
            Self::NetUnreach => "net-unreach",
            Self::ProtoUnreach => "proto-unreach",
            Self::AdminProhibited => "admin-prohibited",
            Self::TimeExceeded => "time-exceeded",
            Self::NoResponse => "no-response",
            Self::IcmpRateLimited => "icmp-rate-limited",
            Self::EchoReply => "echo-reply",
            Self::ArpResponse => "arp-response",
            Self::NdResponse => "nd-response",
            Self::LocalAddress => "localhost-response",
            Self::Imported => "imported",
            Self::InitAck => "init-ack",
            Self::Abort => "abort",
            Self::TimestampReply => "timestamp-reply",
            Self::AddressMaskReply => "addressmask-reply",
        }
    }
}

impl fmt::Display for Reason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.name())
    }
}

impl FromStr for Reason {
    type Err = UnknownName;

    fn from_str(word: &str) -> Result<Self, UnknownName> {
        Self::ALL.into_iter().find(|r| r.name() == word).ok_or_else(|| UnknownName {
            what: "reason",
            word: word.to_owned(),
            known: "the reasons that scans report",
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_read_back() {
        for state in PortState::ALL {
            assert_eq!(state.name().parse(), Ok(state));
        }
        for reason in Reason::ALL {
            assert_eq!(reason.name().parse(), Ok(reason));
        }
        assert!("ajar".parse::<PortState>().is_err());
    }
}

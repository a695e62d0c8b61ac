//! How probes look, apart from whom and what they ask.

use std::fmt;
use std::str::FromStr;

/// Time to live of a probe where nobody says otherwise: what most systems send.
pub const TTL_DEFAULT: u8 = 64;

/// How the probes of a scan look.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ProbeStyle {
    /// The options of a SYN.
    pub tcp_options: TcpOptions,
    /// Time to live, or hop limit.
    pub ttl: u8,
    /// The virtual network that frames on Ethernet links are tagged for.
    pub vlan: Option<VlanId>,
}

impl Default for ProbeStyle {
    fn default() -> Self {
        Self { tcp_options: TcpOptions::default(), ttl: TTL_DEFAULT, vlan: None }
    }
}

/// The options that a SYN carries; some hosts and filters answer some styles alone.
///
/// Options belong into segments with SYN (RFC 9293 §3.2); others carry none.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum TcpOptions {
    /// None: a header of 20 octets.
    None,
    /// The maximum segment size alone: the probe still fits the smallest Ethernet frame, and more
    /// hosts answer it than a bare SYN.
    #[default]
    Mss,
    /// Those of Linux, in its order: MSS, selective acknowledgements, timestamps, window scale.
    Linux,
    /// Those of Windows, in its order: MSS, window scale, selective acknowledgements.
    Windows,
}

impl TcpOptions {
    /// The options, padded to whole words: MSS (RFC 9293 §3.7.1), window scale and timestamps
    /// (RFC 7323 §2.2, §3.2), SACK permitted (RFC 2018 §2).
    pub(crate) fn octets(self, mss: u16) -> Vec<u8> {
        const NOP: u8 = 1;
        const SACK_PERMITTED: [u8; 2] = [4, 2];
        // Value and echo; the value may be any, and the echo is zero in a SYN.
        const TIMESTAMPS: [u8; 10] = [8, 10, 0, 0, 0, 1, 0, 0, 0, 0];
        let [high, low] = mss.to_be_bytes();
        let mss = [2, 4, high, low];
        match self {
            Self::None => Vec::new(),
            Self::Mss => mss.to_vec(),
            Self::Linux => {
                [&mss[..], &SACK_PERMITTED[..], &TIMESTAMPS[..], &[NOP, 3, 3, 7]].concat()
            }
            Self::Windows => [&mss[..], &[NOP, 3, 3, 8], &[NOP, NOP], &SACK_PERMITTED[..]].concat(),
        }
    }
}

/// A virtual network on an Ethernet link, IEEE 802.1Q: 1 to 4,094.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct VlanId(u16);

/// A number that names no virtual network.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{word:?} is no VLAN; expected 1 to 4094")]
pub struct VlanIdError {
    /// What was given.
    pub word: String,
}

impl VlanId {
    /// The network `id`; `None` for 0 and 4,095, which name none (IEEE 802.1Q §9.6).
    pub const fn new(id: u16) -> Option<Self> {
        if id >= 1 && id <= 4_094 { Some(Self(id)) } else { None }
    }

    /// Its number.
    pub const fn get(self) -> u16 {
        self.0
    }

    /// The four octets that stand between the hardware addresses and the `EtherType`: priority 0.
    pub const fn tag(self) -> [u8; 4] {
        let [high, low] = self.0.to_be_bytes();
        [0x81, 0x00, high, low]
    }
}

impl fmt::Display for VlanId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

impl FromStr for VlanId {
    type Err = VlanIdError;

    fn from_str(word: &str) -> Result<Self, VlanIdError> {
        let digits = word.bytes().all(|b| b.is_ascii_digit());
        let id = word.parse().ok().filter(|_| digits).and_then(Self::new);
        id.ok_or_else(|| VlanIdError { word: word.to_owned() })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use etherparse::TcpOptionElement as Option_;

    #[test]
    fn an_independent_parser_reads_the_options() {
        let read = |style: TcpOptions| -> Vec<Option_> {
            let octets = style.octets(1_460);
            assert_eq!(octets.len() % 4, 0, "{style:?}");
            let mut header = etherparse::TcpHeader::new(1, 2, 3, 4);
            header.set_options_raw(&octets).unwrap();
            header.options_iterator().map(Result::unwrap).collect()
        };
        let mss = Option_::MaximumSegmentSize(1_460);
        let sack = Option_::SelectiveAcknowledgementPermitted;
        assert_eq!(read(TcpOptions::None), []);
        assert_eq!(read(TcpOptions::Mss), std::slice::from_ref(&mss));
        let linux = [
            mss.clone(),
            sack.clone(),
            Option_::Timestamp(1, 0),
            Option_::Noop,
            Option_::WindowScale(7),
        ];
        assert_eq!(read(TcpOptions::Linux), linux);
        let windows =
            [mss, Option_::Noop, Option_::WindowScale(8), Option_::Noop, Option_::Noop, sack];
        assert_eq!(read(TcpOptions::Windows), windows);
    }

    #[test]
    fn networks_have_numbers_within_bounds() {
        for word in ["0", "4095", "-1", "+1", "x", ""] {
            assert!(word.parse::<VlanId>().is_err(), "{word}");
        }
        for id in [1, 4_094] {
            assert_eq!(id.to_string().parse::<VlanId>().unwrap().get(), id);
        }
        assert_eq!(VlanId::new(0x123).unwrap().tag(), [0x81, 0, 1, 0x23]);
    }
}

//! What lies in the values: records, apart from the domain's types, with codes that stay.
//!
//! The same records are the lines of an export: there, codes are names and sets are text.

use std::net::IpAddr;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use portolan_core::target::PortSet;
use portolan_core::{MacAddr, PortState, Reason, Transport};
use serde::de::Error as _;
use serde::{Deserialize, Deserializer, Serialize, Serializer};

use crate::identity::ChangeKind;
use crate::report::Source;
use crate::service_rec::{MoreRec, ServiceRec};
use crate::wide::{Wide, text_only};

/// A word with a number of its own that never changes.
pub(crate) trait Coded: Copy + 'static {
    /// All words.
    fn all() -> &'static [Self];
    /// The word's number.
    fn code(self) -> u8;
    /// The word's name.
    fn word(self) -> &'static str;
    /// The word of that number.
    fn of_code(code: u8) -> Option<Self> {
        Self::all().iter().copied().find(|word| word.code() == code)
    }
    /// The word of that name.
    fn of_word(text: &str) -> Option<Self> {
        Self::all().iter().copied().find(|word| word.word() == text)
    }
}

macro_rules! coded {
    ($type:ident { $($variant:ident = $code:literal),* $(,)? }) => {
        impl Coded for $type {
            fn all() -> &'static [Self] {
                &Self::ALL
            }
            fn code(self) -> u8 {
                match self {
                    $(Self::$variant => $code,)*
                }
            }
            fn word(self) -> &'static str {
                self.name()
            }
        }
    };
}

coded!(Transport { Tcp = 1, Udp = 2, Sctp = 3, Ip = 4 });
coded!(PortState {
    Open = 1,
    Closed = 2,
    Filtered = 3,
    Unfiltered = 4,
    OpenFiltered = 5,
    ClosedFiltered = 6,
});
coded!(Reason {
    SynAck = 1,
    Reset = 2,
    ConnAccept = 3,
    ConnRefused = 4,
    UdpResponse = 5,
    PortUnreach = 6,
    HostUnreach = 7,
    NetUnreach = 8,
    ProtoUnreach = 9,
    AdminProhibited = 10,
    TimeExceeded = 11,
    NoResponse = 12,
    EchoReply = 13,
    ArpResponse = 14,
    NdResponse = 15,
    LocalAddress = 16,
    Imported = 17,
    InitAck = 18,
    Abort = 19,
    TimestampReply = 20,
    AddressMaskReply = 21,
    IcmpRateLimited = 22,
});
coded!(ChangeKind {
    State = 1,
    Service = 2,
    Product = 3,
    Version = 4,
    Certificate = 5,
    HostKey = 6,
});
coded!(Source { Engine = 1, NmapXml = 2, MasscanJson = 3, MasscanList = 4, Ndjson = 5 });

/// A [`Coded`] word in a record.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Code<T>(pub(crate) T);

impl<T: Coded> Serialize for Code<T> {
    fn serialize<S: Serializer>(&self, s: S) -> Result<S::Ok, S::Error> {
        if s.is_human_readable() {
            s.serialize_str(self.0.word())
        } else {
            s.serialize_u8(self.0.code())
        }
    }
}

impl<'de, T: Coded> Deserialize<'de> for Code<T> {
    fn deserialize<D: Deserializer<'de>>(d: D) -> Result<Self, D::Error> {
        let found = if d.is_human_readable() {
            T::of_word(&String::deserialize(d)?)
        } else {
            T::of_code(u8::deserialize(d)?)
        };
        found.map(Self).ok_or_else(|| D::Error::custom("an unknown word"))
    }
}

/// A set of ports in a record: as text `22,80-90`; in bytes as ranges or bits, what is shorter.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(crate) struct Ports(pub(crate) PortSet);

const BITMAP_LEN: usize = 8192;

impl Ports {
    pub(crate) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    fn to_bytes(&self) -> Vec<u8> {
        let ranges = self.0.ranges();
        if ranges.len() * 4 < BITMAP_LEN {
            let mut bytes = Vec::with_capacity(ranges.len() * 4);
            for (first, last) in ranges {
                bytes.extend_from_slice(&first.to_le_bytes());
                bytes.extend_from_slice(&last.to_le_bytes());
            }
            return bytes;
        }
        let mut bytes = vec![0_u8; BITMAP_LEN];
        for port in self.0.iter() {
            if let Some(byte) = bytes.get_mut(usize::from(port >> 3)) {
                *byte |= 1 << (port & 7);
            }
        }
        bytes
    }

    fn of_bytes(bytes: &[u8]) -> Option<PortSet> {
        if bytes.len() == BITMAP_LEN {
            let ports = (0..=u16::MAX).filter(|port| {
                bytes.get(usize::from(port >> 3)).is_some_and(|byte| byte & (1 << (port & 7)) != 0)
            });
            return Some(ports.collect());
        }
        let (chunks, rest) = bytes.as_chunks::<4>();
        rest.is_empty().then(|| {
            let range =
                |&[a, b, c, d]: &[u8; 4]| (u16::from_le_bytes([a, b]), u16::from_le_bytes([c, d]));
            chunks.iter().map(range).collect()
        })
    }

    fn of_text(text: &str) -> Option<PortSet> {
        if text.is_empty() {
            return Some(PortSet::new());
        }
        let range = |part: &str| {
            let (first, last) = part.split_once('-').unwrap_or((part, part));
            Some((first.parse::<u16>().ok()?, last.parse::<u16>().ok()?))
        };
        text.split(',').map(range).collect::<Option<Vec<_>>>().map(|r| r.into_iter().collect())
    }
}

impl Serialize for Ports {
    fn serialize<S: Serializer>(&self, s: S) -> Result<S::Ok, S::Error> {
        if s.is_human_readable() {
            s.collect_str(&self.0)
        } else {
            s.serialize_bytes(&self.to_bytes())
        }
    }
}

impl<'de> Deserialize<'de> for Ports {
    fn deserialize<D: Deserializer<'de>>(d: D) -> Result<Self, D::Error> {
        let set = if d.is_human_readable() {
            Self::of_text(&String::deserialize(d)?)
        } else {
            Self::of_bytes(&Vec::<u8>::deserialize(d)?)
        };
        set.map(Self).ok_or_else(|| D::Error::custom("not a set of ports"))
    }
}

/// Bytes as they came from a host; base64 in text.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(crate) struct Blob(pub(crate) Vec<u8>);

impl Serialize for Blob {
    fn serialize<S: Serializer>(&self, s: S) -> Result<S::Ok, S::Error> {
        if s.is_human_readable() {
            s.serialize_str(&STANDARD.encode(&self.0))
        } else {
            s.serialize_bytes(&self.0)
        }
    }
}

impl<'de> Deserialize<'de> for Blob {
    fn deserialize<D: Deserializer<'de>>(d: D) -> Result<Self, D::Error> {
        if d.is_human_readable() {
            STANDARD.decode(String::deserialize(d)?).map(Self).map_err(D::Error::custom)
        } else {
            Vec::deserialize(d).map(Self)
        }
    }
}

/// A hardware address in a record.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Mac(pub(crate) MacAddr);

impl Serialize for Mac {
    fn serialize<S: Serializer>(&self, s: S) -> Result<S::Ok, S::Error> {
        if s.is_human_readable() { s.collect_str(&self.0) } else { self.0.0.serialize(s) }
    }
}

impl<'de> Deserialize<'de> for Mac {
    fn deserialize<D: Deserializer<'de>>(d: D) -> Result<Self, D::Error> {
        if d.is_human_readable() {
            String::deserialize(d)?.parse().map(Self).map_err(D::Error::custom)
        } else {
            <[u8; 6]>::deserialize(d).map(|octets| Self(MacAddr(octets)))
        }
    }
}

/// An endpoint of a scan.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct RowRec {
    pub(crate) addr: IpAddr,
    pub(crate) transport: Code<Transport>,
    pub(crate) port: u16,
    pub(crate) state: Code<PortState>,
    pub(crate) reason: Code<Reason>,
    pub(crate) ttl: Option<u8>,
    pub(crate) rtt_us: Option<u64>,
    pub(crate) at_ms: i64,
    pub(crate) service: Option<ServiceRec>,
    pub(crate) banner: Option<Blob>,
}

impl Wide for RowRec {
    type More = MoreRec;

    fn more(&self) -> Option<&MoreRec> {
        self.service.as_ref()?.more.as_deref()
    }

    fn widen(&mut self, more: MoreRec) -> bool {
        self.service.as_mut().map(|service| service.more = Some(Box::new(more))).is_some()
    }
}

/// Closed ports of a scan.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct ClosedRec {
    pub(crate) addr: IpAddr,
    pub(crate) transport: Code<Transport>,
    pub(crate) ports: Ports,
}

/// A sign of life in a scan.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct SignRec {
    pub(crate) addr: IpAddr,
    pub(crate) at_ms: i64,
    pub(crate) reason: Code<Reason>,
    pub(crate) mac: Option<Mac>,
    pub(crate) ttl: Option<u8>,
    pub(crate) rtt_us: Option<u64>,
}

/// A scan's header.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(crate) struct ScanRec {
    pub(crate) site: u32,
    pub(crate) source: Code<Source>,
    pub(crate) name: Option<String>,
    pub(crate) started_ms: i64,
    pub(crate) finished_ms: i64,
    pub(crate) complete: bool,
    pub(crate) pruned: bool,
    /// How many endpoints have a row each.
    pub(crate) rows: u64,
    /// How many closed ports are listed.
    pub(crate) closed_ports: u64,
    pub(crate) counters: CountersRec,
}

/// A scan's figures.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(crate) struct CountersRec {
    pub(crate) probes_sent: u64,
    pub(crate) replies: u64,
    pub(crate) open: u64,
    pub(crate) closed: u64,
    pub(crate) filtered: u64,
    pub(crate) loss_estimate: Option<f64>,
    pub(crate) coverage: f64,
    pub(crate) rejected: Vec<(String, u64)>,
    pub(crate) kernel_drops: u64,
}

/// An endpoint of the current state.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct CurrentRec {
    pub(crate) port: u16,
    pub(crate) state: Code<PortState>,
    pub(crate) reason: Code<Reason>,
    pub(crate) first_ms: i64,
    pub(crate) last_ms: i64,
    pub(crate) since_ms: i64,
    pub(crate) scan: i64,
    pub(crate) service: Option<ServiceRec>,
}

/// The ports of one host and transport that the current state only lists.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub(crate) struct QuietRec {
    pub(crate) first_ms: i64,
    /// Disjoint; one per scan that still is the last to have asked some of them.
    pub(crate) layers: Vec<LayerRec>,
}

/// What one scan was the last to ask.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct LayerRec {
    pub(crate) scan: i64,
    pub(crate) at_ms: i64,
    pub(crate) closed: Ports,
    pub(crate) silent: Ports,
}

/// A host.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct HostRec {
    pub(crate) mac: Option<Mac>,
    pub(crate) first_ms: i64,
    pub(crate) last_ms: i64,
}

/// What one scan changed of an endpoint: its state where `from` is not `to`, and its service.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct TransitionRec {
    pub(crate) addr: IpAddr,
    pub(crate) transport: Code<Transport>,
    pub(crate) port: u16,
    pub(crate) at_ms: i64,
    pub(crate) from: Option<Code<PortState>>,
    pub(crate) to: Code<PortState>,
    #[serde(default, with = "text_only", skip_serializing_if = "Vec::is_empty")]
    pub(crate) changes: Vec<ChangeRec>,
}

/// A change of a service.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct ChangeRec {
    pub(crate) what: Code<ChangeKind>,
    pub(crate) from: String,
    pub(crate) to: String,
}

impl TransitionRec {
    pub(crate) fn changes_state(&self) -> bool {
        self.from != Some(self.to)
    }

    /// How many changes it tells of.
    pub(crate) fn count(&self) -> usize {
        usize::from(self.changes_state()) + self.changes.len()
    }

    /// About how many bytes it takes.
    pub(crate) fn size(&self) -> usize {
        32 + self.changes.iter().map(|c| c.from.len() + c.to.len() + 6).sum::<usize>()
    }
}

impl Wide for TransitionRec {
    type More = Vec<ChangeRec>;

    fn more(&self) -> Option<&Vec<ChangeRec>> {
        (!self.changes.is_empty()).then_some(&self.changes)
    }

    fn widen(&mut self, more: Vec<ChangeRec>) -> bool {
        self.changes = more;
        true
    }
}

/// An expectation.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct ExpectRec {
    pub(crate) state: Code<PortState>,
    pub(crate) comment: String,
}

/// What has been decided and is being carried out.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) enum IntentRec {
    /// This committed scan goes into the current state.
    Apply(i64),
    /// Scans before this second are pruned.
    Prune(i64),
    /// The changes under the redo prefix go to their places.
    Redo,
    /// An import is under way: what is there is to be thrown away.
    Import,
}

/// A change on its way to its place.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct RedoRec {
    pub(crate) key: Blob,
    pub(crate) value: Option<Blob>,
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn codes_are_inverse_and_stay() {
        fn check<T: Coded + PartialEq + std::fmt::Debug>() {
            for word in T::all() {
                assert_eq!(T::of_code(word.code()), Some(*word));
                assert_eq!(T::of_word(word.word()), Some(*word));
            }
        }
        check::<Transport>();
        check::<PortState>();
        check::<Reason>();
        check::<Source>();
        check::<ChangeKind>();
        assert_eq!(PortState::of_code(0), None);
    }

    proptest! {
        #[test]
        fn ports_survive_bytes_and_text(list in prop::collection::vec(any::<u16>(), 0..200),
                                        every in prop::option::of(1_usize..9)) {
            let set: PortSet = match every {
                Some(step) => (0..=u16::MAX).step_by(step).collect(),
                None => list.into_iter().collect(),
            };
            let ports = Ports(set);
            let bytes = postcard::to_stdvec(&ports).unwrap();
            prop_assert!(bytes.len() <= BITMAP_LEN + 3);
            prop_assert_eq!(&postcard::from_bytes::<Ports>(&bytes).unwrap(), &ports);
            let text = serde_json::to_string(&ports).unwrap();
            prop_assert_eq!(&serde_json::from_str::<Ports>(&text).unwrap(), &ports);
        }
    }
}

//! Messages of the kernel's packet filter: nfnetlink batches of netlink attributes.
//!
//! Numbers and layouts are those of the kernel's interface headers `linux/netlink.h`,
//! `linux/netfilter/nfnetlink.h` and `linux/netfilter/nf_tables.h`.

use std::io;
use std::os::fd::{AsRawFd, RawFd};

use netlink_sys::{Socket, SocketAddr, protocols::NETLINK_NETFILTER};

use crate::sys::SyscallError;

const NLM_F_REQUEST: u16 = 1;
const NLM_F_ACK: u16 = 4;
const NLM_F_DUMP: u16 = 0x300;
const NLM_F_CREATE: u16 = 0x400;
/// Appended to what is there; the flag is that of "excl" elsewhere.
const NLM_F_APPEND: u16 = 0x800;
const NLMSG_ERROR: u16 = 2;
const NLMSG_DONE: u16 = 3;
/// Attribute holds attributes.
const NLA_F_NESTED: u16 = 1 << 15;

const BATCH_BEGIN: u16 = 0x10;
const BATCH_END: u16 = 0x11;
/// The subsystem of nftables, in the high octet of a message's type.
const NFTABLES: u16 = 10;
/// The family of rules at an interface.
const NFPROTO_NETDEV: u8 = 5;
const NFPROTO_UNSPEC: u8 = 0;

/// What a message does.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Deed {
    NewTable,
    GetTable,
    DelTable,
    NewChain,
    NewRule,
}

impl Deed {
    const fn number(self) -> u16 {
        NFTABLES << 8
            | match self {
                Self::NewTable => 0,
                Self::GetTable => 1,
                Self::DelTable => 2,
                Self::NewChain => 3,
                Self::NewRule => 6,
            }
    }
}

/// Length of a netlink header and of the family header behind it.
const HEADER_LEN: usize = 16;
const FAMILY_LEN: usize = 4;

/// Messages that take effect together or not at all.
#[derive(Debug)]
pub(super) struct Batch {
    octets: Vec<u8>,
    sequence: u32,
    end: u32,
}

impl Batch {
    pub(super) fn new() -> Self {
        let mut batch = Self { octets: Vec::new(), sequence: 1, end: 0 };
        batch.message(BATCH_BEGIN, NLM_F_REQUEST, NFPROTO_UNSPEC, NFTABLES, |_| {});
        batch
    }

    /// The number of the message that is pushed next.
    pub(super) const fn sequence(&self) -> u32 {
        self.sequence
    }

    /// Appends a message with the attributes that `fill` writes.
    pub(super) fn push(&mut self, deed: Deed, fill: impl FnOnce(&mut Attributes<'_>)) {
        let flags = match deed {
            Deed::NewTable | Deed::NewChain => NLM_F_REQUEST | NLM_F_ACK | NLM_F_CREATE,
            Deed::NewRule => NLM_F_REQUEST | NLM_F_ACK | NLM_F_CREATE | NLM_F_APPEND,
            Deed::DelTable => NLM_F_REQUEST | NLM_F_ACK,
            Deed::GetTable => NLM_F_REQUEST | NLM_F_DUMP,
        };
        self.end = self.sequence;
        self.message(deed.number(), flags, NFPROTO_NETDEV, 0, fill);
    }

    fn message(
        &mut self,
        kind: u16,
        flags: u16,
        family: u8,
        resource: u16,
        fill: impl FnOnce(&mut Attributes<'_>),
    ) {
        let start = self.octets.len();
        self.octets.extend_from_slice(&[0; 4]);
        self.octets.extend_from_slice(&kind.to_ne_bytes());
        self.octets.extend_from_slice(&flags.to_ne_bytes());
        self.octets.extend_from_slice(&self.sequence.to_ne_bytes());
        self.octets.extend_from_slice(&[0; 4]);
        self.octets.extend_from_slice(&[family, 0]);
        self.octets.extend_from_slice(&resource.to_be_bytes());
        fill(&mut Attributes(&mut self.octets));
        let len = u32::try_from(self.octets.len() - start).unwrap_or(u32::MAX);
        put(&mut self.octets, start, &len.to_ne_bytes());
        self.sequence += 1;
    }
}

/// Attributes, appended to a message.
pub(super) struct Attributes<'a>(&'a mut Vec<u8>);

impl Attributes<'_> {
    pub(super) fn octets(&mut self, kind: u16, value: &[u8]) {
        self.attribute(kind, |octets| octets.extend_from_slice(value));
    }

    /// A number, in network order as all of nftables' are.
    pub(super) fn number(&mut self, kind: u16, value: u32) {
        self.octets(kind, &value.to_be_bytes());
    }

    /// A text, which ends in zero.
    pub(super) fn text(&mut self, kind: u16, value: &str) {
        self.attribute(kind, |octets| {
            octets.extend(value.bytes().filter(|octet| *octet != 0));
            octets.push(0);
        });
    }

    pub(super) fn nested(&mut self, kind: u16, fill: impl FnOnce(&mut Attributes<'_>)) {
        self.attribute(kind | NLA_F_NESTED, |octets| fill(&mut Attributes(octets)));
    }

    fn attribute(&mut self, kind: u16, fill: impl FnOnce(&mut Vec<u8>)) {
        let start = self.0.len();
        self.0.extend_from_slice(&[0; 2]);
        self.0.extend_from_slice(&kind.to_ne_bytes());
        fill(self.0);
        let len = u16::try_from(self.0.len() - start).unwrap_or(u16::MAX);
        put(self.0, start, &len.to_ne_bytes());
        self.0.resize(self.0.len().next_multiple_of(4), 0);
    }
}

fn put(octets: &mut [u8], at: usize, value: &[u8]) {
    for (to, from) in octets.iter_mut().skip(at).zip(value) {
        *to = *from;
    }
}

/// A socket to the packet filter. The kernel answers within the call that asks, so reading never
/// waits: no answer is an error.
#[derive(Debug)]
pub(super) struct Nfnetlink(Socket);

impl AsRawFd for Nfnetlink {
    fn as_raw_fd(&self) -> RawFd {
        self.0.as_raw_fd()
    }
}

const CALL: &str = "nftables request";

impl Nfnetlink {
    pub(super) fn open() -> Result<Self, SyscallError> {
        let failed = |e| SyscallError::new("socket(NETLINK_NETFILTER)", e);
        let mut socket = Socket::new(NETLINK_NETFILTER).map_err(failed)?;
        socket.bind_auto().map_err(failed)?;
        socket.connect(&SocketAddr::new(0, 0)).map_err(failed)?;
        socket.set_non_blocking(true).map_err(failed)?;
        Ok(Self(socket))
    }

    /// Has `batch` done whole.
    ///
    /// On failure nothing of it was done; the error names the message that the kernel refused.
    pub(super) fn commit(&mut self, mut batch: Batch) -> Result<(), (Option<u32>, SyscallError)> {
        let last = batch.end;
        batch.message(BATCH_END, NLM_F_REQUEST, NFPROTO_UNSPEC, NFTABLES, |_| {});
        let failed = |e| (None, SyscallError::new(CALL, e));
        self.0.send(&batch.octets, 0).map_err(failed)?;
        loop {
            let (octets, _) = self.0.recv_from_full().map_err(failed)?;
            for answer in answers(&octets) {
                match answer {
                    Answer::Error { sequence, errno } if errno != 0 => {
                        self.drain();
                        let source = io::Error::from_raw_os_error(errno);
                        return Err((Some(sequence), SyscallError::new(CALL, source)));
                    }
                    Answer::Error { sequence, .. } if sequence == last => {
                        self.drain();
                        return Ok(());
                    }
                    _ => {}
                }
            }
        }
    }

    /// Further answers to what has been answered.
    fn drain(&self) {
        while self.0.recv_from_full().is_ok() {}
    }

    /// The names of all tables of the netdev family.
    pub(super) fn tables(&mut self) -> Result<Vec<String>, SyscallError> {
        let mut question = Batch { octets: Vec::new(), sequence: 1, end: 0 };
        question.push(Deed::GetTable, |_| {});
        let failed = |e| SyscallError::new(CALL, e);
        self.0.send(&question.octets, 0).map_err(failed)?;
        let mut names = Vec::new();
        loop {
            let (octets, _) = self.0.recv_from_full().map_err(failed)?;
            for answer in answers(&octets) {
                match answer {
                    Answer::Done => return Ok(names),
                    Answer::Error { errno: 0, .. } => {}
                    Answer::Error { errno, .. } => {
                        return Err(failed(io::Error::from_raw_os_error(errno)));
                    }
                    Answer::Object(attributes) => names.extend(name_in(attributes)),
                }
            }
        }
    }
}

/// One message of the kernel's.
#[derive(Debug, PartialEq, Eq)]
enum Answer<'a> {
    Done,
    /// An error, or an acknowledgement: errno zero.
    Error {
        sequence: u32,
        errno: i32,
    },
    Object(&'a [u8]),
}

/// The messages of a datagram; what does not fit ends them.
fn answers(octets: &[u8]) -> impl Iterator<Item = Answer<'_>> {
    let mut rest = octets;
    std::iter::from_fn(move || {
        let len = usize::try_from(u32::from_ne_bytes(*rest.first_chunk()?)).ok()?;
        let message = rest.get(..len).filter(|m| m.len() >= HEADER_LEN)?;
        rest = rest.get(len.next_multiple_of(4)..).unwrap_or_default();
        let kind = u16::from_ne_bytes(*message.get(4..)?.first_chunk()?);
        let body = message.get(HEADER_LEN..)?;
        Some(match kind {
            NLMSG_DONE => Answer::Done,
            NLMSG_ERROR => {
                let errno = i32::from_ne_bytes(*body.first_chunk()?).saturating_neg();
                // Behind the number stands the header of the message that is answered.
                let sequence = u32::from_ne_bytes(*body.get(4 + 8..)?.first_chunk()?);
                Answer::Error { sequence, errno }
            }
            _ => Answer::Object(body.get(FAMILY_LEN..)?),
        })
    })
}

/// The names of the tables in a datagram.
pub(super) fn table_names(octets: &[u8]) -> impl Iterator<Item = String> + '_ {
    answers(octets).filter_map(|answer| match answer {
        Answer::Object(attributes) => name_in(attributes),
        Answer::Done | Answer::Error { .. } => None,
    })
}

/// `NFTA_TABLE_NAME` among `attributes`.
fn name_in(attributes: &[u8]) -> Option<String> {
    let mut rest = attributes;
    loop {
        let len = usize::from(u16::from_ne_bytes(*rest.first_chunk()?));
        let kind = u16::from_ne_bytes(*rest.get(2..)?.first_chunk()?);
        let value = rest.get(4..len)?;
        if kind == 1 {
            let text = value.split(|octet| *octet == 0).next()?;
            return String::from_utf8(text.to_vec()).ok();
        }
        rest = rest.get(len.next_multiple_of(4)..)?;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_batch_is_framed_and_aligned() {
        let mut batch = Batch::new();
        assert_eq!(batch.sequence(), 2);
        batch.push(Deed::NewTable, |a| {
            a.text(1, "abcd");
            a.nested(2, |a| a.number(3, 0x0102_0304));
        });
        let table = &batch.octets[20..];
        assert_eq!(u32::from_ne_bytes(*table.first_chunk().unwrap()), 20 + 12 + 12);
        assert_eq!(table.len(), 44);
        assert_eq!(table[16..20], [NFPROTO_NETDEV, 0, 0, 0]);
        assert_eq!(table[20..22], 9_u16.to_ne_bytes());
        assert_eq!(&table[24..32], b"abcd\0\0\0\0");
        assert_eq!(table[34..36], (2 | NLA_F_NESTED).to_ne_bytes());
        assert_eq!(table[40..], [1, 2, 3, 4]);
        assert_eq!(name_in(&table[20..]).as_deref(), Some("abcd"));
    }

    #[test]
    fn answers_are_read_and_damaged_ones_end() {
        let mut batch = Batch { octets: Vec::new(), sequence: 7, end: 0 };
        batch.push(Deed::GetTable, |a| a.text(1, "t"));
        let object = batch.octets.clone();
        let mut error = vec![0; 16];
        error[0] = 36;
        error[4] = 2;
        error.extend((-libc::EPERM).to_ne_bytes());
        error.extend(&object[..16]);
        let both = [object.clone(), error].concat();
        let read: Vec<_> = answers(&both).collect();
        assert_eq!(read.len(), 2);
        assert_eq!(read[1], Answer::Error { sequence: 7, errno: libc::EPERM });
        for len in 0..both.len() {
            assert!(answers(&both[..len]).count() <= 1, "{len}");
            let _ = name_in(&both[..len]);
        }
        for at in 0..object.len() {
            let mut damaged = both.clone();
            damaged[at] = 0xff;
            assert!(answers(&damaged).count() <= 2);
            let _ = name_in(&damaged[20..]);
        }
        assert_eq!(answers(&[0; 64]).count(), 0, "a length of zero must not loop");
        assert_eq!(name_in(&[0; 64]), None, "nor here");
    }
}

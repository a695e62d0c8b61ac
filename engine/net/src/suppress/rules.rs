//! The rules: what of which table, in which words of the kernel's.
//!
//! As `nft` would write it:
//!
//! ```text
//! table netdev portolan-… {
//!   chain ingress0 {
//!     type filter hook ingress device near0 priority -300; policy accept;
//!     meta l4proto tcp th dport 61440-65535 tcp flags & (syn | ack) == (syn | ack) drop
//!   }
//! }
//! ```

use portolan_core::cookie::SourcePorts;

use super::Hold;
use super::message::{Attributes, Batch, Deed};

/// Before connection tracking and everybody's filters.
const PRIORITY: i32 = -300;
/// `NFT_TABLE_F_OWNER`.
const BELONGS_TO_SOCKET: u32 = 2;
/// `NFT_REG_1`: the one register that is used.
const REGISTER: u32 = 1;
/// `NFPROTO`'s number of TCP.
const TCP: u8 = 6;
const SYN_ACK: u8 = 0x12;

/// Shown by `nft list`, as a type-length-value of type 0 (a comment).
const COMMENT: &[u8] = b"SYN-ACKs to a running scan are read by it, not by this host's TCP\0";

/// A table called `name`.
pub(super) fn table(batch: &mut Batch, name: &str, hold: Hold) {
    batch.push(Deed::NewTable, |a| {
        a.text(1, name);
        if hold == Hold::Socket {
            a.number(2, BELONGS_TO_SOCKET);
        }
        let len = u8::try_from(COMMENT.len()).unwrap_or(0);
        a.octets(6, &[&[0, len], COMMENT].concat());
    });
}

/// Removes the table called `name`, chains and rules included.
pub(super) fn delete_table(batch: &mut Batch, name: &str) {
    batch.push(Deed::DelTable, |a| a.text(1, name));
}

/// A chain called `chain` where frames come in from `interface`.
pub(super) fn chain(batch: &mut Batch, table: &str, chain: &str, interface: &str) {
    batch.push(Deed::NewChain, |a| {
        a.text(1, table);
        a.text(3, chain);
        a.nested(4, |hook| {
            hook.number(1, 0);
            hook.octets(2, &PRIORITY.to_be_bytes());
            hook.text(3, interface);
        });
        a.number(5, 1);
        a.text(7, "filter");
    });
}

/// A rule in `chain`: SYN-ACKs to `ports` go no further.
pub(super) fn drop_syn_acks(batch: &mut Batch, table: &str, chain: &str, ports: SourcePorts) {
    batch.push(Deed::NewRule, |a| {
        a.text(1, table);
        a.text(2, chain);
        a.nested(4, |list| {
            load_protocol(list);
            compare(list, Comparison::Equal, &[TCP]);
            load_transport(list, 2, 2);
            compare(list, Comparison::AtLeast, &ports.first().to_be_bytes());
            compare(list, Comparison::AtMost, &ports.last().to_be_bytes());
            load_transport(list, 13, 1);
            mask(list, &[SYN_ACK]);
            compare(list, Comparison::Equal, &[SYN_ACK]);
            drop_it(list);
        });
    });
}

/// `NFT_CMP_…`.
#[derive(Debug, Clone, Copy)]
enum Comparison {
    Equal,
    AtMost,
    AtLeast,
}

fn expression(list: &mut Attributes<'_>, name: &str, fill: impl FnOnce(&mut Attributes<'_>)) {
    list.nested(1, |element| {
        element.text(1, name);
        element.nested(2, fill);
    });
}

/// The protocol behind the IP header and its extensions.
fn load_protocol(list: &mut Attributes<'_>) {
    /// `NFT_META_L4PROTO`.
    const L4PROTO: u32 = 16;
    expression(list, "meta", |a| {
        a.number(1, REGISTER);
        a.number(2, L4PROTO);
    });
}

/// Octets of the transport header.
fn load_transport(list: &mut Attributes<'_>, offset: u32, len: u32) {
    /// `NFT_PAYLOAD_TRANSPORT_HEADER`.
    const TRANSPORT: u32 = 2;
    expression(list, "payload", |a| {
        a.number(1, REGISTER);
        a.number(2, TRANSPORT);
        a.number(3, offset);
        a.number(4, len);
    });
}

/// Goes on if the register compares so, octet by octet from the first.
fn compare(list: &mut Attributes<'_>, how: Comparison, with: &[u8]) {
    let number = match how {
        Comparison::Equal => 0,
        Comparison::AtMost => 3,
        Comparison::AtLeast => 5,
    };
    expression(list, "cmp", |a| {
        a.number(1, REGISTER);
        a.number(2, number);
        a.nested(3, |data| data.octets(1, with));
    });
}

fn mask(list: &mut Attributes<'_>, mask: &[u8]) {
    expression(list, "bitwise", |a| {
        a.number(1, REGISTER);
        a.number(2, REGISTER);
        a.number(3, u32::try_from(mask.len()).unwrap_or(0));
        a.nested(4, |data| data.octets(1, mask));
        a.nested(5, |data| data.octets(1, &vec![0; mask.len()]));
    });
}

fn drop_it(list: &mut Attributes<'_>) {
    /// `NFT_REG_VERDICT`.
    const VERDICT: u32 = 0;
    /// `NF_DROP`.
    const DROP: u32 = 0;
    expression(list, "immediate", |a| {
        a.number(1, VERDICT);
        a.nested(2, |data| data.nested(2, |verdict| verdict.number(1, DROP)));
    });
}

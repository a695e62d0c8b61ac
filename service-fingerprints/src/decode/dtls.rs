//! Datagram TLS: a server's first flight, or its alert.
//!
//! Source: RFC 6347 §4.1, §4.2.1; RFC 5246 §7.2.

use super::reader::is_at;
use super::{Part, structure};

/// Where a record's fragment begins.
const FRAGMENT_AT: usize = 13;

pub(super) fn parts(reply: &[u8]) -> Vec<Part<'_>> {
    // Version 1.0 or 1.2, epoch 0.
    let record = matches!(reply, [21 | 22, 0xfe, 0xff | 0xfd, 0, 0, ..]);
    if !record {
        return Vec::new();
    }
    let alert = is_at(reply, 0, &[21]) && is_at(reply, 11, &[0, 2]);
    // HelloVerifyRequest or ServerHello.
    let hello = [2, 3].iter().any(|kind| is_at(reply, FRAGMENT_AT, &[*kind]));
    if alert || is_at(reply, 0, &[22]) && hello {
        return vec![structure("dtls").into()];
    }
    Vec::new()
}

//! The Trivial File Transfer Protocol.

use super::field::{concat, confirmed_if, contains, hex, put};
use super::{Echo, ReplyPort, UdpProbe};

/// A read request for a file that is nowhere: the answer is one small error, from a fresh port.
pub(super) static TFTP: UdpProbe = UdpProbe {
    name: "tftp",
    source: "RFC 1350 §4, §5",
    reply_port: ReplyPort::Any,
    template: &TEMPLATE,
    patch,
    check,
};

const HEAD: &[u8] = b"\0\x01portolan-";
const TEMPLATE: [u8; 34] = concat(&[HEAD, b"0000000000000000", b"\0octet\0"]);

fn patch(payload: &mut [u8], cookie: u64) {
    put(payload, HEAD.len(), hex(cookie));
}

/// Some servers quote the file's name in the error.
fn check(reply: &[u8], cookie: u64) -> Echo {
    confirmed_if(reply.starts_with(&[0, 5]) && contains(reply, &hex(cookie)))
}

#[cfg(test)]
mod tests {
    use super::super::tests::round_trip;
    use super::*;

    #[test]
    fn the_request_has_opcode_name_and_mode() {
        let (opcode, strings) = TEMPLATE.split_at(2);
        assert_eq!(opcode, [0, 1]);
        let strings: Vec<_> = strings.split(|octet| *octet == 0).collect();
        assert_eq!(strings, [b"portolan-0000000000000000".as_slice(), b"octet", b""]);
    }

    #[test]
    fn a_quoted_name_confirms() {
        round_trip(&TFTP, |request| [b"\0\x05\0\x01no ", &request[2..27], b"\0"].concat());
        assert_eq!(TFTP.check(b"\0\x05\0\x01File not found\0", 0), Echo::Unknown);
    }
}

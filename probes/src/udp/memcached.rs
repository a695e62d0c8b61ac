//! memcached over UDP.

use super::field::{get, is_at, judge, low16, put};
use super::{Echo, ReplyPort, UdpProbe};

/// `version`, the smallest of its answers: memcached must never be made to amplify.
pub(super) static MEMCACHED: UdpProbe = UdpProbe {
    name: "memcached",
    source: "memcached, doc/protocol.txt, \"UDP protocol\"",
    reply_port: ReplyPort::Same,
    template: b"\0\0\0\0\0\x01\0\0version\r\n",
    patch,
    check,
};

/// Octets of the frame header: request id, sequence number, datagrams in all, reserved.
const HEADER_LEN: usize = 8;

fn patch(payload: &mut [u8], cookie: u64) {
    put(payload, 0, low16(cookie));
}

fn check(reply: &[u8], cookie: u64) -> Echo {
    let text = [b"VERSION ".as_slice(), b"ERROR", b"CLIENT_ERROR", b"SERVER_ERROR"];
    match get::<2>(reply, 0) {
        Some(id) if text.iter().any(|word| is_at(reply, HEADER_LEN, word)) => {
            judge(id == low16(cookie))
        }
        _ => Echo::Unknown,
    }
}

#[cfg(test)]
mod tests {
    use super::super::tests::round_trip;
    use super::*;

    #[test]
    fn the_request_id_comes_back() {
        round_trip(&MEMCACHED, |request| {
            assert_eq!(request[2..], *b"\0\0\0\x01\0\0version\r\n");
            [&request[..HEADER_LEN], b"VERSION 1.6.18\r\n"].concat()
        });
    }
}

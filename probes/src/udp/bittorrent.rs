//! The `BitTorrent` DHT.

use super::field::{concat, contains, judge, put};
use super::{Echo, ReplyPort, UdpProbe};

/// `ping` from a read-only node, which nobody should put into a routing table.
pub(super) static BITTORRENT: UdpProbe = UdpProbe {
    name: "bittorrent-dht",
    source: "BEP 5; BEP 43",
    reply_port: ReplyPort::Same,
    template: &TEMPLATE,
    patch,
    check,
};

const HEAD: &[u8] = b"d1:ad2:id20:portolan-probe-node0e1:q4:ping2:roi1e1:t8:";
const TEMPLATE: [u8; HEAD.len() + 8 + 7] = concat(&[HEAD, &[0; 8], b"1:y1:qe"]);

fn patch(payload: &mut [u8], cookie: u64) {
    put(payload, HEAD.len(), cookie.to_be_bytes());
}

fn check(reply: &[u8], cookie: u64) -> Echo {
    let mut needle = *b"1:t8:\0\0\0\0\0\0\0\0";
    put(&mut needle, 5, cookie.to_be_bytes());
    match reply {
        [b'd', .., b'e'] if contains(reply, b"1:y1:r") || contains(reply, b"1:y1:e") => {
            judge(contains(reply, &needle))
        }
        _ => Echo::Unknown,
    }
}

#[cfg(test)]
mod tests {
    use super::super::tests::round_trip;
    use super::*;

    #[test]
    fn strings_are_as_long_as_they_say() {
        let text: Vec<u8> = TEMPLATE.to_vec();
        assert_eq!(&text[12..32], b"portolan-probe-node0");
        assert_eq!(text[32], b'e');
        assert_eq!(text.len() - HEAD.len(), 8 + b"1:y1:qe".len());
    }

    #[test]
    fn the_transaction_comes_back() {
        round_trip(&BITTORRENT, |request| {
            let id = &request[HEAD.len()..HEAD.len() + 8];
            [b"d1:rd2:id20:mnopqrstuvwxyz123456e1:t8:", id, b"1:y1:re"].concat()
        });
    }
}

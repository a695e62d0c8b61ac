//! EtherNet/IP.

use super::field::{get, judge, put};
use super::{Echo, ReplyPort, UdpProbe};

/// `ListIdentity`: who the device is.
pub(super) static ENIP: UdpProbe = UdpProbe {
    name: "enip",
    source: "ODVA, The CIP Networks Library, volume 2, §2-3.1, §2-4.2",
    reply_port: ReplyPort::Same,
    template: b"\x63\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0",
    patch,
    check,
};

const SENDER_CONTEXT_AT: usize = 12;

fn patch(payload: &mut [u8], cookie: u64) {
    put(payload, SENDER_CONTEXT_AT, cookie.to_be_bytes());
}

fn check(reply: &[u8], cookie: u64) -> Echo {
    match get::<8>(reply, SENDER_CONTEXT_AT) {
        // An answer has data; a length of zero is a request.
        Some(context) if reply.starts_with(&[0x63, 0]) && get(reply, 2) != Some([0, 0]) => {
            judge(context == cookie.to_be_bytes())
        }
        _ => Echo::Unknown,
    }
}

#[cfg(test)]
mod tests {
    use super::super::tests::round_trip;
    use super::*;

    #[test]
    fn the_senders_context_comes_back() {
        assert_eq!(ENIP.template().len(), 24);
        round_trip(&ENIP, |request| [&[0x63, 0, 4, 0], &request[4..], &[1, 0, 12, 0]].concat());
    }
}

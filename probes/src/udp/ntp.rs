//! The Network Time Protocol.

use super::field::{get, judge, low16, put};
use super::{Echo, ReplyPort, UdpProbe};

/// A client's request, version 4: leap 0, mode 3, everything else zero but the transmit timestamp.
pub(super) static NTP: UdpProbe = UdpProbe {
    name: "ntp",
    source: "RFC 5905 §7.3",
    reply_port: ReplyPort::Same,
    template: &TEMPLATE,
    patch,
    check,
};

/// Reading of three system variables: who the server is. Many answer it to nobody.
pub(super) static NTP_CONTROL: UdpProbe = UdpProbe {
    name: "ntp",
    source: "RFC 9327 §2, §3.2",
    reply_port: ReplyPort::Same,
    // Version 2, mode 6; opcode 2; sequence, status, association, offset; 24 octets.
    template: b"\x16\x02\0\0\0\0\0\0\0\0\0\x18version,processor,system",
    patch: |payload, cookie| put(payload, CONTROL_SEQUENCE_AT, low16(cookie)),
    check: check_control,
};

const CONTROL_SEQUENCE_AT: usize = 2;

fn check_control(reply: &[u8], cookie: u64) -> Echo {
    match get::<4>(reply, 0) {
        // Mode 6, and the bit of a response.
        Some([first, operation, a, b]) if first & 7 == 6 && operation & 0x80 != 0 => {
            judge([a, b] == low16(cookie))
        }
        _ => Echo::Unknown,
    }
}

const LEN: usize = 48;
/// Where a server's reply repeats the request's transmit timestamp.
const ORIGIN_AT: usize = 24;
const TRANSMIT_AT: usize = 40;

const TEMPLATE: [u8; LEN] = {
    let mut packet = [0; LEN];
    packet[0] = 0o043;
    packet
};

fn patch(payload: &mut [u8], cookie: u64) {
    put(payload, TRANSMIT_AT, cookie.to_be_bytes());
}

fn check(reply: &[u8], cookie: u64) -> Echo {
    match (reply.first(), get::<8>(reply, ORIGIN_AT)) {
        // Mode 4 is a server's.
        (Some(first), Some(origin)) if first & 7 == 4 && reply.len() >= LEN => {
            judge(origin == cookie.to_be_bytes())
        }
        _ => Echo::Unknown,
    }
}

#[cfg(test)]
mod tests {
    use super::super::tests::round_trip;
    use super::*;

    #[test]
    fn the_request_is_a_version_4_client() {
        let [first, rest @ ..] = &TEMPLATE;
        assert_eq!((first >> 6, first >> 3 & 7, first & 7), (0, 4, 3));
        assert!(rest.iter().all(|octet| *octet == 0));
    }

    #[test]
    fn the_sequence_number_comes_back() {
        let request = NTP_CONTROL.template();
        assert_eq!((request[0] >> 3, request[0] & 7, request.len()), (2, 6, 12 + 24));
        round_trip(&NTP_CONTROL, |request| [b"\x16\x82", &request[2..12], b"x=1"].concat());
    }

    #[test]
    fn the_transmit_timestamp_comes_back_as_origin() {
        round_trip(&NTP, |request| {
            let mut reply = vec![0; LEN];
            reply[0] = 0o044;
            reply[ORIGIN_AT..ORIGIN_AT + 8].copy_from_slice(&request[TRANSMIT_AT..]);
            reply
        });
    }
}

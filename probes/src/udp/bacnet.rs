//! BACnet/IP.

use super::field::{get, judge, low8, put};
use super::{Echo, ReplyPort, UdpProbe};

/// Reads the object identifier of the device, whoever it is (instance 4,194,303).
///
/// Unlike Who-Is it is answered to the asker alone.
pub(super) static BACNET: UdpProbe = UdpProbe {
    name: "bacnet",
    source: "ANSI/ASHRAE 135, clauses 6.2, 15.5, 20.1.2, Annex J",
    reply_port: ReplyPort::Same,
    template: b"\x81\x0a\0\x11\x01\x04\0\x05\0\x0c\x0c\x02\x3f\xff\xff\x19\x4b",
    patch,
    check,
};

/// Reads the device's vendor, model, firmware, application and name at once.
pub(super) static BACNET_DEVICE: UdpProbe = UdpProbe {
    name: "bacnet",
    source: "ANSI/ASHRAE 135, clauses 15.7, 21 (properties 121, 70, 44, 12, 77), Annex J",
    reply_port: ReplyPort::Same,
    template: b"\x81\x0a\0\x1b\x01\x04\0\x05\0\x0e\x0c\x02\x3f\xff\xff\
        \x1e\x09\x79\x09\x46\x09\x2c\x09\x0c\x09\x4d\x1f",
    patch,
    check,
};

const INVOKE_ID_AT: usize = 8;

fn patch(payload: &mut [u8], cookie: u64) {
    put(payload, INVOKE_ID_AT, [low8(cookie)]);
}

/// Only an answer whose network layer has no addresses is read.
fn check(reply: &[u8], cookie: u64) -> Echo {
    match get::<8>(reply, 0) {
        // Complex acknowledgement, error, reject or abort, then the invoke id.
        Some([0x81, 0x0a, _, _, 1, control, kind, id])
            if control & 0x28 == 0 && matches!(kind >> 4, 3 | 5 | 6 | 7) =>
        {
            judge(id == low8(cookie))
        }
        _ => Echo::Unknown,
    }
}

#[cfg(test)]
mod tests {
    use super::super::tests::round_trip;
    use super::*;

    #[test]
    fn the_length_is_the_datagrams() {
        for probe in [&BACNET, &BACNET_DEVICE] {
            let request = probe.template();
            assert_eq!(usize::from(u16::from_be_bytes([request[2], request[3]])), request.len());
        }
        let request = BACNET.template();
        // Object type 8 (device) in the upper ten bits, the wildcard instance in the rest.
        let object = u32::from_be_bytes([request[11], request[12], request[13], request[14]]);
        assert_eq!((object >> 22, object & 0x3f_ffff), (8, 4_194_303));
    }

    #[test]
    fn the_invoke_id_comes_back() {
        round_trip(&BACNET, |request| {
            [&[0x81, 0x0a, 0, 20, 1, 0, 0x30], &request[8..9], &[0x0c; 12]].concat()
        });
    }
}

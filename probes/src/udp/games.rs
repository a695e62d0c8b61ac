//! Game servers: Source, Quake III, `RakNet`, Mumble, Teeworlds, Minetest.

use super::field::{
    check_nothing, concat, confirmed_if, contains, get, hex, is_at, judge, low8, patch_nothing, put,
};
use super::{Echo, ReplyPort, UdpProbe};

/// `A2S_INFO`; servers of today answer with a challenge of nine octets.
pub(super) static SOURCE: UdpProbe = UdpProbe {
    name: "source",
    source: "Valve Developer Community, \"Server queries\"",
    reply_port: ReplyPort::Same,
    template: b"\xff\xff\xff\xffTSource Engine Query\0",
    patch: patch_nothing,
    check: check_nothing,
};

/// `getinfo`, whose answer repeats the challenge.
pub(super) static QUAKE3: UdpProbe = UdpProbe {
    name: "quake3",
    source: "ioquake3, code/server/sv_main.c, SVC_Info: what the command takes and returns",
    reply_port: ReplyPort::Same,
    template: b"\xff\xff\xff\xffgetinfo 0000000000000000",
    patch: |payload, cookie| put(payload, 12, hex(cookie)),
    check: check_quake3,
};

/// `getstatus`, whose answer tells the program too, and who plays.
pub(super) static QUAKE3_STATUS: UdpProbe = UdpProbe {
    name: "quake3",
    source: "ioquake3, code/server/sv_main.c, SVC_Status: what the command takes and returns",
    reply_port: ReplyPort::Same,
    template: b"\xff\xff\xff\xffgetstatus 0000000000000000",
    patch: |payload, cookie| put(payload, 14, hex(cookie)),
    check: check_quake3,
};

/// Unconnected ping, whose pong repeats the time.
pub(super) static RAKNET: UdpProbe = UdpProbe {
    name: "raknet",
    source: "RakNet (BSD licence), Source/MessageIdentifiers.h: ID_UNCONNECTED_PING",
    reply_port: ReplyPort::Same,
    template: &UNCONNECTED_PING,
    patch: |payload, cookie| put(payload, 1, cookie.to_be_bytes()),
    check: check_raknet,
};

/// Version request, whose answer of 24 octets repeats the identifier.
pub(super) static MUMBLE: UdpProbe = UdpProbe {
    name: "mumble",
    source: "Mumble protocol documentation, \"UDP ping packet\"",
    reply_port: ReplyPort::Same,
    template: b"\0\0\0\0\0\0\0\0\0\0\0\0",
    patch: |payload, cookie| put(payload, 4, cookie.to_be_bytes()),
    check: check_mumble,
};

/// `gie3`: who the server is, answered with the token in decimal.
pub(super) static TEEWORLDS: UdpProbe = UdpProbe {
    name: "teeworlds",
    source: "DDNet, \"Server info\" (libtw2 documentation, connless packets of 0.6)",
    reply_port: ReplyPort::Same,
    template: b"\xff\xff\xff\xff\xff\xff\xff\xff\xff\xffgie3\0",
    patch: |payload, cookie| put(payload, 14, [low8(cookie)]),
    check: check_teeworlds,
};

/// A first packet, which the server answers by assigning a peer's number.
pub(super) static MINETEST: UdpProbe = UdpProbe {
    name: "minetest",
    source: "Luanti documentation, \"Network protocol\": low-level header, PACKET_TYPE_ORIGINAL",
    reply_port: ReplyPort::Same,
    template: b"\x4f\x45\x74\x03\0\0\0\x01",
    patch: patch_nothing,
    // Reliable or control, from the server's own number 1.
    check: |reply, _| confirmed_if(is_at(reply, 0, b"\x4f\x45\x74\x03\0\x01")),
};

/// `A2S_INFO` again, with the challenge that `reply` demands.
pub(super) fn challenged(reply: &[u8]) -> Option<Vec<u8>> {
    match reply {
        [0xff, 0xff, 0xff, 0xff, b'A', challenge @ ..] if challenge.len() == 4 => {
            Some([SOURCE.template, challenge].concat())
        }
        _ => None,
    }
}

fn check_teeworlds(reply: &[u8], cookie: u64) -> Echo {
    let Some(rest) = reply.get(10..).and_then(|rest| rest.strip_prefix(b"inf3")) else {
        return Echo::Unknown;
    };
    let digits = rest.split(|octet| *octet == 0).next().and_then(|d| str::from_utf8(d).ok());
    match digits.and_then(|digits| digits.parse::<u8>().ok()) {
        Some(token) => judge(token == low8(cookie)),
        None => Echo::Unknown,
    }
}

/// What marks `RakNet`'s messages outside a connection.
const OFFLINE_MESSAGE: [u8; 16] =
    [0, 0xff, 0xff, 0, 0xfe, 0xfe, 0xfe, 0xfe, 0xfd, 0xfd, 0xfd, 0xfd, 0x12, 0x34, 0x56, 0x78];
const UNCONNECTED_PING: [u8; 33] = concat(&[&[1], &[0; 8], &OFFLINE_MESSAGE, b"portolan"]);

fn check_quake3(reply: &[u8], cookie: u64) -> Echo {
    let answers = [b"\xff\xff\xff\xffinfoResponse", b"\xff\xff\xff\xffstatusRespon"];
    if answers.iter().any(|answer| reply.starts_with(*answer)) {
        judge(contains(reply, &hex(cookie)))
    } else {
        Echo::Unknown
    }
}

fn check_raknet(reply: &[u8], cookie: u64) -> Echo {
    match get::<9>(reply, 0) {
        Some([0x1c, time @ ..]) if is_at(reply, 17, &OFFLINE_MESSAGE) => {
            judge(time == cookie.to_be_bytes())
        }
        _ => Echo::Unknown,
    }
}

fn check_mumble(reply: &[u8], cookie: u64) -> Echo {
    match get::<8>(reply, 4) {
        Some(identifier) if reply.len() == 24 => judge(identifier == cookie.to_be_bytes()),
        _ => Echo::Unknown,
    }
}

#[cfg(test)]
mod tests {
    use super::super::tests::round_trip;
    use super::*;

    #[test]
    fn what_was_sent_comes_back() {
        round_trip(&QUAKE3, |request| {
            [b"\xff\xff\xff\xffinfoResponse\n\\challenge\\", &request[12..]].concat()
        });
        round_trip(&QUAKE3_STATUS, |request| {
            [b"\xff\xff\xff\xffstatusResponse\n\\challenge\\", &request[14..]].concat()
        });
        round_trip(&RAKNET, |request| {
            [&[0x1c], &request[1..9], b"serverid", &request[9..25], b"\0\x03MC;"].concat()
        });
        round_trip(&TEEWORLDS, |request| {
            [&request[..10], b"inf3", request[14].to_string().as_bytes(), b"\x000.6.4\0"].concat()
        });
        round_trip(&MUMBLE, |request| [&[0, 1, 4, 0], &request[4..], &[0; 12]].concat());
    }

    #[test]
    fn a_challenge_is_handed_back() {
        let asked = challenged(b"\xff\xff\xff\xffA\x01\x02\x03\x04").unwrap();
        assert_eq!(asked, b"\xff\xff\xff\xffTSource Engine Query\0\x01\x02\x03\x04");
        assert_eq!(challenged(b"\xff\xff\xff\xffI\x01\x02\x03\x04"), None);
        assert_eq!(challenged(b"\xff\xff\xff\xffA"), None);
    }
}

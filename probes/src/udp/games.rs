//! Game servers: Source, Quake III, `RakNet`, Mumble.

use super::field::{check_nothing, concat, contains, get, hex, is_at, judge, patch_nothing, put};
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

/// What marks `RakNet`'s messages outside a connection.
const OFFLINE_MESSAGE: [u8; 16] =
    [0, 0xff, 0xff, 0, 0xfe, 0xfe, 0xfe, 0xfe, 0xfd, 0xfd, 0xfd, 0xfd, 0x12, 0x34, 0x56, 0x78];
const UNCONNECTED_PING: [u8; 33] = concat(&[&[1], &[0; 8], &OFFLINE_MESSAGE, b"portolan"]);

fn check_quake3(reply: &[u8], cookie: u64) -> Echo {
    if reply.starts_with(b"\xff\xff\xff\xffinfoResponse") {
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
        round_trip(&RAKNET, |request| {
            [&[0x1c], &request[1..9], b"serverid", &request[9..25], b"\0\x03MC;"].concat()
        });
        round_trip(&MUMBLE, |request| [&[0, 1, 4, 0], &request[4..], &[0; 12]].concat());
    }
}

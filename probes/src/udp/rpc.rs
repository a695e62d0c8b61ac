//! ONC RPC: the port mapper and NFS.

use super::field::{get, judge, low32, put};
use super::{Echo, ReplyPort, UdpProbe};

/// The port mapper's null procedure, which does nothing and says so.
pub(super) static PORTMAP: UdpProbe = UdpProbe {
    name: "rpcbind",
    source: "RFC 5531 §9; RFC 1833 §3",
    reply_port: ReplyPort::Same,
    template: &call(100_000, 2, 0),
    patch,
    check,
};

/// The port mapper's list of programs, which tells what else the host runs.
pub(super) static PORTMAP_DUMP: UdpProbe = UdpProbe {
    name: "rpcbind",
    source: "RFC 5531 §9; RFC 1833 §3 (PMAPPROC_DUMP)",
    reply_port: ReplyPort::Same,
    template: &call(100_000, 2, 4),
    patch,
    check,
};

/// NFS version 3's null procedure.
pub(super) static NFS: UdpProbe = UdpProbe {
    name: "nfs",
    source: "RFC 5531 §9; RFC 1813 §3.3.0",
    reply_port: ReplyPort::Same,
    template: &call(100_003, 3, 0),
    patch,
    check,
};

/// A call without credentials: id, call, RPC version 2, program, version, procedure, and two empty
/// authenticators.
const fn call(program: u32, version: u32, procedure: u8) -> [u8; 40] {
    let [p1, p2, p3, p4] = program.to_be_bytes();
    let [v1, v2, v3, v4] = version.to_be_bytes();
    [
        0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 2, p1, p2, p3, p4, v1, v2, v3, v4, 0, 0, 0, procedure, 0,
        0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0,
    ]
}

fn patch(payload: &mut [u8], cookie: u64) {
    put(payload, 0, low32(cookie));
}

fn check(reply: &[u8], cookie: u64) -> Echo {
    match (get::<4>(reply, 0), get::<4>(reply, 4)) {
        (Some(id), Some([0, 0, 0, 1])) => judge(id == low32(cookie)),
        _ => Echo::Unknown,
    }
}

#[cfg(test)]
mod tests {
    use super::super::tests::round_trip;
    use super::*;

    #[test]
    fn calls_read_back() {
        for (probe, program, version, procedure) in
            [(&PORTMAP, 100_000, 2, 0), (&PORTMAP_DUMP, 100_000, 2, 4), (&NFS, 100_003, 3, 0)]
        {
            let words: Vec<u32> = probe
                .template()
                .chunks(4)
                .map(|word| u32::from_be_bytes(word.try_into().unwrap()))
                .collect();
            assert_eq!(words, [0, 0, 2, program, version, procedure, 0, 0, 0, 0]);
        }
    }

    #[test]
    fn the_transaction_id_comes_back() {
        round_trip(&PORTMAP, |request| [&request[..4], &[0, 0, 0, 1], &[0; 16]].concat());
    }
}

//! ONC RPC over TCP.
//!
//! Each call has a transaction id that names its program: the reply hands it back, and tells so
//! whose it is.

use super::TcpProbe;

/// The port mapper's null procedure.
pub(super) static RPCBIND: TcpProbe = TcpProbe {
    name: "rpcbind",
    source: "RFC 5531 §9, §11; RFC 1833 §3",
    ports: &[111, 32_768, 32_769, 32_770, 32_771],
    says: &call(*b"PMAP", 100_000, 2, 0),
    anywhere: true,
};

/// NFS version 3's null procedure.
pub(super) static NFS: TcpProbe = TcpProbe {
    name: "nfs",
    source: "RFC 5531 §9, §11; RFC 1813 §3.3.0",
    ports: &[2049],
    says: &call(*b"PNFS", 100_003, 3, 0),
    anywhere: false,
};

/// All that is registered.
pub(super) const DUMP: &[u8] = &call(*b"DUMP", 100_000, 2, 4);
/// NFS version 4's null procedure.
pub(super) const NFS4: &[u8] = &call(*b"NFS4", 100_003, 4, 0);
/// Null procedures of what else is usual: mounts, locks, status, quotas, directories.
pub(super) const MOUNT: &[u8] = &call(*b"MNTD", 100_005, 3, 0);
pub(super) const NLOCKMGR: &[u8] = &call(*b"NLCK", 100_021, 4, 0);
pub(super) const STATUS: &[u8] = &call(*b"STAT", 100_024, 1, 0);
pub(super) const YPSERV: &[u8] = &call(*b"YPSV", 100_004, 2, 0);
pub(super) const GLUSTERD: &[u8] = &call(*b"GLUS", 14_398_633, 2, 0);

/// One fragment, which is the last: id, call, RPC version 2, program, version, procedure, and two
/// empty authenticators.
const fn call(id: [u8; 4], program: u32, version: u32, procedure: u32) -> [u8; 44] {
    let [i1, i2, i3, i4] = id;
    let [p1, p2, p3, p4] = program.to_be_bytes();
    let [v1, v2, v3, v4] = version.to_be_bytes();
    let [c1, c2, c3, c4] = procedure.to_be_bytes();
    [
        0x80, 0, 0, 40, i1, i2, i3, i4, 0, 0, 0, 0, 0, 0, 0, 2, p1, p2, p3, p4, v1, v2, v3, v4, c1,
        c2, c3, c4, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0,
    ]
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::tcp::tests::{be24, be32};

    #[test]
    fn calls_read_back() {
        for (call, program, version, procedure) in [
            (RPCBIND.says, 100_000, 2, 0),
            (NFS.says, 100_003, 3, 0),
            (DUMP, 100_000, 2, 4),
            (GLUSTERD, 14_398_633, 2, 0),
        ] {
            assert_eq!(be24(call, 1) + 4, call.len());
            let words: Vec<_> = (8..44).step_by(4).map(|at| be32(call, at)).collect();
            assert_eq!(words, [0, 2, program, version, procedure, 0, 0, 0, 0]);
        }
    }
}

//! Disks and files over the network.

use super::TcpProbe;

/// A discovery session, without authentication.
pub(super) static ISCSI: TcpProbe = TcpProbe {
    name: "iscsi",
    source: "RFC 7143 §11.12, §13",
    ports: &[860, 3260],
    says: b"\x43\x87\0\0\0\0\0\x47\x80\0\0\x01\0\0\0\0\0\0\0\x01\0\0\0\0\
        \0\0\0\x01\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\
        InitiatorName=iqn.2026-11.invalid.portolan:probe\0SessionType=Discovery\0\0",
    anywhere: false,
};

/// The size of messages, and the protocol.
pub(super) static NINE_P: TcpProbe = TcpProbe {
    name: "9pfs",
    source: "Plan 9, version(5)",
    ports: &[564, 5640],
    says: b"\x13\0\0\0\x64\xff\xff\0\x20\0\0\x06\09P2000",
    anywhere: false,
};

/// Types of services, the shortest of the lists.
pub(super) static SLP: TcpProbe = TcpProbe {
    name: "slp",
    source: "RFC 2608 §8, §10.1",
    ports: &[427],
    says: b"\x02\x09\0\0\x1d\0\0\0\0\0PL\0\x02en\0\0\xff\xff\0\x07default",
    anywhere: false,
};

#[cfg(test)]
mod tests {
    use super::*;
    use crate::tcp::tests::{be24, le32};

    #[test]
    fn packets_are_as_long_as_they_say() {
        let text = be24(ISCSI.says, 5);
        assert_eq!(48 + text.next_multiple_of(4), ISCSI.says.len());
        assert!(ISCSI.says[..48 + text].ends_with(b"=Discovery\0"));
        assert_eq!(le32(NINE_P.says, 0), NINE_P.says.len());
        assert_eq!(be24(SLP.says, 2), SLP.says.len());
    }
}

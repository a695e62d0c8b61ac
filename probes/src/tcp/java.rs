//! What virtual machines of Java open of themselves.

use super::TcpProbe;

/// The stream protocol.
pub(super) static RMI: TcpProbe = TcpProbe {
    name: "java-rmi",
    source: "Java Remote Method Invocation Specification, §10.2",
    ports: &[
        1090, 1098, 1099, 1199, 4444, 4445, 7199, 8686, 9010, 9012, 9999, 10_099, 11_099, 47_001,
    ],
    says: b"JRMI\0\x02\x4b",
    anywhere: true,
};

/// The debugger's handshake.
pub(super) static JDWP: TcpProbe = TcpProbe {
    name: "jdwp",
    source: "Java Debug Wire Protocol, §JDWP Start Up",
    ports: &[5005, 8000, 8453, 8787, 9009],
    says: b"JDWP-Handshake",
    anywhere: true,
};

/// Which virtual machine it is.
pub(super) const JDWP_VERSION: &[u8] = b"\0\0\0\x0b\0\0\0\x01\0\x01\x01";

#[cfg(test)]
mod tests {
    use super::*;
    use crate::tcp::tests::be32;

    #[test]
    fn packets_are_as_long_as_they_say() {
        assert_eq!(be32(JDWP_VERSION, 0), JDWP_VERSION.len());
    }
}

//! Between operators.

use super::TcpProbe;

/// Exchanges capabilities, as every peer does first.
pub(super) static DIAMETER: TcpProbe = TcpProbe {
    name: "diameter",
    source: "RFC 6733 §3, §5.3.1",
    ports: &[3868, 5868],
    says: b"\x01\0\0\x74\x80\0\x01\x01\0\0\0\0PORTPORT\
        \0\0\x01\x08\x40\0\0\x18portolan.invalid\
        \0\0\x01\x28\x40\0\0\x0finvalid\0\
        \0\0\x01\x01\x40\0\0\x0e\0\x01\x7f\0\0\x01\0\0\
        \0\0\x01\x0a\x40\0\0\x0c\0\0\0\0\
        \0\0\x01\x0d\0\0\0\x10portolan\
        \0\0\x01\x02\x40\0\0\x0c\xff\xff\xff\xff",
    anywhere: false,
};

/// Asks whether the link is there.
pub(super) static SMPP: TcpProbe = TcpProbe {
    name: "smpp",
    source: "SMPP v3.4 §4.11",
    ports: &[2775, 3550],
    says: b"\0\0\0\x10\0\0\0\x15\0\0\0\0\0\0\0\x01",
    anywhere: false,
};

#[cfg(test)]
mod tests {
    use super::*;
    use crate::tcp::tests::{be24, be32};

    #[test]
    fn attributes_fill_the_message() {
        let message = DIAMETER.says;
        assert_eq!(be24(message, 1), message.len());
        let mut at = 20;
        while at < message.len() {
            at += be24(message, at + 5).next_multiple_of(4);
        }
        assert_eq!(at, message.len());
        assert_eq!(be32(SMPP.says, 0), SMPP.says.len());
    }
}

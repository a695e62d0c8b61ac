//! Payloads whose echo is simple: a service that sends back what it got proves the whole cookie.

use portolan_core::udp::{Echo, UdpPayloads};

/// The port whose service answers from another port, RFC 1350 §4.
pub(crate) const TFTP: u16 = 69;

/// Eight octets of cookie for every port but those divisible by seven, which get an empty
/// datagram.
#[derive(Debug, Clone, Copy, Default)]
pub struct EchoPayloads;

impl EchoPayloads {
    /// Whether a reply from `port` proves anything.
    pub const fn echoes(port: u16) -> bool {
        !port.is_multiple_of(7)
    }
}

impl UdpPayloads for EchoPayloads {
    fn template(&self, port: u16) -> &[u8] {
        if Self::echoes(port) { &[0; 8] } else { &[] }
    }

    fn patch(&self, _port: u16, payload: &mut [u8], cookie: u64) {
        for (octet, part) in payload.iter_mut().zip(cookie.to_be_bytes()) {
            *octet = part;
        }
    }

    fn check(&self, port: u16, reply: &[u8], cookie: u64) -> Echo {
        if !Self::echoes(port) {
            Echo::Unknown
        } else if reply == cookie.to_be_bytes() {
            Echo::Confirmed
        } else {
            Echo::Contradicted
        }
    }

    fn answers_from_elsewhere(&self, port: u16) -> bool {
        port == TFTP
    }
}

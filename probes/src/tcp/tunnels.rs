//! Tunnels and proxies.

use super::TcpProbe;

/// Starts the control connection.
pub(super) static PPTP: TcpProbe = TcpProbe {
    name: "pptp",
    source: "RFC 2637 §2.1",
    ports: &[1723],
    says: b"\0\x9c\0\x01\x1a\x2b\x3c\x4d\0\x01\0\0\x01\0\0\0\0\0\0\x03\0\0\0\x03\0\0\0\0\
        portolan\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\
        \0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\
        portolan\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\
        \0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0",
    anywhere: false,
};

/// A client's first packet.
pub(super) static OPENVPN: TcpProbe = TcpProbe {
    name: "openvpn",
    source: "OpenVPN wire protocol (draft-openvpn-wire-protocol), §TCP, §P_CONTROL_HARD_RESET",
    ports: &[1194, 1195],
    says: b"\0\x0e\x38portolan\0\0\0\0\0",
    anywhere: true,
};

/// Offers no authentication, and a name and a password.
pub(super) static SOCKS5: TcpProbe = TcpProbe {
    name: "socks5",
    source: "RFC 1928 §3",
    ports: &[1080, 1081, 1085, 7890, 7891, 8889, 9050, 9150, 10_808],
    says: b"\x05\x02\0\x02",
    anywhere: true,
};

/// A connection to nowhere: 0.0.0.0, port 0.
pub(super) static SOCKS4: TcpProbe = TcpProbe {
    name: "socks4",
    source: "SOCKS: A protocol for TCP proxy across firewalls (SOCKS 4), Y.-D. Lee",
    ports: &[1080, 9050],
    says: b"\x04\x01\0\0\0\0\0\0\0",
    anywhere: false,
};

/// How the controller may authenticate, with the version.
pub(super) static TOR_CONTROL: TcpProbe = TcpProbe {
    name: "tor-control",
    source: "Tor control protocol, §3.21 PROTOCOLINFO",
    ports: &[9051, 9052, 9151],
    says: b"PROTOCOLINFO 1\r\n",
    anywhere: false,
};

/// A handshake about nothing.
pub(super) static BITTORRENT: TcpProbe = TcpProbe {
    name: "bittorrent",
    source: "BEP 3, peer protocol",
    ports: &[6881, 6882, 6883, 6889, 51_413],
    says: b"\x13BitTorrent protocol\0\0\0\0\0\0\0\0\
        \0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0-PT0000-portolanprob",
    anywhere: false,
};

/// A message that no session knows: a router that knows us answers with a notification.
pub(super) static BGP: TcpProbe = TcpProbe {
    name: "bgp",
    source: "RFC 4271 §4.4, §6.6",
    ports: &[179],
    says: b"\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\0\x13\x04",
    anywhere: false,
};

#[cfg(test)]
mod tests {
    use super::*;
    use crate::tcp::tests::be16;

    #[test]
    fn packets_are_as_long_as_they_say() {
        assert_eq!(be16(PPTP.says, 0), PPTP.says.len());
        assert_eq!(be16(OPENVPN.says, 0) + 2, OPENVPN.says.len());
        assert_eq!(BITTORRENT.says.len(), 68);
        assert_eq!(be16(BGP.says, 16), BGP.says.len());
    }
}

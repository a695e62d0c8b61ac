//! Other people's screens: X11, Guacamole, SPICE, Android, and the remote shell of old.

use super::TcpProbe;

/// A client's first words, without authorisation.
pub(super) static X11: TcpProbe = TcpProbe {
    name: "x11",
    source: "X Window System Protocol, version 11, §8",
    ports: &[6000, 6001, 6002, 6003, 6004, 6005, 6006, 6007, 6008, 6009, 6010, 6063],
    says: b"\x6c\0\x0b\0\0\0\0\0\0\0\0\0",
    anywhere: true,
};

/// Which arguments a connection wants.
pub(super) static GUACD: TcpProbe = TcpProbe {
    name: "guacd",
    source: "Apache Guacamole manual, the Guacamole protocol, handshake phase",
    ports: &[4822],
    says: b"6.select,3.vnc;",
    anywhere: false,
};

/// The link to the main channel.
pub(super) static SPICE: TcpProbe = TcpProbe {
    name: "spice",
    source: "SPICE protocol 1.0, §3 link, RedLinkMess",
    ports: &[5930, 5931, 5932],
    says: b"REDQ\x02\0\0\0\x02\0\0\0\x12\0\0\0\0\0\0\0\x01\0\0\0\0\0\0\0\0\0\x12\0\0\0",
    anywhere: false,
};

/// A host's greeting.
pub(super) static ADB: TcpProbe = TcpProbe {
    name: "adb",
    source: "Android platform, packages/modules/adb, protocol.txt",
    ports: &[5555, 5556],
    says: b"CNXN\0\0\0\x01\0\x10\0\0\x07\0\0\0\x32\x02\0\0\xbc\xb1\xa7\xb1host::\0",
    anywhere: false,
};

/// Asks in for a user who does not exist: refused, or asked for a password that is not given.
pub(super) static RLOGIN: TcpProbe = TcpProbe {
    name: "login",
    source: "RFC 1282 §Connection Establishment",
    ports: &[513],
    says: b"\0portolan\0portolan\0vt100/9600\0",
    anywhere: false,
};

/// A port for errors of zero, which means none; a client from no privileged port is told so.
pub(super) static RSH: TcpProbe = TcpProbe {
    name: "shell",
    source: "rshd(8), 4.3BSD",
    ports: &[514],
    says: b"\0",
    anywhere: false,
};

#[cfg(test)]
mod tests {
    use super::*;
    use crate::tcp::tests::le32;

    #[test]
    fn the_bridges_packet_adds_up() {
        let data = &ADB.says[24..];
        assert_eq!(le32(ADB.says, 12), data.len());
        assert_eq!(le32(ADB.says, 16), data.iter().map(|octet| usize::from(*octet)).sum());
        assert_eq!(le32(ADB.says, 20), le32(b"CNXN", 0) ^ 0xffff_ffff);
    }

    #[test]
    fn the_link_is_as_long_as_it_says() {
        assert_eq!(le32(SPICE.says, 12) + 16, SPICE.says.len());
    }
}

//! Worlds and rooms.

use super::TcpProbe;

/// The list's entry: version, players, motto.
pub(super) static MINECRAFT: TcpProbe = TcpProbe {
    name: "minecraft",
    source: "Minecraft protocol, Server List Ping, as wiki.vg had it",
    ports: &[25_565, 25_566, 25_575],
    // Handshake of an unknown version, to the status; and the request for it.
    says: b"\x13\0\xff\xff\xff\xff\x0f\x09localhost\x63\xdd\x01\x01\0",
    anywhere: false,
};

/// The same before version 1.7.
pub(super) static MINECRAFT_OLD: TcpProbe = TcpProbe {
    name: "minecraft",
    source: "Minecraft protocol, Server List Ping, 1.4 to 1.5",
    ports: &[25_565],
    says: b"\xfe\x01",
    anywhere: false,
};

/// The server's version, which some tell before anybody has registered.
pub(super) static IRC: TcpProbe = TcpProbe {
    name: "irc",
    source: "RFC 2812 §3.4.3",
    ports: &[194, 6660, 6661, 6665, 6666, 6667, 6668, 6669, 6697, 7000],
    says: b"VERSION\r\n",
    anywhere: false,
};

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn packets_are_as_long_as_they_say() {
        let len = usize::from(MINECRAFT.says[0]);
        assert_eq!(&MINECRAFT.says[1 + len..], b"\x01\0");
    }
}

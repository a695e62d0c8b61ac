//! Who watches over machines, saves them, and keeps them powered.

use super::TcpProbe;
use crate::udp::field::concat;

/// The agent's version.
pub(super) static ZABBIX_AGENT: TcpProbe = TcpProbe {
    name: "zabbix-agent",
    source: "Zabbix manual, Appendix 5, Passive and active agent checks; Header",
    ports: &[10_050],
    says: b"ZBXD\x01\x0d\0\0\0\0\0\0\0agent.version",
    anywhere: false,
};

/// The server's queue, which is refused to who has no session.
pub(super) static ZABBIX_SERVER: TcpProbe = TcpProbe {
    name: "zabbix-trapper",
    source: "Zabbix manual, Appendix 5, Header; frontend's CZabbixServer, queue.get",
    ports: &[10_051, 10_052],
    says: b"ZBXD\x01\x36\0\0\0\0\0\0\0\
        {\"request\":\"queue.get\",\"sid\":\"portolan\",\"type\":\"none\"}",
    anywhere: false,
};

/// The daemon's own check, which runs nothing.
pub(super) static NRPE: TcpProbe = TcpProbe {
    name: "nrpe",
    source: "NRPE, include/common.h, packet version 2",
    ports: &[5666],
    says: &nrpe_2(),
    anywhere: false,
};

/// Version 2, a query: check, result, text of 1,024 octets, two to fill up.
const fn nrpe_2() -> [u8; 1_036] {
    let packet: [u8; 1_036] =
        concat(&[b"\0\x02\0\x01\0\0\0\0\0\0_NRPE_CHECK", &[0; 1_024 - 11], b"\0\0"]);
    let [_, _, _, _, _, _, _, _, _, _, text @ ..] = packet;
    let [c1, c2, c3, c4] = crc32(&packet).to_be_bytes();
    concat(&[b"\0\x02\0\x01", &[c1, c2, c3, c4], b"\0\0", &text])
}

/// The check of ISO 3309.
const fn crc32(octets: &[u8]) -> u32 {
    let mut crc = u32::MAX;
    let mut rest = octets;
    while let [octet, more @ ..] = rest {
        let [low, high @ ..] = crc.to_le_bytes();
        let [b, c, d] = high;
        crc = u32::from_le_bytes([low ^ *octet, b, c, d]);
        let mut bit = 0;
        while bit < 8 {
            crc = if crc & 1 == 0 { crc >> 1 } else { (crc >> 1) ^ 0xedb8_8320 };
            bit += 1;
        }
        rest = more;
    }
    !crc
}

/// A console's greeting: a challenge comes back, and is left.
pub(super) static BACULA: TcpProbe = TcpProbe {
    name: "bacula",
    source: "Bacula developer's guide, Director's protocol; Hello",
    ports: &[9101],
    says: b"\0\0\0\x1aHello *UserAgent* calling\n",
    anywhere: false,
};

/// The director's greeting to who keeps files and volumes, with its usual name.
pub(super) static BACULA_DAEMON: TcpProbe = TcpProbe {
    name: "bacula",
    source: "Bacula developer's guide, File Services Daemon; Hello",
    ports: &[9102, 9103],
    says: b"\0\0\0\x22Hello Director bacula-dir calling\n",
    anywhere: false,
};

/// The version of what keeps watch over supplies of power.
pub(super) static NUT: TcpProbe = TcpProbe {
    name: "nut",
    source: "RFC 9271 §4.2.10",
    ports: &[3493],
    says: b"VER\n",
    anywhere: false,
};

/// The supply's state.
pub(super) static APCUPSD: TcpProbe = TcpProbe {
    name: "apcupsd",
    source: "apcupsd user's manual, NIS Network Server Protocol",
    ports: &[3551],
    says: b"\0\x06status",
    anywhere: false,
};

/// The version.
pub(super) static GPSD: TcpProbe = TcpProbe {
    name: "gpsd",
    source: "gpsd_json(5), ?VERSION",
    ports: &[2947],
    says: b"?VERSION;\n",
    anywhere: false,
};

/// The remote control's version.
pub(super) static LIRC: TcpProbe = TcpProbe {
    name: "lirc",
    source: "lircd(8), Socket command interface, VERSION",
    ports: &[8765],
    says: b"VERSION\n",
    anywhere: false,
};

/// A display's client.
pub(super) static LCDPROC: TcpProbe = TcpProbe {
    name: "lcdproc",
    source: "LCDproc developer's guide, hello",
    ports: &[13_666],
    says: b"hello\n",
    anywhere: false,
};

/// Commands of the counter's console.
pub(super) static STATSD_ADMIN: TcpProbe = TcpProbe {
    name: "statsd-admin",
    source: "StatsD, docs/admin_interface.md",
    ports: &[8126],
    says: b"help\n",
    anywhere: false,
};

#[cfg(test)]
mod tests {
    use super::*;
    use crate::tcp::tests::{be16, be32, le32};

    #[test]
    fn packets_are_as_long_as_they_say() {
        for packet in [ZABBIX_AGENT.says, ZABBIX_SERVER.says] {
            assert_eq!(le32(packet, 5) + 13, packet.len());
        }
        for packet in [BACULA.says, BACULA_DAEMON.says] {
            assert_eq!(be32(packet, 0) + 4, packet.len());
        }
        assert_eq!(be16(APCUPSD.says, 0) + 2, APCUPSD.says.len());
    }

    #[test]
    fn the_check_is_the_one_of_the_catalogue() {
        assert_eq!(crc32(b"123456789"), 0xcbf4_3926);
        let mut packet = NRPE.says.to_vec();
        assert_eq!(be32(&packet, 4), usize::try_from(crc32(&nulled(&mut packet))).unwrap());
        assert_eq!(&NRPE.says[10..22], b"_NRPE_CHECK\0");
    }

    fn nulled(packet: &mut [u8]) -> Vec<u8> {
        packet[4..8].fill(0);
        packet.to_vec()
    }
}

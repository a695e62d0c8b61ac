//! Plants and buildings: only what reads who a device is.

use super::TcpProbe;
use crate::udp::field::concat;

/// Reads the device's identification, unit 1.
pub(super) static MODBUS: TcpProbe = TcpProbe {
    name: "modbus",
    source: "MODBUS Application Protocol V1.1b3 §6.21; MODBUS Messaging on TCP/IP V1.0b §3.1.3",
    ports: &[502, 503, 1502, 5020],
    says: b"\0\x01\0\0\0\x05\x01\x2b\x0e\x01\0",
    anywhere: false,
};

/// `ListIdentity`.
pub(super) static ENIP: TcpProbe = TcpProbe {
    name: "ethernet-ip",
    source: "ODVA, The CIP Networks Library, volume 2, §2-4.2",
    ports: &[2221, 2222, 44_818],
    says: b"\x63\0\0\0\0\0\0\0\0\0\0\0portolan\0\0\0\0",
    anywhere: false,
};

/// A connection to the processor in rack 0, slot 2.
pub(super) static S7: TcpProbe = TcpProbe {
    name: "iso-tsap",
    source: "RFC 1006 §6; ITU-T X.224 §13.3; RFC 905",
    ports: &[102],
    says: b"\x03\0\0\x16\x11\xe0\0\0\0\x01\0\xc0\x01\x0a\xc1\x02\x01\0\xc2\x02\x01\x02",
    anywhere: false,
};

/// The size of messages; then the lists of the module's and the component's identification.
pub(super) const S7_SETUP: &[u8] =
    b"\x03\0\0\x19\x02\xf0\x80\x32\x01\0\0\0\0\0\x08\0\0\xf0\0\0\x01\0\x01\x01\xe0";
pub(super) const S7_MODULE: &[u8] = &read_list(0x11);
pub(super) const S7_COMPONENT: &[u8] = &read_list(0x1c);

/// Reads the system status list `id`, all of its indices.
const fn read_list(id: u8) -> [u8; 33] {
    [
        0x03, 0, 0, 33, 0x02, 0xf0, 0x80, 0x32, 0x07, 0, 0, 0, 1, 0, 8, 0, 8, 0, 1, 0x12, 4, 0x11,
        0x44, 1, 0, 0xff, 9, 0, 4, 0, id, 0, 0,
    ]
}

/// Asks the outstations at the usual addresses for the state of the link.
pub(super) static DNP3: TcpProbe = TcpProbe {
    name: "dnp3",
    source: "IEEE 1815-2012 §9.2",
    ports: &[20_000, 19_999],
    says: &DNP3_SAYS,
    anywhere: false,
};

const DNP3_SAYS: [u8; 50] = concat(&[
    &link_status(0),
    &link_status(1),
    &link_status(4),
    &link_status(10),
    &link_status(1024),
]);

/// "Request link status" from the master 3 to `outstation`.
const fn link_status(outstation: u16) -> [u8; 10] {
    let [low, high] = outstation.to_le_bytes();
    let [c1, c2] = crc_dnp(&[0x05, 0x64, 5, 0xc9, low, high, 3, 0]).to_le_bytes();
    [0x05, 0x64, 5, 0xc9, low, high, 3, 0, c1, c2]
}

/// The check of a block: polynomial 0x3d65 from the low end, complemented.
const fn crc_dnp(octets: &[u8]) -> u16 {
    let mut crc = 0_u16;
    let mut rest = octets;
    while let [octet, more @ ..] = rest {
        let [low, high] = crc.to_le_bytes();
        crc = u16::from_le_bytes([low ^ *octet, high]);
        let mut bit = 0;
        while bit < 8 {
            crc = if crc & 1 == 0 { crc >> 1 } else { (crc >> 1) ^ 0xa6bc };
            bit += 1;
        }
        rest = more;
    }
    !crc
}

/// Tests the link: no data is started.
pub(super) static IEC104: TcpProbe = TcpProbe {
    name: "iec-104",
    source: "IEC 60870-5-104 §5.2",
    ports: &[2404],
    says: b"\x68\x04\x43\0\0\0",
    anywhere: false,
};

/// Sizes of buffers, to no endpoint in particular.
pub(super) static OPCUA: TcpProbe = TcpProbe {
    name: "opcua-tcp",
    source: "OPC UA Part 6 §7.1.2.3",
    ports: &[4840, 4841, 4843, 4855, 48_010, 48_020, 48_040, 53_530],
    says: b"HELF\x38\0\0\0\0\0\0\0\0\0\x01\0\0\0\x01\0\0\0\0\0\0\0\0\0\
        \x18\0\0\0opc.tcp://localhost:4840",
    anywhere: false,
};

/// "Hello".
pub(super) static FOX: TcpProbe = TcpProbe {
    name: "niagara-fox",
    source: "Tridium, Niagara Fox, hello frame",
    ports: &[1911, 4911],
    says: b"fox a 1 -1 fox hello\n{\nfox.version=s:1.0\nid=i:1\n};;\n",
    anywhere: false,
};

/// Asks for the addresses of both ends, which opens the protocol over TCP.
pub(super) static FINS: TcpProbe = TcpProbe {
    name: "omron-fins",
    source: "Omron W421, §7-4 FINS/TCP",
    ports: &[9600],
    says: b"FINS\0\0\0\x0c\0\0\0\0\0\0\0\0\0\0\0\0",
    anywhere: false,
};

/// Reads the processor's model.
pub(super) static SLMP: TcpProbe = TcpProbe {
    name: "melsec-slmp",
    source: "CC-Link Partner Association, SLMP specification, Read Type Name",
    ports: &[5006, 5007],
    says: b"\x50\0\0\xff\xff\x03\0\x06\0\x10\0\x01\x01\0\0",
    anywhere: false,
};

/// The first, empty packet.
pub(super) static GE_SRTP: TcpProbe = TcpProbe {
    name: "ge-srtp",
    source: "Denton et al., Leveraging the SRTP protocol for over-the-network memory acquisition, \
        DFRWS 2017, §4",
    ports: &[18_245, 18_246],
    says: &[0; 56],
    anywhere: false,
};

/// Begins a session that times out by itself.
pub(super) static HART: TcpProbe = TcpProbe {
    name: "hart-ip",
    source: "FieldComm Group HCF_SPEC-085 §10",
    ports: &[5094],
    says: b"\x01\0\0\0\0\x01\0\x0d\x01\0\0\x75\x30",
    anywhere: false,
};

/// Describes itself.
pub(super) static KNX: TcpProbe = TcpProbe {
    name: "knxnet-ip",
    source: "KNX Standard 03_08_02 §7.7",
    ports: &[3671],
    says: b"\x06\x10\x02\x03\0\x0e\x08\x02\0\0\0\0\0\0",
    anywhere: false,
};

/// What is in the tanks.
pub(super) static TANKS: TcpProbe = TcpProbe {
    name: "automated-tank-gauge",
    source: "Veeder-Root 576013-635, Serial Interface Manual, function 201",
    ports: &[10_001],
    says: b"\x01I20100\n",
    anywhere: false,
};

#[cfg(test)]
mod tests {
    use super::*;
    use crate::tcp::tests::{be16, be32, le16, le32};

    #[test]
    fn packets_are_as_long_as_they_say() {
        assert_eq!(be16(MODBUS.says, 4) + 6, MODBUS.says.len());
        assert_eq!(le16(ENIP.says, 2) + 24, ENIP.says.len());
        for packet in [S7.says, S7_SETUP, S7_MODULE, S7_COMPONENT] {
            assert_eq!(be16(packet, 2), packet.len());
        }
        for packet in [S7_SETUP, S7_MODULE, S7_COMPONENT] {
            let header = 17;
            assert_eq!(header + be16(packet, 13) + be16(packet, 15), packet.len());
        }
        assert_eq!(le32(OPCUA.says, 4), OPCUA.says.len());
        assert_eq!(le32(OPCUA.says, 28) + 32, OPCUA.says.len());
        assert_eq!(be32(FINS.says, 4) + 8, FINS.says.len());
        assert_eq!(le16(SLMP.says, 7) + 9, SLMP.says.len());
        assert_eq!(be16(HART.says, 6), HART.says.len());
        assert_eq!(be16(KNX.says, 4), KNX.says.len());
    }

    #[test]
    fn the_check_is_the_one_of_the_catalogue() {
        // CRC-16/DNP of "123456789".
        assert_eq!(crc_dnp(b"123456789"), 0xea82);
    }
}

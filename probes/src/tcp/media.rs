//! Calls and streams: SIP, RTSP, STUN, audio in rooms.

use super::TcpProbe;

/// What the server can do.
pub(super) static RTSP: TcpProbe = TcpProbe {
    name: "rtsp",
    source: "RFC 2326 §10.1",
    ports: &[322, 554, 1935, 5000, 5554, 7070, 7236, 8000, 8322, 8554, 10_554],
    says: b"OPTIONS * RTSP/1.0\r\nCSeq: 1\r\n\r\n",
    anywhere: true,
};

/// `OPTIONS` with `Max-Forwards: 0`, so that whoever receives it answers and nobody passes it on.
pub(super) static SIP: TcpProbe = TcpProbe {
    name: "sip",
    source: "RFC 3261 §11, §18.2.1",
    ports: &[5060, 5061, 5062, 5070, 5080, 5160],
    says: b"OPTIONS sip:portolan.invalid SIP/2.0\r\n\
        Via: SIP/2.0/TCP portolan.invalid;rport;branch=z9hG4bKportolan\r\n\
        Max-Forwards: 0\r\n\
        From: <sip:probe@portolan.invalid>;tag=portolan\r\n\
        To: <sip:portolan.invalid>\r\n\
        Call-ID: portolan@portolan.invalid\r\n\
        CSeq: 1 OPTIONS\r\n\
        Contact: <sip:probe@portolan.invalid;transport=tcp>\r\n\
        Accept: application/sdp\r\n\
        Content-Length: 0\r\n\r\n",
    anywhere: true,
};

/// Where the asker is seen from.
pub(super) static STUN: TcpProbe = TcpProbe {
    name: "stun",
    source: "RFC 8489 §5, §6.2.2",
    ports: &[3478, 3479, 5349, 5350, 19_302],
    says: b"\0\x01\0\0\x21\x12\xa4\x42portolan-tcp",
    anywhere: false,
};

/// What the server of synchronous audio has, with its version.
pub(super) static SNAPCAST: TcpProbe = TcpProbe {
    name: "snapcast",
    source: "Snapcast, JSON RPC API, Server.GetStatus",
    ports: &[1705],
    says: b"{\"id\":1,\"jsonrpc\":\"2.0\",\"method\":\"Server.GetStatus\"}\r\n",
    anywhere: false,
};

/// How the scanner's daemon speaks.
pub(super) static SANE: TcpProbe = TcpProbe {
    name: "sane-port",
    source: "SANE Standard 1.06, §5.2.1",
    ports: &[6566],
    says: b"\0\0\0\0\x01\0\0\x03\0\0\0\x09portolan\0",
    anywhere: false,
};

/// Which protocols the chat's core speaks, without encryption or compression.
pub(super) static QUASSEL: TcpProbe = TcpProbe {
    name: "quassel",
    source: "Quassel IRC, protocol negotiation (protocol.h, PeerFactory)",
    ports: &[4242],
    says: b"\x42\xb3\x3f\0\x80\0\0\x02",
    anywhere: false,
};

/// Whether an application of medical images answers: verification, for anybody.
pub(super) static DICOM: TcpProbe = TcpProbe {
    name: "dicom",
    source: "DICOM PS3.8 §9.3.2; PS3.7 Annex D.3.3",
    ports: &[104, 2761, 2762, 4006, 4242, 11_112],
    says: b"\x01\0\0\0\0\xac\0\x01\0\0\
        ANY-SCP         PORTOLAN        \
        \0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\
        \x10\0\0\x151.2.840.10008.3.1.1.1\
        \x20\0\0\x2e\x01\0\0\0\x30\0\0\x111.2.840.10008.1.1\x40\0\0\x111.2.840.10008.1.2\
        \x50\0\0\x19\x51\0\0\x04\0\0\x40\0\x52\0\0\x0d2.25.20261125",
    anywhere: false,
};

#[cfg(test)]
mod tests {
    use super::*;
    use crate::tcp::tests::{be16, be32};

    #[test]
    fn every_mandatory_header_is_there_once() {
        let text = str::from_utf8(SIP.says).unwrap();
        assert!(text.ends_with("\r\n\r\n"));
        for name in ["Via", "Max-Forwards", "From", "To", "Call-ID", "CSeq", "Content-Length"] {
            assert_eq!(text.lines().filter(|l| l.starts_with(&format!("{name}: "))).count(), 1);
        }
    }

    #[test]
    fn items_are_as_long_as_they_say() {
        assert_eq!(be32(DICOM.says, 2) + 6, DICOM.says.len());
        let mut at = 74;
        while at < DICOM.says.len() {
            at += 4 + be16(DICOM.says, at + 2);
        }
        assert_eq!(at, DICOM.says.len());
        assert_eq!(STUN.says.len(), 20);
        assert_eq!(be32(SANE.says, 8) + 12, SANE.says.len());
    }
}

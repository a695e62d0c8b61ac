//! The small services of one line: finger, ident, whois, gopher, gemini and their like.

use super::TcpProbe;

/// Who is logged in, in the short form.
pub(super) static FINGER: TcpProbe = TcpProbe {
    name: "finger",
    source: "RFC 1288 §2.3",
    ports: &[79],
    says: b"\r\n",
    anywhere: false,
};

/// Whose a connection is that does not exist.
pub(super) static IDENT: TcpProbe = TcpProbe {
    name: "ident",
    source: "RFC 1413 §4",
    ports: &[113],
    says: b"1, 1\r\n",
    anywhere: false,
};

/// How to ask.
pub(super) static WHOIS: TcpProbe = TcpProbe {
    name: "whois",
    source: "RFC 3912 §2",
    ports: &[43, 4343],
    says: b"help\r\n",
    anywhere: false,
};

/// The root menu.
pub(super) static GOPHER: TcpProbe = TcpProbe {
    name: "gopher",
    source: "RFC 1436 §2",
    ports: &[70],
    says: b"\r\n",
    anywhere: false,
};

/// The root page; inside TLS.
pub(super) static GEMINI: TcpProbe = TcpProbe {
    name: "gemini",
    source: "Gemini network protocol specification 0.24.1, §2",
    ports: &[1965],
    says: b"gemini://localhost/\r\n",
    anywhere: false,
};

/// Words and where they are defined.
pub(super) static DICT: TcpProbe = TcpProbe {
    name: "dict",
    source: "RFC 2229 §3.11",
    ports: &[2628],
    says: b"SHOW SERVER\r\n",
    anywhere: false,
};

/// Which versions of the protocol the anonymous network's client bridge speaks.
pub(super) static I2P_SAM: TcpProbe = TcpProbe {
    name: "i2p-sam",
    source: "I2P, SAM V3, handshake",
    ports: &[7656],
    says: b"HELLO VERSION\n",
    anywhere: false,
};

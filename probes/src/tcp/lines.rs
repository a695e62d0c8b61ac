//! What makes line protocols say what they are.

use super::TcpProbe;

/// Two empty lines: who waits for a line complains, who waits for a header's end answers.
pub(super) static LINES: TcpProbe = TcpProbe {
    name: "lines",
    source: "RFC 854 §NVT; what line protocols have in common",
    ports: &[7, 13, 17, 19, 1986, 2401, 4557, 4559, 5038, 9051],
    says: b"\r\n\r\n",
    anywhere: true,
};

/// A request for help, which most line protocols know or name themselves in refusing.
pub(super) static HELP: TcpProbe = TcpProbe {
    name: "help",
    source: "RFC 959 §4.1.3; RFC 5321 §4.1.1.8; RFC 3977 §7.2",
    ports: &[21, 25, 119, 587, 8125, 8126],
    says: b"HELP\r\n",
    anywhere: true,
};

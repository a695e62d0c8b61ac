//! What makes line protocols say what they are.

use super::TcpProbe;

/// Two empty lines: who waits for a line complains, who waits for a header's end answers.
pub(super) static LINES: TcpProbe = TcpProbe {
    name: "lines",
    source: "RFC 854 §NVT; what line protocols have in common",
    ports: &[7],
    says: b"\r\n\r\n",
    anywhere: true,
};

/// A request for help, which most line protocols know or name themselves in refusing.
pub(super) static HELP: TcpProbe = TcpProbe {
    name: "help",
    source: "RFC 959 §4.1.3; RFC 5321 §4.1.1.8; RFC 3977 §7.2",
    // Where it is usual the server speaks first, and is asked for help once it has.
    ports: &[],
    says: b"HELP\r\n",
    anywhere: true,
};

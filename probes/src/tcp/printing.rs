//! Printers, which print what they do not understand.

use super::TcpProbe;

/// Which printer it is, in the language of jobs, and out of it again: nothing is printed.
pub(super) static JETDIRECT: TcpProbe = TcpProbe {
    name: "jetdirect",
    source: "HP, Printer Job Language Technical Reference Manual, INFO",
    ports: &[9100, 9101, 9102, 9103, 9104, 9105, 9106, 9107],
    says: b"\x1b%-12345X@PJL INFO ID\r\n\x1b%-12345X",
    anywhere: false,
};

/// What waits in the queue, in the short form.
pub(super) static LPD: TcpProbe = TcpProbe {
    name: "printer",
    source: "RFC 1179 §5.3",
    ports: &[515],
    says: b"\x03default\n",
    anywhere: false,
};

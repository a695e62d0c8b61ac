//! Syslog.

use super::field::{check_nothing, patch_nothing};
use super::{ReplyPort, UdpProbe};

/// A debug message that says what it is. Nothing ever answers; a closed port does, by ICMP.
pub(super) static SYSLOG: UdpProbe = UdpProbe {
    name: "syslog",
    source: "RFC 5424 §6; RFC 5426 §3",
    reply_port: ReplyPort::Same,
    template: b"<47>1 - - portolan - - - port probe",
    patch: patch_nothing,
    check: check_nothing,
};

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_message_has_the_seven_header_fields() {
        let text = str::from_utf8(SYSLOG.template()).unwrap();
        let fields: Vec<&str> = text.splitn(8, ' ').collect();
        // Facility 5, syslog itself; severity 7, debug.
        assert_eq!(fields, ["<47>1", "-", "-", "portolan", "-", "-", "-", "port probe"]);
        assert_eq!((47 / 8, 47 % 8), (5, 7));
    }
}

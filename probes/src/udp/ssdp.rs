//! The Simple Service Discovery Protocol.

use super::field::{check_nothing, patch_nothing};
use super::{ReplyPort, UdpProbe};

/// A unicast search for root devices: one answer each. `MX` is for multicast, but libupnp and
/// `MiniDLNA` say nothing without it.
pub(super) static SSDP: UdpProbe = UdpProbe {
    name: "ssdp",
    source: "UPnP Device Architecture 1.1 §1.3.2",
    reply_port: ReplyPort::Any,
    template: b"M-SEARCH * HTTP/1.1\r\n\
        HOST: 239.255.255.250:1900\r\n\
        MAN: \"ssdp:discover\"\r\n\
        MX: 1\r\n\
        ST: upnp:rootdevice\r\n\r\n",
    patch: patch_nothing,
    check: check_nothing,
};

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_search_has_its_headers() {
        let text = str::from_utf8(SSDP.template()).unwrap();
        let lines: Vec<&str> = text.split("\r\n").collect();
        let names: Vec<_> =
            lines.iter().filter_map(|line| Some(line.split_once(": ")?.0)).collect();
        assert_eq!(lines[0], "M-SEARCH * HTTP/1.1");
        assert_eq!(names, ["HOST", "MAN", "MX", "ST"]);
        assert!(text.ends_with("\r\n\r\n"));
    }
}

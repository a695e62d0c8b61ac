//! Which ports of a namespace listen, as `/proc` tells.

use std::collections::BTreeSet;
use std::fs;

/// The state of a socket that listens, and of one of UDP that is not connected.
const TCP_LISTEN: &str = "0A";
const UDP_OPEN: &str = "07";

/// A port: whether UDP, whether of IPv6, and its number.
pub(crate) type Listening = BTreeSet<(bool, bool, u16)>;

/// What listens in the calling thread's namespace, on addresses that others reach.
pub(crate) fn listening() -> Listening {
    let mut found = BTreeSet::new();
    for (file, udp, ipv6) in
        [("tcp", false, false), ("tcp6", false, true), ("udp", true, false), ("udp6", true, true)]
    {
        let text = fs::read_to_string(format!("/proc/thread-self/net/{file}")).unwrap_or_default();
        let state = if udp { UDP_OPEN } else { TCP_LISTEN };
        for line in text.lines().skip(1) {
            let Some((port, wild)) = entry(line, state) else { continue };
            found.insert((udp, ipv6, port));
            // A socket of IPv6 for every address mostly hears IPv4 too.
            if ipv6 && wild {
                found.insert((udp, false, port));
            }
        }
    }
    found
}

/// The port of a line, and whether it is bound to every address; loopback does not count.
fn entry(line: &str, state: &str) -> Option<(u16, bool)> {
    let mut words = line.split_whitespace().skip(1);
    let (local, _remote, is) = (words.next()?, words.next()?, words.next()?);
    let (addr, port) = local.rsplit_once(':')?;
    let loopback = addr == "0100007F" || addr == "00000000000000000000000001000000";
    if is != state || loopback {
        return None;
    }
    Some((u16::from_str_radix(port, 16).ok()?, addr.bytes().all(|digit| digit == b'0')))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_of_proc_are_read() {
        let tcp = "   0: 00000000:0016 00000000:0000 0A 00000000:00000000 00:00000000 0 0 0 1";
        assert_eq!(entry(tcp, TCP_LISTEN), Some((22, true)));
        assert_eq!(entry(tcp, UDP_OPEN), None);
        let local = "   1: 0100007F:0050 00000000:0000 0A 0 0 0";
        assert_eq!(entry(local, TCP_LISTEN), None);
        let one = "  9: 02004D0A:0035 00000000:0000 07 0 0 0";
        assert_eq!(entry(one, UDP_OPEN), Some((53, false)));
        assert_eq!(entry("nothing", UDP_OPEN), None);
    }

    #[test]
    fn a_listener_of_this_process_is_seen() {
        let socket = std::net::TcpListener::bind("0.0.0.0:0").unwrap();
        let port = socket.local_addr().unwrap().port();
        assert!(listening().contains(&(false, false, port)));
        drop(socket);
        assert!(!listening().contains(&(false, false, port)));
    }
}

//! Web Services Dynamic Discovery.

use super::field::{concat, contains, hex, judge, put};
use super::{Echo, ReplyPort, UdpProbe};

/// `Probe` for any target service; the answer relates to our message's UUID.
pub(super) static WS_DISCOVERY: UdpProbe = UdpProbe {
    name: "ws-discovery",
    source: "WS-Discovery (April 2005) §5.2; RFC 9562 §4",
    reply_port: ReplyPort::Any,
    template: &TEMPLATE,
    patch,
    check,
};

const HEAD: &[u8] = b"<s:Envelope xmlns:s=\"http://www.w3.org/2003/05/soap-envelope\" \
xmlns:a=\"http://schemas.xmlsoap.org/ws/2004/08/addressing\" \
xmlns:d=\"http://schemas.xmlsoap.org/ws/2005/04/discovery\"><s:Header>\
<a:Action>http://schemas.xmlsoap.org/ws/2005/04/discovery/Probe</a:Action>\
<a:To>urn:schemas-xmlsoap-org:ws:2005:04:discovery</a:To><a:MessageID>urn:uuid:";
const TAIL: &[u8] = b"</a:MessageID></s:Header><s:Body><d:Probe/></s:Body></s:Envelope>";
const ZERO: &[u8; 36] = b"00000000-7274-4000-8000-6f6c00000000";
const TEMPLATE: [u8; HEAD.len() + ZERO.len() + TAIL.len()] = concat(&[HEAD, ZERO, TAIL]);

/// The cookie's halves as the first and the last eight digits of a version 4 UUID.
fn uuid(cookie: u64) -> [u8; 36] {
    let digits = hex(cookie);
    let mut uuid = *ZERO;
    if let (Some(first), Some(last)) = (digits.first_chunk::<8>(), digits.last_chunk::<8>()) {
        put(&mut uuid, 0, *first);
        put(&mut uuid, 28, *last);
    }
    uuid
}

fn patch(payload: &mut [u8], cookie: u64) {
    put(payload, HEAD.len(), uuid(cookie));
}

fn check(reply: &[u8], cookie: u64) -> Echo {
    if contains(reply, b"ProbeMatches") {
        judge(contains(reply, &uuid(cookie)))
    } else {
        Echo::Unknown
    }
}

#[cfg(test)]
mod tests {
    use super::super::tests::round_trip;
    use super::*;

    #[test]
    fn elements_nest() {
        let text = str::from_utf8(&TEMPLATE).unwrap();
        let mut open = Vec::new();
        for tag in text.split('<').skip(1) {
            let tag = tag.split_once('>').unwrap().0;
            if let Some(name) = tag.strip_prefix('/') {
                assert_eq!(open.pop(), Some(name));
            } else if !tag.ends_with('/') {
                open.push(tag.split(' ').next().unwrap());
            }
        }
        assert!(open.is_empty());
    }

    #[test]
    fn the_uuid_comes_back() {
        round_trip(&WS_DISCOVERY, |request| {
            let uuid = &request[HEAD.len()..HEAD.len() + 36];
            [b"<a:RelatesTo>urn:uuid:", uuid, b"</a:RelatesTo><d:ProbeMatches/>"].concat()
        });
    }
}

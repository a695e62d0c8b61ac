//! Replies to UDP probes.

use portolan_probes::{Echo, udp_probes};

/// `port ‖ cookie ‖ reply`: no reply panics, and none confirms two cookies that differ in every
/// bit.
///
/// # Panics
/// Where that does not hold.
pub fn reply(data: &[u8]) {
    let Some((port, rest)) = data.split_first_chunk::<2>() else { return };
    let Some((cookie, reply)) = rest.split_first_chunk::<8>() else { return };
    let cookie = u64::from_be_bytes(*cookie);
    for probe in udp_probes(u16::from_be_bytes(*port)) {
        let verdict = probe.check(reply, cookie);
        assert_eq!(verdict, probe.check(reply, cookie), "the same question, another answer");
        let both = verdict == Echo::Confirmed && probe.check(reply, !cookie) == Echo::Confirmed;
        // Texts are searched as a whole, so one reply may quote two cookies.
        let narrow = reply.len() < 32;
        assert!(!(both && narrow), "{}: two cookies confirmed", probe.name);
        let mut payload = reply.to_vec();
        probe.patch(&mut payload, cookie);
        assert_eq!(payload.len(), reply.len());
    }
}

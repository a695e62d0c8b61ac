//! Remote Management Control: the presence pong, and IPMI's capabilities.
//!
//! Sources: DMTF DSP0136 §3.2.4.3; IPMI 2.0 §13.6, §22.13.

use super::reader::is_at;
use super::{Part, structure};

pub(super) fn parts(reply: &[u8]) -> Vec<Part<'_>> {
    // ASF: enterprise number, type 0x40.
    if is_at(reply, 0, &[6, 0]) && is_at(reply, 3, &[6, 0, 0, 0x11, 0xbe, 0x40]) {
        let mut service = structure("asf-rmcp");
        let ipmi = reply.get(20).is_some_and(|entities| entities & 0x80 != 0);
        service.extra = ipmi.then(|| "IPMI".to_owned());
        return vec![service.into()];
    }
    // IPMI: to our address, the response function, Get Channel Authentication Capabilities.
    if is_at(reply, 0, &[6, 0, 0xff, 7]) && is_at(reply, 14, &[0x81]) && is_at(reply, 19, &[0x38]) {
        let mut service = structure("asf-rmcp");
        let second = reply.get(24).is_some_and(|extended| extended & 2 != 0)
            && reply.get(22).is_some_and(|types| types & 0x80 != 0);
        service.version = Some(if second { "2.0" } else { "1.5" }.to_owned());
        service.extra = Some("IPMI".to_owned());
        service.score += 1;
        return vec![service.into()];
    }
    Vec::new()
}

//! Asking UDP ports: every protocol that may be there, one datagram each, until one is answered.
//!
//! What the scan's own probe was answered counts first; often it says all.

/// Of several answers the one that says most.
mod answer;
/// One conversation: what was said, and what came back.
mod conversation;
/// How many UDP ports of one host are asked at once.
mod lanes;

use std::time::Duration;

use portolan_fingerprints::Database;
use portolan_probes::{UdpProbe, udp_anywhere, udp_further, udp_probes};
use tokio::time::Instant;

use crate::identified::Identified;
use crate::options::Options;
use crate::target::Target;

use conversation::Conversation;
pub(crate) use lanes::Lanes;

/// Between two datagrams to one port.
const PAUSE: Duration = Duration::from_millis(25);
/// The longest that the answer to the port's usual probe is waited for before others are said.
const FIRST_WAIT_MAX: Duration = Duration::from_millis(300);
/// How long answers are waited for after everything was said: RADIUS servers hold a refusal back
/// for one second (RFC 2865 leaves that to them), SSDP's wait up to `MX`.
const LAST_WAIT: Duration = Duration::from_millis(1_200);
/// How long those are that would tell more of a known service, at least.
const FURTHER_WAIT_MIN: Duration = Duration::from_millis(400);

/// Asks `target`, a UDP port, who it is: nothing if its reply to the scan tells all that its
/// protocol can, else what is usual there, then what is worth trying anywhere.
///
/// Takes at most some three seconds and what `options` allow. Who refuses by ICMP is asked no
/// more.
pub(crate) async fn identify_udp(
    target: &Target,
    options: &Options,
    database: &Database,
) -> Identified {
    let Ok(mut talk) = Conversation::open(target, options, database).await else {
        return Identified::nothing(target.endpoint);
    };
    if let Some(reply) = &target.reply {
        talk.recall(reply, udp_probes(target.endpoint.port));
    }
    let rtt = target.rtt.unwrap_or_default();
    if !talk.is_known() {
        ask_around(&mut talk, target.endpoint.port, rtt).await;
    }
    ask_further(&mut talk, rtt).await;
    talk.tell()
}

/// Says what is usual at `port`, then everything else, until something is known.
async fn ask_around(talk: &mut Conversation<'_>, port: u16, rtt: Duration) {
    let usual = udp_probes(port);
    for probe in usual {
        talk.say(probe).await;
    }
    if !usual.is_empty() {
        talk.hear_for(rtt.saturating_mul(2).clamp(PAUSE, FIRST_WAIT_MAX)).await;
    }
    for probe in udp_anywhere() {
        if talk.is_over() {
            return;
        }
        if !talk.has_said(probe) {
            talk.say(probe).await;
            talk.hear_for(PAUSE).await;
        }
    }
    // Datagrams are lost; the likeliest question is asked twice.
    if let Some(probe) = usual.first().filter(|_| !talk.is_over()) {
        talk.say(probe).await;
    }
    if !talk.is_over() {
        talk.hear_for(LAST_WAIT).await;
    }
}

/// Says what tells more of the service that is known, where more is to be told.
async fn ask_further(talk: &mut Conversation<'_>, rtt: Duration) {
    if talk.is_told() {
        return;
    }
    let unsaid: Vec<&'static UdpProbe> = match talk.service() {
        Some(name) => {
            udp_further(name).iter().copied().filter(|probe| !talk.has_said(probe)).collect()
        }
        None => return,
    };
    let mut due = usize::from(talk.follow_up().await);
    for probe in unsaid {
        talk.say(probe).await;
        due += 1;
    }
    let end = Instant::now() + rtt.saturating_mul(3).clamp(FURTHER_WAIT_MIN, LAST_WAIT);
    while due > 0 && talk.hear_until(end).await {
        due -= 1;
        // A challenge may have come in the place of what was asked for.
        due += usize::from(talk.follow_up().await);
        if talk.is_told() {
            return;
        }
    }
}

#[cfg(test)]
mod named;
#[cfg(test)]
mod tests;

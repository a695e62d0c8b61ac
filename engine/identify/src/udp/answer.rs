//! Of several answers the one that says most.

use portolan_fingerprints::{Database, Kind, Service};
use portolan_probes::{Echo, UdpProbe};

/// Protocols that share DNS's message, so that each may answer to the others' questions.
const LIKE_DNS: [&str; 3] = ["dns", "mdns", "netbios-ns"];

/// What was answered.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Answer {
    /// Who says so.
    pub(super) service: Option<Service>,
    /// What was said.
    pub(super) reply: Vec<u8>,
}

impl Answer {
    /// What `reply` says to one who has `said` these probes with these cookies; `usual` is the
    /// first probe of the port.
    pub(super) fn read(
        database: &Database,
        said: &[(&'static UdpProbe, u64)],
        usual: Option<&'static UdpProbe>,
        reply: &[u8],
    ) -> Self {
        let asked = said.iter().find(|(probe, cookie)| proves(probe, *cookie, reply));
        // Before anything was said here, the scan has seen its own cookie in what it recalls.
        let recalled = usual.filter(|usual| said.is_empty() && has_shape(usual, reply));
        let asked = asked.map(|(probe, _)| *probe).or(recalled).map(UdpProbe::service);
        let asked = asked.filter(|name| !name.is_empty());
        let usual = usual.map(UdpProbe::service);
        let known = database.identify(asked.or(usual), Kind::Banner, reply);
        let service = if is_echo(said, reply) {
            Some(Service::named("echo"))
        } else {
            match (known, asked) {
                // What hands a cookie back speaks that protocol, whatever else it looks like.
                (Some(known), Some(asked)) if disagree(&known, asked) => {
                    Some(Service::named(asked))
                }
                (None, Some(asked)) => Some(Service::named(asked)),
                (known, _) => known,
            }
        };
        Self { service, reply: reply.to_vec() }
    }

    /// How much it says.
    pub(super) fn weight(&self) -> (bool, bool, bool, u8, usize) {
        let service = self.service.as_ref();
        (
            service.is_some(),
            service.is_some_and(|service| service.product.is_some()),
            service.is_some_and(|service| service.version.is_some()),
            service.map_or(0, |service| service.score),
            self.reply.len(),
        )
    }
}

fn proves(probe: &UdpProbe, cookie: u64, reply: &[u8]) -> bool {
    probe.check(reply, cookie) == Echo::Confirmed
}

/// Whether `reply` has a place for a cookie of `probe`, whatever is there.
fn has_shape(probe: &UdpProbe, reply: &[u8]) -> bool {
    probe.check(reply, 0) != Echo::Unknown
}

fn disagree(known: &Service, asked: &str) -> bool {
    let alike = |name: &str| LIKE_DNS.contains(&name);
    known.product.is_none() && known.name != asked && !(alike(&known.name) && alike(asked))
}

/// Whether `reply` is one of our own datagrams.
fn is_echo(said: &[(&'static UdpProbe, u64)], reply: &[u8]) -> bool {
    reply.len() > 1 && said.iter().any(|(probe, cookie)| payload(probe, *cookie) == reply)
}

/// What `probe` says with `cookie`.
pub(super) fn payload(probe: &UdpProbe, cookie: u64) -> Vec<u8> {
    let mut payload = probe.template().to_vec();
    probe.patch(&mut payload, cookie);
    payload
}

//! Which probes are usual at which port.

use super::UdpProbe;
use super::bacnet::{BACNET, BACNET_DEVICE};
use super::bittorrent::BITTORRENT;
use super::cldap::CLDAP;
use super::coap::COAP;
use super::dns::{DNS, MDNS};
use super::dtls::DTLS;
use super::echo::{ANY_DATAGRAM, ECHO};
use super::enip::ENIP;
use super::games::{MINETEST, MUMBLE, QUAKE3, QUAKE3_STATUS, RAKNET, SOURCE, TEEWORLDS};
use super::gtp::GTP;
use super::iax2::IAX2;
use super::ike::{IKE_V1, IKE_V2, IKE_V2_NAT};
use super::kerberos::KERBEROS;
use super::knx::KNX;
use super::l2tp::L2TP;
use super::memberlist::MEMBERLIST;
use super::memcached::MEMCACHED;
use super::mssql::MSSQL;
use super::nat_pmp::NAT_PMP;
use super::netbios::NETBIOS;
use super::ntp::{NTP, NTP_CONTROL};
use super::openvpn::OPENVPN;
use super::quic::QUIC;
use super::radius::RADIUS;
use super::rip::RIP;
use super::rmcp::{IPMI, RMCP};
use super::rpc::{NFS, PORTMAP, PORTMAP_DUMP};
use super::rx::RX;
use super::sip::SIP;
use super::slp::SLP;
use super::snmp::{SNMP_V1, SNMP_V2C, SNMP_V3};
use super::ssdp::SSDP;
use super::stun::STUN;
use super::syslog::SYSLOG;
use super::tftp::TFTP;
use super::ubiquiti::UBIQUITI;
use super::ws_discovery::WS_DISCOVERY;
use super::xdmcp::XDMCP;

/// The probes for `port`, the likeliest first. O(log ports).
pub(super) fn probes(port: u16) -> &'static [&'static UdpProbe] {
    BY_PORT
        .binary_search_by_key(&port, |row| row.0)
        .ok()
        .and_then(|at| BY_PORT.get(at))
        .map_or(&[], |row| row.1)
}

/// The ports for which there is a probe, rising.
pub(super) fn ports() -> impl Iterator<Item = u16> {
    BY_PORT.iter().map(|row| row.0)
}

/// What is worth trying at any port, the likeliest of unusual ports first, the slow to answer among
/// these.
pub(super) static ANYWHERE: &[&UdpProbe] = &[
    &DNS,
    &SNMP_V1,
    &NTP,
    &SIP,
    &RADIUS,
    &TFTP,
    &STUN,
    &SSDP,
    &COAP,
    &DTLS,
    &QUIC,
    &OPENVPN,
    &IKE_V2,
    &PORTMAP,
    &MEMCACHED,
    &L2TP,
    &SNMP_V3,
    &NETBIOS,
    &SOURCE,
    &QUAKE3,
    &RAKNET,
    &MUMBLE,
    &MINETEST,
    &TEEWORLDS,
    &BITTORRENT,
    &IAX2,
    &KERBEROS,
    &MDNS,
    &SNMP_V2C,
    &MEMBERLIST,
    &RX,
    &SLP,
    &WS_DISCOVERY,
    &KNX,
    &ENIP,
    &BACNET,
    &RMCP,
    &GTP,
    &CLDAP,
    &XDMCP,
    &NAT_PMP,
    &MSSQL,
    &ANY_DATAGRAM,
    &NTP_CONTROL,
    &IKE_V1,
];

/// What tells more of a service than its first probe did.
static FURTHER: &[(&str, &[&UdpProbe])] = &[
    ("asf-rmcp", &[&IPMI]),
    ("bacnet", &[&BACNET_DEVICE]),
    ("isakmp", &[&IKE_V1]),
    ("ntp", &[&NTP_CONTROL]),
    ("quake3", &[&QUAKE3_STATUS]),
    ("rpcbind", &[&PORTMAP_DUMP]),
    ("snmp", &[&SNMP_V1, &SNMP_V2C, &SNMP_V3]),
];

/// What tells more of `service` than its first probe did.
pub(super) fn further(service: &str) -> &'static [&'static UdpProbe] {
    FURTHER.iter().find(|row| row.0 == service).map_or(&[], |row| row.1)
}

/// Rising by port. Assignments are IANA's, or the software's own default.
static BY_PORT: &[(u16, &[&UdpProbe])] = &[
    (7, &[&ECHO]),
    (11, &[&ANY_DATAGRAM]),
    (13, &[&ANY_DATAGRAM]),
    (17, &[&ANY_DATAGRAM]),
    (19, &[&ANY_DATAGRAM]),
    (37, &[&ANY_DATAGRAM]),
    (53, &[&DNS]),
    (69, &[&TFTP]),
    (80, &[&QUIC]),
    (88, &[&KERBEROS]),
    (111, &[&PORTMAP, &PORTMAP_DUMP]),
    (123, &[&NTP, &NTP_CONTROL]),
    (137, &[&NETBIOS]),
    (161, &[&SNMP_V1, &SNMP_V2C, &SNMP_V3]),
    (177, &[&XDMCP]),
    (389, &[&CLDAP]),
    (427, &[&SLP]),
    (443, &[&QUIC, &DTLS]),
    (500, &[&IKE_V2, &IKE_V1]),
    (514, &[&SYSLOG]),
    (520, &[&RIP]),
    (623, &[&RMCP, &IPMI]),
    (784, &[&QUIC]),
    (853, &[&QUIC, &DTLS]),
    (1194, &[&OPENVPN]),
    (1434, &[&MSSQL]),
    (1645, &[&RADIUS]),
    (1701, &[&L2TP]),
    (1812, &[&RADIUS]),
    (1900, &[&SSDP]),
    (2049, &[&NFS]),
    (2123, &[&GTP]),
    (2152, &[&GTP]),
    (3391, &[&DTLS]),
    (3478, &[&STUN]),
    (3479, &[&STUN]),
    (3671, &[&KNX]),
    (3702, &[&WS_DISCOVERY]),
    (4433, &[&DTLS, &QUIC]),
    (4500, &[&IKE_V2_NAT]),
    (4569, &[&IAX2]),
    (5060, &[&SIP]),
    (5080, &[&SIP]),
    (5349, &[&DTLS, &STUN]),
    (5351, &[&NAT_PMP]),
    (5353, &[&MDNS]),
    (5683, &[&COAP]),
    (5684, &[&DTLS]),
    (6881, &[&BITTORRENT]),
    (7000, &[&RX]),
    (7001, &[&RX]),
    (7002, &[&RX]),
    (7003, &[&RX]),
    (7005, &[&RX]),
    (7946, &[&MEMBERLIST]),
    (8301, &[&MEMBERLIST]),
    (8302, &[&MEMBERLIST]),
    (8303, &[&TEEWORLDS]),
    (8443, &[&QUIC, &DTLS]),
    (10001, &[&UBIQUITI]),
    (10161, &[&DTLS]),
    (11211, &[&MEMCACHED]),
    (19132, &[&RAKNET]),
    (19302, &[&STUN]),
    (27015, &[&SOURCE]),
    (27016, &[&SOURCE]),
    (27960, &[&QUAKE3, &QUAKE3_STATUS]),
    (30000, &[&MINETEST]),
    (44818, &[&ENIP]),
    (47808, &[&BACNET, &BACNET_DEVICE]),
    (51413, &[&BITTORRENT]),
    (64738, &[&MUMBLE]),
];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rows_rise_and_are_not_empty() {
        assert!(BY_PORT.is_sorted_by(|a, b| a.0 < b.0));
        assert!(BY_PORT.iter().all(|row| !row.1.is_empty()));
        for (port, probes_there) in BY_PORT {
            assert!(std::ptr::eq(probes(*port), *probes_there));
        }
        assert!(probes(1).is_empty() && probes(65_535).is_empty());
    }
}

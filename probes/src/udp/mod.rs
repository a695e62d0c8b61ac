//! What to say to a UDP port, and whether an answer is ours.
//!
//! One protocol a file: its request as a constant, where the cookie goes, where it comes back.
//! `by_port` says which protocol is usual where.

/// Just enough of ASN.1's basic encoding.
pub(crate) mod ber;
/// Which probes are usual at which port.
mod by_port;
/// Reading and writing fields at fixed places.
pub(crate) mod field;

/// BACnet/IP.
mod bacnet;
/// The `BitTorrent` DHT.
mod bittorrent;
/// Connectionless LDAP.
mod cldap;
/// The Constrained Application Protocol.
mod coap;
/// The Domain Name System, and its multicast twin.
mod dns;
/// Datagram TLS.
mod dtls;
/// Echo, and the other small services that answer anything.
mod echo;
/// EtherNet/IP.
mod enip;
/// Game servers: Source, Quake III, `RakNet`, Mumble, Teeworlds, Minetest.
mod games;
/// GPRS tunnelling.
mod gtp;
/// Inter-Asterisk eXchange.
mod iax2;
/// Internet Key Exchange, versions 2 and 1.
mod ike;
/// Kerberos.
mod kerberos;
/// `KNXnet/IP`.
mod knx;
/// The Layer Two Tunnelling Protocol.
mod l2tp;
/// The gossip of memberlist, which Serf, Consul and Nomad speak.
mod memberlist;
/// memcached over UDP.
mod memcached;
/// The SQL Server Browser.
mod mssql;
/// NAT Port Mapping.
mod nat_pmp;
/// The `NetBIOS` name service.
mod netbios;
/// The Network Time Protocol.
mod ntp;
/// `OpenVPN`.
mod openvpn;
/// QUIC.
mod quic;
/// The Remote Authentication Dial-In User Service.
mod radius;
/// The Routing Information Protocol.
mod rip;
/// Remote Management Control (IPMI's carrier).
mod rmcp;
/// ONC RPC: the port mapper and NFS.
mod rpc;
/// Rx, the remote procedure call of AFS.
mod rx;
/// The Session Initiation Protocol.
mod sip;
/// The Service Location Protocol.
mod slp;
/// Simple Network Management, versions 1, 2c and 3.
mod snmp;
/// The Simple Service Discovery Protocol.
mod ssdp;
/// Session Traversal Utilities for NAT.
mod stun;
/// Syslog.
mod syslog;
/// The Trivial File Transfer Protocol.
mod tftp;
/// Ubiquiti's discovery.
mod ubiquiti;
/// Web Services Dynamic Discovery.
mod ws_discovery;
/// The X Display Manager Control Protocol.
mod xdmcp;

pub use portolan_core::udp::Echo;
use portolan_core::udp::UdpPayloads;

/// Longest template, octets: what fits an Ethernet frame beneath IPv6 with room to spare.
pub const UDP_PAYLOAD_LEN_MAX: usize = 1_232;

/// From which port of the host the reply comes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum ReplyPort {
    /// From the port that was asked.
    Same,
    /// Possibly from a fresh one (TFTP, RFC 1350 §4; some SSDP stacks).
    Any,
}

/// What to say to a UDP port.
///
/// The payload is a constant template with the cookie patched into the fields that the protocol
/// hands back.
/// `patch` and `check` allocate nothing, and neither panics on any octets.
#[derive(Debug)]
pub struct UdpProbe {
    /// Short lower-case name of the protocol, `"dns"`; empty for the empty payload.
    pub name: &'static str,
    /// The specification that the request is written from.
    pub source: &'static str,
    /// Where the reply comes from.
    pub reply_port: ReplyPort,
    template: &'static [u8],
    patch: fn(&mut [u8], u64),
    check: fn(&[u8], u64) -> Echo,
}

impl UdpProbe {
    /// The payload as [`patch`](Self::patch) makes it for cookie 0: at most
    /// [`UDP_PAYLOAD_LEN_MAX`] octets.
    pub const fn template(&self) -> &'static [u8] {
        self.template
    }

    /// Writes `cookie` into `payload`, a copy of the template.
    ///
    /// Fields narrower than 64 bits take the cookie's low bits.
    /// A payload of another length than the template's is patched as far as it reaches.
    pub fn patch(&self, payload: &mut [u8], cookie: u64) {
        (self.patch)(payload, cookie);
    }

    /// The name of the service that it asks for, as signatures have it; empty for the empty payload
    /// and for what several services answer.
    pub fn service(&self) -> &'static str {
        match self.name {
            "any-datagram" => "",
            "bittorrent-dht" => "bittorrent",
            "cldap" => "ldap",
            "enip" => "ethernet-ip",
            "ike" | "ike-nat-t" => "isakmp",
            "ipmi" | "rmcp" => "asf-rmcp",
            "mssql-browser" => "ms-sql-m",
            "mumble" => "murmur",
            "raknet" => "minecraft",
            "source" => "source-query",
            name => name,
        }
    }

    /// What `reply` demands to be sent before it tells more: the request with a server's challenge.
    pub fn follow_up(&self, reply: &[u8]) -> Option<Vec<u8>> {
        (self.name == "source").then(|| games::challenged(reply)).flatten()
    }

    /// Whether `reply`, a UDP payload, hands `cookie` back.
    pub fn check(&self, reply: &[u8], cookie: u64) -> Echo {
        (self.check)(reply, cookie)
    }
}

/// The empty datagram, for ports where nothing better is known.
static EMPTY: UdpProbe = UdpProbe {
    name: "",
    source: "RFC 768",
    reply_port: ReplyPort::Same,
    template: &[],
    patch: field::patch_nothing,
    check: field::check_nothing,
};

/// The probe for `port`, or the empty payload where none is usual.
///
/// Constant within a run: callers may keep it beside the port. O(log ports).
pub fn udp_probe(port: u16) -> &'static UdpProbe {
    udp_probes(port).first().copied().unwrap_or(&EMPTY)
}

/// Every probe worth trying at `port`, the likeliest first; none where only the empty payload is.
///
/// Later passes may say the second to what was silent to the first.
pub fn udp_probes(port: u16) -> &'static [&'static UdpProbe] {
    by_port::probes(port)
}

/// Every probe worth trying at a port where nothing is usual, or where the usual was not answered:
/// some 45, the likeliest first.
pub fn udp_anywhere() -> &'static [&'static UdpProbe] {
    by_port::ANYWHERE
}

/// The probes that tell more of `service` (a name as [`UdpProbe::service`] gives it) than its
/// first one, which may be among them.
pub fn udp_further(service: &str) -> &'static [&'static UdpProbe] {
    by_port::further(service)
}

/// The ports for which there is a probe, rising.
pub fn udp_probe_ports() -> impl Iterator<Item = u16> {
    by_port::ports()
}

/// The first probe of each port, as the engine asks for it.
#[derive(Debug, Clone, Copy, Default)]
pub struct UsualPayloads;

impl UdpPayloads for UsualPayloads {
    fn template(&self, port: u16) -> &[u8] {
        udp_probe(port).template()
    }

    fn patch(&self, port: u16, payload: &mut [u8], cookie: u64) {
        udp_probe(port).patch(payload, cookie);
    }

    fn check(&self, port: u16, reply: &[u8], cookie: u64) -> Echo {
        udp_probe(port).check(reply, cookie)
    }

    fn answers_from_elsewhere(&self, port: u16) -> bool {
        udp_probe(port).reply_port == ReplyPort::Any
    }
}

#[cfg(test)]
mod tests;

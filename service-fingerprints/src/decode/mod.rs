//! Replies of protocols that say who they are in fields of their own.
//!
//! One protocol a file: from the octets of a whole reply to its parts. A part is a text of a kind
//! that signatures read, or, where the protocol itself names product and version, the service.
//! Decoders read what is hostile: each is bounded by the length of the reply, which is at most
//! [`crate::database::DATA_LEN_MAX`], and looks at its first octets before anything else.

use crate::kind::Kind;
use crate::service::Service;
use crate::template::text;

/// `BACnet/IP`.
mod bacnet;
/// ASN.1's basic encoding.
mod ber;
/// The DHT of `BitTorrent`.
mod bittorrent;
/// The Domain Name System, and what shares its messages.
mod dns;
/// Datagram TLS.
mod dtls;
/// EtherNet/IP.
mod enip;
/// Game servers.
mod games;
/// Internet Key Exchange.
mod ike;
/// Kerberos.
mod kerberos;
/// The Layer Two Tunnelling Protocol.
mod l2tp;
/// memcached over UDP.
mod memcached;
/// Port mapping: NAT-PMP and PCP.
mod nat_pmp;
/// NetBIOS node status.
mod netbios;
/// The Network Time Protocol's control messages.
mod ntp;
/// QUIC.
mod quic;
/// Cursors over octets.
mod reader;
/// Remote Management Control and IPMI.
mod rmcp;
/// ONC RPC.
mod rpc;
/// Rx, of AFS.
mod rx;
/// SIP, and UPnP's answers to a search.
mod sip;
/// Simple Network Management.
mod snmp;
/// Session Traversal Utilities for NAT.
mod stun;
/// The Trivial File Transfer Protocol.
mod tftp;
/// Ubiquiti's discovery.
mod ubiquiti;
/// The X Display Manager Control Protocol.
mod xdmcp;

/// The score of a service whose product the reply itself names: below a signature's, which knows
/// the product.
const SCORE_PRODUCT: u8 = 72;
/// That of a service whose message has the protocol's structure throughout.
const SCORE_STRUCTURE: u8 = 58;

/// One part of a reply.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Part<'a> {
    /// A text for signatures.
    Text(Kind, std::borrow::Cow<'a, [u8]>),
    /// Who answers.
    Service(Box<Service>),
}

impl From<Service> for Part<'_> {
    fn from(service: Service) -> Self {
        Self::Service(Box::new(service))
    }
}

/// One decoder: the parts that it finds, none in what is not its protocol.
type Decoder = fn(&[u8]) -> Vec<Part<'_>>;

/// Those whose replies begin with a few fixed octets come first.
const DECODERS: &[Decoder] = &[
    snmp::parts,
    dns::parts,
    netbios::parts,
    rpc::parts,
    memcached::parts,
    ntp::parts,
    stun::parts,
    games::parts,
    l2tp::parts,
    ike::parts,
    quic::parts,
    dtls::parts,
    kerberos::parts,
    rmcp::parts,
    bacnet::parts,
    enip::parts,
    bittorrent::parts,
    rx::parts,
    nat_pmp::parts,
    tftp::parts,
    xdmcp::parts,
    ubiquiti::parts,
];

/// Octets at the beginning that are all text where the reply is.
const TEXT_LEN: usize = 8;

/// The surest of what signatures have `found` in `reply` as a whole and of what its parts say;
/// `said` is who says a text of some kind. Where `protocol` is known, others count only if nothing
/// of it is found; of equals the first counts.
pub(crate) fn surest(
    protocol: Option<&str>,
    found: Option<Service>,
    reply: &[u8],
    said: impl Fn(Kind, &[u8]) -> Option<Service>,
) -> Option<Service> {
    let of_parts = parts(reply).into_iter().filter_map(|part| match part {
        Part::Text(kind, text) => said(kind, &text),
        Part::Service(service) => Some(*service),
    });
    let own = |service: &Service| protocol.is_some_and(|protocol| protocol == service.name);
    let rank = |service: &Service| (own(service), service.score);
    of_parts.fold(found, |best, service| match best {
        Some(best) if rank(&best) >= rank(&service) => Some(best),
        _ => Some(service),
    })
}

/// The parts of `reply`, as it came over the wire.
fn parts(reply: &[u8]) -> Vec<Part<'_>> {
    if reply.starts_with(b"HTTP/") {
        return sip::ssdp(reply);
    }
    if reply.starts_with(b"SIP/2.0 ") {
        return sip::parts(reply);
    }
    let is_text = |octet: &u8| matches!(octet, b' '..=b'~' | b'\t' | b'\r' | b'\n');
    let begins_as_text = reply.get(..TEXT_LEN).is_some_and(|head| head.iter().all(is_text));
    if begins_as_text {
        return bittorrent::parts(reply);
    }
    // A protocol's name over TCP, where a length comes first, is the same.
    DECODERS.iter().map(|decode| decode(reply)).find(|parts| !parts.is_empty()).unwrap_or_default()
}

/// A service that the structure of its message shows.
fn structure(name: &str) -> Service {
    Service { score: SCORE_STRUCTURE, ..Service::named(name) }
}

/// A service that names its product.
fn product(name: &str, product: String, version: Option<String>) -> Service {
    Service { product: Some(product), version, score: SCORE_PRODUCT, ..Service::named(name) }
}

/// A text of the network that may be empty.
fn some_text(octets: &[u8]) -> Option<String> {
    let text = text(octets);
    let text = text.trim();
    (!text.is_empty()).then(|| text.to_owned())
}

/// Product and version of texts as `Name 1.2.3 (more)`, `Name-1.2.3` and `Name/1.2.3`: what comes
/// before the first separator that a digit follows, or `v` and a digit, and what is behind it; the
/// whole text where there is none; `None` where it does not begin with a letter.
fn named_version(said: &str) -> Option<(String, Option<String>)> {
    if !said.starts_with(|c: char| c.is_ascii_alphabetic()) {
        return None;
    }
    let digits = |at: usize| {
        let rest = said.get(at..).unwrap_or_default();
        rest.strip_prefix(['v', 'V']).unwrap_or(rest).starts_with(|c: char| c.is_ascii_digit())
    };
    let mut separators = said.char_indices().filter(|(_, c)| " -/_".contains(*c));
    let Some((at, separator)) = separators.find(|(at, c)| digits(at + c.len_utf8())) else {
        return Some((said.to_owned(), None));
    };
    let (name, version) = said.split_at(at);
    let version = version.get(separator.len_utf8()..).unwrap_or_default();
    let version = version.strip_prefix(['v', 'V']).unwrap_or(version);
    let end = version.find(|c: char| !(c.is_ascii_alphanumeric() || ".+~-_".contains(c)));
    let version = version.get(..end.unwrap_or(version.len())).unwrap_or_default();
    let version = version.trim_end_matches(['.', '-']);
    Some((name.trim().to_owned(), Some(version.to_owned())))
}

#[cfg(test)]
mod tests;

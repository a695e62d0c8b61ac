//! What TLS servers show.

use portolan_identify::tls::{
    CHAIN_LEN_MAX, Certificate, Flight, HANDSHAKE_LEN_MAX, ServerHello, TlsFacts,
};

/// Octets that one text of a certificate may have.
const TEXT_LEN_MAX: usize = 256;
/// Octets that a whole name may have.
const NAME_LEN_MAX: usize = 1_024;
/// Names that are kept.
const NAMES_MAX: usize = 64;

/// A server's first flight: what is kept of it is bounded by what was said, and what it tells is
/// known.
///
/// # Panics
/// Where that does not hold.
pub fn flight(data: &[u8]) {
    let flight = Flight::parse(data);
    let kept: usize = flight.certificates.iter().map(Vec::len).sum();
    assert!(kept <= data.len().min(HANDSHAKE_LEN_MAX), "more is kept than was said");
    assert!(flight.certificates.len() <= CHAIN_LEN_MAX, "a long chain");
    assert!(flight.any_hello().is_none() || flight.is_tls, "a hello of something else");
    assert!(flight.alert.is_none() || flight.is_tls, "an alert of something else");
    assert!(flight.any_hello().map_or(0, |hello| hello.extensions.len()) <= 64, "extensions");
    let facts = TlsFacts::of_flight(&flight, &[]);
    assert_eq!(facts.fingerprint.is_some(), flight.any_hello().is_some());
    let line = facts.fingerprint.map(|line| line.to_string()).unwrap_or_default();
    assert!(line.len() <= 48 && !line.contains(char::is_whitespace), "{line:?}");
    let _ = ServerHello::parse(data);
}

/// A certificate: what comes of it is short, whatever it says.
///
/// # Panics
/// Where that does not hold.
pub fn certificate(data: &[u8]) {
    let Some(told) = Certificate::parse(data) else { return };
    assert!(told.subject.len() <= NAME_LEN_MAX && told.issuer.len() <= NAME_LEN_MAX);
    assert!(told.names.len() <= NAMES_MAX.min(told.names_total), "{} names", told.names.len());
    assert!(told.names_total <= data.len(), "{} names", told.names_total);
    let texts = [&told.serial, &told.public_key, &told.signature_algorithm];
    let texts = texts.into_iter().chain(&told.names);
    for text in texts.chain(&told.common_name).chain(&told.issuer_common_name) {
        assert!(text.len() <= TEXT_LEN_MAX + 8, "{text}");
    }
}

//! What is known of a TLS server.

use portolan_core::UnixTime;

use super::CHAIN_LEN_MAX;
use super::alert::Alert;
use super::certificate::Certificate;
use super::cipher::CipherSuite;
use super::fingerprint::Fingerprint;
use super::flight::Flight;
use super::name::lossy;
use super::server_hello::ServerHello;
use super::version::Version;
use super::versions::Versions;

/// What a TLS server told of itself.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct TlsFacts {
    /// The version that was agreed on.
    pub version: Option<Version>,
    /// Which versions it speaks, as far as it was asked.
    pub versions: Versions,
    /// The cipher suite that was agreed on.
    pub cipher: Option<CipherSuite>,
    /// The application protocol that was agreed on, RFC 7301.
    pub alpn: Option<String>,
    /// Its certificates, its own first; the first 8, up to the first that can't be read.
    pub certificates: Vec<Certificate>,
    /// Its hello in one line.
    pub fingerprint: Option<Fingerprint>,
    /// Whether it wants a certificate of ours.
    pub client_certificate_wanted: bool,
    /// What it said no with.
    pub alert: Option<Alert>,
}

impl TlsFacts {
    /// What `flight` tells; `chain` are the certificates that were seen behind it, if any were.
    pub fn of_flight(flight: &Flight, chain: &[Vec<u8>]) -> Self {
        let chain = if chain.is_empty() { &flight.certificates } else { chain };
        let read = chain.iter().take(CHAIN_LEN_MAX).map_while(|der| Certificate::parse(der));
        let mut facts = Self {
            version: flight.version(),
            cipher: flight.any_hello().map(|hello| hello.cipher),
            certificates: read.collect(),
            client_certificate_wanted: flight.certificate_wanted,
            alert: flight.alert,
            ..Self::default()
        };
        if let Some(version) = facts.version {
            facts.versions.set(version, true);
        }
        let alpn = flight.hello.as_ref().and_then(|hello| hello.alpn.as_deref()).map(lossy);
        facts.agree(flight.any_hello(), alpn);
        facts
    }

    /// The server's own certificate.
    pub fn certificate(&self) -> Option<&Certificate> {
        self.certificates.first()
    }

    /// Whether its own certificate is no longer valid.
    pub fn expired(&self, now: UnixTime) -> bool {
        self.certificate().is_some_and(|certificate| certificate.expired(now))
    }

    /// Whether its own certificate names itself as its issuer.
    pub fn self_signed(&self) -> bool {
        self.certificate().is_some_and(|certificate| certificate.self_signed)
    }

    /// Sets the application protocol, and the fingerprint which depends on it.
    pub(super) fn agree(&mut self, hello: Option<&ServerHello>, alpn: Option<String>) {
        self.fingerprint = hello.map(|hello| Fingerprint::of(hello, alpn.as_deref()));
        self.alpn = alpn;
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::tls::flight::tests::{message, record};
    use crate::tls::server_hello::tests::hello_of;

    #[test]
    fn a_flight_of_an_old_server_tells_all() {
        let key = rcgen::generate_simple_self_signed(["a.example".to_owned()]).unwrap();
        let certificate = message(0, key.cert.der());
        let list = [&certificate[1..], &message(0, b"no certificate")[1..], &certificate[1..]];
        let octets = [
            message(2, &hello_of(0x0301, 0x002f, &[(0xff01, &[0])])),
            message(11, &message(0, &list.concat())[1..]),
            message(13, &[1, 1, 0, 0]),
            message(14, &[]),
        ];
        let facts = TlsFacts::of_flight(&Flight::parse(&record(22, &octets.concat())), &[]);
        assert_eq!((facts.version, facts.cipher), (Some(Version::Tls10), Some(CipherSuite(0x2f))));
        assert_eq!(facts.certificates.len(), 1, "what follows the broken one is not its issuer's");
        assert_eq!(facts.certificate().unwrap().names, ["a.example"]);
        assert!(facts.client_certificate_wanted && facts.self_signed());
        assert_eq!(facts.versions.get(Version::Tls10), Some(true));
        assert!(facts.fingerprint.unwrap().as_str().starts_with("0301_002f_01_-_"));
    }
}

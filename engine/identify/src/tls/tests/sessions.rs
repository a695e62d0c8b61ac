//! A rustls server, and handshakes with it.

use std::net::SocketAddr;
use std::sync::Arc;

use rcgen::{CertificateParams, DnType, KeyPair, SanType};
use rustls::crypto::{CryptoProvider, SupportedKxGroup, ring as crypto};
use rustls::pki_types::PrivatePkcs8KeyDer;
use rustls::server::WebPkiClientVerifier;
use rustls::version::{TLS12, TLS13};
use rustls::{RootCertStore, ServerConfig, SupportedProtocolVersion};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio_rustls::TlsAcceptor;

use super::{facts, later, listen, shaken};
use crate::tls::{Session, Shaken, TlsFacts, Version, Versions, legacy, shake, versions};

/// A server to be.
struct Server {
    versions: Vec<&'static SupportedProtocolVersion>,
    params: CertificateParams,
    alpn: Option<&'static str>,
    wants_certificate: bool,
    group: Option<&'static dyn SupportedKxGroup>,
}

impl Server {
    fn of(versions: &[&'static SupportedProtocolVersion]) -> Self {
        let mut params = CertificateParams::new(["a.example".to_owned()]).unwrap();
        params.distinguished_name.push(DnType::CommonName, "the server");
        let versions = versions.to_vec();
        Self { versions, params, alpn: None, wants_certificate: false, group: None }
    }

    /// Starts it: it sends back what it is sent.
    async fn start(self) -> SocketAddr {
        let key = KeyPair::generate().unwrap();
        let certificate = self.params.self_signed(&key).unwrap().der().clone();
        let mut provider = crypto::default_provider();
        if let Some(group) = self.group {
            provider.kx_groups = vec![group];
        }
        let provider: Arc<CryptoProvider> = provider.into();
        let builder = ServerConfig::builder_with_provider(Arc::clone(&provider))
            .with_protocol_versions(&self.versions)
            .unwrap();
        let builder = if self.wants_certificate {
            let mut roots = RootCertStore::empty();
            roots.add(certificate.clone()).unwrap();
            let verifier = WebPkiClientVerifier::builder_with_provider(roots.into(), provider);
            builder.with_client_cert_verifier(verifier.build().unwrap())
        } else {
            builder.with_no_client_auth()
        };
        let key = PrivatePkcs8KeyDer::from(key.serialize_der()).into();
        let mut config = builder.with_single_cert(vec![certificate], key).unwrap();
        config.alpn_protocols.extend(self.alpn.map(|alpn| alpn.as_bytes().to_vec()));
        let acceptor = TlsAcceptor::from(Arc::new(config));
        listen(move |stream| {
            let acceptor = acceptor.clone();
            async move {
                if let Ok(stream) = acceptor.accept(stream).await {
                    let (mut reader, mut writer) = tokio::io::split(stream);
                    let _ = tokio::io::copy(&mut reader, &mut writer).await;
                    // Without a word of farewell.
                }
            }
        })
        .await
    }
}

fn session(shaken: Shaken) -> (Box<Session>, TlsFacts) {
    match shaken {
        Shaken::Session(session, facts) => (session, facts),
        other => panic!("no session: {other:?}"),
    }
}

/// Which of TLS 1.3, 1.2, 1.1 and 1.0.
fn spoken(versions: Versions) -> [Option<bool>; 4] {
    Version::TLS.map(|version| versions.get(version))
}

#[tokio::test]
async fn sessions_carry_and_tell() {
    for (version, is) in [(&TLS12, Version::Tls12), (&TLS13, Version::Tls13)] {
        let address = Server::of(&[version]).start().await;
        let (mut session, facts) = session(shaken(address, later()).await);
        session.write_all(b"hello").await.unwrap();
        session.flush().await.unwrap();
        let mut echo = [0; 5];
        session.read_exact(&mut echo).await.unwrap();
        assert_eq!(&echo, b"hello");
        session.shutdown().await.unwrap();
        let mut rest = Vec::new();
        session.read_to_end(&mut rest).await.unwrap();
        assert_eq!(rest, b"");

        assert_eq!((facts.version, facts.versions.get(is)), (Some(is), Some(true)));
        assert!(facts.cipher.unwrap().to_string().starts_with("TLS_"), "{facts:?}");
        let certificate = facts.certificate().unwrap();
        assert_eq!(certificate.common_name.as_deref(), Some("the server"));
        assert_eq!(certificate.names, ["a.example"]);
        assert!(facts.self_signed() && !facts.client_certificate_wanted);
        let fingerprint = facts.fingerprint.unwrap().to_string();
        assert!(fingerprint.starts_with(&format!("{:04x}_", is.number())), "{fingerprint}");
    }
}

#[tokio::test]
async fn alpn_is_agreed_on_where_it_is_offered() {
    for version in [&TLS12, &TLS13] {
        let mut server = Server::of(&[version]);
        server.alpn = Some("http/1.1");
        let address = server.start().await;
        let stream = TcpStream::connect(address).await.unwrap();
        let (_, facts) = session(shake(stream, None, &["http/1.1"], later()).await);
        assert_eq!(facts.alpn.as_deref(), Some("http/1.1"));
        assert!(facts.fingerprint.unwrap().as_str().contains("_http11_"));
        let (_, facts) = session(shaken(address, later()).await);
        assert_eq!(facts.alpn, None);
    }
}

#[tokio::test]
async fn who_wants_a_certificate_is_known_by_it() {
    let mut server = Server::of(&[&TLS13]);
    server.wants_certificate = true;
    let (mut session, told) = session(shaken(server.start().await, later()).await);
    assert!(told.client_certificate_wanted && told.certificate().is_some());
    assert!(session.read_u8().await.is_err(), "TLS 1.3 refuses behind the handshake");

    let mut server = Server::of(&[&TLS12]);
    server.wants_certificate = true;
    let told = facts(shaken(server.start().await, later()).await);
    assert!(told.client_certificate_wanted, "{told:?}");
    assert_eq!(told.version, Some(Version::Tls12));
    assert_eq!(told.certificate().unwrap().names, ["a.example"]);
}

#[tokio::test]
async fn another_hello_is_said_where_it_is_wanted() {
    let mut server = Server::of(&[&TLS13]);
    server.group = Some(crypto::kx_group::SECP384R1);
    let address = server.start().await;
    let (_, told) = session(shaken(address, later()).await);
    assert_eq!(told.version, Some(Version::Tls13));
    let asked = versions(address, None, Versions::default(), later()).await;
    assert_eq!(spoken(asked)[0], Some(true), "a retry is an answer");
}

#[tokio::test]
async fn versions_are_told_apart() {
    let no = Some(false);
    for (of, expected) in [
        (vec![&TLS13], [Some(true), no, no, no]),
        (vec![&TLS12], [no, Some(true), no, no]),
        (vec![&TLS12, &TLS13], [Some(true), Some(true), no, no]),
    ] {
        let address = Server::of(&of).start().await;
        let asked = versions(address, Some("a.example"), Versions::default(), later()).await;
        assert_eq!(spoken(asked), expected);
        assert_eq!(versions(address, None, asked, later()).await, asked);
    }
}

#[tokio::test]
async fn our_own_hello_is_answered() {
    let address = Server::of(&[&TLS12, &TLS13]).start().await;
    let told = facts(legacy(address, Some("a.example"), later()).await);
    assert_eq!(told.version, Some(Version::Tls12));
    assert_eq!(told.certificate().unwrap().common_name.as_deref(), Some("the server"));
    assert!(told.fingerprint.is_some() && told.alert.is_none());

    let address = Server::of(&[&TLS13]).start().await;
    let told = facts(legacy(address, None, later()).await);
    assert_eq!(told.version, None);
    assert!(told.alert.is_some_and(crate::tls::Alert::refuses_version), "{told:?}");
}

#[tokio::test]
async fn ten_thousand_names_are_handled() {
    let addresses = (0..10_000_u32).map(|n| SanType::IpAddress(n.to_be_bytes().into()));
    for version in [&TLS12, &TLS13] {
        let mut server = Server::of(&[version]);
        server.params.subject_alt_names = addresses.clone().collect();
        let (_, told) = session(shaken(server.start().await, later()).await);
        let certificate = told.certificate().unwrap();
        assert_eq!((certificate.names.len(), certificate.names_total), (64, 10_000));
    }
}

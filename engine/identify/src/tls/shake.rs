//! One handshake: a session where one can be had, and else what the server said.

use std::io;
use std::net::{IpAddr, Ipv4Addr};
use std::sync::{Arc, LazyLock};
use std::time::Duration;

use rustls::ClientConfig;
use rustls::client::Resumption;
use rustls::pki_types::ServerName;
use tokio::net::TcpStream;
use tokio::time::{Instant, timeout_at};
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;

use super::HANDSHAKE_LEN_MAX;
use super::facts::TlsFacts;
use super::flight::{Flight, FlightReader};
use super::hello::dns_name;
use super::legacy::{read_flight, read_some};
use super::name::lossy;
use super::recorder::{Recorder, Tape};
use super::session::Session;
use super::version::Version;
use super::witness::Witness;

/// How long a server that doesn't speak TLS may pause within what it says instead.
const PAUSE_MAX: Duration = Duration::from_millis(250);
/// How long the rest of a flight is waited for that rustls has given up on.
const REST_TIME_MAX: Duration = Duration::from_secs(1);

/// What came of a handshake.
#[derive(Debug)]
#[non_exhaustive]
pub enum Shaken {
    /// A session, and what is known of the server.
    Session(Box<Session>, TlsFacts),
    /// It speaks TLS, but not with us; what is known of it.
    Facts(TlsFacts),
    /// It doesn't speak TLS; what it said instead, at most
    /// [`HANDSHAKE_LEN_MAX`](super::HANDSHAKE_LEN_MAX) octets.
    Other(Vec<u8>),
    /// It said nothing in time.
    Silent,
    /// It hung up without a word.
    Closed,
}

/// Shakes hands over `stream`, says `server_name` if it is a DNS name, offers the application
/// protocols `alpn` (none if it is empty), and gives up at `until`.
///
/// Every certificate is accepted.
pub async fn shake(
    stream: TcpStream,
    server_name: Option<&str>,
    alpn: &[&str],
    until: Instant,
) -> Shaken {
    let witness = Arc::new(Witness::default());
    let Some(config) = config(&witness, alpn) else { return Shaken::Closed };
    let (recorder, tape) = Recorder::new(stream);
    let connector = TlsConnector::from(Arc::new(config));
    let handshake = Box::pin(connector.connect(name(server_name), recorder).into_fallible());
    match timeout_at(until, handshake).await {
        Ok(Ok(stream)) => {
            let facts = facts_of(&stream, &Flight::parse(&tape.take()), &witness);
            Shaken::Session(Box::new(Session::new(stream)), facts)
        }
        Ok(Err((_, recorder))) => failed(&recorder.into_stream(), &tape, &witness, until).await,
        Err(_) => {
            let said = tape.take();
            let flight = Flight::parse(&said);
            if flight.is_tls {
                Shaken::Facts(facts_without_session(&flight, &witness))
            } else if said.is_empty() {
                Shaken::Silent
            } else {
                Shaken::Other(said)
            }
        }
    }
}

/// What the server said that rustls gave up on.
async fn failed(stream: &TcpStream, tape: &Tape, witness: &Witness, until: Instant) -> Shaken {
    let mut said = tape.take();
    let mut reader = FlightReader::default();
    reader.push(&said);
    if reader.is_tls() {
        // An old version's flight goes on although its hello was not to rustls' liking.
        let until = until.min(Instant::now() + REST_TIME_MAX);
        read_flight(stream, &mut reader, &mut said, until).await;
        Shaken::Facts(facts_without_session(&reader.finish(), witness))
    } else if said.is_empty() {
        Shaken::Closed
    } else {
        rest_of(stream, said, until).await
    }
}

/// Reads the rest of what a server that doesn't speak TLS says instead, until it hangs up or
/// makes a pause.
pub(super) async fn rest_of(stream: &TcpStream, mut said: Vec<u8>, until: Instant) -> Shaken {
    while said.len() < HANDSHAKE_LEN_MAX {
        let pause = until.min(Instant::now() + PAUSE_MAX);
        let Ok(Ok(())) = timeout_at(pause, stream.readable()).await else { break };
        match read_some(stream, &mut said) {
            Ok(0) => break,
            Ok(_) => {}
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => {}
            Err(_) => break,
        }
    }
    said.truncate(HANDSHAKE_LEN_MAX);
    Shaken::Other(said)
}

fn facts_of(stream: &TlsStream<Recorder>, flight: &Flight, witness: &Witness) -> TlsFacts {
    let mut facts = facts_without_session(flight, witness);
    let (_, connection) = stream.get_ref();
    if let Some(version) = connection.protocol_version() {
        facts.version = Version::of_number(version.into());
    }
    let alpn = connection.alpn_protocol().map(lossy);
    facts.agree(flight.any_hello(), alpn);
    facts
}

fn facts_without_session(flight: &Flight, witness: &Witness) -> TlsFacts {
    let mut facts = TlsFacts::of_flight(flight, &witness.chain());
    facts.client_certificate_wanted |= witness.certificate_wanted();
    facts
}

/// The name that rustls is given; to an address it says none.
fn name(server_name: Option<&str>) -> ServerName<'static> {
    server_name
        .and_then(dns_name)
        .and_then(|name| ServerName::try_from(name.to_owned()).ok())
        .unwrap_or_else(|| IpAddr::from(Ipv4Addr::UNSPECIFIED).into())
}

/// A configuration of one handshake.
fn config(witness: &Arc<Witness>, alpn: &[&str]) -> Option<ClientConfig> {
    static BASE: LazyLock<Option<ClientConfig>> = LazyLock::new(|| {
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        let mut config = ClientConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()
            .ok()?
            .dangerous()
            .with_custom_certificate_verifier(Arc::new(Witness::default()))
            .with_no_client_auth();
        config.resumption = Resumption::disabled();
        // Servers answer with what they like.
        config.check_selected_alpn = false;
        Some(config)
    });
    let mut config = BASE.clone()?;
    config.dangerous().set_certificate_verifier(Arc::<Witness>::clone(witness));
    config.client_auth_cert_resolver = Arc::<Witness>::clone(witness);
    config.alpn_protocols = alpn.iter().map(|one| one.as_bytes().to_vec()).collect();
    Some(config)
}

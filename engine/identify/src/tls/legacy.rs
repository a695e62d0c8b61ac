//! A flight from a server that rustls can't talk to: our own hello, its answer, and goodbye.

use std::io;
use std::net::SocketAddr;

use tokio::io::AsyncWriteExt;
use tokio::net::TcpStream;
use tokio::time::{Instant, timeout_at};

use super::facts::TlsFacts;
use super::flight::FlightReader;
use super::hello::{ClientHello, ENTROPY_LEN};
use super::shake::{Shaken, rest_of};
use super::version::Version;

/// Asks the server at `address` with a hello of our own that goes up to TLS 1.2, and where that
/// is refused, with one of TLS 1.0: some know of nothing later, and not even how to say so.
///
/// Two connections at most; never a session.
pub async fn legacy(address: SocketAddr, server_name: Option<&str>, until: Instant) -> Shaken {
    let first = ask(address, server_name, Version::Tls12, until).await;
    let told = match &first {
        Shaken::Facts(facts) => facts.version.is_some(),
        Shaken::Closed => false,
        _ => true,
    };
    if told {
        return first;
    }
    match ask(address, server_name, Version::Tls10, until).await {
        Shaken::Facts(facts) if facts.version.is_some() => Shaken::Facts(facts),
        second => {
            if matches!(first, Shaken::Closed) {
                second
            } else {
                first
            }
        }
    }
}

/// Says a hello of our own that goes up to `highest` over `stream`, reads the server's flight, and
/// hangs up.
///
/// Never a session; [`Shaken::Facts`] may be without a version where the server only said no.
pub async fn legacy_over(
    mut stream: TcpStream,
    server_name: Option<&str>,
    highest: Version,
    until: Instant,
) -> Shaken {
    let mut entropy = [0; ENTROPY_LEN];
    if let Err(error) = getrandom::fill(&mut entropy) {
        // A hello whose random everybody knows tells as much: nothing secret follows it.
        tracing::debug!(%error, "no randomness for a hello");
    }
    let hello = ClientHello::new(highest, &entropy).server_name(server_name).record();
    // Where writing fails, it may have said why before it hung up.
    if timeout_at(until, stream.write_all(&hello)).await.is_err() {
        return Shaken::Silent;
    }
    let mut said = Vec::new();
    let mut reader = FlightReader::default();
    let end = read_flight(&stream, &mut reader, &mut said, until).await;
    if reader.is_tls() {
        return Shaken::Facts(TlsFacts::of_flight(&reader.finish(), &[]));
    }
    match (said.is_empty(), end) {
        (true, End::Deadline) => Shaken::Silent,
        (true, _) => Shaken::Closed,
        (false, _) => rest_of(&stream, said, until).await,
    }
}

/// Connects, and does [`legacy_over`].
pub(super) async fn ask(
    address: SocketAddr,
    server_name: Option<&str>,
    highest: Version,
    until: Instant,
) -> Shaken {
    match timeout_at(until, TcpStream::connect(address)).await {
        Ok(Ok(stream)) => legacy_over(stream, server_name, highest, until).await,
        Ok(Err(_)) => Shaken::Closed,
        Err(_) => Shaken::Silent,
    }
}

/// Why reading ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum End {
    /// The flight is over.
    Flight,
    /// The server hung up.
    Closed,
    /// There is no more time.
    Deadline,
}

/// Reads until the flight is over; what was said is also in `said`.
pub(super) async fn read_flight(
    stream: &TcpStream,
    reader: &mut FlightReader,
    said: &mut Vec<u8>,
    until: Instant,
) -> End {
    while !reader.has_ended() {
        match timeout_at(until, stream.readable()).await {
            Err(_) => return End::Deadline,
            Ok(Err(_)) => return End::Closed,
            Ok(Ok(())) => {}
        }
        let before = said.len();
        match read_some(stream, said) {
            Ok(0) => return End::Closed,
            Ok(_) => reader.push(said.get(before..).unwrap_or_default()),
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => {}
            Err(_) => return End::Closed,
        }
    }
    End::Flight
}

/// Reads what is there, without waiting.
pub(super) fn read_some(stream: &TcpStream, said: &mut Vec<u8>) -> io::Result<usize> {
    let mut buffer = [0; 4_096];
    let len = stream.try_read(&mut buffer)?;
    said.extend(buffer.iter().take(len));
    Ok(len)
}

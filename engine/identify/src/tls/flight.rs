//! The server's first flight: everything that it says in the plain before it waits for us.

use super::alert::Alert;
use super::octets::Octets;
use super::record::{self, Content, HEADER_LEN, Next};
use super::server_hello::ServerHello;
use super::version::Version;
use super::{CHAIN_LEN_MAX, HANDSHAKE_LEN_MAX};

/// Types of handshake messages, RFC 5246 §7.4.
const SERVER_HELLO: u8 = 2;
const CERTIFICATE: u8 = 11;
const CERTIFICATE_REQUEST: u8 = 13;
const SERVER_HELLO_DONE: u8 = 14;

/// What a server said in the plain.
///
/// TLS 1.3 encrypts all but the hello; earlier versions show their certificates.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Flight {
    /// A hello that asked for another of ours.
    pub retry: Option<ServerHello>,
    /// The hello.
    pub hello: Option<ServerHello>,
    /// The certificates as they came, the server's own first, at most
    /// [`CHAIN_LEN_MAX`](super::CHAIN_LEN_MAX); the last may be cut short where the flight was.
    pub certificates: Vec<Vec<u8>>,
    /// Whether it wants a certificate of ours.
    pub certificate_wanted: bool,
    /// Whether it came to its end, `ServerHelloDone`.
    pub done: bool,
    /// The alert that ended it, or else the first warning.
    pub alert: Option<Alert>,
    /// Whether it is TLS at all: an alert, or at least the beginning of a hello.
    pub is_tls: bool,
}

impl Flight {
    /// Reads what a server said, of which at most
    /// [`HANDSHAKE_LEN_MAX`](super::HANDSHAKE_LEN_MAX) octets count.
    ///
    /// What follows something that is not TLS is not looked at.
    pub fn parse(octets: &[u8]) -> Self {
        let mut reader = FlightReader::default();
        reader.push(octets);
        reader.finish()
    }

    /// The hello, or the one that asked for another.
    pub fn any_hello(&self) -> Option<&ServerHello> {
        self.hello.as_ref().or(self.retry.as_ref())
    }

    /// The version that the server chose, if it is one that is known.
    pub fn version(&self) -> Option<Version> {
        self.any_hello().and_then(ServerHello::version)
    }
}

/// Reads a flight as it comes; what it costs is linear in the octets, however they come.
#[derive(Debug, Default)]
pub(super) struct FlightReader {
    flight: Flight,
    /// The record that is not whole yet.
    pending: Vec<u8>,
    /// The handshake message that is not whole yet.
    handshake: Vec<u8>,
    read_len: usize,
    /// Whether something came behind which nothing can be read.
    ended: bool,
}

impl FlightReader {
    /// Reads further.
    pub(super) fn push(&mut self, octets: &[u8]) {
        let most = HANDSHAKE_LEN_MAX.saturating_sub(self.read_len);
        let octets = octets.get(..most).unwrap_or(octets);
        self.read_len += octets.len();
        if !self.ended {
            self.pending.extend_from_slice(octets);
            self.read_records();
        }
    }

    /// Whether nothing that comes later can tell more.
    pub(super) const fn has_ended(&self) -> bool {
        self.ended || self.read_len >= HANDSHAKE_LEN_MAX
    }

    /// Whether it is TLS, as far as it has been read.
    pub(super) fn is_tls(&self) -> bool {
        let first = self.handshake.first().or_else(|| self.pending_body().first());
        self.flight.is_tls || first == Some(&SERVER_HELLO)
    }

    /// What was read; a certificate in the middle of which it ended is the last.
    pub(super) fn finish(mut self) -> Flight {
        self.flight.is_tls = self.is_tls();
        let body = self.pending_body().to_vec();
        self.handshake.extend(body);
        self.read_messages();
        let mut octets = Octets::new(&self.handshake);
        let is_certificate = octets.u8() == Some(CERTIFICATE) && octets.len24().is_some();
        if is_certificate && self.flight.hello.is_some() {
            self.flight.read_certificates(octets.rest());
        }
        self.flight
    }

    /// As much as there is of the body of a handshake record that is not whole yet.
    fn pending_body(&self) -> &[u8] {
        match record::next(&self.pending) {
            Next::Record { content: Content::Handshake, body, .. } => body,
            _ => &[],
        }
    }

    fn read_records(&mut self) {
        let pending = std::mem::take(&mut self.pending);
        let mut rest = pending.as_slice();
        while !self.ended {
            match record::next(rest) {
                Next::Record { content, body, lacking: 0 } => {
                    self.read_record(content, body);
                    rest = rest.get(HEADER_LEN + body.len()..).unwrap_or_default();
                }
                Next::Broken => self.ended = true,
                Next::Record { .. } | Next::More => break,
            }
        }
        if self.ended {
            return;
        }
        self.pending = if rest.len() == pending.len() { pending } else { rest.to_vec() };
    }

    fn read_record(&mut self, content: Content, body: &[u8]) {
        match content {
            Content::Handshake => {
                self.handshake.extend_from_slice(body);
                self.read_messages();
            }
            Content::Alert => self.read_alert(body),
            // Between the two hellos of TLS 1.3 it means nothing, RFC 8446 appendix D.4.
            Content::ChangeCipherSpec if self.flight.hello.is_none() => {}
            Content::ChangeCipherSpec | Content::ApplicationData => self.ended = true,
            Content::Heartbeat => {}
        }
    }

    fn read_alert(&mut self, body: &[u8]) {
        match *body {
            [level @ 1..=2, description] => {
                self.flight.is_tls = true;
                let last = level == 2 || description == 0;
                if last || self.flight.alert.is_none() {
                    self.flight.alert = Some(Alert(description));
                }
                self.ended |= last;
            }
            _ => self.ended = true,
        }
    }

    fn read_messages(&mut self) {
        let handshake = std::mem::take(&mut self.handshake);
        let mut octets = Octets::new(&handshake);
        while !self.ended {
            let mut ahead = octets;
            let (Some(kind), Some(len)) = (ahead.u8(), ahead.len24()) else { break };
            let Some(body) = ahead.take(len) else { break };
            octets = ahead;
            self.read_message(kind, body);
        }
        if self.ended {
            return;
        }
        let rest = octets.rest();
        self.handshake = if rest.len() == handshake.len() { handshake } else { rest.to_vec() };
    }

    fn read_message(&mut self, kind: u8, body: &[u8]) {
        match kind {
            SERVER_HELLO => self.read_hello(body),
            // A `HelloRequest` is nothing that a server may begin with, but harmless.
            0 => {}
            _ if self.flight.hello.is_none() => self.ended = true,
            CERTIFICATE => self.flight.read_certificates(body),
            CERTIFICATE_REQUEST => self.flight.certificate_wanted = true,
            SERVER_HELLO_DONE => {
                self.flight.done = true;
                self.ended = true;
            }
            _ => {}
        }
    }

    fn read_hello(&mut self, body: &[u8]) {
        self.flight.is_tls = true;
        match ServerHello::parse(body) {
            Some(hello) if hello.retry && self.flight.any_hello().is_none() => {
                self.flight.retry = Some(hello);
            }
            Some(hello) if self.flight.hello.is_none() && !hello.retry => {
                self.ended = hello.version >= Version::Tls13.number();
                self.flight.hello = Some(hello);
            }
            _ => self.ended = true,
        }
    }
}

impl Flight {
    /// Reads a certificate message, RFC 5246 §7.4.2, or as much of it as there is.
    fn read_certificates(&mut self, body: &[u8]) {
        let mut octets = Octets::new(body);
        if octets.len24().is_none() || !self.certificates.is_empty() {
            return;
        }
        while self.certificates.len() < CHAIN_LEN_MAX {
            let Some(len) = octets.len24() else { break };
            let whole = octets.take(len);
            let certificate = whole.unwrap_or_else(|| octets.rest());
            if !certificate.is_empty() {
                self.certificates.push(certificate.to_vec());
            }
            if whole.is_none() {
                break;
            }
        }
    }
}

#[cfg(test)]
pub(super) mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::tls::server_hello::tests::hello_of;

    pub(crate) fn record(content: u8, body: &[u8]) -> Vec<u8> {
        let len = u16::try_from(body.len()).unwrap().to_be_bytes();
        [&[content, 3, 3][..], &len, body].concat()
    }

    pub(crate) fn message(kind: u8, body: &[u8]) -> Vec<u8> {
        let [_, len @ ..] = u32::try_from(body.len()).unwrap().to_be_bytes();
        [&[kind][..], &len, body].concat()
    }

    fn certificates(list: &[&[u8]]) -> Vec<u8> {
        let list: Vec<u8> = list.iter().flat_map(|one| message(0, one)[1..].to_vec()).collect();
        message(CERTIFICATE, &message(0, &list)[1..])
    }

    /// A whole flight of TLS 1.2 in one run of handshake octets.
    fn handshake() -> Vec<u8> {
        [
            message(SERVER_HELLO, &hello_of(0x0303, 0xc02f, &[(0xff01, &[0]), (23, &[])])),
            certificates(&[b"leaf", b"issuer"]),
            message(12, &[5; 90]),
            message(CERTIFICATE_REQUEST, &[1, 64, 0, 0, 0, 0]),
            message(SERVER_HELLO_DONE, &[]),
        ]
        .concat()
    }

    fn flight() -> Vec<u8> {
        handshake().chunks(50).flat_map(|part| record(22, part)).collect()
    }

    #[test]
    fn a_flight_is_read_across_its_records() {
        for octets in [flight(), record(22, &handshake())] {
            let told = Flight::parse(&octets);
            assert_eq!(told.version(), Some(Version::Tls12));
            assert_eq!(told.certificates, [&b"leaf"[..], b"issuer"]);
            assert!(told.done && told.certificate_wanted && told.is_tls);
            assert_eq!(told.alert, None);
        }
    }

    #[test]
    fn a_retry_and_the_hello_after_it_are_read() {
        let mut retry = hello_of(0x0303, 0x1301, &[(43, &[3, 4]), (51, &[0, 23])]);
        retry[2..34].copy_from_slice(&crate::tls::server_hello::RETRY_RANDOM);
        let hello = hello_of(0x0303, 0x1302, &[(51, &[0, 23, 0, 1, 4]), (43, &[3, 4])]);
        let octets = [
            record(22, &message(SERVER_HELLO, &retry)),
            record(20, &[1]),
            record(22, &message(SERVER_HELLO, &hello)),
            record(23, &[9; 100]),
        ]
        .concat();
        let told = Flight::parse(&octets);
        assert!(told.retry.is_some_and(|retry| retry.cipher.0 == 0x1301));
        assert!(told.hello.is_some_and(|hello| hello.extensions == [51, 43]));
        let only = Flight::parse(&record(22, &message(SERVER_HELLO, &retry)));
        assert_eq!(only.version(), Some(Version::Tls13));
    }

    #[test]
    fn alerts_end_and_warnings_do_not() {
        let warned = [record(21, &[1, 112]), flight()].concat();
        let told = Flight::parse(&warned);
        assert!(told.done && told.alert == Some(Alert(112)));
        let refused = [record(21, &[1, 112]), record(21, &[2, 70]), flight()].concat();
        let told = Flight::parse(&refused);
        assert!(told.is_tls && told.alert == Some(Alert(70)) && told.hello.is_none());
    }

    #[test]
    fn what_is_not_tls_is_not() {
        let echo = record(22, &message(1, &[3, 3, 7, 7]));
        for other in [&b"220 ready\r\n"[..], b"HTTP/1.1 400 Bad Request\r\n\r\n", b"\x16", &echo] {
            assert_eq!(Flight::parse(other), Flight::default(), "{other:?}");
        }
        assert!(Flight::parse(&record(22, &handshake())[..6]).is_tls);
    }

    #[test]
    fn a_certificate_that_is_cut_is_the_last() {
        let octets = record(22, &handshake());
        let at = octets.windows(6).position(|part| part == b"issuer").unwrap();
        assert_eq!(Flight::parse(&octets[..at + 2]).certificates, [&b"leaf"[..], b"is"]);
    }

    #[test]
    fn endless_flights_end() {
        let hello = record(22, &message(SERVER_HELLO, &hello_of(0x0303, 0xc02f, &[])));
        let endless = record(22, &[11, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0, 1, 0]);
        let mut reader = FlightReader::default();
        reader.push(&hello);
        reader.push(&endless);
        let mut pushed = 0;
        while !reader.has_ended() {
            reader.push(&record(22, &[0; 1_000]));
            pushed += 1;
            assert!(pushed < 100, "it goes on");
        }
        let told = reader.finish();
        assert!(told.is_tls && !told.done);
        assert!(told.certificates.iter().map(Vec::len).sum::<usize>() <= HANDSHAKE_LEN_MAX);
        let chain: Vec<&[u8]> = vec![b"x"; 100];
        let long = [&hello[..], &record(22, &certificates(&chain))].concat();
        assert_eq!(Flight::parse(&long).certificates.len(), CHAIN_LEN_MAX);
    }

    proptest! {
        #[test]
        fn any_octets_are_read_alike_however_they_come(
            octets in prop_oneof![
                prop::collection::vec(any::<u8>(), 0..600),
                (0..flight().len()).prop_map(|len| flight()[..len].to_vec()),
                (0..flight().len(), any::<u8>()).prop_map(|(at, octet)| {
                    let mut flight = flight();
                    flight[at] ^= octet;
                    flight
                }),
            ],
            step in 1_usize..90,
        ) {
            let mut reader = FlightReader::default();
            octets.chunks(step).for_each(|part| reader.push(part));
            prop_assert_eq!(reader.finish(), Flight::parse(&octets));
        }
    }
}

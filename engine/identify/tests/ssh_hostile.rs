//! The audit against servers that are none, or do what none should.

#![expect(clippy::unwrap_used, reason = "a helper that can't go on fails its test")]

use std::io::{Read as _, Write as _};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::time::Duration;

use portolan_identify::ssh::{AuthMethods, Fault, Kind, SshFacts, audit};
use tokio::time::Instant;

/// Longest that an audit may take here: it ends long before, or the test has failed.
const TIME_MAX: Duration = Duration::from_mins(1);
const OCTETS_MAX: usize = 64 << 10;
const LINE: &[u8] = b"SSH-2.0-x\r\n";

#[test]
fn endless_lines_end() {
    let facts = against(|mut stream| while stream.write_all(b"Welcome!\r\n").is_ok() {});
    assert_eq!(facts.stopped, Some(Fault::NotSsh));
    let facts = against(|mut stream| while stream.write_all(b"Welcome!").is_ok() {});
    assert_eq!(facts.stopped, Some(Fault::NotSsh));
    assert_eq!(facts.auth_methods, AuthMethods::Unknown(Fault::NotAsked));
    assert_eq!((facts.identification, facts.offer, facts.terrapin), (None, None, None));
}

#[test]
fn a_megabyte_of_names_is_not_read() {
    let facts = against(|mut stream| {
        let names = "x,".repeat(1 << 19);
        let _ = stream.write_all(&[LINE, &packet(&kex_init(&names))].concat());
        drain(&mut stream);
    });
    assert_eq!(facts.stopped, Some(Fault::TooLong("a packet")));
    assert_eq!(facts.identification.unwrap().software, "x");
}

#[test]
fn endless_packets_that_mean_nothing_end() {
    let facts = against(|mut stream| {
        let _ = stream.write_all(LINE);
        // SSH_MSG_IGNORE.
        let ignored = packet(&[&[2, 0, 0, 0x10, 0][..], &[0; 4096]].concat());
        while stream.write_all(&ignored).is_ok() {}
    });
    assert_eq!(facts.stopped, Some(Fault::Octets));
}

#[test]
fn a_server_that_leaves_after_its_offer_has_made_an_offer() {
    let facts = against(|mut stream| {
        let _ = stream.write_all(&[LINE, &packet(&kex_init("curve25519-sha256"))].concat());
    });
    assert_eq!(facts.stopped, None);
    assert_eq!(facts.offer.unwrap().kex, ["curve25519-sha256"]);
    assert_eq!(facts.terrapin, Some(true));
    let gone = |fault: &Fault| matches!(fault, Fault::Closed | Fault::Broken(_));
    let unknown = matches!(&facts.auth_methods, AuthMethods::Unknown(fault) if gone(fault));
    assert!(unknown, "{:?}", facts.auth_methods);
    assert_eq!((facts.host_keys.len(), facts.host_keys_unknown.len()), (0, 2));
    assert!(facts.host_keys_unknown.iter().all(|unknown| gone(&unknown.why)));
}

#[test]
fn a_silent_server_takes_no_longer_than_it_may() {
    for says in [&b""[..], LINE, b"SSH-2.0"] {
        let server = serve(move |mut stream| {
            let _ = stream.write_all(says);
            drain(&mut stream);
        });
        let facts = run(server, Instant::now() + Duration::from_millis(100));
        assert_eq!(facts.stopped, Some(Fault::Time));
        assert_eq!(facts.identification.is_some(), says == LINE);
    }
}

#[test]
fn a_server_that_says_why_it_leaves_is_quoted() {
    let facts = against(|mut stream| {
        let text = b"\0\0\0\x14Too many connections\0\0\0\0";
        let farewell = packet(&[&[1, 0, 0, 0, 12][..], text].concat());
        let _ = stream.write_all(&[LINE, &farewell].concat());
        drain(&mut stream);
    });
    let text = "Too many connections".to_owned();
    assert_eq!(facts.stopped, Some(Fault::Disconnected { code: 12, text }));
}

#[test]
fn a_reply_that_is_none_tells_no_key() {
    let cases: [(&[u8], Fault); 3] = [
        (&[31, 0, 0, 0, 9], Fault::Malformed("the key exchange reply")),
        (&[52], Fault::OutOfTurn(52)),
        (&[31, 0, 0, 0, 1, 7, 0, 0, 0, 0, 0, 0, 0, 0], Fault::Malformed("the host key")),
    ];
    for (reply, fault) in cases {
        let facts = against(move |mut stream| {
            let offer = packet(&kex_init("curve25519-sha256"));
            let _ = stream.write_all(&[LINE, &offer, &packet(reply)].concat());
            drain(&mut stream);
        });
        assert_eq!(facts.host_keys, []);
        assert!(facts.host_keys_unknown.iter().all(|unknown| unknown.why == fault), "{facts:?}");
        assert_eq!(facts.auth_methods.told(), None);
    }
}

#[test]
fn version_1_is_known_by_its_name() {
    let facts = against(|mut stream| {
        let _ = stream.write_all(b"SSH-1.5-1.2.27\n");
        drain(&mut stream);
    });
    assert_eq!(facts.stopped, Some(Fault::Version1));
    assert_eq!(facts.weaknesses.len(), 1);
    assert_eq!(
        (facts.weaknesses[0].kind, facts.weaknesses[0].name.as_str()),
        (Kind::Protocol, "SSH-1.5")
    );
}

#[test]
fn who_is_not_there_tells_nothing() {
    let addr = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    let facts = run(addr, Instant::now() + TIME_MAX);
    assert!(matches!(facts.stopped, Some(Fault::Connect(_))), "{:?}", facts.stopped);
}

/// What an audit makes of a server that does so on every connection.
fn against(server: impl Fn(TcpStream) + Send + 'static) -> SshFacts {
    run(serve(server), Instant::now() + TIME_MAX)
}

fn serve(server: impl Fn(TcpStream) + Send + 'static) -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let addr = listener.local_addr().unwrap();
    std::thread::spawn(move || listener.incoming().flatten().for_each(server));
    addr
}

fn run(addr: SocketAddr, until: Instant) -> SshFacts {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    runtime.block_on(audit(addr, until, OCTETS_MAX))
}

/// Reads until the other side has gone.
fn drain(stream: &mut TcpStream) {
    let mut octets = [0; 4096];
    while stream.read(&mut octets).is_ok_and(|len| len > 0) {}
}

/// RFC 4253 §6.
fn packet(payload: &[u8]) -> Vec<u8> {
    let padding = 4 + (8 - (payload.len() + 9) % 8) % 8;
    let len = u32::try_from(1 + payload.len() + padding).unwrap();
    let mut packet = len.to_be_bytes().to_vec();
    packet.push(u8::try_from(padding).unwrap());
    packet.extend_from_slice(payload);
    packet.resize(packet.len() + padding, 0);
    packet
}

/// RFC 4253 §7.1.
fn kex_init(kex: &str) -> Vec<u8> {
    let cipher = "chacha20-poly1305@openssh.com";
    let names = [kex, "ssh-ed25519,rsa-sha2-512", cipher, cipher, "m", "m", "none", "none", "", ""];
    let mut payload = vec![20];
    payload.extend([0; 16]);
    for list in names {
        payload.extend(u32::try_from(list.len()).unwrap().to_be_bytes());
        payload.extend(list.as_bytes());
    }
    payload.extend([0; 5]);
    payload
}

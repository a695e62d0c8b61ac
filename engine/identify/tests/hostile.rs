//! Servers that mean harm, or are merely odd: asking them ends, keeps within its bounds, and tells
//! nothing that they did not show.

#![expect(clippy::unwrap_used, clippy::expect_used, reason = "helpers of tests fail as tests do")]

mod common;

use std::future::pending;
use std::io::{self, Write as _};
use std::net::Ipv4Addr;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use common::{Connection, Manner, Server};
use common::{ask, ask_all, ask_in_paused_time, ask_with, hasty, name, options, product};
use portolan_core::Endpoint;
use portolan_fingerprints::{Database, Example};
use portolan_identify::{Target, identify};
use tokio::io::AsyncWriteExt as _;
use tokio::sync::mpsc;
use tokio::time::{interval, timeout};
use tokio_rustls::TlsAcceptor;

const SSH: &str = "SSH-2.0-OpenSSH_9.6p1 Debian-3\r\n";
const HTTP: &str = "HTTP/1.1 200 OK\r\nServer: nginx/1.24.0\r\nContent-Length: 2\r\n\r\nhi";
/// Whoever passes this does not end.
const HANG: Duration = Duration::from_mins(2);

/// The same numbers for the same seed: Vigna's SplitMix64.
struct Random(u64);

impl Random {
    /// From `PORTOLAN_SEED`, or `default`; prints it.
    fn new(default: u64) -> Self {
        let given = std::env::var("PORTOLAN_SEED").ok().and_then(|seed| seed.parse().ok());
        let seed = given.unwrap_or(default);
        let _told = writeln!(io::stdout(), "PORTOLAN_SEED={seed}");
        Self(seed)
    }

    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let z = (self.0 ^ (self.0 >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    fn below(&mut self, len: usize) -> usize {
        usize::try_from(self.next() % u64::try_from(len.max(1)).unwrap()).unwrap()
    }

    fn octets(&mut self, len: usize) -> Vec<u8> {
        (0..len.div_ceil(8)).flat_map(|_| self.next().to_le_bytes()).take(len).collect()
    }
}

/// Says something to everyone, and then nothing more.
fn greeter(greeting: impl Into<Vec<u8>>) -> Server {
    let greeting = greeting.into();
    Server::start(move |mut connection| {
        let greeting = greeting.clone();
        async move {
            connection.say(greeting).await?;
            connection.listen().await
        }
    })
}

/// Answers every request of HTTP in the same way.
fn web(answer: impl Into<Vec<u8>>) -> Server {
    let answer = answer.into();
    Server::start(move |mut connection| {
        let answer = answer.clone();
        async move { connection.answer_all(answer).await }
    })
}

/// Answers the first request of a connection with `head`, and goes on with `rest` for ever.
fn endless_web(head: &'static str, rest: &'static str) -> Server {
    Server::start(move |mut connection| async move {
        connection.request().await?;
        connection.say(head).await?;
        connection.say_for_ever(rest.repeat(1 + 4_096 / rest.len())).await
    })
}

/// Says `octets` for ever, from the beginning.
fn flood(octets: Vec<u8>) -> Server {
    Server::start(move |mut connection| {
        let octets = octets.clone();
        async move { connection.say_for_ever(octets).await }
    })
}

// ---- who says nothing, or little

#[tokio::test(start_paused = true)]
async fn a_tarpit_is_left_when_its_time_is_up() {
    let server = Server::start(|mut connection| async move { connection.listen().await });
    let told = ask_in_paused_time(&server).await;
    assert_eq!((name(&told), &told.banner), ("", &None));
    assert!(server.connections() > 0, "it was asked");
}

#[tokio::test(start_paused = true)]
async fn who_does_not_even_read_is_left_too() {
    let server = Server::start(|connection| async move {
        let _open = connection;
        pending().await
    });
    let told = ask_in_paused_time(&server).await;
    assert_eq!((name(&told), &told.banner), ("", &None));
}

#[tokio::test(start_paused = true)]
async fn an_octet_a_second_gains_no_time() {
    let server = Server::start(|mut connection| async move {
        let mut second = interval(Duration::from_secs(1));
        loop {
            second.tick().await;
            connection.say("a").await?;
        }
    });
    let told = ask_in_paused_time(&server).await;
    assert_eq!(name(&told), "");
}

#[tokio::test(start_paused = true)]
async fn lines_before_an_ssh_identification_gain_no_time() {
    for period in [10, 1] {
        let mut random = Random::new(period);
        let words: Vec<String> = (0..64).map(|_| format!("{:x}\r\n", random.next())).collect();
        let server = Server::start(move |mut connection| {
            let words = words.clone();
            async move {
                let mut tick = interval(Duration::from_secs(period));
                for word in words.iter().cycle() {
                    connection.say(word).await?;
                    tick.tick().await;
                }
                Ok(())
            }
        });
        let told = ask_in_paused_time(&server).await;
        assert_eq!(name(&told), "", "it has not said that it is anything");
    }
}

#[tokio::test]
async fn who_closes_at_once_is_wrapped() {
    let server = Server::start(|_| async { Ok(()) });
    assert_eq!(name(&ask(&server).await), "tcpwrapped");
}

#[tokio::test]
async fn who_resets_at_once_is_not_named_as_a_service() {
    let server = Server::start(|connection| async { connection.reset() });
    let told = ask(&server).await;
    assert!(["", "tcpwrapped"].contains(&name(&told)), "{told:?}");
}

#[tokio::test]
async fn who_resets_when_asked_is_not_named_as_a_service() {
    let server = Server::start(|mut connection| async {
        connection.hear().await?;
        connection.reset()
    });
    let told = ask_with(&server, &hasty()).await;
    assert!(["", "tcpwrapped"].contains(&name(&told)), "{told:?}");
}

// ---- who says too much

#[tokio::test]
async fn endless_random_octets_are_nothing() {
    let mut random = Random::new(1);
    let told = ask_with(&flood(random.octets(64 << 10)), &hasty()).await;
    assert_eq!(name(&told), "", "{told:?}");
}

#[tokio::test]
async fn a_small_budget_is_kept_too() {
    let mut options = hasty();
    options.endpoint_octets_max = 100;
    let told = ask_with(&flood(vec![b'a'; 64 << 10]), &options).await;
    assert_eq!(name(&told), "");
    assert!(told.banner.is_some_and(|banner| banner.len() <= 100), "what was read is within it");
}

#[tokio::test]
async fn ten_megabytes_for_a_terminal_are_nothing() {
    let escapes = b"\x1b[2J\x1b[1;1H\x1b]0;owned\x07\x1b[8m\x9b31m\x1bP+q\x1b\\".repeat(320_000);
    assert!(escapes.len() > 10 << 20);
    let told = ask_with(&greeter(escapes), &hasty()).await;
    assert_eq!(product(&told), ("", ""), "{told:?}");
}

#[tokio::test]
async fn greetings_that_never_end_are_known_by_their_beginning() {
    let ftp = flood(b"220-ProFTPD 1.3.8 Server (here) [127.0.0.1]\r\n".to_vec());
    let smtp = flood(b"220-mx.example.net ESMTP Postfix\r\n".to_vec());
    let line = flood(vec![b'a'; 4_096]);
    let zeros = flood(vec![0; 4_096]);
    let told = ask_all(&[&ftp, &smtp, &line, &zeros], &hasty()).await;
    let names: Vec<&str> = told.iter().map(name).collect();
    assert_eq!(names, ["ftp", "smtp", "", ""]);
}

#[tokio::test]
async fn telnet_may_negotiate_for_ever() {
    let server = Server::start(|mut connection| async move {
        connection.say(b"\xff\xfd\x18\xff\xfd\x20\xff\xfd\x23\xff\xfd\x27").await?;
        while !connection.hear().await?.is_empty() {
            connection.say(b"\xff\xfd\x01\xff\xfb\x01\xff\xfa\x18\x01\xff\xf0").await?;
        }
        Ok(())
    });
    assert_eq!(name(&ask_with(&server, &hasty()).await), "telnet");
}

#[tokio::test]
async fn lengths_that_are_announced_are_not_believed() {
    let beginnings: &[&[u8]] = &[
        b"SSH-2.0-OpenSSH_9.6\r\n\xff\xff\xff\xff\x04\x14aaaaaaaaaaaaaaaa",
        b"SSH-2.0-OpenSSH_9.6\r\n\x00\x00\x00\x1c\x04\x14aaaaaaaaaaaaaaaa\xff\xff\xff\xff",
        b"\xff\xff\xff\x00\x0a8.0.35\x00",
        b"\x16\x03\x03\xff\xff\x02\xff\xff\xff",
        b"\x15\x03\x03\xff\xff",
        b"\x30\x84\xff\xff\xff\xff\x02\x01\x01\x61",
        b"\x00\xff\xff\xff\xfeSMB",
        b"\xff\xff\xff\xffR\xff\xff\xff\xff",
        b"\x03\x00\xff\xff\x02\xf0\x80",
        b"$99999999999999999999\r\nredis_version:7.2.4\r\n",
        b"$-2147483649\r\n",
        b"*4294967296\r\n",
        b"\xff\xff\xff\x7f\x01\x00\x00\x00\x00\x00\x00\x00\x01\x00\x00\x00",
        b"RFB 999.999\n\xff",
        b"\xff\xffversion",
        b"AMQP\x00\x00\x09\x01",
        b"\x01\x00\x00\xff\xff\xff\xff\xff\xff\xff\xff",
        b"@RSYNCD: 99999999999999999999.0\n",
    ];
    let servers: Vec<Server> = beginnings.iter().map(|said| answerer(said.to_vec())).collect();
    let servers: Vec<&Server> = servers.iter().collect();
    let told = ask_all(&servers, &hasty()).await;
    assert_eq!((name(&told[0]), name(&told[1])), ("ssh", "ssh"));
}

/// Says the same when it is called, and whenever it is asked.
fn answerer(octets: Vec<u8>) -> Server {
    Server::start(move |mut connection| {
        let octets = octets.clone();
        async move {
            connection.say(&octets).await?;
            while !connection.hear().await?.is_empty() {
                connection.say(&octets).await?;
            }
            Ok(())
        }
    })
}

// ---- HTTP

#[tokio::test]
async fn a_compressed_bomb_stays_compressed() {
    let body = bomb(1 << 20);
    let head = "HTTP/1.1 200 OK\r\nServer: nginx/1.24.0\r\nContent-Encoding: gzip\r\n";
    let mut answer = format!("{head}Content-Length: {}\r\n\r\n", body.len()).into_bytes();
    answer.extend(body);
    assert_eq!(product(&ask(&web(answer)).await), ("nginx", "1.24.0"));
}

/// `len` octets of gzip (RFC 1952) which become a hundred and fifty times as many zeros: one
/// literal, and copies of 258 octets at distance 1, in fixed codes (RFC 1951 §3.2.6).
fn bomb(len: usize) -> Vec<u8> {
    let (mut octets, mut bits, mut count) = (vec![0x1f, 0x8b, 8, 0, 0, 0, 0, 0, 0, 255], 0_u32, 0);
    let mut push = |code: u32, len: u32| {
        // Huffman codes go in from their most significant bit.
        for at in (0..len).rev() {
            bits |= (code >> at & 1) << count;
            count += 1;
            if count == 8 {
                octets.push(u8::try_from(bits).unwrap());
                (bits, count) = (0, 0);
            }
        }
        octets.len()
    };
    push(0b110, 3);
    push(0b0011_0000, 8);
    while push(0b1100_0101, 8) < len {
        push(0, 5);
    }
    octets
}

#[tokio::test]
async fn endless_answers_are_known_by_their_beginning() {
    let chunked = "HTTP/1.1 200 OK\r\nServer: nginx/1.24.0\r\nTransfer-Encoding: chunked\r\n\r\n";
    let head = "HTTP/1.1 200 OK\r\nServer: nginx/1.24.0\r\n";
    let servers = [
        endless_web(chunked, "4\r\naaaa\r\n"),
        endless_web(chunked, "ffffffffffffffff\r\n"),
        endless_web(head, "X-More: and more\r\n"),
        endless_web(head, "a"),
        endless_web("HTTP/1.1 200 OK\r\nServer: nginx/1.24.0\r\n\r\n", "<title>"),
        endless_web("HTTP/1.1 100 Continue\r\n\r\n", "HTTP/1.1 100 Continue\r\n\r\n"),
    ];
    let servers: Vec<&Server> = servers.iter().collect();
    let told = ask_all(&servers, &hasty()).await;
    assert!(told.iter().all(|told| name(told) == "http"), "{told:?}");
    let products: Vec<_> = told[..5].iter().map(product).collect();
    assert_eq!(products, [("nginx", "1.24.0"); 5]);
}

#[tokio::test]
async fn lengths_of_bodies_are_not_believed() {
    let lengths = ["-1", "18446744073709551616", "9223372036854775807", "0x10", "", "2, 3", "é"];
    let answer = |len: &&str| {
        web(format!("HTTP/1.1 200 OK\r\nServer: nginx/1.24.0\r\nContent-Length: {len}\r\n\r\nhi"))
    };
    let servers: Vec<Server> = lengths.iter().map(answer).collect();
    let servers: Vec<&Server> = servers.iter().collect();
    for (told, len) in ask_all(&servers, &hasty()).await.iter().zip(lengths) {
        assert_eq!((name(told), product(told)), ("http", ("nginx", "1.24.0")), "{len:?}");
    }
}

#[tokio::test]
async fn an_answer_that_is_cut_is_still_one() {
    let servers = [
        "HTTP/1.1 200 OK\r\nServer: nginx/1.24.0\r\n",
        "HTTP/1.1 200 OK\r\nServer: nginx/1.24.0\r\n\r\n",
        "HTTP/1.1 200 OK\nServer: nginx/1.24.0\n\n",
        "HTTP/1.0 500\r\n\r\n",
    ]
    .map(|answer| {
        Server::start(move |mut connection| async move {
            connection.request().await?;
            connection.say(answer).await
        })
    });
    let servers: Vec<&Server> = servers.iter().collect();
    let told = ask_all(&servers, &options()).await;
    assert!(told.iter().all(|told| name(told) == "http"), "{told:?}");
}

/// Answers every request with a redirection to what `location` makes of its path, and notes the
/// request's first line.
fn redirector(
    location: impl Fn(&str) -> String + Clone + Send + 'static,
) -> (Server, Arc<Mutex<Vec<String>>>) {
    let lines = Arc::new(Mutex::new(Vec::new()));
    let noted = Arc::clone(&lines);
    let server = Server::start(move |mut connection: Connection| {
        let (location, noted) = (location.clone(), Arc::clone(&noted));
        async move {
            loop {
                let head = connection.request().await?;
                let line = head.lines().next().unwrap_or_default().to_owned();
                let to = location(line.split(' ').nth(1).unwrap_or_default());
                noted.lock().unwrap().push(line);
                let head = "HTTP/1.1 302 Found\r\nServer: nginx/1.24.0\r\nContent-Length: 0\r\n";
                connection.say(format!("{head}Location: {to}\r\n\r\n")).await?;
            }
        }
    });
    (server, lines)
}

#[tokio::test]
async fn redirections_in_a_circle_are_left() {
    let circles: [fn(&str) -> String; 6] = [
        |path| if path == "/" { "/a".into() } else { "/".into() },
        |path| path.into(),
        |path| format!("{path}a"),
        |_| String::new(),
        |_| "/b HTTP/1.1".into(),
        |_| "/\u{1b}[2J\0\x7f\t\"<".into(),
    ];
    for circle in circles {
        let (server, lines) = redirector(circle);
        assert_eq!(product(&ask(&server).await), ("nginx", "1.24.0"));
        let lines = lines.lock().unwrap();
        assert!(lines.len() <= 12, "{} requests", lines.len());
        for line in lines.iter() {
            let whole = line.split(' ').count() == 3
                && line.chars().all(|c| c.is_ascii_graphic() || c == ' ');
            assert!(whole, "not a request line: {line:?}");
        }
    }
}

#[tokio::test]
async fn nobody_else_is_asked_because_a_server_says_so() {
    const ELSEWHERE: Ipv4Addr = Ipv4Addr::new(127, 0, 0, 2);
    let witness = |addr| Server::with(Manner::Open, addr, |mut c| async move { c.listen().await });
    let (there, here) = (witness(ELSEWHERE), witness(Ipv4Addr::LOCALHOST));
    let (far, near) = (there.authority(), here.authority());
    let near_port = here.endpoint().port;
    let places = [
        format!("http://{far}/"),
        format!("https://{far}/"),
        format!("//{far}/"),
        format!("HTTP://{far}"),
        format!("http:\\\\{far}\\"),
        format!("\\\\{far}/"),
        format!("http:{far}/"),
        format!("http://127.0.0.1@{far}/"),
        format!("http://127.0.0.1:80\\@{far}/"),
        format!("http://{near}/"),
        format!("https://{near}/"),
        format!("http://localhost:{near_port}/"),
        format!("http://[::ffff:127.0.0.1]:{near_port}/"),
        format!("gopher://{near}/"),
        format!("/\t//{near}/"),
    ];
    let servers: Vec<Server> = places
        .iter()
        .map(|place| {
            let place = place.clone();
            redirector(move |_| place.clone()).0
        })
        .collect();
    let servers: Vec<&Server> = servers.iter().collect();
    let told = ask_all(&servers, &options()).await;
    assert!(told.iter().all(|told| product(told) == ("nginx", "1.24.0")), "{told:?}");
    assert_eq!((there.connections(), here.connections()), (0, 0));
}

// ---- TLS

fn acceptor(names: Vec<String>) -> TlsAcceptor {
    let made = rcgen::generate_simple_self_signed(names).unwrap();
    let key = rustls::pki_types::PrivateKeyDer::Pkcs8(made.signing_key.serialize_der().into());
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let config = rustls::ServerConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_no_client_auth()
        .with_single_cert(vec![made.cert.der().clone()], key)
        .unwrap();
    TlsAcceptor::from(Arc::new(config))
}

/// Of at most three characters: ten thousand fit into a certificate that servers take.
fn short_name(number: usize) -> String {
    let digit =
        |place: usize| char::from_digit(u32::try_from(number / place % 36).unwrap(), 36).unwrap();
    [36 * 36, 36, 1].map(digit).iter().collect()
}

/// Speaks TLS, and nothing inside it.
fn tls(names: usize) -> Server {
    let names = (0..names).map(short_name).collect();
    let acceptor = acceptor(names);
    Server::start(move |connection: Connection| {
        let acceptor = acceptor.clone();
        async move {
            let mut stream = acceptor.accept(connection).await?;
            tokio::io::copy(&mut stream, &mut tokio::io::sink()).await?;
            Ok(())
        }
    })
}

#[tokio::test]
async fn certificates_may_have_many_names() {
    let (some, many) = (tls(1_000), tls(10_000));
    let told = ask_all(&[&some, &many], &hasty()).await;
    for told in &told {
        assert!(["", "tls", "ssl"].contains(&name(told)), "{:?}", told.service);
    }
    assert_ne!(name(&told[0]), "", "TLS was spoken");
}

#[tokio::test]
async fn a_handshake_may_stop_or_never_end() {
    const HELLO_BEGINS: &[u8] = b"\x16\x03\x03\x03\xe8\x02\x00\x03\xe4\x03\x03random";
    let stops = Server::start(|mut connection| async move {
        connection.hear().await?;
        connection.say(HELLO_BEGINS).await?;
        connection.listen().await
    });
    let endless = |record: &'static [u8]| {
        Server::start(move |mut connection| async move {
            connection.hear().await?;
            connection.say_for_ever(record.repeat(256)).await
        })
    };
    let servers = [
        stops,
        // Warnings, empty records, records of another content, a hello in crumbs.
        endless(b"\x15\x03\x03\x00\x02\x01\x00"),
        endless(b"\x16\x03\x03\x00\x00"),
        endless(b"\x14\x03\x03\x00\x01\x01"),
        endless(b"\x17\x03\x03\x00\x01a"),
        endless(b"\x16\x03\x03\x00\x01\x02"),
        endless(b"\x16\x03\x03\x00\x04\x00\x00\x00\x00"),
    ];
    let servers: Vec<&Server> = servers.iter().collect();
    for told in ask_all(&servers, &hasty()).await {
        assert!(["", "tls", "ssl"].contains(&name(&told)), "{told:?}");
    }
}

/// Speaks TLS, and says `octets` inside it for ever.
fn flood_inside_tls(octets: Vec<u8>) -> Server {
    let acceptor = acceptor(vec!["example.net".into()]);
    Server::start(move |connection: Connection| {
        let (acceptor, octets) = (acceptor.clone(), octets.clone());
        async move {
            let mut stream = acceptor.accept(connection).await?;
            loop {
                stream.write_all(&octets).await?;
            }
        }
    })
}

#[tokio::test]
async fn endless_octets_inside_tls_are_not_read_to_the_end() {
    let zeros = flood_inside_tls(vec![0; 16 << 10]);
    let crumbs = flood_inside_tls(b"a".to_vec());
    let ftp = flood_inside_tls(b"220-ProFTPD 1.3.8 Server (here) [127.0.0.1]\r\n".to_vec());
    let told = ask_all(&[&zeros, &crumbs, &ftp], &hasty()).await;
    assert_eq!(product(&told[2]), ("ProFTPD", "1.3.8"));
    for told in &told[..2] {
        assert!(["", "tls", "ssl"].contains(&name(told)), "{:?}", told.service);
    }
}

// ---- who counts connections

#[tokio::test]
async fn who_speaks_once_is_heard_then() {
    let server = Server::with(Manner::Once, Ipv4Addr::LOCALHOST, |mut connection| async move {
        connection.say(SSH).await?;
        connection.listen().await
    });
    assert_eq!(product(&ask(&server).await), ("OpenSSH", "9.6p1"));
}

#[tokio::test]
async fn who_speaks_with_one_at_a_time_is_waited_for() {
    let greets = Server::with(Manner::Singly, Ipv4Addr::LOCALHOST, |mut connection| async move {
        connection.say(SSH).await?;
        connection.listen().await
    });
    let answers = Server::with(Manner::Singly, Ipv4Addr::LOCALHOST, |mut connection| async move {
        connection.answer_all(HTTP).await
    });
    let told = ask_all(&[&greets, &answers], &options()).await;
    assert_eq!(product(&told[0]), ("OpenSSH", "9.6p1"));
    assert_eq!(product(&told[1]), ("nginx", "1.24.0"));
}

// ---- who is not what it seems

#[tokio::test]
async fn our_own_words_are_an_echo() {
    let echo = |manner| {
        Server::with(manner, Ipv4Addr::LOCALHOST, |mut connection: Connection| async move {
            loop {
                let heard = connection.hear().await?;
                if heard.is_empty() {
                    return Ok(());
                }
                connection.say(heard).await?;
            }
        })
    };
    let (open, singly) = (echo(Manner::Open), echo(Manner::Singly));
    let told = ask_all(&[&open, &singly], &options()).await;
    assert_eq!((name(&told[0]), name(&told[1])), ("echo", "echo"));
}

#[tokio::test]
async fn a_console_that_repeats_what_is_typed_is_not_an_echo() {
    let server = Server::start(|mut connection| async move {
        loop {
            let heard = connection.hear().await?;
            if heard.is_empty() {
                return Ok(());
            }
            connection.say(heard).await?;
            connection.say("\r\n% Unknown command\r\nrouter> ").await?;
        }
    });
    let told = ask_with(&server, &hasty()).await;
    assert!(["", "telnet", "shell"].contains(&name(&told)), "{told:?}");
}

#[tokio::test]
async fn an_empty_line_for_an_empty_line_is_not_an_echo() {
    let server = Server::start(|mut connection| async move {
        while !connection.hear().await?.is_empty() {
            connection.say("\r\n\r\nPassword required: ").await?;
        }
        Ok(())
    });
    let told = ask_with(&server, &hasty()).await;
    assert_ne!(name(&told), "echo", "{told:?}");
}

/// A shell's greeting and a copy of what was typed, as terminals give it: not the protocol of what
/// we typed.
#[tokio::test]
async fn our_own_words_behind_a_prompt_are_not_our_protocol() {
    let server = Server::start(|mut connection| async move {
        connection.say("login: ").await?;
        loop {
            let heard = connection.hear().await?;
            if heard.is_empty() {
                return Ok(());
            }
            connection.say(heard).await?;
            connection.say("Password: ").await?;
        }
    });
    let told = ask_with(&server, &hasty()).await;
    assert!(["", "telnet", "login", "echo"].contains(&name(&told)), "{told:?}");
}

#[tokio::test]
async fn who_claims_to_be_everything_gets_one_name_at_most() {
    let servers = [
        "220 SSH-2.0-OpenSSH_9.6 HTTP/1.1 200 OK Server: nginx/1.24.0 ESMTP Postfix\r\n",
        "HTTP/1.1 220 SSH-2.0-OpenSSH_9.6 * OK IMAP4rev1 +OK POP3 RFB 003.008\r\n\r\n",
        "+OK 220 * OK RFB 003.008 AMQP @RSYNCD: 31.0 ERR unknown -ERR VERSION 1.6.18\r\n",
    ]
    .map(|words| answerer(words.into()));
    let servers: Vec<&Server> = servers.iter().collect();
    let told = ask_all(&servers, &hasty()).await;
    assert!(told.iter().all(|told| told.banner.is_some()), "{told:?}");
}

#[tokio::test]
async fn banners_are_octets() {
    let greeting = b"220 \xff\xfe\x80 FTP \xc3\x28 ready\r\n";
    let told = ask(&greeter(greeting)).await;
    assert_eq!(told.banner.as_deref(), Some(&greeting[..]));
    let told = ask(&greeter(b"SSH-2.0-\xff\xfe\x00\r\n")).await;
    assert_eq!(name(&told), "ssh");
}

/// What the signatures' files say that servers say.
fn examples() -> Vec<Vec<u8>> {
    let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/../../service-fingerprints/data/signatures");
    let files = std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path());
    let files = files.filter(|path| path.extension().is_some_and(|ext| ext == "toml"));
    let signatures = files.flat_map(|path| {
        let text = std::fs::read_to_string(&path).unwrap();
        portolan_fingerprints::Signature::read(&path.display().to_string(), &text).unwrap()
    });
    let of = |signature: portolan_fingerprints::Signature| {
        signature.examples().iter().map(Example::octets).collect::<Vec<_>>()
    };
    signatures.flat_map(of).collect()
}

/// Real answers, damaged, in place of any answer.
#[tokio::test]
async fn damaged_answers_harm_nobody() {
    let mut random = Random::new(42);
    let examples = examples();
    let mut damaged = || {
        let mut octets = examples[random.below(examples.len())].clone();
        if random.below(2) == 0 {
            octets.extend(&examples[random.below(examples.len())]);
        }
        octets.truncate(random.below(2 * octets.len()).max(1));
        for _ in 0..random.below(8) {
            let at = random.below(octets.len());
            octets[at] = random.octets(1)[0];
        }
        octets
    };
    let servers: Vec<Server> = (0..96).map(|_| answerer(damaged())).collect();
    let servers: Vec<&Server> = servers.iter().collect();
    ask_all(&servers, &hasty()).await;
}

// ---- the whole of it

#[tokio::test]
async fn the_quiet_do_not_keep_the_others_waiting_for_ever() {
    let mut options = hasty();
    options.concurrency = Some(4);
    let quiet: Vec<Server> = (0..24)
        .map(|_| Server::start(|mut connection| async move { connection.listen().await }))
        .collect();
    let (ssh, http) = (greeter(SSH), web(HTTP));
    let mut servers: Vec<&Server> = quiet.iter().collect();
    servers.extend([&ssh, &http]);
    let told = ask_all(&servers, &options).await;
    assert_eq!((name(&told[24]), name(&told[25])), ("ssh", "http"));
}

#[tokio::test]
async fn it_ends_when_there_is_nothing_to_ask_and_when_nobody_listens() {
    let (targets, asked) = mpsc::channel(1);
    let (teller, mut found) = mpsc::channel(1);
    drop(targets);
    let (options, database) = (options(), Database::embedded());
    timeout(HANG, identify(asked, teller, &options, database)).await.expect("the first ends");
    assert!(found.recv().await.is_none());

    let server = greeter(SSH);
    let (targets, asked) = mpsc::channel(1);
    let (teller, found) = mpsc::channel(1);
    drop(found);
    let endpoint: Endpoint = server.endpoint();
    let feeding = async {
        // Until it is noticed that nobody listens.
        while targets.send(Target::new(endpoint)).await.is_ok() {}
    };
    let asking = async {
        identify(asked, teller, &options, database).await;
    };
    timeout(HANG, async { tokio::join!(feeding, asking) }).await.expect("the second ends");
}

#[tokio::test]
async fn a_port_that_has_closed_since_is_nothing() {
    let server = greeter(SSH);
    let endpoint = server.endpoint();
    drop(server);
    let (targets, asked) = mpsc::channel(1);
    let (teller, mut found) = mpsc::channel(1);
    targets.send(Target::new(endpoint)).await.unwrap();
    drop(targets);
    let (options, database) = (options(), Database::embedded());
    timeout(HANG, identify(asked, teller, &options, database)).await.expect("it ends");
    let told = found.recv().await.expect("it is told of");
    assert_eq!((told.endpoint, name(&told), &told.banner), (endpoint, "", &None));
}

/// What the tests rest on: a server's own count of what it heard and said.
#[tokio::test]
async fn servers_count() -> io::Result<()> {
    let server = web(HTTP);
    let told = ask(&server).await;
    assert_eq!(name(&told), "http");
    assert!(server.connections() > 0 && server.heard() > 16, "{} heard", server.heard());
    Ok(())
}

//! Connections: slow ones, many of them, and the end of all of them.

use std::time::Duration;

use portolan_api::DaemonConfig;
use portolan_api::config::Limits;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;

use crate::client::{parse, raw};
use crate::lab::{Lab, config};

const SHORT: Duration = Duration::from_millis(50);
const LONG: Duration = Duration::from_mins(10);

async fn limited(change: impl FnOnce(&mut Limits)) -> Lab {
    let mut limits = Limits {
        header_timeout: LONG,
        idle_timeout: LONG,
        body_timeout: LONG,
        ..Limits::default()
    };
    change(&mut limits);
    Lab::with(|_| DaemonConfig { limits, ..config("") }).await
}

/// Reads until the server has closed the connection.
async fn until_closed(stream: &mut TcpStream) -> Vec<u8> {
    let mut answer = Vec::new();
    let _reset = stream.read_to_end(&mut answer).await;
    answer
}

#[tokio::test]
async fn a_head_that_drips_in_is_cut_off() {
    let lab = limited(|limits| limits.header_timeout = SHORT).await;
    let mut stream = TcpStream::connect(lab.addr).await.unwrap();
    stream.write_all(b"GET /v1/hello HTTP/1.1\r\nhost: local").await.unwrap();
    let answer = until_closed(&mut stream).await;
    assert!(answer.is_empty() || parse(&answer).status == 408, "{answer:?}");
    lab.stop().await.unwrap();
}

#[tokio::test]
async fn an_idle_connection_is_closed() {
    let lab = limited(|limits| limits.idle_timeout = SHORT).await;
    let mut stream = TcpStream::connect(lab.addr).await.unwrap();
    stream.write_all(b"GET /v1/hello HTTP/1.1\r\nhost: localhost\r\n\r\n").await.unwrap();
    // It is answered, and kept alive until nothing moves.
    let answer = parse(&until_closed(&mut stream).await);
    assert_eq!((answer.status, answer.text()), (200, "hello\n"));
    lab.stop().await.unwrap();
}

#[tokio::test]
async fn a_body_that_drips_in_is_cut_off() {
    let lab = limited(|limits| limits.body_timeout = SHORT).await;
    let head =
        b"PATCH /v1/expected HTTP/1.1\r\nhost: localhost\r\ncontent-type: application/json\r\n\
                 content-length: 100\r\n\r\n[";
    let mut stream = TcpStream::connect(lab.addr).await.unwrap();
    stream.write_all(head).await.unwrap();
    let answer = parse(&until_closed(&mut stream).await);
    answer.assert_problem(408);
    lab.stop().await.unwrap();
}

#[tokio::test]
async fn bodies_that_are_too_long_are_refused_before_and_while_they_arrive() {
    let lab = limited(|limits| {
        limits.body_bytes_max = 100;
        limits.report_bytes_max = 1_000;
    })
    .await;
    let announced =
        b"PATCH /v1/expected HTTP/1.1\r\nhost: localhost\r\ncontent-type: application/json\r\n\
                      content-length: 101\r\n\r\n";
    parse(&raw(lab.addr, announced).await).assert_problem(413);
    let chunked = format!(
        "PATCH /v1/expected HTTP/1.1\r\nhost: localhost\r\ncontent-type: application/json\r\n\
         transfer-encoding: chunked\r\n\r\n65\r\n{}\r\n0\r\n\r\n",
        " ".repeat(0x65)
    );
    parse(&raw(lab.addr, chunked.as_bytes()).await).assert_problem(413);
    let report = b"POST /v1/scan HTTP/1.1\r\nhost: localhost\r\ncontent-type: text/xml\r\n\
                   content-length: 1001\r\n\r\n";
    parse(&raw(lab.addr, report).await).assert_problem(413);
    let exact = format!("[{}]", " ".repeat(98));
    assert_eq!(lab.send("PATCH", "/v1/expected", "application/json", exact).await.status, 204);
    lab.stop().await.unwrap();
}

#[tokio::test]
async fn beyond_the_cap_connections_wait_their_turn() {
    let lab = limited(|limits| limits.connections_max = 2).await;
    let mut idle = Vec::new();
    for _ in 0..2 {
        let mut stream = TcpStream::connect(lab.addr).await.unwrap();
        stream.write_all(b"GET /health HTTP/1.1\r\nhost: localhost\r\n\r\n").await.unwrap();
        // Answered, so it holds its slot.
        assert!(stream.read_u8().await.is_ok());
        idle.push(stream);
    }
    let waiting = tokio::spawn({
        let addr = lab.addr;
        async move {
            raw(addr, b"GET /health HTTP/1.1\r\nhost: localhost\r\nconnection: close\r\n\r\n").await
        }
    });
    // Its request is not looked at while the two are there.
    let looked = tokio::time::timeout(SHORT, lab.handle.scheduler().wait_for(|_| false)).await;
    assert!(looked.is_err() && !waiting.is_finished());
    drop(idle);
    assert_eq!(parse(&waiting.await.unwrap()).status, 200);
    lab.stop().await.unwrap();
}

#[tokio::test]
async fn a_request_under_way_is_answered_when_the_daemon_stops() {
    let lab = limited(|_| {}).await;
    let mut stream = TcpStream::connect(lab.addr).await.unwrap();
    let head =
        b"PATCH /v1/expected HTTP/1.1\r\nhost: localhost\r\ncontent-type: application/json\r\n\
                 content-length: 2\r\nexpect: 100-continue\r\n\r\n";
    stream.write_all(head).await.unwrap();
    // The server asks for the body: so the request is under way.
    let mut interim = [0; 25];
    stream.read_exact(&mut interim).await.unwrap();
    assert_eq!(&interim, b"HTTP/1.1 100 Continue\r\n\r\n");
    let addr = lab.addr;
    let stopping = tokio::spawn(lab.stop());
    // Once nobody listens any more, it drains.
    while TcpStream::connect(addr).await.is_ok() {
        tokio::task::yield_now().await;
    }
    stream.write_all(b"[]").await.unwrap();
    assert_eq!(parse(&until_closed(&mut stream).await).status, 204);
    stopping.await.unwrap().unwrap();
}

#[tokio::test]
async fn a_request_that_never_ends_does_not_keep_the_daemon_from_stopping() {
    let lab = limited(|limits| limits.drain_timeout = SHORT).await;
    let mut stream = TcpStream::connect(lab.addr).await.unwrap();
    let head =
        b"PATCH /v1/expected HTTP/1.1\r\nhost: localhost\r\ncontent-type: application/json\r\n\
                 content-length: 2\r\nexpect: 100-continue\r\n\r\n";
    stream.write_all(head).await.unwrap();
    assert!(stream.read_u8().await.is_ok());
    lab.stop().await.unwrap();
}

#[tokio::test]
async fn beyond_loopback_it_does_not_start_without_a_token() {
    let folder = tempfile::tempdir().unwrap();
    let store = portolan_store::Store::open(folder.path(), portolan_store::StoreOptions::default());
    let clock = std::sync::Arc::new(portolan_api::SystemClock);
    let network = std::sync::Arc::new(crate::network::Network::new(clock.clone()));
    let runner = std::sync::Arc::new(crate::network::Scripted(network));
    let everywhere = DaemonConfig { listen: ([0, 0, 0, 0], 0).into(), ..config("") };
    let daemon = portolan_api::Daemon::bind(everywhere, store.unwrap(), runner, clock).await;
    assert!(matches!(daemon, Err(portolan_api::DaemonError::NoToken { .. })));
}

//! Conversations with servers on loopback: rustls, OpenSSL, and what is neither.

/// OpenSSL, where it is installed.
mod openssl;
/// Servers with which no session comes about.
mod others;
/// A rustls server, and handshakes with it.
mod sessions;

use std::net::SocketAddr;
use std::time::Duration;

use tokio::net::{TcpListener, TcpStream};
use tokio::time::Instant;

use super::{Shaken, TlsFacts, shake};

/// A deadline that nothing here should come near.
fn later() -> Instant {
    Instant::now() + Duration::from_mins(1)
}

/// A deadline for what says nothing.
fn soon() -> Instant {
    Instant::now() + Duration::from_millis(200)
}

/// Serves every connection with `serve`, and ends with the test's runtime.
async fn listen<Served>(serve: impl Fn(TcpStream) -> Served + Send + 'static) -> SocketAddr
where
    Served: Future<Output = ()> + Send + 'static,
{
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    tokio::spawn(async move {
        while let Ok((stream, _)) = listener.accept().await {
            tokio::spawn(serve(stream));
        }
    });
    address
}

async fn shaken(address: SocketAddr, until: Instant) -> Shaken {
    let stream = TcpStream::connect(address).await.unwrap();
    shake(stream, Some("a.example"), &[], until).await
}

fn facts(shaken: Shaken) -> TlsFacts {
    match shaken {
        Shaken::Facts(facts) => facts,
        other => panic!("no facts: {other:?}"),
    }
}

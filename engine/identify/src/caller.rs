//! The way to one endpoint: connections to it, plain or inside TLS.

use std::io;
use std::net::{IpAddr, SocketAddr};
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::{TcpSocket, TcpStream};
use tokio::time::{Instant, timeout_at};

use crate::budget::Budget;
use crate::pace::Pace;
use crate::tls::{self, Session, Shaken};
use crate::window::Window;

/// What is between us and the service.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Door {
    /// Nothing.
    Plain,
    /// TLS.
    Tls,
}

/// Calls one endpoint.
#[derive(Debug)]
pub(crate) struct Caller {
    /// Its address.
    pub(crate) addr: SocketAddr,
    /// From where.
    pub(crate) source: Option<IpAddr>,
    /// How many at once.
    pub(crate) window: Arc<Window>,
    /// What it may cost.
    pub(crate) budget: Budget,
    /// How long to wait for it.
    pub(crate) pace: Pace,
}

/// A connection.
#[derive(Debug)]
pub(crate) struct Line {
    pub(crate) stream: Stream,
}

/// A connection's octets.
#[derive(Debug)]
pub(crate) enum Stream {
    /// As they are on the wire.
    Plain(TcpStream),
    /// Inside TLS.
    Tls(Box<Session>),
}

impl Caller {
    /// A connection through `door`; `None` if none came about.
    pub(crate) async fn line(&self, door: Door) -> Option<Line> {
        let Line { stream } = self.plain().await?;
        match (door, stream) {
            (Door::Tls, Stream::Plain(stream)) => {
                let until = self.until(self.pace.reply());
                match Box::pin(tls::shake(stream, None, &[], until)).await {
                    Shaken::Session(session, _) => Some(Line { stream: Stream::Tls(session) }),
                    _ => None,
                }
            }
            (_, stream) => Some(Line { stream }),
        }
    }

    /// A connection without anything.
    async fn plain(&self) -> Option<Line> {
        let started = Instant::now();
        let connected = timeout_at(self.until(self.pace.connect()), self.connect()).await;
        let now = Instant::now();
        match connected {
            Ok(Ok(stream)) => {
                self.pace.measured(now - started);
                self.window.widen(now);
                Some(Line { stream: Stream::Plain(stream) })
            }
            // It says no, and that is no sign of distress.
            Ok(Err(_)) => None,
            Err(_elapsed) => {
                self.window.narrow(now);
                None
            }
        }
    }

    async fn connect(&self) -> io::Result<TcpStream> {
        let socket = match self.addr {
            SocketAddr::V4(_) => TcpSocket::new_v4()?,
            SocketAddr::V6(_) => TcpSocket::new_v6()?,
        };
        if let Some(source) = self.source {
            socket.bind(SocketAddr::new(source, 0))?;
        }
        let stream = socket.connect(self.addr).await?;
        // A port of this host in the ephemeral range can be connected to itself (RFC 9293 §3.5).
        if stream.local_addr()? == self.addr {
            return Err(io::ErrorKind::ConnectionRefused.into());
        }
        stream.set_nodelay(true)?;
        Ok(stream)
    }

    /// The moment `wait` from now, or when time is up.
    pub(crate) fn until(&self, wait: std::time::Duration) -> Instant {
        (Instant::now() + wait).min(self.budget.until())
    }
}

impl Line {
    /// Has the connection closed with RST: who says nothing may never close its side, and would
    /// leave this host with a socket for a minute (FIN-WAIT-2).
    pub(crate) fn give_up(&self) {
        if let Stream::Plain(stream) = &self.stream {
            // Without it the connection still ends, only later.
            let _slower = stream.set_zero_linger();
        }
    }
}

impl AsyncRead for Stream {
    fn poll_read(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        match self.get_mut() {
            Self::Plain(stream) => Pin::new(stream).poll_read(cx, buf),
            Self::Tls(session) => Pin::new(session.as_mut()).poll_read(cx, buf),
        }
    }
}

impl AsyncWrite for Stream {
    fn poll_write(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &[u8],
    ) -> Poll<io::Result<usize>> {
        match self.get_mut() {
            Self::Plain(stream) => Pin::new(stream).poll_write(cx, buf),
            Self::Tls(session) => Pin::new(session.as_mut()).poll_write(cx, buf),
        }
    }

    fn poll_flush(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        match self.get_mut() {
            Self::Plain(stream) => Pin::new(stream).poll_flush(cx),
            Self::Tls(session) => Pin::new(session.as_mut()).poll_flush(cx),
        }
    }

    fn poll_shutdown(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        match self.get_mut() {
            Self::Plain(stream) => Pin::new(stream).poll_shutdown(cx),
            Self::Tls(session) => Pin::new(session.as_mut()).poll_shutdown(cx),
        }
    }
}

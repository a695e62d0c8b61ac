//! Servers on loopback that are odd or mean harm, and the asking of them.

use std::future::Future;
use std::io;
use std::net::{Ipv4Addr, SocketAddr};
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::task::{Context, Poll};
use std::time::Duration;

use portolan_core::Endpoint;
use portolan_fingerprints::{Database, Service};
use portolan_identify::{Identified, Options, Target, identify};
use tokio::io::{AsyncRead, AsyncReadExt as _, AsyncWrite, AsyncWriteExt as _, ReadBuf};
use tokio::net::{TcpListener, TcpSocket, TcpStream};
use tokio::sync::mpsc;
use tokio::task::JoinSet;
use tokio::time::{Instant, timeout};

/// Whoever takes longer hangs.
const HANG: Duration = Duration::from_mins(2);
/// How often an endpoint may be looked at that told nothing.
const LOOKS: u32 = 2;
/// Octets of a banner that are reported, at most.
const BANNER_LEN_MAX: usize = 4 << 10;
/// Octets of one thing that is told of a service, at most.
const FIELD_LEN_MAX: usize = 1 << 10;
/// Connections to one endpoint, at most: who asks more often is a load.
const CONNECTIONS_MAX: usize = 96;
/// Octets of one connection that both kernels may hold, beyond what was read.
const IN_FLIGHT_MAX: usize = 1 << 20;
/// Octets that wait to be sent.
const SEND_BUFFER: u32 = 16 << 10;

/// Whom a server talks to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Manner {
    /// Everyone.
    Open,
    /// One after the other: who comes meanwhile is connected, and waits.
    Singly,
    /// The first alone: who comes after is refused.
    Once,
}

#[derive(Debug, Default)]
struct Counts {
    connections: AtomicUsize,
    said: AtomicUsize,
    heard: AtomicUsize,
}

/// A server, until it is dropped.
#[derive(Debug)]
pub(crate) struct Server {
    endpoint: Endpoint,
    counts: Arc<Counts>,
    _accepting: JoinSet<()>,
}

impl Server {
    /// One that talks to everyone.
    pub(crate) fn start<F, T>(talk: F) -> Self
    where
        F: Fn(Connection) -> T + Send + 'static,
        T: Future<Output = io::Result<()>> + Send + 'static,
    {
        Self::with(Manner::Open, Ipv4Addr::LOCALHOST, talk)
    }

    /// One that talks in a `manner` at `addr`.
    pub(crate) fn with<F, T>(manner: Manner, addr: Ipv4Addr, talk: F) -> Self
    where
        F: Fn(Connection) -> T + Send + 'static,
        T: Future<Output = io::Result<()>> + Send + 'static,
    {
        let socket = TcpSocket::new_v4().unwrap();
        socket.set_send_buffer_size(SEND_BUFFER).unwrap();
        socket.bind(SocketAddr::from((addr, 0))).unwrap();
        let listener = socket.listen(1_024).unwrap();
        let port = listener.local_addr().unwrap().port();
        let counts = Arc::new(Counts::default());
        let mut accepting = JoinSet::new();
        accepting.spawn(accept(listener, manner, Arc::clone(&counts), talk));
        Self { endpoint: Endpoint::tcp(addr.into(), port), counts, _accepting: accepting }
    }

    /// Where it is.
    pub(crate) const fn endpoint(&self) -> Endpoint {
        self.endpoint
    }

    /// `host:port`.
    pub(crate) fn authority(&self) -> String {
        format!("{}:{}", self.endpoint.addr, self.endpoint.port)
    }

    /// Connections that came about.
    pub(crate) fn connections(&self) -> usize {
        self.counts.connections.load(Ordering::Relaxed)
    }

    /// Octets that it was sent and has read.
    pub(crate) fn heard(&self) -> usize {
        self.counts.heard.load(Ordering::Relaxed)
    }
}

async fn accept<F, T>(listener: TcpListener, manner: Manner, counts: Arc<Counts>, talk: F)
where
    F: Fn(Connection) -> T,
    T: Future<Output = io::Result<()>> + Send + 'static,
{
    let mut talks = JoinSet::new();
    while let Ok((stream, _)) = listener.accept().await {
        counts.connections.fetch_add(1, Ordering::Relaxed);
        let talk = talk(Connection { stream, counts: Arc::clone(&counts) });
        match manner {
            Manner::Open => drop(talks.spawn(talk)),
            // A talk that is broken off is as over as one that ended well.
            Manner::Singly => drop(talk.await),
            Manner::Once => {
                drop(listener);
                return drop(talk.await);
            }
        }
        while talks.try_join_next().is_some() {}
    }
}

/// A server's side of a connection; what it says and hears is counted.
#[derive(Debug)]
pub(crate) struct Connection {
    stream: TcpStream,
    counts: Arc<Counts>,
}

impl Connection {
    /// Says all of `octets`.
    pub(crate) async fn say(&mut self, octets: impl AsRef<[u8]>) -> io::Result<()> {
        self.write_all(octets.as_ref()).await
    }

    /// Says `octets` for ever.
    pub(crate) async fn say_for_ever(&mut self, octets: impl AsRef<[u8]>) -> io::Result<()> {
        loop {
            self.say(&octets).await?;
        }
    }

    /// What comes next; nothing when nothing comes any more.
    pub(crate) async fn hear(&mut self) -> io::Result<Vec<u8>> {
        let mut heard = vec![0; 16 << 10];
        let len = self.read(&mut heard).await?;
        heard.truncate(len);
        Ok(heard)
    }

    /// Waits for the other side to go.
    pub(crate) async fn listen(&mut self) -> io::Result<()> {
        while !self.hear().await?.is_empty() {}
        Ok(())
    }

    /// A request of HTTP without what follows its head; an error for what can't be one.
    pub(crate) async fn request(&mut self) -> io::Result<String> {
        let mut head = String::new();
        while !head.contains("\r\n\r\n") {
            let heard = self.hear().await?;
            head.push_str(&String::from_utf8_lossy(&heard));
            if heard.is_empty() || !head.starts_with(|c: char| c.is_ascii_uppercase()) {
                return Err(io::ErrorKind::InvalidData.into());
            }
        }
        Ok(head)
    }

    /// Answers every request with `answer`.
    pub(crate) async fn answer_all(&mut self, answer: impl AsRef<[u8]>) -> io::Result<()> {
        loop {
            self.request().await?;
            self.say(&answer).await?;
        }
    }

    /// Ends it with a reset.
    pub(crate) fn reset(self) -> io::Result<()> {
        self.stream.set_zero_linger()
    }
}

impl AsyncRead for Connection {
    fn poll_read(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let before = buffer.filled().len();
        let polled = Pin::new(&mut self.stream).poll_read(context, buffer);
        self.counts.heard.fetch_add(buffer.filled().len() - before, Ordering::Relaxed);
        polled
    }
}

impl AsyncWrite for Connection {
    fn poll_write(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        octets: &[u8],
    ) -> Poll<io::Result<usize>> {
        let polled = Pin::new(&mut self.stream).poll_write(context, octets);
        if let Poll::Ready(Ok(len)) = &polled {
            self.counts.said.fetch_add(*len, Ordering::Relaxed);
        }
        polled
    }

    fn poll_flush(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_flush(context)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(context)
    }
}

/// What is usual.
pub(crate) fn options() -> Options {
    let mut options = Options::default();
    options.concurrency = Some(64);
    options
}

/// Little time, for servers that will use up all of it.
pub(crate) fn hasty() -> Options {
    let mut options = options();
    options.endpoint_time_max = Duration::from_secs(3);
    options
}

/// What `server` told, asked in the usual way.
pub(crate) async fn ask(server: &Server) -> Identified {
    ask_with(server, &options()).await
}

/// What `server` told; that it was told once, and that asking kept within its bounds, is sure.
pub(crate) async fn ask_with(server: &Server, options: &Options) -> Identified {
    let mut told = ask_all(&[server], options).await;
    told.pop().expect("one answer")
}

/// What `servers` told, in that order.
pub(crate) async fn ask_all(servers: &[&Server], options: &Options) -> Vec<Identified> {
    let (targets, asked) = mpsc::channel(16);
    let (teller, mut found) = mpsc::channel(16);
    let endpoints: Vec<Endpoint> = servers.iter().map(|server| server.endpoint()).collect();
    let feeding = async {
        for endpoint in &endpoints {
            targets.send(Target::new(*endpoint)).await.unwrap();
        }
        drop(targets);
    };
    let asking = identify(asked, teller, options, Database::embedded());
    let hearing = async {
        let mut all = Vec::new();
        while let Some(told) = found.recv().await {
            all.push(told);
        }
        all
    };
    let all = async { tokio::join!(feeding, asking, hearing).2 };
    let mut all = timeout(HANG, all).await.expect("identification does not end");
    let place = |told: &Identified| endpoints.iter().position(|asked| *asked == told.endpoint);
    all.sort_by_key(place);
    let told: Vec<Endpoint> = all.iter().map(|told| told.endpoint).collect();
    assert_eq!(told, endpoints, "each is told once");
    for (server, told) in servers.iter().zip(&all) {
        check(server, told, options);
    }
    all
}

/// [`ask`] where the clock is paused: it moves on when nothing else does, so that what passed of
/// it is exact.
pub(crate) async fn ask_in_paused_time(server: &Server) -> Identified {
    let (options, begun) = (options(), Instant::now());
    let told = ask_with(server, &options).await;
    let took = begun.elapsed();
    let most = LOOKS * options.endpoint_time_max + Duration::from_secs(1);
    assert!(took <= most, "took {took:?}");
    told
}

fn check(server: &Server, told: &Identified, options: &Options) {
    let connections = server.connections();
    assert!(connections <= CONNECTIONS_MAX, "{connections} connections");
    let said = server.counts.said.load(Ordering::Relaxed);
    let most = options.endpoint_octets_max + connections * IN_FLIGHT_MAX;
    assert!(said <= most, "{said} octets went over {connections} connections, at most {most}");
    let banner = told.banner.as_ref().map_or(0, Vec::len);
    assert!(banner <= BANNER_LEN_MAX, "a banner of {banner} octets");
    let Some(service) = &told.service else { return };
    assert!(!service.name.is_empty() && (1..=100).contains(&service.score), "{service:?}");
    let fields = [
        &service.product,
        &service.vendor,
        &service.version,
        &service.extra,
        &service.os,
        &service.device,
    ];
    for field in fields.into_iter().flatten() {
        assert!(field.len() <= FIELD_LEN_MAX, "{} octets of {field:.100}", field.len());
    }
}

/// The service's name, or nothing.
pub(crate) fn name(told: &Identified) -> &str {
    told.service.as_ref().map_or("", |service| &service.name)
}

/// The service's product and version, as far as told.
pub(crate) fn product(told: &Identified) -> (&str, &str) {
    let Some(service) = &told.service else { return ("", "") };
    let Service { product, version, .. } = service;
    (product.as_deref().unwrap_or_default(), version.as_deref().unwrap_or_default())
}

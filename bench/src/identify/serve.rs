//! The far side: one cheap process that is all servers.

use std::io::Write as _;
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use anyhow::{Context as _, bail};
use clap::{Args, ValueEnum};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpSocket, TcpStream};

use super::persona;
use super::talk::{Answer, answer, greeting};
use super::used;

/// Connections that wait to be taken.
const BACKLOG: u32 = 4_096;
/// Where tarpits listen.
const TARPIT_PORTS: std::ops::Range<u16> = 20_000..20_010;
/// Between two octets of a tarpit that dribbles.
const DRIBBLE: Duration = Duration::from_secs(1);

/// What kind of servers.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum Far {
    /// HTTP, SSH, FTP, SMTP, databases.
    Mix,
    /// Who accepts and says nothing.
    Silent,
    /// Who says an octet a second.
    Dribble,
}

/// What the process is told.
#[derive(Debug, Clone, Args)]
pub(crate) struct Options {
    far: Far,
}

impl Far {
    /// Where they are, on every address.
    pub(crate) fn ports(self) -> Vec<u16> {
        match self {
            Self::Mix => persona::ports().collect(),
            Self::Silent | Self::Dribble => TARPIT_PORTS.collect(),
        }
    }

    /// As on the command line.
    pub(crate) const fn name(self) -> &'static str {
        match self {
            Self::Mix => "mix",
            Self::Silent => "silent",
            Self::Dribble => "dribble",
        }
    }
}

/// The process, until it is dropped.
#[derive(Debug)]
pub(crate) struct Servers(Child);

impl Servers {
    /// Starts it, in the caller's namespace, and waits until it listens.
    pub(crate) fn start(far: Far) -> anyhow::Result<Self> {
        let mut child = Command::new(std::env::current_exe().context("finding this program")?);
        child.args(["identify-serve", far.name()]).stdin(Stdio::piped()).stdout(Stdio::piped());
        let mut servers = Self(child.spawn().context("starting the servers")?);
        let mut word = [0; 1];
        let out = servers.0.stdout.as_mut().context("no output of the servers")?;
        if std::io::Read::read(out, &mut word)? == 0 {
            bail!("the servers do not listen");
        }
        Ok(servers)
    }

    /// The process.
    pub(crate) fn id(&self) -> u32 {
        self.0.id()
    }
}

impl Drop for Servers {
    fn drop(&mut self) {
        // It has ended before where this fails.
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// The process: serves until its input ends.
pub(crate) fn run(options: &Options) -> anyhow::Result<()> {
    used::raise_descriptors()?;
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    runtime.block_on(serve(options.far))
}

async fn serve(far: Far) -> anyhow::Result<()> {
    for port in far.ports() {
        let socket = TcpSocket::new_v4()?;
        socket.set_reuseaddr(true)?;
        socket.bind(SocketAddr::from((Ipv4Addr::UNSPECIFIED, port)))?;
        let listener = socket.listen(BACKLOG).with_context(|| format!("port {port}"))?;
        tokio::spawn(accept(listener, far));
    }
    std::io::stdout().write_all(b".")?;
    std::io::stdout().flush()?;
    let _ended = tokio::io::stdin().read_u8().await;
    Ok(())
}

async fn accept(listener: TcpListener, far: Far) {
    loop {
        match listener.accept().await {
            Ok((stream, _)) => drop(tokio::spawn(talk(stream, far))),
            // Out of descriptors: until some are free.
            Err(_) => tokio::time::sleep(Duration::from_millis(10)).await,
        }
    }
}

async fn talk(mut stream: TcpStream, far: Far) {
    // A conversation that breaks off is over, and nobody is to be told.
    let _ = match far {
        Far::Mix => converse(&mut stream).await,
        Far::Silent => drain(&mut stream).await,
        Far::Dribble => dribble(&mut stream).await,
    };
}

async fn converse(stream: &mut TcpStream) -> std::io::Result<()> {
    let IpAddr::V4(addr) = stream.local_addr()?.ip() else { return Ok(()) };
    let Some(persona) = persona::at(addr, stream.local_addr()?.port()) else { return Ok(()) };
    let greeting = greeting(persona);
    if !greeting.is_empty() {
        stream.write_all(&greeting).await?;
    }
    let mut heard = Vec::new();
    while stream.read_buf(&mut heard).await? > 0 && heard.len() <= 16 << 10 {
        match answer(persona, &heard) {
            Answer::Wait => continue,
            Answer::Say(said) => stream.write_all(&said).await?,
            Answer::Last(said) => return stream.write_all(&said).await,
        }
        heard.clear();
    }
    Ok(())
}

async fn drain(stream: &mut TcpStream) -> std::io::Result<()> {
    let mut heard = [0; 256];
    while stream.read(&mut heard).await? > 0 {}
    Ok(())
}

async fn dribble(stream: &mut TcpStream) -> std::io::Result<()> {
    let (mut reader, mut writer) = stream.split();
    let mut tick = tokio::time::interval(DRIBBLE);
    let mut heard = [0; 256];
    loop {
        tokio::select! {
            read = reader.read(&mut heard) => {
                if read? == 0 {
                    return Ok(());
                }
            }
            _ = tick.tick() => writer.write_all(b"a").await?,
        }
    }
}

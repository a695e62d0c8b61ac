//! One connection to a server, bounded in time and octets.

use std::net::SocketAddr;

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;
use tokio::time::{Instant, timeout_at};

use super::cipher::Channel;
use super::fault::Fault;
use super::identification::{self, Identification};
use super::packet::{self, PLAIN_BLOCK, frame};
use super::userauth::{DEBUG, DISCONNECT, IGNORE, UNIMPLEMENTED, disconnected};

/// Who asks (RFC 4253 §4.2).
pub(super) const CLIENT_LINE: &str = "SSH-2.0-Portolan";
/// Octets that are read at once.
const READ_LEN: usize = 4096;

/// What may still be spent on one server.
#[derive(Debug)]
pub(super) struct Budget {
    pub(super) until: Instant,
    pub(super) octets: usize,
}

/// One connection.
pub(super) struct Conversation<'a> {
    stream: TcpStream,
    budget: &'a mut Budget,
    /// Read and not yet used.
    buffer: Vec<u8>,
    /// Packets without keys: sent, received.
    packets: [u32; 2],
    keys: Option<[Channel; 2]>,
}

impl<'a> Conversation<'a> {
    /// Connects, and says who asks.
    pub(super) async fn open(addr: SocketAddr, budget: &'a mut Budget) -> Result<Self, Fault> {
        let stream = timeout_at(budget.until, TcpStream::connect(addr)).await;
        let stream = stream.map_err(|_| Fault::Time)?;
        let stream = stream.map_err(|error| Fault::Connect(error.kind()))?;
        let buffer = Vec::with_capacity(READ_LEN);
        let mut this = Self { stream, budget, buffer, packets: [0; 2], keys: None };
        this.write(format!("{CLIENT_LINE}\r\n").as_bytes()).await?;
        Ok(this)
    }

    /// The server's identification.
    pub(super) async fn identification(&mut self) -> Result<Identification, Fault> {
        loop {
            if let Some((found, len)) = identification::parse(&self.buffer)? {
                self.buffer.drain(..len);
                return Ok(found);
            }
            self.read().await?;
        }
    }

    /// Sends one message.
    pub(super) async fn send(&mut self, payload: &[u8]) -> Result<(), Fault> {
        let packet = if let Some([to_server, _]) = &mut self.keys {
            to_server.seal(payload)?
        } else {
            let [sent, _] = &mut self.packets;
            *sent = sent.wrapping_add(1);
            frame(payload, PLAIN_BLOCK, 0)
        };
        self.write(&packet).await
    }

    /// The next message that is not for the ears of people or nobody (RFC 4253 §11.2, §11.3).
    pub(super) async fn receive(&mut self) -> Result<Vec<u8>, Fault> {
        loop {
            let payload = self.packet().await?;
            match payload.first() {
                Some(&DISCONNECT) => return Err(disconnected(&payload)),
                Some(&(IGNORE | DEBUG | UNIMPLEMENTED)) => {}
                _ => return Ok(payload),
            }
        }
    }

    /// Packets without keys: sent, received.
    pub(super) const fn packets(&self) -> [u32; 2] {
        self.packets
    }

    /// From here on, packets have keys: those to the server, those to the client.
    pub(super) fn use_keys(&mut self, keys: [Channel; 2]) {
        self.keys = Some(keys);
    }

    async fn packet(&mut self) -> Result<Vec<u8>, Fault> {
        loop {
            let found = match &mut self.keys {
                Some([_, to_client]) => to_client.open(&self.buffer)?,
                None => packet::parse(&self.buffer)?.map(|(payload, len)| {
                    let [_, received] = &mut self.packets;
                    *received = received.wrapping_add(1);
                    (payload.to_vec(), len)
                }),
            };
            if let Some((payload, len)) = found {
                self.buffer.drain(..len);
                return Ok(payload);
            }
            self.read().await?;
        }
    }

    /// Appends to the buffer what has come.
    async fn read(&mut self) -> Result<(), Fault> {
        if self.budget.octets == 0 {
            return Err(Fault::Octets);
        }
        let most = self.budget.octets.min(READ_LEN);
        self.buffer.reserve(most);
        let most = u64::try_from(most).unwrap_or(u64::MAX);
        let mut limited = (&mut self.stream).take(most);
        let read = timeout_at(self.budget.until, limited.read_buf(&mut self.buffer)).await;
        match read.map_err(|_| Fault::Time)? {
            Ok(0) => Err(Fault::Closed),
            Ok(len) => {
                self.budget.octets = self.budget.octets.saturating_sub(len);
                Ok(())
            }
            Err(error) => Err(Fault::Broken(error.kind())),
        }
    }

    async fn write(&mut self, octets: &[u8]) -> Result<(), Fault> {
        let written = timeout_at(self.budget.until, self.stream.write_all(octets)).await;
        written.map_err(|_| Fault::Time)?.map_err(|error| Fault::Broken(error.kind()))
    }
}

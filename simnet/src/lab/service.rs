//! What answers on the far side.

use std::io;
use std::net::{Ipv6Addr, SocketAddr, TcpListener, UdpSocket};
use std::time::Duration;

use super::worker::{Stop, Worker};

/// Listens on each of `ports`, on every address of both families; to be called in
/// [`super::Lab::far`]. The kernel completes handshakes as long as the listeners live.
///
/// # Errors
/// When a port is taken.
pub fn listen_tcp(ports: impl IntoIterator<Item = u16>) -> io::Result<Vec<TcpListener>> {
    ports.into_iter().map(|port| TcpListener::bind((Ipv6Addr::UNSPECIFIED, port))).collect()
}

/// A UDP service that sends every datagram back, until dropped.
#[derive(Debug)]
pub struct UdpEcho {
    _worker: Worker,
}

impl UdpEcho {
    /// Starts it at `addr` (a specific one, so that replies come from it); to be called in
    /// [`super::Lab::far`].
    ///
    /// # Errors
    /// When the port is taken.
    pub fn start(addr: SocketAddr) -> io::Result<Self> {
        let socket = UdpSocket::bind(addr)?;
        socket.set_read_timeout(Some(Duration::from_millis(20)))?;
        let work = move |stop: &Stop| {
            let mut buffer = [0; 2_048];
            while !stop.is_asked() {
                if let Ok((len, peer)) = socket.recv_from(&mut buffer) {
                    let _lost = socket.send_to(buffer.get(..len).unwrap_or_default(), peer);
                }
            }
        };
        Ok(Self { _worker: Worker::start("echo", work)? })
    }
}

//! A stream that remembers what was read from it.

use std::io;
use std::pin::Pin;
use std::sync::{Arc, Mutex, PoisonError};
use std::task::{Context, Poll, ready};

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::TcpStream;

use super::HANDSHAKE_LEN_MAX;
use super::record::begins_record;

/// What was read, as long as somebody wants it.
#[derive(Debug, Clone, Default)]
pub(super) struct Tape(Arc<Mutex<Option<Vec<u8>>>>);

impl Tape {
    fn new() -> Self {
        Self(Arc::new(Mutex::new(Some(Vec::new()))))
    }

    /// What was read so far; from then on everything passes, and nothing is remembered.
    pub(super) fn take(&self) -> Vec<u8> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).take().unwrap_or_default()
    }

    /// Remembers `octets`; whether there was room for them and they can be TLS.
    fn add(&self, octets: &[u8]) -> bool {
        let mut tape = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let Some(tape) = tape.as_mut() else { return true };
        let room = HANDSHAKE_LEN_MAX.saturating_sub(tape.len());
        tape.extend(octets.iter().take(room));
        octets.len() <= room && tape.first().is_none_or(|first| begins_record(*first))
    }
}

/// A stream that remembers what was read from it; until its tape was taken, it fails after
/// [`HANDSHAKE_LEN_MAX`] octets, and at once where the first is not that of a record.
#[derive(Debug)]
pub(super) struct Recorder {
    stream: TcpStream,
    tape: Tape,
}

impl Recorder {
    pub(super) fn new(stream: TcpStream) -> (Self, Tape) {
        let tape = Tape::new();
        (Self { stream, tape: tape.clone() }, tape)
    }

    pub(super) fn into_stream(self) -> TcpStream {
        self.stream
    }
}

impl AsyncRead for Recorder {
    fn poll_read(
        self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let this = self.get_mut();
        let before = buffer.filled().len();
        ready!(Pin::new(&mut this.stream).poll_read(context, buffer))?;
        if this.tape.add(buffer.filled().get(before..).unwrap_or_default()) {
            Poll::Ready(Ok(()))
        } else {
            Poll::Ready(Err(io::Error::other("no handshake, or none that ends")))
        }
    }
}

impl AsyncWrite for Recorder {
    fn poll_write(
        self: Pin<&mut Self>,
        context: &mut Context<'_>,
        octets: &[u8],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.get_mut().stream).poll_write(context, octets)
    }

    fn poll_flush(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.get_mut().stream).poll_flush(context)
    }

    fn poll_shutdown(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.get_mut().stream).poll_shutdown(context)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_tape_is_full_at_its_bound_and_ends_when_taken() {
        let tape = Tape::new();
        assert!(tape.add(&vec![22; HANDSHAKE_LEN_MAX]));
        assert!(tape.add(&[]) && !tape.add(&[22]));
        assert_eq!(tape.take().len(), HANDSHAKE_LEN_MAX);
        assert!(tape.add(&[1; 100]) && tape.take().is_empty());
    }

    #[test]
    fn what_is_not_a_record_is_seen_at_its_first_octet() {
        let tape = Tape::new();
        assert!(tape.add(&[21]) && tape.add(b"220 "));
        let tape = Tape::new();
        assert!(!tape.add(b"2") && tape.take() == b"2");
    }
}

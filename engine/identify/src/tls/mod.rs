//! TLS servers: what they tell of themselves, and the way inside.
//!
//! Two ways lead to a server.
//! [`shake`] makes a session with rustls, over which the caller goes on talking; where there is no
//! session to be had, it still tells what the server's first flight told.
//! [`legacy`] says a hello of our own, which names every version since TLS 1.0 and ciphers that
//! nobody should use any more, reads the flight and hangs up: it finds the certificates of servers
//! that rustls can't talk to.
//!
//! Certificates are read, not trusted: nothing here checks a signature or a name, and a session
//! is as private as one with whoever answered.
//!
//! To read: [`Flight`] and [`ServerHello`], what comes over the wire; [`Certificate`];
//! [`TlsFacts`], what is known in the end; then `shake.rs` and `legacy.rs`, the conversations.
//!
//! **Invariant:** the parsers perform no I/O, read no clock, and return for any octets; of a
//! server's handshake at most [`HANDSHAKE_LEN_MAX`] octets are read.

/// What TLS says when it says no.
mod alert;
/// X.509 certificates as servers show them.
mod certificate;
/// Cipher suites and their names.
mod cipher;
/// What is known of a server.
mod facts;
/// A server's hello in one short line.
mod fingerprint;
/// The server's first flight.
mod flight;
/// Our own hello.
mod hello;
/// Names of public keys and signature algorithms.
mod key;
/// A flight from a server that rustls can't talk to.
mod legacy;
/// Distinguished names and the texts within.
mod name;
/// Reading numbers and prefixed vectors.
mod octets;
/// Records.
mod record;
/// A stream that remembers what was read from it.
mod recorder;
/// The server's hello.
mod server_hello;
/// The inside of a handshake that came about.
mod session;
/// One handshake.
mod shake;
/// Versions of the protocol.
mod version;
/// Which versions a server speaks.
mod versions;
/// Accepts every certificate and keeps it.
mod witness;

#[cfg(test)]
mod tests;

pub use alert::Alert;
pub use certificate::Certificate;
pub use cipher::CipherSuite;
pub use facts::TlsFacts;
pub use fingerprint::Fingerprint;
pub use flight::Flight;
pub use hello::ClientHello;
pub use legacy::{legacy, legacy_over};
pub use server_hello::ServerHello;
pub use session::Session;
pub use shake::{Shaken, shake};
pub use version::Version;
pub use versions::{Versions, versions};

/// Octets of a server's handshake that are read, at most.
pub const HANDSHAKE_LEN_MAX: usize = 64 << 10;
/// Certificates of a chain that are kept, at most.
pub const CHAIN_LEN_MAX: usize = 8;

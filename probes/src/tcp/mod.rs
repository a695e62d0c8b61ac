//! What to say to a TCP port.
//!
//! One family of protocols a file: each request a constant, written from the protocol's
//! specification.
//! None of them changes what a server keeps, logs in with a password, prints or starts work.
//!
//! To read: [`TcpProbe`] and [`at_port`], what is said first; [`speaks_first`], [`tls_first`] and
//! [`only`], to whom not; [`follow_ups`], [`http_paths`] and [`start_tls`], what is said next.

/// Which probes there are, and where each is said.
mod catalogue;
/// What to say next to a service that is known by name.
mod follow_up;
/// What else to ask of HTTP servers.
mod http_path;
/// What is customary at which port.
mod ports;
/// How to begin TLS in the middle of a conversation.
mod start_tls;

/// Stores of keys, queues of jobs, and who coordinates them.
mod caches;
/// Other people's screens.
mod desktop;
/// Names and who may use them.
mod directory;
/// Databases of documents, columns, graphs and records.
mod documents;
/// Worlds and rooms.
mod games;
/// Plants and buildings.
mod industrial;
/// What virtual machines of Java open.
mod java;
/// What makes line protocols say what they are.
mod lines;
/// What stands beside mail servers.
mod mail;
/// Calls and streams.
mod media;
/// Brokers of messages.
mod messaging;
/// Who watches over machines.
mod monitoring;
/// Printers.
mod printing;
/// ONC RPC.
mod rpc;
/// The small services of one line.
mod small;
/// Servers of source code.
mod sources;
/// Relational databases.
mod sql;
/// Disks and files over the network.
mod storage;
/// Between operators.
mod telecom;
/// Tunnels and proxies.
mod tunnels;
/// The web and what stands behind its servers.
mod web;
/// What Windows and Samba speak.
mod windows;

pub use follow_up::{FollowUp, follow_ups};
pub use http_path::{HTTP_PATHS_MAX, HttpPath, HttpSeen, HttpWhen, http_paths};
pub use ports::{inside_tls, only, speaks_first, tls_first};
pub use start_tls::{StartTls, start_tls};

/// What to say first to a TCP port.
#[derive(Debug, PartialEq, Eq)]
pub struct TcpProbe {
    /// The protocol's short lower-case name: that of its service in the signatures, where it is
    /// one protocol's; `"lines"` and `"help"` are many's.
    pub name: &'static str,
    /// The specification that the request is written from.
    pub source: &'static str,
    /// Its usual ports, plain or inside TLS.
    pub ports: &'static [u16],
    /// The request.
    pub says: &'static [u8],
    /// Whether it is worth trying at any port that has said nothing.
    pub anywhere: bool,
}

/// Every probe that is usual at `port`, the likeliest first.
///
/// Inside TLS, that of the plain twin belongs there too: see [`inside_tls`].
pub fn at_port(port: u16) -> impl Iterator<Item = &'static TcpProbe> {
    all().filter(move |probe| probe.ports.contains(&port))
}

/// What is worth saying to any port that was silent to TLS and to HTTP, in the order of how often
/// it tells something there.
pub fn anywhere() -> &'static [&'static TcpProbe] {
    catalogue::ANYWHERE
}

/// Every probe, in the order in which those of one port are tried.
pub fn all() -> impl Iterator<Item = &'static TcpProbe> {
    catalogue::ALL.iter().copied()
}

#[cfg(test)]
mod tests;

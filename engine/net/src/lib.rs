//! The Linux half of the engine: packet sockets, routes, neighbours, ports, privileges.
//!
//! The only crate that opens a packet or raw socket. What is true on paper is in
//! [`portolan_core`]; here are the kernel's side of it and the threads that tie both together.
//! `unsafe` is confined to the private module `sys`.

#![expect(
    clippy::exhaustive_enums,
    clippy::exhaustive_structs,
    reason = "the workspace is released as one: a new variant should break the matches it must reach"
)]

/// The rate that the path takes.
mod auto_rate;
/// What a scan's threads publish.
mod board;
/// A scan set aside.
pub mod checkpoint;
/// The clocks.
mod clock;
/// The scan that needs no privilege.
pub mod connect;
/// A scan through the kernel's `connect`.
mod connect_scan;
/// The threads that tie the engine's halves to links.
mod driver;
/// The kernel filter in front of the receiver.
pub mod filter;
/// The checkpoint of a running scan.
mod keeper;
/// Where frames leave and arrive.
pub mod link;
/// A receiving thread.
mod listen;
/// Which hardware address has which IP address.
pub mod neighbor;
/// The hosts of large IPv6 prefixes on the link.
pub mod on_link;
/// What can be said about a scan besides its targets.
pub mod options;
/// What a scan came to.
mod outcome;
/// Source ports that nothing else uses.
pub mod ports;
/// From targets to a plan.
mod prepare;
/// What this process may do.
pub mod privilege;
/// A scan with packets of our own.
mod raw_scan;
/// Routing as the kernel would do it.
pub mod route;
/// A scan from plan to outcome.
pub mod scan;
/// Keeping this host's own TCP quiet.
pub mod suppress;
#[expect(unsafe_code, reason = "system calls; each block says why it is sound")]
mod sys;
/// The packets of a scan as they pass.
pub mod trace;
/// What a scan is given so that it knows what it loses.
mod truth;

/// What the interfaces themselves count.
pub mod wire;

pub use checkpoint::{Checkpoint, CheckpointError};
pub use connect::{ConnectOptions, connect_scan};
pub use filter::Filter;
pub use link::{Arrival, RxLink, TxLink};
pub use link::{LinkError, PacketRx, PacketRxOptions, PacketTx, PacketTxOptions, RawIpTx};
pub use on_link::OnLinkError;
pub use options::{Cancel, Discovery, ScanKinds, ScanOptions};
pub use outcome::ScanOutcome;
pub use ports::PortBlock;
pub use prepare::PrepareError;
pub use privilege::Privilege;
pub use route::{Interface, NextHop, Reach, Route, RouteOverrides, RouteTable};
pub use scan::{Method, Scan, ScanError, ScanPlanError};
pub use suppress::{SuppressError, Suppression};
pub use sys::SyscallError;
pub use sys::caps::raise_descriptor_limit;
pub use trace::{Trace, TraceCounts};
pub use truth::SubnetSplit;

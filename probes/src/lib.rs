//! What to say to a port.
//!
//! A UDP port that is sent nothing it understands mostly says nothing back, and silence can't be
//! told from a filter.
//! So every usual port gets a request that its usual protocol must answer, written from that
//! protocol's specification, and chosen so that the answer is small.
//! Where the protocol hands something back (a transaction id, a timestamp, a connection id), that
//! field carries a cookie, and the answer proves that it answers *us*.
//!
//! A TCP port that is open is asked who is there: what each usual protocol wants to hear first,
//! what tells the product and the version of a service that is known by name, how to begin TLS.
//! None of it changes what a server keeps, logs in with a password, prints, or starts work.
//!
//! To read: [`udp`], what a scan says; [`tcp`], what identification says.
//!
//! The crate is pure: no sockets, no clock, no randomness, and no allocation per packet.

#![forbid(unsafe_code)]
#![expect(
    clippy::exhaustive_enums,
    clippy::exhaustive_structs,
    reason = "the workspace is released as one: a new variant should break the matches it must reach"
)]

pub mod tcp;
/// What to say to a UDP port, and whether an answer is ours.
pub mod udp;

pub use udp::{
    Echo, ReplyPort, UdpProbe, UsualPayloads, udp_anywhere, udp_further, udp_probe, udp_probes,
};

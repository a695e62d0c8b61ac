//! What is usual where: names of services, and ports by how common they are.
//!
//! The data are text files in `data/`, embedded at build time, with their sources in
//! `data/README.md`.
//! The crate is pure: no I/O, no clock; the files are parsed at first use.

#![forbid(unsafe_code)]

/// Ports by how common they are.
pub mod ranking;
/// Names of services and their usual ports.
pub mod services;

pub use ranking::{SCTP_RANKED, TCP_RANKED, UDP_RANKED, top_ports, top_set};
pub use services::{lookup, name_of};

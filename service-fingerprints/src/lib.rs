//! What is usual where, and what answers look like: names of services, ports by how common they
//! are, and signatures by which a service is known from what it says.
//!
//! The data are text files in `data/`, embedded at build time, with their sources in
//! `data/README.md`.
//! The crate is pure: no I/O, no clock; the build packs the signatures, and what of them is needed
//! is read and compiled when it first is.
//! To read: [`kind`], what is looked at; [`signature`], one product; [`database`], all of them.

#![forbid(unsafe_code)]

/// All signatures, and who said that.
pub mod database;
/// Replies of protocols that say who they are in fields of their own.
mod decode;
/// How greetings begin.
mod greeting;
/// What octets must begin with to match a pattern.
mod head;
/// The parts of a response head of HTTP.
mod http;
/// The signatures of one kind, ready to be searched.
mod index;
/// What the octets are that something is to be known by.
pub mod kind;
/// A regular expression over octets.
mod pattern;
/// Ports by how common they are.
pub mod ranking;
/// A signature as it is written, and as the build packs it.
mod raw;
/// What is known of a service.
pub mod service;
/// Names of services and their usual ports.
pub mod services;
/// One signature.
pub mod signature;
/// Texts with places for what was matched.
mod template;

pub use database::Database;
pub use kind::Kind;
pub use ranking::{SCTP_RANKED, TCP_RANKED, UDP_RANKED, top_ports, top_set};
pub use service::Service;
pub use services::{lookup, name_of};
pub use signature::{Example, Signature, SignatureError};

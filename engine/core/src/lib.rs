//! Everything about a scan that is true on paper: which endpoints, in which order, which octets
//! leave, whether octets that arrive are an answer, and what the answer means.
//!
//! This crate performs no I/O, reads no clock, and is fully determined by its inputs.

#![forbid(unsafe_code)]
#![expect(
    clippy::exhaustive_enums,
    clippy::exhaustive_structs,
    reason = "the workspace is released as one: a new variant should break the matches it must reach"
)]

/// One bit per endpoint: whether it has answered.
pub mod answered;
/// A sender's part in finding the rate.
pub mod auto;
/// Endpoints that are known to answer, asked again to see loss.
pub mod canary;
/// What makes a probe recognisable in its answer.
pub mod cookie;
/// The thing that is open or closed.
pub mod endpoint;
/// What a scan missed.
pub mod estimate;
/// What a running scan says.
pub mod event;
/// What keeps a scan from asking any one group of hosts too often.
pub mod group_gate;
/// Which hosts of a plan share a limit.
mod groups;
/// A few figures for each host that answers.
pub mod host_book;
/// Frames in bulk.
pub mod link;
/// What is odd about a host or a prefix.
pub mod note;
/// What a scan reports.
pub mod observation;
/// How fast to send.
pub mod pacer;
/// Endpoints that are asked twice.
pub mod pairs;
/// How long to wait for answers.
pub mod pause;
/// The order of a scan.
pub mod permutation;
/// A scan, checked and ready.
pub mod plan;
/// The questions that a scan puts to a host.
pub mod probe;
/// The highest rate that loses nothing.
pub mod rate;
/// The receiving half.
pub mod receive;
/// What fixes the order of a scan.
pub mod seed;
/// What is said of an endpoint, and why.
pub mod state;
/// The order that spares groups of hosts.
pub mod stripe;
/// Which endpoints.
pub mod target;
/// Time as an argument.
pub mod time;
/// When each probe left.
pub mod timeline;
/// The sending half.
pub mod transmit;
/// What the engine needs to know of UDP payloads.
pub mod udp;
/// Octets.
pub mod wire;

pub use endpoint::{Endpoint, Family, Transport};
pub use event::{Progress, ScanEvent, ScanStats};
pub use note::Note;
pub use observation::{HostObservation, MacAddr, Observation, REPLY_LEN_MAX, UnixTime};
pub use state::{PortState, Reason};
pub use time::Timestamp;

//! Octets: how a probe is written and how an answer is read.

/// The Internet checksum.
pub mod checksum;
/// The checksum of SCTP.
pub mod crc32c;
/// Packets as text.
pub mod describe;
/// Reading answers.
pub mod parse;
/// How probes look.
pub mod style;
/// Writing probes.
pub mod template;

pub use describe::describe;
pub use parse::{Rejection, Reply, Segment, parse};
pub use style::{ProbeStyle, TcpOptions, VlanId};
pub use template::{LinkHeader, ProbeTemplate};

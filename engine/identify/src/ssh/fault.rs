//! Why something could not be told.

use std::io::ErrorKind;

use super::weak::Kind;

/// Why a conversation ended before it had told what was asked.
///
/// None of these says that a server lacks something: they say that it is not known.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum Fault {
    /// No connection came about.
    #[error("no connection: {0}")]
    Connect(ErrorKind),
    /// The connection broke.
    #[error("the connection broke: {0}")]
    Broken(ErrorKind),
    /// The other side ended the connection.
    #[error("the server closed the connection")]
    Closed,
    /// There was no time left.
    #[error("time ran out")]
    Time,
    /// As much had been read as may be read.
    #[error("the server sent more than is read")]
    Octets,
    /// What the server says first is not an identification (RFC 4253 §4.2).
    #[error("no SSH identification")]
    NotSsh,
    /// The server speaks version 1 only.
    #[error("the server speaks SSH version 1 only")]
    Version1,
    /// A line or a packet is longer than the protocol allows.
    #[error("{0} is too long")]
    TooLong(&'static str),
    /// Something has not the shape that the protocol prescribes.
    #[error("{0} is malformed")]
    Malformed(&'static str),
    /// A message came that does not belong here; its number (RFC 4250 §4.1).
    #[error("message {0} out of turn")]
    OutOfTurn(u8),
    /// The server ended the conversation and said why (RFC 4253 §11.1): code and description.
    #[error("the server disconnected, code {code}: {text:?}")]
    Disconnected {
        /// RFC 4250 §4.2.2.
        code: u32,
        /// At most [`TEXT_LEN_MAX`] characters.
        text: String,
    },
    /// The server offers nothing of this kind that is spoken here.
    #[error("no {0} in common")]
    NoCommon(Kind),
    /// A public value of the server's can't be computed with.
    #[error("the server's public value is not usable")]
    PublicValue,
    /// A packet is not what its authentication code vouches for.
    #[error("a packet does not match its authentication code")]
    Forged,
    /// There was no randomness for the server to be asked with.
    #[error("no randomness")]
    Random,
    /// Nothing was asked, because something before it failed.
    #[error("not asked")]
    NotAsked,
}

/// Longest text of a server that a [`Fault`] keeps, in characters.
pub const TEXT_LEN_MAX: usize = 200;
